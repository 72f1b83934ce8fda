/* text.c: values as text, as Spark's CAST(… AS STRING) and Dataset.show print them. */
#include "column/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/calendar.h"
#include "column/timezone.h"

void decimal_format(__int128 unscaled, int scale, struct buffer *out) {
    char digits[48];
    int count = 0;
    unsigned __int128 rest = unscaled < 0 ? -(unsigned __int128)unscaled : (unsigned __int128)unscaled;
    do {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0 || count <= scale);
    if (unscaled < 0) {
        buffer_append_byte(out, '-');
    }
    while (count > 0) {
        buffer_append_byte(out, (uint8_t)digits[--count]);
        if (count == scale && count > 0) {
            buffer_append_byte(out, '.');
        }
    }
}

/* Java's form of the shortest decimal digits: `digits` has `count` of them, the value is 0.d1d2… × 10^exponent. */
static void java_float_format(bool negative, const char *digits, int count, int exponent, struct buffer *out) {
    if (negative) {
        buffer_append_byte(out, '-');
    }
    if (exponent > -3 && exponent <= 7) {
        if (exponent <= 0) {
            buffer_append_text(out, "0.");
            for (int i = exponent; i < 0; i++) {
                buffer_append_byte(out, '0');
            }
            buffer_append(out, digits, (size_t)count);
            return;
        }
        for (int i = 0; i < exponent; i++) {
            buffer_append_byte(out, i < count ? (uint8_t)digits[i] : '0');
        }
        buffer_append_byte(out, '.');
        if (count > exponent) {
            buffer_append(out, digits + exponent, (size_t)(count - exponent));
        } else {
            buffer_append_byte(out, '0');
        }
        return;
    }
    buffer_append_byte(out, (uint8_t)digits[0]);
    buffer_append_byte(out, '.');
    if (count > 1) {
        buffer_append(out, digits + 1, (size_t)(count - 1));
    } else {
        buffer_append_byte(out, '0');
    }
    buffer_printf(out, "E%d", exponent - 1);
}

static bool format_special(double value, struct buffer *out) {
    if (isnan(value)) {
        buffer_append_text(out, "NaN");
    } else if (isinf(value)) {
        buffer_append_text(out, value < 0 ? "-Infinity" : "Infinity");
    } else if (value == 0) {
        buffer_append_text(out, signbit(value) ? "-0.0" : "0.0");
    } else {
        return false;
    }
    return true;
}

/* From the "d.ddde±xx" that printf made. */
static void format_printed(const char *printed, struct buffer *out) {
    char digits[24];
    int count = 0;
    bool negative = *printed == '-';
    const char *from = printed + negative;
    for (; *from != 'e'; from++) {
        if (*from != '.') {
            digits[count++] = *from;
        }
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    java_float_format(negative, digits, count, (int)strtol(from + 1, NULL, 10) + 1, out);
}

void double_format(double value, struct buffer *out) {
    if (format_special(value, out)) {
        return;
    }
    if (value == (double)(int64_t)value && fabs(value) < 1e7) {
        buffer_printf(out, "%lld.0", (long long)value);
        return;
    }
    char printed[40];
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(printed, sizeof printed, "%.*e", precision, value);
        if (strtod(printed, NULL) == value) {
            break;
        }
    }
    format_printed(printed, out);
}

void float_format(float value, struct buffer *out) {
    if (format_special((double)value, out)) {
        return;
    }
    char printed[40];
    for (int precision = 5; precision <= 8; precision++) {
        snprintf(printed, sizeof printed, "%.*e", precision, (double)value);
        if (strtof(printed, NULL) == value) {
            break;
        }
    }
    format_printed(printed, out);
}

static void two_digits(int value, char *to) {
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
}

void date_format(int32_t days, struct buffer *out) {
    struct calendar_date date = calendar_from_days(days);
    if (date.year > 9999 || date.year < 0) {
        buffer_printf(out, date.year < 0 ? "%05d" : "+%d", date.year);
    } else {
        char year[4];
        two_digits(date.year / 100, year);
        two_digits(date.year % 100, year + 2);
        buffer_append(out, year, 4);
    }
    char rest[6] = "-00-00";
    two_digits(date.month, rest + 1);
    two_digits(date.day, rest + 4);
    buffer_append(out, rest, 6);
}

static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

