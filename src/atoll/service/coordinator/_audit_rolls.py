"""What a kill kept out of the audit log about who belongs to which federation, written there at the next start.

Doesn't know the rosters: what is kept of them is the truth, and what the log hasn't of that is added, nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from atoll.identity import Approval, Grant, Join, PublicKey, Revocation, Rotation, check, check_both
from atoll.service.coordinator._audit import Audit
from atoll.service.coordinator._audit_reading import of_kinds
from atoll.service.coordinator._first import FEDERATION
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._rolls import Founded, Invitation, Told

_OF = {
    "root-claimed": "federation",
    "invited": "invitation",
    "enrolled": "",
    "approved": "key",
    "revoked": "key",
    "key-rotated": "",
}  # what of an entry tells it from others of its kind; "": who


class _Due(NamedTuple):
    """An entry that has to be there."""

    kind: str
    who: str
    what: dict[str, Any]

    @property
    def place(self) -> tuple[str, str, str]:
        federation = self.what.get("federation", "")
        return self.kind, str(federation), str(self.what.get(_OF[self.kind]) if _OF[self.kind] else self.who)


def fill(audit: Audit, registry: Registry) -> None:
    """Add what is missing, before anybody comes."""
    due = {one.place: one for one in _due(registry)}
    for place in _told(audit.path) if due else ():
        due.pop(place, None)
    for one in due.values():
        audit.add(one.kind, one.who, one.what)


def _told(path: Path) -> Iterator[tuple[str, str, str]]:
    for entry in of_kinds(path, _OF):
        yield _Due(entry.kind, entry.who, entry.what).place


def _due(registry: Registry) -> Iterator[_Due]:
    for founded in registry.all("roster", Founded).values():
        if founded.federation == FEDERATION:
            yield _Due("root-claimed", PublicKey.of(founded.root).id, {"federation": FEDERATION})
    for invitation in registry.all("invitation", Invitation).values():
        yield from _invited(Told(n=0, federation=invitation.federation, what="entry", one=invitation.grant))
    for told in sorted(registry.all("told", Told).values(), key=lambda told: told.n):
        yield from {
            "entry": _invited,
            "approval": _approved,
            "revocation": _revoked,
            "rotation": _rotated,
        }[told.what](told)


def _invited(told: Told) -> Iterator[_Due]:
    assert told.one is not None
    said, by = check(told.one, Grant), told.one.signer.id
    about = {"federation": told.federation, "kind": said.kind}
    token = PublicKey.of(said.token).id
    yield _Due("invited", by, {**about, "invitation": token, "roles": list(said.roles)})
    if told.both is not None:
        key = PublicKey.of(check_both(told.both, Join).key).id
        yield _Due("enrolled", key, {**about, "by": by, "waiting": said.approve})


def _approved(told: Told) -> Iterator[_Due]:
    assert told.one is not None
    key = check(told.one, Approval).key
    yield _Due("approved", told.one.signer.id, {"federation": told.federation, "key": key})


def _revoked(told: Told) -> Iterator[_Due]:
    assert told.one is not None
    key = check(told.one, Revocation).key
    yield _Due("revoked", told.one.signer.id, {"federation": told.federation, "key": key})


def _rotated(told: Told) -> Iterator[_Due]:
    assert told.both is not None
    said = check_both(told.both, Rotation)
    yield _Due("key-rotated", PublicKey.of(said.new).id, {"old": said.old})
