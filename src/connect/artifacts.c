/* artifacts.c: files that a client sends for its session: cached local relations (cache/<sha256>), Python files. Kept
 * in memory, bounded. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "connect/connect_internal.h"

enum { ARTIFACTS_SIZE_MAX = 512 << 20 };

struct received {
    char *name;
    bool good;
};

/* One AddArtifacts call. */
struct upload {
    struct session *session;
    VECTOR(struct received) received;
    struct buffer *open; /* a chunked artifact that is not whole yet */
    char *open_name;
    int64_t chunks_left;
    bool open_good;
};

struct bytes artifacts_get(struct session *session, const char *name) {
    struct buffer *content = map_get_text(&session->artifacts, name);
    return content == NULL ? BYTES_NULL
                           : bytes_make(content->data != NULL ? content->data : (const uint8_t *)"", content->size);
}

static size_t total_size(struct session *session) {
    size_t cursor = 0, total = 0;
    for (struct map_entry *entry; (entry = map_next(&session->artifacts, &cursor)) != NULL;)
        total += ((struct buffer *)entry->value)->size;
    return total;
}

static bool append_chunk(struct buffer *content, const Connect__AddArtifactsRequest__ArtifactChunk *chunk) {
    if (chunk == NULL)
        return false;
    buffer_append(content, chunk->data.data, chunk->data.len);
    return (int64_t)crc32(0, chunk->data.data, (uInt)chunk->data.len) == chunk->crc;
}

/* Takes the buffer; only whole artifacts with right checksums are kept. */
static void keep(struct upload *upload, const char *name, struct buffer *content, bool good) {
    char *copy = strdup(name);
    VECTOR_PUSH(&upload->received, ((struct received){copy, good}));
    struct buffer *former = content;
    if (good) {
        buffer_text(content); /* so that empty ones have an address too */
        former = map_set_text(&upload->session->artifacts, name, content);
        session_share_artifact(upload->session, name, content);
    }
    if (former != NULL)
        buffer_free(former);
    free(former);
}

static struct buffer *new_buffer(void) {
    struct buffer *buffer = calloc(1, sizeof *buffer);
    ASSERT(buffer != NULL);
    return buffer;
}

static void take_batch(struct upload *upload, const Connect__AddArtifactsRequest__Batch *batch) {
    for (size_t i = 0; i < batch->n_artifacts; i++) {
        struct buffer *content = new_buffer();
        bool good = append_chunk(content, batch->artifacts[i]->data);
        keep(upload, batch->artifacts[i]->name == NULL ? "" : batch->artifacts[i]->name, content, good);
    }
}

static void end_chunked(struct upload *upload) {
    keep(upload, upload->open_name, upload->open, upload->open_good);
    free(upload->open_name);
    upload->open = NULL;
    upload->open_name = NULL;
}

static void take_chunk(struct upload *upload, const Connect__AddArtifactsRequest__ArtifactChunk *chunk) {
    if (upload->open == NULL)
        return;
    upload->open_good &= append_chunk(upload->open, chunk);
    if (--upload->chunks_left <= 0)
        end_chunked(upload);
}

static void begin_chunked(struct upload *upload, const Connect__AddArtifactsRequest__BeginChunkedArtifact *begin) {
    if (upload->open != NULL)
        end_chunked(upload);
    upload->open = new_buffer();
    upload->open_name = strdup(begin->name == NULL ? "" : begin->name);
    upload->open_good = true;
    upload->chunks_left = begin->num_chunks;
    take_chunk(upload, begin->initial_chunk);
}

static void free_upload(struct upload *upload) {
    for (size_t i = 0; i < upload->received.count; i++)
        free(upload->received.items[i].name);
    VECTOR_FREE(&upload->received);
    if (upload->open != NULL)
        buffer_free(upload->open);
    free(upload->open);
    free(upload->open_name);
    session_release(upload->session);
    free(upload);
}

static struct upload *open_upload(struct grpc_call *call, const Connect__AddArtifactsRequest *request) {
    struct session *session = service_session(call, REQUEST_HEAD(request));
    if (session == NULL)
        return NULL;
    struct upload *upload = calloc(1, sizeof *upload);
    ASSERT(upload != NULL);
    upload->session = session;
    grpc_call_set_state(call, upload);
    return upload;
}

