/* server_kafka.c: the broker on its own loop, and the streaming engine's way to it. */
#include <stdio.h>

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
    snprintf(folder, sizeof folder, "%s/kafka", server->options.data);
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
