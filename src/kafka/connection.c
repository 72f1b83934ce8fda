/* connection.c: from frames to requests and from replies to bytes.
 *
 * A frame is: int16 API key, int16 version, int32 correlation id, nullable string client id (always the old form),
 * tagged fields when the version is flexible, then the request. An answer is: int32 size, int32 correlation id, tagged
 * fields when flexible (never for ApiVersions), the reply.
 *
 * Answers leave in the order of the requests. A handler may answer later; a request whose API waits (API_WAITS) stops
 * the reading of its connection meanwhile, as Kafka's brokers do for all; others go on, up to IN_FLIGHT_MAX. */
#include "kafka/internal.h"
#include "kafka/request_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/record_batch.h"

#define IN_FLIGHT_MAX 64
#define SMALL_RANGE 65536 /* ranges up to this size are copied into the answer: one call instead of several */
#define LOGGER "kafka.network.Processor"

static void flush_connection(struct connection *connection);

/* ---- requests ---- */

static void release_gaps(struct api_request *request) {
    for (size_t i = 0; i < request->gaps.count; i++)
        log_range_release((struct log_range *)(uintptr_t)request->gaps.items[i].records.data);
    request->gaps.count = 0;
}

static void request_free(struct api_request *request) {
    struct connection *connection = request->connection;
    list_remove(&request->node);
    list_remove(&request->ready_node);
    connection->request_count--;
    release_gaps(request);
    VECTOR_FREE(&request->gaps);
    buffer_free(&request->out);
    buffer_free(&request->frame);
    net_frame_done(connection->net, request->frame_size);
    arena_destroy(&request->arena);
    free(request);
}

struct bytes api_text(struct api_request *request, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(&request->arena, format, arguments);
    va_end(arguments);
    return bytes_from_text(text);
}

void broker_advertised(const struct api_request *request, struct bytes *host, int32_t *port) {
    const struct broker *broker = request->broker;
    const struct world_address *local = net_local(request->connection->net);
    *host = bytes_from_text(local->text);
    *port = local->port;
    for (size_t i = 0; i < broker->told.count; i++)
        if (broker->told.items[i].at.port == local->port &&
            strcmp(broker->told.items[i].at.address, local->text) == 0) {
            *host = bytes_from_text(broker->told.items[i].as.host);
            *port = broker->told.items[i].as.port;
            return;
        }
    /* Of several advertised listeners, the one with the port that was used; else the first. */
    for (size_t i = 0; i < broker->advertised.count; i++)
        if (i == 0 || broker->advertised.items[i].port == local->port) {
            *host = bytes_from_text(broker->advertised.items[i].host);
            *port = broker->advertised.items[i].port;
        }
}

static void update_reading(struct connection *connection) {
    if (connection->closed)
        return;
    bool wait = connection->request_count >= IN_FLIGHT_MAX;
    LIST_FOR_EACH(node, &connection->requests) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, node);
        if (!request->done && (request->api->flags & API_WAITS))
            wait = true;
    }
    if (wait == connection->paused)
        return;
    connection->paused = wait;
    if (wait)
        net_pause(connection->net);
    else
        net_resume(connection->net);
}

void api_reply_nothing(struct api_request *request) {
    request->done = request->no_answer = true;
    request_metrics_note(request, "Completed", 0);
    flush_connection(request->connection);
}

void api_close(struct api_request *request, const char *why) {
    service_log_write(request->broker->service_log, LOG_WARN, LOGGER,
        "Closing the connection from %s: %s version %d: %s", request->connection->host, request->api->name,
        request->version, why);
    request->done = request->no_answer = request->close_after = true;
    request_metrics_note(request, "Refused", 0);
    flush_connection(request->connection);
}

/* ---- answers ---- */

static size_t gap_size(const struct api_request *request) {
    size_t size = 0;
    for (size_t i = 0; i < request->gaps.count; i++)
        size += request->gaps.items[i].records.size;
    return size;
}

void api_reply(struct api_request *request) {
    struct buffer *out = &request->out;
    struct error error = {0};
    bool flexible = request->version >= request->api->reply->flexible && request->api->key != 18;
    buffer_extend(out, 4);
    store_be32(buffer_extend(out, 4), (uint32_t)request->correlation);
    if (flexible)
        buffer_append_byte(out, 0);
    if (!wire_encode(request->api->reply, request->version, request->reply, out, &request->gaps, &error)) {
        /* Our own mistake: a handler set what this version cannot carry. */
        release_gaps(request);
        api_close(request, error.message);
        return;
    }
    size_t size = out->size - 4 + gap_size(request);
    store_be32(out->data, (uint32_t)size);
    request->done = true;
    request_metrics_note(request, "Completed", size);
    flush_connection(request->connection);
}

static void release_range(void *argument) {
    log_range_release(argument);
    free(argument);
}

