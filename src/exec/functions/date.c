/* date.c: dates and timestamps: their parts, arithmetic, truncation, text by patterns. Timestamps are UTC microseconds;
 * everything that looks at a wall clock goes through the session's zone (settings->zone). */
#include <ctype.h>
#include <stdlib.h>

#include "base/calendar.h"
#include "column/text.h"
#include "exec/functions/date_pattern.h"
#include "exec/functions/rows.h"
#include "sql/sql.h"

enum { US_PER_MS = 1000, US_PER_SECOND = 1000000 };
static const int64_t us_per_day = 86400LL * US_PER_SECOND;

static int64_t floor_divide(int64_t value, int64_t by) {
    int64_t quotient = value / by;
    return quotient - (value % by < 0);
}

static int64_t to_local(struct evaluation *evaluation, const struct column *column, size_t row) {
    int64_t value = COLUMN_AT(column, int64_t, row);
    return column->type->kind == TYPE_TIMESTAMP_NTZ ? value : timezone_to_local(evaluation->settings->zone, value);
}

static int32_t days_in_month(int32_t year, int32_t month) {
    return (int32_t)(calendar_days(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                     calendar_days(year, month, 1));
}

static int64_t add_months_to_days(int64_t days, int64_t months) {
    struct calendar_date date = calendar_from_days(days);
    int64_t total = (int64_t)date.year * 12 + date.month - 1 + months;
    int32_t year = (int32_t)floor_divide(total, 12), month = (int32_t)(total - (int64_t)year * 12) + 1;
    int32_t last = days_in_month(year, month);
    return calendar_days(year, month, date.day < last ? date.day : last);
}

static bool overflow(struct evaluation *evaluation, const char *operation) {
    return evaluation_failed(evaluation, raise_datetime_overflow(evaluation->error, operation));
}

/* ---- Parts of a date ---- */

static int32_t iso_week(int64_t days, int32_t *iso_year) {
    int64_t thursday = days - ((days + 3) % 7 + 7) % 7 + 3;
    struct calendar_date date = calendar_from_days(thursday);
    *iso_year = date.year;
    return (int32_t)((thursday - calendar_days(date.year, 1, 1)) / 7) + 1;
}

static bool date_field(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t days = INT_AT(0), *result = out, iso_year;
    struct calendar_date date = calendar_from_days(days);
    int32_t weekday = (int32_t)(((int64_t)days + 3) % 7 + 7) % 7;
    const char *name = evaluation->call->entry->name;
    if (strcmp(name, "year") == 0)
        *result = date.year;
    else if (strcmp(name, "month") == 0)
        *result = date.month;
    else if (strcmp(name, "day") == 0)
        *result = date.day;
    else if (strcmp(name, "quarter") == 0)
        *result = (date.month + 2) / 3;
    else if (strcmp(name, "dayofyear") == 0)
        *result = (int32_t)(days - calendar_days(date.year, 1, 1)) + 1;
    else if (strcmp(name, "dayofweek") == 0)
        *result = (weekday + 1) % 7 + 1;
    else if (strcmp(name, "weekday") == 0)
        *result = weekday;
    else if (strcmp(name, "weekofyear") == 0)
        *result = iso_week(days, &iso_year);
    else {
        iso_week(days, result); /* year_of_week */
    }
    return true;
}
ROW_KERNEL(date_field)

static bool name_of_date(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", days[] = "MonTueWedThuFriSatSun";
    int64_t date = INT_AT(0);
    const char *text = evaluation->call->entry->name[0] == 'd' ? days + 3 * (((date + 3) % 7 + 7) % 7)
                                                               : months + 3 * (calendar_from_days(date).month - 1);
    *(struct string_view *)out = (struct string_view){(const uint8_t *)text, 3, 0};
    return true;
}
ROW_KERNEL(name_of_date)

/* ---- Arithmetic of dates ---- */

static bool date_plus(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    bool minus = evaluation->call->entry->name[5] == 's';
    int64_t sum = (int64_t)INT_AT(0) + (minus ? -(int64_t)INT_AT(1) : INT_AT(1));
    *(int32_t *)out = (int32_t)sum;
    return sum == (int32_t)sum || overflow(evaluation, minus ? "date_sub" : "date_add");
}
ROW_KERNEL(date_plus)

static bool date_difference(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = INT_AT(0) - INT_AT(1);
    return true;
}
ROW_KERNEL(date_difference)

static bool subtract_dates(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int64_t *)out = ((int64_t)INT_AT(0) - INT_AT(1)) * us_per_day;
    return true;
}
ROW_KERNEL(subtract_dates)

