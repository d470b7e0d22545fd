"""Short codes, by which a person tells an administrator which key is theirs.

Doesn't know who asks. A code is a fingerprint of the key, the coordinator and the federation's root as its bearer sees them; the
administrator's side works it out again, so that whoever sits in between and changes one of the three changes the code: to find
a key with the same one takes 2^40 tries within ten minutes.
"""

from __future__ import annotations

import base64
import hashlib

from atoll.identity import PublicKey


def code_of(key: PublicKey, audience: str, root: str) -> str:
    """The code of a key that asks to be let in: `ABCD-2345`."""
    said = b"\n".join((b"atoll/code/1", key.raw, audience.encode(), root.encode()))
    text = base64.b32encode(hashlib.sha256(said).digest()[:5]).decode()
    return f"{text[:4]}-{text[4:]}"
