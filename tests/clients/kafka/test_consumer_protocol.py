"""Groups of the newer protocol (KIP-848): members of librdkafka and of Java share partitions that the broker assigns, static
members keep theirs, expressions are RE2's, a group changes protocol with its members running, everything outlasts a killed
broker, and a real Kafka goes on with it."""
import re
import time
import uuid

import pytest

raudal_options = ["--only", "kafka", "--set", "kafka.group.consumer.heartbeat.interval.ms=300"]


def ask(broker, question):
    """question(admin client): what its future, or the first of the map of futures that it gives, comes to."""
    from confluent_kafka.admin import AdminClient
    admin = AdminClient({"bootstrap.servers": broker})
    answer = question(admin)
    return (next(iter(answer.values())) if isinstance(answer, dict) else answer).result(20)


def make_topic(broker, name=None, partitions=4):
    from confluent_kafka.admin import NewTopic
    name = name or f"t-{uuid.uuid4().hex[:12]}"
    ask(broker, lambda admin: admin.create_topics([NewTopic(name, partitions, 1)]))
    return name


@pytest.fixture
def topic(broker):
    return make_topic(broker)


def fill(broker, topic, count=20):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker})
    for number in range(count):
        producer.produce(topic, str(number), partition=number % 4)
    assert producer.flush(20) == 0


def member(broker, group, *topics, **settings):
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "group.protocol": "consumer",
                         "auto.offset.reset": "earliest", **settings})
    consumer.subscribe(list(topics))
    return consumer


def classic_member(broker, group, *topics, **settings):
    return member(broker, group, *topics, **{"group.protocol": "classic", "session.timeout.ms": 6000,
                                             "heartbeat.interval.ms": 300, **settings})


