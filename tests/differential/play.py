"""One pipeline on one or two engines over the same input: what test_differential.py compares, and how recorded/ is made.

    python play.py FOLDER SEED…    (in the environment `clients`) a real Spark and a Raudal; writes recorded/SEED.json
"""
import datetime
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate  # noqa: E402
from harness import Environment  # noqa: E402

STATE = ["operatorName", "numRowsTotal", "numRowsUpdated", "numRowsRemoved", "numRowsDroppedByWatermark", "numShufflePartitions"]
CONNECTOR = ("sql-kafka", "token-provider", "kafka-clients", "commons-pool2")


def connector():
    """The jars that a real Spark needs to read Kafka, as spark.jars takes them."""
    jars = (Environment.get("spark-kafka-4_3").path / "jars").glob("*.jar")
    return ",".join(sorted(str(jar) for jar in jars if any(part in jar.name for part in CONNECTOR)))


class Agent:
    """agent.py at work: "spark" on a real Spark, "raudal" on the Raudal whose Kafka both read."""

    def __init__(self, name, raudal, folder):
        self.name, self.folder = name, pathlib.Path(folder) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.errors = open(self.folder / "stderr.txt", "w+")
        spark, words = Environment.get("spark-4_3"), [name, raudal.at("kafka"), self.folder]
        if name == "spark":
            command = [spark.interpreter, HERE / "agent.py", *words, connector()]
        else:
            command = raudal.run_command(HERE / "agent.py", *words)
        self.process = subprocess.Popen(
            [str(word) for word in command], text=True, env=raudal.child_environment(spark), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("ANSWER"):
                self.lines.put(json.loads(line[6:]))
        self.lines.put(None)

    def play(self, pipeline, number, timeout_s=240):
        self.process.stdin.write(json.dumps({"pipeline": pipeline, "run": number}) + "\n")
        self.process.stdin.flush()
        try:
            answer = self.lines.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(f"{self.name}: seed {pipeline['seed']}, run {number} does not end")
        assert answer is not None, f"{self.name} ended:\n{(self.folder / 'stderr.txt').read_text()[-4000:]}"
        return answer


# ---- input ----

def make_topics(raudal, pipeline, names):
    for source in pipeline["sources"]:
        if source["kind"] == "kafka":
            raudal.create_topic(source["topic"], source["partitions"], retention_ms=-1)
    for name in names if pipeline["sink"] == "kafka" else ():
        raudal.create_topic(f"out{pipeline['seed']}{name}", 1, retention_ms=-1)


def csv_text(row):
    return ",".join("" if value is None else json.dumps(value, ensure_ascii=False) for value in row.values())


def put_file(folder, kind, number, rows):
    """A file appears whole; the time of its last change is its number."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{number:03}"
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet
        moments = [row["ts"] and datetime.datetime.fromisoformat(row["ts"] + "+00:00") for row in rows]
        columns = [pyarrow.array(moments, pyarrow.timestamp("us", "UTC")), pyarrow.array([row["k"] for row in rows], pyarrow.string()),
                   pyarrow.array([row["v"] for row in rows], pyarrow.int32()), pyarrow.array([row["n"] for row in rows], pyarrow.int64())]
        pyarrow.parquet.write_table(pyarrow.table(columns, names=["ts", "k", "v", "n"]), path)
    else:
        line = csv_text if kind == "csv" else lambda row: json.dumps(row, ensure_ascii=False)
        path.write_text("".join(line(row) + "\n" for row in rows))
    os.utime(path, (1700000000 + number,) * 2)
    path.rename(folder / f"{number:03}.{kind}")


def put_records(raudal, source, records, number):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewPartitions
    if source.get("grows") == number:
        admin = AdminClient({"bootstrap.servers": raudal.at("kafka")})
        admin.create_partitions([NewPartitions(source["topic"], source["partitions"] + 1)])[source["topic"]].result(20)
    failed = []
    producer = Producer({"bootstrap.servers": raudal.at("kafka"), "linger.ms": 5})
    for partition, key, value, milliseconds in records:
        producer.produce(source["topic"], None if value is None else value.encode(), None if key is None else key.encode(),
                         partition, timestamp=milliseconds, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(30) == 0 and not failed, failed


def put_input(raudal, folder, pipeline, number):
    for source, given in zip(pipeline["sources"], pipeline["runs"][number]["input"]):
        if source["kind"] == "kafka":
            put_records(raudal, source, given, number)
        else:
            before = sum(len(run["input"][pipeline["sources"].index(source)]) for run in pipeline["runs"][:number])
            for index, rows in enumerate(given):
                put_file(folder / source["folder"], source["kind"], before + index, rows)


# ---- what came of it ----

def batch_of(progress):
    """What is compared of a batch: everything but times, rates and sizes."""
    return {"batch": progress["batchId"], "rows": progress["numInputRows"], "time": progress.get("eventTime"),
            "state": [[operator[field] for field in STATE] for operator in progress["stateOperators"]],
            "sources": [[source[field] for field in ("startOffset", "endOffset", "latestOffset", "numInputRows")] +
                        [source.get("metrics")] for source in progress["sources"]],
            "out": progress["sink"]["numOutputRows"]}


def topic_rows(raudal, topic):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": raudal.at("kafka"), "group.id": "reader", "isolation.level": "read_committed",
                         "enable.partition.eof": True, "fetch.wait.max.ms": 20})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found, message = [], consumer.poll(60)
    while message is not None and not message.error():
        found.append(f"{(message.key() or b'null').decode()} {message.value().decode()}")
        message = consumer.poll(60)
    consumer.close()
    assert message is not None, f"no end of {topic}"
    return sorted(found)


def numbered(folder):
    return sorted((path for path in pathlib.Path(folder).glob("*") if path.name.split(".")[0].isdigit()),
                  key=lambda path: int(path.name.split(".")[0]))


def as_written(value):
    """Timestamps without zone: a real Spark writes them as INT96, which keeps none."""
    return str(value.replace(tzinfo=None)) if isinstance(value, datetime.datetime) else str(value)


def file_rows(out, kind):
    """The rows, or lines, of the files that the sink's log names."""
    import pyarrow.parquet
    names = set()
    for log in numbered(out / "_spark_metadata"):
        names.update(json.loads(line)["path"].replace("file://", "") for line in log.read_text().split("\n")[1:])
    found = []
    for name in names:
        if kind == "parquet":
            rows = pyarrow.parquet.read_table(name).to_pylist()
            found += [json.dumps(row, default=as_written, ensure_ascii=False) for row in rows]
        else:
            found += pathlib.Path(name).read_text().splitlines()
    return sorted(found)


def rows_of(raudal, agent, pipeline, answer):
    out, kind = agent.folder / str(pipeline["seed"]) / "out", pipeline["sink"]
    if kind == "memory":
        return answer.get("rows")
    if kind == "kafka":
        return topic_rows(raudal, f"out{pipeline['seed']}{agent.name}")
    if kind == "function":
        return [f"{path.name} {line}" for path in numbered(out) for line in path.read_text().splitlines()]
    return file_rows(out, kind)


def checkpoint_of(folder):
    """Per batch: watermark, state partitions, the sources' offsets; watermark of the commit. And the logs of file sources."""
    found = {}
    for path in numbered(folder / "offsets"):
        version, metadata, *offsets = path.read_text().split("\n")
        metadata = json.loads(metadata)
        commit = folder / "commits" / path.name
        found[path.name] = [version, metadata["batchWatermarkMs"], metadata["conf"]["spark.sql.shuffle.partitions"],
                            *(json.loads(offset) if offset != "-" else None for offset in offsets),
                            commit.read_text() if commit.exists() else None]
    for path in sorted(folder.glob("sources/*/[0-9]*")):
        lines = path.read_text().split("\n")
        if lines[0] == "v1":
            entries = [json.loads(line) for line in lines[1:]]
            name = f"sources/{path.parent.name}"
            found[name] = sorted(set(found.get(name, [])) | {f"{each['batchId']} {pathlib.Path(each['path']).name}" for each in entries})
    return found


def lose(folder, what):
    """The files of the newest batch that a kill before its end may have left unwritten."""
    logs = ["checkpoint/commits", *(["out/_spark_metadata"] if what == "commit and files" else [])]
    for log in logs:
        newest = numbered(folder / log)[-1:]
        for path in newest:
            path.unlink()
            for crc in path.parent.glob(f".{path.name}.crc"):
                crc.unlink()


def play(raudal, folder, agents, pipeline):
    """Per agent: what there is after each run, until one fails."""
    make_topics(raudal, pipeline, [agent.name for agent in agents])
    found = {agent.name: [] for agent in agents}
    for number, run in enumerate(pipeline["runs"]):
        put_input(raudal, folder, pipeline, number)
        for agent in agents:
            answer, own = agent.play(pipeline, number), agent.folder / str(pipeline["seed"])
            result = {"error": answer["error"]} if "error" in answer else {"batches": [batch_of(each) for each in answer["progress"]]}
            result["checkpoint"] = checkpoint_of(own / "checkpoint")
            if "error" not in answer:
                result["rows"] = rows_of(raudal, agent, pipeline, answer)
            found[agent.name].append(result)
            if run["lost"]:
                lose(own, run["lost"])
        if any("error" in runs[-1] for runs in found.values()):
            break
    return found


# ---- recording ----

def recorded_path(seed):
    return HERE / "recorded" / f"{seed}.json"


def summary(pipeline):
    return {**pipeline, "runs": [{**run, "input": [len(given) for given in run["input"]]} for run in pipeline["runs"]]}


def as_text(pipeline, runs):
    """JSON with one line for each batch, row and entry of the checkpoint."""
    def lines(value, depth):
        if depth == 0 or not isinstance(value, (dict, list)) or not value:
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict):
            inner = [f"{json.dumps(name)}: {lines(each, depth - 1)}" for name, each in value.items()]
            return "{" + ",\n".join(inner) + "}"
        return "[" + ",\n".join(lines(each, depth - 1) for each in value) + "]"
    return lines({"pipeline": summary(pipeline), "runs": runs}, 5) + "\n"


