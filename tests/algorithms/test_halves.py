"""A client that doesn't do its part is told which, and how; a half refuses what makes no sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from methods_app import Problem

import atoll
from atoll import Arrays
from atoll.algorithms import IFCA, Ditto, FedBN, FedBuff, FedDyn, FedNova, FedProx, QFedAvg, Scaffold
from atoll.app import Watch
from atoll.values import AtollError, ConfigError, RunError, TooFewReplies

START = Arrays(w=np.zeros(2, "f4"), bn=np.ones(1, "f4"), count=np.array(0))
OTHER = START.map(lambda a: a + a.dtype.type(1))
METHODS = [
    FedProx(),
    Scaffold(),
    FedNova(),
    QFedAvg(),
    FedDyn(),
    FedBuff(buffer=1),
    FedBN(),
    Ditto(),
    IFCA(others=[OTHER]),
]


def fitted(
    algorithm: Any,
    train: Callable[..., Any],
    *,
    rounds: int = 2,
    nodes: int = 2,
    fail_fast: bool = True,
) -> atoll.History:
    client, server = atoll.ClientApp(), atoll.ServerApp()
    client.train(train)
    server.main(lambda fleet, ctx: atoll.fit(algorithm, fleet, initial=START, rounds=rounds))
    return atoll.simulate(server, client, nodes=nodes, watch=Watch(), fail_fast=fail_fast)


@pytest.mark.parametrize("algorithm", METHODS, ids=lambda a: type(a).__name__)
def test_a_client_that_trains_without_its_half_is_named_with_what_mends_it(algorithm: Any) -> None:
    name = type(algorithm).__name__
    told = f"node-[01]: it trained without the client's half of {name}: .*half = {name}\\.half\\("
    with pytest.raises(AtollError, match=told) as missing:
        fitted(algorithm, lambda model: atoll.Update(model))
    assert missing.value.code == "reply.invalid"


@pytest.mark.parametrize("algorithm", METHODS, ids=lambda a: type(a).__name__)
def test_where_no_client_does_its_part_the_run_ends_and_says_why(algorithm: Any) -> None:
    with pytest.raises(TooFewReplies, match="trained without the client's half"):
        fitted(algorithm, lambda model: atoll.Update(model), fail_fast=False)


def test_the_half_of_another_method_is_not_taken_for_it() -> None:
    with pytest.raises(AtollError, match="half of FedProx"):
        fitted(FedProx(), lambda model: FedNova.half().update(model, steps=1))


HALVES: dict[str, Callable[[Arrays, Mapping[str, Any]], atoll.Update]] = {
    "FedProx": lambda y, given: FedProx.half(given["model"], given["mu"]).update(y),
    "Scaffold": lambda y, given: Scaffold.half(given["model"], given["control"], given["ctx"]).update(y, steps=1, lr=0.1),
    "FedNova": lambda y, given: FedNova.half().update(y, steps=1),
    "QFedAvg": lambda y, given: QFedAvg.half().update(y, loss=1.0),
    "FedDyn": lambda y, given: FedDyn.half(given["model"], given["alpha"], given["ctx"]).update(y),
    "FedBN": lambda y, given: FedBN.half(given["model"], given["local"], given["ctx"]).update(y),
    "Ditto": lambda y, given: Ditto.half(given["model"], given["lam"], given["ctx"]).update(y, personal=y),
    "IFCA": lambda y, given: IFCA.half({n: given[n] for n in ("model", "model_1")}, lambda m: 0.0).update(y),
}  # fmt: skip
NONSENSE: dict[str, Callable[[atoll.Update], object]] = {
    "no half": lambda update: update.payload.pop("half"),
    "another's half": lambda update: update.payload.update(half="FedOther"),
    "nothing but the name": lambda update: [update.payload.pop(n) for n in list(update.payload) if n != "half"],
    "a text": lambda update: update.payload.update({n: "w" for n, v in update.payload.items() if isinstance(v, Arrays)}),
    "another model": lambda update: update.payload.update(
        {n: Arrays(w=np.zeros(9, "f4")) for n, v in update.payload.items() if isinstance(v, Arrays)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
@pytest.mark.parametrize("method", HALVES)
def test_one_nodes_nonsense_costs_its_own_reply_and_not_the_run(method: str, nonsense: Any) -> None:
    """The others' rounds are as if that node had raised an error."""
    algorithm = next(a for a in METHODS if type(a).__name__ == method)

    def training(*, honest: bool) -> Callable[..., atoll.Update]:
        def train(ctx: Any, **given: Any) -> atoll.Update:
            trained = given["model"].map(lambda a: a + a.dtype.type(int(ctx.node[-1]) + ctx.round))
            update = HALVES[method](trained, {**given, "ctx": ctx})
            update.metrics = atoll.Metrics({"node": int(ctx.node[-1])})
            if ctx.node == "node-1":
                if honest:
                    raise ValueError("no answer")
                nonsense(update)
            return update

        return train

    found = fitted(algorithm, training(honest=False), nodes=3, fail_fast=False)
    wanted = fitted(algorithm, training(honest=True), nodes=3, fail_fast=False)
    assert found.model == wanted.model
    assert found.rounds()[0]["train_node"] == 1  # the mean of nodes 0 and 2
    assert {row.node for row in found if row.metric == "node"} == {"node-0", "node-2"}


