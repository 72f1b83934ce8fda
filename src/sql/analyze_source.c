/* Where rows come from: sources, views, VALUES, table functions, generators; ORDER BY, which may look below its select
 * list. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/pretty.h"

static const struct relation *make_scan(
    struct analyzer *analyzer, const struct relation_read *read, const struct source_description *source) {
    struct relation_scan *scan = relation_scan_new(analyzer->arena);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, source->schema->field_count);
    struct bytes *names = ARENA_ARRAY(analyzer->arena, struct bytes, source->schema->field_count);
    for (size_t i = 0; i < source->schema->field_count; i++) {
        const struct type_field *field = &source->schema->fields[i];
        names[i] = field->name;
        output[i] = (struct attribute){.id = analyzer_new_id(analyzer),
            .name = field->name,
            .type = field->type,
            .nullable = field->nullable,
            .metadata = field->metadata};
    }
    scan->format = read->format;
    scan->options = read->options;
    scan->paths = source->paths.count > 0 ? source->paths : read->paths;
    scan->streaming = read->streaming;
    scan->source = source->source;
    scan->schema = source->schema;
    scan->columns = (struct bytes_list){names, source->schema->field_count};
    scan->limit = -1;
    scan->base.analyzed = true;
    scan->base.output = output;
    scan->base.output_count = source->schema->field_count;
    scan->base.node.origin = read->base.node.origin;
    return &scan->base;
}

const struct relation *analyze_read(struct analyzer *analyzer, const struct relation_read *written) {
    const struct sql_environment *environment = &analyzer->session->environment;
    struct source_description source = {0};
    struct relation_read *read = relation_read_new(analyzer->arena);
    *read = *written;
    if (read->format.size == 0)
        read->format = bytes_from_text(sql_setting(analyzer->session, "spark.sql.sources.default"));
    if (environment->describe_source == NULL) {
        raise_data_source_not_found(analyzer->error, arena_text(analyzer->arena, read->format));
        return NULL;
    }
    if (!environment->describe_source(environment->context, analyzer->arena, read, &source, analyzer->error))
        return NULL;
    ASSERT(source.schema != NULL && source.schema->kind == TYPE_STRUCT);
    return make_scan(analyzer, read, &source);
}

static const struct relation *use_cte(struct analyzer *analyzer, const struct cte *cte) {
    struct cte *before = analyzer->ctes;
    analyzer->ctes = cte->visible;
    const struct relation *plan = analyze(analyzer, cte->plan);
    analyzer->ctes = before;
    return plan;
}

static bool is_format(struct bytes name) {
    static const char *const formats[] = {"parquet", "json", "csv", "text", "orc", "avro", "delta", "binaryfile"};
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++)
        if (bytes_equal_ignore_case(name, bytes_from_text(formats[i])))
            return true;
    return false;
}

const struct relation *analyze_table(struct analyzer *analyzer, const struct relation_table *table) {
    struct bytes_list parts = table->parts;
    for (const struct cte *cte = analyzer->ctes; cte != NULL && parts.count == 1; cte = cte->next)
        if (bytes_equal_ignore_case(cte->name, parts.items[0]))
            return use_cte(analyzer, cte);
    const struct view *view = session_view(analyzer->session, parts);
    if (view != NULL) {
        session_hold_view(analyzer->arena, view); /* another may take its name while this plan runs */
        struct relation_subquery_alias *alias = relation_subquery_alias_new(analyzer->arena);
        alias->input = fresh_ids(analyzer, (const struct relation *)node_copy(analyzer->arena, &view->plan->node));
        alias->alias = parts.items[parts.count - 1];
        struct relation *named = &alias->base;
        named->node.origin = table->base.node.origin;
        return analyze(analyzer, named);
    }
    if (parts.count == 2 && is_format(parts.items[0])) {
        struct relation_read *read = relation_read_new(analyzer->arena);
        read->format = parts.items[0];
        read->paths = names_make(analyzer->arena, &parts.items[1], 1);
        read->options = table->options;
        read->streaming = table->streaming;
        read->base.node.origin = table->base.node.origin;
        return analyze(analyzer, &read->base);
    }
    raise_table_or_view_not_found(analyzer->error, quote_names(analyzer->arena, parts), SQL_SEARCH_PATH);
    fail_at(analyzer, &table->base.node);
    return NULL;
}

