/* metadata_internal.h: shared by metadata.c (the image and what changes it) and metadata_log.c (its files). */
#ifndef KAFKA_METADATA_INTERNAL_H
#define KAFKA_METADATA_INTERNAL_H

#include "kafka/metadata.h"
#include "wire/kafka_messages.h"
#include "wire/message.h"
#include "wire/record_batch.h"

/* What a new cluster is finalized at: the oldest level of the 4.x line that has everything used here, so that every
 * real Kafka from 4.0 on opens the directory. */
#define METADATA_VERSION_NEW 25         /* 4.0-IV3 */
#define METADATA_VERSION_REPLICA_ZERO 8 /* 3.4-IV0: RegisterBroker 2 */
#define METADATA_VERSION_DIRECTORIES 17 /* 3.7-IV2: PartitionRecord 1, RegisterBroker 3 */
#define METADATA_VERSION_ELR 23         /* 4.0-IV1: PartitionChangeRecord 2 */

struct feature {
    char *name;
    int16_t level;
};
struct partition_image {
    bool known;
    bool is_replica;   /* this node is one */
    bool has_eligible; /* an eligible leader set that a new leader clears */
};
struct topic_image {
    struct metadata_topic topic; /* first: the public view */
    VECTOR(struct metadata_partition) partitions;
    VECTOR(struct partition_image) images;
};
struct config_image {
    enum metadata_resource resource;
    char *name;
    struct map settings;
};
struct metadata {
    struct log_manager *logs;
    struct partition_log *log;
    struct world *world;
    int32_t node_id;
    struct uuid directory_id;
    int32_t epoch; /* leader epoch of the metadata log */
    int64_t broker_epoch;
    struct map topics; /* name -> struct topic_image */
    struct map topics_by_id;
    struct map configs; /* "<type> <name>" -> struct config_image; topics' too */
    VECTOR(struct feature) features;
    int64_t next_producer_id;
    bool in_transaction;
    VECTOR(struct buffer) transaction; /* record values between BeginTransaction and its end */
};

/* A change being put together: one record batch. */
struct change {
    struct metadata *metadata;
    struct buffer bytes;
    struct record_builder builder;
    int64_t now_ms;
    VECTOR(struct buffer) values; /* to replay after the append */
};
void change_begin(struct change *change, struct metadata *metadata, int16_t attributes);
bool change_add(struct change *change, const struct wire_message *message, int16_t version, const void *record,
    struct error *error);
/* Appends, replays into the image, schedules a sync, frees. */
bool change_commit(struct change *change, struct error *error);
void change_discard(struct change *change);

int16_t metadata_level(const struct metadata *metadata, const char *feature); /* 0 when absent */
/* Takes one record's value into the image. */
bool metadata_replay(struct metadata *metadata, struct bytes value, struct error *error);
/* Takes whole batches in: control batches are passed over. */
bool metadata_replay_batches(struct metadata *metadata, struct bytes batches, struct error *error);

/* metadata_log.c */
bool metadata_load(struct metadata *metadata, struct error *error);

#endif
