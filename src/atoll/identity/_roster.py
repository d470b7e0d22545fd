"""The roster: who belongs to a federation, provable to everybody who pins its root key.

Doesn't know who serves it, and needs not trust them: whoever carries a roster can leave something out, and can add nothing.
One thread at a time uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Self, final

from atoll.identity._enrolments import Enrolment, Member, enrolment_of, turn_of, word_of
from atoll.identity._errors import IdentityError
from atoll.identity._held import LARGEST, MOST, Held, read_held
from atoll.identity._keys import PublicKey
from atoll.identity._roles import Role
from atoll.identity._standing import DEPTH, ROOT, Standing
from atoll.identity._statements import Approval, Both, Revocation, Signed


@final
class Roster:
    """The members of one federation. `root` is its authority's key, which is an administrator by itself."""

    def __init__(self, root: PublicKey, federation: str) -> None:
        self.root, self.federation = root, federation
        roles = frozenset({Role.ADMINISTRATOR})
        self._root = Member(root.id, root, root.id, ROOT, "user", roles, federation)
        self._held = Held()
        self._standing: Standing | None = None  # what follows from that, when somebody has asked

    # -- who is on it -----------------------------------------------------------------------------------------------

    def who(self, key: str) -> Member | None:
        """Whose key that is (its id); None when it is nobody's, or counts for nothing: revoked, rotated, not approved yet."""
        if key == self._root.id:
            return self._root
        member = self._now().who(key)
        return member if member is not None and member.approved else None

    def named(self, name: str) -> Member | None:
        """Who goes by a name, in large letters or small; whoever waits for approval too."""
        return self._now().named(name)

    def members(self) -> Iterator[Member]:
        """All members but the root, those who wait for approval too, the oldest first."""
        return iter(list(self._now().members.values()))

    def taken(self, token: str) -> str:
        """The id of the key that took up the invitation of this token (its id); "" while nobody has."""
        entry = self._held.entries.get(token)
        return entry.key if entry else ""

    def revoked(self, what: str) -> bool:
        """Whether a key or a token (their ids) was revoked."""
        return self._now().gone(what)

    def vouched(self, key: str) -> tuple[str, ...]:
        """The ids of the tokens of all whom this key (its id) has invited or approved: what its rotation would `keep`."""
        standing = self._now()
        approved = {standing.first(w.said.key) for w in self._held.approvals.values() if w.signer == key}
        return tuple(
            token
            for token, entry in self._held.entries.items()
            if standing.first(entry.key) in standing.members
            and not standing.gone(token)
            and (entry.signer == key or (entry.grant.approve and standing.first(entry.key) in approved))
        )

    def __len__(self) -> int:
        return len(self._held.entries)

    # -- what changes it --------------------------------------------------------------------------------------------

    def add(self, grant: Signed, joined: Both | None = None, *, now: float | None = None) -> Member:
        """Let somebody in who took up an invitation; without `joined`, one made out to a member's key gives it the roles.

        The same key with the same invitation again changes nothing. `now`: the time, for whom an invitation may be over.
        Raises `IdentityError`: what `check` does, `identity.bad-entry`, `identity.expired`, `identity.token-spent`,
        `identity.name-taken`, `identity.revoked`, `identity.not-authorised`, `identity.roster-full`.
        """
        entry = enrolment_of(grant, joined, self.federation)
        standing = self._now()
        had = self._held.entries.get(entry.token)
        if had is None:
            self._admit(entry, standing, now)
            self._held.entries[entry.token] = entry
            standing.add(entry)
        elif had.key != entry.key:
            raise IdentityError(
                "identity.token-spent",
                f"the invitation of {entry.grant.name} was taken up by another key",
                "ask for a new one",
            )
        member = standing.members.get(standing.first(entry.key))
        if member is None or standing.gone(entry.token):
            raise _revoked(entry.key)
        return member

    def approve(self, told: Signed) -> Member:
        """Let somebody in who waits. Raises `IdentityError`, as `add` does, and `identity.unknown`."""
        word = word_of(told, Approval, self.federation)
        standing = self._now()
        member = standing.who(word.said.key)
        if member is None:
            raise IdentityError(
                "identity.unknown", f"nobody here has the key {word.said.key}", "see who is here"
            )
        self._demand(standing.vouches(word.signer, ""), word.signer, f"approve {member.name}")
        self._room(self._held.approvals)
        self._held.approvals[told.id], self._standing = word, None
        return self._now().members[member.first]

    def revoke(self, told: Signed) -> None:
        """Take a key, or what a token has let in or will, off the roster for good. Raises `IdentityError`, as `add` does."""
        word = word_of(told, Revocation, self.federation)
        if told.id in self._held.revocations:
            return
        standing = self._now()
        here = word.signer == self._root.id or standing.first(word.signer) == standing.first(word.said.key)
        allowed = (here or self.who(word.signer) is not None) and standing.may_revoke(word)
        self._demand(allowed, word.signer, f"revoke {word.said.key}")
        self._room(self._held.revocations)
        self._held.revocations[told.id], self._standing = word, None

    def rotate(self, told: Both) -> Member:
        """Put a new key in the place of an old one. Raises `IdentityError`, as `add` does, `identity.unknown`, `identity.rotated`,
        `identity.key-taken`."""
        turn = turn_of(told)
        standing, old, new = self._now(), turn.said.old, turn.new.id
        had = self._held.turns.get(old)
        if had is not None and had.new == turn.new and (member := standing.who(new)):
            return member  # the answer was lost
        if had is not None:
            raise _rotated(old)
        if standing.gone(old) or standing.gone(new):
            raise _revoked(old)
        member = standing.who(old)
        if member is None:
            raise IdentityError("identity.unknown", f"nobody here has the key {old}", "enrol first")
        if standing.known(new) or new == self._root.id:
            raise IdentityError(
                "identity.key-taken", f"the key {new} is somebody's already", "make a new one"
            )
        self._room(self._held.turns)
        self._held.turns[old], self._standing = turn, None
        return self._now().members[member.first]

    # -- on its way -------------------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """The same for all who know the same: two who compare it find out that something was kept from one of them."""
        return self._held.digest(self.root, self.federation)

    def export(self) -> bytes:
        """The whole roster as JSON, which `read` checks."""
        return self._held.write(self.root, self.federation)

    @classmethod
    def read(cls, data: bytes, *, root: str, federation: str, most: int = LARGEST) -> Self:
        """The roster that was written down, every entry checked. `root`: the id of the root key that the reader pins.

        Raises `IdentityError`: `identity.too-large`, `identity.bad-roster`, `identity.other-roster`, and what adding its
        entries would.
        """
        key, named, held = read_held(data, most=most)
        if (key.id, named) != (root, federation):
            raise _another(named, key.id, federation, root)
        roster = cls(key, named)
        roster._held, roster._standing = held, held.standing(key)
        return roster

    def learn(self, data: bytes, *, most: int = LARGEST) -> None:
        """Know what a roster that was written down knows, too: `read` and `merge`, but what is known isn't checked again.

        Raises as they do, and then changes nothing.
        """
        key, named, held = read_held(data, most=most, known=self._held)
        if (key, named) != (self.root, self.federation):
            raise _another(named, key.id, self.federation, self._root.id)
        self._join(held)

    def merge(self, other: Roster) -> None:
        """Know what the other one knows, too. Raises `IdentityError` and changes nothing when they contradict each other."""
        if (other.root, other.federation) != (self.root, self.federation):
            raise _another(other.federation, other._root.id, self.federation, self._root.id)
        self._join(other._held)

    def _join(self, told: Held) -> None:
        both = self._held.union(told)
        self._standing = both.standing(self.root)
        self._held = both

    # -- may that be? -----------------------------------------------------------------------------------------------

    def _now(self) -> Standing:
        if self._standing is None:
            self._standing = self._held.standing(self.root)
        return self._standing

    def _admit(self, entry: Enrolment, standing: Standing, now: float | None) -> None:
        grant = entry.grant
        if now is not None and now > grant.expires:
            raise IdentityError(
                "identity.expired", f"the invitation of {grant.name} is over", "ask for a new one"
            )
        if standing.gone(entry.token) or standing.gone(entry.key):
            raise _revoked(entry.key)
        self._demand(standing.vouches(entry.signer, entry.token), entry.signer, f"invite {grant.name}")
        self._demand(
            standing.depth(entry.signer) < DEPTH, entry.signer, f"invite {grant.name}: the chain is too long"
        )
        if entry.key in self._held.turns:
            raise _rotated(entry.key)
        if why := standing.objection(entry):
            raise IdentityError(
                "identity.bad-entry", f"{grant.name} can't be on the roster: {why}", "make a new key"
            )
        named = standing.named(grant.name)
        if named is not None and named.first != standing.first(entry.key):
            raise IdentityError(
                "identity.name-taken",
                f"{grant.name} is somebody else's name",
                "revoke them, or take another name",
            )
        self._room(self._held.entries)

    def _demand(self, allowed: bool, signer: str, what: str) -> None:
        if not allowed:
            raise IdentityError(
                "identity.not-authorised",
                f"{signer} may not {what}",
                "let an administrator of the federation sign",
            )

    def _room(self, held: Sized) -> None:
        if len(held) >= MOST:
            raise IdentityError(
                "identity.roster-full", f"a roster has {MOST:,} entries at most", "begin a new federation"
            )


def _revoked(key: str) -> IdentityError:
    return IdentityError("identity.revoked", f"{key} was revoked", "make a new key and ask for an invitation")


def _rotated(key: str) -> IdentityError:
    return IdentityError(
        "identity.rotated", f"the key {key} was rotated already", "use the newer one, or revoke it"
    )


def _another(federation: str, root: str, wanted: str, pinned: str) -> IdentityError:
    return IdentityError(
        "identity.other-roster",
        f"this is the roster of {federation} under {root}; that of {wanted} under {pinned} is wanted",
        "if the federation has a new root, enrol again",
    )
