/* real_time.c: the trigger realTime. A batch lasts as long as the trigger says. What arrives meanwhile is run at once,
 * in pieces that leave nothing in the checkpoint; offsets and commits are written when the batch ends. After a crash
 * the pieces since the last batch are run again: at least once, as in Spark. Between the pieces a query waits as with
 * the default trigger, and costs nothing. */
#include "stream/internal.h"

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
