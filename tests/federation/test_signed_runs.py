"""Runs between those who know each other by keys; and a coordinator in which somebody sits who changes what it was told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import msgspec
import pytest
from federation_world import Place, free_port, write_app
from msgspec.structs import replace

from atoll.identity import Key, RunOrder, Signed, check, sign
from atoll.journal import Created, decode, encode

BEGIN = ("run", "--detach", "--name", "long", "--set", "rounds=40", "--set", "pause=0.05")


class Town:
    """A coordinator that is reached by others, its administrator logged in, and one node that has joined; with a host, or
    its own."""

    def __init__(self, place: Place, *, host: bool = False) -> None:
        self.place, self.port, self.host = place, free_port(), host
        self.home = place.folder / "coordinator"
        self.start()
        link = (self.home / "first-administrator").read_text().strip()
        place.well("login", link)
        site = place.well("invite", "node", "site-a", "--federation", "default", "--json").document["link"]
        place.well("node", "join", site, "--home", str(place.folder / "site"))
        place.daemon("node", "start", "--home", str(place.folder / "site"))
        self.app = write_app(place.folder / "app")
        if host:
            link = place.well("invite", "host", "big", "--federation", "default", "--json").document["link"]
            place.well("host", "join", link, "--home", str(place.folder / "big"))
            place.daemon("host", "start", "--home", str(place.folder / "big"))

    def start(self) -> None:
        """Begin, or begin again."""
        url = f"http://127.0.0.1:{self.port}"
        words = ["--home", str(self.home), "--port", self.port, "--public-url", url]
        words += ["--no-host"] if self.host else []
        self.place.daemon("coordinator", "start", *words)
        self.process = self.place._daemons[-1]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def rewrite(self, change: Callable[[Created], Created]) -> None:
        """Change what the coordinator remembers of the long run, as whoever has taken it over can."""
        with sqlite3.connect(self.home / "journal.db") as database:
            rows = database.execute("SELECT run, body FROM events WHERE seq = 1").fetchall()
            for id, created in ((id, decode(body)) for id, body in rows):
                assert isinstance(created, Created)
                if created.name == "long":
                    changed = encode(change(created))
                    database.execute("UPDATE events SET body = ? WHERE run = ? AND seq = 1", (changed, id))

    def refusals(self) -> list[str]:
        """What the node has told its owner."""
        return re.findall(r"refused run \S+ of default: rule (\S+): ", self.place.logs())


@pytest.fixture
def town(place: Place) -> Town:
    return Town(place)


def test_a_run_that_its_user_signed_goes_on_over_a_restart_of_the_coordinator(town: Town):
    town.place.well("run", "--check", inside=town.app)
    town.place.well(*BEGIN, inside=town.app)
    town.end()
    town.start()
    town.place.well("log", "long", "--follow")
    assert town.place.well("show", "long", "--json").document["status"] == "finished"
    assert town.refusals() == []


def _other_config(town: Town, created: Created) -> Created:
    return replace(created, config={**created.config, "size": 4})


def _own_order(town: Town, created: Created) -> Created:
    """What the coordinator's own key has signed."""
    key = Key.load(town.home / "key.pem")
    old = created.settings["order"]
    said = check(Signed(old["kind"], old["body"], old["by"], old["signature"]), RunOrder)
    return replace(created, settings={**created.settings, "order": msgspec.to_builtins(sign(said, key))})


def _no_order(town: Town, created: Created) -> Created:
    return replace(created, settings={k: v for k, v in created.settings.items() if k != "order"})


@pytest.mark.parametrize(
    ("rule", "change"), [("settings", _other_config), ("signer", _own_order), ("order", _no_order)]
)
def test_a_coordinator_that_was_taken_over_has_nothing_done_that_nobody_signed(
    town: Town, rule: str, change: Callable[[Town, Created], Created]
):
    town.place.well(*BEGIN, inside=town.app)
    town.end()
    town.rewrite(lambda created: change(town, created))
    town.start()
    town.place("log", "long", "--follow")
    told = town.place.well("show", "long", "--json").document
    assert told["status"] == "failed"
    assert f"rule {rule}: " in told["reason"]["message"]
    assert town.refusals() == [rule]


def test_a_host_of_its_own_runs_what_was_signed_and_nothing_else(place: Place):
    town = Town(place, host=True)
    place.well("run", "--name", "good", "--set", "rounds=2", inside=town.app)
    place.well(*BEGIN, inside=town.app)
    place.well("stop", "long")
    town.end()
    town.rewrite(lambda created: _no_order(town, created))
    town.start()
    assert "rule order: " in place("resume", "long").err
    reason = place.well("show", "long", "--json").document["reason"]
    assert reason["code"] == "run.refused"
    assert town.refusals() == ["order"]  # the host's own word: it didn't come to the node
