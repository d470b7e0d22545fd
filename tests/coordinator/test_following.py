"""Who follows a run: hears all of it, its end too, before it is told that no more comes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from desk_world import World, settle

from atoll.journal import Event, Finished, decode
from atoll.journal._writer import Writer
from atoll.wire import Events


def said(found: Events) -> list[Event]:
    return [decode(body) for _, body in found.events]


@pytest.mark.parametrize("waiting", [False, True], ids=["that comes after it", "that waits for it"])
def test_a_follower_hears_the_end_that_is_still_on_its_way_to_the_disk(
    play: Any, monkeypatch: pytest.MonkeyPatch, waiting: bool
) -> None:
    write, disk = Writer._write, threading.Event()

    def slow(self: Writer, database: sqlite3.Connection, group: Any) -> None:
        assert disk.wait(30)
        write(self, database, group)

    async def scene(world: World) -> None:
        await world.nodes("a")
        program = await world.program()
        last = world.journal.encoded(program.run)[-1][0]

        def follow() -> asyncio.Task[Events]:
            return asyncio.create_task(world.desk.events(program.run, last, 5.0))

        monkeypatch.setattr(Writer, "_write", slow)
        early = [follow()] if waiting else []
        await settle()
        ending = asyncio.create_task(program.finish())
        await settle()
        following = early or [follow()]
        await settle()
        try:
            assert not following[0].done(), "it was told that no more comes, and the end is not there"
        finally:
            disk.set()
        found = await following[0]
        await ending
        assert [type(e) for e in said(found)] == [Finished]
        assert not (await world.desk.events(program.run, found.events[-1][0])).live

    play(scene)
