/* plane.c: workers of sessions: started, given requests, ended. */
#include "python/python.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "base/vector.h"
#include "net/server.h"

#define LOGGER "PythonWorkers"

enum {
    FRAME_SIZE_MAX = 1 << 30,
    START_TIMEOUT_MS = 60000, /* importing pyspark and pandas on a slow machine */
};

struct python_plane {
    struct python_plane_options options;
    struct net_server *server;
    struct list sessions;
};

struct function {
    struct buffer command;
    json_t *about;
};

/* An artifact of the program. */
struct file {
    char *name;
    struct buffer content;
};

struct call {
    struct list_node node;
    struct buffer frame;
    VECTOR(int64_t) functions;
    char *lane;
    python_done *done;
    void *argument;
};

struct python_session {
    struct list_node node;
    struct python_plane *plane;
    char *interpreter, *folder;
    char **environment;
    size_t environment_count;
    int worker_max;
    void (*output)(void *argument, struct bytes text);
    void *output_argument;
    VECTOR(struct function) functions;
    VECTOR(struct file) files;
    struct list workers, waiting;
    bool ending;
};

struct worker {
    struct list_node node;
    struct python_session *session;
    char token[UUID_TEXT_SIZE];
    char lane[80];
    struct world_process *process;
    struct net_connection *connection; /* NULL until it has said its token */
    struct world_timer *timer;         /* of the start */
    struct call *call;                 /* that it works on */
    size_t known;                      /* functions it was told of: all with a smaller number */
    size_t files;                      /* and artifacts */
};

/* What a connection keeps. */
struct peer {
    struct python_plane *plane;
    struct worker *worker; /* NULL before it has said its token, and after its end */
};

/* ---- calls ---- */

static void free_call(struct call *call) {
    buffer_free(&call->frame);
    VECTOR_FREE(&call->functions);
    free(call->lane);
    free(call);
}

static void answer(struct call *call, const json_t *head, struct bytes payload, const char *failure) {
    call->done(call->argument, head, payload, failure);
    free_call(call);
}

static void append_frame(struct buffer *frame, const json_t *head, struct bytes payload) {
    char *text = json_dumps(head, JSON_COMPACT);
    ASSERT(text != NULL);
    size_t size = strlen(text);
    store_be32(buffer_extend(frame, 4), (uint32_t)(4 + size + payload.size));
    store_be32(buffer_extend(frame, 4), (uint32_t)size);
    buffer_append(frame, text, size);
    buffer_append_bytes(frame, payload);
    free(text);
}

/* ---- workers ---- */

static void give_next(struct python_session *session);

/* Where it keeps the program's artifacts. */
static void print_files_folder(const struct worker *worker, struct buffer *out) {
    buffer_printf(out, "%s/files-%s", worker->session->plane->options.module_folder, worker->token);
}

static void remove_files(struct worker *worker) {
    struct error error = {0};
    struct buffer folder = {0};
    if (worker->files == 0)
        return;
    print_files_folder(worker, &folder);
    if (!world_remove_tree(worker->session->plane->options.world, buffer_text(&folder), &error))
        service_log_write(worker->session->plane->options.log, LOG_WARN, LOGGER, "%s", error.message);
    buffer_free(&folder);
}

/* What the worker has begun fails with it; the others wait for a next one. */
static void end_worker(struct worker *worker, const char *failure) {
    struct python_session *session = worker->session;
    struct call *call = worker->call;
    list_remove(&worker->node);
    if (worker->connection != NULL) {
        ((struct peer *)net_state(worker->connection))->worker = NULL;
        net_close(worker->connection);
    }
    if (worker->process != NULL) {
        world_process_kill(worker->process, SIGKILL);
        world_process_close(worker->process);
    }
    world_timer_destroy(worker->timer);
    remove_files(worker);
    free(worker);
    if (call != NULL)
        answer(call, NULL, BYTES_NULL, failure);
    if (!session->ending)
        give_next(session);
}

