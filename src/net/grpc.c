/* grpc.c: the server's start and stop, and calls as the code behind a method sees them. The HTTP/2 side is in
 * grpc_session.c. */
#include "net/grpc_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATUS_MESSAGE_SIZE_MAX = 4096 }; /* encoded; clients refuse more than 8 KiB of metadata */

struct grpc_server *grpc_server_start(const struct grpc_server_options *options, struct error *error) {
    struct grpc_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->options = *options;
    if (server->options.message_size_max == 0)
        server->options.message_size_max = 128u << 20;
    if (server->options.call_queue_size == 0)
        server->options.call_queue_size = 4u << 20;
    if (options->metrics != NULL) {
        server->started =
            metrics_get(options->metrics, METRIC_COUNTER, "raudal_grpc_calls_total", "gRPC calls started.", "");
        server->failed = metrics_get(options->metrics, METRIC_COUNTER, "raudal_grpc_failed_calls_total",
            "gRPC calls that did not end with OK.", "");
    }
    struct net_server_options net = {
        .loop = options->loop,
        .addresses = options->addresses,
        .address_count = options->address_count,
        .port = options->port,
        .protocol = &grpc_protocol,
        .context = server,
        .limits = options->limits,
        .peer_rule = options->peer_rule,
        .log = options->log,
        .metrics = options->metrics,
    };
    server->net = net_server_start(&net, error);
    if (server->net != NULL)
        return server;
    free(server);
    return NULL;
}

void grpc_server_stop(struct grpc_server *server) {
    if (server == NULL)
        return;
    net_server_stop(server->net);
    free(server);
}

void grpc_server_suspend(struct grpc_server *server) {
    net_server_suspend(server->net);
}

bool grpc_server_resume(struct grpc_server *server, struct error *error) {
    return net_server_resume(server->net, error);
}

uint16_t grpc_server_port(const struct grpc_server *server) {
    return net_server_port(server->net);
}

size_t grpc_server_call_count(const struct grpc_server *server) {
    return server->call_count;
}

/* ---- accessors ---- */

void *grpc_call_context(const struct grpc_call *call) {
    return call->server->options.context;
}
const struct grpc_method *grpc_call_method(const struct grpc_call *call) {
    return call->method;
}
struct world_loop *grpc_call_loop(const struct grpc_call *call) {
    return call->server->options.loop;
}
void grpc_call_set_state(struct grpc_call *call, void *state) {
    call->state = state;
}
void *grpc_call_state(const struct grpc_call *call) {
    return call->state;
}
const struct world_address *grpc_call_peer(const struct grpc_call *call) {
    return &call->peer;
}
const struct world_address *grpc_call_local(const struct grpc_call *call) {
    return &call->local;
}
uint64_t grpc_call_connection_id(const struct grpc_call *call) {
    return call->connection_id;
}
bool grpc_call_is_over(const struct grpc_call *call) {
    return call->is_over;
}
size_t grpc_call_queued_size(const struct grpc_call *call) {
    return call->queued_size;
}

struct bytes grpc_call_metadata(const struct grpc_call *call, const char *name) {
    for (size_t i = 0; i < call->metadata.count; i++)
        if (bytes_equal_text(call->metadata.items[i].name, name))
            return call->metadata.items[i].value;
    return BYTES_NULL;
}

struct grpc_call *grpc_call_retain(struct grpc_call *call) {
    call->reference_count++;
    return call;
}

void grpc_call_release(struct grpc_call *call) {
    ASSERT(call->reference_count > 0);
    if (--call->reference_count > 0)
        return;
    ASSERT(call->session == NULL);
    for (size_t i = call->output_first; i < call->output.count; i++)
        grpc_message_release(call->output.items[i].message);
    VECTOR_FREE(&call->output);
    VECTOR_FREE(&call->metadata);
    VECTOR_FREE(&call->trailers);
    buffer_free(&call->input);
    arena_destroy(&call->arena);
    free(call);
}

/* ---- answers ---- */

