"""The course's second exercise: a PySpark program, unmodified, prints the messages of a topic in its terminal."""
import pathlib
import signal

import pytest

from harness import BINARY, TOP, end, run, wait_until

CONSOLE = TOP / "exercises" / "console.py"
PRODUCER = TOP / "exercises" / "producer.py"
ENVIRONMENTS = ["spark-3_5", "spark-4_3", "spark-client-4_1", "course"]
EMPTY_BATCH = """\
-------------------------------------------
Batch: 0
-------------------------------------------
+-----+
|value|
+-----+
+-----+
"""
BATCH = """\
-------------------------------------------
Batch: {}
-------------------------------------------
+----------------+
|           value|
+----------------+
|{{"key": "value"}}|
+----------------+
"""


def produce(raudal, environment):
    raudal.run(PRODUCER, environment=environment("clients")).ok()


def see(process, text, seconds=60):
    def seen():
        output = process.output.read_text()
        if process.poll() is not None and text not in output:
            raise AssertionError(f"the program ended with {process.returncode} without\n{text}\nIt printed:\n{output}")
        return text in output
    try:
        wait_until(seen, seconds, f"{text!r} in the output")
    except AssertionError as error:
        raise AssertionError(f"{error}\nThe output:\n{process.output.read_text()}") from None


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_batches_appear_in_the_terminal_of_the_program(fresh_raudal, environment, name):
    produce(fresh_raudal, environment)
    process = fresh_raudal.run_in_background(CONSOLE, environment=environment(name))
    try:
        see(process, EMPTY_BATCH)
        produce(fresh_raudal, environment)
        see(process, BATCH.format(1))
        produce(fresh_raudal, environment)
        see(process, BATCH.format(2))
    finally:
        end(process)
    logged = fresh_raudal.logs("spark")
    assert EMPTY_BATCH in logged and BATCH.format(1) in logged and BATCH.format(2) in logged


def test_the_batches_appear_in_the_shell(fresh_raudal, environment, tmp_path):
    produce(fresh_raudal, environment)
    program = CONSOLE.read_text().replace("query.awaitTermination()", "query.awaitTermination(20)\nquery.stop()")
    program = program.replace('.option("subscribe"', '.option("startingOffsets", "earliest").option("subscribe"')
    (tmp_path / "console.py").write_text(program)
    result = fresh_raudal.shell(["python", str(tmp_path / "console.py")],
                                env=fresh_raudal.child_environment(environment("course")))
    assert BATCH.format(0) in result.ok().stdout


def test_the_query_ends_with_its_program(fresh_raudal, environment):
    produce(fresh_raudal, environment)
    process = fresh_raudal.run_in_background(CONSOLE, environment=environment("course"))
    see(process, EMPTY_BATCH)
    end(process, signal.SIGKILL)
    wait_until(lambda: "RUNNING" not in queries(fresh_raudal), 30, "the end of the query")
    produce(fresh_raudal, environment)
    assert BATCH.format(1) not in fresh_raudal.logs("spark")


def queries(raudal):
    import requests
    return requests.get(f"http://{raudal.at('spark-master')}/json/", timeout=10).text


@pytest.fixture
def no_java(tmp_path):
    """A folder whose `java` leaves a trace when something starts it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    trace = tmp_path / "java-was-started"
    (folder / "java").write_text(f"#!/bin/sh\necho started >> {trace}\nexit 1\n")
    (folder / "java").chmod(0o755)
    yield folder
    assert not trace.exists(), "a JVM was started"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_java_is_started(raudal, environment, no_java, name):
    used = environment(name)
    child = raudal.child_environment(used)
    child["PATH"] = f"{used.bin}:{no_java}:{child['PATH']}"
    child.pop("JAVA_HOME", None)
    result = run([BINARY, "run", "--data", raudal.data, write(no_java, """
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("StreamingApp").getOrCreate()
print(type(spark).__module__, spark.range(5).count())
""")], env=child)
    assert result.ok().stdout.strip() == "pyspark.sql.connect.session 5"


def write(folder, text):
    file = pathlib.Path(folder) / "program.py"
    file.write_text(text)
    return file


JVM_HABITS = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("StreamingApp").master("{master}").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
print("name", spark.sparkContext.appName)
print("version", spark.sparkContext.version == spark.version)
print("count", spark.range(4).count())
"""


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_programs_that_set_a_master_and_use_the_spark_context_run(raudal, environment, name):
    result = raudal.run(JVM_HABITS.format(master="spark://spark-master:7077"), environment=environment(name)).ok()
    assert result.stdout.splitlines() == ["name StreamingApp", "version True", "count 4"]


