/* json_write.c: values as JSON, as Spark's JacksonGenerator writes them. */
#include "format/json.h"

#include <math.h>
#include "column/text.h"
#include "format/datetime.h"

bool json_write_options_get(const struct format_options *options, const struct timezone *zone,
    struct json_write_options *result, struct error *error) {
    bool ignore = true;
    *result = (struct json_write_options){.zone = zone};
    if (!format_option_boolean(options, "ignoreNullFields", &ignore, error) ||
        !format_option_boolean(options, "pretty", &result->pretty, error) ||
        !format_option_zone(options, &result->zone, error)) {
        return false;
    }
    result->keep_null_fields = !ignore;
    result->timestamp_format = format_option_get(options, "timestampFormat");
    result->timestamp_ntz_format = format_option_get(options, "timestampNTZFormat");
    result->date_format = format_option_get(options, "dateFormat");
    struct arena arena = {0};
    struct bytes formats[] = {result->timestamp_format, result->timestamp_ntz_format, result->date_format};
    bool good = true;
    for (size_t i = 0; i < ARRAY_COUNT(formats) && good; i++) {
        good = formats[i].data == NULL || datetime_pattern_compile(&arena, formats[i], error) != NULL;
    }
    arena_destroy(&arena);
    return good;
}

static void write_string(struct bytes text, struct buffer *out) {
    buffer_append_json_string(out, text);
}

static void write_pattern(struct bytes pattern, int64_t microseconds, const struct timezone *zone, struct buffer *out) {
    struct arena arena = {0};
    struct error error;
    const struct datetime_pattern *compiled = datetime_pattern_compile(&arena, pattern, &error);
    if (compiled != NULL) {
        datetime_format(compiled, microseconds, zone, out);
    }
    arena_destroy(&arena);
}

static void write_time(
    const struct column *column, size_t row, const struct json_write_options *options, struct buffer *out) {
    struct buffer text = {0};
    const struct timezone *zone = options->zone != NULL ? options->zone : timezone_utc();
    if (column->type->kind == TYPE_DATE) {
        int32_t days = COLUMN_VALUES(column, int32_t)[row];
        if (options->date_format.data != NULL) {
            write_pattern(options->date_format, (int64_t)days * 86400000000, NULL, &text);
        } else {
            date_format(days, &text);
        }
    } else {
        bool local = column->type->kind == TYPE_TIMESTAMP_NTZ;
        struct bytes pattern = local ? options->timestamp_ntz_format : options->timestamp_format;
        pattern = pattern.data != NULL ? pattern
                  : local              ? BYTES("yyyy-MM-dd'T'HH:mm:ss.SSS")
                                       : BYTES("yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
        write_pattern(pattern, COLUMN_VALUES(column, int64_t)[row], local ? NULL : zone, &text);
    }
    write_string(buffer_view(&text), out);
    buffer_free(&text);
}

static void write_real(double value, bool single, struct buffer *out) {
    if (isnan(value) || isinf(value)) {
        buffer_append_text(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else if (single) {
        float_format((float)value, out);
    } else {
        double_format(value, out);
    }
}

static void write_scalar(
    const struct column *column, size_t row, const struct json_write_options *options, struct buffer *out) {
    struct string_view view;
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
    case TYPE_DECIMAL:
        value_format(column, row, options->zone, out);
        break;
    case TYPE_FLOAT:
        write_real((double)COLUMN_VALUES(column, float)[row], true, out);
        break;
    case TYPE_DOUBLE:
        write_real(COLUMN_VALUES(column, double)[row], false, out);
        break;
    case TYPE_STRING:
        view = COLUMN_VALUES(column, struct string_view)[row];
        write_string(bytes_make(view.data, view.size), out);
        break;
    case TYPE_BINARY:
        view = COLUMN_VALUES(column, struct string_view)[row];
        buffer_append_byte(out, '"');
        buffer_append_base64(out, bytes_make(view.data, view.size));
        buffer_append_byte(out, '"');
        break;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        write_time(column, row, options, out);
        break;
    default: {
        struct buffer text = {0};
        value_format(column, row, options->zone, &text);
        write_string(buffer_view(&text), out);
        buffer_free(&text);
    }
    }
}

static void indent(const struct json_write_options *options, int level, struct buffer *out) {
    if (options->pretty) {
        buffer_append_byte(out, '\n');
        for (int i = 0; i < level; i++) {
            buffer_append_text(out, "  ");
        }
    }
}

static void write_value(
    const struct column *column, size_t row, const struct json_write_options *options, int level, struct buffer *out);

static void write_key(struct bytes name, const struct json_write_options *options, struct buffer *out) {
    write_string(name, out);
    buffer_append_text(out, options->pretty ? " : " : ":");
}

static void write_struct(
    const struct column *column, size_t row, const struct json_write_options *options, int level, struct buffer *out) {
    bool first = true;
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < column->child_count; i++) {
        if (!options->keep_null_fields &&
            (column->children[i]->type->kind == TYPE_NULL || column_is_null(column->children[i], row))) {
            continue;
        }
        if (!first) {
            buffer_append_byte(out, ',');
        }
        first = false;
        indent(options, level + 1, out);
        write_key(column->type->fields[i].name, options, out);
        write_value(column->children[i], row, options, level + 1, out);
    }
    if (!first) {
        indent(options, level, out);
    } else if (options->pretty) {
        buffer_append_byte(out, ' ');
    }
    buffer_append_byte(out, '}');
}

static void write_map(
    const struct column *column, size_t row, const struct json_write_options *options, int level, struct buffer *out) {
    buffer_append_byte(out, '{');
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
        struct buffer key = {0};
        if (i > column->offsets[row]) {
            buffer_append_byte(out, ',');
        }
        indent(options, level + 1, out);
        value_format(column->children[0], (size_t)i, options->zone, &key);
        write_key(buffer_view(&key), options, out);
        buffer_free(&key);
        write_value(column->children[1], (size_t)i, options, level + 1, out);
    }
    if (column->offsets[row] < column->offsets[row + 1]) {
        indent(options, level, out);
    }
    buffer_append_byte(out, '}');
}

static void write_array(
    const struct column *column, size_t row, const struct json_write_options *options, int level, struct buffer *out) {
    buffer_append_byte(out, '[');
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
        buffer_append_text(out, i == column->offsets[row] ? (options->pretty ? " " : "")
                                : options->pretty         ? ", "
                                                          : ",");
        write_value(column->children[0], (size_t)i, options, level, out);
    }
    buffer_append_text(out, options->pretty ? " ]" : "]");
}

static void write_value(
    const struct column *column, size_t row, const struct json_write_options *options, int level, struct buffer *out) {
    row = column->constant ? 0 : row;
    if (column->type->kind == TYPE_NULL || column_is_null(column, row)) {
        buffer_append_text(out, "null");
    } else if (column->type->kind == TYPE_STRUCT) {
        write_struct(column, row, options, level, out);
    } else if (column->type->kind == TYPE_MAP) {
        write_map(column, row, options, level, out);
    } else if (column->type->kind == TYPE_ARRAY) {
        write_array(column, row, options, level, out);
    } else {
        write_scalar(column, row, options, out);
    }
}

void json_write_value(
    const struct column *column, size_t row, const struct json_write_options *options, struct buffer *out) {
    write_value(column, row, options, 0, out);
}
