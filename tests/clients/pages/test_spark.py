"""8081, 8082 and 4040 in a browser: what a person sees of the programs, queries and executions of real PySpark."""
import re

import pytest
import requests

from harness import end, wait_until

PROGRAM = r'''
    import sys
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.appName("Sensores").getOrCreate()

    def rate(name, rows=20):
        return (spark.readStream.format("rate").option("rowsPerSecond", rows).load()
                .writeStream.queryName(name).format("noop").trigger(processingTime="1 second").start())

    def parse(name, mode):
        record = """concat('{"sensor": "s', value, '", "valor": "muchos"}')"""
        return (spark.readStream.format("rate").load()
                .selectExpr(f"from_json({record}, 'sensor STRING, valor INT', map('mode', '{mode}')) AS lectura")
                .writeStream.queryName(name).format("noop").trigger(processingTime="500 milliseconds").start())

    windows = (spark.readStream.format("rate").option("rowsPerSecond", 20).load().withWatermark("timestamp", "1 second")
               .groupBy("timestamp").count().writeStream.queryName("ventanas").outputMode("update").format("noop")
               .trigger(processingTime="1 second").start())
    visible, stopped = rate("visible"), rate("parada")
    broken, odd = parse("rota", "FAILFAST"), parse("rara", "PERMISSIVE")
    spark.range(1000).selectExpr("id % 7 AS grupo").groupBy("grupo").count().show()
    spark.sql("SELECT 'una consulta' AS texto").collect()
    spark.range(50).write.mode("overwrite").parquet("/salida")
    try:
        spark.sql("SELECT CAST('no' AS INT) / id FROM range(3)").collect()
    except Exception as failure:
        print(type(failure).__name__)
    print("started", flush=True)
    visible.awaitTermination()
    '''


@pytest.fixture(scope="module")
def program(raudal, environment):
    """A program with queries that run, fail and meet records that do not fit."""
    process = raudal.run_in_background(PROGRAM, environment=environment("course"))
    try:
        wait_until(lambda: "started" in process.output.read_text() or process.poll() is not None, 60, "the program")
        assert process.poll() is None, process.output.read_text()
        yield process
    finally:
        end(process)


def spark(raudal, path):
    return requests.get(f"http://{raudal.at('spark-master')}/{path}", timeout=20).json()


def test_the_overview_shows_cores_memory_and_the_program(show, raudal, program):
    page = show("spark-master")
    page.get_by_role("heading", name=f"Spark Master at spark://{raudal.address}:7077").wait_for()
    row = page.get_by_role("region", name="Running programs").locator("tbody tr").filter(has_text="Sensores")
    row.wait_for()
    pid = row.locator("td").nth(2).inner_text()
    with open(f"/proc/{pid}/cmdline") as file:
        assert "python" in file.read() and pid.isdigit()
    assert "running" in row.inner_text() and "Spark " in row.inner_text()
    page.get_by_text(re.compile("of 4$")).first.wait_for()
    page.get_by_role("heading", name="Worker 2").wait_for()
    page.get_by_role("region", name="Streaming queries").get_by_role("link", name="visible").wait_for()


def test_real_figures_of_cores_and_memory(raudal, program):
    used = set()
    wait_until(lambda: used.add(spark(raudal, "json/")["coresused"]) or used - {0}, 20, "a core that works")
    assert spark(raudal, "api/spark/overview")["usage"]["memoryUsedMax"] > 0
    state = spark(raudal, "json/")
    assert state["coresused"] == sum(worker["coresused"] for worker in state["workers"])


def test_a_running_query_shows_its_rates_phases_and_progress(show, picture, program):
    page = show("spark-master", "queries?search=visible")
    page.get_by_role("link", name="visible").click()
    page.get_by_role("heading", name="visible").wait_for()
    wait_until(lambda: re.search(r"Input rate\s+(1\d|2\d|3\d)(\.\d)? /s\s+average (1|2)\d", page.inner_text(".tiles")), 20, page.inner_text(".tiles"))
    for name in ("Input rate", "Process rate", "Batch duration by phase", "Input rows per batch"):
        page.get_by_role("img", name=name).locator("canvas").wait_for()
    page.get_by_text("RateStreamV2").first.wait_for()
    progress = page.get_by_label("Latest progress").inner_text()
    assert '"numInputRows"' in progress and '"triggerExecution"' in progress
    assert "Scan rate" in page.get_by_label("Plan").inner_text()
    before = re.search(r"Batches: (\d+)", page.inner_text(".tiles"))[1]
    wait_until(lambda: re.search(r"Batches: (\d+)", page.inner_text(".tiles"))[1] != before, 15, "another batch, without a reload")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "spark-query", chosen=True)


