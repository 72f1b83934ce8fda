/* json_read.c: typed reading of JSON, the general parser. It follows Spark's JacksonParser: a record is malformed (all
 * fields null), or a field has the wrong type (that field null, the record counts as bad), or all is well. Top-level
 * fields of fixed size and strings are written in place; nested ones through column builders. Nesting is bounded by
 * JSON_DEPTH_MAX and by the schema's depth. */
#include "format/json_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "column/text.h"

enum json_result { RESULT_VALUE, RESULT_NULL, RESULT_MISMATCH, RESULT_MALFORMED };

union scalar {
    uint8_t boolean;
    int8_t byte;
    int16_t half;
    int32_t integer;
    int64_t wide;
    float single;
    double real;
    __int128 decimal;
    struct string_view text;
};

enum { NAMES_MAP_FROM = 12 };

/* ---- creation ---- */

static bool node_init(struct arena *arena, struct json_node *node, const struct type *type, struct error *error) {
    *node = (struct json_node){.type = type};
    switch (type->kind) {
    case TYPE_STRUCT:
        node->child_count = type->field_count;
        node->children = ARENA_ARRAY(arena, struct json_node, type->field_count);
        for (size_t i = 0; i < type->field_count; i++) {
            if (!node_init(arena, &node->children[i], type->fields[i].type, error)) {
                return false;
            }
            if (type->field_count >= NAMES_MAP_FROM) {
                map_set(&node->names, type->fields[i].name, (void *)(i + 1));
            }
        }
        return true;
    case TYPE_MAP:
        if (type->key->kind != TYPE_STRING) {
            return error_set(
                error, ERROR_INVALID, "JSON object names are strings: a map read from JSON has keys of type STRING");
        }
        /* fall through */
    case TYPE_ARRAY:
        node->child_count = 1;
        node->children = ARENA_ARRAY(arena, struct json_node, 1);
        return node_init(arena, &node->children[0], type->element, error);
    case TYPE_CALENDAR_INTERVAL:
        return error_set(error, ERROR_UNSUPPORTED, "JSON cannot be read as the type INTERVAL");
    default:
        return true;
    }
}

static void node_free(struct json_node *node) {
    for (size_t i = 0; i < node->child_count; i++) {
        node_free(&node->children[i]);
    }
    map_free(&node->names);
}

static bool get_leniency(const struct format_options *options, unsigned *leniency, struct error *error) {
    static const struct {
        const char *name;
        unsigned flag;
    } table[] = {{"allowComments", JSON_ALLOW_COMMENTS}, {"allowUnquotedFieldNames", JSON_ALLOW_UNQUOTED_NAMES},
        {"allowSingleQuotes", JSON_ALLOW_SINGLE_QUOTES}, {"allowNumericLeadingZeros", JSON_ALLOW_LEADING_ZEROS},
        {"allowNonNumericNumbers", JSON_ALLOW_NON_NUMERIC},
        {"allowBackslashEscapingAnyCharacter", JSON_ALLOW_ANY_ESCAPE},
        {"allowUnquotedControlChars", JSON_ALLOW_CONTROL}};
    *leniency = JSON_SPARK_DEFAULTS;
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        bool set = (*leniency & table[i].flag) != 0;
        if (!format_option_boolean(options, table[i].name, &set, error)) {
            return false;
        }
        *leniency = set ? *leniency | table[i].flag : *leniency & ~table[i].flag;
    }
    return true;
}

static bool get_pattern(struct json_reader *reader, const struct format_options *options, const char *name,
    const struct datetime_pattern **pattern, struct error *error) {
    struct bytes text = format_option_get(options, name);
    *pattern = NULL;
    if (text.data == NULL) {
        return true;
    }
    *pattern = datetime_pattern_compile(&reader->arena, arena_copy(&reader->arena, text), error);
    return *pattern != NULL || error_prefix(error, "option %s", name);
}

static bool get_options(struct json_reader *reader, const struct format_options *options, const struct timezone *zone,
    struct error *error) {
    struct bytes encoding = format_option_get(options, "encoding");
    encoding = encoding.data != NULL ? encoding : format_option_get(options, "charset");
    if (encoding.data != NULL && !bytes_equal_ignore_case(encoding, BYTES("UTF-8")) &&
        !bytes_equal_ignore_case(encoding, BYTES("UTF8"))) {
        return error_set(
            error, ERROR_UNSUPPORTED, "option encoding: JSON is read as UTF-8, not %.*s", BYTES_ARGS(encoding));
    }
    reader->mode = format_mode_get(options);
    reader->zone = zone;
    return format_option_zone(options, &reader->zone, error) && get_leniency(options, &reader->leniency, error) &&
           get_pattern(reader, options, "timestampFormat", &reader->timestamp_pattern, error) &&
           get_pattern(reader, options, "timestampNTZFormat", &reader->timestamp_ntz_pattern, error) &&
           get_pattern(reader, options, "dateFormat", &reader->date_pattern, error);
}

