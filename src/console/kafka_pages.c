/* kafka_pages.c: 8080 as plain HTML, which is what curl and browsers without JavaScript see; the routes. The script of
 * web/src/kafka draws the same addresses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "console/kafka_messages.h"
#include "console/kafka_topics.h"

enum { PLAIN_PAGE_SIZE = 50, PLAIN_MESSAGES = 50 };

/* ---- drawing ---- */

static void begin(struct page *page, struct buffer *out, const char *title, const char *headline) {
    page_begin(page, out, CONSOLE_KAFKA, title, headline);
    if (strcmp(headline, "Kafka") != 0)
        buffer_printf(out, "<p><a href=\"%s\">%s</a></p>\n", page->root, page_word(page, "kafka.topics"));
}

static void draw_topics(struct page *page, struct buffer *out) {
    char size[32], headline[96];
    struct buffer href = {0};
    size_t i;
    json_t *topic;
    snprintf(headline, sizeof headline, "%s (%lld)", page_word(page, "kafka.topics"),
        (long long)page_number(page->data, "total"));
    page_table_begin(out, headline, page_word(page, "kafka.name"), page_word(page, "kafka.partitions"),
        page_word(page, "kafka.messages"), page_word(page, "kafka.size"), NULL);
    json_array_foreach(json_object_get(page->data, "topics"), i, topic) {
        page_format_size(page_number(topic, "segmentSize"), size);
        buffer_clear(&href);
        buffer_printf(&href, "%stopics/", page->root);
        http_encode(bytes_from_text(page_text(topic, "name")), "", &href);
        buffer_append_text(out, "<tr>");
        page_link_cell(out, buffer_text(&href), page_text(topic, "name"));
        page_number_cell(out, page_number(topic, "partitionCount"));
        page_number_cell(out, page_number(topic, "messagesCount"));
        buffer_printf(out, "<td class=\"number\">%s</td></tr>\n", size);
    }
    page_table_end(out);
    buffer_free(&href);
}

static void draw_pager(struct page *page, struct buffer *out, const struct list_query *query) {
    int64_t count = page_number(page->data, "pageCount");
    buffer_append_text(out, "<p>");
    for (int i = -1; i <= 1; i += 2) {
        int64_t number = query->page + i;
        if (number < 1 || number > count)
            continue;
        buffer_printf(out, "<a href=\"?page=%lld&amp;search=", (long long)number);
        struct buffer search = {0};
        http_encode(bytes_from_text(query->search), "", &search);
        buffer_append_html(out, buffer_view(&search));
        buffer_free(&search);
        buffer_printf(out, "\">%s</a> ", page_word(page, i < 0 ? "common.previous" : "common.next"));
    }
    buffer_append_text(out, "</p>\n");
}

static void draw_groups(struct page *page, struct buffer *out) {
    char headline[96];
    size_t i, j;
    json_t *groups = json_object_get(page->data, "groups"), *group, *offset;
    snprintf(headline, sizeof headline, "%s (%zu)", page_word(page, "kafka.groups"), json_array_size(groups));
    page_table_begin(out, headline, page_word(page, "kafka.group"), page_word(page, "kafka.state"),
        page_word(page, "kafka.members"), page_word(page, "kafka.topic"), page_word(page, "kafka.partition"),
        page_word(page, "kafka.committed"), page_word(page, "kafka.end"), page_word(page, "kafka.lag"), NULL);
    json_array_foreach(groups, i, group) {
        json_t *offsets = json_object_get(group, "partitions");
        size_t members = json_array_size(json_object_get(group, "members"));
        for (j = 0; j < json_array_size(offsets) || (j == 0 && json_array_size(offsets) == 0); j++) {
            offset = json_array_get(offsets, j);
            buffer_append_text(out, "<tr>");
            page_cell(out, "%s", page_text(group, "groupId"));
            page_cell(out, "%s", page_text(group, "state"));
            page_number_cell(out, (int64_t)members);
            if (offset == NULL) {
                buffer_append_text(out, "<td></td><td></td><td></td><td></td><td></td></tr>\n");
                continue;
            }
            page_cell(out, "%s", page_text(offset, "topic"));
            page_number_cell(out, page_number(offset, "partition"));
            page_number_cell(out, page_number(offset, "currentOffset"));
            page_number_cell(out, page_number(offset, "endOffset"));
            page_number_cell(out, page_number(offset, "consumerLag"));
            buffer_append_text(out, "</tr>\n");
        }
    }
    page_table_end(out);
}

