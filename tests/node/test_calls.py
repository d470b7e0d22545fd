"""Calls at a node: taken, done, answered once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from node_world import Daemon, Death, Failed, Unfit, World, did, offer, probe

from atoll.service.node import _desk
from atoll.store import digest_bytes
from atoll.wire import Bad, Good, Manifest, Verdict

Start = Callable[..., Daemon]


def at_work() -> tuple[Callable[..., None], threading.Event, threading.Event]:
    """A worker that is at work on its call until it may go on; set when it has begun, and to be set."""
    begun, go = threading.Event(), threading.Event()

    def do(o: Any, s: Any, w: Any) -> None:
        if o:
            begun.set()
            go.wait(10)

    return do, begun, go


def test_a_call_is_done_and_answered(world: World, daemon: Start):
    node = daemon(lambda o, s, w: o and did(o, weight=3.0))
    world.ask(offer())
    (answer,) = world.answers()
    assert isinstance(answer, Good)
    assert answer.weight == 3.0
    world.until(lambda: world.polls[-1] == ({}, 1))
    assert list(node.home.outbox.rglob("*.answer")) == []


def test_a_worker_stays_for_the_next_call(world: World, daemon: Start):
    node = daemon()
    for count in range(1, 6):
        world.ask(offer(f"{count}.0.0.n", seq=count))
        world.answers(count)
    assert len(node.launcher.workers) == 1


def test_an_exception_is_answered_with_its_traceback(world: World, daemon: Start):
    daemon(lambda o, s, w: o and Failed(o.key, "raised", "ValueError: no", "Traceback ..."))
    world.ask(offer())
    assert world.answers() == [Bad(failure="raised", message="ValueError: no", traceback="Traceback ...")]


def test_an_app_that_cannot_be_loaded_fails_what_waits_for_it(world: World, daemon: Start):
    daemon(lambda o, s, w: Unfit("no module torch", "Traceback ..."))
    world.ask(offer("1.0.0.n"), offer("1.0.1.n"))
    for answer in world.answers(2):
        assert isinstance(answer, Bad)
        assert answer.failure == "raised"
        assert "no module torch" in answer.message
        assert answer.traceback == "Traceback ..."


def test_a_call_whose_worker_dies_is_given_to_another(world: World, daemon: Start):
    deaths = []

    def do(o: Any, s: Any, w: Any) -> Any:
        if o and len(deaths) < 9:
            deaths.append(w.pid)
            raise Death

    node = daemon(do)
    world.ask(offer())
    assert isinstance(world.answers()[0], Good)
    assert len(node.launcher.workers) == 10
    world.until(lambda: len([line for line in world.said if "signal SIGKILL" in line.message]) == 9)


def test_a_call_that_kills_ten_workers_is_lost(world: World, daemon: Start):
    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            raise Death

    node = daemon(do)
    world.ask(offer())
    (answer,) = world.answers()
    assert isinstance(answer, Bad)
    assert answer.failure == "lost"
    assert len(node.launcher.workers) == 10


def test_workers_that_never_come_up_are_given_up(world: World, daemon: Start):
    def do(o: Any, s: Any, w: Any) -> Any:
        raise Death

    daemon(do)
    world.ask(offer())
    (answer,) = world.answers()
    assert isinstance(answer, Bad)
    assert "before they were ready" in answer.message


def test_a_call_past_its_deadline_is_ended_with_its_worker(world: World, daemon: Start):
    hang = threading.Event()

    def do(o: Any, s: Any, w: Any) -> Any:
        if o and o.key == "1.0.0.n":
            hang.wait(10)

    node = daemon(do)
    world.ask(offer("1.0.0.n", deadline=0.1))
    (answer,) = world.answers()
    assert answer == Bad(failure="deadline", message="no answer within its deadline of 0.1 s")
    assert node.launcher.workers[0].ended.is_set()
    hang.set()
    world.ask(offer("1.0.1.n"))
    assert isinstance(world.answers(2)[1], Good)


def test_a_deadline_counts_the_start_of_the_worker_which_goes_on_for_the_next_call(
    world: World, daemon: Start
):
    imported = threading.Event()

    def do(o: Any, s: Any, w: Any) -> None:
        if o is None:
            imported.wait(10)

    node = daemon(do)
    world.ask(offer("1.0.0.n", deadline=0.1))
    (answer,) = world.answers()
    assert answer == Bad(failure="deadline", message="no answer within its deadline of 0.1 s")
    world.ask(offer("2.0.0.n", seq=2))
    imported.set()
    assert isinstance(world.answers(2)[1], Good)
    assert len(node.launcher.workers) == 1


def test_a_call_that_has_not_begun_is_dropped_when_it_is_cancelled(world: World, daemon: Start):
    go, begun = threading.Event(), []

    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            begun.append(o.key)
            go.wait(10)

    daemon(do)
    world.ask(offer("1.0.0.n"), offer("1.0.1.n"))
    world.until(lambda: len(world.polls[-1][0]) == 2)
    with world.changed:
        del world.open["r/1.0.1.n"]
    world.order(cancel=["r/1.0.0.n", "r/1.0.1.n"])
    world.until(lambda: list(world.polls[-1][0]) == ["r/1.0.0.n"])
    go.set()
    world.answers(1)
    assert begun == ["1.0.0.n"]


def test_a_call_that_nobody_wants_may_end_soon_or_is_ended(world: World, daemon: Start, monkeypatch: Any):
    """The node is free for what is wanted, and not at work for hours on what is not."""
    monkeypatch.setattr(_desk, "SOON", 0.05)
    begun, hang = threading.Event(), threading.Event()

    def do(o: Any, s: Any, w: Any) -> Any:
        if o and o.key == "1.0.0.n":
            begun.set()
            hang.wait(10)

    node = daemon(do)
    world.ask(offer("1.0.0.n"))
    assert begun.wait(5)
    world.until(lambda: world.polls[-1][0])
    with world.changed:
        world.open.clear()
    world.order(cancel=["r/1.0.0.n"])
    world.ask(offer("2.0.0.n", seq=2))
    world.answers(1)
    assert [answer.key for answer in world.accepted] == ["2.0.0.n"]
    assert node.launcher.workers[0].ended.is_set()
    assert len(node.launcher.workers) == 2
    hang.set()


def test_a_call_that_is_wanted_again_goes_on(world: World, daemon: Start, monkeypatch: Any):
    monkeypatch.setattr(_desk, "SOON", 0.3)
    do, begun, go = at_work()
    node = daemon(do)
    world.ask(offer("1.0.0.n"))
    assert begun.wait(5)
    world.until(lambda: world.polls[-1][0])
    world.order(cancel=["r/1.0.0.n"])
    polls = len(world.polls)
    world.until(lambda: len(world.polls) > polls + 1 and world.polls[-1][0])  # offered again, and in hand
    later = threading.Event()
    node.node.after(0.4, later.set)  # when what is unwanted would have been ended
    assert later.wait(5)
    go.set()
    world.answers(1)
    assert len(node.launcher.workers) == 1


def test_a_run_that_is_over_takes_its_worker_with_it(world: World, daemon: Start):
    do, begun, go = at_work()
    node = daemon(do)
    world.ask(offer())
    assert begun.wait(5)
    world.until(lambda: world.polls[-1][0])
    with world.changed:
        world.open.clear()
    world.order(drop=["r"])
    world.until(lambda: world.polls[-1] == ({}, 1))
    assert node.launcher.workers[0].ended.wait(5)
    go.set()
    assert world.accepted == []


def test_another_task_under_the_same_key_takes_its_place(world: World, daemon: Start):
    go = threading.Event()

    def do(o: Any, s: Any, w: Any) -> Any:
        if o and o.seq == 1:
            go.wait(10)
        return o and did(o, weight=float(o.seq))

    daemon(do)
    world.ask(offer(what="one", seq=1))
    world.until(lambda: world.polls[-1][0])
    world.ask(offer(what="two", seq=2))
    world.until(lambda: world.polls[-1][0] == {"r/1.0.0.n": offer(what="two").digest})
    go.set()
    (answer,) = world.answers()
    assert isinstance(answer, Good)
    assert answer.weight == 2.0


def test_no_more_calls_run_at_once_than_there_are_slots(world: World, daemon: Start):
    running, most, lock = [], [], threading.Lock()
    turn = threading.Semaphore(0)

    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            with lock:
                running.append(o.run)
                most.append(len(running))
            turn.acquire(timeout=10)
            with lock:
                running.remove(o.run)

    daemon(do, slots=2)
    world.ask(*(offer(run=f"r{i}") for i in range(5)))
    for _ in range(5):
        turn.release()
    world.answers(5)
    assert max(most) <= 2


def test_runs_take_turns(world: World, daemon: Start):
    order = []
    daemon(lambda o, s, w: o and order.append(o.run))
    world.ask(*(offer(f"1.0.{i}.n", run=run) for run in "ab" for i in range(4)))
    world.answers(8)
    assert sorted(order[2:6]) == ["a", "a", "b", "b"]


def test_idle_workers_end(world: World, daemon: Start):
    node = daemon(idle=0.05)
    world.ask(offer())
    world.answers()
    assert node.launcher.workers[0].ended.wait(5)
    world.ask(offer("2.0.0.n", seq=2))
    world.answers(2)
    assert len(node.launcher.workers) == 2


def test_the_least_used_worker_makes_room(world: World, daemon: Start):
    node = daemon(workers=2)
    for count, run in enumerate(["a", "b", "a", "c"], 1):
        world.ask(offer(f"{count}.0.0.n", run=run))
        world.answers(count)
    assert [w.ended.is_set() for w in node.launcher.workers] == [False, True, False]


def test_arrays_are_fetched_once_and_sent_from_where_the_worker_wrote_them(world: World, daemon: Start):
    model, update = b"m" * 100_000, b"u" * 100_000
    m, u = digest_bytes(model), digest_bytes(update)
    world.objects[m] = model

    def do(o: Any, s: Any, w: Any) -> Any:
        if o is None:
            return None
        path = w.spool / "out"
        path.write_bytes(update)
        return did(o, payload=Manifest(objects={u: len(update), m: len(model)}), files={u: path})

    node = daemon(do)
    for count in (1, 2):
        world.ask(offer(f"{count}.0.0.n", seq=count, round=count, task=Manifest(objects={m: len(model)})))
        world.answers(count)
        assert world.objects[u] == update
    assert world.pulled == [m]
    world.until(lambda: not world.polls[-1][0])
    assert [p for p in node.home.outbox.rglob("*") if p.is_file()] == []
    assert list(node.home.spool.rglob("out")) == []


def test_what_the_coordinator_lacks_after_all_is_sent_again(world: World, daemon: Start):
    update = b"u" * 100_000
    u = digest_bytes(update)
    world.verdict = lambda answer: Verdict(status="refused", lack=[u]) if world.replies == 1 else None

    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            (w.spool / "out").write_bytes(update)
            return did(o, payload=Manifest(objects={u: len(update)}), files={u: w.spool / "out"})
        return None

    daemon(do)
    world.ask(offer())
    world.answers()
    assert world.replies == 2


def test_a_preflight_tells_what_is_wrong(world: World, daemon: Start):
    daemon(lambda o, s, w: Unfit("no data set train", "") if w.pid else None)
    world.order(probes=[probe("one")])
    world.until(lambda: "one" in world.probes)
    world.order(probes=[probe("two")])
    world.until(lambda: "two" in world.probes)
    assert world.probes["one"] == []
    assert "no data set train" in world.probes["two"][0].message
