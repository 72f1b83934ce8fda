/* analyze_python_map.c: functions of the program that take more than one row at a time.
 *
 * mapInPandas and its like get a partition: `python_map` over the input. applyInPandas and its like get a group, which
 * an aggregate below makes: the groupings and collect_list over the whole row, so that each group is a row; a cogroup
 * is the full outer join of two such aggregates. Aggregate functions (pandas_udf of a scalar from series) are functions
 * over columns whose argument is collect_list over what they were called with, in a group or in a window. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/pretty.h"
#include "sql/sql.h"

bool python_is_aggregate(const struct expression_python_udf *function) {
    /* Of pyspark.util.PythonEvalType: GROUPED_AGG_PANDAS, GROUPED_AGG_PANDAS_ITER, GROUPED_AGG_ARROW and its ITER. */
    return function->eval_type == 202 || function->eval_type == 217 || function->eval_type == 252 ||
           function->eval_type == 254;
}

/* ---- aggregate functions ---- */

/* One list of structs from the arguments' values, nulls included. Fields are called _0, _1 …; =name for named ones. */
static const struct expression *collect_arguments(
    struct analyzer *analyzer, const struct expression_python_udf *function) {
    struct arena *arena = analyzer->arena;
    size_t count = function->arguments.count;
    const struct expression **items = arena_allocate(arena, (2 * count + 2) * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const struct expression *argument = function->arguments.items[i];
        const char *name = arena_printf(arena, "_%zu", i);
        if (argument->node.tag == EXPRESSION_NAMED_ARGUMENT) {
            name = arena_printf(arena, "=%.*s", BYTES_ARGS(expression_named_argument_of(argument)->name));
            argument = expression_named_argument_of(argument)->value;
        }
        items[2 * i] = literal_string(arena, bytes_from_text(name));
        items[2 * i + 1] = argument;
    }
    const struct expression *row = make_call_list(
        analyzer, &function->base.node, BYTES("named_struct"), (struct expression_list){items, 2 * count});
    return row == NULL ? NULL : make_call(analyzer, &function->base.node, "collect_list", 1, row);
}

const struct expression *python_aggregate(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_python_udf *resolved) {
    struct arena *arena = analyzer->arena;
    if (scope->in_aggregate) {
        raise_nested_aggregate_function(analyzer->error);
        fail_at(analyzer, &resolved->base.node);
        return NULL;
    }
    struct expression_python_udf *function = (struct expression_python_udf *)node_clone(arena, &resolved->base.node);
    const struct expression *rows = collect_arguments(analyzer, resolved);
    if (rows == NULL)
        return NULL;
    function->arguments = expressions_of(arena, 1, rows);
    struct expression_shown *shown = expression_shown_new(arena);
    shown->child = &function->base;
    shown->text = bytes_from_text(pretty_name(arena, &resolved->base));
    shown->base.type = function->base.type;
    shown->base.nullable = true;
    return &shown->base;
}

const struct expression_python_udf *python_aggregate_of(const struct expression *expression) {
    if (expression->node.tag != EXPRESSION_SHOWN)
        return NULL;
    expression = expression_shown_of(expression)->child;
    if (expression->node.tag != EXPRESSION_PYTHON_UDF || !python_is_aggregate(expression_python_udf_of(expression)))
        return NULL;
    return expression_python_udf_of(expression);
}

const struct expression *python_over_window(
    struct analyzer *analyzer, const struct expression *aggregate, const struct expression_window *window) {
    struct arena *arena = analyzer->arena;
    struct expression_python_udf *function =
        (struct expression_python_udf *)node_clone(arena, &python_aggregate_of(aggregate)->base.node);
    struct expression_window *named = (struct expression_window *)node_clone(arena, &window->base.node);
    struct expression_shown *shown = expression_shown_new(arena);
    named->function = aggregate;
    function->arguments = expressions_of(arena, 1, &window->base);
    shown->child = &function->base;
    shown->text = bytes_from_text(pretty_name(arena, &named->base));
    shown->base.type = function->base.type;
    shown->base.nullable = true;
    return &shown->base;
}

/* ---- partitions ---- */

/* The function over those arguments, whose schema becomes the output of `relation`; NULL with an error. */
static const struct expression *call_over_rows(struct analyzer *analyzer, const struct expression *function,
    struct expression_list arguments, struct relation *relation) {
    struct arena *arena = analyzer->arena;
    struct expression_python_udf *call = (struct expression_python_udf *)node_clone(arena, &function->node);
    const struct type *schema = call->result;
    if (schema->kind != TYPE_STRUCT) {
        unsupported(analyzer, function->node.origin, "A function over rows whose schema is no list of columns",
            "Give it as \"name TYPE, …\".");
        return NULL;
    }
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++)
        output[i] = (struct attribute){.id = analyzer_new_id(analyzer),
            .name = schema->fields[i].name,
            .type = schema->fields[i].type,
            .nullable = schema->fields[i].nullable,
            .metadata = schema->fields[i].metadata};
    call->arguments = arguments;
    call->base.type = schema;
    relation->analyzed = true;
    relation->output = output;
    relation->output_count = schema->field_count;
    return &call->base;
}

