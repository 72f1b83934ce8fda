/* stream.h: streaming queries. A query is a state machine on its manager's loop: it asks its sources how far they are,
 * writes the batch's offsets, lets the engine run the plan over them, commits the sink and the batch, and waits for the
 * next append or timer. Nothing in it waits: disk work goes to the disk pool, rows to the compute pool.
 * stream/README.md has the states.
 *
 * On disk everything is Spark's: checkpoint/{metadata,offsets,commits,sources}, the sink's _spark_metadata
 * (stream/checkpoint.h).
 *
 * Threads. Every function is called on the loop given at creation and returns at once; every callback comes on that
 * loop, never before the function that caused it has returned. */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/log.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "exec/exec.h"
#include "sql/error.h"
#include "sql/plan.h"
#include "store/store.h"

struct stream_manager; /* one per process */
struct stream_session; /* spark.streams of one Spark session */
struct stream_query;   /* counted: stream_query_retain, stream_query_release */
struct stream_kafka;   /* stream/kafka_source.h: the way to the topics of Kafka */

struct stream_manager_options {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    struct exec_engine *engine;
    struct store *store;
    struct stream_kafka *kafka;      /* or NULL: no broker in this process */
    struct service_log *service_log; /* spark.log */
    struct metrics *metrics;         /* or NULL */
    const char *
        temporary_directory; /* canonical store path below which checkpoints without a location are made, e.g. "/tmp" */
    /* Canonical path (copied) of the folder with a note for each checkpoint: the batch that is on the disk with all
     * before it (recovery.c). Not below the checkpoints, which hold nothing that Spark does not write. */
    const char *notes_directory;
};
/* Also registers the sources of format/ and of this folder with the engine: parquet, json, csv, text, kafka, rate,
 * socket, noop. */
struct stream_manager *stream_manager_create(const struct stream_manager_options *options, struct error *error);
/* Stops all queries, then calls done and frees the manager. */
void stream_manager_destroy(struct stream_manager *manager, void (*done)(void *argument), void *argument);

/* ---- sessions ---- */

enum stream_event_kind { STREAM_EVENT_STARTED, STREAM_EVENT_PROGRESS, STREAM_EVENT_IDLE, STREAM_EVENT_TERMINATED };
/* json is Spark's text of the event, valid during the call. */
typedef void stream_listener(void *argument, enum stream_event_kind kind, struct bytes json);

struct stream_session *stream_session_create(struct stream_manager *manager);
/* Stops its queries; then calls done (may be NULL). No listener is called afterwards. */
void stream_session_destroy(struct stream_session *session, void (*done)(void *argument), void *argument);
/* One listener per argument; remove gives nothing more to it. */
void stream_session_add_listener(struct stream_session *session, stream_listener *listener, void *argument);
void stream_session_remove_listener(struct stream_session *session, void *argument);

/* The active queries, in order of their start; free() the array. Each has a reference that the caller releases. */
size_t stream_session_active(struct stream_session *session, struct stream_query ***queries);
/* An active query by id; NULL when there is none. Reference is the caller's. */
struct stream_query *stream_session_get(struct stream_session *session, struct uuid id);
/* Calls done(true) when any query of the session has ended since the last reset, done(false) after timeout_ms (-1:
 * never). With `error` when the query ended with one. */
typedef void stream_await(void *argument, bool terminated, const struct sql_error *error);
void stream_session_await_any(struct stream_session *session, int64_t timeout_ms, stream_await *done, void *argument);
void stream_session_reset(struct stream_session *session);
/* Takes back a waiting done by its argument; harmless when it was called already. */
void stream_session_cancel_await(struct stream_session *session, void *argument);

/* ---- starting ---- */

enum stream_trigger_kind {
    STREAM_TRIGGER_DEFAULT,
    STREAM_TRIGGER_PROCESSING_TIME,
    STREAM_TRIGGER_ONCE,
    STREAM_TRIGGER_AVAILABLE_NOW,
    STREAM_TRIGGER_CONTINUOUS, /* refused */
    STREAM_TRIGGER_REAL_TIME,
};

struct stream_setting {
    struct bytes name, value;
};

/* foreach and foreachBatch (formats of these names): the program's own function takes each batch's rows. */
struct stream_function_batch {
    int64_t batch_id;
    const struct type *schema;
    struct batch *const *const *partitions; /* [partition_count][batch_counts[]]; valid until done */
    const size_t *batch_counts;
    size_t partition_count;
    void (*done)(void *argument, const struct error *error); /* once, any thread; NULL after success */
    void *done_argument;
};
struct stream_function {
    void (*run)(void *argument, const struct stream_function_batch *batch); /* disk pool; returns at once */
    void (*end)(void *argument);                                            /* no more batches; any thread */
    void *argument;
};

