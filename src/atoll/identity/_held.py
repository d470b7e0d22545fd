"""All that a roster was told: kept in order, written down, read again, and put together with what another was told.

Doesn't know what follows from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from atoll.identity._enrolments import Enrolment, Turn, Word, enrolment_of, turn_of, word_of
from atoll.identity._errors import IdentityError
from atoll.identity._keys import PublicKey
from atoll.identity._standing import Standing
from atoll.identity._statements import Approval, Both, KeyText, Name, Revocation, Signed

MOST = 100_000  # of each kind
LARGEST = 256 << 20  # bytes of a roster that is written down
T = TypeVar("T")


class _Rolls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Literal[1]
    root: KeyText
    federation: Name
    rotations: Annotated[list[Both], Meta(max_length=MOST)]
    entries: Annotated[list[tuple[Signed, Both | None]], Meta(max_length=MOST)]
    approvals: Annotated[list[Signed], Meta(max_length=MOST)]
    revocations: Annotated[list[Signed], Meta(max_length=MOST)]


_DECODER = msgspec.json.Decoder(_Rolls)


@dataclass(frozen=True, slots=True)
class Held:
    """What was told, each thing once."""

    entries: dict[str, Enrolment] = field(
        default_factory=dict
    )  # by the token's id; who vouches comes before whom it vouches for
    turns: dict[str, Turn] = field(default_factory=dict)  # by the old key's id
    approvals: dict[str, Word] = field(default_factory=dict)  # by the statement's id
    revocations: dict[str, Word] = field(default_factory=dict)

    def standing(self, root: PublicKey) -> Standing:
        """What follows. Raises `IdentityError` (`identity.bad-roster`) when something can't ever have been taken in."""
        standing = Standing(root, self.turns.values(), self.approvals.values(), self.revocations.values())
        standing.fill(self.entries.values())
        for entry in self.entries.values():
            if why := standing.objection(entry):
                raise _bad(f"{entry.grant.name}: {why}")
        for turn in self.turns.values():
            if not standing.is_chained(turn):
                raise _bad(f"{turn.new.id} can't take the place of {turn.said.old}")
        for word in self.revocations.values():
            if not standing.could_revoke(word):
                raise _bad(f"{word.signer} may not revoke {word.said.key}")
        _check_names(standing)
        return standing

    def union(self, other: Held) -> Held:
        """What both were told. Raises `IdentityError` (`identity.bad-roster`) when they were told contradictory things."""
        for token, entry in other.entries.items():
            own = self.entries.get(token, entry)
            if own.told != entry.told and (own.key, own.told[0].id) != (entry.key, entry.told[0].id):
                raise _bad(
                    f"one token is that of {own.grant.name}, {own.key}, and of {entry.grant.name}, {entry.key}"
                )
        for old, turn in other.turns.items():
            if old in self.turns and self.turns[old].new != turn.new:
                raise _bad(f"two keys took the place of {old}")
        both = Held(
            _joined(self.entries, other.entries),
            _joined(self.turns, other.turns),
            _joined(self.approvals, other.approvals),
            _joined(self.revocations, other.revocations),
        )
        if max(len(both.entries), len(both.turns), len(both.approvals), len(both.revocations)) > MOST:
            raise _bad(f"together they have more than {MOST:,} entries")
        return both

    def digest(self, root: PublicKey, federation: str) -> str:
        """A hash over all of it, in whatever order it came."""
        text = "\n".join(("atoll/roster/1", root.text, federation, *sorted(self._told())))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def write(self, root: PublicKey, federation: str) -> bytes:
        """All of it as JSON."""
        return msgspec.json.encode(
            _Rolls(
                version=1,
                root=root.text,
                federation=federation,
                rotations=[turn.told for turn in self.turns.values()],
                entries=[entry.told for entry in self.entries.values()],
                approvals=[word.told for word in self.approvals.values()],
                revocations=[word.told for word in self.revocations.values()],
            )
        )

    def _told(self) -> Iterator[str]:
        """What counts of each; when somebody joined is their own word, and may have come twice."""
        yield from (f"{old} {turn.new.id}" for old, turn in self.turns.items())
        yield from (f"{entry.told[0].id} {entry.key}" for entry in self.entries.values())
        yield from self.approvals
        yield from self.revocations


def read_held(data: bytes, *, most: int = LARGEST, known: Held | None = None) -> tuple[PublicKey, str, Held]:
    """The root, the federation and what is held, every signature checked, but of what was `known` to the letter.

    Raises `IdentityError`: `identity.too-large`, `identity.bad-roster`, and whatever an entry that doesn't hold does.
    """
    if len(data) > most:
        raise IdentityError(
            "identity.too-large", f"a roster has at most {most:,} bytes", "ask for the right one"
        )
    try:
        rolls = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(str(error)) from None
    root, federation = PublicKey.of(rolls.root), rolls.federation
    held = _checked(rolls, known or Held())
    if held.write(root, federation) != data:
        raise _bad("something in it stands twice, or in another form than it is written in")
    return root, federation, held


def _checked(rolls: _Rolls, known: Held) -> Held:
    held, federation = Held(), rolls.federation
    turns = {turn.told: turn for turn in known.turns.values()}
    for told in rolls.rotations:
        turn = turns.get(told) or turn_of(told)
        held.turns[turn.said.old] = turn
    entries = {entry.told: entry for entry in known.entries.values()}
    for pair in rolls.entries:
        entry = entries.get(pair) or enrolment_of(*pair, federation)
        held.entries[entry.token] = entry
    for one in rolls.approvals:
        held.approvals[one.id] = _word(one, Approval, known.approvals, federation)
    for one in rolls.revocations:
        held.revocations[one.id] = _word(one, Revocation, known.revocations, federation)
    return held


def _word(
    told: Signed, kind: type[Approval] | type[Revocation], known: Mapping[str, Word], federation: str
) -> Word:
    word = known.get(told.id)
    return word if word is not None and word.told == told else word_of(told, kind, federation)


def _joined(one: Mapping[str, T], other: Mapping[str, T]) -> dict[str, T]:
    return {**one, **{key: value for key, value in other.items() if key not in one}}


def _check_names(standing: Standing) -> None:
    for member in standing.members.values():
        named = standing.named(member.name)
        if named is None or named.first != member.first:
            raise _bad(f"two members have the name {member.name}")


def _bad(why: str) -> IdentityError:
    return IdentityError(
        "identity.bad-roster", f"the roster doesn't hold: {why:.300}", "ask for it again, from somebody else"
    )
