/* type_format.c: data types as text: simpleString, SQL, DDL, JSON and the tree of printSchema. */
#include "column/type.h"

#include "base/assert.h"

struct type_names {
    const char *json, *simple, *sql;
};

static const struct type_names names[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = {"void", "void", "VOID"},
    [TYPE_BOOLEAN] = {"boolean", "boolean", "BOOLEAN"},
    [TYPE_BYTE] = {"byte", "tinyint", "TINYINT"},
    [TYPE_SHORT] = {"short", "smallint", "SMALLINT"},
    [TYPE_INTEGER] = {"integer", "int", "INT"},
    [TYPE_LONG] = {"long", "bigint", "BIGINT"},
    [TYPE_FLOAT] = {"float", "float", "FLOAT"},
    [TYPE_DOUBLE] = {"double", "double", "DOUBLE"},
    [TYPE_DECIMAL] = {"decimal", "decimal", "DECIMAL"},
    [TYPE_STRING] = {"string", "string", "STRING"},
    [TYPE_BINARY] = {"binary", "binary", "BINARY"},
    [TYPE_DATE] = {"date", "date", "DATE"},
    [TYPE_TIMESTAMP] = {"timestamp", "timestamp", "TIMESTAMP"},
    [TYPE_TIMESTAMP_NTZ] = {"timestamp_ntz", "timestamp_ntz", "TIMESTAMP_NTZ"},
    [TYPE_YEAR_MONTH_INTERVAL] = {"interval", "interval", "INTERVAL"},
    [TYPE_DAY_TIME_INTERVAL] = {"interval", "interval", "INTERVAL"},
    [TYPE_CALENDAR_INTERVAL] = {"interval", "interval", "INTERVAL"},
    [TYPE_ARRAY] = {"array", "array", "ARRAY"},
    [TYPE_MAP] = {"map", "map", "MAP"},
    [TYPE_STRUCT] = {"struct", "struct", "STRUCT"},
};
static const char *const interval_names[] = {"year", "month", "day", "hour", "minute", "second"};
static const char *const interval_names_sql[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};

/* What stands in brackets or behind the name of a type that is not nested. */
static void format_parameters(const struct type *type, bool sql, struct buffer *out) {
    const char *const *intervals = sql ? interval_names_sql : interval_names;
    switch (type->kind) {
    case TYPE_DECIMAL:
        buffer_printf(out, "(%d,%d)", type->precision, type->scale);
        break;
    case TYPE_YEAR_MONTH_INTERVAL:
    case TYPE_DAY_TIME_INTERVAL:
        buffer_printf(out, " %s", intervals[type->interval_from]);
        if (type->interval_from != type->interval_to) {
            buffer_printf(out, sql ? " TO %s" : " to %s", intervals[type->interval_to]);
        }
        break;
    default:
        break;
    }
}

static void format_leaf(const struct type *type, const char *name, bool sql, struct buffer *out) {
    if (type->kind == TYPE_STRING && type->length_max > 0) {
        const char *limited = type->fixed_length ? (sql ? "CHAR" : "char") : (sql ? "VARCHAR" : "varchar");
        buffer_printf(out, "%s(%d)", limited, type->length_max);
        return;
    }
    buffer_append_text(out, name);
    format_parameters(type, sql, out);
}

void type_format_simple(const struct type *type, struct buffer *out) {
    switch (type->kind) {
    case TYPE_ARRAY:
        buffer_append_text(out, "array<");
        type_format_simple(type->element, out);
        buffer_append_byte(out, '>');
        break;
    case TYPE_MAP:
        buffer_append_text(out, "map<");
        type_format_simple(type->key, out);
        buffer_append_byte(out, ',');
        type_format_simple(type->element, out);
        buffer_append_byte(out, '>');
        break;
    case TYPE_STRUCT:
        buffer_append_text(out, "struct<");
        for (size_t i = 0; i < type->field_count; i++) {
            buffer_append_text(out, i > 0 ? "," : "");
            buffer_append_bytes(out, type->fields[i].name);
            buffer_append_byte(out, ':');
            type_format_simple(type->fields[i].type, out);
        }
        buffer_append_byte(out, '>');
        break;
    default:
        format_leaf(type, names[type->kind].simple, false, out);
    }
}

/* Backquotes around a name that is not a plain identifier. */
static void format_name(struct bytes name, struct buffer *out) {
    bool plain = name.size > 0 && !(name.data[0] >= '0' && name.data[0] <= '9');
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    }
    if (plain) {
        buffer_append_bytes(out, name);
        return;
    }
    buffer_append_byte(out, '`');
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '`') {
            buffer_append_byte(out, '`');
        }
        buffer_append_byte(out, name.data[i]);
    }
    buffer_append_byte(out, '`');
}

