"""Stateful queries over five small files, one file per batch, the same for a real Spark and for Raudal.

    python state_cases.py ENGINE FOLDER [CASE…]    ENGINE: local, or sc://HOST:PORT

Prints one JSON: per case the batches (what the progress says of rows, event time and state), and the rows that came out; or
the error. state_cases.json is what Spark 4.3 prints; test_state.py compares.
"""
import json
import os
import re
import sys

INPUT = [
    [("2026-03-01 10:00:01", "a", 1), ("2026-03-01 10:00:03", "b", 2), ("2026-03-01 10:00:12", "a", 3)],
    [("2026-03-01 10:00:25", "a", 4), ("2026-03-01 10:00:02", "a", 5), ("2026-03-01 10:00:41", "c", 6)],
    [("2026-03-01 10:00:05", "a", 7), ("2026-03-01 10:00:06", "zz", 8), ("2026-03-01 10:01:10", "b", 9)],
    [("2026-03-01 10:00:15", "q", 10), ("2026-03-01 10:02:10", None, 11)],
    [("2026-03-01 10:05:10", "long key value here", 12)],
]
STATE = ["operatorName", "numRowsTotal", "numRowsUpdated", "numRowsRemoved", "numRowsDroppedByWatermark",
         "numShufflePartitions", "numStateStoreInstances"]


def write_input(folder):
    os.makedirs(f"{folder}/in", exist_ok=True)
    for number, rows in enumerate(INPUT):
        path = f"{folder}/in/{number}.json"
        with open(path, "w") as out:
            out.writelines(json.dumps(dict(zip(("ts", "k", "v"), row))) + "\n" for row in rows)
        os.utime(path, (1700000000 + number,) * 2)


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
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    spark.conf.set("spark.sql.json.filterPushdown.enabled", "false") # or Spark counts fewer input rows
    return spark


