#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/broker.h"

enum setting_kind { SETTING_PORT, SETTING_INTEGER, SETTING_SIZE, SETTING_BOOLEAN, SETTING_TEXT };

struct setting_row {
    const char *name;
    enum setting_kind kind;
    const char *standard; /* default */
};

static const struct setting_row rows[] = {
#define SETTING(name, kind, standard, description) {name, SETTING_##kind, standard},
#include "settings/raudal.def"
#undef SETTING
};

void settings_init(struct settings *settings) {
    *settings = (struct settings){0};
}

static void free_values(struct map *map) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(map, &cursor)) != NULL;)
        free(entry->value);
    map_free(map);
}

void settings_free(struct settings *settings) {
    free_values(&settings->values);
    free_values(&settings->notes);
}

static const struct setting_row *find_row(struct bytes name) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (bytes_equal_text(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* ---- nearest known name ---- */

enum { NAME_SIZE_MAX = 96 };

/* Names of the broker's own table, behind "kafka."; NULL behind the last. */
static const char *kafka_name(size_t index, char out[NAME_SIZE_MAX + 8]) {
    const char *name, *standard, *documentation;
    if (broker_setting_describe(index, &name, &standard, &documentation)) {
        snprintf(out, NAME_SIZE_MAX + 8, "kafka.%s", name);
        return out;
    }
    return NULL;
}

static const char *nearest(struct bytes name, char out[NAME_SIZE_MAX + 8]) {
    size_t best = SIZE_MAX;
    char other[NAME_SIZE_MAX + 8];
    for (size_t i = 0; kafka_name(i, other) != NULL; i++) {
        size_t far = bytes_edit_distance(name, bytes_from_text(other));
        if (far < best) {
            best = far;
            memcpy(out, other, sizeof other);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t far = bytes_edit_distance(name, bytes_from_text(rows[i].name));
        if (far < best) {
            best = far;
            snprintf(out, NAME_SIZE_MAX + 8, "%s", rows[i].name);
        }
    }
    return out;
}

/* ---- values ---- */

static bool parse_size(struct bytes text, int64_t *value) {
    int shift = 0;
    if (text.size > 1 && (text.data[text.size - 1] == 'b' || text.data[text.size - 1] == 'B'))
        text.size--;
    if (text.size > 1) {
        static const char units[] = "kmgt";
        const char *unit = strchr(units, text.data[text.size - 1] | 0x20);
        if (unit != NULL && *unit != 0) {
            shift = 10 * (int)(unit - units + 1);
            text.size--;
        }
    }
    int64_t number;
    if (!bytes_to_int64(text, &number) || number < 0 || number > INT64_MAX >> shift)
        return false;
    *value = number << shift;
    return true;
}

static bool parse_port(struct bytes text, uint16_t *port) {
    for (size_t i = text.size; i > 0; i--)
        if (text.data[i - 1] == ':') {
            text = bytes_slice(text, i, text.size - i);
            break;
        }
    int64_t number;
    if (!bytes_to_int64(text, &number) || number < 1 || number > 65535)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool check_value(const struct setting_row *row, struct bytes value, struct error *error) {
    int64_t number;
    uint16_t port;
    switch (row->kind) {
    case SETTING_PORT:
        return parse_port(value, &port) || error_set(error, ERROR_INVALID, "%s=%.*s: a port from 1 to 65535 is needed",
                                               row->name, BYTES_ARGS(value));
    case SETTING_INTEGER:
        return (bytes_to_int64(value, &number) && number > 0) ||
               error_set(
                   error, ERROR_INVALID, "%s=%.*s: a whole number above 0 is needed", row->name, BYTES_ARGS(value));
    case SETTING_SIZE:
        return parse_size(value, &number) ||
               error_set(error, ERROR_INVALID, "%s=%.*s: a size such as 134217728, 512m or 2g is needed", row->name,
                   BYTES_ARGS(value));
    case SETTING_BOOLEAN:
        return bytes_equal_text(value, "true") || bytes_equal_text(value, "false") ||
               error_set(error, ERROR_INVALID, "%s=%.*s: true or false is needed", row->name, BYTES_ARGS(value));
    case SETTING_TEXT:
        return true;
    }
    UNREACHABLE();
}

static void put(struct settings *settings, struct bytes name, struct bytes value) {
    char *copy = strndup((const char *)value.data, value.size);
    ASSERT(copy != NULL);
    free(map_set(&settings->values, name, copy));
}

/* A setting of the broker's own table: ERROR_NOT_FOUND when it does not know the name. */
static bool check_kafka(struct bytes name, struct bytes value, struct error *error) {
    char name_text[NAME_SIZE_MAX + 8], value_text[1024];
    if (bytes_starts_with(name, "kafka.") && name.size < NAME_SIZE_MAX && value.size < sizeof value_text) {
        snprintf(name_text, sizeof name_text, "%.*s", (int)name.size - 6, (const char *)name.data + 6);
        snprintf(value_text, sizeof value_text, "%.*s", BYTES_ARGS(value));
        return broker_setting_check(name_text, value_text, error);
    }
    return error_set(error, ERROR_NOT_FOUND, "unknown");
}

static bool set_pair(struct settings *settings, struct bytes name, struct bytes value, struct error *error) {
    const struct setting_row *row = find_row(name);
    if (row == NULL && check_kafka(name, value, error)) {
        put(settings, name, value);
        char text[NAME_SIZE_MAX + 8];
        snprintf(text, sizeof text, "%.*s", BYTES_ARGS(name));
        if (!broker_setting_has_effect(text + 6))
            map_set(&settings->notes, name, NULL);
        return true;
    }
    if (row == NULL && error->code != ERROR_NOT_FOUND)
        return error_prefix(error, "%.*s=%.*s", BYTES_ARGS(name), BYTES_ARGS(value));
    if (row == NULL) {
        char near[NAME_SIZE_MAX + 8];
        return error_set(error, ERROR_INVALID, "there is no setting '%.*s'; the nearest known one is %s",
            BYTES_ARGS(name), nearest(name, near));
    }
    if (!check_value(row, value, error))
        return false;
    put(settings, name, value);
    return true;
}

static bool split(struct bytes line, struct bytes *name, struct bytes *value) {
    size_t equals = bytes_find(line, '=', 0);
    if (equals == SIZE_MAX)
        return false;
    *name = bytes_trim(bytes_slice(line, 0, equals));
    *value = bytes_trim(bytes_slice(line, equals + 1, line.size - equals - 1));
    return name->size > 0;
}

bool settings_set(struct settings *settings, struct bytes assignment, struct error *error) {
    struct bytes name, value;
    if (!split(assignment, &name, &value))
        return error_set(error, ERROR_INVALID, "--set %.*s: name=value is needed", BYTES_ARGS(assignment));
    return set_pair(settings, name, value, error);
}

/* ---- files ---- */

typedef bool line_function(struct settings *settings, struct bytes name, struct bytes value, struct error *error);

static bool load_lines(struct settings *settings, const char *path, line_function *function, struct error *error) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    bool good = true;
    for (int number = 1; good && (size = getline(&line, &capacity, file)) >= 0; number++) {
        struct bytes text = bytes_trim(bytes_make(line, (size_t)size)), name, value;
        if (text.size == 0 || text.data[0] == '#' || text.data[0] == '!')
            continue;
        good = split(text, &name, &value) ? function(settings, name, value, error)
                                          : error_set(error, ERROR_INVALID, "name=value is needed");
        if (!good)
            error_prefix(error, "%s line %d", path, number);
    }
    free(line);
    fclose(file);
    return good;
}

bool settings_load(struct settings *settings, const char *path, struct error *error) {
    return load_lines(settings, path, set_pair, error);
}

bool settings_put_kafka(struct settings *settings, const char *name, const char *value, struct error *error) {
    char full[NAME_SIZE_MAX + 8];
    if (!broker_setting_check(name, value, error))
        return false;
    snprintf(full, sizeof full, "kafka.%s", name);
    put(settings, bytes_from_text(full), bytes_from_text(value));
    return true;
}

/* ---- reading ---- */

bool settings_is_given(const struct settings *settings, const char *name) {
    return map_get_text(&settings->values, name) != NULL;
}

const char *settings_text(const struct settings *settings, const char *name) {
    const char *given = map_get_text(&settings->values, name);
    if (given != NULL)
        return given;
    const struct setting_row *row = find_row(bytes_from_text(name));
    return row == NULL ? NULL : row->standard;
}

int64_t settings_integer(const struct settings *settings, const char *name) {
    int64_t value = 0;
    const char *text = settings_text(settings, name);
    ASSERT(text != NULL);
    bool parsed = parse_size(bytes_from_text(text), &value);
    ASSERT(parsed);
    return value;
}

bool settings_boolean(const struct settings *settings, const char *name) {
    const char *text = settings_text(settings, name);
    ASSERT(text != NULL);
    return strcmp(text, "true") == 0;
}

uint16_t settings_port(const struct settings *settings, const char *name) {
    uint16_t port = 0;
    const char *text = settings_text(settings, name);
    bool parsed = text != NULL && parse_port(bytes_from_text(text), &port);
    ASSERT(parsed);
    return port;
}

const char *settings_kafka(const struct settings *settings, const char *name) {
    char full[NAME_SIZE_MAX + 8];
    snprintf(full, sizeof full, "kafka.%s", name);
    return map_get_text(&settings->values, full);
}
