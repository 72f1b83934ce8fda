"""A log directory goes from Raudal to a real Kafka and back: every codec, compacted and deleted records, transactions that
are committed, aborted and open, groups and their offsets, after clean stops and after kill -9."""
import os
import signal

import pytest

from harness import wait_until
from real import RealKafka

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TOPICS = [*CODECS, "compacted", "deleted", "transactional"]


def make_topics(broker):
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": broker})
    settings = {"compacted": {"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"},
                "gzip": {"retention.ms": "-1"}}
    made = admin.create_topics([NewTopic(name, 2, 1, config=settings.get(name, {})) for name in TOPICS])
    for future in made.values():
        future.result(30)


def produce(broker, topic, numbers, **settings):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 20, "enable.idempotence": True, **settings})
    for number in numbers:
        producer.produce(topic, f"value {number} ".encode() * 20, key=f"{number % 17}", partition=number % 2,
                         headers=[("number", str(number).encode())])
    assert producer.flush(60) == 0


def transact(broker, name, number, end):
    """A transaction with two records and an offset of its own group; end: commit, abort, or None, which leaves it open."""
    from confluent_kafka import Consumer, Producer, TopicPartition
    producer = Producer({"bootstrap.servers": broker, "transactional.id": name, "transaction.timeout.ms": 600000})
    wait_until(lambda: initialized(producer), 60, "the transactional producer")
    consumer = Consumer({"bootstrap.servers": broker, "group.id": f"group of {name}"})
    producer.begin_transaction()
    for partition in range(2):
        producer.produce("transactional", f"{name} {number}", partition=partition)
    producer.flush(30)
    producer.send_offsets_to_transaction([TopicPartition("none", 0, number)], consumer.consumer_group_metadata(), 30)
    if end:
        (producer.commit_transaction if end == "commit" else producer.abort_transaction)(30)
    consumer.close()
    return producer


def initialized(producer):
    from confluent_kafka import KafkaException
    try:
        producer.init_transactions(10)
        return True
    except KafkaException as error:
        assert error.args[0].retriable(), error
        return False


def commit(broker, offset):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers"})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset) for topic in CODECS], asynchronous=False)
    consumer.close()


def read(broker, topic, isolation):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "nobody", "isolation.level": isolation,
                         "enable.partition.eof": True, "enable.auto.commit": False, "check.crcs": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    records, ended = [], set()
    try:
        while len(ended) < 2:
            message = consumer.poll(30)
            assert message is not None, f"{topic}: nothing more comes"
            if message.error():
                assert message.error().name() in ("_PARTITION_EOF", "_AUTO_OFFSET_RESET"), message.error()
                ended.add(message.partition())
                continue
            ended.discard(message.partition())
            records.append((message.partition(), message.offset(), message.key(), message.value(), message.headers(),
                            message.timestamp()))
        return sorted(records, key=lambda record: record[:2])
    finally:
        consumer.close()


def newest(records):
    """What compaction must keep: of every key the newest value."""
    return {(record[0], record[2]): record[3] for record in records}


def snapshot(broker):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers"})
    picture = {"topics": sorted(set(consumer.list_topics(timeout=30).topics) & set(TOPICS))}
    for topic in TOPICS:
        records = read(broker, topic, "read_committed")
        picture[topic] = newest(records) if topic == "compacted" else records
        picture[topic, "marks"] = [consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
                                   for partition in range(2) if topic != "compacted"]
    picture["committed"] = [part.offset for part in consumer.committed([TopicPartition(topic, 0) for topic in CODECS], 30)]
    consumer.close()
    for name in ("keeper", "breaker", "sleeper"):
        of_group = Consumer({"bootstrap.servers": broker, "group.id": f"group of {name}"})
        try:
            picture["offset", name] = of_group.committed([TopicPartition("none", 0)], 5)[0].offset
        except Exception as error:     # an open transaction holds it back
            picture["offset", name] = str(error)
        of_group.close()
    return picture


def work(broker, first):
    """One round of everything; what it leaves open is returned and must be kept."""
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.admin import AdminClient
    for codec in CODECS:
        produce(broker, codec, range(first, first + 200), **{"compression.type": codec})
    produce(broker, "compacted", range(first, first + 3000))
    produce(broker, "deleted", range(first, first + 100))
    consumer, admin = Consumer({"bootstrap.servers": broker, "group.id": "x"}), AdminClient({"bootstrap.servers": broker})
    _, end = consumer.get_watermark_offsets(TopicPartition("deleted", 0), 30)
    consumer.close()
    for future in admin.delete_records([TopicPartition("deleted", 0, end - 20)]).values():
        future.result(30)
    commit(broker, first + 7)
    transact(broker, "keeper", first + 1, "commit")
    transact(broker, "breaker", first + 2, "abort")
    return transact(broker, "sleeper", first + 3, None)


def is_ready(broker):
    """The coordinators have loaded."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers"})
    try:
        return consumer.committed([TopicPartition("none", 0)], 10)[0].offset >= 0
    except Exception:
        return False
    finally:
        consumer.close()


@pytest.mark.parametrize("ended_by", ["stop", "kill -9"])
def test_a_directory_goes_to_a_real_kafka_and_back(start_raudal, tmp_path, ended_by):
    ours = start_raudal("--only", "kafka")
    broker, open_ones = ours.at("kafka"), []
    make_topics(broker)
    open_ones.append(work(broker, 0))
    for turn in range(2):
        before = snapshot(broker)
        ours.stop().ok() if ended_by == "stop" else ours.kill9()
        real = RealKafka(tmp_path / f"real{turn}", address=ours.address, log_dir=ours.data / "kafka").start()
        try:
            wait_until(lambda: is_ready(broker), 120, "the real Kafka's coordinators", 1)
            assert snapshot(broker) == before
            open_ones.append(work(broker, 1000 + 2000 * turn))
            after = snapshot(broker)
            if ended_by == "kill -9":
                os.killpg(real.process.pid, signal.SIGKILL)
                real.process.wait()
        finally:
            real.close()
        ours.start()
        assert snapshot(broker) == after
        open_ones.append(work(broker, 2000 + 2000 * turn))
    assert ours.status()["partitions"] == []
