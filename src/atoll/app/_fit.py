"""fit: the usual loop around an algorithm: rounds, evaluation, early stopping, hooks.

Doesn't know what an algorithm does in a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from atoll.app._fleet import Fleet
from atoll.app._rounds import Round
from atoll.app._schedule import Schedule
from atoll.app._stream import Stream
from atoll.app._task import MODEL, Reply, Task
from atoll.values import Arrays, ConfigError, Metrics, Scalar

State: TypeAlias = Mapping[str, Arrays]


class Ask(Protocol):
    """How an algorithm asks: the schedule is settled, metrics are noted on the way."""

    def __call__(self, task: Task | Mapping[str, Task]) -> Iterator[Reply]: ...

    @property
    def nodes(self) -> Sequence[str]: ...

    @property
    def expected(self) -> int:
        """The number of good replies at which one asking of the cohort goes on; fewer come when nodes fail."""
        ...

    def stream(self, task: Task, *, concurrency: int) -> Iterator[Reply]:
        """Replies as they come, without end, `concurrency` nodes being kept busy.

        It stays open from round to round: who asks again goes on with the same stream, whose nodes get the newer task.
        """
        ...


class Algorithm(Protocol):
    """A method: what state it needs, and how one round leads from one state to the next.

    State is named and committed with each round, so that any algorithm goes on after any kill.
    """

    def begin(self, model: Arrays) -> State:
        """The state before the first round; it holds the model as "model"."""
        ...

    def round(self, state: State, ask: Ask) -> State:
        """One round: ask, fold, step."""
        ...


@runtime_checkable
class Evaluated(Protocol):
    """An algorithm that has more for the nodes to evaluate than the model."""

    def evaluated(self, state: State) -> State:
        """What the nodes' `evaluate` is given, by name."""
        ...


def fit(
    algorithm: Algorithm,
    fleet: Fleet,
    *,
    initial: Arrays | Mapping[str, Any],
    rounds: int,
    schedule: Schedule | None = None,
    evaluate: Schedule | Callable[[Arrays, int], Mapping[str, object]] | None = None,
    configure: Callable[[int], Mapping[str, Any]] | None = None,
    stop: Callable[[Sequence[Mapping[str, Scalar]]], bool] | None = None,
    on_round: Callable[[Round, Mapping[str, object]], None] | None = None,
    best: str | None = None,
) -> Arrays:
    """Run an algorithm for some rounds and return the model.

    - `initial`: the model to begin with; counts the first time only, a resumed run has its own
    - `schedule`: whom each round asks, see `Schedule`
    - `evaluate`: a Schedule asks the nodes' `evaluate` after each round; a function `(model, round) -> metrics` is central
    - `configure`: `round -> values` that change `ctx.config` at the nodes for that round
    - `stop`: given the metrics of all rounds so far, whether to end early
    - `on_round`: called before each commit with the round and its metrics
    - `best`: the metric by which the best model is kept, "-loss" for lower is better; accuracy or loss if there is one

    A round's metrics are the means over replies by weight: `train_<name>` from training, `<name>` from evaluation.
    """
    schedule = schedule or Schedule()
    model = initial if isinstance(initial, Arrays) else Arrays(initial)
    loop = fleet.rounds(rounds, initial=algorithm.begin(model))
    del initial, model  # or the first model would be held for the whole run
    with _Line(fleet, schedule) as line:
        for rnd in loop:
            if stop is not None and loop.metrics and stop(loop.metrics):
                break
            ask = _Asking(fleet, schedule, configure(rnd.number) if configure else {}, line)
            state = algorithm.round(rnd.state, ask)
            metrics: dict[str, object] = {f"train_{n}": v for n, v in ask.noted.means().items()}
            shown = algorithm.evaluated(state) if isinstance(algorithm, Evaluated) else {MODEL: state[MODEL]}
            metrics.update(_evaluated(fleet, evaluate, shown, rnd.number))
            if on_round is not None:
                on_round(rnd, metrics)
            noted = Metrics(metrics)  # numpy's and torch's numbers are plain from here on
            rnd.commit(state, metrics=noted, score=_score(noted, best))
            del state, shown, rnd, ask  # what the next round begins from is the loop's, and may lie in files
    return loop.state[MODEL]


