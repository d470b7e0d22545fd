"""What a node writes down: what it ran for whom, and digests of all that left it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from node_world import Daemon, World, offer, refused

from atoll.identity import AuditLog, Key, PublicKey, Signed, check, kept_checkpoints, verify_log
from atoll.identity import Checkpoint as Mark
from atoll.service.node._audit import NodeAudit
from atoll.wire import Answer, Bad, Good, Manifest, Order

Start = Callable[..., Daemon]
DIGEST = "sha256:" + "1" * 64


def written(daemon: Daemon) -> list[dict[str, Any]]:
    path = Path(daemon.settings.home) / "audit.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def of_kind(daemon: Daemon, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in written(daemon) if entry["kind"] == kind]


def test_a_task_is_written_down_from_its_bundle_to_its_reply(world: World, daemon: Start) -> None:
    node = daemon()
    world.ask(offer())
    world.answers()
    kinds = [e["kind"] for e in written(node) if e["kind"] != "checkpoint"]
    assert kinds == ["log-opened", "coordinator-session", "bundle-accepted", "task-begun", "reply-sent"]
    (sent,) = of_kind(node, "reply-sent")
    assert sent["what"]["digest"] == world.accepted[0].digest
    assert of_kind(node, "bundle-accepted")[0]["what"]["run"] == "r"


def test_a_reply_that_is_sent_again_is_written_down_once(world: World, daemon: Start) -> None:
    node, left = daemon(), [3]

    def unlucky(what: str) -> None:
        if what == "reply" and left[0]:
            left[0] -= 1
            raise refused(503, "coordinator.draining")

    world.refuse = unlucky
    world.ask(offer())
    world.answers()
    assert left == [0]
    assert len(of_kind(node, "reply-sent")) == 1


def test_what_can_t_be_written_down_does_not_leave(world: World, daemon: Start) -> None:
    node = daemon()
    world.until(lambda: world.session)
    append, tried = node.node._audit._log.append, []

    def full(kind: str, who: str, what: Any = None) -> int:
        if kind == "reply-sent" and len(tried) < 2:
            tried.append(kind)
            raise OSError(28, "No space left on device")
        return append(kind, who, what)

    node.node._audit._log.append = full  # type: ignore[method-assign]
    world.ask(offer())
    world.answers()
    assert len(tried) == 2
    assert world.replies == 1


def test_the_log_goes_on_when_the_node_is_killed_and_verifies(world: World, daemon: Start) -> None:
    first = daemon()
    world.ask(offer())
    world.answers()
    first.crash()
    second = daemon()
    world.ask(offer("2.0.0.n"))
    world.answers(2)
    second.end()
    found = written(second)
    assert [e["kind"] for e in found].count("log-opened") == 2
    key = PublicKey.of(found[0]["what"]["key"])
    with (Path(second.settings.home) / "audit.jsonl").open("rb") as file:
        assert verify_log(file, of=found[0]["what"]["of"], keys=[key]).fault is None


def test_a_checkpoint_goes_to_the_coordinator(world: World, daemon: Start) -> None:
    daemon()
    world.until(lambda: world.marks)
    mark = check(msgspec.convert(msgspec.to_builtins(world.marks[0]), Signed), Mark)
    assert mark.n >= 1


# -- the log alone ----------------------------------------------------------------------------------------------------


class Alone:
    """A node's log, with a clock that the test moves."""

    def __init__(self, home: Path, **fields: Any) -> None:
        self.now, self.warned = 0.0, list[str]()
        self.log = NodeAudit(
            home, name="n", warn=self.warned.append, later=lambda seconds, do: do(), elsewhere=lambda do: do(),
            clock=lambda: self.now, **fields,
        )  # fmt: skip


def answer(outcome: Good | Bad) -> Answer:
    return Answer(name="n", session=1, run="r", key="1.0.0.n", call=DIGEST, digest=DIGEST, outcome=outcome)


