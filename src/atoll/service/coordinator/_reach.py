"""Reach: which runs somebody may see, and what they may do to each.

Doesn't know what is done. A run of a federation that isn't theirs looks like one that there isn't, however it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atoll.identity import Permission
from atoll.journal import Created, pick
from atoll.service.coordinator._access import Access
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run import Run
from atoll.values import NotFound

_SEE = Permission.RUN_SEE


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides about a run, which never changes."""

    federation: str
    user: str
    nodes: Sequence[str]
    where: str


class Reach:
    """Runs, as far as somebody's arm is long. On a coordinator of one machine, everybody's reaches them all."""

    def __init__(self, books: Books, access: Access) -> None:
        self._books, self._access = books, access
        self._facts: dict[str, Facts] = {}

    def reference(self, reference: str, who: Principal, permission: Permission) -> str:
        """What a reference means to them, once they may do that to it: an id. Raises `Refusal`."""
        if not self._access.identified:
            return reference
        try:
            id = pick(reference, [s for s in self._books.journal.runs() if self.sees(who, s.id)]).id
        except NotFound as error:
            raise Refusal(404, error.code, error.message, error.mend) from error
        self.run(id, who, permission)
        return id

    def run(self, id: str, who: Principal, permission: Permission) -> None:
        """Do nothing when they may do that to the run of an id. Raises `Refusal`: 404 also for one that they can't see."""
        if not self._access.identified:
            return
        unknown = Refusal(404, "run.unknown", f"there is no run `{id}`", "see `atoll ls`")
        facts = self.facts(id)
        if facts is None:
            raise unknown
        own = self._owns(id, facts, who, permission)
        self._access.demand(who, permission, facts.federation, own=own, unknown=unknown)

    def sees(self, who: Principal, id: str) -> bool:
        """Whether a run is in a list for them."""
        if not self._access.identified:
            return True
        facts = self.facts(id)
        return facts is not None and self._access.may(
            who, _SEE, facts.federation, own=self._owns(id, facts, who, _SEE)
        )

    def facts(self, id: str) -> Facts | None:
        """What decides about a run; None when there is none."""
        found = self._facts.get(id)
        if found is None and (found := self._read(id)) is not None:
            self._facts[id] = found
        return found

    def forget(self, id: str) -> None:
        """It was removed."""
        self._facts.pop(id, None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _owns(self, id: str, facts: Facts, who: Principal, permission: Permission) -> bool:
        """A program has its run, a host those it was given, a user what they began; a site's owner may look at what its nodes take part in."""
        if who.kind == "program":
            return who.run == id
        if who.kind == "host":
            run = self._books.runs.get(id)
            return run is not None and run.record.host == who.id
        if facts.user and facts.user == self._access.user(who, facts.federation):
            return True
        return permission is _SEE and self._access.owns_node(who, facts.federation, facts.nodes)

    def _read(self, id: str) -> Facts | None:
        run: Run | None = self._books.runs.get(id)
        if run is not None:
            return _facts(run.created)
        try:
            for _, event in self._books.journal.events(id):
                return _facts(event) if isinstance(event, Created) else None
        except NotFound:
            pass
        return None


def _facts(created: Created) -> Facts:
    settings = created.settings
    return Facts(str(settings.get("federation", "")), str(settings.get("user", "")), tuple(created.nodes),
                 str(settings.get("where", "host")))  # fmt: skip
