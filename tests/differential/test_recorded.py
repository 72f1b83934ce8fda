"""Wrong options of the kafka source and sink, and what queries say of themselves: as a real Spark, whose answers are recorded."""
import json
import subprocess

import pytest

import play

raudal_options = ["--only", "kafka,spark"]
# Here an error that says more, or one although Spark reads on: a limit of nothing, a partition that is not there.
OTHER_WORDS = {
    "bad pattern", "assign a partition that is not there", "offsets of one partition", "offsets of another topic",
    "offsets before the start", "offsets behind the end", "ending timestamp", "ending timestamps", "timestamp negative",
    "timestamp behind the end", "timestamp strategy", "timestamps of one partition", "offset reset", "isolation", "no limit", "limit 0",
    "limit negative", "least limit", "delay", "data loss", "headers", "retries a text", "timeout a text", "write no servers",
    "write partition that is not there", "write topic null"}
# A stream of no topic: Spark runs one batch without rows.
NO_BATCH = {"assign nothing, stream", "assign no partitions, stream", "pattern without topics, stream"}


def put_records(raudal, topic):
    from confluent_kafka import Producer
    raudal.create_topic(topic, 2, retention_ms=-1)
    producer = Producer({"bootstrap.servers": raudal.at("kafka")})
    for number in range(6):
        value = json.dumps({"ts": f"2026-03-01T10:00:0{number}", "k": "ab"[number % 2], "v": number})
        producer.produce(topic, value, partition=number % 2, timestamp=(number // 2 + 1) * 1000)
        producer.flush(20)


def answer(raudal, environment, program, engine, folder):
    folder.mkdir()
    spark, words = environment("spark-4_3"), [engine, raudal.at("kafka"), folder]
    command = raudal.run_command(play.HERE / program, *words) if engine == "raudal" else [
        spark.interpreter, play.HERE / program, *words, play.connector()]
    result = subprocess.run([str(word) for word in command], env=raudal.child_environment(spark), capture_output=True, text=True,
                            timeout=600)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.JSONDecoder().raw_decode(result.stdout[result.stdout.index("FOUND") + 5:])[0]


def text_of(answered):
    """The sentence; a stream's error comes here at the start or from the query."""
    return answered["error"][2].split("terminated with exception: ")[-1] if "error" in answered else answered


def options_differences(found, expected):
    told = []
    for name, spark in expected.items():
        ours = found[name]
        if name.rpartition(", ")[0] in OTHER_WORDS or name in OTHER_WORDS:
            same = "error" in ours or ours == spark
        elif name in NO_BATCH:
            same = ours["rows"] == spark["rows"]
        else:
            same = text_of(ours) == text_of(spark)
        if not same:
            told.append(f"{name}\n   raudal {ours}\n   spark  {spark}")
    return told


def test_wrong_options(raudal, environment, tmp_path):
    put_records(raudal, "options")
    raudal.create_topic("written", 2)
    expected = json.loads((play.HERE / "options.json").read_text())
    told = options_differences(answer(raudal, environment, "options.py", "raudal", tmp_path / "raudal"), expected)
    assert not told, "\n".join(told)


def test_progress_field_by_field(raudal, environment, tmp_path):
    put_records(raudal, "progress")
    raudal.create_topic("progress_copy", 1)
    expected = json.loads((play.HERE / "progress.json").read_text())
    found = answer(raudal, environment, "progress.py", "raudal", tmp_path / "raudal")
    for name, spark in expected.items():
        assert "error" not in found[name], found[name]
        for ours, theirs in zip(found[name]["batches"], spark["batches"]):
            assert json.dumps(ours) == json.dumps(theirs), name     # the order of the fields, too
        assert found[name] == spark


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["options", "progress"])
def test_what_is_recorded_is_what_spark_does(start_raudal, environment, tmp_path, name):
    raudal = start_raudal(*raudal_options)
    put_records(raudal, name)
    raudal.create_topic("written" if name == "options" else "progress_copy", 2 if name == "options" else 1)
    found = answer(raudal, environment, f"{name}.py", "spark", tmp_path / "spark")
    expected = json.loads((play.HERE / f"{name}.json").read_text())
    for each, spark in expected.items():
        if name != "options" or each.rpartition(", ")[0] not in OTHER_WORDS:
            assert found[each] == spark, each
