/* groups_transactions.c: offsets that were committed inside a transaction. They wait beside the group until the
 * transaction's marker comes to the group's partition of __consumer_offsets: a commit marker puts them in force unless
 * a newer record did so already, an abort marker drops them. */
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/groups.h"

/* Groups that wait for one producer in one partition of __consumer_offsets. */
struct waiting_groups {
    VECTOR(char *) ids;
};

static struct bytes waiting_key(int64_t producer_id, int32_t partition, uint8_t out[12]) {
    store_be64(out, (uint64_t)producer_id);
    store_be32(out + 8, (uint32_t)partition);
    return bytes_make(out, 12);
}

static void note_group(struct groups *groups, const struct group *group, int32_t partition, int64_t producer_id) {
    uint8_t memory[12];
    struct bytes key = waiting_key(producer_id, partition, memory);
    struct waiting_groups *waiting = map_get(&groups->waiting, key);
    if (!waiting) {
        waiting = calloc(1, sizeof *waiting);
        ASSERT(waiting);
        map_set(&groups->waiting, key, waiting);
    }
    for (size_t i = 0; i < waiting->ids.count; i++)
        if (strcmp(waiting->ids.items[i], group->id) == 0)
            return;
    VECTOR_PUSH(&waiting->ids, strdup(group->id));
}

static void waiting_free(struct waiting_groups *waiting) {
    for (size_t i = 0; i < waiting->ids.count; i++)
        free(waiting->ids.items[i]);
    VECTOR_FREE(&waiting->ids);
    free(waiting);
}

void groups_free_waiting(struct groups *groups) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->waiting, &cursor));)
        waiting_free(entry->value);
    map_free(&groups->waiting);
}

static void remove_unsettled(struct group *group, size_t index) {
    free(group->unsettled.items[index].offset.topic);
    free(group->unsettled.items[index].offset.metadata);
    VECTOR_REMOVE(&group->unsettled, index);
}

static bool is_about(const struct unsettled_offset *unsettled, struct bytes topic, int32_t partition) {
    return unsettled->offset.partition == partition && bytes_equal_text(topic, unsettled->offset.topic);
}

void group_add_unsettled(struct groups *groups, struct group *group, int32_t home, int64_t producer_id,
    const struct committed_offset *offset) {
    /* Of several commits in one transaction the last counts. */
    for (size_t i = group->unsettled.count; i > 0; i--)
        if (group->unsettled.items[i - 1].producer_id == producer_id &&
            is_about(&group->unsettled.items[i - 1], bytes_from_text(offset->topic), offset->partition))
            remove_unsettled(group, i - 1);
    struct unsettled_offset *unsettled = VECTOR_ADD(&group->unsettled);
    *unsettled = (struct unsettled_offset){.producer_id = producer_id, .offset = *offset};
    unsettled->offset.topic = strdup(offset->topic);
    unsettled->offset.metadata = strdup(offset->metadata ? offset->metadata : "");
    note_group(groups, group, home, producer_id);
}

bool group_is_unsettled(const struct group *group, struct bytes topic, int32_t partition) {
    for (size_t i = 0; i < group->unsettled.count; i++)
        if (is_about(&group->unsettled.items[i], topic, partition))
            return true;
    return false;
}

void group_drop_unsettled(struct group *group, struct bytes topic, int32_t partition) {
    for (size_t i = group->unsettled.count; i > 0; i--)
        if (!topic.data || is_about(&group->unsettled.items[i - 1], topic, partition))
            remove_unsettled(group, i - 1);
}

static void settle(struct group *group, int64_t producer_id, bool commit) {
    for (size_t i = 0; i < group->unsettled.count;) {
        const struct unsettled_offset *unsettled = &group->unsettled.items[i];
        const struct committed_offset *offset = &unsettled->offset;
        if (unsettled->producer_id != producer_id) {
            i++;
            continue;
        }
        struct bytes topic = bytes_from_text(offset->topic);
        const struct committed_offset *present = group_offset(group, topic, offset->partition);
        if (commit && (!present || present->log_offset < offset->log_offset))
            group_set_offset(group, topic, offset->partition, offset->offset, offset->leader_epoch,
                bytes_from_text(offset->metadata), offset->commit_ms)
                ->log_offset = offset->log_offset;
        remove_unsettled(group, i);
    }
}

void groups_transaction_ended(struct groups *groups, int32_t partition, int64_t producer_id, bool commit) {
    uint8_t memory[12];
    struct waiting_groups *waiting = map_remove(&groups->waiting, waiting_key(producer_id, partition, memory));
    for (size_t i = 0; waiting && i < waiting->ids.count; i++) {
        struct group *group = group_find(groups, bytes_from_text(waiting->ids.items[i]));
        if (group)
            settle(group, producer_id, commit);
    }
    if (waiting)
        waiting_free(waiting);
}