def make_cases(spark, folder):
    from pyspark.sql import functions as f

    def plain():
        return spark.readStream.schema("ts timestamp, k string, v int").option("maxFilesPerTrigger", 1).json(f"file:{folder}/in")

    def late(delay="10 seconds"):
        return plain().withWatermark("ts", delay)

    def windows(*durations):
        return late().groupBy(f.window("ts", *durations), "k").agg(
            f.count("*").alias("n"), f.sum("v").alias("s"), f.avg("v").alias("a"), f.max("v").alias("m"), f.min("k").alias("mk"))

    many = [f.expr(each) for each in (
        "count(*)", "first(v)", "last(v)", "collect_list(v)", "stddev(v)", "max_by(k, v)", "bool_or(v > 3)", "count_if(v > 3)",
        "sum(cast(v as decimal(10,2)))", "avg(cast(v as decimal(10,2)))", "sum(cast(v as decimal(5,2)))",
        "sum(cast(v as double))", "bit_xor(v)", "corr(v, v)", "skewness(v)", "kurtosis(v)", "var_pop(v)", "try_sum(v)",
        "covar_pop(v, v)", "avg(v)", "max(ts)", "min(k)")]
    def joined(how, mode="append", left=late, right=lambda: late("20 seconds")):
        other = right().select(f.col("ts").alias("ts2"), f.col("k").alias("k2"), f.col("v").alias("v2"))
        near = "k = k2 and ts2 >= ts - interval 30 seconds and ts2 <= ts + interval 30 seconds"
        return lambda: left().join(other, f.expr(near), how), mode

    def with_table(how, table_first=False):
        table = spark.createDataFrame([("a", "x"), ("b", "y")], "k2 string, z string")
        if table_first:
            return lambda: table.join(late(), f.expr("k = k2"), how), "append"
        return lambda: late().join(table, f.expr("k = k2"), how), "append"

    return {
        "unique": (lambda: late().dropDuplicates(["k", "ts"]), "append"),
        "unique without time": (lambda: late().dropDuplicates(["k"]), "update"),
        "distinct": (lambda: plain().distinct(), "append"),
        "unique within watermark": (lambda: late().dropDuplicatesWithinWatermark(["k"]), "append"),
        "unique, then counted": (lambda: late().dropDuplicates(["k", "ts"]).groupBy(f.window("ts", "10 seconds")).count(),
                                 "append"),
        "unique within no watermark": (lambda: plain().dropDuplicatesWithinWatermark(["k"]), "append"),
        "unique complete": (lambda: plain().dropDuplicates(["k"]), "complete"),
        **{f"join {how}": joined(how) for how in ("inner", "left", "right", "full", "leftsemi")},
        "join without watermark": joined("inner", left=plain, right=plain),
        "join of equal times": (lambda: late().join(
            late("20 seconds").select(f.col("ts").alias("ts2"), f.col("v").alias("v2")), f.expr("ts = ts2"), "left"), "append"),
        "join by windows": (lambda: late().select(f.window("ts", "10 seconds"), "v").join(
            late("20 seconds").select(f.window("ts", "10 seconds"), f.col("v").alias("v2")), "window", "full"), "append"),
        "join on one side": (lambda: late().join(
            late("20 seconds").select(f.col("ts").alias("ts2"), f.col("k").alias("k2"), f.col("v").alias("v2")),
            f.expr("k = k2 and v > 3 and v2 > 4 and ts2 between ts and ts + interval 1 minute"), "left"), "append"),
        "left join without watermark": joined("left", left=plain, right=plain),
        "full join without watermark": joined("full", left=plain, right=plain),
        "anti join": joined("leftanti"),
        "join complete": joined("inner", "complete"),
        **{f"table {how}": with_table(how) for how in ("inner", "left", "leftsemi", "leftanti", "right", "full")},
        **{f"table first {how}": with_table(how, True) for how in ("inner", "right", "left", "leftanti")},
        "table, then counted": (lambda: with_table("inner")[0]().groupBy(f.window("ts", "10 seconds"), "z").count(), "append"),
        "tumbling append": (lambda: windows("10 seconds"), "append"),
        "tumbling update": (lambda: windows("10 seconds"), "update"),
        "tumbling complete": (lambda: windows("10 seconds"), "complete"),
        "sliding": (lambda: late().groupBy(f.window("ts", "10 seconds", "5 seconds")).count(), "append"),
        "sliding, uneven": (lambda: late().groupBy(f.window("ts", "10 seconds", "4 seconds", "1 second")).count(), "update"),
        "by event time": (lambda: late().groupBy("ts").count(), "append"),
        "one group": (lambda: late().groupBy().agg(f.count("*"), f.sum("v")), "update"),
        "one group complete": (lambda: plain().groupBy().agg(f.count("*"), f.sum("v")), "complete"),
        "many functions": (lambda: plain().groupBy("k").agg(*many), "update"),
        "sorted": (lambda: plain().groupBy("k").count().orderBy(f.desc("count"), "k").limit(3), "complete"),
        "having": (lambda: windows("10 seconds").where("n > 1").select("window.start", "k", "n"), "append"),
        "window_time": (lambda: late().groupBy(f.window("ts", "10 seconds")).count()
                        .select(f.window_time("window").alias("wt"), "count"), "append"),
        "window of windows": (lambda: late().groupBy(f.window("ts", "10 seconds"), "k").count()
                              .groupBy(f.window("window", "20 seconds")).agg(f.sum("count")), "append"),
        "two watermarks": (lambda: late().union(late("20 seconds")).groupBy(f.window("ts", "10 seconds")).count(), "append"),
        "append without watermark": (lambda: plain().groupBy("k").count(), "append"),
        "append without event time": (lambda: late().groupBy("k").count(), "append"),
        "complete without aggregation": (plain, "complete"),
        "sorted stream": (lambda: plain().orderBy("v"), "append"),
        "aggregation of updates": (lambda: late().groupBy(f.window("ts", "10 seconds"), "k").count().groupBy("k").count(),
                                   "update"),
        "sample": (lambda: plain().sample(0.5), "append"),
        "limit of updates": (lambda: plain().limit(2), "update"),
        "two windows": (lambda: late().groupBy(f.window("ts", "10 seconds"), f.window("ts", "5 seconds")).count(), "append"),
        **chained_cases(f, plain, late, joined, windows),
        **limit_cases(f, plain, late, windows),
        **session_cases(spark, f, folder, plain, late),
        **refused_cases(spark, f, plain, late),
        **function_cases(f, plain),
        "not a duration": (lambda: late().groupBy(f.window("ts", "10 meters")).count(), "append"),
        "slide longer than window": (lambda: late().groupBy(f.window("ts", "10 seconds", "20 seconds")).count(), "append"),
        "window of months": (lambda: late().groupBy(f.window("ts", "1 month")).count(), "append"),
        "negative delay": (lambda: late("-5 seconds"), "append"),
    }


