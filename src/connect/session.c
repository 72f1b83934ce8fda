/* session.c: what a Spark session keeps: settings, views, artifacts, operations, its streaming queries; and the queue
 * of its analysis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/service.h"
#include "exec/program.h"

/* ---- settings ---- */

/* What clients ask for before they work, and Spark's default for each; sql and exec know those that concern them. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"spark.app.name", "Spark Connect server"},
    {"spark.connect.session.planCompression.defaultAlgorithm", "ZSTD"},
    {"spark.connect.session.planCompression.threshold", "10485760"},
    {"spark.default.parallelism", "4"},
    {"spark.master", "raudal"},
    {"spark.python.sql.dataFrameDebugging.enabled", "true"},
    {"spark.sql.adaptive.enabled", "true"},
    {"spark.sql.ansi.enabled", "true"},
    {"spark.sql.caseSensitive", "false"},
    {"spark.sql.connect.serverStacktrace.enabled", "true"},
    {"spark.sql.execution.arrow.maxRecordsPerBatch", "10000"},
    {"spark.sql.execution.arrow.pyspark.enabled", "false"},
    {"spark.sql.execution.arrow.pyspark.fallback.enabled", "true"},
    {"spark.sql.execution.arrow.pyspark.selfDestruct.enabled", "false"},
    {"spark.sql.execution.arrow.useLargeVarTypes", "false"},
    {"spark.sql.execution.pandas.convertToArrowArraySafely", "true"},
    {"spark.sql.execution.pandas.inferPandasDictAsMap", "false"},
    {"spark.sql.execution.pandas.structHandlingMode", "legacy"},
    {"spark.sql.execution.pyspark.binaryAsBytes", "true"},
    {"spark.sql.execution.pythonUDF.arrow.enabled", "true"},
    {"spark.sql.execution.pythonUDTF.arrow.enabled", "true"},
    {"spark.sql.legacy.createDataFrame.nullableWhenNoSchema", "false"},
    {"spark.sql.pyspark.inferNestedDictAsStruct.enabled", "false"},
    {"spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled", "false"},
    {"spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled", "false"},
    {"spark.sql.repl.eagerEval.enabled", "false"},
    {"spark.sql.repl.eagerEval.maxNumRows", "20"},
    {"spark.sql.repl.eagerEval.truncate", "20"},
    {"spark.sql.session.localRelationBatchOfChunksSizeBytes", "1073741824"},
    {"spark.sql.session.localRelationCacheThreshold", "1048576"},
    {"spark.sql.session.localRelationChunkSizeBytes", "16777216"},
    {"spark.sql.session.localRelationChunkSizeRows", "10000"},
    {"spark.sql.session.localRelationSizeLimit", "3221225472"},
    {"spark.sql.session.timeZone", "UTC"},
    {"spark.sql.shuffle.partitions", "200"},
    {"spark.sql.sources.default", "parquet"},
    {"spark.sql.streaming.numRecentProgressUpdates", "100"},
    {"spark.sql.timestampType", "TIMESTAMP_LTZ"},
    {"spark.sql.warehouse.dir", "/user/hive/warehouse"},
};

const char *session_default(struct session *session, const char *name) {
    const struct connect_options *options = &session->server->options;
    const char *given = options->setting == NULL ? NULL : options->setting(options->setting_context, name);
    for (size_t i = 0; given == NULL && i < ARRAY_COUNT(defaults); i++)
        if (strcmp(name, defaults[i].name) == 0)
            given = defaults[i].value;
    return given;
}

const char *session_setting(struct session *session, struct arena *arena, const char *name) {
    world_mutex_lock(&session->settings_mutex);
    const char *value = map_get_text(&session->settings, name);
    value = value == NULL ? NULL : arena_strdup(arena, value);
    world_mutex_unlock(&session->settings_mutex);
    return value;
}

void session_set(struct session *session, const char *name, const char *value) {
    char *copy = value == NULL ? NULL : strdup(value);
    world_mutex_lock(&session->settings_mutex);
    char *former = value == NULL ? map_remove(&session->settings, bytes_from_text(name))
                                 : map_set_text(&session->settings, name, copy);
    world_mutex_unlock(&session->settings_mutex);
    free(former);
}

size_t session_all_settings(struct session *session, struct arena *arena, struct stream_setting **settings) {
    size_t cursor = 0, count = 0;
    world_mutex_lock(&session->settings_mutex);
    *settings = ARENA_ARRAY(arena, struct stream_setting, session->settings.count);
    for (struct map_entry *entry; (entry = map_next(&session->settings, &cursor)) != NULL;)
        (*settings)[count++] =
            (struct stream_setting){arena_copy(arena, entry->key), arena_copy(arena, bytes_from_text(entry->value))};
    world_mutex_unlock(&session->settings_mutex);
    return count;
}

static const char *setting_or_default(struct session *session, struct arena *arena, const char *name) {
    const char *value = session_setting(session, arena, name);
    return value != NULL ? value : session_default(session, name);
}

bool session_exec_settings(
    struct session *session, struct arena *arena, struct exec_settings *settings, struct sql_error *error) {
    struct world *world = session->server->options.world;
    struct error cause;
    int64_t partitions;
    exec_settings_default(settings);
    settings->ansi = strcmp(setting_or_default(session, arena, "spark.sql.ansi.enabled"), "true") == 0;
    const char *zone = setting_or_default(session, arena, "spark.sql.session.timeZone");
    settings->zone = timezone_get(world, bytes_from_text(zone), &cause);
    if (settings->zone == NULL)
        return raise_invalid_conf_value_time_zone(error, zone, "\"spark.sql.session.timeZone\"");
    const char *text = setting_or_default(session, arena, "spark.sql.shuffle.partitions");
    if (!bytes_to_int64(bytes_from_text(text), &partitions) || partitions < 1 || partitions > 100000)
        return raise_invalid_conf_value_type_mismatch(error, text, "\"spark.sql.shuffle.partitions\"", "int");
    settings->shuffle_partitions = (int)partitions;
    settings->now_us = world_wall_us(world);
    settings->random_seed = world_random_u64(world);
    settings->user = arena_copy(arena, bytes_from_text(session->user));
    settings->catalog = BYTES("spark_catalog");
    settings->database = BYTES("default");
    settings->version = BYTES(CONNECT_SPARK_VERSION);
    settings->externals = &session->externals;
    return true;
}

/* ---- what analysis asks of the session ---- */

