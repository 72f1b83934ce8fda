/* grpc_session.c: HTTP/2 under the calls. nghttp2 does no input or output itself: bytes of the connection go in, frames
 * come out. Message bytes are never copied on the way out: DATA frames reference the queued messages. */
#include "net/grpc_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    METADATA_SIZE_MAX = 64 << 10, /* of one request's headers */
    STREAM_WINDOW_SIZE = 1 << 20,
    CONNECTION_WINDOW_SIZE = 8 << 20,
    CONCURRENT_STREAMS_MAX = 250,
    FRAME_SIZE = 128 << 10,     /* of DATA frames, when the client allows it */
    REFERENCED_SIZE_MIN = 2048, /* smaller pieces are copied */
};

static const char plain_http_answer[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    "This port speaks gRPC over HTTP/2 (Spark Connect): use it as SPARK_REMOTE=sc://HOST:PORT.\n";

/* ---- output ---- */

static void call_writable(struct grpc_call *call) {
    if (!call->told_full || call->is_over || call->queued_size > call->server->options.call_queue_size / 2)
        return;
    call->told_full = false;
    if (call->method->writable != NULL)
        call->method->writable(call);
}

/* Calls that waited for room are told once nghttp2 is off the stack. */
static void tell_writable(struct grpc_session *session) {
    LIST_FOR_EACH(node, &session->calls) {
        struct grpc_call *call = grpc_call_retain(CONTAINER_OF(node, struct grpc_call, node));
        call_writable(call);
        grpc_call_release(call);
    }
}

static void write_frames(struct grpc_session *session) {
    session->is_pumping = true;
    while (!net_output_full(session->connection)) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(session->http2, &data);
        if (size < 0) {
            net_close(session->connection);
            break;
        }
        if (size == 0)
            break; /* a DATA frame sent by reference is followed by more calls until nothing is left */
        net_send_copy(session->connection, bytes_make(data, (size_t)size));
    }
    session->is_pumping = false;
    if (!nghttp2_session_want_read(session->http2) && !nghttp2_session_want_write(session->http2))
        net_close(session->connection);
}

void grpc_session_pump(struct grpc_session *session) {
    if (session->is_pumping)
        return;
    write_frames(session);
    bool waits = false;
    LIST_FOR_EACH(node, &session->calls)
    waits = waits || CONTAINER_OF(node, struct grpc_call, node)->told_full;
    if (!waits)
        return;
    /* What `writable` sends is written by the pumps it causes. */
    net_retain(session->connection);
    tell_writable(session);
    net_release(session->connection);
}

