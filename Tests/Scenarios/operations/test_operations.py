"""The operations port: health, metrics and version, and no path of the APIs."""

import datetime
import functools
import http.client
import json
import re

import operations_port
import pytest
from harness import free_port


@pytest.fixture
def operations(serve):
    """A service with an operations port, and a function that sends a request to that port."""
    service = serve(OPS_SERVER_PORT=free_port(), RESPONDERS=2, MOUNT_POINT="/api")
    return service, functools.partial(operations_port.ask, service)


def metrics(ask):
    """The values of all samples by name and labels; every line must be in Prometheus' text format."""
    answer = ask("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values, families = {}, set()
    for line in answer.text.splitlines():
        if line.startswith("# "):
            match = re.fullmatch(r"# (HELP|TYPE) (postroom_[a-z_]+) .+", line)
            assert match, line
            families.add(match[2])
            continue
        match = re.fullmatch(r'(postroom_[a-z_]+)((?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (-?[0-9.e+-]+)', line)
        assert match, line
        assert re.sub("_(bucket|sum|count)$", "", match[1]) in families or match[1] in families
        assert match[1] + match[2] not in values
        values[match[1] + match[2]] = float(match[3])
    return values


def test_health_and_version_are_at_the_operations_port(operations):
    _, ask = operations
    assert ask("/health/live").text == "ok\n"
    assert ask("/health/ready").text == "ok\n"
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", json.loads(ask("/version").body)["version"])
    assert ask("/health/live", "HEAD").status == 200
    assert ask("/health/live", "POST").status == 405


def test_metrics_count_requests_and_endpoints(operations):
    service, ask = operations
    before = metrics(ask)
    endpoint = service.create()
    for _ in range(3):
        assert service.hook(endpoint, "x").status == 200
    assert service.hook("x" * 32, "x").status == 404
    after = metrics(ask)

    def grown(name):
        return after[name] - before[name]

    assert grown('postroom_capture_requests_total{kind="receive",result="done"}') == 3
    assert grown('postroom_capture_requests_total{kind="receive",result="refused"}') == 1
    assert grown("postroom_capture_endpoints") == 1
    assert after["postroom_store_bytes"] > 0
    assert after["postroom_pending"] == after["postroom_inflight"] == 0


def test_version_and_metrics_have_the_names_that_settings_give(serve):
    port = free_port()
    serve(OPS_SERVER_PORT=port, ENV="staging", POD_NAME="hub-0", POD_IP="10.1.2.3", RESPONDERS=1)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/version")
    told = json.loads(connection.getresponse().read())
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert (told["env"], told["pod_name"], told["pod_ip"]) == ("staging", "hub-0", "10.1.2.3")
    assert (
        'postroom_info{version="%s",env="staging",pod_name="hub-0",pod_ip="10.1.2.3"} 1\n' % told["version"] in text
    )


def test_log_lines_have_the_time_of_the_zone_in_tz(serve):
    service = serve(TZ="Asia/Kathmandu", LOG_LEVEL="DEBUG", RESPONDERS=1)
    line = next(line for line in service.log().splitlines() if "ready" in line)
    told = datetime.datetime.fromisoformat(line.split(" ")[0])
    assert told.utcoffset() == datetime.timedelta(hours=5, minutes=45)
    assert abs((datetime.datetime.now(datetime.timezone.utc) - told).total_seconds()) < 30


def test_the_operations_port_and_the_apis_have_no_path_in_common(operations):
    service, ask = operations
    for path in ("/manage", "/api/manage", "/time", "/webhooks/events", "/debug/settings", "/"):
        assert ask(path).status == 404, path
    for path in ("/metrics", "/health/live", "/version"):
        assert service.call("GET", path).status == 404, path


def test_the_apis_also_answer_at_api_server_port(serve):
    port = free_port()
    serve(API_SERVER_PORT=port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/webhooks/events")
    assert len(json.loads(connection.getresponse().read())) == 8
    connection.close()
