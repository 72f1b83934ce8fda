/* state_input.h: a batch's rows sorted by state partition, for stateful operators that look at rows one by one:
 * deduplication, joins of streams. Internal to exec/. */
#ifndef EXEC_STATE_INPUT_H
#define EXEC_STATE_INPUT_H

#include "exec/operator.h"
#include "exec/state.h"

/* One input batch: its rows, and the numbers of those that count, partition after partition. */
struct state_rows {
    struct batch *batch;
    struct arena arena;
    struct column **keys; /* of all rows of the batch */
    uint32_t *rows;
    size_t *starts;             /* per partition, and the end */
    size_t partition, sequence; /* where it came from: the order of the stream */
};

struct state_input {
    struct world_mutex lock;
    bool begun;
    VECTOR(struct state_rows *) items;
};

void state_input_begin(struct state_input *input);
void state_input_end(struct state_input *input);
/* Keeps the batch's rows `rows` (all when NULL) by the partition of their keys. The keys live in arena, which becomes
 * the input's. */
void state_input_add(struct state_input *input, struct op_run *run, struct batch *batch, struct arena *arena,
    struct column **keys, size_t key_count, const uint32_t *rows, size_t row_count, size_t partition_count);
/* Puts everything into the order of the stream. */
void state_input_order(struct state_input *input);

/* The rows of a state partition in the order of the stream, some thousand at a time: those of the items from `first`
 * on. Answers the item to go on with, items.count after the last; *batch, the caller's reference, is NULL when none of
 * them had any. The keys are in arena. */
size_t state_input_gather(const struct state_input *input, size_t first, size_t partition, size_t key_count,
    struct arena *arena, struct batch **batch, struct column ***keys);

/* Rows that are later than the watermark by an event-time column are left out: lists the others and says how many;
 * `window`: the column is a window, whose end counts. */
size_t state_input_select(
    const struct column *times, bool window, size_t row_count, int64_t watermark_ms, uint32_t *rows);
/* A step of an operator with one input, whose shared state is a state_input: keeps the batch's rows by the partition of
 * their keys (columns `key_columns`), and counts those that are too late by `time_column` (SIZE_MAX: none are). */
enum op_result state_input_take(struct op_run *run, struct batch *in, struct exec_state *state,
    const size_t *key_columns, size_t key_count, size_t time_column, bool time_window);
/* The column with event time, SIZE_MAX without one. */
size_t state_event_time_column(const struct relation *relation, bool *window);
/* false, with an error, when there are several, as after a join of streams. */
bool state_has_one_event_time(struct compile *compile, const struct relation *relation);

#endif
