"""What the tests of the methods share lies in this folder; workers of a pool import it from here, too."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent / "app"),
]  # a run that is cut off and goes on is driven as the tests of fit drive it
