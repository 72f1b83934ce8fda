/* progress.c: what a query says of itself, as Spark's JSON: StreamingQueryProgress and the listener's events. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "column/text.h"
#include "stream/internal.h"

void progress_timestamp(int64_t wall_ms, struct buffer *out) {
    char text[32];
    calendar_format_iso_ms(wall_ms, text);
    buffer_append_text(out, text);
}

static void put_ids(const struct stream_query *query, struct buffer *out) {
    char id[UUID_TEXT_SIZE], run[UUID_TEXT_SIZE];
    uuid_format(query->id, id);
    uuid_format(query->run_id, run);
    buffer_printf(out, "\"id\":\"%s\",\"runId\":\"%s\"", id, run);
}

static void put_name(const struct stream_query *query, struct buffer *out) {
    if (query->start.name.size > 0) {
        buffer_append_json_string(out, query->start.name);
    } else {
        buffer_append_text(out, "null");
    }
}

/* ,"name":rate, with one decimal as in Spark 4.3; an endless time (there was no trigger before) gives 0. */
static void put_rate(const char *name, int64_t rows, double seconds, struct buffer *out) {
    buffer_printf(out, ",\"%s\":", name);
    double_format(seconds > 0 ? floor((double)rows / seconds * 10 + 0.5) / 10 : 0.0, out);
}

static void put_offset(const char *name, const struct buffer *offset, struct buffer *out) {
    buffer_printf(out, ",\"%s\":", name);
    if (offset->size == 0) {
        buffer_append_text(out, "null");
    } else {
        buffer_append_bytes(out, buffer_view(offset));
    }
}

static void put_source(
    const struct stream_query *query, size_t index, double input_seconds, double work_seconds, struct buffer *out) {
    const struct query_source *source = &query->sources[index];
    struct stream_metrics metrics = {0};
    buffer_append_text(out, index > 0 ? ",{\"description\":" : "{\"description\":");
    buffer_append_json_string(out, buffer_view(&source->description));
    bool first = query->first_batch;
    put_offset("startOffset", first ? &(struct buffer){0} : &source->start, out);
    put_offset("endOffset", &source->end, out);
    put_offset("latestOffset", source->reading->class->hides_latest ? &(struct buffer){0} : &source->latest, out);
    buffer_printf(out, ",\"numInputRows\":%lld", (long long)source->rows);
    put_rate("inputRowsPerSecond", source->rows, input_seconds, out);
    put_rate("processedRowsPerSecond", source->rows, work_seconds, out);
    if (source->reading->class->metrics != NULL && source->latest.size > 0) {
        source->reading->class->metrics(
            source->reading, buffer_view(&source->end), buffer_view(&source->latest), &metrics);
    }
    for (size_t i = 0; i < metrics.count; i++) {
        buffer_printf(out, "%s\"%s\":\"%s\"", i == 0 ? ",\"metrics\":{" : ",", metrics.names[i], metrics.values[i]);
    }
    buffer_append_text(out, metrics.count > 0 ? "}}" : "}");
}

static void put_durations(const struct durations *durations, struct buffer *out) {
    buffer_printf(out,
        ",\"durationMs\":{\"addBatch\":%lld,\"commitOffsets\":%lld,\"getBatch\":%lld,\"latestOffset\":%lld,"
        "\"queryPlanning\":%lld,"
        "\"triggerExecution\":%lld,\"walCommit\":%lld}",
        (long long)durations->add_batch, (long long)durations->commit_offsets, (long long)durations->get_batch,
        (long long)durations->latest_offset, (long long)durations->query_planning,
        (long long)durations->trigger_execution, (long long)durations->wal_commit);
}

static void put_sink(const struct stream_query *query, struct buffer *out) {
    struct buffer description = {0};
    query->sink_class->describe(query->sink, &description);
    buffer_append_text(out, ",\"sink\":{\"description\":");
    buffer_append_json_string(out, buffer_view(&description));
    buffer_printf(
        out, ",\"numOutputRows\":%lld}", query->sink_class->counts_rows ? (long long)query->sink->rows : -1LL);
    buffer_free(&description);
}

