/* server_addresses.c: where each plane listens: at the instance's address with the port of its setting, and wherever
 * the stack shows it besides: other published ports, and the container's ports at each service's own address. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/kafka_properties.h"
#include "cli/server_internal.h"

static void add_address(struct server *server, enum service service, const char *address, uint16_t port) {
    struct server_addresses *list = &server->addresses[service];
    char text[80];
    if (port == 0 || (port == server_port(server, service) && strcmp(address, server->options.address) == 0))
        return; /* the first of the list */
    snprintf(text, sizeof text, "%s:%u", address, port);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return;
    VECTOR_PUSH(list, server_keep_text(server, text));
}

static void add_ports(struct server *server, const struct stack_service *service) {
    for (size_t i = 0; i < service->ports.count; i++) {
        const struct stack_port *port = &service->ports.items[i];
        if (port->service == SERVICE_COUNT)
            continue;
        add_address(server, port->service, server->options.address, port->published);
        add_address(server, port->service, service->address, port->container);
        /* A NameNode sends its clients to the DataNode at the address that they used. */
        if (port->service == SERVICE_NAMENODE || port->service == SERVICE_NAMENODE_UI)
            add_address(server, SERVICE_DATANODE, service->address, server_port(server, SERVICE_DATANODE));
    }
}

/* Further listeners of the broker, which kafka.listeners names. */
static void add_listeners(struct server *server) {
    const char *listeners = settings_kafka(server->settings, "listeners");
    const char *controllers = settings_kafka(server->settings, "controller.listener.names");
    struct kafka_listener parsed[KAFKA_LISTENERS_MAX];
    struct error error;
    size_t count = listeners == NULL ? 0
                                     : kafka_listeners_parse(listeners,
                                           settings_kafka(server->settings, "listener.security.protocol.map"),
                                           controllers == NULL ? "CONTROLLER" : controllers, parsed, &error);
    for (size_t i = 0; i < count; i++)
        add_address(server, SERVICE_KAFKA, server->options.address, parsed[i].port);
}

void server_collect_addresses(struct server *server) {
    const struct stack *stack = server->options.stack;
    size_t datanode_count = 0;
    for (int i = 0; i < SERVICE_COUNT; i++)
        VECTOR_PUSH(&server->addresses[i], server->options.address);
    add_listeners(server);
    for (size_t i = 0; stack != NULL && i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        add_ports(server, service);
        if (service->kind == STACK_DATANODE && datanode_count++ > 0)
            VECTOR_PUSH(&server->shown_datanodes, ((struct hdfs_shown_datanode){service->name, service->address}));
        for (size_t k = 0; k < service->names.count; k++)
            VECTOR_PUSH(&server->host_names, service->names.items[k]);
    }
}

void server_free_addresses(struct server *server) {
    for (int i = 0; i < SERVICE_COUNT; i++)
        VECTOR_FREE(&server->addresses[i]);
    VECTOR_FREE(&server->host_names);
    VECTOR_FREE(&server->shown_datanodes);
}
