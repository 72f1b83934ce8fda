/* kafka_read.c: walks record batches v2 (wire/record_batch.h has the layout) and gives keys and values as views into
 * the mapped log. Only the columns that are wanted are made; `value` alone, of batches that are wanted whole, is a loop
 * of its own. Compressed batches are decompressed into memory that the rows' batch keeps. Control batches are stepped
 * over. */
#include "stream/kafka_read.h"

#include <stdlib.h>
#include "base/assert.h"
#include "column/builder.h"
#include "wire/compress.h"

enum { ROWS_PER_BATCH = 4096, CHUNK_SIZE = 1 << 20 };

struct kafka_reader {
    struct kafka_reader_options options;
    int64_t next_offset;
    /* the chunk at hand */
    struct stream_kafka_chunk chunk;
    bool has_chunk;
    struct bytes rest; /* batches of the chunk not walked yet */
    /* the record batch at hand */
    struct record_batch batch;
    struct bytes records; /* not walked yet */
    int32_t records_left;
    struct batch *memory; /* of a decompressed batch, or NULL */
};

const struct type *kafka_row_type(bool headers) {
    static struct type header_struct = {.kind = TYPE_STRUCT},
                       header_array = {.kind = TYPE_ARRAY, .contains_null = true};
    static struct type_field header_fields[2], fields[KAFKA_COLUMN_COUNT];
    static struct type types[2] = {{.kind = TYPE_STRUCT}, {.kind = TYPE_STRUCT}};
    static bool made;
    if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) { /* made by several threads it is the same */
        header_fields[0] = (struct type_field){BYTES("key"), type_simple(TYPE_STRING), true, BYTES_NULL};
        header_fields[1] = (struct type_field){BYTES("value"), type_simple(TYPE_BINARY), true, BYTES_NULL};
        header_struct.fields = header_fields;
        header_struct.field_count = 2;
        header_array.element = &header_struct;
        const struct type_field all[] = {{BYTES("key"), type_simple(TYPE_BINARY), true, BYTES_NULL},
            {BYTES("value"), type_simple(TYPE_BINARY), true, BYTES_NULL},
            {BYTES("topic"), type_simple(TYPE_STRING), true, BYTES_NULL},
            {BYTES("partition"), type_simple(TYPE_INTEGER), true, BYTES_NULL},
            {BYTES("offset"), type_simple(TYPE_LONG), true, BYTES_NULL},
            {BYTES("timestamp"), type_simple(TYPE_TIMESTAMP), true, BYTES_NULL},
            {BYTES("timestampType"), type_simple(TYPE_INTEGER), true, BYTES_NULL},
            {BYTES("headers"), &header_array, true, BYTES_NULL}};
        memcpy(fields, all, sizeof fields);
        types[0].fields = types[1].fields = fields;
        types[0].field_count = KAFKA_COLUMN_COUNT - 1;
        types[1].field_count = KAFKA_COLUMN_COUNT;
        __atomic_store_n(&made, true, __ATOMIC_RELEASE);
    }
    return &types[headers];
}

struct kafka_reader *kafka_reader_create(const struct kafka_reader_options *options) {
    struct kafka_reader *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    reader->options = *options;
    reader->next_offset = options->start;
    return reader;
}

static void drop_memory(struct kafka_reader *reader) {
    batch_release(reader->memory);
    reader->memory = NULL;
}

static void drop_chunk(struct kafka_reader *reader) {
    if (reader->has_chunk) {
        reader->options.kafka->class->release(reader->chunk.owner);
        VECTOR_FREE(&reader->chunk.aborted);
        reader->has_chunk = false;
    }
}

void kafka_reader_destroy(struct kafka_reader *reader) {
    if (reader != NULL) {
        drop_chunk(reader);
        drop_memory(reader);
        free(reader);
    }
}

/* ---- rows being gathered ---- */

struct rows {
    struct kafka_reader *reader;
    struct batch *batch;
    size_t count;
    struct string_view *keys, *values;
    int64_t *offsets, *timestamps;
    int32_t *timestamp_types;
    uint8_t *key_validity, *value_validity; /* made with the first null */
    struct column_builder headers;
    bool wants_headers;
    const void *kept_chunk, *kept_memory;
};