def mark(folder: Path, key: Key, *, entries: int, text: str = "") -> Order:
    folder.mkdir(exist_ok=True)
    (folder / "log").unlink(missing_ok=True)
    with AuditLog(folder / "log", of=key.id, now=lambda: 0.0) as log:
        for _ in range(entries):
            log.append("something", key.id, {"text": text})
        return msgspec.convert(msgspec.to_builtins(log.checkpoint(key)), Order)


def lines(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "audit.jsonl").read_bytes().splitlines()]


def test_digests_of_all_that_leaves_are_written_down_and_nothing_of_its_values(tmp_path: Path) -> None:
    log = Alone(tmp_path).log
    payload = Manifest(objects={DIGEST: 7}, inline=b"private weights")
    log.leaves(answer(Good(weight=17.0, metrics={"private_metric": 4242.0}, payload=payload)), "heart")
    entry = lines(tmp_path)[-1]
    assert entry["what"] == {
        "run": "r",
        "federation": "heart",
        "call": "1.0.0.n",
        "digest": DIGEST,
        "objects": [DIGEST],
    }
    assert "private" not in (tmp_path / "audit.jsonl").read_text()


def test_checkpoints_are_made_once_a_minute_while_things_happen_and_once_an_hour_while_not(
    tmp_path: Path,
) -> None:
    alone = Alone(tmp_path)
    assert alone.log.checkpoint() is not None
    alone.log.session(1)
    assert alone.log.checkpoint() is None
    alone.now = 61
    assert alone.log.checkpoint() is not None
    alone.now = 200
    assert alone.log.checkpoint() is None
    alone.now = 61 + 3600
    assert alone.log.checkpoint() is not None


def test_the_coordinator_s_checkpoints_are_kept(tmp_path: Path) -> None:
    key = Key.make()
    alone = Alone(tmp_path, audience=key.id)
    alone.log.keep(mark(tmp_path / "theirs", key, entries=3))
    found = alone.log._log.entries()
    (kept,) = kept_checkpoints(found, key.id)
    assert check(kept, Mark).n == 3
    assert alone.warned == []


@pytest.mark.parametrize("wrong", ["another key", "no signature", "another body", "another kind", "nonsense"])
def test_a_forged_one_is_not_kept_and_the_owner_is_told(tmp_path: Path, wrong: str) -> None:
    key = Key.make()
    alone = Alone(tmp_path, audience=key.id)
    good = mark(tmp_path / "theirs", Key.make() if wrong == "another key" else key, entries=3)
    changed = {
        "no signature": {"signature": "A" * 86}, "another kind": {"kind": "order"}, "nonsense": {"body": "{", "by": "x"},
        "another body": {"body": good.body.replace('"n":3', '"n":4')},
    }.get(wrong, {})  # fmt: skip
    alone.log.keep(msgspec.structs.replace(good, **changed))
    assert "was not kept" in alone.warned[0]
    assert not [e for e in lines(tmp_path) if e["kind"] == "checkpoint-kept"]


@pytest.mark.parametrize(("entries", "text"), [(3, ""), (5, "other")])
def test_a_coordinator_whose_log_was_rewritten_is_found_out(tmp_path: Path, entries: int, text: str) -> None:
    key = Key.make()
    alone = Alone(tmp_path, audience=key.id)
    alone.log.keep(mark(tmp_path / "theirs", key, entries=5))
    alone.log.keep(mark(tmp_path / "theirs", key, entries=entries, text=text))
    assert "was rewritten" in alone.warned[0]


def test_a_node_that_has_a_new_key_goes_on_with_its_log(tmp_path: Path) -> None:
    Alone(tmp_path).log.ended()
    Key.make().save(tmp_path / "key.pem")
    log = Alone(tmp_path, key=str(tmp_path / "key.pem")).log
    assert log.of == lines(tmp_path)[0]["what"]["of"]
    assert lines(tmp_path)[-1]["who"] == Key.load(tmp_path / "key.pem").id
