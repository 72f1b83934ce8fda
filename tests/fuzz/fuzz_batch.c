/* fuzz_batch.c: a fuzz target: record batches of every codec as a client sends them. Parsing, decompressing and walking
 * must stay within the bytes, and every message of Kafka's that is kept in records (groups, transactions, metadata)
 * must be decoded or refused. The first byte says what the rest is. See fuzz.h. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/assert.h"
#include "wire/compress.h"
#include "wire/kafka_messages.h"
#include "wire/record_batch.h"

enum { PLAIN_MAX = 1 << 20 };

static void read_batch(struct bytes data) {
    struct record_batch batch;
    struct buffer plain = {0};
    struct error error = {0};
    if (record_batch_parse(data, &batch) != RECORD_BATCH_OK)
        return;
    ASSERT(batch.whole.size <= data.size);
    bool ok = record_batch_codec(&batch) <= RECORD_CODEC_ZSTD;
    struct bytes records = batch.records;
    if (ok && record_batch_codec(&batch) != RECORD_CODEC_NONE) {
        ok = compression_decode(record_batch_codec(&batch), batch.records, PLAIN_MAX, &plain, &error);
        ASSERT(plain.size <= PLAIN_MAX);
        records = buffer_view(&plain);
    }
    struct record_reader reader;
    struct record record;
    int64_t sum = 0;
    record_reader_init(&reader, &batch, records);
    while (ok && record_reader_next(&reader, &record, &error)) {
        struct record_header header;
        for (int32_t i = 0; i < record.header_count && record_header_next(&record.headers, &header); i++)
            sum += (int64_t)header.key.size;
        for (size_t i = 0; i < record.value.size; i++)
            sum += record.value.data[i];
    }
    record_batch_checksum_ok(&batch);
    buffer_free(&plain);
}

/* The messages that the broker reads from its own topics. */
static void read_message(struct bytes data) {
    static const struct wire_message *const messages[] = {&kafka_topic_record_message, &kafka_partition_record_message,
        &kafka_config_record_message, &kafka_producer_ids_record_message, &kafka_remove_topic_record_message,
        &kafka_transaction_key_message, &kafka_produce_request_message, &kafka_fetch_request_message,
        &kafka_join_group_request_message, &kafka_create_topics_request_message};
    struct arena arena = {0};
    struct error error = {0};
    if (data.size < 2)
        return;
    const struct wire_message *message = messages[data.data[0] % ARRAY_COUNT(messages)];
    int16_t version =
        (int16_t)(message->version_min + data.data[1] % (message->version_max - message->version_min + 1));
    struct bytes rest = bytes_slice(data, 2, data.size - 2);
    void *value = arena_allocate(&arena, message->body->size);
    if (wire_decode(message, version, &rest, &arena, value, &error)) {
        /* What was read can be written, and is then read as the same. */
        struct buffer out = {0};
        if (wire_encode(message, version, value, &out, NULL, &error)) {
            struct bytes again = buffer_view(&out);
            void *other = arena_allocate(&arena, message->body->size);
            ASSERT(wire_decode(message, version, &again, &arena, other, &error) && again.size == 0);
            ASSERT(wire_equal(message->body, value, other));
        }
        buffer_free(&out);
    }
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer copy = {0};
    if (size < 1)
        return 0;
    struct bytes rest = bytes_make(data + 1, size - 1);
    if (data[0] & 1) {
        read_message(rest);
        return 0;
    }
    buffer_append_bytes(&copy, rest);
    if (data[0] & 2 &&
        copy.size >= RECORD_BATCH_HEADER_SIZE) { /* the length is right: what lies behind it is reached */
        store_be32(copy.data + 8, (uint32_t)(copy.size - RECORD_BATCH_LENGTH_START));
        record_batch_seal(copy.data, copy.size);
    }
    read_batch(buffer_view(&copy));
    buffer_free(&copy);
    return 0;
}

/* A batch of each codec, and some messages. */
bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= RECORD_CODEC_COUNT + 8)
        return false;
    buffer_append_byte(out, index < RECORD_CODEC_COUNT ? 2 : 1);
    if (index >= RECORD_CODEC_COUNT) {
        for (int i = 0; i < 60; i++)
            buffer_append_byte(out, (uint8_t)(i == 0 ? (int)index : i * 5 % 7));
        return true;
    }
    struct record_builder builder;
    struct buffer plain = {0}, packed = {0};
    struct error error;
    record_builder_begin(&builder, &plain, 0, (int16_t)index);
    for (int k = 0; k < 5; k++)
        record_builder_add(&builder, k, 1000 + k, BYTES("key"), BYTES("a value of some length, of some length"),
            BYTES("\x02h\x04xy"), 1);
    record_builder_end(&builder, 5, 0, 0, 0);
    buffer_append(&packed, plain.data, RECORD_BATCH_HEADER_SIZE);
    bool ok = compression_encode((enum record_codec)index,
        bytes_make(plain.data + RECORD_BATCH_HEADER_SIZE, plain.size - RECORD_BATCH_HEADER_SIZE), &packed, &error);
    ASSERT(ok);
    buffer_append_bytes(out, buffer_view(&packed));
    buffer_free(&plain);
    buffer_free(&packed);
    return true;
}
