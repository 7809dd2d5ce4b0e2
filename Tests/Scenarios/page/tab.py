"""A tab of the browser, as a test uses it."""

import os
import re
from dataclasses import dataclass, field

import libraries
from browser import RECORDER
from harness import wait_for

DESKTOP, PHONE = (1280, 800), (360, 740)


def origin(service):
    """The address of a service, as its page sees it."""
    return "%s://%s:%d" % ("https" if "TLS_CERTIFICATE" in service.settings else "http", service.host, service.port)


@dataclass
class Node:
    """A node of the accessibility tree."""

    role: str
    name: str
    properties: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    def all(self, role=None):
        """This node and those below it, in the order of the tree; only those of a role, if one is given."""
        found = [self] if role in (None, self.role) else []
        return found + [node for child in self.children for node in child.all(role)]


class Tab:
    """A tab with a page in it. `driver` is selenium's, for what has no method here."""

    def __init__(self, browser):
        self.browser, self.driver = browser, browser.driver
        self.features = {}
        self.driver.switch_to.new_window("tab")
        self.handle = self.driver.current_window_handle
        self.command("Page.addScriptToEvaluateOnNewDocument", source=RECORDER)
        self.command("Emulation.setFocusEmulationEnabled", enabled=True)
        self.resize(*DESKTOP)

    def focus(self):
        """Makes this the tab that `driver` speaks to. Each method does so; needed by tests with several tabs that use
        `driver`."""
        if self.driver.current_window_handle != self.handle:
            self.driver.switch_to.window(self.handle)
        return self

    def command(self, name, **parameters):
        """Sends a command of the DevTools protocol."""
        return self.focus().driver.execute_cdp_cmd(name, parameters)

    # ------------------------------------------------------------ pages

    def open(self, service, path="/inspect"):
        """Opens a path of a service, below its mount point."""
        return self.visit(origin(service) + service.mount + path)

    def visit(self, url):
        self.browser.visited.add("/".join(url.split("/")[:3]))
        self.focus().driver.get(url)
        return self

    def reload(self):
        self.focus().driver.refresh()
        return self

    def run(self, script, *arguments):
        """Runs the body of an asynchronous function with `arguments`, and returns what it returns."""
        return self.focus().driver.execute_script("return (async function () { %s }).apply(null, arguments)" % script, *arguments)

    def wait(self, expression, seconds=20.0):
        """Waits until an expression of JavaScript is true, and returns its value."""
        return wait_for(lambda: self.run("return " + expression), seconds)

    def find(self, selector):
        """The first element that a CSS selector selects."""
        return self.focus().driver.find_element("css selector", selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys):
        """Presses keys wherever the focus is: characters, names of selenium's Keys, or several at a time: press("j",
        "ARROW_DOWN", "SHIFT+TAB")."""
        from selenium.webdriver import ActionChains, Keys

        for text in keys:
            *held, key = [getattr(Keys, name) if len(name) > 1 else name for name in re.split(r"(?<=.)\+", text)]
            actions = ActionChains(self.focus().driver)
            for modifier in held:
                actions.key_down(modifier)
            actions.send_keys(key)
            for modifier in held:
                actions.key_up(modifier)
            actions.perform()
        return self

    # ------------------------------------------------------------ how it is shown

    def resize(self, width, height, scale=1):
        """Sets the size of the page in CSS pixels. Half a size at a scale of 2 is a zoom of 200 %."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        return self

    def prefer(self, scheme=None, motion=None, contrast=None):
        """Sets what the user prefers: scheme "dark" or "light", motion "reduce", contrast "more"."""
        given = {"color-scheme": scheme, "reduced-motion": motion, "contrast": contrast}
        self.features.update({"prefers-" + name: value for name, value in given.items() if value})
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in self.features.items()])
        return self

    def screenshot(self, name):
        """Saves a picture of what is visible as NAME.png, in the directory SCREENSHOTS if that is set; returns its path."""
        directory = os.environ.get("SCREENSHOTS") or self.browser.directory
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, name + ".png")
        assert self.focus().driver.save_screenshot(path)
        return path

    # ------------------------------------------------------------ who reads it otherwise

    def accessibility(self):
        """The root of the accessibility tree, as assistive technology gets it."""
        listed = self.command("Accessibility.getFullAXTree")["nodes"]
        nodes = {node["nodeId"]: node for node in listed}

        def build(key):
            node = nodes[key]
            children = [child for key in node.get("childIds", []) if key in nodes for child in build(key)]
            role = node.get("role", {}).get("value", "")
            if node["ignored"] or role in ("none", "generic", "InlineTextBox"):
                return children
            properties = {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])}
            for name in ("description", "value"):
                if node.get(name, {}).get("value"):
                    properties[name] = node[name]["value"]
            return [Node(role, node.get("name", {}).get("value", ""), properties, children)]

        return build(listed[0]["nodeId"])[0]

    def axe(self, *without):
        """What axe-core finds wrong with the page: a line each. `without` names rules that are left out."""
        if not self.run("return window.axe !== undefined"):
            with open(os.path.join(libraries.MODULES, "axe_core_python", "axe.min.js"), encoding="utf-8") as script:
                self.run(script.read())
        rules = {name: {"enabled": False} for name in without}
        result = self.run(
            "return axe.run(document, {resultTypes: ['violations'], preload: false, rules: arguments[0]})", rules)
        return [
            "%s (%s): %s: %s" % (found["id"], found["impact"], found["help"], ", ".join(
                " ".join(map(str, node["target"])) for node in found["nodes"]))
            for found in result["violations"]
        ]  # fmt: skip

    # ------------------------------------------------------------ what leaves it

    def clipboard(self, text=None):
        """What is in the clipboard; `text` puts something there first."""
        self.allow_clipboard()
        if text is not None:
            self.run("return navigator.clipboard.writeText(arguments[0])", text)
        return self.run("return navigator.clipboard.readText()")

    def allow_clipboard(self):
        """Lets the page read and write the clipboard without a question."""
        self.command(
            "Browser.grantPermissions", origin=self.run("return location.origin"),
            permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        return self

    def downloaded(self, name):
        """Waits for a download to be complete, and returns its bytes."""
        path = os.path.join(self.browser.downloads, name)

        def is_complete():
            # The browser makes an empty file of the name while it writes to another one.
            names = os.listdir(self.browser.downloads)
            return name in names and not any(other.endswith(".crdownload") for other in names)

        wait_for(is_complete)
        with open(path, "rb") as file:
            return file.read()

    # ------------------------------------------------------------ the console

    def console(self):
        """The lines that the console has got, which then no longer count against the test."""
        self.browser.drain()
        lines, self.browser.lines = self.browser.lines, []
        return lines

    def violations(self):
        """The violations of the policy as (directive, what was refused), which then no longer count against the test."""
        self.browser.drain()
        found, self.browser.violations = self.browser.violations, []
        return found

    def allow(self, pattern):
        """Lets the console get lines with this pattern, such as "ERR_CONNECTION_REFUSED" where a test ends the service."""
        self.browser.allowed.append(pattern)
        return self
