/* kafka_groups.c: groups: listed, described with lag in messages and seconds, reset with a preview, deleted.
 *
 * POST …/consumer-groups/{name}/offsets {"topic", "resetType": "EARLIEST" | "LATEST" | "TIMESTAMP" | "OFFSET",
 * "partitions": [0, 1], "resetToTimestamp": ms, "offset": n, "dryRun": true}: with dryRun only says what would be. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "console/kafka_filter.h"
#include "console/kafka_messages.h"
#include "console/kafka_topics.h"
#include "wire/kafka_messages.h"
#include "wire/message.h"

/* ---- describing ---- */

static int64_t lag_of(const struct kafka_group_offset *offset) {
    return offset->end_offset < 0 || offset->offset < 0 || offset->end_offset < offset->offset
               ? 0
               : offset->end_offset - offset->offset;
}

static int64_t group_lag(const struct kafka_group_info *group) {
    int64_t lag = 0;
    for (size_t i = 0; i < group->offset_count; i++)
        lag += lag_of(&group->offsets[i]);
    return lag;
}

static json_t *describe_assignment(const struct kafka_group_member *member) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_consumer_assignment assignment;
    json_t *list = json_array();
    struct bytes rest = buffer_view(&member->assignment);
    if (rest.size > 2) {
        int16_t version = (int16_t)load_be16(rest.data);
        rest = bytes_slice(rest, 2, rest.size - 2);
        if (version >= 0 && wire_decode(&kafka_consumer_assignment_message, version > 3 ? 3 : version, &rest, &arena,
                                &assignment, &error))
            for (int32_t i = 0; i < assignment.assigned.count; i++) {
                struct bytes topic = assignment.assigned.items[i].topic;
                json_t *partitions = json_array();
                for (int32_t j = 0; j < assignment.assigned.items[i].partitions.count; j++)
                    json_array_append_new(partitions, json_integer(assignment.assigned.items[i].partitions.items[j]));
                json_array_append_new(list,
                    json_pack("{s:s%, s:o}", "topic", (const char *)topic.data, topic.size, "partitions", partitions));
            }
    }
    arena_destroy(&arena);
    return list;
}

/* How old the first message is that the group has not read; -1 when it has read all. */
static int64_t lag_time_ms(struct kafka_client *client, const struct kafka_group_offset *offset, int64_t now_ms) {
    int64_t timestamp_ms = -1;
    if (lag_of(offset) == 0)
        return 0;
    struct partition_log *log = kafka_client_partition(client, offset->topic, offset->partition);
    if (log != NULL) {
        timestamp_ms = message_timestamp(log, offset->offset);
        log_release(log);
    }
    return timestamp_ms < 0 ? -1 : now_ms > timestamp_ms ? now_ms - timestamp_ms : 0;
}

static int by_topic(const void *left_item, const void *right_item) {
    const struct kafka_group_offset *left = left_item, *right = right_item;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order : left->partition < right->partition ? -1 : left->partition > right->partition;
}

json_t *kafka_describe_group(struct kafka_client *client, const struct kafka_group_info *group, int64_t now_ms) {
    json_t *members = json_array(), *offsets = json_array();
    for (size_t i = 0; i < group->member_count; i++) {
        const struct kafka_group_member *member = &group->members[i];
        json_array_append_new(
            members, json_pack("{s:s, s:s, s:s, s:s, s:o}", "memberId", member->member_id, "groupInstanceId",
                         member->instance_id == NULL ? "" : member->instance_id, "clientId", member->client_id, "host",
                         member->client_host, "assignment", describe_assignment(member)));
    }
    if (group->offset_count > 0)
        qsort(group->offsets, group->offset_count, sizeof *group->offsets, by_topic);
    for (size_t i = 0; i < group->offset_count; i++) {
        const struct kafka_group_offset *offset = &group->offsets[i];
        json_array_append_new(offsets,
            json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I}", "topic", offset->topic, "partition",
                (int)offset->partition, "currentOffset", (json_int_t)offset->offset, "endOffset",
                (json_int_t)offset->end_offset, "consumerLag", (json_int_t)lag_of(offset), "lagMs",
                (json_int_t)lag_time_ms(client, offset, now_ms), "committedMs", (json_int_t)offset->commit_ms));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:o, s:o}", "groupId", group->group_id, "state", group->state,
        "protocol", group->protocol, "protocolType", group->protocol_type, "generation", (int)group->generation,
        "consumerLag", (json_int_t)group_lag(group), "members", members, "partitions", offsets);
}

