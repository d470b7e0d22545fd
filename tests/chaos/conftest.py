"""The helpers of this folder are modules beside the tests; the faulty way is beside those of the wire."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "wire"))
