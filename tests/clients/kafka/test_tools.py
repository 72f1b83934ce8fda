"""Kafka's command line tools: ours print what the real ones print, and do the same. The real ones are asked the same
question at our broker; what differs from run to run (times,
    generated names) is taken out, the order of lines is not."""
import re

import pytest

from harness import BINARY, run

raudal_options = ["--only", "kafka"]

# Asked in this order of one broker that has the topics and groups of `with_data`.
LINES = {
    "topics-list": ["kafka-topics.sh", "--list"],
    "topics-list-some": ["kafka-topics.sh", "--list", "--topic", "e.*|one"],
    "topics-describe-all": ["kafka-topics.sh", "--describe", "--exclude-internal"],
    "topics-describe": ["kafka-topics.sh", "--describe", "--topic", "events"],
    "topics-describe-overrides": ["kafka-topics.sh", "--describe", "--topics-with-overrides"],
    "topics-describe-unavailable": ["kafka-topics.sh", "--describe", "--unavailable-partitions"],
    "topics-describe-under-replicated": ["kafka-topics.sh", "--describe", "--under-replicated-partitions"],
    "topics-describe-at-min-isr": ["kafka-topics.sh", "--describe", "--topic", "events", "--at-min-isr-partitions"],
    "topics-describe-missing": ["kafka-topics.sh", "--describe", "--topic", "nope"],
    "topics-describe-missing-allowed": ["kafka-topics.sh", "--describe", "--topic", "nope", "--if-exists"],
    "topics-create-again": ["kafka-topics.sh", "--create", "--topic", "events"],
    "topics-create-if-not-exists": ["kafka-topics.sh", "--create", "--if-not-exists", "--topic", "events"],
    "topics-create-replicated": ["kafka-topics.sh", "--create", "--topic", "three", "--replication-factor", "3"],
    "topics-create-bad-name": ["kafka-topics.sh", "--create", "--topic", "a/b"],
    "topics-create-bad-setting": ["kafka-topics.sh", "--create", "--topic", "x", "--config", "no.such.setting=1"],
    "topics-create-bad-value": ["kafka-topics.sh", "--create", "--topic", "x", "--config", "retention.ms=soon"],
    "topics-create-no-partitions": ["kafka-topics.sh", "--create", "--topic", "x", "--partitions", "0"],
    "topics-alter-fewer": ["kafka-topics.sh", "--alter", "--topic", "events", "--partitions", "2"],
    "topics-alter-same": ["kafka-topics.sh", "--alter", "--topic", "events", "--partitions", "3"],
    "topics-alter-missing": ["kafka-topics.sh", "--alter", "--topic", "nope", "--partitions", "2"],
    "topics-delete-missing": ["kafka-topics.sh", "--delete", "--topic", "nope"],
    "consume-partition": ["kafka-console-consumer.sh", "--topic", "events", "--partition", "0", "--offset", "1",
                          "--max-messages", "2"],
    "consume-all-fields": ["kafka-console-consumer.sh", "--topic", "one", "--from-beginning", "--max-messages", "3",
                           "--formatter-property", "print.timestamp=true", "--formatter-property", "print.key=true",
                           "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
                           "--formatter-property", "print.headers=true", "--formatter-property", "print.epoch=true"],
    "consume-separators": ["kafka-console-consumer.sh", "--topic", "one", "--from-beginning", "--max-messages", "3",
                           "--formatter-property", "print.key=true", "--formatter-property", "key.separator= => ",
                           "--formatter-property", "null.literal=NONE"],
    "consume-old-property": ["kafka-console-consumer.sh", "--topic", "one", "--from-beginning", "--max-messages", "3",
                             "--property", "print.key=true"],
    "consume-timeout": ["kafka-console-consumer.sh", "--topic", "one", "--partition", "0", "--offset", "latest",
                        "--timeout-ms", "1500"],
    "groups-list": ["kafka-consumer-groups.sh", "--list"],
    "groups-list-state": ["kafka-consumer-groups.sh", "--list", "--state"],
    "groups-list-state-some": ["kafka-consumer-groups.sh", "--list", "--state", "stable"],
    "groups-list-type": ["kafka-consumer-groups.sh", "--list", "--type", "--state"],
    "groups-describe": ["kafka-consumer-groups.sh", "--describe", "--group", "readers"],
    "groups-describe-verbose": ["kafka-consumer-groups.sh", "--describe", "--group", "readers", "--verbose"],
    "groups-describe-active": ["kafka-consumer-groups.sh", "--describe", "--group", "active"],
    "groups-describe-members": ["kafka-consumer-groups.sh", "--describe", "--group", "active", "--members"],
    "groups-describe-members-verbose": ["kafka-consumer-groups.sh", "--describe", "--group", "active", "--members",
                                        "--verbose"],
    "groups-describe-state": ["kafka-consumer-groups.sh", "--describe", "--group", "active", "--state"],
    "groups-describe-state-empty": ["kafka-consumer-groups.sh", "--describe", "--group", "readers", "--state"],
    "groups-describe-missing": ["kafka-consumer-groups.sh", "--describe", "--group", "nope"],
    "groups-delete-active": ["kafka-consumer-groups.sh", "--delete", "--group", "active"],
    "groups-delete-missing": ["kafka-consumer-groups.sh", "--delete", "--group", "nope"],
    "reset-earliest": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                       "--to-earliest", "--dry-run"],
    "reset-latest": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--all-topics",
                     "--to-latest", "--dry-run"],
    "reset-current": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events:0,2",
                      "--to-current", "--dry-run"],
    "reset-shift": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                    "--shift-by", "-100", "--dry-run"],
    "reset-offset": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events:1",
                     "--to-offset", "2"],
    "reset-datetime": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                       "--to-datetime", "2020-01-01T00:00:00.000", "--dry-run"],
    "reset-duration": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                       "--by-duration", "P1D", "--dry-run"],
    "reset-export": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                     "--to-earliest", "--export"],
    "reset-active": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "active", "--topic", "events",
                     "--to-earliest", "--dry-run"],
    "reset-execute": ["kafka-consumer-groups.sh", "--reset-offsets", "--group", "readers", "--topic", "events",
                      "--to-offset", "1", "--execute"],
    "offsets": ["kafka-get-offsets.sh", "--exclude-internal-topics"],
    "offsets-earliest": ["kafka-get-offsets.sh", "--topic", "events|one", "--time", "-2"],
    "offsets-max-timestamp": ["kafka-get-offsets.sh", "--topic", "one", "--time", "max-timestamp"],
    "offsets-in-the-future": ["kafka-get-offsets.sh", "--topic", "one", "--time", "9000000000000"],
    "offsets-rules": ["kafka-get-offsets.sh", "--topic-partitions", "events:1-,one,e.*:-1"],
    "offsets-partitions": ["kafka-get-offsets.sh", "--topic", "events", "--partitions", "0,2"],
    "offsets-missing": ["kafka-get-offsets.sh", "--topic", "nope"],
    "offsets-bad-time": ["kafka-get-offsets.sh", "--topic", "one", "--time", "soon"],
    "offsets-both": ["kafka-get-offsets.sh", "--topic", "one", "--topic-partitions", "events"],
    "delete-records": ["kafka-delete-records.sh", "--offset-json-file", "CUTS"],
    "delete-records-twice-named": ["kafka-delete-records.sh", "--offset-json-file", "TWICE"],
    "delete-records-no-json": ["kafka-delete-records.sh", "--offset-json-file", "NO_JSON"],
    "every-group": ["kafka-groups.sh", "--list"],
    "every-group-of-consumers": ["kafka-groups.sh", "--list", "--consumer", "--group-type", "classic"],
    "every-group-share": ["kafka-groups.sh", "--list", "--share"],
    "log-dirs": ["kafka-log-dirs.sh", "--describe", "--topic-list", "events,one,nope", "--broker-list", "1"],
    "log-dirs-no-broker": ["kafka-log-dirs.sh", "--describe", "--broker-list", "1,7"],
    "configs-topic": ["kafka-configs.sh", "--describe", "--entity-type", "topics", "--entity-name", "one"],
    "configs-topic-short": ["kafka-configs.sh", "--describe", "--topic", "one"],
    "configs-topic-all": ["kafka-configs.sh", "--describe", "--entity-type", "topics", "--entity-name", "one", "--all"],
    "configs-topics": ["kafka-configs.sh", "--describe", "--entity-type", "topics"],
    "configs-broker": ["kafka-configs.sh", "--describe", "--entity-type", "brokers", "--entity-name", "1"],
    "configs-brokers": ["kafka-configs.sh", "--describe", "--entity-type", "brokers"],
    "configs-add": ["kafka-configs.sh", "--alter", "--entity-type", "topics", "--entity-name", "one", "--add-config",
                    "retention.ms=70000,cleanup.policy=[delete,compact]"],
    "configs-delete": ["kafka-configs.sh", "--alter", "--entity-type", "topics", "--entity-name", "one",
                       "--delete-config", "cleanup.policy"],
}


