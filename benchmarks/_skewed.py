"""The app of heterogeneous.py: a small numpy net on digits of which each node has a few kinds, trained by any method.

Does not know which method does well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

import atoll
from atoll.algorithms import IFCA, Ditto, FedBN, FedBuff, FedDyn, FedNova, FedProx, QFedAvg, Scaffold
from atoll.data import Table, samples

HIDDEN = 64
Weights = dict[str, Any]
Extra = Callable[[Weights], Mapping[str, Any]]

client = atoll.ClientApp()


@cache
def data() -> dict[str, Table]:
    """MNIST's digits (4,000 to train on, 1,000 to test), 14 x 14 pixels: means of 2 x 2."""
    return {n: Table(x=_halved(t["image"]), label=t["label"]) for n, t in samples.mnist().items()}


def _halved(images: Any) -> Any:
    return images.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196).astype("f4")


def begin(seed: int) -> Weights:
    """He et al. 2015, arXiv:1502.01852."""
    rng = np.random.default_rng(seed)
    return {
        "hidden.weight": rng.standard_normal((196, HIDDEN), "f4") * np.float32((2 / 196) ** 0.5),
        "hidden.bias": np.zeros(HIDDEN, "f4"),
        "output.weight": rng.standard_normal((HIDDEN, 10), "f4") * np.float32((2 / HIDDEN) ** 0.5),
        "output.bias": np.zeros(10, "f4"),
    }


def accuracy(w: Mapping[str, Any], table: Any) -> float:
    """The part of the rows that are recognised."""
    return float((_forward(w, table["x"])[1].argmax(1) == table["label"]).mean()) if len(table) else 0.0


def loss(w: Mapping[str, Any], table: Any) -> float:
    """The mean cross entropy."""
    chances = _forward(w, table["x"])[1]
    return float(-np.log(chances[np.arange(len(chances)), table["label"]] + 1e-9).mean())


def sgd(start: Mapping[str, Any], ctx: Any, extra: Extra | None = None) -> tuple[Weights, int]:
    """`ctx.config.epochs` over the node's rows in batches of 32; the weights, and how many steps it took."""
    w, table, steps = {n: a.copy() for n, a in start.items()}, ctx.data["train"], 0
    x, y = table["x"], table["label"]
    for _ in range(ctx.config.epochs):
        order = ctx.rng.permutation(len(y))
        for at in range(0, len(y), 32):
            rows = order[at : at + 32]
            _step(w, x[rows], y[rows], ctx.config.lr, extra)
            steps += 1
    return w, steps


@client.train
def train(ctx: Any, **payload: Any) -> atoll.Update:
    return HALVES.get(ctx.config.method, _plain)(ctx, {"weight": len(ctx.data["train"])}, **payload)


def _forward(w: Mapping[str, Any], x: Any) -> tuple[Any, Any]:
    hidden = np.maximum(x @ w["hidden.weight"] + w["hidden.bias"], 0)
    scores = hidden @ w["output.weight"] + w["output.bias"]
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return hidden, powers / powers.sum(1, keepdims=True)


def _step(w: Weights, x: Any, y: Any, lr: float, extra: Extra | None) -> None:
    hidden, chances = _forward(w, x)
    chances[np.arange(len(y)), y] -= 1
    out = chances / np.float32(len(y))
    back = (out @ w["output.weight"].T) * (hidden > 0)
    gradients = {
        "hidden.weight": x.T @ back,
        "hidden.bias": back.sum(0),
        "output.weight": hidden.T @ out,
        "output.bias": out.sum(0),
    }
    more = extra(w) if extra else {}
    for name, gradient in gradients.items():
        if name in more:
            gradient += more[name]
        w[name] -= np.float32(lr) * gradient


def _local(ctx: Any, model: Mapping[str, Any]) -> dict[str, float]:
    """How a node's own model does on the node's own test rows; none where it has none."""
    table = ctx.data["test"]
    return {"local": accuracy(model, table)} if len(table) else {}


def _plain(ctx: Any, told: dict[str, Any], model: Any) -> atoll.Update:
    return atoll.Update(sgd(model, ctx)[0], metrics=_local(ctx, model), **told)


def _fedprox(ctx: Any, told: dict[str, Any], model: Any, mu: float) -> atoll.Update:
    half = FedProx.half(model, mu)
    return half.update(sgd(model, ctx, half.gradient)[0], **told)


def _scaffold(ctx: Any, told: dict[str, Any], model: Any, control: Any) -> atoll.Update:
    half = Scaffold.half(model, control, ctx)
    trained, steps = sgd(model, ctx, lambda w: half.correction)
    return half.update(trained, steps=steps, lr=ctx.config.lr, **told)


def _fednova(ctx: Any, told: dict[str, Any], model: Any) -> atoll.Update:
    trained, steps = sgd(model, ctx)
    return FedNova.half().update(trained, steps=steps, **told)


def _qfedavg(ctx: Any, told: dict[str, Any], model: Any) -> atoll.Update:
    return QFedAvg.half().update(sgd(model, ctx)[0], loss=loss(model, ctx.data["train"]), **told)


def _feddyn(ctx: Any, told: dict[str, Any], model: Any, alpha: float) -> atoll.Update:
    half = FedDyn.half(model, alpha, ctx)
    return half.update(sgd(model, ctx, half.gradient)[0], **told)


def _fedbuff(ctx: Any, told: dict[str, Any], model: Any) -> atoll.Update:
    return FedBuff.half(model).update(sgd(model, ctx)[0], **told)


def _fedbn(ctx: Any, told: dict[str, Any], model: Any, local: list[str]) -> atoll.Update:
    half = FedBN.half(model, local, ctx)
    return half.update(sgd(half.model, ctx)[0], metrics=_local(ctx, half.model), **told)


def _ditto(ctx: Any, told: dict[str, Any], model: Any, lam: float) -> atoll.Update:
    half = Ditto.half(model, lam, ctx)
    own, _ = sgd(half.personal, ctx, half.gradient)
    return half.update(sgd(model, ctx)[0], personal=own, metrics=_local(ctx, half.personal), **told)


def _ifca(ctx: Any, told: dict[str, Any], **models: Any) -> atoll.Update:
    half = IFCA.half(models, lambda model: loss(model, ctx.data["train"]))
    return half.update(sgd(half.model, ctx)[0], metrics=_local(ctx, half.model), **told)


HALVES: dict[str, Callable[..., atoll.Update]] = {
    "FedProx": _fedprox, "Scaffold": _scaffold, "FedNova": _fednova, "QFedAvg": _qfedavg, "FedDyn": _feddyn,
    "FedBuff": _fedbuff, "FedBN": _fedbn, "Ditto": _ditto, "IFCA": _ifca,
}  # fmt: skip
