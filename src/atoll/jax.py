"""`from atoll.jax import get_arrays, set_arrays`: jax models as Arrays, and Arrays as jax models.

Doesn't know more than `atoll.frameworks.jax`, which it shows.
"""

from atoll.frameworks.jax import get_arrays, set_arrays

__all__ = ["get_arrays", "set_arrays"]
