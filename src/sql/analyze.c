/* The analyzer's frame: dispatch over relations, the makers of resolved nodes, select lists. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/pretty.h"

uint32_t analyzer_new_id(struct analyzer *analyzer) {
    return analyzer->session->next_id++;
}

bool fail_at(struct analyzer *analyzer, const struct node *node) {
    return sql_error_at(analyzer->error, node->origin);
}

bool unsupported(struct analyzer *analyzer, struct origin origin, const char *feature, const char *advice) {
    raise_unsupported_feature_not_in_this_program(analyzer->error, feature, advice);
    return sql_error_at(analyzer->error, origin);
}

void scope_init(struct analyzer *analyzer, struct scope *scope, const struct relation *input) {
    *scope = (struct scope){.outer = analyzer->outer};
    if (input != NULL) {
        scope->attributes = input->output;
        scope->count = input->output_count;
    }
}

/* ---- Makers ---- */

void same_output(struct relation *relation, const struct relation *input) {
    relation->analyzed = true;
    relation->output = input->output;
    relation->output_count = input->output_count;
}

struct expression_list columns_of(struct arena *arena, const struct relation *relation) {
    const struct expression **items = arena_allocate(arena, relation->output_count * sizeof *items);
    for (size_t i = 0; i < relation->output_count; i++)
        items[i] = column_of(arena, &relation->output[i]);
    return (struct expression_list){items, relation->output_count};
}

const struct expression *make_alias_id(
    struct analyzer *analyzer, const struct expression *child, struct bytes name, uint32_t id) {
    struct expression_alias *alias = expression_alias_new(analyzer->arena);
    alias->child = child;
    alias->names = names_make(analyzer->arena, &name, 1);
    alias->id = id;
    alias->base.type = child->type;
    alias->base.nullable = child->nullable;
    alias->base.node.origin = child->node.origin;
    return &alias->base;
}

const struct expression *make_alias(struct analyzer *analyzer, const struct expression *child, struct bytes name) {
    return make_alias_id(analyzer, child, name, analyzer_new_id(analyzer));
}

static struct attribute attribute_in(
    struct analyzer *analyzer, const struct relation *input, const struct expression *named) {
    struct attribute attribute = {.type = named->type, .nullable = named->nullable};
    if (named->node.tag == EXPRESSION_ALIAS) {
        const struct expression_alias *alias = expression_alias_of(named);
        attribute.id = alias->id;
        attribute.name = alias->names.items[0];
        attribute.metadata = alias->metadata;
        const struct expression *child = expression_strip(named);
        bool time =
            child->node.tag == EXPRESSION_CALL && expression_call_of(child)->function->id == FUNCTION_WINDOW_TIME;
        if (time)
            child = expression_strip(expression_call_of(child)->arguments.items[0]);
        for (size_t i = 0;
             attribute.metadata.data == NULL && child->node.tag == EXPRESSION_COLUMN && i < input->output_count; i++)
            if (input->output[i].id == expression_column_of(child)->id)
                attribute.metadata =
                    time ? window_time_metadata(analyzer->arena, input->output[i].metadata) : input->output[i].metadata;
        return attribute;
    }
    const struct expression_column *column = expression_column_of(named);
    for (size_t i = 0; i < input->output_count; i++)
        if (input->output[i].id == column->id) {
            attribute = input->output[i];
            attribute.hidden = false;
            return attribute;
        }
    attribute.id = column->id;
    attribute.name = column->name;
    return attribute;
}

const struct relation *make_project(
    struct analyzer *analyzer, const struct relation *input, struct expression_list columns) {
    struct relation_project *project = relation_project_new(analyzer->arena);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, columns.count);
    for (size_t i = 0; i < columns.count; i++)
        output[i] = attribute_in(analyzer, input, columns.items[i]);
    project->input = input;
    project->columns = columns;
    project->base.analyzed = true;
    project->base.output = output;
    project->base.output_count = columns.count;
    return &project->base;
}

