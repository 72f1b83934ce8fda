"""bench/broker: a librdkafka client (confluent-kafka) against Raudal and a real Kafka in the same run.

Throughput: one producer, then one consumer, over the same topic of three partitions. Latency: a producer at a fixed
rate and a consumer in another process; each message carries its send time, and the time until its receipt counts.

The consumer sets fetch.queue.backoff.ms: with librdkafka's default it stops fetching for a second each time the broker
has filled its queue, so that the row would show how often the broker outran the program, not how fast it delivers.
"""
import argparse
import contextlib
import json
import pathlib

from broker_rows import ROWS, Ours, Real
from common import build_for_measuring, cpu_s, machine, median, scratch, table
from harness import Environment, Raudal
from real import RealKafka

PRODUCE = """
import sys, time, json
from confluent_kafka import Producer
bootstrap, topic, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
failed = []
def delivered(error, message):
    if error: failed.append(str(error))
producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all",
                     "queue.buffering.max.messages": 500000})
value, started = b"x" * size, time.perf_counter()
for number in range(count):
    while True:
        try:
            producer.produce(topic, value, partition=number % 3,
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
bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "queued.min.messages": 1000000, "fetch.queue.backoff.ms": 5})
consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
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
    result.send([latencies[int(len(latencies) * share)] / 1e6 for share in (.5, .99)])
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


class Column:
    """One broker under measurement, and its figures of all rounds by row."""

    def __init__(self, bootstrap, pid):
        self.bootstrap, self.pid, self.rows = bootstrap, pid, {}

    def run(self, program, *arguments):
        """What the client measured, and the share of one CPU's time that the broker used meanwhile, in seconds."""
        before = cpu_s(self.pid)
        answer = client(program, self.bootstrap, *arguments)
        return answer, cpu_s(self.pid) - before

    def add(self, row, *figures):
        self.rows.setdefault(row, []).append(figures)

    def medians(self, row):
        return [median(column) for column in zip(*self.rows[row])]


def one_round(column, number, options):
    topic = f"throughput-{number}"
    make_topic(column.bootstrap, topic)
    for row, program, arguments in (("produce", PRODUCE, (options.size,)), ("consume", CONSUME, ())):
        seconds, used = column.run(program, topic, options.messages, *arguments)
        column.add(row, options.messages / seconds, used)
    for rate in (1000, 20000):
        topic = f"latency-{rate}-{number}"
        make_topic(column.bootstrap, topic)
        (p50, p99), used = column.run(LATENCY, rate, options.seconds, topic)
        column.add(f"latency at {rate:,}/s", p50, p99, used)


def text(row, figures):
    if row.startswith("latency"):
        p50, p99, used = figures
        return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, broker CPU {used:.2f} s"
    rate, used = figures
    return f"{rate / 1000:,.0f}k/s, broker CPU {used:.2f} s"


def slower_rows(ours, real):
    """The rows in which ours is slower than the real one."""
    for row in ours.rows:
        mine, theirs = ours.medians(row), real.medians(row)
        if row.startswith("latency"):
            yield from (f"{row} {name}" for name, a, b in zip(("p50", "p99"), mine, theirs) if a > b)
        elif mine[0] < theirs[0]:
            yield row


def main():
    parser = argparse.ArgumentParser(prog="bench/broker")
    parser.add_argument("--ours", action="store_true", help="leave the real system out")
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--row", action="append", choices=["throughput", *ROWS], help="only this row; may be repeated")
    parser.add_argument("--records", type=int, default=2_000_000, help="of 100 B in the rows of processor time")
    parser.add_argument("--repeat", type=int, default=3, help="times that processor time is measured")
    parser.add_argument("--copied", type=int, default=1_000_000, help="of 100 B in the exactly-once copy")
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=15000)
    parser.add_argument("--recovery-mib", type=int, default=2048)
    parser.add_argument("--no-build", action="store_true", help="measure build/raudal, or RAUDAL_BINARY, as it is")
    options = parser.parse_args()
    if not options.no_build:
        build_for_measuring()
    rows = options.row or ["throughput", *ROWS]
    if "throughput" in rows:
        throughput(options)
    more_rows([row for row in rows if row in ROWS], options)


def more_rows(rows, options):
    """One row at a time, each with a new folder, the brokers one after the other."""
    names = ["Raudal"] + ([] if options.ours else ["Kafka 4.3.1"])
    lines = [["", *names]]
    for row in rows:
        cells, figures = [], []
        for name in names:
            with contextlib.ExitStack() as stack:
                options.scratch = pathlib.Path(stack.enter_context(scratch()))
                if name == "Raudal":
                    broker = Ours(stack.enter_context(
                        Raudal(options.scratch / "data", "--only", "kafka", "--set", "kafka.max.connections=20000")))
                else:
                    kafka = RealKafka(options.scratch / "kafka")
                    stack.callback(kafka.close)
                    broker = Real(kafka)
                text_of_row, figure = ROWS[row](broker, options)
            cells.append(text_of_row)
            figures.append(figure)
        print(f"{row}: {' | '.join(cells)}", flush=True)
        lines.append([row, *cells])
    if rows:
        print()
        table(lines)


def throughput(options):
    print(f"{machine()}; {options.messages:,} messages of {options.size} bytes, {options.seconds} s for each latency; "
          f"medians of {options.rounds} rounds, the brokers in turn\n")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(scratch()))
        running = stack.enter_context(Raudal(folder / "data", "--only", "kafka"))
        running.start()
        columns = {"Raudal": Column(running.at("kafka"), running.pids()[0])}
        if not options.ours:
            kafka = stack.enter_context(RealKafka(folder / "kafka"))
            columns["Kafka 4.3.1"] = Column(kafka.bootstrap, kafka.process.pid)
        for number in range(options.rounds):
            for column in columns.values():
                one_round(column, number, options)
    ours = columns["Raudal"]
    table([["", *columns],
           *([row, *(text(row, column.medians(row)) for column in columns.values())] for row in ours.rows)])
    if not options.ours:
        print(f"\nSlower than Kafka in: {', '.join(slower_rows(ours, columns['Kafka 4.3.1'])) or 'no row'}")


if __name__ == "__main__":
    main()