static bool add_months(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = (int32_t)add_months_to_days(INT_AT(0), INT_AT(1));
    return true;
}
ROW_KERNEL(add_months)

static bool last_day(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct calendar_date date = calendar_from_days(INT_AT(0));
    *(int32_t *)out = (int32_t)calendar_days(date.year, date.month, days_in_month(date.year, date.month));
    return true;
}
ROW_KERNEL(last_day)

static bool next_day(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    static const char *const names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
    static const char *const full[] = {"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"};
    struct bytes text = bytes_trim(string_view_bytes(TEXT_AT(1)));
    int64_t days = INT_AT(0);
    for (int i = 0; i < 7; i++) {
        bool same = bytes_equal_ignore_case(text, bytes_from_text(full[i])) ||
                    bytes_equal_ignore_case(text, bytes_from_text(names[i])) ||
                    (text.size == 3 && bytes_equal_ignore_case(text, bytes_make(full[i], 3)));
        if (!same)
            continue;
        int64_t weekday = ((days + 3) % 7 + 7) % 7;
        *(int32_t *)out = (int32_t)(days + 1 + ((i - weekday - 1) % 7 + 7) % 7);
        return true;
    }
    if (!evaluation->call->ansi)
        return false;
    return evaluation_failed(
        evaluation, raise_illegal_day_of_week(evaluation->error, arena_text(evaluation->error->arena, text)));
}
ROW_KERNEL(next_day)

static bool days_and_numbers(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = INT_AT(0);
    return true;
}
ROW_KERNEL(days_and_numbers)

static bool make_date(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t year = INT_AT(0), month = INT_AT(1), day = INT_AT(2);
    if (calendar_is_valid(year, month, day)) {
        *(int32_t *)out = (int32_t)calendar_days(year, month, day);
        return true;
    }
    if (!evaluation->call->ansi)
        return false;
    struct arena *arena = evaluation->error->arena;
    const char *text =
        month < 1 || month > 12 ? arena_printf(arena, "Invalid value for MonthOfYear (valid values 1 - 12): %d", month)
        : day < 1 || day > 31   ? arena_printf(arena, "Invalid value for DayOfMonth (valid values 1 - 28/31): %d", day)
                                : arena_printf(arena, "Invalid date '%d-%d'", month, day);
    return evaluation_failed(
        evaluation, raise_datetime_field_out_of_bounds_without_suggestion(evaluation->error, text));
}
ROW_KERNEL(make_date)

/* ---- Units ---- */

enum unit {
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_NONE
};

static enum unit unit_named(struct string_view name) {
    static const struct {
        const char *name;
        enum unit unit;
    } names[] = {{"microsecond", UNIT_MICROSECOND}, {"millisecond", UNIT_MILLISECOND}, {"second", UNIT_SECOND},
        {"minute", UNIT_MINUTE}, {"hour", UNIT_HOUR}, {"day", UNIT_DAY}, {"dd", UNIT_DAY}, {"dayofyear", UNIT_DAY},
        {"week", UNIT_WEEK}, {"month", UNIT_MONTH}, {"mon", UNIT_MONTH}, {"mm", UNIT_MONTH}, {"quarter", UNIT_QUARTER},
        {"year", UNIT_YEAR}, {"yyyy", UNIT_YEAR}, {"yy", UNIT_YEAR}, {"decade", UNIT_DECADE}, {"century", UNIT_CENTURY},
        {"millennium", UNIT_MILLENNIUM}};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (bytes_equal_ignore_case(string_view_bytes(name), bytes_from_text(names[i].name)))
            return names[i].unit;
    return UNIT_NONE;
}

static const int64_t unit_us[] = {1, US_PER_MS, US_PER_SECOND, 60LL * US_PER_SECOND, 3600LL * US_PER_SECOND,
    86400LL * US_PER_SECOND, 7 * 86400LL * US_PER_SECOND};
