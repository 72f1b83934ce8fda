"""applyInPandasWithState over JSON files, run the same way by a real Spark and by Raudal.

    python group_state_cases.py ENGINE FOLDER [CASE…]    ENGINE: local, or sc://HOST:PORT

Prints what each case's query said of its batches and put out, or its error. The case `pipeline` alone reads FOLDER/in as it is.
"""
import datetime
import decimal
import json
import os
import pathlib
import sys
import urllib.parse

import pandas as pd

from state_cases import run
from state_pipelines import session

BATCHES = [
    [("10:00:01", "a", 1), ("10:00:03", "b", 2), ("10:00:02", "a", 3), ("10:00:02", None, 4)],
    [("10:00:20", "c", 5), ("10:00:04", "a", 6)],
    [("10:00:05", "b", 7), ("10:00:40", "a", 8), ("10:00:41", "c", 9), ("10:00:42", "c", 10)],
    [("10:01:30", "d", 11)],
    [("10:01:31", "a", 12), ("10:00:50", "late", 13)],
]


def write_input(folder):
    (pathlib.Path(folder) / "in").mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(BATCHES):
        path = pathlib.Path(folder) / "in" / f"{number:03}.json"
        path.write_text("".join(json.dumps({"ts": f"2026-03-01 {time}", "k": key, "v": value}) + "\n" for time, key, value in rows))
        os.utime(path, (1700000000 + number,) * 2)


def count(key, frames, state):
    """How many rows a key had, their sum and their values; starts anew after four rows."""
    frame = pd.concat(list(frames))
    n, total, values = state.get if state.exists else (0, 0, "")
    n, total, values = n + len(frame), total + frame.v.sum(), values + "".join(f" {value}" for value in frame.v)
    before = state.getOption
    if n >= 4:
        state.remove()
    else:
        state.update((n, total, values))
    yield pd.DataFrame({"k": [key[0]], "n": [n], "total": [total], "values": [values],
                        "state": [f"{before is None} {state.exists} {state.hasTimedOut} {list(frame.columns)}"]})


