"""What a user signed goes with the run: to its nodes, over restarts, as it is; whether it is good is for nodes to say."""

from __future__ import annotations

import asyncio
from typing import Any

from desk_world import FakeHost, FakeNode, FakeProgram, World, settle

from atoll.store import digest_bytes
from atoll.wire import Check, Order, ProbeResult

ORDER = Order(kind="order", body='{"any":"thing"}', by="A" * 43, signature="B" * 86)


async def _asked(world: World, order: Order | None) -> tuple[str, FakeNode]:
    """A run with a call for its one node."""
    host = FakeHost(world)
    await host.hello()
    (node,) = await world.nodes("a")
    run = (await world.new_run(order=order)).summary["id"]
    await host.poll()
    program = FakeProgram(world, run)
    await program.attend()
    await program.start()
    await program.ask("a")
    return run, node


def test_an_order_goes_to_the_nodes_and_comes_back_after_a_crash(play: Any) -> None:
    async def scene(world: World) -> None:
        _, node = await _asked(world, ORDER)
        (offer,) = (await node.poll()).offers
        assert offer.wants is not None
        assert offer.wants.order == ORDER
        await world.crash()
        node.hand.clear()
        await node.hello()
        (again,) = (await node.poll()).offers
        assert again.wants is not None
        assert again.wants.order == ORDER

    play(scene)


def test_a_run_without_an_order_has_none(play: Any) -> None:
    async def scene(world: World) -> None:
        _, node = await _asked(world, None)
        (offer,) = (await node.poll()).offers
        assert offer.wants is not None
        assert offer.wants.order is None

    play(scene)


def test_the_order_of_a_preflight_goes_with_it_under_its_own_id(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        digest = digest_bytes(b"bundle")
        world.store.put(digest, b"bundle")
        asked = Check(federation="default", bundle=digest, app={}, id="check-1", order=ORDER)
        asking = asyncio.create_task(world.desk.check(asked))
        await settle()
        (probe,) = (await a.poll()).probes
        assert (probe.id, probe.spec.run, probe.spec.order) == ("check-1", "check-1", ORDER)
        await world.desk.probed(ProbeResult(name="a", session=a.session, id=probe.id))
        assert [result.name for result in (await asking).results] == ["a"]

    play(scene)
