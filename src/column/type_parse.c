/* type_parse.c: data types from Spark's JSON schema and from DDL text. Both are input from outside: depth is bounded.
 * */
#include "column/type.h"

#include <jansson.h>
#include <stdlib.h>
#include "base/assert.h"

enum { TYPE_DEPTH_MAX = 100 };

/* ---- DDL ---- */

struct type_name {
    const char *name;
    enum type_kind kind;
};
static const struct type_name type_names[] = {
    {"void", TYPE_NULL},
    {"null", TYPE_NULL},
    {"boolean", TYPE_BOOLEAN},
    {"bool", TYPE_BOOLEAN},
    {"tinyint", TYPE_BYTE},
    {"byte", TYPE_BYTE},
    {"smallint", TYPE_SHORT},
    {"short", TYPE_SHORT},
    {"int", TYPE_INTEGER},
    {"integer", TYPE_INTEGER},
    {"bigint", TYPE_LONG},
    {"long", TYPE_LONG},
    {"float", TYPE_FLOAT},
    {"real", TYPE_FLOAT},
    {"double", TYPE_DOUBLE},
    {"string", TYPE_STRING},
    {"binary", TYPE_BINARY},
    {"date", TYPE_DATE},
    {"timestamp", TYPE_TIMESTAMP},
    {"timestamp_ltz", TYPE_TIMESTAMP},
    {"timestamp_ntz", TYPE_TIMESTAMP_NTZ},
};
static const char *const field_names[] = {"year", "month", "day", "hour", "minute", "second"};

struct ddl {
    struct arena *arena;
    struct bytes text;
    size_t position;
    struct error *error;
};

static bool ddl_fail(struct ddl *ddl, const char *what) {
    struct bytes rest = bytes_slice(ddl->text, ddl->position, ddl->text.size - ddl->position);
    if (rest.size == 0) {
        return error_set(ddl->error, ERROR_INVALID, "%s at the end of the schema text", what);
    }
    rest.size = rest.size > 40 ? 40 : rest.size;
    return error_set(ddl->error, ERROR_INVALID, "%s at '%.*s' (position %zu)", what, BYTES_ARGS(rest), ddl->position);
}

static void ddl_space(struct ddl *ddl) {
    while (ddl->position < ddl->text.size && ddl->text.data[ddl->position] <= ' ') {
        ddl->position++;
    }
}

static bool ddl_accept(struct ddl *ddl, char c) {
    ddl_space(ddl);
    if (ddl->position < ddl->text.size && ddl->text.data[ddl->position] == (uint8_t)c) {
        ddl->position++;
        return true;
    }
    return false;
}

static bool ddl_expect(struct ddl *ddl, char c) {
    char text[] = "expected ' '";
    text[10] = c;
    return ddl_accept(ddl, c) || ddl_fail(ddl, text);
}

