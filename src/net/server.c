/* server.c: listeners; accepting within limits. */
#include "net/net_internal.h"

#include <stdio.h>
#include <stdlib.h>

static struct net_counters make_counters(struct metrics *metrics, const char *protocol) {
    struct net_counters counters = {0};
    if (metrics == NULL)
        return counters;
    char labels[64];
    snprintf(labels, sizeof labels, "protocol=\"%s\"", protocol);
    counters.open = metrics_get(metrics, METRIC_GAUGE, "raudal_connections", "Open connections.", labels);
    counters.accepted = metrics_get(metrics, METRIC_COUNTER, "raudal_connections_accepted_total", "Connections accepted.", labels);
    counters.refused = metrics_get(
        metrics, METRIC_COUNTER, "raudal_connections_refused_total", "Connections refused by a limit or rule.", labels);
    counters.received = metrics_get(metrics, METRIC_COUNTER, "raudal_received_bytes_total", "Bytes received.", labels);
    counters.sent = metrics_get(metrics, METRIC_COUNTER, "raudal_sent_bytes_total", "Bytes sent.", labels);
    return counters;
}

static size_t address_count(const struct net_server *server, const struct world_address *address) {
    return (size_t)(uintptr_t)map_get_text(&server->address_counts, address->text);
}

static void change_address_count(struct net_server *server, const struct world_address *address, int by) {
    size_t count = address_count(server, address) + (size_t)by;
    if (count == 0)
        map_remove(&server->address_counts, bytes_from_text(address->text));
    else
        map_set_text(&server->address_counts, address->text, (void *)(uintptr_t)count);
}

/* Why a socket may not become a connection, or NULL. */
static const char *refusal(struct net_server *server, const struct world_socket *socket, const struct world_address *peer) {
    if (server->connection_count >= server->limits.connection_count_max)
        return "too many connections";
    if (address_count(server, peer) >= server->limits.connection_per_address_max)
        return "too many connections from this address";
    if (server->peer_rule == NET_PEER_SAME_USER) {
        int64_t uid = world_socket_peer_uid(socket);
        if (uid < 0)
            return "no process of this machine is at the other end";
        if (uid != 0 && uid != world_user_id(world_loop_world(server->loop)))
            return "it belongs to another user of this machine (start with --share to allow that)";
    }
    return NULL;
}

static void accepted(void *argument, struct world_socket *socket) {
    struct net_server *server = argument;
    struct world_address peer = world_socket_peer(socket);
    const char *reason = refusal(server, socket, &peer);
    if (reason != NULL) {
        net_count(server->counters.refused, 1);
        service_log_write(server->log, LOG_WARN, "raudal.net", "Refused the %s connection of %s port %u: %s", server->protocol->name,
            peer.text, peer.port, reason);
        world_socket_close(socket);
        return;
    }
    server->connection_count++;
    change_address_count(server, &peer, 1);
    net_count(server->counters.accepted, 1);
    net_count(server->counters.open, 1);
    struct net_connection *connection = net_connection_create(
        server, server->loop, socket, server->protocol, server->context, &server->limits, server->counters, server->log);
    if (connection != NULL)
        list_append(&server->connections, &connection->node);
}

void net_server_forget(struct net_server *server, struct net_connection *connection) {
    list_remove(&connection->node);
    server->connection_count--;
    change_address_count(server, &connection->peer, -1);
    net_count(server->counters.open, -1);
}

struct starting {
    struct net_server *server;
    const struct net_server_options *options;
    struct error *error;
    bool listens;
};

static void close_listeners(struct net_server *server) {
    for (size_t i = 0; i < server->listeners.count; i++)
        world_listener_close(server->listeners.items[i]);
    VECTOR_FREE(&server->listeners);
}

static void start_listeners(void *argument) {
    struct starting *starting = argument;
    struct net_server *server = starting->server;
    for (size_t i = 0; i < starting->options->address_count; i++) {
        const char *address = starting->options->addresses[i];
        struct world_listener *listener = world_listen(server->loop, address, server->port, accepted, server, starting->error);
        if (listener == NULL) {
            close_listeners(server);
            return;
        }
        VECTOR_PUSH(&server->listeners, listener);
        server->port = world_listener_address(listener).port;
    }
    starting->listens = true;
}

static void run_on_loop(struct world_loop *loop, world_function *function, void *argument) {
    if (world_loop_is_current(loop))
        function(argument);
    else
        world_loop_call(loop, function, argument);
}

struct net_server *net_server_start(const struct net_server_options *options, struct error *error) {
    ASSERT(options->loop != NULL && options->protocol != NULL && options->address_count > 0);
    struct net_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->loop = options->loop;
    server->protocol = options->protocol;
    server->context = options->context;
    server->limits = net_limits_with_defaults(&options->limits);
    server->peer_rule = options->peer_rule;
    server->log = options->log;
    server->counters = make_counters(options->metrics, options->protocol->name);
    server->port = options->port;
    list_init(&server->connections);
    struct starting starting = {.server = server, .options = options, .error = error};
    run_on_loop(server->loop, start_listeners, &starting);
    if (starting.listens)
        return server;
    free(server);
    return NULL;
}

static void stop_server(void *argument) {
    struct net_server *server = argument;
    close_listeners(server);
    while (!list_empty(&server->connections))
        net_connection_end(CONTAINER_OF(list_first(&server->connections), struct net_connection, node), NULL);
}

void net_server_stop(struct net_server *server) {
    if (server == NULL)
        return;
    world_loop_call(server->loop, stop_server, server);
    ASSERT(server->connection_count == 0);
    map_free(&server->address_counts);
    free(server);
}

uint16_t net_server_port(const struct net_server *server) {
    return server->port;
}

size_t net_server_connection_count(const struct net_server *server) {
    return server->connection_count;
}

void net_server_each(struct net_server *server, void (*visit)(void *argument, struct net_connection *connection), void *argument) {
    LIST_FOR_EACH(node, &server->connections) {
        struct net_connection *connection = CONTAINER_OF(node, struct net_connection, node);
        if (!connection->is_closed)
            visit(argument, connection);
    }
}
