/* Only columns that something above uses are read, computed and carried: from the top down with the set of wanted ids.
 * Also inside from_json: fields of its struct that nobody takes are not parsed (only without options, as a mode may ask
 * to look at the whole record). */
#include "sql/optimize.h"

#include "base/vector.h"

struct wanted {
    VECTOR(uint32_t) ids;
};

static bool is_wanted(const struct wanted *wanted, uint32_t id) {
    for (size_t i = 0; i < wanted->ids.count; i++)
        if (wanted->ids.items[i] == id)
            return true;
    return false;
}

static void want(struct wanted *wanted, uint32_t id) {
    if (!is_wanted(wanted, id))
        VECTOR_PUSH(&wanted->ids, id);
}

static enum walk want_column(const struct node *node, void *context) {
    if (node->tag == EXPRESSION_COLUMN)
        want(context, ((const struct expression_column *)node)->id);
    return WALK_CONTINUE;
}

static void want_expression(struct wanted *wanted, const struct expression *expression) {
    if (expression != NULL)
        node_walk(&expression->node, want_column, NULL, wanted);
}

static void want_list(struct wanted *wanted, struct expression_list list) {
    for (size_t i = 0; i < list.count; i++)
        want_expression(wanted, list.items[i]);
}

static void want_output(struct wanted *wanted, const struct relation *relation) {
    for (size_t i = 0; i < relation->output_count; i++)
        want(wanted, relation->output[i].id);
}

static void want_same(struct wanted *wanted, const struct wanted *other) {
    for (size_t i = 0; i < other->ids.count; i++)
        want(wanted, other->ids.items[i]);
}

static const struct relation *prune(
    struct optimizer *optimizer, const struct relation *relation, const struct wanted *wanted);

/* ---- from_json ---- */

struct field_uses {
    uint32_t id;
    bool *used; /* by ordinal */
    bool whole; /* the struct itself is used */
    int32_t *new_ordinals;
    const struct type *type;
};

static enum walk note_field(const struct node *node, void *context) {
    struct field_uses *uses = context;
    if (node->tag == EXPRESSION_FIELD) {
        const struct expression_field *field = (const struct expression_field *)node;
        if (field->child->node.tag == EXPRESSION_COLUMN && expression_column_of(field->child)->id == uses->id) {
            uses->used[field->ordinal] = true;
            return WALK_PRUNE;
        }
    }
    uses->whole |= node->tag == EXPRESSION_COLUMN && ((const struct expression_column *)node)->id == uses->id;
    return WALK_CONTINUE;
}

static const struct node *renumber_field(struct arena *arena, const struct node *node, void *context) {
    struct field_uses *uses = context;
    if (node->tag != EXPRESSION_FIELD)
        return node_map(arena, node, renumber_field, context);
    const struct expression_field *field = (const struct expression_field *)node;
    if (field->child->node.tag != EXPRESSION_COLUMN || expression_column_of(field->child)->id != uses->id)
        return node_map(arena, node, renumber_field, context);
    struct expression_field *copy = (struct expression_field *)node_clone(arena, node);
    struct expression_column *column = (struct expression_column *)node_clone(arena, &field->child->node);
    column->base.type = uses->type;
    copy->child = &column->base;
    copy->ordinal = uses->new_ordinals[field->ordinal];
    return &copy->base.node;
}

static bool can_shrink(const struct expression *expression) {
    const struct expression *child = expression_strip(expression);
    if (expression->node.tag != EXPRESSION_ALIAS || !is_call_of(child, FUNCTION_FROM_JSON) ||
        child->type->kind != TYPE_STRUCT)
        return false;
    return expression_call_of(child)->arguments.count == 1;
}

