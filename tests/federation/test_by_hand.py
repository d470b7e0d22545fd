"""What an administrator and site owners start by hand, each site with files of its own."""

from pathlib import Path

import numpy as np
import pytest
from federation_world import Place, free_port, same, write_app

from atoll.data import Dirichlet, samples, split

pytest.importorskip("sklearn")

NODES = 3


def parts(folder: Path, seed: int) -> None:
    """Each simulated node's data, as files."""
    dealt = split(samples.digits(), Dirichlet("label", alpha=0.5), NODES, seed)
    for number in range(NODES):
        for name, rows in dealt.node(number).items():
            columns = {c: np.asarray(rows[c]) for c in ("image", "label")}
            np.savez(folder / f"{name}-{number}.npz", **columns)


def test_nodes_with_their_own_files_train_what_the_simulation_trains(place: Place):
    app = place.app("numpy")
    parts(place.folder, seed=3)
    url = place.daemon("coordinator", "start", "--port", free_port(), "--no-host")["url"]
    place.daemon("host", "start", "--coordinator", str(url))
    for n in range(NODES):
        data = [
            word for name in ("train", "test") for word in ("--data", f"{name}={place.folder}/{name}-{n}.npz")
        ]
        place.daemon(
            "node", "start", "--coordinator", str(url), "--name", f"node-{n}", *data, "--config", f"beds={n}"
        )
    place.well("context", "add", "sites", str(url))
    place.well("run", "--on", "sites", "--check", inside=app)
    settings = ["--set", "rounds=2", "--seed", "3"]
    place.well("run", "--on", "sites", "--name", "real", *settings, inside=app)
    place.well("run", "--nodes", str(NODES), "--name", "simulated", *settings, inside=app)
    assert same(place.model("real", "--on", "sites"), place.model("simulated"))


def test_a_node_without_the_data_is_found_by_the_check(place: Place):
    app = write_app(place.folder / "app")
    (app / "tiny" / "client.py").write_text("import no_such_package\n")
    url = place.daemon("coordinator", "start", "--port", free_port())["url"]
    place.daemon("node", "start", "--coordinator", str(url), "--name", "poor")
    place.well("context", "add", "sites", str(url), "--use")
    said = place("run", "--check", inside=app)
    assert said.code == 5
    assert "no_such_package" in said.out


def test_a_backup_is_the_coordinator_again(place: Place):
    app = write_app(place.folder / "app")
    url = str(place.daemon("coordinator", "start", "--port", free_port())["url"])
    place.daemon("node", "start", "--coordinator", url, "--name", "node-0")
    place.well("context", "add", "sites", url)
    place.well("run", "--on", "sites", "--name", "kept", inside=app)
    backup, again = place.folder / "backup.tar", place.folder / "again"
    place.well("coordinator", "backup", "-o", str(backup))
    assert (
        place.well("coordinator", "restore", str(backup), "--home", str(again), "--json").document["runs"]
        == 1
    )
    assert place("coordinator", "restore", str(backup), "--home", str(again)).code != 0
    there = str(place.daemon("coordinator", "start", "--port", free_port(), "--home", str(again))["url"])
    place.well("context", "add", "copy", there, "--token-file", str(again / "token"))
    assert same(place.model("kept", "--on", "sites"), place.model("kept", "--on", "copy"))
