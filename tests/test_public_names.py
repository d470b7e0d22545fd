"""What users import is what was promised: a name that comes or goes is a decision, not an accident."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import atoll

PUBLIC = {
    "atoll": """
        Algorithm Arrays AtollError ClientApp Config Context Failure Fleet Fold History Mean Metrics Replies Reply Round Schedule
        ServerApp ServerContext Stream Task Update __version__ algorithms connect data fit jax keras lightning numpy simulate
        sklearn torch transformers xgboost
        """,
    "atoll.algorithms": """
        Bagging Bucketing Bulyan CenteredClipping Collects CoordinateMedian Cyclic Ditto Evaluation FedAdagrad FedAdam
        FedAvg FedAvgM FedBN FedBuff FedDyn FedNova FedProx FedYogi GeometricMedian Histogram IFCA KMeans Krum
        LogisticRegression MultiKrum NearestNeighborMixing NormBounding QFedAvg Quantiles Rule Scaffold Summary Survey
        TrimmedMean WeightedMean evaluate
        """,
    "atoll.data": """
        IID SIMULATED Dataset Dirichlet FeatureSkew Joint Natural Partition Shards SizeSkew Split Subset Table Vertical column_of
        describe_partition fingerprint is_function open_source parse_partition plot_partitions rows_of samples split
        """,
    "atoll.data.samples": "digits fashion_mnist heart_disease mnist shakespeare",
    "atoll.numpy": "get_arrays set_arrays",
    "atoll.sklearn": "get_arrays prepare set_arrays",
    "atoll.xgboost": "boost get_arrays set_arrays",
    "atoll.torch": "add_to_gradients get_arrays proximal set_arrays",
}
SLOW = {  # faces that take seconds to import: read, and imported by their own tests
    "jax": "get_arrays set_arrays",
    "keras": "get_arrays set_arrays",
    "lightning": "get_arrays quiet_trainer set_arrays",
    "transformers": "get_arrays set_arrays",
}
UNASKED = {"sklearn", "torch", "xgboost", *SLOW}  # of the package's names, those that import a framework


@pytest.mark.parametrize("module", PUBLIC)
def test_a_module_has_the_names_it_promises_and_no_others(module):
    if module in ("atoll.sklearn", "atoll.torch", "atoll.xgboost"):
        pytest.importorskip(module.removeprefix("atoll."))
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(PUBLIC[module].split())
    for name in set(found.__all__) - UNASKED:
        assert getattr(found, name) is not None


@pytest.mark.parametrize("face", SLOW)
def test_a_face_that_is_slow_to_import_has_the_names_it_promises(face):
    source = (Path(atoll.__file__).parent / f"{face}.py").read_text(encoding="utf-8")
    [named] = [n.value for n in ast.parse(source).body if isinstance(n, ast.Assign)]
    assert sorted(ast.literal_eval(named)) == sorted(SLOW[face].split())


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_says_what_it_is(module):
    if module in ("atoll.sklearn", "atoll.torch", "atoll.xgboost"):
        pytest.importorskip(module.removeprefix("atoll."))
    found = importlib.import_module(module)
    named = {name: getattr(found, name) for name in found.__all__ if name not in UNASKED}
    silent = [
        name for name, value in named.items() if not isinstance(value, str) and not inspect.getdoc(value)
    ]
    assert silent == []


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'FlServer'"):
        atoll.FlServer  # noqa: B018


def test_importing_atoll_imports_nothing_heavier_than_itself():
    script = "import sys, atoll; print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'torch', 'msgspec', 'sqlite3', 'asyncio')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_numpy_face_leaves_torch_alone():
    script = "import sys, atoll; atoll.simulate, atoll.fit, atoll.Arrays, atoll.History; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
