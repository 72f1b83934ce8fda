"""Settings of the broker and of topics: what clients are told about them, and what changes while the broker runs."""
import pathlib
import sys

import pytest

from harness import run

TOP = pathlib.Path(__file__).resolve().parents[3]

ADMIN = """
import json, sys
from confluent_kafka import Producer, KafkaException
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
                                   ResourceType)

admin = AdminClient({"bootstrap.servers": sys.argv[1]})

def describe(kind, name):
    resource = ConfigResource(kind, name)
    return {name: entry for name, entry in admin.describe_configs([resource])[resource].result(20).items()}

def alter(kind, name, **changes):
    entries = [ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET if value is not None
                           else AlterConfigOpType.DELETE) for key, value in changes.items()]
    resource = ConfigResource(kind, name, incremental_configs=entries)
    try:
        admin.incremental_alter_configs([resource])[resource].result(20)
        return "done"
    except KafkaException as error:
        return f"{error.args[0].name()}: {error.args[0].str()}"

def produce(size):
    failed = []
    producer = Producer({"bootstrap.servers": sys.argv[1], "linger.ms": 0})
    producer.produce("events", b"x" * size, partition=0, on_delivery=lambda error, message: failed.append(error))
    producer.flush(20)
    return failed[0].name() if failed[0] else "stored"
"""


@pytest.mark.raudal("--only", "kafka")
def test_settings_change_while_the_broker_runs_and_last(fresh_raudal, environment):
    clients = environment("clients")

    def program(text):
        lines = ADMIN + "\n".join(line[8:] for line in text.splitlines())
        return clients.python(lines, fresh_raudal.at("kafka")).ok().stdout.splitlines()

    def alter_all(*words):
        return fresh_raudal.shell(["kafka-configs.sh", "--bootstrap-server", "kafka:9092", "--alter", "--entity-type", "brokers",
                                   "--entity-default", *words])

    assert program("""
        admin.create_topics([NewTopic("events", 1)])["events"].result(20)
        broker = describe(ResourceType.BROKER, "1")
        print(len(broker), broker["node.id"].value, broker["node.id"].is_read_only, broker["log.retention.ms"].is_read_only)
        print(broker["ssl.keystore.password"].is_sensitive, broker["num.io.threads"].value)
        print(len(describe(ResourceType.TOPIC, "events")))
        print(alter(ResourceType.BROKER, "1", log_retention_ms="777000"))
        """) == ["350 1 True False", "True 8", "37", "done"]
    alter_all("--add-config", "log.retention.ms=888000,message.max.bytes=2000").ok()
    refused = alter_all("--add-config", "ssl.keystore.type=PEM")
    assert "dynamically updated only per-listener using the listener prefix: [ssl.keystore.type]" in refused.out, refused
    assert program("""
        topic = describe(ResourceType.TOPIC, "events")
        print(topic["retention.ms"].value, ConfigSource(topic["retention.ms"].source).name)
        print(topic["max.message.bytes"].value, ConfigSource(topic["max.message.bytes"].source).name)
        print([(entry.value, ConfigSource(entry.source).name) for entry in describe(ResourceType.BROKER, "1")[
            "log.retention.ms"].synonyms.values()])
        print(produce(100), produce(5000))
        """) == ["777000 DYNAMIC_BROKER_CONFIG", "2000 DYNAMIC_DEFAULT_BROKER_CONFIG",
                 "[('888000', 'DYNAMIC_DEFAULT_BROKER_CONFIG'), ('168', 'DEFAULT_CONFIG')]", "stored MSG_SIZE_TOO_LARGE"]
    fresh_raudal.kill9()
    fresh_raudal.start()
    assert program("""
        topic = describe(ResourceType.TOPIC, "events")
        print(topic["retention.ms"].value, topic["max.message.bytes"].value, produce(5000))
        print(alter(ResourceType.BROKER, "1", log_retention_ms=None))
        """) == ["777000 2000 MSG_SIZE_TOO_LARGE", "done"]
    alter_all("--delete-config", "message.max.bytes").ok()
    assert program("""
        topic = describe(ResourceType.TOPIC, "events")
        print(topic["retention.ms"].value, topic["max.message.bytes"].value, produce(5000))
        print(alter(ResourceType.BROKER, "1", num_partitions="3"))
        print(alter(ResourceType.BROKER, "1", num_io_threads="many"))
        print(alter(ResourceType.BROKER, "1", log_preallocate="true"))
        print(alter(ResourceType.TOPIC, "events", min_compaction_lag_ms="10", max_compaction_lag_ms="5"))
        """) == [
        "888000 1048588 stored",
        "INVALID_REQUEST: Cannot update these configs dynamically: [num.partitions]",
        "INVALID_REQUEST: Invalid value many for configuration num.io.threads: Not a number of type INT",
        "INVALID_REQUEST: Invalid value true for configuration log.preallocate: this broker serves only its default, false. "
        "(Whether segment files are created at full size.)",
        "INVALID_CONFIG: conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"]


