/* errors.c: errors as Spark Connect's clients read them: gRPC status INTERNAL, a google.rpc.Status with one ErrorInfo
 * in grpc-status-details-bin, and the rest by FetchErrorDetails. PySpark chooses its exception class by the Java class
 * names. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"
#include "status.pb-c.h"

/* As Spark: longer ones only by FetchErrorDetails. Clients refuse trailers of more than some kilobytes. */
enum { PARAMETERS_SIZE_MAX = 1024, MESSAGE_SIZE_MAX = 2048 };

static const char *abbreviate(struct arena *arena, const char *message) {
    size_t size = strlen(message);
    if (size <= MESSAGE_SIZE_MAX)
        return message;
    size = MESSAGE_SIZE_MAX - 3;
    while (size > 0 && ((uint8_t)message[size] & 0xc0) == 0x80) /* not inside a character */
        size--;
    return arena_printf(arena, "%.*s...", (int)size, message);
}

static void add_metadata(struct arena *arena, Google__Rpc__ErrorInfo *info, const char *key, const char *value) {
    Google__Rpc__ErrorInfo__MetadataEntry *entry =
        PROTOBUF_NEW(arena, Google__Rpc__ErrorInfo__MetadataEntry, google__rpc__error_info__metadata_entry);
    entry->key = (char *)key;
    entry->value = (char *)value;
    info->metadata[info->n_metadata++] = entry;
}

