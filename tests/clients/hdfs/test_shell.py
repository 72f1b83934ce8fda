"""`hdfs dfs`: Hadoop's own shell works against our ports, and our tool prints byte for byte what it prints."""
import gzip
import os
import re

import pytest

from hadoop_shell import Hadoop
from harness import BINARY, run

raudal_options = ["--only", "namenode,datanode"]

# One session, in order. D is a folder of the store, L a folder of the machine; "bob:" before a command is its user.
SESSION = """
-mkdir D
-mkdir D
-mkdir D/no/x
-mkdir -p D/demo/sub
-mkdir -p D/demo/sub
-mkdir
-put L/a.txt D/demo
-put L/a.txt D/demo
-put -f L/a.txt D/demo
-put L/numbers.txt L/z.gz D/demo/sub
-put L/missing.txt D/demo
-put L/a.txt D/no/x
-put L/a.txt L/numbers.txt D/no
-put L/a.txt L/numbers.txt D/demo/a.txt
-put L/tree D/demo
-put L D/all
-copyFromLocal L/a.txt D/demo/b.txt
-touchz D/demo/empty
-touchz D/demo/empty
-touchz D/demo/a.txt
-touchz D/demo
-touchz D/no/x
-touch D/demo/touched
-touch -t 20200101:000000 D/demo/touched
-touch D/no/x
-touch -c D/nothing
-ls D/demo
-ls -h D/demo
-ls -R D
-ls -C D/demo
-ls -d D/demo
-ls -S D/demo
-ls -S -r D/demo
-ls D/demo/a.txt D/demo/sub D/none D/demo
-ls D/demo/*.txt
-ls D/de*/s?b/[n]*
-ls D/demo/{a,b}.txt
-ls D/none*
-ls D/demo/
-ls D/demo/sub/..
-ls -Z D
-ls D/none
-du D/demo
-du -h D/demo
-du -s D/demo
-du -s -h -v D/demo D/demo/sub
-du D/none
-count D/demo
-count -q -h -v D/demo
-count -u D/demo
-count -v D/demo D/demo/a.txt
-count D/none
-stat D/none
-stat %F_%u:%g_%b_%n_%o_%r_%a_%A D/demo/a.txt
-stat %F_%n_%z_%% D/demo
-stat D/demo/touched
-cat D/demo/a.txt D/demo/b.txt
-cat D/none D/demo/a.txt
-cat D/demo/sub
-cat
-head D/demo/sub/numbers.txt
-head D/demo
-tail D/demo/sub/numbers.txt
-tail D/none
-text D/demo/sub/z.gz D/demo/a.txt
-text D/demo
-test -e D/demo/a.txt
-test -d D/demo/a.txt
-test -d D/demo
-test -f D/demo/a.txt
-test -z D/demo/empty
-test -s D/demo/empty
-test -e D/none
-test -q D/demo
-test D/demo
-test -e D/demo D/demo/a.txt
-checksum D/demo/a.txt D/demo/empty
-checksum D/demo/sub
-appendToFile L/a.txt D/demo/b.txt
-appendToFile L/a.txt L/numbers.txt D/demo/new.txt
-appendToFile L/missing.txt D/demo/b.txt
-appendToFile L/a.txt D/demo
-cat D/demo/b.txt
-truncate 5 D/demo/b.txt
-truncate 0 D/demo/new.txt
-truncate x D/demo/b.txt
-truncate 99999 D/demo/b.txt
-truncate 3 D/none
-get D/demo/a.txt L/got.txt
-get D/demo/a.txt L/got.txt
-get -f D/demo/a.txt L/got.txt
-get D/none L/got2.txt
-get D/demo L/no/x
-get D/demo L/gotten
-getmerge -nl D/demo L/merged.txt
-getmerge D/none L/merged.txt
-chmod 600 D/demo/a.txt
-chmod u+x,g=rw,o-r D/demo/b.txt
-chmod -R g+w D/demo
-chmod 999 D/demo
-chmod a+q D/demo
-chmod 600 D/none
-chown alice:data D/demo/a.txt
-chown : D/demo/a.txt
-chown -R carol D/demo/sub
-chgrp eng D/demo/a.txt
-chgrp eng D/none
-ls -R D/demo
-setrep 1 D/demo/a.txt
-setrep -w 1 D/demo/sub
-setrep 0 D/demo/a.txt
-setrep x D/demo/a.txt
-setfattr -n user.k -v v1 D/demo
-getfattr -d D/demo
-getfattr -n user.k D/demo
-getfattr -n user.none D/demo
-setfattr -x user.k D/demo
-getfattr -d D/demo
-getfattr -d D/none
-getfacl D/demo
-setfacl -m user:bob:r-x D/demo
-createSnapshot D/demo s1
-mv D/demo/b.txt D/demo/c.txt
-mv D/none D/none2
-mv D/demo/c.txt D/demo/a.txt
-mv D/demo/c.txt D/no/x
-mv D/demo/c.txt D/demo/sub
-mv D/demo/sub/c.txt D/demo/sub/numbers.txt D/demo
-cp D/demo/c.txt D/demo/d.txt
-cp D/demo/c.txt D/demo/d.txt
-cp -f D/demo/a.txt D/demo/d.txt
-cp D/demo D/copied
-cp D/demo/c.txt D/demo/d.txt D/copied
-cp D/none D/copied
-ls -R -C D/copied
-find D/demo -name *.txt
-find D/demo -iname A*
-find D/demo
-find D/demo -bad
-find D/none
-concat D/demo/d.txt D/demo/c.txt
-concat D/demo/d.txt D/none D/none2
-rm D/none
-rm -f D/none
-rm D/demo
-rmdir D/demo
-rmdir D/none
-rmdir D/demo/a.txt
-rm D/demo/d.txt
-rm D/demo/*.txt
-rm -r D/demo/sub D/none
-rm
-mkdir D/e1 D/e1/e2
-rmdir D/e1/e2 D/e1
-expunge
-moveToLocal D/demo L/x
-moveFromLocal L/moved.txt D/demo
-ls -C D/demo
-usage ls
-usage ls bad
-badcmd
ls
-df -q
bob: -ls D
bob: -touchz D/x
bob: -mkdir D/x
bob: -rm -r D/demo
bob: -chmod 777 D
bob: -chown bob D
bob: -put L/a.txt D/x.txt
-chmod 700 D
bob: -ls D
bob: -cat D/demo/touched
bob: -touchz mine
bob: -ls
bob: -ls -C .
bob: -rm mine
""".strip().splitlines()