const struct relation *make_filter(
    struct analyzer *analyzer, const struct relation *input, const struct expression *condition) {
    struct relation_filter *filter = relation_filter_new(analyzer->arena);
    filter->input = input;
    filter->condition = condition;
    same_output(&filter->base, input);
    return &filter->base;
}

const struct relation *make_local(
    struct arena *arena, uint32_t *next_id, const struct type *schema, struct batch *const *batches, size_t count) {
    struct relation_local *local = relation_local_new(arena);
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++)
        output[i] = (struct attribute){.id = (*next_id)++,
            .name = schema->fields[i].name,
            .type = schema->fields[i].type,
            .nullable = schema->fields[i].nullable,
            .metadata = schema->fields[i].metadata};
    local->schema = schema;
    local->batches = plan_batches(arena, batches, count);
    local->base.analyzed = true;
    local->base.output = output;
    local->base.output_count = schema->field_count;
    return &local->base;
}

const struct relation *make_prefix(struct analyzer *analyzer, const struct relation *input, size_t count) {
    struct expression_list columns = columns_of(analyzer->arena, input);
    columns.count = count;
    return make_project(analyzer, input, columns);
}

const struct relation *make_distinct(struct analyzer *analyzer, const struct relation *input) {
    struct relation_aggregate *aggregate = relation_aggregate_new(analyzer->arena);
    aggregate->input = input;
    aggregate->groupings = columns_of(analyzer->arena, input);
    same_output(&aggregate->base, input);
    return &aggregate->base;
}

/* One row without columns. */
static const struct relation *one_row(struct analyzer *analyzer) {
    const struct type *schema = type_struct(analyzer->arena, NULL, 0);
    struct batch *batch = batch_create(schema);
    batch->row_count = 1;
    const struct relation *local = make_local(analyzer->arena, &analyzer->session->next_id, schema, &batch, 1);
    batch_release(batch);
    return local;
}

/* Without the columns that only qualified names reach. */
static const struct relation *visible(struct analyzer *analyzer, const struct relation *relation) {
    bool hidden = false;
    for (size_t i = 0; relation != NULL && i < relation->output_count; i++)
        hidden |= relation->output[i].hidden;
    if (!hidden)
        return relation;
    VECTOR(const struct expression *) items = {0};
    for (size_t i = 0; i < relation->output_count; i++)
        if (!relation->output[i].hidden)
            VECTOR_PUSH(&items, column_of(analyzer->arena, &relation->output[i]));
    const struct relation *project =
        make_project(analyzer, relation, expressions_make(analyzer->arena, items.items, items.count));
    VECTOR_FREE(&items);
    return project;
}

/* ---- Fresh ids ---- */

struct renumber {
    struct analyzer *analyzer;
    struct map ids;
};

static uint32_t renumbered(struct renumber *renumber, uint32_t id) {
    struct bytes key = bytes_make(&id, sizeof id);
    void *known = map_get(&renumber->ids, key);
    if (known != NULL)
        return (uint32_t)(uintptr_t)known;
    uint32_t fresh = analyzer_new_id(renumber->analyzer);
    map_set(&renumber->ids, key, (void *)(uintptr_t)fresh);
    return fresh;
}

static const struct node *renumber_node(struct arena *arena, const struct node *node, void *context) {
    struct renumber *renumber = context;
    struct node *copy = node_clone(arena, node_map(arena, node, renumber_node, context));
    if (node_family(copy) == NODE_RELATION) {
        struct relation *relation = (struct relation *)copy;
        struct attribute *output = ARENA_ARRAY(arena, struct attribute, relation->output_count);
        for (size_t i = 0; i < relation->output_count; i++) {
            output[i] = relation->output[i];
            output[i].id = renumbered(renumber, output[i].id);
        }
        relation->output = output;
    } else if (copy->tag == EXPRESSION_COLUMN) {
        ((struct expression_column *)copy)->id = renumbered(renumber, ((struct expression_column *)copy)->id);
    } else if (copy->tag == EXPRESSION_ALIAS) {
        ((struct expression_alias *)copy)->id = renumbered(renumber, ((struct expression_alias *)copy)->id);
    } else if (copy->tag == EXPRESSION_LAMBDA_VARIABLE) {
        ((struct expression_lambda_variable *)copy)->id =
            renumbered(renumber, ((struct expression_lambda_variable *)copy)->id);
    }
    return copy;
}

