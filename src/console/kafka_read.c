/* kafka_read.c: looks through partitions for messages, within bounds.
 *
 * Forwards, each partition is read from its position on until it gave count_max messages; the oldest count_max of all
 * are kept, and each position moves behind what was kept or, where nothing had to be given up, behind what was looked
 * at. Backwards the same happens from the end, in windows that double while they find too little. */
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_messages.h"
#include "wire/compress.h"

enum { SCAN_TIME_MS = 700, SCAN_READ_SIZE = 1 << 20 };
enum { WINDOW_FILTERED = 1 << 14, WINDOW_MAX = 1 << 18, WINDOW_SIZE_MAX = 16 << 20 };
#define SCAN_SIZE_MAX ((size_t)512 << 20)
#define KEPT_SIZE_MAX ((size_t)64 << 20)

struct scan {
    struct console *console;
    struct message_query *query;
    struct message_result *result;
    struct error *error;
    int32_t partition;
    int64_t deadline_ms;
    size_t bytes_left, kept_left;
    VECTOR(struct message) found; /* of the partition at hand; when backwards, of the window */
    size_t found_max;             /* forwards: stop there; backwards: SIZE_MAX and the oldest are dropped */
    bool is_first;                /* backwards: the first window is looked at whole, so that each call gets on */
    bool is_over;                 /* out of time, bytes or memory */
};

static void message_free(struct message *message) {
    buffer_free(&message->memory);
}

void message_result_free(struct message_result *result) {
    for (size_t i = 0; i < result->messages.count; i++)
        message_free(&result->messages.items[i]);
    VECTOR_FREE(&result->messages);
}

static struct bytes cut(struct bytes data, size_t size_max) {
    return data.size > size_max ? bytes_make(data.data, size_max) : data;
}

/* A UTF-8 text that was cut must not end within a character. */
static struct bytes cut_text(struct bytes data, size_t size_max) {
    struct bytes result = cut(data, size_max);
    if (result.size < data.size)
        while (result.size > 0 && (data.data[result.size] & 0xc0) == 0x80)
            result.size--;
    return result;
}

static struct bytes keep_part(struct buffer *memory, size_t *at, struct bytes part) {
    if (part.data == NULL)
        return BYTES_NULL;
    struct bytes kept = bytes_make(memory->data + *at, part.size);
    *at += part.size;
    return kept;
}

static size_t kept_size(const struct message *message) {
    return sizeof *message + message->memory.size;
}

/* Backwards only the last count_max of a window count: the ones before them go when there are twice as many. */
static void drop_oldest(struct scan *scan) {
    size_t count = scan->found.count - scan->query->count_max;
    for (size_t i = 0; i < count; i++) {
        scan->kept_left += kept_size(&scan->found.items[i]);
        message_free(&scan->found.items[i]);
    }
    scan->found.count -= count;
    memmove(scan->found.items, scan->found.items + count, scan->found.count * sizeof *scan->found.items);
}

static void keep(struct scan *scan, const struct record *record) {
    if (scan->query->backwards && scan->found.count >= 2 * scan->query->count_max)
        drop_oldest(scan);
    size_t size_max = scan->query->size_max, at = 0;
    struct bytes key = cut_text(record->key, size_max), value = cut_text(record->value, size_max);
    bool with_headers = record->headers.size <= size_max;
    struct message message = {.partition = scan->partition,
        .offset = record->offset,
        .timestamp_ms = record->timestamp,
        .header_count = with_headers ? record->header_count : 0,
        .key_size = record->key.size,
        .value_size = record->value.size};
    buffer_reserve(&message.memory, key.size + value.size + record->headers.size + 1);
    buffer_append_bytes(&message.memory, key);
    buffer_append_bytes(&message.memory, value);
    if (with_headers)
        buffer_append_bytes(&message.memory, record->headers);
    message.key = keep_part(&message.memory, &at, key);
    message.value = keep_part(&message.memory, &at, value);
    message.headers = with_headers ? keep_part(&message.memory, &at, record->headers) : BYTES("");
    size_t size = kept_size(&message);
    if (size > scan->kept_left && !scan->is_first) {
        message_free(&message);
        scan->is_over = true;
        return;
    }
    scan->kept_left -= size < scan->kept_left ? size : scan->kept_left;
    VECTOR_PUSH(&scan->found, message);
}

static bool matches(struct scan *scan, const struct record *record) {
    const struct message_query *query = scan->query;
    if (query->text.size > 0 && !filter_contains(record->value, query->text) &&
        !filter_contains(record->key, query->text))
        return false;
    return query->filter == NULL || filter_matches(query->filter, scan->partition, record);
}

