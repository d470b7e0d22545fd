"""`from atoll.torch import get_arrays, set_arrays`: torch models as Arrays.

Doesn't know more than `atoll.frameworks.torch`, which it shows.
"""

from atoll.frameworks.torch import get_arrays, set_arrays

__all__ = ["get_arrays", "set_arrays"]
