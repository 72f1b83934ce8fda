/* analyze_observe.c: observe(). The metrics are analyzed as the select list of an aggregate without groupings over the
 * input; what that aggregate computes is kept with the relation, and the input passes. */
#include "sql/analyze.h"

#include "sql/pretty.h"
#include "sql/sql.h"

struct metric_check {
    struct analyzer *analyzer;
    const struct expression *metric;
    bool in_aggregate, failed;
};

static enum walk check_metric(const struct node *node, void *context) {
    struct metric_check *check = context;
    struct analyzer *analyzer = check->analyzer;
    if (node_family(node) == NODE_RELATION || node->tag == EXPRESSION_AGGREGATE_CALL)
        return WALK_PRUNE;
    if (node->tag == EXPRESSION_WINDOW) {
        raise_invalid_observed_metrics_window_expressions_unsupported(
            analyzer->error, quote_expression(analyzer->arena, (const struct expression *)node));
        check->failed = true;
    } else if (node->tag == EXPRESSION_COLUMN) {
        raise_invalid_observed_metrics_non_aggregate_func_arg_is_attribute(
            analyzer->error, quote_expression(analyzer->arena, (const struct expression *)node));
        check->failed = true;
    }
    return check->failed ? WALK_ABORT : WALK_CONTINUE;
}

static enum walk check_call(const struct node *node, void *context) {
    struct metric_check *check = context;
    struct analyzer *analyzer = check->analyzer;
    if (node->tag != EXPRESSION_AGGREGATE_CALL)
        return WALK_CONTINUE;
    const struct expression_aggregate_call *call = (const struct expression_aggregate_call *)node;
    const char *text = quote_expression(analyzer->arena, &call->base);
    if (call->distinct)
        raise_invalid_observed_metrics_aggregate_expression_with_distinct_unsupported(analyzer->error, text);
    else if (call->filter != NULL)
        raise_invalid_observed_metrics_aggregate_expression_with_filter_unsupported(analyzer->error, text);
    check->failed = call->distinct || call->filter != NULL;
    return check->failed ? WALK_ABORT : WALK_PRUNE;
}

static bool check_metrics(struct analyzer *analyzer, const struct relation *input, struct expression_list metrics) {
    struct scope scope;
    scope_init(analyzer, &scope, input);
    for (size_t i = 0; i < metrics.count; i++) {
        const struct expression *resolved = resolve(analyzer, &scope, metrics.items[i]);
        struct metric_check check = {.analyzer = analyzer, .metric = resolved};
        if (resolved == NULL)
            return false;
        node_walk(&resolved->node, check_call, NULL, &check);
        if (!check.failed)
            node_walk(&resolved->node, check_metric, NULL, &check);
        if (check.failed) {
            fail_at(analyzer, &metrics.items[i]->node);
            return false;
        }
    }
    return true;
}

/* Columns of the aggregate's output get their places. */
static const struct node *place(struct arena *arena, const struct node *node, void *context) {
    const struct relation *aggregate = context;
    if (node->tag != EXPRESSION_COLUMN)
        return node_map(arena, node, place, context);
    struct expression_column *column = (struct expression_column *)node_clone(arena, node);
    for (size_t i = 0; i < aggregate->output_count; i++)
        if (aggregate->output[i].id == column->id)
            column->ordinal = (int32_t)i;
    ASSERT(column->ordinal >= 0);
    return &column->base.node;
}

static const struct relation_project *place_results(struct arena *arena, const struct relation *metrics) {
    struct relation_project *results = (struct relation_project *)node_clone(arena, &metrics->node);
    const struct expression **items = arena_allocate(arena, (results->columns.count + 1) * sizeof *items);
    for (size_t i = 0; i < results->columns.count; i++)
        items[i] = without_shown(arena, (const struct expression *)place(arena, &results->columns.items[i]->node,
                                            (void *)(uintptr_t)results->input));
    results->columns.items = items;
    return results;
}

const struct relation *analyze_observe(struct analyzer *analyzer, const struct relation_collect_metrics *written) {
    const struct node *origin = &written->base.node;
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    if (written->name.size == 0) {
        raise_invalid_observed_metrics_missing_name(analyzer->error, "CollectMetrics");
        return NULL;
    }
    if (!check_metrics(analyzer, input, written->metrics))
        return NULL;
    struct relation_group_by *group = relation_group_by_new(analyzer->arena);
    group->input = input;
    group->type = GROUP_BY;
    group->aggregates = written->metrics;
    const struct relation *metrics = analyze(analyzer, &group->base);
    if (metrics == NULL)
        return NULL;
    const struct relation *aggregate =
        metrics->node.tag == RELATION_PROJECT ? relation_project_of(metrics)->input : NULL;
    if (aggregate == NULL || aggregate->node.tag != RELATION_AGGREGATE ||
        relation_aggregate_of(aggregate)->input != input) {
        unsupported(
            analyzer, origin->origin, "observe() with these metrics", "Compute them with a separate aggregate.");
        return NULL;
    }
    struct relation_collect_metrics *observed = (struct relation_collect_metrics *)node_clone(analyzer->arena, origin);
    observed->input = input;
    observed->metrics = (struct expression_list){0};
    observed->calls = relation_aggregate_of(aggregate)->calls;
    observed->results = place_results(analyzer->arena, metrics);
    observed->base.analyzed = true;
    observed->base.output = input->output;
    observed->base.output_count = input->output_count;
    return &observed->base;
}
