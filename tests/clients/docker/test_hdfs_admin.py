"""hdfs dfsadmin and fsck: Hadoop's own tools work here, and ours print the same."""
import re

import pytest

from harness import run


@pytest.fixture(scope="module")
def files(raudal):
    raudal.shell("hdfs dfs -mkdir -p /lesson/sub && echo hello | hdfs dfs -put - /lesson/a && hdfs dfs -touchz /lesson/sub/empty").ok()


def real(environment, raudal, tool, *words):
    hadoop = environment("hadoop")
    return run(["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{hadoop.path}/conf:{hadoop.path}/jars/*",
                f"org.apache.hadoop.hdfs.tools.{tool}", "-D", f"dfs.namenode.http-address={raudal.at('namenode-ui')}",
                "-fs", f"hdfs://{raudal.at('namenode')}", *words])


def without_times(text):
    """Free space, times and the connections change between two calls; the host's name depends on who resolves it."""
    text = re.sub(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}", "TIME", text)
    text = re.sub(r"in \d+ milliseconds", "in N milliseconds", text)
    text = re.sub(r"(Present Capacity|Remaining%?|Non DFS Used|Xceivers): .*", r"\1: N", text)
    return re.sub(r"(Name: [\d.:]+) \(.*\)", r"\1", text)


@pytest.mark.parametrize("tool,words", [
    (["dfsadmin"], ["-report"]),
    (["fsck"], ["/lesson", "-files", "-blocks", "-locations"]),
])
def test_as_hadoops_own(raudal, environment, files, tool, words):
    theirs = real(environment, raudal, "DFSAdmin" if tool == ["dfsadmin"] else "DFSck", *words)
    ours = raudal.tool("hdfs", *tool, *words)
    assert theirs.returncode == ours.returncode == 0, (theirs, ours)
    assert without_times(theirs.stdout) == without_times(ours.stdout)


def test_safe_mode(raudal):
    assert raudal.tool("hdfs", "dfsadmin", "-safemode", "get").ok().stdout == "Safe mode is OFF\n"


def test_a_path_that_is_not_there(raudal, environment):
    theirs, ours = real(environment, raudal, "DFSck", "/none"), raudal.tool("hdfs", "fsck", "/none")
    assert (theirs.returncode, theirs.stdout) == (ours.returncode, ours.stdout)
    assert "java.io.FileNotFoundException: File does not exist: /none" in ours.stderr


@pytest.mark.parametrize("words,named", [
    (["dfsadmin", "-refreshNodes"], "-refreshNodes"), (["dfsadmin", "-setQuota", "3", "/"], "-setQuota"),
    (["fsck", "/", "-move"], "-move"), (["dfsadmin", "-safemode", "wait"], "wait"),
])
def test_other_options_are_refused_by_name(raudal, words, named):
    refused = raudal.tool("hdfs", *words)
    assert refused.returncode == 255 and named in refused.stderr and refused.stdout == ""