static const char *classes_json(struct arena *arena, const char *const *classes) {
    struct buffer text = {0};
    buffer_append_byte(&text, '[');
    for (size_t i = 0; classes[i] != NULL; i++)
        buffer_printf(&text, "%s\"%s\"", i == 0 ? "" : ",", classes[i]);
    buffer_append_byte(&text, ']');
    const char *copy = arena_text(arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}

static const char *parameters_json(struct arena *arena, const struct sql_error *error) {
    struct buffer text = {0};
    buffer_append_byte(&text, '{');
    for (size_t i = 0; i < error->parameter_count; i++) {
        buffer_append_text(&text, i == 0 ? "" : ",");
        buffer_append_json_string(&text, bytes_from_text(error->parameters[i].name));
        buffer_append_byte(&text, ':');
        buffer_append_json_string(&text, bytes_from_text(error->parameters[i].value));
    }
    buffer_append_byte(&text, '}');
    const char *copy = text.size > PARAMETERS_SIZE_MAX ? "{}" : arena_text(arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}

/* ---- FetchErrorDetails ---- */

static Connect__FetchErrorDetailsResponse__QueryContext *query_context(
    struct arena *arena, const struct sql_error *error) {
    struct bytes fragment = sql_error_fragment(error);
    if (error->origin.text == NULL || fragment.data == NULL)
        return NULL;
    Connect__FetchErrorDetailsResponse__QueryContext *context = PROTOBUF_NEW(
        arena, Connect__FetchErrorDetailsResponse__QueryContext, connect__fetch_error_details_response__query_context);
    bool is_sql = error->origin.text->call_site.data == NULL;
    context->has_context_type = true;
    context->context_type = is_sql ? CONNECT__FETCH_ERROR_DETAILS_RESPONSE__QUERY_CONTEXT__CONTEXT_TYPE__SQL
                                   : CONNECT__FETCH_ERROR_DETAILS_RESPONSE__QUERY_CONTEXT__CONTEXT_TYPE__DATAFRAME;
    context->object_type = context->object_name = (char *)"";
    context->has_start_index = context->has_stop_index = true;
    context->start_index = error->origin.start;
    context->stop_index = error->origin.stop;
    context->fragment = protobuf_string(arena, fragment);
    context->call_site = is_sql ? (char *)"" : protobuf_string(arena, error->origin.text->call_site);
    context->summary = (char *)"";
    return context;
}

static Connect__FetchErrorDetailsResponse__SparkThrowable *throwable(
    struct arena *arena, const struct sql_error *error) {
    Connect__FetchErrorDetailsResponse__SparkThrowable *spark = PROTOBUF_NEW(arena,
        Connect__FetchErrorDetailsResponse__SparkThrowable, connect__fetch_error_details_response__spark_throwable);
    Connect__FetchErrorDetailsResponse__QueryContext *context = query_context(arena, error);
    spark->error_class = arena_strdup(arena, sql_error_condition(error));
    if (sql_error_state(error)[0] != 0)
        spark->sql_state = arena_strdup(arena, sql_error_state(error));
    spark->n_message_parameters = error->parameter_count;
    spark->message_parameters = ARENA_ARRAY(
        arena, Connect__FetchErrorDetailsResponse__SparkThrowable__MessageParametersEntry *, error->parameter_count);
    for (size_t i = 0; i < error->parameter_count; i++) {
        Connect__FetchErrorDetailsResponse__SparkThrowable__MessageParametersEntry *entry =
            PROTOBUF_NEW(arena, Connect__FetchErrorDetailsResponse__SparkThrowable__MessageParametersEntry,
                connect__fetch_error_details_response__spark_throwable__message_parameters_entry);
        entry->key = arena_strdup(arena, error->parameters[i].name);
        entry->value = arena_strdup(arena, error->parameters[i].value);
        spark->message_parameters[i] = entry;
    }
    if (context != NULL) {
        spark->n_query_contexts = 1;
        spark->query_contexts = ARENA_ARRAY(arena, Connect__FetchErrorDetailsResponse__QueryContext *, 1);
        spark->query_contexts[0] = context;
    }
    return spark;
}

static void drop_oldest_error(struct session *session) {
    size_t cursor = 0;
    struct map_entry *entry = map_next(&session->errors, &cursor);
    struct buffer *oldest = map_remove(&session->errors, entry->key);
    buffer_free(oldest);
    free(oldest);
}

static void keep_details(
    struct session *session, struct arena *arena, const char *error_id, const struct sql_error *error) {
    Connect__FetchErrorDetailsResponse__Error *detail =
        PROTOBUF_NEW(arena, Connect__FetchErrorDetailsResponse__Error, connect__fetch_error_details_response__error);
    Connect__FetchErrorDetailsResponse *response =
        PROTOBUF_NEW(arena, Connect__FetchErrorDetailsResponse, connect__fetch_error_details_response);
    const char *const *classes = sql_error_classes(error);
    while (classes[detail->n_error_type_hierarchy] != NULL)
        detail->n_error_type_hierarchy++;
    detail->error_type_hierarchy = (char **)classes;
    detail->message = (char *)sql_error_message(error);
    detail->spark_throwable = throwable(arena, error);
    response->session_id = session->id;
    response->server_side_session_id = session->server_side_id;
    response->has_root_error_idx = true;
    response->n_errors = 1;
    response->errors = ARENA_ARRAY(arena, Connect__FetchErrorDetailsResponse__Error *, 1);
    response->errors[0] = detail;
    struct buffer *kept = calloc(1, sizeof *kept);
    ASSERT(kept != NULL);
    *kept = protobuf_pack(&response->base);
    if (session->errors.count >= ERRORS_KEPT)
        drop_oldest_error(session);
    map_set_text(&session->errors, error_id, kept);
}

/* ---- the status ---- */

struct buffer errors_status(struct session *session, const struct sql_error *error, const char **message) {
    struct arena *arena = error->arena;
    uint8_t random[16];
    char *error_id = arena_allocate(arena, UUID_TEXT_SIZE);
    Google__Rpc__ErrorInfo *info = PROTOBUF_NEW(arena, Google__Rpc__ErrorInfo, google__rpc__error_info);
    Google__Rpc__Status *status = PROTOBUF_NEW(arena, Google__Rpc__Status, google__rpc__status);
    Google__Rpc__Any *any = PROTOBUF_NEW(arena, Google__Rpc__Any, google__rpc__any);
    const char *const *classes = sql_error_classes(error);
    *message = abbreviate(arena, sql_error_message(error));
    info->reason = (char *)classes[0];
    info->domain = (char *)"org.apache.spark";
    info->metadata = ARENA_ARRAY(arena, Google__Rpc__ErrorInfo__MetadataEntry *, 6);
    add_metadata(arena, info, "classes", classes_json(arena, classes));
    add_metadata(arena, info, "errorClass", arena_strdup(arena, sql_error_condition(error)));
    if (sql_error_state(error)[0] != 0)
        add_metadata(arena, info, "sqlState", arena_strdup(arena, sql_error_state(error)));
    add_metadata(arena, info, "messageParameters", parameters_json(arena, error));
    if (session != NULL) {
        world_random(session->server->options.world, random, sizeof random);
        uuid_format(uuid_from_random(random), error_id);
        add_metadata(arena, info, "errorId", error_id);
        keep_details(session, arena, error_id, error);
    }
    struct buffer packed = protobuf_pack(&info->base);
    any->type_url = (char *)"type.googleapis.com/google.rpc.ErrorInfo";
    any->has_value = true;
    any->value = (ProtobufCBinaryData){packed.size, packed.data};
    status->has_code = true;
    status->code = GRPC_INTERNAL;
    status->message = (char *)*message;
    status->n_details = 1;
    status->details = &any;
    struct buffer result = protobuf_pack(&status->base);
    buffer_free(&packed);
    return result;
}

void errors_finish(struct grpc_call *call, struct session *session, const struct sql_error *error) {
    const char *message;
    struct buffer status = errors_status(session, error, &message);
    grpc_call_finish(call, GRPC_INTERNAL, message, buffer_view(&status));
    buffer_free(&status);
}

void errors_fetch(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__FetchErrorDetailsRequest, connect__fetch_error_details_request)
    struct buffer *kept = request->error_id == NULL ? NULL : map_get_text(&session->errors, request->error_id);
    if (kept != NULL) {
        grpc_call_send(call, buffer_view(kept));
        grpc_call_finish(call, GRPC_OK, NULL, BYTES_NULL);
    } else { /* as Spark: an answer without errors when it is not known any more */
        Connect__FetchErrorDetailsResponse response = CONNECT__FETCH_ERROR_DETAILS_RESPONSE__INIT;
        response.session_id = session->id;
        response.server_side_session_id = session->server_side_id;
        service_answer(call, &response.base);
    }
    session_release(session);
    arena_destroy(&arena);
}
