/* connection.c: one connection: input by frames or bytes, output of parts, its life.
 *
 * Everything that happens to a connection happens in a "turn": a readiness event, its timer, or a post that it
 * scheduled for itself. Callbacks run inside a turn; what they ask for (sends, resume, close) is done at the turn's
 * end, so that no callback is entered from within another. */
#include "net/net_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SCRATCH_SIZE = 65536,          /* read at once; shared by the connections of a thread */
    READS_PER_TURN = 8,            /* then other connections have their turn */
    COPY_PART_SIZE = 65536,        /* copies are joined up to this size */
    GATHERED_PARTS = 64,           /* handed to one write */
    FLUSH_SIZE_PER_TURN = 4 << 20, /* then other connections have their turn */
    DISCARD_SIZE_MAX = 1 << 20,    /* unread input thrown away at a close */
    CLOSE_TIMEOUT_MS = 10000,
    UID_UNKNOWN = -2,
};

static void run_turn(void *argument);
static void on_ready(void *argument, bool readable, bool writable);

struct net_limits net_limits_with_defaults(const struct net_limits *limits) {
    struct net_limits filled = limits != NULL ? *limits : (struct net_limits){0};
    filled.connection_count_max = filled.connection_count_max == 0 ? 10000 : filled.connection_count_max;
    filled.connection_per_address_max =
        filled.connection_per_address_max == 0 ? filled.connection_count_max : filled.connection_per_address_max;
    filled.frame_size_max = filled.frame_size_max == 0 ? 100u << 20 : filled.frame_size_max;
    filled.input_size_max = filled.input_size_max == 0 ? 1u << 20 : filled.input_size_max;
    filled.output_pause_size = filled.output_pause_size == 0 ? 1u << 20 : filled.output_pause_size;
    return filled;
}

static uint8_t *scratch(void) {
    static _Thread_local uint8_t
        memory[SCRATCH_SIZE]; /* untouched, and so without cost, on threads that read no socket */
    return memory;
}

/* ---- references and accessors ---- */

struct net_connection *net_retain(struct net_connection *connection) {
    connection->reference_count++;
    return connection;
}

void net_release(struct net_connection *connection) {
    ASSERT(connection->reference_count > 0);
    if (--connection->reference_count > 0)
        return;
    ASSERT(connection->is_closed);
    buffer_free(&connection->input);
    buffer_free(&connection->body);
    buffer_free(&connection->spare);
    free(connection->parts);
    free(connection->reason);
    free(connection);
}

void net_set_state(struct net_connection *connection, void *state) {
    connection->state = state;
}
void *net_state(const struct net_connection *connection) {
    return connection->state;
}
struct world_loop *net_loop(const struct net_connection *connection) {
    return connection->loop;
}
struct net_server *net_connection_server(const struct net_connection *connection) {
    return connection->server;
}
uint64_t net_id(const struct net_connection *connection) {
    return connection->id;
}
const struct world_address *net_peer(const struct net_connection *connection) {
    return &connection->peer;
}
const struct world_address *net_local(const struct net_connection *connection) {
    return &connection->local;
}
int64_t net_peer_uid(struct net_connection *connection) {
    if (connection->peer_uid == UID_UNKNOWN)
        connection->peer_uid = connection->socket != NULL ? world_socket_peer_uid(connection->socket) : -1;
    return connection->peer_uid;
}
int64_t net_opened_ms(const struct net_connection *connection) {
    return connection->opened_ms;
}
uint64_t net_bytes_received(const struct net_connection *connection) {
    return connection->received_size;
}
uint64_t net_bytes_sent(const struct net_connection *connection) {
    return connection->sent_size;
}
bool net_is_closed(const struct net_connection *connection) {
    return connection->is_closed;
}
size_t net_output_size(const struct net_connection *connection) {
    return connection->output_size;
}
bool net_output_full(const struct net_connection *connection) {
    return connection->is_full;
}