/* ---- the list ---- */

static int by_id(const void *left, const void *right) {
    return strcmp(
        ((const struct kafka_group_info *)left)->group_id, ((const struct kafka_group_info *)right)->group_id);
}
#define COMPARE_GROUPS(of)                                                                                             \
    const struct kafka_group_info *left = left_item, *right = right_item;                                              \
    int64_t left_value = of(left), right_value = of(right);                                                            \
    return left_value != right_value ? (left_value < right_value ? -1 : 1) : by_id(left, right)
static int by_lag(const void *left_item, const void *right_item) {
    COMPARE_GROUPS(group_lag);
}
#define MEMBERS_OF(group) ((int64_t)(group)->member_count)
static int by_members(const void *left_item, const void *right_item) {
    COMPARE_GROUPS(MEMBERS_OF);
}
static int by_state(const void *left, const void *right) {
    int order = strcmp(((const struct kafka_group_info *)left)->state, ((const struct kafka_group_info *)right)->state);
    return order != 0 ? order : by_id(left, right);
}

static size_t topic_count(const struct kafka_group_info *group) {
    struct map names = {0};
    for (size_t i = 0; i < group->offset_count; i++)
        map_set_text(&names, group->offsets[i].topic, (void *)1);
    size_t count = names.count;
    map_free(&names);
    return count;
}

void kafka_list_groups(struct page *page, struct kafka_group_list *groups, const struct list_query *query) {
    static const struct {
        const char *name;
        int (*compare)(const void *left, const void *right);
    } orders[] = {{"name", by_id}, {"lag", by_lag}, {"members", by_members}, {"state", by_state}};
    VECTOR(struct kafka_group_info) chosen = {0};
    int (*compare)(const void *, const void *) = by_id;
    json_t *list = json_array();
    for (size_t i = 0; i < groups->count; i++)
        if (filter_contains(bytes_from_text(groups->items[i].group_id), bytes_from_text(query->search)))
            VECTOR_PUSH(&chosen, groups->items[i]);
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++)
        if (strcmp(query->sort, orders[i].name) == 0)
            compare = orders[i].compare;
    if (chosen.count > 0)
        qsort(chosen.items, chosen.count, sizeof *chosen.items, compare);
    size_t first = (size_t)((query->page - 1) * query->page_size);
    for (size_t i = first; i < chosen.count && i < first + (size_t)query->page_size; i++) {
        const struct kafka_group_info *group = &chosen.items[query->descending ? chosen.count - 1 - i : i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i, s:I}", "groupId", group->group_id, "state",
                                        group->state, "members", (int)group->member_count, "topics",
                                        (int)topic_count(group), "consumerLag", (json_int_t)group_lag(group)));
    }
    json_object_set_new(page->data, "consumerGroups", list);
    json_object_set_new(page->data, "total", json_integer((json_int_t)chosen.count));
    json_object_set_new(
        page->data, "pageCount", json_integer(((json_int_t)chosen.count + query->page_size - 1) / query->page_size));
    VECTOR_FREE(&chosen);
    kafka_group_list_free(groups);
}

static void take_groups(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    kafka_list_groups(page, groups, page->state);
    page_post_finish(page);
}

static void release_list(void *argument) {
    list_query_free(argument);
    free(argument);
}

void kafka_handle_groups(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    struct list_query *query = calloc(1, sizeof *query);
    ASSERT(query != NULL);
    list_query_parse(request, 25, query);
    page->state = query;
    page->release = release_list;
    kafka_client_groups(page->console->options.kafka, take_groups, page);
}

/* ---- one group, or those of a topic: the broker's loop gives them, the disk pool looks how old the lag is ---- */

static void release_groups(void *argument) {
    kafka_group_list_free(argument);
    free(argument);
}

