"""A Flower app and what it becomes in Atoll: the same data, parts, first model and hyper-parameters, the same result.

The Flower half runs where flwr can be had, in a virtual environment of its own (`long`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from flower_world import Flower, Outcome

from atoll.app import read_project
from atoll.journal import MemoryJournal
from atoll.runtime import Parts, Simulation, of_project

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/how-to/coming-from-flower.md"
NODES, SEEDS = 10, range(5)


@pytest.fixture(autouse=True, scope="module")
def _apart() -> Iterator[None]:
    """Both apps are called `my_app`, as those of other tests are: the one that was loaded here is forgotten again."""
    for package in ("torch", "mlxtend"):
        pytest.importorskip(package)
    _forget()
    path = list(sys.path)
    yield
    sys.path[:] = path
    _forget()


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory):
    try:
        world = Flower(tmp_path_factory.mktemp("flower") / "world", nodes=NODES)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"flwr can't be installed here: {error}")
    with world:
        yield world


@cache
def simulation() -> Simulation:
    return of_project(read_project(HERE / "atoll_app"), workers=0)


def parts(seed: int) -> Parts:
    """What the nodes of a simulation with this seed hold."""
    chosen = simulation()
    return Parts(chosen.source, chosen.partition, [f"node-{i}" for i in range(NODES)], seed)


def atoll(seed: int, **settings: object) -> Outcome:
    """One simulated run of the converted app."""
    config = read_project(HERE / "atoll_app").config.override(settings)
    journal = MemoryJournal()
    created = simulation().create(journal, config=config, nodes=NODES, seed=seed)
    history = simulation().run(journal, created.id)
    return Outcome([row["accuracy"] for row in history.rounds()], dict(history.model))


def test_the_converted_app_learns() -> None:
    assert atoll(0, rounds=2).accuracy[-1] > 0.5  # of ten kinds


def test_the_network_and_how_it_learns_are_taken_over_unchanged() -> None:
    theirs, ours = (HERE / app / "my_app/task.py" for app in ("flower_app", "atoll_app"))
    assert theirs.read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("path", sorted((HERE / "flower_app").rglob("*_app.py")), ids=lambda path: path.stem)
def test_the_page_shows_the_flower_app_that_is_tested(path: Path) -> None:
    shown = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert _code(path) in map(str.strip, shown)


@pytest.mark.parametrize("name", ["client.py", "server.py", "data.py", "task.py"])
def test_the_page_writes_the_atoll_app_that_is_tested(name: str) -> None:
    shown = re.findall(r"```python\n# my_app/(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert _code(HERE / "atoll_app/my_app" / name) == dict(shown)[name].strip()


def test_the_page_writes_the_project_file_that_is_tested() -> None:
    shown = re.findall(r"```toml\n# pyproject.toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert (HERE / "atoll_app/pyproject.toml").read_text().strip() in map(str.strip, shown)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_without_chance_both_come_to_the_same_model(flower: Flower) -> None:
    """One step a round, over all of a node's rows: then the order in which they are shuffled doesn't matter."""
    theirs = flower.run(parts(7), "whole", seed=7, num_server_rounds=5, batch_size=100_000, learning_rate=0.5)
    ours = atoll(7, rounds=5, batch=100_000, lr=0.5)
    moved = max(float(np.abs(ours.model[n] - atoll(7, rounds=0).model[n]).max()) for n in ours.model)
    apart = max(float(np.abs(ours.model[n] - theirs.model[n]).max()) for n in ours.model)
    print(f"{apart:.2g} apart, having moved by {moved:.2g}")
    assert apart < 1e-4 * moved, f"{apart} apart, having moved by {moved}"
    assert ours.accuracy == pytest.approx(theirs.accuracy, abs=0.0011)  # one picture of 1,000 on the border


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_both_reach_the_same_accuracy_within_the_noise_of_seeds(flower: Flower) -> None:
    """The noise is the spread over five seeds, each of which is other parts, another first model and other shuffles."""
    theirs = [flower.run(parts(seed), f"seed-{seed}", seed=seed).accuracy[-1] for seed in SEEDS]
    ours = [atoll(seed).accuracy[-1] for seed in SEEDS]
    noise = ((stdev(ours) ** 2 + stdev(theirs) ** 2) / len(SEEDS)) ** 0.5  # of the difference of the means
    print(
        f"Atoll {mean(ours):.4f} ({stdev(ours):.4f}), Flower {mean(theirs):.4f} ({stdev(theirs):.4f}): {ours}, {theirs}"
    )
    assert abs(mean(ours) - mean(theirs)) < 3 * noise


def _forget() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "my_app"]:
        del sys.modules[name]


def _code(path: Path) -> str:
    """A module without its docstring, as a page shows it."""
    return re.sub(r'\A""".*?"""\n', "", path.read_text(encoding="utf-8"), flags=re.DOTALL).strip()
