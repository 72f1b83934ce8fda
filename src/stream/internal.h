/* internal.h: a query, its session and its manager from inside. Everything here lives on the manager's loop unless it
 * says otherwise. */
#ifndef STREAM_INTERNAL_H
#define STREAM_INTERNAL_H

#include "base/list.h"
#include "base/vector.h"
#include "stream/sink.h"
#include "stream/sink_log.h"
#include "stream/source.h"
#include "stream/state_files.h"
#include "stream/stream.h"

enum {
    HISTORY_MAX = 512,
    PROGRESS_MAX = 100,
    BATCHES_RETAINED = 100,
    IDLE_EVENT_MS = 10000,
    SYNC_EVERY_MS = 2000,
    ENDED_MAX = 100,
    SHUFFLE_PARTITIONS_DEFAULT = 200,
    BATCH_INTERVAL_MS = 100,
    REAL_TIME_MS_MIN = 5000
};

/* Someone who waits for a query, or for any of a session. */
struct waiting {
    struct list_node node;
    stream_await *done; /* or: */
    void (*stopped)(void *argument);
    void *argument;
    struct world_timer *timer; /* or NULL */
    bool process_all;          /* waits for the end of the data, not of the query */
    bool planned;              /* a plan was made since it waits */
};

struct stream_manager {
    struct stream_manager_options options;
    struct stream_context context;
    char *temporary_directory, *notes_directory;
    bool notes_are_cleared; /* atomic: those of checkpoints that are gone, once in a process */
    struct list queries; /* of all sessions: starting, running and lately ended */
    struct list sessions;
    struct list saves;
    int ending; /* queries that have ended and whose last work runs */
    bool destroying;
    void (*destroyed)(void *argument);
    void *destroyed_argument;
};

struct listener {
    stream_listener *function;
    void *argument;
};

struct stream_session {
    struct list_node node;
    struct stream_manager *manager;
    VECTOR(struct stream_query *) queries; /* active ones, each with a reference */
    VECTOR(struct listener) listeners;
    VECTOR(struct sink *) tables; /* of memory sinks: they outlive their queries */
    struct list waiting;          /* for any query to end */
    bool any_ended;
    struct sql_error ended_error; /* of the first that ended with one since the reset */
    struct arena error_arena;
    bool destroying, check_posted; /* check_posted: whether it can go is asked soon */
    void (*destroyed)(void *argument);
    void *destroyed_argument;
};

/* Where a query stands. Only the loop changes it. */
enum query_state {
    QUERY_STARTING,   /* on the disk pool: checkpoint, plan, sources */
    QUERY_WAITING,    /* for data, the trigger's time, or an older run to end */
    QUERY_PLANNING,   /* on the disk pool: offsets of the next batch */
    QUERY_RUNNING,    /* on the compute pool */
    QUERY_COMMITTING, /* sink, then commits/N */
    QUERY_ENDED,
};

struct query_source {
    struct stream_reading *reading;
    void *subscription;
    struct buffer start;      /* where the batch at hand begins: the end of the last one */
    struct buffer long_start; /* the same of a long batch; start is then that of its piece */
    int64_t long_rows;
    struct buffer end; /* where it ends */
    struct buffer latest;
    struct buffer syncing, safe; /* up to here the outputs are being synced, are on the disk */
    struct buffer to_clean;      /* the source may clear away what is before this; of the disk pool while planning */
    struct buffer available;     /* availableNow: where the query ends; size 0: not asked yet */
    struct source *batch;
    int64_t rows;
    int64_t wait_ms; /* its limits say to wait for more, so long at most; 0: they do not */
    struct buffer description;
};

/* Batches that the machine lost with its power (recovery.c). */
struct loss {
    bool happened;
    int64_t whole_until, written_until; /* newest batches: on the disk with all before it; of offsets/N, whole or not */
};

/* Milliseconds of the parts of a trigger, as in durationMs. */
struct durations {
    int64_t add_batch, commit_offsets, get_batch, latest_offset, query_planning, trigger_execution, wal_commit;
};

