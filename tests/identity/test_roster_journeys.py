"""A roster on its way: nobody can change it, and two that know different things come together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from village import ADMINISTRATOR, NODE, Village, key, names, outcome, promotion, refusal, token

from atoll.identity import (
    Both,
    Revocation,
    Roster,
    Signed,
    join,
    rotate,
    sign,
)

# -- tampered rosters -------------------------------------------------------------------------------------------


def grown() -> Village:
    village = Village()
    ana = village.administrator("ana")
    village.welcome("hospital-a", by=ana)
    village.welcome("hospital-b", approve=True)
    village.roster.approve(village.approve(key("hospital-b").id, by=ana))
    village.roster.rotate(village.rotate("hospital-a", "second"))
    village.welcome("bad")
    village.roster.revoke(village.revoke(key("bad").id, by=ana))
    return village


GROWN = grown()
DATA = GROWN.roster.export()


def read(data: bytes, **options: Any) -> Roster:
    return Roster.read(data, **({"root": GROWN.root.id, "federation": "heart"} | options))


def test_a_roster_is_the_same_after_its_journey():
    roster = read(DATA)
    assert list(roster.members()) == list(GROWN.roster.members())
    assert roster.digest == GROWN.roster.digest
    assert roster.export() == DATA


@given(st.data())
@settings(max_examples=150)
def test_a_roster_with_a_byte_changed_is_refused(data: st.DataObject):
    changed = bytearray(DATA)
    at = data.draw(st.integers(0, len(DATA) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    assert refusal(read, bytes(changed)).startswith("identity.")


@given(st.binary(max_size=300) | st.integers(0, len(DATA) - 1).map(lambda end: DATA[:end]))
def test_what_is_no_roster_or_was_cut_off_is_refused(data: bytes):
    assert refusal(read, data) == "identity.bad-roster"


def doctored(what: str) -> bytes:
    rolls = msgspec.json.decode(DATA)
    mallory = Village()
    mallory.root = key("mallory")
    entry = msgspec.to_builtins(mallory.entry("spy"))
    changes = {
        "a member who invited nobody's key": {"entries": [*rolls["entries"], entry]},
        "without its administrator": {"entries": rolls["entries"][1:]},
        "in an order that begins with the invited": {"entries": rolls["entries"][::-1]},
        "an entry twice": {"entries": rolls["entries"] + rolls["entries"][:1]},
        "a rotation twice": {"rotations": rolls["rotations"] * 2},
        "a rotation of nobody": {"rotations": [msgspec.to_builtins(rotate(key("x"), key("y"), time=1))]},
        "a rotation to a member": {
            "rotations": [msgspec.to_builtins(rotate(key("ana"), key("hospital-b"), time=1))]
        },
        "a revocation by a stranger": {"revocations": [msgspec.to_builtins(mallory.revoke(key("ana").id))]},
        "a revocation elsewhere": {
            "revocations": [
                msgspec.to_builtins(
                    sign(Revocation(key=key("ana").id, federation="lungs", time=1), GROWN.root)
                )
            ]
        },
        "two entries with one name": {
            "entries": [*rolls["entries"], msgspec.to_builtins(another("hospital-b"))]
        },
        "one more field": {"more": 1},
        "another version": {"version": 2},
        "deep": {"entries": nested(500)},
        "a long list of nothing": {"revocations": [None] * 200_000},
    }
    return msgspec.json.encode(rolls | changes[what])


def nested(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def another(name: str) -> tuple[Signed, Both]:
    grant = GROWN.grant(name, token=key("another token").public.text)
    return grant, join(grant, token=key("another token"), key=key("another key"), time=1_500)


@pytest.mark.parametrize(
    "what",
    [
        "a member who invited nobody's key",
        "without its administrator",
        "in an order that begins with the invited",
        "an entry twice",
        "a rotation twice",
        "a rotation of nobody",
        "a rotation to a member",
        "a revocation by a stranger",
        "two entries with one name",
        "one more field",
        "another version",
        "deep",
        "a long list of nothing",
    ],
)
def test_a_tampered_roster_is_refused(what: str):
    assert refusal(read, doctored(what)) == "identity.bad-roster"


def test_a_word_from_another_federation_is_refused():
    assert refusal(read, doctored("a revocation elsewhere")) == "identity.bad-entry"


@pytest.mark.parametrize(
    "data",
    [
        DATA.replace(b'{"version":1', b'{"version":1,"version":1'),
        DATA.replace(b'"federation":"heart"', b'"federation":"lungs","federation":"heart"', 1),
        DATA.replace(b'"approvals":', b'"approvals":[],"approvals":'),
        DATA + b" ",
        b"\xef\xbb\xbf" + DATA,
        DATA.replace(b'"heart"', b'"\\u0068eart"', 1),
        b"[" * 100_000,
        b'{"entries":' * 20_000,
    ],
)
def test_a_roster_in_another_form_is_refused(data: bytes):
    assert data != DATA
    assert refusal(read, data) == "identity.bad-roster"


def test_the_roster_of_another_root_or_federation_is_refused():
    fake = Village()
    fake.root = key("mallory")
    fake.roster = Roster(fake.root.public, "heart")
    fake.welcome("hospital-a")
    assert refusal(read, fake.roster.export()) == "identity.other-roster"
    assert refusal(read, DATA, federation="lungs") == "identity.other-roster"
    assert refusal(read, DATA, root=key("coordinator").id) == "identity.other-roster"
    renamed = DATA.replace(b'"federation":"heart"', b'"federation":"lungs"', 1)
    assert refusal(read, renamed, federation="lungs") == "identity.bad-entry"
    rooted = DATA.replace(GROWN.root.public.text.encode(), fake.root.public.text.encode(), 1)
    assert refusal(read, rooted, root=fake.root.id) == "identity.bad-roster"


def test_a_roster_that_is_too_large_is_not_read():
    assert refusal(read, DATA, most=len(DATA) - 1) == "identity.too-large"


# -- two that know different things -----------------------------------------------------------------------------


def test_two_rosters_come_together(village: Village):
    ana = village.administrator("ana")
    far = village.again()
    village.welcome("hospital-a", by=ana)
    far.add(*village.entry("hospital-b"))
    far.revoke(village.revoke(ana.id, keep=(token("hospital-a"),)))
    assert village.roster.digest != far.digest
    village.roster.merge(far)
    far.merge(village.roster)
    assert names(village.roster) == names(far) == ["hospital-a", "hospital-b"]
    assert village.roster.digest == far.digest


def test_who_was_told_of_a_revocation_forgets_it_for_nobody(village: Village):
    village.welcome("bad")
    before = village.again()
    village.roster.revoke(village.revoke(key("bad").id))
    village.roster.merge(before)  # a coordinator that keeps the revocation back
    assert village.roster.who(key("bad").id) is None


def test_who_knows_a_roster_learns_what_is_new_in_it(village: Village):
    village.welcome("hospital-a")
    near = village.again()
    village.welcome("hospital-b", approve=True)
    village.roster.approve(village.approve(key("hospital-b").id))
    village.roster.rotate(village.rotate("hospital-a", "second"))
    village.welcome("bad")
    village.roster.revoke(village.revoke(key("bad").id))
    near.add(*village.entry("hospital-c"))
    near.learn(village.roster.export())
    near.learn(village.roster.export())
    assert names(near) == ["hospital-a", "hospital-b", "hospital-c"]
    assert near.who(key("second").id) is not None


@given(st.data())
def test_what_was_changed_in_a_known_roster_is_not_learnt(data: st.DataObject):
    changed = bytearray(DATA)
    at = data.draw(st.integers(0, len(DATA) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    near = read(DATA)
    assert refusal(near.learn, bytes(changed)).startswith("identity.")
    assert near.export() == DATA


def test_nothing_is_learnt_from_another_root_or_a_longer_message(village: Village):
    village.welcome("hospital-a")
    other = Roster(key("mallory").public, "heart")
    for roster, code in (
        (other, "identity.other-roster"),
        (Roster(village.root.public, "lungs"), "identity.other-roster"),
    ):
        assert refusal(village.roster.learn, roster.export()) == code
    assert refusal(village.roster.learn, DATA, most=100) == "identity.too-large"


def contradiction(village: Village, what: str) -> Roster:
    far = Roster(village.root.public, village.federation)
    if what == "one token, two keys":
        grant = village.grant("hospital-a")
        far.add(grant, join(grant, token=key("token of hospital-a"), key=key("thief"), time=1_500))
    elif what == "one token, two invitations":
        grant = village.grant("hospital-a", owner="mallory")
        far.add(grant, join(grant, token=key("token of hospital-a"), key=key("hospital-a"), time=1_500))
    elif what == "one name, two keys":
        grant = village.grant("hospital-a", token=key("second").public.text)
        far.add(grant, join(grant, token=key("second"), key=key("thief"), time=1_500))
    elif what == "one key, two names":
        grant = village.grant("hospital-z", token=key("second").public.text)
        far.add(grant, join(grant, token=key("second"), key=key("hospital-a"), time=1_500))
    else:
        far.add(*village.entry("hospital-a"))
        far.rotate(village.rotate("hospital-a", "other"))
    return far


@pytest.mark.parametrize(
    "what",
    [
        "one token, two keys",
        "one token, two invitations",
        "one name, two keys",
        "one key, two names",
        "one key, two rotations",
    ],
)
def test_rosters_that_contradict_each_other_stay_apart(village: Village, what: str):
    village.welcome("hospital-a")
    village.roster.rotate(village.rotate("hospital-a", "second"))
    before = village.roster.export()
    assert refusal(village.roster.merge, contradiction(village, what)) == "identity.bad-roster"
    assert village.roster.export() == before
    assert village.roster.who(key("second").id) is not None


def test_rosters_of_different_federations_stay_apart(village: Village):
    assert refusal(village.roster.merge, Roster(village.root.public, "lungs")) == "identity.other-roster"
    assert refusal(village.roster.merge, Roster(key("mallory").public, "heart")) == "identity.other-roster"


PEOPLE = st.sampled_from(["a", "b", "c", "d"])
SIGNERS = st.sampled_from(["root", "a", "b", "c", "a-2"])
DEEDS = st.lists(
    st.tuples(st.just("admin"), PEOPLE, SIGNERS)
    | st.tuples(st.just("node"), PEOPLE, SIGNERS)
    | st.tuples(st.just("waiting"), PEOPLE, SIGNERS)
    | st.tuples(st.just("approve"), PEOPLE, SIGNERS)
    | st.tuples(st.just("revoke"), PEOPLE, SIGNERS)
    | st.tuples(st.just("revoke token"), PEOPLE, SIGNERS)
    | st.tuples(st.just("keep a"), PEOPLE, SIGNERS)
    | st.tuples(st.just("rotate"), PEOPLE, PEOPLE)
    | st.tuples(st.just("raise"), PEOPLE, SIGNERS),
    max_size=14,
)


def do(village: Village, deed: str, who: str, signer: str) -> None:
    by, roster = key(signer), village.roster
    match deed:
        case "admin" | "node" | "waiting":
            roles = ADMINISTRATOR if deed == "admin" else NODE
            roster.add(*village.entry(who, by=by, roles=roles, approve=deed == "waiting"))
        case "raise":
            roster.add(promotion(village, who, ADMINISTRATOR, by=by))
        case "approve":
            roster.approve(village.approve(key(who).id, by=by))
        case "revoke":
            roster.revoke(village.revoke(key(who).id, by=by))
        case "revoke token":
            roster.revoke(village.revoke(token(who), by=by))
        case "keep a":
            roster.revoke(village.revoke(key(who).id, by=by, keep=(token("a"),)))
        case _:
            roster.rotate(village.rotate(who, f"{who}-2"))


@given(DEEDS)
@settings(max_examples=200)
def test_whatever_was_done_everybody_who_reads_it_sees_the_same(deeds: list[tuple[str, str, str]]):
    village = Village()
    half = Roster(village.root.public, village.federation)
    for number, deed in enumerate(deeds):
        with outcome():
            do(village, *deed)
        if number == len(deeds) // 2:
            half = village.again()
    far = village.again()
    assert list(far.members()) == list(village.roster.members())
    assert far.export() == village.roster.export()
    half.merge(far)
    assert list(half.members()) == list(far.members())
    assert half.digest == far.digest
