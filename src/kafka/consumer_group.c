/* consumer_group.c: the states of a group of the newer protocol.
 *
 * The group has an epoch, which grows with every change of members, subscriptions or topics. Every epoch has a target:
 * who should read what (consumer_assignors.c), computed at once. A member has an epoch of its own and walks to the
 * target's: it first gives back what it should not have (UNREVOKED, until it says that it has), then takes the target's
 * epoch with what is free, and waits for what others still have (UNRELEASED). Nobody waits for anybody else, and no
 * partition has two readers: `owners` knows who has each. A member that does not give back within its rebalance
 * timeout, or is not heard of for the session timeout, is removed.
 *
 * Members of the classic protocol in the same group take each of these steps by joining again
 * (consumer_group_classic.c). */
#include "kafka/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define LOGGER "org.apache.kafka.coordinator.group.GroupMetadataManager"

static int64_t now_ms(const struct groups *groups) {
    return world_loop_now_ms(groups->broker->loop);
}

static void log_line(const struct group_batch *batch, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void log_line(const struct group_batch *batch, const char *format, ...) {
    char text[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Ids come from clients: one line, whatever they hold. */
    for (char *at = text; *at; at++)
        if ((uint8_t)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    service_log_write(batch->groups->broker->service_log, LOG_INFO, LOGGER, "[GroupCoordinator id=%d] [GroupId %s] %s",
        batch->groups->broker->node_id, batch->group->id, text);
}

/* ---- groups and members ---- */

struct consumer_group *consumer_group_make(struct group *group) {
    struct consumer_group *consumer = calloc(1, sizeof *consumer);
    ASSERT(consumer && !group->consumer);
    list_init(&consumer->members);
    consumer->assignor = &assignors[0];
    group->consumer = consumer;
    return consumer;
}

static void free_texts(char **items, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(items[i]);
}

static void resolved_free(struct resolved_pattern *resolved) {
    topic_pattern_free(resolved->pattern);
    free_texts(resolved->topics.items, resolved->topics.count);
    VECTOR_FREE(&resolved->topics);
    free(resolved);
}

void classic_membership_free(struct classic_membership *classic) {
    if (!classic)
        return;
    for (size_t i = 0; i < classic->protocols.count; i++) {
        free(classic->protocols.items[i].name);
        buffer_free(&classic->protocols.items[i].metadata);
    }
    VECTOR_FREE(&classic->protocols);
    free(classic);
}

static struct bytes owner_key(const struct topic_partition *partition, uint8_t out[20]) {
    memcpy(out, partition->topic.bytes, 16);
    store_be32(out + 16, (uint32_t)partition->partition);
    return bytes_make(out, 20);
}

static struct consumer_member *owner_of(
    const struct consumer_group *consumer, const struct topic_partition *partition) {
    uint8_t memory[20];
    return map_get(&consumer->owners, owner_key(partition, memory));
}

static void set_owners(
    struct consumer_group *consumer, const struct partition_list *list, struct consumer_member *member, bool takes) {
    uint8_t memory[20];
    for (size_t i = 0; i < list->count; i++) {
        struct bytes key = owner_key(&list->items[i], memory);
        if (takes)
            map_set(&consumer->owners, key, member);
        else if (map_get(&consumer->owners, key) == member)
            map_remove(&consumer->owners, key);
    }
}

void consumer_group_rebuild_owners(struct consumer_group *consumer) {
    map_free(&consumer->owners);
    LIST_FOR_EACH(node, &consumer->members) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        set_owners(consumer, &member->assigned, member, true);
        set_owners(consumer, &member->revoking, member, true);
    }
}

void consumer_member_free(struct consumer_group *consumer, struct consumer_member *member) {
    set_owners(consumer, &member->assigned, member, false);
    set_owners(consumer, &member->revoking, member, false);
    list_remove(&member->node);
    consumer->member_count--;
    free_texts(member->topics.items, member->topics.count);
    VECTOR_FREE(&member->topics);
    VECTOR_FREE(&member->assigned);
    VECTOR_FREE(&member->revoking);
    VECTOR_FREE(&member->target);
    classic_membership_free(member->classic);
    free(member->id);
    free(member->instance_id);
    free(member->rack_id);
    free(member->client_id);
    free(member->client_host);
    free(member->assignor);
    free(member->topic_regex);
    free(member);
}

void consumer_group_free(struct group *group) {
    struct consumer_group *consumer = group->consumer;
    if (!consumer)
        return;
    LIST_FOR_EACH(node, &consumer->members)
    consumer_member_free(consumer, CONTAINER_OF(node, struct consumer_member, node));
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&consumer->patterns, &cursor));)
        resolved_free(entry->value);
    map_free(&consumer->patterns);
    map_free(&consumer->owners);
    free(consumer);
    group->consumer = NULL;
}

