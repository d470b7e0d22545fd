"""An issuer's tokens at a coordinator: which count, for whom, and that nobody comes in by one alone."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from identified_world import HEART, Said, Town, key
from issuer_process import CLIENT, Issuer, issuer

from atoll.identity import Grant, Key, Role, sign, to_base64
from atoll.service.coordinator import Settings, serve
from atoll.service.coordinator._enrolment import Town as Whole
from atoll.service.coordinator._issuer import KEPT, PAUSE, Keys, Oidc
from atoll.surfaces._device import Patience, check_near, log_in
from atoll.values import AtollError, ConfigError
from atoll.wire import Issuer as Told
from atoll.wire import IssuerError, discover

ADA = "ada@example.org"
IN = f"/v1/federations/{HEART}"


class Clock:
    """The machine's, ahead of itself."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def call_later(self, seconds: float, then: Any) -> Any:
        return asyncio.get_running_loop().call_later(seconds, then)


@pytest.fixture(scope="module")
def one() -> Iterator[Issuer]:
    with issuer() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vouched(own: Town, one: Issuer, clock: Clock) -> Town:
    """A coordinator whose users that issuer vouches for."""
    told = Told(issuer=one.url, client=CLIENT)

    async def open() -> None:
        oidc = Oidc(told, clock)
        own.desk.open_to(Whole(own.audience, "", own.first, issuer=oidc), own.rosters)

    own.do(open)
    return own


def ask(town: Town, who: str, token: str = "", **other: Any) -> Said:
    body = {"federation": HEART, "key": key(who).public.text, "name": "whoever", "token": token, **other}
    return town.ask("", "POST", "/v1/enrol/ask", body)


def waiting(town: Town) -> dict[str, str]:
    """Who asks, as an administrator sees it: names, and who vouches for them."""
    found = town.ask("chief", "GET", f"{IN}/requests").document.get("waiting", [])
    return {each["name"]: each.get("issuer", "") for each in found}


def test_the_coordinator_tells_whom_it_believes(vouched: Town, one: Issuer, town: Town):
    assert vouched.ask("", "GET", "/v1/enrol/issuer").document == {"issuer": one.url, "client": CLIENT}
    assert town.ask("", "GET", "/v1/enrol/issuer").document == {}


@pytest.mark.parametrize("how", ["RS256", "ES256", "EdDSA"])
def test_a_token_gives_a_name_and_lets_nobody_in(vouched: Town, one: Issuer, how: str):
    one.rotate(how)
    said = ask(vouched, "ada", one.mint(key("ada").id))
    assert (said.status, "grant" in said.document, "renewed" in said.document) == (200, False, False)
    assert waiting(vouched) == {ADA: one.url}
    assert vouched.ask("ada", "GET", "/v1/me").code == "identity.unknown-key"


def test_whoever_asks_without_a_token_is_vouched_for_by_nobody(vouched: Town):
    ask(vouched, "ada", name=ADA)
    assert waiting(vouched) == {ADA: ""}


def test_nobody_changes_the_name_that_the_issuer_gave(vouched: Town, one: Issuer):
    ask(vouched, "ada", one.mint(key("ada").id))
    ask(vouched, "ada", name="chief@example.org")
    assert waiting(vouched) == {ADA: one.url}


def test_an_administrators_signature_lets_them_in(vouched: Town, one: Issuer):
    token = one.mint(key("ada").id)
    ask(vouched, "ada", token)
    (found,) = vouched.ask("chief", "GET", f"{IN}/requests").document["waiting"]
    now, seed = int(time.time()), key("a seed")
    grant = Grant(token=seed.public.text, kind="user", name=found["name"], roles=(Role.SCIENTIST,), federation=HEART,
                  issued=now, expires=now + 600, key=key("ada").id)  # fmt: skip
    import msgspec

    body = {
        "grant": msgspec.to_builtins(sign(grant, key("chief"))),
        "code": found["code"],
        "seed": to_base64(seed.seed),
    }
    assert vouched.ask("chief", "POST", f"{IN}/invitations", body).status == 200
    assert ask(vouched, "ada", token).document["grant"]["by"] == key("chief").public.text


