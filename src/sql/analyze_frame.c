/* Relations that only DataFrames make: dropDuplicates, toDF, withColumns, withColumnRenamed, drop, to(schema),
 * repartition, na.*, describe, unpivot. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "column/text.h"
#include "sql/sql.h"

static bool name_in(struct bytes_list names, struct bytes name) {
    for (size_t i = 0; i < names.count; i++)
        if (bytes_equal_ignore_case(names.items[i], name))
            return true;
    return false;
}

/* The column of that name, or the usual error. */
static const struct expression *column_named(
    struct analyzer *analyzer, const struct relation *input, struct bytes name, const struct node *place) {
    struct expression_attribute *attribute = expression_attribute_new(analyzer->arena);
    struct scope scope;
    scope_init(analyzer, &scope, input);
    for (size_t i = 0; i < input->output_count; i++)
        if (bytes_equal(input->output[i].name, name))
            return column_of(analyzer->arena, &input->output[i]);
    attribute->parts = names_make(analyzer->arena, &name, 1);
    attribute->plan_id = -1;
    attribute->base.node.origin = place->origin;
    return resolve_attribute(analyzer, &scope, attribute, false);
}

/* ---- Rows once per key ---- */

/* Rows of a stream stay rows: the engine remembers the keys. */
static const struct relation *deduplicate_stream(
    struct analyzer *analyzer, const struct relation_deduplicate *written, const struct relation *input) {
    struct relation_deduplicate *copy = (struct relation_deduplicate *)node_clone(analyzer->arena, &written->base.node);
    VECTOR(const struct expression *) keys = {0};
    for (size_t i = 0; i < written->columns.count; i++)
        if (column_named(analyzer, input, written->columns.items[i], &written->base.node) == NULL)
            return NULL;
    size_t count = written->columns.count > 0 ? written->columns.count : input->output_count;
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < input->output_count; i++)
            if (written->columns.count == 0 ? i == c
                                            : bytes_equal_ignore_case(written->columns.items[c], input->output[i].name))
                VECTOR_PUSH(&keys, column_of(analyzer->arena, &input->output[i]));
    copy->input = input;
    copy->keys = expressions_make(analyzer->arena, keys.items, keys.count);
    same_output(&copy->base, input);
    VECTOR_FREE(&keys);
    return &copy->base;
}

static const struct relation *deduplicate(struct analyzer *analyzer, const struct relation_deduplicate *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    if (relation_is_streaming(input))
        return deduplicate_stream(analyzer, written, input);
    if (written->within_watermark) {
        unsupported(analyzer, written->base.node.origin,
            "dropDuplicatesWithinWatermark of a DataFrame that is no stream", "Use dropDuplicates.");
        return NULL;
    }
    if (written->columns.count == 0) {
        size_t shown = 0;
        for (size_t i = 0; i < input->output_count; i++)
            shown += !input->output[i].hidden;
        const struct relation *distinct =
            make_distinct(analyzer, shown == input->output_count ? input : make_prefix(analyzer, input, shown));
        for (size_t i = 0; i < distinct->output_count; i++) {
            if (distinct->output[i].type->kind == TYPE_MAP) {
                raise_group_expression_type_is_not_orderable(analyzer->error,
                    quote_name(analyzer->arena, distinct->output[i].name),
                    quote_type(analyzer->arena, distinct->output[i].type));
                return NULL;
            }
        }
        return distinct;
    }
    for (size_t i = 0; i < written->columns.count; i++)
        if (column_named(analyzer, input, written->columns.items[i], &written->base.node) == NULL)
            return NULL;
    struct relation_aggregate *aggregate = relation_aggregate_new(analyzer->arena);
    VECTOR(const struct expression *) keys = {0};
    VECTOR(const struct expression *) calls = {0};
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, input->output_count);
    size_t count = 0;
    for (size_t i = 0; i < input->output_count; i++) {
        if (!name_in(written->columns, input->output[i].name))
            continue;
        VECTOR_PUSH(&keys, column_of(analyzer->arena, &input->output[i]));
        output[count++] = input->output[i];
    }
    /* The first row's values of the other columns, under their own ids. */
    for (size_t i = 0; i < input->output_count; i++) {
        if (name_in(written->columns, input->output[i].name))
            continue;
        VECTOR_PUSH(&calls,
            make_call(analyzer, &written->base.node, "first", 1, column_of(analyzer->arena, &input->output[i])));
        output[count++] = input->output[i];
    }
    aggregate->input = input;
    aggregate->groupings = expressions_make(analyzer->arena, keys.items, keys.count);
    aggregate->calls = expressions_make(analyzer->arena, calls.items, calls.count);
    aggregate->base.analyzed = true;
    aggregate->base.output = output;
    aggregate->base.output_count = count;
    VECTOR_FREE(&keys);
    VECTOR_FREE(&calls);
    return make_project(analyzer, &aggregate->base, columns_of(analyzer->arena, input));
}

