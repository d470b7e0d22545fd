"""The error of everything that has to do with who somebody is.

Doesn't know what was asked for.
"""

from __future__ import annotations

from atoll.values import AtollError


class IdentityError(AtollError):
    """Somebody isn't who they say, may not do what they ask, or what they signed doesn't hold."""
