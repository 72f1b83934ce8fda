/* fuzz_protobuf.c: the fuzz target of wire/protobuf.h: the walk, unpacking, and packing what came out; what is packed
 * must be read again. */
#include "base/assert.h"
#include "fuzz.h"
#include "protobuf_test.pb-c.h"
#include "wire/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ProtobufCMessageDescriptor *const kinds[] = {
        &wire_test__tree__descriptor, &wire_test__strict__descriptor};
    struct arena arena = {0};
    struct bytes rest = bytes_make(data, size), part;
    while (protobuf_take_delimited(&rest, &part, 1 << 20) == 1)
        protobuf_check(kinds[0], part, 3, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        ProtobufCMessage *message = protobuf_unpack(&arena, kinds[i], bytes_make(data, size), 50, NULL);
        if (message == NULL)
            continue;
        struct buffer packed = protobuf_pack(message);
        ASSERT(protobuf_unpack(&arena, kinds[i], buffer_view(&packed), 50, NULL) != NULL);
        buffer_free(&packed);
    }
    arena_destroy(&arena);
    return 0;
}

bool fuzz_seed(size_t index, struct buffer *out) {
    const struct bytes seeds[] = {
        BYTES("\x0a\x0a\x12\x02\x1a\x00\x1a\x04root\x21"
              "12345678\x2d"
              "1234\x32\x03\x0a\x01x"),
        BYTES("\x12\x08\x12\x06\x12\x04\x12\x02\x1a\x00\x12\x00\x1a\x01y\xe2\x01\x00"),
        BYTES("\x08\x96\x01"),
    };
    if (index >= ARRAY_COUNT(seeds))
        return false;
    buffer_append_bytes(out, seeds[index]);
    return true;
}
