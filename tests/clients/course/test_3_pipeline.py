"""The course's third exercise: generator, Kafka, JSON, parquet in HDFS; killed at any moment and started again."""
import json
import os
import random
import signal
import threading
import time
from datetime import datetime

import pytest

from harness import TOP, end, wait_until, write_program

GENERATOR = TOP / "exercises" / "generator.py"
PIPELINE = TOP / "exercises" / "pipeline.py"
READ = TOP / "exercises" / "read.py"

# The generator, faster, and with a line for each record that the broker acknowledged.
ACKNOWLEDGED_GENERATOR = """
import json, random, sys, time
from datetime import datetime
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=['kafka:9092'], value_serializer=lambda x: json.dumps(x).encode('utf-8'),
                         acks='all', retries=1000, max_block_ms=60000)
acknowledged = open(sys.argv[1], "a", buffering=1)
while True:
    data = {'timestamp': datetime.now().isoformat(), 'value': random.randint(1, 100)}
    producer.send('sensores', data).add_callback(lambda _, line=json.dumps(data): acknowledged.write(line + "\\n"))
    time.sleep(0.005)
"""


def from_the_beginning(program):
    """The program's text, reading the topic from its first record instead of from now on."""
    return program.read_text().replace('.load()', '.option("startingOffsets", "earliest").load()')


def plain_rows(folder):
    """What pyarrow finds in the plain directory right now."""
    import pyarrow.dataset
    if not folder.is_dir():
        return []
    for _ in range(20):
        try:
            table = pyarrow.dataset.dataset(folder, format="parquet").to_table()
            break
        except FileNotFoundError:
            continue            # a file was replaced between listing and opening
    if table.num_rows == 0:
        return []
    return [(row["timestamp"].replace(tzinfo=None).isoformat(), row["value"]) for row in table.to_pylist()]


def as_row(text):
    """A record of the topic as plain_rows shows it; the session's zone is UTC here."""
    data = json.loads(text)
    return datetime.fromisoformat(data["timestamp"]).isoformat(), data["value"]


def topic_rows(raudal):
    from kafka import KafkaConsumer
    consumer = KafkaConsumer("sensores", bootstrap_servers=[raudal.at("kafka")], auto_offset_reset="earliest",
                             group_id=None, consumer_timeout_ms=2000)
    try:
        return sorted(as_row(record.value) for record in consumer)
    finally:
        consumer.close()


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_rows_arrive_and_every_reader_sees_them(fresh_raudal, environment):
    """The exercise as it stands, then read back with PySpark, pyarrow, hdfs dfs, and HdfsCLI."""
    generator = fresh_raudal.run_in_background(GENERATOR, environment=environment("course"))
    wait_until(lambda: "value" in generator.output.read_text(), 30, "the first record")
    pipeline = fresh_raudal.run_in_background(PIPELINE, environment=environment("course"))
    folder = fresh_raudal.data / "store" / "datos" / "streaming"
    try:
        wait_until(lambda: len(plain_rows(folder)) >= 5 or pipeline.poll() is not None, 60, "five rows")
        assert pipeline.poll() is None, pipeline.output.read_text()
        end(generator)
        count = len(topic_rows(fresh_raudal))
        skipped = count - len(plain_rows(folder))       # records from before the pipeline was there
        wait_until(lambda: len(set(plain_rows(folder))) == len(plain_rows(folder)), 10, "rows without duplicates")
    finally:
        end(generator)
        end(pipeline)
    assert 0 <= skipped < count
    rows = plain_rows(folder)
    read = fresh_raudal.run(READ, environment=environment("course")).ok()
    assert read.stdout.splitlines()[0:4] == ["root", " |-- timestamp: timestamp (nullable = true)",
                                             " |-- value: integer (nullable = true)", ""]
    assert read.stdout.splitlines()[-1] == str(len(rows))
    listed = fresh_raudal.shell("hdfs dfs -ls /datos/streaming").ok().stdout
    assert "_spark_metadata" in listed and ".parquet" in listed
    checkpoint = fresh_raudal.shell("hdfs dfs -ls /checkpoint").ok().stdout
    for name in ("commits", "metadata", "offsets", "sources"):
        assert f" /checkpoint/{name}" in checkpoint
    from hdfs import InsecureClient
    names = InsecureClient(f"http://{fresh_raudal.at('namenode-ui')}", user="root").list("/datos/streaming")
    assert "_spark_metadata" in names


