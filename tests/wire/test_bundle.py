"""A bundle is the same wherever it is packed, and nothing that comes out of one lands where it shouldn't."""

from __future__ import annotations

import hashlib
import os
import random
import shutil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll._version import __version__
from atoll.values import AtollError, ConfigError
from atoll.wire import extract, pack_bundle, read_bundle
from atoll.wire._bundle import _FIRST, MAX_BYTES, MAX_FILES, Entry
from atoll.wire._filenames import objections
from atoll.wire._versions import satisfies


def write(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    return folder


def forged(files, *, requires="", sizes=None, hashes=None, order=None, tail=b""):
    """A bundle as an enemy would write it."""
    entries = [
        Entry(p, (sizes or {}).get(p, len(b)), (hashes or {}).get(p, hashlib.sha256(b).hexdigest()))
        for p, b in files
    ]
    header = msgspec.json.encode({"requires": requires, "files": entries})
    return b"".join([_FIRST, len(header).to_bytes(4, "little"), header, *(b for _, b in files), tail])


def code(function, *args):
    with pytest.raises(AtollError) as caught:
        function(*args)
    return caught.value.code


APP = {
    "pyproject.toml": "[project]\nname='a'\n",
    "app/__init__.py": "",
    "app/client.py": "x = 1\n",
    "data/é.csv": "a,b\n",
}


def test_what_is_packed_comes_out_again(tmp_path):
    bundle = pack_bundle(write(tmp_path / "a", APP))
    extract(bundle.body, tmp_path / "out")
    found = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_text(encoding="utf-8")
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    assert found == APP
    assert read_bundle(bundle.body) == bundle


def test_a_bundle_depends_on_names_and_contents_alone(tmp_path):
    first = pack_bundle(write(tmp_path / "a", APP))
    second = write(tmp_path / "b", dict(random.Random(3).sample(sorted(APP.items()), len(APP))))
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
        if path.is_file():
            path.chmod(0o600)
    assert pack_bundle(second) == first
    assert first.digest == f"sha256:{hashlib.sha256(first.body).hexdigest()}"
    (second / "app" / "client.py").write_bytes(b"x = 2\n")
    assert pack_bundle(second).digest != first.digest


def test_what_is_hidden_or_made_by_tools_stays_behind(tmp_path):
    left = [".git/config", ".env", "app/.secret", "app/__pycache__/a.pyc", "app/b.pyc", "a.egg-info/x", "venv/pyvenv.cfg", "venv/bin/python",
            "model.safetensors", "node_modules/x.js"]  # fmt: skip
    folder = write(tmp_path, {**APP, **dict.fromkeys(left, "?"), "app/weights.safetensors": "w"})
    assert [e.path for e in pack_bundle(folder).files] == sorted([*APP, "app/weights.safetensors"])


def test_a_project_leaves_out_what_it_wants(tmp_path):
    project = "[tool.atoll]\nexclude = ['data', 'app/*.txt']\n"
    folder = write(tmp_path, {**APP, "pyproject.toml": project, "app/notes.txt": "", "notes.txt": ""})
    assert [e.path for e in pack_bundle(folder).files] == [
        "app/__init__.py",
        "app/client.py",
        "notes.txt",
        "pyproject.toml",
    ]


@pytest.mark.skipif(os.name == "nt", reason="links are a privilege")
@pytest.mark.parametrize("target", ["/etc/passwd", "app", "app/client.py", "nowhere"])
def test_a_link_is_not_packed(tmp_path, target):
    (write(tmp_path, APP) / "link").symlink_to(target)
    assert code(pack_bundle, tmp_path) == "bundle.link"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("name", ["nul.txt", "a:b", "App/client.py", "app/client.py.", "bad\udcffname"])
def test_a_name_that_not_every_system_has_is_not_packed(tmp_path, name):
    write(tmp_path, {**APP, name: ""})
    assert code(pack_bundle, tmp_path) == "bundle.bad-path"


def test_too_much_is_not_packed_and_the_largest_are_named(tmp_path):
    with open(write(tmp_path, APP) / "huge.bin", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigError, match=r"huge\.bin") as caught:
        pack_bundle(tmp_path)
    assert caught.value.code == "bundle.too-large"


HOSTILE = ["/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/.", "", "C:/x", "a\\b", "con", "a/NUL.txt", "COM1", "lpt9.log", "aux .txt",
           "a\x00b", "a\nb", "trailing.", "trailing ", "x" * 201, "/".join("a" * 40), "a/COM\N{SUPERSCRIPT ONE}.x", "~/x/..", "a:stream", "CONIN$"]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path, path):
    assert code(extract, forged([(path, b"x")]), tmp_path / "out") == "bundle.malformed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["A", "a"],
        ["Lib/x", "lib/y"],
        ["a", "a/b"],
        ["a/b", "a/b/c"],
        ["stra\u00dfe", "strasse"],
        ["e\u0301", "\u00e9"],
        ["b", "a"],
    ],
)
def test_two_files_in_one_place_are_refused(tmp_path, paths):
    assert code(extract, forged([(p, b"x") for p in paths]), tmp_path / "out") == "bundle.malformed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"PK\x03\x04", b"atoll bundle 1\n", _FIRST + b"\xff\xff\xff\xff{}", _FIRST + b"\x02\x00\x00\x00[]",
        forged([("a", b"x")], sizes={"a": 2}), forged([("a", b"x")], sizes={"a": 0}), forged([("a", b"x")], sizes={"a": -1}),
        forged([("a", b"x")], sizes={"a": 1 << 62}), forged([("a", b"xyz"), ("b", b"")], sizes={"a": 4, "b": -1}),
        forged([("a", b"x")], hashes={"a": "0" * 64}), forged([("a", b"x")], tail=b"y"), forged([(f"{n:05}", b"") for n in range(MAX_FILES + 1)]),
    ],
)  # fmt: skip
def test_a_bundle_that_is_not_what_it_claims_is_refused(tmp_path, body):
    assert code(extract, body, tmp_path / "out") == "bundle.malformed"
    assert list(tmp_path.iterdir()) == []