def documentation(tmp_path):
    """What the table says now, and what is kept in docs."""
    run([sys.executable, TOP / "tools" / "generate_settings.py", tmp_path / "settings.md"]).ok()
    return (tmp_path / "settings.md").read_text(), (TOP / "docs" / "kafka-settings.md").read_text()


def test_every_setting_is_documented(tmp_path):
    made, kept = ([line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
                  for text in documentation(tmp_path))
    assert made == kept and len(made) == 379 + 38


@pytest.mark.long
def test_the_documentation_is_the_table(tmp_path):
    made, kept = documentation(tmp_path)
    assert made == kept, "tools/generate_settings.py makes docs/kafka-settings.md anew"


def test_a_real_brokers_settings_file(start_raudal, tmp_path):
    """Kafka's own file, with its folder and listeners: the folder is used, the port opened, and what has no effect said."""
    properties = tmp_path / "server.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=7\ncontroller.listener.names=CONTROLLER\n"
                          f"listeners=PLAINTEXT://:19092,CONTROLLER://:9093\nnum.partitions=\\\n  4\nnum.io.threads=16\n"
                          f"log.dirs={tmp_path}/kraft-logs\nssl.keystore.password=hush\n")
    raudal = start_raudal("--only", "kafka", "--kafka-properties", properties)
    assert "note: num.io.threads has no effect here" in raudal.up_output
    assert f"listeners: Raudal listens at {raudal.address}:19092 for 0.0.0.0" in raudal.up_output
    assert "hush" not in raudal.up_output
    created = raudal.shell("kafka-topics.sh --bootstrap-server kafka:19092 --create --topic moved && "
                           "kafka-topics.sh --bootstrap-server kafka:19092 --describe --topic moved")
    assert "PartitionCount: 4" in created.ok().stdout and "Leader: 7" in created.stdout
    assert (tmp_path / "kraft-logs" / "moved-3").is_dir() and not (raudal.data / "kafka").exists()
    properties.write_text("num.partitions=4\n\nauthorizer.class.name=org.example.Mine\n")
    refused = start_raudal("--only", "kafka", "--kafka-properties", properties, up=False).command(
        "up", "-d", "--only", "kafka", "--kafka-properties", properties)
    assert refused.returncode != 0 and f"{properties} line 3: Invalid value org.example.Mine" in refused.out, refused


# Why a setting of a broker is another here than in a real Kafka with the settings of tests/real.py.
DIFFERENCES = {
    "advertised.listeners": "each client is told the address it used", "controller.listener.names": "no such listener here",
    "controller.quorum.voters": "this process is the only controller", "listeners": "no controller's listener",
    "log.dir": "the data folder", "log.dirs": "another folder", "node.id": "given by the process, with a default",
    "group.initial.rebalance.delay.ms": "a lesson should not wait", "max.connections": "a bound by default",
    "num.partitions": "three show a group at work", "process.roles": "always both",
    "offsets.topic.replication.factor": "the default for one broker", "transaction.state.log.min.isr": "likewise",
    "transaction.state.log.replication.factor": "likewise",
    "share.coordinator.state.topic.min.isr": "no share groups: Kafka's default stands",
    "share.coordinator.state.topic.replication.factor": "likewise"}
