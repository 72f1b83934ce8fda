/* Argument rules of the operators: arithmetic (numbers, decimals, dates, intervals), comparison, IN, bits, CASE. */
#include "sql/analyze.h"

/* try_add and its kin follow the rules of the operator. */
static int operator_of(int id) {
    switch (id) {
    case FUNCTION_TRY_ADD:
        return FUNCTION_PLUS;
    case FUNCTION_TRY_SUBTRACT:
        return FUNCTION_MINUS;
    case FUNCTION_TRY_MULTIPLY:
        return FUNCTION_TIMES;
    case FUNCTION_TRY_DIVIDE:
        return FUNCTION_DIVIDE;
    case FUNCTION_TRY_MOD:
        return FUNCTION_MOD;
    default:
        return id;
    }
}

static const struct type *decimal_result(struct arena *arena, int precision, int scale) {
    if (precision > 38) {
        int whole = precision - scale, least = scale < 6 ? scale : 6;
        scale = 38 - whole > least ? 38 - whole : least;
        precision = 38;
    }
    return type_decimal(arena, precision, scale);
}

static const struct type *decimal_arithmetic(
    struct arena *arena, int id, const struct type *left, const struct type *right) {
    int p1 = left->precision, s1 = left->scale, p2 = right->precision, s2 = right->scale;
    int scale = s1 > s2 ? s1 : s2, whole = p1 - s1 > p2 - s2 ? p1 - s1 : p2 - s2;
    switch (id) {
    case FUNCTION_PLUS:
    case FUNCTION_MINUS:
        return decimal_result(arena, whole + scale + 1, scale);
    case FUNCTION_TIMES:
        return decimal_result(arena, p1 + p2 + 1, s1 + s2);
    case FUNCTION_DIVIDE:
        scale = s1 + p2 + 1 > 6 ? s1 + p2 + 1 : 6;
        return decimal_result(arena, p1 - s1 + s2 + scale, scale);
    default: /* %, pmod */
        whole = p1 - s1 < p2 - s2 ? p1 - s1 : p2 - s2;
        return decimal_result(arena, whole + scale, scale);
    }
}

static bool operand_error(struct resolution *resolution) {
    const struct expression *left = resolution->arguments[0], *right = resolution->arguments[1];
    struct arena *arena = resolution->analyzer->arena;
    raise_datatype_mismatch_binary_op_diff_types(resolution->analyzer->error, call_text(resolution),
        quote_type(arena, left->type), quote_type(arena, right->type));
    return fail_at(resolution->analyzer, resolution->place);
}

static bool is_interval(const struct type *type) {
    return type->kind == TYPE_DAY_TIME_INTERVAL || type->kind == TYPE_YEAR_MONTH_INTERVAL ||
           type->kind == TYPE_CALENDAR_INTERVAL;
}

static bool is_time(const struct type *type) {
    return type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static bool replace(
    struct resolution *resolution, const char *name, const struct expression *first, const struct expression *second) {
    resolution->replaced = make_call(resolution->analyzer, resolution->place, name, 2, first, second);
    return resolution->replaced != NULL;
}

/* date ± days, time ± interval, date - date: calls of functions of the date family. */
static bool time_arithmetic(struct resolution *resolution, bool *handled) {
    const struct expression *left = resolution->arguments[0], *right = resolution->arguments[1];
    int id = operator_of(resolution->function->id);
    *handled = true;
    if (id == FUNCTION_PLUS && is_time(right->type) && !is_time(left->type)) {
        const struct expression *swap = left;
        left = right;
        right = swap;
    }
    bool minus = id == FUNCTION_MINUS;
    if ((id == FUNCTION_PLUS || minus) && is_time(left->type)) {
        if (left->type->kind == TYPE_DATE && type_is_integral(right->type) && right->type->kind != TYPE_LONG)
            return replace(resolution, minus ? "date_sub" : "date_add", left, right);
        if (is_interval(right->type))
            return replace(resolution, minus ? "time_minus_interval" : "time_plus_interval", left, right);
        if (minus && (is_time(right->type) || right->type->kind == TYPE_STRING || right->type->kind == TYPE_NULL)) {
            bool dates =
                left->type->kind == TYPE_DATE && (right->type->kind == TYPE_DATE || right->type->kind == TYPE_STRING);
            return replace(resolution, dates ? "subtract_dates" : "subtract_timestamps", left, right);
        }
        return operand_error(resolution);
    }
    if (minus && is_time(right->type) && left->type->kind == TYPE_STRING)
        return replace(
            resolution, right->type->kind == TYPE_DATE ? "subtract_dates" : "subtract_timestamps", left, right);
    if (is_interval(left->type) && (id == FUNCTION_TIMES || id == FUNCTION_DIVIDE) && !is_interval(right->type))
        return replace(resolution, id == FUNCTION_TIMES ? "multiply_interval" : "divide_interval", left, right);
    if (is_interval(right->type) && id == FUNCTION_TIMES && !is_interval(left->type))
        return replace(resolution, "multiply_interval", right, left);
    *handled = false;
    return true;
}

/* Both operands to a common type, decimals kept apart: the engine works with the operands' own precision. */
static bool wrong_operand_type(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    raise_datatype_mismatch_binary_op_wrong_type(analyzer->error, call_text(resolution),
        "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")",
        quote_type(analyzer->arena, resolution->arguments[0]->type));
    return fail_at(analyzer, resolution->place);
}

