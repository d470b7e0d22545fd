"""What programs and users hear of a run: outcomes, events, and what events name; now, or as soon as there is news.

Doesn't know what was said. Whoever waits is answered at once when there is something.
"""

from __future__ import annotations

import asyncio

import msgspec

from atoll.journal import Failed
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._calls import Call
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run import Run
from atoll.values import NotFound
from atoll.wire import Bad, Events, Good, Heard, Manifest, Outcome, Say, Shelved, worded

MAX_EVENTS, MAX_BYTES = 1000, 4 << 20  # of one answer


class Hearing:
    """Long polls on runs."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def heard(self, run: Run, say: Say) -> Heard:
        """Outcomes that a program has not taken in; it waits for one as long as it says."""
        until = self._books.clock.monotonic() + say.wait
        while True:
            calls = run.calls.unheard()
            left = until - self._books.clock.monotonic()
            stop = run.record.stopping
            asked, run.told_stop = stop and run.told_stop != say.fence, say.fence if stop else 0
            if calls or asked or left <= 0 or not run.live or self._books.draining:
                return Heard(at=say.at, outcomes=self._outcomes(run, calls), stop=stop)
            await self._listen(run, left)
            if self._books.runs.get(run.id) is not run:
                self._books.ready()
                raise Refusal(
                    503,
                    "coordinator.reloaded",
                    "the coordinator had to read the run again",
                    "ask again",
                    retry=0.1,
                )
            run.check(say.fence)

    async def events(self, id: str, after: int, wait: float) -> Events:
        """Events after a number: what there is, or what comes within so many seconds."""
        until = self._books.clock.monotonic() + wait
        while True:
            run = self._books.runs.get(id)
            live = run is not None and run.live
            if not live:  # its end may not be on the disk yet, and nobody asks again
                await self._books.durable()
                await self._books.audit.durable()  # nor what led to it
            read = self._read(id, after)
            found = _fitting(read)
            left = until - self._books.clock.monotonic()
            if found or not live or run is None or left <= 0 or self._books.draining:
                return Events(events=found, live=live or len(found) < len(read) or len(read) == MAX_EVENTS)
            await self._follow(run, left)

    async def shelf(self, id: str, keys: list[str]) -> Shelved:
        """The manifests behind keys; those that are gone are left out."""
        found: dict[str, Manifest] = {}
        for key in keys:
            try:
                found[key] = msgspec.msgpack.decode(self._books.journal.body(id, key), type=Manifest)
            except (NotFound, msgspec.MsgspecError):
                continue
        return Shelved(objects=found)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _listen(self, run: Run, seconds: float) -> None:
        run.wake_program()  # an older request of the same program gets what there is
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run.listener = mine
        timer = self._books.clock.call_later(seconds, lambda: _wake(mine))
        try:
            await mine
        finally:
            timer.cancel()
            if run.listener is mine:
                run.listener = None

    def _outcomes(self, run: Run, calls: list[Call]) -> list[Outcome]:
        found: list[Outcome] = []
        size = 0
        for call in calls:
            event = call.answered
            how: Good | Bad
            if isinstance(event, Failed):
                how = Bad(failure=event.failure, message=event.message, traceback=event.traceback)
            elif event is not None:
                metrics, special = worded(event.metrics)
                how = call.good or Good(
                    weight=event.weight, metrics=metrics, special=special, seconds=event.seconds, state_changed=event.state_changed,
                    payload=msgspec.msgpack.decode(self._books.journal.body(run.id, event.payload), type=Manifest),
                )  # fmt: skip
                size += len(how.payload.inline)
            else:
                continue
            found.append(Outcome(key=call.key, digest=call.digest, node=call.node, outcome=how))
            if size > MAX_BYTES:
                break
        return found

    async def _follow(self, run: Run, seconds: float) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run.followers.add(mine)
        timer = self._books.clock.call_later(seconds, lambda: _wake(mine))
        try:
            await mine
        finally:
            timer.cancel()
            run.followers.discard(mine)

    def _read(self, id: str, after: int) -> list[tuple[int, bytes]]:
        try:
            return self._books.journal.encoded(id, after, limit=MAX_EVENTS)
        except NotFound as error:
            raise Refusal(404, error.code, error.message, error.mend) from error


def _fitting(events: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    size = 0
    for count, (_, body) in enumerate(events, start=1):
        size += len(body)
        if size > MAX_BYTES:
            return events[:count]
    return events


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
