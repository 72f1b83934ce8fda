/* Lists, literals and other small makers of nodes. */
#include "sql/plan.h"

#include <stdarg.h>

struct expression_list expressions_make(struct arena *arena, const struct expression *const *items, size_t count) {
    const struct expression **copy = arena_allocate(arena, count * sizeof *copy);
    if (count > 0)
        memcpy(copy, items, count * sizeof *copy);
    return (struct expression_list){copy, count};
}

struct expression_list expressions_of(struct arena *arena, size_t count, ...) {
    const struct expression **items = arena_allocate(arena, count * sizeof *items);
    va_list arguments;
    va_start(arguments, count);
    for (size_t i = 0; i < count; i++)
        items[i] = va_arg(arguments, const struct expression *);
    va_end(arguments);
    return (struct expression_list){items, count};
}

struct relation_list relations_make(struct arena *arena, const struct relation *const *items, size_t count) {
    const struct relation **copy = arena_allocate(arena, count * sizeof *copy);
    if (count > 0)
        memcpy(copy, items, count * sizeof *copy);
    return (struct relation_list){copy, count};
}

struct bytes_list names_make(struct arena *arena, const struct bytes *items, size_t count) {
    struct bytes *copy = arena_allocate(arena, count * sizeof *copy);
    if (count > 0)
        memcpy(copy, items, count * sizeof *copy);
    return (struct bytes_list){copy, count};
}

struct bytes_list names_of(struct arena *arena, size_t count, ...) {
    struct bytes *items = arena_allocate(arena, count * sizeof *items);
    va_list arguments;
    va_start(arguments, count);
    for (size_t i = 0; i < count; i++)
        items[i] = bytes_from_text(va_arg(arguments, const char *));
    va_end(arguments);
    return (struct bytes_list){items, count};
}

struct option_list options_make(struct arena *arena, const struct option *items, size_t count) {
    struct option *copy = arena_allocate(arena, count * sizeof *copy);
    if (count > 0)
        memcpy(copy, items, count * sizeof *copy);
    return (struct option_list){copy, count};
}

static void release_batch(void *argument) {
    batch_release(argument);
}

struct batch_list plan_batches(struct arena *arena, struct batch *const *items, size_t count) {
    struct batch **copy = arena_allocate(arena, count * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = batch_retain(items[i]);
        arena_on_destroy(arena, release_batch, copy[i]);
    }
    return (struct batch_list){copy, count};
}

struct bytes option_get(struct option_list options, const char *name) {
    for (size_t i = 0; i < options.count; i++)
        if (bytes_equal_ignore_case(options.items[i].name, bytes_from_text(name)))
            return options.items[i].value;
    return BYTES_NULL;
}

const struct expression *literal_column(struct arena *arena, const struct column *value) {
    struct expression_literal *literal = expression_literal_new(arena);
    literal->value = value;
    literal->base.type = value->type;
    literal->base.nullable = column_is_null(value, 0);
    return &literal->base;
}

const struct expression *literal_null(struct arena *arena, const struct type *type) {
    struct column *column = column_create_nulls(arena, type, 1);
    column->constant = true;
    return literal_column(arena, column);
}

const struct expression *literal_value(struct arena *arena, const struct type *type, const void *value) {
    struct column *column = column_create(arena, type, 1);
    column->constant = true;
    memcpy(column->values, value, type_value_size(type));
    return literal_column(arena, column);
}

const struct expression *literal_boolean(struct arena *arena, bool value) {
    uint8_t byte = value;
    return literal_value(arena, type_simple(TYPE_BOOLEAN), &byte);
}

const struct expression *literal_int(struct arena *arena, int32_t value) {
    return literal_value(arena, type_simple(TYPE_INTEGER), &value);
}

const struct expression *literal_long(struct arena *arena, int64_t value) {
    return literal_value(arena, type_simple(TYPE_LONG), &value);
}

const struct expression *literal_double(struct arena *arena, double value) {
    return literal_value(arena, type_simple(TYPE_DOUBLE), &value);
}

const struct expression *literal_string(struct arena *arena, struct bytes value) {
    struct bytes copy = arena_copy(arena, value.data != NULL ? value : BYTES(""));
    struct string_view view = {copy.data, (uint32_t)copy.size, 0};
    return literal_value(arena, type_simple(TYPE_STRING), &view);
}

bool expression_is_literal(const struct expression *expression) {
    return expression->node.tag == EXPRESSION_LITERAL;
}

bool expression_is_null_literal(const struct expression *expression) {
    return expression_is_literal(expression) && column_is_null(expression_literal_of(expression)->value, 0);
}

const struct expression *function_call(struct arena *arena, const char *name, size_t count, ...) {
    struct expression_function *function = expression_function_new(arena);
    const struct expression **items = arena_allocate(arena, count * sizeof *items);
    va_list arguments;
    va_start(arguments, count);
    for (size_t i = 0; i < count; i++)
        items[i] = va_arg(arguments, const struct expression *);
    va_end(arguments);
    function->name = bytes_from_text(name);
    function->arguments = (struct expression_list){items, count};
    return &function->base;
}

const struct expression *expression_strip(const struct expression *expression) {
    while (expression->node.tag == EXPRESSION_ALIAS || expression->node.tag == EXPRESSION_SHOWN)
        expression = expression->node.tag == EXPRESSION_ALIAS ? expression_alias_of(expression)->child
                                                              : expression_shown_of(expression)->child;
    return expression;
}
