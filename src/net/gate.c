/* gate.c: who may come in: counts, limits, the rule about other users of the machine. */
#include "net/net_internal.h"

#include <stdio.h>

static struct net_counters make_counters(struct metrics *metrics, const char *protocol) {
    struct net_counters counters = {0};
    if (metrics == NULL)
        return counters;
    char labels[64];
    snprintf(labels, sizeof labels, "protocol=\"%s\"", protocol);
    counters.open = metrics_get(metrics, METRIC_GAUGE, "raudal_connections", "Open connections.", labels);
    counters.accepted =
        metrics_get(metrics, METRIC_COUNTER, "raudal_connections_accepted_total", "Connections accepted.", labels);
    counters.refused = metrics_get(
        metrics, METRIC_COUNTER, "raudal_connections_refused_total", "Connections refused by a limit or rule.", labels);
    counters.received = metrics_get(metrics, METRIC_COUNTER, "raudal_received_bytes_total", "Bytes received.", labels);
    counters.sent = metrics_get(metrics, METRIC_COUNTER, "raudal_sent_bytes_total", "Bytes sent.", labels);
    return counters;
}

static size_t address_count(const struct net_gate *gate, const struct world_address *address) {
    return (size_t)(uintptr_t)map_get_text(&gate->address_counts, address->text);
}

static void change_address_count(struct net_gate *gate, const struct world_address *address, int by) {
    size_t count = address_count(gate, address) + (size_t)by;
    if (count == 0)
        map_remove(&gate->address_counts, bytes_from_text(address->text));
    else
        map_set_text(&gate->address_counts, address->text, (void *)(uintptr_t)count);
}

static size_t address_limit(const struct net_gate *gate, const struct world_address *peer) {
    for (size_t i = 0; i < gate->limits.address_limit_count; i++)
        if (strcmp(gate->limits.address_limits[i].address, peer->text) == 0)
            return gate->limits.address_limits[i].connection_count_max;
    return gate->limits.connection_per_address_max == NET_NO_CONNECTION ? 0 : gate->limits.connection_per_address_max;
}

/* Why a socket may not become a connection, or NULL. */
static const char *refusal(struct net_gate *gate, const struct world_socket *socket, const struct world_address *peer) {
    if (gate->connection_count >= gate->limits.connection_count_max)
        return "too many connections";
    if (address_count(gate, peer) >= address_limit(gate, peer))
        return "too many connections from this address";
    if (gate->peer_rule == NET_PEER_SAME_USER) {
        int64_t uid = world_socket_peer_uid(socket);
        if (uid < 0)
            return "no process of this machine is at the other end";
        if (uid != 0 && uid != world_user_id(gate->world))
            return "it belongs to another user of this machine (start with --share to allow that)";
    }
    return NULL;
}

void net_gate_open(struct net_gate *gate, const char *protocol, struct world *world, const struct net_limits *limits,
    enum net_peer_rule peer_rule, struct service_log *log, struct metrics *metrics) {
    *gate = (struct net_gate){
        .protocol = protocol,
        .world = world,
        .limits = net_limits_with_defaults(limits),
        .peer_rule = peer_rule,
        .log = log,
        .counters = make_counters(metrics, protocol),
    };
}

bool net_gate_enter(struct net_gate *gate, const struct world_socket *socket) {
    struct world_address peer = world_socket_peer(socket);
    const char *reason = refusal(gate, socket, &peer);
    if (reason != NULL) {
        net_count(gate->counters.refused, 1);
        service_log_write(gate->log, LOG_WARN, "raudal.net", "Refused the %s connection of %s port %u: %s",
            gate->protocol, peer.text, peer.port, reason);
        return false;
    }
    gate->connection_count++;
    change_address_count(gate, &peer, 1);
    net_count(gate->counters.accepted, 1);
    net_count(gate->counters.open, 1);
    return true;
}

void net_gate_leave(struct net_gate *gate, const struct world_address *peer) {
    gate->connection_count--;
    change_address_count(gate, peer, -1);
    net_count(gate->counters.open, -1);
}

void net_gate_close(struct net_gate *gate) {
    ASSERT(gate->connection_count == 0);
    map_free(&gate->address_counts);
}

void net_run_on_loop(struct world_loop *loop, world_function *function, void *argument) {
    if (world_loop_is_current(loop))
        function(argument);
    else
        world_loop_call(loop, function, argument);
}
