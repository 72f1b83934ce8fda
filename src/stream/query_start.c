/* query_start.c: from start() to the first trigger. Three steps: the checkpoint is opened and gives the query's id
 * (disk pool); an older run on it is stopped (loop); plan, sources and sink are made and the place to go on from is
 * found (disk pool). */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "exec/operator.h"
#include "sql/sql.h"
#include "stream/internal.h"

/* ---- copying what was asked ---- */

static struct bytes keep(struct stream_query *query, struct bytes text) {
    return text.data == NULL ? BYTES_NULL : arena_copy(&query->arena, text);
}

static void copy_start(struct stream_query *query, const struct stream_start *start) {
    struct stream_start *copy = &query->start;
    *copy = *start;
    copy->name = keep(query, start->name);
    copy->output_mode = start->output_mode.size > 0 ? keep(query, start->output_mode) : BYTES("append");
    copy->format = keep(query, start->format);
    copy->path = keep(query, start->path);
    copy->trigger_interval = keep(query, start->trigger_interval);
    copy->user = keep(query, start->user);
    copy->session_id = keep(query, start->session_id);
    struct source_option *options = ARENA_ARRAY(&query->arena, struct source_option, start->option_count + 1);
    for (size_t i = 0; i < start->option_count; i++) {
        options[i] = (struct source_option){keep(query, start->options[i].key), keep(query, start->options[i].value)};
    }
    copy->options = options;
    struct stream_setting *settings = ARENA_ARRAY(&query->arena, struct stream_setting, start->configuration_count + 1);
    for (size_t i = 0; i < start->configuration_count; i++) {
        settings[i] = (struct stream_setting){
            keep(query, start->configuration[i].name), keep(query, start->configuration[i].value)};
    }
    copy->configuration = settings;
    struct bytes *columns = ARENA_ARRAY(&query->arena, struct bytes, start->partition_column_count + 1);
    for (size_t i = 0; i < start->partition_column_count; i++) {
        columns[i] = keep(query, start->partition_columns[i]);
    }
    copy->partition_columns = columns;
}

static struct bytes setting(const struct stream_query *query, const char *name) {
    for (size_t i = 0; i < query->start.configuration_count; i++) {
        if (bytes_equal_text(query->start.configuration[i].name, name)) {
            return query->start.configuration[i].value;
        }
    }
    return BYTES_NULL;
}

static struct bytes option(const struct stream_query *query, const char *name) {
    for (size_t i = query->start.option_count; i-- > 0;) {
        if (bytes_equal_ignore_case(query->start.options[i].key, bytes_from_text(name))) {
            return query->start.options[i].value;
        }
    }
    return BYTES_NULL;
}

/* Into Kafka: unless somebody said no; with the trigger realTime only when the program says so, which is refused. */
static bool wants_exactly_once(const struct stream_query *query) {
    struct bytes text = setting(query, "raudal.stream.kafka.exactlyOnce");
    if (query->start.trigger == STREAM_TRIGGER_REAL_TIME) {
        return bytes_equal_ignore_case(text, BYTES("true"));
    }
    if (text.size == 0 && query->start.exactly_once != NULL) {
        text = bytes_from_text(query->start.exactly_once);
    }
    return !bytes_equal_ignore_case(text, BYTES("false"));
}

/* ---- what can be said at once ---- */

