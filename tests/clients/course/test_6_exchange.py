"""Leaving is always possible: the real systems open what Raudal wrote, and Raudal opens what they wrote."""
import shutil
import time

import pytest

from real import RealKafka


def consume(bootstrap, topic):
    """Every record of a topic of three partitions."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "check.crcs": True})
    try:
        ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 20)[1] for number in range(3)}
        consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
        found, end = [], time.monotonic() + 20
        while len(found) < sum(ends.values()) and time.monotonic() < end:
            for each in consumer.consume(1000, 1):
                assert not each.error(), each.error()
                found.append((each.partition(), each.offset(), each.key(), each.value(), each.timestamp()))
        return sorted(found)
    finally:
        consumer.close()


def produce(bootstrap, topic, first, last, **more):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, **more})
    for number in range(first, last):
        producer.produce(topic, value=f"value {number}" * 10, key=str(number), partition=number % 3)
    assert producer.flush(20) == 0


def committed(bootstrap, group, topic):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        partitions = consumer.committed([TopicPartition(topic, number) for number in range(3)], timeout=20)
        return [partition.offset for partition in partitions]
    finally:
        consumer.close()


def commit(bootstrap, group, topic, offsets):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        partitions = [TopicPartition(topic, number, offset) for number, offset in enumerate(offsets)]
        consumer.commit(offsets=partitions, asynchronous=False)
    finally:
        consumer.close()


@pytest.mark.parametrize("stopped_by", ["down", "kill -9"])
def test_a_real_kafka_opens_our_directory_and_we_open_it_again(start_raudal, environment, tmp_path, stopped_by):
    ours = start_raudal("--only", "kafka")
    ours.create_topic("plain")
    ours.create_topic("configured", retention_ms=12345678)
    produce(ours.at("kafka"), "plain", 0, 300)
    produce(ours.at("kafka"), "configured", 0, 60, **{"compression.type": "zstd"})
    commit(ours.at("kafka"), "readers", "plain", [10, 20, 30])
    before = {topic: consume(ours.at("kafka"), topic) for topic in ("plain", "configured")}
    assert len(before["plain"]) == 300
    ours.stop().ok() if stopped_by == "down" else ours.kill9()

    with RealKafka(tmp_path / "real", address=ours.address, log_dir=ours.data / "kafka") as real:
        tool = environment("kafka").tool
        server = ["--bootstrap-server", real.bootstrap]
        topics = tool("kafka-topics.sh", *server, "--list").ok().stdout.split()
        assert {"plain", "configured"} <= set(topics)
        described = tool("kafka-topics.sh", *server, "--describe", "--topic", "configured").ok().stdout
        assert "retention.ms=12345678" in described
        for topic in before:
            assert consume(real.bootstrap, topic) == before[topic]
        assert committed(real.bootstrap, "readers", "plain") == [10, 20, 30]
        produce(real.bootstrap, "plain", 300, 330)
        commit(real.bootstrap, "readers", "plain", [11, 21, 31])
        tool("kafka-topics.sh", *server, "--create", "--topic", "theirs", "--partitions", "3").ok()
        produce(real.bootstrap, "theirs", 0, 30)
        after = {topic: consume(real.bootstrap, topic) for topic in ("plain", "configured", "theirs")}
        assert len(after["plain"]) == 330

    ours.start()
    for topic in after:
        assert consume(ours.at("kafka"), topic) == after[topic]
    assert committed(ours.at("kafka"), "readers", "plain") == [11, 21, 31]


def test_the_segments_pass_the_real_dump_tool(start_raudal, environment):
    ours = start_raudal("--only", "kafka")
    ours.create_topic("t")
    produce(ours.at("kafka"), "t", 0, 3000)
    ours.stop().ok()
    for folder in ("t-0", "__cluster_metadata-0"):
        files = sorted((ours.data / "kafka" / folder).glob("*.log"))
        assert files
        dumped = environment("kafka").tool("kafka-dump-log.sh", "--deep-iteration", "--files", files[0])
        assert "isvalid: true" in dumped.ok().stdout and "isvalid: false" not in dumped.stdout, dumped


def test_the_store_is_plain_files(start_raudal, tmp_path):
    ours = start_raudal("--only", "hdfs")
    (tmp_path / "a.txt").write_text("line\n")
    ours.shell(f"hdfs dfs -mkdir -p /curso && hdfs dfs -put {tmp_path}/a.txt /curso/").ok()
    assert (ours.data / "store" / "curso" / "a.txt").read_text() == "line\n"
    shutil.copy(tmp_path / "a.txt", ours.data / "store" / "curso" / "b.txt")
    assert ours.shell("hdfs dfs -cat /curso/b.txt").ok().stdout == "line\n"