def share(consumers, until, seconds=40):
    """Polls all until until(list of the partition lists) holds; returns the lists."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for consumer in consumers:
            consumer.poll(0.1)
        parts = [sorted((each.topic, each.partition) for each in consumer.assignment()) for consumer in consumers]
        if until(parts):
            return parts
    raise AssertionError(f"still {parts}")


def sizes(*wanted):
    return lambda parts: sorted(map(len, parts)) == sorted(wanted) and len(set().union(*parts)) == sum(wanted)


def describe(broker, group):
    return ask(broker, lambda admin: admin.describe_consumer_groups([group]))


def test_members_share_what_the_broker_assigns(broker, topic):
    group = uuid.uuid4().hex
    fill(broker, topic)
    first = member(broker, group, topic)
    values = set()
    end = time.monotonic() + 20
    while len(values) < 20 and time.monotonic() < end:
        message = first.poll(0.2)
        if message is not None and not message.error():
            values.add(message.value())
    assert len(values) == 20
    first.commit(asynchronous=False)
    second = member(broker, group, topic)
    share([first, second], sizes(2, 2))
    described = describe(broker, group)
    assert (described.state.name, described.type.name, described.partition_assignor) == ("STABLE", "CONSUMER", "uniform")
    third = member(broker, group, topic, **{"group.remote.assignor": "range"})
    share([first, second, third], sizes(2, 1, 1))
    assert describe(broker, group).partition_assignor == "range"
    second.close()
    share([first, third], sizes(2, 2))
    first.close()
    third.close()
    assert describe(broker, group).state.name == "EMPTY"
    offsets = {each.partition: each.offset for each in committed(broker, group)}
    assert offsets == {number: 5 for number in range(4)}
    ask(broker, lambda admin: admin.delete_consumer_groups([group]))
    assert group not in {each.group_id for each in ask(broker, lambda admin: admin.list_consumer_groups()).valid}


def committed(broker, group):
    from confluent_kafka import ConsumerGroupTopicPartitions
    question = [ConsumerGroupTopicPartitions(group)]
    return ask(broker, lambda admin: admin.list_consumer_group_offsets(question)).topic_partitions


def test_a_static_member_comes_back_to_its_partitions(broker, topic):
    group = uuid.uuid4().hex
    first = member(broker, group, topic, **{"group.instance.id": "a"})
    second = member(broker, group, topic, **{"group.instance.id": "b"})
    before = share([first, second], sizes(2, 2))
    first.close()  # a static member does not give its partitions away
    share([second], sizes(2))
    first = member(broker, group, topic, **{"group.instance.id": "a"})
    assert share([first, second], sizes(2, 2)) == before
    for consumer in (first, second):
        consumer.close()


def test_expressions_follow_the_topics_and_are_re2(broker):
    from confluent_kafka import KafkaError
    prefix, group = f"x{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    make_topic(broker, f"{prefix}.one", 1)
    make_topic(broker, f"other.{prefix}.one", 1)
    consumer = member(broker, group, f"^{prefix}[.].*")
    share([consumer], lambda parts: parts[0] == [(f"{prefix}.one", 0)])
    make_topic(broker, f"{prefix}.two", 2)
    share([consumer], sizes(3))
    ask(broker, lambda admin: admin.delete_topics([f"{prefix}.one"]))
    share([consumer], lambda parts: parts[0] == [(f"{prefix}.two", 0), (f"{prefix}.two", 1)])
    consumer.close()
    refused = member(broker, group, f"^{prefix}a**")
    end, error = time.monotonic() + 20, None
    while error is None and time.monotonic() < end:
        message = refused.poll(0.2)
        error = message.error() if message is not None else None
    assert error.code() == KafkaError._FATAL and "regular expression" in str(error)
    refused.close()


@pytest.mark.parametrize("strategy", ["cooperative-sticky", "range"])
def test_a_group_changes_protocol_while_it_runs(broker, topic, strategy):
    group, old = uuid.uuid4().hex, {"partition.assignment.strategy": strategy}
    first = classic_member(broker, group, topic, **old)
    share([first], sizes(4))
    assert describe(broker, group).type.name == "CLASSIC"
    newer = member(broker, group, topic)
    share([first, newer], sizes(2, 2))
    assert describe(broker, group).type.name == "CONSUMER"
    second = classic_member(broker, group, topic, **old)
    share([first, newer, second], sizes(1, 1, 2))
    first.commit(asynchronous=False, offsets=[each for each in offsets_of(first)])
    newer.close()
    share([first, second], sizes(2, 2))
    described = describe(broker, group)
    assert (described.type.name, described.partition_assignor) == ("CLASSIC", strategy)
    first.close()
    second.close()


def offsets_of(consumer):
    from confluent_kafka import TopicPartition
    return [TopicPartition(each.topic, each.partition, 0) for each in consumer.assignment()]


def start_member(environment, address, group, topic, *words):
    import subprocess
    from harness import Environment
    tool = Environment.get("kafka").path / "bin" / "kafka-console-consumer.sh"
    return subprocess.Popen([tool, "--bootstrap-server", address, "--topic", topic, "--group", group, "--from-beginning",
                             "--command-property", "group.protocol=consumer", *words], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.DEVNULL)


def without_ids(text):
    return re.sub(r" +", " ", re.sub(r"[\w-]{22}\b", "ID", text))


def test_java_members_and_what_tools_print(broker, environment, raudal, topic):
    group = uuid.uuid4().hex
    fill(broker, topic)
    consumer = start_member(environment, broker, group, topic, "--timeout-ms", "240000")
    try:
        lines = [consumer.stdout.readline().strip() for _ in range(20)]
        assert sorted(lines, key=int) == [str(number) for number in range(20)]
        librdkafka = member(broker, group, topic)
        share([librdkafka], sizes(2))
        for words in (["--members", "--verbose"], ["--state", "--verbose"]):
            words = ["--bootstrap-server", broker, "--describe", "--group", group, *words]
            real = environment("kafka").tool("kafka-consumer-groups.sh", *words)
            ours = raudal.tool("kafka-consumer-groups.sh", *words)
            assert sorted(ours.stdout.splitlines()) == sorted(real.stdout.splitlines()), words
            assert len(real.stdout.splitlines()) >= 3, real
        words = ["--bootstrap-server", broker, "--list", "--type", "consumer"]
        real, ours = (tool("kafka-consumer-groups.sh", *words) for tool in (environment("kafka").tool, raudal.tool))
        assert re.search(rf"{group} +Consumer", real.stdout) and re.search(rf"{group} +Consumer", ours.stdout)
    finally:
        consumer.terminate()
        consumer.wait(20)
    librdkafka.close()


def test_groups_outlast_a_killed_broker(fresh_raudal):
    broker, group = fresh_raudal.at("kafka"), uuid.uuid4().hex
    topic = make_topic(broker)
    fill(broker, topic)
    first, second = member(broker, group, topic, **{"group.instance.id": "a"}), member(broker, group, "^" + topic)
    before = share([first, second], sizes(2, 2))
    epoch = without_ids(fresh_raudal.tool("kafka-consumer-groups.sh", "--bootstrap-server", broker, "--describe", "--group",
                                          group, "--state", "--verbose").stdout)
    fresh_raudal.kill9()
    fresh_raudal.start()
    assert share([first, second], sizes(2, 2)) == before
    assert epoch == without_ids(fresh_raudal.tool("kafka-consumer-groups.sh", "--bootstrap-server", broker, "--describe",
                                                  "--group", group, "--state", "--verbose").stdout)
    first.close()
    second.close()


@pytest.mark.long
def test_a_real_kafka_goes_on_with_the_group_and_back(fresh_raudal, environment, tmp_path):
    from real import RealKafka
    broker, group = fresh_raudal.at("kafka"), uuid.uuid4().hex
    topic = make_topic(broker)
    fill(broker, topic)
    members = [member(broker, group, topic, **{"group.instance.id": "a"}), member(broker, group, "^" + topic)]
    before = share(members, sizes(2, 2))
    mixed = uuid.uuid4().hex
    others = [classic_member(broker, mixed, topic, **{"session.timeout.ms": 45000}), member(broker, mixed, topic)]
    share(others, sizes(2, 2))
    for consumer in [*members, *others]:
        share([consumer], lambda parts: True)
    address = fresh_raudal.address
    words = ["--bootstrap-server", broker, "--describe", "--group", group, "--state", "--verbose"]
    epochs = without_ids(environment("kafka").tool("kafka-consumer-groups.sh", *words).stdout)
    fresh_raudal.stop()
    with RealKafka(tmp_path / "real", address=address, log_dir=fresh_raudal.data / "kafka") as real:
        assert share(members, sizes(2, 2)) == before
        assert without_ids(environment("kafka").tool("kafka-consumer-groups.sh", *words).stdout) == epochs
        share(others, sizes(2, 2))
        assert "ERROR" not in real.output()
        third = member(broker, group, topic)
        share([*members, third], sizes(1, 1, 2))
        epochs = without_ids(environment("kafka").tool("kafka-consumer-groups.sh", *words).stdout)
    fresh_raudal.start()
    share([*members, third], sizes(1, 1, 2))
    share(others, sizes(2, 2))
    assert without_ids(environment("kafka").tool("kafka-consumer-groups.sh", *words).stdout) == epochs
    for consumer in [*members, *others, third]:
        consumer.close()
