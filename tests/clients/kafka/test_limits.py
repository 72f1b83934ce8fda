"""What the broker's port bears from the first byte on: raw sockets, no Kafka client."""
import socket
import struct
import threading
import time

from harness import wait_until

MEBIBYTE = 1 << 20
API_VERSIONS = struct.pack(">hhih", 18, 0, 7, 4) + b"test"


def connect(raudal):
    return socket.create_connection((raudal.address, 9092), timeout=60)


def frame(body):
    return struct.pack(">i", len(body)) + body


def ask(connection):
    """One small request and whether its answer came."""
    connection.sendall(frame(API_VERSIONS))
    answer = connection.recv(4096)
    return len(answer) > 8 and struct.unpack(">i", answer[4:8]) == (7,)


def is_closed(connection):
    """Waits until the peer has closed."""
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True


def memory_of(raudal):
    for line in open(f"/proc/{raudal.pids()[0]}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


def test_frames_that_cannot_be(start_raudal):
    """A length of 2 GB, a negative one, an unknown API, and a header that is cut off end that connection only."""
    raudal = start_raudal("--only", "kafka")
    before = memory_of(raudal)
    for first in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", frame(struct.pack(">hhih", 999, 0, 1, -1)), frame(b"\0\x12"),
                  frame(struct.pack(">hhih", 18, 0, 1, 30000)), b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n"):
        with connect(raudal) as connection:
            connection.sendall(first)
            assert is_closed(connection), first
    # Promises of 90 MB without the bytes: nothing is allocated for them.
    waiting = [connect(raudal) for _ in range(100)]
    for connection in waiting:
        connection.sendall(struct.pack(">i", 90 * MEBIBYTE) + b"x" * 100)
    with connect(raudal) as connection:
        assert ask(connection)
    assert memory_of(raudal) - before < 64 * MEBIBYTE
    for connection in waiting:
        connection.close()


def test_counts_are_checked_against_the_bytes_that_remain(start_raudal):
    """A request that claims two billion topics, in the old form and in the compact one."""
    raudal = start_raudal("--only", "kafka")
    for body in (struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0x7fffffff),
                 struct.pack(">hhih", 3, 12, 1, -1) + b"\0" + b"\xff\xff\xff\xff\x0f",
                 struct.pack(">hhih", 1, 4, 1, -1) + struct.pack(">iiiib", -1, 1, 1, 1, 0) + struct.pack(">i", 0x40000000)):
        with connect(raudal) as connection:
            connection.sendall(frame(body))
            assert is_closed(connection), body
    with connect(raudal) as connection:
        assert ask(connection)
    assert memory_of(raudal) < 512 * MEBIBYTE


def test_connections_are_bounded_and_idle_or_slow_ones_end(start_raudal):
    raudal = start_raudal("--only", "kafka", set={
        "kafka.max.connections": 12, "kafka.connections.max.idle.ms": 3000, "kafka.max.connections.per.ip": 10})
    idle = [connect(raudal) for _ in range(10)]
    with connect(raudal) as one_more:
        assert is_closed(one_more)
    slow = idle.pop()

    def send_slowly():
        try:
            slow.sendall(struct.pack(">i", 5000))
            while True:
                slow.sendall(b"x")
                time.sleep(0.2)
        except OSError:
            pass
    sender = threading.Thread(target=send_slowly, daemon=True)
    sender.start()
    for connection in [*idle, slow]:    # within their timeout, also the one that never stops sending
        assert is_closed(connection)
    with connect(raudal) as connection:
        assert ask(connection)
    sender.join(60)


def test_limits_change_while_the_broker_runs(start_raudal):
    raudal = start_raudal("--only", "kafka")
    held = [connect(raudal) for _ in range(3)]
    assert ask(held[0])

    def alter(*words):
        raudal.shell(["kafka-configs.sh", "--bootstrap-server", "kafka:9092", "--alter", "--entity-type", "brokers",
                      "--entity-name", "1", *words]).ok()
    # A connection over loopback comes from 127.0.0.1, whatever address it goes to.
    alter("--add-config", "max.connections.per.ip.overrides=[127.0.0.1:4,::1:1]")

    def one_more_fits():    # once the tool's own connections are gone
        connection = connect(raudal)
        try:
            if ask(connection):
                held.append(connection)
                return True
        except ConnectionError:
            pass
        connection.close()
        return False
    wait_until(one_more_fits, 60, "room for a fourth connection")
    with connect(raudal) as one_more:
        assert is_closed(one_more)
    for connection in held:
        connection.close()


def test_memory_for_requests_is_bounded_and_others_wait(start_raudal):
    """While half a large request holds the memory, the next large one is not read; small ones pass."""
    raudal = start_raudal("--only", "kafka", set={"kafka.queued.max.request.bytes": 4 * MEBIBYTE})
    first, second, third = connect(raudal), connect(raudal), connect(raudal)
    first.sendall(struct.pack(">i", 3 * MEBIBYTE) + b"x" * 100)
    assert ask(third)    # the first one's beginning was read: it came before
    unknown = struct.pack(">hhih", 999, 0, 1, -1)
    sender = threading.Thread(target=lambda: second.sendall(frame(unknown + b"x" * 3 * MEBIBYTE)), daemon=True)
    sender.start()
    second.settimeout(0.5)
    try:
        answered = second.recv(1)
        assert False, f"read although the memory is taken: {answered}"
    except TimeoutError:
        pass
    assert ask(third)
    first.close()
    second.settimeout(60)
    assert is_closed(second)    # read as a whole, and refused
    sender.join(60)
    assert ask(third)


def test_doctor_names_a_full_broker(start_raudal):
    raudal = start_raudal("--only", "kafka", set={"kafka.max.connections": 3})
    held = [connect(raudal) for _ in range(3)]
    assert all(ask(connection) for connection in held)
    told = raudal.command("doctor").out
    assert "the broker has 3 connections" in told and "--add-config max.connections=6" in told, told
    for connection in held:
        connection.close()
