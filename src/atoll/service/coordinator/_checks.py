"""Preflights: asking every node of a federation whether it could take part, before anything begins.

Doesn't know what nodes look at.
"""

from __future__ import annotations

import asyncio

import msgspec

from atoll.service.coordinator._books import Books
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._principals import LOCAL, Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.values import new_run_id
from atoll.wire import Check, Checked, Ok, Probe, ProbeResult, RunSpec

PATIENCE = 60.0  # seconds that nodes have


class Checks:
    """Preflights under way."""

    def __init__(self, books: Books, nodes: Nodes, federations: Federations) -> None:
        self._books, self._nodes, self._federations = books, nodes, federations
        self._open: dict[str, _Check] = {}

    async def check(self, check: Check, user: str, who: Principal = LOCAL) -> Checked:
        """What every node that is here finds; those that don't answer in time count as away."""
        names = self._federations.nodes(self._federations.known(check.federation, who))
        await self._books.marks.gate()
        if not self._books.tenancy.has(check.federation, (check.bundle,)):
            raise Refusal(
                409, "object.missing", f"bundle {check.bundle} is not here", "upload it, then ask again"
            )
        self._books.marks.promise((check.bundle,))
        here = {
            n: node
            for n in names
            if (node := self._nodes.find(check.federation, n)) and self._nodes.presence.here(node)
        }
        id = check.id or new_run_id()
        if id in self._open:
            raise Refusal(409, "check.busy", f"the preflight {id} is under way", "ask again without its id")
        under_way = self._open[id] = _Check(check.federation, set(here))
        app, partition = check.app, check.app.get("partition")
        spec = RunSpec(
            run=id, name="check", federation=check.federation, bundle=check.bundle, user=user, config=check.config,
            nodes=names, data=str(app.get("data") or ""), client=str(app.get("client", "")), server=str(app.get("server", "")),
            partition=partition if isinstance(partition, dict) else None, threads=check.threads, needs=check.needs,
            order=check.order,
        )  # fmt: skip
        for node in here.values():
            self._nodes.probe(node, Probe(id=id, spec=spec))
        timer = self._books.clock.call_later(PATIENCE, under_way.end)
        try:
            if under_way.missing and not self._books.draining:
                await under_way.done
        finally:
            timer.cancel()
            del self._open[id]
        results = [under_way.results[name] for name in names if name in under_way.results]
        return Checked(results=results, away=[name for name in names if name not in under_way.results])

    async def probed(self, result: ProbeResult) -> Ok:
        """A node tells what it found."""
        node = self._nodes.presence.known(result.name, result.session)
        under_way = self._open.get(result.id)
        name = self._nodes.name_in(under_way.federation, node) if under_way is not None else ""
        if under_way is not None and name in under_way.missing:
            under_way.results[name] = msgspec.structs.replace(result, name=name)
            under_way.missing.discard(name)
            if not under_way.missing:
                under_way.end()
        return Ok()

    def end(self) -> None:
        """Wait for nobody any more."""
        for under_way in self._open.values():
            under_way.end()


class _Check:
    def __init__(self, federation: str, missing: set[str]) -> None:
        self.federation, self.missing = federation, missing
        self.results: dict[str, ProbeResult] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
