#include "connect/protobuf.h"

#include "base/assert.h"

/* ---- the walk before unpacking ---- */

/* Wire types of the encoding (protobuf.dev, "Encoding"). */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };

static bool read_varint(struct bytes *data, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (data->size == 0 || shift > 63)
            return false;
        uint8_t byte = *data->data;
        *data = bytes_slice(*data, 1, data->size - 1);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool skip(struct bytes *data, uint64_t size) {
    if (size > data->size)
        return false;
    *data = bytes_slice(*data, (size_t)size, data->size - (size_t)size);
    return true;
}

struct level {
    const ProtobufCMessageDescriptor *descriptor;
    struct bytes left;
};

static const ProtobufCMessageDescriptor *message_of(const ProtobufCMessageDescriptor *descriptor, uint64_t number) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)number);
    return field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* Takes one field off the level; for a message field *inner is its content and *inner_descriptor its type. */
static bool take_field(struct level *level, const ProtobufCMessageDescriptor **inner_descriptor, struct bytes *inner) {
    uint64_t key, size;
    *inner_descriptor = NULL;
    if (!read_varint(&level->left, &key) || key >> 3 == 0 || key >> 3 > 536870911)
        return false;
    switch (key & 7) {
    case WIRE_VARINT:
        return read_varint(&level->left, &size);
    case WIRE_FIXED64:
        return skip(&level->left, 8);
    case WIRE_FIXED32:
        return skip(&level->left, 4);
    case WIRE_LENGTH:
        if (!read_varint(&level->left, &size) || size > level->left.size)
            return false;
        *inner = bytes_slice(level->left, 0, (size_t)size);
        *inner_descriptor = message_of(level->descriptor, key >> 3);
        return skip(&level->left, size);
    default:
        return false; /* groups are not used */
    }
}

static bool check(const ProtobufCMessageDescriptor *descriptor, struct bytes data, struct error *error) {
    struct level levels[PROTOBUF_DEPTH_MAX];
    size_t depth = 1;
    levels[0] = (struct level){descriptor, data};
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        const ProtobufCMessageDescriptor *inner_descriptor;
        struct bytes inner;
        if (level->left.size == 0) {
            depth--;
            continue;
        }
        if (!take_field(level, &inner_descriptor, &inner))
            return error_set(error, ERROR_CORRUPT, "the message %s is malformed or cut off", descriptor->short_name);
        if (inner_descriptor == NULL)
            continue;
        if (depth == PROTOBUF_DEPTH_MAX)
            return error_set(error, ERROR_LIMIT, "the message %s is nested more than %d levels deep",
                descriptor->short_name, PROTOBUF_DEPTH_MAX);
        levels[depth++] = (struct level){inner_descriptor, inner};
    }
    return true;
}

/* ---- in the arena ---- */

static void *allocate(void *arena, size_t size) {
    return arena_allocate(arena, size);
}

static void release(void *arena, void *memory) {
}

ProtobufCMessage *protobuf_unpack(
    struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes data, struct error *error) {
    ProtobufCAllocator allocator = {allocate, release, arena};
    if (!check(descriptor, data, error))
        return NULL;
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, data.size, data.data);
    if (message == NULL)
        error_set(error, ERROR_CORRUPT, "the message %s has fields of wrong types", descriptor->short_name);
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

char *protobuf_string(struct arena *arena, struct bytes text) {
    return arena_text(arena, text);
}

void *protobuf_new(struct arena *arena, size_t size, void (*init)(void *message)) {
    void *message = arena_allocate(arena, size);
    init(message);
    return message;
}
