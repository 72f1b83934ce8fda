/* grpc.h: a gRPC server over HTTP/2 without TLS (prior knowledge). Unary, server-streaming and client-streaming
 * methods; messages are bytes.
 *
 * Everything happens on the server's loop. A call ends exactly once: by grpc_call_finish, or by the peer (cancelled,
 * connection gone), which is told by `cancelled`. The pointer stays valid until the last grpc_call_release; a call is
 * born with one reference which the library drops after the call ended and `cancelled`, if due, ran. Code that answers
 * from elsewhere keeps a reference and posts to the loop. */
#ifndef NET_GRPC_H
#define NET_GRPC_H

#include "net/server.h"

struct grpc_server;
struct grpc_call;

/* Canonical status codes. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

enum grpc_kind {
    GRPC_UNARY, /* `message` once, then exactly one grpc_call_send and grpc_call_finish(GRPC_OK), or a failure */
    GRPC_SERVER_STREAMING, /* `message` once, then any number of sends */
    GRPC_CLIENT_STREAMING, /* `message` for each, `half_closed` after the last, then one send */
};

struct grpc_method {
    const char *path; /* "/spark.connect.SparkConnectService/ExecutePlan" */
    enum grpc_kind kind;
    /* One request message, valid during the call. Unary and server-streaming: called exactly once, when the client has
     * finished sending (none or more than one message is answered with INTERNAL by the library). */
    void (*message)(struct grpc_call *call, struct bytes message);
    /* Client-streaming: no more messages. Else NULL. */
    void (*half_closed)(struct grpc_call *call);
    /* The client cancelled or the connection broke, before grpc_call_finish. Sends are ignored from now on. May be
     * NULL. */
    void (*cancelled)(struct grpc_call *call);
    /* Output of the call fell below the mark after grpc_call_is_full said true. May be NULL. */
    void (*writable)(struct grpc_call *call);
};

struct grpc_server_options {
    struct world_loop *loop;
    const char *const *addresses;
    size_t address_count;
    uint16_t port;
    const struct grpc_method *methods; /* kept by pointer */
    size_t method_count;
    void *context;
    size_t message_size_max; /* of requests; 0: 128 MiB */
    size_t call_queue_size;  /* grpc_call_is_full above this; 0: 4 MiB */
    struct net_limits limits;
    enum net_peer_rule peer_rule;
    struct service_log *log;
    struct metrics *metrics;
};

/* As net_server_start / stop. Stop cancels the calls (`cancelled` runs). */
struct grpc_server *grpc_server_start(const struct grpc_server_options *options, struct error *error);
void grpc_server_stop(struct grpc_server *server);
/* As net_server_suspend and net_server_resume. */
void grpc_server_suspend(struct grpc_server *server);
bool grpc_server_resume(struct grpc_server *server, struct error *error);
uint16_t grpc_server_port(const struct grpc_server *server);
/* Calls being served. Loop thread. */
size_t grpc_server_call_count(const struct grpc_server *server);

/* ---- calls: loop thread ---- */

void *grpc_call_context(const struct grpc_call *call); /* of the server options */
const struct grpc_method *grpc_call_method(const struct grpc_call *call);
struct world_loop *grpc_call_loop(const struct grpc_call *call);
void grpc_call_set_state(struct grpc_call *call, void *state);
void *grpc_call_state(const struct grpc_call *call);
const struct world_address *grpc_call_peer(const struct grpc_call *call);
const struct world_address *grpc_call_local(const struct grpc_call *call);
uint64_t grpc_call_connection_id(const struct grpc_call *call);
/* Request metadata (lower-case name; "-bin" values are still base64), BYTES_NULL when absent. */
struct bytes grpc_call_metadata(const struct grpc_call *call, const char *name);
/* Copies one response message; queued until the client's window allows it. grpc_call_send_buffer takes the memory. */
void grpc_call_send(struct grpc_call *call, struct bytes message);
void grpc_call_send_buffer(struct grpc_call *call, struct buffer *message);
/* Whether to produce no more until `writable`. */
bool grpc_call_is_full(const struct grpc_call *call);
size_t grpc_call_queued_size(const struct grpc_call *call);
/* Adds trailing metadata; name lower-case, a name ending in "-bin" gets base64. Before finish. */
void grpc_call_add_trailer(struct grpc_call *call, const char *name, struct bytes value);
/* Ends the call after what was sent. message: UTF-8, NULL for none (percent-encoded by the library). details:
 * google.rpc.Status bytes for grpc-status-details-bin, BYTES_NULL for none. */
void grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *message, struct bytes details);
/* Finished or cancelled. */
bool grpc_call_is_over(const struct grpc_call *call);
/* Loop thread. */
struct grpc_call *grpc_call_retain(struct grpc_call *call);
void grpc_call_release(struct grpc_call *call);

#endif
