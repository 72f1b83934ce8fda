/* internal.h: what the files of log/ share. Nothing outside log/ includes it.
 *
 * Locking. `partition_log.mutex` guards the list of segments, what is published of each (size, index entries, verified
 * ranges, quarantine) and the published offsets that are not atomic; it is held for searches and assignments only.
 * `log_manager.files_mutex` guards which segment files are open. `job_mutex` is held by a background job of the
 * partition while it runs, so that closing can wait for it. Order: job_mutex, mutex, files_mutex. */
#ifndef LOG_INTERNAL_H
#define LOG_INTERNAL_H

#include "base/map.h"
#include "log/log.h"
#include "wire/record_batch.h"

#define LOG_PATH_SIZE 1024
#define INDEX_ENTRY_SIZE 8
#define TIME_INDEX_ENTRY_SIZE 12
#define TRANSACTION_INDEX_ENTRY_SIZE 34
#define PRODUCER_BATCHES 5 /* batches per producer whose repetition is recognised, as Kafka */

/* ---- counted files, closed by least recent use ---- */

enum { TRANSACTIONS_UNKNOWN, TRANSACTIONS_NONE, TRANSACTIONS_SOME };
enum segment_file_kind { SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX, SEGMENT_FILE_COUNT };

struct open_file {
    struct list_node node; /* in log_manager.files, most recently used last; unlinked when its segment gave it up */
    struct world_file *file;
    struct segment *segment; /* NULL when given up */
    enum segment_file_kind kind;
    bool read_only; /* the disk allowed no more when it was opened */
    int references;
};

/* ---- a segment ---- */

struct index_entry {
    uint32_t offset; /* relative to the segment's base: last offset of the batch */
    uint32_t position;
};
struct time_entry {
    int64_t timestamp;
    uint32_t offset; /* relative */
};
struct position_range {
    int64_t from, to;
};
struct completed_transaction {
    int64_t producer_id, first_offset, last_offset, last_stable_offset;
    bool aborted, any;
};
struct segment {
    int references; /* atomic */
    struct log_manager *manager;
    struct partition_log *log; /* counted */
    int64_t base_offset;
    int64_t size;            /* bytes of whole batches [mutex] */
    int64_t next_offset;     /* one above its last record; of closed segments the next one's base at most */
    int64_t created_ms;      /* wall time of creation or of the file */
    int64_t first_timestamp; /* of the first batch, -1 none or not read yet */
    int64_t max_timestamp, max_timestamp_offset; /* -1: none */
    bool timestamps_known;                       /* of a closed segment: read when first needed */
    bool deleted;                                /* its files carry .deleted */
    /* active segment: its index entries [mutex] */
    VECTOR(struct index_entry) index;
    VECTOR(struct time_entry) time_index;
    bool index_in_memory;
    bool index_preallocated;
    bool entry_synced; /* atomic: its name is on the disk */
    /* Its .txnindex, atomics: whether there is one (enum), and whether it has entries that are not on the disk. */
    int transactions;
    bool transactions_dirty;
    /* What the disk refused; tried again until it takes it. Readers know it already. */
    VECTOR(struct completed_transaction) unwritten_transactions; /* [mutex] */
    size_t index_unwritten_from, time_unwritten_from;            /* [owner] */
    bool index_unwritten;                                        /* [owner] */
    int64_t bytes_since_index;
    VECTOR(struct position_range) verified;      /* sorted, disjoint [mutex] */
    VECTOR(struct log_quarantine) quarantine;    /* sorted [mutex] */
    struct open_file *files[SEGMENT_FILE_COUNT]; /* [files_mutex] */
};

