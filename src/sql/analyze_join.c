/* Joins (ON, USING, NATURAL, CROSS), set operations. */
#include "sql/analyze.h"

#include "base/vector.h"

static const struct relation *make_join(struct analyzer *analyzer, const struct relation *left,
    const struct relation *right, enum join_type type, const struct expression *condition) {
    struct relation_join *join = relation_join_new(analyzer->arena);
    bool only_left = type == JOIN_LEFT_SEMI || type == JOIN_LEFT_ANTI || type == JOIN_EXISTENCE;
    size_t count = left->output_count + (type == JOIN_EXISTENCE ? 1 : only_left ? 0 : right->output_count);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, count);
    for (size_t i = 0; i < left->output_count; i++) {
        output[i] = left->output[i];
        output[i].nullable |= type == JOIN_RIGHT || type == JOIN_FULL;
    }
    for (size_t i = left->output_count; !only_left && i < count; i++) {
        output[i] = right->output[i - left->output_count];
        output[i].nullable |= type == JOIN_LEFT || type == JOIN_FULL || type == JOIN_LEFT_SINGLE;
    }
    if (type == JOIN_EXISTENCE)
        output[count - 1] = (struct attribute){
            .id = analyzer_new_id(analyzer), .name = BYTES("exists"), .type = type_simple(TYPE_BOOLEAN)};
    join->left = left;
    join->right = right;
    join->type = type;
    join->condition = condition;
    join->base.analyzed = true;
    join->base.output = output;
    join->base.output_count = count;
    return &join->base;
}

const struct relation *new_join(struct analyzer *analyzer, const struct relation *left, const struct relation *right,
    enum join_type type, const struct expression *condition) {
    return make_join(analyzer, left, right, type, condition);
}

static const struct attribute *using_column(struct analyzer *analyzer, const struct relation *side, struct bytes name,
    const char *which, const struct node *place) {
    const struct attribute *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < side->output_count; i++) {
        if (side->output[i].hidden || !bytes_equal_ignore_case(side->output[i].name, name))
            continue;
        found = &side->output[i];
        matches++;
    }
    if (matches == 1)
        return found;
    if (matches > 1) {
        raise_ambiguous_reference(analyzer->error, quote_name(analyzer->arena, name),
            arena_printf(analyzer->arena, "[%s]", quote_name(analyzer->arena, name)));
    } else {
        const char *names = "";
        for (size_t i = 0; i < side->output_count; i++)
            names = arena_printf(
                analyzer->arena, "%s%s%s", names, i > 0 ? ", " : "", quote_name(analyzer->arena, side->output[i].name));
        raise_unresolved_using_column_for_join(analyzer->error, quote_name(analyzer->arena, name), which, names);
    }
    fail_at(analyzer, place);
    return NULL;
}

static bool is_using(const struct attribute *attribute, const struct attribute *const *columns, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (columns[i]->id == attribute->id)
            return true;
    return false;
}

/* The project above a USING join: the shared columns once, then the rest of both sides, then the other side's shared
 * columns, hidden. */
static const struct relation *project_using(struct analyzer *analyzer, const struct relation *join,
    const struct relation *left, enum join_type type, const struct attribute *const *lefts,
    const struct attribute *const *rights, size_t count) {
    bool only_left = type == JOIN_LEFT_SEMI || type == JOIN_LEFT_ANTI;
    VECTOR(const struct expression *) items = {0};
    VECTOR(bool) hidden = {0};
    for (size_t i = 0; i < count; i++) {
        const struct expression *a = NULL, *b = NULL;
        for (size_t j = 0; j < join->output_count; j++) {
            if (join->output[j].id == lefts[i]->id)
                a = column_of(analyzer->arena, &join->output[j]);
            if (join->output[j].id == rights[i]->id)
                b = column_of(analyzer->arena, &join->output[j]);
        }
        const struct expression *key = type == JOIN_RIGHT ? b : a;
        if (type == JOIN_FULL)
            key = make_alias(analyzer, make_call(analyzer, &join->node, "coalesce", 2, a, b), lefts[i]->name);
        VECTOR_PUSH(&items, key);
        VECTOR_PUSH(&hidden, false);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < join->output_count; i++) {
            const struct attribute *attribute = &join->output[i];
            bool of_left = i < left->output_count;
            bool key = is_using(attribute, of_left ? lefts : rights, count);
            bool shown = key && type != JOIN_FULL && (of_left == (type != JOIN_RIGHT));
            if (shown || key != (pass == 1) || (only_left && !of_left))
                continue;
            VECTOR_PUSH(&items, column_of(analyzer->arena, attribute));
            VECTOR_PUSH(&hidden, pass == 1 || attribute->hidden);
        }
    }
    const struct relation *project =
        make_project(analyzer, join, expressions_make(analyzer->arena, items.items, items.count));
    struct attribute *output = (struct attribute *)(uintptr_t)project->output;
    for (size_t i = 0; i < items.count; i++)
        output[i].hidden = hidden.items[i];
    VECTOR_FREE(&items);
    VECTOR_FREE(&hidden);
    return project;
}