static const struct relation *make_python_map(struct analyzer *analyzer, const struct relation *input,
    const struct expression *function, struct expression_list arguments, size_t key_count) {
    struct relation_python_map *map = relation_python_map_new(analyzer->arena);
    map->input = input;
    map->key_count = (int32_t)key_count;
    map->function = call_over_rows(analyzer, function, arguments, &map->base);
    return map->function == NULL ? NULL : &map->base;
}

/* Without what only qualified names reach. */
static struct expression_list visible_columns(struct arena *arena, const struct relation *relation) {
    const struct expression **items = arena_allocate(arena, relation->output_count * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < relation->output_count; i++)
        if (!relation->output[i].hidden)
            items[count++] = column_of(arena, &relation->output[i]);
    return (struct expression_list){items, count};
}

const struct relation *analyze_map_partitions(
    struct analyzer *analyzer, const struct relation_map_partitions *written) {
    const struct relation *input = analyze(analyzer, written->input);
    return input == NULL
               ? NULL
               : make_python_map(analyzer, input, written->function, visible_columns(analyzer->arena, input), 0);
}

/* ---- groups ---- */

static const struct expression *collect_rows(
    struct analyzer *analyzer, const struct node *place, struct expression_list columns) {
    const struct expression **items = arena_allocate(analyzer->arena, (2 * columns.count + 2) * sizeof *items);
    for (size_t i = 0; i < columns.count; i++) {
        items[2 * i] = literal_string(analyzer->arena, expression_column_of(columns.items[i])->name);
        items[2 * i + 1] = columns.items[i];
    }
    const struct expression *row =
        make_call_list(analyzer, place, BYTES("named_struct"), (struct expression_list){items, 2 * columns.count});
    return row == NULL ? NULL : make_call(analyzer, place, "collect_list", 1, row);
}

static bool resolve_groupings(struct analyzer *analyzer, const struct relation *input, struct expression_list written,
    struct expression_list *groupings) {
    struct scope scope;
    *groupings =
        (struct expression_list){arena_allocate(analyzer->arena, (written.count + 1) * sizeof *groupings->items), 0};
    scope_init(analyzer, &scope, input);
    for (size_t i = 0; i < written.count; i++) {
        const struct expression *grouping = resolve(analyzer, &scope, written.items[i]);
        if (grouping == NULL)
            return false;
        if (has_aggregate(grouping)) {
            raise_group_by_aggregate(analyzer->error, quote_expression(analyzer->arena, grouping));
            fail_at(analyzer, &written.items[i]->node);
            return false;
        }
        groupings->items[groupings->count++] = expression_strip(grouping);
    }
    return true;
}

/* Output: the groupings, then the list of the group's rows. */
static const struct relation *make_groups(struct analyzer *analyzer, const struct relation *written_input,
    struct expression_list written, const struct node *place) {
    struct arena *arena = analyzer->arena;
    const struct relation *input = analyze(analyzer, written_input);
    struct expression_list groupings;
    if (input == NULL || !resolve_groupings(analyzer, input, written, &groupings))
        return NULL;
    struct expression_list columns = visible_columns(arena, input), *lists[1] = {&groupings};
    const struct expression *rows = collect_rows(analyzer, place, columns);
    if (rows == NULL || !extract_time_windows(analyzer, &input, lists, 1))
        return NULL;
    struct relation_aggregate *aggregate = relation_aggregate_new(arena);
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, groupings.count + 1);
    for (size_t i = 0; i <= groupings.count; i++) {
        const struct expression *value = i == groupings.count ? rows : groupings.items[i];
        output[i] = (struct attribute){.id = analyzer_new_id(analyzer),
            .name = i == groupings.count ? BYTES("rows") : bytes_from_text(pretty_name(arena, value)),
            .type = value->type,
            .nullable = value->nullable};
    }
    aggregate->input = input;
    aggregate->groupings = groupings;
    aggregate->calls = expressions_of(arena, 1, rows);
    aggregate->stateless = true;
    aggregate->base.analyzed = true;
    aggregate->base.output = output;
    aggregate->base.output_count = groupings.count + 1;
    return &aggregate->base;
}

static const struct expression *same_key(struct analyzer *analyzer, const struct node *place,
    const struct relation *left, const struct relation *right, size_t key_count) {
    const struct expression *condition = NULL;
    for (size_t i = 0; i < key_count; i++) {
        const struct expression *same = make_call(analyzer, place, "<=>", 2,
            column_of(analyzer->arena, &left->output[i]), column_of(analyzer->arena, &right->output[i]));
        if (same == NULL)
            return NULL;
        condition = condition == NULL ? same : make_call(analyzer, place, "and", 2, condition, same);
    }
    return condition != NULL ? condition : literal_boolean(analyzer->arena, true);
}

