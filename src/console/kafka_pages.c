/* kafka_pages.c: 8080: topics, groups and lag; the paths of Kafka UI's API that compose health checks and scripts read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "console/page.h"

/* ---- gathering: topics are at hand from any thread; groups come from the broker's loop ---- */

static json_t *describe_partition(struct kafka_client *client, const char *topic, int32_t number) {
    struct partition_log *partition = kafka_client_partition(client, topic, number);
    if (partition == NULL)
        return NULL;
    json_t *object = json_pack("{s:i, s:i, s:I, s:I, s:I}", "partition", (int)number, "leader", 1, "offsetMin",
        (json_int_t)log_start_offset(partition), "offsetMax", (json_int_t)log_high_watermark(partition), "size",
        (json_int_t)log_size(partition));
    log_release(partition);
    return object;
}

static json_t *describe_topic(struct kafka_client *client, const struct kafka_topic_info *topic) {
    char id[UUID_BASE64_SIZE];
    json_t *partitions = json_array();
    int64_t messages = 0, size = 0;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        json_t *partition = describe_partition(client, topic->name, i);
        if (partition == NULL)
            continue;
        messages += page_number(partition, "offsetMax") - page_number(partition, "offsetMin");
        size += page_number(partition, "size");
        json_array_append_new(partitions, partition);
    }
    uuid_format_base64(topic->id, id);
    return json_pack("{s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:o}", "name", topic->name, "id", id, "internal",
        topic->internal, "partitionCount", (int)topic->partition_count, "replicationFactor", 1, "messagesCount",
        (json_int_t)messages, "segmentSize", (json_int_t)size, "partitions", partitions);
}

static json_t *describe_topics(struct kafka_client *client) {
    struct kafka_topic_list list = {0};
    json_t *topics = json_array();
    kafka_client_topics(client, &list);
    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(topics, describe_topic(client, &list.items[i]));
    kafka_topic_list_free(&list);
    return topics;
}

static json_t *describe_group(const struct kafka_group_info *group) {
    json_t *members = json_array(), *offsets = json_array();
    int64_t lag = 0;
    for (size_t i = 0; i < group->member_count; i++)
        json_array_append_new(members, json_pack("{s:s, s:s, s:s}", "memberId", group->members[i].member_id, "clientId",
                                           group->members[i].client_id, "host", group->members[i].client_host));
    for (size_t i = 0; i < group->offset_count; i++) {
        const struct kafka_group_offset *offset = &group->offsets[i];
        int64_t behind = offset->end_offset < 0 || offset->offset < 0 ? 0 : offset->end_offset - offset->offset;
        lag += behind;
        json_array_append_new(
            offsets, json_pack("{s:s, s:i, s:I, s:I, s:I}", "topic", offset->topic, "partition", (int)offset->partition,
                         "currentOffset", (json_int_t)offset->offset, "endOffset", (json_int_t)offset->end_offset,
                         "consumerLag", (json_int_t)behind));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "groupId", group->group_id, "state", group->state, "protocol",
        group->protocol, "consumerLag", (json_int_t)lag, "members", members, "partitions", offsets);
}

static void take_groups(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    json_t *list = json_array();
    for (size_t i = 0; i < groups->count; i++)
        json_array_append_new(list, describe_group(&groups->items[i]));
    kafka_group_list_free(groups);
    json_object_set_new(page->data, "groups", list);
    page_post_finish(page);
}

static void gather_all(struct page *page) {
    struct kafka_client *client = page->console->options.kafka;
    if (client == NULL) {
        json_object_set_new(page->data, "topics", json_array());
        json_object_set_new(page->data, "groups", json_array());
        page_finish(page);
        return;
    }
    json_object_set_new(page->data, "clusterId", json_string(kafka_client_cluster_id(client)));
    json_object_set_new(page->data, "topics", describe_topics(client));
    kafka_client_groups(client, take_groups, page);
}

/* ---- drawing ---- */

