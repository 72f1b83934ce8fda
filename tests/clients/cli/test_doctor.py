"""raudal doctor: each thing that can be wrong is said in one sentence with one command, and the exit status says whether
anything is."""
import json
import os
import re
import socket
import time

import pytest

from harness import BINARY, end, run, wait_until

RUNS_QUERIES = """
    import sys, time
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, from_json
    spark = SparkSession.builder.getOrCreate()
    def start(topic, offsets, checkpoint):
        source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092")
                  .option("subscribe", topic).option("startingOffsets", offsets).load())
        rows = source.select(from_json(col("value").cast("string"), "id INT, temperature DOUBLE").alias("row")).select("row.*")
        return (rows.writeStream.queryName(f"{topic}_{offsets}").format("parquet").option("path", "/out" + checkpoint)
                .option("checkpointLocation", checkpoint).start())
    for words in sys.argv[1:]:
        start(*words.split())
    print("started", flush=True)
    time.sleep(600)
    """


def doctor(raudal, *words, **more):
    result = raudal.command("doctor", "--json", *words, **more)
    told = json.loads(result.stdout)
    assert result.returncode == (0 if told["healthy"] else 1), result
    return told["findings"]


def finding(findings, kind):
    """The one finding of that kind."""
    found = [each for each in findings if each["kind"] == kind]
    assert len(found) == 1, findings
    return found[0]


def wrong(findings):
    return [each for each in findings if each["level"] == "wrong"]


def test_nothing_is_wrong_with_a_fresh_one(raudal):
    findings = doctor(raudal)
    assert wrong(findings) == []
    opened = " ".join(each["sentence"] for each in findings if each["kind"] == "PORT_OPEN")
    for service, port in (("kafka", 9092), ("spark-connect", 15002), ("namenode", 9000)):
        assert f"{service} answers at {raudal.address}:{port}, for programs of user" in opened
    assert {each["area"] for each in findings} == {"PORTS", "NAMES", "SPACE", "PYTHON", "CLOCK", "QUERIES", "RECORDS"}
    human = raudal.command("doctor").ok().stdout
    assert "Nothing is wrong." in human and "no streaming query runs" in human
    spanish = raudal.command("doctor", env=dict(os.environ, LC_ALL="es_ES.UTF-8")).ok().stdout
    assert "No hay nada mal." in spanish and "no corre ninguna consulta" in spanish


def test_another_program_on_a_port(start_raudal):
    raudal = start_raudal("--only", "kafka", up=False)
    with socket.create_server((raudal.address, 9092)):    # also where connections of an earlier test are not forgotten yet
        taken = finding(doctor(raudal, "--address", raudal.address), "PORT_TAKEN")
    assert f"{raudal.address}:9092, where kafka would answer, is taken by python" in taken["sentence"]
    assert f"(pid {os.getpid()})" in taken["sentence"]
    assert taken["command"].startswith(f"raudal up -d --data {raudal.data} --address 127.")
    assert finding(doctor(raudal, "--address", raudal.address), "NOT_RUNNING")["command"] == f"raudal up -d --data {raudal.data}"


def test_a_program_beside_it_at_localhost(start_raudal):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        raudal = start_raudal("--only", "kafka", set={"kafka.port": port})
        beside = finding(doctor(raudal), "PORT_BESIDE")
    assert beside["level"] == "note"
    assert re.match(rf"localhost:{port} is python\S* .*\(pid {os.getpid()}\), not this Raudal: in raudal shell the name "
                    "kafka leads here", beside["sentence"])


def test_a_shell_of_another_raudal(start_raudal):
    one, other = start_raudal("--only", "zookeeper"), start_raudal("--only", "zookeeper")
    result = one.shell([BINARY, "doctor", "--json", "--data", other.data])
    elsewhere = finding(json.loads(result.stdout)["findings"], "NAME_ELSEWHERE")
    assert result.returncode == 1
    assert elsewhere["sentence"] == f"here kafka means {one.address}, and this Raudal is at {other.address}"
    assert elsewhere["command"] == f"exec raudal shell --data {other.data}"
    here = json.loads(one.shell([BINARY, "doctor", "--json"]).ok().stdout)["findings"]
    assert finding(here, "NAMES_HERE")["level"] == "good"


def test_a_clock_that_went_back(start_raudal):
    raudal = start_raudal("--only", "zookeeper")
    future = time.time() + 7200
    os.utime(raudal.data / "logs" / "raudal.log", (future, future))
    back = finding(doctor(raudal), "CLOCK_BACK")
    assert "logs/raudal.log was written at" in back["sentence"]
    assert back["command"] == "sudo timedatectl set-ntp true"


