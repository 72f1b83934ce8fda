/* kafka_why.h: what a person is told of a query that reads Kafka: why it has nothing to read, and where a record is.
 * Inside stream/ only. */
#ifndef STREAM_KAFKA_WHY_H
#define STREAM_KAFKA_WHY_H

#include "stream/kafka_options.h"
#include "stream/source.h"
#include "stream/stream.h"

/* See struct stream_source_class, reasons. */
void kafka_reasons(struct stream_kafka *kafka, const struct kafka_options *options, struct bytes start,
    const char *read_before, bool read_now, int64_t wait_ms, struct stream_reasons *reasons);
/* Adds what lies behind these offsets, and when the oldest of it was written: the time of the record batch that holds
 * it. */
void kafka_add_lag(struct stream_kafka *kafka, struct bytes position, struct stream_lag *lag);
/* Where between the offsets start and end the first record is whose value begins with `text`: "topic-0 offset 17" in
 * `place`, "" when there is none. Any thread that may wait. */
void kafka_find_record(
    struct stream_kafka *kafka, struct bytes start, struct bytes end, struct bytes text, char *place, size_t size);

#endif
