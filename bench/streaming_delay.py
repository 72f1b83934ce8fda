"""The delay from a client's send until the record is visible in a sink, at 1,000 records per second, and what idle
queries cost. An observer notes how many records are visible at which time: a consumer of the output topic, a program
that counts the memory sink's rows, one that reads the footers of new Parquet files. Compared with when each was sent.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import time

from common import cpu_s, percentile, scratch
from harness import Environment, Raudal
from real import RealKafka

DELAYS = {"delay kafka": "p50 0.5 ms, p99 3 ms", "delay kafka realTime": "", "delay memory": "p99 20 ms",
          "delay parquet": "p99 150 ms", "delay parquet interval 0": "p99 20 ms"}
SECONDS = 15
IDLE_QUERIES = 200

SENDER = """
import sys, time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "linger.ms": 0})
start = time.perf_counter() + 0.05
for number in range(int(sys.argv[2]) * 1000):
    while time.perf_counter() < start + number / 1000:
        time.sleep(0.0002)
    print(time.time_ns())
    producer.produce("in", b"record %d" % number)
    producer.poll(0)
producer.flush()
"""

CONSUMER = """
import sys, time
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "observer", "fetch.wait.max.ms": 500})
consumer.assign([TopicPartition("out", 0, OFFSET_BEGINNING)])
count, end = 0, int(sys.argv[2])
while consumer.get_watermark_offsets(TopicPartition("out", 0), timeout=10) is None:
    pass
print("watching", flush=True)
while count < end:
    message = consumer.poll(1)  # consume() would gather for its whole time
    if message and message.error() is None:
        count += 1
        print(time.time_ns(), count, flush=True)
"""

FILES = """
import pathlib, sys, time
import pyarrow.parquet
folder, seen, count, end = pathlib.Path(sys.argv[1]), set(), 0, int(sys.argv[2])
log = folder / "_spark_metadata"
print("watching", flush=True)
while count < end:
    new = [entry for entry in (log.iterdir() if log.exists() else []) if entry.name.isdigit() and entry not in seen]
    if new:
        now = time.time_ns()
        for entry in new:
            seen.add(entry)
        files = set(folder.glob("*.parquet")) - seen
        seen |= files
        count += sum(pyarrow.parquet.read_metadata(file).num_rows for file in files)
        print(now, count, flush=True)
    time.sleep(0.001)
"""

PROGRAM = """
import time
from pyspark.sql import SparkSession
builder = SparkSession.builder.appName("Bench")
{builder}
spark = builder.getOrCreate()
if "{interval}":
    spark.conf.set("raudal.stream.minBatchInterval", "{interval}")
lines = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "{bootstrap}").option("subscribe", "in")
         .option("startingOffsets", "earliest").load())
writer = lines.selectExpr("value").writeStream.option("checkpointLocation", "{checkpoint}").queryName("visible")
if "{sink}" == "kafka":
    writer = writer.format("kafka").option("kafka.bootstrap.servers", "{bootstrap}").option("topic", "out")
elif "{sink}" == "parquet":
    writer = writer.format("parquet").option("path", "{path}")
else:
    writer = writer.format("memory")
if "{trigger}":
    writer = writer.trigger(realTime="{trigger}").outputMode("update")
query = writer.start()
while query.lastProgress is None and not "{trigger}":
    time.sleep(0.05)
print("ready", flush=True)
count = 0
while "{sink}" == "memory" and count < {records}:
    count = spark.sql("select count(*) from visible").collect()[0][0]
    print(time.time_ns(), count, flush=True)
input()
"""

IDLE = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
lines = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "in")
         .load())
for number in range({count}):
    lines.writeStream.format("noop").option("checkpointLocation", "/idle/%d" % number).start()
print("ready", flush=True)
input()
"""


def create_topic(bootstrap, name, partitions):
    made = Environment.get("kafka").tool("kafka-topics.sh", "--bootstrap-server", bootstrap, "--create", "--topic", name,
                                         "--partitions", partitions)
    assert made.returncode == 0, made


def start(command, **more):
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            **more)


def lines_of(process, count):
    """(time, records visible) pairs of an observer, until all are."""
    pairs = []
    while not pairs or pairs[-1][1] < count:
        line = process.stdout.readline()
        assert line, "an observer ended early"
        if line[0].isdigit():
            pairs.append(tuple(map(int, line.split())))
    return pairs