def chained_cases(f, plain, late, joined, windows):
    def inner():
        return joined("inner")[0]()

    def tens(frame, column="ts"):
        return frame.groupBy(f.window(column, "10 seconds"))

    def second(delay="20 seconds"):
        return late(delay).select(f.col("ts").alias("ts2"), f.col("k").alias("k2"), f.col("v").alias("v2"))

    return {
        "join, then counted": (lambda: tens(inner()).agg(f.count("*"), f.sum("v2")), "append"),
        "join, then counted by the other time": (lambda: tens(inner(), "ts2").count(), "append"),
        "left join, then counted": (lambda: tens(joined("left")[0]()).agg(f.count("*"), f.count("k2")), "append"),
        "join of equal times, then counted": (lambda: tens(late().join(second(), f.expr("ts = ts2"))).count(), "append"),
        "join, then unique": (lambda: inner().dropDuplicates(["k", "ts"]), "append"),
        "join, then unique within watermark": (lambda: inner().select("k", "ts", "v2").dropDuplicatesWithinWatermark(["k"]), "append"),
        "join, then joined": (lambda: inner().join(
            late("15 seconds").select(f.col("ts").alias("ts3"), f.col("k").alias("k3")),
            f.expr("k = k3 and ts3 between ts - interval 5 seconds and ts + interval 5 seconds")), "append"),
        "counts joined": (lambda: tens(late()).count().join(
            tens(second(), "ts2").agg(f.sum("v2").alias("s")), "window"), "append"),
        "counts left joined": (lambda: tens(late()).count().join(
            tens(second().where("v2 > 4"), "ts2").agg(f.sum("v2").alias("s")), "window", "left"), "append"),
        "unique, then joined": (lambda: late().dropDuplicates(["k", "ts"]).join(second(), f.expr(
            "k = k2 and ts2 between ts - interval 10 seconds and ts + interval 10 seconds")), "append"),
        "unique twice": (lambda: late().dropDuplicates(["k", "ts"]).dropDuplicatesWithinWatermark(["k"]), "append"),
        "unique counts": (lambda: windows("10 seconds").select("window", "n").dropDuplicates(), "append"),
        "three windows": (lambda: tens(late().dropDuplicates(["k", "ts"])).count().groupBy(f.window("window", "20 seconds"))
                          .agg(f.sum("count").alias("c")).groupBy(f.window("window", "1 minute")).agg(f.sum("c")), "append"),
        "window by window_time": (lambda: tens(late()).count().select(f.window_time("window").alias("t"), "count")
                                  .groupBy(f.window("t", "30 seconds")).agg(f.sum("count"), f.count("*")), "append"),
        "unique, then counted with updates": (lambda: tens(late().dropDuplicates(["k", "ts"])).count(), "update"),
        "counted, then unique with updates": (lambda: tens(late()).count().dropDuplicates(["window"]), "update"),
        "join, then counted with updates": (lambda: tens(inner()).count(), "update"),
        "join with updates": (inner, "update"),
        "left join with updates": (joined("left")[0], "update"),
        "watermark after aggregation": (lambda: tens(late()).count().select(f.window_time("window").alias("t"), "count")
                                        .withWatermark("t", "1 second").groupBy(f.window("t", "30 seconds")).count(), "append"),
    }


def limit_cases(f, plain, late, windows):
    return {
        "limit": (lambda: plain().limit(4), "append"),
        "limit of a filter": (lambda: plain().where("v % 2 = 0").limit(2), "append"),
        "filter of a limit": (lambda: late().limit(6).where("v > 2"), "append"),
        "limit of counts": (lambda: windows("10 seconds").select("n").limit(2), "append"),
        "limit of unique": (lambda: late().dropDuplicates(["k"]).limit(3), "append"),
        "limit of a limit": (lambda: plain().limit(5).limit(3), "append"),
        "counts of a limit": (lambda: plain().limit(5).groupBy("k").count(), "complete"),
        "counts of a limit with updates": (lambda: plain().limit(5).groupBy("k").count(), "update"),
        "windows of a limit": (lambda: late().limit(7).groupBy(f.window("ts", "10 seconds")).count(), "append"),
        "offset": (lambda: plain().offset(2), "append"),
        "limit and offset": (lambda: plain().offset(2).limit(2), "append"),
    }