static const int unit_months[] = {[UNIT_MONTH] = 1, [UNIT_QUARTER] = 3, [UNIT_YEAR] = 12};

static int64_t truncate_days(int64_t days, enum unit unit) {
    struct calendar_date date = calendar_from_days(days);
    switch (unit) {
    case UNIT_WEEK:
        return days - ((days + 3) % 7 + 7) % 7;
    case UNIT_MONTH:
        return calendar_days(date.year, date.month, 1);
    case UNIT_QUARTER:
        return calendar_days(date.year, (date.month - 1) / 3 * 3 + 1, 1);
    case UNIT_YEAR:
        return calendar_days(date.year, 1, 1);
    case UNIT_DECADE:
        return calendar_days((int32_t)floor_divide(date.year, 10) * 10, 1, 1);
    case UNIT_CENTURY:
        return calendar_days((int32_t)floor_divide(date.year - 1, 100) * 100 + 1, 1, 1);
    case UNIT_MILLENNIUM:
        return calendar_days((int32_t)floor_divide(date.year - 1, 1000) * 1000 + 1, 1, 1);
    default:
        return days;
    }
}

static bool truncate_date(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    enum unit unit = unit_named(TEXT_AT(1));
    if (unit < UNIT_WEEK || unit == UNIT_NONE)
        return false;
    *(int32_t *)out = (int32_t)truncate_days(INT_AT(0), unit);
    return true;
}
ROW_KERNEL(truncate_date)

static bool truncate_timestamp(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    enum unit unit = unit_named(TEXT_AT(0));
    int64_t value = LONG_AT(1);
    if (unit == UNIT_NONE)
        return false;
    if (unit <= UNIT_SECOND) {
        *(int64_t *)out = floor_divide(value, unit_us[unit]) * unit_us[unit];
        return true;
    }
    int64_t local = timezone_to_local(evaluation->settings->zone, value);
    if (unit <= UNIT_HOUR)
        local = floor_divide(local, unit_us[unit]) * unit_us[unit];
    else
        local = truncate_days(floor_divide(local, us_per_day), unit) * us_per_day;
    *(int64_t *)out = timezone_to_utc(evaluation->settings->zone, local);
    return true;
}
ROW_KERNEL(truncate_timestamp)

static int64_t add_local_months(int64_t local, int64_t months) {
    int64_t days = floor_divide(local, us_per_day);
    return add_months_to_days(days, months) * us_per_day + (local - days * us_per_day);
}

static bool bad_unit(struct evaluation *evaluation, struct string_view unit) {
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(evaluation,
        raise_invalid_parameter_value_datetime_unit(evaluation->error, "`unit`",
            arena_printf(arena, "`%s`", evaluation->call->entry->name), quote_text(arena, string_view_bytes(unit))));
}

static bool timestamp_add(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    enum unit unit = unit_named(TEXT_AT(0));
    const struct timezone *zone = evaluation->settings->zone;
    int64_t count = INT_AT(1), value = LONG_AT(2);
    if (unit > UNIT_YEAR)
        return bad_unit(evaluation, TEXT_AT(0));
    if (unit >= UNIT_MONTH)
        *(int64_t *)out =
            timezone_to_utc(zone, add_local_months(timezone_to_local(zone, value), count * unit_months[unit]));
    else if (unit >= UNIT_DAY)
        *(int64_t *)out = timezone_to_utc(zone, timezone_to_local(zone, value) + count * unit_us[unit]);
    else
        *(int64_t *)out = value + count * unit_us[unit];
    return true;
}
ROW_KERNEL(timestamp_add)

/* Whole months from `from` to `until`. */
static int64_t months_apart(int64_t from, int64_t until) {
    struct calendar_date a = calendar_from_days(floor_divide(from, us_per_day)),
                         b = calendar_from_days(floor_divide(until, us_per_day));
    int64_t months = ((int64_t)b.year - a.year) * 12 + b.month - a.month;
    int64_t in_a = (a.day - 1) * us_per_day + (from - floor_divide(from, us_per_day) * us_per_day);
    int64_t in_b = (b.day - 1) * us_per_day + (until - floor_divide(until, us_per_day) * us_per_day);
    if (months > 0 && in_b < in_a)
        months--;
    else if (months < 0 && in_b > in_a)
        months++;
    return months;
}

