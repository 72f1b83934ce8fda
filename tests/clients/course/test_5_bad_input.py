"""What bad input gets: an error in that client's words that names the thing; process and other connections go on."""
import socket
import struct

import pytest


@pytest.fixture
def bystander(raudal):
    """A client that was there before; it must still work afterwards, in the same process."""
    from kafka import KafkaProducer
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    producer.send("bystander", b"before").get(10)
    process = raudal.pids()
    yield producer
    producer.send("bystander", b"after").get(10)
    producer.close()
    assert raudal.pids() == process, "the process ended"


def talk(raudal, service, *parts, seconds=5):
    """Sends bytes and returns what comes back until the server closes or falls silent."""
    with socket.create_connection((raudal.address, raudal.port(service)), timeout=seconds) as connection:
        connection.settimeout(seconds)
        got = b""
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                got += piece
        except socket.timeout:
            raise AssertionError(f"{service} neither answered nor closed; so far: {got[:200]!r}") from None
        except OSError:  # reset, or already closed when we end our side
            pass
        return got


NOISE = bytes((number * 197 + 89) % 256 for number in range(4096))
DEEP = 20000


@pytest.mark.parametrize("service", ["kafka", "zookeeper", "spark-connect", "namenode", "datanode", "kafka-ui",
                                     "spark-master", "spark-worker", "namenode-ui"])
@pytest.mark.parametrize("name, data", [("noise", NOISE), ("zeros", bytes(4096)), ("ones", b"\xff" * 4096),
                                        ("nothing", b""), ("one byte", b"\x00"), ("http", b"GET / HTTP/1.1\r\n\r\n"),
                                        ("line without end", b"A" * 200000)], ids=lambda value: str(value)[:20])
def test_noise_on_any_port_is_survived(raudal, bystander, service, name, data):
    talk(raudal, service, data)


def kafka_frame(body):
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize("size", [0x7fffffff, -1, 101 * 1024 * 1024])
def test_an_oversized_kafka_frame_closes_that_connection(raudal, bystander, size):
    assert talk(raudal, "kafka", struct.pack(">i", size) + b"\x00\x12\x00\x00") == b""


def test_an_unknown_version_of_api_versions_gets_the_versions_there_are(raudal, bystander):
    answer = talk(raudal, "kafka", kafka_frame(struct.pack(">hhi", 18, 99, 7) + b"\x00\x02me\x00"))
    assert struct.unpack_from(">ih", answer, 4) == (7, 35)      # correlation id, UNSUPPORTED_VERSION


def test_a_count_beyond_the_frame_is_refused(raudal, bystander):
    metadata = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", 0x7fffffff)
    talk(raudal, "kafka", kafka_frame(metadata))


def test_every_truncation_of_a_request_is_survived(raudal, bystander):
    request = struct.pack(">hhih", 3, 1, 7, 2) + b"me" + struct.pack(">ih", 1, 9) + b"bystander"
    for length in range(len(request)):
        talk(raudal, "kafka", kafka_frame(request[:length]))


@pytest.mark.parametrize("name", ["a/b", "a b", "..", "x" * 250])
def test_a_bad_topic_name_is_an_invalid_topic(raudal, bystander, name):
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import InvalidTopicError
    admin = KafkaAdminClient(bootstrap_servers=[raudal.at("kafka")])
    try:
        with pytest.raises(InvalidTopicError):
            answer = admin.create_topics([NewTopic(name, 1, 1)])
            for topic in getattr(answer, "topic_errors", []):
                if topic[1]:
                    raise InvalidTopicError(topic[2])
    finally:
        admin.close()


@pytest.mark.parametrize("data", [
    b"\x00\x00\x00\x2c" + b"\xff" * 44,                         # a connect request of nonsense
    struct.pack(">i", 0x7fffffff),                              # a length beyond jute.maxbuffer
], ids=["nonsense", "oversized"])
def test_a_malformed_zookeeper_packet_closes_that_connection(raudal, bystander, data):
    talk(raudal, "zookeeper", data)


@pytest.mark.parametrize("data", [
    b"hrpc\x09\x00\x00" + struct.pack(">i", 0x7fffffff),
    b"hrpc\x09\x00\x00" + struct.pack(">i", 8) + b"\xff" * 8,
    b"hrpc\x09\x00\x00" + struct.pack(">i", -5),
    b"hrpc\x03\x00\x00",
], ids=["oversized", "nonsense", "negative", "old version"])
def test_a_malformed_rpc_packet_is_survived(raudal, bystander, data):
    talk(raudal, "namenode", data)


