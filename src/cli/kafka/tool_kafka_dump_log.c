/* tool_kafka_dump_log.c: kafka-dump-log: what is in a partition's files, with the real tool's options and output. It
 * reads the files themselves, so it also works while nothing runs. The formats are those of log/: segments of record
 * batches (wire/record_batch.h), offset index (i32 relative offset, i32 position), time index (i64 time, i32 relative
 * offset), index of aborted transactions and producer snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_tool.h"
#include "wire/compress.h"
#include "wire/crc32c.h"

static const struct tool_option options[] = {
    {"deep-iteration", TOOL_FLAG, "Show the records of the batches too, without their keys and values."},
    {"files", TOOL_VALUE, "The files, separated by commas."},
    {"index-sanity-check", TOOL_FLAG, "Only check the form of the indexes."},
    {"max-bytes", TOOL_VALUE, "Stop after so many bytes of a segment."},
    {"max-message-size", TOOL_VALUE, "The largest batch that is read; default 5242880."},
    {"print-data-log", TOOL_FLAG, "Show the records of the batches with their keys and values."},
    {"skip-record-metadata", TOOL_FLAG, "With --print-data-log: of records only keys and values."},
    {"verify-index-only", TOOL_FLAG, "Compare the indexes with the segment without printing them."},
};

struct dump {
    const struct tool *tool;
    int64_t bytes_max, message_size_max;
    bool records, data, metadata;
};

/* ---- files ---- */

/* The file's bytes, mapped; false after what is wrong was printed. */
static bool open_file(const char *path, struct bytes *content) {
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *content = BYTES("");
    if (descriptor < 0 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        fprintf(stderr, "%s: %s\n", path, descriptor < 0 ? strerror(errno) : "this is no file");
        if (descriptor >= 0)
            close(descriptor);
        return false;
    }
    if (status.st_size > 0) {
        void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        ASSERT(data != MAP_FAILED);
        *content = bytes_make(data, (size_t)status.st_size);
    }
    close(descriptor);
    return true;
}

