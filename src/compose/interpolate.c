#include "compose/interpolate.h"

#include <stdio.h>

#include "base/assert.h"

struct reader {
    const struct interpolation *interpolation;
    const char *at;
    struct error *error;
    int depth;
};

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static bool read_text(struct reader *reader, bool in_braces, struct buffer *out);

static bool append(struct reader *reader, struct buffer *out, const char *text, size_t size) {
    if (out->size + size > INTERPOLATED_SIZE_MAX)
        return error_set(
            reader->error, ERROR_LIMIT, "with its variables the text has more than %d bytes", INTERPOLATED_SIZE_MAX);
    if (size > *reader->interpolation->left)
        return error_set(reader->error, ERROR_LIMIT, "with their variables the texts have more than %d bytes",
            INTERPOLATED_TOTAL_MAX);
    *reader->interpolation->left -= size;
    buffer_append(out, text, size);
    return true;
}

static bool read_name(struct reader *reader, char name[256]) {
    size_t size = 0;
    while (is_name_part(reader->at[size]))
        size++;
    if (size == 0 || !is_name_start(*reader->at) || size > 255)
        return error_set(reader->error, ERROR_INVALID, "'$%.20s' is no variable; a dollar sign itself is written $$",
            reader->at[-1] == '{' ? reader->at - 1 : reader->at);
    memcpy(name, reader->at, size);
    name[size] = 0;
    reader->at += size;
    return true;
}

/* What follows the name inside braces: an operator and its word, up to the brace. */
static bool read_operator(struct reader *reader, const char *name, struct buffer *out) {
    const char *value = reader->interpolation->value(reader->interpolation->context, name);
    bool colon = *reader->at == ':';
    char operator= reader->at[colon];
    bool is_set = value != NULL && (!colon || value[0] != 0);
    struct buffer word = {0};
    if (*reader->at == '}') {
        reader->at++;
        if (value == NULL)
            reader->interpolation->missing(reader->interpolation->context, name);
        return value == NULL || append(reader, out, value, strlen(value));
    }
    if (operator!= '-' && operator!= '?' && operator!= '+')
        return error_set(reader->error, ERROR_INVALID, "'${%s%.20s' is no form of a variable that compose files know",
            name, reader->at);
    reader->at += 1 + colon;
    bool good = read_text(reader, true, &word);
    if (good && operator== '?' && !is_set)
        good = error_set(reader->error, ERROR_INVALID, "the variable %s is needed: %.200s", name,
            word.size > 0 ? buffer_text(&word) : "it is not set");
    else if (good && operator== '+' && is_set)
        good = append(reader, out, (const char *)word.data, word.size);
    else if (good && operator!= '+' && is_set)
        good = append(reader, out, value, strlen(value));
    else if (good && operator== '-')
        good = append(reader, out, (const char *)word.data, word.size);
    buffer_free(&word);
    return good;
}

static bool read_variable(struct reader *reader, struct buffer *out) {
    char name[256];
    if (*reader->at == '$') {
        reader->at++;
        return append(reader, out, "$", 1);
    }
    if (*reader->at == '{') {
        reader->at++;
        return read_name(reader, name) && read_operator(reader, name, out);
    }
    if (!read_name(reader, name))
        return false;
    const char *value = reader->interpolation->value(reader->interpolation->context, name);
    if (value == NULL)
        reader->interpolation->missing(reader->interpolation->context, name);
    return value == NULL || append(reader, out, value, strlen(value));
}

/* To the end of the text, or behind the closing brace. */
static bool read_text(struct reader *reader, bool in_braces, struct buffer *out) {
    if (++reader->depth > INTERPOLATION_DEPTH_MAX)
        return error_set(
            reader->error, ERROR_LIMIT, "variables inside variables go deeper than %d levels", INTERPOLATION_DEPTH_MAX);
    for (; *reader->at != 0;) {
        if (in_braces && *reader->at == '}') {
            reader->at++;
            reader->depth--;
            return true;
        }
        if (*reader->at == '$') {
            reader->at++;
            if (!read_variable(reader, out))
                return false;
            continue;
        }
        size_t size = strcspn(reader->at, in_braces ? "$}" : "$");
        if (!append(reader, out, reader->at, size))
            return false;
        reader->at += size;
    }
    reader->depth--;
    return !in_braces || error_set(reader->error, ERROR_INVALID, "a variable's closing brace } is missing");
}

char *interpolate(
    const struct interpolation *interpolation, struct arena *arena, const char *text, struct error *error) {
    struct reader reader = {interpolation, text, error, 0};
    struct buffer out = {0};
    char *result = read_text(&reader, false, &out) ? arena_text(arena, buffer_view(&out)) : NULL;
    buffer_free(&out);
    return result;
}

/* ---- variable files ---- */

struct env_reader {
    const struct interpolation *outer;
    struct arena *arena;
    struct env_list *list;
    struct error *error;
    const char *at;
    int line;
};

