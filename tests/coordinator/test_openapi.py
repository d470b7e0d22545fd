"""The whole API, asked at random: it answers what its own document says, and never fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_process import Process
from random_requests import ask_at_random


@pytest.mark.parametrize(
    ("examples", "seed"),
    [pytest.param(8, 7), pytest.param(60, random.SystemRandom().randrange(1 << 31), marks=pytest.mark.long)],
    ids=["short", "long"],
)
@pytest.mark.timeout(900)
def test_no_request_makes_it_fail_or_answer_what_it_does_not_declare(
    examples: int, seed: int, coordinator: Callable[..., Process], tmp_path: Path
) -> None:
    begun = coordinator()
    token = f"Authorization: Bearer {begun.address.token}"
    ask_at_random(
        f"{begun.address.url}/openapi.json", begun.address.url, "-H", token,
        folder=tmp_path, examples=examples, seed=seed, timeout=850,
    )  # fmt: skip
    assert begun.end() == 0, begun.log.read_text()[-4000:]
    assert "traceback" not in begun.log.read_text()
