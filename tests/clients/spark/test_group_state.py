"""applyInPandasWithState: what a real Spark does, on Spark's own checkpoints."""
import json
import pathlib
import sys
import textwrap

import pytest

from harness import run

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
from test_state import differences, make_files, put, rows_out  # noqa: E402

raudal_options = ["--only", "spark"]


def cases(environment, engine, folder, timeout_s=300):
    interpreter = environment("spark-4_3").interpreter
    result = run([interpreter, HERE / "group_state_cases.py", engine, folder], timeout_s=timeout_s).ok()
    found = json.loads(result.stdout[result.stdout.index("{"):])
    for case in found.values(): # a Java exception without a condition keeps none
        if "error" in case and (case["error"][1] or "_LEGACY").startswith("_LEGACY"):
            case["error"][1] = None
    return found


def recorded():
    return json.loads((HERE / "group_state_cases.json").read_text())


def test_groups_with_state_do_what_spark_does(raudal, environment, tmp_path):
    found = cases(environment, f"sc://{raudal.at('spark-connect')}", tmp_path)
    assert not differences(found, recorded()), "\n".join(differences(found, recorded()))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_what_is_recorded_is_what_spark_does(environment, tmp_path):
    found = cases(environment, "local", tmp_path, timeout_s=1800)
    assert not differences(found, recorded()), "\n".join(differences(found, recorded()))


START = """
    import json, os, pathlib, time
    import pandas as pd
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    folder = pathlib.Path({folder!r})
    (folder / "in").mkdir(exist_ok=True)
    def put(number, *rows):
        path = folder / "in" / f".{{number}}"
        path.write_text("".join(json.dumps({{"k": key, "v": value}}) + chr(10) for key, value in rows))
        path.rename(folder / "in" / f"{{number}}.json")
    def grouped(function, output, state, timeout="NoTimeout"):
        stream = spark.readStream.schema("k string, v long").option("maxFilesPerTrigger", 1).json(f"file:{{folder}}/in")
        return stream.groupBy("k").applyInPandasWithState(function, output, state, "append", timeout)
    def memory(frame, name, **trigger):
        query = frame.writeStream.format("memory").queryName(name).option("checkpointLocation", f"file:{{folder}}/{{name}}")
        return (query.trigger(**trigger) if trigger else query).start()
    def rows(name):
        return sorted(tuple(row) for row in spark.table(name).collect())
"""


def program(raudal, environment, folder, text, version="course"):
    start = textwrap.dedent(START).format(folder=str(folder))
    return raudal.run(start + textwrap.dedent(text), environment=environment(version), timeout_s=240).ok().stdout


@pytest.mark.parametrize("version", ["course", pytest.param("spark-3_5", marks=pytest.mark.long)])
def test_rows_come_in_chunks_and_state_holds_any_type(raudal, environment, tmp_path, version):
    printed = program(raudal, environment, tmp_path, """
        import datetime
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2")
        put(0, *[("a", number) for number in range(5)], ("b", 9))
        put(1, ("a", 7))
        first = ([1, None], {"x": 1.5}, (1, "t"), datetime.datetime(2026, 3, 1, 10), None)
        def sizes(key, frames, state):
            chunks = [frame.v.tolist() for frame in frames]
            yield pd.DataFrame({"k": [key[0]], "seen": [f"{sorted(map(len, chunks), reverse=True)} {state.getOption}"]})
            state.update(first)
            yield pd.DataFrame({"k": ["more", "rows"], "seen": ["", ""]})
        state = "l array<int>, m map<string, double>, s struct<a: int, b: string>, t timestamp, n int"
        memory(grouped(sizes, "k string, seen string", state), "sizes", availableNow=True).awaitTermination()
        print(*rows("sizes"), sep=chr(10))
        """, version)
    state = "([1, None], {'x': 1.5}, Row(a=1, b='t'), datetime.datetime(2026, 3, 1, 10, 0), None)"
    assert state in printed.replace("\\'", "'") and "[2, 2, 1] None" in printed and "[1] None" in printed
    assert printed.count("('more', '')") == printed.count("('rows', '')") == 3


def test_a_group_times_out_by_the_time_of_day_without_new_rows(raudal, environment, tmp_path):
    """A batch runs when a group's time is over, and none after it."""
    printed = program(raudal, environment, tmp_path, """
        def wait(key, frames, state):
            if state.hasTimedOut:
                yield pd.DataFrame({"k": [key[0]], "what": [f"over after {state.get[0]}"]})
                state.remove()
                return
            state.update((sum(len(frame) for frame in frames),))
            state.setTimeoutDuration(300)
            yield pd.DataFrame({"k": [key[0]], "what": ["seen"]})
        def start(**trigger):
            frame = grouped(wait, "k string, what string", "n long", "ProcessingTimeTimeout")
            return (frame.writeStream.format("parquet").option("checkpointLocation", f"file:{folder}/c").trigger(**trigger)
                    .start(f"file:{folder}/out"))
        def out(count):
            while True:
                rows = spark.read.schema("k string, what string").parquet(f"file:{folder}/out").collect()
                if len(rows) >= count:
                    return sorted(tuple(row) for row in rows)
                time.sleep(0.1)
        put(0, ("a", 1), ("a", 2), ("b", 3))
        (folder / "out").mkdir()
        query = start(processingTime="0 seconds")
        print(*out(4))
        query.processAllAvailable()
        print(query.lastProgress["stateOperators"][0]["numRowsTotal"])
        put(1, ("c", 4))
        out(5)
        query.stop()
        while len(spark.read.parquet(f"file:{folder}/out").collect()) < 6:  # what was waiting when the query ended
            start(availableNow=True).awaitTermination()
        print(*out(6)[-2:])
        """)
    assert printed.splitlines() == ["('a', 'over after 2') ('a', 'seen') ('b', 'over after 1') ('b', 'seen')", "0",
                                    "('c', 'over after 1') ('c', 'seen')"]


