/* optimize.h: the rules of the optimizer, one per file. Internal to sql/.
 *
 * A rule gets an analyzed plan and gives an equivalent one; it may share every node that it does not change. optimize.c
 * says in which order they run. */
#ifndef SQL_OPTIMIZE_H
#define SQL_OPTIMIZE_H

#include "sql/function.h"
#include "sql/session.h"

struct optimizer {
    struct sql_session *session;
    struct arena *arena;
    struct sql_error *error;
    bool failed; /* error is set */
};

typedef const struct relation *optimizer_rule(struct optimizer *optimizer, const struct relation *relation);
optimizer_rule optimize_remove_names, optimize_fold_constants, optimize_simplify_booleans, optimize_push_filters,
    optimize_collapse_projects, optimize_prune_columns, optimize_push_limits, optimize_fold_values, optimize_join_sides,
    optimize_bind;

/* Every relation of the tree, children first, through `map`. */
const struct relation *map_relations(struct optimizer *optimizer, const struct relation *relation,
    const struct relation *(*map)(struct optimizer *optimizer, const struct relation *relation));
/* Every expression of the tree's relations, children first. */
const struct relation *map_expressions(struct optimizer *optimizer, const struct relation *relation,
    const struct expression *(*map)(struct optimizer *optimizer, const struct expression *expression));

bool is_call_of(const struct expression *expression, int function_id);
bool is_volatile(const struct expression *expression); /* rand(), … or anything that must not be moved or repeated */
/* The conjuncts of a condition, in order, in the arena. */
struct expression_list split_conjuncts(struct optimizer *optimizer, const struct expression *condition);
const struct expression *join_conjuncts(struct optimizer *optimizer, struct expression_list list); /* NULL for none */
bool relation_has_column(const struct relation *relation, uint32_t id);
/* Whether every column of the expression is put out by the relation. */
bool columns_from(const struct expression *expression, const struct relation *relation);
/* The expression with columns replaced by what the project computes for them. */
const struct expression *substitute(
    struct optimizer *optimizer, const struct expression *expression, struct expression_list columns);
struct relation *clone_relation(struct optimizer *optimizer, const struct relation *relation);
const struct relation *new_filter(
    struct optimizer *optimizer, const struct relation *input, const struct expression *condition);

#endif
