"""Single services stopped and started again: what their clients see."""
import socket
import time

import pytest

from harness import end, run, wait_until


def docker(raudal, *words):
    return raudal.shell(["docker", *words])


def answers(raudal, service):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((raudal.address, raudal.port(service))) == 0


def read_all(raudal, topic):
    """What partition 0 holds now."""
    from kafka import KafkaConsumer, TopicPartition
    consumer = KafkaConsumer(bootstrap_servers=raudal.at("kafka"), group_id=None)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end_offset = consumer.end_offsets([partition])[partition]
    values = []
    while consumer.position(partition) < end_offset:
        values += [record.value.decode() for record in consumer.poll(200).get(partition, [])]
    consumer.close()
    return values


def test_the_broker_falls(raudal):
    """The lesson: a producer goes on sending while the broker is down; what it sent arrives when the broker is back."""
    from kafka import KafkaProducer
    raudal.create_topic("falls", 1)
    producer = KafkaProducer(bootstrap_servers=raudal.at("kafka"), acks="all", retries=100, retry_backoff_ms=50,
                             reconnect_backoff_ms=50, reconnect_backoff_max_ms=200, max_in_flight_requests_per_connection=1)
    futures = [producer.send("falls", b"before %d" % i) for i in range(10)]
    producer.flush(20)
    assert docker(raudal, "stop", "kafka").ok().stdout == "kafka\n"
    assert not answers(raudal, "kafka")
    assert answers(raudal, "zookeeper") and answers(raudal, "kafka-ui")
    futures += [producer.send("falls", b"while %d" % i) for i in range(10)]
    time.sleep(0.5)
    assert not any(future.is_done for future in futures[10:])
    assert docker(raudal, "start", "kafka").ok().stdout == "kafka\n"
    futures += [producer.send("falls", b"after %d" % i) for i in range(10)]
    assert [future.get(30).offset for future in futures] == list(range(30))
    producer.close()
    assert read_all(raudal, "falls") == [f"{word} {i}" for word in ("before", "while", "after") for i in range(10)]


def test_a_consumer_group_goes_on(raudal):
    from kafka import KafkaConsumer, KafkaProducer
    raudal.create_topic("group", 1)
    producer = KafkaProducer(bootstrap_servers=raudal.at("kafka"))
    consumer = KafkaConsumer("group", bootstrap_servers=raudal.at("kafka"), group_id="g", auto_offset_reset="earliest",
                             reconnect_backoff_ms=50, reconnect_backoff_max_ms=200)
    seen = []

    def has(count):
        for records in consumer.poll(200).values():
            seen.extend(record.value for record in records)
        return len(seen) >= count

    producer.send("group", b"one").get(20)
    wait_until(lambda: has(1), 30, "the first record", 0)
    consumer.commit()
    docker(raudal, "restart", "kafka").ok()
    producer.send("group", b"two").get(30)
    wait_until(lambda: has(2), 30, "the second record", 0)
    assert seen == [b"one", b"two"]
    consumer.close()
    producer.close()


QUERY = """
    from pyspark.sql import SparkSession
    import sys
    spark = SparkSession.builder.getOrCreate()
    rows = spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "source") \\
        .option("startingOffsets", "earliest").load().selectExpr("CAST(value AS STRING) AS value")
    query = rows.writeStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("topic", "target") \\
        .option("checkpointLocation", "/checkpoints/broker").start()
    print("started", flush=True)
    query.awaitTermination()
    """


def test_a_streaming_query_goes_on(raudal, environment):
    from kafka import KafkaProducer
    for topic in ("source", "target"):
        raudal.create_topic(topic, 1)
    process = raudal.run_in_background(QUERY, environment=environment("spark-client-4_1"))
    try:
        wait_until(lambda: "started" in process.output.read_text(), 60, "the query's start")
        producer = KafkaProducer(bootstrap_servers=raudal.at("kafka"))
        for i in range(5):
            producer.send("source", b"%d" % i).get(20)
        wait_until(lambda: len(read_all(raudal, "target")) == 5, 30, "the first five rows")
        for i in range(5, 9):
            producer.send("source", b"%d" % i)
        producer.flush(20)
        docker(raudal, "stop", "kafka").ok()
        states = [query["state"] for query in raudal.status()["queries"]]
        assert states == ["active"]
        docker(raudal, "start", "kafka").ok()
        producer.send("source", b"9").get(30)
        producer.close()
        wait_until(lambda: len(read_all(raudal, "target")) >= 10, 30, "all ten rows")
        assert read_all(raudal, "target") == [str(i) for i in range(10)]
        assert process.poll() is None
    finally:
        end(process)


