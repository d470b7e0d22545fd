"""The daemon as a process, with real workers: killed at every failpoint, told to end, started twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node_http import Process, door
from node_world import World, offer, probe

import atoll.service.node  # noqa: F401  (registers its failpoints)
from atoll.values import FAILPOINTS
from atoll.wire import Good, Offer, RunSpec, pack_bundle

CLIENT = """
import atoll

app = atoll.ClientApp()


@app.train
def train(ctx):
    done = ctx.state.get("done", 0)
    ctx.state["done"] = done + 1
    with open(ctx.site.ledger, "a") as ledger:
        ledger.write(f"{ctx.round}\\n")
    return atoll.Update(weight=1.0, metrics={"done": done, "beds": ctx.site.beds})
"""
POINTS = sorted(name for name in FAILPOINTS if name.startswith("node."))


@pytest.fixture
def place(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A daemon beside a world; the parameter, if there is one, is the failpoint that kills it."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text('[tool.atoll]\nserver = "client:app"\nclient = "client:app"\n')
    (app / "client.py").write_text(CLIENT)
    bundle = pack_bundle(app)
    config = {"beds": 120, "ledger": str(tmp_path / "ledger")}
    failpoint = getattr(request, "param", "")
    with (
        door(world, bundle.body) as url,
        Process(tmp_path, url, failpoint=failpoint, config=config) as daemon,
    ):
        daemon.spec = RunSpec(run="r", name="r", federation="f", bundle=bundle.digest, client="client:app")  # type: ignore[attr-defined]
        yield daemon


def _call(place: Any, round: int) -> Offer:
    return offer(f"{round}.0.0.n", seq=round, round=round, state_after=round - 1, wants=place.spec)


def _round(world: World, place: Any, round: int) -> Good:
    world.ask(_call(place, round))
    world.until(lambda: len(world.accepted) >= round, 30)
    answer = world.accepted[round - 1].outcome
    assert isinstance(answer, Good), answer
    return answer


def test_state_and_site_reach_the_client(world: World, place: Any):
    assert [_round(world, place, r).metrics for r in (1, 2, 3)] == [
        {"done": d, "beds": 120} for d in (0, 1, 2)
    ]


@pytest.mark.parametrize("place", [f"{point}:2" for point in POINTS], indirect=True, ids=POINTS)
def test_a_kill_at_a_failpoint_loses_nothing_and_counts_nothing_twice(world: World, place: Any):
    done = [_round(world, place, r).metrics["done"] for r in (1, 2, 3, 4)]
    assert done == [0, 1, 2, 3]
    assert place.exits == [-signal.SIGKILL]
    assert [a.key for a in world.accepted] == [f"{r}.0.0.n" for r in (1, 2, 3, 4)]


def test_a_killed_worker_is_replaced(world: World, place: Any):
    _round(world, place, 1)
    (worker,) = _children(place.child.pid)
    os.kill(worker, signal.SIGKILL)
    assert _round(world, place, 2).metrics["done"] == 1


def test_the_end_is_orderly(world: World, place: Any):
    _round(world, place, 1)
    (worker,) = _children(place.child.pid)
    assert place.end() == 0
    assert not Path(f"/proc/{worker}").exists()


def test_a_second_daemon_in_one_home_says_why_it_ends(world: World, place: Any, tmp_path: Path):
    _round(world, place, 1)
    command = [sys.executable, "-m", "atoll.service.node", str(tmp_path / "settings.json")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert found.returncode == 1
    assert "another node runs in" in found.stderr
    assert "mend:" in found.stderr


def test_a_preflight_loads_the_app(world: World, place: Any):
    world.order(probes=[type(probe())(id="p", spec=place.spec)])
    world.until(lambda: "p" in world.probes, 20)
    assert world.probes["p"] == []


def test_a_daemon_is_small(world: World, place: Any):
    _round(world, place, 1)
    status = Path(f"/proc/{place.child.pid}/status").read_text()
    (resident,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 80 << 10


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(c) for task in tasks for c in (task / "children").read_text().split()]