def test_errors_of_functions_with_state_name_their_cause(raudal, environment, tmp_path):
    printed = program(raudal, environment, tmp_path, """
        put(0, ("a", 1))
        def attempt(name, function, timeout="NoTimeout"):
            try:
                memory(grouped(function, "k string, n long", "n long", timeout), name, availableNow=True).awaitTermination()
                print(name, "no error", rows(name))
            except Exception as failure:
                print(name, " ".join(str(failure).splitlines()))
        def raising(key, frames, state):
            raise KeyError("mine")
            yield
        def reading(key, frames, state):
            yield pd.DataFrame([state.get])
        def nothing(key, frames, state):
            state.update(None)
            yield
        def duration(key, frames, state):
            state.setTimeoutDuration(1000)
            yield
        def negative(key, frames, state):
            state.setTimeoutDuration(-1)
            yield
        def watermark(key, frames, state):
            state.getCurrentWatermarkMs()
            yield
        def wide(key, frames, state):
            yield pd.DataFrame([(1, 2, 3)])
        def empty(key, frames, state):
            yield pd.DataFrame()
        attempt("raising", raising)
        attempt("reading", reading)
        attempt("nothing", nothing)
        attempt("duration", duration)
        attempt("negative", negative, "ProcessingTimeTimeout")
        attempt("watermark", watermark)
        attempt("frame", lambda key, frames, state: pd.DataFrame([("a", 1)]))
        attempt("number", lambda key, frames, state: 3)
        attempt("words", lambda key, frames, state: iter(["a"]))
        attempt("wide", wide)
        attempt("empty", empty)
        """)
    expected = {
        "raising": "KeyError: 'mine'", "reading": "[STATE_NOT_EXISTS]", "nothing": "[CANNOT_BE_NONE]", "duration": "[CANNOT_WITHOUT]",
        "negative": "[VALUE_NOT_POSITIVE]", "watermark": "[CANNOT_WITHOUT]", "frame": "iterable of pandas.DataFrame, but is DataFrame",
        "number": "iterable, but is int", "words": "iterator of pandas.DataFrame, but is iterator of str",
        "wide": "[RESULT_COLUMN_SCHEMA_MISMATCH]", "empty": "no error []"}
    lines = dict(line.split(" ", 1) for line in printed.splitlines())
    assert {name: cause for name, cause in expected.items() if cause not in lines.get(name, "")} == {}, printed


def test_a_worker_that_dies_in_a_batch_loses_nothing(raudal, environment, tmp_path):
    printed = program(raudal, environment, tmp_path, """
        def count(key, frames, state):
            n = sum(len(frame) for frame in frames) + (state.get[0] if state.exists else 0)
            if os.path.exists(str(folder / "die")) and key[0] == "b":
                os.unlink(str(folder / "die"))
                os._exit(9)
            state.update((n,))
            yield pd.DataFrame({"k": [key[0]], "n": [n]})
        def start():
            frame = grouped(count, "k string, n long", "n long")
            return frame.writeStream.format("parquet").option("checkpointLocation", f"file:{folder}/c").trigger(availableNow=True).start(
                f"file:{folder}/out")
        put(0, ("a", 1), ("b", 1))
        start().awaitTermination()
        put(1, ("a", 1), ("b", 1), ("c", 1))
        (folder / "die").touch()
        try:
            start().awaitTermination()
        except Exception as failure:
            print("Python worker exited unexpectedly" in str(failure))
        put(2, ("b", 1))
        start().awaitTermination()
        print(sorted(tuple(row) for row in spark.read.parquet(f"file:{folder}/out").collect()))
        """)
    assert printed == "True\n[('a', 1), ('a', 2), ('b', 1), ('b', 2), ('b', 3), ('c', 1)]\n"


@pytest.mark.long
def test_a_function_with_state_that_hangs_ends_with_its_query(raudal, environment, tmp_path):
    printed = program(raudal, environment, tmp_path, """
        put(0, ("a", 1))
        def hang(key, frames, state):
            (folder / "hangs").touch()
            while True:
                time.sleep(1)
            yield
        query = memory(grouped(hang, "k string, n long", "n long"), "hanging")
        while not (folder / "hangs").exists():
            time.sleep(0.1)
        started = time.time()
        query.stop()
        print(query.isActive, time.time() - started < 60, query.exception())
        """)
    assert printed == "False True None\n"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_checkpoints_with_group_state_move_between_spark_and_raudal(raudal, environment, tmp_path):
    """The same runs, each in one or the other; a batch without data at the end of each run lets groups time out."""
    interpreter, ours = environment("spark-4_3").interpreter, f"sc://{raudal.at('spark-connect')}"
    files = make_files("groups")
    ways = {"spark": ["local", "local", "local"], "raudal": [ours, ours, ours], "there": [ours, "local", ours], "back": ["local", ours, "local"]}
    found = {}
    for way, engines in ways.items():
        number = 0
        for engine, until in zip(engines, (4, 7, 10)):
            for number in range(number, until):
                put(tmp_path / way, number, files[number])
            number = until
            run([interpreter, HERE / "group_state_cases.py", engine, tmp_path / way, "pipeline"], timeout_s=300).ok()
        found[way] = rows_out(tmp_path / way)
    assert sum(found["spark"].values()) > 20
    for way, rows in found.items():
        assert rows == found["spark"], f"{way}: missing {found['spark'] - rows}, too many {rows - found['spark']}"
