"""A coordinator with TLS of its own making, and people and sites who come to it with nothing but a line that they were given."""

from __future__ import annotations

import json
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from federation_world import Place, Said, free_port, write_app
from typist import CLOCK, typed

from atoll.identity import Key


class Town:
    """A coordinator; each person has contexts and runs of their own. Time goes by when it is told to, too.

    `way`: a port at which others reach it, if that isn't its own.
    """

    def __init__(self, place: Place, *, port: str = "", way: int = 0, **settings: object) -> None:
        self.place, self.home, self.port = place, place.folder / "coordinator", port or free_port()
        self._later = place.folder / "later"
        self.clock = {
            "PYTHONPATH": f"{CLOCK}:{place.environment['PYTHONPATH']}",
            "ATOLL_TEST_LATER": str(self._later),
        }
        self.url = f"https://127.0.0.1:{way or self.port}"
        if settings:
            self._serve(
                {
                    "home": str(self.home),
                    "port": int(self.port),
                    "tls": True,
                    "public_url": self.url,
                    **settings,
                }
            )
            self.first = (self.home / "first-administrator").read_text().strip()
        else:
            self.first = self.start()
        self.well("root", "login", self.first)

    def start(self) -> str:
        """Begin, or begin again; the first administrator's link, if nobody has taken it up."""
        words = ("--port", self.port, "--tls", "--public-url", self.url, "--home", str(self.home))
        return str(self.place.daemon("coordinator", "start", *words, env=self.clock)["link"])

    def end(self) -> None:
        """Let it end; it may begin again."""
        stop(self.place._daemons.pop())

    def _serve(self, settings: dict[str, object]) -> None:
        path = self.place.folder / "settings.json"
        path.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "atoll.service.coordinator", str(path)]
        with (self.place.folder / "daemon-c.log").open("w") as log:
            child = subprocess.Popen(
                command,
                env={**self.place.environment, **self.clock},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.place._daemons.append(child)  # type: ignore[arg-type]
        until = time.monotonic() + 30
        while not (self.home / "address").exists():
            assert child.poll() is None, self.place.logs()
            assert time.monotonic() < until
            select.select([], [], [], 0.01)

    def begin(self, who: str, *words: str, inside: Path | None = None) -> subprocess.Popen[str]:
        return self.place.start(*words, env=self.theirs(who), inside=inside)

    def theirs(self, who: str) -> dict[str, str]:
        """What is not as it is everywhere here, for a person."""
        return {
            **self.clock,
            "ATOLL_CONFIG": str(self.place.folder / who),
            "ATOLL_HOME": str(self.place.folder / f"{who}-home"),
        }

    def __call__(self, who: str, *words: str, inside: Path | None = None) -> Said:
        env = {**self.place.environment, **self.theirs(who)}
        return Said(*typed(words, env, inside or self.place.folder, timeout=100))

    def well(self, who: str, *words: str, inside: Path | None = None) -> Said:
        said = self(who, *words, inside=inside)
        assert said.code == 0, f"{words}\n{said.out}\n{said.err}\n{self.place.logs()}"
        return said

    def invited(self, *words: str) -> list[str]:
        """The words that somebody pastes."""
        return shlex.split(self.well("root", "invite", *words, "--json").document["command"])[1:]

    def joined(self, name: str) -> Path:
        """A node that was invited, and has joined; its home."""
        home = self.place.folder / name
        self.well(name, *self.invited("node", name), "--home", str(home), "--data", "simulated")
        return home

    def started(self, home: Path) -> subprocess.Popen[str]:
        """A node that runs, and that the coordinator knows."""
        node = self.begin(home.name, "node", "start", "--home", str(home), "--json")
        assert node.stdout is not None
        assert node.stdout.readline(), node.stderr.read() if node.stderr else ""
        return node

    def later(self, seconds: float) -> None:
        """So much time has gone by, for everybody here."""
        before = float(self._later.read_text()) if self._later.exists() else 0.0
        (new := self._later.with_suffix(".new")).write_text(str(before + seconds))
        new.replace(self._later)

    def expires(self, name: str) -> float:
        """When a member's credential ends."""
        users = self.well("root", "user", "ls", "--all", "--json").document["users"]
        return next(float(u["expires"]) for u in users if u["name"] == name)

    def status(self, name: str) -> str:
        nodes = self.well("root", "node", "ls", "--json").document["nodes"]
        return next((str(n["status"]) for n in nodes if n["name"] == name), "")


def ended(node: subprocess.Popen[str]) -> str:
    """What a node said as it ended by itself."""
    _, err = node.communicate(timeout=30)
    assert node.returncode == 1, err
    return err


def stop(node: subprocess.Popen[str]) -> None:
    node.terminate()
    node.communicate(timeout=30)


@pytest.fixture
def town(place: Place) -> Town:
    return Town(place)


def test_two_sites_and_a_scientist_come_by_what_they_were_given_and_a_run_is_done(town: Town):
    nodes = [town.started(town.joined(name)) for name in ("site-a", "site-b")]
    town.well("ada", *town.invited("user", "ada", "--role", "scientist"))
    app = write_app(town.place.folder / "tiny")
    run = town.well("ada", "run", "--set", "rounds=2", "--json", inside=app).document
    assert (run["status"], len(run["rounds"])) == ("finished", 2)
    assert {m["name"] for m in town.well("ada", "whoami", "--json").document["memberships"]} == {"ada"}
    assert town("ada", "invite", "node", "site-c").code == 1  # a scientist lets nobody in
    for node in nodes:
        stop(node)


def test_a_revoked_node_ends_at_once_though_it_was_waiting(town: Town):
    home = town.joined("site-a")
    node, begun = town.started(home), time.monotonic()
    town.well("root", "node", "revoke", "site-a", "--why", "its disk was stolen")
    assert "nobody here has the key" in ended(node)
    assert time.monotonic() - begun < 15  # its poll would have waited for longer
    again = town("site-a", "node", "start", "--home", str(home))
    assert (again.code, "ask an administrator for an invitation" in again.err) == (1, True)


def test_a_node_goes_on_with_a_new_key_and_the_old_one_is_nobodys(town: Town):
    home = town.joined("site-a")
    stop(town.started(home))
    old = Key.load(home / "key.pem")
    town.well("site-a", "node", "rotate", "--home", str(home))
    assert Key.load(home / "key.pem").id != old.id
    node = town.started(home)
    assert town.status("site-a") == "here"
    stop(node)
    (home / "key.pem").unlink()
    old.save(home / "key.pem")
    assert "nobody here has the key" in town("site-a", "node", "start", "--home", str(home)).err


def test_an_invitation_that_is_over_lets_nobody_in_and_one_that_was_answered_into_the_void_does(town: Town):
    late = town.well("root", "invite", "node", "site-a", "--ttl", "1m", "--json").document
    asked = town.well("root", "invite", "node", "site-b", "--ttl", "2m", "--json").document
    words = (*shlex.split(asked["command"])[1:], "--home", str(town.place.folder / "b"))
    first = town.well("site-b", *words).out
    (town.place.folder / "b" / "coordinator.json").unlink()  # as if it had been killed before it heard
    town.later(asked["expires"] - time.time() + 1.5)
    said = town("site-a", *shlex.split(late["command"])[1:], "--home", str(town.place.folder / "a"))
    assert (said.code, "ask for a new one" in said.err) == (1, True)
    assert town.well("site-b", *words).out == first


def test_a_new_authority_is_taken_when_the_coordinators_key_vouches_for_it_and_a_link_names_the_old_one_alone(
    town: Town,
):
    home, words = town.joined("site-a"), town.invited("user", "ada", "--role", "scientist")
    node = town.started(home)
    town.end()
    for name in ("ca.pem", "ca-key.pem", "server.pem", "server-key.pem"):
        (town.home / "tls" / name).unlink()
    town.start()
    until = time.monotonic() + 40
    while town.status("site-a") != "here":  # it has found out by itself, as has whoever asks
        assert time.monotonic() < until
    stop(node)
    said = town("ada", *words)
    assert (said.code, "another authority than the one that was named" in said.err) == (1, True)
    town.well("ada", *town.invited("user", "ada", "--role", "scientist"))


def test_an_authority_for_which_another_key_vouches_is_not_taken(town: Town):
    town.end()
    for path in (*(town.home / "tls").iterdir(), *town.home.glob("audit*"), town.home / "key.pem"):
        path.unlink()
    town.start()
    said = town("root", "whoami")
    assert (said.code, "is not to be trusted" in said.err) == (1, True)


def test_a_credential_renews_itself_while_a_node_runs_and_has_to_be_approved_after_it_was_away(place: Place):
    lifetime = 8.0
    town = Town(place, machine_lifetime=lifetime)
    home = town.joined("site-a")
    node, begun = town.started(home), time.time()
    until = time.monotonic() + 60
    while town.expires("site-a") < begun + lifetime + 1:  # until it was renewed, not only at its start
        assert time.monotonic() < until
        select.select([], [], [], 0.05)
    town.later(begun + lifetime - time.time() + 0.2)  # more than the life of what it began with
    assert town.status("site-a") == "here"
    assert town.well("site-a", "node", "rotate", "--home", str(home), "--json").document["name"] == "site-a"
    stop(node)
    town.later(lifetime + 0.5)
    node = town.begin("site-a", "node", "start", "--home", str(home), "--json")
    assert node.stderr is not None
    assert node.stdout is not None
    told = node.stderr.readline()
    assert "atoll node approve site-a" in told + node.stderr.readline()
    town.well("root", "node", "approve", "site-a")
    assert json.loads(node.stdout.read())["name"] == "site-a"
    assert town.status("site-a") == "here"
    stop(node)