static void close_file(struct bytes content) {
    if (content.size > 0)
        munmap((void *)(uintptr_t)content.data, content.size);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* "00000000000000000042.log": 42; false after it was said that the name has no such form. */
static bool base_offset(const char *path, int64_t *offset) {
    const char *name = file_name(path), *dot = strchr(name, '.');
    if (dot != NULL && bytes_to_int64(bytes_make((const uint8_t *)name, (size_t)(dot - name)), offset))
        return true;
    fprintf(stderr, "%s: the name of such a file begins with an offset of 20 digits\n", name);
    return false;
}

/* ---- segments ---- */

static const char *truth(bool value) {
    return value ? "true" : "false";
}

static void print_batch(const struct record_batch *batch, size_t position) {
    char horizon[64] = "OptionalLong.empty";
    if (batch->attributes & RECORD_BATCH_DELETE_HORIZON)
        snprintf(horizon, sizeof horizon, "OptionalLong[%" PRId64 "]", batch->base_timestamp);
    int32_t last_sequence = batch->base_sequence < 0
                                ? -1
                                : (int32_t)(((int64_t)batch->base_sequence + batch->last_offset_delta) & INT32_MAX);
    printf("baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %d baseSequence: %d lastSequence: %d producerId: "
           "%" PRId64 " producerEpoch: %d partitionLeaderEpoch: %d isTransactional: %s isControl: %s "
           "deleteHorizonMs: %s position: %zu %s: %" PRId64
           " size: %zu magic: 2 compresscodec: %s crc: %u isvalid: %s\n",
        batch->base_offset, record_batch_last_offset(batch), batch->record_count, batch->base_sequence, last_sequence,
        batch->producer_id, batch->producer_epoch, batch->leader_epoch,
        truth(batch->attributes & RECORD_BATCH_TRANSACTIONAL), truth(batch->attributes & RECORD_BATCH_CONTROL), horizon,
        position, batch->attributes & RECORD_BATCH_LOG_APPEND_TIME ? "LogAppendTime" : "CreateTime",
        batch->max_timestamp, batch->whole.size, compression_name(record_batch_codec(batch)), batch->crc,
        truth(record_batch_checksum_ok(batch)));
}

static void print_text(struct bytes text) {
    fwrite(text.data, 1, text.size, stdout);
}

static void print_header_keys(const struct record *record) {
    struct bytes rest = record->headers;
    struct record_header header;
    printf(" headerKeys: [");
    for (int32_t i = 0; i < record->header_count && record_header_next(&rest, &header); i++) {
        printf("%s", i == 0 ? "" : ",");
        print_text(header.key);
    }
    printf("]");
}

/* A marker: i16 version, i16 kind; its value: i16 version, i32 epoch of the coordinator. */
static void print_control(const struct record *record) {
    int kind = record->key.size >= 4 ? load_be16(record->key.data + 2) : -1;
    if ((kind == 0 || kind == 1) && record->value.size >= 6)
        printf(" endTxnMarker: %s coordinatorEpoch: %d", kind == 1 ? "COMMIT" : "ABORT",
            load_be32(record->value.data + 2));
    else
        printf(" controlType: %d", kind);
}

static void print_record(const struct dump *dump, const struct record_batch *batch, const struct record *record) {
    bool is_control = batch->attributes & RECORD_BATCH_CONTROL;
    const char *separator = "| ";
    if (dump->metadata) {
        int64_t sequence = batch->base_sequence < 0 ? -1 : batch->base_sequence + (record->offset - batch->base_offset);
        printf("| offset: %" PRId64 " %s: %" PRId64 " keySize: %zd valueSize: %zd sequence: %" PRId64, record->offset,
            batch->attributes & RECORD_BATCH_LOG_APPEND_TIME ? "LogAppendTime" : "CreateTime", record->timestamp,
            record->key.data == NULL ? -1 : (ssize_t)record->key.size,
            record->value.data == NULL ? -1 : (ssize_t)record->value.size, sequence);
        print_header_keys(record);
        if (is_control)
            print_control(record);
        separator = " ";
    }
    if (dump->data && !is_control) {
        if (record->key.data != NULL) {
            printf("%skey: ", separator);
            print_text(record->key);
            separator = " ";
        }
        if (record->value.data != NULL) {
            printf("%spayload: ", separator);
            print_text(record->value);
        }
    }
    printf("\n");
}

static void print_records(const struct dump *dump, const struct record_batch *batch) {
    struct buffer unpacked = {0};
    struct bytes records = batch->records;
    struct error error = {0};
    struct record_reader reader;
    struct record record;
    if (record_batch_codec(batch) != RECORD_CODEC_NONE) {
        if (!compression_decode(record_batch_codec(batch), batch->records, COMPRESSION_OUTPUT_MAX, &unpacked, &error)) {
            printf("| the records cannot be read: %s\n", error.message);
            buffer_free(&unpacked);
            return;
        }
        records = buffer_view(&unpacked);
    }
    record_reader_init(&reader, batch, records);
    while (record_reader_next(&reader, &record, &error))
        print_record(dump, batch, &record);
    if (error.code != ERROR_NONE)
        printf("| the records cannot be read: %s\n", error.message);
    buffer_free(&unpacked);
}

static int dump_segment(const struct dump *dump, const char *path) {
    struct bytes content;
    int64_t start, last = -1;
    struct buffer breaks = {0};
    if (!base_offset(path, &start) || !open_file(path, &content))
        return 1;
    printf("Log starting offset: %" PRId64 "\n", start);
    size_t position = 0, end = content.size;
    if (dump->bytes_max < (int64_t)end)
        end = (size_t)dump->bytes_max;
    struct record_batch batch;
    while (position < end &&
           record_batch_parse(bytes_slice(content, position, end - position), &batch) == RECORD_BATCH_OK &&
           (int64_t)batch.whole.size <= dump->message_size_max) {
        if (last >= 0 && batch.base_offset != last + 1)
            buffer_printf(&breaks, "  %" PRId64 " is followed by %" PRId64 "\n", last, batch.base_offset);
        last = record_batch_last_offset(&batch);
        print_batch(&batch, position);
        if (dump->records)
            print_records(dump, &batch);
        position += batch.whole.size;
    }
    if (position < end && end == content.size)
        printf("Found %zu invalid bytes at the end of %s\n", end - position, file_name(path));
    if (breaks.size > 0)
        fprintf(stderr, "Non-consecutive offsets in %s\n%s", path, buffer_text(&breaks));
    buffer_free(&breaks);
    close_file(content);
    return 0;
}

/* ---- indexes ---- */

enum { OFFSET_ENTRY_SIZE = 8, TIME_ENTRY_SIZE = 12 };

/* The segment that an index belongs to; empty when it is not there. */
static struct bytes open_segment(const char *path) {
    struct buffer name = {0};
    struct bytes content = BYTES("");
    buffer_append(&name, path, (size_t)(strrchr(path, '.') - path));
    buffer_append_text(&name, ".log");
    open_file(buffer_text(&name), &content);
    buffer_free(&name);
    return content;
}

/* The first batch at or after a position that reaches an offset. */
static bool find_batch(struct bytes segment, size_t position, int64_t offset, struct record_batch *batch) {
    while (position < segment.size &&
           record_batch_parse(bytes_slice(segment, position, segment.size - position), batch) == RECORD_BATCH_OK) {
        if (record_batch_last_offset(batch) >= offset)
            return true;
        position += batch->whole.size;
    }
    return false;
}

/* Entries behind the first are never zero: an index that was not closed ends in zeros. */
static bool is_unused(const uint8_t *entry, size_t size, size_t number) {
    for (size_t i = 0; i < size; i++)
        if (entry[i] != 0)
            return false;
    return number > 0;
}

static int sanity_check(const char *path, struct bytes content, size_t entry_size, int64_t start, size_t offset_at) {
    int64_t last = -1;
    bool good = content.size % entry_size == 0;
    for (size_t i = 0; good && (i + 1) * entry_size <= content.size; i++) {
        const uint8_t *entry = content.data + i * entry_size;
        if (is_unused(entry, entry_size, i))
            break;
        int64_t offset = start + load_be32(entry + offset_at);
        good = offset >= start && offset >= last;
        last = offset;
    }
    if (good)
        printf("%s passed sanity check.\n", path);
    else
        fprintf(stderr, "%s: its entries have no order, or its size is no multiple of %zu\n", path, entry_size);
    return good ? 0 : 1;
}

static int dump_offset_index(const struct dump *dump, const char *path) {
    struct bytes content;
    struct buffer wrong = {0};
    int64_t start;
    if (!base_offset(path, &start) || !open_file(path, &content))
        return 1;
    if (tool_has(dump->tool, "index-sanity-check")) {
        int status = sanity_check(path, content, OFFSET_ENTRY_SIZE, start, 0);
        close_file(content);
        return status;
    }
    struct bytes segment = open_segment(path);
    for (size_t i = 0; (i + 1) * OFFSET_ENTRY_SIZE <= content.size; i++) {
        const uint8_t *entry = content.data + i * OFFSET_ENTRY_SIZE;
        if (is_unused(entry, OFFSET_ENTRY_SIZE, i))
            break;
        int64_t offset = start + load_be32(entry), found = -1;
        int32_t position = load_be32(entry + 4);
        struct record_batch batch;
        if (position >= 0 && (size_t)position < segment.size &&
            record_batch_parse(bytes_slice(segment, (size_t)position, segment.size - (size_t)position), &batch) ==
                RECORD_BATCH_OK)
            found = record_batch_last_offset(&batch);
        if (found != offset)
            buffer_printf(&wrong, "  Index offset: %" PRId64 ", log offset: %" PRId64 "\n", offset, found);
        if (!tool_has(dump->tool, "verify-index-only"))
            printf("offset: %" PRId64 " position: %d\n", offset, position);
    }
    if (wrong.size > 0)
        fprintf(stderr, "Mismatches in :%s\n%s", path, buffer_text(&wrong));
    buffer_free(&wrong);
    close_file(segment);
    close_file(content);
    return 0;
}

static int dump_time_index(const struct dump *dump, const char *path) {
    struct bytes content;
    struct buffer wrong = {0}, disordered = {0};
    int64_t start, before = -1;
    if (!base_offset(path, &start) || !open_file(path, &content))
        return 1;
    if (tool_has(dump->tool, "index-sanity-check")) {
        int status = sanity_check(path, content, TIME_ENTRY_SIZE, start, 8);
        close_file(content);
        return status;
    }
    struct bytes segment = open_segment(path);
    for (size_t i = 0; (i + 1) * TIME_ENTRY_SIZE <= content.size; i++) {
        const uint8_t *entry = content.data + i * TIME_ENTRY_SIZE;
        if (is_unused(entry, TIME_ENTRY_SIZE, i))
            break;
        int64_t timestamp = load_be64(entry), offset = start + load_be32(entry + 8);
        struct record_batch batch = {.max_timestamp = -1};
        if (!find_batch(segment, 0, offset, &batch) || batch.max_timestamp != timestamp)
            buffer_printf(
                &wrong, "  Index timestamp: %" PRId64 ", log timestamp: %" PRId64 "\n", timestamp, batch.max_timestamp);
        if (timestamp < before)
            buffer_printf(&disordered, "  Index timestamp: %" PRId64 ", Previously indexed timestamp: %" PRId64 "\n",
                timestamp, before);
        before = timestamp;
        if (!tool_has(dump->tool, "verify-index-only"))
            printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", timestamp, offset);
    }
    if (wrong.size > 0)
        fprintf(stderr, "Found timestamp mismatch in :%s\n%s", path, buffer_text(&wrong));
    if (disordered.size > 0)
        fprintf(stderr, "Found out of order timestamp in :%s\n%s", path, buffer_text(&disordered));
    buffer_free(&wrong);
    buffer_free(&disordered);
    close_file(segment);
    close_file(content);
    return 0;
}

/* ---- transactions and producers ---- */

/* Entries of i16 version, i64 producer, i64 first, i64 last offset, i64 last stable offset. */
static int dump_aborted(const struct dump *dump, const char *path) {
    enum { ENTRY_SIZE = 34 };
    struct bytes content;
    if (!open_file(path, &content))
        return 1;
    for (size_t at = 0; at + ENTRY_SIZE <= content.size; at += ENTRY_SIZE) {
        const uint8_t *entry = content.data + at;
        printf("version: %d producerId: %" PRId64 " firstOffset: %" PRId64 " lastOffset: %" PRId64
               " lastStableOffset: %" PRId64 "\n",
            load_be16(entry), load_be64(entry + 2), load_be64(entry + 10), load_be64(entry + 18),
            load_be64(entry + 26));
    }
    close_file(content);
    return 0;
}

/* i16 version, u32 CRC-32C of the rest, i32 count; entries of i64 producer, i16 epoch, i32 last sequence, i64 last
 * offset, i32 offset delta, i64 time, i32 coordinator's epoch, i64 first offset of the open transaction. */
static int dump_producers(const struct dump *dump, const char *path) {
    enum { HEADER_SIZE = 10, ENTRY_SIZE = 46, CRC_START = 6 };
    struct bytes content;
    if (!open_file(path, &content))
        return 1;
    bool good = content.size >= HEADER_SIZE &&
                (uint32_t)load_be32(content.data + 2) == crc32c(0, content.data + CRC_START, content.size - CRC_START);
    if (!good)
        fprintf(stderr, "%s: the checksum is wrong; the file is not read\n", path);
    for (size_t at = HEADER_SIZE; good && at + ENTRY_SIZE <= content.size; at += ENTRY_SIZE) {
        const uint8_t *entry = content.data + at;
        int32_t last_sequence = load_be32(entry + 10), delta = load_be32(entry + 22);
        int64_t open_from = load_be64(entry + 38);
        char open_text[64] = "OptionalLong.empty";
        if (open_from >= 0)
            snprintf(open_text, sizeof open_text, "OptionalLong[%" PRId64 "]", open_from);
        printf("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: %s "
               "lastTimestamp: %" PRId64 " ",
            load_be64(entry), load_be16(entry + 8), load_be32(entry + 34), open_text, load_be64(entry + 26));
        if (last_sequence >= 0)
            printf("firstSequence: %d lastSequence: %d lastOffset: %" PRId64 " offsetDelta: %d timestamp: %" PRId64,
                (int32_t)(((int64_t)last_sequence - delta) & INT32_MAX), last_sequence, load_be64(entry + 14), delta,
                load_be64(entry + 26));
        printf("\n");
    }
    close_file(content);
    return good ? 0 : 1;
}

/* ---- which file ---- */

static int dump_file(const struct dump *dump, const char *path) {
    static const struct {
        const char *suffix;
        int (*dump)(const struct dump *dump, const char *path);
    } kinds[] = {{".log", dump_segment}, {".index", dump_offset_index}, {".timeindex", dump_time_index},
        {".txnindex", dump_aborted}, {".snapshot", dump_producers}};
    const char *dot = strrchr(file_name(path), '.');
    printf("Dumping %s\n", path);
    for (size_t i = 0; dot != NULL && i < ARRAY_COUNT(kinds); i++)
        if (strcmp(dot, kinds[i].suffix) == 0) {
            int status = kinds[i].dump(dump, path);
            fflush(stdout);
            return status;
        }
    fprintf(stderr, "Ignoring unknown file %s\n", path);
    return 0;
}

int tool_kafka_dump_log_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Show what is in the files of a partition, useful for a segment that seems damaged.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    struct tool_texts files = {0};
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        struct dump dump = {.tool = &tool, .data = tool_has(&tool, "print-data-log")};
        dump.metadata = !tool_has(&tool, "skip-record-metadata");
        dump.records = dump.data || tool_has(&tool, "deep-iteration");
        status = 1;
        if (tool_value(&tool, "files") == NULL) {
            tool_usage_error(&tool, "Missing required argument \"[files]\"");
        } else if (tool_integer(&tool, "max-bytes", INT64_MAX, &dump.bytes_max) &&
                   tool_integer(&tool, "max-message-size", 5242880, &dump.message_size_max)) {
            tool_split(tool_value(&tool, "files"), ',', &files);
            status = 0;
            for (size_t i = 0; i < files.count; i++)
                status |= dump_file(&dump, files.items[i]);
        }
    }
    tool_texts_free(&files);
    tool_free(&tool);
    return status;
}