static void rows_begin(struct rows *rows, struct kafka_reader *reader) {
    *rows = (struct rows){.reader = reader, .batch = batch_create(reader->options.schema)};
    struct arena *arena = &rows->batch->arena;
    for (size_t i = 0; i < reader->options.column_count; i++) {
        switch ((enum kafka_column)reader->options.columns[i]) {
        case KAFKA_KEY:
            rows->keys = arena_allocate(arena, ROWS_PER_BATCH * sizeof *rows->keys);
            break;
        case KAFKA_VALUE:
            rows->values = arena_allocate(arena, ROWS_PER_BATCH * sizeof *rows->values);
            break;
        case KAFKA_OFFSET:
            rows->offsets = arena_allocate(arena, ROWS_PER_BATCH * sizeof *rows->offsets);
            break;
        case KAFKA_TIMESTAMP:
            rows->timestamps = arena_allocate(arena, ROWS_PER_BATCH * sizeof *rows->timestamps);
            break;
        case KAFKA_TIMESTAMP_TYPE:
            rows->timestamp_types = arena_allocate(arena, ROWS_PER_BATCH * sizeof *rows->timestamp_types);
            break;
        case KAFKA_HEADERS:
            rows->wants_headers = true;
            column_builder_init(
                &rows->headers, arena, kafka_row_type(true)->fields[KAFKA_HEADERS].type, ROWS_PER_BATCH);
            break;
        default:
            break;
        }
    }
}

/* The rows hold what their views point into. */
static void keep(struct rows *rows) {
    struct kafka_reader *reader = rows->reader;
    if (rows->kept_chunk != reader->chunk.owner && reader->chunk.owner != NULL) {
        reader->options.kafka->class->retain(reader->chunk.owner);
        arena_on_destroy(&rows->batch->arena, reader->options.kafka->class->release, reader->chunk.owner);
        rows->kept_chunk = reader->chunk.owner;
    }
    if (reader->memory != NULL && rows->kept_memory != reader->memory) {
        batch_keep(rows->batch, reader->memory);
        rows->kept_memory = reader->memory;
    }
}

static void put_view(struct rows *rows, struct string_view *views, uint8_t **validity, struct bytes text) {
    views[rows->count] =
        (struct string_view){text.data != NULL ? text.data : (const uint8_t *)"", (uint32_t)text.size, 0};
    if (text.data == NULL) {
        if (*validity == NULL) {
            *validity = arena_allocate(&rows->batch->arena, ROWS_PER_BATCH / 8);
            memset(*validity, 0xff, ROWS_PER_BATCH / 8);
        }
        bit_clear(*validity, rows->count);
    }
}

static void put_headers(struct rows *rows, const struct record *record) {
    struct bytes rest = record->headers;
    struct record_header header;
    if (record->header_count == 0) {
        column_builder_null(&rows->headers);
        return;
    }
    struct column_builder *element = &rows->headers.children[0];
    for (int32_t i = 0; i < record->header_count && record_header_next(&rest, &header); i++) {
        column_builder_append_string(&element->children[0], header.key);
        if (header.value.data == NULL) {
            column_builder_null(&element->children[1]);
        } else {
            column_builder_append_string(&element->children[1], header.value);
        }
        column_builder_end_row(element);
    }
    column_builder_end_row(&rows->headers);
}

