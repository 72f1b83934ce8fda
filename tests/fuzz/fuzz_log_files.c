/* fuzz_log_files.c: a fuzz target: the files beside a segment (offset, time and transaction indexes, producer
 * snapshots, leader epochs, checkpoints, partition.metadata) after a clean stop, with the bytes of the input put over
 * one of them. The partition must open or be refused with an error, and be read and closed; its own records must not
 * change. The first byte chooses the file, the second how: 0 the input is the file, else it is put at that place. See
 * fuzz.h. */
#include "fuzz.h"

#include <stdio.h>

#include "base/assert.h"
#include "log/log.h"
#include "wire/record_batch.h"
#include "world/sim/sim.h"

static const struct uuid topic_id = {{1}};
static const char *const files[] = {"t-0/00000000000000000000.index", "t-0/00000000000000000000.timeindex",
    "t-0/00000000000000000040.index", "t-0/00000000000000000040.timeindex", "t-0/00000000000000000000.txnindex",
    "t-0/00000000000000000040.snapshot", "t-0/00000000000000000080.snapshot", "t-0/leader-epoch-checkpoint",
    "t-0/partition.metadata", "recovery-point-offset-checkpoint", "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint", "meta.properties", ".kafka_cleanshutdown"};

static void append(struct partition_log *log, int sequence, int16_t attributes) {
    struct buffer bytes = {0};
    struct record_builder builder;
    struct error error = {0};
    struct log_append_result result;
    bool is_marker = attributes & RECORD_BATCH_CONTROL;
    record_builder_begin(&builder, &bytes, 0, attributes);
    for (int i = 0; i < (is_marker ? 1 : 4); i++)
        record_builder_add(&builder, i, 1000 + sequence, is_marker ? BYTES("\0\0\0\0") : BYTES("key"),
            is_marker ? BYTES("\0\0\0\0\0\0") : BYTES("value"), BYTES_NULL, 0);
    record_builder_end(&builder, 7, 0, is_marker ? -1 : sequence, -1);
    enum log_status status = log_append(log, bytes.data, bytes.size,
        &(struct log_append_options){.leader_epoch = sequence / 40, .from_coordinator = is_marker}, &result, &error);
    ASSERT(status == LOG_STATUS_OK);
    buffer_free(&bytes);
}

static struct partition_log *open_log(struct world *world, struct log_manager **manager) {
    struct error error = {0};
    struct log_manager_options options = {.world = world, .directory = "/k", .node_id = 1};
    struct log_config config;
    *manager = log_manager_open(&options, &error);
    if (!*manager)
        return NULL;
    log_config_defaults(&config);
    config.segment_index_bytes = 4096;
    config.index_interval_bytes = 100;
    config.timestamp_after_max_ms = INT64_MAX;
    return log_open(*manager, "t", topic_id, 0, &config, true, &error);
}

static void build(struct world *world) {
    struct log_manager *manager;
    struct error error;
    struct partition_log *log = open_log(world, &manager);
    ASSERT(log);
    for (int i = 0; i < 20; i++) {
        append(log, 4 * i, i % 5 == 0 ? RECORD_BATCH_TRANSACTIONAL : RECORD_BATCH_TRANSACTIONAL);
        if (i % 10 == 9)
            ASSERT(log_roll(log, &error) == LOG_STATUS_OK);
    }
    append(log, 80, RECORD_BATCH_TRANSACTIONAL);
    append(log, -1, RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL);
    log_manager_close(manager);
}

/* Everything that looks into the files. */
static void use(struct partition_log *log) {
    struct error error = {0};
    struct log_time_offset found;
    struct log_aborted_list aborted = {0};
    int64_t offset = log_start_offset(log), end = log_high_watermark(log);
    for (int turns = 0; offset < end && turns < 1000; turns++) {
        struct log_view view;
        if (log_read_map(log, offset, 500, LOG_READ_UNCOMMITTED, &view, &error) != LOG_STATUS_OK)
            break;
        struct record_batch batch;
        for (struct bytes rest = view.batches; view.map && record_batch_parse(rest, &batch) == RECORD_BATCH_OK;
             rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size))
            ASSERT(record_batch_checksum_ok(&batch));
        if (view.map)
            log_map_release(view.map);
        if (view.next_offset <= offset)
            break;
        offset = view.next_offset;
    }
    log_offset_for_time(log, 1050, LOG_READ_UNCOMMITTED, &found, &error);
    log_offset_for_time(log, LOG_TIME_MAX, LOG_READ_COMMITTED, &found, &error);
    log_aborted_transactions(log, 0, 1000, &aborted, &error);
    VECTOR_FREE(&aborted);
    if (!log_failure(log) && log_end_offset(log) < 1000)
        log_roll(log, &error);
}

static void damage(struct world *world, const char *path, const uint8_t *data, size_t size) {
    struct buffer file = {0};
    struct error error;
    size_t at = size > 0 ? data[0] : 0;
    struct bytes rest = bytes_make(data + (size > 0), size > 0 ? size - 1 : 0);
    if (at > 0 && world_exists(world, path) && world_read_file(world, path, 1 << 20, &file, &error)) {
        for (size_t i = 0; i < rest.size && at - 1 + i < file.size; i++)
            file.data[at - 1 + i] = rest.data[i];
    } else {
        buffer_append_bytes(&file, rest);
    }
    world_write_file(world, path, buffer_view(&file), false, &error);
    buffer_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    struct world *world = world_sim_create(1);
    struct log_manager *manager = NULL;
    char path[100];
    snprintf(path, sizeof path, "/k/%s", files[(data[0] & 0x7f) % ARRAY_COUNT(files)]);
    build(world);
    damage(world, path, data + 1, size - 1);
    struct error error;
    if (data[0] & 0x80 && world_exists(world, "/k/.kafka_cleanshutdown")) /* as after a kill */
        world_unlink(world, "/k/.kafka_cleanshutdown", &error);
    struct partition_log *log = open_log(world, &manager);
    if (log)
        use(log);
    if (manager)
        log_manager_close(manager);
    world_destroy(world);
    return 0;
}

bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= 16)
        return false;
    buffer_append_byte(out, (uint8_t)(index < ARRAY_COUNT(files) ? index : (index * 5 % ARRAY_COUNT(files)) | 0x80));
    buffer_append_byte(out, (uint8_t)(index % 3 * 9));
    for (int i = 0; i < 40; i++)
        buffer_append_byte(out, (uint8_t)(i % 8 == 7 ? i : index % 2 ? 0 : '0' + i % 10));
    return true;
}
