/* aggregate_table.h: groups and the states of their aggregates, below the aggregations of batches and of streams.
 * Internal to exec/. */
#ifndef EXEC_AGGREGATE_TABLE_H
#define EXEC_AGGREGATE_TABLE_H

#include "exec/groups.h"
#include "exec/operator.h"

struct aggregate_slot {
    const struct aggregate_entry *entry;
    struct kernel_call call;
    size_t first_argument; /* among the program's outputs */
    size_t filter;         /* the same; SIZE_MAX: none */
    bool distinct;
};

struct aggregate {
    struct operator base;
    struct program *program; /* groupings, then arguments and filters of the calls */
    size_t key_count, call_count;
    struct aggregate_slot *calls;
    const struct type **key_types;
};

/* Everything a table's results may point to lives in holder's arena; result batches keep it. */
struct aggregate_table {
    struct batch *holder;
    struct groups groups;
    struct column ***key_chunks; /* chunk after chunk, key_count columns each */
    size_t *chunk_rows;
    size_t chunk_count, chunk_capacity, group_count, state_capacity;
    uint8_t **states;    /* per call */
    struct groups *seen; /* per call: (group, arguments) of DISTINCT */
    size_t counted;      /* bytes told to the budget */
};

void aggregate_table_init(const struct aggregate *aggregate, struct aggregate_table *table);
void aggregate_table_free(const struct aggregate *aggregate, struct aggregate_table *table);
size_t aggregate_table_memory_size(const struct aggregate *aggregate, const struct aggregate_table *table);
/* Empty states for groups up to that number. */
void aggregate_table_set_group_count(
    const struct aggregate *aggregate, struct aggregate_table *table, size_t group_count);
/* Group numbers of the rows; NULL when there are no keys (one group). */
uint32_t *aggregate_table_groups(const struct aggregate *aggregate, struct aggregate_table *table,
    struct arena *scratch, struct column *const *keys, size_t row_count);
/* The key column `index` of all groups. */
struct column *aggregate_table_key(
    struct arena *arena, const struct aggregate *aggregate, const struct aggregate_table *table, size_t index);
/* What an aggregate's functions are called with. */
struct aggregate_run aggregate_table_run(
    const struct aggregate_slot *slot, struct aggregate_table *table, size_t index, struct evaluation *evaluation);
/* Adds a batch. false with the worker's error. */
bool aggregate_table_add(struct op_run *run, struct aggregate_table *table, struct batch *in);
/* Adds the groups of another table. The worker's error is set when that fails. */
void aggregate_table_merge(struct op_run *run, struct aggregate_table *into, struct aggregate_table *from);
/* Compiles groupings and calls of an aggregate node into `aggregate`. */
bool aggregate_prepare(struct compile *compile, struct aggregate *aggregate, const struct relation_aggregate *node);

#endif