/* ---- Renaming and adding columns ---- */

static const struct relation *to_df(struct analyzer *analyzer, const struct relation_to_df *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    if (written->columns.count != input->output_count) {
        raise_assignment_arity_mismatch(analyzer->error, arena_printf(analyzer->arena, "%zu", written->columns.count),
            arena_printf(analyzer->arena, "%zu", input->output_count));
        return NULL;
    }
    const struct expression **items = columns_of(analyzer->arena, input).items;
    for (size_t i = 0; i < input->output_count; i++)
        if (!bytes_equal(input->output[i].name, written->columns.items[i]))
            items[i] = make_alias(analyzer, items[i], written->columns.items[i]);
    return make_project(analyzer, input, (struct expression_list){items, input->output_count});
}

static const struct relation *with_columns(struct analyzer *analyzer, const struct relation_with_columns *written) {
    const struct relation *input = analyze(analyzer, written->input);
    VECTOR(const struct expression *) items = {0};
    struct expression_list added;
    if (input == NULL || !select_columns(analyzer, input, written->columns, &added))
        return NULL;
    bool *used = ARENA_ARRAY(analyzer->arena, bool, added.count);
    for (size_t i = 0; i < input->output_count; i++) {
        const struct expression *one = column_of(analyzer->arena, &input->output[i]);
        for (size_t j = 0; j < added.count; j++) {
            if (bytes_equal_ignore_case(expression_alias_of(added.items[j])->names.items[0], input->output[i].name)) {
                one = added.items[j];
                used[j] = true;
            }
        }
        if (!input->output[i].hidden)
            VECTOR_PUSH(&items, one);
    }
    for (size_t j = 0; j < added.count; j++)
        if (!used[j])
            VECTOR_PUSH(&items, added.items[j]);
    struct expression_list columns = expressions_make(analyzer->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return finish_select(analyzer, input, columns);
}

static const struct relation *with_columns_renamed(
    struct analyzer *analyzer, const struct relation_with_columns_renamed *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    const struct expression **items = columns_of(analyzer->arena, input).items;
    for (size_t i = 0; i < input->output_count; i++)
        for (size_t j = 0; j < written->old.count && j < written->new.count; j++)
            if (bytes_equal_ignore_case(input->output[i].name, written->old.items[j]))
                items[i] = make_alias(analyzer, column_of(analyzer->arena, &input->output[i]), written->new.items[j]);
    return make_project(analyzer, input, (struct expression_list){items, input->output_count});
}

/* Names that are not there are no error. */
static const struct relation *drop(struct analyzer *analyzer, const struct relation_drop *written) {
    const struct relation *input = analyze(analyzer, written->input);
    VECTOR(const struct expression *) items = {0};
    struct scope scope;
    if (input == NULL)
        return NULL;
    scope_init(analyzer, &scope, input);
    uint32_t *dropped = ARENA_ARRAY(analyzer->arena, uint32_t, written->columns.count + 1);
    for (size_t i = 0; i < written->columns.count; i++) {
        struct sql_error *error = analyzer->error, ignored = {.arena = analyzer->arena};
        analyzer->error = &ignored;
        const struct expression *column = resolve(analyzer, &scope, written->columns.items[i]);
        analyzer->error = error;
        if (column != NULL && column->node.tag == EXPRESSION_COLUMN)
            dropped[i] = expression_column_of(column)->id;
    }
    for (size_t i = 0; i < input->output_count; i++) {
        bool gone = name_in(written->names, input->output[i].name);
        for (size_t j = 0; j < written->columns.count; j++)
            gone |= dropped[j] == input->output[i].id;
        if (!gone)
            VECTOR_PUSH(&items, column_of(analyzer->arena, &input->output[i]));
    }
    const struct relation *result =
        make_project(analyzer, input, expressions_make(analyzer->arena, items.items, items.count));
    VECTOR_FREE(&items);
    return result;
}

static const struct relation *to_schema(struct analyzer *analyzer, const struct relation_to_schema *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    const struct expression **items = arena_allocate(analyzer->arena, written->schema->field_count * sizeof *items);
    for (size_t i = 0; i < written->schema->field_count; i++) {
        const struct type_field *field = &written->schema->fields[i];
        const struct expression *column = column_named(analyzer, input, field->name, &written->base.node);
        if (column == NULL)
            return NULL;
        if (!can_cast(column->type, field->type, analyzer->ansi)) {
            raise_invalid_column_or_field_data_type(analyzer->error, quote_name(analyzer->arena, field->name),
                quote_type(analyzer->arena, column->type), quote_type(analyzer->arena, field->type));
            return NULL;
        }
        items[i] = make_alias(analyzer, cast_to(analyzer, column, field->type), field->name);
    }
    return make_project(analyzer, input, (struct expression_list){items, written->schema->field_count});
}

static const struct relation *repartition(struct analyzer *analyzer, const struct relation_repartition *written) {
    struct relation_repartition *copy = relation_repartition_new(analyzer->arena);
    *copy = *written;
    copy->input = analyze(analyzer, written->input);
    if (copy->input == NULL)
        return NULL;
    struct scope scope;
    scope_init(analyzer, &scope, copy->input);
    const struct expression **items = arena_allocate(analyzer->arena, written->expressions.count * sizeof *items);
    for (size_t i = 0; i < written->expressions.count; i++) {
        const struct expression *one = written->expressions.items[i];
        one = one->node.tag == EXPRESSION_SORT_ORDER ? expression_sort_order_of(one)->child : one;
        if ((items[i] = resolve(analyzer, &scope, one)) == NULL)
            return NULL;
    }
    copy->expressions.items = items;
    same_output(&copy->base, copy->input);
    return &copy->base;
}

static const struct relation *with_watermark(struct analyzer *analyzer, const struct relation_with_watermark *written) {
    struct relation_with_watermark *copy =
        (struct relation_with_watermark *)node_clone(analyzer->arena, &written->base.node);
    copy->input = analyze(analyzer, copy->input);
    const struct expression *column =
        copy->input == NULL ? NULL : column_named(analyzer, copy->input, copy->column, &written->base.node);
    if (column == NULL)
        return NULL;
    if (column->type->kind != TYPE_TIMESTAMP && column->type->kind != TYPE_TIMESTAMP_NTZ) {
        raise_event_time_is_not_on_timestamp_type(
            analyzer->error, quote_name(analyzer->arena, copy->column), quote_type(analyzer->arena, column->type));
        return NULL;
    }
    return analyze_watermark(analyzer, copy, column);
}

const struct relation *analyze_frame(struct analyzer *analyzer, const struct relation *relation) {
    switch (relation->node.tag) {
    case RELATION_DEDUPLICATE:
        return deduplicate(analyzer, relation_deduplicate_of(relation));
    case RELATION_TO_DF:
        return to_df(analyzer, relation_to_df_of(relation));
    case RELATION_WITH_COLUMNS:
        return with_columns(analyzer, relation_with_columns_of(relation));
    case RELATION_WITH_COLUMNS_RENAMED:
        return with_columns_renamed(analyzer, relation_with_columns_renamed_of(relation));
    case RELATION_DROP:
        return drop(analyzer, relation_drop_of(relation));
    case RELATION_TO_SCHEMA:
        return to_schema(analyzer, relation_to_schema_of(relation));
    case RELATION_REPARTITION:
        return repartition(analyzer, relation_repartition_of(relation));
    case RELATION_WITH_WATERMARK:
        return with_watermark(analyzer, relation_with_watermark_of(relation));
    default:
        unsupported(analyzer, relation->node.origin, node_name(&relation->node), "");
        return NULL;
    }
}

/* ---- Nulls ---- */

static bool is_target(struct bytes_list columns, const struct attribute *attribute) {
    return columns.count == 0 || name_in(columns, attribute->name);
}

static bool fill_fits(const struct type *column, const struct type *value) {
    if (type_is_numeric(value))
        return type_is_numeric(column);
    return column->kind == value->kind;
}

static const struct relation *fill_na(struct analyzer *analyzer, const struct relation_fill_na *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    const struct expression **items = columns_of(analyzer->arena, input).items;
    bool per_column =
        written->values.count > 1 || (written->values.count == written->columns.count && written->values.count == 1);
    for (size_t j = 0; j < written->columns.count; j++)
        if (column_named(analyzer, input, written->columns.items[j], &written->base.node) == NULL)
            return NULL;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct attribute *attribute = &input->output[i];
        for (size_t j = 0; j < written->values.count; j++) {
            bool wanted = per_column ? bytes_equal_ignore_case(written->columns.items[j], attribute->name)
                                     : is_target(written->columns, attribute);
            const struct expression *value = written->values.items[j];
            if (!wanted || !fill_fits(attribute->type, value->type))
                continue;
            const struct expression *column = column_of(analyzer->arena, attribute);
            if (attribute->type->kind == TYPE_DOUBLE || attribute->type->kind == TYPE_FLOAT)
                column = make_call(
                    analyzer, &written->base.node, "nanvl", 2, column, literal_null(analyzer->arena, attribute->type));
            const struct expression *filled = make_call(
                analyzer, &written->base.node, "coalesce", 2, column, cast_to(analyzer, value, attribute->type));
            if (filled == NULL)
                return NULL;
            items[i] = make_alias(analyzer, filled, attribute->name);
        }
    }
    return make_project(analyzer, input, (struct expression_list){items, input->output_count});
}

