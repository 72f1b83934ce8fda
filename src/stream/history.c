/* history.c: what pages show of a query besides its progress texts: its whole run in a bounded number of samples.
 *
 * Each batch is a sample. When HISTORY_MAX of them are there, each two neighbours become one, and from then on a sample
 * gathers twice as many batches before the next one begins: the run is always covered from its start to now, in between
 * HISTORY_MAX / 2 and HISTORY_MAX samples of equal weight. */
#include "base/assert.h"
#include "format/format.h"
#include "stream/internal.h"

/* Adds the batches of `more` to `sample`. */
static void merge(struct stream_sample *sample, const struct stream_sample *more) {
    double left = (double)sample->batch_count, right = (double)more->batch_count, all = left + right;
    const struct {
        double *to;
        double from;
    } averages[] = {
        {&sample->input_rows_per_second, more->input_rows_per_second},
        {&sample->processed_rows_per_second, more->processed_rows_per_second},
        {&sample->duration_ms, more->duration_ms},
        {&sample->add_batch_ms, more->add_batch_ms},
        {&sample->query_planning_ms, more->query_planning_ms},
        {&sample->get_batch_ms, more->get_batch_ms},
        {&sample->latest_offset_ms, more->latest_offset_ms},
        {&sample->wal_commit_ms, more->wal_commit_ms},
        {&sample->commit_offsets_ms, more->commit_offsets_ms},
        {&sample->state_rows, more->state_rows},
    };
    for (size_t i = 0; i < ARRAY_COUNT(averages); i++) {
        *averages[i].to = (*averages[i].to * left + averages[i].from * right) / all;
    }
    sample->timestamp_ms = more->timestamp_ms;
    sample->batch_id = more->batch_id;
    sample->batch_count += more->batch_count;
    sample->input_rows += more->input_rows;
}

static void halve(struct stream_query *query) {
    struct stream_sample *samples = query->history.items;
    size_t count = query->history.count / 2;
    for (size_t i = 0; i < count; i++) {
        samples[i] = samples[2 * i];
        merge(&samples[i], &samples[2 * i + 1]);
    }
    query->history.count = count;
}

void history_push(struct stream_query *query, struct stream_sample sample) {
    int64_t batch_count = query->last.batch_count + 1;
    query->last = sample;
    query->last.batch_count = batch_count;
    if (query->history.count == HISTORY_MAX &&
        query->history.items[HISTORY_MAX - 1].batch_count >= query->history.items[0].batch_count) {
        halve(query);
    }
    struct stream_sample *newest = query->history.count == 0 ? NULL : &query->history.items[query->history.count - 1];
    if (newest != NULL && newest->batch_count < query->history.items[0].batch_count) {
        merge(newest, &sample);
    } else {
        VECTOR_PUSH(&query->history, sample);
    }
}

static int64_t count_state_rows(const struct stream_query *query) {
    int64_t rows = 0;
    for (size_t i = 0; i < exec_query_state_count(query->exec); i++) {
        rows += exec_state_row_count(exec_query_state(query->exec, i));
    }
    return rows;
}

void history_add(struct stream_query *query, int64_t rows, double input_seconds, double work_seconds) {
    const struct durations *durations = &query->durations;
    struct stream_sample sample = {
        .timestamp_ms = query->trigger_start_ms,
        .batch_id = query->batch_id,
        .batch_count = 1,
        .input_rows = rows,
        .input_rows_per_second = input_seconds > 0 ? (double)rows / input_seconds : 0,
        .processed_rows_per_second = work_seconds > 0 ? (double)rows / work_seconds : 0,
        .duration_ms = (double)durations->trigger_execution,
        .add_batch_ms = (double)durations->add_batch,
        .query_planning_ms = (double)durations->query_planning,
        .get_batch_ms = (double)durations->get_batch,
        .latest_offset_ms = (double)durations->latest_offset,
        .wal_commit_ms = (double)durations->wal_commit,
        .commit_offsets_ms = (double)durations->commit_offsets,
        .state_rows = (double)count_state_rows(query),
    };
    history_push(query, sample);
}

size_t stream_query_history(const struct stream_query *query, const struct stream_sample **samples) {
    *samples = query->history.items;
    return query->history.count;
}

const char *stream_query_checkpoint(const struct stream_query *query) {
    return query->checkpoint.temporary || query->checkpoint.location == NULL ? "" : query->checkpoint.location;
}

static void add_averages(const struct stream_query *query, struct stream_summary *summary) {
    double input = 0, processed = 0, batches = 0;
    for (size_t i = 0; i < query->history.count; i++) {
        const struct stream_sample *sample = &query->history.items[i];
        input += sample->input_rows_per_second * (double)sample->batch_count;
        processed += sample->processed_rows_per_second * (double)sample->batch_count;
        batches += (double)sample->batch_count;
    }
    summary->average_input_rows_per_second = batches > 0 ? input / batches : 0;
    summary->average_processed_rows_per_second = batches > 0 ? processed / batches : 0;
}

static const char *text_of(struct arena *arena, struct bytes text) {
    return text.size > 0 ? arena_text(arena, text) : "";
}

void stream_query_summarize(struct stream_query *query, struct arena *arena, struct stream_summary *summary) {
    struct format_report report = format_reports_get(&query->reports);
    *summary = (struct stream_summary){
        .query = query,
        .id = query->id,
        .run_id = query->run_id,
        .name = text_of(arena, query->start.name),
        .session_id = text_of(arena, query->start.session_id),
        .status = query->status == NULL ? "" : query->status,
        .active = query->state != QUERY_ENDED,
        .started_ms = query->started_ms,
        .ended_ms = query->ended_ms,
        .batch_id = query->last.batch_count > 0 ? query->last.batch_id : -1,
        .batch_count = query->last.batch_count,
        .input_rows = query->total_rows,
        .input_rows_per_second = query->last.input_rows_per_second,
        .processed_rows_per_second = query->last.processed_rows_per_second,
        .duration_ms = query->last.duration_ms,
        .sink = query->sink_class != NULL ? query->sink_class->name : "",
        .exception = query->has_exception ? sql_error_message(&query->exception) : "",
        .bad_record_count = report.bad_record_count,
        .first_bad_record = arena_strdup(arena, report.first_bad_record),
        .first_bad_field = arena_strdup(arena, report.first_bad_field),
        .first_bad_reason = arena_strdup(arena, report.reason),
        .first_bad_place = query->bad_record_place,
    };
    add_averages(query, summary);
}
