"""HDFS's clients in normal use: HdfsCLI and fsspec over WebHDFS, hdfs-native over RPC; each sees the others' files."""
import uuid

import pytest

raudal_options = ["--only", "hdfs"]

BLOCK = bytes(range(256)) * 4096            # 1 MB that shows a shifted byte


@pytest.fixture
def folder(namenode):
    """A new folder, made by HdfsCLI."""
    path = f"/tests/{uuid.uuid4().hex[:12]}"
    cli(namenode).makedirs(path)
    return path


def cli(namenode):
    from hdfs import InsecureClient
    return InsecureClient(f"http://{namenode}:9870", user="root")


def native(namenode):
    from hdfs_native import Client
    return Client(f"hdfs://{namenode}:9000")


def filesystem(namenode):
    import fsspec
    return fsspec.filesystem("webhdfs", host=namenode, port=9870, user="root")


# HdfsCLI

def test_hdfscli_write_read_append(namenode, folder):
    client = cli(namenode)
    client.write(f"{folder}/a.txt", "línea uno\n", encoding="utf-8")
    client.write(f"{folder}/a.txt", "línea dos\n", encoding="utf-8", append=True)
    with client.read(f"{folder}/a.txt", encoding="utf-8") as reader:
        assert reader.read() == "línea uno\nlínea dos\n"
    with client.read(f"{folder}/a.txt", offset=11, length=6) as reader:
        assert reader.read() == "línea uno\nlínea dos\n".encode()[11:17]


def test_hdfscli_big_file(namenode, folder):
    client = cli(namenode)
    with client.write(f"{folder}/big") as writer:
        for _ in range(20):
            writer.write(BLOCK)
    with client.read(f"{folder}/big") as reader:
        assert reader.read() == BLOCK * 20
    assert client.status(f"{folder}/big")["length"] == len(BLOCK) * 20


def test_hdfscli_names(namenode, folder):
    client = cli(namenode)
    for name in ("b", "a", "con espacio", "ñandú", "50%+&=#?"):
        client.write(f"{folder}/{name}", b"x")
    assert sorted(client.list(folder)) == sorted(["a", "b", "con espacio", "ñandú", "50%+&=#?"])
    assert all(status["length"] == 1 for _, status in client.list(folder, status=True))


def test_hdfscli_rename_delete_status(namenode, folder):
    from hdfs.util import HdfsError
    client = cli(namenode)
    client.write(f"{folder}/a", b"x")
    client.makedirs(f"{folder}/d/e")
    client.rename(f"{folder}/a", f"{folder}/d/b")
    assert client.list(f"{folder}/d") == ["b", "e"]
    with pytest.raises(HdfsError, match="does not exist"):
        client.status(f"{folder}/a")
    assert client.status(f"{folder}/a", strict=False) is None
    with pytest.raises(HdfsError, match="non empty|not empty"):
        client.delete(f"{folder}/d")
    assert client.delete(f"{folder}/d", recursive=True)
    assert client.list(folder) == []


def test_hdfscli_content_permissions_owner_times(namenode, folder):
    client = cli(namenode)
    client.write(f"{folder}/a", b"12345")
    client.set_permission(f"{folder}/a", "640")
    client.set_times(f"{folder}/a", access_time=1700000000000, modification_time=1700000001000)
    client.set_owner(f"{folder}/a", owner="ana", group="curso")
    client.set_replication(f"{folder}/a", 1)
    status = client.status(f"{folder}/a")
    assert (status["permission"], status["owner"], status["group"]) == ("640", "ana", "curso")
    assert status["modificationTime"] == 1700000001000 and status["accessTime"] == 1700000000000
    content = client.content(folder)
    assert (content["fileCount"], content["directoryCount"], content["length"]) == (1, 1, 5)


def test_hdfscli_overwrite_only_when_asked(namenode, folder):
    from hdfs.util import HdfsError
    client = cli(namenode)
    client.write(f"{folder}/a", b"one")
    with pytest.raises(HdfsError, match="exists"):
        client.write(f"{folder}/a", b"two")
    client.write(f"{folder}/a", b"three", overwrite=True)
    with client.read(f"{folder}/a") as reader:
        assert reader.read() == b"three"


def test_hdfscli_upload_download_walk(namenode, folder, tmp_path):
    client = cli(namenode)
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_text("a")
    (tmp_path / "tree" / "sub" / "b.txt").write_text("b")
    client.upload(f"{folder}/tree", str(tmp_path / "tree"), n_threads=2)
    assert [(path.rpartition("/")[2], dirs, files) for path, dirs, files in client.walk(f"{folder}/tree")] == \
        [("tree", ["sub"], ["a.txt"]), ("sub", [], ["b.txt"])]
    client.download(f"{folder}/tree", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "b.txt").read_text() == "b"


