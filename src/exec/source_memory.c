/* source_memory.c: batches in memory as a source. */
#include <stdlib.h>
#include "exec/source.h"

struct memory_source {
    struct source base;
    struct batch ***partitions;
    size_t *batch_counts;
    size_t partition_count;
};
struct memory_scan {
    struct source_scan base;
    const struct source_projection *projection;
};
struct memory_partition {
    struct source_partition base;
    size_t partition, next;
};

static void memory_close(struct source *source) {
    struct memory_source *memory = (struct memory_source *)source;
    for (size_t i = 0; i < memory->partition_count; i++) {
        for (size_t j = 0; j < memory->batch_counts[i]; j++) {
            batch_release(memory->partitions[i][j]);
        }
        free(memory->partitions[i]);
    }
    free(memory->partitions);
    free(memory->batch_counts);
    free(memory);
}

static void memory_statistics(struct source *source, struct source_statistics *statistics) {
    const struct memory_source *memory = (const struct memory_source *)source;
    *statistics = (struct source_statistics){0, 0};
    for (size_t i = 0; i < memory->partition_count; i++) {
        for (size_t j = 0; j < memory->batch_counts[i]; j++) {
            statistics->row_count += (int64_t)memory->partitions[i][j]->row_count;
            statistics->size += (int64_t)batch_memory_size(memory->partitions[i][j]);
        }
    }
}

static struct source_scan *memory_scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct memory_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    scan->base.source = source;
    scan->base.partition_count = ((struct memory_source *)source)->partition_count;
    scan->projection = projection;
    return &scan->base;
}

static void memory_scan_end(struct source_scan *scan) {
    free(scan);
}

static struct source_partition *memory_partition_open(
    struct source_scan *scan, size_t partition, struct sql_error *error) {
    struct memory_partition *open = calloc(1, sizeof *open);
    ASSERT(open != NULL);
    open->base.scan = scan;
    open->partition = partition;
    return &open->base;
}

static enum source_result memory_partition_next(
    struct source_partition *partition, struct exec_waker waker, struct batch **out, struct sql_error *error) {
    struct memory_partition *open = (struct memory_partition *)partition;
    const struct memory_scan *scan = (const struct memory_scan *)partition->scan;
    const struct memory_source *source = (const struct memory_source *)scan->base.source;
    if (open->next == source->batch_counts[open->partition]) {
        return SOURCE_END;
    }
    struct batch *from = source->partitions[open->partition][open->next++];
    struct batch *batch = batch_create(scan->projection->schema);
    batch->row_count = from->row_count;
    for (size_t i = 0; i < scan->projection->column_count; i++) {
        batch->columns[i] = from->columns[scan->projection->columns[i]];
    }
    batch_keep(batch, from);
    *out = batch;
    return SOURCE_BATCH;
}

static void memory_partition_close(struct source_partition *partition) {
    free(partition);
}

static const struct source_class memory_class = {
    .name = "memory",
    .batch = true,
    .streaming = true,
    .close = memory_close,
    .statistics = memory_statistics,
    .scan_begin = memory_scan_begin,
    .scan_end = memory_scan_end,
    .partition_open = memory_partition_open,
    .partition_next = memory_partition_next,
    .partition_close = memory_partition_close,
};

struct source *source_memory_create(const struct type *schema, struct batch *const *const *partitions,
    const size_t *batch_counts, size_t partition_count) {
    struct memory_source *memory = calloc(1, sizeof *memory);
    ASSERT(memory != NULL);
    memory->base = (struct source){&memory_class, schema};
    memory->partition_count = partition_count;
    memory->partitions = calloc(partition_count + 1, sizeof *memory->partitions);
    memory->batch_counts = calloc(partition_count + 1, sizeof *memory->batch_counts);
    ASSERT(memory->partitions != NULL && memory->batch_counts != NULL);
    for (size_t i = 0; i < partition_count; i++) {
        memory->batch_counts[i] = batch_counts[i];
        memory->partitions[i] = calloc(batch_counts[i] + 1, sizeof **memory->partitions);
        ASSERT(memory->partitions[i] != NULL);
        for (size_t j = 0; j < batch_counts[i]; j++) {
            memory->partitions[i][j] = batch_retain(partitions[i][j]);
        }
    }
    return &memory->base;
}
