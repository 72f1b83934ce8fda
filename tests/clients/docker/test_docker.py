"""docker's words in `raudal shell`: what the course's notes type."""
import json
import os
import pathlib
import pty
import re
import subprocess

import pytest

from harness import BINARY, end, run, wait_until


@pytest.fixture
def docker(raudal):
    return lambda *words, **more: raudal.shell(["docker", *words], **more)


@pytest.fixture
def no_docker(tmp_path):
    """An environment whose PATH holds no other docker."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "cat", "bash", "env", "echo", "getent"):
        (tools / tool).symlink_to(run(["which", tool]).ok().stdout.strip())
    return dict(os.environ, PATH=str(tools))


def test_ps(raudal, docker):
    head, *rows = docker("ps").ok().stdout.splitlines()
    assert head.split("  ")[0] == "CONTAINER ID" and re.split(r"\s{2,}", head) == [
        "CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    names = [row.split()[-1] for row in rows]
    assert names == ["kafka", "zookeeper", "kafka-ui", "spark-master", "spark-worker-1", "spark-worker-2", "namenode", "datanode"]
    assert f"{raudal.address}:9092->9092/tcp" in rows[0] and " Up " in rows[0]
    assert docker("ps", "--format", "table {{.Names}}\t{{.State}}").ok().stdout.splitlines()[1].split() == ["kafka", "running"]
    assert docker("ps", "-q", "-f", "name=kafka-ui").ok().stdout.strip() == rows[2].split()[0]
    assert json.loads(docker("ps", "--format", "json").ok().stdout.splitlines()[0])["Names"] == "kafka"
    assert docker("ps", "--format", "{{.Nonsense}}").returncode == 1


def test_exec(raudal, docker, tmp_path):
    assert docker("exec", "-it", "kafka", "kafka-topics.sh", "--bootstrap-server", "localhost:9092", "--create", "--topic",
                  "lesson").ok().stdout == "Created topic lesson.\n"
    for path in ("/opt/kafka/bin/kafka-topics.sh", "/opt/bitnami/kafka/bin/kafka-topics.sh", "/usr/bin/kafka-topics"):
        assert docker("exec", "kafka", path, "--bootstrap-server", "localhost:9092", "--list").ok().stdout == "lesson\n"
    line = "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list | grep -c lesson; ls /bin/sh"
    assert docker("exec", "-it", "kafka", "bash", "-c", line).ok().stdout == "1\n/bin/sh\n"
    assert docker("exec", "-d", "kafka", "sh", "-c", f"pwd > {tmp_path}/detached").ok().out == ""
    wait_until(lambda: (tmp_path / "detached").exists(), 10, "the detached command")
    assert docker("exec", "namenode", "hdfs", "dfs", "-mkdir", "-p", "/lesson").ok().out == ""
    assert "/lesson" in docker("exec", "-i", "namenode", "/opt/hadoop/bin/hdfs", "dfs", "-ls", "/").ok().stdout
    assert docker("exec", "-e", "WORD=hello", "kafka", "bash", "-c", "echo $WORD from $HOSTNAME").ok().stdout == "hello from kafka\n"
    assert docker("exec", "-w", tmp_path, "kafka", "pwd").ok().stdout == f"{tmp_path}\n"
    assert docker("exec", "-u", "maria", "namenode", "hdfs", "dfs", "-touchz", "/tmp_maria").returncode == 1  # not hers to write
    assert raudal.shell("echo one | docker exec -i kafka kafka-console-producer.sh --bootstrap-server localhost:9092 --topic lesson").ok()
    assert docker("exec", "kafka", "kafka-console-consumer.sh", "--bootstrap-server", "kafka:9092", "--topic", "lesson",
                  "--from-beginning", "--max-messages", "1").ok().stdout == "one\n"


def test_exec_fails_as_docker_does(docker):
    missing = docker("exec", "kafka", "nosuch")
    assert missing.returncode == 127 and 'exec: "nosuch": executable file not found in $PATH' in missing.stderr
    assert docker("exec", "kafka", "sh", "-c", "exit 7").returncode == 7
    assert docker("exec", "kafka").returncode == 1
    docker("stop", "kafka").ok()
    stopped = docker("exec", "kafka", "true")
    assert stopped.returncode == 1 and re.search(r"container \w{64} is not running", stopped.stderr)
    hint = docker("exec", "zookeeper", "kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list")
    assert hint.returncode == 1 and "kafka is stopped; start it with: docker start kafka" in hint.stderr
    docker("start", "kafka").ok()


def test_names_that_are_not_ours(raudal, docker, no_docker, tmp_path):
    unknown = docker("logs", "postgres", env=no_docker)
    assert (unknown.returncode, unknown.stderr) == (1, "Error response from daemon: No such container: postgres\n")
    word = docker("build", ".", env=no_docker)
    assert word.returncode == 1 and "docker build" in word.stderr and "no other docker on PATH" in word.stderr
    assert "such service: postgres" in docker("compose", "stop", "postgres", env=no_docker).stderr
    other = tmp_path / "bin" / "docker"
    other.write_text('#!/bin/sh\necho "the other docker: $*"\nexit 3\n')
    other.chmod(0o755)
    for words in (["logs", "-f", "postgres"], ["build", "."], ["compose", "-f", "x.yml", "pull"], ["ps", "--last", "3"]):
        passed = docker(*words, env=no_docker)
        assert (passed.returncode, passed.stdout) == (3, f"the other docker: {' '.join(words)}\n")
    assert "kafka" in docker("ps", env=no_docker).ok().stdout


def test_logs(raudal, docker):
    assert docker("logs", "kafka").ok().stdout == raudal.logs("kafka")
    lines = docker("logs", "--tail", "2", "-t", "kafka").ok().stdout.splitlines()
    assert len(lines) == 2 and all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \[", line) for line in lines)
    assert docker("logs", "--since", "10m", "kafka").ok().stdout == raudal.logs("kafka")
    assert docker("logs", "--since", "2100-01-01", "kafka").ok().stdout == ""
    both = docker("compose", "logs", "--tail", "1", "kafka", "namenode").ok().stdout.splitlines()
    assert [line.split("  | ")[0] for line in both] == ["kafka", "namenode"]
    assert docker("logs", "--since", "nonsense", "kafka").returncode == 1


def test_logs_follow(raudal, docker, tmp_path):
    output = tmp_path / "output"
    with open(output, "w") as file:
        process = subprocess.Popen([BINARY, "shell", "--data", raudal.data, "--", "docker", "logs", "-f", "--tail", "0", "kafka"],
                                   stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)
    process.output = output
    try:
        wait_until(lambda: is_following(raudal), 10, "the follower")
        docker("restart", "kafka").ok()
        wait_until(lambda: "Kafka Server started" in output.read_text(), 10, "the followed line")
    finally:
        end(process)


def is_following(raudal):
    """A process of this Raudal watches its kafka.log."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if b"logs\0-f" in (entry / "cmdline").read_bytes() and f"RAUDAL_DATA={raudal.data}".encode() in (entry / "environ").read_bytes():
                return any("inotify" in os.readlink(file) for file in (entry / "fd").iterdir())
        except OSError:
            continue
    return False


