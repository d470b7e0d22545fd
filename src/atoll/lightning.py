"""`from atoll.lightning import get_arrays, quiet_trainer, set_arrays`: lightning modules as Arrays, and how a node trains one.

Doesn't know more than `atoll.frameworks.lightning`, which it shows.
"""

from atoll.frameworks.lightning import get_arrays, quiet_trainer, set_arrays

__all__ = ["get_arrays", "quiet_trainer", "set_arrays"]
