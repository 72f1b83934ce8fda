/* Functions of the other families with rules of their own, and the table that finds a function's resolver. */
#include "sql/analyze.h"

#include <ctype.h>
#include "sql/pretty.h"

static bool replace_by(struct resolution *resolution, const struct expression *expression) {
    resolution->replaced = expression;
    return expression != NULL;
}

static const struct expression *make(struct resolution *resolution, const char *name, size_t count,
    const struct expression *a, const struct expression *b, const struct expression *c) {
    return make_call(resolution->analyzer, resolution->place, name, count, a, b, c);
}

/* ---- Conditional ---- */

static bool resolve_nvl(struct resolution *resolution) {
    return replace_by(
        resolution, make(resolution, "coalesce", 2, resolution->arguments[0], resolution->arguments[1], NULL));
}

static bool resolve_nvl2(struct resolution *resolution) {
    const struct expression **a = resolution->arguments;
    return replace_by(
        resolution, make(resolution, "if", 3, make(resolution, "isnotnull", 1, a[0], NULL, NULL), a[1], a[2]));
}

static bool resolve_nullif(struct resolution *resolution) {
    const struct expression **a = resolution->arguments;
    struct arena *arena = resolution->analyzer->arena;
    bool zero = resolution->function->id == FUNCTION_NULLIFZERO;
    const struct expression *same = make(resolution, "=", 2, a[0], zero ? literal_int(arena, 0) : a[1], NULL);
    return same != NULL &&
           replace_by(resolution, make(resolution, "if", 3, same, literal_null(arena, a[0]->type), a[0]));
}

static bool resolve_zeroifnull(struct resolution *resolution) {
    return replace_by(resolution,
        make(resolution, "coalesce", 2, resolution->arguments[0], literal_int(resolution->analyzer->arena, 0), NULL));
}

static bool resolve_equal_null(struct resolution *resolution) {
    return replace_by(resolution, make(resolution, "<=>", 2, resolution->arguments[0], resolution->arguments[1], NULL));
}

/* assert_true(condition[, text]): an error with the text where the condition is not true. */
static bool resolve_assert_true(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    const struct expression *text = resolution->count == 2
                                        ? resolution->arguments[1]
                                        : literal_string(arena, bytes_from_text(arena_printf(arena, "'%s' is not true!",
                                                                    pretty_name(arena, resolution->arguments[0]))));
    const struct expression *failure = make(resolution, "raise_error", 1, text, NULL, NULL);
    return failure != NULL && replace_by(resolution, make(resolution, "if", 3, resolution->arguments[0],
                                                         literal_null(arena, type_simple(TYPE_NULL)), failure));
}

static bool resolve_iff(struct resolution *resolution) {
    return replace_by(resolution,
        make(resolution, "if", 3, resolution->arguments[0], resolution->arguments[1], resolution->arguments[2]));
}

/* ---- Math ---- */

static bool numeric_argument(struct resolution *resolution) {
    const struct type *type = resolution->arguments[0]->type;
    if (type->kind == TYPE_STRING || type->kind == TYPE_NULL)
        resolution->arguments[0] = cast_to(resolution->analyzer, resolution->arguments[0], type_simple(TYPE_DOUBLE));
    return type_is_numeric(resolution->arguments[0]->type) || wrong_type(resolution, 0, "\"NUMERIC\"");
}

static bool digits_argument(struct resolution *resolution, int *digits) {
    struct analyzer *analyzer = resolution->analyzer;
    *digits = 0;
    if (resolution->count < 2) {
        resolution->arguments[1] = literal_int(analyzer->arena, 0);
        resolution->count = 2;
    }
    if (!casts_implicitly(analyzer, resolution->arguments[1]->type, type_simple(TYPE_INTEGER)))
        return wrong_type(resolution, 1, "\"INT\"");
    resolution->arguments[1] = cast_to(analyzer, resolution->arguments[1], type_simple(TYPE_INTEGER));
    const struct column *value = constant_value(analyzer, resolution->arguments[1]);
    if (value == NULL) {
        raise_datatype_mismatch_non_foldable_input(analyzer->error, call_text(resolution), "`scale`", "\"INT\"",
            quote_expression(analyzer->arena, resolution->arguments[1]));
        return fail_at(analyzer, resolution->place);
    }
    if (!column_is_null(value, 0))
        *digits = *(const int32_t *)value->values;
    return true;
}

