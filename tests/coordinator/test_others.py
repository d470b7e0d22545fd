"""What is another's: refused within a federation; and beyond it, like what there isn't."""

from __future__ import annotations

import time
from typing import Any

import pytest
from identified_world import HEART, LUNG, Said, Town, key

from atoll.store import digest_bytes

# -- beyond the federation -----------------------------------------------------------------------------------------------

NOT_THERE = "run-that-is-not-there"
OF_RUNS = [
    ("GET", "", None), ("DELETE", "", None), ("POST", "/stop", None), ("POST", "/resume", None), ("GET", "/events", None),
    ("GET", "/events?after=3&wait=0", None), ("GET", "/shelf?keys=model", None), ("POST", "/key", {"key": key("p").public.text}),
]  # fmt: skip


def same(found: Said, missing: Said, this: str, that: str) -> bool:
    """Whether two refusals are one, but for what was asked for."""
    return (found.status, found.body.replace(this.encode(), that.encode())) == (missing.status, missing.body)


@pytest.mark.parametrize("asker", ["ann", "alma", "olga", "chief", "west", "harbour", "operator"])
@pytest.mark.parametrize(("method", "path", "body"), OF_RUNS)
def test_a_run_of_another_federation_is_like_one_that_there_is_not(
    town: Town, asker: str, method: str, path: str, body: Any
) -> None:
    run = town.runs["lena"]
    found = town.ask(asker, method, f"/v1/runs/{run}{path}", body)
    missing = town.ask(asker, method, f"/v1/runs/{NOT_THERE}{path}", body)
    assert same(found, missing, run, NOT_THERE)
    assert found.status in (403, 404)


@pytest.mark.parametrize("reference", ["@latest", "app", "app-2", ""])
def test_no_name_and_no_beginning_of_an_id_finds_it(own: Town, reference: str) -> None:
    run = own.run_of("lena", LUNG, name="secret-plan")
    for asked in (reference or run[:12], "secret-plan", run[:20]):
        said = own.ask("ann", "GET", f"/v1/runs/{asked}")
        assert said.status == 404 or said.document["federation"] == HEART
        assert b"secret" not in said.body.replace(asked.encode(), b"")
        assert run.encode() not in said.body.replace(asked.encode(), b"")


OF_FEDERATIONS = [
    ("GET", "", None), ("GET", "/roster", None), ("GET", "/members", None), ("GET", "/invitations", None), ("GET", "/requests", None),
    ("GET", "/limits", None), ("POST", "/limits", {}), ("POST", "/nodes/x", None), ("DELETE", "/nodes/x", None),
]  # fmt: skip


@pytest.mark.parametrize("asker", ["ann", "alma", "olga", "chief", "west", "operator"])
@pytest.mark.parametrize(("method", "path", "body"), OF_FEDERATIONS)
def test_another_federation_is_like_one_that_there_is_not(
    town: Town, asker: str, method: str, path: str, body: Any
) -> None:
    found = town.ask(asker, method, f"/v1/federations/{LUNG}{path}", body)
    missing = town.ask(asker, method, f"/v1/federations/nope{path}", body)
    assert same(found, missing, LUNG, "nope")
    assert found.status in (403, 404)
    assert b"rival" not in found.body
    assert b"south" not in found.body


@pytest.mark.parametrize("asker", ["ann", "west"])
def test_objects_are_put_and_got_in_ones_own_federation_only(town: Town, asker: str) -> None:
    for federation in (LUNG, "nope"):
        lack = town.ask(asker, "POST", "/v1/objects/lack", {"federation": federation, "objects": {}})
        fetch = town.ask(asker, "POST", "/v1/objects/fetch", {"federation": federation, "pieces": []})
        path = f"/v1/objects?federation={federation}"
        put = town.send("PUT", path, b"x" * 9, town.signed(asker, "PUT", path, length=9))
        assert [(s.status, s.code) for s in (lack, fetch, put)] == [(404, "federation.unknown")] * 3