static void put_record(struct rows *rows, const struct record *record) {
    if (rows->keys != NULL) {
        put_view(rows, rows->keys, &rows->key_validity, record->key);
    }
    if (rows->values != NULL) {
        put_view(rows, rows->values, &rows->value_validity, record->value);
    }
    if (rows->offsets != NULL) {
        rows->offsets[rows->count] = record->offset;
    }
    if (rows->timestamps != NULL) {
        rows->timestamps[rows->count] = record->timestamp * 1000;
    }
    if (rows->timestamp_types != NULL) {
        rows->timestamp_types[rows->count] = (rows->reader->batch.attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0;
    }
    if (rows->wants_headers) {
        put_headers(rows, record);
    }
    rows->count++;
}

static struct column *make_column(struct rows *rows, size_t index) {
    struct kafka_reader *reader = rows->reader;
    struct arena *arena = &rows->batch->arena;
    struct column *column = ARENA_NEW(arena, struct column);
    column->type = reader->options.schema->fields[index].type;
    column->row_count = rows->count;
    switch ((enum kafka_column)reader->options.columns[index]) {
    case KAFKA_KEY:
        column->values = rows->keys;
        column->validity = rows->key_validity;
        break;
    case KAFKA_VALUE:
        column->values = rows->values;
        column->validity = rows->value_validity;
        break;
    case KAFKA_OFFSET:
        column->values = rows->offsets;
        break;
    case KAFKA_TIMESTAMP:
        column->values = rows->timestamps;
        break;
    case KAFKA_TIMESTAMP_TYPE:
        column->values = rows->timestamp_types;
        break;
    case KAFKA_HEADERS:
        return column_builder_finish(&rows->headers);
    case KAFKA_TOPIC: {
        struct string_view *topic = ARENA_NEW(arena, struct string_view);
        *topic =
            (struct string_view){(const uint8_t *)reader->options.topic, (uint32_t)strlen(reader->options.topic), 0};
        column->values = topic;
        column->constant = true;
        column->row_count = 1;
        break;
    }
    default: {
        int32_t *partition = ARENA_NEW(arena, int32_t);
        *partition = reader->options.partition;
        column->values = partition;
        column->constant = true;
        column->row_count = 1;
    }
    }
    return column;
}

static struct batch *rows_finish(struct rows *rows) {
    rows->batch->row_count = rows->count;
    for (size_t i = 0; i < rows->reader->options.column_count; i++) {
        rows->batch->columns[i] = make_column(rows, i);
    }
    return rows->batch;
}

/* ---- walking ---- */

/* Behind a zigzag varint; NULL when it is cut off. The common one or two bytes are taken without a loop. */
static inline const uint8_t *skip_varint(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= 0x80) {
        at++;
    }
    return at < end ? at + 1 : NULL;
}

static inline const uint8_t *take_varint(const uint8_t *at, const uint8_t *end, int32_t *value) {
    uint32_t word = 0;
    for (unsigned shift = 0; shift < 35 && at < end; shift += 7) {
        uint8_t byte = *at++;
        word |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int32_t)(word >> 1) ^ -(int32_t)(word & 1);
            return at;
        }
    }
    return NULL;
}

/* Key and value of a record whose sizes, deltas and headers take the usual few bytes; NULL: the careful way. Reads at
 * most 24 bytes behind `at`. */
static inline const uint8_t *walk_value(const uint8_t *at, const uint8_t *end, struct string_view *value) {
    /* the record's size in one or two bytes */
    uint32_t first = at[0], two = first >> 7;
    uint32_t size = ((first & 0x7f) | (two ? (uint32_t)at[1] << 7 : 0)) >> 1;
    if (__builtin_expect((two && at[1] >= 0x80) || (first & 1), 0)) {
        return NULL;
    }
    const uint8_t *body = at + 1 + two, *next = body + size;
    if (__builtin_expect(next > end, 0)) {
        return NULL;
    }
    /* attributes, then two varints: the ends of varints are bytes below 0x80 */
    uint64_t word;
    memcpy(&word, body, 8);
    uint64_t ends = ~word & 0x8080808080808080u;
    ends &= ends - 1; /* attributes */
    ends &= ends - 1; /* timestamp delta */
    if (__builtin_expect(ends == 0, 0)) {
        return NULL;
    }
    const uint8_t *key = body + ((unsigned)__builtin_ctzll(ends) >> 3) + 1;
    /* no key (zigzag -1 is 1), a value of one or two size bytes */
    uint32_t low = key[1], wide = low >> 7;
    uint32_t value_size = ((low & 0x7f) | (wide ? (uint32_t)key[2] << 7 : 0)) >> 1;
    const uint8_t *start = key + 2 + wide;
    bool plain =
        key[0] == 1 && (low & 1) == 0 && !(wide && key[2] >= 0x80) && start + value_size + 1 == next && next[-1] == 0;
    if (__builtin_expect(!plain, 0)) {
        return NULL;
    }
    *value = (struct string_view){start, value_size, 0};
    return next;
}

static bool damaged(struct kafka_reader *reader, struct sql_error *error) {
    return raise_kafka_data_loss(
        error, arena_printf(error->arena, "the record batch at offset %lld of %s-%d is damaged",
                   (long long)reader->batch.base_offset, reader->options.topic, (int)reader->options.partition));
}

