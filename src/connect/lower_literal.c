/* lower_literal.c: constants. Nested ones are built into a column of one row. */
#include "base/assert.h"
#include "column/builder.h"
#include "column/text.h"
#include "connect/lower.h"
#include "wire/protobuf.h"

typedef Connect__Expression__Literal Literal;

static const struct type *literal_type(struct lower_context *context, const Literal *literal);

static const struct type *array_type(struct lower_context *context, const Literal *literal) {
    if (literal->data_type != NULL && literal->data_type->kind_case == CONNECT__DATA_TYPE__KIND_ARRAY)
        return lower_type(context, literal->data_type);
    const struct type *element = literal->array->element_type != NULL
                                     ? lower_type(context, literal->array->element_type)
                                 : literal->array->n_elements > 0 ? literal_type(context, literal->array->elements[0])
                                                                  : type_simple(TYPE_NULL);
    return element == NULL ? NULL : type_array(context->arena, element, true);
}

static const struct type *map_type(struct lower_context *context, const Literal *literal) {
    const Connect__Expression__Literal__Map *map = literal->map;
    if (literal->data_type != NULL && literal->data_type->kind_case == CONNECT__DATA_TYPE__KIND_MAP)
        return lower_type(context, literal->data_type);
    const struct type *key = map->key_type != NULL ? lower_type(context, map->key_type)
                             : map->n_keys > 0     ? literal_type(context, map->keys[0])
                                                   : type_simple(TYPE_NULL);
    const struct type *value = key == NULL               ? NULL
                               : map->value_type != NULL ? lower_type(context, map->value_type)
                               : map->n_values > 0       ? literal_type(context, map->values[0])
                                                         : type_simple(TYPE_NULL);
    return value == NULL ? NULL : type_map(context->arena, key, value, true);
}

static const struct type *specialized_type(struct lower_context *context, const Literal *literal) {
    static const enum type_kind kinds[] = {
        TYPE_NULL, TYPE_BOOLEAN, TYPE_INTEGER, TYPE_LONG, TYPE_FLOAT, TYPE_DOUBLE, TYPE_STRING};
    if (literal->data_type != NULL && literal->data_type->kind_case == CONNECT__DATA_TYPE__KIND_ARRAY)
        return lower_type(context, literal->data_type);
    unsigned value_case = literal->specialized_array->value_type_case;
    if (value_case == 0 || value_case >= ARRAY_COUNT(kinds))
        return lower_refuse(context, "array literal", &literal->specialized_array->base);
    return type_array(context->arena, type_simple(kinds[value_case]), false);
}

static const struct type *decimal_type(
    struct lower_context *context, const Connect__Expression__Literal__Decimal *decimal) {
    struct bytes text = bytes_from_text(decimal->value == NULL ? "0" : decimal->value);
    size_t dot = bytes_find(text, '.', 0), digits = 0;
    for (size_t i = 0; i < text.size; i++)
        digits += text.data[i] >= '0' && text.data[i] <= '9';
    int scale = decimal->has_scale ? decimal->scale : dot == SIZE_MAX ? 0 : (int)(text.size - dot - 1);
    int precision = decimal->has_precision ? decimal->precision : digits > 38 ? 38 : (int)digits;
    precision = precision < scale ? scale : precision;
    if (scale < 0 || precision < 1 || precision > 38) {
        raise_unsupported_datatype(
            context->error, arena_printf(context->arena, "\"DECIMAL(%d,%d)\"", precision, scale));
        return NULL;
    }
    return type_decimal(context->arena, precision, scale);
}

