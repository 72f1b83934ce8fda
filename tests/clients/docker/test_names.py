"""Machines without user namespaces: the names come from a preloaded resolver, chosen by itself and said once."""
import os
import shutil

import pytest

from harness import BINARY, Raudal, run

raudal_options = ["--only", "kafka,kafka-ui"]
PRELOAD = dict(os.environ, RAUDAL_NAMES="preload")


def shell(raudal, *words, environment=PRELOAD):
    return run([BINARY, "shell", "--data", raudal.data, "--", *words], env=environment)


def test_said_once(start_raudal):
    raudal = start_raudal("--only", "kafka")
    assert "the kernel does not allow private host names" in shell(raudal, "true").ok().stderr
    assert shell(raudal, "true").ok().stderr == ""


def test_python_and_librdkafka(raudal, environment):
    program = """
import socket
from confluent_kafka import Producer
from kafka import KafkaProducer
import requests
print(socket.gethostbyname("kafka"), socket.getaddrinfo("namenode", 9000)[0][4], socket.gethostbyname_ex("spark-master")[2])
print(socket.gethostbyaddr(socket.gethostbyname("kafka"))[0], socket.gethostbyname("localhost"))
print(KafkaProducer(bootstrap_servers="kafka:9092").send("names", b"1").get(20).offset)
producer = Producer({"bootstrap.servers": "kafka:9092"})
producer.produce("names", b"2")
print(producer.flush(20), requests.get("http://kafka:8080/").status_code)
try:
    socket.getaddrinfo("nobody.invalid", 80)
except socket.gaierror:
    print("not found")
"""
    result = shell(raudal, environment("clients").interpreter, "-c", program).ok()
    address = raudal.address
    assert result.stdout.splitlines() == [f"{address} ('{address}', 9000) ['{address}']", "kafka 127.0.0.1", "0", "0 200", "not found"]


def test_java(raudal, environment):
    raudal.create_topic("java", 1)
    listed = shell(raudal, environment("kafka").bin / "kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list").ok()
    assert "java" in listed.stdout.split()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(raudal):
    assert shell(raudal, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://kafka:8080/").ok().stdout == "200"


def test_own_tools_and_docker_exec(raudal):
    assert shell(raudal, "getent", "hosts", "kafka").ok().stdout.split() == [raudal.address, "kafka"]
    assert shell(raudal, "kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list").returncode == 0
    assert shell(raudal, "docker", "exec", "kafka", "getent", "hosts", "localhost").ok().stdout.split()[0] == raudal.address


def test_a_static_program_is_told(raudal, tmp_path):
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text("int main(void) { return 0; }\n")
    if run(["gcc", "-static", "-o", program, source]).returncode != 0:
        pytest.skip("no static C library")
    told = shell(raudal, program).ok()
    assert "is statically linked" in told.stderr and raudal.address in told.stderr
    assert "statically" not in shell(raudal, "true").stderr


def test_a_folder_with_a_blank_in_its_name(tmp_path):
    with Raudal(tmp_path / "my data", "--only", "kafka") as raudal:
        raudal.start()
        result = shell(raudal, "getent", "hosts", "kafka").ok()
        assert result.stdout.split() == [raudal.address, "kafka"] and "cannot be preloaded" not in result.stderr


def test_chosen_when_the_kernel_refuses(raudal):
    """A user namespace in which there may be no other, and no right to mount."""
    refusing = ["unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && "
                "exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin \"$@\"", "sh"]
    if run([*refusing, "true"]).returncode != 0:
        pytest.skip("no user namespaces here at all")
    environment = {name: value for name, value in os.environ.items() if name != "RAUDAL_NAMES"}
    words = [BINARY, "shell", "--data", raudal.data, "--", "sh", "-c", "echo ${LD_PRELOAD:+preloaded}; getent hosts kafka"]
    assert run([*refusing, *words], env=environment).ok().stdout.split() == ["preloaded", raudal.address, "kafka"]
    assert run(words, env=environment).ok().stdout.split() == [raudal.address, "kafka"]
    forced = run([*refusing, *words], env=dict(environment, RAUDAL_NAMES="namespace"))
    assert forced.returncode == 1 and "/etc/hosts" in forced.stderr
