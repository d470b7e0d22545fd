"""History: what a run reported, as tidy rows: one number, and where it comes from.

Doesn't know how it ran; it is derived from the journal's events.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atoll.journal._events import (
    Accepted,
    Committed,
    Created,
    Diverged,
    Event,
    Failed,
    Finished,
    Row,
    Started,
)
from atoll.values import Arrays, NotFound, Scalar, suggestion

if TYPE_CHECKING:
    from atoll.journal._journal import Source

COLUMNS = ("run", "round", "node", "phase", "metric", "value", "time")
ROUND_PHASE = "round"  # the phase of metrics that belong to a round as a whole; their node is empty


class Record(msgspec.Struct, frozen=True):
    """One row. `phase` is the task's action, or "round"; `time` is in seconds since 1970, UTC."""

    run: str
    round: int
    node: str
    phase: str
    metric: str
    value: Scalar
    time: float


class _Written(msgspec.Struct):
    """A row in a file: JSON has no NaN and no infinity, so these are lists of one text, `["nan"]`."""

    run: str
    round: int
    node: str
    phase: str
    metric: str
    value: Scalar | tuple[str]
    time: float


class _File(msgspec.Struct):
    format: str
    run: str
    name: str
    status: str
    rows: list[_Written]
    reason: dict[str, str] = {}


