"""A machine's new key: what was put beside the old one by a change that was killed is taken when the coordinator knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atoll.identity import IdentityError, Key
from atoll.service import _rotation
from atoll.service._rotation import NEXT, going_on
from atoll.values import AtollError
from atoll.wire import Address, Me, Unreachable

UNKNOWN = IdentityError("identity.unknown-key", "nobody here has the key", "")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Address, set[str]]:
    """A machine's address with its old key, and the ids of the keys that the coordinator knows."""
    known: set[str] = set()

    class Client:
        def __init__(self, address: Address, **_: Any) -> None:
            self._id = Key.load(address.key).id

        def call(self, *_: Any) -> Me:
            if self._id not in known:
                raise Unreachable("wire.unreachable", "nobody answers")
            return Me(id=self._id, name="n", kind="node", time=0.0)

        def close(self) -> None:
            pass

    monkeypatch.setattr(_rotation, "Client", Client)
    Key.make().save(tmp_path / "key.pem")
    return Address("https://there", key=str(tmp_path / "key.pem")), known


def beside(address: Address) -> Key:
    new = Key.make()
    new.save(Path(address.key).with_name(NEXT))
    return new


def refused_at_first(*whys: AtollError | None) -> Any:
    left = list(whys)
    return lambda: left.pop(0)


def test_a_new_key_that_the_coordinator_knows_is_put_in_its_place(machine: tuple[Address, set[str]]) -> None:
    address, known = machine
    new = beside(address)
    known.add(new.id)
    going_on(address, refused_at_first(UNKNOWN, None), "node")
    assert Key.load(address.key).id == new.id
    assert not Path(address.key).with_name(NEXT).exists()


def test_one_that_it_does_not_know_stays_beside(machine: tuple[Address, set[str]]) -> None:
    address, _ = machine
    old = Key.load(address.key).id
    beside(address)
    with pytest.raises(IdentityError, match="nobody here"):
        going_on(address, refused_at_first(UNKNOWN), "node")
    assert Key.load(address.key).id == old
    assert Path(address.key).with_name(NEXT).exists()


def test_what_has_nothing_to_do_with_the_key_is_raised(machine: tuple[Address, set[str]]) -> None:
    address, known = machine
    known.add(beside(address).id)
    with pytest.raises(AtollError, match="another daemon"):
        going_on(address, refused_at_first(AtollError("node.fenced", "another daemon", "")), "node")
