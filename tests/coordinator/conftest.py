"""A desk for each test, and a way to run what it does on an event loop of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from desk_world import World


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
