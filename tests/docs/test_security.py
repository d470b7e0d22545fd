"""What docs/design/security.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atoll.service.guard import _guard, _orders, _rosters

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design" / "security.md").read_text()


def rows() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line[:2] == "| "
    ]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z]+/)+_?[a-z_]+\.(?:py|md))`", PAGE))))
def test_every_file_that_it_names_exists(path: str):
    places = [ROOT / "src" / "atoll" / path, ROOT / "tests" / path, ROOT / path]
    assert any(place.is_file() for place in places)


def test_every_promise_names_what_keeps_it_and_a_test_that_shows_it():
    promises = [row for row in rows() if len(row) == 3 and row[0] != "promise"]
    assert len(promises) > 30
    assert all(by and shown for _, by, shown in promises)


def test_every_rule_of_the_guard_stands_there_and_no_other():
    named = {rule for row in rows() if len(row) == 2 for rule in re.findall(r"`([a-z]+)`", row[0])} - {"rule"}
    code = "".join(Path(str(module.__file__)).read_text() for module in (_guard, _orders, _rosters))
    raised = set(re.findall(r'Objection\(\s*"([a-z]+)"', code)) | {"signature"}
    assert named == raised