static void schedule(struct net_connection *connection) {
    if (connection->is_scheduled || connection->is_in_turn)
        return;
    connection->is_scheduled = true;
    world_loop_post(connection->loop, run_turn, net_retain(connection));
}

static void watch(struct net_connection *connection, bool readable, bool writable) {
    if (connection->is_closed || (connection->watches_readable == readable && connection->watches_writable == writable))
        return;
    connection->watches_readable = readable;
    connection->watches_writable = writable;
    world_socket_watch(connection->socket, on_ready, connection, readable, writable);
}

/* ---- output ---- */

static size_t part_size(const struct net_part *part) {
    if (part->file != NULL)
        return part->file_size;
    return part->owned.data != NULL ? part->owned.size - part->sent : part->data.size;
}

static struct bytes part_view(const struct net_part *part) {
    if (part->owned.data != NULL)
        return bytes_make(part->owned.data + part->sent, part->owned.size - part->sent);
    return part->data;
}

static void part_finish(struct net_connection *connection, struct net_part *part) {
    if (part->owned.data != NULL && connection->spare.data == NULL && part->owned.capacity <= COPY_PART_SIZE * 2) {
        connection->spare = part->owned;
        connection->spare.size = 0;
    } else {
        buffer_free(&part->owned);
    }
    if (part->release != NULL)
        part->release(part->argument);
}

static void drop_parts(struct net_connection *connection) {
    while (connection->part_count > 0) {
        struct net_part part = connection->parts[connection->part_first++];
        connection->part_count--;
        part_finish(connection, &part);
    }
    connection->part_first = 0;
    connection->output_size = 0;
}

static void add_size(struct net_connection *connection, size_t size) {
    connection->output_size += size;
    if (connection->output_size > connection->limits.output_pause_size)
        connection->is_full = true;
    schedule(connection);
}

static struct net_part *add_part(struct net_connection *connection) {
    if (connection->part_first + connection->part_count == connection->part_capacity && connection->part_first > 0) {
        memmove(connection->parts, connection->parts + connection->part_first,
            connection->part_count * sizeof connection->parts[0]);
        connection->part_first = 0;
    }
    connection->parts = vector_grow(
        connection->parts, connection->part_count, 1, &connection->part_capacity, sizeof connection->parts[0]);
    struct net_part *part = &connection->parts[connection->part_first + connection->part_count++];
    *part = (struct net_part){0};
    return part;
}

static bool refuses_output(const struct net_connection *connection) {
    return connection->is_closed || connection->is_closing;
}

void net_send_copy(struct net_connection *connection, struct bytes data) {
    if (refuses_output(connection) || data.size == 0)
        return;
    struct net_part *last =
        connection->part_count == 0 ? NULL : &connection->parts[connection->part_first + connection->part_count - 1];
    if (last == NULL || last->owned.data == NULL || last->release != NULL ||
        last->owned.size + data.size > COPY_PART_SIZE) {
        last = add_part(connection);
        last->owned = connection->spare;
        connection->spare = (struct buffer){0};
    }
    buffer_append_bytes(&last->owned, data);
    add_size(connection, data.size);
}

void net_send_buffer(struct net_connection *connection, struct buffer *buffer) {
    if (refuses_output(connection) || buffer->size == 0) {
        buffer_free(buffer);
        return;
    }
    size_t size = buffer->size;
    add_part(connection)->owned = *buffer;
    *buffer = (struct buffer){0};
    add_size(connection, size);
}

static bool release_refused(
    struct net_connection *connection, size_t size, net_release_function *release, void *argument) {
    if (!refuses_output(connection) && size > 0)
        return false;
    if (release != NULL)
        release(argument);
    return true;
}

void net_send_bytes(
    struct net_connection *connection, struct bytes data, net_release_function *release, void *argument) {
    if (release_refused(connection, data.size, release, argument))
        return;
    struct net_part *part = add_part(connection);
    part->data = data;
    part->release = release;
    part->argument = argument;
    add_size(connection, data.size);
}

