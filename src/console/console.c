/* console.c: the four HTTP servers. */
#include "console/console.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "console/kafka_topics.h"
#include "console/page.h"

/* A copy of the routes with the console as context; `more` keep their own. */
static struct http_route *with_context(struct console *console, const struct http_route *routes, size_t count,
    const struct http_route *more, size_t more_count) {
    struct http_route *copy = calloc(count + more_count, sizeof *copy);
    ASSERT(copy != NULL);
    memcpy(copy, routes, count * sizeof *copy);
    if (more_count > 0)
        memcpy(copy + count, more, more_count * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i].context = console;
    return copy;
}

static uint16_t page_port(const struct console *console, enum console_page page) {
    const struct console_options *options = &console->options;
    const uint16_t ports[] = {
        [CONSOLE_KAFKA] = options->kafka_port,
        [CONSOLE_MASTER] = options->master_port,
        [CONSOLE_WORKER] = options->worker_port,
        [CONSOLE_NAMENODE] = options->namenode_port,
    };
    return ports[page];
}

bool console_open_page(struct console *console, enum console_page page, struct error *error) {
    const struct console_options *options = &console->options;
    const struct console_endpoints *more_endpoints[] = {
        [CONSOLE_KAFKA] = &options->kafka_more,
        [CONSOLE_MASTER] = &options->master_more,
        [CONSOLE_WORKER] = &options->worker_more,
        [CONSOLE_NAMENODE] = &options->namenode_more,
    };
    VECTOR(const char *) addresses = {0};
    VECTOR_PUSH(&addresses, options->address);
    for (size_t i = 0; i < more_endpoints[page]->count; i++)
        VECTOR_PUSH(&addresses, more_endpoints[page]->items[i]);
    struct http_server_options server = {
        .loop = options->loop,
        .addresses = addresses.items,
        .address_count = addresses.count,
        .port = page_port(console, page),
        .routes = console->routes[page],
        .route_count = console->route_counts[page],
        .host_names = options->host_names,
        .host_name_count = options->host_name_count,
        .peer_rule = options->peer_rule,
        .server_name = "Raudal",
        .log = options->log,
        .metrics = options->metrics,
    };
    if (console->servers[page] == NULL && server.port != 0)
        console->servers[page] = http_server_start(&server, error);
    VECTOR_FREE(&addresses);
    return console->servers[page] != NULL || server.port == 0;
}

void console_close_page(struct console *console, enum console_page page) {
    if (console->servers[page] != NULL)
        http_server_stop(console->servers[page]);
    console->servers[page] = NULL;
}

static bool serve(struct console *console, enum console_page page, const struct http_route *routes, size_t count,
    const struct http_route *more, size_t more_count, struct error *error) {
    console->routes[page] = with_context(console, routes, count, more, more_count);
    console->route_counts[page] = count + more_count;
    return console_open_page(console, page, error);
}

/* Nothing depends on 4040: when another program has it (a real Spark, perhaps), the pages are at their own ports. */
static void serve_spark_ui(struct console *console) {
    const struct console_options *options = &console->options;
    struct error error;
    if (options->spark_ui_port == 0 || options->master_port == 0)
        return;
    console->spark_ui_route = with_context(console, &spark_ui_route, 1, NULL, 0);
    struct http_server_options server = {
        .loop = options->loop,
        .addresses = &options->address,
        .address_count = 1,
        .port = options->spark_ui_port,
        .routes = console->spark_ui_route,
        .route_count = 1,
        .host_names = options->host_names,
        .host_name_count = options->host_name_count,
        .peer_rule = options->peer_rule,
        .server_name = "Raudal",
        .log = options->log,
        .metrics = options->metrics,
    };
    console->spark_ui = http_server_start(&server, &error);
    if (console->spark_ui == NULL)
        service_log_write(options->log, LOG_WARN, "raudal",
            "The port of spark.ui.port could not be had (%s); Spark's queries are shown on port %u", error.message,
            options->master_port);
}

struct console *console_start(const struct console_options *options, uint16_t *port, struct error *error) {
    struct console *console = calloc(1, sizeof *console);
    ASSERT(console != NULL);
    console->options = *options;
    if (options->kafka != NULL)
        console->changes = kafka_changes_create(console);
    size_t web_count = 0;
    const struct http_route *web = options->hdfs == NULL ? NULL : hdfs_web_routes(options->hdfs, &web_count);
    const struct {
        const struct http_route *routes;
        size_t count;
    } pages[] = {
        [CONSOLE_KAFKA] = {kafka_routes, kafka_route_count},
        [CONSOLE_MASTER] = {master_routes, master_route_count},
        [CONSOLE_WORKER] = {worker_routes, worker_route_count},
        [CONSOLE_NAMENODE] = {namenode_routes, namenode_route_count},
    };
    for (int i = 0; i < (int)ARRAY_COUNT(pages); i++) {
        bool with_web = i == CONSOLE_NAMENODE;
        *port = page_port(console, i);
        if (!serve(
                console, i, pages[i].routes, pages[i].count, with_web ? web : NULL, with_web ? web_count : 0, error)) {
            console_stop(console);
            return NULL;
        }
    }
    *port = 0;
    serve_spark_ui(console);
    return console;
}

void console_stop(struct console *console) {
    for (size_t i = 0; i < ARRAY_COUNT(console->servers); i++) {
        if (console->servers[i] != NULL)
            http_server_stop(console->servers[i]);
        free(console->routes[i]);
    }
    kafka_changes_destroy(console->changes);
    if (console->spark_ui != NULL)
        http_server_stop(console->spark_ui);
    free(console->spark_ui_route);
    free(console);
}
