/* log.h: partitions on disk, in Kafka's own files. One partition is one directory of segments; a log manager owns all
 * partitions of a log directory. A real Kafka can open the directory at any moment.
 *
 * Threads. Every partition of a manager has the manager's loop as owner: functions marked [owner] are called on that
 * thread only. Functions marked [any] may be called from every thread that holds a reference; they never wait for an
 * append or for the disk's syncs (a mutex guards only the list of segments, for the length of a search). Reading gives
 * whole bytes of the files: record batches v2, back to back.
 *
 * Durability. An append has reached the page cache when log_append returns, so it survives the end of the process. It
 * counts as committed (readable, acknowledged) when the high watermark has passed it: at once by default, after the
 * sync that covers it with flush_messages = 1. */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "base/vector.h"
#include "world/world.h"

struct log_manager;
struct partition_log; /* counted: log_retain, log_release */
struct log_map;       /* counted: log_map_retain, log_map_release */

/* What an append or a read came to; kafka/ turns it into Kafka's error codes. */
enum log_status {
    LOG_STATUS_OK,
    LOG_STATUS_OFFSET_OUT_OF_RANGE,
    LOG_STATUS_CORRUPT,           /* the caller's batches are not whole batches v2, or a checksum is wrong */
    LOG_STATUS_TOO_LARGE,         /* a batch over max.message.bytes, or all of them over segment.bytes */
    LOG_STATUS_INVALID_RECORD,    /* e.g. a batch without records */
    LOG_STATUS_INVALID_TIMESTAMP, /* outside message.timestamp.before/after.max.ms */
    LOG_STATUS_OUT_OF_ORDER_SEQUENCE,
    LOG_STATUS_INVALID_PRODUCER_EPOCH,
    LOG_STATUS_INVALID_TRANSACTION, /* a marker or batch that does not fit the producer's transaction */
    LOG_STATUS_STORAGE,             /* the disk failed: `error` says what */
    LOG_STATUS_CLOSED,              /* the partition was deleted or its manager closed */
};
const char *log_status_name(enum log_status status);

/* ---- settings of one partition: the topic settings of the same names, in Kafka's units ---- */

enum log_cleanup { LOG_CLEANUP_DELETE = 1, LOG_CLEANUP_COMPACT = 2 };
struct log_config {
    int32_t segment_bytes;            /* 1 GiB */
    int64_t segment_ms;               /* 7 days */
    int64_t segment_jitter_ms;        /* 0 */
    int32_t segment_index_bytes;      /* 10 MiB */
    int32_t index_interval_bytes;     /* 4096 */
    int64_t retention_ms;             /* 7 days; -1 for ever */
    int64_t retention_bytes;          /* -1 no bound */
    unsigned cleanup_policy;          /* bits of enum log_cleanup */
    int32_t max_message_bytes;        /* 1048588 */
    int64_t flush_messages;           /* INT64_MAX: never */
    int64_t flush_ms;                 /* INT64_MAX: never */
    int64_t file_delete_delay_ms;     /* 60 s */
    int64_t delete_retention_ms;      /* 1 day: how long compaction keeps tombstones */
    int64_t min_compaction_lag_ms;    /* 0 */
    int64_t max_compaction_lag_ms;    /* INT64_MAX */
    double min_cleanable_dirty_ratio; /* 0.5 */
    bool log_append_time;             /* message.timestamp.type=LogAppendTime */
    int64_t timestamp_before_max_ms;  /* INT64_MAX */
    int64_t timestamp_after_max_ms;   /* 1 hour */
};
void log_config_defaults(struct log_config *config);

/* ---- the manager of one log directory ---- */

struct log_manager_options {
    struct world *world;
    struct world_loop *loop; /* the owner of all partitions. NULL: the calling thread is, there is no background work,
                                callbacks come at once */
    struct world_pool *disk_pool; /* syncs, deletions, compaction. NULL: done in place */
    const char *directory;        /* made when absent */
    int32_t node_id;
    const char *cluster_id;          /* NULL: the one in meta.properties, or a new one */
    struct service_log *service_log; /* may be NULL */
    struct metrics *metrics;         /* may be NULL */
    int64_t producer_expiration_ms;  /* idle producers are forgotten; 0: 1 day */
    int64_t retention_check_ms;      /* 0: 5 minutes */
    int64_t checkpoint_ms;           /* recovery and start offsets; 0: 1 minute */
    int64_t cleaner_backoff_ms;      /* 0: 15 s */
    int32_t open_files_max;          /* of closed segments and idle partitions; 0: 512 */
    bool stops_at_corruption;        /* a reader of a quarantined batch gets LOG_STATUS_CORRUPT; else it steps over */
    int64_t scrub_bytes_per_s;       /* how fast the background verification reads; 0: there is none */
    int64_t scrub_interval_ms;       /* between the starts of two passes over all partitions */
};

