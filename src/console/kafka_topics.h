/* kafka_topics.h: topics, groups and the broker behind /api/, and what the plain HTML shows of them. */
#ifndef CONSOLE_KAFKA_TOPICS_H
#define CONSOLE_KAFKA_TOPICS_H

#include "console/page.h"

/* What a list was asked for: ?page=, perPage=, search=, orderBy=, sortOrder= of Kafka UI, or sort= (-size) of our own.
 */
struct list_query {
    int64_t page, page_size;
    char *search, *sort; /* owned; sort without its sign */
    bool descending, show_internal;
};
void list_query_parse(const struct http_request *request, int64_t page_size, struct list_query *query);
void list_query_free(struct list_query *query);

/* Fills page->data with {"topics", "pageCount", "total", "totals"}. Any thread. */
void kafka_list_topics(struct page *page, const struct list_query *query);
/* One with its partitions; NULL when there is none of this name. Any thread. */
json_t *kafka_describe_topic(struct kafka_client *client, const char *name);
/* Fills page->data with {"consumerGroups", "pageCount", "total"} and frees the groups. Any thread. */
void kafka_list_groups(struct page *page, struct kafka_group_list *groups, const struct list_query *query);
json_t *kafka_describe_group(struct kafka_client *client, const struct kafka_group_info *group, int64_t now_ms);

http_handler kafka_handle_topics, kafka_handle_topic, kafka_handle_create, kafka_handle_delete, kafka_handle_configs,
    kafka_handle_set_configs, kafka_handle_add_partitions, kafka_handle_empty;
http_handler kafka_handle_groups, kafka_handle_group, kafka_handle_delete_group, kafka_handle_reset,
    kafka_handle_topic_groups;
http_handler kafka_handle_brokers, kafka_handle_broker_configs, kafka_handle_log_dirs, kafka_handle_changes;

/* A client, or an answer that says that Kafka does not run here. */
struct kafka_client *kafka_client_or_fail(struct page *page);

/* ---- the version that /api/changes waits for ---- */
struct kafka_changes *kafka_changes_create(struct console *console);
void kafka_changes_destroy(struct kafka_changes *changes); /* NULL is fine. The pages' servers are stopped. */

#endif
