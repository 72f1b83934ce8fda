/* net_internal.h: servers and connections as their two files see them. */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "net/server.h"

struct net_counters { /* each may be NULL: no metrics wanted */
    struct metric *open, *accepted, *refused, *received, *sent;
};

/* Who may come in: counts and rules of one server, whatever it speaks. */
struct net_gate {
    const char *protocol;
    struct world *world;
    struct net_limits limits; /* defaults filled in */
    enum net_peer_rule peer_rule;
    struct service_log *log;
    struct net_counters counters;
    struct map address_counts; /* peer address -> count, as a number in the pointer */
    _Atomic size_t connection_count;
};

void net_gate_open(struct net_gate *gate, const char *protocol, struct world *world, const struct net_limits *limits,
    enum net_peer_rule peer_rule, struct service_log *log, struct metrics *metrics);
/* Counts the socket in, or logs why not. */
bool net_gate_enter(struct net_gate *gate, const struct world_socket *socket);
void net_gate_leave(struct net_gate *gate, const struct world_address *peer);
void net_gate_close(struct net_gate *gate);
/* Runs on the loop and waits, also when called from the loop itself. */
void net_run_on_loop(struct world_loop *loop, world_function *function, void *argument);

struct net_server {
    struct world_loop *loop;
    const struct net_protocol *protocol;
    void *context;
    struct net_gate gate;
    VECTOR(struct world_listener *) listeners;
    VECTOR(char *) addresses;
    uint16_t port;
    struct list connections;
    size_t input_memory; /* of frames, from their length to net_frame_done */
    struct list waiting; /* connections that wait for it, in turn */
};

/* What waits to be sent: memory, or a range of a file. */
struct net_part {
    struct buffer owned; /* owned.data set: `data` points into it */
    size_t sent;         /* of owned */
    struct bytes data;   /* referenced memory that remains */
    struct world_file *file;
    int64_t offset;
    size_t file_size; /* that remains */
    net_release_function *release;
    void *argument;
};

struct net_connection {
    struct list_node node; /* in the server's list */
    struct net_server *server;
    struct world_loop *loop;
    struct world_socket *socket; /* NULL once closed */
    const struct net_protocol *protocol;
    void *state;
    struct net_limits limits;
    struct net_counters counters;
    struct service_log *log;
    uint64_t id;
    struct world_address peer, local;
    int64_t peer_uid; /* UID_UNKNOWN until looked up */
    int64_t opened_ms, active_ms;
    uint64_t received_size, sent_size;
    int reference_count;

    /* Input: bytes not consumed yet, from input_start; a large frame is gathered in `body`, where reads go directly. */
    struct buffer input;
    size_t input_start;
    struct buffer body;
    size_t body_size;                /* of the frame in `body`; 0: none */
    bool frame_is_body, frame_taken; /* during `frame` */
    struct bytes frame;
    size_t reserved; /* of the server's input memory, for the frame in `body` */
    bool waits_for_memory;
    struct list_node memory_node; /* in the server's waiting list */
    bool is_partial;              /* a frame has begun, at frame_since_ms, and more of it is awaited */
    int64_t frame_since_ms;

    /* Output. */
    struct net_part *parts;
    size_t part_first, part_count, part_capacity;
    size_t output_size;
    struct buffer spare; /* memory of a finished copy, for the next */

    bool watches_readable, watches_writable;
    bool is_paused; /* by the protocol */
    bool is_full;   /* output above output_pause_size; cleared at half of it */
    bool tells_writable;
    bool wants_delivery; /* input may go on since the last delivery */
    bool times_close;    /* the timer runs for the close */
    bool has_ended;      /* the peer sends no more; kept open for output */
    bool is_opened;      /* open returned true: closed is due */
    bool is_closing;     /* net_close was called */
    bool is_closed;      /* the socket is gone */
    bool tells_closed;
    bool is_scheduled;         /* a turn is posted */
    bool is_in_turn;           /* callbacks run now; the end of the turn flushes and settles */
    struct world_timer *timer; /* idle or closing deadline; made when first needed */
    struct error *reason;
};

/* Takes the socket. NULL when the protocol refused it. */
struct net_connection *net_connection_create(struct net_server *server, struct world_loop *loop,
    struct world_socket *socket, const struct net_protocol *protocol, void *context, const struct net_limits *limits,
    struct net_counters counters, struct service_log *log);
/* Closes at once and calls `closed` before returning; for a server that stops. */
void net_connection_end(struct net_connection *connection, const struct error *reason);
/* From here a frame is gathered in memory of its own. */
#define NET_LARGE_FRAME_SIZE 32768
/* Memory of frames: false when the connection has to wait for it. */
bool net_memory_take(struct net_connection *connection, size_t size);
void net_memory_give(struct net_connection *connection, size_t size);
/* It will not wait any longer. */
void net_memory_leave(struct net_connection *connection);
/* Input may go on. */
void net_connection_wake(struct net_connection *connection);
/* The connection leaves the server's list and counts. */
void net_server_forget(struct net_server *server, struct net_connection *connection);
struct net_limits net_limits_with_defaults(const struct net_limits *limits);

static inline void net_count(struct metric *metric, int64_t amount) {
    if (metric != NULL)
        metric_add(metric, amount);
}

#endif
