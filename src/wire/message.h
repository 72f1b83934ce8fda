/* message.h: one interpreting codec for all Kafka messages. A message is a plain C struct that stands for every
 * version; a constant table (made from schema/kafka/ by tools/generate_kafka.py) says where each field lies and in
 * which versions it is on the wire. Handlers never branch on the version.
 *
 * In memory: strings, bytes and records are `struct bytes` (data NULL is null); arrays are {items, count} with count -1
 * for null; a nullable struct is a pointer. Fields that a version lacks have their default after decoding. Any thread;
 * nothing is kept between calls. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "base/vector.h"

enum wire_type {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
};
enum wire_kind { WIRE_KIND_REQUEST, WIRE_KIND_REPLY, WIRE_KIND_RECORD, WIRE_KIND_DATA };

struct wire_struct;
struct wire_field {
    const char *name;
    uint32_t offset;     /* in the C struct */
    uint8_t type;        /* enum wire_type, of the elements when `array` */
    uint32_t size;       /* of one element in memory */
    int16_t first, last; /* versions that have it */
    int16_t nullable;    /* first version that may carry null */
    int16_t tag;         /* -1: not tagged */
    bool array;
    bool lossy; /* may be dropped where the version lacks it */
    const struct wire_struct *of;
    int64_t default_value; /* of numbers; -1 for an array means null */
};
struct wire_struct {
    const char *name;
    uint32_t size;
    uint16_t field_count;
    const struct wire_field *fields; /* untagged ones in wire order, then tagged ones by tag */
};
struct wire_message {
    const char *name;
    enum wire_kind kind;
    int16_t key; /* API key or record type, -1 none */
    int16_t version_min, version_max;
    int16_t flexible; /* first version with compact lengths and tagged fields */
    const struct wire_struct *body;
};

/* Reads a message of `version` from the front of *input and moves it behind what was read. Strings and byte fields are
 * views of the input; arrays and nested structs come from the arena. `value` is overwritten entirely. ERROR_CORRUPT
 * when bytes are missing or counts cannot be, ERROR_LIMIT when the arrays would take more than 64 MiB,
 * ERROR_UNSUPPORTED for a version outside the message's range. */
bool wire_decode(const struct wire_message *message, int16_t version, struct bytes *input, struct arena *arena,
    void *value, struct error *error);

/* Where an encoded records field was left out, so that its bytes can be sent from the file they lie in. */
struct wire_gap {
    size_t position;      /* in the output: the bytes belong before this index */
    struct bytes records; /* the field's value, unread */
};
struct wire_gaps {
    struct wire_gap *items;
    size_t count, capacity;
};
/* Appends the message. With gaps, records fields that are not empty are not copied: only their length is written and a
 * gap is added. A reply leaves out what its version lacks: an older client did not ask for it. Otherwise ERROR_INVALID
 * when a field has a value that the version cannot carry and is not lossy. */
bool wire_encode(const struct wire_message *message, int16_t version, const void *value, struct buffer *out,
    struct wire_gaps *gaps, struct error *error);

/* Sets every field to its default (a zeroed struct has the wrong value where the default is not zero). */
void wire_set_defaults(const struct wire_struct *of, void *value);
/* An array of defaults; count 0 gives a valid pointer. */
void *wire_new(struct arena *arena, const struct wire_struct *of, int32_t count);
/* Gives an array field `n` elements with defaults: WIRE_ARRAY(arena, &reply->topics, &kafka_…_struct, n). */
#define WIRE_ARRAY(arena, array, of, n)                                                                                \
    ((array)->items = wire_new((arena), (of), (int32_t)(n)), (array)->count = (int32_t)(n))

/* The same fields with the same values. For tests, and to leave out tagged fields that have their default. */
bool wire_equal(const struct wire_struct *of, const void *left, const void *right);

#endif
