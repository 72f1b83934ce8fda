/* message.c: reads the field tables and moves values between C structs and Kafka's bytes.
 *
 * The form. Integers are big-endian. In versions below `flexible`, strings have an int16 length, bytes and arrays an
 * int32 one, -1 for null. From `flexible` on a length is an unsigned varint of length + 1 (0 for null), and every
 * struct ends with its tagged fields: their count, then tag, size and content of each, ascending. Unknown tags are
 * stepped over. A nullable struct has one byte in front: -1 null, 1 present;
 * of a tagged one 0 is null too. */
#include "wire/message.h"

#include "base/assert.h"
#include "wire/record_batch.h"

#define ARRAY_MEMORY_MAX (64u << 20)
#define DEPTH_MAX 16

struct wire_array {
    void *items;
    int32_t count;
};

static bool field_in(const struct wire_field *field, int16_t version) {
    return version >= field->first && version <= field->last;
}

/* ---- defaults and comparison ---- */

static void set_number(uint8_t type, void *at, int64_t value) {
    switch (type) {
    case WIRE_BOOL:
        *(bool *)at = value != 0;
        break;
    case WIRE_INT8:
        *(int8_t *)at = (int8_t)value;
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        *(int16_t *)at = (int16_t)value;
        break;
    case WIRE_INT32:
        *(int32_t *)at = (int32_t)value;
        break;
    case WIRE_INT64:
        *(int64_t *)at = value;
        break;
    case WIRE_FLOAT64:
        *(double *)at = (double)value;
        break;
    default:
        break;
    }
}

static bool is_pointer(const struct wire_field *field) {
    return field->type == WIRE_STRUCT && !field->array && field->nullable <= field->last;
}

static void set_field_default(const struct wire_field *field, void *at) {
    if (field->array) {
        ((struct wire_array *)at)->items = NULL;
        ((struct wire_array *)at)->count = (int32_t)field->default_value;
    } else if (is_pointer(field)) {
        *(void **)at = NULL;
    } else if (field->type == WIRE_STRUCT) {
        wire_set_defaults(field->of, at);
    } else if (field->type >= WIRE_UUID) {
        memset(at, 0, field->size);
    } else {
        set_number(field->type, at, field->default_value);
    }
}

void wire_set_defaults(const struct wire_struct *of, void *value) {
    memset(value, 0, of->size);
    for (unsigned i = 0; i < of->field_count; i++)
        set_field_default(&of->fields[i], (uint8_t *)value + of->fields[i].offset);
}

void *wire_new(struct arena *arena, const struct wire_struct *of, int32_t count) {
    uint8_t *items = arena_array(arena, (size_t)(count > 0 ? count : 0), of->size);
    for (int32_t i = 0; i < count; i++)
        wire_set_defaults(of, items + (size_t)i * of->size);
    return items;
}

static bool value_equal(const struct wire_field *field, const void *left, const void *right) {
    if (field->type == WIRE_STRUCT)
        return wire_equal(field->of, left, right);
    if (field->type >= WIRE_STRING) {
        const struct bytes *a = left, *b = right;
        return (a->data == NULL) == (b->data == NULL) && bytes_equal(*a, *b);
    }
    return memcmp(left, right, field->size) == 0;
}

bool wire_equal(const struct wire_struct *of, const void *left, const void *right) {
    for (unsigned i = 0; i < of->field_count; i++) {
        const struct wire_field *field = &of->fields[i];
        const uint8_t *a = (const uint8_t *)left + field->offset, *b = (const uint8_t *)right + field->offset;
        if (field->array) {
            const struct wire_array *first = (const void *)a, *second = (const void *)b;
            if (first->count != second->count)
                return false;
            for (int32_t j = 0; j < first->count; j++)
                if (!value_equal(field, (const uint8_t *)first->items + (size_t)j * field->size,
                        (const uint8_t *)second->items + (size_t)j * field->size))
                    return false;
        } else if (is_pointer(field)) {
            const void *first = *(void *const *)a, *second = *(void *const *)b;
            if (!first != !second || (first && !wire_equal(field->of, first, second)))
                return false;
        } else if (!value_equal(field, a, b)) {
            return false;
        }
    }
    return true;
}