static bool is_word(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

/* An unquoted word; size 0 when there is none. */
static struct bytes ddl_word(struct ddl *ddl) {
    ddl_space(ddl);
    size_t start = ddl->position;
    while (ddl->position < ddl->text.size && is_word(ddl->text.data[ddl->position])) {
        ddl->position++;
    }
    return bytes_make(ddl->text.data + start, ddl->position - start);
}

static bool ddl_keyword(struct ddl *ddl, const char *keyword) {
    size_t start = ddl->position;
    if (bytes_equal_ignore_case(ddl_word(ddl), bytes_from_text(keyword))) {
        return true;
    }
    ddl->position = start;
    return false;
}

/* Text in quotes, a doubled quote standing for one (and a backslash escaping in strings). */
static bool ddl_quoted(struct ddl *ddl, uint8_t quote, struct bytes *value) {
    struct buffer text = {0};
    for (ddl->position++; ddl->position < ddl->text.size; ddl->position++) {
        uint8_t c = ddl->text.data[ddl->position];
        bool more = ddl->position + 1 < ddl->text.size;
        if (c == quote) {
            if (!more || ddl->text.data[ddl->position + 1] != quote) {
                ddl->position++;
                *value = arena_copy(ddl->arena, buffer_view(&text));
                buffer_free(&text);
                return true;
            }
            ddl->position++;
        } else if (c == '\\' && quote != '`' && more) {
            c = ddl->text.data[++ddl->position];
        }
        buffer_append_byte(&text, c);
    }
    buffer_free(&text);
    return ddl_fail(ddl, "a quote is not closed");
}

static bool ddl_name(struct ddl *ddl, struct bytes *name) {
    ddl_space(ddl);
    if (ddl->position < ddl->text.size && ddl->text.data[ddl->position] == '`') {
        return ddl_quoted(ddl, '`', name);
    }
    struct bytes word = ddl_word(ddl);
    if (word.size == 0) {
        return ddl_fail(ddl, "expected a column name");
    }
    *name = arena_copy(ddl->arena, word);
    return true;
}

static bool ddl_number(struct ddl *ddl, int64_t *value) {
    struct bytes word = ddl_word(ddl);
    return bytes_to_int64(word, value) || ddl_fail(ddl, "expected a number");
}

static const struct type *ddl_type(struct ddl *ddl, int depth);

static const struct type *ddl_decimal(struct ddl *ddl) {
    int64_t precision = 10, scale = 0;
    if (ddl_accept(ddl, '(')) {
        if (!ddl_number(ddl, &precision) || (ddl_accept(ddl, ',') && !ddl_number(ddl, &scale)) ||
            !ddl_expect(ddl, ')')) {
            return NULL;
        }
    }
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        error_set(ddl->error, ERROR_INVALID, "decimal(%lld,%lld): precision is 1 to 38, scale 0 to precision",
            (long long)precision, (long long)scale);
        return NULL;
    }
    return type_decimal(ddl->arena, (int)precision, (int)scale);
}

static int ddl_interval_field(struct ddl *ddl) {
    for (int i = 0; i < (int)ARRAY_COUNT(field_names); i++) {
        if (ddl_keyword(ddl, field_names[i])) {
            return i;
        }
    }
    return -1;
}

static const struct type *ddl_interval(struct ddl *ddl) {
    int from = ddl_interval_field(ddl), to = from;
    if (from < 0) {
        return type_simple(TYPE_CALENDAR_INTERVAL);
    }
    if (ddl_keyword(ddl, "to")) {
        to = ddl_interval_field(ddl);
    }
    if (to < from || (from >= INTERVAL_DAY) != (to >= INTERVAL_DAY)) {
        ddl_fail(ddl, "these interval fields do not go together");
        return NULL;
    }
    return type_interval(ddl->arena, (enum interval_field)from, (enum interval_field)to);
}

/* NOT NULL and COMMENT 'text', in any order. */
static bool ddl_field_end(struct ddl *ddl, struct type_field *field) {
    for (;;) {
        if (ddl_keyword(ddl, "not")) {
            if (!ddl_keyword(ddl, "null")) {
                return ddl_fail(ddl, "expected NULL");
            }
            field->nullable = false;
        } else if (ddl_keyword(ddl, "comment")) {
            ddl_space(ddl);
            uint8_t quote = ddl->position < ddl->text.size ? ddl->text.data[ddl->position] : 0;
            struct bytes comment;
            if (quote != '\'' && quote != '"') {
                return ddl_fail(ddl, "expected the comment's text in quotes");
            }
            if (!ddl_quoted(ddl, quote, &comment)) {
                return false;
            }
            struct buffer metadata = {0};
            buffer_append_text(&metadata, "{\"comment\":");
            buffer_append_json_string(&metadata, comment);
            buffer_append_byte(&metadata, '}');
            field->metadata = arena_copy(ddl->arena, buffer_view(&metadata));
            buffer_free(&metadata);
        } else {
            return true;
        }
    }
}

/* name[:] type … separated by commas until `end` (or the end of the text when 0). */
static const struct type *ddl_fields(struct ddl *ddl, char end, int depth) {
    struct type_field *fields = NULL;
    size_t count = 0, capacity = 0;
    if (end != 0 && ddl_accept(ddl, end)) {
        return type_struct(ddl->arena, NULL, 0);
    }
    do {
        if (count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            struct type_field *grown = ARENA_ARRAY(ddl->arena, struct type_field, capacity);
            if (count > 0) {
                memcpy(grown, fields, count * sizeof *grown);
            }
            fields = grown;
        }
        struct type_field *field = &fields[count];
        *field = (struct type_field){.nullable = true};
        if (!ddl_name(ddl, &field->name)) {
            return NULL;
        }
        ddl_accept(ddl, ':');
        field->type = ddl_type(ddl, depth);
        if (field->type == NULL || !ddl_field_end(ddl, field)) {
            return NULL;
        }
        count++;
    } while (ddl_accept(ddl, ','));
    if (end != 0 && !ddl_expect(ddl, end)) {
        return NULL;
    }
    return type_struct(ddl->arena, fields, count);
}

