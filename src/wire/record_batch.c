/* record_batch.c: reading and building record batches v2; the format is told in record_batch.h. */
#include "wire/record_batch.h"

#include "base/assert.h"
#include "wire/crc32c.h"

bool record_batch_parse_header(const uint8_t *header, struct record_batch *batch) {
    if (record_batch_size(header) == 0 || header[16] != 2)
        return false;
    *batch = (struct record_batch){
        .base_offset = (int64_t)load_be64(header),
        .leader_epoch = (int32_t)load_be32(header + 12),
        .crc = load_be32(header + 17),
        .attributes = (int16_t)load_be16(header + 21),
        .last_offset_delta = (int32_t)load_be32(header + 23),
        .base_timestamp = (int64_t)load_be64(header + 27),
        .max_timestamp = (int64_t)load_be64(header + 35),
        .producer_id = (int64_t)load_be64(header + 43),
        .producer_epoch = (int16_t)load_be16(header + 51),
        .base_sequence = (int32_t)load_be32(header + 53),
        .record_count = (int32_t)load_be32(header + 57),
    };
    return batch->last_offset_delta >= 0 && batch->record_count >= 0 && batch->base_offset >= 0 &&
           batch->base_offset <= INT64_MAX - batch->last_offset_delta - 1;
}

enum record_batch_result record_batch_parse(struct bytes data, struct record_batch *batch) {
    if (data.size < RECORD_BATCH_LENGTH_START)
        return RECORD_BATCH_SHORT;
    size_t size = record_batch_size(data.data);
    if (size == 0)
        return RECORD_BATCH_BAD;
    if (data.size >= 17 && data.data[16] != 2)
        return RECORD_BATCH_BAD;
    if (data.size < size)
        return RECORD_BATCH_SHORT;
    if (!record_batch_parse_header(data.data, batch))
        return RECORD_BATCH_BAD;
    batch->whole = bytes_make(data.data, size);
    batch->records = bytes_make(data.data + RECORD_BATCH_HEADER_SIZE, size - RECORD_BATCH_HEADER_SIZE);
    return RECORD_BATCH_OK;
}

bool record_batch_checksum_ok(const struct record_batch *batch) {
    return crc32c(0, batch->whole.data + RECORD_BATCH_CRC_START, batch->whole.size - RECORD_BATCH_CRC_START) ==
           batch->crc;
}

void record_batch_seal(uint8_t *batch, size_t size) {
    ASSERT(size >= RECORD_BATCH_HEADER_SIZE);
    store_be32(batch + 17, crc32c(0, batch + RECORD_BATCH_CRC_START, size - RECORD_BATCH_CRC_START));
}

