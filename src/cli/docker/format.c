/* format.c: the part of Go's templates that docker's users write: fields with dots, {{json …}}, and backslash escapes
 * outside of the braces. Anything else is an error that names it. */
#include "cli/docker/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { COLUMN_SIZE_MIN = 10, COLUMN_GAP = 3, COLUMN_COUNT_MAX = 16 };

static const json_t *find_field(const json_t *object, struct bytes path) {
    while (path.size > 1 && path.data[0] == '.' && object != NULL) {
        size_t end = bytes_find(path, '.', 1);
        end = end == SIZE_MAX ? path.size : end;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(end - 1), (const char *)path.data + 1);
        object = json_object_get(object, name);
        path = bytes_slice(path, end, path.size - end);
    }
    return object;
}

static void append_value(const json_t *value, bool as_json, struct buffer *out) {
    if (json_is_string(value) && !as_json) {
        buffer_append_text(out, json_string_value(value));
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        buffer_append_text(out, text == NULL ? "" : text);
        free(text);
    }
}

/* What stands between the braces. */
static bool append_expression(const json_t *object, struct bytes expression, struct buffer *out) {
    expression = bytes_trim(expression);
    bool as_json = bytes_starts_with(expression, "json ");
    struct bytes path = as_json ? bytes_trim(bytes_slice(expression, 5, expression.size - 5)) : expression;
    const json_t *value = path.size > 0 && path.data[0] == '.' ? find_field(object, path) : NULL;
    if (path.size > 0 && path.data[0] == '.' && bytes_find(path, ' ', 0) == SIZE_MAX && value != NULL) {
        append_value(value, as_json, out);
        return true;
    }
    fprintf(stderr, "template parsing error: {{%.*s}} is not known here\n", BYTES_ARGS(expression));
    return false;
}

static bool append_template(const json_t *object, const char *format, struct buffer *out) {
    while (*format != 0) {
        const char *end = format[0] == '{' && format[1] == '{' ? strstr(format, "}}") : NULL;
        if (end != NULL) {
            if (!append_expression(object, bytes_make(format + 2, (size_t)(end - format) - 2), out))
                return false;
            format = end + 2;
        } else if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n')) {
            buffer_append_byte(out, format[1] == 't' ? '\t' : '\n');
            format += 2;
        } else {
            buffer_append_byte(out, (uint8_t)*format++);
        }
    }
    return true;
}

bool docker_print_template(const json_t *object, const char *format) {
    struct buffer out = {0};
    bool good = strcmp(format, "json") == 0;
    if (good)
        append_value(object, true, &out);
    else
        good = append_template(object, format, &out);
    if (good)
        puts(buffer_text(&out));
    buffer_free(&out);
    return good;
}

/* ---- tables ---- */

static size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text != 0; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *cell(const json_t *row, const char *field) {
    const char *text = json_string_value(json_object_get(row, field));
    return text == NULL ? "" : text;
}

static void print_table(const json_t *rows, const struct docker_column *columns, size_t count) {
    size_t widths[COLUMN_COUNT_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t index;
        const json_t *row;
        widths[i] = text_width(columns[i].headline);
        json_array_foreach(rows, index, row) {
            size_t width = text_width(cell(row, columns[i].field));
            widths[i] = width > widths[i] ? width : widths[i];
        }
        widths[i] = widths[i] + COLUMN_GAP < COLUMN_SIZE_MIN ? COLUMN_SIZE_MIN : widths[i] + COLUMN_GAP;
    }
    for (size_t r = 0; r <= json_array_size(rows); r++) {
        for (size_t i = 0; i < count; i++) {
            const char *text = r == 0 ? columns[i].headline : cell(json_array_get(rows, r - 1), columns[i].field);
            printf("%s%*s", text, i + 1 < count ? (int)(widths[i] - text_width(text)) : 0, "");
        }
        putchar('\n');
    }
}

/* "table {{.Names}}\t{{.Status}}": the columns by their fields. */
static bool print_chosen_columns(
    const json_t *rows, const struct docker_column *known, size_t known_count, char *format) {
    struct docker_column chosen[COLUMN_COUNT_MAX];
    size_t count = 0;
    for (char *at = format; (at = strstr(at, "{{.")) != NULL && count < COLUMN_COUNT_MAX;) {
        char *name = at + 3, *end = strstr(name, "}}");
        if (end == NULL)
            break;
        *end = 0;
        size_t i = 0;
        while (i < known_count && strcmp(known[i].field, name) != 0)
            i++;
        if (i == known_count) {
            fprintf(stderr, "template parsing error: {{.%s}} is not known here\n", name);
            return false;
        }
        chosen[count++] = known[i];
        at = end + 2;
    }
    print_table(rows, chosen, count);
    return true;
}

bool docker_print_rows(
    const json_t *rows, const struct docker_column *columns, size_t column_count, const char *format) {
    size_t index;
    const json_t *row;
    bool good = true;
    if (format == NULL || strcmp(format, "table") == 0) {
        print_table(rows, columns, column_count);
        return true;
    }
    if (strncmp(format, "table ", 6) == 0) {
        char *copy = strdup(format + 6);
        good = copy != NULL && print_chosen_columns(rows, columns, column_count, copy);
        free(copy);
        return good;
    }
    json_array_foreach(rows, index, row) good = good && docker_print_template(row, format);
    return good;
}
