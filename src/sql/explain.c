/* EXPLAIN in Spark's layout: "+- " and ":- " trees, one operator per line, the operators' names those that Spark's
 * users know. The logical halves print the relations as they are, the physical half what the engine runs for them. */
#include "sql/sql.h"

#include "sql/function.h"
#include "sql/pretty.h"

struct tree {
    struct buffer *out;
    bool physical;
    bool numbered; /* FORMATTED */
    int number;
    char prefix[4096];
    size_t prefix_size;
};

static void expressions(struct buffer *out, struct expression_list list) {
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < list.count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        pretty_plan(list.items[i], out);
    }
    buffer_append_byte(out, ']');
}

static void attribute(struct buffer *out, const struct attribute *attribute) {
    buffer_printf(
        out, "%.*s#%u%s", BYTES_ARGS(attribute->name), attribute->id, attribute->type->kind == TYPE_LONG ? "L" : "");
}

static void attributes(struct buffer *out, const struct attribute *list, size_t count) {
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        attribute(out, &list[i]);
    }
    buffer_append_byte(out, ']');
}

static void names(struct buffer *out, struct bytes_list list) {
    for (size_t i = 0; i < list.count; i++)
        buffer_printf(out, "%s%.*s", i > 0 ? "." : "", BYTES_ARGS(list.items[i]));
}

static const char *join_name(enum join_type type) {
    static const char *const texts[] = {"Inner", "LeftOuter", "RightOuter", "FullOuter", "Cross", "LeftSemi",
        "LeftAnti", "LeftSingle", "ExistenceJoin"};
    return texts[type];
}

static bool has_equality(const struct expression *condition) {
    if (condition == NULL || condition->node.tag != EXPRESSION_CALL)
        return false;
    const struct expression_call *call = expression_call_of(condition);
    if (call->function->id == FUNCTION_AND)
        return has_equality(call->arguments.items[0]) || has_equality(call->arguments.items[1]);
    return call->function->id == FUNCTION_EQUAL || call->function->id == FUNCTION_EQUAL_NULL_SAFE;
}

static void print_join(struct buffer *out, const struct relation_join *join, bool physical) {
    if (!physical) {
        buffer_printf(out, "Join %s", join_name(join->type));
        if (join->condition != NULL) {
            buffer_append_text(out, ", ");
            pretty_plan(join->condition, out);
        }
        return;
    }
    if (has_equality(join->condition))
        buffer_printf(out, "BroadcastHashJoin %s, BuildRight, ", join_name(join->type));
    else if (join->condition == NULL && (join->type == JOIN_INNER || join->type == JOIN_CROSS))
        buffer_append_text(out, "CartesianProduct");
    else
        buffer_printf(out, "BroadcastNestedLoopJoin BuildRight, %s, ", join_name(join->type));
    if (join->condition != NULL)
        pretty_plan(join->condition, out);
}

static void print_scan(struct buffer *out, const struct relation_scan *scan, bool physical) {
    if (!physical) {
        buffer_append_text(out, scan->streaming ? "StreamingRelation " : "Relation ");
        attributes(out, scan->base.output, scan->base.output_count);
        buffer_printf(out, " %.*s", BYTES_ARGS(scan->format));
        return;
    }
    buffer_printf(out, "%s %.*s ", scan->streaming ? "StreamingScan" : "FileScan", BYTES_ARGS(scan->format));
    attributes(out, scan->base.output, scan->base.output_count);
    buffer_append_text(out, " DataFilters: ");
    expressions(out, scan->filters);
    buffer_append_text(out, ", Location: [");
    for (size_t i = 0; i < scan->paths.count && i < 10; i++)
        buffer_printf(out, "%s%.*s", i > 0 ? ", " : "", BYTES_ARGS(scan->paths.items[i]));
    buffer_append_text(out, "], ReadSchema: struct<");
    for (size_t i = 0; i < scan->base.output_count; i++) {
        buffer_printf(out, "%s%.*s:", i > 0 ? "," : "", BYTES_ARGS(scan->base.output[i].name));
        type_format_simple(scan->base.output[i].type, out);
    }
    buffer_append_byte(out, '>');
    if (scan->limit >= 0)
        buffer_printf(out, ", PushedLimit: %lld", (long long)scan->limit);
}