def make_local(folder):
    (folder / "tree" / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("line one\nline two\nline three\n")
    (folder / "moved.txt").write_text("moved\n")
    (folder / "numbers.txt").write_text("".join(f"{number}\n" for number in range(1, 1001)))
    (folder / "tree" / "below" / "c").write_text("c" * 200000)
    (folder / "z.gz").write_bytes(gzip.compress(b"hello gz\n", mtime=0))


@pytest.fixture(scope="module")
def hadoop(raudal, environment):
    driver = Hadoop(environment("spark-4_3"), raudal.at("namenode"))
    yield driver
    driver.close()


def ours(raudal, user, *words):
    os.makedirs(raudal.data / "bin", exist_ok=True)
    tool = raudal.data / "bin" / "hdfs"
    if not tool.exists():
        tool.symlink_to(BINARY)
    result = run([tool, "dfs", "-fs", f"hdfs://{raudal.at('namenode')}", *words], env=dict(os.environ,
        HADOOP_USER_NAME=user))
    return result.returncode, result.stdout, result.stderr


def play(execute, folder, local):
    """[(command, exit status, output, errors)] of the session, with everything that differs by time or place made equal."""
    local.mkdir()
    make_local(local)
    played = []
    for line in SESSION:
        user, colon, command = line.rpartition(": ")
        words = [re.sub(r"\bL(?=/|$)", str(local), re.sub(r"(?<![\w-])D(?=/|$)", folder,
            word)) for word in command.split()]
        status, *texts = execute(user or "root", *words)
        texts = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "TIME", text).replace(str(local), "L").replace(folder,
            "D")
                 for text in texts]
        played.append((line, status, *texts))
    return played