static bool init_slots(struct json_reader *reader, const struct format_options *options, struct error *error) {
    const struct type *schema = reader->root.type;
    struct bytes corrupt = format_option_get(options, "columnNameOfCorruptRecord");
    corrupt = corrupt.data != NULL ? corrupt : BYTES("_corrupt_record");
    reader->slot_count = schema->field_count;
    reader->slots = ARENA_ARRAY(&reader->arena, struct json_slot, schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        struct json_slot *slot = &reader->slots[i];
        slot->node = &reader->root.children[i];
        slot->value_size = type_value_size(slot->node->type);
        if (!bytes_equal(schema->fields[i].name, corrupt)) {
            continue;
        }
        if (slot->node->type->kind != TYPE_STRING) {
            return error_set(error, ERROR_INVALID, "the field for corrupt records, %.*s, must have the type STRING",
                BYTES_ARGS(corrupt));
        }
        reader->corrupt_slot = (int)i;
    }
    return true;
}

struct json_reader *json_reader_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error) {
    struct json_reader *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    reader->corrupt_slot = -1;
    if (!node_init(&reader->arena, &reader->root, schema, error) || !get_options(reader, options, zone, error) ||
        (schema->kind == TYPE_STRUCT && !init_slots(reader, options, error))) {
        json_reader_destroy(reader);
        return NULL;
    }
    reader->leniency |= JSON_REPLACE_INVALID_UTF8;
    return reader;
}

void json_reader_destroy(struct json_reader *reader) {
    if (reader == NULL) {
        return;
    }
    for (size_t i = 0; i < reader->template_count; i++) {
        json_template_destroy(reader->templates[i]);
    }
    for (size_t i = 0; i < reader->slot_count; i++) {
        VECTOR_FREE(&reader->slots[i].nulls);
    }
    VECTOR_FREE(&reader->bad_rows);
    node_free(&reader->root);
    arena_destroy(&reader->arena);
    free(reader);
}

/* ---- scalars ---- */

static enum json_result mismatch(struct json_reader *reader, const char *reason) {
    if (reader->reason == NULL) {
        reader->reason = reason;
        reader->expected = NULL;
    }
    return RESULT_MISMATCH;
}

/* "a string where INT is expected". */
static enum json_result not_of_type(struct json_reader *reader, const char *found, const struct type *expected) {
    bool is_first = reader->reason == NULL;
    enum json_result result = mismatch(reader, found);
    reader->expected = is_first ? expected : reader->expected;
    return result;
}

static enum json_result number_as_integer(
    struct json_reader *reader, const struct type *type, const struct json_number *number, union scalar *out) {
    if (number->is_float) {
        return not_of_type(reader, "a number with a fraction or exponent", type);
    }
    int64_t value = number->value;
    bool fits = !number->overflow;
    switch (type->kind) {
    case TYPE_BYTE:
        fits = fits && value >= INT8_MIN && value <= UINT8_MAX; /* Jackson takes 128..255 as unsigned bytes */
        out->byte = (int8_t)value;
        break;
    case TYPE_SHORT:
        fits = fits && value >= INT16_MIN && value <= INT16_MAX;
        out->half = (int16_t)value;
        break;
    case TYPE_INTEGER:
        fits = fits && value >= INT32_MIN && value <= INT32_MAX;
        out->integer = (int32_t)value;
        break;
    default:
        out->wide = value;
    }
    return fits ? RESULT_VALUE : not_of_type(reader, "a number outside the range", type);
}

