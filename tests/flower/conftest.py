"""The helpers of this folder are modules beside the tests; how a peer is installed is the benchmarks' to know."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