def sessions(key, frames, state):
    """Ends with a row 15 seconds of event time after the key's last row."""
    if state.hasTimedOut:
        rows = [frame for frame in frames]
        watermark = state.getCurrentWatermarkMs()
        yield pd.DataFrame({"k": [key[0]], "what": [f"over: {state.get} {[len(row) for row in rows]} {list(rows[0].columns)}"],
                            "watermark": [watermark]})
        state.remove()
        return
    frame = pd.concat(list(frames))
    newest = max(frame.ts.max().value // 1000000, state.get[1] if state.exists else 0)
    state.update((len(frame) + (state.get[0] if state.exists else 0), newest))
    state.setTimeoutTimestamp(max(newest + 15000, state.getCurrentWatermarkMs() + 1))
    yield pd.DataFrame({"k": [key[0]], "what": [str(len(frame))], "watermark": [state.getCurrentWatermarkMs()]})


def only_timeouts(key, frames, state):
    """A timeout without a state, and one that is not set again."""
    if state.hasTimedOut:
        yield pd.DataFrame({"k": [key[0]], "what": [f"over {state.exists}"]})
    elif sum(frame.v.sum() for frame in frames) % 2 == 1:
        state.setTimeoutTimestamp(state.getCurrentWatermarkMs() + 20000)
        yield pd.DataFrame({"k": [key[0]], "what": ["set"]})


TYPES = "t timestamp, d date, n decimal(10,2), f double, x binary, w string, o boolean, i int, b long, wrong long"


def all_types(key, frames, state):
    rows = sum(len(frame) for frame in frames)
    before = repr(state.getOption)
    if not state.exists:
        state.update((datetime.datetime(2026, 3, 1, 10, 0, 0, 123456), datetime.date(2026, 3, 1), decimal.Decimal("12.50"), 1.5,
                      b"\x00\x01", None, True, 7, 1 << 40, "no number"))
    yield pd.DataFrame({"k": [key[0]], "rows": [rows], "before": [before]})


def windows(key, frames, state):
    rows = sum(len(frame) for frame in frames) + (state.get[0] if state.exists else 0)
    state.update((rows,))
    yield pd.DataFrame({"w": [str(key[0]["start"]) if isinstance(key[0], dict) else "?"], "k": [key[1]], "rows": [rows]})




COUNTED = "k string, n long, total long, values string, state string"


def make_cases(spark, folder):
    from pyspark.sql import functions as f

    def plain():
        return (spark.readStream.schema("ts timestamp, k string, v long").option("maxFilesPerTrigger", 1)
                .json(f"file:{folder}/in"))

    def late():
        return plain().withWatermark("ts", "10 seconds")

    def counted(frame, mode="append", timeout="NoTimeout"):
        return frame.groupBy("k").applyInPandasWithState(count, COUNTED, "n long, total long, values string", mode, timeout)

    def timed(frame, function, output, state, timeout="EventTimeTimeout"):
        return frame.groupBy("k").applyInPandasWithState(function, output, state, "append", timeout)

    watched = "k string, what string, watermark long"
    return {
        "counted": (lambda: counted(plain()), "append"),
        "counted updates": (lambda: counted(plain(), "update"), "update"),
        "counted with a watermark": (lambda: counted(late()), "append"),
        "sessions": (lambda: timed(late(), sessions, watched, "n long, newest long"), "append"),
        "only timeouts": (lambda: timed(late(), only_timeouts, "k string, what string", "n long"), "append"),
        "types": (lambda: plain().groupBy("k").applyInPandasWithState(
            all_types, "k string, rows long, before string", TYPES, "append", "NoTimeout"), "append"),
        "windows": (lambda: late().select(f.window("ts", "30 seconds").alias("w"), "k", "v").groupBy("w", "k").applyInPandasWithState(
            windows, "w string, k string, rows long", "n long", "append", "NoTimeout"), "append"),
        "counted after a select": (lambda: counted(plain().select("v", f.upper("k").alias("k"))), "append"),
        "then selected": (lambda: counted(plain()).where("n > 1").select("k", f.col("n") * 2), "append"),
        "two in a row": (lambda: counted(counted(plain()).select("k", f.col("total").alias("v"))), "append"),
        "append in update": (lambda: counted(plain()), "update"),
        "update in append": (lambda: counted(plain(), "update"), "append"),
        "complete": (lambda: counted(plain()), "complete"),
        "no watermark": (lambda: timed(plain(), sessions, watched, "n long, newest long"), "append"),
        "then aggregated": (lambda: counted(late()).groupBy("k").count(), "update"),
        "updates then aggregated": (lambda: counted(late(), "update").groupBy("k").count(), "complete"),
        "after an aggregate": (lambda: counted(late().groupBy(f.window("ts", "10 seconds"), "k").agg(f.sum("v").alias("v"))), "append"),
        "batch": (lambda: counted(spark.createDataFrame([("a", 1)], "k string, v long")), "batch"),
    }


def gaps(key, frames, state):
    """Sessions of a key that end after 12 seconds, and how often the function was called."""
    if state.hasTimedOut:
        yield pd.DataFrame({"k": [key[0]], "rows": [state.get[0]], "total": [state.get[2]], "names": [state.get[3]]})
        state.remove()
        return
    rows, newest, total, names = state.get if state.exists else (0, 0, None, "")
    for frame in frames:
        rows, newest = rows + len(frame), max(newest, frame.ts.max().value // 1000000)
        total = (total or 0) + int(frame.v.sum())
    state.update((rows, newest, total if rows > 1 else None, names + str(key[0])[:1]))
    state.setTimeoutTimestamp(max(newest + 12000, state.getCurrentWatermarkMs() + 1))
    if rows > 20:
        state.remove()
        yield pd.DataFrame({"k": [key[0]], "rows": [rows], "total": [-1], "names": ["many"]})


def pipeline(spark, folder):
    """FOLDER/in to FOLDER/out with the checkpoint FOLDER/checkpoint, a file per batch, until there is none left."""
    late = (spark.readStream.schema("ts timestamp, k string, v int").option("maxFilesPerTrigger", 1).json(f"file:{folder}/in")
            .withWatermark("ts", "10 seconds"))
    frame = late.withColumn("seventh", late.v % 7).groupBy("k", "seventh").applyInPandasWithState(
        gaps, "k string, rows long, total long, names string", "rows long, newest long, total long, names string", "append",
        "EventTimeTimeout")
    (frame.writeStream.format("parquet").option("path", f"file:{folder}/out").option("checkpointLocation", f"file:{folder}/checkpoint")
     .trigger(availableNow=True).start().awaitTermination())


def main(engine, folder, *wanted):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = session(engine if engine == "local" else f"{engine}/;x-raudal-python={urllib.parse.quote(sys.executable, '')}")
    if wanted == ("pipeline",):
        pipeline(spark, folder)
        spark.stop()
        return
    write_input(folder)
    cases = make_cases(spark, folder)
    found = {name: run(spark, folder, name, *cases[name]) for name in wanted or cases}
    print(json.dumps(found, indent=1))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