static bool numeric_operands(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    if (analyzer->ansi && arguments[0]->type->kind == TYPE_STRING && arguments[1]->type->kind == TYPE_STRING)
        return wrong_operand_type(resolution); /* ANSI mode promotes a text only beside a number */
    for (size_t i = 0; i < 2; i++) {
        const struct type *other = arguments[1 - i]->type;
        if (arguments[i]->type->kind != TYPE_STRING)
            continue;
        const struct type *target =
            analyzer->ansi && type_is_integral(other) ? type_simple(TYPE_LONG) : type_simple(TYPE_DOUBLE);
        arguments[i] = cast_to(analyzer, arguments[i], target);
    }
    for (size_t i = 0; i < 2; i++)
        if (arguments[i]->type->kind == TYPE_NULL)
            arguments[i] = cast_to(analyzer, arguments[i],
                arguments[1 - i]->type->kind == TYPE_NULL ? type_simple(TYPE_DOUBLE) : arguments[1 - i]->type);
    const struct type *left = arguments[0]->type, *right = arguments[1]->type;
    if (is_interval(left) && left->kind == right->kind)
        return true;
    if (!type_is_numeric(left) || !type_is_numeric(right)) {
        return type_equal(left, right) ? wrong_operand_type(resolution) : operand_error(resolution);
    }
    return true;
}

static bool decimal_operands(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    for (size_t i = 0; i < 2; i++)
        if (type_is_integral(arguments[i]->type))
            arguments[i] = cast_to(analyzer, arguments[i], decimal_for(analyzer->arena, arguments[i]));
    const struct type *left = arguments[0]->type, *right = arguments[1]->type;
    if (left->kind == TYPE_DECIMAL && right->kind == TYPE_DECIMAL) {
        resolution->type =
            resolution->function->id == FUNCTION_DIV
                ? type_simple(TYPE_LONG)
                : decimal_arithmetic(analyzer->arena, operator_of(resolution->function->id), left, right);
        return true;
    }
    for (size_t i = 0; i < 2; i++)
        arguments[i] = cast_to(analyzer, arguments[i], type_simple(TYPE_DOUBLE));
    resolution->type = type_simple(TYPE_DOUBLE);
    return true;
}