/* VALUES: rows of expressions; a union of projections over one row, which the optimizer folds into a local relation. */
const struct relation *analyze_values(struct analyzer *analyzer, const struct relation_values *values) {
    size_t width = (size_t)values->column_count, rows = values->cells.count / width;
    struct scope scope;
    scope_init(analyzer, &scope, NULL);
    const struct expression **cells = arena_allocate(analyzer->arena, values->cells.count * sizeof *cells);
    for (size_t i = 0; i < values->cells.count; i++)
        if ((cells[i] = resolve(analyzer, &scope, values->cells.items[i])) == NULL)
            return NULL;
    struct relation_union *node = relation_union_new(analyzer->arena);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    for (size_t column = 0; column < width; column++) {
        struct expression_list list = {cells, values->cells.count};
        const struct type *type = common_type_of(analyzer, list, column, width);
        if (type == NULL) {
            raise_incompatible_column_type(
                analyzer->error, "VALUES", arena_printf(analyzer->arena, "%zu", column + 1), "second", "", "", "");
            fail_at(analyzer, &values->base.node);
            return NULL;
        }
        output[column] = (struct attribute){.id = analyzer_new_id(analyzer), .type = type};
        output[column].name = bytes_from_text(arena_printf(analyzer->arena, "col%zu", column + 1));
        for (size_t row = 0; row < rows; row++) {
            cells[row * width + column] = cast_to(analyzer, cells[row * width + column], type);
            output[column].nullable |= cells[row * width + column]->nullable;
        }
    }
    const struct relation **inputs = arena_allocate(analyzer->arena, rows * sizeof *inputs);
    for (size_t row = 0; row < rows; row++) {
        struct relation_one_row *one = relation_one_row_new(analyzer->arena);
        const struct expression **named = arena_allocate(analyzer->arena, width * sizeof *named);
        for (size_t column = 0; column < width; column++)
            named[column] = make_alias(analyzer, cells[row * width + column], output[column].name);
        inputs[row] = make_project(analyzer, analyze(analyzer, &one->base), (struct expression_list){named, width});
    }
    node->inputs = (struct relation_list){inputs, rows};
    node->base.analyzed = true;
    node->base.output = output;
    node->base.output_count = width;
    return &node->base;
}

static bool range_argument(struct analyzer *analyzer, const struct expression *written, int64_t *value) {
    struct scope scope;
    scope_init(analyzer, &scope, NULL);
    const struct expression *expression = resolve(analyzer, &scope, written);
    const struct column *column =
        expression == NULL ? NULL : constant_value(analyzer, cast_to(analyzer, expression, type_simple(TYPE_LONG)));
    if (expression != NULL && column == NULL && expression_is_literal(expression) &&
        type_is_integral(expression->type) && expression->type->kind == TYPE_INTEGER) {
        *value = *(const int32_t *)expression_literal_of(expression)->value->values;
        return true;
    }
    if (column == NULL || column_is_null(column, 0)) {
        raise_unresolvable_table_valued_function(analyzer->error, "`range`");
        return fail_at(analyzer, &written->node);
    }
    *value = *(const int64_t *)column->values;
    return true;
}

const struct relation *analyze_table_function(
    struct analyzer *analyzer, const struct relation_table_function *function) {
    const struct function *known = function_find(function->name);
    if (bytes_equal_ignore_case(function->name, BYTES("range")) && function->arguments.count >= 1 &&
        function->arguments.count <= 4) {
        struct relation_range *range = relation_range_new(analyzer->arena);
        int64_t values[4] = {0, 0, 1, 0};
        for (size_t i = 0; i < function->arguments.count; i++)
            if (!range_argument(
                    analyzer, function->arguments.items[i], &values[function->arguments.count == 1 ? 1 : i]))
                return NULL;
        range->start = values[0];
        range->end = values[1];
        range->step = values[2];
        range->partitions = (int32_t)values[3];
        return analyze(analyzer, &range->base);
    }
    if (known == NULL || known->kind != FUNCTION_GENERATOR) {
        raise_unresolvable_table_valued_function(analyzer->error, quote_name(analyzer->arena, function->name));
        fail_at(analyzer, &function->base.node);
        return NULL;
    }
    struct expression_function *call = expression_function_new(analyzer->arena);
    call->name = function->name;
    call->arguments = function->arguments;
    struct relation_project *project = relation_project_new(analyzer->arena);
    project->columns = expressions_of(analyzer->arena, 1, &call->base);
    return analyze(analyzer, &project->base);
}

