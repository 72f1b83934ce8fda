/* client_admin.c: what an administrator changes from inside this process: the console's buttons. Each change is posted
 * to the broker's loop as an order, which is freed when its callback has run. The rules are those of the requests in
 * api/. */
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/groups.h"

enum { PARTITION_COUNT_MAX = 10000 };

struct setting {
    char *name, *value;
};
struct target {
    char *topic;
    int32_t partition;
    int64_t offset;
};
struct order {
    struct broker *broker;
    char *name; /* of the topic or group */
    int32_t partition;
    int64_t offset;
    VECTOR(struct setting) settings;
    VECTOR(struct target) targets;
    bool (*run)(struct order *order, struct error *error);
    kafka_done *done;
    kafka_groups_done *groups_done;
    void *argument;
};

static struct order *order_new(struct kafka_client *client, const char *name,
    bool (*run)(struct order *order, struct error *error), kafka_done *done, void *argument) {
    struct order *order = calloc(1, sizeof *order);
    ASSERT(order);
    *order = (struct order){
        .broker = client_broker(client), .name = strdup(name), .run = run, .done = done, .argument = argument};
    return order;
}

static void order_free(struct order *order) {
    for (size_t i = 0; i < order->settings.count; i++) {
        free(order->settings.items[i].name);
        free(order->settings.items[i].value);
    }
    for (size_t i = 0; i < order->targets.count; i++)
        free(order->targets.items[i].topic);
    VECTOR_FREE(&order->settings);
    VECTOR_FREE(&order->targets);
    free(order->name);
    free(order);
}

static void run_order(void *argument) {
    struct order *order = argument;
    struct error error = {0};
    order->run(order, &error);
    order->done(order->argument, &error);
    order_free(order);
}

static void post(struct order *order) {
    world_loop_post(order->broker->loop, run_order, order);
}

static struct topic *order_topic(struct order *order, struct error *error) {
    struct topic *topic = topic_find(order->broker, bytes_from_text(order->name));
    if (!topic)
        error_set(error, ERROR_NOT_FOUND, "there is no topic %s", order->name);
    return topic;
}

/* ---- topics ---- */

static bool add_partitions(struct order *order, struct error *error) {
    struct topic *topic = order_topic(order, error);
    if (!topic)
        return false;
    if (order->partition <= topic->partition_count || order->partition > PARTITION_COUNT_MAX)
        return error_set(error, ERROR_INVALID,
            "The topic %s currently has %d partition(s); their number can only grow, up to %d.", topic->name,
            topic->partition_count, PARTITION_COUNT_MAX);
    return topic_grow(order->broker, topic, order->partition, error);
}

void kafka_client_add_partitions(
    struct kafka_client *client, const char *topic, int32_t partition_count, kafka_done *done, void *argument) {
    struct order *order = order_new(client, topic, add_partitions, done, argument);
    order->partition = partition_count;
    post(order);
}

static bool set_configs(struct order *order, struct error *error) {
    struct topic *topic = order_topic(order, error);
    VECTOR(struct metadata_setting) settings = {0};
    for (size_t i = 0; topic && i < order->settings.count; i++) {
        const struct setting *setting = &order->settings.items[i];
        const struct config_row *row = config_find_topic(bytes_from_text(setting->name));
        if (!row)
            error_set(error, ERROR_INVALID, "Unknown topic config name: %s", setting->name);
        else if (!setting->value || config_check(row, bytes_from_text(setting->value), error))
            VECTOR_PUSH(&settings, ((struct metadata_setting){setting->name, setting->value}));
    }
    bool ok = topic && error->code == ERROR_NONE &&
              topic_set_configs(order->broker, topic, settings.items, settings.count, error);
    VECTOR_FREE(&settings);
    return ok;
}

