"""A home and contexts of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's runs and contexts are."""
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ATOLL_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("ATOLL_CONTEXT", raising=False)
    monkeypatch.delenv("ATOLL_TOKEN", raising=False)
    return tmp_path / "home"
