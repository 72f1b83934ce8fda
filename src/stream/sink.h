/* sink.h: where the rows of a query go. begin → write… (several threads) → commit or abort, per batch. Inside stream/
 * only. */
#ifndef STREAM_SINK_H
#define STREAM_SINK_H

#include "base/log.h"
#include "exec/exec.h"
#include "stream/source.h"
#include "format/format.h"
#include "stream/stream.h"

struct sink;

/* What a sink is made from: of a streaming query, or of a batch write (mode not null). Texts outlive the sink. */
struct sink_request {
    const struct stream_context *context;
    struct service_log *service_log;
    const struct type *schema;
    const struct exec_settings *settings;
    struct bytes format;
    const struct source_option *options;
    size_t option_count;
    struct bytes path;
    const struct bytes *partition_columns;
    size_t partition_column_count;
    struct bytes user;
    struct bytes name;
    struct uuid query_id;
    bool streaming, complete; /* output mode complete */
    bool exactly_once;        /* raudal.stream.kafka.exactlyOnce */
    struct bytes mode;        /* batch: append, overwrite, error, ignore */
    void (*console)(void *argument, struct bytes text);
    void *callback_argument;
    const struct stream_function *function; /* of foreach and foreachBatch, else NULL */
};

struct sink_class {
    const char *name;
    const char *class_name; /* in errors and progress, "ConsoleTable" */
    bool needs_location;    /* a checkpoint location must be given */
    bool recovers;          /* may go on from a checkpoint */
    bool append, complete, update;
    /* NULL with the error. Disk pool. */
    struct sink *(*create)(const struct sink_class *class, const struct sink_request *request, struct sql_error *error);
    void (*destroy)(struct sink *sink);
    /* Of a streaming query, once, before the sink is asked for its latest batch. From the disk pool; done as in commit.
     * May be NULL. */
    void (*open)(struct sink *sink, void (*done)(void *argument, const struct error *error), void *argument);
    /* Newest batch that the sink itself has whole; -1: none that it knows of; INT64_MAX: it does not
     * know any. Disk pool. May be NULL. */
    bool (*latest)(struct sink *sink, int64_t *batch_id, struct sql_error *error);
    /* Removes what the batches behind `whole_until`, up to the one behind `written_until`, left: the power failed. Disk
     * pool. May be NULL. */
    bool (*take_back)(struct sink *sink, int64_t whole_until, int64_t written_until, struct sql_error *error);
    /* Disk pool. *done: nothing is to be run (batch writes with mode ignore). */
    bool (*begin)(struct sink *sink, int64_t batch_id, bool *done, struct sql_error *error);
    /* Compute threads, a partition at a time. */
    bool (*write)(struct sink *sink, struct batch *batch, size_t partition, struct error *error);
    bool (*end_partition)(struct sink *sink, size_t partition, struct error *error); /* may be NULL */
    /* Before commit, for each source that reads topics: where the next batch begins ({"topic":{"0":1}}). Disk pool. May
     * be NULL. */
    void (*stand)(struct sink *sink, struct bytes offsets);
    /* From the disk pool; done is called once, on any thread, maybe before commit returns; error is NULL after success.
     */
    void (*commit)(
        struct sink *sink, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument);
    void (*abort)(struct sink *sink); /* of a batch that began; may be NULL */
    void (*describe)(struct sink *sink, struct buffer *out);
    bool counts_rows; /* numOutputRows is said in the progress */
    bool is_quick;    /* write and commit take no time worth a thread: a loop may call them */
};

struct sink {
    const struct sink_class *class;
    int64_t rows; /* of the batch at hand; atomic */
};

extern const struct sink_class console_sink_class, memory_sink_class, file_sink_class, kafka_sink_class,
    noop_sink_class, foreach_sink_class, foreach_batch_sink_class;
const struct sink_class *sink_find(struct bytes format);
struct bytes sink_option(const struct sink_request *request, const char *name);
/* Memory sink: its rows as a source that lives as long as the sink. */
struct source *memory_sink_table(struct sink *sink);
/* File sink: paths of the last committed batch, for syncing; free each and the array. */
size_t file_sink_take_paths(struct sink *sink, char ***paths);

#endif
