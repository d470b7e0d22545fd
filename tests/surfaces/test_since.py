from datetime import datetime

import pytest

from atoll.surfaces.cli._daemon import pairs, size, typed
from atoll.surfaces.cli._since import since
from atoll.values import ConfigError

NOW = datetime(2026, 3, 4, 15, 0, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "then"),
    [("90s", NOW - 90), ("10m", NOW - 600), ("10 min", NOW - 600), ("2h", NOW - 7200), ("1.5d", NOW - 129_600),
     ("14:30", NOW - 1800), ("9:00", NOW - 21_600), ("2026-03-04T14:59:00", NOW - 60), ("2026-03-03", NOW - 39 * 3600)],
)  # fmt: skip
def test_since_is_how_long_ago_or_when(text, then):
    assert since(text, NOW) == then


def test_a_time_may_say_its_zone():
    assert since("2026-03-04T12:00:00+00:00") == 1_772_625_600


@pytest.mark.parametrize("text", ["", "soon", "10", "25:00", "10 years"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match="that is no time"):
        since(text, NOW)


@pytest.mark.parametrize(
    ("text", "bytes"), [("16GB", 16e9), ("512MiB", 512 * 2**20), ("1.5g", 1.5e9), ("4096", 4096), ("2k", 2000)]
)
def test_sizes_have_units(text, bytes):
    assert size("--memory", text) == bytes


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="that is no size"):
        size("--memory", "much")


def test_pairs_are_split_at_the_first_equals_sign():
    assert pairs("--data", ["train=/a=b"]) == {"train": "/a=b"}
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        pairs("--data", ["train"])


def test_values_of_a_site_have_the_types_that_they_look_like():
    assert typed({"beds": "120", "rate": "0.5", "icu": "true", "name": "St. Mary", "wards": '["a", "b"]'}) == {
        "beds": 120, "rate": 0.5, "icu": True, "name": "St. Mary", "wards": ["a", "b"],
    }  # fmt: skip
