/* client.c: the broker as seen from other threads of this process. Look-ups take the topics' mutex; changes and appends
 * are posted to the broker's loop as calls, each freed when its callback has run. */
#include "kafka/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/groups.h"
#include "wire/record_batch.h"

#define APPEND_WAITING_MAX ((size_t)64 << 20)

struct kafka_subscription {
    struct list_node node;
    void (*wake)(void *argument);
    void *argument;
};

struct kafka_client {
    struct broker *broker;
    struct world_mutex mutex; /* subscriptions; held while they are woken */
    struct list subscriptions;
    _Atomic size_t append_waiting; /* bytes */

    /* Calls that came while the broker was suspended, oldest first. Broker's loop. */
    struct list held;
    size_t held_count;
    struct world_timer *held_timer; /* NULL: nothing was held yet */
};

/* How long an append waits for a suspended broker: delivery.timeout.ms of Kafka's producer. */
enum { HELD_TIME_MS = 120000, HELD_CHECK_MS = 1000, HELD_COUNT_MAX = 10000 };

struct kafka_client *client_create(struct broker *broker) {
    struct kafka_client *client = calloc(1, sizeof *client);
    ASSERT(client);
    client->broker = broker;
    world_mutex_init(&client->mutex);
    list_init(&client->subscriptions);
    list_init(&client->held);
    return client;
}

void client_destroy(struct kafka_client *client) {
    LIST_FOR_EACH(node, &client->subscriptions)
    free(CONTAINER_OF(node, struct kafka_subscription, node));
    world_mutex_destroy(&client->mutex);
    free(client);
}

struct broker *client_broker(const struct kafka_client *client) {
    return client->broker;
}

const char *kafka_client_cluster_id(struct kafka_client *client) {
    return log_manager_cluster_id(client->broker->logs);
}

/* ---- topics ---- */

static int compare_infos(const void *left, const void *right) {
    return strcmp(((const struct kafka_topic_info *)left)->name, ((const struct kafka_topic_info *)right)->name);
}

void kafka_client_topics(struct kafka_client *client, struct kafka_topic_list *list) {
    struct broker *broker = client->broker;
    size_t cursor = 0;
    *list = (struct kafka_topic_list){0};
    world_mutex_lock(&broker->topics_mutex);
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));) {
        const struct topic *topic = entry->value;
        VECTOR_PUSH(
            list, ((struct kafka_topic_info){strdup(topic->name), topic->id, topic->partition_count, topic->internal}));
    }
    world_mutex_unlock(&broker->topics_mutex);
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, compare_infos);
}

void kafka_topic_list_free(struct kafka_topic_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    VECTOR_FREE(list);
}

int32_t kafka_client_partition_count(struct kafka_client *client, const char *topic) {
    struct broker *broker = client->broker;
    world_mutex_lock(&broker->topics_mutex);
    const struct topic *found = map_get_text(&broker->topics, topic);
    int32_t count = found ? found->partition_count : -1;
    world_mutex_unlock(&broker->topics_mutex);
    return count;
}

bool kafka_client_topic_id(struct kafka_client *client, const char *topic, struct uuid *id) {
    struct broker *broker = client->broker;
    world_mutex_lock(&broker->topics_mutex);
    const struct topic *found = map_get_text(&broker->topics, topic);
    if (found)
        *id = found->id;
    world_mutex_unlock(&broker->topics_mutex);
    return found != NULL;
}

struct partition_log *kafka_client_partition(struct kafka_client *client, const char *topic, int32_t partition) {
    struct broker *broker = client->broker;
    world_mutex_lock(&broker->topics_mutex);
    const struct topic *found = map_get_text(&broker->topics, topic);
    struct partition_log *log = found ? topic_log(found, partition) : NULL;
    if (log)
        log_retain(log);
    world_mutex_unlock(&broker->topics_mutex);
    return log;
}

/* ---- calls on the loop ---- */

