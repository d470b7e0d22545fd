"""What a node does for a coordinator that lies: nothing. Each refusal names its rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from guard_world import BUNDLE, DAY, JOINED, NOW, OTHER, Heart, Site, changed, order_of, without
from msgspec.structs import replace
from village import key

from atoll.identity import (
    Checkpoint,
    Key,
    Role,
    Roster,
    RunOrder,
    Signed,
    join,
    rotate,
    sign,
)
from atoll.service.guard import Objection
from atoll.wire import Needs, Refused, RunSpec, Unreachable, settings_of_spec


@pytest.fixture
def heart() -> Heart:
    return Heart()


@pytest.fixture
def site(tmp_path: Path, heart: Heart) -> Site:
    return Site(tmp_path, heart)


# -- what may be done -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["sam", "ada", "root"])
def test_a_run_that_a_scientist_or_an_administrator_signed_may_begin(site: Site, heart: Heart, who: str):
    site.check(heart.signed(by=key(who)))


def test_a_run_is_looked_at_once_and_the_roster_is_asked_for_once(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    assert site.guard.settled("r1", spec)
    site.check(spec)
    site.check(heart.signed("r2"))
    assert site.asked == 1


def test_the_roster_is_asked_for_again_after_ten_minutes(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    site.later(601)
    assert not site.guard.settled("r1", spec)
    site.check(spec)
    assert site.asked == 2


def test_a_scientist_who_came_a_moment_ago_may_begin(site: Site, heart: Heart):
    site.check(heart.signed())
    heart.welcome("eve", roles=(Role.SCIENTIST,))
    site.check(heart.signed("r2", by=key("eve")))
    assert site.asked == 2


def test_a_role_that_was_given_a_moment_ago_counts(site: Site, heart: Heart):
    assert site.rule(heart.signed("r1", by=key("otto"))) == "role"
    heart.roster.add(
        heart.grant(
            "otto", roles=(Role.SCIENTIST,), key=key("otto").id, token=key("more for otto").public.text
        )
    )
    site.check(heart.signed("r1", by=key("otto")))


def test_a_run_goes_on_after_its_order_is_over_and_after_a_restart(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    site.later(30 * DAY)
    site.start()
    site.check(spec)


def test_a_run_goes_on_after_its_user_has_taken_a_new_key(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    heart.roster.rotate(rotate(key("sam"), key("sam 2"), time=JOINED))
    heart.roster.rotate(rotate(key("sam 2"), key("sam 3"), time=JOINED))
    site.later(601)
    site.check(spec)
    site.check(heart.signed("r2", by=key("sam 3")))
    site.check(heart.signed("r3", by=key("sam 3"), user=key("sam").id))


def test_a_preflight_may_be_made_with_an_order_of_its_own(site: Site, heart: Heart):
    site.check(heart.signed("check-1"), preflight=True)


def test_a_member_that_the_coordinator_keeps_back_later_is_still_known(site: Site, heart: Heart):
    site.check(heart.signed())
    site.serve = lambda federation: Roster(heart.root.public, heart.federation).export()
    site.later(601)
    site.check(heart.signed("r2"))


# -- swapped identity -----------------------------------------------------------------------------------------


def _as(spec: RunSpec, **other: Any) -> RunSpec:
    assert spec.order is not None
    return replace(spec, order=replace(spec.order, **other))


SWAPPED: dict[str, tuple[str, Callable[[Heart], RunSpec]]] = {
    "another member's key on sam's signature": (
        "signature",
        lambda h: _as(h.signed(), by=key("ada").public.text),
    ),
    "sam's key on a stranger's signature": (
        "signature",
        lambda h: _as(h.signed(by=key("mallory")), by=key("sam").public.text),
    ),
    "a stranger's own order": ("signer", lambda h: h.signed(by=key("mallory"))),
    "the coordinator's own order": ("signer", lambda h: h.signed(by=key("coordinator"))),
    "a key that everybody can sign with": ("signature", lambda h: _as(h.signed(), by="A" * 43)),
    "an order signed with an invitation's token": ("signer", lambda h: h.signed(by=key("token of sam"))),
    "a signature with a bit turned": (
        "signature",
        lambda h: _as(h.signed(), signature=_turned(h.signed().order.signature)),  # type: ignore[union-attr]
    ),
    "the right signature of another run": (
        "signature",
        lambda h: _as(h.signed(), signature=h.signed("r2").order.signature),  # type: ignore[union-attr]
    ),
    "a checkpoint that sam signed": (
        "order",
        lambda h: replace(
            h.spec(),
            order=order_of(sign(Checkpoint(of=key("sam").id, n=1, head=BUNDLE, time=NOW), key("sam"))),
        ),
    ),
    "an order that calls itself another kind": ("order", lambda h: _as(h.signed(), kind="grant")),
    "no order": ("order", lambda h: h.spec()),
}


def _turned(text: str) -> str:
    return ("B" if text[0] != "B" else "C") + text[1:]


@pytest.mark.parametrize("case", SWAPPED)
def test_an_order_of_somebody_else_is_refused(site: Site, heart: Heart, case: str):
    rule, made = SWAPPED[case]
    assert site.rule(made(heart)) == rule


# -- who signed it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["otto", "pia", "n", "h"])
def test_a_member_whose_role_is_another_can_begin_nothing(site: Site, heart: Heart, who: str):
    assert site.rule(heart.signed(by=key(who))) == "role"


def test_nobody_who_waits_for_approval_can_begin_a_run(site: Site, heart: Heart):
    heart.welcome("eve", roles=(Role.SCIENTIST,), approve=True)
    assert site.rule(heart.signed(by=key("eve"))) == "signer"
    heart.roster.approve(heart.approve(key("eve").id))
    site.check(heart.signed(by=key("eve")))


def test_a_revoked_user_begins_nothing(site: Site, heart: Heart):
    heart.roster.revoke(heart.revoke(key("sam").id))
    assert site.rule(heart.signed()) == "signer"


def test_a_run_under_way_ends_with_the_right_of_its_user(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    heart.roster.revoke(heart.revoke(key("sam").id))
    site.later(601)
    assert site.rule(spec) == "signer"


def test_who_was_invited_by_somebody_revoked_goes_with_them(site: Site, heart: Heart):
    heart.welcome("eve", by=key("ada"), roles=(Role.SCIENTIST,))
    site.check(heart.signed(by=key("eve")))
    heart.roster.revoke(heart.revoke(key("ada").id))
    site.later(601)
    assert site.rule(heart.signed("r2", by=key("eve"))) == "signer"


def test_a_revocation_that_was_seen_can_not_be_taken_back(site: Site, heart: Heart):
    before = heart.roster.export()
    heart.roster.revoke(heart.revoke(key("sam").id))
    assert site.rule(heart.signed()) == "signer"
    site.serve = lambda federation: before
    site.later(601)
    assert site.rule(heart.signed()) == "signer"
    site.start()
    assert site.rule(heart.signed()) == "signer"


def test_an_old_key_signs_no_new_run(site: Site, heart: Heart):
    site.check(heart.signed())
    heart.roster.rotate(rotate(key("sam"), key("sam 2"), time=JOINED))
    site.later(601)
    assert site.rule(heart.signed("r2")) == "signer"


def test_a_rotated_and_then_revoked_user_has_no_runs(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    heart.roster.rotate(rotate(key("sam"), key("sam 2"), time=JOINED))
    heart.roster.revoke(heart.revoke(key("sam 2").id))
    site.later(601)
    assert site.rule(spec) == "signer"


@pytest.mark.parametrize("who", ["", "ada", "otto", "k-" + "a" * 32, key("ada").id])
def test_a_run_is_not_told_to_be_anothers_than_its_signers(site: Site, heart: Heart, who: str):
    assert site.rule(replace(heart.signed(), user=who)) == "user"


def test_a_node_that_is_no_member_does_nothing(tmp_path: Path, heart: Heart):
    assert Site(tmp_path, heart, me="somebody else").rule(heart.signed()) == "member"


def test_a_key_serves_as_what_it_joined_as(tmp_path: Path, heart: Heart):
    for me, kind in (("h", "node"), ("n", "host"), ("sam", "node")):
        folder = tmp_path / f"{me}-as-{kind}"
        folder.mkdir()
        assert Site(folder, heart, me=me, kind=kind).rule(heart.signed()) == "member"


def test_a_host_runs_what_is_ordered_for_some_nodes(tmp_path: Path, heart: Heart):
    spec = heart.spec()
    site = Site(tmp_path, heart, me="h", kind="host")
    site.check(replace(spec, order=heart.order(spec, nodes=("n", "m"))))
    assert site.rule(heart.spec("r2")) == "order"


def test_a_revoked_node_does_nothing(site: Site, heart: Heart):
    heart.roster.revoke(heart.revoke(key("n").id))
    assert site.rule(heart.signed()) == "member"


# -- tampered rosters -----------------------------------------------------------------------------------------


def _own_root(heart: Heart) -> bytes:
    """A whole federation of the coordinator's own making."""
    forged = Roster(key("coordinator").public, heart.federation)
    for name, role in (("sam", Role.SCIENTIST), ("n", Role.NODE)):
        grant = heart.grant(name, by=key("coordinator"), roles=(role,))
        forged.add(grant, join(grant, token=key(f"token of {name}"), key=key(name), time=JOINED))
    return forged.export()