/* Small ranges: all into one buffer. False when the file could not be read. */
static bool send_copied(struct api_request *request) {
    struct buffer whole = {0};
    size_t from = 0;
    buffer_reserve(&whole, request->out.size + gap_size(request));
    for (size_t i = 0; i < request->gaps.count; i++) {
        const struct wire_gap *gap = &request->gaps.items[i];
        const struct log_range *range = (const struct log_range *)gap->records.data;
        struct error error = {0};
        buffer_append(&whole, request->out.data + from, gap->position - from);
        from = gap->position;
        if (range->file == NULL) {
            buffer_append(&whole, range->filler, range->size);
            continue;
        }
        ssize_t size =
            world_file_read(range->file, buffer_extend(&whole, range->size), range->size, range->position, &error);
        if (size != (ssize_t)range->size) {
            log_range_distrust(range);
            buffer_free(&whole);
            return false;
        }
    }
    buffer_append(&whole, request->out.data + from, request->out.size - from);
    net_send_buffer(request->connection->net, &whole);
    return true;
}

static void send_ranges(struct api_request *request) {
    struct net_connection *net = request->connection->net;
    size_t from = 0;
    for (size_t i = 0; i < request->gaps.count; i++) {
        const struct wire_gap *gap = &request->gaps.items[i];
        net_send_copy(net, bytes_make(request->out.data + from, gap->position - from));
        from = gap->position;
        if (((const struct log_range *)gap->records.data)->file == NULL) {
            net_send_copy(net, bytes_make(((const struct log_range *)gap->records.data)->filler, gap->records.size));
            continue;
        }
        /* The range leaves the request's arena: it is released when it was sent. */
        struct log_range *range = malloc(sizeof *range);
        ASSERT(range);
        *range = *(const struct log_range *)gap->records.data;
        net_send_file(net, range->file, range->position, range->size, release_range, range);
    }
    request->gaps.count = 0;
    net_send_copy(net, bytes_make(request->out.data + from, request->out.size - from));
}

static bool send_answer(struct api_request *request) {
    if (request->gaps.count == 0)
        net_send_buffer(request->connection->net, &request->out);
    else if (gap_size(request) <= SMALL_RANGE)
        return send_copied(request);
    else
        send_ranges(request);
    return true;
}

static void flush_connection(struct connection *connection) {
    struct list_node *node;
    while (!connection->closed && (node = list_first(&connection->requests))) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, node);
        if (!request->done)
            break;
        bool close = request->close_after;
        if (!request->no_answer && !send_answer(request))
            close = true;
        request_free(request);
        if (close) {
            net_close(connection->net);
            return;
        }
    }
    update_reading(connection);
}

/* ---- answers that wait for the disk ---- */

struct commit_wait {
    struct log_waiter waiter;
    struct api_request *request;
    bool closed;
};

static void cancel_commit_wait(struct api_request *request) {
    log_wait_cancel(&((struct commit_wait *)request->state)->waiter);
}

static void finish_commit_wait(struct api_request *request) {
    if (((struct commit_wait *)request->state)->closed)
        api_close(request, "the partition went offline before the answer was certain");
    else
        api_reply(request);
}

static void on_committed(struct log_waiter *waiter, bool closed) {
    struct commit_wait *wait = waiter->argument;
    wait->closed = closed;
    api_wake(wait->request);
}

void api_reply_when_committed(struct api_request *request, struct partition_log *log, int64_t offset) {
    if (!log || log_high_watermark(log) > offset) {
        api_reply(request);
        return;
    }
    struct commit_wait *wait = ARENA_NEW(&request->arena, struct commit_wait);
    wait->request = request;
    wait->waiter.wake = on_committed;
    wait->waiter.argument = wait;
    request->state = wait;
    request->wake = finish_commit_wait;
    request->cancel = cancel_commit_wait;
    wait->closed = log_wait(log, offset, &wait->waiter) == LOG_WAIT_OFFLINE;
    if (wait->closed)
        finish_commit_wait(request);
}

/* ---- dispatch ---- */

static void drain_ready(struct broker *broker) {
    struct list_node *node;
    while ((node = list_first(&broker->ready_requests))) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, ready_node);
        list_remove(node);
        request->wake(request);
    }
}

static void drain_posted(void *argument) {
    struct broker *broker = argument;
    broker->drain_posted = false;
    drain_ready(broker);
}

void api_wake(struct api_request *request) {
    struct broker *broker = request->broker;
    if (request->ready_node.next != &request->ready_node)
        return;
    list_append(&broker->ready_requests, &request->ready_node);
    if (broker->dispatch_depth == 0 && !broker->drain_posted) {
        broker->drain_posted = true;
        world_loop_post(broker->loop, drain_posted, broker);
    }
}

static void refuse_frame(struct connection *connection, const char *why) {
    service_log_write(
        connection->broker->service_log, LOG_WARN, LOGGER, "Closing the connection from %s: %s", connection->host, why);
    net_close(connection->net);
}

/* Takes the header off *rest. */
static bool parse_header(struct bytes *rest, struct api_request *request, int16_t *key) {
    if (rest->size < 10)
        return false;
    *key = (int16_t)load_be16(rest->data);
    request->version = (int16_t)load_be16(rest->data + 2);
    request->correlation = (int32_t)load_be32(rest->data + 4);
    int16_t size = (int16_t)load_be16(rest->data + 8);
    *rest = bytes_slice(*rest, 10, rest->size - 10);
    request->client_id = BYTES_NULL;
    if (size >= 0) {
        if ((size_t)size > rest->size)
            return false;
        request->client_id = bytes_slice(*rest, 0, (size_t)size);
        *rest = bytes_slice(*rest, (size_t)size, rest->size - (size_t)size);
    }
    return size >= -1;
}

