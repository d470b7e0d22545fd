"""Who may do what: every operation of the API against every role, and what is another's looks like what isn't there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from identified_world import HEART, Said, Town, key

from atoll.identity import Both, Grant, Join, Role, Rotation, Signed, sign, sign_both
from atoll.service.coordinator._door import BARE
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._route import ANYONE, Asked
from atoll.service.coordinator._routes import ROUTES
from atoll.store import digest_bytes

SECRET = b"of heart alone"
DIGEST = digest_bytes(SECRET)
MEMBERS = {
    "administrator": "alma", "scientist": "ann", "site-owner": "olga", "auditor": "audrey", "node": "west", "host": "harbour",
    "program": "program",
}  # fmt: skip
OUTSIDE = {"outsider": "rival", "operator": "operator"}  # administrators, of lung and of the whole
UNKNOWN = {"stranger": "stranger", "nobody": ""}
ASKERS = {**MEMBERS, **OUTSIDE, **UNKNOWN}
OBJECTS = (
    "PUT /v1/objects",
    "POST /v1/objects/fetch",
    "GET /v1/objects/{digest}",
    "GET /v1/bundles/{digest}",
)
EVERY = {f"{r.method} {r.path}" for r in ROUTES} | {f"GET {path}" for path in BARE} | set(OBJECTS)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        town.keep("ann", HEART, SECRET)
        town.runs["program"] = town.run_of("ann", HEART)
        town.lend("ann", town.runs["program"], "program")
        yield town


# -- the table -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Who of heart's members may; what the administrators of another federation, and of the whole, get: 200 stands for
    whatever is no refusal of theirs."""

    members: str
    outsider: int
    operator: int
    body: Callable[[Town, str], Any] = lambda town, name: None

    def expected(self, asker: str) -> int:
        if asker in UNKNOWN:
            return 401
        if asker in OUTSIDE:
            return self.outsider if asker == "outsider" else self.operator
        return 200 if self.members == "all" or asker in self.members.split() else 403


OPEN = Row("all", 200, 200)


def a_daemon(**more: Any) -> Callable[[Town, str], Any]:
    return lambda town, name: {"name": "x", "session": 10**6, **more}


def hello(town: Town, name: str) -> Any:
    return {"name": "x", "identity": "0123456789abcdef", "version": "0", "time": time.time()}


def answer(town: Town, name: str) -> Any:
    bad = {"type": "bad", "failure": "raised", "message": ""}
    return {
        "name": "x",
        "session": 10**6,
        "run": "r",
        "key": "k",
        "call": DIGEST,
        "digest": DIGEST,
        "outcome": bad,
    }


def raw(signed: Any) -> Any:
    return msgspec.to_builtins(signed)


def invitation(town: Town, name: str) -> Any:
    now = int(time.time())
    grant = Grant(token=key(f"by {name}").public.text, kind="node", name="new", roles=(Role.NODE,), federation=HEART,
                  issued=now, expires=now + 900)  # fmt: skip
    return {"grant": raw(sign(grant, key(name or "x")))}


def joining(name: str) -> Both:
    token, own = key(f"no token of {name}"), key(f"new {name}")
    said = Join(token=token.public.text, key=own.public.text, name="new", time=int(time.time()))
    return sign_both(said, token, own)


def rotation(town: Town, name: str) -> Any:
    """Of a key that is not the asker's: refused, once it is read, as not theirs to rotate."""
    old, new = key("x"), key("y")
    return {
        "said": raw(sign_both(Rotation(old=old.id, new=new.public.text, time=int(time.time())), old, new))
    }


def told(made: Callable[[Town, str], Signed]) -> Callable[[Town, str], Any]:
    return lambda town, name: {"said": raw(made(town, name))}


