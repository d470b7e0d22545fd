"""Runs beside each other, and the card of one."""

from __future__ import annotations

import hashlib
import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import atoll
from atoll.algorithms import FedAvg
from atoll.app import Schedule
from atoll.data import Table
from atoll.journal import Created, SqliteJournal
from atoll.surfaces._card import card_of
from atoll.surfaces._card_text import markdown
from atoll.surfaces._compare import compare
from atoll.surfaces._facts import Facts, facts_of
from atoll.surfaces.cli._card import card
from atoll.surfaces.cli._diff import diff
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._rerun import rerun
from atoll.values import ConfigError, NotFound

server, client = atoll.ServerApp(), atoll.ClientApp()


@server.main
def main(fleet, ctx):
    initial = {"weight": np.zeros((4, 3)), "bias": np.zeros(ctx.config.width)}
    schedule = Schedule(fraction=ctx.config.fraction)
    return atoll.fit(FedAvg(), fleet, initial=initial, rounds=ctx.config.rounds, schedule=schedule)


@client.train
def train(model, ctx):
    mean = ctx.data["train"]["x"].mean() + ctx.rng.normal()
    update = {name: array + ctx.config.lr * mean for name, array in model.items()}
    return atoll.Update(update, weight=len(ctx.data["train"]), metrics={"loss": 1.0, "mean": mean})


def data(shift: float = 0.0) -> dict[str, Table]:
    return {"train": Table(x=np.arange(40.0) + shift)}


