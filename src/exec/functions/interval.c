/* interval.c: intervals added to times, multiplied, taken apart and made. Months move the date and keep the day where
 * they can; days move the wall clock; the rest moves the instant. */
#include <math.h>

#include "base/calendar.h"
#include "exec/functions/rows.h"

enum { US_PER_SECOND = 1000000 };
static const int64_t us_per_day = 86400LL * US_PER_SECOND;

static int64_t floor_divide(int64_t value, int64_t by) {
    int64_t quotient = value / by;
    return quotient - (value % by < 0);
}

static int64_t add_months(int64_t days, int64_t months) {
    struct calendar_date date = calendar_from_days(days);
    int64_t total = (int64_t)date.year * 12 + date.month - 1 + months;
    int32_t year = (int32_t)floor_divide(total, 12), month = (int32_t)(total - (int64_t)year * 12) + 1;
    int32_t last = (int32_t)(calendar_days(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                             calendar_days(year, month, 1));
    return calendar_days(year, month, date.day < last ? date.day : last);
}

static struct calendar_interval interval_at(const struct column *column, size_t row) {
    switch (column->type->kind) {
    case TYPE_YEAR_MONTH_INTERVAL:
        return (struct calendar_interval){.months = COLUMN_AT(column, int32_t, row)};
    case TYPE_DAY_TIME_INTERVAL:
        return (struct calendar_interval){.microseconds = COLUMN_AT(column, int64_t, row)};
    default:
        return COLUMN_AT(column, struct calendar_interval, row);
    }
}

static bool add_interval(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct calendar_interval interval = interval_at(arguments[1], row);
    int sign = evaluation->call->entry->name[5] == 'm' ? -1 : 1;
    if (arguments[0]->type->kind == TYPE_DATE) {
        int64_t days = COLUMN_AT(arguments[0], int32_t, row);
        days = add_months(days, sign * (int64_t)interval.months) +
               sign * (interval.days + interval.microseconds / us_per_day);
        *(int32_t *)out = (int32_t)days;
        return true;
    }
    const struct timezone *zone =
        arguments[0]->type->kind == TYPE_TIMESTAMP ? evaluation->settings->zone : timezone_utc();
    int64_t value = COLUMN_AT(arguments[0], int64_t, row);
    if (interval.months != 0 || interval.days != 0) {
        int64_t local = timezone_to_local(zone, value), days = floor_divide(local, us_per_day);
        int64_t moved = add_months(days, sign * (int64_t)interval.months) + sign * (int64_t)interval.days;
        value = timezone_to_utc(zone, moved * us_per_day + (local - days * us_per_day));
    }
    if (__builtin_add_overflow(value, sign * interval.microseconds, (int64_t *)out))
        return evaluation_failed(
            evaluation, raise_datetime_overflow(evaluation->error, "add an interval to a timestamp"));
    return true;
}
ROW_KERNEL(add_interval)

static bool subtract_timestamps(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const struct timezone *zone = evaluation->settings->zone;
    *(int64_t *)out = timezone_to_local(zone, COLUMN_AT(arguments[0], int64_t, row)) -
                      timezone_to_local(zone, COLUMN_AT(arguments[1], int64_t, row));
    return true;
}
ROW_KERNEL(subtract_timestamps)

static double number_at(const struct column *column, size_t row) {
    switch (column->type->kind) {
    case TYPE_BYTE:
        return COLUMN_AT(column, int8_t, row);
    case TYPE_SHORT:
        return COLUMN_AT(column, int16_t, row);
    case TYPE_INTEGER:
        return COLUMN_AT(column, int32_t, row);
    case TYPE_LONG:
        return (double)COLUMN_AT(column, int64_t, row);
    case TYPE_FLOAT:
        return (double)COLUMN_AT(column, float, row);
    case TYPE_DECIMAL: {
        double value = (double)COLUMN_AT(column, __int128, row);
        return value / pow(10, column->type->scale);
    }
    default:
        return COLUMN_AT(column, double, row);
    }
}

static bool interval_overflow(struct evaluation *evaluation) {
    return evaluation_failed(evaluation, raise_interval_arithmetic_overflow_without_suggestion(evaluation->error));
}

static bool put_scaled(struct evaluation *evaluation, double value, const struct type *type, void *out) {
    value = round(value);
    if (type->kind == TYPE_YEAR_MONTH_INTERVAL) {
        if (!(value >= INT32_MIN && value <= INT32_MAX))
            return interval_overflow(evaluation);
        *(int32_t *)out = (int32_t)value;
    } else {
        if (!(value >= -0x1p63 && value < 0x1p63))
            return interval_overflow(evaluation);
        *(int64_t *)out = (int64_t)value;
    }
    return true;
}

static bool scale_interval(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    bool multiply = evaluation->call->entry->name[0] == 'm';
    const struct type *type = arguments[0]->type;
    double number = number_at(arguments[1], row);
    if (!multiply && number == 0)
        return evaluation->call->ansi ? evaluation_failed(evaluation, raise_interval_divided_by_zero(evaluation->error))
                                      : false;
    if (multiply && type->kind == TYPE_DAY_TIME_INTERVAL && number == floor(number) && fabs(number) < 0x1p62)
        return !__builtin_mul_overflow(COLUMN_AT(arguments[0], int64_t, row), (int64_t)number, (int64_t *)out) ||
               interval_overflow(evaluation);
    double value = type->kind == TYPE_YEAR_MONTH_INTERVAL ? COLUMN_AT(arguments[0], int32_t, row)
                                                          : (double)COLUMN_AT(arguments[0], int64_t, row);
    return put_scaled(evaluation, multiply ? value * number : value / number, type, out);
}
ROW_KERNEL(scale_interval)

/* ---- Sums and signs of intervals ---- */

static bool months_sum(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    bool minus = evaluation->call->entry->name[0] == 'm';
    int32_t left = INT_AT(0), right = INT_AT(1);
    bool wrong = minus ? __builtin_sub_overflow(left, right, (int32_t *)out)
                       : __builtin_add_overflow(left, right, (int32_t *)out);
    return !wrong || (evaluation->call->ansi && interval_overflow(evaluation));
}
ROW_KERNEL(months_sum)

static bool time_sum(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    bool minus = evaluation->call->entry->name[0] == 'm';
    int64_t left = LONG_AT(0), right = LONG_AT(1);
    bool wrong = minus ? __builtin_sub_overflow(left, right, (int64_t *)out)
                       : __builtin_add_overflow(left, right, (int64_t *)out);
    return !wrong || (evaluation->call->ansi && interval_overflow(evaluation));
}
ROW_KERNEL(time_sum)

static bool months_sign(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t value = INT_AT(0);
    bool keep = evaluation->call->entry->name[0] == 'a' && value >= 0;
    *(int32_t *)out = keep ? value : (int32_t) - (uint32_t)value;
    return keep || value != INT32_MIN || interval_overflow(evaluation);
}
ROW_KERNEL(months_sign)

static bool time_sign(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t value = LONG_AT(0);
    bool keep = evaluation->call->entry->name[0] == 'a' && value >= 0;
    *(int64_t *)out = keep ? value : (int64_t) - (uint64_t)value;
    return keep || value != INT64_MIN || interval_overflow(evaluation);
}
ROW_KERNEL(time_sign)

/* ---- Made of parts ---- */

static int64_t decimal_us(const struct column *column, size_t row) {
    __int128 value = COLUMN_AT(column, __int128, row);
    int scale = column->type->scale;
    for (; scale < 6; scale++)
        value *= 10;
    for (; scale > 6; scale--)
        value /= 10;
    return (int64_t)value;
}

static bool make_ym(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t months = (int64_t)INT_AT(0) * 12 + INT_AT(1);
    *(int32_t *)out = (int32_t)months;
    return months == (int32_t)months || interval_overflow(evaluation);
}
ROW_KERNEL(make_ym)

static bool make_dt(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int64_t *)out = INT_AT(0) * us_per_day + (INT_AT(1) * 3600LL + INT_AT(2) * 60LL) * US_PER_SECOND +
                      decimal_us(arguments[3], row);
    return true;
}
ROW_KERNEL(make_dt)

