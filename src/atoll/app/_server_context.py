"""What a server app is told besides its fleet: the ServerContext.

Doesn't know which fleet it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from atoll.app._fleet import Fleet
from atoll.app._record import Record
from atoll.app._rounds import Rounds
from atoll.values import Arrays, Config, as_text, derive_seed


class ServerContext:
    """What a server app knows: `config`, `seed`, `rng`, `run` (the id), `name`, `log`, and `rounds`.

    `shared` is what the app's lifespan hook yielded.
    """

    def __init__(self, record: Record, fleet: Fleet, config: Config) -> None:
        self._record, self._fleet, self.config = record, fleet, config
        self.run, self.name = record.created.id, record.created.name
        self.seed = record.created.seed
        self.shared: Any = None

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator for the round that the program is in: the same after a resume."""
        return np.random.Generator(np.random.Philox(key=derive_seed(self.seed, self._record.round, "server")))

    def rounds(self, total: int, *, initial: Mapping[str, Arrays]) -> Rounds:
        """The durable loop: rounds not committed yet, from the last committed state on; see `Round.commit`.

        `initial` names the state before round 1 and counts the first time only.
        """
        return self._fleet.rounds(total, initial=initial)

    def log(self, message: object, *, level: str = "info") -> None:
        """A line in the run's log."""
        self._record.log(level, as_text(str(message)), self._record.round or None)
