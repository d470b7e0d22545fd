"""`from atoll.keras import get_arrays, set_arrays`: keras models as Arrays, and Arrays as keras models.

Doesn't know more than `atoll.frameworks.keras`, which it shows.
"""

from atoll.frameworks.keras import get_arrays, set_arrays

__all__ = ["get_arrays", "set_arrays"]
