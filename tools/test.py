#!/usr/bin/env python3
"""`./dev test [PART [WORDS…]]`: runs the parts, prints each one's result, and the sum as the last line.

The parts, in the order of a run without arguments:
    style    tools/style.py
    unit     the unit tests beside the code (cmocka, `meson test`)
    sql, sim, crash, fuzz
             the meson tests of the suite with that name, and pytest over tests/PART when it has test files
    clients  real clients against build/raudal: pytest over tests/clients [FOLDER]; more words go to pytest
    differential  generated pipelines, against what a real Spark answered: pytest over tests/differential
    pains    the mistakes that learners make, with the real clients: pytest over tests/pains
    long     the simulation and the fuzz targets with larger bounds, what is marked `long` in tests/clients, crash and
             differential, then the tests that also run against a real Kafka, ZooKeeper and HDFS; runs only when named

A step that dies, hangs or reports nothing counts as a failure.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parents[1]
SUITES = ("sql", "sim", "crash", "fuzz")
LIMIT_S = {"unit": 600, "sql": 300, "sim": 300, "crash": 300, "fuzz": 300, "differential": 300, "clients": 1500, "pains": 600, "long": 5400}
JUNIT = {"failure": "failed", "error": "failed", "skipped": "skipped"}


class Total:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, part, passed, failed, started):
        self.passed += passed
        self.failed += failed
        print(f"--- {part}: {passed} passed, {failed} failed ({time.monotonic() - started:.0f} s)", flush=True)


def step(command, limit_s=600, **more):
    """A command whose output the person sees. Returns its exit code; over the time it is stopped and has failed."""
    process = subprocess.Popen([str(word) for word in command], cwd=TOP, stdin=subprocess.DEVNULL,
                               start_new_session=True, **more)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        print(f"{command[0]} did not end within {limit_s} s and is stopped", flush=True)
        os.killpg(process.pid, 9)
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, 15)
        raise


def build():
    code = step(["sh", "-c", ". tools/dev-lib.sh && build"], 1800)
    if code != 0:
        print("the build failed")
    return code == 0


def packages(*groups):
    return step(["tools/install-packages.sh", *groups], 1800) == 0


# Unit tests: meson runs one program per test; a cmocka program holds several cases.

def cases(entry):
    """(passed, failed) of one entry of meson's testlog.json."""
    text = entry.get("stdout", "") + entry.get("stderr", "")
    passed = sum(map(int, re.findall(r"^\[  PASSED  \] (\d+) test", text, re.M)))
    failed = sum(map(int, re.findall(r"^\[  FAILED  \] (?:\S+: )?(\d+) test", text, re.M)))
    if entry["result"] == "SKIP":
        return 0, 0
    if entry["result"] not in ("OK", "EXPECTEDFAIL") and failed == 0:
        failed = 1
    return (passed, failed) if passed + failed else (1, 0)


def meson_tests(words, limit_s):
    log = TOP / "build" / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    code = step(["meson", "test", "-C", "build", "--no-rebuild", "--num-processes", "2", "--print-errorlogs", *words],
                limit_s)
    passed = failed = 0
    for line in log.read_text().splitlines() if log.exists() else []:
        entry = json.loads(line)
        more_passed, more_failed = cases(entry)
        passed, failed = passed + more_passed, failed + more_failed
    if code != 0 and failed == 0:
        failed = 1
    return passed, failed


def meson_has(suite):
    listed = subprocess.run(["meson", "introspect", "--tests", "build"], cwd=TOP, capture_output=True, text=True)
    if listed.returncode != 0:
        return True
    return any(suite in (name.rpartition(":")[2] for name in test["suite"]) for test in json.loads(listed.stdout))


# Pytest.

def pytest(paths, words=(), limit_s=1500, **environment):
    report = pathlib.Path(tempfile.mkstemp(prefix="raudal-junit-", suffix=".xml")[1])
    report.unlink()
    code = step(["tools/pytest", *paths, "--junitxml", report, *words], limit_s, env=dict(os.environ, **environment))
    passed = failed = skipped = 0
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            outcomes = {JUNIT[child.tag] for child in case if child.tag in JUNIT}
            if "failed" in outcomes:
                failed += 1
            elif "skipped" in outcomes:
                skipped += 1
            else:
                passed += 1
        report.unlink()
    if code not in (0, 5) and failed == 0:     # 5: no test was collected
        failed = 1
    if skipped:
        print(f"    {skipped} skipped")
    return passed, failed


def clients(words, part="clients"):
    folders = [word for word in words if (TOP / "tests/clients" / word).is_dir()]
    others = [word for word in words if word not in folders]
    if not packages("python", "java", "test"):
        return 0, 1
    if not folders:
        # Up front, so that the downloads are seen and no test waits for one.
        made = step(["tools/environment.py", "--all"], 1800, stdout=subprocess.DEVNULL)
        if made != 0:
            return 0, 1
    paths = [f"tests/clients/{folder}" for folder in folders] or ["tests/clients"]
    if part != "long":
        return pytest(paths, others, LIMIT_S[part], RAUDAL_LONG="0")
    passed, failed = pytest(paths if folders else [*paths, "tests/crash", "tests/differential"], others, LIMIT_S[part], RAUDAL_LONG="1")
    print("=== long: against the real systems", flush=True)
    real_passed, real_failed = pytest(paths, others, LIMIT_S[part], RAUDAL_LONG="0", RAUDAL_AGAINST="real")
    return passed + real_passed, failed + real_failed


def run_part(part, words):
    if part == "style":
        import style
        return style.main(words)
    if part == "unit":
        return meson_tests([word for suite in SUITES for word in ("--no-suite", suite)] + words, LIMIT_S[part])
    if part in SUITES:
        passed = failed = 0
        if meson_has(part):
            passed, failed = meson_tests(["--suite", part, *words], LIMIT_S[part])
        if any((TOP / "tests" / part).glob("**/test_*.py")):
            if not packages("python", "test"):
                return passed, failed + 1
            more_passed, more_failed = pytest([f"tests/{part}"], words, LIMIT_S[part])
            passed, failed = passed + more_passed, failed + more_failed
        return passed, failed
    if part in ("differential", "pains"):
        return pytest([f"tests/{part}"], words, LIMIT_S[part]) if packages("python", "java", "test") else (0, 1)
    if part == "long":
        passed, failed = meson_tests(["--setup", "long", "--suite", "long"], LIMIT_S[part])
        more_passed, more_failed = clients(words, part)
        return passed + more_passed, failed + more_failed
    return clients(words, part)


def main(words):
    parts = ["style", "unit", *SUITES, "clients", "differential", "pains"]
    if words:
        if words[0] not in parts + ["long"]:
            sys.exit(f"./dev test: there is no part '{words[0]}'; there are: {' '.join(parts)} long")
        parts, words = [words[0]], words[1:]
    total = Total()
    if not build():
        total.add("build", 0, 1, time.monotonic())
    else:
        for part in parts:
            print(f"=== {part}", flush=True)
            started = time.monotonic()
            total.add(part, *run_part(part, words), started)
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(TOP / "tools"))
    sys.exit(main(sys.argv[1:]))
