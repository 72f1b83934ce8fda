/* security.c: logins, ACLs, delegation tokens, SCRAM credentials, quotas: a broker without an authorizer, with one
 * listener on which nobody logs in, that sets nobody a quota. What is asked is answered as Kafka answers it then; what
 * would have to be kept and obeyed is refused. */
#include "kafka/internal.h"

/* ---- logins ---- */

void handle_sasl_handshake(struct api_request *request) {
    struct kafka_sasl_handshake_reply *reply = request->reply;
    reply->error_code = KAFKA_ILLEGAL_SASL_STATE;
    api_reply(request);
}

void handle_sasl_authenticate(struct api_request *request) {
    struct kafka_sasl_authenticate_reply *reply = request->reply;
    reply->error_code = KAFKA_ILLEGAL_SASL_STATE;
    reply->error_message = BYTES("SaslAuthenticate request received after successful authentication");
    reply->auth_bytes = BYTES("");
    api_reply(request);
}

/* ---- ACLs ---- */

void handle_describe_acls(struct api_request *request) {
    struct kafka_describe_acls_reply *reply = request->reply;
    reply->error_code = KAFKA_SECURITY_DISABLED;
    reply->error_message = BYTES("No Authorizer is configured on the broker");
    api_reply(request);
}

void handle_create_acls(struct api_request *request) {
    const struct kafka_create_acls_request *body = request->body;
    struct kafka_create_acls_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_create_acls_reply_result_struct, body->creations.count);
    for (int32_t i = 0; i < body->creations.count; i++) {
        reply->results.items[i].error_code = KAFKA_SECURITY_DISABLED;
        reply->results.items[i].error_message = BYTES("No Authorizer is configured.");
    }
    api_reply(request);
}

void handle_delete_acls(struct api_request *request) {
    const struct kafka_delete_acls_request *body = request->body;
    struct kafka_delete_acls_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_delete_acls_reply_result_struct, body->filters.count);
    for (int32_t i = 0; i < body->filters.count; i++) {
        reply->results.items[i].error_code = KAFKA_SECURITY_DISABLED;
        reply->results.items[i].error_message = BYTES("No Authorizer is configured.");
    }
    api_reply(request);
}

/* ---- delegation tokens: only for who has logged in ---- */

void handle_create_delegation_token(struct api_request *request) {
    struct kafka_create_delegation_token_reply *reply = request->reply;
    reply->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    reply->principal_type = reply->requester_type = BYTES("User");
    reply->principal_name = reply->requester_name = BYTES("ANONYMOUS");
    reply->issue_time = reply->expiry_time = reply->expiry_time_max = -1;
    reply->token_id = reply->hmac = BYTES("");
    api_reply(request);
}

void handle_renew_delegation_token(struct api_request *request) {
    struct kafka_renew_delegation_token_reply *reply = request->reply;
    reply->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    reply->expiry_time = -1;
    api_reply(request);
}

void handle_expire_delegation_token(struct api_request *request) {
    struct kafka_expire_delegation_token_reply *reply = request->reply;
    reply->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    reply->expiry_time = -1;
    api_reply(request);
}

void handle_describe_delegation_token(struct api_request *request) {
    struct kafka_describe_delegation_token_reply *reply = request->reply;
    reply->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    api_reply(request);
}

/* ---- SCRAM credentials: there are none ---- */

void handle_describe_user_scram_credentials(struct api_request *request) {
    const struct kafka_describe_user_scram_credentials_request *body = request->body;
    struct kafka_describe_user_scram_credentials_reply *reply = request->reply;
    reply->error_message = BYTES("");
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_describe_user_scram_credentials_reply_result_struct,
        body->users.count > 0 ? body->users.count : 0);
    reply->results.count = 0;
    for (int32_t i = 0; i < body->users.count; i++) {
        struct bytes user = body->users.items[i].name;
        struct kafka_describe_user_scram_credentials_reply_result *result = NULL;
        for (int32_t j = 0; j < reply->results.count && !result; j++)
            if (bytes_equal(reply->results.items[j].user, user))
                result = &reply->results.items[j];
        bool twice = result;
        if (!twice)
            result = &reply->results.items[reply->results.count++];
        result->user = user;
        result->error_code = twice ? KAFKA_DUPLICATE_RESOURCE : KAFKA_RESOURCE_NOT_FOUND;
        result->error_message =
            twice ? api_text(request,
                        "Cannot describe SCRAM credentials for the same user twice in a single request: %.*s",
                        BYTES_ARGS(user))
                  : api_text(
                        request, "Attempt to describe a user credential that does not exist: %.*s", BYTES_ARGS(user));
    }
    api_reply(request);
}

