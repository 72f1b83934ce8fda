"""fs.defaultFS: what a path without a scheme means, for the hdfs tool, for Spark and for Hadoop's own configuration."""
from harness import BINARY, run


def test_it_names_our_own_store_and_its_port(start_raudal, environment):
    raudal = start_raudal("--only", "hdfs,kafka,spark-connect", set={"fs.defaultFS": "hdfs://hadoop:8020"})
    assert f"hdfs://{raudal.address}:8020" in raudal.up_output
    assert raudal.tool("hdfs", "getconf", "-confKey", "fs.defaultFS").ok().stdout == "hdfs://hadoop:8020\n"
    assert "<value>hdfs://hadoop:8020</value>" in raudal.shell("cat $HADOOP_CONF_DIR/core-site.xml").ok().stdout
    assert "hdfs://hadoop:8020 " in raudal.tool("hdfs", "dfs", "-df").ok().stdout
    result = environment("spark-4_3").python("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.config("spark.hadoop.fs.defaultFS", "hdfs://hadoop:8020").getOrCreate()
        print(spark.conf.get("spark.hadoop.fs.defaultFS"))
        spark.range(3).write.parquet("/rows")
        print(spark.read.parquet("hdfs://hadoop:8020/rows").count())
        try:
            spark.read.parquet("/absent").count()
        except Exception as error:
            print(error)
        """, raudal=raudal)
    assert result.ok().stdout.startswith("hdfs://hadoop:8020\n3\n"), result
    assert "hdfs://hadoop:8020/absent" in result.stdout
    listed = raudal.tool("hdfs", "dfs", "-ls", "hdfs://hadoop:8020/rows").ok().stdout
    assert "hdfs://hadoop:8020/rows/_SUCCESS" in listed


def test_another_cluster_is_refused_by_name(start_raudal, environment, tmp_path):
    for value, sentence in (
            ("hdfs://cluster:9000", "hdfs://cluster:9000 names another HDFS, and this version serves only its own"),
            ("file:///", "write file:/PATH for a file of this machine"),
            ("s3a://bucket", "hdfs://HOST:PORT is needed")):
        result = run([BINARY, "up", "-d", "--data", tmp_path / "other", "--set", f"fs.defaultFS={value}"])
        assert result.returncode == 1 and sentence in result.stderr, result
    result = run([BINARY, "up", "-d", "--data", tmp_path / "other", "--set", "fs.defaultFS=hdfs://namenode:8020",
                  "--set", "dfs.namenode.rpc-address=namenode:9000"])
    assert result.returncode == 1 and "means port 8020, and dfs.namenode.rpc-address=namenode:9000 says another one" in result.stderr


def test_a_program_that_names_another_cluster_is_told_our_names(raudal, environment):
    result = environment("spark-4_3").python("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.config("spark.hadoop.fs.defaultFS", "hdfs://cluster:9000").getOrCreate()
        """, raudal=raudal)
    assert result.returncode != 0
    assert "hdfs://cluster:9000 is not this Raudal's store; its own names are namenode, datanode" in result.stderr