def _with_entry(heart: Heart, by: Key, joins: Key, **other: Any) -> bytes:
    """The roster with mallory on it, whom `by` invited."""
    grant = heart.grant("mallory", by=by, roles=(Role.SCIENTIST,), **other)
    both = join(grant, token=key("token of mallory"), key=joins, time=JOINED)
    rolls = msgspec.json.decode(heart.roster.export())
    rolls["entries"].append(msgspec.to_builtins((grant, both)))
    return msgspec.json.encode(rolls)


def _word(heart: Heart, what: str, signed: Signed) -> bytes:
    rolls = msgspec.json.decode(heart.roster.export())
    rolls[what].append(msgspec.to_builtins(signed))
    return msgspec.json.encode(rolls)


def _body(heart: Heart, old: str, new: str) -> bytes:
    return changed(heart.roster.export(), old, new)


def _other_federation(heart: Heart) -> bytes:
    return Roster(heart.root.public, "lungs").export()


TAMPERED: dict[str, tuple[str, Callable[[Heart], bytes]]] = {
    "a roster under the coordinator's own root": ("roster", _own_root),
    "the pinned root's name on the coordinator's roster": (
        "roster",
        lambda h: changed(_own_root(h), key("coordinator").public.text, h.root.public.text),
    ),
    "a user whom the coordinator invited": (
        "roster",
        lambda h: _with_entry(h, key("coordinator"), key("mallory")),
    ),
    "a user whom a scientist invited": ("roster", lambda h: _with_entry(h, key("sam"), key("mallory"))),
    "a role that was written in": ("roster", lambda h: _body(h, "auditor", "scientist")),
    "a federation that was written in": (
        "roster",
        lambda h: _body(h, '\\"federation\\":\\"heart\\"', '\\"federation\\":\\"lungs\\"'),
    ),
    "the roster of another federation": ("roster", _other_federation),
    "an approval by a stranger": (
        "signer",
        lambda h: _word(h, "approvals", h.approve(key("mallory").id, by=key("coordinator"))),
    ),
    "a revocation of the administrator by a scientist": (
        "roster",
        lambda h: _word(h, "revocations", h.revoke(key("ada").id, by=key("sam"))),
    ),
    "an entry twice": ("roster", lambda h: _twice(h)),
    "half a roster": ("roster", lambda h: h.roster.export()[:-40]),
    "nothing": ("roster", lambda h: b""),
    "something else": ("roster", lambda h: b"<html>502</html>"),
    "a very deep thing": ("roster", lambda h: b"[" * 100_000),
    "a page of noughts": ("roster", lambda h: bytes(100_000)),
}


