"""The lessons of lessons.txt on a real Spark and on Raudal, with the same unmodified client: they print the same."""
import json
import os
import pathlib
import re

import pytest

TEXT = pathlib.Path(__file__).with_name("lessons.txt").read_text()
LESSONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)+)", TEXT, re.M))
SETUP = LESSONS.pop("setup")

RUNNER = """
import contextlib, io, json, sys, threading
from pyspark.sql import SparkSession
lessons, setup, BASE = json.load(open(sys.argv[1])), open(sys.argv[2]).read(), sys.argv[3]
builder = SparkSession.builder.appName("lessons").config("spark.sql.session.timeZone", "UTC")
if len(sys.argv) > 4:
    builder = (builder.remote("local[2]").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", 2)
               .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1"))
spark = builder.getOrCreate()
setup_error = None
names = {"spark": spark, "BASE": BASE}
try:
    exec(setup, names)
except Exception as error:
    setup_error = repr(error)
for name, program in lessons.items():
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            if setup_error:
                raise RuntimeError("the set-up failed: " + setup_error)
            exec(program, dict(names))
        except BaseException as error:
            print("failed with", type(error).__name__, str(error).split("JVM stacktrace")[0])
    print(json.dumps([name, output.getvalue()]), flush=True)
"""
# Its text is the optimizer's own; what counts is that there is one.
ONLY_RUNS = {"explain says something"}


def run_lessons(environment, tmp_path, names, raudal=None):
    (tmp_path / "lessons.json").write_text(json.dumps({name: LESSONS[name] for name in names}))
    (tmp_path / "setup.py").write_text(SETUP)
    arguments = [str(tmp_path / "lessons.json"), str(tmp_path / "setup.py")]
    if raudal:
        result = environment.python(RUNNER, *arguments, "/lessons", raudal=raudal, timeout_s=250)
    else:
        child = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
        child["SPARK_TESTING"] = "1"        # its Connect server takes a free port; 15002 may be a Raudal's
        result = environment.python(RUNNER, *arguments, f"file:{tmp_path}", "real", timeout_s=250, env=child)
    printed = {}
    for line in result.stdout.splitlines():
        if line.startswith('["'):
            name, text = json.loads(line)
            printed[name] = text
    return printed, result


@pytest.fixture(scope="module")
def real(environment, tmp_path_factory):
    """What the real Spark prints, all lessons in one session."""
    printed, result = run_lessons(environment("spark-4_3"), tmp_path_factory.mktemp("real"), LESSONS)
    assert printed, result
    return printed


@pytest.fixture(scope="module")
def ours(raudal, environment, tmp_path_factory):
    return run_lessons(environment("spark-4_3"), tmp_path_factory.mktemp("ours"), LESSONS, raudal)


@pytest.mark.parametrize("name", list(LESSONS))
def test_lesson(real, ours, name):
    printed, result = ours
    assert name in printed, f"the program ended before this lesson: {result.returncode}\n{result.stderr[-2000:]}"
    if name in ONLY_RUNS:
        assert "failed with" not in printed[name] and printed[name].strip()
    else:
        assert printed[name] == real[name]
