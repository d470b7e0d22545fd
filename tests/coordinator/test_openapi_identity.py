"""The whole API of a coordinator that knows people by their keys, asked at random by everybody: it answers what its document
says, fails at nothing, and shows nobody what isn't theirs."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking_proxy import Asker, Proxy, narrowed
from identified_world import HEART, LUNG, Town, key
from random_requests import ask_at_random

from atoll._version import __version__
from atoll.identity import Role
from atoll.journal import Logged, encode
from atoll.service.coordinator._openapi import document
from atoll.service.coordinator._route import ANYONE
from atoll.service.coordinator._routes import ROUTES

OF_HEART, OF_LUNG = b"of heart alone", b"of lung alone"
LINE = "a line that a program of lung printed"
PEOPLE = {
    "administrator": "alma", "scientist": "ann", "site-owner": "olga", "auditor": "audrey", "node": "west", "host": "harbour",
    "program": "program",
}  # fmt: skip


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(
        "atoll.service.coordinator._checks.PATIENCE", 0.05
    )  # no node answers a preflight here
    with Town(tmp_path).open() as town:
        town.settle()
        town.runs["spare"] = town.run_of("ann", HEART, name="heart-spare")
        town.runs["secret"] = town.run_of("lena", LUNG, name="plan-of-lung")
        town.runs["open"] = town.run_of("ann", HEART, name="plan-of-heart")
        town.lend("ann", town.runs["open"], "program")
        town.lend("lena", town.runs["secret"], "program of lung")
        path = f"/v1/runs/{town.runs['secret']}"
        fence = town.ask("program of lung", "POST", f"{path}/attend", {"where": "here"}).document["fence"]
        said = town.ask(
            "program of lung", "POST", f"{path}/say", {"fence": fence, "at": 0, "events": [_line(LINE)]}
        )
        assert said.status == 200, said
        yield town


def _line(text: str) -> str:
    return base64.b64encode(encode(Logged(time=time.time(), message=text))).decode()


def hidden(town: Town) -> dict[str, tuple[str, ...]]:
    """What nobody of another federation may see, of each: names, ids, digests, lines."""
    heart, lung = town.keep("ann", HEART, OF_HEART), town.keep("lena", LUNG, OF_LUNG)
    people = {
        HEART: ("alma", "ann", "bob", "olga", "audrey", "west", "harbour", "chief"),
        LUNG: ("rival", "lena", "south"),
    }
    ids = {federation: tuple(key(name).id for name in names) for federation, names in people.items()}
    return {
        HEART: (
            *ids[HEART],
            town.runs["ann"],
            town.runs["open"],
            "plan-of-heart",
            "west",
            "olga",
            "audrey",
            heart,
            HEART,
        ),
        LUNG: (
            *ids[LUNG],
            town.runs["lena"],
            town.runs["secret"],
            "plan-of-lung",
            "south",
            "lena",
            LINE,
            lung,
            LUNG,
        ),
    }


def askers(town: Town) -> dict[str, Asker]:
    words = hidden(town)
    whole = tuple(word for word in (*words[HEART], *words[LUNG]) if not word.startswith("k-"))
    return {
        **{role: Asker(name, words[LUNG]) for role, name in PEOPLE.items()},
        "scientist of lung": Asker("lena", words[HEART]),
        "administrator of lung": Asker("rival", words[HEART]),
        "stranger": Asker("stranger", (*words[HEART], *words[LUNG]), known=False),
        "nobody": Asker("", (*words[HEART], *words[LUNG]), known=False),
        "operator": Asker("operator", whole, whole=("/v1/audit/export",)),
    }


def ask_everything(town: Town, proxy: Proxy, folder: Path, *, examples: int, timeout: int = 280) -> None:
    """Have schemathesis ask through the proxy."""
    runs = [town.runs["ann"], town.runs["lena"], town.runs["open"], town.runs["secret"]]
    digests = [town.keep("ann", HEART, OF_HEART), town.keep("lena", LUNG, OF_LUNG)]
    asked = folder / "openapi.json"
    whole = json.loads(town.ask("", "GET", "/openapi.json").body)
    asked.write_text(json.dumps(narrowed(whole, runs=runs, spare=[town.runs["spare"]], digests=digests)))
    with proxy.open() as url:
        ask_at_random(str(asked), url, folder=folder, examples=examples, seed=7, timeout=timeout)


@pytest.mark.timeout(300)
def test_everybody_asks_everything_and_sees_what_is_theirs(
    town: Town, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = Proxy(town, list(askers(town).values()))
    with caplog.at_level(logging.ERROR):
        ask_everything(town, proxy, tmp_path, examples=8)
    assert not proxy.wrong, "\n".join(proxy.wrong[:10])
    assert not caplog.records, caplog.text
    count = Counter(name for name, *_ in proxy.asked)
    assert len(count) == len(proxy.askers)
    assert min(count.values()) > 15, count
    assert town.ask("ann", "GET", f"/v1/runs/{town.runs['open']}").status == 200


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "role", [*PEOPLE, "scientist of lung", "administrator of lung", "operator", "stranger", "nobody"]
)
def test_each_asks_everything_many_times(
    town: Town, tmp_path: Path, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = Proxy(town, [askers(town)[role]])
    with caplog.at_level(logging.ERROR):
        ask_everything(town, proxy, tmp_path, examples=25, timeout=850)
    assert not proxy.wrong, "\n".join(proxy.wrong[:10])
    assert not caplog.records, caplog.text


# -- the document -------------------------------------------------------------------------------------------------------------

DOCUMENT = document(ROUTES, __version__)
OPERATIONS = [(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations]


def operation(path: str, method: str) -> Any:
    return DOCUMENT["paths"][path][method]


def test_the_document_says_how_requests_are_signed() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    headers = {each["name"] for each in schemes.values() if each.get("in") == "header"}
    assert headers == {"Signature", "Signature-Input", "Atoll-Audience"}
    together = [set(way) for way in DOCUMENT["security"]]
    assert together == [{"token"}, {"signature", "signature-input", "audience"}]
    assert {name for way in together for name in way} == set(schemes)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.permission is ANYONE], ids=lambda r: r.path)
def test_what_anyone_may_ask_needs_no_signature(route: Any) -> None:
    assert {} in operation(route.path, route.method.lower())["security"]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_needs_a_signature_may_be_refused_for_want_of_one(path: str, method: str) -> None:
    found = operation(path, method)
    if found.get("security") == []:
        return
    assert {"401", "403", "429"} <= set(found["responses"])


def test_every_route_stands_in_the_document() -> None:
    assert {(r.path, r.method.lower()) for r in ROUTES} <= set(OPERATIONS)
    for role in Role:
        assert role in json.dumps(DOCUMENT["components"]["schemas"]["Role"])