static const struct relation *drop_na(struct analyzer *analyzer, const struct relation_drop_na *written) {
    const struct relation *input = analyze(analyzer, written->input);
    VECTOR(const struct expression *) items = {0};
    if (input == NULL)
        return NULL;
    int32_t least = written->min_non_nulls;
    size_t targets = 0;
    for (size_t i = 0; i < input->output_count; i++)
        targets += is_target(written->columns, &input->output[i]);
    VECTOR_PUSH(&items, literal_int(analyzer->arena, least < 0 ? (int32_t)targets : least));
    for (size_t i = 0; i < input->output_count; i++)
        if (is_target(written->columns, &input->output[i]))
            VECTOR_PUSH(&items, column_of(analyzer->arena, &input->output[i]));
    const struct expression *condition = make_call_list(analyzer, &written->base.node, BYTES("at_least_n_non_nulls"),
        expressions_make(analyzer->arena, items.items, items.count));
    VECTOR_FREE(&items);
    return condition == NULL ? NULL : make_filter(analyzer, input, condition);
}

static const struct relation *replace(struct analyzer *analyzer, const struct relation_replace *written) {
    const struct relation *input = analyze(analyzer, written->input);
    if (input == NULL)
        return NULL;
    const struct expression **items = columns_of(analyzer->arena, input).items;
    for (size_t i = 0; i < input->output_count; i++) {
        const struct attribute *attribute = &input->output[i];
        if (!is_target(written->columns, attribute))
            continue;
        VECTOR(const struct expression *) branches = {0};
        const struct expression *column = items[i];
        for (size_t j = 0; j < written->old.count; j++) {
            const struct expression *old = written->old.items[j];
            if (old->type->kind != TYPE_NULL && !fill_fits(attribute->type, old->type))
                continue;
            VECTOR_PUSH(&branches,
                make_call(analyzer, &written->base.node, "<=>", 2, column, cast_to(analyzer, old, attribute->type)));
            VECTOR_PUSH(&branches, cast_to(analyzer, written->new.items[j], attribute->type));
        }
        if (branches.count > 0) {
            VECTOR_PUSH(&branches, column);
            const struct expression *chosen = make_call_list(analyzer, &written->base.node, BYTES("case_when"),
                expressions_make(analyzer->arena, branches.items, branches.count));
            items[i] = chosen == NULL ? NULL : make_alias(analyzer, chosen, attribute->name);
        }
        VECTOR_FREE(&branches);
        if (items[i] == NULL)
            return NULL;
    }
    return make_project(analyzer, input, (struct expression_list){items, input->output_count});
}

