"""A survey: counts, means, variances, extremes, histograms and quantiles of data that stays where it is.

Doesn't know the data, nor the nodes' rows: it sees what each node counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from atoll.algorithms._halves import unlike
from atoll.algorithms._moments import Moments
from atoll.algorithms._ranks import Bracket, interpolated, needed
from atoll.algorithms._survey_answer import answered
from atoll.algorithms._survey_results import Histogram, Quantiles, Summary
from atoll.app import Failure, Fleet, Schedule, Task, Update
from atoll.data import Dataset
from atoll.values import Array, Arrays, ConfigError, RunError

_MEND = "register it at the client: @app.query, and return Survey.answer(question, ctx.data[...])"


class Survey:
    """Statistics of columns over the nodes of a fleet, as if their rows lay in one place.

    A column is one number per row; NaN counts as missing. The nodes that answer the first question are asked all others,
    so that every figure is of the same rows: `nodes` names them, `failures` those that didn't answer. The nodes' app
    registers a query named as `action`:

        @app.query
        def survey(question, ctx):
            return Survey.answer(question, ctx.data["patients"], minimum=10)

    Raises `ConfigError` (`survey.invalid`), `TooFewReplies`, and `RunError` (`survey.empty`).
    """

    def __init__(
        self,
        fleet: Fleet,
        columns: Sequence[str],
        *,
        schedule: Schedule | None = None,
        action: str = "survey",
    ) -> None:
        if isinstance(columns, str) or not columns or len(set(columns)) != len(columns):
            raise _invalid(f"a survey is of columns by name, each once, not {columns!r:.80}")
        self._fleet, self.columns, self._action = fleet, tuple(columns), action
        self._schedule = schedule or Schedule()
        self._moments: Moments | None = None
        self.nodes: tuple[str, ...] = ()
        self.failures: tuple[Failure, ...] = ()

    @staticmethod
    def answer(question: Mapping[str, Any], data: Dataset, *, minimum: int = 0) -> Update:
        """The client's half: answer a question from a node's own data set, with counts and moments of its columns.

        Of a column with fewer than `minimum` values the node says nothing, as if it had no such rows. Raises `DataError`
        (`survey.no-numbers`, `survey.not-finite`, `data.unknown-column`).
        """
        return answered(question, data, minimum=minimum)

    def summaries(self) -> dict[str, Summary]:
        """Count, mean, variance and extremes of each column; one exchange.

        Counts and extremes are exact; means and variances are those of the pooled rows to a relative 1e-12 (in units of
        the largest value), see `Moments.merge`.
        """
        found = self._described()
        rows = zip(*(getattr(found, name).tolist() for name in Moments.__slots__), strict=True)
        return {name: Summary(*row) for name, row in zip(self.columns, rows, strict=True)}

    def histograms(
        self, *, bins: int = 10, edges: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Histogram]:
        """How many values lie in each bin, exactly as `numpy.histogram` of the pooled rows.

        Edges are agreed on in a first exchange, `bins` equal ones from the smallest to the largest value, unless `edges`
        gives those of a column. Two exchanges; one when all edges are given.
        """
        if not 1 <= bins <= 1 << 16:
            raise _invalid(f"a histogram has 1 to 65,536 bins, not {bins}")
        given = {name: np.asarray(e, np.float64) for name, e in (edges or {}).items()}
        if unknown := sorted(given.keys() - set(self.columns)):
            raise _invalid(f"edges are given for `{unknown[0]}`, which the survey isn't of")
        for name, own in given.items():
            if own.ndim != 1 or len(own) < 2 or not np.isfinite(own).all() or (np.diff(own) <= 0).any():
                raise _invalid(f"the edges of `{name}` are not at least two numbers that rise")
        agreed = {name: given[name] if name in given else self._edges(name, bins) for name in self.columns}
        asked = {name: np.append(own, np.finfo(np.float64).max) for name, own in agreed.items()}
        return {name: Histogram.ranked(agreed[name], ranks) for name, ranks in self._ranks(asked).items()}

    def quantiles(
        self, at: Sequence[float], *, tolerance: float = 1e-6, bins: int = 64
    ) -> dict[str, Quantiles]:
        """The quantiles of each column, by linear interpolation between order statistics as `numpy.quantile` has it.

        (Hyndman and Fan 1996, definition 7.) Each order statistic that is needed is closed in between two thresholds; an
        exchange divides the gap by `bins`, until it is at most 2 `tolerance` (max - min): a quantile is then that of the
        pooled rows within its `error`, which is at most `tolerance` (max - min). 0 goes on to the last bit.
        """
        asked = np.asarray(at, np.float64)
        if asked.ndim != 1 or not asked.size or not ((asked >= 0) & (asked <= 1)).all():
            raise _invalid(f"quantiles are asked for at numbers from 0 to 1, not {at!r:.80}")
        if not 0 <= tolerance < 1 or not 2 <= bins <= 4096:
            raise _invalid(f"0 <= tolerance < 1 and 2 <= bins <= 4096, not {tolerance} and {bins}")
        sought = {name: self._brackets(name, asked, tolerance) for name in self.columns}
        while cuts := {n: _thresholds(b, bins) for n, b in sought.items() if _still_open(b)}:
            for name, ranks in self._ranks(cuts).items():
                for bracket in _still_open(sought[name]):
                    bracket.narrow(cuts[name], ranks)
        counts = dict(zip(self.columns, self._described().count.tolist(), strict=True))
        return {name: interpolated(asked, counts[name], found) for name, found in sought.items()}

    def _edges(self, name: str, bins: int) -> Array:
        found, column = self._described(), self.columns.index(name)
        self._must_hold_values(name)
        span = float(found.minimum[column]), float(found.maximum[column])
        edges = np.histogram_bin_edges(np.array(span), bins)
        if (np.diff(edges) <= 0).any():
            raise _invalid(f"the values of `{name}` lie too close together for {bins} bins: take fewer")
        return edges

    def _brackets(self, name: str, at: Array, tolerance: float) -> dict[int, Bracket]:
        found, column = self._described(), self.columns.index(name)
        self._must_hold_values(name)
        count, low, high = (x[column].item() for x in (found.count, found.minimum, found.maximum))
        return {rank: Bracket.around(rank, count, low, high, tolerance) for rank in needed(at, count)}

    def _must_hold_values(self, name: str) -> None:
        if not self._described().count[self.columns.index(name)]:
            raise RunError("survey.empty", f"no node has a value in column `{name}`", "survey other columns")

    def _described(self) -> Moments:
        if self._moments is None:
            question = {"columns": list(self.columns)}
            nothing = Moments.of([np.empty(0)] * len(self.columns), [0] * len(self.columns))
            parts = map(Moments.unpacked, self._ask(question, nothing.packed()))
            self._moments = reduce(Moments.merge, parts, nothing)
        return self._moments

    def _ranks(self, thresholds: Mapping[str, Array]) -> dict[str, Array]:
        plain = {name: values.tolist() for name, values in thresholds.items()}
        like = Arrays({name: np.zeros((2, len(values)), np.int64) for name, values in thresholds.items()})
        totals = {name: np.zeros((2, len(values)), np.int64) for name, values in thresholds.items()}
        for arrays in self._ask({"columns": list(plain), "thresholds": plain}, like):
            for name, total in totals.items():
                total += arrays[name]
        return totals

    def _ask(self, question: Mapping[str, Any], like: Arrays) -> Iterator[Arrays]:
        task = Task(self._action, {"question": question})
        if self.nodes:  # whoever answered the first question answers all
            all_of_them = Schedule(minimum=len(self.nodes), deadline=self._schedule.deadline)
            replies = self._fleet.ask(dict.fromkeys(self.nodes, task), all_of_them)
        else:
            replies = self._fleet.ask(task, self._schedule)
        answering = []
        for reply in replies:
            if wrong := unlike(reply, {"answer": like}):
                reply.refuse(f"{wrong}; {_MEND}")
                continue
            answering.append(reply.node)
            reply.folded()
            yield reply["answer"]
        if not self.nodes:
            self.nodes, self.failures = tuple(answering), tuple(replies.failures)


def _still_open(brackets: Mapping[int, Bracket]) -> list[Bracket]:
    return [bracket for bracket in brackets.values() if not bracket.closed]


def _thresholds(brackets: Mapping[int, Bracket], bins: int) -> Array:
    return np.unique(np.concatenate([bracket.inside(bins) for bracket in _still_open(brackets)]))


def _invalid(message: str) -> ConfigError:
    return ConfigError("survey.invalid", message, "see atoll.algorithms.Survey")
