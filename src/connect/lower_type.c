/* lower_type.c: types, both ways. */
#include "base/assert.h"
#include "connect/lower.h"
#include "wire/protobuf.h"
#include "sql/sql.h"

/* Kinds without parameters, in both vocabularies. */
static const struct {
    Connect__DataType__KindCase kind_case;
    enum type_kind kind;
} simple_kinds[] = {
    {CONNECT__DATA_TYPE__KIND_NULL, TYPE_NULL},
    {CONNECT__DATA_TYPE__KIND_BINARY, TYPE_BINARY},
    {CONNECT__DATA_TYPE__KIND_BOOLEAN, TYPE_BOOLEAN},
    {CONNECT__DATA_TYPE__KIND_BYTE, TYPE_BYTE},
    {CONNECT__DATA_TYPE__KIND_SHORT, TYPE_SHORT},
    {CONNECT__DATA_TYPE__KIND_INTEGER, TYPE_INTEGER},
    {CONNECT__DATA_TYPE__KIND_LONG, TYPE_LONG},
    {CONNECT__DATA_TYPE__KIND_FLOAT, TYPE_FLOAT},
    {CONNECT__DATA_TYPE__KIND_DOUBLE, TYPE_DOUBLE},
    {CONNECT__DATA_TYPE__KIND_STRING, TYPE_STRING},
    {CONNECT__DATA_TYPE__KIND_DATE, TYPE_DATE},
    {CONNECT__DATA_TYPE__KIND_TIMESTAMP, TYPE_TIMESTAMP},
    {CONNECT__DATA_TYPE__KIND_TIMESTAMP_NTZ, TYPE_TIMESTAMP_NTZ},
    {CONNECT__DATA_TYPE__KIND_CALENDAR_INTERVAL, TYPE_CALENDAR_INTERVAL},
};

static const struct type *limited_string(struct arena *arena, int32_t length, bool fixed) {
    struct type *type = ARENA_NEW(arena, struct type);
    *type = *type_simple(TYPE_STRING);
    type->length_max = length;
    type->fixed_length = fixed;
    return type;
}

static const struct type *interval(struct arena *arena, enum type_kind kind, int from, int to) {
    struct type *type = ARENA_NEW(arena, struct type);
    *type = *type_simple(kind);
    type->interval_from = (uint8_t)from;
    type->interval_to = (uint8_t)to;
    return type;
}

static const struct type *lower_struct(struct lower_context *context, const Connect__DataType__Struct *message) {
    struct type_field *fields = ARENA_ARRAY(context->arena, struct type_field, message->n_fields);
    for (size_t i = 0; i < message->n_fields; i++) {
        const Connect__DataType__StructField *field = message->fields[i];
        fields[i] = (struct type_field){lower_text(context, field->name == NULL ? "" : field->name),
            lower_type(context, field->data_type), field->nullable, lower_text(context, field->metadata)};
        if (fields[i].type == NULL)
            return NULL;
    }
    return type_struct(context->arena, fields, message->n_fields);
}

static const struct type *lower_map(struct lower_context *context, const Connect__DataType__Map *message) {
    const struct type *key = lower_type(context, message->key_type);
    const struct type *value = key == NULL ? NULL : lower_type(context, message->value_type);
    return value == NULL ? NULL : type_map(context->arena, key, value, message->value_contains_null);
}

static const struct type *lower_decimal(struct lower_context *context, const Connect__DataType__Decimal *message) {
    int precision = message->has_precision ? message->precision : 10, scale = message->has_scale ? message->scale : 0;
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        raise_unsupported_datatype(
            context->error, arena_printf(context->arena, "\"DECIMAL(%d,%d)\"", precision, scale));
        return NULL;
    }
    return type_decimal(context->arena, precision, scale);
}

/* Clients give the fields of an interval as numbers: year-month 0 YEAR, 1 MONTH; day-time 0 DAY … 3 SECOND. */
static const struct type *lower_year_month(
    struct lower_context *context, const Connect__DataType__YearMonthInterval *message) {
    int from = message->has_start_field ? message->start_field : 0,
        to = message->has_end_field ? message->end_field : 1;
    return interval(context->arena, TYPE_YEAR_MONTH_INTERVAL, INTERVAL_YEAR + (from & 1), INTERVAL_YEAR + (to & 1));
}

