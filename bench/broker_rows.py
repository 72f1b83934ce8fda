"""The rows of bench/broker beside throughput and latency: processor time per record against the floor, many topics,
recovery, idle connections, exactly-once copies, synced writes. Each is a function of a broker under measurement and the
options that gives a text for the table and a number that says how good it is (smaller is better)."""
import json
import os
import pathlib
import resource
import socket
import struct
import subprocess
import time

from common import TOP, cpu_s, memory_mb
from harness import Environment, wait_until

PRODUCE = """
import sys, time, json
from confluent_kafka import Producer
bootstrap, topic, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all",
                     "queue.buffering.max.messages": 500000, "queue.buffering.max.kbytes": 1000000})
value, started = b"x" * size, time.perf_counter()
for number in range(count):
    while True:
        try:
            producer.produce(topic, value, partition=number % 3)
            break
        except BufferError:
            producer.poll(0.05)
    if number % 5000 == 0: producer.poll(0)
assert producer.flush(300) == 0
print(json.dumps(time.perf_counter() - started))
"""

TOPICS = """
import sys, time, json
from confluent_kafka.admin import AdminClient, NewTopic
bootstrap, count = sys.argv[1], int(sys.argv[2])
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.list_topics(timeout=20)
started = time.perf_counter()
made = admin.create_topics([NewTopic(f"many-{number}", 3, 1) for number in range(count)], request_timeout=120)
for future in made.values(): future.result(180)
while True:
    topics = admin.list_topics(timeout=60).topics
    if sum(len(topics[f"many-{number}"].partitions) == 3 for number in range(count) if f"many-{number}" in topics
           and all(part.leader >= 0 for part in topics[f"many-{number}"].partitions.values())) == count: break
    time.sleep(0.02)
print(json.dumps(time.perf_counter() - started))
"""

LISTED = """
import sys, json
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
topics = admin.list_topics(timeout=60).topics
print(json.dumps(len(topics)))
"""

COPY = """
import sys, time, json
from confluent_kafka import Consumer, Producer, TopicPartition
bootstrap, source, target, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "copy", "enable.auto.commit": False,
                     "isolation.level": "read_committed", "auto.offset.reset": "earliest",
                     "queued.min.messages": 1000000, "fetch.queue.backoff.ms": 5})
consumer.assign([TopicPartition(source, number, 0) for number in range(3)])
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "copy-" + target, "linger.ms": 5,
                     "queue.buffering.max.messages": 500000})
producer.init_transactions(60)
copied, started = 0, time.perf_counter()
while copied < count:
    messages = consumer.consume(20000, 10)
    assert messages, copied
    producer.begin_transaction()
    for message in messages:
        producer.produce(target, message.value(), partition=message.partition())
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 60)
    producer.commit_transaction(60)
    copied += len(messages)
print(json.dumps(time.perf_counter() - started))
consumer.close()
"""

MANY_PRODUCERS = """
import sys, time, json, threading
from confluent_kafka import Producer
bootstrap, topic, producers, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
done, end, lock = [0], [0.0], threading.Lock()
def work(number):
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
    producer.list_topics(topic, 20)
    barrier.wait()
    count = 0
    while time.perf_counter() < end[0]:
        producer.produce(topic, b"x" * 1024, partition=number % 3, on_delivery=lambda error, _: None if not error else sys.exit(1))
        assert producer.flush(30) == 0
        count += 1
    with lock: done[0] += count
def begin(): end[0] = time.perf_counter() + seconds
barrier = threading.Barrier(producers, begin)
threads = [threading.Thread(target=work, args=(number,)) for number in range(producers)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(done[0] / seconds))
"""


def client(program, *arguments):
    result = Environment.get("clients").python(program, *map(str, arguments), timeout_s=900)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def make_topic(broker, topic, **settings):
    from_admin = """
import sys, json
from confluent_kafka.admin import AdminClient, NewTopic
bootstrap, topic, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
admin = AdminClient({"bootstrap.servers": bootstrap})
admin.create_topics([NewTopic(topic, 3, 1, config=settings)])[topic].result(30)
print("0")
"""
    client(from_admin, broker.bootstrap, topic, json.dumps({key.replace("_", "."): str(value)
                                                            for key, value in settings.items()}))


def batches_of(folder, topic):
    """(bytes, batches) of a topic's segments."""
    size = count = 0
    for file in folder.glob(f"{topic}-[0-9]*/*.log"):
        data, at = file.read_bytes(), 0
        while at + 61 <= len(data):
            at += 12 + struct.unpack_from(">i", data, at + 8)[0]
            count += 1
        size += at
    return size, max(count, 1)


def floor_s(size, batch_size, folder):
    built = TOP / "build" / "bench" / "broker_floor"
    result = subprocess.run([built, pathlib.Path(folder) / "floor", str(batch_size), str(size)], capture_output=True,
                            text=True, check=True)
    (pathlib.Path(folder) / "floor").unlink()
    return float(result.stdout.split()[0])


