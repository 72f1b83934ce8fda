#include "wire/protobuf.h"

#include "base/assert.h"

/* ---- the walk before unpacking ---- */

/* Wire types of the encoding (protobuf.dev, "Encoding"); groups, of another age, are refused. */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };
enum { FIELD_NUMBER_MAX = 536870911 };

static bool take_varint(struct bytes *data, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; i < 10 && i < data->size; i++) {
        *value |= (uint64_t)(data->data[i] & 0x7f) << (7 * i);
        if (data->data[i] < 0x80) {
            *data = bytes_slice(*data, i + 1, data->size - i - 1);
            return true;
        }
    }
    return false;
}

static bool skip(struct bytes *data, uint64_t size) {
    if (size > data->size)
        return false;
    *data = bytes_slice(*data, (size_t)size, data->size - (size_t)size);
    return true;
}

static const ProtobufCMessageDescriptor *message_of(const ProtobufCMessageDescriptor *descriptor, uint64_t number) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)number);
    return field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* What still has to be walked: an explicit stack in place of recursion. */
struct level {
    const ProtobufCMessageDescriptor *descriptor;
    struct bytes left;
};

/* Takes one field off the level; for a message field *inner is what it holds, with its type; else the type is NULL. */
static bool take_field(struct level *level, struct level *inner) {
    uint64_t tag, size;
    inner->descriptor = NULL;
    if (!take_varint(&level->left, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    switch (tag & 7) {
    case WIRE_VARINT:
        return take_varint(&level->left, &size);
    case WIRE_FIXED64:
        return skip(&level->left, 8);
    case WIRE_FIXED32:
        return skip(&level->left, 4);
    case WIRE_LENGTH:
        if (!take_varint(&level->left, &size) || size > level->left.size)
            return false;
        inner->left = bytes_slice(level->left, 0, (size_t)size);
        inner->descriptor = message_of(level->descriptor, tag >> 3);
        return skip(&level->left, size);
    default:
        return false;
    }
}

bool protobuf_check(
    const ProtobufCMessageDescriptor *descriptor, struct bytes data, size_t depth_max, struct error *error) {
    struct level levels[PROTOBUF_DEPTH_MAX];
    size_t depth = 1;
    ASSERT(depth_max > 0 && depth_max <= PROTOBUF_DEPTH_MAX);
    levels[0] = (struct level){descriptor, data};
    while (depth > 0) {
        struct level inner;
        if (levels[depth - 1].left.size == 0) {
            depth--;
            continue;
        }
        if (!take_field(&levels[depth - 1], &inner))
            return error_set(error, ERROR_CORRUPT, "the message %s is malformed or cut off", descriptor->short_name);
        if (inner.descriptor == NULL)
            continue;
        if (depth == depth_max)
            return error_set(error, ERROR_LIMIT, "the message %s is nested more than %zu levels deep",
                descriptor->short_name, depth_max);
        levels[depth++] = inner;
    }
    return true;
}

/* ---- in the arena ---- */

static void *allocate(void *arena, size_t size) {
    return arena_allocate(arena, size);
}

static void release(void *arena, void *memory) {
}

ProtobufCMessage *protobuf_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes data,
    size_t depth_max, struct error *error) {
    static const uint8_t nothing[1];
    ProtobufCAllocator allocator = {allocate, release, arena};
    if (!protobuf_check(descriptor, data, depth_max, error))
        return NULL;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &allocator, data.size, data.data != NULL ? data.data : nothing);
    if (message == NULL)
        error_set(error, ERROR_CORRUPT, "the message %s has fields of wrong types, or lacks a required one",
            descriptor->short_name);
    return message;
}

struct buffer protobuf_pack(const ProtobufCMessage *message) {
    struct buffer buffer = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    size_t packed = protobuf_c_message_pack(message, buffer_extend(&buffer, size));
    ASSERT(packed == size);
    return buffer;
}

uint32_t protobuf_unknown_field(const ProtobufCMessage *message) {
    return message->n_unknown_fields == 0 ? 0 : message->unknown_fields[0].tag;
}

ProtobufCMessage *protobuf_make(struct arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = arena_allocate_zeroed(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

char *protobuf_string(struct arena *arena, struct bytes text) {
    return arena_text(arena, text);
}

/* ---- behind a length ---- */

int protobuf_take_delimited(struct bytes *input, struct bytes *message, size_t size_max) {
    struct bytes rest = *input;
    uint64_t size;
    if (!take_varint(&rest, &size))
        return input->size >= 10 ? -1 : 0;
    if (size > size_max)
        return -1;
    if (size > rest.size)
        return 0;
    *message = bytes_slice(rest, 0, (size_t)size);
    *input = bytes_slice(rest, (size_t)size, rest.size - (size_t)size);
    return 1;
}

void protobuf_append_delimited(struct buffer *out, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    for (size_t rest = size;; rest >>= 7) {
        buffer_append_byte(out, (uint8_t)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80));
        if (rest < 0x80)
            break;
    }
    if (size > 0)
        protobuf_c_message_pack(message, buffer_extend(out, size));
}