void kafka_client_set_topic_configs(struct kafka_client *client, const char *topic,
    const struct kafka_topic_setting *settings, size_t setting_count, kafka_done *done, void *argument) {
    struct order *order = order_new(client, topic, set_configs, done, argument);
    for (size_t i = 0; i < setting_count; i++)
        VECTOR_PUSH(&order->settings,
            ((struct setting){strdup(settings[i].name), settings[i].value ? strdup(settings[i].value) : NULL}));
    post(order);
}

static bool delete_records(struct order *order, struct error *error) {
    struct topic *topic = order_topic(order, error);
    if (!topic)
        return false;
    if (!(topic->log_config.cleanup_policy & LOG_CLEANUP_DELETE))
        return error_set(error, ERROR_DENIED,
            "The topic %s has cleanup.policy=compact: its records are not deleted by offset.", topic->name);
    if (order->partition >= topic->partition_count)
        return error_set(error, ERROR_NOT_FOUND, "there is no partition %s-%d", topic->name, order->partition);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        int64_t start;
        if (order->partition >= 0 && order->partition != i)
            continue;
        enum log_status status = log_delete_records(topic->logs[i], order->offset, &start, error);
        if (status != LOG_STATUS_OK && error->code == ERROR_NONE)
            error_set(error, ERROR_INVALID, "%s-%d: %s", topic->name, i, log_status_name(status));
        if (status != LOG_STATUS_OK)
            return false;
    }
    return true;
}

void kafka_client_delete_records(struct kafka_client *client, const char *topic, int32_t partition, int64_t offset,
    kafka_done *done, void *argument) {
    struct order *order = order_new(client, topic, delete_records, done, argument);
    order->partition = partition;
    order->offset = offset;
    post(order);
}

/* ---- groups ---- */

static void run_group(void *argument) {
    struct order *order = argument;
    struct kafka_group_list list = {0};
    struct group *group = group_find(order->broker->groups, bytes_from_text(order->name));
    if (group)
        client_describe_group(order->broker, group, VECTOR_ADD(&list));
    order->groups_done(order->argument, &list);
    order_free(order);
}

void kafka_client_group(struct kafka_client *client, const char *group, kafka_groups_done *done, void *argument) {
    struct order *order = order_new(client, group, NULL, NULL, argument);
    order->groups_done = done;
    world_loop_post(order->broker->loop, run_group, order);
}

static bool check_no_members(const struct group *group, struct error *error) {
    if (group_has_members(group))
        return error_set(error, ERROR_BUSY,
            "The group %s has %zu member(s): stop its consumers first, then its offsets can be changed.", group->id,
            group->member_count);
    return true;
}

static bool store_offsets(struct order *order, struct group *group, struct error *error) {
    struct group_batch batch;
    int64_t now = world_wall_ms(order->broker->world);
    group_batch_begin(&batch, order->broker->groups, group);
    for (size_t i = 0; i < order->targets.count; i++) {
        const struct target *target = &order->targets.items[i];
        struct committed_offset offset = {.topic = target->topic,
            .partition = target->partition,
            .offset = target->offset,
            .leader_epoch = -1,
            .metadata = "",
            .commit_ms = now};
        group_batch_offset(&batch, &offset, false);
    }
    int16_t code = group_batch_commit(&batch, NULL, NULL);
    if (code != KAFKA_NONE)
        return error_set(error, ERROR_IO, "%s", kafka_error_text(code));
    for (size_t i = 0; i < order->targets.count; i++)
        group_set_offset(group, bytes_from_text(order->targets.items[i].topic), order->targets.items[i].partition,
            order->targets.items[i].offset, -1, BYTES(""), now);
    return true;
}

static bool set_offsets(struct order *order, struct error *error) {
    struct bytes id = bytes_from_text(order->name);
    if (!group_id_valid(id))
        return error_set(error, ERROR_INVALID, "%s is not a name for a group", order->name);
    for (size_t i = 0; i < order->targets.count; i++) {
        const struct target *target = &order->targets.items[i];
        const struct topic *topic = topic_find(order->broker, bytes_from_text(target->topic));
        if (!topic || !topic_log(topic, target->partition) || target->offset < 0)
            return error_set(error, ERROR_NOT_FOUND, "there is no partition %s-%d", target->topic, target->partition);
    }
    struct group *group = group_find(order->broker->groups, id);
    if (group && !check_no_members(group, error))
        return false;
    return store_offsets(order, group ? group : group_make(order->broker->groups, id), error);
}