/* Values of a batch that is wanted whole. */
static bool walk_values(struct rows *rows, struct sql_error *error) {
    struct kafka_reader *reader = rows->reader;
    const uint8_t *at = reader->records.data, *end = at + reader->records.size;
    size_t room = ROWS_PER_BATCH - rows->count,
           count = (size_t)reader->records_left < room ? (size_t)reader->records_left : room;
    struct string_view *out = rows->values + rows->count;
    size_t done = 0;
    while (done < count) {
        const uint8_t *next = end - at >= 32 ? walk_value(at, end, &out[done]) : NULL;
        if (__builtin_expect(next == NULL, 0)) {
            struct bytes value = BYTES_NULL;
            int32_t size, key_size, value_size;
            const uint8_t *body = take_varint(at, end, &size);
            if (body == NULL || size < 0 || size > end - body) {
                return damaged(reader, error);
            }
            next = body + size;
            body = body < next ? skip_varint(body + 1, next) : NULL;
            body = body == NULL ? NULL : skip_varint(body, next);
            body = body == NULL ? NULL : take_varint(body, next, &key_size);
            body = body == NULL || key_size > next - body ? NULL : body + (key_size > 0 ? key_size : 0);
            body = body == NULL ? NULL : take_varint(body, next, &value_size);
            if (body == NULL || value_size > next - body) {
                return damaged(reader, error);
            }
            value = value_size < 0 ? BYTES_NULL : bytes_make(body, (size_t)value_size);
            size_t before = rows->count;
            rows->count += done;
            put_view(rows, rows->values, &rows->value_validity, value);
            rows->count = before;
        }
        done++;
        at = next;
    }
    rows->count += done;
    reader->records_left -= (int32_t)done;
    reader->records = bytes_make(at, (size_t)(end - at));
    return true;
}

static bool walk_records(struct rows *rows, struct sql_error *error) {
    struct kafka_reader *reader = rows->reader;
    struct record_reader records;
    struct record record;
    struct error problem = {0};
    record_reader_init(&records, &reader->batch, reader->records);
    records.left = reader->records_left;
    while (rows->count < ROWS_PER_BATCH && record_reader_next(&records, &record, &problem)) {
        if (record.offset >= reader->options.start && record.offset < reader->options.end) {
            put_record(rows, &record);
        }
    }
    reader->records_left = records.left;
    reader->records = records.rest;
    return problem.code == ERROR_NONE || damaged(reader, error);
}

static bool walk(struct rows *rows, struct sql_error *error) {
    struct kafka_reader *reader = rows->reader;
    bool whole = reader->batch.base_offset >= reader->options.start &&
                 record_batch_last_offset(&reader->batch) < reader->options.end;
    bool values_only = rows->values != NULL && rows->keys == NULL && rows->offsets == NULL &&
                       rows->timestamps == NULL && rows->timestamp_types == NULL && !rows->wants_headers;
    keep(rows);
    return whole && values_only ? walk_values(rows, error) : walk_records(rows, error);
}

/* ---- batches and chunks ---- */

static void free_buffer(void *argument) {
    buffer_free(argument);
}

static bool decompress(struct kafka_reader *reader, struct sql_error *error) {
    static const struct type none = {.kind = TYPE_STRUCT};
    struct error problem = {0};
    drop_memory(reader);
    enum record_codec codec = record_batch_codec(&reader->batch);
    if (codec == RECORD_CODEC_NONE) {
        return true;
    }
    reader->memory = batch_create(&none);
    struct buffer *out = ARENA_NEW(&reader->memory->arena, struct buffer);
    arena_on_destroy(&reader->memory->arena, free_buffer, out);
    if (!compression_decode(codec, reader->batch.records, COMPRESSION_OUTPUT_MAX, out, &problem)) {
        return damaged(reader, error);
    }
    reader->records = buffer_view(out);
    return true;
}

