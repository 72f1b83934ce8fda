/* operation.c: the answers of one ExecutePlan: queued, sent as the client takes them, kept until it releases them, sent
 * again when it reattaches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/service.h"

enum { PROGRESS_INTERVAL_MS = 2000 };

struct operation *connect_operation_create(
    struct session *session, const Connect__ExecutePlanRequest *request, struct arena arena) {
    uint8_t random[16];
    char id[UUID_TEXT_SIZE];
    struct operation *operation = calloc(1, sizeof *operation);
    ASSERT(operation != NULL);
    operation->session = session;
    if (session->client == NULL && request->client_type != NULL)
        session->client = strdup(request->client_type);
    operation->references = 1; /* the session's table */
    operation->arena = arena;
    operation->request = request;
    operation->error.arena = &operation->arena;
    operation->started_ms = operation->last_progress_ms = world_loop_now_ms(session->server->options.loop);
    world_random(session->server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), id);
    snprintf(operation->id, sizeof operation->id, "%s", request->operation_id != NULL ? request->operation_id : id);
    for (size_t i = 0; i < request->n_request_options; i++)
        if (request->request_options[i]->request_option_case ==
            CONNECT__EXECUTE_PLAN_REQUEST__REQUEST_OPTION__REQUEST_OPTION_REATTACH_OPTIONS)
            operation->reattachable = request->request_options[i]->reattach_options->reattachable;
    map_set_text(&session->operations, operation->id, operation);
    return operation;
}

struct operation *connect_operation_retain(struct operation *operation) {
    operation->references++;
    return operation;
}

static void free_answer(struct operation *operation, struct answer *answer) {
    operation->kept_size -= answer->message.size;
    buffer_free(&answer->message);
}

void connect_operation_release(struct operation *operation) {
    if (--operation->references > 0)
        return;
    execution_end(operation); /* removed before it was complete */
    for (size_t i = operation->first; i < operation->answers.count; i++)
        free_answer(operation, &operation->answers.items[i]);
    VECTOR_FREE(&operation->answers);
    buffer_free(&operation->status);
    arena_destroy(&operation->arena);
    session_release(operation->session);
    free(operation);
}

static void detach(struct operation *operation) {
    struct grpc_call *call = operation->call;
    operation->call = NULL;
    operation->detached_ms = world_loop_now_ms(operation->session->server->options.loop);
    if (call != NULL) {
        grpc_call_set_state(call, NULL);
        grpc_call_release(call);
        connect_operation_release(operation);
    }
}

void connect_operation_remove(struct operation *operation) {
    if (operation->removed)
        return;
    operation->removed = true;
    map_remove(&operation->session->operations, bytes_from_text(operation->id));
    if (operation->on_remove != NULL)
        operation->on_remove(operation);
    if (!operation->complete && operation->cancel != NULL)
        operation->cancel(operation);
    if (operation->call != NULL && !operation->complete) {
        struct grpc_call *call = operation->call;
        grpc_call_retain(call);
        detach(operation);
        grpc_call_finish(call, GRPC_CANCELLED, "the operation was released", BYTES_NULL);
        grpc_call_release(call);
    }
    connect_operation_release(operation);
}

/* ---- sending ---- */

/* Answers sent and not released are kept for a reattaching client, up to a bound. */
static void drop_sent(struct operation *operation) {
    size_t bound = operation->reattachable ? RETRY_SIZE_MAX : 0;
    while (operation->first < operation->next && operation->kept_size - operation->queued_size > bound)
        free_answer(operation, &operation->answers.items[operation->first++]);
}

static void finish_call(struct operation *operation) {
    struct grpc_call *call = operation->call;
    bool failed = operation->status.size > 0;
    grpc_call_retain(call);
    connect_operation_retain(operation);
    detach(operation);
    if (failed)
        grpc_call_finish(call, GRPC_INTERNAL, operation->status_message, buffer_view(&operation->status));
    else
        grpc_call_finish(call, GRPC_OK, NULL, BYTES_NULL);
    if (!operation->reattachable)
        connect_operation_remove(operation);
    connect_operation_release(operation);
    grpc_call_release(call);
}

static void pump(struct operation *operation) {
    while (
        operation->call != NULL && operation->next < operation->answers.count && !grpc_call_is_full(operation->call)) {
        struct answer *answer = &operation->answers.items[operation->next++];
        operation->queued_size -= answer->message.size;
        grpc_call_send(operation->call, buffer_view(&answer->message));
    }
    drop_sent(operation);
    if (operation->drained != NULL && operation->queued_size < RESULT_QUEUE_SIZE / 2)
        operation->drained(operation);
    if (operation->call != NULL && operation->complete && operation->next == operation->answers.count)
        finish_call(operation);
}

void connect_operation_attach(struct operation *operation, struct grpc_call *call) {
    connect_operation_retain(operation);
    if (operation->call != NULL) { /* the newest client wins */
        struct grpc_call *older = grpc_call_retain(operation->call);
        detach(operation);
        grpc_call_finish(older, GRPC_CANCELLED, "another call attached to the operation", BYTES_NULL);
        grpc_call_release(older);
    }
    operation->call = grpc_call_retain(call);
    operation->detached_ms = 0;
    grpc_call_set_state(call, operation);
    pump(operation);
}

