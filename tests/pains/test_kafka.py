"""Pains 1-3, 6, 9-13 and 24 of README.md: Kafka and ZooKeeper."""
import re
import socket
import time

from harness import BINARY, run, wait_until


def test_01_the_broker_is_told_by_the_address_that_the_client_used(raudal, environment):
    """advertised.listeners: bootstraps, then hangs."""
    from kafka.admin import KafkaAdminClient
    admin = KafkaAdminClient(bootstrap_servers=[raudal.at("kafka")])
    try:
        told = [(broker["host"], broker["port"]) for broker in admin.describe_cluster()["brokers"]]
    finally:
        admin.close()
    assert told == [(raudal.address, 9092)]
    # Where somebody sets it to a name that leads nowhere, the client hangs as with any Kafka, and doctor names the setting:
    # tests/clients/cli/test_doctor.py, test_listeners_that_lead_nowhere.


PRODUCES = """
    import sys
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=sys.argv[1], bootstrap_timeout_ms=3000)
    print(producer.send("places", b"x").get(10).topic)
    """


def test_02_kafka_9092_inside_and_outside(raudal, environment):
    """kafka:9092 versus localhost:29092: in `raudal run` the course's name works; a plain python gets the client's own
    words, and doctor says where the names mean something."""
    inside = raudal.run(PRODUCES, "kafka:9092", environment=environment("course"))
    assert inside.ok().stdout == "places\n"
    outside = environment("course").python(PRODUCES, "kafka:9092")
    assert outside.returncode != 0 and re.search("NoBrokersAvailable|KafkaTimeoutError|KafkaConnectionError", outside.stderr), outside
    assert "in raudal shell and raudal run kafka, " in raudal.command("doctor").stdout


def test_03_no_brokers_available_at_start(start_raudal):
    """The port opens when the broker is ready: the first request of a client that does not try again is answered."""
    from kafka import KafkaProducer
    raudal = start_raudal("--only", "kafka", up=False)
    begun = time.monotonic()
    raudal.start()
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")], retries=0)
    producer.send("first", b"x").get(10)
    assert time.monotonic() - begun < 10
    producer.close()


