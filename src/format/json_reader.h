/* json_reader.h: inside of the typed JSON reader, shared by the general parser (json_read.c) and the learned one
 * (json_template.c). */
#ifndef FORMAT_JSON_READER_H
#define FORMAT_JSON_READER_H

#include "base/map.h"
#include "base/vector.h"
#include "column/builder.h"
#include "format/datetime.h"
#include "format/json.h"
#include "format/json_scan.h"

/* A type with what reading it needs. */
struct json_node {
    const struct type *type;
    struct json_node *children; /* fields, or the element, or the value of a map */
    size_t child_count;
    size_t guess;     /* field that probably comes next */
    struct map names; /* of structs with many fields: name to index + 1 */
};

/* A top-level field of a STRUCT schema. Fixed-size values and strings are written in place; the others go through a
 * builder. */
struct json_slot {
    struct json_node *node;
    size_t value_size;
    uint8_t *values; /* NULL: use the builder */
    struct column_builder builder;
    VECTOR(uint32_t) nulls; /* rows without a value, ascending */
};

/* Where the values of a record stood: what a template is learned from. */
struct json_span {
    int32_t field; /* -1: not in the schema */
    uint32_t start, size;
    bool null;
};
enum { JSON_SPANS_MAX = 64 };

struct json_template;
enum { JSON_TEMPLATES_MAX = 4 };

struct json_reader {
    struct arena arena; /* of the reader: nodes, options */
    struct json_node root;
    struct json_slot *slots; /* root STRUCT */
    size_t slot_count;
    int corrupt_slot; /* -1: none */
    enum format_mode mode;
    unsigned leniency;
    const struct timezone *zone;
    const struct datetime_pattern *timestamp_pattern, *timestamp_ntz_pattern,
        *date_pattern; /* NULL: Spark's own forms */

    /* during a parse */
    struct arena *output;
    struct json_scan scan;
    uint64_t seen[4]; /* bit per slot below 256 of the record at hand */
    struct json_span spans[JSON_SPANS_MAX];
    size_t span_count; /* above JSON_SPANS_MAX: too many */
    bool learnable;
    bool mismatch;
    char bad_field[128];
    struct bytes bad_value; /* of that field, in the record */
    const struct type *bad_type;
    const char *reason;
    const struct type *expected; /* with reason: what the schema says; or NULL */
    struct format_report report;
    VECTOR(uint32_t) bad_rows; /* of the last parse */

    struct json_template *templates[JSON_TEMPLATES_MAX];
    size_t template_count, template_next;
    uint32_t misses; /* records in a row that no template fitted: learning rests when it does not help */
};

/* A column whose rows are null where the last parse was well and not null where the record was bad; NULL when all were
 * well. */
struct column *json_reader_bad_rows(const struct json_reader *reader, struct arena *arena, size_t row_count);
/* Starts from a type found before (of other files); NULL is fine. */
void json_inference_seed(struct json_inference *inference, const struct type *type);

/* Makes a template from the spans of a record that the general parser has just read whole. */
void json_template_learn(struct json_reader *reader, struct bytes record);
void json_template_destroy(struct json_template *made);
/* Reads records [from, count) as long as templates fit; returns the index of the first one that none fits, or count.
 * Row i of the slots gets record i. */
size_t json_template_read(struct json_reader *reader, const struct string_view *records, size_t from, size_t count);

/* Notes that the slot has no value in that row. */
static inline void json_slot_null(struct json_slot *slot, size_t row) {
    if (slot->nulls.count == 0 || slot->nulls.items[slot->nulls.count - 1] != row) {
        VECTOR_PUSH(&slot->nulls, (uint32_t)row);
    }
    memset(slot->values + row * slot->value_size, 0, slot->value_size);
}

#endif
