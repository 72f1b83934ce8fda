/* consumer_group.h: groups of the newer protocol (KIP-848): the coordinator assigns, and each member walks from what it
 * has to what it should have at its own pace. Members of the classic protocol may take part (consumer_group_classic.c).
 * Stored in __consumer_offsets in Kafka's records (consumer_group_store.c). Broker's loop. */
#ifndef KAFKA_CONSUMER_GROUP_H
#define KAFKA_CONSUMER_GROUP_H

#include "kafka/consumer_assignors.h"
#include "kafka/groups.h"
#include "kafka/topic_pattern.h"

/* Numbers as stored. */
enum consumer_member_state {
    CONSUMER_STABLE = 0,     /* has what it should have */
    CONSUMER_UNREVOKED = 1,  /* must give partitions back first */
    CONSUMER_UNRELEASED = 2, /* waits for partitions that others still have */
};
enum { MEMBER_LEAVES = -1, STATIC_MEMBER_LEAVES = -2 };

struct classic_membership { /* of a member that speaks the classic protocol */
    int32_t session_timeout_ms;
    VECTOR(struct member_protocol) protocols;
};

struct consumer_member {
    struct list_node node; /* in consumer->members, in the order of joining */
    char *id, *instance_id, *rack_id, *client_id, *client_host;
    char *assignor, *topic_regex; /* like instance_id and rack_id NULL when there is none */
    VECTOR(char *) topics;        /* names subscribed to, sorted */
    int32_t rebalance_timeout_ms;
    struct classic_membership *classic; /* NULL: speaks the newer protocol */
    int32_t epoch, previous_epoch;
    enum consumer_member_state state;
    struct partition_list assigned, revoking, target;
    int64_t session_deadline_ms;
    int64_t step_deadline_ms; /* to have given partitions back, or, of the classic protocol, to join or sync; 0 none */
    bool is_described;        /* while loading: its own record was read */
};
struct resolved_pattern {
    struct topic_pattern *pattern;
    VECTOR(char *) topics; /* sorted */
    int64_t version, time_ms;
};
struct consumer_group {
    struct list members;
    size_t member_count;
    int32_t epoch, assignment_epoch;
    int64_t metadata_hash; /* of the topics subscribed to */
    uint64_t topics_seen;  /* broker->topics_version when the hash was taken */
    struct map patterns;   /* regular expression -> struct resolved_pattern */
    struct map owners;     /* topic id and partition -> the member that has it or gives it back */
    const struct assignor *assignor;
};

/* ---- consumer_group.c ---- */

struct consumer_group *consumer_group_make(struct group *group);
void consumer_group_free(struct group *group); /* group->consumer becomes NULL; without records */
const char *consumer_group_state(const struct consumer_group *consumer);
struct consumer_member *consumer_member_find(const struct consumer_group *consumer, struct bytes id);
struct consumer_member *consumer_static_member(const struct consumer_group *consumer, struct bytes instance_id);
struct consumer_member *consumer_member_add(struct consumer_group *consumer, struct bytes id);
void consumer_member_free(struct consumer_group *consumer, struct consumer_member *member);
void classic_membership_free(struct classic_membership *classic);

/* What a member says of itself: data NULL, -1 and topic_count -1 are "as before". */
struct consumer_update {
    struct bytes instance_id, rack_id, assignor, topic_regex;
    int32_t rebalance_timeout_ms;
    const struct bytes *topics;
    int32_t topic_count;
    const char *client_id, *client_host;
    bool is_changed; /* something else of it is new */
};
/* Notes it, with a record when anything is new. *subscription_changed: other topics than before. */
void consumer_member_update(struct group_batch *batch, struct consumer_member *member,
    const struct consumer_update *update, bool *subscription_changed);
/* Looks whether topics came, went or grew; begins a new epoch if so or when `bump`; computes the target then. */
void consumer_group_refresh(struct group_batch *batch, bool bump);
/* Brings the member one step nearer to its target. owned: what it says it has, NULL when it does not say. */
void consumer_member_reconcile(
    struct group_batch *batch, struct consumer_member *member, const struct partition_list *owned);
/* Its session goes on. */
void consumer_member_touch(struct groups *groups, struct consumer_member *member);
/* Takes the member and its records out and begins a new epoch; the group becomes a classic one when only members of
 * that protocol are left. */
void consumer_member_remove(struct group_batch *batch, struct consumer_member *member, const char *why);
/* A static member comes back under a new id: it takes the place and the assignment of the former one. */
struct consumer_member *consumer_member_replace(
    struct group_batch *batch, struct consumer_member *former, struct bytes new_id);
void consumer_group_expire(struct groups *groups, struct group *group, int64_t now_ms);
int64_t consumer_group_nearest_deadline(const struct consumer_group *consumer);
bool consumer_group_subscribes(const struct consumer_group *consumer, struct bytes topic);
/* Whether a commit of the partition may come with this epoch: the present one, or an older one in which the member had
 * the partition already. KAFKA_NONE, STALE_MEMBER_EPOCH, or ILLEGAL_GENERATION for members of the classic protocol. */
int16_t consumer_member_check_epoch(const struct consumer_member *member, int32_t epoch);
bool consumer_member_had(const struct consumer_member *member, int32_t epoch, struct uuid topic, int32_t partition);
void consumer_group_rebuild_owners(struct consumer_group *consumer);
/* Some partition that the member waits for has no owner any more. */
bool consumer_member_can_go_on(const struct consumer_group *consumer, const struct consumer_member *member);

/* ---- consumer_group_store.c ---- */

void consumer_record_group(struct group_batch *batch, bool tombstone);
void consumer_record_member(struct group_batch *batch, const struct consumer_member *member, bool tombstone);
void consumer_record_target(struct group_batch *batch, bool tombstone);
void consumer_record_target_member(struct group_batch *batch, const struct consumer_member *member, bool tombstone);
void consumer_record_current(struct group_batch *batch, const struct consumer_member *member, bool tombstone);
void consumer_record_pattern(
    struct group_batch *batch, struct bytes regex, const struct resolved_pattern *resolved, bool tombstone);
/* Tombstones of everything but the offsets. */
void consumer_record_nothing_left(struct group_batch *batch);
/* Everything. */
void consumer_record_all(struct group_batch *batch);
/* Whether the kind is one of ours; the record was taken then. */
bool consumer_load_record(
    struct groups *groups, int16_t kind, struct bytes key, struct bytes value, struct arena *arena);
/* All records were read: members begin their sessions. */
void consumer_group_loaded(struct groups *groups, struct group *group);

/* ---- consumer_group_classic.c ---- */

/* Whether a classic group can become one of the newer protocol, for a member of it that joins; Kafka's words. */
bool consumer_group_can_upgrade(const struct groups *groups, const struct group *group, struct error *error);
/* Members of the classic protocol keep their assignment and go on. */
void consumer_group_upgrade(struct group_batch *batch);
/* Only members of the classic protocol are left: a classic group again, which rebalances. */
bool consumer_group_can_downgrade(const struct groups *groups, const struct group *group);
void consumer_group_downgrade(struct group_batch *batch);
/* JoinGroup, SyncGroup, Heartbeat and LeaveGroup of members of the classic protocol in such a group. */
void consumer_classic_join(struct api_request *request, struct group *group);
void consumer_classic_sync(struct api_request *request, struct group *group);
void consumer_classic_heartbeat(struct api_request *request, struct group *group);
int16_t consumer_classic_leave(
    struct groups *groups, struct group *group, struct bytes member_id, struct bytes instance_id);

#endif