def test_03_a_client_that_comes_before_anything_runs(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run([BINARY, "kafka-topics", "--bootstrap-server", f"localhost:{port}", "--list"], cwd=tmp_path)
    assert result.returncode == 1 and "Start one with: raudal up -d" in result.stderr, result


REMOVED_IMAGES = """
services:
  zookeeper:
    image: bitnami/zookeeper:3.8
  kafka:
    image: bitnami/kafka:3.4
    environment:
      KAFKA_CFG_ZOOKEEPER_CONNECT: zookeeper:2181
      KAFKA_CFG_DEFAULT_REPLICATION_FACTOR: 3
      ALLOW_PLAINTEXT_LISTENER: "yes"
    ports: ["9092:9092"]
"""


def test_06_images_that_vanished(start_raudal, tmp_path):
    """Nothing is pulled: a compose file whose images are gone from their registry starts."""
    compose = tmp_path / "docker-compose.yml"
    compose.write_text(REMOVED_IMAGES)
    raudal = start_raudal("-f", compose)
    listed = raudal.shell("kafka-topics.sh --bootstrap-server kafka:9092 --create --topic a && "
                          "kafka-topics.sh --bootstrap-server kafka:9092 --list")
    assert listed.ok().stdout == "Created topic a.\na\n"
    assert "KAFKA_CFG_DEFAULT_REPLICATION_FACTOR=3 is 1 here: there is one broker" in raudal.up_output


def test_09_replication_factor_3_on_one_broker(start_raudal, environment, tmp_path):
    """A settings file for three brokers starts and says what became of it, and consumers with a group do not hang; a
    command that asks for three copies is answered at once with what to ask for."""
    properties = tmp_path / "server.properties"
    properties.write_text("broker.id=1\ndefault.replication.factor=3\noffsets.topic.replication.factor=3\nmin.insync.replicas=2\n")
    raudal = start_raudal("--only", "kafka", "--kafka-properties", properties)
    assert "note: offsets.topic.replication.factor=3 becomes 1: Raudal is one broker" in raudal.up_output
    consumed = raudal.shell("echo hola | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic t && "
                            "kafka-console-consumer.sh --bootstrap-server kafka:9092 --topic t --group g --from-beginning "
                            "--max-messages 1 --timeout-ms 20000")
    assert consumed.ok().stdout == "hola\n"
    sentence = "Raudal is one broker: leave the replication factor out, or ask for 1."
    words = ["--bootstrap-server", raudal.at("kafka"), "--create", "--topic", "three", "--replication-factor", "3"]
    assert sentence in environment("kafka").tool("kafka-topics.sh", *words).out
    assert sentence in raudal.tool("kafka-topics.sh", *words).out
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError
    admin = KafkaAdminClient(bootstrap_servers=[raudal.at("kafka")])
    try:
        answer = str(admin.create_topics([NewTopic("three", 1, 3)]))
    except KafkaError as error:
        answer = str(error)
    finally:
        admin.close()
    assert sentence in answer, answer


def test_10_cluster_id_does_not_match(start_raudal):
    """The id stands in the data folder alone; a folder that was copied or edited starts and goes on."""
    raudal = start_raudal("--only", "kafka,zookeeper")
    raudal.shell("kafka-topics.sh --bootstrap-server kafka:9092 --create --topic kept").ok()
    raudal.stop()
    properties = raudal.data / "kafka" / "meta.properties"
    properties.write_text(re.sub("cluster.id=.*", "cluster.id=AAAAAAAAAAAAAAAAAAAAAA", properties.read_text()))
    raudal.start()
    assert raudal.shell("kafka-topics.sh --bootstrap-server kafka:9092 --list").ok().stdout == "kept\n"


def test_11_node_exists_after_a_restart(start_raudal):
    """/brokers/ids of a broker that was killed: it starts again at once and registers anew."""
    from kazoo.client import KazooClient
    raudal = start_raudal("--only", "kafka,zookeeper")
    raudal.kill9()
    raudal.start()
    keeper = KazooClient(raudal.at("zookeeper"))
    keeper.start(10)
    try:
        assert len(keeper.get_children("/brokers/ids")) == 1
    finally:
        keeper.stop()
        keeper.close()
    assert "NodeExists" not in raudal.logs("zookeeper") + raudal.logs("kafka")


def test_12_topics_vanish_after_zookeeper_restarts(start_raudal):
    from kazoo.client import KazooClient
    raudal = start_raudal("--only", "kafka,zookeeper")
    raudal.shell("echo hola | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic kept").ok()
    raudal.command("stop", "zookeeper").ok()
    raudal.command("start", "zookeeper").ok()
    read = "kafka-console-consumer.sh --bootstrap-server kafka:9092 --topic kept --from-beginning --max-messages 1 --timeout-ms 20000"
    assert raudal.shell(read).ok().stdout == "hola\n"
    # Even without any of ZooKeeper's files: topics live with the log.
    raudal.stop()
    run(["rm", "-r", raudal.data / "zookeeper"])
    raudal.start()
    assert raudal.shell(read).ok().stdout == "hola\n"
    keeper = KazooClient(raudal.at("zookeeper"))
    keeper.start(10)
    try:
        assert "kept" in keeper.get_children("/brokers/topics")
    finally:
        keeper.stop()
        keeper.close()


def test_13_zookeeper_is_not_a_recognized_option(raudal):
    """The old command of old courses does what it did, with a note that names the new option."""
    created = raudal.shell("kafka-topics.sh --zookeeper zookeeper:2181 --create --topic old --partitions 2 --replication-factor 1")
    assert created.ok().stdout == "Created topic old.\n"
    assert created.stderr == f"Note: --zookeeper was removed from Kafka's tools; using --bootstrap-server {raudal.at('kafka')}\n"
    assert "old" in raudal.shell("kafka-topics.sh --zookeeper zookeeper:2181 --list").ok().stdout.split()


def test_24_unknown_topic(raudal):
    """What was meant, and the command that creates it; a reader of a new and empty topic is told of the other one."""
    raudal.create_topic("temperatures", 1)
    described = raudal.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--describe", "--topic", "temperature")
    assert described.returncode == 1
    assert "Topic 'temperature' does not exist as expected" in described.out
    assert "Did you mean temperatures?\n" in described.stderr
    assert "To create it: kafka-topics.sh --bootstrap-server kafka:9092 --create --topic temperature\n" in described.stderr
    read = raudal.shell("kafka-console-consumer.sh --bootstrap-server kafka:9092 --topic temperatura --timeout-ms 500")
    assert "Note: there was no topic temperatura, so it is a new one and empty; there is a topic temperatures" in read.stderr


def test_24_unknown_topic_of_an_unmodified_client(start_raudal):
    """Where topics are not made on the way, the client waits and gives up in its own words; the broker's log has the name."""
    from kafka import KafkaProducer
    from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
    raudal = start_raudal("--only", "kafka", set={"kafka.auto.create.topics.enable": "false"})
    raudal.create_topic("temperatures", 1)
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")], max_block_ms=1500)
    try:
        producer.send("temperature", b"x").get(2)
        raise AssertionError("the topic was there")
    except (KafkaTimeoutError, UnknownTopicOrPartitionError):
        pass
    finally:
        producer.close(1)
    wait_until(lambda: "asks for topic temperature, which does not exist; there is temperatures" in raudal.logs("kafka"), 5,
               "the line in the log")
