"""`raudal up -f docker-compose.yml`: files of every dialect, used with real clients by the names that the file gives."""
import json
import os
import pathlib
import shutil
import sys

import pytest
import requests

from harness import BINARY, TOP, Raudal, run, wait_until

FILES = pathlib.Path(__file__).with_name("files")
NO_LAB = ("--only", "kafka,zookeeper,kafka-ui,spark,hdfs")
KAFKA_PYTHON = """
import sys
from kafka import KafkaConsumer, KafkaProducer
bootstrap, topic = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=bootstrap)
producer.send(topic, b"hola").get(20)
consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=15000)
print(next(consumer).value.decode())
print(sorted((broker.host, broker.port) for broker in consumer._client.cluster.brokers()))
"""


def compose_up(folder, name, file, *options, up=True):
    """A copy of the files in a folder called NAME, and a Raudal started by them."""
    place = folder / name
    shutil.copytree(file.parent, place)
    raudal = Raudal(place / ".raudal", "-f", place / file.name, *options)
    if up:
        try:
            raudal.start()
        except BaseException:
            raudal.close()
            raise
    return raudal


def fixture_of(file, name, *options):
    @pytest.fixture(scope="module")
    def started(tmp_path_factory):
        with compose_up(tmp_path_factory.mktemp("compose"), name, file, *options) as raudal:
            yield raudal
    return started


practice = fixture_of(TOP / "exercises" / "practice-03" / "docker-compose.yml", "practice-03", *NO_LAB)
confluent = fixture_of(FILES / "confluent" / "docker-compose.yml", "tienda")
bitnami = fixture_of(FILES / "bitnami" / "docker-compose.yml", "bitnami")
wurstmeister = fixture_of(FILES / "wurstmeister" / "stack.yml", "wurst")
apache = fixture_of(FILES / "apache" / "compose.yaml", "apache")
bde2020 = fixture_of(FILES / "bde2020" / "docker-compose.yml", "bde2020")
brokers = fixture_of(FILES / "brokers" / "docker-compose.yml", "brokers")


def stack(raudal):
    return {service["name"]: service for service in json.loads((raudal.data / "run" / "stack.json").read_text())["services"]}


def notes(raudal):
    return [line[6:] for line in raudal.up_output.splitlines() if line.startswith("note: ")]


def kafka_python(raudal, bootstrap, topic="saludos"):
    """What came back, and the brokers that the client was told of."""
    script = raudal.data / "kafka_python.py"
    script.write_text(KAFKA_PYTHON)
    lines = raudal.shell([sys.executable, script, bootstrap, topic]).ok().stdout.splitlines()
    assert lines[0] == "hola"
    return lines[1]


def topics(raudal, bootstrap):
    listed = raudal.tool("kafka-topics.sh", "--bootstrap-server", bootstrap, "--describe").ok().stdout
    rows = [dict(part.split(": ", 1) for part in line.split("\t") if ": " in part) for line in listed.splitlines()]
    return {row["Topic"]: int(row["PartitionCount"]) for row in rows if "PartitionCount" in row}


def page(raudal, url):
    """The title of a page, read with curl inside `raudal shell`."""
    text = raudal.shell(["curl", "-sS", "--fail", "-L", url]).ok().stdout
    return text.partition("<title>")[2].partition("</title>")[0]


# The course's own file.

def test_every_service_of_the_course_answers_by_its_name(practice):
    assert kafka_python(practice, "kafka:29092") == "[('kafka', 29092)]"
    assert kafka_python(practice, practice.at("kafka")) == f"[('{practice.address}', 9092)]"
    listed = practice.tool("kafka-topics.sh", "--bootstrap-server", "kafka:29092", "--list").ok().stdout
    assert "saludos" in listed.split()
    assert practice.shell("echo ruok | timeout 5 nc zookeeper 2181 || echo ruok").stdout
    assert "Spark Master" in page(practice, "http://spark-master:8080")
    assert "Spark Worker" in page(practice, "http://spark-worker-2:8081")
    assert page(practice, "http://kafka-ui:8080") != page(practice, "http://spark-master:8080")
    assert "Namenode" in page(practice, "http://namenode:9870")


