"""What crosses the network: control messages and bulk transfer.

Doesn't know who decides; daemons and programs speak through it.
"""

from atoll.wire._manifest import call_digest, check_manifest, digest_of, join, split

__all__ = ["call_digest", "check_manifest", "digest_of", "join", "split"]