@pytest.mark.parametrize("master", ["local[*]", "local", "local[2]", "spark://localhost:7077"])
def test_any_usual_master_is_this_one_and_one_line_says_so(raudal, environment, master):
    result = raudal.run(JVM_HABITS.format(master=master), environment=environment("spark-4_3")).ok()
    assert "count 4" in result.stdout
    assert len([line for line in result.stderr.splitlines() if master in line]) == 1


def test_another_jvm_attribute_gets_an_error_that_names_the_dataframe_way(raudal, environment):
    result = raudal.run("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        spark.sparkContext.parallelize([1, 2, 3]).collect()
        """, environment=environment("spark-4_3"))
    assert result.returncode == 1 and "parallelize" in result.stderr and "createDataFrame" in result.stderr


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_spark_submit_runs_a_file(raudal, environment, tmp_path, name):
    program = write(tmp_path, "import sys\n" + JVM_HABITS.format(master="local[*]") + "print(sys.argv[1:])\n")
    result = raudal.shell(["spark-submit", "--master", "spark://spark-master:7077", "--packages",
                           "org.apache.spark:spark-sql-kafka-0-10_2.12:3.2.0", str(program), "one", "two"],
                          env=raudal.child_environment(environment(name)))
    assert "count 4" in result.ok().stdout and "['one', 'two']" in result.stdout


def test_the_pyspark_package_is_left_untouched(raudal, environment):
    used = environment("course")
    package = next(used.path.glob("lib/python3*/site-packages/pyspark"))
    before = sorted((str(file), file.stat().st_mtime_ns) for file in package.rglob("*.py"))
    raudal.run(JVM_HABITS.format(master="local"), environment=used).ok()
    assert sorted((str(file), file.stat().st_mtime_ns) for file in package.rglob("*.py")) == before


def test_an_interpreter_without_pyspark_gets_one_sentence_with_the_remedy(raudal, environment, tmp_path):
    child = raudal.child_environment(environment("clients"))
    child["RAUDAL_CACHE"] = str(tmp_path)     # where nobody ran `raudal env`
    result = run([BINARY, "run", "--data", raudal.data, CONSOLE], env=child)
    assert result.returncode not in (0, "timeout")
    assert len(result.out.strip().splitlines()) == 1, result
    assert "pip install" in result.out and "pyspark-client" in result.out


def test_an_interpreter_with_an_old_pyspark_gets_one_sentence_with_the_remedy(raudal, environment, tmp_path):
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text("from pyspark.version import __version__\n")
    (tmp_path / "pyspark" / "version.py").write_text("__version__ = '3.2.0'\n")
    (tmp_path / "pyspark-3.2.0.dist-info").mkdir()
    metadata = tmp_path / "pyspark-3.2.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: pyspark\nVersion: 3.2.0\n")
    child = raudal.child_environment(environment("clients"))
    child["PYTHONPATH"] = str(tmp_path)
    child["RAUDAL_CACHE"] = str(tmp_path)
    result = run([BINARY, "run", "--data", raudal.data, CONSOLE], env=child)
    assert result.returncode not in (0, "timeout")
    assert len(result.out.strip().splitlines()) == 1, result
    assert "3.2.0" in result.out and "3.5" in result.out and "pip install" in result.out


def test_a_program_without_spark_runs_without_pyspark(raudal, environment):
    assert raudal.run("print('fine')", environment=environment("clients")).ok().stdout == "fine\n"
