"""Replies that turn out not to count: refused by the program, or found unfit when they came in from a node elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from app_world import Power

import atoll
from atoll import Arrays, Mean, Schedule, Task, Update
from atoll.app import _perform
from atoll.journal import Accepted, Committed, Failed
from atoll.values import AtollError, TooFewReplies

START = Arrays(w=np.zeros(2))


def telling(bad: str = "node-1") -> atoll.ClientApp:
    """Each node answers with its number; one admits that it is nonsense."""
    app = atoll.ClientApp()

    @app.train
    def train(model: Arrays, ctx: Any) -> Update:
        number = int(ctx.node[-1])
        ctx.state["asked"] = ctx.state.get("asked", 0) + 1
        metrics = {"number": number, "bad": ctx.node == bad, "asked": ctx.state["asked"]}
        return Update(model.map(lambda a: a + number), metrics=metrics)

    return app


def summed(replies: Any) -> tuple[Arrays, Any]:
    """The mean of what isn't nonsense."""
    mean = Mean()
    for reply in replies:
        if reply.metrics["bad"]:
            reply.refuse("it says so itself")
        else:
            mean.add(reply)
    return mean.finish(), replies


def rounds(seen: list[Any], *, total: int = 2, between: Callable[[int], None] = lambda n: None) -> Any:
    def main(fleet: Any, ctx: Any) -> Arrays:
        loop = ctx.rounds(total, initial={"model": START})
        for rnd in loop:
            model, replies = summed(fleet.ask(Task("train", {"model": rnd.state["model"]})))
            seen.append(replies)
            between(rnd.number)
            rnd.commit({"model": model})
        return loop.state["model"]

    return main


@pytest.mark.parametrize("save", ["always", "auto"])
def test_a_refused_reply_is_a_failure_and_the_others_count(world: Any, save: str) -> None:
    there = world(telling(), save=save)
    seen: list[Any] = []
    history = there.go(rounds(seen))
    assert history.model["w"].tolist() == [10 / 3] * 2  # twice the mean of 0, 2 and 3
    assert [(f.node, f.kind, f.message) for f in seen[0].failures] == [
        ("node-1", "invalid", "it says so itself")
    ]
    assert seen[0].accepted == 3
    told = [(e.round, e.node, e.failure) for e in there.events(Failed)]
    assert told == [(1, "node-1", "invalid"), (2, "node-1", "invalid")]
    assert {row.node for row in history if row.metric == "number"} == {"node-0", "node-2", "node-3"}


def test_after_a_crash_it_is_refused_again_and_told_once(world: Any) -> None:
    there, seen, cuts = world(telling()), [], [2]

    def cut(number: int) -> None:
        if number in cuts:
            cuts.remove(number)
            raise Power

    with pytest.raises(Power):
        there.go(rounds(seen, between=cut))
    history = there.go(rounds(seen))
    assert history.model["w"].tolist() == [10 / 3] * 2
    assert [f.node for f in seen[-1].failures] == ["node-1"]
    assert [e.round for e in there.events(Failed)] == [1, 2]
    assert [e.round for e in there.events(Committed)] == [0, 1, 2]
    counts = [(e.node, e.metrics["asked"]) for e in there.events(Accepted) if e.round == 2]
    assert counts == [(f"node-{i}", 2) for i in range(4)], "nobody was asked again"


def test_a_run_that_failed_asks_again_when_it_is_resumed(world: Any) -> None:
    there, practice = world(telling()), [True]

    def main(fleet: Any, ctx: Any) -> Arrays:
        for rnd in ctx.rounds(1, initial={"model": START}):
            task = Task("train", {"model": rnd.state["model"]})
            for reply in fleet.ask(task, Schedule(minimum=4)):
                if reply.node == "node-1" and practice and practice.pop():
                    reply.refuse("the first try is for practice")
            rnd.commit({"model": START})
        return START

    with pytest.raises(TooFewReplies, match=r"3 of 4 nodes answered well.*the first try is for practice"):
        there.go(main)
    there.go(main)
    asked = [e.node for e in there.events(Accepted)]
    assert sorted(asked) == ["node-0", "node-1", "node-1", "node-2", "node-3"]


def test_with_fail_fast_the_first_one_ends_the_run() -> None:
    server = atoll.ServerApp()
    server.main(rounds([]))
    with pytest.raises(AtollError, match="node-1: it says so itself") as refused:
        atoll.simulate(server, telling(), nodes=4, fail_fast=True)
    assert refused.value.code == "reply.invalid"


def test_a_stream_goes_on_without_it(world: Any) -> None:
    there, got = world(telling()), []

    def main(fleet: Any, ctx: Any) -> None:
        with fleet.stream(Task("train", {"model": START}), concurrency=2) as stream:
            for reply in stream:
                if reply.metrics["bad"]:
                    reply.refuse("it says so itself")
                else:
                    got.append(reply.node)
                if len(got) == 12 and stream.failures:
                    break
        assert {f.node for f in stream.failures if f.kind == "invalid"} == {"node-1"}

    there.go(main)
    assert set(got) == {"node-0", "node-2", "node-3"}


def test_a_stream_of_nothing_else_ends(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for reply in fleet.stream(Task("train", {"model": START}), concurrency=2):
            reply.refuse("whatever it is")

    with pytest.raises(TooFewReplies, match=r"the last 12 replies of a stream all failed.*whatever it is"):
        world(telling()).go(main)


ODD = {
    "NaN": Arrays(w=np.array([1.0, np.nan])),
    "infinite": Arrays(w=np.array([np.inf, 0.0])),
    "another shape": Arrays(w=np.zeros(3)),
    "another dtype": Arrays(w=np.zeros(2, "f4")),
    "another name": Arrays(v=np.zeros(2)),
    "nothing": None,
}


def lying(odd: Arrays | None) -> atoll.ClientApp:
    """Node 1 is in somebody else's hands: it leaves out what looks at its answers."""
    app = atoll.ClientApp()

    @app.train
    def train(model: Arrays, ctx: Any) -> Update:
        return Update(odd) if ctx.node == "node-1" else Update(model.map(lambda a: a + 1))

    return app


@pytest.fixture
def nobody_looks(monkeypatch: Any) -> None:
    monkeypatch.setattr(_perform, "objection", lambda task, payload: None)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_what_a_node_elsewhere_returned_is_looked_at_where_it_comes_in(
    world: Any, nobody_looks: None, odd: Arrays | None
) -> None:
    there = world(lying(odd), save="elsewhere")

    def main(fleet: Any, ctx: Any) -> Arrays:
        replies = fleet.ask(Task("train", {"model": START}), Schedule(quorum=0.75))
        mean = Mean()
        for reply in replies:
            mean.add(reply)
        assert [(f.node, f.kind) for f in replies.failures] == [("node-1", "invalid")]
        assert replies.accepted == 3, "what is unfit makes no quorum"
        return mean.finish()

    assert there.go(main).model["w"].tolist() == [1, 1]
    assert [e.node for e in there.events(Failed)] == ["node-1"]


def test_a_stream_looks_too(world: Any, nobody_looks: None) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        with fleet.stream(Task("train", {"model": START}), concurrency=4) as stream:
            for reply in stream:
                assert np.isfinite(reply.arrays["w"]).all()
                if stream.failures:
                    break

    there = world(lying(ODD["NaN"]), save="elsewhere")
    there.go(main)
    assert {e.node for e in there.events(Failed) if e.failure == "invalid"} == {"node-1"}
