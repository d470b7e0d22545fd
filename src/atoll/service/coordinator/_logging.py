"""What the coordinator tells of itself: lines on standard error, as text for people and as JSON for machines.

Doesn't know what is told.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from atoll.service.coordinator._answers import log


class _Lines(logging.Formatter):
    """A JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _utc(record), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Text(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _utc(record)


def _utc(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z"


def begin_logging() -> None:
    """From now on lines go to standard error."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_Text("%(asctime)s %(message)s") if sys.stderr.isatty() else _Lines())
    log.handlers, log.propagate = [output], False
    log.setLevel(logging.INFO)