def simulate(
    home: Path,
    name: str,
    *,
    seed: int = 0,
    nodes: int = 4,
    workers: int = 0,
    shift: float = 0.0,
    **config: Any,
) -> None:
    settings = {"rounds": 3, "lr": 0.5, "width": 3, "fraction": 1.0, **config}
    source = data if not shift else (lambda: data(shift))
    atoll.simulate(
        server,
        client,
        nodes=nodes,
        config=settings,
        seed=seed,
        data=source,
        name=name,
        home=home,
        workers=workers,
    )


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that are only read."""
    home = tmp_path_factory.mktemp("past") / "home"
    simulate(home, "first")
    simulate(home, "again")
    simulate(home, "other", seed=3, lr=0.25, rounds=2, fraction=0.5)
    simulate(home, "wide", width=5)
    simulate(home, "shifted", shift=1.0)
    simulate(home, "more", nodes=5)
    return home


@pytest.fixture
def runs(past: Path, home: Path) -> Iterator[SqliteJournal]:
    shutil.copytree(past, home)
    journal = SqliteJournal(home)
    yield journal
    journal.close()


def facts(runs: SqliteJournal, name: str) -> Facts:
    return facts_of(runs, runs.find(name))


def said(capsys: pytest.CaptureFixture[str], one: str, other: str) -> str:
    capsys.readouterr()
    assert diff(Namespace(run=one, other=other, on=None), Output(as_json=False)) == 0
    return capsys.readouterr().out


def test_the_same_run_twice_is_the_same_in_everything(runs, capsys):
    found = compare(facts(runs, "first"), facts(runs, "again"))
    assert [found[k] for k in ("config", "settings", "versions", "machine")] == [{}, {}, {}, {}]
    assert found["same_model"]
    text = said(capsys, "first", "again")
    assert "begun alike" in text
    assert "cohort: the same in all 3 rounds" in text
    assert "data: the same fingerprints of 4 data sets" in text
    assert "metrics: train_loss, train_mean the same in 3 rounds" in text
    assert "model: the same, to the bit" in text


def test_every_difference_is_told_and_nothing_else(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = said(capsys, "first", "other")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert {"config lr 0.5 0.25", "config rounds 3 2", "config fraction 1 0.5", "seed 0 3"} <= set(lines)
    assert "config width" not in text
    assert "cohort: another one in 2 of 2 rounds, first in round 1" in text
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == [
        "1",
        "2",
    ]  # the rounds that both have
    assert "2 arrays to compare, none the same to the bit" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_distances_are_those_of_the_models(runs):
    a, b = facts(runs, "first"), facts(runs, "other")
    gap = b.history.model["weight"] - a.history.model["weight"]
    found = compare(a, b)["models"]["model"].arrays["weight"]
    assert found.l2 == pytest.approx(np.linalg.norm(gap))
    assert found.largest == pytest.approx(np.abs(gap).max())


def test_other_shapes_data_and_nodes_are_named(runs, capsys):
    assert "bias: float64 (3,) in A, float64 (5,) in B" in said(capsys, "first", "wide")
    assert "4 of 4 data sets differ: train at node-0" in said(capsys, "first", "shifted")
    assert "only B has node-4" in said(capsys, "first", "more")


def test_a_run_that_is_not_there_is_said_to_be_missing(runs, capsys):
    with pytest.raises(NotFound, match="no run `nothing`"):
        said(capsys, "first", "nothing")
    assert "to the bit" in said(capsys, "simulation:first", "again")


def test_a_script_s_run_says_that_its_code_was_not_kept(runs):
    with pytest.raises(ConfigError, match="begun by a script, whose code is not kept") as refused:
        rerun(Namespace(run="first", on=None), Output(as_json=False))
    assert refused.value.code == "run.no-app"


def test_the_card_has_what_it_takes_and_the_digest_of_the_file(runs, tmp_path):
    found = card_of(facts(runs, "other"))
    facts(runs, "other").history.model.save(tmp_path / "model")
    assert (
        found["models"]["model"]["digest"]
        == f"sha256:{hashlib.sha256((tmp_path / 'model').read_bytes()).hexdigest()}"
    )
    assert (found["seed"], found["config"]["lr"], found["nodes"][-1]) == (3, 0.25, "node-3")
    assert {"atoll", "python", "numpy"} <= found["versions"].keys()
    assert {"system", "machine", "blas", "threads"} <= found["machine"].keys()
    first = found["cohorts"][0]
    assert (first["round"], first["action"], first["asked"], first["replied"], first["failed"]) == (
        1,
        "train",
        2,
        2,
        0,
    )
    assert len(first["cohort"]) == 2
    assert {(h["name"], h["rows"], h["fingerprint"][:6]) for h in found["data"]} == {("train", 10, "whole:")}
    json.dumps(found)


def test_the_card_reads_as_a_document(runs):
    text = markdown(card_of(facts(runs, "first")))
    assert text.startswith("# Run first\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Model", "## Config", "## Settings", "## Versions and machine", "## Metrics", "## Cohorts", "## Data", "## To run it again",
    ]  # fmt: skip
    assert "| node-3 | train | 10 | `whole:" in text
    assert "| 3 | train | 4 | 4 | 0 | all |" in text
    assert "Its app was not kept" in text  # of a script


def test_the_card_is_written_by_the_file_s_ending(runs, tmp_path, capsys):
    for name in ("card.md", "card.json"):
        assert card(Namespace(run="first", output=str(tmp_path / name), on=None), Output(as_json=False)) == 0
    assert (tmp_path / "card.md").read_text().startswith("# Run first")
    assert json.loads((tmp_path / "card.json").read_text())["schema"] == "atoll.card/1"
    with pytest.raises(ConfigError, match=r"as \.md or \.json"):
        card(Namespace(run="first", output="card.txt", on=None), Output(as_json=False))


def test_a_run_of_before_there_were_cards_has_one(home):
    old = {
        "time": 1.0,
        "id": "a" * 12,
        "name": "old",
        "app": {"name": "x", "project": "/x"},
        "config": {},
        "seed": 1,
        "nodes": ["n"],
    }
    created = msgspec.msgpack.decode(msgspec.msgpack.encode({"kind": "created", **old}), type=Created)
    journal = SqliteJournal(home)
    journal.create(created)
    text = markdown(card_of(facts(journal, "old")))
    assert "not kept" in text
    assert "Nothing is known of the nodes' data." in text
    assert compare(facts(journal, "old"), facts(journal, "old"))["same_model"] is False
    journal.close()
