"""kill -9 at random moments: the same model, no accepted reply lost, counted twice or trained again.

`ATOLL_KILL_SEED=<seed>` replays the moments of a run that failed (as near as a scheduler allows).
"""

from __future__ import annotations

import os
import random
import secrets
import signal
from pathlib import Path

import pytest
from kill_ordeal import Ordeal

from atoll.journal import History
from forked import Ready

KILLS = 10  # in each of two tests


def moments(salt: str) -> random.Random:
    seed = os.environ.get("ATOLL_KILL_SEED") or str(secrets.randbits(32))
    print(f"ATOLL_KILL_SEED={seed}")
    return random.Random(f"{seed} {salt}")


@pytest.mark.parametrize("number", range(2))
def test_a_run_killed_at_random_moments_ends_with_the_same_model(
    number: int, tmp_path: Path, ready: Ready, undisturbed: History
) -> None:
    kill_again_and_again(KILLS, moments(f"always {number}"), tmp_path, ready, undisturbed)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_hundreds_of_kills_change_nothing_either(tmp_path: Path, ready: Ready, undisturbed: History) -> None:
    kill_again_and_again(300, moments("long"), tmp_path, ready, undisturbed)


def kill_again_and_again(
    kills: int, chance: random.Random, folder: Path, ready: Ready, undisturbed: History
) -> None:
    killed, attempt = 0, 0
    while killed < kills:
        ordeal = Ordeal(folder / f"run-{attempt}", ready)
        while killed < kills and ordeal.kill_after(chance.randint(1, 3), chance.uniform(0, 4e-3)):
            killed += 1
            if ordeal.ended():
                break
        if not ordeal.ended():
            ordeal.finish()
        check(ordeal, undisturbed)
        attempt += 1


def test_a_run_that_saves_only_what_is_worth_it_ends_with_the_same_model(
    tmp_path: Path, ready: Ready, undisturbed: History
) -> None:
    chance, ordeal = moments("auto"), Ordeal(tmp_path / "run", ready, save="auto")
    for _ in range(3):
        if not ordeal.kill_after(chance.randint(3, 6), chance.uniform(0, 4e-3)):
            break
    if not ordeal.ended():
        ordeal.finish()
    check(ordeal, undisturbed)


def test_a_pooled_run_killed_at_random_moments_ends_with_the_same_model(
    tmp_path: Path, ready: Ready, undisturbed: History
) -> None:
    chance, ordeal = moments("pool"), Ordeal(tmp_path / "run", ready, workers=2)
    for _ in range(4):
        if not ordeal.kill_after(chance.randint(2, 5), chance.uniform(0, 4e-3)):
            break
    if not ordeal.ended():
        ordeal.finish()
    check(ordeal, undisturbed)


def test_a_killed_worker_is_replaced_and_the_run_ends_with_the_same_model(
    tmp_path: Path, ready: Ready, undisturbed: History
) -> None:
    chance, ordeal = moments("worker"), Ordeal(tmp_path / "run", ready, workers=2)
    child = ordeal.start()
    for _ in range(3):
        ordeal.hear(child, chance.randint(1, 3))
        worker = ordeal.ledger()[-1].pid
        assert worker != child.pid
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was a worker killed before
    assert ordeal.wait(child) == 0
    check(ordeal, undisturbed)


def check(ordeal: Ordeal, undisturbed: History) -> None:
    ordeal.nothing_was_trained_again()
    history = ordeal.history()
    assert history.status == "finished"
    assert history.model["count"].tolist() == undisturbed.model["count"].tolist()
    assert history.model["visits"].tolist() == undisturbed.model["visits"].tolist()
    assert history.model.digest == undisturbed.model.digest
    assert sorted(
        (r.round, r.node) for r in history if r.phase == "train" and r.metric == "visits"
    ) == sorted((r.round, r.node) for r in undisturbed if r.phase == "train" and r.metric == "visits")
