"""What the pages say, against the program: every shell block, every link, and the table of settings."""

import os
import re
import subprocess

import page
import pytest
from harness import PROGRAM, ROOT, environment, free_port


def follow(name, tmp_path, env, ports):
    """Runs the commands of a page, in a shell of their own, and compares what they print."""
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "postroom").is_symlink():
        (programs / "postroom").symlink_to(PROGRAM)
    env = dict(env, PATH="%s:%s" % (programs, env["PATH"]), HOME=str(tmp_path))
    # At a terminal curl shows no progress for a short answer.
    (tmp_path / ".curlrc").write_text("silent\n")
    session = page.Session(tmp_path, env, ports)
    try:
        for command in sorted(page.commands(page.read(name)), key=lambda command: command.file is None):
            status, output = session.run(command)
            place = "%s:%d: %s" % (name, command.line, command.text)
            if command.output is None:
                assert status == 0, "%s\nended with %d:\n%s" % (place, status, output)
            else:
                assert session.compare(command.output, output), "%s\nprinted:\n%s" % (place, output)
    finally:
        session.close()


def start_service(serve, ports):
    """The service that a page assumes where it starts none."""
    return serve(
        APP_PORT=ports["8080"], RESPONDERS=1, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8", OPS_SERVER_PORT=0, ENDPOINT_FORWARDING="true",
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in page.PAGES if page.commands(page.read(name))])
def test_every_block_of_a_page_does_what_the_page_shows(name, serve, tmp_path):
    # What a page means by these ports is this test's own.
    ports = {"8080": str(free_port()), "15494": str(free_port())}
    env = environment(tmp_path / "var", OPS_SERVER_PORT=0)
    if not any("postroom serve" in command.text for command in page.commands(page.read(name))):
        env = environment(start_service(serve, ports).directory)
    follow(name, tmp_path, env, ports)


def test_the_tours_can_be_followed_one_after_the_other_at_one_service(serve, tmp_path):
    ports = {"8080": str(free_port()), "15494": str(free_port())}
    env = environment(start_service(serve, ports).directory)
    for name in ["README.md", "docs/getting-started.md", "docs/webhooks.md", "docs/receiving-webhooks.md", "README.md"]:
        follow(name, tmp_path, env, ports)


@pytest.mark.parametrize("name", page.PAGES)
def test_every_link_of_a_page_leads_somewhere(name):
    text = page.read(name)
    broken = []
    for link in page.links(text):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        if not os.path.exists(os.path.join(ROOT, target)):
            broken.append(link)
        elif anchor and anchor not in page.anchors(page.read(target)):
            broken.append(link)
    assert not broken


def test_the_table_of_settings_has_every_setting_and_no_other():
    rows = page.table(page.read("docs/settings.md"), "| name | default | meaning |")
    documented = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row[0])]
    assert len(documented) == len(set(documented))
    shown = subprocess.run([PROGRAM, "settings"], env=environment("/nonexistent"), capture_output=True, text=True, timeout=20)
    known = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", shown.stdout, re.M))
    assert known and set(documented) == known, set(documented) ^ known