static bool timestamp_diff(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    enum unit unit = unit_named(TEXT_AT(0));
    if (unit > UNIT_YEAR)
        return bad_unit(evaluation, TEXT_AT(0));
    int64_t from = LONG_AT(1), until = LONG_AT(2);
    if (unit >= UNIT_DAY) {
        from = timezone_to_local(evaluation->settings->zone, from);
        until = timezone_to_local(evaluation->settings->zone, until);
    }
    *(int64_t *)out =
        unit >= UNIT_MONTH ? months_apart(from, until) / unit_months[unit] : (until - from) / unit_us[unit];
    return true;
}
ROW_KERNEL(timestamp_diff)

/* Spark's rule: whole months when the days agree or both are last days, else 31-day fractions; 8 digits when rounded.
 */
static bool months_between(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t first = timezone_to_local(evaluation->settings->zone, LONG_AT(0)),
            second = timezone_to_local(evaluation->settings->zone, LONG_AT(1));
    int64_t days1 = floor_divide(first, us_per_day), days2 = floor_divide(second, us_per_day);
    struct calendar_date a = calendar_from_days(days1), b = calendar_from_days(days2);
    double months = ((double)a.year - b.year) * 12 + a.month - b.month;
    bool last = a.day == days_in_month(a.year, a.month) && b.day == days_in_month(b.year, b.month);
    if (a.day != b.day && !last) {
        int64_t seconds1 = (first - days1 * us_per_day) / US_PER_SECOND,
                seconds2 = (second - days2 * us_per_day) / US_PER_SECOND;
        months += ((double)(a.day - b.day) * 86400 + (double)(seconds1 - seconds2)) / (31.0 * 86400);
        if (COLUMN_AT(arguments[2], uint8_t, row))
            months = __builtin_round(months * 1e8) / 1e8;
    }
    *(double *)out = months;
    return true;
}
ROW_KERNEL(months_between)

/* ---- Parts of a time ---- */

static bool time_field(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t local = to_local(evaluation, arguments[0], row);
    int64_t time = local - floor_divide(local, us_per_day) * us_per_day;
    const char *name = evaluation->call->entry->name;
    if (name[0] == 'h')
        *(int32_t *)out = (int32_t)(time / (3600LL * US_PER_SECOND));
    else if (name[0] == 'm')
        *(int32_t *)out = (int32_t)(time / (60LL * US_PER_SECOND) % 60);
    else
        *(int32_t *)out = (int32_t)(time / US_PER_SECOND % 60);
    return true;
}
ROW_KERNEL(time_field)

static bool second_fraction(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t local = to_local(evaluation, arguments[0], row);
    *(__int128 *)out = local - floor_divide(local, 60LL * US_PER_SECOND) * 60LL * US_PER_SECOND;
    return true;
}
ROW_KERNEL(second_fraction)

/* ---- Numbers and timestamps ---- */

static bool timestamp_from_long(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const char *name = evaluation->call->entry->name;
    int64_t unit = strcmp(name, "timestamp_micros") == 0   ? 1
                   : strcmp(name, "timestamp_millis") == 0 ? US_PER_MS
                                                           : US_PER_SECOND;
    int64_t value = arguments[0]->type->kind == TYPE_INTEGER ? INT_AT(0)
                    : arguments[0]->type->kind == TYPE_SHORT ? COLUMN_AT(arguments[0], int16_t, row)
                    : arguments[0]->type->kind == TYPE_BYTE  ? COLUMN_AT(arguments[0], int8_t, row)
                                                             : LONG_AT(0);
    return !__builtin_mul_overflow(value, unit, (int64_t *)out) || evaluation_overflow(evaluation, "long", NULL);
}
ROW_KERNEL(timestamp_from_long)

