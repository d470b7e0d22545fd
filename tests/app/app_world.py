"""One run, driven in this process; what a test raises where a power cut is meant."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from atoll import ClientApp, Config, ServerApp
from atoll.app import Bench, Watch
from atoll.journal import Created, History, Journal
from atoll.runtime import InProcess, drive
from atoll.values import JournalError, new_run_id


class Power(Exception):
    """What a test raises where a power cut is meant: the run has no end in the journal."""


class Plugged:
    """A journal whose plug is pulled with the power: what is said afterwards is not written down."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, run: str, entry: Any, *, nbytes: int = 0) -> None:
        if isinstance(sys.exception(), Power):
            self._journal.flush()  # what was said before is
            raise JournalError("test.no-power", "the power is off")
        self._journal.append(run, entry, nbytes=nbytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class World:
    """One run: `go` drives it, or drives it on."""

    def __init__(self, client: ClientApp, journal: Journal, *, nodes: int = 4, seed: int = 5, config: Mapping[str, Any] | None = None,
                 save: str = "always") -> None:  # fmt: skip
        self.client, self.journal, self.save = client, journal, save
        names = [f"node-{i}" for i in range(nodes)]
        self.run = journal.create(
            Created(
                time=time.time(),
                id=new_run_id(),
                name="",
                app={},
                config=dict(config or {}),
                seed=seed,
                nodes=names,
            )
        ).id

    def go(self, main: Callable[..., Any]) -> History:
        server = ServerApp()
        server.main(main)
        return drive(
            Plugged(self.journal),  # type: ignore[arg-type]
            self.run,
            server,
            lambda record: InProcess(self.client, self.bench),
            watch=Watch(),
            save=self.save,
        )

    def bench(self) -> Bench:
        return Bench(Config(next(iter(self.journal.events(self.run)))[1].config))

    def events(self, *kinds: type) -> list[Any]:
        return [e for _, e in self.journal.events(self.run) if not kinds or isinstance(e, kinds)]