static nghttp2_nv make_header(struct bytes name, struct bytes value) {
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .namelen = name.size,
        .value = (uint8_t *)(uintptr_t)value.data,
        .valuelen = value.size,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

/* Trailers after messages; on their own they come with the response headers. */
static void submit_trailers(struct grpc_call *call) {
    nghttp2_nv headers[32];
    size_t count = 0;
    for (size_t i = 0; i < call->trailers.count && count < ARRAY_COUNT(headers); i++)
        headers[count++] = make_header(call->trailers.items[i].name, call->trailers.items[i].value);
    call->trailers_sent = true;
    nghttp2_submit_trailer(call->session->http2, call->stream_id, headers, count);
}

static ssize_t read_output(nghttp2_session *http2, int32_t stream_id, uint8_t *out, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *user) {
    struct grpc_call *call = source->ptr;
    if (call->queued_size == 0 && !call->is_over) {
        call->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (call->queued_size == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_trailers(call);
        return 0;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)(size < call->queued_size ? size : call->queued_size);
}

/* Hands `size` bytes of the queue to the connection, by reference where that is worth a part of its own. */
static void send_queued(struct grpc_call *call, struct net_connection *connection, size_t size) {
    call->queued_size -= size;
    while (size > 0) {
        struct grpc_outgoing *outgoing = &call->output.items[call->output_first];
        struct grpc_message *message = outgoing->message;
        size_t left = message->buffer.size - outgoing->at;
        struct bytes piece = bytes_make(message->buffer.data + outgoing->at, left < size ? left : size);
        if (piece.size < REFERENCED_SIZE_MIN) {
            net_send_copy(connection, piece);
        } else {
            message->reference_count++;
            net_send_bytes(connection, piece, grpc_message_release, message);
        }
        outgoing->at += piece.size;
        size -= piece.size;
        if (outgoing->at == message->buffer.size) {
            grpc_message_release(message);
            call->output_first++;
        }
    }
    if (call->output_first == call->output.count) {
        call->output.count = call->output_first = 0;
    } else if (call->output_first >= 64 && call->output_first >= call->output.count / 2) {
        call->output.count -= call->output_first;
        memmove(call->output.items, call->output.items + call->output_first,
            call->output.count * sizeof call->output.items[0]);
        call->output_first = 0;
    }
}

static int send_data(nghttp2_session *http2, nghttp2_frame *frame, const uint8_t *frame_header, size_t size,
    nghttp2_data_source *source, void *user) {
    struct grpc_session *session = user;
    ASSERT(frame->data.padlen == 0);
    if (net_output_full(session->connection))
        return NGHTTP2_ERR_WOULDBLOCK; /* asked again at the next pump */
    net_send_copy(session->connection, bytes_make(frame_header, 9));
    send_queued(source->ptr, session->connection, size);
    return 0;
}

static ssize_t frame_size(nghttp2_session *http2, uint8_t type, int32_t stream_id, int32_t session_window,
    int32_t stream_window, uint32_t frame_size_max, void *user) {
    int64_t size = FRAME_SIZE;
    size = size < session_window ? size : session_window;
    size = size < stream_window ? size : stream_window;
    return size < frame_size_max ? (ssize_t)size : (ssize_t)frame_size_max;
}

static void submit_headers(struct grpc_call *call, bool with_messages) {
    nghttp2_nv headers[34];
    headers[0] = make_header(BYTES(":status"), BYTES("200"));
    headers[1] = make_header(BYTES("content-type"), BYTES("application/grpc"));
    headers[2] = make_header(BYTES("grpc-accept-encoding"), BYTES("identity"));
    size_t count = 3;
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_output};
    if (!with_messages) {
        for (size_t i = 0; i < call->trailers.count && count < ARRAY_COUNT(headers); i++)
            headers[count++] = make_header(call->trailers.items[i].name, call->trailers.items[i].value);
        call->trailers_sent = true;
    }
    call->headers_sent = true;
    nghttp2_submit_response(call->session->http2, call->stream_id, headers, count, with_messages ? &provider : NULL);
}

void grpc_session_respond(struct grpc_call *call) {
    struct grpc_session *session = call->session;
    if (session == NULL)
        return;
    if (!call->headers_sent) {
        submit_headers(call, call->queued_size > 0);
    } else if (call->is_deferred) {
        call->is_deferred = false;
        nghttp2_session_resume_data(session->http2, call->stream_id);
    }
    grpc_session_pump(session);
}

/* ---- requests ---- */

static const struct grpc_method *find_method(const struct grpc_server *server, struct bytes path) {
    for (size_t i = 0; i < server->options.method_count; i++)
        if (bytes_equal_text(path, server->options.methods[i].path))
            return &server->options.methods[i];
    return NULL;
}

static int begin_headers(nghttp2_session *http2, const nghttp2_frame *frame, void *user) {
    struct grpc_session *session = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct grpc_call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    call->reference_count = 1;
    call->session = session;
    call->server = session->server;
    call->stream_id = frame->hd.stream_id;
    call->peer = *net_peer(session->connection);
    call->local = *net_local(session->connection);
    call->connection_id = net_id(session->connection);
    list_append(&session->calls, &call->node);
    session->server->call_count++;
    nghttp2_session_set_stream_user_data(http2, frame->hd.stream_id, call);
    return 0;
}

static int take_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
    const uint8_t *value, size_t value_size, uint8_t flags, void *user) {
    struct grpc_call *call = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    call->metadata_size += name_size + value_size + 32;
    if (call->metadata_size > METADATA_SIZE_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    struct grpc_pair pair = {
        .name = arena_copy(&call->arena, bytes_make(name, name_size)),
        .value = arena_copy(&call->arena, bytes_make(value, value_size)),
    };
    VECTOR_PUSH(&call->metadata, pair);
    return 0;
}

static void refuse_http(struct grpc_call *call, const char *status) {
    nghttp2_nv headers[] = {make_header(BYTES(":status"), bytes_from_text(status))};
    call->headers_sent = call->trailers_sent = call->is_over = true;
    nghttp2_submit_response(call->session->http2, call->stream_id, headers, 1, NULL);
}

static void start_call(struct grpc_call *call) {
    struct bytes path = grpc_call_metadata(call, ":path"), encoding = grpc_call_metadata(call, "grpc-encoding");
    if (call->server->started != NULL)
        metric_add(call->server->started, 1);
    if (!bytes_equal_text(grpc_call_metadata(call, ":method"), "POST")) {
        refuse_http(call, "405");
        return;
    }
    if (!bytes_starts_with(grpc_call_metadata(call, "content-type"), "application/grpc")) {
        refuse_http(call, "415");
        return;
    }
    call->method = find_method(call->server, path);
    if (call->method == NULL)
        grpc_call_fail(call, GRPC_UNIMPLEMENTED, "Method not found: %.*s", BYTES_ARGS(path));
    else if (encoding.data != NULL && !bytes_equal_text(encoding, "identity"))
        grpc_call_fail(
            call, GRPC_UNIMPLEMENTED, "Compression %.*s is not supported; send identity", BYTES_ARGS(encoding));
}

static void set_input_size(struct grpc_call *call, size_t consumed) {
    buffer_consume(&call->input, consumed);
    call->session->buffered_size -= consumed;
}

/* The first message of the input if it is whole; fails the call when its prefix is not acceptable. */
static bool whole_message(struct grpc_call *call, struct bytes *message) {
    if (call->is_over || call->input.size < 5)
        return false;
    uint32_t size = load_be32(call->input.data + 1);
    if (call->input.data[0] != 0) {
        grpc_call_fail(call, GRPC_UNIMPLEMENTED, "Compressed messages are not supported; send identity");
        return false;
    }
    if (size > call->server->options.message_size_max) {
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size %zu: %u",
            call->server->options.message_size_max, size);
        return false;
    }
    if (call->input.size - 5 < size)
        return false;
    *message = bytes_make(call->input.data + 5, size);
    return true;
}

