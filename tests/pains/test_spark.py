"""Pains 4, 5, 8, 18, 19 and 21-23 of README.md: Spark."""
import re

import pytest

from harness import end, run, wait_until, write_program


SESSION = """
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("spark://spark-master:7077")
             .config("spark.jars.packages", "org.apache.spark:spark-sql-kafka-0-10_2.12:3.1.2")
             .config("spark.executor.memory", "64g").config("spark.cores.max", "64").getOrCreate())
    def source(servers="kafka:9092"):
        reader = spark.readStream if servers else spark.read
        return reader.format("kafka").option("kafka.bootstrap.servers", servers or "kafka:9092").option("subscribe", "packages").load()
    def attempt(name, call):
        try:
            print(name, call())
        except Exception as error:
            print(name, error)
    attempt("packages", lambda: source(None).count())
    attempt("resources", lambda: spark.range(1000).selectExpr("sum(id)").first()[0])
    attempt("path", lambda: spark.read.csv("/etc/hostname").show())
    attempt("servers", lambda: source("localhost:29092").writeStream.format("console").start())
    attempt("show", lambda: source().show())
    attempt("append", lambda: source().groupBy("key").count().writeStream.format("console").outputMode("append").start())
    from pyspark.sql.functions import udf
    attempt("function", lambda: [row[0] for row in spark.range(2).select(udf(lambda x: x + 1, "int")("id")).collect()])
    attempt("checkpoint", lambda: source().writeStream.format("parquet").option("path", "/x").start())
    """


@pytest.fixture(scope="module")
def session(raudal, environment):
    """One program that does what several tests look at; PYSPARK_DRIVER_PYTHON names an interpreter that is not there."""
    raudal.create_topic("packages")
    child = dict(raudal.child_environment(environment("course")), PYSPARK_DRIVER_PYTHON="/usr/bin/python2.7")
    return run(raudal.run_command(write_program(SESSION)), env=child).ok()


def test_04_05_a_connector_that_does_not_fit(session):
    """Packages for another Scala or Spark, and jars that are missing: the source is built in, and a note says so."""
    assert "packages 0\n" in session.stdout
    assert "The setting spark.jars.packages has no effect on a running server; what it names is built in or not needed." \
        in session.stderr


def test_04_05_spark_submit(raudal, environment):
    submitted = raudal.shell(
        ["spark-submit", "--packages", "org.apache.spark:spark-sql-kafka-0-10_2.12:3.1.2", "--master", "spark://spark-master:7077",
         "--jars", "commons-pool2-2.11.1.jar", write_program("""
            from pyspark.sql import SparkSession
            print(SparkSession.builder.getOrCreate().range(3).count())
            """)], env=raudal.child_environment(environment("course")))
    assert submitted.ok().stdout == "3\n"
    assert "--jars has no effect here: the program runs on this Raudal" in submitted.stderr


def test_08_memory(start_raudal, environment):
    """Exit 137: a query that needs more than its budget fails with a sentence, and the process goes on."""
    raudal = start_raudal("--only", "spark", set={"spark.worker.instances": 1, "spark.worker.memory": "32m"})
    result = raudal.run("""
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import sha2, col
        spark = SparkSession.builder.getOrCreate()
        try:
            spark.range(3000000).select(sha2(col("id").cast("string"), 256).alias("hash")).orderBy("hash").collect()
        except Exception as error:
            print(error)
        print(spark.range(3).count())
        """, environment=environment("course"))
    assert result.ok().stdout.endswith("\n3\n")
    assert "needs more than the memory budget of 32 MiB" in result.stdout
    assert "Raise spark.worker.memory or reduce the data" in result.stdout
    assert raudal.status()["residentBytes"] < 256 << 20


def test_18_initial_job_has_not_accepted_any_resources(session):
    """More memory and cores than the cluster has: the program runs with what there is, and a note names the settings."""
    assert "resources 499500\n" in session.stdout
    assert "The setting spark.executor.memory has no effect on a running server" in session.stderr


def test_19_another_python_in_the_worker(session):
    """PYTHON_VERSION_MISMATCH: there is one interpreter, the program's; what PYSPARK_DRIVER_PYTHON names does no harm."""
    assert "function [1, 2]\n" in session.stdout
    assert "mismatch" not in session.out.lower() and "python2.7" not in session.out


STREAM = """
    import sys
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, from_json
    spark = SparkSession.builder.getOrCreate()
    def source(topic):
        return (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", topic)
                .option("startingOffsets", "earliest").load())
    def write(rows, checkpoint):
        query = (rows.writeStream.format("parquet").option("path", "/out" + checkpoint)
                 .option("checkpointLocation", checkpoint).start())
        try:
            query.processAllAvailable()
        except Exception as error:
            print(error)
        return query
    """


def test_20_append_without_a_watermark(session):
    told = [line for line in session.stdout.splitlines() if line.startswith("append ")]
    assert "not supported for streaming aggregations without watermark" in told[0], session


