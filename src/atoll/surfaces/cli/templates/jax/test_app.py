"""The app does what its README says."""

from pathlib import Path

import atoll
from atoll.app import read_project

from __package__ import client, data, server

PROJECT = read_project(Path(__file__).parent)


def simulated(**config: object) -> atoll.History:
    """A run of the project as it stands, with some of its config changed."""
    return atoll.simulate(
        server.app,
        client.app,
        data=data.load,
        nodes=PROJECT.simulation["nodes"],
        partition=PROJECT.simulation["partition"],
        config={**PROJECT.config, **config},
    )


def test_the_last_round_recognises_90_percent():
    assert simulated().rounds()[-1]["accuracy"] >= 0.9


def test_the_same_seed_gives_the_same_model():
    assert simulated(rounds=1).model == simulated(rounds=1).model
