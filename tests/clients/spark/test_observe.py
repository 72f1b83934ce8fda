"""observe(): metrics of batches, writes and streams; and the query listeners of clients before 4.0, which run in the server."""
import textwrap

import pytest

raudal_options = ["--only", "spark"]


def program(raudal, environment, text, version):
    return raudal.run(textwrap.dedent(text), environment=environment(version), timeout_s=240).ok().stdout


OBSERVE = """
    import json, time
    from pyspark.sql import Observation, SparkSession, functions as f
    spark = SparkSession.builder.getOrCreate()
    df = spark.createDataFrame([("a", 1), ("b", 2), ("c", None)], "k string, v long")
    some = Observation("some")
    seen = df.observe(some, f.count("*").alias("n"), f.max("v").alias("m"), (f.sum("v") / f.count(f.lit(1))).alias("r"),
                      f.sum(f.col("v").cast("decimal(10,2)")).alias("d"), f.collect_list("k").alias("l"), f.lit(3).alias("three"))
    print(seen.where("v > 1").collect(), some.get)
    written = Observation()
    df.observe(written, f.count("*"), f.sum(f.col("v") + 1)).write.format("noop").mode("overwrite").save()
    print(written.get)
    joined, other = Observation("joined"), Observation("other")
    left = df.observe(joined, f.count("v").alias("n"))
    right = spark.range(3).observe(other, f.sum("id").alias("s"))
    print(left.join(right, left.v == right.id).groupBy().count().collect(), joined.get, other.get)
    for name, metrics in (("", [f.count("*")]), ("x", [f.col("v")]), ("x", [f.count_distinct("v")]), ("x", [f.sum("v") + f.col("v")])):
        try:
            df.observe(name, *metrics).collect()
        except Exception as failure:
            print(str(failure).split("]")[0][1:])
    stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 4).load()
    stream = stream.observe("event", f.count("*").alias("rows"), f.max("value").alias("top"), f.min("timestamp").alias("t"))
    query = stream.observe("after", f.lit("x").alias("l")).writeStream.format("noop").start()
    while query.lastProgress is None:
        time.sleep(0.1)
    progress = query.recentProgress[0]
    query.stop()
    observed = json.loads(progress.json)["observedMetrics"]
    print(list(observed), observed["after"], observed["event"]["rows"], observed["event"]["top"] % 4, observed["event"]["t"][:10])
    print(progress.observedMetrics["event"].rows)
"""


@pytest.mark.parametrize("version", ["course", pytest.param("spark-4_3", marks=pytest.mark.long)])
def test_metrics_are_observed_on_the_way(raudal, environment, version):
    printed = program(raudal, environment, OBSERVE, version).splitlines()
    assert printed[0] == ("[Row(k='b', v=2)] {'n': 3, 'm': 2, 'r': 1.0, 'd': Decimal('3.00'), 'l': ['a', 'b', 'c'], 'three': 3}")
    assert printed[1] == "{'count(1)': 3, 'sum((v + 1))': 5}"
    assert printed[2] == "[Row(count=2)] {'n': 2} {'s': 3}"
    assert printed[3:7] == ["INVALID_OBSERVED_METRICS." + name for name in (
        "MISSING_NAME", "NON_AGGREGATE_FUNC_ARG_IS_ATTRIBUTE", "AGGREGATE_EXPRESSION_WITH_DISTINCT_UNSUPPORTED",
        "NON_AGGREGATE_FUNC_ARG_IS_ATTRIBUTE")]
    assert printed[7:] == ["['after', 'event'] {'l': 'x'} 4 3 1970-01-01", "4"]


def test_a_listener_that_runs_in_the_server_hears_of_queries(raudal, environment, tmp_path):
    printed = program(raudal, environment, """
        import time
        from pyspark.sql import SparkSession, functions as f
        from pyspark.sql.streaming import StreamingQueryListener
        spark = SparkSession.builder.getOrCreate()
        path = %r
        class Listener(StreamingQueryListener):
            def note(self, *words):
                with open(path, "a") as file:
                    print(*words, file=file)
            def onQueryStarted(self, event):
                self.count = 0
                self.note("started", event.name, event.runId)
            def onQueryProgress(self, event):
                self.count += 1
                if self.count == 1:
                    self.note("progress", event.progress.numInputRows, event.progress.observedMetrics, self.spark.range(3).count())
                    raise ValueError("it does not concern the query")
            def onQueryIdle(self, event):
                pass
            def onQueryTerminated(self, event):
                self.note("terminated", event.runId, event.exception)
        def lines(count):
            while True:
                try:
                    found = open(path).read().splitlines()
                except FileNotFoundError:
                    found = []
                if len(found) >= count:
                    return found
                time.sleep(0.1)
        listener = Listener()
        spark.streams.addListener(listener)
        stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 3).load().observe("m", f.count("*").alias("n"))
        query = stream.writeStream.format("noop").queryName("heard").start()
        lines(2)
        query.stop()
        found = lines(3)
        spark.streams.removeListener(listener)
        again = stream.writeStream.format("noop").start()
        while again.lastProgress is None:
            time.sleep(0.1)
        again.stop()
        print(*[line.replace(query.runId, "RUN") for line in lines(3)], sep=chr(10))
        """ % str(tmp_path / "heard"), "spark-3_5")
    shown = [line for line in printed.splitlines() if line.startswith(("started", "progress", "terminated"))]
    assert shown == ["started heard RUN", "progress 3 {'m': Row(n=3)} 3", "terminated RUN None"], printed
    assert "ValueError: it does not concern the query" in printed
