"""What operators do with a cluster: features, the quorum, elections, transactions by force, settings of codecs; our tools
beside the real ones, and requests that a broker without logins refuses."""
import re
import time
import uuid

import pytest

from harness import BINARY, run

raudal_options = ["--only", "kafka"]

# Asked in this order of one broker that has the topic `places` (3 partitions) and the transactions of `with_transactions`.
LINES = {
    "features": ["kafka-features.sh", "describe"],
    "features-upgrade-dry": ["kafka-features.sh", "upgrade", "--feature", "group.version=1", "--dry-run"],
    "features-upgrade-unknown": ["kafka-features.sh", "upgrade", "--feature", "nope=1"],
    "features-upgrade-two": ["kafka-features.sh", "upgrade", "--feature", "group.version=1", "--feature", "nope=1"],
    "features-downgrade-dry": ["kafka-features.sh", "downgrade", "--feature", "group.version=0", "--dry-run"],
    "features-disable-dry": ["kafka-features.sh", "disable", "--feature", "group.version", "--dry-run"],
    "quorum-status": ["kafka-metadata-quorum.sh", "describe", "--status"],
    "quorum-replication": ["kafka-metadata-quorum.sh", "describe", "--replication"],
    "quorum-neither": ["kafka-metadata-quorum.sh", "describe"],
    "election-all": ["kafka-leader-election.sh", "--election-type", "preferred", "--all-topic-partitions"],
    "election-one": ["kafka-leader-election.sh", "--election-type", "preferred", "--topic", "places", "--partition", "0"],
    "election-file": ["kafka-leader-election.sh", "--election-type", "unclean", "--path-to-json-file", "PLACES"],
    "election-missing": ["kafka-leader-election.sh", "--election-type", "preferred", "--topic", "nope", "--partition", "0"],
    "election-no-type": ["kafka-leader-election.sh", "--topic", "places", "--partition", "0"],
    "api-versions": ["kafka-broker-api-versions.sh"],
    "transactions": ["kafka-transactions.sh", "list"],
    "transactions-pattern": ["kafka-transactions.sh", "list", "--transactional-id-pattern", "tx-b.*"],
    "transactions-describe": ["kafka-transactions.sh", "describe", "--transactional-id", "tx-a"],
    "transactions-describe-done": ["kafka-transactions.sh", "describe", "--transactional-id", "tx-b"],
    "transactions-describe-missing": ["kafka-transactions.sh", "describe", "--transactional-id", "nope"],
    "transactions-producers": ["kafka-transactions.sh", "describe-producers", "--topic", "places", "--partition", "0"],
    "transactions-hanging": ["kafka-transactions.sh", "find-hanging", "--topic", "places"],
    "transactions-hanging-nowhere": ["kafka-transactions.sh", "find-hanging"],
}


def ours(tool, *words, **more):
    return run([BINARY, tool.removesuffix(".sh"), *map(str, words)], **more)


def comparable(result):
    def clean(text):
        text = re.sub(r"\d{13}", "TIME", text)
        text = re.sub(r"TIME\s+\d+ ", "TIME DURATION ", text)          # how long a transaction runs
        text = re.sub(r"(Epoch|HighWatermark): +\d+", r"\1: N", text)  # of the metadata log, which grows
        text = re.sub(r"\t\d+ +\t0  \tTIME", "\tN\t0\tTIME", text)
        text = re.sub(r"4\.4-IV2 *|UNKNOWN 33 *", "NEWEST ", text)  # the real tool is of 4.3
        text = re.sub(r"places-\d(,places-\d)+", lambda found: ",".join(sorted(found[0].split(","))), text)
        lines = [line.rstrip() for line in text.splitlines()]
        return [line for line in lines if line and not line.startswith(("\tat ", "\tSuppressed"))]
    return result.returncode, clean(result.stdout), clean(result.stderr)


def producer(broker, name, **settings):
    from confluent_kafka import Producer
    made = Producer({"bootstrap.servers": broker, "transactional.id": name, **settings})
    made.init_transactions(30)
    return made


