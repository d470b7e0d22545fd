"""Ids are short and unlike; seeds depend on their place alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atoll.values import AtollError, as_text, derive_seed, nearest, new_run_id, suggestion
from atoll.values._ids import seeds_below


def test_ids_are_twelve_characters_that_nobody_misreads() -> None:
    ids = [new_run_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert {len(i) for i in ids} == {12}
    assert not set("".join(ids)) & set("ilou-_/ ")


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0) == derive_seed(0)
    assert derive_seed(7, 1, 0, "node-3") == 8850903173700689803


def test_seeds_differ_from_place_to_place() -> None:
    places = [
        (s, r, o, n)
        for s in range(3)
        for r in range(10)
        for o in range(3)
        for n in ("a", "b", "node-1", "node-11")
    ]
    assert len({derive_seed(*p) for p in places}) == len(places)


@given(
    st.integers(),
    st.lists(st.integers() | st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_seed_is_an_int_of_63_bits_however_it_is_derived(
    seed: int, path: list[int | str], name: str
) -> None:
    found = derive_seed(seed, *path, name)
    assert 0 <= found < 1 << 63
    assert seeds_below(seed, *path)(name) == found


def test_the_nearest_name_is_found() -> None:
    assert nearest("trian", ["train", "evaluate"]) == "train"
    assert nearest("zzz", ["train"]) is None
    assert nearest("x", []) is None
    assert suggestion("zzz", ["b", "a"], what="keys") == "known keys: a, b"
    assert suggestion("zzz", [], what="keys") == "there are no keys"


def test_a_text_with_half_a_pair_can_be_written() -> None:
    assert as_text("ok ü 🏝") == "ok ü 🏝"
    as_text("bad \udc80 name").encode()


def test_an_error_says_what_happened_and_what_mends_it() -> None:
    error = AtollError("some.code", "it broke", "mend it")
    assert str(error) == "it broke\n  mend: mend it"
    assert str(AtollError("some.code", "it broke")) == "it broke"
    assert (error.code, error.exit_code) == ("some.code", 1)
