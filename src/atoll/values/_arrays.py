"""Arrays: named n-dimensional arrays, immutable; a model or an update.

Doesn't know what the numbers mean, or which framework made them.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from atoll.values._dtypes import portable
from atoll.values._errors import ArraysError
from atoll.values._names import is_text

if TYPE_CHECKING:
    from atoll.values._safetensors import Layout

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

RESERVED = "__metadata__"  # the one name that the safetensors format keeps for itself


class Arrays(Mapping[str, Array]):
    """An immutable mapping from names to read-only numpy arrays, in the order given.

    Every dtype that safetensors knows is kept as it is: bool, (u)int8-64, float16-64, complex64, and, from
    `ml_dtypes`, bfloat16 and the 8-bit floats; any shape (0-d and empty too) and any name. No array is copied
    when it is contiguous and little-endian already, so whoever passes an array that goes on changing copies it first.

    Raises `ArraysError` (`arrays.bad-dtype`, `arrays.bad-name`).
    """

    __slots__ = ("_arrays", "_digest", "_layout", "_owner")

    def __init__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        both = {**(arrays or {}), **named}
        self._arrays: dict[str, Array] = {_name(n): _readonly(portable(n, a)) for n, a in both.items()}
        self._digest: str | None = None
        self._layout: Layout | None = None
        self._owner: object = None

    @classmethod
    def trusted(cls, arrays: dict[str, Array], *, digest: str | None = None, owner: object = None) -> Arrays:
        """Wrap arrays that are read-only, contiguous and of a known dtype already; nothing is checked.

        `owner` is kept alive as long as the arrays are (a mapped file, say).
        """
        self = cls.__new__(cls)
        self._arrays, self._digest, self._owner, self._layout = arrays, digest, owner, None
        return self

    # -- a mapping -----------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def keys(self) -> KeysView[str]:
        return self._arrays.keys()

    def items(self) -> ItemsView[str, Array]:
        return self._arrays.items()

    def values(self) -> ValuesView[Array]:
        return self._arrays.values()

    def __eq__(self, other: object) -> bool:
        """The same names in the same order, dtypes, shapes and bits (NaN equals the same NaN)."""
        return isinstance(other, Arrays) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        rows = ", ".join(f"{n}: {a.dtype}{list(a.shape)}" for n, a in list(self._arrays.items())[:4])
        more = f", ... {len(self)} in all" if len(self) > 4 else ""
        return f"Arrays({rows}{more}; {self.nbytes:,} bytes)"

    # -- what they are -------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(a.nbytes for a in self._arrays.values())

    @property
    def layout(self) -> Layout:
        """Where each array lies in the safetensors file of these arrays."""
        if self._layout is None:
            from atoll.values._safetensors import plan

            self._layout = plan(self._arrays)
        return self._layout

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the safetensors file that `save` writes: the name of these arrays anywhere."""
        if self._digest is None:
            from atoll.values._safetensors import digest

            self._digest = digest(self.layout, self._arrays)
        return self._digest

    def difference(self, other: Arrays) -> str | None:
        """How another set of arrays differs in names, shapes or dtypes, in words; None when it doesn't."""
        mine, theirs = self._arrays, other._arrays
        if mine.keys() != theirs.keys():
            missing, extra = sorted(mine.keys() - theirs.keys()), sorted(theirs.keys() - mine.keys())
            said = [f"missing {_some(missing)}"] * bool(missing) + [f"unexpected {_some(extra)}"] * bool(
                extra
            )
            return "; ".join(said)
        for name, a in mine.items():
            b = theirs[name]
            if a.shape != b.shape:
                return f"`{name}` has shape {b.shape}, not {a.shape}"
            if a.dtype != b.dtype:
                return f"`{name}` has dtype {b.dtype}, not {a.dtype}"
        return None

    @property
    def owner(self) -> object:
        """What holds the memory of arrays that are views of one buffer, a mapped file for example; None otherwise."""
        return self._owner

    # -- new ones from old ---------------------------------------------------------------------------------

    def map(self, function: Callable[..., Any], *others: Arrays) -> Arrays:
        """`function(array, *others' arrays of that name)` for each name, e.g. `a.map(np.subtract, b)`."""
        return Arrays({n: function(a, *(o[n] for o in others)) for n, a in self._arrays.items()})

    def settled(self) -> Arrays:
        """These arrays, with copies of those that somebody else may still change: safe to be read later, by another thread."""
        for array in self._arrays.values():
            if array.base is not None and _may_change(array):
                return Arrays.trusted({n: _readonly(a.copy()) for n, a in self._arrays.items()})
        return self

    def copy(self) -> dict[str, Array]:
        """A plain dictionary of fresh, writable arrays."""
        return {n: a.copy() for n, a in self._arrays.items()}

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, streamed: no second copy in memory; the file is whole or not there.

        Raises `OSError` when the disk is full or the folder is missing.
        """
        from atoll.values._safetensors import write_file

        write_file(Path(path), self)

    @classmethod
    def load(cls, path: str | Path) -> Arrays:
        """Map a safetensors file into memory: nothing is read until it is touched.

        Raises `ArraysError` (`arrays.malformed`, `arrays.too-large`) for a file that is not what it claims,
        and `FileNotFoundError`.
        """
        from atoll.values._safetensors import map_file

        return map_file(Path(path))[0]


def _name(name: object) -> str:
    if not isinstance(name, str) or name == RESERVED or not is_text(name):
        raise ArraysError(
            "arrays.bad-name",
            f"an array can't be named {name!r:.80}: names are texts, and {RESERVED} belongs to the safetensors format",
            "rename the array",
        )
    return name


def _readonly(array: Array) -> Array:
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _may_change(array: Array) -> bool:
    """Whether the memory behind a read-only view is writable, and anything but the view holds on to it."""
    owner = array.base
    if not isinstance(owner, np.ndarray):
        return not isinstance(owner, bytes | mmap.mmap)
    return owner.flags.writeable and sys.getrefcount(owner) > 3  # the view, `owner`, the call itself


def _some(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