const char *consumer_group_state(const struct consumer_group *consumer) {
    if (consumer->member_count == 0)
        return "Empty";
    if (consumer->epoch > consumer->assignment_epoch)
        return "Assigning";
    LIST_FOR_EACH(node, &consumer->members) {
        const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        if (member->state != CONSUMER_STABLE || member->epoch != consumer->assignment_epoch)
            return "Reconciling";
    }
    return "Stable";
}

struct consumer_member *consumer_member_find(const struct consumer_group *consumer, struct bytes id) {
    LIST_FOR_EACH(node, &consumer->members) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        if (bytes_equal_text(id, member->id))
            return member;
    }
    return NULL;
}

struct consumer_member *consumer_static_member(const struct consumer_group *consumer, struct bytes instance_id) {
    LIST_FOR_EACH(node, &consumer->members) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        if (member->instance_id && bytes_equal_text(instance_id, member->instance_id))
            return member;
    }
    return NULL;
}

static char *copy_of(struct bytes text) {
    char *copy = strndup(text.data ? (const char *)text.data : "", text.size);
    ASSERT(copy);
    return copy;
}

struct consumer_member *consumer_member_add(struct consumer_group *consumer, struct bytes id) {
    struct consumer_member *member = calloc(1, sizeof *member);
    ASSERT(member);
    member->id = copy_of(id);
    member->client_id = copy_of(BYTES(""));
    member->client_host = copy_of(BYTES(""));
    member->rebalance_timeout_ms = -1;
    list_append(&consumer->members, &member->node);
    consumer->member_count++;
    return member;
}

/* ---- what members say ---- */

/* Replaces *present unless `told` is null or the same. */
static bool take_text(char **present, struct bytes told) {
    if (!told.data || (*present ? bytes_equal_text(told, *present) : told.size == 0))
        return false;
    free(*present);
    *present = copy_of(told);
    return true;
}

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool take_topics(struct consumer_member *member, const struct bytes *topics, int32_t count) {
    VECTOR(char *) names = {0};
    if (count < 0)
        return false;
    for (int32_t i = 0; i < count; i++)
        VECTOR_PUSH(&names, copy_of(topics[i]));
    if (names.count > 1)
        qsort(names.items, names.count, sizeof *names.items, compare_texts);
    for (size_t i = names.count; i > 1; i--)
        if (strcmp(names.items[i - 1], names.items[i - 2]) == 0) {
            free(names.items[i - 1]);
            VECTOR_REMOVE(&names, i - 1);
        }
    bool same = names.count == member->topics.count;
    for (size_t i = 0; same && i < names.count; i++)
        same = strcmp(names.items[i], member->topics.items[i]) == 0;
    if (!same) {
        free_texts(member->topics.items, member->topics.count);
        VECTOR_FREE(&member->topics);
        memcpy(&member->topics, &names, sizeof member->topics);
    } else {
        free_texts(names.items, names.count);
        VECTOR_FREE(&names);
    }
    return !same;
}

