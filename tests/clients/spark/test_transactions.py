"""Kafka's transactions under streaming queries: each row once in a topic, and sources that read what is committed."""
import json

import pytest

raudal_options = ["--only", "kafka,spark"]

# Writes a topic of two partitions: committed, aborted and plain records in turn, and at last a transaction that stays open.
WRITE = """
import sys
from confluent_kafka import Producer
bootstrap, topic = sys.argv[1:3]
plain = Producer({"bootstrap.servers": bootstrap})
number = 0
for round in range(4):
    for name, commit in (("a", True), ("b", False), ("c", None)):
        producer = plain
        if commit is not None:
            producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-{name}"})
            producer.init_transactions(20)
            producer.begin_transaction()
        for _ in range(5):
            word = {True: "committed", False: "aborted", None: "plain"}[commit]
            producer.produce(topic, f"{word} {number}", partition=number % 2)
            number += 1
        producer.flush(20)
        if commit is not None:
            (producer.commit_transaction if commit else producer.abort_transaction)(20)
open_one = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-open",
                     "transaction.timeout.ms": 900000})
open_one.init_transactions(20)
open_one.begin_transaction()
for partition in range(2):
    open_one.produce(topic, "open", partition=partition)
    open_one.flush(20)
    plain.produce(topic, "behind", partition=partition)
    plain.flush(20)
import os
os._exit(0)
"""

# Reads it as batch and as stream, at both levels, and says rows, offsets and progress.
READ = """
import ast, json, sys, tempfile
from pyspark.sql import SparkSession
remote, bootstrap, topic = sys.argv[1:4]
builder = SparkSession.builder
if remote.startswith("sc:"):
    spark = builder.remote(remote).getOrCreate()
else:  # the jars that a real Spark needs
    spark = builder.master("local[1]").config("spark.jars", remote).getOrCreate()
found = {}
def plain(offset):  # a client gives a dict, or the text of one
    return json.dumps(ast.literal_eval(str(offset)), sort_keys=True)
def options(reader, level, **more):
    reader = reader.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic)
    reader = reader.option("startingOffsets", "earliest")
    if level:
        reader = reader.option("kafka.isolation.level", level)
    for name, value in more.items():
        reader = reader.option(name, value)
    return reader.load().selectExpr("partition", "offset", "CAST(value AS STRING) AS value")
for level in (None, "read_uncommitted", "read_committed"):
    rows = options(spark.read, level).orderBy("partition", "offset").collect()
    found[f"batch {level}"] = [list(row) for row in rows]
    name = f"rows_{level}"
    folder = tempfile.mkdtemp()
    query = (options(spark.readStream, level, maxOffsetsPerTrigger=17).writeStream.format("memory").queryName(name)
             .option("checkpointLocation", folder).trigger(availableNow=True).start())
    query.awaitTermination()
    found[f"stream {level}"] = [list(row) for row in spark.table(name).orderBy("partition", "offset").collect()]
    found[f"progress {level}"] = [
        [p["numInputRows"], *(plain(p["sources"][0][f"{kind}Offset"])
                              for kind in ("start", "end", "latest"))]
        for p in query.recentProgress]
try:
    options(spark.read, "read_everything").count()
    found["wrong level"] = None
except Exception as problem:
    found["wrong level"] = "read_everything" in str(problem)
print(json.dumps(found, default=str))
"""


def read_topic(environment, remote, bootstrap, topic, name="spark-client-4_1"):
    text = environment(name).python(READ, remote, bootstrap, topic, timeout_s=300).ok().stdout
    return json.loads(text[text.index("{"):])


def test_sources_read_what_is_committed(raudal, environment):
    raudal.create_topic("events", 2)
    environment("clients").python(WRITE, raudal.at("kafka"), "events").ok()
    found = read_topic(environment, f"sc://{raudal.at('spark-connect')}", raudal.at("kafka"), "events")
    for kind in ("batch", "stream"):
        committed = [row[2] for row in found[f"{kind} read_committed"]]
        assert sorted(int(value.split()[1]) for value in committed) == [n for n in range(60) if n // 5 % 3 != 1]
        everything = [row[2] for row in found[f"{kind} read_uncommitted"]]
        assert len(everything) == 64 and everything == [row[2] for row in found[f"{kind} None"]]
    assert found["wrong level"]


@pytest.mark.long
def test_a_real_spark_reads_the_same(raudal, environment):
    raudal.create_topic("compared", 2)
    environment("clients").python(WRITE, raudal.at("kafka"), "compared").ok()
    needed = ("sql-kafka", "token-provider", "kafka-clients", "commons-pool2")
    jars = ",".join(str(jar) for jar in (environment("spark-kafka-3_5").path / "jars").glob("*.jar")
                    if any(part in jar.name for part in needed))
    real = read_topic(environment, jars, raudal.at("kafka"), "compared", "spark-3_5")
    assert read_topic(environment, f"sc://{raudal.at('spark-connect')}", raudal.at("kafka"), "compared") == real


# A query from one topic to another, stopped and started again.
COPY = """
import json, sys
from pyspark.sql import SparkSession
remote, bootstrap, mode = sys.argv[1:4]
spark = SparkSession.builder.remote(remote).create()
if mode != "default":
    spark.conf.set("raudal.stream.kafka.exactlyOnce", mode)
query = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", "numbers")
         .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 40).load()
         .writeStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", "copies")
         .option("checkpointLocation", "/checkpoint").trigger(availableNow=True).start())
query.awaitTermination()
print(json.dumps({"id": query.id, "batches": [p["batchId"] for p in query.recentProgress]}))
"""


def values_of(bootstrap, topic, level):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": level,
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(3)])
    found, ends = [], 0
    while ends < 3:
        for message in consumer.consume(500, 5):
            if message.error():
                ends += 1
            else:
                found.append(int(message.value()))
    consumer.close()
    return found


@pytest.mark.parametrize("mode", ["default", pytest.param("false", marks=pytest.mark.long)])
def test_a_topic_gets_each_row_once(start_raudal, environment, mode):
    """The transaction of a batch is the commit: a batch whose commits/N is lost afterwards is not written again."""
    from confluent_kafka import Producer
    raudal = start_raudal("--only", "kafka,spark,hdfs")
    raudal.create_topic("numbers")
    raudal.create_topic("copies")
    producer = Producer({"bootstrap.servers": raudal.at("kafka")})

    def copy(first, last):
        for number in range(first, last):
            producer.produce("numbers", str(number), partition=number % 3)
        producer.flush(20)
        output = environment("spark-client-4_1").python(COPY, f"sc://{raudal.at('spark-connect')}", raudal.at("kafka"),
                                                        mode).ok().stdout
        return json.loads(output[output.index("{"):])

    said = copy(0, 100)
    commits = raudal.data / "store" / "checkpoint" / "commits"
    newest = max(int(name) for name in [path.name for path in commits.iterdir()] if name.isdigit())
    raudal.kill9()
    (commits / str(newest)).unlink()
    raudal.start()
    again = copy(100, 150)
    assert again["id"] == said["id"]
    values = values_of(raudal.at("kafka"), "copies", "read_committed")
    assert set(values) == set(range(150))
    if mode == "false":
        assert len(values) > 150  # at least once, as Spark
        return
    assert sorted(values) == list(range(150))
    described = raudal.tool("kafka-consumer-groups", "--bootstrap-server", raudal.at("kafka"), "--describe", "--group",
                            f"raudal-{said['id']}").ok().stdout
    assert described.count(" numbers ") == 3, described