NEWER = {"errors.deadletterqueue.auto.create.topics.enable", "errors.deadletterqueue.topic.name.prefix",
         "group.streams.assignors", "group.streams.rack.aware.assignment.tags",
         "group.streams.topology.description.plugin.class", "log.remote.copy.lag.bytes", "log.remote.copy.lag.ms",
         "max.decompressed.message.bytes", "sasl.oauthbearer.allow.unverified.audience",
         "sasl.oauthbearer.allow.unverified.issuer", "errors.deadletterqueue.group.enable", "remote.copy.lag.bytes",
         "remote.copy.lag.ms"}     # Kafka 4.4 has them, the real broker of the tests is 4.3.1
REFUSED = """
admin.create_topics([NewTopic("one", 1)])["one"].result(60)
topic = [("retention.ms", "soon"), ("retention.ms", "-5"), ("cleanup.policy", "burn"), ("compression.type", "zip"),
         ("compression.gzip.level", "0"), ("min.cleanable.dirty.ratio", "1.5"), ("foo", "bar"), ("preallocate", "maybe"),
         ("leader.replication.throttled.replicas", "abc"), ("segment.bytes", "10"), ("message.timestamp.type", "never")]
broker = [("num.io.threads", "many"), ("node.id", "3"), ("log.cleanup.policy", "burn"), ("ssl.keystore.type", "JKS"),
          ("log.segment.bytes", "1"), ("num.partitions", "4")]
for kind, name, changes in ((ResourceType.TOPIC, "one", topic), (ResourceType.BROKER, "1", broker)):
    for key, value in changes:
        print(key, value, alter(kind, name, **{key: value}))
print(alter(ResourceType.TOPIC, "one", max_compaction_lag_ms="5", min_compaction_lag_ms="10"))
"""


@pytest.mark.long
def test_settings_are_told_and_refused_as_by_a_real_kafka(start_raudal, environment, tmp_path):
    from real import RealKafka
    kafka = environment("kafka")

    def configs(bootstrap, *words):
        return kafka.tool("kafka-configs.sh", "--bootstrap-server", bootstrap, *words).out

    def gather(bootstrap):
        broker, topic = ["--entity-type", "brokers", "--entity-name", "1"], ["--entity-type", "topics", "--entity-name", "one"]
        refused = environment("clients").python(ADMIN + REFUSED, bootstrap, timeout_s=200).ok().stdout.splitlines()
        told = {kind: {line.strip().partition("=")[0]: line for line in configs(bootstrap, "--describe", "--all", *words)
                       .splitlines()[1:]} for kind, words in (("broker", broker), ("topic", topic))}
        told["refused"] = refused
        configs(bootstrap, "--alter", *broker, "--add-config", "log.retention.ms=777,log.cleaner.threads=2")
        configs(bootstrap, "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "log.retention.ms=888")
        told["changed broker"] = configs(bootstrap, "--describe", *broker)
        told["changed default"] = configs(bootstrap, "--describe", "--entity-type", "brokers", "--entity-default")
        return told

    ours = gather(start_raudal("--only", "kafka").at("kafka"))
    with RealKafka(tmp_path / "real") as real:
        theirs = gather(real.bootstrap)
    for kind in ("broker", "topic"):
        mine, real = ours.pop(kind), theirs.pop(kind)
        assert set(mine) - set(real) <= NEWER and not set(real) - set(mine), set(mine) ^ set(real)
        different = {name for name in real if real[name] != mine[name]}
        assert different <= set(DIFFERENCES), {name: (real[name], mine[name]) for name in different - set(DIFFERENCES)}
    assert ours == theirs
