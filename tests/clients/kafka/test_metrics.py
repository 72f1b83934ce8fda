"""/metrics under the names that dashboards for a real Kafka have, and the request log."""
import re
import urllib.request

from harness import wait_until

raudal_options = ["--only", "kafka,kafka-ui"]

PARSE = """
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
names = [family.name for family in families]
assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
for family in families:
    assert family.type in ("counter", "gauge", "histogram") and family.documentation, family.name
    assert family.samples or family.type == "histogram" or family.name.startswith("kafka_"), family.name
print(json.dumps({sample.name + "".join(f"|{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
                  for family in families for sample in family.samples}))
"""

PROGRAM = """
import sys
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata
from kafka.admin import KafkaAdminClient, NewTopic

KafkaAdminClient(bootstrap_servers=sys.argv[1]).create_topics([NewTopic("measured", 2, 1)])
producer = KafkaProducer(bootstrap_servers=sys.argv[1])
for i in range(10):
    producer.send("measured", b"x" * 100, partition=0).get(30)
producer.close()
consumer = KafkaConsumer(bootstrap_servers=sys.argv[1], group_id='a "quoted" group', enable_auto_commit=False,
                         auto_offset_reset="earliest")
partition = TopicPartition("measured", 0)
consumer.assign([partition])
read = 0
while read < 10:
    read += sum(len(records) for records in consumer.poll(1000).values())
consumer.commit({partition: OffsetAndMetadata(4, "", -1)})
consumer.close()
"""


def test_metrics_of_a_small_load(raudal, environment):
    import json
    environment("clients").python(PROGRAM, raudal.at("kafka")).ok()
    text = urllib.request.urlopen(f"http://{raudal.at('kafka-ui')}/metrics", timeout=30).read().decode()
    told = json.loads(environment("lab").python(PARSE, input=text).ok().stdout)
    assert told["kafka_server_brokertopicmetrics_messagesin_total|topic=measured"] == 10
    assert told["kafka_server_brokertopicmetrics_messagesin_total"] >= 10
    assert told["kafka_server_brokertopicmetrics_bytesout_total|topic=measured"] >= 1000
    assert told["kafka_server_brokertopicmetrics_totalproducerequests_total"] >= 10
    assert told["kafka_server_replicamanager_leadercount"] == told["kafka_server_replicamanager_partitioncount"] >= 52
    assert told["kafka_server_replicamanager_underreplicatedpartitions"] == 0
    assert told["kafka_controller_kafkacontroller_activecontrollercount"] == told["kafka_brokers"] == 1
    assert told["kafka_topic_partitions|topic=measured"] == 2
    assert told["kafka_topic_partition_current_offset|partition=0|topic=measured"] == 10
    assert told["kafka_log_log_size|partition=0|topic=measured"] > 1000
    group = 'consumergroup=a "quoted" group'
    assert told[f"kafka_consumergroup_lag|{group}|partition=0|topic=measured"] == 6
    assert told[f"kafka_consumergroup_lag_sum|{group}|topic=measured"] == 6
    assert told[f"kafka_consumergroup_current_offset|{group}|partition=0|topic=measured"] == 4
    assert told[f"kafka_consumergroup_lag_seconds|{group}|partition=0|topic=measured"] > 0
    assert told[f"kafka_consumergroup_members|{group}"] == 0
    produced = told["kafka_network_requestmetrics_requests_total|request=Produce"]
    assert told["raudal_kafka_request_duration_seconds_count|request=Produce"] == produced >= 10
    assert told["raudal_kafka_request_duration_seconds_bucket|le=+Inf|request=Produce"] == produced
    assert 0 < told["kafka_network_requestmetrics_totaltimems|quantile=0.99|request=Produce"] < 60000


def test_the_request_log_is_switched_while_the_broker_runs(raudal):
    log = raudal.data / "logs" / "kafka.log"

    def level(*words):
        raudal.shell(["kafka-configs.sh", "--bootstrap-server", "kafka:9092", "--alter", "--entity-type", "broker-loggers",
                      "--entity-name", "1", *words]).ok()

    def list_topics():
        raudal.shell("kafka-topics.sh --bootstrap-server kafka:9092 --list").ok()

    def lines():
        return [line for line in log.read_text().splitlines() if "requestApiKeyName" in line]
    list_topics()
    assert not lines()
    level("--add-config", "kafka.request.logger=DEBUG")
    list_topics()
    wait_until(lambda: any('"requestApiKeyName":"Metadata"' in line for line in lines()), 30, "a line of the request log")
    assert re.search(r'INFO Completed request:\{"requestHeader":\{"requestApiKey":3,"requestApiVersion":\d+,.*'
                     r'"totalTimeMs":\d+\.\d+,.*\}\} \(kafka\.request\.logger\)$', "\n".join(lines()), re.M), lines()
    level("--delete-config", "kafka.request.logger")
    known = len(lines())
    list_topics()
    assert len(lines()) == known
