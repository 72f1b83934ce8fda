/* kafka_topics.c: topics: listed page by page, described, created, changed, emptied, deleted. */
#include "console/kafka_topics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_filter.h"

enum { PAGE_SIZE_MAX = 1000, SETTINGS_MAX = 100 };

struct kafka_client *kafka_client_or_fail(struct page *page) {
    struct error error = {0};
    if (page->console->options.kafka != NULL)
        return page->console->options.kafka;
    error_set(&error, ERROR_CLOSED, "Kafka does not run in this Raudal");
    page_fail(page, &error);
    page_finish(page);
    return NULL;
}

/* ---- what a list was asked for ---- */

static char *copy_text(struct bytes text) {
    return strndup(text.size > 0 ? (const char *)text.data : "", text.size);
}

void list_query_parse(const struct http_request *request, int64_t page_size, struct list_query *query) {
    /* Kafka UI's names for orders, and ours. */
    static const char *const orders[][2] = {{"NAME", "name"}, {"TOTAL_PARTITIONS", "partitions"}, {"SIZE", "size"},
        {"MESSAGES_COUNT", "messages"}, {"MEMBERS", "members"}, {"STATE", "state"}, {"MESSAGES_BEHIND", "lag"}};
    struct bytes sort = http_query(request, "sort"), order = http_query(request, "orderBy");
    *query = (struct list_query){.page = 1, .page_size = page_size};
    query->descending = bytes_starts_with(sort, "-") || bytes_equal_text(http_query(request, "sortOrder"), "DESC");
    if (bytes_starts_with(sort, "-"))
        sort = bytes_slice(sort, 1, sort.size - 1);
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++)
        if (bytes_equal_text(order, orders[i][0]))
            sort = bytes_from_text(orders[i][1]);
    query->sort = copy_text(sort.size > 0 ? sort : BYTES("name"));
    query->search = copy_text(bytes_trim(http_query(request, "search")));
    query->show_internal = bytes_equal_text(http_query(request, "showInternal"), "true");
    bytes_to_int64(http_query(request, "page"), &query->page);
    bytes_to_int64(http_query(request, "perPage"), &query->page_size);
    query->page = query->page < 1 ? 1 : query->page > 1000000 ? 1000000 : query->page;
    query->page_size = query->page_size < 1               ? page_size
                       : query->page_size > PAGE_SIZE_MAX ? PAGE_SIZE_MAX
                                                          : query->page_size;
}

void list_query_free(struct list_query *query) {
    free(query->search);
    free(query->sort);
}

/* ---- the list ---- */

struct row {
    const struct kafka_topic_info *topic;
    int64_t messages, size;
};
struct rows {
    VECTOR(struct row) list;
    int64_t messages, size, partitions, internal;
};

static void measure(struct kafka_client *client, struct row *row) {
    for (int32_t i = 0; i < row->topic->partition_count; i++) {
        struct partition_log *log = kafka_client_partition(client, row->topic->name, i);
        if (log == NULL)
            continue;
        row->messages += log_high_watermark(log) - log_start_offset(log);
        row->size += log_size(log);
        log_release(log);
    }
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct row *)left)->topic->name, ((const struct row *)right)->topic->name);
}
#define COMPARE_BY(field)                                                                                              \
    const struct row *left = left_row, *right = right_row;                                                             \
    return left->field != right->field ? (left->field < right->field ? -1 : 1) : by_name(left, right)
static int by_messages(const void *left_row, const void *right_row) {
    COMPARE_BY(messages);
}
static int by_size(const void *left_row, const void *right_row) {
    COMPARE_BY(size);
}
static int by_partitions(const void *left_row, const void *right_row) {
    COMPARE_BY(topic->partition_count);
}

static void sort_rows(struct rows *rows, const struct list_query *query) {
    static const struct {
        const char *name;
        int (*compare)(const void *left, const void *right);
    } orders[] = {{"name", by_name}, {"messages", by_messages}, {"size", by_size}, {"partitions", by_partitions}};
    int (*compare)(const void *, const void *) = by_name;
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++)
        if (strcmp(query->sort, orders[i].name) == 0)
            compare = orders[i].compare;
    if (rows->list.count > 0)
        qsort(rows->list.items, rows->list.count, sizeof *rows->list.items, compare);
}

