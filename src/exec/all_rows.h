/* all_rows.h: what operators have in common that need all rows before they put one out (op_window.c, op_session.c):
 * every worker gathers its batches, `finish` makes one batch of them and an order of its rows, and one worker puts the
 * rows out in that order, in pieces. Internal to exec/. */
#ifndef EXEC_ALL_ROWS_H
#define EXEC_ALL_ROWS_H

#include "exec/gather.h"

struct all_rows_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
    struct batch *all; /* finish makes it */
    uint32_t *order;   /* the rows of `all` as they go out; in its arena */
};

struct all_rows_local {
    struct gather gather;
    size_t counted, next;
};

bool all_rows_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error);
void all_rows_end(const struct operator* operator, void * state);
void all_rows_local_end(struct op_run *run);
enum op_result all_rows_step(struct op_run *run, struct batch *in, struct batch **out);
bool all_rows_combine(struct op_run *run);
size_t all_rows_partition_count(const struct operator* operator, void * state);
bool all_rows_begin_partition(struct op_run *run);
enum op_result all_rows_read(struct op_run *run, struct batch **out);

#endif
