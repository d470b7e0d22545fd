"""Runs that the tests drive, over a journal of their choice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from atoll import ClientApp
from atoll.journal import MemoryJournal, SqliteJournal
from atoll.values import new_run_id

sys.path.insert(0, str(Path(__file__).parent))
from app_world import World

settings.register_profile("atoll", derandomize=True, deadline=None, max_examples=60, print_blob=False)
settings.load_profile("atoll")


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """Makes runs that survive."""

    def make(client: ClientApp, *, durable: bool = True, **options: Any) -> World:
        return World(
            client, SqliteJournal(tmp_path / new_run_id()) if durable else MemoryJournal(), **options
        )

    return make
