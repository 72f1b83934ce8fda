/* connect_internal.h: sessions and operations from inside.
 *
 * Everything happens on the `spark` loop, except: analysis, which runs on the disk pool, one task of a session after
 * the other (session_run); and results, which come from compute threads and are posted here.
 *
 * An operation is one ExecutePlan. Its answers are kept until the client releases them (reattachable ones up to
 * RETRY_SIZE_MAX behind what was sent), so that ReattachExecute can send them again. */
#ifndef CONNECT_CONNECT_INTERNAL_H
#define CONNECT_CONNECT_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "connect/connect.h"
#include "connect/lower.h"
#include "exec/external.h"
#include "wire/protobuf.h"
#include "net/grpc.h"
#include "net/http.h"
#include "python/python.h"
#include "service.pb-c.h"
#include "sql/sql.h"

/* The version that clients are told: the wire is that of Spark 4. */
#define CONNECT_SPARK_VERSION "4.3.0"

enum {
    RETRY_SIZE_MAX = 10 << 20,    /* answers kept behind the last sent one */
    RESULT_QUEUE_SIZE = 16 << 20, /* answers not sent yet: above this the engine is told to wait */
    SESSION_IDLE_MS = 60 * 60000,
    DETACHED_MS = 5 * 60000, /* a reattachable operation without a client */
    ERRORS_KEPT = 100,
    SESSIONS_KEPT = 200, /* ended ones, for pages */
    EXECUTIONS_KEPT = 1000,
    EXECUTION_TEXT_SIZE_MAX = 32 << 10, /* of a plan; the rest is cut */
    EXECUTION_TEXTS_SIZE_MAX = 8 << 20, /* of all of them: beyond it the oldest go */
};

struct ended_session {
    char *id, *user, *application, *client, *file;
    struct connect_session_summary summary; /* texts are those above */
};

struct connect_server {
    struct connect_options options;
    struct grpc_server *grpc;
    struct map sessions; /* user NUL session id -> struct session */
    struct map closed;   /* ids of released sessions (for SESSION_CLOSED); bounded */
    struct world_timer *timer;
    VECTOR(struct ended_session) ended_sessions;
    struct list executions; /* struct execution_record, oldest first */
    size_t execution_count, execution_texts_size;
    uint64_t next_execution;
    size_t ending_count; /* sessions whose queries are still stopping */
    void (*ended)(void *argument);
    void *ended_argument;
};

struct session_work {
    struct session_work *next;
    world_function *work; /* disk pool */
    world_function *done; /* loop */
    void *argument;
};

struct session {
    struct connect_server *server;
    int references; /* loop only: the table, operations, work */
    char *id, *user;
    char server_side_id[UUID_TEXT_SIZE];
    char program[64]; /* x-raudal-program, or "" */
    char file[128];   /* x-raudal-file, or "" */
    char *client;     /* client_type of its first execution, or NULL */
    int64_t pid;      /* x-raudal-pid, or 0 */
    int64_t started_ms, last_call_ms;
    uint64_t execution_count;
    bool ended, stopped;
    struct world_mutex settings_mutex;
    struct map settings; /* name -> heap text */
    struct sql_session *sql;
    struct stream_session *streams;
    struct map operations; /* id -> struct operation */
    struct map artifacts;  /* name -> struct buffer */
    struct map errors;     /* error id -> struct buffer: packed FetchErrorDetailsResponse */
    struct session_work *work_first, *work_last;
    bool work_runs;
    struct map tables;          /* memory sinks: name -> struct source, until the session ends; under settings_mutex */
    struct map queries;         /* run id -> struct stream_query, also ended ones: a reference each */
    struct operation *listener; /* the open listener bus */
    /* Python functions: functions.c. */
    char *interpreter, *folder; /* x-raudal-python and -folder, or NULL */
    struct python_session *python;
    struct map functions;            /* spark.udf.register: name in small letters -> struct registered_function */
    struct exec_externals externals; /* the engine's way to the workers */
    struct list evaluations;         /* batches on their way: struct python_evaluation */
    struct list listeners;           /* that run here: struct server_listener */
    VECTOR(struct stream_command *) stream_commands; /* under settings_mutex; freed with the session */
};

/* ---- service.c ---- */
struct request_head { /* what every request begins with */
    const char *session_id, *observed_id;
    const Connect__UserContext *user;
};
/* Finds or makes the session (counted for the caller); NULL after the call was answered with an error. */
struct session *service_session(struct grpc_call *call, struct request_head head);
/* Unpacks a request; NULL after the call was answered with an error. */
ProtobufCMessage *service_unpack(
    struct grpc_call *call, struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes message);
