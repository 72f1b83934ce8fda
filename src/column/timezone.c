/* timezone.c: time zones from TZif files (RFC 9636): the 64-bit block's transitions, and the footer's rule (POSIX TZ,
 * e.g. CET-1CEST,M3.5.0,M10.5.0/3) for times after the last one. */
#include "column/timezone.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/calendar.h"
#include "world/world.h"

enum { ZONE_NAME_MAX = 63, ZONE_FILE_MAX = 1 << 20, DAY_SECONDS = 86400 };

/* One change of a POSIX rule: Mm.w.d/time, Jn or n. */
struct rule_date {
    char form; /* 'M', 'J' (1..365, no leap day) or 'n' (0..365) */
    int month, week, day;
    int32_t seconds; /* local time of day; may be negative or above a day */
};

struct timezone {
    struct timezone *next;
    char name[ZONE_NAME_MAX + 1];
    size_t transition_count;
    int64_t *transitions; /* UTC seconds, ascending */
    int32_t *offsets;     /* offsets[i]: from transitions[i] on */
    int32_t first_offset; /* before the first transition */
    bool has_rule, has_summer;
    int32_t standard_offset, summer_offset;
    struct rule_date summer_start, summer_end;
};

static struct timezone utc = {.name = "UTC"};
static struct timezone *zones = &utc;
static struct world *zone_world;
static struct world_mutex zones_lock = {PTHREAD_MUTEX_INITIALIZER};

/* ---- the rule in the footer ---- */

static int32_t rule_number(const char **text) {
    int32_t value = 0;
    for (int digits = 0; **text >= '0' && **text <= '9' && digits < 6; (*text)++, digits++) {
        value = value * 10 + (**text - '0');
    }
    return value;
}

static int32_t rule_time(const char **text) {
    bool negative = **text == '-';
    *text += **text == '-' || **text == '+';
    int32_t seconds = rule_number(text) * 3600;
    for (int unit = 60; **text == ':' && unit > 0; unit /= 60) {
        (*text)++;
        seconds += rule_number(text) * unit;
    }
    return negative ? -seconds : seconds;
}

static void rule_name(const char **text) {
    if (**text == '<') {
        while (**text != 0 && **text != '>') {
            (*text)++;
        }
        *text += **text == '>';
        return;
    }
    while ((**text >= 'A' && **text <= 'Z') || (**text >= 'a' && **text <= 'z')) {
        (*text)++;
    }
}

static struct rule_date rule_date(const char **text) {
    struct rule_date date = {.form = 'n', .seconds = 7200};
    *text += **text == ',';
    if (**text == 'M') {
        date.form = 'M';
        (*text)++;
        date.month = rule_number(text);
        *text += **text == '.';
        date.week = rule_number(text);
        *text += **text == '.';
        date.day = rule_number(text);
    } else {
        if (**text == 'J') {
            date.form = 'J';
            (*text)++;
        }
        date.day = rule_number(text);
    }
    if (**text == '/') {
        (*text)++;
        date.seconds = rule_time(text);
    }
    if (date.form == 'M' && (date.month < 1 || date.month > 12 || date.week < 1 || date.week > 5 || date.day > 6)) {
        date = (struct rule_date){.form = 'n'};
    }
    return date;
}

static void rule_parse(struct timezone *zone, const char *text) {
    rule_name(&text);
    if (*text == 0) {
        return;
    }
    zone->has_rule = true;
    zone->standard_offset = -rule_time(&text);
    if (*text == 0) {
        return;
    }
    zone->has_summer = true;
    rule_name(&text);
    zone->summer_offset = zone->standard_offset + 3600;
    if (*text != 0 && *text != ',') {
        zone->summer_offset = -rule_time(&text);
    }
    zone->summer_start = rule_date(&text);
    zone->summer_end = rule_date(&text);
}

/* Local seconds (as if UTC) at which the change happens in that year. */
static int64_t rule_seconds(const struct rule_date *date, int32_t year) {
    int64_t days = calendar_days(year, 1, 1);
    if (date->form == 'M') {
        int64_t first = calendar_days(year, date->month, 1);
        int weekday = (int)(((first + 4) % 7 + 7) % 7);
        days = first + (date->day - weekday + 7) % 7 + (date->week - 1) * 7;
        while (calendar_from_days(days).month != date->month) {
            days -= 7;
        }
    } else {
        bool leap = calendar_is_valid(year, 2, 29);
        days += date->form == 'J' ? date->day - 1 + (leap && date->day >= 60) : date->day;
    }
    return days * DAY_SECONDS + date->seconds;
}

static int32_t rule_offset_at(const struct timezone *zone, int64_t utc_seconds) {
    if (!zone->has_summer) {
        return zone->standard_offset;
    }
    int64_t days = utc_seconds / DAY_SECONDS - (utc_seconds % DAY_SECONDS < 0);
    if (days > INT64_C(365) * 300000 || days < -INT64_C(365) * 300000) {
        return zone->standard_offset;
    }
    int32_t year = calendar_from_days(days).year;
    int64_t start = rule_seconds(&zone->summer_start, year) - zone->standard_offset;
    int64_t end = rule_seconds(&zone->summer_end, year) - zone->summer_offset;
    bool summer = start < end ? utc_seconds >= start && utc_seconds < end : utc_seconds >= start || utc_seconds < end;
    return summer ? zone->summer_offset : zone->standard_offset;
}