def test_hdfscli_checksum_and_acl_status(namenode, folder):
    client = cli(namenode)
    client.write(f"{folder}/a", b"line one\nline two\nline three\n")
    checksum = client.checksum(f"{folder}/a")
    assert checksum["algorithm"] == "MD5-of-0MD5-of-512CRC32C"
    assert checksum["bytes"].startswith("000002000000000000000000f6916727722a781cb46f663d2e2c5a32")
    assert client.acl_status(f"{folder}/a")["entries"] == []


# fsspec

def test_fsspec(namenode, folder):
    files = filesystem(namenode)
    with files.open(f"{folder}/a.bin", "wb") as file:
        file.write(BLOCK * 3)
    with files.open(f"{folder}/a.bin", "rb") as file:
        file.seek(1_000_000)
        assert file.read(100) == (BLOCK * 3)[1_000_000:1_000_100]
    assert files.cat(f"{folder}/a.bin") == BLOCK * 3
    assert files.info(f"{folder}/a.bin")["size"] == len(BLOCK) * 3
    files.mkdir(f"{folder}/d")
    files.mv(f"{folder}/a.bin", f"{folder}/d/b.bin")
    assert [name.rpartition("/")[2] for name in files.find(folder)] == ["b.bin"]
    assert files.exists(f"{folder}/d") and not files.exists(f"{folder}/a.bin")
    files.rm(f"{folder}/d", recursive=True)
    assert files.ls(folder) == []


# hdfs-native

def test_native_write_read_list(namenode, folder):
    client = native(namenode)
    with client.create(f"{folder}/a") as file:
        for _ in range(9):
            file.write(BLOCK)
    with client.read(f"{folder}/a") as file:
        assert file.read() == BLOCK * 9
    with client.append(f"{folder}/a") as file:
        file.write(b"the end")
    with client.read(f"{folder}/a") as file:
        assert file.read()[-7:] == b"the end"
    listed = sorted((each.path.rpartition("/")[2], each.length, each.isdir) for each in client.list_status(folder))
    assert listed == [("a", len(BLOCK) * 9 + 7, False)]


def test_native_other_operations(namenode, folder):
    client = native(namenode)
    client.mkdirs(f"{folder}/d/e", create_parent=True)
    with client.create(f"{folder}/d/f"):
        pass
    client.rename(f"{folder}/d/f", f"{folder}/g")
    client.set_permission(f"{folder}/g", 0o640)
    client.set_owner(f"{folder}/g", "ana", "curso")
    client.set_times(f"{folder}/g", 1700000001000, 1700000000000)
    client.set_replication(f"{folder}/g", 1)
    info = client.get_file_info(f"{folder}/g")
    assert (info.permission, info.owner, info.group, info.modification_time) == (0o640, "ana", "curso", 1700000001000)
    summary = client.get_content_summary(folder)
    assert (summary.file_count, summary.directory_count) == (1, 3)
    assert client.delete(f"{folder}/d", recursive=True)
    with pytest.raises(FileNotFoundError):
        client.get_file_info(f"{folder}/d")


# Each other's files

def test_what_one_client_wrote_the_others_read(namenode, folder, environment):
    with native(namenode).create(f"{folder}/native") as file:
        file.write(BLOCK)
    cli(namenode).write(f"{folder}/webhdfs", BLOCK)
    with filesystem(namenode).open(f"{folder}/fsspec", "wb") as file:
        file.write(BLOCK)
    url = f"hdfs://{namenode}:9000"
    put = environment("hadoop").tool("hadoop-fs", "-fs", url, "-put", "-", f"{folder}/java", input="x" * 100000)
    put.ok()
    for name in ("native", "webhdfs", "fsspec"):
        with native(namenode).read(f"{folder}/{name}") as file:
            assert file.read() == BLOCK, name
        with cli(namenode).read(f"{folder}/{name}") as reader:
            assert reader.read() == BLOCK, name
        tail = environment("hadoop").tool("hadoop-fs", "-fs", url, "-checksum", f"{folder}/{name}")
        assert "MD5-of-0MD5-of-512CRC32C" in tail.ok().stdout
    with cli(namenode).read(f"{folder}/java") as reader:
        assert reader.read() == b"x" * 100000
