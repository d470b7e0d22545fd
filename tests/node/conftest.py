"""Nodes in this process, beside a coordinator and workers that are fakes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_world import Daemon, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A coordinator, and the folder where nodes live."""
    return World(tmp_path)


@pytest.fixture
def daemon(world: World) -> Iterator[Callable[..., Daemon]]:
    """Starts nodes; all have ended when the test has."""
    started: list[Daemon] = []

    def start(do: Any = None, **settings: Any) -> Daemon:
        started.append(Daemon(world, do, **settings))
        return started[-1]

    yield start
    for each in started:
        each.end()
