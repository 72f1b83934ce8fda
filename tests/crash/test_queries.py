"""kill -9 in the middle of batches, many times: files, a topic, counts of windows and unique rows, each of them with every
record once, and a reader of the plain directory sees no duplicate at any time."""
import collections
import datetime
import glob
import json
import os
import random
import threading
import time

import pytest

from harness import Environment, end, wait_until

SEED = int(os.environ.get("RAUDAL_CRASH_SEED", "1"))
START = datetime.datetime(2026, 3, 1, 8)

# Starts the queries again for as long as it is told to; the server goes away under them.
PIPELINE = """
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, count, from_json, sum, window
bootstrap, remote = sys.argv[1:3]
while True:
    try:
        spark = SparkSession.builder.remote(remote).create()
        source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap)
                  .option("subscribe", "eventos").option("startingOffsets", "earliest")
                  .option("maxOffsetsPerTrigger", 3000).load())
        rows = (source.select(from_json(col("value").cast("string"), "ts timestamp, k int, number long, copy int")
                              .alias("data")).select("data.*"))
        timed = rows.withWatermark("ts", "10 seconds")
        outputs = {"files": rows, "count": timed.groupBy(window("ts", "1 second"), "k")
                   .agg(count("*").alias("n"), sum("number").alias("s")),
                   "unique": timed.dropDuplicates(["number", "ts"]), "copies": source.select("key", "value")}
        queries = []
        for name, output in outputs.items():
            writer = output.writeStream.option("checkpointLocation", "/checkpoint/" + name)
            if name == "copies":
                writer = writer.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", "copias")
            else:
                writer = writer.format("parquet").option("path", "hdfs://namenode:9000/datos/" + name)
            queries.append(writer.trigger(processingTime="50 milliseconds").start())
        queries[0].awaitTermination()
    except Exception as problem:
        text = str(problem)
        gone = any(word in text for word in ("UNAVAILABLE", "refused", "closed", "not found", "CANCELLED", "SESSION"))
        print("again:" if gone else "UNEXPECTED", text.splitlines()[0][:600] if text else repr(problem), flush=True)
    time.sleep(0.05)
"""


class Producer(threading.Thread):
    """A hundred numbered records per second of event time, each of them twice."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
        from confluent_kafka import Producer as Client
        self.client = Client({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
                              "message.timeout.ms": 120000, "reconnect.backoff.max.ms": 200})
        self.failed, self.ended, self.number = [], threading.Event(), 0

    def send(self, number, copy, moment, partition):
        value = json.dumps({"ts": moment.isoformat(), "k": number % 7, "number": number, "copy": copy})
        while True:
            try:
                self.client.produce("eventos", value.encode(), partition=partition,
                                    on_delivery=lambda error, _: self.failed.append(error) if error else None)
                return
            except BufferError:
                self.client.poll(0.01)

    def run(self):
        while not self.ended.is_set():
            moment = START + datetime.timedelta(milliseconds=10 * self.number)
            for copy in range(2):
                self.send(self.number, copy, moment, self.number % 3)
            self.number += 1
            self.client.poll(0)
            time.sleep(0.004)
        self.client.flush(120)

    def close_windows(self):
        for partition in range(3):
            self.send(-1 - partition, 0, START + datetime.timedelta(days=1), partition)
        self.client.flush(120)

    def sent(self):
        return [(number, copy) for number in range(-3, 0) for copy in (0,)] + \
               [(number, copy) for number in range(self.number) for copy in range(2)]


def dataset_of(directory):
    """What pyarrow finds in the plain directory, as anybody would read it; None without a file."""
    import pyarrow.dataset
    files = sorted(glob.glob(f"{directory}/*.parquet"))
    return pyarrow.dataset.dataset(files, format="parquet") if files else None


def count_rows(directory):
    dataset = dataset_of(directory)
    return dataset.count_rows() if dataset else 0


def rows_of(directory, *columns):
    dataset = dataset_of(directory)
    table = dataset.to_table(columns=list(columns)) if dataset else None
    return list(zip(*(table.column(name).to_pylist() for name in columns))) if table else []


def records_planned(checkpoint):
    """How many records the newest batch of a checkpoint goes up to."""
    names = os.listdir(checkpoint / "offsets") if (checkpoint / "offsets").exists() else []
    newest = max((int(name) for name in names if name.isdigit()), default=None)
    if newest is None:
        return 0
    lines = (checkpoint / "offsets" / str(newest)).read_text().split("\n")
    return sum(json.loads(lines[2])["eventos"].values())


def rows_in_topic(bootstrap, count):
    """(number, copy) of all that a reader of committed records finds; stops when nothing more comes."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed",
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition("copias", partition, OFFSET_BEGINNING) for partition in range(3)])
    found, ends, limit = [], 0, time.monotonic() + 60
    while (ends < 3 or len(found) < count) and time.monotonic() < limit:
        for message in consumer.consume(5000, 1):
            if message.error():
                ends += 1
            else:
                value = json.loads(message.value())
                found.append((value["number"], value["copy"]))
    consumer.close()
    return found