static const struct type *literal_type(struct lower_context *context, const Literal *literal) {
    switch (literal->literal_type_case) {
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_NULL:
        return lower_type(context, literal->null);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BINARY:
        return type_simple(TYPE_BINARY);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BOOLEAN:
        return type_simple(TYPE_BOOLEAN);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BYTE:
        return type_simple(TYPE_BYTE);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_SHORT:
        return type_simple(TYPE_SHORT);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_INTEGER:
        return type_simple(TYPE_INTEGER);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_LONG:
        return type_simple(TYPE_LONG);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_FLOAT:
        return type_simple(TYPE_FLOAT);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DOUBLE:
        return type_simple(TYPE_DOUBLE);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DECIMAL:
        return decimal_type(context, literal->decimal);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRING:
        return type_simple(TYPE_STRING);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DATE:
        return type_simple(TYPE_DATE);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_TIMESTAMP:
        return type_simple(TYPE_TIMESTAMP);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_TIMESTAMP_NTZ:
        return type_simple(TYPE_TIMESTAMP_NTZ);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_CALENDAR_INTERVAL:
        return type_simple(TYPE_CALENDAR_INTERVAL);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_YEAR_MONTH_INTERVAL:
        return type_simple(TYPE_YEAR_MONTH_INTERVAL);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DAY_TIME_INTERVAL:
        return type_simple(TYPE_DAY_TIME_INTERVAL);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_ARRAY:
        return array_type(context, literal);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_MAP:
        return map_type(context, literal);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRUCT:
        return lower_type(
            context, literal->struct_->struct_type != NULL ? literal->struct_->struct_type : literal->data_type);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_SPECIALIZED_ARRAY:
        return specialized_type(context, literal);
    default:
        return lower_refuse(context, "literal", &literal->base);
    }
}

/* ---- values ---- */

static bool append(struct lower_context *context, struct column_builder *builder, const Literal *literal);

static bool append_decimal(struct lower_context *context, struct column_builder *builder, const Literal *literal) {
    __int128 value;
    const char *text = literal->decimal->value == NULL ? "0" : literal->decimal->value;
    if (!value_parse_decimal(bytes_from_text(text), builder->type->precision, builder->type->scale, &value))
        return lower_refuse(context, arena_printf(context->arena, "the decimal literal %s", text), NULL) != NULL;
    column_builder_append(builder, &value);
    return true;
}

static bool append_all(
    struct lower_context *context, struct column_builder *builder, Literal *const *items, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!append(context, builder, items[i]))
            return false;
    return true;
}

static bool append_nested(struct lower_context *context, struct column_builder *builder, const Literal *literal) {
    bool good = false;
    if (literal->literal_type_case == CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_ARRAY) {
        good = append_all(context, &builder->children[0], literal->array->elements, literal->array->n_elements);
    } else if (literal->literal_type_case == CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_MAP) {
        good = literal->map->n_keys == literal->map->n_values &&
               append_all(context, &builder->children[0], literal->map->keys, literal->map->n_keys) &&
               append_all(context, &builder->children[1], literal->map->values, literal->map->n_values);
    } else {
        good = literal->struct_->n_elements == builder->child_count;
        for (size_t i = 0; good && i < builder->child_count; i++)
            good = append(context, &builder->children[i], literal->struct_->elements[i]);
    }
    if (!good)
        return lower_refuse(context, "a literal whose parts do not fit its type", NULL) != NULL;
    column_builder_end_row(builder);
    return true;
}

