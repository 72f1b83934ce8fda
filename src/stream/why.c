/* why.c: what a person is told of a query beyond its progress: why it has nothing to do, and where the first record
 * stands that did not fit its schema. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "column/timezone.h"
#include "stream/internal.h"
#include "stream/kafka_why.h"

enum { WINDOW_ROWS_MAX = 200000, FILES_PER_HOUR_MAX = 720, FILES_MIN = 100 };

static void add(struct stream_reasons *reasons, struct stream_reason reason) {
    if (reasons->count == ARRAY_COUNT(reasons->items))
        return;
    reason.subject = reason.subject == NULL ? "" : reason.subject;
    reason.other = reason.other == NULL ? "" : reason.other;
    reason.third = reason.third == NULL ? "" : reason.third;
    reasons->items[reasons->count++] = reason;
}

/* ---- event time ---- */

enum clock_form { CLOCK_SECONDS, CLOCK_MINUTES };

/* "10:02:10" or, for minutes, "10:02" when nothing is left of a minute; with its day when that is not `day`. In the
 * session's time zone. */
static const char *clock_text(
    const struct stream_query *query, struct arena *arena, int64_t ms, enum clock_form form, int64_t day_of_ms) {
    const struct timezone *zone = query->start.settings.zone != NULL ? query->start.settings.zone : timezone_utc();
    char text[32], day[32];
    calendar_format_iso_ms(timezone_to_local(zone, ms * 1000) / 1000, text);
    calendar_format_iso_ms(timezone_to_local(zone, day_of_ms * 1000) / 1000, day);
    size_t size = form == CLOCK_MINUTES && ms % 60000 == 0 ? 5 : ms % 1000 == 0 ? 8 : 12;
    return memcmp(text, day, 10) == 0 ? arena_printf(arena, "%.*s", (int)size, text + 11)
                                      : arena_printf(arena, "%.10s %.*s", text, (int)size, text + 11);
}

/* The input that holds the watermark back, when others are further. */
static void add_idle_side(struct stream_query *query, struct stream_reasons *reasons) {
    int64_t least = INT64_MAX, most = INT64_MIN;
    size_t count = exec_query_watermark_count(query->exec);
    for (size_t i = 0; i < count && !query->watermark_is_maximum; i++) {
        int64_t one = query->watermarks[i] == INT64_MIN ? query->watermark_ms : query->watermarks[i];
        least = one < least ? one : least;
        most = one > most ? one : most;
    }
    if (least < most && most > query->watermark_ms) {
        int64_t now = query->watermark_ms;
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_IDLE_SIDE,
                         .subject = clock_text(query, reasons->arena, now, CLOCK_SECONDS, most),
                         .other = clock_text(query, reasons->arena, most, CLOCK_SECONDS, most)});
    }
}

static void add_window(
    struct stream_query *query, const struct exec_state *state, int64_t delay_ms, struct stream_reasons *reasons) {
    struct arena *arena = reasons->arena;
    int64_t now = query->watermark_ms, start, end;
    if (now <= 0) {
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_NO_EVENT_TIME});
    } else if (query->state != QUERY_WAITING || !exec_state_next_window(state, now, WINDOW_ROWS_MAX, &start, &end)) {
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_WATERMARK,
                         .subject = clock_text(query, arena, now, CLOCK_SECONDS, now)});
    } else {
        add(reasons,
            (struct stream_reason){.kind = STREAM_REASON_WINDOW,
                .subject = clock_text(query, arena, now, CLOCK_SECONDS, now),
                .other = arena_printf(arena, "%s\u2013%s", clock_text(query, arena, start / 1000, CLOCK_MINUTES, now),
                    clock_text(query, arena, end / 1000, CLOCK_MINUTES, now)),
                .third = clock_text(query, arena, end / 1000 + delay_ms, CLOCK_SECONDS, now)});
    }
}

static void add_event_time(struct stream_query *query, struct stream_reasons *reasons) {
    size_t count = exec_query_watermark_count(query->exec);
    int64_t delay_ms = 0;
    if (query->mode == EXEC_UPDATE || count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct exec_watermark *one = exec_query_watermark(query->exec, i);
        delay_ms = one->delay_ms > delay_ms ? one->delay_ms : delay_ms;
    }
    bool joins = false;
    for (size_t i = 0; i < exec_query_state_count(query->exec); i++) {
        const struct exec_state *state = exec_query_state(query->exec, i);
        bool aggregates = strcmp(state->operator_name, "stateStoreSave") == 0 ||
                          strcmp(state->operator_name, "sessionWindowStateStoreSaveExec") == 0;
        joins |= state->store_count > 1;
        if (aggregates && query->mode == EXEC_APPEND && state->in_use && query->total_rows > 0) {
            add_idle_side(query, reasons);
            add_window(query, state, delay_ms, reasons);
            return; /* the first operator that holds rows back says it all */
        }
    }
    if (joins && query->total_rows > 0)
        add_idle_side(query, reasons);
}

/* ---- the rest ---- */

static void add_bad_records(struct stream_query *query, struct stream_reasons *reasons) {
    struct format_report report = format_reports_get(&query->reports);
    struct buffer text = {0};
    if (report.bad_record_count == 0)
        return;
    buffer_append_text(&text, query->bad_record_place);
    const char *comma = query->bad_record_place[0] == 0 ? "" : ", ";
    if (report.first_bad_field[0] != 0)
        buffer_printf(&text, "%sfield %s, ", comma, report.first_bad_field);
    else
        buffer_append_text(&text, comma);
    if (report.expected[0] != 0)
        buffer_printf(&text, "expected %s, found %s", report.expected, report.found);
    else
        buffer_printf(&text, "%s: %s", report.reason, report.first_bad_record);
    add(reasons, (struct stream_reason){.kind = STREAM_REASON_BAD_RECORDS,
                     .subject = arena_strdup(reasons->arena, buffer_text(&text)),
                     .count = (int64_t)report.bad_record_count});
    buffer_free(&text);
}