/* The type of a decimal rounded to so many digits. */
static const struct type *rounded_decimal(struct arena *arena, const struct type *type, int digits) {
    int whole = type->precision - type->scale + 1;
    if (digits < 0) {
        int precision = whole > -digits + 1 ? whole : -digits + 1;
        return type_decimal(arena, precision > 38 ? 38 : precision, 0);
    }
    int scale = type->scale < digits ? type->scale : digits;
    return type_decimal(arena, whole + scale > 38 ? 38 : whole + scale, scale);
}

static bool resolve_round(struct resolution *resolution) {
    int digits;
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    if (!numeric_argument(resolution) || !digits_argument(resolution, &digits))
        return false;
    const struct type *type = resolution->arguments[0]->type;
    resolution->type = type->kind == TYPE_DECIMAL ? rounded_decimal(resolution->analyzer->arena, type, digits) : type;
    resolution->nullable = resolution->arguments[0]->nullable || type->kind == TYPE_DECIMAL;
    resolution->nullable_set = true;
    return true;
}

static bool resolve_ceil(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    int digits;
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    if (!numeric_argument(resolution))
        return false;
    const struct type *type = resolution->arguments[0]->type;
    if (resolution->count == 2) {
        if (!digits_argument(resolution, &digits))
            return false;
        if (type->kind != TYPE_DECIMAL) {
            type = type_is_integral(type)
                       ? decimal_of_type(arena, type)
                       : type_decimal(arena, type->kind == TYPE_FLOAT ? 14 : 30, type->kind == TYPE_FLOAT ? 7 : 15);
            resolution->arguments[0] = cast_to(resolution->analyzer, resolution->arguments[0], type);
        }
        resolution->type = rounded_decimal(arena, type, digits);
        return true;
    }
    if (type->kind == TYPE_DECIMAL) {
        int precision = type->precision - type->scale + 1;
        resolution->type = type_decimal(arena, type->scale == 0 ? type->precision : precision > 38 ? 38 : precision, 0);
    } else {
        if (type_is_integral(type))
            resolution->arguments[0] = cast_to(resolution->analyzer, resolution->arguments[0], type_simple(TYPE_LONG));
        resolution->type = type_simple(TYPE_LONG);
    }
    return true;
}

/* ---- Strings and bytes ---- */

static bool resolve_concat(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct expression_list list = {resolution->arguments, resolution->count};
    const struct type *type = resolution->count == 0 ? type_simple(TYPE_STRING) : common_type_of(analyzer, list, 0, 1);
    bool array = false, binary = resolution->count > 0;
    for (size_t i = 0; i < resolution->count; i++) {
        array |= resolution->arguments[i]->type->kind == TYPE_ARRAY;
        binary &= resolution->arguments[i]->type->kind == TYPE_BINARY;
    }
    if (!array)
        type = type_simple(binary ? TYPE_BINARY : TYPE_STRING);
    if (type == NULL || (array && type->kind != TYPE_ARRAY)) {
        raise_datatype_mismatch_data_diff_types(analyzer->error, call_text(resolution), "`concat`", "different types");
        return fail_at(analyzer, resolution->place);
    }
    resolution->nullable = false;
    for (size_t i = 0; i < resolution->count; i++) {
        if (!array && !casts_implicitly(analyzer, resolution->arguments[i]->type, type) &&
            resolution->arguments[i]->type->kind != TYPE_BINARY)
            return wrong_type(resolution, i, "(\"STRING\" or \"BINARY\" or \"ARRAY\")");
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type);
        resolution->nullable |= resolution->arguments[i]->nullable;
    }
    resolution->nullable_set = true;
    resolution->type = type;
    return true;
}

