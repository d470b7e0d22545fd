"""The verbs of runs, on a federation: they do and say what they do for a simulation."""

import json
import signal

import numpy as np
import pytest
from federation_world import Place

import atoll

ON = ("--on", "local")


def test_what_clients_print_and_log_is_watched_and_kept(local: Place, tiny):
    said = local.well(
        "run", *ON, "--name", "prints", "--set", "mood=print", "--set", "where=node-1", inside=tiny
    )
    assert "node-1: hello from node-1" in said.out
    assert [line.split()[:2] for line in said.out.splitlines() if line.startswith("round")] == [
        ["round", f"{n}/3"] for n in (1, 2, 3)
    ]
    assert "hello from node-1" in local.well("log", "prints", *ON, "--node", "node-1").out
    assert "hello" not in local.well("log", "prints", *ON, "--node", "node-0").out
    assert "hello" not in local.well("log", "prints", *ON, "--level", "warning").out
    lines = local.well("log", "prints", *ON, "--round", "2", "--node", "node-1", "--json").document["lines"]
    assert [line["message"] for line in lines] == ["hello from node-1"]


def test_the_server_app_s_traceback_is_the_user_s(local: Place, tiny):
    said = local("run", *ON, "--name", "unwell", "--set", "mood=unwell", inside=tiny)
    assert said.code == 1
    assert 'raise ValueError("the server is unwell")' in said.err
    assert "atoll show unwell --on local" in said.err
    shown = local.well("show", "unwell", *ON).out
    assert 'raise ValueError("the server is unwell")' in shown
    document = local("run", *ON, "--set", "mood=unwell", "--json", inside=tiny).document
    assert (document["schema"], document["code"], document["exit_code"]) == ("atoll.error/1", "app.raised", 1)


def test_a_client_that_raises_is_a_failed_reply_with_its_traceback(local: Place, tiny):
    said = local.well(
        "run", *ON, "--name", "raises", "--set", "mood=raise", "--set", "where=node-1", inside=tiny
    )
    assert said.out.count("node-1 raised: ValueError: bad data") == 3
    assert 'raise ValueError("bad data")' in local.well("show", "raises", *ON).out


def test_a_node_in_somebody_elses_hands_costs_its_own_replies_and_not_the_run(local: Place, tiny):
    settings = ["--set", "mood=lie", "--set", "where=node-1", "--set", "rounds=5"]
    said = local.well("run", *ON, "--name", "lie", *settings, inside=tiny)
    why = [
        line.partition("node-1 invalid: ")[2] for line in said.out.splitlines() if "node-1 invalid" in line
    ]
    assert len(why) == 5
    told = (
        "holds NaN",
        "has shape (1,), not (3,)",
        "no arrays called `model`",
        "returned no arrays",
        "weight",
    )
    for found, part in zip(why, told, strict=True):
        assert part in found
    assert np.isfinite(local.model("lie", *ON)["w"]).all()
    assert local.well("show", "lie", *ON, "--json").document["status"] == "finished"
    rows = local.well("pull", "lie", *ON, "--metrics", "-o", "-").out
    assert "node-0" in rows
    assert "node-1" not in rows


def test_interrupting_detaches_and_the_run_goes_on(local: Place, tiny):
    settings = ["--set", "rounds=20", "--set", "pause=0.3"]
    with local.start("run", *ON, "--name", "left", *settings, inside=tiny) as process:
        for line in iter(process.stdout.readline, ""):
            if "round  1/" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "atoll log left --follow --on local" in err
    assert local.well("ls", *ON, "--json").document["runs"][0]["status"] == "running"
    assert "finished" in local.well("log", "left", "--follow", *ON).out


def test_a_run_is_stopped_and_goes_on_to_the_same_end(local: Place, tiny):
    settings = ["--set", "rounds=10", "--set", "pause=0.8"]
    said = local.well("run", *ON, "--name", "stopped", *settings, "--detach", "--json", inside=tiny)
    assert said.document["status"] == "running"
    assert local.well("stop", "stopped", *ON, "--json").document["status"] == "stopped"
    assert local.well("resume", "stopped", *ON, "--json").document["status"] == "finished"
    assert local("resume", "stopped", *ON).code == 2


