/* server_switch.c: single services stopped and started again while the process goes on. A stopped service closes its
 * port and connections, so that its clients see it fall; what it keeps stays as it is. */
#include "cli/server_internal.h"
#include "connect/connect.h"
#include "console/console.h"
#include "hdfs/hdfs.h"
#include "kafka/broker.h"
#include "zookeeper/zookeeper.h"

struct switch_row {
    bool (*start)(struct server *server, struct error *error);
    void (*stop)(struct server *server);
};

static void stop_kafka(struct server *server) {
    broker_suspend(server->broker);
    server_hide_broker(server);
}
static bool start_kafka(struct server *server, struct error *error) {
    if (!broker_resume(server->broker, error))
        return false;
    server_show_broker(server);
    return true;
}

static bool start_zookeeper(struct server *server, struct error *error) {
    struct server_failure failure = {0};
    if (server_start_zookeeper(server, &failure))
        return true;
    *error = failure.error;
    return false;
}

static void stop_connect(struct server *server) {
    struct stream_manager *streams;
    struct connect_server *connect;
    server_spark_parts(server, &streams, &connect);
    connect_suspend(connect);
}
static bool start_connect(struct server *server, struct error *error) {
    struct stream_manager *streams;
    struct connect_server *connect;
    server_spark_parts(server, &streams, &connect);
    return connect_resume(connect, error);
}

static void stop_namenode(struct server *server) {
    hdfs_suspend(server->hdfs, HDFS_NAMENODE);
}
static bool start_namenode(struct server *server, struct error *error) {
    return hdfs_resume(server->hdfs, HDFS_NAMENODE, error);
}
static void stop_datanode(struct server *server) {
    hdfs_suspend(server->hdfs, HDFS_DATANODE);
}
static bool start_datanode(struct server *server, struct error *error) {
    return hdfs_resume(server->hdfs, HDFS_DATANODE, error);
}

#define PAGE(name, page)                                                                                               \
    static void stop_##name(struct server *server) {                                                                   \
        console_close_page(server->console, page);                                                                     \
    }                                                                                                                  \
    static bool start_##name(struct server *server, struct error *error) {                                             \
        return console_open_page(server->console, page, error);                                                        \
    }
PAGE(kafka_ui, CONSOLE_KAFKA)
PAGE(spark_master, CONSOLE_MASTER)
PAGE(spark_worker, CONSOLE_WORKER)
PAGE(namenode_ui, CONSOLE_NAMENODE)

static const struct switch_row rows[SERVICE_COUNT] = {
    [SERVICE_KAFKA] = {start_kafka, stop_kafka},
    [SERVICE_ZOOKEEPER] = {start_zookeeper, server_stop_zookeeper},
    [SERVICE_KAFKA_UI] = {start_kafka_ui, stop_kafka_ui},
    [SERVICE_SPARK_MASTER] = {start_spark_master, stop_spark_master},
    [SERVICE_SPARK_WORKER] = {start_spark_worker, stop_spark_worker},
    [SERVICE_SPARK_CONNECT] = {start_connect, stop_connect},
    [SERVICE_NAMENODE] = {start_namenode, stop_namenode},
    [SERVICE_NAMENODE_UI] = {start_namenode_ui, stop_namenode_ui},
    [SERVICE_DATANODE] = {start_datanode, stop_datanode},
    [SERVICE_JUPYTER] = {server_spawn_jupyter, server_stop_jupyter},
};

static bool check(struct server *server, enum service service, struct error *error) {
    return server->is_serving[service] ||
           error_set(error, ERROR_NOT_FOUND, "%s is not served by this Raudal", service_table[service].name);
}

bool server_stop_service(struct server *server, enum service service, struct error *error) {
    if (!check(server, service, error))
        return false;
    if (server->is_stopped[service])
        return true;
    server->is_stopped[service] = true;
    rows[service].stop(server);
    server->stopped_ms[service] = world_wall_ms(server->world);
    service_log_write(server->log, LOG_INFO, "raudal", "%s was stopped", service_table[service].name);
    return true;
}

bool server_start_service(struct server *server, enum service service, struct error *error) {
    if (!check(server, service, error))
        return false;
    if (!server->is_stopped[service])
        return true;
    if (!rows[service].start(server, error)) {
        service_log_write(
            server->log, LOG_ERROR, "raudal", "%s did not start: %s", service_table[service].name, error->message);
        return false;
    }
    server->started_ms[service] = world_wall_ms(server->world);
    server->is_stopped[service] = false;
    service_log_write(server->log, LOG_INFO, "raudal", "%s was started", service_table[service].name);
    return true;
}