const struct relation *analyze_na(struct analyzer *analyzer, const struct relation *relation) {
    if (relation->node.tag == RELATION_FILL_NA)
        return fill_na(analyzer, relation_fill_na_of(relation));
    if (relation->node.tag == RELATION_DROP_NA)
        return drop_na(analyzer, relation_drop_na_of(relation));
    return replace(analyzer, relation_replace_of(relation));
}

/* ---- describe, summary: one aggregate, then one row per statistic ---- */

struct statistic {
    const char *name, *function;
    double percentile;
};
static const struct statistic statistics[] = {{"count", "count", 0}, {"mean", "avg", 0}, {"stddev", "stddev_samp", 0},
    {"min", "min", 0}, {"25%", "percentile_approx", 0.25}, {"50%", "percentile_approx", 0.5},
    {"75%", "percentile_approx", 0.75}, {"max", "max", 0}, {"count_distinct", "count", -1}};

static const struct expression *statistic_of(struct analyzer *analyzer, const struct node *place,
    const struct statistic *statistic, const struct expression *column) {
    bool number = type_is_numeric(column->type);
    if (!number && statistic->percentile == 0 &&
        (strcmp(statistic->name, "mean") == 0 || strcmp(statistic->name, "stddev") == 0))
        column = make_alias(analyzer, literal_null(analyzer->arena, type_simple(TYPE_DOUBLE)), BYTES("x"));
    column = expression_strip(column);
    if (statistic->percentile > 0)
        return number ? make_call(analyzer, place, statistic->function, 2, column,
                            literal_double(analyzer->arena, statistic->percentile))
                      : literal_null(analyzer->arena, type_simple(TYPE_STRING));
    return make_call(analyzer, place, statistic->function, 1, column);
}

