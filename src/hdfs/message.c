/* message.c: protocol buffers from strangers. protobuf-c's unpack has no limit on nesting, so the wire form is walked
 * first, along the descriptors; then it is unpacked in the request's arena. */
#include "hdfs/message.h"

#include <stdlib.h>

static bool take_varint(struct bytes *input, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; i < 10 && i < input->size; i++) {
        *value |= (uint64_t)(input->data[i] & 0x7f) << (7 * i);
        if (!(input->data[i] & 0x80)) {
            *input = bytes_slice(*input, i + 1, input->size - i - 1);
            return true;
        }
    }
    return false;
}

static bool skip(struct bytes *input, uint64_t size) {
    if (size > input->size) {
        return false;
    }
    *input = bytes_slice(*input, (size_t)size, input->size - (size_t)size);
    return true;
}

static const ProtobufCMessageDescriptor *submessage_of(const ProtobufCMessageDescriptor *descriptor, uint64_t number) {
    const ProtobufCFieldDescriptor *field =
        number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(descriptor, (unsigned)number) : NULL;
    return field && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* What still has to be walked: an explicit stack in place of recursion. */
struct level {
    const ProtobufCMessageDescriptor *descriptor;
    struct bytes rest;
};

bool message_check(const ProtobufCMessageDescriptor *descriptor, struct bytes data) {
    struct level levels[MESSAGE_DEPTH_MAX];
    size_t depth = 1;
    levels[0] = (struct level){descriptor, data};
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        if (level->rest.size == 0) {
            depth--;
            continue;
        }
        uint64_t tag, size;
        if (!take_varint(&level->rest, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911) {
            return false;
        }
        bool ok = true;
        switch (tag & 7) {
        case 0:
            ok = take_varint(&level->rest, &size);
            break;
        case 1:
            ok = skip(&level->rest, 8);
            break;
        case 5:
            ok = skip(&level->rest, 4);
            break;
        case 2: {
            ok = take_varint(&level->rest, &size) && size <= level->rest.size;
            const ProtobufCMessageDescriptor *inner = ok ? submessage_of(level->descriptor, tag >> 3) : NULL;
            struct bytes part = ok ? bytes_slice(level->rest, 0, (size_t)size) : BYTES_NULL;
            ok = ok && skip(&level->rest, size) && (!inner || depth < MESSAGE_DEPTH_MAX);
            if (ok && inner) {
                levels[depth++] = (struct level){inner, part};
            }
            break;
        }
        default: /* groups are of another age; 6 and 7 do not exist */
            return false;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static void *arena_alloc(void *arena, size_t size) {
    return arena_allocate(arena, size);
}

static void arena_free(void *arena, void *pointer) {
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena, struct bytes data) {
    static const uint8_t nothing[1];
    if (!message_check(descriptor, data)) {
        return NULL;
    }
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    return protobuf_c_message_unpack(descriptor, &allocator, data.size, data.data ? data.data : nothing);
}

int message_take(struct bytes *input, struct bytes *message, size_t size_max) {
    struct bytes rest = *input;
    uint64_t size;
    if (!take_varint(&rest, &size)) {
        return input->size >= 10 ? -1 : 0;
    }
    if (size > size_max) {
        return -1;
    }
    if (size > rest.size) {
        return 0;
    }
    *message = bytes_slice(rest, 0, (size_t)size);
    *input = bytes_slice(rest, (size_t)size, rest.size - (size_t)size);
    return 1;
}

void message_append_delimited(struct buffer *out, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    for (size_t rest = size;; rest >>= 7) {
        buffer_append_byte(out, (uint8_t)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80));
        if (rest < 0x80) {
            break;
        }
    }
    if (size > 0) {
        protobuf_c_message_pack(message, buffer_extend(out, size));
    }
}

ProtobufCMessage *message_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = arena_allocate_zeroed(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}
