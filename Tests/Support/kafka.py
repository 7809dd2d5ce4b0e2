#!/usr/bin/env python3
"""A Kafka broker over TCP for tests: the mock cluster of librdkafka, in its own process.

The arguments are its topics; each has two partitions. It prints "READY host:port" once it listens. Then it reads
commands, one a line, and answers each with a line:

  down, up      stops and starts the broker; messages and offsets are kept
  hide TOPIC    the broker reports the topic as unknown, although it creates others on demand
  show TOPIC    undoes "hide"
"""

import ctypes
import sys

library = ctypes.CDLL("librdkafka.so.1")
for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
    getattr(library, name).restype = ctypes.c_void_p
library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p

PRODUCER = 0
reason = ctypes.create_string_buffer(512)
configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
client = library.rd_kafka_new(PRODUCER, configuration, reason, ctypes.c_size_t(len(reason)))
assert client, reason.value
cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 1))
for topic in sys.argv[1:]:
    code = library.rd_kafka_mock_topic_create(cluster, topic.encode(), 2, 1)
    assert code == 0, (topic, code)
print("READY", library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)

BROKER = 1
UNKNOWN_TOPIC = 3
for line in sys.stdin:
    word, *topic = line.split()
    if topic:
        library.rd_kafka_mock_topic_set_error(cluster, topic[0].encode(), UNKNOWN_TOPIC if word == "hide" else 0)
        code = 0
    else:
        command = {"down": library.rd_kafka_mock_broker_set_down, "up": library.rd_kafka_mock_broker_set_up}[word]
        code = command(cluster, BROKER)
    print(code, flush=True)
