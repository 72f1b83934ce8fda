/* connect.h: the Spark Connect service: what an unmodified PySpark program speaks to. gRPC over HTTP/2 on port 15002,
 * service spark.connect.SparkConnectService; messages in schema/connect. */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include "base/log.h"
#include "base/metrics.h"
#include "exec/exec.h"
#include "net/server.h"
#include "python/python.h"
#include "stream/stream.h"

struct connect_server;

struct connect_options {
    struct world *world;
    struct world_loop *loop;      /* spark */
    struct world_pool *disk_pool; /* analysis: it may read files' footers */
    struct exec_engine *engine;
    struct stream_manager *streams; /* on the same loop */
    struct store *store;
    const char *address;
    const char *const *more_addresses; /* where it answers besides, each "ADDRESS:PORT" */
    size_t more_address_count;
    uint16_t port;
    enum net_peer_rule peer_rule;
    const char *programs_folder; /* DIR/run/programs: see cli/program.h */
    /* Server-wide default of a session setting (spark.sql.shuffle.partitions …), NULL when there is none. Any thread.
     */
    const char *(*setting)(void *context, const char *name);
    void *setting_context;
    struct service_log *log; /* spark.log */
    struct metrics *metrics;
    struct python_plane *python; /* workers for Python functions */
    int python_worker_max;       /* of a session */
};

/* Answers on the port when it returns. Any thread but loops and pools. */
struct connect_server *connect_start(const struct connect_options *options, struct error *error);
/* Ends all sessions with their queries, then frees. */
void connect_stop(struct connect_server *server);
/* Closes the port and ends all sessions with their queries, and opens the port again. Threads as for start. */
void connect_suspend(struct connect_server *server);
bool connect_resume(struct connect_server *server, struct error *error);

/* ---- for pages and `raudal status`; loop thread ---- */

/* A session is the application of Spark's pages. Texts are valid during the call that gives them. */
struct connect_session_summary {
    const char *id, *user, *application; /* spark.app.name or "" */
    const char *client;                  /* what the client says of itself: "spark/4.1.4 os/linux python/3.11" */
    const char *file;                    /* the program's, without folders; "" when it was not told */
    int64_t pid;                         /* of the program; 0 when it was not told */
    int64_t started_ms, ended_ms;        /* wall time; ended 0: it runs */
    bool stopped;                        /* ended by connect_end_session */
    size_t operation_count;              /* running */
    uint64_t execution_count;            /* begun */
};
void connect_each_session(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_session_summary *summary), void *argument);
/* Sessions that have ended, the latest first, at most SESSIONS_KEPT. */
void connect_each_ended_session(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_session_summary *summary), void *argument);
/* Ends it with its queries: the program sees that its session is closed. False when none of that id runs. */
bool connect_end_session(struct connect_server *server, const char *id);

/* ---- SQL executions: what programs let the engine do, the lately ended ones too; loop thread ---- */

enum connect_execution_status { CONNECT_EXECUTION_RUNNING, CONNECT_EXECUTION_COMPLETED, CONNECT_EXECUTION_FAILED };

struct connect_execution_operator {
    const char *name; /* the engine's */
    int depth;
    int64_t input_rows, output_rows, duration_ns, memory_size;
};
struct connect_execution {
    uint64_t id; /* from 0 on */
    const char *session_id, *application, *user;
    const char *description; /* the SQL text, or what was called: "show", "write parquet /datos" … */
    enum connect_execution_status status;
    int64_t started_ms, duration_ms; /* wall time; so far, while it runs */
    int64_t output_rows;
    const char *error;                                  /* "" without */
    const char *plan;                                   /* "== Physical Plan ==" …, "" until there is one */
    const struct connect_execution_operator *operators; /* of one that has ended */
    size_t operator_count;
};
/* The latest first. */
void connect_each_execution(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_execution *execution), void *argument);
/* Visits the one of that id; false when it is not known. */
bool connect_find_execution(struct connect_server *server, uint64_t id,
    void (*visit)(void *argument, const struct connect_execution *execution), void *argument);
/* Interrupts it: its program sees OPERATION_CANCELED. False when it does not run. */
bool connect_cancel_execution(struct connect_server *server, uint64_t id);

#endif
