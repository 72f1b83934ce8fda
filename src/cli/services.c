#include "cli/services.h"

#include <string.h>

#include "base/bytes.h"

const struct service_row service_table[SERVICE_COUNT] = {
    [SERVICE_KAFKA] = {"kafka", "kafka", "kafka.port", 9092, "", "kafka"},
    [SERVICE_ZOOKEEPER] = {"zookeeper", "zookeeper", "zookeeper.clientPort", 2181, "", "zookeeper"},
    [SERVICE_KAFKA_UI] = {"kafka-ui", "kafka-ui", "kafka-ui.server.port", 8080, "http://", "raudal"},
    [SERVICE_SPARK_MASTER] = {"spark-master", "spark", "spark.master.ui.port", 8081, "http://", "spark"},
    [SERVICE_SPARK_WORKER] = {"spark-worker", "spark", "spark.worker.ui.port", 8082, "http://", "spark"},
    [SERVICE_SPARK_CONNECT] = {"spark-connect", "spark", "spark.connect.grpc.binding.port", 15002, "sc://", "spark"},
    [SERVICE_NAMENODE] = {"namenode", "hdfs", "dfs.namenode.rpc-address", 9000, "hdfs://", "namenode"},
    [SERVICE_NAMENODE_UI] = {"namenode-ui", "hdfs", "dfs.namenode.http-address", 9870, "http://", "namenode"},
    [SERVICE_DATANODE] = {"datanode", "hdfs", "dfs.datanode.address", 9866, "", "datanode"},
    [SERVICE_JUPYTER] = {"jupyter", "jupyter", "jupyter.port", 8888, "http://", "jupyter"},
};

const char *const own_host_names[] = {
    "kafka", "broker", "zookeeper", "namenode", "datanode", "spark-master", "spark-worker"};
const size_t own_host_name_count = sizeof own_host_names / sizeof own_host_names[0];

bool services_parse(const char *list, bool chosen[SERVICE_COUNT], const char **unknown, size_t *unknown_size) {
    memset(chosen, 0, SERVICE_COUNT * sizeof chosen[0]);
    for (const char *word = list; *word != 0;) {
        size_t size = strcspn(word, ",");
        struct bytes name = bytes_make(word, size);
        bool found = false;
        for (int i = 0; i < SERVICE_COUNT; i++)
            if (bytes_equal_text(name, service_table[i].name) || bytes_equal_text(name, service_table[i].plane))
                found = chosen[i] = true;
        if (!found) {
            *unknown = word;
            *unknown_size = size;
            return false;
        }
        word += size + (word[size] == ',');
    }
    return true;
}

const char *services_names(void) {
    return "kafka, zookeeper, kafka-ui, spark (spark-master, spark-worker, spark-connect), hdfs (namenode, "
           "namenode-ui, datanode), jupyter";
}

const char *services_log(const char *name) {
    static const char *const logs[] = {"kafka", "zookeeper", "spark", "namenode", "datanode", "raudal", "jupyter"};
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++)
        if (strcmp(name, logs[i]) == 0)
            return logs[i];
    for (int i = 0; i < SERVICE_COUNT; i++)
        if (strcmp(name, service_table[i].name) == 0 || strcmp(name, service_table[i].plane) == 0)
            return service_table[i].log;
    return NULL;
}
