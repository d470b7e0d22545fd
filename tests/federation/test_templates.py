"""A template's app, unchanged, on real processes: the same model as simulated, to the bit."""

import re

import pytest
from federation_world import Place, same

from atoll.surfaces.cli._templates import missing, templates

QUICK = ("numpy", "torch")
NAMED = ("text", "xgboost")  # simulated, nodes are named by what they hold, and draw by their names: real ones have others
TEMPLATES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in templates()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_trains_on_real_processes_as_it_does_simulated(template, local: Place):
    if lacking := missing(template):
        pytest.skip(f"not installed: {', '.join(lacking)}")
    app = local.app(template)
    if template in NAMED:
        project = app / "pyproject.toml"
        project.write_text(re.sub(r"(partition = ).*", r'\1{ by = "iid" }', project.read_text()))
    real, simulated = f"{template}-real", f"{template}-simulated"
    settings = ["--set", "rounds=2", "--seed", "5", "--json"]
    there = local.well("run", "--on", "local", "--name", real, *settings, inside=app).document
    alone = ["--nodes", "3", "--workers", "0"]  # with workers it is the same: tests/templates
    here = local.well("run", *alone, "--name", simulated, *settings, inside=app).document
    assert same(local.model(real, "--on", "local"), local.model(simulated))
    assert (there["status"], there["nodes"], there["failures"]) == ("finished", 3, 0)
    for told in ("schema", "config", "seed", "metrics"):
        assert there[told] == here[told]
    assert set(there) == set(here)