def spark(raudal, environment, program):
    return raudal.run(f"""
from pyspark.sql import SparkSession
from pyspark.sql.functions import *
spark = SparkSession.builder.getOrCreate()
def fails(run):
    try:
        run()
    except Exception as error:
        print(type(error).__name__, error.getCondition(), error.getSqlState())
    else:
        print("no error")
""" + program, environment=environment("course")).ok().stdout


@pytest.mark.parametrize("text, answer", [
    ("SELEC 1", "ParseException PARSE_SYNTAX_ERROR 42601"),
    ("SELECT", "ParseException PARSE_SYNTAX_ERROR 42601"),
    ("SELECT * FROM missing", "AnalysisException TABLE_OR_VIEW_NOT_FOUND 42P01"),
    ("SELECT x FROM VALUES (1) AS t(y)", "AnalysisException UNRESOLVED_COLUMN.WITH_SUGGESTION 42703"),
    ("SELECT nofunction(1)", "AnalysisException UNRESOLVED_ROUTINE 42883"),
    ("SELECT 1 / 0", "ArithmeticException DIVIDE_BY_ZERO 22012"),
    ("SELECT CAST('x' AS INT)", "NumberFormatException CAST_INVALID_INPUT 22018"),
    ("SELECT '" + "x" * 100000, "ParseException PARSE_SYNTAX_ERROR 42601"),
], ids=lambda value: value[:20])
def test_sql_text_gets_sparks_error(raudal, bystander, environment, text, answer):
    assert spark(raudal, environment, f"fails(lambda: spark.sql({text!r}).collect())\n").strip() == answer


@pytest.mark.parametrize("shape", ["1" + "+1" * DEEP, "(" * DEEP + "1" + ")" * DEEP, "NOT " * DEEP + "true"],
                         ids=["sum", "brackets", "not"])
def test_deep_sql_is_an_answer_or_an_error(raudal, bystander, environment, shape):
    spark(raudal, environment, f"""
try:
    print(spark.sql("SELECT " + {shape!r}).collect())
except Exception as error:
    print(type(error).__name__)
""")


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_a_deeply_nested_grpc_message_is_an_error(raudal, bystander, environment):
    """Relation.limit.input.limit.input…: a protobuf message of 20,000 levels."""
    message = b""
    for _ in range(DEEP):
        message = b"\x0a" + varint(len(message)) + message      # Limit.input
        message = b"\x42" + varint(len(message)) + message      # Relation.limit
    plan = b"\x0a" + varint(len(message)) + message
    result = environment("course").python(f"""
        import grpc
        plan = bytes.fromhex("{plan.hex()}")
        user = b"\\x12\\x02\\x0a\\x00"
        session = b"\\x0a\\x2400112233-4455-6677-8899-aabbccddeeff"
        length = len(plan)
        size = b""
        while length > 127:
            size += bytes([length & 127 | 128]); length >>= 7
        request = session + user + b"\\x1a" + size + bytes([length]) + plan
        channel = grpc.insecure_channel("{raudal.at('spark-connect')}")
        call = channel.unary_stream("/spark.connect.SparkConnectService/ExecutePlan")
        try:
            print(list(call(request, timeout=20)))
        except grpc.RpcError as error:
            print("error", error.code().name)
        """)
    assert result.ok().stdout.startswith("error ") and "UNAVAILABLE" not in result.stdout, result


def test_an_oversized_grpc_message_is_refused(raudal, bystander, environment):
    result = environment("course").python(f"""
        import grpc
        channel = grpc.insecure_channel("{raudal.at('spark-connect')}", options=[("grpc.max_send_message_length", -1)])
        call = channel.unary_unary("/spark.connect.SparkConnectService/Config")
        try:
            call(bytes(129 * 1024 * 1024), timeout=30)
            print("answered")
        except grpc.RpcError as error:
            print("error", error.code().name)
        """)
    assert result.ok().stdout.strip() == "error RESOURCE_EXHAUSTED", result


