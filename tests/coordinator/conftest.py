"""A desk for each test, and a way to run what it does on an event loop of its own; and coordinators as processes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from coordinator_process import Process
from desk_world import World
from identified_world import Town


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]:
    """Play a scene against a desk that has just been started."""

    def played(scene: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            world = World(tmp_path)
            await world.start()
            try:
                await scene(world)
            finally:
                await world.close()

        asyncio.run(asyncio.wait_for(whole(), 60))

    return played


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts coordinators in the test's folder; none of them outlives it."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Process(tmp_path, **settings))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A coordinator that knows who comes by their keys, for all tests of a module: they leave it as it is."""
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        yield town


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Town]:
    """One that the test may change."""
    with Town(tmp_path).open() as town:
        town.settle()
        yield town
