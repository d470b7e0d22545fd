"""Does a version lie in a range, such as `>=0.1,<1`?

Doesn't know where versions come from. Of PEP 440 it knows releases and the comparisons between them; what it can't
read it lets pass, since an installer, which reads all of it, has had its say.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_CLAUSE = re.compile(r"(===|==|!=|<=|>=|~=|<|>)\s*v?([0-9][0-9A-Za-z.*+!-]*)")
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_TESTS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    "<=": lambda have, want: have <= want,
    ">=": lambda have, want: have >= want,
    "<": lambda have, want: have < want,
    ">": lambda have, want: have > want,
}


def satisfies(version: str, range: str) -> bool:
    """Whether a version is in a range; every one is in an empty range."""
    have = _release(version)
    return have is None or all(_meets(have, op, bound) for op, bound in _CLAUSE.findall(range))


def _meets(have: tuple[int, ...], op: str, bound: str) -> bool:
    want = _release(bound)
    if want is None or op == "===":
        return True
    if bound.endswith(".*"):
        same = _padded(have, len(want))[: len(want)] == want
        return same if op == "==" else not same if op == "!=" else True
    width = max(len(have), len(want))
    if op == "~=":
        return _padded(have, width) >= _padded(want, width) and have[: len(want) - 1] == want[:-1]
    return _TESTS[op](_padded(have, width), _padded(want, width))


def _release(version: str) -> tuple[int, ...] | None:
    found = _RELEASE.match(version.partition("!")[2] or version)
    return tuple(int(n) for n in found[0].split(".")) if found else None


def _padded(release: tuple[int, ...], width: int) -> tuple[int, ...]:
    return (*release, *(0,) * (width - len(release)))
