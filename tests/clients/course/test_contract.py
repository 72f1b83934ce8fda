"""What scripts rely on: the commands up, status, logs, down, shell and run, as the course's machine sees them."""
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess

import pytest

import harness
from harness import BINARY, PORTS, run, wait_until

SERVICE_PORTS = sorted(PORTS.values())
TOOLS = ["kafka-topics", "kafka-console-consumer", "kafka-console-producer", "kafka-consumer-groups", "kafka-configs",
         "hdfs", "zkCli", "spark-submit"]


def answers(address, port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


# up

def test_up_returns_when_every_port_answers(start_raudal):
    running = start_raudal(up=False)
    result = run([BINARY, "up", "-d", "--data", running.data, "--address", running.address])
    closed = [port for port in SERVICE_PORTS if not answers(running.address, port)]
    result.ok()
    assert closed == []


def test_up_prints_one_line_per_service_with_its_address(start_raudal):
    running = start_raudal()
    for port in SERVICE_PORTS:
        lines = [line for line in running.up_output.splitlines() if f"{running.address}:{port}" in line]
        assert len(lines) == 1, f"port {port} in:\n{running.up_output}"


def test_only_starts_the_named_service_alone(start_raudal):
    running = start_raudal("--only", "kafka")
    assert [port for port in SERVICE_PORTS if answers(running.address, port)] == [9092]


def test_only_takes_several_services(start_raudal):
    running = start_raudal("--only", "kafka,zookeeper")
    assert [port for port in SERVICE_PORTS if answers(running.address, port)] == [2181, 9092]


def test_instances_run_side_by_side_on_their_own_addresses(start_raudal):
    first, second = start_raudal("--only", "kafka"), start_raudal("--only", "kafka")
    create = ["--bootstrap-server", "kafka:9092", "--create", "--topic"]
    first.tool("kafka-topics.sh", *create, "first").ok()
    second.tool("kafka-topics.sh", *create, "second").ok()
    assert first.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list").ok().stdout == "first\n"
    assert second.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list").ok().stdout == "second\n"


def test_ports_are_closed_on_other_addresses(start_raudal):
    running = start_raudal("--only", "kafka")
    other = "127.0.0.251"
    assert running.address != other and not answers(other, 9092)


def test_without_d_it_stays_and_prints_the_logs_of_the_services(start_raudal):
    running = start_raudal(up=False)
    running.data.parent.mkdir(exist_ok=True)
    output = running.data.parent / "foreground.txt"
    with open(output, "w") as file:
        process = subprocess.Popen([BINARY, "up", "--data", running.data, "--address", running.address,
                                    "--only", "kafka"], stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: answers(running.address, 9092), 20, "port 9092")
        wait_until(lambda: "started (kafka.server" in output.read_text(), 10, "Kafka's line in the output")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
    assert not answers(running.address, 9092)


def test_a_setting_changes_a_port(start_raudal):
    running = start_raudal("--only", "zookeeper", set={"zookeeper.clientPort": 12181})
    assert answers(running.address, 12181) and not answers(running.address, 2181)


def test_a_setting_reaches_its_service(start_raudal):
    running = start_raudal("--only", "kafka", set={"kafka.num.partitions": 5})
    running.shell("echo hello | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic made-by-use").ok()
    described = running.shell("kafka-topics.sh --bootstrap-server kafka:9092 --describe --topic made-by-use").ok()
    assert "PartitionCount: 5" in described.stdout


def test_the_folder_stands_in_the_command_line_of_the_process(start_raudal):
    running = start_raudal("--only", "kafka")
    assert len(running.pids()) == 1


# What cannot start

def refused(running, *options):
    result = run([BINARY, "up", "-d", "--data", running.data, "--address", running.address, *options])
    assert result.returncode == 1, result
    assert len(result.out.strip().splitlines()) == 1, f"one clear line, not:\n{result.out}"
    assert not running.pids()
    return result.out


def test_a_port_in_use_is_named_and_nothing_is_half_started(start_raudal):
    running = start_raudal(up=False)
    with socket.socket() as taken:
        taken.bind((running.address, 9870))
        taken.listen()
        message = refused(running)
    assert "9870" in message and running.address in message
    assert [port for port in SERVICE_PORTS if answers(running.address, port)] == []


def test_an_unknown_setting_is_an_error_with_the_nearest_name(start_raudal):
    message = refused(start_raudal(up=False), "--set", "kafka.num.partition=3")
    assert "kafka.num.partition" in message and "kafka.num.partitions" in message


def test_a_bad_value_of_a_setting_is_named(start_raudal):
    message = refused(start_raudal(up=False), "--set", "kafka.num.partitions=three")
    assert "kafka.num.partitions" in message and "three" in message


def test_an_unknown_service_is_named(start_raudal):
    message = refused(start_raudal(up=False), "--only", "kafak")
    assert "kafak" in message


def test_a_folder_that_cannot_be_made_is_named(start_raudal, tmp_path):
    running = start_raudal(up=False)
    (tmp_path / "file").write_text("not a folder")
    running.data = tmp_path / "file" / "data"
    assert str(running.data.parent) in refused(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_folder_that_cannot_be_read_is_named(start_raudal, tmp_path):
    running = start_raudal(up=False)
    running.data.mkdir(parents=True)
    running.data.chmod(0o700)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and folder != pathlib.Path("/tmp"):
            folder.chmod(0o755)
    copy = tmp_path / "raudal"
    copy.write_bytes(BINARY.read_bytes())
    copy.chmod(0o755)
    result = run([copy, "up", "-d", "--data", running.data, "--address", running.address], user="nobody",
                 group="nogroup", extra_groups=[])
    assert result.returncode == 1 and str(running.data) in result.out and len(result.out.strip().splitlines()) == 1


def test_a_folder_in_use_names_the_owner_the_pid_and_what_to_do(start_raudal):
    running = start_raudal("--only", "kafka")
    result = run([BINARY, "up", "-d", "--data", running.data, "--address", "127.0.0.251"])
    assert result.returncode == 1 and len(result.out.strip().splitlines()) == 1, result
    assert str(running.pids()[0]) in result.out and str(running.data) in result.out
    owner = pwd.getpwuid(os.geteuid()).pw_name
    assert owner in result.out


def test_an_address_in_use_proposes_a_free_one(start_raudal):
    running = start_raudal("--only", "kafka")
    result = run([BINARY, "up", "-d", "--data", running.data.parent / "other", "--address", running.address])
    assert result.returncode == 1, result
    proposed = re.search(r"--address (127\.\d+\.\d+\.\d+)", result.out)
    assert proposed and proposed.group(1) != running.address, result.out
    assert not answers(proposed.group(1), 9092)


# status, logs, down

def test_status_names_every_service(start_raudal):
    running = start_raudal()
    text = running.command("status").ok().stdout
    for port in SERVICE_PORTS:
        assert f":{port}" in text
    assert isinstance(running.status(), dict)


def test_logs_follow(start_raudal):
    running = start_raudal("--only", "kafka")
    process = subprocess.Popen([BINARY, "logs", "kafka", "-f", "--data", running.data], stdout=subprocess.PIPE,
                               text=True)
    try:
        running.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--create", "--topic", "followed").ok()
        os.set_blocking(process.stdout.fileno(), False)
        seen = []

        def followed():
            seen.append(process.stdout.read() or "")
            return "followed" in "".join(seen)

        wait_until(followed, 10, "the new topic in the followed log")
    finally:
        process.kill()
        process.wait()


def test_down_is_a_clean_stop(start_raudal):
    running = start_raudal()
    running.stop().ok()
    assert not running.pids()
    assert [port for port in SERVICE_PORTS if answers(running.address, port)] == []
    assert (running.data / "kafka" / ".kafka_cleanshutdown").exists()


def test_sigterm_is_the_same_clean_stop(start_raudal):
    running = start_raudal("--only", "kafka")
    os.kill(running.pids()[0], signal.SIGTERM)
    wait_until(lambda: not running.pids(), 20, "the end of the process")
    assert (running.data / "kafka" / ".kafka_cleanshutdown").exists()


def test_down_v_also_wipes(start_raudal):
    running = start_raudal("--only", "kafka")
    running.command("down", "-v", "-y").ok()
    assert not running.pids() and not (running.data / "kafka").exists()


def test_a_topic_survives_down_and_kill_9(start_raudal):
    running = start_raudal("--only", "kafka")
    running.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--create", "--topic", "kept").ok()
    running.stop().ok()
    running.start()
    running.kill9()
    running.start()
    assert running.tool("kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list").ok().stdout == "kept\n"


@pytest.mark.parametrize("words", [["status"], ["down"], ["shell", "--", "true"], ["run", "program.py"]])
def test_with_nothing_running_commands_answer_at_once_and_name_up(tmp_path, words):
    (tmp_path / "program.py").write_text("print('ran')")
    result = run([BINARY, words[0], "--data", tmp_path / "data", *words[1:]], 5, cwd=tmp_path)
    assert result.returncode not in (0, "timeout") and "raudal up" in result.out, result


@pytest.mark.parametrize("line", ["kafka-topics.sh --bootstrap-server kafka:9092 --list", "hdfs dfs -ls /",
                                  "zkCli.sh -server zookeeper:2181 ls /",
                                  "kafka-console-consumer.sh --bootstrap-server kafka:9092 --topic a --from-beginning"])
def test_with_nothing_running_tools_answer_at_once_and_name_up(tmp_path, line):
    (tmp_path / "bin").mkdir()
    tool, *words = line.split()
    (tmp_path / "bin" / tool).symlink_to(BINARY)
    result = run([tmp_path / "bin" / tool, *words], 5, env=dict(os.environ, RAUDAL_DATA=str(tmp_path / "data")))
    assert result.returncode not in (0, "timeout") and "raudal up" in result.out, result


def test_logs_can_be_read_when_nothing_runs(start_raudal):
    running = start_raudal()
    running.stop().ok()
    for service in ("kafka", "zookeeper", "spark", "namenode", "datanode"):
        assert running.command("logs", service).ok().stdout.strip(), service


def test_logs_can_be_read_when_a_start_failed(start_raudal):
    running = start_raudal(up=False)
    with socket.socket() as taken:
        taken.bind((running.address, 9092))
        taken.listen()
        refused(running)
    assert "9092" in running.command("logs", "kafka").ok().stdout


# The folder that is found when none is named

def test_the_folder_beside_a_settings_file_is_found_from_below(start_raudal, tmp_path):
    (tmp_path / "project" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "project" / "raudal.properties").write_text("kafka.num.partitions=2\n")
    running = start_raudal("--only", "kafka", up=False)
    running.data = tmp_path / "project" / ".raudal"
    plain = {name: value for name, value in os.environ.items() if name != "RAUDAL_DATA"}
    run([BINARY, "up", "-d", "--address", running.address, "--only", "kafka"], cwd=tmp_path / "project" / "deep" / "er",
        env=plain).ok()
    assert running.pids()
    line = "echo x | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic t; " \
           "kafka-topics.sh --bootstrap-server kafka:9092 --describe --topic t"
    described = run([BINARY, "shell", "--", "sh", "-c", line], cwd=tmp_path / "project", env=plain).ok()
    assert "PartitionCount: 2" in described.stdout
    run([BINARY, "down"], cwd=tmp_path / "project" / "deep", env=plain).ok()
    assert not running.pids()


def test_raudal_data_names_the_folder(start_raudal):
    running = start_raudal("--only", "kafka")
    result = run([BINARY, "status"], env=dict(os.environ, RAUDAL_DATA=str(running.data)))
    assert running.address in result.ok().stdout


# shell and run

@pytest.fixture(scope="module")
def shared(raudal):
    return raudal


def test_names_resolve_to_the_address_in_shell_and_run(shared, environment):
    names = ["kafka", "zookeeper", "namenode", "spark-master"]
    text = shared.shell("getent ahostsv4 " + " ; getent ahostsv4 ".join(names)).ok().stdout
    assert {line.split()[0] for line in text.splitlines()} == {shared.address}
    result = shared.run(f"""
        import socket
        print([socket.gethostbyname(name) for name in {names}])
        """, environment=environment("kafka-python-2"))
    assert result.ok().stdout.strip() == str([shared.address] * 4)


def test_localhost_stays_localhost(shared):
    assert shared.shell("getent ahostsv4 localhost").ok().stdout.split()[0] == "127.0.0.1"


def test_spark_remote_is_set_with_a_numeric_address(shared, environment):
    assert shared.shell("echo $SPARK_REMOTE").ok().stdout.startswith(f"sc://{shared.address}:15002")
    result = shared.run("import os; print(os.environ['SPARK_REMOTE'])", environment=environment("kafka-python-2"))
    assert result.ok().stdout.startswith(f"sc://{shared.address}:15002")
    # An address of the user's own stays one that clients understand, though the start-up module adds to it.
    own = shared.shell("SPARK_REMOTE=sc://example:15002 python3 -c 'import os; print(os.environ[\"SPARK_REMOTE\"])'").ok().stdout
    assert own.startswith("sc://example:15002/;x-raudal-pid=")


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_are_on_path_with_and_without_sh(shared, tool):
    for name in (tool, tool + ".sh"):
        shared.shell(f"command -v {name}").ok()


def test_shell_gives_back_the_exit_code_and_the_streams(shared):
    result = shared.shell("echo out; echo err >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_run_gives_back_the_exit_code_and_passes_arguments(shared, environment):
    result = shared.run("import sys; print(sys.argv[1:]); sys.exit(3)", "a", "--b", "c d",
                        environment=environment("kafka-python-2"))
    assert (result.returncode, result.stdout) == (3, "['a', '--b', 'c d']\n")


def test_run_uses_the_interpreter_of_the_activated_environment(shared, environment):
    used = environment("kafka-python-2")
    assert shared.run("import sys; print(sys.prefix)", environment=used).ok().stdout.strip() == str(used.path)


def test_nothing_outside_the_child_is_changed(shared):
    before = pathlib.Path("/etc/hosts").read_text()
    mounts = pathlib.Path("/proc/self/mounts").read_text()
    inside = shared.shell("cat /etc/hosts").ok().stdout
    assert "namenode" in inside
    assert pathlib.Path("/etc/hosts").read_text() == before and pathlib.Path("/proc/self/mounts").read_text() == mounts
    with pytest.raises(OSError):
        socket.gethostbyname("namenode")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_shell_works_for_a_plain_user_too(start_raudal, tmp_path):
    """A user that is not root has no mount right of its own: the user namespace gives it one."""
    running = start_raudal(up=False)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.is_relative_to("/tmp") and folder != pathlib.Path("/tmp") and folder.stat().st_uid == 0:
            folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    copy = home / "raudal"
    copy.write_bytes(BINARY.read_bytes())
    copy.chmod(0o755)
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(home, nobody, -1)
    running.data = home / "data"
    as_nobody = dict(user="nobody", group="nogroup", extra_groups=[], cwd=home,
                     env={"PATH": os.environ["PATH"], "HOME": str(home)})
    run([copy, "up", "-d", "--data", running.data, "--address", running.address, "--only", "kafka"], **as_nobody).ok()
    result = run([copy, "shell", "--data", running.data, "--", "sh", "-c", "id -u; getent ahostsv4 kafka | head -n 1; "
                  "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic mine"], **as_nobody).ok()
    assert result.stdout.splitlines()[0] == str(nobody) and running.address in result.stdout
    assert "Created topic mine." in result.stdout


def test_help_lists_only_what_works(shared):
    text = harness.run([BINARY, "help"]).ok().stdout
    for command in ("up", "down", "status", "logs", "shell", "run"):
        assert re.search(rf"^\s+(raudal )?{command}\b", text, re.M), command


def test_an_unknown_command_is_an_error(shared):
    result = harness.run([BINARY, "ups"])
    assert result.returncode == 1 and "ups" in result.out
