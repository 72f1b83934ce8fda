/* json_infer.c: the type that JSON records have in common, by Spark's JsonInferSchema: LONG and DOUBLE widen to DOUBLE,
 * integers beyond LONG become DECIMAL, anything that does not agree becomes STRING, fields are sorted by name. Nesting
 * is bounded by JSON_DEPTH_MAX. */
#include <stdlib.h>

#include "column/text.h"
#include "format/datetime.h"
#include "format/json.h"
#include "format/json_reader.h"

struct json_inference {
    struct arena arena;
    const struct type *type; /* NULL: nothing seen */
    unsigned leniency;
    bool primitives_as_string, prefers_decimal, infer_timestamp;
    bool saw_corrupt;
    enum format_mode mode;
    struct bytes corrupt_name;
    const struct timezone *zone;
};

struct inferrer {
    struct json_inference *settings;
    struct arena *arena;
    struct json_scan scan;
};

static const struct type *infer_value(struct inferrer *inferrer);

static int compare_fields(const void *left, const void *right) {
    return bytes_compare(((const struct type_field *)left)->name, ((const struct type_field *)right)->name);
}

/* ---- the common type of two ---- */

static const struct type *common(struct arena *arena, const struct type *left, const struct type *right);

/* Both sorted by name. */
static const struct type *common_struct(struct arena *arena, const struct type *left, const struct type *right) {
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, left->field_count + right->field_count + 1);
    size_t count = 0, i = 0, j = 0;
    while (i < left->field_count || j < right->field_count) {
        int order = i == left->field_count    ? 1
                    : j == right->field_count ? -1
                                              : bytes_compare(left->fields[i].name, right->fields[j].name);
        if (order == 0) {
            fields[count] = left->fields[i++];
            fields[count].type = common(arena, fields[count].type, right->fields[j++].type);
        } else {
            fields[count] = order < 0 ? left->fields[i++] : right->fields[j++];
        }
        count++;
    }
    return type_struct(arena, fields, count);
}

static const struct type *common_decimal(struct arena *arena, const struct type *left, const struct type *right) {
    int scale = left->scale > right->scale ? left->scale : right->scale;
    int whole = left->precision - left->scale > right->precision - right->scale ? left->precision - left->scale
                                                                                : right->precision - right->scale;
    return whole + scale > 38 ? type_simple(TYPE_DOUBLE) : type_decimal(arena, whole + scale, scale);
}

static const struct type *common(struct arena *arena, const struct type *left, const struct type *right) {
    if (left->kind == TYPE_NULL) {
        return right;
    }
    if (right->kind == TYPE_NULL) {
        return left;
    }
    if (left->kind != right->kind) {
        bool numbers = type_is_numeric(left) && type_is_numeric(right);
        if (!numbers) {
            bool times = (left->kind == TYPE_TIMESTAMP && right->kind == TYPE_TIMESTAMP_NTZ) ||
                         (left->kind == TYPE_TIMESTAMP_NTZ && right->kind == TYPE_TIMESTAMP);
            return type_simple(times ? TYPE_TIMESTAMP : TYPE_STRING);
        }
        if (left->kind == TYPE_DOUBLE || right->kind == TYPE_DOUBLE) {
            return type_simple(TYPE_DOUBLE);
        }
        const struct type *whole = type_decimal(arena, 20, 0);
        return common_decimal(arena, left->kind == TYPE_LONG ? whole : left, right->kind == TYPE_LONG ? whole : right);
    }
    if (left->kind == TYPE_STRUCT) {
        return common_struct(arena, left, right);
    }
    if (left->kind == TYPE_ARRAY) {
        return type_array(arena, common(arena, left->element, right->element), true);
    }
    return left->kind == TYPE_DECIMAL ? common_decimal(arena, left, right) : left;
}

/* ---- one record ---- */

static const struct type *infer_number(struct inferrer *inferrer) {
    struct json_number number;
    if (!json_number(&inferrer->scan, &number)) {
        return NULL;
    }
    if (inferrer->settings->primitives_as_string) {
        return type_simple(TYPE_STRING);
    }
    if (!number.is_float && !number.overflow) {
        return type_simple(TYPE_LONG);
    }
    size_t digits = 0, fraction = 0;
    bool point = false, exponent = false;
    for (size_t i = 0; i < number.text.size; i++) {
        uint8_t c = number.text.data[i];
        digits += c >= '0' && c <= '9';
        fraction += point && c >= '0' && c <= '9';
        point |= c == '.';
        exponent |= (c | 0x20) == 'e';
    }
    bool decimal = !number.is_float || (inferrer->settings->prefers_decimal && !number.non_numeric && !exponent);
    return decimal && digits <= 38 ? type_decimal(inferrer->arena, (int)digits, (int)fraction)
                                   : type_simple(TYPE_DOUBLE);
}

