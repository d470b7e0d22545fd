"""Whoever guesses learns nothing of how much is right from the work that it makes: it is counted, for a clock in a test is not to
be trusted."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostile_world import as_json, grant, joined, post
from identified_world import HEART, LUNG, Town, key
from msgspec.structs import replace

import atoll.identity._keys as keys
from atoll.identity import Both, Link
from atoll.service.coordinator import _gate
from atoll.service.coordinator._refusals import Refusal


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        assert (
            post(town, "chief", f"/v1/federations/{HEART}/invitations", grant=grant("invited")).status == 200
        )
        yield town


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each signature was looked for in, one entry for a verification."""
    seen: list[int] = []
    real = keys.Ed25519PublicKey

    class Counting:
        def __init__(self, key: Any) -> None:
            self._key = key

        @classmethod
        def from_public_bytes(cls, data: bytes) -> Counting:
            return cls(real.from_public_bytes(data))

        def verify(self, signature: bytes, message: bytes) -> None:
            seen.append(len(message))
            self._key.verify(signature, message)

    monkeypatch.setattr(keys, "Ed25519PublicKey", Counting)
    return seen


def work(verified: list[int], ask: Callable[[], Any]) -> int:
    verified.clear()
    ask()
    return len(verified)


# -- requests ------------------------------------------------------------------------------------------------------------


def known(town: Town) -> Any:
    return town.ask("ann", "GET", "/v1/me")


def unknown(town: Town) -> Any:
    return town.ask("stranger", "GET", "/v1/me")


def not_signed_by_them(town: Town) -> Any:
    headers = town.signed("stranger", "GET", "/v1/me")
    headers["signature-input"] = headers["signature-input"].replace(key("stranger").id, key("ann").id)
    return town.send("GET", "/v1/me", b"", headers)


def for_another_path(town: Town) -> Any:
    return town.send("GET", "/v1/runs", b"", town.signed("ann", "GET", "/v1/me"))


def with_a_signature_of_zeros(town: Town) -> Any:
    return town.send(
        "GET", "/v1/me", b"", {**town.signed("ann", "GET", "/v1/me"), "signature": f"atoll=:{'A' * 86}==:"}
    )


def where_they_are_nobody(town: Town) -> Any:
    return town.ask("lena", "GET", f"/v1/federations/{HEART}/members")


def where_nothing_is(town: Town) -> Any:
    return town.ask("ann", "GET", "/v1/runs/nope")


@pytest.mark.parametrize("ask", [
    known, unknown, not_signed_by_them, for_another_path, with_a_signature_of_zeros, where_they_are_nobody, where_nothing_is,
])  # fmt: skip
def test_a_request_costs_one_verification_whoever_made_it(
    town: Town, verified: list[int], ask: Callable[[Town], Any]
) -> None:
    assert work(verified, lambda: ask(town)) == 1


def test_a_revoked_key_costs_what_an_unknown_one_does(tmp_path: Path, verified: list[int]) -> None:
    with Town(tmp_path).open() as own:
        own.settle()
        own.revoke("bob")
        assert work(verified, lambda: own.ask("bob", "GET", "/v1/me")) == 1


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/federations/heart/members", "/v1/nothing", "/metrics"])
def test_whoever_shows_no_signature_has_none_verified(town: Town, verified: list[int], path: str) -> None:
    assert work(verified, lambda: town.ask("", "GET", path)) == 0


# -- invitations ---------------------------------------------------------------------------------------------------------


def enrolled(town: Town, both: Both, federation: str = HEART) -> Any:
    return town.ask("", "POST", "/v1/enrol", as_json({"federation": federation, "join": both}))


def test_without_an_invitations_token_it_costs_the_same_whether_there_is_one_or_not(
    town: Town, verified: list[int]
) -> None:
    """Both signatures of the join are verified, and nothing else; whether anybody has taken the token up, or where it is from."""
    guess, spent = joined("never-invited"), joined("east", by="thief")
    asked = [
        (guess, HEART),
        (guess, LUNG),
        (guess, "nowhere"),
        (spent, HEART),
        (spent, LUNG),
        (joined("invited"), LUNG),
    ]
    assert [work(verified, lambda b=both, f=name: enrolled(town, b, f)) for both, name in asked] == [2] * len(
        asked
    )


def test_a_join_that_was_not_signed_by_both_costs_no_more(town: Town, verified: list[int]) -> None:
    good, other = joined("invited"), joined("invited", by="thief")
    forged = replace(good.second, signature=other.second.signature)
    asked = [
        Both(good.first, other.second),
        Both(other.first, good.second),
        Both(good.first, forged),
        Both(forged, good.second),
    ]
    assert max(work(verified, lambda b=both: enrolled(town, b)) for both in asked) <= 2


def test_whoever_has_the_token_and_something_wrong_costs_the_same_whatever_it_is(
    town: Town, verified: list[int]
) -> None:
    wrong = [joined("invited", called="another"), joined("invited", ago=9_000), joined("invited", ago=-9_000)]
    assert len({work(verified, lambda b=both: enrolled(town, b)) for both in wrong}) == 1


@pytest.mark.parametrize("token", ["right", "wrong"])
def test_the_first_link_costs_the_same_right_or_wrong_for_a_wrong_key(
    tmp_path: Path, verified: list[int], token: str
) -> None:
    with Town(tmp_path).open() as own:
        own.first.link()
        right = Link.read((own.home / "first-administrator").read_text()).token
        both = joined("admin", by="thief")
        if token == "right":
            from atoll.identity import Join, sign_both

            said = Join(token=right.public.text, key=key("other").public.text, name="admin", time=1)
            both = sign_both(said, right, key("thief"))
        assert work(verified, lambda: post(own, "", "/v1/roots", join=both)) == 2
        assert own.rosters.federations() == []


# -- codes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["AAAA-AAAA", "ZZZZ-2222"])
def test_a_wrong_code_costs_what_a_right_one_does(town: Town, verified: list[int], code: str) -> None:
    """The administrator's request and the invitation; a code that nobody has is told after both."""
    from atoll.wire import code_of

    key_of = key("asks")
    assert (
        town.ask(
            "", "POST", "/v1/enrol/ask", as_json({"federation": HEART, "key": key_of.public.text})
        ).status
        == 200
    )
    right = code_of(key_of.public, town.audience, key("chief").id)
    path, seed = f"/v1/federations/{HEART}/invitations", "A" * 43
    asked = [
        work(
            verified,
            lambda c=one: post(town, "chief", path, grant=grant("asks", key=key("x").id), code=c, seed=seed),
        )
        for one in (right, code)
    ]
    assert asked == [2, 2]


# -- the token of one machine --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [
    "", "Bearer", "Bearer ", "Bearer t", "Bearer the-token-of-thi", "Bearer the-token-of-this", "Bearer the-token-of-thix", "x" * 5_000,
    "Bearer the-token-of-this-and-more", "bearer the-token-of-this", "Bearer \udcff", "Bearer \u212a",
])  # fmt: skip
def test_a_token_is_compared_once_and_in_one_go(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(_gate, "hmac", SimpleNamespace(compare_digest=counting))
    gate = _gate.TokenGate("the-token-of-this", local=False)
    scope = SimpleNamespace(headers={"authorization": given} if given else {}, authority="127.0.0.1")
    if given == "Bearer the-token-of-this":
        gate.admit(scope)
    else:
        with pytest.raises(Refusal) as refused:
            gate.admit(scope)
        assert refused.value.code == "request.no-token"
        assert "token-of-this" not in refused.value.message
    assert len(compared) == 1