def test_published_ports_answer_at_the_address(practice):
    for port, title in ((8080, "Kafka"), (8081, "Spark Master"), (8082, "Spark Worker"), (9870, "Namenode")):
        assert title in requests.get(f"http://{practice.address}:{port}", timeout=10).text, port


def test_container_names_resolve_too(practice):
    assert "Spark Master" in page(practice, "http://spark_master:8080")
    assert practice.shell("getent hosts spark_worker_1").ok().stdout.split()[0] == stack(practice)["spark-worker-1"]["address"]


def test_hdfs_by_the_name_of_hadoop_env(practice):
    practice.shell("echo dato > /tmp/dato.$$ && hdfs dfs -fs hdfs://namenode:9000 -put -f /tmp/dato.$$ /dato && rm /tmp/dato.$$").ok()
    assert practice.shell("hdfs dfs -fs hdfs://namenode:9000 -cat /dato").ok().stdout == "dato\n"
    assert practice.shell("hdfs dfs -cat hdfs://namenode:9000/dato").ok().stdout == "dato\n"


def test_hadoops_own_client_by_the_services_name(practice, environment):
    hdfs = environment("hadoop").bin / "hadoop-fs"
    result = practice.shell([str(hdfs), "-fs", "hdfs://namenode:9000", "-ls", "/"], timeout_s=60)
    assert result.ok().returncode == 0


def test_webhdfs_writes_by_the_services_name(practice):
    line = "printf abc | curl -sS --fail -L -X PUT -T - 'http://namenode:9870/webhdfs/v1/w.txt?op=CREATE&user.name=root'"
    practice.shell(line).ok()
    assert practice.shell("curl -sS --fail -L 'http://namenode:9870/webhdfs/v1/w.txt?op=OPEN'").ok().stdout == "abc"


def test_the_workers_of_the_file_are_the_workers(practice):
    workers = requests.get(f"http://{practice.address}:8081/json/", timeout=10).json()["workers"]
    assert [(worker["cores"], worker["memory"]) for worker in workers] == [(2, 1024), (2, 1024)]


