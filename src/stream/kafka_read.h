/* kafka_read.h: rows from the record batches of one partition. Inside stream/ only. */
#ifndef STREAM_KAFKA_READ_H
#define STREAM_KAFKA_READ_H

#include "exec/source.h"
#include "stream/kafka_source.h"

enum kafka_column {
    KAFKA_KEY,
    KAFKA_VALUE,
    KAFKA_TOPIC,
    KAFKA_PARTITION,
    KAFKA_OFFSET,
    KAFKA_TIMESTAMP,
    KAFKA_TIMESTAMP_TYPE,
    KAFKA_HEADERS,
    KAFKA_COLUMN_COUNT
};
/* With headers or without. Static. */
const struct type *kafka_row_type(bool headers);

struct kafka_reader_options {
    struct stream_kafka *kafka;
    const char *topic; /* outlives the reader and its batches */
    int32_t partition;
    int64_t start, end;                /* offsets; end is not read */
    bool fail_on_data_loss, committed; /* committed: records of aborted and open transactions are left out */
    const size_t *columns;             /* enum kafka_column of each column of the batches */
    size_t column_count;
    const struct type *schema; /* of the batches */
};

struct kafka_reader;
struct kafka_reader *kafka_reader_create(const struct kafka_reader_options *options);
void kafka_reader_destroy(struct kafka_reader *reader);
/* SOURCE_BATCH, SOURCE_END or SOURCE_FAILED. *bytes: what was read of the log. */
enum source_result kafka_reader_next(
    struct kafka_reader *reader, struct batch **batch, int64_t *bytes, struct sql_error *error);

#endif