def _twice(heart: Heart) -> bytes:
    rolls = msgspec.json.decode(heart.roster.export())
    rolls["entries"].append(rolls["entries"][0])
    return msgspec.json.encode(rolls)


@pytest.mark.parametrize("case", TAMPERED)
def test_a_roster_that_was_tampered_with_lets_nobody_in(site: Site, heart: Heart, case: str):
    rule, made = TAMPERED[case]
    sent = made(heart)
    site.serve = lambda federation: sent
    assert site.rule(heart.signed(by=key("mallory"))) == rule
    if rule == "roster":
        assert site.rule(heart.signed()) == rule
        assert list(site.folder.glob("rosters/*")) == []


def test_a_roster_that_was_tampered_with_later_changes_nothing_on_the_disk(site: Site, heart: Heart):
    site.check(heart.signed())
    (kept,) = site.folder.glob("rosters/*.json")
    before = kept.read_bytes()
    for _, made in TAMPERED.values():
        sent = made(heart)
        site.serve = lambda federation, sent=sent: sent  # type: ignore[misc]
        assert site.rule(heart.signed("r9", by=key("mallory"))) in ("roster", "signer")
    site.serve = lambda federation: heart.roster.export()
    assert Roster.read(before, root=heart.root.id, federation="heart").digest == heart.roster.digest
    site.check(heart.signed("r2"))