/* "10 seconds", "1 minute 30 seconds", "500 milliseconds". */
static bool parse_interval(struct bytes text, int64_t *milliseconds) {
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"microsecond", 0.001}, {"millisecond", 1}, {"second", 1000}, {"minute", 60000}, {"hour", 3600000},
        {"day", 86400000}, {"week", 604800000}};
    bool any = false;
    text = bytes_trim(text);
    if (text.size > 9 && bytes_equal_ignore_case(bytes_slice(text, 0, 9), BYTES("interval "))) {
        text = bytes_trim(bytes_slice(text, 9, text.size - 9));
    }
    *milliseconds = 0;
    while (text.size > 0) {
        size_t space = bytes_find(text, ' ', 0);
        double number;
        if (space == SIZE_MAX || !bytes_to_double(bytes_slice(text, 0, space), &number) || number < 0) {
            return false;
        }
        text = bytes_trim(bytes_slice(text, space, text.size - space));
        space = bytes_find(text, ' ', 0);
        struct bytes unit = space == SIZE_MAX ? text : bytes_slice(text, 0, space);
        unit.size -= unit.size > 1 && (unit.data[unit.size - 1] | 0x20) == 's';
        bool known = false;
        for (size_t i = 0; i < ARRAY_COUNT(units) && !known; i++) {
            known = bytes_equal_ignore_case(unit, bytes_from_text(units[i].name));
            *milliseconds += known ? (int64_t)(number * units[i].factor) : 0;
        }
        if (!known) {
            return false;
        }
        any = true;
        text = space == SIZE_MAX ? bytes_make("", 0) : bytes_trim(bytes_slice(text, space, text.size - space));
    }
    return any;
}

static bool check_trigger(struct stream_query *query, struct sql_error *error) {
    switch (query->start.trigger) {
    case STREAM_TRIGGER_CONTINUOUS:
        return raise_unsupported_feature_not_in_this_program(
            error, "The trigger continuous", "Use processingTime: batches start with the append that they wait for.");
    case STREAM_TRIGGER_REAL_TIME:
    case STREAM_TRIGGER_PROCESSING_TIME:
        if (!parse_interval(query->start.trigger_interval, &query->interval_ms)) {
            return raise__legacy_error_illegal_argument(
                error, arena_printf(error->arena, "Error parsing '%.*s' to interval",
                           BYTES_ARGS(query->start.trigger_interval)));
        }
        if (query->start.trigger == STREAM_TRIGGER_REAL_TIME) {
            query->real_time_ms = query->interval_ms;
            return true;
        }
        if (query->interval_ms == 0) { /* that is the default trigger: appends wake it */
            query->start.trigger = STREAM_TRIGGER_DEFAULT;
        }
        return true;
    default:
        return true;
    }
}

static bool read_output_mode(struct stream_query *query, struct sql_error *error) {
    static const char *const names[] = {
        [EXEC_APPEND] = "append", [EXEC_UPDATE] = "update", [EXEC_COMPLETE] = "complete"};
    struct bytes mode = query->start.output_mode;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (bytes_equal_ignore_case(mode, bytes_from_text(names[i]))) {
            query->mode = (enum exec_mode)i;
            return true;
        }
    }
    return raise_streaming_output_mode_invalid(error, arena_text(error->arena, mode));
}

static bool check_real_time(struct stream_query *query, struct sql_error *error) {
    struct bytes least = setting(query, "spark.sql.streaming.realTimeMode.minBatchDuration");
    int64_t least_ms = REAL_TIME_MS_MIN;
    (void)(least.size > 0 && (bytes_to_int64(least, &least_ms) || parse_interval(least, &least_ms)));
    return query->start.trigger != STREAM_TRIGGER_REAL_TIME ||
           (real_time_check(query, least_ms, error) &&
               (query->sink_class != &kafka_sink_class || !wants_exactly_once(query) ||
                   raise_unsupported_feature_not_in_this_program(error,
                       "raudal.stream.kafka.exactlyOnce=true with the trigger realTime",
                       "Offsets are written when a long batch ends, so what came before a crash is written again. "
                       "Leave "
                       "the setting out, or use the default trigger.")));
}

static bool check_sink_mode(struct stream_query *query, struct sql_error *error) {
    const struct sink_class *sink = query->sink_class;
    bool able = query->mode == EXEC_APPEND ? sink->append : query->mode == EXEC_UPDATE ? sink->update : sink->complete;
    return able || raise_streaming_output_mode_unsupported_datasource(
                       error, arena_text(error->arena, query->start.output_mode), sink->class_name);
}