static const struct relation *join_using(struct analyzer *analyzer, const struct relation_join *written,
    const struct relation *left, const struct relation *right, struct bytes_list names) {
    const struct attribute **lefts = arena_allocate(analyzer->arena, names.count * sizeof *lefts);
    const struct attribute **rights = arena_allocate(analyzer->arena, names.count * sizeof *rights);
    const struct expression *condition = NULL;
    for (size_t i = 0; i < names.count; i++) {
        lefts[i] = using_column(analyzer, left, names.items[i], "left", &written->base.node);
        rights[i] =
            lefts[i] == NULL ? NULL : using_column(analyzer, right, names.items[i], "right", &written->base.node);
        if (rights[i] == NULL)
            return NULL;
        const struct expression *equal = make_call(analyzer, &written->base.node, "=", 2,
            column_of(analyzer->arena, lefts[i]), column_of(analyzer->arena, rights[i]));
        if (equal == NULL)
            return NULL;
        condition = condition == NULL ? equal : make_call(analyzer, &written->base.node, "and", 2, condition, equal);
    }
    enum join_type type = written->type == JOIN_CROSS ? JOIN_INNER : written->type;
    const struct relation *join = make_join(analyzer, left, right, type, condition);
    return project_using(analyzer, join, left, type, lefts, rights, names.count);
}

static struct bytes_list natural_names(
    struct analyzer *analyzer, const struct relation *left, const struct relation *right) {
    VECTOR(struct bytes) names = {0};
    for (size_t i = 0; i < left->output_count; i++)
        for (size_t j = 0; j < right->output_count; j++)
            if (!left->output[i].hidden && !right->output[j].hidden &&
                bytes_equal_ignore_case(left->output[i].name, right->output[j].name))
                VECTOR_PUSH(&names, left->output[i].name);
    struct bytes_list list = names_make(analyzer->arena, names.items, names.count);
    VECTOR_FREE(&names);
    return list;
}

const struct relation *analyze_join(struct analyzer *analyzer, const struct relation_join *written) {
    const struct relation *left = analyze(analyzer, written->left);
    if (left == NULL)
        return NULL;
    if (written->lateral) {
        unsupported(analyzer, written->base.node.origin, "LATERAL join", "Use LATERAL VIEW or a correlated subquery.");
        return NULL;
    }
    const struct relation *right = analyze(analyzer, written->right);
    if (right == NULL)
        return NULL;
    if (written->natural || written->using.count > 0) {
        struct bytes_list names = written->natural ? natural_names(analyzer, left, right) : written->using;
        if (names.count > 0)
            return join_using(analyzer, written, left, right, names);
    }
    const struct relation *both = make_join(analyzer, left, right, JOIN_INNER, NULL);
    const struct expression *condition = NULL;
    if (written->condition != NULL) {
        struct scope scope;
        scope_init(analyzer, &scope, both);
        condition = resolve_condition(analyzer, &scope, written->condition);
        if (condition == NULL)
            return NULL;
        if (has_tag(condition, EXPRESSION_SUBQUERY)) {
            unsupported(analyzer, written->condition->node.origin, "A subquery in a join condition",
                "Join with the subquery itself.");
            return NULL;
        }
    }
    return make_join(analyzer, left, right,
        written->type == JOIN_CROSS && condition != NULL ? JOIN_INNER : written->type, condition);
}

/* ---- Set operations ---- */

static const char *set_name(const struct relation_set_operation *operation) {
    return operation->kind == SET_UNION       ? "UNION"
           : operation->kind == SET_INTERSECT ? (operation->all ? "INTERSECT ALL" : "INTERSECT")
           : operation->all                   ? "EXCEPT ALL"
                                              : "EXCEPT";
}