static bool timestamp_from_number(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    if (arguments[0]->type->kind == TYPE_DECIMAL) {
        __int128 value = COLUMN_AT(arguments[0], __int128, row);
        int scale = arguments[0]->type->scale;
        for (; scale < 6; scale++)
            value *= 10;
        for (; scale > 6; scale--)
            value /= 10;
        *(int64_t *)out = (int64_t)value;
        return true;
    }
    double seconds =
        arguments[0]->type->kind == TYPE_FLOAT ? (double)COLUMN_AT(arguments[0], float, row) : DOUBLE_AT(0);
    if (seconds != seconds || seconds * 1e6 >= 0x1p63 || seconds * 1e6 < -0x1p63)
        return false;
    *(int64_t *)out = (int64_t)(seconds * 1e6);
    return true;
}
ROW_KERNEL(timestamp_from_number)

static bool timestamp_to_long(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const char *name = evaluation->call->entry->name;
    int64_t unit = strcmp(name, "unix_micros") == 0 ? 1 : strcmp(name, "unix_millis") == 0 ? US_PER_MS : US_PER_SECOND;
    *(int64_t *)out = floor_divide(LONG_AT(0), unit);
    return true;
}
ROW_KERNEL(timestamp_to_long)

/* ---- Zones ---- */

static const struct timezone *zone_named(struct evaluation *evaluation, struct string_view name) {
    struct error cause = {0};
    const struct timezone *zone = timezone_get(NULL, string_view_bytes(name), &cause);
    if (zone == NULL)
        evaluation_failed(evaluation,
            raise_invalid_conf_value_time_zone(evaluation->error,
                arena_text(evaluation->error->arena, string_view_bytes(name)), "spark.sql.session.timeZone"));
    return zone;
}

static bool shift_zone(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const struct timezone *zone = zone_named(evaluation, TEXT_AT(1)), *session = evaluation->settings->zone;
    if (zone == NULL)
        return false;
    bool from_utc = evaluation->call->entry->name[0] == 'f';
    int64_t value = LONG_AT(0);
    /* The wall clock of one zone read as that of the other; timestamps here are instants of the session's wall clock.
     */
    int64_t wall = timezone_to_local(session, value);
    int64_t moved = from_utc ? timezone_to_local(zone, wall) : timezone_to_utc(zone, wall);
    *(int64_t *)out = timezone_to_utc(session, moved);
    return true;
}
ROW_KERNEL(shift_zone)

static bool convert_timezone(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const struct timezone *from = zone_named(evaluation, TEXT_AT(0)),
                          *to = from == NULL ? NULL : zone_named(evaluation, TEXT_AT(1));
    if (to == NULL)
        return false;
    *(int64_t *)out = timezone_to_local(to, timezone_to_utc(from, LONG_AT(2)));
    return true;
}
ROW_KERNEL(convert_timezone)

/* ---- Now ---- */

static struct column *kernel_now(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result_constant(evaluation);
    int64_t now = evaluation->settings->now_us, local = timezone_to_local(evaluation->settings->zone, now);
    if (result->type->kind == TYPE_DATE)
        *(int32_t *)result->values = (int32_t)floor_divide(local, us_per_day);
    else
        *(int64_t *)result->values = result->type->kind == TYPE_TIMESTAMP_NTZ ? local : now;
    return result;
}

/* ---- Patterns ---- */

static bool bad_pattern(struct evaluation *evaluation, struct string_view pattern) {
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(
        evaluation, raise_invalid_datetime_pattern_illegal_character(evaluation->error,
                        quote_text(arena, string_view_bytes(pattern)), arena_text(arena, string_view_bytes(pattern))));
}

static bool put_pattern(struct evaluation *evaluation, struct string_view pattern, int64_t local, void *out) {
    struct buffer text = {0};
    if (!date_pattern_format(string_view_bytes(pattern), local, evaluation->settings->zone, &text)) {
        buffer_free(&text);
        return bad_pattern(evaluation, pattern);
    }
    return rows_take_buffer(evaluation, &text, out);
}

static bool date_format_row(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return put_pattern(evaluation, TEXT_AT(1), to_local(evaluation, arguments[0], row), out);
}
ROW_KERNEL(date_format_row)

static bool from_unixtime(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return put_pattern(
        evaluation, TEXT_AT(1), timezone_to_local(evaluation->settings->zone, LONG_AT(0) * US_PER_SECOND), out);
}
ROW_KERNEL(from_unixtime)

