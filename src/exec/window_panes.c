/* window_panes.c: see window_panes.h. */
#include "exec/window_panes.h"

#include "sql/function.h"
#include "sql/sql.h"

/* ---- the input: an expand whose projections differ in the window's number ---- */

static const struct expression_call *window_call(const struct expression *cell) {
    cell = expression_strip(cell);
    const struct expression_call *call = cell->node.tag == EXPRESSION_CALL ? expression_call_of(cell) : NULL;
    bool found = call != NULL && call->function->id == FUNCTION_TIME_WINDOW && call->arguments.count == 5;
    for (size_t i = 1; i < 5 && found; i++) {
        found = expression_is_literal(call->arguments.items[i]);
    }
    return found ? call : NULL;
}

static int64_t literal_number(const struct expression *literal) {
    const struct column *value = expression_literal_of(literal)->value;
    return value->type->kind == TYPE_INTEGER ? *(const int32_t *)value->values : *(const int64_t *)value->values;
}

/* The column that holds the windows; SIZE_MAX when this is no expand of windows that the slide divides. */
static size_t find_window(const struct relation_expand *expand, int64_t *slide_us) {
    size_t width = expand->base.output_count, rows = expand->columns.count / width, found = SIZE_MAX;
    for (size_t i = 0; i < width; i++) {
        const struct expression_call *first = window_call(expand->columns.items[i]);
        for (size_t row = 0; row < rows; row++) {
            const struct expression *cell = expand->columns.items[row * width + i];
            const struct expression_call *call = window_call(cell);
            bool same = node_equal(&cell->node, &expand->columns.items[i]->node);
            if (first == NULL ? !same : call == NULL || literal_number(call->arguments.items[4]) != (int64_t)row) {
                return SIZE_MAX;
            }
        }
        if (first != NULL) {
            int64_t duration = literal_number(first->arguments.items[1]);
            *slide_us = literal_number(first->arguments.items[2]);
            if (found != SIZE_MAX || duration != *slide_us * (int64_t)rows) {
                return SIZE_MAX;
            }
            found = i;
        }
    }
    return rows > 1 ? found : SIZE_MAX;
}

/* ---- the aggregation ---- */

static enum walk find_column(const struct node *node, void *context) {
    bool found = node->tag == EXPRESSION_COLUMN &&
                 expression_column_of((const struct expression *)node)->ordinal == *(const int *)context;
    return found ? WALK_ABORT : WALK_CONTINUE;
}

static bool uses_column(const struct expression *expression, int ordinal) {
    return !node_walk(&expression->node, find_column, NULL, &ordinal);
}

bool window_panes_is_exact(const struct aggregate_slot *slot) {
    static const char *const always[] = {"count", "count_if", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or"};
    const struct type *type = slot->call.argument_count > 0 ? slot->call.argument_types[0] : NULL;
    const char *name = slot->entry->name;
    for (size_t i = 0; i < ARRAY_COUNT(always); i++) {
        if (strcmp(name, always[i]) == 0) {
            return !slot->distinct;
        }
    }
    bool sums = strcmp(name, "sum") == 0 || strcmp(name, "avg") == 0;
    return sums && !slot->distinct && type != NULL && (type_is_integral(type) || type->kind == TYPE_DECIMAL);
}

/* Rows with their newest window: the first projection of the expand. */
static const struct relation *first_projection(struct arena *arena, const struct relation_expand *expand) {
    struct relation_project *project = relation_project_new(arena);
    project->input = expand->input;
    project->columns = (struct expression_list){expand->columns.items, expand->base.output_count};
    project->base.analyzed = true;
    project->base.output = expand->base.output;
    project->base.output_count = expand->base.output_count;
    return &project->base;
}

struct window_panes window_panes_find(
    struct arena *arena, const struct aggregate *aggregate, const struct relation_aggregate *node) {
    struct window_panes panes = {.overlap = 1, .key = SIZE_MAX, .input = node->input};
    if (node->input == NULL || node->input->node.tag != RELATION_EXPAND) {
        return panes;
    }
    const struct relation_expand *expand = relation_expand_of(node->input);
    size_t window = find_window(expand, &panes.slide_us);
    bool good = window != SIZE_MAX;
    for (size_t i = 0; i < node->groupings.count && good; i++) {
        const struct expression *grouping = expression_strip(node->groupings.items[i]);
        if (!uses_column(grouping, (int)window)) {
            continue;
        }
        good = panes.key == SIZE_MAX && grouping->node.tag == EXPRESSION_COLUMN;
        panes.key = i;
    }
    for (size_t i = 0; i < node->calls.count && good; i++) {
        good = window_panes_is_exact(&aggregate->calls[i]) && !uses_column(node->calls.items[i], (int)window);
    }
    if (good && panes.key != SIZE_MAX) {
        panes.overlap = expand->columns.count / expand->base.output_count;
        panes.input = first_projection(arena, expand);
    }
    return panes;
}

/* ---- from panes to windows ---- */

static struct column *spread_windows(
    struct arena *arena, const struct window_panes *panes, const struct column *newest, size_t count) {
    struct column *windows = column_create(arena, newest->type, count * panes->overlap);
    for (size_t c = 0; c < 2; c++) {
        const int64_t *from = COLUMN_VALUES(newest->children[c], int64_t);
        int64_t *to = COLUMN_VALUES(windows->children[c], int64_t);
        for (size_t w = 0; w < panes->overlap; w++) {
            for (size_t i = 0; i < count; i++) {
                to[w * count + i] = from[i] - (int64_t)w * panes->slide_us;
            }
        }
    }
    return windows;
}

struct column **window_panes_spread(
    struct arena *arena, const struct window_panes *panes, struct column *const *keys, size_t key_count, size_t count) {
    struct column **spread = ARENA_ARRAY(arena, struct column *, key_count + 1);
    struct column **parts = ARENA_ARRAY(arena, struct column *, panes->overlap);
    size_t *rows = ARENA_ARRAY(arena, size_t, panes->overlap);
    for (size_t i = 0; i < key_count; i++) {
        for (size_t w = 0; w < panes->overlap; w++) {
            parts[w] = keys[i];
            rows[w] = count;
        }
        spread[i] = i == panes->key ? spread_windows(arena, panes, keys[i], count)
                                    : column_concat(arena, parts, rows, panes->overlap);
    }
    return spread;
}