struct call {
    struct kafka_client *client;
    char *topic;
    int32_t partition;
    struct map settings;
    struct buffer batches;
    bool overrides_only;
    kafka_done *done;
    kafka_count_done *count_done;
    kafka_append_done *append_done;
    kafka_sync_done *sync_done;
    kafka_configs_done *configs_done;
    kafka_groups_done *groups_done;
    void *argument;
    struct log_waiter waiter;
    int64_t base_offset;
    struct client_held held;
};

static struct call *call_new(struct kafka_client *client, const char *topic, int32_t partition, void *argument) {
    struct call *call = calloc(1, sizeof *call);
    ASSERT(call);
    call->client = client;
    call->topic = topic ? strdup(topic) : NULL;
    call->partition = partition;
    call->argument = argument;
    return call;
}

static void call_free(struct call *call) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&call->settings, &cursor));)
        free(entry->value);
    map_free(&call->settings);
    buffer_free(&call->batches);
    free(call->topic);
    free(call);
}

static struct partition_log *call_log(const struct call *call, struct error *error) {
    const struct topic *topic = topic_find(call->client->broker, bytes_from_text(call->topic));
    struct partition_log *log = topic ? topic_log(topic, call->partition) : NULL;
    if (!log)
        error_set(error, ERROR_NOT_FOUND, "there is no partition %s-%d", call->topic, call->partition);
    return log;
}

/* ---- configs ---- */

void kafka_config_list_free(struct kafka_config_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].value);
    }
    VECTOR_FREE(list);
}

static void run_configs(void *argument) {
    struct call *call = argument;
    struct broker *broker = call->client->broker;
    struct kafka_config_list list = {0};
    struct error error = {0};
    const struct topic *topic = topic_find(broker, bytes_from_text(call->topic));
    if (!topic)
        error_set(&error, ERROR_NOT_FOUND, "there is no topic %s", call->topic);
    for (size_t i = 0; topic && i < topic_config_count; i++) {
        const char *name = topic_config_rows[i].name;
        const char *set = map_get_text(&topic->meta->configs, name);
        if (set || (!call->overrides_only && topic_config_rows[i].importance != CONFIG_INTERNAL))
            VECTOR_PUSH(&list, ((struct kafka_config_info){strdup(name),
                                   strdup(set ? set : config_topic_value(&broker->config, &topic->meta->configs, name)),
                                   set != NULL}));
    }
    call->configs_done(call->argument, &list, &error);
    call_free(call);
}

void kafka_client_topic_configs(
    struct kafka_client *client, const char *topic, bool overrides_only, kafka_configs_done *done, void *argument) {
    struct call *call = call_new(client, topic, 0, argument);
    call->overrides_only = overrides_only;
    call->configs_done = done;
    world_loop_post(client->broker->loop, run_configs, call);
}

/* ---- creating and deleting ---- */

static bool check_settings(const struct map *settings, struct error *error) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(settings, &cursor));) {
        const struct config_row *row = config_find_topic(entry->key);
        if (!row)
            return error_set(error, ERROR_INVALID, "Unknown topic config name: %.*s", BYTES_ARGS(entry->key));
        if (!config_check(row, bytes_from_text(entry->value), error))
            return false;
    }
    return true;
}

static struct topic *create_topic(
    struct broker *broker, const struct call *call, int32_t partition_count, struct error *error) {
    int16_t code;
    struct bytes name = bytes_from_text(call->topic);
    if (!topic_name_check(name, error) || !check_settings(&call->settings, error) ||
        !config_check_together(&broker->config, &call->settings, error))
        return NULL;
    if (topic_find(broker, name)) {
        error_set(error, ERROR_EXISTS, "Topic '%s' already exists.", call->topic);
        return NULL;
    }
    if (partition_count < 0)
        partition_count = (int32_t)config_integer(&broker->config, "num.partitions");
    if (partition_count < 1 || partition_count > 10000) {
        error_set(error, ERROR_INVALID, "Number of partitions must be within 1 and 10000.");
        return NULL;
    }
    return topic_create(broker, name, partition_count, &call->settings, &code, error);
}