/* ---- the file ---- */

struct tzif_counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool tzif_header(struct bytes file, size_t at, struct tzif_counts *counts) {
    if (file.size < at + 44 || memcmp(file.data + at, "TZif", 4) != 0) {
        return false;
    }
    const uint8_t *field = file.data + at + 20;
    *counts = (struct tzif_counts){load_be32(field), load_be32(field + 4), load_be32(field + 8), load_be32(field + 12),
        load_be32(field + 16), load_be32(field + 20)};
    return counts->time < 100000 && counts->type > 0 && counts->type <= 256 && counts->leap < 10000 &&
           counts->chars < 100000 && counts->isut <= 256 && counts->isstd <= 256;
}

static size_t tzif_block_size(const struct tzif_counts *counts, size_t time_size) {
    return counts->time * (time_size + 1) + counts->type * 6 + counts->chars + counts->leap * (time_size + 4) +
           counts->isstd + counts->isut;
}

static bool tzif_parse(struct timezone *zone, struct bytes file) {
    struct tzif_counts counts;
    if (!tzif_header(file, 0, &counts)) {
        return false;
    }
    size_t second = 44 + tzif_block_size(&counts, 4);
    if (!tzif_header(file, second, &counts) || file.size < second + 44 + tzif_block_size(&counts, 8)) {
        return false;
    }
    const uint8_t *times = file.data + second + 44;
    const uint8_t *indexes = times + (size_t)counts.time * 8, *types = indexes + counts.time;
    zone->transition_count = counts.time;
    zone->transitions = calloc(counts.time + 1, sizeof *zone->transitions);
    zone->offsets = calloc(counts.time + 1, sizeof *zone->offsets);
    ASSERT(zone->transitions != NULL && zone->offsets != NULL);
    zone->first_offset = (int32_t)load_be32(types);
    for (size_t i = 0; i < counts.time; i++) {
        if (indexes[i] >= counts.type) {
            return false;
        }
        zone->transitions[i] = (int64_t)load_be64(times + i * 8);
        zone->offsets[i] = (int32_t)load_be32(types + indexes[i] * 6);
    }
    size_t footer = second + 44 + tzif_block_size(&counts, 8);
    char rule[128];
    size_t size = 0;
    for (size_t i = footer + 1; i < file.size && file.data[i] != '\n' && size + 1 < sizeof rule; i++) {
        rule[size++] = (char)file.data[i];
    }
    rule[size] = 0;
    rule_parse(zone, rule);
    return true;
}

/* ---- finding ---- */

static struct timezone *zone_create(struct bytes name) {
    struct timezone *zone = calloc(1, sizeof *zone);
    ASSERT(zone != NULL && name.size <= ZONE_NAME_MAX);
    memcpy(zone->name, name.data, name.size);
    return zone;
}

static void zone_free(struct timezone *zone) {
    free(zone->transitions);
    free(zone->offsets);
    free(zone);
}

/* [UTC|GMT|UT](+|-)h[h][:mm[:ss]]; Z and the bare prefixes are UTC. */
static bool fixed_offset(struct bytes name, int32_t *offset) {
    static const char *const prefixes[] = {"UTC", "GMT", "UT", ""};
    if (bytes_equal_text(name, "Z")) {
        *offset = 0;
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        struct bytes prefix = bytes_from_text(prefixes[i]);
        if (bytes_starts_with(name, prefixes[i])) {
            name = bytes_slice(name, prefix.size, name.size - prefix.size);
            if (name.size == 0 && prefix.size > 0) {
                *offset = 0;
                return true;
            }
            break;
        }
    }
    if (name.size < 2 || name.size > 9 || (name.data[0] != '+' && name.data[0] != '-')) {
        return false;
    }
    int parts[3] = {0}, part = 0, digits = 0;
    for (size_t i = 1; i < name.size; i++) {
        if (name.data[i] == ':' && digits > 0 && part < 2) {
            part++;
            digits = 0;
        } else if (name.data[i] >= '0' && name.data[i] <= '9' && digits < (part == 0 ? 4 : 2)) {
            parts[part] = parts[part] * 10 + (name.data[i] - '0');
            digits++;
        } else {
            return false;
        }
    }
    if (part == 0 && digits > 2) { /* +hmm, +hhmm */
        parts[1] = parts[0] % 100;
        parts[0] /= 100;
    }
    int32_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    *offset = name.data[0] == '-' ? -seconds : seconds;
    return digits > 0 && parts[1] < 60 && parts[2] < 60 && seconds <= 18 * 3600;
}

static bool is_zone_name(struct bytes name) {
    if (name.size == 0 || name.size > ZONE_NAME_MAX || name.data[0] == '/') {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
                c == '+' || c == '-')) {
            return false;
        }
    }
    return true;
}