/* ---- Generators ---- */

/* What a generator gives per row: a STRUCT type was set as the call's type by its resolver. */
static const struct relation *make_generate(struct analyzer *analyzer, const struct relation *input,
    const struct expression *call, bool outer, struct bytes alias, struct bytes_list names) {
    const struct type *type = call->type;
    struct relation_generate *generate = relation_generate_new(analyzer->arena);
    size_t count = input->output_count + type->field_count;
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, count);
    if (names.count > 0 && names.count != type->field_count) {
        raise_udtf_alias_number_mismatch(analyzer->error, arena_printf(analyzer->arena, "%zu", type->field_count),
            quote_names(analyzer->arena, names));
        fail_at(analyzer, &call->node);
        return NULL;
    }
    for (size_t i = 0; i < input->output_count; i++)
        output[i] = input->output[i];
    struct bytes *qualifier = ARENA_NEW(analyzer->arena, struct bytes);
    *qualifier = alias;
    for (size_t i = 0; i < type->field_count; i++)
        output[input->output_count + i] = (struct attribute){.id = analyzer_new_id(analyzer),
            .name = names.count > 0 ? names.items[i] : type->fields[i].name,
            .type = type->fields[i].type,
            .nullable = type->fields[i].nullable || outer,
            .qualifier = qualifier,
            .qualifier_count = alias.size > 0};
    generate->input = input;
    generate->generator = call;
    generate->outer = outer;
    generate->alias = alias;
    generate->columns = names;
    generate->base.analyzed = true;
    generate->base.output = output;
    generate->base.output_count = count;
    return &generate->base;
}

/* explode_outer and friends are the plain generator with `outer` set. */
static bool is_outer(const struct expression *call) {
    return bytes_ends_with(bytes_from_text(expression_call_of(call)->function->name), "_outer");
}

const struct relation *analyze_generate(struct analyzer *analyzer, const struct relation_generate *written) {
    const struct relation *input = written->input == NULL
                                       ? analyze(analyzer, &relation_one_row_new(analyzer->arena)->base)
                                       : analyze(analyzer, written->input);
    struct scope scope;
    if (input == NULL)
        return NULL;
    scope_init(analyzer, &scope, input);
    const struct expression *call = resolve(analyzer, &scope, written->generator);
    if (call == NULL)
        return NULL;
    if (call->node.tag != EXPRESSION_CALL || expression_call_of(call)->function->kind != FUNCTION_GENERATOR) {
        raise_unsupported_generator_not_generator(
            analyzer->error, quote_expression(analyzer->arena, call), "Expression");
        fail_at(analyzer, &written->base.node);
        return NULL;
    }
    return make_generate(analyzer, input, call, written->outer || is_outer(call), written->alias, written->columns);
}

