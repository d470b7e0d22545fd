"""What a worker tells of the data that it opens: what the node's owner allows, once, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from atoll.data import Table, fingerprint
from atoll.service.workshop._telling import Telling
from atoll.wire import DataSet

DATA = {"train": Table(x=np.arange(9.0))}


@pytest.mark.parametrize(
    ("tell", "salt", "told"),
    [
        ("names", b"s", DataSet("train")),
        ("rows", b"s", DataSet("train", 9)),
        ("fingerprints", b"s", DataSet("train", 9, f"salted-{fingerprint(DATA['train'], salt=b's')}")),
        ("fingerprints", b"", DataSet("train", 9)),  # never one that anybody could match
        ("nonsense", b"s", DataSet("train")),
    ],
)
def test_it_tells_what_is_allowed_and_no_more(tell, salt, told):
    assert Telling(tell, salt).more(DATA)[0] == [told]


def test_a_data_set_is_told_once_and_the_versions_with_the_first_answer():
    telling = Telling("rows", b"")
    first, versions = telling.more({})
    assert (first, {"atoll", "python", "numpy"} <= versions.keys()) == ([], True)
    assert telling.more(DATA) == ([DataSet("train", 9)], {})
    assert telling.more({**DATA, "test": []}) == ([DataSet("test", 0)], {})
    assert telling.more(DATA) == ([], {})