def test_runs_are_named_found_and_removed(local: Place, tiny):
    local.well("run", *ON, "--name", "gone", "--quiet", inside=tiny)
    assert local("run", *ON, "--name", "gone", inside=tiny).code == 1
    assert "gone" in local.well("ls", *ON).out
    assert local.well("show", "@latest", *ON, "--json").document["name"] == "gone"
    assert "round,node" in local.well("pull", "gone", *ON, "--metrics", "-o", "-").out
    local.well("rm", "gone", "--yes", *ON)
    said = local("show", "gone", *ON)
    assert (said.code, "gone" in said.err) == (3, True)


def test_the_server_app_can_run_here_with_a_breakpoint(local: Place, tiny):
    said = local.start(
        "run", *ON, "--server", "here", "--name", "here", "--set", "mood=break", inside=tiny, stdin=-1
    )
    out, err = said.communicate("p ctx.config.rounds\ncontinue\n", timeout=60)
    assert said.returncode == 0, err
    assert "(Pdb) 3" in out
    assert "finished" in out


def test_every_node_is_checked_first(local: Place, tiny):
    document = local.well("run", *ON, "--check", "--json", inside=tiny).document
    assert document["fit"] is True
    assert [n["name"] for n in document["nodes"]] == ["node-0", "node-1", "node-2"]


def test_a_federation_has_the_nodes_that_are_put_in(local: Place, tiny):
    local.well("federation", "create", "two", *ON)
    for node in ("node-0", "node-2"):
        local.well("federation", "add-node", "two", node, *ON)
    assert local.well("federation", "show", "two", *ON, "--json").document["nodes"] == ["node-0", "node-2"]
    assert local.well("run", "--on", "local/two", "--json", inside=tiny).document["nodes"] == 2
    local.well("federation", "remove-node", "two", "node-2", *ON)
    assert "node-2" not in local.well("federation", "show", "two", *ON).out
    assert {f["name"] for f in local.well("federation", "ls", *ON, "--json").document["federations"]} >= {
        "default",
        "two",
    }


def test_nodes_are_listed(local: Place):
    nodes = local.well("node", "ls", *ON, "--json").document["nodes"]
    assert [(n["name"], n["status"]) for n in nodes] == [(f"node-{i}", "here") for i in range(3)]
    assert "node-2" in local.well("node", "ls").out


def test_a_notebook_runs_watches_and_reads(local: Place, tiny, monkeypatch, capsys):
    for name in ("ATOLL_HOME", "ATOLL_CONFIG"):
        monkeypatch.setenv(name, local.environment[name])
    with atoll.connect("local") as federation:
        run = federation.run(tiny, config={"mood": "print"}, seed=9, name="notebook")
        history = run.wait()
        assert "round 3/3" in capsys.readouterr().out
        assert (history.status, len(history.rounds()), history.model["w"].shape) == ("finished", 3, (3,))
        assert "hello from node-0" in [line.message for line in run.logs()]
        assert federation.find("notebook").history().rounds() == history.rounds()
        with pytest.raises(atoll.AtollError, match="unwell") as raised:
            federation.run(tiny, config={"mood": "unwell"}).wait()
        assert "raise ValueError" in raised.value.__notes__[0]
        again = federation.run(tiny, config={"rounds": 50, "pause": 0.2})
        again.stop()
        assert again.wait().status == "stopped"


def test_json_of_both_worlds_has_the_same_fields(local: Place, tiny):
    local.well("run", *ON, "--name", "both", "--quiet", inside=tiny)
    local.well("run", "--name", "both", "--quiet", inside=tiny)
    for words in (["ls"], ["show", "both"], ["log", "both"], ["pull", "both", "--metrics"]):
        there, here = (local.well(*words, "--json", *on).document for on in (ON, ()))
        assert set(there) == set(here), words
    first = json.loads(local.well("ls", "--json", *ON).out)["runs"][0]
    assert set(first) == set(json.loads(local.well("ls", "--json").out)["runs"][0])
