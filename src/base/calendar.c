/* calendar.c: day arithmetic over 400-year eras of 146,097 days, years starting in March so that the leap day comes
 * last. */
#include "base/calendar.h"

#include <stdio.h>

#include "base/assert.h"

enum { DAYS_PER_ERA = 146097, DAYS_BEFORE_EPOCH = 719468 }; /* 0000-03-01 to 1970-01-01 */

static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

int64_t calendar_days(int32_t year, int32_t month, int32_t day) {
    int64_t shifted_year = (int64_t)year - (month <= 2);
    int64_t era = floor_divide(shifted_year, 400);
    int64_t year_of_era = shifted_year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_EPOCH;
}

struct calendar_date calendar_from_days(int64_t days) {
    int64_t shifted = days + DAYS_BEFORE_EPOCH;
    int64_t era = floor_divide(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    struct calendar_date date;
    date.day = (int32_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    date.month = (int32_t)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    date.year = (int32_t)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}

bool calendar_is_valid(int32_t year, int32_t month, int32_t day) {
    static const int8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= month_days[month - 1] + (month == 2 && leap);
}

struct clock_parts {
    struct calendar_date date;
    int hour, minute, second, millisecond;
};

static struct clock_parts split(int64_t wall_ms) {
    struct clock_parts parts;
    int64_t days = floor_divide(wall_ms, 86400000);
    int64_t rest = wall_ms - days * 86400000;
    parts.date = calendar_from_days(days);
    parts.hour = (int)(rest / 3600000);
    parts.minute = (int)(rest / 60000 % 60);
    parts.second = (int)(rest / 1000 % 60);
    parts.millisecond = (int)(rest % 1000);
    return parts;
}

void calendar_format_iso_ms(int64_t wall_ms, char out[32]) {
    struct clock_parts p = split(wall_ms);
    snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", p.date.year, p.date.month, p.date.day, p.hour, p.minute,
        p.second, p.millisecond);
}

void calendar_format_log4j(int64_t wall_ms, char out[32]) {
    struct clock_parts p = split(wall_ms);
    snprintf(out, 32, "%04d-%02d-%02d %02d:%02d:%02d,%03d", p.date.year, p.date.month, p.date.day, p.hour, p.minute,
        p.second, p.millisecond);
}

void calendar_format_spark(int64_t wall_ms, char out[32]) {
    struct clock_parts p = split(wall_ms);
    snprintf(out, 32, "%02d/%02d/%02d %02d:%02d:%02d", p.date.year % 100, p.date.month, p.date.day, p.hour, p.minute,
        p.second);
}
