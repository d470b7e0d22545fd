"""Terms: until when each key's credential is good.

Doesn't know who has the keys, or what they may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._rolls import Credential

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds for which a credential is good when it was renewed."""

    machine: float = 7 * DAY
    user: float = 30 * DAY

    def of(self, kind: str) -> float:
        """That of a user, a node or a host."""
        return self.user if kind == "user" else self.machine


@final
class Terms:
    """By the id of each key; what changes is durable with the registry."""

    def __init__(self, registry: Registry, clock: Clock, lifetimes: Lifetimes) -> None:
        self._registry, self._clock, self.lifetimes = registry, clock, lifetimes
        self._known = registry.all("credential", Credential)

    def expires(self, id: str) -> float:
        """When a key's credential ends, in seconds since 1970; 0 when it never does."""
        known = self._known.get(id)
        return known.expires if known is not None else 0.0

    def prolong(self, id: str, kind: str) -> None:
        """It is good for its whole time, from now."""
        self._put(id, Credential(expires=self._clock.time() + self.lifetimes.of(kind)))

    def move(self, old: str, new: str) -> None:
        """A new key has what is left of an old one's time."""
        kept = self._known.pop(old, None)
        if kept is not None:
            self._registry.put("credential", old, None)
            self._put(new, kept)

    def _put(self, id: str, kept: Credential) -> None:
        self._known[id] = kept
        self._registry.put("credential", id, kept)
