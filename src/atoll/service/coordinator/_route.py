"""What a route is: an operation of the API, what it takes and gives, and what one must be permitted to ask it.

Doesn't know which there are, or how requests come.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import msgspec

from atoll.identity import Permission
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._principals import NOBODY, Principal
from atoll.service.coordinator._refusals import Refusal

MIB = 1 << 20
TEXT = {"type": "string"}


class Anyone(Enum):
    """In a permission's place: whoever comes may ask this of a coordinator that knows its users by their keys."""

    ANYONE = "anyone"


ANYONE = Anyone.ANYONE


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a route's function sees it."""

    body: Any
    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    who: Principal = NOBODY

    def text(self, name: str) -> str:
        """A text of the query; "" when it is not there."""
        return self.query.get(name, ("",))[-1]

    def number(self, name: str, most: float) -> float:
        """A number of the query; 0 when it is not there. Raises `Refusal`."""
        text = self.query.get(name, ("0",))[-1]
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            message = f"{name} is a number from 0 to {most:g}, not {text!r:.40}"
            raise Refusal(400, "request.bad-number", message, "see /openapi.json")
        return value


Done: TypeAlias = Callable[[Desk, Asked], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. Whoever has the permission nowhere is refused before anything is read; the desk looks at what it is
    about. `statuses` are those beside 200 and those that every route has."""

    method: str
    path: str
    permission: Permission | Anyone
    answer: type[msgspec.Struct]
    done: Done
    body: type[msgspec.Struct] | None = None
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name to its JSON schema
    statuses: tuple[int, ...] = (404, 409)
    limit: int = MIB  # bytes of the body
    waits: bool = False  # the answer may be a while in coming, and is for nobody when whoever asked has gone
    stays: bool = False  # it may wait without that, and ends when whoever asked is not welcome any more
    also: tuple[Permission, ...] = ()  # permissions that will do as well
    leaving: str = ""  # the method of the desk that is told of that

    @property
    def pattern(self) -> re.Pattern[str]:
        """What paths it serves."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))