const struct env_variable *env_find(const struct env_list *list, const char *name) {
    for (size_t i = list->count; i > 0; i--)
        if (strcmp(list->items[i - 1].name, name) == 0)
            return &list->items[i - 1];
    return NULL;
}

/* The caller's environment wins over the file, as in compose. */
static const char *value_here(void *context, const char *name) {
    const struct env_reader *reader = context;
    const char *outside = reader->outer->value(reader->outer->context, name);
    const struct env_variable *variable = outside == NULL ? env_find(reader->list, name) : NULL;
    return variable != NULL ? variable->value : outside;
}

static void missing_here(void *context, const char *name) {
    const struct env_reader *reader = context;
    reader->outer->missing(reader->outer->context, name);
}

static bool expand(struct env_reader *reader, struct buffer *raw, const char **value) {
    struct interpolation inner = {value_here, missing_here, reader, reader->outer->left};
    *value = interpolate(&inner, reader->arena, buffer_text(raw), reader->error);
    return *value != NULL;
}

/* Behind the opening quote. */
static bool read_quoted(struct env_reader *reader, char quote, struct buffer *raw) {
    static const char escapes[] = "n\nr\rt\t\"\"\\\\";
    for (; *reader->at != quote; reader->at++) {
        if (*reader->at == 0)
            return error_set(reader->error, ERROR_INVALID, "the closing quote %c is missing", quote);
        reader->line += *reader->at == '\n';
        const char *escape = quote == '"' && *reader->at == '\\' && reader->at[1] != 0 ? reader->at + 1 : NULL;
        const char *known = escape == NULL ? NULL : strchr(escapes, *escape);
        if (known != NULL && (known - escapes) % 2 == 0) {
            buffer_append_byte(raw, (uint8_t)known[1]);
            reader->at++;
        } else {
            buffer_append_byte(raw, (uint8_t)*reader->at);
        }
    }
    reader->at++;
    return true;
}

static void skip_line(struct env_reader *reader) {
    reader->at += strcspn(reader->at, "\n");
    if (*reader->at == '\n') {
        reader->at++;
        reader->line++;
    }
}

/* To the end of the line, or to a # behind a blank. */
static void read_plain(struct env_reader *reader, struct buffer *raw) {
    const char *from = reader->at;
    size_t size = strcspn(from, "\n"), end = size;
    for (size_t i = 1; i < size; i++)
        if (from[i] == '#' && (from[i - 1] == ' ' || from[i - 1] == '\t')) {
            end = i;
            break;
        }
    buffer_append_bytes(raw, bytes_trim(bytes_make(from, from[0] == '#' ? 0 : end)));
    reader->at += size;
}

static bool read_value(struct env_reader *reader, const char **value) {
    struct buffer raw = {0};
    bool good = true;
    while (*reader->at == ' ' || *reader->at == '\t')
        reader->at++;
    char quote = *reader->at;
    if (quote == '\'' || quote == '"') {
        reader->at++;
        good = read_quoted(reader, quote, &raw);
    } else {
        read_plain(reader, &raw);
    }
    if (good && quote == '\'')
        *value = arena_text(reader->arena, buffer_view(&raw));
    else if (good)
        good = expand(reader, &raw, value);
    buffer_free(&raw);
    return good;
}

static bool read_line(struct env_reader *reader) {
    reader->at += strspn(reader->at, " \t\r");
    if (*reader->at == '#' || *reader->at == '\n' || *reader->at == 0) {
        skip_line(reader);
        return true;
    }
    size_t size = strcspn(reader->at, "=\n");
    struct bytes name = bytes_trim(bytes_make(reader->at, size));
    if (bytes_starts_with(name, "export "))
        name = bytes_trim(bytes_slice(name, 7, name.size - 7));
    if (name.size == 0 || bytes_find(name, ' ', 0) != SIZE_MAX)
        return error_set(reader->error, ERROR_INVALID, "NAME=value is needed, this is '%.40s'", reader->at);
    if (reader->list->count >= ENV_FILE_COUNT_MAX)
        return error_set(reader->error, ERROR_LIMIT, "there are more than %d variables", ENV_FILE_COUNT_MAX);
    struct env_variable variable = {arena_text(reader->arena, name), NULL, reader->line};
    reader->at += size;
    if (*reader->at == '=') {
        reader->at++;
        if (!read_value(reader, &variable.value))
            return false;
    }
    VECTOR_PUSH(reader->list, variable);
    skip_line(reader);
    return true;
}

bool env_file_parse(const struct interpolation *interpolation, struct arena *arena, const char *file, struct bytes text,
    struct env_list *list, struct error *error) {
    if (text.size > ENV_FILE_SIZE_MAX)
        return error_set(error, ERROR_LIMIT, "%s: the file has more than %d bytes", file, ENV_FILE_SIZE_MAX);
    struct env_reader reader = {interpolation, arena, list, error, arena_text(arena, text), 1};
    while (*reader.at != 0) {
        int line = reader.line;
        if (!read_line(&reader)) {
            error_prefix(error, "%s:%d", file, line);
            return false;
        }
    }
    return true;
}
