/* Conditions move towards the sources: through projections (with what the columns stand for), aliases, sorts, unions
 * and repartitions, below aggregates when they only look at groupings, into the side of a join that they are about, and
 * as hints into scans. A filter without columns' side effects only: volatile expressions stay where they are. */
#include "sql/optimize.h"

#include "base/vector.h"
#include "sql/sql.h"

static const struct relation *push(
    struct optimizer *optimizer, const struct relation *input, struct expression_list conditions);

struct parts {
    VECTOR(const struct expression *) below, above;
};

static struct expression_list take(struct optimizer *optimizer, const struct expression **items, size_t count) {
    return expressions_make(optimizer->arena, items, count);
}

static void parts_free(struct parts *parts) {
    VECTOR_FREE(&parts->below);
    VECTOR_FREE(&parts->above);
}

static enum walk look_for_column(const struct node *node, void *context) {
    uint32_t *id = context;
    if (node->tag == EXPRESSION_COLUMN && ((const struct expression_column *)node)->id == *id)
        return WALK_ABORT;
    return WALK_CONTINUE;
}

static bool uses_column(const struct expression *expression, uint32_t id) {
    return !node_walk(&expression->node, look_for_column, NULL, &id);
}

static const struct relation *through_project(
    struct optimizer *optimizer, const struct relation_project *project, struct expression_list conditions) {
    struct parts parts = {0};
    bool movable = true;
    for (size_t i = 0; i < project->columns.count; i++)
        movable = movable && !is_volatile(project->columns.items[i]);
    for (size_t i = 0; i < conditions.count; i++) {
        if (movable && !is_volatile(conditions.items[i]))
            VECTOR_PUSH(&parts.below, substitute(optimizer, conditions.items[i], project->columns));
        else
            VECTOR_PUSH(&parts.above, conditions.items[i]);
    }
    struct relation_project *copy = (struct relation_project *)clone_relation(optimizer, &project->base);
    copy->input = push(optimizer, project->input, take(optimizer, parts.below.items, parts.below.count));
    const struct relation *result = new_filter(
        optimizer, &copy->base, join_conjuncts(optimizer, take(optimizer, parts.above.items, parts.above.count)));
    parts_free(&parts);
    return result;
}

static const struct relation *through_aggregate(
    struct optimizer *optimizer, const struct relation_aggregate *aggregate, struct expression_list conditions) {
    struct parts parts = {0};
    /* The groupings as a projection: output column i is grouping i. */
    const struct expression **aliases = arena_allocate(optimizer->arena, aggregate->groupings.count * sizeof *aliases);
    struct relation *groups = clone_relation(optimizer, &aggregate->base);
    groups->output_count = aggregate->groupings.count;
    for (size_t i = 0; i < aggregate->groupings.count; i++) {
        struct expression_alias *alias = expression_alias_new(optimizer->arena);
        alias->child = aggregate->groupings.items[i];
        alias->id = aggregate->base.output[i].id;
        aliases[i] = &alias->base;
    }
    for (size_t i = 0; i < conditions.count; i++) {
        if (aggregate->groupings.count > 0 && !is_volatile(conditions.items[i]) &&
            columns_from(conditions.items[i], groups))
            VECTOR_PUSH(&parts.below, substitute(optimizer, conditions.items[i],
                                          (struct expression_list){aliases, aggregate->groupings.count}));
        else
            VECTOR_PUSH(&parts.above, conditions.items[i]);
    }
    struct relation_aggregate *copy = (struct relation_aggregate *)clone_relation(optimizer, &aggregate->base);
    copy->input = push(optimizer, aggregate->input, take(optimizer, parts.below.items, parts.below.count));
    const struct relation *result = new_filter(
        optimizer, &copy->base, join_conjuncts(optimizer, take(optimizer, parts.above.items, parts.above.count)));
    parts_free(&parts);
    return result;
}

/* Which sides a condition above or on a join may move to. */
/* Columns that must not be null for a comparison to be true. */
struct null_tests {
    struct optimizer *optimizer;
    const struct relation *side;
    const struct expression *items[64];
    size_t count;
    bool plain; /* nothing but columns, literals, casts and sums of times */
};

