"""What real clients send, recorded, damaged in small ways from a seed, and sent again to every port: the process lives,
goes on serving, and does not grow without bound. RAUDAL_FUZZ_ROUNDS and RAUDAL_FUZZ_SEED make a longer or other run."""
import contextlib
import os
import pathlib
import random
import socket

import pytest

from harness import Address, Raudal, wait_until
from recorder import Recorder, mutate

ROUNDS = int(os.environ.get("RAUDAL_FUZZ_ROUNDS", "150"))
SEED = int(os.environ.get("RAUDAL_FUZZ_SEED", "1"))
PORTS = {"kafka": 9092, "zookeeper": 2181, "spark-connect": 15002, "namenode": 9000, "datanode": 9866,
         "namenode-ui": 9870, "spark-master": 8081}

SPARK = """
import os
os.environ["SPARK_REMOTE"] = "sc://{address}:15002"
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
df = spark.createDataFrame([(1, "a"), (2, None)], "n int, s string")
df.groupBy("s").count().collect()
spark.sql("SELECT upper('x') AS u, 1 + 2").show()
spark.range(10).write.mode("overwrite").parquet("/fuzz")
spark.stop()
"""

HDFS = """
from hdfs_native import Client
client = Client("hdfs://{address}:9000", {{"dfs.client.use.datanode.hostname": "true"}})
client.mkdirs("/native")
with client.create("/native/file") as file:
    file.write(b"x" * 5000)
with client.read("/native/file") as file:
    assert len(file.read()) == 5000
list(client.list_status("/native"))
client.delete("/native", recursive=True)
"""


def use_kafka(address):
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from kafka.admin import NewTopic
    bootstrap = [f"{address}:9092"]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic("fuzz", 3, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    for number in range(50):
        producer.send("fuzz", b"value %d" % number, key=b"key")
    producer.flush()
    consumer = KafkaConsumer("fuzz", bootstrap_servers=bootstrap, group_id="fuzz", auto_offset_reset="earliest",
                             consumer_timeout_ms=3000)
    assert len(list(consumer)) == 50
    consumer.commit()
    consumer.close()
    producer.close()
    admin.close()
    from confluent_kafka import Producer
    other = Producer({"bootstrap.servers": bootstrap[0], "compression.type": "lz4", "enable.idempotence": True})
    other.produce("fuzz", b"x" * 1000)
    assert other.flush(10) == 0


def use_zookeeper(address):
    from kazoo.client import KazooClient
    client = KazooClient(f"{address}:2181")
    client.start(10)
    client.create("/fuzz/a", b"value", makepath=True)
    client.get("/fuzz/a", watch=print)
    client.set("/fuzz/a", b"other")
    client.get_children("/fuzz")
    transaction = client.transaction()
    transaction.create("/fuzz/b")
    transaction.delete("/fuzz/a")
    transaction.commit()
    client.stop()


def use_web(address):
    import requests
    requests.put(f"http://{address}:9870/webhdfs/v1/web?op=MKDIRS&user.name=root", timeout=10)
    requests.get(f"http://{address}:9870/webhdfs/v1/?op=LISTSTATUS", timeout=10)
    requests.get(f"http://{address}:9870/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", timeout=10)
    requests.get(f"http://{address}:8081/json/", timeout=10)


@pytest.fixture(scope="module")
def recorded(environment, tmp_path_factory):
    """A running Raudal and, by port, what the clients sent to it."""
    front = Address()
    options = ["--set", f"kafka.advertised.listeners=PLAINTEXT://{front.address}:9092",
               "--set", f"dfs.datanode.hostname={front.address}"]
    with Raudal(tmp_path_factory.mktemp("fuzz") / "data", *options) as raudal:
        raudal.start()
        recorder = Recorder(front.address, raudal.address, PORTS.values())
        problems = []
        uses = {"kafka": use_kafka, "zookeeper": use_zookeeper, "web": use_web,
                "spark": lambda address: environment("course").python(SPARK.format(address=address)).ok(),
                "hdfs": lambda address: environment("clients").python(HDFS.format(address=address)).ok()}
        for name, use in uses.items():
            try:
                use(front.address)
            except BaseException as error:
                problems.append(f"{name}: {error!r}")
        recorder.close()
        raudal.problems = problems
        yield raudal, {port: [bytes(stream) for stream in streams if stream]
                       for port, streams in recorder.streams.items()}
    front.close()


def test_the_clients_work_through_the_recorder(recorded):
    raudal, streams = recorded
    assert raudal.problems == []
    assert [port for port, kept in streams.items() if not kept] == []


def resident_mb(raudal):
    status = pathlib.Path(f"/proc/{raudal.pids()[0]}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.parametrize("service", PORTS)
def test_damaged_traffic_is_survived(recorded, service):
    raudal, streams = recorded
    port = PORTS[service]
    if not streams[port]:
        pytest.fail("nothing was recorded for this port")
    before, memory = raudal.pids(), resident_mb(raudal)
    for number in range(ROUNDS):
        chance = random.Random(f"{SEED} {service} {number}")
        data = mutate(chance.choice(streams[port]), chance)
        with contextlib.suppress(OSError), socket.create_connection((raudal.address, port), timeout=2) as connection:
            connection.settimeout(0.2 if number % 10 else 1)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        assert raudal.pids() == before, f"seed {SEED}, {service}, round {number} ended the process"
    use = {"kafka": lambda: kafka_answers(raudal), "zookeeper": lambda: zookeeper_answers(raudal)}.get(service)
    if use:
        wait_until(use, 20, f"{service} to go on serving")
    assert resident_mb(raudal) < memory + 300


def kafka_answers(raudal):
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    try:
        return producer.partitions_for("fuzz")
    finally:
        producer.close(1)


def zookeeper_answers(raudal):
    with socket.create_connection((raudal.address, 2181), timeout=5) as connection:
        connection.sendall(b"ruok")
        return connection.recv(4) == b"imok"
