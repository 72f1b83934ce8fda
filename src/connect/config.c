/* config.c: the Config request: session settings. Static settings (spark.jars.packages …) are taken with a warning, as
 * a Spark Connect server does. */
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"
#include "store/store.h"

/* Prefixes of settings that a running server cannot change. */
static const char *const static_prefixes[] = {
    "spark.app.",
    "spark.archives",
    "spark.driver.",
    "spark.dynamicAllocation.",
    "spark.executor.",
    "spark.files",
    "spark.hadoop.",
    "spark.jars",
    "spark.kubernetes.",
    "spark.master",
    "spark.memory.",
    "spark.port.",
    "spark.remote",
    "spark.serializer",
    "spark.shuffle.",
    "spark.sql.catalogImplementation",
    "spark.sql.extensions",
    "spark.sql.warehouse.dir",
    "spark.submit.",
    "spark.task.",
    "spark.ui.",
    "spark.yarn.",
    "spark.cores.",
    "spark.local.",
    "spark.eventLog.",
    "spark.network.",
    "spark.rpc.",
    "spark.python.",
    "spark.pyspark.",
    "spark.kryo",
    "spark.locality.",
    "spark.scheduler.",
};

static bool is_static(const char *name) {
    if (strcmp(name, "spark.app.name") == 0)
        return false; /* the session's own name */
    for (size_t i = 0; i < ARRAY_COUNT(static_prefixes); i++)
        if (strncmp(name, static_prefixes[i], strlen(static_prefixes[i])) == 0)
            return true;
    return false;
}

static bool is_default_fs(const char *name) {
    return strcmp(name, "spark.hadoop.fs.defaultFS") == 0 || strcmp(name, "spark.hadoop.fs.default.name") == 0;
}

struct reply {
    struct arena *arena;
    struct session *session;
    struct sql_error error;
    Connect__ConfigResponse response;
    size_t capacity;
};

static void add_pair(struct reply *reply, const char *key, const char *value) {
    Connect__KeyValue *pair = PROTOBUF_NEW(reply->arena, Connect__KeyValue, connect__key_value);
    ASSERT(reply->response.n_pairs < reply->capacity);
    pair->key = (char *)key;
    pair->value = (char *)value;
    reply->response.pairs[reply->response.n_pairs++] = pair;
}

static void allow_pairs(struct reply *reply, size_t count) {
    reply->response.pairs = ARENA_ARRAY(reply->arena, Connect__KeyValue *, count);
    reply->capacity = count;
}

static const char *value_of(struct reply *reply, const char *name) {
    const char *value = session_setting(reply->session, reply->arena, name);
    value = value != NULL ? value : session_default(reply->session, name);
    return value != NULL ? value : sql_setting(reply->session->sql, name);
}

/* A program may name the store that it uses anyway; another cluster is refused with our names. */
static bool check_default_fs(struct reply *reply, const char *key, const char *value) {
    struct error cause;
    struct store *store = reply->session->server->options.store;
    if (store_resolve(store, reply->arena, value, NULL, &cause) != NULL)
        return true;
    error_prefix(&cause, "%s=%s", key, value);
    return sql_error_from(&reply->error, &cause);
}

static void set_pairs(struct reply *reply, const Connect__ConfigRequest__Set *set) {
    reply->response.warnings = ARENA_ARRAY(reply->arena, char *, set->n_pairs);
    for (size_t i = 0; i < set->n_pairs && reply->error.condition == 0; i++) {
        const char *key = set->pairs[i]->key, *value = set->pairs[i]->value;
        if (key == NULL || value == NULL)
            continue;
        if (is_static(key) && !set->silent) {
            raise_cannot_modify_static_config(&reply->error, quote_config(reply->arena, key));
            return;
        }
        if (is_default_fs(key) && !check_default_fs(reply, key, value))
            return;
        if (is_static(key) && !is_default_fs(key))
            reply->response.warnings[reply->response.n_warnings++] = arena_printf(reply->arena,
                "The setting %s has no effect on a running server; what it names is built in or not needed.", key);
        if (strcmp(key, "spark.sql.session.timeZone") == 0) {
            struct error cause;
            if (timezone_get(reply->session->server->options.world, bytes_from_text(value), &cause) == NULL) {
                raise_invalid_conf_value_time_zone(&reply->error, value, quote_config(reply->arena, key));
                return;
            }
        }
        session_set(reply->session, key, value);
    }
}