/* The text lives as long as the setting is not changed; analysis of a session is serial and Config waits for none, so
 * it is copied into memory of this thread. */
static const char *environment_setting(void *context, const char *name) {
    static _Thread_local char text[1024];
    struct session *session = context;
    world_mutex_lock(&session->settings_mutex);
    const char *value = map_get_text(&session->settings, name);
    if (value != NULL)
        snprintf(text, sizeof text, "%s", value);
    world_mutex_unlock(&session->settings_mutex);
    if (value != NULL)
        return text;
    const struct connect_options *options = &session->server->options;
    return options->setting == NULL ? NULL : options->setting(options->setting_context, name);
}

static bool environment_set(void *context, const char *name, const char *value, struct sql_error *error) {
    session_set(context, name, value);
    return true;
}

static void close_source(void *source) {
    struct source *opened = source;
    opened->class->close(opened);
}

/* What a memory sink holds: the view of its name reads it (streaming.c). */
static bool describe_memory_table(struct session *session, const struct relation_read *read,
    struct source_description *description, struct sql_error *error) {
    world_mutex_lock(&session->settings_mutex);
    struct source *table = map_get(&session->tables, option_get(read->options, "name"));
    world_mutex_unlock(&session->settings_mutex);
    if (table == NULL)
        return raise_data_source_not_found(error, "memory");
    description->schema = table->schema;
    description->source = table;
    return true;
}

