"""XGBoost's models become Arrays and come back to the bit; trees of many models become one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from atoll import Arrays, AtollError
from atoll.frameworks.boosters import BOOSTER, Forest, packed, rounds_of, unpacked

xgboost = pytest.importorskip("xgboost")

from atoll.xgboost import boost, get_arrays, set_arrays  # noqa: E402

EMPTY = packed(b"")
BINARY = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.5}
KINDS = [
    BINARY,
    {"objective": "reg:squarederror", "max_depth": 4, "base_score": 1.5},
    {"objective": "multi:softprob", "num_class": 3, "max_depth": 2},
    {**BINARY, "num_parallel_tree": 3, "subsample": 0.5},
    {**BINARY, "tree_method": "approx", "grow_policy": "lossguide", "max_leaves": 5},
]


def merged(model: bytes, grown: Sequence[tuple[float, bytes]]) -> bytes:
    forest = Forest(model)
    for weight, trees in grown:
        forest.add(weight, trees)
    return forest.finish()


def data(seed: int = 0, *, rows: int = 120, columns: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns))
    x[rng.random(x.shape) < 0.05] = np.nan
    return xgboost.DMatrix(x, (np.nan_to_num(x).sum(axis=1) > 0) + 0.0, nthread=1)


def code_of(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(AtollError) as caught:
        call(*args, **options)
    assert caught.value.mend
    return caught.value.code


def margins(document: bytes, rows: Any) -> Any:
    booster = xgboost.Booster()
    set_arrays(booster, packed(document))
    return booster.predict(rows, output_margin=True)


@pytest.mark.parametrize("params", KINDS, ids=lambda p: str(p)[14:44])
def test_a_booster_comes_back_to_the_bit_and_predicts_the_same(params: Any, tmp_path: Any) -> None:
    rows = data()
    booster = boost(params, rows, EMPTY, rounds=3)
    get_arrays(booster).save(tmp_path / "model.safetensors")
    other = xgboost.Booster()
    set_arrays(other, Arrays.load(tmp_path / "model.safetensors"))
    assert get_arrays(other) == get_arrays(booster)
    assert other.predict(rows).tobytes() == booster.predict(rows).tobytes()


@pytest.mark.parametrize("params", [p for p in KINDS if "subsample" not in p], ids=lambda p: str(p)[14:44])
def test_going_on_from_arrays_is_going_on_without_a_break(params: Any) -> None:
    rows = data()
    whole = boost(params, rows, EMPTY, rounds=5)
    broken = boost(params, rows, get_arrays(boost(params, rows, EMPTY, rounds=2)), rounds=3)
    np.testing.assert_allclose(broken.predict(rows), whole.predict(rows), rtol=1e-5)
    assert broken.num_boosted_rounds() == 5


def test_a_round_samples_other_rows_than_the_one_before() -> None:
    params, rows = {**BINARY, "subsample": 0.3, "eta": 1e-6}, data()
    model = get_arrays(boost(params, rows, EMPTY))
    first, second = (
        json.loads(unpacked(a))["learner"]["gradient_booster"]["model"]["trees"][0]["split_conditions"]
        for a in (model, get_arrays(boost(params, rows, model), since=model))
    )
    assert first[0] != second[0], "next to nothing was learnt, so the same rows would give the same split"


def test_an_estimator_goes_and_comes_as_its_booster_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    fitted = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(x, y)
    other = xgboost.XGBClassifier()
    set_arrays(other, get_arrays(fitted))
    assert (other.predict(x) == fitted.predict(x)).all()
    assert get_arrays(other) == get_arrays(fitted)


def test_a_base_score_is_not_guessed_by_each_site_for_itself() -> None:
    params = {"objective": "reg:squarederror"}
    scores = {
        json.loads(unpacked(get_arrays(boost(params, data(seed), EMPTY))))["learner"]["learner_model_param"]["base_score"]
        for seed in range(3)
    }  # fmt: skip
    assert len(scores) == 1


@pytest.mark.parametrize("params", KINDS, ids=lambda p: str(p)[14:44])
def test_merged_trees_add_the_mean_by_weight_of_what_each_site_would_add(params: Any) -> None:
    rows, start = data(9), boost(params, data(1), EMPTY, rounds=2)
    model = get_arrays(start)
    sites = [boost(params, data(seed), model, rounds=2) for seed in (2, 3, 4)]
    grown = [(w, unpacked(get_arrays(b, since=model))) for w, b in zip((1, 2, 5), sites, strict=True)]
    whole = merged(unpacked(model), grown)
    before = start.predict(rows, output_margin=True)
    added = [site.predict(rows, output_margin=True) - before for site in sites]
    np.testing.assert_allclose(
        margins(whole, rows), before + np.average(added, axis=0, weights=(1, 2, 5)), atol=2e-5
    )
    assert rounds_of(whole) == 2 + 3 * 2
    assert unpacked(get_arrays(_read(whole))) == xgboost_writes(whole), "xgboost reads it as one of its own"


def _read(document: bytes) -> Any:
    booster = xgboost.Booster()
    set_arrays(booster, packed(document))
    return booster


def xgboost_writes(document: bytes) -> bytes:
    return bytes(_read(document).save_raw("json"))


def test_one_site_alone_grows_the_trees_that_it_would_have_anyway() -> None:
    rows = data()
    model = EMPTY
    for _ in range(4):
        booster = boost(BINARY, rows, model)
        model = packed(merged(unpacked(model), [(7.0, unpacked(get_arrays(booster, since=model)))]))
    np.testing.assert_allclose(
        margins(unpacked(model), rows),
        boost(BINARY, rows, EMPTY, rounds=4).predict(rows, output_margin=True),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "other",
    [
        boost({"objective": "reg:squarederror"}, data(), EMPTY),
        boost({**BINARY, "base_score": 0.25}, data(), EMPTY),
        boost(BINARY, data(columns=5), EMPTY),
    ],
    ids=["objective", "base score", "columns"],
)
def test_trees_of_another_kind_are_refused(other: Any) -> None:
    grown = [(1.0, unpacked(get_arrays(b))) for b in (boost(BINARY, data(), EMPTY), other)]
    assert code_of(merged, b"", grown) == "booster.other-kind"


def damaged(change: Any) -> bytes:
    document = json.loads(unpacked(get_arrays(boost(BINARY, data(), EMPTY))))
    change(document["learner"]["gradient_booster"]["model"])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"{}",
        damaged(lambda m: m["trees"][0]["left_children"].__setitem__(0, 99)),
        damaged(lambda m: m["trees"][0]["left_children"].__setitem__(1, 0)),
        damaged(lambda m: m["trees"][0]["split_indices"].__setitem__(0, 4)),
        damaged(lambda m: m["trees"][0]["split_indices"].__setitem__(0, -1)),
        damaged(lambda m: m["trees"][0]["parents"].pop()),
        damaged(lambda m: m["trees"][0]["tree_param"].__setitem__("num_nodes", "0")),
        damaged(lambda m: m["trees"].append(m["trees"][0])),
        damaged(lambda m: m["iteration_indptr"].append(7)),
    ],
    ids=["empty", "cut", "no text", "deep", "list", "table", "outside", "circle", "column", "negative", "short", "none", "more",
         "rounds"],
)  # fmt: skip
def test_what_is_no_model_is_refused_and_never_read_by_xgboost(document: bytes) -> None:
    assert code_of(merged, b"", [(1.0, document)]) == "booster.malformed"
    if document:
        assert code_of(set_arrays, xgboost.Booster(), packed(document)) == "booster.malformed"


@pytest.mark.parametrize(
    "arrays",
    [{}, {"w": np.zeros(3)}, {BOOSTER: np.zeros(3)}, {BOOSTER: np.zeros((2, 2), np.uint8)}],
    ids=["none", "other", "floats", "square"],
)
def test_arrays_that_are_no_bytes_of_a_model_are_refused(arrays: Any) -> None:
    assert code_of(set_arrays, xgboost.Booster(), Arrays(arrays)) == "booster.malformed"


def test_linear_boosters_are_refused() -> None:
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, data(), 1)
    assert (
        code_of(set_arrays, xgboost.Booster(), packed(bytes(linear.save_raw("json")))) == "booster.malformed"
    )


def test_a_model_without_trees_is_said_to_be_unfitted() -> None:
    booster = boost(BINARY, data(), EMPTY)
    assert code_of(get_arrays, xgboost.Booster()) == "arrays.unfitted"
    assert code_of(get_arrays, xgboost.XGBClassifier()) == "arrays.unfitted"
    assert code_of(set_arrays, booster, EMPTY) == "arrays.unfitted"
    assert code_of(get_arrays, booster, since=get_arrays(booster)) == "arrays.unfitted"
    assert code_of(get_arrays, object()) == "arrays.none"


def test_without_xgboost_the_error_says_how_to_install_it() -> None:
    script = "import sys; sys.modules['xgboost'] = None\nimport atoll.xgboost"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ModuleNotFoundError: atoll.xgboost needs xgboost; install it: pip install xgboost" in done.stderr


def test_the_server_merges_without_xgboost() -> None:
    script = "import sys, atoll; atoll.algorithms.Bagging.empty(); print('xgboost' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
