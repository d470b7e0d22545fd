"""The commands of identity, typed by several people at one coordinator: what each says, and which command it names next."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import atoll
from atoll.identity import Key

sys.path.append(str(Path(__file__).parents[1] / "federation"))

from typist import typed


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Town:
    """A coordinator on loopback that knows its people by their keys; each has contexts and a machine of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "coordinator"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        self.first = (self.home / "first-administrator").read_text().strip()

    def start(self, failpoint: str = "") -> None:
        """Begin, or begin again; `failpoint`: where it is to be killed."""
        settings = {"home": str(self.home), "port": self.port, "embedded_host": False, "public_url": self.url}
        path = self.folder / "settings.json"
        path.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "atoll.service.coordinator", str(path)]
        self.log = (self.folder / "log").open("a")
        env = {**os.environ, "ATOLL_FAILPOINT": failpoint}
        (self.home / "address").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        until = time.monotonic() + 30
        while not (self.home / "address").exists():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until
            select.select([], [], [], 0.01)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def config(self, who: str) -> Path:
        return self.folder / who / "config"

    def theirs(self, who: str) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if n not in ("ATOLL_CONTEXT", "ATOLL_TOKEN")}
        return {**kept, "ATOLL_HOME": str(self.folder / who / "home"), "ATOLL_CONFIG": str(self.config(who)),
                "PYTHONPATH": str(Path(atoll.__file__).parents[1])}  # fmt: skip

    def begin(self, who: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "atoll", *words], env=self.theirs(who), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def __call__(self, who: str, *words: str) -> Said:
        return Said(*typed(words, self.theirs(who), Path.cwd(), timeout=60))

    def well(self, who: str, *words: str) -> Said:
        said = self(who, *words)
        assert said.code == 0, f"{words}\n{said.out}\n{said.err}"
        return said

    def user(self, name: str, role: str = "scientist") -> Said:
        """Invite somebody, who logs in with the line that was printed."""
        return self.well(name, *pasted(self.well("root", "invite", "user", name, "--role", role).out))

    def node(self, name: str, *options: str) -> Path:
        """Invite a node, which joins; its home."""
        home = self.folder / name
        words = pasted(self.well("root", "invite", "node", name, *options).out)
        self.well(name, *words, "--home", str(home))
        return home