static void fraction_format(int microseconds, struct buffer *out) {
    if (microseconds == 0) {
        return;
    }
    char digits[16];
    snprintf(digits, sizeof digits, ".%06d", microseconds);
    size_t count = 7;
    while (digits[count - 1] == '0') {
        count--;
    }
    buffer_append(out, digits, count);
}

static void local_timestamp_format(int64_t local_us, struct buffer *out) {
    int64_t day_us = INT64_C(86400000000);
    int64_t days = floor_divide(local_us, day_us), rest = local_us - days * day_us;
    date_format((int32_t)days, out);
    int seconds = (int)(rest / 1000000);
    char time[9] = " 00:00:00";
    two_digits(seconds / 3600, time + 1);
    two_digits(seconds / 60 % 60, time + 4);
    two_digits(seconds % 60, time + 7);
    buffer_append(out, time, 9);
    fraction_format((int)(rest % 1000000), out);
}

void timestamp_format(int64_t microseconds, const struct timezone *zone, struct buffer *out) {
    local_timestamp_format(timezone_to_local(zone, microseconds), out);
}

/* ---- intervals ---- */

static const char *const interval_names[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};

static void interval_end(const struct type *type, struct buffer *out) {
    buffer_printf(out, "' %s", interval_names[type->interval_from]);
    if (type->interval_from != type->interval_to) {
        buffer_printf(out, " TO %s", interval_names[type->interval_to]);
    }
}

void year_month_interval_format(int32_t months, const struct type *type, struct buffer *out) {
    int64_t rest = months < 0 ? -(int64_t)months : months;
    buffer_printf(out, "INTERVAL '%s", months < 0 ? "-" : "");
    if (type->interval_from == type->interval_to) {
        buffer_printf(out, "%lld", (long long)(type->interval_from == INTERVAL_YEAR ? rest / 12 : rest));
    } else {
        buffer_printf(out, "%lld-%lld", (long long)(rest / 12), (long long)(rest % 12));
    }
    interval_end(type, out);
}

void day_time_interval_format(int64_t microseconds, const struct type *type, struct buffer *out) {
    static const int64_t units[] = {[INTERVAL_DAY] = 86400000000,
        [INTERVAL_HOUR] = 3600000000,
        [INTERVAL_MINUTE] = 60000000,
        [INTERVAL_SECOND] = 1000000};
    uint64_t rest = microseconds < 0 ? -(uint64_t)microseconds : (uint64_t)microseconds;
    buffer_printf(out, "INTERVAL '%s", microseconds < 0 ? "-" : "");
    for (int field = type->interval_from; field <= type->interval_to; field++) {
        uint64_t value = rest / (uint64_t)units[field];
        rest -= value * (uint64_t)units[field];
        const char *separator = field == type->interval_from ? "" : field == INTERVAL_HOUR ? " " : ":";
        bool leading = field == type->interval_from;
        /* A leading day is plain; every other field has two digits. */
        buffer_printf(
            out, leading && field == INTERVAL_DAY ? "%s%llu" : "%s%02llu", separator, (unsigned long long)value);
        if (field == INTERVAL_SECOND) {
            fraction_format((int)rest, out);
        }
    }
    interval_end(type, out);
}

void calendar_interval_format(struct calendar_interval value, struct buffer *out) {
    size_t start = out->size;
    const struct {
        int64_t value;
        const char *name;
    } parts[] = {{value.months / 12, "years"}, {value.months % 12, "months"}, {value.days, "days"},
        {value.microseconds / 3600000000, "hours"}, {value.microseconds / 60000000 % 60, "minutes"}};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (parts[i].value != 0) {
            buffer_printf(out, "%s%lld %s", out->size > start ? " " : "", (long long)parts[i].value, parts[i].name);
        }
    }
    int64_t rest = value.microseconds % 60000000;
    if (rest != 0) {
        buffer_printf(
            out, "%s%s%lld", out->size > start ? " " : "", rest < 0 ? "-" : "", (long long)llabs(rest / 1000000));
        fraction_format((int)llabs(rest % 1000000), out);
        buffer_append_text(out, " seconds");
    }
    if (out->size == start) {
        buffer_append_text(out, "0 seconds");
    }
}

/* ---- values ---- */

static void nested_format(const struct column *column, size_t row, const struct text_style *style, struct buffer *out) {
    if (column_is_null(column, row)) {
        buffer_append_text(out, style->pretty ? "NULL" : "null");
    } else {
        value_format_styled(column, row, style, out);
    }
}

