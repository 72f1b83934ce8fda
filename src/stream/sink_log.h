/* sink_log.h: the checkpoint's logs and the file sink's, byte for byte as Spark writes them. Inside stream/ only. All
 * functions may wait for the disk.
 *
 *   metadata         {"id":"<uuid>"}
 *   offsets/<batch>  v1 LF {metadata} LF one line per source ("-" for none)
 *   commits/<batch>  v1 LF {"nextBatchWatermarkMs":<ms>}
 *   _spark_metadata/<batch>[.compact]  v1, then LF and one JSON per file; every tenth holds all before it
 *
 * A file is written under another name and renamed, never over one that is there. An empty file is what a lost power
 * supply leaves of one: it counts as absent and is replaced. */
#ifndef STREAM_SINK_LOG_H
#define STREAM_SINK_LOG_H

#include "base/uuid.h"
#include "sql/error.h"
#include "store/store.h"
#include "stream/files.h"

struct checkpoint {
    struct store *store;
    char *location; /* canonical */
    bool temporary; /* nobody goes on from it */
};

/* The query's id: read, or made and written. Fails when there are offsets or commits without it. */
bool checkpoint_open(const struct checkpoint *checkpoint, struct uuid *id, bool *is_new, struct sql_error *error);

struct offset_entry { /* offset_entry_free */
    int64_t batch_id, watermark_ms, timestamp_ms;
    struct buffer *offsets; /* per source; size 0: none */
    size_t source_count;
    /* The settings that are frozen with the query, as they were found or are to be written. */
    int64_t shuffle_partitions; /* 0: not said */
    bool watermark_is_maximum;  /* multipleWatermarkPolicy */
    /* Formats of the states of aggregations and of joins; Spark before 2.4 and 3.0 did not say them, and meant 1. */
    bool old_aggregations, old_joins;
    bool loose_distribution; /* a repartition() by some keys below a stateful operator spread its state, before 3.3 */
    bool exactly_once;          /* the sink keeps the number of the batch: raudal.stream.kafka.exactlyOnce */
    uint64_t boot_id;           /* of the machine that wrote it; 0: another program, or not said */
};
void offset_entry_free(struct offset_entry *entry);
/* Newest whole batches; -1 when there are none. */
bool checkpoint_latest(
    const struct checkpoint *checkpoint, int64_t *offsets, int64_t *commits, struct sql_error *error);
bool checkpoint_read_offsets(const struct checkpoint *checkpoint, int64_t batch_id, size_t source_count,
    struct offset_entry *entry, struct sql_error *error);
bool checkpoint_write_offsets(
    const struct checkpoint *checkpoint, const struct offset_entry *entry, struct sql_error *error);
bool checkpoint_write_commit(
    const struct checkpoint *checkpoint, int64_t batch_id, int64_t next_watermark_ms, struct sql_error *error);
bool checkpoint_read_commit(
    const struct checkpoint *checkpoint, int64_t batch_id, int64_t *next_watermark_ms, struct sql_error *error);
/* Only what offsets/<batch> says besides offsets, when the number of sources is not known yet. */
bool checkpoint_read_settings(
    const struct checkpoint *checkpoint, int64_t batch_id, struct offset_entry *entry, struct sql_error *error);
/* Deletes offsets and commits of batches before `batch_id`, from *purged_until on, which then is batch_id; 0: from the
 * oldest that there are. */
void checkpoint_purge(const struct checkpoint *checkpoint, int64_t *purged_until, int64_t batch_id);

struct sink_entry {
    struct bytes uri; /* of the file, escaped */
    int64_t size, modified_ms, block_size;
    int replication;
};
struct sink_entries { /* in an arena */
    struct sink_entry *items;
    size_t count, capacity;
};
/* The newest whole batch of the log of an output directory, -1 without one. */
bool sink_log_latest(struct store *store, const char *directory, int64_t *batch_id, struct error *error);
/* Removes its batches behind that one, the newest first. */
bool sink_log_take_back(struct store *store, const char *directory, int64_t batch_id, struct error *error);
/* All files that the log names up to its newest batch. */
bool sink_log_read(
    struct store *store, struct arena *arena, const char *directory, struct sink_entries *entries, struct error *error);
bool sink_log_write(struct store *store, const char *directory, const char *authority, int64_t batch_id,
    const struct written_files *files, struct error *error);

#endif