/* A value as Row.json writes it. */
static void put_value(const struct column *column, size_t row, const struct timezone *zone, struct buffer *out) {
    const struct type *type = column->type;
    struct buffer text = {0};
    row = column->constant ? 0 : row;
    bool list = type->kind == TYPE_ARRAY;
    if (column_is_null(column, row) || type->kind == TYPE_NULL) {
        buffer_append_text(out, "null");
    } else if (list || type->kind == TYPE_STRUCT) {
        size_t first = list ? (size_t)column->offsets[row] : 0;
        size_t count = list ? (size_t)column->offsets[row + 1] - first : type->field_count;
        buffer_append_byte(out, list ? '[' : '{');
        for (size_t i = 0; i < count; i++) {
            buffer_append_text(out, i > 0 ? "," : "");
            if (!list) {
                buffer_append_json_string(out, type->fields[i].name);
                buffer_append_byte(out, ':');
            }
            put_value(column->children[list ? 0 : i], list ? first + i : row, zone, out);
        }
        buffer_append_byte(out, list ? ']' : '}');
    } else {
        value_format(column, row, zone, &text);
        bool finite = text.size > 0 && strchr("-0123456789", text.data[text.size - 1]) != NULL;
        if (type->kind == TYPE_BOOLEAN || (type_is_numeric(type) && finite)) {
            buffer_append_bytes(out, buffer_view(&text));
        } else {
            buffer_append_json_string(out, buffer_view(&text));
        }
    }
    buffer_free(&text);
}

/* ,"observedMetrics":{…}, nothing for a query without observe(). By name, as Spark sorts them. */
static void put_observed(const struct stream_query *query, struct buffer *out) {
    size_t count = query->skip_execution ? 0 : exec_query_observation_count(query->exec), shown = 0;
    const struct exec_observation *last = NULL;
    for (;;) {
        const struct exec_observation *next = NULL;
        for (size_t i = 0; i < count; i++) {
            const struct exec_observation *one = exec_query_observation(query->exec, i);
            if (one->row != NULL && (last == NULL || bytes_compare(one->name, last->name) > 0) &&
                (next == NULL || bytes_compare(one->name, next->name) < 0)) {
                next = one;
            }
        }
        if (next == NULL) {
            break;
        }
        buffer_append_text(out, shown++ == 0 ? ",\"observedMetrics\":{" : ",");
        buffer_append_json_string(out, next->name);
        buffer_append_text(out, ":{");
        for (size_t i = 0; i < next->schema->field_count; i++) {
            buffer_append_text(out, i > 0 ? "," : "");
            buffer_append_json_string(out, next->schema->fields[i].name);
            buffer_append_byte(out, ':');
            put_value(next->row->columns[i], 0, query->start.settings.zone, out);
        }
        buffer_append_byte(out, '}');
        last = next;
    }
    buffer_append_text(out, shown > 0 ? "}" : "");
}

static void keep_progress(struct stream_query *query, struct bytes text) {
    if (query->progress.count == PROGRESS_MAX) {
        free((void *)(uintptr_t)query->progress.items[0].data);
        VECTOR_REMOVE(&query->progress, 0);
    }
    uint8_t *copy = malloc(text.size + 1);
    ASSERT(copy != NULL);
    memcpy(copy, text.data, text.size);
    VECTOR_PUSH(&query->progress, bytes_make(copy, text.size));
}