/* What a program wrote between writeStream and start(). Texts are copied. */
struct stream_start {
    const struct relation
        *plan; /* analyzed, of the query's rows, without the sink; it and its arena live until `release` is called */
    const struct relation *analyzed; /* the same before it was optimized, for explain(); or NULL */
    void (*release)(void *argument); /* called once, when the query needs plan and settings no more; also when the start
                                        fails. Any thread */
    void *release_argument;
    struct exec_settings settings;
    const struct stream_setting
        *configuration; /* the session's settings that were set, for those that streaming reads */
    size_t configuration_count;
    const char *batch_interval; /* raudal.stream.minBatchInterval of the server, NULL: 100 */
    const char *exactly_once;   /* raudal.stream.kafka.exactlyOnce of the server, NULL: true */
    struct bytes name;          /* queryName, or BYTES_NULL */
    struct bytes output_mode;   /* "append" when absent */
    struct bytes format;        /* default: spark.sql.sources.default, parquet */
    const struct source_option *options;
    size_t option_count;
    struct bytes path; /* start(path), or BYTES_NULL (then the option) */
    const struct bytes *partition_columns;
    size_t partition_column_count;
    enum stream_trigger_kind trigger;
    struct bytes trigger_interval; /* "10 seconds" */
    struct bytes user;             /* whose home folder relative paths start in; may be absent */
    struct bytes session_id;       /* for pages: whose query it is; may be absent */

    /* Console sink: each piece of text, for the client's terminal. May be NULL. It also goes to the service log. */
    void (*console)(void *argument, struct bytes text);
    /* Memory sink: the rows as a source that can be read at any time, to be made a temporary view of that name
     * (replacing one). It lives until the session ends. NULL: the memory sink is refused. */
    void (*memory_table)(void *argument, struct bytes name, struct source *table);
    void *callback_argument;                /* of console and memory_table */
    const struct stream_function *function; /* of the formats foreach and foreachBatch; lives until its end() */
};
/* done gets the running query (a reference, its own) or an error. The query's batch errors come later, by exception and
 * await. */
typedef void stream_started(void *argument, struct stream_query *query, const struct sql_error *error);
void stream_query_start(
    struct stream_session *session, const struct stream_start *start, stream_started *done, void *argument);

/* ---- a query ---- */

struct stream_query *stream_query_retain(struct stream_query *query);
void stream_query_release(struct stream_query *query);
struct uuid stream_query_id(const struct stream_query *query);
struct uuid stream_query_run_id(const struct stream_query *query);
struct bytes stream_query_name(const struct stream_query *query); /* BYTES_NULL without */
bool stream_query_is_active(const struct stream_query *query);
/* The text of the listener's QueryStartedEvent. */
void stream_query_started_json(const struct stream_query *query, struct buffer *out);

struct stream_status {
    const char *message;
    bool is_data_available, is_trigger_active, is_active;
};
void stream_query_status(const struct stream_query *query, struct stream_status *status);
/* Progress texts, oldest first, at most 100; index < count. Valid until the loop goes on. */
size_t stream_query_progress_count(const struct stream_query *query);
struct bytes stream_query_progress_json(const struct stream_query *query, size_t index);
/* Why it ended: NULL while it runs and after stop(). class STREAM_FAILED with the cause in its message, as Spark's
 * StreamingQueryException. */
const struct sql_error *stream_query_exception(const struct stream_query *query);
void stream_query_explain(const struct stream_query *query, bool extended, struct buffer *out);

/* done(true) when the query has ended, done(false) after timeout_ms (-1: never). */
void stream_query_await(struct stream_query *query, int64_t timeout_ms, stream_await *done, void *argument);
void stream_query_cancel_await(struct stream_query *query, void *argument);
/* Calls done when everything that the sources had at this moment is in the sink, or the query has ended. */
void stream_query_process_all(struct stream_query *query, stream_await *done, void *argument);
/* Ends it; done (may be NULL) when it has. */
void stream_query_stop(struct stream_query *query, void (*done)(void *argument), void *argument);

/* ---- for pages and `raudal status`: all sessions ---- */

/* What a query did in one batch or, once it has made many, in some neighbouring ones taken together: then times and
 * rates are averages. */
struct stream_sample {
    int64_t timestamp_ms, batch_id; /* of the last one: when its trigger began */
    int64_t batch_count, input_rows;
    double input_rows_per_second, processed_rows_per_second;
    double duration_ms, add_batch_ms, query_planning_ms, get_batch_ms, latest_offset_ms, wal_commit_ms,
        commit_offsets_ms;
    double state_rows; /* of all stateful operators */
};