def test_a_stateful_query_shows_its_state_and_watermark(show, program):
    page = show("spark-master", "queries?search=ventanas")
    page.get_by_role("link", name="ventanas").click()
    page.get_by_role("region", name="State").get_by_text("stateStoreSave").wait_for()
    page.get_by_role("img", name="State rows").locator("canvas").wait_for()
    wait_until(lambda: re.search(r"State rows\s+[1-9]\d*\s+Watermark\s+\d\d:\d\d:\d\d", page.inner_text(".tiles")), 20, "rows and watermark")


def test_a_query_is_stopped_from_the_page(show, raudal, program):
    page = show("spark-master", "queries")
    page.get_by_role("button", name="Stop: parada").click()
    page.get_by_role("dialog", name="Stop the query?").get_by_role("button", name="Stop").click()
    page.get_by_text("“parada” was stopped").wait_for()
    row = page.locator("tbody tr").filter(has_text="parada")
    row.get_by_text("finished").wait_for()
    assert {query["name"]: query["status"] for query in spark(raudal, "api/spark/queries")["rows"]}["parada"] == "FINISHED"


def test_a_failed_query_shows_its_error(show, program):
    page = show("spark-master", "queries?state=FAILED")
    page.get_by_role("link", name="rota").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "MALFORMED_RECORD_IN_PARSING" in alert.inner_text() and "muchos" in alert.inner_text()


def test_records_that_do_not_fit_are_told_with_the_first(show, program):
    page = show("spark-master", "queries?search=rara")
    page.get_by_role("link", name="rara").click()
    notice = page.locator(".notice.warn")
    notice.wait_for()
    assert "Records that did not fit the schema" in notice.inner_text() and "valor" in notice.inner_text() and "muchos" in notice.inner_text()


def test_sql_executions_show_their_plan_and_operators(show, program):
    page = show("spark-master", "sql")
    page.get_by_role("link", name="show: aggregate").click()
    page.get_by_role("heading", name=re.compile(r"SQL \d")).wait_for()
    plan = page.get_by_label("Plan").inner_text()
    assert plan.startswith("== Physical Plan ==") and "HashAggregate" in plan
    operators = page.get_by_role("region", name="What each operator did").inner_text()
    assert re.search(r"Range\s+0\s+1,000", operators), operators
    page.get_by_role("link", name="SQL executions").click()
    assert "50" in page.locator("tbody tr").filter(has_text="write parquet /salida").inner_text()
    page.get_by_role("searchbox").fill("una consulta")
    page.get_by_role("link", name="collect: SELECT 'una consulta' AS texto").wait_for()
    page.get_by_role("searchbox").fill("CAST")
    page.get_by_text("CAST_INVALID_INPUT").wait_for()


def test_sparks_rest_api_tells_the_same(raudal, program):
    application, = [one for one in spark(raudal, "api/v1/applications") if one["name"] == "Sensores"]
    assert application["attempts"][0]["completed"] is False and application["attempts"][0]["startTime"].endswith("GMT")
    executions = spark(raudal, f"api/v1/applications/{application['id']}/sql")
    shown = [one for one in executions if one["description"].startswith("show")][0]
    assert shown["status"] == "COMPLETED" and "HashAggregate" in shown["planDescription"]
    assert {"fromId", "toId"} == set(shown["edges"][0]) and shown["nodes"][0]["metrics"]
    assert spark(raudal, f"api/v1/applications/{application['id']}/streaming/statistics")["numTotalCompletedBatches"] > 0
    refused = requests.get(f"http://{raudal.at('spark-master')}/api/v1/applications/{application['id']}/jobs", timeout=10)
    assert refused.status_code == 404 and "is not served" in refused.text
    assert spark(raudal, "json/clusterutilization")["cores"] == 4


def test_4040_leads_to_the_queries(raudal, program):
    query = spark(raudal, "api/spark/queries?search=visible")["rows"][0]["runId"]
    for path, place in {"": "/queries", "StreamingQuery/": "/queries", f"StreamingQuery/statistics?id={query}": f"/queries/{query}",
                        "SQL/execution/?id=0": "/sql/0"}.items():
        answer = requests.get(f"http://{raudal.address}:4040/{path}", timeout=10)
        assert answer.status_code == 200 and answer.url == f"http://{raudal.at('spark-master')}{place}"