/* Short names that Java knows and the zone files do not have. */
static struct bytes zone_alias(struct bytes name) {
    static const struct {
        const char *alias, *name;
    } aliases[] = {{"PST", "America/Los_Angeles"}, {"CST", "America/Chicago"}, {"JST", "Asia/Tokyo"},
        {"IST", "Asia/Kolkata"}, {"CTT", "Asia/Shanghai"}, {"ECT", "Europe/Paris"}, {"ART", "Africa/Cairo"},
        {"BST", "Asia/Dhaka"}, {"AET", "Australia/Sydney"}, {"ACT", "Australia/Darwin"}};
    for (size_t i = 0; i < ARRAY_COUNT(aliases); i++) {
        if (bytes_equal_text(name, aliases[i].alias)) {
            return bytes_from_text(aliases[i].name);
        }
    }
    return name;
}

static bool zone_load(struct timezone *zone, struct bytes name, struct error *error) {
    if (zone_world == NULL) {
        return error_set(error, ERROR_NOT_FOUND, "no time zones have been set up");
    }
    char path[128];
    struct buffer file = {0};
    struct bytes real = zone_alias(name);
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", BYTES_ARGS(real));
    bool loaded = world_read_file(zone_world, path, ZONE_FILE_MAX, &file, error);
    if (loaded && !tzif_parse(zone, buffer_view(&file))) {
        loaded = error_set(error, ERROR_CORRUPT, "%s is not a time zone file", path);
    }
    buffer_free(&file);
    return loaded;
}

static const struct timezone *zone_get(struct bytes name, struct error *error) {
    int32_t offset;
    bool fixed = fixed_offset(name, &offset);
    if (fixed && offset == 0 && name.size <= 3) {
        return &utc;
    }
    if (!fixed && !is_zone_name(name)) {
        error_set(error, ERROR_INVALID, "unknown time zone: %.*s", BYTES_ARGS(name));
        return NULL;
    }
    world_mutex_lock(&zones_lock);
    struct timezone *zone = zones;
    while (zone != NULL && !bytes_equal_text(name, zone->name)) {
        zone = zone->next;
    }
    if (zone == NULL) {
        zone = zone_create(name);
        if (fixed) {
            zone->first_offset = offset;
        } else if (!zone_load(zone, name, error)) {
            zone_free(zone);
            zone = NULL;
            if (error != NULL && error->code == ERROR_NOT_FOUND) {
                error_set(error, ERROR_INVALID, "unknown time zone: %.*s", BYTES_ARGS(name));
            }
        }
        if (zone != NULL) {
            zone->next = zones;
            zones = zone;
        }
    }
    world_mutex_unlock(&zones_lock);
    return zone;
}

const struct timezone *timezone_get(struct world *world, struct bytes name, struct error *error) {
    timezone_setup(world);
    return zone_get(name, error);
}

void timezone_setup(struct world *world) {
    world_mutex_lock(&zones_lock);
    zone_world = world != NULL ? world : zone_world;
    world_mutex_unlock(&zones_lock);
}

const struct timezone *timezone_find(struct bytes name) {
    return zone_get(name, NULL);
}

const struct timezone *timezone_utc(void) {
    return &utc;
}

const char *timezone_name(const struct timezone *zone) {
    return zone->name;
}

/* ---- using ---- */

int32_t timezone_offset_at(const struct timezone *zone, int64_t utc_seconds) {
    size_t count = zone->transition_count;
    if (count == 0 || utc_seconds < zone->transitions[0]) {
        return count == 0 && zone->has_rule ? rule_offset_at(zone, utc_seconds) : zone->first_offset;
    }
    if (utc_seconds >= zone->transitions[count - 1]) {
        return zone->has_rule ? rule_offset_at(zone, utc_seconds) : zone->offsets[count - 1];
    }
    size_t low = 0, high = count - 1; /* transitions[low] <= utc_seconds < transitions[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle] <= utc_seconds) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return zone->offsets[low];
}

static int64_t floor_seconds(int64_t microseconds) {
    return microseconds / 1000000 - (microseconds % 1000000 < 0);
}

int64_t timezone_to_local(const struct timezone *zone, int64_t utc_microseconds) {
    int64_t offset = timezone_offset_at(zone, floor_seconds(utc_microseconds)), local;
    return __builtin_add_overflow(utc_microseconds, offset * 1000000, &local) ? utc_microseconds : local;
}

/* Tries the offsets that hold a day before and after. In an overlap both fit and the one from before is java.time's; in
 * a gap neither fits and the one from before moves the time forward by the gap. */
int64_t timezone_to_utc(const struct timezone *zone, int64_t local_microseconds) {
    int64_t seconds = floor_seconds(local_microseconds);
    int64_t before = timezone_offset_at(zone, seconds - DAY_SECONDS);
    int64_t after = timezone_offset_at(zone, seconds + DAY_SECONDS);
    int64_t offset = before;
    if (before != after && timezone_offset_at(zone, seconds - before) != before &&
        timezone_offset_at(zone, seconds - after) == after) {
        offset = after;
    }
    int64_t instant;
    return __builtin_sub_overflow(local_microseconds, offset * 1000000, &instant) ? local_microseconds : instant;
}
