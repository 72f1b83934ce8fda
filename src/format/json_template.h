/* json_template.h: a learned record shape as a list of steps, and the kernels that match it. Inside format/ only. */
#ifndef FORMAT_JSON_TEMPLATE_H
#define FORMAT_JSON_TEMPLATE_H

#include "format/json_reader.h"

/* Each step: bytes that must be there as they are, then a value of one kind. */
enum json_step_kind {
    STEP_END,       /* nothing follows the literal */
    STEP_INTEGER,   /* BYTE..LONG */
    STEP_STRING,    /* without escapes; its quotes belong to the literals */
    STEP_TIMESTAMP, /* the same, in a form that value_parse_timestamp takes */
    STEP_DOUBLE,
    STEP_FLOAT,
    STEP_BOOLEAN,
    STEP_SKIP_STRING, /* fields that the schema does not have */
    STEP_SKIP_NUMBER,
};

struct json_step {
    uint8_t kind, type_kind; /* enum type_kind of the slot */
    uint16_t literal_size;
    const uint8_t *literal;
    uint8_t *values; /* of the slot, in this parse */
    uint16_t slot;
    uint16_t value_size;
    int64_t minimum, maximum; /* of an integer's type */
    /* The minute that the last timestamp was in, "2026-03-01T08:00:", and its instant. */
    uint64_t minute_text[2];
    int64_t minute_us;
    bool minute_known;
};

struct json_template {
    size_t step_count;
    size_t size_min; /* of a record that can match */
    struct json_step *steps;
    uint16_t *null_slots; /* fields that are null or absent in this shape */
    size_t null_count;
    uint64_t hits;
    uint8_t *memory; /* of the literals */
};

struct json_match {
    const struct timezone *zone;
    bool utc;
};

/* Whether records[row] has the template's shape; then its values are in row `row` of the slots. */
typedef size_t json_match_run(struct json_template *made, const struct json_match *context,
    const struct string_view *records, size_t from, size_t count);
/* Variants of one source for what the processor can do. Each returns how many records from `from` on matched. */
json_match_run json_match_portable;
#if defined(__x86_64__)
json_match_run json_match_x86_v3;
#endif

#endif
