/* Subqueries become joins. EXISTS and IN as a whole condition of WHERE are semi and anti joins; elsewhere they are
 * existence joins, and scalar subqueries are LEFT_SINGLE joins, whose column takes the place of the expression.
 * Conditions of the subquery on columns of the enclosing query move into the join's condition (decorrelation): through
 * filters, projections, aliases, inner joins and aggregates, where they must be equalities. */
#include "sql/analyze.h"

#include "base/vector.h"

struct correlated {
    struct analyzer *analyzer;
    VECTOR(const struct expression *) conditions; /* over the subquery's output and `outer` columns */
    bool below_aggregate, counts; /* a count without groups must be 0, not null, where nothing matched */
    bool failed;
};

static const struct node *strip_outer(struct arena *arena, const struct node *node, void *context) {
    if (node->tag == EXPRESSION_OUTER)
        return &((const struct expression_outer *)node)->child->node;
    return node_family(node) == NODE_RELATION ? node : node_map(arena, node, strip_outer, context);
}

static bool uses_outer(const struct expression *expression) {
    return has_tag(expression, EXPRESSION_OUTER);
}

static void conjuncts(
    const struct expression *condition, const struct expression ***items, size_t *count, size_t *capacity) {
    if (condition->node.tag == EXPRESSION_CALL && expression_call_of(condition)->function->id == FUNCTION_AND) {
        conjuncts(expression_call_of(condition)->arguments.items[0], items, count, capacity);
        conjuncts(expression_call_of(condition)->arguments.items[1], items, count, capacity);
        return;
    }
    *items = vector_grow(*items, *count, 1, capacity, sizeof **items);
    (*items)[(*count)++] = condition;
}

static const struct expression *both(
    struct analyzer *analyzer, const struct expression *left, const struct expression *right) {
    return left == NULL ? right : right == NULL ? left : make_call(analyzer, &right->node, "and", 2, left, right);
}

static const struct relation *pull(struct correlated *correlated, const struct relation *relation);

static bool refuse(struct correlated *correlated, const struct node *place) {
    raise_unsupported_subquery_expression_category_accessing_outer_query_column_is_not_allowed(
        correlated->analyzer->error, node_name(place));
    correlated->failed = true;
    return fail_at(correlated->analyzer, place);
}

struct column_collector {
    VECTOR(const struct expression *) columns;
};

static enum walk collect_column(const struct node *node, void *context) {
    struct column_collector *collector = context;
    if (node->tag == EXPRESSION_OUTER)
        return WALK_PRUNE;
    if (node->tag == EXPRESSION_COLUMN)
        VECTOR_PUSH(&collector->columns, (const struct expression *)node);
    return WALK_CONTINUE;
}

static bool has_output(const struct relation *relation, uint32_t id) {
    for (size_t i = 0; i < relation->output_count; i++)
        if (relation->output[i].id == id)
            return true;
    return false;
}

/* The inner columns that the pulled conditions need and relation does not put out. */
static void missing_columns(
    struct correlated *correlated, const struct relation *relation, struct column_collector *missing) {
    struct column_collector all = {0};
    for (size_t i = 0; i < correlated->conditions.count; i++)
        node_walk(&correlated->conditions.items[i]->node, collect_column, NULL, &all);
    for (size_t i = 0; i < all.columns.count; i++) {
        uint32_t id = expression_column_of(all.columns.items[i])->id;
        bool known = has_output(relation, id);
        for (size_t j = 0; j < missing->columns.count && !known; j++)
            known = expression_column_of(missing->columns.items[j])->id == id;
        if (!known)
            VECTOR_PUSH(&missing->columns, all.columns.items[i]);
    }
    VECTOR_FREE(&all.columns);
}

static const struct relation *pull_filter(struct correlated *correlated, const struct relation_filter *filter) {
    struct analyzer *analyzer = correlated->analyzer;
    const struct relation *input = pull(correlated, filter->input);
    const struct expression **items = NULL, *kept = NULL;
    size_t count = 0, capacity = 0;
    if (input == NULL)
        return NULL;
    conjuncts(filter->condition, &items, &count, &capacity);
    for (size_t i = 0; i < count; i++) {
        if (uses_outer(items[i]))
            VECTOR_PUSH(&correlated->conditions, items[i]);
        else
            kept = both(analyzer, kept, items[i]);
    }
    vector_release((void **)&items, &count, &capacity);
    return kept == NULL ? input : make_filter(analyzer, input, kept);
}