static bool describe_source(void *context, struct arena *arena, const struct relation_read *read,
    struct source_description *description, struct sql_error *error) {
    struct session *session = context;
    struct exec_engine *engine = session->server->options.engine;
    struct bytes format = read->format.size > 0
                              ? read->format
                              : bytes_from_text(setting_or_default(session, arena, "spark.sql.sources.default"));
    if (bytes_equal_text(format, "memory") && !read->streaming)
        return describe_memory_table(session, read, description, error);
    const struct source_class *class = exec_find_source(engine, format);
    if (class == NULL || (read->streaming ? !class->streaming : !class->batch))
        return raise_data_source_not_found(error, arena_text(arena, format));
    struct exec_settings *settings = ARENA_NEW(arena, struct exec_settings);
    struct source_option *options = ARENA_ARRAY(arena, struct source_option, read->options.count);
    for (size_t i = 0; i < read->options.count; i++)
        options[i] = (struct source_option){read->options.items[i].name, read->options.items[i].value};
    struct source_request *request = ARENA_NEW(arena, struct source_request);
    *request = (struct source_request){
        .engine = engine,
        .world = session->server->options.world,
        .format = format,
        .options = options,
        .option_count = read->options.count,
        .paths = read->paths.items,
        .path_count = read->paths.count,
        .settings = settings,
        .user = bytes_from_text(session->user),
        .streaming = read->streaming,
    };
    if (!session_exec_settings(session, arena, settings, error))
        return false;
    if (read->schema.size > 0 && (request->user_schema = sql_parse_schema(arena, read->schema, error)) == NULL)
        return false;
    struct source *source = class->open(class, request, error);
    if (source == NULL)
        return false;
    arena_on_destroy(arena, close_source, source);
    description->schema = source->schema;
    description->source = source;
    description->paths = read->paths;
    return true;
}

static bool evaluate(void *context, struct arena *arena, const struct expression *expression,
    const struct column **value, struct sql_error *error) {
    struct session *session = context;
    struct exec_settings settings;
    return session_exec_settings(session, arena, &settings, error) &&
           program_evaluate_constant(arena, &settings, expression, value, error);
}

static struct sql_environment environment_of(struct session *session) {
    return (struct sql_environment){
        .world = session->server->options.world,
        .context = session,
        .setting = environment_setting,
        .describe_source = describe_source,
        .evaluate = evaluate,
        .set_setting = environment_set,
        .find_function = session_find_function,
        .user = session->user,
    };
}

static struct bytes lower_artifact(void *context, const char *name) {
    return artifacts_get(context, name);
}

void session_lower_context(
    struct session *session, struct arena *arena, struct sql_error *error, struct lower_context *context) {
    *context = (struct lower_context){.arena = arena, .error = error, .artifact = lower_artifact, .context = session};
}

/* ---- life ---- */

struct session *session_create(struct connect_server *server, const char *user, const char *id, const char *program) {
    uint8_t random[16];
    struct session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->server = server;
    session->references = 1; /* the table's */
    session->id = strdup(id);
    session->user = strdup(user);
    snprintf(session->program, sizeof session->program, "%s", program);
    world_random(server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), session->server_side_id);
    session->started_ms = world_wall_ms(server->options.world);
    world_mutex_init(&session->settings_mutex);
    session_init_functions(session);
    struct sql_environment environment = environment_of(session);
    session->sql = sql_session_create(&environment);
    session->streams = stream_session_create(server->options.streams);
    service_log_write(server->options.log, LOG_INFO, "SparkConnectSessionManager",
        "Session [userId: %s, sessionId: %s] started", user, id);
    return session;
}

struct session *session_retain(struct session *session) {
    session->references++;
    return session;
}

static void free_buffers(struct map *map) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(map, &cursor)) != NULL; free(entry->value))
        buffer_free(entry->value);
    map_free(map);
}

