"""The trigger realTime: rows are visible before the batch ends, the checkpoint moves when it does, what was not written
there comes again after a kill, and what Spark does not run that way is refused in its words."""
import json

raudal_options = ["--only", "kafka,spark,hdfs"]

# Starts a query, and sends rows until it is told to stop; says what it saw.
PROGRAM = r"""
import json, os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
step = sys.argv[1]

def read(topic="in"):
    return (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", topic)
            .option("startingOffsets", "earliest").load().selectExpr("CAST(value AS STRING) AS value"))

def start(rows, checkpoint, duration="5 minutes", sink="kafka", mode="update", **more):
    writer = rows.writeStream.format(sink).outputMode(mode).trigger(realTime=duration)
    if sink == "kafka":
        writer = writer.option("kafka.bootstrap.servers", "kafka:9092").option("topic", "out")
    if sink == "memory":
        writer = writer.queryName("seen")
    return writer.option("checkpointLocation", checkpoint).option("path", "/files").options(**more).start()

def send(values, topic="in"):
    spark.createDataFrame([(value,) for value in values], "value STRING").coalesce(1).write.format("kafka").option(
        "kafka.bootstrap.servers", "kafka:9092").option("topic", topic).save()

def visible():
    rows = (spark.read.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "out").load()
            .selectExpr("CAST(value AS STRING) AS value").collect())
    return [row.value for row in rows]

def wait_for(count):
    deadline = time.monotonic() + 60
    while len(visible()) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return visible()

def refused(action):
    try:
        query = action()
        try:
            query.awaitTermination(30)
        finally:
            query.stop()
        return "ran"
    except Exception as problem:
        text = str(problem)
        names = [word.strip("[]") for word in text.split() if word.startswith("[") and "REAL_TIME" in word]
        return names[0] if names else text.splitlines()[0][:200]

out = {}
if step == "run":
    query = start(read(), "/live")
    for round in range(3):
        send([f"{round}.{number}" for number in range(4)])
        out[str(round)] = sorted(wait_for(4 * (round + 1)))
    out["progress"] = len(query.recentProgress)
    for pid in sys.argv[2:]:
        os.kill(int(pid), 9)
    print(json.dumps(out), flush=True)
    os._exit(0)
if step == "again":
    query = start(read(), "/live")
    out["rows"] = sorted(wait_for(24))
    query.stop()
    out["progress"] = [[one["batchId"], one["numInputRows"], one["sources"][0]["startOffset"],
                        one["sources"][0]["endOffset"]] for one in query.recentProgress]
    send(["last"])
    query = start(read(), "/live")
    out["then"] = len(wait_for(25))
    query.stop()
    out["after"] = len(visible())
if step == "refused":
    counted = read().groupBy("value").count().selectExpr("value")
    out["short"] = refused(lambda: start(read(), "/r1", duration="4 seconds"))
    out["append"] = refused(lambda: start(read(), "/r2", mode="append"))
    out["memory"] = refused(lambda: start(read(), "/r3", sink="memory"))
    out["noop"] = refused(lambda: start(read(), "/r4", sink="noop"))
    out["files"] = refused(lambda: start(read(), "/r5", sink="parquet"))
    out["batches"] = refused(lambda: read().writeStream.foreachBatch(lambda rows, number: None).outputMode("update")
                             .trigger(realTime="5 minutes").option("checkpointLocation", "/r6").start())
    out["rate"] = refused(lambda: start(spark.readStream.format("rate").load().selectExpr("CAST(value AS STRING) AS value"),
                                        "/r7"))
    out["aggregation"] = refused(lambda: start(counted, "/r8"))
    out["duplicates"] = refused(lambda: start(read().dropDuplicates(["value"]), "/r9"))
    spark.conf.set("raudal.stream.kafka.exactlyOnce", "true")
    out["exactly once"] = refused(lambda: start(read(), "/r10"))
print(json.dumps(out), flush=True)
"""


def test_real_time(raudal, environment, tmp_path):
    raudal.create_topic("in", 1)
    raudal.create_topic("out", 1)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run(step, *arguments):
        result = raudal.run(program, step, *arguments, environment=environment("course"))
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        assert lines, result
        return json.loads(lines[-1])

    # Rows come out although the batch goes on for minutes; nothing says that it has ended.
    first = run("run", *raudal.pids())
    assert [len(first[str(number)]) for number in range(3)] == [4, 8, 12] and first["progress"] == 0
    raudal.start()
    # It had not ended when the server was killed: its rows come again. A stop ends it.
    again = run("again")
    rows = [f"{number}.{row}" for number in range(3) for row in range(4)]
    assert again["rows"] == sorted(rows * 2)
    [[batch, count, start, end]] = again["progress"]
    assert (batch, count) == (0, 12) and start in (None, "null") and json.loads(str(end).replace("'", '"')) == {"in": {"0": 12}}
    assert (again["then"], again["after"]) == (25, 25)
    mode = "STREAMING_REAL_TIME_MODE."
    listed = mode + "OPERATOR_OR_SINK_NOT_IN_ALLOWLIST"
    refused = run("refused")
    assert "raudal.stream.kafka.exactlyOnce=true with the trigger realTime" in refused.pop("exactly once")
    assert refused == {
        "short": "INVALID_STREAMING_REAL_TIME_MODE_TRIGGER_INTERVAL", "append": mode + "OUTPUT_MODE_NOT_SUPPORTED",
        "memory": listed, "noop": listed, "files": listed, "batches": listed, "rate": mode + "INPUT_STREAM_NOT_SUPPORTED",
        "aggregation": listed, "duplicates": listed}