static void keep_groups(struct page *page, struct kafka_group_list *groups) {
    struct kafka_group_list *kept = calloc(1, sizeof *kept);
    ASSERT(kept != NULL);
    *kept = *groups;
    page->state = kept;
    page->release = release_groups;
}

static void no_group(struct page *page) {
    struct error error = {0};
    error_set(&error, ERROR_NOT_FOUND, "There is no group %s", page->text);
    page_fail(page, &error);
}

static void gather_group(struct page *page) {
    struct kafka_group_list *groups = page->state;
    if (groups->count == 0) {
        no_group(page);
        return;
    }
    json_decref(page->data);
    page->data = kafka_describe_group(
        page->console->options.kafka, &groups->items[0], world_wall_ms(page->console->options.world));
}

static void take_group(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    keep_groups(page, groups);
    page_gather_on_disk_pool(page, gather_group);
}

static char *name_parameter(const struct http_request *request) {
    return strdup((const char *)http_parameter(request, "name").data);
}

void kafka_handle_group(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    page->text = name_parameter(request);
    kafka_client_group(page->console->options.kafka, page->text, take_group, page);
}

static void take_topic_groups(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    json_t *list = json_array();
    for (size_t i = 0; i < groups->count; i++) {
        const struct kafka_group_info *group = &groups->items[i];
        int64_t lag = 0;
        bool reads = false;
        for (size_t j = 0; j < group->offset_count; j++)
            if (strcmp(group->offsets[j].topic, page->text) == 0) {
                reads = true;
                lag += lag_of(&group->offsets[j]);
            }
        if (reads)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:i, s:I}", "groupId", group->group_id, "state", group->state, "members",
                          (int)group->member_count, "consumerLag", (json_int_t)lag));
    }
    json_object_set_new(page->data, "consumerGroups", list);
    kafka_group_list_free(groups);
    page_post_finish(page);
}

/* GET …/topics/{name}/consumer-groups */
void kafka_handle_topic_groups(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    page->text = name_parameter(request);
    kafka_client_groups(page->console->options.kafka, take_topic_groups, page);
}

void kafka_handle_delete_group(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    page->text = name_parameter(request);
    kafka_client_delete_group(page->console->options.kafka, page->text, page_post_done, page);
}

/* ---- resetting ---- */

enum reset_type { RESET_EARLIEST, RESET_LATEST, RESET_TIMESTAMP, RESET_OFFSET, RESET_TYPE_COUNT };
static const char *const reset_names[] = {"EARLIEST", "LATEST", "TIMESTAMP", "OFFSET"};

struct reset {
    char *topic;
    enum reset_type type;
    int64_t position; /* an offset or milliseconds */
    bool dry_run;
    VECTOR(int64_t) partitions; /* none: all */
    struct kafka_group_list groups;
    VECTOR(struct kafka_group_target) targets;
};

static void release_reset(void *argument) {
    struct reset *reset = argument;
    free(reset->topic);
    VECTOR_FREE(&reset->partitions);
    VECTOR_FREE(&reset->targets);
    kafka_group_list_free(&reset->groups);
    free(reset);
}

static bool parse_reset(const json_t *body, struct reset *reset, struct error *error) {
    json_t *partition;
    size_t i;
    reset->topic = strdup(page_text(body, "topic"));
    reset->dry_run = json_is_true(json_object_get(body, "dryRun"));
    while (reset->type < RESET_TYPE_COUNT && strcmp(page_text(body, "resetType"), reset_names[reset->type]) != 0)
        reset->type++;
    if (reset->type == RESET_TYPE_COUNT)
        return error_set(error, ERROR_INVALID, "resetType is EARLIEST, LATEST, TIMESTAMP or OFFSET");
    const json_t *position = json_object_get(body, reset->type == RESET_TIMESTAMP ? "resetToTimestamp" : "offset");
    if (reset->type >= RESET_TIMESTAMP && (!json_is_integer(position) || json_integer_value(position) < 0))
        return error_set(error, ERROR_INVALID, "resetType=%s needs a position", reset_names[reset->type]);
    reset->position = json_integer_value(position);
    json_array_foreach(json_object_get(body, "partitions"), i, partition)
        VECTOR_PUSH(&reset->partitions, json_integer_value(partition));
    return true;
}