static enum walk look_for_plain(const struct node *node, void *context) {
    struct null_tests *tests = context;
    static const int strict[] = {FUNCTION_EQUAL, FUNCTION_LESS, FUNCTION_LESS_OR_EQUAL, FUNCTION_GREATER,
        FUNCTION_GREATER_OR_EQUAL, FUNCTION_TIME_PLUS_INTERVAL, FUNCTION_TIME_MINUS_INTERVAL, FUNCTION_PLUS,
        FUNCTION_MINUS};
    bool known = node->tag == EXPRESSION_COLUMN || node->tag == EXPRESSION_LITERAL || node->tag == EXPRESSION_CAST;
    for (size_t i = 0; i < ARRAY_COUNT(strict) && node->tag == EXPRESSION_CALL; i++)
        known = known || ((const struct expression_call *)node)->function->id == strict[i];
    tests->plain = tests->plain && known;
    return tests->plain ? WALK_CONTINUE : WALK_ABORT;
}

static enum walk add_null_test(const struct node *node, void *context) {
    struct null_tests *tests = context;
    const struct expression *column = (const struct expression *)node;
    if (node->tag != EXPRESSION_COLUMN || !column->nullable ||
        !relation_has_column(tests->side, ((const struct expression_column *)node)->id))
        return WALK_CONTINUE;
    struct expression_call *test = expression_call_new(tests->optimizer->arena);
    test->function = function_get(FUNCTION_ISNOTNULL);
    test->arguments = expressions_of(tests->optimizer->arena, 1, column);
    test->base.type = type_simple(TYPE_BOOLEAN);
    if (tests->count == ARRAY_COUNT(tests->items))
        return WALK_ABORT;
    for (size_t i = 0; i < tests->count; i++)
        if (node_equal(&tests->items[i]->node, &test->base.node))
            return WALK_CONTINUE;
    tests->items[tests->count++] = &test->base;
    return WALK_CONTINUE;
}

/* As in Spark, rows that cannot have a partner are left out below a join: of streams this shows, because they do not
 * move the watermark. */
static void find_null_tests(struct null_tests *tests, struct expression_list conjuncts) {
    static const int comparisons[] = {
        FUNCTION_EQUAL, FUNCTION_LESS, FUNCTION_LESS_OR_EQUAL, FUNCTION_GREATER, FUNCTION_GREATER_OR_EQUAL};
    for (size_t i = 0; i < conjuncts.count; i++) {
        bool comparison = false;
        for (size_t j = 0; j < ARRAY_COUNT(comparisons); j++)
            comparison = comparison || is_call_of(conjuncts.items[i], comparisons[j]);
        tests->plain = comparison;
        if (comparison)
            node_walk(&conjuncts.items[i]->node, look_for_plain, NULL, tests);
        if (tests->plain)
            node_walk(&conjuncts.items[i]->node, add_null_test, NULL, tests);
    }
}

static const struct relation *through_join(
    struct optimizer *optimizer, const struct relation_join *join, struct expression_list conditions) {
    VECTOR(const struct expression *) left = {0};
    VECTOR(const struct expression *) right = {0};
    VECTOR(const struct expression *) on = {0};
    VECTOR(const struct expression *) above = {0};
    enum join_type type = join->type;
    bool inner = type == JOIN_INNER || type == JOIN_CROSS;
    bool keeps_left = inner || type == JOIN_LEFT || type == JOIN_LEFT_SEMI || type == JOIN_LEFT_ANTI ||
                      type == JOIN_LEFT_SINGLE || type == JOIN_EXISTENCE;
    bool keeps_right = inner || type == JOIN_RIGHT;
    for (size_t i = 0; i < conditions.count; i++) {
        const struct expression *one = conditions.items[i];
        if (is_volatile(one))
            VECTOR_PUSH(&above, one);
        else if (keeps_left && columns_from(one, join->left))
            VECTOR_PUSH(&left, one);
        else if (keeps_right && columns_from(one, join->right))
            VECTOR_PUSH(&right, one);
        else if (inner)
            VECTOR_PUSH(&on, one);
        else
            VECTOR_PUSH(&above, one);
    }
    struct expression_list written = split_conjuncts(optimizer, join->condition);
    bool on_left = inner || type == JOIN_RIGHT || type == JOIN_LEFT_SEMI;
    bool on_right =
        inner || type == JOIN_LEFT || type == JOIN_LEFT_SEMI || type == JOIN_LEFT_ANTI || type == JOIN_EXISTENCE;
    for (size_t i = 0; i < written.count; i++) {
        const struct expression *one = written.items[i];
        if (on_left && !is_volatile(one) && columns_from(one, join->left))
            VECTOR_PUSH(&left, one);
        else if (on_right && !is_volatile(one) && columns_from(one, join->right))
            VECTOR_PUSH(&right, one);
        else
            VECTOR_PUSH(&on, one);
    }
    bool streaming = relation_is_streaming(join->left) || relation_is_streaming(join->right);
    struct null_tests of_left = {.optimizer = optimizer, .side = join->left},
                      of_right = {.optimizer = optimizer, .side = join->right};
    if (streaming && on_left)
        find_null_tests(&of_left, written);
    if (streaming && on_right && type != JOIN_LEFT_ANTI && type != JOIN_EXISTENCE)
        find_null_tests(&of_right, written);
    for (size_t i = 0; i < of_left.count; i++)
        VECTOR_PUSH(&left, of_left.items[i]);
    for (size_t i = 0; i < of_right.count; i++)
        VECTOR_PUSH(&right, of_right.items[i]);
    struct relation_join *copy = (struct relation_join *)clone_relation(optimizer, &join->base);
    copy->left = push(optimizer, join->left, take(optimizer, left.items, left.count));
    copy->right = push(optimizer, join->right, take(optimizer, right.items, right.count));
    copy->condition = join_conjuncts(optimizer, take(optimizer, on.items, on.count));
    if (type == JOIN_CROSS && copy->condition != NULL)
        copy->type = JOIN_INNER;
    const struct relation *result =
        new_filter(optimizer, &copy->base, join_conjuncts(optimizer, take(optimizer, above.items, above.count)));
    VECTOR_FREE(&left);
    VECTOR_FREE(&right);
    VECTOR_FREE(&on);
    VECTOR_FREE(&above);
    return result;
}