static void add_trigger(struct stream_query *query, struct stream_reasons *reasons) {
    int64_t wall = world_wall_ms(query->manager->options.world);
    bool waits = query->state == QUERY_WAITING && query->start.trigger == STREAM_TRIGGER_PROCESSING_TIME &&
                 query->interval_ms >= 1000;
    if (waits)
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_TRIGGER,
                         .subject = arena_text(reasons->arena, query->start.trigger_interval),
                         .count = (query->interval_ms - wall % query->interval_ms + 999) / 1000});
}

static void add_output(struct stream_query *query, struct stream_reasons *reasons) {
    int64_t wall = world_wall_ms(query->manager->options.world), ran_ms = wall - query->started_ms;
    if (query->last.batch_count == 0)
        return;
    if (query->mode == EXEC_COMPLETE && query->last.state_rows == 0)
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_COMPLETE_EMPTY});
    bool stateless = exec_query_state_count(query->exec) == 0;
    if (stateless && query->sink_class->counts_rows && query->last_rows_read > 0 && query->last_rows_written == 0)
        add(reasons, (struct stream_reason){.kind = STREAM_REASON_ALL_FILTERED, .count = query->last_rows_read});
    if (query->files_written >= FILES_MIN && ran_ms > 0) {
        int64_t per_hour = (int64_t)((double)query->files_written * 3600000 / (double)ran_ms);
        if (per_hour > FILES_PER_HOUR_MAX)
            add(reasons,
                (struct stream_reason){.kind = STREAM_REASON_SMALL_FILES, .subject = "1 minute", .count = per_hour});
    }
}

static int compare_kinds(const void *left, const void *right) {
    const struct stream_reason *a = left, *b = right;
    return (a->kind > b->kind) - (a->kind < b->kind);
}

void stream_query_reasons(struct stream_query *query, struct stream_reasons *reasons) {
    bool is_new = query->committed_until < 0;
    if (query->state == QUERY_STARTING || query->state == QUERY_ENDED || query->exec == NULL)
        return;
    add_bad_records(query, reasons);
    add_event_time(query, reasons);
    add_output(query, reasons);
    size_t before = reasons->count;
    bool behind = false, all_read = false, waits = query->state == QUERY_WAITING;
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        const char *checkpoint = stream_query_checkpoint(query);
        if (source->reading != NULL && source->reading->class->reasons != NULL)
            source->reading->class->reasons(source->reading, buffer_view(&source->start), is_new ? NULL : checkpoint,
                query->total_rows > 0, waits ? source->wait_ms : 0, reasons);
    }
    for (size_t i = before; i < reasons->count; i++) {
        behind |= reasons->items[i].kind == STREAM_REASON_BEHIND;
        all_read |= reasons->items[i].kind == STREAM_REASON_ALL_READ;
    }
    if (behind || !all_read)
        add_trigger(query, reasons);
    if (reasons->count > 1) /* qsort keeps no order among equals; there the topics' names decide nothing */
        qsort(reasons->items, reasons->count, sizeof *reasons->items, compare_kinds);
}

/* ---- the first record that did not fit ---- */

/* The batch in which it was, looked through once. Holds nothing of the query but a reference: it may end meanwhile. */
struct search {
    struct stream_query *query;
    struct stream_kafka *kafka;
    size_t count;
    struct buffer *starts, *ends;
    struct format_report report;
    char place[sizeof((struct stream_query *)0)->bad_record_place];
};

static void look(void *argument) {
    struct search *search = argument;
    struct bytes text = bytes_from_text(search->report.first_bad_record);
    for (size_t i = 0; i < search->count && search->place[0] == 0; i++)
        kafka_find_record(search->kafka, buffer_view(&search->starts[i]), buffer_view(&search->ends[i]), text,
            search->place, sizeof search->place);
}

static void looked(void *argument) {
    struct search *search = argument;
    struct stream_query *query = search->query;
    struct stream_manager *manager = query->manager;
    memcpy(query->bad_record_place, search->place, sizeof search->place);
    for (size_t i = 0; i < search->count; i++) {
        buffer_free(&search->starts[i]);
        buffer_free(&search->ends[i]);
    }
    free(search->starts);
    free(search->ends);
    free(search);
    stream_query_release(query);
    manager->ending--;
    manager_check_gone(manager);
}

void query_note_bad_record(struct stream_query *query) {
    struct stream_manager *manager = query->manager;
    if (query->bad_record_seen || manager->options.kafka == NULL)
        return;
    struct format_report report = format_reports_get(&query->reports);
    if (report.bad_record_count == 0)
        return;
    query->bad_record_seen = true;
    struct search *search = calloc(1, sizeof *search);
    ASSERT(search != NULL);
    search->query = stream_query_retain(query);
    search->kafka = manager->options.kafka;
    search->report = report;
    search->starts = calloc(query->source_count + 1, sizeof *search->starts);
    search->ends = calloc(query->source_count + 1, sizeof *search->ends);
    ASSERT(search->starts != NULL && search->ends != NULL);
    for (size_t i = 0; i < query->source_count; i++) {
        if (query->sources[i].reading->class != &kafka_stream_class)
            continue;
        buffer_append_bytes(&search->starts[search->count], buffer_view(&query->sources[i].start));
        buffer_append_bytes(&search->ends[search->count++], buffer_view(&query->sources[i].end));
    }
    manager->ending++; /* neither it nor its Kafka goes before the search has ended */
    world_pool_run(manager->options.disk_pool, manager->options.loop, look, looked, search);
}
