/* query_check.c: which plans may run as streaming queries, by output mode, with Spark's words for the rest; and what
 * Spark would run and this program does not yet, by name. */
#include <ctype.h>

#include "base/assert.h"
#include "exec/state_join.h"
#include "sql/pretty.h"
#include "sql/sql.h"
#include "stream/internal.h"

struct plan_check {
    struct stream_query *query;
    struct sql_error *error;
    int aggregates, joins, others; /* stateful operators */
};

static bool is_streaming(const struct relation *relation) {
    return relation != NULL && relation_is_streaming(relation);
}

static const char *mode_name(const struct plan_check *check) {
    static const char *const names[] = {
        [EXEC_APPEND] = "append", [EXEC_UPDATE] = "update", [EXEC_COMPLETE] = "complete"};
    return names[check->query->mode];
}

static bool refuse(struct plan_check *check, const char *text) {
    return raise__legacy_error_temp_3102(check->error, arena_printf(check->error->arena, "%s;", text));
}

static bool not_yet(struct plan_check *check, const char *what, const char *advice) {
    return raise_unsupported_feature_not_in_this_program(check->error, what, advice);
}

/* ---- what is below a relation ---- */

static enum walk count_node(const struct node *node, void *context) {
    struct plan_check *check = context;
    if (node_family(node) != NODE_RELATION) {
        return WALK_PRUNE;
    }
    if (!is_streaming((const struct relation *)node)) {
        return WALK_PRUNE;
    }
    check->aggregates +=
        node->tag == RELATION_AGGREGATE && !relation_aggregate_of((const struct relation *)node)->stateless;
    check->others += node->tag == RELATION_DEDUPLICATE;
    if (node->tag == RELATION_JOIN) {
        const struct relation_join *join = (const struct relation_join *)node;
        check->joins += is_streaming(join->left) && is_streaming(join->right);
    }
    return WALK_CONTINUE;
}

static struct plan_check count_below(const struct plan_check *check, const struct relation *relation) {
    struct plan_check counted = {check->query, check->error, 0, 0, 0};
    node_walk(&relation->node, count_node, NULL, &counted);
    return counted;
}

static bool has_event_time(const struct relation *relation, size_t count) {
    bool found = false;
    int64_t delay;
    for (size_t i = 0; i < count; i++) {
        found = found || attribute_event_time(&relation->output[i], &delay);
    }
    return found;
}

/* ---- one kind of relation each; false: refused ---- */

static bool check_aggregate(struct plan_check *check, const struct relation_aggregate *aggregate) {
    for (size_t i = 0; i < aggregate->calls.count; i++) {
        if (expression_aggregate_call_of(expression_strip(aggregate->calls.items[i]))->distinct) {
            return refuse(check, "Distinct aggregations are not supported on streaming DataFrames/Datasets. Consider "
                                 "using approx_count_distinct() instead.");
        }
    }
    struct plan_check below = count_below(check, aggregate->input);
    if (check->query->mode != EXEC_APPEND && below.aggregates + below.joins > 0) {
        return refuse(check,
            "Detected pattern of possible 'correctness' issue due to global watermark. The query contains stateful "
            "operation which can emit rows older than the current watermark plus allowed late record delay, which are "
            "\"late rows\" in downstream stateful operations and these rows can be discarded. Please refer the "
            "programming guide doc for more details. If you understand the possible risk of correctness issue and "
            "still need to run the query, you can disable this check by setting the config "
            "`spark.sql.streaming.statefulOperator.checkCorrectness.enabled` to false.");
    }
    if (below.joins > 0) {
        return not_yet(check, "An aggregation of a join of two streams", "Write the joined rows first.");
    }
    if (check->query->mode == EXEC_APPEND && !has_event_time(&aggregate->base, aggregate->groupings.count)) {
        return raise_streaming_output_mode_unsupported_operation(check->error, mode_name(check),
            "streaming aggregations without watermark on streaming DataFrames/DataSets");
    }
    return true;
}

