"""Surveys and evaluations where nothing is trained, whoever is killed: the same findings as simulated, to the bit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from kills import SEED, interrupt
from ordeal import Ordeal
from verdict import rehearsed

from atoll.journal import EPILOGUE, FINISHED, Accepted, Committed, Diverged, Event, Failed, Finished, Row
from atoll.values import Scalar

APP = Path(__file__).parent / "algorithms_app"
NEVER_HELD_IT = 2  # failures: before the rounds and after, node-1 is asked for a column that it lacks


@dataclass(frozen=True)
class Answer:
    """One reply that counts: to which question, whose, and all that it says of itself."""

    round: int
    ordinal: int
    index: int
    node: str
    action: str
    weight: float
    metrics: tuple[tuple[str, Scalar], ...]

    @classmethod
    def of(cls, told: Accepted | Row, round: int) -> Answer:
        metrics = tuple(sorted(told.metrics.items()))
        return cls(round, told.ordinal, told.index, told.node, told.action, told.weight, metrics)

    @property
    def count(self) -> Scalar:
        """The how manieth of its node."""
        return dict(self.metrics)["count"]


@dataclass(frozen=True)
class Story:
    """What has to be the same, however a run went: answers, answers that don't count, commits, and digests of what is kept."""

    answers: Counter[Answer]
    failures: Counter[tuple[int, int, int, str, str, str]]
    commits: list[tuple[int, dict[str, Scalar]]]
    kept: dict[str, str]


def simulated(settings: dict[str, object], nodes: int) -> Story:
    journal, run = rehearsed(APP, settings, nodes)
    events = [event for _, event in journal.events(run)]
    rows = [
        Answer.of(row, e.round if isinstance(e, Committed) else EPILOGUE)
        for e in events
        if isinstance(e, Committed | Finished)
        for row in e.replies
    ]
    kept = {name: journal.arrays(run, key).digest for name, key in finding(events).items()}
    return Story(Counter(rows), failures(events), commits(events), kept)


def deployed(ordeal: Ordeal) -> Story:
    events = ordeal.everything()
    assert not any(isinstance(e, Diverged) for e in events), "the program asked something else than before"
    accepted = [Answer.of(e, e.round) for e in events if isinstance(e, Accepted)]
    kept = {name: arrays.digest for name, arrays in ordeal.taken(finding(events)).items()}
    return Story(Counter(accepted), failures(events), commits(events), kept)


def finding(events: list[Event]) -> dict[str, str]:
    """Where it lies: the last committed state, and what the run ended with, which tells of the questions before it too."""
    states = [e.state for e in events if isinstance(e, Committed)]
    (last,) = [e.model for e in events if isinstance(e, Finished)]
    return {
        f"{when}.{name}": key
        for when, kept in (("round", states[-1]), ("end", last))
        for name, key in kept.items()
    }


def failures(events: Iterable[Event]) -> Counter[tuple[int, int, int, str, str, str]]:
    return Counter(
        (e.round, e.ordinal, e.index, e.node, e.failure, e.message) for e in events if isinstance(e, Failed)
    )


def commits(events: Iterable[Event]) -> list[tuple[int, dict[str, Scalar]]]:
    return [(e.round, e.metrics) for e in events if isinstance(e, Committed)]


@pytest.mark.parametrize(
    ("nodes", "rounds", "kills", "settings"),
    [
        pytest.param(2, 1, 4, {"tolerance": 0.1}),  # quantiles, a histogram, summaries and an evaluation
        pytest.param(4, 3, 48, {"tolerance": 1e-6}, marks=pytest.mark.chaos),
    ],
    ids=["short", "long"],
)
@pytest.mark.timeout(1800)
def test_kills_change_no_survey_and_no_evaluation(
    nodes: int, rounds: int, kills: int, settings: dict[str, object], tmp_path: Path
) -> None:
    settings = {"method": "", **settings}
    with Ordeal(tmp_path / "federation", nodes=nodes, app=APP) as ordeal:
        undisturbed = simulated({**settings, "rounds": rounds, "floats": 1000}, nodes)
        questions = len({(answer.round, answer.ordinal) for answer in undisturbed.answers})
        ordeal.begin(rounds=rounds, work=0.02, gated=True, gates=questions, settings=settings)
        print(f"SEED={SEED}")
        done = interrupt(ordeal, random.Random(SEED), questions, kills)
        print(f"{len(done)} kills while {questions} questions were answered: {done}")
        finished = ordeal.end()
        assert finished.status == FINISHED, (finished.reason, ordeal.tails())
        there = deployed(ordeal)
        examine_ledger(ordeal, there)
    assert {answer.round for answer in there.answers} == {EPILOGUE, *range(rounds + 1)}
    assert sum(there.failures.values()) == NEVER_HELD_IT
    assert set(there.answers.values()) == {1}, "an answer was counted twice"
    assert there == undisturbed


def examine_ledger(ordeal: Ordeal, told: Story) -> None:
    """The clients noted what counts, each answer by its number, and made none again once its node had begun a later one."""
    assert set(ordeal.noted().ended) == {(answer.count, answer.node) for answer in told.answers}
    begun: dict[str, list[int]] = {}
    for line in ordeal.ledger.read_text().splitlines():
        what, number, node, *_ = line.split()
        if what == "begin":
            begun.setdefault(node, []).append(int(number))
    assert all(numbers == sorted(numbers) for numbers in begun.values()), begun
