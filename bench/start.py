"""bench/start: from the start of the process until every port answers, and memory when idle."""
import argparse
import pathlib
import socket
import subprocess
import time

from common import build_for_measuring, machine, median, memory_mb, scratch, table
from harness import BINARY, PORTS, Raudal, Environment
from real import RealHdfs, RealKafka

IDLE_S = 3


def await_ports(address, ports):
    """Tries the ports in turn until each has accepted a connection."""
    for port in ports:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((address, port)) == 0:
                    break
            time.sleep(0.0005)


def raudal_once(folder, options, ports):
    running = Raudal(pathlib.Path(folder) / "data", *options)
    try:
        started = time.perf_counter()
        process = subprocess.Popen([BINARY, "up", "-d", "--data", running.data, "--address", running.address, *options],
                                   stdout=subprocess.DEVNULL)
        await_ports(running.address, ports)
        answered = time.perf_counter() - started
        assert process.wait() == 0
        returned = time.perf_counter() - started
        time.sleep(IDLE_S)
        anon, rss = memory_mb(running.pids()[0])
        return answered * 1000, returned * 1000, anon, rss
    finally:
        running.close()


def raudal(name, options, ports, repeat):
    runs = []
    for _ in range(repeat):
        with scratch() as folder:
            runs.append(raudal_once(folder, options, ports))
    answered, returned, anon, rss = (median(column) for column in zip(*runs))
    return [name, f"{answered:.0f} ms", f"{returned:.0f} ms", f"{anon:.1f} MB", f"{rss:.1f} MB"]


def real(name, system):
    with system:
        answered = time.monotonic() - system.started
        time.sleep(IDLE_S)
        anon, rss = (sum(column) for column in zip(*(memory_mb(process.pid) for process in system.processes)))
        return [name, f"{answered * 1000:.0f} ms", "", f"{anon:.0f} MB", f"{rss:.0f} MB"]


CONNECT = """
import time
started = time.perf_counter()
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote("local[2]").getOrCreate()
spark.sql("SELECT 1").collect()
print("started", (time.perf_counter() - started) * 1000, flush=True)
time.sleep(%d)
""" % (IDLE_S + 3)


def real_connect(folder):
    """A real Spark Connect server: pyspark 4.3.0 starts one in a JVM of its own and asks it SELECT 1."""
    program = pathlib.Path(folder) / "connect.py"
    program.write_text(CONNECT)
    process = subprocess.Popen([Environment.get("spark-4_3").interpreter, program], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, cwd=folder)
    try:
        answered = next(float(line.split()[1]) for line in process.stdout if line.startswith("started"))
        time.sleep(IDLE_S)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        anon, rss = (sum(column) for column in zip(*(memory_mb(pid) for pid in children)))
        return ["Spark Connect 4.3.0, to the answer of SELECT 1", f"{answered:.0f} ms", "", f"{anon:.0f} MB",
                f"{rss:.0f} MB"]
    finally:
        process.wait()


def main():
    parser = argparse.ArgumentParser(prog="bench/start")
    parser.add_argument("--ours", action="store_true", help="leave the real systems out")
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    build_for_measuring()
    print(f"{machine()}; medians of {options.repeat} (real systems: one run)\n")
    rows = [["system", "all ports answer", "`up -d` returned", "RssAnon idle", "RSS idle"],
            raudal("Raudal, everything", [], PORTS.values(), options.repeat),
            raudal("Raudal, `--only kafka`", ["--only", "kafka"], [9092], options.repeat)]
    if not options.ours:
        with scratch() as folder:
            rows.append(real("Kafka 4.3.1 (KRaft, one node)", RealKafka(pathlib.Path(folder) / "kafka")))
            rows.append(real("HDFS 3.5.0 (NameNode and DataNode)", RealHdfs(pathlib.Path(folder) / "hdfs")))
            rows.append(real_connect(folder))
    table(rows)


if __name__ == "__main__":
    main()