def test_the_worker_has_its_page(show, program):
    page = show("spark-worker")
    page.get_by_role("heading", name="Spark Worker at").wait_for()
    page.get_by_role("region", name="Executors").get_by_text("Sensores").wait_for()


def test_it_works_behind_a_path(show, prefixed, program):
    page = show("spark-master", address=prefixed("spark-master"))
    page.get_by_role("link", name="visible").click()
    page.get_by_role("img", name="Process rate").locator("canvas").wait_for()
    page.reload()
    page.get_by_role("heading", name="visible").wait_for()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="HDFS").click()
    page.get_by_role("heading", name="(active)").wait_for()


def test_without_javascript_everything_is_there_and_stops(show, raudal, environment, program):
    page = show("spark-master", javascript=False)
    text = page.inner_text("main")
    for word in ("Spark Master at spark://", "Alive Workers", "Sensores", "visible"):
        assert word in text
    page.get_by_role("link", name="visible").click()
    assert "Latest progress" in page.inner_text("main")
    page.goto(f"http://{raudal.at('spark-master')}/sql")
    page.get_by_role("link", name="0", exact=True).click()
    assert "== Physical Plan ==" in page.inner_text("main")
    page.goto(f"http://{raudal.at('spark-master')}/")
    page.locator("tr").filter(has_text="rara").get_by_role("button", name="Stop").click()
    assert page.url == f"http://{raudal.at('spark-master')}/"
    assert {query["name"]: query["status"] for query in spark(raudal, "api/spark/queries")["rows"]}["rara"] == "FINISHED"


def test_spanish_on_a_telephone_in_the_dark(show, program):
    page = show("spark-master", language="es", width=390, height=800, dark=True)
    page.get_by_text("Núcleos en uso").first.wait_for()
    page.get_by_role("link", name="visible").click()
    page.get_by_text("Duración del batch por fases").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_program_is_stopped_from_the_page_and_is_listed_as_such(show, raudal, environment):
    process = raudal.run_in_background("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("Larga").getOrCreate()
        query = spark.readStream.format("rate").load().writeStream.queryName("larga").format("noop").start()
        query.awaitTermination()
        """, environment=environment("course"))
    try:
        page = show("spark-master", "programs")
        page.get_by_role("button", name="Stop: Larga").click(timeout=40000)
        page.get_by_role("dialog", name="Stop the program?").get_by_role("button", name="Stop").click()
        page.locator("tbody tr").filter(has_text="Larga").get_by_text("stopped").wait_for()
        wait_until(lambda: process.poll() is not None, 20, "the end of the program")
        assert process.returncode != 0
        assert {query["name"]: query["status"] for query in spark(raudal, "api/spark/queries")["rows"]}["larga"] == "FINISHED"
    finally:
        end(process)


def test_a_hundred_queries_are_listed_page_by_page(show, raudal, environment):
    process = raudal.run_in_background("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("Muchas").getOrCreate()
        for number in range(100):
            last = (spark.readStream.format("rate").load().writeStream.queryName(f"q{number:03}").format("noop")
                    .trigger(processingTime="10 seconds").start())
        print("started", flush=True)
        last.awaitTermination()
        """, environment=environment("course"))
    try:
        wait_until(lambda: "started" in process.output.read_text() or process.poll() is not None, 60, "100 queries")
        page = show("spark-master", "queries?state=RUNNING&sort=name")
        page.get_by_text(re.compile(r"1–50 of 10\d")).wait_for()
        wait_until(lambda: page.locator("tbody tr").first.inner_text().startswith("q000"), 10, "the first by name")
        page.get_by_role("button", name="Next page").click()
        wait_until(lambda: page.locator("tbody tr").first.inner_text().startswith("q050"), 10, "the second page")
        page.keyboard.press("/")
        page.keyboard.type("q07")
        wait_until(lambda: page.locator("tbody tr").count() == 10, 10, "the ten that match")
        overview = show("spark-master")
        overview.get_by_role("link", name=re.compile("All 10[0-9] streaming queries")).wait_for()
        # As Spark's master has it, and as the button of the plain HTML does it.
        application, = [one for one in spark(raudal, "json/activeapps") if one["name"] == "Muchas"]
        answer = requests.post(f"http://{raudal.at('spark-master')}/app/kill/", data={"id": application["id"], "terminate": "true"}, timeout=20)
        assert answer.url == f"http://{raudal.at('spark-master')}/" and "Spark Master at" in answer.text
        wait_until(lambda: process.poll() is not None, 20, "the end of the program")
        assert "KILLED" in [one["state"] for one in spark(raudal, "json/completedapps") if one["name"] == "Muchas"]
    finally:
        end(process)