def cpu_per_record(broker, options, size):
    """Processor time of the broker while a producer sends, and that of the floor for the same bytes in the same
    batches, three times each, the smallest."""
    count = options.records if size < 1000 else options.records // 4
    used = floor = None
    for number in range(options.repeat):
        topic = f"cpu-{size}-{number}"
        make_topic(broker, topic)
        before = cpu_s(broker.pid)
        client(PRODUCE, broker.bootstrap, topic, count, size)
        took = cpu_s(broker.pid) - before
        written, batches = batches_of(broker.folder, topic)
        least = floor_s(written, written // batches, options.scratch)
        used, floor = min(used or took, took), min(floor or least, least)
    million = 1e6 / count
    return (f"{used * million:.2f} CPU-s per million, floor {floor * million:.2f}: {used / floor:.1f} times "
            f"({written // batches:,} B in a batch)", used * million)


def many_topics(broker, options):
    before = cpu_s(broker.pid)
    made = client(TOPICS, broker.bootstrap, options.topics)
    used = cpu_s(broker.pid) - before
    broker.stop()
    started = time.perf_counter()
    broker.start()
    assert client(LISTED, broker.bootstrap) >= options.topics
    restart = time.perf_counter() - started
    again = cpu_s(broker.pid)
    return (f"usable after {made:.2f} s (broker CPU {used:.2f} s), restart with them {restart:.2f} s with a client's start "
            f"(broker CPU {again:.2f} s)", made)


def recovery(broker, options):
    make_topic(broker, "recovered")
    client(PRODUCE, broker.bootstrap, "recovered", options.recovery_mib * 1024, 1024)
    broker.kill()
    started = time.perf_counter()
    broker.start()
    assert client(LISTED, broker.bootstrap) >= 1
    seconds = time.perf_counter() - started
    return f"{seconds:.2f} s after kill -9 with {options.recovery_mib:,} MiB (with a client's start)", seconds


def idle_connections(broker, options):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    count = min(options.connections, limit[1] - 200)
    host, port = broker.bootstrap.split(":")
    ask = struct.pack(">ihhih4s", 14, 18, 0, 1, 4, b"idle")
    held, before = [], memory_mb(broker.pid)[0]
    for number in range(count):
        connection = socket.create_connection((host, int(port)), source_address=(f"127.0.1.{number % 4 + 1}", 0))
        connection.sendall(ask)
        held.append(connection)
    for connection in held:
        assert connection.recv(65536)
    wait_until(lambda: True, 1)
    each = (memory_mb(broker.pid)[0] - before) * 1024 / count
    cpu = cpu_s(broker.pid)
    time.sleep(1)
    cpu = cpu_s(broker.pid) - cpu
    for connection in held:
        connection.close()
    return f"{each:.1f} KiB each of {count:,}, {cpu * 100:.0f} % of a CPU", each


def exactly_once_copy(broker, options, size):
    count = options.copied if size < 1000 else options.copied // 4
    make_topic(broker, f"copy-from-{size}")
    make_topic(broker, f"copy-to-{size}")
    client(PRODUCE, broker.bootstrap, f"copy-from-{size}", count, size)
    before = cpu_s(broker.pid)
    seconds = client(COPY, broker.bootstrap, f"copy-from-{size}", f"copy-to-{size}", count)
    used = cpu_s(broker.pid) - before
    return f"{count / seconds / 1000:,.0f}k/s, broker {used / count * 1e6:.2f} CPU-s per million", seconds / count


def synced(broker, options):
    make_topic(broker, "unsynced")
    make_topic(broker, "synced", flush_messages=1)
    rates = {}
    for topic in ("unsynced", "synced"):
        rates[topic] = client(MANY_PRODUCERS, broker.bootstrap, topic, 64, options.seconds)
    return (f"{rates['synced']:,.0f}/s of {rates['unsynced']:,.0f}/s unsynced: {rates['unsynced'] / rates['synced']:.1f} "
            "times slower", rates["unsynced"] / rates["synced"])


ROWS = {
    "cpu 100 B": lambda broker, options: cpu_per_record(broker, options, 100),
    "cpu 1 KiB": lambda broker, options: cpu_per_record(broker, options, 1024),
    "copy 100 B": lambda broker, options: exactly_once_copy(broker, options, 100),
    "copy 1 KiB": lambda broker, options: exactly_once_copy(broker, options, 1024),
    "synced, 64 producers": synced,
    "idle connections": idle_connections,
    "topics": many_topics,
    "recovery": recovery,
}


class Ours:
    """A Raudal under measurement: one folder over stops and starts."""

    def __init__(self, raudal):
        self.raudal, self.folder = raudal, raudal.data / "kafka"
        self.bootstrap = raudal.at("kafka")
        self.start()

    def start(self):
        self.raudal.start()
        self.pid = self.raudal.pids()[0]

    def stop(self):
        self.raudal.stop().ok()

    def kill(self):
        self.raudal.kill9()


class Real:
    def __init__(self, kafka):
        self.kafka, self.folder, self.bootstrap = kafka, kafka.log_dir, kafka.bootstrap
        self.start()

    def start(self):
        self.kafka.start()
        self.pid = self.kafka.process.pid

    def stop(self):
        self.kafka.process.terminate()
        self.kafka.process.wait(60)
        self.kafka.processes.clear()

    def kill(self):
        os.killpg(self.pid, 9)
        self.kafka.process.wait()
        self.kafka.processes.clear()