static bool check_sort(struct plan_check *check, const struct relation_sort *sort) {
    if (check->query->mode == EXEC_COMPLETE && count_below(check, sort->input).aggregates > 0) {
        return true;
    }
    return refuse(check, "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated "
                         "DataFrame/Dataset in Complete output mode");
}

static bool check_limit(struct plan_check *check, const struct relation *input) {
    if (check->query->mode == EXEC_COMPLETE && count_below(check, input).aggregates > 0) {
        return true;
    }
    return check->query->mode == EXEC_UPDATE
               ? refuse(check, "Limits are not supported on streaming DataFrames/Datasets in Update output mode")
               : not_yet(check, "limit() on a stream in append mode", "Stop the query when enough rows have come.");
}

static bool check_windows(struct plan_check *check, const struct relation_windows *windows) {
    struct arena *arena = check->error->arena;
    char *text = arena_strdup(arena, pretty_name(arena, windows->functions.items[0]));
    const struct attribute *column = &windows->base.output[windows->base.output_count - windows->functions.count];
    for (char *at = text; *at != 0; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    char *over = strstr(text, " OVER ");
    if (over != NULL) {
        *over = 0;
    }
    return raise_non_time_window_not_supported_in_streaming(
        check->error, text, quote_name(arena, column->name), over == NULL ? "" : over + 6);
}

static bool check_deduplicate(struct plan_check *check, const struct relation_deduplicate *deduplicate) {
    if (count_below(check, deduplicate->input).joins > 0) {
        return not_yet(check, "dropDuplicates of a join of two streams", "Write the joined rows first.");
    }
    return !deduplicate->within_watermark || has_event_time(deduplicate->input, deduplicate->input->output_count) ||
           refuse(check,
               "dropDuplicatesWithinWatermark is not supported on streaming DataFrames/DataSets without watermark");
}

/* Two streams: outer and semi joins need a watermark that says when there is no partner to come. */
static bool check_stream_join(struct plan_check *check, const struct relation_join *join) {
    static const struct {
        enum join_type type;
        const char *name;
        bool left, right; /* the sides whose rows must end */
    } kinds[] = {{JOIN_LEFT, "LeftOuter", true, false}, {JOIN_RIGHT, "RightOuter", false, true},
        {JOIN_FULL, "FullOuter", true, true}, {JOIN_LEFT_SEMI, "LeftSemi", true, false}};
    struct arena *arena = check->error->arena;
    if (check->query->mode != EXEC_APPEND && join->type != JOIN_INNER) {
        return not_yet(check, "Outer and semi joins of two streams in other modes than append", "Use append.");
    }
    if (count_below(check, join->left).aggregates + count_below(check, join->left).joins +
            count_below(check, join->right).aggregates + count_below(check, join->right).joins >
        0) {
        return not_yet(check, "A join of two streams over aggregations or joins of streams", "Write their rows first.");
    }
    if (join->type == JOIN_INNER || join->type == JOIN_CROSS) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (kinds[i].type == join->type) {
            bool good = (!kinds[i].left || join_side_limit(arena, join, true).by != JOIN_KEEPS_ALL) &&
                        (!kinds[i].right || join_side_limit(arena, join, false).by != JOIN_KEEPS_ALL);
            return good || refuse(check, arena_printf(arena,
                                             "Stream-stream %s join between two streaming DataFrame/Datasets is not "
                                             "supported without a watermark in the join keys, or a watermark on the "
                                             "nullable side and an appropriate range condition",
                                             kinds[i].name));
        }
    }
    return not_yet(check, "This kind of join of two streams", "");
}

