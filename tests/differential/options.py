"""What the kafka source and sink say of wrong options, from a real Spark's connector or from a Raudal.

    python options.py spark|raudal BOOTSTRAP FOLDER [JARS]    raudal: under `raudal run`

Prints one JSON: per case the rows that came out, or the error: class, condition, first line. Needs the topic `options` with two
partitions and three records in each, of the times 1000, 2000 and 3000. options.json is what Spark prints.
"""
import json
import re
import sys

from agent import session

TOPIC = {"subscribe": "options"}
# Of reads: batch and stream; a value None leaves the option out.
READS = {
    "no servers": {"kafka.bootstrap.servers": None},
    "no topics": {"subscribe": None},
    "two strategies": {"subscribepattern": "o.*"},
    "three strategies": {"subscribePattern": "o.*", "assign": '{"options":[0]}'},
    "empty subscribe": {"subscribe": ""},
    "commas": {"subscribe": " , "},
    "empty pattern": {"subscribe": None, "subscribePattern": "  "},
    "bad pattern": {"subscribe": None, "subscribePattern": "(o"},
    "assign no json": {"subscribe": None, "assign": "options"},
    "assign nothing": {"subscribe": None, "assign": "{}"},
    "assign no partitions": {"subscribe": None, "assign": '{"options":[]}'},
    "assign a text": {"subscribe": None, "assign": '{"options":["a"]}'},
    "assign": {"subscribe": None, "assign": '{"options":[1]}', "startingOffsets": "earliest"},
    "assign a partition that is not there": {"subscribe": None, "assign": '{"options":[7]}', "startingOffsets": "earliest"},
    "no such topic": {"subscribe": "nowhere", "startingOffsets": "earliest"},
    "pattern without topics": {"subscribe": None, "subscribePattern": "zzz.*", "startingOffsets": "earliest"},
    "earliest": {"startingOffsets": "earliest"},
    "latest": {"startingOffsets": "latest"},
    "offsets in capitals": {"startingOffsets": " EARLIEST "},
    "offsets no json": {"startingOffsets": "soon"},
    "offsets of one partition": {"startingOffsets": '{"options":{"0":1}}'},
    "offsets of another topic": {"startingOffsets": '{"other":{"0":1,"1":0}}'},
    "offsets": {"startingOffsets": '{"options":{"0":1,"1":-2}}'},
    "offsets latest": {"startingOffsets": '{"options":{"0":-1,"1":0}}'},
    "offsets before the start": {"startingOffsets": '{"options":{"0":-7,"1":0}}'},
    "offsets behind the end": {"startingOffsets": '{"options":{"0":700,"1":0}}'},
    "offsets a text": {"startingOffsets": '{"options":{"0":"1","1":0}}'},
    "ending offsets": {"startingOffsets": "earliest", "endingOffsets": '{"options":{"0":2,"1":1}}'},
    "ending earliest": {"startingOffsets": "earliest", "endingOffsets": "earliest"},
    "ending at -2": {"startingOffsets": "earliest", "endingOffsets": '{"options":{"0":-2,"1":1}}'},
    "ending before starting": {"startingOffsets": '{"options":{"0":2,"1":2}}', "endingOffsets": '{"options":{"0":1,"1":1}}'},
    "ending timestamp": {"startingOffsets": "earliest", "endingTimestamp": "2000"},
    "ending timestamps": {"startingOffsets": "earliest", "endingOffsetsByTimestamp": '{"options":{"0":2000,"1":3000}}'},
    "timestamp": {"startingTimestamp": "2000"},
    "timestamp a text": {"startingTimestamp": "yesterday"},
    "timestamp negative": {"startingTimestamp": "-5"},
    "timestamp behind the end": {"startingTimestamp": "99999999"},
    "timestamp behind the end, latest": {"startingTimestamp": "99999999", "startingOffsetsByTimestampStrategy": "latest"},
    "timestamp strategy": {"startingTimestamp": "2000", "startingOffsetsByTimestampStrategy": "nearest"},
    "timestamps": {"startingOffsetsByTimestamp": '{"options":{"0":2000,"1":3000}}'},
    "timestamps of one partition": {"startingOffsetsByTimestamp": '{"options":{"0":2000}}'},
    "timestamps no json": {"startingOffsetsByTimestamp": "noon"},
    "timestamp before offsets": {"startingTimestamp": "3000", "startingOffsets": "earliest"},
    "group": {"kafka.group.id": "mine", "startingOffsets": "earliest"},
    "offset reset": {"kafka.auto.offset.reset": "latest"},
    "key deserializer": {"kafka.key.deserializer": "x"},
    "value deserializer": {"kafka.value.deserializer": "x"},
    "auto commit": {"kafka.enable.auto.commit": "true"},
    "interceptors": {"kafka.interceptor.classes": "x"},
    "isolation": {"kafka.isolation.level": "read_everything", "startingOffsets": "earliest"},
    "no limit": {"maxOffsetsPerTrigger": "x", "startingOffsets": "earliest"},
    "limit 0": {"maxOffsetsPerTrigger": "0", "startingOffsets": "earliest"},
    "limit negative": {"maxOffsetsPerTrigger": "-1", "startingOffsets": "earliest"},
    "least limit": {"minOffsetsPerTrigger": "x", "startingOffsets": "earliest"},
    "least above limit": {"minOffsetsPerTrigger": "9", "maxOffsetsPerTrigger": "2", "startingOffsets": "earliest"},
    "delay": {"maxTriggerDelay": "soon", "minOffsetsPerTrigger": "1", "startingOffsets": "earliest"},
    "partitions 0": {"minPartitions": "0"},
    "partitions a text": {"minPartitions": "many"},
    "records per partition 0": {"maxRecordsPerPartition": "0"},
    "data loss": {"failOnDataLoss": "perhaps", "startingOffsets": "earliest"},
    "headers": {"includeHeaders": "perhaps", "startingOffsets": "earliest"},
    "unknown": {"whatever": "1", "startingOffsets": "earliest"},
    "retries a text": {"fetchOffset.numRetries": "x", "startingOffsets": "earliest"},
    "timeout a text": {"kafkaConsumer.pollTimeoutMs": "x", "startingOffsets": "earliest"},
}
# Of batch writes: columns and options.
WRITES = {
    "write": (["'v' as value"], {"topic": "written"}),
    "write no topic": (["'v' as value"], {}),
    "write no servers": (["'v' as value"], {"topic": "written", "kafka.bootstrap.servers": None}),
    "write no value": (["'k' as key"], {"topic": "written"}),
    "write a number": (["1 as value"], {"topic": "written"}),
    "write key a number": (["1 as key", "'v' as value"], {"topic": "written"}),
    "write topic a number": (["1 as topic", "'v' as value"], {}),
    "write headers a text": (["'v' as value", "'h' as headers"], {"topic": "written"}),
    "write partition a text": (["'v' as value", "'0' as partition"], {"topic": "written"}),
    "write partition that is not there": (["'v' as value", "9 as partition"], {"topic": "written", "kafka.max.block.ms": "1000"}),
    "write topic null": (["cast(null as string) as topic", "'v' as value"], {}),
    "write serializer": (["'v' as value"], {"topic": "written", "kafka.key.serializer": "x"}),
    "write value serializer": (["'v' as value"], {"topic": "written", "kafka.value.serializer": "x"}),
    "write other columns": (["'v' as value", "1 as number"], {"topic": "written"}),
}