static const struct type *infer_string(struct inferrer *inferrer) {
    struct bytes text;
    int64_t instant;
    if (!json_text(&inferrer->scan, &text)) {
        return NULL;
    }
    struct json_inference *settings = inferrer->settings;
    if (settings->infer_timestamp && text.size >= 10 && value_parse_timestamp(text, settings->zone, &instant)) {
        return type_simple(TYPE_TIMESTAMP);
    }
    return type_simple(TYPE_STRING);
}

static const struct type *infer_array(struct inferrer *inferrer) {
    const struct type *element = type_simple(TYPE_NULL);
    bool more;
    if (!json_enter(&inferrer->scan, ']', &more)) {
        return NULL;
    }
    for (more = !more; more;) {
        const struct type *next = infer_value(inferrer);
        if (next == NULL || !json_continue(&inferrer->scan, ']', &more)) {
            return NULL;
        }
        element = common(inferrer->arena, element, next);
    }
    return type_array(inferrer->arena, element, true);
}

static const struct type *infer_object(struct inferrer *inferrer) {
    size_t capacity = 8, count = 0;
    struct type_field *fields = ARENA_ARRAY(inferrer->arena, struct type_field, capacity);
    bool more;
    if (!json_enter(&inferrer->scan, '}', &more)) {
        return NULL;
    }
    for (more = !more; more;) {
        struct bytes name;
        if (!json_name(&inferrer->scan, &name)) {
            return NULL;
        }
        const struct type *type = infer_value(inferrer);
        if (type == NULL || !json_continue(&inferrer->scan, '}', &more)) {
            return NULL;
        }
        if (count == capacity) {
            struct type_field *grown = ARENA_ARRAY(inferrer->arena, struct type_field, capacity * 2);
            memcpy(grown, fields, count * sizeof *grown);
            fields = grown;
            capacity *= 2;
        }
        fields[count++] = (struct type_field){arena_copy(inferrer->arena, name), type, true, BYTES_NULL};
    }
    qsort(fields, count, sizeof *fields, compare_fields);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && bytes_equal(fields[kept - 1].name, fields[i].name)) {
            fields[kept - 1].type = common(inferrer->arena, fields[kept - 1].type, fields[i].type);
        } else {
            fields[kept++] = fields[i];
        }
    }
    return type_struct(inferrer->arena, fields, kept);
}

static const struct type *infer_value(struct inferrer *inferrer) {
    struct json_scan *scan = &inferrer->scan;
    enum json_token token = json_peek(scan);
    switch (token) {
    case JSON_TOKEN_OBJECT:
        return infer_object(inferrer);
    case JSON_TOKEN_ARRAY:
        return infer_array(inferrer);
    case JSON_TOKEN_STRING:
        return infer_string(inferrer);
    case JSON_TOKEN_NUMBER:
        return infer_number(inferrer);
    case JSON_TOKEN_NULL:
        return json_literal(scan, "null") ? type_simple(TYPE_NULL) : NULL;
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        return !json_literal(scan, token == JSON_TOKEN_TRUE ? "true" : "false")
                   ? NULL
                   : type_simple(inferrer->settings->primitives_as_string ? TYPE_STRING : TYPE_BOOLEAN);
    default:
        return NULL;
    }
}

/* ---- many records ---- */

struct json_inference *json_inference_create(
    const struct format_options *options, const struct timezone *zone, struct error *error) {
    struct json_inference *inference = calloc(1, sizeof *inference);
    ASSERT(inference != NULL);
    bool single = true, unquoted = false, zeros = false, comments = false;
    inference->zone = zone;
    inference->mode = format_mode_get(options);
    inference->corrupt_name = format_option_get(options, "columnNameOfCorruptRecord");
    inference->corrupt_name = arena_copy(
        &inference->arena, inference->corrupt_name.data != NULL ? inference->corrupt_name : BYTES("_corrupt_record"));
    bool good = format_option_boolean(options, "primitivesAsString", &inference->primitives_as_string, error) &&
                format_option_boolean(options, "prefersDecimal", &inference->prefers_decimal, error) &&
                format_option_boolean(options, "inferTimestamp", &inference->infer_timestamp, error) &&
                format_option_boolean(options, "allowSingleQuotes", &single, error) &&
                format_option_boolean(options, "allowUnquotedFieldNames", &unquoted, error) &&
                format_option_boolean(options, "allowNumericLeadingZeros", &zeros, error) &&
                format_option_boolean(options, "allowComments", &comments, error) &&
                format_option_zone(options, &inference->zone, error);
    inference->leniency = JSON_ALLOW_NON_NUMERIC | JSON_REPLACE_INVALID_UTF8 | (single ? JSON_ALLOW_SINGLE_QUOTES : 0) |
                          (unquoted ? JSON_ALLOW_UNQUOTED_NAMES : 0) | (zeros ? JSON_ALLOW_LEADING_ZEROS : 0) |
                          (comments ? JSON_ALLOW_COMMENTS : 0);
    if (!good) {
        json_inference_destroy(inference);
        return NULL;
    }
    return inference;
}

