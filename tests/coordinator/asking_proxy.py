"""A way to a coordinator that signs what passes as one of many people, and looks at each answer for what they may not see."""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import re
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from identified_world import HEART, LUNG, Town, key

from atoll.identity import IdentityError

MINE = ("signature", "signature-input", "atoll-audience", "content-digest")  # the proxy's own to say
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")
HOP = {"connection", "content-length", "transfer-encoding", "host", "expect", *MINE}
OPEN = {
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/v1/about",
    "/v1/ca",
    "/v1/roots",
    "/v1/enrol",
    "/v1/enrol/ask",
    "/v1/enrol/issuer",
}
PINNED = {
    "/v1/enrol/ask"
}  # tells whoever asks to be let in the root that they will have to trust, and nothing of members


@dataclass(frozen=True)
class Asker:
    """Somebody: `name` of their key ("" for nobody), and the words that no answer to them may have."""

    name: str
    hidden: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()  # paths that are of all federations, and theirs
    known: bool = True  # to any roster: whoever isn't gets nothing but what is open


@dataclass
class Proxy:
    """Passes requests on to a town. Who asks is drawn by what is asked, so that the same request is the same one's again."""

    town: Town
    askers: Sequence[Asker]
    asked: list[tuple[str, str, str, int]] = field(default_factory=list)  # who, method, path, status
    wrong: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def open(self) -> Iterator[str]:
        """Its URL, while it serves."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _passing(self)) as server:
            server.daemon_threads = True
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join(10)

    def drawn(self, method: str, target: str, body: bytes) -> Asker:
        return self.askers[zlib.crc32(f"{method} {target}".encode() + body) % len(self.askers)]

    def signature(self, asker: Asker, method: str, target: str, body: bytes) -> dict[str, str]:
        bulk = method == "PUT"
        with contextlib.suppress(IdentityError):  # what can't be signed comes unsigned
            content, length = (b"", len(body)) if bulk else (body, None)
            return self.town.signed(asker.name, method, target, content, length=length) if asker.name else {}
        return {}

    def look(self, asker: Asker, method: str, target: str, body: bytes, status: int, answer: bytes) -> None:
        """Note what they should not have got."""
        path, told = target.partition("?")[0], f"{method} {target} by {asker.name or 'nobody'}: {status}"
        self.asked.append((asker.name, method, path, status))
        said, came = answer.decode("utf-8", "replace"), unquote(target) + body.decode("utf-8", "replace")
        for word in () if path in PINNED or path in asker.whole else asker.hidden:
            if word not in came and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said):
                self.wrong.append(f"{told} shows {word}: {said[:300]}")
        if not asker.known and path not in OPEN and status not in (400, 401, 404, 405, 413):
            self.wrong.append(f"{told} to whoever has no key here")
        if not asker.known and path not in OPEN and status == 404 and b"request.no-path" not in answer:
            self.wrong.append(f"{told} tells what there is")


def _passing(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asker = proxy.drawn(self.command, self.path, body)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP}
            headers |= proxy.signature(asker, self.command, self.path, body)
            with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", proxy.town.port, timeout=60)
            ) as way:
                way.request(self.command, self.path, body or None, headers)
                came = way.getresponse()
                answer = came.read()
            proxy.look(asker, self.command, self.path, body, came.status, answer)
            self.send_response(came.status)
            for name, value in came.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("x-asker", asker.name or "nobody")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    for method in METHODS:
        setattr(Passing, f"do_{method}", Passing.pass_on)
    return Passing


# -- a document that asks for what there is ---------------------------------------------------------------------------------


def narrowed(document: Any, *, runs: Sequence[str], spare: Sequence[str], digests: Sequence[str]) -> Any:
    """The OpenAPI document with names that exist in the place of any text, so that what is asked meets something: federations,
    nodes, `runs`; where things are ended, only `spare` ones."""
    found = copy.deepcopy(document)
    names = {"federation": [HEART, LUNG, "nope"], "name": [HEART, LUNG, "nope"], "node": ["east", "south", "nope"],
             "digest": list(digests), "user": [key("ann").id, key("lena").id]}  # fmt: skip
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            ends = method == "delete" or path.endswith(("/stop", "/limits"))
            own = {**names, "run": [*spare, "nope"] if ends else [*runs, "nope"]}
            if ends:
                own["name"] = ["spare", "nope"]
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _chosen(parameter["name"], parameter["schema"], own)
            if "requestBody" in operation:
                operation["requestBody"] = _given(operation["requestBody"])
    schemas = found["components"]["schemas"]
    body = {"federation": names["federation"], "run": [*runs, "nope"], "bundle": list(digests), "wait": [0]}
    for name, schema in list(schemas.items()):
        one = copy.deepcopy(schema)
        for inner, value in one.get("properties", {}).items():
            one["properties"][inner] = _chosen(inner, value, body)
        schemas[f"Given{name}"] = _given(one)
        schemas[name] = _unplaced(schema)
    return found


def _unplaced(schema: Any) -> Any:
    """A schema whose lists are of anything that one of their places takes: schemathesis misreads `prefixItems` in answers."""
    if isinstance(schema, dict):
        found = {name: _unplaced(value) for name, value in schema.items()}
        if places := found.pop("prefixItems", None):
            found["items"] = {"anyOf": places}
        return found
    return [_unplaced(each) for each in schema] if isinstance(schema, list) else schema


def _chosen(name: str, schema: Any, choices: Mapping[str, Sequence[Any]]) -> Any:
    return {"enum": list(choices[name])} if name in choices else {"enum": [0]} if name == "wait" else schema


def _given(schema: Any) -> Any:
    """A schema that refers to those of what is asked, not to those of answers."""
    text = json.dumps(schema)
    return json.loads(text.replace("#/components/schemas/", "#/components/schemas/Given"))