def described(problem):
    condition = getattr(problem, "getCondition", lambda: None)()
    text = str(problem).split("\n")[0].split(" SQLSTATE")[0]
    text = re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    condition = None if (condition or "_LEGACY").startswith("_LEGACY") else condition
    kind = type(problem).__name__
    if kind == "Py4JJavaError":     # of Scala's own: an assertion that failed, or no class for it in Python
        return {"error": [kind, None, ""]}
    return {"error": [kind, condition, re.sub("#[0-9]+", "#0", text)[:600]]}


def with_options(reader, bootstrap, options):
    every = {"kafka.bootstrap.servers": bootstrap, **TOPIC, **options}
    return reader.format("kafka").options(**{name: value for name, value in every.items() if value is not None})


def rows(frame):
    return sorted(list(row) for row in frame.selectExpr("partition", "offset").collect())


def read_batch(spark, bootstrap, folder, name, options):
    return {"rows": rows(with_options(spark.read, bootstrap, options).load())}


def read_stream(spark, bootstrap, folder, name, options):
    table = "".join(letter if letter.isalnum() else "_" for letter in name)
    query = (with_options(spark.readStream, bootstrap, options).load().writeStream.format("memory").queryName(table)
             .option("checkpointLocation", f"file:{folder}/{table}").trigger(availableNow=True).start())
    query.awaitTermination()
    return {"rows": rows(spark.table(table)), "batches": len(query.recentProgress)}


def write(spark, bootstrap, folder, name, columns, options):
    every = {"kafka.bootstrap.servers": bootstrap, **options}
    (spark.range(1).selectExpr(*columns).write.format("kafka")
     .options(**{name: value for name, value in every.items() if value is not None}).save())
    return {"rows": []}


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as problem:
        return described(problem)


def main(engine, bootstrap, folder, jars="", *wanted):
    spark = session(engine, jars)
    found = {}
    for name, options in READS.items():
        if not wanted or name in wanted:
            found[f"{name}, batch"] = attempt(read_batch, spark, bootstrap, folder, name, options)
            found[f"{name}, stream"] = attempt(read_stream, spark, bootstrap, folder, name, options)
    for name, case in WRITES.items():
        if not wanted or name in wanted:
            found[name] = attempt(write, spark, bootstrap, folder, name, *case)
    print("FOUND{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in found.items()) + "}")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