void session_release(struct session *session) {
    if (--session->references > 0)
        return;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&session->settings, &cursor)) != NULL;)
        free(entry->value);
    map_free(&session->settings);
    free_buffers(&session->artifacts);
    free_buffers(&session->errors);
    map_free(&session->operations);
    map_free(&session->queries);
    map_free(&session->tables);
    sql_session_destroy(session->sql);
    world_mutex_destroy(&session->settings_mutex);
    free(session->id);
    free(session->user);
    free(session->client);
    session_free_functions(session);
    free(session);
}

static void streams_ended(void *argument) {
    struct session *session = argument;
    struct connect_server *server = session->server;
    service_log_write(server->options.log, LOG_INFO, "SparkConnectSessionManager",
        "Session [userId: %s, sessionId: %s] ended", session->user, session->id);
    session_release(session);
    if (--server->ending_count == 0 && server->ended != NULL)
        server->ended(server->ended_argument);
}

void session_end(struct session *session) {
    if (session->ended)
        return;
    session->ended = true;
    history_session_ended(session);
    session_retain(session); /* until the queries have stopped */
    session->server->ending_count++;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&session->operations, &cursor)) != NULL;) {
        struct operation *operation = connect_operation_retain(entry->value);
        connect_operation_interrupt(operation);
        connect_operation_remove(operation);
        connect_operation_release(operation);
    }
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&session->queries, &cursor)) != NULL;)
        stream_query_release(map_remove(&session->queries, entry->key));
    service_forget_session(session);
    struct python_session *python = session->python;
    session->python = NULL;
    if (python != NULL)
        python_session_destroy(python); /* functions that run are ended, so that their queries stop */
    stream_session_destroy(session->streams, streams_ended, session);
}

static void copy_artifacts(struct session *to, struct session *from) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&from->artifacts, &cursor)) != NULL;) {
        struct buffer *copy = calloc(1, sizeof *copy);
        ASSERT(copy != NULL);
        buffer_append_bytes(copy, buffer_view(entry->value));
        map_set(&to->artifacts, entry->key, copy);
    }
}

void session_copy(struct session *to, struct session *from) {
    struct arena arena = {0};
    struct stream_setting *settings;
    size_t count = session_all_settings(from, &arena, &settings);
    for (size_t i = 0; i < count; i++)
        session_set(to, arena_text(&arena, settings[i].name), arena_text(&arena, settings[i].value));
    copy_artifacts(to, from);
    session_copy_functions(to, from);
    struct sql_environment environment = environment_of(to);
    struct sql_session *clone = sql_session_clone(from->sql, &environment);
    sql_session_destroy(to->sql);
    to->sql = clone;
    arena_destroy(&arena);
}

/* ---- the queue of analysis ---- */

static void start_next_work(struct session *session);

static void work_done(void *argument) {
    struct session *session = argument;
    struct session_work *work = session->work_first;
    session->work_first = work->next;
    if (session->work_first == NULL)
        session->work_last = NULL;
    session->work_runs = false;
    work->done(work->argument);
    free(work);
    start_next_work(session);
    session_release(session);
}

static void do_work(void *argument) {
    struct session *session = argument;
    session->work_first->work(session->work_first->argument);
}

static void start_next_work(struct session *session) {
    if (session->work_runs || session->work_first == NULL)
        return;
    session->work_runs = true;
    world_pool_run(session->server->options.disk_pool, session->server->options.loop, do_work, work_done, session);
}

void session_run(struct session *session, world_function *work, world_function *done, void *argument) {
    struct session_work *entry = calloc(1, sizeof *entry);
    ASSERT(entry != NULL);
    *entry = (struct session_work){NULL, work, done, argument};
    session_retain(session);
    if (session->work_last == NULL)
        session->work_first = entry;
    else
        session->work_last->next = entry;
    session->work_last = entry;
    start_next_work(session);
}
