"""Offers at a node with a guard: what is refused is answered, told and not begun; nothing else waits for a look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from guard_world import OTHER, Heart, Site
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from node_world import Daemon, World, did, offer, probe
from village import key

from atoll.wire import (
    Bad,
    Good,
    Needs,
    Offer,
    Order,
    RunSpec,
    Unreachable,
    settings_of_app,
    settings_of_spec,
)

Start = Callable[..., Daemon]


@pytest.fixture
def heart() -> Heart:
    return Heart()


@pytest.fixture
def site(tmp_path: Path, heart: Heart) -> Site:
    folder = tmp_path / "guard"
    folder.mkdir()
    return Site(folder, heart)


def call(spec: RunSpec, key: str = "1.0.0.n", **other: Any) -> Offer:
    return offer(key, run=spec.run, wants=spec, **other)


def test_a_signed_run_is_done(world: World, daemon: Start, site: Site, heart: Heart):
    daemon(lambda o, s, w: o and did(o, weight=3.0), guard=site.guard)
    world.ask(*(call(heart.signed(), f"1.0.{n}.n", seq=n) for n in range(1, 6)))
    assert [type(answer) for answer in world.answers(5)] == [Good] * 5
    assert site.asked == 1


def test_a_run_that_nobody_signed_is_done_where_there_is_no_key(world: World, daemon: Start, heart: Heart):
    daemon()
    world.ask(call(heart.spec()))
    assert isinstance(world.answers()[0], Good)


def test_a_run_that_nobody_signed_is_refused_told_and_never_begun(
    world: World, daemon: Start, site: Site, heart: Heart
):
    node = daemon(guard=site.guard)
    world.ask(call(heart.spec(), "1.0.0.n"), call(heart.spec(), "1.0.1.n"))
    for answer in world.answers(2):
        assert isinstance(answer, Bad)
        assert answer.failure == "refused"
        assert answer.message.startswith("rule order: nobody has signed run r1")
    assert node.launcher.workers == []
    (line,) = node.warned
    assert "refused run r1 of heart: rule order: " in line
    world.until(lambda: world.polls[-1] == ({}, 1))


def test_a_refusal_does_not_end_a_run_that_goes_on(world: World, daemon: Start, site: Site, heart: Heart):
    spec = heart.signed()
    daemon(guard=site.guard)
    world.ask(call(spec))
    world.answers()
    world.ask(call(replace(spec, bundle=OTHER), "1.0.1.n", seq=2))
    refused = world.answers(2)[1]
    assert isinstance(refused, Bad)
    assert refused.message.startswith("rule bundle: ")
    world.ask(call(spec, "1.0.2.n", seq=3))
    assert isinstance(world.answers(3)[2], Good)


def test_one_run_waits_for_its_look_and_another_does_not(
    world: World, daemon: Start, site: Site, heart: Heart
):
    known, late = heart.signed("known"), threading.Event()
    daemon(guard=site.guard)
    world.ask(call(known))
    world.answers()

    def slow(federation: str) -> bytes:
        late.wait(10)
        return heart.roster.export()

    heart.welcome("eve", roles=("scientist",))  # type: ignore[arg-type]
    site.serve = slow
    world.ask(call(heart.signed("new", by=key("eve"))))
    world.until(lambda: "new/1.0.0.n" in world.polls[-1][0])  # in hand, though no worker has it
    assert world.polls[-1][1] == 0
    late.set()
    assert isinstance(world.answers(2)[1], Good)


def test_a_call_that_is_cancelled_while_it_waits_is_not_begun(
    world: World, daemon: Start, site: Site, heart: Heart
):
    late = threading.Event()

    def slow(federation: str) -> bytes:
        late.wait(10)
        return heart.roster.export()

    site.serve = slow
    node = daemon(guard=site.guard)
    world.ask(call(heart.signed()))
    world.until(lambda: "r1/1.0.0.n" in world.polls[-1][0])
    with world.changed:
        world.open.clear()
    world.order(cancel=["r1/1.0.0.n"])
    world.until(lambda: world.polls[-1] == ({}, 1))
    late.set()
    world.ask(call(heart.signed("r2")))
    world.answers()
    assert [w.spool.name for w in node.launcher.workers] == ["r2.0"]


def test_a_coordinator_that_does_not_answer_for_the_roster_is_asked_again(
    world: World, daemon: Start, site: Site, heart: Heart
):
    def away(federation: str) -> bytes:
        if site.asked < 3:
            raise Unreachable("wire.unreachable", "nobody answers", "wait")
        return heart.roster.export()

    site.serve = away
    daemon(guard=site.guard)
    world.ask(call(heart.signed()))
    assert isinstance(world.answers()[0], Good)


def test_a_removed_run_does_not_begin_again(world: World, daemon: Start, site: Site, heart: Heart):
    daemon(guard=site.guard)
    world.ask(call(heart.signed()))
    world.answers()
    world.order(remove=["r1"])
    world.until(lambda: world.removed[-1] == ["r1"])
    world.ask(call(heart.signed(), "2.0.0.n", seq=9))
    again = world.answers(2)[1]
    assert isinstance(again, Bad)
    assert again.message.startswith("rule replayed: ")


def test_an_offer_without_its_run_is_refused(world: World, daemon: Start, site: Site):
    node = daemon(guard=site.guard)
    world.ask(offer(wants=None))
    refused = world.answers()[0]
    assert isinstance(refused, Bad)
    assert refused.message.startswith("rule order: ")
    assert node.launcher.workers == []


def test_a_preflight_that_nobody_signed_loads_nothing(world: World, daemon: Start, site: Site, heart: Heart):
    node = daemon(guard=site.guard)
    world.order(probes=[probe("a", heart.spec("check-1")), probe("b", heart.signed("check-2"))])
    problems = world.until(lambda: len(world.probes) == 2 and world.probes)
    (refused,) = problems["a"]
    assert refused.code == "run.refused"
    assert refused.message.startswith("rule order: ")
    assert problems["b"] == []
    assert len(node.launcher.workers) == 1


def test_without_a_key_a_preflight_needs_no_order(world: World, daemon: Start, heart: Heart):
    daemon()
    world.order(probes=[probe("a", heart.spec("check-1"))])
    assert world.until(lambda: world.probes) == {"a": []}


# -- what comes from afar -------------------------------------------------------------------------------------

texts = st.text(max_size=200)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
orders = st.builds(
    Order,
    kind=st.sampled_from(["order", "grant", "", "\ud800"]) | texts,
    body=texts | st.sampled_from(["{}", "[" * 50_000, '{"run":"r1"}']),
    by=texts | st.just(key("sam").public.text) | st.just("A" * 43),
    signature=texts | st.just("A" * 86),
)


@given(orders)
def test_whatever_comes_as_an_order_is_refused_by_a_rule(tmp_path_factory: Any, order: Order):
    heart = Heart()
    site = Site(tmp_path_factory.mktemp("site"), heart)
    assert site.rule(replace(heart.spec(), order=order)) in ("order", "signature")
    assert site.asked == 0


@given(st.binary(max_size=300))
def test_whatever_comes_as_a_roster_is_refused_by_a_rule(tmp_path_factory: Any, content: bytes):
    heart = Heart()
    site = Site(tmp_path_factory.mktemp("site"), heart)
    site.serve = lambda federation: content
    assert site.rule(heart.signed()) == "roster"


@given(st.binary(max_size=100))
def test_a_damaged_record_of_an_order_is_as_none(tmp_path_factory: Any, content: bytes):
    heart = Heart()
    site = Site(tmp_path_factory.mktemp("site"), heart)
    (site.folder / "orders" / "r1.json").write_bytes(content)
    site.start()
    site.check(heart.signed())


@given(config=st.dictionaries(texts, plain, max_size=4), seed=st.integers(0, 1 << 62), cpus=st.integers(0, 9))
def test_what_the_asker_signs_is_what_the_node_finds(config: dict[str, Any], seed: int, cpus: int):
    needs = msgspec.convert({"cpus": cpus}, Needs)
    app = {"client": "a:b", "server": "c:d", "data": None, "partition": {}, "project": "/home/sam"}
    signed = settings_of_app(app, config=config, seed=seed, threads=2, needs=needs)
    sent = RunSpec(
        run="r", name="r", federation="f", bundle=OTHER, config=config, seed=seed, client="a:b", server="c:d",
        threads=2, needs=needs,
    )  # fmt: skip
    came = msgspec.json.decode(msgspec.json.encode(sent), type=RunSpec)
    assert settings_of_spec(came) == signed
    assert settings_of_spec(replace(came, seed=seed + 1)) != signed
    assert settings_of_spec(replace(came, config={**came.config, "one more": 1})) != signed
