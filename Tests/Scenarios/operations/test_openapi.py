"""The service held against its own description: nothing it answers is a failure, or is not described."""

import os
import subprocess

import pytest
from harness import ROOT

LIBRARIES = os.path.join(ROOT, ".build-python", "bin")
# Not what waits for something to happen, nor queues, whose answers depend on logins and a configuration.
PATHS = [
    "^/(environments|webhooks|manage$|manage/endpoint$|healthz|openapi|time)",
    "^/(receive|eventmatch|events)",
]


@pytest.mark.skipif(not os.path.exists(LIBRARIES + "/schemathesis"), reason="schemathesis is not installed")
@pytest.mark.parametrize("paths", PATHS)
def test_generated_requests_get_described_answers(serve_webhooks, paths):
    service = serve_webhooks(
        RESPONDERS=2, WEBHOOKS_WRITE_TIMEOUT="1s", MAX_ACTIVE_ENDPOINTS=100000, USER_SOURCE="header"
    )
    checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance"]
    checks += ["response_headers_conformance", "response_schema_conformance"]
    run = subprocess.run(
        [LIBRARIES + "/schemathesis", "run", os.path.join(ROOT, "api", "openapi.yaml")]
        + ["--url", "http://127.0.0.1:%d" % service.port, "--checks", ",".join(checks), "--include-path-regex", paths]
        # One user, who finds what it has made.
        + ["--header", "Http-Remote-User: generated"]
        + ["--max-examples", "10", "--max-time", "25", "--generation-database", "none", "--no-color"],
        cwd=service.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-4000:]
    assert b"passed" in run.stdout
