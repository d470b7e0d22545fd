"""What a virtual clock may be told: distributions, windows and traces; and what is refused, with its reason."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_world import rounds_of, simulated, traced, virtual

from atoll.runtime import Constant, Exponential, LogNormal, Pareto, Uniform, VirtualClock
from atoll.runtime._draws import parse_draw, plain_draw
from atoll.runtime._paces import Paces
from atoll.runtime._windows import Windows, parse_windows
from atoll.values import ConfigError, NotFound

SHARES = [(i + 0.5) / 20_000 for i in range(20_000)]


# -- distributions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "median", "mean"),
    [
        (Constant(3), 3, 3),
        (Uniform(1, 5), 3, 3),
        (Exponential(2), 2 * math.log(2), 2),
        (LogNormal(4, 0.5), 4, 4 * math.exp(0.125)),
        (Pareto(1, 3), 2 ** (1 / 3), 1.5),
    ],
)
def test_a_distribution_has_the_median_and_the_mean_that_it_should(
    drawn: Any, median: float, mean: float
) -> None:
    found = [drawn.at(share) for share in SHARES]
    assert found == sorted(found)
    assert statistics.median(found) == pytest.approx(median, rel=1e-3)
    assert statistics.mean(found) == pytest.approx(mean, rel=5e-3)
    assert drawn.bounds[0] <= found[0] <= found[-1] <= drawn.bounds[1]


@given(
    st.sampled_from([Constant(2), Uniform(1, 2), Exponential(3), LogNormal(1, 20), Pareto(1, 0.1)]),
    st.integers(0, 2**52 - 1),
)
def test_every_draw_is_a_finite_number_that_is_not_negative(drawn: Any, number: int) -> None:
    assert 0 <= drawn.at((number + 0.5) / 2**52) < math.inf


def test_a_distribution_is_what_its_table_says_and_the_other_way_round() -> None:
    for drawn in (Constant(2.0), Uniform(1.0, 2.0), Exponential(3.0), LogNormal(1.0, 2.0), Pareto(1.0, 1.5)):
        assert parse_draw(plain_draw(drawn), "compute") == drawn
    assert parse_draw(3, "compute") == Constant(3.0)
    assert parse_draw("1.5 MB", "up", size=True) == Constant(1.5e6)
    assert parse_draw({"by": "lognormal", "median": "10 MB", "sigma": 1}, "up", size=True) == LogNormal(
        1e7, 1.0
    )


def test_a_node_draws_once_whatever_others_there_are() -> None:
    clock = VirtualClock(compute=Pareto(1, 1.5), up=LogNormal(1e6, 1))
    few, many = Paces(clock, ["a", "b"], 7), Paces(clock, ["z", "b", "a"], 7)
    assert few.of("a") == few.of("a") == many.of("a")
    assert few.of("a").compute != few.of("b").compute
    assert few.of("a") != Paces(clock, ["a"], 8).of("a")


def test_a_clock_survives_being_written_down() -> None:
    clock = VirtualClock(
        compute=Pareto(1, 1.5),
        up="1 MB",
        actions={"evaluate": 0.3},
        available={"on": Exponential(5), "off": 3},
    )
    again = VirtualClock.of(clock.plain())
    assert again.plain() == clock.plain()
    assert Paces(again, ["a"], 1).of("a") == Paces(clock, ["a"], 1).of("a")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"comptue": 3}, "`comptue`"),
    ({"compute": -1}, "0 or more"),
    ({"compute": "fast"}, "compute can't be 'fast'"),
    ({"compute": True}, "can't be True"),
    ({"compute": float("nan")}, "can't be nan"),
    ({"compute": {"median": 3}}, "goes by one of"),
    ({"compute": {"by": "normal", "mean": 3}}, "not 'normal'"),
    ({"compute": {"by": ["pareto"]}}, "goes by one of"),
    ({"compute": {"by": "pareto", "minimum": 3}}, "has minimum and alpha"),
    ({"compute": {"by": "pareto", "minimum": 0, "alpha": 1}}, "minimum is over 0"),
    ({"compute": {"by": "pareto", "minimum": 1, "alpha": 0.01}}, "alpha is 0.1 or more"),
    ({"compute": {"by": "lognormal", "median": 1, "sigma": -1}}, "sigma is from 0 to 20"),
    ({"compute": {"by": "uniform", "low": 3, "high": 1}}, "low over high"),
    ({"compute": {"by": "uniform", "low": -3, "high": 1}}, "0 or more"),
    ({"up": 0}, "over 0"),
    ({"up": "much"}, "up can't be 'much'"),
    ({"down": {"by": "uniform", "low": 0, "high": 1}}, "over 0"),
    ({"failure": 1.5}, "from 0 to 1"),
    ({"failure": {"by": "pareto", "minimum": 0.1, "alpha": 2}}, "from 0 to 1"),
    ({"notice": -1}, "not negative"),
    ({"actions": 3}, "actions is a table"),
    ({"actions": {"evaluate": -1}}, "negative"),
    ({"actions": {"evaluate": "quick"}}, "can't be 'quick'"),
    ({"available": {"on": 3}}, "on and off"),
    ({"available": {"on": 0, "off": 3}}, "over 0"),
    ({"available": {"on": 3, "off": 3, "of": 1}}, "on and off"),
    ({"trace": 3}, "trace is a file"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_a_bad_setting_is_refused_before_the_run_begins(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        simulated(rounds_of(), settings)
    assert refused.value.code == "clock.invalid"
    assert words in refused.value.message
    assert refused.value.mend


def test_a_clock_is_a_table() -> None:
    with pytest.raises(ConfigError, match="a clock is a table of settings"):
        simulated(rounds_of(), 3)


# -- windows -----------------------------------------------------------------------------------------------


def test_work_goes_on_where_it_stopped() -> None:
    windows = Windows(((2.0, 5.0), (8.0, 9.0), (20.0, 30.0)))
    assert windows.ends(0, 1) == 3
    assert windows.ends(0, 3) == 5
    assert windows.ends(0, 3.5) == 8.5
    assert windows.ends(4, 4) == 22
    assert windows.ends(6, 0) == 8
    assert windows.ends(0, 15) == math.inf
    assert windows.last == 30


def test_windows_that_repeat_never_end() -> None:
    day = Windows(((0.0, 8.0),), period=24.0)
    assert day.ends(0, 8) == 8
    assert day.ends(0, 9) == 25
    assert day.ends(10, 1) == 25
    assert day.ends(4, 8 * 1000) == 24 * 1000 + 4
    assert day.ends(0, 8 * 1000) == 24 * 999 + 8
    assert Windows(((0.0, 8.0),), period=24.0, shift=7.0).ends(0, 2) == 18


windows_of = st.builds(
    lambda edges, shift: Windows(
        tuple(zip(edges[::2], edges[1::2], strict=False)), period=edges[-1] + 1.0, shift=shift
    ),
    st.lists(st.integers(0, 200), min_size=2, max_size=8, unique=True)
    .map(sorted)
    .map(lambda e: [float(v) for v in (e if len(e) % 2 == 0 else e[:-1])]),
    st.integers(0, 300).map(float),
)


@given(windows_of, st.floats(0, 1000), st.floats(0, 3000), st.floats(0, 3000))
def test_more_work_never_ends_sooner_and_none_before_it_could(
    windows: Windows, begin: float, a: float, b: float
) -> None:
    less, more = sorted((a, b))
    assert begin + less <= windows.ends(begin, less) * (1 + 1e-12) + 1e-9
    assert windows.ends(begin, less) <= windows.ends(begin, more) + 1e-6


@given(windows_of, st.integers(0, 1000), st.integers(1, 500), st.integers(1, 500))
def test_two_pieces_of_work_end_when_one_of_both_would(windows: Windows, begin: int, a: int, b: int) -> None:
    assert windows.ends(windows.ends(begin, a), b) == windows.ends(begin, a + b)


@pytest.mark.parametrize(
    ("spans", "period"),
    [([], None), ("0-3", None), ([[3, 2]], None), ([[0, 2], [1, 3]], None), ([[-1, 2]], None), ([[0, 9]], 5), ([[0, 1]], 0), ([0, 1], None)],
)  # fmt: skip
def test_bad_windows_are_refused(spans: Any, period: Any) -> None:
    with pytest.raises(ConfigError, match="node-3"):
        parse_windows(spans, period, "node-3")


# -- traces ------------------------------------------------------------------------------------------------


def test_a_csv_trace_says_the_same_as_a_json_one(tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text(
        "node,compute,up,available,repeat\nnode-0,2.5,1 MB,,\nnode-1,3,,0-2 5-10,20\nnode-2,1,,,\n"
    )
    rows = {
        "node-0": {"compute": 2.5, "up": 1e6},
        "node-1": {"compute": 3, "available": [[0, 2], [5, 10]], "repeat": 20},
        "node-2": {"compute": 1},
    }
    clock = {"compute": 99, "latency": 0.5}
    histories = [
        simulated(rounds_of(), {**clock, "trace": path}, rounds=3)
        for path in (str(tmp_path / "fleet.csv"), traced(tmp_path, rows))
    ]
    assert virtual(histories[0]) == virtual(histories[1])
    assert virtual(histories[0])[0] == 3 + 1 + 3


def test_rows_without_names_are_taken_in_turn(tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text("compute\n1\n5\n3\n")
    history = simulated(rounds_of(), {"trace": tmp_path / "fleet.csv"}, nodes=5)
    took = {r.node: r.value for r in history if r.metric == "seconds" and r.node}
    assert list(took.values()) == [1, 5, 3, 1, 5]


TRACES = [
    ("fleet.json", "no json", "malformed"),
    ("fleet.json", "[1]", '{"nodes"'),
    ("fleet.json", '{"nodes": []}', '{"nodes"'),
    ("fleet.json", '{"nodes": {"node-0": {"compute": -2}}}', "compute can't be -2"),
    ("fleet.json", '{"nodes": {"node-0": {"compute": "x"}}}', "compute can't be 'x'"),
    ("fleet.json", '{"nodes": {"node-0": {"speed": 2}}}', "has a `speed`"),
    ("fleet.json", '{"nodes": {"node-0": {"up": 0}}}', "up can't be 0"),
    ("fleet.json", '{"nodes": {"node-0": {"failure": 2}}}', "failure can't be 2"),
    ("fleet.json", '{"nodes": {"node-0": {"available": [[3, 2]]}}}', "[3, 2]"),
    ("fleet.json", '{"nodes": {"node-0": {"compute": 2}}}', "no row for `node-1`"),
    ("fleet.csv", "node,compute\nnode-0,2\n,3\n", "no name"),
    ("fleet.csv", "node,compute\nnode-0,2\nnode-0,3\n", "the same"),
    ("fleet.csv", "node,compute\nnode-0,2,4\n", "line 2"),
    ("fleet.csv", "compute\n", '{"nodes"'),
    ("fleet.csv", "compute,available\n1,now\n", "available"),
    ("fleet.csv", "compute\nslow\n", "'slow'"),
]


@pytest.mark.parametrize(("name", "text", "words"), TRACES)
def test_a_bad_trace_is_refused_before_the_run_begins(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as refused:
        simulated(rounds_of(), {"trace": str(tmp_path / name)}, nodes=2)
    assert refused.value.code == "clock.bad-trace"
    assert words in refused.value.message
    assert name in refused.value.message


def test_a_trace_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as missing:
        simulated(rounds_of(), {"trace": str(tmp_path / "no.json")})
    assert missing.value.code == "clock.no-trace"
