/* groups.h: the group coordinator: consumer groups and their committed offsets. All of it is stored in
 * __consumer_offsets and nowhere else (groups_store.c); the states here are those of Kafka's classic protocol
 * (groups.c), those of the newer one stand in consumer_group.h. Broker's loop. */
#ifndef KAFKA_GROUPS_H
#define KAFKA_GROUPS_H

#include "kafka/internal.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };

struct member_protocol {
    char *name;
    struct buffer metadata;
};
struct group;
struct member {
    struct list_node node; /* in group->members, in the order of joining */
    struct group *group;
    char *id, *instance_id /* or NULL */, *client_id, *client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    VECTOR(struct member_protocol) protocols; /* in the member's order of preference */
    struct buffer assignment;
    struct api_request *join, *sync; /* waiting, or NULL */
    int64_t deadline_ms;             /* loop time at which the session ends */
    bool synced;                     /* has its assignment of this generation */
};
struct pending_member { /* was told its id and has not come back yet */
    char *id;
    int64_t deadline_ms;
};
struct committed_offset {
    char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    char *metadata;
    int64_t commit_ms;  /* wall time */
    int64_t log_offset; /* of its record in __consumer_offsets */
};
struct unsettled_offset { /* committed in a transaction that is still open */
    int64_t producer_id;
    struct committed_offset offset;
};
struct consumer_group;
/* A record in the bytes of the list that it is in. */
struct group_record {
    size_t key_at, key_size, value_at, value_size;
    bool tombstone;
};
struct group_records {
    struct buffer bytes;
    VECTOR(struct group_record) list;
};
struct group {
    char *id;
    struct consumer_group *consumer; /* NULL: a classic group, or offsets alone */
    struct group_records unstored;   /* could not be stored; the next batch takes them along */
    enum group_state state;
    int32_t generation;
    char *protocol_type, *protocol_name; /* or NULL */
    struct list members;
    size_t member_count;
    struct member *leader;
    VECTOR(struct pending_member) pending;
    struct map offsets; /* topic, NUL, partition -> struct committed_offset */
    VECTOR(struct unsettled_offset) unsettled;
    int64_t deadline_ms; /* of the present rebalance step, 0 none */
    int64_t joining_since_ms;
    bool initial_delay;    /* the first members gather */
    bool shown;            /* in memory only: kafka_client_show_group */
    int64_t state_wall_ms; /* when the state was entered */
};
struct groups {
    struct broker *broker;
    struct map by_id;
    struct map waiting; /* groups with unsettled offsets, by producer (groups_transactions.c) */
    struct world_timer *timer, *expiry_timer;
    int64_t next_deadline_ms; /* what the timer is set to, 0 not running */
};

/* ---- groups.c: states ---- */

struct groups *groups_create(struct broker *broker);
/* Pending requests must be gone (the connections are closed). */
void groups_destroy(struct groups *groups);
struct group *group_find(struct groups *groups, struct bytes id);
struct group *group_make(struct groups *groups, struct bytes id); /* finds or creates, empty */
/* Frees a group without members. */
void group_free(struct groups *groups, struct group *group);
/* As tools print it, of either protocol. */
const char *group_state_text(const struct group *group);
bool group_has_members(const struct group *group);
/* All members are gone, and those that wait are answered with the code: an empty group without a protocol. */
void group_dissolve(struct group *group, int16_t code);
/* The protocol that most members prefer among those all have. */
void group_choose_protocol(struct group *group);
/* Not empty, UTF-8, no control characters: what can be stored, shown and logged. */
bool group_id_valid(struct bytes id);
struct member *group_member_find(struct group *group, struct bytes id);
struct member *group_static_member(struct group *group, struct bytes instance_id);
struct member *member_add(
    struct group *group, const char *id, struct bytes instance_id, const char *client_id, const char *client_host);
void member_set_protocol(struct member *member, struct bytes name, struct bytes metadata);
const struct member_protocol *member_protocol(const struct member *member, const char *name);
/* KAFKA_NONE, or what to answer: unknown or fenced member, another generation. *member is set on success. */
int16_t group_check_member(
    struct group *group, struct bytes member_id, struct bytes instance_id, int32_t generation, struct member **member);