static bool make_calendar(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t months = (int64_t)INT_AT(0) * 12 + INT_AT(1), days = (int64_t)INT_AT(2) * 7 + INT_AT(3);
    if (months != (int32_t)months || days != (int32_t)days)
        return evaluation->call->ansi ? interval_overflow(evaluation) : false;
    *(struct calendar_interval *)out = (struct calendar_interval){(int32_t)months, (int32_t)days,
        (INT_AT(4) * 3600LL + INT_AT(5) * 60LL) * US_PER_SECOND + decimal_us(arguments[6], row)};
    return true;
}
ROW_KERNEL(make_calendar)

/* ---- Taken apart ---- */

static bool interval_part(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct calendar_interval interval = interval_at(arguments[1], row);
    struct string_view unit = TEXT_AT(0);
    int64_t value = 0, time = interval.microseconds;
    uint8_t first = unit.size > 0 ? unit.data[0] | 0x20 : 0, second = unit.size > 1 ? unit.data[1] | 0x20 : 0;
    if (first == 'y')
        value = interval.months / 12;
    else if (first == 'm' && second == 'o')
        value = interval.months % 12;
    else if (first == 'd')
        value = interval.days + (arguments[1]->type->kind == TYPE_DAY_TIME_INTERVAL ? time / us_per_day : 0);
    else if (first == 'h')
        value = time / (3600LL * US_PER_SECOND) % (arguments[1]->type->kind == TYPE_DAY_TIME_INTERVAL ? 24 : INT64_MAX);
    else if (first == 'm')
        value = time / (60LL * US_PER_SECOND) % 60;
    else if (first == 's') {
        *(__int128 *)out = time % (60LL * US_PER_SECOND);
        return true;
    } else {
        return false;
    }
    if (evaluation->call->result_type->kind == TYPE_BYTE)
        *(int8_t *)out = (int8_t)value;
    else
        *(int32_t *)out = (int32_t)value;
    return true;
}
ROW_KERNEL(interval_part)