/* upper over lower: shrinks one from_json of lower, rewrites upper's columns. */
static void shrink_json(
    struct optimizer *optimizer, struct relation_project *upper, struct relation_project *lower, size_t index) {
    struct expression_alias *alias =
        (struct expression_alias *)node_clone(optimizer->arena, &lower->columns.items[index]->node);
    struct expression_call *call = (struct expression_call *)node_clone(optimizer->arena, &alias->child->node);
    const struct type *type = call->base.type;
    struct field_uses uses = {.id = alias->id, .used = ARENA_ARRAY(optimizer->arena, bool, type->field_count + 1)};
    for (size_t i = 0; i < upper->columns.count; i++)
        node_walk(&upper->columns.items[i]->node, note_field, NULL, &uses);
    size_t kept = 0;
    uses.new_ordinals = ARENA_ARRAY(optimizer->arena, int32_t, type->field_count);
    struct type_field *fields = ARENA_ARRAY(optimizer->arena, struct type_field, type->field_count);
    for (size_t i = 0; i < type->field_count; i++) {
        if (!uses.used[i])
            continue;
        uses.new_ordinals[i] = (int32_t)kept;
        fields[kept++] = type->fields[i];
    }
    if (uses.whole || kept == type->field_count || kept == 0)
        return;
    uses.type = type_struct(optimizer->arena, fields, kept);
    call->base.type = alias->base.type = uses.type;
    alias->child = &call->base;
    const struct expression **columns =
        expressions_make(optimizer->arena, lower->columns.items, lower->columns.count).items;
    columns[index] = &alias->base;
    lower->columns.items = columns;
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, lower->base.output_count);
    memcpy(output, lower->base.output, lower->base.output_count * sizeof *output);
    output[index].type = uses.type;
    lower->base.output = output;
    const struct expression **uppers = arena_allocate(optimizer->arena, upper->columns.count * sizeof *uppers);
    for (size_t i = 0; i < upper->columns.count; i++)
        uppers[i] = (const struct expression *)renumber_field(optimizer->arena, &upper->columns.items[i]->node, &uses);
    upper->columns.items = uppers;
}

static void shrink_all_json(struct optimizer *optimizer, struct relation_project *upper) {
    if (upper->input->node.tag != RELATION_PROJECT)
        return;
    struct relation_project *lower = (struct relation_project *)clone_relation(optimizer, upper->input);
    upper->input = &lower->base;
    for (size_t i = 0; i < lower->columns.count; i++)
        if (can_shrink(lower->columns.items[i]))
            shrink_json(optimizer, upper, lower, i);
}

/* ---- Relations ---- */

static const struct relation *prune_project(
    struct optimizer *optimizer, const struct relation_project *project, const struct wanted *wanted) {
    struct relation_project *copy = (struct relation_project *)clone_relation(optimizer, &project->base);
    const struct expression **columns = arena_allocate(optimizer->arena, project->columns.count * sizeof *columns);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, project->columns.count);
    size_t count = 0;
    for (size_t i = 0; i < project->columns.count; i++) {
        if (!is_wanted(wanted, project->base.output[i].id))
            continue;
        output[count] = project->base.output[i];
        columns[count++] = project->columns.items[i];
    }
    copy->columns = (struct expression_list){columns, count};
    copy->base.output = output;
    copy->base.output_count = count;
    shrink_all_json(optimizer, copy);
    struct wanted below = {0};
    want_list(&below, copy->columns);
    copy->input = prune(optimizer, copy->input, &below);
    VECTOR_FREE(&below.ids);
    return &copy->base;
}

static const struct relation *prune_scan(
    struct optimizer *optimizer, const struct relation_scan *scan, const struct wanted *wanted) {
    struct relation_scan *copy = (struct relation_scan *)clone_relation(optimizer, &scan->base);
    struct bytes *names = ARENA_ARRAY(optimizer->arena, struct bytes, scan->columns.count);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, scan->columns.count);
    size_t count = 0, cheapest = 0;
    for (size_t i = 0; i < scan->columns.count; i++) {
        if (type_value_size(scan->base.output[i].type) > 0 &&
            (type_value_size(scan->base.output[i].type) < type_value_size(scan->base.output[cheapest].type) ||
                type_value_size(scan->base.output[cheapest].type) == 0))
            cheapest = i;
        if (!is_wanted(wanted, scan->base.output[i].id))
            continue;
        output[count] = scan->base.output[i];
        names[count++] = scan->columns.items[i];
    }
    /* Rows must still be counted: one column stays. */
    if (count == 0 && scan->columns.count > 0) {
        output[count] = scan->base.output[cheapest];
        names[count++] = scan->columns.items[cheapest];
    }
    copy->columns = (struct bytes_list){names, count};
    copy->base.output = output;
    copy->base.output_count = count;
    return &copy->base;
}