static void print_aggregate(struct buffer *out, const struct relation_aggregate *aggregate, bool physical) {
    buffer_append_text(out, physical ? "HashAggregate(keys=" : "Aggregate ");
    expressions(out, aggregate->groupings);
    buffer_append_text(out, physical ? ", functions=" : ", ");
    expressions(out, aggregate->calls);
    buffer_append_text(out, physical ? ")" : "");
}

static void print_limit(struct buffer *out, const struct relation_limit *limit, bool physical) {
    if (limit->count_expression != NULL) {
        buffer_append_text(out, "GlobalLimit ");
        pretty_plan(limit->count_expression, out);
        return;
    }
    if (limit->count < 0)
        buffer_printf(out, "%s %lld", physical ? "CollectLimit offset" : "Offset", (long long)limit->offset);
    else if (limit->offset > 0)
        buffer_printf(out, "%s %lld, %lld", physical ? "CollectLimit" : "GlobalLimit", (long long)limit->count,
            (long long)limit->offset);
    else
        buffer_printf(out, "%s %lld", physical ? "CollectLimit" : "GlobalLimit", (long long)limit->count);
}

static void print_range(struct buffer *out, const struct relation_range *range) {
    buffer_printf(out, "Range (%lld, %lld, step=%lld%s", (long long)range->start, (long long)range->end,
        (long long)range->step, range->partitions > 0 ? ", splits=" : "");
    if (range->partitions > 0)
        buffer_printf(out, "%d", range->partitions);
    buffer_append_byte(out, ')');
}

/* Relations that only unresolved plans have: the node's name as Spark spells such names. */
static void print_unresolved(struct buffer *out, const struct relation *relation) {
    buffer_append_byte(out, '\'');
    bool upper = true;
    for (const char *name = node_name(&relation->node); *name != '\0'; name++) {
        if (*name != '_')
            buffer_append_byte(out, (uint8_t)(upper ? *name - 32 : *name));
        upper = *name == '_';
    }
    switch (relation->node.tag) {
    case RELATION_READ:
        buffer_printf(out, " %.*s", BYTES_ARGS(relation_read_of(relation)->format));
        break;
    case RELATION_GROUP_BY:
        buffer_append_byte(out, ' ');
        expressions(out, relation_group_by_of(relation)->groupings);
        buffer_append_text(out, ", ");
        expressions(out, relation_group_by_of(relation)->aggregates);
        break;
    default:
        break;
    }
}

static void print_functions(struct buffer *out, const struct relation *relation) {
    if (relation->node.tag == RELATION_PYTHON_EVAL) {
        buffer_append_text(out, "ArrowEvalPython ");
        expressions(out, relation_python_eval_of(relation)->functions);
    } else if (relation->node.tag == RELATION_WINDOWS) {
        buffer_append_text(out, "Window ");
        expressions(out, relation_windows_of(relation)->functions);
    } else if (relation->node.tag == RELATION_COLLECT_METRICS) {
        const struct relation_collect_metrics *metrics = relation_collect_metrics_of(relation);
        const struct relation_project *results = metrics->results;
        buffer_printf(out, "CollectMetrics %.*s, ", BYTES_ARGS(metrics->name));
        expressions(out, results == NULL ? metrics->metrics : results->columns);
    } else if (relation->node.tag == RELATION_GROUPS_WITH_STATE) {
        buffer_append_text(out, "FlatMapGroupsInPandasWithState ");
        pretty_plan(relation_groups_with_state_of(relation)->function, out);
        attributes(out, relation->output, relation->output_count);
    } else {
        buffer_append_text(out, "PythonMap ");
        pretty_plan(relation_python_map_of(relation)->function, out);
        attributes(out, relation->output, relation->output_count);
    }
}