static void draw_facts(struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    buffer_append_text(out, "<ul>\n");
    page_fact(out, "Bootstrap server", "%s:%u", options->address, options->kafka_broker_port);
    page_fact(out, "Cluster ID", "%s", page_text(page->data, "clusterId"));
    buffer_append_text(out, "</ul>\n");
}

struct overview {
    struct list_query query;
    struct kafka_group_list groups;
};

static void draw_overview(struct page *page, struct buffer *out) {
    struct overview *overview = page->state;
    begin(page, out, "Kafka: Raudal", "Kafka");
    draw_facts(page, out);
    buffer_printf(out, "<form><input type=\"search\" name=\"search\" aria-label=\"%s\" value=\"",
        page_word(page, "common.search"));
    buffer_append_html(out, bytes_from_text(overview->query.search));
    buffer_printf(out, "\"> <button>%s</button></form>\n", page_word(page, "common.search"));
    draw_topics(page, out);
    draw_pager(page, out, &overview->query);
    draw_groups(page, out);
    page_end(out);
}

static void draw_messages(struct page *page, struct buffer *out) {
    size_t i;
    json_t *message;
    page_table_begin(out, page_word(page, "kafka.messages"), page_word(page, "kafka.partition"),
        page_word(page, "kafka.offset"), page_word(page, "kafka.time"), page_word(page, "kafka.key"),
        page_word(page, "kafka.value"), NULL);
    json_array_foreach(json_object_get(page->data, "messages"), i, message) {
        char when[32];
        calendar_format_iso_ms(page_number(message, "timestamp"), when);
        buffer_append_text(out, "<tr>");
        page_number_cell(out, page_number(message, "partition"));
        page_number_cell(out, page_number(message, "offset"));
        page_cell(out, "%s", when);
        page_cell(out, "%.200s", page_text(json_object_get(message, "key"), "text"));
        page_cell(out, "%.2000s", page_text(json_object_get(message, "value"), "text"));
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_corrupt(struct page *page, struct buffer *out, json_t *partition) {
    size_t i;
    json_t *corrupt;
    json_array_foreach(json_object_get(partition, "corrupt"), i, corrupt)
        buffer_printf(out, "<p class=\"bad\">%s %lld: %s %lld – %lld</p>\n", page_word(page, "kafka.partition"),
            (long long)page_number(partition, "partition"), page_word(page, "kafka.corrupt"),
            (long long)page_number(corrupt, "first"), (long long)page_number(corrupt, "last"));
}

static void draw_topic(struct page *page, struct buffer *out) {
    char size[32];
    size_t i;
    json_t *partition, *topic = json_object_get(page->data, "topic");
    begin(page, out, page->text, page->text);
    if (topic == NULL) {
        page->status = 404;
        buffer_printf(out, "<p>%s</p>\n", page_word(page, "kafka.noTopic"));
        page_end(out);
        return;
    }
    page_table_begin(out, page_word(page, "kafka.partitions"), page_word(page, "kafka.partition"),
        page_word(page, "kafka.first"), page_word(page, "kafka.end"), page_word(page, "kafka.size"), NULL);
    json_array_foreach(json_object_get(topic, "partitions"), i, partition) {
        page_format_size(page_number(partition, "size"), size);
        buffer_append_text(out, "<tr>");
        page_number_cell(out, page_number(partition, "partition"));
        page_number_cell(out, page_number(partition, "offsetMin"));
        page_number_cell(out, page_number(partition, "offsetMax"));
        buffer_printf(out, "<td class=\"number\">%s</td></tr>\n", size);
    }
    page_table_end(out);
    json_array_foreach(json_object_get(topic, "partitions"), i, partition) draw_corrupt(page, out, partition);
    draw_messages(page, out);
    page_end(out);
}

/* ---- gathering ---- */

static void release_overview(void *argument) {
    struct overview *overview = argument;
    list_query_free(&overview->query);
    kafka_group_list_free(&overview->groups);
    free(overview);
}

static void gather_overview(struct page *page) {
    struct overview *overview = page->state;
    struct kafka_client *client = page->console->options.kafka;
    json_t *groups = json_array();
    json_object_set_new(page->data, "clusterId", json_string(kafka_client_cluster_id(client)));
    kafka_list_topics(page, &overview->query);
    for (size_t i = 0; i < overview->groups.count && json_array_size(groups) < PLAIN_PAGE_SIZE; i++)
        if (page->text == NULL || strcmp(page->text, overview->groups.items[i].group_id) == 0)
            json_array_append_new(groups,
                kafka_describe_group(client, &overview->groups.items[i], world_wall_ms(page->console->options.world)));
    json_object_set_new(page->data, "groups", groups);
}

static void take_groups(void *argument, struct kafka_group_list *groups) {
    struct page *page = argument;
    ((struct overview *)page->state)->groups = *groups;
    page_gather_on_disk_pool(page, gather_overview);
}

static void start_overview(struct page *page) {
    struct overview *overview = calloc(1, sizeof *overview);
    ASSERT(overview != NULL);
    list_query_parse(page->request, PLAIN_PAGE_SIZE, &overview->query);
    overview->query.show_internal = true;
    page->state = overview;
    page->release = release_overview;
    if (page->console->options.kafka == NULL)
        page_finish(page);
    else
        kafka_client_groups(page->console->options.kafka, take_groups, page);
}

static void gather_topic(struct page *page) {
    struct message_query *query = page->state;
    struct message_result result;
    struct error error = {0};
    json_t *topic = kafka_describe_topic(page->console->options.kafka, page->text), *messages = json_array();
    if (topic != NULL)
        json_object_set_new(page->data, "topic", topic);
    message_read(page->console, query, &result, &error);
    for (size_t i = 0; i < result.messages.count; i++)
        json_array_append_new(
            messages, message_describe(page->text, &result.messages.items[i], FORMAT_AUTO, FORMAT_AUTO));
    message_result_free(&result);
    json_object_set_new(page->data, "messages", messages);
}

static void release_query(void *argument) {
    message_query_free(argument);
    free(argument);
}

/* ---- handlers ---- */

static void handle_overview(struct http_request *request, void *context) {
    start_overview(page_create(request, context, draw_overview));
}

static void handle_json(struct http_request *request, void *context) {
    start_overview(page_create(request, context, NULL));
}

static void handle_topic(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_topic);
    struct error error = {0};
    page->text = strdup((const char *)http_parameter(request, "name").data);
    struct message_query *query = calloc(1, sizeof *query);
    ASSERT(query != NULL);
    page->state = query;
    page->release = release_query;
    if (page->console->options.kafka == NULL || !message_query_parse(page, query, &error)) {
        page_finish(page);
        return;
    }
    query->count_max = PLAIN_MESSAGES;
    page_gather_on_disk_pool(page, gather_topic);
}

static void draw_groups_page(struct page *page, struct buffer *out) {
    const char *name = page->text == NULL ? page_word(page, "kafka.groups") : page->text;
    begin(page, out, name, name);
    draw_groups(page, out);
    page_end(out);
}

/* /groups and /groups/{name} */
static void handle_groups(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_groups_page);
    struct bytes name = http_parameter(request, "name");
    page->text = name.data == NULL ? NULL : strdup((const char *)name.data);
    start_overview(page);
}

