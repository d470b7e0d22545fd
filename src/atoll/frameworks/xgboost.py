"""Models of XGBoost: a Booster, or an estimator that holds one, as the bytes of its JSON document.

Doesn't know who grows the trees, or how those of many sites become one model: see `boosters.py`. No pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.frameworks.boosters import packed, rounds_of, unpacked
from atoll.values import Array, Arrays, ArraysError

try:
    import xgboost
except ModuleNotFoundError as error:
    if error.name != "xgboost":
        raise
    raise ModuleNotFoundError(
        "atoll.xgboost needs xgboost; install it: pip install xgboost", name="xgboost"
    ) from None

__all__ = ["boost", "get_arrays", "set_arrays"]


def get_arrays(model: Any, *, since: Mapping[str, Array] | None = None) -> Arrays:
    """A model's bytes as one array `booster`, uint8, shape (bytes,): a JSON document, the same to the bit when set and taken again.

    `model` is a Booster, an XGBClassifier or the like. `since` leaves out the trees that an earlier model held: what
    `Bagging` asks of a node. Raises `ArraysError` (`arrays.unfitted`, `booster.malformed`).
    """
    booster = _booster(model)
    if since is not None:
        booster = _later(booster, rounds_of(unpacked(since)))
    return packed(bytes(booster.save_raw("json")))


def set_arrays(model: Any, arrays: Mapping[str, Array]) -> None:
    """Make a Booster, or an estimator, the model in these arrays; what it was before is gone.

    Raises `ArraysError` (`booster.malformed`; `arrays.unfitted` for a model without trees).
    """
    _load(model, unpacked(arrays))


def boost(
    params: Mapping[str, Any], data: xgboost.DMatrix, model: Mapping[str, Array], *, rounds: int = 1
) -> xgboost.Booster:
    """Grow trees on top of a model, one round or more; the model may be empty. Gives the whole, old trees first.

    `params` as `xgboost.train` takes them. Unless they say otherwise one thread works, for the same trees to the bit; an empty model
    begins with `base_score` 0.5, since XGBoost's own guess differs from site to site; and `seed` is the number of rounds before, or
    `subsample` would take the same rows each time. Raises `ArraysError` (`booster.malformed`).
    """
    before = unpacked(model)
    settings = {"nthread": 1, "seed": rounds_of(before), **params}
    if not before:
        return xgboost.train({"base_score": 0.5, **settings}, data, rounds)
    start = xgboost.Booster({"nthread": settings["nthread"]})
    _load(start, before)
    return xgboost.train(settings, data, rounds, xgb_model=start)


def _booster(model: Any) -> xgboost.Booster:
    if not isinstance(model, xgboost.Booster) and not hasattr(model, "get_booster"):
        message = f"a {type(model).__name__} is no model of xgboost"
        raise ArraysError("arrays.none", message, "hand in a Booster, or an estimator such as XGBClassifier")
    try:
        booster: xgboost.Booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
        trees = booster.num_boosted_rounds()
    except (xgboost.core.XGBoostError, ValueError):  # scikit-learn's NotFittedError is a ValueError
        trees = 0
    if not trees:
        mend = "train it first, or set_arrays; a run begins with Bagging.empty()"
        raise ArraysError("arrays.unfitted", f"this {type(model).__name__} has no trees yet", mend)
    return booster


def _later(booster: xgboost.Booster, rounds: int) -> xgboost.Booster:
    if not rounds < booster.num_boosted_rounds():
        message = f"the model has no trees beyond the {rounds} rounds that it had before"
        raise ArraysError(
            "arrays.unfitted", message, "grow some with atoll.xgboost.boost(params, data, model)"
        )
    return booster[rounds:]


def _load(model: Any, document: bytes) -> None:
    if not document:
        raise ArraysError("arrays.unfitted", "this model has no trees yet", "train a round first")
    rounds_of(document)  # refuses what is none, before xgboost reads it
    try:
        model.load_model(bytearray(document))
    except (xgboost.core.XGBoostError, ValueError) as error:
        message = f"xgboost can't read this model: {str(error).splitlines()[0]}"
        raise ArraysError(
            "booster.malformed", message, "take it with a version of xgboost that is not newer"
        ) from None