void type_format_sql(const struct type *type, struct buffer *out) {
    switch (type->kind) {
    case TYPE_ARRAY:
        buffer_append_text(out, "ARRAY<");
        type_format_sql(type->element, out);
        buffer_append_byte(out, '>');
        break;
    case TYPE_MAP:
        buffer_append_text(out, "MAP<");
        type_format_sql(type->key, out);
        buffer_append_text(out, ", ");
        type_format_sql(type->element, out);
        buffer_append_byte(out, '>');
        break;
    case TYPE_STRUCT:
        buffer_append_text(out, "STRUCT<");
        for (size_t i = 0; i < type->field_count; i++) {
            const struct type_field *field = &type->fields[i];
            buffer_append_text(out, i > 0 ? ", " : "");
            format_name(field->name, out);
            buffer_append_text(out, ": ");
            type_format_sql(field->type, out);
            buffer_append_text(out, field->nullable ? "" : " NOT NULL");
        }
        buffer_append_byte(out, '>');
        break;
    default:
        format_leaf(type, names[type->kind].sql, true, out);
    }
}

void type_format_ddl(const struct type *type, struct buffer *out) {
    if (type->kind != TYPE_STRUCT) {
        type_format_sql(type, out);
        return;
    }
    for (size_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        buffer_append_text(out, i > 0 ? "," : "");
        format_name(field->name, out);
        buffer_append_byte(out, ' ');
        type_format_sql(field->type, out);
        buffer_append_text(out, field->nullable ? "" : " NOT NULL");
    }
}

void type_format_json(const struct type *type, struct buffer *out) {
    switch (type->kind) {
    case TYPE_ARRAY:
        buffer_printf(out, "{\"type\":\"array\",\"elementType\":");
        type_format_json(type->element, out);
        buffer_printf(out, ",\"containsNull\":%s}", type->contains_null ? "true" : "false");
        break;
    case TYPE_MAP:
        buffer_append_text(out, "{\"type\":\"map\",\"keyType\":");
        type_format_json(type->key, out);
        buffer_append_text(out, ",\"valueType\":");
        type_format_json(type->element, out);
        buffer_printf(out, ",\"valueContainsNull\":%s}", type->contains_null ? "true" : "false");
        break;
    case TYPE_STRUCT:
        buffer_append_text(out, "{\"type\":\"struct\",\"fields\":[");
        for (size_t i = 0; i < type->field_count; i++) {
            const struct type_field *field = &type->fields[i];
            buffer_append_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
            buffer_append_json_string(out, field->name);
            buffer_append_text(out, ",\"type\":");
            type_format_json(field->type, out);
            buffer_printf(out, ",\"nullable\":%s,\"metadata\":", field->nullable ? "true" : "false");
            buffer_append_bytes(out, field->metadata.data != NULL ? field->metadata : BYTES("{}"));
            buffer_append_byte(out, '}');
        }
        buffer_append_text(out, "]}");
        break;
    default:
        buffer_append_byte(out, '"');
        format_leaf(type, names[type->kind].json, false, out);
        buffer_append_byte(out, '"');
    }
}

static void format_tree_line(struct bytes prefix, struct bytes name, const struct type *type, struct buffer *out) {
    buffer_append_bytes(out, prefix);
    buffer_append_text(out, "-- ");
    for (size_t i = 0; i < name.size; i++) {
        static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv";
        const char *found = name.data[i] == 0 ? NULL : memchr(escapes, name.data[i], sizeof escapes - 1);
        if (found != NULL && (found - escapes) % 2 == 0) {
            buffer_printf(out, "\\%c", found[1]);
        } else {
            buffer_append_byte(out, name.data[i]);
        }
    }
    buffer_append_text(out, ": ");
    format_leaf(type, names[type->kind].json, false, out);
}

static void format_tree(const struct type *type, struct bytes prefix, int depth, struct buffer *out) {
    if (depth == 0 || type->kind < TYPE_ARRAY) {
        return;
    }
    struct buffer inner = {0};
    buffer_append_bytes(&inner, prefix);
    buffer_append_text(&inner, "    |");
    struct bytes inner_prefix = buffer_view(&inner);
    switch (type->kind) {
    case TYPE_ARRAY:
        format_tree_line(prefix, BYTES("element"), type->element, out);
        buffer_printf(out, " (containsNull = %s)\n", type->contains_null ? "true" : "false");
        format_tree(type->element, inner_prefix, depth - 1, out);
        break;
    case TYPE_MAP:
        format_tree_line(prefix, BYTES("key"), type->key, out);
        buffer_append_byte(out, '\n');
        format_tree(type->key, inner_prefix, depth - 1, out);
        format_tree_line(prefix, BYTES("value"), type->element, out);
        buffer_printf(out, " (valueContainsNull = %s)\n", type->contains_null ? "true" : "false");
        format_tree(type->element, inner_prefix, depth - 1, out);
        break;
    default:
        for (size_t i = 0; i < type->field_count; i++) {
            format_tree_line(prefix, type->fields[i].name, type->fields[i].type, out);
            buffer_printf(out, " (nullable = %s)\n", type->fields[i].nullable ? "true" : "false");
            format_tree(type->fields[i].type, inner_prefix, depth - 1, out);
        }
    }
    buffer_free(&inner);
}

void type_format_tree(const struct type *type, int level, struct buffer *out) {
    buffer_append_text(out, "root\n");
    format_tree(type, BYTES(" |"), level > 0 ? level : -1, out);
}
