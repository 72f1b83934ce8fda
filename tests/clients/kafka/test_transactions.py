"""Transactions as real producers and consumers use them: nothing of an open or aborted one is read, all of a committed one
is, offsets come with the commit, a second producer shuts out the first, what is left open expires, and a killed broker
goes on where it was."""
import re
import time
import uuid

import pytest

raudal_options = ["--only", "kafka", "--set", "kafka.transaction.abort.timed.out.transaction.cleanup.interval.ms=500"]


def admin_client(broker):
    from confluent_kafka.admin import AdminClient
    return AdminClient({"bootstrap.servers": broker})


def make_topic(broker, partitions=3):
    from confluent_kafka.admin import NewTopic
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = admin_client(broker)
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)
    return name


@pytest.fixture
def topic(broker):
    return make_topic(broker)


def transactional(broker, name=None, **settings):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker, "transactional.id": name or uuid.uuid4().hex, **settings})
    producer.init_transactions(30)
    return producer


def send(producer, topic, values, **more):
    for number, value in enumerate(values):
        producer.produce(topic, str(value), partition=number % 3, **more)
    assert producer.flush(20) == 0


def read(broker, topic, isolation="read_committed"):
    """Everything that a consumer sees up to the end that it is shown."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": uuid.uuid4().hex, "isolation.level": isolation,
                         "enable.partition.eof": True, "enable.auto.commit": False})
    partitions = list(consumer.list_topics(topic, 10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    values, ended, end = [], set(), time.monotonic() + 20
    while len(ended) < len(partitions):
        assert time.monotonic() < end, f"no end of the partitions {set(partitions) - ended}"
        message = consumer.poll(0.5)
        if message is not None and message.error():
            ended.add(message.partition())
        elif message is not None:
            values.append(message.value().decode())
    consumer.close()
    return sorted(values)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_transaction_is_seen_whole_or_not_at_all(broker, topic):
    producer = transactional(broker)
    producer.begin_transaction()
    send(producer, topic, range(10))
    assert read(broker, topic) == [] and len(read(broker, topic, "read_uncommitted")) == 10
    producer.commit_transaction(20)
    committed = sorted(map(str, range(10)))
    assert read(broker, topic) == committed
    producer.begin_transaction()
    send(producer, topic, range(10, 20))
    producer.abort_transaction(20)
    assert read(broker, topic) == committed and len(read(broker, topic, "read_uncommitted")) == 20
    producer.begin_transaction()
    producer.abort_transaction(20)
    producer.begin_transaction()
    send(producer, topic, ["last"], headers={"a": b"1"})
    producer.commit_transaction(20)
    assert read(broker, topic) == sorted([*committed, "last"])


def test_readers_of_committed_data_wait_at_the_first_open_transaction(broker, topic):
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    admin = admin_client(broker)

    def end_of(partition, level):
        question = {TopicPartition(topic, partition): OffsetSpec.latest()}
        return next(iter(admin.list_offsets(question, isolation_level=level).values())).result(10).offset

    first, second, plain = transactional(broker), transactional(broker), transactional(broker)
    plain.begin_transaction()
    plain.produce(topic, "plain", partition=0)
    plain.commit_transaction(20)
    wait_for(lambda: end_of(0, IsolationLevel.READ_COMMITTED) == 2)  # a real Kafka writes its markers after the answer
    for producer in (first, second):
        producer.begin_transaction()
        producer.produce(topic, "open", partition=0)
        assert producer.flush(20) == 0
    assert end_of(0, IsolationLevel.READ_UNCOMMITTED) == 4 and end_of(0, IsolationLevel.READ_COMMITTED) == 2
    second.commit_transaction(20)
    assert end_of(0, IsolationLevel.READ_COMMITTED) == 2 and read(broker, topic) == ["plain"]
    first.abort_transaction(20)
    wait_for(lambda: end_of(0, IsolationLevel.READ_COMMITTED) == end_of(0, IsolationLevel.READ_UNCOMMITTED) == 6)
    assert read(broker, topic) == ["open", "plain"]


def test_offsets_come_with_the_commit(broker, topic):
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
    source, group = make_topic(broker, 1), uuid.uuid4().hex
    plain = Producer({"bootstrap.servers": broker})
    for number in range(20):
        plain.produce(source, str(number))
    assert plain.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "isolation.level": "read_committed"})
    consumer.subscribe([source])
    other = Consumer({"bootstrap.servers": broker, "group.id": group})

    def committed(seconds=10):
        return other.committed([TopicPartition(source, 0)], seconds)[0].offset

    producer = transactional(broker)

    def copy(count):
        producer.begin_transaction()
        seen = 0
        while seen < count:
            message = consumer.poll(10)
            assert message is not None and not message.error()
            producer.produce(topic, "copy of " + message.value().decode())
            seen += 1
        producer.send_offsets_to_transaction(consumer.position(consumer.assignment()),
                                             consumer.consumer_group_metadata(), 20)

    copy(5)
    with pytest.raises(KafkaException, match="_TIMED_OUT"):
        committed(1)  # a stable offset is asked for, and there is none yet
    producer.commit_transaction(20)
    assert committed() == 5
    copy(5)
    producer.abort_transaction(20)
    assert committed() == 5
    consumer.seek(TopicPartition(source, 0, 5))
    copy(15)
    producer.commit_transaction(20)
    assert committed() == 20
    assert read(broker, topic) == sorted(f"copy of {number}" for number in range(20))
    consumer.close()
    other.close()


def test_a_second_producer_shuts_out_the_first(broker, topic):
    from confluent_kafka import KafkaException
    name = uuid.uuid4().hex
    first = transactional(broker, name)
    first.begin_transaction()
    send(first, topic, ["from the first"])
    second = transactional(broker, name)  # ends what the first had begun
    assert read(broker, topic) == [] and len(read(broker, topic, "read_uncommitted")) == 1
    second.begin_transaction()
    send(second, topic, ["from the second"])
    with pytest.raises(KafkaException) as caught:
        first.commit_transaction(20)
    assert caught.value.args[0].name() == "_FENCED" and caught.value.args[0].fatal()
    second.commit_transaction(20)
    assert read(broker, topic) == ["from the second"]


def test_a_transaction_left_open_expires(broker, topic):
    from confluent_kafka import KafkaException
    producer = transactional(broker, **{"transaction.timeout.ms": 1000})
    producer.begin_transaction()
    send(producer, topic, ["late"])
    other = transactional(broker)
    other.begin_transaction()
    other.produce(topic, "behind", partition=0)
    other.commit_transaction(20)
    wait_for(lambda: read(broker, topic) == ["behind"], 30)
    with pytest.raises(KafkaException) as caught:
        producer.commit_transaction(20)
    assert caught.value.args[0].name() == "_FENCED"


def test_a_timeout_over_the_limit_is_refused(broker):
    from confluent_kafka import KafkaException
    with pytest.raises(KafkaException, match="INVALID_TRANSACTION_TIMEOUT"):
        transactional(broker, **{"transaction.timeout.ms": 3600000})


def test_kafka_python(broker, topic):
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    producer = KafkaProducer(bootstrap_servers=broker, transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    for word, end in (("kept", producer.commit_transaction), ("dropped", producer.abort_transaction),
                      ("kept too", producer.commit_transaction)):
        producer.begin_transaction()
        futures = [producer.send(topic, word.encode(), partition=partition) for partition in range(3)]
        producer.flush()
        assert [future.get(10).partition for future in futures] == [0, 1, 2]
        end()
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=broker, isolation_level="read_committed", auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
    values, end = [], time.monotonic() + 20
    while len(values) < 6 and time.monotonic() < end:
        for records in consumer.poll(500).values():
            values += [record.value for record in records]
    consumer.close()
    assert sorted(values) == [b"kept"] * 3 + [b"kept too"] * 3


def test_aiokafka(broker, topic):
    import asyncio
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    async def go():
        group = uuid.uuid4().hex
        async with AIOKafkaProducer(bootstrap_servers=broker, transactional_id=uuid.uuid4().hex) as producer:
            async with producer.transaction():
                for partition in range(3):
                    await producer.send_and_wait(topic, b"kept", partition=partition)
                await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, group)
            with pytest.raises(ValueError):
                async with producer.transaction():
                    await producer.send_and_wait(topic, b"dropped", partition=0)
                    raise ValueError
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, isolation_level="read_committed", group_id=group,
                                    enable_auto_commit=False)
        async with consumer:
            consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
            assert await consumer.committed(TopicPartition(topic, 0)) == 1
            await consumer.seek_to_beginning()
            found = []
            while len(found) < 3:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    found += [record.value for record in records]
            return found + [record for records in (await consumer.getmany(timeout_ms=300)).values() for record in records]

    assert asyncio.run(asyncio.wait_for(go(), 40)) == [b"kept"] * 3


# The Java producer leaves it to the broker to add partitions and gets a new epoch with every end (KIP-890).
def test_java_producer_and_tools(broker, topic, environment):
    kafka, name = environment("kafka"), "j" + uuid.uuid4().hex[:8]
    sent = kafka.tool("kafka-producer-perf-test.sh", "--topic", topic, "--num-records", "3000", "--record-size", "50",
                      "--throughput", "3000", "--bootstrap-server", broker, "--transactional-id", name,
                      "--transaction-duration-ms", "100").ok()
    assert "3000 records sent" in sent.stdout
    assert len(read(broker, topic)) == 3000
    at = ["--bootstrap-server", broker]
    described = kafka.tool("kafka-transactions.sh", *at, "describe", "--transactional-id", name).ok().stdout.splitlines()
    assert described[0].split() == ["CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState",
                                    "TransactionTimeoutMs", "CurrentTransactionStartTimeMs", "TransactionDurationMs",
                                    "TopicPartitions"]
    fields = described[1].split()
    assert fields[1] == name and fields[4] == "CompleteCommit" and int(fields[3]) >= 2
    open_name = "o" + uuid.uuid4().hex[:8]
    producer = transactional(broker, open_name)
    producer.begin_transaction()
    send(producer, topic, ["open"])
    listed = kafka.tool("kafka-transactions.sh", *at, "list").ok().stdout
    assert re.search(rf"^{name}\s+1\s+\d+\s+CompleteCommit\s*$", listed, re.M)
    assert re.search(rf"^{open_name}\s+1\s+\d+\s+Ongoing\s*$", listed, re.M)
    open_line = kafka.tool("kafka-transactions.sh", *at, "describe", "--transactional-id", open_name).ok().stdout
    assert f"{topic}-0" in open_line.splitlines()[1] and "Ongoing" in open_line

    def producers_of(partition):
        lines = kafka.tool("kafka-transactions.sh", *at, "describe-producers", "--topic", topic, "--partition",
                           str(partition)).ok().stdout.splitlines()[1:]
        return {line.split()[0]: line.split() for line in lines}

    # The Java producer sends to a random partition until a batch is full: it may never have come to the first one.
    rows = producers_of(0)
    finished = next(found for found in (rows, producers_of(1), producers_of(2)) if fields[2] in found)
    assert finished[fields[2]][5] == "None"
    mine = next(row for row in rows.values() if row[5] != "None")
    aborted = kafka.tool("kafka-transactions.sh", *at, "abort", "--topic", topic, "--partition", "0", "--producer-id",
                         mine[0], "--producer-epoch", mine[1], "--coordinator-epoch", "0")
    assert aborted.returncode == 0, aborted
    assert len(read(broker, topic)) == 3000


@pytest.mark.raudal("--only", "kafka")
def test_a_killed_broker_goes_on_with_the_transaction(fresh_raudal):
    broker = fresh_raudal.at("kafka")
    topic = make_topic(broker)
    committing, abandoned = transactional(broker, "committing"), transactional(broker, "abandoned")
    for producer, word in ((committing, "kept"), (abandoned, "dropped")):
        producer.begin_transaction()
        send(producer, topic, [word] * 6)
    fresh_raudal.kill9()
    fresh_raudal.start()
    assert read(broker, topic) == []
    send(committing, topic, ["kept"] * 3)
    committing.commit_transaction(30)
    transactional(broker, "abandoned")
    assert read(broker, topic) == ["kept"] * 9
    fresh_raudal.stop()
    fresh_raudal.start()
    assert read(broker, topic) == ["kept"] * 9 and len(read(broker, topic, "read_uncommitted")) == 15


@pytest.mark.long
@pytest.mark.raudal("--only", "kafka")
@pytest.mark.parametrize("ended_by", ["stop", "kill9"])
def test_a_real_kafka_goes_on_with_open_transactions_and_we_with_its(fresh_raudal, environment, tmp_path, ended_by):
    """The directory moves twice in the middle of transactions: what the one began, the other commits or aborts."""
    import os
    import signal
    from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
    from real import RealKafka
    broker, address = fresh_raudal.at("kafka"), fresh_raudal.address
    topic = make_topic(broker)
    names = [f"{end}-{number}" for number in range(4) for end in ("kept", "dropped")]  # in several partitions of the log
    producers, rounds = {}, 0

    def all_are_open():
        listed = environment("kafka").tool("kafka-transactions.sh", "--bootstrap-server", broker, "list", timeout_s=120)
        return all(re.search(rf"^{name}\s.*Ongoing", listed.ok().stdout, re.M) for name in names)

    def begin():
        nonlocal rounds
        rounds += 1
        for name in names:  # new ones: librdkafka 2.16 hangs when it commits offsets after its coordinator was away
            producer = producers[name] = transactional(broker, name, **{"transaction.timeout.ms": 300000})
            producer.begin_transaction()
            send(producer, topic, [f"{name} {rounds}"] * 3)
            offset = 10 * rounds + (0 if name.startswith("kept") else 5)
            reader_of = Consumer({"bootstrap.servers": broker, "group.id": name})
            producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)],
                                                 reader_of.consumer_group_metadata(), 30)
            reader_of.close()

    def finish():
        for name, producer in producers.items():
            (producer.commit_transaction if name.startswith("kept") else producer.abort_transaction)(60)
        wait_for(lambda: read(broker, topic) == sorted(
            f"{name} {number}" for name in names if name.startswith("kept") for number in range(1, rounds + 1)
            for _ in range(3)), 30)
        for name in names:
            question = [ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0)])]
            admin = admin_client(broker)
            answer = admin.list_consumer_group_offsets(question, require_stable=True)[name].result(20)
            assert answer.topic_partitions[0].offset == (10 * rounds if name.startswith("kept") else -1001), name

    begin()
    finish()
    begin()
    getattr(fresh_raudal, ended_by)()
    real = RealKafka(tmp_path / "real", address=address, log_dir=fresh_raudal.data / "kafka").start()
    try:
        # (or librdkafka would ask while the coordinator is still loading, and hang)
        wait_for(all_are_open, 120)
        assert len(read(broker, topic)) == 12
        finish()
        begin()
        if ended_by == "kill9":
            os.killpg(real.process.pid, signal.SIGKILL)
            real.process.wait()
    finally:
        real.close()
    fresh_raudal.start()
    assert len(read(broker, topic)) == 24
    finish()
    begin()
    finish()
