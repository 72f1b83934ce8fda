"""The program's own Python functions: in expressions, in SQL, foreachBatch, foreach."""
import textwrap

import pytest

from harness import wait_until

VERSIONS = ["course", "spark-3_5", *(pytest.param(version, marks=pytest.mark.long) for version in ("spark-4_3", "spark-client-4_1"))]


ALL = ("course", "spark-3_5", "spark-4_3", "spark-client-4_1")
SINCE_4 = [version for version in VERSIONS if version != "spark-3_5"]


def run(raudal, environment, version, tmp_path, program, **more):
    text = ("from pyspark.sql import SparkSession\nfrom pyspark.sql.functions import *\nimport time\n"
            "spark = SparkSession.builder.getOrCreate()\n" + textwrap.dedent(program))
    return raudal.run(text, environment=environment(version), **more).ok().stdout


FOREACH_BATCH = """
    import os
    seen = []
    def write(df, number):
        seen.append(number)
        df.write.mode("append").parquet("/batches")
        print("batch", number, "of", len(seen), "with", df.count(), "rows in", os.getpid() != {pid})
    stream = spark.readStream.format("rate").option("rowsPerSecond", 50).load()
    query = stream.selectExpr("value").writeStream.foreachBatch(write).option("checkpointLocation", "/batches.checkpoint").start()
    while query.lastProgress is None or query.lastProgress["batchId"] < 2:
        time.sleep(0.1)
    query.stop()
    rows = [row.value for row in spark.read.parquet("/batches").orderBy("value").collect()]
    assert rows == list(range(len(rows))) and len(rows) >= 50, rows
    print("all", query.exception())
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_foreach_batch_gets_each_batch_as_a_dataframe_and_keeps_its_state(fresh_raudal, environment, tmp_path, version):
    printed = run(fresh_raudal, environment, version, tmp_path, FOREACH_BATCH.replace("{pid}", "0"))
    assert "batch 2 of 3 with" in printed and printed.rstrip().endswith("all None")


def test_foreach_gets_rows_and_writers_are_opened_and_closed(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        class Writer:
            def open(self, partition, epoch):
                self.count = 0
                print("open", partition, epoch)
                return True
            def process(self, row):
                self.count += row.value >= 0
            def close(self, error):
                print("close", self.count, error)
        stream = spark.readStream.format("rate").option("rowsPerSecond", 20).load()
        query = stream.writeStream.foreach(Writer()).start()
        while query.lastProgress is None or query.lastProgress["batchId"] < 1:
            time.sleep(0.1)
        query.stop()
        """)
    assert "open 0 1" in printed and "close 20 None" in printed


def test_a_function_that_fails_stops_its_query_with_its_own_traceback(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        def write(df, number):
            raise ValueError("not this batch: %d" % number)
        query = spark.readStream.format("rate").load().writeStream.foreachBatch(write).start()
        try:
            query.awaitTermination(30)
        except Exception as failure:
            print("caught", type(failure).__name__, failure)
        """)
    assert "caught StreamingQueryException" in printed and "[FOREACH_BATCH_USER_FUNCTION_ERROR]" in printed
    assert "ValueError: not this batch: 0" in printed and "in write" in printed


def test_a_function_that_hangs_ends_with_its_query(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        import os, tempfile
        mark = tempfile.mktemp()
        def write(df, number):
            open(mark, "w").close()
            time.sleep(600)
        query = spark.readStream.format("rate").load().writeStream.foreachBatch(write).start()
        while not os.path.exists(mark):
            time.sleep(0.1)
        os.unlink(mark)
        started = time.time()
        query.stop()
        print("stopped", time.time() - started < 20, query.isActive)
        """)
    assert printed == "stopped True False\n"


