"""What a coordinator knows beside its runs, on a disk that is full."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from desk_world import FakeNode, World

from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import Registry


def test_a_coordinator_ends_in_order_on_a_full_disk(
    play: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(world: World) -> None:
        await world.nodes("a")

        def full(self: Registry, batch: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Registry, "_write", full)
        with pytest.raises(Refusal):
            await FakeNode(world, "b").hello()
        await world.desk.close()
        assert "disk is full" in caplog.text
        monkeypatch.undo()
        await world.start()
        assert [n.name for n in (await world.desk.nodes()).nodes] == ["a"]

    play(scene)
