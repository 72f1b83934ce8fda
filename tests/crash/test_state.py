"""kill -9 in the middle of a windowed count, many times: every window comes out once, with every record in it."""
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

ROUNDS = int(os.environ.get("RAUDAL_CRASH_ROUNDS", "5"))
SEED = int(os.environ.get("RAUDAL_CRASH_SEED", "1"))
START = datetime.datetime(2026, 3, 1, 8)

# Starts the query again for as long as it is told to; the server goes away under it.
PIPELINE = """
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, count, from_json, sum, window
bootstrap, remote, mode = sys.argv[1:4]
while True:
    try:
        spark = SparkSession.builder.remote(remote).create()
        source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap)
                  .option("subscribe", "eventos").option("startingOffsets", "earliest")
                  .option("maxOffsetsPerTrigger", 2000).load())
        rows = (source.select(from_json(col("value").cast("string"), "ts timestamp, k int, number long").alias("data"))
                .select("data.*").withWatermark("ts", "10 seconds"))
        if mode == "count":
            rows = rows.groupBy(window("ts", "1 second"), "k").agg(count("*").alias("n"), sum("number").alias("s"))
        else:
            rows = rows.dropDuplicates(["number", "ts"])
        query = (rows.writeStream.format("parquet").option("path", "hdfs://namenode:9000/datos/" + mode)
                 .option("checkpointLocation", "/checkpoint/" + mode).trigger(processingTime="100 milliseconds").start())
        query.awaitTermination()
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

    def send(self, number, moment):
        value = f'{{"ts": "{moment.isoformat()}", "k": {number % 7}, "number": {number}}}'
        while True:
            try:
                self.client.produce("eventos", value.encode(), partition=number % 3,
                                    on_delivery=lambda error, _: self.failed.append(error) if error else None)
                return
            except BufferError:
                self.client.poll(0.01)

    def run(self):
        while not self.ended.is_set():
            for _ in range(2):
                self.send(self.number, START + datetime.timedelta(milliseconds=10 * self.number))
            self.number += 1
            self.client.poll(0)
            time.sleep(0.002)
        self.client.flush(120)

    def close_windows(self):
        for number in range(3):
            self.send(number, START + datetime.timedelta(days=1))
        self.client.flush(120)


def rows_of(directory):
    import pyarrow.dataset
    files = sorted(glob.glob(f"{directory}/*.parquet"))
    return pyarrow.dataset.dataset(files, format="parquet").to_table().to_pylist() if files else []


def records_planned(checkpoint):
    """How many records the newest batch of a checkpoint goes up to."""
    newest = max((int(name) for name in os.listdir(checkpoint / "offsets") if name.isdigit()), default=None)
    if newest is None:
        return 0
    lines = (checkpoint / "offsets" / str(newest)).read_text().split("\n")
    return sum(json.loads(lines[2])["eventos"].values())


def expected_counts(count):
    groups = collections.defaultdict(lambda: [0, 0])
    for number in range(count):
        group = groups[number // 100, number % 7]
        group[0] += 2
        group[1] += 2 * number
    return {key: tuple(value) for key, value in groups.items()}


@pytest.mark.parametrize("mode", ["count", "unique"])
def test_state_survives_kills(start_raudal, mode):
    raudal = start_raudal()
    raudal.create_topic("eventos")
    directory = raudal.data / "store" / "datos" / mode
    producer = Producer(raudal.at("kafka"))
    producer.start()
    pipeline = raudal.run_in_background(PIPELINE, raudal.at("kafka"), f"sc://{raudal.at('spark-connect')}", mode,
                                        environment=Environment.get("course"))
    chance = random.Random(f"{SEED} {mode}")
    try:
        wait_until(lambda: len(rows_of(directory)) > 20, 60, "the first rows", 0.5)
        for _ in range(ROUNDS):
            time.sleep(0.3 + chance.random() * 1.2)
            raudal.kill9()
            raudal.start()
        producer.ended.set()
        producer.join()
        assert producer.failed == []
        checkpoint = raudal.data / "store" / "checkpoint" / mode
        wait_until(lambda: records_planned(checkpoint) == 2 * producer.number, 90, "a batch up to the last record")
        if mode == "count":
            producer.close_windows()
            expected = expected_counts(producer.number)
            wait_until(lambda: len(rows_of(directory)) >= len(expected), 90, "every window", 1)
            rows = [((int((row["window"]["start"].replace(tzinfo=None) - START).total_seconds()), row["k"]),
                     (row["n"], row["s"])) for row in rows_of(directory)]
            assert len(rows) == len(dict(rows)), "a window comes out twice"
            assert dict(rows) == expected
        else:
            wait_until(lambda: len(rows_of(directory)) >= producer.number, 60, "every number", 1)
            assert sorted(row["number"] for row in rows_of(directory)) == list(range(producer.number))
    finally:
        producer.ended.set()
        end(pipeline)
    assert "UNEXPECTED" not in pipeline.output.read_text(), pipeline.output.read_text()
