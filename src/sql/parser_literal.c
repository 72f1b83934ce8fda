/* Literals: numbers with their suffixes, strings, typed strings (DATE '…'), intervals. */
#include "sql/parser.h"
#include "sql/sql.h"

#include <limits.h>
#include <stdlib.h>
#include "base/vector.h"
#include "column/text.h"

static struct bytes without_suffix(struct bytes text, size_t size) {
    return bytes_slice(text, 0, text.size - size);
}

static const struct expression *out_of_range(
    struct parser *parser, struct bytes digits, bool negative, const char *type, const char *low, const char *high) {
    raise_invalid_numeric_literal_range(
        parser->error, arena_printf(parser->arena, "%s%.*s", negative ? "-" : "", BYTES_ARGS(digits)), type, low, high);
    parser_failed(parser, parser->index);
    return parser_dummy(parser);
}

/* digits with at most one point, and an exponent added to the scale. */
static const struct expression *decimal_literal(struct parser *parser, struct bytes digits, bool negative) {
    __int128 unscaled = 0;
    int scale = 0, precision = 0;
    bool point = false;
    size_t i = 0;
    for (; i < digits.size && digits.data[i] != 'e' && digits.data[i] != 'E'; i++) {
        if (digits.data[i] == '.') {
            point = true;
            continue;
        }
        precision += precision > 0 || digits.data[i] != '0';
        if (precision > 38)
            return out_of_range(parser, digits, negative, "decimal", "-99999999999999999999999999999999999999",
                "99999999999999999999999999999999999999");
        unscaled = unscaled * 10 + (digits.data[i] - '0');
        scale += point;
    }
    int64_t exponent = 0;
    if (i + 1 < digits.size && bytes_to_int64(bytes_slice(digits, i + 1, digits.size - i - 1), &exponent) &&
        llabs(exponent) < 76)
        scale -= (int)exponent;
    for (; scale < 0 && precision < 38; scale++, precision += unscaled != 0)
        unscaled *= 10;
    precision = precision < scale ? scale : precision == 0 ? 1 : precision;
    if (scale < 0 || scale > 38 || precision > 38)
        return out_of_range(parser, digits, negative, "decimal", "-99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999");
    unscaled = negative ? -unscaled : unscaled;
    return literal_value(parser->arena, type_decimal(parser->arena, precision, scale), &unscaled);
}

static const struct expression *integer_literal(struct parser *parser, struct bytes text, bool negative) {
    uint8_t last = text.data[text.size - 1] | 0x20;
    bool suffixed = last == 'l' || last == 's' || last == 'y';
    struct bytes digits = suffixed ? without_suffix(text, 1) : text;
    uint64_t magnitude = 0;
    bool fits = bytes_to_uint64(digits, &magnitude) && magnitude <= (uint64_t)INT64_MAX + negative;
    int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (last == 'y') {
        int8_t byte = (int8_t)value;
        if (!fits || byte != value)
            return out_of_range(parser, digits, negative, "tinyint", "-128", "127");
        return literal_value(parser->arena, type_simple(TYPE_BYTE), &byte);
    }
    if (last == 's') {
        int16_t small = (int16_t)value;
        if (!fits || small != value)
            return out_of_range(parser, digits, negative, "smallint", "-32768", "32767");
        return literal_value(parser->arena, type_simple(TYPE_SHORT), &small);
    }
    if (last == 'l') {
        if (!fits)
            return out_of_range(parser, digits, negative, "bigint", "-9223372036854775808", "9223372036854775807");
        return literal_long(parser->arena, value);
    }
    if (!fits)
        return decimal_literal(parser, digits, negative);
    if (value < INT32_MIN || value > INT32_MAX)
        return literal_long(parser->arena, value);
    return literal_int(parser->arena, (int32_t)value);
}

const struct expression *parser_number(struct parser *parser, bool negative) {
    const struct token *token = parser_token(parser, 0);
    struct bytes text = token->text;
    const struct expression *literal = NULL;
    if (token->kind == TOKEN_INTEGER) {
        literal = integer_literal(parser, text, negative);
    } else if (token->kind == TOKEN_DECIMAL) {
        uint8_t last = text.data[text.size - 1] | 0x20;
        literal = decimal_literal(parser, last == 'd' ? without_suffix(text, 2) : text, negative);
    } else if (token->kind == TOKEN_DOUBLE) {
        uint8_t last = text.data[text.size - 1] | 0x20;
        double value = 0;
        bytes_to_double(last == 'd' || last == 'f' ? without_suffix(text, 1) : text, &value);
        value = negative ? -value : value;
        float single = (float)value;
        literal = last == 'f' ? literal_value(parser->arena, type_simple(TYPE_FLOAT), &single)
                              : literal_double(parser->arena, value);
    } else {
        return NULL;
    }
    parser->index += !parser->failed;
    return literal;
}

