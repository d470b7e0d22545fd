"""Models of transformers: their parameters and buffers, named as `save_pretrained` names them.

Doesn't know the task or the tokenizer. To begin with a model that lies on disk, take its arrays after `from_pretrained`.

Tied weights have one name, where `atoll.torch` keeps all of them: they are averaged once, count once in a norm, and what a
run gives is the `model.safetensors` that `from_pretrained` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.frameworks import torch
from atoll.values import Array, Arrays, ArraysError

try:
    from transformers import PreTrainedModel
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise ModuleNotFoundError(
        "atoll.transformers needs transformers; install it: pip install 'atoll[transformers]'",
        name="transformers",
    ) from None

__all__ = ["get_arrays", "set_arrays"]


def get_arrays(model: PreTrainedModel, *, trainable_only: bool = False) -> Arrays:
    """Copies of a model's tensors, by name and to the bit; `trainable_only` leaves out buffers and frozen parameters.

    Raises `ArraysError` (`arrays.bad-dtype`, `arrays.not-a-tensor`).
    """
    return torch.get_arrays(_tensors(model), trainable_only=trainable_only)


def set_arrays(model: PreTrainedModel, arrays: Mapping[str, Array], *, trainable_only: bool = False) -> None:
    """Write arrays into a model's tensors, in place; what is tied stays tied.

    Nothing is written unless all names, shapes and dtypes fit; `trainable_only` leaves buffers and frozen parameters as
    they are. Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`).
    """
    torch.set_arrays(_tensors(model), arrays, trainable_only=trainable_only)


def _tensors(model: Any) -> dict[str, Any]:
    if not isinstance(model, PreTrainedModel):
        message = f"a {type(model).__name__} is no model of transformers"
        raise ArraysError("arrays.not-a-tensor", message, "use atoll.torch for other modules")
    state = model.state_dict(keep_vars=True)
    tied = {
        name for name, first in model.all_tied_weights_keys.items() if state.get(name) is state.get(first)
    }
    return {name: tensor for name, tensor in state.items() if name not in tied}
