"""The program's own Python functions: foreachBatch, foreach."""
import textwrap

import pytest

VERSIONS = ["course", "spark-3_5", "spark-4_3", "spark-client-4_1"]


def run(raudal, environment, version, tmp_path, program):
    text = ("from pyspark.sql import SparkSession\nfrom pyspark.sql.functions import *\nimport time\n"
            "spark = SparkSession.builder.getOrCreate()\n" + textwrap.dedent(program))
    return raudal.run(text, environment=environment(version)).ok().stdout


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
