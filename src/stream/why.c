/* why.c: what a person is told of a query beyond its progress: why it has nothing to do, and where the first record
 * stands that did not fit its schema. */
#include <stdlib.h>

#include "base/assert.h"
#include "stream/internal.h"
#include "stream/kafka_why.h"

void stream_query_reasons(struct stream_query *query, struct stream_reasons *reasons) {
    bool is_new = query->committed_until < 0;
    if (query->state == QUERY_STARTING || query->state == QUERY_ENDED)
        return;
    bool appends =
        query->start.output_mode.size == 0 || bytes_equal_ignore_case(query->start.output_mode, BYTES("append"));
    if (appends && query->exec != NULL && exec_query_watermark_count(query->exec) > 0 &&
        exec_query_state_count(query->exec) > 0 && reasons->count < ARRAY_COUNT(reasons->items))
        reasons->items[reasons->count++] = (struct stream_reason){STREAM_REASON_WATERMARK, "", "", query->watermark_ms};
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        const char *checkpoint = stream_query_checkpoint(query);
        if (source->reading != NULL && source->reading->class->reasons != NULL)
            source->reading->class->reasons(source->reading, buffer_view(&source->start), is_new ? NULL : checkpoint,
                query->total_rows > 0, reasons);
    }
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
