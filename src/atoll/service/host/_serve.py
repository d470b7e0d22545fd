"""The daemon: a host that runs until it is told to end.

Doesn't know which command started it.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from atoll.journal import FileLock, one_at_a_time
from atoll.service._daemon import Ends, once, warn
from atoll.service._rotation import going_on
from atoll.service.host._host import Host
from atoll.service.host._settings import HostSettings
from atoll.values import AtollError, ConfigError, JournalError, write_privately


def serve(
    settings: HostSettings,
    *,
    until: Callable[[], None] | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Be a host until SIGTERM, ^C, or the return of `until`, if given; `ready` is called when it is welcome (a line, else).

    Raises `AtollError` when its home is taken, or the coordinator refuses it for good.
    """
    home = Path(settings.home).expanduser().resolve()
    with _alone(home, wait=until is not None):
        ends, tell = Ends(), once(ready or _telling(settings))
        if until is not None:
            _beside(until, ends)
        going_on(settings.coordinator, lambda: _serve(settings, home, ends, tell), "host")


def _serve(
    settings: HostSettings,
    home: Path,
    ends: Ends,
    ready: Callable[[], None],
) -> BaseException | None:
    """Until it is told to end (None), or something can't be mended."""
    host = Host(settings, home, _identity(home), warn)
    _beside(lambda: host.serve(ready), ends)
    why = ends.get()
    host.close()
    return why


def _beside(work: Callable[[], None], ends: Ends) -> None:
    def working() -> None:
        try:
            work()
            ends.put(None)
        except BaseException as error:  # for the main thread to raise
            ends.put(error)

    threading.Thread(target=working, name="atoll-host", daemon=True).start()


def _telling(settings: HostSettings) -> Callable[[], None]:
    slots = f"{settings.slots} slot{'s' if settings.slots > 1 else ''}"
    return lambda: print(f"host {settings.name} is ready at {settings.coordinator.url} ({slots})", flush=True)


def _alone(home: Path, *, wait: bool) -> contextlib.ExitStack:
    """While this is open, the home is this host's. `wait`: one before it, whose end is decided, may still be there."""
    stack = contextlib.ExitStack()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if wait:
            stack.enter_context(one_at_a_time(home / "lock"))
        else:
            stack.callback(FileLock(home / "lock", what=str(home)).release)
    except JournalError:
        raise AtollError(
            "host.home-busy",
            f"another host runs in {home}",
            "give this one a home of its own (--home), or stop the other",
        ) from None
    except OSError as error:
        raise ConfigError(
            "host.bad-home", f"{home} can't be a host's home: {error}", "give another: --home FOLDER"
        ) from error
    shutil.rmtree(home / "runs", ignore_errors=True)  # of programs that are gone
    return stack


def _identity(home: Path) -> str:
    """Who this host is: made once, the same ever after."""
    path = home / "identity"
    with contextlib.suppress(FileNotFoundError):
        if len(known := path.read_text(encoding="ascii").strip()) >= 16:
            return known
    new = secrets.token_hex(32)
    write_privately(path, new.encode())
    return new
