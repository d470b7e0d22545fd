"""The schedule decides whom to ask and when to go on, the same everywhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import Schedule
from atoll.values import ConfigError

schedules = st.builds(
    lambda part, **rest: Schedule(**part, **rest),
    part=st.one_of(
        st.fixed_dictionaries({"fraction": st.floats(0.01, 1)}),
        st.fixed_dictionaries({"count": st.integers(1, 50)}),
        st.just({}),
    ),
    minimum=st.integers(0, 20),
    quorum=st.none() | st.integers(1, 60) | st.floats(0.01, 1),
    over=st.floats(0, 3),
)


@given(schedules, st.integers(1, 80), st.integers(0, 5), st.integers(0, 5))
def test_a_cohort_is_enough_nodes_in_their_order_and_never_one_twice(
    schedule: Schedule, nodes: int, seed: int, round: int
) -> None:
    names = [f"n{i}" for i in range(nodes)]
    if nodes < max(schedule.minimum, schedule.count or 0):
        with pytest.raises(ConfigError) as refused:
            schedule.cohort(names, seed, round, 0)
        assert refused.value.code == "schedule.too-few-nodes"
        return
    cohort = schedule.cohort(names, seed, round, 0)
    assert sorted(set(cohort), key=names.index) == cohort
    assert len(cohort) >= min(nodes, max(schedule.minimum, schedule.wanted(nodes)))
    assert cohort == schedule.cohort(names, seed, round, 0)
    enough = schedule.enough(len(cohort), nodes)
    assert min(schedule.minimum, len(cohort)) <= enough <= len(cohort)
    assert enough >= 1


def test_cohorts_differ_from_round_to_round_call_to_call_and_seed_to_seed() -> None:
    names, schedule = [f"n{i}" for i in range(100)], Schedule(count=10)
    places = [(seed, round, ordinal) for seed in range(3) for round in range(5) for ordinal in range(3)]
    assert len({tuple(schedule.cohort(names, *p)) for p in places}) == len(places)


def test_every_node_is_as_likely_as_any_other() -> None:
    names, schedule = [f"n{i}" for i in range(20)], Schedule(fraction=0.25)
    times = dict.fromkeys(names, 0)
    for round in range(2000):
        for node in schedule.cohort(names, 1, round, 0):
            times[node] += 1
    assert all(abs(t - 500) < 100 for t in times.values())


@pytest.mark.parametrize(
    ("schedule", "nodes", "asked", "enough"),
    [(Schedule(), 10, 10, 10), (Schedule(fraction=0.3), 10, 3, 3), (Schedule(fraction=0.01), 10, 1, 1),
     (Schedule(fraction=0.1), 30, 3, 3), (Schedule(count=4), 10, 4, 4), (Schedule(count=10, over=0.3), 20, 13, 10),
     (Schedule(count=10, over=0.3), 11, 11, 10), (Schedule(quorum=0.5), 10, 10, 5), (Schedule(quorum=7), 10, 10, 7),
     (Schedule(quorum=70), 10, 10, 10), (Schedule(quorum=2, minimum=5), 10, 10, 5), (Schedule(fraction=0.2, minimum=5), 10, 5, 5),
     (Schedule(quorum=0.01), 10, 10, 1)],
)  # fmt: skip
def test_how_many_are_asked_and_how_many_are_enough(
    schedule: Schedule, nodes: int, asked: int, enough: int
) -> None:
    cohort = schedule.cohort([str(i) for i in range(nodes)], 0)
    assert (len(cohort), schedule.enough(len(cohort), nodes)) == (asked, enough)


@pytest.mark.parametrize(
    "options",
    [{"fraction": 0.5, "count": 3}, {"fraction": 0}, {"fraction": 1.1}, {"fraction": math.nan}, {"count": 0}, {"count": -1},
     {"minimum": -1}, {"quorum": 0}, {"quorum": 0.0}, {"quorum": 1.5}, {"quorum": math.nan}, {"deadline": 0}, {"deadline": -1},
     {"deadline": math.inf}, {"deadline": math.nan}, {"over": -0.1}, {"over": math.nan}, {"over": 11}],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        Schedule(**options)
    assert refused.value.code == "schedule.invalid"
