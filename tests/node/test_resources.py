"""What an owner gives is what tasks get: CPUs and slots for a call, GPUs and memory for a worker, in turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from node_world import Daemon, World, offer, probe, spec

from atoll.wire import Bad, Good

Start = Callable[..., Daemon]
SIGHT = "CUDA_VISIBLE_DEVICES"


class Work:
    """What workers do: each call waits until the test lets its run go on."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.begun: list[str] = []
        self.running: list[str] = []
        self.most = 0
        self._passes: dict[str, int] = {}

    def __call__(self, offer: Any, state: Any, worker: Any) -> Any:
        if offer is None:
            return None
        with self.changed:
            self.begun.append(f"{offer.run} {offer.key[0]}")
            self.running.append(offer.run)
            self.most = max(self.most, len(self.running))
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self._passes.get(offer.run, 0) > 0, 10)
            self._passes[offer.run] -= 1
            self.running.remove(offer.run)
        return None

    def go(self, run: str, calls: int = 1) -> None:
        with self.changed:
            self._passes[run] = self._passes.get(run, 0) + calls
            self.changed.notify_all()

    def until(self, *running: str) -> None:
        """Wait until calls of exactly these runs are under way."""
        with self.changed:
            assert self.changed.wait_for(lambda: sorted(self.running) == sorted(running), 10), self.running


def wants(run: str, number: int = 1, **needs: Any) -> Any:
    return offer(f"{number}.0.0.n", run=run, seq=number, wants=spec(run, **needs))


def test_no_more_calls_run_at_once_than_there_are_cpus(world: World, daemon: Start):
    work = Work()
    daemon(work, slots=6, resources={"cpus": 2.5})
    world.ask(*(wants(f"r{i}") for i in range(4)), wants("half", cpus=0.5))
    for run in ["r0", "r1", "r2", "r3", "half"]:
        work.go(run)
    world.answers(5)
    assert work.most <= 3


def test_a_large_task_is_not_starved_by_small_ones(world: World, daemon: Start):
    work = Work()
    daemon(work, slots=8, resources={"cpus": 2})
    for number, run in enumerate(["a", "b", "large"], 1):  # their workers are warm
        work.go(run)
        world.ask(wants(run, cpus=2 if run == "large" else 1))
        world.answers(number)
    world.ask(wants("a", 2), wants("b", 2))
    work.until("a", "b")
    world.ask(wants("large", 2, cpus=2))
    world.until(lambda: "large/2.0.0.n" in world.polls[-1][0])
    world.ask(wants("a", 3), wants("b", 3))
    world.until(lambda: len(world.polls[-1][0]) == 5)
    work.go("a")
    world.answers(4)
    work.until("b")
    work.go("b")
    work.until("large")
    work.go("large")
    work.until("a", "b")
    work.go("a")
    work.go("b")
    world.answers(8)
    assert work.begun[5] == "large 2"


def test_small_tasks_go_on_beside_a_large_one_that_waits_for_what_they_do_not_need(
    world: World, daemon: Start
):
    work = Work()
    daemon(work, slots=8, workers=8, resources={"cpus": 8, "gpus": 1})
    world.ask(wants("a", gpus=1))
    work.until("a")
    world.ask(wants("b", gpus=1))
    world.until(lambda: "b/1.0.0.n" in world.polls[-1][0])
    world.ask(wants("c"))
    work.until("a", "c")
    for run in "abc":
        work.go(run)
    assert all(isinstance(answer, Good) for answer in world.answers(3))


