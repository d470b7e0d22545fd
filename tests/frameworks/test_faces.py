"""A framework is imported when its face is, and not before; where it is missing, the error says what to install."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

FRAMEWORKS = {"jax": "jax", "keras": "keras", "lightning": "lightning", "transformers": "transformers"}
BELOW = {"lightning": "torch", "transformers": "torch"}


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize("face", FRAMEWORKS)
def test_without_the_framework_the_error_says_how_to_install_it(face: str) -> None:
    if importlib.util.find_spec(BELOW.get(face, "numpy")) is None:
        pytest.skip(f"needs {BELOW[face]}")
    done = run(f"import sys; sys.modules['{FRAMEWORKS[face]}'] = None\nimport atoll.{face}")
    assert (
        f"ModuleNotFoundError: atoll.{face} needs {FRAMEWORKS[face]}; install it: pip install" in done.stderr
    )


def test_keras_without_what_it_computes_with_is_told() -> None:
    pytest.importorskip("keras")
    done = run(
        "import os, sys; os.environ['KERAS_BACKEND'] = 'jax'; sys.modules['jax'] = None\nimport atoll.keras"
    )
    assert "ModuleNotFoundError: keras computes with jax, which is not installed" in done.stderr


def test_no_framework_is_imported_before_it_is_asked_for() -> None:
    names = (
        "{'torch', 'jax', 'flax', 'keras', 'tensorflow', 'lightning', 'transformers', 'sklearn', 'xgboost'}"
    )
    done = run(
        f"import sys, atoll, atoll.frameworks; atoll.fit, atoll.simulate; print({names} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()"
