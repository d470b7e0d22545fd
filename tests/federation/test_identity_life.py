"""What happens to keys while work goes on: new ones, revoked ones, clocks that are off; each with processes that know nothing of it."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from federation_world import Place, free_port, same, write_app
from test_enrolment import Town, ended, stop

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from crossing import DOWN, Fate
from faulty_way import FaultyWay

from atoll import Arrays
from atoll.identity import Key
from atoll.surfaces._audit import verify

SEED = ("--seed", "6")


class Village(Town):
    """A town with two nodes, and an app. `skew`: by how many seconds somebody's clock is off."""

    def __init__(self, place: Place, skew: dict[str, int] | None = None, **settings: object) -> None:
        self.skew = skew or {}
        super().__init__(place, **settings)
        self.app = write_app(place.folder / "tiny")
        self.homes = [self.joined(f"node-{i}") for i in range(2)]
        self.nodes = [self.started(home) for home in self.homes]

    def theirs(self, who: str) -> dict[str, str]:
        return {**super().theirs(who), "ATOLL_TEST_SKEW": str(self.skew.get(who, 0))}

    def run(self, name: str, rounds: int, *words: str) -> None:
        """Begin a run, which goes on."""
        words = ("--detach", "--name", name, "--set", f"rounds={rounds}", "--set", "pause=0.1", *SEED, *words)
        self.well("root", "run", *words, inside=self.app)

    def until(self, name: str, rounds: int) -> None:
        """Wait until so many rounds are done."""
        end = time.monotonic() + 60
        while len(self.shown(name)["rounds"]) < rounds:
            assert time.monotonic() < end, self.place.logs()

    def shown(self, name: str) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = self.well("root", "show", name, "--json").document
        return found

    def model(self, name: str, *words: str) -> Arrays:
        path = self.place.folder / f"{name}.safetensors"
        self.well("root", "pull", name, "-o", str(path), *words)
        return Arrays.load(path)

    def accepted(self, home: Path) -> Counter[tuple[str, str]]:
        """Of whom replies are in the coordinator's audit log, by call."""
        entries = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
        return Counter((n, c) for e in entries for n, c, _ in e["what"].get("replies", ()))


@pytest.fixture
def village(place: Place) -> Iterator[Village]:
    village = Village(place)
    yield village
    for node in village.nodes:
        if node.poll() is None:
            stop(node)


def simulated(village: Village, rounds: int) -> Arrays:
    words = ("--on", "simulation", "--nodes", "2", "--name", "simulated", "--set", f"rounds={rounds}")
    village.well("root", "run", *words, *SEED, inside=village.app)
    return village.model("simulated", "--on", "simulation")


def test_a_node_takes_a_new_key_while_a_run_goes_on_and_nothing_is_lost(village: Village):
    home, rounds = village.homes[1], 24
    old = Key.load(home / "key.pem").id
    village.run("long", rounds)
    village.until("long", 2)
    village.well("node-1", "node", "rotate", "--home", str(home))
    assert len(village.shown("long")["rounds"]) < rounds, "the run was over too soon"
    village.well("root", "log", "long", "--follow")
    shown = village.shown("long")
    assert (shown["status"], shown["failures"]) == ("finished", [])
    assert same(village.model("long"), simulated(village, rounds))
    assert Key.load(home / "key.pem").id != old
    assert village.nodes[1].poll() is None, "it went on by itself"

    stop(village.nodes[1])
    village.end()
    told = village.accepted(village.home)
    assert len(told) == 2 * rounds
    assert set(told.values()) == {1}
    for log in (village.home, *village.homes):
        assert verify(log / "audit.jsonl").verdict.fault is None


