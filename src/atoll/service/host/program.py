"""One server app's process: `python -m atoll.service.host.program`, told what to do over its standard input.

Doesn't know the coordinator's database or its store. It dies with the host that started it: its input ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from atoll._version import __version__
from atoll.journal import STOPPED as HAS_STOPPED
from atoll.runtime import prints_logged
from atoll.service.host._attempt import Attempt, attend, server_of
from atoll.service.host._settings import CUT_OFF, FAILED, FENCED, STOP, STOPPED, Order
from atoll.values import AtollError, JournalError
from atoll.wire import Client

if TYPE_CHECKING:
    from atoll.identity import Key

_AT_A_TERMINAL = "run the server app on yours: atoll run --server here"


def main() -> int:
    """Drive the run that the order names; the exit status tells how it ended."""
    inbox = os.fdopen(os.dup(0), "rb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(
        2, 1
    )  # what does not come from Python goes to the host, for the case that it is the last thing heard
    order = msgspec.json.decode(_line(inbox), type=Order)
    os.chdir(order.work)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    attending: list[Attempt] = []
    threading.Thread(target=_obey, args=(inbox, attending), name="atoll-host", daemon=True).start()
    try:
        attempt = _attend(order)
        attending.append(attempt)
    except KeyboardInterrupt:
        return CUT_OFF
    except AtollError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return FENCED
    return _drive(attempt, order)


def _attend(order: Order) -> Attempt:
    client = Client(order.coordinator, agent=f"atoll-host/{__version__}", patience=None, key=_key(order))
    beside = Path(order.objects) if order.objects else None
    return attend(client, order.spec.run, where="host", cache=Path(order.work) / "objects", beside=beside)


def _key(order: Order) -> Key | None:
    if not order.seed:
        return None
    from atoll.identity import Key, from_base64  # slow to import, and not wanted where there are no keys

    return Key.of_seed(from_base64(order.seed, 32))


def _drive(attempt: Attempt, order: Order) -> int:
    talk = attempt.talk
    try:
        with prints_logged(attempt.journal, attempt.spec.run, mend=_AT_A_TERMINAL):
            how = attempt.run(server_of(attempt.spec, Path(order.folder)))
    except JournalError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return FENCED if error.code == "run.fenced" else CUT_OFF
    except KeyboardInterrupt:  # asked twice, or before the program began
        return CUT_OFF
    except BaseException:  # the run's journal tells
        return FAILED if talk.failure is None else CUT_OFF
    return STOPPED if how == HAS_STOPPED else 0


def _line(inbox: BinaryIO) -> bytes:
    """The first line, and no byte more."""
    body = bytearray()
    while not body.endswith(b"\n"):
        if not (piece := inbox.read(1)):
            sys.exit(CUT_OFF)
        body += piece
    return bytes(body)


def _obey(inbox: BinaryIO, attending: list[Attempt]) -> None:
    """Stop when the host asks for it, die when it is gone."""
    with contextlib.suppress(OSError):
        while word := inbox.read(len(STOP)):
            if word == STOP and (not attending or attending[0].talk.first_to_stop()):
                _interrupt()
    os._exit(CUT_OFF)  # whatever this process is doing


def _interrupt() -> None:
    """As ^C does: the run is stopped cleanly."""
    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)
    else:
        import _thread

        _thread.interrupt_main()


if __name__ == "__main__":
    sys.exit(main())
