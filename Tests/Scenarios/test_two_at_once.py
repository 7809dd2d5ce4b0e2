"""Requests that read, decide and write, made at the same moment: one of them decides for all."""

from harness import new_environment, together


def rotate(hub, name):
    answer = hub.api("POST", "/environments/%s/settings/rotate" % name)
    assert answer.status == 200, answer.text
    return answer.json()["public_verification_key"]


def test_rotations_at_once_announce_one_key(hub):
    for _ in range(20):
        name = new_environment()
        before = hub.key(name)
        announced = {key["next"]["key_id"] for key in together(8, lambda _, name=name: rotate(hub, name))}
        after = hub.key(name)
        # A key that was shown to anybody is the one that signs tomorrow.
        assert announced == {after["next"]["key_id"]} and after["key_id"] == before["key_id"]
