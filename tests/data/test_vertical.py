"""Columns are dealt and rows stay aligned: each node knows something else about the same individuals."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll import ClientApp, ServerApp, Task, simulate
from atoll.data import Dataset, Subset, Table, Vertical, column_of, parse_partition, split
from atoll.journal import Created, SqliteJournal
from atoll.values import DataError

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=12, unique=True)


def table(names: list[str] | str, rows: int = 4) -> Table:
    return Table({name: np.arange(rows) + 10 * place for place, name in enumerate(names)})


@settings(deadline=None, max_examples=50)
@given(NAMES, st.integers(1, 12), st.integers(0, 2**70), st.data())
def test_each_column_is_dealt_once_and_the_same_again(
    names: list[str], nodes: int, seed: int, data: st.DataObject
) -> None:
    shared = data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    free = [name for name in names if name not in shared]
    rule = Vertical(shared=shared)
    if len(free) < nodes:
        with pytest.raises(DataError, match="one each"):
            rule.columns({"train": table(names)}, nodes, seed)
        return
    held = rule.columns({"train": table(names), "test": table(names, 2)}, nodes, seed)
    assert held == rule.columns({"train": table(names)}, nodes, seed)
    assert sorted(name for mine in held for name in mine if name not in shared) == sorted(free)
    assert all(list(mine[: len(shared)]) == shared for mine in held)
    sizes = [len(mine) for mine in held]
    assert max(sizes) - min(sizes) <= 1


def test_the_label_is_at_the_first_node_alone() -> None:
    held = Vertical(label="y").columns({"train": table("abcy")}, 3, 0)
    assert [mine[-1] == "y" for mine in held] == [True, False, False]
    everywhere = Vertical(shared=["y"]).columns({"train": table("abcy")}, 3, 0)
    assert all(mine[0] == "y" for mine in everywhere)


def test_sites_say_what_they_know_and_name_the_nodes() -> None:
    rule = Vertical({"bank": ["a"], "shop": ["b", "a"]}, shared=["id"], label="y")
    data = {"train": table(["id", "a", "b", "c", "y"], 6), "test": table(["y", "a", "b", "id"], 2)}
    dealt = split(data, rule, 2, 0)
    assert dealt.names == ("bank", "shop")
    assert dealt.columns == [("id", "a", "y"), ("id", "b", "a")]
    bank, shop = dealt.node(0), dealt.node(1)
    assert isinstance(bank["train"], Table)
    assert bank["train"].columns == ("id", "a", "y")
    assert (len(bank["train"]), len(shop["train"]), len(bank["test"])) == (6, 6, 2)
    assert bank["train"]["id"] is shop["train"]["id"] is data["train"]["id"]  # nothing is copied
    assert repr(dealt) == "Split(2 nodes: train 6 rows, test 2 rows)"


def test_what_cannot_be_dealt_is_refused() -> None:
    for rule, nodes, message in (
        (Vertical({"bank": ["a"]}), 2, "2 nodes, but the partition names 1 sites: bank"),
        (Vertical(), 4, "3 columns can't give 4 nodes one each"),
        (Vertical({"bank": ["nope"]}), 1, "data set `train`: there is no column `nope`"),
        (Vertical(label="nope"), 1, "data set `train`: there is no column `nope`"),
        (Vertical(), 0, "nodes = 0"),
        (Vertical({"bank": ["a"], "shop": []}), 2, "node 1 is given no column"),
    ):
        with pytest.raises(DataError, match=message):
            split({"train": table("abc")}, rule, nodes, 0)
    with pytest.raises(DataError, match="data set `test`: there is no column `c`"):
        split({"train": table("abc"), "test": table("ab")}, Vertical(), 2, 0)
    with pytest.raises(DataError, match=r"data set `train`: .*no named columns"):
        split({"train": [1, 2, 3]}, Vertical(), 1, 0)


def test_rows_that_are_mappings_are_narrowed_one_by_one() -> None:
    rows: list[Mapping[str, Any]] = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    for dataset in (rows, Subset(rows, [0, 1])):
        part = split({"train": dataset}, Vertical({"one": ["a", "c"]}), 1, 0).node(0)["train"]
        assert list(part) == [{"a": 1, "c": 3}, {"a": 4, "c": 6}]  # type: ignore[call-overload]
        assert part["c"].tolist() == [3, 6]
        assert repr(part) == "Columns(2 rows: a, c)"
        with pytest.raises(DataError, match="no column `b`"):
            part["b"]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_data_frame_stays_one(kind: str) -> None:
    frames = pytest.importorskip(kind)
    frame: Dataset = frames.DataFrame({"a": [1, 2], "b": [3, 4], "y": [0, 1]})
    part = split({"train": frame}, Vertical({"one": ["b"], "two": ["a"]}, label="y"), 2, 0).node(0)["train"]
    assert type(part) is type(frame)
    assert list(part.columns) == ["b", "y"]  # type: ignore[attr-defined]
    assert column_of(part, "b").tolist() == [3, 4]


def test_a_simulated_node_sees_its_own_columns() -> None:
    client, server = ClientApp(), ServerApp()
    seen: dict[str, Any] = {}

    @client.query
    def look(ctx: Any) -> dict[str, Any]:
        return {"columns": " ".join(ctx.data["train"].columns), "rows": len(ctx.data["train"])}

    @server.main
    def main(fleet: Any, ctx: Any) -> None:
        for reply in fleet.ask(Task("look")):
            seen[reply.node] = dict(reply.metrics)

    partition = {"by": "vertical", "label": "y", "sites": {"bank": ["a"], "shop": ["b", "c"]}}
    simulate(server, client, nodes=2, data={"train": table("abcy")}, partition=partition)
    assert seen == {"bank": {"columns": "a y", "rows": 4}, "shop": {"columns": "b c", "rows": 4}}


def test_a_run_remembers_how_its_data_was_dealt(tmp_path: Path) -> None:
    client, server = ClientApp(), ServerApp()

    @server.main
    def main(fleet: Any, ctx: Any) -> None:
        return None

    rule = Vertical({"bank": ["a"], "shop": ["b"]}, label="y")
    run = simulate(server, client, nodes=2, data={"train": table("aby")}, partition=rule, home=tmp_path)
    with closing(SqliteJournal(tmp_path)) as journal:
        (created,) = (event for _, event in journal.events(run.run) if isinstance(event, Created))
    assert parse_partition(created.settings["partition"]) == rule
