"""Runs over their lives: hosts that come and go, stop, resume, remove, federations, checks, and a disk that is full."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from typing import Any

import pytest
from desk_world import FakeHost, FakeNode, FakeProgram, World, good, settle

from atoll.journal import Accepted, Finished, Logged
from atoll.service.coordinator import _run
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import RunRecord
from atoll.store import digest_bytes
from atoll.wire import Bad, Check, Federation, Lack, Line, Lines, Manifest, ProbeResult

# -- hosts ---------------------------------------------------------------------------------------------------


def test_a_dead_server_app_is_started_again_and_after_ten_deaths_the_run_has_failed(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        (a,) = await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await host.poll()
        await host.ended(run)
        assert [s.run for s in (await host.poll()).start] == [run]
        program = FakeProgram(world, run)
        await program.attend()
        await program.start()
        await program.ask("a")
        await a.work()
        for _ in range(10):
            await host.ended(run)
            await world.clock.move(10)
            await a.poll()
            assert [s.run for s in (await host.poll()).start] == [run], "there was progress: it counts anew"
        await host.ended(run)
        assert (await host.poll()).start == []
        info = await world.desk.run(run)
        assert (info.summary["status"], info.summary["reason"]["code"]) == ("failed", "program.dies")
        assert info.summary["reason"]["traceback"] == "last words"

    play(scene)


def test_a_server_app_that_could_not_even_begin_fails_its_run_at_once(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await host.poll()
        await host.ended(run, code=1)
        assert (await world.desk.run(run)).summary["reason"]["code"] == "program.ended"

    play(scene)


def test_what_a_host_tells_late_of_an_attempt_that_failed_does_not_fail_the_one_that_was_resumed(
    play: Any,
) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await host.poll()
        await host.ended(run, code=1)
        await world.desk.resume(run)
        early = host.since[run]
        await host.poll()
        resumed, host.since[run] = host.since[run], early
        assert resumed > early
        await host.ended(run, code=1)
        assert (await world.desk.run(run)).summary["status"] != "failed"
        host.since[run] = resumed
        await host.ended(run, code=1)
        assert (await world.desk.run(run)).summary["status"] == "failed"

    play(scene)


def test_a_run_goes_on_at_its_host_after_the_coordinator_restarted(play: Any) -> None:
    async def scene(world: World) -> None:
        one, other = FakeHost(world, "one"), FakeHost(world, "other")
        await one.hello()
        await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await one.poll()
        await world.crash()
        await other.hello()
        assert (await other.poll()).start == [], "it is at the other host"
        assert (await one.poll()) == await one.poll(), "nothing to start, nothing to stop"
        one.running.clear()
        assert [s.run for s in (await one.poll()).start] == [run], "its process is gone"

    play(scene)


def test_another_host_takes_over_when_one_is_away_for_long(play: Any) -> None:
    async def scene(world: World) -> None:
        one, other = FakeHost(world, "one"), FakeHost(world, "other")
        await one.hello()
        await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await one.poll()
        await world.clock.move(20)
        await other.hello()
        assert (await other.poll()).start == []
        assert (await world.desk.run(run)).waiting == "host one is away"
        await world.clock.move(40)
        assert [s.run for s in (await other.poll()).start] == [run]
        assert (await one.poll()).stop == [run], "it comes back, and is told"

    play(scene)


def test_hosts_are_shared_fairly_among_users(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world, slots=2)
        await world.nodes("a")
        for user in ("ada", "ada", "ada", "bob"):
            await world.new_run(user=user)
            world.clock.now += 1
        await host.hello()
        assert [s.user for s in (await host.poll()).start] == ["ada", "bob"]
        assert "busy" in (await world.desk.run("app-2")).waiting

    play(scene)


# -- users ---------------------------------------------------------------------------------------------------


def test_stop_asks_the_program_and_resume_goes_on_with_what_was_accepted(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        a, b = await world.nodes("a", "b")
        run = (await world.new_run()).summary["id"]
        await host.poll()
        program = FakeProgram(world, run)
        await program.attend()
        await program.start()
        await program.ask("a", "b")
        await a.work()
        offer = (await b.poll()).offers[0]
        await program.say()
        listening = asyncio.create_task(program.say(wait=30))
        await settle()
        await world.desk.stop(run)
        assert (await listening).stop
        assert (await host.poll()).stop == [run]
        await program.finish("stopped")
        host.running.clear()
        assert (await world.desk.run(run)).summary["status"] == "stopped"
        await world.crash()
        assert (await world.desk.run(run)).summary["status"] == "stopped"
        assert (await world.desk.resume(run)).summary["status"] == "running"
        await world.crash()
        assert [s.run for s in (await host.poll()).start] == [run], "the wish is durable"
        again = FakeProgram(world, run)
        await again.attend()
        await again.start(2)
        heard = await again.ask("a", "b")
        assert [o.node for o in heard.outcomes] == ["a"]
        assert (await b.reply(offer)).status == "accepted", "it was done while the run was stopped"
        assert [e.node for e in world.events(run, Accepted)] == ["a", "b"]

    play(scene)


def test_a_stop_is_told_once_and_again_after_a_beat(play: Any) -> None:
    async def scene(world: World) -> None:
        host = FakeHost(world)
        await host.hello()
        await world.nodes("a")
        run = (await world.new_run()).summary["id"]
        await host.poll()
        program = FakeProgram(world, run)
        await program.attend()
        await world.desk.stop(run)
        assert (await host.poll()).stop == [run]
        assert (await host.poll()).stop == []
        assert (await program.say(wait=30)).stop
        listening = asyncio.create_task(program.say(wait=30))
        await settle()
        assert not listening.done(), "it knows, and may wait for what it needs to end"
        await world.clock.move(6)
        assert (await host.poll()).stop == [run]
        await world.clock.move(15)
        await world.desk.durable()
        assert (await world.desk.run(run)).summary["status"] == "stopped"
        with pytest.raises(Refusal) as ended:
            await listening
        assert ended.value.code == "run.fenced"

    play(scene)


def test_a_crash_before_a_new_run_is_there_leaves_nothing(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        world.desk._books.registry.put("run", "abc", RunRecord(id="abc"))
        await world.desk._books.registry.durable()
        await world.crash()
        await a.poll()
        assert (await world.new_run(id="abc")).summary["id"] == "abc"

    play(scene)


def test_a_failed_run_that_is_resumed_asks_again_who_failed(play: Any) -> None:
    async def scene(world: World) -> None:
        a, b = await world.nodes("a", "b")
        program = await world.program(where="here")
        await program.ask("a", "b")
        await a.work()
        await b.poll()
        await b.reply(next(iter(b.hand.values())), Bad(failure="raised", message="x"))
        await program.finish("failed")
        await world.desk.resume(program.run)
        again = FakeProgram(world, program.run)
        await again.attend()
        await again.start(2)
        assert [o.node for o in (await again.ask("a", "b")).outcomes] == ["a"]
        assert [o.key for o in (await b.poll()).offers] == ["1.0.0.b"]

    play(scene)


def test_a_run_that_nobody_drives_stops_at_once_and_one_that_does_not_listen_soon(play: Any) -> None:
    async def scene(world: World) -> None:
        await world.nodes("a")
        idle = (await world.new_run()).summary["id"]
        assert (await world.desk.stop(idle)).summary["status"] == "stopped"
        with pytest.raises(Refusal) as twice:
            await world.desk.stop(idle)
        assert twice.value.code == "run.not-running"
        program = await world.program(where="here")
        await world.desk.stop(program.run)
        assert (await world.desk.run(program.run)).summary["status"] == "running"
        await world.clock.move(21)
        await world.desk.durable()
        assert (await world.desk.run(program.run)).summary["status"] == "stopped"
        with pytest.raises(Refusal):
            await program.log("still here")

    play(scene)


def test_a_removed_run_is_gone_and_nodes_forget_its_states(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program()
        with pytest.raises(Refusal) as busy:
            await world.desk.remove(program.run)
        assert busy.value.code == "run.busy"
        await program.finish()
        await world.desk.remove(program.run)
        await world.crash()
        assert (await world.desk.runs()).runs == []
        await a.poll()
        assert a.removed == [program.run]
        assert (await a.poll()).remove == []

    play(scene)


def test_a_run_asked_for_twice_with_one_id_is_one_run(play: Any) -> None:
    async def scene(world: World) -> None:
        nodes = await world.nodes("node-10", "node-9")
        for _ in range(2):
            info = await world.new_run("mine", id="abc")
        await world.crash()
        info = await world.new_run("mine", id="abc")
        assert info.summary["id"] == "abc"
        assert len((await world.desk.runs()).runs) == 1
        assert world.events("abc")[0].nodes == ["node-9", "node-10"]
        for node in nodes:
            await node.poll()
        with pytest.raises(Refusal) as taken:
            await world.new_run("mine")
        assert (taken.value.status, taken.value.code) == (409, "run.name-taken")

    play(scene)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"federation": "nobody"}, 404, "federation.unknown"),
        ({"bundle": "sha256:" + "0" * 64}, 409, "object.missing"),
        ({"nodes": ["x"]}, 409, "node.unknown"),
        ({"name": "@latest"}, 400, "run.bad-name"),
    ],
)
def test_a_run_that_cannot_be_is_refused_and_nothing_is_left(
    play: Any, fields: dict[str, Any], status: int, code: str
) -> None:
    async def scene(world: World) -> None:
        with pytest.raises(Refusal) as nobody:
            await world.new_run()
        assert nobody.value.code == "federation.no-nodes"
        await world.nodes("a")
        with pytest.raises(Refusal) as refused:
            await world.new_run(**fields)
        assert (refused.value.status, refused.value.code) == (status, code)
        assert (await world.desk.runs()).runs == []

    play(scene)


# -- nodes and federations -----------------------------------------------------------------------------------


def test_a_silent_node_is_away_after_three_beats_and_a_broken_one_sooner(play: Any) -> None:
    async def scene(world: World) -> None:
        a, b = await world.nodes("a", "b")
        program = await world.program()
        await program.ask("a", "b")
        for node in (a, b):
            await node.poll()
        world.desk.gone("a", a.session)
        await world.clock.move(2.9)
        assert [n.status for n in (await world.desk.nodes()).nodes] == ["here", "here"]
        await world.clock.move(0.2)
        assert [n.status for n in (await world.desk.nodes()).nodes] == ["away", "here"]
        await world.desk.durable()
        assert [e.node for e in world.events(program.run, Logged)] == ["a"]
        await world.clock.move(12)
        assert [n.status for n in (await world.desk.nodes()).nodes] == ["away", "away"]
        await a.poll()
        assert [n.status for n in (await world.desk.nodes()).nodes] == ["here", "away"]

    play(scene)


def test_a_name_belongs_to_the_node_that_is_here(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        other = FakeNode(world, "a")
        other.identity = "somebody-else-0123456789"
        with pytest.raises(Refusal) as taken:
            await other.hello()
        assert taken.value.code == "node.name-taken"
        await world.clock.move(20)
        await other.hello()
        with pytest.raises(Refusal) as fenced:
            await a.poll()
        assert fenced.value.code == "node.fenced"

    play(scene)


def test_a_clock_that_is_off_costs_nothing_and_is_told(play: Any) -> None:
    async def scene(world: World) -> None:
        a = FakeNode(world, "a")
        await a.hello(time=world.clock.time() - 3600)
        program = await world.program()
        assert (await world.desk.nodes()).nodes[0].skew == -3600
        await program.ask("a", deadline=30)
        assert [v.status for v in await a.work()] == ["accepted"]
        assert "3600 s behind" in world.events(program.run, Logged)[0].message

    play(scene)


def test_federations_list_their_nodes(play: Any) -> None:
    async def scene(world: World) -> None:
        await world.nodes("a", "b")
        desk = world.desk
        await desk.create_federation(Federation(name="north", nodes=["a"]))
        await desk.create_federation(Federation(name="north", nodes=["a"]))
        with pytest.raises(Refusal) as taken:
            await desk.create_federation(Federation(name="north", nodes=["b"]))
        assert taken.value.code == "federation.name-taken"
        await desk.add_node("north", "c")
        await world.crash()
        desk = world.desk
        assert [(f.name, f.nodes) for f in (await desk.federations()).federations] == [
            ("default", ["a", "b"]),
            ("north", ["a", "c"]),
        ]
        assert (await desk.remove_node("north", "c")).nodes == ["a"]
        await asyncio.gather(*(n.poll() for n in await world.nodes("a")))
        info = await world.new_run(federation="north")
        assert world.events(info.summary["id"])[0].nodes == ["a"]
        assert [r.federation for r in (await desk.runs("north")).runs] == ["north"]
        for act, code in ((desk.delete_federation("north"), "federation.busy"), (desk.add_node("default", "x"), "federation.open"),
                          (desk.delete_federation("nobody"), "federation.unknown")):  # fmt: skip
            with pytest.raises(Refusal) as refused:
                await act
            assert refused.value.code == code
        await desk.stop(info.summary["id"])
        await desk.delete_federation("north")
        assert [n.federations for n in (await desk.nodes()).nodes] == [["default"], ["default"]]

    play(scene)


def test_a_check_asks_every_node_that_is_here(play: Any) -> None:
    async def scene(world: World) -> None:
        a, _ = await world.nodes("a", "b")
        checking = asyncio.create_task(
            world.desk.check(Check(federation="default", bundle=world.bundle, app={"name": "x"}))
        )
        await settle()
        probe = (await a.poll()).probes[0]
        await world.desk.probed(ProbeResult(name="a", session=a.session, id=probe.id, data=["train"]))
        assert not checking.done()
        await world.clock.move(60)
        found = await checking
        assert ([r.name for r in found.results], found.away) == (["a"], ["b"])

    play(scene)


# -- logs ----------------------------------------------------------------------------------------------------


def test_a_log_is_capped_and_says_so_once(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        monkeypatch.setattr(_run, "MAX_LINES", 3)
        (a,) = await world.nodes("a")
        program = await world.program()
        for i in range(6):
            lines = [Line(program.run, "info", f"line {i}", 1)]
            await world.desk.lines(Lines(name="a", session=a.session, lines=lines))
        await program.log("of the program")
        found = [e.message for e in world.events(program.run, Logged)]
        assert found[:3] == ["line 0", "line 1", "line 2"]
        assert len(found) == 4
        assert "full" in found[3]

    play(scene)


# -- objects -------------------------------------------------------------------------------------------------


def test_what_no_body_names_any_more_goes_and_what_one_names_stays(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program()
        await settle()
        task, reply, model, orphan = (world.keep(body) for body in (b"task", b"reply", b"model", b"orphan"))
        await program.ask("a", objects={task: 4})
        offer = (await a.poll()).offers[0]
        assert offer.task.objects == {task: 4}
        await a.reply(offer, good("r", objects={reply: 5}))
        assert await world.desk.tidying.sweep(3600) == 0
        await program.say(objects={"model-1": Manifest(objects={model: 5})})
        await program.commit(1)
        await asyncio.sleep(0.05)
        assert world.store.has([task, reply, model, orphan, world.bundle]) == {model, orphan, world.bundle}
        await world.crash()
        await settle()
        assert await world.desk.tidying.sweep(0) == 1
        assert world.store.has([model, orphan, world.bundle]) == {model, world.bundle}
        await program.finish()
        await world.desk.remove(program.run)
        await asyncio.sleep(0.05)
        assert world.store.has([model, world.bundle]) == set()

    play(scene)


def test_what_somebody_was_told_is_here_stays_until_it_is_named(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program()
        await settle()
        shared = world.keep(b"shared")
        absent = digest_bytes(b"absent")
        await program.ask("a", objects={shared: 6})
        await a.work()
        found = await world.desk.lack(Lack(federation="default", objects={shared: 6, absent: 6}))
        assert found.lack == {absent: 0}
        await program.commit(1)
        await asyncio.sleep(0.05)
        assert world.store.has([shared]) == {shared}
        await program.ask("a", round=2, objects={shared: 6})
        await a.work()
        await program.commit(2)
        await asyncio.sleep(0.05)
        assert world.store.has([shared]) == set()

    play(scene)


# -- a full disk ---------------------------------------------------------------------------------------------


def test_a_full_disk_makes_runs_wait_with_the_reason_and_go_on_when_there_is_space(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(world: World) -> None:
        from atoll.journal._writer import Writer

        a, b = await world.nodes("a", "b")
        program = await world.program()
        await program.ask("a", "b")
        await a.work()
        await b.poll()
        offer = next(iter(b.hand.values()))
        write = Writer._write

        def full(self: Writer, database: sqlite3.Connection, group: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Writer, "_write", full)
        for _ in range(2):
            with pytest.raises(Refusal) as refused:
                await b.reply(offer)
            assert (refused.value.status, refused.value.code) == (503, "disk.full")
        with pytest.raises(Refusal) as refused:
            await program.log("lost?")
        assert refused.value.retry > 0
        assert "full" in (await world.desk.run(program.run)).waiting
        monkeypatch.setattr(Writer, "_write", write)
        await world.clock.move(2)
        await program.again()
        assert (await b.reply(offer)).status == "accepted"
        await program.say()
        assert set(program.outcomes) == {"1.0.0.a", "1.0.0.b"}
        assert [e.message for e in world.events(program.run, Logged)] == ["lost?"]
        assert [e.node for e in world.events(program.run, Accepted)] == ["a", "b"]
        assert (await world.desk.run(program.run)).waiting != "database or disk is full"
        await program.finish()
        assert len(world.events(program.run, Finished)) == 1

    play(scene)


# -- numbers -------------------------------------------------------------------------------------------------


def test_a_thousand_idle_nodes_are_small(play: Any) -> None:
    async def scene(world: World) -> None:
        def resident() -> int:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        before = resident()
        nodes = [FakeNode(world, f"node-{i}") for i in range(1000)]
        await asyncio.gather(*(n.hello() for n in nodes))
        waiting = [asyncio.create_task(n.poll(wait=5)) for n in nodes]
        await settle()
        assert (resident() - before) / 1000 < 30_000
        world.desk.drain()
        await asyncio.gather(*waiting)
        assert world.desk.readings()["nodes_here"] == 1000

    play(scene)
