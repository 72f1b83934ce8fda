"""What Kafka's clients send in normal use: kafka-python 2.0.2 and 3.0, aiokafka, librdkafka, the tools in Java."""
import asyncio
import json
import time
import uuid

import pytest

from harness import wait_until

raudal_options = ["--only", "kafka"]

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.fixture
def topic(broker):
    """A new topic of three partitions."""
    from confluent_kafka.admin import AdminClient, NewTopic
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(name, 3, 1)])[name].result(20)
    return name


def produce(broker, topic, count, **settings):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker, **settings})
    problems = []
    for number in range(count):
        producer.produce(topic, f"value {number}", key=f"key {number}", partition=number % 3,
                         on_delivery=lambda error, _: error and problems.append(error))
    assert producer.flush(30) == 0 and problems == []


def consume(broker, topic, count, group=None, **settings):
    """The values of `count` records, read by librdkafka."""
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group or uuid.uuid4().hex,
                         "auto.offset.reset": "earliest", **settings})
    consumer.subscribe([topic])
    values, end = [], time.monotonic() + 30
    try:
        while len(values) < count and time.monotonic() < end:
            for message in consumer.consume(count, 0.5):
                assert not message.error(), message.error()
                values.append(message.value().decode())
        return sorted(values)
    finally:
        consumer.close()


def expected(count):
    return sorted(f"value {number}" for number in range(count))


# librdkafka

@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_all_codecs(broker, topic, codec):
    produce(broker, topic, 500, **{"compression.type": codec, "linger.ms": 20})
    assert consume(broker, topic, 500) == expected(500)


# Without acknowledgements a real Kafka may lose what comes while a new topic settles; here nothing has to settle.
@pytest.mark.parametrize("settings", [pytest.param({"acks": "0"}, marks=pytest.mark.ours), {"acks": "1"}, {"acks": "all"},
                                      {"enable.idempotence": True}],
                         ids=lambda value: str(value)[1:-1])
def test_librdkafka_acknowledgements(broker, topic, settings):
    produce(broker, topic, 300, **settings)
    assert consume(broker, topic, 300) == expected(300)


def test_librdkafka_headers_keys_and_timestamps_come_back(broker, topic):
    from confluent_kafka import Consumer, Producer, TopicPartition
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(topic, b"v", key=b"k", partition=1, timestamp=1700000000123, headers=[("a", b"1"), ("b", None)])
    producer.produce(topic, None, key=b"only key", partition=1)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "x"})
    consumer.assign([TopicPartition(topic, 1, 0)])
    first, second = consumer.consume(2, 10)
    consumer.close()
    assert (first.key(), first.value(), first.timestamp()[1], first.headers()) == \
        (b"k", b"v", 1700000000123, [("a", b"1"), ("b", None)])
    assert (second.key(), second.value(), second.offset()) == (b"only key", None, 1)


def test_librdkafka_offsets_for_times_and_watermarks(broker, topic):
    from confluent_kafka import Consumer, Producer, TopicPartition
    producer = Producer({"bootstrap.servers": broker})
    for number in range(10):
        producer.produce(topic, b"x", partition=0, timestamp=1700000000000 + number * 1000)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "x"})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10) == (0, 10)
    found = consumer.offsets_for_times([TopicPartition(topic, 0, 1700000004500)], 10)
    assert found[0].offset == 5
    consumer.close()


def test_librdkafka_group_resumes_where_it_committed(broker, topic):
    produce(broker, topic, 90)
    group = uuid.uuid4().hex
    first = consume(broker, topic, 90, group)
    assert first == expected(90)
    produce(broker, topic, 30)
    assert consume(broker, topic, 30, group) == expected(30)


