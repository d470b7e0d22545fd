"""Enrolment through the door: links, codes, approvals, credentials; a lost answer burns nothing, and nobody else's proof counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from identified_world import HEART, LUNG, Said, Town, key

from atoll.identity import Both, Grant, Join, Key, Link, Role, Roster, rotate, sign, sign_both, to_base64
from atoll.wire import code_of

IN = f"/v1/federations/{HEART}"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Town(tmp_path).open() as town:
        yield town


@pytest.fixture
def settled(town: Town) -> Town:
    town.settle()
    return town


def joined(name: str, *, by: str = "", token: Key | None = None, called: str = "", ago: int = 0) -> Both:
    token, own = token or key(f"token of {name}"), key(by or name)
    said = Join(
        token=token.public.text, key=own.public.text, name=called or name, time=int(time.time()) - ago
    )
    return sign_both(said, token, own)


def post(town: Town, who: str, path: str, **body: Any) -> Said:
    return town.ask(who, "POST", path, msgspec.to_builtins(body))


def enrol(town: Town, name: str, federation: str = HEART, **other: Any) -> Said:
    return post(town, "", "/v1/enrol", federation=federation, join=joined(name, **other))


def invite(town: Town, name: str, **other: Any) -> Said:
    return post(town, "chief", f"{IN}/invitations", grant=grant(name, **other))


def grant(name: str, *, by: str = "chief", ttl: int = 900, **other: Any) -> Any:
    now = int(time.time())
    told: dict[str, Any] = {"token": key(f"token of {name}").public.text, "kind": "node", "name": name,
                            "roles": (Role.NODE,), "federation": HEART, "issued": now, "expires": now + ttl}  # fmt: skip
    return sign(Grant(**(told | other)), key(by))


# -- the first administrator ---------------------------------------------------------------------------------------------


def claim(town: Town, by: str, *, token: Key | None = None) -> Said:
    both = joined("admin", by=by, token=token or Link.read(first(town)).token)
    return post(town, "", "/v1/roots", join=both)


def first(town: Town) -> str:
    town.first.link()
    return (town.home / "first-administrator").read_text()


def test_whoever_takes_the_first_link_up_is_the_root(town: Town):
    link = Link.read(first(town))
    assert link.root == link.token.id  # there is none to pin yet
    said = claim(town, "operator")
    assert (said.status, said.document["root"]) == (200, key("operator").id)
    assert town.ask("operator", "GET", "/v1/me").document["memberships"][0]["roles"] == ["administrator"]
    assert not (town.home / "first-administrator").exists()


def test_the_first_link_again_by_the_same_key_gets_the_same_answer_and_another_key_none(town: Town):
    token = Link.read(first(town)).token
    answers = [claim(town, "operator", token=token) for _ in range(3)]
    assert [a.body for a in answers] == [answers[0].body] * 3
    assert claim(town, "thief", token=token).code == "identity.no-invitation"


def test_nobody_is_root_without_the_link(town: Town):
    first(town)
    assert claim(town, "thief", token=key("no token")).code == "identity.no-invitation"
    both = joined("admin", by="thief", token=key("no token"))
    swapped = Both(both.second, both.first)
    assert post(town, "", "/v1/roots", join=swapped).code == "identity.no-invitation"
    assert town.rosters.federations() == []


# -- links ---------------------------------------------------------------------------------------------------------------


def test_whoever_is_invited_enrols_and_is_let_in_at_once(settled: Town):
    assert invite(settled, "north").status == 200
    said = enrol(settled, "north")
    assert (said.document["id"], said.document["root"]) == (key("north").id, key("chief").id)
    assert settled.hello("north") == 1


def test_a_lost_answer_is_given_again_also_when_the_invitation_is_over(settled: Town):
    invite(settled, "north", ttl=1)
    answers = [enrol(settled, "north")]
    until = time.time() + 1.1
    while time.time() < until:
        answers.append(enrol(settled, "north"))
    assert len({a.body for a in answers}) == 1, answers


def test_the_same_link_lets_no_second_key_in(settled: Town):
    invite(settled, "north")
    enrol(settled, "north")
    assert enrol(settled, "north", by="thief").code == "identity.token-spent"
    assert settled.ask("thief", "GET", "/v1/me").status == 401


def test_of_many_keys_that_come_at_once_one_is_let_in(settled: Town):
    invite(settled, "north")
    said: list[Said] = []
    each = [
        threading.Thread(target=lambda n=n: said.append(enrol(settled, "north", by=f"rival {n}")))
        for n in range(12)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert sorted(s.status for s in said) == [200] + [409] * 11


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": key("a guess")}, "identity.no-invitation"),
        ({"called": "south"}, "identity.bad-entry"),
        ({"federation": LUNG}, "identity.no-invitation"),
        ({"federation": "nowhere"}, "identity.no-invitation"),
        ({"ago": 4_000}, "identity.expired"),
    ],
)
def test_what_doesnt_fit_an_invitation_takes_none_up(settled: Town, change: dict[str, Any], code: str):
    invite(settled, "north")
    assert enrol(settled, "north", **change).code == code
    assert settled.ask("north", "GET", "/v1/me").status == 401
    assert enrol(settled, "north").status == 200  # and the invitation is as good as before


def test_a_join_that_one_of_its_keys_hasnt_signed_is_refused(settled: Town):
    invite(settled, "north")
    good, other = joined("north"), joined("north", by="thief")
    for both in (Both(good.first, other.second), Both(good.second, good.first), Both(good.first, good.first)):
        said = post(settled, "", "/v1/enrol", federation=HEART, join=both)
        assert said.code in ("identity.bad-statement", "identity.bad-entry", "identity.no-invitation")
    assert settled.rosters.key(key("north").id) is None


@pytest.mark.parametrize("who", ["ann", "olga", "audrey", "east", "harbour"])
def test_who_is_no_administrator_invites_nobody(settled: Town, who: str):
    for by in (who, "chief"):
        said = post(settled, who, f"{IN}/invitations", grant=grant("north", by=by))
        assert (said.status, said.code) == (403, "identity.forbidden")
    assert settled.rosters.invitations(HEART) == []


def test_an_administrator_registers_no_invitation_that_another_has_signed(settled: Town):
    said = post(settled, "alma", f"{IN}/invitations", grant=grant("north"))
    assert (said.status, said.code) == (403, "identity.not-authorised")


def test_another_federations_administrator_doesnt_know_that_this_one_is_there(settled: Town):
    for path in ("members", "invitations", "requests", "roster"):
        here, nowhere = (
            settled.ask("rival", "GET", f"/v1/federations/{f}/{path}") for f in (HEART, "nowhere")
        )
        assert (here.status, here.body.replace(b"heart", b"nowhere")) == (404, nowhere.body)


# -- approval and time ---------------------------------------------------------------------------------------------------


def test_who_waits_for_approval_hears_of_it_the_moment_it_comes(settled: Town):
    invite(settled, "north", approve=True)
    assert enrol(settled, "north").document["waiting"] is True
    assert (settled.ask("north", "GET", "/v1/me").status, settled.ask("north", "GET", "/v1/me").code) == (
        403,
        "identity.waiting",
    )
    said: list[Said] = []
    body = {"federation": HEART, "join": joined("north"), "wait": 30.0}
    waiting = threading.Thread(target=lambda: said.append(post(settled, "", "/v1/enrol", **body)))
    waiting.start()
    begun = time.monotonic()
    approved = post(settled, "chief", f"{IN}/approvals", said=settled.approval("north"))
    waiting.join(20)
    assert (approved.status, said[0].document.get("waiting", False)) == (200, False)
    assert time.monotonic() - begun < 10
    assert settled.hello("north") == 1


@pytest.mark.parametrize("who", ["ann", "olga", "audrey", "east", "north"])
def test_who_is_no_administrator_approves_nobody(settled: Town, who: str):
    invite(settled, "north", approve=True)
    enrol(settled, "north")
    said = post(settled, who, f"{IN}/approvals", said=settled.approval("north", by=who))
    assert said.status == 403
    assert settled.ask("north", "GET", "/v1/me").code == "identity.waiting"


def test_a_credential_that_is_over_is_refused_until_it_is_approved_again(settled: Town):
    me = settled.ask("west", "POST", "/v1/me/renew").document
    assert me["expires"] - me["time"] == pytest.approx(7 * 86_400, abs=60)
    settled.do(lambda: _expired(settled, key("west").id))
    for method, path in (("GET", "/v1/me"), ("POST", "/v1/me/renew")):
        assert settled.ask("west", method, path).code == "identity.expired-credential"
    assert post(settled, "chief", f"{IN}/approvals", said=settled.approval("west")).status == 200
    assert settled.ask("west", "GET", "/v1/me").status == 200


async def _expired(town: Town, id: str) -> None:
    from atoll.service.coordinator._rolls import Credential

    town.rosters.terms._put(id, Credential(expires=time.time() - 1))


# -- revocation and rotation ---------------------------------------------------------------------------------------------


def test_a_revocation_acts_at_the_next_request_and_ends_what_waits(settled: Town):
    session = settled.hello("west")
    poll = {"name": "west", "session": session, "free": 1, "wait": 30.0, "have": {}}
    said: list[Said] = []
    waiting = threading.Thread(target=lambda: said.append(settled.ask("west", "POST", "/v1/node/poll", poll)))
    waiting.start()
    while not settled.desk._nodes.by_name[key("west").id].waiting:
        assert waiting.is_alive()
    assert post(settled, "chief", f"{IN}/revocations", said=settled.revocation("west")).status == 200
    waiting.join(20)
    assert (said[0].status, said[0].code) == (401, "identity.unknown-key")
    assert settled.ask("west", "GET", "/v1/me").status == 401


@pytest.mark.parametrize(("who", "whom", "status"), [("olga", "east", 200), ("olga", "west", 403), ("ann", "east", 403), ("ann", "ann", 200), ("audrey", "ann", 403), ("alma", "chief", 403)])  # fmt: skip
def test_who_may_revoke_whom(settled: Town, who: str, whom: str, status: int):
    said = post(settled, who, f"{IN}/revocations", said=settled.revocation(whom, by=who))
    assert said.status == status, said
    assert settled.ask(whom, "GET", "/v1/me").status == (401 if status == 200 else 200)


def test_a_rotation_whose_answer_was_lost_is_answered_to_the_new_key(settled: Town):
    told = rotate(key("west"), key("newer"), time=int(time.time()))
    assert post(settled, "west", "/v1/me/rotation", said=told).document["id"] == key("newer").id
    assert post(settled, "west", "/v1/me/rotation", said=told).code == "identity.unknown-key"
    assert post(settled, "newer", "/v1/me/rotation", said=told).document["memberships"][0]["name"] == "west"
    assert settled.hello("newer") >= 1


def test_nobody_rotates_anothers_key(settled: Town):
    told = rotate(key("west"), key("newer"), time=int(time.time()))
    assert post(settled, "ann", "/v1/me/rotation", said=told).status == 403
    forged = rotate(key("thief"), key("newer"), time=int(time.time()))
    assert post(settled, "west", "/v1/me/rotation", said=forged).status == 403
    assert settled.ask("west", "GET", "/v1/me").status == 200


# -- codes ---------------------------------------------------------------------------------------------------------------


def ask(town: Town, name: str, **other: Any) -> Said:
    return post(town, "", "/v1/enrol/ask", federation=HEART, key=key(name).public.text, name=name, **other)


def test_who_asks_with_a_code_is_let_in_by_an_administrator_who_knows_it(settled: Town):
    asked = ask(settled, "zoe").document
    code = code_of(key("zoe").public, asked["audience"], asked["root"])
    seen = settled.ask("chief", "GET", f"{IN}/requests").document["waiting"]
    assert [(w["code"], w["key"]) for w in seen] == [(code, key("zoe").public.text)]
    said: list[Said] = []
    waiting = threading.Thread(target=lambda: said.append(ask(settled, "zoe", wait=30.0)))
    waiting.start()
    token = key("token of zoe")
    made = grant("zoe", kind="user", roles=(Role.SCIENTIST,), key=key("zoe").id)
    answer = post(settled, "chief", f"{IN}/invitations", grant=made, code=code, seed=to_base64(token.seed))
    assert answer.status == 200
    waiting.join(20)
    assert said[0].document["seed"] == to_base64(token.seed)
    assert (
        enrol(settled, "zoe", by="thief").code == "identity.bad-entry"
    )  # the seed is good for zoe's key alone
    assert enrol(settled, "zoe").document["roles"] == ["scientist"]
    assert ask(settled, "zoe").document["grant"]["by"] == key("chief").public.text  # again: the same answer


def test_an_invitation_for_another_key_answers_no_code(settled: Town):
    asked = ask(settled, "zoe").document
    code = code_of(key("zoe").public, asked["audience"], asked["root"])
    made = grant("zoe", kind="user", roles=(Role.SCIENTIST,), key=key("thief").id)
    said = post(
        settled, "chief", f"{IN}/invitations", grant=made, code=code, seed=to_base64(key("token of zoe").seed)
    )
    assert said.code == "identity.bad-entry"
    assert "grant" not in ask(settled, "zoe").document


def test_nobody_but_administrators_sees_who_asks(settled: Town):
    ask(settled, "zoe")
    assert {
        settled.ask(who, "GET", f"{IN}/requests").status for who in ("ann", "olga", "audrey", "east")
    } == {403}


def test_whoever_asks_to_join_cant_tell_whether_there_is_such_a_federation(settled: Town):
    here, nowhere = (
        post(settled, "", "/v1/enrol/ask", federation=f, key=key("zoe").public.text, name="zoe")
        for f in (HEART, "nowhere")
    )
    assert (here.status, here.document.keys()) == (nowhere.status, nowhere.document.keys())
    again = post(settled, "", "/v1/enrol/ask", federation="nowhere", key=key("ann").public.text, name="")
    assert again.document["root"] == nowhere.document["root"]


# -- what is served ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ann", "east", "harbour", "audrey", "chief"])
def test_every_member_can_check_the_roster(settled: Town, who: str):
    data = settled.ask(who, "GET", f"{IN}/roster").body
    roster = Roster.read(data, root=key("chief").id, federation=HEART)
    member = roster.who(key("west").id)
    assert member is not None
    assert member.name == "west"


def test_a_coordinator_of_one_machine_enrols_nobody(coordinator: Any):
    from door_world import Caller

    ask = Caller(coordinator())
    said = ask("GET", "/v1/ca")
    assert (said.status, said.code) == (404, "identity.not-here")
    assert ask("GET", "/v1/me").document["kind"] == "local"