@pytest.mark.parametrize("name", ["scaffold", "feddyn", "fedbn", "ditto"])
@pytest.mark.parametrize(
    "kept",
    [Arrays(w=np.zeros(3, "f4")), Arrays(q=np.zeros(2, "f4")), "a text"],
    ids=["shape", "names", "text"],
)
def test_what_a_node_remembers_of_another_model_is_not_used(name: str, kept: Any) -> None:
    halves = {
        "scaffold": lambda ctx: Scaffold.half(START, Scaffold().begin(START)["control"], ctx),
        "feddyn": lambda ctx: FedDyn.half(START, 0.1, ctx),
        "fedbn": lambda ctx: FedBN.half(START, ["bn"], ctx),
        "ditto": lambda ctx: Ditto.half(START, 0.1, ctx),
    }

    def train(model: Any, ctx: Any) -> Any:
        ctx.state[name] = kept
        halves[name](ctx)

    with pytest.raises(
        RunError, match=rf"node-0 keeps as ctx.state\['{name}'\] is not for this model"
    ) as other:
        fitted(FedProx(), train)
    assert other.value.code == "algorithm.other-state"


BAD: list[tuple[str, Callable[[], Any]]] = [
    ("FedProx", lambda: FedProx(mu=-1)),
    ("FedProx.half", lambda: FedProx.half(START, float("nan"))),
    ("Scaffold", lambda: Scaffold(lr=0)),
    ("FedNova.half", lambda: FedNova.half().update(START, steps=0)),
    ("FedNova.half", lambda: FedNova.half().update(START, steps=1, momentum=1.0)),
    ("FedNova.half", lambda: FedNova.half().update(START, steps=1, momentum=0.5, decay=0.5)),
    ("QFedAvg", lambda: QFedAvg(q=-1)),
    ("QFedAvg", lambda: QFedAvg(lr=0)),
    ("FedDyn", lambda: FedDyn(alpha=0)),
    ("Ditto", lambda: Ditto(lam=-1)),
    ("IFCA.half", lambda: IFCA.half({"model_1": START}, lambda model: 0.0)),
]


@pytest.mark.parametrize(("who", "make"), BAD, ids=[f"{i} {w}" for i, (w, _) in enumerate(BAD)])
def test_what_makes_no_sense_is_refused(who: str, make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{who}: ") as refused:
        make()
    assert refused.value.code == "algorithm.invalid"


def test_scaffolds_half_refuses_a_training_without_steps() -> None:
    def train(model: Any, control: Any, ctx: Any) -> Any:
        return Scaffold.half(model, control, ctx).update(model, steps=0, lr=0.1)

    with pytest.raises(ConfigError, match="steps is at least 1"):
        fitted(Scaffold(), train)


@pytest.mark.parametrize("loss", [-1.0, float("inf"), float("nan")])
def test_qfedavg_refuses_a_loss_that_has_no_power(loss: float) -> None:
    with pytest.raises(AtollError) as refused:
        fitted(QFedAvg(), lambda model: QFedAvg.half().update(model, loss=loss))
    assert refused.value.code in ("reply.invalid", "payload.bad-value")


def test_qfedavg_takes_losses_of_any_size() -> None:
    """Their powers would be beyond float32 if they were not scaled, and a loss of 0 has no power below 0."""

    def train(model: Any, ctx: Any) -> Any:
        loss = 0.0 if ctx.node == "node-0" and ctx.round > 1 else 1e12
        moved = {n: a + np.ones_like(a) for n, a in model.items()}
        return QFedAvg.half().update(moved, loss=loss)

    found = fitted(QFedAvg(q=5.0), train).model
    assert all(np.isfinite(a).all() for a in found.values())
    assert found["w"][0] > 0


def kinds(momentum: float, decay: float, steps: int) -> float:
    """|a| of FedNova, by following what one unit of gradient at each step comes to."""
    velocity, total = 0.0, 0.0
    for _ in range(steps):
        velocity = momentum * velocity + 1
        total = total * (1 - decay) + velocity
    return total


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.0), (0.0, 0.1), (0.0, 1e-9)])
@pytest.mark.parametrize("steps", [1, 2, 17])
def test_fednova_knows_how_far_each_kind_of_sgd_goes_in_so_many_steps(
    momentum: float, decay: float, steps: int
) -> None:
    update = FedNova.half().update(START, steps=steps, momentum=momentum, decay=decay)
    assert update.payload["size"] == pytest.approx(kinds(momentum, decay, steps), rel=1e-6)


def test_a_half_takes_plain_dictionaries_and_metrics() -> None:
    update = FedProx.half(START, 0.5).update(START.copy(), weight=3, metrics={"loss": 1.0})
    assert update.payload["model"] == START
    assert (update.weight, update.metrics["loss"]) == (3.0, 1.0)


def test_the_springs_loss_has_the_springs_gradient() -> None:
    model, now = {"w": np.array([1.0, -2.0])}, {"w": np.array([2.0, 1.0])}
    half = FedProx.half(Arrays(model), 0.5)
    assert half.loss(now) == pytest.approx(0.25 * 10)
    np.testing.assert_allclose(half.gradient(now)["w"], [0.5, 1.5])


def test_memory_of_narrow_floats_is_kept_wide() -> None:
    import ml_dtypes

    model = Arrays(w=np.zeros(2, ml_dtypes.bfloat16), h=np.zeros(2, "f2"), d=np.zeros(2), n=np.array(1))
    control = Scaffold().begin(model)["control"]
    assert {n: str(a.dtype) for n, a in control.items()} == {"w": "float32", "h": "float32", "d": "float64"}


def test_the_problem_of_the_other_tests_differs_from_node_to_node() -> None:
    nodes = [Problem(seed=1).node(k) for k in range(3)]
    assert len({k.steepness for k in nodes}) == 3