/* decode(bytes, charset), or decode(value, search, result, …, default) as CASE. */
static bool resolve_decode(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **a = resolution->arguments;
    if (resolution->count < 2)
        return wrong_count(resolution, "2");
    if (resolution->count == 2) {
        if (a[0]->type->kind != TYPE_BINARY)
            a[0] = cast_to(analyzer, cast_to(analyzer, a[0], type_simple(TYPE_STRING)), type_simple(TYPE_BINARY));
        a[1] = cast_to(analyzer, a[1], type_simple(TYPE_STRING));
        resolution->type = type_simple(TYPE_STRING);
        return true;
    }
    const struct expression **items = arena_allocate(analyzer->arena, (resolution->count + 1) * sizeof *items);
    size_t count = 0;
    for (size_t i = 1; i + 1 < resolution->count; i += 2) {
        if ((items[count++] = make(resolution, "<=>", 2, a[0], a[i], NULL)) == NULL)
            return false;
        items[count++] = a[i + 1];
    }
    if (resolution->count % 2 == 0)
        items[count++] = a[resolution->count - 1];
    return replace_by(resolution,
        make_call_list(analyzer, resolution->place, BYTES("case_when"), (struct expression_list){items, count}));
}

static bool resolve_hex(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = resolution->arguments[0]->type;
    if (type_is_numeric(type) || type->kind == TYPE_NULL)
        resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_LONG));
    else if (type->kind != TYPE_STRING && type->kind != TYPE_BINARY)
        return wrong_type(resolution, 0, "(\"BIGINT\" or \"BINARY\" or \"STRING\")");
    resolution->type = type_simple(TYPE_STRING);
    return true;
}

static bool resolve_reverse(struct resolution *resolution) {
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    if (resolution->arguments[0]->type->kind != TYPE_ARRAY) {
        if (!casts_implicitly(resolution->analyzer, resolution->arguments[0]->type, type_simple(TYPE_STRING)))
            return wrong_type(resolution, 0, "(\"STRING\" or \"ARRAY\")");
        resolution->arguments[0] = cast_to(resolution->analyzer, resolution->arguments[0], type_simple(TYPE_STRING));
    }
    resolution->type = resolution->arguments[0]->type;
    return true;
}

/* ---- Dates ---- */

static bool resolve_date_part(struct resolution *resolution) {
    static const struct {
        const char *unit, *function;
    } parts[] = {{"year", "year"}, {"y", "year"}, {"years", "year"}, {"yr", "year"}, {"yearofweek", "year_of_week"},
        {"quarter", "quarter"}, {"qtr", "quarter"}, {"month", "month"}, {"mon", "month"}, {"mons", "month"},
        {"months", "month"}, {"week", "weekofyear"}, {"w", "weekofyear"}, {"weeks", "weekofyear"}, {"day", "day"},
        {"d", "day"}, {"days", "day"}, {"dayofweek", "dayofweek"}, {"dow", "dayofweek"}, {"dayofweek_iso", "weekday"},
        {"dow_iso", "weekday"}, {"doy", "dayofyear"}, {"hour", "hour"}, {"h", "hour"}, {"hours", "hour"},
        {"hr", "hour"}, {"hrs", "hour"}, {"minute", "minute"}, {"m", "minute"}, {"min", "minute"}, {"mins", "minute"},
        {"minutes", "minute"}, {"second", "second_fraction"}, {"s", "second_fraction"}, {"sec", "second_fraction"},
        {"secs", "second_fraction"}, {"seconds", "second_fraction"}};
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **a = resolution->arguments;
    struct bytes unit = BYTES("");
    enum type_kind kind = a[1]->type->kind;
    if (kind == TYPE_DAY_TIME_INTERVAL || kind == TYPE_YEAR_MONTH_INTERVAL || kind == TYPE_CALENDAR_INTERVAL)
        return replace_by(resolution, make(resolution, "interval_part", 2, a[0], a[1], NULL));
    constant_text(analyzer, a[0], &unit);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (!bytes_equal_ignore_case(unit, bytes_from_text(parts[i].unit)))
            continue;
        const struct expression *part = make(resolution, parts[i].function, 1, a[1], NULL, NULL);
        if (part != NULL && (strcmp(parts[i].unit, "dayofweek_iso") == 0 || strcmp(parts[i].unit, "dow_iso") == 0))
            part = make(resolution, "+", 2, part, literal_int(analyzer->arena, 1), NULL);
        return replace_by(resolution, part);
    }
    raise_invalid_parameter_value_datetime_unit(
        analyzer->error, quote_name(analyzer->arena, BYTES("extract")), "field", quote_text(analyzer->arena, unit));
    return fail_at(analyzer, resolution->place);
}

