/* json_path.c: get_json_object, json_tuple and their kin, over the text itself: nothing is built in memory. Hive's path
 * language as Spark has it:
 * $, .name, ['name'], [index], [*], .*. Nesting is bounded by JSON_DEPTH_MAX. */
#include "format/json.h"
#include "format/json_scan.h"

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ALL_ELEMENTS, STEP_ALL_NAMES };
enum { STEPS_MAX = 128 };

struct step {
    enum step_kind kind;
    struct bytes name;
    int64_t index;
};

struct json_path {
    size_t count;
    struct step steps[STEPS_MAX];
};

static bool parse_bracket(struct bytes text, size_t *at, struct step *step) {
    if (*at < text.size && text.data[*at] == '*') {
        step->kind = STEP_ALL_ELEMENTS;
        ++*at;
    } else if (*at < text.size && text.data[*at] == '\'') {
        size_t end = bytes_find(text, '\'', *at + 1);
        if (end == SIZE_MAX || end == *at + 1) {
            return false;
        }
        step->kind = STEP_NAME;
        step->name = bytes_slice(text, *at + 1, end - *at - 1);
        *at = end + 1;
    } else {
        size_t start = *at;
        while (*at < text.size && (uint8_t)(text.data[*at] - '0') <= 9) {
            ++*at;
        }
        step->kind = STEP_INDEX;
        if (!bytes_to_int64(bytes_slice(text, start, *at - start), &step->index)) {
            return false;
        }
    }
    bool closed = *at < text.size && text.data[*at] == ']';
    ++*at;
    return closed;
}

const struct json_path *json_path_parse(struct arena *arena, struct bytes text) {
    struct json_path *path = ARENA_NEW(arena, struct json_path);
    if (text.size == 0 || text.data[0] != '$') {
        return NULL;
    }
    for (size_t at = 1; at < text.size;) {
        if (path->count == STEPS_MAX) {
            return NULL;
        }
        struct step *step = &path->steps[path->count++];
        uint8_t c = text.data[at++];
        if (c == '[') {
            if (!parse_bracket(text, &at, step)) {
                return NULL;
            }
        } else if (c == '.') {
            size_t start = at;
            while (at < text.size && text.data[at] != '.' && text.data[at] != '[') {
                at++;
            }
            step->name = bytes_slice(text, start, at - start);
            step->kind = bytes_equal(step->name, BYTES("*")) ? STEP_ALL_NAMES : STEP_NAME;
            if (step->name.size == 0) {
                return NULL;
            }
        } else {
            return NULL;
        }
    }
    return path;
}

/* What a match is written as. */
enum style { STYLE_RAW, STYLE_QUOTED };

struct evaluator {
    const struct json_path *path;
    struct json_scan scan;
    struct buffer *out;
};

/* A value as compact JSON. */
static bool copy_value(struct json_scan *scan, struct buffer *out) {
    enum json_token token = json_peek(scan);
    if (token != JSON_TOKEN_OBJECT && token != JSON_TOKEN_ARRAY) {
        if (token == JSON_TOKEN_STRING) {
            struct bytes text;
            bool good = json_text(scan, &text);
            if (good) {
                buffer_append_json_string(out, text);
            }
            return good;
        }
        const uint8_t *start = scan->position;
        if (!json_skip(scan)) {
            return false;
        }
        buffer_append(out, start, (size_t)(scan->position - start));
        return true;
    }
    bool object = token == JSON_TOKEN_OBJECT, more, first = true;
    uint8_t close = object ? '}' : ']';
    buffer_append_byte(out, object ? '{' : '[');
    if (!json_enter(scan, close, &more)) {
        return false;
    }
    for (more = !more; more; first = false) {
        struct bytes name;
        if (!first) {
            buffer_append_byte(out, ',');
        }
        if (object) {
            if (!json_name(scan, &name)) {
                return false;
            }
            buffer_append_json_string(out, name);
            buffer_append_byte(out, ':');
        }
        if (!copy_value(scan, out) || !json_continue(scan, close, &more)) {
            return false;
        }
    }
    buffer_append_byte(out, close);
    return true;
}

