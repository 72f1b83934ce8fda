"""Stateful pipelines over JSON files, run the same way by a real Spark and by Raudal.

    python state_pipelines.py ENGINE PIPELINE FOLDER    ENGINE: local, or sc://HOST:PORT

FOLDER/in holds the input, FOLDER/out the output (parquet), FOLDER/checkpoint the checkpoint. The query reads a file per batch
and ends when there is none left. What it says of itself is printed, one JSON per batch.
"""
import json
import sys

SCHEMA = "ts timestamp, k string, v int"


def session(engine):
    from pyspark.sql import SparkSession
    builder = SparkSession.builder
    if engine == "local":
        builder = (builder.master("local[2]").config("spark.ui.enabled", "false")
                   .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1"))
    else:
        builder = builder.remote(engine)
    spark = builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.conf.set("spark.sql.streaming.stateStore.minDeltasForSnapshot", "4")
    return spark


def source(spark, folder):
    return spark.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).json(f"file:{folder}/in")


def pipelines(spark, folder):
    from pyspark.sql import functions as f
    late = source(spark, folder).withWatermark("ts", "10 seconds")
    aggregates = [f.count("*").alias("n"), f.sum("v").alias("s"), f.avg("v").alias("a"), f.max("v").alias("m"),
                  f.min("k").alias("least"), f.first("v").alias("f"), f.round(f.stddev("v"), 9).alias("d"),
                  f.sum(f.expr("cast(v as decimal(12,2))")).alias("dec"), f.collect_list("v").alias("list")]
    other = source(spark, folder).withWatermark("ts", "20 seconds").select(
        f.col("ts").alias("ts2"), f.col("k").alias("k2"), f.col("v").alias("v2"))
    near = f.expr("k = k2 and v2 > 50 and ts2 >= ts - interval 20 seconds and ts2 <= ts + interval 15 seconds")
    return {
        "unique": lambda: late.dropDuplicates(["k", "ts"]),
        "unique_within": lambda: late.dropDuplicatesWithinWatermark(["k"]),
        "join_inner": lambda: late.join(other, near),
        "join_left": lambda: late.join(other, near, "left"),
        "join_full": lambda: late.join(other, near, "full"),
        "join_counted": lambda: late.join(other, near).groupBy(f.window("ts", "10 seconds")).agg(f.count("*"), f.sum("v2")),
        "counts_joined": lambda: late.groupBy(f.window("ts", "10 seconds")).count().join(
            other.groupBy(f.window("ts2", "10 seconds")).agg(f.sum("v2").alias("s")), "window"),
        "windows_of_windows": lambda: late.dropDuplicates(["k", "ts"]).groupBy(f.window("ts", "10 seconds"), "k").count().groupBy(
            f.window("window", "30 seconds")).agg(f.sum("count"), f.count("*")),
        "session": lambda: late.groupBy(f.session_window("ts", "6 seconds"), "k").agg(*aggregates[:5], aggregates[7]),
        "session_gaps": lambda: late.groupBy("k", f.session_window("ts", f.expr("case k when 'a' then '3 seconds' else '9 seconds' end")))
                                    .agg(f.collect_list("v").alias("list"), f.first("v"), f.round(f.stddev("v"), 9)),
        "limit": lambda: late.where("v > 20").limit(70),
        "tumbling": lambda: late.groupBy(f.window("ts", "10 seconds"), "k").agg(*aggregates),
        "sliding": lambda: late.groupBy(f.window("ts", "10 seconds", "4 seconds"), "k").count(),
        "event_time": lambda: late.groupBy("ts").agg(f.count("*").alias("n")),
    }


def main(engine, pipeline, folder):
    spark = session(engine)
    frame = pipelines(spark, folder)[pipeline]()
    query = (frame.writeStream.format("parquet").option("path", f"file:{folder}/out")
             .option("checkpointLocation", f"file:{folder}/checkpoint").trigger(availableNow=True).start())
    query.awaitTermination()
    for progress in query.recentProgress:
        print(json.dumps(json.loads(progress.json)))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
