"""A headless Chromium of this test run, and its tabs.

It reaches 127.0.0.1 and localhost and nothing else, has a home of its own, and ends with the process that has started it."""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import sys

import libraries
import pytest
from harness import alive, wait_for

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"

FLAGS = [
    # As root, without a display, a graphics card, and a large /dev/shm.
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    # The browser ends when the driver at the other end of the pipe does.
    "--remote-debugging-pipe",
    # No name but this machine's is resolved, and no other address is connected to; nothing asks for them either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-domain-reliability",
    "--disable-sync", "--disable-features=MediaRouter,OptimizationHints,Translate", "--disable-client-side-phishing-detection",
    "--no-first-run", "--no-pings", "--no-default-browser-check", "--metrics-recording-only",
    # The handlers of crashes would leave the session of processes.
    "--disable-breakpad", "--disable-crash-reporter",
    "--password-store=basic", "--use-mock-keychain", "--mute-audio", "--lang=en-US",
]  # fmt: skip

# Reports each violation of the policy in the console, where it outlives the document.
RECORDER = """
(report => document.addEventListener("securitypolicyviolation", event => report(
    "securitypolicyviolation", event.effectiveDirective, event.blockedURI || event.sample)))(console.error.bind(console));
"""


def need_browser():
    """Skips the test if the browser or its library is not installed; with REQUIRE_LIBRARIES the test fails."""
    libraries.need("selenium")
    libraries.need("axe_core_python")
    for program in (CHROMIUM, DRIVER):
        if not os.path.exists(program):
            outcome = pytest.fail if os.environ.get("REQUIRE_LIBRARIES") else pytest.skip
            outcome("there is no %s: scripts/install-packages test installs it" % program)


def end_with_parent():
    """Has the kernel kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def session_members(leader):
    """The processes of a session that have not ended."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == leader and alive(int(name)):
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found


class Browser:
    def __init__(self, directory):
        self.directory = str(directory)
        self.downloads = os.path.join(self.directory, "downloads")
        os.mkdir(self.downloads)
        if libraries.MODULES not in sys.path:
            sys.path.append(libraries.MODULES)
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*FLAGS, "--user-data-dir=" + os.path.join(self.directory, "profile")]:
            options.add_argument(flag)
        options.add_experimental_option("prefs", {
            "download.default_directory": self.downloads, "download.prompt_for_download": False,
            "profile.default_content_setting_values.automatic_downloads": 1,
        })  # fmt: skip
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Certificates of tests are their own authorities.
        options.accept_insecure_certs = True
        service = Service(
            DRIVER, log_output=os.path.join(self.directory, "driver.log"), env={**os.environ, "HOME": self.directory},
            popen_kw={"start_new_session": True, "preexec_fn": end_with_parent})
        self.driver = webdriver.Chrome(options=options, service=service)
        self.leader = service.process.pid
        self.driver.set_page_load_timeout(30)
        self.driver.set_script_timeout(60)
        self.blank = self.driver.current_window_handle
        self.visited, self.allowed = set(), []
        self.lines, self.violations = [], []

    def stop(self):
        """Ends the browser, and returns when none of its processes is left."""
        try:
            self.driver.quit()
        finally:
            try:
                wait_for(lambda: not session_members(self.leader), 20)
            except AssertionError:
                for pid in session_members(self.leader):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise
            finally:
                shutil.rmtree(self.directory, ignore_errors=True)

    def drain(self):
        """Takes what the console has got since the last call."""
        for entry in self.driver.get_log("browser"):
            violation = re.search(r'"securitypolicyviolation" ("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")$', entry["message"])
            if violation:
                self.violations.append(tuple(json.loads(text) for text in violation.groups()))
            else:
                self.lines.append("%s: %s" % (entry["source"], entry["message"]))

    def complaints(self):
        """What counts against a test: lines of the console that are not allowed, and violations of the policy."""
        self.drain()
        lines = [line for line in self.lines if not any(re.search(pattern, line) for pattern in self.allowed)]
        return lines + ["%s: %s" % violation for violation in self.violations]

    def reset(self):
        """Closes all tabs, and forgets what pages have stored, downloaded, written to the console and been allowed."""
        for handle in self.driver.window_handles:
            if handle != self.blank:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self.blank)
        for origin in self.visited:
            self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        self.driver.execute_cdp_cmd("Browser.resetPermissions", {})
        for name in os.listdir(self.downloads):
            os.remove(os.path.join(self.downloads, name))
        self.drain()
        self.visited, self.allowed = set(), []
        self.lines, self.violations = [], []