const struct relation *fresh_ids(struct analyzer *analyzer, const struct relation *relation) {
    struct renumber renumber = {.analyzer = analyzer};
    const struct node *copy = renumber_node(analyzer->arena, &relation->node, &renumber);
    map_free(&renumber.ids);
    return (const struct relation *)copy;
}

/* ---- Select lists ---- */

struct tag_search {
    unsigned tag;
    bool skip_windows, found;
};

static enum walk search_tag(const struct node *node, void *context) {
    struct tag_search *search = context;
    if (node->tag == search->tag) {
        search->found = true;
        return WALK_ABORT;
    }
    if (node_family(node) == NODE_RELATION)
        return WALK_PRUNE;
    return WALK_CONTINUE;
}

bool has_tag(const struct expression *expression, unsigned tag) {
    struct tag_search search = {.tag = tag};
    node_walk(&expression->node, search_tag, NULL, &search);
    return search.found;
}

static enum walk search_aggregate(const struct node *node, void *context) {
    bool *found = context;
    if (node->tag == EXPRESSION_AGGREGATE_CALL) {
        *found = true;
        return WALK_ABORT;
    }
    if (node->tag == EXPRESSION_CALL &&
        (((const struct expression_call *)node)->function->id == FUNCTION_GROUPING ||
            ((const struct expression_call *)node)->function->id == FUNCTION_GROUPING_ID)) {
        *found = true;
        return WALK_ABORT;
    }
    if (node->tag == EXPRESSION_WINDOW) {
        /* The window's own function is no aggregate of the query; aggregates inside its arguments are. */
        const struct expression_window *window = (const struct expression_window *)node;
        struct expression_list lists[3] = {window->partition, window->order, {0}};
        if (window->function->node.tag == EXPRESSION_AGGREGATE_CALL)
            lists[2] = expression_aggregate_call_of(window->function)->arguments;
        else
            lists[2] = expression_call_of(window->function)->arguments;
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < lists[i].count; j++)
                *found = *found || has_aggregate(lists[i].items[j]);
        return *found ? WALK_ABORT : WALK_PRUNE;
    }
    return node_family(node) == NODE_RELATION ? WALK_PRUNE : WALK_CONTINUE;
}

bool has_aggregate(const struct expression *expression) {
    bool found = false;
    node_walk(&expression->node, search_aggregate, NULL, &found);
    return found;
}

static enum walk search_generator(const struct node *node, void *context) {
    bool *found = context;
    *found = *found || (node->tag == EXPRESSION_CALL &&
                           ((const struct expression_call *)node)->function->kind == FUNCTION_GENERATOR);
    return *found ? WALK_ABORT : node_family(node) == NODE_RELATION ? WALK_PRUNE : WALK_CONTINUE;
}

bool has_generator(const struct expression *expression) {
    bool found = false;
    node_walk(&expression->node, search_generator, NULL, &found);
    return found;
}

static bool check_alias(struct analyzer *analyzer, const struct expression *named) {
    if (named->node.tag != EXPRESSION_ALIAS || expression_alias_of(named)->names.count == 1 || has_generator(named))
        return true;
    const struct expression_alias *alias = expression_alias_of(named);
    const char *names = "";
    for (size_t i = 0; i < alias->names.count; i++)
        names = arena_printf(
            analyzer->arena, "%s%s%s", names, i > 0 ? ", " : "", quote_name(analyzer->arena, alias->names.items[i]));
    raise_multi_alias_without_generator(analyzer->error, names, quote_expression(analyzer->arena, alias->child));
    return fail_at(analyzer, &named->node);
}

