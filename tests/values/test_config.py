"""A config value has the type of its default; a wrong key is told with the nearest one."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import msgspec
import pytest

from atoll import Config
from atoll.values import ConfigError

DEFAULTS = Config(
    {
        "rounds": 5,
        "lr": 0.1,
        "name": "x",
        "fast": False,
        "widths": [1, 2],
        "model": {"width": 8, "act": "relu"},
    }
)


def refusal(changes: dict[str, object]) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        DEFAULTS.override(changes)
    return refused.value


@pytest.mark.parametrize(
    ("key", "given", "found"),
    [("rounds", "7", 7), ("rounds", 7, 7), ("lr", "1e-3", 1e-3), ("lr", "2", 2.0), ("lr", 2, 2.0), ("name", "7", "7"),
     ("name", "", ""), ("fast", "true", True), ("fast", "Off", False), ("fast", "1", True), ("widths", "[3]", [3]),
     ("widths", [], []), ("model.width", "9", 9), ("model.act", "gelu", "gelu"), ("rounds", "1_000", 1000),
     ("rounds", " 7 ", 7), ("lr", "inf", float("inf"))],
)  # fmt: skip
def test_a_text_is_read_as_the_type_of_the_default(key: str, given: object, found: object) -> None:
    value = DEFAULTS.override({key: given})
    for step in key.split("."):
        value = value[step]
    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    ("key", "given"),
    [("rounds", "7.5"), ("rounds", 7.0), ("rounds", True), ("rounds", "x"), ("rounds", ""), ("rounds", None), ("lr", "fast"),
     ("lr", True), ("lr", "[1]"), ("name", 3), ("fast", 1), ("fast", "maybe"), ("widths", "3"), ("widths", (1,)),
     ("model", 3), ("model.width", "wide"), ("rounds", "[" * 5000), ("rounds", "9" * 5000), ("lr", 10**400), ("lr", "9" * 400)],
    ids=lambda v: repr(v)[:20],
)  # fmt: skip
def test_another_type_is_refused_with_the_type_that_is_taken(key: str, given: object) -> None:
    error = refusal({key: given})
    assert (error.code, error.exit_code) == ("config.bad-type", 2)
    assert f"`{key}`" in error.message


@pytest.mark.parametrize(
    ("key", "meant"),
    [("round", "rounds"), ("lrr", "lr"), ("widht", "widths"), ("model.widht", "model.width"), ("modle.width", "model.width"),
     ("lr.x", None), ("", None), (".", None), ("zzzzzz", None)],
)  # fmt: skip
def test_an_unknown_key_is_told_with_the_nearest(key: str, meant: str | None) -> None:
    error = refusal({key: "1"})
    assert error.code == "config.unknown-key"
    assert f"did you mean `{meant}`?" == error.mend if meant else "lr" in error.mend


def test_all_or_nothing_is_changed() -> None:
    refusal({"lr": 0.2, "nope": 1})
    assert DEFAULTS.lr == 0.1


def test_values_are_attributes_items_and_tables() -> None:
    assert (DEFAULTS.rounds, DEFAULTS["lr"], DEFAULTS.model.width, DEFAULTS["model"]["act"]) == (
        5,
        0.1,
        8,
        "relu",
    )
    assert list(DEFAULTS) == ["rounds", "lr", "name", "fast", "widths", "model"]
    assert DEFAULTS.override({}) == DEFAULTS


def test_what_is_not_there_is_an_error_that_names_the_nearest() -> None:
    for look in (lambda: DEFAULTS.round, lambda: DEFAULTS["round"], lambda: DEFAULTS.model.with_):
        with pytest.raises(ConfigError) as unknown:
            look()
        assert unknown.value.code == "config.unknown-key"
        assert unknown.value.mend.startswith("did you mean")


def test_asking_whether_it_is_there_is_no_error() -> None:
    assert not hasattr(DEFAULTS, "momentum")
    assert getattr(DEFAULTS, "momentum", 0.9) == 0.9
    assert DEFAULTS.get("momentum", 0.9) == 0.9
    assert DEFAULTS.get("lr") == 0.1
    assert "momentum" not in DEFAULTS
    assert "lr" in DEFAULTS


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ConfigError, match="never changes") as frozen:
        DEFAULTS.lr = 3
    assert "--set lr=" in frozen.value.mend
    DEFAULTS.widths.append(3)
    DEFAULTS["widths"].append(3)
    DEFAULTS.plain()["widths"].append(3)
    DEFAULTS.plain()["model"]["width"] = 9
    assert DEFAULTS.widths == [1, 2]
    assert DEFAULTS.model.width == 8


def test_it_is_copied_and_pickled_as_a_value() -> None:
    assert copy.deepcopy(DEFAULTS) == copy.copy(DEFAULTS) == pickle.loads(pickle.dumps(DEFAULTS)) == DEFAULTS


def test_it_becomes_a_class_of_ones_own() -> None:
    @dataclass
    class Mine:
        rounds: int
        lr: float

    class Struct(msgspec.Struct):
        rounds: str

    assert DEFAULTS.to(Mine) == Mine(5, 0.1)
    with pytest.raises(ConfigError, match="Struct") as refused:
        DEFAULTS.to(Struct)
    assert refused.value.code == "config.bad-type"


def test_a_tasks_own_values_change_and_add_anything() -> None:
    assert DEFAULTS.extend({"lr": "text", "new": [1]}).plain() == {
        **DEFAULTS.plain(),
        "lr": "text",
        "new": [1],
    }
    assert DEFAULTS.extend({}) is DEFAULTS
