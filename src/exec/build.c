/* build.c: a plan to pipelines. The order of the list is the order of running: what a pipeline reads from is complete
 * before it starts. */
#include "exec/query.h"
#include "exec/session.h"
#include "sql/sql.h"

static bool build(struct compile *compile, const struct relation *relation, const struct chain *chain, int depth);

struct operator* operator_init(struct compile *compile, struct operator* operator, const struct operator_class * class,
    const struct relation *relation) {
    struct exec_query *query = compile->query;
    operator->class = class;
    operator->relation = relation;
    operator->settings = compile->settings;
    operator->schema = relation_output_type(compile->arena, relation);
    operator->index = query->operator_count;
    if (query->operator_count == query->operator_capacity) {
        query->operator_capacity = query->operator_capacity * 2 + 16;
        struct operator** grown = ARENA_ARRAY(compile->arena, struct operator*, query->operator_capacity);
        if (query->operator_count > 0) {
            memcpy(grown, query->operators, query->operator_count * sizeof *grown);
        }
        query->operators = grown;
    }
    query->operators[query->operator_count++] = operator;
    return operator;
}

const struct type *relation_output_type(struct arena *arena, const struct relation *relation) {
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, relation->output_count);
    for (size_t i = 0; i < relation->output_count; i++) {
        const struct attribute *attribute = &relation->output[i];
        fields[i] = (struct type_field){attribute->name, attribute->type, attribute->nullable, attribute->metadata};
    }
    return type_struct(arena, fields, relation->output_count);
}

size_t query_add_stream(struct exec_query *query, const struct relation *scan) {
    if (query->stream_count == query->stream_capacity) {
        query->stream_capacity = query->stream_capacity * 2 + 4;
        const struct relation **streams = ARENA_ARRAY(&query->arena, const struct relation *, query->stream_capacity);
        if (query->stream_count > 0) {
            memcpy(streams, query->streams, query->stream_count * sizeof *streams);
        }
        query->streams = streams;
        query->bound = ARENA_ARRAY(&query->arena, struct source *, query->stream_capacity);
        query->stream_rows = ARENA_ARRAY(&query->arena, int64_t, query->stream_capacity);
    }
    query->streams[query->stream_count] = scan;
    return query->stream_count++;
}

static bool add_pipeline(struct compile *compile, struct operator* source, const struct chain *chain) {
    struct exec_query *query = compile->query;
    if (query->pipeline_count == query->pipeline_capacity) {
        query->pipeline_capacity = query->pipeline_capacity * 2 + 8;
        struct pipeline *grown = ARENA_ARRAY(compile->arena, struct pipeline, query->pipeline_capacity);
        if (query->pipeline_count > 0) {
            memcpy(grown, query->pipelines, query->pipeline_count * sizeof *grown);
        }
        query->pipelines = grown;
    }
    struct pipeline *pipeline = &query->pipelines[query->pipeline_count++];
    *pipeline = (struct pipeline){.source = source, .transform_count = chain->count, .sink = chain->sink};
    pipeline->transforms = ARENA_ARRAY(compile->arena, struct operator*, chain->count);
    for (size_t i = 0; i < chain->count; i++) {
        pipeline->transforms[i] = chain->transforms[i];
    }
    return true;
}

/* Marks the operator's place in the tree and puts it below what stands above. */
static bool build_transform(struct compile *compile, struct operator* operator, const struct relation * input,
    const struct chain *chain, int depth) {
    if (operator== NULL) {
        return false;
    }
    if (chain->count == PIPELINE_TRANSFORMS_MAX) {
        return raise_internal_error(compile->error, "the plan has too many operators in a row");
    }
    struct chain *longer = ARENA_NEW(compile->arena, struct chain);
    longer->sink = chain->sink;
    longer->count = chain->count + 1;
    longer->transforms[0] = operator;
    memcpy(longer->transforms + 1, chain->transforms, chain->count * sizeof *chain->transforms);
    operator->depth = depth;
    return build(compile, input, longer, depth + 1);
}

static bool build_source(struct compile *compile, struct operator* operator, const struct chain * chain, int depth) {
    if (operator== NULL) {
        return false;
    }
    operator->depth = depth;
    return add_pipeline(compile, operator, chain);
}

/* The input ends in the operator, which is then the source of what stands above. */
static bool build_breaker(struct compile *compile, struct operator* operator, const struct relation * input,
    const struct chain *chain, int depth) {
    if (operator== NULL) {
        return false;
    }
    struct chain *below = ARENA_NEW(compile->arena, struct chain);
    below->sink = operator;
    operator->depth = depth;
    return build(compile, input, below, depth + 1) && add_pipeline(compile, operator, chain);
}

/* A breaker with state: what is below its input puts its rows there. */
static bool build_stateful(struct compile *compile, struct operator* operator, const struct relation * input,
    const struct chain *chain, int depth) {
    if (operator== NULL) {
        return false;
    }
    size_t above = compile->query->state_above;
    struct chain *below = ARENA_NEW(compile->arena, struct chain);
    below->sink = operator;
    operator->depth = depth;
    compile->query->state_above = compile->query->states.count - 1;
    bool good = build(compile, input, below, depth + 1);
    compile->query->state_above = above;
    return good && add_pipeline(compile, operator, chain);
}

