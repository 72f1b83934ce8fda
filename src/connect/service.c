/* service.c: the service's methods, and what every request begins with: which session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/assert.h"
#include "connect/connect_internal.h"
#include "connect/service.h"

#define SERVICE "/spark.connect.SparkConnectService/"

void service_answer(struct grpc_call *call, const ProtobufCMessage *message) {
    struct buffer packed = protobuf_pack(message);
    grpc_call_send_buffer(call, &packed);
    grpc_call_finish(call, GRPC_OK, NULL, BYTES_NULL);
}

static struct bytes session_key(struct arena *arena, const char *user, const char *id) {
    size_t user_size = strlen(user), id_size = strlen(id);
    char *key = arena_allocate(arena, user_size + 1 + id_size);
    memcpy(key, user, user_size + 1);
    memcpy(key + user_size + 1, id, id_size);
    return bytes_make(key, user_size + 1 + id_size);
}

/* The checks of an id: a UUID, not of a released session, seen by the client as the session that we know. */
static bool check_head(struct grpc_call *call, struct connect_server *server, struct request_head head,
    struct session *session, struct bytes key, struct arena *arena) {
    struct sql_error error = {.arena = arena};
    struct uuid uuid;
    if (head.session_id == NULL || !uuid_parse(bytes_from_text(head.session_id), &uuid))
        raise_invalid_handle_format(&error, head.session_id == NULL ? "" : head.session_id);
    else if (map_has(&server->closed, key))
        raise_invalid_handle_session_closed(&error, head.session_id);
    else if (head.observed_id != NULL && head.observed_id[0] != 0 &&
             (session == NULL || strcmp(head.observed_id, session->server_side_id) != 0))
        raise_invalid_handle_session_changed(&error, head.session_id);
    else
        return true;
    errors_finish(call, NULL, &error);
    return false;
}

/* A path, percent-encoded since it may hold any letter; heap text or NULL. */
static char *path_header(struct grpc_call *call, const char *name) {
    struct buffer path = {0};
    struct bytes value = grpc_call_metadata(call, name);
    char *text = value.size > 0 && http_decode(value, false, &path) ? strdup(buffer_text(&path)) : NULL;
    buffer_free(&path);
    return text;
}

/* What Raudal's start-up module tells of the program (cli/python/sitecustomize.py). */
static void take_program(struct session *session, struct grpc_call *call, struct arena *arena) {
    if (!bytes_to_int64(grpc_call_metadata(call, "x-raudal-pid"), &session->pid) || session->pid < 0)
        session->pid = 0;
    snprintf(session->file, sizeof session->file, "%s", arena_text(arena, grpc_call_metadata(call, "x-raudal-file")));
    session->interpreter = path_header(call, "x-raudal-python");
    session->folder = path_header(call, "x-raudal-folder");
}

struct session *service_session(struct grpc_call *call, struct request_head head) {
    struct connect_server *server = grpc_call_context(call);
    struct arena arena = {0};
    const char *user = head.user != NULL && head.user->user_id != NULL ? head.user->user_id : "";
    struct bytes key = session_key(&arena, user, head.session_id == NULL ? "" : head.session_id);
    struct session *session = map_get(&server->sessions, key);
    if (!check_head(call, server, head, session, key, &arena)) {
        arena_destroy(&arena);
        return NULL;
    }
    if (session == NULL) {
        const char *program = arena_text(&arena, grpc_call_metadata(call, "x-raudal-program"));
        session = session_create(server, user, head.session_id, program);
        take_program(session, call, &arena);
        map_set(&server->sessions, key, session);
    }
    session->last_call_ms = world_loop_now_ms(server->options.loop);
    arena_destroy(&arena);
    return session_retain(session);
}

void service_forget_session(struct session *session) {
    struct arena arena = {0};
    struct connect_server *server = session->server;
    struct bytes key = session_key(&arena, session->user, session->id);
    if (map_get(&server->sessions, key) == session) {
        map_remove(&server->sessions, key);
        if (server->closed.count >= 10000) {
            size_t cursor = 0;
            map_remove(&server->closed, map_next(&server->closed, &cursor)->key);
        }
        map_set(&server->closed, key, server);
        session_release(session);
    }
    arena_destroy(&arena);
}