/* Output: the key, the rows of the left side, the rows of the right side; null rows where a side has no such group. */
static const struct relation *make_cogroups(
    struct analyzer *analyzer, const struct relation *left, const struct relation *right, const struct node *place) {
    struct arena *arena = analyzer->arena;
    size_t key_count = left->output_count - 1;
    const struct expression *condition = same_key(analyzer, place, left, right, key_count);
    if (condition == NULL)
        return NULL;
    const struct relation *join = new_join(analyzer, left, right, JOIN_FULL, condition);
    const struct expression **items = arena_allocate(arena, (key_count + 2) * sizeof *items);
    for (size_t i = 0; i < key_count; i++) {
        const struct expression *key = make_call(analyzer, place, "coalesce", 2, column_of(arena, &join->output[i]),
            column_of(arena, &join->output[key_count + 1 + i]));
        if (key == NULL)
            return NULL;
        items[i] = make_alias(analyzer, key, left->output[i].name);
    }
    items[key_count] = make_alias(analyzer, column_of(arena, &join->output[key_count]), BYTES("left"));
    items[key_count + 1] =
        make_alias(analyzer, column_of(arena, &join->output[join->output_count - 1]), BYTES("right"));
    return make_project(analyzer, join, (struct expression_list){items, key_count + 2});
}

const struct relation *analyze_map_groups(struct analyzer *analyzer, const struct relation_map_groups *written) {
    const struct node *place = &written->base.node;
    const struct relation *groups = make_groups(analyzer, written->input, written->groupings, place);
    if (groups == NULL)
        return NULL;
    if (written->other != NULL) {
        const struct relation *other = make_groups(analyzer, written->other, written->other_groupings, place);
        if (other == NULL)
            return NULL;
        if (other->output_count != groups->output_count) {
            unsupported(analyzer, place->origin, "A cogroup of groups with keys of different lengths", "");
            return NULL;
        }
        groups = make_cogroups(analyzer, groups, other, place);
        if (groups == NULL)
            return NULL;
    }
    return make_python_map(
        analyzer, groups, written->function, columns_of(analyzer->arena, groups), written->groupings.count);
}

/* ---- groups with state ---- */

/* Groupings that are no columns become columns of a project below. */
static const struct relation *add_groupings(
    struct analyzer *analyzer, const struct relation *input, struct expression_list *groupings) {
    struct arena *arena = analyzer->arena;
    struct expression_list columns = columns_of(arena, input);
    const struct expression **items = arena_allocate(arena, (columns.count + groupings->count) * sizeof *items);
    size_t count = columns.count;
    memcpy(items, columns.items, columns.count * sizeof *items);
    for (size_t i = 0; i < groupings->count; i++)
        if (groupings->items[i]->node.tag != EXPRESSION_COLUMN)
            items[count++] =
                make_alias(analyzer, groupings->items[i], bytes_from_text(pretty_name(arena, groupings->items[i])));
    if (count == columns.count)
        return input;
    const struct relation *project = make_project(analyzer, input, (struct expression_list){items, count});
    if (project == NULL)
        return NULL;
    count = columns.count;
    for (size_t i = 0; i < groupings->count; i++)
        if (groupings->items[i]->node.tag != EXPRESSION_COLUMN)
            groupings->items[i] = column_of(arena, &project->output[count++]);
    return project;
}

const struct relation *analyze_groups_with_state(
    struct analyzer *analyzer, const struct relation_groups_with_state *written) {
    struct relation_groups_with_state *groups =
        (struct relation_groups_with_state *)node_clone(analyzer->arena, &written->base.node);
    const struct relation *input = analyze(analyzer, written->input);
    struct expression_list *lists[1] = {&groups->keys};
    if (input == NULL || !resolve_groupings(analyzer, input, written->keys, &groups->keys))
        return NULL;
    struct expression_list columns = visible_columns(analyzer->arena, input);
    if (written->state->kind != TYPE_STRUCT || groups->keys.count == 0) {
        unsupported(analyzer, written->base.node.origin,
            groups->keys.count == 0 ? "applyInPandasWithState without grouping columns"
                                    : "A state whose schema is no list of columns",
            groups->keys.count == 0 ? "Group by a constant." : "Give it as \"name TYPE, …\".");
        return NULL;
    }
    if (!extract_time_windows(analyzer, &input, lists, 1))
        return NULL;
    groups->input = add_groupings(analyzer, input, &groups->keys);
    if (groups->input == NULL)
        return NULL;
    groups->function = call_over_rows(analyzer, written->function, columns, &groups->base);
    return groups->function == NULL ? NULL : &groups->base;
}