class _Line:
    """A fleet's stream, if an algorithm asks for one: open from then on, over all rounds of a fit."""

    def __init__(self, fleet: Fleet, schedule: Schedule) -> None:
        self._fleet, self._schedule = fleet, schedule
        self._stream: Stream | None = None
        self._replies: Iterator[Reply] = iter(())

    def replies(self, task: Task, concurrency: int) -> Iterator[Reply]:
        """What comes; nodes that become free get this task from now on."""
        if self._stream is None:
            self._stream = self._fleet.stream(task, concurrency=concurrency, schedule=self._schedule)
            self._replies = iter(self._stream)
        else:
            self._stream.send(task)
        return self._replies

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


class _Asking:
    """A fleet, asked by one schedule; what replies report is noted as they pass."""

    def __init__(self, fleet: Fleet, schedule: Schedule, config: Mapping[str, Any], line: _Line) -> None:
        self._fleet, self._schedule, self._config, self._line = fleet, schedule, config, line
        self.noted = _Means()

    @property
    def nodes(self) -> Sequence[str]:
        return self._fleet.nodes

    @property
    def expected(self) -> int:
        available = len(self._fleet.nodes)
        return self._schedule.enough(available, available)

    def __call__(self, task: Task | Mapping[str, Task]) -> Iterator[Reply]:
        configured = (
            self._configured(task)
            if isinstance(task, Task)
            else {n: self._configured(t) for n, t in task.items()}
        )
        for reply in self._fleet.ask(configured, self._schedule):
            self.noted.add(reply)
            yield reply

    def stream(self, task: Task, *, concurrency: int) -> Iterator[Reply]:
        for reply in self._line.replies(self._configured(task), concurrency):
            self.noted.add(reply)
            yield reply

    def _configured(self, task: Task) -> Task:
        if not self._config:
            return task
        return Task(task.action, task.payload, {**self._config, **task.config}, task.alike)


class _Means:
    """Weighted means of the numbers among metrics. The last reply counts when the next one comes: it may be refused till then."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}
        self._last: Reply | None = None

    def add(self, reply: Reply) -> None:
        self._settle()
        if reply.metrics:
            self._last = reply

    def _settle(self) -> None:
        reply, self._last = self._last, None
        if reply is None or reply.refusal:
            return
        for name, value in reply.metrics.numbers().items():
            entry = self._sums.setdefault(name, [0.0, 0.0])
            entry[0] += value * reply.weight
            entry[1] += reply.weight

    def means(self) -> dict[str, float]:
        self._settle()
        return {n: total / weight for n, (total, weight) in self._sums.items() if weight > 0}


def _evaluated(
    fleet: Fleet,
    evaluate: Schedule | Callable[[Arrays, int], Mapping[str, object]] | None,
    shown: State,
    number: int,
) -> Mapping[str, object]:
    if evaluate is None:
        return {}
    if not isinstance(evaluate, Schedule):
        return evaluate(shown[MODEL], number)
    means = _Means()
    for reply in fleet.ask(Task("evaluate", dict(shown)), evaluate):
        means.add(reply)
    return means.means()


def _score(metrics: Mapping[str, object], best: str | None) -> float | None:
    if best is None:
        best = next(
            (n for n in ("accuracy", "-loss", "train_accuracy", "-train_loss") if n.lstrip("-") in metrics),
            None,
        )
        if best is None:
            return None
    value = metrics.get(best.lstrip("-"))
    if not isinstance(value, float | int):
        known = ", ".join(metrics) or "none"
        raise ConfigError(
            "fit.no-such-metric", f"best={best!r}: the round has no number of that name", f"it has: {known}"
        )
    return -float(value) if best.startswith("-") else float(value)
