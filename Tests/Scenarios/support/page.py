"""Pages of the documentation: their shell blocks, links and tables."""

import glob
import os
import re
import signal
import subprocess
from dataclasses import dataclass

from harness import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] + sorted(
    glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True))


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


@dataclass
class Command:
    """A command of a page; `output` is `None` where the page shows none. `file` is a file to write instead."""

    line: int
    text: str
    output: str | None = None
    file: str | None = None


def blocks(text):
    """The fenced blocks of a page: (line number, info string, body)."""
    lines = text.splitlines()
    start = info = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start, info = number, line[3:].strip()
        else:
            yield start + 2, info, lines[start + 1:number]
            start = None
    assert start is None, "a block is not closed"


def commands(text):
    """The commands of a page in their order, each with the output that the page shows; `no-test` blocks are left out."""
    found = []
    for first, info, body in blocks(text):
        language, *words = info.split() or [""]
        for word in words:
            if word.startswith("file="):
                found.append(Command(first, "\n".join(body) + "\n", file=word[5:]))
        if "no-test" in words:
            continue
        if language == "sh":
            found.append(Command(first, "\n".join(body)))
        if language != "console":
            continue
        current = None
        for number, line in enumerate(body):
            if line.startswith("$ "):
                current = Command(first + number, line[2:], "")
                found.append(current)
            elif current is None:
                raise AssertionError("line %d: output before the first command" % (first + number))
            elif unfinished(current.text) and not current.output:
                current.text += "\n" + line
            else:
                current.output += line + "\n"
    return found


def unfinished(text):
    """Whether the shell wants another line: an open quote, a here-document or a backslash at the end."""
    if text.endswith("\\"):
        return True
    document = re.search(r"<<-?\s*'?(\w+)'?", text)
    if document:
        return document.group(1) not in [line.strip() for line in text.splitlines()[1:]]
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True).returncode != 0


# What differs each time: ids, times, passwords. A token of the page stands for that of the same kind in the output.
TOKENS = [
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
    r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[A-Za-z0-9_-]{32}(?![\w-])",
    r"(?<![\w-])(?=[a-z0-9]*\d)(?=[a-z0-9]*[a-z])[a-z0-9]{20}(?![\w-])",
    r"(?<!\d)1[78]\d{8}(?!\d)",
    r"(?<=curl/)[\d.]+",
]
TOKEN = re.compile("|".join("(%s)" % token for token in TOKENS))
# Without what is before and after an id, and without the kinds of characters that every id of the page has: one in sixty
# ids has no digit.
LOOSE = [re.sub(r"\(\?(?:=|!|<=|<!)[^)]*\)", "", token) for token in TOKENS]


class Session:
    """Runs the commands of one page in one shell, and puts what differs each time into those that follow."""

    def __init__(self, directory, env, replaced):
        self.known = dict(replaced)
        self.directory = directory
        self.shell = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, command):
        text = self.put(command.text)
        if command.file:
            with open(os.path.join(self.directory, command.file), "w", encoding="utf-8") as file:
                file.write(text)
            return 0, ""
        end = "end-of-command-%d" % command.line
        self.shell.stdin.write("%s\nprintf '\\n%s %%d\\n' $?\n" % (text, end))
        self.shell.stdin.flush()
        output = []
        for line in self.shell.stdout:
            if line.startswith(end):
                return int(line.split()[1]), "".join(output).removesuffix("\n")
            output.append(line)
        raise AssertionError("the shell has ended: %s" % "".join(output))

    def put(self, text):
        for token in sorted(self.known, key=len, reverse=True):
            text = text.replace(token, self.known[token])
        return text

    def compare(self, expected, output):
        """Whether an output is as the page shows it; learns what the page's ids are this time."""
        expected, output = self.put(expected.strip("\n")), output.strip("\n")
        pattern, tokens, position = "", [], 0
        for match in re.finditer("…|%s" % TOKEN.pattern, expected):
            pattern += re.escape(expected[position:match.start()])
            position = match.end()
            token = match.group(0)
            if token == "…":
                pattern += r"[\s\S]*?"
                continue
            kind = next(index for index, group in enumerate(match.groups()) if group)
            if token in self.known.values():
                pattern += re.escape(token)
            else:
                pattern += "(%s)" % LOOSE[kind]
                tokens.append(token)
        pattern += re.escape(expected[position:])
        found = re.fullmatch(pattern, output)
        if found:
            for token, actual in zip(tokens, found.groups()):
                self.known.setdefault(token, actual)
        return found is not None

    def close(self):
        """Ends the shell, and what it has started in the background."""
        os.killpg(self.shell.pid, signal.SIGTERM)
        try:
            self.shell.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.shell.pid, signal.SIGKILL)
            self.shell.wait(20)


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    found, counts, fenced = set(), {}, False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        heading = None if fenced else re.match(r"#+ (.*)", line)
        if not heading:
            continue
        name = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).strip().lower()
        name = re.sub(r"[^\w\- ]", "", name).replace(" ", "-")
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.add(name if count == 0 else "%s-%d" % (name, count))
    return found


def links(text):
    """The targets of a page's links and images, without those in blocks."""
    prose = "\n".join(part for index, part in enumerate(re.split(r"^```.*$", text, flags=re.M)) if index % 2 == 0)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", prose)


def table(text, header):
    """The rows of the tables with a header, as lists of cells."""
    rows = []
    for block in re.findall(r"^%s\n\|[ :|-]+\n((?:\|.*\n)+)" % re.escape(header), text, re.M):
        for line in block.splitlines():
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
    return rows
