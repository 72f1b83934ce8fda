/* features.c: UpdateFeatures: the levels at which the cluster works. All updates of a request happen or none does. */
#include "kafka/internal.h"

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

typedef struct kafka_update_features_request_update update;

/* NULL, or why not, in Kafka's words. */
static const char *check_update(struct api_request *request, const update *asked, int upgrade_type, const char *name) {
    struct broker *broker = request->broker;
    const struct broker_feature *feature = NULL;
    for (size_t i = 0; i < broker_feature_count; i++)
        if (strcmp(broker_features[i].name, name) == 0)
            feature = &broker_features[i];
    struct arena *arena = &request->arena;
    const char *about = arena_printf(arena, "Invalid update version %d for feature %s.", asked->level, name);
    int16_t present = broker_feature_level(broker, name);
    if (upgrade_type < UPGRADE || upgrade_type > UNSAFE_DOWNGRADE)
        return arena_printf(arena, "%s The controller does not support the given upgrade type.", about);
    if (!feature)
        return arena_printf(arena, "%s Local controller %d does not support this feature.", about, broker->node_id);
    if (asked->level < feature->supported_min || asked->level > feature->supported_max)
        return arena_printf(arena, "%s Local controller %d only supports versions %d-%d", about, broker->node_id,
            feature->supported_min, feature->supported_max);
    if (asked->level < present && upgrade_type == UPGRADE)
        return arena_printf(arena,
            "%s Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
            "downgrade.",
            about);
    if (strcmp(name, "metadata.version") == 0 && asked->level < present)
        return arena_printf(arena,
            upgrade_type == SAFE_DOWNGRADE
                ? "Unsupported metadata.version downgrade from %d to %d. Refusing to perform the requested downgrade "
                  "because it might delete metadata information."
                : "Unsupported metadata.version downgrade from %d to %d. Unsafe metadata downgrade is not supported in "
                  "this version.",
            present, asked->level);
    const struct kafka_update_features_request *body = request->body;
    if (strcmp(name, "kraft.version") == 0 && asked->level != present && !body->validate_only)
        return arena_printf(arena, "%s The voters of this quorum are static.", about);
    return NULL;
}

/* Version 0 has a flag in place of the type. */
static int upgrade_type_of(const struct api_request *request, const update *asked) {
    return request->version == 0 ? (asked->allow_downgrade ? SAFE_DOWNGRADE : UPGRADE) : asked->upgrade_type;
}

static const char *check_all(struct api_request *request) {
    const struct kafka_update_features_request *body = request->body;
    for (int32_t i = 0; i < body->updates.count; i++) {
        const update *asked = &body->updates.items[i];
        const char *name = arena_text(&request->arena, asked->feature);
        const char *fault = check_update(request, asked, upgrade_type_of(request, asked), name);
        if (fault)
            return arena_printf(&request->arena,
                "The update failed for all features since the following feature had an error: %s", fault);
    }
    return NULL;
}

static bool store_all(struct api_request *request, struct error *error) {
    const struct kafka_update_features_request *body = request->body;
    for (int32_t i = 0; i < body->updates.count; i++) {
        const char *name = arena_text(&request->arena, body->updates.items[i].feature);
        int16_t level = body->updates.items[i].level;
        if (broker_feature_level(request->broker, name) != level &&
            !metadata_set_feature(request->broker->metadata, name, level, error))
            return false;
    }
    return true;
}

void handle_update_features(struct api_request *request) {
    const struct kafka_update_features_request *body = request->body;
    struct kafka_update_features_reply *reply = request->reply;
    struct error error = {0};
    const char *fault = check_all(request);
    if (fault) {
        reply->error_code = KAFKA_INVALID_UPDATE_VERSION;
        reply->error_message = bytes_from_text(fault);
    } else if (!body->validate_only && !store_all(request, &error)) {
        reply->error_code = kafka_error_from_error(&error);
        reply->error_message = api_text(request, "%s", error.message);
    } else {
        WIRE_ARRAY(&request->arena, &reply->results, &kafka_update_features_reply_result_struct, body->updates.count);
        for (int32_t i = 0; i < body->updates.count; i++) {
            reply->results.items[i].feature = body->updates.items[i].feature;
            reply->results.items[i].error_message = BYTES("NONE");
        }
    }
    api_reply(request);
}
