"""What has to be true of every ordeal's end.

Doesn't know what the federation went through.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ordeal import SEED, Ordeal

from atoll.app import read_project
from atoll.journal import FINISHED, Accepted, Called, Committed, MemoryJournal
from atoll.runtime import of_project
from atoll.values import Arrays


def rehearsed(app: Path, settings: Mapping[str, object], nodes: int) -> tuple[MemoryJournal, str]:
    """The run simulated: its journal, and its id."""
    project = read_project(app)
    simulation = of_project(project, workers=0)
    journal = MemoryJournal()
    created = simulation.create(journal, config=project.config.override(settings), nodes=nodes, seed=SEED)
    simulation.run(journal, created.id)
    return journal, created.id


def simulated(ordeal: Ordeal) -> dict[str, Arrays]:
    """The last state of the simulation, by name."""
    journal, run = rehearsed(ordeal.app, ordeal.settings, ordeal.count)
    keys = [event.state for _, event in journal.events(run) if isinstance(event, Committed)][-1]
    return {name: journal.arrays(run, key) for name, key in keys.items()}


def examine(ordeal: Ordeal, rounds: int, *, in_turn: bool = False) -> list[Accepted]:
    """The ledger of the clients and the coordinator's journal tell the same story, and each reply counted once.

    All nodes train in each round; or one, `in_turn`. Returns what was accepted.
    """
    finished = ordeal.end()
    assert finished.status == FINISHED, (finished.reason, ordeal.tails())
    events = ordeal.everything()
    assert [e.round for e in events if isinstance(e, Committed)] == list(range(rounds + 1))
    nodes = range(ordeal.count)
    everybody = {
        (r, f"node-{i}")
        for r in range(1, rounds + 1)
        for i in nodes
        if not in_turn or i == (r - 1) % len(nodes)
    }
    accepted = [e for e in events if isinstance(e, Accepted)]
    whose = {(e.round, e.node) for e in accepted}
    assert len(accepted) == len(whose) == len(everybody), "a reply was lost, or counted twice"
    assert any(isinstance(e, Called) for e in events)
    noted = ordeal.noted()
    assert set(noted.ended) == everybody
    counts = {(e.round, e.node): e.metrics["count"] for e in accepted}
    assert all(
        count == sum(r <= round and n == node for r, n in everybody)
        for (round, node), count in counts.items()
    ), "a node's state was applied twice, or lost"
    there, here = ordeal.state(), simulated(ordeal)
    assert {n: a.digest for n, a in there.items()} == {n: a.digest for n, a in here.items()}
    return accepted
