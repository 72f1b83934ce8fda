/* map.c: maps and sequences. A map's keys are distinct and not null: map_check_keys sees to it wherever one is made. */
#include "base/calendar.h"
#include "column/builder.h"
#include "column/text.h"
#include "exec/function.h"
#include "exec/groups.h"
#include "exec/program_internal.h"
#include "exec/value.h"

struct column *map_check_keys(
    struct arena *arena, const struct exec_settings *settings, struct sql_error *error, struct column *map) {
    struct column *keys = map->children[0];
    size_t total = (size_t)map->offsets[map->row_count], count = 0;
    struct groups groups;
    uint32_t *numbers = ARENA_ARRAY(arena, uint32_t, total), *new_rows = ARENA_ARRAY(arena, uint32_t, total);
    if (total == 0) {
        return map;
    }
    groups_init(&groups, &keys->type, 1);
    groups_add(&groups, arena, &keys, 1, total, numbers, new_rows);
    uint32_t *mark = ARENA_ARRAY(arena, uint32_t, groups.count), *place = ARENA_ARRAY(arena, uint32_t, groups.count);
    uint32_t *key_rows = ARENA_ARRAY(arena, uint32_t, total), *value_rows = ARENA_ARRAY(arena, uint32_t, total);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, map->row_count + 1);
    groups_free(&groups);
    for (size_t row = 0; row < map->row_count; row++) {
        for (int32_t i = map->offsets[row]; i < map->offsets[row + 1]; i++) {
            uint32_t number = numbers[i];
            if (column_is_null(keys, (size_t)i)) {
                raise_null_map_key(error);
                return NULL;
            }
            if (mark[number] == row + 1 && !settings->map_key_last_wins) {
                struct buffer text = {0};
                value_format(keys, (size_t)i, settings->zone, &text);
                raise_duplicated_map_key(error, arena_text(error->arena, buffer_view(&text)),
                    quote_config(error->arena, "spark.sql.mapKeyDedupPolicy"));
                buffer_free(&text);
                return NULL;
            }
            if (mark[number] == row + 1) {
                value_rows[place[number]] = (uint32_t)i;
                continue;
            }
            mark[number] = (uint32_t)row + 1;
            place[number] = (uint32_t)count;
            key_rows[count] = value_rows[count] = (uint32_t)i;
            count++;
        }
        offsets[row + 1] = (int32_t)count;
    }
    if (count == total) {
        return map;
    }
    map->offsets = offsets;
    map->children[0] = column_take(arena, keys, key_rows, count);
    map->children[1] = column_take(arena, map->children[1], value_rows, count);
    return map;
}

static struct column *checked(struct evaluation *evaluation, struct column *map) {
    struct column *result = map_check_keys(evaluation->arena, evaluation->settings, evaluation->error, map);
    evaluation->failed = result == NULL;
    return result;
}

static struct column *new_map(struct evaluation *evaluation, const int32_t *offsets, struct column *keys,
    struct column *values, const uint8_t *validity) {
    struct column *map = ARENA_NEW(evaluation->arena, struct column);
    map->type = evaluation->call->result_type;
    map->row_count = evaluation->row_count;
    map->offsets = offsets;
    map->validity = validity;
    map->child_count = 2;
    map->children = ARENA_ARRAY(evaluation->arena, struct column *, 2);
    map->children[0] = keys;
    map->children[1] = values;
    return map;
}

/* The columns at first, first + step, … interleaved row by row. */
static struct column *interleave(
    struct evaluation *evaluation, struct column *const *arguments, size_t first, const struct type *type) {
    size_t count = evaluation->call->argument_count / 2, rows = evaluation->row_count;
    struct arena *arena = evaluation->arena;
    if (count == 0) {
        return column_create(arena, type, 0);
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, count);
    size_t *row_counts = ARENA_ARRAY(arena, size_t, count);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, count * rows);
    for (size_t i = 0; i < count; i++) {
        parts[i] = column_flatten(arena, arguments[first + 2 * i], rows);
        row_counts[i] = rows;
        for (size_t row = 0; row < rows; row++) {
            places[row * count + i] = (uint32_t)(i * rows + row);
        }
    }
    return column_take(arena, column_concat(arena, parts, row_counts, count), places, count * rows);
}

