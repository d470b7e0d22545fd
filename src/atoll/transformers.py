"""`from atoll.transformers import get_arrays, set_arrays`: models of transformers as Arrays, for plain fine-tuning.

Doesn't know more than `atoll.frameworks.transformers`, which it shows.
"""

from atoll.frameworks.transformers import get_arrays, set_arrays

__all__ = ["get_arrays", "set_arrays"]
