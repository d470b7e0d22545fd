"""Driving one attempt of a run: the program runs, the journal follows, whatever ends it is written down.

Doesn't know how calls are carried out; it is given an executor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from atoll.app import Executor, ExecutorFleet, Record, ServerApp, ServerContext, Task, Watch, users_traceback
from atoll.journal import FAILED, FINISHED, PROLOGUE, STOPPED, History, Journal
from atoll.values import Arrays, AtollError, Config, JournalError, RunError


def drive(
    journal: Journal,
    run: str,
    server: ServerApp,
    executor: Callable[[Record], Executor],
    *,
    watch: Watch | None = None,
    save: str = "auto",
    fail_fast: bool = False,
) -> History:
    """Run the server app, from the start or from where the journal ends, to its end.

    ^C stops the run cleanly and returns what there is. Raises what the program raises, after noting it.
    """
    attempt(journal, run, server, executor, watch=watch, save=save, fail_fast=fail_fast)
    return History.of(journal, run)


def attempt(
    journal: Journal,
    run: str,
    server: ServerApp,
    executor: Callable[[Record], Executor],
    *,
    watch: Watch | None = None,
    save: str = "auto",
    mapped: bool = False,
    digest: Callable[[Task], str] = Task.digest,
    fail_fast: bool = False,
) -> str:
    """The same without looking back: returns how it ended, finished or stopped. `mapped` as `Record` has it; `digest` names the content of tasks."""
    hold = journal.hold(run)
    try:
        record = Record(journal, run, watch=watch, save=save, mapped=mapped)
        with contextlib.closing(executor(record)) as carrying:
            record.start()
            created = record.created
            fleet = ExecutorFleet(
                created.nodes, carrying, record, seed=created.seed, digest=digest, fail_fast=fail_fast
            )
            context = ServerContext(record, fleet, Config(created.config))
            try:
                record.enter(PROLOGUE)
                model = _models(server.run(fleet, context))
                record.finish(FINISHED, model=model)
                return FINISHED
            except KeyboardInterrupt:
                reason = {
                    "code": "run.stopped",
                    "message": "stopped on request",
                    "mend": f"atoll resume {created.name}",
                }
                record.finish(STOPPED, reason=reason)
                return STOPPED
            except BaseException as error:  # it is raised on; the journal has it first
                with contextlib.suppress(JournalError):  # a full disk is what may have ended it
                    record.finish(FAILED, reason=_reason(error))
                raise
    finally:
        hold.release()


def _models(result: Any) -> Mapping[str, Arrays]:
    if result is None:
        return {}
    if isinstance(result, Arrays):
        return {"model": result.settled()}
    if isinstance(result, Mapping) and all(isinstance(v, Arrays) for v in result.values()):
        return {str(n): a.settled() for n, a in result.items()}
    kind = type(result).__name__
    mend = "return Arrays, a mapping from names to Arrays, or nothing"
    raise RunError("app.bad-result", f"the server app's main returned a {kind}, which is no model", mend)


def _reason(error: BaseException) -> dict[str, str]:
    if isinstance(error, AtollError):
        found = {"code": error.code, "message": error.message, "mend": error.mend}
    else:
        found = {"code": "app.raised", "message": f"{type(error).__name__}: {error}"[:4000], "mend": ""}
    frames = users_traceback(error)
    failures = getattr(error, "failures", [])
    if failures and failures[0].traceback:
        frames = failures[0].traceback
    return {**found, "traceback": frames[-20_000:]}
