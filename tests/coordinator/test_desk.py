"""What the desk promises: each answer counts once, what is acknowledged is durable, and a crash loses nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from desk_world import FakeHost, FakeNode, FakeProgram, World, good, settle

from atoll.journal import Accepted, Called, Diverged, Failed, Finished
from atoll.service.coordinator._refusals import Refusal
from atoll.store import digest_bytes
from atoll.wire import Bad, Manifest, Offer, Say


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


async def _asked(world: World, *names: str, **options: Any) -> tuple[FakeProgram, list[FakeNode]]:
    nodes = await world.nodes(*names)
    program = await world.program()
    await program.ask(*names, **options)
    return program, nodes


# -- answers -------------------------------------------------------------------------------------------------


def test_the_same_answer_again_gets_the_stored_verdict_and_counts_once(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        answer = a.answer(offer)
        verdicts = await asyncio.gather(*(world.desk.reply(answer) for _ in range(3)))
        assert [v.status for v in verdicts] == ["accepted"] * 3
        await world.crash()
        assert (await world.desk.reply(answer)).status == "accepted"
        assert len(world.events(program.run, Accepted)) == 1

    play(scene)


def test_another_answer_to_the_same_call_is_refused_and_logged(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        await a.reply(offer, good("one"))
        with pytest.raises(Refusal) as refused:
            await a.reply(offer, good("other"))
        assert (refused.value.status, refused.value.code) == (409, "reply.conflict")
        await world.desk.durable()
        assert "twice, differently" in world.events(program.run)[-1].message
        heard = await program.say()
        assert [o.outcome.payload.plain for o in heard.outcomes] == [b"one"]

    play(scene)


def test_an_answer_counts_only_when_its_objects_are_here(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        body = b"x" * 100
        outcome = good("big", objects={digest_bytes(body): 100})
        verdict = await a.reply(offer, outcome)
        assert (verdict.status, verdict.lack) == ("refused", [digest_bytes(body)])
        assert world.events(program.run, Accepted) == []
        world.keep(body)
        assert (await a.reply(offer, outcome)).status == "accepted"

    play(scene)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_wrong_size_does_not_tell_that_another_federation_has_an_object(play: Any, elsewhere: bool) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        body = b"x" * 100
        if elsewhere:
            world.keep(body)
        world.desk._books.tenancy.apart = True
        verdict = await a.reply((await a.poll()).offers[0], good("big", objects={digest_bytes(body): 7}))
        assert (verdict.status, verdict.lack) == ("refused", [digest_bytes(body)])
        assert world.events(program.run, Failed) == []

    play(scene)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"weight": -1.0}, "a weight is finite and not negative, not -1.0"),
        ({"weight": float("nan")}, "a weight is finite and not negative, not nan"),
        ({"metrics": {"loss": [1]}}, "metric `loss` is a list"),
        ({"metrics": {"x" * 300: 1.0}}, "a metric's name is a text of 1 to 256 characters"),
        ({"metrics": {"steps": 1 << 70}}, "metric `steps` is a int"),
    ],
    ids=["negative", "no number", "a list", "a long name", "a huge number"],
)
def test_what_no_nodes_own_program_would_send_is_a_failed_reply(play: Any, odd: Any, why: str) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        outcome = msgspec.structs.replace(good("odd"), **odd)
        assert (await a.reply(offer, outcome)).status == "accepted", "nobody is to send it again"
        heard = await program.say()
        assert heard.outcomes[0].outcome.failure == "invalid"
        assert why in heard.outcomes[0].outcome.message
        assert world.events(program.run, Accepted) == []
        assert (await world.desk.reply(a.answer(offer, outcome))).status == "accepted"

    play(scene)


def test_an_answer_that_is_wrong_about_an_objects_size_is_a_failed_reply(play: Any) -> None:
    """Whoever reads it would look for bytes that aren't there, or leave some out."""

    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        body = b"x" * 100
        world.keep(body)
        await a.reply(offer, good("big", objects={digest_bytes(body): 1 << 40}))
        heard = await program.say()
        assert "hasn't 1,099,511,627,776 bytes" in heard.outcomes[0].outcome.message
        assert [e.failure for e in world.events(program.run, Failed)] == ["invalid"]

    play(scene)


