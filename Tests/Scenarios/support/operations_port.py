"""What a service answers at its operations port."""

import http.client

from harness import Answer


def ask(service, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", int(service.settings["OPS_SERVER_PORT"]), timeout=20)
    connection.request(method, path)
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def samples(service):
    """The values of the metrics, by name and labels."""
    answer = ask(service, "/metrics")
    assert answer.status == 200, answer.text
    return samples_in(answer.text)


def samples_in(text):
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}