def test_compose(raudal, docker):
    assert "SERVICE" in docker("compose", "ps").ok().stdout.splitlines()[0]
    assert docker("compose", "stop", "zookeeper").ok().stderr == " Container zookeeper  Stopped\n"
    assert "zookeeper" not in docker("compose", "ps").ok().stdout
    assert "zookeeper" in docker("compose", "ps", "-a").ok().stdout
    assert " Container zookeeper  Started\n" in raudal.shell("docker-compose up -d").ok().stderr
    assert docker("compose", "exec", "-T", "kafka", "kafka-topics", "--bootstrap-server", "localhost:9092", "--list").ok()
    assert docker("compose", "config", "--services").ok().stdout.split()[:2] == ["kafka", "zookeeper"]


def test_options_that_nothing_here_can_follow_are_named(docker):
    built = docker("compose", "up", "-d", "--build", "--pull", "always", "zookeeper").ok().stderr
    assert " Container zookeeper  Running\n" in built and "-d " not in built
    assert "raudal: --build has no effect here" in built and "raudal: --pull has no effect here" in built
    assert "raudal: --signal has no effect here" in docker("stop", "-s", "HUP", "-t", "5", "zookeeper").ok().stderr
    assert docker("start", "zookeeper").ok().stdout == "zookeeper\n"


