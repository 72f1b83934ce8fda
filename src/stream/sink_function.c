/* sink_function.c: foreach and foreachBatch: the rows of a batch are kept and given to the program's own function,
 * whose end is the batch's commit. A batch that is run again after a crash is given again: at least once, as in Spark.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/vector.h"
#include "stream/sink.h"

struct function_partition {
    VECTOR(struct batch *) batches;
};

struct function_sink {
    struct sink base;
    const struct stream_function *function;
    const struct type *schema;
    struct world_mutex mutex;
    VECTOR(struct function_partition) partitions;
    /* While the function has the batch. */
    struct stream_function_batch given;
    void (*done)(void *argument, const struct error *error);
    void *done_argument;
};

static void forget_rows(struct function_sink *sink) {
    for (size_t i = 0; i < sink->partitions.count; i++) {
        struct function_partition *partition = &sink->partitions.items[i];
        for (size_t j = 0; j < partition->batches.count; j++)
            batch_release(partition->batches.items[j]);
        VECTOR_FREE(&partition->batches);
    }
    sink->partitions.count = 0;
}

static struct sink *function_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    if (request->function == NULL) {
        raise_data_source_not_found(error, class->name);
        return NULL;
    }
    struct function_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    sink->base.class = class;
    sink->function = request->function;
    sink->schema = request->schema;
    world_mutex_init(&sink->mutex);
    return &sink->base;
}

static void function_destroy(struct sink *base) {
    struct function_sink *sink = (struct function_sink *)base;
    forget_rows(sink);
    VECTOR_FREE(&sink->partitions);
    world_mutex_destroy(&sink->mutex);
    sink->function->end(sink->function->argument);
    free(sink);
}

static bool function_begin(struct sink *base, int64_t batch_id, bool *done, struct sql_error *error) {
    forget_rows((struct function_sink *)base);
    base->rows = 0;
    return true;
}

static bool function_write(struct sink *base, struct batch *batch, size_t partition, struct error *error) {
    struct function_sink *sink = (struct function_sink *)base;
    __atomic_fetch_add(&base->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    world_mutex_lock(&sink->mutex);
    while (sink->partitions.count <= partition)
        *VECTOR_ADD(&sink->partitions) = (struct function_partition){0};
    VECTOR_PUSH(&sink->partitions.items[partition].batches, batch_retain(batch));
    world_mutex_unlock(&sink->mutex);
    return true;
}

static void function_done(void *argument, const struct error *error) {
    struct function_sink *sink = argument;
    free((void *)sink->given.partitions);
    free((void *)sink->given.batch_counts);
    forget_rows(sink);
    sink->done(sink->done_argument, error);
}

static void function_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct function_sink *sink = (struct function_sink *)base;
    size_t count = sink->partitions.count;
    struct batch *const **partitions = calloc(count + 1, sizeof *partitions);
    size_t *batch_counts = calloc(count + 1, sizeof *batch_counts);
    ASSERT(partitions != NULL && batch_counts != NULL);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = sink->partitions.items[i].batches.items;
        batch_counts[i] = sink->partitions.items[i].batches.count;
    }
    sink->done = done;
    sink->done_argument = argument;
    sink->given = (struct stream_function_batch){
        .batch_id = batch_id,
        .schema = sink->schema,
        .partitions = partitions,
        .batch_counts = batch_counts,
        .partition_count = count,
        .done = function_done,
        .done_argument = sink,
    };
    sink->function->run(sink->function->argument, &sink->given);
}

static void foreach_batch_describe(struct sink *sink, struct buffer *out) {
    buffer_append_text(out, "ForeachBatchSink");
}

static void foreach_describe(struct sink *sink, struct buffer *out) {
    buffer_append_text(out, "ForeachWriterTable");
}

#define FUNCTION_SINK(sink_name, sink_class_name, sink_describe)                                                       \
    {                                                                                                                  \
        .name = sink_name, .class_name = sink_class_name, .recovers = true, .append = true, .complete = true,          \
        .update = true, .create = function_create, .destroy = function_destroy, .begin = function_begin,               \
        .write = function_write, .commit = function_commit, .describe = sink_describe                                  \
    }

const struct sink_class foreach_batch_sink_class =
    FUNCTION_SINK("foreachBatch", "ForeachBatchSink", foreach_batch_describe);
const struct sink_class foreach_sink_class = FUNCTION_SINK("foreach", "ForeachWriterTable", foreach_describe);
