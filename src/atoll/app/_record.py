"""The record of one run: what its journal holds already, and what it is to hold next.

Doesn't know who answers. A run is a replay of its journal: committed rounds are skipped, and what was accepted in
the open round is answered from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from atoll.app._clock import Clock
from atoll.app._executor import Done, moment
from atoll.app._keeping import Keeping
from atoll.app._offerings import Offering, Offerings
from atoll.app._saving import accepted, failed, worth_saving
from atoll.app._seeding import seed_everything
from atoll.app._streams import Streams
from atoll.app._task import Failure, Reply, nbytes
from atoll.app._watch import Watch
from atoll.journal import (
    FAILED,
    FINISHED,
    PROLOGUE,
    Accepted,
    Called,
    Committed,
    Created,
    Diverged,
    Event,
    Failed,
    Finished,
    Held,
    Journal,
    Logged,
    Offered,
    Row,
    Shelf,
    Started,
)
from atoll.values import Arrays, Metrics, NotFound, Scalar, as_text, derive_seed, pack, unpack

ELSEWHERE = "elsewhere"
MAPPED = 32 << 20  # bytes of a committed state that is read back from files rather than held


class Record:
    """Everything between a running program and its journal.

    `save`: "auto" keeps each reply of an open round that took longer to make than to keep, "always" keeps all,
    "elsewhere" keeps none: somebody else journals what nodes answer, and knows what they remember.
    `mapped`: a large state that is committed is at hand in the journal's files, and need not be held.
    """

    def __init__(
        self,
        journal: Journal,
        run: str,
        *,
        watch: Watch | None = None,
        save: str = "auto",
        mapped: bool = False,
    ) -> None:
        self.journal, self.run, self.watch = journal, run, watch or Watch()
        self._always = save == "always" and journal.durable
        self._elsewhere = save == ELSEWHERE
        self._mapped = mapped
        self.committed: list[Committed] = []
        self.attempts = 0
        self.round = PROLOGUE
        self.clock: Clock | None = None  # of a fleet in virtual time, set by whoever makes it
        self.states: dict[str, Mapping[str, Any]] = {}
        self._stored_states: dict[str, str] = {}
        self._changed: set[str] = set()
        self._offerings = Offerings()
        self.streams = Streams(elsewhere=self._elsewhere)
        self._rows: list[Row] = []
        self._held: list[Held] = []  # since the last commit
        self._holders: set[str] = set()
        self._ordinals: dict[int, int] = {}
        self._state: Mapping[str, Arrays] | None = None
        events = self._replayed()
        created = next(events)
        assert isinstance(created, Created)
        self.created = created
        # without durability there is no crash to fall back from
        self._keeping = Keeping(events) if journal.durable else Keeping(events, last=1)

    # -- what was ------------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The last committed round; -1 before the initial state is."""
        return self.committed[-1].round if self.committed else -1

    @property
    def elsewhere(self) -> bool:
        """Whether nodes elsewhere answer, which may be in anybody's hands."""
        return self._elsewhere

    @property
    def virtual_time(self) -> float:
        """The virtual second of the last commit."""
        return (self.committed[-1].virtual_time or 0.0) if self.committed else 0.0

    def state(self) -> Mapping[str, Arrays]:
        """The state of the last committed round, by name."""
        if self._state is None and self.committed:
            stored = self.committed[-1].state
            self._state = {n: self.journal.arrays(self.run, key) for n, key in stored.items()}
        return self._state or {}

    def node_state(self, node: str) -> Mapping[str, Any]:
        """What a node remembers."""
        if node not in self.states:
            key = self._stored_states.get(node)
            self.states[node] = unpack(self.journal.arrays(self.run, key)) if key else {}
        return self.states[node]

    def streamed(self, ordinal: int) -> list[Accepted]:
        """Replies that a stream got in the open round before it was cut off, in their order."""
        accepted = self.streams.unread(ordinal)
        self._adopt_states(accepted)
        return accepted

    def held(self, node: str, data: Sequence[Held]) -> None:
        """What data a node has; told by every process that opens it, journaled once."""
        if node not in self._holders and self.journal.durable:
            self._holders.add(node)
            self._held += data

    def next_ordinal(self) -> int:
        """The number of the program's next call in this round."""
        ordinal = self._ordinals.get(self.round, 0)
        self._ordinals[self.round] = ordinal + 1
        return ordinal

    def enter(self, round: int) -> None:
        """The program is now in this round; its calls there are counted on, should it come back to it."""
        self.round = round
        self.reseed("entered")

    def reseed(self, *place: int | str) -> None:
        """Seed the program's own draws by its place in the run: the same after a resume, and in every fleet."""
        seed_everything(derive_seed(self.created.seed, self.round, "server", *place))

    # -- what becomes --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin an attempt: forget what a crash left half done."""
        import os

        if self.attempts and self.journal.durable:
            self.journal.keep_only(self.run, self._keeping.live())
        self._append(Started(time=time.time(), attempt=self.attempts + 1, pid=os.getpid()))
        self.watch.began(self.run, self.created.name, max(self.last, 0))

    def offer(self, ordinal: int, action: str, digest: Callable[[], str], cohort: list[str]) -> Offering:
        """Journal that a cohort is asked, or find what it answered before; a different question voids those answers."""
        round = self.round
        self.watch.asked(round, action, len(cohort))
        before = self._offerings.find(round, ordinal)
        if before is not None:
            now = digest()
            if (before.digest, before.cohort) == (now, cohort):
                self._adopt_states(before.outcomes.values())
                return before
            self._append(Diverged(time=time.time(), round=round, ordinal=ordinal, was=before.digest, now=now))
            self._offerings.void(round, ordinal)
        if self.journal.durable:
            at = time.time()
            self._append(
                lambda _: Offered(
                    time=at, round=round, ordinal=ordinal, action=action, digest=digest(), cohort=cohort
                )
            )
        return Offering("", cohort)

    def accept(self, ordinal: int, reply: Reply, done: Done) -> None:
        """A reply counts from now on."""
        if done.state is not None:
            self.states[reply.node] = done.state
            self._changed.add(reply.node)
        round, payload = self.round, done.update.payload
        outside = round <= PROLOGUE  # no commit will hold its row
        if self._elsewhere:
            self.read_again(ordinal, reply)
        elif self.journal.durable and (outside or self._worth(ordinal, done)):
            build = accepted(round, ordinal, reply, payload, done.state, virtual_time=moment(done))
            self._append(self._building(build), nbytes(payload))
        else:
            self._note(ordinal, reply)
        self.watch.replied(round, reply)

    def read_again(self, ordinal: int, reply: Reply) -> None:
        """A reply that the journal holds is read. Of a stream's, a commit may leave some unread: its rows tell which."""
        if self._elsewhere and ordinal < 0:
            self._note(ordinal, reply)

    def fail(
        self,
        ordinal: int,
        action: str,
        failure: Failure,
        *,
        round: int | None = None,
        at: float | None = None,
    ) -> None:
        """A reply does not count. A late one names the round in which it was asked for."""
        asked = self.round if round is None else round
        if not self._elsewhere or failure.kind == "late":  # only the program knows that it went on without
            self._append(failed(asked, ordinal, action, failure, virtual_time=at))
        self.watch.failed(asked, failure)

    def refuse(self, ordinal: int, reply: Reply, failure: Failure) -> None:
        """A reply that the journal holds as accepted, or would, doesn't count. Each attempt finds that out anew."""
        if ordinal >= 0:  # a stream's is read nonetheless
            self._rows = [r for r in self._rows if (r.ordinal, r.index) != (ordinal, reply.index)]
        offering = self._offerings.find(self.round, ordinal)
        if offering is None or reply.index not in offering.refused:
            self._append(failed(self.round, ordinal, reply.action, failure))
        self.watch.failed(self.round, failure)

    def commit(
        self,
        round: int,
        total: int,
        state: Mapping[str, Arrays],
        *,
        metrics: Mapping[str, Scalar],
        score: float | None,
        seconds: float,
    ) -> None:
        """The round is done; in the journal's order, and soon durable."""
        self._state = dict(state)
        rows, self._rows = self._rows, []
        held, self._held = self._held, []
        changed, self._changed = {n: self.states[n] for n in sorted(self._changed)}, set()
        at, now = time.time(), None if self.clock is None else self.clock.now

        placed: dict[str, str] = {}

        def build(shelf: Shelf) -> Event:
            keys = {n: shelf.put("model", a) for n, a in state.items()}
            placed.update(keys)
            nodes = {n: shelf.put("state", pack(s)) for n, s in changed.items()}
            return Committed(time=at, round=round, total=total, state=keys, metrics=dict(metrics), score=score,
                             replies=rows, node_states=nodes, seconds=seconds, data=held, virtual_time=now)  # fmt: skip

        nbytes = sum(a.nbytes for a in state.values())
        self._append(self._building(build), nbytes)
        if self._mapped and nbytes >= MAPPED:
            self.journal.flush()
            self._state = None  # read from files from now on: memory is for the accumulator
        self.committed.append(
            Committed(
                time=at,
                round=round,
                total=total,
                state=placed,
                metrics=dict(metrics),
                score=score,
                virtual_time=now,
            )
        )
        if round > 0:
            virtual = {} if now is None else {"virtual_time": now}
            self.watch.committed(round, total, {**metrics, **virtual}, seconds)

    def log(self, level: str, message: str, round: int | None = None, node: str = "") -> None:
        """A line in the run's log."""
        for line in message.splitlines() or [""]:
            self._append(Logged(time=time.time(), level=level, message=line[:4000], round=round, node=node))
        self.watch.logged(level, message, round, node)

    def finish(
        self,
        status: str,
        *,
        model: Mapping[str, Arrays] | None = None,
        reason: Mapping[str, str] | None = None,
    ) -> None:
        """The attempt is over; durable on return. Without a model, the last committed state is the model."""
        at, why = time.time(), {n: as_text(t) for n, t in (reason or {}).items()}
        rows = self._rows if status == FINISHED else []  # what an open round reported is asked again
        self._rows = []
        held, self._held = self._held, []

        def build(shelf: Shelf) -> Event:
            keys = {n: shelf.put("model", a) for n, a in (model or {}).items()}
            return Finished(time=at, status=status, model=keys, reason=why, replies=rows, data=held)

        self._append(self._building(build))
        self.journal.flush()

    # -- inside --------------------------------------------------------------------------------------------

    def _append(self, entry: Event | Callable[[Shelf], Event], nbytes: int = 0) -> None:
        self.journal.append(self.run, entry, nbytes=nbytes)

    def _worth(self, ordinal: int, done: Done) -> bool:
        """Whether to save a reply of an open round. In virtual time a stream is run through again, and its replies made anew."""
        if ordinal < 0 and self.clock is not None:
            return False
        return self._always or worth_saving(done.seconds, done.update.payload)

    def _note(self, ordinal: int, reply: Reply) -> None:
        metrics = reply.metrics.plain()
        row = (ordinal, reply.index, reply.node, reply.action, reply.weight, metrics, reply.seconds)
        self._rows.append(Row(*row))

    def _building(self, build: Callable[[Shelf], Event]) -> Callable[[Shelf], Event]:
        def built(shelf: Shelf) -> Event:
            event = build(shelf)
            for key in self._keeping.after(event):
                shelf.drop(key)
            return event

        return built

    def _replayed(self) -> Iterator[Event]:
        """The journal's events, one in memory at a time, and those that decide what is kept here."""
        for _, event in self.journal.events(self.run):
            self._replay(event)
            if not (self._elsewhere and isinstance(event, Accepted)):
                yield event

    def _replay(self, event: Event) -> None:
        if isinstance(event, Committed | Finished):
            self._holders.update(held.node for held in event.data)
        if isinstance(event, Started):
            self.attempts = event.attempt
        elif isinstance(event, Offered):
            self._offerings.open(event)
        elif isinstance(event, Accepted | Failed) and event.ordinal >= 0:
            self._offerings.take(event)
        elif isinstance(event, Called | Accepted | Failed):
            self.streams.take(event)
        elif isinstance(event, Diverged):
            self._offerings.void(event.round, event.ordinal)
        elif isinstance(event, Committed):
            self._replay_commit(event)
        elif isinstance(event, Finished) and event.status == FAILED:
            # what the program made of the prologue's answers is committed, once anything is
            self._offerings.forgive(prologue=not self.committed)

    def _replay_commit(self, event: Committed) -> None:
        self.committed.append(structs.replace(event, replies=[], node_states={}))
        self._stored_states.update(event.node_states)
        self.streams.committed(event)
        if event.round > 0:
            self._offerings.committed(event.round)

    def _adopt_states(self, outcomes: Iterable[Accepted | Failed]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Accepted) and outcome.state:
                self.states[outcome.node] = unpack(self.journal.arrays(self.run, outcome.state))
                self._changed.add(outcome.node)


def stored_reply(record: Record, event: Accepted, *, staler: int = 0) -> Reply:
    """The reply that the journal holds, staler by so much; its arrays are read when they are asked for."""

    def load() -> dict[str, Any]:
        try:
            return unpack(record.journal.arrays(record.run, event.payload))
        except NotFound as error:
            mend = "ask for it in the round in which it was given"
            raise NotFound(
                "reply.gone", f"{event.node}'s reply was deleted when its round was committed", mend
            ) from error

    return Reply(event.index, event.node, event.action, weight=event.weight, metrics=Metrics(event.metrics),
                 seconds=event.seconds, staleness=event.staleness + staler, load=load)  # fmt: skip
