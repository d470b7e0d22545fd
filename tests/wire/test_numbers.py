"""What JSON has no word for travels all the same."""

import math

import msgspec

from atoll.wire import Good, Manifest, metrics_of, worded


def test_infinities_and_what_is_no_number_arrive() -> None:
    before = {
        "loss": math.nan,
        "most": math.inf,
        "least": -math.inf,
        "accuracy": 0.5,
        "name": "nan",
        "ok": True,
    }
    metrics, special = worded(before)
    body = msgspec.json.encode(Good(weight=1.0, metrics=metrics, special=special, payload=Manifest()))
    after = metrics_of(msgspec.json.decode(body, type=Good))
    assert list(after) == list(before)
    assert math.isnan(after.pop("loss"))
    del before["loss"]
    assert after == before


def test_ordinary_metrics_carry_nothing_beside_them() -> None:
    assert worded({"loss": 0.5}) == ({"loss": 0.5}, {})
