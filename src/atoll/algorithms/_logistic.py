"""Logistic regression by Newton's method: nodes sum gradients and Hessians, and the result is that of the pooled rows.

Doesn't know the rows. The client's half stands in `_logistic_half.py`.
"""

from __future__ import annotations

import math

import numpy as np

from atoll.algorithms._halves import checked_half
from atoll.algorithms._logistic_half import HALF, METHOD, Curvature, sums_like
from atoll.app import Ask, State, Task
from atoll.values import Array, Arrays, ConfigError, Mean, RunError

_SINGULAR = 1e-12  # of the Hessian's smallest eigenvalue, its diagonal scaled to 1
_HALVINGS = 30


class LogisticRegression:
    """Two classes, P(y = 1) = 1 / (1 + exp(-(x . weight + bias))), by maximum likelihood.

    Minimises -log likelihood + ridge/2 |weight|^2 over all rows by Newton-Raphson (IRLS; Hastie, Tibshirani and Friedman,
    Elements of Statistical Learning, 2nd ed., section 4.4.1), halving steps that go too far; the bias bears no penalty, and
    scikit-learn's C is 1 / ridge. The same minimum as from the pooled rows, to 1e-8 or better after 6 to 12 rounds, if
    all nodes take part. Columns of like size help; `Survey` finds their means and deviations.

    State: `model` (float64 `weight` (columns,) and `bias` (), see `zeros`), `newton`. The client's half is
    `LogisticRegression.half(model, step)`. Raises `ConfigError` (`algorithm.invalid`), and `RunError`: `logistic.separated`
    (there is one class only, or, without ridge, a plane parts the two, and the weights grow for ever), `logistic.singular` (columns depend on each other).
    A reply without the half is refused.
    """

    def __init__(self, *, ridge: float = 0.0) -> None:
        if not 0 <= ridge < math.inf:
            raise ConfigError("algorithm.invalid", f"LogisticRegression takes ridge >= 0, not {ridge}")
        self.ridge = float(ridge)

    @staticmethod
    def zeros(columns: int) -> Arrays:
        """The model to begin with."""
        return Arrays(weight=np.zeros(columns), bias=np.zeros(()))

    @staticmethod
    def half(model: Arrays, step: Arrays) -> Curvature:
        """What a node does: `def train(model, step, ctx): return LogisticRegression.half(model, step).update(x, y)`."""
        return Curvature(model, step)

    def begin(self, model: Arrays) -> State:
        columns = model["weight"].size if "weight" in model else 0
        if wrong := self.zeros(columns).difference(model):
            message = f"this is no model of a logistic regression: {wrong}"
            raise ConfigError("algorithm.invalid", message, "initial=LogisticRegression.zeros(columns)")
        newton = Arrays(
            step=np.zeros(columns + 1), loss=np.array(0.0), rows=np.array(0.0), halved=np.array(0)
        )
        return {"model": model, "newton": newton}

    def round(self, state: State, ask: Ask) -> State:
        newton, here = state["newton"], _joined(state["model"])
        sums, rows = self._summed(state, ask)
        penalty = self._penalty(len(here)) / rows
        loss = float(sums["loss"] + penalty @ here**2 / 2)
        before, halved = float(newton["loss"]), int(newton["halved"])
        comparable = rows == newton["rows"] and halved < _HALVINGS
        if comparable and loss > before + 1e-10 * max(1.0, abs(before)):  # it went too far: half of it back
            return self._stepped(here - newton["step"] / 2, newton["step"] / 2, before, rows, halved + 1)
        first = not newton["rows"]
        _must_not_part(sums, ridge=self.ridge, first=first)
        step = _solved(sums["hessian"] + np.diag(penalty), -(sums["gradient"] + penalty * here), first=first)
        return self._stepped(here + step, step, loss, rows, 0)

    def _summed(self, state: State, ask: Ask) -> tuple[Arrays, float]:
        task = Task("train", {"model": state["model"], "step": Arrays(step=state["newton"]["step"])})
        mean, rows = Mean("sums"), 0.0
        for reply in checked_half(ask(task), METHOD, half=HALF, like={"sums": sums_like(state["model"])}):
            rows += reply.weight
            mean.add(reply)
        return mean.finish(), rows

    def _penalty(self, size: int) -> Array:
        return np.append(np.full(size - 1, self.ridge), 0.0)

    def _stepped(self, to: Array, step: Array, loss: float, rows: float, halved: int) -> State:
        newton = Arrays(step=step, loss=np.array(loss), rows=np.array(rows), halved=np.array(halved))
        return {"model": Arrays(weight=to[:-1].copy(), bias=np.array(to[-1])), "newton": newton}


def _joined(model: Arrays) -> Array:
    return np.append(model["weight"], model["bias"])


def _must_not_part(sums: Arrays, *, ridge: float, first: bool) -> None:
    """Refuse rows of one class; and, without ridge, a last step that moved rows, and none away from its class.

    Such a direction parts the classes, and no likelihood is the largest (Albert and Anderson 1984, Biometrika 71: complete and
    quasi-complete separation).
    """
    if sums["ones"] in (0, 1):
        message = "all rows of all nodes are of one class"
        raise RunError("logistic.separated", message, "hand in rows of both classes, coded as 0 and 1")
    if sums["against"] == 0 and sums["along"] > 0 and not ridge and not first:
        message = "the classes are separated, or nearly: weights grow for ever, and there is no best model"
        mend = "LogisticRegression(ridge=1.0), or leave out the column that tells all"
        raise RunError("logistic.separated", message, mend)


def _solved(hessian: Array, right: Array, *, first: bool) -> Array:
    """hessian^-1 right. Raises `RunError` when there is none, which names the columns that take part in it."""
    scale = np.sqrt(np.diag(hessian))
    if not scale.all():
        raise _singular(np.flatnonzero(scale == 0), len(right), first)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    if values[0] < _SINGULAR * len(right):
        raise _singular(np.flatnonzero(np.abs(vectors[:, 0]) > 0.05), len(right), first)
    solved: Array = vectors @ (vectors.T @ (right / scale) / values) / scale
    return solved


def _singular(taking_part: Array, size: int, first: bool) -> RunError:
    names = ", ".join("the bias" if i == size - 1 else f"column {i}" for i in taking_part.tolist()[:8])
    if first:
        message = f"columns are constant or depend on each other: {names}"
        return RunError(
            "logistic.singular", message, "leave one of them out, or LogisticRegression(ridge=1.0)"
        )
    return RunError(
        "logistic.separated",
        f"weights grow for ever along {names}",
        "LogisticRegression(ridge=1.0), or leave them out",
    )