static bool resolve(struct broker *broker, struct resolved_pattern *resolved) {
    VECTOR(char *) names = {0};
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));)
        if (topic_pattern_matches(resolved->pattern, entry->key))
            VECTOR_PUSH(&names, copy_of(entry->key));
    if (names.count > 1)
        qsort(names.items, names.count, sizeof *names.items, compare_texts);
    bool same = names.count == resolved->topics.count;
    for (size_t i = 0; same && i < names.count; i++)
        same = strcmp(names.items[i], resolved->topics.items[i]) == 0;
    free_texts(resolved->topics.items, resolved->topics.count);
    VECTOR_FREE(&resolved->topics);
    memcpy(&resolved->topics, &names, sizeof resolved->topics);
    resolved->version = metadata_end_offset(broker->metadata);
    resolved->time_ms = world_wall_ms(broker->world);
    return !same;
}

/* An expression nobody has used yet is resolved; those that nobody uses any more go. */
static void update_patterns(struct group_batch *batch, struct consumer_member *member) {
    struct consumer_group *consumer = batch->group->consumer;
    struct error error = {0};
    struct bytes regex = bytes_from_text(member ? member->topic_regex : NULL);
    if (regex.size > 0 && !map_has(&consumer->patterns, regex)) {
        struct resolved_pattern *resolved = calloc(1, sizeof *resolved);
        ASSERT(resolved);
        resolved->pattern = topic_pattern_compile(regex, &error);
        if (!resolved->pattern) { /* only from a log that another broker wrote: then it matches nothing */
            free(resolved);
            return;
        }
        resolve(batch->groups->broker, resolved);
        map_set(&consumer->patterns, regex, resolved);
        consumer_record_pattern(batch, regex, resolved, false);
    }
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&consumer->patterns, &cursor));) {
        bool used = false;
        LIST_FOR_EACH(node, &consumer->members) {
            const struct consumer_member *other = CONTAINER_OF(node, struct consumer_member, node);
            used = used || (other->topic_regex && bytes_equal_text(entry->key, other->topic_regex));
        }
        if (used)
            continue;
        consumer_record_pattern(batch, entry->key, entry->value, true);
        resolved_free(entry->value);
        map_remove(&consumer->patterns, entry->key);
    }
}

void consumer_member_update(struct group_batch *batch, struct consumer_member *member,
    const struct consumer_update *update, bool *subscription_changed) {
    bool changed = !member->is_described || update->is_changed;
    bool regex_changed = take_text(&member->topic_regex, update->topic_regex);
    bool topics_changed = take_topics(member, update->topics, update->topic_count);
    changed |= take_text(&member->instance_id, update->instance_id);
    changed |= take_text(&member->rack_id, update->rack_id);
    changed |= take_text(&member->assignor, update->assignor);
    changed |= take_text(&member->client_id, bytes_from_text(update->client_id));
    changed |= take_text(&member->client_host, bytes_from_text(update->client_host));
    if (update->rebalance_timeout_ms >= 0 && update->rebalance_timeout_ms != member->rebalance_timeout_ms) {
        member->rebalance_timeout_ms = update->rebalance_timeout_ms;
        changed = true;
    }
    if (changed || regex_changed || topics_changed)
        consumer_record_member(batch, member, false);
    if (regex_changed)
        update_patterns(batch, member);
    *subscription_changed = regex_changed || topics_changed || !member->is_described;
    member->is_described = true;
}

/* ---- topics ---- */

static const struct resolved_pattern *pattern_of(
    const struct consumer_group *consumer, const struct consumer_member *member) {
    return member->topic_regex && *member->topic_regex ? map_get_text(&consumer->patterns, member->topic_regex) : NULL;
}

static bool has_text(char *const *items, size_t count, struct bytes wanted) {
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_text(wanted, items[i]))
            return true;
    return false;
}

bool consumer_group_subscribes(const struct consumer_group *consumer, struct bytes topic) {
    LIST_FOR_EACH(node, &consumer->members) {
        const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        const struct resolved_pattern *resolved = pattern_of(consumer, member);
        if (has_text(member->topics.items, member->topics.count, topic) ||
            (resolved && has_text(resolved->topics.items, resolved->topics.count, topic)))
            return true;
    }
    return false;
}

/* The topics that exist among those that members subscribe to, by name. */
struct topic_table {
    struct map places; /* name -> place + 1 */
    VECTOR(const struct topic *) topics;
};