def test_the_namenode_falls(raudal, environment):
    """The engine's files are in HDFS: without the NameNode a write fails and names it; later it works."""
    raudal.shell("echo hello | hdfs dfs -put - /greeting").ok()
    docker(raudal, "stop", "namenode").ok()
    assert not answers(raudal, "namenode") and not answers(raudal, "namenode-ui")
    failed = raudal.shell("hdfs dfs -cat /greeting")
    assert failed.returncode != 0 and "onnection refused" in failed.stderr and "docker start namenode" in failed.stderr
    program = 'from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n' \
              'spark.range(3).write.mode("overwrite").parquet("/numbers")\n' \
              'print(spark.read.parquet("/numbers").count())\n'
    failed = raudal.run(program, environment=environment("spark-client-4_1"))
    assert failed.returncode != 0 and "the namenode is stopped" in failed.out, failed
    docker(raudal, "start", "namenode").ok()
    assert raudal.shell("hdfs dfs -cat /greeting").ok().stdout == "hello\n"
    assert raudal.run(program, environment=environment("spark-client-4_1")).ok().stdout == "3\n"


def test_the_datanode_falls(raudal):
    raudal.shell("echo hello | hdfs dfs -put - /block").ok()
    docker(raudal, "stop", "datanode").ok()
    assert "/block" in raudal.shell("hdfs dfs -ls /").ok().stdout  # the NameNode knows the names
    assert raudal.shell("hdfs dfs -cat /block").returncode != 0
    refused = raudal.shell("echo more | hdfs dfs -put - /more")
    assert refused.returncode != 0 and "There are 0 datanode(s) running" in refused.stderr, refused
    assert "Dead datanodes (1):" in raudal.shell("hdfs dfsadmin -report").ok().stdout
    docker(raudal, "start", "datanode").ok()
    assert raudal.shell("hdfs dfs -cat /block").ok().stdout == "hello\n"


def test_zookeeper_knows_which_brokers_run(raudal):
    from kazoo.client import KazooClient
    client = KazooClient(hosts=raudal.at("zookeeper"))
    client.start(20)
    assert client.get_children("/brokers/ids") == ["1"]
    docker(raudal, "stop", "kafka").ok()
    wait_until(lambda: client.get_children("/brokers/ids") == [], 10, "the end of the broker's node")
    docker(raudal, "restart", "zookeeper").ok()
    wait_until(lambda: client.connected, 30, "the connection's return")
    assert client.retry(client.get_children, "/brokers/ids") == []
    docker(raudal, "start", "kafka").ok()
    wait_until(lambda: client.retry(client.get_children, "/brokers/ids") == ["1"], 10, "the broker's node")
    client.stop()


def test_zookeeper_falls(raudal):
    from kazoo.client import KazooClient
    client = KazooClient(hosts=raudal.at("zookeeper"))
    client.start(20)
    client.create("/lesson", b"kept")
    docker(raudal, "stop", "zookeeper").ok()
    wait_until(lambda: not client.connected, 20, "the connection's end")
    assert answers(raudal, "kafka") and not answers(raudal, "zookeeper")
    docker(raudal, "start", "zookeeper").ok()
    wait_until(lambda: client.connected, 30, "the connection's return")
    assert client.get("/lesson")[0] == b"kept"
    client.stop()


@pytest.mark.parametrize("container,service", [("kafka-ui", "kafka-ui"), ("spark-master", "spark-connect")])
def test_a_port_closes_and_opens(raudal, container, service):
    docker(raudal, "stop", container).ok()
    assert not answers(raudal, service)
    states = {each["name"]: each["state"] for each in raudal.status()["services"]}
    assert states[service] == "stopped" and states["kafka"] == "running"
    assert "stopped" in raudal.command("status").ok().stdout
    docker(raudal, "start", container).ok()
    assert answers(raudal, service)


def test_everything_stops_and_the_process_ends_cleanly(start_raudal):
    raudal = start_raudal()
    raudal.command("stop").ok()
    assert not any(answers(raudal, service) for service in ("kafka", "namenode", "kafka-ui", "spark-connect"))
    assert raudal.command("ps").ok().stdout.count("\n") == 1  # the headline
    raudal.command("down").ok()
    raudal.start()
    assert raudal.command("ps", "-q").ok().stdout.count("\n") == 8


def test_what_a_query_writes_waits_for_the_broker(raudal, environment):
    """A query that makes rows all the time goes on over a stopped broker: each row arrives once, in its order."""
    raudal.create_topic("ticks", 1)
    program = """
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        rows = spark.readStream.format("rate").option("rowsPerSecond", 50).load().selectExpr("CAST(value AS STRING) AS value")
        rows.writeStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("topic", "ticks") \\
            .option("checkpointLocation", "/checkpoints/ticks").trigger(processingTime="200 milliseconds").start().awaitTermination()
        """
    process = raudal.run_in_background(program, environment=environment("spark-client-4_1"))
    try:
        wait_until(lambda: len(read_all(raudal, "ticks")) > 20, 60, "the first rows", 0)
        docker(raudal, "stop", "kafka").ok()
        time.sleep(1)
        docker(raudal, "start", "kafka").ok()
        before = len(read_all(raudal, "ticks"))
        wait_until(lambda: len(read_all(raudal, "ticks")) > before + 100, 60, "more rows", 0)
        values = [int(value) for value in read_all(raudal, "ticks")]
        assert values == list(range(len(values)))
        assert process.poll() is None
    finally:
        end(process)
