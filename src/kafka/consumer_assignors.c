/* consumer_assignors.c: the two assignors.
 *
 * Uniform: each member first keeps what it had and may still have, up to its share; what is left goes to those that
 * have least. When members differ in what they subscribe to, a partition then moves from the member with most to one
 * that may read it and has at least two fewer, until there is no such pair.
 *
 * Range: members in the order of their instance ids, then member ids; of n partitions and m subscribers of a topic
 * each gets n / m neighbours, the first n mod m one more. */
#include "kafka/consumer_assignors.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* ---- lists ---- */

int topic_partition_compare(const struct topic_partition *left, const struct topic_partition *right) {
    int order = memcmp(left->topic.bytes, right->topic.bytes, sizeof left->topic.bytes);
    return order ? order : (left->partition > right->partition) - (left->partition < right->partition);
}

static int compare_items(const void *left, const void *right) {
    return topic_partition_compare(left, right);
}

void partition_list_sort(struct partition_list *list) {
    if (list->count < 2)
        return;
    qsort(list->items, list->count, sizeof *list->items, compare_items);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++)
        if (topic_partition_compare(&list->items[kept - 1], &list->items[i]) != 0)
            list->items[kept++] = list->items[i];
    list->count = kept;
}

size_t partition_list_find(const struct partition_list *list, struct uuid topic, int32_t partition) {
    struct topic_partition wanted = {topic, partition, 0};
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = topic_partition_compare(&list->items[middle], &wanted);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

bool partition_list_equal(const struct partition_list *left, const struct partition_list *right) {
    if (left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (topic_partition_compare(&left->items[i], &right->items[i]) != 0)
            return false;
    return true;
}

void partition_list_copy(struct partition_list *to, const struct partition_list *from) {
    to->count = 0;
    if (from->count == 0)
        return;
    VECTOR_RESERVE(to, from->count);
    memcpy(to->items, from->items, from->count * sizeof *from->items);
    to->count = from->count;
}

/* ---- uniform ---- */

#define NOBODY UINT32_MAX

struct sharing {
    const struct assignor_topic *topics;
    struct assignor_member *members;
    size_t topic_count, member_count, partition_count;
    size_t *first;       /* of each topic's partitions in `owners` */
    uint32_t *owners;    /* by partition: a member or NOBODY */
    size_t *loads;       /* partitions of each member */
    size_t *subscribers; /* of each topic */
    bool is_same;        /* all members subscribe to the same topics */
};

static bool subscribes(const struct assignor_member *member, uint32_t topic) {
    size_t low = 0, high = member->topic_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (member->topics[middle] == topic)
            return true;
        if (member->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static uint32_t find_topic(const struct sharing *sharing, struct uuid id) {
    for (size_t i = 0; i < sharing->topic_count; i++)
        if (uuid_equal(sharing->topics[i].id, id))
            return (uint32_t)i;
    return NOBODY;
}

static void begin_sharing(struct sharing *sharing, struct arena *arena) {
    sharing->first = ARENA_ARRAY(arena, size_t, sharing->topic_count + 1);
    sharing->loads = ARENA_ARRAY(arena, size_t, sharing->member_count);
    sharing->subscribers = ARENA_ARRAY(arena, size_t, sharing->topic_count + 1);
    sharing->is_same = true;
    for (size_t i = 0; i < sharing->topic_count; i++)
        sharing->first[i + 1] = sharing->first[i] + (size_t)sharing->topics[i].partition_count;
    sharing->owners = ARENA_ARRAY(arena, uint32_t, sharing->first[sharing->topic_count] + 1);
    for (size_t i = 0; i < sharing->first[sharing->topic_count]; i++)
        sharing->owners[i] = NOBODY;
    for (size_t i = 0; i < sharing->member_count; i++) {
        const struct assignor_member *member = &sharing->members[i], *other = &sharing->members[0];
        for (size_t j = 0; j < member->topic_count; j++)
            sharing->subscribers[member->topics[j]]++;
        sharing->is_same = sharing->is_same && member->topic_count == other->topic_count &&
                           (member->topic_count == 0 || memcmp(member->topics, other->topics,
                                                            member->topic_count * sizeof *member->topics) == 0);
    }
    for (size_t i = 0; i < sharing->topic_count; i++)
        if (sharing->subscribers[i] > 0)
            sharing->partition_count += (size_t)sharing->topics[i].partition_count;
}

/* Members keep what they had and still may have, at most `least`, and one more as long as `extra` of them may. */
static void keep_former(struct sharing *sharing, size_t least, size_t *extra) {
    for (size_t i = 0; i < sharing->member_count; i++) {
        const struct assignor_member *member = &sharing->members[i];
        struct uuid last = {{0}};
        uint32_t topic = NOBODY;
        for (size_t j = 0; j < member->former->count; j++) {
            const struct topic_partition *had = &member->former->items[j];
            if (j == 0 || !uuid_equal(last, had->topic))
                topic = find_topic(sharing, had->topic);
            last = had->topic;
            if (topic == NOBODY || had->partition >= sharing->topics[topic].partition_count ||
                !subscribes(member, topic))
                continue;
            uint32_t *owner = &sharing->owners[sharing->first[topic] + (size_t)had->partition];
            if (*owner != NOBODY || sharing->loads[i] > least || (sharing->loads[i] == least && *extra == 0))
                continue;
            if (sharing->loads[i] == least)
                (*extra)--;
            *owner = (uint32_t)i;
            sharing->loads[i]++;
        }
    }
}

static void share_equally(struct sharing *sharing) {
    size_t least = sharing->partition_count / sharing->member_count;
    size_t extra = sharing->partition_count % sharing->member_count, member = 0;
    keep_former(sharing, least, &extra);
    for (size_t i = 0; i < sharing->topic_count; i++)
        for (size_t at = sharing->first[i]; sharing->subscribers[i] > 0 && at < sharing->first[i + 1]; at++) {
            if (sharing->owners[at] != NOBODY)
                continue;
            while (sharing->loads[member] > least || (sharing->loads[member] == least && extra == 0))
                member++;
            ASSERT(member < sharing->member_count);
            if (sharing->loads[member] == least)
                extra--;
            sharing->loads[member]++;
            sharing->owners[at] = (uint32_t)member;
        }
}

static uint32_t least_loaded(const struct sharing *sharing, uint32_t topic) {
    uint32_t best = NOBODY;
    for (size_t i = 0; i < sharing->member_count; i++)
        if (subscribes(&sharing->members[i], topic) && (best == NOBODY || sharing->loads[i] < sharing->loads[best]))
            best = (uint32_t)i;
    return best;
}

/* One pass over all partitions: each goes to the least loaded of those that may have it, if that evens out. */
static bool even_out(struct sharing *sharing) {
    bool moved = false;
    for (size_t i = 0; i < sharing->topic_count; i++)
        for (size_t at = sharing->first[i]; sharing->subscribers[i] > 1 && at < sharing->first[i + 1]; at++) {
            uint32_t to = least_loaded(sharing, (uint32_t)i), from = sharing->owners[at];
            if (to == NOBODY || sharing->loads[from] < sharing->loads[to] + 2)
                continue;
            sharing->loads[from]--;
            sharing->loads[to]++;
            sharing->owners[at] = to;
            moved = true;
        }
    return moved;
}

static void share_by_subscription(struct sharing *sharing) {
    size_t extra = 0;
    keep_former(sharing, SIZE_MAX, &extra);
    for (size_t i = 0; i < sharing->topic_count; i++)
        for (size_t at = sharing->first[i]; sharing->subscribers[i] > 0 && at < sharing->first[i + 1]; at++)
            if (sharing->owners[at] == NOBODY) {
                sharing->owners[at] = least_loaded(sharing, (uint32_t)i);
                sharing->loads[sharing->owners[at]]++;
            }
    /* Every move lowers the sum of the squared loads, so this ends; the bound is for the patience of the others. */
    for (size_t pass = 0; pass < sharing->member_count + 1 && even_out(sharing); pass++)
        ;
}

static void assign_uniform(struct arena *arena, const struct assignor_topic *topics, size_t topic_count,
    struct assignor_member *members, size_t member_count) {
    struct sharing sharing = {
        .topics = topics, .members = members, .topic_count = topic_count, .member_count = member_count};
    if (member_count == 0)
        return;
    begin_sharing(&sharing, arena);
    if (sharing.is_same)
        share_equally(&sharing);
    else
        share_by_subscription(&sharing);
    for (size_t i = 0; i < topic_count; i++)
        for (size_t at = sharing.first[i]; at < sharing.first[i + 1]; at++)
            if (sharing.owners[at] != NOBODY)
                VECTOR_PUSH(&members[sharing.owners[at]].target,
                    ((struct topic_partition){topics[i].id, (int32_t)(at - sharing.first[i]), 0}));
    for (size_t i = 0; i < member_count; i++)
        partition_list_sort(&members[i].target);
}

/* ---- range ---- */

static int compare_members(const void *left_item, const void *right_item) {
    const struct assignor_member *left = *(struct assignor_member *const *)left_item;
    const struct assignor_member *right = *(struct assignor_member *const *)right_item;
    if (left->instance_id && right->instance_id)
        return strcmp(left->instance_id, right->instance_id);
    if (left->instance_id || right->instance_id)
        return left->instance_id ? -1 : 1;
    return strcmp(left->id, right->id);
}

static void assign_range(struct arena *arena, const struct assignor_topic *topics, size_t topic_count,
    struct assignor_member *members, size_t member_count) {
    struct assignor_member **order = ARENA_ARRAY(arena, struct assignor_member *, member_count + 1);
    for (size_t i = 0; i < member_count; i++)
        order[i] = &members[i];
    qsort(order, member_count, sizeof *order, compare_members);
    for (size_t i = 0; i < topic_count; i++) {
        size_t subscriber_count = 0, place = 0;
        for (size_t j = 0; j < member_count; j++)
            subscriber_count += subscribes(order[j], (uint32_t)i);
        if (subscriber_count == 0)
            continue;
        int32_t least = topics[i].partition_count / (int32_t)subscriber_count, next = 0;
        int32_t extra = topics[i].partition_count % (int32_t)subscriber_count;
        for (size_t j = 0; j < member_count; j++) {
            if (!subscribes(order[j], (uint32_t)i))
                continue;
            int32_t end = next + least + ((int32_t)place++ < extra ? 1 : 0);
            for (; next < end; next++)
                VECTOR_PUSH(&order[j]->target, ((struct topic_partition){topics[i].id, next, 0}));
        }
    }
    for (size_t i = 0; i < member_count; i++)
        partition_list_sort(&members[i].target);
}

const struct assignor assignors[] = {{"uniform", assign_uniform}, {"range", assign_range}};
const size_t assignor_count = ARRAY_COUNT(assignors);

const struct assignor *assignor_find(struct bytes name) {
    for (size_t i = 0; i < assignor_count; i++)
        if (bytes_equal_text(name, assignors[i].name))
            return &assignors[i];
    return NULL;
}