/* The right side's columns in the left side's order of names; missing ones null when that is allowed. */
static const struct relation *by_name(struct analyzer *analyzer, const struct relation_set_operation *operation,
    const struct relation *left, const struct relation *right) {
    VECTOR(const struct expression *) items = {0};
    for (size_t i = 0; i < left->output_count; i++) {
        const struct expression *found = NULL;
        for (size_t j = 0; j < right->output_count && found == NULL; j++)
            if (bytes_equal_ignore_case(left->output[i].name, right->output[j].name))
                found = column_of(analyzer->arena, &right->output[j]);
        if (found == NULL && operation->allow_missing)
            found = make_alias(analyzer, literal_null(analyzer->arena, left->output[i].type), left->output[i].name);
        if (found == NULL) {
            const char *names = "";
            for (size_t j = 0; j < right->output_count; j++)
                names = arena_printf(analyzer->arena, "%s%s%s", names, j > 0 ? ", " : "",
                    quote_name(analyzer->arena, right->output[j].name));
            raise_unresolved_column_with_suggestion(
                analyzer->error, quote_name(analyzer->arena, left->output[i].name), names);
            VECTOR_FREE(&items);
            return NULL;
        }
        VECTOR_PUSH(&items, found);
    }
    for (size_t j = 0; operation->allow_missing && j < right->output_count; j++) {
        bool known = false;
        for (size_t i = 0; i < left->output_count; i++)
            known |= bytes_equal_ignore_case(left->output[i].name, right->output[j].name);
        if (!known)
            VECTOR_PUSH(&items, column_of(analyzer->arena, &right->output[j]));
    }
    const struct relation *project =
        make_project(analyzer, right, expressions_make(analyzer->arena, items.items, items.count));
    VECTOR_FREE(&items);
    return project;
}

/* The left side with null columns for what only the right one has. */
static const struct relation *with_missing(
    struct analyzer *analyzer, const struct relation *left, const struct relation *right) {
    VECTOR(const struct expression *) items = {0};
    struct expression_list columns = columns_of(analyzer->arena, left);
    for (size_t i = 0; i < columns.count; i++)
        VECTOR_PUSH(&items, columns.items[i]);
    for (size_t j = 0; j < right->output_count; j++) {
        bool known = false;
        for (size_t i = 0; i < left->output_count; i++)
            known |= bytes_equal_ignore_case(left->output[i].name, right->output[j].name);
        if (!known)
            VECTOR_PUSH(&items,
                make_alias(analyzer, literal_null(analyzer->arena, right->output[j].type), right->output[j].name));
    }
    const struct relation *project =
        items.count == left->output_count
            ? left
            : make_project(analyzer, left, expressions_make(analyzer->arena, items.items, items.count));
    VECTOR_FREE(&items);
    return project;
}

static const struct relation *cast_columns(
    struct analyzer *analyzer, const struct relation *relation, const struct type *const *types) {
    const struct expression **items = columns_of(analyzer->arena, relation).items;
    bool changed = false;
    for (size_t i = 0; i < relation->output_count; i++) {
        if (type_equal_ignoring_nullability(relation->output[i].type, types[i]))
            continue;
        items[i] = make_alias(analyzer, cast_to(analyzer, items[i], types[i]), relation->output[i].name);
        changed = true;
    }
    return changed ? make_project(analyzer, relation, (struct expression_list){items, relation->output_count})
                   : relation;
}

static bool common_columns(struct analyzer *analyzer, const struct relation_set_operation *operation,
    const struct relation **left, const struct relation **right) {
    static const char *const ordinals[] = {
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"};
    struct arena *arena = analyzer->arena;
    size_t count = (*left)->output_count;
    if ((*right)->output_count != count) {
        raise_num_columns_mismatch(analyzer->error, set_name(operation), arena_printf(arena, "%zu", count), "second",
            arena_printf(arena, "%zu", (*right)->output_count));
        return fail_at(analyzer, &operation->base.node);
    }
    const struct type **types = arena_allocate(arena, count * sizeof *types);
    for (size_t i = 0; i < count; i++) {
        types[i] = common_type(analyzer, (*left)->output[i].type, (*right)->output[i].type);
        if (types[i] != NULL)
            continue;
        raise_incompatible_column_type(analyzer->error, set_name(operation),
            i < 10 ? ordinals[i] : arena_printf(arena, "%zuth", i + 1), "second",
            quote_type(arena, (*right)->output[i].type), quote_type(arena, (*left)->output[i].type), "");
        return fail_at(analyzer, &operation->base.node);
    }
    *left = cast_columns(analyzer, *left, types);
    *right = cast_columns(analyzer, *right, types);
    return true;
}

static const struct relation *make_union(
    struct analyzer *analyzer, const struct relation *left, const struct relation *right) {
    struct relation_union *node = relation_union_new(analyzer->arena);
    VECTOR(const struct relation *) inputs = {0};
    const struct relation_union *flat = left->node.tag == RELATION_UNION ? relation_union_of(left) : NULL;
    for (size_t i = 0; flat != NULL && i < flat->inputs.count; i++)
        VECTOR_PUSH(&inputs, flat->inputs.items[i]);
    if (flat == NULL)
        VECTOR_PUSH(&inputs, left);
    VECTOR_PUSH(&inputs, right);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, left->output_count);
    for (size_t i = 0; i < left->output_count; i++) {
        output[i] = left->output[i];
        output[i].nullable |= right->output[i].nullable;
        output[i].qualifier_count = 0;
        output[i].id = analyzer_new_id(analyzer);
    }
    node->inputs = relations_make(analyzer->arena, inputs.items, inputs.count);
    node->base.analyzed = true;
    node->base.output = output;
    node->base.output_count = left->output_count;
    VECTOR_FREE(&inputs);
    return &node->base;
}

