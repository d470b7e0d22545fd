"""How rosters are kept in the registry: each statement as it was signed, a record of its own.

Doesn't know what they say.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from atoll.identity import Both, PublicKey, Signed


class Founded(msgspec.Struct, frozen=True, kw_only=True):
    """A federation's root key."""

    federation: str
    root: str
    time: float


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a roster was told: an entry, an approval, a revocation or a rotation; `n` is its place among all."""

    n: int
    federation: str
    what: str
    one: Signed | None = None
    both: Both | None = None


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """One that nobody has taken up yet."""

    federation: str
    grant: Signed
    expires: float


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Until when a key is good."""

    expires: float


def written(root: PublicKey, federation: str, told: Iterable[Told]) -> bytes:
    """A roster's JSON, as `Roster.read` wants it, out of what it was told, in that order."""
    told = list(told)
    return msgspec.json.encode(
        {
            "version": 1,
            "root": root.text,
            "federation": federation,
            "rotations": [t.both for t in told if t.what == "rotation"],
            "entries": [(t.one, t.both) for t in told if t.what == "entry"],
            "approvals": [t.one for t in told if t.what == "approval"],
            "revocations": [t.one for t in told if t.what == "revocation"],
        }
    )