bool select_columns(struct analyzer *analyzer, const struct relation *input, struct expression_list written,
    struct expression_list *named) {
    struct scope scope;
    struct expression_list expanded;
    scope_init(analyzer, &scope, input);
    if (!expand_stars(analyzer, &scope, written, &expanded))
        return false;
    const struct expression **items = arena_allocate(analyzer->arena, expanded.count * sizeof *items);
    const struct expression **aliases = arena_allocate(analyzer->arena, expanded.count * sizeof *aliases);
    scope.aliases = aliases;
    for (size_t i = 0; i < expanded.count; i++) {
        const struct expression *one = resolve(analyzer, &scope, expanded.items[i]);
        if (one == NULL)
            return false;
        items[i] = name_expression(analyzer, expanded.items[i], one);
        if (!check_alias(analyzer, items[i]))
            return false;
        if (expanded.items[i]->node.tag == EXPRESSION_ALIAS)
            aliases[scope.alias_count++] = items[i];
    }
    *named = (struct expression_list){items, expanded.count};
    return true;
}

const struct relation *finish_select(
    struct analyzer *analyzer, const struct relation *input, struct expression_list columns) {
    const struct expression **items = expressions_make(analyzer->arena, columns.items, columns.count).items;
    columns.items = items;
    struct expression_list *lists[1] = {&columns};
    if (!extract_time_windows(analyzer, &input, lists, 1) || !extract_generators(analyzer, &input, &columns) ||
        !lower_subqueries(analyzer, &input, columns.items, columns.count) ||
        !extract_windows(analyzer, &input, &columns))
        return NULL;
    return make_project(analyzer, input, columns);
}

const struct relation *analyze_project(struct analyzer *analyzer, const struct relation_project *project) {
    const struct relation *input = project->input == NULL ? one_row(analyzer) : analyze(analyzer, project->input);
    struct expression_list columns;
    if (input == NULL || !select_columns(analyzer, input, project->columns, &columns))
        return NULL;
    for (size_t i = 0; i < columns.count; i++)
        if (has_aggregate(columns.items[i]))
            return make_aggregate_select(analyzer, input, (struct expression_list){0}, columns, NULL, NULL);
    return finish_select(analyzer, input, columns);
}

/* ---- Simple relations ---- */

static const struct relation *analyze_filter(struct analyzer *analyzer, const struct relation_filter *filter) {
    const struct relation *input = analyze(analyzer, filter->input);
    struct scope scope;
    if (input == NULL)
        return NULL;
    scope_init(analyzer, &scope, input);
    const struct expression *condition = resolve_condition(analyzer, &scope, filter->condition);
    if (condition == NULL)
        return NULL;
    if (has_aggregate(condition) || has_tag(condition, EXPRESSION_WINDOW) || has_generator(condition)) {
        const char *text = quote_expression(analyzer->arena, condition);
        raise_invalid_where_condition(analyzer->error, text, pretty_name(analyzer->arena, condition));
        fail_at(analyzer, &filter->condition->node);
        return NULL;
    }
    return filter_with_subqueries(analyzer, input, condition);
}

static bool limit_value(struct analyzer *analyzer, const struct expression *written, const char *name, int64_t *value) {
    struct scope scope;
    scope_init(analyzer, &scope, NULL);
    const struct expression *expression = resolve(analyzer, &scope, written);
    if (expression == NULL)
        return false;
    const char *text = quote_expression(analyzer->arena, expression);
    const struct column *column = constant_value(analyzer, expression);
    if (column == NULL)
        raise_invalid_limit_like_expression_is_unfoldable(analyzer->error, text, name);
    else if (!type_is_integral(column->type) || column->type->kind == TYPE_LONG)
        raise_invalid_limit_like_expression_data_type(
            analyzer->error, text, name, quote_type(analyzer->arena, column->type));
    else if (column_is_null(column, 0))
        raise_invalid_limit_like_expression_is_null(analyzer->error, text, name);
    else {
        *value = column->type->kind == TYPE_INTEGER ? *(int32_t *)column->values
                 : column->type->kind == TYPE_SHORT ? *(int16_t *)column->values
                                                    : *(int8_t *)column->values;
        if (*value >= 0)
            return true;
        raise_invalid_limit_like_expression_is_negative(
            analyzer->error, text, name, arena_printf(analyzer->arena, "%lld", (long long)*value));
    }
    return fail_at(analyzer, &written->node);
}