void segment_path(const struct partition_log *log, int64_t base_offset, const char *suffix, char out[LOG_PATH_SIZE]);
struct segment *segment_create(struct partition_log *log, int64_t base_offset); /* memory only */
struct segment *segment_retain(struct segment *segment);
void segment_release(struct segment *segment);
void segment_close_files(struct segment *segment); /* except what others still hold */
/* The open file, to be given back with file_release; NULL on error. Any thread. */
struct open_file *segment_file(struct segment *segment, enum segment_file_kind kind, struct error *error);
/* The same, and it can be written to: what was opened while the disk was read-only is opened again. */
struct open_file *segment_file_to_write(struct segment *segment, enum segment_file_kind kind, struct error *error);
void file_retain(struct log_manager *manager, struct open_file *file);
void file_release(struct log_manager *manager, struct open_file *file);
/* Makes the empty files of a new active segment, preallocated. [owner] */
/* After segment_make_files failed: what it made. [owner] */
void segment_remove_files(struct segment *segment);
/* Its records and its name reach the disk. Pool threads, and the owner at start and stop. */
bool segment_sync(struct segment *segment, struct error *error);
bool segment_make_files(struct segment *segment, struct error *error);
bool segment_make_index_files(struct segment *segment, struct error *error); /* the same for the two indexes only */
/* Sets the index files to their preallocated size again. [owner] */
bool segment_preallocate(struct segment *segment, struct error *error);
/* Ends the active segment's indexes: last time entry, exact sizes. [owner] */
bool segment_finish_indexes(struct segment *segment, struct error *error);
/* Notes an appended or scanned batch in the in-memory indexes; entries to be written start at the former counts. Under
 * mutex. */
void segment_note_batch(struct segment *segment, const struct record_batch *batch, int64_t position);
/* Writes index entries from these counts on to the files. [owner] */
bool segment_write_indexes(struct segment *segment, size_t index_from, size_t time_from, struct error *error);
bool segment_load_indexes(
    struct segment *segment, struct error *error); /* into memory; false with ERROR_CORRUPT when they cannot be right */
/* Position of the last indexed batch whose last offset is at or below `offset`, else 0. Any thread, reads the file of
 * closed segments. */
bool segment_lookup(struct segment *segment, int64_t offset, int64_t *position, struct error *error);
/* The batch start after `position` that the index knows, or -1. */
bool segment_resync(struct segment *segment, int64_t position, int64_t *next, struct error *error);
/* The last position at or below this one where the index knows a batch to start; 0 when it knows none. */
bool segment_floor(struct segment *segment, int64_t position, int64_t *start, struct error *error);
/* Reads first and largest timestamps of a closed segment if they are not known. */
bool segment_know_timestamps(struct segment *segment, struct error *error);
/* Finds where to start for a timestamp: position of the last batch known to come before. */
bool segment_time_lookup(struct segment *segment, int64_t timestamp, int64_t *position, struct error *error);

/* Walks batch headers from `position` to `end`, reading blocks; quarantined ranges are stepped over. */
struct header_walk {
    struct segment *segment;
    struct open_file *file;
    int64_t position, end;
    int64_t block_position;
    size_t block_size;
    uint8_t block[4096];
    struct record_batch batch; /* header fields only */
    size_t batch_size;
    int64_t batch_position;
};
bool header_walk_begin(
    struct header_walk *walk, struct segment *segment, int64_t position, int64_t end, struct error *error);
/* False at the end or on error (error->code set; ERROR_CORRUPT: no batch header at walk->position). */
bool header_walk_next(struct header_walk *walk, struct error *error);
void header_walk_end(struct header_walk *walk);

/* Is [from, to) verified? Under mutex. */
bool segment_is_verified(const struct segment *segment, int64_t from, int64_t to);
void segment_mark_verified(struct segment *segment, int64_t from, int64_t to);   /* under mutex */
void segment_forget_verified(struct segment *segment, int64_t from, int64_t to); /* under mutex */

