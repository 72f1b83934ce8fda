/* consumer_assignors.h: which member of a consumer group reads which partition, computed on the server: "uniform" gives
 * every member as many partitions as the others and moves as few as it can; "range" gives each member a run of every
 * topic. Pure functions; any thread. */
#ifndef KAFKA_CONSUMER_ASSIGNORS_H
#define KAFKA_CONSUMER_ASSIGNORS_H

#include "base/arena.h"
#include "base/uuid.h"
#include "base/vector.h"

/* A partition by its topic's id. `epoch`: the member epoch since which a member has it, where that is known. */
struct topic_partition {
    struct uuid topic;
    int32_t partition;
    int32_t epoch;
};
/* Sorted by topic id and partition, each once. */
struct partition_list {
    struct topic_partition *items;
    size_t count, capacity;
};
int topic_partition_compare(const struct topic_partition *left, const struct topic_partition *right);
/* Sorts and removes what is there twice. */
void partition_list_sort(struct partition_list *list);
/* Where it is, or SIZE_MAX. */
size_t partition_list_find(const struct partition_list *list, struct uuid topic, int32_t partition);
bool partition_list_equal(const struct partition_list *left, const struct partition_list *right); /* without epochs */
void partition_list_copy(struct partition_list *to, const struct partition_list *from);

struct assignor_topic {
    struct uuid id;
    int32_t partition_count;
};
struct assignor_member {
    const char *id, *instance_id; /* instance_id or NULL */
    const uint32_t *topics;       /* places in the list of topics, ascending */
    size_t topic_count;
    const struct partition_list *former; /* what was its target before */
    struct partition_list target;        /* out; the caller frees it */
};
struct assignor {
    const char *name;
    void (*assign)(struct arena *arena, const struct assignor_topic *topics, size_t topic_count,
        struct assignor_member *members, size_t member_count);
};
/* NULL when there is none of this name. */
const struct assignor *assignor_find(struct bytes name);
extern const struct assignor assignors[];
extern const size_t assignor_count;

#endif
