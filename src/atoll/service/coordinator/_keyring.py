"""Whose each key is, in every federation: looked up at each request, so kept by key.

Doesn't know why: it is told what follows from a roster whenever that has changed.
"""

from __future__ import annotations

from typing import final

from atoll.identity import Member, PublicKey, Roster


@final
class Keyring:
    """Members by key and by federation, those who wait for approval too."""

    def __init__(self) -> None:
        self._in: dict[str, dict[str, Member]] = {}  # by federation, by key
        self._of: dict[str, dict[str, Member]] = {}  # by key, by federation

    def key(self, id: str) -> PublicKey | None:
        """The key of that id, when anybody has it."""
        found = self._of.get(id)
        return next(iter(found.values())).key if found else None

    def of(self, id: str) -> dict[str, Member]:
        """What a key is, by federation."""
        return self._of.get(id, {})

    def within(self, federation: str) -> dict[str, Member]:
        """A federation's members, by key."""
        return self._in.get(federation, {})

    def place(self, federation: str, member: Member) -> None:
        """One more, or one that has changed."""
        self._in.setdefault(federation, {})[member.id] = member
        self._of.setdefault(member.id, {})[federation] = member

    def replace(self, federation: str, roster: Roster | None) -> list[str]:
        """Look a federation's members up anew; the ids of the keys that lost something."""
        before, after = self._in.pop(federation, {}), _members(roster)
        for id in before:
            self._of[id].pop(federation)
            if not self._of[id]:
                del self._of[id]
        for member in after.values():
            self.place(federation, member)
        return [id for id, had in before.items() if _less(had, after.get(id))]


def _members(roster: Roster | None) -> dict[str, Member]:
    if roster is None:
        return {}
    root = roster.who(roster.root.id)
    assert root is not None
    return {member.id: member for member in (*roster.members(), root)}


def _less(had: Member, has: Member | None) -> bool:
    return has is None or not had.roles <= has.roles or has.approved < had.approved