static void print_relation(struct tree *tree, const struct relation *relation) {
    struct buffer *out = tree->out;
    bool physical = tree->physical;
    const char *mark = relation->analyzed ? "" : "'";
    switch (relation->node.tag) {
    case RELATION_PROJECT:
        buffer_printf(out, "%sProject ", mark);
        expressions(out, relation_project_of(relation)->columns);
        break;
    case RELATION_FILTER:
        buffer_printf(out, "%sFilter ", mark);
        pretty_plan(relation_filter_of(relation)->condition, out);
        break;
    case RELATION_SCAN:
        print_scan(out, relation_scan_of(relation), physical);
        break;
    case RELATION_LOCAL:
        buffer_append_text(out, relation->output_count == 0 ? (physical ? "Scan OneRowRelation" : "OneRowRelation")
                                : physical                  ? "LocalTableScan "
                                                            : "LocalRelation ");
        if (relation->output_count > 0)
            attributes(out, relation->output, relation->output_count);
        break;
    case RELATION_ONE_ROW:
        buffer_append_text(out, "OneRowRelation");
        break;
    case RELATION_RANGE:
        print_range(out, relation_range_of(relation));
        break;
    case RELATION_AGGREGATE:
        print_aggregate(out, relation_aggregate_of(relation), physical);
        break;
    case RELATION_JOIN:
        buffer_append_text(out, mark);
        print_join(out, relation_join_of(relation), physical);
        break;
    case RELATION_SORT:
        buffer_printf(out, "%sSort ", mark);
        expressions(out, relation_sort_of(relation)->orders);
        buffer_append_text(out, relation_sort_of(relation)->global ? ", true" : ", false");
        buffer_append_text(out, physical ? ", 0" : "");
        break;
    case RELATION_LIMIT:
        buffer_append_text(out, mark);
        print_limit(out, relation_limit_of(relation), physical);
        break;
    case RELATION_TAIL:
        buffer_printf(out, "%s %lld", physical ? "CollectTail" : "Tail", (long long)relation_tail_of(relation)->count);
        break;
    case RELATION_UNION:
        buffer_append_text(out, "Union");
        break;
    case RELATION_SET_OPERATION:
        buffer_append_text(out, relation_set_operation_of(relation)->kind == SET_UNION       ? "'Union"
                                : relation_set_operation_of(relation)->kind == SET_INTERSECT ? "'Intersect"
                                                                                             : "'Except");
        break;
    case RELATION_EXPAND:
        buffer_append_text(out, "Expand ");
        expressions(out, relation_expand_of(relation)->columns);
        break;
    case RELATION_GENERATE: {
        const struct relation_generate *generate = relation_generate_of(relation);
        buffer_printf(out, "%sGenerate ", mark);
        pretty_plan(generate->generator, out);
        buffer_append_text(out, generate->outer ? ", true, " : ", false, ");
        size_t before = generate->input == NULL ? 0 : generate->input->output_count;
        if (relation->analyzed)
            attributes(out, relation->output + before, relation->output_count - before);
        break;
    }
    case RELATION_PYTHON_EVAL:
    case RELATION_PYTHON_MAP:
    case RELATION_GROUPS_WITH_STATE:
    case RELATION_COLLECT_METRICS:
    case RELATION_WINDOWS:
        print_functions(out, relation);
        break;
    case RELATION_SAMPLE:
        buffer_printf(out, "Sample %g, %g, %s, %lld", relation_sample_of(relation)->lower,
            relation_sample_of(relation)->upper, relation_sample_of(relation)->with_replacement ? "true" : "false",
            (long long)relation_sample_of(relation)->seed);
        break;
    case RELATION_SUBQUERY_ALIAS:
        buffer_printf(out, "%sSubqueryAlias %.*s", mark, BYTES_ARGS(relation_subquery_alias_of(relation)->alias));
        break;
    case RELATION_REPARTITION:
        buffer_printf(out, physical ? "Exchange %s(%d)" : "Repartition%s %d", physical ? "RoundRobinPartitioning" : "",
            relation_repartition_of(relation)->partitions);
        break;
    case RELATION_TABLE:
        buffer_append_text(out, "'UnresolvedRelation [");
        names(out, relation_table_of(relation)->parts);
        buffer_append_text(out, "], [], false");
        break;
    default:
        print_unresolved(out, relation);
    }
}

