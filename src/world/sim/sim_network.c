/* sim_network.c: listeners and sockets in memory. A link joins two sockets; each direction carries segments that arrive
 * after a delay, in order, and may be cut into pieces of any size. At most WINDOW_SIZE bytes are under way or unread in
 * a direction; more has to wait, as on a real socket. */
#include "world/sim/sim_internal.h"

#include <stdio.h>

enum { WINDOW_SIZE = 64 * 1024, SEGMENT_SIZE_MAX = 16 * 1024 };

struct sim_segment {
    struct list_node node;
    int64_t arrives_ns;
    bool ends;
    struct buffer data;
    size_t at;
};

struct sim_listener {
    struct world_listener base;
    struct list_node node;
    struct sim_loop *loop;
    struct world_address address;
    world_accept_function *accept;
    void *argument;
    struct list pending; /* sockets of ours whose connect arrives */
};

struct sim_socket {
    struct world_socket base;
    struct list_node node; /* in the world */
    struct list_node pending_node;
    struct sim_loop *loop;    /* NULL: not accepted yet */
    struct sim_socket *other; /* NULL: closed */
    struct world_address local, peer;
    struct list incoming; /* segments */
    size_t incoming_size;
    int64_t last_arrival_ns; /* what is sent later arrives later */
    int64_t connected_ns;    /* from when on it is usable */
    bool is_refused, is_reset;
    world_ready_function *ready;
    void *argument;
    bool watches_readable, watches_writable;
};

static struct sim_socket *socket_of(struct world_socket *socket) {
    return (struct sim_socket *)socket;
}

static int64_t delay_ns(struct sim_world *world) {
    int64_t least = world->faults.network_delay_us_min, most = world->faults.network_delay_us_max;
    most = most < least ? least : most;
    return (least + (int64_t)sim_random_below(world, (uint64_t)(most - least) + 1)) * 1000;
}

/* ---- listeners ---- */

static struct sim_listener *find_listener(struct sim_world *world, const char *address, uint16_t port) {
    LIST_FOR_EACH(node, &world->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, node);
        if (listener->address.port == port && strcmp(listener->address.text, address) == 0)
            return listener;
    }
    return NULL;
}

static struct world_listener *listen_on(struct world_loop *loop, const char *address, uint16_t port,
    world_accept_function *accept, void *argument, struct error *error) {
    struct sim_world *world = sim_of(loop->world);
    if (port == 0)
        port = ++world->last_port;
    if (find_listener(world, address, port) != NULL) {
        error_set(error, ERROR_BUSY, "cannot listen on %s port %u: Address already in use", address, port);
        return NULL;
    }
    struct sim_listener *listener = world_allocate(sizeof *listener);
    listener->base.world = loop->world;
    listener->loop = (struct sim_loop *)loop;
    listener->loop->object_count++;
    snprintf(listener->address.text, sizeof listener->address.text, "%s", address);
    listener->address.port = port;
    listener->accept = accept;
    listener->argument = argument;
    list_init(&listener->pending);
    list_append(&world->listeners, &listener->node);
    return &listener->base;
}

static struct world_address listener_address(const struct world_listener *listener) {
    return ((const struct sim_listener *)listener)->address;
}

/* ---- sockets ---- */

static struct sim_socket *make_socket(struct sim_world *world, struct sim_loop *loop) {
    struct sim_socket *socket = world_allocate(sizeof *socket);
    socket->base.world = &world->base;
    socket->loop = loop;
    if (loop != NULL)
        loop->object_count++;
    list_init(&socket->incoming);
    socket->pending_node.next = socket->pending_node.previous = &socket->pending_node;
    list_append(&world->sockets, &socket->node);
    return socket;
}

static void segment_free(struct sim_socket *socket, struct sim_segment *segment) {
    socket->incoming_size -= segment->data.size - segment->at;
    list_remove(&segment->node);
    buffer_free(&segment->data);
    free(segment);
}

static void drop_incoming(struct sim_socket *socket) {
    while (!list_empty(&socket->incoming))
        segment_free(socket, CONTAINER_OF(list_first(&socket->incoming), struct sim_segment, node));
}

static struct sim_segment *send_segment(struct sim_world *world, struct sim_socket *to) {
    struct sim_segment *segment = world_allocate(sizeof *segment);
    int64_t arrives_ns = world->now_ns + delay_ns(world);
    to->last_arrival_ns = arrives_ns > to->last_arrival_ns ? arrives_ns : to->last_arrival_ns;
    segment->arrives_ns = to->last_arrival_ns;
    list_append(&to->incoming, &segment->node);
    return segment;
}

static void reset(struct sim_socket *socket) {
    socket->is_reset = true;
    drop_incoming(socket);
    if (socket->other != NULL) {
        socket->other->is_reset = true;
        drop_incoming(socket->other);
    }
}

