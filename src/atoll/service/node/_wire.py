"""What a node says to its coordinator, in the words of the wire.

Doesn't know when. Calls that may wait are tried once: whoever calls decides whether to try again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from atoll._version import __version__
from atoll.service.node._settings import NodeSettings
from atoll.store import Store
from atoll.wire import (
    Address,
    Answer,
    Client,
    Hello,
    Line,
    Lines,
    Ok,
    Order,
    Orders,
    Poll,
    ProbeResult,
    Problem,
    Verdict,
    Welcome,
    keep_renewed,
    pull,
    push,
)

TRANSFER = 30.0  # seconds that a transfer goes on trying by itself

Blob: TypeAlias = Any  # a buffer, or the path of a file


class Coordinator:
    """The coordinator as a node sees it; for any thread. `session` is the newest one."""

    def __init__(self, settings: NodeSettings, identity: str) -> None:
        self._settings, self._identity = settings, identity
        agent = f"atoll-node/{__version__}"
        self._client = Client(settings.coordinator, agent=agent, patience=0.0)
        self._bulk = Client(settings.coordinator, agent=agent, patience=TRANSFER)
        self.session = 0

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def address(self) -> Address:
        return self._settings.coordinator

    def keep_renewed(self, warn: Callable[[str], None]) -> None:
        """Renew the credential of this node's key for as long as it runs; `warn` is told when that fails."""
        if self.address.key:
            keep_renewed(self._client, warn)

    def hello(self, resources: dict[str, float], data: list[str]) -> Welcome:
        """Begin a session; older ones are refused from now on."""
        s = self._settings
        hello = Hello(
            name=s.name, identity=self._identity, version=__version__, time=time.time(), slots=s.slots,
            data=data, labels=s.labels, resources=resources,
        )  # fmt: skip
        welcome = self._client.call("POST", "/v1/node/hello", hello, Welcome)
        self.session = welcome.session
        return welcome

    def poll(
        self,
        have: dict[str, str],
        free: int,
        wait: float,
        removed: list[str],
        checkpoint: Order | None = None,
    ) -> Orders:
        """What is there to do? Answered when there is something, or after `wait` seconds."""
        poll = Poll(
            name=self._settings.name, session=self.session, have=have, free=free, wait=wait, removed=removed,
            checkpoint=checkpoint,
        )  # fmt: skip
        return self._client.call("POST", "/v1/node/poll", poll, Orders, wait=wait)

    def reply(self, answer: Answer) -> Verdict:
        """Deliver an answer, in the newest session."""
        return self._client.call("POST", "/v1/node/reply", answer, Verdict)

    def lines(self, lines: list[Line]) -> None:
        """Lines for the runs' logs."""
        body = Lines(name=self._settings.name, session=self.session, lines=lines)
        self._client.call("POST", "/v1/node/lines", body, Ok)

    def probed(self, probe: str, problems: list[Problem], versions: dict[str, str], data: list[str]) -> None:
        """What a preflight found."""
        body = ProbeResult(
            name=self._settings.name,
            session=self.session,
            id=probe,
            problems=problems,
            versions=versions,
            data=data,
        )
        self._client.call("POST", "/v1/node/probed", body, Ok)

    def bundle(self, digest: str) -> bytes:
        """The bytes of an app's bundle."""
        return self._bulk.fetch(f"/v1/bundles/{digest}")

    def roster(self, federation: str) -> bytes:
        """Who belongs to a federation, as the coordinator has it."""
        return self._client.fetch(f"/v1/federations/{federation}/roster")

    def pull(self, federation: str, objects: Mapping[str, int], store: Store) -> None:
        """Fetch what the store lacks of these."""
        pull(self._bulk, federation, objects, store)

    def push(self, federation: str, blobs: Mapping[str, Path]) -> None:
        """Send what the coordinator lacks of these."""
        push(self._bulk, federation, blobs)

    def close(self) -> None:
        """End every request that is under way, on whatever thread."""
        self._client.close()
        self._bulk.close()