def test_small_words(raudal, docker):
    assert docker("inspect", "-f", "{{.State.Status}} {{.NetworkSettings.IPAddress}}", "kafka").ok().stdout == f"running {raudal.address}\n"
    assert json.loads(docker("inspect", "kafka").ok().stdout)[0]["State"]["Running"] is True
    assert docker("inspect", "-f", "{{.State.Health.Status}}", "namenode").ok().stdout == "healthy\n"
    assert "Docker version" in docker("--version").ok().stdout
    assert docker("images").ok().stdout.startswith("REPOSITORY")
    head, *rows = docker("stats", "--no-stream").ok().stdout.splitlines()
    assert head.startswith("CONTAINER ID   NAME") and len(rows) == 8 and "MiB / " in rows[0]


def test_several_workers_are_one_service(raudal, docker):
    one = docker("stop", "spark-worker-1").ok()
    assert "the last of them" in one.stderr
    assert raudal.shell(["bash", "-c", f"exec 3<>/dev/tcp/{raudal.address}/8082"]).returncode == 0
    docker("stop", "spark-worker-2").ok()
    assert raudal.shell(["bash", "-c", f"exec 3<>/dev/tcp/{raudal.address}/8082"]).returncode != 0
    docker("start", "spark-worker-1", "spark-worker-2").ok()


def test_as_commands(raudal):
    assert "kafka" in raudal.command("ps").ok().stdout
    assert raudal.command("exec", "kafka", "kafka-topics.sh", "--bootstrap-server", "localhost:9092", "--list").returncode == 0
    assert raudal.command("restart", "kafka").ok().stdout == "kafka\n"
    assert "container_name: kafka" in raudal.command("config").ok().stdout


def test_down_asks_before_it_wipes(start_raudal):
    raudal = start_raudal("--only", "kafka")
    without = raudal.shell("docker compose down -v")
    assert without.returncode == 1 and "-y" in without.stderr and raudal.data.exists()
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    kept = subprocess.run([BINARY, "down", "-v", "--data", raudal.data], stdin=theirs, capture_output=True, text=True)
    assert kept.returncode == 1 and "nothing was stopped" in kept.stderr
    assert raudal.command("ps").returncode == 0
    os.write(ours, b"y\n")
    wiped = subprocess.run([BINARY, "down", "-v", "--data", raudal.data], stdin=theirs, capture_output=True, text=True)
    assert wiped.returncode == 0, wiped
    assert list(raudal.data.iterdir()) == []
    os.close(ours)
    os.close(theirs)


def test_spanish(raudal):
    said = raudal.shell("docker stop spark-worker-1; docker start spark-worker-1", env=dict(os.environ, LC_ALL="es_ES.UTF-8"))
    assert "un solo servicio" in said.stderr


def test_a_compose_file(start_raudal, top):
    """The course's own file: containers by their names, each service with an address of its own."""
    raudal = start_raudal("-f", top / "exercises" / "practice-03" / "docker-compose.yml", "--only", "kafka,kafka-ui,hdfs,zookeeper")
    rows = {row.split()[-1]: row for row in raudal.shell("docker ps").ok().stdout.splitlines()[1:]}
    assert set(rows) == {"zookeeper", "kafka", "kafka_ui", "namenode", "datanode"}
    assert "provectuslabs/kafka-ui:latest" in rows["kafka_ui"]
    topics = "docker exec kafka /usr/bin/kafka-topics --bootstrap-server localhost:9092"
    raudal.shell(f"{topics} --create --topic lesson").ok()
    assert raudal.shell("docker exec zookeeper kafka-topics --bootstrap-server kafka:29092 --list").ok().stdout == "lesson\n"
    assert raudal.shell("docker stop kafka_ui namenode").ok().stdout == "kafka_ui\nnamenode\n"
    assert raudal.shell("docker ps -a --format '{{.Names}} {{.State}}'").ok().stdout.split("\n")[:8] == [
        "zookeeper running", "kafka running", "kafka_ui exited", "spark_master created", "spark_worker_1 created",
        "spark_worker_2 created", "namenode exited", "datanode running"]
    assert "kafka_ui  Started" in raudal.shell("docker compose up -d kafka-ui namenode").ok().stderr
    assert raudal.shell("docker exec namenode hdfs dfs -ls /").returncode == 0
    assert "does not run" in raudal.shell("docker compose stop jupyter; docker compose exec jupyter ls").stderr
