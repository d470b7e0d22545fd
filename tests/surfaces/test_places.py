"""Which federation a command goes to."""

import json
import os

import pytest

from atoll.surfaces._places import Place, Places, chosen, needed, on_this_machine
from atoll.values import ConfigError, NotFound

HEART = Place(url="https://fl.example.org", token="secret", federation="heart")


@pytest.fixture
def known(home):
    Places(contexts={"heart": HEART, "lab": Place(url="http://127.0.0.1:1")}).save()


def listening(home, folder="local/coordinator", url="http://127.0.0.1:4321"):
    (home / folder).mkdir(parents=True)
    (home / folder / "address").write_text(json.dumps({"url": url, "pid": 7, "ca": ""}))
    (home / folder / "token").write_text("t0ken\n")


def test_runs_are_simulated_unless_somebody_says_otherwise(known):
    assert chosen(None) is None


def test_on_goes_before_the_environment_and_that_before_what_is_in_use(known, monkeypatch):
    places = Places.load()
    places.use = "lab"
    places.save()
    assert chosen(None) == places.contexts["lab"]
    monkeypatch.setenv("ATOLL_CONTEXT", "heart")
    assert chosen(None) == HEART
    assert chosen("lab") == places.contexts["lab"]
    assert chosen("simulation") is None


def test_another_federation_of_the_same_coordinator_stands_after_a_slash(known):
    assert chosen("heart/lung") == Place(url="https://fl.example.org", token="secret", federation="lung")


def test_a_mistyped_context_is_answered_with_the_nearest_one(known):
    with pytest.raises(NotFound, match="did you mean `heart`"):
        chosen("haert")


def test_local_is_what_was_started_on_this_machine_wherever_it_listens(home):
    with pytest.raises(NotFound, match="atoll up"):
        chosen("local")
    listening(home)
    place = chosen("local")
    assert (place.url, place.address().token) == ("http://127.0.0.1:4321", "t0ken")


def test_what_needs_a_federation_takes_the_only_one_there_is(home):
    with pytest.raises(ConfigError, match="none is in use"):
        needed(None)
    listening(home)
    assert needed(None).url == "http://127.0.0.1:4321"
    Places(contexts={"heart": HEART}).save()
    with pytest.raises(ConfigError, match="--on heart or --on local"):
        needed(None)


def test_a_coordinator_of_this_machine_needs_no_token(home):
    listening(home, "coordinator", "http://127.0.0.1:8765")
    assert on_this_machine("http://127.0.0.1:8765").address().token == "t0ken"
    assert on_this_machine("http://127.0.0.1:9999") is None


def test_contexts_are_for_their_user_s_eyes_only(known, tmp_path):
    path = tmp_path / "config" / "contexts.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["contexts.json"]


def test_a_file_of_contexts_that_is_none_is_named(known, tmp_path):
    (tmp_path / "config" / "contexts.json").write_text("{")
    with pytest.raises(ConfigError, match=r"contexts\.json can't be read"):
        chosen(None)


def test_a_token_file_that_is_gone_is_named():
    with pytest.raises(ConfigError, match="/nowhere can't be read"):
        Place(url="http://127.0.0.1:1", token_file="/nowhere").address()