bool resolve_arithmetic(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    int id = operator_of(resolution->function->id);
    if (resolution->count == 1 && (id == FUNCTION_MINUS || id == FUNCTION_PLUS)) {
        resolution->replaced = make_call(
            analyzer, resolution->place, id == FUNCTION_MINUS ? "unary_minus" : "unary_plus", 1, arguments[0]);
        return resolution->replaced != NULL;
    }
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    bool handled;
    if (!time_arithmetic(resolution, &handled) || handled)
        return resolution->replaced != NULL;
    if (!numeric_operands(resolution))
        return false;
    const struct type *left = arguments[0]->type, *right = arguments[1]->type;
    bool divides = id == FUNCTION_DIVIDE || id == FUNCTION_DIV || id == FUNCTION_MOD || id == FUNCTION_PMOD;
    resolution->nullable = arguments[0]->nullable || arguments[1]->nullable || divides ||
                           id != resolution->function->id || left->kind == TYPE_DECIMAL || right->kind == TYPE_DECIMAL;
    if (analyzer->ansi && !divides && id == resolution->function->id)
        resolution->nullable = arguments[0]->nullable || arguments[1]->nullable;
    resolution->nullable_set = true;
    if (is_interval(left)) {
        resolution->type = id == FUNCTION_DIV ? type_simple(TYPE_LONG) : common_type(analyzer, left, right);
        return true;
    }
    if (id == FUNCTION_DIVIDE && left->kind != TYPE_DECIMAL && right->kind != TYPE_DECIMAL) {
        for (size_t i = 0; i < 2; i++)
            arguments[i] = cast_to(analyzer, arguments[i], type_simple(TYPE_DOUBLE));
        resolution->type = type_simple(TYPE_DOUBLE);
        return true;
    }
    if (left->kind == TYPE_DECIMAL || right->kind == TYPE_DECIMAL)
        return decimal_operands(resolution);
    const struct type *common = id == FUNCTION_DIV ? type_simple(TYPE_LONG) : common_type(analyzer, left, right);
    for (size_t i = 0; i < 2; i++)
        arguments[i] = cast_to(analyzer, arguments[i], common);
    resolution->type = common;
    return true;
}

bool resolve_comparison(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    const struct type *common = common_type(analyzer, arguments[0]->type, arguments[1]->type);
    if (!analyzer->ansi && (arguments[0]->type->kind == TYPE_STRING) != (arguments[1]->type->kind == TYPE_STRING)) {
        const struct type *other = arguments[arguments[0]->type->kind == TYPE_STRING]->type;
        if (other->kind != TYPE_NULL && other->kind < TYPE_ARRAY)
            common = type_is_integral(other) ? other : type_is_numeric(other) ? type_simple(TYPE_DOUBLE) : other;
    }
    if (common == NULL)
        return operand_error(resolution);
    bool equality = resolution->function->id == FUNCTION_EQUAL || resolution->function->id == FUNCTION_EQUAL_NULL_SAFE;
    if (common->kind == TYPE_MAP || (!equality && !type_is_orderable(common) && common->kind != TYPE_NULL)) {
        raise_datatype_mismatch_invalid_ordering_type(analyzer->error, call_text(resolution),
            arena_printf(analyzer->arena, "`%s`", resolution->function->name), quote_type(analyzer->arena, common));
        return fail_at(analyzer, resolution->place);
    }
    for (size_t i = 0; i < 2; i++)
        arguments[i] = cast_to(analyzer, arguments[i], common);
    resolution->type = type_simple(TYPE_BOOLEAN);
    return true;
}

bool resolve_not_equal(struct resolution *resolution) {
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    const struct expression *equal =
        make_call(resolution->analyzer, resolution->place, "=", 2, resolution->arguments[0], resolution->arguments[1]);
    resolution->replaced = equal == NULL ? NULL : make_call(resolution->analyzer, resolution->place, "not", 1, equal);
    return resolution->replaced != NULL;
}

bool resolve_in(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 2)
        return wrong_count(resolution, "> 1");
    struct expression_list list = {resolution->arguments, resolution->count};
    const struct type *common = common_type_of(analyzer, list, 0, 1);
    if (common == NULL) {
        const char *types = "[";
        for (size_t i = 0; i < resolution->count; i++)
            types = arena_printf(analyzer->arena, "%s%s%s", types, i > 0 ? ", " : "",
                quote_type(analyzer->arena, resolution->arguments[i]->type));
        raise_datatype_mismatch_data_diff_types(
            analyzer->error, call_text(resolution), "`in`", arena_printf(analyzer->arena, "%s]", types));
        return fail_at(analyzer, resolution->place);
    }
    resolution->nullable = false;
    for (size_t i = 0; i < resolution->count; i++) {
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], common);
        resolution->nullable |= resolution->arguments[i]->nullable;
    }
    resolution->nullable_set = true;
    resolution->type = type_simple(TYPE_BOOLEAN);
    return true;
}

