"""`from atoll.torch import get_arrays, set_arrays`: torch models as Arrays, and what methods add to a loss or to gradients.

Doesn't know more than `atoll.frameworks.torch`, which it shows, and what stands beside it.
"""

from atoll.frameworks.torch import get_arrays, set_arrays  # isort: skip - first: it says what to do without torch
from atoll.frameworks._torch_terms import add_to_gradients, proximal

__all__ = ["add_to_gradients", "get_arrays", "proximal", "set_arrays"]
