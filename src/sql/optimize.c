/* The optimizer: a list of rules, run in order, and what they share. */
#include "sql/optimize.h"

#include "base/vector.h"
#include "sql/sql.h"

static optimizer_rule *const rules[] = {
    optimize_remove_names,
    optimize_fold_constants,
    optimize_simplify_booleans,
    optimize_push_filters,
    optimize_collapse_projects,
    optimize_fold_constants,
    optimize_simplify_booleans,
    optimize_push_limits,
    optimize_prune_columns,
    optimize_collapse_projects,
    optimize_fold_values,
    optimize_join_sides,
    optimize_bind,
};

const struct relation *sql_optimize(
    struct sql_session *session, struct arena *arena, const struct relation *relation, struct sql_error *error) {
    struct optimizer optimizer = {session, arena, error, false};
    for (size_t i = 0; i < ARRAY_COUNT(rules) && relation != NULL; i++) {
        relation = rules[i](&optimizer, relation);
        if (optimizer.failed)
            return NULL;
    }
    return relation;
}

struct relation_mapping {
    struct optimizer *optimizer;
    const struct relation *(*map)(struct optimizer *optimizer, const struct relation *relation);
};

static const struct node *map_relation(struct arena *arena, const struct node *node, void *context) {
    struct relation_mapping *mapping = context;
    if (node_family(node) != NODE_RELATION)
        return node;
    const struct node *inner = node_map(arena, node, map_relation, context);
    if (inner == NULL || mapping->optimizer->failed)
        return NULL;
    return (const struct node *)mapping->map(mapping->optimizer, (const struct relation *)inner);
}

const struct relation *map_relations(struct optimizer *optimizer, const struct relation *relation,
    const struct relation *(*map)(struct optimizer *optimizer, const struct relation *relation)) {
    struct relation_mapping mapping = {optimizer, map};
    return (const struct relation *)map_relation(optimizer->arena, &relation->node, &mapping);
}

struct expression_mapping {
    struct optimizer *optimizer;
    const struct expression *(*map)(struct optimizer *optimizer, const struct expression *expression);
};

static const struct node *map_expression(struct arena *arena, const struct node *node, void *context) {
    struct expression_mapping *mapping = context;
    const struct node *inner = node_map(arena, node, map_expression, context);
    if (inner == NULL || mapping->optimizer->failed || node_family(node) != NODE_EXPRESSION)
        return mapping->optimizer->failed ? NULL : inner;
    return (const struct node *)mapping->map(mapping->optimizer, (const struct expression *)inner);
}

const struct relation *map_expressions(struct optimizer *optimizer, const struct relation *relation,
    const struct expression *(*map)(struct optimizer *optimizer, const struct expression *expression)) {
    struct expression_mapping mapping = {optimizer, map};
    return (const struct relation *)map_expression(optimizer->arena, &relation->node, &mapping);
}

bool is_call_of(const struct expression *expression, int function_id) {
    return expression->node.tag == EXPRESSION_CALL && expression_call_of(expression)->function->id == function_id;
}

static enum walk look_for_volatile(const struct node *node, void *context) {
    bool *found = context;
    if (node->tag == EXPRESSION_CALL) {
        const struct function *function = ((const struct expression_call *)node)->function;
        *found = *found || function->volatility == VOLATILITY_VOLATILE || function->kind == FUNCTION_GENERATOR;
    }
    *found = *found || node->tag == EXPRESSION_WINDOW || node->tag == EXPRESSION_AGGREGATE_CALL;
    return *found ? WALK_ABORT : WALK_CONTINUE;
}

bool is_volatile(const struct expression *expression) {
    bool found = false;
    node_walk(&expression->node, look_for_volatile, NULL, &found);
    return found;
}

struct conjunct_list {
    VECTOR(const struct expression *) items;
};

static void collect_conjuncts(const struct expression *condition, struct conjunct_list *list) {
    if (is_call_of(condition, FUNCTION_AND)) {
        collect_conjuncts(expression_call_of(condition)->arguments.items[0], list);
        collect_conjuncts(expression_call_of(condition)->arguments.items[1], list);
    } else {
        VECTOR_PUSH(&list->items, condition);
    }
}

struct expression_list split_conjuncts(struct optimizer *optimizer, const struct expression *condition) {
    struct conjunct_list list = {0};
    if (condition != NULL)
        collect_conjuncts(condition, &list);
    struct expression_list result = expressions_make(optimizer->arena, list.items.items, list.items.count);
    VECTOR_FREE(&list.items);
    return result;
}

const struct expression *join_conjuncts(struct optimizer *optimizer, struct expression_list list) {
    const struct expression *result = NULL;
    for (size_t i = 0; i < list.count; i++) {
        if (result == NULL) {
            result = list.items[i];
            continue;
        }
        struct expression_call *both = expression_call_new(optimizer->arena);
        both->function = function_get(FUNCTION_AND);
        both->arguments = expressions_of(optimizer->arena, 2, result, list.items[i]);
        both->base.type = type_simple(TYPE_BOOLEAN);
        both->base.nullable = result->nullable || list.items[i]->nullable;
        result = &both->base;
    }
    return result;
}

bool relation_has_column(const struct relation *relation, uint32_t id) {
    for (size_t i = 0; i < relation->output_count; i++)
        if (relation->output[i].id == id)
            return true;
    return false;
}

struct origin_check {
    const struct relation *relation;
    bool good;
};

static enum walk check_column(const struct node *node, void *context) {
    struct origin_check *check = context;
    if (node->tag == EXPRESSION_COLUMN &&
        !relation_has_column(check->relation, ((const struct expression_column *)node)->id))
        check->good = false;
    return check->good ? WALK_CONTINUE : WALK_ABORT;
}

bool columns_from(const struct expression *expression, const struct relation *relation) {
    struct origin_check check = {relation, true};
    node_walk(&expression->node, check_column, NULL, &check);
    return check.good;
}

static const struct node *substitute_node(struct arena *arena, const struct node *node, void *context) {
    const struct expression_list *columns = context;
    if (node->tag != EXPRESSION_COLUMN)
        return node_map(arena, node, substitute_node, context);
    uint32_t id = ((const struct expression_column *)node)->id;
    for (size_t i = 0; i < columns->count; i++)
        if (columns->items[i]->node.tag == EXPRESSION_ALIAS && expression_alias_of(columns->items[i])->id == id)
            return &expression_alias_of(columns->items[i])->child->node;
    return node;
}

const struct expression *substitute(
    struct optimizer *optimizer, const struct expression *expression, struct expression_list columns) {
    return (const struct expression *)substitute_node(optimizer->arena, &expression->node, &columns);
}

struct relation *clone_relation(struct optimizer *optimizer, const struct relation *relation) {
    return (struct relation *)node_clone(optimizer->arena, &relation->node);
}

const struct relation *new_filter(
    struct optimizer *optimizer, const struct relation *input, const struct expression *condition) {
    if (condition == NULL)
        return input;
    struct relation_filter *filter = relation_filter_new(optimizer->arena);
    filter->input = input;
    filter->condition = condition;
    filter->base.analyzed = true;
    filter->base.output = input->output;
    filter->base.output_count = input->output_count;
    return &filter->base;
}