bool resolve_between(struct resolution *resolution) {
    if (resolution->count != 3)
        return wrong_count(resolution, "3");
    const struct expression **arguments = resolution->arguments;
    const struct expression *low =
        make_call(resolution->analyzer, resolution->place, ">=", 2, arguments[0], arguments[1]);
    const struct expression *high =
        make_call(resolution->analyzer, resolution->place, "<=", 2, arguments[0], arguments[2]);
    if (low == NULL || high == NULL)
        return false;
    resolution->replaced = make_call(resolution->analyzer, resolution->place, "and", 2, low, high);
    return resolution->replaced != NULL;
}

bool resolve_bits(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    const struct expression **arguments = resolution->arguments;
    const struct type *common = common_type(analyzer, arguments[0]->type, arguments[1]->type);
    if (common == NULL)
        return operand_error(resolution);
    if (!type_is_integral(common)) {
        raise_datatype_mismatch_binary_op_wrong_type(
            analyzer->error, call_text(resolution), "\"INTEGRAL\"", quote_type(analyzer->arena, common));
        return fail_at(analyzer, resolution->place);
    }
    for (size_t i = 0; i < 2; i++)
        arguments[i] = cast_to(analyzer, arguments[i], common);
    resolution->type = common;
    return true;
}

bool resolve_shift(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    const struct expression **arguments = resolution->arguments;
    if (arguments[0]->type->kind != TYPE_LONG) {
        if (!casts_implicitly(analyzer, arguments[0]->type, type_simple(TYPE_INTEGER)))
            return wrong_type(resolution, 0, "(\"INT\" or \"BIGINT\")");
        arguments[0] = cast_to(analyzer, arguments[0], type_simple(TYPE_INTEGER));
    }
    if (!casts_implicitly(analyzer, arguments[1]->type, type_simple(TYPE_INTEGER)))
        return wrong_type(resolution, 1, "\"INT\"");
    arguments[1] = cast_to(analyzer, arguments[1], type_simple(TYPE_INTEGER));
    resolution->type = arguments[0]->type;
    return true;
}

/* Conditions at even places, values behind them, ELSE last when the count is odd. */
bool resolve_case_when(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    size_t pairs = resolution->count / 2;
    bool otherwise = resolution->count % 2 == 1;
    if (pairs == 0)
        return wrong_count(resolution, "> 1");
    const struct type *common = otherwise ? arguments[resolution->count - 1]->type : type_simple(TYPE_NULL);
    for (size_t i = 0; i < pairs; i++) {
        if (arguments[2 * i]->type->kind != TYPE_BOOLEAN && arguments[2 * i]->type->kind != TYPE_NULL)
            return wrong_type(resolution, 2 * i, "\"BOOLEAN\"");
        arguments[2 * i] = cast_to(analyzer, arguments[2 * i], type_simple(TYPE_BOOLEAN));
        common = common == NULL ? NULL : common_type(analyzer, arguments[2 * i + 1]->type, common);
    }
    if (common == NULL) {
        const char *types = "[";
        for (size_t i = 1; i < resolution->count; i += i + 2 == resolution->count ? 1 : 2)
            types = arena_printf(
                analyzer->arena, "%s%s%s", types, i > 1 ? ", " : "", quote_type(analyzer->arena, arguments[i]->type));
        raise_datatype_mismatch_data_diff_types(
            analyzer->error, call_text(resolution), "`casewhen`", arena_printf(analyzer->arena, "%s]", types));
        return fail_at(analyzer, resolution->place);
    }
    resolution->nullable = !otherwise;
    for (size_t i = 0; i < resolution->count; i++) {
        if (i % 2 == 1 || i + 1 == resolution->count) {
            arguments[i] = cast_to(analyzer, arguments[i], common);
            resolution->nullable |= arguments[i]->nullable;
        }
    }
    resolution->nullable_set = true;
    resolution->type = common;
    return true;
}