static bool resolve_interval_part(struct resolution *resolution) {
    struct bytes unit = BYTES("");
    constant_text(resolution->analyzer, resolution->arguments[0], &unit);
    bool second = unit.size > 0 && (unit.data[0] | 0x20) == 's';
    enum type_kind kind = resolution->arguments[1]->type->kind;
    bool month = unit.size > 2 && (unit.data[0] | 0x20) == 'm' && (unit.data[1] | 0x20) == 'o';
    resolution->type = second                                       ? type_decimal(resolution->analyzer->arena, 8, 6)
                       : kind == TYPE_YEAR_MONTH_INTERVAL && !month ? type_simple(TYPE_INTEGER)
                       : kind == TYPE_DAY_TIME_INTERVAL && unit.size > 0 && (unit.data[0] | 0x20) == 'd'
                           ? type_simple(TYPE_INTEGER)
                           : type_simple(TYPE_BYTE);
    return true;
}

/* A date keeps its type with whole days or months, anything finer makes it a timestamp. */
static bool resolve_time_interval(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct type *time = resolution->arguments[0]->type, *interval = resolution->arguments[1]->type;
    bool days = interval->kind == TYPE_YEAR_MONTH_INTERVAL ||
                (interval->kind == TYPE_DAY_TIME_INTERVAL && interval->interval_from == INTERVAL_DAY &&
                    interval->interval_to == INTERVAL_DAY) ||
                interval->kind == TYPE_CALENDAR_INTERVAL;
    if (time->kind == TYPE_DATE && !days) {
        resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_TIMESTAMP));
        time = type_simple(TYPE_TIMESTAMP);
    }
    resolution->type = time;
    return true;
}

/* Scaled, an interval may get any of its fields: INTERVAL 3 DAY / 2 has hours. */
static bool resolve_scaled_interval(struct resolution *resolution) {
    resolution->type = type_simple(resolution->arguments[0]->type->kind);
    return true;
}

static bool resolve_curdate(struct resolution *resolution) {
    return replace_by(resolution, make(resolution, "current_date", 0, NULL, NULL, NULL));
}

/* to_date and to_timestamp of one argument are casts; with a pattern they parse strings only. */
static bool resolve_to_time(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **a = resolution->arguments;
    enum type_kind kind = a[0]->type->kind;
    int id = resolution->function->id;
    bool date = id == FUNCTION_TO_DATE || id == FUNCTION_TRY_TO_DATE,
         attempt = id == FUNCTION_TRY_TO_DATE || id == FUNCTION_TRY_TO_TIMESTAMP;
    const struct type *target = date                              ? type_simple(TYPE_DATE)
                                : id == FUNCTION_TO_TIMESTAMP_NTZ ? type_simple(TYPE_TIMESTAMP_NTZ)
                                                                  : type_simple(TYPE_TIMESTAMP);
    if (resolution->count == 2 && (kind == TYPE_STRING || kind == TYPE_NULL)) {
        a[0] = cast_to(analyzer, a[0], type_simple(TYPE_STRING));
        a[1] = cast_to(analyzer, a[1], type_simple(TYPE_STRING));
        resolution->type = target;
        resolution->nullable = attempt || !analyzer->ansi || a[0]->nullable || a[1]->nullable;
        resolution->nullable_set = true;
        return true;
    }
    if (!can_cast(a[0]->type, target, analyzer->ansi))
        return wrong_type(resolution, 0, "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
    struct expression_cast *cast = expression_cast_new(analyzer->arena);
    cast->child = a[0];
    cast->target = target;
    cast->mode = attempt ? CAST_TRY : analyzer->ansi ? CAST_ANSI : CAST_LEGACY;
    cast->base.type = target;
    cast->base.nullable = a[0]->nullable || cast->mode != CAST_ANSI;
    cast->implicit = true;
    /* The call stays for its name; the engine sees the cast. */
    return replace_by(resolution, &cast->base);
}

static bool resolve_unix_timestamp(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count == 0) {
        resolution->arguments[0] = make(resolution, "current_timestamp", 0, NULL, NULL, NULL);
        resolution->count = 1;
    }
    enum type_kind kind = resolution->arguments[0]->type->kind;
    if (resolution->count == 1) { /* also where it has no use: column names show it */
        resolution->arguments[1] = literal_string(analyzer->arena, BYTES("yyyy-MM-dd HH:mm:ss"));
        resolution->count = 2;
    }
    if (kind == TYPE_DATE || kind == TYPE_TIMESTAMP_NTZ)
        resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_TIMESTAMP));
    else if (kind != TYPE_TIMESTAMP)
        resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_STRING));
    resolution->type = type_simple(TYPE_LONG);
    return true;
}

