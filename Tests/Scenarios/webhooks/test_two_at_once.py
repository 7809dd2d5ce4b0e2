"""Requests at the same moment that read and then write: the first one decides."""

import json

from harness import together
from queue_service import configuration, password
from webhook_service import new_environment


def rotate(hub, name):
    answer = hub.api("POST", "/environments/%s/settings/rotate" % name)
    assert answer.status == 200, answer.text
    return answer.json()["public_verification_key"]


def test_rotations_at_the_same_moment_announce_one_key(hub):
    for _ in range(20):
        name = new_environment()
        before = hub.key(name)
        announced = {key["next"]["key_id"] for key in together(8, lambda _, name=name: rotate(hub, name))}
        after = hub.key(name)
        # Every response has shown the key that will sign.
        assert announced == {after["next"]["key_id"]} and after["key_id"] == before["key_id"]


def test_of_passwords_set_at_the_same_moment_with_one_login_the_first_is_kept(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    secret = password("alice")
    for number in range(8):
        wanted = ["secret-%d-%d" % (number, index) for index in range(6)]
        statuses = together(6, lambda index: service.set_password("alice", wanted[index], secret).status)
        assert sorted(statuses) == [200] + [403] * 5
        secret = wanted[statuses.index(200)]
        assert service.logs_in("alice", secret)
        assert json.loads(service.text())["users"][1]["pass_hash"].startswith("sha512;")
    assert service.reload().status == 200 and service.logs_in("alice", secret)