def test_a_run_goes_on_without_a_node_that_is_revoked(village: Village):
    village.run("long", 20)
    village.until("long", 2)
    begun = time.monotonic()
    village.well("root", "node", "revoke", "node-1", "--why", "its disk was stolen")
    assert "nobody here has the key" in ended(village.nodes[1])
    assert time.monotonic() - begun < 15, "its poll would have waited for longer"
    village.well("root", "log", "long", "--follow")
    shown = village.shown("long")
    assert (shown["status"], len(shown["rounds"])) == ("finished", 20)
    assert "node-1" in str(shown["failures"]), shown["failures"]
    assert "node-0" not in str(shown["failures"])
    lines = village.well("root", "log", "long", "--json").document["lines"]
    assert any("node-1 is not on the roster of default any more" in line["message"] for line in lines)


@pytest.mark.parametrize("skew", [{"root": 3600, "node-0": -3600, "node-1": 3600}, {"root": -3600}])
def test_clocks_that_are_an_hour_off_keep_nobody_out(skew: dict[str, int], place: Place):
    village = Village(place, skew)
    village.run("long", 4)
    village.well("root", "log", "long", "--follow")
    shown = village.shown("long")
    assert (shown["status"], shown["failures"]) == ("finished", [])
    assert same(village.model("long"), simulated(village, 4))
    for node in village.nodes:
        stop(node)


def test_a_node_waits_while_somebody_else_answers_in_the_coordinators_place(place: Place):
    own, others = free_port(), free_port()
    with FaultyWay(int(own), http=False) as way:
        town = Town(place, port=own, way=way.port)
        node = town.started(town.joined("site-a"))
        words = ("--port", others, "--tls", "--public-url", town.url, "--home", str(place.folder / "other"))
        place.daemon("coordinator", "start", *words)
        way.target = int(others)
        way.break_all()
        assert node.stderr is not None
        said = next(line for line in iter(node.stderr.readline, "") if "is not to be trusted" in line)
        assert "it may be somebody else; ask its administrator" in said
        told = town("root", "node", "ls")
        assert (told.code, "it may be somebody else" in told.err) == (1, True), told.err
        way.target = int(own)
        way.break_all()
        assert next(line for line in iter(node.stderr.readline, "") if "the coordinator is back" in line)
        assert town.status("site-a") == "here"
        stop(node)


class Lost:
    """The answers to the first request of each kind are lost; what was asked is done."""

    def __init__(self, *paths: str) -> None:
        self.left = list(paths)

    def __call__(self, target: str) -> Fate | None:
        for path in self.left:
            if path in target:
                self.left.remove(path)
                return Fate("reset", DOWN, 1)
        return None


def test_an_answer_that_is_lost_at_any_step_of_enrolment_uses_nothing_up(place: Place):
    inner = free_port()
    with FaultyWay(int(inner)) as bad:
        url, home = f"http://127.0.0.1:{bad.port}", place.folder / "coordinator"
        words = ("--port", inner, "--public-url", url, "--home", str(home))
        link = place.daemon("coordinator", "start", *words)["link"]
        lost = bad.choose = Lost("/v1/roots", "/invitations", "/v1/enrol", "/roster", "/v1/me/renew", "/v1/me/rotation", "/approvals",
                                 "/revocations")  # fmt: skip
        place.well("login", link)
        site = place.well("invite", "node", "site-a", "--json").document["link"]
        folder = place.folder / "site"
        place.well("node", "join", site, "--home", str(folder))
        place.daemon("node", "start", "--home", str(folder))
        old = Key.load(folder / "key.pem").id
        place.well("node", "rotate", "--home", str(folder))
        assert Key.load(folder / "key.pem").id != old
        here = place.well("node", "ls", "--json").document["nodes"]
        assert [n["name"] for n in here] == ["site-a"]
        place.well("node", "approve", "site-a")
        place.well("node", "revoke", "site-a")
        assert lost.left == []
        ends = [process.wait(30) for process in place._daemons[1:]]
        assert ends == [1], "it was revoked"
        del place._daemons[1:]
    entries = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    kinds = Counter(entry["kind"] for entry in entries)
    once = ("root-claimed", "enrolled", "key-rotated", "invited", "approved", "revoked")
    assert {kind: kinds[kind] for kind in once} == dict.fromkeys(once, 1)
