"""A disk that is full, then one that may only be read, under queries and under a topic: each stops and says why, goes on when
the disk does, and every row is there once."""
import collections
import json
import os
import pathlib
import subprocess
import threading

import pytest

from harness import BINARY, Environment, Raudal, run, wait_until

# Starts both queries at each line that it reads, and says how they end.
PROGRAM = """
import os, sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import count, window
spark = SparkSession.builder.getOrCreate()
spark.conf.set("spark.sql.shuffle.partitions", "2")
folder = sys.argv[1]
source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "numeros")
          .option("startingOffsets", "earliest").load())
rows = source.selectExpr("cast(value as string) as value", "cast(cast(cast(value as string) as int) as timestamp) as ts")
counts = rows.withWatermark("ts", "1 second").groupBy(window("ts", "10 seconds")).agg(count("*").alias("n"))
def start(name, output):
    return (output.writeStream.format("parquet").option("path", f"file:{folder}/{name}")
            .option("checkpointLocation", f"file:{folder}/checkpoint/{name}").trigger(processingTime="0 seconds").start())
for line in sys.stdin:
    queries = [start("rows", rows), start("counts", counts.selectExpr("cast(window.start as long) as start", "n"))]
    print("STARTED", flush=True)
    for query in queries:
        try:
            query.awaitTermination()
        except Exception as problem:
            print("ENDED", str(problem).replace(chr(10), " "), flush=True)
os._exit(0)
"""


class Confined(Raudal):
    """A Raudal in a mount namespace of its own, where `small` and the broker's logs are small disks."""

    def start(self, small):
        kafka = self.data / "kafka"
        kafka.mkdir(parents=True)
        script = ('mount -t tmpfs -o size=24m small "$1" && mount -t tmpfs -o size=96m small "$2" && shift 2 && exec "$@"')
        command = ["unshare", *namespace(), "--mount", "sh", "-c", script, "sh", small, kafka, BINARY, "up", "-d", "--data", self.data,
                   "--address", self.address, *self.options]
        result = run(command)
        self.up_output = result.out
        assert result.returncode == 0, result
        self.inside = pathlib.Path(f"/proc/{self.pids()[0]}/root")
        return self

    def mount_again(self, folder, how):
        run(["nsenter", "--target", self.pids()[0], *namespace("--user", "--preserve-credentials"), "--mount", "mount", "-o",
             f"remount,{how}", folder]).ok()


def namespace(*words):
    return [] if os.geteuid() == 0 else list(words or ["--map-root-user", "--user"])


class Queries:
    def __init__(self, raudal, folder):
        course = Environment.get("course")
        self.process = subprocess.Popen(raudal.run_command(PROGRAM, folder), env=raudal.child_environment(course), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def start(self):
        before = self.said("STARTED")
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        wait_until(lambda: len(self.said("STARTED")) > len(before) or self.process.poll() is not None, 60, "the queries")
        assert self.process.poll() is None, "".join(self.lines)

    def said(self, word):
        return [line for line in list(self.lines) if line.startswith(word)]

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def rows_of(folder, *columns):
    import pyarrow.parquet
    found = []
    for path in folder.glob("*.parquet"):
        table = pyarrow.parquet.ParquetFile(path).read()
        found += list(zip(*(table.column(name).to_pylist() for name in columns)))
    return found


class Numbers:
    def __init__(self, bootstrap):
        from confluent_kafka import Producer
        self.client = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 120000,
                                "retry.backoff.max.ms": 200})
        self.count, self.acknowledged = 0, []

    def send(self, count, until=60, size=0):
        for _ in range(count):
            self.client.produce("numeros", str(self.count).ljust(size), partition=self.count % 2,
                                on_delivery=lambda error, message: self.acknowledged.append(message.value()) if not error else None)
            self.count += 1
        return self.client.flush(until)


@pytest.fixture
def confined(tmp_path):
    if run(["unshare", *namespace(), "--mount", "mount", "-t", "tmpfs", "none", tmp_path]).returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    with Confined(tmp_path / "data", "--only", "kafka,spark") as raudal:
        yield raudal.start(small), small


def test_queries_stop_at_a_full_or_read_only_disk_and_go_on(confined):
    raudal, small = confined
    raudal.create_topic("numeros", 2)
    numbers, queries, inside = Numbers(raudal.at("kafka")), Queries(raudal, small), raudal.inside / str(small)[1:]
    try:
        queries.start()
        numbers.send(40)
        wait_until(lambda: len(rows_of(inside / "rows", "value")) == 40, 60, "the first rows")
        ended = 0
        for cause, spoil, mend in (
                ("No space left on device", lambda: fill(inside), lambda: (inside / "ballast").unlink()),
                ("Read-only file system", lambda: raudal.mount_again(small, "ro"), lambda: raudal.mount_again(small, "rw"))):
            spoil()
            numbers.send(40)
            wait_until(lambda: len(queries.said("ENDED")) == ended + 2, 60, f"the end of both queries ({cause})")
            assert all(cause in line for line in queries.said("ENDED")[ended:]), queries.lines
            ended += 2
            mend()
            queries.start()
            wait_until(lambda: len(rows_of(inside / "rows", "value")) >= numbers.count, 60, "the rows after it")
        numbers.send(200)       # of later times: they close windows
        wait_until(lambda: len(rows_of(inside / "rows", "value")) >= numbers.count, 60, "every row")
        wait_until(lambda: len(rows_of(inside / "counts", "start")) >= (numbers.count - 1) // 10 - 1, 60, "the windows")
    finally:
        queries.end()
    assert sorted(int(value) for value, in rows_of(inside / "rows", "value")) == list(range(numbers.count))
    windows = collections.Counter(dict(rows_of(inside / "counts", "start", "n")))
    assert len(windows) == len(rows_of(inside / "counts", "start")) and set(windows.values()) == {10}, windows


def test_a_topic_refuses_records_at_a_full_disk_and_takes_them_later(confined):
    raudal, small = confined
    raudal.create_topic("numeros", 2)
    numbers, kafka = Numbers(raudal.at("kafka")), raudal.inside / str(raudal.data)[1:] / "kafka"
    assert numbers.send(100) == 0
    fill(kafka)
    assert numbers.send(100, until=3, size=2000) > 0       # they wait in the producer
    (kafka / "ballast").unlink()
    assert numbers.send(100) == 0
    found = read_all(raudal.at("kafka"))
    assert len(numbers.acknowledged) == 300
    for partition in range(2):
        assert [value for at, value in found if at == partition] == list(range(partition, 300, 2))


def read_all(bootstrap):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition("numeros", partition, OFFSET_BEGINNING) for partition in range(2)])
    found, ends = [], 0
    while ends < 2:
        message = consumer.poll(60)
        assert message is not None, found
        ends += bool(message.error())
        if not message.error():
            found.append((message.partition(), json.loads(message.value())))
    consumer.close()
    return found
