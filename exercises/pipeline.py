from pyspark.sql import SparkSession
from pyspark.sql.functions import from_json
from pyspark.sql.types import IntegerType, StructField, StructType, TimestampType

spark = SparkSession.builder \
    .appName("Pipeline") \
    .config("spark.jars.packages", "org.apache.spark:spark-sql-kafka-0-10_2.12:3.2.0") \
    .getOrCreate()

schema = StructType([
    StructField("timestamp", TimestampType()),
    StructField("value", IntegerType())
])

df = spark.readStream \
    .format("kafka") \
    .option("kafka.bootstrap.servers", "kafka:9092") \
    .option("subscribe", "sensores") \
    .load()

parsed = df.selectExpr("CAST(value AS STRING)") \
    .select(from_json("value", schema).alias("data")) \
    .select("data.*")

query = parsed.writeStream \
    .format("parquet") \
    .option("path", "hdfs://namenode:9000/datos/streaming") \
    .option("checkpointLocation", "/checkpoint") \
    .start()

query.awaitTermination()