static enum json_result number_as(
    struct json_reader *reader, const struct type *type, const struct json_number *number, union scalar *out) {
    switch (type->kind) {
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
        return number_as_integer(reader, type, number, out);
    case TYPE_FLOAT:
        out->single = (float)json_number_double(number);
        return RESULT_VALUE;
    case TYPE_DOUBLE:
        out->real = json_number_double(number);
        return RESULT_VALUE;
    case TYPE_DECIMAL:
        if (!number->non_numeric && value_parse_decimal(number->text, type->precision, type->scale, &out->decimal)) {
            return RESULT_VALUE;
        }
        return mismatch(reader, "a number that does not fit the decimal type");
    case TYPE_TIMESTAMP:
        if (!number->is_float && !__builtin_mul_overflow(number->value, 1000000, &out->wide)) {
            return RESULT_VALUE;
        }
        break;
    case TYPE_DAY_TIME_INTERVAL:
    case TYPE_YEAR_MONTH_INTERVAL:
        break;
    default:
        break;
    }
    return not_of_type(reader, "a number", type);
}

static bool text_is_double(struct bytes text, double *value) {
    static const struct {
        const char *text;
        double value;
    } names[] = {{"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"+Infinity", (double)INFINITY},
        {"INF", (double)INFINITY}, {"+INF", (double)INFINITY}, {"-Infinity", -(double)INFINITY},
        {"-INF", -(double)INFINITY}};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (bytes_equal_text(text, names[i].text)) {
            *value = names[i].value;
            return true;
        }
    }
    return false;
}

static enum json_result text_as_binary(struct json_reader *reader, struct bytes text, union scalar *out) {
    struct buffer decoded = {0};
    bool ok = buffer_append_base64_decoded(&decoded, text);
    struct bytes copy = arena_copy(reader->output, buffer_view(&decoded));
    buffer_free(&decoded);
    out->text = (struct string_view){copy.data, (uint32_t)copy.size, 0};
    return ok ? RESULT_VALUE : mismatch(reader, "a string that is not base64");
}

static enum json_result text_as(
    struct json_reader *reader, const struct type *type, struct bytes text, union scalar *out) {
    double real;
    bool ok = false;
    switch (type->kind) {
    case TYPE_STRING:
        out->text = (struct string_view){text.data, (uint32_t)text.size, 0};
        return RESULT_VALUE;
    case TYPE_BINARY:
        return text_as_binary(reader, text, out);
    case TYPE_TIMESTAMP:
        ok = reader->timestamp_pattern != NULL
                 ? datetime_parse_timestamp(reader->timestamp_pattern, text, reader->zone, &out->wide)
                 : value_parse_timestamp(text, reader->zone, &out->wide);
        return ok ? RESULT_VALUE : mismatch(reader, "a string that is not a timestamp");
    case TYPE_TIMESTAMP_NTZ:
        ok = reader->timestamp_ntz_pattern != NULL
                 ? datetime_parse_timestamp(reader->timestamp_ntz_pattern, text, timezone_utc(), &out->wide)
                 : value_parse_timestamp_ntz(text, &out->wide);
        return ok ? RESULT_VALUE : mismatch(reader, "a string that is not a timestamp without time zone");
    case TYPE_DATE:
        ok = reader->date_pattern != NULL ? datetime_parse_date(reader->date_pattern, text, &out->integer)
                                          : value_parse_date(text, &out->integer);
        return ok ? RESULT_VALUE : mismatch(reader, "a string that is not a date");
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if ((reader->leniency & JSON_ALLOW_NON_NUMERIC) && text_is_double(text, &real)) {
            if (type->kind == TYPE_FLOAT) {
                out->single = (float)real;
            } else {
                out->real = real;
            }
            return RESULT_VALUE;
        }
        break;
    case TYPE_DECIMAL:
        if (text.size > 0 && value_parse_decimal(text, type->precision, type->scale, &out->decimal)) {
            return RESULT_VALUE;
        }
        break;
    default:
        break;
    }
    return not_of_type(reader, "a string", type);
}

/* A value of another kind as the STRING it is written as: numbers, true, false, objects and arrays as in the text. */
static enum json_result raw_as_text(struct json_reader *reader, union scalar *out) {
    const uint8_t *start = reader->scan.position;
    if (!json_skip(&reader->scan)) {
        return RESULT_MALFORMED;
    }
    out->text = (struct string_view){start, (uint32_t)(reader->scan.position - start), 0};
    return RESULT_VALUE;
}

