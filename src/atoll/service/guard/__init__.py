"""What stands between a coordinator and a machine that works for it: only what a user of the federation signed is done.

Doesn't know what a node or a host does. It rests on rosters under roots that the machine pins, kept on its own disk.
"""

from atoll.service.guard._guard import Guard
from atoll.service.guard._objections import Objection
from atoll.service.guard._rosters import Rosters

__all__ = ["Guard", "Objection", "Rosters"]