void net_send_file(struct net_connection *connection, struct world_file *file, int64_t offset, size_t size,
    net_release_function *release, void *argument) {
    if (release_refused(connection, size, release, argument))
        return;
    struct net_part *part = add_part(connection);
    part->file = file;
    part->offset = offset;
    part->file_size = size;
    part->release = release;
    part->argument = argument;
    add_size(connection, size);
}

/* One write or sendfile of what is first. Same results as world_socket_write. */
static ssize_t send_some(struct net_connection *connection, struct error *error) {
    struct net_part *parts = connection->parts + connection->part_first;
    if (parts[0].file != NULL)
        return world_socket_send_file(connection->socket, parts[0].file, parts[0].offset, parts[0].file_size, error);
    struct bytes views[GATHERED_PARTS];
    size_t count = 0;
    while (count < connection->part_count && count < GATHERED_PARTS && parts[count].file == NULL) {
        views[count] = part_view(&parts[count]);
        count++;
    }
    return world_socket_write(connection->socket, views, count, error);
}

/* Removes `size` sent bytes from the front. */
static void advance_output(struct net_connection *connection, size_t size) {
    connection->output_size -= size;
    connection->sent_size += size;
    net_count(connection->counters.sent, (int64_t)size);
    while (size > 0) {
        struct net_part *part = &connection->parts[connection->part_first];
        size_t left = part_size(part);
        if (size < left) {
            part->sent += size;
            part->offset += (int64_t)size;
            part->file_size -= part->file != NULL ? size : 0;
            if (part->owned.data == NULL && part->file == NULL)
                part->data = bytes_make(part->data.data + size, left - size);
            return;
        }
        size -= left;
        struct net_part finished = *part;
        connection->part_first++;
        connection->part_count--;
        part_finish(connection, &finished);
    }
    if (connection->part_count == 0)
        connection->part_first = 0;
}

static void finish(struct net_connection *connection, const struct error *reason);

static void flush(struct net_connection *connection) {
    size_t flushed_size = 0;
    while (!connection->is_closed && connection->part_count > 0) {
        struct error error = {0};
        ssize_t count = send_some(connection, &error);
        if (count < 0) {
            finish(connection, &error);
            return;
        }
        if (count > 0) {
            advance_output(connection, (size_t)count);
            connection->active_ms = world_loop_now_ms(connection->loop);
        }
        flushed_size += (size_t)count;
        if (count == 0 || flushed_size >= FLUSH_SIZE_PER_TURN)
            break;
    }
    if (connection->is_full && connection->output_size <= connection->limits.output_pause_size / 2) {
        connection->is_full = false;
        connection->tells_writable = connection->wants_delivery = true;
        schedule(connection);
    }
    watch(connection, connection->watches_readable, connection->part_count > 0);
}

void net_flush(struct net_connection *connection) {
    if (!connection->is_closed)
        flush(connection);
}

/* ---- input ---- */

static bool may_deliver(const struct net_connection *connection) {
    return !connection->is_paused && !connection->is_full && !connection->is_closing && !connection->is_closed;
}

static bool takes_input(const struct net_connection *connection) {
    return may_deliver(connection) && !connection->waits_for_memory;
}

void net_connection_wake(struct net_connection *connection) {
    connection->wants_delivery = true;
    schedule(connection);
}

static void call_frame(struct net_connection *connection, struct bytes frame, bool is_body) {
    connection->frame = frame;
    connection->frame_is_body = is_body;
    connection->frame_taken = connection->is_partial = false;
    connection->active_ms = world_loop_now_ms(connection->loop);
    connection->protocol->frame(connection, frame);
    if (!connection->frame_taken)
        net_memory_give(connection, frame.size);
    connection->frame = BYTES_NULL;
}