/* Writes what the path from `step` on finds in the value at the position, which is consumed. *count: matches written.
 * False: malformed. */
static bool evaluate(struct evaluator *evaluator, size_t step, enum style style, size_t *count);

static bool put_match(struct evaluator *evaluator, enum style style, size_t *count) {
    struct json_scan *scan = &evaluator->scan;
    enum json_token token = json_peek(scan);
    if (token == JSON_TOKEN_NULL && style == STYLE_RAW) {
        return json_literal(scan, "null");
    }
    if (*count > 0) {
        buffer_append_byte(evaluator->out, ',');
    }
    ++*count;
    if (token == JSON_TOKEN_STRING && style == STYLE_RAW) {
        struct bytes text;
        bool good = json_text(scan, &text);
        if (good) {
            buffer_append_bytes(evaluator->out, text);
        }
        return good;
    }
    return copy_value(scan, evaluator->out);
}

static bool in_object(struct evaluator *evaluator, size_t step, enum style style, size_t *count) {
    const struct step *wanted = &evaluator->path->steps[step];
    struct json_scan *scan = &evaluator->scan;
    bool more, found = false;
    if (!json_enter(scan, '}', &more)) {
        return false;
    }
    for (more = !more; more;) {
        struct bytes name;
        if (!json_name(scan, &name)) {
            return false;
        }
        bool match = !found && wanted->kind == STEP_NAME && bytes_equal(name, wanted->name);
        size_t before = *count;
        if (match ? !evaluate(evaluator, step + 1, style, count) : !json_skip(scan)) {
            return false;
        }
        found |= match && *count > before;
        if (!json_continue(scan, '}', &more)) {
            return false;
        }
    }
    return true;
}

static bool in_array(struct evaluator *evaluator, size_t step, enum style style, size_t *count) {
    const struct step *wanted = &evaluator->path->steps[step];
    struct json_scan *scan = &evaluator->scan;
    bool all = wanted->kind == STEP_ALL_ELEMENTS, wrap = all && style == STYLE_RAW, more;
    size_t inner = 0, start = evaluator->out->size;
    if (!json_enter(scan, ']', &more)) {
        return false;
    }
    if (wrap) {
        buffer_append_byte(evaluator->out, '[');
    }
    int64_t index = 0;
    for (more = !more; more; index++) {
        bool match = all || (wanted->kind == STEP_INDEX && wanted->index == index);
        bool good =
            !match ? json_skip(scan) : evaluate(evaluator, step + 1, all ? STYLE_QUOTED : style, wrap ? &inner : count);
        if (!good || !json_continue(scan, ']', &more)) {
            return false;
        }
    }
    if (!wrap) {
        return true;
    }
    if (inner == 0) {
        evaluator->out->size = start;
        return true;
    }
    if (inner == 1 && step + 1 < evaluator->path->count) { /* one match below a wildcard stands alone */
        memmove(evaluator->out->data + start, evaluator->out->data + start + 1, evaluator->out->size - start - 1);
        evaluator->out->size--;
    } else {
        buffer_append_byte(evaluator->out, ']');
    }
    ++*count;
    return true;
}

static bool evaluate(struct evaluator *evaluator, size_t step, enum style style, size_t *count) {
    if (step == evaluator->path->count) {
        return put_match(evaluator, style, count);
    }
    enum json_token token = json_peek(&evaluator->scan);
    enum step_kind kind = evaluator->path->steps[step].kind;
    if (token == JSON_TOKEN_OBJECT && kind == STEP_NAME) {
        return in_object(evaluator, step, style, count);
    }
    if (token == JSON_TOKEN_ARRAY && (kind == STEP_INDEX || kind == STEP_ALL_ELEMENTS)) {
        return in_array(evaluator, step, style, count);
    }
    return json_skip(&evaluator->scan);
}

