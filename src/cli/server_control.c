/* server_control.c: the control port: an ephemeral HTTP port on the instance's address that asks for the token of
 * instance.json (mode 0600). It serves `raudal status` and the commands that
 * stop and start single services. It starts first and is the web loop's first user. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "base/uuid.h"
#include "cli/server_internal.h"
#include "kafka/broker.h"
#include "kafka/client.h"

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
    struct buffer url = {0};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (!server->is_serving[i])
            continue;
        buffer_printf(out,
            "%s{\"name\": \"%s\", \"host\": \"%s\", \"port\": %u, \"address\": \"%s%s:%u\", \"state\": \"%s\", "
            "\"startedMs\": %" PRId64 ", \"stoppedMs\": %" PRId64 ", \"url\": ",
            separator, service_table[i].name, server->instance.address, server->instance.ports[i],
            service_table[i].scheme, server->instance.address, server->instance.ports[i],
            server->is_stopped[i] ? "stopped" : "running",
            server->started_ms[i] != 0 ? server->started_ms[i] : server->instance.started_ms, server->stopped_ms[i]);
        instance_append_url(&server->instance, (enum service)i, &url);
        buffer_append_json_string(out, buffer_view(&url));
        buffer_append_text(out, "}");
        buffer_clear(&url);
        separator = ", ";
    }
    buffer_append_text(out, "]");
    buffer_free(&url);
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

static bool check_token(const struct server *server, struct http_request *request) {
    if (token_is_right(server, http_header(request, "X-Raudal-Token")))
        return true;
    http_respond_text(request, 401, "The control port asks for the token of run/instance.json; use raudal status.\n");
    return false;
}

static void append_broker(const struct server *server, struct buffer *out) {
    if (server->broker == NULL)
        return;
    buffer_append_text(out, ", \"kafka\": {\"directory\": ");
    buffer_append_json_string(out, bytes_from_text(kafka_client_directory(broker_client(server->broker))));
    buffer_printf(out, ", \"connections\": %zu, \"connectionsMax\": %zu}", broker_connection_count(server->broker),
        broker_connection_max(server->broker));
}

static void handle_status(struct http_request *request, void *context) {
    struct server *server = context;
    char since[32];
    bool machine_decides;
    const char *advertised = settings_kafka(server->settings, "advertised.listeners");
    if (!check_token(server, request))
        return;
    struct status_answer *answer = calloc(1, sizeof *answer);
    ASSERT(answer != NULL);
    answer->server = server;
    answer->request = request;
    calendar_format_iso_ms(server->instance.started_ms, since);
    buffer_printf(&answer->out,
        "{\"running\": true, \"pid\": %ld, \"user\": \"%s\", \"address\": \"%s\", \"since\": \"%s\", "
        "\"residentBytes\": %" PRId64 ", \"memoryBudgetBytes\": %" PRId64 ", \"shared\": %s, \"data\": ",
        (long)server->instance.pid, server->instance.user, server->instance.address, since, resident_size(),
        server_memory_budget(server->settings, &machine_decides), server->options.share ? "true" : "false");
    buffer_append_json_string(&answer->out, bytes_from_text(server->options.data));
    buffer_append_text(&answer->out, ", \"advertisedListeners\": ");
    buffer_append_json_string(&answer->out, bytes_from_text(advertised == NULL ? "" : advertised));
    buffer_append_text(&answer->out, ", ");
    append_services(server, &answer->out);
    append_broker(server, &answer->out);
    buffer_append_text(&answer->out, ", \"partitions\": [");
    server_append_partitions(server, &answer->out);
    buffer_append_text(&answer->out, "], \"queries\": [");
    struct world_loop *spark_loop = server->loops[SERVER_LOOP_SPARK];
    if (spark_loop != NULL)
        world_loop_post(spark_loop, append_queries, answer);
    else
        give_status(answer);
}

/* ---- POST /services/NAME/stop and /start: NAME is a service of services.h ---- */

struct switch_call {
    struct server *server;
    struct http_request *request;
    enum service service;
    bool starts, is_done;
    struct error error;
};

static void give_switch(void *argument) {
    struct switch_call *call = argument;
    if (call->is_done)
        http_respond_text(call->request, 200, "%s", call->starts ? "started" : "stopped");
    else
        http_respond_text(call->request, call->error.code == ERROR_NOT_FOUND ? 404 : 503, "%s", call->error.message);
    free(call);
}

static void run_switch(void *argument) {
    struct switch_call *call = argument;
    call->is_done =
        (call->starts ? server_start_service : server_stop_service)(call->server, call->service, &call->error);
    world_loop_post(call->server->loops[SERVER_LOOP_WEB], give_switch, call);
}

static void handle_switch(struct http_request *request, void *context) {
    struct server *server = context;
    struct bytes name = http_parameter(request, "name"), action = http_parameter(request, "action");
    bool starts = bytes_equal_text(action, "start");
    int service = 0;
    if (!check_token(server, request))
        return;
    while (service < SERVICE_COUNT && !bytes_equal_text(name, service_table[service].name))
        service++;
    if (service == SERVICE_COUNT || (!starts && !bytes_equal_text(action, "stop"))) {
        http_respond_text(
            request, 404, "There is no service %.*s, or no action %.*s.", BYTES_ARGS(name), BYTES_ARGS(action));
        return;
    }
    struct switch_call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    *call = (struct switch_call){.server = server, .request = request, .service = service, .starts = starts};
    world_pool_submit(server->switch_pool, run_switch, call);
}

bool server_start_control(struct server *server, struct server_failure *failure) {
    static struct http_route routes[] = {{"GET", "/status", handle_status, NULL, HTTP_BODY_BUFFERED, 0},
        {"POST", "/services/{name}/{action}", handle_switch, NULL, HTTP_BODY_BUFFERED, 0}};
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
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++)
        routes[i].context = server;
    server->switch_pool = world_pool_create(server->world, "services", 1, WORLD_POOL_NORMAL, &failure->error);
    struct http_server_options options = {
        .loop = loop,
        .addresses = &address,
        .address_count = 1,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .peer_rule = NET_PEER_SAME_USER,
        .log = server->log,
    };
    server->control = server->switch_pool == NULL ? NULL : http_server_start(&options, &failure->error);
    if (server->control == NULL) {
        server_end_switches(server);
        server_destroy_loop(server, SERVER_LOOP_WEB);
        return false;
    }
    server->instance.control_port = http_server_port(server->control);
    return true;
}

/* Nobody is answered, and no service is stopped or started, after this. */
void server_end_switches(struct server *server) {
    if (server->control != NULL)
        http_server_stop(server->control);
    server->control = NULL;
    if (server->switch_pool != NULL)
        world_pool_destroy(server->switch_pool);
    server->switch_pool = NULL;
}

void server_stop_control(struct server *server) {
    server_destroy_loop(server, SERVER_LOOP_WEB);
}