static bool choose_sink(struct stream_query *query, struct sql_error *error) {
    struct bytes standard = setting(query, "spark.sql.sources.default"), format = query->start.format;
    format = format.size > 0 ? format : standard.size > 0 ? standard : BYTES("parquet");
    query->start.format = format;
    query->sink_class = sink_find(format);
    if (query->sink_class == NULL) {
        return raise_data_source_not_found(error, arena_text(error->arena, format));
    }
    return query->sink_class != &memory_sink_class || query->start.memory_table != NULL ||
           raise_unsupported_feature_not_in_this_program(error, "The memory sink here", "It needs a session.");
}

static bool check_name(struct stream_session *session, const struct stream_query *query, struct sql_error *error) {
    for (size_t i = 0; i < session->queries.count && query->start.name.size > 0; i++) {
        if (bytes_equal(session->queries.items[i]->start.name, query->start.name)) {
            return raise__legacy_error_illegal_argument(
                error, arena_printf(error->arena,
                           "Cannot start query with name %.*s as a query with that "
                           "name is already active in this SparkSession",
                           BYTES_ARGS(query->start.name)));
        }
    }
    return true;
}

/* ---- step one: location and id (disk pool) ---- */

static bool find_location(struct stream_query *query, struct sql_error *error) {
    struct stream_manager *manager = query->manager;
    struct bytes location = option(query, "checkpointLocation"),
                 root = setting(query, "spark.sql.streaming.checkpointLocation");
    char run[UUID_TEXT_SIZE];
    struct error problem = {0};
    uuid_format(query->run_id, run);
    char *path;
    if (location.size > 0) {
        path = arena_text(&query->arena, location);
    } else if (root.size > 0) {
        path = query->start.name.size > 0
                   ? arena_printf(&query->arena, "%.*s/%.*s", BYTES_ARGS(root), BYTES_ARGS(query->start.name))
                   : arena_printf(&query->arena, "%.*s/%s", BYTES_ARGS(root), run);
    } else if (query->sink_class->needs_location) {
        return raise__legacy_error_illegal_argument(error,
            "checkpointLocation must be specified either through option(\"checkpointLocation\", ...) or "
            "SparkSession.conf.set(\"spark.sql.streaming.checkpointLocation\", ...)");
    } else {
        path = arena_printf(&query->arena, "%s/temporary-%s", manager->temporary_directory, run);
        query->checkpoint.temporary = true;
    }
    query->checkpoint.store = manager->options.store;
    query->checkpoint.location = store_resolve(manager->options.store, &query->arena, path,
        query->start.user.size > 0 ? arena_text(&query->arena, query->start.user) : NULL, &problem);
    return query->checkpoint.location != NULL || sql_error_from(error, &problem);
}

static void open_checkpoint(void *argument) {
    struct stream_query *query = argument;
    bool is_new;
    struct error problem = {0};
    bool good =
        find_location(query, &query->error) && checkpoint_open(&query->checkpoint, &query->id, &is_new, &query->error);
    if (good && is_new && !query->checkpoint.temporary && !recovery_mark_synced(query, -1, &problem)) {
        (void)sql_error_from(&query->error, &problem);
    }
}

/* ---- step three: plan, sources, sink, place (disk pool) ---- */

static bool open_sources(struct stream_query *query, struct sql_error *error) {
    query->source_count = exec_query_stream_count(query->exec);
    query->sources = ARENA_ARRAY(&query->arena, struct query_source, query->source_count + 1);
    for (size_t i = 0; i < query->source_count; i++) {
        const struct relation_scan *scan = relation_scan_of(exec_query_stream_plan(query->exec, i));
        struct source *source = (struct source *)(uintptr_t)scan->source;
        const struct stream_source_class *class = stream_source_find(source);
        if (class == NULL) {
            return raise_unsupported_feature_not_in_this_program(
                error, arena_printf(error->arena, "Streaming reads of %.*s", BYTES_ARGS(scan->format)), "");
        }
        query->sources[i].reading = class->open(source, &query->manager->context,
            arena_printf(&query->arena, "%s/sources/%zu", query->checkpoint.location, i), error);
        if (query->sources[i].reading == NULL) {
            return false;
        }
        class->describe(query->sources[i].reading, &query->sources[i].description);
        bool once = query->start.trigger == STREAM_TRIGGER_ONCE;
        if (class->prepare != NULL && (once || query->start.trigger == STREAM_TRIGGER_AVAILABLE_NOW)) {
            class->prepare(query->sources[i].reading, once);
        }
    }
    return true;
}