static bool append_specialized(
    struct column_builder *builder, const Connect__Expression__Literal__SpecializedArray *array) {
    struct column_builder *element = &builder->children[0];
    switch (array->value_type_case) {
    case CONNECT__EXPRESSION__LITERAL__SPECIALIZED_ARRAY__VALUE_TYPE_BOOLS:
        for (size_t i = 0; i < array->bools->n_values; i++)
            column_builder_append(element, &(uint8_t){array->bools->values[i] != 0});
        break;
    case CONNECT__EXPRESSION__LITERAL__SPECIALIZED_ARRAY__VALUE_TYPE_INTS:
        for (size_t i = 0; i < array->ints->n_values; i++)
            column_builder_append(element, &array->ints->values[i]);
        break;
    case CONNECT__EXPRESSION__LITERAL__SPECIALIZED_ARRAY__VALUE_TYPE_LONGS:
        for (size_t i = 0; i < array->longs->n_values; i++)
            column_builder_append(element, &array->longs->values[i]);
        break;
    case CONNECT__EXPRESSION__LITERAL__SPECIALIZED_ARRAY__VALUE_TYPE_FLOATS:
        for (size_t i = 0; i < array->floats->n_values; i++)
            column_builder_append(element, &array->floats->values[i]);
        break;
    case CONNECT__EXPRESSION__LITERAL__SPECIALIZED_ARRAY__VALUE_TYPE_DOUBLES:
        for (size_t i = 0; i < array->doubles->n_values; i++)
            column_builder_append(element, &array->doubles->values[i]);
        break;
    default:
        for (size_t i = 0; i < array->strings->n_values; i++)
            column_builder_append_string_copy(element, bytes_from_text(array->strings->values[i]));
        break;
    }
    column_builder_end_row(builder);
    return true;
}

static bool append_interval(
    struct column_builder *builder, const Connect__Expression__Literal__CalendarInterval *interval) {
    struct calendar_interval value = {interval->months, interval->days, interval->microseconds};
    column_builder_append(builder, &value);
    return true;
}

/* Small integers go over the wire as int32. */
static bool append_integer(struct column_builder *builder, int32_t value) {
    if (builder->type->kind == TYPE_BYTE)
        column_builder_append(builder, &(int8_t){(int8_t)value});
    else if (builder->type->kind == TYPE_SHORT)
        column_builder_append(builder, &(int16_t){(int16_t)value});
    else
        column_builder_append(builder, &value);
    return true;
}

/* An element must be of its collection's element type. */
static bool fits(struct lower_context *context, const struct column_builder *builder, const Literal *literal) {
    const struct type *type = literal_type(context, literal);
    return type != NULL && (type->kind == builder->type->kind ||
                               lower_refuse(context, "a literal whose parts do not fit its type", NULL) != NULL);
}

static bool append(struct lower_context *context, struct column_builder *builder, const Literal *literal) {
    if (literal->literal_type_case == CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_NULL) {
        column_builder_null(builder);
        return true;
    }
    if (!fits(context, builder, literal))
        return false;
    switch (literal->literal_type_case) {
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BINARY:
        column_builder_append_string_copy(builder, PROTOBUF_BYTES(literal->binary));
        return true;
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRING:
        column_builder_append_string_copy(builder, bytes_from_text(literal->string));
        return true;
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BOOLEAN:
        column_builder_append(builder, &(uint8_t){literal->boolean != 0});
        return true;
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BYTE:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_SHORT:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_INTEGER:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DATE:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_YEAR_MONTH_INTERVAL:
        return append_integer(builder, literal->integer);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_FLOAT:
        column_builder_append(builder, &literal->float_);
        return true;
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DECIMAL:
        return append_decimal(context, builder, literal);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_CALENDAR_INTERVAL:
        return append_interval(builder, literal->calendar_interval);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_ARRAY:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_MAP:
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRUCT:
        return append_nested(context, builder, literal);
    case CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_SPECIALIZED_ARRAY:
        return append_specialized(builder, literal->specialized_array);
    default: /* LONG, DOUBLE, TIMESTAMP, TIMESTAMP_NTZ, DAY_TIME_INTERVAL: eight bytes */
        column_builder_append(builder, &literal->long_);
        return true;
    }
}

const struct expression *lower_literal(struct lower_context *context, const Literal *literal) {
    const struct type *type = literal_type(context, literal);
    if (type == NULL)
        return NULL;
    if (literal->literal_type_case == CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_NULL)
        return literal_null(context->arena, type);
    struct column_builder builder;
    column_builder_init(&builder, context->arena, type, 1);
    return append(context, &builder, literal) ? literal_column(context->arena, column_builder_finish(&builder)) : NULL;
}
