/* rpc_fuzz.c: the fuzz target of RPC frames: what rpc.c does with bytes before a method runs. Built with -DFUZZ and
 * -fsanitize=fuzzer it reads what libFuzzer makes; otherwise it takes files and damages each in a few thousand ways of
 * its own, or, without files, random frames. */
#include "hdfs/hdfs_internal.h"
#include "rpc.pb-c.h"
#include "transfer.pb-c.h"

/* The method of a call decides which descriptor its parameters are read with; the fuzzer chooses by name, as clients
 * do. */
static void take_call(struct arena *arena, struct bytes frame) {
    struct bytes part;
    if (protobuf_take_delimited(&frame, &part, 8 << 20) != 1 ||
        !protobuf_unpack(arena, &hadoop__rpc_request_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL) ||
        protobuf_take_delimited(&frame, &part, 8 << 20) != 1) {
        return;
    }
    Hadoop__RequestHeader *header = (Hadoop__RequestHeader *)protobuf_unpack(
        arena, &hadoop__request_header__descriptor, part, PROTOBUF_DEPTH_USUAL, NULL);
    const struct call_method *method = header ? call_method_find(header->methodname) : NULL;
    if (method && protobuf_take_delimited(&frame, &part, 8 << 20) == 1) {
        protobuf_unpack(arena, method->request, part, PROTOBUF_DEPTH_USUAL, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ProtobufCMessageDescriptor *const others[] = {&hadoop__op_write_block__descriptor,
        &hadoop__op_read_block__descriptor, &hadoop__op_block_checksum__descriptor, &hadoop__packet_header__descriptor,
        &hadoop__ipc_connection_context__descriptor, &hadoop__located_blocks__descriptor};
    struct arena arena = {0};
    take_call(&arena, bytes_make(data, size));
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        protobuf_unpack(&arena, others[i], bytes_make(data, size), PROTOBUF_DEPTH_USUAL, NULL);
    }
    arena_destroy(&arena);
    return 0;
}

#ifndef FUZZ
/* A whole call as a start: header, method, parameters. */
static void append_call(struct buffer *out) {
    static const uint8_t call[] = "\x1a\x08\x02\x10\x00\x18\x00\x22\x10"
                                  "0123456789abcdef"
                                  "\x28\x00"
                                  "\x3f\x0a\x0b"
                                  "getFileInfo"
                                  "\x12\x2e"
                                  "org.apache.hadoop.hdfs.protocol.ClientProtocol"
                                  "\x18\x01"
                                  "\x07\x0a\x05/a/bc";
    buffer_append(out, call, sizeof call - 1);
}

/* A small generator of its own: the same seed gives the same run. */
static uint64_t state = 1;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void damage(struct buffer *input) {
    for (uint64_t changes = 1 + next() % 4; changes > 0 && input->size > 0; changes--) {
        size_t at = (size_t)(next() % input->size);
        switch (next() % 3) {
        case 0:
            input->data[at] = (uint8_t)next();
            break;
        case 1:
            input->data[at] ^= (uint8_t)(1u << (next() % 8));
            break;
        default:
            input->size = at;
        }
    }
}

/* rpc_fuzz [ROUNDS [SEED]] */
int main(int argc, char **argv) {
    int64_t rounds = 20000, seed = 1;
    if ((argc > 1 && !bytes_to_int64(bytes_from_text(argv[1]), &rounds)) ||
        (argc > 2 && !bytes_to_int64(bytes_from_text(argv[2]), &seed)))
        return 2;
    state = (uint64_t)seed;
    struct buffer call = {0}, input = {0};
    append_call(&call);
    for (int64_t i = 0; i < rounds; i++) {
        buffer_clear(&input);
        buffer_append_bytes(&input, buffer_view(&call));
        damage(&input);
        LLVMFuzzerTestOneInput(input.data, input.size);
    }
    buffer_free(&input);
    buffer_free(&call);
    return 0;
}
#endif
