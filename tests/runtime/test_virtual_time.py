"""Rounds and streams in virtual time, against times worked out by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from virtual_world import MODEL, Trained, rounds_of, simulated, speeds, traced, virtual

from atoll import Schedule, Task
from atoll.values import TooFewReplies

# model and update: 1000 bytes; there 0.5 + 1000/1000, back 0.5 + 1000/500: 4 seconds besides computing
LINE = {"latency": 0.5, "down": 1000, "up": 500}


def test_a_round_of_all_takes_as_long_as_the_slowest(tmp_path: Path) -> None:
    history = simulated(rounds_of(), speeds(tmp_path, 1, 2, 4, **LINE), rounds=3)
    assert virtual(history) == [8, 8, 8]
    assert [row["virtual_time"] for row in history.rounds()] == [8, 16, 24]


def test_a_nodes_seconds_are_those_from_asking_to_its_answer(tmp_path: Path) -> None:
    history = simulated(rounds_of(), speeds(tmp_path, 1, 2, 4, **LINE), rounds=2)
    took = {r.node: r.value for r in history if r.metric == "seconds" and r.node and r.round == 2}
    assert took == {"node-0": 5, "node-1": 6, "node-2": 8}


def test_a_quorum_goes_on_at_the_second_answer_and_the_third_never_trains(tmp_path: Path) -> None:
    trained = Trained()
    history = simulated(
        rounds_of(Schedule(quorum=2)), speeds(tmp_path, 9, 1, 2, **LINE), rounds=2, client=trained.app
    )
    assert virtual(history) == [6, 6]
    assert set(trained.nodes) == {"node-1", "node-2"}


def test_over_selection_takes_the_first_of_those_it_asked(tmp_path: Path) -> None:
    trained = Trained()
    schedule = Schedule(count=2, over=0.5)
    history = simulated(rounds_of(schedule), speeds(tmp_path, 4, 1, 2), rounds=2, client=trained.app)
    assert virtual(history) == [2, 2]
    assert set(trained.nodes) == {"node-1", "node-2"}


def test_a_deadline_ends_a_round_and_who_cannot_keep_it_never_trains(tmp_path: Path) -> None:
    trained = Trained()
    history = simulated(
        rounds_of(Schedule(deadline=7)), speeds(tmp_path, 1, 2, 9, **LINE), client=trained.app
    )
    assert virtual(history) == [7]
    assert trained.nodes == ["node-0", "node-1"]


def test_an_answer_at_the_very_deadline_counts(tmp_path: Path) -> None:
    history = simulated(rounds_of(Schedule(deadline=8)), speeds(tmp_path, 1, 2, 4, **LINE))
    assert (virtual(history), history.rounds()[0]["answered"]) == ([8], 3)


def test_a_deadline_that_nobody_keeps_fails_the_round(tmp_path: Path) -> None:
    with pytest.raises(TooFewReplies, match="node-0 deadline: no answer within its deadline of 3 s"):
        simulated(rounds_of(Schedule(deadline=3)), speeds(tmp_path, 1, 2, 4, **LINE))


def test_who_turns_out_to_be_late_has_trained_for_nothing() -> None:
    trained = Trained({"node-0": 10, "node-1": 100})
    history = simulated(
        rounds_of(Schedule(deadline=5)), {"compute": 1, "per_weight": 0.1}, nodes=2, client=trained.app
    )
    assert virtual(history) == [5]
    assert trained.nodes == ["node-0", "node-1"]
    assert history.rounds()[0]["answered"] == 1


def test_each_unit_of_weight_costs_its_time_and_the_order_is_that_of_the_answers() -> None:
    order: list[str] = []
    client = Trained({"node-0": 30, "node-1": 20, "node-2": 10}).app
    history = simulated(rounds_of(arriving=order), {"compute": 1, "per_weight": 0.1}, client=client, rounds=2)
    assert virtual(history) == [4, 4]
    assert order == ["node-2", "node-1", "node-0"] * 2


def test_answers_of_one_moment_come_in_the_order_of_asking() -> None:
    order: list[str] = []
    simulated(rounds_of(arriving=order), {"compute": 1}, nodes=4)
    assert order == ["node-0", "node-1", "node-2", "node-3"]


def test_actions_may_be_quicker_than_training(tmp_path: Path) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            list(fleet.ask(Task("train", {"model": MODEL})))
            list(fleet.ask(Task("evaluate", {"model": MODEL})))
            rnd.commit(rnd.state)

    assert virtual(simulated(main, speeds(tmp_path, 1, 2, 4, actions={"evaluate": 0.25}))) == [4 + 1]


def test_what_is_asked_before_the_first_round_is_in_the_clock_and_in_no_round(tmp_path: Path) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        list(fleet.ask(Task("evaluate", {"model": MODEL})))
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            list(fleet.ask(Task("train", {"model": MODEL})))
            rnd.commit(rnd.state)

    (row,) = simulated(main, speeds(tmp_path, 1, 2, 4)).rounds()
    assert (row["virtual_seconds"], row["virtual_time"]) == (4, 8)


def test_a_node_does_one_task_after_the_other(tmp_path: Path) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            for reply in fleet.ask(Task("train", {"model": MODEL}), Schedule(quorum=2)):
                if reply.node == "node-0":  # at 1: the others are at work; at 2 node-2's is wanted no more
                    second = [
                        (r.node, r.seconds) for r in fleet.ask(Task("evaluate", {"model": MODEL})).arriving()
                    ]
            assert second == [("node-0", 1), ("node-1", 3), ("node-2", 9)]
            rnd.commit(rnd.state)

    simulated(main, speeds(tmp_path, 1, 2, 8))


def test_a_stream_gives_each_answer_when_it_comes_and_the_newest_task_to_who_is_free(tmp_path: Path) -> None:
    seen: list[tuple[str, int, float]] = []

    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(2, initial={"model": MODEL}):
            task = Task("train", {"model": MODEL})
            with fleet.stream(task, concurrency=3) as stream:
                for taken, reply in enumerate(stream, start=1):
                    seen.append((reply.node, reply.staleness, reply.seconds))
                    stream.send(task)
                    if taken == 7:
                        break
            rnd.commit(rnd.state)

    history = simulated(main, speeds(tmp_path, 1, 2, 4))
    #      at  1              2 (asked first)  2              3              4              4              4
    assert seen[:7] == [("node-0", 0, 1), ("node-1", 1, 2), ("node-0", 1, 1), ("node-0", 0, 1),
                        ("node-2", 4, 4), ("node-1", 3, 2), ("node-0", 2, 1)]  # fmt: skip
    assert seen[7:] == seen[:7]
    assert virtual(history) == [4, 4]


def test_a_streams_deadline_is_virtual_too(tmp_path: Path) -> None:
    trained = Trained()

    def main(fleet: Any, ctx: Any) -> None:
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            with fleet.stream(
                Task("train", {"model": MODEL}), concurrency=2, schedule=Schedule(deadline=3)
            ) as stream:
                assert [r.node for _, r in zip(range(4), stream, strict=False)] == ["node-0"] * 4
                assert {(f.node, f.kind) for f in stream.failures} == {("node-1", "deadline")}
            rnd.commit(rnd.state)

    history = simulated(main, speeds(tmp_path, 1, 50), nodes=2, client=trained.app)
    assert virtual(history) == [4]
    assert set(trained.nodes) == {"node-0"}


def test_a_fast_node_answers_a_stream_more_often(tmp_path: Path) -> None:
    def main(fleet: Any, ctx: Any) -> None:
        counted = dict.fromkeys(fleet.nodes, 0)
        for rnd in ctx.rounds(1, initial={"model": MODEL}):
            with fleet.stream(Task("train", {"model": MODEL}), concurrency=3) as stream:
                for _, reply in zip(range(210), stream, strict=False):
                    counted[reply.node] += 1
            rnd.commit(rnd.state)
        assert counted == {"node-0": 120, "node-1": 60, "node-2": 30}

    simulated(main, speeds(tmp_path, 1, 2, 4))


def test_a_node_that_is_away_stands_still_and_goes_on(tmp_path: Path) -> None:
    rows = {
        "node-0": {"compute": 5, "available": [[0, 2], [6, 100]]},
        "node-1": {"compute": 3, "available": [[10, 20]]},
    }
    history = simulated(rounds_of(), {"trace": traced(tmp_path, rows)}, nodes=2, rounds=2)
    took = {(r.node, r.round): r.value for r in history if r.metric == "seconds" and r.node}
    assert took["node-0", 1] == 2 + 4 + 3
    assert took["node-1", 1] == 10 + 3
    assert virtual(history) == [13, 5]


def test_a_node_that_is_away_for_good_is_lost(tmp_path: Path) -> None:
    rows = {"node-0": {"compute": 5}, "node-1": {"compute": 3, "available": [[0, 2]]}}
    trained = Trained()
    history = simulated(rounds_of(), {"trace": traced(tmp_path, rows)}, nodes=2, rounds=2, client=trained.app)
    assert virtual(history) == [5, 5]
    assert set(trained.nodes) == {"node-0"}


def test_nodes_come_and_go_by_the_clocks_own_settings() -> None:
    clock = {"compute": 3, "available": {"on": 2, "off": 10, "offset": 0}}
    assert virtual(simulated(rounds_of(), clock, rounds=2)) == [2 + 10 + 1, 1 + 10 + 2]


def test_who_fails_is_lost_before_it_trains() -> None:
    trained = Trained()
    history = simulated(rounds_of(), {"compute": 10, "failure": 0.3}, nodes=200, rounds=5, client=trained.app)
    lost = 1000 - len(trained.nodes)
    assert 230 < lost < 370
    assert all(0 < seconds <= 10 for seconds in virtual(history))


def test_a_loss_is_known_when_it_is_noticed(tmp_path: Path) -> None:
    rows = {"node-0": {"compute": 1}, "node-1": {"compute": 1, "failure": 1}}
    clock = {"trace": traced(tmp_path, rows), "notice": 30}
    (seconds,) = virtual(simulated(rounds_of(), clock, nodes=2))
    assert 30 < seconds < 31


def test_a_deadline_is_heard_before_a_loss_is_noticed(tmp_path: Path) -> None:
    rows = {"node-0": {"compute": 1}, "node-1": {"compute": 1, "failure": 1}}
    clock = {"trace": traced(tmp_path, rows), "notice": 30}
    assert virtual(simulated(rounds_of(Schedule(deadline=20)), clock, nodes=2)) == [20]


def test_jitter_is_drawn_for_every_task() -> None:
    history = simulated(
        rounds_of(), {"compute": 10, "jitter": {"by": "uniform", "low": 1, "high": 2}}, rounds=4
    )
    assert len(set(virtual(history))) == 4
    assert all(10 < seconds < 20 for seconds in virtual(history))


def test_thousands_of_nodes_take_seconds() -> None:
    begun = time.monotonic()
    clock = {"compute": {"by": "pareto", "minimum": 2, "alpha": 1.2}, "latency": 0.1, "failure": 0.01}
    history = simulated(rounds_of(Schedule(fraction=0.02, over=0.3)), clock, nodes=5000, rounds=20)
    assert len(history.rounds()) == 20
    assert time.monotonic() - begun < 30
