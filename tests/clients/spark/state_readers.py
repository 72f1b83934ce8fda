"""Reads the state of every checkpoint below some folders with statestore and state-metadata, the same way on a real Spark
and on Raudal.

    python state_readers.py ENGINE FOLDER…    ENGINE: local, or sc://HOST:PORT

Prints one JSON: per checkpoint and way of reading [schema, rows], or the error's condition.
"""
import glob
import json
import os
import sys

from state_pipelines import session

WRONG = [
    {"batchId": "-1"}, {"batchId": "99"}, {"operatorId": "-1"}, {"operatorId": "7"}, {"storeName": " "}, {"storeName": "other"},
    {"joinSide": "up"}, {"joinSide": "left", "storeName": "other"}, {"joinSide": "left"}, {"stateVarName": "some"},
    {"readRegisteredTimers": "true"}, {"readRegisteredTimers": "maybe"}, {"stateVarName": "some", "readRegisteredTimers": "true"},
    {"readChangeFeed": "true"}, {"changeStartBatchId": "0"}, {"changeEndBatchId": "0"},
    {"readChangeFeed": "true", "changeStartBatchId": "-1"}, {"readChangeFeed": "true", "changeStartBatchId": "3", "changeEndBatchId": "1"},
    {"readChangeFeed": "true", "changeStartBatchId": "0", "batchId": "1"},
    {"readChangeFeed": "true", "changeStartBatchId": "0", "joinSide": "left"},
    {"snapshotStartBatchId": "0"}, {"snapshotPartitionId": "0"}, {"snapshotStartBatchId": "-1", "snapshotPartitionId": "0"},
    {"snapshotStartBatchId": "99", "snapshotPartitionId": "0"}, {"snapshotStartBatchId": "0", "snapshotPartitionId": "99"},
    {"snapshotStartBatchId": "0", "snapshotPartitionId": "0"},
]


def attempt(spark, path, format="statestore", schema=None, **options):
    reader = spark.read.format(format).options(**options)
    try:
        frame = (reader.schema(schema) if schema else reader).load(*([path] if path else []))
        # as text, for a state may have several fields of one name; in hexadecimal, for it may have binaries
        rows = frame.selectExpr([f"hex(cast({name} as string))" for name in frame.columns]).collect()
        texts = [" ".join("-" if each is None else bytes.fromhex(each).decode("utf8", "backslashreplace") for each in row) for row in rows]
        return [frame.schema.simpleString(), sorted(texts)]
    except Exception as error:
        return getattr(error, "getCondition", lambda: None)() or type(error).__name__


def read(spark, folder):
    path, found = f"file:{folder}", {}
    found["metadata"] = attempt(spark, path, "state-metadata")
    found["state"] = attempt(spark, path)
    for operator in sorted(os.path.basename(each) for each in glob.glob(f"{folder}/state/*")):
        stores = sorted({os.path.basename(os.path.dirname(each)) for each in glob.glob(f"{folder}/state/{operator}/*/*/1.delta")})
        ways = [{}, *({"storeName": store} for store in stores), *({"joinSide": side} for side in ("left", "right") if stores)]
        for way in ways:
            name = " ".join([operator, *way.values()])
            found[name] = attempt(spark, path, operatorId=operator, **way)
            found[f"{name} after batch 0"] = attempt(spark, path, operatorId=operator, batchId="0", **way)
            if "joinSide" not in way:
                found[f"{name} changes"] = attempt(
                    spark, path, operatorId=operator, readChangeFeed="true", changeStartBatchId="0", **way)
        snapshots = glob.glob(f"{folder}/state/{operator}/0/**/*.snapshot", recursive=True)
        for version in sorted({os.path.basename(each).split(".")[0] for each in snapshots}):
            found[f"{operator} from snapshot {version}"] = attempt(
                spark, path, operatorId=operator, snapshotStartBatchId=str(int(version) - 1), snapshotPartitionId="0",
                **({"joinSide": "left"} if stores else {}))
    return found


def mistakes(spark, folder):
    found = {json.dumps(options): attempt(spark, f"file:{folder}", **options) for options in WRONG}
    found["no path"] = attempt(spark, None)
    found["no path of metadata"] = attempt(spark, None, "state-metadata")
    found["no checkpoint"] = attempt(spark, f"file:{folder}/none")
    found["metadata of no checkpoint"] = attempt(spark, f"file:{folder}/none", "state-metadata")
    found["with a schema"] = attempt(spark, f"file:{folder}", schema="key struct<a: int>, value struct<b: int>, partition_id int")
    found["the other name"] = attempt(spark, f"file:{folder}", "state-store")
    return found


def checkpoints(top):
    for folder, names, _ in os.walk(top):
        if "offsets" in names:
            names.clear()
            yield folder


def main(engine, *folders):
    spark, found = session(engine), {}
    for top in folders:
        for folder in sorted(checkpoints(top)):
            found[os.path.relpath(folder, top)] = read(spark, folder)
    first = next(checkpoints(folders[0]))
    found["mistakes"] = mistakes(spark, first)
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
