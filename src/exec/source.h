/* source.h: what a scan reads. A source class (parquet, json, csv, text, kafka, rate …) is registered by name with the
 * engine; a source is one table or one read of it; a partition of it is read by one task at a time.
 *
 * Life: open (analysis: finds files, reads a schema; may wait for the disk, so from the disk pool) → for every run of a
 * query scan_begin (what to read, how many partitions) → partition_open/next/close on compute threads → scan_end →
 * close. */
#ifndef EXEC_SOURCE_H
#define EXEC_SOURCE_H

#include "base/arena.h"
#include "column/column.h"
#include "exec/settings.h"
#include "sql/error.h"
#include "world/world.h"

struct exec_engine;
struct source;
struct source_scan;
struct source_partition;

struct source_option {
    struct bytes key, value; /* keys are compared ignoring case */
};

/* A read as the program wrote it. Everything outlives the source. */
struct source_request {
    struct exec_engine *engine;
    struct world *world;
    struct bytes format;
    const struct source_option *options;
    size_t option_count;
    const struct bytes *paths; /* load(path…), canonical or as written; the class resolves them */
    size_t path_count;
    const struct type *user_schema; /* schema(…), or NULL */
    const struct exec_settings *settings;
    struct bytes user; /* whose home folder relative paths start in */
    bool streaming;
};
/* The value of an option, or BYTES_NULL. */
struct bytes source_option_get(const struct source_request *request, const char *key);

/* How a waiting reader is woken: call it once, from any thread, when there may be something to do. */
struct exec_waker {
    void (*wake)(void *argument);
    void *argument;
};

enum source_result { SOURCE_BATCH, SOURCE_END, SOURCE_BLOCKED, SOURCE_FAILED };

enum source_comparison {
    SOURCE_EQUAL,
    SOURCE_LESS,
    SOURCE_LESS_EQUAL,
    SOURCE_GREATER,
    SOURCE_GREATER_EQUAL,
    SOURCE_IS_NULL,
    SOURCE_IS_NOT_NULL
};
/* A condition that all wanted rows meet. Advice: the engine filters again, a source only skips what certainly does not
 * match. */
struct source_filter {
    size_t column; /* index in the source's schema */
    enum source_comparison comparison;
    const struct column *value; /* one row of the column's type; NULL for the null tests */
};

struct source_projection {
    const size_t *columns; /* indexes in the source's schema, in the order the batches must have */
    size_t column_count;
    const struct type *schema; /* STRUCT of those columns: the schema of the batches */
    const struct source_filter *filters;
    size_t filter_count;
    int64_t row_limit; /* no more rows than this are needed from each partition; -1: all */
};

struct source_statistics {
    int64_t row_count, size; /* -1: unknown */
};

struct source_class {
    const char *name; /* as in format("…"), lower case */
    bool streaming, batch;
    /* Makes a source and finds its schema; NULL with *error filled. */
    struct source *(*open)(
        const struct source_class *class, const struct source_request *request, struct sql_error *error);
    void (*close)(struct source *source);
    void (*statistics)(struct source *source, struct source_statistics *statistics); /* NULL: unknown */
    /* The text of the scan in explain() after "Scan name", e.g. a location; NULL: nothing. */
    void (*explain)(struct source *source, struct buffer *out);
    /* Fixes what one run reads. The projection outlives the scan. Compute thread: must not wait. NULL with *error
     * filled. */
    struct source_scan *(*scan_begin)(
        struct source *source, const struct source_projection *projection, struct sql_error *error);
    void (*scan_end)(struct source_scan *scan);
    /* Compute threads, different partitions at the same time. */
    struct source_partition *(*partition_open)(struct source_scan *scan, size_t partition, struct sql_error *error);
    /* The next batch (the caller's reference), the end, or BLOCKED: then `waker` is kept and called once. Reading plain
     * files may wait for the disk; network must not. */
    enum source_result (*partition_next)(
        struct source_partition *partition, struct exec_waker waker, struct batch **batch, struct sql_error *error);
    void (*partition_close)(struct source_partition *partition);
};

/* Classes embed these as their first member. */
struct source {
    const struct source_class *class;
    const struct type *schema; /* STRUCT; lives as long as the source */
};
struct source_scan {
    struct source *source;
    size_t partition_count;
    int64_t bytes_read; /* the class adds to it atomically: progress */
};
struct source_partition {
    struct source_scan *scan;
};

/* A source over batches in memory (micro-batches, cached tables, tests): the given partitions of batches are retained.
 * schema outlives it. */
struct source *source_memory_create(const struct type *schema, struct batch *const *const *partitions,
    const size_t *batch_counts, size_t partition_count);

/* Registering is done once at start; the class is constant. find returns NULL for an unknown name; ASCII case is
 * ignored. */
void exec_register_source(struct exec_engine *engine, const struct source_class *class, void *context);
const struct source_class *exec_find_source(struct exec_engine *engine, struct bytes name);
/* What was given at registration (the store, the Kafka client …). */
void *exec_source_context(struct exec_engine *engine, const struct source_class *class);
size_t exec_source_count(struct exec_engine *engine);
const struct source_class *exec_source_at(struct exec_engine *engine, size_t index);

#endif
