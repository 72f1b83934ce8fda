"""ZooKeeper's clients in normal use: kazoo with its recipes, and the four-letter words that health checks read."""
import socket
import threading
import uuid

import pytest

from harness import wait_until

raudal_options = ["--only", "zookeeper,kafka"]


@pytest.fixture
def connect(zookeeper):
    """A function that makes a connected kazoo client; all are stopped at the end."""
    from kazoo.client import KazooClient
    clients = []

    def make(**options):
        client = KazooClient(zookeeper, timeout=options.pop("timeout", 10), **options)
        client.start(15)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def node(client):
    """A new znode's path."""
    path = f"/tests/{uuid.uuid4().hex[:12]}"
    client.ensure_path(path)
    return path


def test_create_get_set_delete(client, node):
    from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError
    assert client.create(f"{node}/a", b"one") == f"{node}/a"
    data, stat = client.get(f"{node}/a")
    assert data == b"one" and stat.version == 0 and stat.dataLength == 3 and stat.numChildren == 0
    assert client.set(f"{node}/a", b"two").version == 1
    with pytest.raises(BadVersionError):
        client.set(f"{node}/a", b"three", version=0)
    with pytest.raises(NodeExistsError):
        client.create(f"{node}/a")
    with pytest.raises(NoNodeError):
        client.get(f"{node}/missing")
    with pytest.raises(NoNodeError):
        client.create(f"{node}/missing/b")
    client.create(f"{node}/a/b")
    with pytest.raises(NotEmptyError):
        client.delete(f"{node}/a")
    client.delete(f"{node}/a", recursive=True)
    assert client.exists(f"{node}/a") is None


def test_children_and_sequence(client, node):
    names = [client.create(f"{node}/item-", sequence=True) for _ in range(3)]
    assert names == [f"{node}/item-{number:010}" for number in range(3)]
    children, stat = client.get_children(node, include_data=True)
    assert sorted(children) == [f"item-{number:010}" for number in range(3)] and stat.numChildren == 3


def test_watches_fire_once(client, node):
    seen = []
    client.create(f"{node}/a", b"1")
    client.get(f"{node}/a", watch=lambda event: seen.append((event.type, event.path)))
    client.get_children(node, watch=lambda event: seen.append((event.type, event.path)))
    client.exists(f"{node}/b", watch=lambda event: seen.append((event.type, event.path)))
    client.set(f"{node}/a", b"2")
    client.set(f"{node}/a", b"3")
    client.create(f"{node}/b")
    wait_until(lambda: len(seen) == 3, 10, "three events")
    assert sorted(seen) == [("CHANGED", f"{node}/a"), ("CHILD", node), ("CREATED", f"{node}/b")]
    client.get(f"{node}/a", watch=lambda event: seen.append((event.type, event.path)))
    client.delete(f"{node}/a")
    wait_until(lambda: ("DELETED", f"{node}/a") in seen, 10, "the event of the deletion")


def test_ephemeral_nodes_end_with_their_session(connect, client, node):
    other = connect()
    other.create(f"{node}/mine", ephemeral=True)
    assert client.exists(f"{node}/mine").ephemeralOwner == other.client_id[0]
    gone = threading.Event()
    client.exists(f"{node}/mine", watch=lambda event: gone.set())
    other.stop()
    assert gone.wait(10) and client.exists(f"{node}/mine") is None


def test_multi_is_all_or_nothing(client, node):
    transaction = client.transaction()
    transaction.create(f"{node}/a", b"1")
    transaction.set_data(node, b"x")
    transaction.check(node, 1)
    assert [type(result).__name__ for result in transaction.commit()] == ["str", "ZnodeStat", "bool"]
    transaction = client.transaction()
    transaction.create(f"{node}/b")
    transaction.delete(f"{node}/missing")
    assert [type(result).__name__ for result in transaction.commit()] == ["RolledBackError", "NoNodeError"]
    assert client.exists(f"{node}/b") is None