static void list_format(const struct column *column, size_t row, const struct text_style *style, struct buffer *out) {
    bool map = column->type->kind == TYPE_MAP;
    buffer_append_byte(out, map ? '{' : '[');
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
        buffer_append_text(out, i > column->offsets[row] ? ", " : "");
        nested_format(column->children[0], (size_t)i, style, out);
        if (map) {
            buffer_append_text(out, " -> ");
            nested_format(column->children[1], (size_t)i, style, out);
        }
    }
    buffer_append_byte(out, map ? '}' : ']');
}

static void struct_format(const struct column *column, size_t row, const struct text_style *style, struct buffer *out) {
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < column->child_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        nested_format(column->children[i], row, style, out);
    }
    buffer_append_byte(out, '}');
}

static void binary_format(struct string_view value, const struct text_style *style, struct buffer *out) {
    if (!style->pretty) {
        buffer_append(out, value.data, value.size);
        return;
    }
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < value.size; i++) {
        buffer_printf(out, i > 0 ? " %02X" : "%02X", value.data[i]);
    }
    buffer_append_byte(out, ']');
}

void value_format_styled(const struct column *column, size_t row, const struct text_style *style, struct buffer *out) {
    row = column->constant ? 0 : row;
    const struct type *type = column->type;
    switch (type->kind) {
    case TYPE_NULL:
        buffer_append_text(out, style->pretty ? "NULL" : "null");
        break;
    case TYPE_BOOLEAN:
        buffer_append_text(out, COLUMN_VALUES(column, uint8_t)[row] ? "true" : "false");
        break;
    case TYPE_BYTE:
        buffer_printf(out, "%d", COLUMN_VALUES(column, int8_t)[row]);
        break;
    case TYPE_SHORT:
        buffer_printf(out, "%d", COLUMN_VALUES(column, int16_t)[row]);
        break;
    case TYPE_INTEGER:
        long_format(COLUMN_VALUES(column, int32_t)[row], out);
        break;
    case TYPE_LONG:
        long_format(COLUMN_VALUES(column, int64_t)[row], out);
        break;
    case TYPE_FLOAT:
        float_format(COLUMN_VALUES(column, float)[row], out);
        break;
    case TYPE_DOUBLE:
        double_format(COLUMN_VALUES(column, double)[row], out);
        break;
    case TYPE_DECIMAL:
        decimal_format(COLUMN_VALUES(column, __int128)[row], type->scale, out);
        break;
    case TYPE_STRING:
        buffer_append(out, COLUMN_VALUES(column, struct string_view)[row].data,
            COLUMN_VALUES(column, struct string_view)[row].size);
        break;
    case TYPE_BINARY:
        binary_format(COLUMN_VALUES(column, struct string_view)[row], style, out);
        break;
    case TYPE_DATE:
        date_format(COLUMN_VALUES(column, int32_t)[row], out);
        break;
    case TYPE_TIMESTAMP:
        timestamp_format(COLUMN_VALUES(column, int64_t)[row], style->zone, out);
        break;
    case TYPE_TIMESTAMP_NTZ:
        local_timestamp_format(COLUMN_VALUES(column, int64_t)[row], out);
        break;
    case TYPE_YEAR_MONTH_INTERVAL:
        year_month_interval_format(COLUMN_VALUES(column, int32_t)[row], type, out);
        break;
    case TYPE_DAY_TIME_INTERVAL:
        day_time_interval_format(COLUMN_VALUES(column, int64_t)[row], type, out);
        break;
    case TYPE_CALENDAR_INTERVAL:
        calendar_interval_format(COLUMN_VALUES(column, struct calendar_interval)[row], out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        list_format(column, row, style, out);
        break;
    case TYPE_STRUCT:
        struct_format(column, row, style, out);
        break;
    default:
        UNREACHABLE();
    }
}

void long_format(int64_t value, struct buffer *out) {
    char digits[20];
    int count = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    uint8_t *to = buffer_reserve(out, 21);
    size_t size = 0;
    if (value < 0) {
        to[size++] = '-';
    }
    while (count > 0) {
        to[size++] = (uint8_t)digits[--count];
    }
    out->size += size;
}

void value_format(const struct column *column, size_t row, const struct timezone *zone, struct buffer *out) {
    value_format_styled(column, row, &(struct text_style){.zone = zone}, out);
}
