"""The roster: whoever pins the root can check who is on it, and nobody else can put anybody there."""

from __future__ import annotations

import msgspec
import pytest
from village import ADMINISTRATOR, NODE, SCIENTIST, Village, key, promotion, refusal, token

from atoll.identity import (
    Approval,
    Both,
    Grant,
    Join,
    PublicKey,
    Role,
    Signed,
    check,
    join,
    sign,
    sign_both,
)

# -- joining ----------------------------------------------------------------------------------------------------


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


# -- swapped identity -------------------------------------------------------------------------------------------


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


# -- more roles -------------------------------------------------------------------------------------------------


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


# -- approval ---------------------------------------------------------------------------------------------------


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
