"""What a run's journal tells of its streams: which replies are unread, and which calls unanswered.

Doesn't know what a stream is asked. Streams outlive rounds, so their calls have ordinals below 0.
"""

from __future__ import annotations

from atoll.journal import Accepted, Called, CallRow, Committed, Failed


class Streams:
    """Fed with the events of all attempts. `elsewhere`: replies were accepted by somebody else, read or not."""

    def __init__(self, *, elsewhere: bool) -> None:
        self._elsewhere = elsewhere
        self._unread: dict[int, list[Accepted]] = {}
        self._unanswered: dict[tuple[int, int], tuple[Called, CallRow]] = {}
        self._counts: dict[int, int] = {}
        self._sent: dict[int, list[str]] = {}  # digests of a stream's tasks, one after the other
        self._places: dict[tuple[int, int], int] = {}  # of a call's task among those

    def unread(self, ordinal: int) -> list[Accepted]:
        """Replies that a stream got before it was cut off, and that no commit has read; in their order, once."""
        return self._unread.pop(ordinal, [])

    def unanswered(self, ordinal: int) -> list[tuple[Called, CallRow]]:
        """What a stream asked before it was cut off, and what somebody else still waits for."""
        return [call for (of, _), call in self._unanswered.items() if of == ordinal]

    def count(self, ordinal: int) -> int:
        """How many tasks a stream had answered in all attempts, or asked, as far as the journal tells."""
        return self._counts.get(ordinal, 0)

    def newest(self, ordinal: int) -> str:
        """The digest of the last task that a stream asked somebody; empty when the journal doesn't tell."""
        sent = self._sent.get(ordinal)
        return sent[-1] if sent else ""

    def behind(self, ordinal: int, index: int) -> int:
        """How many newer tasks a stream had sent since a call's own, as far as the journal tells."""
        place = self._places.get((ordinal, index))
        return 0 if place is None else len(self._sent[ordinal]) - 1 - place

    def take(self, event: Called | Accepted | Failed) -> None:
        """A call, or what came of one."""
        if event.ordinal >= 0:
            return
        if isinstance(event, Called):
            sent = self._sent.setdefault(event.ordinal, [])
            for row in event.calls:
                if not sent or sent[-1] != row.digest:
                    sent.append(row.digest)
                self._places[event.ordinal, row.index] = len(sent) - 1
                self._count(event.ordinal, row.index)
                self._unanswered[event.ordinal, row.index] = (event, row)
            return
        self._unanswered.pop((event.ordinal, event.index), None)
        if isinstance(event, Accepted):
            self._unread.setdefault(event.ordinal, []).append(event)
            self._count(event.ordinal, event.index)

    def committed(self, event: Committed) -> None:
        """What a commit left unread is asked for again, or, when somebody else accepted it, read after it."""
        read = {(row.ordinal, row.index) for row in event.replies if row.ordinal < 0}
        for ordinal, index in read:
            self._places.pop((ordinal, index), None)
            self._count(ordinal, index)
        if event.round > 0 and not self._elsewhere:
            self._unread.clear()
        elif event.round > 0:
            for ordinal, had in self._unread.items():
                self._unread[ordinal] = [a for a in had if (ordinal, a.index) not in read]

    def _count(self, ordinal: int, index: int) -> None:
        self._counts[ordinal] = max(self._counts.get(ordinal, 0), index + 1)
