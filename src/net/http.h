/* http.h: an HTTP/1.1 server (libmicrohttpd, driven by our loop): route table, streamed or buffered bodies, answers
 * from memory, files or produced in steps, handlers that finish later.
 *
 * A handler runs on the server's loop. It answers with exactly one http_respond_*, at once or later (also from a posted
 * completion): until then the request is suspended and costs nothing. That holds for broken requests too: the pointer
 * stays valid until the answer, which is then ignored. Every answer gets the security headers; Host and Origin are
 * checked before any handler runs. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/server.h"

struct http_server;
struct http_request;

enum http_body_mode {
    HTTP_BODY_BUFFERED, /* the handler runs when the whole body is here; at most body_size_max, else 413 */
    HTTP_BODY_STREAMED, /* the handler runs when the headers are here; then http_read_body gives the body in pieces */
};

/* What an answer may load, run and be framed by, unless its handler adds a Content-Security-Policy of its own. */
#define HTTP_CONTENT_SECURITY_POLICY "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

typedef void http_handler(struct http_request *request, void *context);

struct http_route {
    const char *method;  /* "GET" (also serves HEAD), "PUT", …, or "*" */
    const char *pattern; /* "/json/", "/topics/{name}" ({x}: one segment), or "/webhdfs/v1/{path...}" (the rest, slashes
                            included, may be empty) */
    http_handler *handler;
    void *context;
    enum http_body_mode body_mode;
    size_t body_size_max; /* for HTTP_BODY_BUFFERED; 0: 1 MiB */
};

struct http_server_options {
    struct world_loop *loop;
    const char *const *addresses; /* as in net_server_options: each may have a port of its own */
    size_t address_count;
    uint16_t port;
    const struct http_route *routes; /* kept by pointer; the first match wins */
    size_t route_count;
    const char *const *host_names; /* accepted in Host and Origin besides our addresses, 127.0.0.0/8, ::1, localhost and
                                      the course's names */
    size_t host_name_count;
    struct net_limits limits;
    enum net_peer_rule peer_rule;
    const char *server_name; /* Server header, e.g. "Raudal"; NULL: none */
    struct service_log *log;
    struct metrics *metrics;
};

/* As net_server_start / stop. Stop ends requests that wait. Posix only: ERROR_UNSUPPORTED in a simulated world. */
struct http_server *http_server_start(const struct http_server_options *options, struct error *error);
void http_server_stop(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

/* ---- the request: valid until it has been answered and is over; loop thread ---- */

const char *http_method(const struct http_request *request);
struct bytes http_path(const struct http_request *request); /* decoded, NUL follows; no NUL inside (400 otherwise) */
/* Value of {name} in the pattern, decoded; BYTES_NULL when absent. NUL follows. */
struct bytes http_parameter(const struct http_request *request, const char *name);
/* First query argument of that name (case-sensitive / not), decoded; BYTES_NULL when absent, empty when it has no
 * value. NUL follows. */
struct bytes http_query(const struct http_request *request, const char *name);
struct bytes http_query_ignore_case(const struct http_request *request, const char *name);
void http_query_each(
    struct http_request *request, void (*visit)(void *argument, struct bytes name, struct bytes value), void *argument);
/* Request header, name without case; BYTES_NULL when absent. NUL follows. */
struct bytes http_header(const struct http_request *request, const char *name);
/* Content-Length, or -1 (chunked or none). */
int64_t http_content_length(const struct http_request *request);
const struct world_address *http_peer(const struct http_request *request);
/* The address the client used, and its Host header's name (for links and redirects). */
const struct world_address *http_local(const struct http_request *request);
struct world_loop *http_loop(const struct http_request *request);
void *http_state(const struct http_request *request);
void http_set_state(struct http_request *request, void *state);
/* Called once when the request is over: the answer went out, or broken (the client went away, the server stops). Free
 * the state there, unless the answer is still to come. A client that goes away while its request is suspended is
 * noticed when the request goes on. */
void http_on_end(struct http_request *request, void (*end)(struct http_request *request, void *state, bool broken));

/* HTTP_BODY_BUFFERED: the whole body. */
struct bytes http_body(const struct http_request *request);
/* HTTP_BODY_STREAMED: asks for the next piece; `piece` is called (later) with at most a few 10 KiB, and with size 0 at
 * the end. The view is valid during the call. The next piece comes only after the next http_read_body: whoever writes
 * slowly slows the client. Answering early ends the reading. */
typedef void http_body_function(struct http_request *request, void *argument, struct bytes piece);
void http_read_body(struct http_request *request, http_body_function *piece, void *argument);

/* ---- the answer ---- */

/* Adds a response header. Before http_respond_*. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Copies the body. content_type may be NULL. */
void http_respond(struct http_request *request, int status, const char *content_type, struct bytes body);
/* Takes the buffer's memory. */
void http_respond_buffer(struct http_request *request, int status, const char *content_type, struct buffer *body);
/* A range of a file, sent without copying. The file may be closed afterwards. */
void http_respond_file(struct http_request *request, int status, const char *content_type, struct world_file *file,
    int64_t offset, int64_t size);
/* A sentence as text/plain. */
void http_respond_text(struct http_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void http_respond_redirect(struct http_request *request, int status, const char *location);
/* In steps: `size` bytes in all, or -1 for chunked. `next` is called on the loop when the socket takes more; it answers
 * with exactly one http_give_piece or http_break_stream, now or later. */
typedef void http_next_function(struct http_request *request, void *argument, size_t size_max);
void http_respond_stream(struct http_request *request, int status, const char *content_type, int64_t size,
    http_next_function *next, void *argument);
/* The next piece (copied; best at most size_max of the `next` call). An empty one ends the body. */
void http_give_piece(struct http_request *request, struct bytes piece);
/* Ends a stream that cannot go on: the connection is cut so that the client sees the failure. */
void http_break_stream(struct http_request *request);

/* Percent-decodes ("+" stays); false on a malformed escape. Any thread. */
bool http_decode(struct bytes text, bool plus_is_space, struct buffer *out);
/* Appends text with everything outside unreserved characters (and those in `keep`) percent-encoded. */
void http_encode(struct bytes text, const char *keep, struct buffer *out);

#endif
