"""A run is a replay of its journal: what was committed is skipped, what was accepted is not trained again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from app_world import Power

from atoll import Arrays, ClientApp, Mean, Schedule, Task, Update
from atoll.journal import Accepted, Committed, Diverged, Failed, Finished, History, Offered
from atoll.values import Released, RunError, TooFewReplies

MODEL = Arrays(w=np.zeros(4))


def clients(ledger: list[str], behave: Callable[[Any], None] = lambda ctx: None) -> ClientApp:
    """Clients that note what they did in a ledger."""
    app = ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        ledger.append(f"{ctx.round} {ctx.node}")
        ctx.state["visits"] = ctx.state.get("visits", 0) + 1
        behave(ctx)
        noise = ctx.rng.normal(size=4) * ctx.state["visits"]
        return Update(
            model.map(lambda a: a + noise), weight=1 + ctx.seed % 3, metrics={"visits": ctx.state["visits"]}
        )

    @app.query
    def size(ctx: Any) -> dict[str, Any]:
        ledger.append(f"size {ctx.node}")
        return {"size": 3}

    return app


def program(
    rounds: int = 3, *, cut: tuple[int, int] | None = None, ask: Callable[[Any, Arrays], Any] | None = None
) -> Callable[..., Any]:
    """FedAvg written out; the power is cut in a round, after so many replies."""

    def main(fleet: Any, ctx: Any) -> Arrays:
        loop = ctx.rounds(rounds, initial={"model": MODEL})
        for rnd in loop:
            mean = Mean()
            replies = (
                ask(fleet, rnd.state["model"])
                if ask
                else fleet.ask(Task("train", {"model": rnd.state["model"]}))
            )
            for number, reply in enumerate(replies):
                if (rnd.number, number) == cut:
                    raise Power
                mean.add(reply)
            if (rnd.number, len(fleet.nodes)) == cut:
                raise Power
            rnd.commit({"model": mean.finish()}, metrics={"n": rnd.number})
        return loop.state["model"]

    return main


def cut_and_resumed(
    world: Any, cut: tuple[int, int], **options: Any
) -> tuple[Any, list[str], list[str], History]:
    ledger: list[str] = []
    run = world(clients(ledger), **options)
    with pytest.raises(Power):
        run.go(program(cut=cut))
    before = list(ledger)
    ledger.clear()
    return run, before, ledger, run.go(program())


@pytest.mark.parametrize("cut", [(1, 0), (1, 3), (2, 0), (2, 2), (3, 1), (3, 4)], ids=str)
def test_a_run_cut_off_goes_on_to_the_same_model(world: Any, cut: tuple[int, int]) -> None:
    undisturbed = world(clients([])).go(program())
    run, before, after, found = cut_and_resumed(world, cut)
    assert found.model == undisturbed.model
    assert found.rounds() == [
        {**r, "seconds": f["seconds"]} for r, f in zip(undisturbed.rounds(), found.rounds(), strict=True)
    ]
    assert len(before + after) == len(set(before + after)) == 12, "nothing was trained twice"
    assert [e.round for e in run.events(Committed)] == [0, 1, 2, 3]
    assert not run.events(Diverged)


def test_when_only_what_is_worth_it_is_saved_the_rest_of_the_open_round_is_trained_again(world: Any) -> None:
    undisturbed = world(clients([])).go(program())
    _, before, after, found = cut_and_resumed(world, (2, 2), save="auto")
    assert found.model == undisturbed.model
    assert {line[0] for line in after} == {"2", "3"}, "committed rounds are not trained again"
    assert set(before + after) == {f"{r} node-{n}" for r in (1, 2, 3) for n in range(4)}
    assert len(after) >= 6


def test_in_memory_a_run_goes_on_from_its_last_commit(world: Any) -> None:
    undisturbed = world(clients([])).go(program())
    _, _, after, found = cut_and_resumed(world, (3, 1), durable=False)
    assert found.model == undisturbed.model
    assert sorted(after) == [f"3 node-{n}" for n in range(4)]


def test_another_initial_model_after_a_resume_changes_nothing(world: Any) -> None:
    run = world(clients([]))
    with pytest.raises(Power):
        run.go(program(cut=(2, 0)))

    def other(fleet: Any, ctx: Any) -> None:
        loop = ctx.rounds(2, initial={"model": Arrays(w=np.full(4, 1e6))})
        assert abs(loop.state["model"]["w"]).max() < 100
        for rnd in loop:
            assert rnd.number == 2
            rnd.commit({"model": rnd.state["model"]})

    run.go(other)


def test_another_question_at_the_same_place_is_journaled_and_asked_again(world: Any) -> None:
    ledger: list[str] = []
    run = world(clients(ledger))
    with pytest.raises(Power):
        run.go(program(cut=(2, 4)))
    ledger.clear()

    def other(fleet: Any, model: Arrays) -> Any:
        return fleet.ask(Task("train", {"model": model}, config={"lr": 2}))

    found = run.go(program(ask=other))
    (diverged,) = run.events(Diverged)
    assert (diverged.round, diverged.ordinal) == (2, 0)
    assert diverged.was != diverged.now
    assert sorted(ledger)[:4] == [f"2 node-{n}" for n in range(4)]
    visits = {(r.round, r.node): r.value for r in found if r.metric == "visits"}
    assert len(visits) == 12
    assert set(visits.values()) == {1, 2, 3}, "what the void attempt left in the nodes' state is void too"


def test_a_smaller_cohort_after_divergence_leaves_no_row_of_the_old_one(world: Any) -> None:
    run = world(clients([]))
    with pytest.raises(Power):
        run.go(program(cut=(1, 4)))
    found = run.go(
        program(
            rounds=1, ask=lambda fleet, model: fleet.ask(Task("train", {"model": model}), Schedule(count=2))
        )
    )
    cohort = run.events(Offered)[-1].cohort
    assert sorted(r.node for r in found if r.metric == "visits") == sorted(cohort)
    assert len(run.events(Diverged)) == 1


def test_failures_are_replayed_after_a_crash_as_replies_are(world: Any) -> None:
    ledger: list[str] = []
    broken = {"node-1"}

    def behave(ctx: Any) -> None:
        if ctx.node in broken:
            raise ValueError("no")

    run = world(clients(ledger, behave))
    with pytest.raises(Power):
        run.go(program(cut=(1, 2)))
    assert not run.events(Finished)
    broken.clear()
    ledger.clear()
    run.go(program(rounds=1))
    assert "1 node-1" not in ledger, "the accepted cohort of a round does not change with a crash"
    assert len(run.events(Failed)) == 1


def test_a_round_left_by_a_stop_and_asked_otherwise_leaves_no_row_of_the_old_question(world: Any) -> None:
    run = world(clients([]))

    def stopped(fleet: Any, ctx: Any) -> None:
        for _ in ctx.rounds(1, initial={"model": MODEL}):
            list(fleet.ask(Task("train", {"model": MODEL})))
            raise KeyboardInterrupt

    assert run.go(stopped).status == "stopped"
    assert len([r for r in History.of(run.journal, run.run) if r.metric == "visits"]) == 4, (
        "there is partial history"
    )
    found = run.go(
        program(rounds=1, ask=lambda f, model: f.ask(Task("train", {"model": model}), Schedule(count=2)))
    )
    assert len([r for r in found if r.metric == "visits"]) == 2


def test_a_run_that_failed_for_want_of_replies_asks_again_those_who_failed_and_nobody_else(
    world: Any,
) -> None:
    ledger: list[str] = []
    broken = {"node-1", "node-2"}

    def behave(ctx: Any) -> None:
        if ctx.round == 2 and ctx.node in broken:
            raise ValueError("no disk")

    run = world(clients(ledger, behave))

    def ask(fleet: Any, model: Arrays) -> Any:
        return fleet.ask(Task("train", {"model": model}), Schedule(minimum=4))

    with pytest.raises(TooFewReplies):
        run.go(program(ask=ask))
    assert len(run.events(Failed)) == 2
    ledger.clear()
    broken.clear()
    found = run.go(program(ask=ask))
    assert ledger == ["2 node-1", "2 node-2", *(f"3 node-{n}" for n in range(4))]
    assert found.model == world(clients([])).go(program(ask=ask)).model


# -- calls outside of rounds -------------------------------------------------------------------------------


def asking_around(cut: str = "") -> Callable[..., Any]:
    def main(fleet: Any, ctx: Any) -> Arrays:
        sizes = [r.metrics["size"] for r in fleet.ask(Task("size"))]
        if cut == "prologue":
            raise Power
        loop = ctx.rounds(2, initial={"model": Arrays(w=np.zeros(4) + sum(sizes))})
        for rnd in loop:
            rnd.commit({"model": rnd.state["model"].map(lambda a: a + 1)})
            if cut == f"round {rnd.number}":
                break
        for part in range(2):
            list(fleet.ask(Task("size")))
            if cut == f"epilogue {part}":
                raise Power
        for rnd in ctx.rounds(4, initial={}):
            rnd.commit({"model": rnd.state["model"].map(lambda a: a * 2)})
            if cut == f"second loop {rnd.number}":
                raise Power
        list(fleet.ask(Task("size")))
        if cut == "end":
            raise Power
        return Arrays(rnd.next_state["model"])

    return main


@pytest.mark.parametrize(
    "cut", ["prologue", "epilogue 0", "epilogue 1", "second loop 3", "second loop 4", "end"]
)
def test_calls_before_between_and_after_rounds_are_each_asked_once(world: Any, cut: str) -> None:
    ledger: list[str] = []
    run = world(clients(ledger))
    with pytest.raises(Power):
        run.go(asking_around(cut))
    if cut in ("second loop 4", "end"):

        def last(fleet: Any, ctx: Any) -> Arrays:
            list(fleet.ask(Task("size")))
            loop = ctx.rounds(2, initial={})
            list(loop)
            for _ in range(3):
                list(fleet.ask(Task("size")))
            return loop.state["model"]

        found = run.go(last)
    else:
        found = run.go(asking_around())
    assert found.model["w"].tolist() == [56.0] * 4
    assert len(ledger) == 4 * 4
    assert not run.events(Diverged)


def test_leaving_the_rounds_early_keeps_the_last_committed_state(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        loop = ctx.rounds(5, initial={"model": MODEL})
        for rnd in loop:
            if rnd.number == 3:
                list(fleet.ask(Task("size")))
                break
            rnd.commit({"model": rnd.state["model"].map(lambda a: a + 1)})
        assert loop.state["model"]["w"].tolist() == [2.0] * 4
        list(fleet.ask(Task("size")))

    run = world(clients([]))
    assert run.go(main).model["w"].tolist() == [2.0] * 4
    assert [e.round for e in run.events(Offered)] == [3, -1]


def test_a_round_without_a_commit_and_one_committed_twice_are_errors(world: Any) -> None:
    def forgets(fleet: Any, ctx: Any) -> None:
        for _ in ctx.rounds(2, initial={"model": MODEL}):
            pass

    def twice(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(2, initial={"model": MODEL}):
            rnd.commit({"model": MODEL})
            rnd.commit({"model": MODEL})

    def odd(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(2, initial={"model": MODEL}):
            rnd.commit([MODEL])

    for main, code in (
        (forgets, "round.not-committed"),
        (twice, "round.committed-twice"),
        (odd, "round.bad-state"),
    ):
        with pytest.raises(RunError) as wrong:
            world(clients([])).go(main)
        assert wrong.value.code == code


# -- replies -----------------------------------------------------------------------------------------------


def test_a_folded_reply_is_let_go_unless_it_is_kept(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for _ in ctx.rounds(1, initial={"model": MODEL}):
            mean, seen = Mean(), []
            for reply in fleet.ask(Task("train", {"model": MODEL})):
                seen.append(reply.keep() if reply.index == 1 else reply)
                if reply.index != 2:
                    mean.add(reply)
                assert reply.arrays["w"].shape == (4,), "still there until the next is asked for"
            for released in (seen[0], seen[3]):
                with pytest.raises(Released, match=r"reply\.keep\(\)"):
                    _ = released.arrays
            assert seen[1].arrays["w"].shape == seen[2]["model"]["w"].shape == (4,)
            _.commit({"model": mean.finish()})

    world(clients([]), durable=False).go(main)


def test_replies_are_iterated_once(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("nothing"), Schedule(minimum=0))
        assert list(asked) == []
        with pytest.raises(RunError) as again:
            list(asked)
        assert again.value.code == "replies.iterated-twice"

    world(clients([])).go(main)


def test_objects_of_committed_rounds_are_deleted_and_the_last_models_stay(world: Any) -> None:
    run = world(clients([]))
    found = run.go(program(rounds=6))
    for event in run.events(Accepted):
        with pytest.raises(Exception, match="keeps no object"):
            run.journal.arrays(run.run, event.payload)
    kept = []
    for event in run.events(Committed):
        try:
            run.journal.arrays(run.run, event.state["model"])
            kept.append(event.round)
        except Exception as gone:
            assert "keeps no object" in str(gone)  # noqa: PT017
    assert kept == [5, 6]
    assert found.model["w"].shape == (4,)


def test_texts_that_are_none_do_not_end_a_run(world: Any) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        ctx.log("half a pair \ud800")
        raise OSError("no file \udcff")

    run = world(clients([]))
    with pytest.raises(OSError, match="no file"):
        run.go(main)
    assert run.events(Finished)[-1].reason["message"].startswith("OSError: no file")