static void deliver_stream(struct grpc_call *call) {
    struct bytes message;
    size_t at = 0;
    while (whole_message(call, &message)) {
        call->message_count++;
        call->method->message(call, message);
        at = message.size + 5;
        if (call->session == NULL)
            return;
        set_input_size(call, at);
    }
}

static int take_data(
    nghttp2_session *http2, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size, void *user) {
    struct grpc_session *session = user;
    struct grpc_call *call = nghttp2_session_get_stream_user_data(http2, stream_id);
    if (call == NULL || call->is_over)
        return 0;
    /* All calls of a connection together hold at most two of the largest messages. */
    if (session->buffered_size + size > 2 * (call->server->options.message_size_max + 5)) {
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "too much unfinished input on one connection");
        return 0;
    }
    buffer_append(&call->input, data, size);
    session->buffered_size += size;
    struct bytes message;
    if (call->method->kind == GRPC_CLIENT_STREAMING)
        deliver_stream(call);
    else
        whole_message(call, &message); /* refuses a bad prefix before the rest arrives */
    return 0;
}

static void deliver_end(struct grpc_call *call) {
    if (call->is_over)
        return;
    struct bytes message;
    bool is_whole = call->input.size > 0 && whole_message(call, &message);
    if (call->is_over)
        return;
    if (call->method->kind == GRPC_CLIENT_STREAMING) {
        if (call->input.size > 0)
            grpc_call_fail(call, GRPC_INTERNAL, "The request ends within a message");
        else
            call->method->half_closed(call);
        return;
    }
    if (!is_whole || call->input.size != message.size + 5) {
        grpc_call_fail(call, GRPC_INTERNAL, "%s expects exactly one request message", call->method->path);
        return;
    }
    call->message_count++;
    call->method->message(call, message);
    if (call->session != NULL)
        set_input_size(call, call->input.size);
    buffer_free(&call->input);
}