static json_t *describe_row(const struct row *row) {
    char id[UUID_BASE64_SIZE];
    uuid_format_base64(row->topic->id, id);
    return json_pack("{s:s, s:s, s:b, s:i, s:i, s:I, s:I}", "name", row->topic->name, "id", id, "internal",
        row->topic->internal, "partitionCount", (int)row->topic->partition_count, "replicationFactor", 1,
        "messagesCount", (json_int_t)row->messages, "segmentSize", (json_int_t)row->size);
}

void kafka_list_topics(struct page *page, const struct list_query *query) {
    struct kafka_client *client = page->console->options.kafka;
    struct kafka_topic_list topics = {0};
    struct rows rows = {0};
    struct bytes search = bytes_from_text(query->search);
    kafka_client_topics(client, &topics);
    for (size_t i = 0; i < topics.count; i++) {
        struct row row = {.topic = &topics.items[i]};
        measure(client, &row);
        rows.messages += row.messages;
        rows.size += row.size;
        rows.partitions += row.topic->partition_count;
        rows.internal += row.topic->internal;
        if ((query->show_internal || !row.topic->internal) && filter_contains(bytes_from_text(row.topic->name), search))
            VECTOR_PUSH(&rows.list, row);
    }
    sort_rows(&rows, query);
    json_t *list = json_array();
    size_t first = (size_t)((query->page - 1) * query->page_size), count = rows.list.count;
    for (size_t i = first; i < count && i < first + (size_t)query->page_size; i++)
        json_array_append_new(list, describe_row(&rows.list.items[query->descending ? count - 1 - i : i]));
    json_object_set_new(page->data, "topics", list);
    json_object_set_new(
        page->data, "pageCount", json_integer(((json_int_t)count + query->page_size - 1) / query->page_size));
    json_object_set_new(page->data, "total", json_integer((json_int_t)count));
    json_object_set_new(page->data, "totals",
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "topics", (json_int_t)topics.count, "internal",
            (json_int_t)rows.internal, "partitions", (json_int_t)rows.partitions, "messages", (json_int_t)rows.messages,
            "size", (json_int_t)rows.size));
    VECTOR_FREE(&rows.list);
    kafka_topic_list_free(&topics);
}

static void release_list(void *argument) {
    list_query_free(argument);
    free(argument);
}

static void gather_topics(struct page *page) {
    kafka_list_topics(page, page->state);
}

void kafka_handle_topics(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    struct list_query *query = calloc(1, sizeof *query);
    ASSERT(query != NULL);
    list_query_parse(request, 25, query);
    page->state = query;
    page->release = release_list;
    page_gather_on_disk_pool(page, gather_topics);
}

/* ---- one topic ---- */

/* The offsets of corrupt batches that readers step over. */
static json_t *describe_corrupt(struct partition_log *log) {
    struct log_quarantine_list list = {0};
    json_t *array = json_array();
    log_quarantined(log, &list);
    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(array, json_pack("{s:I, s:I, s:I, s:I}", "first", (json_int_t)list.items[i].first_offset,
                                         "last", (json_int_t)list.items[i].last_offset, "position",
                                         (json_int_t)list.items[i].position, "size", (json_int_t)list.items[i].size));
    VECTOR_FREE(&list);
    return array;
}

static json_t *describe_partition(struct kafka_client *client, const char *topic, int32_t number) {
    struct partition_log *log = kafka_client_partition(client, topic, number);
    if (log == NULL)
        return NULL;
    json_t *object = json_pack("{s:i, s:i, s:I, s:I, s:I, s:i}", "partition", (int)number, "leader", 1, "offsetMin",
        (json_int_t)log_start_offset(log), "offsetMax", (json_int_t)log_high_watermark(log), "size",
        (json_int_t)log_size(log), "segments", (int)log_segment_count(log));
    if (log_failure(log) != NULL)
        json_object_set_new(object, "failure", json_string(log_failure(log)));
    if (log_quarantined_count(log) > 0)
        json_object_set_new(object, "corrupt", describe_corrupt(log));
    log_release(log);
    return object;
}