/* The head of a request; the fields have the same names in all of them. */
#define REQUEST_HEAD(request)                                                                                          \
    ((struct request_head){                                                                                            \
        (request)->session_id, (request)->client_observed_server_side_session_id, (request)->user_context})
/* Begins a function that takes `call` and `message`: unpacks the unary request and finds its session, as `arena`,
 * `request` and `session`. Returns from it after the call was answered with an error. */
#define OPEN_REQUEST(Type, prefix)                                                                                     \
    struct arena arena = {0};                                                                                          \
    Type *request = (Type *)service_unpack(call, &arena, &prefix##__descriptor, message);                              \
    struct session *session = request == NULL ? NULL : service_session(call, REQUEST_HEAD(request));                   \
    if (session == NULL) {                                                                                             \
        arena_destroy(&arena);                                                                                         \
        return;                                                                                                        \
    }
/* Sends the one answer of a unary call and finishes it. */
void service_answer(struct grpc_call *call, const ProtobufCMessage *message);

/* ---- session.c ---- */
struct session *session_create(struct connect_server *server, const char *user, const char *id, const char *program);
struct session *session_retain(struct session *session);
void session_release(struct session *session);
/* Stops its queries and operations and forgets it. */
void session_end(struct session *session);
/* Queues work on the disk pool behind the session's earlier work; then done on the loop. Holds a reference meanwhile.
 */
void session_run(struct session *session, world_function *work, world_function *done, void *argument);
/* Text of a setting or NULL; any thread; copied into the arena. */
const char *session_setting(struct session *session, struct arena *arena, const char *name);
/* value NULL unsets. Any thread. */
void session_set(struct session *session, const char *name, const char *value);
/* The default of a setting that is not set; NULL when it is unknown. */
const char *session_default(struct session *session, const char *name);
/* What the engine needs of the settings; texts in the arena. */
bool session_exec_settings(
    struct session *session, struct arena *arena, struct exec_settings *settings, struct sql_error *error);
void session_lower_context(
    struct session *session, struct arena *arena, struct sql_error *error, struct lower_context *context);
/* All settings for Config.get_all and streaming queries: array in the arena. */
size_t session_all_settings(struct session *session, struct arena *arena, struct stream_setting **settings);

/* ---- history.c: what pages show ---- */
/* An execution begins: shown until EXECUTIONS_KEPT newer ones have begun. */
void execution_begin(struct operation *operation, const char *description);
/* Its plan; takes the buffer's memory. */
void execution_set_plan(struct operation *operation, struct buffer *plan);
/* What its operators did, before the query is destroyed. */
/* What observe() saw in the query's last run, if it has any. Loop. */
void connect_operation_send_observed(struct operation *operation, const struct exec_query *query);
void execution_set_operators(struct operation *operation, const struct exec_query *query);
/* By connect_operation_finish and _fail. Harmless when it is none. */
void execution_end(struct operation *operation);
/* "show", "collect", or the text of spark.sql. In the arena. */
const char *execution_describe(struct arena *arena, const Connect__Relation *root);
void history_session_ended(struct session *session);
void history_free(struct connect_server *server);

/* ---- functions.c ---- */
/* The session's Python workers, made when first asked for; NULL when it has ended. Loop. */
struct python_session *session_python(struct session *session);
/* An artifact goes to the workers, when they have a use for such ones. Loop. */
void session_share_artifact(struct session *session, const char *name, const struct buffer *content);
/* The function of writeStream.foreachBatch (whole) or foreach, for stream_start. Any thread. */
const struct stream_function *session_stream_function(
    struct session *session, struct bytes pickled, const char *python_version, bool whole);
/* Which query it belongs to; and that its query is to stop: a function that hangs is ended. Loop. */
void session_function_started(const struct stream_function *function, struct uuid run_id);
void session_stop_function(struct session *session, struct uuid run_id);
void session_init_functions(struct session *session);
/* Registered functions: kept by name; found by analysis. Both in the session's queue of analysis (session_run). */
void session_register_function(struct session *session, const struct expression_python_udf *function);
void session_copy_functions(struct session *to, struct session *from);
const struct expression_python_udf *session_find_function(void *context, struct arena *arena, struct bytes name);
void session_free_functions(struct session *session);
/* Query listeners that run in the server, as clients before 4.0 have them; by the ids that clients give. */
void session_add_listener(struct session *session, const char *id, const Connect__PythonUDF *function);
void session_remove_listener(struct session *session, const char *id);
char **session_listener_ids(struct session *session, struct arena *arena, size_t *count);
void session_free_listeners(struct session *session);

/* ---- errors.c ---- */
/* Ends the call with the error: status INTERNAL, ErrorInfo in the details, the whole kept for FetchErrorDetails.
 * session may be NULL. */
void errors_finish(struct grpc_call *call, struct session *session, const struct sql_error *error);
/* The same as bytes that can be sent later: the google.rpc.Status message; *message is in the error's arena. */
struct buffer errors_status(struct session *session, const struct sql_error *error, const char **message);
void errors_fetch(struct grpc_call *call, struct bytes message);

/* ---- operation.c ---- */
struct answer {
    char id[UUID_TEXT_SIZE];
    struct buffer message; /* packed ExecutePlanResponse; freed when released */
};
struct operation {
    struct session *session;
    int references; /* loop only */
    char id[64];
    struct arena arena; /* request, plan, error */
    const Connect__ExecutePlanRequest *request;
    struct sql_error error;
    bool reattachable, complete, removed;
    int64_t started_ms, detached_ms; /* 0: a client is attached */
    struct grpc_call *call;          /* attached, or NULL */
    VECTOR(struct answer) answers;
    size_t first, next; /* answers[first..] are kept; answers[next] is sent next */
    size_t queued_size, kept_size;
    struct buffer status; /* of the error, when it failed */
    const char *status_message;
    void (*cancel)(struct operation *operation);  /* set while something runs that can be cancelled */
    void (*drained)(struct operation *operation); /* the queue is below half again */
    void (*on_remove)(struct operation *operation);
    /* Fills in the stages of a running query; memory in the operation's arena. */
    void (*progress)(struct operation *operation, Connect__ExecutePlanResponse__ExecutionProgress *progress);
    void *state; /* of execute.c, command.c, streaming.c; in the arena */
    Connect__DataType *schema;
    int64_t last_progress_ms;
    struct execution_record *record; /* of one that is shown as an SQL execution, or NULL */
};
struct operation *connect_operation_create(
    struct session *session, const Connect__ExecutePlanRequest *request, struct arena arena);
struct operation *connect_operation_retain(struct operation *operation);
void connect_operation_release(struct operation *operation);
void connect_operation_attach(struct operation *operation, struct grpc_call *call);
/* Fills in the ids, packs and queues it. */
void connect_operation_send(struct operation *operation, Connect__ExecutePlanResponse *response);
/* A ready arrow_batch: takes the buffer. */
void connect_operation_send_arrow(
    struct operation *operation, struct buffer *data, int64_t row_count, int64_t start_offset);
/* The end: result_complete, or the operation's error. */
void connect_operation_finish(struct operation *operation);
/* With an error in operation->error. */
void connect_operation_fail(struct operation *operation);
/* Cancels what runs and ends the operation with OPERATION_CANCELED (interrupt, end of the session). */
void connect_operation_interrupt(struct operation *operation);
void connect_operation_remove(struct operation *operation);
void connect_operation_writable(struct grpc_call *call);
void connect_operation_detached(struct grpc_call *call);
bool connect_operation_is_full(const struct operation *operation);
void connect_operation_tick(struct operation *operation, int64_t now_ms);

/* ---- the rest ---- */
void execute_root(struct operation *operation, const Connect__Relation *root);
/* Runs an analyzed relation and answers its rows (commands with results). */
void execute_command(struct operation *operation, const Connect__Command *command);
void command_write(struct operation *operation, const Connect__WriteOperation *write);
void command_start_stream(struct operation *operation, const Connect__WriteStreamOperationStart *start);
/* For the terminal, or the notebook's cell, of the program that Raudal started (cli/program.h): appended to its file
 * `name`. Nothing for other programs. Any thread. */
void session_write_console(struct session *session, const char *name, struct bytes text);
void command_query(struct operation *operation, const Connect__StreamingQueryCommand *command);
void command_manager(struct operation *operation, const Connect__StreamingQueryManagerCommand *command);
void command_listener_bus(struct operation *operation, const Connect__StreamingQueryListenerBusCommand *command);
const struct relation *catalog_relation(
    struct session *session, struct arena *arena, const Connect__Catalog *catalog, struct sql_error *error);
/* Plan of a request, decompressed when it came so; NULL with the error. */
const Connect__Plan *plan_open(struct arena *arena, const Connect__Plan *plan, struct sql_error *error);
void analyze_plan(struct grpc_call *call, struct bytes message);
void config(struct grpc_call *call, struct bytes message);
void artifacts_message(struct grpc_call *call, struct bytes message);
void artifacts_half_closed(struct grpc_call *call);
void artifacts_cancelled(struct grpc_call *call);
void artifacts_status(struct grpc_call *call, struct bytes message);
/* Content, or BYTES_NULL. */
struct bytes artifacts_get(struct session *session, const char *name);

#endif
