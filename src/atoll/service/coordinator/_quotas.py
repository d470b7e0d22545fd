"""Quotas: what a federation, or a user in one, may have at most, and the refusal of more.

Doesn't know what it is used for. What is going on is never ended by a quota: it can't be begun, or waits with what it has to store.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._run import Run
from atoll.service.coordinator._tenancy import Tenancy
from atoll.service.coordinator._usage import Usage
from atoll.wire import Limitation, Limited, Limits

EACH = "*"  # in a user's place: every user, each for themselves
_WORDS = {"runs": "live runs", "bytes": "stored bytes", "hours": "node-hours this month"}


class LimitsRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of one federation: of the whole of it, and of users (`*`: of each of them that isn't named)."""

    whole: Limits = Limits()
    users: dict[str, Limits] = {}


class Quotas:
    """All limits, held against what is there."""

    def __init__(self, registry: Registry, runs: dict[str, Run], usage: Usage, tenancy: Tenancy) -> None:
        self._registry, self._runs, self._usage, self._tenancy = registry, runs, usage, tenancy
        self._limits = registry.all("limits", LimitsRecord)

    # -- changing ----------------------------------------------------------------------------------------------

    async def limit(self, federation: str, asked: Limitation, user: str) -> Limited:
        """Set and lift limits, durably; `user`: whose ("": the whole federation's)."""
        record = self._limits.get(federation, LimitsRecord())
        if asked.limits != Limits() or asked.lift:
            after = _changed(record.users.get(user, Limits()) if user else record.whole, asked)
            if user:
                users = {**record.users, user: after}
                record = msgspec.structs.replace(
                    record, users={u: has for u, has in users.items() if has != Limits()}
                )
            else:
                record = msgspec.structs.replace(record, whole=after)
            self._limits[federation] = record
            self._registry.put("limits", federation, record)
            await self._registry.durable()
        return self.shown(federation)

    def shown(self, federation: str) -> Limited:
        """The limits of a federation, and what is used of them."""
        record = self._limits.get(federation, LimitsRecord())
        used = Limits(
            runs=self._live(federation),
            bytes=self._tenancy.stored(federation),
            hours=round(self._usage.hours(federation), 3),
        )
        return Limited(federation=federation, whole=record.whole, used=used, users=record.users)

    def forget(self, federation: str) -> None:
        """A federation is no more."""
        if self._limits.pop(federation, None) is not None:
            self._registry.put("limits", federation, None)

    # -- holding to it -----------------------------------------------------------------------------------------

    def check_run(self, federation: str, user: str) -> None:
        """Refuse a run too many, and one when the month's node-hours are used up. Raises `Refusal` (`quota.exceeded`)."""
        for whose, of, limits in self._of(federation, user):
            if limits.runs is not None and self._live(federation, of) + 1 > limits.runs:
                raise _exceeded("runs", whose, limits.runs, self._live(federation, of))
            if limits.hours is not None and self._usage.hours(federation, of) >= limits.hours:
                raise _exceeded("hours", whose, limits.hours, self._usage.hours(federation, of))

    def check_bytes(self, federation: str, user: str, coming: int) -> None:
        """Refuse bytes for which there is no room. Raises `Refusal` (`quota.exceeded`)."""
        for whose, of, limits in self._of(federation, user):
            if limits.bytes is not None and self._tenancy.stored(federation, of) + coming > limits.bytes:
                raise _exceeded("bytes", whose, limits.bytes, self._tenancy.stored(federation, of))

    def _of(self, federation: str, user: str) -> Iterator[tuple[str, str | None, Limits]]:
        record = self._limits.get(federation)
        if record is not None:
            yield f"federation {federation}", None, record.whole
            limits = record.users.get(user, record.users.get(EACH, Limits()))
            yield f"each user of federation {federation}", user, limits

    def _live(self, federation: str, user: str | None = None) -> int:
        live = (run for run in self._runs.values() if run.live and run.federation == federation)
        return sum(user in (None, run.user) for run in live)


def _changed(before: Limits, asked: Limitation) -> Limits:
    new = {name: value for name, value in msgspec.structs.asdict(asked.limits).items() if value is not None}
    return msgspec.structs.replace(before, **{name: None for name in asked.lift if name in _WORDS}, **new)


def _exceeded(what: str, whose: str, most: float, used: float) -> Refusal:
    message = f"{whose} may have {most:,.0f} {_WORDS[what]}, and has {used:,.0f}"
    mend = "stop or remove runs, or let an administrator change it: atoll federation limit"
    return Refusal(429, "quota.exceeded", message, mend)