static void run_create(void *argument) {
    struct call *call = argument;
    struct error error = {0};
    create_topic(call->client->broker, call, call->partition, &error);
    call->done(call->argument, &error);
    call_free(call);
}

void kafka_client_create_topic(struct kafka_client *client, const char *topic, int32_t partition_count,
    const struct kafka_topic_setting *settings, size_t setting_count, kafka_done *done, void *argument) {
    struct call *call = call_new(client, topic, partition_count, argument);
    call->done = done;
    for (size_t i = 0; i < setting_count; i++)
        free(map_set_text(&call->settings, settings[i].name, strdup(settings[i].value)));
    world_loop_post(client->broker->loop, run_create, call);
}

static void run_delete(void *argument) {
    struct call *call = argument;
    struct error error = {0};
    struct topic *topic = topic_find(call->client->broker, bytes_from_text(call->topic));
    if (topic)
        topic_delete(call->client->broker, topic, &error);
    else
        error_set(&error, ERROR_NOT_FOUND, "there is no topic %s", call->topic);
    call->done(call->argument, &error);
    call_free(call);
}

void kafka_client_delete_topic(struct kafka_client *client, const char *topic, kafka_done *done, void *argument) {
    struct call *call = call_new(client, topic, 0, argument);
    call->done = done;
    world_loop_post(client->broker->loop, run_delete, call);
}

/* ---- while the broker is suspended ---- */

static world_function run_ensure, run_append;
static void finish_append(struct call *call, const struct error *error);

static void refuse_call(void *argument) {
    struct call *call = argument;
    struct error error = {0};
    error_set(&error, ERROR_TIMEOUT,
        "Expiring records for %s-%d: the broker is stopped (start it with: docker start kafka, or raudal start kafka)",
        call->topic, call->append_done != NULL ? (int)call->partition : 0);
    if (call->append_done != NULL) {
        finish_append(call, &error);
        return;
    }
    call->count_done(call->argument, -1, &error);
    call_free(call);
}

static struct client_held *first_held(struct kafka_client *client) {
    struct client_held *held = CONTAINER_OF(list_first(&client->held), struct client_held, node);
    list_remove(&held->node);
    client->held_count--;
    return held;
}

static void check_held(void *argument) {
    struct kafka_client *client = argument;
    int64_t now_ms = world_loop_now_ms(client->broker->loop);
    while (!list_empty(&client->held) &&
           now_ms - CONTAINER_OF(list_first(&client->held), struct client_held, node)->since_ms >= HELD_TIME_MS) {
        struct client_held *held = first_held(client);
        held->refuse(held->argument);
    }
}

bool client_hold(struct kafka_client *client, struct client_held *held, world_function *run, world_function *refuse,
    void *argument) {
    if (!client->broker->is_suspended)
        return false;
    *held = (struct client_held){
        .since_ms = world_loop_now_ms(client->broker->loop), .run = run, .refuse = refuse, .argument = argument};
    if (client->held_count == HELD_COUNT_MAX) {
        refuse(argument);
        return true;
    }
    list_append(&client->held, &held->node);
    client->held_count++;
    return true;
}

void client_suspend(struct kafka_client *client) {
    if (client->held_timer == NULL)
        client->held_timer = world_timer_create(client->broker->loop, check_held, client);
    world_timer_start(client->held_timer, HELD_CHECK_MS, HELD_CHECK_MS);
}

void client_resume(struct kafka_client *client) {
    world_timer_destroy(client->held_timer);
    client->held_timer = NULL;
    while (!list_empty(&client->held)) {
        struct client_held *held = first_held(client);
        held->run(held->argument);
    }
    client_wake_subscribers(client);
}

bool kafka_client_is_running(struct kafka_client *client) {
    return !client->broker->is_suspended;
}

/* ---- making a topic when it is missing ---- */

