/* date_pattern.c: see date_pattern.h. */
#include "exec/functions/date_pattern.h"

#include <ctype.h>
#include <stdlib.h>

static const char *const month_names[] = {"January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December"};
static const char *const day_names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

enum { US_PER_SECOND = 1000000 };
static const int64_t us_per_day = 86400LL * US_PER_SECOND;

static int64_t floor_divide(int64_t value, int64_t by) {
    int64_t quotient = value / by;
    return quotient - (value % by < 0);
}

static void put_offset(struct buffer *out, int32_t offset, size_t count, bool z_for_zero, bool colon_always) {
    int32_t magnitude = offset < 0 ? -offset : offset;
    if (offset == 0 && z_for_zero) {
        buffer_append_byte(out, 'Z');
        return;
    }
    bool colon = colon_always || count == 3 || count == 5;
    buffer_printf(out, "%c%02d", offset < 0 ? '-' : '+', magnitude / 3600);
    if (count >= 2 || magnitude % 3600 != 0)
        buffer_printf(out, "%s%02d", colon ? ":" : "", magnitude / 60 % 60);
    if (count >= 4 && magnitude % 60 != 0)
        buffer_printf(out, "%s%02d", colon ? ":" : "", magnitude % 60);
}

struct moment {
    struct calendar_date date;
    int64_t days, time_us;
    int32_t weekday; /* Monday 0 */
    int32_t day_of_year;
};

static struct moment moment_of(int64_t local_us) {
    struct moment moment = {.days = floor_divide(local_us, us_per_day)};
    moment.time_us = local_us - moment.days * us_per_day;
    moment.date = calendar_from_days(moment.days);
    moment.weekday = (int32_t)(((moment.days + 3) % 7 + 7) % 7);
    moment.day_of_year = (int32_t)(moment.days - calendar_days(moment.date.year, 1, 1)) + 1;
    return moment;
}

static void put_number(struct buffer *out, int64_t value, size_t width) {
    buffer_printf(out, "%0*lld", (int)width, (long long)value);
}

/* The letters of the clock; false when the letter is another one or its count is wrong. */
static bool put_clock_letter(struct buffer *out, uint8_t letter, size_t count, int64_t seconds) {
    int64_t hour = seconds / 3600, value;
    switch (letter) {
    case 'H':
        value = hour;
        break;
    case 'k':
        value = hour == 0 ? 24 : hour;
        break;
    case 'K':
        value = hour % 12;
        break;
    case 'h':
        value = hour % 12 == 0 ? 12 : hour % 12;
        break;
    case 'm':
        value = seconds / 60 % 60;
        break;
    default:
        value = seconds % 60;
    }
    put_number(out, value, count);
    return count <= 2;
}

static bool put_letter(struct buffer *out, uint8_t letter, size_t count, const struct moment *moment, int64_t local_us,
    const struct timezone *zone) {
    int64_t seconds = moment->time_us / US_PER_SECOND, hour = seconds / 3600;
    switch (letter) {
    case 'y':
    case 'u':
        if (count == 2)
            put_number(out, (moment->date.year % 100 + 100) % 100, 2);
        else
            put_number(out, moment->date.year, count);
        return true;
    case 'M':
    case 'L':
        if (count <= 2)
            put_number(out, moment->date.month, count);
        else
            buffer_printf(out, "%.*s", count == 3 ? 3 : count == 5 ? 1 : 20, month_names[moment->date.month - 1]);
        return count <= 5;
    case 'd':
        put_number(out, moment->date.day, count);
        return count <= 2;
    case 'D':
        put_number(out, moment->day_of_year, count);
        return count <= 3;
    case 'E':
        buffer_printf(out, "%.*s", count <= 3 ? 3 : count == 5 ? 1 : 20, day_names[moment->weekday]);
        return count <= 5;
    case 'F':
        put_number(out, (moment->date.day - 1) / 7 + 1, 1);
        return true;
    case 'a':
        buffer_append_text(out, hour < 12 ? "AM" : "PM");
        return count == 1;
    case 'Q':
    case 'q':
        if (count <= 2)
            put_number(out, (moment->date.month + 2) / 3, count);
        else
            buffer_printf(out, count == 3 ? "Q%d" : "%d%s quarter", (moment->date.month + 2) / 3,
                moment->date.month <= 3   ? "st"
                : moment->date.month <= 6 ? "nd"
                : moment->date.month <= 9 ? "rd"
                                          : "th");
        return count <= 4;
    case 'H':
    case 'k':
    case 'K':
    case 'h':
    case 'm':
    case 's':
        return put_clock_letter(out, letter, count, seconds);
    case 'S': {
        char digits[16];
        struct buffer nine = {0};
        buffer_printf(&nine, "%06lld000", (long long)(moment->time_us % US_PER_SECOND));
        memcpy(digits, nine.data, 9);
        buffer_free(&nine);
        buffer_append(out, digits, count < 9 ? count : 9);
        return count <= 9;
    }
    case 'G':
        buffer_append_text(out, moment->date.year > 0 ? (count == 4 ? "Anno Domini" : "AD")
                                : count == 4          ? "Before Christ"
                                                      : "BC");
        return count <= 4;
    case 'V':
        buffer_append_text(out, timezone_name(zone));
        return count == 2;
    case 'z':
        buffer_append_text(out, timezone_name(zone));
        return count <= 4;
    default:
        break;
    }
    int32_t offset = timezone_offset_at(zone, floor_divide(timezone_to_utc(zone, local_us), US_PER_SECOND));
    switch (letter) {
    case 'X':
        put_offset(out, offset, count, true, false);
        return count <= 5;
    case 'x':
        put_offset(out, offset, count, false, false);
        return count <= 5;
    case 'Z':
        if (count == 4)
            buffer_append_text(out, "GMT");
        put_offset(out, offset, count == 5 ? 5 : 2, count == 5, count >= 4);
        return count <= 5;
    case 'O':
        buffer_append_text(out, "GMT");
        if (offset != 0)
            put_offset(out, offset, count == 4 ? 3 : 1, false, true);
        return count == 1 || count == 4;
    default:
        return false;
    }
}

