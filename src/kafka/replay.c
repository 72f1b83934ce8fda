/* replay.c: a partition's records from its start. */
#include "kafka/replay.h"

#include "wire/compress.h"

#define READ_SIZE (4u << 20)

bool replay_partition(struct partition_log *log, replay_batch *visit, void *argument, struct error *error) {
    int64_t offset = log_start_offset(log);
    for (;;) {
        struct log_view view = {0};
        if (log_read_map(log, offset, READ_SIZE, LOG_READ_TO_END, &view, error) != LOG_STATUS_OK)
            return error_prefix(error, "%s", log_directory_name(log));
        struct bytes rest = view.batches;
        struct record_batch batch;
        while (rest.size > 0 && record_batch_parse(rest, &batch) == RECORD_BATCH_OK) {
            visit(argument, &batch);
            rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
        }
        if (view.map)
            log_map_release(view.map);
        if (view.next_offset <= offset)
            return true;
        offset = view.next_offset;
    }
}

void replay_records(const struct record_batch *batch, struct arena *arena, replay_record *visit, void *argument) {
    struct error error = {0};
    struct buffer unpacked = {0};
    struct bytes records = batch->records;
    if (record_batch_codec(batch) != RECORD_CODEC_NONE) {
        if (!compression_decode(record_batch_codec(batch), batch->records, COMPRESSION_OUTPUT_MAX, &unpacked, &error)) {
            buffer_free(&unpacked);
            return;
        }
        records = buffer_view(&unpacked);
    }
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, batch, records);
    while (record_reader_next(&reader, &record, &error)) {
        visit(argument, &record);
        arena_reset(arena);
    }
    buffer_free(&unpacked);
}
