"""The course's commands: Kafka's and Hadoop's tools, curl, a browser; ours and the real ones answer the same."""
import json
import re
import socket

import pytest

from harness import run

SERVER = ["--bootstrap-server", "kafka:9092"]
PAGES = ["kafka-ui", "spark-master", "spark-worker", "namenode-ui"]


def get(raudal, service, path="/", **headers):
    import requests
    return requests.get(f"http://{raudal.at(service)}{path}", headers=headers, timeout=10)


# Kafka's tools

def test_topics_create_list_describe(fresh_raudal):
    kafka = fresh_raudal
    created = kafka.shell("kafka-topics.sh --create --topic mi-topico --partitions 3 --replication-factor 1 "
                          "--bootstrap-server kafka:9092").ok()
    assert created.stdout == "Created topic mi-topico.\n"
    assert kafka.shell("kafka-topics.sh --list --bootstrap-server kafka:9092").ok().stdout == "mi-topico\n"
    described = kafka.shell("kafka-topics.sh --describe --topic mi-topico --bootstrap-server kafka:9092").ok().stdout
    first, *partitions = described.splitlines()
    assert re.fullmatch(r"Topic: mi-topico\tTopicId: [\w-]{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*",
                        first)
    for number, line in enumerate(partitions):
        assert line == (f"\tTopic: mi-topico\tPartition: {number}\tLeader: 1\tReplicas: 1\tIsr: 1"
                        "\tElr: \tLastKnownElr: ")
    assert len(partitions) == 3


def test_topics_without_a_topic_prints_an_empty_line(fresh_raudal):
    assert fresh_raudal.shell("kafka-topics.sh --list --bootstrap-server kafka:9092").ok().stdout == "\n"


def test_topics_the_old_zookeeper_option_is_answered(fresh_raudal):
    fresh_raudal.shell("kafka-topics.sh --create --topic t --partitions 1 --replication-factor 1 "
                       "--zookeeper zookeeper:2181").ok()
    assert fresh_raudal.shell("kafka-topics.sh --list --zookeeper zookeeper:2181").ok().stdout == "t\n"


def test_console_consumer_reads_what_the_console_producer_wrote(fresh_raudal):
    fresh_raudal.shell("printf 'uno\\ndos\\n' | kafka-console-producer.sh --bootstrap-server kafka:9092 --topic t").ok()
    read = fresh_raudal.shell("kafka-console-consumer.sh --bootstrap-server kafka:9092 --topic t --from-beginning "
                              "--max-messages 2").ok()
    assert sorted(read.stdout.splitlines()) == ["dos", "uno"]
    assert "Processed a total of 2 messages" in read.out


TOOL_LINES = {
    "list": ["kafka-topics.sh", "--list"],
    "describe": ["kafka-topics.sh", "--describe", "--topic", "mi-topico"],
    "describe-missing": ["kafka-topics.sh", "--describe", "--topic", "nope"],
    "create-again": ["kafka-topics.sh", "--create", "--topic", "mi-topico"],
    "create-if-not-exists": ["kafka-topics.sh", "--create", "--if-not-exists", "--topic", "mi-topico"],
    "create-replicated": ["kafka-topics.sh", "--create", "--topic", "three", "--replication-factor", "3"],
    "create-bad-name": ["kafka-topics.sh", "--create", "--topic", "a/b"],
    "consume": ["kafka-console-consumer.sh", "--topic", "mi-topico", "--from-beginning", "--max-messages", "3"],
    "consume-one": ["kafka-console-consumer.sh", "--topic", "mi-topico", "--partition", "0", "--offset", "0",
                    "--max-messages", "1"],
    "groups": ["kafka-consumer-groups.sh", "--list"],
    "group": ["kafka-consumer-groups.sh", "--describe", "--group", "g1"],
    "group-missing": ["kafka-consumer-groups.sh", "--describe", "--group", "nope"],
    "configs": ["kafka-configs.sh", "--describe", "--entity-type", "topics", "--entity-name", "mi-topico"],
}


