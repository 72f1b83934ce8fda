/* grpc_internal.h: sessions (one HTTP/2 connection each) and calls (one stream each). */
#ifndef NET_GRPC_INTERNAL_H
#define NET_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include "base/arena.h"
#include "base/assert.h"
#include "base/list.h"
#include "base/vector.h"
#include "net/grpc.h"

struct grpc_server {
    struct grpc_server_options options; /* sizes filled in */
    struct net_server *net;
    size_t call_count;
    struct metric *started, *failed;
};

struct grpc_session {
    struct grpc_server *server;
    struct net_connection *connection;
    nghttp2_session *http2;
    struct list calls;
    size_t buffered_size; /* request bytes of all calls */
    bool is_pumping;      /* nghttp2 is on the stack: what is asked for is sent when it returns */
};

/* A message on its way out: its prefix and bytes, shared by the parts that reference it. */
struct grpc_message {
    int reference_count;
    struct buffer buffer;
};

struct grpc_outgoing {
    struct grpc_message *message;
    size_t at; /* bytes handed to the connection */
};

struct grpc_pair {
    struct bytes name, value;
};

struct grpc_call {
    struct list_node node;        /* in the session's list while the stream exists */
    struct grpc_session *session; /* NULL once the stream is gone */
    struct grpc_server *server;
    const struct grpc_method *method;
    void *state;
    int32_t stream_id;
    int reference_count;
    struct arena arena; /* metadata, trailers */
    VECTOR(struct grpc_pair) metadata;
    size_t metadata_size;
    VECTOR(struct grpc_pair) trailers;
    struct world_address peer, local;
    uint64_t connection_id;

    struct buffer input; /* request bytes not delivered */
    size_t message_count;

    VECTOR(struct grpc_outgoing) output;
    size_t output_first;
    size_t queued_size;
    bool told_full;

    bool headers_sent;  /* the response headers are submitted */
    bool is_deferred;   /* nghttp2 waits for output */
    bool trailers_sent; /* submitted */
    bool is_over;       /* finished or cancelled */
};

extern const struct net_protocol grpc_protocol;

/* Lets nghttp2 write what it has, as far as the connection takes it. */
void grpc_session_pump(struct grpc_session *session);
/* Output arrived or the end is known: starts or resumes the response. */
void grpc_session_respond(struct grpc_call *call);
/* Ends a call from the library's side. */
void grpc_call_fail(struct grpc_call *call, enum grpc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void grpc_message_release(void *argument);

#endif