/* ---- JSON ---- */

/* map('mode', 'FAILFAST') as names and values. */
static bool options_argument(struct resolution *resolution, size_t index, struct option_list *options) {
    struct analyzer *analyzer = resolution->analyzer;
    *options = (struct option_list){0};
    if (index >= resolution->count)
        return true;
    const struct expression *argument = resolution->arguments[index];
    if (argument->node.tag != EXPRESSION_CALL || expression_call_of(argument)->function->id != FUNCTION_MAP) {
        raise_invalid_options_non_map_function(analyzer->error);
        return fail_at(analyzer, resolution->place);
    }
    struct expression_list items = expression_call_of(argument)->arguments;
    struct option *list = ARENA_ARRAY(analyzer->arena, struct option, items.count / 2);
    for (size_t i = 0; i + 1 < items.count; i += 2) {
        if (!constant_text(analyzer, items.items[i], &list[i / 2].name) ||
            !constant_text(analyzer, items.items[i + 1], &list[i / 2].value)) {
            raise_invalid_options_non_string_type(analyzer->error, quote_type(analyzer->arena, argument->type));
            return fail_at(analyzer, resolution->place);
        }
    }
    *options = (struct option_list){list, items.count / 2};
    return true;
}

/* Fields that parsing fills are always nullable. */
static const struct type *all_nullable(struct arena *arena, const struct type *type) {
    if (type->kind == TYPE_ARRAY)
        return type_array(arena, all_nullable(arena, type->element), true);
    if (type->kind == TYPE_MAP)
        return type_map(arena, type->key, all_nullable(arena, type->element), true);
    if (type->kind != TYPE_STRUCT)
        return type;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, type->field_count);
    for (size_t i = 0; i < type->field_count; i++) {
        fields[i] = type->fields[i];
        fields[i].type = all_nullable(arena, fields[i].type);
        fields[i].nullable = true;
    }
    return type_struct(arena, fields, type->field_count);
}

static bool resolve_from_text(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct option_list *options = ARENA_NEW(analyzer->arena, struct option_list);
    struct bytes schema;
    if (resolution->count < 2 || resolution->count > 3)
        return wrong_count(resolution, "[2, 3]");
    if (!options_argument(resolution, 2, options))
        return false;
    if (!casts_implicitly(analyzer, resolution->arguments[0]->type, type_simple(TYPE_STRING)))
        return wrong_type(resolution, 0, "\"STRING\"");
    resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_STRING));
    if (!constant_text(analyzer, resolution->arguments[1], &schema)) {
        raise_invalid_schema_non_string_literal(
            analyzer->error, quote_expression(analyzer->arena, resolution->arguments[1]));
        return fail_at(analyzer, resolution->place);
    }
    const struct type *type = sql_parse_schema(analyzer->arena, schema, analyzer->error);
    if (type == NULL)
        return fail_at(analyzer, resolution->place);
    if (type->kind != TYPE_STRUCT && type->kind != TYPE_ARRAY && type->kind != TYPE_MAP) {
        raise_datatype_mismatch_invalid_json_schema(
            analyzer->error, call_text(resolution), quote_type(analyzer->arena, type));
        return fail_at(analyzer, resolution->place);
    }
    /* The schema is the result's type; the options stay an argument for the engine. */
    resolution->arguments[1] = resolution->arguments[2];
    resolution->count--;
    resolution->type = all_nullable(analyzer->arena, type);
    resolution->extra = options;
    return true;
}

static bool resolve_to_text(struct resolution *resolution) {
    struct option_list *options = ARENA_NEW(resolution->analyzer->arena, struct option_list);
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    if (!options_argument(resolution, 1, options))
        return false;
    enum type_kind kind = resolution->arguments[0]->type->kind;
    if (kind != TYPE_STRUCT && kind != TYPE_ARRAY && kind != TYPE_MAP)
        return wrong_type(resolution, 0, "(\"STRUCT\" or \"ARRAY\" or \"MAP\")");
    resolution->type = type_simple(TYPE_STRING);
    resolution->extra = options;
    return true;
}