static void table_add(struct topic_table *table, struct broker *broker, char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct topic *topic = topic_find(broker, bytes_from_text(names[i]));
        if (!topic || map_get_text(&table->places, names[i]))
            continue;
        VECTOR_PUSH(&table->topics, topic);
        map_set_text(&table->places, names[i], (void *)(uintptr_t)table->topics.count);
    }
}

static int compare_topics(const void *left, const void *right) {
    return strcmp((*(const struct topic *const *)left)->name, (*(const struct topic *const *)right)->name);
}

static void table_make(struct topic_table *table, struct broker *broker, const struct consumer_group *consumer) {
    LIST_FOR_EACH(node, &consumer->members) {
        const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        const struct resolved_pattern *resolved = pattern_of(consumer, member);
        table_add(table, broker, member->topics.items, member->topics.count);
        if (resolved)
            table_add(table, broker, resolved->topics.items, resolved->topics.count);
    }
    if (table->topics.count > 1)
        qsort(table->topics.items, table->topics.count, sizeof *table->topics.items, compare_topics);
    for (size_t i = 0; i < table->topics.count; i++)
        map_set_text(&table->places, table->topics.items[i]->name, (void *)(uintptr_t)(i + 1));
}

static void table_free(struct topic_table *table) {
    map_free(&table->places);
    VECTOR_FREE(&table->topics);
}

static void hash_text(struct buffer *out, const char *text) {
    for (const char *at = text; *at; at++) { /* names are ASCII: two bytes each, as Java hashes them */
        buffer_append_byte(out, (uint8_t)*at);
        buffer_append_byte(out, 0);
    }
    store_le32(buffer_extend(out, 4), (uint32_t)strlen(text));
}

static void hash_uint64(struct buffer *out, uint64_t value) {
    store_le64(buffer_extend(out, 8), value);
}

static uint64_t hash_topic(const struct topic *topic, struct buffer *scratch) {
    buffer_clear(scratch);
    buffer_append_byte(scratch, 0);
    hash_uint64(scratch, load_be64(topic->id.bytes));
    hash_uint64(scratch, load_be64(topic->id.bytes + 8));
    hash_text(scratch, topic->name);
    store_le32(buffer_extend(scratch, 4), (uint32_t)topic->partition_count);
    for (int32_t i = 0; i < topic->partition_count; i++)
        store_le32(buffer_extend(scratch, 4), (uint32_t)i); /* racks would follow */
    return hash_bytes(buffer_view(scratch), 0);
}

/* Names (by whose order it goes), ids and partition counts in one number: Kafka's, XXH3 over its own layout, so that a
 * directory which changes hands causes no rebalance. */
static int64_t hash_topics(const struct topic_table *table) {
    struct buffer all = {0}, scratch = {0};
    if (table->topics.count == 0)
        return 0;
    for (size_t i = 0; i < table->topics.count; i++) {
        hash_uint64(&all, hash_topic(table->topics.items[i], &scratch));
    }
    int64_t hash = (int64_t)hash_bytes(buffer_view(&all), 0);
    buffer_free(&all);
    buffer_free(&scratch);
    return hash;
}

/* ---- the target ---- */

static int compare_places(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void add_places(
    const struct topic_table *table, char *const *names, size_t name_count, uint32_t *places, size_t *count) {
    for (size_t i = 0; i < name_count; i++) {
        uintptr_t place = (uintptr_t)map_get_text(&table->places, names[i]);
        if (place > 0)
            places[(*count)++] = (uint32_t)(place - 1);
    }
}

static void describe_for_assignor(struct arena *arena, const struct consumer_group *consumer,
    const struct topic_table *table, const struct consumer_member *member, struct assignor_member *out) {
    const struct resolved_pattern *resolved = pattern_of(consumer, member);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, member->topics.count + (resolved ? resolved->topics.count : 0) + 1);
    size_t count = 0, kept = 0;
    add_places(table, member->topics.items, member->topics.count, places, &count);
    if (resolved)
        add_places(table, resolved->topics.items, resolved->topics.count, places, &count);
    qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || places[i] != places[i - 1])
            places[kept++] = places[i];
    *out = (struct assignor_member){.id = member->id,
        .instance_id = member->instance_id,
        .topics = places,
        .topic_count = kept,
        .former = &member->target};
}