def test_librdkafka_two_members_share_the_partitions(broker, topic):
    from confluent_kafka import Consumer
    group = uuid.uuid4().hex
    settings = {"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest"}
    members = [Consumer(settings) for _ in "ab"]
    for member in members:
        member.subscribe([topic])
    end = time.monotonic() + 40
    while time.monotonic() < end:
        for member in members:
            member.poll(0.2)
        shares = [{part.partition for part in member.assignment()} for member in members]
        if all(shares) and shares[0] | shares[1] == {0, 1, 2}:
            break
    assert shares[0].isdisjoint(shares[1]) and shares[0] | shares[1] == {0, 1, 2} and all(shares)
    members[0].close()
    while time.monotonic() < end and len(members[1].assignment()) < 3:
        members[1].poll(0.2)
    assert len(members[1].assignment()) == 3
    members[1].close()


def test_librdkafka_admin(broker):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                       NewTopic)
    admin, name = AdminClient({"bootstrap.servers": broker}), f"a-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "60000"})])[name].result(10)
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)
    assert caught.value.args[0].name() == "TOPIC_ALREADY_EXISTS"
    admin.create_partitions([NewPartitions(name, 4)])[name].result(10)
    # A real broker learns of it a little after the controller's answer.
    wait_until(lambda: len(admin.list_topics(timeout=10).topics[name].partitions) == 4)
    resource = ConfigResource("topic", name)
    assert admin.describe_configs([resource])[resource].result(10)["retention.ms"].value == "60000"
    change = ConfigResource("topic", name, incremental_configs=[
        ConfigEntry("retention.ms", "70000", incremental_operation=AlterConfigOpType.SET)])
    admin.incremental_alter_configs([change])[change].result(10)
    assert admin.describe_configs([resource])[resource].result(10)["retention.ms"].value == "70000"
    assert admin.describe_cluster().result(10).nodes[0].port == 9092
    admin.delete_topics([name])[name].result(10)
    wait_until(lambda: name not in admin.list_topics(timeout=10).topics)


def test_librdkafka_a_topic_is_made_by_its_first_use(broker):
    name = f"auto-{uuid.uuid4().hex[:8]}"
    produce(broker, name, 3)
    assert consume(broker, name, 3) == expected(3)


def test_a_record_larger_than_the_topic_allows_is_refused(broker, topic):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker, "message.max.bytes": 5_000_000})
    answers = []
    producer.produce(topic, b"x" * 2_000_000, on_delivery=lambda error, _: answers.append(error))
    producer.flush(20)
    assert answers[0].name() == "MSG_SIZE_TOO_LARGE"


# aiokafka

def test_aiokafka_produce_and_group_consume(broker, topic):
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def go():
        producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True)
        await producer.start()
        sent = [await producer.send_and_wait(topic, b"value %d" % number, partition=number % 3) for number in range(30)]
        await producer.stop()
        assert sorted((each.partition, each.offset) for each in sent) == [(p, o) for p in range(3) for o in range(10)]
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id=uuid.uuid4().hex,
                                    auto_offset_reset="earliest")
        await consumer.start()
        got = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(30)]
        await consumer.commit()
        ends = await consumer.end_offsets(list(consumer.assignment()))
        await consumer.stop()
        return sorted(each.value.decode() for each in got), sorted(ends.values())

    values, ends = asyncio.run(go())
    assert values == expected(30) and ends == [10, 10, 10]


# kafka-python, both versions, through one program

KAFKA_PYTHON = """
import json, sys, uuid
import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, NewPartitions
broker, topic, codec = sys.argv[1:4]
producer = KafkaProducer(bootstrap_servers=[broker], compression_type=None if codec == "none" else codec, acks="all",
                         linger_ms=10)
futures = [producer.send(topic, b"value %d" % number, key=b"k", partition=number % 3, headers=[("h", b"1")])
           for number in range(60)]
producer.flush()
offsets = sorted((future.get(10).partition, future.get(10).offset) for future in futures)
group = uuid.uuid4().hex
consumer = KafkaConsumer(topic, bootstrap_servers=[broker], group_id=group, auto_offset_reset="earliest",
                         consumer_timeout_ms=5000)
values = []
for record in consumer:
    values.append(record.value.decode())
    if len(values) == 60:
        break
consumer.commit()
committed = [consumer.committed(TopicPartition(topic, number)) for number in range(3)]
consumer.close()
reader = KafkaConsumer(bootstrap_servers=[broker])
parts = [TopicPartition(topic, number) for number in range(3)]
begin, end = reader.beginning_offsets(parts), reader.end_offsets(parts)
times = reader.offsets_for_times({parts[0]: 0})
topics = topic in reader.topics()
reader.close()
admin = KafkaAdminClient(bootstrap_servers=[broker])
list_groups = getattr(admin, "list_groups", None) or admin.list_consumer_groups
groups = group in json.dumps([str(each) for each in list_groups()])
admin.close()
print(json.dumps([offsets, sorted(values), committed, sorted(begin.values()), sorted(end.values()),
                  times[parts[0]].offset, topics, groups]))
"""