static bool build_join(
    struct compile *compile, const struct relation_join *join, const struct chain *chain, int depth) {
    struct operator* build_side = op_join_build_create(compile, &join->base);
    if (build_side == NULL) {
        return false;
    }
    struct chain *right = ARENA_NEW(compile->arena, struct chain);
    right->sink = build_side;
    build_side->depth = depth + 1;
    if (!build(compile, join->right, right, depth + 2)) {
        return false;
    }
    struct operator* probe = op_join_probe_create(compile, &join->base, build_side);
    if (!build_transform(compile, probe, join->left, chain, depth)) {
        return false;
    }
    if (!op_join_needs_unmatched(build_side)) {
        return true;
    }
    return build_source(compile, op_join_unmatched_create(compile, &join->base, build_side), chain, depth);
}

static bool build_state_join(
    struct compile *compile, const struct relation_join *join, const struct chain *chain, int depth) {
    struct operator* joined = op_state_join_create(compile, &join->base);
    if (joined == NULL) {
        return false;
    }
    size_t above = compile->query->state_above;
    joined->depth = depth;
    compile->query->state_above = compile->query->states.count - 1;
    for (int side = 0; side < 2; side++) {
        struct chain *below = ARENA_NEW(compile->arena, struct chain);
        below->sink = op_state_join_input_create(compile, &join->base, joined, side == 0);
        below->sink->depth = depth + 1;
        if (!build(compile, side == 0 ? join->left : join->right, below, depth + 2)) {
            return false;
        }
    }
    compile->query->state_above = above;
    return add_pipeline(compile, joined, chain);
}

static bool build_aggregate(
    struct compile *compile, const struct relation_aggregate *aggregate, const struct chain *chain, int depth) {
    const struct relation *relation = &aggregate->base;
    bool sessions = session_key(relation) != SIZE_MAX;
    if (compile->query->streaming && relation_is_streaming(relation) && !aggregate->stateless) {
        const struct relation *input = aggregate->input;
        struct operator* operator= sessions ? op_state_session_create(compile, relation)
                                            : op_state_aggregate_create(compile, relation, &input);
        return build_stateful(compile, operator, input, chain, depth);
    }
    if (!sessions) {
        return build_breaker(compile, op_aggregate_create(compile, relation), aggregate->input, chain, depth);
    }
    struct operator* operator= op_aggregate_create(compile, relation);
    if (operator== NULL) {
        return false;
    }
    struct chain *below = ARENA_NEW(compile->arena, struct chain);
    below->sink = operator;
    operator->depth = depth;
    return build_breaker(compile, op_session_create(compile, relation), aggregate->input, below, depth + 1) &&
           add_pipeline(compile, operator, chain);
}

static enum walk find_streaming_aggregate(const struct node *node, void *context) {
    if (node_family(node) != NODE_RELATION || !relation_is_streaming((const struct relation *)node)) {
        return WALK_PRUNE;
    }
    bool found = node->tag == RELATION_AGGREGATE && !relation_aggregate_of((const struct relation *)node)->stateless;
    *(bool *)context |= found;
    return found ? WALK_ABORT : WALK_CONTINUE;
}

static bool contains_streaming_aggregate(const struct relation *relation) {
    bool found = false;
    node_walk(&relation->node, find_streaming_aggregate, NULL, &found);
    return found;
}

/* The rows of a stream are counted through all batches; the results of a complete aggregation are there anew in each.
 */
static bool is_limit_of_stream(const struct compile *compile, const struct relation_limit *limit) {
    return compile->query->streaming && relation_is_streaming(&limit->base) &&
           (compile->query->mode == EXEC_APPEND || !contains_streaming_aggregate(limit->input));
}

static bool build_limit(
    struct compile *compile, const struct relation_limit *limit, const struct chain *chain, int depth) {
    if (is_limit_of_stream(compile, limit)) {
        return build_stateful(compile, op_state_limit_create(compile, &limit->base), limit->input, chain, depth);
    }
    if (limit->input->node.tag == RELATION_SORT && relation_sort_of(limit->input)->global && limit->count >= 0) {
        const struct relation_sort *sort = relation_sort_of(limit->input);
        struct operator* top = op_sort_create(compile, &sort->base, limit->count, limit->offset);
        return build_breaker(compile, top, sort->input, chain, depth);
    }
    return build_breaker(compile, op_limit_create(compile, &limit->base), limit->input, chain, depth);
}

static bool build_union(
    struct compile *compile, const struct relation_union *node, const struct chain *chain, int depth) {
    for (size_t i = 0; i < node->inputs.count; i++) {
        if (!build(compile, node->inputs.items[i], chain, depth)) {
            return false;
        }
    }
    return true;
}

/* One row without columns where a relation has no input. */
static const struct relation *input_or_row(struct compile *compile, const struct relation *input) {
    return input != NULL ? input : &relation_one_row_new(compile->arena)->base;
}