/* ---- requests ---- */

ProtobufCMessage *service_unpack(
    struct grpc_call *call, struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes message) {
    struct error cause;
    ProtobufCMessage *request = protobuf_unpack(arena, descriptor, message, PROTOBUF_DEPTH_MAX, &cause);
    if (request == NULL)
        grpc_call_finish(call, GRPC_INVALID_ARGUMENT, cause.message, BYTES_NULL);
    return request;
}

const Connect__Plan *plan_open(struct arena *arena, const Connect__Plan *plan, struct sql_error *error) {
    enum { PLAN_SIZE_MAX = 512 << 20 };
    struct error cause;
    if (plan == NULL || plan->op_type_case != CONNECT__PLAN__OP_TYPE_COMPRESSED_OPERATION)
        return plan;
    const Connect__Plan__CompressedOperation *packed = plan->compressed_operation;
    unsigned long long size = ZSTD_getFrameContentSize(packed->data.data, packed->data.len);
    if (packed->compression_codec != CONNECT__COMPRESSION_CODEC__COMPRESSION_CODEC_ZSTD || size > PLAN_SIZE_MAX) {
        raise_unsupported_feature_not_in_this_program(
            error, "A plan compressed otherwise than with zstd, or larger than 512 MiB", "");
        return NULL;
    }
    uint8_t *data = arena_allocate(arena, (size_t)size);
    if (ZSTD_decompress(data, (size_t)size, packed->data.data, packed->data.len) != size) {
        error_set(&cause, ERROR_CORRUPT, "the compressed plan cannot be decompressed");
        sql_error_from(error, &cause);
        return NULL;
    }
    Connect__Plan *opened = PROTOBUF_NEW(arena, Connect__Plan, connect__plan);
    bool is_command = packed->op_type == CONNECT__PLAN__COMPRESSED_OPERATION__OP_TYPE__OP_TYPE_COMMAND;
    const ProtobufCMessageDescriptor *descriptor =
        is_command ? &connect__command__descriptor : &connect__relation__descriptor;
    ProtobufCMessage *inner =
        protobuf_unpack(arena, descriptor, bytes_make(data, (size_t)size), PROTOBUF_DEPTH_MAX, &cause);
    if (inner == NULL) {
        sql_error_from(error, &cause);
        return NULL;
    }
    opened->op_type_case = is_command ? CONNECT__PLAN__OP_TYPE_COMMAND : CONNECT__PLAN__OP_TYPE_ROOT;
    opened->root = (Connect__Relation *)inner; /* root and command share the union */
    return opened;
}

static void execute_plan(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__ExecutePlanRequest, connect__execute_plan_request)
    struct sql_error error = {.arena = &arena};
    if (request->operation_id != NULL && map_get_text(&session->operations, request->operation_id) != NULL) {
        raise_invalid_handle_operation_already_exists(&error, request->operation_id);
        errors_finish(call, session, &error);
        arena_destroy(&arena);
        session_release(session);
        return;
    }
    struct operation *operation =
        connect_operation_create(session, request, arena); /* takes the arena and the reference */
    connect_operation_attach(operation, call);
    const Connect__Plan *plan = plan_open(&operation->arena, request->plan, &operation->error);
    if (plan == NULL || plan->op_type_case == CONNECT__PLAN__OP_TYPE__NOT_SET) {
        struct error absent;
        error_set(&absent, ERROR_INVALID, "the request has no plan");
        sql_error_from(&operation->error, &absent); /* keeps an earlier error */
        connect_operation_fail(operation);
    } else if (plan->op_type_case == CONNECT__PLAN__OP_TYPE_ROOT) {
        execute_root(operation, plan->root);
    } else {
        execute_command(operation, plan->command);
    }
}