static bool parse_failed(struct evaluation *evaluation, struct string_view text) {
    if (!evaluation->call->ansi)
        return false;
    struct arena *arena = evaluation->error->arena;
    bool date = evaluation->call->result_type->kind == TYPE_DATE;
    return evaluation_failed(evaluation,
        raise_cannot_parse_timestamp(evaluation->error,
            arena_printf(arena, "Text '%.*s' could not be parsed at index 0", (int)text.size, (const char *)text.data),
            date ? "`try_to_date`" : "`try_to_timestamp`"));
}

/* to_date, to_timestamp, unix_timestamp of text and a pattern. */
static bool parse_by_pattern(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    int64_t local;
    bool has_offset;
    if (!date_pattern_parse(string_view_bytes(TEXT_AT(1)), string_view_bytes(text), &local, &has_offset))
        return parse_failed(evaluation, text);
    enum type_kind kind = evaluation->call->result_type->kind;
    int64_t utc = has_offset ? local : timezone_to_utc(evaluation->settings->zone, local);
    if (kind == TYPE_DATE)
        *(int32_t *)out = (int32_t)floor_divide(
            has_offset ? timezone_to_local(evaluation->settings->zone, local) : local, us_per_day);
    else if (kind == TYPE_LONG)
        *(int64_t *)out = floor_divide(utc, US_PER_SECOND);
    else
        *(int64_t *)out = kind == TYPE_TIMESTAMP_NTZ ? local : utc;
    return true;
}
ROW_KERNEL(parse_by_pattern)

static bool unix_of_timestamp(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int64_t *)out = floor_divide(LONG_AT(0), US_PER_SECOND);
    return true;
}
ROW_KERNEL(unix_of_timestamp)

/* ---- Made of parts ---- */

static bool make_timestamp(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t year = INT_AT(0), month = INT_AT(1), day = INT_AT(2), hour = INT_AT(3), minute = INT_AT(4);
    __int128 seconds = COLUMN_AT(arguments[5], __int128, row);
    int scale = arguments[5]->type->scale;
    for (; scale < 6; scale++)
        seconds *= 10;
    for (; scale > 6; scale--)
        seconds /= 10;
    struct arena *arena = evaluation->error->arena;
    if (!calendar_is_valid(year, month, day) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || seconds < 0 ||
        seconds > 60LL * US_PER_SECOND) {
        if (!evaluation->call->ansi)
            return false;
        if (seconds < 0 || seconds > 60LL * US_PER_SECOND)
            return evaluation_failed(evaluation,
                raise_invalid_fraction_of_second(evaluation->error, arena_printf(arena, "%lld", (long long)seconds)));
        return evaluation_failed(evaluation,
            raise_datetime_field_out_of_bounds_without_suggestion(evaluation->error,
                arena_printf(arena, "Invalid date or time %d-%d-%d %d:%d", year, month, day, hour, minute)));
    }
    int64_t local = calendar_days(year, month, day) * us_per_day + (hour * 3600LL + minute * 60LL) * US_PER_SECOND +
                    (int64_t)seconds;
    const struct timezone *zone = evaluation->settings->zone;
    if (evaluation->call->argument_count == 7 && (zone = zone_named(evaluation, TEXT_AT(6))) == NULL)
        return false;
    *(int64_t *)out = evaluation->call->result_type->kind == TYPE_TIMESTAMP_NTZ ? local : timezone_to_utc(zone, local);
    return true;
}
ROW_KERNEL(make_timestamp)

/* ---- windows of time ---- */

/* The window number `index` back from the newest one that begins at or before each timestamp: struct<start, end>. */
static struct column *kernel_time_window(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    int64_t duration = COLUMN_AT(arguments[1], int64_t, 0), slide = COLUMN_AT(arguments[2], int64_t, 0),
            offset = COLUMN_AT(arguments[3], int64_t, 0), index = COLUMN_AT(arguments[4], int32_t, 0);
    int64_t *starts = COLUMN_VALUES(result->children[0], int64_t), *ends = COLUMN_VALUES(result->children[1], int64_t);
    int64_t known = 0, known_end = INT64_MIN; /* neighbours are mostly in the same window */
    for (size_t row = 0; row < evaluation->row_count; row++) {
        int64_t time = COLUMN_AT(arguments[0], int64_t, row);
        if (known_end == INT64_MIN || time < known || time >= known_end) {
            int64_t rest = (time - offset) % slide;
            known = time - rest - (rest < 0 ? slide : 0);
            known_end = known + slide;
        }
        starts[row] = known - index * slide;
        ends[row] = starts[row] + duration;
    }
    return result;
}

