"""Adaptive optimisers at the server: what FedAdagrad, FedAdam and FedYogi share.

Doesn't know how the second moment is kept; each of the three says that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from atoll.algorithms._moving import computed, decaying, moved, positive, zeros
from atoll.algorithms._rule import Rule, WeightedMean, combined
from atoll.app import Ask, State, Task
from atoll.values import Array, Arrays


class Adaptive(ABC):
    """m <- beta1 m + (1 - beta1) d; v <- (the method's own); x <- x + lr m / (sqrt(v) + tau), with d = mean_k x_k - x.

    Reddi et al. 2021, arXiv:2003.00295, algorithm 2; v begins at tau^2, and nothing corrects the moments' bias, as there.
    State: `model`, `momentum` (m) and `second_moment` (v), in float32 or wider; whole numbers take the mean.
    """

    def __init__(self, *, lr: float, beta1: float, tau: float, rule: Rule | None) -> None:
        positive(type(self).__name__, lr=lr, tau=tau)
        decaying(type(self).__name__, beta1=beta1)
        self.lr, self.beta1, self.tau, self.rule = float(lr), float(beta1), float(tau), rule or WeightedMean()

    @abstractmethod
    def _second(self, v: Array, square: Array) -> Array:
        """The next v, given the last one and d^2."""

    def begin(self, model: Arrays) -> State:
        second = computed(lambda v: v + self.tau**2, zeros(model, real=True))
        return {"model": model, "momentum": zeros(model), "second_moment": second}

    def round(self, state: State, ask: Ask) -> State:
        model = state["model"]
        mean = combined(self.rule, ask, Task("train", {"model": model}))
        pull = computed(lambda x, average: average - x, model, mean)
        momentum = computed(lambda m, d: self.beta1 * m + (1 - self.beta1) * d, state["momentum"], pull)
        second = computed(lambda v, d: self._second(v, _square(d)), state["second_moment"], pull)
        stepped = moved(self._step, model, momentum, second, rest=mean)
        return {"model": stepped, "momentum": momentum, "second_moment": second}

    def _step(self, x: Array, m: Array, v: Array) -> Array:
        return x + self.lr * m / (np.sqrt(v) + self.tau)


def _square(d: Array) -> Array:
    return np.square(np.abs(d)) if d.dtype.kind == "c" else np.square(d)
