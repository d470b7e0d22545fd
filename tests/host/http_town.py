"""The town's desk behind plain HTTP: for processes. Objects don't travel here; models ride in their messages."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from real_desk import Town

from atoll.wire import Attend, Hello, HostPoll, Problem, RunEnded, Say

_HOSTS = {"hello": ("host_hello", Hello), "poll": ("host_poll", HostPoll), "ended": ("host_ended", RunEnded)}
_RUNS: dict[str, type[msgspec.Struct]] = {"attend": Attend, "say": Say}


class Door:
    """Serves until it is closed; `close` and a new one on the same port is a coordinator that was away."""

    def __init__(self, town: Town, port: int = 0) -> None:
        self.town, self.seen = town, []  # type: ignore[var-annotated]
        self._connections: set[Any] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def _answer(self, method: str, target: str, body: bytes) -> bytes:
        desk, path, query = (
            self.town.desk,
            urlsplit(target).path.split("/")[2:],
            parse_qs(urlsplit(target).query),
        )
        self.seen.append((method, target))
        if path[0] == "host":
            verb, kind = _HOSTS[path[1]]
            found = getattr(desk, verb)(msgspec.json.decode(body, type=kind))
        elif path[0] == "bundles":
            return bytes(self.town.store.open(path[1]))
        elif path[2] == "events":
            found = desk.events(path[1], int(query["after"][0]))
        elif path[2] == "shelf":
            found = desk.shelf(path[1], query["keys"])
        else:
            found = getattr(desk, path[2])(path[1], msgspec.json.decode(body, type=_RUNS[path[2]]))
        return msgspec.json.encode(self.town._do(found))

    def _handler(door) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                door._connections.add(self.connection)

            def finish(self) -> None:
                door._connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = 200
                try:
                    answer = door._answer(self.command, self.path, body)
                except Exception as error:
                    status = getattr(error, "status", 500)
                    code, message = (
                        getattr(error, "code", "test.broken"),
                        getattr(error, "message", repr(error)),
                    )
                    answer = msgspec.json.encode(Problem(code=code, message=message))
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None: ...

        return Handler
