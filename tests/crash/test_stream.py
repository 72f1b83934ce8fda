"""kill -9 in the middle of the course's pipeline, many times: no record is lost, none appears twice, and a reader of the
plain directory sees no duplicate at any time. RAUDAL_CRASH_ROUNDS asks for more rounds."""
import glob
import os
import random
import threading
import time

import pytest

from harness import Environment, end, wait_until

ROUNDS = int(os.environ.get("RAUDAL_CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("RAUDAL_CRASH_SEED", "1"))

# Starts the query again for as long as it is told to; the server goes away under it.
PIPELINE = """
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import from_json
from pyspark.sql.types import IntegerType, StructField, StructType, TimestampType
bootstrap, remote = sys.argv[1:3]
schema = StructType([StructField("timestamp", TimestampType()), StructField("value", IntegerType())])
while True:
    try:
        spark = SparkSession.builder.remote(remote).create()
        source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap)
                  .option("subscribe", "sensores").option("startingOffsets", "earliest")
                  .option("maxOffsetsPerTrigger", 3000).load())
        rows = source.selectExpr("CAST(value AS STRING)").select(from_json("value",
            schema).alias("data")).select("data.*")
        query = (rows.writeStream.format("parquet").option("path", "hdfs://namenode:9000/datos/streaming")
                 .option("checkpointLocation", "/checkpoint").trigger(processingTime="50 milliseconds").start())
        print("started", query.runId, flush=True)
        query.awaitTermination()
        print("ended", flush=True)
    except Exception as problem:
        text = str(problem)
        gone = any(word in text for word in ("UNAVAILABLE", "refused", "closed", "not found", "CANCELLED", "SESSION"))
        print("again:", text.splitlines()[0][:300] if text else repr(problem), flush=True)
        if not gone:
            print("UNEXPECTED", flush=True)
    time.sleep(0.05)
"""


class Producer(threading.Thread):
    """Numbers the records in their field `value`; remembers those that were acknowledged."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
        from confluent_kafka import Producer as Client
        self.client = Client({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
                              "message.timeout.ms": 120000, "reconnect.backoff.max.ms": 200})
        self.acknowledged, self.failed, self.ended = set(), [], threading.Event()

    def delivered(self, error, message):
        if error:
            self.failed.append(str(error))
        else:
            self.acknowledged.add(int(message.value().split(b'"value": ')[1].rstrip(b"}")))

    def run(self):
        number = 0
        while not self.ended.is_set():
            second = number // 1000
            value = f'{{"timestamp": "2026-03-01T08:{second // 60 % 60:02}:{second % 60:02}.{number % 1000000:06}", "value": {number}}}'
            try:
                self.client.produce("sensores", value.encode(), partition=number % 3, on_delivery=self.delivered)
                number += 1
            except BufferError:
                pass
            self.client.poll(0.0005)
        self.client.flush(120)


def numbers_in(directory):
    """The field `value` of every row that pyarrow finds in the directory, as anybody would read it."""
    import pyarrow.parquet
    found = []
    for path in sorted(glob.glob(f"{directory}/*.parquet")):
        found.extend(pyarrow.parquet.read_table(path).column("value").to_pylist())
    return found


def kill_at_random(raudal, directory):
    chance = random.Random(f"{SEED} stream")
    for _ in range(ROUNDS):
        time.sleep(0.3 + chance.random() * 2.2)
        raudal.kill9()
        rows = numbers_in(directory)
        assert len(rows) == len(set(rows)), "a row twice in the plain directory, right after the kill"
        raudal.start()


@pytest.mark.parametrize("program", ["course"])
def test_no_record_is_lost_and_none_appears_twice(start_raudal, program):
    raudal = start_raudal()
    raudal.create_topic("sensores")
    directory = raudal.data / "store" / "datos" / "streaming"
    producer = Producer(raudal.at("kafka"))
    producer.start()
    pipeline = raudal.run_in_background(PIPELINE, raudal.at("kafka"), f"sc://{raudal.at('spark-connect')}",
                                        environment=Environment.get(program))
    try:
        wait_until(lambda: len(numbers_in(directory)) > 500, 60, "the first rows")
        kill_at_random(raudal, directory)
        wait_until(lambda: pipeline.poll() is not None or len(numbers_in(directory)) > 500, 60, "rows after the kills")
        producer.ended.set()
        producer.join()
        assert producer.failed == []
        wait_until(lambda: producer.acknowledged <= set(numbers_in(directory)), 90, "every acknowledged record")
    finally:
        producer.ended.set()
        end(pipeline)
    output = pipeline.output.read_text()
    rows = numbers_in(directory)
    assert "UNEXPECTED" not in output, output
    assert len(rows) == len(set(rows)), "a record appears twice"
    assert not any(row is None for row in rows)