static void fail_lane(struct python_session *session, const char *lane, const char *failure) {
    struct list failed;
    list_init(&failed);
    LIST_FOR_EACH(node, &session->waiting) {
        if (strcmp(CONTAINER_OF(node, struct call, node)->lane, lane) == 0) {
            list_remove(node);
            list_append(&failed, node);
        }
    }
    while (!list_empty(&failed)) {
        struct call *call = CONTAINER_OF(list_first(&failed), struct call, node);
        list_remove(&call->node);
        answer(call, NULL, BYTES_NULL, failure);
    }
}

/* The calls that this worker was to take fail with it: another one would fail in the same way. */
static void start_failed(struct worker *worker, const char *failure) {
    struct python_session *session = worker->session;
    char lane[sizeof worker->lane];
    snprintf(lane, sizeof lane, "%s", worker->lane);
    service_log_write(session->plane->options.log, LOG_ERROR, LOGGER, "%s", failure);
    bool was_ending = session->ending;
    session->ending = true; /* no next worker yet */
    end_worker(worker, failure);
    fail_lane(session, lane, failure);
    session->ending = was_ending;
    if (!was_ending)
        give_next(session);
}

static void process_ended(void *argument, int status) {
    struct worker *worker = argument;
    char failure[256];
    snprintf(failure, sizeof failure, "Python worker exited unexpectedly (crashed): %s ended with status %d",
        worker->session->interpreter, status);
    if (worker->connection == NULL) {
        snprintf(failure, sizeof failure,
            "%s could not start a Python worker (it ended with status %d): is pyspark installed in it?",
            worker->session->interpreter, status);
        start_failed(worker, failure);
    } else {
        end_worker(worker, failure);
    }
}

static void start_timed_out(void *argument) {
    struct worker *worker = argument;
    char failure[256];
    snprintf(failure, sizeof failure, "%s did not start a Python worker within %d s", worker->session->interpreter,
        START_TIMEOUT_MS / 1000);
    start_failed(worker, failure);
}

static bool spawn(struct worker *worker, struct error *error) {
    struct python_session *session = worker->session;
    const struct python_plane_options *plane = &session->plane->options;
    struct buffer address = {0}, token = {0}, folder = {0}, module = {0}, files = {0};
    buffer_printf(&address, "RAUDAL_WORKER_ADDRESS=%s:%u", plane->address, net_server_port(session->plane->server));
    buffer_printf(&token, "RAUDAL_WORKER_TOKEN=%s", worker->token);
    buffer_printf(&folder, "RAUDAL_WORKER_FOLDER=%s", session->folder);
    buffer_append_text(&files, "RAUDAL_WORKER_FILES=");
    print_files_folder(worker, &files);
    buffer_printf(&module, "%s/raudal_worker.py", plane->module_folder);
    VECTOR(const char *) environment = {0};
    for (size_t i = 0; i < session->environment_count; i++)
        VECTOR_PUSH(&environment, session->environment[i]);
    VECTOR_PUSH(&environment, buffer_text(&address));
    VECTOR_PUSH(&environment, buffer_text(&token));
    VECTOR_PUSH(&environment, buffer_text(&folder));
    VECTOR_PUSH(&environment, buffer_text(&files));
    VECTOR_PUSH(&environment, NULL);
    VECTOR(const char *) words = {0};
    for (size_t i = 0; plane->launcher[i] != NULL; i++)
        VECTOR_PUSH(&words, plane->launcher[i]);
    VECTOR_PUSH(&words, session->interpreter);
    VECTOR_PUSH(&words, "-u");
    VECTOR_PUSH(&words, buffer_text(&module));
    VECTOR_PUSH(&words, NULL);
    struct world_process_options options = {
        .arguments = words.items, .environment = environment.items, .output_descriptor = -1};
    worker->process = world_process_start(plane->loop, &options, process_ended, worker, error);
    VECTOR_FREE(&environment);
    VECTOR_FREE(&words);
    buffer_free(&address);
    buffer_free(&token);
    buffer_free(&folder);
    buffer_free(&files);
    buffer_free(&module);
    return worker->process != NULL;
}