def delays_ms(sent, pairs):
    """How long after its send each record was visible."""
    delays, seen = [], 0
    for moment, count in pairs:
        delays += [(moment - sent[number]) / 1e6 for number in range(seen, count)]
        seen = max(seen, count)
    return sorted(delays)


def one_delay(sink, bootstrap, program, folder):
    """Sends while a query runs; program: a Popen that has started one; folder: of the Parquet files."""
    records, clients = SECONDS * 1000, Environment.get("clients").interpreter
    while program.stdout.readline() != "ready\n":
        assert program.poll() is None, "the program ended early"
    observer = {"kafka": [clients, "-c", CONSUMER, bootstrap, records], "memory": None,
                "parquet": [clients, "-c", FILES, folder, records]}[sink]
    watching = start(observer) if observer else program
    while observer and watching.stdout.readline() != "watching\n":
        assert watching.poll() is None, "an observer ended early"
    time.sleep(1)
    # Read while the sender runs: an observer that waits for a full pipe observes nothing.
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        pairs = reader.submit(lines_of, watching, records)
        try:
            sender = subprocess.run([clients, "-c", SENDER, bootstrap, str(SECONDS)], capture_output=True, text=True,
                                    check=True)
            ordered = delays_ms(list(map(int, sender.stdout.split())), pairs.result(60))
        finally:
            end_processes(watching, program)
    return [f"{percentile(ordered, 0.5):.2f} ms", f"{percentile(ordered, 0.99):.2f} ms"]


def end_processes(watching, program):
    if watching is not program:
        watching.kill()
        watching.wait()
    program.communicate("\n")


def trigger_of(name):
    return "5 minutes" if name.endswith("realTime") else ""


def delays_of_ours(names):
    rows = []
    for name in names:
        sink = name.split()[1]
        with scratch() as folder:
            folder = pathlib.Path(folder)
            with Raudal(folder / "data").start() as running:
                for topic in ("in", "out"):
                    create_topic(running.at("kafka"), topic, 1)
                file = folder / "program.py"
                file.write_text(PROGRAM.format(builder="", bootstrap="kafka:9092", sink=sink, path="/out",
                                               checkpoint="/checkpoint", records=SECONDS * 1000,
                                               trigger=trigger_of(name),
                                               interval="0" if name.endswith("interval 0") else ""))
                program = start(running.run_command(file), env=running.child_environment(Environment.get("course")))
                rows.append([name, "Raudal", *one_delay(sink, running.at("kafka"), program,
                                                        running.data / "store" / "out"), DELAYS[name]])
    return rows


def delays_of_spark(names, builder):
    rows = []
    for name in names:
        if name in ("delay kafka realTime", "delay parquet interval 0"):
            continue  # the one came with Spark 4.1, the other is a setting of ours
        sink = name.split()[1]
        with scratch() as folder:
            folder = pathlib.Path(folder)
            with RealKafka(folder / "kafka") as kafka:
                for topic in ("in", "out"):
                    create_topic(kafka.bootstrap, topic, 1)
                file = folder / "program.py"
                file.write_text(PROGRAM.format(builder=builder, bootstrap=kafka.bootstrap, sink=sink,
                                               path=f"file://{folder}/out", checkpoint=f"file://{folder}/checkpoint",
                                               records=SECONDS * 1000, trigger="", interval=""))
                environ = {key: value for key, value in os.environ.items() if key != "SPARK_REMOTE"}
                program = start([Environment.get("spark-3_5").interpreter, file], env=environ,
                                stderr=subprocess.DEVNULL)
                rows.append([name, "PySpark 3.5.9", *one_delay(sink, kafka.bootstrap, program, folder / "out"), ""])
    return rows


def idle_queries():
    """A sentence: what queries that wait cost the server."""
    with scratch() as folder:
        folder = pathlib.Path(folder)
        with Raudal(folder / "data").start() as running:
            create_topic(running.at("kafka"), "in", 1)
            file = folder / "program.py"
            file.write_text(IDLE.format(count=IDLE_QUERIES))
            program = start(running.run_command(file), env=running.child_environment(Environment.get("course")))
            while program.stdout.readline() != "ready\n":
                assert program.poll() is None, "the program ended early"
            time.sleep(3)
            before = sum(map(cpu_s, running.pids()))
            time.sleep(20)
            used = sum(map(cpu_s, running.pids())) - before
            program.communicate("\n")
    return f"{IDLE_QUERIES} idle queries: {used / 20 * 100:.2f} % of a core (aim: less than 1 %)"
