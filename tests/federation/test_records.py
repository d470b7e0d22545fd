"""What is written down on a federation of processes, as its people see it; and that no secret is in any of it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from federation_world import Place, write_app
from test_enrolment import Town, stop

from atoll.identity import Key

HEADERS = re.compile(r"authorization:|signature-input:|bearer [\w-]{16}|begin private key", re.IGNORECASE)


@pytest.fixture
def town(place: Place) -> Town:
    return Town(place)


def secrets_of(folder: Path, links: list[str]) -> dict[str, str]:
    """Everything that nobody may be told, as it could be written: seeds of keys and of invitations, tokens."""
    found: dict[str, str] = {}
    for path in folder.rglob("*.pem"):
        if b"BEGIN PRIVATE KEY" in (body := path.read_bytes()):
            middle = "".join(body.decode().splitlines()[1:-1])
            found[f"{path} as PEM"] = middle[:64]
            try:
                seed = Key.load(path).seed
            except Exception:  # a key of TLS is another kind
                continue
            found[f"{path} as hex"] = seed.hex()
            found[f"{path} as base64"] = base64.urlsafe_b64encode(seed).decode().rstrip("=")
            found[f"{path} as plain base64"] = base64.b64encode(seed).decode().rstrip("=")
    for path in folder.rglob("token"):
        found[str(path)] = path.read_text().strip()
    return found | {f"link {n}": link.partition("#")[2] for n, link in enumerate(links)}


def leaks(text: str, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret and secret in text] + HEADERS.findall(text)


def test_no_secret_is_in_any_log_or_in_what_any_command_says(town: Town) -> None:
    said: list[str] = []
    links = [town.first]

    def do(who: str, *words: str, inside: Path | None = None) -> None:
        one = town(who, *words, inside=inside)
        said.append(f"{words[0]} {one.out} {one.err}")

    link = town.well("root", "invite", "user", "ann", "--role", "scientist", "--json").document["link"]
    links.append(link)
    town.well("ann", "login", link)
    home = town.joined("east")
    node = town.started(home)
    app = write_app(town.place.folder / "app")
    do("ann", "run", "--json", "--set", "rounds=2", inside=app)
    do("stranger", "login", link)  # spent
    do("stranger", "login", link[:-3] + "xyz")
    for who in ("ann", "root"):
        for words in (
            ("whoami",), ("ls",), ("show", "@latest"), ("log", "@latest"), ("node", "ls"), ("user", "ls"), ("federation", "ls"),
            ("audit", "show"), ("audit", "verify"), ("usage",), ("federation", "limit", "default"), ("context", "ls"), ("doctor",),
            ("pull", "@latest", "-o", str(town.place.folder / f"{who}.safetensors")),
        ):  # fmt: skip
            do(who, *words)
            do(who, *words, "--json")
    do("root", "audit", "export", "-o", str(town.place.folder / "audit.export"))
    stop(node)
    secrets = secrets_of(town.place.folder, links)
    assert len(secrets) > 12
    for text in [*said, town.place.logs()]:
        assert leaks(text, secrets) == [], text[:500]
    logs = [
        p
        for p in town.place.folder.rglob("*")
        if p.suffix in (".jsonl", ".export", ".log") or p.name == "journal.db"
    ]
    assert {p.name for p in logs} >= {"audit.jsonl", "audit.export"}
    for path in logs:
        assert leaks(path.read_text(errors="replace"), secrets) == [], path


def test_both_sides_logs_bear_each_other_out(town: Town) -> None:
    home = town.joined("east")
    node = town.started(home)
    app = write_app(town.place.folder / "app")
    town.well("root", "run", "--json", "--set", "rounds=2", inside=app)
    export = town.place.folder / "audit.export"
    town.well("root", "audit", "export", "-o", str(export))
    stop(node)
    theirs = town.well(
        "root", "audit", "verify", str(export), "--kept", str(home / "audit.jsonl"), "--json"
    ).document
    assert theirs["fault"] is None
    ours = town.well(
        "east", "audit", "verify", str(home / "audit.jsonl"), "--kept", str(export), "--json"
    ).document
    assert ours["fault"] is None
    accepted = [json.loads(line) for line in export.read_text().splitlines()[1:]]
    came = {row[2] for e in accepted if e["kind"] == "replies-accepted" for row in e["what"]["replies"]}
    sent = {
        json.loads(line)["what"].get("digest") for line in (home / "audit.jsonl").read_text().splitlines()
    }
    assert came
    assert came <= sent
    export.write_text(export.read_text().replace('"run-begun"', '"run-bogus"', 1))
    assert town("root", "audit", "verify", str(export)).code == 1
    assert town("root", "audit", "verify", str(export), "--key", Key.make().id).code == 1