static bool check_join(struct plan_check *check, const struct relation_join *join) {
    bool left = is_streaming(join->left), right = is_streaming(join->right);
    if (join->type == JOIN_LEFT_ANTI && right) {
        return refuse(check, "LeftAnti joins with a streaming DataFrame/Dataset on the right are not supported");
    }
    if (left && right) {
        return check_stream_join(check, join);
    }
    switch (join->type) {
    case JOIN_INNER:
    case JOIN_CROSS:
        return true;
    case JOIN_LEFT:
    case JOIN_LEFT_SEMI:
    case JOIN_LEFT_ANTI:
        return left || refuse(check, arena_printf(check->error->arena,
                                         "%s join with a streaming DataFrame/Dataset on the right and a static "
                                         "DataFrame/Dataset on the left is not supported",
                                         join->type == JOIN_LEFT ? "LeftOuter" : "LeftSemi"));
    case JOIN_RIGHT:
        return right || refuse(check, "RightOuter join with a streaming DataFrame/Dataset on the left and a static "
                                      "DataFrame/DataSet on the right not supported");
    case JOIN_FULL:
        return refuse(check, left ? "FullOuter joins with streaming DataFrames/Datasets on the left and a static "
                                    "DataFrame/Dataset on the right is not supported"
                                  : "FullOuter joins with streaming DataFrames/Datasets on the right and a static "
                                    "DataFrame/Dataset on the left is not supported");
    default:
        return not_yet(
            check, "This kind of join with a stream", "Write the rows first and join them in a batch query.");
    }
}

static bool check_python(struct plan_check *check, const struct relation_python_eval *eval) {
    for (size_t i = 0; i < eval->functions.count; i++) {
        if (python_is_aggregate(expression_python_udf_of(eval->functions.items[i]))) {
            return refuse(check, "Streaming aggregation doesn't support group aggregate pandas UDF");
        }
    }
    return true;
}

static bool check_cogroup(struct plan_check *check, const struct relation_python_map *map) {
    const struct expression_python_udf *function = expression_python_udf_of(map->function);
    return (int32_t)function->arguments.count <= map->key_count + 1 || map->key_count == 0 ||
           not_yet(check, "cogroup() of a stream", "Use a join.");
}

static enum walk check_node(const struct node *node, void *context) {
    struct plan_check *check = context;
    const struct relation *relation = (const struct relation *)node;
    if (node_family(node) != NODE_RELATION || !is_streaming(relation)) {
        return WALK_PRUNE; /* what does not read a stream may be anything */
    }
    bool good = true;
    switch (node->tag) {
    case RELATION_AGGREGATE:
        good = relation_aggregate_of(relation)->stateless || check_aggregate(check, relation_aggregate_of(relation));
        break;
    case RELATION_PYTHON_EVAL:
        good = check_python(check, relation_python_eval_of(relation));
        break;
    case RELATION_PYTHON_MAP:
        good = check_cogroup(check, relation_python_map_of(relation));
        break;
    case RELATION_SORT:
        good = check_sort(check, relation_sort_of(relation));
        break;
    case RELATION_LIMIT:
        good = check_limit(check, relation_limit_of(relation)->input);
        break;
    case RELATION_TAIL:
        good = not_yet(check, "tail() on streaming DataFrames", "");
        break;
    case RELATION_WINDOWS:
        good = check_windows(check, relation_windows_of(relation));
        break;
    case RELATION_SAMPLE:
        good = refuse(check, "Sampling is not supported on streaming DataFrames/Datasets");
        break;
    case RELATION_DEDUPLICATE:
        good = check_deduplicate(check, relation_deduplicate_of(relation));
        break;
    case RELATION_JOIN:
        good = check_join(check, relation_join_of(relation));
        break;
    default:
        break;
    }
    return good ? WALK_CONTINUE : WALK_ABORT;
}

bool query_check_plan(struct stream_query *query, struct sql_error *error) {
    struct plan_check check = {query, error, 0, 0, 0};
    struct plan_check all = count_below(&check, query->start.plan);
    if (query->mode == EXEC_COMPLETE && all.aggregates == 0) {
        return raise_streaming_output_mode_unsupported_operation(
            error, mode_name(&check), "no streaming aggregations on streaming DataFrames/DataSets");
    }
    return node_walk(&query->start.plan->node, check_node, NULL, &check);
}