def test_an_unknown_grpc_method_is_unimplemented(raudal, bystander, environment):
    result = environment("course").python(f"""
        import grpc
        channel = grpc.insecure_channel("{raudal.at('spark-connect')}")
        try:
            channel.unary_unary("/spark.connect.SparkConnectService/Nonsense")(b"", timeout=10)
        except grpc.RpcError as error:
            print(error.code().name)
        """)
    assert result.ok().stdout.strip() == "UNIMPLEMENTED"


JSON_STREAM = """
from pyspark.sql.types import *
schema = StructType([StructField("timestamp", TimestampType()), StructField("value", IntegerType())])
df = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").option("subscribe", "{topic}")
      .option("startingOffsets", "earliest").load().selectExpr("CAST(value AS STRING)")
      .select(from_json("value", schema, {options}).alias("data")).select("data.*"))
query = df.writeStream.format("memory").queryName("{topic}").trigger(availableNow=True).start()
"""


@pytest.fixture
def with_a_bad_record(raudal, request):
    """A topic whose second and third record do not fit the schema."""
    from kafka import KafkaProducer
    topic = "json_" + request.node.name.replace("[", "_").replace("]", "")[-20:].strip("_")
    producer = KafkaProducer(bootstrap_servers=[raudal.at("kafka")])
    for value in (b'{"timestamp": "2026-03-01T08:00:00", "value": 1}',
                  b'{"timestamp": "2026-03-01T08:00:01", "value": "x"}', b"{broken",
                  b'{"timestamp": "2026-03-01T08:00:02", "value": 2}'):
        producer.send(topic, value, partition=0).get(10)
    producer.close()
    return topic


def test_a_bad_json_record_is_null_in_permissive_mode_and_status_names_it(raudal, environment, with_a_bad_record):
    printed = spark(raudal, environment, JSON_STREAM.format(topic=with_a_bad_record, options="{}") + f"""
query.awaitTermination(30)
for row in spark.sql("SELECT * FROM {with_a_bad_record}").collect():
    print(row.timestamp, row.value)
""")
    assert printed.splitlines() == ["2026-03-01 08:00:00 1", "2026-03-01 08:00:01 None", "None None",
                                    "2026-03-01 08:00:02 2"]
    status = raudal.command("status").ok().stdout
    line = next((line for line in status.splitlines() if with_a_bad_record in line and "value" in line), None)
    assert line and "1" in line, f"first: {with_a_bad_record}, partition 0, offset 1, field value; status says:\n{status}"


def test_a_bad_json_record_stops_the_query_in_failfast_mode(raudal, environment, with_a_bad_record):
    printed = spark(raudal, environment, JSON_STREAM.format(topic=with_a_bad_record,
        options='{"mode": "FAILFAST"}') + """
try:
    query.awaitTermination(30)
except Exception as error:
    print(type(error).__name__, "MALFORMED_RECORD_IN_PARSING" in str(error))
""")
    assert printed.strip() == "StreamingQueryException True"


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + NOISE + b"PAR1", NOISE, b"PAR1\xff\xff\xff\x7fPAR1"],
                         ids=["short", "noise between", "noise", "length"])
def test_a_bad_parquet_file_is_named(raudal, bystander, environment, content, tmp_path):
    (tmp_path / "bad.parquet").write_bytes(content)
    raudal.tool("hdfs", "dfs", "-put", "-f", tmp_path / "bad.parquet", "/bad.parquet").ok()
    printed = spark(raudal, environment, """
try:
    print(spark.read.parquet("/bad.parquet").collect())
except Exception as error:
    print("error", "bad.parquet" in str(error), error.getCondition())
""")
    assert printed.startswith("error True"), printed


def test_a_wrong_option_of_the_kafka_source_is_named(raudal, environment):
    printed = spark(raudal, environment, """
try:
    query = spark.readStream.format("kafka").option("kafka.bootstrap.servers", "kafka:9092").load() \\
        .writeStream.format("noop").start()
    query.awaitTermination(5)
except Exception as error:
    print("subscribe" in str(error))
""")
    assert printed.strip() == "True"


def test_a_foreign_bootstrap_server_is_an_error_that_lists_the_own_names(raudal, environment):
    printed = spark(raudal, environment, """
try:
    query = spark.readStream.format("kafka").option("kafka.bootstrap.servers", "elsewhere:9092") \\
        .option("subscribe", "t").load().writeStream.format("noop").start()
    query.awaitTermination(20)
except Exception as error:
    print("elsewhere:9092" in str(error))
""")
    assert printed.strip() == "True"
