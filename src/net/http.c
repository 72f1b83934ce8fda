/* http.c: a request as its handler sees it: what was asked, and the answer. */
#include "net/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STREAM_BLOCK_SIZE = 65536 };

struct http_request *http_request_create(struct http_server *server, const char *target) {
    struct http_request *request = calloc(1, sizeof *request);
    ASSERT(request != NULL);
    request->server = server;
    request->reference_count = 2; /* the daemon's and the owed answer's */
    request->target = arena_strdup(&request->arena, target);
    list_append(&server->requests, &request->node);
    return request;
}

void http_request_release(struct http_request *request) {
    if (--request->reference_count > 0)
        return;
    VECTOR_FREE(&request->query);
    VECTOR_FREE(&request->headers);
    VECTOR_FREE(&request->parameters);
    VECTOR_FREE(&request->answer_headers);
    buffer_free(&request->body);
    buffer_free(&request->piece);
    arena_destroy(&request->arena);
    free(request);
}

void http_pairs_add(struct http_request *request, struct http_pairs *pairs, struct bytes name, struct bytes value) {
    VECTOR_PUSH(pairs, ((struct http_pair){name, value}));
}

void http_request_handle(struct http_request *request) {
    request->is_handled = true;
    request->route->handler(request, request->route->context);
}

/* ---- what was asked ---- */

const char *http_method(const struct http_request *request) {
    return request->method;
}
struct bytes http_path(const struct http_request *request) {
    return request->path;
}
int64_t http_content_length(const struct http_request *request) {
    return request->content_length;
}
const struct world_address *http_peer(const struct http_request *request) {
    return &request->peer.peer;
}
const struct world_address *http_local(const struct http_request *request) {
    return &request->peer.local;
}
struct world_loop *http_loop(const struct http_request *request) {
    return request->server == NULL ? NULL : request->server->loop;
}
void *http_state(const struct http_request *request) {
    return request->state;
}
void http_set_state(struct http_request *request, void *state) {
    request->state = state;
}
void http_on_end(struct http_request *request, void (*end)(struct http_request *request, void *state, bool broken)) {
    request->end = end;
}
struct bytes http_body(const struct http_request *request) {
    ASSERT(request->route->body_mode == HTTP_BODY_BUFFERED);
    return bytes_make(request->body.data == NULL ? (const uint8_t *)"" : request->body.data, request->body.size);
}

static struct bytes find(const struct http_pairs *pairs, const char *name, bool ignore_case) {
    struct bytes wanted = bytes_from_text(name);
    for (size_t i = 0; i < pairs->count; i++) {
        struct bytes found = pairs->items[i].name;
        if (ignore_case ? bytes_equal_ignore_case(found, wanted) : bytes_equal(found, wanted))
            return pairs->items[i].value;
    }
    return BYTES_NULL;
}

struct bytes http_parameter(const struct http_request *request, const char *name) {
    return find(&request->parameters, name, false);
}
struct bytes http_query(const struct http_request *request, const char *name) {
    return find(&request->query, name, false);
}
struct bytes http_query_ignore_case(const struct http_request *request, const char *name) {
    return find(&request->query, name, true);
}
struct bytes http_header(const struct http_request *request, const char *name) {
    return find(&request->headers, name, true);
}

void http_query_each(struct http_request *request, void (*visit)(void *argument, struct bytes name, struct bytes value),
    void *argument) {
    for (size_t i = 0; i < request->query.count; i++)
        visit(argument, request->query.items[i].name, request->query.items[i].value);
}

void http_read_body(struct http_request *request, http_body_function *piece, void *argument) {
    ASSERT(request->route->body_mode == HTTP_BODY_STREAMED && request->piece_function == NULL);
    if (request->is_answered || request->server == NULL)
        return;
    request->piece_function = piece;
    request->piece_argument = argument;
    http_server_resume(request);
}

/* ---- the answer ---- */

void http_add_header(struct http_request *request, const char *name, const char *value) {
    /* A line break would start a header of the client's choice. */
    if (request->is_answered || strpbrk(value, "\r\n") != NULL)
        return;
    http_pairs_add(request, &request->answer_headers, bytes_from_text(arena_strdup(&request->arena, name)),
        bytes_from_text(arena_strdup(&request->arena, value)));
}

