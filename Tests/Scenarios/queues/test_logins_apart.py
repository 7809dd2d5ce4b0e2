"""Failed logins: repeating the same wrong password does not lock a user out."""

from queue_service import configuration, error, password


def statuses(service, user, secret, count):
    return {service.read("nobody-listens-so", user=user, secret=secret).status for _ in range(count)}


def test_a_client_with_an_old_password_does_not_lock_its_user_out(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=4)
    # From an address without a login so far, and from one where the user has logged in.
    assert statuses(service, "bob", "old", 150) == {403} and service.logs_in("bob")
    assert service.logs_in("alice") and statuses(service, "alice", "old", 60) == {403} and service.logs_in("alice")
    # Also after a restart.
    service.stop()
    service.start()
    assert statuses(service, "alice", "old", 60) == {403} and service.logs_in("alice")
    # Different guesses count.
    for number in range(30):
        service.logs_in("alice", "guess-%d" % number)
    assert service.logs_in("alice") is None and service.logs_in("admin")
    error(service.read("nobody-listens-so", user="alice", secret="old"), 429)
    service.check()


def test_one_password_for_many_users_counts_as_many_failures(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=2)
    answers = [service.read("nobody-listens-so", user="name-%d" % number, secret="common").status for number in range(120)]
    assert answers[:100] == [403] * 100 and answers[-1] == 429


def test_wrong_passwords_are_not_stored_in_clear(serve_queues):
    service = serve_queues(configuration(["a"]), RESPONDERS=1)
    secret = "Wr0ng-but-close-to-" + password("alice")
    assert service.logs_in("alice", secret) is False
    service.stop()
    with open(service.directory + "/store.mdb", "rb") as store:
        assert secret.encode() not in store.read()
