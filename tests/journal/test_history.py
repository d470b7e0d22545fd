"""History: tidy rows out of a run's events, and what can be made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atoll import Arrays, History
from atoll.journal import Accepted, Committed, Created, Finished, MemoryJournal, Row, Started
from atoll.journal._history import Record, rows_of
from atoll.values import NotFound


def accepted(round: int, index: int, loss: float, *, ordinal: int = 0, action: str = "train") -> Accepted:
    return Accepted(time=float(index), round=round, ordinal=ordinal, index=index, node=f"n{index}", action=action, weight=1.0,
                    metrics={"loss": loss}, seconds=0.5, payload="")  # fmt: skip


def committed(round: int, *, replies: list[Row] | None = None, **metrics: Any) -> Committed:
    return Committed(
        time=10.0 * round, round=round, total=3, state={}, metrics=metrics, replies=replies or [], seconds=2.0
    )


def reported(*events: Any, metric: str = "loss") -> list[tuple[int, str, str, Any]]:
    return [(r.round, r.node, r.phase, r.value) for r in rows_of("run", events) if r.metric == metric]


@pytest.fixture
def history() -> History:
    rows = [
        Record("run", r, node, phase, metric, value, float(r))
        for r in (1, 2, 3)
        for node, phase, metric, value in (
            ("a", "train", "loss", 1.0 / r), ("b", "train", "loss", 2.0 / r), ("", "round", "loss", 1.5 / r),
            ("", "round", "accuracy", [0.1, 0.9, 0.5][r - 1]), ("", "round", "note", "text"), ("a", "evaluate", "loss", 9.0),
        )
    ]  # fmt: skip
    return History(rows, run="run", name="app-1", status="finished", models={"model": Arrays(x=np.arange(3))})


def test_rows_come_round_by_round_in_the_order_of_the_cohort() -> None:
    late_first = [accepted(1, 1, 0.2), accepted(1, 0, 0.1), accepted(1, 0, 0.7, ordinal=1, action="evaluate")]
    found = reported(committed(0), *late_first, committed(1, loss=0.15))
    assert found == [
        (1, "n0", "train", 0.1),
        (1, "n1", "train", 0.2),
        (1, "n0", "evaluate", 0.7),
        (1, "", "round", 0.15),
    ]


def test_replies_told_with_the_commit_and_before_it_make_one_table() -> None:
    row = Row(0, 1, "n1", "train", 1.0, {"loss": 0.2}, 0.5)
    assert reported(accepted(1, 0, 0.1), committed(1, replies=[row])) == [
        (1, "n0", "train", 0.1),
        (1, "n1", "train", 0.2),
    ]


def test_a_reply_told_twice_counts_once_and_the_later_one() -> None:
    assert reported(accepted(1, 0, 0.1), accepted(1, 0, 0.3), committed(1)) == [(1, "n0", "train", 0.3)]


def test_what_an_open_round_reported_is_told_at_the_end() -> None:
    stopped, again = Finished(time=1.0, status="stopped"), Started(time=2.0, attempt=2, pid=1)
    assert reported(accepted(1, 0, 0.1), stopped) == [(1, "n0", "train", 0.1)]
    assert reported(accepted(1, 0, 0.1), stopped, again, accepted(1, 1, 0.2), committed(1)) == [
        (1, "n0", "train", 0.1), (1, "n1", "train", 0.2)]  # fmt: skip


def test_rounds_series_and_best(history: History) -> None:
    assert history.rounds()[0] == {"round": 1, "loss": 1.5, "accuracy": 0.1, "note": "text"}
    assert history.series("loss") == {"loss": [(1, 1.5), (2, 0.75), (3, 0.5)]}
    assert history.series("loss", by="node", phase="train")["b"] == [
        (1, 2.0),
        (2, 1.0),
        (3, pytest.approx(2 / 3)),
    ]
    assert set(history.series("loss", by="phase")) == {"train", "round", "evaluate"}
    assert history.series("loss", phase="evaluate") == {"loss": [(1, 9.0), (2, 9.0), (3, 9.0)]}
    assert history.best()["round"] == 2
    assert history.best("loss")["round"] == 3
    assert history.best("loss", lowest=False)["round"] == 1
    with pytest.raises(NotFound, match="acuracy") as unknown:
        history.best("acuracy")
    assert unknown.value.mend == "did you mean `accuracy`?"
    with pytest.raises(NotFound):
        history.best("note")


def test_a_best_round_is_one_that_has_a_number() -> None:
    rows = [
        Record("r", i, "", "round", "accuracy", v, 0.0)
        for i, v in enumerate([float("nan"), 0.2, 0.1], start=1)
    ]
    assert History(rows).best()["round"] == 2
    only_nodes = History([Record("r", 1, "a", "train", "accuracy", 0.5, 0.0)])
    with pytest.raises(NotFound):
        only_nodes.best()


def test_it_is_saved_and_loaded_with_its_models(history: History, tmp_path: Path) -> None:
    history.save(tmp_path / "h.json")
    found = History.load(tmp_path / "h.json")
    assert (found.rows, found.run, found.name, found.status) == (history.rows, "run", "app-1", "finished")
    assert found.model == history.model
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(NotFound):
        History.load(tmp_path / "bad.json")


def test_numbers_that_json_has_no_word_for_survive(tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), -float("inf"), 1.0, 3, True, "text"]
    History([Record("r", i, "", "round", "x", v, 0.0) for i, v in enumerate(values)]).save(
        tmp_path / "h.json"
    )
    found = [r.value for r in History.load(tmp_path / "h.json")]
    assert [repr(v) for v in found] == [repr(v) for v in values]


def test_it_becomes_a_table_of_pandas_and_polars(history: History) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = ["run", "round", "node", "phase", "metric", "value", "time"]
    frame, table = history.to_pandas(), history.to_polars()
    assert isinstance(frame, pandas.DataFrame)
    assert isinstance(table, polars.DataFrame)
    assert list(frame.columns) == table.columns == columns
    assert len(frame) == len(table) == len(history) == 18
    assert history.to_polars()["value"].null_count() == 3, "texts are no numbers"
    assert len(History([]).to_pandas()) == len(History([]).to_polars()) == 0


def test_it_is_drawn_with_one_line_a_node(history: History) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = history.plot("loss", by="node", phase="train")
    assert [line.get_label() for line in axes.lines] == ["a", "b"]
    assert len(history.plot("accuracy").lines) == 1


def test_a_run_without_a_model_says_so() -> None:
    journal = MemoryJournal()
    run = journal.create(Created(time=1.0, id="x", name="", app={}, config={}, seed=0, nodes=[])).id
    found = History.of(journal, run)
    assert "no rounds yet" in repr(found)
    with pytest.raises(NotFound) as none:
        _ = found.model
    assert none.value.code == "model.none"
    with pytest.raises(NotFound):
        History.of(journal, "nobody")
