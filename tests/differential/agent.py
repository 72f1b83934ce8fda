"""Runs generated pipelines (generate.py) on a real Spark or on a Raudal, for test_differential.py.

    python agent.py spark|raudal BOOTSTRAP FOLDER [JARS]    raudal: under `raudal run`

One line of JSON on stdin asks for one run of a pipeline: {"pipeline": …, "run": NUMBER}. The answer, one line on stdout: what the
query said of each batch, or the error. FOLDER/SEED holds the checkpoint and what the sink wrote; FOLDER/../in*, the input files.
"""
import json
import os
import re
import sys

SCHEMA = "ts timestamp, k string, v int, n long"
MORE = ["cast(key as string) as rk", "topic", "partition", "offset", "timestamp", "timestampType"]


def session(engine, jars):
    from pyspark.sql import SparkSession
    builder = SparkSession.builder
    if engine == "spark":
        builder = (builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.jars", jars)
                   .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
                   .config("spark.sql.streaming.minBatchesToRetain", "1000"))
    spark = builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    for kind in ("json", "csv", "parquet"):     # or Spark counts fewer input rows
        name = "spark.sql.parquet.filterPushdown" if kind == "parquet" else f"spark.sql.{kind}.filterPushdown.enabled"
        spark.conf.set(name, "false")
    return spark


class Pipeline:
    def __init__(self, spark, bootstrap, folder, asked):
        self.spark, self.bootstrap, self.inputs = spark, bootstrap, os.path.dirname(folder)
        self.pipeline, self.number = asked["pipeline"], asked["run"]
        self.run = self.pipeline["runs"][self.number]
        self.folder = f"{folder}/{self.pipeline['seed']}"

    def source(self, index):
        source = self.pipeline["sources"][index]
        options = {**source["options"], **self.run["options"][index]}
        parsed = f"from_json(%s, '{SCHEMA}') as r"
        if source["kind"] == "kafka":
            found = (self.spark.readStream.format("kafka").option("kafka.bootstrap.servers", self.bootstrap)
                     .option("subscribe", source["topic"]).options(**options).load())
            return found.selectExpr(parsed % "cast(value as string)", *(MORE if source["more"] else [])).selectExpr(
                "r.*", *(each.split()[-1] for each in (MORE if source["more"] else [])))
        reader, path = self.spark.readStream.options(**options), f"file:{self.inputs}/{source['folder']}"
        if source["kind"] == "text":
            return reader.text(path).selectExpr(parsed % "value").select("r.*")
        return reader.schema(SCHEMA).format(source["kind"]).load(path)

    def apply(self, frame, steps):
        for step in steps:
            frame = self.step(frame, *step)
        return frame

    def step(self, frame, name, *words):
        from pyspark.sql import functions as f
        if name == "where":
            return frame.where(words[0])
        if name == "with":
            return frame.selectExpr("*", *words[0])
        if name == "select":
            return frame.selectExpr(*words[0])
        if name == "watermark":
            return frame.withWatermark(*words)
        if name == "group":
            return frame.groupBy(*(f.expr(key) for key in words[0])).agg(*(f.expr(each) for each in words[1]))
        if name == "flat":
            names = [column for column in frame.columns if column != words[0]]
            return frame.selectExpr(f"{words[0]}.start as w0", f"{words[0]}.end as w1", *names)
        if name == "unique":
            return frame.dropDuplicates(words[0])
        if name == "unique within":
            return frame.dropDuplicatesWithinWatermark(words[0])
        if name == "limit":
            return frame.limit(words[0])
        if name == "table":
            table = self.spark.createDataFrame([("a", "x"), ("b", "y"), ("de", None), ("a", "twice")], "k string, z string")
            return frame.join(table, "k", words[0])
        if name == "join":
            return frame.join(self.apply(self.source(1), words[0]), f.expr(words[1]), words[2])
        assert name == "union", name
        return frame.select("ts", "k", "v", "n").union(self.source(1).select("ts", "k", "v", "n"))

    def start(self):
        frame = self.apply(self.source(0), self.pipeline["steps"])
        kind, out = self.pipeline["sink"], f"{self.folder}/out"
        if kind == "kafka":
            frame = frame.selectExpr("cast(n as string) as key" if "n" in frame.columns else "cast(null as string) as key",
                                     "to_json(struct(*)) as value")
        writer = frame.writeStream.outputMode(self.pipeline["mode"]).option("checkpointLocation", f"file:{self.folder}/checkpoint")
        if kind == "function":
            def keep(rows, number):
                import os
                lines = [row[0] for row in rows.selectExpr("to_json(struct(*))").collect()]
                os.makedirs(out, exist_ok=True)
                with open(f"{out}/{number}", "w") as file:
                    file.write("\n".join(sorted(lines)))
            writer = writer.foreachBatch(keep)
        elif kind == "memory":
            writer = writer.format("memory").queryName(f"seed{self.pipeline['seed']}")
        elif kind == "kafka":
            writer = (writer.format("kafka").option("kafka.bootstrap.servers", self.bootstrap)
                      .option("topic", f"out{self.pipeline['seed']}{os.path.basename(os.path.dirname(self.folder))}"))
        else:
            writer = writer.format(kind).option("path", f"file:{out}")
        trigger = {"availableNow": {"availableNow": True}, "once": {"once": True}, "all": {"processingTime": "0 seconds"}}
        return writer.trigger(**trigger[self.run["trigger"]]).start()

    def play(self):
        self.spark.conf.set("spark.sql.shuffle.partitions", str(self.pipeline["partitions"]))
        self.spark.conf.set("spark.sql.streaming.multipleWatermarkPolicy", self.pipeline["policy"])
        query = self.start()
        try:
            if self.run["trigger"] == "all":
                query.processAllAvailable()
            else:
                query.awaitTermination()
        finally:
            query.stop()
        found = {"progress": [json.loads(each.json) for each in query.recentProgress]}
        if self.pipeline["sink"] == "memory":
            rows = self.spark.table(f"seed{self.pipeline['seed']}").selectExpr("to_json(struct(*))").collect()
            found["rows"] = sorted(row[0] for row in rows)
        return found


def described(problem):
    condition = getattr(problem, "getCondition", lambda: None)()
    text = re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", str(problem))
    return {"error": [type(problem).__name__, condition, re.sub("#[0-9]+", "#0", text)[:4000]]}


def main(engine, bootstrap, folder, jars=""):
    spark = session(engine, jars)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            answer = Pipeline(spark, bootstrap, folder, json.loads(line)).play()
        except Exception as problem:
            answer = described(problem)
        print("ANSWER" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