static const struct relation *pull_project(struct correlated *correlated, const struct relation_project *project) {
    struct analyzer *analyzer = correlated->analyzer;
    const struct relation *input = pull(correlated, project->input);
    if (input == NULL)
        return NULL;
    const struct expression **columns = arena_allocate(analyzer->arena, project->columns.count * sizeof *columns);
    for (size_t i = 0; i < project->columns.count; i++) {
        columns[i] = project->columns.items[i];
        if (uses_outer(columns[i])) {
            refuse(correlated, &columns[i]->node);
            return NULL;
        }
    }
    struct column_collector missing = {0};
    const struct relation *kept =
        make_project(analyzer, input, (struct expression_list){columns, project->columns.count});
    missing_columns(correlated, kept, &missing);
    if (missing.columns.count > 0) {
        VECTOR(const struct expression *) items = {0};
        for (size_t i = 0; i < project->columns.count; i++)
            VECTOR_PUSH(&items, columns[i]);
        for (size_t i = 0; i < missing.columns.count; i++)
            VECTOR_PUSH(&items, missing.columns.items[i]);
        kept = make_project(analyzer, input, expressions_make(analyzer->arena, items.items, items.count));
        VECTOR_FREE(&items);
    }
    VECTOR_FREE(&missing.columns);
    return kept;
}

static const struct relation *pull_aggregate(
    struct correlated *correlated, const struct relation_aggregate *aggregate) {
    struct analyzer *analyzer = correlated->analyzer;
    size_t before = correlated->conditions.count;
    const struct relation *input = pull(correlated, aggregate->input);
    if (input == NULL)
        return NULL;
    if (correlated->conditions.count == before) {
        struct relation_aggregate *copy =
            (struct relation_aggregate *)node_clone(analyzer->arena, &aggregate->base.node);
        copy->input = input;
        return &copy->base;
    }
    for (size_t i = before; i < correlated->conditions.count; i++) {
        const struct expression *one = correlated->conditions.items[i];
        bool equality =
            one->node.tag == EXPRESSION_CALL && (expression_call_of(one)->function->id == FUNCTION_EQUAL ||
                                                    expression_call_of(one)->function->id == FUNCTION_EQUAL_NULL_SAFE);
        if (!equality) {
            raise_unsupported_subquery_expression_category_correlated_column_is_not_allowed_in_predicate(
                analyzer->error, quote_expression(analyzer->arena, one));
            correlated->failed = true;
            fail_at(analyzer, &one->node);
            return NULL;
        }
    }
    struct relation_aggregate *copy = relation_aggregate_new(analyzer->arena);
    struct column_collector keys = {0};
    struct relation *probe = (struct relation *)node_clone(analyzer->arena, &aggregate->base.node);
    probe->output_count = aggregate->groupings.count;
    missing_columns(correlated, probe, &keys);
    correlated->counts |= aggregate->groupings.count == 0;
    correlated->below_aggregate = true;
    VECTOR(const struct expression *) groupings = {0};
    VECTOR(struct attribute) output = {0};
    for (size_t i = 0; i < aggregate->groupings.count; i++) {
        VECTOR_PUSH(&groupings, aggregate->groupings.items[i]);
        VECTOR_PUSH(&output, aggregate->base.output[i]);
    }
    for (size_t i = 0; i < keys.columns.count; i++) {
        const struct expression_column *column = expression_column_of(keys.columns.items[i]);
        VECTOR_PUSH(&groupings, keys.columns.items[i]);
        struct attribute attribute = {
            .id = column->id, .name = column->name, .type = column->base.type, .nullable = column->base.nullable};
        VECTOR_PUSH(&output, attribute);
    }
    for (size_t i = 0; i < aggregate->calls.count; i++)
        VECTOR_PUSH(&output, aggregate->base.output[aggregate->groupings.count + i]);
    copy->input = input;
    copy->groupings = expressions_make(analyzer->arena, groupings.items, groupings.count);
    copy->calls = aggregate->calls;
    copy->base.analyzed = true;
    struct attribute *attributes = ARENA_ARRAY(analyzer->arena, struct attribute, output.count);
    memcpy(attributes, output.items, output.count * sizeof *attributes);
    copy->base.output = attributes;
    copy->base.output_count = output.count;
    VECTOR_FREE(&groupings);
    VECTOR_FREE(&output);
    VECTOR_FREE(&keys.columns);
    return &copy->base;
}

static enum walk find_outer(const struct node *node, void *context) {
    bool *found = context;
    *found = *found || node->tag == EXPRESSION_OUTER;
    return *found ? WALK_ABORT : WALK_CONTINUE;
}