A, S, W, U = "administrator", "scientist", "site-owner", "auditor"
TABLE = {
    "POST /v1/node/hello": Row("node", 403, 403, hello),
    "POST /v1/node/poll": Row("node", 403, 403, a_daemon()),
    "POST /v1/node/reply": Row("node", 403, 403, answer),
    "POST /v1/node/lines": Row("node", 403, 403, a_daemon(lines=[])),
    "POST /v1/node/probed": Row("node", 403, 403, a_daemon(id="x")),
    "POST /v1/host/hello": Row("host", 403, 403, hello),
    "POST /v1/host/poll": Row("host", 403, 403, a_daemon()),
    "POST /v1/host/ended": Row("host", 403, 403, a_daemon(run="r", how="x")),
    "POST /v1/runs/{run}/attend": Row("program", 403, 403, lambda town, name: {"where": "here"}),
    "POST /v1/runs/{run}/say": Row("program", 403, 403, lambda town, name: {"fence": 10**6, "at": 0}),
    "POST /v1/runs/{run}/key": Row(f"{S} {A}", 404, 404, lambda town, name: {"key": key("lent").public.text}),
    "GET /v1/runs/{run}/events": Row(f"{A} {S} {W} {U} program", 404, 404),
    "GET /v1/runs/{run}/shelf": Row(f"{A} {S} program", 404, 404),
    "POST /v1/runs": Row(f"{A} {S}", 404, 404, lambda town, name: town.new_run(HEART)),
    "GET /v1/runs": Row(f"{A} {S} {W} {U} program", 200, 200),
    "GET /v1/runs/{run}": Row(f"{A} {S} {W} {U} program", 404, 404),
    "DELETE /v1/runs/{run}": Row(f"{A} {S}", 404, 404),
    "POST /v1/runs/{run}/stop": Row(f"{A} {S}", 404, 404),
    "POST /v1/runs/{run}/resume": Row(f"{A} {S}", 404, 404),
    "GET /v1/federations": Row(f"{A} {S} {W} {U}", 200, 200),
    "POST /v1/federations": Row("", 403, 200, lambda town, name: {"name": f"of-{name or 'x'}"}),
    "GET /v1/federations/{name}": Row(f"{A} {S} {W} {U}", 404, 404),
    "DELETE /v1/federations/{name}": Row("", 403, 200),
    "POST /v1/federations/{name}/nodes/{node}": Row(A, 404, 404),
    "DELETE /v1/federations/{name}/nodes/{node}": Row(A, 404, 404),
    "GET /v1/nodes": Row(f"{A} {S} {W} {U}", 200, 200),
    "POST /v1/checks": Row(f"{A} {S}", 404, 404, lambda town, name: {"federation": HEART, "bundle": "sha256:" + "0" * 64, "app": {}}),
    "POST /v1/objects/lack": Row(f"{A} {S} node program", 404, 404, lambda town, name: {"federation": HEART, "objects": {}}),
    "PUT /v1/objects": Row(f"{A} {S} node program", 404, 404, lambda town, name: (2).to_bytes(8, "little") + b"[]"),
    "POST /v1/objects/fetch": Row(f"{A} {S} node host program", 404, 404, lambda town, name: {"federation": HEART, "pieces": []}),
    "GET /v1/objects/{digest}": Row(f"{A} {S} node host program", 404, 404),
    "GET /v1/bundles/{digest}": Row(f"{A} {S} node host program", 404, 404),
    "GET /v1/audit": Row(f"{A} {W} {U}", 200, 200),
    "GET /v1/audit/export": Row("", 403, 200),
    "GET /v1/usage": Row(f"{A} {S} {W} {U}", 200, 200),
    "GET /v1/federations/{name}/limits": Row(f"{A} {S} {W} {U}", 404, 404),
    "POST /v1/federations/{name}/limits": Row(A, 404, 404, lambda town, name: {}),
    "GET /v1/me": Row("all", 200, 200),
    "POST /v1/me/renew": Row("all", 200, 200),
    "POST /v1/me/rotation": Row(f"{A} {S} {W} {U} node host", 200, 200, rotation),
    "GET /v1/federations/{name}/roster": Row(f"{A} {S} {W} {U} node host", 404, 404),
    "GET /v1/federations/{name}/members": Row(f"{A} {U}", 404, 404),
    "GET /v1/federations/{name}/invitations": Row(A, 404, 404),
    "POST /v1/federations/{name}/invitations": Row(A, 404, 404, invitation),
    "GET /v1/federations/{name}/requests": Row(A, 404, 404),
    "POST /v1/federations/{name}/approvals": Row(A, 404, 404, told(lambda town, name: town.approval("x", by=name or "x"))),
    # the roster decides by who signed it
    "POST /v1/federations/{name}/revocations": Row(f"{A} {S} {W} {U} node host", 404, 404, told(lambda town, name: town.revocation("x", by=name or "x"))),
    "POST /v1/roots": Row("all", 200, 200, lambda town, name: {"join": raw(joining(name))}),
    "POST /v1/enrol": Row("all", 200, 200, lambda town, name: {"federation": HEART, "join": raw(joining(name))}),
    "POST /v1/enrol/ask": Row("all", 200, 200, lambda town, name: {"federation": HEART, "key": key("asks").public.text}),
    "GET /v1/ca": OPEN,
    "GET /v1/enrol/issuer": OPEN,
    "GET /v1/about": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /openapi.json": OPEN,
    "GET /metrics": Row("", 403, 200),
}  # fmt: skip
FOR_ALL = {"GET /v1/ca", "GET /v1/about", "GET /healthz", "GET /readyz", "GET /openapi.json", "POST /v1/roots", "POST /v1/enrol",
           "POST /v1/enrol/ask", "GET /v1/enrol/issuer"}  # fmt: skip