def test_20_append_prints_nothing_yet(raudal, environment):
    """A window is written when the watermark has passed it; doctor says where the watermark is and what moves it."""
    from kafka import KafkaProducer
    raudal.create_topic("events", 1)
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    producer.send("events", b"x")
    producer.flush()
    program = raudal.run_in_background(STREAM + """
    from pyspark.sql.functions import window
    counts = source("events").withWatermark("timestamp", "1 minute").groupBy(window("timestamp", "1 minute")).count()
    query = (counts.writeStream.queryName("counts").format("parquet").option("path", "/out/events")
             .option("checkpointLocation", "/events").start())
    query.processAllAvailable()
    print("waits", flush=True)
    import time; time.sleep(600)
    """, environment=environment("course"))
    try:
        wait_until(lambda: "waits" in program.output.read_text(), what="the query")
        sentence = r"query counts: watermark at \S.*; the window \S.* closes when an event later than \S.* arrives"
        wait_until(lambda: re.search(sentence, raudal.command("doctor").stdout), 20, "doctor's sentence")
    finally:
        end(program)


def test_21_from_json_gives_nulls(raudal, environment):
    """The program shows nulls, as with Spark; status and doctor count them and name the first: where, field, found, expected."""
    from kafka import KafkaProducer
    raudal.create_topic("readings", 1)
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    for text in ('{"id": 1, "temperature": 21.5}', '{"id": 2, "temperature": "21,5"}', "temperature=21.5"):
        producer.send("readings", text.encode())
    producer.flush()
    program = raudal.run_in_background(STREAM + """
    rows = source("readings").select(from_json(col("value").cast("string"), "id INT, temperature DOUBLE").alias("row")).select("row.*")
    write(rows, "/nulls")
    print(spark.read.parquet("/out/nulls").where("temperature IS NULL").count(), flush=True)
    import time; time.sleep(600)
    """, environment=environment("course"))
    try:
        wait_until(lambda: program.output.read_text().strip(), what="the program's line")
        assert program.output.read_text().strip().endswith("2")
        sentence = '2 records did not parse; first: readings-0 offset 1, field temperature, expected DOUBLE, found "21,5"'
        wait_until(lambda: sentence in raudal.command("doctor").stdout, 20, "doctor's sentence")
        assert "readings-0 offset 1" in raudal.command("status").stdout
    finally:
        end(program)


def test_22_a_checkpoint_of_another_query(raudal, environment):
    """A source more than before: which file says otherwise, and the two ways on. A new sink or other columns of a stateless
    query go on from the checkpoint."""
    for topic in ("before", "added"):
        raudal.create_topic(topic, 1)
    result = raudal.run(STREAM + """
    write(source("before").select("value"), "/changed").stop()
    write(source("before").selectExpr("cast(value as string) as text"), "/changed").stop()
    try:
        write(source("before").select("value").union(source("added").select("value")), "/changed")
    except Exception as error:
        print(error)
    """, environment=environment("course"))
    assert "[STREAMING_CHECKPOINT_INVALID] The checkpoint /changed cannot be continued" in result.ok().stdout
    assert "it has another number of sources than the query: sources of a query cannot be added or taken away" in result.stdout
    assert "a new checkpointLocation" in result.stdout


def test_23_a_topic_that_was_made_again(raudal, environment):
    """failOnDataLoss: which partition, what the checkpoint names, why that can be, and two ways on."""
    fill = "for i in 1 2 3 4 5; do echo $i; done | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic again"
    raudal.create_topic("again", 1)
    raudal.shell(fill).ok()
    program = STREAM + """
    write(source("again").selectExpr("cast(value as string) as text"), "/again")
    """
    assert raudal.run(program, environment=environment("course")).ok().stdout == ""
    raudal.shell("kafka-topics.sh --bootstrap-server kafka:9092 --delete --topic again && "
                 "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic again --partitions 1").ok()
    told = raudal.run(program, environment=environment("course")).ok().stdout
    assert "[KAFKA_DATA_LOSS]" in told
    assert "topic again was deleted and made again: the offsets of the checkpoint belong to the topic that has gone" in told
    assert "With a new checkpointLocation the query reads the new one from its start" in told
    assert "set the source option failOnDataLoss to false" in told


@pytest.mark.parametrize("name, sentence", [
    ("path", "hdfs://namenode:9000/etc/hostname (it exists on this machine: write file:/etc/hostname)"),
    ("servers", "the Kafka server localhost:29092 is not this one, which is kafka:9092"),
    ("show", "Queries with streaming sources must be executed with writeStream.start()"),
    ("checkpoint", "checkpointLocation must be specified"),
])
def test_other_mistakes(session, name, sentence):
    told = [line for line in session.stdout.splitlines() if line.startswith(name + " ")]
    assert len(told) == 1 and sentence in told[0], session
