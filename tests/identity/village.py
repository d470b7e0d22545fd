"""A federation for tests, whose keys are the same on every run."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.identity import (
    Approval,
    Both,
    Grant,
    IdentityError,
    Key,
    Member,
    Revocation,
    Role,
    Roster,
    Signed,
    join,
    rotate,
    sign,
)

ADMINISTRATOR, SCIENTIST, NODE = (Role.ADMINISTRATOR,), (Role.SCIENTIST,), (Role.NODE,)


def key(name: str) -> Key:
    """Somebody's key, the same on every run."""
    return Key.of_seed(hashlib.sha256(name.encode()).digest())


@contextlib.contextmanager
def outcome() -> Iterator[list[str]]:
    """The code of the refusal, if there was one."""
    codes: list[str] = []
    try:
        yield codes
    except IdentityError as error:
        codes.append(error.code)


class Village:
    """A federation, its root, and whoever comes. Invitations are good from 1,000 to 2,000."""

    federation = "heart"

    def __init__(self) -> None:
        self.root = key("root")
        self.roster = Roster(self.root.public, self.federation)

    def grant(
        self, name: str, *, by: Key | None = None, roles: tuple[Role, ...] = (Role.NODE,), **other: object
    ) -> Signed:
        """An invitation; its token is `key("token of NAME")` unless another one is given."""
        kind = "node" if roles == (Role.NODE,) else "host" if roles == (Role.HOST,) else "user"
        told: dict[str, object] = {
            "token": key(f"token of {name}").public.text,
            "kind": kind,
            "name": name,
            "roles": roles,
            "federation": self.federation,
            "issued": 1_000,
            "expires": 2_000,
        }
        return sign(Grant(**(told | other)), by or self.root)  # type: ignore[arg-type]

    def entry(self, name: str, *, by: Key | None = None, **other: object) -> tuple[Signed, Both]:
        """An invitation, and `key(NAME)` that takes it up."""
        grant = self.grant(name, by=by, **other)  # type: ignore[arg-type]
        return grant, join(grant, token=key(f"token of {name}"), key=key(name), time=1_500)

    def welcome(self, name: str, *, by: Key | None = None, **other: object) -> Member:
        """Invite somebody, who joins."""
        return self.roster.add(*self.entry(name, by=by, **other))

    def administrator(self, name: str, *, by: Key | None = None) -> Key:
        """Welcome an administrator."""
        self.welcome(name, by=by, roles=ADMINISTRATOR)
        return key(name)

    def revoke(self, what: str, *, by: Key | None = None, keep: tuple[str, ...] = ()) -> Signed:
        """A revocation of a key or token, by its id; the roster isn't told."""
        return sign(
            Revocation(key=what, federation=self.federation, time=1_600, why="lost", keep=keep),
            by or self.root,
        )

    def approve(self, what: str, *, by: Key | None = None) -> Signed:
        """An approval of a key; the roster isn't told."""
        return sign(Approval(key=what, federation=self.federation, time=1_600), by or self.root)

    def rotate(self, old: str, new: str, *, keep: tuple[str, ...] = ()) -> Both:
        """A rotation; the roster isn't told."""
        return rotate(key(old), key(new), time=1_700, keep=keep)

    def again(self) -> Roster:
        """The roster as somebody far away reads it."""
        return Roster.read(self.roster.export(), root=self.root.id, federation=self.federation)


def refusal(call: Any, *args: Any, **options: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(IdentityError) as caught:
        call(*args, **options)
    return caught.value.code


def names(roster: Roster) -> list[str]:
    """Who is on a roster and doesn't wait."""
    return sorted(member.name for member in roster.members() if member.approved)


def token(name: str) -> str:
    """The id of somebody's token."""
    return key(f"token of {name}").id


def promotion(village: Village, who: str, roles: tuple[Role, ...], **other: Any) -> Signed:
    """An invitation made out to a member."""
    return village.grant(
        **(
            {"name": who, "roles": roles, "token": key(f"{who} {roles}").public.text, "key": key(who).id}
            | other
        )
    )
