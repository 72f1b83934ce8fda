"""The interactive shell of PySpark: `python -i` runs this, and what it defines is there at the first prompt."""
import os
import platform
import sys

from pyspark.sql import SparkSession

try:
    spark = SparkSession.builder.getOrCreate()
    _spark_version = spark.version
except Exception as failure:
    print(f"pyspark: no Spark session could be made: {failure}", file=sys.stderr)
    os._exit(1)

try:
    import sitecustomize
    sc = sitecustomize._SparkContext(spark)
except (ImportError, AttributeError):
    pass

print(f"""Welcome to

    R A U D A L   version {os.environ.get("RAUDAL_VERSION", "")}, which answers as Spark version {_spark_version}

Using Python version {platform.python_version()} ({platform.python_build()[0]}, {platform.python_build()[1]})
Client connected to the Spark Connect server at {os.environ.get("SPARK_REMOTE", "").removeprefix("sc://").split("/")[0]}
SparkSession available as 'spark'.""")