class History:
    """A run's metrics, one row a number; iterable.

    `model` is the model by which it ended (or the last committed one), `status` how: finished, failed, stopped, running.
    """

    def __init__(self, rows: Iterable[Record], *, run: str = "", name: str = "", status: str = "", reason: Mapping[str, str] | None = None,
                 models: Mapping[str, Arrays] | None = None) -> None:  # fmt: skip
        self.rows = list(rows)
        self.run, self.name, self.status, self.reason = run, name, status, dict(reason or {})
        self.models = dict(models or {})

    @classmethod
    def of(cls, journal: Source, run: str, *, models: bool = True) -> History:
        """The history of a run in a journal; the model is mapped, not read, or left out when it is not wanted."""
        events = [event for _, event in journal.events(run)]
        created, ended = (
            events[0],
            next((e for e in reversed(events) if isinstance(e, Finished | Started)), None),
        )
        assert isinstance(created, Created)
        keys = final_model(events) if models else {}
        found = {n: journal.arrays(run, key) for n, key in keys.items()}
        finished = ended if isinstance(ended, Finished) else None
        return cls(rows_of(run, events), run=run, name=created.name, models=found,
                   status=finished.status if finished else "running", reason=finished.reason if finished else {})  # fmt: skip

    @property
    def model(self) -> Arrays:
        """The final model. Raises `NotFound` when there is none (a run that failed at once)."""
        if not self.models:
            raise NotFound("model.none", f"run {self.name or self.run} has no model", "see `atoll show`")
        return self.models.get("model") or next(iter(self.models.values()))

    def __iter__(self) -> Iterator[Record]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        last = self.rounds()[-1] if self.rounds() else {}
        shown = ", ".join(f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in last.items())
        return f"History({self.name or self.run or 'run'}: {self.status}, {shown or 'no rounds yet'})"

    def rounds(self) -> list[dict[str, Scalar]]:
        """The metrics of each round, oldest first, each with its number as "round"."""
        found: dict[int, dict[str, Scalar]] = {}
        for r in self.rows:
            if r.phase == ROUND_PHASE:
                found.setdefault(r.round, {"round": r.round})[r.metric] = r.value
        return [found[number] for number in sorted(found)]

    def series(
        self, metric: str, *, by: str | None = None, phase: str | None = None
    ) -> dict[str, list[tuple[int, float]]]:
        """(round, value) of one metric: the rounds' own, or apart by "node" or "phase". Raises `NotFound`."""
        wanted = [r for r in self.rows if r.metric == metric and isinstance(r.value, float | int)]
        if by is None and phase is None:
            wanted = [r for r in wanted if r.phase == ROUND_PHASE] or wanted
        elif by == "node":
            wanted = [r for r in wanted if r.node]
        wanted = [r for r in wanted if phase in (None, r.phase)]
        if not wanted:
            known = {r.metric for r in self.rows}
            raise NotFound(
                "history.no-metric",
                f"the history has no numbers called `{metric}` here",
                suggestion(metric, known, what="metrics"),
            )
        lines: dict[str, list[tuple[int, float]]] = {}
        for r in wanted:
            lines.setdefault(str(getattr(r, by)) if by else metric, []).append((r.round, float(r.value)))
        return lines

    def best(self, metric: str = "accuracy", *, lowest: bool | None = None) -> dict[str, Scalar]:
        """The round whose metric is best: highest, or lowest for a loss or an error (or as `lowest` says)."""
        low = any(w in metric for w in ("loss", "error", "perplexity")) if lowest is None else lowest
        self.series(metric)
        rounds = [
            r for r in self.rounds() if isinstance(v := r.get(metric), float | int) and not math.isnan(v)
        ]
        if not rounds:
            raise NotFound(
                "history.no-metric", f"no round has a number called `{metric}`", "see history.rounds()"
            )
        return (min if low else max)(rounds, key=lambda r: float(r[metric]))

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns run, round, node, phase, metric, value, time."""
        return _need("pandas").DataFrame(self._columns())

    def to_polars(self) -> Any:
        """A polars DataFrame with the same columns; values are floats, texts become null."""
        columns = self._columns()
        columns["value"] = [float(v) if not isinstance(v, str) else None for v in columns["value"]]
        return _need("polars").DataFrame(columns)

    def plot(
        self, metric: str = "accuracy", *, by: str | None = None, phase: str | None = None, ax: Any = None
    ) -> Any:
        """Draw a metric over rounds with matplotlib, one line a node with `by="node"`; returns the axes."""
        axes = ax or _need("matplotlib.pyplot", "matplotlib").subplots()[1]
        lines = self.series(metric, by=by, phase=phase)
        for label, points in sorted(lines.items()):
            axes.plot(*zip(*sorted(points), strict=True), label=label, marker="o", markersize=3, linewidth=1)
        axes.set(xlabel="round", ylabel=metric, title=self.name or self.run)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if 1 < len(lines) <= 12:
            axes.legend(fontsize="small")
        return axes

    def save(self, path: str | Path) -> None:
        """Write the rows as one JSON document; models go beside it, as `<path>.<name>.safetensors`."""
        path = Path(path)
        document = _File(
            "atoll.history/1", self.run, self.name, self.status, [_written(r) for r in self.rows], self.reason
        )
        path.write_bytes(msgspec.json.encode(document))
        for name, arrays in self.models.items():
            arrays.save(path.with_name(f"{path.name}.{name}.safetensors"))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote. Raises `NotFound` for a file that is none."""
        path = Path(path)
        try:
            document = msgspec.json.decode(path.read_bytes(), type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NotFound(
                "history.malformed", f"{path} is no history: {error}", "write one with history.save()"
            ) from error
        ending = ".safetensors"
        beside = {
            p.name[len(path.name) + 1 : -len(ending)]: p for p in path.parent.glob(f"{path.name}.*{ending}")
        }
        models = {n: Arrays.load(p) for n, p in beside.items()}
        return cls(
            (_read(row) for row in document.rows),
            run=document.run,
            name=document.name,
            status=document.status,
            reason=document.reason,
            models=models,
        )

    def _columns(self) -> dict[str, list[Any]]:
        return {column: [getattr(r, column) for r in self.rows] for column in COLUMNS}


def _written(row: Record) -> _Written:
    odd = isinstance(row.value, float) and not math.isfinite(row.value)
    values = {**msgspec.structs.asdict(row), "value": (repr(row.value),) if odd else row.value}
    return _Written(**values)


def _read(row: _Written) -> Record:
    value = float(row.value[0]) if isinstance(row.value, tuple) else row.value
    return Record(row.run, row.round, row.node, row.phase, row.metric, value, row.time)


def rows_of(run: str, events: Iterable[Event]) -> Iterator[Record]:
    """Tidy rows out of a run's events; what a void attempt of a round reported is left out."""
    pending: dict[tuple[int, int, int], tuple[Row, float]] = {}
    refused: set[tuple[int, int]] = set()  # of streams: what they read, and found not to count
    clock = 0.0
    for event in events:
        if isinstance(event, Accepted) and event.ordinal < 0 and event.key:
            continue  # a commit tells when the program read it
        if isinstance(event, Accepted):
            row = Row(
                event.ordinal,
                event.index,
                event.node,
                event.action,
                event.weight,
                event.metrics,
                event.seconds,
            )
            pending[event.round, event.ordinal, event.index] = (row, event.time)
        elif isinstance(event, Failed):  # also of a reply that was accepted: the program went on without it
            pending.pop((event.round, event.ordinal, event.index), None)
            if event.ordinal < 0:
                refused.add((event.ordinal, event.index))
        elif isinstance(event, Diverged):
            void = [p for p in pending if p[0] == event.round and p[1] >= event.ordinal]
            for place in void:
                del pending[place]
        elif isinstance(event, Committed | Finished):
            number = event.round if isinstance(event, Committed) else -1
            for row in event.replies:
                if (row.ordinal, row.index) in refused:
                    continue
                pending[number, row.ordinal, row.index] = (row, event.time)
            if isinstance(event, Committed):
                yield from _reported(run, pending)
                pending.clear()
                virtual, clock = _virtual(event, clock)
                if event.round > 0:
                    metrics = {**event.metrics, "seconds": event.seconds, **virtual}
                    yield from _records(run, event.round, "", ROUND_PHASE, metrics, event.time)
    yield from _reported(run, pending)  # of a round that is open, or after the last


def _virtual(event: Committed, clock: float) -> tuple[dict[str, Scalar], float]:
    """What a round took in virtual time, and the clock at its end."""
    if event.virtual_time is None:
        return {}, clock
    now = event.virtual_time
    return {"virtual_seconds": now - clock, "virtual_time": now}, now


def _reported(run: str, pending: Mapping[tuple[int, int, int], tuple[Row, float]]) -> Iterator[Record]:
    for (round, _, _), (row, time) in sorted(pending.items()):
        yield from _records(run, round, row.node, row.action, {**row.metrics, "seconds": row.seconds}, time)


def _records(
    run: str, round: int, node: str, phase: str, metrics: Mapping[str, Scalar], time: float
) -> Iterator[Record]:
    for metric, value in metrics.items():
        yield Record(run, round, node, phase, metric, value, time)


def final_model(events: Iterable[Event]) -> dict[str, str]:
    """The keys of a run's model: the one it ended with, else the last committed state's."""
    keys: dict[str, str] = {}
    for event in events:
        if isinstance(event, Committed):
            keys = event.state
        elif isinstance(event, Finished) and event.model:
            keys = event.model
    return keys


def failures_of(events: Iterable[Event]) -> list[Failed]:
    """All failed replies, oldest first."""
    return [event for event in events if isinstance(event, Failed)]


def _need(module: str, package: str = "") -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        name = package or module
        raise NotFound("package.missing", f"this needs the package `{name}`", f"pip install {name}") from None
