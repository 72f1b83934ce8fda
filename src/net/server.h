/* server.h: listeners and connections. Protocol code takes bytes and gives bytes; only this folder touches sockets.
 *
 * A protocol is a constant table of callbacks. A server listens on some addresses on one loop and makes a connection of
 * that protocol for each peer; everything about a connection (callbacks included) happens on that loop's thread. A
 * callback never blocks; what takes longer goes to a pool and comes back by world_pool_run / world_loop_post.
 *
 * Input. Either `frame` is set (int32 big-endian length, then that many bytes: Kafka, ZooKeeper) or `data` (anything
 * else).
 *
 * Output. Sent parts leave in the order of the calls. Parts sent during a callback leave together when it returns,
 * others at the end of the loop's turn; net_flush sends at once. While more than `output_pause_size` bytes wait, no
 * input is read or delivered (back-pressure on the peer); when no more than half of it waits again, `writable` is
 * called and input goes on.
 *
 * Life. A connection ends by the peer, by net_close or net_abort, or with the server; `closed` is its last callback and
 * is called exactly once for each connection whose `open` returned true, never from inside another call on that
 * connection. A pointer that must outlive `closed` (an answer that comes from a pool) is kept with net_retain /
 * net_release; sends on a closed connection are dropped and their memory is released. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/log.h"
#include "base/metrics.h"
#include "world/world.h"

struct net_server;
struct net_connection;

/* ---- protocols ---- */

struct net_protocol {
    const char *name; /* for logs and metrics, e.g. "kafka" */
    /* A new connection. false refuses it (closed at once, `closed` is not called). context: of the server options, or
     * of net_connect. Typically makes the protocol's state and calls net_set_state. May be NULL. */
    bool (*open)(struct net_connection *connection, void *context);
    /* Bytes that arrived and were not consumed yet. Returns how many are consumed now; the rest is given again with
     * what follows. Up to input_size_max bytes may stay unconsumed; a peer that exceeds it is closed with ERROR_LIMIT.
     */
    size_t (*data)(struct net_connection *connection, struct bytes input);
    /* One whole frame without its length. Valid during the call only; net_take_frame keeps it. */
    void (*frame)(struct net_connection *connection, struct bytes frame);
    /* A length below 0 or above frame_size_max. The protocol may send an answer; afterwards the connection is closed
     * (after a flush). NULL: closed with ERROR_LIMIT. Either is counted and logged. */
    void (*frame_refused)(struct net_connection *connection, int32_t size);
    /* Output fell to half of output_pause_size after having been above it. May be NULL. */
    void (*writable)(struct net_connection *connection);
    /* The peer ended its sending and may still read. true keeps the connection open for output: the protocol closes it
     * with net_close; false, or NULL, closes it now. Input that waits is still delivered. */
    bool (*ended)(struct net_connection *connection);
    /* The end. reason->code is ERROR_NONE after net_close, ERROR_CLOSED when the peer went, ERROR_TIMEOUT when idle,
     * else what failed. Free the state here. May be NULL. */
    void (*closed)(struct net_connection *connection, const struct error *reason);
};

#define NET_NO_CONNECTION SIZE_MAX
/* Zero means the default in brackets. */
struct net_limits {
    size_t connection_count_max;       /* per server [10000]; more are closed at once and counted */
    size_t connection_per_address_max; /* per peer address [connection_count_max]; NET_NO_CONNECTION for none */
    size_t frame_size_max;             /* [100 MiB] */
    size_t input_size_max;             /* unconsumed bytes with `data` [1 MiB] */
    size_t output_pause_size;          /* [1 MiB] */
    /* Closes a connection without output progress and without input for so long [0: never]; with `frame`, input is the
     * start or the end of a frame: single bytes do not keep a connection. */
    int64_t idle_timeout_ms;
    /* With `frame`: a frame that has begun must be whole after so long and a second for each 256 KiB [0: never]. */
    int64_t frame_timeout_ms;
    /* With `frame`: bytes of frames in memory, of all connections of the server [0: no bound]. A frame counts from its
     * length on until net_frame_done. Beyond it connections wait in turn and their peers are not read from; a frame
     * that is alone may exceed it. It may change later, but not from or to 0. */
    size_t input_memory_max;
    /* Peers with a bound of their own in place of connection_per_address_max; the caller's, for the server's life. */
    const struct net_address_limit *address_limits;
    size_t address_limit_count;
};

struct net_address_limit {
    char address[64];
    size_t connection_count_max; /* 0: none */
};

enum net_peer_rule {
    NET_PEER_ANY,
    NET_PEER_SAME_USER, /* over loopback only our own user or root; a peer that is not on this machine is refused */
};

struct net_server_options {
    struct world_loop *loop;
    const char *const *addresses; /* numeric, with the common port, or "ADDRESS:PORT" (IPv6: "[ADDRESS]:PORT") */
    size_t address_count;
    uint16_t port; /* 0 takes a free one (of the first address, then used for all without one) */
    const struct net_protocol *protocol;
    void *context; /* handed to protocol->open */
    struct net_limits limits;
    enum net_peer_rule peer_rule;
    struct service_log *log; /* may be NULL */
    struct metrics *metrics; /* may be NULL */
};

/* Listens. Any thread except pool threads and other loops. NULL with the address and port in the message (ERROR_BUSY
 * when in use). */
