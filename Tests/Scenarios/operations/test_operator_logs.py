"""Log lines and metrics for operators."""

import json
import os
import re
import signal
import subprocess

from event_service import event, on, token
from harness import exchange, free_port, wait_for
from operations_port import ask, samples, samples_in
from webhook_service import new_environment


def entries(service):
    """The log lines, which must be JSON, without the lines that the start prints for people."""
    lines = [line for line in service.log().splitlines() if line.strip()]
    people = ("Postroom ", "    curl ")
    return [json.loads(line) for line in lines if not line.startswith(people)]


def test_log_format_json_makes_every_line_json_also_those_of_nginx(serve):
    service = serve(LOG_FORMAT="json", LOG_LEVEL="DEBUG", RESPONDERS=1)
    exchange(service, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    worker = next(pid for pid, line in service.children().items() if line.startswith("nginx: worker"))
    os.kill(worker, signal.SIGKILL)

    def told(text):
        return [entry for entry in entries(service) if text in entry["message"]]

    wait_for(lambda: told("worker process %d exited on signal 9" % worker))
    (entry,) = told("worker process %d exited on signal 9" % worker)
    assert (entry["process"], entry["level"]) == ("nginx", "critical") and isinstance(entry["pid"], int)
    (entry,) = told("client sent HTTP/1.1 request without")
    assert (entry["process"], entry["level"]) == ("nginx", "info")
    os.kill(service.responders()[0], signal.SIGKILL)
    wait_for(lambda: told("a process ended; starting it again"))
    (entry,) = told("a process ended; starting it again")
    assert type(entry["pause"]) in (int, float) and entry["ending"] == "was ended by signal 9"
    assert (entry["level"], entry["process"], entry["name"]) == ("warning", "serve", "responder 1")
    service.stop()
    # The last lines of nginx are also there.
    assert told("exit") and entries(service)[-1]["message"] == "stopped"


def test_nginx_neither_waits_nor_loses_log_lines_while_the_supervisor_is_stopped(serve):
    """nginx writes more than the default size of a pipe meanwhile."""
    service = serve(LOG_FORMAT="json", LOG_LEVEL="DEBUG", RESPONDERS=1)
    count = 800
    path = "/" + "x" * 150
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        for number in range(count):
            # The path makes each log line some 200 bytes long.
            answer = exchange(service, b"GET %s%d HTTP/1.1\r\nConnection: close\r\n\r\n" % (path.encode(), number))
            assert b" 400 " in answer.split(b"\r\n")[0]
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    wanted = "client sent HTTP/1.1 request without"
    wait_for(lambda: len([1 for entry in entries(service) if wanted in entry["message"]]) == count)


def test_the_start_and_a_reload_are_logged(serve):
    service = serve(LOG_FORMAT="json", RESPONDERS=2, MOUNT_POINT="/m", OPS_SERVER_PORT=(port := free_port()))
    (entry,) = [entry for entry in entries(service) if entry["message"] == "serving"]
    assert entry["address"] == "http://127.0.0.1:%d/m" % service.port and type(entry["layout"]) is int
    assert entry["operations"] == "http://127.0.0.1:%d" % port and re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
    service.process.send_signal(signal.SIGHUP)
    done = "reload done: all responders and the worker were replaced"
    wait_for(lambda: [entry for entry in entries(service) if entry["message"] == done])


def test_a_log_value_of_several_words_is_quoted(serve):
    service = serve(RESPONDERS=1)
    os.kill(service.responders()[0], signal.SIGKILL)
    wait_for(lambda: "a process ended" in service.log())
    (line,) = [line for line in service.log().splitlines() if "a process ended" in line]
    assert ' ending="was ended by signal 9" name="responder 1" pause=0.0' in line


def test_a_failed_routed_delivery_is_logged_with_its_subscription_user_and_url(serve_events, receive):
    service = serve_events(LOG_FORMAT="json", RESPONDERS=1)
    body = "line one\nline two\t%s\r\nend" % ("z" * 1000)
    receiver = receive({"*": {"status": 410, "body": body}})
    key = token()
    made = service.subscribe("alice", receiver.url("/target?key=s3cret"), on(key))
    sent = service.send(event(key))
    assert service.wait_disabled(made)["error"] == body

    def told(message):
        return [entry for entry in entries(service) if entry["message"] == message]

    wait_for(lambda: told("endpoint.disabled") and told("message.exhausted"))
    (disabled,), (exhausted,) = told("endpoint.disabled"), told("message.exhausted")
    for entry in (disabled, exhausted):
        assert (entry["subscription"], entry["user"]) == (made["uuid"], "alice")
        assert entry["url"] == receiver.url("/target?…")
    assert disabled["reason"] == ("line one line two " + "z" * 200)[:200] + "…"
    assert exhausted["event_id"] == sent and exhausted["attempts"] == 1 and exhausted["status_code"] == 410
    assert "s3cret" not in service.log()


def test_promtool_accepts_the_metrics_and_requests_are_counted_by_route_and_status(serve):
    port = free_port()
    service = serve(OPS_SERVER_PORT=port, RESPONDERS=2, MOUNT_POINT="/api")
    endpoint = service.create()
    for _ in range(20):
        assert service.hook(endpoint, "x", suffix="?n=1").status == 200
    assert service.hook("x" * 32).status == 404
    assert service.call("GET", "/nothing/here").status == 404
    assert service.call("GET", "/q/none").status == 405
    environment = new_environment()
    for path in ("/environments/%s/webhooks", "/api/environments/%s/webhooks"):
        assert service.call("GET", path % environment).status == 200
    answer = ask(service, "/metrics")
    assert answer.status == 200
    checked = subprocess.run(["promtool", "check", "metrics"], input=answer.text, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    found = samples_in(answer.text)

    def requests(route, status):
        return found.get('postroom_requests_total{route="%s",status="%s"}' % (route, status))

    assert requests("/manage/endpoint", 201) == 1
    assert (requests("/webhook/{endpoint_id}", 200), requests("/webhook/{endpoint_id}", 404)) == (20, 1)
    assert requests("other", 404) == 1 and requests("/q/{queue}", 405) == 1
    assert requests("/environments/{environment_id}/webhooks", 200) == 2
    name = "postroom_request_duration_seconds"
    assert found[name + '_count{route="/webhook/{endpoint_id}"}'] == 21
    buckets = [value for key, value in found.items() if key.startswith(name + '_bucket{route="/webhook/{endpoint_id}"')]
    assert buckets == sorted(buckets) and buckets[-1] == 21
    assert 0 < found[name + '_sum{route="/webhook/{endpoint_id}"}'] < 21
    # Requests to the operations port are not counted.
    assert not [key for key in found if "/metrics" in key]


def test_the_duration_of_a_request_includes_its_wait(serve):
    port = free_port()
    service = serve(OPS_SERVER_PORT=port, RESPONDERS=1)
    service.look(service.create(), "?wait=0.3")
    found = samples(service)
    assert found['postroom_request_duration_seconds_sum{route="/manage/endpoint/{endpoint_id}/notifications"}'] >= 0.3


def test_counters_survive_restarts_of_processes_and_restarts_are_counted(serve):
    port = free_port()
    service = serve(OPS_SERVER_PORT=port, RESPONDERS=1)
    endpoint = service.create()
    assert service.hook(endpoint, "x").status == 200
    before = samples(service)
    names = {key.split("{")[0]: key for key in before}
    assert re.search('version="[0-9.]+",layout="[0-9]+",compiler="Swift 6', names["postroom_build_info"])
    for pids in (service.responders(), service.workers()):
        os.kill(pids[0], signal.SIGKILL)
    wait_for(lambda: service.log().count("a process ended; starting it again") == 2 and service.responders() and service.workers())
    assert service.hook(endpoint, "x").status == 200
    after = samples(service)
    for process, count in (("responder", 1), ("worker", 1), ("nginx", 0)):
        assert after['postroom_process_restarts_total{process="%s",cause="ended"}' % process] == count
    posted = 'postroom_requests_total{route="/webhook/{endpoint_id}",status="200"}'
    assert (before[posted], after[posted]) == (1, 2)
    assert after["postroom_start_time_seconds"] == before["postroom_start_time_seconds"]
    with open("/proc/%d/stat" % service.process.pid) as stat, open("/proc/stat") as machine:
        ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
        booted = next(int(line.split()[1]) for line in machine if line.startswith("btime"))
    assert abs(booted + ticks / os.sysconf("SC_CLK_TCK") - after["postroom_start_time_seconds"]) < 5


def test_calls_to_ops_events_url_do_not_count_as_deliveries(serve_webhooks, receive):
    port = free_port()
    operators = receive({"/ops": {"status": [500, 200]}})
    receiver = receive({"*": {"status": 410}})
    service = serve_webhooks(
        OPS_SERVER_PORT=port, OPS_EVENTS_URL=operators.url("/ops"), WEBHOOKS_RETRY_SCHEDULE="100ms,100ms,100ms",
        RESPONDERS=1)
    environment = new_environment()
    service.add(environment, receiver.url("/"))
    service.publish(environment, event_id="one")
    operators.wait(3, "/ops")
    wait_for(lambda: samples(service)["postroom_pending"] == 0)
    found = samples(service)
    assert found['postroom_operational_calls_total{result="failure"}'] == 1
    assert found['postroom_operational_calls_total{result="success"}'] == 2
    deliveries = {key: value for key, value in found.items() if key.startswith("postroom_deliveries_total") and value}
    assert deliveries == {'postroom_deliveries_total{result="failure",error_kind="status"}': 1}
    assert found["postroom_delivery_attempt_seconds_count"] == 1 and found["postroom_delivery_lag_seconds_count"] == 1
    assert found["postroom_delivery_latency_seconds_count"] == 0
