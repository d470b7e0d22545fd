"""What nodes and hosts are told: once, again when it did not reach them, and to the newest session alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk_world import FakeHost, FakeNode, World, settle

from atoll.service.coordinator._refusals import Refusal
from atoll.wire import Check, Needs, Poll


async def _forgetting(world: World) -> tuple[FakeNode, str]:
    """A node that is to forget a run."""
    (a,) = await world.nodes("a")
    program = await world.program()
    await program.finish()
    await world.desk.remove(program.run)
    return a, program.run


async def _tell(world: World, node: FakeNode, *removed: str) -> list[str]:
    poll = Poll(name=node.name, session=node.session, removed=list(removed), wait=0)
    return (await world.desk.poll(poll)).remove


def test_an_order_to_forget_a_run_is_repeated_until_the_node_says_that_it_has(play: Any) -> None:
    async def scene(world: World) -> None:
        a, run = await _forgetting(world)
        assert await _tell(world, a) == [run]
        assert await _tell(world, a) == [], "it may be about to: it is asked again after a beat"
        await world.clock.move(5)
        assert await _tell(world, a) == [run]
        await a.hello()
        assert await _tell(world, a) == [run], "a new session has heard of nothing"
        await world.crash()
        assert await _tell(world, a) == [run]
        assert await _tell(world, a, run, "another") == []
        await world.clock.move(60)
        assert await _tell(world, a) == []
        await world.crash()
        assert await _tell(world, a) == []

    play(scene)


@pytest.mark.parametrize("daemon", [FakeNode, FakeHost])
def test_a_poll_of_an_older_session_is_refused_as_soon_as_there_is_a_newer_one(
    play: Any, daemon: Any
) -> None:
    async def scene(world: World) -> None:
        older, newer = daemon(world, "a"), daemon(world, "a")
        await older.hello()
        polling = asyncio.create_task(older.poll(wait=60))
        await settle()
        await newer.hello()
        await settle()
        assert polling.done(), "and not when its time is over"
        with pytest.raises(Refusal) as fenced:
            await polling
        assert fenced.value.code in ("node.fenced", "host.fenced")

    play(scene)


def test_a_place_that_becomes_free_at_a_host_is_taken_at_once(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world, slots=1)
        await host.hello()
        await world.nodes("a")
        first, second = [(await world.new_run()).summary["id"] for _ in range(2)]
        assert [s.run for s in (await host.poll()).start] == [first]
        polling = asyncio.create_task(host.poll(wait=60))
        await settle()
        assert not polling.done()
        await host.ended(first, code=1)
        await settle()
        assert polling.done(), "the host need not ask first"
        assert [s.run for s in (await polling).start] == [second]

    play(scene)


def test_what_a_task_needs_is_told_with_each_call_and_each_preflight(play: Any) -> None:
    needs = Needs(cpus=2, gpus=1, memory=4_000_000_000)

    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program(needs=needs, threads=2)
        await world.crash()
        await program.attend()
        await program.ask("a")
        (offer,) = (await a.poll()).offers
        assert offer.wants is not None
        assert (offer.wants.needs, offer.wants.threads) == (needs, 2)
        check = Check(federation="default", bundle=world.bundle, app={}, threads=3, needs=needs)
        checking = asyncio.create_task(world.desk.check(check))
        await settle()
        (probe,) = (await a.poll()).probes
        assert (probe.spec.needs, probe.spec.threads) == (needs, 3)
        await world.clock.move(60)
        await checking

    play(scene)


def test_a_deadline_counts_the_time_that_a_call_waits_for_its_node(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program()
        await program.ask("a", deadline=30.0)
        await world.clock.move(12)
        (offer,) = (await a.poll()).offers
        assert offer.deadline == 18.0
        await world.clock.move(18)
        assert (await program.say(wait=60)).outcomes[0].outcome.failure == "deadline"

    play(scene)