def session_cases(spark, f, folder, plain, late):
    def table():
        return spark.read.schema("ts timestamp, k string, v int").json(f"file:{folder}/in")

    def sessions(frame, gap="10 seconds", *keys, time="ts"):
        return frame.groupBy(f.session_window(time, gap), *(keys or ["k"]))

    def sums(grouped):
        return grouped.agg(f.count("*").alias("n"), f.sum("v").alias("s"), f.avg("v").alias("a"), f.max("v").alias("m"))

    def gaps():
        return f.when(f.col("k") == "a", "25 seconds").when(f.col("k") == "b", "0 seconds").otherwise("5 seconds")

    return {
        "sessions": (lambda: sums(sessions(late())), "append"),
        "sessions, key first": (lambda: late().groupBy("k", f.session_window("ts", "30 seconds")).count(), "append"),
        "sessions of two keys": (lambda: late().groupBy("k", f.session_window("ts", "30 seconds"), (f.col("v") % 2).alias("odd"))
                                 .agg(f.sum("v")), "append"),
        "sessions complete": (lambda: sums(sessions(late(), "30 seconds")), "complete"),
        "sessions with updates": (lambda: sums(sessions(late())), "update"),
        "sessions without key": (lambda: late().groupBy(f.session_window("ts", "10 seconds")).count(), "append"),
        "sessions without watermark": (lambda: sums(sessions(plain())), "append"),
        "sessions complete without watermark": (lambda: sums(sessions(plain(), "3 minutes")), "complete"),
        "sessions of different gaps": (lambda: sums(sessions(late(), gaps())), "append"),
        "sessions of no gap": (lambda: sums(sessions(late(), "0 seconds")), "append"),
        "sessions, lists": (lambda: sessions(late(), "30 seconds").agg(
            f.first("v"), f.last("v"), f.collect_list("v"), f.max_by("v", "ts"), f.stddev("v"), f.min("k")), "append"),
        "sessions having": (lambda: sums(sessions(late(), "30 seconds")).where("n > 1")
                            .select("session_window.start", "session_window.end", "k", "s"), "append"),
        "sessions, then windows": (lambda: sessions(late()).count().groupBy(f.window("session_window", "1 minute"))
                                   .agg(f.sum("count"), f.count("*")), "append"),
        "windows, then sessions": (lambda: late().groupBy(f.window("ts", "10 seconds"), "k").count()
                                   .groupBy(f.session_window(f.window_time("window"), "30 seconds"), "k").agg(f.sum("count")), "append"),
        "sessions of windows": (lambda: late().groupBy(f.window("ts", "10 seconds"), "k").count()
                                .groupBy(f.session_window("window", "30 seconds"), "k").agg(f.sum("count")), "append"),
        "unique, then sessions": (lambda: sums(sessions(late().dropDuplicates(["k", "ts"]))), "append"),
        "sessions and windows": (lambda: late().groupBy(f.session_window("ts", "10 seconds"), f.window("ts", "5 seconds")).count(), "append"),
        "table sessions": (lambda: sums(sessions(table(), "30 seconds")), "batch"),
        "table sessions without key": (lambda: table().groupBy(f.session_window("ts", "13 seconds")).agg(f.count("*"), f.sum("v")), "batch"),
        "table sessions of different gaps": (lambda: sums(sessions(table(), gaps())), "batch"),
        "table sessions that touch": (lambda: sessions(table().where("k = 'a'"), "2 seconds").count(), "batch"),
        "table sessions, distinct": (lambda: sessions(table(), "30 seconds").agg(f.count_distinct("v"), f.sum("v")), "batch"),
        "table sessions in SQL": (lambda: (table().createOrReplaceTempView("t"), spark.sql(
            "select session_window.start, session_window.end, k, count(*) from t group by session_window(ts, '10 seconds'), k"))[1], "batch"),
        "table sessions selected": (lambda: table().select(f.session_window("ts", "10 seconds"), "v"), "batch"),
    }