void connect_operation_writable(struct grpc_call *call) {
    struct operation *operation = grpc_call_state(call);
    if (operation != NULL)
        pump(operation);
}

void connect_operation_detached(struct grpc_call *call) {
    struct operation *operation = grpc_call_state(call);
    if (operation == NULL)
        return;
    connect_operation_retain(operation);
    bool gone = !operation->reattachable;
    detach(operation);
    if (gone)
        connect_operation_remove(operation);
    connect_operation_release(operation);
}

bool connect_operation_is_full(const struct operation *operation) {
    return __atomic_load_n(&operation->queued_size, __ATOMIC_RELAXED) >
           RESULT_QUEUE_SIZE; /* also asked by compute threads */
}

void connect_operation_send(struct operation *operation, Connect__ExecutePlanResponse *response) {
    uint8_t random[16];
    if (operation->complete || operation->removed)
        return;
    struct answer *answer = VECTOR_ADD(&operation->answers);
    world_random(operation->session->server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), answer->id);
    response->session_id = operation->session->id;
    response->server_side_session_id = operation->session->server_side_id;
    response->operation_id = operation->id;
    response->response_id = answer->id;
    answer->message = protobuf_pack(&response->base);
    operation->queued_size += answer->message.size;
    operation->kept_size += answer->message.size;
    pump(operation);
}

void connect_operation_send_arrow(
    struct operation *operation, struct buffer *data, int64_t row_count, int64_t start_offset) {
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    Connect__ExecutePlanResponse__ArrowBatch batch = CONNECT__EXECUTE_PLAN_RESPONSE__ARROW_BATCH__INIT;
    batch.has_row_count = batch.has_data = batch.has_start_offset = true;
    batch.row_count = row_count;
    batch.data = (ProtobufCBinaryData){data->size, data->data};
    batch.start_offset = start_offset;
    batch.has_chunk_index = batch.has_num_chunks_in_batch = true;
    batch.num_chunks_in_batch = 1;
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_ARROW_BATCH;
    response.arrow_batch = &batch;
    connect_operation_send(operation, &response);
    buffer_free(data);
}

void connect_operation_finish(struct operation *operation) {
    if (operation->complete)
        return;
    if (operation->reattachable) {
        Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
        Connect__ExecutePlanResponse__ResultComplete complete = CONNECT__EXECUTE_PLAN_RESPONSE__RESULT_COMPLETE__INIT;
        response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_RESULT_COMPLETE;
        response.result_complete = &complete;
        connect_operation_send(operation, &response);
    }
    execution_end(operation);
    operation->complete = true;
    operation->cancel = NULL;
    operation->drained = NULL;
    pump(operation);
}

void connect_operation_fail(struct operation *operation) {
    if (operation->complete)
        return;
    ASSERT(operation->error.condition != 0);
    execution_end(operation);
    operation->status = errors_status(operation->session, &operation->error, &operation->status_message);
    operation->complete = true;
    operation->cancel = NULL;
    operation->drained = NULL;
    pump(operation);
}

void connect_operation_interrupt(struct operation *operation) {
    if (operation->complete)
        return;
    connect_operation_retain(operation);
    if (operation->cancel != NULL)
        operation->cancel(operation);
    if (!operation->complete) {
        raise_operation_canceled(&operation->error);
        connect_operation_fail(operation);
    }
    connect_operation_release(operation);
}

bool connect_operation_rewind(struct operation *operation, const char *last_response_id) {
    size_t next = operation->first;
    if (last_response_id != NULL) {
        for (next = operation->first; next < operation->answers.count; next++)
            if (strcmp(operation->answers.items[next].id, last_response_id) == 0)
                break;
        if (next == operation->answers.count)
            return operation->next == operation->answers.count &&
                   operation->first == operation->next; /* all were released: go on at the end */
        next++;
    }
    while (operation->next > next)
        operation->queued_size += operation->answers.items[--operation->next].message.size;
    while (operation->next < next)
        operation->queued_size -= operation->answers.items[operation->next++].message.size;
    return true;
}

void connect_operation_release_until(struct operation *operation, const char *response_id) {
    size_t until = operation->first;
    while (
        until < operation->next && response_id != NULL && strcmp(operation->answers.items[until].id, response_id) != 0)
        until++;
    if (until < operation->next)
        while (operation->first <= until)
            free_answer(operation, &operation->answers.items[operation->first++]);
}

/* Every second: a sign of life for clients that wait, and the end of operations that nobody came back for. */
void connect_operation_tick(struct operation *operation, int64_t now_ms) {
    if (operation->call == NULL && operation->detached_ms != 0 && now_ms - operation->detached_ms > DETACHED_MS) {
        connect_operation_remove(operation);
        return;
    }
    if (operation->complete || operation->call == NULL || now_ms - operation->last_progress_ms < PROGRESS_INTERVAL_MS)
        return;
    operation->last_progress_ms = now_ms;
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    Connect__ExecutePlanResponse__ExecutionProgress progress = CONNECT__EXECUTE_PLAN_RESPONSE__EXECUTION_PROGRESS__INIT;
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_EXECUTION_PROGRESS;
    response.execution_progress = &progress;
    if (operation->progress != NULL)
        operation->progress(operation, &progress);
    connect_operation_send(operation, &response);
}