void net_frame_done(struct net_connection *connection, size_t size) {
    net_memory_give(connection, size);
}

struct buffer net_take_frame(struct net_connection *connection) {
    ASSERT(connection->frame.data != NULL && !connection->frame_taken);
    struct buffer taken = {0};
    connection->frame_taken = true;
    if (connection->frame_is_body) {
        taken = connection->body;
        connection->body = (struct buffer){0};
    } else {
        buffer_append_bytes(&taken, connection->frame);
    }
    return taken;
}

static void refuse_frame(struct net_connection *connection, int32_t size) {
    net_count(connection->counters.refused, 1);
    if (connection->protocol->frame_refused != NULL) {
        connection->protocol->frame_refused(connection, size);
        net_close(connection);
        return;
    }
    struct error error = {0};
    error_set(
        &error, ERROR_LIMIT, "a frame of %d bytes, at most %zu are allowed", size, connection->limits.frame_size_max);
    finish(connection, &error);
}

/* Delivers the frames in `view`; returns how much of it is done with. The start of a large frame moves to `body`. */
static size_t deliver_frames(struct net_connection *connection, struct bytes view) {
    size_t at = 0;
    while (may_deliver(connection) && view.size - at >= 4) {
        int32_t size = (int32_t)load_be32(view.data + at);
        if (size < 0 || (size_t)size > connection->limits.frame_size_max) {
            refuse_frame(connection, size);
            return view.size;
        }
        bool is_whole = view.size - at - 4 >= (size_t)size;
        if ((is_whole || size >= NET_LARGE_FRAME_SIZE) && !net_memory_take(connection, (size_t)size))
            break;
        if (is_whole) {
            at += 4 + (size_t)size;
            call_frame(connection, bytes_make(view.data + at - size, (size_t)size), false);
            continue;
        }
        if (size >= NET_LARGE_FRAME_SIZE) {
            connection->body_size = connection->reserved = (size_t)size;
            buffer_append(&connection->body, view.data + at + 4, view.size - at - 4);
            return view.size;
        }
        break;
    }
    return at;
}

static size_t deliver_data(struct net_connection *connection, struct bytes view) {
    size_t at = 0;
    while (takes_input(connection) && at < view.size) {
        size_t consumed = connection->protocol->data(connection, bytes_make(view.data + at, view.size - at));
        ASSERT(consumed <= view.size - at);
        at += consumed;
        if (consumed == 0)
            break;
    }
    if (!connection->is_closed && view.size - at > connection->limits.input_size_max) {
        struct error error = {0};
        error_set(&error, ERROR_LIMIT, "more than %zu bytes of unfinished input", connection->limits.input_size_max);
        finish(connection, &error);
    }
    return at;
}

static size_t deliver(struct net_connection *connection, struct bytes view) {
    return connection->protocol->frame != NULL ? deliver_frames(connection, view) : deliver_data(connection, view);
}

static void deliver_body(struct net_connection *connection) {
    if (connection->body_size == 0 || connection->body.size < connection->body_size || !takes_input(connection))
        return;
    connection->body_size = connection->reserved = 0;
    call_frame(connection, buffer_view(&connection->body), true);
    buffer_free(&connection->body);
}

/* Delivers what is buffered. */
static void deliver_buffered(struct net_connection *connection) {
    connection->wants_delivery = false;
    deliver_body(connection);
    struct buffer *input = &connection->input;
    if (connection->body_size > 0 || input->size == connection->input_start || !may_deliver(connection))
        return;
    connection->input_start +=
        deliver(connection, bytes_make(input->data + connection->input_start, input->size - connection->input_start));
    if (connection->input_start == input->size) {
        buffer_free(input); /* an idle connection holds no memory */
        connection->input_start = 0;
    } else if (connection->input_start > input->size / 2) {
        buffer_consume(input, connection->input_start);
        connection->input_start = 0;
    }
}