static bool skip_tagged_fields(struct bytes *rest) {
    uint32_t count, tag, size;
    if (!uvarint_read(rest, &count))
        return false;
    for (; count > 0; count--) {
        if (!uvarint_read(rest, &tag) || !uvarint_read(rest, &size) || size > rest->size)
            return false;
        *rest = bytes_slice(*rest, size, rest->size - size);
    }
    return true;
}

/* A client that asks with a version newer than ours is told ours, in version 0. */
static void answer_api_versions_zero(struct api_request *request) {
    request->version = 0;
    request->reply = wire_new(&request->arena, request->api->reply->body, 1);
    request->body = wire_new(&request->arena, request->api->request->body, 1);
    ((struct kafka_api_versions_reply *)request->reply)->error_code = KAFKA_UNSUPPORTED_VERSION;
    request->api->handle(request);
}

static void run(struct api_request *request, struct bytes rest) {
    const struct api *api = request->api;
    struct metric *count = request->broker->request_counts[api - api_table];
    if (count)
        metric_add(count, 1);
    struct error error = {0};
    int16_t low = api->version_min > api->request->version_min ? api->version_min : api->request->version_min;
    if (request->version < low || request->version > api->version_max) {
        if (api->key == 18)
            answer_api_versions_zero(request);
        else
            api_close(request, "this version is not supported (UNSUPPORTED_VERSION)");
        return;
    }
    request->body = arena_allocate(&request->arena, api->request->body->size);
    if ((request->version >= api->request->flexible && !skip_tagged_fields(&rest)) ||
        !wire_decode(api->request, request->version, &rest, &request->arena, request->body, &error)) {
        api_close(request, error.code ? error.message : "malformed header");
        return;
    }
    request->reply = wire_new(&request->arena, api->reply->body, 1);
    struct connection *connection = request->connection;
    api->handle(request); /* may free the request */
    update_reading(connection);
}

/* It becomes part of member ids and log lines: what could not be shown there is replaced. */
static void remember_client_id(struct connection *connection, struct bytes client_id) {
    size_t size = client_id.size < sizeof connection->client_id - 1 ? client_id.size : sizeof connection->client_id - 1;
    if (size == 0 ||
        (strlen(connection->client_id) == size && memcmp(connection->client_id, client_id.data, size) == 0))
        return;
    bool text = bytes_is_utf8(bytes_slice(client_id, 0, size));
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = client_id.data[i];
        connection->client_id[i] = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !text) ? '?' : (char)byte;
    }
    connection->client_id[size] = 0;
}

static void on_frame(struct net_connection *net, struct bytes frame) {
    struct connection *connection = net_state(net);
    struct broker *broker = connection->broker;
    struct api_request *request = calloc(1, sizeof *request);
    ASSERT(request);
    request->broker = broker;
    request->connection = connection;
    request->received_ns = world_monotonic_ns(broker->world);
    request->frame = net_take_frame(net);
    request->frame_size = frame.size;
    list_append(&connection->requests, &request->node);
    request->ready_node.previous = request->ready_node.next = &request->ready_node;
    connection->request_count++;
    struct bytes rest = buffer_view(&request->frame);
    int16_t key = -1;
    if (!parse_header(&rest, request, &key) || !(request->api = api_find(key))) {
        char why[100];
        snprintf(why, sizeof why, "a frame of %zu bytes is no Kafka request that is served here (API key %d)",
            frame.size, key);
        request_free(request);
        refuse_frame(connection, why);
        return;
    }
    remember_client_id(connection, request->client_id);
    broker->dispatch_depth++;
    run(request, rest);
    drain_ready(broker);
    broker->dispatch_depth--;
}

static void on_frame_refused(struct net_connection *net, int32_t size) {
    struct connection *connection = net_state(net);
    service_log_write(connection->broker->service_log, LOG_WARN, LOGGER,
        "Closing the connection from %s: a frame of %d bytes is not within 0 and socket.request.max.bytes",
        connection->host, size);
}

static bool on_open(struct net_connection *net, void *context) {
    struct connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection);
    connection->net = net;
    connection->broker = context;
    list_init(&connection->requests);
    snprintf(connection->host, sizeof connection->host, "/%s", net_peer(net)->text);
    net_set_state(net, connection);
    return true;
}

static void on_closed(struct net_connection *net, const struct error *reason) {
    struct connection *connection = net_state(net);
    connection->closed = true;
    struct list_node *node;
    while ((node = list_first(&connection->requests))) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, node);
        if (!request->done) {
            ASSERT(request->cancel);
            request->cancel(request);
        }
        request_free(request);
    }
    free(connection);
}

const struct net_protocol kafka_protocol = {
    .name = "kafka",
    .open = on_open,
    .frame = on_frame,
    .frame_refused = on_frame_refused,
    .closed = on_closed,
};
