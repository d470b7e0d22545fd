"""The whole API, asked at random: it answers what its own document says, and never fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_process import Process

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.mark.timeout(300)
def test_no_request_makes_it_fail_or_answer_what_it_does_not_declare(
    coordinator: Callable[..., Process], tmp_path: Path
) -> None:
    begun = coordinator()
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert command, "schemathesis is installed with what the tests need"
    found = subprocess.run(
        [command, "run", f"{begun.address.url}/openapi.json", "--url", begun.address.url,
         "-H", f"Authorization: Bearer {begun.address.token}", "--checks", ",".join(CHECKS), "--seed", "7",
         "--max-examples", "12", "--phases", "examples,fuzzing", "--suppress-health-check", "all", "--no-color"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=280,
    )  # fmt: skip
    assert begun.end() == 0, begun.log.read_text()[-4000:]
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-1000:]
    assert "traceback" not in begun.log.read_text()
