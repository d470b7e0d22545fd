"""Arrays keep what they are given, byte for byte, in memory and through files."""

from __future__ import annotations

import mmap
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy as library
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors import safe_open

from atoll import Arrays
from atoll.values import ArraysError, map_file

PLAIN = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
]
EXTENDED = (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn)
EVERY = [*map(np.dtype, PLAIN), *map(np.dtype, EXTENDED)]
SHAPES = [(), (0,), (3,), (2, 3), (4, 0, 2), (1, 1, 1, 5)]
NAMES = ["", "/", "a/b", "weights.0", "ünïcödé", "层.0", "🏝", "a\nb", 'quote"d', "\0", "@plain", " "]


def numbers(dtype: np.dtype, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)


@pytest.mark.parametrize("dtype", EVERY, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_dtype_and_shape_survives_a_file(
    tmp_path: Path, dtype: np.dtype, shape: tuple[int, ...]
) -> None:
    original = numbers(dtype, shape)
    Arrays(x=original).save(tmp_path / "a.safetensors")
    loaded = Arrays.load(tmp_path / "a.safetensors")["x"]
    assert (loaded.dtype, loaded.shape) == (dtype, shape)
    assert loaded.tobytes() == original.tobytes()


def test_every_name_survives_a_file_in_its_order(tmp_path: Path) -> None:
    given_arrays = Arrays({name: np.full(i, i) for i, name in enumerate(NAMES)})
    given_arrays.save(tmp_path / "a.safetensors")
    loaded = Arrays.load(tmp_path / "a.safetensors")
    assert list(loaded) == NAMES
    assert loaded == given_arrays


@pytest.mark.parametrize("name", ["__metadata__", 3, None, "half a pair \ud800"])
def test_a_name_that_cannot_be_written_is_refused_at_once(name: object) -> None:
    with pytest.raises(ArraysError) as refused:
        Arrays({name: np.zeros(1)})  # type: ignore[dict-item]
    assert refused.value.code == "arrays.bad-name"


@pytest.mark.parametrize(
    "value",
    [np.array(["text"]), np.array([object()]), np.zeros(2, "complex128"), np.zeros(2, "datetime64[s]"),
     np.zeros(2, [("a", "f4")]), "text", None],
    ids=lambda v: str(getattr(v, "dtype", v)),
)  # fmt: skip
def test_a_dtype_that_does_not_travel_is_refused_with_those_that_do(value: object) -> None:
    with pytest.raises(ArraysError, match="x") as refused:
        Arrays(x=value)
    assert refused.value.code == "arrays.bad-dtype"
    assert "float32" in refused.value.mend


def test_more_dimensions_than_a_reader_takes_are_refused() -> None:
    if int(np.__version__.split(".")[0]) < 2:
        pytest.skip("this numpy has no arrays of more dimensions")
    with pytest.raises(ArraysError) as refused:
        Arrays(x=np.zeros((1,) * 33))
    assert refused.value.code == "arrays.too-large"


def test_big_endian_and_strided_input_is_made_portable_without_changing_a_number() -> None:
    big, strided = np.arange(6, dtype=">f4"), np.arange(24.0).reshape(4, 6)[::2, ::-3]
    found = Arrays(big=big, strided=strided, fortran=np.asfortranarray(np.ones((2, 3))))
    assert found["big"].dtype.byteorder != ">"
    assert all(a.flags.c_contiguous for a in found.values())
    np.testing.assert_array_equal(found["big"], big)
    np.testing.assert_array_equal(found["strided"], strided)


def test_numbers_and_lists_become_arrays_and_subclasses_plain_ones() -> None:
    found = Arrays(zero=1.5, row=[1, 2], matrix=np.ma.masked_array([1.0, 2.0], [True, False]))
    assert (found["zero"].shape, found["row"].tolist()) == ((), [1, 2])
    assert all(type(a) is np.ndarray for a in found.values())


def test_nothing_can_be_written_to_and_the_original_stays_writable() -> None:
    original = np.zeros(3)
    found = Arrays(x=original)
    with pytest.raises(ValueError, match="read-only"):
        found["x"][0] = 1
    original[0] = 1
    assert found["x"][0] == 1, "contiguous input is not copied"


def test_what_is_settled_no_longer_follows_the_original() -> None:
    original = np.zeros(3)
    settled = Arrays(x=original[:2], y=original).settled()
    original[:] = 1
    assert not settled["x"].any()
    assert not settled["y"].any()


def test_a_copy_is_writable_and_apart() -> None:
    found = Arrays(x=np.zeros(2))
    found.copy()["x"][0] = 7
    assert found["x"][0] == 0


def test_equal_means_the_same_bits_names_and_order() -> None:
    one = Arrays(a=np.float32([1, np.nan]), b=np.int8(1))
    assert one == Arrays(a=np.float32([1, np.nan]), b=np.int8(1))
    assert hash(one) == hash(Arrays(a=np.float32([1, np.nan]), b=np.int8(1)))
    assert one != Arrays(b=np.int8(1), a=np.float32([1, np.nan])), "another order"
    assert one != Arrays(a=np.float64([1, np.nan]), b=np.int8(1)), "another dtype"
    assert one != Arrays(a=np.float32([[1, np.nan]]), b=np.int8(1)), "another shape"
    assert Arrays(z=0.0) != Arrays(z=-0.0), "another bit"
    assert one != {"a": 1}


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    found = Arrays(a=np.arange(5), b=np.float32(2), c=np.zeros((0, 3)))
    found.save(tmp_path / "a.safetensors")
    written = (tmp_path / "a.safetensors").read_bytes()
    assert found.digest == f"sha256:{hashlib.sha256(written).hexdigest()}"
    assert Arrays.load(tmp_path / "a.safetensors").digest == found.digest
    assert found.layout.size == len(written)


@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda n: n != "__metadata__"),
        arrays_of.arrays(
            st.sampled_from(list(map(np.dtype, PLAIN[:12]))), arrays_of.array_shapes(min_dims=0, min_side=0)
        ),
        max_size=5,
    )
)
def test_the_safetensors_library_reads_what_atoll_writes(
    tmp_path_factory: pytest.TempPathFactory, named: dict
) -> None:
    path = tmp_path_factory.mktemp("library") / "a.safetensors"
    Arrays(named).save(path)
    theirs = library.load_file(path)
    assert theirs.keys() == named.keys()
    assert all(theirs[n].tobytes() == a.tobytes() and theirs[n].shape == a.shape for n, a in named.items())
    library.save_file(theirs, path, metadata={"from": "the library"})
    ours, metadata = map_file(path)
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in ours.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in named.items()
    }
    assert metadata == {"from": "the library"}


