"""Statements: what was signed is what is read, and nothing passes for something else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from village import Village, key, outcome

from atoll.identity import (
    Approval,
    Both,
    Checkpoint,
    Grant,
    IdentityError,
    Join,
    Key,
    Revocation,
    Role,
    Rotation,
    RunOrder,
    Signed,
    Statement,
    canonical,
    check,
    check_both,
    read_signed,
    sign,
    sign_both,
    to_base64,
)

ANA, BEN, TOKEN = key("ana"), key("ben"), key("token")
DIGEST = "sha256:" + "0" * 64
GRANT = Grant(
    token=TOKEN.public.text,
    kind="node",
    name="hospital-a",
    roles=(Role.NODE,),
    federation="heart",
    issued=1,
    expires=2,
)
ALL: list[Statement] = [
    GRANT,
    Join(token=TOKEN.public.text, key=BEN.public.text, name="hospital-a", time=1),
    Approval(key=BEN.id, federation="heart", time=1),
    Revocation(key=BEN.id, federation="heart", time=1, why="lost", keep=(TOKEN.id,)),
    Rotation(old=ANA.id, new=BEN.public.text, time=1),
    Checkpoint(of=ANA.id, n=7, head=DIGEST, time=1),
    RunOrder(run="r1", federation="heart", bundle=DIGEST, settings=DIGEST, issued=1, expires=2, nodes=("a",)),
]


def refusal(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(IdentityError) as caught:
        call(*args, **options)
    return caught.value.code


def forged(plain: object, *, kind: str = "grant", by: Key = ANA) -> Signed:
    """What somebody who writes what they like has signed."""
    data = plain if isinstance(plain, bytes) else canonical(plain)
    return Signed(
        kind, data.decode(), by.public.text, to_base64(by.sign(b"atoll/" + kind.encode() + b"/1\n" + data))
    )


def plain(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(GRANT) | changes
    return {name: value for name, value in told.items() if value is not ...}


@pytest.mark.parametrize("body", ALL, ids=lambda b: type(b).__name__)
def test_what_was_signed_is_read_again_wherever_it_went(body: Statement):
    signed = read_signed(msgspec.json.encode(sign(body, ANA)))
    assert check(signed, type(body)) == body
    assert signed.signer == ANA.public


def test_the_form_is_that_which_the_design_says():
    signed = sign(GRANT, ANA)
    assert signed.body.encode() == canonical(json.loads(signed.body))
    assert sorted(msgspec.to_builtins(signed)) == ["body", "by", "kind", "signature"]
    assert ANA.public.verify(
        b"atoll/grant/1\n" + signed.body.encode(), ANA.sign(b"atoll/grant/1\n" + signed.body.encode())
    )


def test_a_statement_has_an_id_of_its_own():
    ids = {sign(body, by).id for body in ALL for by in (ANA, BEN)}
    assert len(ids) == 2 * len(ALL)
    assert sign(GRANT, ANA).id == sign(GRANT, ANA).id


@pytest.mark.parametrize("body", ALL, ids=lambda b: type(b).__name__)
def test_no_statement_passes_for_one_of_another_kind(body: Statement):
    signed = sign(body, ANA)
    for other in {type(b) for b in ALL} - {type(body)}:
        assert refusal(check, signed, other) == "identity.bad-statement"
        renamed = msgspec.structs.replace(
            signed, kind=sign(next(b for b in ALL if type(b) is other), ANA).kind
        )
        assert refusal(check, renamed, other) == "identity.bad-signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"by": BEN.public.text},
        {"signature": sign(GRANT, BEN).signature},
        {"signature": to_base64(bytes(64))},
        {"body": sign(GRANT, ANA).body.replace("hospital-a", "hospital-b")},
        {"body": sign(GRANT, ANA).body + " "},
        {"body": ""},
        {"signature": to_base64(ANA.sign(sign(GRANT, ANA).body.encode()))},  # without its kind
    ],
)
def test_what_was_changed_after_it_was_signed_is_refused(changes: dict[str, str]):
    changed = msgspec.structs.replace(sign(GRANT, ANA), **changes)
    assert refusal(check, changed, Grant) == "identity.bad-signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"by": "short"},
        {"by": to_base64(bytes(32))},
        {"by": ANA.public.text + "\n"},
        {"signature": "A" * 85},
        {"signature": sign(GRANT, ANA).signature + "="},
    ],
)
def test_what_is_no_key_or_signature_is_refused(changes: dict[str, str]):
    changed = msgspec.structs.replace(sign(GRANT, ANA), **changes)
    assert refusal(check, changed, Grant) == "identity.bad-key"


@pytest.mark.parametrize(
    "told",
    [
        plain(surprise=1),
        plain(expires=...),
        plain(expires="2"),
        plain(expires=2.0),
        plain(expires=1 << 60),
        plain(issued=-1),
        plain(issued=2),
        plain(approve=1),
        plain(kind="program"),
        plain(roles=[]),
        plain(roles=["administrator"]),
        plain(roles=["node", "node"]),
        plain(roles=["emperor"]),
        plain(roles=["node"] * 9),
        plain(kind="user", roles=["node"]),
        plain(token="x" * 43 + "\n"),
        plain(key="k-" + "A" * 32),
        plain(key=ANA.id + "\n"),
        [],
        "grant",
        None,
    ],
)
def test_a_body_with_anything_wrong_is_refused_though_it_was_signed(told: object):
    assert refusal(check, forged(told), Grant) == "identity.bad-statement"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a b",
        "a\n",
        "a/b",
        "../a",
        ".a",
        "-a",
        "a" * 129,
        "hospit\u0430l",
        "a\u202eb",
        "\uff41",
        "a\u0000",
        "é",
        "e\u0301",
    ],
)
def test_a_name_that_can_be_mistaken_for_another_is_refused(name: str):
    assert refusal(check, forged(plain(name=name)), Grant) == "identity.bad-statement"
    assert refusal(check, forged(plain(federation=name)), Grant) == "identity.bad-statement"
    if name:
        assert refusal(check, forged(plain(owner=name)), Grant) == "identity.bad-statement"


@pytest.mark.parametrize("name", ["a", "hospital-a", "someone@example.org", "a+b@c.d", "A.b_c-9"])
def test_a_name_or_address_is_taken(name: str):
    assert check(forged(plain(name=name)), Grant).name == name


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b"[" * 60_000,
        b'{"expires":2, "issued":1}',
        b'"\\ud800"',
        b"NaN",
        b'{"approve":false',
    ],
)
def test_a_signed_body_that_is_not_canonical_is_refused(data: bytes):
    assert refusal(check, forged(data), Grant) == "identity.not-canonical"


def test_a_long_body_is_refused():
    assert refusal(check, forged("x" * 70_000), Grant) == "identity.too-large"


def test_what_nobody_could_read_is_not_signed():
    for wrong in ({"name": "a b"}, {"issued": -1}, {"token": "x"}, {"federation": "x" * 129}):
        assert refusal(sign, msgspec.structs.replace(GRANT, **wrong), ANA) == "identity.bad-statement"
    long = Revocation(key=ANA.id, federation="heart", time=1, keep=(ANA.id,) * 1_500)
    assert check(sign(long, ANA), Revocation) == long


def test_two_keys_say_one_thing():
    both = sign_both(GRANT, ANA, BEN)
    assert check_both(both, Grant) == GRANT
    other = sign(msgspec.structs.replace(GRANT, name="hospital-b"), BEN)
    assert refusal(check_both, Both(both.first, other), Grant) == "identity.bad-statement"
    unsigned = msgspec.structs.replace(both.second, signature=both.first.signature)
    assert refusal(check_both, Both(both.first, unsigned), Grant) == "identity.bad-signature"
    assert refusal(check_both, Both(unsigned, both.first), Grant) == "identity.bad-signature"


GOOD = msgspec.json.encode(sign(GRANT, ANA))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        GOOD[:-1],
        GOOD[: len(GOOD) // 2],
        GOOD.replace(b'"kind"', b'"king"'),
        GOOD[:-1] + b',"more":1}',
        GOOD.replace(b'"by":"', b'"by":"\\ud800'),
        GOOD.replace(b'"grant"', b'"GRANT"'),
        GOOD.replace(b'"grant"', b'"grant\\n"'),
        GOOD.replace(b'"body":"', b'"body":' + b"[" * 5_000 + b'"'),
        b'{"kind":' * 5_000,
        b'{"kind":"grant","body":"' + b"x" * 100_000 + b'"}',
        b"\xff" * 100,
    ],
)
def test_what_is_no_statement_is_refused(data: bytes):
    assert refusal(read_signed, data) == "identity.bad-statement"


def test_a_message_that_is_too_long_is_not_read():
    assert refusal(read_signed, b" " * 1_000_000) == "identity.too-large"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_statement_or_refused(data: bytes):
    with outcome() as code:
        read_signed(data)
    assert code in ([], ["identity.bad-statement"])


@given(st.data())
def test_a_statement_with_a_byte_changed_is_refused(data: st.DataObject):
    changed = bytearray(GOOD)
    at = data.draw(st.integers(0, len(GOOD) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    with outcome() as code:
        check(read_signed(bytes(changed)), Grant)
    assert code in (["identity.bad-statement"], ["identity.bad-signature"], ["identity.bad-key"])


@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(max_size=5), lambda i: st.lists(i, max_size=3), max_leaves=6
    )
)
def test_any_field_of_any_kind_is_read_or_refused(value: Any):
    for name in plain():
        with outcome() as code:
            check(forged(plain(**{name: value})), Grant)
        assert code in ([], ["identity.bad-statement"], ["identity.not-canonical"])


def test_an_entry_of_the_village_is_one(village: Village):
    grant, joined = village.entry("hospital-a")
    assert check(grant, Grant).name == check_both(joined, Join).name == "hospital-a"
