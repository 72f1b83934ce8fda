/* json_template.c: learns the shape of records from those that the general parser read, and reads the records that have
 * it with the kernels of json_match.c. A shape is: the bytes between the values, and the kind of each value. Up to four
 * shapes are kept (a producer may leave a field out now and then); a new one takes the place of the one that fitted
 * least. A shape is replaced as a whole, never changed in parts, except for the remembered minute of a timestamp, which
 * is a cache of text and instant together. */
#include "format/json_template.h"

#include <stdlib.h>

enum { LITERAL_SIZE_MAX = 1024, LEARN_EVERY = 64, LEARN_FREELY = 32 };

static json_match_run *match_run(void) {
#if defined(__x86_64__)
    static json_match_run *chosen;
    json_match_run *run = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (run == NULL) {
        __builtin_cpu_init();
        run =
            __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? json_match_x86_v3 : json_match_portable;
        __atomic_store_n(&chosen, run, __ATOMIC_RELAXED);
    }
    return run;
#else
    return json_match_portable;
#endif
}

void json_template_destroy(struct json_template *made) {
    if (made != NULL) {
        free(made->steps);
        free(made->null_slots);
        free(made->memory);
        free(made);
    }
}

static bool has_escape(struct bytes text) {
    return memchr(text.data, '\\', text.size) != NULL;
}

/* Kind of step for a value of the slot's type that is written like `text`; -1: none. */
static int step_kind(const struct json_reader *reader, const struct json_span *span, struct bytes text) {
    bool string = text.data[0] == '"', number = text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9');
    if (span->field < 0) {
        return string && !has_escape(text) ? STEP_SKIP_STRING : number ? STEP_SKIP_NUMBER : -1;
    }
    switch (reader->slots[span->field].node->type->kind) {
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
        return number ? STEP_INTEGER : -1;
    case TYPE_FLOAT:
        return number ? STEP_FLOAT : -1;
    case TYPE_DOUBLE:
        return number ? STEP_DOUBLE : -1;
    case TYPE_BOOLEAN:
        return STEP_BOOLEAN;
    case TYPE_STRING:
        return string && !has_escape(text) ? STEP_STRING : -1;
    case TYPE_TIMESTAMP:
        return string && reader->timestamp_pattern == NULL && !has_escape(text) ? STEP_TIMESTAMP : -1;
    default:
        return -1;
    }
}

static void step_limits(struct json_step *step) {
    static const int64_t limits[][2] = {
        {INT8_MIN, INT8_MAX}, {INT16_MIN, INT16_MAX}, {INT32_MIN, INT32_MAX}, {INT64_MIN, INT64_MAX}};
    if (step->kind == STEP_INTEGER) {
        size_t index = (size_t)step->type_kind - TYPE_BYTE;
        step->minimum = limits[index][0];
        step->maximum = limits[index][1];
    }
}

static bool is_quoted(int kind) {
    return kind == STEP_STRING || kind == STEP_TIMESTAMP || kind == STEP_SKIP_STRING;
}

/* Steps from the spans; false when a value is of a kind that has no step. A null value is a part of the literal. */
static bool make_steps(struct json_reader *reader, struct json_template *made, struct bytes record) {
    size_t literal_start = 0;
    made->steps = calloc(reader->span_count + 1, sizeof *made->steps);
    made->null_slots = calloc(reader->slot_count + 1, sizeof *made->null_slots);
    ASSERT(made->steps != NULL && made->null_slots != NULL);
    for (size_t i = 0; i < reader->span_count; i++) {
        const struct json_span *span = &reader->spans[i];
        if (span->null) {
            continue;
        }
        struct bytes text = bytes_slice(record, span->start, span->size);
        int kind = text.size == 0 ? -1 : step_kind(reader, span, text);
        size_t quote = kind >= 0 && is_quoted(kind);
        if (kind < 0 || span->start + quote - literal_start > LITERAL_SIZE_MAX) {
            return false;
        }
        struct json_step *step = &made->steps[made->step_count++];
        step->kind = (uint8_t)kind;
        step->literal = made->memory + literal_start;
        step->literal_size = (uint16_t)(span->start + quote - literal_start);
        literal_start = span->start + span->size - quote;
        if (span->field >= 0) {
            step->slot = (uint16_t)span->field;
            step->type_kind = (uint8_t)reader->slots[span->field].node->type->kind;
            step->value_size = (uint16_t)reader->slots[span->field].value_size;
        }
        step_limits(step);
        made->size_min += step->literal_size;
    }
    if (record.size - literal_start > LITERAL_SIZE_MAX) {
        return false;
    }
    struct json_step *end = &made->steps[made->step_count++];
    end->kind = STEP_END;
    end->literal = made->memory + literal_start;
    end->literal_size = (uint16_t)(record.size - literal_start);
    made->size_min += end->literal_size;
    made->size_min = made->size_min < 8 ? 8 : made->size_min;
    return true;
}

