/* kafka_messages.h: reading messages for the page: forwards or backwards over some partitions of a topic, filtered,
 * with bounds on what one request may cost; decoding what is in them; sending, exporting and importing. */
#ifndef CONSOLE_KAFKA_MESSAGES_H
#define CONSOLE_KAFKA_MESSAGES_H

#include "console/kafka_filter.h"
#include "console/page.h"

enum { MESSAGE_COUNT_MAX = 1000, MESSAGE_PARTITION_MAX = 10000 };

/* ---- decoding (kafka_decode.c); any thread ---- */

enum message_format {
    FORMAT_AUTO, /* offsets topic: its records; else JSON, text, or hex when it is not UTF-8 */
    FORMAT_STRING,
    FORMAT_JSON,
    FORMAT_HEX,
    FORMAT_BASE64,
    FORMAT_INT32,
    FORMAT_INT64,
    FORMAT_FLOAT,
    FORMAT_DOUBLE,
    FORMAT_UUID,
    FORMAT_COUNT
};
/* FORMAT_COUNT when there is none of this name; absent is FORMAT_AUTO. */
enum message_format message_format_find(struct bytes name);
/* {"type": "json", "text": "…"}; type "null" has no text. `key` is the record's key, which tells the kind of a record
 * of
 * __consumer_offsets. */
json_t *message_decode(const char *topic, struct bytes data, struct bytes key, bool is_key, enum message_format format);
/* Text of a person to bytes; false with ERROR_INVALID when it is not of that format. AUTO is a string. */
bool message_encode(struct bytes text, enum message_format format, struct buffer *out, struct error *error);

/* ---- reading (kafka_read.c); disk pool ---- */

struct message {
    int32_t partition;
    int64_t offset, timestamp_ms;
    struct buffer memory;             /* holds the next three, which may be cut */
    struct bytes key, value, headers; /* data NULL: null */
    int32_t header_count;
    size_t key_size, value_size; /* before the cut */
};
struct message_position {
    int32_t partition;
    int64_t offset;
    int64_t low, high; /* of the partition */
};
struct message_query {
    char *topic;
    bool backwards; /* newest first: below the positions; else oldest first: from the positions on */
    size_t count_max;
    size_t size_max;       /* of a key or value that is kept; longer ones are cut */
    struct bytes text;     /* "" or what key or value contains */
    struct filter *filter; /* or NULL */
    VECTOR(struct message_position) positions;
};
struct message_result {
    VECTOR(struct message) messages;
    int64_t scanned; /* records looked at */
    bool is_end;     /* nothing is left in that direction */
};
/* Reads at most count_max messages and moves the positions to where the next call goes on. At most SCAN_TIME_MS and
 * SCAN_SIZE_MAX go into one call: fewer messages than wanted then are not the end. */
void message_read(
    struct console *console, struct message_query *query, struct message_result *result, struct error *error);
void message_result_free(struct message_result *result);
/* The timestamp of the first record at or after an offset; -1 when there is none. */
int64_t message_timestamp(struct partition_log *log, int64_t offset);

/* ---- the routes (kafka_messages.c, kafka_transfer.c) ---- */

/* A query from a request's arguments; false with the reason. `query` is freed by message_query_free in any case. */
bool message_query_parse(struct page *page, struct message_query *query, struct error *error);
void message_query_free(struct message_query *query);
json_t *message_describe(
    const char *topic, const struct message *message, enum message_format key_format, enum message_format value_format);

http_handler kafka_handle_messages, kafka_handle_message, kafka_handle_send, kafka_handle_export, kafka_handle_import;

#endif