def test_spark_reads_kafka_by_the_containers_port(practice, environment):
    kafka_python(practice, "kafka:29092", "spark")
    result = environment("spark-4_3").python("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.master("spark://spark-master:7077").getOrCreate()
        df = spark.read.format("kafka").option("kafka.bootstrap.servers", "kafka:29092").option("subscribe", "spark").load()
        df.selectExpr("CAST(value AS STRING)").write.mode("overwrite").parquet("hdfs://namenode:9000/spark")
        print(spark.read.parquet("/spark").first()[0])
        """, raudal=practice)
    assert result.ok().stdout.splitlines()[-1] == "hola"


def test_nothing_of_the_courses_file_is_left_unsaid(practice):
    assert notes(practice) == ["spark-worker-1, spark-worker-2 are 2 workers of one process; they share a page"]


def test_down_in_the_folder_stops_it_and_up_finds_the_file(tmp_path):
    raudal = compose_up(tmp_path, "practica", TOP / "exercises" / "practice-03" / "docker-compose.yml", up=False)
    folder = tmp_path / "practica"
    environment = {name: value for name, value in os.environ.items() if name != "RAUDAL_DATA"}
    with raudal:
        result = run([BINARY, "up", "-d", "--address", raudal.address, *NO_LAB], cwd=folder, env=environment).ok()
        assert f"From {folder}/docker-compose.yml" in result.stdout
        assert (folder / ".raudal" / "run" / "stack.json").exists()
        inside = run([BINARY, "shell", "--", "curl", "-sS", "http://kafka-ui:8080"], cwd=folder, env=environment).ok()
        assert "<title>" in inside.stdout
        run([BINARY, "down"], cwd=folder, env=environment).ok()


def test_the_files_jupyter_is_the_lab(tmp_path, environment):
    environment("lab")
    with compose_up(tmp_path, "lab", TOP / "exercises" / "practice-03" / "docker-compose.yml") as raudal:
        assert f"http://{raudal.address}:8888/lab" in raudal.up_output
        listed = requests.get(f"http://{raudal.address}:8888/api/contents", timeout=20).json()["content"]
        assert sorted(entry["name"] for entry in listed) == ["datasets", "sessions"]
        assert (tmp_path / "lab" / "sessions").is_dir()
        raudal.shell("echo x > /home/jovyan/sessions/x.txt").ok()
        assert (tmp_path / "lab" / "sessions" / "x.txt").read_text() == "x\n"


# The dialects.

def test_confluent(confluent):
    assert kafka_python(confluent, "broker:29092", "pedidos") == "[('broker', 29092)]"
    assert kafka_python(confluent, confluent.at("kafka"), "pedidos") == f"[('{confluent.address}', 9092)]"
    made = topics(confluent, "broker:29092")
    assert (made["pedidos"], made["clientes"]) == (2, 1)
    assert "Kafka" in page(confluent, "http://control-center:9021")
    assert stack(confluent)["broker"]["container"] == "tienda-broker-1"


def test_confluents_settings_arrive(confluent):
    def value(name, kind, entity):
        words = ["--bootstrap-server", "broker:29092", "--describe", "--all", "--entity-type", kind, "--entity-name", entity]
        lines = confluent.tool("kafka-configs.sh", *words).ok().stdout.splitlines()
        return next(line.split("=")[1].split()[0] for line in lines if line.strip().startswith(name + "="))
    assert value("num.partitions", "brokers", "7") == "5"
    assert value("auto.create.topics.enable", "brokers", "7") == "false"
    assert value("retention.ms", "topics", "pedidos") == "3600000"
    assert value("cleanup.policy", "topics", "clientes") == "compact"


def test_what_confluents_file_asks_for_in_vain_is_named(confluent):
    said = notes(confluent)
    for part in ("broker: KAFKA_SOME_NEW_THING has no effect: it is not known here", "kafka-ui: not started: its profile debug",
                 "nothing here stands for Schema Registry", "port 9101 is not opened", "this is not run: curl -s",
                 "this is not run: kafka-topics --bootstrap-server broker:29092 --list | grep pedidos",
                 "Raudal's own page answers in its place", "broker: KAFKA_JMX_PORT has no effect: no Java machine"):
        assert sum(part in line for line in said) == 1, (part, said)
    assert not any("CLUSTER_ID" in line or "REBALANCE" in line for line in said)


def test_a_profile_is_chosen(tmp_path):
    with compose_up(tmp_path, "p", FILES / "confluent" / "docker-compose.yml", "--profile", "debug") as raudal:
        assert "Kafka" in requests.get(f"http://{raudal.address}:8090", timeout=10).text
        assert any("broker:9999 leads to no Kafka of this file" in line for line in notes(raudal))


def test_bitnami(bitnami):
    assert kafka_python(bitnami, "kafka:9092") == "[('kafka', 9092)]"
    assert kafka_python(bitnami, f"{bitnami.address}:9093") == f"[('{bitnami.address}', 9093)]"
    assert topics(bitnami, "kafka:9094")["saludos"] == 4
    assert "Spark Master" in page(bitnami, "http://spark-master:8080")
    workers = requests.get(f"http://{bitnami.address}:8081/json/", timeout=10).json()["workers"]
    assert [(worker["cores"], worker["memory"]) for worker in workers] == [(1, 512)] * 3
    shown = bitnami.shell("kafka-configs.sh --bootstrap-server kafka:9092 --describe --all --entity-type brokers --entity-name 1")
    assert "log.retention.hours=24 " in shown.ok().stdout


def test_what_bitnami_asks_for_and_is_not_here_is_named(bitnami):
    said = notes(bitnami)
    for part in ("listener SECURE asks for SASL_SSL", "KAFKA_CLIENT_PASSWORDS has no effect: nothing here asks for credentials",
                 "kafka-data is not used", "KAFKA_CFG_DEFAULT_REPLICATION_FACTOR=3 is 1 here", "mem_limit",
                 "deploy.resources.limits", "KAFKA_HEAP_OPTS has no effect: no Java machine"):
        assert sum(part in line for line in said) == 1, (part, said)
    assert "s3cr$t" not in bitnami.up_output


def test_wurstmeister(wurstmeister):
    assert kafka_python(wurstmeister, wurstmeister.at("kafka"), "alertas") == f"[('{wurstmeister.address}', 9092)]"
    made = topics(wurstmeister, "kafka:9092")
    assert (made["alertas"], made["lecturas"], made["estado"]) == (1, 3, 1)
    kafka_python(wurstmeister, "kafka:9092", "lecturas")
    assert wurstmeister.shell("getent hosts zk").ok().stdout.split()[0] == stack(wurstmeister)["zookeeper"]["address"]
    said = notes(wurstmeister)
    assert any("'malo' in KAFKA_CREATE_TOPICS is no topic" in line for line in said)
    assert any("advertised listeners name localhost:9092" in line for line in said)
    # Started again by the same file, the topics are there already.
    wurstmeister.stop()
    wurstmeister.start()
    assert topics(wurstmeister, "kafka:9092")["lecturas"] == 3


def test_apache(apache):
    assert kafka_python(apache, "kafka:19092") == "[('kafka', 19092)]"
    assert topics(apache, "kafka:19092")["saludos"] == 2
    assert apache.shell("hdfs dfs -mkdir -p hdfs://hadoop-namenode/a && hdfs dfs -fs hdfs://hadoop-namenode:8020 -ls /").ok().stdout
    assert "Namenode" in page(apache, "http://hadoop-namenode:9870")
    assert "Namenode" in requests.get(f"http://{apache.address}:9871", timeout=10).text
    said = notes(apache)
    for part in ("job: not started: it is a program for Spark", "there is no YARN here", "dfs.heartbeat.interval is not known"):
        assert sum(part in line for line in said) == 1, (part, said)


def test_bde2020(bde2020):
    shown = bde2020.shell("hdfs dfs -ls /").ok().stdout
    assert "drwxrwxrwx" in shown and "/datos" in shown
    assert bde2020.shell("hdfs dfs -fs hdfs://namenode:9000 -ls /datos").ok().stdout.rstrip().endswith("/datos/entrada")
    bde2020.shell(f"hdfs dfs -fs hdfs://{bde2020.address}:9010 -ls /").ok()
    assert "Spark Master" in requests.get(f"http://{bde2020.address}:8080", timeout=10).text
    report = bde2020.shell("hdfs dfsadmin -report").ok().stdout
    assert "Live datanodes (2):" in report and "Hostname: datanode-2" in report
    assert "datanode-2:9866" in requests.get(f"http://{bde2020.address}:9870/datanodes", timeout=10).text
    said = notes(bde2020)
    for part in ("datanode-1, datanode-2 are shown as 2 DataNodes and answer as one", "dfs.replication=3 is 1 here", "this is not run: rm -rf /tmp/x",
                 "nothing here stands for YARN"):
        assert sum(part in line for line in said) == 1, (part, said)


def test_several_brokers_answer_as_one(brokers):
    assert kafka_python(brokers, "kafka-1:19092") == "[('kafka-1', 19092)]"
    assert kafka_python(brokers, "kafka-3:19092,kafka-2:19092") in ("[('kafka-2', 19092)]", "[('kafka-3', 19092)]")
    assert kafka_python(brokers, f"{brokers.address}:9094") == f"[('{brokers.address}', 9094)]"
    assert "Kafka" in page(brokers, "http://kafdrop:9000")
    assert page(brokers, "http://namenode:9870")
    said = notes(brokers)
    for part in ("kafka-1, kafka-2, kafka-3 answer as one broker", "db: not started: the image postgres:15 is not known here",
                 "generador: not started: nothing is built here", "namenode: nothing is built here; taken for NameNode",
                 "the option 'gpus'", "secrets", "not in the file, so not started: Spark, JupyterLab"):
        assert any(part in line for line in said), (part, said)
    assert stack(brokers)["kafka-2"]["note"] == "answers as kafka-1"
    assert stack(brokers)["db"]["kind"] == "other" and stack(brokers)["db"]["address"] == ""


def test_a_spanish_reader_reads_spanish(tmp_path):
    raudal = compose_up(tmp_path, "es", FILES / "brokers" / "docker-compose.yml", up=False)
    with raudal:
        words = [BINARY, "up", "-d", "--data", raudal.data, "--address", raudal.address, *raudal.options]
        result = run(words, env=dict(os.environ, LC_ALL="es_ES.UTF-8")).ok()
        assert "nota: kafka-1, kafka-2, kafka-3 responden como un solo broker" in result.stdout


# What is refused: file, line and column, and nothing starts.

BAD = {
    "services:\n  kafka:\n    image: apache/kafka\n   ports: []\n": "docker-compose.yml:4:4: this is no YAML",
    "services:\n  kafka: {image: apache/kafka, ports: [x:y]}\n": "docker-compose.yml:2:40: 'x:y' is no port",
    "services:\n  kafka:\n    image: apache/kafka\n    depends_on: [zoo]\n": "docker-compose.yml:4:17: the service kafka depends on zoo",
    "services:\n  kafka:\n    image: a\n    image: b\n": "docker-compose.yml:4:5: the key 'image' was given in line 3 already",
    "services:\n  kafka: &k\n    image: apache/kafka\n    x-own: *k\n": "docker-compose.yml:4:12: the alias *k stands inside its own",
    "services:\n  kafka: {image: apache/kafka, environment: {KAFKA_NUM_PARTITIONS: muchas}}\n":
        "KAFKA_NUM_PARTITIONS of the service kafka",
    "services:\n  kafka: {image: '${IMAGE:?name one}'}\n": "docker-compose.yml:2:18: the variable IMAGE is needed: name one",
    "services:\n  kafka: {image: apache/kafka, env_file: nowhere.env}\n": "docker-compose.yml:2:42: the env_file cannot be read",
    "services:\n  a: {image: apache/kafka, ports: ['9092:9092']}\n  b: {image: bitnami/kafka, ports: ['9092:9092']}\n":
        "a and b both publish port 9092",
    "services:\n  db: {image: 'postgres:15'}\n": "has no service that Raudal stands for",
    "- kafka\n": "docker-compose.yml:1:1: a compose file is a mapping with 'services', this is a list",
    "": "this is empty",
    "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(b + 1)}: &{chr(b + 1)} [{','.join(['*' + chr(b)] * 9)}]\n"
                                           for b in range(ord("a"), ord("i"))): "stands for more than 100000 values",
    "services:\n" + "".join(f"  {'[' * n}\n" for n in [200]): "nested more than 64 levels deep",
}


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_files_are_refused_with_their_place(tmp_path, number):
    text, said = list(BAD.items())[number]
    (tmp_path / "docker-compose.yml").write_text(text)
    result = run([BINARY, "up", "-d", "--data", tmp_path / "data", "-f", tmp_path / "docker-compose.yml"], timeout_s=20)
    assert result.returncode == 1
    assert said in result.stderr, result
    assert not (tmp_path / "data" / "run" / "lock").exists()


def test_a_file_that_is_not_there(tmp_path):
    result = run([BINARY, "up", "-d", "--data", tmp_path / "data", "-f", tmp_path / "none.yml"])
    assert result.returncode == 1 and "none.yml" in result.stderr


def test_somebody_elses_compose_file_does_not_hinder(tmp_path):
    (tmp_path / "docker-compose.yml").write_text("services:\n  db: {image: 'postgres:15'}\n")
    with Raudal(tmp_path / "data", "--only", "kafka") as raudal:
        words = [BINARY, "up", "-d", "--data", raudal.data, "--address", raudal.address, *raudal.options]
        result = run(words, cwd=tmp_path).ok()
        assert "db: not started: the image postgres:15 is not known here" in result.stdout
        assert wait_until(lambda: stack(raudal).get("kafka"), 5, "the course's names")["address"] == raudal.address
