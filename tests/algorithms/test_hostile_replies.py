"""What hostile, broken and missing replies can't do to a robust rule, alone and in a federation."""

from __future__ import annotations

import gc
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import rules_app
from rules_world import EPS, FLOATS, Given, around, combine, replies, wide

import atoll
from atoll import Arrays, Update
from atoll.algorithms import (
    Bucketing,
    Bulyan,
    CenteredClipping,
    CoordinateMedian,
    FedAvg,
    FedAvgM,
    GeometricMedian,
    Krum,
    MultiKrum,
    NearestNeighborMixing,
    NormBounding,
    TrimmedMean,
    WeightedMean,
)
from atoll.algorithms._distances import between
from atoll.algorithms._stack import Stack
from atoll.app import Watch
from atoll.values import AtollError, ConfigError, TooFewReplies

F, N = 2, 13
RULES = [
    CoordinateMedian(),
    TrimmedMean(f=F),
    Krum(f=F),
    MultiKrum(f=F),
    Bulyan(f=F),
    GeometricMedian(),
    CenteredClipping(5.0),
    NormBounding(5.0),
    Bucketing(CoordinateMedian(), size=2, seed=1),
    Bucketing(GeometricMedian(), size=2, seed=1),
    Bucketing(CenteredClipping(5.0), size=3),
    NearestNeighborMixing(TrimmedMean(f=F), f=F),
    NearestNeighborMixing(GeometricMedian(), f=F),
    NearestNeighborMixing(Bucketing(CoordinateMedian()), f=F),
]
COLLECT = [r for r in RULES if not isinstance(r, NormBounding)]
ATTACKS = {
    "far away": lambda honest: honest + 1e4,
    "the largest numbers there are": lambda honest: np.full_like(honest, np.finfo(honest.dtype).max),
    "opposite ends": lambda honest: np.finfo(honest.dtype).max * np.sign(np.arange(honest.size).reshape(honest.shape) % 2 - 0.5).astype(honest.dtype),
    "the other way, tenfold": lambda honest: -10 * honest,
    "one number only": lambda honest: np.where(np.arange(honest.size).reshape(honest.shape) == 0, honest.dtype.type(1e9), honest),
}  # fmt: skip


def attacked(attack: Any, *, seed: int = 0, weight: float = 1e9) -> list[Given]:
    """Honest replies, and two that say the same and claim to have most of the data."""
    members = replies(N, seed=seed, dtype="f4")
    for i in (1, 8):
        odd = {
            n: a if a.dtype.kind == "i" else np.asarray(attack(a), a.dtype)
            for n, a in members[1].arrays.items()
        }
        members[i] = Given(i, Arrays(odd), weight)
    return members  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.parametrize("seed", range(2))
def test_two_of_thirteen_have_no_will(rule: Any, attack: Any, seed: int) -> None:
    members = attacked(attack, seed=seed)
    honest = np.array([wide(m.arrays) for m in members if m.weight < 1e9])
    found = wide(combine(rule, members, "float32"))
    assert np.isfinite(found).all()
    spread = max(math.dist(a, honest.mean(axis=0)) for a in honest)
    assert math.dist(found, honest.mean(axis=0)) < 1.5 * spread


@pytest.mark.parametrize("attack", ["far away", "the largest numbers there are"])
def test_the_mean_does_what_one_of_them_wants(attack: str) -> None:
    found = wide(combine(WeightedMean(), attacked(ATTACKS[attack], weight=1.0), "float32"))
    assert np.abs(found).max() > 100


@pytest.mark.parametrize("rule", COLLECT, ids=str)
def test_counters_are_not_moved_either(rule: Any) -> None:
    members = replies(N, seed=3, dtype="f4")
    steps = {i: np.array([7, 7 + i % 2]) for i in range(N)}
    steps[4] = steps[9] = np.array([np.iinfo("i8").max, np.iinfo("i8").min + 1])
    members = [Given(m.index, Arrays({**m.arrays, "steps": steps[m.index]})) for m in members]
    if any(isinstance(r, Bucketing) for r in (rule, getattr(rule, "rule", None))):
        assert np.abs(combine(rule, members, "float32")["steps"]).max() < 10
    else:
        found = combine(rule, members, "float32")["steps"]
        assert found[0] == 7
        assert found[1] in (7, 8)


