"""A server app over the wire: what it computes is what it computes in simulation, whatever is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_desk import Cut, Desk

from atoll import Arrays, ClientApp, Mean, Schedule, ServerApp, Task, Update
from atoll.app import Bench
from atoll.journal import (
    Accepted,
    Created,
    Diverged,
    Failed,
    Finished,
    History,
    Logged,
    MemoryJournal,
    Offered,
)
from atoll.runtime import InProcess, drive
from atoll.service.host._attempt import Attempt
from atoll.service.host._conversation import Conversation
from atoll.service.host._journal import WireJournal
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.store import MemoryStore
from atoll.values import AtollError, Config, JournalError
from atoll.wire import Attend, Attended


def clients() -> ClientApp:
    app = ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        ctx.state["visits"] = ctx.state.get("visits", 0) + 1
        new = model.map(lambda a: a * 0.5 + ctx.rng.normal(size=a.shape) + ctx.state["visits"])
        return Update(new, weight=1 + ctx.rng.integers(5), metrics={"visits": ctx.state["visits"]})

    @app.evaluate
    def evaluate(model: Any) -> dict[str, float]:
        return {"mean": float(model["w"].mean())}

    return app


def averaging(size: int = 100, rounds: int = 3, **schedule: Any) -> Callable[..., Any]:
    def main(fleet: Any, ctx: Any) -> Arrays:
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(size))})))
        loop = ctx.rounds(rounds, initial={"model": Arrays(w=np.zeros(size), b=np.ones(3))})
        for rnd in loop:
            mean = Mean()
            for reply in fleet.ask(Task("train", {"model": rnd.state["model"]}), Schedule(**schedule)):
                mean.add(reply)
            state = {"model": mean.finish()}
            values = [r.metrics["mean"] for r in fleet.ask(Task("evaluate", state))]
            rnd.commit(state, metrics={"mean": float(np.mean(values))})
        return loop.state["model"]

    return main


def attempt(desk: Desk) -> Attempt:
    attended = desk.call("POST", "/v1/runs/run/attend", Attend(), Attended)
    packing = Packing(desk.push)
    talk = Conversation(desk, "run", attended.fence, send_again=packing.send_again)
    objects = Objects(MemoryStore(), desk.pull)
    return Attempt(attended.spec, WireJournal(desk, "run", talk, packing, objects), talk, packing, objects)


def deployed(desk: Desk, main: Callable[..., Any]) -> History:
    server = ServerApp()
    server.main(main)
    attempt(desk).run(server)
    return history(desk)


def history(desk: Desk) -> History:
    return History.of(attempt(desk).journal, "run")


def simulated(client: ClientApp, created: Created, main: Callable[..., Any]) -> History:
    journal, server = MemoryJournal(), ServerApp()
    server.main(main)
    journal.create(created)
    bench = lambda: Bench(Config(created.config))  # noqa: E731
    return drive(journal, created.id, server, lambda record: InProcess(client, bench))


@pytest.mark.parametrize("size", [100, 100_000], ids=["inline", "objects"])
def test_a_deployed_run_equals_the_simulation_to_the_bit(size: int) -> None:
    desk = Desk(clients())
    found, expected = deployed(desk, averaging(size)), simulated(clients(), desk.created, averaging(size))
    assert found.status == "finished"
    assert found.model == expected.model
    timeless = lambda h: [(r.round, r.node, r.phase, r.metric, r.value) for r in h if r.metric != "seconds"]  # noqa: E731
    assert timeless(found) == timeless(expected)


def cutting(desk: Desk, number: int, moment: str) -> None:
    """Cut the power at the request of that number, before it was taken in or after."""
    left = [number]

    def cut(say: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            desk.cut = True
            raise Cut

    setattr(desk, moment, cut)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_server_app_killed_at_any_request_goes_on_to_the_same_end_and_asks_nothing_twice(
    moment: str,
) -> None:
    expected, number, cuts = simulated(clients(), Desk(clients()).created, averaging()).model, 0, True
    while cuts:
        desk, number, cuts = Desk(clients()), number + 1, False
        cutting(desk, number, moment)
        try:
            deployed(desk, averaging())
        except Cut:
            cuts = True
            found = deployed(desk, averaging())
            assert found.status == "finished"
            assert found.model == expected, number
        assert len(set(desk.performed)) == len(desk.performed), f"cut {moment} request {number}"
    assert number > 10


def test_what_was_asked_differently_is_void_and_asked_again() -> None:
    def asking(value: float, fail: bool) -> Callable[..., Any]:
        def main(fleet: Any, ctx: Any) -> Arrays:
            for rnd in ctx.rounds(1, initial={"model": Arrays(w=np.zeros(2))}):
                mean = Mean()
                for reply in fleet.ask(Task("shift", {"model": Arrays(w=np.full(2, value))})):
                    mean.add(reply)
                if fail:
                    raise ValueError("power")
                rnd.commit({"model": mean.finish()})
            return rnd.next_state["model"]

        return main

    app = ClientApp()
    app._register("shift", lambda model: Update(model.map(lambda a: a + 1)))
    desk = Desk(app)
    with pytest.raises(ValueError):
        deployed(desk, asking(1, True))
    found = deployed(desk, asking(5, False))
    assert float(found.model["w"][0]) == 6
    assert [e for e in desk.events if isinstance(e, Diverged)]
    assert len(desk.performed) == 8


def test_a_quorum_cancels_the_others() -> None:
    desk = Desk(clients(), nodes=5)
    desk.asleep = {"node-1", "node-3"}

    def main(fleet: Any, ctx: Any) -> None:
        ctx.nodes = [
            r.node for r in fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(3))}), Schedule(quorum=3))
        ]
        assert ctx.nodes == ["node-0", "node-2", "node-4"]

    assert deployed(desk, main).status == "finished"
    assert [k for s in desk.said for k in s.cancel] == ["0.0.0.node-1", "0.0.0.node-3"]


def test_a_run_is_stopped_when_the_coordinator_asks_and_goes_on_later() -> None:
    desk = Desk(clients())
    count = [0]

    def after(say: Any) -> None:
        count[0] += 1
        desk.stop = count[0] == 6

    desk.after = after
    assert deployed(desk, averaging()).status == "stopped"
    found = deployed(desk, averaging())
    assert found.status == "finished"
    assert found.model == simulated(clients(), desk.created, averaging()).model


def test_a_program_that_raises_is_journaled_with_its_traceback_and_who_failed_is_asked_again() -> None:
    app, broken = ClientApp(), [True]

    @app.evaluate
    def evaluate(model: Any, ctx: Any) -> dict[str, float]:
        if broken[0]:
            raise RuntimeError("no data")
        return {"a": 1.0}

    def main(fleet: Any, ctx: Any) -> None:
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(3))})))

    desk = Desk(app)
    with pytest.raises(Exception, match="no data"):
        deployed(desk, main)
    end = desk.events[-1]
    assert isinstance(end, Finished)
    assert (end.status, end.reason["code"]) == ("failed", "round.too-few-replies")
    assert "RuntimeError: no data" in end.reason["traceback"]
    broken[0] = False
    assert deployed(desk, main).status == "finished"


def test_a_fenced_program_ends_and_says_nothing_more() -> None:
    desk = Desk(clients())
    before = []

    def main(fleet: Any, ctx: Any) -> None:
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(3))})))
        desk.fence += 1
        before.extend(desk.events)
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(3))})))

    with pytest.raises(JournalError) as fenced:
        deployed(desk, main)
    assert fenced.value.code == "run.fenced"
    assert desk.events == before


def test_lines_of_a_computing_program_are_told_after_a_moment() -> None:
    desk, seen = Desk(clients()), threading.Event()
    desk.after = lambda say: seen.set() if any(isinstance(e, Logged) for e in desk.events) else None

    def main(fleet: Any, ctx: Any) -> None:
        ctx.log("thinking")
        assert seen.wait(10), "nobody spoke"

    deployed(desk, main)


def test_a_model_is_pushed_once_and_a_round_is_few_requests() -> None:
    desk = Desk(clients(), nodes=2)
    deployed(desk, averaging(100_000, rounds=4))
    assert len(desk.pushed) == len(set(desk.pushed)) == 1 + 2 * 5, (
        "the first evaluation's; large and small arrays of the initial model and of each round"
    )
    rounds = [s for s in desk.said if any(c.round == 3 for c in s.calls)]
    assert [len(s.calls) for s in rounds] == [2, 2]
    assert [len(s.tasks) for s in rounds] == [1, 1]
    assert len(desk.said) <= 3 * 4 + 4


def test_a_request_that_was_cut_off_is_sent_again_as_it_was() -> None:
    desk = Desk(clients())
    cut = [4]

    def after(say: Any) -> None:
        cut[0] -= 1
        if cut[0] == 0:
            raise KeyboardInterrupt

    desk.after = after
    assert deployed(desk, averaging()).status == "stopped"
    offered = [e for e in desk.events if isinstance(e, Offered)]
    assert len({(e.round, e.ordinal) for e in offered}) == len(offered)
    again = [s.at for s in desk.said]
    assert again[3] == again[4]
    assert deployed(desk, averaging()).model == simulated(clients(), desk.created, averaging()).model


def buffered(rounds: int, seen: list[Any]) -> Callable[..., Any]:
    """FedBuff, Nguyen et al. 2022, arXiv:2106.06639."""

    def main(fleet: Any, ctx: Any) -> Arrays:
        loop = ctx.rounds(rounds, initial={"model": Arrays(w=np.zeros(3))})
        with fleet.stream(Task("train", {"model": loop.state["model"]}), concurrency=3) as stream:
            replies = iter(stream)
            for rnd in loop:
                model, got = rnd.state["model"], []
                for _ in range(2):
                    reply = next(replies)
                    got.append((rnd.number, reply.index, reply.node, reply.metrics["visits"]))
                    model = model.map(lambda a, b: (a + b) / 2, reply.arrays)
                rnd.commit({"model": model})
                seen.extend(got)
                stream.send(Task("train", {"model": model}))
        return loop.state["model"]

    return main


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_stream_cut_off_loses_nothing_and_reads_nothing_twice(moment: str) -> None:
    number, cuts = 0, True
    while cuts:
        desk, number, cuts = Desk(clients(), nodes=6), number + 1, False
        cutting(desk, number, moment)
        seen: list[Any] = []
        try:
            deployed(desk, buffered(5, seen))
        except Cut:
            cuts = True
            found = deployed(desk, buffered(5, seen))
            assert found.status == "finished"
            rows = sorted((r.round, r.node, r.value) for r in found if r.metric == "visits")
            committed = {(n, i): (n, node, v) for n, i, node, v in seen}  # a round cut off is read again
            assert rows == sorted(committed.values()), f"cut {moment} request {number}"
            assert len({i for _, i in committed}) == len(committed) == 10
        assert len(set(desk.performed)) == len(desk.performed)
        accepted = [e.index for e in desk.events if isinstance(e, Accepted)]
        assert len(set(accepted)) == len(accepted)
        assert not [e for e in desk.events if isinstance(e, Failed)]
    assert number > 5


def test_replies_to_what_an_earlier_attempt_asked_are_as_stale_as_they_are() -> None:
    """Each task carries its number, so that what is told of staleness can be compared with what was sent."""
    app, stale, nothing = ClientApp(), 0, Arrays(w=np.zeros(3))

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        return Update(model, metrics={"number": ctx.config.number})

    def main(fleet: Any, ctx: Any) -> Arrays:
        nonlocal stale
        loop = ctx.rounds(6, initial={"model": nothing})
        begun = number = int(loop.state["model"]["w"][0])
        task = lambda: Task("train", {"model": nothing}, {"number": number})  # noqa: E731
        with fleet.stream(task(), concurrency=4) as stream:
            replies = iter(stream)
            for rnd in loop:
                for _ in range(2):
                    reply = next(replies)
                    sent = int(reply.metrics["number"])
                    assert max(begun, sent) - sent <= reply.staleness <= number - sent
                    stale += sent < begun
                rnd.commit({"model": rnd.state["model"].map(lambda a: a + 1)})
                number = rnd.number
                stream.send(task())
        return loop.state["model"]

    request, cut = 0, True
    while cut:
        desk, request, cut = Desk(app, nodes=6), request + 1, False
        cutting(desk, request, "after")
        try:
            deployed(desk, main)
        except Cut:
            cut = True
            assert deployed(desk, main).status == "finished", f"cut after request {request}"
    assert stale > 5, "replies to what an earlier attempt had asked were among them"


def test_objects_that_were_swept_before_anything_named_them_are_sent_again() -> None:
    desk, swept = Desk(clients()), [False]

    def before(say: Any) -> None:
        lacking = {d for m in say.objects.values() for d in m.objects} - set(desk.store.digests())
        if lacking:
            raise AtollError("object.missing", "upload them")
        if any(c.round == 2 for c in say.calls) and not swept[0]:
            swept[0] = True
            for digest in list(say.tasks[0].payload.objects):
                desk.store.remove(digest)
            raise AtollError("object.missing", "upload them")

    desk.before = before
    found = deployed(desk, averaging(100_000))
    assert swept[0]
    assert found.model == simulated(clients(), desk.created, averaging(100_000)).model


def test_a_reply_that_came_too_late_to_count_is_told_as_late() -> None:
    desk = Desk(clients(), nodes=2)

    def main(fleet: Any, ctx: Any) -> None:
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(3))}), Schedule(quorum=1)))

    found = deployed(desk, main)
    late = [e for e in desk.events if isinstance(e, Failed)]
    assert [(e.node, e.failure) for e in late] == [("node-1", "late")]
    assert {r.node for r in found} == {"node-0"}
