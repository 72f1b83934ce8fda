"""bench/pages: how soon each page shows something in a real browser, and what an open page costs while nothing happens."""
import argparse
import pathlib
import sys
import time

from common import build_for_measuring, cpu_s, machine, median, scratch, table
from harness import Environment, Raudal

# The first row is what the browser and the machine need for one line of text: the floor of the others.
PAGES = [
    ("one line of text", "kafka-ui", "actuator/health"),
    ("8080 topics", "kafka-ui", ""),
    ("8080 messages", "kafka-ui", "topics/readings"),
    ("8080 groups", "kafka-ui", "groups"),
    ("8081 Spark master", "spark-master", ""),
    ("8082 Spark worker", "spark-worker", ""),
    ("9870 HDFS", "namenode-ui", ""),
    ("9870 files", "namenode-ui", "explorer.html"),
]
# First contentful paint as the browser tells it, counted from the start of the navigation.
FIRST_CONTENT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
TAB_S = 0.6     # after a new tab: its process starts, and one in reserve beside it, which takes 30 to 50 ms of both CPUs
SETTLE_S = 0.5  # before the page is asked: what asks it runs in the page's own thread
PAUSE_S = 0.5   # after each page: the browser ends the process that drew it


def fill(address):
    """A topic with 10,000 messages, and as many topics as a busy course has."""
    import json
    import urllib.request

    def post(path, body):
        asked = urllib.request.Request(f"http://{address}:8080/api/clusters/raudal/topics{path}", body.encode(), method="POST")
        urllib.request.urlopen(asked, timeout=60).read()

    for number in range(100):
        post("", json.dumps({"name": f"topic-{number}", "partitions": 3}))
    post("", json.dumps({"name": "readings", "partitions": 3}))
    post("/readings/messages/import", "\n".join(json.dumps({"key": f"sensor-{i % 7}", "value": {"id": i}}) for i in range(10_000)))


def await_value(page, expression, timeout_s=20):
    end = time.monotonic() + timeout_s
    while (value := page.evaluate(expression)) is None or value is False:
        if time.monotonic() > end:
            raise SystemExit(f"{page.url}: {expression} did not come true")
        time.sleep(0.01)
    return value


def first_content_ms(page):
    time.sleep(SETTLE_S)
    return await_value(page, FIRST_CONTENT)


def drawn_ms(page):
    await_value(page, "document.body.classList.contains('alive') && document.querySelector('main h1') !== null")
    return page.evaluate("performance.now()")


def has_script(page):
    time.sleep(SETTLE_S)
    return page.evaluate("document.getElementById('page') !== null")


def visit(browser, url, measured):
    context = browser.new_context()     # nothing in its cache
    page = context.new_page()
    time.sleep(TAB_S)
    page.goto(url, wait_until="commit")
    value = measured(page)
    context.close()
    time.sleep(PAUSE_S)
    return value


def measure(browser, running, pid, name, service, path, repeat, idle_s):
    url = f"http://{running.at(service)}/{path}"
    contents = [visit(browser, url, first_content_ms) for _ in range(repeat)]
    scripted = visit(browser, url, has_script)
    drawn = [visit(browser, url, drawn_ms) for _ in range(repeat)] if scripted else []
    page = browser.new_page()
    page.goto(url)
    time.sleep(2)
    used, started = cpu_s(pid), time.monotonic()
    time.sleep(idle_s)
    share = (cpu_s(pid) - used) / (time.monotonic() - started)
    page.close()
    return [name, f"{median(contents):.0f} ms", f"{median(drawn):.0f} ms" if drawn else "", f"{share * 100:.2f} %"]


def main():
    parser = argparse.ArgumentParser(prog="bench/pages")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--idle", type=float, default=20, help="seconds for which each page is left open")
    options = parser.parse_args()
    build_for_measuring()
    sys.path.append(str(next(Environment.get("pages").path.glob("lib/python*/site-packages"))))
    from playwright.sync_api import sync_playwright
    print(f"{machine()}; medians of {options.repeat}; idle over {options.idle:.0f} s\n")
    with scratch() as folder, Raudal(pathlib.Path(folder) / "data") as running, sync_playwright() as playwright:
        running.start()
        pid = running.pids()[0]
        fill(running.address)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        rows = [["page", "first content", "drawn by the script", "server while the page is open and idle, of a core"]]
        for name, service, path in PAGES:
            rows.append(measure(browser, running, pid, name, service, path, options.repeat, options.idle))
        browser.close()
    table(rows)


if __name__ == "__main__":
    main()
