"""bench/streaming: stateless and stateful queries over one topic, availableNow to parquet, with few and many state
partitions; then the delay from a send until the record is visible in a sink, a restart with much state, idle queries.

Records are {"timestamp","value"} of about 57 bytes in three partitions: event time at 20,000 events per second with up
to 5 s of disorder, values uniform in 0-999,999. Counted is the processor time of the server and the client from start()
to the end of the query: of Raudal's whole process (broker, engine and store) and the program; of the real Spark's JVM
and the program, without the broker that it reads from.
"""
import argparse
import os
import pathlib
import time

from common import Profile, build_for_measuring, machine, measure_program, scratch, table
from course import jvm_below
from harness import Environment, Raudal
from real import RealKafka
from streaming_delay import DELAYS, create_topic, delays_of_ours, delays_of_spark, idle_queries

PARTITIONS = 3

PRODUCER = """
import random, sys
from datetime import datetime, timedelta
from confluent_kafka import Producer
bootstrap, records = sys.argv[1], int(sys.argv[2])
producer = Producer({"bootstrap.servers": bootstrap, "batch.size": 16384, "linger.ms": 5, "compression.type": "none",
                     "queue.buffering.max.messages": 1000000})
start, draw, seconds = datetime(2026, 3, 1, 8), random.Random(7).random, {}
for number in range(records):
    second, microsecond = divmod(number * 50 + 5_000_000 - int(draw() * 5_000_000), 1_000_000)
    prefix = seconds.get(second)
    if prefix is None:
        prefix = seconds[second] = (start + timedelta(seconds=second)).isoformat().encode()
    value = b'{"timestamp":"%s.%06d","value":%d}' % (prefix, microsecond, int(draw() * 1_000_000))
    while True:
        try:
            producer.produce("events", value, partition=number % 3)
            break
        except BufferError:
            producer.poll(0.1)
    if number % 10000 == 0:
        producer.poll(0)
producer.flush()
"""

# What is done with `events`, a stream of (timestamp, value) with a watermark of one minute.
COURSE = 'out = events.select("timestamp", "value")'
CASES = {
    "course": COURSE,
    "tumbling 1k": 'out = events.groupBy(window("timestamp", "10 seconds"), expr("value % 1000").alias("key"))'
                   '.agg(count("*"), avg("value"))',
    "tumbling 1M": 'out = events.groupBy(window("timestamp", "10 seconds"), "value").count()',
    "sliding": 'out = events.groupBy(window("timestamp", "10 seconds", "2 seconds"), expr("value % 1000").alias("key"))'
               '.agg(count("*"), avg("value"))',
    "dedup": 'out = events.dropDuplicatesWithinWatermark(["value"])',
    "join": 'left, right = events.alias("l"), read().alias("r")\n'
            'out = left.join(right, expr("l.value = r.value and r.timestamp >= l.timestamp and '
            'r.timestamp <= l.timestamp + interval 5 seconds")).select("l.timestamp", "l.value")',
}
READS = {"join": 2}
# Million records per CPU-second of a prototype of one thread and one purpose, on a processor of that kind.
LIMITS = {"course": 72, "tumbling 1k": 84, "tumbling 1M": 37}
AIMS = {"course": 30, "tumbling 1k": 35, "tumbling 1M": 12, "sliding": 25, "dedup": 10, "join": 5}

PROGRAM = """
import time
from pyspark.sql import SparkSession
from pyspark.sql.functions import avg, count, expr, from_json, window
builder = SparkSession.builder.appName("Bench")
{builder}
spark = builder.getOrCreate()
spark.conf.set("spark.sql.shuffle.partitions", "{shuffle}")
def read():
    lines = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "{bootstrap}")
             .option("subscribe", "events").option("startingOffsets", "earliest")
             .option("maxOffsetsPerTrigger", {per_batch}).load())
    return (lines.select(from_json(lines.value.cast("string"), "timestamp TIMESTAMP, value INT").alias("data"))
            .select("data.*").withWatermark("timestamp", "1 minute"))
events = read()
{case}
spark.range(1).collect()
print("ready", flush=True)
input()
started = time.perf_counter()
query = (out.writeStream.format("{sink}").outputMode("{mode}").option("path", "{path}")
         .option("checkpointLocation", "{checkpoint}").trigger(availableNow=True).start())
query.awaitTermination()
seconds = time.perf_counter() - started
states = [state for progress in query.recentProgress for state in progress["stateOperators"]]
print("seconds", seconds, max([state["numRowsTotal"] for state in states], default=0),
      max([state["memoryUsedBytes"] for state in states], default=0), flush=True)
input()
"""