/* The one that most members want; without wishes the first of group.consumer.assignors. */
static const struct assignor *choose_assignor(struct groups *groups, const struct consumer_group *consumer) {
    const char *configured = config_text(&groups->broker->config, "group.consumer.assignors");
    struct bytes list = bytes_from_text(configured ? configured : "");
    size_t comma = bytes_find(list, ',', 0), best_votes = 0;
    const struct assignor *best =
        assignor_find(bytes_trim(bytes_slice(list, 0, comma == SIZE_MAX ? list.size : comma)));
    if (!best)
        best = &assignors[0];
    for (size_t i = 0; i < assignor_count; i++) {
        size_t votes = 0;
        LIST_FOR_EACH(node, &consumer->members) {
            const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
            votes += member->assignor && strcmp(member->assignor, assignors[i].name) == 0;
        }
        if (votes > best_votes) {
            best_votes = votes;
            best = &assignors[i];
        }
    }
    return best;
}

static void compute_target(struct group_batch *batch, const struct topic_table *table) {
    struct consumer_group *consumer = batch->group->consumer;
    struct arena arena = {0};
    size_t count = 0;
    struct assignor_topic *topics = ARENA_ARRAY(&arena, struct assignor_topic, table->topics.count + 1);
    struct assignor_member *members = ARENA_ARRAY(&arena, struct assignor_member, consumer->member_count + 1);
    for (size_t i = 0; i < table->topics.count; i++)
        topics[i] = (struct assignor_topic){table->topics.items[i]->id, table->topics.items[i]->partition_count};
    LIST_FOR_EACH(node, &consumer->members)
    describe_for_assignor(&arena, consumer, table, CONTAINER_OF(node, struct consumer_member, node), &members[count++]);
    consumer->assignor = choose_assignor(batch->groups, consumer);
    consumer->assignor->assign(&arena, topics, table->topics.count, members, count);
    count = 0;
    LIST_FOR_EACH(node, &consumer->members) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        struct partition_list *target = &members[count++].target;
        if (!partition_list_equal(&member->target, target)) {
            partition_list_copy(&member->target, target);
            consumer_record_target_member(batch, member, false);
        }
        VECTOR_FREE(target);
    }
    arena_destroy(&arena);
    consumer->assignment_epoch = consumer->epoch;
    consumer_record_target(batch, false);
    log_line(batch, "Computed a new target assignment for epoch %d with '%s' assignor.", consumer->epoch,
        consumer->assignor->name);
}

void consumer_group_refresh(struct group_batch *batch, bool bump) {
    struct consumer_group *consumer = batch->group->consumer;
    struct broker *broker = batch->groups->broker;
    bool looked = consumer->topics_seen == broker->topics_version;
    if (!bump && looked)
        return;
    size_t cursor = 0;
    for (struct map_entry *entry; !looked && (entry = map_next(&consumer->patterns, &cursor));)
        if (resolve(broker, entry->value))
            consumer_record_pattern(batch, entry->key, entry->value, false);
    struct topic_table table = {0};
    table_make(&table, broker, consumer);
    int64_t hash = hash_topics(&table);
    consumer->topics_seen = broker->topics_version;
    if (bump || hash != consumer->metadata_hash) {
        consumer->metadata_hash = hash;
        consumer->epoch++;
        consumer_record_group(batch, false);
        log_line(batch, "Bumped group epoch to %d with metadata hash %lld.", consumer->epoch, (long long)hash);
        compute_target(batch, &table);
    }
    table_free(&table);
}

/* ---- towards the target ---- */

static bool still_owns(const struct partition_list *owned, const struct partition_list *revoking) {
    if (!owned)
        return true;
    for (size_t i = 0; i < revoking->count; i++)
        if (partition_list_find(owned, revoking->items[i].topic, revoking->items[i].partition) != SIZE_MAX)
            return true;
    return false;
}

