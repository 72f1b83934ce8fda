/* query_check.c: which plans may run as streaming queries, by output mode, with Spark's words for the rest; and what
 * Spark would run and this program does not yet, by name. */
#include <ctype.h>

#include "base/assert.h"
#include "exec/state_join.h"
#include "sql/function.h"
#include "sql/pretty.h"
#include "sql/sql.h"
#include "stream/internal.h"

struct plan_check {
    struct stream_query *query;
    struct sql_error *error;
    int aggregates, joins, others, with_state;  /* stateful operators */
    const struct relation_aggregate *aggregate; /* the first one from above */
    bool failed;
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
    bool aggregate =
        node->tag == RELATION_AGGREGATE && !relation_aggregate_of((const struct relation *)node)->stateless;
    check->aggregates += aggregate;
    if (aggregate && check->aggregate == NULL) {
        check->aggregate = relation_aggregate_of((const struct relation *)node);
    }
    check->others += node->tag == RELATION_DEDUPLICATE;
    check->with_state += node->tag == RELATION_GROUPS_WITH_STATE;
    if (node->tag == RELATION_JOIN) {
        const struct relation_join *join = (const struct relation_join *)node;
        check->joins += is_streaming(join->left) && is_streaming(join->right);
    }
    return WALK_CONTINUE;
}

static struct plan_check count_below(const struct plan_check *check, const struct relation *relation) {
    struct plan_check counted = {.query = check->query, .error = check->error};
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
    return true;
}

/* An aggregation that does not only put out what is done, below something that remembers rows. */
static bool check_chain(struct plan_check *check, const struct relation *relation) {
    struct plan_check below = {0};
    if (check->query->mode == EXEC_APPEND) {
        return true;
    }
    if (relation->node.tag == RELATION_AGGREGATE && !relation_aggregate_of(relation)->stateless) {
        below = count_below(check, relation_aggregate_of(relation)->input);
    } else if (relation->node.tag == RELATION_DEDUPLICATE) {
        const struct relation_deduplicate *deduplicate = relation_deduplicate_of(relation);
        bool timed = deduplicate->within_watermark;
        int64_t delay;
        for (size_t i = 0; i < deduplicate->keys.count; i++) {
            size_t column = (size_t)expression_column_of(deduplicate->keys.items[i])->ordinal;
            timed = timed || attribute_event_time(&deduplicate->input->output[column], &delay);
        }
        if (timed) {
            below = count_below(check, deduplicate->input);
        }
    } else if (relation->node.tag == RELATION_JOIN && is_streaming(relation_join_of(relation)->left) &&
               is_streaming(relation_join_of(relation)->right)) {
        below.aggregates = count_below(check, relation_join_of(relation)->left).aggregates +
                           count_below(check, relation_join_of(relation)->right).aggregates;
    }
    return below.aggregates == 0 ||
           refuse(check,
               "Detected pattern of possible 'correctness' issue due to global watermark. The query contains stateful "
               "operation which can emit rows older than the current watermark plus allowed late record delay, which "
               "are \"late rows\" in downstream stateful operations and these rows can be discarded. Please refer the "
               "programming guide doc for more details. If you understand the possible risk of correctness issue and "
               "still need to run the query, you can disable this check by setting the config "
               "`spark.sql.streaming.statefulOperator.checkCorrectness.enabled` to false.");
}

static bool check_sort(struct plan_check *check, const struct relation_sort *sort) {
    if (check->query->mode == EXEC_COMPLETE && count_below(check, sort->input).aggregates > 0) {
        return true;
    }
    return refuse(check, "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated "
                         "DataFrame/Dataset in Complete output mode");
}

static bool check_limit(struct plan_check *check, const struct relation_limit *limit) {
    if (limit->offset > 0) {
        return refuse(check, "Offset is not supported on streaming DataFrames/Datasets");
    }
    return check->query->mode != EXEC_UPDATE ||
           refuse(check, "Limits are not supported on streaming DataFrames/Datasets in Update output mode");
}

/* A select above may have given the column its name. */
struct naming {
    const struct attribute *column;
    struct bytes name;
};

static enum walk find_name(const struct node *node, void *context) {
    struct naming *naming = context;
    if (node_family(node) != NODE_RELATION) {
        return WALK_PRUNE;
    }
    if (node->tag == RELATION_PROJECT) {
        const struct relation_project *project = relation_project_of((const struct relation *)node);
        for (size_t i = 0; i < project->columns.count; i++) {
            const struct expression *item = expression_strip(project->columns.items[i]);
            if (item->node.tag == EXPRESSION_COLUMN && expression_column_of(item)->id == naming->column->id) {
                naming->name = project->base.output[i].name;
            }
        }
    }
    return WALK_CONTINUE;
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
    struct naming naming = {column, column->name};
    node_walk(&check->query->start.plan->node, find_name, NULL, &naming);
    return raise_non_time_window_not_supported_in_streaming(
        check->error, text, quote_name(arena, naming.name), over == NULL ? "" : over + 6);
}

static bool check_union(struct plan_check *check, const struct relation_union *node) {
    bool all = true;
    for (size_t i = 0; i < node->inputs.count; i++) {
        all = all && is_streaming(node->inputs.items[i]);
    }
    return all || refuse(check, "Union between streaming and batch DataFrames/Datasets is not supported");
}

