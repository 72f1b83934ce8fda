"""Writers that are interrupted: what was acknowledged (hflush, close) is there afterwards; a clean restart goes unnoticed."""
import os
import random
import threading
import time

import pytest

from hadoop_shell import Hadoop
from harness import wait_until

ROUNDS = int(os.environ.get("RAUDAL_CRASH_ROUNDS", "4"))


@pytest.fixture
def store(start_raudal):
    return start_raudal("--only", "namenode,datanode")


@pytest.fixture
def hadoop(store, environment):
    driver = Hadoop(environment("spark-4_3"), store.at("namenode"))
    yield driver
    driver.close()


def numbers(store, name):
    return (store.data / "store" / name).read_text().splitlines()


class Writing(threading.Thread):
    def __init__(self, hadoop, path, count, pause_ms):
        super().__init__(daemon=True)
        self.words, self.hadoop, self.answer = (path, str(count), str(pause_ms)), hadoop, None

    def run(self):
        self.answer = self.hadoop.run("root", "write", *self.words)


def test_a_write_in_progress_survives_a_clean_restart(store, hadoop):
    writing = Writing(hadoop, "/lines", 60, 20)
    writing.start()
    wait_until(lambda: (store.data / "store" / "lines").exists() and len(numbers(store, "lines")) > 10)
    store.stop()
    store.start()
    writing.join(60)
    assert writing.answer == (0, "60", "")
    assert numbers(store, "lines") == [str(number) for number in range(60)]


def test_kill_9_keeps_every_acknowledged_line(store, hadoop):
    chance = random.Random(1)
    for turn in range(ROUNDS):
        writing = Writing(hadoop, f"/killed{turn}", 100000, 0)
        writing.start()
        file = store.data / "store" / f"killed{turn}"
        wait_until(lambda: file.exists() and len(numbers(store, file.name)) > 2)
        time.sleep(0.05 + chance.random() * 0.5)
        store.kill9()
        writing.join(60)
        store.start()
        status, acknowledged, _ = writing.answer
        kept = numbers(store, f"killed{turn}")
        assert status == 1 and len(kept) >= int(acknowledged) > 0
        assert kept[:int(acknowledged)] == [str(number) for number in range(int(acknowledged))]
        # Everybody can read it at once, at its full length.
        assert hadoop.run("root", "fs", "-cat", f"/killed{turn}")[1].splitlines() == kept


def test_kill_9_during_puts_loses_no_finished_file(store, environment):
    """hdfs-native puts file after file; each one whose close returned is whole after the kill."""
    from hdfs_native import Client
    finished, ended = [], threading.Event()

    def put():
        number = 0
        while not ended.is_set():
            try:
                client = Client(f"hdfs://{store.at('namenode')}")
                while not ended.is_set():
                    name = f"/p{number:05}"
                    number += 1
                    with client.create(name) as file:
                        file.write(name.encode() * 20000)
                    finished.append(name)
            except Exception:
                time.sleep(0.02)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    for turn in range(ROUNDS):
        before = len(finished)
        wait_until(lambda: len(finished) > before + 3)
        store.kill9()
        store.start()
    ended.set()
    thread.join(60)
    assert len(finished) > ROUNDS
    for name in finished:
        assert (store.data / "store" / name[1:]).read_bytes() == name.encode() * 20000, name


def test_another_client_waits_for_the_lease_and_recovers_it(store, hadoop):
    writing = Writing(hadoop, "/held", 100000, 5)
    writing.start()
    wait_until(lambda: (store.data / "store" / "held").exists())
    tool = store.shell("echo more | hdfs dfs -appendToFile - /held")
    assert tool.returncode == 1 and "because this file lease is currently owned by DFSClient_NONMAPREDUCE_" in tool.stderr
    store.shell("hdfs dfs -rm /held").ok()            # deleting ends the lease; the writer fails by name
    writing.join(60)
    assert writing.answer[0] == 1 and writing.answer[2] != ""


def test_the_length_grows_while_it_is_written(store, hadoop):
    writing = Writing(hadoop, "/growing", 50, 20)
    writing.start()
    seen = set()
    while writing.is_alive():
        listed = store.shell("hdfs dfs -stat %b /growing")
        if listed.returncode == 0:
            seen.add(int(listed.stdout))
    assert writing.answer[0] == 0 and len(seen) > 3
