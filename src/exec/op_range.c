/* op_range.c: spark.range: numbers from start to end, cut into partitions as Spark cuts them. */
#include "exec/operator.h"

struct range {
    struct operator base;
    int64_t start, step;
    uint64_t count; /* of all rows */
    size_t partitions;
};

struct range_local {
    uint64_t next, end; /* positions in the whole range */
};

static size_t range_partition_count(const struct operator* operator, void * shared) {
    return ((const struct range *)operator)->partitions;
}

static uint64_t position(const struct range *range, size_t partition) {
    return (uint64_t)((unsigned __int128)range->count * partition / range->partitions);
}

static bool range_begin_partition(struct op_run *run) {
    const struct range *range = (const struct range *)run->operator;
    struct range_local *local = run->local;
    local->next = position(range, run->source_partition);
    local->end = position(range, run->source_partition + 1);
    return true;
}

static enum op_result range_read(struct op_run *run, struct batch **out) {
    const struct range *range = (const struct range *)run->operator;
    struct range_local *local = run->local;
    if (local->next == local->end) {
        return OP_NEED_INPUT;
    }
    uint64_t rows = local->end - local->next;
    rows = rows > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : rows;
    struct batch *batch = batch_create(run->operator->schema);
    batch->row_count = (size_t)rows;
    struct column *column = column_create(&batch->arena, run->operator->schema->fields[0].type, (size_t)rows);
    int64_t *values = column->values;
    uint64_t first = (uint64_t)range->start + local->next * (uint64_t)range->step;
    for (uint64_t i = 0; i < rows; i++) {
        values[i] = (int64_t)(first + i * (uint64_t)range->step);
    }
    batch->columns[0] = column;
    local->next += rows;
    exec_run_count_input(run->exec, SIZE_MAX, (int64_t)rows, 0);
    *out = batch;
    return OP_HAVE_OUTPUT;
}

static void range_explain(const struct operator* operator, struct buffer * out) {
    const struct relation_range *range = relation_range_of(operator->relation);
    buffer_printf(out, "(%lld, %lld, step=%lld, splits=%zu)", (long long)range->start, (long long)range->end,
        (long long)range->step, ((const struct range *)operator)->partitions);
}

static const struct operator_class op_range_class = {
    .name = "Range",
    .local_size = sizeof(struct range_local),
    .partition_count = range_partition_count,
    .begin_partition = range_begin_partition,
    .read = range_read,
    .explain = range_explain,
};

struct operator* op_range_create(struct compile *compile, const struct relation *relation) {
    const struct relation_range *node = relation_range_of(relation);
    struct range *range = ARENA_NEW(compile->arena, struct range);
    if (node->step == 0) {
        raise_internal_error(compile->error, "the step of a range is zero");
        return NULL;
    }
    __int128 span = (__int128)node->end - node->start, step = node->step;
    range->start = node->start;
    range->step = node->step;
    range->count = (span > 0) == (step > 0) && span != 0 ? (uint64_t)((span + step + (step > 0 ? -1 : 1)) / step) : 0;
    range->partitions = node->partitions > 0 ? (size_t)node->partitions : exec_slot_count(compile->engine);
    return operator_init(compile, &range->base, &op_range_class, relation);
}
