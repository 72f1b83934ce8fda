/* connect.h: the Spark Connect service: what an unmodified PySpark program speaks to. gRPC over HTTP/2 on port 15002,
 * service spark.connect.SparkConnectService; messages in schema/connect. */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include "base/log.h"
#include "base/metrics.h"
#include "exec/exec.h"
#include "net/server.h"
#include "stream/stream.h"

struct connect_server;

struct connect_options {
    struct world *world;
    struct world_loop *loop;      /* spark */
    struct world_pool *disk_pool; /* analysis: it may read files' footers */
    struct exec_engine *engine;
    struct stream_manager *streams; /* on the same loop */
    const char *address;
    uint16_t port;
    enum net_peer_rule peer_rule;
    const char *programs_folder; /* DIR/run/programs: see cli/program.h */
    /* Server-wide default of a session setting (spark.sql.shuffle.partitions …), NULL when there is none. Any thread.
     */
    const char *(*setting)(void *context, const char *name);
    void *setting_context;
    struct service_log *log; /* spark.log */
    struct metrics *metrics;
};

/* Answers on the port when it returns. Any thread but loops and pools. */
struct connect_server *connect_start(const struct connect_options *options, struct error *error);
/* Ends all sessions with their queries, then frees. */
void connect_stop(struct connect_server *server);
/* Closes the port and ends all sessions with their queries, and opens the port again. Threads as for start. */
void connect_suspend(struct connect_server *server);
bool connect_resume(struct connect_server *server, struct error *error);

/* ---- for pages and `raudal status`; loop thread ---- */

struct connect_session_summary {
    const char *id, *user, *application; /* spark.app.name or "" */
    int64_t started_ms;
    size_t operation_count; /* running */
};
void connect_each_session(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_session_summary *summary), void *argument);

#endif
