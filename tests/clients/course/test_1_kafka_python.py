"""The course's first exercise: one message with kafka-python, from a live interpreter and from a script."""
import subprocess

import pytest

from harness import BINARY, TOP, run, wait_until

PRODUCER = TOP / "exercises" / "producer.py"


def values(raudal, topic, environment):
    """What the real console consumer finds in a topic."""
    got = environment("kafka").tool("kafka-console-consumer.sh", "--bootstrap-server", raudal.at("kafka"), "--topic",
                                    topic, "--from-beginning", "--timeout-ms", "6000")
    return got.stdout.splitlines()


def messages(raudal, topic):
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(topic, bootstrap_servers=[raudal.at("kafka")], auto_offset_reset="earliest", group_id=None,
                             consumer_timeout_ms=1500)
    try:
        return [record.value.decode() for record in consumer]
    finally:
        consumer.close()


@pytest.mark.parametrize("name", ["kafka-python-2", "clients"])
def test_as_a_script(fresh_raudal, environment, name):
    fresh_raudal.run(PRODUCER, environment=environment(name)).ok()
    assert messages(fresh_raudal, "mi-topico") == ['{"key": "value"}']


@pytest.mark.parametrize("name", ["kafka-python-2", "clients"])
def test_as_a_script_in_the_shell(fresh_raudal, environment, name):
    fresh_raudal.shell(["python", str(PRODUCER)], env=fresh_raudal.child_environment(environment(name))).ok()
    assert messages(fresh_raudal, "mi-topico") == ['{"key": "value"}']


@pytest.mark.parametrize("name", ["kafka-python-2", "clients"])
def test_in_a_live_interpreter_without_flush(fresh_raudal, environment, name):
    lines = """\
from kafka import KafkaProducer
import json
producer = KafkaProducer(bootstrap_servers=['kafka:9092'], value_serializer=lambda x: json.dumps(x).encode('utf-8'))
producer.send('mi-topico', {'key': 'value'})
"""
    process = subprocess.Popen([BINARY, "shell", "--data", fresh_raudal.data, "--", "python", "-i", "-q"], text=True,
                               env=fresh_raudal.child_environment(environment(name)), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        process.stdin.write(lines)
        process.stdin.flush()
        got = wait_until(lambda: messages(fresh_raudal, "mi-topico"), 30, "the message")
        assert got == ['{"key": "value"}'] and process.poll() is None
    finally:
        output, _ = process.communicate("exit()\n", timeout=20)
    assert "Traceback" not in output


def test_the_real_console_consumer_reads_it(fresh_raudal, environment):
    fresh_raudal.run(PRODUCER, environment=environment("clients")).ok()
    assert values(fresh_raudal, "mi-topico", environment) == ['{"key": "value"}']


def test_without_raudal_run_by_the_numeric_address(fresh_raudal, environment):
    program = PRODUCER.read_text().replace("kafka:9092", fresh_raudal.at("kafka"))
    environment("kafka-python-2").python(program).ok()
    assert messages(fresh_raudal, "mi-topico") == ['{"key": "value"}']


def test_the_topic_has_three_partitions(fresh_raudal, environment):
    fresh_raudal.run(PRODUCER, environment=environment("clients")).ok()
    assert "PartitionCount: 3" in fresh_raudal.shell(
        "kafka-topics.sh --bootstrap-server kafka:9092 --describe --topic mi-topico").ok().stdout


def test_the_message_survives_kill_9(fresh_raudal, environment):
    fresh_raudal.run(PRODUCER, environment=environment("clients")).ok()
    fresh_raudal.kill9()
    fresh_raudal.start()
    assert messages(fresh_raudal, "mi-topico") == ['{"key": "value"}']


def test_the_readme_says_why_flush_matters():
    assert "flush()" in (TOP / "README.md").read_text() and "flush()" in (TOP / "README.es.md").read_text()


def test_the_script_is_a_plain_program(environment):
    """It knows nothing of Raudal: without a broker it fails with the client's own error."""
    result = run([environment("kafka-python-2").interpreter, PRODUCER])
    assert result.returncode != 0 and "NoBrokersAvailable" in result.stderr