RESTARTED = 'out = events.groupBy(window("timestamp", "10 seconds"), "value").count()'


def tree(pid):
    """A process and all below it."""
    pids, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        pids.append(current)
        waiting += map(int, pathlib.Path(f"/proc/{current}/task/{current}/children").read_text().split())
    return pids


def measure(command, environ, servers, folder, profile=None):
    """Runs a program; returns (seconds, CPU seconds of servers and program, state rows, state bytes)."""
    def watched(program):
        pids = servers(program)
        if profile:
            profile.begin(pids)
        return {*tree(program.pid), *pids}

    (seconds, rows, size), used = measure_program(command, environ, watched, folder)
    if profile:
        profile.end()
    return float(seconds), sum(used), int(rows), int(size)


def fill(bootstrap, records):
    produced = Environment.get("clients").python(PRODUCER, bootstrap, records, timeout_s=3600)
    assert produced.returncode == 0, produced


def row(system, name, shuffle, records, taken):
    seconds, used, rows, size = taken
    return [name, shuffle, system, f"{records:,}", f"{seconds:.1f} s", f"{used:.2f} s",
            f"{records / used / 1e6:,.3f}M" if used else "", f"{AIMS[name]}M",
            f"{LIMITS[name]}M" if name in LIMITS else "",
            f"{rows:,}, {size / 1e6:.0f} MB" if rows else ""]


class Ours:
    """A Raudal with the topic filled."""
    name = "Raudal"

    def __init__(self, folder, records, per_batch):
        self.folder, self.records, self.per_batch = folder, records, per_batch
        self.running = Raudal(folder / "data")
        self.runs = 0

    def __enter__(self):
        self.running.start()
        create_topic(self.running.at("kafka"), "events", PARTITIONS)
        fill(self.running.at("kafka"), self.records)
        return self

    def __exit__(self, *_):
        self.running.close()

    def program(self, case, shuffle, sink="parquet", mode="append", checkpoint=None):
        self.runs += 1
        program = self.folder / "program.py"
        program.write_text(PROGRAM.format(builder="", bootstrap="kafka:9092", per_batch=self.per_batch, shuffle=shuffle,
                                          case=case, sink=sink, mode=mode, path=f"/out{self.runs}",
                                          checkpoint=checkpoint or f"/checkpoint{self.runs}"))
        self.profile = Profile(self.folder)
        return measure(self.running.run_command(program), self.running.child_environment(Environment.get("course")),
                       lambda _: self.running.pids(), self.folder, self.profile)


class Spark:
    """A real Kafka with the topic filled, and a PySpark local[2] for each query."""
    name = "PySpark 3.5.9"

    def __init__(self, folder, records, per_batch):
        self.folder, self.records, self.per_batch = folder, records, per_batch
        self.kafka = RealKafka(folder / "kafka")
        self.runs = 0
        self.profile = None

    def __enter__(self):
        self.kafka.__enter__()
        create_topic(self.kafka.bootstrap, "events", PARTITIONS)
        fill(self.kafka.bootstrap, self.records)
        return self

    def __exit__(self, *_):
        self.kafka.close()

    @staticmethod
    def builder():
        connector = Environment.get("spark-kafka-3_5").path / "jars"
        needed = ("sql-kafka", "token-provider", "kafka-clients", "commons-pool2")
        jars = ",".join(str(jar) for jar in connector.glob("*.jar") if any(part in jar.name for part in needed))
        return f"""builder = (builder.master("local[2]").config("spark.jars", "{jars}")
           .config("spark.ui.enabled", "false")
           .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
           .config("spark.driver.memory", "6g"))"""

    def program(self, case, shuffle, sink="parquet", mode="append", checkpoint=None):
        self.runs += 1
        program = self.folder / "program.py"
        folder = f"file://{self.folder}"
        program.write_text(PROGRAM.format(builder=self.builder(), bootstrap=self.kafka.bootstrap,
                                          per_batch=self.per_batch, shuffle=shuffle, case=case, sink=sink, mode=mode,
                                          path=f"{folder}/out{self.runs}",
                                          checkpoint=checkpoint or f"{folder}/checkpoint{self.runs}"))
        environ = {name: value for name, value in os.environ.items() if name != "SPARK_REMOTE"}
        return measure([Environment.get("spark-3_5").interpreter, program], environ,
                       lambda process: [jvm_below(process.pid)], self.folder)