static bool open_sink(struct stream_query *query, struct sql_error *error) {
    query->sink_request = (struct sink_request){.context = &query->manager->context,
        .service_log = query->manager->options.service_log,
        .schema = exec_query_schema(query->exec),
        .settings = &query->start.settings,
        .format = query->start.format,
        .options = query->start.options,
        .option_count = query->start.option_count,
        .path = query->start.path,
        .partition_columns = query->start.partition_columns,
        .partition_column_count = query->start.partition_column_count,
        .user = query->start.user,
        .name = query->start.name,
        .query_id = query->id,
        .streaming = true,
        .exactly_once = query->exactly_once,
        .complete = query->mode == EXEC_COMPLETE,
        .console = query->start.console,
        .callback_argument = query->start.callback_argument,
        .function = query->start.function};
    query->sink = query->sink_class->create(query->sink_class, &query->sink_request, error);
    return query->sink != NULL;
}

static void copy_buffer(struct buffer *to, const struct buffer *from) {
    buffer_clear(to);
    buffer_append_bytes(to, buffer_view(from));
}

/* Where the sources stood at the end of a batch. */
static bool take_offsets(struct stream_query *query, int64_t batch_id, bool as_end, struct sql_error *error) {
    struct offset_entry entry;
    bool good = checkpoint_read_offsets(&query->checkpoint, batch_id, query->source_count, &entry, error);
    for (size_t i = 0; i < query->source_count && good; i++) {
        copy_buffer(as_end ? &query->sources[i].end : &query->sources[i].start, &entry.offsets[i]);
    }
    query->batch_timestamp_ms = good ? entry.timestamp_ms : 0;
    if (as_end) {
        query->batch_watermark_ms = entry.watermark_ms;
    } else {
        query->late_watermark_ms = query->watermark_ms = entry.watermark_ms;
    }
    offset_entry_free(&entry);
    return good;
}

/* The watermark that the batch after this one begins with. */
static bool take_watermark(struct stream_query *query, int64_t batch_id, struct sql_error *error) {
    int64_t next;
    if (!checkpoint_read_commit(&query->checkpoint, batch_id, &next, error)) {
        return false;
    }
    query->watermark_ms = next > query->watermark_ms ? next : query->watermark_ms;
    return true;
}

/* Whether the sink keeps the number of that batch: not when another program, or this one without
 * raudal.stream.kafka.exactlyOnce, wrote it to Kafka. */
static bool sink_should_have(const struct stream_query *query, int64_t batch_id) {
    struct arena arena = {0};
    struct sql_error ignored = {.arena = &arena};
    struct offset_entry entry = {0};
    bool should = query->sink_class != &kafka_sink_class;
    if (!should) {
        should = checkpoint_read_settings(&query->checkpoint, batch_id, &entry, &ignored) && entry.exactly_once;
        offset_entry_free(&entry);
    }
    arena_destroy(&arena);
    return should;
}

/* Goes back to the newest batch whose parts are all whole. The batch after it is run again with the offsets that were
 * written for it. */