def test_our_tool_says_what_hadoops_shell_says(raudal, hadoop, tmp_path):
    real = play(lambda user, *words: hadoop.run(user, "fs", *words), "/real", tmp_path / "real")
    mine = play(lambda user, *words: ours(raudal, user, *words), "/ours", tmp_path / "ours")
    different = [f"{one[0]}\n  real: {one[1:]}\n  ours: {other[1:]}" for one, other in zip(real, mine) if one != other]
    assert not different, "\n".join(different)
    merged = [(tmp_path / name / "merged.txt").read_text() for name in ("real", "ours")]
    assert merged[0] == merged[1] != ""


def test_hadoops_shell_moves_bytes_unchanged(raudal, hadoop, tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "in").write_bytes(data)
    assert hadoop.run("root", "fs", "-put", str(tmp_path / "in"), "/bytes")[0] == 0
    assert (raudal.data / "store" / "bytes").read_bytes() == data
    assert hadoop.run("root", "fs", "-get", "/bytes", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out").read_bytes() == data
    assert ours(raudal, "root", "-get", "/bytes", str(tmp_path / "out2"))[0] == 0
    assert (tmp_path / "out2").read_bytes() == data
    assert hadoop.run("root", "fs", "-checksum", "/bytes")[1] == ours(raudal, "root", "-checksum", "/bytes")[1]


def test_several_blocks(raudal, hadoop, tmp_path):
    """A file of three blocks, written by each and read by the other."""
    data = os.urandom(2_500_000)
    (tmp_path / "in").write_bytes(data)
    assert hadoop.run("root", "fs", "-D", "dfs.blocksize=1048576", "-put", str(tmp_path / "in"), "/blocks")[0] == 0
    assert hadoop.run("root", "fs", "-stat", "%o", "/blocks")[1] == "1048576\n"
    assert ours(raudal, "root", "-get", "/blocks", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out").read_bytes() == data
    assert hadoop.run("root", "fs", "-checksum", "/blocks")[1] == ours(raudal, "root", "-checksum", "/blocks")[1]
    assert "MD5-of-2048MD5-of-512CRC32C" in ours(raudal, "root", "-checksum", "/blocks")[1]


@pytest.fixture
def admin(raudal, environment):
    """Hadoop's own dfsadmin."""
    return lambda *words: environment("hadoop").tool("hdfs-admin", "-fs", f"hdfs://{raudal.at('namenode')}", *words)


def test_safe_mode(raudal, hadoop, admin):
    assert admin("-safemode", "enter").ok().stdout == "Safe mode is ON\n"
    try:
        status, _, errors = hadoop.run("root", "fs", "-mkdir", "/insafe")
        assert (status, errors) == (1, "mkdir: Cannot create directory /insafe. Name node is in safe mode.\n")
        assert ours(raudal, "root", "-mkdir", "/insafe")[2] == errors
    finally:
        assert raudal.tool("hdfs", "dfsadmin", "-safemode", "leave").ok().stdout == "Safe mode is OFF\n"


def test_the_admin_report_names_the_datanode(raudal, admin):
    report = admin("-report").ok().stdout
    assert f"Name: {raudal.at('datanode')}" in report and "Live datanodes (1):" in report


def test_what_is_not_kept_is_refused_by_name(admin):
    assert "setQuota is not supported" in admin("-setQuota", "3", "/").stderr
    assert "keeps no snapshots" in admin("-allowSnapshot", "/").stderr


def test_without_a_namenode_the_tool_answers_at_once(tmp_path):
    tool = tmp_path / "hdfs"
    tool.symlink_to(BINARY)
    result = run([tool, "dfs", "-ls", "/"], timeout_s=5, env=dict(os.environ, RAUDAL_DATA=str(tmp_path / "none"),
        LC_ALL="C"))
    assert result.returncode == 1 and "raudal up" in result.stderr