static const struct type *ddl_nested(struct ddl *ddl, struct bytes word, int depth) {
    if (!ddl_expect(ddl, '<')) {
        return NULL;
    }
    if (bytes_equal_ignore_case(word, BYTES("struct"))) {
        return ddl_fields(ddl, '>', depth + 1);
    }
    const struct type *first = ddl_type(ddl, depth + 1), *second = NULL;
    if (first == NULL) {
        return NULL;
    }
    bool map = bytes_equal_ignore_case(word, BYTES("map"));
    if (map && (!ddl_expect(ddl, ',') || (second = ddl_type(ddl, depth + 1)) == NULL)) {
        return NULL;
    }
    if (!ddl_expect(ddl, '>')) {
        return NULL;
    }
    return map ? type_map(ddl->arena, first, second, true) : type_array(ddl->arena, first, true);
}

static const struct type *ddl_type(struct ddl *ddl, int depth) {
    if (depth > TYPE_DEPTH_MAX) {
        error_set(ddl->error, ERROR_LIMIT, "types nest deeper than %d", TYPE_DEPTH_MAX);
        return NULL;
    }
    ddl_space(ddl);
    size_t start = ddl->position;
    struct bytes word = ddl_word(ddl);
    for (size_t i = 0; i < ARRAY_COUNT(type_names); i++) {
        if (bytes_equal_ignore_case(word, bytes_from_text(type_names[i].name))) {
            return type_simple(type_names[i].kind);
        }
    }
    if (bytes_equal_ignore_case(word, BYTES("decimal")) || bytes_equal_ignore_case(word, BYTES("dec")) ||
        bytes_equal_ignore_case(word, BYTES("numeric"))) {
        return ddl_decimal(ddl);
    }
    if (bytes_equal_ignore_case(word, BYTES("interval"))) {
        return ddl_interval(ddl);
    }
    if (bytes_equal_ignore_case(word, BYTES("array")) || bytes_equal_ignore_case(word, BYTES("map")) ||
        bytes_equal_ignore_case(word, BYTES("struct"))) {
        return ddl_nested(ddl, word, depth);
    }
    bool fixed = bytes_equal_ignore_case(word, BYTES("char")) || bytes_equal_ignore_case(word, BYTES("character"));
    if (fixed || bytes_equal_ignore_case(word, BYTES("varchar"))) {
        int64_t length;
        if (!ddl_expect(ddl, '(') || !ddl_number(ddl, &length) || !ddl_expect(ddl, ')')) {
            return NULL;
        }
        if (length < 1 || length > INT32_MAX) {
            ddl_fail(ddl, "the length of CHAR and VARCHAR is at least 1");
            return NULL;
        }
        return type_text_limited(ddl->arena, (int32_t)length, fixed);
    }
    ddl->position = start;
    if (word.size == 0) {
        ddl_fail(ddl, "expected a data type");
    } else {
        error_set(ddl->error, ERROR_UNSUPPORTED, "Unsupported data type \"%.*s\"", BYTES_ARGS(word));
    }
    return NULL;
}

static const struct type *ddl_all(struct ddl *ddl, const struct type *type) {
    ddl_space(ddl);
    if (type != NULL && ddl->position < ddl->text.size) {
        ddl_fail(ddl, "unexpected text");
        return NULL;
    }
    return type;
}

const struct type *type_parse_name(struct arena *arena, struct bytes text, struct error *error) {
    struct ddl ddl = {arena, text, 0, error};
    return ddl_all(&ddl, ddl_type(&ddl, 0));
}