static void draw_topics(json_t *topics, struct buffer *out) {
    char size[32], href[600], headline[64];
    size_t i;
    json_t *topic;
    snprintf(headline, sizeof headline, "Topics (%zu)", json_array_size(topics));
    page_table_begin(
        out, headline, "Topic Name", "Partitions", "Replication Factor", "Number of messages", "Size", NULL);
    json_array_foreach(topics, i, topic) {
        page_format_size(page_number(topic, "segmentSize"), size);
        snprintf(href, sizeof href, "/topics/%s", page_text(topic, "name"));
        buffer_append_text(out, "<tr>");
        page_link_cell(out, href, page_text(topic, "name"));
        page_cell(out, "%lld", (long long)page_number(topic, "partitionCount"));
        page_cell(out, "1");
        page_cell(out, "%lld", (long long)page_number(topic, "messagesCount"));
        page_cell(out, "%s", size);
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_groups(json_t *groups, struct buffer *out) {
    char headline[64];
    size_t i, j;
    json_t *group, *offset;
    snprintf(headline, sizeof headline, "Consumers (%zu)", json_array_size(groups));
    page_table_begin(out, headline, "Group ID", "State", "Members", "Topic", "Partition", "Current Offset",
        "End Offset", "Lag", NULL);
    json_array_foreach(groups, i, group) {
        json_t *offsets = json_object_get(group, "partitions");
        size_t members = json_array_size(json_object_get(group, "members"));
        if (json_array_size(offsets) == 0) {
            buffer_append_text(out, "<tr>");
            page_cell(out, "%s", page_text(group, "groupId"));
            page_cell(out, "%s", page_text(group, "state"));
            page_cell(out, "%zu", members);
            buffer_append_text(out, "<td></td><td></td><td></td><td></td><td></td></tr>\n");
        }
        json_array_foreach(offsets, j, offset) {
            buffer_append_text(out, "<tr>");
            page_cell(out, "%s", page_text(group, "groupId"));
            page_cell(out, "%s", page_text(group, "state"));
            page_cell(out, "%zu", members);
            page_cell(out, "%s", page_text(offset, "topic"));
            page_cell(out, "%lld", (long long)page_number(offset, "partition"));
            page_cell(out, "%lld", (long long)page_number(offset, "currentOffset"));
            page_cell(out, "%lld", (long long)page_number(offset, "endOffset"));
            page_cell(out, "%lld", (long long)page_number(offset, "consumerLag"));
            buffer_append_text(out, "</tr>\n");
        }
    }
    page_table_end(out);
}

static void draw_overview(struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    page_begin(page, out, CONSOLE_KAFKA, "Kafka: Raudal", "Kafka");
    buffer_append_text(out, "<ul>\n");
    page_fact(out, "Bootstrap server", "%s:%u", options->address, options->kafka_broker_port);
    page_fact(out, "Cluster ID", "%s", page_text(page->data, "clusterId"));
    page_fact(out, "Brokers", "1");
    buffer_append_text(out, "</ul>\n");
    draw_topics(json_object_get(page->data, "topics"), out);
    draw_groups(json_object_get(page->data, "groups"), out);
    page_end(out);
}

static json_t *find_topic(struct page *page) {
    json_t *topics = json_object_get(page->data, "topics"), *topic;
    size_t i;
    json_array_foreach(topics, i, topic) if (strcmp(page_text(topic, "name"), page->text) == 0) return topic;
    return NULL;
}

static void draw_topic(struct page *page, struct buffer *out) {
    char size[32];
    size_t i;
    json_t *partition, *topic = find_topic(page);
    page_begin(page, out, CONSOLE_KAFKA, page->text, page->text);
    if (topic == NULL) {
        page->status = 404;
        buffer_append_text(
            out, "<p>There is no such topic. Create it with kafka-topics.sh --create --topic NAME.</p>\n");
    } else {
        page_table_begin(out, "Partitions", "Partition", "Leader", "First Offset", "Next Offset", "Size", NULL);
        json_array_foreach(json_object_get(topic, "partitions"), i, partition) {
            page_format_size(page_number(partition, "size"), size);
            buffer_append_text(out, "<tr>");
            page_cell(out, "%lld", (long long)page_number(partition, "partition"));
            page_cell(out, "1");
            page_cell(out, "%lld", (long long)page_number(partition, "offsetMin"));
            page_cell(out, "%lld", (long long)page_number(partition, "offsetMax"));
            page_cell(out, "%s", size);
            buffer_append_text(out, "</tr>\n");
        }
        page_table_end(out);
    }
    buffer_append_text(out, "<p><a href=\"/\">All topics</a></p>\n");
    page_end(out);
}

/* ---- routes ---- */

static void handle_overview(struct http_request *request, void *context) {
    gather_all(page_create(request, context, draw_overview));
}

static void handle_json(struct http_request *request, void *context) {
    gather_all(page_create(request, context, NULL));
}

static void handle_topic(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_topic);
    page->text = strdup((const char *)http_parameter(request, "name").data);
    gather_all(page);
}

static void handle_clusters(struct http_request *request, void *context) {
    http_respond(request, 200, "application/json",
        BYTES("[{\"name\": \"raudal\", \"defaultCluster\": true, \"status\": \"online\", \"brokerCount\": 1, "
              "\"readOnly\": true}]\n"));
}

static void handle_health(struct http_request *request, void *context) {
    http_respond(request, 200, "application/json", BYTES("{\"status\": \"UP\"}\n"));
}

const struct http_route kafka_routes[] = {
    {"GET", "/", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/topics/{name}", handle_topic, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/", handle_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/api/clusters", handle_clusters, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/actuator/health", handle_health, NULL, HTTP_BODY_BUFFERED, 0},
    PAGE_COMMON_ROUTES,
};
const size_t kafka_route_count = ARRAY_COUNT(kafka_routes);
