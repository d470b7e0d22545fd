"""A coordinator that knows who comes by their keys, behind its real door, with people and machines of two federations."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.identity import Approval, Grant, Join, Key, Revocation, Role, Signed, Signer, sign, sign_both
from atoll.journal import SqliteJournal
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._door import Door
from atoll.service.coordinator._enrolment import Town as Whole
from atoll.service.coordinator._first import First, Whereabouts
from atoll.service.coordinator._gate import SignatureGate
from atoll.service.coordinator._home import own_key
from atoll.service.coordinator._listen import Server, listen
from atoll.service.coordinator._objects import Objects
from atoll.service.coordinator._readiness import Readiness
from atoll.service.coordinator._rosters import Rosters
from atoll.store import DirectoryStore, digest_bytes
from atoll.wire import Address, Client

HEART, LUNG = "heart", "lung"
BUNDLE = b"a bundle"


def key(name: str) -> Key:
    """Somebody's key, the same on every run."""
    return Key.of_seed(hashlib.sha256(name.encode()).digest())


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document.get("code", "")) if self.status >= 300 else ""


class Town:
    """A coordinator in this process, on a thread of its own. People are called by their keys' names.

    `default` is under `operator`; `heart` under `chief`, with ann and bob (scientists), olga (owner of the node east), and
    audrey (auditor), the nodes east and west, and the host harbour; `lung` under `rival`, with lena and the node south.
    """

    def __init__(self, folder: Path) -> None:
        self.home, self.ahead = folder / "home", 0.0
        self.begun = time.time() - 1000.0
        self.runs: dict[str, str] = {}

    # -- its life ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def open(self) -> Iterator[Town]:
        """While this is open it serves."""
        self.home.mkdir(exist_ok=True)
        up: threading.Event = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._live(up)), daemon=True)
        thread.start()
        assert up.wait(30)
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self._told.set)
            thread.join(20)
            assert not thread.is_alive()

    async def _live(self, up: threading.Event) -> None:
        self.loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        journal, store = SqliteJournal(self.home), DirectoryStore(self.home / "objects")
        self.desk = desk = Desk(self.home, journal, store, rosters=Rosters)
        assert isinstance(desk.access.rosters, Rosters)
        self.rosters = desk.access.rosters
        desk.access.trust(key("beside").public, "embedded")
        self.audience = own_key(self.home).id
        self.first = First(self.home, Whereabouts("http://127.0.0.1:1", self.audience, ""))
        desk.open_to(Whole(self.audience, "", self.first), self.rosters)
        await desk.start()
        self.gate = SignatureGate(
            self.audience, desk.access, desk.run_keys, now=lambda: time.time() + self.ahead, begun=self.begun
        )
        listening = listen("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        objects = Objects(desk, store)
        door = Door(desk, objects, Readiness(desk, self.home), self.gate)
        server = Server(door, listening, certificate=None, key=None)
        serving = asyncio.create_task(server.serve())
        up.set()
        await self._told.wait()
        desk.drain()
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=5)
        await objects.close()
        await desk.close()
        journal.close()

    def do(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do something on the coordinator's own loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(30)

    # -- people ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Have everybody there, and a run of ann's in heart and one of lena's in lung."""
        for federation, root in (("default", "operator"), (HEART, "chief"), (LUNG, "rival")):
            self.do(lambda f=federation, r=root: self._found(f, r))
        for name, roles in (
            ("ann", Role.SCIENTIST),
            ("bob", Role.SCIENTIST),
            ("olga", Role.SITE_OWNER),
            ("audrey", Role.AUDITOR),
        ):
            self.welcome(name, roles=(roles,))
        self.welcome("alma", roles=(Role.ADMINISTRATOR,))
        self.welcome("east", owner="olga")
        self.welcome("west")
        self.welcome("harbour", roles=(Role.HOST,))
        self.welcome("lena", LUNG, by="rival", roles=(Role.SCIENTIST,))
        self.welcome("south", LUNG, by="rival")
        for name in ("east", "west", "south"):
            self.hello(name)
        self.keep("ann", HEART, BUNDLE)
        self.keep("lena", LUNG, BUNDLE)
        self.runs["ann"] = self.run_of("ann", HEART)
        self.runs["lena"] = self.run_of("lena", LUNG)

    async def _found(self, federation: str, root: str) -> None:
        await self.rosters.found(federation, key(root).public)
        if federation != "default":
            from atoll.service.coordinator._registry import FederationRecord

            self.desk._federations._put(FederationRecord(name=federation, created=time.time()))

    def grant(
        self,
        name: str,
        federation: str = HEART,
        *,
        by: str = "chief",
        roles: tuple[Role, ...] = (Role.NODE,),
        owner: str = "",
    ) -> Signed:
        """An invitation; its token is `key("token of NAME")`."""
        kind: Any = "node" if roles == (Role.NODE,) else "host" if roles == (Role.HOST,) else "user"
        now = int(time.time())
        said = Grant(token=key(f"token of {name}").public.text, kind=kind, name=name, roles=roles, owner=owner,
                     federation=federation, issued=now, expires=now + 900)  # fmt: skip
        return sign(said, key(by))

    def welcome(self, name: str, federation: str = HEART, *, by: str = "chief", **other: Any) -> str:
        """Somebody is invited and joins; the id of their key."""

        async def joined() -> str:
            await self.rosters.invite(federation, self.grant(name, federation, by=by, **other))
            token, own = key(f"token of {name}"), key(name)
            said = Join(token=token.public.text, key=own.public.text, name=name, time=int(time.time()))
            member, _ = await self.rosters.join(federation, sign_both(said, token, own))
            return member.id

        return str(self.do(joined))

    def revocation(self, name: str, federation: str = HEART, *, by: str = "chief") -> Signed:
        return sign(Revocation(key=key(name).id, federation=federation, time=int(time.time())), key(by))

    def approval(self, name: str, federation: str = HEART, *, by: str = "chief") -> Signed:
        return sign(Approval(key=key(name).id, federation=federation, time=int(time.time())), key(by))

    def revoke(self, name: str, federation: str = HEART, *, by: str = "chief") -> None:
        """Somebody is taken off the roster."""
        self.do(lambda: self.rosters.revoke(federation, self.revocation(name, federation, by=by)))

    # -- requests ----------------------------------------------------------------------------------------------------

    def address(self) -> Address:
        return Address(f"http://127.0.0.1:{self.port}", audience=self.audience)

    def client(self, name: str, *, patience: float | None = 0.0) -> Client:
        """A client that signs as somebody."""
        return Client(self.address(), agent="test", patience=patience, key=key(name))

    def signed(self, name: str, method: str, path: str, content: bytes = b"", *, length: int | None = None,
               audience: str = "", now: Callable[[], float] = time.time) -> dict[str, str]:  # fmt: skip
        """The headers of a request that somebody has signed."""
        signer = Signer(key(name), audience or self.audience, now)
        return signer.headers(method, path, body=content, length=length)

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **other: Any,
    ) -> Said:
        """One request, signed by somebody; by nobody for ""."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        signature = self.signed(name, method, path, content, **other) if name else {}
        return self.send(method, path, content, {**signature, **(headers or {})})

    def send(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> Said:
        """One request as it is."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, content or None, headers)
            answer = connection.getresponse()
            return Said(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())

    def hello(self, name: str, kind: str = "node") -> int:
        """A daemon comes; its session."""
        body = {
            "name": name,
            "identity": f"identity-of-{name}-0123456789",
            "version": "0",
            "time": time.time(),
        }
        said = self.ask(name, "POST", f"/v1/{kind}/hello", body)
        assert said.status == 200, said
        return int(said.document["session"])

    def keep(self, name: str, federation: str, content: bytes) -> str:
        """An object of a federation is there; its digest."""
        digest = digest_bytes(content)
        listed = json.dumps([[digest, len(content), 0]]).encode()
        whole = len(listed).to_bytes(8, "little") + listed + content
        path = f"/v1/objects?federation={federation}"
        said = self.send("PUT", path, whole, self.signed(name, "PUT", path, length=len(whole)))
        assert said.document == {"stored": [digest]}, said
        return digest

    def new_run(self, federation: str, **other: Any) -> dict[str, Any]:
        """The body that begins a run."""
        return {
            "federation": federation,
            "bundle": digest_bytes(BUNDLE),
            "app": {"name": "app"},
            "where": "here",
            **other,
        }

    def run_of(self, who: str, federation: str, **other: Any) -> str:
        """Somebody begins a run; its id."""
        said = self.ask(who, "POST", "/v1/runs", self.new_run(federation, **other))
        assert said.status == 200, said
        return str(said.document["summary"]["id"])

    def lend(self, by: str, run: str, program: str) -> None:
        """`key(program)` drives a run from now on."""
        said = self.ask(by, "POST", f"/v1/runs/{run}/key", {"key": key(program).public.text})
        assert said.status == 200, said
