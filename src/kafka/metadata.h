/* metadata.h: topics, partitions and settings of the cluster. Their only home is the log __cluster_metadata-0, written
 * as a KRaft node that is controller and broker in one writes it; this is its image in memory. What any other record
 * says (ACLs, quotas, SCRAM credentials) stays in the log untouched, because the log is only appended to.
 *
 * Owner thread of the log manager only. A change is in the page cache when its function returns, and a sync is under
 * way; it is atomic (one record batch). Changes here do not touch partition directories: the caller opens and deletes
 * those with log/log.h. */
#ifndef KAFKA_METADATA_H
#define KAFKA_METADATA_H

#include "base/error.h"
#include "base/map.h"
#include "base/uuid.h"
#include "base/vector.h"
#include "log/log.h"

struct metadata;

struct metadata_partition {
    int32_t index;
    int32_t leader; /* -1 none; after metadata_open this node where it is a replica */
    int32_t leader_epoch, partition_epoch;
};
struct metadata_topic {
    char *name;
    struct uuid id;
    struct metadata_partition *partitions; /* by index, without holes */
    int32_t partition_count;
    struct map configs; /* set on the topic: name -> heap text */
};

/* Opens the metadata log (makes it, with the feature levels, in a new directory), replays the newest snapshot and the
 * log, and takes leadership where another run left a partition without a leader. */
struct metadata *metadata_open(struct log_manager *logs, struct error *error);
/* Frees the image. The log itself is closed by log_manager_close, which comes after. */
void metadata_close(struct metadata *metadata);
/* Registers this broker with the endpoint that other Kafka nodes would see. Once, before serving. */
bool metadata_register_broker(struct metadata *metadata, const char *host, uint16_t port, struct error *error);
int64_t metadata_broker_epoch(const struct metadata *metadata);     /* -1 before metadata_register_broker */
int32_t metadata_controller_epoch(const struct metadata *metadata); /* leader epoch of the metadata log */
int64_t metadata_end_offset(const struct metadata *metadata);

/* NULL when there is none. Valid until that topic is deleted. */
struct metadata_topic *metadata_find(struct metadata *metadata, struct bytes name);
struct metadata_topic *metadata_find_id(struct metadata *metadata, struct uuid id);
/* Next topic at or after *cursor (start with 0), in no special order; NULL at the end. */
struct metadata_topic *metadata_next(struct metadata *metadata, size_t *cursor);
size_t metadata_topic_count(const struct metadata *metadata);

struct metadata_setting {
    const char *name;
    const char *value; /* NULL removes */
};
/* A new topic with a new id; names and settings were checked by the caller. ERROR_EXISTS when there is one, ERROR_LIMIT
 * over 10,000 partitions. */
struct metadata_topic *metadata_create_topic(struct metadata *metadata, const char *name, int32_t partition_count,
    const struct metadata_setting *settings, size_t setting_count, struct error *error);
/* Raises the number of partitions to `partition_count`. */
bool metadata_add_partitions(
    struct metadata *metadata, struct metadata_topic *topic, int32_t partition_count, struct error *error);
/* The topic and its settings are gone; `topic` is freed. */
bool metadata_delete_topic(struct metadata *metadata, struct metadata_topic *topic, struct error *error);

enum metadata_resource { METADATA_TOPIC = 2, METADATA_BROKER = 4, METADATA_CLIENT_METRICS = 16, METADATA_GROUP = 32 };
/* Sets or removes settings of a resource, all or none. Broker settings: `name` is the node id, or "" for all brokers.
 */
bool metadata_set_configs(struct metadata *metadata, enum metadata_resource resource, const char *name,
    const struct metadata_setting *settings, size_t setting_count, struct error *error);
/* Settings of a resource: name -> heap text; NULL when none was ever set. */
const struct map *metadata_configs(struct metadata *metadata, enum metadata_resource resource, const char *name);
/* Names of the resources of a kind that have settings, in no special order. */
struct metadata_names { /* VECTOR_FREE; the texts belong to the image */
    const char **items;
    size_t count, capacity;
};
void metadata_config_resources(
    struct metadata *metadata, enum metadata_resource resource, struct metadata_names *names);

/* Takes the next `count` producer ids out of the cluster's sequence (Kafka takes blocks of 1000). */
bool metadata_take_producer_ids(struct metadata *metadata, int32_t count, int64_t *first, struct error *error);

/* Finalizes a feature at a level; 0 removes it. The caller has checked that it may. */
bool metadata_set_feature(struct metadata *metadata, const char *name, int16_t level, struct error *error);
/* Finalized feature levels, as the log says: "metadata.version" 25 and so on. False behind the last. */
bool metadata_feature(const struct metadata *metadata, size_t index, const char **name, int16_t *level);

#endif
