"""`from atoll.sklearn import get_arrays, prepare, set_arrays`: estimators of scikit-learn as Arrays.

Doesn't know more than `atoll.frameworks.sklearn`, which it shows.
"""

from atoll.frameworks.sklearn import get_arrays, prepare, set_arrays

__all__ = ["get_arrays", "prepare", "set_arrays"]