/* ---- leader epochs ---- */

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};
struct epochs {
    VECTOR(struct epoch_entry) entries; /* both columns grow */
};
bool epochs_load(struct epochs *epochs, struct world *world, const char *directory, struct error *error);
bool epochs_store(const struct epochs *epochs, struct world *world, const char *directory, struct error *error);
/* Notes that `epoch` starts at `offset`; true when the table changed. */
bool epochs_assign(struct epochs *epochs, int32_t epoch, int64_t offset);
bool epochs_truncate_start(struct epochs *epochs, int64_t start_offset);
bool epochs_truncate_end(struct epochs *epochs, int64_t end_offset);

/* ---- producer state ---- */

struct producer_batch {
    int32_t last_sequence;
    int32_t offset_delta;
    int64_t last_offset;
    int64_t timestamp;
};
struct producer_entry {
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t transaction_start; /* -1 none */
    int64_t last_timestamp;
    int batch_count;
    struct producer_batch batches[PRODUCER_BATCHES]; /* oldest first */
};
struct transaction_span {
    int64_t producer_id, first_offset,
        last_offset; /* last -1: open; else the marker's offset, waiting for the high watermark */
};
struct producer_state {
    struct map entries;                           /* 8-byte id -> struct producer_entry * */
    VECTOR(struct transaction_span) transactions; /* in order of first_offset */
    int64_t map_offset;                           /* everything below is included */
    int64_t snapshot_offset;                      /* of the newest snapshot file, -1 none */
};
struct producer_entry *producer_find(struct producer_state *state, int64_t producer_id);
/* Checks a client's batch against the state. LOG_STATUS_OK with *duplicate filled (last_offset >= 0) when it is a
 * repetition. */
enum log_status producer_check(struct producer_state *state, const struct record_batch *batch,
    struct producer_batch *duplicate, struct error *error);
/* Takes a written batch into the state. `marker_type` is the control record's type or -1. */
void producer_apply(struct producer_state *state, const struct record_batch *batch, int marker_type,
    int32_t coordinator_epoch, struct completed_transaction *completed);
/* Oldest offset that is not decided, or INT64_MAX. */
int64_t producer_first_unstable(const struct producer_state *state);
void producer_high_watermark(
    struct producer_state *state, int64_t high_watermark); /* forgets decided transactions below */
void producer_expire(struct producer_state *state, int64_t before_ms);
void producer_clear(struct producer_state *state);
bool producer_snapshot_write(struct producer_state *state, struct partition_log *log, struct error *error);
/* ERROR_CORRUPT when the file cannot be right. */
bool producer_snapshot_read(
    struct producer_state *state, struct partition_log *log, int64_t offset, struct error *error);

/* ---- a partition ---- */

struct partition_log {
    int references;              /* atomic */
    struct log_manager *manager; /* counted */
    struct world *world;
    char *topic;
    struct uuid topic_id;
    int32_t partition;
    char *name;      /* directory name */
    char *directory; /* full path */
    struct log_config config;
    struct world_mutex mutex, job_mutex;
    VECTOR(struct segment *) segments; /* by base offset; the last is active [mutex] */
    int64_t start_offset, end_offset, high_watermark, stable_offset, recovery_point; /* atomics, written by the owner */
    int64_t total_size;                                                              /* atomic */
    bool closed;                                                                     /* atomic */
    const char *failure;                                                             /* one of `failures` [mutex] */
    VECTOR(char *) failures; /* what others may still hold [mutex] */
    bool failure_is_final;   /* only a start mends it */
    bool sync_failed;        /* what was written since the recovery point must be written again */
    bool epochs_unwritten;
    bool healing;
    int64_t next_heal_ms;            /* monotonic */
    struct epochs epochs;            /* [mutex] */
    struct producer_state producers; /* owner */
    struct list waiters;
    bool wake_posted;
    /* last appends: where a consumer at the tail finds its batch without the index [mutex] */
    struct tail_hint {
        int64_t offset, position;
    } tail[8];
    unsigned tail_count;
    /* syncs [owner] */
    VECTOR(struct sync_waiter {
        int64_t offset;
        void (*done)(void *argument, bool ok);
        void *argument;
    })
    sync_waiters;
    bool sync_running;
    int64_t sync_wanted;      /* offset up to which somebody wants a sync */
    int64_t dirty_since_ms;   /* monotonic; -1 clean */
    int64_t quarantine_count; /* atomic */
    int64_t clean_offset;     /* compaction: first dirty offset */
    bool cleaning;
};

