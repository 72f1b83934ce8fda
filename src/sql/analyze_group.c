/* GROUP BY: groupings by expression, position and alias, ROLLUP, CUBE and GROUPING SETS through expand, pivot through
 * filtered aggregates; the split of a select list into what the aggregate computes and what is computed from its
 * output. */
#include "sql/analyze.h"

#include <stdlib.h>
#include "base/vector.h"
#include "sql/pretty.h"
#include "sql/sql.h"

struct split {
    struct analyzer *analyzer;
    struct expression_list groupings; /* expressions over the aggregate's input */
    const struct attribute *grouping_outputs;
    VECTOR(const struct expression *) calls;
    VECTOR(struct attribute) call_outputs;
    const struct attribute *grouping_id; /* of GROUPING SETS; NULL: none */
    bool failed;
};

static const struct attribute *output_of_call(struct split *split, const struct expression *call) {
    for (size_t i = 0; i < split->calls.count; i++)
        if (node_equal(&split->calls.items[i]->node, &call->node))
            return &split->call_outputs.items[i];
    struct attribute attribute = {
        .id = analyzer_new_id(split->analyzer), .type = call->type, .nullable = call->nullable};
    attribute.name = bytes_from_text(pretty_name(split->analyzer->arena, call));
    VECTOR_PUSH(&split->calls, call);
    VECTOR_PUSH(&split->call_outputs, attribute);
    return &split->call_outputs.items[split->call_outputs.count - 1];
}

static const struct expression *grouping_bit(struct split *split, const struct expression_call *call) {
    struct analyzer *analyzer = split->analyzer;
    if (split->grouping_id == NULL) {
        raise_unsupported_grouping_expression(analyzer->error);
        split->failed = true;
        return NULL;
    }
    const struct expression *id = column_of(analyzer->arena, split->grouping_id);
    if (call->function->id == FUNCTION_GROUPING_ID)
        return id;
    for (size_t i = 0; i < split->groupings.count; i++) {
        if (!node_equal(&split->groupings.items[i]->node, &call->arguments.items[0]->node))
            continue;
        int32_t shift = (int32_t)(split->groupings.count - 1 - i);
        const struct expression *shifted =
            make_call(analyzer, &call->base.node, ">>", 2, id, literal_int(analyzer->arena, shift));
        const struct expression *bit =
            make_call(analyzer, &call->base.node, "&", 2, shifted, literal_long(analyzer->arena, 1));
        return cast_to(analyzer, bit, type_simple(TYPE_BYTE));
    }
    raise_grouping_column_mismatch(
        analyzer->error, quote_expression(analyzer->arena, call->arguments.items[0]), "grouping columns");
    split->failed = true;
    return NULL;
}

/* Replaces groupings and aggregate calls by columns of the aggregate's output. A column that is neither is
 * MISSING_AGGREGATION. */
static const struct node *split_node(struct arena *arena, const struct node *node, void *context) {
    struct split *split = context;
    if (split->failed)
        return NULL;
    if (node_family(node) == NODE_RELATION)
        return node;
    for (size_t i = 0; i < split->groupings.count; i++)
        if (node_equal(&split->groupings.items[i]->node, node))
            return &column_of(arena, &split->grouping_outputs[i])->node;
    if (node->tag == EXPRESSION_AGGREGATE_CALL && has_tag((const struct expression *)node, EXPRESSION_SUBQUERY)) {
        raise_unsupported_feature_not_in_this_program(split->analyzer->error,
            "A subquery in the argument of an aggregate function", "Compute it as a column in FROM (SELECT …) first.");
        split->failed = true;
        return NULL;
    }
    if (node->tag == EXPRESSION_AGGREGATE_CALL)
        return &column_of(arena, output_of_call(split, (const struct expression *)node))->node;
    if (node->tag == EXPRESSION_CALL) {
        const struct expression_call *call = (const struct expression_call *)node;
        if (call->function->id == FUNCTION_GROUPING || call->function->id == FUNCTION_GROUPING_ID) {
            const struct expression *bit = grouping_bit(split, call);
            return bit == NULL ? NULL : &bit->node;
        }
    }
    if (node->tag == EXPRESSION_WINDOW) {
        /* The window's function stays; what it is computed from comes from the aggregate. */
        struct expression_window *window = (struct expression_window *)node_clone(arena, node);
        struct node *function = node_clone(arena, &window->function->node);
        struct expression_list *arguments = function->tag == EXPRESSION_AGGREGATE_CALL
                                                ? &((struct expression_aggregate_call *)function)->arguments
                                                : &((struct expression_call *)function)->arguments;
        struct expression_list *lists[3] = {arguments, &window->partition, &window->order};
        window->function = (const struct expression *)function;
        for (size_t i = 0; i < 3; i++) {
            const struct expression **items = expressions_make(arena, lists[i]->items, lists[i]->count).items;
            for (size_t j = 0; j < lists[i]->count; j++)
                if ((items[j] = (const struct expression *)split_node(arena, &items[j]->node, context)) == NULL)
                    return NULL;
            lists[i]->items = items;
        }
        return &window->base.node;
    }
    if (node->tag == EXPRESSION_COLUMN) {
        struct analyzer *analyzer = split->analyzer;
        const struct expression *column = (const struct expression *)node;
        if (split->groupings.count == 0 && split->grouping_id == NULL)
            raise_missing_group_by(analyzer->error);
        else
            raise_missing_aggregation(analyzer->error, quote_expression(analyzer->arena, column),
                arena_printf(analyzer->arena, "\"any_value(%s)\"", pretty_name(analyzer->arena, column)));
        split->failed = true;
        return NULL;
    }
    return node_map(arena, node, split_node, context);
}