/* Text in quotes from pattern[*at] (the opening quote); '' is a quote. */
static void quoted_text(struct bytes pattern, size_t *at, struct buffer *out) {
    size_t i = *at + 1;
    if (i < pattern.size && pattern.data[i] == '\'') {
        buffer_append_byte(out, '\'');
        *at = i + 1;
        return;
    }
    for (; i < pattern.size; i++) {
        if (pattern.data[i] != '\'') {
            buffer_append_byte(out, pattern.data[i]);
        } else if (i + 1 < pattern.size && pattern.data[i + 1] == '\'') {
            buffer_append_byte(out, '\'');
            i++;
        } else {
            break;
        }
    }
    *at = i + 1;
}

static size_t run_length(struct bytes pattern, size_t at) {
    size_t count = 1;
    while (at + count < pattern.size && pattern.data[at + count] == pattern.data[at])
        count++;
    return count;
}

bool date_pattern_format(struct bytes pattern, int64_t local_us, const struct timezone *zone, struct buffer *out) {
    struct moment moment = moment_of(local_us);
    for (size_t i = 0; i < pattern.size;) {
        uint8_t byte = pattern.data[i];
        if (byte == '\'') {
            quoted_text(pattern, &i, out);
        } else if (isalpha(byte)) {
            size_t count = run_length(pattern, i);
            if (!put_letter(out, byte, count, &moment, local_us, zone))
                return false;
            i += count;
        } else {
            if (byte != '[' && byte != ']')
                buffer_append_byte(out, byte);
            i++;
        }
    }
    return true;
}

/* ---- Parsing ---- */

struct fields {
    int64_t year, month, day, day_of_year, hour, minute, second, microsecond;
    int half_day; /* -1 unknown, 0 AM, 1 PM */
    bool twelve;  /* hour is 1..12 or 0..11 */
    bool has_offset;
    int64_t offset;
};

static bool read_number(struct bytes text, size_t *at, size_t least, size_t most, int64_t *value) {
    size_t start = *at;
    *value = 0;
    while (*at < text.size && *at - start < most && isdigit(text.data[*at]))
        *value = *value * 10 + (text.data[(*at)++] - '0');
    return *at - start >= least;
}

static bool read_name(
    struct bytes text, size_t *at, const char *const *names, size_t name_count, size_t size, int64_t *index) {
    for (size_t i = 0; i < name_count; i++) {
        size_t length = size == 0 ? strlen(names[i]) : size;
        if (*at + length <= text.size &&
            bytes_equal_ignore_case(bytes_slice(text, *at, length), bytes_make(names[i], length))) {
            *at += length;
            *index = (int64_t)i;
            return true;
        }
    }
    return false;
}

