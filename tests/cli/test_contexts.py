"""Contexts on the command line; no coordinator is asked for anything."""

import json


def test_a_context_is_added_listed_and_used(shell):
    said = shell("context", "add", "heart", "https://fl.example.org/", "--federation", "heart", "--json")
    assert said.document["url"] == "https://fl.example.org"
    assert [c["name"] for c in shell("context", "ls", "--json").document["contexts"]] == ["heart"]
    assert shell("context", "ls", "--json").document["used"] == "simulation"
    assert "commands go to https://fl.example.org" in shell("context", "use", "heart").out
    assert "* heart" in " ".join(shell("context", "ls").out.split())
    assert "simulated" in shell("context", "use", "simulation").out


def test_a_context_that_is_not_there_can_not_be_used(shell):
    said = shell("context", "use", "heart")
    assert said.code == 3
    assert "there is no context `heart`" in said.err


def test_names_and_urls_are_checked(shell):
    assert shell("context", "add", "local", "https://fl.example.org").code == 2
    assert shell("context", "add", "a/b", "https://fl.example.org").code == 2
    said = shell("context", "add", "heart", "fl.example.org")
    assert (said.code, "is no URL" in said.err) == (2, True)


def test_completion_offers_contexts(shell):
    shell("context", "add", "heart", "https://fl.example.org")
    assert shell("__complete", "contexts").out.split() == ["local", "simulation", "heart"]


def test_options_of_one_world_are_refused_in_the_other(shell):
    said = shell("run", "--detach")
    assert (said.code, "--on NAME" in said.err) == (2, True)
    shell("context", "add", "heart", "http://127.0.0.1:9")
    for option in (["--nodes", "3"], ["--workers", "2"], ["--fail-fast"]):
        said = shell("run", "--on", "heart", *option)
        assert (said.code, "is for a simulation" in said.err) == (2, True)


def test_an_app_that_is_none_is_refused_before_anybody_is_asked(shell, tmp_path):
    shell("context", "add", "heart", "http://127.0.0.1:9")
    assert shell("run", str(tmp_path), "--on", "heart").code == 2
    assert "rouns" in shell("run", "--on", "heart", "--set", "rouns=3").err


def test_a_simulation_can_be_asked_for_while_another_place_is_in_use(shell):
    shell("context", "add", "heart", "http://127.0.0.1:9", "--use")
    assert shell("run", "--on", "simulation", "--quiet").code == 0
    assert json.loads(shell("ls", "--on", "simulation", "--json").out)["runs"][0]["status"] == "finished"


def test_there_is_nothing_to_end_when_nothing_runs(shell):
    assert "nothing was running" in shell("down").out


def test_the_log_can_be_cut_at_a_time(past):
    assert past("log", "good", "--since", "1d").out == past("log", "good").out
    assert past("log", "good", "--since", "2999-01-01").out == ""
    assert past("log", "good", "--since", "soon").code == 2


def test_a_noun_alone_asks_for_its_verb(shell):
    said = shell("node")
    assert (said.code, "needs a verb: start, ls" in said.err) == (2, True)
    assert "node ls" in shell("node", "--help").out
    assert shell("node", "ls", "--help").out.startswith("atoll node ls: ")