def refused_cases(spark, f, plain, late):
    from pyspark.sql import Window

    def table():
        return spark.createDataFrame([("a", 1)], "k string, v int")

    return {
        "distinct aggregation": (lambda: plain().groupBy("k").agg(f.count_distinct("v")), "update"),
        "rollup": (lambda: plain().rollup("k").count(), "update"),
        "cube complete": (lambda: plain().cube("k").count(), "complete"),
        "union with a table": (lambda: plain().select("k", "v").union(table()), "append"),
        "except of a stream": (lambda: table().exceptAll(plain().select("k", "v")), "append"),
        "subtract of a stream": (lambda: table().subtract(plain().select("k", "v")), "append"),
        "intersect of streams": (lambda: plain().intersect(plain()), "append"),
        "row numbers": (lambda: plain().select("v", f.row_number().over(Window.partitionBy("k").orderBy("ts")).alias("n")), "append"),
        "monotonic ids": (lambda: plain().select(f.monotonically_increasing_id()), "append"),
        "cross join": (lambda: late().crossJoin(late().select(f.col("v").alias("v2"))), "append"),
        "join on a comparison": (lambda: late().join(late().select(f.col("v").alias("v2")), f.expr("v < v2")), "append"),
        "sorted updates": (lambda: plain().groupBy("k").count().orderBy("k"), "update"),
        "sorted windows": (lambda: late().groupBy(f.window("ts", "10 seconds")).count().orderBy("window"), "append"),
        "sorted, then counted": (lambda: plain().orderBy("v").groupBy("k").count(), "complete"),
        "a table alone": (lambda: table(), "append"),
        "watermark of a number": (lambda: plain().withWatermark("v", "1 second"), "append"),
        "counted twice complete": (lambda: plain().groupBy("k").count().groupBy("count").agg(f.count("*").alias("c")), "complete"),
    }


def function_cases(f, plain):
    more = [f.expr(each) for each in (
        "any_value(v)", "first(k, true)", "last(k, true)", "every(v > 0)", "some(v > 11)", "bit_and(v)", "bit_or(v)", "min_by(k, ts)",
        "covar_samp(v, v * 2)", "stddev_pop(v)", "var_samp(v)", "regr_count(v, v)",
        "try_avg(v)", "count(v, k)", "array_agg(v)", "sort_array(collect_set(v))", "min(cast(v as decimal(20,3)))",
        "sum(v) filter (where v > 3)", "mean(cast(v as float))", "max(date(ts))", "std(v)", "variance(v)")]
    line = [f.expr(f"regr_{each}(v, second(ts))") for each in (
        "count", "avgx", "avgy", "sxx", "syy", "sxy", "r2", "slope", "intercept")]
    return {"more functions": (lambda: plain().groupBy("k").agg(*more), "update"),
            "regressions": (lambda: plain().groupBy("k").agg(*line), "update")}


def run(spark, folder, name, make, mode):
    table = "".join(letter if letter.isalnum() else "_" for letter in name)
    try:
        frame = make()
        _ = frame.schema
        if mode == "batch":
            return {"rows": sorted(json.dumps(row.asDict(recursive=True), default=str) for row in frame.collect())}
        query = (frame.writeStream.format("memory").queryName(table).outputMode(mode)
                 .option("checkpointLocation", f"file:{folder}/{table}").trigger(availableNow=True).start())
        query.awaitTermination()
        batches = []
        for each in query.recentProgress:
            progress = json.loads(each.json)
            batches.append({"batch": progress["batchId"], "rows": progress["numInputRows"], "eventTime": progress.get("eventTime"),
                            "state": [[operator[field] for field in STATE] for operator in progress["stateOperators"]],
                            "out": progress["sink"]["numOutputRows"]})
        rows = sorted(json.dumps(row.asDict(recursive=True), default=str) for row in spark.table(table).collect())
        return {"batches": batches, "rows": rows}
    except Exception as problem:
        condition = getattr(problem, "getCondition", lambda: None)()
        text = str(problem).split("\n")[0].split(" SQLSTATE")[0]
        text = re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        return {"error": [type(problem).__name__, condition, re.sub("#[0-9]+", "#0", text)]}


def main(engine, folder, *wanted):
    write_input(folder)
    spark = session(engine)
    cases = make_cases(spark, folder)
    found = {name: run(spark, folder, name, *cases[name]) for name in wanted or cases}
    print(json.dumps(found, indent=1))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
