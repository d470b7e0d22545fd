"""What was asked once is remembered for as long as it could be asked again, in bounded memory."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.identity import WINDOW, IdentityError, Nonces

BEGUN = 1_000_000.0
NOW = BEGUN + 1_000


def _code(nonces: Nonces, key: str, nonce: bytes, created: float, now: float = NOW) -> str:
    try:
        nonces.take(key, nonce, created=int(created), now=now)
    except IdentityError as error:
        return error.code
    return "taken"


def test_a_nonce_is_taken_once():
    nonces = Nonces(BEGUN)
    assert _code(nonces, "k-a", b"one", NOW) == "taken"
    assert _code(nonces, "k-a", b"one", NOW) == "request.replayed"


def test_each_key_has_nonces_of_its_own():
    nonces = Nonces(BEGUN)
    assert _code(nonces, "k-a", b"one", NOW) == "taken"
    assert _code(nonces, "k-b", b"one", NOW) == "taken"


def test_key_and_nonce_are_never_run_together():
    nonces = Nonces(BEGUN)
    assert _code(nonces, "k-a", b"bc", NOW) == "taken"
    assert _code(nonces, "k-ab", b"c", NOW) == "taken"


@pytest.mark.parametrize("later", [0, 1, 30, WINDOW, 2 * WINDOW])
def test_a_nonce_is_known_as_long_as_its_request_is_not_stale(later):
    """A request may be made a minute ahead of the coordinator's clock, and come again until it is a minute old."""
    nonces = Nonces(BEGUN)
    created = NOW + WINDOW
    assert _code(nonces, "k-a", b"one", created) == "taken"
    for n in range(later):
        assert _code(nonces, "k-b", b"%d" % n, NOW + n, now=NOW + n) == "taken"
    assert _code(nonces, "k-a", b"one", created, now=NOW + later) == "request.replayed"


def test_what_was_made_before_the_memory_began_is_not_taken():
    assert _code(Nonces(NOW), "k-a", b"one", NOW - 1) == "request.replayed"


def test_what_an_earlier_memory_may_have_taken_is_not_taken():
    """It may have taken a request whose time lay a minute ahead, and have ended in that moment."""
    assert _code(Nonces(NOW), "k-a", b"one", NOW + WINDOW) == "request.replayed"
    assert _code(Nonces(NOW), "k-a", b"one", NOW + WINDOW + 1) == "taken"


def test_a_clock_that_is_set_back_brings_no_forgotten_request_back():
    nonces = Nonces(BEGUN)
    assert _code(nonces, "k-a", b"one", NOW) == "taken"
    assert _code(nonces, "k-b", b"two", NOW + 500, now=NOW + 500) == "taken"
    assert len(nonces) == 1
    assert _code(nonces, "k-a", b"one", NOW, now=NOW) == "request.replayed"


def test_what_is_stale_is_forgotten():
    nonces = Nonces(BEGUN)
    for second in range(1_000):
        for n in range(10):
            assert _code(nonces, "k-a", b"%d-%d" % (second, n), NOW + second, now=NOW + second) == "taken"
    assert len(nonces) <= 10 * (WINDOW + 10)


def test_a_full_memory_takes_nothing_and_forgets_nothing():
    nonces = Nonces(BEGUN, most=100, per_key=1_000)
    assert [_code(nonces, f"k-{n}", b"one", NOW) for n in range(100)] == ["taken"] * 100
    assert _code(nonces, "k-new", b"one", NOW) == "request.too-many"
    assert _code(nonces, "k-0", b"one", NOW) == "request.replayed"


def test_one_key_leaves_room_for_the_others():
    nonces = Nonces(BEGUN, most=1_000, per_key=100)
    taken = [_code(nonces, "k-greedy", b"%d" % n, NOW + n % 50) for n in range(150)]
    assert taken == ["taken"] * 100 + ["request.too-many"] * 50
    assert _code(nonces, "k-modest", b"one", NOW) == "taken"


def test_a_full_memory_takes_again_when_the_old_ones_are_stale():
    nonces = Nonces(BEGUN, most=10)
    for n in range(10):
        nonces.take("k-a", b"%d" % n, created=int(NOW), now=NOW)
    later = NOW + WINDOW + 10
    assert _code(nonces, "k-a", b"new", NOW, now=NOW) == "request.too-many"
    assert _code(nonces, "k-a", b"new", later, now=later) == "taken"


def test_a_nonce_takes_some_hundred_bytes_however_long_it_is():
    tracemalloc.start()
    try:
        nonces = Nonces(BEGUN)
        before = tracemalloc.get_traced_memory()[0]
        for n in range(20_000):
            nonces.take("k-a", b"%064d" % n, created=int(NOW), now=NOW)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000 * 150


def test_of_many_threads_with_one_nonce_one_is_let_through():
    nonces = Nonces(BEGUN)
    with ThreadPoolExecutor(8) as threads:
        for n in range(50):
            codes = list(threads.map(lambda _, n=n: _code(nonces, "k-a", b"%d" % n, NOW), range(8)))
            assert codes.count("taken") == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.binary(max_size=2), st.integers(-70, 130), st.integers(0, 9))
    )
)
def test_nothing_is_ever_taken_twice(asked):
    nonces, taken, now = Nonces(BEGUN), set(), NOW
    for key, nonce, ahead, passed in asked:
        now += passed
        created = int(now) + ahead
        if _code(nonces, key, nonce, created, now=now) == "taken":
            assert (key, nonce, created) not in taken
            taken.add((key, nonce, created))
