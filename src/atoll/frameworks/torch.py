"""Models in torch: a module's parameters and buffers, or any mapping from names to tensors.

Doesn't know what the model computes, on which device it lies, or who trains it.

Names are those of `state_dict()`, in its order. Tied weights keep all their names and share one array: what is saved
loads anywhere with `strict=True`, and takes the memory of one.

Persistent buffers travel as parameters do, in their own dtype: BatchNorm's running statistics, and its counter, an int64. What
methods make of them is theirs to say (the mean of variances is not the variance of all rows: see FedBN, which keeps them at
home). Buffers that aren't persistent stay, and extra state that is no tensor is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from atoll.frameworks._match import Kind, must_match, some
from atoll.values import Array, Arrays, ArraysError

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "atoll.torch needs torch; install it: pip install torch", name="torch"
    ) from None

__all__ = ["get_arrays", "set_arrays"]

Model: TypeAlias = "nn.Module | Mapping[str, Tensor]"

# numpy lacks these: they are read as integers of their width, and named by `ml_dtypes`
_EXTENDED = {
    torch.bfloat16: ("bfloat16", torch.int16),
    torch.float8_e5m2: ("float8_e5m2", torch.uint8),
    torch.float8_e4m3fn: ("float8_e4m3fn", torch.uint8),
}
_PLAIN = {
    getattr(torch, name): np.dtype(name)
    for name in (
        "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
        "float16", "float32", "float64", "complex64",
    )
    if hasattr(torch, name)
}  # fmt: skip


def get_arrays(model: Model, *, trainable_only: bool = False) -> Arrays:
    """Copies of a model's tensors, by name and to the bit: what the model does next doesn't change them.

    Buffers are among them, as `state_dict()` has it; `trainable_only` leaves out buffers and frozen parameters.
    Raises `ArraysError` (`arrays.bad-dtype`, `arrays.not-a-tensor`).
    """
    tensors = _tensors(model, trainable_only)
    kinds = {name: _kind(name, tensor) for name, tensor in tensors.items()}
    firsts = _firsts(tensors)
    taken: dict[str, Array] = {}
    for name, first in firsts.items():
        taken[name] = _copied(tensors[name], *kinds[name]) if first == name else taken[first]
    return Arrays(taken)


def set_arrays(model: Model, arrays: Mapping[str, Array], *, trainable_only: bool = False) -> None:
    """Write arrays into a model's tensors, in place, wherever they lie; optimizers and views go on working.

    Nothing is written unless all names, shapes and dtypes fit; autograd doesn't see it. `trainable_only` leaves
    buffers and frozen parameters as they are, and expects no arrays for them.
    Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`, `arrays.not-tied`, `arrays.not-set`).
    """
    tensors = _tensors(model, trainable_only)
    must_match({name: _kind(name, t) for name, t in tensors.items()}, arrays, holder="module")
    if isinstance(model, nn.Module):
        _must_be_own(model, tensors)
    firsts = _firsts(tensors)
    _must_agree({name: first for name, first in firsts.items() if first != name}, arrays)
    for name, first in firsts.items():
        if first == name:
            _write(tensors[name], arrays[name])


def _tensors(model: Model, trainable_only: bool) -> dict[str, Tensor]:
    held: Mapping[str, Any] = model.state_dict(keep_vars=True) if isinstance(model, nn.Module) else model
    for name, value in held.items():
        if not isinstance(value, Tensor):
            message = f"`{name}` is a {type(value).__name__}, not a tensor, and doesn't travel"
            raise ArraysError("arrays.not-a-tensor", message, "hand in a mapping of the tensors that do")
    return {n: t for n, t in held.items() if t.requires_grad or not trainable_only}


def _kind(name: str, tensor: Tensor) -> Kind:
    dtype = _PLAIN.get(tensor.dtype)
    if dtype is None and tensor.dtype in _EXTENDED:
        import ml_dtypes

        dtype = np.dtype(getattr(ml_dtypes, _EXTENDED[tensor.dtype][0]))
    if dtype is None or tensor.layout is not torch.strided or tensor.is_meta:
        how = "meta" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
        raise ArraysError(
            "arrays.bad-dtype",
            f"tensor `{name}` ({tensor.dtype}, {how}) does not travel",
            "convert it to a dense tensor of a dtype that safetensors knows",
        )
    return tuple(tensor.shape), dtype


def _copied(tensor: Tensor, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    copy = np.empty(shape, dtype)
    _into(copy, tensor.detach())
    copy.flags.writeable = False
    return copy


def _into(copy: Array, tensor: Tensor) -> None:
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    bits = _numpy(tensor.cpu() if tensor.device.type != "cpu" else tensor)
    np.copyto(copy.view(bits.dtype), bits)


def _write(tensor: Tensor, array: Array) -> None:
    target = tensor.detach()
    if target.device.type == "cpu" and not target.is_conj() and not target.is_neg():
        bits = _numpy(target)
        np.copyto(bits, array.view(bits.dtype))
        return
    staged = torch.empty(target.shape, dtype=target.dtype)  # torch takes no read-only array without a warning
    _write(staged, array)
    with torch.no_grad():
        target.copy_(staged)


def _numpy(tensor: Tensor) -> Array:
    """A CPU tensor's own memory as an array; of integers, where numpy lacks the dtype."""
    extended = _EXTENDED.get(tensor.dtype)
    array: Array = (tensor.view(extended[1]) if extended else tensor).numpy()
    return array


def _firsts(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each name the first one that has the same memory, seen the same way: its own, unless weights are tied."""
    if len({t.data_ptr() for t in tensors.values()}) == len(tensors):
        return {name: name for name in tensors}
    seen: dict[Any, str] = {}
    return {name: seen.setdefault(_place(t), name) for name, t in tensors.items()}


def _place(tensor: Tensor) -> Any:
    if not tensor.numel():
        return id(tensor)  # an empty tensor shares with nobody
    return (
        tensor.data_ptr(),
        tensor.device,
        tensor.dtype,
        tensor.shape,
        tensor.stride(),
        tensor.is_conj(),
        tensor.is_neg(),
    )


def _must_agree(tied: Mapping[str, str], arrays: Mapping[str, Array]) -> None:
    apart = [
        f"`{name}` and `{first}`"
        for name, first in tied.items()
        if arrays[name] is not arrays[first] and arrays[name].tobytes() != arrays[first].tobytes()
    ]
    if apart:
        message = f"the module has one tensor for {some(apart, plain=True)}, the arrays have different ones"
        raise ArraysError("arrays.not-tied", message, "make them equal, or untie the module's weights")


def _must_be_own(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Refuse what a module's `state_dict` makes up on the fly: writing there would change nothing."""
    own: set[int] = set()
    for part in module.modules():
        own.update(map(id, part._parameters.values()))
        own.update(map(id, part._buffers.values()))
    foreign = [name for name, t in tensors.items() if id(t) not in own]
    if foreign:
        message = f"the module's state_dict makes up {some(foreign)}: writing there would change nothing"
        raise ArraysError("arrays.not-set", message, "use the module's own load_state_dict")
