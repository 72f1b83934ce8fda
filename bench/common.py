"""What the benchmarks share: processor time and memory of a process, the machine's description, tables."""
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests"))

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """User and system time that a process has used so far, all threads, in seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mb(pid):
    """(RssAnon, RSS) in MB."""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) / 1024, int(status["VmRSS"].split()[0]) / 1024


def measure_program(command, environ, pids, folder):
    """Runs a program that says "ready", waits for a line, and says "seconds" with figures behind it; when it has said
    them it waits again. Returns the figures as texts, and the CPU seconds that each process of pids(program) used."""
    errors = open(pathlib.Path(folder) / "program.txt", "w")
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                               env=environ)

    def value(word):
        for line in program.stdout:
            if line.startswith(word):
                return line.split()[1:]
        raise SystemExit(f"the program ended early:\n{pathlib.Path(errors.name).read_text()[-3000:]}")

    value("ready")
    before = {pid: cpu_s(pid) for pid in pids(program)}
    program.stdin.write("\n")
    program.stdin.flush()
    figures = value("seconds")
    used = [cpu_s(pid) - start for pid, start in before.items()]
    program.communicate("\n")
    return figures, used


class Profile:
    """Samples what processes do while it is open; `top` names what took most. Nothing without Linux's perf."""

    def __init__(self, folder):
        self.file = pathlib.Path(folder) / "perf.data"
        self.process = None

    def begin(self, pids):
        if shutil.which("perf"):
            self.process = subprocess.Popen(["perf", "record", "-q", "-F", "199", "-o", self.file, "-p",
                                             ",".join(map(str, pids))], stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
            time.sleep(0.5)  # until it watches every thread

    def end(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def top(self, count=8):
        if not self.file.exists():
            return "no profile: perf is not there, or not allowed"
        report = subprocess.run(["perf", "report", "-i", self.file, "--no-children", "-s", "symbol", "--stdio"],
                                capture_output=True, text=True)
        lines = [line.split() for line in report.stdout.splitlines() if line and not line.startswith("#")]
        named = [words for words in lines if len(words) > 2 and words[0].endswith("%")]
        return ", ".join(f"{words[2]} {float(words[0].rstrip('%')):.0f} %" for words in named[:count]) or "too few samples"


def build_for_measuring():
    """The program as users get it."""
    built = subprocess.run(["sh", "-c", ". tools/dev-lib.sh && build"], cwd=TOP, stdout=sys.stderr)
    if built.returncode != 0:
        sys.exit("the build failed")


def machine():
    cpu = next((line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    load = os.getloadavg()[0]
    return f"{cpu}, {os.cpu_count()} CPUs, {memory:.0f} GB, Linux {platform.release()}, load at the start {load:.1f}"


def table(rows):
    """Prints rows (the first is the head) as a Markdown table."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows[1:]:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def median(values):
    return statistics.median(values)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def scratch():
    """A folder for the data of a run, removed at the end of a `with`."""
    return tempfile.TemporaryDirectory(prefix="raudal-bench-", dir=os.environ.get("RAUDAL_BENCH_DIR"))
