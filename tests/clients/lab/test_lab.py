"""JupyterLab as `raudal up --lab` starts it: real JupyterLab and kernels, driven as a browser drives them."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess

import pytest
import requests

from harness import BINARY, TOP, Raudal, end, run, wait_until

CLIENT = pathlib.Path(__file__).with_name("kernel_client.py")
COURSE = """\
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("StreamingApp") \\
    .config("spark.jars.packages", "org.apache.spark:spark-sql-kafka-0-10_2.12:3.2.0").getOrCreate()
df = spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092") \\
    .option("subscribe", "mi-topico").load()
query = df.selectExpr("CAST(value AS STRING)").writeStream.outputMode("append").format("console").start()
"""
PRODUCE = """\
from kafka import KafkaProducer
import json
producer = KafkaProducer(bootstrap_servers=['kafka:9092'],
                         value_serializer=lambda x: json.dumps(x).encode('utf-8'))
producer.send('mi-topico', {'key': 'value'})
producer.flush()
print('sent')
"""
BATCH = """\
-------------------------------------------
Batch: 1
-------------------------------------------
+----------------+
|           value|
+----------------+
|{"key": "value"}|
+----------------+
"""


class Lab:
    """A running JupyterLab and what a person does with it."""

    def __init__(self, raudal, environment):
        self.raudal, self.environment = raudal, environment
        self.url = f"http://{raudal.address}:8888"
        self.token = (raudal.data / "run" / "jupyter.token").read_text()

    def get(self, path, token=None):
        headers = {"Authorization": f"token {token}"} if token else {}
        return requests.get(self.url + path, headers=headers, timeout=20, allow_redirects=False)

    def steps(self, *steps, timeout_s=150):
        """Runs cells in a kernel of its own (kernel_client.py); a text is a cell. Returns the cells."""
        listed = [{"cell": step} if isinstance(step, str) else step for step in steps]
        result = run([self.environment.interpreter, CLIENT, self.url, self.token], timeout_s,
                     input=json.dumps(listed)).ok()
        return [json.loads(line) for line in result.stdout.splitlines()]

    def pid(self, words):
        """The process whose command line has these words in a row, started by this Raudal."""
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_text().replace("\0", " ")
                    environ = (entry / "environ").read_text()
                except OSError:
                    continue
                if words in line and f"RAUDAL_DATA={self.raudal.data}\0" in environ:
                    return int(entry.name)
        return None


@pytest.fixture(scope="module")
def lab(environment, tmp_path_factory):
    used = environment("lab")
    with Raudal(tmp_path_factory.mktemp("lab"), "--lab") as raudal:
        raudal.start()
        yield Lab(raudal, used)


def states(raudal):
    return [query["state"] for query in raudal.status()["queries"]]


def answers(url):
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return None


# The server

def test_a_token_is_asked_for(lab):
    assert lab.get("/api/contents").status_code == 403
    assert lab.get("/api/contents", "wrong").status_code == 403
    assert lab.get("/api/contents", lab.token).status_code == 200


def test_up_and_status_print_the_url_with_the_token(lab):
    url = f"http://{lab.raudal.address}:8888/lab?token={lab.token}"
    assert url in lab.raudal.up_output and url in lab.raudal.command("status").ok().stdout
    assert requests.get(url, timeout=20).status_code == 200


def test_nobody_else_sees_the_token(lab):
    assert stat.S_IMODE((lab.raudal.data / "run" / "jupyter.token").stat().st_mode) == 0o600
    assert stat.S_IMODE((lab.raudal.data / "logs" / "jupyter.log").stat().st_mode) == 0o600
    for file in (lab.raudal.data / "run" / "jupyter").rglob("*.json"):
        assert lab.token not in file.read_text() or stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert lab.token not in entry.read_text(), entry
        except OSError:
            pass


def test_the_folders_are_shown_with_exercises_and_the_data_set(lab):
    listed = lab.get("/api/contents", lab.token).json()["content"]
    assert sorted(entry["name"] for entry in listed) == ["datasets", "sessions"]
    assert lab.get("/api/contents/datasets/sensores/sensores.csv", lab.token).status_code == 200
    for folder in ("ejercicios", "exercises"):
        shown = lab.get(f"/api/contents/sessions/{folder}", lab.token).json()["content"]
        assert len(shown) == len(list((TOP / "exercises" / "source").glob("*.txt")))


def test_nothing_asks_for_news_from_the_internet(lab):
    page = requests.get(f"{lab.url}/lab?token={lab.token}", timeout=20).text
    assert "apputils-extension:announcements" in page.partition("disabledExtensions")[2][:400]


def test_a_new_kernel_is_raudals(lab):
    assert lab.get("/api/kernelspecs", lab.token).json()["kernelspecs"]["python3"]["spec"]["display_name"] == \
        "Python 3 (Raudal)"


# Kernels

def test_the_course_runs_and_its_batches_appear_in_the_cell_that_started_the_query(lab):
    cells = lab.steps(PRODUCE, COURSE, {"wait": 60, "for": "Batch: 0", "in": 1}, PRODUCE,
                      {"wait": 60, "for": "Batch: 1", "in": 1}, "spark.sql('SELECT 40 + 2 AS answer').show()")
    assert [cell["error"] for cell in cells] == [""] * 4
    assert BATCH in cells[1]["output"], cells
    assert cells[2]["output"] == "sent\n"
    assert "|    42|" in cells[3]["output"]


def test_two_queries_write_to_their_own_cells_and_a_waiting_cell_has_its_batches(lab):
    rate = 'spark.readStream.format("rate").option("rowsPerSecond", 10).load().selectExpr("\'{0}\' AS {0}", "1 AS one")'
    start = rate + '.writeStream.format("console").trigger(processingTime="500 milliseconds").start()'
    cells = lab.steps("from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()",
                      "first = " + start.format("aaa"), "second = " + start.format("bbb"),
                      {"wait": 60, "for": "Batch: 1", "in": 1}, {"wait": 60, "for": "Batch: 1", "in": 2},
                      "first.stop(); second.stop()",
                      'third = spark.range(3).write.format("console").save()')
    assert [cell["error"] for cell in cells] == [""] * 5
    assert "aaa" in cells[1]["output"] and "bbb" not in cells[1]["output"]
    assert "bbb" in cells[2]["output"] and "aaa" not in cells[2]["output"]
    assert "|  2|" in cells[4]["output"]


def test_a_program_that_a_cell_starts_prints_its_batches_there(lab):
    program = COURSE.replace(".load()", '.option("startingOffsets", "earliest").load()') + "query.processAllAvailable()\n"
    cells = lab.steps(PRODUCE, f"%%writefile program.py\n{program}", "!python program.py")
    assert cells[2]["error"] == "" and '|{"key": "value"}|' in cells[2]["output"], cells


def test_an_interrupted_cell_lets_go_and_its_query_goes_on(lab):
    cells = lab.steps(COURSE, {"cell": "print('waiting', flush=True)\nquery.awaitTermination()", "background": True},
                      {"wait": 60, "for": "waiting", "in": 1}, {"interrupt": True}, "print(query.isActive)",
                      {"wait": 60, "for": "Batch: 0", "in": 0}, PRODUCE, {"wait": 60, "for": "Batch: 1", "in": 0},
                      "query.stop()")
    assert "KeyboardInterrupt" in cells[1]["error"] and BATCH in cells[0]["output"], cells
    assert cells[2]["output"] == "True\n" and cells[4]["error"] == "", cells


def test_names_tools_and_folders_are_those_of_raudal_shell(lab):
    (lab.raudal.data / "datasets" / "mine.csv").write_text("a,b\n1,2\n")
    cells = lab.steps("""\