/* Bytes read into the scratch memory. */
static void take_fresh(struct net_connection *connection, struct bytes fresh) {
    ASSERT(connection->body_size == 0);
    if (connection->input.size == 0) {
        size_t consumed = deliver(connection, fresh);
        if (consumed < fresh.size)
            buffer_append(&connection->input, fresh.data + consumed, fresh.size - consumed);
        return;
    }
    buffer_append_bytes(&connection->input, fresh);
    deliver_buffered(connection);
}

/* One read. A large frame is read straight into its own memory, which grows as the bytes arrive: a length alone
 * allocates nothing. */
static bool read_some(struct net_connection *connection) {
    struct error error = {0};
    size_t left = connection->body_size > 0 ? connection->body_size - connection->body.size : 0;
    size_t grown = connection->body.size > SCRATCH_SIZE ? connection->body.size : SCRATCH_SIZE;
    size_t size = left == 0 ? SCRATCH_SIZE : left < grown ? left : grown;
    uint8_t *place = left > 0 ? buffer_reserve(&connection->body, size) : scratch();
    ssize_t count = world_socket_read(connection->socket, place, size, &error);
    if (count < 0) {
        connection->has_ended = error.code == ERROR_CLOSED && connection->protocol->ended != NULL &&
                                connection->protocol->ended(connection);
        if (!connection->has_ended)
            finish(connection, &error);
        return false;
    }
    connection->received_size += (size_t)count;
    net_count(connection->counters.received, count);
    if (count == 0)
        return false;
    if (connection->protocol->frame == NULL)
        connection->active_ms = world_loop_now_ms(connection->loop);
    if (left > 0) {
        connection->body.size += (size_t)count;
        deliver_body(connection);
    } else {
        take_fresh(connection, bytes_make(place, (size_t)count));
    }
    return (size_t)count == size;
}

void net_pause(struct net_connection *connection) {
    connection->is_paused = true;
}

void net_resume(struct net_connection *connection) {
    if (!connection->is_paused)
        return;
    connection->is_paused = false;
    connection->wants_delivery = true;
    schedule(connection);
}

void net_set_frame_size_max(struct net_connection *connection, size_t size) {
    connection->limits.frame_size_max = size;
}

/* ---- life ---- */

/* Bytes that the peer sent and nobody will read would make the kernel answer the close with a reset, which can destroy
 * what we sent last. */
static void discard_input(struct net_connection *connection) {
    for (size_t discarded = 0; discarded < DISCARD_SIZE_MAX;) {
        ssize_t count = world_socket_read(connection->socket, scratch(), SCRATCH_SIZE, NULL);
        if (count <= 0)
            return;
        discarded += (size_t)count;
    }
}

static void finish(struct net_connection *connection, const struct error *reason) {
    if (connection->is_closed)
        return;
    connection->is_closed = true;
    net_memory_leave(connection);
    net_memory_give(connection, connection->reserved);
    connection->reserved = 0;
    world_socket_close(connection->socket);
    connection->socket = NULL;
    world_timer_destroy(connection->timer);
    connection->timer = NULL;
    drop_parts(connection);
    connection->reason = calloc(1, sizeof *connection->reason);
    ASSERT(connection->reason != NULL);
    if (reason != NULL)
        *connection->reason = *reason;
    connection->tells_closed = connection->is_opened;
    schedule(connection);
}

/* Time until the frame that has begun must be whole. */
static int64_t frame_left_ms(const struct net_connection *connection) {
    int64_t allowed_ms = connection->limits.frame_timeout_ms + (int64_t)(connection->body_size >> 18) * 1000;
    return connection->frame_since_ms + allowed_ms - world_loop_now_ms(connection->loop);
}