def test_each_worker_sees_gpus_of_its_own(world: World, daemon: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(SIGHT, raising=False)
    work = Work()
    node = daemon(work, slots=4, resources={"cpus": 4, "gpus": 3})
    world.ask(wants("a", gpus=1))
    work.until("a")
    world.ask(wants("b", gpus=2))
    work.until("a", "b")
    world.ask(wants("c"))
    work.until("a", "b", "c")
    assert [w.variables[SIGHT] for w in node.launcher.workers] == ["0", "1,2", "-1"]
    for run in "abc":
        work.go(run)
    world.answers(3)


def test_an_idle_worker_leaves_its_gpu_to_a_run_that_needs_one(world: World, daemon: Start):
    node = daemon(resources={"gpus": 1})
    world.ask(wants("a", gpus=1))
    world.answers(1)
    world.ask(wants("c"))
    world.answers(2)
    assert not node.launcher.workers[0].ended.is_set()
    world.ask(wants("b", gpus=1))
    world.answers(3)
    assert [w.ended.is_set() for w in node.launcher.workers] == [True, False, False]


def test_a_gpu_is_free_once_the_process_that_had_it_is_gone(world: World, daemon: Start):
    lingers = threading.Event()

    def do(o: Any, s: Any, w: Any) -> None:
        if w.pid == 0:
            w.last = lambda: lingers.wait(10)

    node = daemon(do, resources={"gpus": 1})
    world.ask(wants("a", gpus=1))
    world.answers(1)
    world.ask(wants("b", gpus=1))
    world.until(lambda: "b/1.0.0.n" in world.polls[-1][0])
    assert node.launcher.workers[0].ended.wait(5)
    assert len(node.launcher.workers) == 1
    lingers.set()
    world.answers(2)
    assert len(node.launcher.workers) == 2


@pytest.mark.parametrize("scarce", ["gpus", "memory", "workers"])
def test_a_worker_that_had_its_turn_makes_way_for_another_run(world: World, daemon: Start, scarce: str):
    work = Work()
    one = {"gpus": {"gpus": 1}, "memory": {"memory": 600}, "workers": {}}[scarce]
    daemon(work, slots=1, workers=1, turn=0.0, resources={"cpus": 4, "gpus": 1, "memory": 1000})
    world.ask(*(wants("a", n, **one) for n in (1, 2)))
    work.until("a")
    world.ask(wants("b", **one))
    world.until(lambda: len(world.polls[-1][0]) == 3)
    work.go("a", 2)
    work.go("b")
    world.answers(3)
    assert work.begun == ["a 1", "b 1", "a 2"]


def test_a_worker_is_not_ended_for_another_run_before_it_had_its_turn(world: World, daemon: Start):
    work = Work()
    node = daemon(work, slots=1, turn=60.0, resources={"cpus": 4, "gpus": 1})
    world.ask(*(wants("a", n, gpus=1) for n in (1, 2)))
    work.until("a")
    world.ask(wants("b", gpus=1))
    world.until(lambda: len(world.polls[-1][0]) == 3)
    work.go("a", 2)
    work.go("b")
    world.answers(3)
    assert work.begun == ["a 1", "a 2", "b 1"]
    assert len(node.launcher.workers) == 2


def test_workers_hold_no_more_memory_than_there_is(world: World, daemon: Start):
    node = daemon(resources={"memory": 1000})
    for number, run in enumerate(["a", "b", "c", "a"], 1):
        world.ask(wants(run, number, memory=400))
        world.answers(number)
    assert [w.ended.is_set() for w in node.launcher.workers] == [True, True, False, False]


class Books:
    """What runs lie on at each moment, by the workers' own word."""

    def __init__(self, needs: dict[str, Any]) -> None:
        self._needs, self._lock = needs, threading.Lock()
        self._alive: dict[int, tuple[str, list[str]]] = {}
        self._running: list[str] = []
        self.wrong: list[str] = []

    def __call__(self, offer: Any, state: Any, worker: Any) -> None:
        with self._lock:
            if offer is None:
                sight = worker.variables[SIGHT]
                self._alive[worker.pid] = worker.run, [] if sight == "-1" else sight.split(",")
                worker.last = lambda: self._alive.pop(worker.pid)
            else:
                self._running.append(offer.run)
            self._compare()
        if offer is not None:
            worker.ended.wait(0.001)  # as long as it takes
            with self._lock:
                self._running.remove(offer.run)

    def _compare(self) -> None:
        alive = list(self._alive.values())
        seen = [device for _, devices in alive for device in devices]
        held = {
            "the same GPU twice": len(seen) - len(set(seen)),
            "another number of GPUs": sum(len(d) != self._needs[r].get("gpus", 0) for r, d in alive),
            "CPUs": sum(self._needs[run]["cpus"] for run in self._running) > 4,
            "memory": sum(self._needs[run].get("memory", 0) for run, _ in alive) > 1000,
            "slots": len(self._running) > 3,
        }
        self.wrong += [what for what, wrong in held.items() if wrong]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_nothing_is_given_twice_and_all_is_done(world: World, daemon: Start, seed: int):
    random = Random(seed)
    needs = {
        f"r{i}": {"cpus": random.choice([0.5, 1, 2, 4]), "gpus": random.choice([0, 0, 1, 2]), "memory": random.choice([0, 300, 900])}
        for i in range(7)
    }  # fmt: skip
    books = Books(needs)
    daemon(
        books, slots=3, workers=3, turn=random.choice([0.0, 0.01, 60.0]),
        resources={"cpus": 4, "gpus": 2, "memory": 1000},
    )  # fmt: skip
    calls = [wants(run, number, **needs[run]) for number in range(1, 6) for run in needs]
    random.shuffle(calls)
    while calls:
        some = random.randint(1, 9)
        world.ask(*calls[:some])
        calls = calls[some:]
        world.until(lambda: len(world.open) < 9, 30)
    world.until(lambda: len(world.accepted) == 35, 30)
    assert all(isinstance(a.outcome, Good) for a in world.accepted)
    assert books.wrong == []


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({"cpus": 9}, "9 CPUs (this node gives 2)"),
        ({"gpus": 2}, "2 GPUs (this node gives 1)"),
        ({"memory": 5_000_000_000}, "5 GB of memory (this node gives 4 GB)"),
    ],
    ids=["cpus", "gpus", "memory"],
)
def test_a_task_that_never_fits_is_refused_at_once_and_found_by_a_preflight(
    world: World, daemon: Start, needs: Any, words: str
):
    node = daemon(resources={"cpus": 2, "gpus": 1, "memory": 4_000_000_000})
    world.ask(wants("a", **needs))
    (answer,) = world.answers()
    assert isinstance(answer, Bad)
    assert answer.failure == "refused"
    assert answer.message == f"this node is too small for the app: one task needs {words}"
    assert node.launcher.workers == []
    world.order(probes=[probe("p", spec("check", **needs))])
    world.until(lambda: "p" in world.probes)
    (problem,) = world.probes["p"]
    assert problem.code == "node.too-small"
    assert problem.message == f"one task needs {words}"