@pytest.fixture(scope="module")
def with_transactions(raudal):
    """`tx-b` has committed, `tx-a` is open with a record in two partitions."""
    broker = raudal.at("kafka")
    raudal.create_topic("places", 3)
    done = producer(broker, "tx-b")
    done.begin_transaction()
    done.produce("places", "b", partition=0)
    done.commit_transaction(30)
    left = producer(broker, "tx-a", **{"transaction.timeout.ms": 600000})
    left.begin_transaction()
    left.produce("places", "a", partition=0)
    left.produce("places", "a", partition=1)
    assert left.flush(20) == 0
    yield raudal
    left.abort_transaction(30)


FILES = {"PLACES": '{"partitions": [{"topic": "places", "partition": 0}, {"topic": "nope", "partition": 1}]}'}


@pytest.mark.long
@pytest.mark.parametrize("name", LINES)
def test_our_tool_prints_what_the_real_tool_prints(with_transactions, environment, name, tmp_path):
    tool, *words = LINES[name]
    for file in FILES.keys() & set(words):
        (tmp_path / file).write_text(FILES[file])
        words[words.index(file)] = tmp_path / file
    server = ["--bootstrap-server", with_transactions.at("kafka")]
    real = environment("kafka").tool(tool, *server, *words)
    mine = ours(tool, *server, *words)
    assert comparable(mine) == comparable(real), f"ours: {mine}\nthe real one: {real}"


def test_transactions_are_seen_and_ended_by_force(raudal):
    broker = raudal.at("kafka")
    server = ["--bootstrap-server", broker]
    topic, name = f"t-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    raudal.create_topic(topic, 1)
    stuck = producer(broker, name, **{"transaction.timeout.ms": 600000})
    stuck.begin_transaction()
    stuck.produce(topic, "x")
    assert stuck.flush(20) == 0
    assert "Ongoing" in ours("kafka-transactions.sh", *server, "describe", "--transactional-id", name).ok().stdout
    producers = ours("kafka-transactions.sh", *server, "describe-producers", "--topic", topic, "--partition", "0")
    assert len(producers.ok().stdout.splitlines()) == 2
    ours("kafka-transactions.sh", *server, "forceTerminateTransaction", "--transactionalId", name).ok()
    assert "Ongoing" not in ours("kafka-transactions.sh", *server, "describe", "--transactional-id", name).ok().stdout
    assert "None" in ours("kafka-transactions.sh", *server, "describe-producers", "--topic", topic, "--partition",
                          "0").ok().stdout


def test_features_are_changed_and_kept(fresh_raudal):
    server = ["--bootstrap-server", fresh_raudal.at("kafka")]
    level = r"group\.version +.*FinalizedVersionLevel: (\d)"
    assert re.search(level, ours("kafka-features.sh", *server, "describe").ok().stdout)[1] == "1"
    assert ours("kafka-features.sh", *server, "downgrade", "--feature", "group.version=0").ok().stdout == \
        "group.version was downgraded to 0.\n"
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": fresh_raudal.at("kafka"), "group.id": "g", "group.protocol": "consumer"})
    consumer.subscribe(["t"])
    end, error = time.monotonic() + 20, None
    while error is None and time.monotonic() < end:
        message = consumer.poll(0.2)
        error = message.error() if message is not None else None
    assert error is not None  # such groups are switched off
    consumer.close()
    fresh_raudal.stop()
    fresh_raudal.start()
    assert re.search(level, ours("kafka-features.sh", *server, "describe").ok().stdout)[1] == "0"
    assert ours("kafka-features.sh", *server, "upgrade", "--feature", "group.version=1").ok()


def test_what_has_to_do_with_logins_is_refused_by_name(broker):
    from confluent_kafka import KafkaException, admin
    client = admin.AdminClient({"bootstrap.servers": broker})
    every = admin.AclBindingFilter(admin.ResourceType.ANY, None, admin.ResourcePatternType.ANY, None, None,
                                   admin.AclOperation.ANY, admin.AclPermissionType.ANY)
    one = admin.AclBinding(admin.ResourceType.TOPIC, "t", admin.ResourcePatternType.LITERAL, "User:a", "*",
                           admin.AclOperation.READ, admin.AclPermissionType.ALLOW)
    for future in (client.create_acls([one])[one], client.delete_acls([every])[every]):
        with pytest.raises(KafkaException, match="No Authorizer is configured"):
            future.result(20)
    assert client.describe_user_scram_credentials().result(20) == {}
    with pytest.raises(KafkaException, match="does not exist"):
        client.describe_user_scram_credentials(["a"])["a"].result(20)