void progress_make(struct stream_query *query) {
    struct buffer json = {0}, event = {0};
    int64_t rows = 0, since_last = query->last_trigger_ms > 0 ? query->trigger_start_ms - query->last_trigger_ms : 0;
    int64_t work_ms = query->durations.trigger_execution > 0 ? query->durations.trigger_execution : 1;
    double input_seconds = (double)since_last / 1000, work_seconds = (double)work_ms / 1000;
    for (size_t i = 0; i < query->source_count; i++) {
        rows += query->sources[i].rows;
    }
    buffer_append_byte(&json, '{');
    put_ids(query, &json);
    buffer_append_text(&json, ",\"name\":");
    put_name(query, &json);
    buffer_append_text(&json, ",\"timestamp\":\"");
    progress_timestamp(query->trigger_start_ms, &json);
    buffer_printf(&json, "\",\"batchId\":%lld,\"batchDuration\":%lld,\"numInputRows\":%lld", (long long)query->batch_id,
        (long long)query->durations.trigger_execution, (long long)rows);
    put_rate("inputRowsPerSecond", rows, input_seconds, &json);
    put_rate("processedRowsPerSecond", rows, work_seconds, &json);
    put_durations(&query->durations, &json);
    event_time_put_progress(query, &json);
    event_time_put_states(query, &json);
    buffer_append_text(&json, ",\"sources\":[");
    for (size_t i = 0; i < query->source_count; i++) {
        put_source(query, i, input_seconds, work_seconds, &json);
    }
    buffer_append_byte(&json, ']');
    put_sink(query, &json);
    put_observed(query, &json);
    buffer_append_byte(&json, '}');
    query->total_rows += rows;
    query->last_rows_read = rows;
    query->last_rows_written = query->sink->rows;
    history_add(query, rows, input_seconds, work_seconds);
    query->last_event_ms = query->trigger_start_ms;
    keep_progress(query, buffer_view(&json));
    service_log_write(query->manager->options.service_log, LOG_INFO, "MicroBatchExecution",
        "Streaming query made progress: %s", buffer_text(&json));
    buffer_printf(&event, "{\"progress\":%s}", buffer_text(&json));
    session_tell(query->session, STREAM_EVENT_PROGRESS, buffer_view(&event));
    buffer_free(&json);
    buffer_free(&event);
}

void stream_query_started_json(const struct stream_query *query, struct buffer *out) {
    buffer_append_byte(out, '{');
    put_ids(query, out);
    buffer_append_text(out, ",\"name\":");
    put_name(query, out);
    buffer_append_text(out, ",\"timestamp\":\"");
    progress_timestamp(query->started_ms, out);
    buffer_append_text(out, "\",\"jobTags\":[]}");
}

void progress_idle(struct stream_query *query) {
    struct buffer event = {0};
    int64_t now = world_wall_ms(query->manager->options.world);
    if (now - query->last_event_ms < IDLE_EVENT_MS) {
        return;
    }
    query->last_event_ms = now;
    buffer_append_byte(&event, '{');
    put_ids(query, &event);
    buffer_append_text(&event, ",\"timestamp\":\"");
    progress_timestamp(now, &event);
    buffer_append_text(&event, "\"}");
    service_log_write(query->manager->options.service_log, LOG_INFO, "MicroBatchExecution",
        "Streaming query has been idle and waiting for new data more than %d ms.", IDLE_EVENT_MS);
    session_tell(query->session, STREAM_EVENT_IDLE, buffer_view(&event));
    buffer_free(&event);
}

void progress_terminated(struct stream_query *query) {
    struct buffer event = {0};
    buffer_append_byte(&event, '{');
    put_ids(query, &event);
    buffer_append_text(&event, ",\"exception\":");
    if (query->has_exception) {
        buffer_append_json_string(&event, bytes_from_text(sql_error_message(&query->exception)));
        buffer_append_text(&event, ",\"errorClassOnException\":");
        buffer_append_json_string(&event, bytes_from_text(sql_error_condition(&query->error)));
    } else {
        buffer_append_text(&event, "null,\"errorClassOnException\":null");
    }
    buffer_append_byte(&event, '}');
    session_tell(query->session, STREAM_EVENT_TERMINATED, buffer_view(&event));
    buffer_free(&event);
}