static inline int64_t atomic_get(const int64_t *value) {
    return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}
static inline void atomic_put(int64_t *to, int64_t value) {
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}
static inline bool log_is_closed(const struct partition_log *log) {
    return __atomic_load_n(&log->closed, __ATOMIC_ACQUIRE);
}
static inline struct segment *log_active(struct partition_log *log) {
    return log->segments.items[log->segments.count - 1];
}

/* Segment that may hold `offset`: the last with base <= offset (else the first), retained; NULL when closed. Any
 * thread. */
struct segment *log_segment_for(struct partition_log *log, int64_t offset);
/* The one after, retained; NULL when there is none. */
struct segment *log_segment_after(struct partition_log *log, const struct segment *segment);
/* Position in the segment of the first batch whose last offset is at or above `offset`; *position = end when there is
 * none below `end`. */
bool log_locate(struct partition_log *log, struct segment *segment, int64_t offset, int64_t end, int64_t *position,
    struct error *error);
/* Makes [*position, end) good to serve: verifies what was not, quarantines what is bad. On return *position is the next
 * good batch start at or after the given one and *good_end where good bytes end (at least one whole batch, or ==
 * *position at the end of the segment); `wanted` is how many bytes the reader would like. */
bool log_verify(struct partition_log *log, struct segment *segment, int64_t *position, int64_t end, int64_t wanted,
    int64_t *good_end, struct error *error);
void log_quarantine_add(struct partition_log *log, struct segment *segment, struct log_quarantine bad);
void log_set_failure(struct partition_log *log, const char *text); /* owner */
/* Verifies from `from` on, also what was verified before, up to about `wanted` bytes; what is bad is quarantined.
 * *reached: where to go on. */
bool log_verify_again(struct partition_log *log, struct segment *segment, int64_t from, int64_t wanted,
    int64_t *reached, struct error *error);

/* heal.c */
#define HEAL_INTERVAL_MS 1000
void log_heal_tick(struct partition_log *log, int64_t now_ms); /* owner: tries to bring an offline partition back */
bool log_write_unwritten(struct partition_log *log, struct error *error); /* owner: what the disk refused before */

/* scrub.c */
struct scrub;
void scrub_tick(struct log_manager *manager, int64_t now_ms);
void scrub_free(struct log_manager *manager);

void log_publish(struct partition_log *log); /* owner: recomputes high watermark and stable offset, wakes */
void log_schedule_sync(struct partition_log *log, int64_t offset);                  /* owner */
void log_remove_segments(struct partition_log *log, size_t count, const char *why); /* owner: the first `count` */
/* Renames a segment's files to .deleted, to be removed later, and gives up the list's reference. [owner] */
void log_retire_files(struct segment *segment, bool keep_snapshot);
bool log_retention(struct partition_log *log, struct error *error); /* owner */
void log_tick(struct partition_log *log, int64_t now_monotonic_ms); /* owner: flush_ms, waiting syncs */
bool log_finish(
    struct partition_log *log, struct error *error); /* owner: syncs, ends the indexes, snapshots the producers */
void log_close(struct partition_log *log);           /* owner */
bool log_write_metadata(struct partition_log *log, struct error *error);
/* Takes a scanned or appended batch into producer state. Markers need their record bytes. An aborted transaction is
 * noted in the segment's transaction index unless `segment` is NULL. */
void log_apply_producer(
    struct partition_log *log, struct segment *segment, const struct record_batch *batch, bool live);
