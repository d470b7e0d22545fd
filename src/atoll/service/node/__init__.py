"""The daemon beside a site's data: takes calls, has them done by workers, delivers their answers.

Doesn't know the coordinator but by what it says over the wire; it never listens.
"""

from atoll.service.node._serve import serve
from atoll.service.node._settings import NodeSettings

__all__ = ["NodeSettings", "serve"]