/* Locks the directory, reads or makes meta.properties, reads the checkpoints. Opens no partition. ERROR_BUSY when
 * another process has the directory. [owner] */
struct log_manager *log_manager_open(const struct log_manager_options *options, struct error *error);
/* Clean stop: syncs and closes every partition (their handles answer LOG_STATUS_CLOSED from then on), writes the
 * checkpoints, then the clean-shutdown file. Waits for running background work. [owner] */
void log_manager_close(struct log_manager *manager);
const char *log_manager_directory(const struct log_manager *manager);    /* [any] */
const char *log_manager_cluster_id(const struct log_manager *manager);   /* [any] */
struct uuid log_manager_directory_id(const struct log_manager *manager); /* [any] */
int32_t log_manager_node_id(const struct log_manager *manager);          /* [any] */
/* What .kafka_cleanshutdown will say: the epoch of the broker's registration, -1 unknown. [owner] */
void log_manager_set_broker_epoch(struct log_manager *manager, int64_t broker_epoch);
bool log_manager_was_clean(const struct log_manager *manager); /* the last stop was a clean one [any] */
/* Changes options while partitions are open. [owner] */
void log_manager_configure(struct log_manager *manager, int64_t producer_expiration_ms, int64_t cleaner_backoff_ms);
struct world *log_manager_world(const struct log_manager *manager);
struct world_loop *log_manager_loop(const struct log_manager *manager);

/* Partition directories found at start that log_open has not opened since; `names` are directory names. [owner] */
bool log_manager_unopened(struct log_manager *manager, struct world_names *names, struct error *error);
/* Renames them to <name>.<32 hex>-stray, as Kafka does with directories that its metadata does not know. [owner] */
bool log_manager_set_strays_aside(struct log_manager *manager, struct error *error);

/* Opens the partition's directory, recovering it if the last stop was not clean; makes it when absent and `create`. A
 * directory with another topic id is an error (ERROR_CORRUPT), one without is given this id. The caller gets the
 * partition without a reference of its own: it lives until log_delete or log_manager_close. [owner] */
struct partition_log *log_open(struct log_manager *manager, const char *topic, struct uuid topic_id, int32_t partition,
    const struct log_config *config, bool create, struct error *error);
/* NULL when not open. [owner] */
struct partition_log *log_find(struct log_manager *manager, const char *topic, int32_t partition);
/* Next open partition at or after *cursor (start with 0), or NULL. Nothing may be opened or deleted meanwhile. [owner]
 */
struct partition_log *log_next(struct log_manager *manager, size_t *cursor);
/* Renames the directory to <name>.<32 hex>-delete and removes it after file_delete_delay_ms. Waiters are woken with
 * `closed`. [owner] */
bool log_delete(struct partition_log *log, struct error *error);
void log_configure(struct partition_log *log, const struct log_config *config); /* [owner] */
const struct log_config *log_config_of(const struct partition_log *log);        /* [owner] */

struct partition_log *log_retain(struct partition_log *log); /* [any] */
void log_release(struct partition_log *log);                 /* [any] */

/* ---- facts [any] ---- */

const char *log_topic(const struct partition_log *log);
struct uuid log_topic_id(const struct partition_log *log);
int32_t log_partition_index(const struct partition_log *log);
const char *log_directory_name(const struct partition_log *log); /* "events-0" */
int64_t log_start_offset(struct partition_log *log);
int64_t log_end_offset(struct partition_log *log);         /* next offset to be assigned */
int64_t log_high_watermark(struct partition_log *log);     /* everything below is committed */
int64_t log_last_stable_offset(struct partition_log *log); /* everything below is decided (read_committed) */
int64_t log_recovery_point(struct partition_log *log);     /* everything below is synced */
int64_t log_size(struct partition_log *log);               /* bytes of all .log files */
int32_t log_segment_count(struct partition_log *log);
/* Why the partition is offline after a failed write or sync; NULL when it is well. It is tried again every second and
 * goes online by itself when the disk takes what it refused. Valid as long as the partition. */
