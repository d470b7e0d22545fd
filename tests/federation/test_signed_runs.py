"""Runs between those who know each other by keys; and a coordinator in which somebody sits who changes what it was told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import msgspec
from federation_world import Place, free_port, write_app
from msgspec.structs import replace

from atoll.identity import Key, RunOrder, Signed, check, sign
from atoll.journal import Created, decode, encode

LONG = ("--set", "rounds=20", "--set", "pause=0.05")


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

    def begin(self, name: str) -> None:
        """A run that takes a while."""
        self.place.well("run", "--detach", "--name", name, *LONG, inside=self.app)

    def rewrite(self, name: str, change: Callable[[Created], Created]) -> None:
        """Change what the coordinator remembers of a run, as whoever has taken it over can."""
        with sqlite3.connect(self.home / "journal.db") as database:
            rows = database.execute("SELECT run, body FROM events WHERE seq = 1").fetchall()
            for id, created in ((id, decode(body)) for id, body in rows):
                assert isinstance(created, Created)
                if created.name == name:
                    changed = encode(change(created))
                    database.execute("UPDATE events SET body = ? WHERE run = ? AND seq = 1", (changed, id))

    def refusals(self) -> list[str]:
        """What the node, or the host, has told its owner."""
        logs = "".join(path.read_text() for path in self.place.folder.glob("daemon-*.log"))
        return re.findall(r"refused run \S+ of default: rule (\S+): ", logs)


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


CHANGES = {"settings": _other_config, "signer": _own_order, "order": _no_order}


def test_a_coordinator_that_was_taken_over_has_nothing_done_that_nobody_signed_and_goes_on_with_what_was(
    place: Place,
):
    town = Town(place)
    place.well("run", "--check", inside=town.app)
    for name in ("signed", *CHANGES):
        town.begin(name)
    town.end()
    for rule, change in CHANGES.items():
        town.rewrite(rule, lambda created, change=change: change(town, created))
    town.start()
    for rule in CHANGES:
        place("log", rule, "--follow")
        told = place.well("show", rule, "--json").document
        assert told["status"] == "failed"
        assert f"rule {rule}: " in told["reason"]["message"]
    place.well("log", "signed", "--follow")
    told = place.well("show", "signed", "--json").document
    assert (told["status"], len(told["rounds"])) == ("finished", 20)
    assert sorted(town.refusals()) == sorted(CHANGES)


def test_a_host_of_its_own_runs_what_was_signed_and_nothing_else(place: Place):
    town = Town(place, host=True)
    place.well("run", "--name", "good", "--set", "rounds=2", inside=town.app)
    town.begin("long")
    place.well("stop", "long")
    town.end()
    town.rewrite("long", lambda created: _no_order(town, created))
    town.start()
    assert "rule order: " in place("resume", "long").err
    reason = place.well("show", "long", "--json").document["reason"]
    assert reason["code"] == "run.refused"
    assert town.refusals() == ["order"]  # the host's own word: it didn't come to the node
