"""Whatever comes: every parser of what crosses a trust boundary reads it or refuses it, and raises nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from identified_world import key

from atoll.identity import (
    Checkpoint,
    Grant,
    IdentityError,
    Join,
    Key,
    Revocation,
    check,
    check_both,
    from_base64,
    read_signed,
)
from atoll.service.coordinator._answers import refusal
from atoll.service.coordinator._openapi import document
from atoll.service.coordinator._route import MIB
from atoll.service.coordinator._routes import ROUTES
from atoll.surfaces._credentials import FILE, Credentials, Pin, credentials_in
from atoll.values import AtollError
from atoll.wire import Fetch

BODIES = sorted({route.body for route in ROUTES if route.body} | {Fetch}, key=lambda kind: kind.__name__)
R = TypeVar("R", bound=Exception)
DEEP = b"[" * 100_000
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def outcome(ask: Callable[[], Any], refusal: type[R]) -> tuple[Any, R | None]:
    """What came of it, or how it was refused; whatever else is raised is a test's failure."""
    try:
        return ask(), None
    except refusal as error:
        return None, error


def read_or_refused(kind: type[Any], data: bytes) -> None:
    """As the door does it: what can't be read is the asker's fault, and said in a few words."""
    _, error = outcome(lambda: msgspec.json.Decoder(kind).decode(data), Exception)
    if error is not None:
        found = refusal(error)
        assert found.status == 400
        assert found.code == "request.malformed"
        assert len(found.message) < 2_000


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@QUIET
@given(data=st.binary(max_size=200))
@example(data=DEEP)
@example(data=b'{"a":' * 100_000)
@example(data=b"\xff" * 1000)
@example(data=b"")
@example(data=b"1e999999")
@example(data=b'{"federation":"' + b"x" * 100_000 + b'"}')
@example(data=b"9" * 100_000)
def test_any_bytes_are_a_message_or_refused(kind: type[Any], data: bytes) -> None:
    read_or_refused(kind, data)


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@QUIET
@given(data=st.data())
def test_any_values_in_a_messages_fields_are_one_or_refused(kind: type[Any], data: st.DataObject) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    told = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANY)))
    read_or_refused(kind, json.dumps(told).encode("utf-8", "surrogatepass"))


def test_every_message_has_a_bound() -> None:
    assert all(0 < route.limit <= 256 * MIB for route in ROUTES)
    assert {route.path for route in ROUTES if route.limit > 64 * MIB} == {"/v1/runs/{run}/say"}
    assert document(ROUTES, "0")["paths"]


# -- what was signed -----------------------------------------------------------------------------------------------------


@QUIET
@given(
    body=st.text(max_size=300).map(lambda t: t.encode()) | ANY.map(lambda v: json.dumps(v).encode()),
    of=st.sampled_from(["grant", "checkpoint", "revocation"]),
)
@example(body=DEEP[:30_000], of="grant")
@example(body=b"", of="checkpoint")
def test_whatever_was_truly_signed_is_a_statement_or_refused(body: bytes, of: str) -> None:
    kinds: dict[str, Any] = {"grant": Grant, "checkpoint": Checkpoint, "revocation": Revocation}
    own = key("somebody")
    signature = own.sign(b"atoll/" + of.encode() + b"/1\n" + body)
    from atoll.identity import Signed, to_base64

    outcome(
        lambda: check(Signed(of, body.decode(), own.public.text, to_base64(signature)), kinds[of]),
        IdentityError,
    )


@QUIET
@given(
    data=st.binary(max_size=300) | ANY.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
)
@example(data=DEEP)
@example(data=b'{"kind":"join","body":"' + b"\\u0000" * 1000 + b'","by":"","signature":""}')
def test_whatever_travels_as_a_statement_is_read_or_refused(data: bytes) -> None:
    said, error = outcome(lambda: check(read_signed(data), Join), IdentityError)
    assert said is None
    assert error is not None
    assert error.code
    assert len(error.message) < 2_000


@QUIET
@given(text=st.text(max_size=60), size=st.sampled_from([32, 64]))
@example(text="A" * 43, size=32)
@example(text="A" * 42 + "B", size=32)
@example(text="\u0660" * 43, size=32)
def test_any_text_is_base64_of_its_length_or_refused(text: str, size: int) -> None:
    raw, error = outcome(lambda: from_base64(text, size), IdentityError)
    assert error or len(raw) == size


def test_two_halves_that_differ_are_refused() -> None:
    from atoll.identity import Both, sign

    one, other = (
        sign(Join(token=key("t").public.text, key=key("k").public.text, name=name, time=1), key(name))
        for name in "ab"
    )
    with pytest.raises(IdentityError, match="different things"):
        check_both(Both(one, other), Join)


# -- files of a machine that has joined ----------------------------------------------------------------------------------

GOOD = Credentials(kind="node", url="https://fl.example.org", audience=key("c").id, ca="ca.pem",
                   pins={"heart": Pin(root=key("root").id, name="east")})  # fmt: skip


def read_file(home: Path, data: bytes) -> Credentials | None:
    (home / FILE).write_bytes(data)
    found, error = outcome(lambda: credentials_in(home), AtollError)
    if error is not None:
        assert error.code == "identity.unreadable"
        assert FILE in error.message
        assert error.mend
    return found


@QUIET
@given(data=st.binary(max_size=200))
@example(data=DEEP)
@example(data=b'{"kind":"node","url":"\xff","audience":""}')
@example(data=b"")
@example(data=b"\x00" * 4096)
def test_any_file_of_a_machine_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    read_file(tmp_path, data)


@QUIET
@given(
    told=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("kind", "url", "audience", "ca", "pins", "data"), ANY)
    )
)
def test_any_values_in_a_machines_file_are_read_or_refused(tmp_path: Path, told: dict[str, Any]) -> None:
    read_file(tmp_path, json.dumps(told).encode("utf-8", "surrogatepass"))


@QUIET
@given(data=st.data())
def test_a_machines_file_that_was_changed_or_cut_off_is_read_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    whole = msgspec.json.encode(GOOD)
    at = data.draw(st.integers(0, len(whole) - 1))
    read_file(tmp_path, whole[:at])
    read_file(tmp_path, whole[:at] + data.draw(st.binary(min_size=1, max_size=2)) + whole[at + 1 :])


def test_a_machines_file_comes_back(tmp_path: Path) -> None:
    GOOD.save(tmp_path)
    assert credentials_in(tmp_path) == GOOD
    if os.name == "posix":
        assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@QUIET
@given(data=st.binary(max_size=300))
@example(data=b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 100_000)
def test_any_file_is_a_key_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(AtollError):
        Key.load(path)
