/* server.c: listeners and the connections that come from them. */
#include "net/net_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void accepted(void *argument, struct world_socket *socket) {
    struct net_server *server = argument;
    if (!net_gate_enter(&server->gate, socket)) {
        world_socket_close(socket);
        return;
    }
    struct net_connection *connection = net_connection_create(server, server->loop, socket, server->protocol,
        server->context, &server->gate.limits, server->gate.counters, server->gate.log);
    if (connection != NULL)
        list_append(&server->connections, &connection->node);
}

/* ---- memory of frames ---- */

/* Small frames do not wait behind large ones whose peers are slow; a quarter more is theirs. */
static bool fits(const struct net_server *server, size_t size) {
    size_t most = server->gate.limits.input_memory_max;
    if (size < NET_LARGE_FRAME_SIZE)
        most += most / 4;
    return server->input_memory == 0 || (size <= most && server->input_memory <= most - size);
}

bool net_memory_take(struct net_connection *connection, size_t size) {
    struct net_server *server = connection->server;
    if (server == NULL || server->gate.limits.input_memory_max == 0)
        return true;
    bool first = size < NET_LARGE_FRAME_SIZE || list_empty(&server->waiting) ||
                 list_first(&server->waiting) == &connection->memory_node;
    if (!fits(server, size) || !first) {
        if (!connection->waits_for_memory)
            list_append(&server->waiting, &connection->memory_node);
        connection->waits_for_memory = true;
        return false;
    }
    server->input_memory += size;
    net_memory_leave(connection);
    return true;
}

void net_memory_leave(struct net_connection *connection) {
    struct net_server *server = connection->server;
    if (!connection->waits_for_memory)
        return;
    connection->waits_for_memory = false;
    list_remove(&connection->memory_node);
    if (!list_empty(&server->waiting)) /* who comes next may fit too */
        net_connection_wake(CONTAINER_OF(list_first(&server->waiting), struct net_connection, memory_node));
}

void net_memory_give(struct net_connection *connection, size_t size) {
    struct net_server *server = connection->server;
    if (server == NULL || size == 0 || server->gate.limits.input_memory_max == 0)
        return;
    ASSERT(server->input_memory >= size);
    server->input_memory -= size;
    if (!list_empty(&server->waiting))
        net_connection_wake(CONTAINER_OF(list_first(&server->waiting), struct net_connection, memory_node));
}

size_t net_server_input_memory(const struct net_server *server, size_t *waiting) {
    *waiting = 0;
    LIST_FOR_EACH(node, &server->waiting)
    ++*waiting;
    return server->input_memory;
}

void net_server_forget(struct net_server *server, struct net_connection *connection) {
    list_remove(&connection->node);
    net_gate_leave(&server->gate, &connection->peer);
}

struct starting {
    struct net_server *server;
    struct error *error;
    bool listens;
};

static void close_listeners(struct net_server *server) {
    for (size_t i = 0; i < server->listeners.count; i++)
        world_listener_close(server->listeners.items[i]);
    VECTOR_FREE(&server->listeners);
}

struct net_endpoint net_endpoint_parse(const char *text, uint16_t common_port) {
    struct net_endpoint endpoint = {.port = common_port};
    const char *colon = strrchr(text, ':');
    bool has_port = colon != NULL && (text[0] == '[' ? colon[-1] == ']' : strchr(text, ':') == colon);
    size_t size = has_port ? (size_t)(colon - text) : strlen(text);
    int64_t port;
    if (has_port && bytes_to_int64(bytes_from_text(colon + 1), &port) && port > 0 && port <= UINT16_MAX)
        endpoint.port = (uint16_t)port;
    if (text[0] == '[' && size > 2 && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    snprintf(endpoint.address, sizeof endpoint.address, "%.*s", (int)size, text);
    return endpoint;
}

static void start_listeners(void *argument) {
    struct starting *starting = argument;
    struct net_server *server = starting->server;
    for (size_t i = 0; i < server->addresses.count; i++) {
        struct net_endpoint endpoint = net_endpoint_parse(server->addresses.items[i], server->port);
        struct world_listener *listener =
            world_listen(server->loop, endpoint.address, endpoint.port, accepted, server, starting->error);
        if (listener == NULL) {
            close_listeners(server);
            return;
        }
        VECTOR_PUSH(&server->listeners, listener);
        if (i == 0)
            server->port = world_listener_address(listener).port;
    }
    starting->listens = true;
}

static void free_server(struct net_server *server) {
    net_gate_close(&server->gate);
    for (size_t i = 0; i < server->addresses.count; i++)
        free(server->addresses.items[i]);
    VECTOR_FREE(&server->addresses);
    free(server);
}

struct net_server *net_server_start(const struct net_server_options *options, struct error *error) {
    ASSERT(options->loop != NULL && options->protocol != NULL && options->address_count > 0);
    struct net_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->loop = options->loop;
    server->protocol = options->protocol;
    server->context = options->context;
    net_gate_open(&server->gate, options->protocol->name, world_loop_world(options->loop), &options->limits,
        options->peer_rule, options->log, options->metrics);
    server->port = options->port;
    for (size_t i = 0; i < options->address_count; i++)
        VECTOR_PUSH(&server->addresses, strdup(options->addresses[i]));
    list_init(&server->connections);
    list_init(&server->waiting);
    if (net_server_resume(server, error))
        return server;
    free_server(server);
    return NULL;
}

bool net_server_resume(struct net_server *server, struct error *error) {
    struct starting starting = {.server = server, .error = error};
    net_run_on_loop(server->loop, start_listeners, &starting);
    return starting.listens;
}

static void stop_server(void *argument) {
    struct net_server *server = argument;
    close_listeners(server);
    while (!list_empty(&server->connections))
        net_connection_end(CONTAINER_OF(list_first(&server->connections), struct net_connection, node), NULL);
}

void net_server_suspend(struct net_server *server) {
    world_loop_call(server->loop, stop_server, server);
}

void net_server_stop(struct net_server *server) {
    if (server == NULL)
        return;
    world_loop_call(server->loop, stop_server, server);
    free_server(server);
}

void net_server_set_limits(struct net_server *server, const struct net_limits *limits) {
    server->gate.limits = net_limits_with_defaults(limits);
}

uint16_t net_server_port(const struct net_server *server) {
    return server->port;
}

size_t net_server_connection_count(const struct net_server *server) {
    return server->gate.connection_count;
}

void net_server_each(
    struct net_server *server, void (*visit)(void *argument, struct net_connection *connection), void *argument) {
    LIST_FOR_EACH(node, &server->connections) {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        if (!connection->is_closed)
            visit(argument, connection);
    }
}
