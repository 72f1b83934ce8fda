/* datetime.c: patterns compiled to a list of items; an optional part is a jump that parsing may take back. Meaning of
 * the letters: java.time's DateTimeFormatter as Spark documents it ("Datetime Patterns for Formatting and Parsing"). */
#include "format/datetime.h"

#include <stdio.h>
#include "base/assert.h"
#include "base/calendar.h"

enum { ITEMS_MAX = 64 };

struct item {
    char letter; /* pattern letter, 0: literal text, '[' with `jump` behind its end, ']' */
    uint8_t count;
    uint16_t jump;
    struct bytes text;
};

struct datetime_pattern {
    size_t count;
    struct item items[ITEMS_MAX];
};

static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* ---- compiling ---- */

static bool add(struct datetime_pattern *pattern, struct item item, struct error *error) {
    if (pattern->count == ITEMS_MAX) {
        return error_set(error, ERROR_LIMIT, "a datetime pattern has at most %d parts", ITEMS_MAX);
    }
    pattern->items[pattern->count++] = item;
    return true;
}

/* Quoted text from `at` (the opening quote) on; returns the index behind it, or 0. */
static size_t add_quoted(
    struct arena *arena, struct datetime_pattern *pattern, struct bytes text, size_t at, struct error *error) {
    struct buffer out = {0};
    size_t i = at + 1;
    bool closed = false;
    while (i < text.size && !closed) {
        if (text.data[i] == '\'' && i + 1 < text.size && text.data[i + 1] == '\'') {
            buffer_append_byte(&out, '\'');
            i += 2;
        } else if (text.data[i] == '\'') {
            closed = true;
            i++;
        } else {
            buffer_append_byte(&out, text.data[i++]);
        }
    }
    if (out.size == 0) {
        buffer_append_byte(&out, '\'');
    }
    struct bytes literal = arena_copy(arena, buffer_view(&out));
    buffer_free(&out);
    if (!closed) {
        error_set(error, ERROR_INVALID, "Pattern ends with an incomplete string literal: %.*s", BYTES_ARGS(text));
        return 0;
    }
    return add(pattern, (struct item){.text = literal}, error) ? i : 0;
}

static bool add_letters(
    struct datetime_pattern *pattern, struct bytes text, size_t at, size_t count, struct error *error) {
    static const char allowed[] = "GyuMLdDEahKkHmsSnVzOXxZ";
    char letter = (char)text.data[at];
    if (strchr(allowed, letter) == NULL) {
        return error_set(error, ERROR_INVALID, "Illegal pattern character: %c in %.*s", letter, BYTES_ARGS(text));
    }
    return add(pattern, (struct item){.letter = letter, .count = (uint8_t)(count > 19 ? 19 : count)}, error);
}

const struct datetime_pattern *datetime_pattern_compile(struct arena *arena, struct bytes text, struct error *error) {
    struct datetime_pattern *pattern = ARENA_NEW(arena, struct datetime_pattern);
    size_t open[8], depth = 0;
    for (size_t i = 0; i < text.size;) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        size_t count = 1;
        while (letter && i + count < text.size && text.data[i + count] == c) {
            count++;
        }
        if (c == '\'') {
            i = add_quoted(arena, pattern, text, i, error);
            if (i == 0) {
                return NULL;
            }
            continue;
        }
        bool good = true;
        if (letter) {
            good = add_letters(pattern, text, i, count, error);
        } else if (c == '[' && depth < ARRAY_COUNT(open)) {
            open[depth++] = pattern->count;
            good = add(pattern, (struct item){.letter = '['}, error);
        } else if (c == ']' && depth > 0) {
            pattern->items[open[--depth]].jump = (uint16_t)(pattern->count + 1);
            good = add(pattern, (struct item){.letter = ']'}, error);
        } else if (c == '[' || c == ']' || c == '#' || c == '{' || c == '}') {
            good = error_set(
                error, ERROR_INVALID, "Pattern includes reserved character: '%c' in %.*s", c, BYTES_ARGS(text));
        } else {
            good = add(pattern, (struct item){.text = bytes_slice(text, i, 1)}, error);
        }
        if (!good) {
            return NULL;
        }
        i += count;
    }
    for (; depth > 0; depth--) {
        pattern->items[open[depth - 1]].jump = (uint16_t)pattern->count;
    }
    return pattern;
}

/* ---- parsing ---- */

struct parts {
    int32_t year, month, day, day_of_year, hour, minute, second, nanosecond;
    bool has_year, has_month, has_day, has_hour, has_half, afternoon, half_clock, has_offset;
    int32_t offset;
};

