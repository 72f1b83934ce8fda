"""Why nothing comes out, the sentences that tests/clients/pages/test_why.py leaves out: raudal status says them in both languages."""
import json

from harness import end, wait_until

raudal_options = ["--only", "kafka,spark"]

PROGRAM = r'''
    import sys
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import window
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    folder = sys.argv[1]

    def source(topic, how="subscribe", **options):
        return (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option(how, topic)
                .option("startingOffsets", "earliest").options(**options).load())

    def start(name, rows, mode="append", format="noop", **options):
        writer = rows.writeStream.queryName(name).outputMode(mode).format(format).options(**options)
        return writer.trigger(processingTime="0 seconds").start()

    def timed(topic):
        return source(topic).selectExpr("cast(cast(value as string) as timestamp) as t").withWatermark("t", "10 seconds")

    start("missing", source("zzz.*", "subscribePattern"))
    start("filtered", source("numbers").where("offset < 0"), format="memory")
    start("read", source("numbers"))
    start("timeless", source("numbers").selectExpr("cast(null as timestamp) as t").withWatermark("t", "1 second")
          .groupBy(window("t", "1 minute")).count())
    start("groupless", source("numbers").where("offset < 0").groupBy("partition").count(), "complete", "memory")
    start("files", spark.readStream.schema("value STRING").text(f"file:{folder}/in"))
    start("uneven", timed("ahead").union(timed("behind")).groupBy(window("t", "1 minute")).count())
    checkpoint = f"file:{folder}/checkpoint"
    before = source("numbers").writeStream.format("noop").option("checkpointLocation", checkpoint).trigger(availableNow=True).start()
    before.awaitTermination()
    spark.streams.resetTerminated()
    start("again", source("numbers"), checkpointLocation=checkpoint)
    print("started", flush=True)
    spark.streams.awaitAnyTermination()
    '''

SENTENCES = {
    "missing": ("topic zzz.* does not exist", "el topic zzz.* no existe"),
    "filtered": ("the last batch wrote none of its rows, of which it read 3: no row passed the filters and joins",
                 "el último lote no escribió ninguna fila de las 3 que leyó: ninguna pasó los filtros y las uniones"),
    "read": ("all of topic numbers has been read; it waits for new messages",
             "se ha leído todo el topic numbers; espera mensajes nuevos"),
    "timeless": ("no event time has been seen yet, so there is no watermark and no group is closed (append mode)",
                 "aún no se ha visto ningún tiempo de evento, así que no hay marca de agua ni se cierra ningún grupo (modo append)"),
    "groupless": ("output mode complete writes every group, and there is none yet",
                  "el modo de salida complete escribe todos los grupos, y aún no hay ninguno"),
    "uneven": ("watermark at 10:00:00: it is that of the input that is furthest behind; another input is at 10:04:50 already, and its "
               "rows wait for events on the first",
               "marca de agua en 10:00:00: es la de la entrada más atrasada; otra entrada va ya por 10:04:50, y sus filas esperan eventos "
               "de la primera"),
}


def test_each_sentence(raudal, environment, tmp_path):
    from confluent_kafka import Producer
    for topic in ("numbers", "ahead", "behind"):
        raudal.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": raudal.at("kafka")})
    for topic, value in (("numbers", "1"), ("numbers", "2"), ("numbers", "3"), ("ahead", "2026-03-01 10:05:00"),
                         ("behind", "2026-03-01 10:00:10")):
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a\n")
    sentences = {**SENTENCES,
                 "files": (f"all files of file:{tmp_path}/in have been read; it waits for new ones",
                           f"se han leído todos los ficheros de file:{tmp_path}/in; espera otros nuevos"),
                 "again": (f"earlier runs of the checkpoint file:{tmp_path}/checkpoint read the 3 messages of numbers; startingOffsets "
                           "counts only at the first start",
                           f"ejecuciones anteriores del checkpoint file:{tmp_path}/checkpoint leyeron los 3 mensajes de numbers; "
                           "startingOffsets solo cuenta la primera vez")}
    program = raudal.run_in_background(PROGRAM, tmp_path, environment=environment("course"))
    told = {}

    def missing():
        for query in raudal.status()["queries"]:
            told[query["name"]] = query["reasons"]
        return [name for name, (english, spanish) in sentences.items()
                if not any(each["en"] == english and each["es"] == spanish for each in told.get(name, []))]
    try:
        wait_until(lambda: not missing() or program.poll() is not None, 60, "the sentences")
    except AssertionError:
        pass
    finally:
        left = missing()
        output = end(program)
    assert not left, json.dumps({name: told.get(name) for name in left}, indent=1, ensure_ascii=False) + output
