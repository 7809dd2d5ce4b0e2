"""The examples of api/openapi.yaml: capture, queues and operations take and answer what they show."""

import os
import time

from description import Description
from harness import free_port, postroom, wait_for
from queue_service import basic, configuration
from tour import ELSEWHERE, EVIL, LONG, Tour, check, crowd


def test_the_examples_of_capture(begin, hurried, receive):
    tour = Tour(Description())
    service = begin(ENDPOINT_FORWARDING="true")
    tour.known["127.0.0.1:8080"] = "127.0.0.1:%d" % service.port
    tour.ask(service, "createEndpoint", "unnamed")
    tour.ask(service, "configureEndpoint", request="subpaths")
    tour.ask(service, "getEndpointSettings")
    # As curl sends it.
    curl = {"User-Agent": "curl/7.88.1", "Accept": "*/*", "Content-Type": "application/sep+xml"}
    tour.ask(service, "sendToEndpoint", headers=curl)
    tour.ask(service, "sendToSubpath", query="?x=1", body=b"\xff\xfe")
    tour.ask(service, "listNotifications", "two")
    tour.ask(service, "getNotificationBody")
    receiver = receive({"/hooks": {"status": 503, "body": "try later", "headers": {"content-type": "text/plain"}}})
    tour.known["https://app.example/hooks"] = receiver.url("/hooks")
    tour.ask(service, "forwardNotifications")
    receiver.wait(1)
    endpoint = tour.known["C1G3bdRc5awu-fhDSUwtH5XMyMAfkx4N"]
    listed = "/manage/endpoint/%s/forwards" % endpoint
    wait_for(lambda: service.call("GET", listed).json()["forwards"][0]["state"] == "failed")
    tour.ask(service, "listForwards")
    for name, body in {
        "noObject": b"[]", "scheme": b'{"notifications": [1], "urls": ["ftp://app.example/"]}',
        "numbers": b'{"notifications": [0], "urls": []}',
    }.items():  # fmt: skip
        tour.ask(service, "forwardNotifications", name, body=body, status=400)
    absent = b'{"notifications": [7], "urls": ["https://app.example/"]}'
    tour.ask(service, "forwardNotifications", "notifications", body=absent, status=404)
    tour.ask(service, "acknowledgeNotifications", query="?through=2")
    tour.ask(service, "collectNotifications", "none")
    tour.ask(service, "getNotificationBody", "notification", status=404)
    tour.ask(service, "sendToSubpath")
    for name, body in {
        "notJSON": b"{x", "noObject": b"[]", "missing": b"{}", "noBoolean": b'{"enabled": "maybe"}',
        "rule": b'{"enabled": true, "responses": [{"then": {"status": 99}}]}',
        "overflow": b'{"enabled": true, "overflow": "x"}', "cors": b'{"enabled": true, "cors": 7}',
        "pinned": b'{"enabled": true, "pinned": true}', "expires": b'{"enabled": true, "expires": "soon"}',
        "past": b'{"enabled": true, "expires": "2020-01-01T00:00:00Z"}', "late": b'{"enabled": true, "expires": 1e9}',
    }.items():  # fmt: skip
        tour.ask(service, "configureEndpoint", name, body=body, status=400)
    for name in ("after", "before", "limit", "wait"):
        tour.ask(service, "listNotifications", name, query="?%s=x" % name, status=400)
    tour.ask(service, "listNotifications", "together", query="?before=3&wait=1", status=400)
    tour.ask(service, "acknowledgeNotifications", status=400)
    for name, body in {"request": b"{}", "rule": b'{"request": {}, "responses": [{"then": {"status": 99}}]}'}.items():
        tour.ask(service, "previewAnswer", name, body=body, status=400)
    tour.ask(service, "previewAnswer", request="rule")
    for name in ("ring", "rule", "page"):
        tour.ask(service, "configureEndpoint", request=name)
    tour.ask(service, "configureEndpoint", request="disable")
    tour.ask(service, "sendToEndpoint", status=500)
    tour.ask(service, "sendToEndpoint", "corrupt", body=b"nothing", headers={"Content-Encoding": "gzip"}, status=400)
    tour.ask(service, "listNotifications", "refused", query="?refused&after=1")
    tour.ask(service, "configureEndpoint", request="signature")
    tour.ask(service, "sendToEndpoint", status=401)
    tour.ask(service, "sendToEndpoint", "request", at="/webhook/%zz", status=400)
    tour.ask(service, "sendToEndpoint", body=bytes((25 << 20) + 1), status=413)
    tour.ask(service, "sendToEndpoint", at="/webhook/nobody" + LONG, status=414)
    tour.ask(service, "deleteEndpoint")
    tour.ask(service, "collectNotifications", "unknown", status=404)
    tour.ask(service, "forwardNotifications", "unknown", status=404)
    tour.ask(service, "sendToSubpath", "unknown", status=404)
    tour.ask(service, "getNotificationBody", "endpoint", status=404)
    tour.ask(service, "collectNotifications", "path", at="/manage/endpoint/a/b", status=404)
    tour.ask(service, "deleteEndpoint", headers=EVIL, status=403)
    tour.ask(service, "deleteEndpoint", headers=ELSEWHERE, status=421)
    tour.ask(service, "deleteEndpoint", at="/manage/endpoint/%zz", status=400)
    tour.ask(service, "configureEndpoint", body=bytes((25 << 20) + 1), status=413)
    crowd(tour, hurried, "createEndpoint", "requests")

    named = begin(ALLOW_NAMED_ENDPOINTS="true", SERVER_URL="http://localhost:8080")
    tour.ask(named, "forwardNotifications", "forbidden", status=403)
    tour.ask(named, "listForwards", "forbidden", status=403)
    tour.ask(named, "createEndpoint", "named", request="named")
    tour.ask(named, "createEndpoint", "plain", request="plain")
    tour.ask(named, "createEndpoint", request="plain", status=409)
    for name, body in {"name": b'{"name": "."}', "secret": b'{"name": "a", "secret": 0}'}.items():
        tour.ask(named, "createEndpoint", name, body=body, status=400)

    tight = begin(MAX_ACTIVE_ENDPOINTS=8, MAX_ENDPOINT_NOTIFICATIONS=1, TRUSTED_PROXIES="127.0.0.1")
    endpoint = tight.create()
    tight.hook(endpoint)
    here = {"C1G3bdRc5awu-fhDSUwtH5XMyMAfkx4N": endpoint}
    tour.ask(tight, "sendToEndpoint", "tooMany", where={"endpointId": endpoint}, status=507, known={**here, "100": "1"})
    while tight.call("POST", "/manage/endpoint").status == 201:
        pass
    tour.ask(tight, "createEndpoint", "address", status=507)
    tight.call("POST", "/manage/endpoint", headers={"X-Forwarded-For": "192.0.2.1"})
    other = {"X-Forwarded-For": "192.0.2.2"}
    tour.ask(tight, "createEndpoint", "tooMany", headers=other, status=507, known={"1024": "8"})
    small = begin(MAX_ENDPOINT_BYTES=10)
    endpoint = small.create()
    here = {"C1G3bdRc5awu-fhDSUwtH5XMyMAfkx4N": endpoint, "67108864": "10"}
    tour.ask(small, "sendToEndpoint", "tooManyBytes", where={"endpointId": endpoint}, status=507, known=here)
    check(tour, "Capture")


