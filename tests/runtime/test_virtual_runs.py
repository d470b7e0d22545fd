"""Runs in virtual time: the same however they are computed, and wherever they were cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import conformance_app
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_world import MODEL, Trained, rounds_of, simulated, traced, virtual

import atoll
from atoll import Config, Schedule, Task
from atoll.app import Watch
from atoll.journal import Accepted, Committed, History, MemoryJournal, SqliteJournal
from atoll.runtime import AppRef, Simulation
from atoll.values import ConfigError

HEAVY = {"compute": {"by": "pareto", "minimum": 1, "alpha": 1.1}, "per_weight": 0.2, "latency": 0.1, "up": 1000,
         "failure": 0.1, "jitter": {"by": "lognormal", "median": 1, "sigma": 0.5},
         "available": {"on": 30, "off": {"by": "exponential", "mean": 10}}}  # fmt: skip
SCHEDULES = {
    "all": Schedule(minimum=0),
    "deadline": Schedule(deadline=6.0, minimum=0),
    "over": Schedule(fraction=0.5, over=0.5),
    "quorum": Schedule(quorum=0.5),
}


# -- where it is computed ----------------------------------------------------------------------------------


def _of_workers(main: Any, workers: int) -> History:
    server = atoll.ServerApp()
    server.main(main)
    ref = AppRef(Path(__file__).parent, "conformance_app:client")
    simulation = Simulation(
        server=server, client=conformance_app.client, workers=workers, ref=ref, clock=HEAVY
    )
    journal = MemoryJournal()
    config = Config({"behave": {"node-3": "raise", "node-5": "nan"}, "rounds": 3})
    run = simulation.create(journal, config=config, nodes=16, seed=5).id
    return simulation.run(journal, run, watch=Watch())


def test_two_workers_give_the_same_model_and_the_same_times_to_the_bit() -> None:
    def main(fleet: Any, ctx: Any) -> Any:
        loop = ctx.rounds(5, initial={"model": MODEL})
        schedules = iter([*SCHEDULES.values(), None])
        for rnd in loop:
            schedule, model = next(schedules), rnd.state["model"]
            task = Task("train", {"model": model})
            if schedule is None:
                with fleet.stream(task, concurrency=5) as stream:
                    for _, reply in zip(range(12), stream, strict=False):
                        model = model.map(lambda old, new: (old + new) / 2, reply.arrays)
                        stream.send(Task("train", {"model": model}))
                rnd.commit({"model": model})
                continue
            mean = atoll.Mean()
            for reply in fleet.ask(task, schedule):
                mean.add(reply)
            rnd.commit({"model": mean.finish()})
        return loop.state["model"]

    alone, pooled = _of_workers(main, 0), _of_workers(main, 2)
    assert alone.model == pooled.model
    assert virtual(alone) == virtual(pooled)
    assert len(set(virtual(alone))) == 5


def test_the_seed_decides_over_the_times() -> None:
    one, same, other = (virtual(simulated(rounds_of(), HEAVY, nodes=20, rounds=3, seed=s)) for s in (1, 1, 2))
    assert one == same != other


def test_without_a_clock_there_are_no_virtual_seconds() -> None:
    assert set(simulated(rounds_of(), None).rounds()[0]) == {"round", "answered", "seconds"}


def test_a_clock_changes_no_model_when_all_are_waited_for() -> None:
    calm = {**HEAVY, "failure": 0}
    assert simulated(rounds_of(), calm, nodes=20).model == simulated(rounds_of(), None, nodes=20).model


# -- what always holds -------------------------------------------------------------------------------------

fleets = st.lists(
    st.fixed_dictionaries(
        {"compute": st.floats(0, 50), "latency": st.floats(0, 2), "per_weight": st.floats(0, 1)}
    ),
    min_size=2,
    max_size=7,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


def _row(folder: Path, fleet: Any, schedule: Schedule | None, client: Any = None) -> dict[str, Any]:
    clock = {"trace": traced(folder, fleet)}
    return dict(simulated(rounds_of(schedule), clock, nodes=len(fleet), client=client).rounds()[0])


@settings(max_examples=25, deadline=None)
@given(fleets, st.integers(1, 7))
def test_a_quorum_is_never_slower_than_all_and_a_larger_one_never_quicker(
    folder: Path, fleet: Any, quorum: int
) -> None:
    took = [_row(folder, fleet, Schedule(quorum=q))["virtual_seconds"] for q in (quorum, quorum + 1)]
    assert took[0] <= took[1] <= _row(folder, fleet, None)["virtual_seconds"]


@settings(max_examples=25, deadline=None)
@given(fleets, st.integers(1, 7), st.lists(st.integers(1, 40), min_size=7, max_size=7))
def test_a_quorum_takes_as_long_as_the_last_whom_it_needs_and_computes_nobody_who_cannot_be_in_it(
    folder: Path, fleet: Any, quorum: int, weights: list[int]
) -> None:
    needed = min(quorum, len(fleet))
    client = Trained({f"node-{i}": w for i, w in enumerate(weights)})
    least = [2 * f["latency"] + f["compute"] for f in fleet]
    whole = [a + w * f["per_weight"] for a, f, w in zip(least, fleet, weights, strict=False)]
    took = _row(folder, fleet, Schedule(quorum=quorum), client.app)["virtual_seconds"]
    assert took == pytest.approx(sorted(whole)[needed - 1])
    assert all(least[int(node.removeprefix("node-"))] <= took + 1e-9 for node in client.nodes)


@settings(max_examples=25, deadline=None)
@given(fleets, st.floats(0.1, 60))
def test_a_deadline_is_never_overrun(folder: Path, fleet: Any, deadline: float) -> None:
    whole = _row(folder, fleet, None)
    weights = {f"node-{i}": 1.0 for i in range(len(fleet))}
    if min(2 * f["latency"] + f["compute"] + f["per_weight"] for f in fleet) > deadline:
        return  # nobody would answer
    row = _row(folder, fleet, Schedule(deadline=deadline), Trained(weights).app)
    assert row["virtual_seconds"] <= min(deadline, whole["virtual_seconds"])
    assert (row["answered"] == len(fleet)) == (whole["virtual_seconds"] <= deadline)


@settings(max_examples=20, deadline=None)
@given(
    fleets, st.lists(st.sampled_from(["ask", "some", "stream"]), min_size=1, max_size=4), st.integers(0, 9)
)
def test_the_clock_never_goes_back(folder: Path, fleet: Any, steps: list[str], seed: int) -> None:
    seen: list[float] = []

    def main(fleet: Any, ctx: Any) -> None:
        task, clock = Task("train", {"model": MODEL}), fleet.record.clock
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            for step in steps:
                replies: Iterator[Any] = iter(fleet.ask(task, Schedule(quorum=2) if step == "some" else None))
                if step == "stream":
                    replies = iter(fleet.stream(task, concurrency=3))
                for _, _reply in zip(range(5), replies, strict=False):
                    seen.append(clock.now)
            rnd.commit(rnd.state)

    simulated(main, {"trace": traced(folder, fleet)}, nodes=len(fleet), seed=seed)
    assert seen == sorted(seen)


# -- going on after it was cut off -------------------------------------------------------------------------


class Interrupted:
    """A run that ^C ends in the middle of its third round, when so many have trained, and that is resumed."""

    def __init__(self, main: Any, home: Path, *, after: int, save: str = "auto") -> None:
        self.left, self.trained = after, Trained()
        server, client = atoll.ServerApp(), atoll.ClientApp()
        server.main(main)
        client.train(self.train)
        client.evaluate(self.trained.evaluate)
        self.simulation = Simulation(server=server, client=client, save=save, clock=HEAVY)
        self.journal = SqliteJournal(home)
        self.run = self.simulation.create(self.journal, config=Config({"rounds": 5}), nodes=12, seed=4).id

    def train(self, model: Any, ctx: Any) -> Any:
        if ctx.round == 3:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self.trained.train(model, ctx)

    def on(self) -> History:
        return self.simulation.run(self.journal, self.run, watch=Watch())


def _streaming(fleet: Any, ctx: Any) -> Any:
    loop = ctx.rounds(ctx.config.rounds, initial={"model": MODEL})
    for rnd in loop:
        model = rnd.state["model"]
        with fleet.stream(Task("train", {"model": model}), concurrency=5) as stream:
            for _, reply in zip(range(10), stream, strict=False):
                model = model.map(lambda old, new: (old + new) / 2, reply.arrays)
                stream.send(Task("train", {"model": model}))
        rnd.commit({"model": model})
    return loop.state["model"]


@pytest.mark.parametrize("save", ["auto", "always"])
@pytest.mark.parametrize("how", [*SCHEDULES, "stream"])
def test_a_run_that_was_cut_off_goes_on_at_the_same_virtual_time(tmp_path: Path, how: str, save: str) -> None:
    main = _streaming if how == "stream" else rounds_of(SCHEDULES[how])
    whole = Interrupted(main, tmp_path / "whole", after=-1, save=save).on()
    cut = Interrupted(main, tmp_path / "cut", after=4, save=save)
    assert cut.on().status == "stopped"
    before = len(cut.trained.nodes)
    again = cut.on()
    assert again.status == "finished"
    assert virtual(again) == virtual(whole)
    assert again.model == whole.model
    if how == "stream":
        assert not any(isinstance(e, Accepted) for _, e in cut.journal.events(cut.run)), (
            "nobody would read it"
        )
    elif save == "always":
        kept = [e for _, e in cut.journal.events(cut.run) if isinstance(e, Accepted) and e.round == 3]
        assert kept
        assert all(e.virtual_time is not None for e in kept)
        assert len(cut.trained.nodes) < before + len(whole.rounds()) * 12


def test_the_last_answers_time_counts_when_all_had_come_before_the_cut(tmp_path: Path) -> None:
    cut = True

    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(2, initial={"model": MODEL}):
            list(fleet.ask(Task("train", {"model": MODEL}), Schedule(quorum=3)))
            if cut and rnd.number == 2:
                raise KeyboardInterrupt
            rnd.commit(rnd.state)

    run = Interrupted(main, tmp_path / "a", after=-1, save="always")
    assert run.on().status == "stopped"
    cut, trained = False, len(run.trained.nodes)
    found = run.on()
    assert len(run.trained.nodes) == trained, "nobody had to train again"
    assert virtual(found) == virtual(Interrupted(main, tmp_path / "b", after=-1).on())


def test_a_stream_that_outlives_its_rounds_goes_on_at_the_time_of_the_last_commit(tmp_path: Path) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        with fleet.stream(Task("train", {"model": MODEL}), concurrency=5) as stream:
            for rnd in ctx.rounds(ctx.config.rounds, initial={"model": MODEL}):
                for _, reply in zip(range(8), stream, strict=False):
                    stream.send(Task("train", {"model": reply.arrays}))
                rnd.commit({"model": reply.arrays})

    run = Interrupted(main, tmp_path, after=6)
    committed = [row["virtual_time"] for row in run.on().rounds()]
    assert len(committed) in (2, 3), "the third round's tasks may be under way before it and after"
    whole = run.on()
    assert whole.status == "finished"
    assert [row["virtual_time"] for row in whole.rounds()][: len(committed)] == committed
    assert len(whole.rounds()) == 5
    assert all(seconds > 0 for seconds in virtual(whole))


def test_the_journal_has_the_clock_of_every_commit(tmp_path: Path) -> None:
    run = Interrupted(rounds_of(SCHEDULES["all"]), tmp_path, after=-1)
    rows = run.on().rounds()
    commits = [e for _, e in run.journal.events(run.run) if isinstance(e, Committed)]
    assert [c.virtual_time for c in commits] == [0.0, *(row["virtual_time"] for row in rows)]


def test_a_trace_that_changed_in_between_is_noticed(tmp_path: Path) -> None:
    run = Interrupted(rounds_of(), tmp_path / "home", after=4)
    path = traced(tmp_path, [{"compute": 1}, {"compute": 2}])
    created = Simulation(
        server=run.simulation.server, client=run.simulation.client, clock={"trace": path}
    ).create(run.journal, config=Config({"rounds": 5}), nodes=12, seed=4)
    assert run.simulation.run(run.journal, created.id, watch=Watch()).status == "stopped"
    traced(tmp_path, [{"compute": 1}, {"compute": 3}])
    with pytest.raises(ConfigError, match="isn't what it was when the run began"):
        run.simulation.run(run.journal, created.id, watch=Watch())
