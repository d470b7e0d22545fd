"""What the coordinator writes down, as others may see it: the audit log, usage and limits; and checkpoints for nodes.

Doesn't know what is written when. Entries and sums are of federations, and only those are shown in which whoever asks may see
them; the log as a whole is for those who may see it in the coordinator's own federation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from atoll._version import __version__
from atoll.identity import (
    Checkpoint,
    Entry,
    Headers,
    IdentityError,
    Permission,
    Scope,
    Signed,
    check,
    read_signature,
)
from atoll.service.coordinator._access import WHOLE, Access
from atoll.service.coordinator._audit_reading import page, piece
from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._showing import natural
from atoll.values import AtollError
from atoll.wire import AuditEntry, AuditPage, AuditPiece, Limitation, Limited, Order, UsageList, UsageRow

OFTEN = 60.0  # seconds between two checkpoints to and from a node
_P = Permission


class Records:
    """The desk's methods for what is written down. Raises `Refusal`."""

    def __init__(self, books: Books, access: Access, federations: Federations) -> None:
        self._books, self._access, self._federations = books, access, federations
        self._marks, self._mark = (
            0,
            Order(kind="", body="", by="", signature=""),
        )  # how many were made, the newest
        self._signed = float("-inf"), 0  # when the newest was asked for, after how many entries
        self._kept: dict[str, float] = {}  # by node: when its last checkpoint was kept
        self._given: dict[str, int] = {}  # by node: which it has
        self._tasks: set[asyncio.Task[None]] = set()

    def began(self) -> None:
        """The coordinator has started."""
        audit = self._books.audit
        audit.add("coordinator-started", audit.of, {"version": __version__, "key": audit.key.public.text})

    def ended(self) -> None:
        """It ends."""
        self._books.audit.add("coordinator-ended", self._books.audit.of)

    def refused(self, error: Exception, headers: Headers, path: str, *, known: bool) -> None:
        """Somebody was refused at a path: who they are, when that is `known`, else who they said they were."""
        code = error.code if isinstance(error, AtollError) else "request.malformed"
        if self._books.audit.counts(code):
            return
        try:
            key = read_signature(headers).key
        except IdentityError:
            key = "local" if known and not self._access.identified else ""
        said = {"path": path} if known or not key else {"path": path, "claimed": key}
        self._books.audit.refused(code, key if known else "nobody", said)

    # -- audit -------------------------------------------------------------------------------------------------

    async def entries(
        self, who: Principal, *, after: int = 0, since: float = 0.0, by: str = "", run: str = ""
    ) -> AuditPage:
        """Entries that somebody may see: after a number, since a time, by whom, about which run."""
        seen = dict(self._access.where(who, _P.AUDIT_SEE, self._federations.names()))
        if not seen:
            raise self._nothing(who, _P.AUDIT_SEE)
        everything = not self._access.identified or seen.get(WHOLE) is Scope.ALL
        ids = self._ids(by, seen) if by else set()

        def wanted(entry: Entry) -> bool:
            if (ids and entry.who not in ids) or (run and entry.what.get("run") != run):
                return False
            federation = entry.what.get("federation")
            if federation is None:
                return everything
            scope = seen.get(str(federation))
            if scope is Scope.OWN:
                return entry.who == who.id or self._access.owns_node(
                    who, str(federation), [str(entry.what.get("node", ""))]
                )
            return scope is Scope.ALL

        await self._books.audit.durable()
        found = await asyncio.to_thread(page, self._books.audit.path, after, since, wanted)
        entries = [
            AuditEntry(n=e.n, time=e.time, kind=e.kind, who=e.who, what=e.what, name=self._name(e, seen))
            for e in found.entries
        ]
        return AuditPage(entries=entries, next=found.last, more=found.more)

    async def piece(self, who: Principal, *, at: int = 0, until: int = 0) -> AuditPiece:
        """Lines of the whole log as they are, up to a checkpoint that is made for it, at byte 0, or up to entry `until`."""
        self._access.whole(who, _P.AUDIT_EXPORT)
        audit = self._books.audit
        signed = await audit.checkpoint() if not until else None
        if signed is not None:
            audit.add("audit-exported", who.id, {"until": _n(signed)})
            until = _n(signed)
        lines, go_on, more = await asyncio.to_thread(piece, audit.path, at, until)
        told = _order(signed) if signed is not None else None
        return AuditPiece(of=audit.of, closing=told, lines=lines, at=go_on, more=more)

    def exchange(self, node: str, told: Order | None) -> Order | None:
        """Keep a checkpoint of a node's own log, and return one of this log when there is a new one; each once a minute at most."""
        now, audit = self._books.clock.monotonic(), self._books.audit
        if told is not None and now >= self._kept.get(node, float("-inf")) + OFTEN:
            self._kept[node] = now
            self._beside(self._keep(node, told))
        if now >= self._signed[0] + OFTEN and audit.said > self._signed[1]:
            self._signed = now, audit.said
            self._beside(self._sign())
        if self._given.get(node, 0) == self._marks:
            return None
        self._given[node] = self._marks
        return self._mark

    async def _keep(self, node: str, told: Order) -> None:
        try:
            signed = msgspec.convert(msgspec.to_builtins(told), Signed)
            of, own = check(signed, Checkpoint).of, {node, *self._firsts(node)}
            if self._access.identified and (signed.signer.id != node or of not in own):
                raise IdentityError(
                    "audit.forged-checkpoint", f"it is not of {node}'s own log, by its key", ""
                )
            await self._books.audit.keep(signed)
        except (AtollError, msgspec.ValidationError) as error:
            log.warning("a checkpoint of node %s was not kept: %s", node, error)

    def _firsts(self, node: str) -> set[str]:
        """The ids of the keys that a node joined with: its log goes on under those when it has a new key."""
        rosters = self._access.rosters
        return (
            {member.first for member in rosters.memberships(node).values()} if rosters is not None else set()
        )

    async def _sign(self) -> None:
        try:
            self._mark = _order(await self._books.audit.checkpoint())
            self._marks += 1
        except AtollError as error:
            log.warning("no checkpoint: %s", error)

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- usage and limits --------------------------------------------------------------------------------------

    async def usage(self, who: Principal, month: str = "") -> UsageList:
        """Who used what, as far as somebody may see it."""
        seen = dict(self._access.where(who, _P.USAGE_SEE, self._federations.names()))
        if not seen and self._access.identified:
            raise self._nothing(who, _P.USAGE_SEE)
        rows = []
        for sums in self._books.usage.rows(month):
            scope = seen.get(sums.federation) if self._access.identified else Scope.ALL
            mine = scope is Scope.OWN and sums.user == self._access.user(who, sums.federation)
            if scope is Scope.ALL or mine:
                rows.append(UsageRow(month=sums.month, federation=sums.federation, user=sums.user, name=self._named(sums.federation, sums.user),
                                     runs=sums.runs, node_seconds=sums.seconds, bytes_in=sums.bytes_in, bytes_out=sums.bytes_out))  # fmt: skip
        return UsageList(rows=sorted(rows, key=lambda r: (r.month, r.federation, natural(r.name or r.user))))

    async def limits(self, who: Principal, federation: str) -> Limited:
        """The limits of a federation."""
        self._federations.reach(federation, who, _P.USAGE_SEE, own=True)
        shown = self._books.quotas.shown(federation)
        if self._access.may(who, _P.USAGE_SEE, federation):
            return shown
        mine = self._access.user(who, federation)
        return msgspec.structs.replace(
            shown, users={u: found for u, found in shown.users.items() if u in ("*", mine)}
        )

    async def limit(self, who: Principal, federation: str, asked: Limitation) -> Limited:
        """Change the limits of a federation, or of users in it."""
        self._federations.reach(federation, who, _P.FEDERATION_CHANGE)
        user = self._user(asked.user, federation)
        limited = await self._books.quotas.limit(federation, asked, user)
        self._books.audit.add("federation-limited", who.id, {
            "federation": federation, "user": user, "limits": msgspec.to_builtins(asked.limits), "lift": list(asked.lift),
        })  # fmt: skip
        return limited

    # -- inside ------------------------------------------------------------------------------------------------

    def _nothing(self, who: Principal, permission: Permission) -> Refusal:
        return Refusal(
            403, "identity.forbidden", f"nowhere here you may do this: {permission}", "ask an administrator"
        )

    def _ids(self, by: str, seen: dict[str, Scope]) -> set[str]:
        """The ids that a name means, in federations that are seen; what is an id already, itself."""
        found = {by}
        for federation in seen:
            roster = self._access.rosters.get(federation) if self._access.rosters is not None else None
            member = roster.named(by) if roster is not None else None
            if member is not None:
                found |= {member.id, member.first}
        return found

    def _user(self, user: str, federation: str) -> str:
        """Whose limits: what a run of theirs would keep as its user."""
        roster = self._access.rosters.get(federation) if self._access.rosters is not None else None
        member = roster.named(user) if roster is not None and user not in ("", "*") else None
        if roster is not None and user not in ("", "*") and member is None and roster.who(user) is None:
            raise Refusal(
                404,
                "identity.unknown",
                f"nobody in federation {federation} is `{user}`",
                "see `atoll user ls`",
            )
        return member.first if member is not None else user

    def _name(self, entry: Entry, seen: dict[str, Scope]) -> str:
        federation = str(entry.what.get("federation", WHOLE))
        return self._named(federation, entry.who) if federation in seen else ""

    def _named(self, federation: str, id: str) -> str:
        roster = self._access.rosters.get(federation) if self._access.rosters is not None else None
        member = roster.who(id) if roster is not None and id.startswith("k-") else None
        return member.name if member is not None else ""


def _order(signed: Signed) -> Order:
    return Order(kind=signed.kind, body=signed.body, by=signed.by, signature=signed.signature)


def _n(signed: Signed) -> int:
    return int(msgspec.json.decode(signed.body)["n"])
