/* Errors: table look-up, messages as Spark composes them, quoting of parameters. */
#include "sql/error.h"

#include "sql/pretty.h"

struct condition_row {
    const char *name, *state;
    const char *const *classes;
    const char *const *parameters;
    size_t parameter_count;
    const char *message;
};

#include "error_table.inc"

static const struct condition_row *row_of(const struct sql_error *error) {
    ASSERT(error->condition > 0 && error->condition < CONDITION_COUNT);
    return &condition_rows[error->condition];
}

static const char *parameter_value(const struct sql_error *error, struct bytes name) {
    for (size_t i = 0; i < error->parameter_count; i++)
        if (bytes_equal_text(name, error->parameters[i].name))
            return error->parameters[i].value;
    return NULL;
}

/* The template with every <name> replaced. */
static const char *fill(const struct sql_error *error, const char *message) {
    struct buffer out = {0};
    for (const char *next = message; *next != '\0';) {
        const char *end = *next == '<' ? strchr(next, '>') : NULL;
        const char *value = end == NULL ? NULL : parameter_value(error, bytes_make(next + 1, (size_t)(end - next - 1)));
        if (value != NULL) {
            buffer_append_text(&out, value);
            next = end + 1;
        } else {
            buffer_append_byte(&out, (uint8_t)*next++);
        }
    }
    while (out.size > 0 && out.data[out.size - 1] == ' ') /* an empty parameter at the end */
        out.size--;
    const char *text = arena_text(error->arena, buffer_view(&out));
    buffer_free(&out);
    return text;
}

bool sql_error_raise(struct sql_error *error, int condition, const char *const *values) {
    if (error->condition != 0)
        return false;
    error->condition = condition;
    const struct condition_row *row = row_of(error);
    struct error_parameter *parameters = ARENA_ARRAY(error->arena, struct error_parameter, row->parameter_count);
    for (size_t i = 0; i < row->parameter_count; i++)
        parameters[i] = (struct error_parameter){
            row->parameters[i], arena_strdup(error->arena, values[i] != NULL ? values[i] : "")};
    error->parameters = parameters;
    error->parameter_count = row->parameter_count;
    error->text = fill(error, row->message);
    return false;
}

bool sql_error_at(struct sql_error *error, struct origin origin) {
    if (error->condition != 0 && error->origin.text == NULL)
        error->origin = origin;
    return false;
}

bool sql_error_from(struct sql_error *error, const struct error *cause) {
    switch (cause->code) {
    case ERROR_NOT_FOUND:
        return raise_path_not_found(error, cause->message);
    case ERROR_UNSUPPORTED:
        return raise_unsupported_feature_not_in_this_program(error, cause->message, "");
    case ERROR_CANCELLED:
        return raise_query_cancelled(error, cause->message);
    case ERROR_CLOSED:
    case ERROR_TIMEOUT:
        return raise_service_unavailable(error, cause->message);
    default:
        return raise_internal_error(error, cause->message);
    }
}

void sql_error_copy(struct sql_error *to, const struct sql_error *from) {
    if (to->condition != 0 || from->condition == 0)
        return;
    to->condition = from->condition;
    to->parameter_count = from->parameter_count;
    struct error_parameter *parameters = ARENA_ARRAY(to->arena, struct error_parameter, from->parameter_count);
    for (size_t i = 0; i < from->parameter_count; i++)
        parameters[i] =
            (struct error_parameter){from->parameters[i].name, arena_strdup(to->arena, from->parameters[i].value)};
    to->parameters = parameters;
    to->text = arena_strdup(to->arena, from->text);
    to->origin = from->origin; /* plan nodes outlive the tasks that run them */
}

const char *sql_error_condition(const struct sql_error *error) {
    return row_of(error)->name;
}

const char *sql_error_state(const struct sql_error *error) {
    const char *state = row_of(error)->state;
    return strcmp(state, "-") == 0 ? "" : state;
}

const char *const *sql_error_classes(const struct sql_error *error) {
    return row_of(error)->classes;
}

bool sql_error_position(const struct sql_error *error, int *line, int *column) {
    if (error->origin.text == NULL || error->origin.text->call_site.data != NULL)
        return false;
    struct bytes text = error->origin.text->text;
    *line = 1;
    *column = 0;
    for (int32_t i = 0; i < error->origin.start && (size_t)i < text.size; i++) {
        *column += 1;
        if (text.data[i] == '\n') {
            *line += 1;
            *column = 0;
        }
    }
    return true;
}

