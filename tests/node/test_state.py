"""What a node keeps of ctx.state: a version for each call that changed it, and the one that each offer names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from node_world import Daemon, World, did, offer

from atoll.wire import Bad, Good, Unreachable, Verdict

Start = Callable[..., Daemon]


def _counting(o: Any, state: Any, worker: Any) -> Any:
    if o is None:
        return None
    before = int(state.read_text()) if state else 0
    written = worker.spool / "state"
    written.write_text(str(before + 1))
    return did(o, weight=float(before), state=written)


def _weights(world: World, count: int) -> list[float]:
    return [a.weight for a in world.answers(count) if isinstance(a, Good)]


def test_a_task_begins_from_the_state_that_its_offer_names(world: World, daemon: Start):
    daemon(_counting)
    world.ask(offer("1.0.0.n", seq=1))
    world.answers(1)
    world.ask(offer("2.0.0.n", seq=2, round=2, state_after=1))
    world.answers(2)
    world.ask(offer("2.1.0.n", seq=3, round=2, state_after=1))
    assert _weights(world, 3) == [0.0, 1.0, 1.0]


def test_state_outlives_the_daemon(world: World, daemon: Start):
    first = daemon(_counting)
    world.ask(offer("1.0.0.n", seq=1))
    world.answers(1)
    first.crash()
    daemon(_counting)
    world.ask(offer("2.0.0.n", seq=2, round=2, state_after=1))
    assert _weights(world, 2) == [0.0, 1.0]


def test_the_state_of_a_reply_that_came_too_late_goes_with_the_next_round(world: World, daemon: Start):
    node = daemon(_counting)
    world.verdict = lambda answer: Verdict(status="late") if answer.key == "1.0.0.n" else None
    world.ask(offer("1.0.0.n", seq=1))
    world.until(lambda: world.replies)
    with world.changed:
        world.open.clear()
    world.until(lambda: not world.polls[-1][0])
    world.ask(offer("2.0.0.n", seq=2, round=2))
    assert _weights(world, 1) == [0.0]
    world.until(lambda: not world.polls[-1][0])
    assert [p.name for p in (node.home.states / "r").iterdir()] == ["2"]


def test_a_reply_that_was_accepted_before_it_was_told_to_be_late_keeps_its_state(world: World, daemon: Start):
    daemon(_counting)
    world.verdict = lambda answer: Verdict(status="late") if answer.key == "1.0.0.n" else None
    world.ask(offer("1.0.0.n", seq=1))
    world.until(lambda: world.replies)
    with world.changed:
        world.open.clear()
    world.ask(offer("2.0.0.n", seq=2, round=2, state_after=1))
    assert _weights(world, 1) == [1.0]


def test_versions_of_committed_rounds_go(world: World, daemon: Start):
    node = daemon(_counting)
    for number in range(1, 8):
        world.ask(offer(f"{number}.0.0.n", seq=number, round=number, state_after=number - 1))
        world.answers(number)
    world.until(lambda: not world.polls[-1][0])
    assert {int(p.name) for p in (node.home.states / "r").iterdir()} == {6, 7}
    world.order(remove=["r"])
    world.until(lambda: not (node.home.states / "r").exists())


def test_a_node_says_which_runs_it_has_forgotten_until_it_is_heard(world: World, daemon: Start):
    ordered, lost = threading.Event(), threading.Event()

    def refuse(what: str) -> None:
        if what == "poll" and ordered.is_set() and not world.orders and not lost.is_set():
            lost.set()
            raise Unreachable("wire.unreachable", "the first poll after the order is lost", "wait")

    daemon(_counting)
    world.refuse = refuse
    with world.changed:
        world.order(remove=["r", "s"])
        ordered.set()
    world.until(lambda: ["r", "s"] in world.removed and world.removed[-1] == [])
    assert lost.is_set()
    assert world.removed.count(["r", "s"]) == 1


def test_a_state_that_is_gone_is_not_taken_for_a_new_one(world: World, daemon: Start):
    daemon(_counting)
    world.ask(offer("5.0.0.n", seq=5, state_after=4))
    (answer,) = world.answers()
    assert isinstance(answer, Bad)
    assert "has lost what it kept after call 4" in answer.message


def test_a_call_waits_for_the_verdict_on_the_one_whose_state_it_begins_from(world: World, daemon: Start):
    late = threading.Event()
    node = daemon(_counting)
    world.refuse = lambda what: what == "reply-accepted" and not late.wait(10) and None
    world.ask(offer("1.0.0.n", seq=1))
    world.answers(1)
    world.ask(offer("2.0.0.n", seq=2, round=2, state_after=1))
    world.until(lambda: "r/2.0.0.n" in world.polls[-1][0])
    assert [p.name for p in (node.home.states / "r").iterdir()] == ["1.new"]
    late.set()
    assert _weights(world, 2) == [0.0, 1.0]


def test_a_call_done_twice_does_not_take_the_place_of_the_one_that_counts(world: World, daemon: Start):
    node = daemon(_counting)
    world.ask(offer("1.0.0.n", seq=1))
    world.answers(1)
    world.until(lambda: not world.polls[-1][0])
    kept = (node.home.states / "r" / "1").read_text()
    world.verdict = lambda answer: Verdict(status="refused", message="another reply counts")
    world.order(offers=[offer("1.0.0.n", seq=1, config={"again": True})])
    world.until(lambda: world.replies == 2)
    world.until(lambda: not world.polls[-1][0])
    assert [(p.name, p.read_text()) for p in (node.home.states / "r").iterdir()] == [("1", kept)]
