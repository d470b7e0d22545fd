"""What stands beside the tests can be imported by them; generated cases are the same on every run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from village import Village

settings.register_profile("atoll", derandomize=True, deadline=None, max_examples=60, print_blob=False)
settings.load_profile("atoll")


@pytest.fixture
def village() -> Village:
    return Village()