class Watcher(threading.Thread):
    """Reads the plain directory over and over while things are killed: no duplicate, no broken file, at any time."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.done, self.problem, self.reads = folder, threading.Event(), None, 0

    def run(self):
        while not self.done.wait(0.05) and not self.problem:
            try:
                rows = plain_rows(self.folder)
                self.reads += 1
                if len(rows) != len(set(rows)):
                    self.problem = f"{len(rows) - len(set(rows))} duplicates among {len(rows)} rows"
            except Exception as error:
                self.problem = repr(error)


@pytest.mark.parametrize("victim", ["server", "program", "both"])
def test_killed_at_any_moment_no_record_is_lost_and_none_appears_twice(fresh_raudal, environment, tmp_path, victim):
    random.seed(victim)
    folder = fresh_raudal.data / "store" / "datos" / "streaming"
    acknowledged = tmp_path / "acknowledged.txt"
    program = from_the_beginning(PIPELINE)
    kafka_python, spark = environment("clients"), environment("course")
    fresh_raudal.create_topic("sensores")
    generator = fresh_raudal.run_in_background(ACKNOWLEDGED_GENERATOR, acknowledged, environment=kafka_python)
    pipeline = fresh_raudal.run_in_background(program, environment=spark)
    watcher = Watcher(folder)
    watcher.start()
    try:
        for kill in range(4):
            wanted = len(plain_rows(folder)) + 20
            wait_until(lambda: len(plain_rows(folder)) >= wanted or pipeline.poll() is not None, 60,
                       f"{wanted} rows before kill {kill}")
            assert pipeline.poll() is None, pipeline.output.read_text()
            time.sleep(random.random() * 0.5)
            if victim in ("program", "both"):
                end(pipeline, signal.SIGKILL)
            if victim in ("server", "both"):
                fresh_raudal.kill9()
                fresh_raudal.start()
                end(pipeline, signal.SIGKILL)
            pipeline = fresh_raudal.run_in_background(program, environment=spark)
        wait_until(lambda: len(plain_rows(folder)) >= 50, 60, "rows after the last kill")
        end(generator)
        expected = topic_rows(fresh_raudal)
        wait_until(lambda: len(plain_rows(folder)) >= len(expected) or pipeline.poll() is not None, 60,
                   f"all {len(expected)} rows")
    finally:
        watcher.done.set()
        end(generator)
        end(pipeline)
        watcher.join()
    assert watcher.problem is None and watcher.reads > 10, watcher.problem
    assert sorted(plain_rows(folder)) == expected
    assert set(map(as_row, acknowledged.read_text().splitlines())) <= set(expected), "an acknowledged record is lost"
    result = fresh_raudal.run("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        df = spark.read.parquet("hdfs://namenode:9000/datos/streaming")
        print(df.count(), df.distinct().count())
        """, environment=spark)
    assert result.ok().stdout.split() == [str(len(expected))] * 2


def test_a_real_spark_reads_what_the_pipeline_wrote(fresh_raudal, environment, tmp_path):
    """A JVM with Hadoop's client and Spark's file index, through our NameNode and DataNode ports."""
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=[fresh_raudal.at("kafka")])
    for value in range(100):
        record = {"timestamp": f"2026-03-01T08:00:{value % 60:02}.5", "value": value}
        producer.send("sensores", json.dumps(record).encode())
    producer.flush()
    producer.close()
    program = from_the_beginning(PIPELINE)
    program = program.replace(".start()", ".trigger(availableNow=True).start()")
    fresh_raudal.run(program, environment=environment("course")).ok()
    spark = environment("spark-4_3")
    child = {name: value for name, value in os.environ.items() if name != "SPARK_REMOTE"}
    # By the name that the pipeline wrote with: a file index finds the files of _spark_metadata by their whole path.
    file = write_program("""
        from pyspark.sql import SparkSession
        spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
                 .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
                 .getOrCreate())
        df = spark.read.parquet("hdfs://namenode:9000/datos/streaming")
        df.printSchema()
        print("answer", df.count(), df.agg({"value": "sum"}).first()[0])
        """)
    words = ["env", "-u", "SPARK_REMOTE", "-u", "PYTHONPATH", str(spark.interpreter), str(file)]
    result = fresh_raudal.shell(words, env=child, timeout_s=180)
    assert "answer 100 4950" in result.ok().stdout
    assert "timestamp: timestamp" in result.stdout and "value: integer" in result.stdout


@pytest.mark.long
def test_a_real_spark_goes_on_from_our_checkpoint(fresh_raudal, environment, tmp_path):
    """Leaving is possible: the same program on a real Spark continues where our engine stopped."""
    from kafka import KafkaProducer
    program = from_the_beginning(PIPELINE)
    program = program.replace(".start()", ".trigger(availableNow=True).start()")

    def produce(first, last):
        producer = KafkaProducer(bootstrap_servers=[fresh_raudal.at("kafka")])
        for value in range(first, last):
            record = {"timestamp": f"2026-03-01T08:00:{value % 60:02}.5", "value": value}
            producer.send("sensores", json.dumps(record).encode())
        producer.flush()
        producer.close()

    produce(0, 50)
    fresh_raudal.run(program, environment=environment("course")).ok()
    produce(50, 80)
    spark, connector = environment("spark-3_5"), environment("spark-kafka-3_5")
    needed = ("sql-kafka", "token-provider", "kafka-clients", "commons-pool2")
    jars = ",".join(str(jar) for jar in (connector.path / "jars").glob("*.jar")
                    if any(part in jar.name for part in needed))
    real = program.replace('.appName("Pipeline")', f'.master("local[1]").config("spark.jars", "{jars}")')
    real = real.replace("spark.jars.packages", "spark.ignored").replace("kafka:9092", fresh_raudal.at("kafka"))
    real = real.replace("hdfs://namenode:9000", f"hdfs://{fresh_raudal.at('namenode')}")
    real = real.replace('"/checkpoint"', f'"hdfs://{fresh_raudal.at("namenode")}/checkpoint"')
    child = {name: value for name, value in os.environ.items() if name != "SPARK_REMOTE"}
    spark.python(real, env=child, timeout_s=240).ok()
    rows = plain_rows(fresh_raudal.data / "store" / "datos" / "streaming")
    assert sorted(value for _, value in rows) == list(range(80))