@given(st.data())
def test_no_damage_goes_unnoticed_or_does_harm(data):
    body = forged([("a/b", b"hello"), ("c", b"x" * 40)])
    at = data.draw(st.integers(0, len(body) - 1))
    damaged = bytearray(body)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read_bundle(bytes(damaged))
    except AtollError:
        return
    assert found.digest != read_bundle(body).digest  # another bundle, and a harmless one
    assert list(objections(e.path for e in found.files)) == []


def test_a_newer_format_is_named_as_such(tmp_path):
    assert code(read_bundle, b"atoll bundle 2\n????") == "bundle.newer"


def test_a_bundle_for_another_atoll_is_refused(tmp_path):
    project = "[project]\nname = 'a'\ndependencies = ['numpy', 'atoll[torch] >= 900, < 901; python_version > \"3\"']\n"
    bundle_of = write(tmp_path, {"pyproject.toml": project})
    assert pack_bundle(bundle_of).requires == ">=900,<901"
    assert code(read_bundle, pack_bundle(bundle_of).body) == "bundle.needs-atoll"


@pytest.mark.parametrize(
    ("dependency", "requires"),
    [("atoll", ""), ("atoll-tools>=3", ""), ("atoll~=0.1", "~=0.1"), ("atolls", "")],
)
def test_the_range_is_that_of_the_dependency_on_atoll(tmp_path, dependency, requires):
    write(tmp_path, {"pyproject.toml": f"[project]\nname = 'a'\ndependencies = ['{dependency}']\n"})
    assert pack_bundle(tmp_path).requires == requires


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    bundle = pack_bundle(write(tmp_path / "a", APP))
    write(tmp_path / "out", {"mine": "x"})
    with pytest.raises(OSError):
        extract(bundle.body, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    bundle = pack_bundle(write(tmp_path / "a", APP))
    monkeypatch.setattr(
        os, "rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError):
        extract(bundle.body, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_extracted_files_are_read_only_and_their_folders_can_be_removed(tmp_path):
    extract(pack_bundle(write(tmp_path / "a", APP)).body, tmp_path / "out")
    assert (tmp_path / "out" / "app" / "client.py").stat().st_mode & 0o222 == 0
    shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize(
    ("version", "range", "fits"),
    [
        ("1.2.3", "", True), ("1.2.3", ">=1.2", True), ("1.2.3", ">=1.3", False), ("1.2.3", "<2,>1", True), ("1.2", "==1.2.0", True),
        ("1.2.3", "==1.2.*", True), ("1.2.3", "!=1.2.*", False), ("1.2.3", "~=1.2", True), ("2.0", "~=1.2", False), ("1.3", "~=1.2.1", False),
        ("1.2.3", "!=1.2.3", False), ("1.2.3", "<=1.2.3", True), ("1.2.3", ">1.2.3", False), ("1.10", ">1.9", True), (__version__, "@ nonsense", True),
    ],
)  # fmt: skip
def test_versions_are_compared_as_releases(version, range, fits):
    assert satisfies(version, range) is fits