static void add_nulls(struct json_reader *reader, struct json_template *made) {
    for (size_t slot = 0; slot < reader->slot_count; slot++) {
        bool has_step = false;
        for (size_t i = 0; i + 1 < made->step_count; i++) {
            bool skip = made->steps[i].kind == STEP_SKIP_STRING || made->steps[i].kind == STEP_SKIP_NUMBER;
            has_step |= !skip && made->steps[i].slot == slot;
        }
        if (!has_step) {
            made->null_slots[made->null_count++] = (uint16_t)slot;
        }
    }
}

static bool all_in_place(const struct json_reader *reader) {
    for (size_t i = 0; i < reader->slot_count; i++) {
        if (reader->slots[i].values == NULL) {
            return false;
        }
    }
    return reader->slot_count <= 256;
}

void json_template_learn(struct json_reader *reader, struct bytes record) {
    reader->misses++;
    if (reader->misses > LEARN_FREELY && reader->misses % LEARN_EVERY != 0) {
        return;
    }
    if (record.size < 8 || !all_in_place(reader)) {
        return;
    }
    struct json_template *made = calloc(1, sizeof *made);
    ASSERT(made != NULL);
    made->memory = malloc(record.size);
    ASSERT(made->memory != NULL);
    memcpy(made->memory, record.data, record.size);
    if (!make_steps(reader, made, record)) {
        json_template_destroy(made);
        return;
    }
    add_nulls(reader, made);
    size_t place = reader->template_count;
    if (place == JSON_TEMPLATES_MAX) {
        place = 0;
        for (size_t i = 1; i < JSON_TEMPLATES_MAX; i++) {
            place = reader->templates[i]->hits < reader->templates[place]->hits ? i : place;
        }
        json_template_destroy(reader->templates[place]);
    } else {
        reader->template_count++;
    }
    reader->templates[place] = made;
    reader->template_next = place;
    for (size_t i = 0; i < reader->template_count; i++) {
        reader->templates[i]->hits /= 2;
    }
}

static void bind(struct json_reader *reader, struct json_template *made) {
    for (size_t i = 0; i + 1 < made->step_count; i++) {
        made->steps[i].values = reader->slots[made->steps[i].slot].values;
    }
}

size_t json_template_read(struct json_reader *reader, const struct string_view *records, size_t from, size_t count) {
    json_match_run *run = match_run();
    struct json_match context = {reader->zone, reader->zone == timezone_utc() || reader->zone == NULL};
    size_t row = from, tried = 0, current = reader->template_next;
    while (row < count && tried < reader->template_count) {
        struct json_template *made = reader->templates[current];
        bind(reader, made);
        size_t matched = run(made, &context, records, row, count);
        for (size_t i = 0; i < made->null_count && matched > 0; i++) {
            for (size_t j = row; j < row + matched; j++) {
                json_slot_null(&reader->slots[made->null_slots[i]], j);
            }
        }
        made->hits += matched;
        row += matched;
        if (matched > 0) {
            tried = 0;
            reader->misses = 0;
            reader->template_next = current;
        }
        tried++;
        current = current + 1 < reader->template_count ? current + 1 : 0;
    }
    return row;
}
