"""An app whose nodes have parabolas of their own, for every method with a client's half; workers of a pool import it.

Doesn't know what a method ought to give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ml_dtypes
import numpy as np

import atoll
from atoll import algorithms
from atoll.algorithms import IFCA, Ditto, FedBN, FedBuff, FedDyn, FedNova, FedProx, QFedAvg, Scaffold

DTYPES = {"float32": np.float32, "float64": np.float64, "bfloat16": ml_dtypes.bfloat16}
Extra = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Problem:
    """Node k's loss is a_k/2 |w - t_k|^2, of all float arrays together; `count`, an integer, goes up by one a step."""

    seed: int = 0
    nodes: int = 3
    rounds: int = 2
    dtype: str = "float64"
    shape: tuple[int, ...] = (2, 3)
    lr: float = 0.1
    even: bool = False  # whether all nodes weigh the same, and make as many steps

    def start(self, place: int = 0) -> atoll.Arrays:
        rng = np.random.default_rng([self.seed, 1, place])
        dtype = DTYPES[self.dtype]
        floats = {n: rng.uniform(-1, 1, s).astype(dtype) for n, s in (("w", self.shape), ("bn", ()))}
        return atoll.Arrays({**floats, "count": np.array(place)})

    def node(self, number: int) -> Node:
        rng = np.random.default_rng([self.seed, 2, number])
        targets = {"w": rng.uniform(-2, 2, self.shape), "bn": rng.uniform(-2, 2)}
        steps, weight = (3, 2.0) if self.even else (int(rng.integers(1, 5)), float(rng.integers(1, 5)))
        return Node(float(rng.uniform(0.5, 1.5)), targets, steps, weight, self.lr)


@dataclass(frozen=True)
class Node:
    """One node's parabola, and how it trains."""

    steepness: float
    targets: Mapping[str, Any]
    steps: int
    weight: float
    lr: float

    def loss(self, w: Mapping[str, Any]) -> float:
        return sum(
            self.steepness / 2 * float(np.sum((np.asarray(w[n], "f8") - t) ** 2))
            for n, t in self.targets.items()
        )

    def sgd(self, model: Mapping[str, Any], extra: Extra = lambda w: {}) -> dict[str, Any]:
        """Plain SGD, every gradient with something added."""
        w = {n: np.array(a) for n, a in model.items()}
        for _ in range(self.steps):
            more = extra(w)
            for n, target in self.targets.items():
                gradient = self.steepness * (np.asarray(w[n], "f8") - target) + np.asarray(
                    more.get(n, 0.0), "f8"
                )
                w[n] = np.asarray(np.asarray(w[n], "f8") - self.lr * gradient, w[n].dtype)
            w["count"] = w["count"] + 1
        return w


client, server = atoll.ClientApp(), atoll.ServerApp()


@client.train
def train(ctx: Any, **payload: Any) -> atoll.Update:
    node = problem(ctx.config).node(int(ctx.node.removeprefix("node-")))
    return HALVES.get(ctx.config.method, _plain)(node, ctx, **payload)


@server.main
def main(fleet: Any, ctx: Any) -> Any:
    asked = problem(ctx.config)
    return atoll.fit(algorithm(ctx.config), fleet, initial=asked.start(), rounds=asked.rounds,
                     schedule=atoll.Schedule(fraction=ctx.config.fraction))  # fmt: skip


def problem(config: Any) -> Problem:
    plain = dict(config.problem)
    return Problem(**{**plain, "shape": tuple(plain["shape"])})


def algorithm(config: Any) -> Any:
    options = dict(config.options)
    if config.method == "IFCA":
        options["others"] = [problem(config).start(1), problem(config).start(2)]
    return getattr(algorithms, config.method)(**options)


def settings(method: str, asked: Problem, *, fraction: float = 1.0, **options: Any) -> dict[str, Any]:
    return {
        "method": method,
        "options": options,
        "fraction": fraction,
        "problem": {**asdict(asked), "shape": list(asked.shape)},
    }


def _plain(node: Node, ctx: Any, model: Any) -> atoll.Update:
    return atoll.Update(node.sgd(model), weight=node.weight)


def _fedprox(node: Node, ctx: Any, model: Any, mu: float) -> atoll.Update:
    half = FedProx.half(model, mu)
    return half.update(node.sgd(model, half.gradient), weight=node.weight, metrics={"term": half.loss(model)})


def _scaffold(node: Node, ctx: Any, model: Any, control: Any) -> atoll.Update:
    half = Scaffold.half(model, control, ctx)
    trained = node.sgd(model, lambda w: half.correction)
    return half.update(trained, steps=node.steps, lr=node.lr, weight=node.weight, metrics={"asked": 1})


def _fednova(node: Node, ctx: Any, model: Any) -> atoll.Update:
    return FedNova.half().update(node.sgd(model), steps=node.steps, weight=node.weight)


def _qfedavg(node: Node, ctx: Any, model: Any) -> atoll.Update:
    return QFedAvg.half().update(node.sgd(model), loss=node.loss(model), weight=node.weight)


def _feddyn(node: Node, ctx: Any, model: Any, alpha: float) -> atoll.Update:
    half = FedDyn.half(model, alpha, ctx)
    return half.update(node.sgd(model, half.gradient), weight=node.weight, metrics={"asked": 1})


def _fedbuff(node: Node, ctx: Any, model: Any) -> atoll.Update:
    return FedBuff.half(model).update(node.sgd(model), weight=node.weight)


def _fedbn(node: Node, ctx: Any, model: Any, local: list[str]) -> atoll.Update:
    half = FedBN.half(model, local, ctx)
    return half.update(node.sgd(half.model), weight=node.weight, metrics={"bn": float(half.model["bn"])})


def _ditto(node: Node, ctx: Any, model: Any, lam: float) -> atoll.Update:
    half = Ditto.half(model, lam, ctx)
    own = node.sgd(half.personal, half.gradient)
    return half.update(node.sgd(model), personal=own, weight=node.weight, metrics={"own": float(own["bn"])})


def _ifca(node: Node, ctx: Any, **models: Any) -> atoll.Update:
    half = IFCA.half(models, node.loss)
    return half.update(node.sgd(half.model), weight=node.weight)


HALVES: dict[str, Callable[..., atoll.Update]] = {
    "FedProx": _fedprox, "Scaffold": _scaffold, "FedNova": _fednova, "QFedAvg": _qfedavg, "FedDyn": _feddyn,
    "FedBuff": _fedbuff, "FedBN": _fedbn, "Ditto": _ditto, "IFCA": _ifca,
}  # fmt: skip