static const struct expression *split_expression(struct split *split, const struct expression *expression) {
    const struct node *node = split_node(split->analyzer->arena, &expression->node, split);
    if (node == NULL) {
        fail_at(split->analyzer, &expression->node);
        return NULL;
    }
    return (const struct expression *)node;
}

/* Aliases of the select list that only rename a grouping keep working; others are split below their alias. */
static const struct expression *split_named(struct split *split, const struct expression *named) {
    if (named->node.tag == EXPRESSION_ALIAS) {
        struct expression_alias *alias = (struct expression_alias *)node_clone(split->analyzer->arena, &named->node);
        alias->child = split_expression(split, alias->child);
        if (alias->child != NULL) {
            alias->base.type = alias->child->type;
            alias->base.nullable = alias->child->nullable;
        }
        return alias->child == NULL ? NULL : &alias->base;
    }
    const struct expression *result = split_expression(split, named);
    if (result == NULL)
        return NULL;
    if (result->node.tag == EXPRESSION_COLUMN)
        return result;
    return make_alias(split->analyzer, result, expression_column_of(named)->name);
}

static void name_groupings(struct split *split, struct attribute *outputs, const struct relation *input) {
    for (size_t i = 0; i < split->groupings.count; i++) {
        const struct expression *grouping = split->groupings.items[i];
        outputs[i] = (struct attribute){.type = grouping->type, .nullable = grouping->nullable};
        if (grouping->node.tag == EXPRESSION_COLUMN) {
            outputs[i].id = expression_column_of(grouping)->id;
            outputs[i].name = expression_column_of(grouping)->name;
            for (size_t j = 0; j < input->output_count; j++)
                if (input->output[j].id == outputs[i].id)
                    outputs[i] = input->output[j];
        } else {
            outputs[i].id = analyzer_new_id(split->analyzer);
            outputs[i].name = bytes_from_text(pretty_name(split->analyzer->arena, grouping));
        }
    }
}

static const struct relation *make_aggregate(
    struct split *split, const struct relation *input, struct expression_list groupings) {
    struct arena *arena = split->analyzer->arena;
    struct relation_aggregate *aggregate = relation_aggregate_new(arena);
    size_t count = groupings.count + split->calls.count;
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, count);
    for (size_t i = 0; i < groupings.count; i++)
        output[i] =
            split->grouping_id != NULL && i + 1 == groupings.count ? *split->grouping_id : split->grouping_outputs[i];
    for (size_t i = 0; i < split->calls.count; i++)
        output[groupings.count + i] = split->call_outputs.items[i];
    for (size_t i = 0; i < count && relation_is_streaming(input); i++)
        output[i].nullable = true; /* as Spark has it: state may hold anything */
    aggregate->input = input;
    aggregate->groupings = groupings;
    aggregate->calls = expressions_make(arena, split->calls.items, split->calls.count);
    aggregate->base.analyzed = true;
    aggregate->base.output = output;
    aggregate->base.output_count = count;
    return &aggregate->base;
}

/* The sets as bit masks of the groupings that they leave out, most significant bit first, as grouping_id() counts. */
struct sets {
    VECTOR(uint64_t) masks;
};

static void rollup_sets(struct sets *sets, size_t count, bool cube) {
    uint64_t full = ((uint64_t)1 << count) - 1;
    if (cube) {
        for (uint64_t mask = 0; mask <= full; mask++)
            VECTOR_PUSH(&sets->masks, mask);
        return;
    }
    for (size_t kept = count + 1; kept-- > 0;)
        VECTOR_PUSH(&sets->masks, ((uint64_t)1 << (count - kept)) - 1);
}