/* The relation without its correlated conditions, which are collected. Outputs may grow at the end. */
static const struct relation *pull(struct correlated *correlated, const struct relation *relation) {
    bool found = false;
    node_walk(&relation->node, find_outer, NULL, &found);
    if (!found)
        return relation;
    struct analyzer *analyzer = correlated->analyzer;
    switch (relation->node.tag) {
    case RELATION_FILTER:
        return pull_filter(correlated, relation_filter_of(relation));
    case RELATION_PROJECT:
        return pull_project(correlated, relation_project_of(relation));
    case RELATION_AGGREGATE:
        return pull_aggregate(correlated, relation_aggregate_of(relation));
    case RELATION_SUBQUERY_ALIAS:
        return pull(correlated, relation_subquery_alias_of(relation)->input);
    case RELATION_SORT:
        return pull(correlated, relation_sort_of(relation)->input);
    case RELATION_LIMIT:
        /* EXISTS (… LIMIT 1) is EXISTS (…). */
        return pull(correlated, relation_limit_of(relation)->input);
    case RELATION_JOIN: {
        const struct relation_join *join = relation_join_of(relation);
        if (join->type != JOIN_INNER && join->type != JOIN_CROSS)
            break;
        const struct relation *left = pull(correlated, join->left);
        const struct relation *right = left == NULL ? NULL : pull(correlated, join->right);
        if (right == NULL)
            return NULL;
        const struct expression *condition = join->condition;
        if (condition != NULL && uses_outer(condition)) {
            VECTOR_PUSH(&correlated->conditions, condition);
            condition = NULL;
        }
        return new_join(analyzer, left, right, JOIN_INNER, condition);
    }
    default:
        break;
    }
    refuse(correlated, &relation->node);
    return NULL;
}

/* The subquery's plan and the join condition for it, NULL for none. */
static const struct relation *decorrelate(
    struct analyzer *analyzer, const struct relation *plan, const struct expression **condition, bool *counts) {
    struct correlated correlated = {.analyzer = analyzer};
    const struct relation *pulled = pull(&correlated, plan);
    *condition = NULL;
    for (size_t i = 0; pulled != NULL && i < correlated.conditions.count; i++) {
        const struct node *stripped = strip_outer(analyzer->arena, &correlated.conditions.items[i]->node, NULL);
        *condition = both(analyzer, *condition, (const struct expression *)stripped);
    }
    *counts = correlated.counts;
    VECTOR_FREE(&correlated.conditions);
    return pulled;
}

/* value IN (subquery): the equality of each value with its column. NOT IN must also reject rows where the comparison is
 * null. */
static const struct expression *in_condition(
    struct analyzer *analyzer, const struct expression_subquery *subquery, const struct relation *plan, bool negated) {
    const struct expression *condition = NULL;
    struct expression_list values = subquery->values;
    const struct expression *row = values.count == 1 ? expression_strip(values.items[0]) : NULL;
    if (row != NULL && plan->output_count > 1 && row->node.tag == EXPRESSION_CALL &&
        expression_call_of(row)->function->id == FUNCTION_NAMED_STRUCT) {
        /* (a, b) IN (SELECT …): names and values alternate. */
        struct expression_list cells = expression_call_of(row)->arguments;
        const struct expression **items = arena_allocate(analyzer->arena, cells.count * sizeof *items);
        for (size_t i = 0; i < cells.count / 2; i++)
            items[i] = cells.items[2 * i + 1];
        values = (struct expression_list){items, cells.count / 2};
    }
    for (size_t i = 0; i < values.count && i < plan->output_count; i++) {
        const struct expression *column = column_of(analyzer->arena, &plan->output[i]);
        const struct expression *equal = make_call(analyzer, &subquery->base.node, "=", 2, values.items[i], column);
        if (equal == NULL)
            return NULL;
        if (negated && equal->nullable)
            equal = make_call(analyzer, &subquery->base.node, "or", 2, equal,
                make_call(analyzer, &subquery->base.node, "isnull", 1, equal));
        condition = both(analyzer, condition, equal);
    }
    return condition;
}

/* input joined with an EXISTS or IN subquery. */
static const struct relation *join_predicate(struct analyzer *analyzer, const struct relation *input,
    const struct expression_subquery *subquery, enum join_type type, bool negated) {
    const struct expression *condition;
    bool counts;
    const struct relation *plan = decorrelate(analyzer, subquery->plan, &condition, &counts);
    if (plan == NULL)
        return NULL;
    if (subquery->kind == SUBQUERY_IN) {
        const struct expression *equal = in_condition(analyzer, subquery, plan, negated);
        if (equal == NULL)
            return NULL;
        condition = both(analyzer, condition, equal);
    }
    return new_join(analyzer, input, plan, type, condition);
}

