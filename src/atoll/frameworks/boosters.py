"""Gradient-boosted trees as XGBoost writes them in JSON: trees of many sites become one model, without xgboost.

Doesn't know how trees are grown. The format: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from atoll.values import UNREADABLE, Array, Arrays, ArraysError

BOOSTER = "booster"  # the one array of such a model: the bytes of a JSON document, uint8; none before the first tree

_PER_NODE = ("base_weights", "default_left", "left_children", "loss_changes", "parents", "right_children", "split_conditions",
             "split_indices", "sum_hessian")  # fmt: skip


def packed(document: bytes) -> Arrays:
    """A model's bytes as Arrays."""
    return Arrays({BOOSTER: np.frombuffer(document, np.uint8)})


def unpacked(arrays: Any) -> bytes:
    """The bytes of a model. Raises `ArraysError` (`booster.malformed`) when the arrays are none."""
    array: Array | None = arrays.get(BOOSTER)
    if len(arrays) != 1 or array is None or array.dtype != np.uint8 or array.ndim != 1:
        raise _malformed(f"{arrays!r} is not one array `{BOOSTER}` of uint8")
    return array.tobytes()


def rounds_of(document: bytes) -> int:
    """How many boosting rounds a model holds. Raises `ArraysError` (`booster.malformed`)."""
    return len(_read(document).ends) if document else 0


class Forest:
    """A model to which each site's trees are added, their leaves counting for the site's share of all weights.

    So what all sites add to a prediction is the mean by weight of what each would add. Reads every document once.
    """

    def __init__(self, model: bytes) -> None:
        self._model = _read(model) if model else None
        self._grown: list[tuple[float, _Document]] = []

    @property
    def weight(self) -> float:
        """Of all that was added."""
        return sum(weight for weight, _ in self._grown)

    def add(self, weight: float, trees: bytes) -> None:
        """Take one site's trees, unless they weigh nothing. Raises `ArraysError`, and leaves them out: `booster.malformed`, and
        `booster.other-kind` when they are for another objective, number of columns or base score than what is there."""
        part = _read(trees)
        first = self._model or (self._grown[0][1] if self._grown else part)
        first.check_kind(part)
        if weight > 0:
            self._grown.append((weight, part))

    def finish(self) -> bytes:
        """The whole model; there is at least one tree. The forest is spent."""
        total = self.weight
        for weight, part in self._grown:
            part.scale(weight / total)
        whole, *rest = [*filter(None, [self._model]), *(part for _, part in self._grown)]
        for part in rest:
            whole.append(part)
        return whole.written()


class _Document:
    """A model that was read: its trees, apart from the rest."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document, learner = document, document["learner"]
        model = learner["gradient_booster"]["model"]
        self._model, self.columns = model, int(learner["learner_model_param"]["num_feature"])
        self.trees: list[dict[str, Any]] = model["trees"]
        self.classes: list[int] = model["tree_info"]
        self.ends: list[int] = model["iteration_indptr"][1:]  # of each round, in trees
        if learner["gradient_booster"]["name"] != "gbtree":
            raise ValueError("only trees (booster=gbtree) can be merged")
        if len(self.classes) != len(self.trees) or (self.ends[-1:] or [0]) != [len(self.trees)]:
            raise ValueError("its numbers of trees contradict each other")
        for tree in self.trees:
            _check(tree, self.columns)

    @property
    def kind(self) -> dict[str, Any]:
        """What must be the same in all models that become one."""
        learner = self._document["learner"]
        kept = {
            n: learner[n]
            for n in ("learner_model_param", "objective", "feature_names", "feature_types")
            if n in learner
        }
        return {
            **kept,
            "cats": self._model.get("cats"),
            "trees": self._model["gbtree_model_param"]["num_parallel_tree"],
        }

    def scale(self, share: float) -> None:
        """Make every leaf count for a part; in float32, which XGBoost computes in."""
        for tree in self.trees:
            for node, child in enumerate(tree["left_children"]):
                if child == -1:
                    tree["split_conditions"][node] = float(np.float32(tree["split_conditions"][node] * share))
            tree["base_weights"] = [float(np.float32(w * share)) for w in tree["base_weights"]]

    def check_kind(self, other: _Document) -> None:
        """Refuse one that can't be a part of this."""
        if other.kind != self.kind:
            odd = [n for n, v in self.kind.items() if other.kind.get(n) != v]
            raise ArraysError(
                "booster.other-kind",
                f"trees of different kinds don't make one model: {odd[0]} is {other.kind[odd[0]]!s:.200}, and {self.kind[odd[0]]!s:.200}",
                "give all nodes the same parameters, base_score too, and the same columns",
            )

    def append(self, other: _Document) -> None:
        self.ends += [len(self.trees) + end for end in other.ends]
        self.trees += other.trees
        self.classes += other.classes

    def written(self) -> bytes:
        for number, tree in enumerate(self.trees):
            tree["id"] = number
        self._model["iteration_indptr"] = [0, *self.ends]
        self._model["gbtree_model_param"]["num_trees"] = str(len(self.trees))
        return msgspec.json.encode(self._document)


def _read(document: bytes) -> _Document:
    try:
        return _Document(msgspec.json.decode(document))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, *UNREADABLE) as error:
        raise _malformed(f"{error}") from error


def _check(tree: dict[str, Any], columns: int) -> None:
    """Refuse a tree that would lead a reader out of its arrays, or round in circles."""
    nodes = int(tree["tree_param"]["num_nodes"])
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise ValueError("trees with vectors for leaves (multi_output_tree) can't be merged")
    if nodes < 1 or any(len(tree[name]) != nodes for name in _PER_NODE):
        raise ValueError("a tree's arrays differ in length")
    for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
        leaf = left == -1 and right == -1
        if not leaf and not (node < left < nodes and node < right < nodes):
            raise ValueError("a tree's branches lead nowhere")
    if not all(0 <= column < columns for column in tree["split_indices"]):
        raise ValueError("a tree asks for a column that isn't there")


def _malformed(why: str) -> ArraysError:
    mend = "take it with atoll.xgboost.get_arrays"
    return ArraysError("booster.malformed", f"this is no model of XGBoost in JSON: {why}", mend)
