"""The helpers of this folder are modules beside the tests; the faulty way is the wire's."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "wire")]
