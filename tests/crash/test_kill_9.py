"""kill -9 under load, many times over: what was acknowledged is there afterwards, once, and in order."""
import contextlib
import os
import random
import threading
import time

import pytest

from harness import wait_until

ROUNDS = int(os.environ.get("RAUDAL_CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("RAUDAL_CRASH_SEED", "1"))


class Load(threading.Thread):
    """Calls step() over and over until stopped; what it returns is the list of what was acknowledged."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step, self.acknowledged, self.ended = step, [], threading.Event()

    def run(self):
        number = 0
        while not self.ended.is_set():
            with contextlib.suppress(Exception):
                answer = self.step(number)
                if answer is not None:
                    self.acknowledged.append(answer)
            number += 1

    def end(self):
        self.ended.set()
        self.join(60)
        return self.acknowledged


def kill_rounds(raudal, name, between=lambda: None, rounds=ROUNDS, longest_s=0.8):
    chance = random.Random(f"{SEED} {name}")
    for _ in range(rounds):
        time.sleep(0.1 + chance.random() * (longest_s - 0.1))
        raudal.kill9()
        raudal.start()
        between()


def with_a_topic(start_raudal):
    raudal = start_raudal("--only", "kafka")
    raudal.create_topic("t")
    return raudal


def read_all(bootstrap, topic):
    """{partition: [(offset, value)]} of a topic."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest",
                         "check.crcs": True})
    found = {}
    try:
        for partition in range(3):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 20)
            consumer.assign([TopicPartition(topic, partition, low)])
            records, end = [], time.monotonic() + 30
            while (not records or records[-1][0] < high - 1) and high > low and time.monotonic() < end:
                for message in consumer.consume(1000, 1):
                    assert not message.error(), message.error()
                    records.append((message.offset(), message.value().decode()))
            found[partition] = records
        return found
    finally:
        consumer.close()


LZ4 = {"compression.type": "lz4", "linger.ms": 20}