static void draw_broker(struct page *page, struct buffer *out) {
    begin(page, out, page_word(page, "kafka.broker"), page_word(page, "kafka.broker"));
    draw_facts(page, out);
    page_end(out);
}

static void handle_broker(struct http_request *request, void *context) {
    start_overview(page_create(request, context, draw_broker));
}

/* One cluster; a path may call it as it likes: compose files give it many names. */
static void handle_clusters(struct http_request *request, void *context) {
    http_respond(request, 200, "application/json",
        BYTES("[{\"name\": \"raudal\", \"defaultCluster\": true, \"status\": \"online\", \"brokerCount\": 1, "
              "\"readOnly\": false}]\n"));
}

static void handle_health(struct http_request *request, void *context) {
    http_respond(request, 200, "application/json", BYTES("{\"status\": \"UP\"}\n"));
}

#define IMPORT_SIZE_MAX ((size_t)32 << 20)
#define SEND_SIZE_MAX ((size_t)8 << 20)
#define CLUSTER "/api/clusters/{cluster}"
#define TOPIC CLUSTER "/topics/{name}"
#define GROUP CLUSTER "/consumer-groups/{name}"
#define ROUTE(method, path, handler)                                                                                   \
    { method, path, handler, NULL, HTTP_BODY_BUFFERED, 0 }