/* input × sets: the input's columns, then the groupings (null where the set leaves them out), then the grouping id. */
static const struct relation *make_expand(struct split *split, const struct relation *input, const struct sets *sets,
    struct attribute *outputs, struct attribute *grouping_id) {
    struct analyzer *analyzer = split->analyzer;
    size_t width = input->output_count + split->groupings.count + 1;
    struct relation_expand *expand = relation_expand_new(analyzer->arena);
    const struct expression **cells = arena_allocate(analyzer->arena, width * sets->masks.count * sizeof *cells);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    struct expression_list columns = columns_of(analyzer->arena, input);
    for (size_t i = 0; i < input->output_count; i++)
        output[i] = input->output[i];
    for (size_t i = 0; i < split->groupings.count; i++) {
        outputs[i].id = analyzer_new_id(analyzer);
        outputs[i].nullable = true;
        output[input->output_count + i] = outputs[i];
    }
    *grouping_id = (struct attribute){
        .id = analyzer_new_id(analyzer), .name = BYTES("spark_grouping_id"), .type = type_simple(TYPE_LONG)};
    output[width - 1] = *grouping_id;
    for (size_t set = 0; set < sets->masks.count; set++) {
        const struct expression **row = cells + set * width;
        for (size_t i = 0; i < input->output_count; i++)
            row[i] = columns.items[i];
        for (size_t i = 0; i < split->groupings.count; i++) {
            bool left_out = sets->masks.items[set] >> (split->groupings.count - 1 - i) & 1;
            row[input->output_count + i] =
                left_out ? literal_null(analyzer->arena, split->groupings.items[i]->type) : split->groupings.items[i];
        }
        row[width - 1] = literal_long(analyzer->arena, (int64_t)sets->masks.items[set]);
    }
    expand->input = input;
    expand->columns = (struct expression_list){cells, width * sets->masks.count};
    expand->base.analyzed = true;
    expand->base.output = output;
    expand->base.output_count = width;
    return &expand->base;
}

static const struct relation *aggregate_select(struct analyzer *analyzer, const struct relation *input,
    struct expression_list groupings, struct expression_list columns, const struct expression *having,
    const struct sets *sets) {
    struct split split = {.analyzer = analyzer, .groupings = groupings};
    struct attribute *outputs = ARENA_ARRAY(analyzer->arena, struct attribute, groupings.count + 1), grouping_id;
    const struct relation *result = NULL;
    struct expression_list keys = groupings;
    const struct expression **before = expressions_make(analyzer->arena, groupings.items, groupings.count).items;
    if (!lower_subqueries(analyzer, &input, before, groupings.count))
        return NULL;
    split.groupings.items = keys.items = before;
    name_groupings(&split, outputs, input);
    split.grouping_outputs = outputs;
    if (sets != NULL) {
        input = make_expand(&split, input, sets, outputs, &grouping_id);
        split.grouping_id = &grouping_id;
        const struct expression **items = arena_allocate(analyzer->arena, (groupings.count + 1) * sizeof *items);
        for (size_t i = 0; i < groupings.count; i++)
            items[i] = column_of(analyzer->arena, &outputs[i]);
        items[groupings.count] = column_of(analyzer->arena, &grouping_id);
        keys = (struct expression_list){items, groupings.count + 1};
    }
    const struct expression **selected = arena_allocate(analyzer->arena, columns.count * sizeof *selected);
    bool good = true;
    for (size_t i = 0; i < columns.count && good; i++)
        good = (selected[i] = split_named(&split, columns.items[i])) != NULL;
    const struct expression *condition = having == NULL || !good ? NULL : split_expression(&split, having);
    good = good && (having == NULL || condition != NULL);
    if (good) {
        result = make_aggregate(&split, input, keys);
        if (condition != NULL)
            result = filter_with_subqueries(analyzer, result, condition);
        if (result != NULL)
            result = finish_select(analyzer, result, (struct expression_list){selected, columns.count});
    }
    VECTOR_FREE(&split.calls);
    VECTOR_FREE(&split.call_outputs);
    return result;
}

const struct relation *make_aggregate_select(struct analyzer *analyzer, const struct relation *input,
    struct expression_list groupings, struct expression_list columns, const struct expression *having,
    struct expression_list *orders) {
    ASSERT(orders == NULL);
    return aggregate_select(analyzer, input, groupings, columns, having, NULL);
}

/* ---- What is grouped by ---- */

