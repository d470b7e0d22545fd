"""Who used what: added up as it happens, once, over kills too, and shown to whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from desk_world import World, good
from identified_world import BUNDLE, HEART, LUNG, Town, key

from atoll.service.coordinator._principals import LOCAL
from atoll.service.coordinator._usage import month_of
from atoll.wire import UsageRow

Play = Callable[[Any], None]
HOUR = 3600.0


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        yield town


async def row(world: World) -> UsageRow:
    (found,) = (await world.desk.records.usage(LOCAL)).rows
    return found


async def trained(world: World, *, rounds: int = 1) -> Any:
    """A run whose one node answers each round in a second."""
    (node,) = await world.nodes("n")
    program = await world.program()
    for round in range(1, rounds + 1):
        await program.ask("n", round=round)
        await node.work()
        await program.commit(round)
    return program


def test_runs_and_the_seconds_of_accepted_replies_are_added_up(play: Play) -> None:
    async def scene(world: World) -> None:
        await trained(world, rounds=3)
        await world.new_run()
        found = await row(world)
        assert (found.runs, found.node_seconds, found.federation) == (2, 3.0, "default")
        assert found.month == month_of(world.clock.time())

    play(scene)


def test_nothing_is_counted_twice_or_lost_when_the_coordinator_is_killed(play: Play) -> None:
    async def scene(world: World) -> None:
        await trained(world, rounds=2)
        await world.crash()  # before the sums were written
        assert ((found := await row(world)).runs, found.node_seconds) == (1, 2.0)
        await world.clock.move(10)  # and after
        await world.desk._books.registry.durable()
        await world.crash()
        assert ((found := await row(world)).runs, found.node_seconds) == (1, 2.0)

    play(scene)


def test_a_run_that_is_resumed_is_not_counted_again(play: Play) -> None:
    async def scene(world: World) -> None:
        program = await trained(world, rounds=2)
        await program.finish("stopped")
        await world.crash()
        await world.desk.resume(program.run)
        assert ((found := await row(world)).runs, found.node_seconds) == (1, 2.0)

    play(scene)


def test_what_a_removed_run_used_stays(play: Play) -> None:
    async def scene(world: World) -> None:
        program = await trained(world)
        await program.finish()
        await world.desk.remove(program.run)
        await world.crash()
        assert (await row(world)).runs == 1

    play(scene)


def test_replies_that_came_too_late_cost_nothing(play: Play) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        program = await world.program()
        await program.ask("n", deadline=5.0)
        await node.poll()
        (offer,) = node.hand.values()
        await world.clock.move(6)
        assert (await node.reply(offer, good())).status == "late"
        assert (await row(world)).node_seconds == 0

    play(scene)


def test_each_month_has_its_own_sums(play: Play) -> None:
    async def scene(world: World) -> None:
        await trained(world)
        first = month_of(world.clock.time())
        world.clock.offset += 40 * 24 * HOUR
        await world.new_run()
        rows = (await world.desk.records.usage(LOCAL)).rows
        assert [r.month for r in rows] == [first, month_of(world.clock.time())]
        assert [r.runs for r in (await world.desk.records.usage(LOCAL, first)).rows] == [1]

    play(scene)


def usage(town: Town, name: str, query: str = "") -> list[dict[str, Any]]:
    said = town.ask(name, "GET", f"/v1/usage{query}")
    assert said.status == 200, said
    return list(said.document.get("rows", []))


def test_bytes_are_charged_to_whoever_sends_them(town: Town) -> None:
    before = {r["user"]: r["bytes_in"] for r in usage(town, "chief")}
    town.keep("bob", HEART, b"x" * 100_000)
    after = {r["user"]: r["bytes_in"] for r in usage(town, "chief")}
    assert after[key("bob").id] - before.get(key("bob").id, 0) >= 100_000
    assert after[key("ann").id] == before[key("ann").id]


def test_what_a_node_fetches_is_charged_to_the_user_whose_run_it_is(town: Town) -> None:
    path = f"/v1/bundles/{town.new_run(HEART)['bundle']}"
    assert town.ask("east", "GET", path).body == BUNDLE
    (mine,) = usage(town, "ann")
    assert mine["bytes_out"] >= len(BUNDLE)


def test_a_scientist_sees_the_own_sums_and_an_auditor_those_of_the_federation(town: Town) -> None:
    assert {r["user"] for r in usage(town, "ann")} == {key("ann").id}
    assert key("ann").id in {r["user"] for r in usage(town, "audrey")}
    assert {r["federation"] for r in usage(town, "audrey")} == {HEART}
    assert {r["federation"] for r in usage(town, "rival")} == {LUNG}


def test_who_is_a_machine_sees_nothing(town: Town) -> None:
    assert town.ask("east", "GET", "/v1/usage").status == 403


@pytest.mark.parametrize("month", ["2026", "2026-13", "x", "2026-1", "../etc"])
def test_what_is_no_month_is_refused(town: Town, month: str) -> None:
    said = town.ask("ann", "GET", f"/v1/usage?month={month}")
    assert (said.status, said.code) == (400, "request.bad-month")
