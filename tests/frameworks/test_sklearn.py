"""scikit-learn's estimators become Arrays and come back to the bit."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from atoll import Arrays, AtollError

pytest.importorskip("sklearn")

from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)  # fmt: skip
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from atoll.sklearn import get_arrays, prepare, set_arrays

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFIERS = [
    LogisticRegression(),
    SGDClassifier(random_state=0),
    SGDClassifier(random_state=0, average=True),
    Perceptron(random_state=0),
    LinearSVC(),
    MLPClassifier((5, 4), max_iter=3, random_state=0),
    MLPClassifier((3,), max_iter=3, random_state=0, solver="lbfgs"),
    GaussianNB(),
    MultinomialNB(),
]
OTHERS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(),
    Lasso(0.1),
    SGDRegressor(random_state=0),
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0),
    StandardScaler(),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    PCA(2),
    KMeans(3, n_init=1, random_state=0),
]
ALL = [pytest.param(m, id=str(m)[:40]) for m in [*CLASSIFIERS, *OTHERS]]


def rows(seed: int = 0, *, dtype: Any = np.float64, classes: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = np.abs(rng.normal(size=(60, 4))).astype(dtype)
    return x, rng.integers(classes, size=60)


def fitted(model: Any, seed: int = 0, **options: Any) -> Any:
    from sklearn.base import clone

    x, y = rows(seed, **options)
    return clone(model).fit(x, y)


def said(model: Any, x: Any) -> Any:
    return (model.predict if hasattr(model, "predict") else model.transform)(x)


def code_of(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(AtollError) as caught:
        call(*args, **options)
    assert caught.value.mend
    return caught.value.code


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f4", "f8"])
@pytest.mark.parametrize("model", ALL)
def test_what_was_learnt_comes_back_to_the_bit_and_says_the_same(
    model: Any, dtype: Any, tmp_path: Any
) -> None:
    one, other, (x, _) = fitted(model, 0, dtype=dtype), fitted(model, 1, dtype=dtype), rows(2, dtype=dtype)
    get_arrays(one).save(tmp_path / "model.safetensors")
    set_arrays(other, Arrays.load(tmp_path / "model.safetensors"))
    assert get_arrays(other) == get_arrays(one)
    assert said(other, x).tobytes() == said(one, x).tobytes()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (LogisticRegression(), ["coef_", "intercept_"]),
        (
            MLPClassifier((5, 4), max_iter=2),
            [f"{n}.{i}" for n in ("coefs_", "intercepts_") for i in range(3)],
        ),
        (StandardScaler(), ["mean_", "var_", "scale_", "n_samples_seen_"]),
    ],
    ids=["linear", "mlp", "scaler"],
)
def test_names_are_those_of_scikit_learn(model: Any, names: list[str]) -> None:
    assert list(get_arrays(fitted(model))) == names


def test_what_an_estimator_learns_next_does_not_change_the_arrays() -> None:
    model, (x, y) = fitted(SGDClassifier(random_state=0)), rows(1)
    arrays = get_arrays(model)
    before = arrays.copy()
    model.partial_fit(x, y)
    np.testing.assert_array_equal(arrays["coef_"], before["coef_"])
    assert (model.coef_ != before["coef_"]).any()


PARTIAL = [
    SGDClassifier(random_state=0, learning_rate="optimal"),
    SGDClassifier(random_state=0, learning_rate="invscaling", eta0=0.1),
    SGDClassifier(random_state=0, average=True),
    MLPClassifier((5,), random_state=0, solver="adam"),
    MLPClassifier((5,), random_state=0, solver="sgd", momentum=0.9),
]


@pytest.mark.parametrize("model", PARTIAL, ids=lambda m: str(m)[:60])
@pytest.mark.parametrize("classes", [2, 3])
def test_it_does_not_matter_what_an_estimator_did_before_its_arrays_were_set(
    model: Any, classes: int
) -> None:
    arrays = get_arrays(prepare(fresh(model), features=4, classes=range(classes)))
    x, y = rows(3, classes=classes)
    ends = []
    for history in (0, 1, 5):
        other = prepare(fresh(model), features=4, classes=range(classes))
        for seed in range(history):
            other.partial_fit(*rows(seed, classes=classes))
        set_arrays(other, arrays)
        for _ in range(3):
            other.partial_fit(x, y)
        ends.append(get_arrays(other))
    assert ends[0] == ends[1] == ends[2]
    assert ends[0] != arrays, "it learns"


def fresh(model: Any) -> Any:
    from sklearn.base import clone

    return clone(model)


@pytest.mark.parametrize(("classes", "dtype"), [(2, "f8"), (3, "f8"), (3, "f4")])
@pytest.mark.parametrize("model", CLASSIFIERS[:6], ids=lambda m: str(m)[:40])
def test_a_classifier_is_prepared_for_all_classes_and_is_what_it_is_set_to(
    model: Any, classes: int, dtype: Any
) -> None:
    ready = prepare(fresh(model), features=4, classes=range(classes), dtype=dtype)
    trained = fitted(model, classes=classes, dtype=dtype)
    assert get_arrays(ready).difference(get_arrays(trained)) is None
    set_arrays(ready, get_arrays(trained))
    x, _ = rows(5)
    assert (ready.predict(x) == trained.predict(x)).all()


@pytest.mark.parametrize("model", [*CLASSIFIERS[:5], Ridge(), SGDRegressor()], ids=lambda m: str(m)[:40])
def test_a_prepared_linear_model_begins_at_zero(model: Any) -> None:
    classes = range(3) if hasattr(model, "decision_function") else None
    ready = prepare(fresh(model), features=4, classes=classes)
    assert not any(a.any() for a in get_arrays(ready).values())


def test_a_prepared_mlp_begins_where_it_would_have_begun() -> None:
    model = MLPClassifier((5, 4), random_state=3)
    arrays = get_arrays(prepare(model, features=4, classes=range(3)))
    assert model.learning_rate_init == 0.001
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        still = MLPClassifier((5, 4), random_state=3, learning_rate_init=1e-300, max_iter=1).fit(*rows())
    assert arrays == get_arrays(still)


def test_labels_may_be_texts() -> None:
    ready = prepare(SGDClassifier(), features=4, classes=["yes", "no", "perhaps"])
    assert set(ready.predict(rows()[0])) <= {"yes", "no", "perhaps"}


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        SGDClassifier(),
        MLPClassifier(),
        StandardScaler(),
        Ridge(),
        RandomForestClassifier(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_an_estimator_that_has_learnt_nothing_is_said_to_be_unfitted(model: Any) -> None:
    assert code_of(get_arrays, model) == "arrays.unfitted"
    assert code_of(set_arrays, model, Arrays(coef_=np.zeros(3))) == "arrays.unfitted"


@pytest.mark.parametrize(
    "model",
    [RandomForestClassifier(2), IsolationForest(n_estimators=2), SVC(), SVC(kernel="linear"), QuadraticDiscriminantAnalysis(),
     make_pipeline(StandardScaler(), LogisticRegression())],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_what_is_learnt_but_not_all_arrays_is_refused(model: Any) -> None:
    assert code_of(get_arrays, fitted(model)) == "arrays.none"


def test_what_is_no_estimator_is_refused() -> None:
    assert code_of(get_arrays, object()) == "arrays.none"


def test_sparse_weights_are_refused() -> None:
    assert code_of(get_arrays, fitted(SGDClassifier()).sparsify()) == "arrays.bad-dtype"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda a: a.pop("intercept_"), "arrays.other-names"),
        (lambda a: a.update(extra=np.zeros(1)), "arrays.other-names"),
        (lambda a: a.update(coef_=np.zeros((3, 5))), "arrays.other-shape"),
        (lambda a: a.update(coef_=np.zeros((3, 4), "f4")), "arrays.other-dtype"),
    ],
)
def test_arrays_of_another_model_are_refused_and_nothing_is_written(change: Any, code: str) -> None:
    model = fitted(LogisticRegression())
    before = get_arrays(model)
    arrays = {name: a + 1 for name, a in before.items()}
    change(arrays)
    assert code_of(set_arrays, model, arrays) == code
    assert get_arrays(model) == before


@pytest.mark.parametrize(
    ("model", "options"),
    [(LogisticRegression(), {"classes": [1]}), (LogisticRegression(), {}), (MLPClassifier(early_stopping=True), {"classes": [0, 1]})],
    ids=["one class", "no classes", "early stopping"],
)  # fmt: skip
def test_what_cannot_be_prepared_is_refused(model: Any, options: Any) -> None:
    assert code_of(prepare, model, features=3, **options) == "sklearn.not-prepared"


def test_without_scikit_learn_the_error_says_how_to_install_it() -> None:
    script = "import sys; sys.modules['sklearn'] = None\nimport atoll.sklearn"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ModuleNotFoundError: atoll.sklearn needs scikit-learn; install it" in done.stderr