static const struct relation *analyze_limit(struct analyzer *analyzer, const struct relation_limit *written) {
    struct relation_limit *limit = relation_limit_new(analyzer->arena);
    *limit = *written;
    limit->input = analyze(analyzer, written->input);
    if (limit->input == NULL)
        return NULL;
    if (written->count_expression != NULL && !limit_value(analyzer, written->count_expression, "limit", &limit->count))
        return NULL;
    if (written->offset_expression != NULL &&
        !limit_value(analyzer, written->offset_expression, "offset", &limit->offset))
        return NULL;
    limit->count_expression = limit->offset_expression = NULL;
    same_output(&limit->base, limit->input);
    return &limit->base;
}

static const struct relation *analyze_range(struct analyzer *analyzer, const struct relation_range *written) {
    struct relation_range *range = relation_range_new(analyzer->arena);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, 1);
    *range = *written;
    *output = (struct attribute){.id = analyzer_new_id(analyzer), .name = BYTES("id"), .type = type_simple(TYPE_LONG)};
    range->base.analyzed = true;
    range->base.output = output;
    range->base.output_count = 1;
    return &range->base;
}

static const struct relation *analyze_alias(struct analyzer *analyzer, const struct relation_subquery_alias *written) {
    struct relation_subquery_alias *alias = relation_subquery_alias_new(analyzer->arena);
    *alias = *written;
    alias->input = visible(analyzer, analyze(analyzer, written->input));
    if (alias->input == NULL)
        return NULL;
    const struct relation *input = alias->input;
    if (written->columns.count > 0) {
        if (written->columns.count != input->output_count) {
            raise_assignment_arity_mismatch(analyzer->error,
                arena_printf(analyzer->arena, "%zu", written->columns.count),
                arena_printf(analyzer->arena, "%zu", input->output_count));
            fail_at(analyzer, &written->base.node);
            return NULL;
        }
        const struct expression **items = arena_allocate(analyzer->arena, input->output_count * sizeof *items);
        for (size_t i = 0; i < input->output_count; i++)
            items[i] = make_alias(analyzer, column_of(analyzer->arena, &input->output[i]), written->columns.items[i]);
        alias->input = make_project(analyzer, input, (struct expression_list){items, input->output_count});
        alias->columns = (struct bytes_list){0};
    }
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, alias->input->output_count);
    for (size_t i = 0; i < alias->input->output_count; i++) {
        output[i] = alias->input->output[i];
        output[i].qualifier = &alias->alias;
        output[i].qualifier_count = 1;
    }
    alias->base.analyzed = true;
    alias->base.output = output;
    alias->base.output_count = alias->input->output_count;
    return &alias->base;
}

static const struct relation *analyze_with(struct analyzer *analyzer, const struct relation_with *with) {
    struct cte *before = analyzer->ctes;
    for (size_t i = 0; i < with->names.count; i++) {
        struct cte *cte = ARENA_NEW(analyzer->arena, struct cte);
        *cte = (struct cte){analyzer->ctes, with->names.items[i], with->plans.items[i], analyzer->ctes};
        analyzer->ctes = cte;
    }
    const struct relation *body = analyze(analyzer, with->body);
    analyzer->ctes = before;
    return body;
}

