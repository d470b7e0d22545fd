"""Who did what is written down, whatever they send and whenever the machine stops; secrets are not."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_log import NODE, OF, open_log, verdict, written

from atoll.identity import AuditLog, IdentityError, Verdict
from atoll.identity._chain import LINE, digest_of, genesis, read_entry
from atoll.values import DiskFull


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


# -- what is written --------------------------------------------------------------------------------------------------


def test_an_entry_says_who_did_what_when_and_follows_the_one_before(path):
    with open_log(path) as log:
        assert log.append("run-started", "k-ann", {"run": "r1", "bundle": "sha256:11"}) == 1
        assert log.append("run-ended", "k-ann") == 2
        first, second = log.entries()
    assert (first.n, first.kind, first.who, first.time) == (1, "run-started", "k-ann", 1_700_000_000.123)
    assert first.what == {"run": "r1", "bundle": "sha256:11"}
    assert first.previous == genesis(OF)
    assert second.previous == digest_of(path.read_bytes().splitlines()[0])


def test_a_log_goes_on_where_it_ended(path):
    for n in range(1, 6):
        with open_log(path) as log:
            assert log.append("begin", OF) == n
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(5, 0)


def test_only_its_owner_reads_it(path):
    written(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_entries_are_read_from_a_number_on(path):
    written(path, 10)
    with open_log(path) as log:
        assert [entry.n for entry in log.entries(after=7)] == [8, 9, 10]


def test_the_log_of_another_is_not_gone_on_with(path):
    written(path)
    with pytest.raises(IdentityError, match="not the log of") as caught:
        AuditLog(path, of=NODE.id)
    assert caught.value.code == "audit.malformed"


@pytest.mark.parametrize(
    "content", [b"hello\n", b"\n", b"{}\n", b"\xff\n", b"x" * 2 * LINE, b"x" * 3 * LINE + b"\n"]
)
def test_what_is_no_log_is_not_gone_on_with(path, content):
    path.write_bytes(content)
    with pytest.raises(IdentityError) as caught:
        open_log(path)
    assert caught.value.code == "audit.malformed"
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(IdentityError) as caught:
        open_log(tmp_path / "none" / "audit.jsonl")
    assert caught.value.code == "audit.unusable"


def test_what_is_closed_takes_nothing_more(path):
    log = open_log(path)
    log.close()
    log.close()
    with pytest.raises(IdentityError, match="closed"):
        log.append("begin", OF)


# -- what is not written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["token", "run_token", "password", "Secret", "seed", "Authorization", "cookie"]
)
def test_what_is_named_like_a_secret_is_withheld(path, name):
    with open_log(path) as log:
        log.append("login", "k-ann", {name: "hunter2", "deep": [{name: {"x": "hunter2"}}]})
    assert b"hunter2" not in path.read_bytes()
    assert path.read_bytes().count(b"[withheld]") == 2


@pytest.mark.parametrize(
    "text",
    [
        "GET / Authorization: Bearer hunter2",
        "atoll://h:1/?k=node#hunter2",
        "bearer hunter2 and more",
        "see atoll://h/#seed=hunter2&x said",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2",
    ],
)
def test_what_looks_like_a_secret_is_withheld(path, text):
    with open_log(path) as log:
        log.append(text, text, {text: 1, "said": text, "list": [text]})
    assert b"hunter2" not in path.read_bytes()


NASTY = [
    "\x1b[2J",
    "a\nb",
    "\x00",
    "\x9b31m",
    "\u202egnp",
    "\u2028",
    "\u2066x",
    "\ud800",
    "\x7f",
    "\r",
    "\ufeff",
]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_the_log_steers_a_terminal(path, text):
    with open_log(path) as log:
        log.append(text, text, {text: text, "list": [text]})
    line = path.read_text(encoding="utf-8")
    assert line.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", line)
    assert verdict([line.encode()]) == Verdict(1, 0)


@pytest.mark.parametrize(
    "what",
    [
        {"x": "y" * 10_000_000},
        {f"k{n}": "y" * 900 for n in range(900)},
        {"list": list(range(1_000_000))},
        {"x": float("nan"), "y": float("-inf"), "z": 1 << 4_000_000},
        {"x": b"bytes", "y": object(), "z": {1, 2}},
        {1: 2, None: 3},
    ],
)
def test_whatever_somebody_sends_gets_an_entry_of_bounded_length(path, what):
    deep: Any = what
    for _ in range(100):
        deep = {"in": [deep]}
    with open_log(path) as log:
        log.append("k" * 5_000, "w" * 5_000, what)
        log.append("deep", "w", deep)
    lines = path.read_bytes().splitlines(keepends=True)
    assert max(map(len, lines)) <= LINE
    assert verdict(lines) == Verdict(2, 0)


@settings(max_examples=100, deadline=None)
@given(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    ),
)
def test_anything_can_be_written_and_read(tmp_path_factory, text, value):
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    with open_log(path) as log:
        log.append(text, text, {text: value})
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(1, 0)


# -- crashes ----------------------------------------------------------------------------------------------------------


def test_a_line_that_was_cut_off_anywhere_is_mended(path):
    lines = written(path, 4)
    before = b"".join(lines[:3])
    for at in range(1, len(lines[3]) - 1):
        path.write_bytes(before + lines[3][:at])
        with open_log(path) as log:
            assert log.append("begin", OF) == 5
        found = path.read_bytes().splitlines(keepends=True)
        assert found[:3] == lines[:3]
        assert verdict(found) == Verdict(5, 0)
        mended = read_entry(found[3][:-1])
        assert (mended.kind, mended.what["bytes"]) == ("log-mended", at)


@pytest.mark.parametrize("torn", [b"{", b"\x00" * 5_000, b'{"n":1}', b"\xff" * (LINE - 1)])
def test_a_first_line_that_was_cut_off_is_mended(path, torn):
    path.write_bytes(torn)
    with open_log(path) as log:
        assert [entry.kind for entry in log.entries()] == ["log-mended"]


def test_a_whole_line_is_never_taken_away(path):
    lines = written(path, 4)
    with open_log(path):
        pass
    assert path.read_bytes() == b"".join(lines)


def test_half_a_line_on_a_full_disk_is_taken_back(path, monkeypatch):
    import atoll.identity._audit as audit

    def full(file: int, data: bytes) -> None:
        os.write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with open_log(path) as log:
        log.append("begin", OF)
        with monkeypatch.context() as patch:
            patch.setattr(audit, "write_all", full)
            with pytest.raises(DiskFull):
                log.append("run", OF)
        assert log.append("run", OF) == 2
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(2, 0)


def test_after_a_sync_that_failed_nothing_is_acknowledged(path, monkeypatch):
    log = open_log(path)
    log.append("begin", OF)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(IdentityError, match="Input/output"):
            log.sync()
    for ask in (log.sync, lambda: log.append("run", OF)):
        with pytest.raises(IdentityError) as caught:
            ask()
        assert caught.value.code == "audit.unusable"


def test_those_who_wait_together_share_a_sync(path, monkeypatch):
    syncs: list[int] = []
    real = os.fsync
    with open_log(path) as log:
        monkeypatch.setattr(os, "fsync", lambda file: (syncs.append(file), real(file))[1])
        for _ in range(100):
            log.append("run", OF)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(log.sync, range(1, 101)))
    assert len(syncs) == 1


def test_many_threads_write_one_chain(path):
    def write(log: AuditLog, who: int) -> None:
        for _ in range(50):
            log.sync(log.append("run", f"k-{who}"))

    with open_log(path) as log, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda who: write(log, who), range(8)))
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(400, 0)
