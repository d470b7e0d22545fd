"""The SDK: what users import, and the seam that every fleet stands on.

Doesn't know where nodes are, how bytes move, or which framework trains.
"""

from atoll.app._apps import ClientApp, Mod, ServerApp
from atoll.app._clock import Clock, Timing
from atoll.app._context import Bench, Context, Data
from atoll.app._context import State as NodeState
from atoll.app._executor import Broken, Call, Done, Executor, Outcome
from atoll.app._fit import Algorithm, Ask, State, fit
from atoll.app._fleet import ExecutorFleet, Fleet, Replies
from atoll.app._load import Project, read_project, resolve
from atoll.app._perform import perform
from atoll.app._record import Record
from atoll.app._rounds import Round, Rounds
from atoll.app._schedule import Schedule
from atoll.app._seeding import apart
from atoll.app._server_context import ServerContext
from atoll.app._stream import Stream
from atoll.app._task import Failure, Reply, Task, Update, settled
from atoll.app._traceback import users_place, users_traceback
from atoll.app._watch import Watch

__all__ = [
    "Algorithm",
    "Ask",
    "Bench",
    "Broken",
    "Call",
    "ClientApp",
    "Clock",
    "Context",
    "Data",
    "Done",
    "Executor",
    "ExecutorFleet",
    "Failure",
    "Fleet",
    "Mod",
    "NodeState",
    "Outcome",
    "Project",
    "Record",
    "Replies",
    "Reply",
    "Round",
    "Rounds",
    "Schedule",
    "ServerApp",
    "ServerContext",
    "State",
    "Stream",
    "Task",
    "Timing",
    "Update",
    "Watch",
    "apart",
    "fit",
    "perform",
    "read_project",
    "resolve",
    "settled",
    "users_place",
    "users_traceback",
]
