"""Bytes of segments that change on the disk, and a disk that refuses: real consumers go on behind the batch that was hit,
everybody is told its offsets, and a producer goes on when there is room again."""
import contextlib
import json
import resource
import shutil
import struct
import urllib.request
import uuid

import pytest

from harness import BINARY, run, wait_until

BATCHES = 30
HIT = {7: 70, 19: 8, BATCHES - 1: 17}    # of these batches the byte at this place: a record, the length, the checksum


def produce(broker, topic, numbers):
    """One record in a batch each."""
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0})
    for number in numbers:
        producer.produce(topic, f"value {number}", partition=0)
        assert producer.flush(20) == 0


def segment_of(raudal, topic="t"):
    return raudal.data / "kafka" / f"{topic}-0" / f"{0:020}.log"


def hit(segment):
    """Flips a bit in each batch of HIT."""
    data = bytearray(segment.read_bytes())
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += 12 + struct.unpack_from(">i", data, at + 8)[0]
    with open(segment, "r+b") as file:
        for batch, place in HIT.items():
            file.seek(starts[batch] + place)
            file.write(bytes([data[starts[batch] + place] ^ 0x40]))


def with_librdkafka(broker, topic, count):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": uuid.uuid4().hex, "check.crcs": True,
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    try:
        for _ in range(1000):
            message = consumer.poll(20)
            assert message is not None, values
            if message.error():     # the end of the partition: behind what is damaged there, too
                assert message.error().name() == "_PARTITION_EOF", message.error()
                return values
            values.append(message.value().decode())
    finally:
        consumer.close()


def with_kafka_python(broker, topic, count):
    from kafka import KafkaConsumer, TopicPartition
    consumer = KafkaConsumer(bootstrap_servers=[broker], auto_offset_reset="earliest", check_crcs=True)
    partition, values = TopicPartition(topic, 0), []
    consumer.assign([partition])
    consumer.seek_to_beginning()
    end = consumer.end_offsets([partition])[partition]

    def at_end():
        for records in consumer.poll(500).values():
            values.extend(record.value.decode() for record in records)
        return consumer.position(partition) >= end

    try:
        wait_until(at_end, 30, "the end of the partition", 0)
        return values
    finally:
        consumer.close()


def with_java(broker, topic, count):
    from harness import Environment
    result = Environment.get("kafka").tool("kafka-console-consumer.sh", "--bootstrap-server", broker, "--topic", topic,
                                           "--from-beginning", "--max-messages", str(count), "--timeout-ms", "30000")
    return result.ok().stdout.split("\n")[:-1]


READERS = [with_librdkafka, with_kafka_python, with_java]


def check_readers(raudal, numbers):
    expected = [f"value {number}" for number in numbers]
    for reader in READERS:
        assert reader(raudal.at("kafka"), "t", len(expected)) == expected, reader.__name__


def corrupt_offsets(raudal):
    return [(one["first"], one["last"]) for partition in raudal.status()["partitions"] for one in partition["corrupt"]]


def test_batches_that_were_hit_while_it_stood_still(start_raudal):
    """Named in the log, the status, the metrics, the pages and by doctor."""
    raudal = start_raudal()
    raudal.create_topic("t", partitions=1)
    produce(raudal.at("kafka"), "t", range(BATCHES))
    raudal.stop().ok()
    hit(segment_of(raudal))
    raudal.start()
    healthy = [number for number in range(BATCHES) if number not in HIT]
    check_readers(raudal, healthy)
    assert corrupt_offsets(raudal) == [(number, number) for number in HIT]
    for number in HIT:
        assert f"Record batch of t-0 with offsets {number} to {number} is corrupt" in raudal.logs("kafka")
    assert "t-0: offsets 7 to 7 are corrupt" in raudal.command("status").stdout
    page = f"http://{raudal.at('kafka-ui')}"
    topic = json.load(urllib.request.urlopen(f"{page}/api/clusters/raudal/topics/t", timeout=20))
    assert [one["first"] for one in topic["partitions"][0]["corrupt"]] == list(HIT)
    assert "19 – 19" in urllib.request.urlopen(f"{page}/topics/t", timeout=20).read().decode()
    metrics = urllib.request.urlopen(f"{page}/metrics", timeout=20).read().decode()
    assert 'kafka_log_quarantined_bytes{topic="t",partition="0",first_offset="7",last_offset="7"}' in metrics
    doctor = json.loads(raudal.command("doctor", "--json").stdout)
    assert [one["kind"] for one in doctor["findings"]].count("RECORDS_CORRUPT") == len(HIT)
    produce(raudal.at("kafka"), "t", [BATCHES])
    assert with_librdkafka(raudal.at("kafka"), "t", 0)[-1] == f"value {BATCHES}"