const struct relation *analyze_statistics(struct analyzer *analyzer, const struct relation *relation) {
    bool summary = relation->node.tag == RELATION_SUMMARY;
    struct bytes_list wanted = summary ? relation_summary_of(relation)->statistics
                                       : names_of(analyzer->arena, 5, "count", "mean", "stddev", "min", "max");
    struct bytes_list names = summary ? (struct bytes_list){0} : relation_describe_of(relation)->columns;
    if (summary && wanted.count == 0)
        wanted = names_of(analyzer->arena, 8, "count", "mean", "stddev", "min", "25%", "50%", "75%", "max");
    const struct relation *input =
        analyze(analyzer, summary ? relation_summary_of(relation)->input : relation_describe_of(relation)->input);
    if (input == NULL)
        return NULL;
    VECTOR(const struct expression *) columns = {0};
    VECTOR(const struct expression *) calls = {0};
    for (size_t i = 0; i < input->output_count; i++) {
        enum type_kind kind = input->output[i].type->kind;
        if ((type_is_numeric(input->output[i].type) || kind == TYPE_STRING) && is_target(names, &input->output[i]))
            VECTOR_PUSH(&columns, column_of(analyzer->arena, &input->output[i]));
    }
    for (size_t s = 0; s < wanted.count; s++) {
        const struct statistic *statistic = NULL;
        for (size_t i = 0; i < ARRAY_COUNT(statistics); i++)
            if (bytes_equal_text(wanted.items[s], statistics[i].name))
                statistic = &statistics[i];
        struct bytes label = wanted.items[s];
        if (statistic == NULL) {
            unsupported(analyzer, relation->node.origin,
                arena_printf(analyzer->arena, "The statistic '%.*s'", BYTES_ARGS(label)), "");
            return NULL;
        }
        VECTOR_PUSH(&calls, make_alias(analyzer, literal_string(analyzer->arena, label), BYTES("summary")));
        for (size_t i = 0; i < columns.count; i++) {
            const struct expression *one = statistic_of(analyzer, &relation->node, statistic, columns.items[i]);
            if (one == NULL)
                return NULL;
            if (statistic->percentile < 0) {
                struct expression_aggregate_call *distinct =
                    (struct expression_aggregate_call *)node_clone(analyzer->arena, &one->node);
                distinct->distinct = true;
                one = &distinct->base;
            }
            VECTOR_PUSH(&calls, make_alias(analyzer, cast_to(analyzer, one, type_simple(TYPE_STRING)),
                                    expression_column_of(columns.items[i])->name));
        }
    }
    struct expression_list all = expressions_make(analyzer->arena, calls.items, calls.count);
    size_t width = columns.count + 1;
    VECTOR_FREE(&columns);
    VECTOR_FREE(&calls);
    const struct relation *aggregate =
        make_aggregate_select(analyzer, input, (struct expression_list){0}, all, NULL, NULL);
    if (aggregate == NULL)
        return NULL;
    /* One wide row to one row per statistic. */
    struct relation_expand *expand = relation_expand_new(analyzer->arena);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    for (size_t i = 0; i < width; i++) {
        output[i] = aggregate->output[i];
        output[i].id = analyzer_new_id(analyzer);
        output[i].nullable = i > 0;
    }
    expand->input = aggregate;
    expand->columns = columns_of(analyzer->arena, aggregate);
    expand->base.analyzed = true;
    expand->base.output = output;
    expand->base.output_count = width;
    return &expand->base;
}

