"""What has to be true of every ordeal's end.

Doesn't know what the federation went through.
"""

from __future__ import annotations

from ordeal import APP, Ordeal

from atoll.app import read_project
from atoll.journal import FINISHED, Accepted, Called, Committed, MemoryJournal
from atoll.runtime import of_project
from atoll.values import Arrays


def simulated(nodes: int, rounds: int) -> Arrays:
    """The model of the simulation."""
    project = read_project(APP)
    simulation = of_project(project, workers=0)
    config = project.config.override({"rounds": rounds})
    journal = MemoryJournal()
    created = simulation.create(journal, config=config, nodes=nodes, seed=11)
    return simulation.run(journal, created.id).model


def examine(ordeal: Ordeal, rounds: int) -> list[Accepted]:
    """The ledger of the clients and the coordinator's journal tell the same story, and each reply counted once.

    Returns what was accepted.
    """
    finished = ordeal.end()
    assert finished.status == FINISHED, (finished.reason, ordeal.tails())
    events = ordeal.everything()
    assert [e.round for e in events if isinstance(e, Committed)] == list(range(rounds + 1))
    everybody = {(r, f"node-{i}") for r in range(1, rounds + 1) for i in range(ordeal.count)}
    accepted = [e for e in events if isinstance(e, Accepted)]
    whose = {(e.round, e.node) for e in accepted}
    assert len(accepted) == len(whose) == len(everybody), "a reply was lost, or counted twice"
    assert any(isinstance(e, Called) for e in events)
    noted = ordeal.noted()
    assert set(noted.ended) == everybody
    counts = {(e.round, e.node): e.metrics["count"] for e in accepted}
    assert all(count == round for (round, _), count in counts.items()), (
        "a node's state was applied twice, or lost"
    )
    assert ordeal.model().digest == simulated(ordeal.count, rounds).digest
    return accepted