void json_inference_seed(struct json_inference *inference, const struct type *type) {
    inference->type = type == NULL ? NULL : type_copy(&inference->arena, type);
}

void json_inference_destroy(struct json_inference *inference) {
    if (inference != NULL) {
        arena_destroy(&inference->arena);
        free(inference);
    }
}

bool json_inference_add(struct json_inference *inference, struct bytes record) {
    struct arena scratch = {0};
    struct inferrer inferrer = {.settings = inference, .arena = &scratch};
    if (bytes_trim(record).size == 0) {
        return true;
    }
    json_scan_init(&inferrer.scan, record, inference->leniency, &scratch);
    const struct type *type = infer_value(&inferrer);
    /* The elements of an array at the top are records. */
    type = type != NULL && type->kind == TYPE_ARRAY ? type->element : type;
    bool good = type != NULL && type->kind == TYPE_STRUCT;
    if (!good) {
        inference->saw_corrupt |= inference->mode == FORMAT_PERMISSIVE;
    } else if (inference->type == NULL) {
        inference->type = type_copy(&inference->arena, type);
    } else {
        const struct type *both = common(&scratch, inference->type, type);
        if (!type_equal(both, inference->type)) { /* rarely: the arena keeps what was before */
            inference->type = type_copy(&inference->arena, both);
        }
    }
    arena_destroy(&scratch);
    return good;
}

/* Fields that were always null are STRING; empty structs go. */
static const struct type *settle(struct arena *arena, const struct type *type, bool nulls_as_string) {
    if (type->kind == TYPE_NULL) {
        return nulls_as_string ? type_simple(TYPE_STRING) : NULL;
    }
    if (type->kind == TYPE_ARRAY) {
        const struct type *element = settle(arena, type->element, nulls_as_string);
        return element == NULL ? NULL : type_array(arena, element, true);
    }
    if (type->kind != TYPE_STRUCT) {
        return type;
    }
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, type->field_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct type *field = settle(arena, type->fields[i].type, nulls_as_string);
        if (field != NULL) {
            fields[count] = type->fields[i];
            fields[count++].type = field;
        }
    }
    return count == 0 ? NULL : type_struct(arena, fields, count);
}

const struct type *json_inference_result(struct json_inference *inference, struct arena *arena) {
    const struct type *type = inference->type == NULL ? NULL : settle(arena, inference->type, true);
    size_t count = type == NULL ? 0 : type->field_count;
    if (!inference->saw_corrupt) {
        return type != NULL ? type_copy(arena, type) : type_struct(arena, NULL, 0);
    }
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, count + 1);
    fields[0] = (struct type_field){inference->corrupt_name, type_simple(TYPE_STRING), true, BYTES_NULL};
    for (size_t i = 0; i < count; i++) {
        fields[i + 1] = type->fields[i];
    }
    qsort(fields, count + 1, sizeof *fields, compare_fields);
    return type_copy(arena, type_struct(arena, fields, count + 1));
}

const struct type *json_schema_of(
    struct arena *arena, struct bytes text, const struct format_options *options, struct error *error) {
    struct json_inference *settings = json_inference_create(options, timezone_utc(), error);
    if (settings == NULL) {
        return NULL;
    }
    struct inferrer inferrer = {.settings = settings, .arena = arena};
    json_scan_init(&inferrer.scan, text, settings->leniency, arena);
    const struct type *type = infer_value(&inferrer);
    json_inference_destroy(settings);
    if (type == NULL) {
        error_set(error, ERROR_INVALID, "the text is not JSON: %.*s", (int)(text.size < 200 ? text.size : 200),
            (const char *)text.data);
        return NULL;
    }
    const struct type *settled = settle(arena, type, true);
    return settled != NULL ? settled : type_struct(arena, NULL, 0);
}