/* ---- unpivot: each row once per value column ---- */

const struct relation *analyze_unpivot(struct analyzer *analyzer, const struct relation_unpivot *written) {
    const struct relation *input = analyze(analyzer, written->input);
    struct expression_list ids, values;
    if (input == NULL || !select_columns(analyzer, input, written->ids, &ids))
        return NULL;
    if (written->values.count > 0) {
        if (!select_columns(analyzer, input, written->values, &values))
            return NULL;
    } else {
        const struct expression **items = arena_allocate(analyzer->arena, input->output_count * sizeof *items);
        values = (struct expression_list){items, 0};
        for (size_t i = 0; i < input->output_count; i++) {
            bool is_id = false;
            for (size_t j = 0; j < ids.count; j++)
                is_id |= ids.items[j]->node.tag == EXPRESSION_COLUMN &&
                         expression_column_of(ids.items[j])->id == input->output[i].id;
            if (!is_id)
                items[values.count++] = column_of(analyzer->arena, &input->output[i]);
        }
    }
    if (values.count == 0) {
        raise_unpivot_requires_value_columns(analyzer->error);
        return NULL;
    }
    const struct type *type = common_type_of(analyzer, values, 0, 1);
    if (type == NULL) {
        raise_unpivot_value_data_type_mismatch(analyzer->error, "");
        return NULL;
    }
    size_t width = ids.count + 2;
    struct relation_expand *expand = relation_expand_new(analyzer->arena);
    const struct expression **cells = arena_allocate(analyzer->arena, width * values.count * sizeof *cells);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    const struct relation *shape = make_project(analyzer, input, ids);
    for (size_t i = 0; i < ids.count; i++) {
        output[i] = shape->output[i];
        output[i].id = analyzer_new_id(analyzer);
    }
    output[ids.count] = (struct attribute){
        .id = analyzer_new_id(analyzer), .name = written->variable_name, .type = type_simple(TYPE_STRING)};
    output[ids.count + 1] = (struct attribute){
        .id = analyzer_new_id(analyzer), .name = written->value_name, .type = type, .nullable = true};
    for (size_t v = 0; v < values.count; v++) {
        const struct expression *value = values.items[v];
        struct bytes name = value->node.tag == EXPRESSION_COLUMN ? expression_column_of(value)->name
                                                                 : expression_alias_of(value)->names.items[0];
        for (size_t i = 0; i < ids.count; i++)
            cells[v * width + i] = expression_strip(ids.items[i]);
        cells[v * width + ids.count] = literal_string(analyzer->arena, name);
        cells[v * width + ids.count + 1] = cast_to(analyzer, expression_strip(value), type);
    }
    expand->input = input;
    expand->columns = (struct expression_list){cells, width * values.count};
    expand->base.analyzed = true;
    expand->base.output = output;
    expand->base.output_count = width;
    return &expand->base;
}
