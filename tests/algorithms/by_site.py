"""Runs over rows that lie at sites, cut off and resumed if asked; helps the tests of surveys and of methods equal to pooled data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atoll
from atoll.app import Watch
from atoll.data import Table
from atoll.journal import SqliteJournal
from atoll.runtime import Simulation
from atoll.values import Config


class Power(Exception):
    """The power is cut."""


class BySite:
    """Deals the rows as their column `site` says: site 0 to node-0, and so on."""

    def indices(self, dataset: Any, nodes: int, seed: int) -> list[Any]:
        return [np.flatnonzero(dataset["site"] == site) for site in range(nodes)]

    def names(self, dataset: Any, nodes: int) -> None:
        return None


def table(sites: Sequence[Sequence[Any]], **columns: Any) -> Table:
    """The rows of all sites, a column `site` with whose they are, and `x` with what they hold."""
    whole = [x for site in sites for x in site]
    site = np.repeat(np.arange(len(sites)), [len(site) for site in sites])
    return Table(x=np.array(whole, np.float64), site=site, **columns)


def simulated(
    main: Callable[..., Any],
    client: atoll.ClientApp,
    rows: Table,
    *,
    nodes: int,
    seed: int = 0,
    **config: Any,
) -> atoll.History:
    """A run of a program over rows by site."""
    server = atoll.ServerApp()
    server.main(main)
    return atoll.simulate(server, client, nodes=nodes, data={"rows": rows}, partition=BySite(), config=config, seed=seed,
                          watch=Watch())  # fmt: skip


def cut_and_resumed(
    main: Callable[..., Any], client: atoll.ClientApp, rows: Table, home: Path, *, nodes: int
) -> atoll.History:
    """The same, of a program that raises `Power` the first time; every reply is kept."""
    server = atoll.ServerApp()
    server.main(main)
    simulation = Simulation(
        server=server, client=client, source={"rows": rows}, partition=BySite(), save="always"
    )
    journal = SqliteJournal(home)
    try:
        run = simulation.create(journal, config=Config({}), nodes=nodes, seed=0).id
        with pytest.raises(Power):
            simulation.run(journal, run, watch=Watch())
        return simulation.run(journal, run, watch=Watch())
    finally:
        journal.close()