/* On a mismatch the position stays where the value began or is anywhere in it: the caller steps over the value. */
static enum json_result read_scalar(struct json_reader *reader, const struct type *type, union scalar *out) {
    struct json_scan *scan = &reader->scan;
    struct json_number number;
    struct bytes text;
    enum json_token token = json_peek(scan);
    if (token == JSON_TOKEN_NULL) {
        return json_literal(scan, "null") ? RESULT_NULL : RESULT_MALFORMED;
    }
    if (type->kind == TYPE_STRING && token != JSON_TOKEN_STRING) {
        return token == JSON_TOKEN_END || token == JSON_TOKEN_BAD ? RESULT_MALFORMED : raw_as_text(reader, out);
    }
    switch (token) {
    case JSON_TOKEN_STRING:
        return json_text(scan, &text) ? text_as(reader, type, text, out) : RESULT_MALFORMED;
    case JSON_TOKEN_NUMBER:
        return json_number(scan, &number) ? number_as(reader, type, &number, out) : RESULT_MALFORMED;
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        if (!json_literal(scan, token == JSON_TOKEN_TRUE ? "true" : "false")) {
            return RESULT_MALFORMED;
        }
        out->boolean = token == JSON_TOKEN_TRUE;
        return type->kind == TYPE_BOOLEAN ? RESULT_VALUE : not_of_type(reader, "a boolean", type);
    case JSON_TOKEN_OBJECT:
    case JSON_TOKEN_ARRAY:
        return json_skip(scan) ? not_of_type(reader, token == JSON_TOKEN_OBJECT ? "an object" : "an array", type)
                               : RESULT_MALFORMED;
    default:
        return RESULT_MALFORMED;
    }
}

/* ---- nested values, through builders ---- */

static enum json_result read_value(struct json_reader *reader, struct json_node *node, struct column_builder *builder);

static int find_field(struct json_node *node, struct bytes name) {
    const struct type_field *fields = node->type->fields;
    size_t count = node->type->field_count, guess = node->guess;
    if (guess < count && bytes_equal(fields[guess].name, name)) {
        node->guess = guess + 1;
        return (int)guess;
    }
    if (count >= NAMES_MAP_FROM) {
        size_t found = (size_t)map_get(&node->names, name);
        node->guess = found; /* the one behind it */
        return (int)found - 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(fields[i].name, name)) {
            node->guess = i + 1;
            return (int)i;
        }
    }
    return -1;
}

/* Steps over a value of the wrong type; the record's first one is remembered. */
static bool skip_bad(struct json_reader *reader, const struct type *type, bool is_first) {
    const uint8_t *start = reader->scan.position;
    bool good = json_skip(&reader->scan);
    if (is_first && good) {
        reader->bad_value = bytes_make(start, (size_t)(reader->scan.position - start));
        reader->bad_type = type;
    }
    return good;
}

/* Reads a value that may be of the wrong type: then the builder gets a null, the value is stepped over and the record
 * counts as bad. */
static bool read_field(
    struct json_reader *reader, struct json_node *node, struct column_builder *builder, struct bytes name) {
    size_t row = builder->row_count;
    if (!json_space(&reader->scan)) {
        return false;
    }
    const uint8_t *start = reader->scan.position;
    int depth = reader->scan.depth;
    enum json_result result = read_value(reader, node, builder);
    if (result != RESULT_MISMATCH) {
        return result != RESULT_MALFORMED;
    }
    column_builder_truncate(builder, row);
    column_builder_null(builder);
    reader->scan.position = start;
    reader->scan.depth = depth;
    reader->mismatch = true;
    bool is_first = reader->bad_field[0] == 0 && name.data != NULL;
    if (is_first) {
        snprintf(reader->bad_field, sizeof reader->bad_field, "%.*s", BYTES_ARGS(name));
    }
    return skip_bad(reader, node->type, is_first);
}

static void fill_missing(struct column_builder *builder, size_t row) {
    for (size_t i = 0; i < builder->child_count; i++) {
        if (builder->children[i].row_count == row) {
            column_builder_null(&builder->children[i]);
        }
    }
}

static enum json_result read_struct(
    struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    struct json_scan *scan = &reader->scan;
    size_t row = builder->row_count;
    bool more;
    if (!json_enter(scan, '}', &more)) {
        return RESULT_MALFORMED;
    }
    for (more = !more; more;) {
        struct bytes name;
        if (!json_name(scan, &name)) {
            return RESULT_MALFORMED;
        }
        int field = find_field(node, name);
        if (field < 0) {
            if (!json_skip(scan)) {
                return RESULT_MALFORMED;
            }
        } else {
            struct column_builder *child = &builder->children[field];
            if (child->row_count > row) {
                column_builder_truncate(child, row); /* the last of equal names counts */
            }
            if (!read_field(reader, &node->children[field], child, name)) {
                return RESULT_MALFORMED;
            }
        }
        if (!json_continue(scan, '}', &more)) {
            return RESULT_MALFORMED;
        }
    }
    fill_missing(builder, row);
    column_builder_end_row(builder);
    return RESULT_VALUE;
}