def test_an_object_of_another_federation_is_like_one_that_there_is_not(town: Town) -> None:
    secret, nothing = town.keep("lena", LUNG, b"a model of lung's"), digest_bytes(b"nobody has this")
    for path in ("/v1/objects", "/v1/bundles"):
        found, missing = (town.ask("ann", "GET", f"{path}/{digest}") for digest in (secret, nothing))
        assert same(found, missing, secret, nothing)
        assert found.status == 404
    lack = town.ask("ann", "POST", "/v1/objects/lack", {"federation": HEART, "objects": {secret: 17}})
    assert lack.document["lack"] == {secret: 0}


def test_lists_hold_what_is_ones_own_federations_alone(town: Town) -> None:
    assert {r["federation"] for r in town.ask("ann", "GET", "/v1/runs").document["runs"]} == {HEART}
    assert (
        town.ask("ann", "GET", "/v1/runs?federation=lung").document
        == town.ask("ann", "GET", "/v1/runs?federation=nope").document
    )
    assert [f["name"] for f in town.ask("ann", "GET", "/v1/federations").document["federations"]] == [HEART]
    assert [n["name"] for n in town.ask("ann", "GET", "/v1/nodes").document["nodes"]] == ["east", "west"]
    assert [n["name"] for n in town.ask("lena", "GET", "/v1/nodes").document["nodes"]] == ["south"]


@pytest.mark.parametrize("order", [{"federation": LUNG}, {"nodes": ["south"]}, {"nodes": ["east", "south"]}])
def test_no_run_begins_on_another_federation_or_with_its_nodes(town: Town, order: dict[str, Any]) -> None:
    said = town.ask("ann", "POST", "/v1/runs", town.new_run(**{"federation": HEART, **order}))
    assert said.status in (404, 409)
    assert said.code in ("federation.unknown", "node.unknown")


def test_the_id_of_anothers_run_begins_no_run_and_shows_none(own: Town) -> None:
    for asker in ("ann", "bob"):
        said = own.ask(asker, "POST", "/v1/runs", own.new_run(HEART, id=own.runs["lena"]))
        assert (said.status, said.code) == (409, "run.id-taken")
    again = own.ask("lena", "POST", "/v1/runs", own.new_run(LUNG, id=own.runs["lena"]))
    assert again.document["summary"]["id"] == own.runs["lena"]


def test_names_of_runs_tell_nothing_of_another_federations(own: Town) -> None:
    """The same name, and the same numbers, are there for both."""
    for who, federation in (("lena", LUNG), ("ann", HEART)):
        own.run_of(who, federation, name="secret-plan")
        again = own.ask(who, "POST", "/v1/runs", own.new_run(federation, name="secret-plan"))
        assert (again.status, again.code) == (409, "run.name-taken")
    names = [
        [r["summary"]["name"] for r in own.ask(who, "GET", "/v1/runs").document["runs"]]
        for who in ("ann", "lena")
    ]
    assert names == [["secret-plan", "app-1"], ["secret-plan", "app-1"]]


# -- within the federation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", ""), ("POST", "/stop"), ("POST", "/resume"), ("GET", "/shelf?keys=x"), ("POST", "/key")],
)
def test_a_scientist_does_nothing_to_a_colleagues_run(town: Town, method: str, path: str) -> None:
    body = {"key": key("p").public.text} if path == "/key" else None
    said = town.ask("bob", method, f"/v1/runs/{town.runs['ann']}{path}", body)
    assert (said.status, said.code) == (403, "identity.forbidden")
    assert town.ask("bob", "GET", f"/v1/runs/{town.runs['ann']}").status == 200


def test_an_administrator_stops_anybodys_run(own: Town) -> None:
    assert own.ask("alma", "POST", f"/v1/runs/{own.runs['ann']}/stop").status == 200


