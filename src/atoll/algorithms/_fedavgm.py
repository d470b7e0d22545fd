"""FedAvgM: FedAvg with momentum at the server.

Doesn't know what the model is.
"""

from __future__ import annotations

import numpy as np

from atoll.algorithms._rule import Rule, WeightedMean, combined
from atoll.app import Ask, State, Task
from atoll.values import Array, Arrays, ConfigError


class FedAvgM:
    """Server momentum: v <- beta v + (x - mean_k x_k); x <- x - eta v.

    Hsu et al. 2019, arXiv:1909.06335, section 4.4. State: `model`, `momentum` (floats only: integers, such as counters of
    batches, take the mean). `momentum` is beta, from 0 to below 1; `lr` is eta, over 0; `rule` combines the replies (the mean by weight).
    Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, momentum: float = 0.9, lr: float = 1.0, rule: Rule | None = None) -> None:
        if not 0 <= momentum < 1 or not lr > 0:
            raise ConfigError(
                "algorithm.invalid", f"FedAvgM takes 0 <= momentum < 1 and lr > 0, not {momentum} and {lr}"
            )
        self.momentum, self.lr, self.rule = momentum, lr, rule or WeightedMean()

    def begin(self, model: Arrays) -> State:
        return {
            "model": model,
            "momentum": Arrays({n: np.zeros_like(a) for n, a in model.items() if _moves(a)}),
        }

    def round(self, state: State, ask: Ask) -> State:
        model = state["model"]
        average = combined(self.rule, ask, Task("train", {"model": model}))
        velocity = {n: self._velocity(v, model[n], average[n]) for n, v in state["momentum"].items()}
        moved = {
            n: _stepped(model[n], velocity[n], self.lr) if n in velocity else a for n, a in average.items()
        }
        return {"model": Arrays(moved), "momentum": Arrays(velocity)}

    def _velocity(self, velocity: Array, before: Array, average: Array) -> Array:
        wide = np.multiply(velocity, self.momentum, dtype=_wide(velocity))
        wide += np.subtract(before, average, dtype=wide.dtype)
        return wide.astype(velocity.dtype, copy=False)


def _stepped(before: Array, velocity: Array, lr: float) -> Array:
    step = np.multiply(velocity, -lr, dtype=_wide(velocity))
    step += before
    return step.astype(before.dtype, copy=False)


def _moves(array: Array) -> bool:
    return array.dtype.kind not in "biu"


def _wide(array: Array) -> np.dtype[np.float32] | np.dtype[np.float64]:
    """Computed in: float32 for the narrow ones, which numpy can't multiply exactly."""
    return array.dtype if array.dtype.kind in "fc" and array.dtype.itemsize >= 4 else np.dtype(np.float32)