bool extract_generators(struct analyzer *analyzer, const struct relation **input, struct expression_list *columns) {
    size_t generators = 0;
    const char *texts = "";
    for (size_t i = 0; i < columns->count; i++) {
        const struct expression *stripped = expression_strip(columns->items[i]);
        if (!has_generator(stripped))
            continue;
        generators++;
        texts = arena_printf(
            analyzer->arena, "%s%s%s", texts, generators > 1 ? ", " : "", quote_expression(analyzer->arena, stripped));
        if (stripped->node.tag != EXPRESSION_CALL ||
            expression_call_of(stripped)->function->kind != FUNCTION_GENERATOR) {
            raise_unsupported_generator_nested_in_expressions(
                analyzer->error, quote_expression(analyzer->arena, stripped));
            return fail_at(analyzer, &stripped->node);
        }
    }
    if (generators == 0)
        return true;
    if (generators > 1) {
        raise_unsupported_generator_multi_generator(
            analyzer->error, arena_printf(analyzer->arena, "%zu", generators), texts);
        return false;
    }
    VECTOR(const struct expression *) items = {0};
    bool good = true;
    for (size_t i = 0; i < columns->count && good; i++) {
        const struct expression *stripped = expression_strip(columns->items[i]);
        if (!has_generator(stripped)) {
            VECTOR_PUSH(&items, columns->items[i]);
            continue;
        }
        const struct expression_alias *alias = expression_alias_of(columns->items[i]);
        /* A name that the user gave; the generated one is the call's text. */
        bool own =
            alias->names.count > 1 || !bytes_equal_text(alias->names.items[0], pretty_name(analyzer->arena, stripped));
        size_t before = (*input)->output_count;
        const struct relation *generate = make_generate(
            analyzer, *input, stripped, is_outer(stripped), BYTES_NULL, own ? alias->names : (struct bytes_list){0});
        good = generate != NULL;
        for (size_t j = before; good && j < generate->output_count; j++)
            VECTOR_PUSH(&items, column_of(analyzer->arena, &generate->output[j]));
        *input = good ? generate : *input;
    }
    *columns = expressions_make(analyzer->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return good;
}

/* ---- ORDER BY ---- */

static const struct relation *make_sort(
    struct analyzer *analyzer, const struct relation *input, struct expression_list orders, bool global) {
    struct relation_sort *sort = relation_sort_new(analyzer->arena);
    sort->input = input;
    sort->orders = orders;
    sort->global = global;
    same_output(&sort->base, input);
    return &sort->base;
}

static const struct expression *order_like(
    struct analyzer *analyzer, const struct expression_sort_order *written, const struct expression *child) {
    struct expression_sort_order *order =
        (struct expression_sort_order *)node_clone(analyzer->arena, &written->base.node);
    order->child = child;
    order->base.type = child->type;
    order->base.nullable = child->nullable;
    return &order->base;
}

/* ORDER BY 2 */
static const struct expression *order_at(
    struct analyzer *analyzer, const struct expression_sort_order *written, const struct relation *input) {
    int32_t position = *(const int32_t *)expression_literal_of(written->child)->value->values;
    size_t shown = 0;
    for (size_t i = 0; i < input->output_count; i++) {
        shown += !input->output[i].hidden;
        if (!input->output[i].hidden && shown == (size_t)position && position > 0)
            return order_like(analyzer, written, column_of(analyzer->arena, &input->output[i]));
    }
    raise_order_by_pos_out_of_range(
        analyzer->error, arena_printf(analyzer->arena, "%d", position), arena_printf(analyzer->arena, "%zu", shown));
    fail_at(analyzer, &written->child->node);
    return NULL;
}

/* The select list below with the expressions of `orders` that only its input knows appended, the sort, and a project
 * that takes them away again. */
static const struct relation *sort_with_missing(
    struct analyzer *analyzer, const struct relation_sort *sort, const struct expression *const *known) {
    const struct relation *written = sort->input;
    bool group = written->node.tag == RELATION_GROUP_BY;
    struct expression_list list =
        group ? relation_group_by_of(written)->aggregates : relation_project_of(written)->columns;
    VECTOR(const struct expression *) items = {0};
    for (size_t i = 0; i < list.count; i++)
        VECTOR_PUSH(&items, list.items[i]);
    size_t extra = 0;
    for (size_t i = 0; i < sort->orders.count; i++) {
        if (known[i] != NULL)
            continue;
        struct expression_alias *alias = expression_alias_new(analyzer->arena);
        struct bytes name = bytes_from_text(arena_printf(analyzer->arena, "order by %zu", i));
        alias->child = expression_sort_order_of(sort->orders.items[i])->child;
        alias->names = names_make(analyzer->arena, &name, 1);
        VECTOR_PUSH(&items, &alias->base);
        extra++;
    }
    struct relation *copy = (struct relation *)node_clone(analyzer->arena, &written->node);
    struct expression_list all = expressions_make(analyzer->arena, items.items, items.count);
    if (group)
        ((struct relation_group_by *)copy)->aggregates = all;
    else
        ((struct relation_project *)copy)->columns = all;
    VECTOR_FREE(&items);
    const struct relation *input = analyze(analyzer, copy);
    if (input == NULL)
        return NULL;
    size_t kept = input->output_count - extra, next = kept;
    const struct expression **orders = arena_allocate(analyzer->arena, sort->orders.count * sizeof *orders);
    struct scope scope;
    scope_init(analyzer, &scope, input);
    for (size_t i = 0; i < sort->orders.count; i++) {
        const struct expression_sort_order *order = expression_sort_order_of(sort->orders.items[i]);
        bool position = expression_is_literal(order->child) && order->child->type->kind == TYPE_INTEGER;
        orders[i] = known[i] == NULL ? order_like(analyzer, order, column_of(analyzer->arena, &input->output[next++]))
                    : position       ? order_at(analyzer, order, input)
                                     : resolve(analyzer, &scope, &order->base);
        if (orders[i] == NULL)
            return NULL;
    }
    return make_prefix(
        analyzer, make_sort(analyzer, input, (struct expression_list){orders, sort->orders.count}, sort->global), kept);
}

static struct expression_list order_by_all(
    struct analyzer *analyzer, const struct relation_sort *sort, const struct relation *input) {
    if (sort->orders.count != 1)
        return sort->orders;
    const struct expression_sort_order *order = expression_sort_order_of(sort->orders.items[0]);
    if (order->child->node.tag != EXPRESSION_ATTRIBUTE)
        return sort->orders;
    struct bytes_list parts = expression_attribute_of(order->child)->parts;
    if (parts.count != 1 || !bytes_equal_ignore_case(parts.items[0], BYTES("all")))
        return sort->orders;
    for (size_t i = 0; i < input->output_count; i++)
        if (bytes_equal_ignore_case(input->output[i].name, BYTES("all")))
            return sort->orders;
    const struct expression **items = columns_of(analyzer->arena, input).items;
    for (size_t i = 0; i < input->output_count; i++)
        items[i] = order_like(analyzer, order, items[i]);
    return (struct expression_list){items, input->output_count};
}

const struct relation *analyze_sort(struct analyzer *analyzer, const struct relation_sort *sort) {
    const struct relation *input = analyze(analyzer, sort->input);
    if (input == NULL)
        return NULL;
    struct scope scope;
    scope_init(analyzer, &scope, input);
    struct expression_list written = order_by_all(analyzer, sort, input);
    const struct expression **orders = arena_allocate(analyzer->arena, written.count * sizeof *orders);
    bool select = sort->input->node.tag == RELATION_PROJECT ||
                  (sort->input->node.tag == RELATION_GROUP_BY && relation_group_by_of(sort->input)->sql);
    bool missing = false;
    struct sql_error first = {0};
    for (size_t i = 0; i < written.count; i++) {
        const struct expression_sort_order *order = expression_sort_order_of(written.items[i]);
        struct sql_error *error = analyzer->error, trial = {.arena = error->arena};
        if (expression_is_literal(order->child) && order->child->type->kind == TYPE_INTEGER &&
            !expression_is_null_literal(order->child)) {
            if ((orders[i] = order_at(analyzer, order, input)) == NULL)
                return NULL;
            continue;
        }
        analyzer->error = &trial;
        orders[i] = resolve(analyzer, &scope, &order->base);
        analyzer->error = error;
        if (orders[i] != NULL && select && has_aggregate(orders[i]))
            orders[i] = NULL;
        if (orders[i] == NULL && first.condition == 0)
            first = trial;
        missing |= orders[i] == NULL;
    }
    if (missing) {
        struct sql_error *error = analyzer->error, trial = {.arena = error->arena};
        analyzer->error = &trial;
        const struct relation *result = select ? sort_with_missing(analyzer, sort, orders) : NULL;
        analyzer->error = error;
        if (result == NULL)
            sql_error_copy(error, first.condition != 0 ? &first : &trial);
        return result;
    }
    if (!lower_subqueries(analyzer, &input, orders, written.count))
        return NULL;
    size_t width = scope.count;
    const struct relation *result =
        make_sort(analyzer, input, (struct expression_list){orders, written.count}, sort->global);
    return input->output_count == width ? result : make_prefix(analyzer, result, width);
}