static struct column *kernel_map(struct evaluation *evaluation, struct column *const *arguments) {
    const struct type *type = evaluation->call->result_type;
    int32_t *offsets = ARENA_ARRAY(evaluation->arena, int32_t, evaluation->row_count + 1);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        offsets[row + 1] = (int32_t)((row + 1) * (evaluation->call->argument_count / 2));
    }
    struct column *keys = interleave(evaluation, arguments, 0, type->key);
    return checked(
        evaluation, new_map(evaluation, offsets, keys, interleave(evaluation, arguments, 1, type->element), NULL));
}

static struct column *kernel_from_arrays(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *keys = column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    struct column *values = column_flatten(evaluation->arena, arguments[1], evaluation->row_count);
    uint8_t *validity = evaluation_strict_validity(evaluation, arguments, 2);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        bool present = validity == NULL || bit_get(validity, row);
        if (present &&
            (keys->offsets[row + 1] - keys->offsets[row] != values->offsets[row + 1] - values->offsets[row] ||
                keys->offsets[row] != values->offsets[row])) {
            evaluation_failed(evaluation, raise_internal_error(evaluation->error,
                                              "The key array and value array of MapData must have the same length."));
            return NULL;
        }
    }
    return checked(evaluation, new_map(evaluation, keys->offsets, keys->children[0], values->children[0], validity));
}

static struct column *kernel_from_entries(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *list = column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    const struct column *entries = list->children[0];
    struct column *map = new_map(evaluation, list->offsets, entries->children[0], entries->children[1], list->validity);
    bool any_null = entries->validity != NULL;
    for (size_t row = 0; row < evaluation->row_count && any_null; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            if (column_is_null(entries, (size_t)i)) {
                struct column *copy = column_copy(evaluation->arena, map);
                bit_clear(column_make_nullable(evaluation->arena, copy), row);
                map = copy;
            }
        }
    }
    return checked(evaluation, map);
}

static struct column *kernel_map_entries(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = ARENA_NEW(evaluation->arena, struct column);
    struct column *entries = ARENA_NEW(evaluation->arena, struct column);
    *result = *arguments[0];
    result->type = evaluation->call->result_type;
    result->child_count = 1;
    result->children = ARENA_ARRAY(evaluation->arena, struct column *, 1);
    result->children[0] = entries;
    *entries = (struct column){.type = result->type->element,
        .row_count = arguments[0]->children[0]->row_count,
        .children = arguments[0]->children,
        .child_count = 2};
    return result;
}

static struct column *child_list(struct evaluation *evaluation, const struct column *map, size_t child) {
    struct column *result = ARENA_NEW(evaluation->arena, struct column);
    *result = *map;
    result->type = evaluation->call->result_type;
    result->child_count = 1;
    result->children = ARENA_ARRAY(evaluation->arena, struct column *, 1);
    result->children[0] = map->children[child];
    return result;
}
static struct column *kernel_map_keys(struct evaluation *evaluation, struct column *const *arguments) {
    return child_list(evaluation, arguments[0], 0);
}
static struct column *kernel_map_values(struct evaluation *evaluation, struct column *const *arguments) {
    return child_list(evaluation, arguments[0], 1);
}