static const struct relation *through_union(
    struct optimizer *optimizer, const struct relation_union *node, struct expression_list conditions) {
    struct relation_union *copy = (struct relation_union *)clone_relation(optimizer, &node->base);
    const struct relation **inputs = arena_allocate(optimizer->arena, node->inputs.count * sizeof *inputs);
    struct parts parts = {0};
    for (size_t i = 0; i < conditions.count; i++) {
        if (is_volatile(conditions.items[i]))
            VECTOR_PUSH(&parts.above, conditions.items[i]);
        else
            VECTOR_PUSH(&parts.below, conditions.items[i]);
    }
    for (size_t i = 0; i < node->inputs.count; i++) {
        const struct relation *input = node->inputs.items[i];
        const struct expression **aliases = arena_allocate(optimizer->arena, input->output_count * sizeof *aliases);
        for (size_t j = 0; j < input->output_count; j++) {
            struct expression_alias *alias = expression_alias_new(optimizer->arena);
            struct expression_column *column = expression_column_new(optimizer->arena);
            column->id = input->output[j].id;
            column->name = input->output[j].name;
            column->ordinal = -1;
            column->base.type = input->output[j].type;
            column->base.nullable = input->output[j].nullable;
            alias->child = &column->base;
            alias->id = node->base.output[j].id;
            aliases[j] = &alias->base;
        }
        const struct expression **mapped = arena_allocate(optimizer->arena, parts.below.count * sizeof *mapped);
        for (size_t j = 0; j < parts.below.count; j++)
            mapped[j] =
                substitute(optimizer, parts.below.items[j], (struct expression_list){aliases, input->output_count});
        inputs[i] = push(optimizer, input, (struct expression_list){mapped, parts.below.count});
    }
    copy->inputs.items = inputs;
    const struct relation *result = new_filter(
        optimizer, &copy->base, join_conjuncts(optimizer, take(optimizer, parts.above.items, parts.above.count)));
    parts_free(&parts);
    return result;
}

static const struct relation *into_scan(
    struct optimizer *optimizer, const struct relation_scan *scan, struct expression_list conditions) {
    struct relation_scan *copy = (struct relation_scan *)clone_relation(optimizer, &scan->base);
    VECTOR(const struct expression *) filters = {0};
    for (size_t i = 0; i < scan->filters.count; i++)
        VECTOR_PUSH(&filters, scan->filters.items[i]);
    for (size_t i = 0; i < conditions.count; i++)
        if (!is_volatile(conditions.items[i]))
            VECTOR_PUSH(&filters, conditions.items[i]);
    copy->filters = take(optimizer, filters.items, filters.count);
    VECTOR_FREE(&filters);
    return new_filter(optimizer, &copy->base, join_conjuncts(optimizer, conditions));
}

/* One input below, whose columns all pass through. */
static const struct relation *below(
    struct optimizer *optimizer, const struct relation *relation, size_t offset, struct expression_list conditions) {
    struct relation *copy = clone_relation(optimizer, relation);
    const struct relation **input = (const struct relation **)((char *)copy + offset);
    *input = push(optimizer, *input, conditions);
    return copy;
}

