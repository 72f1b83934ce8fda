/* state_groups.h: what the aggregations of streams have in common (op_state_aggregate.c, op_state_session.c). As a
 * sink, every worker fills a table of its own with the batch's groups and sorts them by state partition at its end; as
 * a source, each state partition is worked on alone and its rows are put out in pieces. Internal to exec/. */
#ifndef EXEC_STATE_GROUPS_H
#define EXEC_STATE_GROUPS_H

#include "exec/aggregate_buffer.h"
#include "exec/query.h"
#include "exec/state.h"

struct state_groups {
    struct aggregate base;
    struct exec_state *state;
    enum exec_mode mode;
    const struct aggregate_buffer **buffers; /* per call */
    const struct type *key_type, *value_type;
    bool brings_early; /* a worker may bring its groups piece by piece: the order in which states are merged is free */
    /* Brings the brought groups of run->source_partition into the state. *results: the rows to be put out, NULL: none;
     * the caller's. false with the worker's error. */
    bool (*work)(struct op_run *run, struct batch **results);
};

/* What one worker brings: groups by partition, and their states saved. */
struct brought_groups {
    struct aggregate_table table;
    struct arena arena;
    struct column **columns; /* the keys, then what the aggregates saved */
    size_t row_count;        /* of the keys */
    uint32_t *rows;          /* partition after partition */
    size_t *starts;          /* per partition, and the end */
};

struct state_groups_shared {
    struct world_mutex lock;
    VECTOR(struct brought_groups *) brought;
    bool begun;
};

struct state_groups_local {
    struct aggregate_table table;
    struct batch *results;
    size_t next;
    bool done;
};

/* ---- for the operators' classes ---- */

bool state_groups_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error);
void state_groups_end(const struct operator* operator, void * state);
void state_groups_local_end(struct op_run *run);
enum op_result state_groups_step(struct op_run *run, struct batch *in, struct batch **out);
size_t state_groups_partition_count(const struct operator* operator, void * state);
bool state_groups_begin_partition(struct op_run *run);
enum op_result state_groups_read(struct op_run *run, struct batch **out);

/* ---- for their combine ---- */

/* The worker's table with its keys and saved states as columns; row_count is the number of its groups. NULL: it saw no
 * row. */
struct brought_groups *state_groups_take(struct op_run *run);
/* The same for another table, which becomes the brought groups'. */
struct brought_groups *state_groups_save(struct op_run *run, struct aggregate_table *table);
/* Lists the rows partition after partition, by the hash of these columns (none: all in partition 0), and hands the
 * groups over to `shared`. */
void state_groups_free(const struct aggregate *aggregate, struct brought_groups *brought);
void state_groups_bring(
    struct op_run *run, struct brought_groups *brought, struct column *const *hashed, size_t hashed_count);

/* What an aggregate's functions are called with for so many rows. */
struct evaluation state_groups_evaluation(
    struct op_run *run, const struct aggregate_slot *slot, struct arena *arena, size_t rows);
/* Finds groups->buffers and appends their fields, at most BUFFER_FIELDS_MAX per call. false with an error that names
 * the aggregate whose state has no form that Spark could read. */
bool state_groups_find_buffers(
    struct compile *compile, struct state_groups *groups, struct type_field *fields, size_t *count);
/* The field of a key in the state's schema, named as Spark names it. */
struct type_field state_groups_key_field(const struct relation *relation, size_t key);

#endif
