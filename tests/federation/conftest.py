"""Federations of real processes, ended when their tests are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from federation_world import Place, write_app


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """With nothing in it yet; what was started in it is ended."""
    with Place(tmp_path) as place:
        yield place


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """With a federation of three nodes, for all tests that leave it as it is."""
    with Place(tmp_path_factory.mktemp("local")) as place:
        place.well("up", "--nodes", "3")
        yield place


@pytest.fixture
def tiny(local: Place) -> Path:
    """An app that does what its config says."""
    return write_app(local.folder / "tiny")