static const struct relation *prune_aggregate(
    struct optimizer *optimizer, const struct relation_aggregate *aggregate, const struct wanted *wanted) {
    struct relation_aggregate *copy = (struct relation_aggregate *)clone_relation(optimizer, &aggregate->base);
    size_t groups = aggregate->groupings.count, count = groups;
    const struct expression **calls = arena_allocate(optimizer->arena, aggregate->calls.count * sizeof *calls);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, aggregate->base.output_count);
    for (size_t i = 0; i < groups; i++)
        output[i] = aggregate->base.output[i];
    for (size_t i = 0; i < aggregate->calls.count; i++) {
        if (!is_wanted(wanted, aggregate->base.output[groups + i].id))
            continue;
        calls[count - groups] = aggregate->calls.items[i];
        output[count++] = aggregate->base.output[groups + i];
    }
    copy->calls = (struct expression_list){calls, count - groups};
    copy->base.output = output;
    copy->base.output_count = count;
    struct wanted below = {0};
    want_list(&below, copy->groupings);
    want_list(&below, copy->calls);
    copy->input = prune(optimizer, aggregate->input, &below);
    VECTOR_FREE(&below.ids);
    return &copy->base;
}

static const struct relation *prune_join(
    struct optimizer *optimizer, const struct relation_join *join, const struct wanted *wanted) {
    struct relation_join *copy = (struct relation_join *)clone_relation(optimizer, &join->base);
    struct wanted below = {0};
    want_same(&below, wanted);
    want_expression(&below, join->condition);
    copy->left = prune(optimizer, join->left, &below);
    copy->right = prune(optimizer, join->right, &below);
    VECTOR_FREE(&below.ids);
    size_t count = 0;
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, join->base.output_count + 1);
    bool only_left = join->type == JOIN_LEFT_SEMI || join->type == JOIN_LEFT_ANTI || join->type == JOIN_EXISTENCE;
    const struct relation *sides[2] = {copy->left, only_left ? NULL : copy->right};
    /* Nullability is the join's: attributes come from its own output, in the sides' new order. */
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; sides[side] != NULL && i < sides[side]->output_count; i++) {
            output[count] = sides[side]->output[i];
            for (size_t j = 0; j < join->base.output_count; j++)
                if (join->base.output[j].id == output[count].id)
                    output[count] = join->base.output[j];
            count++;
        }
    }
    if (join->type == JOIN_EXISTENCE)
        output[count++] = join->base.output[join->base.output_count - 1];
    copy->base.output = output;
    copy->base.output_count = count;
    return &copy->base;
}

/* Exactly the columns with these ids, in this order. */
static const struct relation *exactly(struct optimizer *optimizer, const struct relation *relation,
    const struct attribute *const *attributes, size_t count) {
    bool same = relation->output_count == count;
    for (size_t i = 0; i < count && same; i++)
        same = relation->output[i].id == attributes[i]->id;
    if (same)
        return relation;
    struct relation_project *project = relation_project_new(optimizer->arena);
    const struct expression **columns = arena_allocate(optimizer->arena, count * sizeof *columns);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, count);
    for (size_t i = 0; i < count; i++) {
        struct expression_column *column = expression_column_new(optimizer->arena);
        output[i] = *attributes[i];
        column->id = attributes[i]->id;
        column->name = attributes[i]->name;
        column->ordinal = -1;
        column->base.type = attributes[i]->type;
        column->base.nullable = attributes[i]->nullable;
        columns[i] = &column->base;
    }
    project->input = relation;
    project->columns = (struct expression_list){columns, count};
    project->base.analyzed = true;
    project->base.output = output;
    project->base.output_count = count;
    return &project->base;
}

static const struct relation *prune_union(
    struct optimizer *optimizer, const struct relation_union *node, const struct wanted *wanted) {
    struct relation_union *copy = (struct relation_union *)clone_relation(optimizer, &node->base);
    const struct relation **inputs = arena_allocate(optimizer->arena, node->inputs.count * sizeof *inputs);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, node->base.output_count);
    size_t *places = ARENA_ARRAY(optimizer->arena, size_t, node->base.output_count), count = 0;
    for (size_t i = 0; i < node->base.output_count; i++)
        if (is_wanted(wanted, node->base.output[i].id))
            places[count++] = i;
    if (count == 0)
        places[count++] = 0;
    for (size_t i = 0; i < count; i++)
        output[i] = node->base.output[places[i]];
    for (size_t i = 0; i < node->inputs.count; i++) {
        const struct relation *input = node->inputs.items[i];
        const struct attribute **attributes = arena_allocate(optimizer->arena, count * sizeof *attributes);
        struct wanted below = {0};
        for (size_t j = 0; j < count; j++) {
            attributes[j] = &input->output[places[j]];
            want(&below, attributes[j]->id);
        }
        inputs[i] = exactly(optimizer, prune(optimizer, input, &below), attributes, count);
        VECTOR_FREE(&below.ids);
    }
    copy->inputs.items = inputs;
    copy->base.output = output;
    copy->base.output_count = node->base.output_count == 0 ? 0 : count;
    return &copy->base;
}