@pytest.mark.parametrize("settings, rounds", [
    pytest.param({}, 20, id="plain"), pytest.param(LZ4, ROUNDS, id="lz4"),
    pytest.param({}, 200, id="200", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    pytest.param(LZ4, 100, id="100 lz4", marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_acknowledged_records_are_there_once_and_in_order(start_raudal, settings, rounds):
    from confluent_kafka import Producer
    raudal = with_a_topic(start_raudal)
    producer = Producer({"bootstrap.servers": raudal.at("kafka"), "enable.idempotence": True, "acks": "all",
                         "message.timeout.ms": 60000, "reconnect.backoff.max.ms": 200, **settings})
    acknowledged, failed, ended = [], [], threading.Event()

    def delivered(error, message):
        (failed if error else acknowledged).append((message.partition(), message.offset(), message.value().decode()))

    def produce():
        number = 0
        while not ended.is_set():
            with contextlib.suppress(BufferError):
                producer.produce("t", f"{number}", partition=number % 3, on_delivery=delivered)
                number += 1
            producer.poll(0.0005)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    kill_rounds(raudal, f"records {settings}", rounds=rounds, longest_s=0.4)
    wait_until(lambda: len(acknowledged) > 300, 30, "300 acknowledged records")
    ended.set()
    thread.join()
    assert producer.flush(60) == 0 and failed == []
    found = read_all(raudal.at("kafka"), "t")
    for partition, records in found.items():
        assert [offset for offset, _ in records] == list(range(len(records))), "offsets are dense"
        values = [int(value) for _, value in records]
        assert values == sorted(set(values)), "each record once and in order"
    at = {(partition, offset): value for partition, records in found.items() for offset, value in records}
    lost = [each for each in acknowledged if at.get(each[:2]) != each[2]]
    assert lost == [], f"{len(lost)} of {len(acknowledged)} acknowledged records are lost or moved"


def test_acknowledged_topics_and_group_offsets_are_there(start_raudal):
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic
    raudal = with_a_topic(start_raudal)
    admin = AdminClient({"bootstrap.servers": raudal.at("kafka"), "reconnect.backoff.max.ms": 200})
    consumer = Consumer({"bootstrap.servers": raudal.at("kafka"), "group.id": "g", "reconnect.backoff.max.ms": 200})

    def step(number):
        if number % 5 == 0:
            admin.create_topics([NewTopic(f"made-{number}", 1, 1)], request_timeout=5)[f"made-{number}"].result(6)
            return f"made-{number}"
        consumer.commit(offsets=[TopicPartition("t", 0, number)], asynchronous=False)
        return number

    load = Load(step)
    load.start()
    kill_rounds(raudal, "topics")
    acknowledged = load.end()
    topics = {each for each in acknowledged if isinstance(each, str)}
    offsets = [each for each in acknowledged if isinstance(each, int)]
    assert len(topics) > 3 and len(offsets) > 10
    assert topics <= set(admin.list_topics(timeout=20).topics)
    assert consumer.committed([TopicPartition("t", 0)], 20)[0].offset >= max(offsets)
    consumer.close()


def test_acknowledged_znodes_are_there(start_raudal):
    from kazoo.client import KazooClient
    raudal = start_raudal("--only", "zookeeper")
    client = KazooClient(raudal.at("zookeeper"), timeout=20)
    client.start(15)
    client.ensure_path("/load")
    load = Load(lambda number: client.create(f"/load/{number}", str(number).encode()))
    load.start()
    kill_rounds(raudal, "znodes", lambda: wait_until(lambda: client.connected, 20, "the reconnection"))
    acknowledged = load.end()
    assert len(acknowledged) > 50
    there = set(client.retry(client.get_children, "/load"))
    assert {path.rpartition("/")[2] for path in acknowledged} <= there
    for path in random.Random(SEED).sample(acknowledged, 20):
        assert client.get(path)[0].decode() == path.rpartition("/")[2]
    client.stop()
    client.close()


def test_acknowledged_files_are_there_and_whole(start_raudal):
    from hdfs import InsecureClient
    raudal = start_raudal("--only", "hdfs")
    client = InsecureClient(f"http://{raudal.at('namenode-ui')}", user="root", timeout=5)

    def content(number):
        return f"{number} ".encode() * (number % 7 * 5000 + 1)

    def step(number):
        client.write(f"/load/{number}", content(number), overwrite=True)
        return number

    load = Load(step)
    load.start()
    kill_rounds(raudal, "files")
    acknowledged = load.end()
    assert len(acknowledged) > 20
    for number in acknowledged:
        with client.read(f"/load/{number}") as reader:
            assert reader.read() == content(number), number


def test_recovery_twice_changes_nothing(start_raudal):
    """Killed while it recovers, and recovered again: the directory is the one that a single recovery makes."""
    from confluent_kafka import Producer
    raudal = with_a_topic(start_raudal)
    producer = Producer({"bootstrap.servers": raudal.at("kafka")})
    for number in range(3000):
        producer.produce("t", f"{number}", partition=number % 3)
    assert producer.flush(20) == 0
    before = read_all(raudal.at("kafka"), "t")
    for _ in range(3):
        raudal.kill9()
        raudal.start()
    assert read_all(raudal.at("kafka"), "t") == before


def test_a_torn_tail_is_cut_and_a_corrupt_batch_is_stepped_over(start_raudal):
    from confluent_kafka import Producer
    raudal = with_a_topic(start_raudal)
    producer = Producer({"bootstrap.servers": raudal.at("kafka")})
    for number in range(300):
        producer.produce("t", f"{number}", partition=number % 3)
        producer.flush(10)
    raudal.kill9()
    segment = raudal.data / "kafka" / "t-0" / f"{0:020}.log"
    whole = segment.read_bytes()
    segment.write_bytes(whole + b"\x00" * 37)
    raudal.start()
    assert len(read_all(raudal.at("kafka"), "t")[0]) == 100
    raudal.stop().ok()
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 0xff
    segment.write_bytes(damaged)
    raudal.start()
    raudal.kill9()
    raudal.start()
    assert raudal.pids() and len(read_all(raudal.at("kafka"), "t")[1]) == 100
