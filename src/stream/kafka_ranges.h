/* kafka_ranges.h: the offsets that a scan reads, cut into the scan's partitions; and whether the topics are still those
 * that the checkpoint was begun with. Inside stream/ only. */
#ifndef STREAM_KAFKA_RANGES_H
#define STREAM_KAFKA_RANGES_H

#include "store/store.h"
#include "stream/kafka_options.h"

struct kafka_range {
    char *topic;
    int32_t partition;
    int64_t start, end;
};
struct kafka_ranges { /* in an arena */
    struct kafka_range *items;
    size_t count;
};
/* maxRecordsPerPartition, then minPartitions, as Spark shares them out. The topic names are those of `ranges`. */
void kafka_ranges_split(struct kafka_ranges *ranges, int64_t partitions_min, int64_t records_max, struct arena *arena);

/* The topics that a query reads, by name and id. */
struct kafka_topics { /* kafka_topics_free */
    struct kafka_topic_seen *items;
    size_t count, capacity;
};
struct kafka_topic_seen {
    char *topic;
    struct uuid id;
};
void kafka_topics_free(struct kafka_topics *topics);
/* What an earlier run noted at the canonical path; nothing when there is no such note. Disk pool. */
void kafka_topics_read(struct kafka_topics *topics, struct store *store, const char *path);
/* Compares the topics of these offsets with what was seen before and notes new ones there, at `path` too. false: a
 * topic was deleted and made again; its name is then in *again. Disk pool. */
bool kafka_topics_check(struct kafka_topics *topics, struct stream_kafka *kafka, const struct kafka_offsets *offsets,
    struct store *store, const char *path, const char **again);

#endif
