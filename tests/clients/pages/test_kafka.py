"""The page on 8080 as a person uses it."""
import json
import re

import pytest
import requests

from harness import wait_until

raudal_options = ["--only", "kafka,kafka-ui"]
CLUSTER = "/api/clusters/raudal"


@pytest.fixture(scope="module")
def url(raudal):
    return f"http://{raudal.at('kafka-ui')}/"


@pytest.fixture
def browse(show):
    def browse(url, language="en", script=True, height=800, **more):
        return show("kafka-ui", language={"en": "en-GB", "es": "es-ES"}[language], javascript=script, height=height, address=url, **more)
    return browse


@pytest.fixture(scope="module")
def api(url):
    """api("POST", "/topics", {...}): the page's own JSON."""
    def api(method, path, body=None, **more):
        answer = requests.request(method, url.rstrip("/") + CLUSTER + path, json=body, timeout=30, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
    return api


def lines(count, **more):
    """An import of `count` sensor readings."""
    return "\n".join(json.dumps({"key": f"sensor-{i % 5}", "timestamp": 1_795_000_000_000 + i * 1000, "headers": {"source": "web"},
                                 "value": json.dumps({"id": i, "temperature": 20 + i % 15, "ok": i % 9 > 0}), **more})
                     for i in range(count))


@pytest.fixture(scope="module")
def filled(url, api):
    """A topic with 300 messages and a group that has read 30 of each partition."""
    api("POST", "/topics", {"name": "readings", "partitions": 3})
    requests.post(f"{url}{CLUSTER[1:]}/topics/readings/messages/import?format=jsonl", data=lines(300), timeout=30).raise_for_status()
    for name, count in (("alerts", 9), ("inventory", 40), ("page-views", 2000), ("payments", 80), ("purchases", 120)):
        api("POST", "/topics", {"name": name, "partitions": 1 + count % 7})
        requests.post(f"{url}{CLUSTER[1:]}/topics/{name}/messages/import?format=jsonl", data=lines(count), timeout=30).raise_for_status()
    api("POST", "/consumer-groups/dashboard/offsets", {"topic": "readings", "resetType": "OFFSET", "offset": 30})
    return "readings"


def until(page, expression):
    """Until a JavaScript expression is true. (wait_for_function would need eval, which the content policy forbids.)"""
    wait_until(lambda: page.evaluate(expression), 10, expression, 0.05)


def no_sideways_scrolling(page):
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


# topics

def test_a_topic_is_created_and_stands_in_the_list(browse, url, picture):
    page = browse(url)
    page.get_by_role("button", name="Create topic").click()
    page.get_by_label("Name").fill("orders")
    page.get_by_label("Partitions").fill("4")
    picture(page, "kafka-create")
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("heading", name="orders").wait_for()
    page.get_by_role("link", name="Topics").first.click()
    row = page.get_by_role("row", name=re.compile("^orders"))
    assert row.get_by_role("cell").nth(1).inner_text() == "4"


def test_a_refused_name_says_why(browse, url):
    page = browse(url)
    page.get_by_role("button", name="Create topic").click()
    page.get_by_label("Name").fill("two words")
    page.get_by_role("button", name="Create", exact=True).click()
    assert "illegal" in page.get_by_role("alert").inner_text()


def test_a_topic_made_elsewhere_appears_by_itself(browse, url, raudal, picture, filled):
    page = browse(url)
    page.get_by_role("link", name=filled).wait_for()
    raudal.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--create", "--topic", "from-the-shell").ok()
    page.get_by_role("link", name="from-the-shell").wait_for()
    picture(page, "kafka-topics", chosen=True)


def test_search_and_sorting_happen_on_the_server(browse, url, api):
    for i in range(30):
        api("POST", "/topics", {"name": f"zz-{i:02d}", "partitions": 1 + i % 3})
    page = browse(url)
    page.get_by_text("1–25 of").wait_for()
    page.get_by_role("button", name="Next page").click()
    page.get_by_text("26–").wait_for()
    page.get_by_role("searchbox").fill("zz-1")
    page.get_by_role("link", name="zz-10").wait_for()
    until(page, "document.querySelectorAll('tbody tr').length === 10")
    page.get_by_role("button", name="Name").click()
    until(page, "document.querySelector('tbody tr a').textContent === 'zz-19'")


def test_partitions_settings_emptying_and_deleting(browse, url, api):
    api("POST", "/topics", {"name": "changing", "partitions": 1})
    api("POST", "/topics/changing/messages", {"value": "x"})
    page = browse(url + "topics/changing?tab=settings")
    page.get_by_role("button", name="Edit retention.ms").click()
    page.get_by_label("Value").fill("3600000")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("row", name=re.compile("retention.ms.*set here.*3600000")).wait_for()

    def act(name):
        page.get_by_role("button", name="Actions").click()
        page.locator(".menu").get_by_role("button", name=name).click()
    act("Add partitions")
    page.get_by_role("spinbutton", name="Partitions").fill("3")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("changing has 3 partitions").wait_for()
    act("Empty")
    page.get_by_role("button", name="Empty", exact=True).last.click()
    page.get_by_text("changing is empty").wait_for()
    assert api("GET", "/topics/changing")["messagesCount"] == 0
    act("Delete")
    page.get_by_role("textbox", name="changing").fill("changing")
    page.get_by_role("button", name="Delete", exact=True).last.click()
    page.get_by_role("heading", name="Topics").wait_for()
    assert page.get_by_role("link", name="changing").count() == 0


# messages

def test_a_sent_message_arrives_in_the_live_tail(browse, url, api, raudal, picture):
    api("POST", "/topics", {"name": "live", "partitions": 2})
    page = browse(url + "topics/live")
    page.get_by_role("button", name="Live").click()
    page.get_by_text("Waiting for new messages").first.wait_for()
    page.get_by_role("button", name="Send message").click()
    page.get_by_label("Key", exact=True).fill("k1")
    page.get_by_label("Value", exact=True).fill('{"city": "Oviedo", "n": 12345678901234567890}')
    page.get_by_role("button", name="Add header").click()
    page.get_by_label("Headers 1: Name").fill("source")
    page.get_by_label("Headers 1: Value").fill("hand")
    picture(page, "kafka-send")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("cell", name=re.compile("Oviedo")).wait_for()
    raudal.shell("echo from-a-producer | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic live").ok()
    page.get_by_role("cell", name="from-a-producer").wait_for()
    page.get_by_role("cell", name=re.compile("Oviedo")).click()
    detail = page.locator(".message")
    assert '"n": 12345678901234567890' in detail.inner_text() and "hand" in detail.inner_text()
    picture(page, "kafka-live")


def test_text_and_filter_choose_messages(browse, url, filled, picture):
    page = browse(url + f"topics/{filled}")
    page.locator("tbody tr").nth(49).wait_for()
    page.get_by_label("Filter", exact=True).fill('value.temperature >= 33 and key = "sensor-4"')
    page.keyboard.press("Enter")
    page.get_by_text("300 of 300 looked at").wait_for()
    rows = page.locator("table.messages tbody tr")
    assert rows.count() == 20 and all('"temperature": 34' in text for text in rows.all_inner_texts())
    rows.first.click()
    picture(page, "kafka-messages", chosen=True)
    page.get_by_label("Filter", exact=True).fill("value.temperature >=")
    page.keyboard.press("Enter")
    assert "Filter, at character 21" in page.get_by_role("alert").inner_text()
    page.get_by_label("Filter", exact=True).fill("")
    page.keyboard.press("Enter")
    page.get_by_role("searchbox").fill('"id": 299')
    until(page, "[...document.querySelectorAll('table.messages tbody tr:not(.detail)')].map((row) => row.cells[1]?.innerText).join() === '119'")


def test_where_reading_begins(browse, url, filled):
    page = browse(url + f"topics/{filled}")
    first = page.locator("table.messages tbody tr").first
    page.get_by_label("Which messages").select_option("EARLIEST")
    until(page, "document.querySelector('table.messages tbody').innerText.includes('\"id\": 0,')")
    page.get_by_label("Partition").select_option("1")
    page.get_by_label("Which messages").select_option("FROM_OFFSET")
    page.get_by_label("Offset").fill("17")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('table.messages tbody tr').cells[1].innerText === '17'")
    assert first.get_by_role("cell").nth(2).inner_text() == "1"
    page.get_by_role("button", name="Show more").click()
    until(page, "document.querySelectorAll('table.messages tbody tr').length > 50")


def test_decoders(browse, url, api, filled):
    api("POST", "/topics", {"name": "binary", "partitions": 1})
    api("POST", "/topics/binary/messages", {"key": "7", "keyFormat": "int64", "value": "00 ff 10", "valueFormat": "hex"})
    page = browse(url + "topics/binary?key=int64")
    assert "00 ff 10" in page.get_by_role("row").nth(1).inner_text()
    assert page.get_by_role("row").nth(1).get_by_role("cell").nth(4).inner_text() == "7"
    page = browse(url + "topics/__consumer_offsets")
    page.get_by_role("cell", name=re.compile("dashboard · readings-")).first.wait_for()


def test_export_and_import(browse, url, api, filled, tmp_path):
    page = browse(url + f"topics/{filled}")
    for number, (kind, ending) in enumerate((("JSON lines", "jsonl"), ("CSV", "csv"))):
        page.goto(url + f"topics/{filled}")
        page.get_by_role("button", name="Actions").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Export as {kind}").click()
        file = tmp_path / f"export.{ending}"
        download.value.save_as(file)
        assert len(file.read_text().splitlines()) == 300 + number
        api("POST", "/topics", {"name": f"copy-{ending}", "partitions": 3})
        page.goto(url + f"topics/copy-{ending}")
        page.get_by_role("button", name="Actions").click()
        page.get_by_role("button", name="Import").click()
        page.get_by_label("File").set_input_files(file)
        page.get_by_role("button", name="Import", exact=True).click()
        page.get_by_text("300 messages imported").wait_for()
        old, new = (sorted((one["partition"], one["timestamp"], one["key"]["text"], one["value"]["text"], str(one["headers"])) for one in
                           api("GET", f"/topics/{name}/messages?limit=1000")["messages"]) for name in (filled, f"copy-{ending}"))
        assert old == new


# groups and the broker

def test_a_group_is_reset_after_a_preview(browse, url, api, filled, picture):
    page = browse(url + "groups")
    page.get_by_role("link", name="dashboard").click()
    page.get_by_text("210").first.wait_for()
    page.get_by_role("button", name="Reset offsets").click()
    page.get_by_label("The end").check()
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("nothing has been written yet").wait_for()
    picture(page, "kafka-reset", chosen=True)
    assert api("GET", "/consumer-groups/dashboard")["consumerLag"] == 210
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("The offsets of dashboard are moved").wait_for()
    assert api("GET", "/consumer-groups/dashboard")["consumerLag"] == 0
    api("POST", "/consumer-groups/dashboard/offsets", {"topic": filled, "resetType": "OFFSET", "offset": 30})


def test_members_are_shown_and_keep_their_offsets(browse, url, raudal, filled, picture):
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(filled, bootstrap_servers=raudal.at("kafka"), group_id="running", client_id="reader-1",
                             auto_offset_reset="earliest")
    try:
        while not consumer.poll(500):
            pass
        consumer.commit()
        page = browse(url + "groups/running")
        page.get_by_text("reader-1").first.wait_for()
        page.get_by_text("Stable").wait_for()
        picture(page, "kafka-group")
        page.get_by_role("button", name="Reset offsets").click()
        page.get_by_text("Stop them first").wait_for()
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Apply").click()
        assert "stop its consumers first" in page.get_by_role("alert").inner_text()
    finally:
        consumer.close()


def test_the_broker_shows_settings_and_disk(browse, url, picture, filled):
    page = browse(url + "broker")
    page.get_by_text("Largest topics").wait_for()
    page.get_by_role("searchbox").fill("num.partitions")
    page.get_by_role("cell", name="num.partitions", exact=True).wait_for()
    picture(page, "kafka-broker")


# the page itself

def test_spanish_by_the_browser_and_by_the_switch(browse, url, filled, picture):
    page = browse(url + f"topics/{filled}", language="es", dark=True)
    page.locator("table.messages tbody tr").nth(2).click()
    page.get_by_role("button", name="Enviar mensaje").wait_for()
    picture(page, "kafka-es-dark", chosen=True)
    assert page.evaluate("document.documentElement.lang") == "es"
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Send message").wait_for()
    page.reload()
    page.get_by_role("button", name="Send message").wait_for()


def test_light_and_dark(browse, url):
    brightness = "parseInt(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])"
    page = browse(url, dark=True)
    assert page.evaluate(brightness) < 60
    switch = page.get_by_role("button", name="Light or dark")
    switch.click()
    until(page, brightness + " > 200")
    page.reload()
    assert page.evaluate(brightness) > 200


def test_a_narrow_screen(browse, url, filled, picture):
    page = browse(url, width=400)
    page.get_by_role("link", name=filled).wait_for()
    no_sideways_scrolling(page)
    page.goto(url + f"topics/{filled}")
    page.locator("table.messages tbody tr").nth(5).click()
    no_sideways_scrolling(page)
    picture(page, "kafka-narrow")
    page.goto(url + "groups/dashboard")
    page.get_by_role("heading", name="Members").wait_for()
    no_sideways_scrolling(page)


def test_the_keyboard_alone(browse, url, filled):
    page = browse(url)
    page.get_by_role("link", name=filled).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("readings")
    until(page, "document.querySelectorAll('tbody tr a').length === 1")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "readings"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="readings").wait_for()
    page.locator("table.messages tbody tr").nth(3).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".message").wait_for()
    page.get_by_role("button", name="Send message").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.textContent") == "Send message"


