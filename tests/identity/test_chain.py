"""What was done stays written: whoever changes the log is seen, by the log itself or by a checkpoint that others keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_log import FORGER, KEY, NODE, OF, bad, edit, forge, open_log, point, signed_point, verdict, written

from atoll.identity import (
    AuditLog,
    Checkpoint,
    IdentityError,
    Signed,
    Verdict,
    canonical,
    check,
    kept_checkpoints,
    verify_log,
)
from atoll.identity._chain import digest_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


# -- a changed log ----------------------------------------------------------------------------------------------------


def test_a_whole_log_is_found_whole(path):
    assert verdict(written(path, 100)) == Verdict(100, 0)
    assert verdict([]) == Verdict(0, 0)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize(
    "change",
    [{"who": "k-nobody"}, {"kind": "x"}, {"time": 1.0}, {"what": {}}, {"previous": "sha256:" + "0" * 64}],
)
def test_an_entry_that_was_changed_is_named(path, n, change):
    lines = written(path, 10)
    lines[n - 1] = (
        edit(lines[n - 1], **change) if n > 1 or "what" not in change else edit(lines[0], what={"x": 1})
    )
    assert bad(lines) == n


@pytest.mark.parametrize("n", range(1, 10))
def test_an_entry_that_was_taken_out_is_named(path, n):
    lines = written(path, 10)
    assert bad(lines[: n - 1] + lines[n:]) == n


@pytest.mark.parametrize("n", range(1, 10))
def test_an_entry_that_was_put_in_is_named(path, n):
    lines = written(path, 10)
    assert bad([*lines[:n], edit(lines[n - 1], who="k-nobody"), *lines[n:]]) == n + 1


@pytest.mark.parametrize("n", range(1, 9))
def test_entries_that_changed_places_are_named(path, n):
    lines = written(path, 10)
    lines[n - 1], lines[n] = lines[n], lines[n - 1]
    assert bad(lines) == n


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[" * 60_000 + b"\n",
        b'{"n":' * 10_000 + b"\n",
        b"x" * 10_000_000 + b"\n",
        b'{"n": 5}\n',
        b"\xff\xfe\n",
        b"null\n",
        b'{"a":1,"a":2}\n',
    ],
)
def test_a_line_that_is_no_entry_is_named(path, line):
    lines = written(path, 10)
    lines[4] = line
    assert bad(lines) == 5


@pytest.mark.parametrize(
    "write",
    [
        lambda entry: json.dumps(entry).encode(),
        lambda entry: json.dumps(entry, separators=(",", ":")).encode() + b" ",
        lambda entry: canonical({**entry, "more": 1}),
        lambda entry: canonical({n: v for n, v in entry.items() if n != "who"}),
        lambda entry: canonical({**entry, "n": 5.0}),
        lambda entry: canonical({**entry, "n": "5"}),
        lambda entry: canonical({**entry, "n": True}),
        lambda entry: canonical(entry).replace(b"k-someone", b"k-\\u0073omeone"),
    ],
)
def test_an_entry_that_is_written_otherwise_is_named(path, write: Callable[[dict[str, Any]], bytes]):
    lines = written(path, 10)
    lines[4] = write(json.loads(lines[4])) + b"\n"
    assert bad(lines) == 5


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_other_byte_is_seen(tmp_path_factory, data):
    lines = written(tmp_path_factory.mktemp("log") / "audit.jsonl", 6)
    whole = b"".join(lines)
    at = data.draw(st.integers(0, len(whole) - len(lines[-1]) - 1))
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    n = whole[:at].count(b"\n") + 1
    assert bad(bytes(changed).splitlines(keepends=True)) == n


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200).map(lambda line: line + b"\n"), min_size=1))
def test_whatever_the_lines_are_there_is_a_verdict(lines):
    assert bad(lines) == 1


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_says_how_far_the_log_had_come(path):
    lines = written(path, 3)
    with open_log(path) as log:
        found = check(log.checkpoint(KEY), Checkpoint)
    assert (found.of, found.n, found.head) == (OF, 3, digest_of(lines[2][:-1]))
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(4, 3)


@pytest.mark.parametrize("n", range(11))
def test_a_log_agrees_with_the_checkpoints_that_others_keep(path, n):
    lines = written(path, 10)
    assert verdict(lines, (point(lines, n),)) == Verdict(10, n)


@pytest.mark.parametrize("at", range(1, 11))
def test_a_log_that_was_rewritten_whole_contradicts_a_checkpoint(path, at):
    """The chain holds, and the key is the right one: only what somebody else has kept shows it."""
    lines = written(path, 10)
    forged = forge(lines, at, who="k-nobody")
    assert verdict(forged) == Verdict(10, 0)
    kept = tuple(point(lines, n) for n in (3, 6, 10))
    found = verdict(forged, kept).fault
    assert found
    assert found.since <= at <= found.n
    assert (found.since, found.n) == ((1, 3) if at <= 3 else (4, 6) if at <= 6 else (7, 10))


@pytest.mark.parametrize("n", range(1, 10))
def test_what_a_checkpoint_vouches_for_is_not_blamed(path, n):
    """That entry `n + 1` and all after it were put in the place of others shows by the checkpoint, not by the chain."""
    lines = written(path, 10)
    other = [*lines[:n], *forge(lines, n, who="k-nobody")[n:]]
    assert bad(other) == n
    assert bad(other, point(lines, n)) == n + 1
    assert verdict(other, (point(lines, n),)).proven == n


@pytest.mark.parametrize("left", [0, 1, 5, 9])
def test_a_log_whose_end_was_cut_off_contradicts_a_checkpoint(path, left):
    lines = written(path, 10)
    assert verdict(lines[:left]) == Verdict(left, 0)
    assert bad(lines[:left], point(lines, 10)) == left + 1


def test_the_last_entry_that_was_changed_contradicts_a_checkpoint(path):
    lines = written(path, 10)
    assert bad([*lines[:9], edit(lines[9], who="k-nobody")], point(lines, 10)) == 10


def test_two_checkpoints_that_contradict_each_other_are_seen(path):
    lines = written(path, 10)
    assert bad(lines, point(lines, 5), signed_point(5, digest_of(b"other"))) == 5


@pytest.mark.parametrize(
    "forge",
    [
        lambda lines: point(lines, 5, key=FORGER),
        lambda lines: signed_point(5, digest_of(lines[4][:-1]), of=NODE.id),
        lambda lines: msgspec.structs.replace(point(lines, 5, key=FORGER), by=KEY.public.text),
        lambda lines: msgspec.structs.replace(point(lines, 5), signature="A" * 86),
        lambda lines: msgspec.structs.replace(point(lines, 5), body=point(lines, 6).body),
        lambda lines: msgspec.structs.replace(point(lines, 5), kind="revocation"),
        lambda lines: msgspec.structs.replace(point(lines, 5), body="{}"),
        lambda lines: msgspec.structs.replace(point(lines, 5), by="A" * 43),
        lambda lines: msgspec.structs.replace(point(lines, 5), body=point(lines, 5).body + " "),
    ],
)
def test_a_forged_checkpoint_is_refused(path, forge: Callable[[list[bytes]], Signed]):
    lines = written(path, 10)
    with pytest.raises(IdentityError) as caught:
        verdict(lines, (forge(lines),))
    assert caught.value.code == "audit.forged-checkpoint"


def _marked(path: Path) -> list[bytes]:
    written(path, 4)
    with open_log(path) as log:
        log.checkpoint(KEY)
        log.append("run", OF)
        log.append("run", OF)
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "mark",
    [
        lambda lines: point(lines, 4, key=FORGER),
        lambda lines: point(lines, 3),
        lambda lines: signed_point(4, digest_of(b"other")),
        lambda lines: signed_point(4, digest_of(lines[3][:-1]), of=NODE.id),
        lambda lines: signed_point(5, digest_of(lines[3][:-1])),
        lambda lines: msgspec.structs.replace(point(lines, 4), signature="A" * 86),
    ],
)
def test_a_forged_checkpoint_in_the_log_is_named(path, mark: Callable[[list[bytes]], Signed]):
    lines = _marked(path)
    assert verdict(lines) == Verdict(7, 4)
    forged = forge(lines, 5, what={"signed": msgspec.to_builtins(mark(lines))})
    assert bad(forged) == 5


@pytest.mark.parametrize(
    "what", [{}, {"signed": 1}, {"signed": {}, "more": 1}, {"signed": {"kind": "checkpoint"}}]
)
def test_a_checkpoint_in_the_log_that_is_none_is_named(path, what):
    assert bad(forge(_marked(path), 5, what=what)) == 5


@pytest.mark.parametrize("at", [1, 2, 4])
def test_without_the_key_nobody_rewrites_what_comes_before_a_checkpoint_in_the_log(path, at):
    assert bad(forge(_marked(path), at, who="k-nobody")) == 5


def test_after_a_rotation_the_checkpoints_of_both_keys_count(path):
    lines = written(path, 4)
    with open_log(path) as log:
        log.checkpoint(KEY)
        log.checkpoint(NODE)
    lines = path.read_bytes().splitlines(keepends=True)
    assert verdict(lines, keys=(KEY, NODE)) == Verdict(6, 5)
    assert bad(lines) == 6


def test_the_checkpoint_of_another_log_is_kept_in_this_one(path, tmp_path):
    """Whoever examines the other log holds it against that."""
    with AuditLog(tmp_path / "node.jsonl", of=NODE.id) as theirs, open_log(path) as ours:
        theirs.append("begin", NODE.id)
        ours.keep(theirs.checkpoint(NODE))
        ours.append("run", OF)
        (kept,) = kept_checkpoints(ours.entries(), of=NODE.id)
        assert list(kept_checkpoints(ours.entries(), of=OF)) == []
    lines = (tmp_path / "node.jsonl").read_bytes().splitlines(keepends=True)
    options: Any = {"of": NODE.id, "keys": [NODE.public], "checkpoints": [kept]}
    assert verify_log(lines, **options) == Verdict(2, 1)
    fault = verify_log(forge(lines[:1], 1, who="k-nobody"), **options).fault
    assert fault
    assert fault.n == 1


def test_a_checkpoint_that_nobody_signed_is_not_kept(path):
    with open_log(path) as log:
        forged = msgspec.structs.replace(signed_point(1, digest_of(b"x"), of=NODE.id), signature="A" * 86)
        with pytest.raises(IdentityError):
            log.keep(forged)
        assert list(log.entries()) == []
