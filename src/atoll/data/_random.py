"""Random numbers that are the same, to the last bit, on every platform and with every numpy.

Doesn't know what they are drawn for. Only the raw words of Philox (Salmon et al., SC 2011) are taken, whose
stream numpy promises to keep, unlike its distributions' (NEP 19); and only sums, products, quotients and
roots are computed, which IEEE 754 rounds alike everywhere, unlike a C library's log and exp.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atoll.values import derive_seed

Floats = NDArray[np.float64]
_LN2 = 0.6931471805599453


class Stream:
    """An endless run of random words for one place: (seed, path), e.g. (7, "dirichlet", "label 3")."""

    def __init__(self, seed: int, *path: int | str) -> None:
        self._philox = np.random.Philox(key=derive_seed(seed, *path))

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words of 64 bits, shape (count,)."""
        return self._philox.random_raw(count)

    def permutation(self, count: int) -> NDArray[np.intp]:
        """The numbers 0 to count - 1 in random order, shape (count,)."""
        return np.argsort(self.words(count), kind="stable")


def uniform(words: NDArray[np.uint64]) -> Floats:
    """Words to numbers in (0, 1), of 52 bits: never 0, so that they have a logarithm."""
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def normal(stream: Stream, count: int) -> Floats:
    """Draws from the standard normal distribution, shape (count,): Box and Muller in Marsaglia's polar form."""
    drawn = np.empty(0)
    while len(drawn) < count:
        a, b = 2.0 * uniform(stream.words(2 * count)).reshape(2, count) - 1.0
        square = a * a + b * b
        inside = (square > 0.0) & (square < 1.0)
        radius = square[inside]
        drawn = np.concatenate([drawn, a[inside] * np.sqrt(-2.0 * log(radius) / radius)])
    return drawn[:count]


def log_dirichlet(streams: list[Stream], alpha: float, size: int) -> Floats:
    """Logarithms of one draw per stream from the symmetric Dirichlet(alpha) of `size` parts: (streams, size).

    In logarithms, since at a small alpha most parts are smaller than the smallest float; a part's rank still
    shows.
    """
    gammas = _log_gamma(streams, alpha, size)
    gammas -= gammas.max(axis=1, keepdims=True)
    total = np.add.accumulate(exp(gammas), axis=1)[:, -1:]  # in order: numpy may sum in any
    return gammas - log(total)


def _log_gamma(streams: list[Stream], alpha: float, size: int) -> Floats:
    """Logarithms of Gamma(alpha, 1) draws, (streams, size): Marsaglia and Tsang, ACM TOMS 26(3), 2000."""
    boost: Floats | float = 0.0
    if alpha < 1.0:  # Gamma(alpha) is Gamma(alpha + 1) U**(1 / alpha)
        boost = (
            log(_uniforms(streams, 1, size)[:, 0]) / alpha
        )  # before the loop, as long as its slowest stream
    shape = alpha + 1.0 if alpha < 1.0 else alpha
    d = shape - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    result = np.full((len(streams), size), np.nan)
    while (missing := np.isnan(result)).any():
        drawn = _uniforms(streams, 3, size)
        a, b, u = (drawn[:, part][missing] for part in range(3))
        a, b = 2.0 * a - 1.0, 2.0 * b - 1.0
        square = a * a + b * b
        radius = np.where((square > 0.0) & (square < 1.0), square, 0.5)
        normal = a * np.sqrt(-2.0 * log(radius) / radius)  # Marsaglia's polar method
        root = 1.0 + c * normal
        log_v = 3.0 * log(np.where(root > 0.0, root, 1.0))
        bound = 0.5 * normal * normal + d - d * root * root * root + d * log_v
        accepted = (radius == square) & (root > 0.0) & (log(u) < bound)
        result[missing] = np.where(accepted, log(np.full(1, d)) + log_v, np.nan)
    return result + boost


def _uniforms(streams: list[Stream], parts: int, size: int) -> Floats:
    words = np.stack([stream.words(parts * size) for stream in streams])
    return uniform(words).reshape(len(streams), parts, size)


def log(x: Floats) -> Floats:
    """Natural logarithm of positive numbers x = m 2**e, m about 1: 2 artanh((m - 1) / (m + 1)) + e ln 2."""
    m, e = np.frexp(x)
    small = m < 0.7071067811865476
    m, e = np.where(small, 2.0 * m, m), e - small
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / 23.0)
    for odd in range(21, 0, -2):
        series = series * square + 1.0 / odd
    return 2.0 * s * series + e * _LN2


def exp(x: Floats) -> Floats:
    """Exponential of numbers of at most 0: exp(r) 2**k for x = r + k ln 2; what is below 2**-1000 is 0."""
    k = np.rint(np.maximum(x, -1000.0) / _LN2)
    r = np.maximum(x, -1000.0) - k * _LN2
    series = np.ones_like(r)
    for n in range(14, 0, -1):
        series = 1.0 + series * r / n
    return np.where(k < -1000, 0.0, np.ldexp(series, np.maximum(k, -1000).astype(np.int32)))
