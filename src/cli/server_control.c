/* server_control.c: the control port: an ephemeral HTTP port on the instance's address that asks for the token of
 * instance.json (mode 0600). It serves `raudal status`. It starts first and is the web loop's first user. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "base/uuid.h"
#include "cli/server_internal.h"

static int64_t resident_size(void) {
    int64_t size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &size, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void append_services(const struct server *server, struct buffer *out) {
    buffer_append_text(out, "\"services\": [");
    const char *separator = "";
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (!server->is_serving[i])
            continue;
        buffer_printf(out, "%s{\"name\": \"%s\", \"host\": \"%s\", \"port\": %u, \"address\": \"%s%s:%u\"}", separator,
            service_table[i].name, server->instance.address, server->instance.ports[i], service_table[i].scheme,
            server->instance.address, server->instance.ports[i]);
        separator = ", ";
    }
    buffer_append_text(out, "]");
}

static bool token_is_right(const struct server *server, struct bytes given) {
    const char *token = server->instance.control_token;
    size_t size = strlen(token);
    unsigned difference = given.size != size;
    for (size_t i = 0; i < size && i < given.size; i++) /* in constant time */
        difference |= (unsigned)(given.data[i] ^ (uint8_t)token[i]);
    return difference == 0;
}

/* A status answer on its way: the queries are told on the spark loop, the answer is given on the web loop. */
struct status_answer {
    struct server *server;
    struct http_request *request;
    struct buffer out;
};

static void give_status(void *argument) {
    struct status_answer *answer = argument;
    buffer_append_text(&answer->out, "]}");
    http_respond_buffer(answer->request, 200, "application/json", &answer->out);
    free(answer);
}

static void append_queries(void *argument) {
    struct status_answer *answer = argument;
    server_append_queries(answer->server, &answer->out);
    world_loop_post(answer->server->loops[SERVER_LOOP_WEB], give_status, answer);
}

static void handle_status(struct http_request *request, void *context) {
    struct server *server = context;
    char since[32];
    if (!token_is_right(server, http_header(request, "X-Raudal-Token"))) {
        http_respond_text(
            request, 401, "The control port asks for the token of run/instance.json; use raudal status.\n");
        return;
    }
    struct status_answer *answer = calloc(1, sizeof *answer);
    ASSERT(answer != NULL);
    answer->server = server;
    answer->request = request;
    calendar_format_iso_ms(server->instance.started_ms, since);
    buffer_printf(&answer->out,
        "{\"running\": true, \"pid\": %ld, \"user\": \"%s\", \"address\": \"%s\", \"since\": \"%s\", "
        "\"residentBytes\": %" PRId64 ", \"data\": ",
        (long)server->instance.pid, server->instance.user, server->instance.address, since, resident_size());
    buffer_append_json_string(&answer->out, bytes_from_text(server->options.data));
    buffer_append_text(&answer->out, ", ");
    append_services(server, &answer->out);
    buffer_append_text(&answer->out, ", \"queries\": [");
    struct world_loop *spark_loop = server->loops[SERVER_LOOP_SPARK];
    if (spark_loop != NULL)
        world_loop_post(spark_loop, append_queries, answer);
    else
        give_status(answer);
}

bool server_start_control(struct server *server, struct server_failure *failure) {
    static struct http_route routes[] = {{"GET", "/status", handle_status, NULL, HTTP_BODY_BUFFERED, 0}};
    uint8_t random[16];
    char text[UUID_TEXT_SIZE];
    const char *address = server->options.address;
    failure->service = "raudal";
    struct world_loop *loop = server_loop(server, SERVER_LOOP_WEB, &failure->error);
    if (loop == NULL)
        return false;
    world_random(server->world, random, sizeof random);
    uuid_format(uuid_from_random(random), text);
    snprintf(server->instance.control_token, sizeof server->instance.control_token, "%s", text);
    routes[0].context = server;
    struct http_server_options options = {
        .loop = loop,
        .addresses = &address,
        .address_count = 1,
        .routes = routes,
        .route_count = 1,
        .peer_rule = NET_PEER_SAME_USER,
        .log = server->log,
    };
    server->control = http_server_start(&options, &failure->error);
    if (server->control == NULL) {
        server_destroy_loop(server, SERVER_LOOP_WEB);
        return false;
    }
    server->instance.control_port = http_server_port(server->control);
    return true;
}

void server_stop_control(struct server *server) {
    http_server_stop(server->control);
    server_destroy_loop(server, SERVER_LOOP_WEB);
}
