"""The app does what its README says."""

from pathlib import Path

import atoll
import numpy as np
import pytest
from atoll.app import read_project

from __package__ import client, compare, data, server

FOLDER = Path(__file__).parent
PROJECT = read_project(FOLDER)


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


@pytest.mark.parametrize("model", ["logistic", "net"])
def test_the_last_round_tells_80_percent_rightly(model):
    assert simulated(model=model).rounds()[-1]["accuracy"] >= 0.80


@pytest.mark.parametrize("model", ["logistic", "net"])
def test_the_same_seed_gives_the_same_model(model):
    one, other = (simulated(model=model, rounds=1).model for _ in range(2))
    assert one == other


def test_logistic_regression_together_is_that_of_the_pooled_records():
    everybody = compare.everybody()
    together = compare.trained(everybody, "logistic", nodes=4)
    pooled = compare.trained(everybody, "logistic")
    assert np.allclose(together["weight"], pooled["weight"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", compare.MODELS)
def test_the_table_of_the_readme_is_what_the_app_measures(model):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in readme.splitlines()]
    stated = {
        row[0]: [float(cell.strip(" %")) for cell in row[2:]]
        for row in rows
        if len(row) == 8 and row[1] == compare.MODELS[model]
    }
    measured = compare.table(model)
    assert stated.keys() == measured.keys()
    for who, (*rates, area) in measured.items():
        found = [*(100 * rate for rate in rates), 100 * area]
        said = [*stated[who][:-1], 100 * stated[who][-1]]
        assert np.allclose(found, said, rtol=0, atol=0.5 if model == "logistic" else 2)