static void run_ensure(void *argument) {
    struct call *call = argument;
    struct broker *broker = call->client->broker;
    struct error error = {0};
    struct topic *topic = topic_find(broker, bytes_from_text(call->topic));
    if (!topic && client_hold(call->client, &call->held, run_ensure, refuse_call, call))
        return;
    if (!topic && config_boolean(&broker->config, "auto.create.topics.enable"))
        topic = create_topic(broker, call, -1, &error);
    else if (!topic)
        error_set(&error, ERROR_NOT_FOUND, "there is no topic %s, and auto.create.topics.enable is false", call->topic);
    call->count_done(call->argument, topic ? topic->partition_count : -1, &error);
    call_free(call);
}

void kafka_client_ensure_topic(struct kafka_client *client, const char *topic, kafka_count_done *done, void *argument) {
    struct call *call = call_new(client, topic, 0, argument);
    call->count_done = done;
    world_loop_post(client->broker->loop, run_ensure, call);
}

/* ---- appending ---- */

static void finish_append(struct call *call, const struct error *error) {
    call->client->append_waiting -= call->batches.size;
    call->append_done(call->argument, error->code ? -1 : call->base_offset, error);
    call_free(call);
}

static void on_committed(struct log_waiter *waiter, bool closed) {
    struct error error = {0};
    if (closed)
        error_set(&error, ERROR_CLOSED, "the partition went offline before the records were committed");
    finish_append(waiter->argument, &error);
}

/* Nobody would end a transaction that is begun this way. */
static bool is_transactional(struct bytes batches) {
    return batches.size >= RECORD_BATCH_HEADER_SIZE && load_be16(batches.data + 21) & RECORD_BATCH_TRANSACTIONAL;
}

static void run_append(void *argument) {
    struct call *call = argument;
    struct error error = {0};
    struct log_append_result result = {0};
    if (client_hold(call->client, &call->held, run_append, refuse_call, call))
        return;
    struct partition_log *log = call_log(call, &error);
    if (log && is_transactional(buffer_view(&call->batches))) {
        error_set(&error, ERROR_INVALID, "batches of a transaction come through kafka_producer_append");
    } else if (log) {
        const struct topic *topic = topic_find(call->client->broker, bytes_from_text(call->topic));
        struct log_append_options options = {.leader_epoch = topic->leader_epochs[call->partition]};
        enum log_status status = log_append(log, call->batches.data, call->batches.size, &options, &result, &error);
        if (status != LOG_STATUS_OK && error.code == ERROR_NONE)
            error_set(&error, ERROR_INVALID, "%s-%d: %s", call->topic, call->partition, log_status_name(status));
    }
    call->base_offset = result.base_offset;
    call->waiter = (struct log_waiter){.wake = on_committed, .argument = call};
    enum log_wait_result waits =
        error.code == ERROR_NONE ? log_wait(log, result.last_offset, &call->waiter) : LOG_WAIT_REACHED;
    if (waits == LOG_WAIT_OFFLINE)
        on_committed(&call->waiter, true);
    else if (waits == LOG_WAIT_REACHED)
        finish_append(call, &error);
}

void kafka_client_append(struct kafka_client *client, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument) {
    struct call *call = call_new(client, topic, partition, argument);
    call->append_done = done;
    client->append_waiting += batches.size;
    bool full = client->append_waiting > APPEND_WAITING_MAX && client->append_waiting != batches.size;
    if (full) {
        struct error error = {0};
        client->append_waiting -= batches.size;
        error_set(&error, ERROR_LIMIT, "more than 64 MiB wait to be appended");
        done(argument, -1, &error);
        call_free(call);
        return;
    }
    buffer_append_bytes(&call->batches, batches);
    world_loop_post(client->broker->loop, run_append, call);
}

static void on_synced(void *argument, bool ok) {
    struct call *call = argument;
    call->sync_done(call->argument, ok);
    call_free(call);
}

