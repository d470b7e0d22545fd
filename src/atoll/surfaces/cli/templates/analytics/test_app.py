"""The app does what its README says: the answers are those of the pooled records."""

from pathlib import Path

import atoll
import numpy as np
import pytest
from atoll.app import read_project

from __package__ import client, data, server

PROJECT = read_project(Path(__file__).parent)
COLUMNS = PROJECT.config["columns"]


def simulated(**config: object) -> atoll.Arrays:
    """What the project finds as it stands, with some of its config changed."""
    return atoll.simulate(
        server.app,
        client.app,
        data=data.load,
        nodes=PROJECT.simulation["nodes"],
        partition=PROJECT.simulation["partition"],
        config={**PROJECT.config, **config},
    ).model


def pooled(column: str) -> np.ndarray:
    """The values of all hospitals that have ten of them, in one place."""
    whole = data.load()["patients"]
    there = ~np.isnan(whole[column])
    sites, counts = np.unique(whole["site"][there], return_counts=True)
    told = np.isin(whole["site"], sites[counts >= PROJECT.config["minimum"]])
    return whole[column][there & told].astype(float)


@pytest.mark.parametrize("column", COLUMNS)
def test_means_and_histograms_are_those_of_the_pooled_records(column):
    found, values = simulated(), pooled(column)
    assert found[f"{column}.mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert found[f"{column}.std"] == pytest.approx(values.std(ddof=1), rel=1e-12)
    counts, edges = np.histogram(values, PROJECT.config["bins"])
    assert found[f"{column}.edges"].tolist() == edges.tolist()
    assert found[f"{column}.counts"].tolist() == counts.tolist()


@pytest.mark.parametrize("column", COLUMNS)
def test_quantiles_are_those_of_the_pooled_records_within_the_error(column):
    found, values = simulated(), pooled(column)
    true = np.quantile(values, PROJECT.config["quantiles"])
    assert (abs(found[f"{column}.quantiles"] - true) <= found[f"{column}.error"]).all()
    assert found[f"{column}.error"].max() <= 0.001 * np.ptp(values)


def test_the_same_seed_gives_the_same_model():
    assert simulated() == simulated()