static struct column *kernel_map_concat(struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count, rows = evaluation->row_count, total = 0;
    struct arena *arena = evaluation->arena;
    struct column **maps = ARENA_ARRAY(arena, struct column *, count + 1);
    struct column **keys = ARENA_ARRAY(arena, struct column *, count + 1),
                  **values = ARENA_ARRAY(arena, struct column *, count + 1);
    size_t *sizes = ARENA_ARRAY(arena, size_t, count + 1), *bases = ARENA_ARRAY(arena, size_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        maps[i] = column_flatten(arena, arguments[i], rows);
        keys[i] = maps[i]->children[0];
        values[i] = maps[i]->children[1];
        sizes[i] = keys[i]->row_count;
        bases[i] = total;
        total += sizes[i];
    }
    if (count == 0) {
        return column_create(arena, evaluation->call->result_type, rows);
    }
    uint32_t *picked = ARENA_ARRAY(arena, uint32_t, total);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, rows + 1);
    size_t taken = 0;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < count; i++) {
            for (int32_t j = maps[i]->offsets[row]; j < maps[i]->offsets[row + 1]; j++) {
                picked[taken++] = (uint32_t)(bases[i] + (size_t)j);
            }
        }
        offsets[row + 1] = (int32_t)taken;
    }
    struct column *all_keys = column_take(arena, column_concat(arena, keys, sizes, count), picked, taken);
    struct column *all_values = column_take(arena, column_concat(arena, values, sizes, count), picked, taken);
    return checked(evaluation,
        new_map(evaluation, offsets, all_keys, all_values, evaluation_strict_validity(evaluation, arguments, count)));
}

static struct column *find_keys(struct evaluation *evaluation, struct column *const *arguments, bool contains) {
    struct column *map = column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    const struct column *wanted = arguments[1];
    uint32_t *found = ARENA_ARRAY(evaluation->arena, uint32_t, evaluation->row_count);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        found[row] = UINT32_MAX;
        for (int32_t i = map->offsets[row]; i < map->offsets[row + 1] && found[row] == UINT32_MAX; i++) {
            if (!column_is_null(map, row) && !column_is_null(wanted, row) &&
                value_equal(map->children[0], (size_t)i, wanted, row)) {
                found[row] = (uint32_t)i;
            }
        }
    }
    if (!contains) {
        return column_take(evaluation->arena, map->children[1], found, evaluation->row_count);
    }
    struct column *result = evaluation_result(evaluation);
    result->validity = evaluation_strict_validity(evaluation, arguments, 2);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        COLUMN_VALUES(result, uint8_t)[row] = found[row] != UINT32_MAX;
    }
    return result;
}
static struct column *kernel_map_value(struct evaluation *evaluation, struct column *const *arguments) {
    return find_keys(evaluation, arguments, false);
}
static struct column *kernel_map_contains_key(struct evaluation *evaluation, struct column *const *arguments) {
    return find_keys(evaluation, arguments, true);
}

/* ---- sequence ---- */

struct stride {
    int64_t months, microseconds; /* one of them for times; integers use microseconds as the number */
};

static int64_t whole(const struct column *column, size_t row) {
    switch (type_value_size(column->type)) {
    case 1:
        return COLUMN_AT(column, int8_t, row);
    case 2:
        return COLUMN_AT(column, int16_t, row);
    case 4:
        return COLUMN_AT(column, int32_t, row);
    default:
        return COLUMN_AT(column, int64_t, row);
    }
}

static void append_whole(struct column_builder *builder, int64_t value) {
    switch (type_value_size(builder->type)) {
    case 1:
        column_builder_append(builder, &(int8_t){(int8_t)value});
        break;
    case 2:
        column_builder_append(builder, &(int16_t){(int16_t)value});
        break;
    case 4:
        column_builder_append(builder, &(int32_t){(int32_t)value});
        break;
    default:
        column_builder_append(builder, &value);
    }
}

#define DAY_US INT64_C(86400000000)