def test_a_failure_is_told_to_the_program_and_is_an_outcome_for_good(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        await a.poll()
        await a.reply(
            next(iter(a.hand.values())), Bad(failure="raised", message="ValueError: x", traceback="frames")
        )
        heard = await program.say()
        assert heard.outcomes[0].outcome.traceback == "frames"
        await world.crash()
        await program.attend()
        heard = await program.ask("a")
        assert heard.outcomes[0].outcome.failure == "raised", "the same call has its outcome"
        assert len(world.events(program.run, Called)) == 1

    play(scene)


def test_an_answer_after_the_program_took_its_call_back_is_recorded_as_late(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a, b) = await _asked(world, "a", "b")
        await a.work()
        await b.poll()
        await program.say(cancel=["1.0.0.b"])
        await b.poll()
        assert b.cancelled == [f"{program.run}/1.0.0.b"]
        answer = b.answer(next(iter(b.hand.values())))
        assert (await world.desk.reply(answer)).status == "late"
        assert (await world.desk.reply(answer)).status == "late"
        late = world.events(program.run, Failed)
        assert [(f.node, f.failure) for f in late] == [("b", "late")]
        assert (await program.say()).outcomes == []

    play(scene)


def test_what_was_taken_back_stays_so_after_a_crash(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a, b) = await _asked(world, "a", "b")
        await b.poll()
        await program.say(cancel=["1.0.0.a", "1.0.0.b"])
        await world.crash()
        assert (await a.poll()).offers == []
        assert (await b.reply(next(iter(b.hand.values())))).status == "late"
        assert world.events(program.run, Accepted) == []

    play(scene)


def test_an_answer_after_its_round_is_late_and_after_a_crash_too(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a, b, c) = await _asked(world, "a", "b", "c")
        await a.work()
        await b.poll()
        await c.poll()
        await program.commit(1)
        assert (await b.reply(next(iter(b.hand.values())))).status == "late"
        await world.crash()
        assert (await c.reply(next(iter(c.hand.values())))).status == "late"
        assert [(f.node, f.failure) for f in world.events(program.run, Failed)] == [
            ("b", "late"),
            ("c", "late"),
        ]

    play(scene)


def test_an_answer_is_void_once_the_program_asks_something_else(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        old = (await a.poll()).offers[0]
        at = world.clock.time()
        await program.say(Diverged(time=at, round=1, ordinal=0, was="x", now="y"))
        await program.ask("a", task="another")
        assert (await a.reply(old)).status == "void"
        await a.poll()
        (new,) = a.hand.values()
        assert new.digest != old.digest
        assert new.seq > old.seq
        assert (await a.reply(new)).status == "accepted"
        assert len(world.events(program.run, Accepted)) == 1

    play(scene)


def test_the_same_key_with_another_digest_voids_the_old_call_and_its_state(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        first = (await a.poll()).offers[0]
        await a.reply(first, good("one", changed=True))
        at = world.clock.time()
        await program.say(Diverged(time=at, round=1, ordinal=0, was="x", now="y"))
        await program.ask("a", task="another")
        second = (await a.poll()).offers[0]
        assert second.state_after == 0, "the state after a void reply does not count"
        await a.reply(second, good("two", changed=True))
        await program.commit(1)
        await program.ask("a", round=2)
        assert (await a.poll()).offers[0].state_after == second.seq

    play(scene)


def test_states_follow_the_replies_that_count_over_a_crash(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        first = (await a.poll()).offers[0]
        assert first.state_after == 0
        await a.reply(first, good("one", changed=True))
        await program.ask("a", ordinal=1)
        await world.crash()
        second = (await a.poll()).offers[0]
        assert (second.state_after, second.seq) == (first.seq, first.seq + 1)
        await a.reply(second, good("two"))
        await program.commit(1)
        await world.crash()
        await program.ask("a", round=2)
        assert (await a.poll()).offers[0].state_after == first.seq

    play(scene)


# -- offers --------------------------------------------------------------------------------------------------


def test_an_offer_that_did_not_arrive_is_made_again(play: Any) -> None:
    async def scene(world: World) -> None:
        _, (a,) = await _asked(world, "a")
        first = (await a.poll()).offers[0]
        assert (await a.poll()).offers == [], "the node has it"
        a.hand.clear()
        again = (await a.poll()).offers[0]
        assert (again.key, again.seq) == (first.key, first.seq)

    play(scene)


def test_a_node_goes_on_with_what_it_has_after_both_restarted(play: Any) -> None:
    async def scene(world: World) -> None:
        _, (a,) = await _asked(world, "a")
        await a.poll()
        await world.crash()
        await a.hello()
        assert (await a.poll()).offers == []
        assert (await a.reply(next(iter(a.hand.values())))).status == "accepted"

    play(scene)


def test_a_node_need_not_say_hello_again_after_the_coordinator_restarted(play: Any) -> None:
    async def scene(world: World) -> None:
        _, (a,) = await _asked(world, "a")
        await world.crash()
        assert len((await a.poll()).offers) == 1

    play(scene)


def test_a_newer_session_fences_the_older_one(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        old = a.session
        await a.hello()
        await world.crash()
        assert a.session > old
        a.session = old
        for act in (a.poll(), world.desk.reply(a.answer(_offer()))):
            with pytest.raises(Refusal) as fenced:
                await act
            assert (fenced.value.status, fenced.value.code) == (409, "node.fenced")
        await a.hello()
        assert a.session > old + 1

    play(scene)


def _offer() -> Any:
    return Offer(run="r", key="k", digest="sha256:" + "0" * 64, seq=1, action="train", task=Manifest(), round=1,
                 ordinal=0, seed=1)  # fmt: skip


def test_a_waiting_poll_is_answered_at_once_and_only_the_newest_is(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        program = await world.program()
        older = asyncio.create_task(a.poll(wait=5))
        await settle()
        newer = asyncio.create_task(a.poll(wait=5))
        await settle()
        assert older.done()
        assert (await older).offers == []
        await program.ask("a")
        assert len((await newer).offers) == 1

    play(scene)


def test_an_empty_poll_is_answered_after_its_wait(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a")
        waiting = asyncio.create_task(a.poll(wait=5))
        await settle()
        await world.clock.move(4.9)
        assert not waiting.done()
        await world.clock.move(0.2)
        assert (await waiting).offers == []

    play(scene)


def test_a_node_gets_as_many_calls_as_it_takes_in_turn_across_users_and_runs(play: Any) -> None:
    async def scene(world: World) -> None:
        (a,) = await world.nodes("a", slots=1)
        order = []
        for name, user in (("x1", "ada"), ("x2", "ada"), ("y1", "bob")):
            program = await world.program(name, user=user)
            for place in range(2):
                await program.ask("a", place=place, ordinal=place)
        for _ in range(6):
            orders = await a.poll()
            assert len(orders.offers) == 1
            order.append(orders.offers[0].wants.name)
            await a.reply(orders.offers[0])
        assert order == ["x1", "y1", "x2", "y1", "x1", "x2"]

    play(scene)


def test_a_free_slot_is_filled_without_another_poll(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        waiting = asyncio.create_task(a.poll(wait=5))
        await settle()
        await a.reply(offer)
        await program.commit(1)
        await program.ask("a", round=2)
        assert [o.round for o in (await waiting).offers] == [2]

    play(scene)


def test_a_call_is_its_nodes_until_the_deadline_then_it_has_failed(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a, b) = await _asked(world, "a", "b", deadline=30.0)
        offer = (await a.poll()).offers[0]
        assert offer.deadline == 30.0
        await world.clock.move(29.0)
        assert (await program.say()).outcomes == []
        await world.clock.move(1.5)
        await world.desk.durable()
        heard = await program.say()
        assert {(o.node, o.outcome.failure) for o in heard.outcomes} == {("a", "deadline"), ("b", "deadline")}
        assert (await a.reply(offer)).status == "late"
        assert (await b.poll()).offers == []

    play(scene)


def test_after_a_crash_a_deadline_begins_anew(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a", deadline=30.0)
        await world.clock.move(29.0)
        await world.crash()
        await world.clock.move(29.0)
        assert len((await a.poll()).offers) == 1
        await world.clock.move(2.0)
        await world.desk.durable()
        assert (await program.say()).outcomes[0].outcome.failure == "deadline"

    play(scene)


# -- programs ------------------------------------------------------------------------------------------------


def test_what_is_said_twice_is_in_the_journal_once(play: Any) -> None:
    async def scene(world: World) -> None:
        program, _ = await _asked(world, "a")
        before = len(world.events(program.run))
        await program.again()
        await world.crash()
        await program.again()
        assert len(world.events(program.run)) == before
        await program.log("next")
        await asyncio.gather(program.again(), program.again())
        assert len(world.events(program.run)) == before + 1
        program.at += 5
        with pytest.raises(Refusal) as gap:
            await program.log("too far")
        assert gap.value.code == "run.out-of-order"

    play(scene)


def test_a_newer_program_fences_the_older_one_and_attaches_to_its_calls(play: Any) -> None:
    async def scene(world: World) -> None:
        old, (a,) = await _asked(world, "a")
        listening = asyncio.create_task(old.say(wait=30))
        await settle()
        new = FakeProgram(world, old.run)
        await new.attend()
        with pytest.raises(Refusal) as fenced:
            await listening
        assert (fenced.value.status, fenced.value.code) == (409, "run.fenced")
        await world.crash()
        with pytest.raises(Refusal):
            await old.log("still here")
        await a.work()
        assert (await new.say()).outcomes or (await new.ask("a")).outcomes
        assert len(world.events(new.run, Called)) == 1

    play(scene)


def test_outcomes_are_told_until_they_are_heard_in_the_order_of_the_journal(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a, b) = await _asked(world, "a", "b")
        await b.work()
        await a.work()
        assert [o.node for o in (await world.desk.say(program.run, program.last)).outcomes] == ["b", "a"]
        assert [o.node for o in (await program.say()).outcomes] == ["b", "a"]
        assert (await program.say()).outcomes == []

    play(scene)


def test_nothing_counts_before_it_is_durable(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        offer = (await a.poll()).offers[0]
        answering = asyncio.create_task(a.reply(offer))
        await asyncio.sleep(0)
        assert program.run
        assert world.desk._books.runs[program.run].calls.unheard() == [] or answering.done()
        await answering
        assert (await program.say()).outcomes

    play(scene)


def told(failure: str, key: str = "") -> Failed:
    return Failed(
        time=1.0,
        round=1,
        ordinal=0,
        index=0,
        node="a",
        action="train",
        failure=failure,
        message="odd",
        key=key,
    )


def test_a_program_may_tell_that_what_was_accepted_does_not_count_for_it(play: Any) -> None:
    """And changes nothing by it: the call has its answer, and a program that comes after it is told the same."""

    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        await a.poll()
        await a.work()
        await program.say()
        await program.say(told("invalid"))
        assert [e.message for e in world.events(program.run, Failed)] == ["odd"]
        await world.crash()
        await program.attend()
        heard = await program.ask("a")
        assert heard.outcomes[0].outcome.payload.plain == b"1.0.0.a by a"

    play(scene)


def test_bad_requests_of_a_program_change_nothing(play: Any) -> None:
    async def scene(world: World) -> None:
        program, _ = await _asked(world, "a")
        before = world.events(program.run)
        missing = Manifest(objects={"sha256:" + "0" * 64: 5})
        for act, code in (
            (lambda: program.ask("nobody"), "node.unknown"),
            (lambda: program.say(objects={"model-1": missing}), "object.missing"),
            (
                lambda: world.desk.say(program.run, Say(fence=program.fence, at=program.at, events=[b"x"])),
                "event.malformed",
            ),
            (lambda: program.say(before[0]), "event.not-yours"),
            (lambda: program.say(told("late")), "event.not-yours"),
            (lambda: program.say(told("invalid", key="1.0.0.a")), "event.not-yours"),
        ):
            at = program.at
            if code == "event.malformed":
                program.at += 1
            with pytest.raises(Refusal) as refused:
                await act()
            assert refused.value.code == code
            program.at = at
        assert world.events(program.run) == before
        await program.log("goes on")

    play(scene)


def test_events_are_followed_live(play: Any) -> None:
    async def scene(world: World) -> None:
        program, _ = await _asked(world, "a")
        number = len(world.events(program.run))
        following = asyncio.create_task(world.desk.events(program.run, number, 30))
        await settle()
        assert not following.done()
        await program.log("news")
        found = await following
        assert [n for n, _ in found.events] == [number + 1]
        assert found.live
        with pytest.raises(Refusal) as unknown:
            await world.desk.events("nobody")
        assert unknown.value.status == 404

    play(scene)


def test_models_are_kept_until_they_are_dropped_and_replies_until_the_commit(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        await a.work()
        payload = world.events(program.run, Accepted)[0].payload
        task = world.events(program.run, Called)[0].task
        assert (await world.desk.shelf(program.run, [payload])).objects[payload].plain == b"1.0.0.a by a"
        await program.say(objects={"model-1": Manifest(plain=b"m")})
        await program.commit(1)
        assert set((await world.desk.shelf(program.run, [payload, task, "model-1"])).objects) == {"model-1"}
        await program.say(drop=["model-1"])
        assert (await world.desk.shelf(program.run, ["model-1"])).objects == {}

    play(scene)


def test_finished_is_the_end_and_is_answered_again(play: Any) -> None:
    async def scene(world: World) -> None:
        program, (a,) = await _asked(world, "a")
        await a.poll()
        await program.finish()
        await program.again()
        with pytest.raises(Refusal) as ended:
            await program.log("more")
        assert ended.value.code == "run.ended"
        assert len(world.events(program.run, Finished)) == 1
        assert (await a.reply(next(iter(a.hand.values())))).status == "late"

    play(scene)