def test_an_interpreter_without_pyspark_is_named(raudal, environment, tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/such/python")
    printed = run(raudal, environment, "course", tmp_path, """
        query = spark.readStream.format("rate").load().writeStream.foreachBatch(lambda df, number: None).start()
        try:
            query.awaitTermination(30)
        except Exception as failure:
            print("caught", failure)
        """)
    assert "/no/such/python" in printed


FUNCTIONS = """
    @udf("int")
    def plus(x):
        return None if x is None else x + 1
    up = udf(lambda text: text.upper())
    @udf("struct<a:int,b:string>")
    def pair(x):
        return (x, "n%d" % x)
    @pandas_udf("double")
    def half(numbers):
        return numbers / 2
    df = spark.createDataFrame([(1, "a"), (2, "b"), (None, "c")], "n int, s string")
    print(df.select("n", plus("n"), up("s").alias("u"), plus(plus("n")).alias("pp")).collect())
    print(df.filter(plus("n") > 2).collect())
    print(sorted(df.groupBy(up("s").alias("k")).agg(sum(plus("n")).alias("t")).collect()))
    print(spark.range(2).select(pair(col("id").cast("int")).alias("q")).select("q.*").collect())
    print(spark.range(3).select(half("id")).collect())
    print(spark.range(100000).select(plus(col("id").cast("int")).alias("v")).agg(sum("v")).collect())
    spark.udf.register("Mas", lambda x: x + 1, "int")
    spark.range(3).createOrReplaceTempView("t")
    print(spark.sql("SELECT mas(int(id)) AS v, MAS(mas(1)) AS w FROM t WHERE mas(int(id)) > 1 ORDER BY 1").collect())
"""
ANSWERS = """[Row(n=1, plus(n)=2, u='A', pp=3), Row(n=2, plus(n)=3, u='B', pp=4), Row(n=None, plus(n)=None, u='C', pp=None)]
[Row(n=2, s='b')]
[Row(k='A', t=2), Row(k='B', t=3), Row(k='C', t=None)]
[Row(a=0, b='n0'), Row(a=1, b='n1')]
[Row(half(id)=0.0), Row(half(id)=0.5), Row(half(id)=1.0)]
[Row(sum(v)=5000050000)]
[Row(v=2, w=3), Row(v=3, w=3)]
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_functions_over_columns(raudal, environment, tmp_path, version):
    assert run(raudal, environment, version, tmp_path, FUNCTIONS) == ANSWERS


def test_a_function_over_columns_that_fails_shows_its_traceback(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        @udf("int")
        def inverse(x):
            return 1 // x
        try:
            spark.range(3).select(inverse("id")).collect()
        except Exception as failure:
            print(type(failure).__name__, failure)
        print(spark.range(1, 3).select(inverse("id").alias("i")).collect())
        """)
    assert printed.startswith("PythonException") and "ZeroDivisionError" in printed and "in inverse" in printed
    assert printed.endswith("[Row(i=1), Row(i=0)]\n")


def test_a_worker_that_dies_fails_its_query_and_the_next_one_runs(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        import os
        @udf("int")
        def deadly(x):
            os._exit(3)
        try:
            spark.range(3).select(deadly("id")).collect()
        except Exception as failure:
            print(type(failure).__name__, failure)
        print(spark.range(2).select(udf(lambda x: x + 1, "long")("id").alias("i")).collect())
        """)
    assert "Python worker exited unexpectedly (crashed)" in printed and printed.endswith("[Row(i=1), Row(i=2)]\n")


@pytest.mark.long
def test_functions_that_hang_end_with_their_interrupt(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, timeout_s=240, program="""
        import os, tempfile, threading
        def hang(mark):
            open(mark, "w").close()
            time.sleep(600)
        def hang_over_rows(mark):
            def over_rows(frames):
                for frame in frames:
                    hang(mark)
                    yield frame
            return over_rows
        def until_there(mark):
            while not os.path.exists(mark):
                time.sleep(0.1)
            os.unlink(mark)
        def interrupted(mark, frame):
            def collect():
                try:
                    frame.collect()
                except Exception as failure:
                    print("OPERATION_CANCELED" in str(failure))
            thread = threading.Thread(target=collect)
            thread.start()
            until_there(mark)
            spark.interruptAll()
            thread.join(20)
            print(thread.is_alive())
        mark = tempfile.mktemp()
        interrupted(mark, spark.range(1).select(udf(lambda x: hang(mark), "int")("id")))
        interrupted(mark, spark.range(1).repartition(1).mapInPandas(hang_over_rows(mark), "id long"))
        stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 3).load().select("value")
        query = stream.mapInPandas(hang_over_rows(mark), "value long").writeStream.format("memory").queryName("hanging").start()
        until_there(mark)
        started = time.time()
        query.stop()
        print(time.time() - started < 20, query.isActive)
        print(spark.range(2).select(udf(lambda x: x + 1, "long")("id").alias("i")).collect())
        """)
    assert printed == "True\nFalse\nTrue\nFalse\nTrue False\n[Row(i=1), Row(i=2)]\n"


def test_values_of_functions_over_rows_are_not_cast(raudal, environment, tmp_path):
    """The answers are real Spark's, for functions without Arrow."""
    printed = run(raudal, environment, "course", tmp_path, """
        values = [1, 1.5, True, "a", b"b", [1, 2], (1,), {"a": 1}, 2 ** 40]
        for kind in ("int", "double", "boolean", "binary", "array<int>", "map<string,int>", "struct<a:int>"):
            wanted = [value for value in values if kind[0] != "s" or value != [1, 2]]
            functions = [udf(lambda x, value=value: value, kind, useArrow=False)("id") for value in wanted]
            print(*spark.range(1).select(*[f.alias(str(i)) for i, f in enumerate(functions)]).collect()[0])
        """)
    assert printed == """1 None None None None None None None 0
None 1.5 None None None None None None None
None None True None None None None None None
None None None b'a' b'b' None None None None
None None None None [98] [1, 2] [1] None None
None None None None None None None {'a': 1} None
None None None None None Row(a=1) Row(a=1) None
"""