struct stream_query {
    int references;        /* atomic */
    struct list_node node; /* of the manager */
    struct stream_manager *manager;
    struct stream_session *session; /* NULL once the session has gone */
    enum query_state state;
    bool stopping, released, started_told, in_session;
    bool plan_refused; /* Spark finds out only when the query runs: it starts, and ends with the error */
    struct uuid id, run_id;
    struct arena arena;
    struct stream_start start; /* texts in arena */
    stream_started *started;
    void *started_argument;

    struct checkpoint checkpoint;
    struct exec_query *exec;
    struct sink *sink;
    const struct sink_class *sink_class;
    struct sink_request sink_request;
    struct query_source *sources;
    size_t source_count;
    bool exactly_once; /* raudal.stream.kafka.exactlyOnce */
    int64_t interval_ms;
    int64_t batch_interval_ms; /* raudal.stream.minBatchInterval, of a default trigger into files; 0: none */
    int64_t batch_started_ns;

    /* trigger realTime (real_time.c): a batch that lasts long, run in pieces */
    int64_t real_time_ms; /* how long; 0: another trigger */
    bool long_batch;      /* pieces of the batch at hand have run */
    bool long_ends;       /* it is being written to the checkpoint */
    int64_t long_start_ns, long_start_ms, long_output_rows;
    int64_t long_before_ms; /* start of the long batch before, 0: none */

    /* event time and state */
    enum exec_mode mode;
    struct state_files state_files;
    int64_t watermark_ms;       /* after the last batch */
    int64_t batch_watermark_ms; /* of the batch at hand, or of the last one */
    int64_t late_watermark_ms;  /* of the batch before */
    int64_t *watermarks;        /* per withWatermark; INT64_MIN: nothing seen in this run */
    bool watermark_is_maximum, runs_without_data;
    bool old_aggregations, old_joins; /* the checkpoint's states have format 1 */
    bool loose_distribution;          /* see sink_log.h */
    bool ran_batch;    /* this run has executed a batch */
    bool without_data; /* the batch at hand runs because the watermark moved */
    int64_t state_partitions, state_commit_ms;
    struct state_save *state_save; /* while the state is being written */
    int state_savers;              /* atomic: threads that write it */
    int64_t state_save_ns;         /* when that began */

    /* the batch at hand */
    int64_t batch_id;
    int64_t purged_until;                 /* of the checkpoint; 0: nobody has looked */
    int64_t committed_until;              /* commits that were there when this run began */
    int64_t recover_until;                /* the last batch that offsets were written for before this run */
    bool has_batch, recovering, finished; /* finished: once and availableNow have nothing left */
    bool first_batch;
    int64_t batch_timestamp_ms, trigger_start_ns, trigger_start_ms;
    int64_t last_trigger_ms; /* start of the trigger before, 0: none */
    struct durations durations;
    bool skip_execution;      /* the sink has this batch already */
    struct world_mutex mutex; /* guards failed and problem while it runs */
    bool failed;
    struct error problem;

    int woken;  /* atomic: a wake was posted and has not run */
    bool rerun; /* woken while it was busy */
    struct world_timer *timer, *idle_timer, *sync_timer;
    int64_t last_event_ms;

    struct list waiting;
    char *status;
    bool is_data_available, is_trigger_active;
    VECTOR(struct bytes) progress; /* heap texts */
    struct arena error_arena;
    struct sql_error error; /* of the work at hand; arena is error_arena */
    struct sql_error exception;
    bool has_exception;
    struct format_reports reports; /* records that did not fit, this run */
    bool bad_record_seen;          /* its place is looked for, once */
    char bad_record_place[320];
    int64_t started_ms, ended_ms, total_rows;
    int64_t last_rows_read, last_rows_written, files_written; /* of the newest batch; of the run */
    struct stream_sample last;                                /* the newest batch; its batch_count is that of the run */
    VECTOR(struct stream_sample) history;
    struct buffer plan, logical_plan; /* of a query that has ended; the second for explain(extended=True) */

    /* lag.c */
    struct world_timer *lag_timer;
    int64_t lag_shown_ms;      /* when its place was last shown, 0: not yet */
    bool lag_waits;            /* it has moved since */
    int64_t appended_ns;       /* atomic: the first append since the last trigger began; 0: none */
    int64_t batch_appended_ns; /* the same for the batch at hand */
    struct stream_latency latency;