static enum json_result read_array(struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    bool more;
    if (!json_enter(&reader->scan, ']', &more)) {
        return RESULT_MALFORMED;
    }
    for (more = !more; more;) {
        enum json_result result = read_value(reader, &node->children[0], &builder->children[0]);
        if (result == RESULT_MISMATCH || result == RESULT_MALFORMED) {
            return result;
        }
        if (!json_continue(&reader->scan, ']', &more)) {
            return RESULT_MALFORMED;
        }
    }
    column_builder_end_row(builder);
    return RESULT_VALUE;
}

static enum json_result read_map(struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    bool more;
    if (!json_enter(&reader->scan, '}', &more)) {
        return RESULT_MALFORMED;
    }
    for (more = !more; more;) {
        struct bytes name;
        if (!json_name(&reader->scan, &name)) {
            return RESULT_MALFORMED;
        }
        column_builder_append_string(&builder->children[0], name);
        enum json_result result = read_value(reader, &node->children[0], &builder->children[1]);
        if (result == RESULT_MISMATCH || result == RESULT_MALFORMED) {
            return result;
        }
        if (!json_continue(&reader->scan, '}', &more)) {
            return RESULT_MALFORMED;
        }
    }
    column_builder_end_row(builder);
    return RESULT_VALUE;
}

/* An object where an array of structs is expected stands for an array of that one element. */
static enum json_result read_lone_element(
    struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    enum json_result result = read_struct(reader, &node->children[0], &builder->children[0]);
    if (result == RESULT_VALUE) {
        column_builder_end_row(builder);
    }
    return result;
}

static enum json_result read_nested(
    struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    enum json_token token = json_peek(&reader->scan);
    enum type_kind kind = node->type->kind;
    if (token == JSON_TOKEN_NULL) {
        column_builder_null(builder);
        return json_literal(&reader->scan, "null") ? RESULT_NULL : RESULT_MALFORMED;
    }
    if (token == JSON_TOKEN_OBJECT && kind != TYPE_ARRAY) {
        return kind == TYPE_STRUCT ? read_struct(reader, node, builder) : read_map(reader, node, builder);
    }
    if (token == JSON_TOKEN_ARRAY && kind == TYPE_ARRAY) {
        return read_array(reader, node, builder);
    }
    if (token == JSON_TOKEN_OBJECT && node->type->element->kind == TYPE_STRUCT) {
        return read_lone_element(reader, node, builder);
    }
    return json_skip(&reader->scan) ? mismatch(reader, "a value that is not of the nested type") : RESULT_MALFORMED;
}

static enum json_result read_value(struct json_reader *reader, struct json_node *node, struct column_builder *builder) {
    enum type_kind kind = node->type->kind;
    if (kind == TYPE_STRUCT || kind == TYPE_ARRAY || kind == TYPE_MAP) {
        return read_nested(reader, node, builder);
    }
    union scalar value;
    enum json_result result = read_scalar(reader, node->type, &value);
    if (result == RESULT_NULL) {
        column_builder_null(builder);
    } else if (result == RESULT_VALUE) {
        if (kind == TYPE_STRING || kind == TYPE_BINARY) {
            column_builder_append_string(builder, bytes_make(value.text.data, value.text.size));
        } else {
            column_builder_append(builder, &value);
        }
    }
    return result;
}

/* ---- records of a STRUCT schema ---- */

static bool is_seen(const struct json_reader *reader, size_t slot) {
    return slot < 256 && (reader->seen[slot >> 6] >> (slot & 63) & 1) != 0;
}

static void set_seen(struct json_reader *reader, size_t slot) {
    if (slot < 256) {
        reader->seen[slot >> 6] |= 1ull << (slot & 63);
    }
}

