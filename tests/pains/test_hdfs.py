"""Pains 14-17 of README.md: HDFS."""
import os


def test_14_could_only_be_written_to_0_of_1_nodes(raudal):
    """The datanode is told by the address that the client used: an upload from outside arrives, by WebHDFS and by RPC."""
    from hdfs import InsecureClient
    client = InsecureClient(f"http://{raudal.address}:9870", user="ana")
    client.write("/user/ana/web.txt", b"over the web")
    assert raudal.tool("hdfs", "dfs", "-cat", "/user/ana/web.txt").ok().stdout == "over the web"
    from hdfs_native import Client
    native = Client(f"hdfs://{raudal.address}:9000")
    assert native.get_file_info("/user/ana/web.txt").length == len("over the web")
    with native.read("/user/ana/web.txt") as file:
        assert bytes(file.read()) == b"over the web"


def test_15_permission_denied(raudal, tmp_path):
    """The message names owner, mode and what to do; everybody has a home folder from its first use on."""
    file = tmp_path / "file"
    file.write_text("x")
    as_ana = dict(os.environ, HADOOP_USER_NAME="ana")
    denied = raudal.tool("hdfs", "dfs", "-put", str(file), "/file", env=as_ana)
    assert denied.returncode == 1
    owner = raudal.status()["user"]
    assert f'put: Permission denied: user=ana, access=WRITE, inode="/":{owner}:supergroup:drwxr-xr-x' in denied.stderr
    assert f"/ belongs to {owner}. Write below /user/ana, or let its owner give access: " \
           f"HADOOP_USER_NAME={owner} hdfs dfs -chmod o+w /" in denied.stderr
    raudal.tool("hdfs", "dfs", "-put", str(file), "file", env=as_ana).ok()
    assert raudal.tool("hdfs", "dfs", "-cat", "/user/ana/file").ok().stdout == "x"
    from hdfs import HdfsError, InsecureClient
    try:
        InsecureClient(f"http://{raudal.address}:9870", user="ana").write("/file", b"x")
        raise AssertionError("ana may not write there")
    except HdfsError as error:
        assert "Write below /user/ana" in str(error)


def test_16_safe_mode_at_start(start_raudal):
    raudal = start_raudal("--only", "hdfs")
    assert raudal.tool("hdfs", "dfs", "-mkdir", "/first").ok().out == ""
    assert raudal.tool("hdfs", "dfsadmin", "-safemode", "get").ok().stdout == "Safe mode is OFF\n"


def test_17_incompatible_cluster_ids_after_a_format(raudal):
    """There is nothing to format; the command says so, and the files stay."""
    raudal.tool("hdfs", "dfs", "-mkdir", "-p", "/kept").ok()
    formatted = raudal.tool("hdfs", "namenode", "-format")
    assert formatted.ok().stdout == \
        "There is nothing to format: the store is ready, and its files stay. To wipe everything: raudal down -v\n"
    raudal.tool("hdfs", "dfs", "-test", "-d", "/kept").ok()