    /* what is to reach the disk */
    VECTOR(char *) unsynced;
    struct buffer synced_end;
    bool syncing, sync_failed;
    bool sync_everything; /* not only `unsynced`: what an earlier run, or a sync that failed, left */
    struct loss loss;
};

/* query.c */
void query_run(struct stream_query *query); /* the next trigger, if it is time */
void query_end(struct stream_query *query);
void query_fail(struct stream_query *query);
void query_set_status(struct stream_query *query, const char *message, bool data, bool active);
void query_woken(void *argument); /* any thread */
/* real_time.c */
/* false with the error when the sink, the output mode or the duration is none that the trigger takes; or when a source
 * or an operator is not, which as in Spark is found out when the query runs (plan_refused). */
bool real_time_check(const struct stream_query *query, int64_t least_ms, struct sql_error *error);
bool real_time_check_plan(struct stream_query *query, struct sql_error *error);
bool real_time_is_piece(const struct stream_query *query);   /* what is planned next is a piece of a long batch */
int64_t real_time_left_ms(const struct stream_query *query); /* until the long batch ends; INT64_MAX: there is none */
void real_time_end_piece(struct stream_query *query);        /* its rows are visible */
/* Before the long batch is written to the checkpoint: from now on the batch at hand is all of it. */
void real_time_end_batch(struct stream_query *query);
/* query_start.c */
void query_release_plan(struct stream_query *query);
/* The plan's logical forms; while the query has it. */
void query_explain_logical(const struct stream_query *query, struct buffer *out);
bool query_check_plan(struct stream_query *query, struct sql_error *error);
/* recovery.c */
/* Before anything else is read of the checkpoint, and when its sink is open: takes back what was lost. Disk pool. */
bool recovery_begin(struct stream_query *query, struct sql_error *error);
bool recovery_end(struct stream_query *query, struct sql_error *error);
/* Everything up to that batch is on the disk. Disk pool. */
bool recovery_mark_synced(struct stream_query *query, int64_t batch_id, struct error *error);
/* why.c */
/* After a batch, before its ends become the next one's starts: the first record that did not fit is looked for. */
void query_note_bad_record(struct stream_query *query);
/* event_time.c */
void event_time_begin_batch(struct stream_query *query);
void event_time_end_batch(struct stream_query *query);
bool event_time_wants_batch(const struct stream_query *query); /* although there is no new data */
/* When the first group times out by the time of day: after this millisecond. INT64_MAX: none does; 0: not known yet. */
int64_t event_time_next_timeout(const struct stream_query *query);
void event_time_put_progress(const struct stream_query *query, struct buffer *out);
void event_time_put_states(const struct stream_query *query, struct buffer *out);
/* lag.c */
void lag_note_append(struct stream_query *query); /* any thread */
void lag_begin_batch(struct stream_query *query);
void lag_end_batch(struct stream_query *query); /* its rows are visible */
void lag_show(struct stream_query *query);      /* the starts of its sources have moved */
void lag_end(struct stream_query *query);       /* before its sources go */
/* progress.c */
void progress_make(struct stream_query *query);
void progress_idle(struct stream_query *query);
void progress_terminated(struct stream_query *query);
void progress_timestamp(int64_t wall_ms, struct buffer *out);
/* history.c */
void history_push(struct stream_query *query, struct stream_sample sample); /* of one batch */
void history_add(struct stream_query *query, int64_t rows, double input_seconds, double work_seconds);
/* session.c */
void manager_check_gone(struct stream_manager *manager); /* frees it when it is being destroyed and nothing is left */
void session_query_started(struct stream_query *query);
void session_query_ended(struct stream_query *query);
void session_tell(struct stream_session *session, enum stream_event_kind kind, struct bytes json);
struct waiting *waiting_add(
    struct list *list, struct world_loop *loop, int64_t timeout_ms, stream_await *done, void *argument);
/* Calls and frees it. */
void waiting_end(struct waiting *waiting, bool terminated, const struct sql_error *error);
void waiting_end_all(struct list *list, const struct sql_error *error);
void waiting_cancel(struct list *list, void *argument);

#endif