struct bytes sql_error_fragment(const struct sql_error *error) {
    const struct origin *origin = &error->origin;
    if (origin->text == NULL)
        return BYTES_NULL;
    struct bytes text = origin->text->text;
    if (origin->text->call_site.data != NULL)
        return text;
    if (origin->start < 0 || origin->stop < origin->start || (size_t)origin->stop >= text.size)
        return BYTES_NULL;
    return bytes_slice(text, (size_t)origin->start, (size_t)(origin->stop - origin->start + 1));
}

/* One line of the text and, under it, carets below the part that the origin covers. */
static void append_lines(const struct sql_error *error, const char *rule, struct buffer *out) {
    struct bytes text = error->origin.text->text;
    size_t start = (size_t)error->origin.start, stop = (size_t)error->origin.stop;
    for (size_t from = 0; from <= text.size;) {
        size_t end = bytes_find(text, '\n', from);
        end = end == SIZE_MAX ? text.size : end;
        buffer_append(out, text.data + from, end - from);
        buffer_append_byte(out, '\n');
        if (start <= end && stop >= from && text.size > 0) {
            size_t first = start > from ? start : from, last = stop < end ? stop + 1 : end;
            for (size_t i = from; i < first; i++)
                buffer_append_text(out, rule);
            if (rule[0] == '-')
                last = first + 3;
            for (size_t i = first; i < last || i == first; i++)
                buffer_append_byte(out, '^');
            buffer_append_byte(out, '\n');
            if (rule[0] == '-')
                stop = start = SIZE_MAX;
        }
        from = end + 1;
    }
}

static bool is_class(const struct sql_error *error, const char *suffix) {
    return bytes_ends_with(bytes_from_text(row_of(error)->classes[0]), suffix);
}

const char *sql_error_message(const struct sql_error *error) {
    struct buffer out = {0};
    int line = 0, column = 0;
    bool placed = sql_error_position(error, &line, &column);
    const struct condition_row *row = row_of(error);
    if (strncmp(row->name, "_LEGACY_ERROR", 13) == 0)
        return error->text; /* Spark shows neither name nor state of these */
    if (is_class(error, ".ParseException")) {
        buffer_printf(&out, "\n[%s] %s SQLSTATE: %s", row->name, error->text, row->state);
        if (placed) {
            buffer_printf(&out, " (line %d, pos %d)\n\n== SQL ==\n", line, column);
            append_lines(error, "-", &out);
        }
    } else if (is_class(error, ".AnalysisException")) {
        buffer_printf(&out, "[%s] %s SQLSTATE: %s", row->name, error->text, row->state);
        if (placed)
            buffer_printf(&out, "; line %d pos %d", line, column);
    } else {
        buffer_printf(&out, "[%s] %s SQLSTATE: %s", row->name, error->text, row->state);
        if (placed) {
            buffer_printf(&out, "\n== SQL (line %d, position %d) ==\n", line, column + 1);
            append_lines(error, " ", &out);
        } else if (error->origin.text != NULL) {
            buffer_printf(&out, "\n== DataFrame ==\n\"%.*s\" was called from\n%.*s\n",
                BYTES_ARGS(error->origin.text->text), BYTES_ARGS(error->origin.text->call_site));
        }
    }
    const char *message = arena_text(error->arena, buffer_view(&out));
    buffer_free(&out);
    return message;
}

const char *quote_name(struct arena *arena, struct bytes name) {
    struct buffer out = {0};
    buffer_append_byte(&out, '`');
    for (size_t i = 0; i < name.size; i++) {
        buffer_append_byte(&out, name.data[i]);
        if (name.data[i] == '`')
            buffer_append_byte(&out, '`');
    }
    buffer_append_byte(&out, '`');
    const char *text = arena_text(arena, buffer_view(&out));
    buffer_free(&out);
    return text;
}

const char *quote_names(struct arena *arena, struct bytes_list parts) {
    const char *text = "";
    for (size_t i = 0; i < parts.count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? "." : "", quote_name(arena, parts.items[i]));
    return text;
}

const char *quote_type(struct arena *arena, const struct type *type) {
    struct buffer out = {0};
    type_format_sql(type, &out);
    const char *text = arena_printf(arena, "\"%.*s\"", BYTES_ARGS(buffer_view(&out)));
    buffer_free(&out);
    return text;
}

const char *quote_text(struct arena *arena, struct bytes text) {
    return arena_printf(arena, "'%.*s'", BYTES_ARGS(text));
}

const char *quote_expression(struct arena *arena, const struct expression *expression) {
    return arena_printf(arena, "\"%s\"", pretty_name(arena, expression));
}

const char *quote_config(struct arena *arena, const char *name) {
    return arena_printf(arena, "\"%s\"", name);
}