static bool unsigned_read(struct bytes *rest, int bits, uint64_t *value) {
    uint64_t result = 0;
    for (int shift = 0; shift < bits; shift += 7) {
        if (rest->size == 0)
            return false;
        uint8_t byte = *rest->data++;
        rest->size--;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

bool varlong_read(struct bytes *rest, int64_t *value) {
    uint64_t raw;
    if (!unsigned_read(rest, 64, &raw))
        return false;
    *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
    return true;
}

bool varint_read(struct bytes *rest, int32_t *value) {
    uint64_t raw;
    if (!unsigned_read(rest, 32, &raw))
        return false;
    uint32_t low = (uint32_t)raw;
    *value = (int32_t)(low >> 1) ^ -(int32_t)(low & 1);
    return true;
}

bool uvarint_read(struct bytes *rest, uint32_t *value) {
    uint64_t raw;
    if (!unsigned_read(rest, 32, &raw) || raw > UINT32_MAX)
        return false;
    *value = (uint32_t)raw;
    return true;
}

static void unsigned_append(struct buffer *out, uint64_t value) {
    while (value >= 0x80) {
        buffer_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_append_byte(out, (uint8_t)value);
}

void varlong_append(struct buffer *out, int64_t value) {
    unsigned_append(out, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void uvarint_append(struct buffer *out, uint32_t value) {
    unsigned_append(out, value);
}

void record_reader_init(struct record_reader *reader, const struct record_batch *batch, struct bytes records) {
    *reader = (struct record_reader){
        .rest = records,
        .base_offset = batch->base_offset,
        .base_timestamp = batch->base_timestamp,
        .max_timestamp = batch->max_timestamp,
        .left = batch->record_count,
        .log_append_time = (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0,
    };
}

/* Takes a sized field; size -1 gives null. */
static bool field_read(struct bytes *rest, struct bytes *field) {
    int32_t size;
    if (!varint_read(rest, &size) || size < -1)
        return false;
    if (size == -1) {
        *field = BYTES_NULL;
        return true;
    }
    if ((size_t)size > rest->size)
        return false;
    *field = bytes_make(rest->data, (size_t)size);
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

bool record_header_next(struct bytes *headers, struct record_header *header) {
    return headers->size > 0 && field_read(headers, &header->key) && header->key.data &&
           field_read(headers, &header->value);
}

static bool record_read(struct record_reader *reader, struct record *record) {
    int32_t size, offset_delta;
    int64_t timestamp_delta;
    if (!varint_read(&reader->rest, &size) || size < 1 || (size_t)size > reader->rest.size)
        return false;
    struct bytes body = bytes_make(reader->rest.data + 1, (size_t)size - 1);
    reader->rest = bytes_make(reader->rest.data + size, reader->rest.size - (size_t)size);
    if (!varlong_read(&body, &timestamp_delta) || !varint_read(&body, &offset_delta) || offset_delta < 0 ||
        !field_read(&body, &record->key) || !field_read(&body, &record->value) ||
        !varint_read(&body, &record->header_count) || record->header_count < 0 ||
        (size_t)record->header_count > body.size)
        return false;
    record->headers = body;
    record->offset = reader->base_offset + offset_delta;
    record->timestamp = reader->log_append_time
                            ? reader->max_timestamp
                            : (int64_t)((uint64_t)reader->base_timestamp + (uint64_t)timestamp_delta);
    struct bytes headers = body;
    struct record_header header;
    for (int32_t i = 0; i < record->header_count; i++)
        if (!record_header_next(&headers, &header))
            return false;
    return headers.size == 0;
}

bool record_reader_next(struct record_reader *reader, struct record *record, struct error *error) {
    if (reader->left == 0) {
        if (reader->rest.size > 0)
            error_set(error, ERROR_CORRUPT, "%zu bytes follow the last record of the batch at offset %lld",
                reader->rest.size, (long long)reader->base_offset);
        return false;
    }
    if (!record_read(reader, record))
        return error_set(
            error, ERROR_CORRUPT, "a record of the batch at offset %lld is malformed", (long long)reader->base_offset);
    reader->left--;
    return true;
}

void record_builder_begin(struct record_builder *builder, struct buffer *out, int64_t base_offset, int16_t attributes) {
    *builder = (struct record_builder){.out = out, .start = out->size, .base_offset = base_offset, .max_timestamp = -1};
    uint8_t *header = buffer_extend(out, RECORD_BATCH_HEADER_SIZE);
    memset(header, 0, RECORD_BATCH_HEADER_SIZE);
    store_be64(header, (uint64_t)base_offset);
    header[16] = 2;
    store_be16(header + 21, (uint16_t)attributes);
}

void record_builder_set_base_timestamp(struct record_builder *builder, int64_t base_timestamp) {
    ASSERT(builder->count == 0);
    builder->base_timestamp = base_timestamp;
    builder->has_base_timestamp = true;
}

static void field_append(struct buffer *out, struct bytes field) {
    varlong_append(out, field.data ? (int64_t)field.size : -1);
    if (field.data)
        buffer_append_bytes(out, field);
}

static size_t varlong_size(int64_t value) {
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t size = 1;
    while (raw >= 0x80) {
        raw >>= 7;
        size++;
    }
    return size;
}

static size_t field_size(struct bytes field) {
    return field.data ? varlong_size((int64_t)field.size) + field.size : 1;
}

void record_builder_add(struct record_builder *builder, int64_t offset, int64_t timestamp, struct bytes key,
    struct bytes value, struct bytes headers, int32_t header_count) {
    ASSERT(offset >= builder->base_offset);
    if (builder->count == 0 && !builder->has_base_timestamp)
        builder->base_timestamp = timestamp;
    if (builder->count == 0 || timestamp > builder->max_timestamp)
        builder->max_timestamp = timestamp;
    builder->count++;
    builder->last_offset_delta = (int32_t)(offset - builder->base_offset);
    int64_t timestamp_delta = timestamp - builder->base_timestamp;
    size_t size = 1 + varlong_size(timestamp_delta) + varlong_size(builder->last_offset_delta) + field_size(key) +
                  field_size(value) + varlong_size(header_count) + headers.size;
    varlong_append(builder->out, (int64_t)size);
    buffer_append_byte(builder->out, 0);
    varlong_append(builder->out, timestamp_delta);
    varlong_append(builder->out, builder->last_offset_delta);
    field_append(builder->out, key);
    field_append(builder->out, value);
    varlong_append(builder->out, header_count);
    if (headers.size > 0)
        buffer_append_bytes(builder->out, headers);
}

void record_builder_end(struct record_builder *builder, int64_t producer_id, int16_t producer_epoch,
    int32_t base_sequence, int32_t leader_epoch) {
    uint8_t *header = builder->out->data + builder->start;
    size_t size = builder->out->size - builder->start;
    ASSERT(size - RECORD_BATCH_LENGTH_START <= INT32_MAX);
    store_be32(header + 8, (uint32_t)(size - RECORD_BATCH_LENGTH_START));
    store_be32(header + 12, (uint32_t)leader_epoch);
    store_be32(header + 23, (uint32_t)builder->last_offset_delta);
    store_be64(header + 27, (uint64_t)builder->base_timestamp);
    store_be64(header + 35, (uint64_t)builder->max_timestamp);
    store_be64(header + 43, (uint64_t)producer_id);
    store_be16(header + 51, (uint16_t)producer_epoch);
    store_be32(header + 53, (uint32_t)base_sequence);
    store_be32(header + 57, (uint32_t)builder->count);
    record_batch_seal(header, size);
}