BROKEN = {
    "NaN": {"w": np.full((3, 4), np.nan, "f4")},
    "one NaN": {"w": np.where(np.arange(12).reshape(3, 4) == 11, np.nan, 1).astype("f4")},
    "infinity": {"b": np.array(-np.inf, "f4")},
    "another shape": {"w": np.ones(3, "f4")},
    "another dtype": {"w": np.ones((3, 4), "f8")},
    "one more array": {"more": np.ones(1, "f4")},
}


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("odd", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_as_if_it_were_not_there(rule: Any, odd: dict[str, Any]) -> None:
    members = replies(N, seed=2, dtype="f4")
    spoilt = [Given(m.index, Arrays({**m.arrays, **odd}) if m.index in (0, 7) else m.arrays) for m in members]
    whole = [m for m in spoilt if m.index not in (0, 7)]
    fewer = rule.spared(2) if hasattr(rule, "spared") else rule  # both of the hostile are known
    assert combine(rule, spoilt, "float32") == combine(fewer, whole, "float32")


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_names_stand_in_the_order_in_which_they_were_sent(rule: Any) -> None:
    members = replies(N, seed=2, dtype="f4")
    turned = [Given(m.index, Arrays({n: m.arrays[n] for n in sorted(m.arrays)})) for m in members]
    assert combine(rule, turned, "float32") == combine(rule, members, "float32")


def test_a_broken_reply_was_one_of_the_hostile() -> None:
    members = replies(7, seed=2, dtype="f4")
    nan = Arrays({**members[0].arrays, **BROKEN["NaN"]})
    spoilt = [Given(0, nan), Given(1, nan), *members[2:]]
    assert combine_some(Krum(f=2), spoilt) == combine_some(Krum(f=0), members[2:])
    assert combine_some(TrimmedMean(f=3), spoilt) == combine_some(TrimmedMean(f=1), members[2:])
    assert combine_some(CoordinateMedian(), spoilt) == combine_some(CoordinateMedian(), members[2:])
    for wrapped, fewer in (
        (Bucketing(Krum(f=2), size=1), Bucketing(Krum(f=0), size=1)),
        (NearestNeighborMixing(Krum(f=2), f=2), NearestNeighborMixing(Krum(f=0), f=0)),
    ):
        assert combine_some(wrapped, spoilt) == combine_some(fewer, members[2:])
    with pytest.raises(TooFewReplies, match=r"Krum\(f=1\) needs 5 replies or more, there are 4"):
        combine_some(Krum(f=3), spoilt[:-1])


@pytest.mark.parametrize("place", [0, 300_000, 599_999])
def test_a_nan_is_found_wherever_it_stands(place: int) -> None:
    ones = np.ones(600_000, "f4")
    spoilt = ones.copy()
    spoilt[place] = np.nan
    members = [Given(i, Arrays(x=x)) for i, x in enumerate((ones, spoilt, spoilt))]
    assert CoordinateMedian().combine(members, around=Arrays(x=ones))["x"][place] == 1


@pytest.mark.parametrize(
    "rule", [r for r in RULES if not hasattr(r, "radius") and not hasattr(r, "bound")], ids=str
)
def test_numbers_near_the_largest_are_no_reason_to_overflow(rule: Any) -> None:
    large = np.finfo("f4").max * np.float32(0.75)
    members = [Given(i, Arrays(x=np.full(3, large))) for i in range(12)]
    with np.errstate(over="raise"):
        found = rule.combine(members, around=Arrays(x=np.full(3, large)))["x"]
    np.testing.assert_allclose(found, large, rtol=1e-6)


@pytest.mark.parametrize("rule", [GeometricMedian(), CenteredClipping(1.0), NormBounding(1.0)], ids=str)
def test_what_is_too_far_to_be_measured_pulls_nothing(rule: Any) -> None:
    largest = np.finfo("f4").max
    start = Arrays(x=np.full(3, np.float32(-(2.0**125))))
    members = [
        Given(i, Arrays(x=np.full(3, largest if i < 2 else np.float32(-(2.0**125))))) for i in range(5)
    ]
    assert rule.combine(members, around=start) == start
    assert rule.combine(members[:2], around=start) == start, "even if there is nothing else"


def test_what_is_infinite_is_infinitely_far_from_all() -> None:
    rows = [Arrays(x=np.array([v], "f4")) for v in (np.inf, np.inf, 1.0, 3.0)]
    far = np.inf
    stack = Stack(rows[0], rows, [1.0] * 4)
    assert between(stack).tolist() == [
        [0, far, far, far],
        [far, 0, far, far],
        [far, far, 0, 4],
        [far, far, 4, 0],
    ]


class Silent(Given):
    """A reply that holds nothing of the name."""

    def __getitem__(self, name: str) -> Arrays:
        raise AtollError("reply.no-payload", f"node-0 returned no `{name}`, but nothing")


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_reply_without_the_arrays_or_without_weight_has_no_say(rule: Any) -> None:
    members = replies(N, seed=2, dtype="f4")
    without = [Silent(0, None), *members[1:-1], Given(N - 1, members[-1].arrays, 0.0)]
    fewer = rule.spared(1) if hasattr(rule, "spared") else rule
    assert combine_some(rule, without) == combine_some(fewer, members[1:-1])


def combine_some(rule: Any, members: list[Given]) -> Arrays:
    found: Arrays = rule.combine(members, around=around("f4"))
    return found


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_nothing_but_broken_replies_is_an_error_that_says_what_was_broken(rule: Any) -> None:
    members = [Given(i, Arrays({**m.arrays, **BROKEN["NaN"]})) for i, m in enumerate(replies(N, seed=0, dtype="f4"))]  # fmt: skip
    with pytest.raises(TooFewReplies) as refused:
        combine_some(rule, members)
    assert refused.value.code == "rule.too-few-replies"
    assert "`w` holds NaN" in refused.value.message


@pytest.mark.parametrize("rule", [CoordinateMedian(), TrimmedMean(f=F), NearestNeighborMixing(CoordinateMedian(), f=F)], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_the_order_of_replies_is_nothing_to_it(rule: Any, dtype: str) -> None:
    members = replies(N, seed=8, dtype=FLOATS[dtype], hostile=F)
    found, other = combine(rule, members, dtype), combine(rule, members[::-1], dtype)
    np.testing.assert_allclose(wide(found), wide(other), rtol=EPS[dtype])
    if not isinstance(rule, NearestNeighborMixing):
        assert found == other


NEEDS = [
    (TrimmedMean(f=2), 5),
    (Krum(f=2), 7),
    (MultiKrum(f=2), 7),
    (MultiKrum(f=2, m=6), 8),
    (Bulyan(f=2), 11),
    (NearestNeighborMixing(CoordinateMedian(), f=3), 7),
    (NearestNeighborMixing(Krum(f=3), f=3), 9),
    (Bucketing(TrimmedMean(f=2), size=3), 13),
    (Bucketing(Krum(f=1), size=2), 9),
]


@pytest.mark.parametrize(("rule", "least"), NEEDS, ids=str)
def test_too_few_for_f_are_refused_before_anybody_is_asked(rule: Any, least: int) -> None:
    asked = []
    client = honest(lambda node: asked.append(node) or 1.0)
    with pytest.raises(ConfigError) as refused:
        simulated(FedAvg(rule=rule), client, nodes=least - 1)
    assert refused.value.code == "rule.too-few"
    assert f"needs {least} replies or more, there are {least - 1}" in refused.value.message
    assert asked == []
    simulated(FedAvg(rule=rule), client, nodes=least)
    assert len(asked) == least


@pytest.mark.parametrize(
    "schedule", [atoll.Schedule(fraction=0.5), atoll.Schedule(count=6), atoll.Schedule(quorum=6)], ids=str
)
@pytest.mark.parametrize("method", [FedAvg, FedAvgM])
def test_the_schedule_says_how_many_there_will_be(schedule: Any, method: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        simulated(method(rule=Krum(f=2)), honest(lambda node: 1.0), nodes=12, schedule=schedule)
    assert refused.value.code == "rule.too-few"
    assert "there are 6" in refused.value.message


def test_nodes_that_fail_may_leave_too_few() -> None:
    def value(node: str) -> float:
        if node in ("node-1", "node-3"):
            raise OSError("no data today")
        return 1.0

    with pytest.raises(TooFewReplies) as refused:
        simulated(FedAvg(rule=Krum(f=1)), honest(value), nodes=6)
    assert refused.value.code == "rule.too-few-replies"
    assert simulated(FedAvg(rule=Krum(f=1)), honest(value), nodes=7)["w"].tolist() == [1, 1]


def test_a_node_that_returns_nan_has_no_say_in_any_rule() -> None:
    client = honest(lambda node: math.nan if node == "node-2" else 1.0)
    for rule in (WeightedMean(), *RULES):
        assert simulated(FedAvg(rule=rule), client, nodes=N)["w"].tolist() == [1, 1]


def test_momentum_is_taken_from_what_the_rule_found() -> None:
    client = honest(lambda node: 1e6 if node in ("node-2", "node-3") else 1.0)
    assert simulated(FedAvgM(momentum=0.5, rule=CoordinateMedian()), client, nodes=7)["w"].tolist() == [1, 1]


def test_the_result_is_the_same_to_the_bit_in_a_pool() -> None:
    assert rules_app.model(workers=2) == rules_app.model(workers=0)


def test_the_lot_is_another_for_another_model_and_seed_and_the_same_again() -> None:
    members = replies(N, seed=4, dtype="f4")
    start = around("f4")
    moved = start.map(lambda a: a + a.dtype.type(1))

    def found(seed: int, given: Arrays) -> Arrays:
        return Bucketing(CoordinateMedian(), size=3, seed=seed).combine(members, around=given)

    assert found(1, start) == found(1, start)
    assert len({found(1, start), found(2, start), found(1, moved)}) == 3


@pytest.mark.parametrize(
    ("rule", "models"),
    [
        (CoordinateMedian(), 1),
        (TrimmedMean(f=2), 1),
        (MultiKrum(f=2), 1),
        (Bulyan(f=1), 1),
        (NearestNeighborMixing(TrimmedMean(f=2), f=2), 1),
        (GeometricMedian(iterations=2), 2),
        (CenteredClipping(5.0), 2),
        (NormBounding(5.0), 2),
    ],
    ids=str,
)
def test_beyond_the_replies_it_holds_the_result_and_a_few_blocks(rule: Any, models: int) -> None:
    size = 1 << 19
    rows = np.random.default_rng(0).standard_normal((9, size), dtype=np.float32)
    members = [Given(i, Arrays(x=row)) for i, row in enumerate(rows)]
    start = Arrays(x=np.zeros(size, "f4"))
    gc.collect()
    tracemalloc.start()
    rule.combine(members, around=start)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < models * 4 * size + 40 * 4 * (1 << 14)


NONSENSE = [
    lambda: Krum(f=-1),
    lambda: Krum(f=1.0),
    lambda: Bulyan(f=True),
    lambda: TrimmedMean(f="2"),
    lambda: MultiKrum(f=1, m=0),
    lambda: GeometricMedian(iterations=0),
    lambda: GeometricMedian(smoothing=0.0),
    lambda: GeometricMedian(tolerance=math.nan),
    lambda: CenteredClipping(0.0),
    lambda: CenteredClipping(math.inf),
    lambda: CenteredClipping(1.0, iterations=0),
    lambda: NormBounding(math.nan),
    lambda: NormBounding(-1.0),
    lambda: Bucketing(CoordinateMedian(), size=0),
    lambda: Bucketing(WeightedMean()),
    lambda: NearestNeighborMixing(NormBounding(1.0), f=1),
    lambda: NearestNeighborMixing(CoordinateMedian(), f=-1),
]


@pytest.mark.parametrize("make", NONSENSE)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.code == "algorithm.invalid"


def honest(value: Any) -> atoll.ClientApp:
    client = atoll.ClientApp()

    @client.train
    def train(model: Any, ctx: Any) -> Update:
        return Update({"w": np.full(2, value(ctx.node), "f4")})

    return client


def simulated(algorithm: Any, client: Any, *, nodes: int, schedule: Any = None) -> Arrays:
    server = atoll.ServerApp()
    start = {"w": np.zeros(2, "f4")}
    server.main(lambda fleet, ctx: atoll.fit(algorithm, fleet, initial=start, rounds=1, schedule=schedule))
    return atoll.simulate(server, client, nodes=nodes, watch=Watch()).model
