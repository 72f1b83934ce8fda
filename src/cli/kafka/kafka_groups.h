/* kafka_groups.h: what kafka-consumer-groups knows of groups: descriptions, committed offsets, ends of partitions. */
#ifndef CLI_KAFKA_GROUPS_H
#define CLI_KAFKA_GROUPS_H

#include "cli/kafka/kafka_tool.h"

struct group_place { /* a partition with what is known of it in the group */
    char *topic;
    int32_t partition;
    int64_t committed;    /* -1 none */
    int32_t leader_epoch; /* of the commit, -1 unknown */
    int64_t start, end;   /* -1 unknown */
};
struct group_places {
    struct group_place *items;
    size_t count, capacity;
};
struct group_member {
    char *id, *instance_id /* or NULL */, *client_id, *host;
    struct group_places assigned, target;
    int32_t epoch; /* of members of the newer protocol; else -1 */
};
struct group_description {
    char *id, *state, *protocol; /* state: Stable, Empty, Reconciling … */
    char *protocol_type;
    bool is_consumer;                /* of the newer protocol: */
    int32_t epoch, assignment_epoch; /* else -1 */
    int32_t coordinator;
    char coordinator_address[300];
    struct group_member *members;
    size_t member_count;
};

struct group_listing {
    char *id, *state, *type, *protocol_type;
};
struct group_listings {
    struct group_listing *items;
    size_t count, capacity;
};
bool groups_list(struct remote *remote, struct group_listings *listings, struct error *error);
void groups_list_free(struct group_listings *listings);

/* *code: 69 when there is no such group, other codes of the broker. */
bool group_describe(struct remote *remote, const char *group, struct group_description *description, int16_t *code,
    struct error *error);
void group_description_free(struct group_description *description);

/* Everything the group has committed. */
bool group_committed(
    struct remote *remote, int32_t coordinator, const char *group, struct group_places *places, struct error *error);
/* Offset of a partition: timestamp_ms, or -1 latest, -2 earliest. -1 in *offset: no record so late. */
bool group_list_offset(struct remote *remote, const char *topic, int32_t partition, int64_t timestamp_ms,
    int64_t *offset, struct error *error);
struct group_place *group_place_find(struct group_places *places, const char *topic, int32_t partition);
struct group_place *group_place_add(struct group_places *places, const char *topic, int32_t partition);
void group_places_free(struct group_places *places);
/* Number of partitions, -1 when there is no such topic. */
bool group_partition_count(struct remote *remote, const char *topic, int32_t *count, struct error *error);

#endif
