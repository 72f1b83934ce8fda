"""Hadoop's Java client inside real Spark: parquet and a stream's checkpoint on hdfs://."""
import pytest

raudal_options = ["--only", "namenode,datanode"]

START = """
        import os
        os.environ["HADOOP_USER_NAME"] = "root"
        from pyspark.sql import SparkSession
        spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
                 .config("spark.sql.shuffle.partitions", "1").getOrCreate())
        spark.sparkContext.setLogLevel("ERROR")
        uri = "hdfs://{namenode}"
"""


def test_real_spark_writes_and_reads_parquet(raudal, environment):
    result = environment("spark-4_3").python(START.format(namenode=raudal.at("namenode")) + """
        spark.range(1000).selectExpr("id", "id % 3 AS part").write.partitionBy("part").parquet(uri + "/table")
        spark.range(10).write.mode("overwrite").parquet(uri + "/table/part=0")
        print(spark.read.parquet(uri + "/table").groupBy("part").count().orderBy("part").collect())
        """, timeout_s=120)
    assert "[Row(part=0, count=10), Row(part=1, count=333), Row(part=2, count=333)]" in result.ok().stdout
    import pyarrow.parquet
    assert pyarrow.parquet.read_table(raudal.data / "store" / "table").num_rows == 676
    assert raudal.tool("hdfs", "dfs", "-test", "-e", "/table/_SUCCESS").returncode == 0


@pytest.mark.long
def test_a_real_stream_keeps_its_checkpoint_here(raudal, environment):
    program = START.format(namenode=raudal.at("namenode")) + """
        spark.range({first}, {first} + 500, 1, 4).write.mode("append").json(uri + "/in")
        query = (spark.readStream.schema("id bigint").json(uri + "/in").writeStream.format("parquet")
                 .option("path", uri + "/out").option("checkpointLocation",
                     uri + "/checkpoint").trigger(availableNow=True).start())
        query.awaitTermination()
        print("rows", spark.read.parquet(uri + "/out").distinct().count())
        """
    first = environment("spark-4_3").python(program.replace("{first}", "0"), timeout_s=180)
    assert "rows 500\n" in first.ok().stdout
    raudal.kill9()
    raudal.start()
    second = environment("spark-4_3").python(program.replace("{first}", "500"), timeout_s=180)
    assert "rows 1000\n" in second.ok().stdout
