import json

import pytest


def test_off_a_terminal_a_run_is_told_in_plain_lines(shell):
    said = shell("run")
    assert said.code == 0
    assert [line.split()[:2] for line in said.out.splitlines()[1:4]] == [["round", f"{n}/3"] for n in (1, 2, 3)]
    assert "finished" in said.out
    assert "\x1b" not in said.out


def test_settings_come_from_the_words_and_are_kept(shell):
    said = shell("run", "--set", "rounds=2", "--set", "lr=0.25", "--nodes", "5", "--seed", "7", "--name", "mine", "--json")
    document = said.document
    assert document["schema"] == "atoll.run/1"
    assert (document["status"], document["name"], document["nodes"], document["seed"]) == ("finished", "mine", 5, 7)
    assert (document["config"]["rounds"], document["config"]["lr"]) == (2, 0.25)
    assert [r["round"] for r in document["rounds"]] == [1, 2]
    assert document["metrics"] == {"train_loss": pytest.approx(1 / 3)}
    assert len(document["timings"]["rounds"]) == 2
    assert 0 < document["timings"]["first_round"] <= document["timings"]["total"]
    assert list(document["model"]) == ["model"]


def test_another_folder_can_be_named(shell, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    there = shell.at(elsewhere)
    assert there("run", str(shell.folder), "--json").document["status"] == "finished"
    assert there("run").code == 2


@pytest.mark.parametrize(
    ("setting", "told"),
    [("rnds=4", "did you mean `rounds`?"), ("lr=fast", "`lr` takes a number, not 'fast'"), ("rounds=1.5", "a whole number"), ("lr", "no value")],
)
def test_a_wrong_setting_is_refused_before_anything_starts(setting, told, shell):
    said = shell("run", "--set", setting)
    assert said.code == 2
    assert told in said.err
    assert "no runs yet" in shell("ls").out


def test_a_client_that_raises_is_told_in_a_line_and_the_run_goes_on(shell):
    said = shell("run", "--set", "mood=raise", "--set", "where=node-1")
    assert said.code == 0
    assert said.out.count("node-1 raised: ValueError: bad data") == 3
    assert "Traceback" not in said.out + said.err


def test_many_failures_alike_are_told_as_one(shell):
    said = shell("run", "--nodes", "20", "--set", "mood=raise", "--set", "rounds=1")
    assert said.out.count("raised: ValueError: bad data") == 4
    assert "... 17 more" in said.out


def test_fail_fast_ends_with_the_user_s_own_traceback(shell):
    said = shell("run", "--fail-fast", "--set", "mood=raise")
    assert said.code == 1
    assert 'raise ValueError("bad data")' in said.err
    assert "atoll/app" not in said.err


def test_breakpoint_works_under_fail_fast_and_says_so_without(shell):
    said = shell("run", "--fail-fast", "--set", "mood=break", "--set", "where=node-1", "--set", "rounds=1", given="p ctx.node\ncontinue\n")
    assert "(Pdb) 'node-1'" in said.out
    assert said.code == 0
    assert "--fail-fast" in shell("run", "--set", "mood=break", "--set", "where=node-1", "--set", "rounds=1").out + shell("log", "@latest").out


def test_an_error_of_the_server_app_is_the_user_s_traceback_and_exit_1(shell):
    said = shell("run", "--set", "mood=unwell")
    assert said.code == 1
    assert 'raise ValueError("the server is unwell")' in said.err
    assert "atoll/runtime" not in said.err
    assert "atoll show tiny-1" in said.err
    document = shell("run", "--set", "mood=unwell", "--json").document
    assert (document["schema"], document["code"], document["name"]) == ("atoll.error/1", "app.raised", "tiny-2")


def test_an_error_that_atoll_raises_tells_where_the_user_s_code_was(shell):
    said = shell("run", "--set", "mood=typo")
    assert "there is no config value `rouns`" in said.err
    assert "server.py, line 13, in main" in said.err
    assert "did you mean `rounds`?" in said.err


def test_what_user_code_prints_is_shown_and_kept_in_the_log(shell):
    assert "hello from node-1" in shell("run", "--set", "mood=print").out
    assert "hello from node-1" in shell("log", "@latest", "--level", "output").out


def test_with_json_whatever_is_printed_stays_off_stdout(shell):
    for mood, told in (("print", "hello from node-1"), ("child", "from a child")):
        said = shell("run", "--set", f"mood={mood}", "--json")
        assert json.loads(said.out)["status"] == "finished"
        assert told in said.err


def test_a_metric_that_is_no_number_is_null_in_json(shell):
    assert shell("run", "--set", "mood=nan", "--json").document["metrics"] == {"train_loss": None}


def test_quiet_says_nothing_when_all_is_well(shell):
    said = shell("run", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_any_number_of_workers_gives_the_same_model(shell):
    here, there = (shell("run", "--workers", n, "--json").document for n in ("0", "2"))
    assert here["model"] == there["model"]


def test_a_run_goes_on_when_nobody_reads_it_any_more(shell, reading):
    with shell.start("run", "--set", "rounds=20", "--set", "pause=0.01") as process:
        reading(process, 1)
        process.stdout.close()
        process.wait(60)
    assert shell("ls", "--json").document["runs"][0]["status"] == "finished"


def test_a_name_is_given_once(shell):
    shell("run", "--name", "mine")
    said = shell("run", "--name", "mine")
    assert said.code == 1
    assert "named `mine` already" in said.err