static int frame_received(nghttp2_session *http2, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct grpc_call *call = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    grpc_call_retain(call);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        start_call(call);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        deliver_end(call);
    grpc_call_release(call);
    return 0;
}

/* The answer ended while the client still sends: it is told to stop. */
static int frame_sent(nghttp2_session *http2, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(http2, frame->hd.stream_id) == 0)
        nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

/* The stream is gone: cancels the call unless it is over. */
static void end_stream(struct grpc_call *call) {
    call->session->buffered_size -= call->input.size;
    call->session = NULL;
    call->server->call_count--;
    list_remove(&call->node);
    buffer_free(&call->input);
    if (!call->is_over) {
        call->is_over = true;
        if (call->server->failed != NULL)
            metric_add(call->server->failed, 1);
        if (call->method != NULL && call->method->cancelled != NULL)
            call->method->cancelled(call);
    }
    grpc_call_release(call);
}

static int stream_closed(nghttp2_session *http2, int32_t stream_id, uint32_t error_code, void *user) {
    struct grpc_call *call = nghttp2_session_get_stream_user_data(http2, stream_id);
    if (call != NULL)
        end_stream(call);
    return 0;
}

/* ---- the connection ---- */

static nghttp2_session *make_http2(struct grpc_session *session) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *http2;
    nghttp2_option *option;
    int result = nghttp2_session_callbacks_new(&callbacks);
    ASSERT(result == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, frame_size);
    result = nghttp2_option_new(&option);
    ASSERT(result == 0);
    nghttp2_option_set_no_closed_streams(option, 1); /* keeps no memory of ended streams */
    result = nghttp2_session_server_new2(&http2, callbacks, session, option);
    ASSERT(result == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return http2;
}

static bool open_session(struct net_connection *connection, void *context) {
    struct grpc_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->server = context;
    session->connection = connection;
    list_init(&session->calls);
    session->http2 = make_http2(session);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CONCURRENT_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_SIZE},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, METADATA_SIZE_MAX},
    };
    nghttp2_submit_settings(session->http2, NGHTTP2_FLAG_NONE, settings, ARRAY_COUNT(settings));
    nghttp2_session_set_local_window_size(session->http2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_SIZE);
    net_set_state(connection, session);
    return true; /* the settings leave after the client's first bytes, when it is known to speak HTTP/2 */
}

static size_t session_data(struct net_connection *connection, struct bytes input) {
    struct grpc_session *session = net_state(connection);
    session->is_pumping = true;
    ssize_t consumed = nghttp2_session_mem_recv(session->http2, input.data, input.size);
    session->is_pumping = false;
    if (consumed == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        net_send_bytes(connection, bytes_make(plain_http_answer, sizeof plain_http_answer - 1), NULL, NULL);
    if (consumed < 0) {
        net_close(connection);
        return input.size;
    }
    grpc_session_pump(session);
    return input.size;
}

static void session_writable(struct net_connection *connection) {
    grpc_session_pump(net_state(connection));
}

static void session_closed(struct net_connection *connection, const struct error *reason) {
    struct grpc_session *session = net_state(connection);
    session->is_pumping = true; /* no more output */
    while (!list_empty(&session->calls))
        end_stream(CONTAINER_OF(list_first(&session->calls), struct grpc_call, node));
    nghttp2_session_del(session->http2);
    free(session);
}

const struct net_protocol grpc_protocol = {
    .name = "grpc",
    .open = open_session,
    .data = session_data,
    .writable = session_writable,
    .closed = session_closed,
};