struct lowering {
    struct analyzer *analyzer;
    const struct relation *input;
    bool failed;
};

static const struct expression *scalar(struct lowering *lowering, const struct expression_subquery *subquery) {
    struct analyzer *analyzer = lowering->analyzer;
    const struct expression *condition;
    bool counts;
    const struct relation *plan = decorrelate(analyzer, subquery->plan, &condition, &counts);
    if (plan == NULL)
        return NULL;
    size_t place = lowering->input->output_count;
    lowering->input = new_join(analyzer, lowering->input, plan, JOIN_LEFT_SINGLE, condition);
    const struct expression *column = column_of(analyzer->arena, &lowering->input->output[place]);
    /* count(*) of nothing is 0. */
    if (condition != NULL && counts && !subquery->plan->output[0].nullable && column->type->kind == TYPE_LONG)
        return make_call(analyzer, &subquery->base.node, "coalesce", 2, column, literal_long(analyzer->arena, 0));
    return column;
}

static const struct node *lower_node(struct arena *arena, const struct node *node, void *context) {
    struct lowering *lowering = context;
    if (lowering->failed)
        return NULL;
    if (node_family(node) == NODE_RELATION)
        return node;
    if (node->tag != EXPRESSION_SUBQUERY)
        return node_map(arena, node, lower_node, context);
    const struct expression_subquery *subquery = (const struct expression_subquery *)node;
    const struct expression *result = NULL;
    if (subquery->kind == SUBQUERY_SCALAR) {
        result = scalar(lowering, subquery);
    } else {
        const struct relation *join =
            join_predicate(lowering->analyzer, lowering->input, subquery, JOIN_EXISTENCE, false);
        if (join != NULL) {
            lowering->input = join;
            result = column_of(arena, &join->output[join->output_count - 1]);
        }
    }
    lowering->failed = result == NULL;
    if (lowering->failed)
        fail_at(lowering->analyzer, node);
    return result == NULL ? NULL : &result->node;
}

bool lower_subqueries(
    struct analyzer *analyzer, const struct relation **input, const struct expression **items, size_t count) {
    struct lowering lowering = {.analyzer = analyzer, .input = *input};
    for (size_t i = 0; i < count; i++) {
        if (!has_tag(items[i], EXPRESSION_SUBQUERY))
            continue;
        const struct node *node = lower_node(analyzer->arena, &items[i]->node, &lowering);
        if (node == NULL)
            return false;
        items[i] = (const struct expression *)node;
    }
    *input = lowering.input;
    return true;
}

static const struct expression_subquery *predicate_subquery(const struct expression *condition, bool *negated) {
    *negated = condition->node.tag == EXPRESSION_CALL && expression_call_of(condition)->function->id == FUNCTION_NOT;
    if (*negated)
        condition = expression_call_of(condition)->arguments.items[0];
    if (condition->node.tag != EXPRESSION_SUBQUERY || expression_subquery_of(condition)->kind == SUBQUERY_SCALAR)
        return NULL;
    return expression_subquery_of(condition);
}

const struct relation *filter_with_subqueries(
    struct analyzer *analyzer, const struct relation *input, const struct expression *condition) {
    if (!has_tag(condition, EXPRESSION_SUBQUERY))
        return make_filter(analyzer, input, condition);
    const struct expression **items = NULL, *rest = NULL;
    size_t count = 0, capacity = 0, width = input->output_count;
    conjuncts(condition, &items, &count, &capacity);
    for (size_t i = 0; i < count && input != NULL; i++) {
        bool negated;
        const struct expression_subquery *subquery = predicate_subquery(items[i], &negated);
        if (subquery != NULL)
            input = join_predicate(analyzer, input, subquery, negated ? JOIN_LEFT_ANTI : JOIN_LEFT_SEMI, negated);
        else
            rest = both(analyzer, rest, items[i]);
    }
    vector_release((void **)&items, &count, &capacity);
    if (input == NULL || rest == NULL)
        return input;
    if (!lower_subqueries(analyzer, &input, &rest, 1))
        return NULL;
    const struct relation *filter = make_filter(analyzer, input, rest);
    return input->output_count == width ? filter : make_prefix(analyzer, filter, width);
}