static void add_standard_headers(struct http_request *request, struct MHD_Response *response) {
    static const char *const headers[][2] = {
        {"Content-Security-Policy", HTTP_CONTENT_SECURITY_POLICY},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "same-origin"}, /* with no-referrer, forms of our own pages would come with Origin: null */
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++)
        if (find(&request->answer_headers, headers[i][0], true).data == NULL)
            MHD_add_response_header(response, headers[i][0], headers[i][1]);
    const char *server_name = request->server->options.server_name;
    if (server_name != NULL)
        MHD_add_response_header(response, "Server", server_name);
}

/* Takes the response. */
static void answer(struct http_request *request, int status, const char *content_type, struct MHD_Response *response) {
    ASSERT(!request->is_answered && response != NULL);
    request->is_answered = true;
    if (request->server == NULL) {
        MHD_destroy_response(response);
        http_request_release(request);
        return;
    }
    if (content_type != NULL)
        MHD_add_response_header(response, "Content-Type", content_type);
    for (size_t i = 0; i < request->answer_headers.count; i++)
        MHD_add_response_header(response, (const char *)request->answer_headers.items[i].name.data,
            (const char *)request->answer_headers.items[i].value.data);
    add_standard_headers(request, response);
    request->response = response;
    request->status = status;
    http_server_resume(request);
    http_request_release(request); /* the answer is no longer owed */
}

void http_respond(struct http_request *request, int status, const char *content_type, struct bytes body) {
    answer(request, status, content_type,
        MHD_create_response_from_buffer(
            body.size, (void *)(uintptr_t)(body.size > 0 ? body.data : (const uint8_t *)""), MHD_RESPMEM_MUST_COPY));
}

void http_respond_buffer(struct http_request *request, int status, const char *content_type, struct buffer *body) {
    if (body->size == 0) {
        http_respond(request, status, content_type, BYTES(""));
        buffer_free(body);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(body->size, body->data, MHD_RESPMEM_MUST_FREE);
    *body = (struct buffer){0};
    answer(request, status, content_type, response);
}

void http_respond_text(struct http_request *request, int status, const char *format, ...) {
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    buffer_append_byte(&text, '\n');
    http_respond_buffer(request, status, "text/plain; charset=utf-8", &text);
}

void http_respond_redirect(struct http_request *request, int status, const char *location) {
    http_add_header(request, "Location", location);
    http_respond(request, status, NULL, BYTES(""));
}

void http_respond_file(struct http_request *request, int status, const char *content_type, struct world_file *file,
    int64_t offset, int64_t size) {
    ASSERT(offset >= 0 && size >= 0);
    struct error error = {0};
    int descriptor = world_file_descriptor(file, &error);
    if (descriptor < 0) {
        http_respond_text(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", error.message);
        return;
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64((uint64_t)size, descriptor, (uint64_t)offset);
    if (response == NULL)
        close(descriptor);
    answer(request, status, content_type, response);
}

void http_respond_stream(struct http_request *request, int status, const char *content_type, int64_t size,
    http_next_function *next, void *argument) {
    request->next = next;
    request->next_argument = argument;
    answer(request, status, content_type,
        MHD_create_response_from_callback(
            size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)size, STREAM_BLOCK_SIZE, http_read_stream, request, NULL));
}

ssize_t http_read_stream(void *argument, uint64_t position, char *out, size_t size_max) {
    struct http_request *request = argument;
    if (request->piece_sent == request->piece.size && !request->stream_ended && !request->stream_broken &&
        !request->next_pending) {
        request->next_pending = true;
        request->reference_count++;
        request->in_daemon = true;
        request->next(request, request->next_argument, size_max);
        request->in_daemon = false;
    }
    size_t left = request->piece.size - request->piece_sent;
    if (left > 0) {
        size_t size = left < size_max ? left : size_max;
        memcpy(out, request->piece.data + request->piece_sent, size);
        request->piece_sent += size;
        return (ssize_t)size;
    }
    if (request->stream_broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (request->stream_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    http_server_suspend(request);
    return 0;
}

static void end_next(struct http_request *request) {
    ASSERT(request->next_pending);
    request->next_pending = false;
    if (request->server != NULL)
        http_server_resume(request);
    http_request_release(request);
}

void http_give_piece(struct http_request *request, struct bytes piece) {
    buffer_clear(&request->piece);
    request->piece_sent = 0;
    request->stream_ended = piece.size == 0;
    if (request->server != NULL)
        buffer_append_bytes(&request->piece, piece);
    end_next(request);
}

void http_break_stream(struct http_request *request) {
    request->stream_broken = true;
    end_next(request);
}