static bool find_place(struct stream_query *query, struct sql_error *error) {
    int64_t offsets, commits, sink = INT64_MAX;
    if (!checkpoint_latest(&query->checkpoint, &offsets, &commits, error) ||
        (query->sink_class->latest != NULL && !query->sink_class->latest(query->sink, &sink, error))) {
        return false;
    }
    bool anew = query->sink_class == &memory_sink_class && query->mode == EXEC_COMPLETE; /* every batch has all rows */
    if (offsets >= 0 && !query->sink_class->recovers && !anew) {
        return raise__legacy_error_illegal_argument(error,
            arena_printf(error->arena,
                "This query does not support recovering from checkpoint location. Delete %s/offsets to start over.",
                query->checkpoint.location));
    }
    if (commits > offsets) {
        return raise_streaming_checkpoint_invalid(error, query->checkpoint.location,
            arena_printf(
                error->arena, "it has commits/%lld and no offsets/%lld", (long long)commits, (long long)commits));
    }
    int64_t committed = commits;
    if (sink >= 0 && sink < committed && sink_should_have(query, committed)) {
        committed = sink; /* the power failed between what the sink wrote and commits/N: run those batches again */
        service_log_write(query->manager->options.service_log, LOG_WARN, "MicroBatchExecution",
            "The sink is whole up to batch %lld and commits go to %lld: the batches between are run again",
            (long long)sink, (long long)commits);
    }
    while (committed >= 0 && !state_files_are_there(&query->state_files, query->exec, committed + 1)) {
        committed--; /* the same for the state */
    }
    if (committed >= 0 && (!take_offsets(query, committed, false, error) || !take_watermark(query, committed, error))) {
        return false;
    }
    query->batch_id = committed + 1;
    query->committed_until = commits;
    query->recover_until = offsets;
    query->recovering = offsets > committed;
    query->first_batch = committed < 0;
    if (query->recovering && !take_offsets(query, query->batch_id, true, error)) {
        return false;
    }
    return true;
}

static bool find_starts(struct stream_query *query, struct sql_error *error) {
    bool good = true;
    for (size_t i = 0; i < query->source_count && good; i++) {
        struct query_source *source = &query->sources[i];
        good = source->start.size > 0 || source->reading->class->initial(source->reading, &source->start, error);
    }
    return good;
}

static bool whole_setting(
    struct stream_query *query, const char *name, int64_t standard, int64_t *value, struct sql_error *error) {
    struct bytes text = setting(query, name);
    *value = standard;
    return text.size == 0 || (bytes_to_int64(text, value) && *value > 0) ||
           raise_invalid_conf_value_type_mismatch(
               error, arena_text(error->arena, text), quote_config(error->arena, name), "int");
}

/* A batch into files makes files: with the default trigger one begins at most so often. */
static bool read_batch_interval(struct stream_query *query, struct sql_error *error) {
    struct bytes text = setting(query, "raudal.stream.minBatchInterval");
    if (text.size == 0 && query->start.batch_interval != NULL) {
        text = bytes_from_text(query->start.batch_interval);
    }
    query->batch_interval_ms = BATCH_INTERVAL_MS;
    if (text.size > 0 && (!bytes_to_int64(text, &query->batch_interval_ms) || query->batch_interval_ms < 0)) {
        return raise_invalid_conf_value_type_mismatch(
            error, arena_text(error->arena, text), "raudal.stream.minBatchInterval", "int");
    }
    if (query->sink_class != &file_sink_class || query->start.trigger != STREAM_TRIGGER_DEFAULT) {
        query->batch_interval_ms = 0;
    }
    return true;
}

/* What the checkpoint was begun with holds for its life; a new one has as many state partitions as there are slots,
 * unless the program said how many. */
static bool read_settings(struct stream_query *query, struct sql_error *error) {
    int64_t offsets, commits;
    struct bytes policy = setting(query, "spark.sql.streaming.multipleWatermarkPolicy");
    struct offset_entry entry = {0};
    int64_t slots = (int64_t)exec_slot_count(query->manager->options.engine);
    int64_t standard = query->start.settings.shuffle_partitions == SHUFFLE_PARTITIONS_DEFAULT
                           ? slots
                           : query->start.settings.shuffle_partitions;
    query->runs_without_data =
        !bytes_equal_ignore_case(setting(query, "spark.sql.streaming.noDataMicroBatches.enabled"), BYTES("false"));
    query->watermark_is_maximum = bytes_equal_ignore_case(policy, BYTES("max"));
    query->state_files.store = query->checkpoint.store;
    query->state_files.checkpoint = query->checkpoint.location;
    bool good = read_batch_interval(query, error) &&
                whole_setting(query, "spark.sql.shuffle.partitions", standard, &query->state_partitions, error) &&
                whole_setting(query, "spark.sql.streaming.stateStore.minDeltasForSnapshot", 10,
                    &query->state_files.deltas_per_snapshot, error) &&
                whole_setting(query, "spark.sql.streaming.minBatchesToRetain", BATCHES_RETAINED,
                    &query->state_files.versions_kept, error) &&
                checkpoint_latest(&query->checkpoint, &offsets, &commits, error);
    offsets = query->loss.happened && query->loss.whole_until < offsets ? query->loss.whole_until : offsets;
    if (good && offsets >= 0) {
        good = checkpoint_read_settings(&query->checkpoint, offsets, &entry, error);
        query->state_partitions = entry.shuffle_partitions > 0 ? entry.shuffle_partitions : query->state_partitions;
        query->watermark_is_maximum = entry.watermark_is_maximum;
        query->old_aggregations = good && entry.old_aggregations;
        query->old_joins = good && entry.old_joins;
        query->loose_distribution = good && entry.loose_distribution;
        offset_entry_free(&entry);
    }
    return good;
}

