"""What methods add to a torch module's loss or gradients.

Doesn't know which method asks, or what the module computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from atoll.frameworks._match import some
from atoll.frameworks.torch import set_arrays
from atoll.values import Array, Arrays, ArraysError

# A module is asked for its term once a batch, and stays: the tensors that it is held against are made once a model.
_held: WeakKeyDictionary[nn.Module, tuple[Arrays, dict[str, Tensor]]] = WeakKeyDictionary()


def proximal(net: nn.Module, model: Mapping[str, Array], mu: float) -> Tensor:
    """mu/2 ||w - w_model||^2 over the module's trainable parameters, to be added to the loss; a 0-d tensor on their device.

    FedProx (arXiv:1812.06127, equation 2), and the own model's term in Ditto. `model` is what `get_arrays` gives, or the
    model that a task brought; its other arrays are passed over. Raises `ArraysError` (`arrays.other-names`,
    `arrays.other-shape`, `arrays.other-dtype`).
    """
    anchors = _anchors(net, model)
    away = [torch.sum((_wide(p) - _wide(anchors[n])).abs() ** 2) for n, p in _trainable(net).items()]
    return mu / 2 * torch.stack([a.to(away[0]) for a in away]).sum() if away else torch.zeros(())


def add_to_gradients(net: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Add arrays to the gradients of the parameters of the same names; call it between `backward()` and `step()`.

    A trainable parameter without a gradient gets one. Arrays of buffers and of frozen parameters are passed over.
    SCAFFOLD (`half.correction`) and FedDyn (`half.linear`) are made of it.
    Raises `ArraysError` (`arrays.other-names`: the module has none of that name; `arrays.other-shape`).
    """
    parameters, known = _trainable(net), net.state_dict()
    if strange := [n for n in arrays if n not in known]:
        raise ArraysError(
            "arrays.other-names", f"the module has no {some(strange)}", "take the names from get_arrays"
        )
    for name, parameter in parameters.items():
        if name in arrays:
            _add(name, parameter, arrays[name])


def _add(name: str, parameter: Tensor, array: Array) -> None:
    if array.shape != tuple(parameter.shape):
        message = f"`{name}` is {array.shape}, the module's {tuple(parameter.shape)}"
        raise ArraysError("arrays.other-shape", message, "take the arrays from this module")
    term = _tensor(array).to(device=parameter.device, dtype=parameter.dtype)
    if parameter.grad is None:
        parameter.grad = term
    else:
        parameter.grad.add_(term)


def _tensor(array: Array) -> Tensor:
    """A copy, as torch takes no read-only array without a warning; narrow floats as float32, which holds them all."""
    own = array.dtype.kind in "fc" and array.dtype.itemsize >= 4
    return torch.from_numpy(np.array(array, dtype=None if own else np.float32, order="C"))


def _anchors(net: nn.Module, model: Mapping[str, Array]) -> dict[str, Tensor]:
    parameters = _trainable(net)
    held = _held.get(net)
    if held is not None and held[0] is model and held[1].keys() == parameters.keys():
        return held[1]
    if missing := [n for n in parameters if n not in model]:
        mend = "take it from this module, with get_arrays"
        raise ArraysError("arrays.other-names", f"the model lacks {some(missing)}", mend)
    anchors = {n: torch.empty_like(p, requires_grad=False) for n, p in parameters.items()}
    set_arrays(anchors, {n: model[n] for n in parameters})
    if isinstance(model, Arrays):  # nothing else is sure to stay as it is
        _held[net] = model, anchors
    return anchors


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _trainable(net: nn.Module) -> dict[str, Tensor]:
    return {n: p for n, p in net.named_parameters() if p.requires_grad}
