"""A survey finds what the pooled rows would have told, and says how near it came."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atoll
from atoll.algorithms import Survey
from atoll.data import Table
from atoll.values import AtollError, TooFewReplies

sys.path.insert(0, str(Path(__file__).parent))
from by_site import Power, cut_and_resumed, simulated, table

numbers = st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-5, 5).map(float) | st.just(math.nan)
sites = st.lists(st.lists(numbers, max_size=30), min_size=1, max_size=6)
some_sites = sites.filter(lambda s: any(not math.isnan(x) for site in s for x in site))


def client(**options: Any) -> atoll.ClientApp:
    app = atoll.ClientApp()

    @app.query
    def survey(question: Any, ctx: Any) -> atoll.Update:
        return Survey.answer(question, ctx.data["rows"], **options)

    return app


def surveyed(
    sites: Sequence[Sequence[float]],
    ask: Callable[[Survey], Any],
    *,
    columns: Sequence[str] = ("x",),
    app: atoll.ClientApp | None = None,
    schedule: atoll.Schedule | None = None,
    **options: Any,
) -> Any:
    """What a program finds that asks a survey of `x`, whose values lie at sites."""
    found: list[Any] = []

    def main(fleet: Any, ctx: Any) -> None:
        found.append(ask(Survey(fleet, columns, schedule=schedule)))

    rows = sum(map(len, sites))
    whole = table(sites, name=np.array(["a"] * rows, "U1"), pair=np.zeros((rows, 2)))
    simulated(main, app or client(**options), whole, nodes=len(sites))
    return found[0]


def pooled(sites: Sequence[Sequence[float]]) -> np.ndarray[Any, Any]:
    values = np.array([x for site in sites for x in site], np.float64)
    return values[~np.isnan(values)]


def close(found: float, true: float, *, scale: float) -> bool:
    return found == pytest.approx(true, rel=1e-12, abs=1e-12 * max(scale, 1e-300))


@settings(max_examples=20, deadline=None)
@given(some_sites)
def test_counts_means_variances_and_extremes_are_those_of_the_pooled_rows(sites: list[list[float]]) -> None:
    found, values = surveyed(sites, lambda s: s.summaries()["x"]), pooled(sites)
    assert (found.count, found.missing) == (len(values), sum(map(len, sites)) - len(values))
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    scale = np.abs(values).max()
    assert close(found.mean, values.mean(), scale=scale)
    if len(values) > 1:
        assert close(found.variance, np.var(values, ddof=1), scale=scale**2)


def test_the_variance_of_close_values_far_from_zero_does_not_cancel() -> None:
    rng = np.random.default_rng(0)
    sites = [(1e9 + rng.normal(size=1000)).tolist() for _ in range(20)]
    found = surveyed(sites, lambda s: s.summaries()["x"])
    assert found.std == pytest.approx(np.std(pooled(sites), ddof=1), rel=1e-9)
    naive = np.mean(np.square(pooled(sites))) - np.mean(pooled(sites)) ** 2
    assert abs(naive - 1) > 0.5, "the textbook formula loses all digits here, so this test can tell"


@settings(max_examples=20, deadline=None)
@given(some_sites, st.integers(1, 20))
def test_a_histogram_counts_as_numpys_of_the_pooled_rows(sites: list[list[float]], bins: int) -> None:
    found = surveyed(sites, lambda s: s.histograms(bins=bins)["x"])
    counts, edges = np.histogram(pooled(sites), bins)
    assert found.edges.tolist() == edges.tolist()
    assert found.counts.tolist() == counts.tolist()
    assert (found.below, found.above) == (0, 0)


def test_edges_that_are_given_count_what_lies_outside() -> None:
    edges = {"x": [0.0, 1.0, 2.5]}
    found = surveyed([[-1, 0, 0.5], [1, 2.5, 9, 1e150]], lambda s: s.histograms(edges=edges)["x"])
    assert (found.below, found.counts.tolist(), found.above) == (1, [2, 2], 2)


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=4)


@settings(max_examples=20, deadline=None)
@given(some_sites, probabilities, st.sampled_from([1e-1, 1e-3, 1e-6]), st.sampled_from([2, 7, 64]))
def test_quantiles_are_those_of_the_pooled_rows_within_the_error_that_they_state(
    sites: list[list[float]], at: list[float], tolerance: float, bins: int
) -> None:
    found = surveyed(sites, lambda s: s.quantiles(at, tolerance=tolerance, bins=bins)["x"])
    values = pooled(sites)
    off = np.abs(found.values - np.quantile(values, at))
    slack = 1e-12 * np.abs(values).max()
    assert (off <= found.error + slack).all()
    assert (found.error <= tolerance * np.ptp(values) * (1 + 1e-9)).all()


@settings(max_examples=15, deadline=None)
@given(some_sites, probabilities)
def test_without_tolerance_the_quantiles_are_exact(sites: list[list[float]], at: list[float]) -> None:
    found = surveyed(sites, lambda s: s.quantiles(at, tolerance=0.0)["x"])
    values = pooled(sites)
    assert found.error.tolist() == [0.0] * len(at)
    np.testing.assert_allclose(
        found.values, np.quantile(values, at), rtol=1e-13, atol=1e-13 * np.abs(values).max()
    )


def test_zeros_among_large_numbers_are_found_exactly_in_few_exchanges() -> None:
    asked: list[int] = []
    app = atoll.ClientApp()

    @app.query
    def survey(question: Any, ctx: Any) -> atoll.Update:
        asked.append(1)
        return Survey.answer(question, ctx.data["rows"])

    sites = [[-1e100, 0.0, 0.0], [-3.0, 0.0, 5e-324, 1e100]]
    at = [0.0, 0.2, 0.5, 0.8, 1.0]
    found = surveyed(sites, lambda s: s.quantiles(at, tolerance=0.0)["x"], app=app)
    np.testing.assert_allclose(found.values, np.quantile(pooled(sites), at), rtol=1e-13)
    assert len(asked) <= 16 * len(sites)


def test_many_rows_take_few_exchanges_for_six_digits() -> None:
    asked: list[int] = []
    app, sites = atoll.ClientApp(), 4
    rng = np.random.default_rng(0)
    parts = [rng.lognormal(sigma=2, size=10_000) for _ in range(sites)]

    @app.query
    def survey(question: Any, ctx: Any) -> atoll.Update:
        asked.append(1)
        return Survey.answer(question, ctx.data["rows"])

    at = [0.01, 0.25, 0.5, 0.75, 0.99]
    found = surveyed([p.tolist() for p in parts], lambda s: s.quantiles(at)["x"], app=app)
    np.testing.assert_allclose(found.values, np.quantile(np.concatenate(parts), at), atol=found.error.max())
    assert len(asked) <= 5 * sites


def test_a_site_with_too_few_values_says_nothing_of_that_column() -> None:
    def ask(survey: Survey) -> Any:
        return survey.summaries()["x"], survey.quantiles([0.5])["x"], survey.histograms(bins=2)["x"]

    found, median, histogram = surveyed([[1, 2, 3], [4, math.nan], [5, 6, 7]], ask, minimum=3)
    assert (found.sites, found.count, found.missing) == (2, 6, 0)
    assert median.values[0] == pytest.approx(4, abs=1e-4)
    assert histogram.counts.tolist() == [3, 3]


def test_a_site_that_cannot_answer_is_named_and_does_not_count() -> None:
    def ask(survey: Survey) -> Any:
        return survey.summaries()["x"].count, survey.nodes, [f.node for f in survey.failures]

    assert surveyed([[1, 2], [math.inf], [3]], ask) == (3, ("node-0", "node-2"), ["node-1"])


def test_all_questions_of_a_survey_go_to_the_same_nodes() -> None:
    def ask(survey: Survey) -> Any:
        count = survey.summaries()["x"].count
        return count, int(survey.histograms(bins=3)["x"].counts.sum()), len(survey.nodes)

    sites = [[float(i)] * (i + 1) for i in range(10)]
    count, counted, nodes = surveyed(sites, ask, schedule=atoll.Schedule(fraction=0.3))
    assert nodes == 3
    assert count == counted


@pytest.mark.parametrize(
    ("columns", "ask", "code"),
    [
        ([], Survey.summaries, "survey.invalid"),
        ("x", Survey.summaries, "survey.invalid"),
        (["x", "x"], Survey.summaries, "survey.invalid"),
        (["x"], lambda s: s.histograms(bins=0), "survey.invalid"),
        (["x"], lambda s: s.histograms(edges={"y": [0, 1]}), "survey.invalid"),
        (["x"], lambda s: s.histograms(edges={"x": [1, 0]}), "survey.invalid"),
        (["x"], lambda s: s.histograms(edges={"x": [0, math.inf]}), "survey.invalid"),
        (["x"], lambda s: s.quantiles([1.5]), "survey.invalid"),
        (["x"], lambda s: s.quantiles([]), "survey.invalid"),
        (["x"], lambda s: s.quantiles([0.5], tolerance=-1), "survey.invalid"),
        (["x"], lambda s: s.quantiles([0.5], bins=1), "survey.invalid"),
        (["name"], Survey.summaries, "round.too-few-replies"),
        (["pair"], Survey.summaries, "round.too-few-replies"),
        (["nothing"], Survey.summaries, "round.too-few-replies"),
    ],
)
def test_what_cannot_be_asked_is_refused(columns: Any, ask: Any, code: str) -> None:
    with pytest.raises(AtollError) as refused:
        surveyed([[1.0, 2.0], [3.0]], ask, columns=columns)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"x": np.array(["a"])}, "is <U1"),
        ({"x": np.array([math.inf])}, "infinite"),
        ({"x": np.array([-1e160])}, "beyond"),
    ],
)
def test_a_column_that_is_no_numbers_is_refused_at_the_node(rows: dict[str, Any], said: str) -> None:
    with pytest.raises(AtollError, match=said):
        Survey.answer({"columns": ["x"]}, Table(rows))


@pytest.mark.parametrize("question", [{}, {"columns": []}, {"columns": ["x"], "thresholds": {}}, []], ids=str)
def test_a_question_of_somebody_else_is_refused(question: Any) -> None:
    with pytest.raises(AtollError) as refused:
        Survey.answer(question, Table(x=[1.0]))
    assert refused.value.code == "survey.bad-question"


@pytest.mark.parametrize(
    "reply", [atoll.Update(), atoll.Update({"answer": atoll.Arrays(count=np.zeros(1))})], ids=["none", "odd"]
)
def test_an_app_that_answers_otherwise_is_told_what_to_return(reply: atoll.Update) -> None:
    app = atoll.ClientApp()

    @app.query
    def survey(question: Any, ctx: Any) -> atoll.Update:
        return reply

    with pytest.raises(TooFewReplies, match=r"`answer`.*Survey\.answer\(question"):
        surveyed([[1.0]], Survey.summaries, app=app)


def test_a_column_that_is_empty_everywhere_has_no_quantiles() -> None:
    nothing = [[math.nan], [math.nan]]
    assert surveyed(nothing, lambda s: s.summaries()["x"].count) == 0
    with pytest.raises(AtollError) as refused:
        surveyed(nothing, lambda s: s.quantiles([0.5]))
    assert refused.value.code == "survey.empty"


def test_a_survey_that_was_cut_off_asks_nobody_again(tmp_path: Path) -> None:
    asked: list[str] = []
    app, found = atoll.ClientApp(), []

    @app.query
    def survey(question: Any, ctx: Any) -> atoll.Update:
        asked.append(ctx.node)
        return Survey.answer(question, ctx.data["rows"])

    def main(fleet: Any, ctx: Any) -> None:
        survey = Survey(fleet, ["x"])
        found.append((survey.summaries(), survey.quantiles([0.5])["x"].values.tolist()))
        if len(found) == 1:
            raise Power

    cut_and_resumed(main, app, table([[1, 2], [5], [7, 9.5]]), tmp_path, nodes=3)
    once = len(asked)
    simulated(main, app, table([[1, 2], [5], [7, 9.5]]), nodes=3)
    assert found[0] == found[1] == found[2]
    assert len(asked) == 2 * once
