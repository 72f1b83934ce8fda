/* Types: least common types, what casts implicitly, what can be cast at all. Spark's rules with spark.sql.ansi.enabled
 * on and off. */
#include "sql/analyze.h"

static int numeric_rank(enum type_kind kind) {
    return kind >= TYPE_BYTE && kind <= TYPE_DOUBLE ? (int)kind : -1;
}

static bool is_fractional(const struct type *type) {
    return type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE;
}

static bool is_datetime(const struct type *type) {
    return type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static bool is_atomic(const struct type *type) {
    return type->kind != TYPE_ARRAY && type->kind != TYPE_MAP && type->kind != TYPE_STRUCT && type->kind != TYPE_NULL;
}

const struct type *without_length(const struct type *type) {
    return type->kind == TYPE_STRING && type->length_max > 0 ? type_simple(TYPE_STRING) : type;
}

const struct type *decimal_of_type(struct arena *arena, const struct type *type) {
    switch (type->kind) {
    case TYPE_BYTE:
        return type_decimal(arena, 3, 0);
    case TYPE_SHORT:
        return type_decimal(arena, 5, 0);
    case TYPE_INTEGER:
        return type_decimal(arena, 10, 0);
    case TYPE_LONG:
        return type_decimal(arena, 20, 0);
    default:
        return type;
    }
}

const struct type *decimal_for(struct arena *arena, const struct expression *expression) {
    if (!type_is_integral(expression->type) || !expression_is_literal(expression) ||
        expression_is_null_literal(expression))
        return decimal_of_type(arena, expression->type);
    const struct column *column = expression_literal_of(expression)->value;
    int64_t value = column->type->kind == TYPE_LONG      ? *(const int64_t *)column->values
                    : column->type->kind == TYPE_INTEGER ? *(const int32_t *)column->values
                    : column->type->kind == TYPE_SHORT   ? *(const int16_t *)column->values
                                                         : *(const int8_t *)column->values;
    int digits = 1;
    while ((value /= 10) != 0)
        digits++;
    return type_decimal(arena, digits, 0);
}

static const struct type *wider_decimal(struct arena *arena, const struct type *left, const struct type *right) {
    int scale = left->scale > right->scale ? left->scale : right->scale;
    int whole_left = left->precision - left->scale, whole_right = right->precision - right->scale;
    int precision = (whole_left > whole_right ? whole_left : whole_right) + scale;
    return type_decimal(arena, precision > 38 ? 38 : precision, scale);
}

const struct type *wider_numeric(struct arena *arena, const struct type *left, const struct type *right) {
    if (left->kind == TYPE_DECIMAL || right->kind == TYPE_DECIMAL) {
        if (is_fractional(left) || is_fractional(right))
            return type_simple(TYPE_DOUBLE);
        return wider_decimal(arena, decimal_of_type(arena, left), decimal_of_type(arena, right));
    }
    return numeric_rank(left->kind) > numeric_rank(right->kind) ? left : right;
}

static const struct type *interval_range(struct arena *arena, const struct type *left, const struct type *right) {
    struct type *type = ARENA_NEW(arena, struct type);
    *type = *left;
    type->interval_from = left->interval_from < right->interval_from ? left->interval_from : right->interval_from;
    type->interval_to = left->interval_to > right->interval_to ? left->interval_to : right->interval_to;
    return type;
}

static const struct type *common_struct(struct analyzer *analyzer, const struct type *left, const struct type *right) {
    if (left->field_count != right->field_count)
        return NULL;
    struct type_field *fields = ARENA_ARRAY(analyzer->arena, struct type_field, left->field_count);
    for (size_t i = 0; i < left->field_count; i++) {
        if (!bytes_equal_ignore_case(left->fields[i].name, right->fields[i].name))
            return NULL;
        fields[i] = left->fields[i];
        fields[i].type = common_type(analyzer, left->fields[i].type, right->fields[i].type);
        fields[i].nullable = left->fields[i].nullable || right->fields[i].nullable;
        if (fields[i].type == NULL)
            return NULL;
    }
    return type_struct(analyzer->arena, fields, left->field_count);
}

static const struct type *common_nested(struct analyzer *analyzer, const struct type *left, const struct type *right) {
    if (left->kind != right->kind)
        return NULL;
    if (left->kind == TYPE_STRUCT)
        return common_struct(analyzer, left, right);
    const struct type *element = common_type(analyzer, left->element, right->element);
    if (element == NULL)
        return NULL;
    bool null = left->contains_null || right->contains_null;
    if (left->kind == TYPE_ARRAY)
        return type_array(analyzer->arena, element, null);
    const struct type *key = common_type(analyzer, left->key, right->key);
    return key == NULL ? NULL : type_map(analyzer->arena, key, element, null);
}

/* A string beside another atomic type. */
static const struct type *common_with_string(struct analyzer *analyzer, const struct type *other) {
    if (!analyzer->ansi)
        return other->kind == TYPE_BINARY || other->kind == TYPE_BOOLEAN ? NULL : type_simple(TYPE_STRING);
    if (type_is_integral(other))
        return type_simple(TYPE_LONG);
    if (type_is_numeric(other))
        return type_simple(TYPE_DOUBLE);
    return other;
}

const struct type *common_type(struct analyzer *analyzer, const struct type *left, const struct type *right) {
    if (left->kind == TYPE_NULL)
        return right;
    if (right->kind == TYPE_NULL || type_equal(left, right))
        return left;
    if (left->kind == TYPE_STRING && right->kind == TYPE_STRING)
        return type_simple(TYPE_STRING);
    if (type_is_numeric(left) && type_is_numeric(right)) {
        bool mixed = (left->kind == TYPE_FLOAT && type_is_integral(right)) ||
                     (right->kind == TYPE_FLOAT && type_is_integral(left));
        return mixed && analyzer->ansi ? type_simple(TYPE_DOUBLE) : wider_numeric(analyzer->arena, left, right);
    }
    if (is_datetime(left) && is_datetime(right)) {
        if (left->kind == TYPE_DATE)
            return right;
        return right->kind == TYPE_DATE ? left : type_simple(TYPE_TIMESTAMP);
    }
    if (left->kind == right->kind && (left->kind == TYPE_DAY_TIME_INTERVAL || left->kind == TYPE_YEAR_MONTH_INTERVAL))
        return interval_range(analyzer->arena, left, right);
    if (left->kind == TYPE_STRING && is_atomic(right))
        return common_with_string(analyzer, right);
    if (right->kind == TYPE_STRING && is_atomic(left))
        return common_with_string(analyzer, left);
    return is_atomic(left) || is_atomic(right) ? NULL : common_nested(analyzer, left, right);
}

const struct type *common_type_of(struct analyzer *analyzer, struct expression_list list, size_t from, size_t step) {
    const struct type *type = type_simple(TYPE_NULL);
    for (size_t i = from; i < list.count && type != NULL; i += step)
        type = common_type(analyzer, type, list.items[i]->type);
    return type;
}

bool casts_implicitly(struct analyzer *analyzer, const struct type *from, const struct type *to) {
    if (from->kind == TYPE_NULL || type_equal_ignoring_nullability(from, to))
        return true;
    if (type_is_numeric(from) && type_is_numeric(to))
        return !analyzer->ansi || to->kind == TYPE_DECIMAL || numeric_rank(from->kind) <= numeric_rank(to->kind) ||
               (from->kind == TYPE_DECIMAL && is_fractional(to));
    if (is_datetime(from) && is_datetime(to))
        return true;
    if (from->kind == TYPE_STRING)
        return is_atomic(to) && to->kind != TYPE_BINARY ? (analyzer->ansi || to->kind != TYPE_BOOLEAN)
                                                        : to->kind == TYPE_BINARY;
    if (to->kind == TYPE_STRING)
        return is_atomic(from) && (from->kind != TYPE_BINARY || !analyzer->ansi);
    if (from->kind == to->kind && from->kind == TYPE_ARRAY)
        return casts_implicitly(analyzer, from->element, to->element);
    if (from->kind == to->kind && from->kind == TYPE_MAP)
        return casts_implicitly(analyzer, from->key, to->key) && casts_implicitly(analyzer, from->element, to->element);
    return from->kind == to->kind && (from->kind == TYPE_DAY_TIME_INTERVAL || from->kind == TYPE_YEAR_MONTH_INTERVAL);
}

static bool can_cast_nested(const struct type *from, const struct type *to, bool ansi) {
    if (from->kind != to->kind)
        return false;
    if (from->kind == TYPE_ARRAY)
        return can_cast(from->element, to->element, ansi);
    if (from->kind == TYPE_MAP)
        return can_cast(from->key, to->key, ansi) && can_cast(from->element, to->element, ansi);
    if (from->field_count != to->field_count)
        return false;
    for (size_t i = 0; i < from->field_count; i++)
        if (!can_cast(from->fields[i].type, to->fields[i].type, ansi))
            return false;
    return true;
}

static bool can_cast_from_number(const struct type *from, const struct type *to, bool ansi) {
    if (type_is_numeric(to) || to->kind == TYPE_BOOLEAN)
        return true;
    if (to->kind == TYPE_TIMESTAMP)
        return from->kind != TYPE_BOOLEAN || !ansi;
    if (to->kind == TYPE_BINARY)
        return type_is_integral(from) && !ansi;
    return (to->kind == TYPE_DAY_TIME_INTERVAL || to->kind == TYPE_YEAR_MONTH_INTERVAL) && from->kind != TYPE_BOOLEAN &&
           !is_fractional(from);
}

bool can_cast(const struct type *from, const struct type *to, bool ansi) {
    if (from->kind == TYPE_NULL || type_equal_ignoring_nullability(from, to))
        return true;
    if (to->kind == TYPE_STRING)
        return true;
    if (to->kind == TYPE_NULL)
        return false;
    switch (from->kind) {
    case TYPE_STRING:
        return is_atomic(to);
    case TYPE_BOOLEAN:
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
    case TYPE_DECIMAL:
        return can_cast_from_number(from, to, ansi);
    case TYPE_DATE:
        return to->kind == TYPE_TIMESTAMP || to->kind == TYPE_TIMESTAMP_NTZ ||
               (!ansi && (type_is_numeric(to) || to->kind == TYPE_BOOLEAN));
    case TYPE_TIMESTAMP:
        return to->kind == TYPE_DATE || to->kind == TYPE_TIMESTAMP_NTZ || type_is_numeric(to) ||
               (!ansi && to->kind == TYPE_BOOLEAN);
    case TYPE_TIMESTAMP_NTZ:
        return to->kind == TYPE_DATE || to->kind == TYPE_TIMESTAMP;
    case TYPE_DAY_TIME_INTERVAL:
    case TYPE_YEAR_MONTH_INTERVAL:
        return to->kind == from->kind || type_is_integral(to) || to->kind == TYPE_DECIMAL;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        return can_cast_nested(from, to, ansi);
    default:
        return from->kind == to->kind;
    }
}

static bool decimal_holds(const struct type *from, const struct type *to) {
    if (from->kind == TYPE_BOOLEAN)
        return to->precision > to->scale;
    if (!type_is_integral(from) && from->kind != TYPE_DECIMAL)
        return false;
    static const int digits[] = {[TYPE_BYTE] = 3, [TYPE_SHORT] = 5, [TYPE_INTEGER] = 10, [TYPE_LONG] = 20};
    int precision = from->kind == TYPE_DECIMAL ? from->precision : digits[from->kind];
    int scale = from->kind == TYPE_DECIMAL ? from->scale : 0;
    return to->precision - to->scale >= precision - scale && to->scale >= scale;
}

/* Whether the schema must take nulls into account, errors or not: Spark marks such casts nullable in ANSI mode too. */
bool cast_may_give_null(const struct type *from, const struct type *to) {
    if (from->kind == TYPE_NULL || type_equal_ignoring_nullability(from, to) || to->kind == TYPE_STRING)
        return false;
    if (from->kind == TYPE_STRING)
        return to->kind != TYPE_BINARY;
    if (is_fractional(from) && to->kind == TYPE_TIMESTAMP)
        return true;
    if (to->kind == TYPE_DATE)
        return from->kind != TYPE_TIMESTAMP && from->kind != TYPE_TIMESTAMP_NTZ;
    if (from->kind == TYPE_DATE)
        return !is_datetime(to);
    if (to->kind == TYPE_DECIMAL)
        return !decimal_holds(from, to);
    return (is_fractional(from) || from->kind == TYPE_DECIMAL) && type_is_integral(to);
}

const struct expression *cast_to(
    struct analyzer *analyzer, const struct expression *expression, const struct type *type) {
    if (type_equal(expression->type, type))
        return expression;
    if (expression_is_null_literal(expression))
        return literal_null(analyzer->arena, type);
    struct expression_cast *cast = expression_cast_new(analyzer->arena);
    cast->child = expression;
    cast->target = type;
    cast->mode = analyzer->ansi ? CAST_ANSI : CAST_LEGACY;
    cast->implicit = true;
    cast->base.type = type;
    cast->base.nullable = expression->nullable || cast_may_give_null(expression->type, type);
    cast->base.node.origin = expression->node.origin;
    return &cast->base;
}