/* The next record batch of the chunk that has wanted records. false: the chunk is used up (or *failed). */
static bool next_batch(struct kafka_reader *reader, bool *failed, struct sql_error *error) {
    while (reader->rest.size > 0) {
        if (record_batch_parse(reader->rest, &reader->batch) != RECORD_BATCH_OK) {
            *failed = !raise_kafka_data_loss(
                error, arena_printf(error->arena, "the log of %s-%d behind offset %lld cannot be read",
                           reader->options.topic, (int)reader->options.partition, (long long)reader->next_offset));
            return false;
        }
        reader->rest =
            bytes_slice(reader->rest, reader->batch.whole.size, reader->rest.size - reader->batch.whole.size);
        int64_t last = record_batch_last_offset(&reader->batch);
        if (reader->batch.base_offset >= reader->options.end) {
            reader->rest.size = 0;
            return false;
        }
        if ((reader->batch.attributes & RECORD_BATCH_CONTROL) || last < reader->options.start ||
            reader->batch.record_count <= 0 ||
            (reader->options.committed && log_batch_is_hidden(&reader->chunk.aborted, &reader->batch))) {
            continue;
        }
        reader->records = reader->batch.records;
        reader->records_left = reader->batch.record_count;
        if (!decompress(reader, error)) {
            *failed = true;
            return false;
        }
        return true;
    }
    return false;
}

/* The wanted offset is gone. */
static enum source_result lost(struct kafka_reader *reader, struct sql_error *error) {
    struct stream_kafka *kafka = reader->options.kafka;
    int64_t earliest = 0, latest = 0;
    struct error problem = {0};
    bool known =
        kafka->class->offsets(kafka, reader->options.topic, reader->options.partition, &earliest, &latest, &problem);
    if (reader->options.fail_on_data_loss) {
        raise_kafka_data_loss(
            error, known ? arena_printf(error->arena, "%s-%d: offset %lld was wanted, the partition has %lld to %lld",
                               reader->options.topic, (int)reader->options.partition, (long long)reader->next_offset,
                               (long long)earliest, (long long)latest)
                         : problem.message);
        return SOURCE_FAILED;
    }
    if (!known || earliest >= reader->options.end || latest <= reader->next_offset) {
        reader->next_offset = reader->options.end;
        return SOURCE_END;
    }
    reader->next_offset = earliest;
    return SOURCE_BATCH;
}

/* SOURCE_BATCH: there is a chunk. */
static enum source_result next_chunk(struct kafka_reader *reader, int64_t *bytes, struct sql_error *error) {
    struct stream_kafka *kafka = reader->options.kafka;
    struct error problem = {0};
    drop_chunk(reader);
    while (reader->next_offset < reader->options.end) {
        enum stream_kafka_status status = kafka->class->read(kafka, reader->options.topic, reader->options.partition,
            reader->next_offset, CHUNK_SIZE, reader->options.committed, &reader->chunk, &problem);
        if (status == STREAM_KAFKA_OK) {
            reader->has_chunk = true;
            reader->rest = reader->chunk.batches;
            *bytes += (int64_t)reader->rest.size;
            if (reader->chunk.skipped_from < reader->chunk.skipped_to && reader->options.fail_on_data_loss) {
                raise_kafka_data_loss(
                    error, arena_printf(error->arena, "the records %lld to %lld of %s-%d are damaged",
                               (long long)reader->chunk.skipped_from, (long long)reader->chunk.skipped_to - 1,
                               reader->options.topic, (int)reader->options.partition));
                return SOURCE_FAILED;
            }
            reader->next_offset = reader->chunk.next_offset;
            return SOURCE_BATCH;
        }
        if (status == STREAM_KAFKA_FAILED) {
            sql_error_from(error, &problem);
            return SOURCE_FAILED;
        }
        enum source_result result = lost(reader, error);
        if (result != SOURCE_BATCH) {
            return result;
        }
    }
    return SOURCE_END;
}

enum source_result kafka_reader_next(
    struct kafka_reader *reader, struct batch **batch, int64_t *bytes, struct sql_error *error) {
    struct rows rows;
    bool failed = false;
    rows_begin(&rows, reader);
    while (rows.count < ROWS_PER_BATCH && !failed) {
        if (reader->records_left > 0) {
            failed = !walk(&rows, error);
        } else if (!reader->has_chunk || !next_batch(reader, &failed, error)) {
            enum source_result result = failed ? SOURCE_FAILED : next_chunk(reader, bytes, error);
            if (result != SOURCE_BATCH) {
                failed = result == SOURCE_FAILED;
                break;
            }
        }
    }
    if (failed || rows.count == 0) {
        batch_release(rows.batch);
        return failed ? SOURCE_FAILED : SOURCE_END;
    }
    *batch = rows_finish(&rows);
    return SOURCE_BATCH;
}