static bool check_deduplicate(struct plan_check *check, const struct relation_deduplicate *deduplicate) {
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
    if (join->type == JOIN_INNER || join->type == JOIN_CROSS) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (kinds[i].type == join->type && check->query->mode != EXEC_APPEND) {
            return refuse(check,
                arena_printf(arena,
                    "%s join between two streaming DataFrames/Datasets is not supported in %s output mode, only in "
                    "Append output mode",
                    kinds[i].name, check->query->mode == EXEC_UPDATE ? "Update" : "Complete"));
        }
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

static enum walk find_row_numbers(const struct node *node, void *context) {
    if (node_family(node) == NODE_RELATION) {
        return WALK_PRUNE;
    }
    bool found = node->tag == EXPRESSION_CALL &&
                 ((const struct expression_call *)node)->function->id == FUNCTION_MONOTONICALLY_INCREASING_ID;
    return found ? WALK_ABORT : WALK_CONTINUE;
}

static bool check_project(struct plan_check *check, const struct relation_project *project) {
    for (size_t i = 0; i < project->columns.count; i++) {
        if (!node_walk(&project->columns.items[i]->node, find_row_numbers, NULL, NULL)) {
            return refuse(check,
                "Expression(s): monotonically_increasing_id() is not supported with streaming DataFrames/Datasets");
        }
    }
    return true;
}

static bool check_cogroup(struct plan_check *check, const struct relation_python_map *map) {
    const struct expression_python_udf *function = expression_python_udf_of(map->function);
    return (int32_t)function->arguments.count <= map->key_count + 1 || map->key_count == 0 ||
           not_yet(check, "cogroup() of a stream", "Use a join.");
}

/* applyInPandasWithState */
static bool check_groups(struct plan_check *check, const struct relation_groups_with_state *groups) {
    struct arena *arena = check->error->arena;
    bool updates = groups->updates;
    struct plan_check all = count_below(check, check->query->start.plan);
    if (all.with_state > 1) {
        return refuse(check, "Multiple applyInPandasWithStates are not supported on a streaming DataFrames/Datasets");
    }
    if (all.aggregates == 0 && check->query->mode != (updates ? EXEC_UPDATE : EXEC_APPEND)) {
        char *mode = arena_strdup(arena, mode_name(check));
        mode[0] = (char)toupper((unsigned char)mode[0]);
        return refuse(
            check, arena_printf(arena,
                       "applyInPandasWithState in %s mode is not supported with %s output mode on a streaming "
                       "DataFrame/Dataset",
                       updates ? "update" : "append", mode));
    }
    if (all.aggregates > 0 && (updates || count_below(check, groups->input).aggregates > 0)) {
        return refuse(check, arena_printf(arena,
                                 "applyInPandasWithState in %s mode is not supported %s aggregation on a streaming "
                                 "DataFrame/Dataset",
                                 updates ? "update" : "append", updates ? "with" : "after"));
    }
    return groups->timeout != TIMEOUT_EVENT_TIME || has_event_time(groups->input, groups->input->output_count) ||
           refuse(check,
               "Watermark must be specified in the query using '[Dataset/DataFrame].withWatermark()' for using "
               "event-time timeout in a applyInPandasWithState. Event-time timeout not supported without watermark.");
}

/* What does not read a stream may be anything. */
static enum walk enter_node(const struct node *node, void *context) {
    return node_family(node) == NODE_RELATION && is_streaming((const struct relation *)node) ? WALK_CONTINUE
                                                                                             : WALK_PRUNE;
}

static void check_node(const struct node *node, void *context) {
    struct plan_check *check = context;
    const struct relation *relation = (const struct relation *)node;
    bool good = true;
    if (check->failed) {
        return;
    }
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
    case RELATION_GROUPS_WITH_STATE:
        good = check_groups(check, relation_groups_with_state_of(relation));
        break;
    case RELATION_SORT:
        good = check_sort(check, relation_sort_of(relation));
        break;
    case RELATION_LIMIT:
        good = check_limit(check, relation_limit_of(relation));
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
    case RELATION_PROJECT:
        good = check_project(check, relation_project_of(relation));
        break;
    case RELATION_UNION:
        good = check_union(check, relation_union_of(relation));
        break;
    case RELATION_JOIN:
        good = check_join(check, relation_join_of(relation));
        break;
    default:
        break;
    }
    check->failed = !good;
}

static enum walk check_chain_of(const struct node *node, void *context) {
    if (enter_node(node, context) == WALK_PRUNE) {
        return WALK_PRUNE;
    }
    return check_chain(context, (const struct relation *)node) ? WALK_CONTINUE : WALK_ABORT;
}

/* The output mode and the first aggregation from above. */
static bool check_mode(struct plan_check *check) {
    struct plan_check all = count_below(check, check->query->start.plan);
    if (check->query->mode == EXEC_COMPLETE && all.aggregates == 0) {
        return raise_streaming_output_mode_unsupported_operation(
            check->error, mode_name(check), "no streaming aggregations on streaming DataFrames/DataSets");
    }
    if (check->query->mode == EXEC_UPDATE && all.aggregates > 0) {
        for (size_t i = 0; i < all.aggregate->groupings.count; i++) {
            if (attribute_is_session_window(&all.aggregate->base.output[i])) {
                return raise_streaming_output_mode_unsupported_operation(check->error, mode_name(check),
                    "session window streaming aggregations on streaming DataFrames/DataSets");
            }
        }
    }
    if (check->query->mode == EXEC_APPEND && all.aggregates > 0 &&
        !has_event_time(&all.aggregate->base, all.aggregate->groupings.count)) {
        return raise_streaming_output_mode_unsupported_operation(check->error, mode_name(check),
            "streaming aggregations without watermark on streaming DataFrames/DataSets");
    }
    return true;
}

bool query_check_plan(struct stream_query *query, struct sql_error *error) {
    struct plan_check check = {.query = query, .error = error};
    const struct node *plan = &query->start.plan->node;
    return check_mode(&check) && node_walk(plan, enter_node, check_node, &check) && !check.failed &&
           node_walk(plan, check_chain_of, NULL, &check);
}
