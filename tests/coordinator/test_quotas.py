"""What a federation and its users may have at most, and that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from identified_world import HEART, LUNG, Said, Town, key

from atoll.store import digest_bytes


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Town(tmp_path).open() as town:
        town.settle()  # ann has a run, and has brought a bundle
        yield town


def limit(
    town: Town,
    by: str = "chief",
    federation: str = HEART,
    *,
    user: str = "",
    lift: tuple[str, ...] = (),
    **limits: float,
) -> Said:
    body = {"user": user, "limits": limits, "lift": list(lift)}
    return town.ask(by, "POST", f"/v1/federations/{federation}/limits", body)


def begin(town: Town, name: str = "ann", federation: str = HEART) -> Said:
    return town.ask(name, "POST", "/v1/runs", town.new_run(federation))


def put(town: Town, name: str, content: bytes, federation: str = HEART) -> Said:
    listed = json.dumps([[digest_bytes(content), len(content), 0]]).encode()
    whole = len(listed).to_bytes(8, "little") + listed + content
    path = f"/v1/objects?federation={federation}"
    return town.send("PUT", path, whole, town.signed(name, "PUT", path, length=len(whole)))


def test_a_run_too_many_is_refused_with_which_how_much_and_who_can_change_it(town: Town) -> None:
    assert limit(town, runs=2).status == 200
    assert begin(town).status == 200
    said = begin(town, "bob")
    assert (said.status, said.code) == (429, "quota.exceeded")
    assert "2 live runs" in said.document["message"]
    assert HEART in said.document["message"]
    assert "administrator" in said.document["mend"]


def test_a_run_that_ends_makes_room(town: Town) -> None:
    limit(town, runs=1)
    assert begin(town).status == 429
    town.ask("ann", "POST", f"/v1/runs/{town.runs['ann']}/stop")
    assert begin(town).status == 200


def test_a_run_is_not_resumed_beyond_the_limit(town: Town) -> None:
    town.ask("ann", "POST", f"/v1/runs/{town.runs['ann']}/stop")
    limit(town, runs=1)
    assert begin(town, "bob").status == 200
    said = town.ask("ann", "POST", f"/v1/runs/{town.runs['ann']}/resume")
    assert (said.status, said.code) == (429, "quota.exceeded")


def test_each_user_has_what_each_user_may(town: Town) -> None:
    limit(town, user="*", runs=1)
    assert begin(town, "ann").status == 429
    assert begin(town, "bob").status == 200
    assert begin(town, "bob").status == 429


def test_one_user_may_have_more_than_each(town: Town) -> None:
    limit(town, user="*", runs=0)
    assert limit(town, user="ann", runs=2).document["users"].keys() == {"*", key("ann").id}
    assert begin(town, "ann").status == 200
    assert begin(town, "bob").status == 429


def test_bytes_for_which_there_is_no_room_are_refused_before_they_are_taken(town: Town) -> None:
    limit(town, bytes=50_000)
    assert put(town, "bob", b"a" * 40_000).status == 200
    said = put(town, "bob", b"b" * 40_000)
    assert (said.status, said.code) == (429, "quota.exceeded")
    assert put(town, "bob", b"c" * 1_000).status == 200
    assert digest_bytes(b"b" * 40_000) not in set(town.desk._books.store.digests())


def test_node_hours_that_are_used_up_refuse_the_next_run(town: Town) -> None:
    limit(town, hours=1)
    assert begin(town).status == 200

    async def worked() -> None:
        town.desk._books.usage._sum(HEART, key("ann").id, town.desk._books.clock.time()).seconds += 3601

    town.do(worked)
    assert begin(town).code == "quota.exceeded"


def test_another_federation_has_its_own(town: Town) -> None:
    limit(town, runs=1)
    assert begin(town).status == 429
    assert begin(town, "lena", LUNG).status == 200


def test_a_limit_can_be_lifted_and_others_stay(town: Town) -> None:
    limit(town, runs=1, hours=5)
    found = limit(town, lift=("runs",)).document
    assert found["whole"] == {"hours": 5.0}
    assert begin(town).status == 200


@pytest.mark.parametrize("name", ["ann", "olga", "audrey", "east", "harbour"])
def test_only_administrators_change_limits(town: Town, name: str) -> None:
    said = limit(town, name, runs=100)
    assert (said.status, said.code) == (403, "identity.forbidden")


def test_of_another_federation_there_is_nothing_to_see_or_change(town: Town) -> None:
    for name in ("lena", "rival"):
        assert town.ask(name, "GET", f"/v1/federations/{HEART}/limits").status == 404
    assert limit(town, "rival", runs=0).status == 404


def test_a_user_sees_the_own_limits_and_nobody_else_s(town: Town) -> None:
    limit(town, user="bob", runs=3)
    limit(town, user="ann", runs=4)
    found = town.ask("ann", "GET", f"/v1/federations/{HEART}/limits").document
    assert found["users"] == {key("ann").id: {"runs": 4.0}}


def test_limits_for_nobody_are_refused(town: Town) -> None:
    said = limit(town, user="nobody-here", runs=1)
    assert (said.status, said.code) == (404, "identity.unknown")


@pytest.mark.parametrize("limits", [{"runs": -1}, {"hours": "many"}, {"bytes": 1e30}])
def test_limits_that_are_no_numbers_are_refused(town: Town, limits: dict[str, Any]) -> None:
    assert limit(town, **limits).status == 400


def test_limits_hold_after_a_restart(tmp_path: Path) -> None:
    with Town(tmp_path).open() as town:
        town.settle()
        limit(town, runs=1)
    with Town(tmp_path).open() as town:
        assert begin(town).status == 429
