"""What every journal does."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from atoll import Arrays
from atoll.journal import Accepted, Called, CallRow, Diverged, Failed, Journal, Ledger, Offered, Row, decode
from atoll.values import AtollError, ConfigError, JournalError, NotFound


def messages(journal: Journal, run: str, after: int = 0) -> list[str]:
    return [e.message for _, e in journal.events(run, after) if hasattr(e, "message")]


# -- events ------------------------------------------------------------------------------------------------


def test_events_come_back_in_order_and_numbered_from_one(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    for i in range(2500):
        journal.append(run, make.logged(str(i)))
    journal.flush()
    found = list(journal.events(run))
    assert [number for number, _ in found] == list(range(1, 2502))
    assert found[0][1].id == run
    assert [e.message for _, e in found[1:]] == [str(i) for i in range(2500)]
    assert messages(journal, run, after=2499) == ["2498", "2499"]
    assert list(journal.events(run, after=2501)) == []


def test_the_runs_of_a_journal_are_numbered_apart(journal: Journal, make: Any) -> None:
    one, other = journal.create(make.created()).id, journal.create(make.created()).id
    for i in range(5):
        journal.append(one, make.logged(f"one {i}"))
        journal.append(other, make.logged(f"other {i}"))
    journal.flush()
    assert [n for n, _ in journal.events(one)] == [n for n, _ in journal.events(other)] == [1, 2, 3, 4, 5, 6]
    assert messages(journal, other) == [f"other {i}" for i in range(5)]


def test_every_kind_of_event_comes_back_as_it_was(journal: Journal, make: Any) -> None:
    place = {"round": 1, "ordinal": 0, "action": "train"}
    row = Row(0, 0, "a", "train", 2.0, {"loss": 0.5, "note": "ü"}, 0.1)
    events = [
        make.started(2),
        Offered(time=1.0, digest="sha256:0", cohort=["a", "b"], **place),
        Accepted(
            time=2.0,
            index=0,
            node="a",
            weight=3.0,
            metrics={"n": 1, "ok": True},
            seconds=0.1,
            payload="reply-x",
            **place,
        ),
        Failed(
            time=3.0,
            index=1,
            node="b",
            failure="raised",
            message="ValueError: ☠",
            traceback="Traceback ...",
            **place,
        ),
        Called(
            time=3.5,
            task="task-x",
            config={"lr": 0.1},
            calls=[CallRow("1.0.0.a", "sha256:0", "a", 0, 0, 7, 1)],
            **place,
        ),
        Diverged(time=4.0, round=1, ordinal=0, was="a", now="b"),
        make.committed(
            1, metrics={"loss": float("inf")}, score=0.5, replies=[row], node_states={"a": "state-x"}
        ),
        make.logged("line"),
        make.finished(),
    ]
    run = journal.create(make.created(config={"lr": 0.1, "model": {"w": [1, 2]}})).id
    for event in events:
        journal.append(run, event)
    journal.flush()
    assert [e for _, e in journal.events(run, after=1)] == events


def test_an_unknown_run_has_no_events(journal: Journal) -> None:
    with pytest.raises(NotFound) as unknown:
        list(journal.events("nobody"))
    assert unknown.value.code == "run.unknown"


def test_many_threads_append_and_nothing_is_lost(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id

    def work(name: int) -> None:
        for i in range(200):
            journal.append(run, make.logged(f"{name} {i}"))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    journal.flush()
    found = messages(journal, run)
    assert len(found) == 800
    for name in range(4):
        assert [m for m in found if m.startswith(f"{name} ")] == [f"{name} {i}" for i in range(200)]


# -- names -------------------------------------------------------------------------------------------------


def test_a_run_without_a_name_is_numbered_after_its_app(journal: Journal, make: Any) -> None:
    names = [journal.create(make.created(app={"name": n})).name for n in ("app", "app", "other", "app", "")]
    assert names == ["app-1", "app-2", "other-1", "app-3", "run-1"]


def test_a_number_is_not_used_again_while_a_higher_one_is(journal: Journal, make: Any) -> None:
    first, _ = journal.create(make.created()), journal.create(make.created())
    journal.create(make.created("app-x7"))
    journal.remove(first.id)
    assert journal.create(make.created()).name == "app-3"


def test_a_name_is_given_once(journal: Journal, make: Any) -> None:
    journal.create(make.created("mine"))
    with pytest.raises(JournalError) as taken:
        journal.create(make.created("mine"))
    assert taken.value.code == "run.name-taken"
    assert len(journal.runs()) == 1


def test_a_name_is_given_once_among_runs_that_know_of_each_other(journal: Journal, make: Any) -> None:
    for among in ("", "heart", "lung"):
        assert journal.create(make.created("mine"), among=among).name == "mine"
        with pytest.raises(JournalError, match="already"):
            journal.create(make.created("mine"), among=among)
    assert [journal.create(make.created(), among="lung").name for _ in range(2)] == ["app-1", "app-2"]
    assert journal.create(make.created(), among="heart").name == "app-1"


@pytest.mark.parametrize("name", ["@latest", "-x", "a\nb", "\x1b[31m", "x" * 201, "half \ud800"])
def test_a_name_that_cannot_be_typed_is_refused(journal: Journal, make: Any, name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        journal.create(make.created(name))
    assert refused.value.code == "run.bad-name"
    assert journal.runs() == []


@pytest.mark.parametrize(
    "value", [object(), np.float64(1), 1 << 70, "\ud800"], ids=lambda v: type(v).__name__
)
def test_a_config_that_cannot_be_written_is_refused_before_there_is_a_run(
    journal: Journal, make: Any, value: object
) -> None:
    with pytest.raises(ConfigError) as refused:
        journal.create(make.created(config={"x": value}))
    assert refused.value.code == "run.bad-config"
    assert journal.runs() == []
    journal.create(make.created())


# -- finding -----------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first(journal: Journal, make: Any) -> None:
    names = [
        journal.create(make.created(f"run {i}", time=t)).name for i, t in enumerate([5.0, 9.0, 9.0, 1.0])
    ]
    assert [s.name for s in journal.runs()] == [names[2], names[1], names[0], names[3]]
    assert journal.find("@latest").name == names[2]


def test_a_run_is_found_by_name_id_or_the_beginning_of_its_id(journal: Journal, make: Any) -> None:
    ids = ["abcdefghjkmn", "abxyz0000000", "q00000000000"]
    for run in ids:
        journal.create(make.created(f"name-{run[0]}{run[2]}", id=run))
    assert journal.find("name-ac").id == ids[0]
    assert journal.find("abxyz0000000").id == ids[1]
    assert journal.find("abx").id == ids[1]
    assert journal.find("q").id == ids[2]
    with pytest.raises(NotFound) as ambiguous:
        journal.find("ab")
    assert ambiguous.value.code == "run.ambiguous"
    assert all(run in ambiguous.value.mend for run in ids[:2])


def test_a_name_goes_before_the_beginning_of_an_id(journal: Journal, make: Any) -> None:
    named = journal.create(make.created("abc", id="zzzzzzzzzzzz"))
    journal.create(make.created(id="abcdefghjkmn"))
    latest = journal.create(make.created("latest", time=0.0))
    assert journal.find("abc").id == named.id
    assert journal.find("latest").id == latest.id


@pytest.mark.parametrize("reference", ["mein-run", "my-rum", "", "zzz", "@last"])
def test_an_unknown_run_is_told_with_the_nearest_name(journal: Journal, make: Any, reference: str) -> None:
    journal.create(make.created("my-run"))
    with pytest.raises(NotFound) as unknown:
        journal.find(reference)
    assert (unknown.value.code, unknown.value.exit_code) == ("run.unknown", 3)
    assert "my-run" in unknown.value.mend


def test_finding_in_an_empty_journal_says_how_to_start(journal: Journal) -> None:
    with pytest.raises(NotFound, match="no runs yet") as unknown:
        journal.find("@latest")
    assert "atoll run" in unknown.value.mend


def test_the_summary_follows_the_events(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    assert journal.find(run).status == "interrupted", "created, and nobody runs it"
    with_hold = journal.hold(run)
    for event in (make.started(), make.committed(0), make.committed(1, metrics={"loss": 2.0}, seconds=1.5),
                  make.committed(2, metrics={"loss": 1.0}, seconds=2.0)):  # fmt: skip
        journal.append(run, event)
    journal.flush()
    found = journal.find(run)
    assert (found.status, found.round, found.rounds, found.nodes) == ("running", 2, 3, 2)
    assert (found.metrics, found.seconds, found.attempts) == ({"loss": 1.0}, 3.5, 1)
    with_hold.release()
    assert journal.find(run).status == "interrupted", "running, and nobody runs it"
    journal.append(run, make.finished("stopped"))
    journal.flush()
    assert journal.runs()[0].status == "stopped"
    journal.append(run, make.started(2))
    journal.append(run, make.finished())
    journal.flush()
    assert (journal.find(run).status, journal.find(run).attempts) == ("finished", 2)


# -- the shelf ---------------------------------------------------------------------------------------------


def put(journal: Journal, run: str, make: Any, arrays: Arrays, *, drop: list[str] | None = None) -> str:
    keys: list[str] = []

    def build(shelf: Any) -> Any:
        keys.append(shelf.put("model", arrays))
        for key in drop or []:
            shelf.drop(key)
        return make.committed(1, state={"model": keys[0]})

    journal.append(run, build, nbytes=arrays.nbytes)
    journal.flush()
    return keys[0]


SIZES = [pytest.param(10, id="small"), pytest.param(20_000, id="large")]


@pytest.mark.parametrize("size", SIZES)
def test_arrays_are_kept_with_the_event_that_names_them(journal: Journal, make: Any, size: int) -> None:
    run, arrays = journal.create(make.created()).id, make.arrays(size=size)
    key = put(journal, run, make, arrays)
    assert [e for _, e in journal.events(run)][-1].state == {"model": key}
    assert journal.arrays(run, key) == arrays


@pytest.mark.parametrize("size", SIZES)
def test_dropped_arrays_are_gone_and_others_stay(journal: Journal, make: Any, size: int) -> None:
    run = journal.create(make.created()).id
    first = put(journal, run, make, make.arrays(1, size))
    second = put(journal, run, make, make.arrays(2, size), drop=[first])
    with pytest.raises(NotFound) as gone:
        journal.arrays(run, first)
    assert gone.value.code == "object.unknown"
    assert journal.arrays(run, second) == make.arrays(2, size)


@pytest.mark.parametrize("size", SIZES)
def test_arrays_dropped_and_put_again_are_kept(journal: Journal, make: Any, size: int) -> None:
    run, arrays = journal.create(make.created()).id, make.arrays(size=size)
    first = put(journal, run, make, arrays)
    put(journal, run, make, make.arrays(9, size), drop=[first])
    again = put(journal, run, make, arrays)
    assert journal.arrays(run, again) == arrays


@pytest.mark.parametrize("size", SIZES)
def test_only_what_is_asked_for_is_kept(journal: Journal, make: Any, size: int) -> None:
    run, other = journal.create(make.created()).id, journal.create(make.created()).id
    keys = [put(journal, run, make, make.arrays(i, size)) for i in range(4)]
    elsewhere = put(journal, other, make, make.arrays(0, size))
    journal.keep_only(run, keys[2:])
    for key in keys[:2]:
        with pytest.raises(NotFound):
            journal.arrays(run, key)
    assert journal.arrays(run, keys[3]) == make.arrays(3, size)
    assert journal.arrays(other, elsewhere) == make.arrays(0, size)


def test_bodies_are_kept_with_the_event_and_dropped_with_another(journal: Ledger, make: Any) -> None:
    run, other = journal.create(make.created()).id, journal.create(make.created()).id

    def keeping(shelf: Any) -> Any:
        shelf.keep("task-1", b"one")
        shelf.keep("task-2", b"two")
        return make.started(), make.logged()

    def dropping(shelf: Any) -> Any:
        shelf.drop("task-1")
        shelf.drop("task-2")
        shelf.keep("task-2", b"again")
        return ()

    journal.append_all(run, keeping)
    journal.flush()
    assert journal.body(run, "task-1") == b"one"
    assert dict(journal.bodies(run)) == {"task-1": b"one", "task-2": b"two"}
    journal.append_all(run, dropping)
    journal.flush()
    assert dict(journal.bodies(run)) == {"task-2": b"again"}
    assert len(list(journal.events(run))) == 3, "a batch may hold no event"
    for missing in ((run, "task-1"), (other, "task-2")):
        with pytest.raises(NotFound) as unknown:
            journal.body(*missing)
        assert unknown.value.code == "object.unknown"
    journal.remove(run)
    assert dict(journal.bodies(run)) == {}


def test_whoever_asks_is_told_when_all_is_durable(journal: Ledger, make: Any) -> None:
    run, told = journal.create(make.created()).id, threading.Event()
    found: list[int] = []

    def then(error: Exception | None) -> None:
        assert error is None
        found.append(len(list(journal.events(run))))
        told.set()

    for _ in range(1000):
        journal.append(run, make.logged())
    journal.when_durable(then)
    assert told.wait(10)
    assert found == [1001]


def test_events_are_read_as_the_bytes_they_are(journal: Ledger, make: Any) -> None:
    run = journal.create(make.created()).id
    for _ in range(5):
        journal.append(run, make.logged())
    journal.flush()
    whole = list(journal.events(run))
    assert [(n, decode(body)) for n, body in journal.encoded(run, 2, limit=3)] == whole[2:5]
    with pytest.raises(NotFound):
        journal.encoded("nobody")


def test_arrays_belong_to_their_run(journal: Journal, make: Any) -> None:
    run, other = journal.create(make.created()).id, journal.create(make.created()).id
    key = put(journal, run, make, make.arrays())
    with pytest.raises(NotFound):
        journal.arrays(other, key)


def test_a_removed_run_is_gone_with_all_it_kept(journal: Journal, make: Any) -> None:
    run, other = journal.create(make.created()).id, journal.create(make.created()).id
    keys = [put(journal, run, make, make.arrays(1, size)) for size in (10, 20_000)]
    journal.remove(run)
    assert [s.id for s in journal.runs()] == [other]
    for key in keys:
        with pytest.raises(NotFound):
            journal.arrays(run, key)
    with pytest.raises(NotFound):
        list(journal.events(run))
    for unknown in (run, "", "..", "nobody"):
        with pytest.raises(NotFound):
            journal.remove(unknown)
    assert [s.id for s in journal.runs()] == [other]


# -- the right to write ------------------------------------------------------------------------------------


def test_one_at_a_time_holds_a_run(journal: Journal, make: Any) -> None:
    run, other = journal.create(make.created()).id, journal.create(make.created()).id
    assert not journal.held(run)
    hold = journal.hold(run)
    assert journal.held(run)
    assert not journal.held(other)
    with pytest.raises(JournalError) as busy:
        journal.hold(run)
    assert busy.value.code == "run.busy"
    assert journal.held(run), "a refused hold takes nothing away"
    hold.release()
    assert not journal.held(run)


def test_a_hold_released_twice_takes_nothing_from_the_next(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    first = journal.hold(run)
    first.release()
    second = journal.hold(run)
    first.release()
    assert journal.held(run)
    second.release()
    assert not journal.held(run)


def test_a_held_run_is_not_removed(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    hold = journal.hold(run)
    with pytest.raises(JournalError) as busy:
        journal.remove(run)
    assert busy.value.code == "run.busy"
    assert list(journal.events(run))
    hold.release()
    journal.remove(run)


def test_looking_whether_a_run_is_held_never_gets_in_the_way_of_holding_it(
    journal: Journal, make: Any
) -> None:
    run, done = journal.create(make.created()).id, threading.Event()

    def look() -> None:
        while not done.is_set():
            journal.held(run)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(300):
            journal.hold(run).release()
    finally:
        done.set()
        looking.join()


# -- following ---------------------------------------------------------------------------------------------


def followed(journal: Journal, run: str, after: int = 0) -> tuple[threading.Thread, list[tuple[int, Any]]]:
    found: list[tuple[int, Any]] = []
    thread = threading.Thread(target=lambda: found.extend(journal.follow(run, after)), daemon=True)
    thread.start()
    return thread, found


def test_a_follower_sees_all_and_ends_when_the_run_does(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    hold = journal.hold(run)
    thread, found = followed(journal, run)
    for i in range(50):
        journal.append(run, make.logged(str(i)))
    journal.append(run, make.finished())
    journal.flush()
    thread.join(20)
    assert not thread.is_alive()
    assert [n for n, _ in found] == list(range(1, 53))
    hold.release()


def test_a_follower_ends_when_the_holder_is_gone(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    hold = journal.hold(run)
    thread, found = followed(journal, run, after=1)
    journal.append(run, make.logged("last words"))
    journal.flush()
    hold.release()
    thread.join(20)
    assert not thread.is_alive()
    assert [e.message for _, e in found] == ["last words"]


def test_following_a_run_that_nobody_runs_ends_at_once(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    assert [n for n, _ in journal.follow(run)] == [1]
    assert list(journal.follow(run, after=1)) == []


def test_a_follower_of_a_resumed_run_reads_on_past_the_first_end(journal: Journal, make: Any) -> None:
    run = journal.create(make.created()).id
    hold = journal.hold(run)
    for event in (make.started(), make.finished("stopped"), make.started(2)):
        journal.append(run, event)
    journal.flush()
    thread, found = followed(journal, run)
    journal.append(run, make.logged("second attempt"))
    journal.append(run, make.finished())
    journal.flush()
    thread.join(20)
    hold.release()
    assert [n for n, _ in found] == [1, 2, 3, 4, 5, 6]


def test_an_unknown_run_cannot_be_followed(journal: Journal) -> None:
    with pytest.raises(AtollError):
        list(journal.follow("nobody"))
