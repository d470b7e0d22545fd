"""Simulation: an app, many nodes, one machine.

Doesn't know how the app was found; a script, a notebook and the command line all come here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atoll.app import Bench, ClientApp, Clock, Executor, Project, Record, ServerApp, Watch, resolve
from atoll.data import Partition, describe_partition
from atoll.journal import Created, History, Journal, MemoryJournal
from atoll.runtime._drive import drive
from atoll.runtime._inprocess import InProcess
from atoll.runtime._machine import machine, versions
from atoll.runtime._noted import Noted
from atoll.runtime._paces import Paces
from atoll.runtime._parts import Parts, Source
from atoll.runtime._threads import limited
from atoll.runtime._virtual import InVirtualTime
from atoll.runtime._virtual_clock import VirtualClock
from atoll.values import Config, ConfigError, new_run_id

AUTO = "auto"  # begin in this process, move to a pool when there is much to do


@dataclass(frozen=True, slots=True)
class AppRef:
    """Where another process finds the client app and the data: a folder, and `package.module:name`."""

    folder: Path
    client: str
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One run to be simulated: the app, and how. With a `clock`, in virtual time."""

    server: ServerApp
    client: ClientApp
    source: Source = None
    partition: Partition | Mapping[str, Any] | None = None
    workers: int | str = 0
    threads: int = 1
    save: str = "auto"
    fail_fast: bool = False
    ref: AppRef | None = None
    clock: VirtualClock | Mapping[str, Any] | None = None
    app: Mapping[str, Any] = field(default_factory=dict)

    def create(self, journal: Journal, *, config: Config, nodes: int, seed: int, name: str = "") -> Created:
        """Begin a new run in a journal."""
        if nodes < 1:
            raise ConfigError(
                "simulation.no-nodes", f"a simulation has at least one node, not {nodes}", "--nodes 10"
            )
        names = Parts(self.source, self.partition, nodes, seed).names()
        settings: dict[str, Any] = {"workers": self.workers, "threads": self.threads, "save": self.save}
        if (described := _described(self.partition)) is not None:
            settings["partition"] = described
        if self.clock is not None:
            clock = VirtualClock.of(self.clock).sealed()
            Paces(clock, names, seed).check()
            settings["clock"] = clock.plain()
        created = Created(
            time=time.time(),
            id=new_run_id(),
            name=name,
            app=dict(self.app),
            config=config.plain(),
            seed=seed,
            nodes=names,
            settings=settings,
            versions=versions(),
            machine=machine(self.threads),
        )
        return journal.create(created)

    def run(self, journal: Journal, run: str, *, watch: Watch | None = None) -> History:
        """Run it, or go on with it. Raises what the app raises."""
        with limited(self.threads):
            return drive(
                journal,
                run,
                self.server,
                self._executor,
                watch=watch,
                save=self.save,
                fail_fast=self.fail_fast,
            )

    def _executor(self, record: Record) -> Executor:
        created = record.created
        settings = created.settings.get("clock")  # what it began with, whatever the project says now
        if settings is None:
            return self._computing(record)
        clock = VirtualClock.of(settings)
        paces = Paces(clock, created.nodes, created.seed)
        record.clock = Clock(record.virtual_time)
        return InVirtualTime(self._computing(record), record.clock, paces, notice=clock.notice)

    def _computing(self, record: Record) -> Executor:
        created = record.created
        parts = Noted(Parts(self.source, self.partition, created.nodes, created.seed), record.held)

        def bench() -> Bench:
            return Bench(
                Config(created.config),
                seed=created.seed,
                data=parts,
                log=lambda level, text, round, node: record.log(level, text, round, node),
            )

        here = InProcess(self.client, bench, fail_fast=self.fail_fast)
        if self.workers == 0 or self.fail_fast:
            return here
        from atoll.runtime._adaptive import Adaptive
        from atoll.runtime._pool import Pool

        if self.ref is None and self.workers != AUTO:
            mend = "move the ClientApp and the data function into a module, or leave workers=0"
            raise ConfigError(
                "simulation.not-importable", "apps defined in a notebook or script run in one process", mend
            )
        if self.ref is None:
            return here
        workers = processors() if self.workers == AUTO else int(self.workers)
        pool = Pool.starter(self.ref, record, partition=self.partition, workers=workers, threads=self.threads)
        if self.workers != AUTO:
            return pool()
        return Adaptive(here, pool, log=record.log) if workers > 1 else here