static const struct relation *analyze_sql(struct analyzer *analyzer, const struct relation_sql *sql) {
    const struct node *statement = sql_parse_statement(analyzer->arena, sql->text, analyzer->error);
    struct bytes *names = ARENA_ARRAY(analyzer->arena, struct bytes, sql->named.count);
    for (size_t i = 0; i < sql->named.count; i++)
        names[i] = sql->named.items[i].name;
    if (statement != NULL)
        statement = sql_bind_parameters(
            analyzer->arena, statement, (struct bytes_list){names, sql->named.count}, sql->arguments, analyzer->error);
    if (statement == NULL)
        return NULL;
    if (node_family(statement) == NODE_COMMAND)
        return sql_run_command(analyzer->session, analyzer->arena, (const struct command *)statement, analyzer->error);
    return analyze(analyzer, (const struct relation *)statement);
}

static const struct relation *analyze_same(
    struct analyzer *analyzer, const struct relation *written, size_t input_offset) {
    struct relation *copy = (struct relation *)node_clone(analyzer->arena, &written->node);
    const struct relation **input = (const struct relation **)((char *)copy + input_offset);
    *input = analyze(analyzer, *input);
    if (*input == NULL)
        return NULL;
    same_output(copy, *input);
    return copy;
}

static const struct relation *analyze_kind(struct analyzer *analyzer, const struct relation *relation) {
    switch (relation->node.tag) {
    case RELATION_PROJECT:
        return analyze_project(analyzer, relation_project_of(relation));
    case RELATION_FILTER:
        return analyze_filter(analyzer, relation_filter_of(relation));
    case RELATION_READ:
        return analyze_read(analyzer, relation_read_of(relation));
    case RELATION_TABLE:
        return analyze_table(analyzer, relation_table_of(relation));
    case RELATION_SQL:
        return analyze_sql(analyzer, relation_sql_of(relation));
    case RELATION_JOIN:
        return analyze_join(analyzer, relation_join_of(relation));
    case RELATION_SET_OPERATION:
        return analyze_set_operation(analyzer, relation_set_operation_of(relation));
    case RELATION_SORT:
        return analyze_sort(analyzer, relation_sort_of(relation));
    case RELATION_LIMIT:
        return analyze_limit(analyzer, relation_limit_of(relation));
    case RELATION_TAIL:
        return analyze_same(analyzer, relation, offsetof(struct relation_tail, input));
    case RELATION_SAMPLE:
        return analyze_same(analyzer, relation, offsetof(struct relation_sample, input));
    case RELATION_GROUP_BY:
        return analyze_group_by(analyzer, relation_group_by_of(relation));
    case RELATION_LOCAL: {
        const struct relation_local *local = relation_local_of(relation);
        return make_local(
            analyzer->arena, &analyzer->session->next_id, local->schema, local->batches.items, local->batches.count);
    }
    case RELATION_RANGE:
        return analyze_range(analyzer, relation_range_of(relation));
    case RELATION_SUBQUERY_ALIAS:
        return analyze_alias(analyzer, relation_subquery_alias_of(relation));
    case RELATION_ONE_ROW:
        return one_row(analyzer);
    case RELATION_VALUES:
        return analyze_values(analyzer, relation_values_of(relation));
    case RELATION_GENERATE:
        return analyze_generate(analyzer, relation_generate_of(relation));
    case RELATION_TABLE_FUNCTION:
        return analyze_table_function(analyzer, relation_table_function_of(relation));
    case RELATION_WITH:
        return analyze_with(analyzer, relation_with_of(relation));
    case RELATION_HINT:
        return analyze(analyzer, relation_hint_of(relation)->input);
    case RELATION_COLLECT_METRICS:
        return analyze_observe(analyzer, relation_collect_metrics_of(relation));
    case RELATION_FILL_NA:
    case RELATION_DROP_NA:
    case RELATION_REPLACE:
        return analyze_na(analyzer, relation);
    case RELATION_DESCRIBE:
    case RELATION_SUMMARY:
        return analyze_statistics(analyzer, relation);
    case RELATION_MAP_PARTITIONS:
        return analyze_map_partitions(analyzer, relation_map_partitions_of(relation));
    case RELATION_MAP_GROUPS:
        return analyze_map_groups(analyzer, relation_map_groups_of(relation));
    case RELATION_GROUPS_WITH_STATE:
        return analyze_groups_with_state(analyzer, relation_groups_with_state_of(relation));
    case RELATION_UNPIVOT:
        return analyze_unpivot(analyzer, relation_unpivot_of(relation));
    default:
        return analyze_frame(analyzer, relation);
    }
}