/* A value of a slot that is written in place. */
static bool read_in_place(
    struct json_reader *reader, struct json_slot *slot, size_t row, struct bytes name, bool *is_null) {
    union scalar value;
    if (!json_space(&reader->scan)) {
        return false;
    }
    const uint8_t *start = reader->scan.position;
    int depth = reader->scan.depth;
    enum json_result result = read_scalar(reader, slot->node->type, &value);
    *is_null = result != RESULT_VALUE;
    if (result == RESULT_MALFORMED) {
        return false;
    }
    if (result == RESULT_VALUE) {
        memcpy(slot->values + row * slot->value_size, &value, slot->value_size);
        if (slot->nulls.count > 0 && slot->nulls.items[slot->nulls.count - 1] == row) {
            slot->nulls.count--; /* an earlier member of that name was null */
        }
        return true;
    }
    json_slot_null(slot, row);
    if (result == RESULT_NULL) {
        return true;
    }
    reader->mismatch = true;
    bool is_first = reader->bad_field[0] == 0;
    if (is_first) {
        snprintf(reader->bad_field, sizeof reader->bad_field, "%.*s", BYTES_ARGS(name));
    }
    reader->scan.position = start;
    reader->scan.depth = depth;
    return skip_bad(reader, slot->node->type, is_first);
}

static bool read_slot(struct json_reader *reader, size_t index, size_t row, struct bytes name, bool *is_null) {
    struct json_slot *slot = &reader->slots[index];
    set_seen(reader, index);
    if (slot->values != NULL) {
        return read_in_place(reader, slot, row, name, is_null);
    }
    reader->learnable = false;
    if (slot->builder.row_count > row) {
        column_builder_truncate(&slot->builder, row);
    }
    return read_field(reader, slot->node, &slot->builder, name);
}

static void note_span(struct json_reader *reader, int field, const uint8_t *text, const uint8_t *start, bool is_null) {
    while (start < reader->scan.position && (*start == ' ' || *start == '\n' || *start == '\r' || *start == '\t')) {
        start++;
    }
    if (reader->span_count < JSON_SPANS_MAX) {
        reader->spans[reader->span_count] =
            (struct json_span){field, (uint32_t)(start - text), (uint32_t)(reader->scan.position - start), is_null};
    }
    reader->span_count++;
}

/* The members of a record's object; false when it is malformed. */
static bool read_members(struct json_reader *reader, const uint8_t *text, size_t row) {
    struct json_scan *scan = &reader->scan;
    bool more;
    if (!json_enter(scan, '}', &more)) {
        return false;
    }
    for (more = !more; more;) {
        struct bytes name;
        if (!json_name(scan, &name)) {
            return false;
        }
        int field = find_field(&reader->root, name);
        const uint8_t *start = scan->position;
        bool is_null = false;
        if (field < 0 || field == reader->corrupt_slot) {
            field = -1;
            if (!json_skip(scan)) {
                return false;
            }
        } else {
            reader->learnable = reader->learnable && field < 256 && !is_seen(reader, (size_t)field);
            if (!read_slot(reader, (size_t)field, row, name, &is_null)) {
                return false;
            }
        }
        note_span(reader, field, text, start, is_null);
        if (!json_continue(scan, '}', &more)) {
            return false;
        }
    }
    return true;
}

static void null_slot(struct json_reader *reader, size_t index, size_t row) {
    struct json_slot *slot = &reader->slots[index];
    if (slot->values != NULL) {
        json_slot_null(slot, row);
    } else {
        if (slot->builder.row_count > row) {
            column_builder_truncate(&slot->builder, row);
        }
        column_builder_null(&slot->builder);
    }
}

static void null_record(struct json_reader *reader, size_t row) {
    for (size_t i = 0; i < reader->slot_count; i++) {
        null_slot(reader, i, row);
    }
}

/* Slots that the record did not name. */
static void null_unseen(struct json_reader *reader, size_t row) {
    for (size_t i = 0; i < reader->slot_count; i++) {
        struct json_slot *slot = &reader->slots[i];
        bool filled = slot->values == NULL ? slot->builder.row_count > row : is_seen(reader, i);
        if (!filled) {
            null_slot(reader, i, row);
        }
    }
}

static void describe_reason(const struct json_reader *reader, char *out, size_t size) {
    struct buffer expected = {0};
    bool is_typed = reader->reason != NULL && reader->expected != NULL;
    if (is_typed) {
        type_format_sql(reader->expected, &expected);
    }
    snprintf(out, size, "%s%s%s%s", reader->reason != NULL ? reader->reason : "malformed JSON",
        is_typed ? " where " : "", buffer_text(&expected), is_typed ? " is expected" : "");
    buffer_free(&expected);
}

