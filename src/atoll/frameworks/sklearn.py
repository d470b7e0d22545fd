"""Estimators of scikit-learn: what they have learnt, as arrays by the names of scikit-learn's attributes.

Doesn't know how they learn. Only arrays and numbers travel: no pickle, and neither parameters nor training's own memory (step
counters, an optimizer's moments).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from atoll.frameworks._match import must_match
from atoll.values import Array, Arrays, ArraysError, ConfigError

try:
    from sklearn import exceptions, utils
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        "atoll.sklearn needs scikit-learn; install it: pip install scikit-learn", name="sklearn"
    ) from None

__all__ = ["get_arrays", "prepare", "set_arrays"]

Estimator = TypeVar("Estimator")

# What predictions are made of, wherever scikit-learn keeps it: linear models, neural networks, naive Bayes, k-means, mixtures,
# decompositions, scalers. Lists of arrays are numbered: coefs_.0, coefs_.1 ...
_LEARNED = (
    "coef_", "intercept_", "coefs_", "intercepts_", "offset_",
    "theta_", "class_count_", "class_prior_", "class_log_prior_", "feature_count_", "feature_log_prob_",
    "cluster_centers_", "weights_", "means_", "covariances_", "precisions_cholesky_",
    "components_", "explained_variance_", "noise_variance_", "singular_values_",
    "mean_", "var_", "scale_", "center_", "min_", "max_abs_", "data_min_", "data_max_", "data_range_", "n_samples_seen_",
)  # fmt: skip

# What needn't travel: labels, which every site is told, and what is only told about the training.
_APART = {
    "classes_", "feature_names_in_", "labels_", "n_iter_", "loss_curve_", "validation_scores_", "dual_gap_", "singular_",
    "explained_variance_ratio_", "precisions_", "lower_bounds_",
}  # fmt: skip


def get_arrays(model: Any) -> Arrays:
    """Copies of what an estimator has learnt, to the bit: what it learns next doesn't change them.

    A linear model's `coef_` and `intercept_`, an MLP's `coefs_.0`, `intercepts_.0` and so on, a scaler's `mean_`, `var_` and
    `scale_`. An estimator that has learnt anything else (trees, neighbours, support vectors) is refused whole.
    Raises `ArraysError` (`arrays.unfitted`, `arrays.none`, `arrays.bad-dtype`).
    """
    return Arrays({name: np.array(value, order="C") for name, value in _learned(model).items()})


def set_arrays(model: Any, arrays: Mapping[str, Array]) -> None:
    """Make an estimator one that has learnt these arrays; nothing is written unless all names, shapes and dtypes fit.

    It must have learnt something before, or be made ready by `prepare`. Training's own memory is put back to its start, so that it
    doesn't matter what the estimator did last: an MLP's moments and SGD's step counter and averages.
    Raises `ArraysError` (`arrays.unfitted`, `arrays.none`, `arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`).
    """
    own = _learned(model)
    kinds = {name: (np.shape(value), np.asarray(value).dtype) for name, value in own.items()}
    must_match(kinds, arrays, holder=type(model).__name__)
    for name, value in own.items():
        attribute, _, place = name.partition(".")
        if place:
            getattr(model, attribute)[int(place)] = arrays[name].copy()
        else:
            setattr(model, attribute, _like(value, arrays[name]))
    _start_afresh(model)


def prepare(
    model: Estimator, *, features: int, classes: Sequence[Any] | None = None, dtype: Any = np.float64
) -> Estimator:
    """Give an estimator that has learnt nothing its shapes, for `set_arrays`, or for a run to begin with.

    `features` is the number of columns, and `dtype` theirs, which many estimators keep; `classes` are all labels of a classifier,
    whatever a site holds of them. A linear model predicts 0 of everything; an MLP has the weights that it would begin with (`random_state`). Returns the estimator itself.
    Raises `ConfigError` (`sklearn.not-prepared`) when scikit-learn can't fit it to rows of zeros.
    """
    labels = np.zeros(2) if classes is None else np.unique(np.asarray(classes))
    rows = np.zeros((len(labels), features), dtype)
    anything: Any = model
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _fit(anything, rows, labels, classifies=classes is not None)
    except (ValueError, TypeError, AttributeError) as error:
        message = f"a {type(model).__name__} can't be prepared: {str(error).splitlines()[0]}"
        mend = "prepare(model, features=64, classes=range(10)): two classes or more for a classifier, none for others"
        raise ConfigError("sklearn.not-prepared", message, mend) from error
    for name in ("coef_", "intercept_"):
        if hasattr(model, name):
            setattr(model, name, np.zeros_like(getattr(model, name))[()])
    _start_afresh(model)
    return model


def _fit(model: Any, rows: Array, labels: Array, *, classifies: bool) -> None:
    """Fit it to rows of zeros; an MLP in one step too short to move any weight."""
    rate = getattr(model, "learning_rate_init", None)
    if rate is not None:
        model.set_params(learning_rate_init=1e-300)
    try:
        if hasattr(model, "partial_fit") and classifies:
            model.partial_fit(rows, labels, classes=labels)
        else:
            (model.partial_fit if hasattr(model, "partial_fit") else model.fit)(rows, labels)
    finally:
        if rate is not None:
            model.set_params(learning_rate_init=rate)


def _learned(model: Any) -> dict[str, Any]:
    """The attributes that hold what was learnt: arrays and numbers by name. Raises `ArraysError`."""
    try:
        utils.validation.check_is_fitted(model)
    except exceptions.NotFittedError:
        mend = "fit it, or atoll.sklearn.prepare(model, features=..., classes=...)"
        raise ArraysError(
            "arrays.unfitted", f"this {type(model).__name__} has learnt nothing yet", mend
        ) from None
    except TypeError:
        raise _no_arrays(model) from None
    found = dict(_named(model))
    if not found or any(_is_more(name, value) for name, value in vars(model).items()):
        raise _no_arrays(model)
    return found


def _is_more(name: str, value: Any) -> bool:
    """Whether an attribute holds something learnt that isn't known to this file: it would be lost on the way."""
    fitted = name.endswith("_") and not name.startswith("_")
    told = name in _LEARNED or name in _APART or value is None or isinstance(value, str | bytes)
    return fitted and not told and not np.isscalar(value)


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    held = vars(model)
    for name in _LEARNED:
        value = held.get(name)
        if isinstance(value, list):
            yield from ((f"{name}.{place}", part) for place, part in enumerate(value))
        elif value is not None:
            if hasattr(value, "toarray"):
                message = f"`{name}` of this {type(model).__name__} is sparse, and doesn't travel"
                raise ArraysError("arrays.bad-dtype", message, "call its densify() first")
            yield name, value


