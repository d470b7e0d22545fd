"""The names of tests are the same in every process, so that several can share the tests out.

Doesn't know any of them.
"""

from __future__ import annotations


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: compressed ones hold the time at which they were."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
