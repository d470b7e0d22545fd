"""Federations: named sets of nodes. One called `default` is open: it takes every node that comes.

Doesn't know what runs on them.
"""

from __future__ import annotations

import msgspec

from atoll.service.coordinator._books import Books
from atoll.service.coordinator._nodes import Node, Nodes
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import FederationRecord
from atoll.wire import Federation, FederationList, NodeInfo, NodeList, Ok

DEFAULT = "default"


class Federations:
    """All federations."""

    def __init__(self, books: Books, nodes: Nodes) -> None:
        self._books, self._nodes = books, nodes
        self._known = books.registry.all("federation", FederationRecord)
        if DEFAULT not in self._known:
            self._put(FederationRecord(name=DEFAULT, open=True, created=books.clock.time()))

    def known(self, name: str) -> FederationRecord:
        """A federation by its name. Raises `Refusal`."""
        found = self._known.get(name)
        if found is None:
            names = ", ".join(sorted(self._known)[:10])
            raise Refusal(
                404, "federation.unknown", f"there is no federation `{name}`", f"there are: {names}"
            )
        return found

    def nodes(self, federation: FederationRecord) -> list[str]:
        """The nodes of a federation, whether they are here or not."""
        return sorted(self._nodes.by_name) if federation.open else federation.nodes

    def all(self) -> FederationList:
        """All federations, by name."""
        return FederationList(federations=[self._shown(self._known[name]) for name in sorted(self._known)])

    def show(self, name: str) -> Federation:
        """One federation."""
        return self._shown(self.known(name))

    async def create(self, federation: Federation) -> Federation:
        """A new federation. The same again changes nothing."""
        before = self._known.get(federation.name)
        if before is not None:
            if (before.open, before.nodes) == (federation.open, federation.nodes):
                return self._shown(before)
            message = f"there is a federation `{federation.name}` already"
            raise Refusal(409, "federation.name-taken", message, "choose another name, or add nodes to it")
        nodes = [] if federation.open else list(dict.fromkeys(federation.nodes))
        record = FederationRecord(
            name=federation.name, open=federation.open, nodes=nodes, created=self._books.clock.time()
        )
        self._put(record)
        await self._books.registry.durable()
        return self._shown(record)

    async def delete(self, name: str) -> Ok:
        """Forget a federation that nothing runs on."""
        self.known(name)
        busy = [r.created.name for r in self._books.runs.values() if r.live and r.federation == name]
        if busy or name == DEFAULT:
            message = (
                f"federation {name} has runs: {', '.join(busy[:5])}"
                if busy
                else f"`{DEFAULT}` is always there"
            )
            raise Refusal(409, "federation.busy", message, "stop its runs first" if busy else "leave it")
        del self._known[name]
        self._books.registry.put("federation", name, None)
        await self._books.registry.durable()
        return Ok()

    async def add(self, name: str, node: str) -> Federation:
        """Add a node, known yet or not."""
        record = self.known(name)
        if record.open:
            raise Refusal(
                409,
                "federation.open",
                f"federation {name} takes every node that comes",
                "create one that lists nodes",
            )
        if node not in record.nodes:
            record = self._put(msgspec.structs.replace(record, nodes=[*record.nodes, node]))
            await self._books.registry.durable()
        return self._shown(record)

    async def remove(self, name: str, node: str) -> Federation:
        """Take a node out; runs that have begun with it go on with it."""
        record = self.known(name)
        if node not in record.nodes:
            raise Refusal(
                404,
                "node.unknown",
                f"federation {name} lists no node `{node}`",
                f"see `atoll federation show {name}`",
            )
        record = self._put(msgspec.structs.replace(record, nodes=[n for n in record.nodes if n != node]))
        await self._books.registry.durable()
        return self._shown(record)

    def all_nodes(self) -> NodeList:
        """All nodes that ever said hello, by name."""
        return NodeList(nodes=[self._node(self._nodes.by_name[name]) for name in sorted(self._nodes.by_name)])

    def _node(self, node: Node) -> NodeInfo:
        record = node.record
        lists = [name for name, f in sorted(self._known.items()) if f.open or node.name in f.nodes]
        return NodeInfo(
            name=node.name, status="here" if self._nodes.presence.here(node) else "away", since=node.since,
            version=record.version, slots=record.slots, busy=len(node.mine), data=record.data, labels=record.labels,
            resources=record.resources, skew=record.skew, federations=lists,
        )  # fmt: skip

    def _put(self, record: FederationRecord) -> FederationRecord:
        self._known[record.name] = record
        self._books.registry.put("federation", record.name, record)
        return record

    def _shown(self, record: FederationRecord) -> Federation:
        return Federation(
            name=record.name, nodes=self.nodes(record), open=record.open, created=record.created
        )