static bool hex_digit(uint8_t byte, int *value) {
    if (byte >= '0' && byte <= '9')
        *value = byte - '0';
    else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
        *value = (byte | 0x20) - 'a' + 10;
    else
        return false;
    return true;
}

static const struct expression *typed_error(struct parser *parser, const char *type, struct bytes text, size_t mark) {
    raise_invalid_typed_literal(
        parser->error, arena_printf(parser->arena, "\"%s\"", type), quote_text(parser->arena, text));
    parser_failed(parser, mark);
    return parser_dummy(parser);
}

static const struct expression *binary_literal(struct parser *parser, size_t mark) {
    struct bytes text = parser_string(parser);
    uint8_t *data = arena_allocate(parser->arena, text.size / 2 + 1);
    size_t size = 0;
    int high = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit;
        if (!hex_digit(text.data[i], &digit))
            return typed_error(parser, "X", text, mark);
        if ((text.size - i) % 2 == 0)
            high = digit;
        else {
            data[size++] = (uint8_t)(high << 4 | digit);
            high = 0;
        }
    }
    struct string_view view = {data, (uint32_t)size, 0};
    return literal_value(parser->arena, type_simple(TYPE_BINARY), &view);
}

/* DATE '…', TIMESTAMP '…', X'…'. Timestamps need the session's time zone: the analyzer makes the value. */
static const struct expression *typed_literal(struct parser *parser) {
    size_t mark = parser->index;
    enum token_kind next = parser_token(parser, 1)->kind;
    if (next != TOKEN_STRING && next != TOKEN_RAW_STRING)
        return NULL;
    if (parser_accept(parser, "DATE")) {
        struct bytes text = parser_string(parser);
        int32_t days;
        if (!value_parse_date(bytes_trim(text), &days))
            return typed_error(parser, "DATE", text, mark);
        return literal_value(parser->arena, type_simple(TYPE_DATE), &days);
    }
    if (parser_accept(parser, "TIMESTAMP_NTZ")) {
        struct bytes text = parser_string(parser);
        int64_t microseconds;
        if (!value_parse_timestamp_ntz(bytes_trim(text), &microseconds))
            return typed_error(parser, "TIMESTAMP_NTZ", text, mark);
        return literal_value(parser->arena, type_simple(TYPE_TIMESTAMP_NTZ), &microseconds);
    }
    if (parser_accept(parser, "TIMESTAMP") || parser_accept(parser, "TIMESTAMP_LTZ"))
        return function_call(
            parser->arena, "timestamp_literal", (size_t)1, literal_string(parser->arena, parser_string(parser)));
    if (parser_accept(parser, "X"))
        return binary_literal(parser, mark);
    return NULL;
}

const struct expression *parser_literal(struct parser *parser) {
    size_t mark = parser->index;
    const struct token *token = parser_token(parser, 0);
    const struct expression *literal = parser_number(parser, false);
    if (literal == NULL && (token->kind == TOKEN_STRING || token->kind == TOKEN_RAW_STRING)) {
        struct buffer text = {0};
        while (parser_token(parser, 0)->kind == TOKEN_STRING || parser_token(parser, 0)->kind == TOKEN_RAW_STRING)
            buffer_append_bytes(&text, parser_string(parser));
        literal = literal_string(parser->arena, buffer_view(&text));
        buffer_free(&text);
    }
    if (literal == NULL && token->kind == TOKEN_WORD) {
        bool call = parser_is_symbol_ahead(parser, 1, "(") || parser_is_symbol_ahead(parser, 1, ".");
        if (!call && parser_accept(parser, "NULL"))
            literal = literal_null(parser->arena, type_simple(TYPE_NULL));
        else if (!call && parser_accept(parser, "TRUE"))
            literal = literal_boolean(parser->arena, true);
        else if (!call && parser_accept(parser, "FALSE"))
            literal = literal_boolean(parser->arena, false);
        else
            literal = typed_literal(parser);
    }
    if (literal != NULL)
        parser_place(parser, &literal->node, mark);
    return literal;
}

/* ---- Intervals ---- */