static void reattach_execute(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__ReattachExecuteRequest, connect__reattach_execute_request)
    struct sql_error error = {.arena = &arena};
    const char *id = request->operation_id == NULL ? "" : request->operation_id;
    struct operation *operation = map_get_text(&session->operations, id);
    if (operation == NULL)
        raise_invalid_handle_operation_not_found(&error, id);
    else if (!operation->reattachable)
        raise_invalid_cursor_not_reattachable(&error);
    else if (!connect_operation_rewind(operation, request->last_response_id))
        raise_invalid_cursor_position_not_available(&error, request->last_response_id);
    if (error.condition != 0)
        errors_finish(call, session, &error);
    else
        connect_operation_attach(operation, call);
    arena_destroy(&arena);
    session_release(session);
}

/* The most frequent call by far; releasing what is gone already is no error. */
static void release_execute(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__ReleaseExecuteRequest, connect__release_execute_request)
    struct operation *operation =
        request->operation_id == NULL ? NULL : map_get_text(&session->operations, request->operation_id);
    if (operation != NULL) {
        if (request->release_case == CONNECT__RELEASE_EXECUTE_REQUEST__RELEASE_RELEASE_UNTIL)
            connect_operation_release_until(operation, request->release_until->response_id);
        else
            connect_operation_remove(operation);
    }
    Connect__ReleaseExecuteResponse response = CONNECT__RELEASE_EXECUTE_RESPONSE__INIT;
    response.session_id = session->id;
    response.server_side_session_id = session->server_side_id;
    response.operation_id = operation == NULL ? NULL : request->operation_id;
    service_answer(call, &response.base);
    arena_destroy(&arena);
    session_release(session);
}

static bool has_tag(const struct operation *operation, const char *tag) {
    for (size_t i = 0; i < operation->request->n_tags; i++)
        if (strcmp(operation->request->tags[i], tag) == 0)
            return true;
    return false;
}

static void interrupt(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__InterruptRequest, connect__interrupt_request)
    Connect__InterruptResponse response = CONNECT__INTERRUPT_RESPONSE__INIT;
    response.interrupted_ids = ARENA_ARRAY(&arena, char *, session->operations.count);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&session->operations, &cursor)) != NULL;) {
        struct operation *operation = entry->value;
        bool chosen = request->interrupt_type == CONNECT__INTERRUPT_REQUEST__INTERRUPT_TYPE__INTERRUPT_TYPE_ALL;
        if (request->interrupt_case == CONNECT__INTERRUPT_REQUEST__INTERRUPT_OPERATION_TAG)
            chosen = has_tag(operation, request->operation_tag);
        if (request->interrupt_case == CONNECT__INTERRUPT_REQUEST__INTERRUPT_OPERATION_ID)
            chosen = strcmp(operation->id, request->operation_id) == 0;
        if (!chosen || operation->complete)
            continue;
        response.interrupted_ids[response.n_interrupted_ids++] = arena_strdup(&arena, operation->id);
        connect_operation_interrupt(operation);
    }
    response.session_id = session->id;
    response.server_side_session_id = session->server_side_id;
    service_answer(call, &response.base);
    arena_destroy(&arena);
    session_release(session);
}

static void get_status(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__GetStatusRequest, connect__get_status_request)
    Connect__GetStatusResponse response = CONNECT__GET_STATUS_RESPONSE__INIT;
    const Connect__GetStatusRequest__OperationStatusRequest *asked = request->operation_status;
    size_t count = asked == NULL ? 0 : asked->n_operation_ids;
    response.operation_statuses = ARENA_ARRAY(&arena, Connect__GetStatusResponse__OperationStatus *, count);
    for (size_t i = 0; i < count; i++) {
        struct operation *operation = map_get_text(&session->operations, asked->operation_ids[i]);
        Connect__GetStatusResponse__OperationStatus *status = PROTOBUF_NEW(
            &arena, Connect__GetStatusResponse__OperationStatus, connect__get_status_response__operation_status);
        status->operation_id = asked->operation_ids[i];
        status->has_state = true;
        status->state =
            operation == NULL ? CONNECT__GET_STATUS_RESPONSE__OPERATION_STATUS__OPERATION_STATE__OPERATION_STATE_UNKNOWN
            : !operation->complete
                ? CONNECT__GET_STATUS_RESPONSE__OPERATION_STATUS__OPERATION_STATE__OPERATION_STATE_RUNNING
            : operation->error.condition != 0
                ? CONNECT__GET_STATUS_RESPONSE__OPERATION_STATUS__OPERATION_STATE__OPERATION_STATE_FAILED
                : CONNECT__GET_STATUS_RESPONSE__OPERATION_STATUS__OPERATION_STATE__OPERATION_STATE_SUCCEEDED;
        response.operation_statuses[response.n_operation_statuses++] = status;
    }
    response.session_id = session->id;
    response.server_side_session_id = session->server_side_id;
    service_answer(call, &response.base);
    arena_destroy(&arena);
    session_release(session);
}