bool log_append_transaction_index(
    struct segment *segment, const struct completed_transaction *completed, struct error *error);
bool segment_transactions(
    struct segment *segment, struct buffer *out, struct error *error);        /* bytes of the .txnindex, maybe empty */
bool segment_has_transactions(struct segment *segment);                       /* looks once */
bool segment_sync_transactions(struct segment *segment, struct error *error); /* when dirty */
/* An offset that every batch before this position is below; INT64_MAX when the index does not know. */
bool segment_offset_bound(struct segment *segment, int64_t position, int64_t *bound, struct error *error);

/* recover.c */
bool log_load(struct partition_log *log, bool clean, bool create, struct error *error);

/* cleaner.c: one pass over a compacted partition. plan on the owner, run on the pool, swap on the owner. */
struct clean_job;
struct clean_job *clean_plan(struct partition_log *log); /* NULL: nothing worth it */
void clean_run(struct clean_job *job);
void clean_swap(struct clean_job *job); /* frees the job */
bool clean_is_due(struct partition_log *log, double *dirty_ratio);
bool clean_finish_swaps(struct partition_log *log, struct world_names *names, struct error *error);

/* ---- the manager ---- */

struct removal {
    char *path;
    int64_t due_ms; /* monotonic */
};
struct log_manager {
    int references; /* atomic: jobs under way */
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    char *directory;
    char cluster_id[64];
    struct uuid directory_id;
    int32_t node_id;
    int64_t broker_epoch;
    struct service_log *service_log;
    struct log_manager_options options;
    struct world_file *lock_file;
    bool was_clean;
    bool closing;                                             /* atomic */
    struct map logs;                                          /* directory name -> struct partition_log * */
    struct world_names found;                                 /* directories at start */
    struct map opened;                                        /* names of `found` that were opened */
    struct map recovery_points, start_offsets, clean_offsets; /* name -> int64_t *, as read at start */
    struct world_mutex files_mutex;
    struct list files;
    int file_count;
    struct world_timer *timer;
    int64_t next_retention_ms, next_checkpoint_ms, next_clean_ms; /* monotonic */
    bool checkpoint_running, checkpoint_again;
    struct world_mutex job_mutex; /* checkpoint writing */
    struct world_mutex clean_mutex;
    VECTOR(struct removal) removals;
    struct metric *appended_bytes, *appended_batches, *quarantined_batches, *scrubbed_bytes, *scrub_passes;
    int64_t quarantine_series; /* atomic: series of single batches in the metrics */
    struct scrub *scrub;
    void (*on_advance)(void *argument, struct partition_log *log);
    void *on_advance_argument;
};
static inline bool manager_is_closing(const struct log_manager *manager) {
    return __atomic_load_n(&manager->closing, __ATOMIC_ACQUIRE);
}
struct log_manager *manager_retain(struct log_manager *manager);
void manager_release(struct log_manager *manager);
/* Runs work on the disk pool and done on the owner, or both at once without a loop. */
void manager_run(struct log_manager *manager, world_function *work, world_function *done, void *argument);
/* Removes a file or tree after a delay. [owner] */
void manager_remove_later(struct log_manager *manager, const char *path, int64_t delay_ms);
void manager_checkpoint_soon(struct log_manager *manager); /* writes the checkpoints on the disk pool [owner] */
int64_t manager_now_ms(struct log_manager *manager);       /* monotonic */
void manager_forget(struct log_manager *manager, struct partition_log *log); /* takes it out of the table */

/* checkpoint.c: Kafka's offset checkpoint files */
bool checkpoint_read(
    struct world *world, const char *path, struct map *offsets, struct error *error); /* absent is empty */
void checkpoint_free(struct map *offsets);
/* `lines`: "topic partition offset\n" each. */
bool checkpoint_write(
    struct world *world, const char *path, size_t count, const struct buffer *lines, bool sync, struct error *error);

#endif