def _like(old: Any, array: Array) -> Any:
    """A writable copy of an array in the layout of the old one; a plain number where that was one."""
    if not isinstance(old, np.ndarray):
        return array[()] if isinstance(old, np.generic) else array.item()
    fresh = np.empty_like(old)
    np.copyto(fresh, array)
    return fresh


def _start_afresh(model: Any) -> None:
    """Put back what training remembers besides the arrays, in the estimators that go on from it in `partial_fit`."""
    fresh: dict[str, Any] = {}
    if hasattr(model, "coefs_"):  # an MLP's `_fit_stochastic` makes a missing optimizer anew
        vars(model).pop("_optimizer", None)
        fresh = {"loss_curve_": [], "n_iter_": 0, "t_": 0, "_no_improvement_count": 0, "best_loss_": np.inf}
    elif hasattr(model, "t_"):  # as SGD's `_allocate_parameter_mem` begins
        fresh = {"t_": 1.0}
        for name in ("coef", "intercept") if getattr(model, "average", 0) else ():
            learned = getattr(model, f"{name}_")
            fresh |= {f"_standard_{name}": learned, f"_average_{name}": np.zeros_like(learned)}
    for name, value in fresh.items():
        setattr(model, name, value)


def _no_arrays(model: Any) -> ArraysError:
    more = [name for name, value in getattr(model, "__dict__", {}).items() if _is_more(name, value)]
    return ArraysError(
        "arrays.none",
        f"what a {type(model).__name__} learns isn't all arrays that travel{': ' if more else ''}{', '.join(more[:4])}",
        "take a linear model, an MLP, naive Bayes or a scaler; for trees see atoll.xgboost; a pipeline's steps one by one",
    )