const struct relation *analyze(struct analyzer *analyzer, const struct relation *relation) {
    if (relation->analyzed)
        return relation;
    if (++analyzer->depth > PLAN_DEPTH_MAX) {
        raise_failed_to_parse_too_complex(analyzer->error);
        analyzer->depth--;
        return NULL;
    }
    const struct relation *analyzed = analyze_kind(analyzer, relation);
    analyzer->depth--;
    if (analyzed == NULL) {
        ASSERT(analyzer->error->condition != 0);
        fail_at(analyzer, &relation->node);
        return NULL;
    }
    if (relation->has_plan_id) {
        struct plan_output *output = ARENA_NEW(analyzer->arena, struct plan_output);
        *output =
            (struct plan_output){analyzer->plan_outputs, relation->plan_id, analyzed->output, analyzed->output_count};
        analyzer->plan_outputs = output;
    }
    if (relation->node.tag != RELATION_FILTER && relation->node.tag != RELATION_SORT &&
        relation->node.tag != RELATION_LIMIT && relation->node.tag != RELATION_JOIN &&
        relation->node.tag != RELATION_HINT && relation->node.tag != RELATION_SUBQUERY_ALIAS)
        return visible(analyzer, analyzed);
    return analyzed;
}

static void analyzer_init(
    struct analyzer *analyzer, struct sql_session *session, struct arena *arena, struct sql_error *error) {
    *analyzer = (struct analyzer){.session = session, .arena = arena, .error = error};
    analyzer->ansi = sql_setting_is_true(session, "spark.sql.ansi.enabled");
}

const struct relation *sql_analyze(
    struct sql_session *session, struct arena *arena, const struct relation *relation, struct sql_error *error) {
    struct analyzer analyzer;
    analyzer_init(&analyzer, session, arena, error);
    const struct relation *analyzed = analyze(&analyzer, relation);
    analyzed = analyzed == NULL ? NULL : extract_python(&analyzer, analyzed);
    return analyzed == NULL ? NULL : visible(&analyzer, analyzed);
}

const struct expression *sql_analyze_expression(struct sql_session *session, struct arena *arena,
    const struct expression *expression, const struct relation *input, struct sql_error *error) {
    struct analyzer analyzer;
    struct scope scope;
    analyzer_init(&analyzer, session, arena, error);
    scope_init(&analyzer, &scope, input);
    const struct expression *resolved = resolve(&analyzer, &scope, expression);
    return resolved == NULL ? NULL : without_shown(arena, resolved);
}

const struct type *relation_schema(struct arena *arena, const struct relation *relation) {
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, relation->output_count);
    for (size_t i = 0; i < relation->output_count; i++)
        fields[i] = (struct type_field){relation->output[i].name, relation->output[i].type,
            relation->output[i].nullable, relation->output[i].metadata};
    return type_struct(arena, fields, relation->output_count);
}

static enum walk search_streaming(const struct node *node, void *context) {
    bool *streaming = context;
    *streaming = *streaming || (node->tag == RELATION_SCAN && ((const struct relation_scan *)node)->streaming) ||
                 (node->tag == RELATION_READ && ((const struct relation_read *)node)->streaming);
    return *streaming ? WALK_ABORT : WALK_CONTINUE;
}

bool relation_is_streaming(const struct relation *relation) {
    bool streaming = false;
    node_walk(&relation->node, search_streaming, NULL, &streaming);
    return streaming;
}