def test_functions_in_a_streaming_query(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        stream = spark.readStream.format("rate").option("rowsPerSecond", 20).load()
        named = stream.select(udf(lambda x: "n%d" % x)("value").alias("name"))
        query = named.writeStream.format("memory").queryName("names").start()
        while spark.table("names").count() < 20:
            time.sleep(0.1)
        query.stop()
        print(sorted(row.name for row in spark.table("names").collect())[:3])
        """)
    assert printed == "['n0', 'n1', 'n10']\n"


MANY_ROWS = """
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import Window
    values = [(1, 1.0, "a"), (1, 2.0, "b"), (2, 3.0, "c"), (2, 5.0, None), (2, 10.0, "e"), (None, 7.0, "f")]
    df = spark.createDataFrame(values, "id long, v double, s string")
    def show(frame):
        print(*sorted("/".join(str(value) for value in row) for row in frame.collect()))
    def double(frames):
        for frame in frames:
            frame["v"] = frame["v"] * 2
            yield frame
    show(df.mapInPandas(double, df.schema))
    show(df.mapInArrow(lambda batches: (batch.select([1]) if hasattr(batch, "select") else batch for batch in batches), "v double"))
    show(df.groupby("id").applyInPandas(lambda frame: frame.assign(v=frame.v - frame.v.min())[["id", "v"]], "id long, v double"))
    show(df.groupby("id", df.v > 2).applyInPandas(lambda key, frame: pd.DataFrame([key + (len(frame),)]), "id long, big boolean, n long"))
    other = spark.createDataFrame([(1, "x"), (3, "y")], "id long, w string")
    both = df.groupby("id").cogroup(other.groupby("id"))
    show(both.applyInPandas(lambda key, l, r: pd.DataFrame({"k": [str(key[0])], "l": [len(l)], "r": [",".join(r.w)]}), "k string, l int, r string"))
    @pandas_udf("double")
    def mean_of(v: pd.Series) -> float:
        return v.mean()
    show(df.groupby("id").agg(mean_of("v")))
    print(df.agg(mean_of("v")).columns, df.groupBy().agg(mean_of(df.v + 1).alias("m")).collect())
    window = Window.partitionBy("id").orderBy("v")
    show(df.select("id", mean_of("v").over(window.rowsBetween(-1, 0))))
    spark.udf.register("mean_sql", mean_of)
    df.createOrReplaceTempView("t")
    show(spark.sql("SELECT id, mean_sql(v) FROM t GROUP BY id"))
    def wrong(name, frame):
        try:
            frame.collect()
        except Exception as failure:
            known = ("iterator of pandas.DataFrame, but is int", "Missing: id", "pandas.DataFrame")
            print(name, type(failure).__name__, [word for word in known if word in str(failure)][0])
    wrong(1, df.mapInPandas(lambda frames: 3, "id long"))
    wrong(2, df.mapInPandas(lambda frames: (pd.DataFrame({"x": [1]}) for _ in frames), "id long"))
    wrong(3, df.groupby("id").applyInPandas(lambda frame: 3, "id2 long"))
"""
MANY_ROWS_ANSWERS = """1/2.0/a 1/4.0/b 2/10.0/None 2/20.0/e 2/6.0/c None/14.0/f
1.0 10.0 2.0 3.0 5.0 7.0
1/0.0 1/1.0 2/0.0 2/2.0 2/7.0 None/0.0
1/False/2 2/True/3 None/True/1
1/2/x 2/3/ 3/0/y nan/1/
1/1.5 2/6.0 None/7.0
['mean_of(v)'] [Row(m=5.666666666666667)]
1/1.0 1/1.5 2/3.0 2/4.0 2/7.5 None/7.0
1/1.5 2/6.0 None/7.0
1 PythonException iterator of pandas.DataFrame, but is int
2 PythonException Missing: id
3 PythonException pandas.DataFrame
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_functions_over_partitions_groups_and_windows(raudal, environment, tmp_path, version):
    """The answers are real Spark's."""
    assert run(raudal, environment, version, tmp_path, MANY_ROWS) == MANY_ROWS_ANSWERS


ARROW = """
    import pyarrow as pa
    import pyarrow.compute
    from typing import Iterator
    df = spark.createDataFrame([(1, 1.0), (1, 2.0), (2, 3.0)], "id long, v double")
    other = spark.createDataFrame([(1, "x"), (3, "y")], "id long, w string")
    counts = lambda key, table: pa.table({"id": [key[0].as_py()], "n": [table.num_rows]})
    print(sorted(df.groupby("id").applyInArrow(counts, "id long, n long").collect()))
    sizes = lambda l, r: pa.table({"l": [l.num_rows], "r": [r.num_rows]})
    print(sorted(df.groupby("id").cogroup(other.groupby("id")).applyInArrow(sizes, "l long, r long").collect()))
    @arrow_udf("double")
    def plus(v: pa.Array) -> pa.Array:
        return pa.compute.add(v, 1)
    @arrow_udf("double")
    def total(v: pa.Array) -> float:
        return pa.compute.sum(v)
    @arrow_udf("double")
    def times(parts: Iterator[pa.Array]) -> Iterator[pa.Array]:
        for part in parts:
            yield pa.compute.multiply(part, 10)
    print(df.select(plus("v"), times("v")).collect())
    print(df.groupBy("id").agg(total("v")).orderBy("id").collect())
    try:
        df.groupby("id").applyInArrow(lambda table: pa.table({"id": ["a"]}), "id long").collect()
    except Exception as failure:
        print(type(failure).__name__, "(expected int64, actual string)" in str(failure))
"""
ARROW_ANSWERS = """[Row(id=1, n=2), Row(id=2, n=1)]
[Row(l=0, r=1), Row(l=1, r=0), Row(l=2, r=1)]
[Row(plus(v)=2.0, times(v)=10.0), Row(plus(v)=3.0, times(v)=20.0), Row(plus(v)=4.0, times(v)=30.0)]
[Row(id=1, total(v)=3.0), Row(id=2, total(v)=3.0)]
PythonException True
"""


@pytest.mark.parametrize("version", SINCE_4)
def test_functions_over_arrow(raudal, environment, tmp_path, version):
    assert run(raudal, environment, version, tmp_path, ARROW) == ARROW_ANSWERS


def test_functions_over_partitions_and_groups_of_a_stream(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        import pandas as pd
        stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).option("numPartitions", 2).load()
        mapped = stream.mapInPandas(lambda frames: (frame[["value"]] for frame in frames), "value long")
        groups = mapped.groupBy((mapped.value % 2).alias("odd")).applyInPandas(
            lambda key, frame: pd.DataFrame([(key[0], len(frame), frame.value.sum())]), "odd long, n long, total long")
        query = groups.writeStream.format("memory").queryName("groups").start()
        while spark.table("groups").count() < 4:
            time.sleep(0.1)
        query.stop()
        print(sorted(tuple(row) for row in spark.table("groups").collect())[:2])
        """)
    assert printed == "[(0, 5, 20), (0, 5, 70)]\n"


ARTIFACTS = """
    import os, pathlib, tempfile, zipfile
    spark.range(1).select(udf(lambda x: x, "long")("id")).collect()  # a worker is there already
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "sent_module.py").write_text("def triple(x): return 3 * x")
    (folder / "data.txt").write_text("hola")
    for name, inside in (("library.zip", "sent_package/__init__.py"), ("box.zip", "inner.txt")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(inside, "V = 41")
    spark.addArtifacts(str(folder / "sent_module.py"), str(folder / "library.zip"), pyfile=True)
    spark.addArtifacts(str(folder / "data.txt"), file=True)
    spark.addArtifacts(str(folder / "box.zip") + "#box", archive=True)
    @udf("string")
    def use(x):
        import sent_module, sent_package
        root = pathlib.Path(sent_module.__file__).parent
        return f"{sent_module.triple(x)} {sent_package.V} {(root / 'data.txt').read_text()} {(root / 'box' / 'inner.txt').read_text()}"
    print(spark.range(2).select(use("id")).collect())
"""


@pytest.mark.parametrize("version", ["course", *(pytest.param(version, marks=pytest.mark.long) for version in ALL if version != "course")])
def test_functions_find_artifacts(raudal, environment, tmp_path, version):
    assert run(raudal, environment, version, tmp_path, ARTIFACTS) == \
        "[Row(use(id)='0 41 hola V = 41'), Row(use(id)='3 41 hola V = 41')]\n"
    wait_until(lambda: not list((raudal.data / "run" / "python").glob("files-*")), what="the end of the session's files")


LISTENER = """
    from pyspark.sql.streaming import StreamingQueryListener
    seen, names = {"started": [], "progress": [], "idle": [], "terminated": []}, {}
    class Listener(StreamingQueryListener):
        def onQueryStarted(self, event):
            seen["started"].append((event.name, str(event.runId), bool(event.timestamp)))
        def onQueryProgress(self, event):
            progress = event.progress
            seen["progress"].append((progress.name, str(progress.runId), progress.numInputRows, progress.sources[0].numInputRows))
        def onQueryIdle(self, event):
            seen["idle"].append(str(event.runId))
        def onQueryTerminated(self, event):
            seen["terminated"].append((str(event.runId), event.exception and "DIVIDE_BY_ZERO" in event.exception))
    listener = Listener()
    spark.streams.addListener(listener)
    def start(name, *columns):
        stream = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 3).load()
        return stream.selectExpr(*columns).writeStream.format("memory").queryName(name).start()
    def until(done):
        end = time.time() + 30
        while not done() and time.time() < end:
            time.sleep(0.05)
    good = start("good", "value")
    until(lambda: len(seen["progress"]) >= 2)
    good.stop()
    until(lambda: seen["terminated"])
    bad = start("bad", "1 / (value - value)")
    until(lambda: len(seen["terminated"]) == 2)
    spark.streams.removeListener(listener)
    print([(name, run == str(query.runId), when) for (name, run, when), query in zip(sorted(seen["started"], reverse=True), (good, bad))])
    print(seen["progress"][0] == ("good", str(good.runId), 3, 3))
    print([(run == str(query.runId), cause) for (run, cause), query in zip(seen["terminated"], (good, bad))])