static int64_t target_offset(const struct reset *reset, struct partition_log *log) {
    int64_t low = log_start_offset(log), high = log_high_watermark(log);
    struct log_time_offset found = {.offset = -1};
    struct error error = {0};
    switch (reset->type) {
    case RESET_EARLIEST:
        return low;
    case RESET_OFFSET:
        return reset->position < low ? low : reset->position > high ? high : reset->position;
    case RESET_TIMESTAMP:
        if (log_offset_for_time(log, reset->position, LOG_READ_UNCOMMITTED, &found, &error) == LOG_STATUS_OK &&
            found.offset >= 0)
            return found.offset;
        return high;
    case RESET_LATEST:
    case RESET_TYPE_COUNT:
        break;
    }
    return high;
}

static bool is_chosen(const struct reset *reset, int32_t partition) {
    for (size_t i = 0; i < reset->partitions.count; i++)
        if (reset->partitions.items[i] == partition)
            return true;
    return reset->partitions.count == 0;
}

static int64_t current_offset(const struct reset *reset, int32_t partition) {
    for (size_t i = 0; reset->groups.count > 0 && i < reset->groups.items[0].offset_count; i++) {
        const struct kafka_group_offset *offset = &reset->groups.items[0].offsets[i];
        if (offset->partition == partition && strcmp(offset->topic, reset->topic) == 0)
            return offset->offset;
    }
    return -1;
}

/* On the disk pool: what would be; then, unless that is all, it is done. */
static void plan_reset(void *argument) {
    struct page *page = argument;
    struct reset *reset = page->state;
    struct kafka_client *client = page->console->options.kafka;
    struct error error = {0};
    json_t *rows = json_array();
    int32_t count = kafka_client_partition_count(client, reset->topic);
    for (int32_t i = 0; i < count; i++) {
        struct partition_log *log = is_chosen(reset, i) ? kafka_client_partition(client, reset->topic, i) : NULL;
        if (log == NULL)
            continue;
        int64_t target = target_offset(reset, log), current = current_offset(reset, i);
        VECTOR_PUSH(&reset->targets, ((struct kafka_group_target){reset->topic, i, target}));
        json_array_append_new(rows, json_pack("{s:s, s:i, s:I, s:I, s:I}", "topic", reset->topic, "partition", (int)i,
                                        "currentOffset", (json_int_t)current, "newOffset", (json_int_t)target, "lag",
                                        (json_int_t)(log_high_watermark(log) - target)));
        log_release(log);
    }
    json_object_set_new(page->data, "partitions", rows);
    json_object_set_new(page->data, "members",
        json_integer(reset->groups.count > 0 ? (json_int_t)reset->groups.items[0].member_count : 0));
    if (reset->targets.count == 0)
        error_set(&error, ERROR_NOT_FOUND, "There is no such partition of the topic %s", reset->topic);
    if (error.code != ERROR_NONE)
        page_fail(page, &error);
    if (error.code != ERROR_NONE || reset->dry_run)
        page_post_finish(page);
    else
        kafka_client_set_group_offsets(
            client, page->text, reset->targets.items, reset->targets.count, page_post_done, page);
}

static void take_reset(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    struct reset *reset = page->state;
    reset->groups = *groups;
    world_pool_submit(page->console->options.disk_pool, plan_reset, page);
}

void kafka_handle_reset(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct bytes text = http_body(request);
    struct error error = {0};
    if (kafka_client_or_fail(page) == NULL)
        return;
    struct reset *reset = calloc(1, sizeof *reset);
    ASSERT(reset != NULL);
    page->text = name_parameter(request);
    page->state = reset;
    page->release = release_reset;
    json_t *body = json_loadb((const char *)text.data, text.size, 0, NULL);
    if (parse_reset(body, reset, &error)) {
        kafka_client_group(page->console->options.kafka, page->text, take_reset, page);
    } else {
        page_fail(page, &error);
        page_finish(page);
    }
    json_decref(body);
}