static bool load_state(void *argument, size_t state, size_t partition, struct sql_error *error) {
    struct stream_query *query = argument;
    return state_files_load_partition(&query->state_files, query->exec, state, partition, query->batch_id, error);
}

static bool save_state(void *argument, size_t state, size_t partition, struct sql_error *error) {
    struct stream_query *query = argument;
    return state_files_save_partition(&query->state_files, query->exec, state, partition, query->batch_id + 1, error);
}

static enum walk find_spread(const struct node *node, void *context) {
    bool *spread = context;
    if (node->tag == RELATION_REPARTITION &&
        relation_repartition_of((const struct relation *)node)->expressions.count > 0) {
        *spread = true;
    }
    return WALK_CONTINUE;
}

/* State of earlier versions of Spark whose rows have other columns, or lie in other partitions. */
static bool check_formats(const struct stream_query *query, struct sql_error *error) {
    bool spread = false;
    if (query->loose_distribution && exec_query_state_count(query->exec) > 0) {
        node_walk(&query->start.plan->node, find_spread, NULL, &spread);
    }
    if (spread) {
        return raise_streaming_checkpoint_invalid(error, query->checkpoint.location,
            "its state lies in the partitions of a repartition() by columns, as Spark before 3.3 spread it");
    }
    for (size_t i = 0; i < exec_query_state_count(query->exec); i++) {
        const char *name = exec_query_state(query->exec, i)->operator_name;
        bool old_aggregation = query->old_aggregations && strcmp(name, "stateStoreSave") == 0;
        bool old_join = query->old_joins && strcmp(name, "symmetricHashJoin") == 0;
        if (old_aggregation || old_join) {
            return raise_streaming_checkpoint_invalid(error, query->checkpoint.location,
                arena_printf(error->arena, "its %s have state format 1, as Spark before %s wrote it",
                    old_join ? "joins" : "aggregations", old_join ? "3.0" : "2.4"));
        }
    }
    return true;
}

static bool compile_query(struct stream_query *query, struct sql_error *error) {
    query->exec = exec_query_create_streaming(query->manager->options.engine, query->start.plan, &query->start.settings,
        query->mode, (size_t)query->state_partitions, error);
    if (query->exec == NULL) {
        query->plan_refused = error->condition == CONDITION__LEGACY_ERROR_TEMP_3102 ||
                              error->condition == CONDITION_MULTIPLE_EVENT_TIME_COLUMNS;
        return false;
    }
    size_t count = exec_query_watermark_count(query->exec);
    query->watermarks = ARENA_ARRAY(&query->arena, int64_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        query->watermarks[i] = INT64_MIN;
    }
    if (!check_formats(query, error)) {
        return false;
    }
    exec_query_set_state_files(query->exec, &(struct exec_state_files){query, load_state, save_state});
    return state_files_check(&query->state_files, query->exec, error);
}

static void query_opened(void *argument);

/* The partitions of the state are read side by side on the compute pool, one by each task at a time. */
struct loading {
    struct stream_query *query;
    size_t next, total; /* next: atomic */
    int left;           /* tasks; atomic */
};

static size_t partitions_of(const struct exec_state *state) {
    return state->in_use ? state->used_partitions : 0;
}