def pasted(text: str) -> list[str]:
    """The words of the one line that is to be pasted."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    atoll ")]
    assert len(lines) == 1, text
    return shlex.split(lines[0])[1:]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        town.well("root", "login", town.first)
        yield town
    finally:
        town.close()


def test_the_first_administrator_hears_that_they_are_the_root_and_whom_to_invite(town: Town):
    said = town.well("root", "login", town.first)  # again: as if the first answer was lost
    assert "you are the root of default" in said.out
    assert "atoll invite node NAME" in said.out
    assert town.well("root", "whoami").out.startswith("root  k-")
    taken = town("thief", "login", town.first)
    assert (taken.code, "somebody has taken it up" in taken.err) == (3, True)


def test_an_invited_user_pastes_one_line_and_is_known(town: Town):
    assert "run there    atoll run" in town.user("ada@example.org").out
    me = town.well("ada@example.org", "whoami", "--json").document
    assert (me["name"], me["memberships"][0]["roles"]) == ("ada@example.org", ["scientist"])
    key = next(town.config("ada@example.org").glob("keys/*.pem"))
    assert key.stat().st_mode & 0o777 == 0o600
    assert Key.load(key).id == me["id"]


def test_a_link_is_good_once_and_says_so(town: Town):
    words = pasted(town.well("root", "invite", "user", "ben", "--role", "auditor").out)
    town.well("ben", *words)
    refused = town("thief", *words)
    assert (refused.code, "another key has taken this invitation up" in refused.err) == (1, True)
    assert "ask whoever invited you for a new one" in refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("login", "atoll://nonsense"), "copy all of it, between quotes"),
        (("invite", "user", "carl"), "--role ROLE"),
        (("invite", "node", "n", "--role", "scientist"), "leave --role out"),
        (("invite", "node", "n", "--ttl", "soon"), "--ttl 15m"),
        (("invite", "node", "n", "--federation", "nowhere"), "atoll login LINK"),
        (("node", "revoke", "nobody"), "atoll user ls --all"),
        (("user", "approve", "ABCD-2345", "--role", "scientist"), "atoll login URL"),
        (("user", "approve", "ABCD-2345"), "--role scientist"),
        (("user", "grant", "nobody", "auditor"), "no user called nobody"),
    ],
)
def test_what_cant_be_done_names_what_can(town: Town, words: tuple[str, ...], told: str):
    said = town("root", *words)
    assert said.code in (1, 2, 3), said
    assert told in said.err


def test_a_machines_link_names_its_command_to_a_user_and_the_other_way_round(town: Town):
    link = town.well("root", "invite", "node", "n1", "--json").document["link"]
    assert "atoll node join LINK" in town("dora", "login", link).err
    link = town.well("root", "invite", "user", "dora", "--role", "scientist", "--json").document["link"]
    assert "atoll login LINK" in town("dora", "node", "join", link).err


def test_a_node_that_joins_keeps_what_it_needs_and_is_told_how_to_start(town: Town):
    link = town.well("root", "invite", "node", "north", "--json").document
    assert link["command"] == f"atoll node join '{link['link']}'"
    home, data = town.folder / "north", town.folder / "d.csv"
    data.write_text("x\n1\n")
    words = ("node", "join", link["link"], "--home", str(home), "--data", f"train={data}", "--json")
    first, again = (town.well("north", *words).document for _ in range(2))
    assert first == again
    assert first["command"] == f"atoll node start --home {home}"
    kept = json.loads((home / "coordinator.json").read_text())
    assert (kept["pins"]["default"]["name"], kept["data"]) == ("north", {"train": str(data)})
    assert (home / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_home_belongs_to_one_coordinator(town: Town):
    home = town.node("n2")
    kept = json.loads((home / "coordinator.json").read_text())
    (home / "coordinator.json").write_text(json.dumps({**kept, "audience": "k-" + "a" * 32}))
    link = town.well("root", "invite", "node", "n3", "--json").document["link"]
    said = town("n2", "node", "join", link, "--home", str(home))
    assert (said.code, "--home FOLDER" in said.err) == (2, True)


def test_a_code_lets_somebody_in_while_they_wait(town: Town):
    with town.begin("eve", "login", town.url, "--name", "eve") as login:
        assert login.stdout is not None
        code = re.search(r"[A-Z2-7]{4}-[A-Z2-7]{4}", login.stdout.readline())
        assert code is not None
        assert code[0] in town.well("root", "user", "ls").out
        said = town.well("root", "user", "approve", code[0].lower(), "--role", "scientist")
        assert "eve may join default as scientist" in said.out
        out, err = login.communicate(timeout=30)
    assert (login.returncode, "you are eve in default" in out) == (0, True), err
    assert town.well("eve", "whoami", "--json").document["name"] == "eve"


def test_somebody_who_has_to_be_approved_waits_and_is_let_in(town: Town):
    link = town.well("root", "invite", "node", "n4", "--approve", "--json").document["link"]
    home = town.folder / "n4"
    with town.begin("n4", "node", "join", link, "--home", str(home)) as join:
        assert join.stdout is not None
        told = re.search(r"k-[a-z2-7]{32}", join.stdout.readline())
        assert told is not None
        assert told[0] in town.well("root", "user", "ls", "--all").out
        assert told[0] in town.well("root", "node", "approve", "n4").out
        out, err = join.communicate(timeout=30)
    assert (join.returncode, "n4 has joined default" in out) == (0, True), err


def test_a_revoked_user_is_refused_and_an_invitation_is_taken_back(town: Town):
    town.user("finn")
    assert "finn is off the roster" in town.well("root", "user", "revoke", "finn", "--why", "left").out
    assert town("finn", "whoami").code == 1
    words = pasted(town.well("root", "invite", "user", "gus", "--role", "scientist").out)
    assert "is taken back" in town.well("root", "user", "revoke", "gus").out
    assert "there is no such invitation" in town("gus", *words).err
    again = pasted(town.well("root", "invite", "user", "finn", "--role", "scientist").out)
    assert "was revoked" in town("finn", *again).err
    town.well("finn", *again, "--new-key")


def test_an_administrator_who_was_made_one_invites_and_whom_they_invited_stays_when_they_go(town: Town):
    town.user("hans")
    assert town("hans", "invite", "node", "n5").code == 1
    assert "administrator, scientist" in town.well("root", "user", "grant", "hans", "administrator").out
    words = pasted(town.well("hans", "invite", "user", "ida", "--role", "scientist").out)
    town.well("ida", *words)
    assert "--with-invited" in town.well("root", "user", "revoke", "hans").out
    town.well("ida", "whoami")


def test_a_machine_gets_a_new_key_also_when_the_answer_was_lost(town: Town):
    home = town.node("n6")
    old = Key.load(home / "key.pem")
    said = town.well("n6", "node", "rotate", "--home", str(home), "--json").document
    assert (said["old"], said["id"]) == (old.id, Key.load(home / "key.pem").id)
    # the coordinator has the new key, and this machine doesn't know that it has
    (home / "key.pem").rename(home / "key-next.pem")
    old.save(home / "key.pem")
    again = town.well("n6", "node", "rotate", "--home", str(home), "--json").document
    assert again["id"] == said["id"]
    assert said["id"] in town.well("root", "user", "ls", "--all").out


def test_another_federation_is_its_creators(town: Town):
    said = town.well("root", "federation", "create", "lung")
    assert "atoll invite node NODE --federation lung" in said.out
    link = town.well(
        "root", "invite", "user", "jo", "--role", "auditor", "--federation", "lung", "--json"
    ).document["link"]
    assert "you are jo in lung" in town.well("jo", "login", link).out
    shown = town.well("jo", "user", "ls", "--json").document
    assert ([u["name"] for u in shown["users"]], shown["invited"]) == (["root", "jo"], [])
    assert town("jo", "user", "ls", "--federation", "default").code == 3


def test_a_node_joins_a_second_federation_with_the_key_that_it_has(town: Town):
    home = town.node("n7")
    town("root", "federation", "create", "liver")
    words = pasted(town.well("root", "invite", "node", "liver-seven", "--federation", "liver").out)
    town.well("n7", *words, "--home", str(home))
    kept = json.loads((home / "coordinator.json").read_text())
    assert {f: pin["name"] for f, pin in kept["pins"].items()} == {"default": "n7", "liver": "liver-seven"}
    assert {p.name for p in (home / "rosters").iterdir()} == {"default.json", "liver.json"}


def test_a_user_has_one_key_in_all_federations_of_a_coordinator(town: Town):
    town.user("lou")
    town("root", "federation", "create", "spleen")
    words = pasted(
        town.well("root", "invite", "user", "lou", "--role", "auditor", "--federation", "spleen").out
    )
    town.well("lou", *words)
    assert len(list(town.config("lou").glob("keys/*.pem"))) == 1
    me = town.well("lou", "whoami", "--json").document
    assert {m["federation"]: m["roles"] for m in me["memberships"]} == {
        "default": ["scientist"],
        "spleen": ["auditor"],
    }


def test_a_sites_owner_revokes_its_own_node_and_no_other(town: Town):
    town.user("olga", "site-owner")
    town.node("hers", "--owner", "olga")
    town.node("another")
    assert town("olga", "node", "revoke", "another").code == 1
    assert "hers is off the roster" in town.well("olga", "node", "revoke", "hers").out


def test_somebody_logs_in_with_a_code_to_another_federation(town: Town):
    town("root", "federation", "create", "kidney")
    with town.begin("max", "login", town.url, "--name", "max", "--federation", "kidney") as login:
        assert login.stdout is not None
        lines = [login.stdout.readline() for _ in range(3)]
        words = shlex.split(lines[2])[1:]  # as it is printed
        town.well("root", *words)
        out, err = login.communicate(timeout=30)
    assert (login.returncode, "you are max in kidney" in out) == (0, True), err


def test_with_a_token_one_is_told_to_log_in(tmp_path: Path, town: Town):
    town.well("kim", "context", "add", "there", town.url, "--use")
    said = town("kim", "invite", "node", "n")
    assert (said.code, "atoll login LINK" in said.err) == (2, True)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("before-record", marks=pytest.mark.long),
        "after-record",
        pytest.param("before-audit", marks=pytest.mark.long),
        "after-audit",
    ],
)
def test_a_coordinator_that_is_killed_at_each_step_of_enrolment_burns_nothing(tmp_path: Path, point: str):
    town = Town(tmp_path)
    steps: list[tuple[str, list[str]]] = [("root", ["login", town.first])]
    try:
        for step in range(3):
            who, words = steps[step]
            town.process.terminate()  # not killed: the next start would write what a kill kept out of the log
            town.process.wait()
            town.start(
                f"coordinator.{point}:{2 if 'audit' in point else 1}"
            )  # the first entry is that it has started
            with town.begin(who, *words) as begun:
                town.process.wait(30)
                town.start()
                out, err = begun.communicate(timeout=60)
            assert begun.returncode == 0, f"{words}\n{out}\n{err}"
            if step == 0:
                steps.append(("root", ["invite", "node", "north"]))
            elif step == 1:
                steps.append(("north", [*pasted(out), "--home", str(tmp_path / "north")]))
        names = {u["name"] for u in town.well("root", "user", "ls", "--all", "--json").document["users"]}
        assert names == {"root", "north"}
    finally:
        town.close()
    told = Counter(json.loads(line)["kind"] for line in (town.home / "audit.jsonl").read_text().splitlines())
    assert (told["root-claimed"], told["invited"], told["enrolled"]) == (1, 1, 1)
