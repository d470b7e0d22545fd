"""What is secret and comes to a coordinator comes out nowhere: not in its refusals, its logs, its audit log or its metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest
from coordinator_process import Process
from door_world import Caller
from hostile_world import ASKED, IN, LACK, as_json, grant, joined, post, saying
from identified_world import HEART, Said, Town, key

from atoll.identity import to_base64
from atoll.wire import code_of

Send: TypeAlias = Callable[[Town], Said]
SEED = to_base64(key("token of secret").seed)
PEM = "-----BEGIN PRIVATE KEY-----"
TOKEN = "t0ken-of-somebody-that-nobody-may-see"
LINK = f"atoll://fl.example.org:443/?kind=node#{SEED}"
SECRETS = (SEED, PEM, TOKEN)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        yield town


def with_header(name: str, value: str, who: str = "ann") -> Send:
    def send(town: Town) -> Said:
        headers = town.signed(who, "GET", "/v1/me") if who else {}
        return town.send("GET", "/v1/me", b"", {**headers, name: value})

    return send


def answered_code(town: Town) -> Said:
    """An administrator gives the seed of an invitation with it, for whoever shows this code; here for another key."""
    asks = key("asks")
    post(town, "", "/v1/enrol/ask", federation=HEART, key=asks.public.text)
    code = code_of(asks.public, town.audience, key("chief").id)
    return post(
        town, "chief", f"{IN}/invitations", grant=grant("asks", key=key("x").id), code=code, seed=SEED
    )


SENT: dict[str, Send] = {
    "a token": with_header("authorization", f"Bearer {TOKEN}", ""),
    "a token beside a signature": with_header("authorization", f"Bearer {TOKEN}", "stranger"),
    "in a signature": with_header("signature", f"atoll=:{SEED}:"),
    "in what is signed": with_header("signature-input", f'atoll=("@method");nonce="{SEED}";keyid="{SEED}"'),
    "for an audience": with_header("atoll-audience", SEED),
    "in a cookie": with_header("cookie", f"token={TOKEN}", "stranger"),
    "in an origin": with_header("user-agent", TOKEN, "stranger"),
    "in a query": lambda t: t.ask("stranger", "GET", f"/v1/runs?token={TOKEN}"),
    "in a query of somebody known": lambda t: t.ask("west", "GET", f"/v1/runs?token={TOKEN}"),
    "with a code": answered_code,
    "with a code that nobody has": lambda t: post(t, "chief", f"{IN}/invitations", grant=grant("n"), code="AAAA-AAAA", seed=SEED),
    "as a seed that is too long": lambda t: post(t, "chief", f"{IN}/invitations", grant=grant("n"), code="AAAA-AAAA", seed=SEED * 3),
    "in a field that is unknown": lambda t: t.ask("ann", "POST", LACK, ASKED[:-1] + f',"token":"{TOKEN}"'.encode()),
    "in a message that is none": lambda t: t.ask("ann", "POST", LACK, f'{{"federation":"{PEM}"}}'.encode()),
    "in a join": lambda t: post(t, "", "/v1/enrol", federation=HEART, join={**_raw(joined("n")), "seed": SEED}),
    "in a statement": lambda t: post(t, "chief", f"{IN}/invitations", grant=saying("grant", f'{{"token":"{SEED}"}}', "chief")),
    "as the token of an invitation": lambda t: post(t, "chief", f"{IN}/invitations", grant=grant("secret", by="ann")),
}  # fmt: skip


def _raw(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


@pytest.mark.parametrize("how", SENT)
def test_no_secret_that_was_sent_comes_out_again(
    town: Town, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        said = SENT[how](town)
    town.do(lambda: town.desk._books.audit.durable())
    metrics = town.ask("operator", "GET", "/metrics")
    assert metrics.status == 200
    seen = [said.body, metrics.body, (town.home / "audit.jsonl").read_bytes(), caplog.text.encode()]
    for secret in SECRETS:
        assert not any(secret.encode() in one for one in seen), secret


def test_no_signature_of_anybody_stays_anywhere(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    headers = town.signed("ann", "GET", "/v1/runs/nope")
    signature = headers["signature"][7:-1]
    with caplog.at_level(logging.DEBUG):
        answers = [town.send("GET", "/v1/runs/nope", b"", headers) for _ in range(2)]
        answers.append(town.send("GET", "/v1/runs", b"", headers))
    town.do(lambda: town.desk._books.audit.durable())
    seen = [
        *(answer.body for answer in answers),
        (town.home / "audit.jsonl").read_bytes(),
        caplog.text.encode(),
    ]
    assert [answer.status for answer in answers] == [404, 401, 401]
    assert not any(signature.encode() in one or signature[:40].encode() in one for one in seen)


def test_a_link_that_was_pasted_into_a_path_is_in_no_log(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asked sees what they asked for; nobody else does."""
    with caplog.at_level(logging.DEBUG):
        for who in ("ann", "stranger", ""):
            assert town.ask(who, "GET", f"/v1/runs/{quote(LINK, safe='')}").status in (400, 401, 404)
            assert town.ask(who, "GET", f"/v2/{quote(LINK, safe='')}").status in (400, 401, 404)
    town.do(lambda: town.desk._books.audit.durable())
    metrics = town.ask("operator", "GET", "/metrics").body
    assert not any(
        SEED.encode() in one
        for one in (metrics, (town.home / "audit.jsonl").read_bytes(), caplog.text.encode())
    )


def test_a_coordinator_of_one_machine_shows_its_token_to_nobody(coordinator: Callable[..., Process]) -> None:
    process = coordinator()
    ask, token = Caller(process), process.address.token
    answers = [
        ask("GET", "/v1/runs", Authorization=f"Bearer {token}x"), ask("GET", "/v1/runs", Authorization=token), ask("GET", "/metrics"),
        ask("GET", f"/v1/runs?token={TOKEN}", Authorization=f"Bearer {TOKEN}"), ask("GET", "/v1/nothing"), ask("GET", "/v1/audit"),
        ask("POST", LACK, b"{"), ask("GET", "/v1/me"), ask("GET", "/v1/about"),
    ]  # fmt: skip
    assert {answer.status for answer in answers} >= {200, 400, 401, 404}
    assert process.end() == 0
    seen = [
        *(answer.body for answer in answers),
        process.log.read_bytes(),
        (process.home / "audit.jsonl").read_bytes(),
    ]
    assert not any(secret.encode() in one for secret in (token, TOKEN) for one in seen)


def test_what_the_tests_look_for_would_be_found(town: Town) -> None:
    """The words do come back where they may: to whoever asked for them, of what they asked."""
    assert SEED.encode() in town.ask("ann", "GET", f"/v1/runs/{SEED}").body
    assert as_json({"x": SEED}).count(SEED.encode()) == 1