json_t *kafka_describe_topic(struct kafka_client *client, const char *name) {
    int32_t count = kafka_client_partition_count(client, name);
    int64_t messages = 0, size = 0;
    if (count < 0)
        return NULL;
    json_t *partitions = json_array();
    for (int32_t i = 0; i < count; i++) {
        json_t *partition = describe_partition(client, name, i);
        if (partition == NULL)
            continue;
        messages += page_number(partition, "offsetMax") - page_number(partition, "offsetMin");
        size += page_number(partition, "size");
        json_array_append_new(partitions, partition);
    }
    return json_pack("{s:s, s:b, s:i, s:i, s:I, s:I, s:o}", "name", name, "internal", strncmp(name, "__", 2) == 0,
        "partitionCount", (int)count, "replicationFactor", 1, "messagesCount", (json_int_t)messages, "segmentSize",
        (json_int_t)size, "partitions", partitions);
}

static char *topic_parameter(const struct http_request *request) {
    return strdup((const char *)http_parameter(request, "name").data);
}

static void no_topic(struct page *page) {
    struct error error = {0};
    error_set(&error, ERROR_NOT_FOUND, "There is no topic %s", page->text);
    page_fail(page, &error);
}

static void gather_topic(struct page *page) {
    json_t *topic = kafka_describe_topic(page->console->options.kafka, page->text);
    if (topic == NULL) {
        no_topic(page);
        return;
    }
    json_decref(page->data);
    page->data = topic;
}

void kafka_handle_topic(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    page->text = topic_parameter(request);
    page_gather_on_disk_pool(page, gather_topic);
}

/* ---- changes ---- */

/* A page with the topic's name as text and the body as *body (the caller's; NULL when the answer is given already). */
static struct page *begin_change(struct http_request *request, void *context, json_t **body) {
    struct page *page = page_create(request, context, NULL);
    struct bytes text = http_body(request);
    struct error error = {0};
    *body = NULL;
    if (kafka_client_or_fail(page) == NULL)
        return NULL;
    *body = text.size == 0 ? json_object() : json_loadb((const char *)text.data, text.size, 0, NULL);
    if (json_is_object(*body)) {
        if (http_parameter(request, "name").data != NULL)
            page->text = topic_parameter(request);
        return page;
    }
    json_decref(*body);
    error_set(&error, ERROR_INVALID, "The body is not a JSON object");
    page_fail(page, &error);
    page_finish(page);
    return NULL;
}

struct settings {
    struct kafka_topic_setting items[SETTINGS_MAX];
    char numbers[SETTINGS_MAX][32];
    size_t count;
};

static bool parse_settings(json_t *object, struct settings *settings, struct error *error) {
    const char *name;
    json_t *value;
    settings->count = 0;
    if (object != NULL && !json_is_null(object) && !json_is_object(object))
        return error_set(error, ERROR_INVALID, "configs is not an object");
    json_object_foreach(object, name, value) {
        const char *text = NULL;
        if (settings->count == SETTINGS_MAX)
            return error_set(error, ERROR_LIMIT, "more than %d settings", SETTINGS_MAX);
        if (json_is_integer(value)) {
            snprintf(settings->numbers[settings->count], 32, "%lld", (long long)json_integer_value(value));
            text = settings->numbers[settings->count];
        } else if (json_is_boolean(value)) {
            text = json_is_true(value) ? "true" : "false";
        } else if (json_is_string(value)) {
            text = json_string_value(value);
        } else if (!json_is_null(value)) {
            return error_set(error, ERROR_INVALID, "The setting %s is not a text", name);
        }
        settings->items[settings->count++] = (struct kafka_topic_setting){name, text};
    }
    return true;
}

