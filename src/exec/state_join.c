/* state_join.c: see state_join.h. As in Spark, a side forgets rows by the join's key when that is an event time on
 * either side; else by its own event time when the condition bounds it from below by the other side's: of
 *
 *     right_time <= left_time + interval 30 seconds     follows     left_time >= right_time - 30 seconds
 *
 * and right rows older than the watermark do not come any more. Each comparison is brought into the form "sum of terms
 * < 0"; the term of the side in question must be there once and negative, the others are the other side's event time
 * and constants. */
#include "exec/state_join.h"

#include "exec/join_condition.h"
#include "sql/function.h"
#include "sql/sql.h"

/* ---- a key with event time ---- */

static const struct attribute *key_attribute(const struct relation *side, const struct expression *key) {
    key = expression_strip(key);
    return key->node.tag == EXPRESSION_COLUMN ? &side->output[expression_column_of(key)->ordinal] : NULL;
}

static size_t key_with_time(const struct relation_join *join, const struct join_parts *parts, bool *window) {
    int64_t delay;
    for (size_t i = 0; i < parts->key_count; i++) {
        const struct attribute *left = key_attribute(join->left, parts->left[i]);
        const struct attribute *right = key_attribute(join->right, parts->right[i]);
        bool timed = (left != NULL && attribute_event_time(left, &delay)) ||
                     (right != NULL && attribute_event_time(right, &delay));
        if (timed) {
            *window = parts->left[i]->type->kind == TYPE_STRUCT;
            return i;
        }
    }
    return SIZE_MAX;
}

/* ---- comparisons of times ---- */

struct terms {
    const struct relation_join *join;
    bool left; /* the side in question */
    int own_count, own_sign, other_count, other_sign;
    int64_t constant_us;
    bool usable;
};

static void add_column(struct terms *terms, const struct expression_column *column, int sign) {
    size_t lefts = terms->join->left->output_count, ordinal = (size_t)column->ordinal;
    bool from_left = ordinal < lefts;
    const struct relation *side = from_left ? terms->join->left : terms->join->right;
    const struct attribute *attribute = &side->output[from_left ? ordinal : ordinal - lefts];
    int64_t delay;
    bool time = attribute->type->kind == TYPE_TIMESTAMP || attribute->type->kind == TYPE_TIMESTAMP_NTZ;
    if (from_left == terms->left) {
        terms->own_count++;
        terms->own_sign = sign;
        terms->usable = terms->usable && time;
    } else {
        terms->other_count++;
        terms->other_sign = sign;
        terms->usable = terms->usable && time && attribute_event_time(attribute, &delay);
    }
}

static void add_terms(struct terms *terms, const struct expression *expression, int sign, int depth) {
    expression = expression_strip(expression);
    if (expression->node.tag == EXPRESSION_COLUMN) {
        add_column(terms, expression_column_of(expression), sign);
    } else if (expression_is_literal(expression) && !expression_is_null_literal(expression) &&
               expression->type->kind == TYPE_DAY_TIME_INTERVAL) {
        terms->constant_us += sign * *(const int64_t *)expression_literal_of(expression)->value->values;
    } else if (expression->node.tag == EXPRESSION_CALL && depth < 100 &&
               (expression_call_of(expression)->function->id == FUNCTION_TIME_PLUS_INTERVAL ||
                   expression_call_of(expression)->function->id == FUNCTION_TIME_MINUS_INTERVAL)) {
        const struct expression_call *call = expression_call_of(expression);
        bool minus = call->function->id == FUNCTION_TIME_MINUS_INTERVAL;
        add_terms(terms, call->arguments.items[0], sign, depth + 1);
        add_terms(terms, call->arguments.items[1], minus ? -sign : sign, depth + 1);
    } else {
        terms->usable = false;
    }
}

static int64_t floor_ms(int64_t microseconds) {
    return microseconds / 1000 - (microseconds % 1000 < 0);
}

/* number < column of the side in question: to Spark a bound of time like the others, and the least of them. */
static bool is_plain_bound(
    const struct relation_join *join, const struct expression *lesser, const struct expression *greater, bool left) {
    lesser = expression_strip(lesser);
    greater = expression_strip(greater);
    if (!expression_is_literal(lesser) || !type_is_numeric(lesser->type) || greater->node.tag != EXPRESSION_COLUMN ||
        !type_is_numeric(greater->type)) {
        return false;
    }
    bool from_left = (size_t)expression_column_of(greater)->ordinal < join->left->output_count;
    return from_left == left;
}

/* Takes the least offset over all comparisons of a condition. */
static void find_offset(const struct relation_join *join, const struct expression *condition, bool left, bool *found,
    struct join_limit *limit) {
    const struct expression_call *call = condition->node.tag == EXPRESSION_CALL ? expression_call_of(condition) : NULL;
    if (call == NULL) {
        return;
    }
    int id = call->function->id;
    if (id == FUNCTION_AND) {
        find_offset(join, call->arguments.items[0], left, found, limit);
        find_offset(join, call->arguments.items[1], left, found, limit);
        return;
    }
    bool less = id == FUNCTION_LESS || id == FUNCTION_LESS_OR_EQUAL;
    bool greater = id == FUNCTION_GREATER || id == FUNCTION_GREATER_OR_EQUAL;
    if (!less && !greater) {
        return;
    }
    const struct expression *const *items = call->arguments.items;
    if (is_plain_bound(join, items[less ? 0 : 1], items[less ? 1 : 0], left)) {
        limit->never = true;
        return;
    }
    struct terms terms = {.join = join, .left = left, .usable = true};
    add_terms(&terms, call->arguments.items[less ? 0 : 1], 1, 0);
    add_terms(&terms, call->arguments.items[less ? 1 : 0], -1, 0);
    if (!terms.usable || terms.own_count != 1 || terms.own_sign != -1 || terms.other_count != 1 ||
        terms.other_sign != 1) {
        return;
    }
    bool equal = id == FUNCTION_LESS_OR_EQUAL || id == FUNCTION_GREATER_OR_EQUAL;
    int64_t offset = floor_ms(terms.constant_us) - equal;
    limit->offset_ms = *found && limit->offset_ms < offset ? limit->offset_ms : offset;
    *found = true;
}

struct join_limit join_side_limit(struct arena *arena, const struct relation_join *join, bool left) {
    struct join_parts *parts = ARENA_NEW(arena, struct join_parts);
    struct join_limit limit = {.by = JOIN_KEEPS_ALL};
    const struct relation *side = left ? join->left : join->right;
    int64_t delay;
    bool timed = false, found = false;
    parts->arena = arena;
    parts->left_count = join->left->output_count;
    if (join->condition == NULL) {
        return limit;
    }
    join_split_condition(parts, join->condition);
    limit.key = key_with_time(join, parts, &limit.window);
    if (limit.key != SIZE_MAX) {
        limit.by = JOIN_FORGETS_BY_KEY;
        return limit;
    }
    for (size_t i = 0; i < side->output_count && !timed; i++) {
        timed = attribute_event_time(&side->output[i], &delay);
    }
    if (timed && parts->residual != NULL) {
        find_offset(join, parts->residual, left, &found, &limit);
        limit.by = found ? JOIN_FORGETS_BY_VALUE : JOIN_KEEPS_ALL;
    }
    return limit;
}