def ours(tool, *words, **more):
    """One of our tools as a program of its own, without a raudal shell around it."""
    return run([BINARY, tool, *words], **more)


def comparable(result):
    def clean(text):
        text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[TIME]", text)
        text = re.sub(r"127\.0\.\d+\.\d+:9092\s+|kafka:9092\s+", "ADDRESS ", text)
        text = re.sub(r"console-consumer-\d+ *", "console-consumer-N", text)
        # After an error ours also says what helps (tests/pains).
        ours = ("Did you mean ", "To create it: ")
        return [line for line in text.splitlines() if not line.startswith(("\tat ", *ours)) and "KIP-848" not in line]
    return result.returncode, clean(result.stdout), clean(result.stderr)


@pytest.fixture(scope="module")
def with_data(raudal):
    """Topics `events` (3 partitions) and `one`, a group `readers` without members, and a group `active` with one."""
    from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
    raudal.create_topic("events", 3)
    raudal.create_topic("one", 1, retention_ms=86400000)
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    for number in range(12):
        producer.send("events", f"message {number}".encode(), partition=number % 3).get(10)
    producer.send("one", b"value", key=b"key", headers=[("h", b"1"), ("i", b"2")]).get(10)
    producer.send("one", b"no key").get(10)
    producer.send("one", None, key=b"tombstone").get(10)
    producer.close()
    readers = KafkaConsumer(bootstrap_servers=[raudal.at("kafka")], group_id="readers", enable_auto_commit=False)
    readers.commit({TopicPartition("events", number): OffsetAndMetadata(number + 1, "", -1) for number in range(3)})
    readers.close()
    active = KafkaConsumer("events", bootstrap_servers=[raudal.at("kafka")], group_id="active", client_id="lesson",
                           auto_offset_reset="earliest")
    while sum(active.position(partition) for partition in active.assignment()) < 12:
        active.poll(200)
    active.commit()
    yield raudal
    active.close()