struct stream_summary {
    struct stream_query *query; /* for the functions above; retain it to keep it */
    struct uuid id, run_id;
    const char *name;       /* "" without */
    const char *session_id; /* as given at the start; "" without */
    const char *status;     /* "Waiting for data to arrive" … */
    bool active;
    int64_t started_ms, ended_ms;  /* ended 0: it runs */
    int64_t batch_id, batch_count; /* the last batch that ended, -1: none; how many did in this run */
    int64_t input_rows;            /* since the start */
    double input_rows_per_second;  /* of the last progress, as the next two */
    double processed_rows_per_second, duration_ms;
    double average_input_rows_per_second, average_processed_rows_per_second; /* of the run */
    const char *sink;
    const char *exception;     /* "" without */
    uint64_t bad_record_count; /* JSON and CSV records that did not fit their schema, this run */
    const char *first_bad_record, *first_bad_field, *first_bad_reason; /* "" without */
    const char *first_bad_place; /* "sensors-0 offset 17"; "" without or when it is not known (yet) */
};
/* Calls visit for each query, running and lately ended ones; texts are valid during the call. */
void stream_manager_each(struct stream_manager *manager,
    void (*visit)(void *argument, const struct stream_summary *summary), void *argument);
/* A running or lately ended query by its run; NULL when there is none. Reference is the caller's. */
struct stream_query *stream_manager_find(struct stream_manager *manager, struct uuid run_id);
/* Texts that are not the query's own are in the arena; the others are valid until the loop goes on. */
void stream_query_summarize(struct stream_query *query, struct arena *arena, struct stream_summary *summary);
/* The run from its start, oldest first, in at most some hundred samples. Valid until the loop goes on. */
size_t stream_query_history(const struct stream_query *query, const struct stream_sample **samples);
/* Where the checkpoint is, as a store path; "" when it is a temporary one. */
const char *stream_query_checkpoint(const struct stream_query *query);

/* ---- how far behind a query is ---- */

enum { STREAM_LATENCY_BUCKETS = 16 };
/* How long rows took from the append to the topic until they were visible in the sink: per batch, for the first append
 * that it waited for. */
struct stream_latency {
    uint64_t counts[STREAM_LATENCY_BUCKETS + 1]; /* up to stream_latency_bounds[i] seconds; the last one: above */
    uint64_t count;
    double sum_seconds;
};
extern const double stream_latency_bounds[STREAM_LATENCY_BUCKETS];
/* Messages of all its topics that it has not read, and for how many seconds the oldest of them waits. false: it reads
 * no topic, or has ended. Loop. */
bool stream_query_lag(struct stream_query *query, int64_t *messages, double *seconds);
/* Lag and latency of every running query as Prometheus text. Loop. */
void stream_manager_metrics(struct stream_manager *manager, struct buffer *out);

/* ---- why nothing comes out of a running query: pages, `raudal status` and `raudal doctor` ---- */

enum stream_reason_kind {
#define REASON(kind, name, english, spanish) STREAM_REASON_##kind,
#include "reasons.def"
#undef REASON
};
struct stream_reason {
    enum stream_reason_kind kind;
    const char *subject, *other, *third; /* what the sentence names: topics, paths, times; "" when there is none */
    int64_t count;
};
struct stream_reasons { /* in the arena */
    struct arena *arena;
    struct stream_reason items[16];
    size_t count; /* what does not fit is left out */
};
/* The most telling first; none for a query that ended. Loop. */
void stream_query_reasons(struct stream_query *query, struct stream_reasons *reasons);
/* The reason's name in JSON, and its sentence without a full stop. Any thread. */
const char *stream_reason_name(enum stream_reason_kind kind);
void stream_reason_format(const struct stream_reason *reason, bool spanish, struct buffer *out);

/* ---- batch writes: df.write ---- */

/* What a program wrote between write and save(). Same rules as stream_start. */
struct stream_write {
    const struct relation *plan;
    struct exec_settings settings;
    struct bytes mode; /* "append", "overwrite", "error"/"errorifexists"/"default", "ignore" */
    struct bytes format;
    const struct source_option *options;
    size_t option_count;
    struct bytes path;
    const struct bytes *partition_columns;
    size_t partition_column_count;
    struct bytes user;
    void (*console)(void *argument, struct bytes text);
    void *callback_argument;
    /* When its rows have been written, before done and with done's argument; may be NULL. */
    void (*ran)(void *argument, const struct exec_query *query);
};
/* plan and texts stay valid until done is called. The handle can be cancelled until then. */
struct stream_save;
struct stream_save *stream_save_start(struct stream_manager *manager, const struct stream_write *write,
    void (*done)(void *argument, const struct sql_error *error), void *argument);
void stream_save_cancel(struct stream_save *save);

#endif