/* Looks at the records of one batch within [from, to); gives the offset behind the last one looked at. */
static int64_t look_at_batch(struct scan *scan, const struct record_batch *batch, int64_t from, int64_t to) {
    struct buffer plain = {0};
    struct bytes records = batch->records;
    int64_t next = record_batch_last_offset(batch) + 1;
    if (batch->attributes & RECORD_BATCH_CONTROL)
        return next;
    if (record_batch_codec(batch) != RECORD_CODEC_NONE) {
        if (!compression_decode(
                record_batch_codec(batch), batch->records, COMPRESSION_OUTPUT_MAX, &plain, scan->error)) {
            buffer_free(&plain);
            return next;
        }
        records = buffer_view(&plain);
    }
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, batch, records);
    while (record_reader_next(&reader, &record, scan->error)) {
        if (record.offset < from)
            continue;
        if (record.offset >= to || scan->found.count >= scan->found_max || scan->is_over) {
            next = record.offset;
            break;
        }
        scan->result->scanned++;
        if (matches(scan, &record))
            keep(scan, &record);
        if (scan->is_over) {
            next = record.offset;
            break;
        }
    }
    buffer_free(&plain);
    return next;
}

static int64_t look_at_view(struct scan *scan, const struct log_view *view, int64_t from, int64_t to) {
    struct bytes rest = view->batches;
    struct record_batch batch;
    int64_t next = from;
    while (rest.size > 0 && next < to && scan->found.count < scan->found_max && !scan->is_over &&
           record_batch_parse(rest, &batch) == RECORD_BATCH_OK) {
        next = look_at_batch(scan, &batch, from, to);
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    return next > from ? next : view->next_offset;
}

/* Looks at [from, to) of a partition; gives where it stopped. */
static int64_t look_at_range(struct scan *scan, struct partition_log *log, int64_t from, int64_t to) {
    while (from < to && scan->found.count < scan->found_max && !scan->is_over) {
        struct log_view view;
        struct error error = {0};
        bool is_late = world_wall_ms(scan->console->options.world) > scan->deadline_ms || scan->bytes_left == 0;
        if (is_late && !scan->is_first) {
            scan->is_over = true;
            break;
        }
        enum log_status status = log_read_map(log, from, SCAN_READ_SIZE, LOG_READ_UNCOMMITTED, &view, &error);
        if (status == LOG_STATUS_OFFSET_OUT_OF_RANGE && log_start_offset(log) > from) {
            from = log_start_offset(log); /* records were deleted meanwhile */
            continue;
        }
        if (status != LOG_STATUS_OK) {
            error_set(scan->error, ERROR_IO, "%s", error.code == ERROR_NONE ? log_status_name(status) : error.message);
            scan->is_over = true;
            break;
        }
        if (view.map == NULL)
            return view.next_offset > from ? view.next_offset : to;
        int64_t next = look_at_view(scan, &view, from, to);
        scan->bytes_left -= view.batches.size < scan->bytes_left ? view.batches.size : scan->bytes_left;
        log_map_release(view.map);
        from = next;
    }
    return from;
}

static void take_found(struct scan *scan, size_t keep_last) {
    size_t first = scan->found.count > keep_last ? scan->found.count - keep_last : 0;
    for (size_t i = 0; i < scan->found.count; i++)
        if (i < first)
            message_free(&scan->found.items[i]);
        else
            VECTOR_PUSH(&scan->result->messages, scan->found.items[i]);
    scan->found.count = 0;
}

static void look_forwards(struct scan *scan, struct partition_log *log, struct message_position *position) {
    if (position->offset < position->low)
        position->offset = position->low;
    scan->found_max = scan->query->count_max;
    if (position->offset < position->high)
        position->offset = look_at_range(scan, log, position->offset, position->high);
    take_found(scan, SIZE_MAX);
}

/* How many offsets to look at first: enough for what is wanted, or many when most will not match, and not more than
 * WINDOW_SIZE_MAX bytes by the average record. */
static int64_t first_window(
    const struct scan *scan, struct partition_log *log, const struct message_position *position) {
    const struct message_query *query = scan->query;
    int64_t wanted = query->text.size > 0 || query->filter != NULL ? WINDOW_FILTERED : (int64_t)query->count_max;
    int64_t average = log_size(log) / (position->high - position->low + 1) + 1;
    int64_t affordable = WINDOW_SIZE_MAX / average + 1;
    return wanted < affordable ? wanted : affordable;
}

static void look_backwards(struct scan *scan, struct partition_log *log, struct message_position *position) {
    size_t found = 0;
    if (position->offset > position->high)
        position->offset = position->high;
    scan->found_max = SIZE_MAX;
    int64_t window = first_window(scan, log, position);
    for (scan->is_first = true; position->offset > position->low && found < scan->query->count_max && !scan->is_over;
         scan->is_first = false) {
        int64_t to = position->offset, from = to - window > position->low ? to - window : position->low;
        look_at_range(scan, log, from, to);
        if (scan->is_over && !scan->is_first)
            break; /* not seen to its end: the next call looks at it again */
        found += scan->found.count;
        take_found(scan, scan->query->count_max);
        position->offset = from;
        window = window < WINDOW_MAX ? window * 2 : window;
    }
    scan->is_first = false;
    take_found(scan, 0);
}

static int oldest_first(const void *left_item, const void *right_item) {
    const struct message *left = left_item, *right = right_item;
    if (left->partition == right->partition)
        return left->offset < right->offset ? -1 : left->offset > right->offset;
    if (left->timestamp_ms != right->timestamp_ms)
        return left->timestamp_ms < right->timestamp_ms ? -1 : 1;
    return left->partition < right->partition ? -1 : 1;
}
static int newest_first(const void *left, const void *right) {
    return -oldest_first(left, right);
}

static struct message_position *position_of(struct message_query *query, int32_t partition) {
    for (size_t i = 0; i < query->positions.count; i++)
        if (query->positions.items[i].partition == partition)
            return &query->positions.items[i];
    return NULL;
}

/* Orders what all partitions gave and gives up what is over count_max: the positions then go back to it. */
static void choose(struct message_query *query, struct message_result *result) {
    qsort(result->messages.items, result->messages.count, sizeof *result->messages.items,
        query->backwards ? newest_first : oldest_first);
    while (result->messages.count > query->count_max) {
        struct message *dropped = &result->messages.items[--result->messages.count];
        struct message_position *position = position_of(query, dropped->partition);
        if (query->backwards ? dropped->offset + 1 > position->offset : dropped->offset < position->offset)
            position->offset = dropped->offset + (query->backwards ? 1 : 0);
        message_free(dropped);
    }
    result->is_end = true;
    for (size_t i = 0; i < query->positions.count; i++) {
        const struct message_position *position = &query->positions.items[i];
        if (query->backwards ? position->offset > position->low : position->offset < position->high)
            result->is_end = false;
    }
}

void message_read(
    struct console *console, struct message_query *query, struct message_result *result, struct error *error) {
    *result = (struct message_result){0};
    int64_t start_ms = world_wall_ms(console->options.world);
    struct scan scan = {.console = console, .query = query, .result = result, .error = error};
    size_t count = query->positions.count;
    for (size_t i = 0; i < count; i++) {
        struct message_position *position = &query->positions.items[i];
        struct partition_log *log = kafka_client_partition(console->options.kafka, query->topic, position->partition);
        if (log == NULL)
            continue;
        /* Each gets its share, so that a large first one does not leave nothing for the others. */
        scan.partition = position->partition;
        scan.deadline_ms = start_ms + (int64_t)(SCAN_TIME_MS * (i + 1) / count) + 1;
        scan.bytes_left = SCAN_SIZE_MAX / count;
        scan.kept_left = KEPT_SIZE_MAX / count;
        scan.is_over = false;
        position->low = log_start_offset(log);
        position->high = log_high_watermark(log);
        if (query->backwards)
            look_backwards(&scan, log, position);
        else
            look_forwards(&scan, log, position);
        log_release(log);
    }
    VECTOR_FREE(&scan.found);
    choose(query, result);
}

int64_t message_timestamp(struct partition_log *log, int64_t offset) {
    struct log_view view;
    struct error error = {0};
    struct record_batch batch;
    int64_t timestamp_ms = -1;
    if (offset >= log_high_watermark(log) || offset < 0)
        return -1;
    if (offset < log_start_offset(log))
        offset = log_start_offset(log);
    if (log_read_map(log, offset, 1, LOG_READ_UNCOMMITTED, &view, &error) != LOG_STATUS_OK || view.map == NULL)
        return -1;
    /* The batch's own bounds are near enough for "how old": its records need no decompression. */
    if (record_batch_parse(view.batches, &batch) == RECORD_BATCH_OK)
        timestamp_ms = offset == batch.base_offset ? batch.base_timestamp : batch.max_timestamp;
    log_map_release(view.map);
    return timestamp_ms;
}