def processors() -> int:
    """How many processors this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def of_project(project: Project, **options: Any) -> Simulation:
    """The simulation that a project describes; options override `[tool.atoll.simulation]`."""
    settings = {**project.simulation, **{k: v for k, v in options.items() if v is not None}}
    reference = settings.get("data")
    source = resolve(reference, project.folder, what="[tool.atoll.simulation] data") if reference else None
    clock = settings.get("clock")
    if isinstance(clock, Mapping) and isinstance(trace := clock.get("trace"), str):
        clock = {**clock, "trace": str(project.folder / trace)}
    app = {"name": project.name, "project": str(project.folder), "server": project.server, "client": project.client,
           "data": reference or "", "digest": project.digest()}  # fmt: skip
    return Simulation(
        server=project.server_app(), client=project.client_app(), source=source, partition=settings.get("partition"),
        workers=settings.get("workers", AUTO), threads=settings.get("threads", 1), save=settings.get("save", "auto"),
        fail_fast=settings.get("fail_fast", False), ref=AppRef(project.folder, project.client, reference), app=app, clock=clock,
    )  # fmt: skip


def simulate(
    server: ServerApp,
    client: ClientApp,
    *,
    nodes: int = 10,
    rounds: int | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    workers: int = 0,
    data: Callable[[], Mapping[str, Any]] | Mapping[str, Any] | None = None,
    partition: Partition | Mapping[str, Any] | None = None,
    name: str = "",
    home: str | Path | None = None,
    threads: int = 1,
    fail_fast: bool = False,
    watch: Watch | None = None,
    clock: VirtualClock | Mapping[str, Any] | None = None,
) -> History:
    """Simulate a federation from a script or a notebook; returns what came of it, also after ^C.

    - `rounds` is config `rounds`; `config` holds the app's settings
    - `data` is a mapping of data sets, or a function that returns one; `partition` deals it to the nodes (IID by default)
    - `workers`: 0 runs all in this process; more need apps that lie in a module
    - `home`: keep the run there (as `atoll run` does in `~/.atoll`), so that it survives; in memory otherwise
    - `clock`: how long the nodes take in virtual time, as `VirtualClock` has it: `{"compute": 3, "up": "1 MB"}`

    Raises what the apps raise. Works under a running event loop.
    """
    from atoll.runtime._progress import Progress

    settings = Config({**(config or {}), **({"rounds": rounds} if rounds is not None else {})})
    app = {"name": name or "simulation"}
    simulation = Simulation(server=server, client=client, source=data, partition=partition, workers=workers, threads=threads,
                            fail_fast=fail_fast, ref=_reference(client, data), app=app, clock=clock)  # fmt: skip
    journal = _journal(home)
    try:
        created = simulation.create(journal, config=settings, nodes=nodes, seed=seed, name=name)
        return simulation.run(journal, created.id, watch=watch or Progress())
    finally:
        journal.close()


def _described(partition: Partition | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How rows are dealt, as a project file has it; None for the rule as usual, and for one of the user's own."""
    if partition is None or isinstance(partition, Mapping):
        return None if partition is None else dict(partition)
    return describe_partition(partition)


def _journal(home: str | Path | None) -> Journal:
    if home is None:
        return MemoryJournal()
    from atoll.journal import SqliteJournal

    return SqliteJournal(home)


def _reference(client: ClientApp, data: Source) -> AppRef | None:
    """How another process imports a client app that a script imported from a module; None for one defined in the script."""
    import sys

    for handler in client.handlers.values():
        module = sys.modules.get(getattr(handler.function, "__module__", ""))
        if module is None or module.__name__ == "__main__" or not getattr(module, "__file__", None):
            return None
        for name, value in vars(module).items():
            if value is client:
                return _located(module.__name__, str(module.__file__), name, data)
    return None


def _located(module: str, file: str, name: str, data: Source) -> AppRef | None:
    folder = Path(file).resolve().parents[module.count(".")]
    if Path(file).name == "__init__.py":
        folder = Path(file).resolve().parents[module.count(".") + 1]
    if data is None:
        return AppRef(folder, f"{module}:{name}")
    home, called = getattr(data, "__module__", "__main__"), getattr(data, "__qualname__", "<")
    if home == "__main__" or "<" in called:
        return None
    return AppRef(folder, f"{module}:{name}", f"{home}:{called}")


__all__: Sequence[str] = ["AUTO", "AppRef", "Simulation", "of_project", "simulate"]
