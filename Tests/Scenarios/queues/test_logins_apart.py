"""Failed logins: a client with an old password locks nobody out."""

from queue_service import configuration, error, password


def statuses(service, user, secret, count):
    return {service.read("nobody-listens-so", user=user, secret=secret).status for _ in range(count)}


def test_a_client_with_an_old_password_locks_its_user_out_nowhere(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    # Where the user has never logged in, and at an address that it has logged in from.
    assert statuses(service, "bob", "old", 150) == {403} and service.logs_in("bob")
    assert service.logs_in("alice") and statuses(service, "alice", "old", 60) == {403} and service.logs_in("alice")
    # Nor after a restart: what is remembered is shared, and kept.
    service.stop()
    service.start()
    assert statuses(service, "alice", "old", 60) == {403} and service.logs_in("alice")
    # Guesses that differ count as they did.
    for number in range(30):
        service.logs_in("alice", "guess-%d" % number)
    assert service.logs_in("alice") is None and service.logs_in("admin")
    error(service.read("nobody-listens-so", user="alice", secret="old"), 429)
    service.check()


def test_one_password_tried_at_many_users_is_many_failures(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=2)
    answers = [service.read("nobody-listens-so", user="name-%d" % number, secret="common").status for number in range(120)]
    assert answers[:100] == [403] * 100 and answers[-1] == 429


def test_no_wrong_password_is_kept_as_it_was_sent(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=1)
    secret = "Wr0ng-but-close-to-" + password("alice")
    assert service.logs_in("alice", secret) is False
    service.stop()
    with open(service.directory + "/store.mdb", "rb") as store:
        assert secret.encode() not in store.read()