void grpc_message_release(void *argument) {
    struct grpc_message *message = argument;
    if (--message->reference_count > 0)
        return;
    buffer_free(&message->buffer);
    free(message);
}

static void enqueue(struct grpc_call *call, struct buffer *framed) {
    struct grpc_message *message = calloc(1, sizeof *message);
    ASSERT(message != NULL);
    message->reference_count = 1;
    message->buffer = *framed;
    *framed = (struct buffer){0};
    VECTOR_PUSH(&call->output, ((struct grpc_outgoing){.message = message}));
    call->queued_size += message->buffer.size;
    grpc_session_respond(call);
}

/* The prefix of a message: not compressed, length. */
static void append_prefix(struct buffer *framed, size_t size) {
    ASSERT(size <= UINT32_MAX);
    buffer_append_byte(framed, 0);
    store_be32(buffer_extend(framed, 4), (uint32_t)size);
}

void grpc_call_send(struct grpc_call *call, struct bytes message) {
    if (call->is_over)
        return;
    struct buffer framed = {0};
    buffer_reserve(&framed, message.size + 5);
    append_prefix(&framed, message.size);
    buffer_append_bytes(&framed, message);
    enqueue(call, &framed);
}

void grpc_call_send_buffer(struct grpc_call *call, struct buffer *message) {
    if (!call->is_over) {
        struct buffer framed = {0};
        append_prefix(&framed, message->size);
        if (message->size > 0) {
            enqueue(call, &framed);
            enqueue(call, message);
        } else {
            enqueue(call, &framed);
        }
    }
    buffer_free(message);
}

bool grpc_call_is_full(const struct grpc_call *call) {
    bool is_full = call->queued_size > call->server->options.call_queue_size;
    if (is_full)
        ((struct grpc_call *)(uintptr_t)call)->told_full = true;
    return is_full;
}

static void append_base64_unpadded(struct buffer *out, struct bytes value) {
    buffer_append_base64(out, value);
    while (out->size > 0 && out->data[out->size - 1] == '=')
        out->size--;
}

void grpc_call_add_trailer(struct grpc_call *call, const char *name, struct bytes value) {
    if (call->is_over)
        return;
    struct buffer encoded = {0};
    if (bytes_ends_with(bytes_from_text(name), "-bin"))
        append_base64_unpadded(&encoded, value);
    else
        buffer_append_bytes(&encoded, value);
    struct grpc_pair pair = {
        .name = bytes_from_text(arena_strdup(&call->arena, name)),
        .value = arena_copy(&call->arena, buffer_view(&encoded)),
    };
    VECTOR_PUSH(&call->trailers, pair);
    buffer_free(&encoded);
}

/* Percent-encodes all but printable ASCII; cut between characters at the size clients take. */
static void append_status_message(struct buffer *out, const char *message) {
    for (const uint8_t *at = (const uint8_t *)message; *at != '\0'; at++) {
        bool starts_character = (*at & 0xc0) != 0x80;
        if (starts_character && out->size > STATUS_MESSAGE_SIZE_MAX) {
            buffer_append_text(out, "...");
            return;
        }
        if (*at >= 0x20 && *at <= 0x7e && *at != '%')
            buffer_append_byte(out, *at);
        else
            buffer_printf(out, "%%%02X", *at);
    }
}

void grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *message, struct bytes details) {
    if (call->is_over)
        return;
    char number[12];
    snprintf(number, sizeof number, "%d", (int)status);
    grpc_call_add_trailer(call, "grpc-status", bytes_from_text(number));
    if (message != NULL && message[0] != '\0') {
        struct buffer encoded = {0};
        append_status_message(&encoded, message);
        grpc_call_add_trailer(call, "grpc-message", buffer_view(&encoded));
        buffer_free(&encoded);
    }
    if (details.data != NULL)
        grpc_call_add_trailer(call, "grpc-status-details-bin", details);
    if (status != GRPC_OK && call->server->failed != NULL)
        metric_add(call->server->failed, 1);
    call->is_over = true;
    grpc_session_respond(call);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_status status, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    grpc_call_finish(call, status, message, BYTES_NULL);
}