static bool field_is_default(const struct wire_field *field, const void *at) {
    if (field->array)
        return ((const struct wire_array *)at)->count == (int32_t)field->default_value ||
               (field->default_value == 0 && ((const struct wire_array *)at)->count <= 0);
    if (is_pointer(field))
        return *(void *const *)at == NULL;
    if (field->type == WIRE_STRUCT) {
        for (unsigned i = 0; i < field->of->field_count; i++)
            if (!field_is_default(&field->of->fields[i], (const uint8_t *)at + field->of->fields[i].offset))
                return false;
        return true;
    }
    if (field->type == WIRE_UUID)
        return uuid_is_zero(*(const struct uuid *)at);
    if (field->type >= WIRE_STRING)
        return field->nullable <= field->last ? ((const struct bytes *)at)->data == NULL
                                              : ((const struct bytes *)at)->size == 0;
    uint8_t value[8];
    set_number(field->type, value, field->default_value);
    return memcmp(value, at, field->size) == 0;
}

/* ---- decoding ---- */

struct decoder {
    const uint8_t *at, *end;
    int16_t version;
    bool flexible;
    size_t array_memory;
    struct arena *arena;
    const char *message_name;
    struct error *error;
};

static bool decode_struct(struct decoder *decoder, const struct wire_struct *of, void *value, int depth);

static bool corrupt(struct decoder *decoder, const struct wire_field *field, const char *what) {
    return error_set(decoder->error, ERROR_CORRUPT, "%s version %d: field %s: %s", decoder->message_name,
        decoder->version, field->name, what);
}

static bool take(struct decoder *decoder, size_t size, const uint8_t **from) {
    if ((size_t)(decoder->end - decoder->at) < size)
        return false;
    *from = decoder->at;
    decoder->at += size;
    return true;
}

static bool take_uvarint(struct decoder *decoder, uint32_t *value) {
    struct bytes rest = {decoder->at, (size_t)(decoder->end - decoder->at)};
    bool ok = uvarint_read(&rest, value);
    decoder->at = rest.data;
    return ok;
}

/* A length or count; -1 for null. Wide: int32 in the old form, else int16. */
static bool decode_length(struct decoder *decoder, bool wide, int64_t *length) {
    if (decoder->flexible) {
        uint32_t raw;
        if (!take_uvarint(decoder, &raw) || raw > (uint32_t)INT32_MAX + 1)
            return false;
        *length = (int64_t)raw - 1;
        return true;
    }
    const uint8_t *from;
    if (!take(decoder, wide ? 4 : 2, &from))
        return false;
    *length = wide ? (int32_t)load_be32(from) : (int16_t)load_be16(from);
    return *length >= -1;
}

static bool decode_bytes(struct decoder *decoder, const struct wire_field *field, struct bytes *value) {
    int64_t length;
    const uint8_t *from;
    if (!decode_length(decoder, field->type != WIRE_STRING, &length))
        return corrupt(decoder, field, "its length is cut off or negative");
    if (length < 0) {
        *value = BYTES_NULL;
        return decoder->version >= field->nullable || corrupt(decoder, field, "null is not allowed here");
    }
    if (!take(decoder, (size_t)length, &from))
        return corrupt(decoder, field, "it is longer than the bytes that remain");
    *value = bytes_make(from, (size_t)length);
    return true;
}

