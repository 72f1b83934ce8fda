/* join_condition.c: see join_condition.h. */
#include "exec/join_condition.h"

#include "sql/function.h"

static enum walk note_side(const struct node *node, void *context) {
    struct join_sides *sides = context;
    if (node->tag == EXPRESSION_COLUMN) {
        bool left = ((const struct expression_column *)node)->ordinal < (int32_t)sides->left_count;
        sides->left = sides->left || left;
        sides->right = sides->right || !left;
    }
    return WALK_CONTINUE;
}

struct join_sides join_sides_of(const struct expression *expression, size_t left_count) {
    struct join_sides sides = {.left_count = left_count};
    node_walk(&expression->node, note_side, NULL, &sides);
    return sides;
}

/* A copy of a right-side expression whose columns count from 0. */
static const struct node *shift_columns(struct arena *arena, const struct node *node, void *context) {
    if (node->tag == EXPRESSION_COLUMN) {
        struct expression_column *copy = (struct expression_column *)node_clone(arena, node);
        copy->ordinal -= (int32_t) * (const size_t *)context;
        return (const struct node *)copy;
    }
    return node_map(arena, node, shift_columns, context);
}

void join_add_residual(struct join_parts *parts, const struct expression *condition) {
    if (parts->residual == NULL) {
        parts->residual = condition;
        return;
    }
    struct expression_call *both = expression_call_new(parts->arena);
    const struct expression *arguments[2] = {parts->residual, condition};
    both->base.type = type_simple(TYPE_BOOLEAN);
    both->base.nullable = true;
    both->function = function_find(BYTES("and"));
    both->arguments = expressions_make(parts->arena, arguments, 2);
    parts->residual = &both->base;
}

void join_split_condition(struct join_parts *parts, const struct expression *condition) {
    const struct expression_call *call = condition->node.tag == EXPRESSION_CALL ? expression_call_of(condition) : NULL;
    if (call != NULL && strcmp(call->function->kernel, "and") == 0) {
        join_split_condition(parts, call->arguments.items[0]);
        join_split_condition(parts, call->arguments.items[1]);
        return;
    }
    bool null_safe = call != NULL && strcmp(call->function->kernel, "equal_null_safe") == 0;
    bool equal = null_safe || (call != NULL && strcmp(call->function->kernel, "equal") == 0);
    if (equal && parts->key_count < ARRAY_COUNT(parts->left)) {
        const struct expression *a = call->arguments.items[0], *b = call->arguments.items[1];
        struct join_sides of_a = join_sides_of(a, parts->left_count), of_b = join_sides_of(b, parts->left_count);
        bool straight = of_a.left && !of_a.right && of_b.right && !of_b.left;
        bool crossed = of_b.left && !of_b.right && of_a.right && !of_a.left;
        if ((straight || crossed) && type_equal_ignoring_nullability(a->type, b->type)) {
            const struct expression *right = straight ? b : a;
            parts->left[parts->key_count] = straight ? a : b;
            parts->right[parts->key_count] =
                (const struct expression *)shift_columns(parts->arena, &right->node, &parts->left_count);
            parts->null_safe[parts->key_count++] = null_safe;
            return;
        }
    }
    join_add_residual(parts, condition);
}

const struct expression *join_shift_columns(
    struct arena *arena, const struct expression *expression, size_t left_count) {
    return (const struct expression *)shift_columns(arena, &expression->node, &left_count);
}