def test_a_coordinator_that_gives_one_place_to_two_is_found_out(site: Site, heart: Heart):
    site.check(heart.signed())
    two = Heart()
    two.roster = Roster(two.root.public, two.federation)
    for name in ("ada", "sam"):
        role = Role.ADMINISTRATOR if name == "ada" else Role.SCIENTIST
        grant = two.grant(name, roles=(role,))
        two.roster.add(
            grant, join(grant, token=key(f"token of {name}"), key=key(f"other {name}"), time=JOINED)
        )
    site.serve = lambda federation: two.roster.export()
    assert site.rule(heart.signed("r2", by=key("other sam"))) == "roster"


def test_a_member_left_out_of_the_first_roster_is_nobody_yet(site: Site, heart: Heart):
    site.serve = lambda federation: without(heart.roster.export(), "entries", 1)
    assert site.rule(heart.signed()) == "signer"
    site.serve = lambda federation: heart.roster.export()
    site.check(heart.signed())


def test_a_federation_that_is_not_pinned_is_refused_unasked(site: Site, heart: Heart):
    assert site.rule(heart.signed(federation="lungs")) == "federation"
    assert site.asked == 0


def test_a_roster_on_the_disk_under_another_root_is_not_read(site: Site, heart: Heart):
    site.check(heart.signed())
    (site.folder / "rosters" / "heart.json").write_bytes(_own_root(heart))
    site.start()
    assert site.rule(heart.signed("r2")) == "roster"


def test_a_coordinator_that_gives_no_roster_is_refused_and_one_that_is_away_is_waited_for(
    site: Site, heart: Heart
):
    def no(federation: str) -> bytes:
        raise Refused("identity.unknown", "no", "", status=404)

    def away(federation: str) -> bytes:
        raise Unreachable("wire.unreachable", "nobody answers", "wait")

    site.serve = no
    assert site.rule(heart.signed()) == "roster"
    site.serve = away
    with pytest.raises(Unreachable):
        site.check(heart.signed())


def test_an_order_for_one_federation_is_none_for_another_of_the_same_node(tmp_path: Path, heart: Heart):
    lungs = Roster(key("root of lungs").public, "lungs")
    for name, role in (("sam", Role.SCIENTIST), ("n", Role.NODE)):
        grant = heart.grant(name, by=key("root of lungs"), roles=(role,), federation="lungs")
        lungs.add(grant, join(grant, token=key(f"token of {name}"), key=key(name), time=JOINED))
    site = Site(tmp_path, heart)
    site.pins["lungs"] = lungs.root.id
    site.serve = lambda federation: (lungs if federation == "lungs" else heart.roster).export()
    site.start()
    site.check(heart.signed("r1", federation="lungs"))
    assert site.rule(replace(heart.signed("r2"), federation="lungs")) == "federation"
    assert site.rule(replace(heart.signed("r3", federation="lungs"), federation="heart")) == "federation"


# -- another bundle, another config ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("bundle", {"bundle": OTHER}),
        ("settings", {"config": {"rounds": 3, "lr": 0.2}}),
        ("settings", {"config": {"rounds": 3, "lr": 0.1, "more": 1}}),
        ("settings", {"config": {}}),
        ("settings", {"config": {"rounds": 3.0, "lr": 0.1}}),
        ("settings", {"config": {"rounds": True, "lr": 0.1}}),
        ("settings", {"seed": 8}),
        ("settings", {"client": "app.client:other"}),
        ("settings", {"server": "app.server:other"}),
        ("settings", {"data": "app.data:others"}),
        ("settings", {"partition": {"kind": "dirichlet"}}),
        ("settings", {"partition": None}),
        ("settings", {"threads": 2}),
        ("settings", {"needs": Needs(cpus=2, gpus=1)}),
        ("federation", {"federation": "lungs"}),
        ("run", {"run": "r2"}),
    ],
    ids=str,
)
def test_what_is_not_what_was_signed_is_refused(site: Site, heart: Heart, rule: str, other: dict[str, Any]):
    site.check(heart.signed("warm"))
    assert site.rule(replace(heart.signed(), **other)) == rule


