"""The helpers of these tests can be imported by their name; a bench and a model for each."""

import sys
from pathlib import Path

import numpy as np
import pytest

from atoll.values import Arrays

sys.path.insert(0, str(Path(__file__).parent))

from shop_world import Bench


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    for worker in made.workers:
        worker.end(kill=True)
        worker.how_it_ended()


@pytest.fixture
def model():
    return {"model": Arrays(w=np.arange(40_000, dtype=np.float32))}