enum unit {
    UNIT_YEAR,
    UNIT_MONTH,
    UNIT_WEEK,
    UNIT_DAY,
    UNIT_HOUR,
    UNIT_MINUTE,
    UNIT_SECOND,
    UNIT_MILLISECOND,
    UNIT_MICROSECOND,
    UNIT_COUNT
};
static const struct {
    const char *name;
    int64_t months, microseconds;
    enum interval_field field;
} units[UNIT_COUNT] = {
    {"YEAR", 12, 0, INTERVAL_YEAR},
    {"MONTH", 1, 0, INTERVAL_MONTH},
    {"WEEK", 0, 7 * 86400000000LL, INTERVAL_DAY},
    {"DAY", 0, 86400000000LL, INTERVAL_DAY},
    {"HOUR", 0, 3600000000LL, INTERVAL_HOUR},
    {"MINUTE", 0, 60000000LL, INTERVAL_MINUTE},
    {"SECOND", 0, 1000000LL, INTERVAL_SECOND},
    {"MILLISECOND", 0, 1000LL, INTERVAL_SECOND},
    {"MICROSECOND", 0, 1LL, INTERVAL_SECOND},
};

struct interval_sum {
    int64_t months, microseconds;
    int from, to; /* interval fields seen; from > to: none */
    bool has_months, has_time, good;
};

/* The unit that word (singular or plural) names, or UNIT_COUNT. */
static enum unit unit_named(struct bytes word) {
    for (int i = 0; i < UNIT_COUNT; i++) {
        size_t size = strlen(units[i].name);
        if ((word.size == size || (word.size == size + 1 && (word.data[size] | 0x20) == 's')) &&
            bytes_equal_ignore_case(bytes_slice(word, 0, size), bytes_make(units[i].name, size)))
            return (enum unit)i;
    }
    return UNIT_COUNT;
}

/* text is a number, with a fraction for seconds only. */
static void add_unit(struct interval_sum *sum, struct bytes text, enum unit unit, bool negative) {
    text = bytes_trim(text);
    size_t point = bytes_find(text, '.', 0);
    struct bytes whole = point == SIZE_MAX ? text : bytes_slice(text, 0, point);
    int64_t value = 0, scaled = 0, part = 0, fraction = 0;
    bool minus = whole.size > 0 && whole.data[0] == '-';
    sum->good = sum->good && (bytes_to_int64(whole, &value) || (whole.size == minus && point != SIZE_MAX));
    if (point != SIZE_MAX) {
        struct bytes digits = bytes_slice(text, point + 1, text.size - point - 1);
        int64_t step = 100000;
        sum->good = sum->good && unit == UNIT_SECOND && digits.size <= 9;
        for (size_t i = 0; i < digits.size && sum->good; i++, step /= 10) {
            sum->good = digits.data[i] >= '0' && digits.data[i] <= '9';
            fraction += (digits.data[i] - '0') * step;
        }
    }
    fraction = minus ? -fraction : fraction;
    if (units[unit].months > 0) {
        sum->has_months = true;
        sum->good = sum->good && !__builtin_mul_overflow(value, units[unit].months, &scaled);
        sum->good = sum->good && !__builtin_add_overflow(sum->months, negative ? -scaled : scaled, &sum->months);
    } else {
        sum->has_time = true;
        sum->good = sum->good && !__builtin_mul_overflow(value, units[unit].microseconds, &scaled) &&
                    !__builtin_add_overflow(scaled, fraction, &part);
        sum->good =
            sum->good && !__builtin_add_overflow(sum->microseconds, negative ? -part : part, &sum->microseconds);
    }
    int field = (int)units[unit].field;
    sum->from = field < sum->from ? field : sum->from;
    sum->to = field > sum->to ? field : sum->to;
}

static const struct type *interval_type(struct arena *arena, enum type_kind kind, int from, int to) {
    struct type *type = ARENA_NEW(arena, struct type);
    *type = *type_simple(kind);
    type->interval_from = (uint8_t)from;
    type->interval_to = (uint8_t)to;
    return type;
}

static const struct expression *interval_error(struct parser *parser, size_t mark) {
    parser->index = mark < parser->count ? mark : parser->index;
    parser_fail(parser);
    return parser_dummy(parser);
}

static const struct expression *interval_value(struct parser *parser, const struct interval_sum *sum, size_t mark) {
    if (!sum->good || sum->has_months == sum->has_time || sum->months < INT32_MIN || sum->months > INT32_MAX)
        return interval_error(parser, mark);
    if (sum->has_months) {
        int32_t months = (int32_t)sum->months;
        return literal_value(
            parser->arena, interval_type(parser->arena, TYPE_YEAR_MONTH_INTERVAL, sum->from, sum->to), &months);
    }
    return literal_value(
        parser->arena, interval_type(parser->arena, TYPE_DAY_TIME_INTERVAL, sum->from, sum->to), &sum->microseconds);
}