def test_a_run_that_was_looked_at_can_not_be_changed_afterwards(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    assert site.rule(replace(spec, config={"rounds": 3, "lr": 9.0})) == "settings"
    assert site.rule(replace(spec, bundle=OTHER)) == "bundle"


def test_work_of_one_run_does_not_come_in_under_another(site: Site, heart: Heart):
    spec = heart.signed()
    assert site.rule(spec, run="r2") == "run"
    site.check(spec)
    assert not site.guard.settled("r2", spec)
    with pytest.raises(Objection, match="rule run: "):
        site.check(spec, "r2")


@pytest.mark.parametrize("nodes", [("m",), ("m", "o"), ("N",), ("n",), ("n", "o")])
def test_an_order_for_some_nodes_is_for_those_alone(site: Site, heart: Heart, nodes: tuple[str, ...]):
    spec = heart.spec()  # which is on n and m
    assert site.rule(replace(spec, order=heart.order(spec, nodes=nodes))) == "nodes"
    site.check(replace(spec, order=heart.order(spec, nodes=("m", "n"))))


def test_a_preflight_is_no_run_and_a_run_no_preflight(site: Site, heart: Heart):
    assert site.rule(heart.signed("check-1")) == "purpose"
    assert site.rule(heart.signed("r1"), preflight=True) == "purpose"
    assert site.rule(heart.spec("check-1"), preflight=True) == "order"
    assert site.rule(heart.signed("check-1", by=key("mallory")), preflight=True) == "signer"
    assert site.rule(replace(heart.signed("check-1"), bundle=OTHER), preflight=True) == "bundle"


# -- expired and replayed orders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "issued", "expires"),
    [
        ("expired", NOW - 2 * DAY, NOW - DAY),
        ("expired", NOW - DAY, NOW),
        ("early", NOW + DAY + 1, NOW + 2 * DAY),
        ("early", NOW + 400 * DAY, NOW + 401 * DAY),
        ("lifetime", NOW, NOW + 32 * DAY),
        ("lifetime", 0, 1 << 40),
    ],
)
def test_an_order_has_its_time(site: Site, heart: Heart, rule: str, issued: int, expires: int):
    spec = heart.spec()
    assert site.rule(replace(spec, order=heart.order(spec, issued=issued, expires=expires))) == rule


def test_an_order_that_is_over_begins_no_preflight(site: Site, heart: Heart):
    site.now += 2 * DAY
    assert site.rule(heart.signed("check-1"), preflight=True) == "expired"


def test_the_old_order_of_a_removed_run_begins_nothing(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    site.guard.removed("r1")
    assert site.rule(spec) == "replayed"
    site.start()
    assert site.rule(spec) == "replayed"


def test_after_its_order_is_over_nothing_is_kept_of_a_removed_run(site: Site, heart: Heart):
    spec = heart.signed()
    site.check(spec)
    site.guard.removed("r1")
    site.later(2 * DAY)
    site.start()
    assert list(site.folder.glob("orders/*")) == []
    assert site.rule(spec) == "expired"


def test_a_run_under_way_takes_no_second_order(site: Site, heart: Heart):
    site.check(heart.signed())
    spec = heart.spec(config={"rounds": 99})
    assert site.rule(replace(spec, order=heart.order(spec))) == "replayed"
    same = heart.spec()
    by_ada = replace(same, order=heart.order(same, key("ada")), user=key("ada").id)
    assert site.rule(by_ada) == "replayed"
    assert site.rule(replace(same, order=heart.order(same, expires=NOW + 2 * DAY))) == "replayed"


def test_the_removal_of_a_run_that_never_came_leaves_nothing(site: Site):
    site.guard.removed("never")
    assert list(site.folder.glob("orders/*")) == []


def test_an_order_does_not_come_back_over_its_bytes(site: Site, heart: Heart):
    """The same words in another form, or with more of them, are no order."""
    spec = heart.signed()
    assert spec.order is not None
    for body in (
        spec.order.body.replace(",", ", ", 1),
        spec.order.body[:-1] + ',"more":1}',
        spec.order.body.replace('"run":"r1"', '"run":"r1","run":"r1"'),
        "{}",
        "",
        "[" * 40_000,
        "\ud800",
    ):
        assert site.rule(_as(spec, body=body)) in ("signature", "order")


def test_a_signed_order_that_has_more_than_it_should_is_refused(site: Site, heart: Heart):
    class Wider(RunOrder, frozen=True, kw_only=True):
        also: str = ""

    spec = heart.spec()
    from atoll.identity import _statements

    _statements._KINDS[Wider] = "order"
    try:
        wide = sign(
            Wider(
                run="r1", federation="heart", bundle=BUNDLE, settings=settings_of_spec(spec), issued=NOW,
                expires=NOW + DAY, also="everything",
            ),
            key("sam"),
        )  # fmt: skip
    finally:
        del _statements._KINDS[Wider]
    assert site.rule(replace(spec, order=order_of(wide))) == "order"


def test_the_disk_of_a_node_tells_nobody_else_what_runs(site: Site, heart: Heart):
    site.check(heart.signed())
    files = [p for p in site.folder.rglob("*") if p.is_file()]
    assert len(files) == 2
    assert all(p.stat().st_mode & 0o077 == 0 for p in files)
