/* gather.h: batches collected from many workers, put back into the order of their partitions, and joined to one. */
#ifndef EXEC_GATHER_H
#define EXEC_GATHER_H

#include "exec/operator.h"

struct gathered {
    struct batch *batch;
    size_t partition, sequence;
};

struct gather {
    VECTOR(struct gathered) items;
    size_t row_count, memory_size;
};

/* Retains the batch. */
void gather_add(struct gather *gather, struct batch *batch, size_t partition);
/* Moves everything from one to the other. */
void gather_move(struct gather *into, struct gather *from);
/* Sorts by partition and sequence. */
void gather_order(struct gather *gather);
/* All rows in one batch with that schema (a new reference); the gather is empty afterwards. */
struct batch *gather_concat(struct gather *gather, const struct type *schema);
void gather_free(struct gather *gather);

#endif
