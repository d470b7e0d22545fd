"""What has to be true of every ordeal's end.

Doesn't know what the federation went through.
"""

from __future__ import annotations

from ordeal import SEED, Ordeal

from atoll.app import read_project
from atoll.journal import FINISHED, Accepted, Called, Committed, MemoryJournal
from atoll.runtime import of_project
from atoll.values import Arrays


def simulated(ordeal: Ordeal) -> dict[str, Arrays]:
    """The last state of the simulation, by name."""
    project = read_project(ordeal.app)
    simulation = of_project(project, workers=0)
    config = project.config.override(ordeal.settings)
    journal = MemoryJournal()
    created = simulation.create(journal, config=config, nodes=ordeal.count, seed=SEED)
    simulation.run(journal, created.id)
    events = [event for _, event in journal.events(created.id)]
    keys = [event.state for event in events if isinstance(event, Committed)][-1]
    return {name: journal.arrays(created.id, key) for name, key in keys.items()}


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