def test_a_sites_owner_sees_what_their_node_takes_part_in(own: Town) -> None:
    without = own.run_of("ann", HEART, nodes=["west"])
    shown = [r["summary"]["id"] for r in own.ask("olga", "GET", "/v1/runs").document["runs"]]
    assert shown == [own.runs["ann"]]
    assert own.ask("olga", "GET", f"/v1/runs/{own.runs['ann']}/events").status == 200
    assert own.ask("olga", "GET", f"/v1/runs/{without}/events").status == 403
    assert [n["name"] for n in own.ask("olga", "GET", "/v1/nodes").document["nodes"]] == ["east"]
    assert own.ask("olga", "GET", f"/v1/federations/{HEART}").document["nodes"] == ["east"]


def test_a_program_drives_its_run_and_no_other(own: Town) -> None:
    other = own.run_of("ann", HEART)
    own.lend("ann", own.runs["ann"], "program")
    assert own.ask("program", "POST", f"/v1/runs/{other}/attend", {}).status == 403
    assert own.ask("program", "POST", f"/v1/runs/{own.runs['lena']}/attend", {}).status == 404
    assert own.ask("program", "GET", f"/v1/runs/{other}/events").status == 403
    assert own.ask("program", "POST", "/v1/runs", own.new_run(HEART)).status == 403
    assert [r["summary"]["id"] for r in own.ask("program", "GET", "/v1/runs").document["runs"]] == [
        own.runs["ann"]
    ]


def test_a_node_is_whom_its_key_says_whatever_it_calls_itself(own: Town) -> None:
    """A session, a poll and an answer are those of the key that signed them."""
    session = own.hello("east")
    body = {
        "name": "east",
        "identity": "identity-of-east-0123456789",
        "version": "9",
        "time": time.time(),
        "slots": 7,
    }
    assert own.ask("west", "POST", "/v1/node/hello", body).status == 200
    slots = {n["name"]: n.get("slots", 1) for n in own.ask("ann", "GET", "/v1/nodes").document["nodes"]}
    assert slots == {"east": 1, "west": 7}
    poll = {"name": key("east").id, "session": session, "wait": 0}
    assert own.ask("east", "POST", "/v1/node/poll", poll).status == 200
    stolen = own.ask("west", "POST", "/v1/node/poll", {**poll, "session": 10**6})
    assert (stolen.status, stolen.code) == (409, "node.fenced")
    assert key("west").id in stolen.document["message"]


def test_a_node_answers_no_call_of_anothers(own: Town) -> None:
    run = own.runs["ann"]
    own.lend("ann", run, "program")
    fence = own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).document["fence"]
    digest = digest_bytes(b"task")
    call = {"key": "1.0.0.east", "digest": digest, "node": "east", "task": 0, "round": 1, "ordinal": 0, "index": 0, "place": 0,
            "seed": 7}  # fmt: skip
    say = {"fence": fence, "at": 1, "calls": [call], "tasks": [{"action": "train", "payload": {}}]}
    assert own.ask("program", "POST", f"/v1/runs/{run}/say", say).status == 200
    sessions = {name: own.hello(name) for name in ("east", "west", "south")}
    offers = {name: own.ask(name, "POST", "/v1/node/poll", {"name": name, "session": s, "free": 1, "wait": 0}).document
              for name, s in sessions.items()}  # fmt: skip
    assert {name: len(o.get("offers", [])) for name, o in offers.items()} == {
        "east": 1,
        "west": 0,
        "south": 0,
    }
    bad = {"type": "bad", "failure": "raised", "message": "no"}
    verdicts = {}
    for name in ("west", "south", "east"):
        answer = {"name": "east", "session": sessions[name], "run": run, "key": call["key"], "call": digest, "digest": digest,
                  "outcome": bad}  # fmt: skip
        verdicts[name] = own.ask(name, "POST", "/v1/node/reply", answer).document["status"]
    assert verdicts == {"west": "void", "south": "void", "east": "accepted"}


