"""Who is let go, and who is let in for a while: revocation acts at once, and keys of runs end with them."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from identified_world import BUNDLE, HEART, Town, key

from atoll.identity import Join, sign_both
from atoll.store import digest_bytes
from atoll.wire import Federation, RunInfo

# -- whoever is taken off ------------------------------------------------------------------------------------------------


def test_whoever_is_revoked_is_refused_at_the_next_request(own: Town) -> None:
    assert own.ask("bob", "GET", "/v1/me").status == 200
    own.revoke("bob")
    said = own.ask("bob", "GET", "/v1/me")
    assert (said.status, said.code) == (401, "identity.unknown-key")


def waiting(
    town: Town, name: str, method: str, path: str, body: Any = None
) -> tuple[threading.Thread, list[Any]]:
    """A request that waits, and its answer once there is one."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(town.ask(name, method, path, body)), daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not town.gate._staying.get(key(name).id) and time.monotonic() < until:
        thread.join(0.01)
    return thread, found


def test_the_open_poll_of_a_node_that_is_revoked_ends_at_once(own: Town) -> None:
    poll = {"name": "west", "session": own.hello("west"), "wait": 30}
    own.ask("west", "POST", "/v1/node/poll", {**poll, "wait": 0})
    thread, found = waiting(own, "west", "POST", "/v1/node/poll", poll)
    own.revoke("west")
    thread.join(5)
    assert [(said.status, said.code) for said in found] == [(401, "identity.unknown-key")]


def test_whoever_follows_a_run_hears_no_more_of_it_once_revoked(own: Town) -> None:
    run = own.runs["ann"]
    seen = own.ask("bob", "GET", f"/v1/runs/{run}/events").document["events"][-1][0]
    thread, found = waiting(own, "bob", "GET", f"/v1/runs/{run}/events?after={seen}&wait=30")
    own.revoke("bob")
    thread.join(5)
    assert [said.status for said in found] == [401]


def test_a_program_ends_with_whoever_lent_its_key(own: Town) -> None:
    run = own.runs["ann"]
    own.lend("ann", run, "program")
    fence = own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).document["fence"]
    say = {"fence": fence, "at": 0, "wait": 30}
    thread, found = waiting(own, "program", "POST", f"/v1/runs/{run}/say", say)
    own.revoke("ann")
    thread.join(5)
    assert [said.status for said in found] == [401]
    assert own.ask("program", "GET", f"/v1/runs/{run}/events").status == 401


def test_a_node_that_lost_one_federation_of_two_asks_again(own: Town) -> None:
    own.do(lambda: own.rosters.invite("lung", own.grant("west", "lung", by="rival")))
    said = Join(
        token=key("token of west").public.text,
        key=key("west").public.text,
        name="west",
        time=int(time.time()),
    )
    own.do(lambda: own.rosters.join("lung", sign_both(said, key("token of west"), key("west"))))
    poll = {"name": "west", "session": own.hello("west"), "wait": 30}
    own.ask("west", "POST", "/v1/node/poll", {**poll, "wait": 0})
    thread, found = waiting(own, "west", "POST", "/v1/node/poll", poll)
    own.revoke("west", "lung", by="rival")
    thread.join(5)
    assert [(said.status, said.code) for said in found] == [(503, "identity.changed")]
    assert own.ask("west", "POST", "/v1/node/poll", {**poll, "wait": 0}).status == 200


# -- programs -------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_lent_drives_its_run_and_is_on_no_roster(own: Town) -> None:
    run = own.runs["ann"]
    assert own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).status == 401
    own.lend("ann", run, "program")
    assert own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).status == 200
    assert own.ask("ann", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).status == 403


def test_a_lent_key_is_good_after_a_restart(tmp_path: Path) -> None:
    town = Town(tmp_path)
    with town.open():
        town.settle()
        town.lend("ann", town.runs["ann"], "program")
    with town.open():
        run = town.runs["ann"]
        assert town.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).status == 200


def test_a_lent_key_ends_in_time(own: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    run = own.runs["ann"]
    own.lend("ann", run, "program")
    monkeypatch.setattr("atoll.service.coordinator._run_keys.LIFE", -1.0)
    own.lend("ann", run, "program")
    said = own.ask("program", "GET", f"/v1/runs/{run}/events")
    assert (said.status, said.code) == (401, "identity.unknown-key")


@pytest.mark.parametrize(("by", "program", "status"), [
    ("bob", "program", 403), ("lena", "program", 404), ("harbour", "program", 403), ("beside", "program", 403), ("ann", "bob", 409),
])  # fmt: skip
def test_only_whoever_drives_a_run_lends_it_a_key_of_its_own(
    town: Town, by: str, program: str, status: int
) -> None:
    said = town.ask(by, "POST", f"/v1/runs/{town.runs['ann']}/key", {"key": key(program).public.text})
    assert said.status == status, said


def test_a_host_lends_a_key_to_the_runs_it_was_given(own: Town) -> None:
    run = own.run_of("ann", HEART, where="host")
    poll = {"name": "harbour", "session": own.hello("harbour", "host"), "free": 1, "wait": 5}
    orders = own.ask("harbour", "POST", "/v1/host/poll", poll)
    assert [spec["run"] for spec in orders.document["start"]] == [run]
    own.lend("harbour", run, "attempt")
    assert own.ask("attempt", "POST", f"/v1/runs/{run}/attend", {}).status == 200


def test_a_host_of_one_federation_is_given_nothing_of_another(own: Town) -> None:
    run = own.run_of("lena", "lung", where="host")
    poll = {
        "name": "harbour",
        "session": own.hello("harbour", "host"),
        "free": 1,
        "wait": 0.2,
        "running": [run],
    }
    orders = own.ask("harbour", "POST", "/v1/host/poll", poll)
    assert orders.document.get("start", []) == []
    assert orders.document.get("stop") == [run]


def test_signing_client_and_door_work_together(town: Town) -> None:
    with contextlib.closing(town.client("ann")) as client:
        found = client.call("GET", f"/v1/federations/{HEART}", None, Federation)
        assert found.nodes == ["east", "west"]
        assert client.call("GET", f"/v1/runs/{town.runs['ann']}", None, RunInfo).federation == HEART
        assert client.fetch(f"/v1/bundles/{digest_bytes(BUNDLE)}") == BUNDLE