# Files that the words above name. The first cuts where a partition begins already: asked twice, it answers the same. It has
# one partition, because the real tool's order of several differs from run to run.
FILES = {
    "CUTS": '{"partitions": [{"topic": "events", "partition": 2, "offset": 0}], "version": 1}',
    "TWICE": '{"partitions": [{"topic": "one", "partition": 0, "offset": 1}, {"topic": "one", "partition": 0, "offset": 1}]}',
    "NO_JSON": "partitions",
}


@pytest.mark.long
@pytest.mark.parametrize("name", LINES)
def test_our_tool_prints_what_the_real_tool_prints(with_data, environment, name, tmp_path):
    tool, *words = LINES[name]
    for file in FILES.keys() & set(words):
        (tmp_path / file).write_text(FILES[file])
        words[words.index(file)] = tmp_path / file
    real = environment("kafka").tool(tool, "--bootstrap-server", with_data.at("kafka"), *words)
    mine = ours(tool, "--bootstrap-server", with_data.at("kafka"), *words)
    assert comparable(mine) == comparable(real), f"ours: {mine}\nthe real one: {real}"


@pytest.mark.long
def test_keys_go_to_the_partitions_that_the_real_producer_chooses(with_data, environment):
    lines = "".join(f"key-{number}|value {number}\n" for number in range(200))
    words = ["--bootstrap-server", with_data.at("kafka"), "--reader-property", "parse.key=true",
             "--reader-property", "key.separator=|"]
    with_data.create_topic("by-ours", 7)
    with_data.create_topic("by-theirs", 7)
    ours("kafka-console-producer.sh", "--topic", "by-ours", *words, input=lines).ok()
    environment("kafka").tool("kafka-console-producer.sh", "--topic", "by-theirs", *words, input=lines).ok()

    def read(topic):
        result = ours("kafka-console-consumer.sh", "--bootstrap-server", with_data.at("kafka"), "--topic",
                                   topic, "--from-beginning", "--max-messages", "200", "--formatter-property",
                                   "print.partition=true", "--formatter-property", "print.key=true")
        return sorted(result.ok().stdout.splitlines())
    assert read("by-ours") == read("by-theirs")