static bool take_number(struct bytes text, size_t *at, int least, int most, bool sign, int32_t *value) {
    size_t i = *at;
    bool negative = sign && i < text.size && text.data[i] == '-';
    i += negative;
    int64_t number = 0;
    int digits = 0;
    while (digits < most && i < text.size && (uint8_t)(text.data[i] - '0') <= 9) {
        number = number * 10 + (text.data[i++] - '0');
        digits++;
    }
    *value = (int32_t)(negative ? -number : number);
    *at = i;
    return digits >= least;
}

static bool take_name(struct bytes text, size_t *at, const char *const *names, int count, bool full, int32_t *value) {
    for (int i = 0; i < count; i++) {
        size_t size = full ? strlen(names[i]) : 3;
        if (text.size - *at >= size && bytes_equal(bytes_slice(text, *at, size), bytes_make(names[i], size))) {
            *at += size;
            *value = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_offset(struct bytes text, size_t *at, bool zulu, struct parts *parts) {
    if (zulu && *at < text.size && text.data[*at] == 'Z') {
        ++*at;
        parts->has_offset = true;
        parts->offset = 0;
        return true;
    }
    if (text.size - *at >= 3 && bytes_starts_with(bytes_slice(text, *at, text.size - *at), "GMT")) {
        *at += 3;
    } else if (text.size - *at >= 3 && bytes_starts_with(bytes_slice(text, *at, text.size - *at), "UTC")) {
        *at += 3;
        parts->has_offset = true;
        return true;
    }
    if (*at == text.size || (text.data[*at] != '+' && text.data[*at] != '-')) {
        return false;
    }
    int32_t sign = text.data[(*at)++] == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;
    if (!take_number(text, at, 1, 2, false, &hours)) {
        return false;
    }
    bool colon = *at < text.size && text.data[*at] == ':';
    *at += colon;
    if (!take_number(text, at, 2, 2, false, &minutes) && colon) {
        return false;
    }
    if (colon && *at < text.size && text.data[*at] == ':') {
        ++*at;
        if (!take_number(text, at, 2, 2, false, &seconds)) {
            return false;
        }
    }
    parts->has_offset = true;
    parts->offset = sign * (hours * 3600 + minutes * 60 + seconds);
    return hours <= 18 && minutes < 60 && seconds < 60;
}

static bool take_fraction(struct bytes text, size_t *at, int count, struct parts *parts) {
    int digits = 0;
    int64_t value = 0;
    while (digits < count && *at < text.size && (uint8_t)(text.data[*at] - '0') <= 9) {
        value = value * 10 + (text.data[(*at)++] - '0');
        digits++;
    }
    if (digits == 0) {
        return false;
    }
    for (int i = digits; i < 9; i++) {
        value *= 10;
    }
    for (int i = 9; i < digits; i++) {
        value /= 10;
    }
    parts->nanosecond = (int32_t)value;
    return true;
}

/* Digits next to one another: a number takes no more than its letters when another number follows. */
static int number_width(const struct datetime_pattern *pattern, size_t index, int most) {
    bool adjacent = index + 1 < pattern->count && pattern->items[index + 1].letter != 0 &&
                    strchr("yuMdDHhKkmsSn", pattern->items[index + 1].letter);
    return adjacent || pattern->items[index].count > 1 ? pattern->items[index].count : most;
}

static bool take_date(
    const struct datetime_pattern *pattern, size_t index, struct bytes text, size_t *at, struct parts *parts) {
    const struct item *item = &pattern->items[index];
    int32_t ignored;
    switch (item->letter) {
    case 'y':
    case 'u': {
        int width = item->count == 4 ? (number_width(pattern, index, 4) == 4 ? 4 : 4) : number_width(pattern, index, 9);
        parts->has_year = take_number(text, at,
            item->count == 2  ? 2
            : item->count < 4 ? 1
                              : 4,
            width, true, &parts->year);
        parts->year += parts->has_year && item->count == 2 ? 2000 : 0;
        return parts->has_year;
    }
    case 'M':
    case 'L':
        parts->has_month =
            item->count <= 2 ? take_number(text, at, item->count, number_width(pattern, index, 2), false, &parts->month)
                             : take_name(text, at, months, 12, item->count == 4, &parts->month);
        return parts->has_month;
    case 'd':
        parts->has_day = take_number(text, at, item->count, number_width(pattern, index, 2), false, &parts->day);
        return parts->has_day;
    case 'D':
        return take_number(text, at, item->count, number_width(pattern, index, 3), false, &parts->day_of_year) &&
               parts->day_of_year > 0;
    case 'E':
        return take_name(text, at, weekdays, 7, item->count == 4, &ignored);
    case 'G': {
        bool good = text.size - *at >= 2 && text.data[*at] == 'A' && text.data[*at + 1] == 'D';
        *at += good ? 2 : 0;
        return good;
    }
    default:
        return false;
    }
}

static bool take_item(
    const struct datetime_pattern *pattern, size_t index, struct bytes text, size_t *at, struct parts *parts) {
    const struct item *item = &pattern->items[index];
    int width = number_width(pattern, index, 2);
    switch (item->letter) {
    case 0: {
        bool same =
            text.size - *at >= item->text.size && bytes_equal(bytes_slice(text, *at, item->text.size), item->text);
        *at += same ? item->text.size : 0;
        return same;
    }
    case ']':
        return true;
    case 'H':
    case 'k':
        parts->has_hour =
            take_number(text, at, item->count, width, false, &parts->hour) && parts->hour <= 24 - (item->letter == 'H');
        parts->hour %= 24;
        return parts->has_hour;
    case 'h':
    case 'K':
        parts->has_hour = parts->half_clock =
            take_number(text, at, item->count, width, false, &parts->hour) && parts->hour <= 12;
        parts->hour %= 12;
        return parts->has_hour;
    case 'm':
        return take_number(text, at, item->count, width, false, &parts->minute) && parts->minute < 60;
    case 's':
        return take_number(text, at, item->count, width, false, &parts->second) && parts->second < 60;
    case 'S':
        return take_fraction(text, at, item->count, parts);
    case 'n':
        return take_number(text, at, 1, 9, false, &parts->nanosecond);
    case 'a': {
        bool good = text.size - *at >= 2 && (text.data[*at + 1] | 0x20) == 'm' &&
                    ((text.data[*at] | 0x20) == 'a' || (text.data[*at] | 0x20) == 'p');
        parts->has_half = good;
        parts->afternoon = good && (text.data[*at] | 0x20) == 'p';
        *at += good ? 2 : 0;
        return good;
    }
    case 'X':
    case 'x':
    case 'Z':
    case 'z':
    case 'V':
    case 'O':
        return take_offset(text, at, item->letter != 'x', parts);
    default:
        return take_date(pattern, index, text, at, parts);
    }
}

bool datetime_parse(const struct datetime_pattern *pattern, struct bytes text, struct datetime_fields *fields) {
    struct parts parts = {.year = 1970, .month = 1, .day = 1}, saved[8];
    size_t at = 0, places[8], jumps[8], depth = 0;
    for (size_t i = 0; i < pattern->count;) {
        if (pattern->items[i].letter == '[') {
            saved[depth] = parts;
            places[depth] = at;
            jumps[depth++] = pattern->items[i].jump;
            i++;
            continue;
        }
        if (take_item(pattern, i, text, &at, &parts)) {
            depth -= pattern->items[i].letter == ']';
            i++;
            continue;
        }
        if (depth == 0) {
            return false;
        }
        depth--;
        parts = saved[depth];
        at = places[depth];
        i = jumps[depth];
    }
    if (at != text.size || !calendar_is_valid(parts.year, parts.month, parts.day)) {
        return false;
    }
    int32_t hour = parts.hour + (parts.half_clock && parts.afternoon ? 12 : 0);
    int64_t days =
        calendar_days(parts.year, parts.month, parts.day) + (parts.day_of_year > 0 ? parts.day_of_year - 1 : 0);
    int64_t seconds = ((days * 24 + hour) * 60 + parts.minute) * 60 + parts.second;
    *fields = (struct datetime_fields){seconds * 1000000 + parts.nanosecond / 1000,
        parts.has_year || parts.has_month || parts.has_day, parts.has_hour, parts.has_offset, parts.offset, NULL};
    return true;
}

bool datetime_parse_timestamp(
    const struct datetime_pattern *pattern, struct bytes text, const struct timezone *zone, int64_t *microseconds) {
    struct datetime_fields fields;
    if (!datetime_parse(pattern, text, &fields)) {
        return false;
    }
    *microseconds = fields.has_zone ? fields.local_us - (int64_t)fields.offset_seconds * 1000000
                                    : timezone_to_utc(zone != NULL ? zone : timezone_utc(), fields.local_us);
    return true;
}

bool datetime_parse_date(const struct datetime_pattern *pattern, struct bytes text, int32_t *days) {
    struct datetime_fields fields;
    if (!datetime_parse(pattern, text, &fields)) {
        return false;
    }
    int64_t day = fields.local_us / 86400000000;
    *days = (int32_t)(day - (fields.local_us % 86400000000 < 0));
    return true;
}

/* ---- formatting ---- */

static void put_offset(const struct item *item, int32_t offset, struct buffer *out) {
    bool zulu = item->letter == 'X' || (item->letter == 'Z' && item->count == 5);
    if (zulu && offset == 0) {
        buffer_append_byte(out, 'Z');
        return;
    }
    int32_t size = offset < 0 ? -offset : offset;
    bool colon =
        (item->letter != 'Z' && (item->count == 3 || item->count == 5)) || (item->letter == 'Z' && item->count >= 4);
    buffer_printf(out, "%s%c%02d", item->letter == 'O' || (item->letter == 'Z' && item->count == 4) ? "GMT" : "",
        offset < 0 ? '-' : '+', size / 3600);
    if (item->count > 1 || item->letter == 'Z' || size % 3600 != 0) {
        buffer_printf(out, "%s%02d", colon ? ":" : "", size / 60 % 60);
    }
}

struct moment {
    struct calendar_date date;
    int64_t days, of_day_us;
    int32_t offset;
    const struct timezone *zone;
};

static void put_item(const struct item *item, const struct moment *moment, struct buffer *out) {
    int64_t seconds = moment->of_day_us / 1000000, micros = moment->of_day_us % 1000000;
    int hour = (int)(seconds / 3600), width = item->count;
    char digits[16];
    switch (item->letter) {
    case 0:
        buffer_append_bytes(out, item->text);
        break;
    case 'G':
        buffer_append_text(out, moment->date.year > 0 ? "AD" : "BC");
        break;
    case 'y':
    case 'u':
        if (width == 2) {
            buffer_printf(out, "%02d", moment->date.year % 100);
        } else {
            buffer_printf(out, "%s%0*d", moment->date.year > 9999 && width >= 4 ? "+" : "", width, moment->date.year);
        }
        break;
    case 'M':
    case 'L':
        if (width <= 2) {
            buffer_printf(out, "%0*d", width, moment->date.month);
        } else {
            buffer_printf(out, "%.*s", width == 3 ? 3 : 20, months[moment->date.month - 1]);
        }
        break;
    case 'd':
        buffer_printf(out, "%0*d", width, moment->date.day);
        break;
    case 'D':
        buffer_printf(out, "%0*d", width, (int)(moment->days - calendar_days(moment->date.year, 1, 1) + 1));
        break;
    case 'E': {
        int64_t weekday = (moment->days % 7 + 10) % 7; /* 1970-01-01 was a Thursday */
        buffer_printf(out, "%.*s", width <= 3 ? 3 : 20, weekdays[weekday]);
        break;
    }
    case 'a':
        buffer_append_text(out, hour < 12 ? "AM" : "PM");
        break;
    case 'H':
        buffer_printf(out, "%0*d", width, hour);
        break;
    case 'k':
        buffer_printf(out, "%0*d", width, hour == 0 ? 24 : hour);
        break;
    case 'h':
        buffer_printf(out, "%0*d", width, hour % 12 == 0 ? 12 : hour % 12);
        break;
    case 'K':
        buffer_printf(out, "%0*d", width, hour % 12);
        break;
    case 'm':
        buffer_printf(out, "%0*d", width, (int)(seconds / 60 % 60));
        break;
    case 's':
        buffer_printf(out, "%0*d", width, (int)(seconds % 60));
        break;
    case 'S':
        snprintf(digits, sizeof digits, "%06d000", (int)micros);
        buffer_append(out, digits, (size_t)(width > 9 ? 9 : width));
        break;
    case 'n':
        buffer_printf(out, "%0*d", width, (int)micros * 1000);
        break;
    case 'V':
    case 'z':
        buffer_append_text(out, moment->zone == NULL ? "" : timezone_name(moment->zone));
        break;
    case 'X':
    case 'x':
    case 'Z':
    case 'O':
        put_offset(item, moment->offset, out);
        break;
    default:
        break;
    }
}

void datetime_format(
    const struct datetime_pattern *pattern, int64_t microseconds, const struct timezone *zone, struct buffer *out) {
    struct moment moment = {.zone = zone};
    if (zone != NULL) {
        int64_t local = timezone_to_local(zone, microseconds);
        moment.offset = (int32_t)((local - microseconds) / 1000000);
        microseconds = local;
    }
    moment.days = microseconds / 86400000000 - (microseconds % 86400000000 < 0);
    moment.of_day_us = microseconds - moment.days * 86400000000;
    moment.date = calendar_from_days(moment.days);
    for (size_t i = 0; i < pattern->count; i++) {
        bool zone_part =
            zone == NULL && pattern->items[i].letter != 0 && strchr("XxZOVz", pattern->items[i].letter) != NULL;
        if (!zone_part) {
            put_item(&pattern->items[i], &moment, out);
        }
    }
}