@pytest.mark.parametrize("lines, kind, sentence", [
    (["/venv/bin/python", "3.12.4", "4.2.0", "2.0.2", "", ""], "KAFKA_PYTHON_OLD",
     "kafka-python 2.0.2 cannot be imported by Python 3.12.4 (No module named 'kafka.vendor.six.moves')"),
    (["/venv/bin/python", "3.11.2", "4.2.0", "3.0.12", "1.3.5", ""], "KAFKA_OLD_NAME",
     "the package kafka 1.3.5 is kafka-python under its old name"),
    (["/venv/bin/python", "3.11.2", "3.3.1", "3.0.12", "", ""], "PYSPARK_OLD",
     "pyspark 3.3.1 is older than Spark Connect needs (3.5)"),
    (["/venv/bin/python", "3.11.2", "4.3.0", "3.0.12", "", "grpc grpc_status"], "PYSPARK_INCOMPLETE",
     "pyspark 4.3.0 lacks grpc grpc_status, which Spark Connect needs"),
])
def test_packages_that_do_not_fit(raudal, tmp_path, lines, kind, sentence):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    python.chmod(0o755)
    environment = dict(os.environ, PYSPARK_PYTHON=str(python), RAUDAL_CACHE=str(tmp_path))
    found = finding(doctor(raudal, env=environment), kind)
    assert found["level"] == "wrong" and sentence in found["sentence"]
    assert "pip" in found["command"] or found["command"] == "raudal env"


def test_a_stopped_broker_and_the_query_that_waits_for_it(start_raudal, environment):
    raudal = start_raudal()
    raudal.create_topic("sensors")
    program = raudal.run_in_background(RUNS_QUERIES, "sensors earliest /checkpoint", environment=environment("course"))
    try:
        wait_until(lambda: "started" in program.output.read_text(), what="the query")
        raudal.command("stop", "kafka").ok()
        findings = doctor(raudal)
        assert finding(findings, "PORT_STOPPED")["command"] == f"raudal start --data {raudal.data} kafka"
        assert finding(findings, "QUERY_BROKER_STOPPED")["sentence"] == \
            "query sensors_earliest: the broker is stopped"
        raudal.command("start", "kafka").ok()
        assert not wrong(doctor(raudal))
    finally:
        end(program)


def test_why_queries_wait(raudal, environment):
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    raudal.create_topic("measurements", 1)
    for number in range(7):
        producer.send("measurements", json.dumps({"id": number, "temperature": 20.5 if number != 4 else "hot"}).encode())
    producer.flush()
    program = raudal.run_in_background(RUNS_QUERIES, "measurements earliest /first", "measurements latest /second",
                                       "measurement earliest /third", environment=environment("course"))
    try:
        wait_until(lambda: "started" in program.output.read_text(), what="the queries")
        findings = wait_until(lambda: [each for each in [doctor(raudal)] if "temperature" in str(each)], what="the bad record")[0]
    finally:
        end(program)
    assert finding(findings, "QUERY_LATEST")["sentence"] == \
        "query measurements_latest: 7 messages in measurements are older than this query's start (startingOffsets=latest)"
    assert finding(findings, "QUERY_LATEST")["command"] == '.option("startingOffsets", "earliest")'
    meant = finding(findings, "QUERY_TOPIC_EMPTY")
    assert meant["sentence"] == ("query measurement_earliest: nothing was ever written to topic measurement; "
                                 "the topic that has messages is measurements")
    bad = finding(findings, "QUERY_BAD_RECORDS")
    assert bad["sentence"] == (
        'query measurements_earliest: 1 record did not parse; first: measurements-0 offset 4, field temperature, expected '
        'DOUBLE, found "hot"')
    shown = run(["sh", "-c", bad["command"].replace("raudal ", f"{BINARY} ", 1)])
    assert shown.stdout.strip() == '{"id": 4, "temperature": "hot"}', shown
    # A second run goes on from the checkpoint.
    program = raudal.run_in_background(RUNS_QUERIES, "measurements earliest /first", environment=environment("course"))
    try:
        wait_until(lambda: "started" in program.output.read_text(), what="the query")
        goes_on = finding(wait_until(lambda: [each for each in [doctor(raudal)] if "QUERY_GOES_ON" in str(each)],
                                     what="the reason")[0], "QUERY_GOES_ON")
    finally:
        end(program)
    assert "earlier runs of the checkpoint /first read the 7 messages of measurements" in goes_on["sentence"]
    assert goes_on["command"].endswith("-- hdfs dfs -rm -r /first")


def test_a_query_that_ended_with_an_error(start_raudal, environment):
    raudal = start_raudal()
    raudal.create_topic("sensors")
    program = raudal.run_in_background(RUNS_QUERIES, "sensors earliest /checkpoint", environment=environment("course"))
    try:
        wait_until(lambda: "started" in program.output.read_text(), what="the query")
        wait_until(lambda: raudal.tool("hdfs", "dfs", "-ls", "/out/checkpoint").returncode == 0, what="the sink's folder")
        raudal.tool("hdfs", "dfs", "-rm", "-r", "/checkpoint/commits").ok()
        raudal.tool("hdfs", "dfs", "-touchz", "/checkpoint/commits").ok()
        raudal.shell("echo '{\"id\": 1}' | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic sensors").ok()
        failed = finding(wait_until(lambda: [each for each in [doctor(raudal)] if "QUERY_FAILED" in str(each)],
                                    what="the failure")[0], "QUERY_FAILED")
    finally:
        end(program)
    assert failed["sentence"].startswith("query sensors_earliest ended with an error: ")
    assert failed["command"] == f"raudal logs --data {raudal.data} spark"


def test_listeners_that_lead_nowhere(start_raudal):
    raudal = start_raudal("--only", "kafka", set={"kafka.advertised.listeners": "PLAINTEXT://broker-7.invalid:9092"})
    advertised = finding(doctor(raudal), "ADVERTISED")
    assert advertised["sentence"].startswith("Kafka tells its clients to come to broker-7.invalid:9092")
