"""Names and texts: which can travel, and which one was meant.

Doesn't know what the names stand for.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 20  # names in one suggestion


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name closest to a wrong one, or None when nothing is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(wrong, list(known), n=1, cutoff=0.5)), None)


def suggestion(wrong: str, known: Iterable[str], *, what: str = "names") -> str:
    """A mend for an unknown name: the nearest one when there is one, else all of them."""
    names = sorted(known)
    near = nearest(wrong, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return f"there are no {what}"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known {what}: {', '.join(names[:_SHOWN])}{more}"


def is_text(value: str) -> bool:
    """Whether a string is Unicode text: half a surrogate pair (what an undecodable file name leaves) is not."""
    return value.isascii() or value == as_text(value)


def as_text(value: str) -> str:
    """A string with what is no Unicode text replaced."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
