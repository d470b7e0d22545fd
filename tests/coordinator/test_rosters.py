"""The rosters that a coordinator serves: kept as they were signed, and what they say acts at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from atoll.identity import (
    Approval,
    Both,
    Grant,
    IdentityError,
    Join,
    Key,
    Revocation,
    Role,
    Signed,
    rotate,
    sign,
    sign_both,
)
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._rosters import Rosters
from atoll.service.coordinator._terms import Lifetimes

NOW = 1_000_000.0


class Clock:
    """One that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, then: Callable[[], None]) -> Any:
        raise AssertionError("nothing here waits")


class Town:
    """A federation called heart, and whoever comes."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.folder, self.lost = Clock(), folder, list[str]()
        self.open()

    def open(self) -> None:
        self.registry = Registry(self.folder / "coordinator.db")
        self.rosters = Rosters(self.registry, self.clock, Lifetimes(machine=700, user=3_000))
        self.rosters.changed.append(self.lost.append)

    def again(self) -> Rosters:
        """As they are after a restart."""
        self.registry.close()
        self.open()
        return self.rosters

    def grant(self, name: str, *, by: str = "root", ttl: int = 900, **other: Any) -> Signed:
        told: dict[str, Any] = {
            "token": key(f"token of {name}").public.text, "kind": "node", "name": name, "roles": (Role.NODE,),
            "federation": "heart", "issued": int(self.clock.now), "expires": int(self.clock.now) + ttl,
        }  # fmt: skip
        return sign(Grant(**(told | other)), key(by))

    def joined(self, name: str, *, by: str = "") -> Both:
        token, own = key(f"token of {name}"), key(by or name)
        said = Join(token=token.public.text, key=own.public.text, name=name, time=int(self.clock.now))
        return sign_both(said, token, own)

    async def welcome(self, name: str, **other: Any) -> str:
        await self.rosters.invite("heart", self.grant(name, **other))
        member, _ = await self.rosters.join("heart", self.joined(name))
        return member.id

    def revocation(self, id: str, *, by: str = "root") -> Signed:
        return sign(Revocation(key=id, federation="heart", time=int(self.clock.now)), key(by))

    def approval(self, id: str, *, by: str = "root") -> Signed:
        return sign(Approval(key=id, federation="heart", time=int(self.clock.now)), key(by))


def key(name: str) -> Key:
    return Key.of_seed(hashlib.sha256(name.encode()).digest())


Scene = Callable[[Town], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], None]:
    """Play a scene in a town whose root is there."""

    def played(scene: Scene) -> None:
        async def whole() -> None:
            town = Town(tmp_path)
            await town.rosters.found("heart", key("root").public)
            await scene(town)
            town.registry.close()

        asyncio.run(whole())

    return played


USER = {"kind": "user", "roles": (Role.SCIENTIST,)}
ADMINISTRATOR = {"kind": "user", "roles": (Role.ADMINISTRATOR,)}


def test_whoever_takes_an_invitation_up_is_on_the_roster_and_still_is_after_a_restart(play):
    async def scene(town):
        id = await town.welcome("hospital-a")
        for rosters in (town.rosters, town.again()):
            assert rosters.key(id) == key("hospital-a").public
            assert rosters.memberships(id)["heart"].name == "hospital-a"
            assert rosters.expires(id) == NOW + 700
            rosters.stands(id)

    play(scene)


def test_the_same_key_with_the_same_invitation_gets_the_same_answer_before_and_after_a_restart(play):
    async def scene(town):
        await town.welcome("hospital-a")
        first = await town.rosters.join("heart", town.joined("hospital-a"))
        town.clock.now += 10_000  # the invitation is over by now; the answer that was lost isn't
        assert await town.again().join("heart", town.joined("hospital-a")) == first

    play(scene)


def test_another_key_with_the_same_invitation_is_refused(play):
    async def scene(town):
        await town.welcome("hospital-a")
        with pytest.raises(IdentityError) as refused:
            await town.rosters.join("heart", town.joined("hospital-a", by="thief"))
        assert refused.value.code == "identity.token-spent"

    play(scene)


def test_two_keys_at_once_are_not_both_let_in(play):
    async def scene(town):
        await town.rosters.invite("heart", town.grant("hospital-a"))
        both = [town.rosters.join("heart", town.joined("hospital-a", by=name)) for name in ("one", "other")]
        done = await asyncio.gather(*both, return_exceptions=True)
        assert [isinstance(each, IdentityError) for each in done] == [False, True]

    play(scene)


def test_an_invitation_that_is_over_lets_nobody_in(play):
    async def scene(town):
        await town.rosters.invite("heart", town.grant("hospital-a", ttl=60))
        town.clock.now += 61
        with pytest.raises(IdentityError) as refused:
            await town.rosters.join("heart", town.joined("hospital-a"))
        assert refused.value.code == "identity.expired"

    play(scene)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"by": "nobody"}, "identity.not-authorised"),
        ({"by": "scientist"}, "identity.not-authorised"),
        ({"federation": "lungs"}, "identity.bad-entry"),
        ({"name": "root"}, "identity.bad-entry"),
        ({"ttl": 40 * 86_400}, "identity.expired"),
        ({"name": "SCIENTIST"}, "identity.name-taken"),
        ({"name": "scientist"}, "identity.token-spent"),  # with the token of another invitation
    ],
)
def test_an_invitation_that_may_not_be_is_refused(play, change, code):
    async def scene(town):
        await town.welcome("scientist", **USER)
        told = {"name": "hospital-a", **change}
        with pytest.raises(IdentityError) as refused:
            await town.rosters.invite("heart", town.grant(**told))
        assert refused.value.code == code
        assert town.rosters.invitations("heart") == []

    play(scene)


def test_who_has_to_be_approved_counts_for_nothing_until_then(play):
    async def scene(town):
        id = await town.welcome("hospital-a", approve=True)
        assert town.rosters.key(id) is not None
        assert town.rosters.member("heart", id) is None
        with pytest.raises(IdentityError) as refused:
            town.rosters.stands(id)
        assert (refused.value.code, "atoll node approve hospital-a" in refused.value.mend) == (
            "identity.waiting",
            True,
        )
        await town.rosters.approve("heart", town.approval(id))
        for rosters in (town.rosters, town.again()):
            rosters.stands(id)

    play(scene)


def test_a_revoked_key_is_nobodys_at_once_and_whoever_listens_is_told(play):
    async def scene(town):
        id = await town.welcome("hospital-a")
        await town.rosters.revoke("heart", town.revocation(id))
        assert town.lost == [id]
        for rosters in (town.rosters, town.again()):
            assert rosters.key(id) is None
            assert rosters.memberships(id) == {}

    play(scene)


def test_a_withdrawn_invitation_lets_nobody_in(play):
    async def scene(town):
        await town.rosters.invite("heart", town.grant("hospital-a"))
        await town.rosters.revoke("heart", town.revocation(key("token of hospital-a").id))
        with pytest.raises(IdentityError) as refused:
            await town.rosters.join("heart", town.joined("hospital-a"))
        assert refused.value.code == "identity.no-invitation"

    play(scene)


def test_a_credential_that_is_over_is_renewed_by_an_approval_alone(play):
    async def scene(town):
        id = await town.welcome("hospital-a")
        town.clock.now += 600
        await town.rosters.renew(id)
        town.clock.now += 600
        town.rosters.stands(id)
        town.clock.now += 600
        with pytest.raises(IdentityError) as refused:
            town.rosters.stands(id)
        assert refused.value.code == "identity.expired-credential"
        await town.rosters.approve("heart", town.approval(id))
        town.again().stands(id)

    play(scene)


def test_the_root_and_its_credential_never_end(play):
    async def scene(town):
        town.clock.now += 10_000_000
        town.rosters.stands(key("root").id)
        assert town.rosters.expires(key("root").id) == 0

    play(scene)


def test_a_scientist_approves_nobody(play):
    async def scene(town):
        await town.welcome("scientist", **USER)
        id = await town.welcome("hospital-a")
        for waiting in (id, await town.welcome("hospital-b", approve=True)):
            with pytest.raises(IdentityError) as refused:
                await town.rosters.approve("heart", town.approval(waiting, by="scientist"))
            assert refused.value.code == "identity.not-authorised"

    play(scene)


def test_a_new_key_takes_the_place_of_the_old_one_and_its_time(play):
    async def scene(town):
        id = await town.welcome("hospital-a")
        told = rotate(key("hospital-a"), key("newer"), time=int(NOW))
        for _ in range(2):  # the first answer was lost
            found = await town.rosters.rotate(told)
            assert found["heart"].name == "hospital-a"
        for rosters in (town.rosters, town.again()):
            assert rosters.key(id) is None
            assert rosters.memberships(key("newer").id)["heart"].first == id
            assert rosters.expires(key("newer").id) == NOW + 700
        assert town.lost == [id]

    play(scene)


def test_a_roots_key_stays(play):
    async def scene(town):
        with pytest.raises(IdentityError) as refused:
            await town.rosters.rotate(rotate(key("root"), key("newer"), time=int(NOW)))
        assert refused.value.code == "identity.root-stays"

    play(scene)


def test_a_member_gets_another_role_without_joining_again(play):
    async def scene(town):
        id = await town.welcome("scientist", **USER)
        grant = town.grant("scientist", token=key("another").public.text, key=id, **ADMINISTRATOR)
        for _ in range(2):
            await town.rosters.invite("heart", grant)
        for rosters in (town.rosters, town.again()):
            assert rosters.memberships(id)["heart"].roles == {Role.SCIENTIST, Role.ADMINISTRATOR}

    play(scene)


def test_whom_an_administrator_invited_is_let_in_until_that_administrator_is_revoked(play):
    async def scene(town):
        id = await town.welcome("ada", **ADMINISTRATOR)
        await town.rosters.invite("heart", town.grant("hospital-a", by="ada"))
        await town.rosters.revoke("heart", town.revocation(id))
        with pytest.raises(IdentityError) as refused:
            await town.rosters.join("heart", town.joined("hospital-a"))
        assert refused.value.code == "identity.not-authorised"

    play(scene)


def test_a_federation_has_one_root_and_is_forgotten_with_all_on_its_roster(play):
    async def scene(town):
        id = await town.welcome("hospital-a")
        with pytest.raises(IdentityError) as refused:
            await town.rosters.found("heart", key("thief").public)
        assert refused.value.code == "identity.other-roster"
        await town.rosters.remove("heart")
        for rosters in (town.rosters, town.again()):
            assert (rosters.federations(), rosters.key(id)) == ([], None)
        await town.rosters.found("heart", key("thief").public)

    play(scene)
