"""The browser of the page tests: headless Chromium, driven by Playwright, looking at a Raudal of the test's own.

    show("spark-master", "queries")     a page of the module's Raudal in a fresh window, which is returned
    prefixed("spark-master")            the address of the same behind a proxy's path, as JupyterHub and others have it
    picture(page, "name", chosen=True)  a picture by name; the chosen ones go into docs/pictures with RAUDAL_PICTURES=docs

Every page that a test opened is checked at the test's end: no error in the browser's console, nothing that the content
policy refused, nothing loaded from elsewhere. RAUDAL_PICTURES=FOLDER keeps a picture of each and those by name.
"""
import contextlib
import http.client
import http.server
import os
import pathlib
import re
import shutil
import sys
import threading

import pytest


@pytest.fixture(scope="module")
def browser(environment):
    """One per module: while playwright runs, its event loop would be in the way of tests that use asyncio."""
    packages = next(environment("pages").path.glob("lib/python*/site-packages"))
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
    from playwright.sync_api import sync_playwright
    chromium = shutil.which("chromium")
    assert chromium, "the tests of the pages need Debian's chromium (tools/packages.txt)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def show(request, browser, raudal):
    """show(service, path="", …) opens a page and returns it."""
    opened = []

    def show(service, path="", language="en-GB", width=1280, height=900, javascript=True, dark=False, address=None):
        context = browser.new_context(locale=language, viewport={"width": width, "height": height}, java_script_enabled=javascript,
                                      color_scheme="dark" if dark else "light", accept_downloads=True)
        context.set_default_timeout(15000)
        page = context.new_page()
        page.problems = []
        base = address or f"http://{raudal.at(service)}/"
        host = re.match(r"http://[^/:]+", base)[0]
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" and not expected(message.text) else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith((host, "data:", "blob:")) else page.problems.append(asked.url))
        opened.append((context, page))
        page.goto(base + path)
        if javascript:
            page.wait_for_selector("body.alive")
        return page

    def expected(text):
        return "Failed to load resource" in text  # an answer such as 404, which the page shows in words

    yield show
    problems = [problem for _, page in opened for problem in page.problems]
    folder = os.environ.get("RAUDAL_PICTURES")
    for number, (context, page) in enumerate(opened):
        if folder and folder != "docs":
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(Exception):
                page.screenshot(path=f"{folder}/{request.node.name}-{number}.png", full_page=True)
        context.close()
    assert problems == []


@pytest.fixture
def picture(top):
    def picture(page, name, chosen=False):
        wanted = os.environ.get("RAUDAL_PICTURES")
        if wanted and (chosen or wanted != "docs"):
            folder = top / "docs" / "pictures" if wanted == "docs" else pathlib.Path(wanted)
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{name}.png")
    return picture


class Prefixing(http.server.BaseHTTPRequestHandler):
    """/some/where/PORT/rest → http://ADDRESS:PORT/rest"""
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        match = re.fullmatch(r"/user/ana/proxy/(\d+)(/.*)", self.path)
        if match is None:
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "origin", "connection")}
        connection = http.client.HTTPConnection(self.server.address, int(match[1]), timeout=60)
        connection.request(self.command, match[2], body, {**headers, "Host": f"{self.server.address}:{match[1]}"})
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def prefixed(raudal):
    server = http.server.ThreadingHTTPServer((raudal.address, 0), Prefixing)
    server.address = raudal.address
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda service: f"http://{raudal.address}:{server.server_port}/user/ana/proxy/{raudal.at(service).split(':')[1]}/"
    server.shutdown()
    server.server_close()
