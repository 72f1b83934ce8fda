"""bench/broker: a librdkafka client (confluent-kafka) against Raudal and a real Kafka in the same run.

Throughput: one producer, then one consumer, over the same topic of three partitions. Latency: a producer at a fixed
rate and a consumer in another process; each message carries its send time, and the time until its receipt counts.
"""
import argparse
import json
import pathlib
import time

from common import build_for_measuring, cpu_s, machine, scratch, table
from harness import Environment, Raudal
from real import RealKafka

PRODUCE = """
import sys, time, json
from confluent_kafka import Producer
bootstrap, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
failed = []
def delivered(error, message):
    if error: failed.append(str(error))
producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all",
                     "queue.buffering.max.messages": 500000})
value, started = b"x" * size, time.perf_counter()
for number in range(count):
    while True:
        try:
            producer.produce("throughput", value, partition=number % 3,
                             callback=delivered if number % 1000 == 0 else None)
            break
        except BufferError:
            producer.poll(0.05)
    if number % 5000 == 0: producer.poll(0)
assert producer.flush(120) == 0 and not failed, failed[:1]
print(json.dumps(time.perf_counter() - started))
"""

CONSUME = """
import sys, time, json
from confluent_kafka import Consumer, TopicPartition
bootstrap, count = sys.argv[1], int(sys.argv[2])
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "queued.min.messages": 1000000})
consumer.assign([TopicPartition("throughput", number, 0) for number in range(3)])
got, started = 0, time.perf_counter()
while got < count:
    messages = consumer.consume(10000, 10)
    assert messages, f"only {got} of {count} messages"
    got += len(messages)
print(json.dumps(time.perf_counter() - started))
consumer.close()
"""

LATENCY = """
import sys, time, json, struct, multiprocessing
from confluent_kafka import Producer, Consumer, TopicPartition
bootstrap, rate, seconds, topic = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
WARM_S = 2

def consume(ready, result):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "latency", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "fetch.wait.max.ms": 500})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
    consumer.poll(1)
    ready.set()
    wanted, got, latencies = rate * (seconds + WARM_S), 0, []
    while got < wanted:
        for message in consumer.consume(500, 0.001) or []:
            assert not message.error(), message.error()
            sent = struct.unpack_from("<Q", message.value())[0]
            got += 1
            if got > rate * WARM_S:
                latencies.append(time.monotonic_ns() - sent)
    latencies.sort()
    result.send([latencies[int(len(latencies) * share)] / 1e6 for share in (.5, .99, .999)])
    consumer.close()

ready, (receive, send) = multiprocessing.Event(), multiprocessing.Pipe(False)
consumer = multiprocessing.Process(target=consume, args=(ready, send))
consumer.start()
ready.wait(30)
producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
padding, tick = b"x" * 92, 0.001
started, sent = time.monotonic(), 0
while sent < rate * (seconds + WARM_S):
    due = min(int((time.monotonic() - started) * rate), rate * (seconds + WARM_S))
    while sent < due:
        producer.produce(topic, struct.pack("<Q", time.monotonic_ns()) + padding, partition=sent % 3)
        sent += 1
    producer.poll(0)
    time.sleep(tick)
assert producer.flush(30) == 0
print(json.dumps(receive.recv()))
consumer.join()
"""


def client(program, *arguments):
    result = Environment.get("clients").python(program, *map(str, arguments), timeout_s=600)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def make_topic(bootstrap, topic):
    made = Environment.get("kafka").tool("kafka-topics.sh", "--bootstrap-server", bootstrap, "--create", "--topic",
                                         topic, "--partitions", "3", "--replication-factor", "1")
    assert made.returncode == 0, made


def measure(bootstrap, pid, options):
    """The figures of one broker, as {name: text}, and for the comparison {name: number, bigger is better}."""
    figures, numbers = {}, {}
    make_topic(bootstrap, "throughput")
    for name, program, arguments in (("produce", PRODUCE, (options.messages, options.size)),
                                     ("consume", CONSUME, (options.messages,))):
        before = cpu_s(pid)
        seconds = client(program, bootstrap, *arguments)
        used = cpu_s(pid) - before
        numbers[name] = options.messages / seconds
        figures[name] = f"{options.messages / seconds / 1000:,.0f}k/s, broker CPU {used:.2f} s"
    for rate in (1000, 20000):
        make_topic(bootstrap, f"latency-{rate}")
        before, started = cpu_s(pid), time.monotonic()
        p50, p99, p999 = client(LATENCY, bootstrap, rate, options.seconds, f"latency-{rate}")
        share = (cpu_s(pid) - before) / (time.monotonic() - started)
        figures[f"latency at {rate:,}/s"] = (f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms, "
                                             f"broker CPU {share:.0%}")
        numbers[f"latency at {rate:,}/s p50"], numbers[f"latency at {rate:,}/s p99"] = 1 / p50, 1 / p99
    return figures, numbers


def main():
    parser = argparse.ArgumentParser(prog="bench/broker")
    parser.add_argument("--ours", action="store_true", help="leave the real system out")
    parser.add_argument("--messages", type=int, default=3_000_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    build_for_measuring()
    print(f"{machine()}; {options.messages:,} messages of {options.size} bytes; {options.seconds} s for each latency\n")
    columns = {}
    with scratch() as folder, Raudal(pathlib.Path(folder) / "data", "--only", "kafka") as running:
        running.start()
        columns["Raudal"], ours = measure(running.at("kafka"), running.pids()[0], options)
    if not options.ours:
        with scratch() as folder, RealKafka(pathlib.Path(folder) / "kafka") as kafka:
            columns["Kafka 4.3.1"], real = measure(kafka.bootstrap, kafka.process.pid, options)
    table([["", *columns], *([name, *(column[name] for column in columns.values())] for name in columns["Raudal"])])
    if not options.ours:
        slower = [name for name in ours if ours[name] < real[name]]
        print(f"\nSlower than Kafka in: {', '.join(slower) or 'no row'}")


if __name__ == "__main__":
    main()
