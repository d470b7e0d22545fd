"""The roster: whoever pins the root can check all of it, and nobody on the way can add anything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from village import ADMINISTRATOR, SCIENTIST, Village, key, outcome

from atoll.identity import (
    Approval,
    Both,
    Grant,
    IdentityError,
    Join,
    PublicKey,
    Revocation,
    Role,
    Roster,
    Signed,
    check,
    join,
    rotate,
    sign,
    sign_both,
)

NODE = (Role.NODE,)


def refusal(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(IdentityError) as caught:
        call(*args, **options)
    return caught.value.code


def names(roster: Roster) -> list[str]:
    return sorted(member.name for member in roster.members() if member.approved)


def token(name: str) -> str:
    return key(f"token of {name}").id


# -- joining --------------------------------------------------------------------------------------------------------


def test_who_takes_up_an_invitation_of_the_root_is_a_member(village: Village):
    member = village.welcome("hospital-a", owner="ana")
    assert (member.key, member.id, member.first) == (
        key("hospital-a").public,
        key("hospital-a").id,
        key("hospital-a").id,
    )
    assert (member.name, member.kind, member.roles, member.owner) == (
        "hospital-a",
        "node",
        {Role.NODE},
        "ana",
    )
    assert village.roster.who(member.id) == village.roster.named("Hospital-A") == member
    assert village.again().who(member.id) == member


def test_the_root_is_an_administrator_and_strangers_are_nobody(village: Village):
    root = village.roster.who(village.root.id)
    assert root is not None
    assert root.roles == {Role.ADMINISTRATOR}
    assert village.roster.who(key("stranger").id) is None
    assert village.roster.who("") is None


def test_the_same_key_again_gets_the_same_answer(village: Village):
    grant, joined = village.entry("hospital-a")
    first = village.roster.add(grant, joined)
    later = join(grant, token=key("token of hospital-a"), key=key("hospital-a"), time=1_900)
    assert village.roster.add(grant, joined, now=9_999) == village.roster.add(grant, later) == first
    assert len(village.roster) == 1
    assert village.roster.taken(token("hospital-a")) == first.id


def test_a_token_is_good_for_one_key(village: Village):
    grant, joined = village.entry("hospital-a")
    village.roster.add(grant, joined)
    thief = join(grant, token=key("token of hospital-a"), key=key("thief"), time=1_500)
    assert refusal(village.roster.add, grant, thief) == "identity.token-spent"
    assert village.roster.who(key("thief").id) is None


@pytest.mark.parametrize(
    "signer", ["stranger", "coordinator", "scientist", "hospital-a", "token of hospital-a"]
)
def test_an_invitation_by_whoever_is_no_administrator_is_refused(village: Village, signer: str):
    village.welcome("scientist", roles=SCIENTIST)
    village.welcome("hospital-a")
    entry = village.entry("mallory", by=key(signer), roles=ADMINISTRATOR)
    assert refusal(village.roster.add, *entry) == "identity.not-authorised"
    assert village.roster.who(key("mallory").id) is None


def test_administrators_invite_administrators_up_to_a_depth(village: Village):
    signer = village.root
    for depth in range(1, 9):
        signer = village.administrator(f"admin-{depth}", by=signer)
    assert refusal(village.roster.add, *village.entry("ninth", by=signer)) == "identity.not-authorised"
    assert village.again().who(key("admin-8").id) is not None


@pytest.mark.parametrize("now", [2_000.5, 2_001, 10**9])
def test_an_invitation_that_is_over_is_refused(village: Village, now: float):
    assert refusal(village.roster.add, *village.entry("hospital-a"), now=now) == "identity.expired"


@pytest.mark.parametrize("time", [0, 939, 2_061, 1 << 40])
def test_who_joined_out_of_the_time_of_the_invitation_is_refused(village: Village, time: int):
    grant = village.grant("hospital-a")
    late = join(grant, token=key("token of hospital-a"), key=key("hospital-a"), time=time)
    assert refusal(village.roster.add, grant, late) == "identity.expired"


def test_a_name_is_one_members_until_it_is_revoked(village: Village):
    village.welcome("hospital-a")
    again = village.grant("Hospital-A", token=key("second").public.text)
    joined = join(again, token=key("second"), key=key("new disk"), time=1_500)
    assert refusal(village.roster.add, again, joined) == "identity.name-taken"
    village.roster.revoke(village.revoke(key("hospital-a").id))
    assert village.roster.add(again, joined).id == key("new disk").id
    assert village.again().named("hospital-a") == village.roster.named("hospital-a")


@pytest.mark.parametrize("name", ["root", "Root", "ROOT"])
def test_nobody_is_called_root(village: Village, name: str):
    assert refusal(village.roster.add, *village.entry(name)) == "identity.bad-entry"


# -- swapped identity -----------------------------------------------------------------------------------------------


def swapped(village: Village, what: str) -> tuple[Signed, Both | None]:
    grant, joined = village.entry("hospital-a")
    other, others = village.entry("hospital-b")
    return {
        "another's grant": (other, joined),
        "another's join": (grant, others),
        "signatures the other way round": (grant, Both(joined.second, joined.first)),
        "the token alone": (grant, Both(joined.first, joined.first)),
        "the key alone": (grant, Both(joined.second, joined.second)),
        "the token as the key": (
            grant,
            join(grant, token=key("token of hospital-a"), key=key("token of hospital-a"), time=1_500),
        ),
        "another's token": (grant, join(grant, token=key("other token"), key=key("hospital-a"), time=1_500)),
        "nobody": (grant, None),
        "another federation": village.entry("hospital-a", federation="lungs"),
        "another kind of statement": (joined.first, joined),
        "the root's key": (
            grant,
            join(grant, token=key("token of hospital-a"), key=village.root, time=1_500),
        ),
        "not the key it was for": village.entry("hospital-a", key=key("another").id),
    }[what]


@pytest.mark.parametrize(
    "what",
    [
        "another's grant",
        "another's join",
        "signatures the other way round",
        "the token alone",
        "the key alone",
        "the token as the key",
        "another's token",
        "nobody",
        "another federation",
        "another kind of statement",
        "the root's key",
        "not the key it was for",
    ],
)
def test_parts_of_different_identities_make_no_entry(village: Village, what: str):
    code = refusal(village.roster.add, *swapped(village, what))
    assert code in ("identity.bad-entry", "identity.bad-statement")
    assert len(village.roster) == 0


def test_who_joins_under_another_name_is_refused(village: Village):
    grant, token_key = village.grant("hospital-a"), key("token of hospital-a")
    said = Join(token=token_key.public.text, key=key("spy").public.text, name="hospital-b", time=1_500)
    assert refusal(village.roster.add, grant, sign_both(said, token_key, key("spy"))) == "identity.bad-entry"


def test_a_signature_is_not_anothers(village: Village):
    grant, joined = village.entry("hospital-a")
    _, other = village.entry("hospital-b")
    for changes in ({"by": key("thief").public.text}, {"signature": other.second.signature}):
        forged = Both(joined.first, msgspec.structs.replace(joined.second, **changes))
        assert refusal(village.roster.add, grant, forged) == "identity.bad-signature"
    forged_grant = msgspec.structs.replace(grant, by=key("mallory").public.text)
    assert refusal(village.roster.add, forged_grant, joined) == "identity.bad-signature"


# -- more roles -----------------------------------------------------------------------------------------------------


def promotion(village: Village, who: str, roles: tuple[Role, ...], **other: Any) -> Signed:
    return village.grant(
        **(
            {"name": who, "roles": roles, "token": key(f"{who} {roles}").public.text, "key": key(who).id}
            | other
        )
    )


def test_a_member_gets_another_role_without_joining_again(village: Village):
    village.welcome("ana", roles=SCIENTIST)
    grant = promotion(village, "ana", (Role.AUDITOR,))
    assert village.roster.add(grant).roles == {Role.SCIENTIST, Role.AUDITOR}
    assert village.again().named("ana") == village.roster.named("ana")
    village.roster.revoke(village.revoke(PublicKey.of(check(grant, Grant).token).id))
    assert village.roster.named("ana").roles == {Role.SCIENTIST}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("stranger", {}),
        ("ana", {"key": key("stranger").id}),
        ("ana", {"name": "ben"}),
        ("ana", {"key": key("root").id}),
    ],
)
def test_a_role_for_whoever_is_no_such_member_is_refused(village: Village, name: str, other: dict[str, str]):
    village.welcome("ana", roles=SCIENTIST)
    assert (
        refusal(village.roster.add, promotion(village, name, (Role.AUDITOR,), **other))
        == "identity.bad-entry"
    )


def test_a_node_keeps_its_owner(village: Village):
    village.welcome("hospital-a", owner="ana")
    assert (
        refusal(village.roster.add, promotion(village, "hospital-a", NODE, owner="ben"))
        == "identity.bad-entry"
    )
    assert village.roster.add(promotion(village, "hospital-a", NODE)).owner == "ana"


def test_a_member_can_not_promote_itself(village: Village):
    village.welcome("ana", roles=SCIENTIST)
    grant = promotion(village, "ana", ADMINISTRATOR, by=key("ana"))
    assert refusal(village.roster.add, grant) == "identity.not-authorised"


# -- approval -------------------------------------------------------------------------------------------------------


def test_who_needs_approval_waits_for_an_administrator(village: Village):
    member = village.welcome("hospital-a", approve=True)
    assert not member.approved
    assert village.roster.who(member.id) is None
    assert village.again().who(member.id) is None
    assert village.roster.approve(village.approve(member.id)).approved
    assert village.roster.who(member.id) == village.again().who(member.id)
    assert village.roster.who(member.id) is not None


@pytest.mark.parametrize("signer", ["hospital-a", "stranger", "scientist", "token of hospital-a", "waiting"])
def test_an_approval_by_whoever_is_no_administrator_is_refused(village: Village, signer: str):
    village.welcome("scientist", roles=SCIENTIST)
    village.welcome("waiting", roles=ADMINISTRATOR, approve=True)
    member = village.welcome("hospital-a", approve=True)
    assert (
        refusal(village.roster.approve, village.approve(member.id, by=key(signer)))
        == "identity.not-authorised"
    )
    assert village.roster.who(member.id) is None


def test_an_approval_of_nobody_or_elsewhere_is_refused(village: Village):
    assert refusal(village.roster.approve, village.approve(key("hospital-a").id)) == "identity.unknown"
    village.welcome("hospital-a", approve=True)
    elsewhere = sign(Approval(key=key("hospital-a").id, federation="lungs", time=1), village.root)
    assert refusal(village.roster.approve, elsewhere) == "identity.bad-entry"


# -- revocation -----------------------------------------------------------------------------------------------------


def test_who_was_revoked_is_nobody_and_stays_so(village: Village):
    grant, joined = village.entry("hospital-a")
    village.roster.add(grant, joined)
    village.roster.revoke(village.revoke(key("hospital-a").id))
    village.roster.revoke(village.revoke(key("hospital-a").id))
    for roster in (village.roster, village.again()):
        assert roster.who(key("hospital-a").id) is None
        assert roster.revoked(key("hospital-a").id)
        assert refusal(roster.add, grant, joined) == "identity.revoked"
        fresh = village.grant("hospital-a", token=key("second").public.text)
        assert (
            refusal(roster.add, fresh, join(fresh, token=key("second"), key=key("hospital-a"), time=1_500))
            == "identity.revoked"
        )


def test_an_invitation_is_revoked_before_anybody_takes_it_up(village: Village):
    village.roster.revoke(village.revoke(token("hospital-a")))
    before = village.roster.digest
    assert refusal(village.roster.add, *village.entry("hospital-a")) == "identity.revoked"
    assert (village.roster.digest, len(village.roster)) == (before, 0)


@pytest.mark.parametrize("signer", ["stranger", "scientist", "hospital-b", "revoked"])
def test_a_revocation_by_whoever_has_no_right_to_is_refused(village: Village, signer: str):
    for name, roles in (
        ("scientist", SCIENTIST),
        ("hospital-a", NODE),
        ("hospital-b", NODE),
        ("revoked", ADMINISTRATOR),
    ):
        village.welcome(name, roles=roles)
    village.roster.revoke(village.revoke(key("revoked").id))
    assert (
        refusal(village.roster.revoke, village.revoke(key("hospital-a").id, by=key(signer)))
        == "identity.not-authorised"
    )
    assert village.roster.who(key("hospital-a").id) is not None


def test_a_stranger_can_not_even_revoke_itself(village: Village):
    word = village.revoke(key("stranger").id, by=key("stranger"))
    assert refusal(village.roster.revoke, word) == "identity.not-authorised"


def test_nobody_revokes_the_root_or_an_administrator_nearer_to_it(village: Village):
    near = village.administrator("near")
    deep = village.administrator("deep", by=near)
    village.welcome("hospital-a")
    for what in (village.root.id, near.id, token("near")):
        assert refusal(village.roster.revoke, village.revoke(what, by=deep)) == "identity.not-authorised"
    assert refusal(village.roster.revoke, village.revoke(village.root.id)) == "identity.not-authorised"
    village.roster.revoke(village.revoke(key("hospital-a").id, by=deep))
    village.roster.revoke(village.revoke(deep.id, by=near))
    assert names(village.roster) == names(village.again()) == ["near"]


def test_everybody_may_leave_and_owners_take_their_nodes_away(village: Village):
    village.welcome("ana", roles=(Role.SITE_OWNER,))
    village.welcome("hers", owner="ana")
    village.welcome("his", owner="ben")
    village.welcome("leaving")
    assert (
        refusal(village.roster.revoke, village.revoke(key("his").id, by=key("ana")))
        == "identity.not-authorised"
    )
    village.roster.revoke(village.revoke(key("hers").id, by=key("ana")))
    village.roster.revoke(village.revoke(key("leaving").id, by=key("leaving")))
    assert names(village.roster) == names(village.again()) == ["ana", "his"]


def test_whom_a_revoked_administrator_invited_goes_too_but_for_those_kept(village: Village):
    bad = village.administrator("bad")
    for name in ("good", "unknown"):
        village.welcome(name, by=bad)
    village.administrator("deputy", by=bad)
    village.welcome("of-the-deputy", by=key("deputy"))
    village.roster.revoke(village.revoke(bad.id, keep=(token("good"),)))
    assert names(village.roster) == names(village.again()) == ["good"]


def test_of_two_revocations_the_stricter_counts(village: Village):
    bad = village.administrator("bad")
    for name in ("a", "b", "c"):
        village.welcome(name, by=bad)
    village.roster.revoke(village.revoke(bad.id, keep=(token("a"), token("b"))))
    village.roster.revoke(village.revoke(bad.id, keep=(token("b"), token("c"))))
    assert names(village.roster) == names(village.again()) == ["b"]


def test_what_a_revoked_administrator_dated_back_is_worth_nothing(village: Village):
    bad = village.administrator("bad")
    village.welcome("good", by=bad)
    village.roster.revoke(village.revoke(bad.id, keep=(token("good"),)))
    assert refusal(village.roster.add, *village.entry("sleeper", by=bad)) == "identity.not-authorised"
    rolls = msgspec.json.decode(village.roster.export())  # a coordinator that is in it with them
    rolls["entries"].append(msgspec.to_builtins(village.entry("sleeper", by=bad)))
    for order in (rolls["entries"], [rolls["entries"][i] for i in (0, 2, 1)]):
        data = msgspec.json.encode(rolls | {"entries": order})
        roster = Roster.read(data, root=village.root.id, federation="heart")
        assert names(roster) == ["good"]


def test_two_administrators_who_revoke_each_other_are_both_gone(village: Village):
    ana, ben = village.administrator("ana"), village.administrator("ben")
    other = village.again()
    village.roster.revoke(village.revoke(ben.id, by=ana))
    other.revoke(village.revoke(ana.id, by=ben))
    village.roster.merge(other)
    other.merge(village.roster)
    assert names(village.roster) == names(other) == []
    assert village.roster.digest == other.digest


def test_what_was_revoked_stays_revoked_when_its_member_rises(village: Village):
    near = village.administrator("near")
    deep = village.administrator("deep", by=near)
    village.welcome("ana", roles=SCIENTIST)
    village.roster.add(promotion(village, "ana", (Role.AUDITOR,)))
    village.roster.revoke(village.revoke(token("ana"), by=deep))
    village.roster.add(promotion(village, "ana", ADMINISTRATOR))
    assert village.again().named("ana") == village.roster.named("ana")
    assert village.roster.named("ana").roles == {Role.AUDITOR, Role.ADMINISTRATOR}  # type: ignore[union-attr]


# -- rotation -------------------------------------------------------------------------------------------------------


def test_a_member_goes_on_with_another_key(village: Village):
    before = village.welcome("hospital-a")
    turn = village.rotate("hospital-a", "second")
    after = village.roster.rotate(turn)
    assert (after.key, after.first, after.name) == (key("second").public, before.id, "hospital-a")
    assert village.roster.rotate(turn) == after  # the answer was lost
    third = village.roster.rotate(village.rotate("second", "third"))
    for roster in (village.roster, village.again()):
        assert roster.who(key("third").id) == third
        assert roster.who(before.id) is roster.who(key("second").id) is None


def test_revoking_any_of_a_members_keys_revokes_the_member(village: Village):
    village.welcome("hospital-a")
    village.roster.rotate(village.rotate("hospital-a", "second"))
    village.roster.revoke(village.revoke(key("hospital-a").id))
    assert village.roster.who(key("second").id) is None
    assert refusal(village.roster.rotate, village.rotate("second", "third")) == "identity.revoked"
    assert names(village.again()) == []


def hostile_turn(village: Village, what: str) -> Both:
    good = village.rotate("hospital-a", "new")
    return {
        "a stranger": village.rotate("stranger", "new"),
        "the root": village.rotate("root", "new"),
        "to another's key": village.rotate("hospital-a", "hospital-b"),
        "to the root's key": village.rotate("hospital-a", "root"),
        "to itself": village.rotate("hospital-a", "hospital-a"),
        "without the old key": Both(good.second, good.second),
        "without the new key": Both(good.first, good.first),
        "the wrong way round": Both(good.second, good.first),
        "a key that was rotated": village.rotate("rotated", "new"),
        "back again": village.rotate("rotated-2", "rotated"),
    }[what]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("a stranger", "identity.unknown"),
        ("the root", "identity.unknown"),
        ("to another's key", "identity.key-taken"),
        ("to the root's key", "identity.key-taken"),
        ("to itself", "identity.bad-entry"),
        ("without the old key", "identity.bad-entry"),
        ("without the new key", "identity.bad-entry"),
        ("the wrong way round", "identity.bad-entry"),
        ("a key that was rotated", "identity.rotated"),
        ("back again", "identity.key-taken"),
    ],
)
def test_a_rotation_that_can_not_be_is_refused(village: Village, what: str, code: str):
    for name in ("hospital-a", "hospital-b", "rotated"):
        village.welcome(name)
    village.roster.rotate(village.rotate("rotated", "rotated-2"))
    before = village.roster.digest
    assert refusal(village.roster.rotate, hostile_turn(village, what)) == code
    assert village.roster.digest == before


def test_an_old_key_joins_no_more(village: Village):
    village.welcome("hospital-a")
    village.roster.rotate(village.rotate("hospital-a", "second"))
    assert refusal(village.roster.add, promotion(village, "hospital-a", NODE)) == "identity.rotated"
    assert (
        village.roster.add(promotion(village, "hospital-a", NODE, key=key("second").id)).id
        == key("second").id
    )
    assert village.again().who(key("second").id) is not None


def test_an_old_key_invites_nobody_any_more(village: Village):
    village.administrator("ana")
    village.welcome("good", by=key("ana"))
    village.roster.rotate(village.rotate("ana", "ana-2", keep=(token("good"),)))
    assert refusal(village.roster.add, *village.entry("late", by=key("ana"))) == "identity.not-authorised"
    village.welcome("new", by=key("ana-2"))
    assert names(village.again()) == ["ana", "good", "new"]


# -- tampered rosters -----------------------------------------------------------------------------------------------


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


# -- two that know different things ---------------------------------------------------------------------------------


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