import os, socket
print([socket.gethostbyname(name) for name in ("kafka", "zookeeper", "namenode", "spark-master")])
print(os.getcwd(), open("/home/jovyan/datasets/mine.csv").readline().strip())
!kafka-topics.sh --bootstrap-server kafka:9092 --create --topic from-a-cell
!hdfs dfs -ls /
""", """\
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
for path in ("/home/jovyan/datasets/mine.csv", "file:/home/jovyan/datasets/mine.csv",
             "file:///home/jovyan/datasets/sensores"):
    print(spark.read.csv(path, header=True).count())
spark.range(3).write.parquet("/home/jovyan/sessions/written")
open("/home/jovyan/kept.txt", "w").write("at the top of JupyterLab")
import pandas
print(len(pandas.read_parquet("written")))
""")
    assert [cell["error"] for cell in cells] == ["", ""]
    lines = cells[0]["output"].splitlines()
    assert lines[0] == str([lab.raudal.address] * 4) and lines[1] == "/home/jovyan/sessions a,b"
    assert "Created topic from-a-cell." in lines
    assert cells[1]["output"].split() == ["1", "1", "427", "3"]
    assert list((lab.raudal.data / "sessions" / "written").glob("*.parquet"))
    assert (lab.raudal.data / "home" / "kept.txt").exists()


def test_the_folders_of_home_are_still_there_and_nothing_is_left_on_the_machine(lab):
    inside = lab.raudal.shell("ls -A /home").ok().stdout.split()
    assert set(os.listdir("/home")) <= set(inside) and "jovyan" in inside
    assert "jovyan" not in os.listdir("/home")
    assert lab.raudal.shell("cat /home/jovyan/datasets/sensores/sensores.csv | wc -l").ok().stdout.strip() == "428"


def test_a_query_ends_when_its_kernel_restarts(lab):
    query = COURSE.replace('"console"', '"noop"')
    before = states(lab.raudal).count("active")
    cells = lab.steps(query, "print(query.isActive)", {"restart": True}, "print('new')")
    assert cells[1]["output"] == "True\n" and cells[2]["output"] == "new\n"
    wait_until(lambda: states(lab.raudal).count("active") == before, 20, "the end of the query")


def test_a_query_ends_when_its_kernel_is_killed(lab):
    before = states(lab.raudal).count("active")
    query = COURSE.replace('"console"', '"noop"')
    cells = lab.steps(query, "import os\nos.system('sleep 60 &')\nprint(query.isActive)",
                      {"cell": "os.kill(os.getpid(), 9)", "background": True}, {"wait": 3, "for": "never", "in": 0})
    assert cells[1]["output"] == "True\n"
    wait_until(lambda: states(lab.raudal).count("active") == before, 20, "the end of the query")


def test_the_progress_bar_of_pyspark_moves(lab):
    cells = lab.steps("""\
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
seen = []
spark.registerProgressHandler(lambda stages, inflight_tasks, operation_id, done:
                              seen.append(sum(stage.num_completed_tasks for stage in stages)))