/* As in Spark, what does not look at the event time goes below: rows that it drops do not move the watermark. */
static const struct relation *through_watermark(
    struct optimizer *optimizer, const struct relation_with_watermark *watermark, struct expression_list conditions) {
    struct relation_with_watermark *copy =
        (struct relation_with_watermark *)clone_relation(optimizer, &watermark->base);
    struct parts parts = {0};
    uint32_t event_time = expression_column_of(watermark->event_time)->id;
    for (size_t i = 0; i < conditions.count; i++) {
        if (is_volatile(conditions.items[i]) || uses_column(conditions.items[i], event_time))
            VECTOR_PUSH(&parts.above, conditions.items[i]);
        else
            VECTOR_PUSH(&parts.below, conditions.items[i]);
    }
    copy->input = push(optimizer, watermark->input, take(optimizer, parts.below.items, parts.below.count));
    const struct relation *result = new_filter(
        optimizer, &copy->base, join_conjuncts(optimizer, take(optimizer, parts.above.items, parts.above.count)));
    parts_free(&parts);
    return result;
}

static const struct relation *push(
    struct optimizer *optimizer, const struct relation *input, struct expression_list conditions) {
    switch (input->node.tag) {
    case RELATION_FILTER: {
        const struct relation_filter *filter = relation_filter_of(input);
        struct expression_list own = split_conjuncts(optimizer, filter->condition);
        const struct expression **all = arena_allocate(optimizer->arena, (own.count + conditions.count) * sizeof *all);
        for (size_t i = 0; i < own.count; i++)
            all[i] = own.items[i];
        for (size_t i = 0; i < conditions.count; i++)
            all[own.count + i] = conditions.items[i];
        return push(optimizer, filter->input, (struct expression_list){all, own.count + conditions.count});
    }
    case RELATION_PROJECT:
        return through_project(optimizer, relation_project_of(input), conditions);
    case RELATION_AGGREGATE:
        return through_aggregate(optimizer, relation_aggregate_of(input), conditions);
    case RELATION_JOIN:
        return through_join(optimizer, relation_join_of(input), conditions);
    case RELATION_UNION:
        return through_union(optimizer, relation_union_of(input), conditions);
    case RELATION_SORT:
        return below(optimizer, input, offsetof(struct relation_sort, input), conditions);
    case RELATION_REPARTITION:
        return below(optimizer, input, offsetof(struct relation_repartition, input), conditions);
    case RELATION_WITH_WATERMARK:
        return through_watermark(optimizer, relation_with_watermark_of(input), conditions);
    case RELATION_SCAN:
        return into_scan(optimizer, relation_scan_of(input), conditions);
    case RELATION_LIMIT:
    case RELATION_TAIL:
    case RELATION_SAMPLE:
    case RELATION_EXPAND:
    case RELATION_GENERATE:
    case RELATION_WINDOWS:
    case RELATION_PYTHON_EVAL:
    case RELATION_PYTHON_MAP:
    case RELATION_GROUPS_WITH_STATE:
    case RELATION_COLLECT_METRICS:
    case RELATION_DEDUPLICATE: {
        /* Not through; what is below still gets its own filters moved. */
        static const size_t offsets[NODE_TAG_COUNT] = {[RELATION_LIMIT] = offsetof(struct relation_limit, input),
            [RELATION_TAIL] = offsetof(struct relation_tail, input),
            [RELATION_SAMPLE] = offsetof(struct relation_sample, input),
            [RELATION_EXPAND] = offsetof(struct relation_expand, input),
            [RELATION_GENERATE] = offsetof(struct relation_generate, input),
            [RELATION_WINDOWS] = offsetof(struct relation_windows, input),
            [RELATION_PYTHON_EVAL] = offsetof(struct relation_python_eval, input),
            [RELATION_PYTHON_MAP] = offsetof(struct relation_python_map, input),
            [RELATION_COLLECT_METRICS] = offsetof(struct relation_collect_metrics, input),
            [RELATION_GROUPS_WITH_STATE] = offsetof(struct relation_groups_with_state, input),
            [RELATION_DEDUPLICATE] = offsetof(struct relation_deduplicate, input)};
        const struct relation *inner = below(optimizer, input, offsets[input->node.tag], (struct expression_list){0});
        return new_filter(optimizer, inner, join_conjuncts(optimizer, conditions));
    }
    default:
        return new_filter(optimizer, input, join_conjuncts(optimizer, conditions));
    }
}

const struct relation *optimize_push_filters(struct optimizer *optimizer, const struct relation *relation) {
    return push(optimizer, relation, (struct expression_list){0});
}