/* "1 day 2 hours", as one string. */
static void add_words(struct interval_sum *sum, struct bytes text) {
    VECTOR(struct bytes) words = {0};
    for (size_t i = 0; i < text.size;) {
        while (i < text.size && text.data[i] <= ' ')
            i++;
        size_t start = i;
        while (i < text.size && text.data[i] > ' ')
            i++;
        if (i > start)
            VECTOR_PUSH(&words, bytes_slice(text, start, i - start));
    }
    size_t i = words.count > 0 && bytes_equal_ignore_case(words.items[0], BYTES("interval")) ? 1 : 0;
    sum->good = words.count > i && (words.count - i) % 2 == 0;
    for (; sum->good && i + 1 < words.count; i += 2) {
        enum unit unit = unit_named(words.items[i + 1]);
        sum->good = unit != UNIT_COUNT;
        if (sum->good)
            add_unit(sum, words.items[i], unit, false);
    }
    VECTOR_FREE(&words);
}

bool sql_parse_interval(struct bytes text, int64_t *months, int64_t *microseconds) {
    struct interval_sum sum = {.from = 100, .to = -1, .good = true};
    add_words(&sum, text);
    *months = sum.months;
    *microseconds = sum.microseconds;
    return sum.good;
}

/* '1-2' YEAR TO MONTH, '1 02:03:04.5' DAY TO SECOND and the shorter ones: the fields from `from` to `to`, one after the
 * other. */
static const struct expression *range_interval(
    struct parser *parser, struct bytes text, bool negative, enum unit from, enum unit to, size_t mark) {
    struct interval_sum sum = {.from = (int)units[from].field, .to = (int)units[to].field, .good = true};
    text = bytes_trim(text);
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        negative ^= text.data[0] == '-';
        text = bytes_slice(text, 1, text.size - 1);
    }
    size_t position = 0;
    for (int unit = (int)from; unit <= (int)to; unit++) {
        if (unit == UNIT_WEEK)
            continue;
        uint8_t separator = unit == UNIT_YEAR ? '-' : unit == UNIT_DAY ? ' ' : ':';
        size_t end = unit == (int)to ? text.size : bytes_find(text, separator, position);
        if (end == SIZE_MAX || end <= position)
            return interval_error(parser, mark);
        add_unit(&sum, bytes_slice(text, position, end - position), (enum unit)unit, negative);
        position = end + 1;
    }
    return interval_value(parser, &sum, mark);
}

const struct expression *parser_interval(struct parser *parser, bool negative) {
    struct interval_sum sum = {.from = 100, .to = -1, .good = true};
    size_t mark = parser->index;
    bool first = true;
    for (;;) {
        bool minus = negative;
        size_t start = parser->index;
        if (parser_accept_symbol(parser, "-"))
            minus = !minus;
        else
            parser_accept_symbol(parser, "+");
        const struct token *token = parser_token(parser, 0);
        bool text = token->kind == TOKEN_STRING || token->kind == TOKEN_RAW_STRING;
        if (!text && token->kind != TOKEN_INTEGER && token->kind != TOKEN_DECIMAL) {
            parser->index = start;
            break;
        }
        struct bytes value = text ? lexer_string_value(parser->arena, token) : token->text;
        enum unit unit =
            parser_token(parser, 1)->kind == TOKEN_WORD ? unit_named(parser_token(parser, 1)->text) : UNIT_COUNT;
        if (unit == UNIT_COUNT) {
            if (!first || !text) {
                parser->index = start;
                break;
            }
            parser->index++;
            add_words(&sum, value);
            if (negative) {
                sum.months = -sum.months;
                sum.microseconds = -sum.microseconds;
            }
            return interval_value(parser, &sum, mark);
        }
        parser->index += 2;
        if (first && text && parser_accept(parser, "TO")) {
            enum unit to = unit_named(parser_identifier(parser));
            if (to == UNIT_COUNT || to <= unit || (unit < UNIT_WEEK) != (to < UNIT_WEEK))
                return interval_error(parser, parser->index - 1);
            return range_interval(parser, value, minus, unit, to, mark);
        }
        add_unit(&sum, value, unit, minus);
        first = false;
    }
    if (first)
        parser_fail(parser);
    return parser->failed ? parser_dummy(parser) : interval_value(parser, &sum, mark);
}