static void start_worker(struct python_session *session, const char *lane) {
    struct error error = {0};
    uint8_t random[16];
    struct worker *worker = calloc(1, sizeof *worker);
    ASSERT(worker != NULL);
    worker->session = session;
    snprintf(worker->lane, sizeof worker->lane, "%s", lane);
    world_random(session->plane->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), worker->token);
    worker->timer = world_timer_create(session->plane->options.loop, start_timed_out, worker);
    world_timer_start(worker->timer, START_TIMEOUT_MS, 0);
    list_append(&session->workers, &worker->node);
    if (!spawn(worker, &error))
        start_failed(worker, error.message);
}

/* ---- who does what ---- */

static void give(struct worker *worker, struct call *call) {
    struct python_session *session = worker->session;
    struct buffer frames = {0};
    worker->call = call;
    for (; worker->files < session->files.count; worker->files++) {
        const struct file *file = &session->files.items[worker->files];
        json_t *head = json_pack("{s:s, s:s}", "do", "file", "name", file->name);
        append_frame(&frames, head, buffer_view(&file->content));
        json_decref(head);
    }
    for (size_t i = 0; i < call->functions.count; i++) {
        for (; (int64_t)worker->known <= call->functions.items[i]; worker->known++) {
            const struct function *function = &session->functions.items[worker->known];
            json_t *head = json_pack(
                "{s:s, s:I, s:O}", "do", "define", "function", (json_int_t)worker->known, "about", function->about);
            append_frame(&frames, head, buffer_view(&function->command));
            json_decref(head);
        }
    }
    if (frames.size > 0)
        net_send_buffer(worker->connection, &frames);
    net_send_buffer(worker->connection, &call->frame);
}

static struct call *waiting_for(struct python_session *session, const char *lane) {
    LIST_FOR_EACH(node, &session->waiting) {
        struct call *call = CONTAINER_OF(node, struct call, node);
        if (strcmp(call->lane, lane) == 0)
            return call;
    }
    return NULL;
}

static void give_next(struct python_session *session) {
    LIST_FOR_EACH(node, &session->workers) {
        struct worker *worker = CONTAINER_OF(node, struct worker, node);
        struct call *call =
            worker->connection == NULL || worker->call != NULL ? NULL : waiting_for(session, worker->lane);
        if (call != NULL) {
            list_remove(&call->node);
            give(worker, call);
        }
    }
    /* Those that no worker will take soon: a worker for each lane, and more for the others up to the maximum. */
    struct call *call = NULL;
    LIST_FOR_EACH(node, &session->waiting) {
        struct call *one = CONTAINER_OF(node, struct call, node);
        int workers = 0, starting = 0;
        LIST_FOR_EACH(other, &session->workers) {
            struct worker *worker = CONTAINER_OF(other, struct worker, node);
            workers += strcmp(worker->lane, one->lane) == 0;
            starting += strcmp(worker->lane, one->lane) == 0 && worker->connection == NULL;
        }
        if (starting == 0 && workers < (one->lane[0] == 0 ? session->worker_max : 1)) {
            call = one;
            break;
        }
    }
    if (call != NULL)
        start_worker(session, call->lane);
}

/* ---- connections of workers ---- */

static struct worker *worker_of_token(struct python_plane *plane, const char *token) {
    LIST_FOR_EACH(outer, &plane->sessions) {
        struct python_session *session = CONTAINER_OF(outer, struct python_session, node);
        LIST_FOR_EACH(node, &session->workers) {
            struct worker *worker = CONTAINER_OF(node, struct worker, node);
            if (worker->connection == NULL && token != NULL && strcmp(worker->token, token) == 0)
                return worker;
        }
    }
    return NULL;
}