@pytest.fixture(scope="module")
def with_data(raudal):
    """A topic with three records in one partition each, and a group that has read them."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    raudal.tool("kafka-topics.sh", *SERVER, "--create", "--topic", "mi-topico", "--partitions", "3",
                "--replication-factor", "1", "--config", "retention.ms=86400000").ok()
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    for number in range(3):
        producer.send("mi-topico", f"message {number}".encode(), partition=number).get(10)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=[raudal.at("kafka")], group_id="g1", enable_auto_commit=False,
                             auto_offset_reset="earliest")
    consumer.assign([TopicPartition("mi-topico", number) for number in range(3)])
    while sum(consumer.position(partition) for partition in consumer.assignment()) < 3:
        consumer.poll(200)
    consumer.commit()
    consumer.close()
    return raudal


def comparable(result, raudal):
    """The output with what differs from run to run taken out: times, addresses, and the order of unordered lines; and the
    line after an error with the command that helps, which only ours says (tests/pains)."""
    def lines(text):
        text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[TIME]", text)
        text = re.sub(r"127\.0\.\d+\.\d+|kafka:9092", "ADDRESS", text)
        text = re.sub(r"console-consumer-\d+", "console-consumer-N", text)
        ours = ("Did you mean ", "To create it: ")
        return sorted(line for line in text.splitlines() if not line.startswith(("\tat ", *ours)) and "KIP-848" not in line)
    return result.returncode, lines(result.stdout), lines(result.stderr)


@pytest.mark.parametrize("name", TOOL_LINES)
def test_our_tool_prints_what_the_real_tool_prints(with_data, environment, name):
    tool, *words = TOOL_LINES[name]
    real = environment("kafka").tool(tool, "--bootstrap-server", with_data.at("kafka"), *words)
    ours = with_data.tool(tool, *SERVER, *words)
    assert comparable(ours, with_data) == comparable(real, with_data), f"ours: {ours}\nthe real one: {real}"


# HDFS

def test_hdfs_ls_of_the_checkpoint(fresh_raudal, environment):
    program = """
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        query = (spark.readStream.format("rate").load().writeStream.format("noop")
                 .option("checkpointLocation", "/checkpoint").trigger(once=True).start())
        query.awaitTermination()
        """
    fresh_raudal.run(program, environment=environment("course")).ok()
    listed = fresh_raudal.shell("hdfs dfs -ls /checkpoint").ok().stdout.splitlines()
    assert re.fullmatch(r"Found \d+ items", listed[0])
    for line in listed[1:]:
        assert re.fullmatch(r"[d-][rwx-]{9} +[\d-]+ \w+ \w+ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /checkpoint/\w+", line), line
    names = {line.rpartition("/")[2] for line in listed[1:]}
    assert {"commits", "metadata", "offsets"} <= names
    real = environment("hadoop").tool("hadoop-fs", "-fs", f"hdfs://{fresh_raudal.at('namenode')}", "-ls", "/checkpoint")
    assert real.ok().stdout.splitlines() == listed


HDFS_LINES = ["-ls /", "-ls /curso", "-ls -R /curso", "-ls -h /curso", "-ls /none", "-cat /curso/a.txt", "-cat /none",
              "-cat /curso", "-du /curso", "-du -h /curso", "-du -s /curso", "-count /curso", "-stat /curso/a.txt",
              "-stat %F_%u:%g_%b_%n_%o_%r_%a_%A /curso/a.txt", "-stat /none", "-test -e /curso/a.txt",
              "-test -d /curso/a.txt", "-test -e /none", "-tail /curso/a.txt", "-text /curso/a.txt", "-mkdir /curso",
              "-mkdir /nope/x", "-rm /none", "-rmdir /curso", "-mv /none /other", "-chmod 600 /none",
              "-head /curso/a.txt"]


@pytest.fixture(scope="module")
def with_files(raudal, tmp_path_factory):
    file = tmp_path_factory.mktemp("files") / "a.txt"
    file.write_text("line one\nline two\nline three\n")
    raudal.shell(f"hdfs dfs -mkdir -p /curso/sub && hdfs dfs -put {file} /curso/a.txt && "
                 "hdfs dfs -put {0} /curso/sub/b.txt && hdfs dfs -touchz /curso/empty".format(file)).ok()
    return raudal


@pytest.mark.parametrize("line", HDFS_LINES)
def test_our_hdfs_prints_what_the_real_hdfs_prints(with_files, environment, line):
    real = environment("hadoop").tool("hadoop-fs", "-fs", f"hdfs://{with_files.at('namenode')}", *line.split())
    ours = with_files.tool("hdfs", "dfs", *line.split())

    def clean(text):
        return re.sub(r"hdfs://[\w.:-]+", "hdfs://NAMENODE", text)

    code = real.returncode if real.returncode != 255 else 255
    assert (ours.returncode, clean(ours.stdout), clean(ours.stderr)) == (code, clean(real.stdout), clean(real.stderr))


# curl and the pages

def test_curl_of_the_spark_master(raudal):
    page = raudal.shell("curl -s -i http://spark-master:8081").ok().stdout
    assert page.startswith("HTTP/1.1 200") and "text/html" in page
    assert "Spark Master at spark://" in page and "Alive Workers" in page


def test_curl_of_localhost_in_the_shell_of_the_default_address(raudal):
    """The course types localhost; that is this Raudal when it runs on 127.0.0.1, as by default."""
    page = run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: localhost:8081",
                f"http://{raudal.at('spark-master')}/"])
    assert page.stdout == "200"


@pytest.mark.parametrize("service", PAGES)
def test_the_page_is_plain_html(raudal, service):
    answer = get(raudal, service)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.lower().startswith("<!doctype html>")


def test_8080_shows_topics_groups_and_lag(with_data):
    text = get(with_data, "kafka-ui").text
    assert "mi-topico" in text and "g1" in text and "lag" in text.lower()


def test_8081_shows_workers_and_cores_and_8082_its_worker(raudal):
    master, worker = get(raudal, "spark-master").text, get(raudal, "spark-worker").text
    assert "Workers" in master and "Cores" in master and "Cores" in worker and "Memory" in worker


def test_8081_shows_a_running_query(raudal, environment):
    process = raudal.run_in_background("""
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("Shown").getOrCreate()
        query = spark.readStream.format("rate").load().writeStream.queryName("visible").format("noop").start()
        print("started", flush=True)
        query.awaitTermination()
        """, environment=environment("course"))
    from harness import end, wait_until
    try:
        wait_until(lambda: "started" in process.output.read_text() or process.poll() is not None, 30, "the query")
        text = get(raudal, "spark-master").text
        assert "visible" in text, process.output.read_text()
    finally:
        end(process)


def test_9870_shows_files(with_files):
    assert "curso" in get(with_files, "namenode-ui").text + get(with_files, "namenode-ui", "/explorer.html").text


def test_json_of_the_master_has_sparks_fields(raudal):
    state = get(raudal, "spark-master", "/json/").json()
    for field in ("url", "workers", "aliveworkers", "cores", "coresused", "memory", "memoryused", "activeapps",
                  "completedapps", "activedrivers", "completeddrivers", "status"):
        assert field in state, field
    assert state["status"] == "ALIVE" and state["aliveworkers"] == 2 == len(state["workers"])
    assert state["cores"] == 4 and state["workers"][0]["state"] == "ALIVE"


def test_jmx_of_the_namenode_has_the_beans_that_tools_read(raudal):
    beans = {bean["name"]: bean for bean in get(raudal, "namenode-ui", "/jmx").json()["beans"]}
    for name in ("NameNodeInfo", "NameNodeStatus", "FSNamesystem", "FSNamesystemState"):
        assert f"Hadoop:service=NameNode,name={name}" in beans
    one = get(raudal, "namenode-ui", "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo").json()["beans"]
    assert len(one) == 1 and len(json.loads(one[0]["LiveNodes"])) == 1


@pytest.mark.parametrize("service", PAGES)
def test_metrics_are_prometheus_text(raudal, service):
    answer = get(raudal, service, "/metrics")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain")
    samples = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    assert samples and all(re.fullmatch(r"[a-zA-Z_:][\w:]*(\{.*\})? [-+\w.]+( \d+)?", line) for line in samples)


@pytest.mark.parametrize("service", PAGES)
def test_a_foreign_host_name_is_refused(raudal, service):
    """A page of another site that rebinds its name to our address gets nothing."""
    assert get(raudal, service, Host="evil.example").status_code == 421   # Misdirected Request
    for name in ("localhost", "127.0.0.1", raudal.address, "namenode", "spark-master", "kafka"):
        assert get(raudal, service, Host=f"{name}:{raudal.port(service)}").status_code == 200, name


@pytest.mark.parametrize("service", PAGES)
def test_a_foreign_origin_is_refused(raudal, service):
    assert get(raudal, service, Origin="http://evil.example").status_code == 403
    assert get(raudal, service, Origin=f"http://{raudal.at(service)}").status_code == 200


def test_a_foreign_origin_cannot_write_through_webhdfs(raudal):
    import requests
    url = f"http://{raudal.at('namenode-ui')}/webhdfs/v1/stolen?op=MKDIRS&user.name=root"
    assert requests.put(url, headers={"Origin": "http://evil.example"}, timeout=10).status_code == 403
    assert requests.put(url, timeout=10).status_code == 200


# Service logs

def test_logs_have_the_line_form_and_the_lines_people_look_for(with_data):
    time_form = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]"
    kafka = with_data.logs("kafka")
    assert re.search(rf"^{time_form} INFO \[KafkaRaftServer nodeId=1\] Kafka Server started \(kafka\.server\.", kafka,
                     re.M)
    assert re.search(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d INFO \S+: ", with_data.logs("spark"), re.M)
    for service in ("namenode", "datanode"):
        form = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO org\.apache\.hadoop\.\S+: "
        assert re.search(form, with_data.logs(service), re.M), service
    # As in the images that bring ZooKeeper with Kafka's own logging.
    assert re.search(rf"^{time_form} INFO .* \(org\.apache\.zookeeper\.server\.", with_data.logs("zookeeper"), re.M)


def test_logs_are_files(with_data):
    for service in ("kafka", "zookeeper", "spark", "namenode", "datanode"):
        assert (with_data.data / "logs" / f"{service}.log").read_text().strip(), service


# ZooKeeper

def test_zkcli_and_four_letter_words(with_data):
    listed = with_data.shell("zkCli.sh -server zookeeper:2181 ls /brokers/topics").ok()
    assert "[mi-topico]" in listed.out or "mi-topico" in listed.stdout.splitlines()[-1]
    with socket.create_connection((with_data.address, 2181), timeout=5) as connection:
        connection.sendall(b"ruok")
        assert connection.recv(16) == b"imok"


def test_the_real_zkcli(with_data, environment):
    listed = environment("zookeeper").tool("zkCli.sh", "-server", with_data.at("zookeeper"), "ls", "/brokers/ids")
    assert "[1]" in listed.ok().out
