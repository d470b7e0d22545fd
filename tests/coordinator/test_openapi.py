"""The whole API, asked at random: it answers what its own document says, and never fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
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
def test_no_request_makes_it_fail_or_answer_what_it_does_not_declare(tmp_path: Path) -> None:
    coordinator = Process(tmp_path)
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert command, "schemathesis is installed with what the tests need"
    found = subprocess.run(
        [command, "run", f"{coordinator.address.url}/openapi.json", "--url", coordinator.address.url,
         "-H", f"Authorization: Bearer {coordinator.address.token}", "--checks", ",".join(CHECKS), "--seed", "7",
         "--max-examples", "12", "--phases", "examples,fuzzing", "--suppress-health-check", "all", "--no-color"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=280,
    )  # fmt: skip
    assert coordinator.end() == 0, coordinator.log.read_text()[-4000:]
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-1000:]
    assert "traceback" not in coordinator.log.read_text()
