"""A stream: nodes are kept busy, replies come as they come, and a resumed one goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from app_world import Power

from atoll import Arrays, ClientApp, Schedule, Task, Update
from atoll.journal import Accepted, Failed
from atoll.values import ConfigError, TooFewReplies

MODEL = Arrays(w=np.zeros(3))
BUFFER = 3


def clients(ledger: list[str], bad: set[str] | None = None) -> ClientApp:
    app = ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        if bad and ctx.node in bad:
            raise ValueError("no")
        ctx.state["visits"] = ctx.state.get("visits", 0) + 1
        ledger.append(f"{ctx.node} {ctx.state['visits']}")
        return Update(
            model.map(lambda a: a * 0.5 + ctx.rng.normal(size=3)), metrics={"visits": ctx.state["visits"]}
        )

    return app


def buffered(
    rounds: int = 4, *, cut: tuple[int, int] | None = None, seen: list[Any] | None = None
) -> Callable[..., Any]:
    """FedBuff, Nguyen et al. 2022, arXiv:2106.06639: a step for every few replies, older ones count less."""

    def main(fleet: Any, ctx: Any) -> Arrays:
        loop = ctx.rounds(rounds, initial={"model": MODEL})
        with fleet.stream(Task("train", {"model": loop.state["model"]}), concurrency=3) as stream:
            replies = iter(stream)
            for rnd in loop:
                model = rnd.state["model"]
                for number in range(BUFFER):
                    if (rnd.number, number) == cut:
                        raise Power
                    reply = next(replies)
                    if seen is not None:
                        seen.append((rnd.number, reply.node, reply.staleness))
                    model = model.map(lambda a, b, s=reply.staleness: a + b / (1 + s) / BUFFER, reply.arrays)
                rnd.commit({"model": model})
                stream.send(Task("train", {"model": model}))
        return loop.state["model"]

    return main


def test_a_stream_keeps_nodes_busy_and_tells_how_stale_a_reply_is(world: Any) -> None:
    seen: list[Any] = []
    world(clients([]), nodes=6).go(buffered(seen=seen))
    assert len(seen) == 12
    assert {s for _, _, s in seen} <= {0, 1, 2}
    assert max(s for _, _, s in seen) > 0
    assert len({node for _, node, _ in seen}) > 2


@pytest.mark.parametrize("save", ["always", "auto"])
@pytest.mark.parametrize("cut", [(1, 0), (1, 2), (2, 1), (3, 0), (4, 2)], ids=str)
def test_a_stream_cut_off_goes_on_with_the_replies_it_had_in_their_order(
    world: Any, cut: tuple[int, int], save: str
) -> None:
    first: list[Any] = []
    second: list[Any] = []
    ledger: list[str] = []
    run = world(clients(ledger), nodes=6, save=save)
    with pytest.raises(Power):
        run.go(buffered(cut=cut, seen=first))
    accepted = [(e.round, e.node, e.staleness) for e in run.events(Accepted)]
    found = run.go(buffered(seen=second))
    again = [s for s in second if s[0] == cut[0]]
    kept = [s for s in first if s[0] == cut[0]]
    if save == "always":
        assert accepted == first
        assert again[: len(kept)] == kept, "replayed in journaled order, as stale as they were"
        assert len(second) == 12 - (cut[0] - 1) * BUFFER
    assert [r["round"] for r in found.rounds()] == [1, 2, 3, 4]
    visits: dict[str, list[int]] = {}
    for r in found:
        if r.metric == "visits":
            visits.setdefault(r.node, []).append(int(r.value))
    assert all(sorted(v) == list(range(1, len(v) + 1)) for v in visits.values()), (
        "no state was applied twice or lost"
    )


def test_a_stream_with_bad_nodes_goes_on_with_the_good_ones(world: Any) -> None:
    run = world(clients([], {"node-0", "node-1"}), nodes=6)
    found = run.go(buffered())
    assert {r.node for r in found if r.metric == "visits"} <= {f"node-{n}" for n in range(2, 6)}
    assert {e.node for e in run.events(Failed) if e.failure == "raised"} <= {"node-0", "node-1"}


def test_a_stream_that_nobody_answers_ends_with_the_reason(world: Any) -> None:
    run = world(clients([], {f"node-{n}" for n in range(4)}))
    with pytest.raises(
        TooFewReplies, match=r"replies of a stream all failed; node-. raised: ValueError: no"
    ) as few:
        run.go(buffered())
    assert few.value.failures


def test_a_stream_that_is_closed_asks_nobody(world: Any) -> None:
    ledger: list[str] = []

    def main(fleet: Any, ctx: Any) -> None:
        stream = fleet.stream(Task("train", {"model": MODEL}), concurrency=100)
        next(iter(stream))
        stream.close()
        assert list(stream) == []
        list(fleet.ask(Task("train", {"model": MODEL}), Schedule(count=1)))

    world(clients(ledger)).go(main)
    assert len(ledger) == 2


def test_a_concurrency_is_at_least_one(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        with pytest.raises(ConfigError):
            fleet.stream(Task("train"), concurrency=0)

    world(clients([])).go(main)
