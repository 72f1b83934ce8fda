"""Queries whose state lies in Spark's own test jar go on from it, the same way on a real Spark and on Raudal.

    python state_fixtures.py ENGINE FIXTURES FOLDER    ENGINE: local, or sc://HOST:PORT

The checkpoints were made over sources in memory, whose offset is a plain number. A file source of Spark 2.0 wrote its offsets so,
too: with a source log that has as many files already, it stands in for them. FOLDER/<name> gets a copy of the checkpoint and
the new files. Prints one JSON: per checkpoint the rows that came out, and the state afterwards; or the error's condition.
"""
import glob
import json
import os
import shutil
import sys

from state_pipelines import session

NUMBERS = [{"_1": each, "v": 1} for each in (1, 2, 3, 3, 99)]
WORDS = [{"_1": each, "_2": 7} for each in ("a", "b", "c", "c")]
PAIRS = [{"key1": one, "key2": other} for one, other in ((1, 2), (3, 6), (1, 3), (1, 3))]
LEFT = [{"leftId": each} for each in (20, 22, 40)]
RIGHT = [{"rightId": each} for each in (14, 16, 18, 20, 22, 40)]


def queries():
    from pyspark.sql import functions as f

    def whole(frame, *names): # numbers in memory are never null
        return frame.withColumns({name: f.coalesce(name, f.lit(0)) for name in names})

    def timed(frame, side, delay):
        return whole(frame, f"{side}Id").withColumn(f"{side}Time", f.timestamp_seconds(f"{side}Id")).withWatermark(f"{side}Time", delay)

    def joined(left, right):
        return timed(left, "left", "5 seconds").join(timed(right, "right", "10 seconds"), f.expr(
            "leftId = rightId and rightTime >= leftTime and rightTime <= leftTime + interval 5 seconds"))

    def counted(rows):
        return whole(rows, "_1").groupBy("_1").count()

    number, word, pair = "_1 int, v int", "_1 string, _2 int", "key1 int, key2 int"
    sides = ("leftId int", LEFT), ("rightId int", RIGHT)
    return {
        "checkpoint-version-4.0.0/hdfs/agg": (counted, "complete", (number, NUMBERS)),
        "checkpoint-version-4.0.0/hdfs/dedup": (lambda rows: whole(rows, "_1").dropDuplicates(["_1"]), "append", (number, NUMBERS)),
        "checkpoint-version-4.0.0/hdfs/limit": (lambda rows: rows.limit(12), "append", (number, NUMBERS)),
        "checkpoint-version-4.0.0/hdfs/join1": (joined, "append", *sides),
        "checkpoint-version-4.0.0/hdfs/join2": (joined, "append", *sides),
        "checkpoint-version-4.0.1-dedup-spark-53942": (
            lambda rows: whole(rows, "key1", "key2").dropDuplicates(["key1", "key2"]), "append", (pair, PAIRS)),
        "checkpoint-version-3.5.1-streaming-deduplication": (lambda rows: rows.dropDuplicates(["_1"]), "append", (word, WORDS)),
        "checkpoint-version-3.3.0-streaming-deduplication": (lambda rows: rows.dropDuplicates(["_1"]), "append", (word, WORDS)),
        "checkpoint-version-3.5.1-streaming-join": (joined, "append", *sides),
        # State in the partitions of repartition(), which Raudal refuses as well as
        "checkpoint-version-3.2.0-streaming-aggregate-with-repartition": (
            lambda rows: whole(rows, "key1", "key2").repartition("key1").groupBy("key1", "key2").count(), "complete", (pair, PAIRS)),
        # state in forms of before Spark 2.4 (3.0 for joins).
        "checkpoint-version-2.3.1-streaming-aggregate-state-format-1": (counted, "complete", (number, NUMBERS)),
        "checkpoint-version-2.4.0-streaming-join": (joined, "append", *sides),
    }


def prepare(checkpoint, folder, inputs):
    """The copy, and per source a log that says: these files have been read. Then the new file."""
    shutil.copytree(checkpoint, f"{folder}/checkpoint")
    newest = max(int(os.path.basename(each)) for each in glob.glob(f"{folder}/checkpoint/offsets/[0-9]*"))
    with open(f"{folder}/checkpoint/offsets/{newest}") as file:
        offsets = [int(each) if each != "-" else -1 for each in file.read().split("\n")[2:]]
    for source, (_, rows) in enumerate(inputs):
        os.makedirs(f"{folder}/in{source}")
        os.makedirs(f"{folder}/checkpoint/sources/{source}", exist_ok=True)
        for number in range(offsets[source] + 1):
            old = f"{folder}/in{source}/old{number}.json"
            open(old, "w").close()
            entry = {"path": f"file://{old}", "timestamp": 1000, "batchId": number}
            with open(f"{folder}/checkpoint/sources/{source}/{number}", "w") as file:
                file.write("v1\n" + json.dumps(entry, separators=(",", ":")))
        with open(f"{folder}/in{source}/new.json", "w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def go_on(spark, name, folder, make, mode, inputs):
    try:
        frames = [spark.readStream.schema(schema).json(f"file:{folder}/in{number}") for number, (schema, _) in enumerate(inputs)]
        writer = make(*frames).writeStream.outputMode(mode).option("checkpointLocation", f"file:{folder}/checkpoint")
        table = "table_" + "".join(letter if letter.isalnum() else "_" for letter in name)
        out = writer.format("memory").queryName(table) if mode == "complete" else writer.format("json").option("path", f"file:{folder}/out")
        query = out.trigger(availableNow=True).start()
        query.awaitTermination()
    except Exception as error:
        return "failed: " + str(error).split("JVM stacktrace")[0][:600]
    if mode == "complete":
        return sorted(json.dumps(row.asDict(), default=str, sort_keys=True) for row in spark.table(table).collect())
    rows = []
    for file in glob.glob(f"{folder}/out/*.json"):
        with open(file) as lines:
            rows += [json.dumps(json.loads(line), sort_keys=True) for line in lines]
    return sorted(rows)


def main(engine, fixtures, folder):
    spark, found = session(engine), {}
    for name, (make, mode, *inputs) in queries().items():
        place = f"{folder}/{name}"
        os.makedirs(place)
        prepare(f"{fixtures}/{name}", place, inputs)
        found[name] = go_on(spark, name, place, make, mode, inputs)
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