static bool load_nth(struct stream_query *query, size_t number, struct sql_error *error) {
    size_t operator= 0;
    while (number >= partitions_of(exec_query_state(query->exec, operator))) {
        number -= partitions_of(exec_query_state(query->exec, operator++));
    }
    return exec_query_load_state(query->exec, operator, number, error);
}

static void load_next(void *argument) {
    struct loading *loading = argument;
    struct stream_query *query = loading->query;
    size_t number = __atomic_fetch_add(&loading->next, 1, __ATOMIC_RELAXED);
    if (number < loading->total && !query->stopping) {
        struct arena arena = {0};
        struct sql_error error = {.arena = &arena};
        if (!load_nth(query, number, &error)) {
            world_mutex_lock(&query->mutex);
            if (query->error.condition == 0) {
                sql_error_copy(&query->error, &error);
            }
            world_mutex_unlock(&query->mutex);
            __atomic_store_n(&loading->next, loading->total, __ATOMIC_RELAXED);
        }
        arena_destroy(&arena);
        exec_submit(query->manager->options.engine, load_next, loading);
    } else if (__atomic_sub_fetch(&loading->left, 1, __ATOMIC_ACQ_REL) == 0) {
        free(loading);
        world_loop_post(query->manager->options.loop, query_opened, query);
    }
}

static void place_query(void *argument) {
    struct stream_query *query = argument;
    struct sql_error *error = &query->error;
    bool good =
        error->condition == 0 && recovery_end(query, error) && find_place(query, error) && find_starts(query, error);
    size_t total = 0, slots = exec_slot_count(query->manager->options.engine);
    for (size_t i = 0; good && query->batch_id > 0 && i < exec_query_state_count(query->exec); i++) {
        total += partitions_of(exec_query_state(query->exec, i));
    }
    if (total == 0) {
        world_loop_post(query->manager->options.loop, query_opened, query);
        return;
    }
    struct loading *loading = calloc(1, sizeof *loading);
    ASSERT(loading != NULL);
    int tasks = (int)(slots < total ? slots : total);
    *loading = (struct loading){query, 0, total, tasks};
    query->state_files.snapshot_version = query->batch_id;
    for (int i = 0; i < tasks; i++) {
        exec_submit(query->manager->options.engine, load_next, loading);
    }
}

static void sink_opened(void *argument, const struct error *error) {
    struct stream_query *query = argument;
    if (error != NULL) {
        sql_error_from(&query->error, error);
    }
    world_pool_submit(query->manager->options.disk_pool, place_query, query);
}

static void open_query(void *argument) {
    struct stream_query *query = argument;
    struct sql_error *error = &query->error;
    query->exactly_once = wants_exactly_once(query);
    bool good = recovery_begin(query, error) && read_settings(query, error) && compile_query(query, error) &&
                real_time_check_plan(query, error) && open_sources(query, error) && open_sink(query, error);
    if (good && query->sink_class->open != NULL) {
        query->sink_class->open(query->sink, sink_opened, query);
    } else {
        place_query(query);
    }
}

/* ---- on the loop ---- */

static void told(struct stream_query *query, bool good) {
    stream_started *started = query->started;
    query->started = NULL;
    if (started != NULL) {
        started(query->started_argument, good ? stream_query_retain(query) : NULL, good ? NULL : &query->error);
    }
}

static void start_failed(struct stream_query *query) {
    told(query, false);
    query_end(query);
}

static void subscribe(struct stream_query *query) {
    for (size_t i = 0; i < query->source_count; i++) {
        struct stream_reading *reading = query->sources[i].reading;
        if (reading->class->subscribe != NULL) {
            query->sources[i].subscription = reading->class->subscribe(reading, query_woken, query);
        }
    }
}

static void log_started(struct stream_query *query) {
    char id[UUID_TEXT_SIZE], run[UUID_TEXT_SIZE];
    struct service_log *log = query->manager->options.service_log;
    uuid_format(query->id, id);
    uuid_format(query->run_id, run);
    service_log_write(log, LOG_INFO, "MicroBatchExecution",
        "Starting [id = %s, runId = %s]. Use %s to store the query checkpoint.", id, run, query->checkpoint.location);
    if (query->batch_id > 0 || query->recovering) {
        service_log_write(log, LOG_INFO, "MicroBatchExecution", "Resuming at batch %lld with committed offsets",
            (long long)query->batch_id);
    } else {
        service_log_write(log, LOG_INFO, "MicroBatchExecution", "Starting new streaming query.");
    }
}

