"""FedYogi: FedAdam whose step sizes change by little at a time.

Doesn't know what the model is.
"""

from __future__ import annotations

import numpy as np

from atoll.algorithms._adaptive import Adaptive
from atoll.algorithms._moving import decaying
from atoll.algorithms._rule import Rule
from atoll.values import Array


class FedYogi(Adaptive):
    """Yogi at the server: v <- v - (1 - beta2) d^2 sign(v - d^2); x <- x + lr m / (sqrt(v) + tau).

    Reddi et al. 2021, arXiv:2003.00295, algorithm 2, with d the mean of the nodes' changes. `lr` over 0; `beta1` and
    `beta2` from 0 to below 1; `tau`, over 0, how adaptive: small is more. `rule` combines the replies (the mean by weight).
    State: `model`, `momentum`, `second_moment`. Nodes train as for FedAvg. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, lr: float = 0.1, beta1: float = 0.9, beta2: float = 0.99, tau: float = 1e-3,
                 rule: Rule | None = None) -> None:  # fmt: skip
        super().__init__(lr=lr, beta1=beta1, tau=tau, rule=rule)
        decaying("FedYogi", beta2=beta2)
        self.beta2 = float(beta2)

    def _second(self, v: Array, square: Array) -> Array:
        step: Array = (1 - self.beta2) * square * np.sign(v - square)
        return v - step