def throughput(system, names, shuffles, rounds, profiles):
    for name in names:
        for shuffle in shuffles:
            taken = sorted((system.program(CASES[name], shuffle) for _ in range(rounds)), key=lambda one: one[1])
            if system.profile:
                profiles.append(f"- {name}, {shuffle} partitions: {system.profile.top()}")
            yield row(system.name, name, shuffle, system.records * READS.get(name, 1), taken[len(taken) // 2])


def restart(system):
    """Seconds and CPU seconds of a second run on a checkpoint that is at its end already."""
    first = system.program(RESTARTED, 2, "noop", "update", "/restart" if system.name == "Raudal" else
                           f"file://{system.folder}/restart")
    again = system.program(RESTARTED, 2, "noop", "update", "/restart" if system.name == "Raudal" else
                           f"file://{system.folder}/restart")
    return [system.name, f"{first[2]:,}", f"{again[0]:.2f} s", f"{again[1]:.2f} s"]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/streaming")
    parser.add_argument("--ours", action="store_true", help="leave the real systems out")
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--spark-records", type=int,
                        help="of the real Spark, which needs minutes for a row of 10 million (1,000,000)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each row; the median counts")
    parser.add_argument("--shuffle", type=int, action="append", help="spark.sql.shuffle.partitions (2 and 200)")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help=", ".join([*CASES, "restart", *DELAYS, "idle"]) + " (repeatable)")
    return parser.parse_args()


def main():
    options = arguments()
    build_for_measuring()
    wanted = options.only or [*CASES, "restart", *DELAYS, "idle"]
    shuffles = options.shuffle or [2, 200]
    names = [name for name in CASES if name in wanted]
    print(f"{machine()}; {options.records:,} records, {PARTITIONS} partitions, median of {options.rounds}\n")
    rows = [["query", "shuffle partitions", "system", "records", "wall time", "CPU time", "records per CPU-second",
             "aim", "limit", "state at most"]]
    profiles = []
    restarts = [["system", "state rows", "start() to the end", "CPU time"]]
    spark_records = options.spark_records or min(options.records, 1_000_000)
    systems = [(Ours, options.records)] + ([] if options.ours else [(Spark, spark_records)])
    for system, records in systems:
        if not names and "restart" not in wanted:
            break
        with scratch() as folder, system(pathlib.Path(folder), records, max(records // 5, 1)) as started:
            rows += throughput(started, names, shuffles, options.rounds, profiles)
            if "restart" in wanted:
                restarts.append(restart(started))
    for shown in (rows, restarts):
        if len(shown) > 1:
            table(shown)
            print()
    if profiles:
        print("Where the server's time went:\n" + "\n".join(profiles) + "\n")
    delays(options, [name for name in DELAYS if name in wanted], "idle" in wanted)


def delays(options, names, idle):
    if names:
        shown = [["delay at 1,000 records/s", "system", "p50", "p99", "aim"]]
        shown += delays_of_ours(names) + ([] if options.ours else delays_of_spark(names, Spark.builder()))
        table(shown)
        print()
    if idle:
        print(idle_queries())


if __name__ == "__main__":
    main()