static bool decode_number(struct decoder *decoder, const struct wire_field *field, void *at) {
    static const uint8_t sizes[] = {[WIRE_BOOL] = 1,
        [WIRE_INT8] = 1,
        [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2,
        [WIRE_INT32] = 4,
        [WIRE_INT64] = 8,
        [WIRE_FLOAT64] = 8,
        [WIRE_UUID] = 16};
    const uint8_t *from;
    if (!take(decoder, sizes[field->type], &from))
        return corrupt(decoder, field, "the message ends before it");
    switch (field->type) {
    case WIRE_BOOL:
        *(bool *)at = *from != 0;
        return true;
    case WIRE_INT8:
        *(int8_t *)at = (int8_t)*from;
        return true;
    case WIRE_INT16:
    case WIRE_UINT16:
        *(uint16_t *)at = load_be16(from);
        return true;
    case WIRE_INT32:
        *(uint32_t *)at = load_be32(from);
        return true;
    case WIRE_INT64:
    case WIRE_FLOAT64:
        *(uint64_t *)at = load_be64(from);
        return true;
    default:
        memcpy(at, from, 16);
        return true;
    }
}

static bool decode_value(struct decoder *decoder, const struct wire_field *field, void *at, int depth) {
    if (field->type == WIRE_STRUCT)
        return decode_struct(decoder, field->of, at, depth + 1);
    if (field->type >= WIRE_STRING)
        return decode_bytes(decoder, field, at);
    return decode_number(decoder, field, at);
}

static bool decode_array(struct decoder *decoder, const struct wire_field *field, struct wire_array *array, int depth) {
    int64_t count;
    array->items = NULL;
    array->count = 0;
    if (!decode_length(decoder, true, &count))
        return corrupt(decoder, field, "its count is cut off or negative");
    if (count < 0) {
        array->count = -1;
        return decoder->version >= field->nullable || corrupt(decoder, field, "null is not allowed here");
    }
    if (count > decoder->end - decoder->at) /* an element takes at least one byte */
        return corrupt(decoder, field, "it has more elements than bytes remain");
    decoder->array_memory += (size_t)count * field->size;
    if (decoder->array_memory > ARRAY_MEMORY_MAX)
        return error_set(decoder->error, ERROR_LIMIT, "%s version %d: its arrays take more than %u MiB",
            decoder->message_name, decoder->version, ARRAY_MEMORY_MAX >> 20);
    array->items = arena_array(decoder->arena, (size_t)count, field->size);
    array->count = (int32_t)count;
    /* Elements of an array cannot be null themselves, whatever the array may be. */
    struct wire_field element = *field;
    element.nullable = INT16_MAX;
    for (int64_t i = 0; i < count; i++)
        if (!decode_value(decoder, &element, (uint8_t *)array->items + (size_t)i * field->size, depth))
            return false;
    return true;
}

static bool decode_field(struct decoder *decoder, const struct wire_field *field, void *at, int depth) {
    if (field->array)
        return decode_array(decoder, field, at, depth);
    if (!is_pointer(field))
        return decode_value(decoder, field, at, depth);
    const uint8_t *marker;
    *(void **)at = NULL;
    if (!take(decoder, 1, &marker))
        return corrupt(decoder, field, "the message ends before it");
    if ((int8_t)*marker < 0 || (field->tag >= 0 && *marker == 0))
        return true;
    *(void **)at = arena_allocate(decoder->arena, field->of->size);
    return decode_struct(decoder, field->of, *(void **)at, depth + 1);
}

static const struct wire_field *find_tag(const struct decoder *decoder, const struct wire_struct *of, uint32_t tag) {
    for (unsigned i = of->field_count; i-- > 0 && of->fields[i].tag >= 0;)
        if ((uint32_t)of->fields[i].tag == tag && field_in(&of->fields[i], decoder->version))
            return &of->fields[i];
    return NULL;
}

static bool decode_tagged(struct decoder *decoder, const struct wire_struct *of, uint8_t *value, int depth) {
    uint32_t count, tag, size;
    if (!take_uvarint(decoder, &count))
        goto cut;
    int64_t before = -1;
    for (; count > 0; count--) {
        if (!take_uvarint(decoder, &tag) || tag > INT32_MAX || (int64_t)tag <= before ||
            !take_uvarint(decoder, &size) || size > (size_t)(decoder->end - decoder->at))
            goto cut;
        before = tag;
        const struct wire_field *field = find_tag(decoder, of, tag);
        const uint8_t *behind = decoder->at + size, *end = decoder->end;
        if (field) {
            decoder->end = behind;
            if (!decode_field(decoder, field, value + field->offset, depth))
                return false;
            decoder->end = end;
            if (decoder->at != behind)
                return corrupt(decoder, field, "its size does not fit its content");
        }
        decoder->at = behind;
    }
    return true;
cut:
    return error_set(decoder->error, ERROR_CORRUPT,
        "%s version %d: the tagged fields of %s are cut off or not in order", decoder->message_name, decoder->version,
        of->name);
}

static bool decode_struct(struct decoder *decoder, const struct wire_struct *of, void *value, int depth) {
    ASSERT(depth < DEPTH_MAX); /* the tables are finite */
    wire_set_defaults(of, value);
    for (unsigned i = 0; i < of->field_count; i++) {
        const struct wire_field *field = &of->fields[i];
        if (field->tag < 0 && field_in(field, decoder->version) &&
            !decode_field(decoder, field, (uint8_t *)value + field->offset, depth))
            return false;
    }
    return !decoder->flexible || decode_tagged(decoder, of, value, depth);
}

bool wire_decode(const struct wire_message *message, int16_t version, struct bytes *input, struct arena *arena,
    void *value, struct error *error) {
    if (version < message->version_min || version > message->version_max)
        return error_set(error, ERROR_UNSUPPORTED, "%s has no version %d (known: %d to %d)", message->name, version,
            message->version_min, message->version_max);
    struct decoder decoder = {.at = input->data,
        .end = input->data + input->size,
        .version = version,
        .flexible = version >= message->flexible,
        .arena = arena,
        .message_name = message->name,
        .error = error};
    if (!decode_struct(&decoder, message->body, value, 0))
        return false;
    input->size = (size_t)(decoder.end - decoder.at);
    input->data = decoder.at;
    return true;
}

/* ---- encoding ---- */

struct encoder {
    struct buffer *out;
    struct wire_gaps *gaps;
    int16_t version;
    bool flexible, lossy;
    const char *message_name;
    struct error *error;
};

static bool encode_struct(struct encoder *encoder, const struct wire_struct *of, const void *value, int depth);

static bool encode_length(struct encoder *encoder, const struct wire_field *field, bool wide, int64_t length) {
    if (length < 0 && encoder->version < field->nullable)
        length = 0;
    if (length > (wide || encoder->flexible ? INT32_MAX : INT16_MAX))
        return error_set(encoder->error, ERROR_LIMIT, "%s version %d: field %s is too long", encoder->message_name,
            encoder->version, field->name);
    if (encoder->flexible)
        uvarint_append(encoder->out, (uint32_t)(length + 1));
    else if (wide)
        store_be32(buffer_extend(encoder->out, 4), (uint32_t)length);
    else
        store_be16(buffer_extend(encoder->out, 2), (uint16_t)length);
    return true;
}

static bool encode_bytes(struct encoder *encoder, const struct wire_field *field, const struct bytes *value) {
    if (!encode_length(encoder, field, field->type != WIRE_STRING, value->data ? (int64_t)value->size : -1))
        return false;
    if (value->size > 0 && field->type == WIRE_RECORDS && encoder->gaps)
        VECTOR_PUSH(encoder->gaps, ((struct wire_gap){encoder->out->size, *value}));
    else
        buffer_append(encoder->out, value->data, value->size);
    return true;
}

static void encode_number(struct encoder *encoder, const struct wire_field *field, const void *at) {
    switch (field->type) {
    case WIRE_BOOL:
        buffer_append_byte(encoder->out, *(const bool *)at ? 1 : 0);
        break;
    case WIRE_INT8:
        buffer_append_byte(encoder->out, (uint8_t) * (const int8_t *)at);
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        store_be16(buffer_extend(encoder->out, 2), *(const uint16_t *)at);
        break;
    case WIRE_INT32:
        store_be32(buffer_extend(encoder->out, 4), *(const uint32_t *)at);
        break;
    case WIRE_INT64:
    case WIRE_FLOAT64:
        store_be64(buffer_extend(encoder->out, 8), *(const uint64_t *)at);
        break;
    default:
        buffer_append(encoder->out, at, 16);
        break;
    }
}

static bool encode_value(struct encoder *encoder, const struct wire_field *field, const void *at, int depth) {
    if (field->type == WIRE_STRUCT)
        return encode_struct(encoder, field->of, at, depth + 1);
    if (field->type >= WIRE_STRING)
        return encode_bytes(encoder, field, at);
    encode_number(encoder, field, at);
    return true;
}

static bool encode_field(struct encoder *encoder, const struct wire_field *field, const void *at, int depth) {
    if (field->array) {
        const struct wire_array *array = at;
        if (!encode_length(encoder, field, true, array->count))
            return false;
        struct wire_field element = *field;
        element.nullable = INT16_MAX;
        for (int32_t i = 0; i < array->count; i++)
            if (!encode_value(encoder, &element, (const uint8_t *)array->items + (size_t)i * field->size, depth))
                return false;
        return true;
    }
    if (!is_pointer(field))
        return encode_value(encoder, field, at, depth);
    const void *pointed = *(void *const *)at;
    buffer_append_byte(encoder->out, pointed ? 1 : 0xff);
    return !pointed || encode_struct(encoder, field->of, pointed, depth + 1);
}

/* Tagged fields hold no records, so content can be made aside and its size put in front. */
static bool encode_tagged(struct encoder *encoder, const struct wire_struct *of, const uint8_t *value, int depth) {
    unsigned count = 0;
    for (unsigned i = 0; i < of->field_count; i++)
        if (of->fields[i].tag >= 0 && field_in(&of->fields[i], encoder->version) &&
            !field_is_default(&of->fields[i], value + of->fields[i].offset))
            count++;
    uvarint_append(encoder->out, count);
    if (count == 0)
        return true;
    struct buffer content = {0}, *out = encoder->out;
    bool ok = true;
    for (unsigned i = 0; i < of->field_count && ok; i++) {
        const struct wire_field *field = &of->fields[i];
        if (field->tag < 0 || !field_in(field, encoder->version) || field_is_default(field, value + field->offset))
            continue;
        buffer_clear(&content);
        encoder->out = &content;
        ok = encode_field(encoder, field, value + field->offset, depth);
        encoder->out = out;
        uvarint_append(out, (uint32_t)field->tag);
        uvarint_append(out, (uint32_t)content.size);
        buffer_append(out, content.data, content.size);
    }
    buffer_free(&content);
    return ok;
}

static bool encode_struct(struct encoder *encoder, const struct wire_struct *of, const void *value, int depth) {
    ASSERT(depth < DEPTH_MAX);
    for (unsigned i = 0; i < of->field_count; i++) {
        const struct wire_field *field = &of->fields[i];
        const uint8_t *at = (const uint8_t *)value + field->offset;
        if (!field_in(field, encoder->version)) {
            if (!field->lossy && !encoder->lossy && !field_is_default(field, at))
                return error_set(encoder->error, ERROR_INVALID, "%s version %d cannot carry field %s",
                    encoder->message_name, encoder->version, field->name);
        } else if (field->tag < 0 && !encode_field(encoder, field, at, depth)) {
            return false;
        }
    }
    return !encoder->flexible || encode_tagged(encoder, of, value, depth);
}

bool wire_encode(const struct wire_message *message, int16_t version, const void *value, struct buffer *out,
    struct wire_gaps *gaps, struct error *error) {
    ASSERT(version >= message->version_min && version <= message->version_max);
    struct encoder encoder = {.out = out,
        .gaps = gaps,
        .version = version,
        .flexible = version >= message->flexible,
        .lossy = message->kind == WIRE_KIND_REPLY,
        .message_name = message->name,
        .error = error};
    return encode_struct(&encoder, message->body, value, 0);
}
