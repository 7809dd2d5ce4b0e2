"""A Kafka broker, and events for it."""

import json
import os
import subprocess
import sys

import libraries
from harness import ROOT
from webhook_examples import EVENTS

# What the worker logs while it cannot store events from Kafka.
WAITING = "events from Kafka have to wait"

# Publishes what it reads: lines of [topic, key, value, headers].
PUBLISHER = """
import json, sys
from confluent_kafka import Producer
failures = []
producer = Producer({"bootstrap.servers": sys.argv[1]})
for line in sys.stdin:
    topic, key, value, headers = json.loads(line)
    report = lambda error, _: error and failures.append(str(error))
    producer.produce(topic, value=value, key=key, headers=headers, on_delivery=report)
    producer.poll(0)
assert producer.flush(30) == 0 and not failures, failures
"""


class Broker:
    """Tests/Support/kafka.py, with a topic for each type of event and one for all."""

    def __init__(self, prefix=""):
        topics = [prefix + name for name in (*EVENTS, "events")]
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "Tests", "Support", "kafka.py"), *topics],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        word, self.address = self.process.stdout.readline().split()
        assert word == "READY"

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n"

    def publish(self, *messages):
        """Publishes messages: each is a topic, a text or a value for JSON, and optionally a key and headers."""
        lines = []
        for topic, value, *rest in messages:
            text = value if isinstance(value, str) else json.dumps(value)
            key, headers = (rest + [None, None])[:2]
            lines.append(json.dumps([topic, key, text, headers]))
        subprocess.run(
            [libraries.PYTHON, "-c", PUBLISHER, self.address], input="\n".join(lines), text=True, check=True, timeout=60
        )

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def event(environment, **members):
    return {"environment_id": environment, "data": {"pipeline_id": "p"}, **members}
