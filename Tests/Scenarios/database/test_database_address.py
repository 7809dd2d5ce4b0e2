"""DB_URI in its forms."""

import pytest
from harness import free_port, postroom
from postgresql_server import PASSWORD


def is_sound(tmp_path, **settings):
    result = postroom(tmp_path, "store", "check", **settings)
    assert result.returncode == 0, result.stderr
    return result.stdout.endswith(b": sound\n")


def test_the_first_of_several_hosts_that_answers_is_used(tmp_path, database):
    for other in ("127.0.0.1:%d" % free_port(), "[::1]:%d" % free_port()):
        assert is_sound(tmp_path, **{**database, "DB_URI": other + "," + database["DB_URI"]})
        assert is_sound(tmp_path, **{**database, "DB_URI": database["DB_URI"] + "," + other})


def test_a_url_names_the_user_and_the_database(tmp_path, database):
    for scheme in ("postgresql", "postgres"):
        address = "%s://postgres@%s/%s" % (scheme, database["DB_URI"], database["DB_DATABASE"])
        assert is_sound(tmp_path, DB_URI=address, DB_AUTH_PASS=PASSWORD)
        assert is_sound(tmp_path, DB_URI=address + "?sslmode=disable&connect_timeout=3", DB_AUTH_PASS=PASSWORD)


@pytest.mark.parametrize("address", ["postgresql://a:hidden-secret@b/c", "postgres://a:hid/hidden-secret@b/c", "postgres://b/c?password=hidden-secret"])
def test_a_password_in_a_url_is_refused_and_not_shown(tmp_path, address):
    result = postroom(tmp_path, "settings", DB_URI=address)
    assert result.returncode == 78 and b"DB_AUTH_PASS" in result.stderr
    assert b"hidden-secret" not in result.stderr + result.stdout


def test_a_url_takes_what_it_leaves_out_from_the_other_settings(tmp_path, database):
    address = "postgresql://%s/%s" % (database["DB_URI"], database["DB_DATABASE"])
    assert is_sound(tmp_path, **{**database, "DB_URI": address})


@pytest.mark.parametrize(
    "address",
    [
        "localhost", "localhost:", ":5432", "localhost:0", "localhost:65536", "localhost:port", "::1:5432", "[::1]", "[::g]:5432",
        "a:5432,", ",a:5432", "a:5432,b", "a:5432, b:5432", "mysql://localhost/x", "postgresql://", "user@host:5432",
        "host=localhost:5432",
    ],
)
def test_other_forms_are_refused(tmp_path, address):
    result = postroom(tmp_path, "settings", DB_URI=address)
    assert result.returncode == 78 and result.stdout == b""
    assert b"DB_URI" in result.stderr and b"HOST:PORT" in result.stderr, result.stderr


def test_settings_show_the_address_and_no_password(tmp_path):
    def shown(**settings):
        result = postroom(tmp_path, "settings", DB_AUTH_PASS="hidden-secret", **settings)
        assert result.returncode == 0 and b"hidden-secret" not in result.stdout + result.stderr
        return [line for line in result.stdout.decode().splitlines() if "DB_URI" in line or "DB_AUTH_PASS" in line]

    hidden = "# DB_AUTH_PASS is set; its value is not shown."
    assert shown(DB_URI="a:1,[::1]:2") == ['DB_URI="a:1,[::1]:2"', hidden]
    assert shown(DB_URI="postgresql://a/b") == ["DB_URI=postgresql://a/b", hidden]