static void run_sync(void *argument) {
    struct call *call = argument;
    struct error error = {0};
    struct partition_log *log = call_log(call, &error);
    if (log)
        log_sync(log, on_synced, call);
    else
        on_synced(call, false);
}

void kafka_client_sync(
    struct kafka_client *client, const char *topic, int32_t partition, kafka_sync_done *done, void *argument) {
    struct call *call = call_new(client, topic, partition, argument);
    call->sync_done = done;
    world_loop_post(client->broker->loop, run_sync, call);
}

/* MurmurHash2 (Austin Appleby, public domain algorithm) with the seed that Kafka's clients use. */
int32_t kafka_partition_for_key(struct bytes key, int32_t partition_count) {
    const uint32_t m = 0x5bd1e995;
    uint32_t hash = 0x9747b28cu ^ (uint32_t)key.size;
    size_t at = 0;
    for (; key.size - at >= 4; at += 4) {
        uint32_t k = load_le32(key.data + at);
        k *= m;
        k ^= k >> 24;
        k *= m;
        hash = (hash * m) ^ k;
    }
    switch (key.size - at) {
    case 3:
        hash ^= (uint32_t)key.data[at + 2] << 16; /* fall through */
    case 2:
        hash ^= (uint32_t)key.data[at + 1] << 8; /* fall through */
    case 1:
        hash = (hash ^ key.data[at]) * m;
    }
    hash ^= hash >> 13;
    hash *= m;
    hash ^= hash >> 15;
    return (int32_t)(hash & 0x7fffffff) % partition_count;
}

/* ---- subscriptions ---- */

void client_wake_subscribers(struct kafka_client *client) {
    if (!client)
        return;
    world_mutex_lock(&client->mutex);
    LIST_FOR_EACH(node, &client->subscriptions) {
        struct kafka_subscription *subscription = CONTAINER_OF(node, struct kafka_subscription, node);
        subscription->wake(subscription->argument);
    }
    world_mutex_unlock(&client->mutex);
}

struct kafka_subscription *kafka_client_subscribe(
    struct kafka_client *client, void (*wake)(void *argument), void *argument) {
    struct kafka_subscription *subscription = calloc(1, sizeof *subscription);
    ASSERT(subscription);
    subscription->wake = wake;
    subscription->argument = argument;
    world_mutex_lock(&client->mutex);
    list_append(&client->subscriptions, &subscription->node);
    world_mutex_unlock(&client->mutex);
    return subscription;
}

void kafka_client_unsubscribe(struct kafka_client *client, struct kafka_subscription *subscription) {
    world_mutex_lock(&client->mutex);
    list_remove(&subscription->node);
    world_mutex_unlock(&client->mutex);
    free(subscription);
}

/* ---- groups ---- */

void kafka_group_list_free(struct kafka_group_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        struct kafka_group_info *group = &list->items[i];
        for (size_t j = 0; j < group->member_count; j++) {
            free(group->members[j].member_id);
            free(group->members[j].instance_id);
            free(group->members[j].client_id);
            free(group->members[j].client_host);
            buffer_free(&group->members[j].assignment);
        }
        for (size_t j = 0; j < group->offset_count; j++) {
            free(group->offsets[j].topic);
            free(group->offsets[j].metadata);
        }
        free(group->members);
        free(group->offsets);
        free(group->group_id);
        free(group->state);
        free(group->protocol_type);
        free(group->protocol);
    }
    VECTOR_FREE(list);
}

