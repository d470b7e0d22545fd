"""What the coordinator writes down, who may see it, and what shows that it was changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from desk_world import World, good
from identified_world import HEART, LUNG, Town, key

from atoll.identity import (
    AuditLog,
    Key,
    PublicKey,
    Signed,
    canonical,
    kept_checkpoints,
    verify_export,
    verify_log,
)
from atoll.service.coordinator._audit import Audit
from atoll.service.coordinator._audit_reading import page, piece
from atoll.service.coordinator._principals import LOCAL
from atoll.service.coordinator._refusals import Refusal
from atoll.wire import Federation, Limitation, Limits, Order, Poll

Play = Callable[[Any], None]


def written(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "audit.jsonl").read_bytes().splitlines()]


def kinds(home: Path) -> list[str]:
    return [entry["kind"] for entry in written(home)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        yield town


def test_a_run_is_written_down_from_its_beginning_to_its_end(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        program = await world.program()
        await program.ask("n")
        await node.work()
        await program.commit(1)
        await program.finish()
        found = written(tmp_path)
        begun = next(e for e in found if e["kind"] == "run-begun")
        assert begun["who"] == "local"
        assert begun["what"]["bundle"] == world.bundle
        assert begun["what"]["nodes"] == ["n"]
        replies = next(e for e in found if e["kind"] == "replies-accepted")["what"]
        (row,) = replies["replies"]
        assert replies["run"] == program.run
        assert row[0] == "n"
        assert row[2].startswith("sha256:")
        assert found[-1]["kind"] == "run-ended"
        assert found[-1]["what"]["status"] == "finished"

    play(scene)


def test_an_end_is_told_only_when_all_that_led_to_it_is_durable(play: Play) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        program = await world.program()
        await program.ask("n")
        await node.work()
        log, synced = world.desk._books.audit, []
        sync = log._log.sync
        log._log.sync = lambda n=None: (synced.append(1), sync(n))  # type: ignore[method-assign, func-returns-value]
        await program.finish()
        assert synced
        assert log._durable == log._added

    play(scene)


def test_many_replies_of_a_run_share_an_entry(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        names = [f"n-{i}" for i in range(30)]
        nodes = await world.nodes(*names)
        program = await world.program()
        await program.ask(*names)
        for node in nodes:
            await node.work()
        await program.finish()
        rows = [e["what"]["replies"] for e in written(tmp_path) if e["kind"] == "replies-accepted"]
        assert sorted(row[0] for entry in rows for row in entry) == sorted(names)
        assert len(rows) < 30

    play(scene)


def test_what_users_wish_of_runs_and_federations_is_written_down(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.nodes("n")
        desk = world.desk
        info = await world.new_run("one")
        await desk.stop("one")
        await desk.resume("one")
        await desk.stop("one")
        await desk.shelf(info.summary["id"], [])
        await desk.remove("one")
        await desk.create_federation(Federation(name="heart"))
        await desk.add_node("heart", "n")
        await desk.remove_node("heart", "n")
        await desk.records.limit(LOCAL, "heart", Limitation(limits=Limits(runs=1)))
        await desk.delete_federation("heart")
        await desk._books.audit.durable()
        told = [k for k in kinds(tmp_path) if k not in ("node-session", "run-ended")]
        assert told == ["coordinator-started", "run-begun", "run-stopped", "run-resumed", "run-stopped", "run-removed",
                        "federation-created", "node-added", "node-removed", "federation-limited", "federation-removed"]  # fmt: skip

    play(scene)


def test_a_model_that_goes_to_a_user_is_written_down_with_its_digests(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        program = await world.program()
        model = world.keep(b"weights")
        await program.ask("n")
        await node.poll()
        (offer,) = node.hand.values()
        verdict = await node.reply(offer, good(objects={model: 7}))
        assert verdict.status == "accepted"
        (event,) = [e for e in world.events(program.run) if type(e).__name__ == "Accepted"]
        await world.desk.shelf(program.run, [event.payload])
        await world.desk._books.audit.durable()
        pulled = next(e for e in written(tmp_path) if e["kind"] == "model-pulled")
        assert pulled["what"]["objects"] == [model]
        assert pulled["what"]["run"] == program.run

    play(scene)


def test_the_log_goes_on_after_a_crash_and_verifies(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        program = await world.program()
        await program.ask("n")
        await node.work()
        await world.crash()
        await world.desk._books.audit.durable()
        of = world.desk._books.audit.key
        with (tmp_path / "audit.jsonl").open("rb") as file:
            verdict = verify_log(file, of=of.id, keys=[of.public])
        assert verdict.fault is None
        assert kinds(tmp_path).count("coordinator-started") == 2
        assert "replies-accepted" in kinds(tmp_path)

    play(scene)


def test_while_the_log_can_t_be_written_nothing_is_done_that_has_to_stand_there(play: Play) -> None:
    async def scene(world: World) -> None:
        await world.nodes("n")
        audit = world.desk._books.audit
        append = audit._log.append

        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        audit._log.append = full  # type: ignore[method-assign, assignment]
        audit.add("something", "local")
        with pytest.raises(Refusal) as refused:
            await audit.durable()
        assert (refused.value.status, refused.value.code) == (503, "disk.full")
        with pytest.raises(Refusal):
            await world.new_run()
        audit._log.append = append  # type: ignore[method-assign]
        for _ in range(50):  # it is tried on by itself
            try:
                await audit.durable()
                break
            except Refusal:
                continue
        await world.new_run()

    play(scene)


def test_a_flood_of_refusals_is_counted_and_not_written_down_one_by_one(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        audit = world.desk._books.audit
        for _ in range(100):
            if not audit.counts("identity.forbidden"):
                audit.refused("identity.forbidden", "nobody", {})
        await world.clock.move(60)
        assert not audit.counts("identity.forbidden")
        audit.refused("identity.forbidden", "nobody", {})
        await audit.durable()
        told = [e["what"] for e in written(tmp_path) if e["kind"] == "refused"]
        assert told == [{"code": "identity.forbidden"}, {"code": "identity.forbidden", "more": 99}]

    play(scene)


# -- pages and exports ----------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    times = iter(range(10_000))
    with AuditLog(tmp_path / "log", of=key("me").id, now=lambda: 1000.0 + next(times)) as log:
        for n in range(1, 1201):
            log.append("odd" if n % 2 else "even", "me", {"text": "x" * (n % 90)})
    return tmp_path / "log"


def test_pages_make_up_the_whole_log(log: Path) -> None:
    found, after, more = [], 0, True
    while more:
        one = page(log, after, 0.0, lambda entry: True, most=100)
        found += [entry.n for entry in one.entries]
        after, more = one.last, one.more
    assert found == list(range(1, 1201))


@pytest.mark.parametrize("after", [0, 1, 2, 599, 1198, 1199, 1200, 5000])
def test_a_page_begins_after_a_number(log: Path, after: int) -> None:
    found = page(log, after, 0.0, lambda entry: True).entries
    assert [entry.n for entry in found] == list(range(after + 1, 1201))[:500]


@pytest.mark.parametrize(("since", "first"), [(0.0, 1), (1000.0, 1), (1500.0, 501), (2199.0, 1200)])
def test_a_page_begins_at_a_time(log: Path, since: float, first: int) -> None:
    assert page(log, 0, since, lambda entry: True).entries[0].n == first


def test_a_line_that_is_only_being_written_is_not_read(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"kind":"half')
    assert page(log, 1100, 0.0, lambda entry: True).entries[-1].n == 1200
    assert piece(log, 0, 1201)[0][-1].endswith("\n")


def test_pieces_begin_where_lines_begin_and_nowhere_else(log: Path) -> None:
    lines, at, more = piece(log, 0, 10)
    assert (len(lines), more) == (10, False)
    assert piece(log, at, 12)[0] == log.read_text().splitlines(keepends=True)[10:12]
    assert piece(log, at + 3, 12) == ([], at + 3, False)
    assert piece(log, 1 << 53, 12) == ([], 1 << 53, False)


def test_the_export_of_a_coordinator_verifies_by_its_key(town: Town, tmp_path: Path) -> None:
    first = town.ask("operator", "GET", "/v1/audit/export").document
    closing = msgspec.convert(first["closing"], Signed)
    assert closing.signer.id == town.audience
    lines = b"".join(line.encode() for line in first["lines"])
    head = {"closing": msgspec.to_builtins(closing), "of": first["of"], "schema": "atoll.audit/1"}
    path = tmp_path / "export"
    path.write_bytes(canonical(head) + b"\n" + lines)
    with path.open("rb") as file:
        assert verify_export(file, of=town.audience, keys=[closing.signer]).fault is None
    changed = path.read_bytes().replace(b'"run-begun"', b'"Run-begun"', 1)
    path.write_bytes(changed)
    with path.open("rb") as file:
        fault = verify_export(file, of=town.audience, keys=[closing.signer]).fault
    assert fault is not None
    assert fault.n == [json.loads(line)["kind"] for line in lines.splitlines()].index("run-begun") + 1


# -- who may see what -----------------------------------------------------------------------------------------------


def entries(town: Town, name: str, query: str = "") -> list[dict[str, Any]]:
    said = town.ask(name, "GET", f"/v1/audit{query}")
    assert said.status == 200, said
    return list(said.document.get("entries", []))


def federations(found: list[dict[str, Any]]) -> set[Any]:
    return {entry.get("what", {}).get("federation") for entry in found}


def test_an_auditor_sees_the_own_federation_and_no_other(town: Town) -> None:
    assert federations(entries(town, "audrey")) == {HEART}
    assert federations(entries(town, "rival")) == {LUNG}


def test_who_may_see_the_whole_coordinator_sees_what_is_of_no_federation(town: Town) -> None:
    found = entries(town, "operator")
    assert "coordinator-started" in {entry["kind"] for entry in found}
    assert HEART not in federations(found)


@pytest.mark.parametrize("name", ["ann", "east", "harbour", "lena"])
def test_who_may_see_no_audit_log_is_refused(town: Town, name: str) -> None:
    said = town.ask(name, "GET", "/v1/audit")
    assert (said.status, said.code) == (403, "identity.forbidden")


@pytest.mark.parametrize("name", ["ann", "audrey", "chief", "olga", "east", "rival"])
def test_only_the_coordinators_own_auditors_export_all_of_it(town: Town, name: str) -> None:
    assert town.ask(name, "GET", "/v1/audit/export").status == 403


def test_entries_can_be_asked_for_by_name_and_by_run(town: Town) -> None:
    run = town.runs["ann"]
    found = entries(town, "audrey", f"?who=ann&run={run}")
    assert [entry["kind"] for entry in found] == ["run-begun"]
    assert found[0]["who"] == key("ann").id
    assert found[0]["name"] == "ann"
    assert entries(town, "audrey", f"?run={town.runs['lena']}") == []
    assert entries(town, "audrey", "?who=lena") == []


def test_a_site_owner_sees_only_what_is_their_own(town: Town) -> None:
    assert {entry["who"] for entry in entries(town, "olga")} <= {key("olga").id}


def test_refusals_are_written_down_with_what_was_claimed(town: Town) -> None:
    town.ask("stranger", "GET", "/v1/runs")
    refused = [e for e in entries(town, "operator") if e["kind"] == "refused"]
    claimed = [e["what"].get("claimed") for e in refused]
    assert key("stranger").id in claimed
    assert all(e["who"] == "nobody" for e in refused if "claimed" in e["what"])


# -- checkpoints ----------------------------------------------------------------------------------------------------


def mark_of(log: AuditLog, key: Key) -> Order:
    return msgspec.convert(msgspec.to_builtins(log.checkpoint(key)), Order)


def test_checkpoints_go_both_ways_once_a_minute(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        (node,) = await world.nodes("n")
        own = key("node")
        audit = world.desk._books.audit
        with AuditLog(tmp_path / "node.jsonl", of=own.id) as log:
            log.append("something", own.id)

            async def poll() -> Any:
                mark = mark_of(log, own)
                return await world.desk.poll(
                    Poll(name="n", session=node.session, free=0, wait=0, checkpoint=mark)
                )

            await poll()
            await asyncio.gather(*world.desk.records._tasks)
            orders = [await poll() for _ in range(3)]
            (given,) = [o.checkpoint for o in orders if o.checkpoint is not None]
            assert msgspec.convert(msgspec.to_builtins(given), Signed).signer.id == audit.of
            await asyncio.gather(*world.desk.records._tasks)
            assert kinds(tmp_path).count("checkpoint-kept") == 1
            await world.clock.move(61)
            await poll()
            await asyncio.gather(*world.desk.records._tasks)
            kept = list(kept_checkpoints(page(audit.path, 0, 0, lambda e: True).entries, own.id))
            assert len(kept) == 2
        with (tmp_path / "node.jsonl").open("rb") as file:
            assert verify_log(file, of=own.id, keys=[own.public], checkpoints=kept).fault is None

    play(scene)


def test_a_node_that_rewrites_its_log_is_found_out_by_what_the_coordinator_kept(
    play: Play, tmp_path: Path
) -> None:
    async def scene(world: World) -> None:
        own = key("node")
        with AuditLog(tmp_path / "node.jsonl", of=own.id) as log:
            log.append("reply-sent", own.id, {"digest": "one"})
            signed = log.checkpoint(own)
        await world.desk._books.audit.keep(signed)
        (tmp_path / "node.jsonl").unlink()
        with AuditLog(tmp_path / "node.jsonl", of=own.id) as log:
            log.append("reply-sent", own.id, {"digest": "two"})
            log.checkpoint(own)
        kept = list(
            kept_checkpoints(page(world.desk._books.audit.path, 0, 0, lambda e: True).entries, own.id)
        )
        with (tmp_path / "node.jsonl").open("rb") as file:
            fault = verify_log(file, of=own.id, keys=[own.public], checkpoints=kept).fault
        assert (fault and fault.n) == 1

    play(scene)


@pytest.mark.parametrize("wrong", ["another key", "no signature", "another body", "another kind", "nonsense"])
def test_a_forged_checkpoint_of_a_node_is_not_kept(town: Town, wrong: str, tmp_path: Path) -> None:
    signer = key("west") if wrong == "another key" else key("east")
    with AuditLog(tmp_path / "log", of=signer.id) as log:
        log.append("something", signer.id)
        mark = msgspec.to_builtins(log.checkpoint(signer))
    if wrong == "no signature":
        mark["signature"] = "A" * 86
    if wrong == "another body":
        mark["body"] = mark["body"].replace('"n":1', '"n":2')
    if wrong == "another kind":
        mark["kind"] = "order"
    if wrong == "nonsense":
        mark = {"kind": "checkpoint", "body": "{", "by": "x", "signature": ""}
    town.do(lambda: forget(town))
    before = kinds(town.home).count("checkpoint-kept")
    session = town.hello("east")
    body = {"name": "east", "session": session, "free": 0, "wait": 0, "checkpoint": mark}
    assert town.ask("east", "POST", "/v1/node/poll", body).status == 200
    town.do(lambda: town.desk._books.audit.durable())
    assert kinds(town.home).count("checkpoint-kept") == before


async def forget(town: Town) -> None:
    town.desk.records._kept.clear()


def test_a_log_of_another_key_is_not_gone_on_with(tmp_path: Path) -> None:
    from atoll.identity import IdentityError
    from atoll.service.coordinator._clock import SystemClock

    with AuditLog(tmp_path / "audit.jsonl", of=Key.make().id) as log:
        log.append("something", "me")
    with pytest.raises(IdentityError) as raised:
        Audit(tmp_path, SystemClock())
    assert raised.value.code == "audit.malformed"


def test_the_first_entry_names_the_key_that_signs(play: Play, tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.desk._books.audit.durable()
        first = written(tmp_path)[0]
        assert PublicKey.of(first["what"]["key"]).id == first["who"] == world.desk._books.audit.of

    play(scene)