static bool resolve_schema_of_json(struct resolution *resolution) {
    struct option_list *options = ARENA_NEW(resolution->analyzer->arena, struct option_list);
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    if (!options_argument(resolution, 1, options))
        return false;
    struct bytes text;
    if (!constant_text(resolution->analyzer, resolution->arguments[0], &text)) {
        raise_datatype_mismatch_non_foldable_input(resolution->analyzer->error, call_text(resolution), "`json`",
            "\"STRING\"", quote_expression(resolution->analyzer->arena, resolution->arguments[0]));
        return fail_at(resolution->analyzer, resolution->place);
    }
    resolution->type = type_simple(TYPE_STRING);
    resolution->extra = options;
    return true;
}

/* ---- Others ---- */

/* int(x), date(x), …: the cast of that name. */
static bool resolve_cast_function(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct expression_cast *cast = expression_cast_new(analyzer->arena);
    struct error cause = {0};
    struct scope scope = {0};
    cast->child = resolution->arguments[0];
    cast->target = type_parse_name(analyzer->arena, bytes_from_text(resolution->function->name), &cause);
    cast->mode = CAST_UNSET;
    cast->implicit = true;
    cast->base.node.origin = resolution->place->origin;
    return replace_by(resolution, resolve(analyzer, &scope, &cast->base));
}

static bool resolve_session_text(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct sql_environment *environment = &analyzer->session->environment;
    const char *text;
    switch (resolution->function->id) {
    case FUNCTION_CURRENT_CATALOG:
        text = "spark_catalog";
        break;
    case FUNCTION_CURRENT_SCHEMA:
        text = "default";
        break;
    case FUNCTION_CURRENT_USER:
        text = environment->user != NULL ? environment->user : "raudal";
        break;
    case FUNCTION_CURRENT_TIMEZONE:
        text = sql_setting(analyzer->session, "spark.sql.session.timeZone");
        break;
    default:
        text = "4.2.0 raudal";
    }
    return replace_by(resolution, literal_string(analyzer->arena, bytes_from_text(text)));
}

static bool resolve_typeof(struct resolution *resolution) {
    struct buffer text = {0};
    type_format_simple(resolution->arguments[0]->type, &text);
    const struct expression *literal = literal_string(resolution->analyzer->arena, buffer_view(&text));
    buffer_free(&text);
    return replace_by(resolution, literal);
}

/* Stays a call: aggregation replaces it. */
static bool resolve_grouping(struct resolution *resolution) {
    bool id = resolution->function->id == FUNCTION_GROUPING_ID;
    struct expression_list arguments =
        expressions_make(resolution->analyzer->arena, resolution->arguments, resolution->count);
    return replace_by(resolution, new_call(resolution->analyzer->arena, (enum function_id)resolution->function->id,
                                      BYTES_NULL, arguments, type_simple(id ? TYPE_LONG : TYPE_BYTE), false, false));
}