const struct http_route kafka_routes[] = {
    ROUTE("GET", "/", handle_overview),
    ROUTE("GET", "/topics/{name}", handle_topic),
    ROUTE("GET", "/groups", handle_groups),
    ROUTE("GET", "/groups/{name}", handle_groups),
    ROUTE("GET", "/broker", handle_broker),
    ROUTE("GET", "/json/", handle_json),
    ROUTE("GET", "/api/changes", kafka_handle_changes),
    ROUTE("GET", "/api/clusters", handle_clusters),
    ROUTE("GET", CLUSTER "/topics", kafka_handle_topics),
    ROUTE("POST", CLUSTER "/topics", kafka_handle_create),
    ROUTE("GET", TOPIC, kafka_handle_topic),
    ROUTE("PATCH", TOPIC, kafka_handle_set_configs),
    ROUTE("DELETE", TOPIC, kafka_handle_delete),
    ROUTE("GET", TOPIC "/config", kafka_handle_configs),
    ROUTE("PATCH", TOPIC "/partitions", kafka_handle_add_partitions),
    ROUTE("GET", TOPIC "/consumer-groups", kafka_handle_topic_groups),
    ROUTE("GET", TOPIC "/messages", kafka_handle_messages),
    {"POST", TOPIC "/messages", kafka_handle_send, NULL, HTTP_BODY_BUFFERED, SEND_SIZE_MAX},
    ROUTE("DELETE", TOPIC "/messages", kafka_handle_empty),
    ROUTE("GET", TOPIC "/messages/export", kafka_handle_export),
    {"POST", TOPIC "/messages/import", kafka_handle_import, NULL, HTTP_BODY_BUFFERED, IMPORT_SIZE_MAX},
    ROUTE("GET", TOPIC "/messages/{partition}/{offset}", kafka_handle_message),
    ROUTE("GET", CLUSTER "/consumer-groups", kafka_handle_groups),
    ROUTE("GET", CLUSTER "/consumer-groups/paged", kafka_handle_groups),
    ROUTE("GET", GROUP, kafka_handle_group),
    ROUTE("DELETE", GROUP, kafka_handle_delete_group),
    ROUTE("POST", GROUP "/offsets", kafka_handle_reset),
    ROUTE("GET", CLUSTER "/brokers", kafka_handle_brokers),
    ROUTE("GET", CLUSTER "/brokers/logdirs", kafka_handle_log_dirs),
    ROUTE("GET", CLUSTER "/brokers/1/configs", kafka_handle_broker_configs),
    ROUTE("GET", "/actuator/health", handle_health),
    PAGE_COMMON_ROUTES,
};
const size_t kafka_route_count = ARRAY_COUNT(kafka_routes);
