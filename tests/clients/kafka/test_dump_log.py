"""kafka-dump-log prints what the real tool prints of the same files, also of damaged ones."""
import shutil

import pytest

from harness import BINARY, Raudal, run

SEGMENT = "00000000000000000000"


@pytest.fixture(scope="module")
def partition(tmp_path_factory):
    """The folder of a partition with headers, tombstones, a compressed batch, a committed and an aborted transaction."""
    from confluent_kafka import Producer
    raudal = Raudal(tmp_path_factory.mktemp("dump"), "--only", "kafka")
    raudal.start()
    raudal.create_topic("mixed", 1, index_interval_bytes=100)
    server = {"bootstrap.servers": raudal.at("kafka")}
    plain = Producer(server)
    for key, value, headers in ((b"k1", "señal".encode(), [("h1", b"x"), ("h2", None)]), (b"gone", None, [])):
        plain.produce("mixed", value, key=key, headers=headers)
        assert plain.flush(10) == 0
    packed = Producer(dict(server, **{"compression.type": "gzip", "enable.idempotence": True, "linger.ms": 50}))
    for number in range(5):
        packed.produce("mixed", f"value {number}".encode())
    assert packed.flush(10) == 0
    writer = Producer(dict(server, **{"transactional.id": "writer"}))
    writer.init_transactions(10)
    for end in (writer.commit_transaction, writer.abort_transaction):
        writer.begin_transaction()
        writer.produce("mixed", b"in a transaction")
        assert writer.flush(10) == 0
        end()
    raudal.close()
    return raudal.data / "kafka" / "mixed-0"


def ours(*words):
    return run([BINARY, "kafka-dump-log.sh", *words])


def lines(result):
    return result.returncode, result.stdout.splitlines(), sorted(result.stderr.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("words", [
    [], ["--print-data-log"], ["--deep-iteration"], ["--print-data-log", "--skip-record-metadata"], ["--max-bytes", "200"],
], ids=" ".join)
def test_a_segment(partition, environment, words):
    file = partition / f"{SEGMENT}.log"
    assert lines(ours("--files", file, *words)) == lines(environment("kafka").tool("kafka-dump-log.sh", "--files", file, *words))


@pytest.mark.long
@pytest.mark.parametrize("words", [[], ["--verify-index-only"], ["--index-sanity-check"]], ids=" ".join)
def test_indexes(partition, environment, words):
    files = ",".join(str(partition / f"{SEGMENT}.{end}") for end in ("index", "timeindex"))
    assert lines(ours("--files", files, *words)) == lines(environment("kafka").tool("kafka-dump-log.sh", "--files", files, *words))


@pytest.mark.long
def test_transactions_and_producers(partition, environment):
    files = ",".join(str(file) for end in ("txnindex", "snapshot", "metadata") for file in partition.glob(f"*.{end}"))
    assert lines(ours("--files", files)) == lines(environment("kafka").tool("kafka-dump-log.sh", "--files", files))


@pytest.fixture
def damaged(partition, tmp_path):
    """A copy with a changed byte in the second batch, and its end cut off."""
    folder = tmp_path / "mixed-0"
    shutil.copytree(partition, folder)
    content = bytearray((folder / f"{SEGMENT}.log").read_bytes())
    second = 12 + int.from_bytes(content[8:12])
    content[second + 30] ^= 1
    (folder / f"{SEGMENT}.log").write_bytes(content[:-5])
    return folder / f"{SEGMENT}.log"


@pytest.mark.long
def test_a_damaged_segment_as_the_real_tool(damaged, environment):
    assert lines(ours("--files", damaged)) == lines(environment("kafka").tool("kafka-dump-log.sh", "--files", damaged))


def test_a_damaged_segment(damaged):
    shown = ours("--files", damaged).ok().stdout
    assert shown.count("isvalid: false") == 1 and shown.count("isvalid: true") == 5
    assert shown.splitlines()[-1] == f"Found 73 invalid bytes at the end of {SEGMENT}.log"


def test_names_that_are_none(tmp_path):
    (tmp_path / "notes.log").write_text("no segment")
    assert "begins with an offset" in ours("--files", tmp_path / "notes.log").stderr
    assert "Ignoring unknown file" in ours("--files", tmp_path / "notes").stderr
    assert "No such file" in ours("--files", tmp_path / f"{SEGMENT}.log").stderr
    assert ours().returncode == 1