def test_a_node_that_has_left_is_offered_nothing(own: Town) -> None:
    run = own.runs["ann"]
    own.lend("ann", run, "program")
    fence = own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).document["fence"]
    own.revoke("west")
    digest = digest_bytes(b"task")
    call = {"key": "1.0.0.west", "digest": digest, "node": "west", "task": 0, "round": 1, "ordinal": 0, "index": 0, "place": 0,
            "seed": 7}  # fmt: skip
    say = {"fence": fence, "at": 1, "calls": [call], "tasks": [{"action": "train", "payload": {}}]}
    assert own.ask("program", "POST", f"/v1/runs/{run}/say", say).status == 200
    assert (
        own.ask("west", "POST", "/v1/node/poll", {"name": "west", "session": 1, "free": 1, "wait": 0}).status
        == 401
    )


def test_a_node_with_a_new_key_goes_on_with_its_calls(own: Town) -> None:
    from atoll.identity import rotate

    run = own.runs["ann"]
    own.lend("ann", run, "program")
    fence = own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).document["fence"]
    digest = digest_bytes(b"task")
    call = {"key": "1.0.0.west", "digest": digest, "node": "west", "task": 0, "round": 1, "ordinal": 0, "index": 0, "place": 0,
            "seed": 7}  # fmt: skip
    say = {"fence": fence, "at": 1, "calls": [call], "tasks": [{"action": "train", "payload": {}}]}
    assert own.ask("program", "POST", f"/v1/runs/{run}/say", say).status == 200
    own.do(lambda: own.rosters.rotate(rotate(key("west"), key("west-again"), time=int(time.time()))))
    poll = {"name": "west", "session": own.hello("west-again"), "free": 1, "wait": 0}
    offers = own.ask("west-again", "POST", "/v1/node/poll", poll).document["offers"]
    assert [offer["key"] for offer in offers] == ["1.0.0.west"]


def test_a_user_with_a_new_key_has_what_they_began(own: Town) -> None:
    from atoll.identity import rotate

    own.do(lambda: own.rosters.rotate(rotate(key("ann"), key("ann again"), time=int(time.time()))))
    assert own.ask("ann", "POST", f"/v1/runs/{own.runs['ann']}/stop").status == 401
    assert own.ask("ann again", "POST", f"/v1/runs/{own.runs['ann']}/stop").status == 200


# -- the whole ------------------------------------------------------------------------------------------------------------


def test_a_federations_creator_is_its_administrator(own: Town) -> None:
    made = own.ask("operator", "POST", "/v1/federations", {"name": "liver"})
    assert (made.status, made.document["name"]) == (200, "liver")
    assert own.ask("operator", "GET", "/v1/federations/liver/members").status == 200
    assert own.ask("chief", "GET", "/v1/federations/liver").status == 404
    assert own.ask("operator", "POST", "/v1/federations", {"name": "liver"}).status == 200
    taken = own.ask("operator", "POST", "/v1/federations", {"name": LUNG})
    assert (taken.status, taken.code) == (409, "federation.name-taken")


def test_a_federation_that_was_removed_is_nobodys(own: Town) -> None:
    busy = own.ask("operator", "DELETE", f"/v1/federations/{LUNG}")
    assert (busy.status, busy.code) == (409, "federation.busy")
    assert b"app" not in busy.body
    assert own.ask("operator", "POST", "/v1/federations", {"name": "liver"}).status == 200
    assert own.ask("operator", "DELETE", "/v1/federations/liver").status == 200
    assert own.ask("operator", "GET", "/v1/federations/liver").status == 404


def test_the_nodes_of_a_federation_are_those_on_its_roster(town: Town) -> None:
    for method in ("POST", "DELETE"):
        said = town.ask("alma", method, f"/v1/federations/{HEART}/nodes/east")
        assert (said.status, said.code) == (409, "federation.roster")


@pytest.mark.parametrize("who", ["ann", "olga", "audrey", "west", "lena"])
def test_only_an_administrators_word_takes_somebody_off(own: Town, who: str) -> None:
    federation = LUNG if who == "lena" else HEART
    own.ask(
        who,
        "POST",
        f"/v1/federations/{federation}/revocations",
        {"said": _raw(own.revocation("bob", by=who))},
    )
    assert own.ask("bob", "GET", "/v1/me").status == 200


def _raw(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)