static void introduced(struct net_connection *connection, const json_t *head) {
    struct peer *peer = net_state(connection);
    struct worker *worker = worker_of_token(peer->plane, json_string_value(json_object_get(head, "token")));
    if (worker == NULL) {
        net_close(connection);
        return;
    }
    worker->connection = connection;
    peer->worker = worker;
    net_set_frame_size_max(connection, FRAME_SIZE_MAX);
    world_timer_stop(worker->timer);
    const char *failure = json_string_value(json_object_get(head, "failure"));
    if (failure != NULL) {
        char *copy = strdup(failure);
        start_failed(worker, copy);
        free(copy);
    } else {
        give_next(worker->session);
    }
}

static void answered(struct worker *worker, const json_t *head, struct bytes payload) {
    struct python_session *session = worker->session;
    const char *output = json_string_value(json_object_get(head, "output"));
    if (output != NULL) {
        if (session->output != NULL)
            session->output(session->output_argument, bytes_from_text(output));
        return;
    }
    struct call *call = worker->call;
    if (call == NULL)
        return;
    worker->call = NULL;
    answer(call, head, payload, json_string_value(json_object_get(head, "failure")));
    give_next(session);
}

static void frame(struct net_connection *connection, struct bytes data) {
    struct worker *worker = ((struct peer *)net_state(connection))->worker;
    uint32_t size = data.size < 4 ? UINT32_MAX : load_be32(data.data);
    json_t *head = size > data.size - 4 ? NULL : json_loadb((const char *)data.data + 4, size, 0, NULL);
    if (head == NULL) {
        net_close(connection);
        return;
    }
    if (worker == NULL)
        introduced(connection, head);
    else
        answered(worker, head, bytes_make(data.data + 4 + size, data.size - 4 - size));
    json_decref(head);
}

static void closed(struct net_connection *connection, const struct error *reason) {
    struct peer *peer = net_state(connection);
    struct worker *worker = peer->worker;
    free(peer);
    if (worker == NULL)
        return;
    worker->connection = NULL;
    end_worker(worker, "Python worker exited unexpectedly (crashed)");
}

static bool opened(struct net_connection *connection, void *context) {
    struct peer *peer = calloc(1, sizeof *peer);
    ASSERT(peer != NULL);
    peer->plane = context;
    net_set_state(connection, peer);
    net_set_frame_size_max(connection, 1 << 20); /* until it has said its token */
    return true;
}

static const struct net_protocol protocol = {.name = "python", .open = opened, .frame = frame, .closed = closed};

/* ---- for others ---- */

struct python_plane *python_plane_create(const struct python_plane_options *options, struct error *error) {
    struct python_plane *plane = calloc(1, sizeof *plane);
    ASSERT(plane != NULL);
    plane->options = *options;
    list_init(&plane->sessions);
    struct net_server_options server = {
        .loop = options->loop,
        .addresses = &plane->options.address,
        .address_count = 1,
        .protocol = &protocol,
        .context = plane,
        .limits = {.frame_size_max = FRAME_SIZE_MAX},
        .peer_rule = NET_PEER_SAME_USER,
        .log = options->log,
    };
    plane->server = net_server_start(&server, error);
    if (plane->server == NULL) {
        free(plane);
        return NULL;
    }
    return plane;
}

void python_plane_destroy(struct python_plane *plane) {
    ASSERT(list_empty(&plane->sessions));
    net_server_stop(plane->server);
    free(plane);
}

struct python_session *python_session_create(struct python_plane *plane, const struct python_session_options *options) {
    struct python_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->plane = plane;
    session->interpreter = strdup(options->interpreter);
    session->folder = strdup(options->folder);
    while (options->environment[session->environment_count] != NULL)
        session->environment_count++;
    session->environment = calloc(session->environment_count + 1, sizeof *session->environment);
    ASSERT(session->interpreter != NULL && session->folder != NULL && session->environment != NULL);
    for (size_t i = 0; i < session->environment_count; i++)
        session->environment[i] = strdup(options->environment[i]);
    session->worker_max = options->worker_max;
    session->output = options->output;
    session->output_argument = options->output_argument;
    list_init(&session->workers);
    list_init(&session->waiting);
    list_append(&plane->sessions, &session->node);
    return session;
}