static void check_deadline(void *argument) {
    struct net_connection *connection = argument;
    int64_t timeout_ms = connection->is_closing ? CLOSE_TIMEOUT_MS : connection->limits.idle_timeout_ms;
    int64_t left_ms =
        timeout_ms == 0 ? INT64_MAX : timeout_ms - (world_loop_now_ms(connection->loop) - connection->active_ms);
    bool times_frame = connection->is_partial && !connection->is_closing && connection->limits.frame_timeout_ms > 0;
    struct error error = {0};
    if (times_frame && frame_left_ms(connection) <= 0)
        error_set(&error, ERROR_TIMEOUT, "a frame that began %lld ms ago is not whole",
            (long long)(world_loop_now_ms(connection->loop) - connection->frame_since_ms));
    else if (left_ms <= 0)
        error_set(&error, ERROR_TIMEOUT, "nothing came or went for %lld ms", (long long)timeout_ms);
    if (error.code != ERROR_NONE) {
        finish(connection, &error);
        return;
    }
    if (times_frame && frame_left_ms(connection) < left_ms)
        left_ms = frame_left_ms(connection);
    if (left_ms < INT64_MAX)
        world_timer_start(connection->timer, left_ms, 0);
}

static void start_timer(struct net_connection *connection, int64_t delay_ms) {
    if (connection->timer == NULL)
        connection->timer = world_timer_create(connection->loop, check_deadline, connection);
    world_timer_start(connection->timer, delay_ms, 0);
}

void net_set_idle_timeout(struct net_connection *connection, int64_t timeout_ms) {
    connection->limits.idle_timeout_ms = timeout_ms;
    if (timeout_ms > 0 && !connection->is_closed && !connection->is_closing)
        start_timer(connection, timeout_ms);
}

void net_close(struct net_connection *connection) {
    if (refuses_output(connection))
        return;
    connection->is_closing = true;
    connection->active_ms = world_loop_now_ms(connection->loop);
    schedule(connection);
}

void net_abort(struct net_connection *connection, const struct error *reason) {
    finish(connection, reason);
}

/* The end of a closed connection. A server keeps it until here, so that stopping the server waits for the callback. */
static void tell_closed(struct net_connection *connection) {
    connection->tells_closed = false;
    if (connection->protocol->closed != NULL)
        connection->protocol->closed(connection, connection->reason);
    if (connection->server != NULL)
        net_server_forget(connection->server, connection);
    connection->server = NULL;
    net_release(connection); /* the connection's own reference */
}

/* A peer that begins a frame has to bring it to its end. */
static void watch_frame(struct net_connection *connection) {
    bool has_part = connection->body_size > 0 || connection->input.size > connection->input_start;
    if (connection->protocol->frame == NULL || !has_part || !takes_input(connection)) {
        connection->is_partial = false;
    } else if (!connection->is_partial) {
        connection->is_partial = true;
        connection->frame_since_ms = connection->active_ms = world_loop_now_ms(connection->loop);
        int64_t idle_ms = connection->limits.idle_timeout_ms, frame_ms = frame_left_ms(connection);
        if (connection->limits.frame_timeout_ms > 0)
            start_timer(connection, idle_ms > 0 && idle_ms < frame_ms ? idle_ms : frame_ms);
    }
}

static void end_turn(struct net_connection *connection) {
    flush(connection);
    watch_frame(connection);
    if (connection->is_closing && !connection->is_closed) {
        if (connection->part_count == 0) {
            discard_input(connection);
            finish(connection, NULL);
        } else if (connection->timer == NULL || !connection->times_close) {
            connection->times_close = true;
            start_timer(connection, CLOSE_TIMEOUT_MS);
        }
    }
    /* A connection that takes no input stays watched until something arrives: a pause is often over before that. */
    watch(connection,
        !connection->is_closing && !connection->has_ended && (takes_input(connection) || connection->watches_readable),
        connection->part_count > 0);
    connection->is_in_turn = false;
    if (connection->tells_closed) {
        tell_closed(connection);
    } else if (!connection->is_closed && (connection->tells_writable || connection->wants_delivery)) {
        schedule(connection);
    }
}