def test_every_control_has_a_name(browse, url, filled):
    page = browse(url)
    for path in ("", f"topics/{filled}", f"topics/{filled}?tab=settings", "groups", "groups/dashboard", "broker"):
        page.goto(url + path)
        page.locator("main h1").wait_for()
        page.locator("main table").first.wait_for()
        nameless = page.evaluate("""[...document.querySelectorAll('button, a, input, select, textarea')].filter((one) =>
            !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)""")
        assert nameless == [], path


def test_without_javascript(browse, url, filled):
    page = browse(url, script=False)
    page.get_by_role("link", name=filled).click()
    assert page.get_by_role("heading", name=filled).is_visible()
    assert page.get_by_role("cell", name=re.compile('"id": 299')).is_visible()
    page.goto(url + "groups/dashboard")
    assert page.get_by_role("cell", name="dashboard").first.is_visible()
    page.goto(url + "broker")
    assert "Cluster ID" in page.content()
    page.goto(url + "?search=readings&lang=es")
    assert "Tópicos (1)" in page.content() and "dashboard" in page.content()


def test_behind_a_path(browse, prefixed, filled):
    page = browse(prefixed("kafka-ui"))
    page.get_by_role("link", name=filled).click()
    page.locator("table.messages tbody tr").nth(3).wait_for()
    page.get_by_role("button", name="Send message").click()
    page.get_by_label("Value", exact=True).fill("through the proxy")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("cell", name="through the proxy").wait_for()
    page.reload()
    page.get_by_role("cell", name="through the proxy").wait_for()
    page.get_by_role("link", name="Broker").click()
    page.get_by_text("Cluster ID").wait_for()


