/* record_batch.h: Kafka's record batch, version 2: the unit of produce, storage and fetch.
 *
 *   0 i64 base offset          21 i16 attributes         51 i16 producer epoch
 *   8 i32 length after this    23 i32 last offset delta  53 i32 base sequence
 *  12 i32 leader epoch         27 i64 base timestamp     57 i32 record count
 *  16 i8  magic 2              35 i64 max timestamp      61 records, compressed as one block
 *  17 u32 CRC-32C of 21..end   43 i64 producer id
 *
 * A record: varint length, i8 0, varlong timestamp delta, varint offset delta, varint key size (-1 null), key, varint
 * value size (-1 null), value, varint header count, and per header varint key size, key, varint value size (-1 null),
 * value. All varints zigzag. Source: Kafka's published protocol guide. */
#ifndef WIRE_RECORD_BATCH_H
#define WIRE_RECORD_BATCH_H

#include "base/bytes.h"
#include "base/error.h"

#define RECORD_BATCH_HEADER_SIZE 61
#define RECORD_BATCH_LENGTH_START 12 /* the length field counts from here */
#define RECORD_BATCH_CRC_START 21

enum record_batch_attributes {
    RECORD_BATCH_CODEC = 7, /* enum record_codec */
    RECORD_BATCH_LOG_APPEND_TIME = 8,
    RECORD_BATCH_TRANSACTIONAL = 16,
    RECORD_BATCH_CONTROL = 32,
    RECORD_BATCH_DELETE_HORIZON = 64, /* the base timestamp is when compaction may drop tombstones */
};
enum record_codec { RECORD_CODEC_NONE, RECORD_CODEC_GZIP, RECORD_CODEC_SNAPPY, RECORD_CODEC_LZ4, RECORD_CODEC_ZSTD };

struct record_batch {
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    struct bytes whole;   /* the batch from its first byte to its last */
    struct bytes records; /* after the header, still compressed */
};

/* Size in bytes of the batch that starts at `data` (at least 12 bytes), 0 when the length field cannot be right. */
static inline size_t record_batch_size(const uint8_t *data) {
    int32_t length = load_be32(data + 8);
    return length < RECORD_BATCH_HEADER_SIZE - RECORD_BATCH_LENGTH_START ? 0
                                                                         : (size_t)length + RECORD_BATCH_LENGTH_START;
}
static inline int64_t record_batch_last_offset(const struct record_batch *batch) {
    return batch->base_offset + batch->last_offset_delta;
}
static inline enum record_codec record_batch_codec(const struct record_batch *batch) {
    return (enum record_codec)(batch->attributes & RECORD_BATCH_CODEC);
}

enum record_batch_result { RECORD_BATCH_OK, RECORD_BATCH_SHORT /* more bytes are needed */, RECORD_BATCH_BAD };
/* Reads the header at the start of `data` and checks what can be checked without the checksum: length, magic, counts.
 */
enum record_batch_result record_batch_parse(struct bytes data, struct record_batch *batch);
/* Fields only, of a batch whose header (61 bytes) is there but whose records may not be; `whole` and `records` stay
 * empty. */
bool record_batch_parse_header(const uint8_t *header, struct record_batch *batch);
bool record_batch_checksum_ok(const struct record_batch *batch);
/* Writes the checksum into a whole batch. */
void record_batch_seal(uint8_t *batch, size_t size);

/* ---- records of an uncompressed (or decompressed) block ---- */

struct record {
    int64_t offset, timestamp;
    struct bytes key, value; /* data NULL when null */
    int32_t header_count;
    struct bytes headers; /* encoded */
};
struct record_reader {
    struct bytes rest;
    int64_t base_offset, base_timestamp, max_timestamp;
    int32_t left;
    bool log_append_time;
};
/* `records` is batch->records when the codec is none, else the decompressed block. */
void record_reader_init(struct record_reader *reader, const struct record_batch *batch, struct bytes records);
/* False at the end (*error untouched) or at a malformed record (ERROR_CORRUPT). error->code must be ERROR_NONE at the
 * call. */
bool record_reader_next(struct record_reader *reader, struct record *record, struct error *error);

struct record_header {
    struct bytes key, value;
};
/* Takes the next header off `headers`; false at the end or when malformed. */
bool record_header_next(struct bytes *headers, struct record_header *header);

/* ---- building ---- */

struct record_builder {
    struct buffer *out; /* the batch is appended here */
    size_t start;
    int64_t base_offset, base_timestamp, max_timestamp;
    int32_t count, last_offset_delta;
    bool has_base_timestamp;
};
/* Starts an uncompressed batch at the end of `out`; offsets and timestamps of records are absolute and base_offset is
 * the first's. */
void record_builder_begin(struct record_builder *builder, struct buffer *out, int64_t base_offset, int16_t attributes);
/* Before the first record: timestamps are stored relative to this one instead of the first record's. */
void record_builder_set_base_timestamp(struct record_builder *builder, int64_t base_timestamp);
/* headers: encoded, as in struct record. */
void record_builder_add(struct record_builder *builder, int64_t offset, int64_t timestamp, struct bytes key,
    struct bytes value, struct bytes headers, int32_t header_count);
/* producer_id -1, epoch -1, sequence -1 for none. Seals the batch. */
void record_builder_end(struct record_builder *builder, int64_t producer_id, int16_t producer_epoch,
    int32_t base_sequence, int32_t leader_epoch);

/* ---- variable-length integers ---- */

/* Zigzag, as in records. Take one off `rest`; false when cut off or too long. */
bool varint_read(struct bytes *rest, int32_t *value);
bool varlong_read(struct bytes *rest, int64_t *value);
/* Unsigned, as in flexible messages. */
bool uvarint_read(struct bytes *rest, uint32_t *value);
void varlong_append(struct buffer *out, int64_t value);
void uvarint_append(struct buffer *out, uint32_t value);

#endif
