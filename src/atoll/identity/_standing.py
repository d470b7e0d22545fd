"""Who stands: what follows from a set of entries, rotations, approvals and revocations, in whatever order they became known.

Doesn't know where they came from, or what is new. Three rules make it hold against administrators who turn bad:

1. An entry stands when the root signed it, or an administrator who stands himself; so a chain leads to the root, of eight at most.
2. A key that has been revoked or rotated vouches for what the revocation or rotation keeps, and for nothing else: dates could
   be forged, so they count for nothing.
3. A revocation counts even when its signer is revoked later. An administrator can revoke all but the root and administrators
   nearer to it; a site's owner its nodes; everybody themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from atoll.identity._enrolments import Enrolment, Member, Turn, Word
from atoll.identity._keys import PublicKey
from atoll.identity._roles import Role
from atoll.identity._statements import Grant, Revocation

DEPTH = 8
_REVOKERS = {Role.ADMINISTRATOR, Role.SITE_OWNER}
ROOT = "root"  # what the root goes by, and nobody else


@dataclass(slots=True)
class _Past:
    """What somebody was ever granted, revoked or not."""

    grant: Grant  # the first one
    key: PublicKey
    roles: set[Role] = field(default_factory=set)
    nearest: int = DEPTH + 1  # to the root, as an administrator


class Standing:
    """Computed once, and then kept up as entries are added to the end."""

    def __init__(
        self, root: PublicKey, turns: Iterable[Turn], approvals: Iterable[Word], revocations: Iterable[Word]
    ) -> None:
        self._root = root.id
        self._first: dict[str, str] = {}  # of each key that came by a rotation: the one it joined with
        self._chain: dict[str, list[str]] = {}  # of each of those: all that it had, the first one first
        self._now: dict[str, PublicKey] = {}
        self._keep: dict[str, frozenset[str]] = {}  # of each key that vouches no more
        self._gone: set[str] = set()  # keys, first ones, and tokens
        self._tokens: dict[str, _Past] = {}  # what each of them ever granted
        self._past: dict[str, _Past] = {}
        self._members: dict[str, Member] = {}  # by their first key
        self._names: dict[str, str] = {}  # in small letters, to first keys
        self._approvals: dict[str, list[Word]] = {}
        self._revocations = list(revocations)
        for turn in turns:
            self._turn(turn)
        for word in approvals:
            self._approvals.setdefault(self.first(word.said.key), []).append(word)

    # -- what stands ------------------------------------------------------------------------------------------------

    @property
    def members(self) -> Mapping[str, Member]:
        """All that stand, those who wait for approval too, by the id of their first key."""
        return self._members

    def first(self, key: str) -> str:
        """The id of the first key of whoever has, or had, this one."""
        return self._first.get(key, key)

    def who(self, key: str) -> Member | None:
        """Whose key it is now."""
        member = self._members.get(self.first(key))
        return member if member is not None and member.id == key else None

    def named(self, name: str) -> Member | None:
        """Who has a name, in large letters or small."""
        return self._members.get(self._names.get(name.lower(), ""))

    def gone(self, what: str) -> bool:
        """Whether a key, or a token, was revoked."""
        return self.first(what) in self._gone

    def known(self, key: str) -> bool:
        """Whether it is, or was, anybody's key."""
        return self.first(key) in self._past

    def vouches(self, signer: str, token: str) -> bool:
        """Whether a signer's word counts, for this token's entry."""
        if signer == self._root:
            return True
        member = self._members.get(self.first(signer))
        if member is None or not member.approved or Role.ADMINISTRATOR not in member.roles:
            return False
        return token in self._keep.get(signer, {token})

    def depth(self, signer: str) -> int:
        """How far an administrator ever was from the root; more than `DEPTH` for others."""
        past = self._past.get(self.first(signer))
        return 0 if signer == self._root else past.nearest if past else DEPTH + 1

    def objection(self, entry: Enrolment) -> str:
        """Why an entry can't ever have stood; "" when it could."""
        if self.first(entry.key) == self._root:
            return "the root's key is nobody else's"
        if entry.grant.name.lower() == ROOT:
            return f"{ROOT} is nobody else's name"
        if self.depth(entry.signer) >= DEPTH:
            return f"no chain of administrators leads from the root to {entry.signer}"
        past = self._past.get(self.first(entry.key))
        if past is None:
            return "" if entry.joined else "it is made out to a member, and there is none with that key"
        if (past.grant.name, past.grant.kind) != (entry.grant.name, entry.grant.kind):
            return f"its key is that of the {past.grant.kind} {past.grant.name}"
        if entry.grant.owner not in ("", past.grant.owner):
            return f"it is {past.grant.owner or 'nobody'}'s"
        return ""

    def is_chained(self, turn: Turn) -> bool:
        """Whether a rotation goes on from a member's key to one that was nobody's."""
        first, new = self.first(turn.said.old), turn.new.id
        return (
            first in self._past and new not in self._past and new != self._root and self.first(new) == first
        )

    # -- putting it together ----------------------------------------------------------------------------------------

    def fill(self, entries: Iterable[Enrolment]) -> None:
        """Take all entries, in an order in which those who vouch come before those they vouch for."""
        entries = list(entries)
        for entry in entries:
            self._remember(entry)
        for word in self._revocations:
            if self.may_revoke(word):
                self._revoke(word.said)
        for entry in entries:
            self._place(entry)
        self._members = {first: m for first, m in self._members.items() if first not in self._gone}
        self._names = {m.name.lower(): first for first, m in self._members.items()}

    def add(self, entry: Enrolment) -> None:
        """Take one more, whom no revocation concerns."""
        self._remember(entry)
        self._place(entry)

    def may_revoke(self, word: Word) -> bool:
        """Whether the signer had the right to (the third rule)."""
        target, signer = self.first(word.said.key), self.first(word.signer)
        if target == self._root or not self.could_revoke(word):
            return False
        if word.signer == self._root or target == signer:
            return True
        own, other = self._past[signer], self._tokens.get(target, self._past.get(target))
        if Role.ADMINISTRATOR in own.roles:
            return other is None or other.nearest > DEPTH or own.nearest <= other.nearest
        return other is not None and other.grant.owner == own.grant.name

    def could_revoke(self, word: Word) -> bool:
        """Whether the signer ever had the right to revoke anybody."""
        if word.signer == self._root:
            return True
        signer = self.first(word.signer)
        past = self._past.get(signer)
        if past is None:
            return False
        return signer == self.first(word.said.key) or not past.roles.isdisjoint(_REVOKERS)

    def _turn(self, turn: Turn) -> None:
        first, new = self.first(turn.said.old), turn.new.id
        self._first[new] = first
        self._chain.setdefault(first, [first]).append(new)
        self._now[first] = turn.new
        self._retire(turn.said.old, turn.said.keep)

    def _retire(self, key: str, keep: Iterable[str]) -> None:
        kept = frozenset(keep)
        self._keep[key] = self._keep.get(key, kept) & kept

    def _revoke(self, said: object) -> None:
        assert isinstance(said, Revocation)
        first = self.first(said.key)
        self._gone.add(first)
        for key in self._chain.get(first, [first]):
            self._retire(key, said.keep)

    def _remember(self, entry: Enrolment) -> None:
        first, depth = self.first(entry.key), self.depth(entry.signer) + 1
        if depth <= DEPTH and entry.joined is not None and first not in self._past:
            self._past[first] = _Past(entry.grant, entry.joined)
        past = self._past.get(first)
        if depth > DEPTH or past is None:
            return
        self._tokens[entry.token] = _Past(past.grant, past.key)
        for granted in (past, self._tokens[entry.token]):
            granted.roles |= set(entry.grant.roles)
            if Role.ADMINISTRATOR in entry.grant.roles:
                granted.nearest = min(granted.nearest, depth)

    def _place(self, entry: Enrolment) -> None:
        past = self._past.get(self.first(entry.key))
        if past is None or entry.token in self._gone or not self.vouches(entry.signer, entry.token):
            return
        first, grant = self.first(entry.key), entry.grant
        had, roles = self._members.get(first), frozenset(grant.roles)
        approved = not grant.approve or self._is_approved(first, entry.token)
        if had is None:
            key = self._now.get(first, past.key)
            self._members[first] = Member(
                key.id,
                key,
                first,
                grant.name,
                grant.kind,
                roles,
                grant.federation,
                past.grant.owner,
                approved,
            )
            self._names[grant.name.lower()] = first
        elif approved or not had.approved:
            roles = had.roles | roles if approved == had.approved else roles
            self._members[first] = replace(had, roles=roles, approved=approved)

    def _is_approved(self, first: str, token: str) -> bool:
        return any(self.vouches(word.signer, token) for word in self._approvals.get(first, ()))