static const struct expression *grouping_at(
    struct analyzer *analyzer, const struct expression *written, int32_t position, struct expression_list columns) {
    struct arena *arena = analyzer->arena;
    if (position < 1 || (size_t)position > columns.count) {
        raise_group_by_pos_out_of_range(
            analyzer->error, arena_printf(arena, "%d", position), arena_printf(arena, "%zu", columns.count));
        fail_at(analyzer, &written->node);
        return NULL;
    }
    const struct expression *column = expression_strip(columns.items[position - 1]);
    if (!has_aggregate(column))
        return column;
    raise_group_by_pos_aggregate(
        analyzer->error, arena_printf(arena, "%d", position), pretty_name(arena, columns.items[position - 1]));
    fail_at(analyzer, &written->node);
    return NULL;
}

/* By position, by name over the input, or by alias of the select list. */
static const struct expression *resolve_grouping(struct analyzer *analyzer, const struct scope *scope,
    const struct expression *written, struct expression_list columns, bool sql) {
    if (sql && expression_is_literal(written) && written->type->kind == TYPE_INTEGER &&
        !expression_is_null_literal(written))
        return grouping_at(analyzer, written, *(const int32_t *)expression_literal_of(written)->value->values, columns);
    const struct expression *grouping = resolve(analyzer, scope, written);
    if (grouping == NULL)
        return NULL;
    grouping = expression_strip(grouping);
    if (has_aggregate(grouping)) {
        raise_group_by_aggregate(analyzer->error, quote_expression(analyzer->arena, grouping));
        fail_at(analyzer, &written->node);
        return NULL;
    }
    if (grouping->type->kind == TYPE_MAP) {
        raise_group_expression_type_is_not_orderable(
            analyzer->error, quote_expression(analyzer->arena, grouping), quote_type(analyzer->arena, grouping->type));
        fail_at(analyzer, &written->node);
        return NULL;
    }
    return grouping;
}

static bool resolve_groupings(struct analyzer *analyzer, const struct relation_group_by *group,
    const struct scope *scope, struct expression_list written, struct expression_list columns,
    struct expression_list *groupings) {
    struct expression_list expanded;
    if (!expand_stars(analyzer, scope, written, &expanded))
        return false;
    const struct expression **items = arena_allocate(analyzer->arena, (expanded.count + columns.count) * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < expanded.count; i++)
        if ((items[count++] = resolve_grouping(analyzer, scope, expanded.items[i], columns, group->sql)) == NULL)
            return false;
    for (size_t i = 0; group->all && i < columns.count; i++)
        if (!has_aggregate(columns.items[i]))
            items[count++] = expression_strip(columns.items[i]);
    *groupings = (struct expression_list){items, count};
    return true;
}

/* GROUPING SETS: the distinct members become the groupings; each set a mask. */
static bool resolve_sets(struct analyzer *analyzer, const struct relation_group_by *group, const struct scope *scope,
    struct expression_list columns, struct expression_list *groupings, struct sets *sets) {
    struct expression_list members;
    if (!resolve_groupings(analyzer, group, scope, group->set_items, columns, &members))
        return false;
    VECTOR(const struct expression *) distinct = {0};
    for (size_t i = 0; i < groupings->count; i++)
        VECTOR_PUSH(&distinct, groupings->items[i]);
    size_t *place = ARENA_ARRAY(analyzer->arena, size_t, members.count + 1);
    for (size_t i = 0; i < members.count; i++) {
        size_t j = 0;
        while (j < distinct.count && !node_equal(&distinct.items[j]->node, &members.items[i]->node))
            j++;
        if (j == distinct.count)
            VECTOR_PUSH(&distinct, members.items[i]);
        place[i] = j;
    }
    size_t next = 0;
    for (size_t set = 0; set < group->set_sizes.count; set++) {
        int64_t size = 0;
        bytes_to_int64(group->set_sizes.items[set], &size);
        uint64_t mask = ((uint64_t)1 << distinct.count) - 1;
        for (int64_t i = 0; i < size; i++, next++)
            mask &= ~((uint64_t)1 << (distinct.count - 1 - place[next]));
        VECTOR_PUSH(&sets->masks, mask);
    }
    *groupings = expressions_make(analyzer->arena, distinct.items, distinct.count);
    VECTOR_FREE(&distinct);
    return true;
}