static struct stride step_of(struct evaluation *evaluation, struct column *const *arguments, size_t row, bool down) {
    const struct type *type = arguments[0]->type;
    bool time = !type_is_integral(type);
    if (evaluation->call->argument_count < 3) {
        int64_t one = time ? DAY_US : 1;
        return (struct stride){0, down ? -one : one};
    }
    const struct column *column = arguments[2];
    switch (column->type->kind) {
    case TYPE_YEAR_MONTH_INTERVAL:
        return (struct stride){COLUMN_AT(column, int32_t, row), 0};
    case TYPE_DAY_TIME_INTERVAL:
        return (struct stride){0, COLUMN_AT(column, int64_t, row)};
    case TYPE_CALENDAR_INTERVAL: {
        struct calendar_interval interval = COLUMN_AT(column, struct calendar_interval, row);
        return (struct stride){interval.months, interval.days * DAY_US + interval.microseconds};
    }
    default:
        return (struct stride){0, whole(column, row)};
    }
}

/* The same day of another month, or that month's last. */
static int64_t calendar_add_months(int64_t days, int64_t months) {
    struct calendar_date date = calendar_from_days(days);
    int64_t total = (int64_t)date.year * 12 + date.month - 1 + months;
    int32_t year = (int32_t)(total / 12 - (total % 12 < 0)), month = (int32_t)(total - (int64_t)year * 12) + 1;
    int32_t day = date.day;
    while (!calendar_is_valid(year, month, day) && day > 28) {
        day--;
    }
    return calendar_days(year, month, day);
}

/* The value `index` steps after start; times in local microseconds, dates as such. */
static int64_t sequence_value(int64_t start, struct stride step, int64_t index) {
    int64_t value = start + step.microseconds * index;
    if (step.months == 0) {
        return value;
    }
    int64_t days = start / DAY_US - (start % DAY_US < 0);
    return value - start + calendar_add_months(days, step.months * index) * DAY_US + (start - days * DAY_US);
}

static bool sequence_row(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, struct column_builder *builder) {
    enum type_kind kind = arguments[0]->type->kind;
    const struct timezone *zone = evaluation->settings->zone;
    int64_t start = whole(arguments[0], row), stop = whole(arguments[1], row);
    if (kind == TYPE_DATE) {
        start *= DAY_US;
        stop *= DAY_US;
    } else if (kind == TYPE_TIMESTAMP) {
        start = timezone_to_local(zone, start);
        stop = timezone_to_local(zone, stop);
    }
    struct stride step = step_of(evaluation, arguments, row, stop < start);
    bool up = step.months > 0 || step.microseconds > 0;
    if ((step.months == 0 && step.microseconds == 0 && start != stop) || (start < stop && !up) ||
        (start > stop && up)) {
        return evaluation_failed(
            evaluation, raise_internal_error(evaluation->error,
                            arena_printf(evaluation->error->arena, "Illegal sequence boundaries: %lld to %lld by %lld",
                                (long long)start, (long long)stop,
                                (long long)(step.months != 0 ? step.months : step.microseconds))));
    }
    for (int64_t i = 0;; i++) {
        int64_t value = sequence_value(start, step, i);
        if (start <= stop ? value > stop : value < stop) {
            return true;
        }
        if (builder->row_count >= (size_t)evaluation->settings->collection_size_max / 4) {
            return evaluation_failed(evaluation,
                raise_collection_size_limit_exceeded_function(evaluation->error,
                    arena_printf(evaluation->error->arena, "%zu", builder->row_count + 1), "2147483632", "`sequence`"));
        }
        append_whole(builder, kind == TYPE_DATE        ? value / DAY_US
                              : kind == TYPE_TIMESTAMP ? timezone_to_utc(zone, value)
                                                       : value);
        if (start == stop && !up) {
            return true;
        }
        if (kind != TYPE_DATE && kind != TYPE_TIMESTAMP && kind != TYPE_TIMESTAMP_NTZ && up &&
            value > stop - step.microseconds) {
            return true;
        }
        if (!up && type_is_integral(arguments[0]->type) && value < stop - step.microseconds) {
            return true;
        }
    }
}