struct children {
    const struct relation *items[64];
    size_t count;
    bool started;
};

static enum walk collect(const struct node *node, void *context) {
    struct children *children = context;
    if (node_family(node) != NODE_RELATION)
        return WALK_PRUNE;
    if (!children->started) {
        children->started = true;
        return WALK_CONTINUE;
    }
    if (children->count < 64)
        children->items[children->count++] = (const struct relation *)node;
    return WALK_PRUNE;
}

static void print_tree(struct tree *tree, const struct relation *relation, bool root, bool last) {
    size_t before = tree->prefix_size;
    struct children children = {.count = 0};
    buffer_append(tree->out, tree->prefix, tree->prefix_size);
    if (!root)
        buffer_append_text(tree->out, last ? "+- " : ":- ");
    print_relation(tree, relation);
    if (tree->numbered)
        buffer_printf(tree->out, " (%d)", ++tree->number);
    buffer_append_byte(tree->out, '\n');
    node_walk(&relation->node, collect, NULL, &children);
    if (!root && tree->prefix_size + 3 < sizeof tree->prefix) {
        memcpy(tree->prefix + tree->prefix_size, last ? "   " : ":  ", 3);
        tree->prefix_size += 3;
    }
    for (size_t i = 0; i < children.count; i++)
        print_tree(tree, children.items[i], false, i + 1 == children.count);
    tree->prefix_size = before;
}

static void print_plan(struct buffer *out, const struct relation *relation, bool physical, bool numbered) {
    struct tree tree = {.out = out, .physical = physical, .numbered = numbered};
    print_tree(&tree, relation, true, true);
}

void sql_explain_logical(const struct relation *relation, struct buffer *out) {
    print_plan(out, relation, false, false);
}

void sql_explain_physical(const struct relation *relation, struct buffer *out) {
    buffer_append_text(out, "== Physical Plan ==\n");
    print_plan(out, relation, true, false);
    buffer_append_byte(out, '\n');
}

bool sql_explain(struct sql_session *session, struct arena *arena, const struct relation *relation,
    enum explain_mode mode, struct buffer *out, struct sql_error *error) {
    bool extended = mode == EXPLAIN_EXTENDED || mode == EXPLAIN_COST;
    if (mode == EXPLAIN_EXTENDED) {
        buffer_append_text(out, "== Parsed Logical Plan ==\n");
        print_plan(out, relation, false, false);
    }
    const struct relation *analyzed = sql_analyze(session, arena, relation, error);
    if (analyzed == NULL)
        return false;
    if (mode == EXPLAIN_EXTENDED) {
        buffer_append_text(out, "\n== Analyzed Logical Plan ==\n");
        for (size_t i = 0; i < analyzed->output_count; i++) {
            buffer_printf(out, "%s%.*s: ", i > 0 ? ", " : "", BYTES_ARGS(analyzed->output[i].name));
            type_format_simple(analyzed->output[i].type, out);
        }
        buffer_append_byte(out, '\n');
        print_plan(out, analyzed, false, false);
    }
    const struct relation *optimized = sql_optimize(session, arena, analyzed, error);
    if (optimized == NULL)
        return false;
    if (extended) {
        buffer_printf(out, "%s== Optimized Logical Plan ==\n", mode == EXPLAIN_EXTENDED ? "\n" : "");
        print_plan(out, optimized, false, false);
        buffer_append_byte(out, '\n');
    }
    buffer_append_text(out, "== Physical Plan ==\n");
    print_plan(out, optimized, true, mode == EXPLAIN_FORMATTED);
    buffer_append_byte(out, '\n');
    return true;
}
