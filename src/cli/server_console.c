/* server_console.c: the pages, on the web loop. They start last, so that what they show is there. */
#include "cli/server_internal.h"
#include "console/console.h"
#include "kafka/broker.h"

static uint16_t page_port(const struct server *server, enum service service) {
    return server->options.services[service] ? server_port(server, service) : 0;
}

static struct console_endpoints more_of(const struct server *server, enum service service) {
    return (struct console_endpoints){server->addresses[service].items + 1, server->addresses[service].count - 1};
}

bool server_start_console(struct server *server, struct server_failure *failure) {
    static const enum service pages[] = {
        SERVICE_KAFKA_UI, SERVICE_SPARK_MASTER, SERVICE_SPARK_WORKER, SERVICE_NAMENODE_UI};
    const struct settings *settings = server->settings;
    bool wanted = false;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        wanted = wanted || server->options.services[pages[i]];
    if (!wanted)
        return true;
    failure->service = "pages";
    if (server_disk_pool(server, &failure->error) == NULL || server_open_store(server, &failure->error) == NULL)
        return false;
    struct console_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_WEB],
        .disk_pool = server->disk_pool,
        .address = server->options.address,
        .kafka_port = page_port(server, SERVICE_KAFKA_UI),
        .master_port = page_port(server, SERVICE_SPARK_MASTER),
        .worker_port = page_port(server, SERVICE_SPARK_WORKER),
        .namenode_port = page_port(server, SERVICE_NAMENODE_UI),
        .spark_ui_port = settings_boolean(settings, "spark.ui.enabled") ? settings_port(settings, "spark.ui.port") : 0,
        .kafka_more = more_of(server, SERVICE_KAFKA_UI),
        .master_more = more_of(server, SERVICE_SPARK_MASTER),
        .worker_more = more_of(server, SERVICE_SPARK_WORKER),
        .namenode_more = more_of(server, SERVICE_NAMENODE_UI),
        .shown_datanodes = server->shown_datanodes.items,
        .shown_datanode_count = server->shown_datanodes.count,
        .host_names = server->host_names.items,
        .host_name_count = server->host_names.count,
        .peer_rule = server_peer_rule(server),
        .user = server->instance.user,
        .started_ms = server->instance.started_ms,
        .kafka_broker_port = server_port(server, SERVICE_KAFKA),
        .namenode_rpc_port = server_port(server, SERVICE_NAMENODE),
        .kafka = server->broker == NULL ? NULL : broker_client(server->broker),
        .spark_loop = server->loops[SERVER_LOOP_SPARK],
        .worker_count = settings_integer(settings, "spark.worker.instances"),
        .worker_cores = settings_integer(settings, "spark.worker.cores"),
        .worker_memory = settings_integer(settings, "spark.worker.memory"),
        .store = server->store,
        .hdfs = server->hdfs,
        .log = server->log,
        .metrics = server->metrics,
    };
    options.engine = server_spark_engine(server);
    server_spark_parts(server, &options.streams, &options.connect);
    server->console = console_start(&options, &failure->port, &failure->error);
    if (server->console == NULL)
        return false;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        server->is_serving[pages[i]] = server->options.services[pages[i]];
    failure->port = 0;
    return true;
}

void server_stop_console(struct server *server) {
    if (server->console != NULL)
        console_stop(server->console);
    server->console = NULL;
}
