"""Federations: named sets of nodes. One called `default` is open: it takes every node that comes.

Doesn't know what runs on them. Where there are rosters, a federation's nodes are those on its roster.
"""

from __future__ import annotations

import msgspec

from atoll.identity import Member, Permission, Scope
from atoll.service.coordinator._access import Access, forbidden
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._nodes import Node, Nodes
from atoll.service.coordinator._principals import LOCAL, Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import FederationRecord
from atoll.wire import Federation, FederationList, NodeInfo, NodeList, Ok

DEFAULT = "default"


class Federations:
    """All federations."""

    def __init__(self, books: Books, nodes: Nodes, access: Access | None = None) -> None:
        self._books, self._nodes, self._access = books, nodes, access or Access()
        self._known = books.registry.all("federation", FederationRecord)
        if DEFAULT not in self._known:
            self._put(FederationRecord(name=DEFAULT, open=True, created=books.clock.time()))

    def names(self) -> list[str]:
        """The names of all federations, whoever may know of them."""
        return sorted(self._known)

    def known(self, name: str, who: Principal = LOCAL) -> FederationRecord:
        """A federation that somebody belongs to, by its name. Raises `Refusal`: another is like one that there isn't."""
        found = self._known.get(name)
        if found is None or not self._access.belongs(who, name):
            raise self._unknown(name, who)
        return found

    def reach(
        self, name: str, who: Principal, permission: Permission, *, own: bool = False
    ) -> FederationRecord:
        """As `known`, once they may do that in it. Raises `Refusal`."""
        found = self.known(name, who)
        self._access.demand(who, permission, name, own=own, unknown=self._unknown(name, who))
        return found

    def nodes(self, federation: FederationRecord) -> list[str]:
        """The nodes of a federation, whether they are here or not."""
        if self._access.identified:
            return sorted(member.name for member in self._access.nodes(federation.name))
        return sorted(self._nodes.by_name) if federation.open else federation.nodes

    def all(self, who: Principal = LOCAL) -> FederationList:
        """All federations that somebody may see, by name."""
        seen = self._access.where(who, Permission.FEDERATION_SEE, sorted(self._known))
        return FederationList(federations=[self._shown(self._known[name], who) for name, _ in seen])

    def show(self, name: str, who: Principal = LOCAL) -> Federation:
        """One federation."""
        return self._shown(self.reach(name, who, Permission.FEDERATION_SEE, own=True), who)

    async def create(self, federation: Federation, who: Principal = LOCAL) -> Federation:
        """A new federation; where there are rosters, its creator's key is its root. The same again changes nothing."""
        self._access.whole(who, Permission.FEDERATION_CREATE)
        before = self._known.get(federation.name)
        if self._access.identified:
            return await self._found(federation, before, who)
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

    async def _found(self, wanted: Federation, before: FederationRecord | None, who: Principal) -> Federation:
        rosters = self._access.rosters
        key = rosters.key(who.id) if rosters is not None else None
        if rosters is None or key is None:
            raise forbidden("nobody's key can be the root of a federation", "enrol first")
        if before is not None and not self._access.belongs(who, wanted.name):
            message = f"there is a federation `{wanted.name}` already"
            raise Refusal(409, "federation.name-taken", message, "choose another name")
        if before is None:
            await rosters.found(wanted.name, key)
            before = self._put(FederationRecord(name=wanted.name, created=self._books.clock.time()))
            await self._books.registry.durable()
        return self._shown(before, who)

    async def delete(self, name: str, who: Principal = LOCAL) -> Ok:
        """Forget a federation that nothing runs on."""
        self._access.whole(who, Permission.FEDERATION_REMOVE)
        if name not in self._known:
            raise self._unknown(name, who)
        busy = [r.created.name for r in self._books.runs.values() if r.live and r.federation == name]
        if busy or name == DEFAULT:
            which = f": {', '.join(busy[:5])}" if self._access.belongs(who, name) else ""
            message = f"federation {name} has runs{which}" if busy else f"`{DEFAULT}` is always there"
            raise Refusal(409, "federation.busy", message, "stop its runs first" if busy else "leave it")
        del self._known[name]
        self._books.registry.put("federation", name, None)
        if self._access.rosters is not None:
            await self._access.rosters.remove(name)
        await self._books.registry.durable()
        return Ok()

    async def add(self, name: str, node: str, who: Principal = LOCAL) -> Federation:
        """Add a node, known yet or not."""
        record = self._changing(name, who)
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

    async def remove(self, name: str, node: str, who: Principal = LOCAL) -> Federation:
        """Take a node out; runs that have begun with it go on with it."""
        record = self._changing(name, who)
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

    def all_nodes(self, who: Principal = LOCAL) -> NodeList:
        """All nodes that ever said hello, by name; where there are rosters, those that are on them, as far as they are seen."""
        if self._access.identified:
            return NodeList(nodes=self._members(who))
        return NodeList(nodes=[self._node(self._nodes.by_name[name]) for name in sorted(self._nodes.by_name)])

    def _node(self, node: Node) -> NodeInfo:
        record = node.record
        lists = [name for name, f in sorted(self._known.items()) if f.open or node.name in f.nodes]
        return NodeInfo(
            name=node.name, status="here" if self._nodes.presence.here(node) else "away", since=node.since,
            version=record.version, slots=record.slots, busy=len(node.mine), data=record.data, labels=record.labels,
            resources=record.resources, skew=record.skew, federations=lists,
        )  # fmt: skip

    def _members(self, who: Principal) -> list[NodeInfo]:
        """The nodes of somebody's federations, each under its name there."""
        found: dict[tuple[str, str], list[str]] = {}
        for federation, scope in self._access.where(who, Permission.NODE_SEE, sorted(self._known)):
            for member in self._seen(federation, scope, who):
                found.setdefault((member.name, member.id), []).append(federation)
        return [self._info(name, id, lists) for (name, id), lists in sorted(found.items())]

    def _seen(self, federation: str, scope: Scope, who: Principal) -> list[Member]:
        """Nodes of a federation: all, or somebody's own."""
        nodes, mine = self._access.nodes(federation), self._access.member(who, federation)
        if scope is Scope.ALL:
            return nodes
        return [node for node in nodes if mine is not None and node.owner == mine.name]

    def _info(self, name: str, id: str, federations: list[str]) -> NodeInfo:
        node = self._nodes.by_name.get(id)
        if node is None:
            return NodeInfo(name=name, status="away", since=0.0, federations=federations)
        return msgspec.structs.replace(self._node(node), name=name, federations=federations)

    def _changing(self, name: str, who: Principal) -> FederationRecord:
        """A federation whose list of nodes is to be changed. Raises `Refusal` where it is the roster's."""
        record = self.reach(name, who, Permission.FEDERATION_CHANGE)
        if self._access.identified:
            message = f"the nodes of federation {name} are those on its roster"
            mend = f"atoll invite node NAME --federation {name}, or atoll node revoke NAME"
            raise Refusal(409, "federation.roster", message, mend)
        return record

    def _unknown(self, name: str, who: Principal) -> Refusal:
        names = [known for known in sorted(self._known) if self._access.belongs(who, known)]
        mend = f"there are: {', '.join(names[:10])}"
        return Refusal(404, "federation.unknown", f"there is no federation `{name}`", mend)

    def _put(self, record: FederationRecord) -> FederationRecord:
        self._known[record.name] = record
        self._books.registry.put("federation", record.name, record)
        return record

    def _shown(self, record: FederationRecord, who: Principal = LOCAL) -> Federation:
        if not self._access.identified:
            nodes = self.nodes(record)
            return Federation(name=record.name, nodes=nodes, open=record.open, created=record.created)
        seen = self._access.where(who, Permission.FEDERATION_SEE, (record.name,))
        nodes = [member.name for name, scope in seen for member in self._seen(name, scope, who)]
        return Federation(name=record.name, nodes=sorted(nodes), created=record.created)
