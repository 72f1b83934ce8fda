/* kafka_options.h: the options of the Kafka source and sink, and offsets as JSON. Inside stream/ only. */
#ifndef STREAM_KAFKA_OPTIONS_H
#define STREAM_KAFKA_OPTIONS_H

#include "exec/source.h"
#include "stream/kafka_source.h"

enum { KAFKA_EARLIEST = -2, KAFKA_LATEST = -1 };

struct kafka_offset {
    char *topic;
    int32_t partition;
    int64_t offset;
};
/* Sorted by topic and partition. */
struct kafka_offsets { /* kafka_offsets_free */
    struct kafka_offset *items;
    size_t count, capacity;
};
void kafka_offsets_free(struct kafka_offsets *offsets);
void kafka_offsets_copy(struct kafka_offsets *to, const struct kafka_offsets *from);
/* Adds or replaces. */
void kafka_offsets_set(struct kafka_offsets *offsets, const char *topic, int32_t partition, int64_t offset);
/* -3 when absent. */
int64_t kafka_offsets_get(const struct kafka_offsets *offsets, const char *topic, int32_t partition);
bool kafka_offsets_equal(const struct kafka_offsets *left, const struct kafka_offsets *right);
/* {"topic":{"0":1}} */
void kafka_offsets_format(const struct kafka_offsets *offsets, struct buffer *out);
bool kafka_offsets_parse(struct bytes json, struct kafka_offsets *offsets, struct error *error);

enum kafka_limit {
    KAFKA_LIMIT_EARLIEST,
    KAFKA_LIMIT_LATEST,
    KAFKA_LIMIT_OFFSETS,
    KAFKA_LIMIT_TIMESTAMP,
    KAFKA_LIMIT_TIMESTAMPS
};
struct kafka_bound {
    enum kafka_limit limit;
    struct kafka_offsets offsets; /* or timestamps by partition */
    int64_t timestamp_ms;         /* for all */
    bool latest_when_none;        /* startingOffsetsByTimestampStrategy=latest */
};

enum kafka_strategy { KAFKA_ASSIGN, KAFKA_SUBSCRIBE, KAFKA_SUBSCRIBE_PATTERN };
struct kafka_options {
    enum kafka_strategy strategy;
    struct bytes strategy_text;
    struct kafka_offsets assigned; /* offsets unused */
    const char **topics;
    size_t topic_count;
    struct bytes pattern;
    struct kafka_bound start, end;
    int64_t offsets_per_trigger; /* 0: no limit */
    int64_t offsets_per_trigger_min, trigger_delay_max_ms;
    int64_t partitions_min, records_per_partition_max; /* of a batch's scan; 0: one partition per partition */
    bool fail_on_data_loss, include_headers;
    bool committed; /* kafka.isolation.level=read_committed */
    struct bytes bootstrap_servers;
    struct bytes group; /* what the group begins with in which the query is shown: kafka.group.id or groupIdPrefix */
};
/* Texts in arena. Refuses what Spark refuses and options that it does not know. */
bool kafka_options_parse(
    struct arena *arena, const struct source_request *request, struct kafka_options *options, struct sql_error *error);
void kafka_options_free(struct kafka_options *options);

#endif