static struct world_socket *connect_to(
    struct world_loop *loop, const char *address, uint16_t port, struct error *error) {
    struct sim_world *world = sim_of(loop->world);
    struct sim_socket *client = make_socket(world, (struct sim_loop *)loop);
    snprintf(client->peer.text, sizeof client->peer.text, "%s", address);
    client->peer.port = port;
    client->local = (struct world_address){.text = "127.0.0.1", .port = ++world->last_port};
    client->connected_ns = world->now_ns + delay_ns(world);
    struct sim_listener *listener = find_listener(world, address, port);
    if (listener == NULL || sim_chance(world, world->faults.refuse_ppm)) {
        client->is_refused = true;
        return &client->base;
    }
    struct sim_socket *server = make_socket(world, NULL);
    server->local = client->peer;
    server->peer = client->local;
    server->connected_ns = client->connected_ns;
    server->other = client;
    client->other = server;
    list_append(&listener->pending, &server->pending_node);
    return &client->base;
}

static void accept_first(struct sim_world *world, void *object) {
    struct sim_listener *listener = object;
    struct sim_socket *server = CONTAINER_OF(list_first(&listener->pending), struct sim_socket, pending_node);
    list_remove(&server->pending_node);
    server->loop = listener->loop;
    server->loop->object_count++;
    listener->accept(listener->argument, &server->base);
}

static struct world_address socket_peer(const struct world_socket *socket) {
    return ((const struct sim_socket *)socket)->peer;
}
static struct world_address socket_local(const struct world_socket *socket) {
    return ((const struct sim_socket *)socket)->local;
}
static int64_t socket_peer_uid(const struct world_socket *socket) {
    return 1000;
}

static void socket_watch(
    struct world_socket *base, world_ready_function *ready, void *argument, bool readable, bool writable) {
    struct sim_socket *socket = socket_of(base);
    socket->ready = ready;
    socket->argument = argument;
    socket->watches_readable = readable;
    socket->watches_writable = writable;
}

static bool failed(struct sim_socket *socket, struct error *error) {
    if (!socket->is_refused && !socket->is_reset)
        return false;
    error_set(error, ERROR_CLOSED, "connection with %s port %u: Connection %s", socket->peer.text, socket->peer.port,
        socket->is_refused ? "refused" : "reset by peer");
    return true;
}

static ssize_t socket_read(struct world_socket *base, void *out, size_t size, struct error *error) {
    struct sim_socket *socket = socket_of(base);
    struct sim_world *world = sim_of(base->world);
    if (world->now_ns < socket->connected_ns)
        return 0;
    if (failed(socket, error))
        return -1;
    size_t done = 0;
    while (done < size && !list_empty(&socket->incoming)) {
        struct sim_segment *segment = CONTAINER_OF(list_first(&socket->incoming), struct sim_segment, node);
        if (segment->arrives_ns > world->now_ns || segment->ends)
            break;
        size_t left = segment->data.size - segment->at, part = left < size - done ? left : size - done;
        memcpy((uint8_t *)out + done, segment->data.data + segment->at, part);
        done += part;
        segment->at += part;
        socket->incoming_size -= part;
        if (segment->at == segment->data.size)
            segment_free(socket, segment);
    }
    if (done > 0 || list_empty(&socket->incoming))
        return (ssize_t)done;
    struct sim_segment *segment = CONTAINER_OF(list_first(&socket->incoming), struct sim_segment, node);
    if (segment->arrives_ns > world->now_ns)
        return 0;
    error_set(error, ERROR_CLOSED, "the other end closed the connection");
    return -1;
}

static bool has_room(const struct sim_socket *socket) {
    return socket->other == NULL || socket->other->incoming_size < WINDOW_SIZE;
}

static size_t write_bytes(struct sim_world *world, struct sim_socket *socket, struct bytes data) {
    struct sim_socket *other = socket->other;
    size_t done = 0;
    while (done < data.size && other->incoming_size < WINDOW_SIZE && !socket->is_reset) {
        if (sim_chance(world, world->faults.reset_ppm)) {
            reset(socket);
            break;
        }
        size_t limit = WINDOW_SIZE - other->incoming_size, part = 1 + (size_t)sim_random_below(world, SEGMENT_SIZE_MAX);
        part = part < limit ? part : limit;
        part = part < data.size - done ? part : data.size - done;
        struct sim_segment *segment = send_segment(world, other);
        buffer_append(&segment->data, data.data + done, part);
        other->incoming_size += part;
        done += part;
    }
    return done;
}

static ssize_t socket_write(
    struct world_socket *base, const struct bytes *parts, size_t part_count, struct error *error) {
    struct sim_socket *socket = socket_of(base);
    struct sim_world *world = sim_of(base->world);
    if (world->now_ns < socket->connected_ns)
        return 0;
    if (failed(socket, error))
        return -1;
    if (socket->other == NULL) {
        error_set(error, ERROR_CLOSED, "connection with %s port %u: Broken pipe", socket->peer.text, socket->peer.port);
        return -1;
    }
    size_t done = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t written = write_bytes(world, socket, parts[i]);
        done += written;
        if (written < parts[i].size)
            break;
    }
    return (ssize_t)done;
}

