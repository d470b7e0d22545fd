"""Revocation and rotation: what a key said is worth what is left of its right to say it."""

from __future__ import annotations

import msgspec
import pytest
from village import ADMINISTRATOR, NODE, SCIENTIST, Village, key, names, promotion, refusal, token

from atoll.identity import (
    Both,
    Role,
    Roster,
    join,
)

# -- revocation -------------------------------------------------------------------------------------------------


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


# -- rotation ---------------------------------------------------------------------------------------------------


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


def test_an_administrator_who_rotates_its_key_can_keep_whomever_it_vouched_for(village: Village):
    ana = village.administrator("ana")
    village.welcome("invited", by=ana)
    village.welcome("approved", approve=True)
    village.roster.approve(village.approve(key("approved").id, by=ana))
    village.welcome("revoked", by=ana)
    village.roster.revoke(village.revoke(key("revoked").id))
    village.welcome("anothers")
    keep = village.roster.vouched(ana.id)
    assert keep == (token("invited"), token("approved"))
    assert village.roster.vouched(key("invited").id) == ()
    village.roster.rotate(village.rotate("ana", "ana-2", keep=keep))
    assert names(village.again()) == ["ana", "anothers", "approved", "invited"]


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