static bool build_node(struct compile *compile, const struct relation *relation, const struct chain *chain, int depth) {
    switch (relation->node.tag) {
    case RELATION_SCAN:
        return build_source(compile, op_scan_create(compile, relation), chain, depth);
    case RELATION_LOCAL:
    case RELATION_ONE_ROW:
        return build_source(compile, op_local_create(compile, relation), chain, depth);
    case RELATION_RANGE:
        return build_source(compile, op_range_create(compile, relation), chain, depth);
    case RELATION_PROJECT:
        if (relation_project_of(relation)->input == NULL) {
            return build_source(compile, op_local_create(compile, relation), chain, depth);
        }
        return build_transform(
            compile, op_project_create(compile, relation), relation_project_of(relation)->input, chain, depth);
    case RELATION_FILTER:
        return build_transform(
            compile, op_filter_create(compile, relation), relation_filter_of(relation)->input, chain, depth);
    case RELATION_EXPAND:
        return build_transform(
            compile, op_expand_create(compile, relation), relation_expand_of(relation)->input, chain, depth);
    case RELATION_GENERATE:
        return build_transform(compile, op_generate_create(compile, relation),
            input_or_row(compile, relation_generate_of(relation)->input), chain, depth);
    case RELATION_PYTHON_EVAL:
        return build_transform(
            compile, op_python_create(compile, relation), relation_python_eval_of(relation)->input, chain, depth);
    case RELATION_PYTHON_MAP:
        return build_transform(
            compile, op_python_map_create(compile, relation), relation_python_map_of(relation)->input, chain, depth);
    case RELATION_GROUPS_WITH_STATE:
        if (!compile->query->streaming || !relation_is_streaming(relation)) {
            return raise__legacy_error_temp_3176(compile->error);
        }
        return build_stateful(compile, op_state_python_create(compile, relation),
            relation_groups_with_state_of(relation)->input, chain, depth);
    case RELATION_SAMPLE:
        return build_transform(
            compile, op_sample_create(compile, relation), relation_sample_of(relation)->input, chain, depth);
    case RELATION_WITH_WATERMARK:
        if (!compile->query->streaming || !relation_is_streaming(relation)) {
            return build(compile, relation_with_watermark_of(relation)->input, chain, depth);
        }
        return build_transform(
            compile, op_watermark_create(compile, relation), relation_with_watermark_of(relation)->input, chain, depth);
    case RELATION_DEDUPLICATE:
        return build_stateful(compile, op_state_deduplicate_create(compile, relation),
            relation_deduplicate_of(relation)->input, chain, depth);
    case RELATION_AGGREGATE:
        return build_aggregate(compile, relation_aggregate_of(relation), chain, depth);
    case RELATION_SORT:
        return build_breaker(
            compile, op_sort_create(compile, relation, -1, 0), relation_sort_of(relation)->input, chain, depth);
    case RELATION_WINDOWS:
        return build_breaker(
            compile, op_window_create(compile, relation), relation_windows_of(relation)->input, chain, depth);
    case RELATION_REPARTITION:
        return build_breaker(
            compile, op_exchange_create(compile, relation), relation_repartition_of(relation)->input, chain, depth);
    case RELATION_LIMIT:
        return build_limit(compile, relation_limit_of(relation), chain, depth);
    case RELATION_TAIL:
        return build_breaker(
            compile, op_limit_create(compile, relation), relation_tail_of(relation)->input, chain, depth);
    case RELATION_JOIN:
        if (compile->query->streaming && relation_is_streaming(relation_join_of(relation)->left) &&
            relation_is_streaming(relation_join_of(relation)->right)) {
            return build_state_join(compile, relation_join_of(relation), chain, depth);
        }
        return build_join(compile, relation_join_of(relation), chain, depth);
    case RELATION_UNION:
        return build_union(compile, relation_union_of(relation), chain, depth);
    case RELATION_COLLECT_METRICS:
        return build_transform(
            compile, op_observe_create(compile, relation), relation_collect_metrics_of(relation)->input, chain, depth);
    default:
        return raise_unsupported_feature_not_in_this_program(compile->error, node_name(&relation->node), "");
    }
}

static bool build(struct compile *compile, const struct relation *relation, const struct chain *chain, int depth) {
    if (depth > PLAN_DEPTH_MAX) {
        return raise_internal_error(compile->error, "the plan nests too deep");
    }
    return build_node(compile, relation, chain, depth);
}

bool query_build(struct exec_query *query, struct sql_error *error) {
    struct compile compile = {&query->arena, query, query->engine, &query->settings, error};
    struct chain chain = {.sink = op_result_create(&compile, query->plan)};
    if (!build(&compile, query->plan, &chain, 0)) {
        return false;
    }
    for (size_t i = 0; i < query->pipeline_count; i++) {
        bool later = false;
        for (size_t j = i + 1; j < query->pipeline_count; j++) {
            later = later || query->pipelines[j].sink == query->pipelines[i].sink;
        }
        query->pipelines[i].last_of_sink = !later;
    }
    return true;
}
