"""FedAdagrad: a server that steps less where it has stepped much.

Doesn't know what the model is.
"""

from __future__ import annotations

from atoll.algorithms._adaptive import Adaptive
from atoll.algorithms._rule import Rule
from atoll.values import Array


class FedAdagrad(Adaptive):
    """Adagrad at the server: v <- v + d^2; x <- x + lr m / (sqrt(v) + tau), with d the mean of the nodes' changes.

    Reddi et al. 2021, arXiv:2003.00295, algorithm 2. `lr` over 0; `beta1`, from 0 to below 1, is momentum (none, as in the
    paper's experiments); `tau`, over 0, how adaptive: small is more. `rule` combines the replies (the mean by weight).
    State: `model`, `momentum`, `second_moment`. Nodes train as for FedAvg. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(
        self, *, lr: float = 0.1, beta1: float = 0.0, tau: float = 1e-3, rule: Rule | None = None
    ) -> None:
        super().__init__(lr=lr, beta1=beta1, tau=tau, rule=rule)

    def _second(self, v: Array, square: Array) -> Array:
        return v + square