static void clone_session(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__CloneSessionRequest, connect__clone_session_request)
    uint8_t random[16];
    char id[UUID_TEXT_SIZE];
    world_random(session->server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), id);
    struct request_head head = {
        request->new_session_id == NULL ? id : request->new_session_id, NULL, request->user_context};
    struct session *clone = service_session(call, head);
    if (clone != NULL) {
        session_copy(clone, session);
        Connect__CloneSessionResponse response = CONNECT__CLONE_SESSION_RESPONSE__INIT;
        response.session_id = session->id;
        response.server_side_session_id = session->server_side_id;
        response.new_session_id = clone->id;
        response.new_server_side_session_id = clone->server_side_id;
        service_answer(call, &response.base);
        session_release(clone);
    }
    arena_destroy(&arena);
    session_release(session);
}

/* A session that is not known is fine: it is gone. */
static void release_session(struct grpc_call *call, struct bytes message) {
    struct arena arena = {0};
    struct connect_server *server = grpc_call_context(call);
    Connect__ReleaseSessionRequest *request = (Connect__ReleaseSessionRequest *)service_unpack(
        call, &arena, &connect__release_session_request__descriptor, message);
    if (request == NULL) {
        arena_destroy(&arena);
        return;
    }
    Connect__ReleaseSessionResponse response = CONNECT__RELEASE_SESSION_RESPONSE__INIT;
    const char *user =
        request->user_context != NULL && request->user_context->user_id != NULL ? request->user_context->user_id : "";
    struct session *session =
        map_get(&server->sessions, session_key(&arena, user, request->session_id == NULL ? "" : request->session_id));
    response.session_id = request->session_id;
    if (session != NULL) {
        response.server_side_session_id = arena_strdup(&arena, session->server_side_id);
        session_end(session);
    }
    service_answer(call, &response.base);
    arena_destroy(&arena);
}

const struct grpc_method service_methods[] = {
    {SERVICE "ExecutePlan", GRPC_SERVER_STREAMING, execute_plan, NULL, connect_operation_detached,
        connect_operation_writable},
    {SERVICE "AnalyzePlan", GRPC_UNARY, analyze_plan, NULL, NULL, NULL},
    {SERVICE "Config", GRPC_UNARY, config, NULL, NULL, NULL},
    {SERVICE "AddArtifacts", GRPC_CLIENT_STREAMING, artifacts_message, artifacts_half_closed, artifacts_cancelled,
        NULL},
    {SERVICE "ArtifactStatus", GRPC_UNARY, artifacts_status, NULL, NULL, NULL},
    {SERVICE "Interrupt", GRPC_UNARY, interrupt, NULL, NULL, NULL},
    {SERVICE "ReattachExecute", GRPC_SERVER_STREAMING, reattach_execute, NULL, connect_operation_detached,
        connect_operation_writable},
    {SERVICE "ReleaseExecute", GRPC_UNARY, release_execute, NULL, NULL, NULL},
    {SERVICE "ReleaseSession", GRPC_UNARY, release_session, NULL, NULL, NULL},
    {SERVICE "FetchErrorDetails", GRPC_UNARY, errors_fetch, NULL, NULL, NULL},
    {SERVICE "CloneSession", GRPC_UNARY, clone_session, NULL, NULL, NULL},
    {SERVICE "GetStatus", GRPC_UNARY, get_status, NULL, NULL, NULL},
};
const size_t service_method_count = ARRAY_COUNT(service_methods);
