"""What somebody hostile can send to a coordinator, and what of it must stay as it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from identified_world import HEART, Said, Town, key

from atoll.identity import Both, Grant, Join, Key, Role, Signed, sign, sign_both, to_base64

IN = f"/v1/federations/{HEART}"
MEMBERS = f"{IN}/members"
LACK = "/v1/objects/lack"
ASKED = b'{"federation":"heart","objects":{}}'  # a question that members may ask
MIB = 1 << 20
OWN = ("refused", "checkpoint")  # entries that the coordinator makes of itself


Send: TypeAlias = Callable[[Town], Said]


def state(town: Town) -> dict[str, Any]:
    """All that somebody could have changed: records, rosters, runs, objects, and the audit log but for what tells of refusals.

    Not usage: bytes that came are counted, whatever they were.
    """

    async def read() -> dict[str, Any]:
        await town.desk._books.registry.durable()
        await town.desk._books.audit.durable()
        return {name: town.rosters.get(name).export() for name in town.rosters.federations()}  # type: ignore[union-attr]

    rosters = town.do(read)
    with contextlib.closing(sqlite3.connect(town.home / "coordinator.db")) as database:
        records = database.execute(
            "SELECT kind, name, body FROM records WHERE kind NOT LIKE 'usage%' ORDER BY kind, name"
        ).fetchall()
    kept, audit = (town.home / "objects").rglob("*"), written(town.home)
    return {
        "records": records,
        "rosters": rosters,
        "runs": [town.ask(who, "GET", "/v1/runs").body for who in ("chief", "rival")],
        "objects": sorted(str(p) for p in kept if p.is_file() and p.parent.name != "damaged"),
        "audit": [(line["kind"], line["who"], line["what"]) for line in audit if line["kind"] not in OWN],
    }


def written(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "audit.jsonl").read_bytes().splitlines()]


def as_json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def post(town: Town, who: str, path: str, **body: Any) -> Said:
    return town.ask(who, "POST", path, as_json(body))


def grant(name: str = "newcomer", *, by: str = "chief", ttl: int = 900, **other: Any) -> Signed:
    """An invitation, as whoever is hostile may want it."""
    now = int(time.time())
    told: dict[str, Any] = {"token": key(f"token of {name}").public.text, "kind": "node", "name": name, "roles": (Role.NODE,),
                            "federation": HEART, "issued": now, "expires": now + ttl}  # fmt: skip
    return sign(Grant(**(told | other)), key(by))


def joined(name: str = "newcomer", *, by: str = "", ago: int = 0, called: str = "") -> Both:
    token, own = key(f"token of {name}"), key(by or name)
    said = Join(
        token=token.public.text, key=own.public.text, name=called or name, time=int(time.time()) - ago
    )
    return sign_both(said, token, own)


def saying(kind: str, body: bytes | str, by: str | Key) -> dict[str, str]:
    """A statement with any body at all, truly signed: what nobody's `sign` would make."""
    own = key(by) if isinstance(by, str) else by
    data = body.encode() if isinstance(body, str) else body
    return {"kind": kind, "body": data.decode("utf-8", "replace"), "by": own.public.text,
            "signature": to_base64(own.sign(b"atoll/" + kind.encode() + b"/1\n" + data))}  # fmt: skip


def changed(signed: Signed, **fields: Any) -> dict[str, Any]:
    """Its body is another, its signature the same."""
    body = json.loads(signed.body)
    text = json.dumps(body | fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text != signed.body
    return {**msgspec.to_builtins(signed), "body": text}


def raw(town: Town, lines: bytes, *, half: bool = False) -> Said:
    """Bytes on a connection of their own, and the answer; status 0: there was none."""
    with socket.create_connection(("127.0.0.1", town.port), timeout=20) as connection:
        with contextlib.suppress(OSError):  # it may have hung up before all was sent
            connection.sendall(lines)
            if half:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return Said(int(words[1]) if len(words) > 1 else 0, {}, body)


def request(town: Town, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it travels; `target` stands there as it is."""
    given = {"Host": f"127.0.0.1:{town.port}", "Connection": "close", **headers}
    if body and "content-length" not in {name.lower() for name in given}:
        given["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in given.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def deep(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


def sha(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
