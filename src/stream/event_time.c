/* event_time.c: the query's watermark, what it means for the stateful operators of each batch, and what the progress
 * says of both.
 *
 * As in Spark: each withWatermark remembers its newest event time less its delay; the query's watermark is the least of
 * them (or the greatest, by multipleWatermarkPolicy), never goes back, and moves only between batches. A batch drops
 * rows older than the watermark of the batch before it, and lets state go that is older than its own. When the
 * watermark moved and there are no new rows, a batch without data runs so that what it closes comes out. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "stream/internal.h"

void event_time_begin_batch(struct stream_query *query) {
    exec_query_set_watermarks(query->exec, query->late_watermark_ms, query->batch_watermark_ms);
}

void event_time_end_batch(struct stream_query *query) {
    size_t count = exec_query_watermark_count(query->exec);
    int64_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        const struct exec_watermark *seen = exec_query_watermark(query->exec, i);
        int64_t *watermark = &query->watermarks[i];
        if (seen->count > 0 && seen->maximum_ms - seen->delay_ms > *watermark) {
            *watermark = seen->maximum_ms - seen->delay_ms;
        }
        int64_t known = *watermark == INT64_MIN ? 0 : *watermark;
        chosen = i == 0 || (query->watermark_is_maximum ? known > chosen : known < chosen) ? known : chosen;
    }
    query->watermark_ms = chosen > query->watermark_ms ? chosen : query->watermark_ms;
    query->ran_batch = true;
}

bool event_time_wants_batch(const struct stream_query *query) {
    bool wanted = false;
    for (size_t i = 0; i < exec_query_state_count(query->exec) && query->ran_batch && query->runs_without_data; i++) {
        const struct exec_state *state = exec_query_state(query->exec, i);
        wanted |=
            state->runs_without_data && !state->watermark_hidden && query->watermark_ms > query->late_watermark_ms;
    }
    return wanted || event_time_next_timeout(query) < query->trigger_start_ms;
}

int64_t event_time_next_timeout(const struct stream_query *query) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < exec_query_state_count(query->exec) && query->runs_without_data; i++) {
        const struct exec_state *state = exec_query_state(query->exec, i);
        bool some = state->times_out && exec_state_row_count(state) > 0;
        next = some && state->next_timeout_ms < next ? state->next_timeout_ms : next;
    }
    return next;
}

static void put_time(const char *name, int64_t ms, bool first, struct buffer *out) {
    buffer_printf(out, "%s\"%s\":\"", first ? "" : ",", name);
    progress_timestamp(ms, out);
    buffer_append_byte(out, '"');
}

/* ,"eventTime":{…}, nothing for a query without event time. */
void event_time_put_progress(const struct stream_query *query, struct buffer *out) {
    size_t count = exec_query_watermark_count(query->exec);
    if (count == 0) {
        return;
    }
    buffer_append_text(out, ",\"eventTime\":{");
    const struct exec_watermark *seen = NULL;
    for (size_t i = 0; i < count && seen == NULL; i++) {
        const struct exec_watermark *one = exec_query_watermark(query->exec, i);
        seen = one->count > 0 ? one : NULL;
    }
    if (seen != NULL) {
        put_time("avg", (int64_t)(seen->sum_ms / (double)seen->count), true, out);
        put_time("max", seen->maximum_ms, false, out);
        put_time("min", seen->minimum_ms, false, out);
    }
    put_time("watermark", query->batch_watermark_ms, seen == NULL, out);
    buffer_append_byte(out, '}');
}

enum { INSTANCES_TOLD = 5 }; /* spark.sql.streaming.stateStore.numStateStoreInstanceMetricsToReport */

/* By name, as Spark sorts them. An operator opens each of its stores in every batch, an aggregation twice, and finds it
 * in memory, but for those that were given back. */
static void put_custom(const struct stream_query *query, const struct exec_state *state, struct buffer *out) {
    bool aggregates = strcmp(state->operator_name, "stateStoreSave") == 0;
    bool deduplicates = bytes_starts_with(bytes_from_text(state->operator_name), "dedupe");
    size_t instances = state->used_partitions * state->store_count;
    long long misses = (long long)(state->loads * (int64_t)state->store_count);
    long long hits = (long long)(query->batch_id * (int64_t)instances) * (aggregates ? 2 : 1) - misses;
    long long snapshot = query->state_files.snapshot_version;
    buffer_append_text(out, "{");
    for (size_t i = 0;
         i < state->used_partitions && i < INSTANCES_TOLD && state->store_count == 1 && !state->hides_instances; i++) {
        buffer_printf(out, "\"SnapshotLastUploaded.partition_%zu_default\":%lld,", i, snapshot > 0 ? snapshot : -1LL);
    }
    buffer_printf(out, "\"forceSnapshotCount\":0,\"loadedMapCacheHitCount\":%lld,\"loadedMapCacheMissCount\":%lld",
        hits < 0 ? 0 : hits, misses);
    if (deduplicates) {
        buffer_printf(out,
            ",\"numDroppedDuplicateRows\":%lld,\"numRowsIncrementallyRemoved\":0,\"numRowsReadDuringEviction\":%lld",
            (long long)state->rows_duplicate,
            (long long)(state->runs_without_data ? exec_state_row_count(state) + state->rows_removed : 0));
    }
    buffer_printf(out, ",\"numSnapshotsAutoRepaired\":0,\"stateOnCurrentVersionSizeBytes\":%lld}",
        (long long)exec_state_memory_size(state));
}

/* ,"stateOperators":[…] */
void event_time_put_states(const struct stream_query *query, struct buffer *out) {
    bool first = true;
    buffer_append_text(out, ",\"stateOperators\":[");
    for (size_t i = 0; i < exec_query_state_count(query->exec); i++) {
        struct exec_state *state = exec_query_state(query->exec, i);
        if (!state->in_use) {
            continue;
        }
        /* Of a batch that the sink has already nothing is run: as in Spark, nothing is known of its state. */
        bool ran = !query->skip_execution;
        long long memory = ran ? (long long)exec_state_memory_size(state) : 0;
        buffer_printf(out,
            "%s{\"operatorName\":\"%s\",\"numRowsTotal\":%lld,\"numRowsUpdated\":%lld,\"allUpdatesTimeMs\":%lld,"
            "\"numRowsRemoved\":%lld,\"allRemovalsTimeMs\":%lld,\"commitTimeMs\":%lld,\"memoryUsedBytes\":%lld,"
            "\"numRowsDroppedByWatermark\":%lld,\"numShufflePartitions\":%zu,\"numStateStoreInstances\":%zu,"
            "\"customMetrics\":",
            first ? "" : ",", state->operator_name, ran ? (long long)exec_state_row_count(state) : 0,
            (long long)state->rows_updated, (long long)(state->updates_ns / 1000000), (long long)state->rows_removed,
            (long long)(state->removals_ns / 1000000), (long long)query->state_commit_ms, memory,
            (long long)state->rows_dropped, state->partition_count,
            state->hides_instances ? 0 : state->used_partitions * state->store_count);
        put_custom(query, state, out);
        buffer_append_byte(out, '}');
        first = false;
    }
    buffer_append_byte(out, ']');
}
