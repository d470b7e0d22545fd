"""A pool of processes gives what one process gives, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pool_app
import pytest

import atoll
from atoll.app import Watch
from atoll.runtime._arena import Arena, opened


class Seen(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failures: dict[str, str] = {}

    def logged(self, level, message, round, node):
        self.lines.append(message)

    def failed(self, round, failure):
        self.failures[failure.node] = failure.kind


def simulated(workers: int, *, nodes: int = 5, seen: Seen | None = None, **config: object) -> atoll.History:
    settings = {"rounds": 2, **config}
    return atoll.simulate(
        pool_app.server, pool_app.client, nodes=nodes, workers=workers, config=settings, watch=seen or Seen()
    )


@pytest.mark.parametrize("size", [10, 100_000], ids=["inline", "in shared memory"])
def test_any_number_of_workers_gives_the_same_model_to_the_bit(size: int) -> None:
    models = [simulated(workers, size=size, nodes=20).model.digest for workers in (0, 1, 3)]
    assert len(set(models)) == 1


def test_the_work_is_done_by_other_processes_that_keep_the_app() -> None:
    pids = {row.value for row in simulated(2).rows if row.metric == "pid"}
    assert os.getpid() not in pids
    assert len(pids) <= 2


def test_what_a_node_remembers_moves_with_it_from_worker_to_worker() -> None:
    history = simulated(3, rounds=3)
    counts = [row.value for row in history.rows if row.metric == "times" and row.round == 3 and row.node]
    assert counts == [3] * 5


def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    seen = Seen()
    whole = simulated(0).model.digest
    assert simulated(2, behave="die_once", folder=str(tmp_path), seen=seen).model.digest == whole
    assert seen.failures == {}
    assert sum("its task is tried again" in line for line in seen.lines) == 2


def test_a_task_that_kills_every_worker_is_given_up_after_ten() -> None:
    seen = Seen()
    simulated(2, behave="die_always", rounds=1, seen=seen)
    assert seen.failures == {"node-1": "lost"}
    assert sum("signal SIGKILL" in line for line in seen.lines) == 9


def test_a_hanging_client_is_ended_at_its_deadline_and_the_others_count() -> None:
    seen = Seen()
    history = simulated(2, behave="hang", deadline=0.5, rounds=1, seen=seen)
    assert seen.failures == {"node-1": "deadline"}
    assert {row.node for row in history.rows if row.node} == {"node-0", "node-2", "node-3", "node-4"}


def test_what_clients_print_and_log_is_in_the_log() -> None:
    seen = Seen()
    simulated(1, behave="talk", rounds=1, seen=seen)
    printed = {line for line in seen.lines if line.startswith("printed by")}
    assert printed == {f"printed by node-{i}" for i in range(5)}
    assert seen.lines.count("told the log") == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_each_node_finds_its_own_part_of_the_data(workers: int) -> None:
    seen = Seen()
    atoll.simulate(
        pool_app.counting, pool_app.client, nodes=4, workers=workers, data=pool_app.data, watch=seen
    )
    rows = sorted(line for line in seen.lines if line.startswith("first="))
    assert len(rows) == 4
    assert all("rows=25" in line for line in rows)
    assert len(set(rows)) == 4


def test_a_workers_lifespan_is_around_its_tasks() -> None:
    seen = Seen()
    atoll.simulate(pool_app.counting, pool_app.client, nodes=4, workers=2, data=pool_app.data, watch=seen)
    shared = {line for line in seen.lines if line.startswith("shared=")}
    assert 1 <= len(shared) <= 2
    assert not any(str(os.getpid()) in line for line in shared)


def test_apps_of_a_notebook_are_told_to_stay_in_one_process() -> None:
    here = atoll.ClientApp()
    here.train(lambda model: None)
    with pytest.raises(atoll.AtollError, match="one process") as caught:
        atoll.simulate(pool_app.server, here, workers=2, config={"rounds": 1}, watch=Seen())
    assert caught.value.code == "simulation.not-importable"


def test_an_arena_whose_owner_was_killed_is_swept_by_the_next() -> None:
    script = "import os, signal; from atoll.runtime._arena import Arena; a = Arena(); print(a.folder, flush=True); "
    killed = subprocess.run(
        [sys.executable, "-c", script + "os.kill(os.getpid(), signal.SIGKILL)"],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL
    left = Path(killed.stdout.strip())
    assert left.exists()
    Arena().close()
    assert not left.exists()


def test_a_parcel_is_opened_without_a_copy_and_freed_with_its_views() -> None:
    arena = Arena()
    parcel = arena.put({"model": atoll.Arrays(w=pool_app.np.ones(50_000))}, "one")
    payload = opened(parcel, once=True)
    assert not Path(parcel.path).exists()
    assert payload["model"]["w"].sum() == 50_000
    arena.close()


def test_replies_that_are_kept_are_never_written_over() -> None:
    server = atoll.ServerApp()

    @server.main
    def main(fleet, ctx):
        def asked(start):
            model = atoll.Arrays(w=pool_app.np.full(50_000, start, pool_app.np.float32))
            return list(fleet.ask(atoll.Task("train", {"model": model})))

        kept = asked(0.0)
        first = [reply.arrays["w"].copy() for reply in kept]
        only = kept[3].arrays["w"]  # the array alone holds on to its pages
        for start in range(3):
            asked(float(start))  # these are let go, and their files are written over
        assert all((reply.arrays["w"] == was).all() for reply, was in zip(kept, first, strict=True))
        del kept
        for start in range(3):
            asked(float(start))
        assert (only == first[3]).all()

    atoll.simulate(server, pool_app.client, nodes=6, workers=2, watch=Seen())


def test_a_file_is_written_over_once_its_views_are_gone_and_not_before() -> None:
    arena = Arena()
    parcel = arena.put({"model": atoll.Arrays(w=pool_app.np.ones(50_000))}, "one")
    payload = arena.take(parcel)
    assert arena.lend() == ""
    del payload
    spare = arena.lend()
    assert spare == parcel.path
    again = arena.put({"model": atoll.Arrays(w=pool_app.np.zeros(20_000))}, "two", over=spare)
    assert again.path == spare
    assert arena.take(again)["model"]["w"].shape == (20_000,)
    arena.close()
