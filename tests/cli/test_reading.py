import csv
import io
import json

import pytest

import atoll


def test_runs_are_listed_newest_first_in_aligned_columns(past):
    head, *rows = past("ls").out.splitlines()
    assert [row.split()[1:3] for row in rows] == [["bad", "failed"], ["flaky", "finished"], ["good", "finished"]]
    assert all(row[head.index("STATUS")] != " " and row[head.index("STATUS") - 1] == " " for row in rows)
    assert all(len(row.split()[0]) == 6 for row in rows)


def test_the_list_has_a_document_and_a_limit(past):
    document = past("ls", "--json", "--limit", "2").document
    assert document["schema"] == "atoll.runs/1"
    assert [r["name"] for r in document["runs"]] == ["bad", "flaky"]
    assert "and 1 more" in past("ls", "--limit", "2").out


def test_an_empty_list_says_how_to_begin(shell):
    assert "atoll run" in shell("ls").out
    assert shell("ls", "--json").document == {"schema": "atoll.runs/1", "runs": []}


def test_show_tells_config_rounds_and_where_the_model_is(past):
    out = past("show", "good").out
    assert "finished, round 3 of 3" in out
    assert "lr=0.5" in out
    assert out.count(" s\n") >= 3
    assert "model: 1 array" in out
    assert "atoll pull good" in out


def test_show_sums_up_failures_with_the_user_s_traceback(past):
    out = past("show", "flaky").out
    assert "3 x train raised: ValueError: bad data  (node-1)" in out
    assert out.count('raise ValueError("bad data")') == 1


def test_show_tells_why_a_run_failed_and_how_to_go_on(past):
    out = past("show", "bad").out
    assert "it failed: ValueError: the server is unwell" in out
    assert 'raise ValueError("the server is unwell")' in out
    assert "atoll resume bad" in out
    assert "atoll pull" not in out


def test_show_has_a_document(past):
    document = past("show", "flaky", "--json").document
    assert document["schema"] == "atoll.show/1"
    assert document["failures"] == [{"action": "train", "kind": "raised", "message": "ValueError: bad data", "times": 3}]
    assert (document["config"]["mood"], len(document["rounds"]), document["nodes"]) == ("raise", 3, ["node-0", "node-1", "node-2"])
    assert past("show", "bad", "--json").document["reason"]["code"] == "app.raised"


def test_a_run_is_meant_by_name_id_beginning_or_as_the_latest(past):
    run = past("show", "good", "--json").document["run"]
    assert past("show", run[:8], "--json").document["run"] == past("show", run, "--json").document["run"] == run
    assert past("show", "@latest", "--json").document["name"] == "bad"


def test_an_unknown_run_is_answered_with_the_nearest_name(past):
    said = past("show", "flakky")
    assert said.code == 3
    assert "did you mean `flaky`?" in said.err


def test_the_log_tells_what_happened_in_order(past):
    lines = [line.split(maxsplit=1)[1] for line in past("log", "good").out.splitlines()]
    assert lines[0].startswith("began")
    assert [line.split()[1] for line in lines if line.startswith("round")] == ["1/3", "2/3", "3/3"]
    assert lines[-1] == "finished"


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--level", "warning"], 3), (["--node", "node-2"], 3), (["--node", "node-0"], 0), (["--round", "2", "--level", "warning"], 1)],
)
def test_the_log_is_filtered_by_level_node_and_round(words, expected, past):
    assert len(past("log", "good", *words).out.splitlines()) == expected


def test_the_log_shows_a_traceback_once(past):
    out = past("log", "flaky").out
    assert out.count("node-1: train raised: ValueError: bad data") == 3
    assert out.count("Traceback") == 1


def test_the_log_has_a_document(past):
    document = past("log", "flaky", "--json", "--node", "node-1").document
    assert document["schema"] == "atoll.log/1"
    assert [(line["round"], line["level"], line["node"]) for line in document["lines"]] == [(n, "error", "node-1") for n in (1, 2, 3)]


def test_the_model_is_pulled_as_safetensors(past, tmp_path):
    path = tmp_path / "m.safetensors"
    said = past("pull", "good", "-o", str(path), "--json")
    assert said.document["path"] == str(path)
    assert list(atoll.Arrays.load(path)) == ["w"]
    assert "m.safetensors: 1 array" in past("pull", "good", "-o", str(path)).out


def test_a_folder_gets_a_file_named_after_the_run(past, tmp_path):
    past("pull", "good", "-o", str(tmp_path))
    assert (tmp_path / "good.safetensors").exists()


def test_metrics_are_pulled_as_csv_or_json(past, tmp_path):
    past("pull", "good", "--metrics", "-o", str(tmp_path / "m.csv"))
    past("pull", "good", "--metrics", "-o", str(tmp_path / "m.json"))
    table = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert list(table[0]) == ["run", "round", "node", "phase", "metric", "value", "time"]
    assert [float(r["value"]) for r in table] == [r["value"] for r in json.loads((tmp_path / "m.json").read_text())]
    assert list(csv.DictReader(io.StringIO(past("pull", "good", "--metrics").out))) == table
    assert len(past("pull", "good", "--metrics", "--json").document["rows"]) == len(table)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [(["bad"], 3, "has no `model`"), (["good", "--state", "modle"], 3, "did you mean `model`?"), (["good", "-o", "-"], 2, "stdout"),
     (["good", "--metrics", "-o", "m.xlsx"], 2, ".csv or .json"), (["good", "-o", "no/such/folder/m"], 2, "can't be written")],
)  # fmt: skip
def test_what_cannot_be_pulled_says_why(words, code, told, past):
    said = past("pull", *words)
    assert (said.code, told in said.err) == (code, True), said.err


def test_runs_are_deleted_when_somebody_says_yes(shell):
    for name in ("one", "two", "three"):
        shell("run", "--quiet", "--name", name, "--set", "rounds=1")
    unasked = shell("rm", "one")
    assert (unasked.code, "say --yes" in unasked.err) == (2, True)
    assert [r["name"] for r in shell("rm", "one", "two", "--yes", "--json").document["deleted"]] == ["one", "two"]
    assert [r["name"] for r in shell("ls", "--json").document["runs"]] == ["three"]


def test_one_unknown_name_deletes_nothing(past):
    assert past("rm", "good", "nothing", "--yes").code == 3
    assert len(past("ls", "--json").document["runs"]) == 3


def test_the_doctor_looks_at_the_machine(shell):
    said = shell("doctor", "--json")
    checks = {c["name"]: c for c in said.document["checks"]}
    assert said.document["fit"] is (said.code == 0)
    assert {"python", "atoll", "numpy", "torch", "home", "disk", "processors", "memory", "clock"} <= checks.keys()
    assert checks["numpy"]["verdict"] == "ok"


def test_the_doctor_finds_a_home_that_cannot_be_used(shell):
    shell.home.write_text("a file in the way")
    said = shell("doctor")
    assert said.code == 5
    assert "set ATOLL_HOME" in said.out
    assert "set ATOLL_HOME" in shell("ls").err