void client_describe_group(struct broker *broker, struct group *group, struct kafka_group_info *info) {
    *info = (struct kafka_group_info){.group_id = strdup(group->id),
        .state = strdup(group_state_text(group)),
        .protocol_type = strdup(group->protocol_type ? group->protocol_type : ""),
        .protocol = strdup(group->protocol_name ? group->protocol_name : ""),
        .generation = group->generation};
    info->members = calloc(group->member_count + 1, sizeof *info->members);
    info->offsets = calloc(group->offsets.count + 1, sizeof *info->offsets);
    ASSERT(info->members && info->offsets);
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        struct kafka_group_member *out = &info->members[info->member_count++];
        *out = (struct kafka_group_member){strdup(member->id), member->instance_id ? strdup(member->instance_id) : NULL,
            strdup(member->client_id), strdup(member->client_host), {0}};
        if (group->state == GROUP_STABLE)
            buffer_append_bytes(&out->assignment, buffer_view(&member->assignment));
    }
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&group->offsets, &cursor));) {
        const struct committed_offset *committed = entry->value;
        const struct topic *topic = topic_find(broker, bytes_from_text(committed->topic));
        struct partition_log *log = topic ? topic_log(topic, committed->partition) : NULL;
        info->offsets[info->offset_count++] =
            (struct kafka_group_offset){strdup(committed->topic), committed->partition, committed->offset,
                log ? log_high_watermark(log) : -1, committed->commit_ms, strdup(committed->metadata)};
    }
}

static void run_groups(void *argument) {
    struct call *call = argument;
    struct broker *broker = call->client->broker;
    struct kafka_group_list list = {0};
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->groups->by_id, &cursor));)
        client_describe_group(broker, entry->value, VECTOR_ADD(&list));
    call->groups_done(call->argument, &list);
    call_free(call);
}

void kafka_client_groups(struct kafka_client *client, kafka_groups_done *done, void *argument) {
    struct call *call = call_new(client, NULL, 0, argument);
    call->groups_done = done;
    world_loop_post(client->broker->loop, run_groups, call);
}

/* ---- own names ---- */

static bool own_host(const struct broker *broker, struct bytes host, uint16_t port) {
    static const char *const names[] = {"kafka", "broker", "localhost", "ip6-localhost"};
    for (size_t i = 0; i < broker->advertised.count; i++)
        if (bytes_equal_text(host, broker->advertised.items[i].host) && port == broker->advertised.items[i].port)
            return true;
    bool is_our_port = false;
    for (size_t i = 0; i < broker->endpoints.count; i++)
        is_our_port = is_our_port || port == broker->endpoints.items[i].port;
    if (!is_our_port)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (bytes_equal_ignore_case(host, bytes_from_text(names[i])))
            return true;
    for (size_t i = 0; i < broker->own_names.count; i++)
        if (bytes_equal_ignore_case(host, bytes_from_text(broker->own_names.items[i])))
            return true;
    for (size_t i = 0; i < broker->endpoints.count; i++)
        if (bytes_equal_text(host, broker->endpoints.items[i].address) ||
            strcmp(broker->endpoints.items[i].address, "0.0.0.0") == 0)
            return true;
    return false;
}

bool kafka_client_is_own(struct kafka_client *client, struct bytes bootstrap_servers, struct error *error) {
    const struct broker *broker = client->broker;
    if (broker->is_suspended)
        return error_set(error, ERROR_CLOSED,
            "the broker kafka:%u is stopped (start it with: docker start kafka, or raudal start kafka)", broker->port);
    for (size_t at = 0; at <= bootstrap_servers.size;) {
        size_t comma = bytes_find(bootstrap_servers, ',', at), end = comma == SIZE_MAX ? bootstrap_servers.size : comma;
        struct bytes server = bytes_trim(bytes_slice(bootstrap_servers, at, end - at));
        size_t colon = server.size;
        while (colon > 0 && server.data[colon - 1] != ':')
            colon--;
        int64_t port = 0;
        if (colon == 0 || !bytes_to_int64(bytes_slice(server, colon, server.size - colon), &port) ||
            !own_host(broker, bytes_slice(server, 0, colon - 1), (uint16_t)port))
            return error_set(error, ERROR_NOT_FOUND,
                "the Kafka server %.*s is not this one, which is kafka:%u, localhost:%u and %s:%u", BYTES_ARGS(server),
                broker->port, broker->port, broker->endpoints.items[0].address, broker->port);
        at = end + 1;
    }
    return true;
}