/* POST …/topics {"name", "partitions", "replicationFactor", "configs"} */
void kafka_handle_create(struct http_request *request, void *context) {
    json_t *body;
    struct page *page = begin_change(request, context, &body);
    struct settings settings;
    struct error error = {0};
    if (page == NULL)
        return;
    const json_t *count = json_object_get(body, "partitions"), *factor = json_object_get(body, "replicationFactor");
    parse_settings(json_object_get(body, "configs"), &settings, &error);
    for (size_t i = 0; i < settings.count; i++)
        if (settings.items[i].value == NULL)
            error_set(&error, ERROR_INVALID, "The setting %s has no value", settings.items[i].name);
    if (json_is_integer(factor) && json_integer_value(factor) != 1)
        error_set(&error, ERROR_INVALID, "The replication factor can only be 1: there is one broker.");
    if (count != NULL &&
        (!json_is_integer(count) || json_integer_value(count) < 1 || json_integer_value(count) > 10000))
        error_set(&error, ERROR_INVALID, "Number of partitions must be within 1 and 10000.");
    if (error.code != ERROR_NONE) {
        page_fail(page, &error);
        page_finish(page);
    } else {
        kafka_client_create_topic(page->console->options.kafka, page_text(body, "name"),
            count == NULL ? -1 : (int32_t)json_integer_value(count), settings.items, settings.count, page_post_done,
            page);
    }
    json_decref(body);
}

void kafka_handle_delete(struct http_request *request, void *context) {
    json_t *body;
    struct page *page = begin_change(request, context, &body);
    if (page != NULL)
        kafka_client_delete_topic(page->console->options.kafka, page->text, page_post_done, page);
    json_decref(body);
}

/* PATCH …/topics/{name} {"configs": {"retention.ms": "1000", "segment.ms": null}}; null takes a setting away. */
void kafka_handle_set_configs(struct http_request *request, void *context) {
    json_t *body;
    struct page *page = begin_change(request, context, &body);
    struct settings settings;
    struct error error = {0};
    if (page == NULL)
        return;
    if (parse_settings(json_object_get(body, "configs"), &settings, &error)) {
        kafka_client_set_topic_configs(
            page->console->options.kafka, page->text, settings.items, settings.count, page_post_done, page);
    } else {
        page_fail(page, &error);
        page_finish(page);
    }
    json_decref(body);
}

/* PATCH …/topics/{name}/partitions {"totalPartitionsCount": 6} */
void kafka_handle_add_partitions(struct http_request *request, void *context) {
    json_t *body;
    struct page *page = begin_change(request, context, &body);
    if (page == NULL)
        return;
    int64_t count = page_number(body, "totalPartitionsCount");
    kafka_client_add_partitions(
        page->console->options.kafka, page->text, (int32_t)(count > 20000 ? 20000 : count), page_post_done, page);
    json_decref(body);
}

/* DELETE …/topics/{name}/messages[?partition=N][&offset=O]: below the offset, or all. */
void kafka_handle_empty(struct http_request *request, void *context) {
    json_t *body;
    struct page *page = begin_change(request, context, &body);
    int64_t partition = -1, offset = -1;
    struct error error = {0};
    if (page == NULL)
        return;
    json_decref(body);
    struct bytes partition_text = http_query(request, "partition"), offset_text = http_query(request, "offset");
    if ((partition_text.size > 0 && (!bytes_to_int64(partition_text, &partition) || partition < 0)) ||
        (offset_text.size > 0 && (!bytes_to_int64(offset_text, &offset) || offset < 0)) || partition > INT32_MAX) {
        error_set(&error, ERROR_INVALID, "partition and offset are numbers");
        page_fail(page, &error);
        page_finish(page);
        return;
    }
    kafka_client_delete_records(
        page->console->options.kafka, page->text, (int32_t)partition, offset, page_post_done, page);
}

/* ---- settings ---- */

static void take_configs(void *argument, struct kafka_config_list *configs, const struct error *error) {
    struct page *page = argument;
    json_t *list = json_array();
    for (size_t i = 0; i < configs->count; i++) {
        const struct kafka_config_info *config = &configs->items[i];
        const char *help = kafka_client_config_help(config->name);
        json_array_append_new(list,
            json_pack("{s:s, s:s, s:s, s:s}", "name", config->name, "value", config->value, "source",
                config->is_override ? "DYNAMIC_TOPIC_CONFIG" : "DEFAULT_CONFIG", "help", help == NULL ? "" : help));
    }
    kafka_config_list_free(configs);
    json_object_set_new(page->data, "configs", list);
    page_post_done(page, error);
}

void kafka_handle_configs(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    page->text = topic_parameter(request);
    kafka_client_topic_configs(page->console->options.kafka, page->text, false, take_configs, page);
}