"""


@pytest.mark.parametrize("version", SINCE_4)
def test_a_listener_hears_of_queries(raudal, environment, tmp_path, version):
    assert run(raudal, environment, version, tmp_path, LISTENER) == \
        "[('good', True, True), ('bad', True, True)]\nTrue\n[(True, None), (True, True)]\n"


def test_a_function_of_another_python_is_not_run(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        from pyspark.sql.connect import expressions
        made = expressions.PythonUDF.__init__
        def older(self, *arguments, **named):
            made(self, *arguments, **named)
            self._python_ver = "3.7"
        expressions.PythonUDF.__init__ = older
        try:
            spark.range(3).select(udf(lambda x: x, "long")("id")).collect()
        except Exception as failure:
            print(type(failure).__name__, failure)
        """)
    assert printed.startswith("PythonException") and "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3." in printed
    assert "than that in driver: 3.7, PySpark cannot run with different minor versions." in printed


def test_what_is_not_served_is_refused_by_name(raudal, environment, tmp_path):
    printed = run(raudal, environment, "course", tmp_path, """
        try:
            stream = spark.readStream.format("rate").load()
            from pyspark.sql.streaming import StatefulProcessor
            class Processor(StatefulProcessor):
                def init(self, handle): pass
                def handleInputRows(self, key, rows, timers): yield from rows
                def close(self): pass
            stream.groupBy("value").transformWithStateInPandas(Processor(), "value long", "append", "None").columns
        except Exception as failure:
            print(failure)
        left, right = spark.range(2), spark.range(2).withColumnRenamed("id", "n")
        try:
            left.join(right, udf(lambda a, b: a == b, "boolean")("id", "n")).collect()
        except Exception as failure:
            print(failure)
        """)
    assert "UNSUPPORTED_FEATURE.STORE_BACKEND_NOT_SUPPORTED_FOR_TWS" in printed and "TransformWithState operator" in printed
    assert "UNSUPPORTED_FEATURE.PYTHON_UDF_IN_ON_CLAUSE" in printed
