/* text_parse.c: text to values as Spark's casts from STRING read it. Nothing here allocates; every form is bounded by
 * the text. */
#include "column/text.h"

#include <math.h>
#include <stdlib.h>
#include "base/calendar.h"
#include "column/timezone.h"

#define DAY_US INT64_C(86400000000)

/* Spark trims all bytes up to the space, control characters included. */
static struct bytes trim_control(struct bytes text) {
    while (text.size > 0 && (text.data[0] <= ' ' || text.data[0] == 0x7f)) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] <= ' ' || text.data[text.size - 1] == 0x7f)) {
        text.size--;
    }
    return text;
}

bool value_parse_boolean(struct bytes text, bool *value) {
    static const char *const words[2][5] = {{"f", "false", "n", "no", "0"}, {"t", "true", "y", "yes", "1"}};
    text = trim_control(text);
    for (int truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < 5; i++) {
            if (bytes_equal_ignore_case(text, bytes_from_text(words[truth][i]))) {
                *value = truth == 1;
                return true;
            }
        }
    }
    return false;
}

bool value_parse_long(struct bytes text, int64_t *value) {
    text = trim_control(text);
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t i = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    if (i == text.size) {
        return false;
    }
    int64_t total = 0;
    for (; i < text.size; i++) {
        unsigned digit = text.data[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(total, 10, &total) ||
            __builtin_sub_overflow(total, (int64_t)digit, &total)) {
            return false;
        }
    }
    *value = negative ? total : -total;
    return negative || total != INT64_MIN;
}

static bool parse_special(struct bytes text, double *value) {
    bool negative = text.size > 0 && text.data[0] == '-';
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        text = bytes_slice(text, 1, text.size - 1);
    }
    if (bytes_equal_ignore_case(text, BYTES("inf")) || bytes_equal_ignore_case(text, BYTES("infinity"))) {
        *value = negative ? -INFINITY : INFINITY;
        return true;
    }
    if (bytes_equal_ignore_case(text, BYTES("nan"))) {
        *value = NAN;
        return true;
    }
    return false;
}

/* Only digits, one point and one exponent: what strtod takes beyond that (hexadecimal, "nan(…)") is not Java's. */
static bool is_decimal_float(struct bytes text) {
    size_t i = 0, digits = 0;
    i += text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    for (bool point = false; i < text.size; i++) {
        if (text.data[i] == '.' && !point) {
            point = true;
        } else if (text.data[i] >= '0' && text.data[i] <= '9') {
            digits++;
        } else {
            break;
        }
    }
    if (digits == 0) {
        return false;
    }
    if (i < text.size && (text.data[i] | 0x20) == 'e') {
        i++;
        i += i < text.size && (text.data[i] == '-' || text.data[i] == '+');
        size_t start = i;
        while (i < text.size && text.data[i] >= '0' && text.data[i] <= '9') {
            i++;
        }
        if (i == start) {
            return false;
        }
    }
    return i == text.size;
}

bool value_parse_double(struct bytes text, double *value) {
    text = trim_control(text);
    uint8_t last = text.size > 0 ? text.data[text.size - 1] | 0x20 : 0;
    if (text.size > 1 && (last == 'd' || last == 'f') && is_decimal_float(bytes_slice(text, 0, text.size - 1))) {
        text.size--;
    } else if (!is_decimal_float(text)) {
        return parse_special(text, value);
    }
    char copy[128];
    if (text.size < sizeof copy) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = 0;
        *value = strtod(copy, NULL);
        return true;
    }
    char *heap = malloc(text.size + 1);
    ASSERT(heap != NULL);
    memcpy(heap, text.data, text.size);
    heap[text.size] = 0;
    *value = strtod(heap, NULL);
    free(heap);
    return true;
}

static __int128 power_of_ten(int exponent) {
    __int128 power = 1;
    while (exponent-- > 0) {
        power *= 10;
    }
    return power;
}

/* Digits are collected until 39 are significant; what is cut off counts for rounding (half up, away from zero). */
bool value_parse_decimal(struct bytes text, int precision, int scale, __int128 *unscaled) {
    text = trim_control(text);
    if (!is_decimal_float(text)) {
        return false;
    }
    size_t i = 0;
    bool negative = text.data[0] == '-', point = false;
    i += text.data[0] == '-' || text.data[0] == '+';
    size_t end = i;
    while (end < text.size && (text.data[end] | 0x20) != 'e') {
        end++;
    }
    int64_t exponent = 0;
    if (end < text.size && !value_parse_long(bytes_slice(text, end + 1, text.size - end - 1), &exponent)) {
        return false;
    }
    int64_t position = 0; /* power of ten of the next digit's place, relative to the point */
    for (size_t j = i; j < end && text.data[j] != '.'; j++) {
        position++;
    }
    if (exponent > 1000000 || exponent < -1000000) {
        exponent = exponent > 0 ? 1000000 : -1000000;
    }
    position += exponent;
    unsigned __int128 total = 0;
    int next = -1; /* the first digit beyond the scale */
    for (; i < end; i++) {
        if (text.data[i] == '.') {
            point = true;
            continue;
        }
        unsigned digit = text.data[i] - (unsigned)'0';
        if (position + scale > 0) {
            if (total >= (unsigned __int128)power_of_ten(38)) {
                return false;
            }
            total = total * 10 + digit;
        } else if (position + scale == 0) {
            next = (int)digit;
        }
        position--;
    }
    (void)point;
    for (; position + scale > 0 && total > 0; position--) {
        if (total >= (unsigned __int128)power_of_ten(38)) {
            return false;
        }
        total *= 10;
    }
    total += next >= 5;
    if (total >= (unsigned __int128)power_of_ten(precision)) {
        return false;
    }
    *unscaled = negative ? -(__int128)total : (__int128)total;
    return true;
}