static void set_epoch(struct consumer_member *member, int32_t epoch) {
    if (epoch != member->epoch)
        member->previous_epoch = member->epoch;
    member->epoch = epoch;
}

/* From what it has now: `epoch` is the epoch it keeps while it has to give something back. */
static void take_next_step(struct consumer_group *consumer, struct consumer_member *member, int32_t epoch,
    const struct partition_list *owned) {
    struct partition_list kept = {0}, revoking = {0};
    bool waits = false, gains = false;
    for (size_t i = 0; i < member->assigned.count; i++) {
        const struct topic_partition *has = &member->assigned.items[i];
        if (partition_list_find(&member->target, has->topic, has->partition) != SIZE_MAX)
            VECTOR_PUSH(&kept, *has);
        else
            VECTOR_PUSH(&revoking, *has);
    }
    if (revoking.count > 0 && still_owns(owned, &revoking)) {
        member->state = CONSUMER_UNREVOKED;
        set_epoch(member, epoch);
    } else {
        revoking.count = 0;
        set_owners(consumer, &member->assigned, member, false);
        set_owners(consumer, &member->revoking, member, false);
        for (size_t i = 0; i < member->target.count; i++) {
            struct topic_partition *wanted = &member->target.items[i];
            if (partition_list_find(&kept, wanted->topic, wanted->partition) != SIZE_MAX)
                continue;
            if (owner_of(consumer, wanted)) {
                waits = true;
                continue;
            }
            gains = true;
            VECTOR_PUSH(
                &kept, ((struct topic_partition){wanted->topic, wanted->partition, consumer->assignment_epoch}));
        }
        if (gains)
            partition_list_sort(&kept);
        member->state = waits ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
        set_epoch(member, consumer->assignment_epoch);
    }
    set_owners(consumer, &member->assigned, member, false);
    set_owners(consumer, &member->revoking, member, false);
    VECTOR_FREE(&member->assigned);
    VECTOR_FREE(&member->revoking);
    member->assigned = kept;
    member->revoking = revoking;
    set_owners(consumer, &member->assigned, member, true);
    set_owners(consumer, &member->revoking, member, true);
}

static bool is_at_rest(
    const struct consumer_group *consumer, const struct consumer_member *member, const struct partition_list *owned) {
    switch (member->state) {
    case CONSUMER_UNREVOKED:
        return still_owns(owned, &member->revoking);
    case CONSUMER_UNRELEASED:
        return false;
    default:
        return member->epoch == consumer->assignment_epoch;
    }
}

void consumer_member_reconcile(
    struct group_batch *batch, struct consumer_member *member, const struct partition_list *owned) {
    struct consumer_group *consumer = batch->group->consumer;
    struct partition_list before = {0};
    if (is_at_rest(consumer, member, owned))
        return;
    int32_t epoch = member->epoch;
    size_t revoking = member->revoking.count;
    enum consumer_member_state state = member->state;
    partition_list_copy(&before, &member->assigned);
    take_next_step(consumer, member, state == CONSUMER_UNREVOKED ? epoch + 1 : epoch, owned);
    bool changed = epoch != member->epoch || state != member->state || revoking != member->revoking.count ||
                   !partition_list_equal(&before, &member->assigned);
    VECTOR_FREE(&before);
    if (!changed)
        return;
    consumer_record_current(batch, member, false);
    member->step_deadline_ms = 0;
    if (member->state == CONSUMER_UNREVOKED) {
        member->step_deadline_ms = now_ms(batch->groups) + member->rebalance_timeout_ms;
        groups_schedule(batch->groups, member->step_deadline_ms);
    }
    log_line(batch,
        "Member %s new assignment state: epoch=%d, previousEpoch=%d, state=%s, %zu assigned partition(s), "
        "%zu to be revoked.",
        member->id, member->epoch, member->previous_epoch,
        member->state == CONSUMER_STABLE      ? "STABLE"
        : member->state == CONSUMER_UNREVOKED ? "UNREVOKED_PARTITIONS"
                                              : "UNRELEASED_PARTITIONS",
        member->assigned.count, member->revoking.count);
}

