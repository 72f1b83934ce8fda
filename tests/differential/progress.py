"""What queries say of themselves, field by field, from a real Spark or from a Raudal.

    python progress.py spark|raudal BOOTSTRAP FOLDER [JARS [QUERY…]]    raudal: under `raudal run`

Prints one JSON: per query the progress of each batch, in which everything that differs from run to run is replaced by what it is;
the events of a listener; and the status. Needs the topic `progress` with two partitions. progress.json is what Spark prints.
"""
import json
import os
import re
import sys

from agent import session

# Times, sizes and rates: only that they are numbers.
NUMBERS = {"inputRowsPerSecond", "processedRowsPerSecond", "batchDuration", "allUpdatesTimeMs", "allRemovalsTimeMs", "commitTimeMs",
           "memoryUsedBytes"}


def same_each_time(value, folder, name=""):
    if isinstance(value, dict):
        if name in ("durationMs", "customMetrics"):
            return {key: "number" if isinstance(each, (int, float)) else each for key, each in value.items()
                    if "SnapshotLastUploaded" not in key}    # of five stores, whichever they are
        return {key: same_each_time(each, folder, key) for key, each in value.items()}
    if isinstance(value, list):
        return [same_each_time(each, folder) for each in value]
    if name in NUMBERS:
        return "number" if isinstance(value, (int, float)) else value
    if name == "timestamp" and isinstance(value, str):
        return re.sub("[0-9]", "0", value)
    if isinstance(value, str):
        value = re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|@[0-9a-f]+$", "ID", value)
        return value.replace(folder, "FOLDER")
    return value


def put(folder, name, lines):
    os.makedirs(f"{folder}/in", exist_ok=True)
    with open(f"{folder}/.{name}", "w") as file:
        file.write("\n".join(lines) + "\n")
    number = len(os.listdir(f"{folder}/in"))
    os.utime(f"{folder}/.{name}", (1700000000 + number,) * 2)
    os.rename(f"{folder}/.{name}", f"{folder}/in/{name}")


def frames(spark, bootstrap, folder):
    from pyspark.sql import functions as f
    kafka = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", "progress")
             .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 4))
    parsed = kafka.load().selectExpr("from_json(cast(value as string), 'ts timestamp, k string, v int') as r").select("r.*")

    def load():
        return spark.readStream.schema("ts timestamp, k string, v int").option("maxFilesPerTrigger", 1).json(f"file:{folder}/in")
    files = load()
    late = files.withWatermark("ts", "10 seconds")
    other = load().withWatermark("ts", "20 seconds").select(f.col("ts").alias("ts2"), f.col("k").alias("k2"))
    return {
        "kafka": (kafka.load().select("value"), "memory", "append"),
        "kafka to files": (parsed, "parquet", "append"),
        "kafka to kafka": (kafka.load().select("value"), "kafka", "append"),
        "pattern": (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap)
                    .option("subscribePattern", "ogress$").option("startingOffsets", "earliest").load().select("value"), "noop", "append"),
        "assigned": (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap)
                     .option("assign", '{"progress":[1]}').option("startingOffsets", "earliest").load().select("value"), "console", "append"),
        "files": (files, "memory", "append"),
        "rate per batch": (spark.readStream.format("rate-micro-batch")
                           .option("rowsPerBatch", 5).option("numPartitions", 2).load(), "memory", "append"),
        "counts": (late.groupBy(f.window("ts", "10 seconds"), "k").count(), "memory", "append"),
        "counts of kafka": (parsed.groupBy("k").count(), "memory", "complete"),
        "unique": (late.dropDuplicates(["k", "ts"]), "memory", "append"),
        "joined": (late.join(other, f.expr("k = k2 and ts2 between ts and ts + interval 10 seconds")), "memory", "append"),
        "sessions": (late.groupBy(f.session_window("ts", "5 seconds"), "k").count(), "memory", "append"),
        "observed": (files.observe("seen", f.count("*").alias("n"), f.max("v").alias("most")), "noop", "append"),
        "two sources": (files.select("k").union(parsed.select("k")), "noop", "append"),
    }


def play(frame, sink, mode, name, bootstrap, folder):
    table = name.replace(" ", "_")
    writer = frame.writeStream.queryName(table).outputMode(mode).format(sink).option("checkpointLocation", f"file:{folder}/{table}")
    if sink == "parquet":
        writer = writer.option("path", f"file:{folder}/out_{table}")
    if sink == "kafka":
        writer = writer.option("kafka.bootstrap.servers", bootstrap).option("topic", "progress_copy")
    trigger = {"once": True} if name == "rate per batch" else {"availableNow": True}
    query = writer.trigger(**trigger).start()
    query.awaitTermination()
    return {"batches": [same_each_time(json.loads(each.json), folder) for each in query.recentProgress], "status": query.status}


def main(engine, bootstrap, folder, jars="", *wanted):
    spark = session(engine, jars)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    for number, seconds in enumerate(((1, 3, 12), (25, 2, 41), (75, 5, 80))):
        put(folder, f"{number}.json", [json.dumps({"ts": f"2026-03-01T10:{second // 60:02}:{second % 60:02}", "k": "ab"[second % 2], "v": second})
                                       for second in seconds])
    found = {}
    for name, (frame, sink, mode) in frames(spark, bootstrap, folder).items():
        if wanted and name not in wanted:
            continue
        try:
            found[name] = play(frame, sink, mode, name, bootstrap, folder)
        except Exception as problem:
            found[name] = {"error": str(problem)[:600]}
    print("FOUND" + json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