static void query_opened(void *argument) {
    struct stream_query *query = argument;
    if ((query->error.condition != 0 && !query->plan_refused) || query->stopping || query->session == NULL ||
        query->session->destroying) {
        if (query->error.condition == 0) {
            raise_operation_canceled(&query->error);
        }
        start_failed(query);
        return;
    }
    if (query->plan_refused) {
        query->started_ms = world_wall_ms(query->manager->options.world);
        session_query_started(query);
        told(query, true); /* the query has the error */
        query_fail(query);
        return;
    }
    if (query->sink_class == &memory_sink_class) {
        VECTOR_PUSH(&query->session->tables, query->sink);
        query->start.memory_table(query->start.callback_argument, query->start.name, memory_sink_table(query->sink));
    }
    query->state = QUERY_WAITING;
    query->started_ms = world_wall_ms(query->manager->options.world);
    subscribe(query);
    log_started(query);
    lag_show(query);
    session_query_started(query);
    told(query, true);
    query_run(query);
}

/* The id is known: an older run on the same checkpoint is stopped first. */
static void checkpoint_opened(void *argument);

static void older_ended(void *argument, bool terminated, const struct sql_error *error) {
    struct stream_query *query = argument;
    checkpoint_opened(query);
}

static void checkpoint_opened(void *argument) {
    struct stream_query *query = argument;
    if (query->error.condition != 0 || query->stopping) {
        start_failed(query);
        return;
    }
    LIST_FOR_EACH(node, &query->manager->queries) {
        struct stream_query *other = CONTAINER_OF(node, struct stream_query, node);
        bool same = other != query && other->state != QUERY_ENDED && other->checkpoint.location != NULL &&
                    other->state != QUERY_STARTING &&
                    strcmp(other->checkpoint.location, query->checkpoint.location) == 0;
        if (same) {
            service_log_write(query->manager->options.service_log, LOG_WARN, "StreamingQueryManager",
                "Stopping the run of the same checkpoint that is active: %s", query->checkpoint.location);
            stream_query_await(other, -1, older_ended, query);
            stream_query_stop(other, NULL, NULL);
            return;
        }
    }
    world_pool_submit(query->manager->options.disk_pool, open_query, query);
}

static void refused(void *argument) {
    start_failed(argument);
}

void stream_query_start(
    struct stream_session *session, const struct stream_start *start, stream_started *done, void *argument) {
    struct stream_manager *manager = session->manager;
    struct stream_query *query = calloc(1, sizeof *query);
    ASSERT(query != NULL);
    uint8_t random[16];
    world_random(manager->options.world, random, sizeof random);
    *query = (struct stream_query){
        .references = 1, .manager = manager, .session = session, .started = done, .started_argument = argument};
    query->run_id = uuid_from_random(random);
    query->error.arena = query->exception.arena = &query->error_arena;
    query->status = strdup("Initializing sources");
    list_init(&query->waiting);
    world_mutex_init(&query->mutex);
    format_reports_init(&query->reports);
    copy_start(query, start);
    query->start.settings.reports = &query->reports;
    list_append(&manager->queries, &query->node);
    bool good = choose_sink(query, &query->error) && check_trigger(query, &query->error) &&
                read_output_mode(query, &query->error) && check_real_time(query, &query->error) &&
                query_check_plan(query, &query->error) && check_sink_mode(query, &query->error) &&
                check_name(session, query, &query->error);
    if (!good) {
        world_loop_post(manager->options.loop, refused, query);
        return;
    }
    world_pool_run(manager->options.disk_pool, manager->options.loop, open_checkpoint, checkpoint_opened, query);
}

void query_release_plan(struct stream_query *query) {
    if (!query->released && query->start.release != NULL) {
        query->start.release(query->start.release_argument);
    }
    query->released = true;
}
