"""An export is a log and its checkpoint in one file, and can be examined anywhere."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_log import FORGER, KEY, NODE, OF, edit, open_log, point, signed_point, verdict, written

from atoll.identity import Fault, IdentityError, Key, Signed, Verdict, exported, verify_export
from atoll.identity._chain import LINE, digest_of, lines_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


# -- exports ----------------------------------------------------------------------------------------------------------


def _exported(path: Path, count: int = 10) -> bytes:
    written(path, count)
    out = io.BytesIO()
    with open_log(path) as log:
        log.export(out, KEY)
        log.append("run", OF)
    return out.getvalue()


def _examine(export: bytes, of: str = OF, keys: tuple[Key, ...] = (KEY,), *kept: Signed) -> Verdict:
    return verify_export(io.BytesIO(export), of=of, keys=[key.public for key in keys], checkpoints=kept)


def test_an_export_is_one_file_that_can_be_verified_anywhere(path):
    export = _exported(path)
    assert _examine(export) == Verdict(10, 10)
    assert export.count(b"\n") == 11
    assert verdict(path.read_bytes().splitlines(keepends=True)) == Verdict(12, 10)


def test_the_entries_of_an_export_can_be_read(path):
    found = list(exported(io.BytesIO(_exported(path))))
    assert [entry.n for entry in found] == list(range(1, 11))
    assert found[0].kind == "begin"


def test_of_a_line_that_is_too_long_no_more_is_read_than_shows_it():
    assert [len(line) for line in lines_of(io.BytesIO(b"x" * (LINE + 10)))] == [LINE + 1, 9]


def test_an_empty_log_can_be_exported(path):
    out = io.BytesIO()
    with open_log(path) as log:
        log.export(out, KEY)
    assert _examine(out.getvalue()) == Verdict(0, 0)


@pytest.mark.parametrize("n", range(1, 11))
def test_an_export_that_was_changed_names_the_entry(path, n):
    lines = _exported(path).splitlines(keepends=True)
    lines[n] = edit(lines[n], who="k-nobody")
    found = _examine(b"".join(lines)).fault
    assert found
    assert found.n == n


@pytest.mark.parametrize("left", range(10))
def test_an_export_whose_end_is_missing_is_refused(path, left):
    lines = _exported(path).splitlines(keepends=True)
    fault = _examine(b"".join(lines[: left + 1])).fault
    assert fault
    assert fault.n == left + 1


def test_an_export_that_was_cut_off_in_a_line_is_refused(path):
    export = _exported(path)
    fault = _examine(export[:-1]).fault
    assert fault == Fault(10, 10, fault.why if fault else "")


def test_an_export_with_more_than_its_checkpoint_covers_is_refused(path):
    export = _exported(path)
    last = export.splitlines()[-1]
    more = edit(last + b"\n", n=11, previous=digest_of(last))
    fault = _examine(export + more).fault
    assert fault
    assert fault.n == 11


@pytest.mark.parametrize(
    "closing",
    [
        lambda lines: point(lines, 10, key=FORGER),
        lambda lines: msgspec.structs.replace(point(lines, 10), signature="A" * 86),
        lambda lines: signed_point(10, digest_of(lines[9][:-1]), of=NODE.id),
        lambda lines: msgspec.structs.replace(point(lines, 10), body=point(lines, 5).body),
        lambda lines: msgspec.structs.replace(point(lines, 10, key=FORGER), by=KEY.public.text),
    ],
)
def test_an_export_with_a_forged_checkpoint_is_refused(path, closing: Callable[[list[bytes]], Signed]):
    head, *lines = _exported(path).splitlines(keepends=True)
    forged = edit(head, closing=msgspec.to_builtins(closing(lines)))
    with pytest.raises(IdentityError) as caught:
        _examine(forged + b"".join(lines))
    assert caught.value.code == "audit.forged-checkpoint"


def test_an_export_of_another_log_is_refused(path):
    export = _exported(path)
    for of, keys in ((NODE.id, (KEY,)), (OF, (NODE,)), (OF, ())):
        with pytest.raises(IdentityError) as caught:
            _examine(export, of, keys)
        assert caught.value.code in ("audit.malformed", "audit.forged-checkpoint")


def test_an_export_contradicts_what_others_have_kept(path, tmp_path):
    lines = written(tmp_path / "other.jsonl", 5)
    point = signed_point(5, digest_of(edit(lines[4], who="k-nobody")[:-1]))
    fault = _examine(_exported(path), OF, (KEY,), point).fault
    assert fault == Fault(5, 1, fault.why if fault else "")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_what_is_no_export_is_refused(data):
    with pytest.raises(IdentityError) as caught:
        _examine(data)
    assert caught.value.code == "audit.malformed"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_other_byte_of_an_export_is_seen(tmp_path_factory, data):
    export = _exported(tmp_path_factory.mktemp("log") / "audit.jsonl", 4)
    changed = bytearray(export)
    at = data.draw(st.integers(0, len(export) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        assert _examine(bytes(changed)).fault
    except IdentityError as error:
        assert error.code in ("audit.malformed", "audit.forged-checkpoint")  # noqa: PT017


def test_a_long_log_is_exported_and_verified_in_little_memory(path, tmp_path):
    with open_log(path) as log:
        for n in range(8_000):
            log.append("run", "k-someone", {"run": f"r{n}", "note": "x" * 900})
        tracemalloc.start()
        try:
            with (tmp_path / "export").open("wb") as out:
                log.export(out, KEY)
            with (tmp_path / "export").open("rb") as file:
                found = verify_export(file, of=OF, keys=[KEY.public])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert found == Verdict(8_000, 8_000)
    assert path.stat().st_size > 8_000_000
    assert peak < 3_000_000
