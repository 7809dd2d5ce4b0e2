"""Open pages of the inspector, while webhooks arrive at their endpoints."""

import importlib.util
import os
import subprocess
import sys
import threading
import time

from load import LoadError, median, percentile, send_all, wrk
from subjects import ROOT, Postroom
from tables import heading, percent, table

PAGES = 200
# For each measurement the number of endpoints that the pages and the webhooks share, and the webhooks a second; none: as many as
# possible.
CASES = ((200, 3000), (200, None), (1, 3000), (1, None))
SAMPLES = 60
ROWS_OF_ONE_PAGE = 10_000
SECONDS = 8
DURABILITIES = ("disk", "process")


class Looking:
    """So many pages, as far as the service sees them: a thread of wrk for each."""

    def __init__(self, subject, ids, count, seconds):
        script = ROOT / "Benchmarks/wrk/pages.lua"
        # The first look of each page comes at the start.
        self.command = ["wrk", f"-t{count}", f"-c{count}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script), subject.base]
        self.environment = {**os.environ, "IDS": str(ids), "PATH_BEFORE_ID": "/manage/endpoint/"}

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(1)
        return self

    def __exit__(self, *_):
        output, _ = self.process.communicate(timeout=90)
        lines = [line.split()[1:] for line in output.splitlines() if line.startswith("RESULT ")]
        if len(lines) != 1:
            raise LoadError(f"the pages failed: {output.strip()[-300:]}")
        looks, duration, _, _, refused, broken = map(int, lines[0])
        if broken:
            raise LoadError(f"{broken} connections of pages failed")
        self.looks, self.refused = looks / (duration / 1e6), refused


ROWS = """
const url = document.getElementById("url").value, list = document.getElementById("list"), times = [];
for (let number = 0; number < arguments[0]; number++) {
  const marker = `sample-${number}-${Math.random()}`;
  await new Promise((resolve) => setTimeout(resolve, 50 + 100 * Math.random()));
  const start = performance.now();
  await new Promise((resolve, reject) => {
    const observer = new MutationObserver(() => list.textContent.includes(marker) && resolve(observer.disconnect()));
    observer.observe(list, { childList: true, subtree: true, characterData: true });
    fetch(url, { method: "POST", body: marker });
    setTimeout(() => resolve(observer.disconnect()), 10000);
  });
  times.push(performance.now() - start);
}
return times;
"""


def chromium(directory):
    """A browser; `None` if it is not installed (`make test` does that)."""
    sys.path += [str(ROOT / "Tests/Scenarios" / name) for name in ("page", "support")]
    try:
        import browser
        import libraries

    except ImportError:
        return None
    sys.path.append(libraries.MODULES)
    if not importlib.util.find_spec("selenium") or not os.path.exists(browser.CHROMIUM):
        return None
    directory.mkdir()
    return browser.Browser(directory)


# Loads and shows all rows, scrolls through them, filters them by a word letter by letter, and removes the filter. The longest time
# between two frames of each is a pause that a user sees.
MANY = """
const wanted = arguments[0], sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const list = document.getElementById("list"), scroller = list.parentElement, filter = document.getElementById("filter");
const older = () => [...document.querySelectorAll(".more button")].find((one) => one.offsetParent);
async function longest(action) {
  let isOver = false, last = performance.now(), pause = 0;
  const watching = (async () => {
    while (!isOver) {
      await frame();
      const now = performance.now();
      pause = Math.max(pause, now - last);
      last = now;
    }
  })();
  await action();
  await sleep(300);
  isOver = true;
  await watching;
  return pause;
}
const type = async (text) => {
  filter.value = text;
  filter.dispatchEvent(new Event("input", { bubbles: true }));
  await sleep(80);
};
const pauses = {}, begun = performance.now();
pauses.load = await longest(async () => {
  while (Number(list.querySelector("[role=option]").getAttribute("aria-setsize")) < wanted) {
    older()?.click();
    await sleep(130);
  }
});
pauses.loadSeconds = (performance.now() - begun) / 1000;
pauses.scroll = await longest(async () => {
  for (let place = 0; place <= 1; place += 0.01) {
    scroller.scrollTop = place * scroller.scrollHeight;
    await frame();
  }
});
pauses.filter = await longest(async () => {
  for (let length = 1; length <= "number-99".length; length++) await type("number-99".slice(0, length));
});
pauses.clear = await longest(() => type(""));
return pauses;
"""


def many(browser, subject, count):
    """The longest pauses in milliseconds while a page with so many rows is used."""
    endpoint = subject.create()
    send_all(subject.base, (("POST", f"/webhook/{endpoint}", b'{"event": "number-%d", "text": "%s"}' % (number, b"x" * 200)) for number in range(count)))
    opened(browser, subject, endpoint)
    pauses = browser.driver.execute_script("return (async function () { %s }).apply(null, arguments)" % MANY, count)
    browser.driver.get("about:blank")
    return pauses


def opened(browser, subject, endpoint):
    browser.driver.get(f"{subject.base}/inspect#{endpoint}")
    for _ in range(200):
        if browser.driver.execute_script("return document.getElementById('state')?.textContent") == "live":
            return
        time.sleep(0.05)
    raise LoadError("the page did not become live")


def rows(browser, subject, endpoint, samples):
    """Milliseconds from sending a webhook to the row in the document, for one page beside the others."""
    opened(browser, subject, endpoint)
    script = "return (async function () { %s }).apply(null, arguments)" % ROWS
    times = browser.driver.execute_script(script, samples)
    browser.driver.get("about:blank")
    return times


def run(chosen):
    heading(f"{PAGES} open pages")
    browser = chromium(chosen.work / "browser")
    if browser is None:
        print("Rows were not measured, as Chromium or selenium is not installed.\n")
    try:
        for durability in DURABILITIES:
            measure(chosen, durability, browser)
        if browser:
            with Postroom(chosen.work / "many-rows", "process") as subject:
                browser.driver.set_script_timeout(120)
                pauses = many(browser, subject, ROWS_OF_ONE_PAGE)
            table(
                [f"One page with {ROWS_OF_ONE_PAGE:,} rows: longest pause in ms", "loading them", "scrolling", "filtering", "no filter again"],
                [["", *(pauses[name] for name in ("load", "scroll", "filter", "clear"))]])
    finally:
        if browser:
            browser.stop()


def measure(chosen, durability, browser):
    results = []
    for endpoints, rate in CASES:
        with Postroom(chosen.work / f"pages-{durability}-{endpoints}-{rate}", durability, RESPONDERS=2) as subject:
            names = [subject.create() for _ in range(endpoints)]
            ids = chosen.work / "page-ids"
            ids.write_text("".join(name + "\n" for name in names))
            options = {"IDS": ids, "PREFIX": "/webhook/", **({"RATE": rate, "threads": 1} if rate else {})}
            wrk(subject.base, 1, **options)
            alone = wrk(subject.base, SECONDS, **options)
            times = []
            with Looking(subject, ids, PAGES, SECONDS + 4) as looking:
                sampler = threading.Thread(target=lambda: times.extend(rows(browser, subject, names[0], SAMPLES)))
                if browser and rate:
                    sampler.start()
                watched = wrk(subject.base, SECONDS, **options)
                if browser and rate:
                    sampler.join()
            name = f"{endpoints} endpoints" if endpoints > 1 else "one endpoint"
            results.append([
                f"{name}, {f'{rate:,} a second' if rate else 'as many as possible'}", alone.rate, watched.rate,
                percent(watched.rate / alone.rate), alone.median_ms, watched.median_ms, alone.p99_ms, watched.p99_ms, looking.looks,
                looking.refused, median(times) if times else None, percentile(times, 0.95) if times else None])
    table(
        [f"DURABILITY={durability}", "webhooks/s, no page", "with pages", "ratio", "p50 ms, no page", "with pages", "p99 ms, no page",
         "with pages", "looks/s", "refused", "row: p50 ms", "p95 ms"], results)
