"""pyspark and spark-sql on PATH in `raudal shell`."""
import os
import pty
import select
import subprocess
import time

import pytest

from harness import BINARY, Raudal


@pytest.fixture
def spark(raudal, environment):
    """spark(LINE): a line of shell where PySpark is installed."""
    child = Raudal.child_environment(environment("spark-client-4_1"))
    return lambda line, **more: raudal.shell(line, env=child, **more)


def test_pyspark(spark):
    result = spark("echo 'print(spark.range(3).count(), sc.version == spark.version)' | pyspark --name lesson").ok()
    assert "Welcome to" in result.stdout and "version" in result.stdout and "Using Python version 3." in result.stdout
    assert "SparkSession available as 'spark'." in result.stdout
    assert result.stdout.endswith("3 True\n")
    assert "spark-submit <python file>" in spark("pyspark program.py").stderr


def test_spark_sql(spark):
    result = spark("""spark-sql -e "select 1 a, 'x', null, array(1,2,null), map('a',1.5D), named_struct('a',1,'b','t'), 1e10D,"""
                   """ cast(1.5 as decimal(10,2)), timestamp'2026-01-01 10:00:00.5', true" """).ok()
    assert result.stdout == '1\tx\tNULL\t[1,2,null]\t{"a":1.5}\t{"a":1,"b":"t"}\t1.0E10\t1.50\t2026-01-01 10:00:00.5\ttrue\n'
    assert result.stderr.startswith("Time taken: ") and result.stderr.endswith(" seconds, Fetched 1 row(s)\n")


def test_spark_sql_statements(spark, tmp_path):
    file = tmp_path / "lesson.sql"
    file.write_text("-- views; and quotes\ncreate temporary view v as select * from range(3);\n"
                    "select sum(id), ';' from v;\nselect ${n};\nselect * from nosuch;\nselect 'not reached';\n")
    result = spark(f"spark-sql -S -d n=7 -f {file}")
    assert result.returncode == 1 and result.stdout == "3\t;\n7\n"
    assert result.stderr.startswith("[TABLE_OR_VIEW_NOT_FOUND]"), result
    refused = spark("spark-sql --hive")
    assert refused.returncode == 1 and "--hive" in refused.stderr


def test_spark_sql_on_a_terminal(raudal, environment):
    """Two lines make a statement; an error does not end the shell; quit does."""
    ours, theirs = pty.openpty()
    child = Raudal.child_environment(environment("spark-client-4_1"))
    process = subprocess.Popen([BINARY, "shell", "--data", raudal.data, "--", "spark-sql"], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=child, start_new_session=True)
    os.close(theirs)
    seen = b""

    def read_until(text):
        nonlocal seen
        end = time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < end and process.poll() is None, seen
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 65536)
        seen = seen[seen.index(text) + len(text):]

    try:
        read_until(b"spark-sql (default)> ")
        os.write(ours, b"select 40\n")
        read_until(b"> ")
        os.write(ours, b"+ 2;\n")
        read_until(b"42\r\n")
        read_until(b"spark-sql (default)> ")
        os.write(ours, b"selec;\n")
        read_until(b"[PARSE_SYNTAX_ERROR]")
        read_until(b"spark-sql (default)> ")
        os.write(ours, b"quit;\n")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