struct net_server *net_server_start(const struct net_server_options *options, struct error *error);
/* Stops listening, closes every connection (`closed` runs), frees. Not from the loop itself. */
void net_server_stop(struct net_server *server);
/* Closes the port and every connection (`closed` runs), and opens the same port again: what a stopped service is to its
 * clients. Threads as for start. Resume fails with ERROR_BUSY when another program took the port meanwhile. */
void net_server_suspend(struct net_server *server);
bool net_server_resume(struct net_server *server, struct error *error);
/* Loop thread. Limits of connections that come from now on; those that are there stay. */
void net_server_set_limits(struct net_server *server, const struct net_limits *limits);
uint16_t net_server_port(const struct net_server *server);
/* Loop thread. Calls visit for each open connection of the server. */
void net_server_each(
    struct net_server *server, void (*visit)(void *argument, struct net_connection *connection), void *argument);
/* Bytes of frames that count for input_memory_max, and connections that wait for it. Loop thread. */
size_t net_server_input_memory(const struct net_server *server, size_t *waiting);
/* Open connections. Any thread. */
size_t net_server_connection_count(const struct net_server *server);

/* Splits "127.0.0.1:9092" or "[::1]:9092"; without a port it is common_port. What does not fit is cut off. */
struct net_endpoint {
    char address[64];
    uint16_t port;
};
struct net_endpoint net_endpoint_parse(const char *text, uint16_t common_port);

/* A connection as a client; same callbacks. `open` is called before this returns, `closed` also when connecting fails.
 * Loop thread. The limits' connection counts are without meaning here. */
struct net_connection *net_connect(struct world_loop *loop, const char *address, uint16_t port,
    const struct net_protocol *protocol, void *context, const struct net_limits *limits, struct error *error);

/* ---- connections: loop thread, unless said otherwise ---- */

void net_set_state(struct net_connection *connection, void *state);
void *net_state(const struct net_connection *connection);
struct world_loop *net_loop(const struct net_connection *connection);
/* NULL for net_connect. */
struct net_server *net_connection_server(const struct net_connection *connection);
/* A number that is unique in the process. */
uint64_t net_id(const struct net_connection *connection);
const struct world_address *net_peer(const struct net_connection *connection);
/* The address the peer used to reach us: what a client should be told as ours. */
const struct world_address *net_local(const struct net_connection *connection);
/* Peer's uid on this machine or -1; looked up once. */
int64_t net_peer_uid(struct net_connection *connection);
/* Monotonic, of the accept. */
int64_t net_opened_ms(const struct net_connection *connection);
uint64_t net_bytes_received(const struct net_connection *connection);
uint64_t net_bytes_sent(const struct net_connection *connection);

/* Inside `frame`: gives the frame as owned heap memory (moved when it is large, else copied). The view of the callback
 * is invalid afterwards. On a server with input_memory_max the frame counts until net_frame_done. */
struct buffer net_take_frame(struct net_connection *connection);
/* A taken frame of this size is freed. At the latest in `closed`. */
void net_frame_done(struct net_connection *connection, size_t size);
/* Stops delivering input after the current callback (and soon reading it) until net_resume; both nest not: they set a
 * switch. A protocol that answers one request at a time pauses while it works. net_resume outside a callback delivers
 * what is buffered at the end of the loop's turn. */
void net_pause(struct net_connection *connection);
void net_resume(struct net_connection *connection);
/* Changes the limit for following frames (small before authentication, larger afterwards). */
void net_set_frame_size_max(struct net_connection *connection, size_t size);
/* Changes the idle timeout from now on; 0 never. */
void net_set_idle_timeout(struct net_connection *connection, int64_t timeout_ms);

typedef void net_release_function(void *argument);

/* Copies the bytes. Small pieces in a row become one part. */
void net_send_copy(struct net_connection *connection, struct bytes data);
/* Takes the buffer's memory; *buffer is empty afterwards. */
void net_send_buffer(struct net_connection *connection, struct buffer *buffer);
/* References the bytes until release(argument) is called, on the loop thread, when they were sent or dropped. release
 * may be NULL for constant data. */
void net_send_bytes(
    struct net_connection *connection, struct bytes data, net_release_function *release, void *argument);
/* A range of a file, sent without copying; release(argument) likewise (for closing or unreferencing the file). A file
 * that turns out shorter closes the connection with ERROR_CORRUPT. */
void net_send_file(struct net_connection *connection, struct world_file *file, int64_t offset, size_t size,
    net_release_function *release, void *argument);
/* Sends what waits now rather than at the end of the turn. */
void net_flush(struct net_connection *connection);
/* Bytes that wait to be sent. */
size_t net_output_size(const struct net_connection *connection);
/* Whether output_pause_size is exceeded: produce no more until `writable`. */
bool net_output_full(const struct net_connection *connection);

/* Sends what waits, then closes; input is no longer delivered. A peer that does not take the rest within 10 s is cut
 * off. */
void net_close(struct net_connection *connection);
/* Closes now; waiting output is dropped. `closed` gets `reason` (NULL: ERROR_NONE) and is called in the loop's next
 * turn. */
void net_abort(struct net_connection *connection, const struct error *reason);
bool net_is_closed(const struct net_connection *connection);

/* The pointer stays valid until the matching release. Loop thread. */
struct net_connection *net_retain(struct net_connection *connection);
void net_release(struct net_connection *connection);

#endif