def test_recipes_lock_election_counter_queue(connect, client, node):
    from kazoo.recipe.watchers import ChildrenWatch
    first, second = client, connect()
    lock = first.Lock(f"{node}/lock", "first")
    with lock:
        assert not second.Lock(f"{node}/lock", "second").acquire(blocking=False)
    assert second.Lock(f"{node}/lock", "second").acquire(timeout=10)
    counter = first.Counter(f"{node}/counter")
    counter += 3
    assert second.Counter(f"{node}/counter").value == 3
    queue = first.Queue(f"{node}/queue")
    queue.put(b"job")
    assert second.Queue(f"{node}/queue").get() == b"job"
    seen = []
    ChildrenWatch(second, f"{node}/queue", seen.append)
    queue.put(b"more")
    wait_until(lambda: seen and len(seen[-1]) == 1, 10, "the watched child")


def test_a_session_survives_a_broken_connection(client, node):
    session = client.client_id
    client.create(f"{node}/mine", ephemeral=True)
    client._connection._socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: client.connected and client.retry(client.exists, f"{node}/mine"), 20, "the reconnection")
    assert client.client_id[0] == session[0]


def test_a_session_and_its_znodes_survive_kill_9_of_the_server(start_raudal):
    from kazoo.client import KazooClient
    running = start_raudal("--only", "zookeeper")
    client = KazooClient(running.at("zookeeper"), timeout=20)
    client.start(15)
    try:
        client.create("/kept", b"value")
        client.create("/mine", ephemeral=True)
        running.kill9()
        running.start()
        wait_until(lambda: client.connected, 20, "the reconnection")
        assert client.get("/kept")[0] == b"value" and client.exists("/mine")
    finally:
        client.stop()
        client.close()


@pytest.mark.ours
def test_the_znodes_of_kafka(client):
    import json
    assert client.get_children("/brokers/ids") == ["1"]
    broker = json.loads(client.get("/brokers/ids/1")[0])
    assert broker["port"] == 9092 and broker["host"]
    assert {"brokers", "controller", "cluster", "config"} <= set(client.get_children("/"))


WORDS = {"stat": "Mode: standalone", "conf": "clientPort=2181", "envi": "Environment:", "cons": "queued="}


@pytest.mark.parametrize("word, answer", [("ruok", "imok"), ("srvr", "Zookeeper version"), ("mntr",
    "zk_server_state\tstandalone")])
def test_four_letter_words(zookeeper, word, answer):
    assert answer in four_letters(zookeeper.partition(":")[0], word)


def four_letters(address, word):
    with socket.create_connection((address, 2181), timeout=5) as connection:
        connection.sendall(word.encode())
        text = b""
        while piece := connection.recv(65536):
            text += piece
    return text.decode()


def test_the_other_words_need_the_setting(raudal, start_raudal):
    for word in WORDS:
        assert "whitelist" in four_letters(raudal.address, word)
    running = start_raudal("--only", "zookeeper", set={"zookeeper.4lw.commands.whitelist": "*"})
    for word, answer in WORDS.items():
        assert answer in four_letters(running.address, word)


@pytest.mark.parametrize("line", ["create /zk-test value", "get /zk-test", "set /zk-test other", "stat /zk-test",
                                  "ls /", "delete /zk-test", "get /missing"])
def test_our_zkcli_prints_what_the_real_one_prints(raudal, environment, line):
    """Each line by the real shell first and then by ours, on a znode each."""
    import re
    real = environment("zookeeper").tool("zkCli.sh", "-server", raudal.at("zookeeper"), *line.split())
    ours = raudal.tool("zkCli.sh", "-server", "zookeeper:2181", *line.replace("zk-test", "zk-tests").split())

    def clean(text):
        text = re.sub(r"0x[0-9a-f]+|\w{3} \w{3} \d+ [\d:]+ \w+ \d{4}", "N", text).replace("zk-tests", "zk-test")
        lines = [each for each in text.splitlines() if each and "WatchedEvent" not in each and "WATCHER" not in each]
        return [each for each in lines if not each.startswith(("Connecting to", "[zk:", "/usr", "Welcome", "JLine"))]

    assert clean(ours.out) == clean(real.out)
