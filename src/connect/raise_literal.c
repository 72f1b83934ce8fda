/* raise_literal.c: values of the engine as literals of Spark Connect: what observe() saw. */
#include <string.h>

#include "base/assert.h"
#include "column/text.h"
#include "connect/connect_internal.h"

typedef Connect__Expression__Literal Literal;

static Literal *raise_value(struct arena *arena, const struct column *column, size_t row);

static Literal **raise_values(struct arena *arena, const struct column *column, size_t first, size_t count) {
    Literal **values = ARENA_ARRAY(arena, Literal *, count + 1);
    for (size_t i = 0; i < count; i++)
        values[i] = raise_value(arena, column, first + i);
    return values;
}

#define NUMBER(c_type, name, NAME)                                                                                     \
    literal->name = COLUMN_AT(column, c_type, row);                                                                    \
    literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_##NAME;                                    \
    return true

/* A value that is no list. false: it is. */
static bool raise_plain(struct arena *arena, const struct column *column, size_t row, Literal *literal) {
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        NUMBER(uint8_t, boolean, BOOLEAN);
    case TYPE_BYTE:
        NUMBER(int8_t, byte, BYTE);
    case TYPE_SHORT:
        NUMBER(int16_t, short_, SHORT);
    case TYPE_INTEGER:
        NUMBER(int32_t, integer, INTEGER);
    case TYPE_LONG:
        NUMBER(int64_t, long_, LONG);
    case TYPE_FLOAT:
        NUMBER(float, float_, FLOAT);
    case TYPE_DOUBLE:
        NUMBER(double, double_, DOUBLE);
    case TYPE_DATE:
        NUMBER(int32_t, date, DATE);
    case TYPE_TIMESTAMP:
        NUMBER(int64_t, timestamp, TIMESTAMP);
    case TYPE_TIMESTAMP_NTZ:
        NUMBER(int64_t, timestamp_ntz, TIMESTAMP_NTZ);
    case TYPE_YEAR_MONTH_INTERVAL:
        NUMBER(int32_t, year_month_interval, YEAR_MONTH_INTERVAL);
    case TYPE_DAY_TIME_INTERVAL:
        NUMBER(int64_t, day_time_interval, DAY_TIME_INTERVAL);
    default:
        return false;
    }
}

static void raise_text(struct arena *arena, const struct column *column, size_t row, Literal *literal) {
    struct string_view view = COLUMN_AT(column, struct string_view, row);
    struct bytes bytes = bytes_make(view.data, view.size);
    if (column->type->kind == TYPE_STRING) {
        literal->string = protobuf_string(arena, bytes);
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRING;
    } else {
        bytes = arena_copy(arena, bytes);
        literal->binary = (ProtobufCBinaryData){bytes.size, (uint8_t *)(uintptr_t)bytes.data};
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_BINARY;
    }
}

static void raise_decimal(struct arena *arena, const struct column *column, size_t row, Literal *literal) {
    struct buffer text = {0};
    decimal_format(COLUMN_AT(column, __int128, row), column->type->scale, &text);
    literal->decimal =
        PROTOBUF_NEW(arena, Connect__Expression__Literal__Decimal, connect__expression__literal__decimal);
    literal->decimal->value = protobuf_string(arena, buffer_view(&text));
    literal->decimal->has_precision = literal->decimal->has_scale = true;
    literal->decimal->precision = column->type->precision;
    literal->decimal->scale = column->type->scale;
    literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_DECIMAL;
    buffer_free(&text);
}

static void raise_nested(struct arena *arena, const struct column *column, size_t row, Literal *literal) {
    const struct type *type = column->type;
    size_t first = type->kind == TYPE_STRUCT ? 0 : (size_t)column->offsets[row];
    size_t count = type->kind == TYPE_STRUCT ? type->field_count : (size_t)column->offsets[row + 1] - first;
    if (type->kind == TYPE_ARRAY) {
        literal->array = PROTOBUF_NEW(arena, Connect__Expression__Literal__Array, connect__expression__literal__array);
        literal->array->element_type = raise_type(arena, type->element);
        literal->array->elements = raise_values(arena, column->children[0], first, count);
        literal->array->n_elements = count;
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_ARRAY;
    } else if (type->kind == TYPE_MAP) {
        literal->map = PROTOBUF_NEW(arena, Connect__Expression__Literal__Map, connect__expression__literal__map);
        literal->map->key_type = raise_type(arena, type->key);
        literal->map->value_type = raise_type(arena, type->element);
        literal->map->keys = raise_values(arena, column->children[0], first, count);
        literal->map->values = raise_values(arena, column->children[1], first, count);
        literal->map->n_keys = literal->map->n_values = count;
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_MAP;
    } else {
        literal->struct_ =
            PROTOBUF_NEW(arena, Connect__Expression__Literal__Struct, connect__expression__literal__struct);
        literal->struct_->struct_type = raise_type(arena, type);
        literal->struct_->elements = ARENA_ARRAY(arena, Literal *, count + 1);
        for (size_t i = 0; i < count; i++)
            literal->struct_->elements[i] = raise_value(arena, column->children[i], row);
        literal->struct_->n_elements = count;
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_STRUCT;
    }
}

static Literal *raise_value(struct arena *arena, const struct column *column, size_t row) {
    Literal *literal = PROTOBUF_NEW(arena, Connect__Expression__Literal, connect__expression__literal);
    enum type_kind kind = column->type->kind;
    row = column->constant ? 0 : row;
    if (column_is_null(column, row) || kind == TYPE_NULL || kind == TYPE_CALENDAR_INTERVAL) {
        literal->null = raise_type(arena, column->type);
        literal->literal_type_case = CONNECT__EXPRESSION__LITERAL__LITERAL_TYPE_NULL;
    } else if (kind == TYPE_STRING || kind == TYPE_BINARY) {
        raise_text(arena, column, row, literal);
    } else if (kind == TYPE_DECIMAL) {
        raise_decimal(arena, column, row, literal);
    } else if (!raise_plain(arena, column, row, literal)) {
        raise_nested(arena, column, row, literal);
    }
    return literal;
}

void connect_operation_send_observed(struct operation *operation, const struct exec_query *query) {
    struct arena *arena = &operation->arena;
    size_t count = exec_query_observation_count(query);
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    response.observed_metrics = ARENA_ARRAY(arena, Connect__ExecutePlanResponse__ObservedMetrics *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct exec_observation *observation = exec_query_observation(query, i);
        if (observation->row == NULL)
            continue;
        Connect__ExecutePlanResponse__ObservedMetrics *metrics = PROTOBUF_NEW(
            arena, Connect__ExecutePlanResponse__ObservedMetrics, connect__execute_plan_response__observed_metrics);
        size_t width = observation->schema->field_count;
        metrics->name = protobuf_string(arena, observation->name);
        metrics->keys = ARENA_ARRAY(arena, char *, width + 1);
        metrics->values = ARENA_ARRAY(arena, Literal *, width + 1);
        metrics->n_keys = metrics->n_values = width;
        for (size_t j = 0; j < width; j++) {
            metrics->keys[j] = protobuf_string(arena, observation->schema->fields[j].name);
            metrics->values[j] = raise_value(arena, observation->row->columns[j], 0);
        }
        response.observed_metrics[response.n_observed_metrics++] = metrics;
    }
    if (response.n_observed_metrics > 0)
        connect_operation_send(operation, &response);
}