static const struct relation *prune_expand(
    struct optimizer *optimizer, const struct relation_expand *expand, const struct wanted *wanted) {
    struct relation_expand *copy = (struct relation_expand *)clone_relation(optimizer, &expand->base);
    size_t width = expand->base.output_count, rows = expand->columns.count / width, count = 0;
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, width);
    const struct expression **columns = arena_allocate(optimizer->arena, expand->columns.count * sizeof *columns);
    size_t *places = ARENA_ARRAY(optimizer->arena, size_t, width);
    for (size_t i = 0; i < width; i++) {
        if (!is_wanted(wanted, expand->base.output[i].id) && !(i + 1 == width && count == 0))
            continue;
        places[count] = i;
        output[count++] = expand->base.output[i];
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < count; i++)
            columns[row * count + i] = expand->columns.items[row * width + places[i]];
    copy->columns = (struct expression_list){columns, rows * count};
    copy->base.output = output;
    copy->base.output_count = count;
    struct wanted below = {0};
    want_list(&below, copy->columns);
    copy->input = prune(optimizer, expand->input, &below);
    VECTOR_FREE(&below.ids);
    return &copy->base;
}

/* generate and windows: the input's columns, then their own. */
static const struct relation *prune_wider(struct optimizer *optimizer, const struct relation *relation,
    const struct relation *input, size_t offset, struct wanted *below) {
    struct relation *copy = clone_relation(optimizer, relation);
    const struct relation *pruned = prune(optimizer, input, below);
    size_t own = relation->output_count - input->output_count;
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, pruned->output_count + own);
    for (size_t i = 0; i < pruned->output_count; i++)
        output[i] = pruned->output[i];
    for (size_t i = 0; i < own; i++)
        output[pruned->output_count + i] = relation->output[input->output_count + i];
    *(const struct relation **)((char *)copy + offset) = pruned;
    copy->output = output;
    copy->output_count = pruned->output_count + own;
    VECTOR_FREE(&below->ids);
    return copy;
}

/* One input whose columns all pass. */
static const struct relation *prune_same(struct optimizer *optimizer, const struct relation *relation,
    const struct relation *input, size_t offset, struct wanted *below) {
    struct relation *copy = clone_relation(optimizer, relation);
    const struct relation *pruned = prune(optimizer, input, below);
    *(const struct relation **)((char *)copy + offset) = pruned;
    copy->output = pruned->output;
    copy->output_count = pruned->output_count;
    VECTOR_FREE(&below->ids);
    return copy;
}

/* Its columns keep the metadata that it gave them. */
static const struct relation *prune_watermark(
    struct optimizer *optimizer, const struct relation_with_watermark *watermark, struct wanted *below) {
    struct relation_with_watermark *copy =
        (struct relation_with_watermark *)clone_relation(optimizer, &watermark->base);
    copy->input = prune(optimizer, watermark->input, below);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, copy->input->output_count + 1);
    for (size_t i = 0; i < copy->input->output_count; i++) {
        output[i] = copy->input->output[i];
        for (size_t j = 0; j < watermark->base.output_count; j++)
            if (watermark->base.output[j].id == output[i].id)
                output[i] = watermark->base.output[j];
    }
    copy->base.output = output;
    copy->base.output_count = copy->input->output_count;
    VECTOR_FREE(&below->ids);
    return &copy->base;
}

