#!/usr/bin/env python3
"""`./dev run`: starts everything, runs the course's pipeline on it and shows the rows as they arrive.

    ./dev run             goes on serving until Ctrl-C; the data stays in .raudal
    ./dev run --check     on a new data folder; ends once the pipeline was seen to work: exit 0, or 1 and the reason
    --address 127.0.0.N   another loopback address, when the ports of 127.0.0.1 are in use
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
RAUDAL = TOP / "build" / "raudal"
SEEN_TO_WORK_ROWS = 5
LIMIT_S = 120

# Reads what the pipeline has written so far, the way a user does. It prints the number of rows and the newest ones.
WATCH = """
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("watch").getOrCreate()
shown = 0
while True:
    try:
        rows = spark.read.parquet("hdfs://namenode:9000/datos/streaming").orderBy("timestamp").collect()
    except Exception as error:
        if "PATH_NOT_FOUND" not in str(error) and "UNABLE_TO_INFER_SCHEMA" not in str(error):
            raise
        rows = []
    for row in rows[shown:]:
        print(f"row {row.timestamp.isoformat()} {row.value}", flush=True)
    shown = len(rows)
    time.sleep(1)
"""


def environment():
    made = subprocess.run([TOP / "tools" / "environment.py", "course"], stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        sys.exit("the Python environment of the course could not be made")
    return pathlib.Path(made.stdout.strip())


class Stack:
    """A running Raudal and the programs on it."""

    def __init__(self, data, address, python):
        self.data, self.address, self.programs = data, address, {}
        self.logs = pathlib.Path(tempfile.mkdtemp(prefix="raudal-run-"))
        self.environ = dict(os.environ, PATH=f"{python / 'bin'}:{os.environ['PATH']}", PYTHONUNBUFFERED="1")

    def up(self):
        return subprocess.run([RAUDAL, "up", "-d", "--data", self.data, "--address", self.address]).returncode == 0

    def start(self, program):
        output = self.logs / f"{program.stem}.txt"
        with open(output, "w") as file:
            self.programs[output] = subprocess.Popen([RAUDAL, "run", "--data", self.data, program], env=self.environ,
                                                     stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                                     start_new_session=True)
        return output

    def dead_program(self):
        """What a program printed that ended although none of them should."""
        for output, process in self.programs.items():
            if process.poll() is not None:
                return f"{output.stem} ended with {process.returncode}:\n{output.read_text()[-3000:]}"
        return None

    def down(self):
        for process in self.programs.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.programs.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return subprocess.run([RAUDAL, "down", "--data", self.data]).returncode == 0


def where_to_look(address, data):
    print(f"""
Running. Where to look:
    topics, groups, lag        http://{address}:8080
    Spark master and worker    http://{address}:8081   http://{address}:8082
    files (WebHDFS too)        http://{address}:9870
    a shell with the tools     build/raudal shell --data {data}
    one of your programs       build/raudal run --data {data} PROGRAM.py
    the services' logs         build/raudal logs kafka --data {data}   (zookeeper, spark, namenode, datanode)
""", flush=True)


def watch(stack, output, check):
    """Shows the rows as they arrive. Returns a reason for failing, or None."""
    position, rows, deadline = 0, 0, time.monotonic() + LIMIT_S
    while True:
        text = output.read_text()
        text = text[:text.rfind("\n") + 1]
        for line in text[position:].splitlines():
            if line.startswith("row "):
                rows += 1
                print(f"    {line[4:]}", flush=True)
        position = len(text)
        if check and rows >= SEEN_TO_WORK_ROWS:
            return None
        if dead := stack.dead_program():
            return dead
        if check and time.monotonic() > deadline:
            return f"only {rows} rows in {LIMIT_S} s"
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(prog="./dev run")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--address", default="127.0.0.1")
    options = parser.parse_args()
    check = options.check or not sys.stdout.isatty()
    if subprocess.run([TOP / "tools" / "install-packages.sh", "python"]).returncode != 0:
        return 1
    python = environment()
    data = pathlib.Path(tempfile.mkdtemp(prefix="raudal-check-")) / "data" if options.check else TOP / ".raudal"
    stack = Stack(data, options.address, python)
    print(f"Starting everything on {options.address}, data in {data}", flush=True)
    if not stack.up():
        return 1
    problem = None
    try:
        print("The course's pipeline: generator.py -> sensores -> pipeline.py -> hdfs://namenode:9000/datos/streaming")
        print("Rows in HDFS, as they arrive:", flush=True)
        stack.start(TOP / "exercises" / "generator.py")
        stack.start(TOP / "exercises" / "pipeline.py")
        program = stack.logs / "watch.py"
        program.write_text(WATCH)
        if not check:
            where_to_look(options.address, data)
        problem = watch(stack, stack.start(program), check)
    except KeyboardInterrupt:
        print()
    finally:
        stopped = stack.down()
    if problem or not stopped:
        print(f"The pipeline did not work: {problem or 'raudal down failed'}", file=sys.stderr)
        print(f"The services' logs are in {data}/logs, the programs' output in {stack.logs}", file=sys.stderr)
        return 1
    if check:
        print("The pipeline works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