void artifacts_message(struct grpc_call *call, struct bytes message) {
    struct arena arena = {0};
    struct upload *upload = grpc_call_state(call);
    Connect__AddArtifactsRequest *request = (Connect__AddArtifactsRequest *)service_unpack(
        call, &arena, &connect__add_artifacts_request__descriptor, message);
    if (request != NULL && (upload != NULL || (upload = open_upload(call, request)) != NULL)) {
        if (total_size(upload->session) + message.size > ARTIFACTS_SIZE_MAX)
            grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "the session's artifacts would exceed 512 MiB", BYTES_NULL);
        else if (request->payload_case == CONNECT__ADD_ARTIFACTS_REQUEST__PAYLOAD_BATCH)
            take_batch(upload, request->batch);
        else if (request->payload_case == CONNECT__ADD_ARTIFACTS_REQUEST__PAYLOAD_BEGIN_CHUNK)
            begin_chunked(upload, request->begin_chunk);
        else if (request->payload_case == CONNECT__ADD_ARTIFACTS_REQUEST__PAYLOAD_CHUNK)
            take_chunk(upload, request->chunk);
    }
    if (grpc_call_is_over(call) && upload != NULL) {
        grpc_call_set_state(call, NULL);
        free_upload(upload);
    }
    arena_destroy(&arena);
}

void artifacts_half_closed(struct grpc_call *call) {
    struct arena arena = {0};
    struct upload *upload = grpc_call_state(call);
    if (upload == NULL) {
        if (!grpc_call_is_over(call))
            grpc_call_finish(call, GRPC_INVALID_ARGUMENT, "AddArtifacts without a message", BYTES_NULL);
        return;
    }
    if (upload->open != NULL) {
        upload->open_good = false;
        end_chunked(upload);
    }
    Connect__AddArtifactsResponse response = CONNECT__ADD_ARTIFACTS_RESPONSE__INIT;
    response.session_id = upload->session->id;
    response.server_side_session_id = upload->session->server_side_id;
    response.artifacts = ARENA_ARRAY(&arena, Connect__AddArtifactsResponse__ArtifactSummary *, upload->received.count);
    for (size_t i = 0; i < upload->received.count; i++) {
        Connect__AddArtifactsResponse__ArtifactSummary *summary = PROTOBUF_NEW(
            &arena, Connect__AddArtifactsResponse__ArtifactSummary, connect__add_artifacts_response__artifact_summary);
        summary->name = upload->received.items[i].name;
        summary->has_is_crc_successful = true;
        summary->is_crc_successful = upload->received.items[i].good;
        response.artifacts[response.n_artifacts++] = summary;
    }
    grpc_call_set_state(call, NULL);
    service_answer(call, &response.base);
    free_upload(upload);
    arena_destroy(&arena);
}

void artifacts_cancelled(struct grpc_call *call) {
    struct upload *upload = grpc_call_state(call);
    grpc_call_set_state(call, NULL);
    if (upload != NULL)
        free_upload(upload);
}

void artifacts_status(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__ArtifactStatusesRequest, connect__artifact_statuses_request)
    Connect__ArtifactStatusesResponse response = CONNECT__ARTIFACT_STATUSES_RESPONSE__INIT;
    response.session_id = session->id;
    response.server_side_session_id = session->server_side_id;
    response.statuses = ARENA_ARRAY(&arena, Connect__ArtifactStatusesResponse__StatusesEntry *, request->n_names);
    for (size_t i = 0; i < request->n_names; i++) {
        Connect__ArtifactStatusesResponse__StatusesEntry *entry = PROTOBUF_NEW(&arena,
            Connect__ArtifactStatusesResponse__StatusesEntry, connect__artifact_statuses_response__statuses_entry);
        entry->key = request->names[i];
        entry->value = PROTOBUF_NEW(&arena, Connect__ArtifactStatusesResponse__ArtifactStatus,
            connect__artifact_statuses_response__artifact_status);
        entry->value->has_exists = true;
        entry->value->exists = map_get_text(&session->artifacts, request->names[i]) != NULL;
        response.statuses[response.n_statuses++] = entry;
    }
    service_answer(call, &response.base);
    session_release(session);
    arena_destroy(&arena);
}