#define I TYPE_INTEGER
#define ADD(time, interval)                                                                                            \
    {"time_plus_interval", {time, interval}, 2, 0, kernel_add_interval}, {                                             \
        "time_minus_interval", {time, interval}, 2, 0, kernel_add_interval                                             \
    }
#define ADD_TO(time)                                                                                                   \
    ADD(time, TYPE_YEAR_MONTH_INTERVAL), ADD(time, TYPE_DAY_TIME_INTERVAL), ADD(time, TYPE_CALENDAR_INTERVAL)
static const struct kernel_entry entries[] = {
    ADD_TO(TYPE_DATE),
    ADD_TO(TYPE_TIMESTAMP),
    ADD_TO(TYPE_TIMESTAMP_NTZ),
    {"subtract_timestamps", {TYPE_TIMESTAMP, TYPE_TIMESTAMP}, 2, KERNEL_NEVER_FAILS, kernel_subtract_timestamps},
    {"multiply_interval", {TYPE_YEAR_MONTH_INTERVAL, KERNEL_ANY}, 2, 0, kernel_scale_interval},
    {"multiply_interval", {TYPE_DAY_TIME_INTERVAL, KERNEL_ANY}, 2, 0, kernel_scale_interval},
    {"divide_interval", {TYPE_YEAR_MONTH_INTERVAL, KERNEL_ANY}, 2, 0, kernel_scale_interval},
    {"divide_interval", {TYPE_DAY_TIME_INTERVAL, KERNEL_ANY}, 2, 0, kernel_scale_interval},
    {"plus", {TYPE_YEAR_MONTH_INTERVAL, TYPE_YEAR_MONTH_INTERVAL}, 2, 0, kernel_months_sum},
    {"minus", {TYPE_YEAR_MONTH_INTERVAL, TYPE_YEAR_MONTH_INTERVAL}, 2, 0, kernel_months_sum},
    {"plus", {TYPE_DAY_TIME_INTERVAL, TYPE_DAY_TIME_INTERVAL}, 2, 0, kernel_time_sum},
    {"minus", {TYPE_DAY_TIME_INTERVAL, TYPE_DAY_TIME_INTERVAL}, 2, 0, kernel_time_sum},
    {"negate", {TYPE_YEAR_MONTH_INTERVAL}, 1, 0, kernel_months_sign},
    {"negate", {TYPE_DAY_TIME_INTERVAL}, 1, 0, kernel_time_sign},
    {"abs", {TYPE_YEAR_MONTH_INTERVAL}, 1, 0, kernel_months_sign},
    {"abs", {TYPE_DAY_TIME_INTERVAL}, 1, 0, kernel_time_sign},
    {"make_ym_interval", {I, I}, 2, 0, kernel_make_ym},
    {"make_dt_interval", {I, I, I, TYPE_DECIMAL}, 4, KERNEL_NEVER_FAILS, kernel_make_dt},
    {"make_interval", {I, I, I, I, KERNEL_ANY}, 5, KERNEL_VARIADIC, kernel_make_calendar},
    {"interval_part", {TYPE_STRING, KERNEL_ANY}, 2, KERNEL_NEVER_FAILS, kernel_interval_part},
};
const struct kernel_family kernel_family_interval = KERNEL_FAMILY(entries);
