"""The README and docs/ are true: every block of code runs, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
KNOWN = {"python", "bash", "toml", "json", "text"}  # text is output: shown, never run

_FENCE = re.compile(r"^ *```(?P<language>[^\s`]*)", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _without_code(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_of_a_page_runs(page, parse):
    if "torch" in page.name:
        pytest.importorskip("torch")
    for example in parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_says_what_it_is(page):
    opening = _FENCE.findall(page.read_text(encoding="utf-8"))[::2]
    assert set(opening) <= KNOWN


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page):
    for target in _LINK.findall(_without_code(page)):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if "://" in target:
            continue
        assert there.exists(), f"{_name(page)} links to {target}"
        assert not anchor or anchor in _anchors(there), f"{_name(page)} links to {target}"