static const struct type *lower_day_time(
    struct lower_context *context, const Connect__DataType__DayTimeInterval *message) {
    int from = message->has_start_field ? message->start_field : 0,
        to = message->has_end_field ? message->end_field : 3;
    return interval(context->arena, TYPE_DAY_TIME_INTERVAL, INTERVAL_DAY + (from & 3), INTERVAL_DAY + (to & 3));
}

const struct type *lower_type(struct lower_context *context, const Connect__DataType *message) {
    if (message == NULL || message->kind_case == CONNECT__DATA_TYPE__KIND__NOT_SET)
        return lower_refuse(context, "data type", message == NULL ? NULL : &message->base);
    for (size_t i = 0; i < ARRAY_COUNT(simple_kinds); i++)
        if (simple_kinds[i].kind_case == message->kind_case)
            return type_simple(simple_kinds[i].kind);
    switch (message->kind_case) {
    case CONNECT__DATA_TYPE__KIND_DECIMAL:
        return lower_decimal(context, message->decimal);
    case CONNECT__DATA_TYPE__KIND_CHAR:
        return limited_string(context->arena, message->char_->length, true);
    case CONNECT__DATA_TYPE__KIND_VAR_CHAR:
        return limited_string(context->arena, message->var_char->length, false);
    case CONNECT__DATA_TYPE__KIND_YEAR_MONTH_INTERVAL:
        return lower_year_month(context, message->year_month_interval);
    case CONNECT__DATA_TYPE__KIND_DAY_TIME_INTERVAL:
        return lower_day_time(context, message->day_time_interval);
    case CONNECT__DATA_TYPE__KIND_ARRAY: {
        const struct type *element = lower_type(context, message->array->element_type);
        return element == NULL ? NULL : type_array(context->arena, element, message->array->contains_null);
    }
    case CONNECT__DATA_TYPE__KIND_MAP:
        return lower_map(context, message->map);
    case CONNECT__DATA_TYPE__KIND_STRUCT:
        return lower_struct(context, message->struct_);
    case CONNECT__DATA_TYPE__KIND_UNPARSED:
        return sql_parse_schema(context->arena, bytes_from_text(message->unparsed->data_type_string), context->error);
    default:
        return lower_refuse(context, "data type", &message->base);
    }
}

/* ---- the other way ---- */

static Connect__DataType *new_type(struct arena *arena, Connect__DataType__KindCase kind_case) {
    Connect__DataType *message = PROTOBUF_NEW(arena, Connect__DataType, connect__data_type);
    message->kind_case = kind_case;
    return message;
}

/* Members without fields that need to be there: any message of the right type will do, and all are alike. */
static Connect__DataType *raise_simple(struct arena *arena, enum type_kind kind) {
    for (size_t i = 0; i < ARRAY_COUNT(simple_kinds); i++) {
        if (simple_kinds[i].kind != kind)
            continue;
        Connect__DataType *message = new_type(arena, simple_kinds[i].kind_case);
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
            &connect__data_type__descriptor, (unsigned)simple_kinds[i].kind_case);
        const ProtobufCMessageDescriptor *inner = field->descriptor;
        void *member = arena_allocate_zeroed(arena, inner->sizeof_message);
        inner->message_init(member);
        message->null = member;
        return message;
    }
    UNREACHABLE();
}

static Connect__DataType *raise_decimal(struct arena *arena, const struct type *type) {
    Connect__DataType *message = new_type(arena, CONNECT__DATA_TYPE__KIND_DECIMAL);
    message->decimal = PROTOBUF_NEW(arena, Connect__DataType__Decimal, connect__data_type__decimal);
    message->decimal->has_precision = message->decimal->has_scale = true;
    message->decimal->precision = type->precision;
    message->decimal->scale = type->scale;
    return message;
}

static Connect__DataType *raise_string(struct arena *arena, const struct type *type) {
    if (type->length_max == 0)
        return raise_simple(arena, TYPE_STRING);
    Connect__DataType *message =
        new_type(arena, type->fixed_length ? CONNECT__DATA_TYPE__KIND_CHAR : CONNECT__DATA_TYPE__KIND_VAR_CHAR);
    if (type->fixed_length) {
        message->char_ = PROTOBUF_NEW(arena, Connect__DataType__Char, connect__data_type__char);
        message->char_->has_length = true;
        message->char_->length = type->length_max;
    } else {
        message->var_char = PROTOBUF_NEW(arena, Connect__DataType__VarChar, connect__data_type__var_char);
        message->var_char->has_length = true;
        message->var_char->length = type->length_max;
    }
    return message;
}

