"""What a roster holds, each with its signatures checked and its parts found to belong together.

Doesn't know whether whoever signed had the right to; that depends on the rest of the roster.
"""

from __future__ import annotations

from dataclasses import dataclass

from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key, PublicKey
from atoll.identity._roles import Role
from atoll.identity._statements import (
    Approval,
    Both,
    Grant,
    Join,
    Kind,
    Revocation,
    Rotation,
    Signed,
    check,
    check_both,
    sign_both,
)

SKEW = 60  # seconds by which clocks may differ


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on the roster. `first` is the id of the key it joined with, the same for as long as it is a member."""

    id: str  # of the key that it has now
    key: PublicKey
    first: str
    name: str
    kind: Kind
    roles: frozenset[Role]
    federation: str
    owner: str = ""  # of a node: the name of the user whose it is
    approved: bool = True  # else it waits for an administrator, and counts for nothing


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An invitation and who took it up. `joined` is None when it was made out to a member, who needs not."""

    told: tuple[Signed, Both | None]
    grant: Grant
    joined: PublicKey | None
    token: str  # the id of its key
    key: str  # the id of the key that it lets in
    signer: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A new key in the place of an old one."""

    told: Both
    said: Rotation
    new: PublicKey


@dataclass(frozen=True, slots=True)
class Word:
    """An approval or a revocation, and the id of the key that signed it."""

    told: Signed
    said: Approval | Revocation
    signer: str


def join(grant: Signed, *, token: Key, key: Key, time: int) -> Both:
    """What a new member signs to take an invitation up."""
    said = check(grant, Grant)
    return sign_both(
        Join(token=token.public.text, key=key.public.text, name=said.name, time=time), token, key
    )


def rotate(old: Key, new: Key, *, time: int, keep: tuple[str, ...] = ()) -> Both:
    """What a member signs to go on with another key."""
    return sign_both(Rotation(old=old.id, new=new.public.text, time=time, keep=keep), old, new)


def enrolment_of(grant: Signed, joined: Both | None, federation: str) -> Enrolment:
    """The entry that these make. Raises `IdentityError`: whatever `check` does, and `identity.bad-entry`."""
    said = check(grant, Grant)
    _of_here(said.federation, federation)
    token = PublicKey.of(said.token).id
    if joined is None:
        if not said.key:
            raise _bad(said.name, "nobody has taken the invitation up")
        return Enrolment((grant, None), said, None, token, said.key, grant.signer.id)
    key = _joined(said, joined)
    return Enrolment((grant, joined), said, key, token, key.id, grant.signer.id)


def _joined(grant: Grant, both: Both) -> PublicKey:
    said = check_both(both, Join)
    key = PublicKey.of(said.key)
    if said.token != grant.token or both.first.by != grant.token:
        raise _bad(grant.name, "the key that joined had another token")
    if both.second.by != said.key or said.key == said.token:
        raise _bad(grant.name, "the key that joined hasn't signed")
    if said.name != grant.name:
        raise _bad(grant.name, f"it was for this name, and {said.name!r} joined")
    if grant.key not in ("", key.id):
        raise _bad(grant.name, f"it was for the key {grant.key}, and {key.id} joined")
    if not grant.issued - SKEW <= said.time <= grant.expires + SKEW:
        raise IdentityError(
            "identity.expired",
            f"the invitation of {grant.name} was taken up out of its time",
            "ask for a new one",
        )
    return key


def turn_of(both: Both) -> Turn:
    """The rotation that was signed. Raises `IdentityError`: whatever `check` does, and `identity.bad-entry`."""
    said = check_both(both, Rotation)
    new = PublicKey.of(said.new)
    if both.first.signer.id != said.old or both.second.by != said.new or new.id == said.old:
        raise _bad(said.old, "the old and the new key have to sign a rotation")
    return Turn(both, said, new)


def word_of(told: Signed, kind: type[Approval] | type[Revocation], federation: str) -> Word:
    """The approval or revocation that was signed. Raises as `enrolment_of` does."""
    said = check(told, kind)
    _of_here(said.federation, federation)
    return Word(told, said, told.signer.id)


def _of_here(named: str, federation: str) -> None:
    if named != federation:
        raise _bad(named, f"it is for another federation, and this one is {federation}")


def _bad(what: str, why: str) -> IdentityError:
    return IdentityError(
        "identity.bad-entry", f"{what} can't be on the roster: {why}", "ask for a new invitation"
    )