static ssize_t socket_send_file(
    struct world_socket *base, struct world_file *file, int64_t offset, size_t size, struct error *error) {
    uint8_t data[8192];
    ssize_t count = world_file_read(file, data, size < sizeof data ? size : sizeof data, offset, error);
    if (count < 0)
        return -1;
    if (count == 0) {
        error_set(error, ERROR_CORRUPT, "the file ends before offset %lld", (long long)(offset + (int64_t)size));
        return -1;
    }
    struct bytes part = bytes_make(data, (size_t)count);
    return socket_write(base, &part, 1, error);
}

static void socket_close(struct world_socket *base) {
    struct sim_socket *socket = socket_of(base);
    struct sim_world *world = sim_of(base->world);
    if (socket->other != NULL && !socket->is_reset) {
        if (list_empty(&socket->incoming))
            send_segment(world, socket->other)->ends = true;
        else
            reset(socket); /* unread input: the other end is reset, as by a real close */
    }
    if (socket->other != NULL)
        socket->other->other = NULL;
    /* One that was never accepted goes with its client. */
    if (socket->other != NULL && socket->other->loop == NULL) {
        struct sim_socket *server = socket->other;
        list_remove(&server->pending_node);
        list_remove(&server->node);
        drop_incoming(server);
        free(server);
    }
    drop_incoming(socket);
    list_remove(&socket->node);
    list_remove(&socket->pending_node);
    if (socket->loop != NULL)
        socket->loop->object_count--;
    free(socket);
}

static void listener_close(struct world_listener *base) {
    struct sim_listener *listener = (struct sim_listener *)base;
    while (!list_empty(&listener->pending)) {
        struct sim_socket *server = CONTAINER_OF(list_first(&listener->pending), struct sim_socket, pending_node);
        reset(server);
        socket_close(&server->base);
    }
    listener->loop->object_count--;
    list_remove(&listener->node);
    free(listener);
}

static int socket_release(struct world_socket *socket) {
    return -1;
}

static bool loop_watch_descriptor(
    struct world_loop *loop, int descriptor, world_ready_function *ready, void *argument, bool watch) {
    return false;
}

/* ---- readiness ---- */

static bool is_readable(const struct sim_world *world, const struct sim_socket *socket) {
    if (socket->is_refused || socket->is_reset)
        return true;
    if (list_empty(&socket->incoming))
        return false;
    return CONTAINER_OF(socket->incoming.head.next, struct sim_segment, node)->arrives_ns <= world->now_ns;
}

static void tell_ready(struct sim_world *world, void *object) {
    struct sim_socket *socket = object;
    socket->ready(socket->argument, socket->watches_readable && is_readable(world, socket),
        socket->watches_writable && has_room(socket));
}

void sim_network_candidates(struct sim_world *world, struct sim_candidates *candidates) {
    LIST_FOR_EACH(node, &world->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, node);
        if (list_empty(&listener->pending))
            continue;
        int64_t arrives_ns =
            CONTAINER_OF(list_first(&listener->pending), struct sim_socket, pending_node)->connected_ns;
        if (arrives_ns <= world->now_ns)
            sim_add_candidate(candidates, listener->loop, accept_first, listener);
        else
            sim_add_future(candidates, arrives_ns);
    }
    LIST_FOR_EACH(node, &world->sockets) {
        struct sim_socket *socket = CONTAINER_OF(node, struct sim_socket, node);
        if (socket->loop == NULL || (!socket->watches_readable && !socket->watches_writable))
            continue;
        if (world->now_ns < socket->connected_ns)
            sim_add_future(candidates, socket->connected_ns);
        else if ((socket->watches_readable && is_readable(world, socket)) ||
                 (socket->watches_writable && has_room(socket)))
            sim_add_candidate(candidates, socket->loop, tell_ready, socket);
        else if (socket->watches_readable && !list_empty(&socket->incoming))
            sim_add_future(
                candidates, CONTAINER_OF(list_first(&socket->incoming), struct sim_segment, node)->arrives_ns);
    }
}

void sim_network_operations(struct world_operations *operations) {
    operations->listen = listen_on;
    operations->listener_address = listener_address;
    operations->listener_close = listener_close;
    operations->connect = connect_to;
    operations->socket_peer = socket_peer;
    operations->socket_local = socket_local;
    operations->socket_peer_uid = socket_peer_uid;
    operations->socket_watch = socket_watch;
    operations->socket_read = socket_read;
    operations->socket_write = socket_write;
    operations->socket_send_file = socket_send_file;
    operations->socket_close = socket_close;
    operations->socket_release = socket_release;
    operations->loop_watch_descriptor = loop_watch_descriptor;
}
