"""Why nothing comes out of a query: one sentence, the same in the page of the query, raudal status and raudal doctor, in
English and Spanish."""
import json
import os

import pytest
import requests

from harness import end, wait_until

PROGRAM = r'''
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import window
    spark = SparkSession.builder.appName("Porqué").getOrCreate()

    def source(topic, **options):
        return (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", topic)
                .option("startingOffsets", "earliest").options(**options).load())

    def start(name, rows, **trigger):
        return rows.writeStream.queryName(name).format("noop").trigger(**(trigger or {"processingTime": "0 seconds"})).start()

    (start("ventanas", source("lecturas").selectExpr("cast(cast(value as string) as timestamp) as t")
           .withWatermark("t", "10 seconds").groupBy(window("t", "1 minute")).count()))
    start("malos", source("sensores").selectExpr("from_json(cast(value as string), 'id INT, value INT') as row"))
    start("nuevo", source("mi-topico", startingOffsets="latest"))
    start("pocos", source("lecturas", minOffsetsPerTrigger="100", maxTriggerDelay="10m"))
    start("lento", source("sensores"), processingTime="1 hour")
    start("vacio", source("nada"))
    print("started", flush=True)
    spark.streams.awaitAnyTermination()
    '''

SENTENCES = {
    "ventanas": ("watermark at 10:02:10; the window 10:02–10:03 closes when an event later than 10:03:10 arrives",
                 "marca de agua en 10:02:10; la ventana 10:02–10:03 se cierra cuando llegue un evento posterior a 10:03:10"),
    "malos": ('23 records did not parse; first: sensores-1 offset 812, field value, expected INT, found "abc"',
              '23 registros no se pudieron interpretar; el primero: sensores-1 offset 812, field value, expected INT, found "abc"'),
    "nuevo": ("1 message in mi-topico is older than this query's start (startingOffsets=latest)",
              "1 mensaje de mi-topico es anterior al inicio de esta consulta (startingOffsets=latest)"),
    "vacio": ("nothing was ever written to topic nada", "nunca se ha escrito nada en el topic nada"),
}


@pytest.fixture(scope="module")
def queries(raudal, environment):
    from kafka import KafkaProducer
    for topic, partitions in [("lecturas", 1), ("sensores", 2), ("mi-topico", 1), ("nada", 1)]:
        raudal.create_topic(topic, partitions)
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    producer.send("lecturas", b"2026-03-01 10:02:20")
    producer.send("mi-topico", b"1")
    for number in range(812 + 23):
        producer.send("sensores", json.dumps({"id": number, "value": number if number < 812 else "abc"}).encode(), partition=1)
    producer.flush()
    program = raudal.run_in_background(PROGRAM, environment=environment("course"))
    try:
        wait_until(lambda: "started" in program.output.read_text() or program.poll() is not None, 60, "the program")
        assert program.poll() is None, program.output.read_text()
        for topic in ("lecturas", "sensores"): # the queries wait for more than this
            producer.send(topic, b"2026-03-01 10:02:05" if topic == "lecturas" else b'{"id": 0, "value": 0}', partition=0)
        producer.flush()
        yield program
    finally:
        end(program)


def first_reasons(raudal, language="en"):
    return {each["name"]: each["reasons"][0][language] if each["reasons"] else "" for each in raudal.status()["queries"]}


def test_the_sentences(raudal, queries):
    def said():
        told = first_reasons(raudal)
        return told if all(told.get(name) == SENTENCES[name][0] for name in SENTENCES) else None
    wait_until(said, 20, "the sentences")
    for column, language in enumerate(("en", "es")):
        told = first_reasons(raudal, language)
        for name, sentences in SENTENCES.items():
            assert told[name] == sentences[column], told
    told = first_reasons(raudal)
    assert told["pocos"].startswith("1 message waits, minOffsetsPerTrigger is 100; it is read in ")
    assert told["lento"].startswith("the next batch starts in ") and told["lento"].endswith("(trigger processingTime 1 hour)")


def test_status_and_doctor_say_the_same(raudal, queries):
    wait_until(lambda: first_reasons(raudal)["malos"] == SENTENCES["malos"][0], 20, "the place of the bad record")
    status, doctor = raudal.command("status").stdout, raudal.command("doctor").stdout
    spanish = raudal.command("status", env={**os.environ, "LC_ALL": "es_ES.UTF-8"}).stdout
    for name, (english, translated) in SENTENCES.items():
        assert english in status and f"query {name}: {english}" in doctor and translated in spanish


def test_the_page_of_a_query(raudal, queries, show):
    base = f"http://{raudal.at('spark-master')}/"
    runs = {each["name"]: each["runId"] for each in raudal.status()["queries"]}
    page = show("spark-master", f"queries/{runs['ventanas']}")
    page.get_by_text(SENTENCES["ventanas"][0]).wait_for()
    plain = requests.get(f"{base}queries/{runs['nuevo']}?lang=es", timeout=20).text
    assert SENTENCES["nuevo"][1] in plain


def test_lag_and_latency(raudal, queries):
    groups = raudal.shell("kafka-consumer-groups.sh --bootstrap-server kafka:9092 --list").ok().stdout.split()
    assert {f"spark-kafka-source-{name}" for name in SENTENCES} <= set(groups)
    shown = raudal.shell("kafka-consumer-groups.sh --bootstrap-server kafka:9092 --describe --group spark-kafka-source-lento").ok().stdout
    lags = {line.split()[2]: line.split()[3:6] for line in shown.splitlines() if line.startswith("spark-kafka-source-lento")}
    assert lags == {"0": ["0", "1", "1"], "1": ["835", "835", "0"]}, shown
    metrics = requests.get(f"http://{raudal.at('spark-master')}/metrics", timeout=20).text

    def value(name, query):
        line, = [line for line in metrics.splitlines() if line.startswith(name + "{") and f'name="{query}"' in line]
        return float(line.split()[-1])
    assert value("raudal_streaming_lag_messages", "lento") == 1 and value("raudal_streaming_lag_messages", "malos") == 0
    assert 0 < value("raudal_streaming_lag_seconds", "lento") < 300
    assert value("raudal_streaming_latency_seconds_count", "malos") == 1
    assert 0 < value("raudal_streaming_latency_seconds_sum", "malos") < 5