bool json_path_get(const struct json_path *path, struct bytes json, struct buffer *out) {
    struct arena scratch = {0};
    struct evaluator evaluator = {.path = path, .out = out};
    size_t before = out->size, count = 0;
    json_scan_init(
        &evaluator.scan, json, JSON_SPARK_DEFAULTS | JSON_REPLACE_INVALID_UTF8 | JSON_ALLOW_CONTROL, &scratch);
    bool good = evaluate(&evaluator, 0, STYLE_RAW, &count) && count > 0;
    if (!good) {
        out->size = before;
    }
    arena_destroy(&scratch);
    return good;
}

void json_tuple(struct arena *arena, struct bytes json, const struct bytes *names, size_t count, struct bytes *values) {
    struct json_scan scan;
    bool more = false;
    for (size_t i = 0; i < count; i++) {
        values[i] = BYTES_NULL;
    }
    json_scan_init(&scan, json, JSON_SPARK_DEFAULTS | JSON_REPLACE_INVALID_UTF8 | JSON_ALLOW_CONTROL, arena);
    if (json.data == NULL || json_peek(&scan) != JSON_TOKEN_OBJECT || !json_enter(&scan, '}', &more)) {
        return;
    }
    bool good = true;
    for (more = !more; more && good;) {
        struct bytes name, value = BYTES_NULL;
        struct buffer text = {0};
        good = json_name(&scan, &name);
        enum json_token token = good ? json_peek(&scan) : JSON_TOKEN_BAD;
        if (good && token == JSON_TOKEN_STRING) {
            good = json_text(&scan, &value);
        } else if (good && token == JSON_TOKEN_NULL) {
            good = json_literal(&scan, "null");
        } else if (good) {
            good = copy_value(&scan, &text);
            value = good ? arena_copy(arena, buffer_view(&text)) : BYTES_NULL;
        }
        buffer_free(&text);
        for (size_t i = 0; i < count && good; i++) {
            if (bytes_equal(names[i], name)) {
                values[i] = value;
            }
        }
        good = good && json_continue(&scan, '}', &more);
    }
    for (size_t i = 0; i < count && !good; i++) {
        values[i] = BYTES_NULL;
    }
}

int64_t json_array_length(struct bytes json) {
    struct arena scratch = {0};
    struct json_scan scan;
    bool more = false;
    int64_t length = 0;
    json_scan_init(&scan, json, JSON_SPARK_DEFAULTS | JSON_REPLACE_INVALID_UTF8, &scratch);
    bool good = json_peek(&scan) == JSON_TOKEN_ARRAY && json_enter(&scan, ']', &more);
    for (more = good && !more; more && good; length++) {
        good = json_skip(&scan) && json_continue(&scan, ']', &more);
    }
    arena_destroy(&scratch);
    return good ? length : -1;
}

bool json_object_keys(struct arena *arena, struct bytes json, struct bytes **keys, size_t *count) {
    struct json_scan scan;
    bool more = false;
    size_t capacity = 16;
    *count = 0;
    *keys = ARENA_ARRAY(arena, struct bytes, capacity);
    json_scan_init(&scan, json, JSON_SPARK_DEFAULTS | JSON_REPLACE_INVALID_UTF8, arena);
    bool good = json_peek(&scan) == JSON_TOKEN_OBJECT && json_enter(&scan, '}', &more);
    for (more = good && !more; more && good;) {
        if (*count == capacity) {
            struct bytes *grown = ARENA_ARRAY(arena, struct bytes, capacity * 2);
            memcpy(grown, *keys, capacity * sizeof *grown);
            *keys = grown;
            capacity *= 2;
        }
        good = json_name(&scan, &(*keys)[*count]) && json_skip(&scan) && json_continue(&scan, '}', &more);
        ++*count;
    }
    return good;
}
