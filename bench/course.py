"""bench/course: 10 million records of the course's third exercise in three partitions, availableNow to parquet.

The same producer fills the same topic in both brokers; the same program runs on both engines. What counts is records
per CPU-second: the processor time of Raudal's process (broker, engine and store together) against that of the JVM of a
real PySpark local[2]; the real broker's own share is printed beside it and left out, in Spark's favour.
"""
import argparse
import os
import pathlib
import time

from common import build_for_measuring, machine, measure_program, scratch, table
from harness import Environment, Raudal
from real import RealKafka

PARTITIONS = 3

PRODUCER = """
import sys
from datetime import datetime, timedelta
from confluent_kafka import Producer
bootstrap, records = sys.argv[1], int(sys.argv[2])
producer = Producer({"bootstrap.servers": bootstrap, "batch.size": 16384, "linger.ms": 5, "compression.type": "none",
                     "queue.buffering.max.messages": 1000000})
moment, step, state = datetime(2026, 3, 1, 8), timedelta(microseconds=1237), 12345
for number in range(records):
    state = (state * 1103515245 + 12345) & 0x7fffffff
    moment += step
    value = b'{"timestamp": "%s", "value": %d}' % (moment.isoformat().encode(), state % 100 + 1)
    while True:
        try:
            producer.produce("sensores", value, partition=number % 3)
            break
        except BufferError:
            producer.poll(0.1)
    if number % 10000 == 0:
        producer.poll(0)
producer.flush()
"""

PIPELINE = """
import os, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import from_json
from pyspark.sql.types import IntegerType, StructField, StructType, TimestampType
builder = SparkSession.builder.appName("Bench")
{builder}
spark = builder.getOrCreate()
schema = StructType([StructField("timestamp", TimestampType()), StructField("value", IntegerType())])
df = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "{bootstrap}").option("subscribe", "sensores")
      .option("startingOffsets", "earliest").load())
parsed = df.selectExpr("CAST(value AS STRING)").select(from_json("value", schema).alias("data")).select("data.*")
spark.range(1).collect()
print("ready", flush=True)
input()
started = time.perf_counter()
query = (parsed.writeStream.format("parquet").option("path", "{path}").option("checkpointLocation", "{checkpoint}")
         .trigger(availableNow=True).start())
query.awaitTermination()
print("seconds", time.perf_counter() - started, flush=True)
input()
"""


def count_rows(folder):
    program = ("import pyarrow.dataset as d, sys\n"
               "print(d.dataset(sys.argv[1], format='parquet').count_rows())")
    return int(Environment.get("clients").python(program, folder, timeout_s=300).stdout)


def fill(bootstrap, records):
    started = time.perf_counter()
    produced = Environment.get("clients").python(PRODUCER, bootstrap, records, timeout_s=1200)
    assert produced.returncode == 0, produced
    return time.perf_counter() - started


def row(name, records, seconds, cpu, extra=""):
    return [name, f"{seconds:.1f} s", f"{cpu:.1f} s", f"{records / cpu / 1000:,.0f}k", extra]


def ours(folder, records):
    running = Raudal(folder / "data")
    try:
        running.start()
        made = Environment.get("kafka").tool("kafka-topics.sh", "--bootstrap-server", running.at("kafka"), "--create",
                                             "--topic", "sensores", "--partitions", PARTITIONS)
        assert made.returncode == 0, made
        fill(running.at("kafka"), records)
        program = folder / "pipeline.py"
        program.write_text(PIPELINE.format(builder="", bootstrap="kafka:9092", path="/datos/streaming",
                                           checkpoint="/checkpoint"))
        environ = running.child_environment(Environment.get("course"))
        (seconds,), used = measure_program(running.run_command(program), environ, lambda _: running.pids(), folder)
        rows = count_rows(running.data / "store" / "datos" / "streaming")
        assert rows == records, f"{rows} rows of {records} records"
        return row("Raudal (broker, engine and store)", records, float(seconds), used[0])
    finally:
        running.close()


def spark(folder, records):
    connector = Environment.get("spark-kafka-3_5").path / "jars"
    needed = ("sql-kafka", "token-provider", "kafka-clients", "commons-pool2")
    jars = ",".join(str(jar) for jar in connector.glob("*.jar") if any(part in jar.name for part in needed))
    builder = f"""builder = (builder.master("local[2]").config("spark.jars", "{jars}")
           .config("spark.ui.enabled", "false")
           .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
           .config("spark.driver.memory", "2g"))"""
    with RealKafka(folder / "kafka") as kafka:
        kafka_topics = Environment.get("kafka").tool("kafka-topics.sh", "--bootstrap-server", kafka.bootstrap,
                                                     "--create", "--topic", "sensores", "--partitions", PARTITIONS)
        assert kafka_topics.returncode == 0, kafka_topics
        fill(kafka.bootstrap, records)
        program = folder / "spark.py"
        program.write_text(PIPELINE.format(builder=builder, bootstrap=kafka.bootstrap, path=f"file://{folder}/out",
                                           checkpoint=f"file://{folder}/checkpoint"))
        environ = {name: value for name, value in os.environ.items() if name != "SPARK_REMOTE"}

        def pids(process):
            return [jvm_below(process.pid), kafka.process.pid]

        (seconds,), used = measure_program([Environment.get("spark-3_5").interpreter, program], environ, pids, folder)
        rows = count_rows(folder / "out")
        assert rows == records, f"{rows} rows of {records} records"
        return row("PySpark 3.5.9 local[2] reading Kafka 4.3.1", records, float(seconds), used[0],
                   f"the broker used {used[1]:.1f} s more")


def jvm_below(pid):
    """The java process among the children of a process."""
    waiting = [str(pid)]
    while waiting:
        current = waiting.pop()
        if pathlib.Path(f"/proc/{current}/comm").read_text().strip() == "java":
            return int(current)
        waiting += pathlib.Path(f"/proc/{current}/task/{current}/children").read_text().split()
    raise SystemExit("the real Spark runs no JVM")


def main():
    parser = argparse.ArgumentParser(prog="bench/course")
    parser.add_argument("--ours", action="store_true", help="leave the real systems out")
    parser.add_argument("--records", type=int, default=10_000_000)
    options = parser.parse_args()
    build_for_measuring()
    print(f"{machine()}; {options.records:,} records, {PARTITIONS} partitions, one run\n")
    rows = [["system", "wall time", "CPU time", "records per CPU-second", ""]]
    with scratch() as folder:
        rows.append(ours(pathlib.Path(folder), options.records))
    if not options.ours:
        with scratch() as folder:
            rows.append(spark(pathlib.Path(folder), options.records))
    table(rows)


if __name__ == "__main__":
    main()