static void get_pairs(struct reply *reply, char *const *keys, size_t count, bool required) {
    allow_pairs(reply, count);
    for (size_t i = 0; i < count; i++) {
        const char *value = value_of(reply, keys[i]);
        if (value == NULL && required) {
            raise_sql_conf_not_found(&reply->error, quote_config(reply->arena, keys[i]));
            return;
        }
        add_pair(reply, keys[i], value);
    }
}

static void get_with_default(struct reply *reply, const Connect__ConfigRequest__GetWithDefault *get) {
    allow_pairs(reply, get->n_pairs);
    for (size_t i = 0; i < get->n_pairs; i++) {
        const char *value = session_setting(reply->session, reply->arena, get->pairs[i]->key);
        value = value != NULL ? value : session_default(reply->session, get->pairs[i]->key);
        add_pair(reply, get->pairs[i]->key, value != NULL ? value : get->pairs[i]->value);
    }
}

static void get_all(struct reply *reply, const char *prefix) {
    struct stream_setting *settings;
    size_t count = session_all_settings(reply->session, reply->arena, &settings);
    allow_pairs(reply, count);
    for (size_t i = 0; i < count; i++) {
        if (prefix != NULL && !bytes_starts_with(settings[i].name, prefix))
            continue;
        const char *name = arena_text(reply->arena, settings[i].name);
        add_pair(reply, prefix == NULL ? name : name + strlen(prefix), arena_text(reply->arena, settings[i].value));
    }
}

static void run_operation(struct reply *reply, const Connect__ConfigRequest__Operation *operation) {
    struct error cause;
    switch (operation == NULL ? 0 : (int)operation->op_type_case) {
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_SET:
        set_pairs(reply, operation->set);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_GET:
        get_pairs(reply, operation->get->keys, operation->get->n_keys, true);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_GET_WITH_DEFAULT:
        get_with_default(reply, operation->get_with_default);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_GET_OPTION:
        get_pairs(reply, operation->get_option->keys, operation->get_option->n_keys, false);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_GET_ALL:
        get_all(reply, operation->get_all->prefix);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_UNSET:
        for (size_t i = 0; i < operation->unset->n_keys; i++)
            session_set(reply->session, operation->unset->keys[i], NULL);
        break;
    case CONNECT__CONFIG_REQUEST__OPERATION__OP_TYPE_IS_MODIFIABLE:
        allow_pairs(reply, operation->is_modifiable->n_keys);
        for (size_t i = 0; i < operation->is_modifiable->n_keys; i++)
            add_pair(reply, operation->is_modifiable->keys[i],
                strncmp(operation->is_modifiable->keys[i], "spark.sql.", 10) == 0 &&
                        !is_static(operation->is_modifiable->keys[i])
                    ? "true"
                    : "false");
        break;
    default:
        error_set(&cause, ERROR_INVALID, "the Config request has no operation that is known here");
        sql_error_from(&reply->error, &cause);
    }
}

void config(struct grpc_call *call, struct bytes message) {
    OPEN_REQUEST(Connect__ConfigRequest, connect__config_request)
    struct reply reply = {&arena, session, {.arena = &arena}, CONNECT__CONFIG_RESPONSE__INIT, 0};
    reply.response.session_id = session->id;
    reply.response.server_side_session_id = session->server_side_id;
    run_operation(&reply, request->operation);
    if (reply.error.condition != 0)
        errors_finish(call, session, &reply.error);
    else
        service_answer(call, &reply.response.base);
    session_release(session);
    arena_destroy(&arena);
}
