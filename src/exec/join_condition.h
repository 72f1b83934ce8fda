/* join_condition.h: the condition of a join taken apart: pairs of keys, and the rest. Internal to exec/. */
#ifndef EXEC_JOIN_CONDITION_H
#define EXEC_JOIN_CONDITION_H

#include "sql/plan.h"

struct join_sides {
    size_t left_count;
    bool left, right;
};

struct join_parts {
    struct arena *arena;
    size_t left_count, key_count;
    const struct expression *left[64], *right[64];
    bool null_safe[64];
    const struct expression *residual;
};

/* Which sides the columns of an expression come from. */
struct join_sides join_sides_of(const struct expression *expression, size_t left_count);
/* Adds the equalities between the sides to the keys (the right ones counting their columns from 0), the rest to
 * residual. parts has arena and left_count set. */
void join_split_condition(struct join_parts *parts, const struct expression *condition);
/* residual AND condition. */
void join_add_residual(struct join_parts *parts, const struct expression *condition);
/* An expression over the right side alone, its columns counted from 0. */
const struct expression *join_shift_columns(
    struct arena *arena, const struct expression *expression, size_t left_count);

#endif
