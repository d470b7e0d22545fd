"""`from atoll.xgboost import boost, get_arrays, set_arrays`: models of XGBoost as Arrays.

Doesn't know more than `atoll.frameworks.xgboost`, which it shows.
"""

from atoll.frameworks.xgboost import boost, get_arrays, set_arrays

__all__ = ["boost", "get_arrays", "set_arrays"]
