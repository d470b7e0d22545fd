"""People who log in at an issuer, which is a process of its own, and come into a federation of real processes by it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from federation_world import Place, write_app

sys.path.append(str(Path(__file__).parents[1] / "coordinator"))

from issuer_process import CLIENT, Issuer, issuer
from test_enrolment import Town

from atoll.identity import Key

ADA = "ada@example.org"


@pytest.fixture
def one() -> Iterator[Issuer]:
    with issuer() as found:
        yield found


def opened(place: Place, one: Issuer, **settings: object) -> Town:
    return Town(place, oidc_issuer=one.url, oidc_client=CLIENT, **settings)


@contextlib.contextmanager
def logging_in(town: Town, who: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Somebody who logs in by the coordinator's address."""
    ca = str(town.home / "tls" / "ca.pem")
    with town.begin(who, "login", town.url, "--ca", ca, *words) as process:
        yield process


def shown(process: subprocess.Popen[str], what: str) -> str:
    """What it shows, once it does."""
    assert process.stdout is not None
    for line in process.stdout:
        if what in line:
            return line
    process.wait()
    raise AssertionError(process.stderr.read() if process.stderr else "")


def test_somebody_logs_in_and_is_let_in_by_their_address_and_runs_an_app(place: Place, one: Issuer):
    town = opened(place, one)
    with logging_in(town, "ada") as process:
        assert one.url in shown(process, "log in at")
        assert "WDJB-MJHT" in shown(process, "and type")
        one.people(email=ADA)
        shown(process, "you are logged in there")
        assert town("ada", "whoami").code != 0  # nobody is in by that
        shown(process, "waiting, to join")
        (asks,) = town.well("root", "user", "ls", "--json").document["asking"]
        assert (asks["name"], asks["issuer"]) == (ADA, one.url)
        said = town.well("root", "user", "approve", ADA, "--role", "scientist")
        assert f"{one.url} vouches for {ADA}, who was shown the code {asks['code']}" in said.out
        out, err = process.communicate(timeout=60)
        assert (process.returncode, ADA in out) == (0, True), err
    node = town.started(town.joined("site-a"))
    app = write_app(place.folder / "tiny")
    assert town.well("ada", "run", "--set", "rounds=1", "--json", inside=app).document["status"] == "finished"
    node.terminate()
    node.communicate(timeout=30)


def test_a_credential_that_is_over_is_renewed_by_a_login_and_nobody_else(place: Place, one: Issuer):
    town = opened(place, one, user_lifetime=60.0)
    town.well("ada", *town.invited("user", ADA, "--role", "scientist"))
    (path,) = (place.folder / "ada" / "keys").glob("*[0-9].pem")
    before = Key.load(path).id
    town.later(60.5)
    over = town("ada", "whoami")
    assert (over.code, "log in again: atoll login URL" in over.err) == (1, True), over
    one.people(email=ADA)
    with logging_in(town, "ada") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, f"you are {ADA}" in out) == (0, True), err
    assert town.well("ada", "whoami", "--json").document["id"] == before


def test_an_issuer_that_is_down_is_named_at_once_and_a_code_does_without_it(place: Place, one: Issuer):
    town = opened(place, one)
    one.end()
    begun = time.monotonic()
    with logging_in(town, "ada") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - begun < 30) == (1, True)
    assert one.url.removeprefix("http://") in err
    assert "--code" in err
    with logging_in(town, "ada", "--code", "--name", "ada") as process:
        code = shown(process, "your code is").split()[-1]
        town.well("root", "user", "approve", code, "--role", "scientist")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_a_login_that_is_refused_makes_no_context(place: Place, one: Issuer):
    town = opened(place, one)
    one.people(error="access_denied")
    with logging_in(town, "ada") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "refused at the issuer" in err) == (1, True)
    contexts = place.folder / "ada" / "contexts.json"
    assert not contexts.exists() or json.loads(contexts.read_text())["contexts"] == {}