static Connect__DataType *raise_struct(struct arena *arena, const struct type *type) {
    Connect__DataType *message = new_type(arena, CONNECT__DATA_TYPE__KIND_STRUCT);
    message->struct_ = PROTOBUF_NEW(arena, Connect__DataType__Struct, connect__data_type__struct);
    message->struct_->n_fields = type->field_count;
    message->struct_->fields = ARENA_ARRAY(arena, Connect__DataType__StructField *, type->field_count);
    for (size_t i = 0; i < type->field_count; i++) {
        Connect__DataType__StructField *field =
            PROTOBUF_NEW(arena, Connect__DataType__StructField, connect__data_type__struct_field);
        field->name = protobuf_string(arena, type->fields[i].name);
        field->data_type = raise_type(arena, type->fields[i].type);
        field->has_nullable = true;
        field->nullable = type->fields[i].nullable;
        field->metadata =
            type->fields[i].metadata.data == NULL ? NULL : protobuf_string(arena, type->fields[i].metadata);
        message->struct_->fields[i] = field;
    }
    return message;
}

static Connect__DataType *raise_interval(struct arena *arena, const struct type *type) {
    if (type->kind == TYPE_YEAR_MONTH_INTERVAL) {
        Connect__DataType *message = new_type(arena, CONNECT__DATA_TYPE__KIND_YEAR_MONTH_INTERVAL);
        message->year_month_interval =
            PROTOBUF_NEW(arena, Connect__DataType__YearMonthInterval, connect__data_type__year_month_interval);
        message->year_month_interval->has_start_field = message->year_month_interval->has_end_field = true;
        message->year_month_interval->start_field = type->interval_from - INTERVAL_YEAR;
        message->year_month_interval->end_field = type->interval_to - INTERVAL_YEAR;
        return message;
    }
    Connect__DataType *message = new_type(arena, CONNECT__DATA_TYPE__KIND_DAY_TIME_INTERVAL);
    message->day_time_interval =
        PROTOBUF_NEW(arena, Connect__DataType__DayTimeInterval, connect__data_type__day_time_interval);
    message->day_time_interval->has_start_field = message->day_time_interval->has_end_field = true;
    message->day_time_interval->start_field = type->interval_from - INTERVAL_DAY;
    message->day_time_interval->end_field = type->interval_to - INTERVAL_DAY;
    return message;
}

static Connect__DataType *raise_collection(struct arena *arena, const struct type *type) {
    Connect__DataType *message =
        new_type(arena, type->kind == TYPE_ARRAY ? CONNECT__DATA_TYPE__KIND_ARRAY : CONNECT__DATA_TYPE__KIND_MAP);
    if (type->kind == TYPE_ARRAY) {
        message->array = PROTOBUF_NEW(arena, Connect__DataType__Array, connect__data_type__array);
        message->array->element_type = raise_type(arena, type->element);
        message->array->has_contains_null = true;
        message->array->contains_null = type->contains_null;
    } else {
        message->map = PROTOBUF_NEW(arena, Connect__DataType__Map, connect__data_type__map);
        message->map->key_type = raise_type(arena, type->key);
        message->map->value_type = raise_type(arena, type->element);
        message->map->has_value_contains_null = true;
        message->map->value_contains_null = type->contains_null;
    }
    return message;
}

Connect__DataType *raise_type(struct arena *arena, const struct type *type) {
    switch (type->kind) {
    case TYPE_DECIMAL:
        return raise_decimal(arena, type);
    case TYPE_STRING:
        return raise_string(arena, type);
    case TYPE_STRUCT:
        return raise_struct(arena, type);
    case TYPE_YEAR_MONTH_INTERVAL:
    case TYPE_DAY_TIME_INTERVAL:
        return raise_interval(arena, type);
    case TYPE_ARRAY:
    case TYPE_MAP:
        return raise_collection(arena, type);
    default:
        return raise_simple(arena, type->kind);
    }
}
