/* http_internal.h: the server and its requests; text rules (hosts, patterns, escapes) apart from the driving of
 * libmicrohttpd. */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include <microhttpd.h>
#include "base/arena.h"
#include "base/assert.h"
#include "net/http.h"
#include "net/net_internal.h"

struct http_pair {
    struct bytes name, value; /* NUL follows both */
};
struct http_pairs {
    struct http_pair *items;
    size_t count, capacity;
};

struct http_server {
    struct world_loop *loop;
    struct http_server_options options;
    struct net_gate gate;
    struct MHD_Daemon *daemon;
    int descriptor; /* of the daemon's epoll set */
    struct world_timer *timer;
    VECTOR(struct world_listener *) listeners;
    uint16_t port;
    struct list requests;
    struct http_peer *adding; /* the socket handed to the daemon just now */
    bool is_run_posted, is_running, stops;
    size_t post_count; /* posts under way, which hold the server */
};

/* One connection. */
struct http_peer {
    struct world_address peer, local;
};

enum http_phase {
    HTTP_PHASE_HEADERS, /* the daemon offered the headers, the body is not asked for yet */
    HTTP_PHASE_BODY,    /* the daemon gives the body, then asks for the answer */
};

struct http_request {
    struct list_node node;
    struct http_server *server; /* NULL once over */
    struct MHD_Connection *connection;
    int reference_count; /* the daemon's, the owed answer's, the owed piece's */
    struct arena arena;
    char *target; /* as sent */
    const char *method;
    struct bytes path;
    struct http_pairs query, headers, parameters, answer_headers;
    struct http_peer peer;
    int64_t content_length; /* -1: none given */
    bool has_body;
    const struct http_route *route;
    void *state;
    void (*end)(struct http_request *request, void *state, bool broken);

    enum http_phase phase;
    bool is_begun;    /* the library's checks and the route search ran */
    bool is_handled;  /* the handler ran */
    bool is_answered; /* http_respond_* was called */
    bool is_queued;   /* the daemon has the answer */
    bool is_suspended;
    bool in_daemon; /* the daemon is on the stack for this request: it looks at the result itself */

    struct buffer body;
    bool body_too_large;
    size_t discarded_size;              /* of a body that nobody reads */
    http_body_function *piece_function; /* a read waits */
    void *piece_argument;

    struct MHD_Response *response;
    int status;
    http_next_function *next;
    void *next_argument;
    bool next_pending; /* next was called and owes a piece */
    struct buffer piece;
    size_t piece_sent;
    bool stream_ended, stream_broken;
};

/* ---- http_text.c ---- */

/* Parses path and query of a request target; false when it is malformed. */
bool http_parse_target(struct http_request *request);
/* Fills request->parameters. */
bool http_match(const char *pattern, struct http_request *request);
/* Host part of "name", "name:port", "[::1]:port". */
struct bytes http_host_name(struct bytes host);
bool http_host_allowed(const struct http_server *server, const struct http_peer *peer, struct bytes host);
/* Host part of "scheme://host:port"; BYTES_NULL for "null" and malformed ones. */
struct bytes http_origin_host(struct bytes origin);

/* ---- http.c ---- */

struct http_request *http_request_create(struct http_server *server, const char *target);
void http_request_release(struct http_request *request);
/* Runs the handler of the route. */
void http_request_handle(struct http_request *request);
void http_pairs_add(struct http_request *request, struct http_pairs *pairs, struct bytes name, struct bytes value);
/* Body of a stream for the daemon. */
ssize_t http_read_stream(void *argument, uint64_t position, char *out, size_t size_max);

/* ---- http_server.c ---- */

/* Something that the daemon waits for happened. */
void http_server_resume(struct http_request *request);
void http_server_suspend(struct http_request *request);

#endif
