"""Messages: what their fields hold is bounded when they are decoded."""

from __future__ import annotations

import msgspec
import pytest

from atoll.wire import Federation, HostPoll, Lack

DIGEST = "sha256:" + 64 * "0"


def decoded(kind: type, **fields: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)


@pytest.mark.parametrize("name", ["heart\n", "heart\r", " heart", "he art", "", "-heart", "h" * 129, "heárt"])
def test_a_name_has_no_room_for_tricks(name: str) -> None:
    assert decoded(Federation, name="heart-2.1_b") == Federation(name="heart-2.1_b")
    with pytest.raises(msgspec.ValidationError):
        decoded(Federation, name=name)


@pytest.mark.parametrize("run", ["r1\n", "r 1", "../r1", ""])
def test_nor_has_a_runs_id(run: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(HostPoll, name="h", session=1, running=[run])


@pytest.mark.parametrize("digest", [DIGEST + "\n", DIGEST.upper(), DIGEST + "0", "md5:" + 64 * "0"])
def test_nor_has_a_digest(digest: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(Lack, federation="heart", objects={digest: 1})