static const struct relation *prune(
    struct optimizer *optimizer, const struct relation *relation, const struct wanted *wanted) {
    struct wanted below = {0};
    switch (relation->node.tag) {
    case RELATION_PROJECT:
        return prune_project(optimizer, relation_project_of(relation), wanted);
    case RELATION_SCAN:
        return prune_scan(optimizer, relation_scan_of(relation), wanted);
    case RELATION_AGGREGATE:
        return prune_aggregate(optimizer, relation_aggregate_of(relation), wanted);
    case RELATION_JOIN:
        return prune_join(optimizer, relation_join_of(relation), wanted);
    case RELATION_UNION:
        return prune_union(optimizer, relation_union_of(relation), wanted);
    case RELATION_EXPAND:
        return prune_expand(optimizer, relation_expand_of(relation), wanted);
    case RELATION_FILTER:
        want_same(&below, wanted);
        want_expression(&below, relation_filter_of(relation)->condition);
        return prune_same(
            optimizer, relation, relation_filter_of(relation)->input, offsetof(struct relation_filter, input), &below);
    case RELATION_SORT:
        want_same(&below, wanted);
        want_list(&below, relation_sort_of(relation)->orders);
        return prune_same(
            optimizer, relation, relation_sort_of(relation)->input, offsetof(struct relation_sort, input), &below);
    case RELATION_REPARTITION:
        want_same(&below, wanted);
        want_list(&below, relation_repartition_of(relation)->expressions);
        return prune_same(optimizer, relation, relation_repartition_of(relation)->input,
            offsetof(struct relation_repartition, input), &below);
    case RELATION_LIMIT:
        want_same(&below, wanted);
        return prune_same(
            optimizer, relation, relation_limit_of(relation)->input, offsetof(struct relation_limit, input), &below);
    case RELATION_TAIL:
        want_same(&below, wanted);
        return prune_same(
            optimizer, relation, relation_tail_of(relation)->input, offsetof(struct relation_tail, input), &below);
    case RELATION_SAMPLE:
        want_same(&below, wanted);
        return prune_same(
            optimizer, relation, relation_sample_of(relation)->input, offsetof(struct relation_sample, input), &below);
    case RELATION_GENERATE:
        want_same(&below, wanted);
        want_expression(&below, relation_generate_of(relation)->generator);
        return prune_wider(optimizer, relation, relation_generate_of(relation)->input,
            offsetof(struct relation_generate, input), &below);
    case RELATION_PYTHON_EVAL:
        want_same(&below, wanted);
        want_list(&below, relation_python_eval_of(relation)->functions);
        return prune_wider(optimizer, relation, relation_python_eval_of(relation)->input,
            offsetof(struct relation_python_eval, input), &below);
    case RELATION_PYTHON_MAP: {
        struct relation_python_map *copy = (struct relation_python_map *)clone_relation(optimizer, relation);
        want_expression(&below, copy->function);
        copy->input = prune(optimizer, copy->input, &below);
        VECTOR_FREE(&below.ids);
        return &copy->base;
    }
    case RELATION_COLLECT_METRICS:
        want_same(&below, wanted);
        want_list(&below, relation_collect_metrics_of(relation)->calls);
        return prune_same(optimizer, relation, relation_collect_metrics_of(relation)->input,
            offsetof(struct relation_collect_metrics, input), &below);
    case RELATION_GROUPS_WITH_STATE: {
        struct relation_groups_with_state *copy =
            (struct relation_groups_with_state *)clone_relation(optimizer, relation);
        want_output(&below, copy->input);
        copy->input = prune(optimizer, copy->input, &below);
        VECTOR_FREE(&below.ids);
        return &copy->base;
    }
    case RELATION_WINDOWS:
        want_same(&below, wanted);
        want_list(&below, relation_windows_of(relation)->functions);
        return prune_wider(optimizer, relation, relation_windows_of(relation)->input,
            offsetof(struct relation_windows, input), &below);
    case RELATION_WITH_WATERMARK:
        want_same(&below, wanted);
        want_expression(&below, relation_with_watermark_of(relation)->event_time);
        return prune_watermark(optimizer, relation_with_watermark_of(relation), &below);
    case RELATION_DEDUPLICATE:
        want_same(&below, wanted);
        want_list(&below, relation_deduplicate_of(relation)->keys);
        return prune_same(optimizer, relation, relation_deduplicate_of(relation)->input,
            offsetof(struct relation_deduplicate, input), &below);
    default:
        return relation;
    }
}

const struct relation *optimize_prune_columns(struct optimizer *optimizer, const struct relation *relation) {
    struct wanted all = {0};
    const struct attribute **attributes = arena_allocate(optimizer->arena, relation->output_count * sizeof *attributes);
    for (size_t i = 0; i < relation->output_count; i++)
        attributes[i] = &relation->output[i];
    want_output(&all, relation);
    const struct relation *pruned =
        exactly(optimizer, prune(optimizer, relation, &all), attributes, relation->output_count);
    VECTOR_FREE(&all.ids);
    return pruned;
}