def test_assets_are_compressed_and_kept(url):
    answer = requests.get(url + "assets/kafka.js", timeout=10)
    assert answer.headers["Content-Encoding"] == "gzip" and "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert len(answer.raw.data) == 0 and int(answer.headers["Content-Length"]) < 60_000
    again = requests.get(url + "assets/kafka.js", headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
    assert again.status_code == 304
    plain = requests.get(url + "assets/kafka.js", headers={"Accept-Encoding": "identity"}, timeout=10)
    assert "Content-Encoding" not in plain.headers and plain.content == answer.content


def test_paths_of_kafka_ui_answer(url, api, filled):
    assert requests.get(url + "actuator/health", timeout=10).json() == {"status": "UP"}
    assert requests.get(url + "api/clusters", timeout=10).json()[0]["status"] == "online"
    local = requests.get(url + "api/clusters/local/topics?page=1&perPage=5&search=read&orderBy=MESSAGES_COUNT&sortOrder=DESC", timeout=10).json()
    assert [topic["name"] for topic in local["topics"]] == [filled] and local["pageCount"] == 1
    assert api("GET", "/consumer-groups/paged?search=dash")["consumerGroups"][0]["groupId"] == "dashboard"
    assert api("GET", "/brokers")[0]["id"] == 1


def test_another_site_cannot_write(url):
    answer = requests.delete(url + CLUSTER[1:] + "/topics/readings", headers={"Origin": "http://evil.example"}, timeout=10)
    assert answer.status_code == 403


@pytest.mark.long
def test_ten_thousand_topics_and_a_million_messages(browse, url, raudal, api, picture):
    import time
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": raudal.at("kafka")})
    for start in range(0, 10_000, 500):
        for made in admin.create_topics([NewTopic(f"bulk-{i:05d}", 1, 1) for i in range(start, start + 500)]).values():
            made.result(60)
    api("POST", "/topics", {"name": "million", "partitions": 4})
    producer = Producer({"bootstrap.servers": raudal.at("kafka"), "linger.ms": 50, "queue.buffering.max.messages": 2_000_000})
    for i in range(1_000_000):
        producer.produce("million", value=b'{"id": %d, "kind": "%s"}' % (i, b"rare" if i == 777_777 else b"common"))
    producer.flush(60)
    page = browse(url + "?search=bulk-099")
    page.get_by_text("1–25 of 100").wait_for()
    started = time.monotonic()
    page.goto(url)
    page.get_by_text("1–25 of").wait_for()
    assert time.monotonic() - started < 2
    picture(page, "kafka-ten-thousand")
    page.goto(url + "topics/million")
    page.locator("table.messages tbody tr").nth(49).wait_for()
    page.get_by_label("Filter", exact=True).fill('value.kind = "rare"')
    page.keyboard.press("Enter")
    page.get_by_role("cell", name=re.compile("777777")).wait_for(timeout=30_000)
    page.get_by_text("1,000,000 of 1,000,000 looked at").wait_for(timeout=30_000)
