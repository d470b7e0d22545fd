"""Answers on their way to the coordinator: kept on disk, sent until there is a verdict, then forgotten.

Doesn't know how they came about. A small answer is sent by the thread that has it; any other, or one that didn't
get through, by another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from atoll.service.node._lane import Held
from atoll.service.node._lines import LogLines
from atoll.service.node._link import STRANGERS
from atoll.service.node._outbox import Finished, Outbox
from atoll.service.node._states import States
from atoll.service.node._weather import Weather
from atoll.store import Store
from atoll.values import AtollError, DiskFull, NotFound
from atoll.wire import Answer, Bad, Good, Verdict, digest_of, worded

if TYPE_CHECKING:
    from atoll.service.node._wire import Coordinator
    from atoll.service.workshop import Did

AWAY = frozenset(
    {0, 401, 403, 409, 429, 500, 502, 503, 504}
)  # statuses after which the same request is right again


class Delivery:
    """Keeps and sends answers. `delivered` is told when the coordinator has one, or can't have it; `leaves` before one is sent."""

    def __init__(
        self,
        coordinator: Coordinator,
        *,
        outbox: Outbox,
        states: States,
        store: Store,
        lines: LogLines,
        weather: Weather,
        delivered: Callable[[Held], None],
        elsewhere: Callable[[Callable[[], None]], None],
        leaves: Callable[[Answer, str], None] = lambda answer, federation: None,
    ) -> None:
        self._coordinator, self._outbox, self._states, self._store = coordinator, outbox, states, store
        self._lines, self._weather, self._delivered, self._elsewhere = lines, weather, delivered, elsewhere
        self._leaves = leaves

    def finish(self, held: Held, outcome: Did | Bad) -> None:
        """Keep an answer and send it."""
        finished = self._finished(held, outcome)
        try:
            self._keep(finished, outcome)
            if not _arrays(finished) and self._lines.flush() and self._send(held, finished):
                return
        except (OSError, DiskFull):
            pass  # said there, and tried again
        self._elsewhere(lambda: self._insist(held, finished, outcome))

    def finish_elsewhere(self, held: Held, outcome: Did | Bad) -> None:
        """The same, all of it on another thread."""
        finished = self._finished(held, outcome)
        self._elsewhere(lambda: self._insist(held, finished, outcome))

    def resume(self, held: Held, finished: Finished) -> None:
        """Send what an earlier daemon left."""
        self._elsewhere(lambda: self._insist(held, finished, None))

    def _finished(self, held: Held, outcome: Did | Bad) -> Finished:
        offer = held.offer
        told = outcome if isinstance(outcome, Bad) else _good(outcome)
        answer = Answer(
            name=self._coordinator.name, session=0, run=offer.run, key=offer.key, call=offer.digest,
            digest=digest_of(told), outcome=told,
        )  # fmt: skip
        federation = offer.wants.federation if offer.wants is not None else ""
        return Finished(answer=answer, seq=offer.seq, round=offer.round, federation=federation)

    def _keep(self, finished: Finished, outcome: Did | Bad) -> None:
        """State first: once the reply is sent, the state that belongs to it must be there."""
        if isinstance(outcome, Bad):
            self._outbox.keep(finished, {}, seconds=0.0)
            return
        if outcome.state is not None:
            self._states.keep(finished.answer.run, finished.seq, Path(outcome.state))
        self._outbox.keep(finished, outcome.files, seconds=outcome.seconds)

    def _insist(self, held: Held, finished: Finished, outcome: Did | Bad | None) -> None:
        """Keep and send until there is a verdict."""
        told = False
        for _ in self._weather.tries():
            try:
                if outcome is not None:
                    self._keep(finished, outcome)
                    outcome = None
                self._lines.flush()
                if self._send(held, finished):
                    return
            except FileNotFoundError as error:
                self._again(held, finished, error)
                return
            except (OSError, DiskFull) as error:
                if not told:
                    self._lines.add(
                        finished.answer.run, "warning", f"a finished call waits: {error}", finished.round
                    )
                told = True

    def _send(self, held: Held, finished: Finished) -> bool:
        """Whether the matter is settled."""
        arrays = _arrays(finished)
        self._leaves(finished.answer, finished.federation)
        try:
            self._push(finished, arrays)
            verdict = self._reply(finished)
            if verdict.status == "refused" and verdict.lack:
                self._push(finished, {d: n for d, n in arrays.items() if d in verdict.lack})
                verdict = self._reply(finished)
            self._settle(held, finished, verdict)
        except AtollError as error:
            status = getattr(error, "status", 0)
            if error.code in ("object.damaged", "object.missing"):
                self._again(held, finished, error)
            elif error.code == "reply.conflict" or status == 404:
                self._settle(held, finished, Verdict(status="refused", message=error.message))
            elif status in AWAY or error.code in STRANGERS:
                return False
            else:
                self._object(held, finished, error)
        return True

    def _push(self, finished: Finished, arrays: Mapping[str, int]) -> None:
        if arrays:
            blobs = {digest: self._source(finished, digest) for digest in arrays}
            self._coordinator.push(finished.federation, blobs)

    def _source(self, finished: Finished, digest: str) -> Path:
        """An array that a task brought and the reply sends back unchanged is among the node's objects."""
        path = self._outbox.array(finished, digest)
        if path.exists():
            return path
        if (path_here := self._store.path(digest)) is None:
            raise NotFound("object.missing", f"there is no object {digest}", "send it again")
        return path_here

    def _reply(self, finished: Finished) -> Verdict:
        return self._coordinator.reply(structs.replace(finished.answer, session=self._coordinator.session))

    def _settle(self, held: Held, finished: Finished, verdict: Verdict) -> None:
        """Forget a delivered answer; the state of one that doesn't count goes with it."""
        run, seq = finished.answer.run, finished.seq
        if _changed(finished) and verdict.status == "accepted":
            self._states.accept(run, seq)
        elif _changed(finished) and verdict.status != "late":  # a late one may have been accepted before
            self._states.discard(run, seq)
        if verdict.status == "refused":
            self._lines.add(run, "warning", f"a reply was refused: {verdict.message}", finished.round)
        self._outbox.drop(finished)
        self._delivered(held)

    def _again(self, held: Held, finished: Finished, error: Exception) -> None:
        """What the disk kept is no longer what was made: the call is done again."""
        lost = f"a finished call is done again: {error}"
        self._lines.add(finished.answer.run, "warning", lost, finished.round)
        self._outbox.drop(finished)
        self._delivered(held)

    def _object(self, held: Held, finished: Finished, error: AtollError) -> None:
        """The coordinator takes no such answer: it is told so in few words, or not at all."""
        self._outbox.drop(finished)
        if isinstance(finished.answer.outcome, Bad):
            self._delivered(held)
            return
        bad = Bad(failure="invalid", message=f"the coordinator refused the reply: {error.message}"[:2000])
        answer = structs.replace(finished.answer, outcome=bad, digest=digest_of(bad))
        self._insist(held, structs.replace(finished, answer=answer), bad)


def _good(did: Did) -> Good:
    metrics, special = worded(did.metrics)
    return Good(
        weight=did.weight,
        metrics=metrics,
        special=special,
        seconds=did.seconds,
        payload=did.payload,
        state_changed=did.state is not None,
        data=did.data,
        versions=did.versions,
    )


def _arrays(finished: Finished) -> Mapping[str, int]:
    outcome = finished.answer.outcome
    return outcome.payload.objects if isinstance(outcome, Good) else {}


def _changed(finished: Finished) -> bool:
    outcome = finished.answer.outcome
    return isinstance(outcome, Good) and outcome.state_changed