def test_batches_that_were_hit_while_it_ran(start_raudal):
    """The scrub finds them; until then a reader that checks would be told by its own checksum."""
    raudal = start_raudal("--only", "kafka", "--set", "raudal.scrub.interval=1", "--set", "raudal.scrub.rate=64m")
    raudal.create_topic("t", partitions=1)
    produce(raudal.at("kafka"), "t", range(BATCHES))
    hit(segment_of(raudal))
    wait_until(lambda: len(corrupt_offsets(raudal)) == len(HIT), 30, "the scrub")
    assert corrupt_offsets(raudal) == [(number, number) for number in HIT]
    check_readers(raudal, [number for number in range(BATCHES) if number not in HIT])


def test_with_stop_a_consumer_is_told_and_may_seek(start_raudal):
    from confluent_kafka import Consumer, TopicPartition
    raudal = start_raudal("--only", "kafka", "--set", "raudal.corruption=stop")
    raudal.create_topic("t", partitions=1)
    produce(raudal.at("kafka"), "t", range(BATCHES))
    raudal.stop().ok()
    hit(segment_of(raudal))
    raudal.start()
    consumer = Consumer({"bootstrap.servers": raudal.at("kafka"), "group.id": "g", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition("t", 0, 0)])
    values, told = [], None
    for _ in range(1000):
        message = consumer.poll(20)
        assert message is not None
        if message.error():
            told = message.error()
            break
        values.append(message.value().decode())
    assert values == [f"value {number}" for number in range(7)]
    assert told.name() in ("INVALID_MSG", "CORRUPT_MESSAGE", "_BAD_MSG"), told
    consumer.seek(TopicPartition("t", 0, 8))

    def next_record():
        message = consumer.poll(1)
        return message if message is not None and not message.error() else None

    assert wait_until(next_record, 20, "a record behind the damage", 0).offset() == 8
    consumer.close()


# A disk that refuses.

def send(producer, numbers, answers):
    for number in numbers:
        producer.produce("t", f"value {number}".ljust(1000), partition=0,
                         on_delivery=lambda error, _: answers.append(error))


def check_refusal(raudal, refuse, allow):
    """Refused with Kafka's error for it; what a producer goes on trying arrives once and in order when there is room."""
    from confluent_kafka import Producer
    broker = raudal.at("kafka")
    raudal.create_topic("t", partitions=1)
    steady = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "message.timeout.ms": 60000})
    single = Producer({"bootstrap.servers": broker, "retries": 0, "message.timeout.ms": 30000})
    answers, refused = [], []
    send(steady, range(200), answers)
    assert steady.flush(20) == 0 and answers == [None] * 200
    refuse()
    send(single, range(10000, 10100), refused)     # 100 kB: more than fits
    assert single.flush(40) == 0
    names = {error.name() for error in refused if error}
    assert names == {"KAFKA_STORAGE_ERROR"}, names
    send(steady, range(200, 400), answers)
    steady.poll(1)
    assert with_librdkafka(broker, "t", 0)[:200] == [f"value {number}".ljust(1000) for number in range(200)]
    allow()
    assert steady.flush(60) == 0 and answers == [None] * 400
    values = [int(value.split()[1]) for value in with_librdkafka(broker, "t", 0)]
    assert [value for value in values if value < 10000] == list(range(400)), "each once and in order"
    others = [value for value in values if value >= 10000]
    assert len(others) == sum(error is None for error in refused) and others == sorted(set(others))


def test_a_limit_on_file_sizes(start_raudal):
    raudal = start_raudal("--only", "kafka")
    pid = raudal.pids()[0]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def refuse():
        size = segment_of(raudal).stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 5000, before[1]))

    check_refusal(raudal, refuse, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, before))
    assert raudal.status()["partitions"] == []


def test_a_full_disk(start_raudal, tmp_path):
    """A small file system of its own, in a mount namespace; the test looks into it through /proc."""
    probe = run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", tmp_path], 20) if shutil.which("unshare") else None
    if probe is None or probe.returncode != 0:
        pytest.skip("no mount namespaces here")
    raudal = start_raudal("--only", "kafka", up=False)
    raudal.data.mkdir()
    started = run(["unshare", "-Urm", "sh", "-c",
                   'mount -t tmpfs -o size=48m none "$1" && shift && exec "$@"', "sh", raudal.data,
                   BINARY, "up", "-d", "--data", raudal.data, "--address", raudal.address, *raudal.options])
    started.ok()
    inside = f"/proc/{raudal.pids()[0]}/root{raudal.data}"

    def refuse():
        with open(f"{inside}/filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def allow():
        with open(f"{inside}/filler", "wb"):
            pass

    try:
        check_refusal(raudal, refuse, allow)
    finally:
        raudal.kill9()
