from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("Lectura").getOrCreate()
df = spark.read.parquet("hdfs://namenode:9000/datos/streaming")
df.printSchema()
df.orderBy("timestamp").show(truncate=False)
print(df.count())