const struct type *type_parse_ddl(struct arena *arena, struct bytes text, struct error *error) {
    const struct type *type = type_parse_name(arena, text, NULL);
    if (type != NULL) {
        return type;
    }
    struct ddl ddl = {arena, text, 0, error};
    return ddl_all(&ddl, ddl_fields(&ddl, 0, 1));
}

/* ---- JSON ---- */

static const struct type *schema_type(struct arena *arena, json_t *value, int depth, struct error *error);

static bool json_flag(json_t *object, const char *key, bool fallback) {
    json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static bool json_field(struct arena *arena, json_t *value, struct type_field *field, int depth, struct error *error) {
    json_t *name = json_object_get(value, "name"), *metadata = json_object_get(value, "metadata");
    if (!json_is_string(name)) {
        return error_set(error, ERROR_INVALID, "a field of the JSON schema has no name");
    }
    field->name = arena_copy(arena, bytes_make(json_string_value(name), json_string_length(name)));
    field->nullable = json_flag(value, "nullable", true);
    field->type = schema_type(arena, json_object_get(value, "type"), depth, error);
    if (field->type == NULL) {
        return false;
    }
    if (json_is_object(metadata) && json_object_size(metadata) > 0) {
        char *text = json_dumps(metadata, JSON_COMPACT);
        field->metadata = arena_copy(arena, bytes_from_text(text));
        free(text);
    }
    return true;
}

static const struct type *json_struct(struct arena *arena, json_t *value, int depth, struct error *error) {
    json_t *list = json_object_get(value, "fields");
    if (!json_is_array(list)) {
        error_set(error, ERROR_INVALID, "a struct of the JSON schema has no fields");
        return NULL;
    }
    size_t count = json_array_size(list);
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, count);
    for (size_t i = 0; i < count; i++) {
        if (!json_field(arena, json_array_get(list, i), &fields[i], depth + 1, error)) {
            return NULL;
        }
    }
    return type_struct(arena, fields, count);
}

static const struct type *json_object_type(struct arena *arena, json_t *value, int depth, struct error *error) {
    const char *name = json_string_value(json_object_get(value, "type"));
    struct bytes kind = bytes_from_text(name);
    if (bytes_equal_text(kind, "struct")) {
        return json_struct(arena, value, depth, error);
    }
    if (bytes_equal_text(kind, "array")) {
        const struct type *element = schema_type(arena, json_object_get(value, "elementType"), depth + 1, error);
        return element == NULL ? NULL : type_array(arena, element, json_flag(value, "containsNull", true));
    }
    if (bytes_equal_text(kind, "map")) {
        const struct type *key = schema_type(arena, json_object_get(value, "keyType"), depth + 1, error);
        const struct type *element =
            key == NULL ? NULL : schema_type(arena, json_object_get(value, "valueType"), depth + 1, error);
        return element == NULL ? NULL : type_map(arena, key, element, json_flag(value, "valueContainsNull", true));
    }
    if (bytes_equal_text(kind, "udt")) {
        return schema_type(arena, json_object_get(value, "sqlType"), depth + 1, error);
    }
    error_set(error, ERROR_INVALID, "the JSON schema has an unknown type %s", name == NULL ? "(none)" : name);
    return NULL;
}

static const struct type *schema_type(struct arena *arena, json_t *value, int depth, struct error *error) {
    if (depth > TYPE_DEPTH_MAX) {
        error_set(error, ERROR_LIMIT, "types nest deeper than %d", TYPE_DEPTH_MAX);
        return NULL;
    }
    if (json_is_string(value)) {
        struct bytes name = bytes_make(json_string_value(value), json_string_length(value));
        return type_parse_name(arena, name, error);
    }
    if (json_is_object(value)) {
        return json_object_type(arena, value, depth, error);
    }
    error_set(error, ERROR_INVALID, "a type of the JSON schema is neither a name nor an object");
    return NULL;
}

const struct type *type_parse_json(struct arena *arena, struct bytes json, struct error *error) {
    json_error_t problem;
    json_t *value = json_loadb((const char *)json.data, json.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    if (value == NULL) {
        error_set(error, ERROR_INVALID, "the schema is not JSON: %s (line %d, column %d)", problem.text, problem.line,
            problem.column);
        return NULL;
    }
    const struct type *type = schema_type(arena, value, 0, error);
    json_decref(value);
    return type;
}