def differences(found, expected):
    """The first of each kind, as text."""
    told = []
    for number, (ours, spark) in enumerate(zip(found, expected)):
        for part in spark.keys() | ours.keys():
            mine, theirs = ours.get(part), spark.get(part)
            if mine == theirs:
                continue
            if isinstance(mine, list) and isinstance(theirs, list) and part != "error":
                pairs = [(a, b) for a, b in zip(mine, theirs) if a != b][:1] if part == "batches" else []
                if len(mine) != len(theirs):
                    told.append(f"run {number}: {len(mine)} {part}, Spark {len(theirs)}")
                if part == "rows":
                    pairs = [([row for row in mine if row not in theirs][:4], [row for row in theirs if row not in mine][:4])]
                told += [f"run {number}: {part}\n   raudal {a}\n   spark  {b}" for a, b in pairs]
            elif isinstance(mine, dict) and isinstance(theirs, dict):
                name = next(name for name in {**theirs, **mine} if mine.get(name) != theirs.get(name))
                told.append(f"run {number}: {part} {name}\n   raudal {mine.get(name)}\n   spark  {theirs.get(name)}")
            else:
                told.append(f"run {number}: {part}\n   raudal {mine}\n   spark  {theirs}")
    return told + ([f"{len(found)} runs, Spark {len(expected)}"] if len(found) != len(expected) else [])


def main(folder, *seeds):
    from harness import Raudal
    shutil.rmtree(folder, ignore_errors=True)
    folder, wrong = pathlib.Path(folder).absolute(), 0
    with Raudal(folder / "data", "--only", "kafka,spark") as raudal:
        raudal.start()
        with Agent("spark", raudal, folder) as spark, Agent("raudal", raudal, folder) as ours:
            for seed in seeds:
                pipeline = generate.pipeline(int(seed))
                found = play(raudal, folder, [spark, ours], pipeline)
                recorded_path(seed).parent.mkdir(exist_ok=True)
                recorded_path(seed).write_text(as_text(pipeline, found["spark"]))
                told = differences(found["raudal"], found["spark"])
                wrong += bool(told)
                print(f"seed {seed}: {pipeline['kind']} {pipeline['mode']} {pipeline['sink']}: {'different' if told else 'same'}",
                      *told, sep="\n  ", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