static resolver *const resolvers[FUNCTION_COUNT_OF_ALL] = {
    [FUNCTION_PLUS] = resolve_arithmetic,
    [FUNCTION_MINUS] = resolve_arithmetic,
    [FUNCTION_TIMES] = resolve_arithmetic,
    [FUNCTION_DIVIDE] = resolve_arithmetic,
    [FUNCTION_MOD] = resolve_arithmetic,
    [FUNCTION_DIV] = resolve_arithmetic,
    [FUNCTION_PMOD] = resolve_arithmetic,
    [FUNCTION_TRY_ADD] = resolve_arithmetic,
    [FUNCTION_TRY_SUBTRACT] = resolve_arithmetic,
    [FUNCTION_TRY_MULTIPLY] = resolve_arithmetic,
    [FUNCTION_TRY_DIVIDE] = resolve_arithmetic,
    [FUNCTION_TRY_MOD] = resolve_arithmetic,
    [FUNCTION_EQUAL] = resolve_comparison,
    [FUNCTION_EQUAL_NULL_SAFE] = resolve_comparison,
    [FUNCTION_LESS] = resolve_comparison,
    [FUNCTION_LESS_OR_EQUAL] = resolve_comparison,
    [FUNCTION_GREATER] = resolve_comparison,
    [FUNCTION_GREATER_OR_EQUAL] = resolve_comparison,
    [FUNCTION_NOT_EQUAL] = resolve_not_equal,
    [FUNCTION_IN] = resolve_in,
    [FUNCTION_BETWEEN] = resolve_between,
    [FUNCTION_BIT_AND_OPERATOR] = resolve_bits,
    [FUNCTION_BIT_OR_OPERATOR] = resolve_bits,
    [FUNCTION_BIT_XOR_OPERATOR] = resolve_bits,
    [FUNCTION_SHIFT_LEFT] = resolve_shift,
    [FUNCTION_SHIFT_RIGHT] = resolve_shift,
    [FUNCTION_SHIFT_RIGHT_UNSIGNED] = resolve_shift,
    [FUNCTION_CASE_WHEN] = resolve_case_when,
    [FUNCTION_IFNULL] = resolve_nvl,
    [FUNCTION_NVL2] = resolve_nvl2,
    [FUNCTION_NULLIF] = resolve_nullif,
    [FUNCTION_NULLIFZERO] = resolve_nullif,
    [FUNCTION_ZEROIFNULL] = resolve_zeroifnull,
    [FUNCTION_EQUAL_NULL] = resolve_equal_null,
    [FUNCTION_IFF] = resolve_iff,
    [FUNCTION_ASSERT_TRUE] = resolve_assert_true,
    [FUNCTION_ROUND] = resolve_round,
    [FUNCTION_BROUND] = resolve_round,
    [FUNCTION_CEIL] = resolve_ceil,
    [FUNCTION_CEILING] = resolve_ceil,
    [FUNCTION_FLOOR] = resolve_ceil,
    [FUNCTION_CONCAT] = resolve_concat,
    [FUNCTION_DECODE] = resolve_decode,
    [FUNCTION_HEX] = resolve_hex,
    [FUNCTION_REVERSE] = resolve_reverse,
    [FUNCTION_DATE_PART] = resolve_date_part,
    [FUNCTION_DATEPART] = resolve_date_part,
    [FUNCTION_EXTRACT] = resolve_date_part,
    [FUNCTION_INTERVAL_PART] = resolve_interval_part,
    [FUNCTION_TIME_PLUS_INTERVAL] = resolve_time_interval,
    [FUNCTION_TIME_MINUS_INTERVAL] = resolve_time_interval,
    [FUNCTION_CURDATE] = resolve_curdate,
    [FUNCTION_MULTIPLY_INTERVAL] = resolve_scaled_interval,
    [FUNCTION_DIVIDE_INTERVAL] = resolve_scaled_interval,
    [FUNCTION_TO_DATE] = resolve_to_time,
    [FUNCTION_TRY_TO_DATE] = resolve_to_time,
    [FUNCTION_TO_TIMESTAMP] = resolve_to_time,
    [FUNCTION_TO_TIMESTAMP_LTZ] = resolve_to_time,
    [FUNCTION_TO_TIMESTAMP_NTZ] = resolve_to_time,
    [FUNCTION_TRY_TO_TIMESTAMP] = resolve_to_time,
    [FUNCTION_UNIX_TIMESTAMP] = resolve_unix_timestamp,
    [FUNCTION_TO_UNIX_TIMESTAMP] = resolve_unix_timestamp,
    [FUNCTION_FROM_JSON] = resolve_from_text,
    [FUNCTION_TO_JSON] = resolve_to_text,
    [FUNCTION_SCHEMA_OF_JSON] = resolve_schema_of_json,
    [FUNCTION_STRING] = resolve_cast_function,
    [FUNCTION_DATE] = resolve_cast_function,
    [FUNCTION_TIMESTAMP] = resolve_cast_function,
    [FUNCTION_BOOLEAN] = resolve_cast_function,
    [FUNCTION_TINYINT] = resolve_cast_function,
    [FUNCTION_SMALLINT] = resolve_cast_function,
    [FUNCTION_INT] = resolve_cast_function,
    [FUNCTION_BIGINT] = resolve_cast_function,
    [FUNCTION_FLOAT] = resolve_cast_function,
    [FUNCTION_DOUBLE] = resolve_cast_function,
    [FUNCTION_DECIMAL] = resolve_cast_function,
    [FUNCTION_BINARY] = resolve_cast_function,
    [FUNCTION_CURRENT_CATALOG] = resolve_session_text,
    [FUNCTION_CURRENT_SCHEMA] = resolve_session_text,
    [FUNCTION_CURRENT_USER] = resolve_session_text,
    [FUNCTION_CURRENT_TIMEZONE] = resolve_session_text,
    [FUNCTION_VERSION] = resolve_session_text,
    [FUNCTION_TYPEOF] = resolve_typeof,
    [FUNCTION_TIME_WINDOW] = resolve_time_window,
    [FUNCTION_WINDOW_TIME] = resolve_window_time,
    [FUNCTION_SESSION_WINDOW] = resolve_session_window,
    [FUNCTION_GROUPING] = resolve_grouping,
    [FUNCTION_GROUPING_ID] = resolve_grouping,
    [FUNCTION_SUM] = resolve_sum,
    [FUNCTION_TRY_SUM] = resolve_sum,
    [FUNCTION_AVG] = resolve_avg,
    [FUNCTION_TRY_AVG] = resolve_avg,
    [FUNCTION_ARRAY_AGG] = resolve_collect,
    [FUNCTION_COLLECT_SET] = resolve_collect,
    [FUNCTION_MAX] = resolve_extreme,
    [FUNCTION_MIN] = resolve_extreme,
    [FUNCTION_PERCENTILE] = resolve_percentile,
    [FUNCTION_APPROX_PERCENTILE] = resolve_approx_percentile,
    [FUNCTION_ARRAY_APPEND] = resolve_array_grown,
    [FUNCTION_ARRAY_PREPEND] = resolve_array_grown,
    [FUNCTION_ARRAY_INSERT] = resolve_array_grown,
    [FUNCTION_ARRAY_REPEAT] = resolve_array_repeat,
    [FUNCTION_ARRAYS_ZIP] = resolve_arrays_zip,
    [FUNCTION_ELEMENT_AT] = resolve_element_at,
    [FUNCTION_TRY_ELEMENT_AT] = resolve_element_at,
    [FUNCTION_GET_MAP_VALUE] = resolve_get_map_value,
    [FUNCTION_ARRAY_SORT] = resolve_array_sort,
    [FUNCTION_EXISTS] = resolve_array_lambda,
    [FUNCTION_FILTER] = resolve_array_lambda,
    [FUNCTION_FORALL] = resolve_array_lambda,
    [FUNCTION_TRANSFORM] = resolve_array_lambda,
    [FUNCTION_AGGREGATE_LAMBDA] = resolve_reduce,
    [FUNCTION_TRANSFORM_KEYS] = resolve_map_lambda,
    [FUNCTION_TRANSFORM_VALUES] = resolve_map_lambda,
    [FUNCTION_MAP_FILTER] = resolve_map_lambda,
    [FUNCTION_MAP_ZIP_WITH] = resolve_map_zip_with,
    [FUNCTION_ZIP_WITH] = resolve_zip_with,
    [FUNCTION_FLATTEN] = resolve_flatten,
    [FUNCTION_MAP] = resolve_map,
    [FUNCTION_MAP_CONCAT] = resolve_map_concat,
    [FUNCTION_MAP_KEYS] = resolve_map_parts,
    [FUNCTION_MAP_VALUES] = resolve_map_parts,
    [FUNCTION_MAP_ENTRIES] = resolve_map_parts,
    [FUNCTION_MAP_FROM_ARRAYS] = resolve_map_from_arrays,
    [FUNCTION_MAP_FROM_ENTRIES] = resolve_map_from_entries,
    [FUNCTION_STR_TO_MAP] = resolve_str_to_map,
    [FUNCTION_NAMED_STRUCT] = resolve_named_struct,
    [FUNCTION_STRUCT] = resolve_struct,
    [FUNCTION_SEQUENCE] = resolve_sequence,
    [FUNCTION_EXPLODE] = resolve_explode,
    [FUNCTION_EXPLODE_OUTER] = resolve_explode,
    [FUNCTION_POSEXPLODE] = resolve_explode,
    [FUNCTION_POSEXPLODE_OUTER] = resolve_explode,
    [FUNCTION_INLINE] = resolve_inline,
    [FUNCTION_INLINE_OUTER] = resolve_inline,
    [FUNCTION_STACK] = resolve_stack,
    [FUNCTION_JSON_TUPLE] = resolve_json_tuple,
};

resolver *resolver_of(int function_id) {
    return resolvers[function_id];
}
