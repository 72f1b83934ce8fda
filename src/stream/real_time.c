/* real_time.c: the trigger realTime. A batch lasts as long as the trigger says. What arrives meanwhile is run at once,
 * in pieces that leave nothing in the checkpoint; offsets and commits are written when the batch ends. After a crash
 * the pieces since the last batch are run again: at least once, as in Spark. Between the pieces a query waits as with
 * the default trigger, and costs nothing. */
#include "exec/state.h"
#include "sql/sql.h"
#include "stream/internal.h"

/* ---- what it takes ---- */

/* Spark's names for what it refuses. */
struct spark_name {
    const char *ours, *name;
};

static const struct spark_name sinks[] = {{"noop", "org.apache.spark.sql.execution.datasources.noop.NoopTable$"},
    {"memory", "org.apache.spark.sql.execution.streaming.sources.MemorySink"},
    {"foreachBatch", "org.apache.spark.sql.execution.streaming.sources.ForeachBatchSink"},
    {"file", "org.apache.spark.sql.execution.streaming.sinks.FileStreamSink"}};

static const struct spark_name sources[] = {
    {"rate", "org.apache.spark.sql.execution.streaming.sources.RateStreamMicroBatchStream"},
    {"rate-micro-batch", "org.apache.spark.sql.execution.streaming.sources.RatePerMicroBatchStream"},
    {"socket", "org.apache.spark.sql.execution.streaming.sources.TextSocketMicroBatchStream"}};

#define OPERATORS "org.apache.spark.sql.execution.streaming.operators.stateful."
static const struct spark_name operators[] = {{"stateStoreSave", OPERATORS "StateStoreSaveExec"},
    {"dedupe", OPERATORS "StreamingDeduplicateExec"},
    {"dedupeWithinWatermark", OPERATORS "StreamingDeduplicateWithinWatermarkExec"},
    {"symmetricHashJoin", OPERATORS "join.StreamingSymmetricHashJoinExec"},
    {"sessionWindowStateStoreSaveExec", OPERATORS "SessionWindowStateStoreSaveExec"},
    {"globalLimit", OPERATORS "StreamingGlobalLimitExec"},
    {"applyInPandasWithState", "org.apache.spark.sql.execution.python.streaming.FlatMapGroupsInPandasWithStateExec"}};

static const char *find_name(const struct spark_name *names, size_t count, struct bytes ours) {
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(ours, names[i].ours)) {
            return names[i].name;
        }
    }
    return NULL;
}

bool real_time_check(const struct stream_query *query, int64_t least_ms, struct sql_error *error) {
    struct arena *arena = error->arena;
    const char *sink = find_name(sinks, ARRAY_COUNT(sinks), bytes_from_text(query->sink_class->name));
    if (query->real_time_ms < least_ms) {
        return raise_invalid_streaming_real_time_mode_trigger_interval(error,
            arena_printf(arena, "%lld", (long long)query->real_time_ms),
            arena_printf(arena, "%lld", (long long)least_ms));
    }
    if (query->mode != EXEC_UPDATE) {
        return raise_streaming_real_time_mode_output_mode_not_supported(
            error, query->mode == EXEC_APPEND ? "Append" : "Complete");
    }
    return sink == NULL || raise_streaming_real_time_mode_operator_or_sink_not_in_allowlist(
                               error, "sink", arena_printf(arena, "%s is", sink));
}

bool real_time_check_plan(struct stream_query *query, struct sql_error *error) {
    if (query->real_time_ms == 0) {
        return true;
    }
    query->plan_refused = true;
    if (exec_query_state_count(query->exec) > 0) {
        const char *ours = exec_query_state(query->exec, 0)->operator_name;
        const char *name = find_name(operators, ARRAY_COUNT(operators), bytes_from_text(ours));
        return raise_streaming_real_time_mode_operator_or_sink_not_in_allowlist(
            error, "operator", arena_printf(error->arena, "%s is", name == NULL ? ours : name));
    }
    for (size_t i = 0; i < exec_query_stream_count(query->exec); i++) {
        struct bytes format = relation_scan_of(exec_query_stream_plan(query->exec, i))->format;
        const char *name = find_name(sources, ARRAY_COUNT(sources), format);
        if (!bytes_equal(format, BYTES("kafka"))) {
            return raise_streaming_real_time_mode_input_stream_not_supported(
                error, name == NULL ? "org.apache.spark.sql.execution.streaming.runtime.FileStreamSource" : name);
        }
    }
    query->plan_refused = false;
    return true;
}

/* ---- pieces ---- */

static int64_t now_ns(const struct stream_query *query) {
    return world_monotonic_ns(query->manager->options.world);
}

bool real_time_is_piece(const struct stream_query *query) {
    return query->real_time_ms > 0 && !query->recovering && query->batch_id > query->recover_until;
}

int64_t real_time_left_ms(const struct stream_query *query) {
    if (!query->long_batch) {
        return INT64_MAX;
    }
    int64_t left = query->real_time_ms - (now_ns(query) - query->long_start_ns) / 1000000;
    return left > 0 ? left : 0;
}

static void copy_buffer(struct buffer *to, const struct buffer *from) {
    buffer_clear(to);
    buffer_append_bytes(to, buffer_view(from));
}

void real_time_end_piece(struct stream_query *query) {
    if (!query->long_batch) {
        query->long_batch = true;
        query->long_start_ns = query->trigger_start_ns;
        query->long_start_ms = query->trigger_start_ms;
        query->long_output_rows = 0;
    }
    query->long_output_rows += query->sink->rows;
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->long_start.size == 0) {
            copy_buffer(&source->long_start, &source->start);
        }
        source->long_rows += source->rows;
        copy_buffer(&source->start, &source->end);
    }
}

void real_time_end_batch(struct stream_query *query) {
    query->long_batch = false;
    query->has_batch = true;
    query->skip_execution = false;
    query->trigger_start_ns = query->long_start_ns;
    query->trigger_start_ms = query->batch_timestamp_ms = query->long_start_ms;
    query->last_trigger_ms = query->long_before_ms;
    query->long_before_ms = query->long_start_ms;
    query->sink->rows = query->long_output_rows;
    query->durations = (struct durations){0};
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        copy_buffer(&source->end, &source->start);
        copy_buffer(&source->start, &source->long_start);
        buffer_clear(&source->long_start);
        source->rows = source->long_rows;
        source->long_rows = 0;
    }
}