static void note_bad(struct json_reader *reader, struct bytes record, size_t row) {
    struct format_report *report = &reader->report;
    VECTOR_PUSH(&reader->bad_rows, (uint32_t)row);
    if (report->bad_record_count++ > 0) {
        return;
    }
    report->first_bad_index = report->record_count;
    snprintf(report->first_bad_field, sizeof report->first_bad_field, "%s", reader->bad_field);
    snprintf(report->first_bad_record, sizeof report->first_bad_record, "%.*s",
        (int)(record.size < 255 ? record.size : 255), (const char *)record.data);
    describe_reason(reader, report->reason, sizeof report->reason);
    if (reader->bad_field[0] != 0 && reader->bad_type != NULL) {
        struct buffer expected = {0};
        type_format_sql(reader->bad_type, &expected);
        snprintf(report->expected, sizeof report->expected, "%s", buffer_text(&expected));
        snprintf(report->found, sizeof report->found, "%.*s",
            (int)(reader->bad_value.size < 127 ? reader->bad_value.size : 127), (const char *)reader->bad_value.data);
        buffer_free(&expected);
    }
}

static void set_corrupt(struct json_reader *reader, size_t row, struct bytes record) {
    if (reader->corrupt_slot < 0) {
        return;
    }
    struct json_slot *slot = &reader->slots[reader->corrupt_slot];
    struct string_view view = {record.data, (uint32_t)record.size, 0};
    memcpy(slot->values + row * slot->value_size, &view, sizeof view);
    if (slot->nulls.count > 0 && slot->nulls.items[slot->nulls.count - 1] == row) {
        slot->nulls.count--;
    }
}

static bool is_blank(struct bytes text) {
    return bytes_trim(text).size == 0;
}

static void begin_record(struct json_reader *reader, struct bytes record) {
    json_scan_init(&reader->scan, record, reader->leniency, reader->output);
    memset(reader->seen, 0, sizeof reader->seen);
    reader->span_count = 0;
    reader->mismatch = false;
    reader->learnable = true;
    reader->reason = NULL;
    reader->expected = NULL;
    reader->bad_field[0] = 0;
    reader->bad_value = BYTES_NULL;
    reader->bad_type = NULL;
    reader->root.guess = 0;
}

/* False: bad, and the mode is FAILFAST. */
static bool read_record(struct json_reader *reader, struct bytes record, size_t row) {
    begin_record(reader, record);
    bool good = json_peek(&reader->scan) == JSON_TOKEN_OBJECT && read_members(reader, record.data, row);
    if (!good) {
        reader->mismatch = false;
        reader->bad_field[0] = 0;
        if (reader->scan.depth > reader->scan.depth_max) {
            reader->reason = "nested more than 1,000 deep";
            reader->expected = NULL;
        } else {
            reader->reason = "malformed JSON";
            reader->expected = NULL;
        }
        null_record(reader, row);
    } else {
        null_unseen(reader, row);
    }
    if (!good || reader->mismatch) {
        note_bad(reader, record, row);
        set_corrupt(reader, row, record);
        return reader->mode != FORMAT_FAILFAST;
    }
    if (reader->learnable && reader->span_count <= JSON_SPANS_MAX && reader->scan.position == reader->scan.end) {
        json_template_learn(reader, record);
    }
    return true;
}

/* ---- columns ---- */

static void begin_slots(struct json_reader *reader, size_t row_count) {
    for (size_t i = 0; i < reader->slot_count; i++) {
        struct json_slot *slot = &reader->slots[i];
        slot->nulls.count = 0;
        slot->values = NULL;
        if (slot->value_size > 0) {
            slot->values = arena_allocate(reader->output, row_count * slot->value_size + 1);
        } else {
            column_builder_init(&slot->builder, reader->output, slot->node->type, row_count);
        }
    }
}

static struct column *finish_slot(struct json_reader *reader, struct json_slot *slot, size_t row_count) {
    if (slot->values == NULL) {
        return column_builder_finish(&slot->builder);
    }
    struct column *column = ARENA_NEW(reader->output, struct column);
    column->type = slot->node->type;
    column->row_count = row_count;
    column->values = slot->values;
    if (slot->nulls.count > 0) {
        uint8_t *validity = column_make_nullable(reader->output, column);
        for (size_t i = 0; i < slot->nulls.count; i++) {
            bit_clear(validity, slot->nulls.items[i]);
        }
    }
    return column;
}

static bool fail_fast(struct json_reader *reader, struct bytes record, struct error *error) {
    char reason[sizeof reader->report.reason];
    describe_reason(reader, reason, sizeof reason);
    return error_set(error, ERROR_INVALID, "%.*s (%s)", (int)(record.size < 200 ? record.size : 200),
        (const char *)record.data, reason);
}