/* From the time to the time and the gap: microseconds, or text, which is mostly that of the row before. */
static struct column *kernel_session_window(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    bool text = arguments[1]->type->kind == TYPE_STRING, known = false;
    struct column *end = result->children[1];
    struct bytes before = BYTES_NULL;
    int64_t months = 0, gap = 0;
    for (size_t row = 0; row < evaluation->row_count; row++) {
        int64_t time = COLUMN_AT(arguments[0], int64_t, row);
        if (text && !column_is_null(arguments[1], row)) {
            struct string_view view = COLUMN_AT(arguments[1], struct string_view, row);
            struct bytes now = bytes_make(view.data, view.size);
            known = row > 0 && bytes_equal(now, before) ? known : sql_parse_interval(now, &months, &gap);
            before = now;
            if (known && months != 0) {
                evaluation_failed(evaluation, raise_unsupported_feature_not_in_this_program(evaluation->error,
                                                  "session_window() with a gap of months", "Give it in days or less."));
                return result;
            }
        } else if (!text) {
            gap = COLUMN_AT(arguments[1], int64_t, row);
        }
        COLUMN_VALUES(result->children[0], int64_t)[row] = time;
        COLUMN_VALUES(end, int64_t)[row] = time + gap;
        if (column_is_null(arguments[1], row) || (text && !known)) {
            uint8_t *validity =
                end->validity == NULL ? column_make_nullable(evaluation->arena, end) : (uint8_t *)end->validity;
            bit_clear(validity, row);
        }
    }
    return result;
}

static struct column *kernel_window_time(struct evaluation *evaluation, struct column *const *arguments) {
    const struct column *window = arguments[0], *end = window->children[1];
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        size_t at = window->constant ? 0 : row;
        COLUMN_VALUES(result, int64_t)[row] = COLUMN_AT(end, int64_t, at) - 1;
        if (column_is_null(window, at) || column_is_null(end, at))
            evaluation_set_null(evaluation, result, row);
    }
    return result;
}

#define D TYPE_DATE
#define T TYPE_TIMESTAMP
#define N TYPE_TIMESTAMP_NTZ
#define S TYPE_STRING
#define I TYPE_INTEGER
#define L TYPE_LONG
#define SAFE KERNEL_NEVER_FAILS
#define FIELD(name)                                                                                                    \
    { name, {D}, 1, SAFE, kernel_date_field }
#define BY_PATTERN(name)                                                                                               \
    { name, {S, S}, 2, 0, kernel_parse_by_pattern }