@pytest.mark.parametrize("name", ["kafka-python-2", "clients"])
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_kafka_python(broker, topic, environment, name, codec):
    result = environment(name).python(KAFKA_PYTHON, broker, topic, codec)
    offsets, values, committed, begin, end, first, topics, groups = json.loads(result.ok().stdout)
    assert offsets == [[partition, offset] for partition in range(3) for offset in range(20)]
    assert values == expected(60)
    assert committed == [20, 20, 20] and begin == [0, 0, 0] and end == [20, 20, 20] and first == 0
    assert topics and groups


# Java, through Kafka's own tools

def java(environment, broker, tool, *words, **more):
    return environment("kafka").tool(tool, "--bootstrap-server", broker, *words, **more)


@pytest.mark.parametrize("codec", CODECS)
def test_java_console_producer_and_consumer(broker, topic, environment, codec):
    lines = "".join(f"value {number}\n" for number in range(200))
    java(environment, broker, "kafka-console-producer.sh", "--topic", topic, "--compression-codec", codec,
         input=lines).ok()
    read = java(environment, broker, "kafka-console-consumer.sh", "--topic", topic, "--from-beginning",
                "--max-messages", "200").ok()
    assert sorted(read.stdout.splitlines()) == expected(200)


def test_java_consumer_group_tool(broker, topic, environment):
    produce(broker, topic, 30)
    group = "g" + uuid.uuid4().hex[:8]
    java(environment, broker, "kafka-console-consumer.sh", "--topic", topic, "--from-beginning", "--max-messages", "30",
         "--group", group).ok()
    described = java(environment, broker, "kafka-consumer-groups.sh", "--describe", "--group", group).ok()
    rows = [line.split()[:6] for line in described.stdout.splitlines() if line.startswith(group)]
    assert sorted(rows) == [[group, topic, str(number), "10", "10", "0"] for number in range(3)]
    java(environment, broker, "kafka-consumer-groups.sh", "--reset-offsets", "--group", group, "--topic", topic,
         "--to-earliest", "--execute").ok()
    described = java(environment, broker, "kafka-consumer-groups.sh", "--describe", "--group", group).ok()
    assert [line.split()[3] for line in described.stdout.splitlines() if line.startswith(group)] == ["0", "0", "0"]
    java(environment, broker, "kafka-consumer-groups.sh", "--delete", "--group", group).ok()


def test_java_other_tools(broker, topic, environment):
    produce(broker, topic, 30)
    offsets = java(environment, broker, "kafka-get-offsets.sh", "--topic", topic).ok()
    assert offsets.stdout.split() == [f"{topic}:{number}:10" for number in range(3)]
    dirs = java(environment, broker, "kafka-log-dirs.sh", "--describe", "--topic-list", topic).ok()
    assert len(json.loads(dirs.stdout.splitlines()[-1])["brokers"][0]["logDirs"][0]["partitions"]) == 3
    assert "Produce(0)" in java(environment, broker, "kafka-broker-api-versions.sh").ok().stdout


def test_java_idempotent_producer_perf(broker, topic, environment):
    result = environment("kafka").tool("kafka-producer-perf-test.sh", "--topic", topic, "--num-records", "20000",
                                       "--record-size", "100", "--throughput", "-1", "--bootstrap-server", broker)
    assert "20000 records sent" in result.ok().stdout
