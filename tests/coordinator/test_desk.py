"""What the desk promises: each answer counts once, what is acknowledged is durable, and a crash loses nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from desk_world import FakeHost, FakeProgram, World


def test_a_run_from_its_first_call_to_its_end(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        a, b = await world.nodes("a", "b")
        info = await world.new_run("mine", user="ada")
        assert (info.summary["status"], info.federation, info.where) == ("running", "default", "host")
        orders = await host.poll()
        assert [s.name for s in orders.start] == ["mine"]
        run = orders.start[0].run
        assert orders.start[0].nodes == ["a", "b"]
        program = FakeProgram(world, run)
        await program.attend()
        await program.start()
        asking = asyncio.create_task(program.ask("a", "b", wait=10))
        offers = [await n.poll(wait=5) for n in (a, b)]
        assert [o.offers[0].key for o in offers] == ["1.0.0.a", "1.0.0.b"]
        assert offers[0].offers[0].wants.user == "ada"
        verdicts = [await n.reply(next(iter(n.hand.values()))) for n in (a, b)]
        assert [v.status for v in verdicts] == ["accepted", "accepted"]
        await asking
        if len(program.outcomes) < 2:
            await program.say(wait=5)
        assert program.outcomes["1.0.0.b"].outcome.payload.plain == b"1.0.0.b by b"
        await program.commit(1)
        await program.finish()
        assert (await world.desk.run("mine")).summary["status"] == "finished"
        kinds = [type(e).__name__ for e in world.events(run)]
        assert kinds == [
            "Created",
            "Started",
            "Offered",
            "Called",
            "Accepted",
            "Accepted",
            "Committed",
            "Finished",
        ]
        assert (await a.poll()).drop == [run]
        events = await world.desk.events(run)
        assert len(events.events) == 8
        assert not events.live

    play(scene)