/* ---- dates and timestamps ---- */

struct reader {
    const uint8_t *next, *end;
};

/* digit_min to digit_max decimal digits and nothing that continues them. */
static bool read_digits(struct reader *reader, int digit_min, int digit_max, int *value) {
    int count = 0, total = 0;
    while (reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9') {
        if (++count > digit_max) {
            return false;
        }
        total = total * 10 + (*reader->next++ - '0');
    }
    *value = total;
    return count >= digit_min;
}

static bool read_byte(struct reader *reader, uint8_t byte) {
    if (reader->next < reader->end && *reader->next == byte) {
        reader->next++;
        return true;
    }
    return false;
}

/* [+-]yyyy[-m[m][-d[d]]]; *parts is how many of the three were there. */
static bool read_date(struct reader *reader, int year_digits_max, int64_t *days, int *parts) {
    int year, month = 1, day = 1;
    bool negative = read_byte(reader, '-');
    if (!negative) {
        read_byte(reader, '+');
    }
    if (!read_digits(reader, 4, year_digits_max, &year)) {
        return false;
    }
    *parts = 1;
    if (read_byte(reader, '-')) {
        if (!read_digits(reader, 1, 2, &month)) {
            return false;
        }
        *parts = 2;
        if (read_byte(reader, '-')) {
            if (!read_digits(reader, 1, 2, &day)) {
                return false;
            }
            *parts = 3;
        }
    }
    year = negative ? -year : year;
    if (!calendar_is_valid(year, month, day)) {
        return false;
    }
    *days = calendar_days(year, month, day);
    return true;
}

bool value_parse_date(struct bytes text, int32_t *days) {
    text = trim_control(text);
    struct reader reader = {text.data, text.data + text.size};
    int64_t value;
    int parts;
    if (!read_date(&reader, 7, &value, &parts) || value < INT32_MIN || value > INT32_MAX) {
        return false;
    }
    if (reader.next < reader.end && (parts < 3 || (*reader.next != ' ' && *reader.next != 'T'))) {
        return false;
    }
    *days = (int32_t)value;
    return true;
}

/* h[h]:m[m][:s[s][.digits]] */
static bool read_time(struct reader *reader, int64_t *microseconds) {
    int hour, minute = 0, second = 0;
    int64_t fraction = 0;
    if (!read_digits(reader, 1, 2, &hour) || !read_byte(reader, ':') || !read_digits(reader, 1, 2, &minute)) {
        return false;
    }
    if (read_byte(reader, ':')) {
        if (!read_digits(reader, 1, 2, &second)) {
            return false;
        }
        if (read_byte(reader, '.')) {
            int count = 0;
            for (; reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9'; reader->next++) {
                if (count++ < 6) {
                    fraction = fraction * 10 + (*reader->next - '0');
                }
            }
            for (; count < 6; count++) {
                fraction *= 10;
            }
        }
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *microseconds = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + fraction;
    return true;
}

/* The part without a zone; what is left in the reader is the zone. */
static bool read_local_timestamp(struct reader *reader, int64_t *local_us) {
    int64_t days, time = 0;
    int parts;
    if (!read_date(reader, 6, &days, &parts)) {
        return false;
    }
    if (reader->next < reader->end) {
        if (parts < 3 || !(read_byte(reader, ' ') || read_byte(reader, 'T'))) {
            return false;
        }
        if (reader->next < reader->end && !read_time(reader, &time)) {
            return false;
        }
    }
    int64_t total;
    if (__builtin_mul_overflow(days, DAY_US, &total) || __builtin_add_overflow(total, time, &total)) {
        return false;
    }
    *local_us = total;
    return true;
}

bool value_parse_timestamp(struct bytes text, const struct timezone *zone, int64_t *microseconds) {
    text = trim_control(text);
    struct reader reader = {text.data, text.data + text.size};
    int64_t local;
    if (!read_local_timestamp(&reader, &local)) {
        return false;
    }
    struct bytes rest = bytes_trim(bytes_make(reader.next, (size_t)(reader.end - reader.next)));
    if (rest.size > 0) {
        zone = timezone_find(rest);
        if (zone == NULL) {
            return false;
        }
    }
    *microseconds = timezone_to_utc(zone, local);
    return true;
}

bool value_parse_timestamp_ntz(struct bytes text, int64_t *microseconds) {
    text = trim_control(text);
    struct reader reader = {text.data, text.data + text.size};
    if (!read_local_timestamp(&reader, microseconds)) {
        return false;
    }
    struct bytes rest = bytes_trim(bytes_make(reader.next, (size_t)(reader.end - reader.next)));
    return rest.size == 0 || timezone_find(rest) != NULL;
}
