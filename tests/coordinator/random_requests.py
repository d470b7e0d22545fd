"""Schemathesis asks a whole API at random, and checks that the answers are what the document declares.

Doesn't know whose API it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
ROOT = Path(__file__).parents[2]


def ask_at_random(
    document: str, url: str, *words: str, folder: Path, examples: int, seed: int, timeout: float
) -> None:
    """Ask every operation of a document so many times; what isn't as declared is an error.

    No examples are kept from run to run: to rank them takes as long as to make them. Tables of Unicode are, in the place
    of all tests' own.
    """
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert command, "schemathesis is installed with what the tests need"
    found = subprocess.run(
        [command, "run", document, "--url", url, "--checks", ",".join(CHECKS), "--seed", str(seed), "--no-color",
         "--max-examples", str(examples), "--phases", "examples,fuzzing", "--suppress-health-check", "all",
         "--generation-database", "none", "--warnings", "off", *words],
        capture_output=True, text=True, check=False, cwd=folder, timeout=timeout,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-1000:]