static bool read_offset(struct bytes text, size_t *at, struct fields *fields) {
    if (*at + 3 <= text.size && bytes_equal_ignore_case(bytes_slice(text, *at, 3), BYTES("GMT")))
        *at += 3;
    else if (*at + 3 <= text.size && bytes_equal_ignore_case(bytes_slice(text, *at, 3), BYTES("UTC")))
        *at += 3;
    else if (*at < text.size && text.data[*at] == 'Z')
        *at += 1;
    fields->has_offset = true;
    if (*at >= text.size || (text.data[*at] != '+' && text.data[*at] != '-'))
        return true;
    int64_t sign = text.data[(*at)++] == '-' ? -1 : 1, hours, minutes = 0;
    if (!read_number(text, at, 1, 2, &hours))
        return false;
    if (*at < text.size && text.data[*at] == ':')
        *at += 1;
    if (*at < text.size && isdigit(text.data[*at]) && !read_number(text, at, 2, 2, &minutes))
        return false;
    fields->offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_letter(
    uint8_t letter, size_t count, bool adjacent, struct bytes text, size_t *at, struct fields *fields) {
    int64_t index = 0;
    switch (letter) {
    case 'y':
    case 'u':
        if (count == 2) {
            if (!read_number(text, at, 2, 2, &fields->year))
                return false;
            fields->year += 2000;
            return true;
        }
        return read_number(text, at, adjacent || count == 4 ? count : 1,
            count >= 4 && !adjacent ? 9
            : count > 1             ? count
                                    : 9,
            &fields->year);
    case 'M':
    case 'L':
        if (count >= 3) {
            if (!read_name(text, at, month_names, 12, count == 3 ? 3 : 0, &index))
                return false;
            fields->month = index + 1;
            return true;
        }
        return read_number(text, at, count, 2, &fields->month);
    case 'd':
        return read_number(text, at, count, 2, &fields->day);
    case 'D':
        return read_number(text, at, count, 3, &fields->day_of_year);
    case 'E':
        return read_name(text, at, day_names, 7, count <= 3 ? 3 : 0, &index);
    case 'a':
        fields->half_day = *at + 2 <= text.size && (text.data[*at] | 0x20) == 'p';
        *at += 2;
        return *at <= text.size;
    case 'H':
        return read_number(text, at, count, 2, &fields->hour);
    case 'k':
        if (!read_number(text, at, count, 2, &fields->hour))
            return false;
        fields->hour %= 24;
        return true;
    case 'h':
    case 'K':
        fields->twelve = true;
        if (!read_number(text, at, count, 2, &fields->hour))
            return false;
        fields->hour %= 12;
        return true;
    case 'm':
        return read_number(text, at, count, 2, &fields->minute);
    case 's':
        return read_number(text, at, count, 2, &fields->second);
    case 'S': {
        size_t start = *at;
        int64_t value;
        if (!read_number(text, at, count, count < 9 ? count : 9, &value))
            return false;
        size_t digits = *at - start;
        for (; digits < 6; digits++)
            value *= 10;
        for (; digits > 6; digits--)
            value /= 10;
        fields->microsecond = value;
        return true;
    }
    case 'X':
    case 'x':
    case 'Z':
    case 'z':
    case 'O':
        return read_offset(text, at, fields);
    default:
        return false;
    }
}

static bool assemble(const struct fields *fields, int64_t *local_us, bool *has_offset) {
    int64_t hour = fields->hour + (fields->twelve && fields->half_day == 1 ? 12 : 0);
    if (fields->month < 1 || fields->month > 12 || fields->year > 294247 ||
        !calendar_is_valid((int32_t)fields->year, (int32_t)fields->month, (int32_t)fields->day) || hour > 23 ||
        fields->minute > 59 || fields->second > 59)
        return false;
    int64_t days = calendar_days((int32_t)fields->year, (int32_t)fields->month, (int32_t)fields->day);
    if (fields->day_of_year > 0)
        days = calendar_days((int32_t)fields->year, 1, 1) + fields->day_of_year - 1;
    int64_t seconds = hour * 3600 + fields->minute * 60 + fields->second - fields->offset;
    *local_us = days * us_per_day + seconds * US_PER_SECOND + fields->microsecond;
    *has_offset = fields->has_offset;
    return true;
}

bool date_pattern_parse(struct bytes pattern, struct bytes text, int64_t *local_us, bool *has_offset) {
    struct fields fields = {.year = 1970, .month = 1, .day = 1, .half_day = -1};
    size_t at = 0;
    for (size_t i = 0; i < pattern.size;) {
        uint8_t byte = pattern.data[i];
        if (byte == '[') { /* optional: tried when something is left */
            if (at >= text.size)
                break;
            i++;
        } else if (byte == ']') {
            i++;
        } else if (byte == '\'') {
            struct buffer literal = {0};
            quoted_text(pattern, &i, &literal);
            bool same = at + literal.size <= text.size && memcmp(text.data + at, literal.data, literal.size) == 0;
            at += literal.size;
            buffer_free(&literal);
            if (!same)
                return false;
        } else if (isalpha(byte)) {
            size_t count = run_length(pattern, i);
            bool adjacent = i + count < pattern.size && isalpha(pattern.data[i + count]);
            if (!read_letter(byte, count, adjacent, text, &at, &fields))
                return false;
            i += count;
        } else {
            if (at >= text.size || text.data[at] != byte)
                return false;
            at++;
            i++;
        }
    }
    return at == text.size && assemble(&fields, local_us, has_offset);
}
