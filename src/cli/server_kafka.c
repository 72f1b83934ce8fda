/* server_kafka.c: the broker on its own loop, and the streaming engine's way to it. */
#include <stdio.h>
#include <string.h>

#include "cli/server_internal.h"
#include "kafka/broker.h"
#include "kafka/client.h"

static const char *kafka_setting(void *context, const char *name) {
    return settings_kafka(context, name);
}

struct told_list {
    struct broker_told *items;
    size_t count, capacity;
};

/* What the advertised listeners of the compose file say to clients that come by a service's name. */
static void collect_told(const struct server *server, struct told_list *list) {
    const struct stack *stack = server->options.stack;
    for (size_t i = 0; stack != NULL && i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        for (size_t k = 0; k < service->ports.count; k++) {
            const struct stack_port *port = &service->ports.items[k];
            if (port->told != NULL && port->told_port != 0)
                VECTOR_PUSH(
                    list, ((struct broker_told){service->address, port->container, port->told, port->told_port}));
        }
    }
}

bool server_start_kafka(struct server *server, struct server_failure *failure) {
    char folder[PATH_MAX + 16];
    if (!server->options.services[SERVICE_KAFKA])
        return true;
    failure->service = "kafka";
    failure->port = server_port(server, SERVICE_KAFKA);
    if (server_loop(server, SERVER_LOOP_KAFKA, &failure->error) == NULL ||
        server_disk_pool(server, &failure->error) == NULL)
        return false;
    const char *elsewhere = settings_kafka(server->settings, "log.dirs");
    if (elsewhere == NULL)
        elsewhere = settings_kafka(server->settings, "log.dir");
    if (elsewhere != NULL)
        snprintf(folder, sizeof folder, "%s", elsewhere);
    else
        snprintf(folder, sizeof folder, "%s/kafka", server->options.data);
    const char *corruption = settings_text(server->settings, "raudal.corruption");
    if (strcmp(corruption, "skip") != 0 && strcmp(corruption, "stop") != 0)
        return error_set(&failure->error, ERROR_INVALID, "raudal.corruption is skip or stop, not \"%s\"", corruption);
    struct told_list told = {0};
    collect_told(server, &told);
    struct broker_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_KAFKA],
        .disk_pool = server->disk_pool,
        .directory = folder,
        .addresses = server->addresses[SERVICE_KAFKA].items,
        .address_count = server->addresses[SERVICE_KAFKA].count,
        .port = failure->port,
        .told = told.items,
        .told_count = told.count,
        .own_names = server->host_names.items,
        .own_name_count = server->host_names.count,
        .setting = kafka_setting,
        .setting_context = (void *)server->settings,
        .peer_rule = server_peer_rule(server),
        .service_log = service_logs_get(server->logs, LOG_OF_KAFKA),
        .metrics = server->metrics,
        .stops_at_corruption = strcmp(corruption, "stop") == 0,
        .scrub_bytes_per_s = settings_integer(server->settings, "raudal.scrub.rate"),
        .scrub_interval_ms = settings_integer(server->settings, "raudal.scrub.interval") * 1000,
    };
    server->broker = broker_start(&options, &failure->error);
    VECTOR_FREE(&told);
    if (server->broker == NULL) {
        server_destroy_loop(server, SERVER_LOOP_KAFKA);
        return false;
    }
    server->is_serving[SERVICE_KAFKA] = true;
    failure->port = 0;
    return true;
}

void server_stop_kafka(struct server *server) {
    if (server->broker == NULL)
        return;
    broker_stop(server->broker);
    server->broker = NULL;
    server_destroy_loop(server, SERVER_LOOP_KAFKA);
}

/* ---- partitions that somebody should know of, for the status ---- */

static void append_corrupt(struct partition_log *log, struct buffer *out) {
    struct log_quarantine_list list = {0};
    log_quarantined(log, &list);
    for (size_t i = 0; i < list.count; i++)
        buffer_printf(out, "%s{\"first\": %lld, \"last\": %lld}", i > 0 ? ", " : "",
            (long long)list.items[i].first_offset, (long long)list.items[i].last_offset);
    VECTOR_FREE(&list);
}

static void append_partition(struct partition_log *log, struct buffer *out, const char **separator) {
    const char *failure = log_failure(log);
    if (failure == NULL && log_quarantined_count(log) == 0)
        return;
    buffer_printf(out, "%s{\"partition\": \"%s\", \"failure\": ", *separator, log_directory_name(log));
    buffer_append_json_string(out, bytes_from_text(failure == NULL ? "" : failure));
    buffer_append_text(out, ", \"corrupt\": [");
    append_corrupt(log, out);
    buffer_append_text(out, "]}");
    *separator = ", ";
}

void server_append_partitions(struct server *server, struct buffer *out) {
    struct kafka_topic_list topics = {0};
    const char *separator = "";
    if (server->broker == NULL)
        return;
    struct kafka_client *client = broker_client(server->broker);
    kafka_client_topics(client, &topics);
    for (size_t i = 0; i < topics.count; i++)
        for (int32_t k = 0; k < topics.items[i].partition_count; k++) {
            struct partition_log *log = kafka_client_partition(client, topics.items[i].name, k);
            if (log == NULL)
                continue;
            append_partition(log, out, &separator);
            log_release(log);
        }
    kafka_topic_list_free(&topics);
}
