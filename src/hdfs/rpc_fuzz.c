/* rpc_fuzz.c: the fuzz target of RPC frames: what rpc.c does with bytes before a method runs. Built with -DFUZZ and
 * -fsanitize=fuzzer it reads what libFuzzer makes; otherwise it takes files and damages each in a few thousand ways of
 * its own, or, without files, random frames. */
#include <stdlib.h>

#include "hdfs/hdfs_internal.h"
#include "rpc.pb-c.h"
#include "transfer.pb-c.h"

/* The method of a call decides which descriptor its parameters are read with; the fuzzer chooses by name, as clients
 * do. */
static void take_call(struct arena *arena, struct bytes frame) {
    struct bytes part;
    if (message_take(&frame, &part, 8 << 20) != 1 ||
        !message_unpack(&hadoop__rpc_request_header__descriptor, arena, part) ||
        message_take(&frame, &part, 8 << 20) != 1) {
        return;
    }
    Hadoop__RequestHeader *header =
        (Hadoop__RequestHeader *)message_unpack(&hadoop__request_header__descriptor, arena, part);
    const struct call_method *method = header ? call_method_find(header->methodname) : NULL;
    if (method && message_take(&frame, &part, 8 << 20) == 1) {
        message_unpack(method->request, arena, part);
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
        message_unpack(others[i], &arena, bytes_make(data, size));
    }
    arena_destroy(&arena);
    return 0;
}

#ifndef FUZZ
#define ROUNDS 3000

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

static void damage(struct buffer *input) {
    for (long changes = 1 + random() % 4; changes > 0 && input->size > 0; changes--) {
        size_t at = (size_t)random() % input->size;
        switch (random() % 3) {
        case 0:
            input->data[at] = (uint8_t)random();
            break;
        case 1:
            input->data[at] ^= (uint8_t)(1u << (random() % 8));
            break;
        default:
            input->size = at;
        }
    }
}

static void run(struct bytes start) {
    for (int i = 0; i < ROUNDS; i++) {
        struct buffer input = {0};
        buffer_append_bytes(&input, start);
        damage(&input);
        LLVMFuzzerTestOneInput(input.data, input.size);
        buffer_free(&input);
    }
}

int main(int argc, char **argv) {
    struct buffer input = {0};
    srandom(1);
    append_call(&input);
    run(buffer_view(&input));
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        buffer_clear(&input);
        for (size_t count = 1; file && count > 0;) {
            count = fread(buffer_reserve(&input, 65536), 1, 65536, file);
            input.size += count;
        }
        if (file) {
            fclose(file);
        }
        run(buffer_view(&input));
    }
    buffer_free(&input);
    return 0;
}
#endif