HOSTILE: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://id.example.org"},
    "the issuer with a slash": {"iss": "http://127.0.0.1/"},
    "another audience": {"aud": "another"},
    "no audience": {"aud": []},
    "two audiences, and not for us": {"aud": [CLIENT, "another"], "azp": "another"},
    "over": {"exp": time.time() - 100},
    "no end": {"exp": None},
    "an end in words": {"exp": "tomorrow"},
    "issued long ago": {"iat": time.time() - 3_600, "exp": time.time() + 3_600},
    "issued in the future": {"iat": time.time() + 3_600, "exp": time.time() + 7_200},
    "not yet": {"nbf": time.time() + 3_600},
    "unsigned": {"how": "none"},
    "by the public key as a secret": {"how": "HS256"},
    "by another key": {"how": "forged"},
    "an unknown key": {"header": {"kid": "nobodys"}},
    "a path as the key": {"header": {"kid": "../../dev/null"}},
    "a key of its own": {"how": "forged", "header": {"kid": None, "jku": "http://127.0.0.1:1/jwks"}},
    "something critical": {"header": {"crit": ["exp"], "exp": 1}},
    "an address that nobody verified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "nothing about verifying": {"email_verified": None},
    "no address": {"email": None},
    "an address with a line's end": {"email": "ada@example.org\nroot"},
    "an address in another script": {"email": "\u0430da@example.org"},
    "a longer address than names are": {"email": "a" * 200 + "@example.org"},
    "another key's": {"nonce": key("thief").id},
    "nobody's": {"nonce": ""},
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_token_that_is_not_good_does_nothing(vouched: Town, one: Issuer, why: str):
    one.rotate()
    said = ask(vouched, "ada", one.mint(**{"nonce": key("ada").id, **HOSTILE[why]}))
    assert (said.status, said.code) == (403, "oidc.bad-token"), said
    assert waiting(vouched) == {}


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "..",
        "...",
        "é.é.é",
        "e30.e30.",
        "eyJhbGciOiJSUzI1NiJ9..",
        "W" * 16_000,
        "W1tb" * 2_000 + "..",
        "\ud800",
    ],
)
def test_what_is_no_token_is_refused(vouched: Town, token: str):
    assert ask(vouched, "ada", token).status in (400, 403)
    assert waiting(vouched) == {}


def test_a_token_longer_than_any_is_refused_unread(vouched: Town):
    assert (ask(vouched, "ada", "a" * 20_000).status, waiting(vouched)) == (400, {})


def test_a_stolen_token_is_no_good_for_another_key(vouched: Town, one: Issuer):
    token = one.mint(key("ada").id)
    assert ask(vouched, "thief", token).code == "oidc.bad-token"
    assert [ask(vouched, "ada", token).status for _ in range(2)] == [200, 200]  # a lost answer
    assert ask(vouched, "thief", token).code == "oidc.bad-token"


def test_without_a_nonce_it_is_the_first_keys(vouched: Town, one: Issuer):
    token = one.mint(None, iat=int(time.time()) + 1)
    assert [ask(vouched, "ada", token).status for _ in range(2)] == [200, 200]
    assert ask(vouched, "thief", token).code == "oidc.token-spent"
    assert waiting(vouched) == {ADA: one.url}


def test_without_a_nonce_nothing_counts_from_before_the_start(vouched: Town, one: Issuer):
    assert ask(vouched, "ada", one.mint(None, iat=int(time.time()) - 300)).code == "oidc.bad-token"


def test_keys_are_fetched_when_one_is_missing_and_no_oftener_than_so(
    vouched: Town, one: Issuer, clock: Clock
):
    one.rotate()
    assert ask(vouched, "ada", one.mint(key("ada").id)).status == 200
    before, old = one.fetched(), one.mint(key("bea").id)
    one.rotate("ES256")
    new = one.mint(key("cleo").id, email="cleo@example.org")
    assert ask(vouched, "cleo", new).code == "oidc.bad-token"  # just looked
    assert one.fetched() == before
    clock.ahead += PAUSE
    assert ask(vouched, "cleo", new).status == 200
    clock.ahead += PAUSE
    assert ask(vouched, "bea", old).code == "oidc.bad-token"  # its key is gone
    assert one.fetched() == before + 2


def test_a_key_that_the_issuer_takes_back_counts_for_minutes_at_most(
    vouched: Town, one: Issuer, clock: Clock
):
    one.rotate()
    assert ask(vouched, "ada", one.mint(key("ada").id)).status == 200
    stolen = one.mint(key("bea").id, exp=int(time.time()) + 900)
    one.rotate()
    clock.ahead += KEPT
    assert ask(vouched, "bea", stolen).code == "oidc.bad-token"


def test_an_issuer_that_is_down_is_named(own: Town):
    with issuer() as gone:
        token = gone.mint(key("ada").id)
        told = Told(issuer=gone.url, client=CLIENT)

        async def open() -> None:
            own.desk.open_to(Whole(own.audience, "", own.first, issuer=Oidc(told, Clock())), own.rosters)

        own.do(open)
    for _ in range(2):
        said = ask(own, "ada", token)
        assert (said.status, said.code) == (503, "oidc.issuer-down")
        assert gone.url.removeprefix("http://") in said.document["message"]
        assert "atoll login URL --code" in said.document["mend"]


def test_a_coordinator_without_an_issuer_says_so(own: Town, one: Issuer):
    assert ask(own, "ada", one.mint(key("ada").id)).code == "oidc.no-issuer"


# -- renewal -------------------------------------------------------------------------------------------------------------


def lapse(town: Town, who: str) -> None:
    async def over() -> None:
        from atoll.service.coordinator._rolls import Credential

        town.rosters.terms._put(key(who).id, Credential(expires=time.time() - 10))

    town.do(over)