bool consumer_member_can_go_on(const struct consumer_group *consumer, const struct consumer_member *member) {
    for (size_t i = 0; i < member->target.count; i++)
        if (!owner_of(consumer, &member->target.items[i]))
            return true;
    return false;
}

/* ---- commits ---- */

int16_t consumer_member_check_epoch(const struct consumer_member *member, int32_t epoch) {
    if (epoch <= member->epoch && epoch >= 0)
        return KAFKA_NONE;
    return member->classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}

bool consumer_member_had(const struct consumer_member *member, int32_t epoch, struct uuid topic, int32_t partition) {
    if (epoch == member->epoch)
        return true;
    size_t place = partition_list_find(&member->assigned, topic, partition);
    if (place != SIZE_MAX)
        return member->assigned.items[place].epoch <= epoch;
    place = partition_list_find(&member->revoking, topic, partition);
    return place != SIZE_MAX && member->revoking.items[place].epoch <= epoch;
}

/* ---- coming back, leaving, expiring ---- */

struct consumer_member *consumer_member_replace(
    struct group_batch *batch, struct consumer_member *former, struct bytes new_id) {
    consumer_record_current(batch, former, true);
    consumer_record_target_member(batch, former, true);
    consumer_record_member(batch, former, true);
    log_line(batch,
        "Static member with instance id %s re-joins the consumer group. Created a new member %.*s to "
        "replace the existing member %s.",
        former->instance_id, BYTES_ARGS(new_id), former->id);
    free(former->id);
    former->id = copy_of(new_id);
    former->epoch = former->previous_epoch = 0;
    former->state = CONSUMER_STABLE;
    consumer_record_member(batch, former, false);
    consumer_record_target_member(batch, former, false);
    consumer_record_current(batch, former, false);
    return former;
}

void consumer_member_touch(struct groups *groups, struct consumer_member *member) {
    int64_t timeout_ms = member->classic ? member->classic->session_timeout_ms
                                         : config_integer(&groups->broker->config, "group.consumer.session.timeout.ms");
    member->session_deadline_ms = now_ms(groups) + timeout_ms;
    groups_schedule(groups, member->session_deadline_ms);
}

void consumer_member_remove(struct group_batch *batch, struct consumer_member *member, const char *why) {
    struct consumer_group *consumer = batch->group->consumer;
    consumer_record_current(batch, member, true);
    consumer_record_target_member(batch, member, true);
    consumer_record_member(batch, member, true);
    log_line(batch, "Member %s %s.", member->id, why);
    consumer_member_free(consumer, member);
    if (consumer_group_can_downgrade(batch->groups, batch->group)) {
        consumer_group_downgrade(batch);
        return;
    }
    update_patterns(batch, NULL);
    consumer_group_refresh(batch, true);
}

void consumer_group_expire(struct groups *groups, struct group *group, int64_t now) {
    struct consumer_group *consumer = group->consumer;
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    batch.is_kept = true;
    for (bool again = true; again && group->consumer;) {
        again = false;
        LIST_FOR_EACH(node, &consumer->members) {
            struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
            bool late = member->step_deadline_ms != 0 && member->step_deadline_ms <= now;
            if (!late && member->session_deadline_ms > now)
                continue;
            consumer_member_remove(&batch, member,
                late ? "fenced from the group because it failed to take the next step within its rebalance timeout"
                     : "fenced from the group because the member session expired");
            again = true;
            break; /* the list has changed */
        }
    }
    group_batch_commit(&batch, NULL, NULL);
}

int64_t consumer_group_nearest_deadline(const struct consumer_group *consumer) {
    int64_t nearest = INT64_MAX;
    LIST_FOR_EACH(node, &consumer->members) {
        const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        if (member->session_deadline_ms < nearest)
            nearest = member->session_deadline_ms;
        if (member->step_deadline_ms != 0 && member->step_deadline_ms < nearest)
            nearest = member->step_deadline_ms;
    }
    return nearest;
}