rows = 200_000_000
while not len([count for count in set(seen) if count]) and rows < 10 ** 11:
    spark.range(0, rows, 1, 40).selectExpr("sum(sqrt(id) * sin(id))").collect()
    rows *= 4
print(len(seen) > 0)
""", timeout_s=170)
    assert cells[0]["error"] == "" and "True" in cells[0]["output"], cells
    assert "% Complete" in cells[0]["output"], cells


# Terminals

def test_a_terminal_is_a_raudal_shell(lab):
    program = """
        import json, sys, time, requests, websocket
        url, token = sys.argv[1:]
        header = {"Authorization": f"token {token}"}
        name = requests.post(url + "/api/terminals", headers=header).json()["name"]
        socket = websocket.create_connection(url.replace("http", "ws", 1) + "/terminals/websocket/" + name,
                                             header=header, timeout=20)
        socket.send(json.dumps(["stdin", "getent hosts kafka; command -v kafka-topics; echo $RAUDAL_PROGRAM; echo en''d\\r"]))
        text = ""
        while "end" not in text.replace("en''d", ""):
            kind, *rest = json.loads(socket.recv())
            text += rest[0] if kind == "stdout" else ""
        print(text)
        requests.delete(url + "/api/terminals/" + name, headers=header)
        """
    text = lab.environment.python(program, lab.url, lab.token).ok().stdout
    assert lab.raudal.address in text and "/run/bin/kafka-topics" in text


# Its life

def test_it_is_started_again_when_it_dies(lab):
    pid = wait_until(lambda: lab.pid("-m jupyterlab"), 10, "the process of JupyterLab")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: lab.pid("-m jupyterlab") not in (None, pid) and answers(lab.url + "/api") == 200, 60,
               "JupyterLab's answer")
    assert "JupyterLab ended (signal 9); it is started again" in lab.raudal.logs("jupyter")


def test_down_ends_it_with_its_kernels_and_what_is_mine_is_kept(environment, tmp_path):
    with Raudal(tmp_path / "data", "--lab", "--only", "kafka") as raudal:
        environment("lab")
        raudal.start()
        lab = Lab(raudal, environment("lab"))
        kernel = requests.post(f"{lab.url}/api/kernels", headers={"Authorization": f"token {lab.token}"}, timeout=20)
        assert kernel.status_code == 201
        wait_until(lambda: lab.pid("ipykernel_launcher"), 20, "the kernel")
        exercises = raudal.data / "sessions" / "ejercicios"
        (exercises / "01-productor.ipynb").write_text("mine")
        (exercises / "02-consola.ipynb").unlink()
        raudal.stop().ok()
        assert not lab.pid("ipykernel_launcher") and not lab.pid("-m jupyterlab") and answers(lab.url) is None
        raudal.start("--set", "jupyter.token=none")
        assert "asks for no token" in raudal.up_output and "token=" not in raudal.up_output
        assert answers(lab.url + "/api/contents") == 200
        assert (exercises / "01-productor.ipynb").read_text() == "mine"
        assert not (exercises / "02-consola.ipynb").exists()
        raudal.kill9()
        wait_until(lambda: answers(lab.url) is None, 30, "the end of JupyterLab after kill -9")


def test_lab_in_the_foreground(start_raudal, environment):
    environment("lab")
    raudal = start_raudal("--only", "kafka")
    process = subprocess.Popen([BINARY, "lab", "--data", raudal.data], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().split()[-1]
        assert url.startswith(f"http://{raudal.address}:8888/lab?token=")
        wait_until(lambda: answers(url) == 200, 20, "the page")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert answers(url) is None
    finally:
        process.kill()


def test_lab_with_nothing_running_names_up(tmp_path):
    result = run([BINARY, "lab", "--data", tmp_path / "data"], 5)
    assert result.returncode == 1 and "raudal up" in result.out


# The kernel elsewhere

def notebook(folder, *cells):
    file = folder / "notebook.ipynb"
    listed = [{"cell_type": "code", "id": f"c{number}", "metadata": {}, "execution_count": None, "outputs": [],
               "source": cell} for number, cell in enumerate(cells)]
    file.write_text(json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return file


def test_plain_jupyter_gets_the_same_kernel_and_is_told_when_nothing_runs(start_raudal, environment, tmp_path):
    used = environment("lab")
    raudal = start_raudal("--only", "kafka", "--only", "spark,kafka")
    child = dict(os.environ, JUPYTER_DATA_DIR=str(tmp_path / "jupyter"))
    installed = run([BINARY, "kernel", "install", "--data", raudal.data], env=child).ok()
    assert "Python 3 (Raudal)" in installed.stdout and (tmp_path / "jupyter/kernels/raudal/kernel.json").exists()
    file = notebook(tmp_path, "import socket\nprint(socket.gethostbyname('kafka'))",
                    "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(3).count())")

    def execute():
        words = [used.bin / "jupyter", "execute", "--kernel_name=raudal", f"--output={tmp_path / 'out.ipynb'}", file]
        run(words, 90, env=child, cwd=tmp_path).ok()
        cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
        return ["".join(line for output in cell["outputs"] for line in output.get("text", [])) for cell in cells]

    assert execute() == [f"{raudal.address}\n", "3\n"]
    raudal.stop().ok()
    notebook(tmp_path, "print('still a kernel')")
    assert "nothing runs in" in (said := execute()[0]) and "raudal up" in said and "still a kernel" in said


# The environment

def test_env_is_the_one_of_the_table(environment):
    assert run([BINARY, "env"]).ok().stdout.strip() == str(environment("lab").interpreter)


def test_run_falls_back_on_the_environment(lab, environment, tmp_path):
    program = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(3).count())\n"
    result = lab.raudal.run(program, environment=environment("clients")).ok()
    assert result.stdout == "3\n" and str(environment("lab").interpreter) in result.stderr


@pytest.mark.long
def test_env_shows_progress_and_goes_on_after_an_interruption(tmp_path):
    child = dict(os.environ, RAUDAL_CACHE=str(tmp_path))
    process = subprocess.Popen([BINARY, "env"], env=child, stderr=subprocess.PIPE, text=True, start_new_session=True)
    process.output = tmp_path / "said"
    process.output.touch()
    while "/" not in (line := process.stderr.readline()) or "jupyterlab" in line:
        assert line
    end(process, signal.SIGKILL)
    assert not list(tmp_path.glob("*/.complete"))
    result = run([BINARY, "env"], 600, env=child).ok()
    interpreter = result.stdout.strip()
    assert run([interpreter, "-c", "import jupyterlab, pyspark, kafka, pandas, pyarrow"]).returncode == 0
    assert "installing" in result.stderr and run([BINARY, "env"], 5, env=child).ok().stdout.strip() == interpreter


# Other machines

def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:     # another file system
        shutil.copy2(source, target)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_it_works_for_a_plain_user_in_a_project_folder(environment, tmp_path):
    used = environment("lab")
    # Where the cache is, nobody may not get to: root's home is closed.
    cache = tmp_path / "cache"
    shutil.copytree(used.path, cache / used.path.name, symlinks=True, copy_function=link_or_copy)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.is_relative_to("/tmp") and folder != pathlib.Path("/tmp") and folder.stat().st_uid == 0:
            folder.chmod(0o755)
    with Raudal(tmp_path / "project" / ".raudal") as raudal:
        project = tmp_path / "project"
        project.mkdir()
        (project / "raudal.properties").touch()
        (tmp_path / "raudal").write_bytes(BINARY.read_bytes())
        (tmp_path / "raudal").chmod(0o755)
        shutil.chown(project, "nobody")
        as_nobody = dict(user="nobody", group="nogroup", extra_groups=[], cwd=project,
                         env={"PATH": os.environ["PATH"], "HOME": str(project), "RAUDAL_CACHE": str(cache)})
        command = [tmp_path / "raudal"]
        run([*command, "up", "-d", "--address", raudal.address, "--lab", "--only", "kafka"], **as_nobody).ok()
        try:
            lab = Lab(raudal, used)
            cells = lab.steps("import os, socket\nprint(os.getuid(), os.getcwd(), socket.gethostbyname('kafka'))\n"
                              "print(len(open('../datasets/sensores/sensores.csv').readlines()))\n"
                              "print(os.path.samefile('/home/jovyan/sessions', os.environ['HOME'] + '/sessions'))")
            nobody = pwd.getpwnam("nobody").pw_uid
            assert cells[0]["output"].splitlines() == [f"{nobody} /home/jovyan/sessions {raudal.address}", "428", "True"]
        finally:
            run([*command, "down"], **as_nobody)


def test_without_mount_namespaces_the_lab_works_and_says_what_is_missing(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("RAUDAL_NAMES", "preload")
    used = environment("lab")
    with Raudal(tmp_path / "data", "--lab", "--only", "kafka") as raudal:
        raudal.start()
        cells = Lab(raudal, used).steps("import os, socket\nprint(socket.gethostbyname('kafka'))\n"
                                        "print(len(open('../datasets/sensores/sensores.csv').readlines()))")
        assert cells[0]["output"].splitlines() == [raudal.address, "428"]
        assert "/home/jovyan/sessions" in raudal.logs("jupyter")
