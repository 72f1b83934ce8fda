/* server.c: start and stop of the service, and what happens each second: idle sessions, sessions whose program has
 * gone, signs of life. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/service.h"

enum { TICK_MS = 1000 };

/* The starting process holds the program's lock as long as the program lives (cli/program.h). */
static bool program_is_gone(struct session *session) {
    struct world *world = session->server->options.world;
    char path[4200];
    struct error error;
    if (session->program[0] == 0 || strchr(session->program, '/') != NULL)
        return false;
    snprintf(path, sizeof path, "%s/%s/lock", session->server->options.programs_folder, session->program);
    struct world_file *file = world_file_open(world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    if (file == NULL)
        return error.code == ERROR_NOT_FOUND;
    bool held = !world_file_lock(file, &error);
    world_file_close(file);
    return !held;
}

static bool has_active_query(struct session *session) {
    struct stream_query **queries;
    size_t count = stream_session_active(session->streams, &queries);
    for (size_t i = 0; i < count; i++)
        stream_query_release(queries[i]);
    free(queries);
    return count > 0;
}

static bool is_over(struct session *session, int64_t now_ms) {
    if (program_is_gone(session))
        return true;
    return now_ms - session->last_call_ms > SESSION_IDLE_MS && session->operations.count == 0 &&
           !has_active_query(session);
}

static void tick(void *argument) {
    struct connect_server *server = argument;
    int64_t now_ms = world_loop_now_ms(server->options.loop);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&server->sessions, &cursor)) != NULL;) {
        struct session *session = session_retain(entry->value);
        size_t inner = 0;
        if (is_over(session, now_ms))
            session_end(session);
        for (struct map_entry *each; !session->ended && (each = map_next(&session->operations, &inner)) != NULL;)
            connect_operation_tick(each->value, now_ms);
        session_release(session);
    }
}

static void start_timer(void *argument) {
    struct connect_server *server = argument;
    server->timer = world_timer_create(server->options.loop, tick, server);
    world_timer_start(server->timer, TICK_MS, TICK_MS);
}

struct connect_server *connect_start(const struct connect_options *options, struct error *error) {
    struct connect_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->options = *options;
    list_init(&server->executions);
    VECTOR(const char *) addresses = {0};
    VECTOR_PUSH(&addresses, options->address);
    for (size_t i = 0; i < options->more_address_count; i++)
        VECTOR_PUSH(&addresses, options->more_addresses[i]);
    struct grpc_server_options grpc = {
        .loop = options->loop,
        .addresses = addresses.items,
        .address_count = addresses.count,
        .port = options->port,
        .methods = service_methods,
        .method_count = service_method_count,
        .context = server,
        .peer_rule = options->peer_rule,
        .log = options->log,
        .metrics = options->metrics,
    };
    server->grpc = grpc_server_start(&grpc, error);
    VECTOR_FREE(&addresses);
    if (server->grpc == NULL) {
        free(server);
        return NULL;
    }
    world_loop_call(options->loop, start_timer, server);
    service_log_write(options->log, LOG_INFO, "SparkConnectServer", "Spark Connect server started at: %s:%u",
        options->address, grpc_server_port(server->grpc));
    return server;
}

/* ---- stop ---- */

struct ending {
    struct connect_server *server;
    atomic_bool ended;
};

static void all_ended(void *argument) {
    struct ending *ending = argument;
    atomic_store(&ending->ended, true);
}

static void end_sessions(void *argument) {
    struct ending *ending = argument;
    struct connect_server *server = ending->server;
    size_t cursor = 0;
    server->ending_count++; /* ours, so that the last one is seen */
    for (struct map_entry *entry; (entry = map_next(&server->sessions, &cursor)) != NULL;)
        session_end(entry->value);
    server->ended = all_ended;
    server->ended_argument = ending;
    if (--server->ending_count == 0)
        all_ended(ending);
}

static void forget_ending(void *argument) {
    struct connect_server *server = argument;
    server->ended = NULL;
    server->ended_argument = NULL;
}

static void stop_timer(void *argument) {
    struct connect_server *server = argument;
    world_timer_destroy(server->timer);
}

static void nothing(void *argument) {
}

static void end_all(struct connect_server *server) {
    struct ending ending = {server, false};
    world_loop_call(server->options.loop, end_sessions, &ending);
    while (!atomic_load(&ending.ended)) /* start and stop of services may wait; the loop does the work */
        world_loop_call(server->options.loop, nothing, NULL);
    world_loop_call(server->options.loop, forget_ending, server);
}

void connect_stop(struct connect_server *server) {
    world_loop_call(server->options.loop, stop_timer, server);
    end_all(server);
    grpc_server_stop(server->grpc);
    map_free(&server->sessions);
    map_free(&server->closed);
    history_free(server);
    free(server);
}

void connect_suspend(struct connect_server *server) {
    grpc_server_suspend(server->grpc);
    end_all(server);
    service_log_write(server->options.log, LOG_INFO, "SparkConnectServer", "Stopped the Spark Connect server");
}

bool connect_resume(struct connect_server *server, struct error *error) {
    if (!grpc_server_resume(server->grpc, error))
        return false;
    service_log_write(server->options.log, LOG_INFO, "SparkConnectServer", "Spark Connect server started at: %s:%u",
        server->options.address, grpc_server_port(server->grpc));
    return true;
}
