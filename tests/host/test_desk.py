"""A server app's process and the coordinator's desk understand each other, whenever either is cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real_desk import Cut, Town
from test_attempt import averaging, buffered, clients, simulated

from atoll import ServerApp
from atoll.journal import Accepted, Failed, Finished, History
from atoll.service.host._attempt import Attempt
from atoll.service.host._conversation import Conversation
from atoll.service.host._journal import WireJournal
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.store import MemoryStore
from atoll.wire import Attend, Attended


def attempt(town: Town, beside: Path | None = None) -> Attempt:
    attended = town.call("POST", f"/v1/runs/{town.run}/attend", Attend(), Attended)
    packing, objects = Packing(town.push), Objects(MemoryStore(), town.pull, beside=beside)
    talk = Conversation(town, town.run, attended.fence, send_again=packing.send_again)
    return Attempt(attended.spec, WireJournal(town, town.run, talk, packing, objects), talk, packing, objects)


def attempt_reader(town: Town) -> History:
    """What anybody may read, without the right to write."""
    packing, objects = Packing(town.push), Objects(MemoryStore(), town.pull)
    talk = Conversation(town, town.run, 0, send_again=packing.send_again)
    return History.of(WireJournal(town, town.run, talk, packing, objects), town.run)


def go(town: Town, main: Callable[..., Any], *, beside: Path | None = None) -> History:
    server = ServerApp()
    server.main(main)
    driven = attempt(town, beside)
    driven.run(server)
    return History.of(driven.journal, town.run)


def cutting(town: Town, number: int, moment: str) -> None:
    left = [number]

    def cut(say: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            town.cut = True
            raise Cut

    setattr(town, moment, cut)


@pytest.mark.parametrize("size", [100, 100_000], ids=["inline", "objects"])
@pytest.mark.parametrize("beside", [False, True], ids=["fetched", "beside"])
def test_a_run_on_the_desk_equals_the_simulation_to_the_bit(tmp_path: Path, size: int, beside: bool) -> None:
    town = Town(tmp_path, clients())
    found = go(town, averaging(size), beside=tmp_path / "objects" if beside else None)
    assert found.model == simulated(clients(), town.events[0], averaging(size)).model
    town.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_program_cut_off_at_any_request_goes_on_to_the_same_end(tmp_path: Path, moment: str) -> None:
    expected = None
    for number in range(1, 40, 3):
        town = Town(tmp_path / str(number), clients())
        expected = expected or simulated(clients(), town.events[0], averaging()).model
        cutting(town, number, moment)
        try:
            found = go(town, averaging())
        except Cut:
            if isinstance(town.events[-1], Finished):  # it was the last word
                town.close()
                return
            found = go(town, averaging())
        assert (found.status, found.model) == ("finished", expected)
        assert len(set(town.performed)) == len(town.performed), f"cut {moment} request {number}"
        town.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_stream_cut_off_loses_nothing_and_reads_nothing_twice(tmp_path: Path, moment: str) -> None:
    for number in range(1, 30, 2):
        town, seen = Town(tmp_path / str(number), clients(), nodes=6), []  # type: ignore[var-annotated]
        cutting(town, number, moment)
        try:
            found = go(town, buffered(5, seen))
        except Cut:
            if isinstance(town.events[-1], Finished):
                town.close()
                return
            found = go(town, buffered(5, seen))
        rows = sorted((r.round, r.node, r.value) for r in found if r.metric == "visits")
        committed = {(n, i): (n, node, v) for n, i, node, v in seen}
        assert rows == sorted(committed.values()), f"cut {moment} request {number}"
        assert len({i for _, i in committed}) == len(committed) == 10
        assert len(set(town.performed)) == len(town.performed)
        accepted = [e.index for e in town.events if isinstance(e, Accepted)]
        assert len(set(accepted)) == len(accepted)
        assert not [e for e in town.events if isinstance(e, Failed) and e.failure != "late"]
        town.close()


def test_a_run_is_stopped_by_wish_and_resumed(tmp_path: Path) -> None:
    town = Town(tmp_path, clients())
    count = [0]

    def after(say: Any) -> None:
        count[0] += 1
        if count[0] == 5:
            town.wish("stop")

    town.after = after
    assert go(town, averaging()).status == "stopped"
    town.wish("resume")
    found = go(town, averaging())
    assert found.model == simulated(clients(), town.events[0], averaging()).model
    town.close()