def test_every_operation_has_its_row() -> None:
    assert TABLE.keys() == EVERY


def test_what_is_for_all_is_what_the_table_says() -> None:
    assert {f"{r.method} {r.path}" for r in ROUTES if r.permission is ANYONE} <= FOR_ALL


def path_of(town: Town, operation: str, asker: str) -> str:
    path = operation.split(" ")[1]
    run = town.runs["program" if asker == "program" else operation]
    path = path.format(run=run, name=HEART, node="east", digest=DIGEST)
    return f"{path}?federation={HEART}" if path == "/v1/objects" else path


def asked(town: Town, operation: str, asker: str) -> Said:
    """The answer to one operation that somebody asks for, on what is ann's."""
    name, method = ASKERS[asker], operation.split(" ")[0]
    if operation not in town.runs:
        town.runs[operation] = town.run_of("ann", HEART)
    path, body = path_of(town, operation, asker), TABLE[operation].body(town, name)
    if method != "PUT":
        return town.ask(name, method, path, body)
    signature = town.signed(name, method, path, length=len(body)) if name else {}
    return town.send(method, path, body, signature)


def verdict(said: Said) -> int:
    """What the door made of the asker; 200: it let them, whatever came of it."""
    hidden = ("run.unknown", "federation.unknown", "object.missing")
    refused = (
        said.status == 401,
        said.code == "identity.forbidden",
        said.status == 404 and said.code in hidden,
    )
    return said.status if any(refused) else 200


@pytest.mark.parametrize("operation", sorted(EVERY))
def test_an_operation_is_for_whom_the_table_says(town: Town, operation: str) -> None:
    found = {asker: verdict(asked(town, operation, asker)) for asker in ASKERS}
    expected = {asker: TABLE[operation].expected(asker) for asker in ASKERS}
    if operation in FOR_ALL:
        expected |= dict.fromkeys(UNKNOWN, 200)
    assert found == expected


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_every_operation_tells_the_desk_who_asks(route: Any) -> None:
    if route.permission is ANYONE:
        return
    who, desk = Principal("k-test", "user"), Recorder()
    path = dict.fromkeys(("run", "name", "node"), "x")
    asyncio.run(route.done(desk, Asked(None, path, {}, who)))
    assert desk.told == [who]


class Recorder:
    """A desk that keeps who it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @property
    def records(self) -> Recorder:
        return self

    @property
    def enrolment(self) -> Recorder:
        return self

    def __getattr__(self, name: str) -> Any:
        def method(*given: Any, **named: Any) -> Any:
            self.told += [value for value in (*given, *named.values()) if isinstance(value, Principal)]

            async def nothing() -> None: ...

            return nothing()

        return method