static const struct kernel_entry entries[] = {
    FIELD("year"),
    FIELD("month"),
    FIELD("day"),
    FIELD("quarter"),
    FIELD("dayofyear"),
    FIELD("dayofweek"),
    FIELD("weekday"),
    FIELD("weekofyear"),
    FIELD("year_of_week"),
    {"dayname", {D}, 1, SAFE, kernel_name_of_date},
    {"monthname", {D}, 1, SAFE, kernel_name_of_date},
    {"date_add", {D, I}, 2, 0, kernel_date_plus},
    {"date_sub", {D, I}, 2, 0, kernel_date_plus},
    {"datediff", {D, D}, 2, SAFE, kernel_date_difference},
    {"subtract_dates", {D, D}, 2, SAFE, kernel_subtract_dates},
    {"add_months", {D, I}, 2, SAFE, kernel_add_months},
    {"last_day", {D}, 1, SAFE, kernel_last_day},
    {"next_day", {D, S}, 2, 0, kernel_next_day},
    {"date_from_unix_date", {I}, 1, SAFE, kernel_days_and_numbers},
    {"unix_date", {D}, 1, SAFE, kernel_days_and_numbers},
    {"make_date", {I, I, I}, 3, 0, kernel_make_date},
    {"trunc", {D, S}, 2, SAFE, kernel_truncate_date},
    {"date_trunc", {S, T}, 2, SAFE, kernel_truncate_timestamp},
    {"timestampadd", {S, I, T}, 3, 0, kernel_timestamp_add},
    {"timestampdiff", {S, T, T}, 3, 0, kernel_timestamp_diff},
    {"months_between", {T, T, TYPE_BOOLEAN}, 3, SAFE, kernel_months_between},
    {"hour", {T}, 1, SAFE, kernel_time_field},
    {"minute", {T}, 1, SAFE, kernel_time_field},
    {"second", {T}, 1, SAFE, kernel_time_field},
    {"second_fraction", {T}, 1, SAFE, kernel_second_fraction},
    {"timestamp_micros", {L}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_millis", {L}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_seconds", {L}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_seconds", {I}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_seconds", {TYPE_SHORT}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_seconds", {TYPE_BYTE}, 1, 0, kernel_timestamp_from_long},
    {"timestamp_seconds", {TYPE_DECIMAL}, 1, 0, kernel_timestamp_from_number},
    {"timestamp_seconds", {TYPE_DOUBLE}, 1, SAFE, kernel_timestamp_from_number},
    {"timestamp_seconds", {TYPE_FLOAT}, 1, SAFE, kernel_timestamp_from_number},
    {"unix_micros", {T}, 1, SAFE, kernel_timestamp_to_long},
    {"time_window", {T, TYPE_LONG, TYPE_LONG, TYPE_LONG, TYPE_INTEGER}, 5, SAFE, kernel_time_window},
    {"time_window", {TYPE_TIMESTAMP_NTZ, TYPE_LONG, TYPE_LONG, TYPE_LONG, TYPE_INTEGER}, 5, SAFE, kernel_time_window},
    {"session_window", {T, TYPE_LONG}, 2, SAFE, kernel_session_window},
    {"session_window", {T, TYPE_DAY_TIME_INTERVAL}, 2, SAFE, kernel_session_window},
    {"session_window", {T, S}, 2, 0, kernel_session_window},
    {"session_window", {N, TYPE_LONG}, 2, SAFE, kernel_session_window},
    {"session_window", {N, TYPE_DAY_TIME_INTERVAL}, 2, SAFE, kernel_session_window},
    {"session_window", {N, S}, 2, 0, kernel_session_window},
    {"window_time", {TYPE_STRUCT}, 1, SAFE, kernel_window_time},
    {"unix_millis", {T}, 1, SAFE, kernel_timestamp_to_long},
    {"unix_seconds", {T}, 1, SAFE, kernel_timestamp_to_long},
    {"from_utc_timestamp", {T, S}, 2, 0, kernel_shift_zone},
    {"to_utc_timestamp", {T, S}, 2, 0, kernel_shift_zone},
    {"convert_timezone", {S, S, N}, 3, 0, kernel_convert_timezone},
    {"current_date", {0}, 0, SAFE | KERNEL_NOT_FOLDED, kernel_now},
    {"current_timestamp", {0}, 0, SAFE | KERNEL_NOT_FOLDED, kernel_now},
    {"localtimestamp", {0}, 0, SAFE | KERNEL_NOT_FOLDED, kernel_now},
    {"date_format", {T, S}, 2, 0, kernel_date_format_row},
    {"from_unixtime", {L, S}, 2, 0, kernel_from_unixtime},
    BY_PATTERN("to_date"),
    BY_PATTERN("try_to_date"),
    BY_PATTERN("to_timestamp"),
    BY_PATTERN("try_to_timestamp"),
    BY_PATTERN("to_timestamp_ntz"),
    BY_PATTERN("unix_timestamp"),
    {"unix_timestamp", {T}, 1, SAFE, kernel_unix_of_timestamp},
    {"unix_timestamp", {T, TYPE_STRING}, 2, SAFE, kernel_unix_of_timestamp}, /* the pattern has no use */
    {"make_timestamp", {I, I, I, I, KERNEL_ANY}, 5, KERNEL_VARIADIC, kernel_make_timestamp},
    {"make_timestamp_ntz", {I, I, I, I, KERNEL_ANY}, 5, KERNEL_VARIADIC, kernel_make_timestamp},
};
const struct kernel_family kernel_family_date = KERNEL_FAMILY(entries);