/* What was asked for since the last turn. */
static void do_due(struct net_connection *connection) {
    if (connection->tells_writable && !connection->is_closed) {
        connection->tells_writable = false;
        if (connection->protocol->writable != NULL)
            connection->protocol->writable(connection);
    }
    deliver_buffered(connection);
}

static void run_turn(void *argument) {
    struct net_connection *connection = argument;
    connection->is_scheduled = false;
    connection->is_in_turn = true;
    if (!connection->is_closed)
        flush(connection);
    do_due(connection);
    end_turn(connection);
    net_release(connection); /* the post's */
}

static void on_ready(void *argument, bool readable, bool writable) {
    struct net_connection *connection = net_retain(argument);
    connection->is_in_turn = true;
    if (writable)
        flush(connection);
    do_due(connection);
    if (readable && connection->has_ended) { /* not input: the peer is gone altogether */
        struct error error = {0};
        error_set(&error, ERROR_CLOSED, "the peer closed the connection");
        finish(connection, &error);
    } else if (readable && !takes_input(connection)) {
        watch(connection, false, connection->watches_writable); /* until it takes input again */
    } else if (readable) {
        for (int i = 0; i < READS_PER_TURN && takes_input(connection) && read_some(connection); i++)
            continue;
    }
    end_turn(connection);
    net_release(connection);
}

struct net_connection *net_connection_create(struct net_server *server, struct world_loop *loop,
    struct world_socket *socket, const struct net_protocol *protocol, void *context, const struct net_limits *limits,
    struct net_counters counters, struct service_log *log) {
    static _Atomic uint64_t last_id;
    struct net_connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection != NULL && (protocol->frame == NULL) != (protocol->data == NULL));
    list_init((struct list *)&connection->node);
    list_init((struct list *)&connection->memory_node);
    connection->server = server;
    connection->loop = loop;
    connection->socket = socket;
    connection->protocol = protocol;
    connection->limits = *limits;
    connection->counters = counters;
    connection->log = log;
    connection->id = ++last_id;
    connection->peer = world_socket_peer(socket);
    connection->local = world_socket_local(socket);
    connection->peer_uid = UID_UNKNOWN;
    connection->opened_ms = connection->active_ms = world_loop_now_ms(loop);
    connection->reference_count = 1;
    connection->is_in_turn = true;
    connection->is_opened = protocol->open == NULL || protocol->open(connection, context);
    connection->is_in_turn = false;
    if (!connection->is_opened) {
        connection->is_in_turn = true; /* nothing is scheduled for it any more */
        finish(connection, NULL);
        if (server != NULL)
            net_server_forget(server, connection);
        net_release(connection);
        return NULL;
    }
    connection->tells_closed = connection->is_closed;
    if (connection->limits.idle_timeout_ms > 0 && !connection->is_closed)
        start_timer(connection, connection->limits.idle_timeout_ms);
    watch(connection, true, connection->part_count > 0);
    schedule(connection);
    return connection;
}

void net_connection_end(struct net_connection *connection, const struct error *reason) {
    net_retain(connection);
    connection->is_in_turn = true;
    if (!connection->is_closed)
        flush(connection);
    finish(connection, reason);
    end_turn(connection);
    net_release(connection);
}

struct net_connection *net_connect(struct world_loop *loop, const char *address, uint16_t port,
    const struct net_protocol *protocol, void *context, const struct net_limits *limits, struct error *error) {
    ASSERT(world_loop_is_current(loop));
    struct world_socket *socket = world_connect(loop, address, port, error);
    if (socket == NULL)
        return NULL;
    struct net_limits filled = net_limits_with_defaults(limits);
    struct net_connection *connection =
        net_connection_create(NULL, loop, socket, protocol, context, &filled, (struct net_counters){0}, NULL);
    if (connection == NULL)
        error_set(error, ERROR_CANCELLED, "the protocol refused the connection with %s port %u", address, port);
    return connection;
}
