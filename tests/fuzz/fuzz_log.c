/* fuzz_log.c: a libFuzzer target: the bytes are a segment file that a killed process left. Recovery, reading, searching
 * by time and another recovery must end, stay within the bytes, and give only batches with a right checksum. Build and
 * run: tests/fuzz/run_fuzz_log.sh */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "log/log.h"
#include "wire/compress.h"
#include "wire/record_batch.h"
#include "world/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct uuid topic_id = {{1}};

static void read_batch(struct bytes *rest) {
    struct record_batch batch;
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    ASSERT(record_batch_parse(*rest, &batch) == RECORD_BATCH_OK && record_batch_checksum_ok(&batch));
    struct buffer plain = {0};
    struct bytes records = batch.records;
    bool ok = true;
    if (record_batch_codec(&batch) != RECORD_CODEC_NONE) {
        ok = compression_decode(record_batch_codec(&batch), batch.records, 1 << 20, &plain, &error);
        records = buffer_view(&plain);
    }
    record_reader_init(&reader, &batch, records);
    while (ok && record_reader_next(&reader, &record, &error))
        continue;
    buffer_free(&plain);
    *rest = bytes_slice(*rest, batch.whole.size, rest->size - batch.whole.size);
}

/* Opens what is there, reads all of it, gives the log end. */
static int64_t open_and_read(struct world *world) {
    struct error error = {0};
    struct log_manager_options options = {.world = world, .directory = "/k", .node_id = 1};
    struct log_manager *manager = log_manager_open(&options, &error);
    ASSERT(manager);
    struct log_config config;
    log_config_defaults(&config);
    config.segment_index_bytes = 4096;
    struct partition_log *log = log_open(manager, "t", topic_id, 0, &config, true, &error);
    ASSERT(log);
    int64_t offset = log_start_offset(log), end_offset = log_end_offset(log);
    for (;;) {
        struct log_view view;
        if (log_read_map(log, offset, 1000, LOG_READ_UNCOMMITTED, &view, &error) != LOG_STATUS_OK || !view.map)
            break;
        ASSERT(view.next_offset > offset);
        for (struct bytes rest = view.batches; rest.size > 0;)
            read_batch(&rest);
        offset = view.next_offset;
        log_map_release(view.map);
    }
    struct log_time_offset found;
    log_offset_for_time(log, 1000, LOG_READ_UNCOMMITTED, &found, &error);
    log_offset_for_time(log, LOG_TIME_MAX, LOG_READ_COMMITTED, &found, &error);
    log_manager_close(manager);
    return end_offset;
}

/* Batches of every codec, one of a transaction and one of a compacted log. */
static void build_file(struct buffer *out) {
    for (int i = 0; i < RECORD_CODEC_COUNT; i++) {
        struct record_builder builder;
        struct buffer plain = {0}, packed = {0};
        struct error error;
        record_builder_begin(&builder, &plain, 4 * i, i == 3 ? RECORD_BATCH_TRANSACTIONAL : 0);
        for (int k = 0; k < 3; k++)
            record_builder_add(&builder, 4 * i + k, 1000 + 10 * i + k, BYTES("key"), BYTES("a value of some length"),
                BYTES("\x02h\x04xy"), 1);
        record_builder_end(&builder, i, 0, i == 0 ? -1 : i, 0);
        buffer_append(&packed, plain.data, RECORD_BATCH_HEADER_SIZE);
        ASSERT(compression_encode((enum record_codec)i,
            bytes_make(plain.data + RECORD_BATCH_HEADER_SIZE, plain.size - RECORD_BATCH_HEADER_SIZE), &packed, &error));
        store_be32(packed.data + 8, (uint32_t)(packed.size - RECORD_BATCH_LENGTH_START));
        store_be16(packed.data + 21, (uint16_t)(load_be16(packed.data + 21) | i));
        record_batch_seal(packed.data, packed.size);
        buffer_append(out, packed.data, packed.size);
        buffer_free(&plain);
        buffer_free(&packed);
    }
}

/* Makes every checksum right, so that what is wrong otherwise is reached. */
static void seal_all(struct buffer *file) {
    for (size_t at = 0; at + RECORD_BATCH_HEADER_SIZE <= file->size;) {
        size_t size = record_batch_size(file->data + at);
        if (size == 0 || size > file->size - at)
            break;
        record_batch_seal(file->data + at, size);
        at += size;
    }
}

/* The input is: a byte of flags (1: checksums are made right, 2: start from a good file), then edits of three bytes
 * (position, value) while the file is a good one, else the file itself. */
static void make_file(const uint8_t *data, size_t size, struct buffer *file) {
    uint8_t flags = size > 0 ? data[0] : 0;
    size_t at = size > 0 ? 1 : 0;
    if (flags & 2) {
        build_file(file);
        for (; at + 3 <= size; at += 3)
            file->data[load_be16(data + at) % file->size] = data[at + 2];
    }
    buffer_append(file, data + at, size - at);
    if (flags & 1)
        seal_all(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct world *world = world_sim_create(1);
    struct buffer file = {0};
    struct error error;
    make_file(data, size, &file);
    ASSERT(world_mkdirs(world, "/k/t-0", 0755, &error));
    ASSERT(world_write_file(world, "/k/t-0/00000000000000000000.log", buffer_view(&file), false, &error));
    int64_t first = open_and_read(world);
    ASSERT(world_unlink(world, "/k/.kafka_cleanshutdown", &error));
    ASSERT(open_and_read(world) == first);
    buffer_free(&file);
    world_destroy(world);
    return 0;
}

#ifdef FUZZ_STANDALONE
/* Without libFuzzer: a number of inputs from a fixed sequence, for every test run. */
/* fuzz_log [RUNS [SEED]] */
int main(int argc, char **argv) {
    int64_t runs = 400, seed = 0;
    if ((argc > 1 && !bytes_to_int64(bytes_from_text(argv[1]), &runs)) ||
        (argc > 2 && !bytes_to_int64(bytes_from_text(argv[2]), &seed)))
        return 2;
    uint64_t state = 88172645463325252u + (uint64_t)seed;
    for (int64_t run = 0; run < runs; run++) {
        uint8_t input[64];
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size_t size = 1 + state % (sizeof input - 1);
        for (size_t i = 0; i < size; i++)
            input[i] = (uint8_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%lld damaged segments: recovered, read, recovered again\n", (long long)runs);
    return 0;
}
#endif