def test_a_group_goes_on_where_it_stopped(raudal):
    server = ["--bootstrap-server", raudal.at("kafka")]
    ours("kafka-console-producer.sh", *server, "--topic", "lines", input="a\nb\nc\n").ok()
    consume = ["kafka-console-consumer.sh", *server, "--topic", "lines", "--group", "g", "--from-beginning"]
    first = ours(*consume, "--max-messages", "2").ok().stdout.split()
    rest = ours(*consume, "--max-messages", "1").ok().stdout.split()
    assert sorted(first + rest) == ["a", "b", "c"]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_the_console_producer_can_be_read(raudal, codec):
    server = ["--bootstrap-server", raudal.at("kafka")]
    lines = "".join(f"line {number} of a text that is worth being compressed\n" for number in range(500))
    ours("kafka-console-producer.sh", *server, "--topic", f"c-{codec}", "--compression-codec", codec,
                   input=lines).ok()
    read = ours("kafka-console-consumer.sh", *server, "--topic", f"c-{codec}", "--from-beginning",
                          "--max-messages", "500").ok().stdout
    assert sorted(read.splitlines()) == sorted(lines.splitlines())


def test_records_are_deleted_up_to_an_offset(raudal, tmp_path):
    server = ["--bootstrap-server", raudal.at("kafka")]
    ours("kafka-topics.sh", *server, "--create", "--topic", "cut", "--partitions", "1").ok()
    ours("kafka-console-producer.sh", *server, "--topic", "cut", input="a\nb\nc\n").ok()
    file = tmp_path / "cut.json"
    file.write_text('{"partitions": [{"topic": "cut", "partition": 0, "offset": 2}]}')
    deleted = ours("kafka-delete-records.sh", *server, "--offset-json-file", file).ok().stdout
    assert deleted.splitlines()[-1] == "partition: cut-0\tlow_watermark: 2"
    assert ours("kafka-get-offsets.sh", *server, "--topic", "cut", "--time", "earliest").ok().stdout == "cut:0:2\n"
    file.write_text('{"partitions": [{"topic": "cut", "partition": 0, "offset": 99}]}')
    refused = ours("kafka-delete-records.sh", *server, "--offset-json-file", file).stdout
    assert "partition: cut-0\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException" in refused
    read = ours("kafka-console-consumer.sh", *server, "--topic", "cut", "--from-beginning", "--max-messages", "1")
    assert read.ok().stdout == "c\n"


def test_the_cluster_names_its_brokers(raudal):
    server = ["--bootstrap-server", raudal.at("kafka")]
    assert re.fullmatch(r"Cluster ID: [\w-]{22}\n", ours("kafka-cluster.sh", "cluster-id", *server).ok().stdout)
    head, broker = ours("kafka-cluster.sh", "list-endpoints", *server).ok().stdout.splitlines()
    assert head.split() == ["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]
    assert broker.split() == ["1", raudal.address, "9092", "null", "unfenced", "broker"]


def test_with_nothing_listening_every_tool_names_raudal_up(raudal):
    for tool, *words in (["kafka-topics.sh", "--list"], ["kafka-console-producer.sh", "--topic", "t"],
                         ["kafka-console-consumer.sh", "--topic", "t"], ["kafka-consumer-groups.sh", "--list"],
                         ["kafka-configs.sh", "--describe", "--topic", "t"], ["kafka-get-offsets.sh"],
                         ["kafka-groups.sh", "--list"], ["kafka-log-dirs.sh", "--describe"]):
        result = ours(tool, "--bootstrap-server", "127.0.0.1:1", *words, timeout_s=10)
        assert result.returncode == 1 and "raudal up" in result.stderr, result
