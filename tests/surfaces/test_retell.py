"""A run elsewhere is told like one that runs here."""

from atoll.app import Failure, Reply, Watch
from atoll.journal import Accepted, Committed, Created, Failed, Finished, Logged, Offered, Started
from atoll.surfaces._lines import lines_of
from atoll.surfaces._retell import Retelling

EVENTS = [
    Created(time=1, id="r1", name="tiny-1", app={}, config={"rounds": 1}, seed=0, nodes=["a", "b"]),
    Started(time=2, attempt=1, pid=7),
    Offered(time=3, round=1, ordinal=0, action="train", digest="d", cohort=["a", "b"]),
    Accepted(time=4, round=1, ordinal=0, index=0, node="a", action="train", weight=2, metrics={"loss": 0.5}, seconds=1, payload=""),
    Failed(time=5, round=1, ordinal=0, index=1, node="b", action="train", failure="raised", message="ValueError: no"),
    Logged(time=6, message="hello", level="output", round=1, node="a"),
    Logged(time=6, message="careful", level="warning", round=1, node="a"),
    Committed(time=7, round=1, total=1, state={}, metrics={"train_loss": 0.5}, seconds=2),
    Finished(time=8, status="finished"),
]  # fmt: skip
NUMBERED = list(enumerate(EVENTS, start=1))


class Notes(Watch):
    def __init__(self):
        self.notes = []

    def began(self, run: str, name: str, rounds_done: int):
        self.notes.append(f"{name} after {rounds_done}")

    def asked(self, round: int, action: str, cohort: int):
        self.notes.append(f"{action} {cohort}")

    def replied(self, round: int, reply: Reply):
        self.notes.append(f"{reply.node} {reply.metrics['loss']}")

    def failed(self, round: int, failure: Failure):
        self.notes.append(f"{failure.node} {failure.kind}")

    def committed(self, round, total, metrics, seconds):
        self.notes.append(f"round {round}/{total}")

    def logged(self, level, message, round, node):
        self.notes.append(f"{level} {message}")

    def printed(self, line: str):
        self.notes.append(line)


def test_everything_is_told_in_its_order():
    notes = Notes()
    ended = Retelling().tell(NUMBERED, notes)
    assert notes.notes == [
        "tiny-1 after 0",
        "train 2",
        "a 0.5",
        "b raised",
        "a: hello",
        "warning careful",
        "round 1/1",
    ]
    assert ended.status == "finished"


def test_a_run_that_goes_on_is_told_from_there():
    story, notes = Retelling().skip(NUMBERED), Notes()
    story.tell([(10, Started(time=9, attempt=2, pid=8))], notes)
    assert notes.notes == ["tiny-1 after 1"]
    assert (story.number, story.ended) == (10, None)


def test_the_log_has_a_line_for_what_was_said_what_failed_and_each_round():
    lines = list(lines_of(EVENTS))
    assert [(line.level, line.node) for line in lines] == [
        ("info", ""), ("error", "b"), ("output", "a"), ("warning", "a"), ("info", ""), ("info", ""),
    ]  # fmt: skip