def expected_counts(count):
    groups = collections.defaultdict(lambda: [0, 0])
    for number in range(count):
        group = groups[number // 100, number % 7]
        group[0] += 2
        group[1] += 2 * number
    return {key: tuple(value) for key, value in groups.items()}


def kill_at_random(raudal, directory, rounds):
    chance = random.Random(f"{SEED} queries")
    for _ in range(rounds):
        before, limit = len(glob.glob(f"{directory}/*.parquet")), time.monotonic() + 3
        while len(glob.glob(f"{directory}/*.parquet")) == before and time.monotonic() < limit:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.4)
        raudal.kill9()
        rows = rows_of(directory, "number", "copy")
        assert len(rows) == len(set(rows)), "a row twice in the plain directory, right after the kill"
        raudal.start()


def assert_same(what, found, expected):
    counts = collections.Counter(found)
    twice = [row for row, count in counts.items() if count > 1]
    lost, strange = set(expected) - set(counts), set(counts) - set(expected)
    assert not (twice or lost or strange), f"{what}: twice {twice[:9]}, lost {list(lost)[:9]}, strange {list(strange)[:9]}"


def check_rows(raudal, producer):
    data, sent = raudal.data / "store" / "datos", producer.sent()
    wait_until(lambda: count_rows(data / "files") >= len(sent), 90, "every row in the files", 0.5)
    assert_same("files", rows_of(data / "files", "number", "copy"), sent)
    assert_same("copies", rows_in_topic(raudal.at("kafka"), len(sent)), sent)
    wait_until(lambda: count_rows(data / "unique") >= producer.number + 3, 90, "every number", 0.5)
    assert_same("unique", rows_of(data / "unique", "number"), [(number,) for number in range(-3, producer.number)])
    expected = expected_counts(producer.number)
    wait_until(lambda: count_rows(data / "count") >= len(expected), 90, "every window", 0.5)
    rows = [(int((window["start"].replace(tzinfo=None) - START).total_seconds()), k, n, s)
            for window, k, n, s in rows_of(data / "count", "window", "k", "n", "s")]
    assert_same("count", rows, [(*key, *value) for key, value in expected.items()])


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(3000)])])
def test_each_record_counts_once_over_kills(start_raudal, rounds):
    raudal = start_raudal()
    raudal.create_topic("eventos")
    raudal.create_topic("copias")
    producer = Producer(raudal.at("kafka"))
    producer.start()
    pipeline = raudal.run_in_background(PIPELINE, raudal.at("kafka"), f"sc://{raudal.at('spark-connect')}",
                                        environment=Environment.get("course"))
    try:
        kill_at_random(raudal, raudal.data / "store" / "datos" / "files", rounds)
        producer.ended.set()
        producer.join()
        checkpoint = raudal.data / "store" / "checkpoint"
        for name in ("count", "unique"): # nothing that closes windows may come in the same batch as what is in them
            wait_until(lambda: records_planned(checkpoint / name) == 2 * producer.number, 90, "the last record")
        producer.close_windows()
        assert producer.failed == []
        check_rows(raudal, producer)
    finally:
        producer.ended.set()
        end(pipeline)
    assert "UNEXPECTED" not in pipeline.output.read_text()
