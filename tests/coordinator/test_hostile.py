"""Hostile messages, by category, through the door of a coordinator that knows people by their keys: each is refused in words,
costs little memory, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from door_world import memory
from hostile_requests import AUDIENCE, DEEP, DIGEST, HUGE, PATH, REPLAY, TRUNCATED
from hostile_statements import EXPIRED, FORGED, OTHERS, SWAPPED, TAMPERED, UNICODE
from hostile_world import IN, LACK, MIB, Send, grant, post, raw, request, state
from identified_world import HEART, Town

REFUSED = (400, 401, 403, 404, 405, 409, 411, 413, 414, 416, 429, 431)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        invited = grant("invited", by="chief")
        assert post(town, "chief", f"{IN}/invitations", grant=invited).status == 200
        town.lend("ann", town.runs["ann"], "program")
        town.runs["session"] = str(town.hello("east"))
        yield town


CATEGORIES: dict[str, dict[str, Send]] = {
    "replay": REPLAY, "wrong digest": DIGEST, "truncated": TRUNCATED, "deep JSON": DEEP, "huge headers": HUGE, "unicode tricks": UNICODE,
    "wrong audience": AUDIENCE, "expired": EXPIRED, "swapped identity": SWAPPED, "tampered roster": TAMPERED,
    "forged checkpoint": FORGED, "path confusion": PATH, "ids of others": OTHERS,
}  # fmt: skip
# What is no refusal, and does nothing: an upload of bytes under another's name, a poll with a checkpoint that nobody keeps.
DONE = {("wrong digest", "of an object")} | {("forged checkpoint", case) for case in FORGED}
# What is so broken that there may be no answer: the server hangs up.
CUT_OFF = {"truncated", "huge headers", "path confusion"}


def test_every_category_has_five_cases_at_least() -> None:
    assert all(len(cases) >= 5 for cases in CATEGORIES.values())


@pytest.mark.parametrize(
    ("category", "case"), [(category, case) for category, cases in CATEGORIES.items() for case in cases]
)
def test_what_is_hostile_is_refused_and_changes_nothing(town: Town, category: str, case: str) -> None:
    before, used = state(town), memory(os.getpid())
    said = CATEGORIES[category][case](town)
    if (category, case) in DONE:
        assert said.status in (200, 400), said
        assert said.status == 400 or said.document.get("stored", []) == []
    elif said.status == 0:
        assert category in CUT_OFF
    else:
        assert said.status in REFUSED, said
    if said.body and said.status in REFUSED and said.body.startswith(b"{"):
        problem = said.document
        assert problem["code"]
        assert problem["message"]
        assert len(said.body) < 30_000
    assert state(town) == before
    assert memory(os.getpid()) - used < 64 * MIB
    assert town.ask("ann", "GET", "/v1/me").status == 200


@pytest.mark.parametrize("who", ["", "stranger", "south", "audrey"])
def test_whoever_may_not_send_much_has_nothing_of_it_read(town: Town, who: str) -> None:
    """By their headers alone they are refused: what comes behind them takes no room."""
    path, length = f"/v1/objects?federation={HEART}", 1 << 34
    before, used = state(town), memory(os.getpid())
    for _ in range(5):
        headers = town.signed(who, "PUT", path, length=length) if who else {}
        said = raw(
            town, request(town, "PUT", path, {**headers, "Content-Length": str(length)}, b"x" * (8 * MIB))
        )
        assert said.status in (0, 401, 403, 404)  # 0: it has hung up while more came
    assert memory(os.getpid()) - used < 64 * MIB
    assert state(town) == before


@pytest.mark.parametrize(
    "path", ["/v1/enrol", "/v1/enrol/ask", "/v1/roots", LACK, f"{IN}/invitations", "/v1/me/rotation"]
)
def test_a_message_beyond_its_limit_is_refused_before_it_comes(town: Town, path: str) -> None:
    before = state(town)
    headers = town.signed("chief", "POST", path, b"x")
    said = raw(town, request(town, "POST", path, {**headers, "Content-Length": str(1 << 40)}, b"x" * 1000))
    assert (said.status, said.document["code"]) == (413, "request.too-large")
    assert state(town) == before