/* The member was heard of. */
void member_touch(struct groups *groups, struct member *member);
/* Removes it and rebalances the rest; its waiting requests get `code`. */
void group_remove_member(
    struct groups *groups, struct group *group, struct member *member, int16_t code, const char *why);
/* Leaves the present generation: every member must join again. */
void group_prepare_rebalance(struct groups *groups, struct group *group, const char *why);
/* The leader is told that its assignment holds when every member has asked for its own, or a moment later. */
void group_answer_leader(struct group *group);
/* When all members have joined, the next generation begins. */
void group_try_complete_join(struct groups *groups, struct group *group);
/* Answers a join with the present generation. */
void group_answer_join(struct group *group, struct member *member);
void group_answer_sync(struct member *member, int16_t code);
void groups_schedule(struct groups *groups, int64_t deadline_ms);
bool group_supports_protocols(const struct group *group, const struct kafka_join_group_request *request);

/* ---- groups_store.c: records ---- */

/* Reads all partitions of __consumer_offsets, if it exists. */
bool groups_load(struct groups *groups, struct error *error);
/* Which partition of __consumer_offsets keeps a group, and of __transaction_state a transactional.id. */
int32_t group_partition(struct bytes group_id, int32_t partition_count);

/* Records for one group, gathered and then appended as one batch. */
struct group_batch {
    struct groups *groups;
    struct group *group;
    struct group_records records;
    bool is_kept;        /* false after group_batch_begin; true: what cannot be stored is kept for the next batch */
    int64_t producer_id; /* of the transaction that it belongs to; -1 none, which it is after group_batch_begin */
    int16_t producer_epoch;
};
void group_batch_begin(struct group_batch *batch, struct groups *groups, struct group *group);
/* The key and the value with their numbers in front; value NULL deletes. */
void group_batch_record(struct group_batch *batch, int16_t kind, const struct wire_message *key_message,
    const void *key, const struct wire_message *value_message, int16_t value_version, const void *value);
void group_batch_offset(struct group_batch *batch, const struct committed_offset *offset, bool tombstone);
/* Membership as it is now. */
void group_batch_metadata(struct group_batch *batch, bool tombstone);
/* Appends (nothing when empty) and frees the batch. *log and *last_offset tell what to wait for, when not NULL. */
int16_t group_batch_commit(struct group_batch *batch, struct partition_log **log, int64_t *last_offset);
/* The short form for membership alone. */
int16_t group_store(struct groups *groups, struct group *group);

struct committed_offset *group_offset(struct group *group, struct bytes topic, int32_t partition);
struct committed_offset *group_set_offset(struct group *group, struct bytes topic, int32_t partition, int64_t offset,
    int32_t leader_epoch, struct bytes metadata, int64_t commit_ms);
/* Frees it without a record. */
void group_drop_offset(struct group *group, struct committed_offset *offset);
/* Deletes the group and its offsets with tombstones. */
int16_t group_delete(struct groups *groups, struct group *group);
/* A topic was deleted: its offsets go too. */
void groups_topic_deleted(struct groups *groups, const char *topic);
/* Offsets of groups without members that are older than offsets.retention.minutes, and groups that have nothing left.
 */
void groups_expire(struct groups *groups);

/* ---- groups_transactions.c ---- */

/* An offset that comes into force with the producer's transaction. `home`: the group's partition of __consumer_offsets.
 */
void group_add_unsettled(struct groups *groups, struct group *group, int32_t home, int64_t producer_id,
    const struct committed_offset *offset);
/* An open transaction has committed an offset of the partition. */
bool group_is_unsettled(const struct group *group, struct bytes topic, int32_t partition);
/* Forgets those of a partition, or all when topic is BYTES_NULL. */
void group_drop_unsettled(struct group *group, struct bytes topic, int32_t partition);
/* A marker was written to a partition of __consumer_offsets. */
void groups_transaction_ended(struct groups *groups, int32_t partition, int64_t producer_id, bool commit);
void groups_free_waiting(struct groups *groups);

#endif