static struct column *kernel_sequence(struct evaluation *evaluation, struct column *const *arguments) {
    struct column_builder builder;
    column_builder_init(&builder, evaluation->arena, evaluation->call->result_type, evaluation->row_count);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        bool null = false;
        for (size_t i = 0; i < evaluation->call->argument_count; i++) {
            null = null || column_is_null(arguments[i], row);
        }
        if (null) {
            column_builder_null(&builder);
        } else if (sequence_row(evaluation, arguments, row, &builder.children[0])) {
            column_builder_end_row(&builder);
        } else {
            return NULL;
        }
    }
    return column_builder_finish(&builder);
}

static struct column *kernel_str_to_map(struct evaluation *evaluation, struct column *const *arguments) {
    struct column_builder builder;
    column_builder_init(&builder, evaluation->arena, evaluation->call->result_type, evaluation->row_count);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        if (column_is_null(arguments[0], row)) {
            column_builder_null(&builder);
            continue;
        }
        struct bytes text = string_view_bytes(COLUMN_AT(arguments[0], struct string_view, row));
        struct bytes pair_end = string_view_bytes(COLUMN_AT(arguments[1], struct string_view, row));
        struct bytes key_end = string_view_bytes(COLUMN_AT(arguments[2], struct string_view, row));
        for (bool more = true; more;) {
            const uint8_t *end = pair_end.size == 0 ? NULL : memmem(text.data, text.size, pair_end.data, pair_end.size);
            size_t size = end == NULL ? text.size : (size_t)(end - text.data);
            struct bytes pair = bytes_make(text.data, size);
            const uint8_t *middle = key_end.size == 0 ? NULL : memmem(pair.data, size, key_end.data, key_end.size);
            size_t key_size = middle == NULL ? size : (size_t)(middle - pair.data);
            column_builder_append_string(&builder.children[0], bytes_make(pair.data, key_size));
            if (middle == NULL) {
                column_builder_null(&builder.children[1]);
            } else {
                column_builder_append_string(
                    &builder.children[1], bytes_make(middle + key_end.size, size - key_size - key_end.size));
            }
            more = end != NULL;
            if (more) {
                text = bytes_make(end + pair_end.size, text.size - size - pair_end.size);
            }
        }
        column_builder_end_row(&builder);
    }
    return checked(evaluation, column_builder_finish(&builder));
}

static const struct kernel_entry entries[] = {
    {"map", {KERNEL_ANY}, 1, KERNEL_VARIADIC, kernel_map},
    {"map_from_arrays", {TYPE_ARRAY, TYPE_ARRAY}, 2, 0, kernel_from_arrays},
    {"map_from_entries", {TYPE_ARRAY}, 1, 0, kernel_from_entries},
    {"map_entries", {TYPE_MAP}, 1, KERNEL_NEVER_FAILS, kernel_map_entries},
    {"map_keys", {TYPE_MAP}, 1, KERNEL_NEVER_FAILS, kernel_map_keys},
    {"map_values", {TYPE_MAP}, 1, KERNEL_NEVER_FAILS, kernel_map_values},
    {"map_concat", {TYPE_MAP}, 1, KERNEL_VARIADIC, kernel_map_concat},
    {"map_contains_key", {TYPE_MAP, KERNEL_ANY}, 2, KERNEL_NEVER_FAILS, kernel_map_contains_key},
    {"element_at", {TYPE_MAP, KERNEL_ANY}, 2, KERNEL_NEVER_FAILS, kernel_map_value},
    {"get_map_value", {TYPE_MAP, KERNEL_ANY}, 2, KERNEL_NEVER_FAILS, kernel_map_value},
    {"sequence", {KERNEL_ANY, KERNEL_ANY}, 2, KERNEL_VARIADIC, kernel_sequence},
    {"str_to_map", {TYPE_STRING, TYPE_STRING, TYPE_STRING}, 3, 0, kernel_str_to_map},
};
const struct kernel_family kernel_family_map = KERNEL_FAMILY(entries);
