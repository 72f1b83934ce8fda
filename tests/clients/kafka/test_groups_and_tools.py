"""Groups over time (static members, cooperative assignment, restarts of the broker) and what Kafka's own tools print."""
import re
import time
import uuid

import pytest

raudal_options = ["--only", "kafka"]


@pytest.fixture
def topic(broker):
    from confluent_kafka.admin import AdminClient, NewTopic
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(name, 3, 1)])[name].result(20)
    return name


def fill(broker, topic, count):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker})
    for number in range(count):
        producer.produce(topic, f"value {number}", partition=number % 3)
    assert producer.flush(20) == 0


def member(broker, group, topic, **settings):
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest",
                         "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **settings})
    consumer.subscribe([topic])
    return consumer


def share(consumers, until, seconds=30):
    """Polls all until until(list of the partition sets) holds; returns the sets."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for consumer in consumers:
            consumer.poll(0.1)
        parts = [{each.partition for each in consumer.assignment()} for consumer in consumers]
        if until(parts):
            return parts
    raise AssertionError(f"still {parts}")


def java(environment, broker, tool, *words, **more):
    return environment("kafka").tool(tool, "--bootstrap-server", broker, *words, **more)


def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(broker, topic):
    group = uuid.uuid4().hex
    first = member(broker, group, topic, **{"group.instance.id": "a"})
    second = member(broker, group, topic, **{"group.instance.id": "b"})
    before = share([first, second], lambda parts: all(parts) and len(parts[0] | parts[1]) == 3)
    first.close()  # a static member does not leave
    first = member(broker, group, topic, **{"group.instance.id": "a"})
    after = share([first, second], lambda parts: all(parts))
    assert after == before
    first.close()
    second.close()


def test_a_second_process_with_the_same_instance_id_fences_the_first(broker, topic):
    from confluent_kafka import KafkaError
    group = uuid.uuid4().hex
    first = member(broker, group, topic, **{"group.instance.id": "a"})
    share([first], lambda parts: len(parts[0]) == 3)
    second = member(broker, group, topic, **{"group.instance.id": "a"})
    share([second], lambda parts: len(parts[0]) == 3)
    codes = set()
    end = time.monotonic() + 15
    while time.monotonic() < end and not codes & {KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL}:
        message = first.poll(0.2)
        if message is not None and message.error():
            codes.add(message.error().code())
    assert codes & {KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL}
    second.close()
    first.close()


def test_cooperative_members_keep_what_they_have(broker, topic):
    group, settings = uuid.uuid4().hex, {"partition.assignment.strategy": "cooperative-sticky"}
    first = member(broker, group, topic, **settings)
    share([first], lambda parts: len(parts[0]) == 3)
    second = member(broker, group, topic, **settings)
    parts = share([first, second],
        lambda parts: all(parts) and len(parts[0] | parts[1]) == 3 and not parts[0] & parts[1])
    assert sum(map(len, parts)) == 3
    first.close()
    share([second], lambda parts: len(parts[0]) == 3)
    second.close()


@pytest.mark.parametrize("stopped_by", ["stop", "kill9"])
def test_a_group_goes_on_after_a_restart_of_the_broker(fresh_raudal, stopped_by):
    broker = fresh_raudal.at("kafka")
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic("events", 3, 1)])["events"].result(20)
    fill(broker, "events", 30)
    consumer = member(broker, "g", "events")
    values = []

    def read(count, seconds=30):
        end = time.monotonic() + seconds
        while len(values) < count and time.monotonic() < end:
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                values.append(message.value().decode())
        assert len(values) == count, len(values)

    read(30)
    consumer.commit(asynchronous=False)
    getattr(fresh_raudal, stopped_by)()
    fresh_raudal.start()
    fill(broker, "events", 15)
    read(45)
    assert sorted(values[30:]) == sorted(f"value {number}" for number in range(15))
    consumer.close()


def test_an_offset_before_the_log_start_is_out_of_range(broker, topic):
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    from confluent_kafka.admin import AdminClient
    fill(broker, topic, 30)
    partition = TopicPartition(topic, 0, 4)
    admin = AdminClient({"bootstrap.servers": broker})
    deleted = admin.delete_records([partition])[partition].result(10)
    assert deleted.low_watermark == 4
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "x", "auto.offset.reset": "error"})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10) == (4, 10)
    consumer.assign([TopicPartition(topic, 0, 2)])
    message = consumer.poll(10)
    assert message.error().code() == KafkaError._AUTO_OFFSET_RESET
    consumer.close()


def test_java_describes_a_group_at_work(broker, topic, environment):
    group = "g" + uuid.uuid4().hex[:8]
    fill(broker, topic, 9)
    consumer = member(broker, group, topic, **{"client.id": "reader"})
    share([consumer], lambda parts: len(parts[0]) == 3)
    consumer.poll(1)
    state = java(environment, broker, "kafka-consumer-groups.sh", "--describe", "--group", group, "--state").ok().stdout
    assert re.search(rf"^{group} +{re.escape(broker)} +\(1\) +range +Stable +1$", state, re.M)
    members = java(environment, broker, "kafka-consumer-groups.sh", "--describe", "--group", group, "--members",
                   "--verbose").ok().stdout
    assert re.search(rf"^{group} +reader-\S+ +/127\.\S+ +reader +3 .*{topic}:0,1,2", members, re.M)
    refused = java(environment, broker, "kafka-consumer-groups.sh", "--delete", "--group", group)
    assert "is not empty" in refused.out
    consumer.close()


def test_java_topic_and_config_tools_print_what_they_print_with_kafka(broker, environment):
    name = f"c-{uuid.uuid4().hex[:8]}"
    made = java(environment, broker, "kafka-topics.sh", "--create", "--topic", name, "--partitions", "2",
                "--config", "cleanup.policy=compact", "--config", "retention.ms=1000").ok()
    assert made.stdout == f"Created topic {name}.\n"
    described = java(environment, broker, "kafka-topics.sh", "--describe", "--topic", name).ok().stdout.splitlines()
    assert re.fullmatch(rf"Topic: {name}\tTopicId: [\w-]{{22}}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: "
                        "min.insync.replicas=1,cleanup.policy=compact,segment.bytes=1073741824,retention.ms=1000",
                        described[0])
    assert described[1:] == [f"\tTopic: {name}\tPartition: {number}\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: "
                             for number in range(2)]
    again = java(environment, broker, "kafka-topics.sh", "--create", "--topic", name)
    assert again.returncode == 1 and f"Topic '{name}' already exists." in again.out
    many = java(environment, broker, "kafka-topics.sh", "--create", "--topic", "r3", "--replication-factor", "3")
    assert many.returncode == 1 and "Unable to replicate the partition 3 time(s): The target replication factor of 3 " \
        "cannot be reached because only 1 broker(s) are registered" in many.out
    topic = ["--entity-type", "topics", "--entity-name", name]
    java(environment, broker, "kafka-configs.sh", "--alter", *topic, "--delete-config", "retention.ms").ok()
    configs = java(environment, broker, "kafka-configs.sh", "--describe", *topic).ok().stdout
    assert configs == (f"Dynamic configs for topic {name} are:\n  cleanup.policy=compact sensitive=false synonyms="
                       "{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact, DEFAULT_CONFIG:log.cleanup.policy=delete}\n")
    bad = java(environment, broker, "kafka-configs.sh", "--alter", *topic, "--add-config", "retention.ms=soon")
    assert bad.returncode == 1 and "Invalid value soon for configuration retention.ms" in bad.out


def test_a_compacted_topic_refuses_records_without_a_key(broker):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    name = f"k-{uuid.uuid4().hex[:8]}"
    topic = NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([topic])[name].result(20)
    producer, answers = Producer({"bootstrap.servers": broker}), []
    producer.produce(name, b"v", on_delivery=lambda error, _: answers.append(error))
    producer.produce(name, b"v", key=b"k", on_delivery=lambda error, _: answers.append(error))
    producer.flush(20)
    assert any(error is not None and error.name() == "INVALID_RECORD" for error in answers)
