/* server_kafka.c: the broker on its own loop, and the streaming engine's way to it. */
#include <stdio.h>

#include "cli/server_internal.h"
#include "kafka/broker.h"
#include "kafka/client.h"

static const char *kafka_setting(void *context, const char *name) {
    return settings_kafka(context, name);
}

bool server_start_kafka(struct server *server, struct server_failure *failure) {
    char folder[PATH_MAX + 16];
    const char *address = server->options.address;
    if (!server->options.services[SERVICE_KAFKA])
        return true;
    failure->service = "kafka";
    failure->port = server_port(server, SERVICE_KAFKA);
    if (server_loop(server, SERVER_LOOP_KAFKA, &failure->error) == NULL ||
        server_disk_pool(server, &failure->error) == NULL)
        return false;
    snprintf(folder, sizeof folder, "%s/kafka", server->options.data);
    struct broker_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_KAFKA],
        .disk_pool = server->disk_pool,
        .directory = folder,
        .addresses = &address,
        .address_count = 1,
        .port = failure->port,
        .setting = kafka_setting,
        .setting_context = (void *)server->settings,
        .peer_rule = server_peer_rule(server),
        .service_log = service_logs_get(server->logs, LOG_OF_KAFKA),
        .metrics = server->metrics,
    };
    server->broker = broker_start(&options, &failure->error);
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