/* The records at `views` (null where the bit is clear) as a STRUCT column. */
static struct column *parse_structs(struct json_reader *reader, const struct string_view *views,
    const uint8_t *validity, size_t row_count, struct error *error) {
    struct arena *arena = reader->output;
    uint8_t *present = NULL;
    struct column *result = ARENA_NEW(arena, struct column);
    result->type = reader->root.type;
    result->row_count = row_count;
    begin_slots(reader, row_count);
    for (size_t row = 0; row < row_count; row++) {
        if (validity == NULL && reader->template_count > 0) {
            size_t next = json_template_read(reader, views, row, row_count);
            reader->report.record_count += next - row;
            row = next;
            if (row == row_count) {
                break;
            }
        }
        struct bytes record = bytes_make(views[row].data, views[row].size);
        bool null = validity != NULL && !bit_get(validity, row);
        if (null || is_blank(record)) {
            present = present != NULL ? present : column_make_nullable(arena, result);
            bit_clear(present, row);
            null_record(reader, row);
        } else if (!read_record(reader, record, row)) {
            fail_fast(reader, record, error);
            return NULL;
        }
        reader->report.record_count += !null;
    }
    result->child_count = reader->slot_count;
    result->children = ARENA_ARRAY(arena, struct column *, reader->slot_count + 1);
    for (size_t i = 0; i < reader->slot_count; i++) {
        result->children[i] = finish_slot(reader, &reader->slots[i], row_count);
    }
    return result;
}

/* Schemas that are not a STRUCT: everything through one builder. */
static struct column *parse_values(struct json_reader *reader, const struct string_view *views, const uint8_t *validity,
    size_t row_count, struct error *error) {
    struct column_builder builder;
    column_builder_init(&builder, reader->output, reader->root.type, row_count);
    for (size_t row = 0; row < row_count; row++) {
        struct bytes record = bytes_make(views[row].data, views[row].size);
        if ((validity != NULL && !bit_get(validity, row)) || is_blank(record)) {
            column_builder_null(&builder);
            continue;
        }
        begin_record(reader, record);
        enum json_result result = read_value(reader, &reader->root, &builder);
        if (result == RESULT_MISMATCH || result == RESULT_MALFORMED || reader->mismatch) {
            reader->reason = result == RESULT_MALFORMED ? "malformed JSON" : reader->reason;
            reader->expected = result == RESULT_MALFORMED ? NULL : reader->expected;
            if (builder.row_count > row && result != RESULT_VALUE) {
                column_builder_truncate(&builder, row);
            }
            if (builder.row_count == row) {
                column_builder_truncate(&builder, row); /* elements of the unfinished row */
                column_builder_null(&builder);
            }
            note_bad(reader, record, row);
            if (reader->mode == FORMAT_FAILFAST) {
                fail_fast(reader, record, error);
                return NULL;
            }
        }
        reader->report.record_count++;
    }
    return column_builder_finish(&builder);
}

struct column *json_reader_parse(struct json_reader *reader, struct arena *arena, const struct column *texts,
    size_t row_count, struct format_report *report, struct error *error) {
    struct format_report before = reader->report;
    memset(&reader->report, 0, sizeof reader->report);
    reader->output = arena;
    reader->bad_rows.count = 0;
    size_t rows = texts->constant ? 1 : row_count;
    const struct string_view *views = texts->values;
    struct column *result = reader->root.type->kind == TYPE_STRUCT
                                ? parse_structs(reader, views, texts->validity, rows, error)
                                : parse_values(reader, views, texts->validity, rows, error);
    if (result != NULL) {
        result->constant = texts->constant;
        for (size_t i = 0; texts->constant && i < result->child_count && result->type->kind == TYPE_STRUCT; i++) {
            result->children[i]->constant = true;
        }
    }
    struct format_report now = reader->report;
    reader->report = before;
    format_report_add(report != NULL ? report : &reader->report, &now);
    return result;
}

struct column *json_reader_bad_rows(const struct json_reader *reader, struct arena *arena, size_t row_count) {
    if (reader->bad_rows.count == 0) {
        return NULL;
    }
    struct column *column = column_create_nulls(arena, type_simple(TYPE_BOOLEAN), row_count);
    uint8_t *validity = column_make_nullable(arena, column);
    memset(validity, 0, (row_count + 7) / 8);
    for (size_t i = 0; i < reader->bad_rows.count; i++) {
        bit_set(validity, reader->bad_rows.items[i]);
    }
    return column;
}