const char *log_failure(struct partition_log *log);

/* ---- append [owner] ---- */

struct log_append_options {
    int32_t leader_epoch;   /* stamped into every batch; a higher one than before starts a new epoch */
    bool checksum_verified; /* the caller has checked every CRC */
    bool from_coordinator; /* written by the broker itself: control batches and sizes over max.message.bytes allowed, no
                              sequence check */
};
struct log_append_result {
    int64_t base_offset; /* of the first record */
    int64_t last_offset;
    int64_t append_time_ms; /* with LogAppendTime, else -1 */
    int64_t log_start_offset;
    bool duplicate; /* an idempotent producer's repetition: nothing was written, offsets are those of the first time */
};
/* Appends whole batches v2 of one producer with one write. Assigns offsets and leader epoch in `batches` (and
 * timestamps and CRC with LogAppendTime), so the memory must be writable. All or nothing. */
enum log_status log_append(struct partition_log *log, uint8_t *batches, size_t size,
    const struct log_append_options *options, struct log_append_result *result, struct error *error);

/* Waiting for the high watermark. The waiter is the caller's memory, must stay valid until `wake` or log_wait_cancel,
 * and waits once. */
struct log_waiter {
    struct list_node node;
    int64_t offset;
    /* On the owner thread; `closed`: the partition is gone or offline, the offset will not come. */
    void (*wake)(struct log_waiter *waiter, bool closed);
    void *argument;
    struct partition_log *log; /* while waiting, else NULL */
};
enum log_wait_result {
    LOG_WAIT_WAITS,   /* wake will be called */
    LOG_WAIT_REACHED, /* the high watermark is above the offset already */
    LOG_WAIT_OFFLINE, /* the partition is gone or offline: it will never be; an append is not committed */
};
/* Calls wake when the high watermark is above `offset`: an append is committed when it is above last_offset, new data
 * can be read when it is above the offset that was read up to. Never calls wake before it returns. */
enum log_wait_result log_wait(struct partition_log *log, int64_t offset, struct log_waiter *waiter);
void log_wait_cancel(struct log_waiter *waiter); /* harmless when not waiting */
/* Called on the owner thread each time the high watermark has moved, for metrics and for readers on other threads. One
 * per manager. */
void log_manager_on_advance(
    struct log_manager *manager, void (*function)(void *argument, struct partition_log *log), void *argument);

/* Syncs up to the log end on the disk pool, then calls done on the owner thread. One sync is shared by all who wait. */
void log_sync(struct partition_log *log, void (*done)(void *argument, bool ok), void *argument);

/* ---- read [any] ---- */

enum log_isolation { LOG_READ_UNCOMMITTED, LOG_READ_COMMITTED, LOG_READ_TO_END /* the broker's own loading */ };

#define LOG_FILLER_SIZE 61
/* A piece of a segment file for sending without a copy. It starts at the batch that holds the offset and may end within
 * a batch (as Kafka's answers do), never within the first. Release it in any case, also when size is 0. */
struct log_range {
    struct world_file *file; /* NULL with a size: the bytes are `filler` */
    int64_t position;
    size_t size;                                                  /* 0: nothing at this offset yet */
    int64_t high_watermark, last_stable_offset, log_start_offset; /* as of this read */
    struct log_hold *hold;
    /* An empty batch over the offsets of quarantined ones behind which nothing stands: a consumer that reads it goes on
     * behind them. */
    uint8_t filler[LOG_FILLER_SIZE];
};
/* The first batch is given even when it is over bytes_max. A quarantined batch is stepped over, or, with
 * stops_at_corruption, answered with LOG_STATUS_CORRUPT and an error that names its offsets. */
enum log_status log_read(struct partition_log *log, int64_t offset, size_t bytes_max, enum log_isolation isolation,
    struct log_range *range, struct error *error);
void log_range_release(struct log_range *range);
/* The bytes of the range could not be read: they are verified again before they are served again. */
void log_range_distrust(const struct log_range *range);

