/* spark_pages.h: what the files behind 8081 and 8082 share. */
#ifndef CONSOLE_SPARK_PAGES_H
#define CONSOLE_SPARK_PAGES_H

#include "console/page.h"
#include "console/spark_data.h"

/* A page of a list (?state=, ?search=, ?sort=, ?page=) and of one thing (/{id}): made in a handler, with page->rows and
 * page->text filled in. */
struct page *spark_list(
    struct http_request *request, void *context, const char *sort, void (*draw)(struct page *page, struct buffer *out));
struct page *spark_one(
    struct http_request *request, void *context, void (*draw)(struct page *page, struct buffer *out));
/* What fills them, on the spark loop: page->data becomes one page of rows, or the thing; 404 when it is not known. */
void spark_gather_programs(struct page *page);
void spark_gather_queries(struct page *page);
void spark_gather_executions(struct page *page);
void spark_gather_query(struct page *page);
void spark_gather_execution(struct page *page);
char *spark_copy(struct bytes text); /* free() it */

/* spark_api.c */
http_handler spark_api_overview, spark_api_programs, spark_api_queries, spark_api_query, spark_api_executions,
    spark_api_execution, spark_api_stop_program, spark_api_stop_query, spark_api_stop_execution, spark_api_kill;
#define SPARK_API_ROUTES                                                                                               \
    {"GET", "/api/spark/overview", spark_api_overview, NULL, HTTP_BODY_BUFFERED, 0},                                   \
        {"GET", "/api/spark/programs", spark_api_programs, NULL, HTTP_BODY_BUFFERED, 0},                               \
        {"GET", "/api/spark/queries", spark_api_queries, NULL, HTTP_BODY_BUFFERED, 0},                                 \
        {"GET", "/api/spark/queries/{id}", spark_api_query, NULL, HTTP_BODY_BUFFERED, 0},                              \
        {"GET", "/api/spark/executions", spark_api_executions, NULL, HTTP_BODY_BUFFERED, 0},                           \
        {"GET", "/api/spark/executions/{id}", spark_api_execution, NULL, HTTP_BODY_BUFFERED, 0},                       \
        {"POST", "/api/spark/programs/{id}/stop", spark_api_stop_program, NULL, HTTP_BODY_BUFFERED, 0},                \
        {"POST", "/api/spark/queries/{id}/stop", spark_api_stop_query, NULL, HTTP_BODY_BUFFERED, 0}, {                 \
        "POST", "/api/spark/executions/{id}/stop", spark_api_stop_execution, NULL, HTTP_BODY_BUFFERED, 0               \
    }

/* spark_rest.c: Spark's own REST API, and the port of its application's page (4040), which leads to 8081. */
http_handler spark_rest_version, spark_rest_applications, spark_rest_application, spark_rest_sql,
    spark_rest_sql_execution, spark_rest_statistics, spark_rest_batches, spark_rest_receivers, spark_rest_refuse;
#define SPARK_REST_ROUTES                                                                                              \
    {"GET", "/api/v1/version", spark_rest_version, NULL, HTTP_BODY_BUFFERED, 0},                                       \
        {"GET", "/api/v1/applications", spark_rest_applications, NULL, HTTP_BODY_BUFFERED, 0},                         \
        {"GET", "/api/v1/applications/{id}", spark_rest_application, NULL, HTTP_BODY_BUFFERED, 0},                     \
        {"GET", "/api/v1/applications/{id}/sql", spark_rest_sql, NULL, HTTP_BODY_BUFFERED, 0},                         \
        {"GET", "/api/v1/applications/{id}/sql/{execution}", spark_rest_sql_execution, NULL, HTTP_BODY_BUFFERED, 0},   \
        {"GET", "/api/v1/applications/{id}/streaming/statistics", spark_rest_statistics, NULL, HTTP_BODY_BUFFERED, 0}, \
        {"GET", "/api/v1/applications/{id}/streaming/batches", spark_rest_batches, NULL, HTTP_BODY_BUFFERED, 0},       \
        {"GET", "/api/v1/applications/{id}/streaming/receivers", spark_rest_receivers, NULL, HTTP_BODY_BUFFERED, 0}, { \
        "GET", "/api/v1/{rest...}", spark_rest_refuse, NULL, HTTP_BODY_BUFFERED, 0                                     \
    }

#endif