void handle_alter_user_scram_credentials(struct api_request *request) {
    const struct kafka_alter_user_scram_credentials_request *body = request->body;
    struct kafka_alter_user_scram_credentials_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_alter_user_scram_credentials_reply_result_struct,
        body->deletions.count + body->upsertions.count);
    for (int32_t i = 0; i < reply->results.count; i++) {
        struct kafka_alter_user_scram_credentials_reply_result *result = &reply->results.items[i];
        bool deletes = i < body->deletions.count;
        result->user = deletes ? body->deletions.items[i].name : body->upsertions.items[i - body->deletions.count].name;
        result->error_code = deletes ? KAFKA_RESOURCE_NOT_FOUND : KAFKA_SECURITY_DISABLED;
        result->error_message = deletes ? BYTES("Attempt to delete a user credential that does not exist")
                                        : BYTES("Nobody logs in on this broker: it keeps no SCRAM credentials");
    }
    api_reply(request);
}

/* ---- quotas: nobody has one ---- */

static int16_t check_components(struct api_request *request, struct bytes *message) {
    const struct kafka_describe_client_quotas_request *body = request->body;
    for (int32_t i = 0; i < body->components.count; i++) {
        const struct kafka_describe_client_quotas_request_component *component = &body->components.items[i];
        struct bytes type = component->entity_type;
        if (!bytes_equal_text(type, "user") && !bytes_equal_text(type, "client-id") && !bytes_equal_text(type, "ip")) {
            *message = type.size == 0 ? BYTES("Unexpected empty filter component entity type")
                                      : api_text(request, "Unsupported entity type %.*s", BYTES_ARGS(type));
            return type.size == 0 ? KAFKA_INVALID_REQUEST : KAFKA_UNSUPPORTED_VERSION;
        }
        if (component->match_type < 0 || component->match_type > 2) {
            *message = api_text(request, "Unknown match type %d", component->match_type);
            return KAFKA_INVALID_REQUEST;
        }
        for (int32_t j = 0; j < i; j++)
            if (bytes_equal(type, body->components.items[j].entity_type)) {
                *message =
                    api_text(request, "Entity type %.*s cannot appear more than once in the filter.", BYTES_ARGS(type));
                return KAFKA_INVALID_REQUEST;
            }
    }
    return KAFKA_NONE;
}

void handle_describe_client_quotas(struct api_request *request) {
    struct kafka_describe_client_quotas_reply *reply = request->reply;
    reply->error_message = BYTES("");
    reply->error_code = check_components(request, &reply->error_message);
    reply->entries.count = reply->error_code == KAFKA_NONE ? 0 : -1;
    api_reply(request);
}

void handle_alter_client_quotas(struct api_request *request) {
    const struct kafka_alter_client_quotas_request *body = request->body;
    struct kafka_alter_client_quotas_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->entries, &kafka_alter_client_quotas_reply_entry_struct, body->entries.count);
    for (int32_t i = 0; i < body->entries.count; i++) {
        const struct kafka_alter_client_quotas_request_entry *asked = &body->entries.items[i];
        struct kafka_alter_client_quotas_reply_entry *entry = &reply->entries.items[i];
        entry->error_code = KAFKA_INVALID_REQUEST;
        entry->error_message = BYTES("This broker does not limit clients: quotas cannot be set");
        WIRE_ARRAY(
            &request->arena, &entry->entity, &kafka_alter_client_quotas_reply_entity_struct, asked->entity.count);
        for (int32_t j = 0; j < asked->entity.count; j++) {
            entry->entity.items[j].type = asked->entity.items[j].type;
            entry->entity.items[j].name = asked->entity.items[j].name;
        }
    }
    api_reply(request);
}
