"""What every executor does, so that a program can't tell one from another."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import conformance_app
import numpy as np
import pytest

from atoll import Arrays, Config, Mean, Schedule, ServerApp, Task
from atoll.app import Watch
from atoll.journal import Accepted, Failed, History, Journal, Logged, MemoryJournal, SqliteJournal
from atoll.runtime import AppRef, Simulation
from atoll.values import TooFewReplies

EXECUTORS: dict[str, dict[str, Any]] = {
    "in-process": {"workers": 0},
    "pool": {"workers": 2},
    "in virtual time": {"workers": 0, "clock": {"compute": {"by": "pareto", "minimum": 1, "alpha": 1.2}}},
    "pool in virtual time": {
        "workers": 2,
        "clock": {"compute": {"by": "lognormal", "median": 5, "sigma": 2}},
    },
}
HERE = AppRef(Path(__file__).parent, "conformance_app:client")
MODEL = Arrays(w=np.ones((2, 3), "f4"), b=np.zeros((), "f4"))


class World:
    """One executor, and runs on it."""

    def __init__(self, options: Mapping[str, Any], journal: Journal) -> None:
        self.options, self.journal = options, journal
        self.run = ""

    def runs(self, main: Callable[..., Any], *, nodes: int = 6, seed: int = 3, **config: Any) -> History:
        server = ServerApp()
        server.main(main)
        settings = Config({"behave": {}, "lr": 0.1, "list": [1], **config})
        simulation = Simulation(server=server, client=conformance_app.client, ref=HERE, **self.options)
        self.run = simulation.create(self.journal, config=settings, nodes=nodes, seed=seed).id
        return simulation.run(self.journal, self.run, watch=Watch())

    def events(self, kind: type) -> list[Any]:
        return [e for _, e in self.journal.events(self.run) if isinstance(e, kind)]


SLOW = {"pool in virtual time"}  # one pool is enough for every day


@pytest.fixture(params=[pytest.param(e, marks=[pytest.mark.long] if e in SLOW else []) for e in EXECUTORS])
def world(request: pytest.FixtureRequest) -> World:
    return World(EXECUTORS[request.param], MemoryJournal())


def training(rounds: int = 3, schedule: Schedule | None = None) -> Callable[..., Any]:
    def main(fleet: Any, ctx: Any) -> Any:
        loop = ctx.rounds(rounds, initial={"model": MODEL})
        for rnd in loop:
            mean = Mean()
            for reply in fleet.ask(Task("train", {"model": rnd.state["model"]}), schedule):
                mean.add(reply)
            rnd.commit({"model": mean.finish()})
        return loop.state["model"]

    return main


# -- order -------------------------------------------------------------------------------------------------


def test_replies_come_in_the_order_of_the_cohort(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("describe"), Schedule(count=7))
        replies = list(asked)
        assert [r.node for r in replies] == list(asked.cohort)
        assert [r.index for r in replies] == list(range(7))
        assert [r.metrics["node"] for r in replies] == list(asked.cohort)
        assert sorted(asked.cohort, key=list(fleet.nodes).index) == list(asked.cohort)

    world.runs(main, nodes=20)


def test_replies_as_they_come_are_each_given_once(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        assert sorted(r.index for r in fleet.ask(Task("describe")).arriving()) == list(range(30))

    world.runs(main, nodes=30)


def test_each_reply_holds_its_own_nodes_arrays(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        model = Arrays(x=np.zeros(100_000, "f4"))
        replies = [r.keep() for r in fleet.ask(Task("large", {"model": model}))]
        assert [set(r.arrays["x"]) for r in replies] == [{float(i)} for i in range(6)]

    world.runs(main)


def test_nodes_can_be_given_tasks_of_their_own(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        tasks = {f"node-{i}": Task("describe", {"edges": [i]}) for i in (4, 1, 3)}
        replies = list(fleet.ask(tasks, Schedule(fraction=0.5, minimum=2)))
        assert [(r.node, r["edges"]) for r in replies] == [(f"node-{i}", [i, 99]) for i in (1, 3, 4)]

    world.runs(main)


# -- failures ----------------------------------------------------------------------------------------------

REASONS = {
    "raise": ("raised", "ValueError: the data are damp"),
    "exit": ("raised", "SystemExit: 3"),
    "unspeakable": ("raised", "Unspeakable"),
    "surrogate": ("raised", "OSError"),
    "nan": ("invalid", "`b` holds NaN"),
    "infinite": ("invalid", "`w` holds NaN or infinite"),
    "shape": ("invalid", "`w` has shape (6,), not (2, 3)"),
    "dtype": ("invalid", "`w` has dtype float64, not float32"),
    "missing": ("invalid", "missing `w`"),
    "extra": ("invalid", "unexpected `x`"),
    "nothing": ("invalid", "no arrays"),
    "metrics only": ("invalid", "no arrays"),
    "text": ("raised", "returned a str"),
    "weight": ("raised", "a weight is finite"),
    "metric": ("raised", "metric `loss` is a ndarray"),
    "plain": ("raised", "`x` holds a set"),
}


def test_each_way_to_answer_badly_is_one_failed_reply_with_its_reason(world: World) -> None:
    behave = {f"node-{i}": how for i, how in enumerate(REASONS)}

    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("train", {"model": MODEL}))
        assert [r.node for r in asked] == [f"node-{i}" for i in range(len(REASONS), 20)]
        found = {f.node: f for f in asked.failures}
        assert len(asked.failures) == len(found) == len(REASONS)
        for node, how in behave.items():
            kind, words = REASONS[how]
            assert found[node].kind == kind, found[node]
            assert words in found[node].message

    world.runs(main, nodes=20, behave=behave)
    assert len(world.events(Failed)) == len(REASONS)


def test_the_traceback_is_the_users_own(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("train", {"model": MODEL}))
        list(asked)
        (failure,) = asked.failures
        assert "conformance_app.py" in failure.traceback
        assert failure.traceback.rstrip().endswith("ValueError: the data are damp")
        assert "atoll/app" not in failure.traceback

    world.runs(main, behave={"node-2": "raise"})


def test_an_action_that_is_not_registered_is_a_failed_reply_with_the_nearest(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("trian"), Schedule(minimum=0))
        assert list(asked) == []
        assert {f.kind for f in asked.failures} == {"raised"}
        assert "`trian`" in asked.failures[0].message
        assert "`train`" in asked.failures[0].message

    world.runs(main)


def test_a_client_that_hangs_past_its_deadline_is_left_behind(world: World) -> None:
    if "clock" in world.options:
        pytest.skip("deadlines are in virtual time, of which a function that hangs takes none")

    def main(fleet: Any, ctx: Any) -> Any:
        asked = fleet.ask(Task("train", {"model": MODEL}), Schedule(deadline=0.4))
        assert [r.node for r in asked] == ["node-0", "node-2", "node-3"]
        (failure,) = asked.failures
        assert (failure.node, failure.kind) == ("node-1", "deadline")
        assert "0.4 s" in failure.message
        assert len(list(fleet.ask(Task("describe")))) == 4, "and is asked again"

    world.runs(main, nodes=4, behave={"node-1": "hang"})


def test_too_few_good_replies_end_the_run_and_what_was_committed_stays(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(2, initial={"model": MODEL}):
            task = Task(
                "train", {"model": MODEL}, config={"behave": {"node-0": "raise"}} if rnd.number == 2 else {}
            )
            replies = [r.arrays for r in fleet.ask(task, Schedule(minimum=6))]
            rnd.commit({"model": replies[0]})

    with pytest.raises(
        TooFewReplies, match="5 of 6 nodes answered well, the schedule needs 6; node-0 raised"
    ) as few:
        world.runs(main)
    assert [f.node for f in few.value.failures] == ["node-0"]
    history = History.of(world.journal, world.run)
    assert history.status == "failed"
    assert history.reason["code"] == "round.too-few-replies"
    assert "the data are damp" in history.reason["traceback"]
    assert [r["round"] for r in history.rounds()] == [1]


# -- going on before all have answered ---------------------------------------------------------------------


def test_at_the_quorum_the_round_goes_on_and_the_others_are_late(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("describe"), Schedule(quorum=2))
        assert len(list(asked)) == 2
        assert asked.failures == ()
        assert len(list(fleet.ask(Task("describe")))) == 20, "late ones disturb nobody"

    world.runs(main, nodes=20)
    assert all(f.failure == "late" for f in world.events(Failed))


def test_over_selection_asks_more_and_takes_what_was_wanted(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        asked = fleet.ask(Task("train", {"model": MODEL}), Schedule(count=10, over=0.3))
        assert len(asked.cohort) == 13
        assert len(list(asked)) == 10

    world.runs(main, nodes=20, behave={f"node-{i}": "raise" for i in range(2)})


def test_a_loop_that_is_left_asks_nobody_any_more(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for _ in fleet.ask(Task("rendezvous")):
            break
        for _ in fleet.ask(Task("describe")):
            pass

    world.runs(main, nodes=40)
    assert len([e for e in world.events(Logged) if e.message.endswith("met")]) < 40


# -- determinism -------------------------------------------------------------------------------------------


def test_the_model_is_the_same_to_the_bit_as_in_one_process(world: World) -> None:
    behave = {"node-3": "nan", "node-8": "raise"}
    found = world.runs(training(schedule=Schedule(fraction=0.7)), nodes=25, behave=behave)
    alone = World(EXECUTORS["in-process"], MemoryJournal())
    expected = alone.runs(training(schedule=Schedule(fraction=0.7)), nodes=25, behave=behave)
    assert found.model == expected.model
    assert world.runs(training(), nodes=25, seed=4).model != expected.model


def test_what_a_client_is_told_does_not_depend_on_where_it_runs(world: World) -> None:
    told: list[Any] = []

    def main(fleet: Any, ctx: Any) -> None:
        for _ in range(2):
            replies = fleet.ask(
                Task("describe", {"edges": [1], "other": 2}, config={"lr": "changed", "new": 1})
            )
            told.append([r.payload for r in replies])
        told.append([r.payload for r in fleet.ask(Task("describe"))])

    world.runs(main, greeting="moin")
    here, told[:] = told[:], []
    World(EXECUTORS["in-process"], MemoryJournal()).runs(main, greeting="moin")
    assert here == told
    first, second, last = here
    assert {tuple(p["edges"]) for p in first + second} == {(1, 99)}, "nobody sees another's changes"
    assert {tuple(p["list"]) for p in first + second} == {(1,)}
    assert (first[0]["lr"], last[0]["lr"], first[0]["greeting"], first[0]["rest"]) == (
        "changed",
        0.1,
        "moin",
        ["other"],
    )
    assert len({p["seed"] for p in first + second}) == 12, "every call has a seed of its own"
    assert len({tuple(p["draws"]) for p in first + second}) == 12


# -- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nodes", "models"), [(16, 4), (60, 5)])
def test_the_programs_memory_does_not_grow_with_the_number_of_nodes(
    world: World, nodes: int, models: int
) -> None:
    model = Arrays(x=np.random.default_rng(0).normal(size=1 << 20).astype("f4"))

    def main(fleet: Any, ctx: Any) -> Arrays:
        loop = ctx.rounds(2, initial={"model": model})
        for rnd in loop:
            mean = Mean()
            for reply in fleet.ask(Task("large", {"model": rnd.state["model"]})):
                mean.add(reply)
            rnd.commit({"model": mean.finish()})
        return loop.state["model"]

    tracemalloc.start()
    world.runs(main, nodes=nodes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < models * model.nbytes + (2 << 20)


# -- state -------------------------------------------------------------------------------------------------


def test_state_counts_only_with_an_accepted_reply(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for value in ([1], [2, {"deep": [3]}]):
            bad = {"behave": {"node-1": "raise"} if value != [1] else {}}
            list(fleet.ask(Task("remember", {"value": value}, config=bad)))
        states = [r["state"] for r in fleet.ask(Task("describe"), Schedule())]
        assert [s["list"] for s in states] == [[2, {"deep": [3]}], [1], [2, {"deep": [3]}]]

    world.runs(main, nodes=3)


def test_a_reply_that_is_invalid_leaves_the_state_as_it_was(world: World) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        tries = []
        for behave in ({}, {"node-0": "nan"}, {}):
            task = Task("train", {"model": MODEL}, config={"behave": behave})
            tries.append({r.node: r.metrics["tries"] for r in fleet.ask(task)})
        assert tries == [{"node-0": 1, "node-1": 1}, {"node-1": 2}, {"node-0": 2, "node-1": 3}]

    world.runs(main, nodes=2)


# -- the journal -------------------------------------------------------------------------------------------


def test_logs_reach_the_journal_with_their_node_and_round(world: World) -> None:
    world.runs(training(rounds=2), nodes=3)
    found = sorted((e.round, e.node, e.message) for e in world.events(Logged))
    assert found == [(r, f"node-{n}", f"trains {r}") for r in (1, 2) for n in range(3)]


def test_a_durable_run_is_the_same(world: World, tmp_path: Path) -> None:
    expected = world.runs(training(), nodes=5)
    durable = World({**world.options, "save": "always"}, SqliteJournal(tmp_path))
    found = durable.runs(training(), nodes=5, behave={"node-9": "well"})
    assert found.model == expected.model
    assert len(durable.events(Accepted)) == 15
    durable.journal.close()
