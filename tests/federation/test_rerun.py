"""Runs that are run again and compared, simulated and on a federation of real processes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from federation_world import Place, same


@pytest.fixture(scope="module")
def far(local: Place) -> Path:
    """An app with a run on the federation: `far`."""
    app = shutil.copytree(local.app("numpy"), local.folder / "again")
    local.well("run", "--on", "local", "--name", "far", "--set", "rounds=2", "--seed", "5", "-q", inside=app)
    return app


def test_a_run_of_a_federation_is_run_again_by_the_same_nodes_to_the_same_model(far, local: Place):
    shutil.rmtree(far)
    local.well("rerun", "far", "--on", "local", "--name", "far-again", "-q")
    assert same(local.model("far", "--on", "local"), local.model("far-again", "--on", "local"))
    found = local.well("diff", "far", "far-again", "--on", "local", "--json").document
    assert (found["same_model"], found["config"], found["seed"]) == (True, {}, [5, 5])
    assert found["data"] == {"sets": 6, "unlike": []}  # each node's, salted with its own secret


@pytest.mark.long
def test_it_is_simulated_as_well_and_both_are_compared(far, local: Place):
    local.well("rerun", "local:far", "--on", "simulation", "--name", "near", "-q")
    found = local.well("diff", "simulation:near", "local:far", "--json").document
    assert found["same_model"]
    assert found["app"][0] == found["app"][1] != ""
    assert found["data"]["sets"] == 0  # a salted fingerprint says nothing to anybody else
    local.well("rerun", "near", "--on", "local", "--name", "back", "--set", "rounds=1", "-q")
    found = local.well("diff", "near", "local:back").out
    assert "config rounds  2  1" in found
    assert "machine: of B nothing is known but" in found


def test_the_card_tells_what_the_nodes_let_it_tell(far, local: Place):
    found = local.well("card", "far", "--on", "local", "--json").document
    assert found["federation"] == "default"
    assert {h["fingerprint"].partition(":")[0] for h in found["data"]} == {"salted-whole"}
    assert sorted({h["node"] for h in found["data"]}) == ["node-0", "node-1", "node-2"]
    assert sum(h["rows"] for h in found["data"] if h["name"] == "train") == 1438
    assert found["sites"]["node-1"]["numpy"]


@pytest.mark.long
def test_an_app_is_made_of_a_run_of_a_federation(far, local: Place):
    found = local.well("new", "mine", "--from", "local:far", "--json").document
    assert "mine/server.py" in found["files"]
    assert local("rerun", "nothing", "--on", "local").code == 3