/* pivot(column, values).agg(…): each aggregate once per value, over the rows that have it. */
static bool pivot_aggregates(
    struct analyzer *analyzer, const struct relation_group_by *group, struct expression_list *aggregates) {
    if (group->pivot_values.count == 0)
        return unsupported(analyzer, group->base.node.origin, "pivot() without a list of values",
            "Give the values: pivot(\"column\", [\"a\", \"b\"]).");
    VECTOR(const struct expression *) items = {0};
    for (size_t i = 0; i < group->pivot_values.count; i++) {
        const struct expression *value = expression_strip(group->pivot_values.items[i]);
        struct bytes name = bytes_from_text(pretty_name(analyzer->arena, value));
        if (group->pivot_values.items[i]->node.tag == EXPRESSION_ALIAS)
            name = expression_alias_of(group->pivot_values.items[i])->names.items[0];
        for (size_t j = 0; j < group->aggregates.count; j++) {
            const struct expression *written = expression_strip(group->aggregates.items[j]);
            if (written->node.tag != EXPRESSION_FUNCTION) {
                VECTOR_FREE(&items);
                return unsupported(analyzer, written->node.origin, "pivot() with an expression around its aggregate",
                    "Compute it after the pivot.");
            }
            struct expression_function *function =
                (struct expression_function *)node_clone(analyzer->arena, &written->node);
            const struct expression *same =
                function_call(analyzer->arena, "<=>", (size_t)2, group->pivot_column, value);
            function->filter = function->filter == NULL
                                   ? same
                                   : function_call(analyzer->arena, "and", (size_t)2, function->filter, same);
            struct expression_alias *alias = expression_alias_new(analyzer->arena);
            alias->child = &function->base;
            struct bytes full = name;
            if (group->aggregates.count > 1) {
                struct bytes suffix = group->aggregates.items[j]->node.tag == EXPRESSION_ALIAS
                                          ? expression_alias_of(group->aggregates.items[j])->names.items[0]
                                          : bytes_from_text(pretty_name(analyzer->arena, written));
                full =
                    bytes_from_text(arena_printf(analyzer->arena, "%.*s_%.*s", BYTES_ARGS(name), BYTES_ARGS(suffix)));
            }
            alias->names = names_make(analyzer->arena, &full, 1);
            VECTOR_PUSH(&items, &alias->base);
        }
    }
    *aggregates = expressions_make(analyzer->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return true;
}

static struct expression_list joined(struct arena *arena, struct expression_list first, struct expression_list second) {
    const struct expression **items = arena_allocate(arena, (first.count + second.count) * sizeof *items);
    for (size_t i = 0; i < first.count; i++)
        items[i] = first.items[i];
    for (size_t i = 0; i < second.count; i++)
        items[first.count + i] = second.items[i];
    return (struct expression_list){items, first.count + second.count};
}

const struct relation *analyze_group_by(struct analyzer *analyzer, const struct relation_group_by *group) {
    const struct relation *input = analyze(analyzer, group->input), *result = NULL;
    struct expression_list written, columns, groupings;
    if (input == NULL || (group->sql && !name_written_windows(analyzer, &group, &input)))
        return NULL;
    written = group->aggregates;
    if (group->type == GROUP_PIVOT && !pivot_aggregates(analyzer, group, &written))
        return NULL;
    if (!group->sql)
        written = joined(analyzer->arena, group->groupings, written);
    if (!select_columns(analyzer, input, written, &columns))
        return NULL;
    struct scope scope;
    scope_init(analyzer, &scope, input);
    const struct expression **aliases = arena_allocate(analyzer->arena, columns.count * sizeof *aliases);
    for (size_t i = 0; i < columns.count; i++)
        if (columns.items[i]->node.tag == EXPRESSION_ALIAS)
            aliases[scope.alias_count++] = columns.items[i];
    scope.aliases = aliases;
    if (!resolve_groupings(analyzer, group, &scope, group->groupings, columns, &groupings))
        return NULL;
    struct sets sets = {0};
    struct expression_list *lists[2] = {&groupings, &columns};
    bool good = extract_time_windows(analyzer, &input, lists, 2);
    if (!good)
        return NULL;
    if (group->type == GROUP_ROLLUP || group->type == GROUP_CUBE) {
        if (groupings.count > 12)
            good = unsupported(
                analyzer, group->base.node.origin, "CUBE or ROLLUP of more than 12 columns", "Use GROUPING SETS.");
        else
            rollup_sets(&sets, groupings.count, group->type == GROUP_CUBE);
    } else if (group->type == GROUP_SETS) {
        good = resolve_sets(analyzer, group, &scope, columns, &groupings, &sets);
    }
    const struct expression *having =
        group->having == NULL || !good ? NULL : resolve_condition(analyzer, &scope, group->having);
    if (good && (group->having == NULL || having != NULL))
        result = aggregate_select(analyzer, input, groupings, columns, having, sets.masks.count > 0 ? &sets : NULL);
    VECTOR_FREE(&sets.masks);
    return result;
}
