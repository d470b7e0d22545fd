"""Replies for the tests of the rules, and each rule written out naively in float64, from its paper alone.

Doesn't know how a rule goes about it: no blocks, no networks, no tricks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from atoll import Arrays
from atoll.algorithms import Rule

some = settings(max_examples=30, derandomize=True, deadline=None)
FLOATS = {"float32": np.float32, "float64": np.float64, "bfloat16": ml_dtypes.bfloat16}
EPS = {"float32": 2e-6, "float64": 1e-12, "bfloat16": 8e-3}


@dataclass
class Given:
    """A reply, as far as a rule can see."""

    index: int
    arrays: Any
    weight: float = 1.0
    taken: bool = False

    def __getitem__(self, name: str) -> Arrays:
        return {"model": self.arrays}[name]

    def folded(self) -> None:
        self.taken = True


def model(rng: Any, dtype: Any, *, spread: float = 1.0, at: float = 0.0) -> Arrays:
    """Floats in several arrays, and a counter."""
    return Arrays(
        w=(at + spread * rng.normal(size=(3, 4))).astype(dtype),
        b=np.asarray(at + spread * rng.normal(), dtype),
        none=np.zeros((0, 2), dtype),
        steps=rng.integers(-50, 50, 2),
    )


def around(dtype: Any) -> Arrays:
    """What the nodes were given."""
    return Arrays(w=np.zeros((3, 4), dtype), b=np.zeros((), dtype), none=np.zeros((0, 2), dtype), steps=np.zeros(2, "i8"))  # fmt: skip


def replies(count: int, *, seed: int, dtype: Any, hostile: int = 0) -> list[Given]:
    """So many replies, the last `hostile` of them far away, in an order of chance."""
    rng = np.random.default_rng(seed)
    models = [model(rng, dtype, at=1.0) for _ in range(count - hostile)]
    models += [model(rng, dtype, at=60.0, spread=30.0) for _ in range(hostile)]
    return [Given(i, models[k], float(rng.integers(1, 9))) for i, k in enumerate(rng.permutation(count))]


@st.composite
def cohorts(draw: Any, least: Callable[[int], int] = lambda f: 1) -> tuple[list[Given], int, str]:
    """Replies, f of them hostile, and the name of their dtype."""
    f = draw(st.integers(0, 3))
    count = draw(st.integers(least(f), least(f) + 8))
    dtype = draw(st.sampled_from(sorted(FLOATS)))
    hostile = draw(st.integers(0, min(f, count - 1)))
    return replies(count, seed=draw(st.integers(0, 10_000)), dtype=FLOATS[dtype], hostile=hostile), f, dtype


def vectors(members: Sequence[Given]) -> Any:
    """All floats of each reply in one row of float64."""
    return np.array([wide(m.arrays) for m in members])


def wide(arrays: Mapping[str, Any]) -> Any:
    return np.concatenate([np.asarray(arrays[n]).astype("f8").ravel() for n in ("w", "b")])


def counted(members: Sequence[Given]) -> list[int]:
    """The median of each counter, in exact fractions; ties to even."""
    return [exact_median([int(m.arrays["steps"][i]) for m in members]) for i in range(2)]


def exact_median(values: Sequence[int]) -> int:
    ranked = sorted(values)
    return round(Fraction(ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2], 2))


def close(found: Arrays, expected: Any, dtype: str) -> None:
    """Equal within the rounding of a dtype; like what was given in everything else."""
    assert around(FLOATS[dtype]).difference(found) is None
    assert all(not a.flags.writeable for a in found.values())
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(wide(found), expected, rtol=EPS[dtype], atol=EPS[dtype] * scale)


def combine(rule: Rule, members: Sequence[Given], dtype: str) -> Arrays:
    found = rule.combine(iter(members), around=around(FLOATS[dtype]))
    assert all(m.taken for m in members), "what is folded can be let go"
    return found


# -- the papers ---------------------------------------------------------------------------------------------


def krum_scores(x: Any, f: int) -> list[float]:
    """Blanchard et al. 2017: s(i) = sum over the n - f - 2 nearest of |x_i - x_j|^2."""
    n = len(x)
    return [
        sum(sorted(float(np.sum((x[i] - x[j]) ** 2)) for j in range(n) if j != i)[: max(1, n - f - 2)])
        for i in range(n)
    ]


def multi_krum(x: Any, f: int, m: int) -> Any:
    scores = krum_scores(x, f)
    return np.mean([x[i] for i in sorted(range(len(x)), key=lambda i: (scores[i], i))[:m]], axis=0)


def bulyan(x: Any, f: int) -> Any:
    """El Mhamdi et al. 2018, section 4: select theta = n - 2 f by Krum, average the theta - 2 f nearest to the median."""
    left, selected = list(x), []
    for _ in range(len(x) - 2 * f):
        scores = krum_scores(left, f)
        selected.append(left.pop(scores.index(min(scores))))
    medians = np.median(selected, axis=0)
    near = [
        sorted((s[k] for s in selected), key=lambda v: (abs(v - medians[k]), v)) for k in range(len(x[0]))
    ]
    return np.array([np.mean(values[: len(selected) - 2 * f]) for values in near])


def weiszfeld(x: Any, weights: Sequence[float], *, iterations: int, nu: float) -> Any:
    """Pillutla et al. 2019, algorithm 2, from zero."""
    z = np.zeros_like(x[0])
    for _ in range(iterations):
        beta = [a / max(nu, math.dist(z, x_i)) for a, x_i in zip(weights, x, strict=True)]
        z = sum(b * x_i for b, x_i in zip(beta, x, strict=True)) / sum(beta)
    return z


def centered_clipping(x: Any, tau: float, iterations: int) -> Any:
    """Karimireddy et al. 2020, algorithm 2, from zero."""
    v = np.zeros_like(x[0])
    for _ in range(iterations):
        v = v + sum((x_i - v) * tau / max(tau, math.dist(x_i, v)) for x_i in x) / len(x)
    return v


def nearest_means(x: Any, f: int) -> Any:
    """Allouah et al. 2023: y_i is the mean of the n - f of x nearest to x_i."""
    return np.array([
        np.mean(sorted(x, key=lambda other: math.dist(x_i, other))[: len(x) - f], axis=0)
        for x_i in x
    ])  # fmt: skip
