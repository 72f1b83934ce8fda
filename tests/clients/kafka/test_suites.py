"""Suites that others wrote for their Kafka clients, run against our broker: librdkafka's test-runner, from Debian's source
package, and the integration tests in kafka-python's source distribution. What fails is named here with the reason; against a
real Kafka 4.3.1 with the settings below the same fails but for what is marked, so anything else that fails is ours.

The packages are fetched by name from wherever this machine gets its packages. One test of the runner is one process: a test
that runs out of time ends its process."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from harness import run

pytestmark = pytest.mark.long
raudal_options = ["--only", "kafka", "--set", "kafka.num.partitions=4", "--set", "kafka.group.initial.rebalance.delay.ms=0",
                  "--set", "kafka.node.id=0", "--set", "kafka.group.min.session.timeout.ms=1000"]

NO_AUTHORIZER = "makes ACLs, and there is no authorizer"
OLD_RECORDS = "writes records of formats that Kafka 4 has given up"
SMALL_SEGMENTS = "wants segments below the least that Kafka 4 allows (1 MiB)"
LIBRDKAFKA = {
    "0052": OLD_RECORDS,
    "0077": SMALL_SEGMENTS,
    "0081": NO_AUTHORIZER,
    "0092": OLD_RECORDS,
    "0115": NO_AUTHORIZER,
    "0119": NO_AUTHORIZER,
    "0129": SMALL_SEGMENTS,
    # The only one that a real Kafka passes: after a topic is deleted under a consumer, librdkafka 2.0.2 ends the consumer
    # in the broker's eyes (LeaveGroup, answered) and then waits for a reference of its own that never comes back.
    "0113": "librdkafka 2.0.2 hangs in its own shutdown after a topic was deleted",
}
KAFKA_PYTHON_VERSION = "3.0.12"
KAFKA_PYTHON = {
    "test_create_describe_delete_acls": NO_AUTHORIZER,
    "test_ssl_handshake": "starts a broker of its own, from files that the distribution lacks",
    "test_legacy_kafka_client_ssl": "as above",
}


def source_lists(folder):
    """This machine's package sources, as sources of source packages."""
    found = 0
    for number, path in enumerate(sorted(pathlib.Path("/etc/apt").glob("sources.list*/**/*.sources"))):
        text = path.read_text()
        if "debian" in text:
            found += 1
            (folder / f"{number}.sources").write_text(re.sub(r"(?m)^Types:.*$", "Types: deb-src", text))
    for path in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*.list")]:
        lines = [line for line in path.read_text().splitlines() if re.match(r"deb\s.*debian", line)] if path.exists() else []
        found += len(lines)
        if lines:
            (folder / path.name).with_suffix(".list").write_text(
                "".join(re.sub(r"^deb\s", "deb-src ", line) + "\n" for line in lines))
    return found


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """The folder of librdkafka's tests with its test-runner built."""
    top = tmp_path_factory.mktemp("librdkafka")
    parts, lists, cache = top / "sources", top / "lists", top / "cache"
    for folder in (parts, lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True)
    if not shutil.which("apt-get") or not source_lists(parts):
        pytest.skip("librdkafka's tests come from Debian's source package, and this machine has no such packages")
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}", "-o",
               f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
    run(["apt-get", *options, "update"], timeout_s=300).ok()
    run(["apt-get", *options, "source", "--download-only", "librdkafka"], timeout_s=300, cwd=top).ok()
    with tarfile.open(next(top.glob("librdkafka_*.orig.tar.*"))) as archive:
        archive.extractall(top / "source", filter="data")
    source = next((top / "source").iterdir())
    run(["./configure"], timeout_s=300, cwd=source).ok()
    run(["make", "-j2", "libs"], timeout_s=1800, cwd=source).ok()
    run(["make", "-j2", "-C", "tests", "test-runner"], timeout_s=1800, cwd=source).ok()
    return source / "tests"


def run_one(runner, number, broker):
    """True unless the runner says that the test failed."""
    environment = {**os.environ, "TESTS": number, "TEST_KAFKA_VERSION": "4.3.1", "LD_LIBRARY_PATH": "../src:../src-cpp"}
    (runner / "test.conf").write_text(f"bootstrap.servers={broker}\n")
    try:
        done = subprocess.run(["./test-runner", "-p1"], cwd=runner, env=environment, capture_output=True, text=True,
                              errors="replace", timeout=400)
    except subprocess.TimeoutExpired as late:
        return False, str(late)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return done.returncode == 0, "\n".join(re.findall(r"### Test .* failed at .*\n.*", text))[:2000]


def test_librdkafkas_own_tests(runner, broker):
    numbers = sorted({path.name[:4] for path in runner.glob("[0-9][0-9][0-9][0-9]-*.c*")})
    assert len(numbers) > 100
    failed = {}
    for number in numbers:
        passed, why = run_one(runner, number, broker)
        if not passed and number not in LIBRDKAFKA:
            passed, why = run_one(runner, number, broker)  # many measure time, and this machine may have been busy
        if not passed:
            failed[number] = why
    assert not failed.keys() - LIBRDKAFKA.keys(), failed


def test_kafka_pythons_own_tests(broker, tmp_path):
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", tmp_path,
         f"kafka-python=={KAFKA_PYTHON_VERSION}"], timeout_s=300).ok()
    with tarfile.open(next(tmp_path.glob("kafka_python-*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(path for path in tmp_path.glob("kafka_python-*") if path.is_dir())
    # The distribution lacks what starts brokers; this one runs already.
    (source / "test" / "__init__.py").touch()
    (source / "test" / "service.py").write_text(
        "class ExternalService:\n    def __init__(self, *_): pass\n    def open(self): pass\n    def close(self): pass\n\n\n"
        "class SpawnedService: pass\n")
    (source / "servers" / "4.3.1" / "kafka-bin").mkdir(parents=True)
    environment = {**os.environ, "KAFKA_URI": f"kafka://{broker}", "KAFKA_VERSION": "4.3.1", "PYTHONPATH": str(source)}
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--tb=short", "-rfE",
                "test/integration"], timeout_s=900, cwd=source, env=environment)
    failed = set(re.findall(r"(?m)^(?:FAILED|ERROR) \S+::(\w+)", done.stdout))
    assert not failed - KAFKA_PYTHON.keys(), done.stdout[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 45
