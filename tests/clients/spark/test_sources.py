"""What the options of Kafka and file sources do, as a program sees it."""
import datetime
import json

PROGRAM = r"""
import json, os, sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import spark_partition_id
spark = SparkSession.builder.getOrCreate()
base = sys.argv[1]
out = {}

def put(name, text):
    path = f"{base}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w") as file:
        file.write(text + "\n")
    os.rename(path + ".tmp", path)

def read(folder, schema="v INT", **options):
    return spark.readStream.schema(schema).options(**options).json(f"file:{base}/{folder}")

def drain(name, rows, checkpoint=None, **trigger):
    query = (rows.writeStream.queryName(name).format("memory").trigger(**(trigger or {"availableNow": True}))
             .options(**({"checkpointLocation": f"file:{base}/{checkpoint}"} if checkpoint else {})).start())
    return query

def rows(name):
    return sorted(map(list, spark.table(name).collect()), key=str)

# key=value folders, also those that come later
put("parts/year=2025/k=a b/0.json", '{"v": 1}')
put("parts/year=2026/k=c/1.json", '{"v": 2}')
query = drain("parts", read("parts", "v INT, year INT, k STRING"), processingTime="0 seconds")
query.processAllAvailable()
put("parts/year=2027/k=d/2.json", '{"v": 3}')
query.processAllAvailable()
query.stop()
out["parts"] = rows("parts")

# one path or one name is one file
put("names/a/x.json", '{"v": 1}')
put("names/b/x.json", '{"v": 1}')
for name, only in (("by_path", "false"), ("by_name", "true")):
    drain(name, read("names", recursiveFileLookup="true", fileNameOnly=only)).awaitTermination(20)
    out[name] = len(rows(name))

# cleanSource: after the rows are where they belong
for mode in ("delete", "archive"):
    put(f"{mode}/0.json", '{"v": 1}')
    more = {"sourceArchiveDir": f"file:{base}/old"} if mode == "archive" else {}
    query = drain(f"clean_{mode}", read(mode, cleanSource=mode, **more), processingTime="0 seconds")
    query.processAllAvailable()
    for _ in range(100):
        if not os.path.exists(f"{base}/{mode}/0.json"):
            break
        time.sleep(0.05)
    query.stop()
    out[f"clean_{mode}"] = [rows(f"clean_{mode}"), os.listdir(f"{base}/{mode}")]
out["archived"] = os.path.exists(f"{base}/old{base}/archive/0.json")

# scans of Kafka in more partitions than the topic has
def sizes(**options):
    kafka = spark.read.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "numbers")
    read = kafka.options(**options).load().groupBy(spark_partition_id()).count().collect()
    return sorted(row[1] for row in read)
out["sizes"] = [sizes(), sizes(minPartitions=4), sizes(maxRecordsPerPartition=4), sizes(minPartitions=2, maxRecordsPerPartition=8)]

# the default trigger into files: batches begin at most every raudal.stream.minBatchInterval
def begins(interval):
    spark.conf.set("raudal.stream.minBatchInterval", interval)
    topic = "often" + interval
    source = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", topic)
              .option("startingOffsets", "earliest").load())
    query = (source.select("value").writeStream.format("parquet").option("path", f"file:{base}/{topic}")
             .option("checkpointLocation", f"file:{base}/{topic}_checkpoint").start())
    for _ in range(8):
        spark.range(1).selectExpr("cast(id as string) as value").write.format("kafka").option(
            "kafka.bootstrap.servers", "kafka:9092").option("topic", topic).save()
    query.processAllAvailable()
    query.stop()
    return spark.read.parquet(f"file:{base}/{topic}").count(), [p["timestamp"] for p in query.recentProgress if p["numInputRows"]]
out["begins"] = begins("300")
try:
    begins("often")
except Exception as error:
    out["interval"] = str(error)
spark.conf.unset("raudal.stream.minBatchInterval")

for name, options in (("mode", {"cleanSource": "burn"}), ("archive", {"cleanSource": "archive"}),
                      ("inside", {"cleanSource": "archive", "sourceArchiveDir": f"file:{base}/names/old"})):
    try:
        drain("refused_" + name, read("names", recursiveFileLookup="true", **options)).awaitTermination(20)
        out[name] = "ran"
    except Exception as error:
        out[name] = str(error)
for name, option in (("delay", "maxTriggerDelay"), ("parts0", "minPartitions"), ("records0", "maxRecordsPerPartition")):
    try:
        spark.readStream.format("kafka").options(**{"kafka.bootstrap.servers": "kafka:9092", "subscribe": "numbers", option: "0x"}).load().schema
        out[name] = "loaded"
    except Exception as error:
        out[name] = str(error)
print("OUT" + json.dumps(out))
"""


def test_options_of_sources(raudal, environment, tmp_path):
    raudal.create_topic("numbers", 1)
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    for number in range(10):
        producer.send("numbers", str(number).encode())
    producer.flush()
    result = raudal.run(PROGRAM, tmp_path, environment=environment("course"), timeout_s=100).ok()
    out = json.loads(result.stdout[result.stdout.index("OUT") + 3:].splitlines()[0])
    assert out["parts"] == [[1, 2025, "a b"], [2, 2026, "c"], [3, 2027, "d"]]
    assert (out["by_path"], out["by_name"]) == (2, 1)
    assert out["clean_delete"] == [[[1]], []] and out["clean_archive"] == [[[1]], []] and out["archived"]
    assert out["sizes"] == [[10], [2, 2, 3, 3], [3, 3, 4], [5, 5]]
    assert "Invalid mode for clean source option burn" in out["mode"]
    assert "Archive mode must be used with 'sourceArchiveDir' option" in out["archive"]
    assert "Base archive path cannot be set to the path where archived path can possibly match with source pattern" in out["inside"]
    count, times = out["begins"]
    times = [datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() for time in times]
    assert count == 8 and all(later - earlier > 0.29 for earlier, later in zip(times, times[1:-1]))
    assert "The value 'often' in the config \"raudal.stream.minBatchInterval\" is invalid" in out["interval"]
    for name in ("delay", "parts0", "records0"):
        assert "0x" in out[name]