def faulty(text):
    """A configuration file that is at fault in line 9, column 15."""
    return text + "\n" * (8 - text.count("\n")) + '    {"name":  5}\n  ]\n}\n'


def test_the_examples_of_queues(begin, hurried):
    tour = Tour(Description())
    orders = {"name": "orders", "max_message_count": 1}
    signed = {"name": "signed", "auth": {"method": "hmac-sha256", "key": "k", "header_name": "X-Signature"}}
    local = {"name": "local", "whitelist_ip": ["192.0.2.7"]}
    service = begin(configuration([orders], users=["alice"]))
    alice, login = basic("alice"), {"status": 200, "headers": basic("alice")}
    tour.ask(service, "getTime")
    tour.ask(service, "listen", **login)
    tour.ask(service, "listen", "listening", headers=alice, status=400)
    tour.ask(service, "sendMessage")
    tour.ask(service, "listQueues", **login)
    tour.ask(service, "peekMessages", query="?limit=20", **login)
    tour.ask(service, "getMessage", **login)
    tour.ask(service, "peekMessages", "limit", query="?limit=0", headers=alice, status=400)
    tour.ask(service, "peekMessages", "before", query="?before=0", headers=alice, status=400)
    tour.ask(service, "getMessage", "id", where={"message": 0}, headers=alice, status=400)
    tour.ask(service, "peekMessages", "queue", where={"queue": "none"}, headers=alice, status=404)
    tour.ask(service, "getMessage", "message", where={"message": 7}, headers=alice, status=404)
    tour.ask(service, "readMessages", "one", **login)
    tour.ask(service, "sendMessage", body=b"\xff")
    tour.ask(service, "readMessages", "bytes", query="?ack=manual", **login)
    tour.ask(service, "acknowledgeMessages", where={"message": 2}, **login)
    tour.ask(service, "readMessages", "none", **login)
    tour.ask(service, "acknowledgeMessages", "message", where={"message": 7}, headers=alice, status=400)
    # Refused for its size, and lost.
    tour.ask(service, "sendMessage", body=bytes(20001), status=413)
    tour.ask(service, "readMessages", "lostManual", query="?ack=manual", headers=alice, status=410)
    tour.ask(service, "readMessages", "lost", headers=alice, status=410)
    tour.ask(service, "readMessages", "wait", query="?wait=x", headers=alice, status=400)
    tour.ask(service, "listQueues", "query", query="?limit=0", headers=alice, status=400)
    tour.ask(service, "listQueues", "after", query="?after=x", headers=alice, status=400)
    tour.ask(service, "listQueues", "", at="/queues%zz", headers=alice, status=400)
    tour.ask(service, "unlisten", "path", at="/unlisten/%ff", headers=alice, status=400)
    tour.ask(service, "listQueues", status=401)
    tour.ask(service, "listQueues", "login", headers=basic("alice", "wrong"), status=403)
    tour.ask(service, "listQueues", "site", headers={**alice, **EVIL}, status=403)
    tour.ask(service, "listQueues", headers={**alice, **ELSEWHERE}, status=421)
    tour.ask(service, "listen", where={"queue": "nowhere"}, headers=alice, status=404)
    tour.ask(service, "unlisten", where={"client": "nobody"}, headers=alice, status=404)
    tour.ask(service, "setPassword", body=bytes((25 << 20) + 1), headers=alice, status=413)
    tour.ask(service, "listQueues", at="/queues" + LONG, status=414)
    tour.ask(service, "reloadConfiguration", "reload", headers=alice, status=403)

    # An administrator, other queues, and the one that clients follow is gone.
    service.write(configuration([signed, local], users=["alice", "admin"]))
    assert postroom(service.directory, "queues", "load").returncode == 0
    tour.ask(service, "readMessages", "disconnected", headers=alice, status=410)
    tour.ask(service, "acknowledgeMessages", headers=alice, status=410)
    tour.ask(service, "sendMessage", "signature", where={"queue": "signed"}, status=403)
    tour.ask(service, "sendMessage", "address", where={"queue": "local"}, status=403)
    tour.ask(service, "unlisten", **login)
    tour.ask(service, "setPassword", "password", body=b'{"password": "short"}', headers=alice, status=400)
    tour.ask(service, "setPassword", **login)
    admin = basic("admin")
    tour.ask(service, "reloadConfiguration", headers=admin)
    service.write(faulty('{"listen_host": "127.0.0.1", "listen_port": 1, "users": [], "queues": ['))
    tour.ask(service, "reloadConfiguration", headers=admin, status=422)
    os.remove(service.config)
    tour.ask(service, "reloadConfiguration", headers=admin, status=409)
    crowd(tour, hurried, "listQueues")
    crowd(tour, hurried, "sendMessage", "requests")
    while service.call("GET", "/queues", headers=basic("alice", "guess%d" % time.monotonic_ns())).status == 403:
        pass
    tour.ask(service, "listQueues", "logins", headers=basic("alice"), status=429)
    check(tour, "Queues")


