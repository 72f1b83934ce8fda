/* source.h: what a streaming query asks of a source, besides what every source of the engine has (exec/source.h). A
 * source class that can stream is registered with a `struct stream_source_class` here. Offsets are JSON texts, as in
 * the offset log. Inside stream/ only. */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include "exec/source.h"
#include "store/store.h"
#include "stream/kafka_source.h"
#include "stream/stream.h"

/* Given to exec_register_source as context of every class of this folder. */
struct stream_context {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    struct store *store;
    struct stream_kafka *kafka; /* or NULL */
};

struct stream_reading; /* one query's use of a source */

struct stream_metrics { /* of a source's progress; what `count` says is there */
    const char *names[4];
    char values[4][32];
    size_t count;
};

struct stream_lag { /* what is still to be read */
    int64_t messages;
    int64_t oldest_ms; /* wall time of the oldest of them, INT64_MAX: none or not known */
};

struct stream_source_class {
    const struct source_class *class;
    /* checkpoint: canonical path of sources/<index>, where the source may keep its own files. */
    struct stream_reading *(*open)(
        struct source *source, const struct stream_context *context, const char *checkpoint, struct sql_error *error);
    void (*close)(struct stream_reading *reading);
    /* Offset where a query without a checkpoint begins; may write its own files. Disk pool. */
    bool (*initial)(struct stream_reading *reading, struct buffer *offset, struct sql_error *error);
    /* The furthest offset there is now. Disk pool. */
    bool (*latest)(struct stream_reading *reading, struct buffer *offset, struct sql_error *error);
    /* The end of a batch that starts at `start` and goes to `latest` at most, by the source's limits; now_ms: wall time
     * of the trigger. *wait_ms stays 0 unless the limits say to wait for more (minOffsetsPerTrigger): then the end is
     * the start, and it is asked again after so long at the latest. NULL: no limits. */
    bool (*limit)(struct stream_reading *reading, struct bytes start, struct bytes latest, int64_t now_ms,
        struct buffer *end, int64_t *wait_ms, struct sql_error *error);
    /* The rows of [start, end) as a source of the engine with the same schema; closed by source->class->close. */
    struct source *(*batch)(
        struct stream_reading *reading, struct bytes start, struct bytes end, struct sql_error *error);
    /* "KafkaV2[Subscribe[t]]" */
    void (*describe)(struct stream_reading *reading, struct buffer *out);
    void (*metrics)(struct stream_reading *reading, struct bytes end, struct bytes latest,
        struct stream_metrics *metrics); /* may be NULL */
    /* Calls wake when there may be more; NULL: the query asks every so often. */
    void *(*subscribe)(struct stream_reading *reading, void (*wake)(void *argument), void *argument);
    void (*unsubscribe)(struct stream_reading *reading, void *subscription);
    /* Why there is nothing to read from `start` on. read_before: earlier runs of the checkpoint (its path) read;
     * read_now: this run did; wait_ms: its limits say to wait so long (see limit). Loop. May be NULL. */
    void (*reasons)(struct stream_reading *reading, struct bytes start, const char *read_before, bool read_now,
        int64_t wait_ms, struct stream_reasons *reasons);
    /* What lies before `end` was read and its outputs are on the disk: the source may clear it away. Disk pool, as
     * latest. May be NULL. */
    void (*clean)(struct stream_reading *reading, struct bytes end);
    /* Adds what lies behind `position`. Any thread that may look at a page of a file. May be NULL. */
    void (*lag)(struct stream_reading *reading, struct bytes position, struct stream_lag *lag);
    /* Shows `position` to the system that it is a position in, under the query's name; an empty one: it is not shown
     * any more. May be NULL. */
    void (*show)(struct stream_reading *reading, const char *name, struct bytes position);
    /* Before the first trigger, when the query is to end by itself: once (all there is in one batch, without limits) or
     * availableNow (what is there now, in batches by the limits; latest() then goes up to its end step by step). NULL:
     * the query sees to it. */
    void (*prepare)(struct stream_reading *reading, bool once);
    /* How many rows lie between two offsets, at most. NULL: that is not known. */
    int64_t (*size)(struct stream_reading *reading, struct bytes start, struct bytes end);
    bool hides_latest;           /* the progress says null for latestOffset */
    bool equal_offsets_are_text; /* offsets are equal when their texts are */
    int64_t poll_ms;
    /* Before offsets reach the disk what they name is there: done is called on any thread. May be NULL. */
    void (*sync)(
        struct stream_reading *reading, struct bytes end, void (*done)(void *argument, bool ok), void *argument);
};

struct stream_reading {
    const struct stream_source_class *class;
    struct source *source;
};

/* The streaming side of a source's class, or NULL. */
const struct stream_source_class *stream_source_find(const struct source *source);

extern const struct source_class rate_batch_source_class;
extern const struct stream_source_class rate_batch_stream_class;
extern const struct source_class kafka_source_class, rate_source_class, socket_source_class, noop_source_class;
extern const struct source_class parquet_source_class, json_source_class, csv_source_class, text_source_class;
extern const struct source_class state_store_source_class, state_metadata_source_class;
extern const struct stream_source_class kafka_stream_class, rate_stream_class, socket_stream_class, file_stream_class;

#endif
