"""A stateful query over files of numbers, some before and some after a restart of the query, the same way on every server.

    python state_spill.py ENGINE FOLDER    ENGINE: sc://HOST:PORT

Prints one JSON: what the progress says of the state after each batch, and a digest of the state as statestore reads it.
"""
import json
import sys

FILES, ROWS, STEP = 6, 60000, 30000     # each file repeats half the numbers of the one before


def main(engine, folder):
    from pyspark.sql import SparkSession, functions as f
    spark = SparkSession.builder.remote(engine).getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", "16")
    spark.conf.set("spark.sql.streaming.stateStore.minDeltasForSnapshot", "3")
    states = []
    for part in (range(FILES // 2), range(FILES // 2, FILES)):
        for number in part:
            frame = spark.range(number * STEP, number * STEP + ROWS, 1, 1)
            frame.select((f.col("id") * 7919).alias("id"), f.col("id").alias("v")).coalesce(1).write.mode("append").parquet(
                f"file:{folder}/in")
        counts = (spark.readStream.schema("id long, v long").option("maxFilesPerTrigger", 1).parquet(f"file:{folder}/in")
                  .groupBy("id").agg(f.count("*").alias("n"), f.sum("v").alias("s")))
        query = (counts.writeStream.outputMode("update").format("noop").option("checkpointLocation", f"file:{folder}/checkpoint")
                 .trigger(availableNow=True).start())
        query.awaitTermination()
        states += [json.loads(each.json)["stateOperators"][0] for each in query.recentProgress]
    state = spark.read.format("statestore").load(f"file:{folder}/checkpoint")
    digest = state.selectExpr("count(*)", "count(distinct key.id)", "sum(value.sum)", "sum(hash(*))").collect()
    print(json.dumps({"states": states, "digest": list(digest[0])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