void python_session_destroy(struct python_session *session) {
    session->ending = true;
    while (!list_empty(&session->workers))
        end_worker(CONTAINER_OF(list_first(&session->workers), struct worker, node), "The session has ended");
    while (!list_empty(&session->waiting)) {
        struct call *call = CONTAINER_OF(list_first(&session->waiting), struct call, node);
        list_remove(&call->node);
        answer(call, NULL, BYTES_NULL, "The session has ended");
    }
    list_remove(&session->node);
    for (size_t i = 0; i < session->functions.count; i++) {
        buffer_free(&session->functions.items[i].command);
        json_decref(session->functions.items[i].about);
    }
    VECTOR_FREE(&session->functions);
    for (size_t i = 0; i < session->files.count; i++) {
        free(session->files.items[i].name);
        buffer_free(&session->files.items[i].content);
    }
    VECTOR_FREE(&session->files);
    for (size_t i = 0; i < session->environment_count; i++)
        free(session->environment[i]);
    free(session->environment);
    free(session->interpreter);
    free(session->folder);
    free(session);
}

int64_t python_define(struct python_session *session, struct bytes command, json_t *about) {
    for (size_t i = 0; i < session->functions.count; i++)
        if (bytes_equal(buffer_view(&session->functions.items[i].command), command) &&
            json_equal(session->functions.items[i].about, about)) {
            json_decref(about);
            return (int64_t)i;
        }
    struct function *function = VECTOR_ADD(&session->functions);
    *function = (struct function){.about = about};
    buffer_append_bytes(&function->command, command);
    return (int64_t)session->functions.count - 1;
}

void python_add_file(struct python_session *session, const char *name, struct bytes content) {
    struct file *file = VECTOR_ADD(&session->files);
    *file = (struct file){.name = strdup(name)};
    ASSERT(file->name != NULL);
    buffer_append_bytes(&file->content, content);
}

void python_call(struct python_session *session, const struct python_request *request) {
    struct call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    struct buffer payload = request->payload;
    append_frame(&call->frame, request->head, buffer_view(&payload));
    json_decref(request->head);
    buffer_free(&payload);
    for (size_t i = 0; i < request->function_count; i++)
        VECTOR_PUSH(&call->functions, request->functions[i]);
    call->lane = strdup(request->lane == NULL ? "" : request->lane);
    call->done = request->done;
    call->argument = request->argument;
    list_append(&session->waiting, &call->node);
    give_next(session);
}

void python_cancel(struct python_session *session, const void *argument) {
    LIST_FOR_EACH(node, &session->waiting) {
        struct call *call = CONTAINER_OF(node, struct call, node);
        if (call->argument == argument) {
            list_remove(&call->node);
            free_call(call);
            return;
        }
    }
    LIST_FOR_EACH(node, &session->workers) {
        struct worker *worker = CONTAINER_OF(node, struct worker, node);
        if (worker->call != NULL && worker->call->argument == argument) {
            free_call(worker->call);
            worker->call = NULL;
            end_worker(worker, "cancelled");
            return;
        }
    }
}

void python_end_lane(struct python_session *session, const char *lane) {
    bool was_ending = session->ending;
    session->ending = true;
    LIST_FOR_EACH(node, &session->workers) {
        struct worker *worker = CONTAINER_OF(node, struct worker, node);
        if (strcmp(worker->lane, lane) == 0) {
            end_worker(worker, "The query has ended");
            break;
        }
    }
    fail_lane(session, lane, "The query has ended");
    session->ending = was_ending;
}