def test_a_topic_is_compressed_as_it_says(raudal, broker):
    from confluent_kafka import Consumer, Producer, TopicPartition
    values = [f"value {number} of many that are much alike" for number in range(200)]
    for codec, number in (("lz4", 3), ("uncompressed", 0), ("zstd", 4)):
        topic = f"c-{uuid.uuid4().hex[:8]}"
        raudal.create_topic(topic, 1, compression_type=codec)
        for chosen in ("none", "gzip"):
            sender = Producer({"bootstrap.servers": broker, "compression.type": chosen, "linger.ms": 50})
            for value in values:
                sender.produce(topic, value)
            assert sender.flush(20) == 0
        reader = Consumer({"bootstrap.servers": broker, "group.id": uuid.uuid4().hex, "check.crcs": True})
        reader.assign([TopicPartition(topic, 0, 0)])
        read, end = [], time.monotonic() + 20
        while len(read) < 2 * len(values) and time.monotonic() < end:
            message = reader.poll(0.2)
            if message is not None and not message.error():
                read.append(message.value().decode())
        reader.close()
        assert read == values * 2
        log = (raudal.data / "kafka" / f"{topic}-0" / "00000000000000000000.log").read_bytes()
        codecs, at = set(), 0
        while at < len(log):
            codecs.add(log[at + 22] & 7)
            at += 12 + int.from_bytes(log[at + 8:at + 12], "big")
        assert codecs == {number}


def test_the_measuring_tools_count_what_they_send_and_read(raudal):
    server = ["--bootstrap-server", raudal.at("kafka")]
    sent = ours("kafka-producer-perf-test.sh", *server, "--topic", "measured", "--num-records", "5000", "--record-size", "100",
                "--throughput", "-1").ok().stdout
    line = (r"5000 records sent, \d+\.\d{6} records/sec \(\d+\.\d\d MB/sec\), \d+\.\d\d ms avg latency, \d+\.\d\d ms max "
            r"latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.\n")
    assert re.fullmatch(line, sent)
    more = ours("kafka-producer-perf-test.sh", "--topic", "measured", "--num-records", "10", "--payload-monotonic",
                "--throughput", "1000", "--command-property", f"bootstrap.servers={raudal.at('kafka')}", "acks=1")
    assert more.ok().stdout.startswith("10 records sent, ")
    head, read = ours("kafka-consumer-perf-test.sh", *server, "--topic", "measured", "--num-records",
                      "5010").ok().stdout.splitlines()
    assert head.split(", ")[4:6] == ["data.consumed.in.nMsg", "nMsg.sec"]
    assert read.split(", ")[4] == "5010"
    short = ours("kafka-consumer-perf-test.sh", *server, "--topic", "measured", "--num-records", "6000", "--timeout", "300",
                 "--hide-header").ok().stdout.splitlines()
    assert short[0].startswith("WARNING: Exiting before consuming") and short[1].split(", ")[4] == "5010"
    assert ours("kafka-producer-perf-test.sh", *server, "--topic", "measured", "--num-records", "1").returncode == 1


@pytest.mark.long
def test_the_measuring_tools_print_the_real_tools_lines(raudal, environment):
    server = ["--bootstrap-server", raudal.at("kafka")]

    def shape(result):
        return result.returncode, [re.sub(r"\d+(\.\d+)?", lambda found: "N." + "d" * (len(found[1]) - 1) if found[1] else "N",
                                          line) for line in result.stdout.splitlines()]
    for tool, *words in (["kafka-producer-perf-test.sh", "--topic", "shapes", "--num-records", "1000", "--record-size", "10",
                          "--throughput", "-1"],
                         ["kafka-consumer-perf-test.sh", "--topic", "shapes", "--num-records", "1000"],
                         ["kafka-consumer-perf-test.sh", "--topic", "shapes", "--num-records", "1000000", "--timeout", "2000"]):
        assert shape(ours(tool, *server, *words)) == shape(environment("kafka").tool(tool, *server, *words))