/* The input with one more column: the how-manieth row of its kind each row is. Rows are of one kind as GROUP BY has
 * it. */
static const struct relation *with_occurrence(
    struct analyzer *analyzer, const struct node *place, const struct relation *input) {
    struct arena *arena = analyzer->arena;
    struct expression_function *number = expression_function_new(arena);
    number->name = BYTES("row_number");
    number->base.node.origin = place->origin;
    struct expression_sort_order *order = expression_sort_order_new(arena);
    order->child = literal_int(arena, 1);
    const struct expression *order_item = &order->base;
    struct expression_window *window = expression_window_new(arena);
    window->function = &number->base;
    window->partition = columns_of(arena, input);
    window->order = expressions_make(arena, &order_item, 1);
    struct scope scope;
    scope_init(analyzer, &scope, input);
    const struct expression *occurrence = resolve(analyzer, &scope, &window->base);
    if (occurrence == NULL)
        return NULL;
    struct expression_list columns = columns_of(arena, input);
    const struct expression **items = arena_allocate(arena, (columns.count + 1) * sizeof *items);
    for (size_t i = 0; i < columns.count; i++)
        items[i] = columns.items[i];
    items[columns.count] = make_alias(analyzer, occurrence, BYTES("occurrence"));
    return finish_select(analyzer, input, (struct expression_list){items, columns.count + 1});
}

/* INTERSECT and EXCEPT keep the left rows that have, or lack, an equal one on the right, nulls being equal. With ALL
 * the n-th of equal rows on the left is matched with the n-th on the right. */
static const struct relation *match_sides(struct analyzer *analyzer, const struct relation_set_operation *operation,
    const struct relation *left, const struct relation *right) {
    const struct node *place = &operation->base.node;
    const struct expression *condition = NULL;
    size_t width = left->output_count;
    if (operation->all) {
        left = with_occurrence(analyzer, place, left);
        right = left == NULL ? NULL : with_occurrence(analyzer, place, right);
        if (right == NULL)
            return NULL;
    }
    for (size_t i = 0; i < left->output_count; i++) {
        const struct expression *same = make_call(analyzer, place, "<=>", 2,
            column_of(analyzer->arena, &left->output[i]), column_of(analyzer->arena, &right->output[i]));
        if (same == NULL)
            return NULL;
        condition = condition == NULL ? same : make_call(analyzer, place, "and", 2, condition, same);
    }
    const struct relation *matched =
        make_join(analyzer, left, right, operation->kind == SET_INTERSECT ? JOIN_LEFT_SEMI : JOIN_LEFT_ANTI, condition);
    return operation->all ? make_prefix(analyzer, matched, width) : make_distinct(analyzer, matched);
}

const struct relation *analyze_set_operation(
    struct analyzer *analyzer, const struct relation_set_operation *operation) {
    const struct relation *left = analyze(analyzer, operation->left);
    const struct relation *right = left == NULL ? NULL : analyze(analyzer, operation->right);
    if (right == NULL)
        return NULL;
    if (operation->kind == SET_INTERSECT ? relation_is_streaming(left) || relation_is_streaming(right)
                                         : operation->kind == SET_EXCEPT && relation_is_streaming(right)) {
        raise__legacy_error_temp_3102(
            analyzer->error, operation->kind == SET_INTERSECT
                                 ? "Intersect of streaming DataFrames/Datasets is not supported;"
                                 : "Except on a streaming DataFrame/Dataset on the right is not supported;");
        return NULL;
    }
    if (operation->by_name) {
        if (operation->allow_missing)
            left = with_missing(analyzer, left, right);
        right = by_name(analyzer, operation, left, right);
        if (right == NULL)
            return NULL;
    }
    if (!common_columns(analyzer, operation, &left, &right))
        return NULL;
    if (operation->kind == SET_UNION) {
        const struct relation *all = make_union(analyzer, left, right);
        return operation->all ? all : make_distinct(analyzer, all);
    }
    return match_sides(analyzer, operation, left, right);
}