def member(town: Town, who: str, name: str) -> None:
    """Somebody who has joined under a name."""

    async def joined() -> None:
        from atoll.identity import Join, sign_both

        now, token = int(time.time()), key(f"seed of {who}")
        grant = Grant(token=token.public.text, kind="user", name=name, roles=(Role.SCIENTIST,), federation=HEART,
                      issued=now, expires=now + 600)  # fmt: skip
        await town.rosters.invite(HEART, sign(grant, key("chief")))
        said = Join(token=token.public.text, key=key(who).public.text, name=name, time=now)
        await town.rosters.join(HEART, sign_both(said, token, key(who)))

    town.do(joined)


def test_a_login_renews_a_credential_that_is_over(vouched: Town, one: Issuer):
    member(vouched, "ada", ADA)
    lapse(vouched, "ada")
    assert vouched.ask("ada", "GET", "/v1/me").code == "identity.expired-credential"
    assert ask(vouched, "ada", one.mint(key("ada").id)).document["renewed"] > time.time() + 86_400
    assert vouched.ask("ada", "GET", "/v1/me").status == 200


@pytest.mark.parametrize(("who", "email"), [("ada", "eve@example.org"), ("thief", ADA)])
def test_a_login_renews_nobody_elses(vouched: Town, one: Issuer, who: str, email: str):
    member(vouched, "ada", ADA)
    lapse(vouched, "ada")
    assert "renewed" not in ask(vouched, who, one.mint(key(who).id, email=email)).document
    assert vouched.ask("ada", "GET", "/v1/me").code == "identity.expired-credential"


def test_a_login_brings_nobody_back_who_was_revoked(vouched: Town, one: Issuer):
    member(vouched, "ada", ADA)
    vouched.revoke("ada")
    assert "renewed" not in ask(vouched, "ada", one.mint(key("ada").id)).document
    assert vouched.ask("ada", "GET", "/v1/me").status == 401


# -- how it begins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{"oidc_issuer": "https://id.example.org"}, {"oidc_client": "atoll"}, {"oidc_audience": "a"}]
)
def test_half_an_issuer_is_refused_before_anything_begins(tmp_path: Path, given: dict[str, str]):
    with pytest.raises(ConfigError) as found:
        serve(Settings(home=tmp_path / "home", port=0, public_url="https://fl.example.org", **given))  # type: ignore[arg-type]
    assert (found.value.code, (tmp_path / "home").exists()) == ("coordinator.half-an-issuer", False)


@pytest.mark.parametrize(
    "url",
    ["http://id.example.org", "id.example.org", "https://id.example.org?x=1", "file:///etc", "https://"],
)
def test_an_issuer_has_https(tmp_path: Path, url: str):
    with pytest.raises(AtollError, match="no URL of an issuer"):
        serve(
            Settings(
                home=tmp_path / "home",
                public_url="https://fl.example.org",
                oidc_issuer=url,
                oidc_client="atoll",
            )
        )


def test_without_joserfc_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("joserfc"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError) as found:
        Keys("https://id.example.org", clock)
    assert (found.value.code, found.value.mend) == ("oidc.not-installed", "pip install 'atoll[oidc]'")


# -- the device flow -----------------------------------------------------------------------------------------------------


def logged_in(one: Issuer, *, wait: Any, clock: Any = lambda: 0.0) -> str:
    told = Told(issuer=one.url, client=CLIENT)
    return log_in(told, Key.make().id, tell=lambda url, code: None, patience=Patience(wait, clock))


def test_it_waits_as_the_issuer_says_until_somebody_has_logged_in(one: Issuer):
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        one.people(
            **({"error": "slow_down"} if len(waits) == 2 else {"email": ADA} if len(waits) == 4 else {})
        )

    one.people()
    assert logged_in(one, wait=wait).count(".") == 2
    assert waits == [1.0, 1.0, 6.0, 6.0]


@pytest.mark.parametrize(("error", "code"), [("access_denied", "oidc.denied"), ("expired_token", "oidc.too-late"), ("server_error", "oidc.bad-issuer")])  # fmt: skip
def test_a_login_that_fails_says_how(one: Issuer, error: str, code: str):
    one.people(error=error)
    with pytest.raises(IssuerError) as found:
        logged_in(one, wait=lambda _: None)
    assert found.value.code == code


def test_nobody_waits_for_ever(one: Issuer):
    one.people()
    times = iter([0.0, 30.0, 59.0, 61.0])
    with pytest.raises(IssuerError, match="in time"):
        logged_in(one, wait=lambda _: None, clock=lambda: next(times))


def test_a_coordinator_far_away_names_no_issuer_of_this_machine(one: Issuer):
    with pytest.raises(IssuerError, match="on this machine"):
        check_near(Told(issuer=one.url, client=CLIENT), "https://fl.example.org")
    check_near(Told(issuer=one.url, client=CLIENT), "https://127.0.0.1:8765")


def test_an_issuer_that_calls_itself_otherwise_is_refused(one: Issuer):
    with pytest.raises(IssuerError, match="calls itself"):
        discover(one.url.replace("127.0.0.1", "localhost"))
