/* op_watermark.c: withWatermark. Rows pass; the times of the event-time column are counted for the query's watermark.
 */
#include "exec/query.h"
#include "exec/state.h"

struct watermark {
    struct operator base;
    struct exec_watermark *seen;
    size_t column;
};

struct watermark_shared {
    struct world_mutex lock;
    bool begun;
};

static bool watermark_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct watermark_shared *shared = state;
    struct exec_watermark *seen = ((const struct watermark *)operator)->seen;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    seen->count = 0;
    seen->sum_ms = 0;
    seen->minimum_ms = INT64_MAX;
    seen->maximum_ms = INT64_MIN;
    return true;
}

static void watermark_end(const struct operator* operator, void * state) {
    struct watermark_shared *shared = state;
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static int64_t floor_ms(int64_t microseconds) {
    return microseconds / 1000 - (microseconds % 1000 < 0);
}

static enum op_result watermark_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct watermark *operator=(const struct watermark *) run->operator;
    struct watermark_shared *shared = run->shared;
    struct exec_watermark *seen = operator->seen;
    const struct column *times = in->columns[operator->column];
    int64_t count = 0, minimum = INT64_MAX, maximum = INT64_MIN;
    double sum = 0;
    for (size_t row = 0; row < in->row_count; row++) { /* a NULL counts as the time 0, as in Spark */
        int64_t time = column_is_null(times, row) ? 0 : COLUMN_AT(times, int64_t, row);
        count++;
        minimum = time < minimum ? time : minimum;
        maximum = time > maximum ? time : maximum;
        sum += (double)floor_ms(time);
    }
    if (count > 0) {
        world_mutex_lock(&shared->lock);
        seen->count += count;
        seen->sum_ms += sum;
        seen->minimum_ms = floor_ms(minimum) < seen->minimum_ms ? floor_ms(minimum) : seen->minimum_ms;
        seen->maximum_ms = floor_ms(maximum) > seen->maximum_ms ? floor_ms(maximum) : seen->maximum_ms;
        world_mutex_unlock(&shared->lock);
    }
    *out = batch_retain(in);
    return OP_NEED_INPUT;
}

static const struct operator_class op_watermark_class = {
    .name = "EventTimeWatermark",
    .shared_size = sizeof(struct watermark_shared),
    .begin = watermark_begin,
    .end = watermark_end,
    .step = watermark_step,
};

struct operator* op_watermark_create(struct compile *compile, const struct relation *relation) {
    const struct relation_with_watermark *node = relation_with_watermark_of(relation);
    struct watermark *watermark = ARENA_NEW(compile->arena, struct watermark);
    watermark->column = (size_t)expression_column_of(node->event_time)->ordinal;
    watermark->seen = query_add_watermark(compile->query, node->delay_ms);
    return operator_init(compile, &watermark->base, &op_watermark_class, relation);
}