def test_the_examples_of_operations(begin, hurried):
    tour = Tour(Description())
    port = free_port()
    service = begin(OPS_SERVER_PORT=port, DEBUG="true", RESPONDERS=1)
    endpoint = service.create()
    # Refusals first: they are counted with the next request that is stored.
    for path in ("x", "x", "x", endpoint, endpoint):
        service.hook(path)
    for path in ("x", endpoint):
        service.call("GET", "/manage/endpoint/" + path)
    for path in ("x", "x", "x", "x", "x", endpoint):
        service.configure(path, enabled=True)
    tour.ask(service, "getStatusPage", known={"nZAq": endpoint[:4]})
    tour.ask(service, "checkHealth")
    for name in ("checkLiveness", "checkReadiness", "getVersion"):
        tour.ask(service, name, port=port)
    for name in ("getMetrics", "getSettings"):
        tour.ask(service, name, part=True, port=port)
    tour.ask(service, "getDescription", part=True)
    tour.ask(service, "checkLiveness", headers=EVIL, status=403, port=port)
    tour.ask(service, "checkLiveness", headers=ELSEWHERE, status=421, port=port)
    tour.ask(service, "getStatusPage", at="/%zz", status=400)
    tour.ask(service, "getStatusPage", body=bytes((25 << 20) + 1), status=413)
    tour.ask(service, "getStatusPage", at="/manage" + LONG, status=414)
    crowd(tour, hurried, "checkHealth", "requests")
    plain_port = free_port()
    plain = begin(OPS_SERVER_PORT=plain_port)
    tour.ask(plain, "getSettings", status=404, port=plain_port)
    answer = plain.call("POST", "/openapi.json")
    tour.compare(tour.description.operation("getDescription"), str(answer.status), answer, "", False)
    check(tour, "Operations")