def test_the_library_reads_bfloat16_and_the_eight_bit_floats(tmp_path: Path) -> None:
    given_arrays = Arrays({str(np.dtype(t)): numbers(np.dtype(t), (3, 2)) for t in EXTENDED})
    given_arrays.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "np") as opened:
        assert {opened.get_slice(n).get_dtype() for n in opened.keys()} == {"BF16", "F8_E5M2", "F8_E4M3"}  # noqa: SIM118


def test_each_array_lies_aligned_whatever_stands_before_it(tmp_path: Path) -> None:
    Arrays(flag=np.ones(3, bool), wide=np.ones(2), half=np.ones(5, "f2")).save(tmp_path / "a.safetensors")
    assert all(a.flags.aligned for a in Arrays.load(tmp_path / "a.safetensors").values())


def test_a_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    size = 1 << 28
    Arrays(x=np.ones(8)).save(tmp_path / "a.safetensors")
    text = b'{"x":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    with open(tmp_path / "sparse.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
    loaded = Arrays.load(tmp_path / "sparse.safetensors")
    base = loaded["x"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(getattr(base, "obj", base), mmap.mmap)
    assert not loaded["x"].flags.writeable


def test_a_mapped_file_may_be_deleted_while_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    Arrays(x=np.arange(1000)).save(path)
    loaded = Arrays.load(path)
    path.unlink()
    assert loaded["x"].sum() == 499_500


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    Arrays(x=1).save(path)
    before = path.read_bytes()
    with pytest.raises(OSError):
        Arrays(x=2).save(path / "below")
    with pytest.raises(OSError):
        Arrays(x=2).save(tmp_path / ("n" * 240 + ".safetensors"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_difference_is_told_in_words() -> None:
    one = Arrays(a=np.zeros((2, 3), "f4"), b=np.zeros(1, "f4"))
    assert one.difference(one) is None
    assert one.difference(Arrays(b=one["b"], a=one["a"])) is None, "order is no difference"
    assert one.difference(Arrays(a=one["a"])) == "missing `b`"
    assert one.difference(Arrays(a=one["a"], b=one["b"], c=1)) == "unexpected `c`"
    assert "shape (3, 2), not (2, 3)" in str(one.difference(Arrays(a=np.zeros((3, 2), "f4"), b=one["b"])))
    assert "dtype float64, not float32" in str(one.difference(Arrays(a=np.zeros((2, 3)), b=one["b"])))


def test_map_takes_the_arrays_of_one_name_together() -> None:
    one, other = Arrays(a=[1, 2], b=[3]), Arrays(b=[1], a=[1, 1])
    assert one.map(np.subtract, other) == Arrays(a=[0, 1], b=[2])