/* Whole batches, mapped. */
struct log_view {
    struct log_map *map; /* one reference, the caller's; NULL when there is nothing, or only what is skipped */
    struct bytes
        batches; /* inside the map: starts at the batch that holds the offset; records before it must be skipped */
    int64_t next_offset; /* where to go on: one above the last offset of the last batch (the asked offset when empty) */
    int64_t high_watermark, last_stable_offset, log_start_offset;
    int64_t skipped_from,
        skipped_to; /* offsets of a quarantined batch stepped over before `batches`; equal when none */
};
enum log_status log_read_map(struct partition_log *log, int64_t offset, size_t bytes_max, enum log_isolation isolation,
    struct log_view *view, struct error *error);
struct log_map *log_map_retain(struct log_map *map);
void log_map_release(struct log_map *map);
/* False when a page of the map could not be read (its bytes then read as zeros): the batch is lost, not the process. */
bool log_map_check(const struct log_map *map);

/* Aborted transactions that overlap [from, to): what a read_committed fetch lists. */
struct log_aborted {
    int64_t producer_id, first_offset, last_offset; /* last: of the abort marker */
};
struct log_aborted_list { /* VECTOR_FREE */
    struct log_aborted *items;
    size_t count, capacity;
};
bool log_aborted_transactions(
    struct partition_log *log, int64_t from, int64_t to, struct log_aborted_list *list, struct error *error);

/* The same for what was read from `from` on. */
bool log_aborted_in_range(struct partition_log *log, int64_t from, const struct log_range *range,
    struct log_aborted_list *list, struct error *error);
struct record_batch;
/* Whether a reader of committed data passes the batch over: a control batch, or one of a listed transaction. The batch
 * must lie below the last stable offset, within what the list was asked for. */
bool log_batch_is_hidden(const struct log_aborted_list *list, const struct record_batch *batch);

/* First record with a timestamp at or above the given one. *offset is -1 when there is none. */
struct log_time_offset {
    int64_t offset, timestamp_ms;
    int32_t leader_epoch;
};
#define LOG_TIME_LATEST (-1)   /* the high watermark (or last stable offset) */
#define LOG_TIME_EARLIEST (-2) /* the log start offset */
#define LOG_TIME_MAX (-3)      /* the record with the largest timestamp */
enum log_status log_offset_for_time(struct partition_log *log, int64_t timestamp_ms, enum log_isolation isolation,
    struct log_time_offset *found, struct error *error);

/* The largest epoch at or below `epoch` and where it ended; -1 and -1 when unknown. */
void log_epoch_end(struct partition_log *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset);
int32_t log_latest_epoch(struct partition_log *log); /* -1 when nothing was appended */

/* Batches that failed their checksum since the start, for status pages: offsets and file. */
struct log_quarantine {
    int64_t first_offset, last_offset; /* as far as the batch's own header can be believed */
    int64_t position, size;
    int64_t segment_base;
};
struct log_quarantine_list { /* VECTOR_FREE */
    struct log_quarantine *items;
    size_t count, capacity;
};
void log_quarantined(struct partition_log *log, struct log_quarantine_list *list);
/* How many there are: cheap. */
int64_t log_quarantined_count(struct partition_log *log);

/* ---- changes other than appends [owner] ---- */

/* Raises the log start offset (DeleteRecords); -1 stands for the high watermark. */
enum log_status log_delete_records(
    struct partition_log *log, int64_t offset, int64_t *start_offset, struct error *error);
/* Starts a new segment now. */
enum log_status log_roll(struct partition_log *log, struct error *error);
/* What the timers do, at once: retention, compaction, checkpoints. For tests and for clean hand-over. */
bool log_manager_run_retention(struct log_manager *manager, struct error *error);
bool log_manager_run_cleaner(struct log_manager *manager, struct error *error);
/* Verifies every batch of every partition once more, whether or not it was verified before. */
bool log_manager_run_scrub(struct log_manager *manager, struct error *error);
bool log_manager_write_checkpoints(struct log_manager *manager, struct error *error);

/* ---- producers [owner] ---- */

struct log_producer {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; /* -1 none */
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch; /* -1 none */
    int64_t transaction_start; /* first offset of the open transaction, -1 none */
};
struct log_producer_list { /* VECTOR_FREE */
    struct log_producer *items;
    size_t count, capacity;
};
void log_producers(struct partition_log *log, struct log_producer_list *list);
/* False when this partition does not know the producer. */
bool log_producer_find(struct partition_log *log, int64_t producer_id, struct log_producer *producer);

#endif
