"""`from atoll.numpy import get_arrays, set_arrays`: numpy models as Arrays.

Doesn't know more than `atoll.frameworks.numpy`, which it shows.
"""

from atoll.frameworks.numpy import get_arrays, set_arrays

__all__ = ["get_arrays", "set_arrays"]