void kafka_client_set_group_offsets(struct kafka_client *client, const char *group,
    const struct kafka_group_target *targets, size_t target_count, kafka_done *done, void *argument) {
    struct order *order = order_new(client, group, set_offsets, done, argument);
    for (size_t i = 0; i < target_count; i++)
        VECTOR_PUSH(
            &order->targets, ((struct target){strdup(targets[i].topic), targets[i].partition, targets[i].offset}));
    post(order);
}

static bool show_group(struct order *order, struct error *error) {
    struct bytes id = bytes_from_text(order->name);
    struct group *group = group_find(order->broker->groups, id);
    if (group && group_has_members(group))
        group->shown = false; /* real consumers have taken it */
    if (!group_id_valid(id) || (group && !group->shown) || (!group && order->targets.count == 0))
        return true;
    if (order->targets.count == 0) {
        group_free(order->broker->groups, group);
        return true;
    }
    if (!group)
        group = group_make(order->broker->groups, id);
    group->shown = true;
    for (size_t i = 0; i < order->targets.count; i++)
        group_set_offset(group, bytes_from_text(order->targets.items[i].topic), order->targets.items[i].partition,
            order->targets.items[i].offset, -1, BYTES(""), world_wall_ms(order->broker->world));
    return true;
}

static void shown(void *argument, const struct error *error) {
}

void kafka_client_show_group(
    struct kafka_client *client, const char *group, const struct kafka_group_target *targets, size_t target_count) {
    struct order *order = order_new(client, group, show_group, shown, NULL);
    for (size_t i = 0; i < target_count; i++)
        VECTOR_PUSH(
            &order->targets, ((struct target){strdup(targets[i].topic), targets[i].partition, targets[i].offset}));
    post(order);
}

static bool delete_group(struct order *order, struct error *error) {
    struct group *group = group_find(order->broker->groups, bytes_from_text(order->name));
    if (!group)
        return error_set(error, ERROR_NOT_FOUND, "there is no group %s", order->name);
    if (!check_no_members(group, error))
        return false;
    int16_t code = group_delete(order->broker->groups, group);
    return code == KAFKA_NONE || error_set(error, ERROR_IO, "%s", kafka_error_text(code));
}

void kafka_client_delete_group(struct kafka_client *client, const char *group, kafka_done *done, void *argument) {
    post(order_new(client, group, delete_group, done, argument));
}

/* ---- the broker ---- */

void kafka_client_broker_configs(struct kafka_client *client, struct kafka_config_list *list) {
    struct broker *broker = client_broker(client);
    *list = (struct kafka_config_list){0};
    world_mutex_lock(&broker->topics_mutex);
    for (size_t i = 0; i < broker_config_count; i++) {
        const struct config_row *row = &broker_config_rows[i];
        const char *given = config_given(&broker->config, row->name);
        const char *value = row->type == CONFIG_PASSWORD ? NULL : config_text(&broker->config, row->name);
        if (row->importance != CONFIG_INTERNAL || given)
            VECTOR_PUSH(
                list, ((struct kafka_config_info){strdup(row->name), strdup(value ? value : ""), given != NULL}));
    }
    world_mutex_unlock(&broker->topics_mutex);
}

const char *kafka_client_config_help(const char *name) {
    const struct config_row *row = config_find_topic(bytes_from_text(name));
    if (!row)
        row = config_find_broker(bytes_from_text(name));
    return row ? row->documentation : NULL;
}

const char *kafka_client_directory(struct kafka_client *client) {
    return log_manager_directory(client_broker(client)->logs);
}
