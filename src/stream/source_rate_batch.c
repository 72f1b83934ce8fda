/* source_rate_batch.c: rate-micro-batch: the same number of rows in every batch, whose time advances by the same step.
 * The offset is {"offset":rows so far,"timestamp":time of the next batch}, so a batch is the same whenever it runs. */
#include <jansson.h>
#include <stdlib.h>

#include "base/assert.h"
#include "stream/source.h"

enum { ROWS_PER_BATCH = 8192 };

struct rate_batch_source {
    struct source base;
    int64_t rows_per_batch, partition_count, start_ms, advance_ms;
    int64_t from, to, batch_ms; /* of a micro-batch */
};

static const struct type *rate_batch_type(void) {
    static struct type_field fields[2];
    static struct type type = {.kind = TYPE_STRUCT, .fields = fields, .field_count = 2};
    fields[0] = (struct type_field){BYTES("timestamp"), type_simple(TYPE_TIMESTAMP), true, BYTES_NULL};
    fields[1] = (struct type_field){BYTES("value"), type_simple(TYPE_LONG), true, BYTES_NULL};
    return &type;
}

static bool number_option(
    const struct source_request *request, const char *name, int64_t least, int64_t *value, struct sql_error *error) {
    struct bytes text = source_option_get(request, name);
    return text.data == NULL || (bytes_to_int64(text, value) && *value >= least && *value <= 1000000000000) ||
           raise__legacy_error_illegal_argument(
               error, arena_printf(error->arena, "Invalid value '%.*s'. The option '%s' must be %s", BYTES_ARGS(text),
                          name, least > 0 ? "positive" : "non-negative"));
}

static struct source *rate_batch_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    struct rate_batch_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    *source = (struct rate_batch_source){.base = {class, rate_batch_type()}, .partition_count = 1, .advance_ms = 1000};
    bool good = number_option(request, "rowsPerBatch", 1, &source->rows_per_batch, error) &&
                number_option(request, "numPartitions", 1, &source->partition_count, error) &&
                number_option(request, "startTimestamp", 0, &source->start_ms, error) &&
                number_option(request, "advanceMillisPerBatch", 0, &source->advance_ms, error);
    if (good && source->rows_per_batch == 0) {
        good = raise__legacy_error_illegal_argument(
            error, "Invalid value '0'. The option 'rowsPerBatch' must be positive");
    }
    if (!good || source->partition_count > 10000) {
        raise__legacy_error_illegal_argument(error, "The option 'numPartitions' must be at most 10000");
        free(source);
        return NULL;
    }
    return &source->base;
}

static void rate_batch_close(struct source *source) {
    free(source);
}

struct rate_batch_scan {
    struct source_scan base;
    const struct source_projection *projection;
};
struct rate_batch_partition {
    struct source_partition base;
    int64_t next;
};

static struct source_scan *scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct rate_batch_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    *scan = (struct rate_batch_scan){
        {source, (size_t)((struct rate_batch_source *)source)->partition_count, 0}, projection};
    return &scan->base;
}
static void scan_end(struct source_scan *scan) {
    free(scan);
}
static struct source_partition *partition_open(struct source_scan *scan, size_t index, struct sql_error *error) {
    struct rate_batch_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    *partition =
        (struct rate_batch_partition){{scan}, ((struct rate_batch_source *)scan->source)->from + (int64_t)index};
    return &partition->base;
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct rate_batch_partition *partition = (struct rate_batch_partition *)base;
    struct rate_batch_source *source = (struct rate_batch_source *)base->scan->source;
    const struct source_projection *projection = ((struct rate_batch_scan *)base->scan)->projection;
    int64_t step = source->partition_count, left = (source->to - partition->next + step - 1) / step;
    if (left <= 0) {
        return SOURCE_END;
    }
    size_t count = left < ROWS_PER_BATCH ? (size_t)left : ROWS_PER_BATCH;
    struct batch *made = batch_create(projection->schema);
    made->row_count = count;
    for (size_t i = 0; i < projection->column_count; i++) {
        struct column *column = column_create(&made->arena, projection->schema->fields[i].type, count);
        for (size_t row = 0; row < count; row++) {
            COLUMN_VALUES(column, int64_t)
            [row] = projection->columns[i] == 1 ? partition->next + (int64_t)row * step : source->batch_ms * 1000;
        }
        made->columns[i] = column;
    }
    partition->next += (int64_t)count * step;
    *batch = made;
    return SOURCE_BATCH;
}

static void partition_close(struct source_partition *partition) {
    free(partition);
}

const struct source_class rate_batch_source_class = {.name = "rate-micro-batch",
    .streaming = true,
    .open = rate_batch_open,
    .close = rate_batch_close,
    .scan_begin = scan_begin,
    .scan_end = scan_end,
    .partition_open = partition_open,
    .partition_next = partition_next,
    .partition_close = partition_close};

/* ---- streaming ---- */

struct rate_batch_reading {
    struct stream_reading base;
    bool ends;   /* once, availableNow: one batch */
    int64_t end; /* where it ends; -1: not known yet */
};

static struct stream_reading *reading_open(
    struct source *source, const struct stream_context *context, const char *checkpoint, struct sql_error *error) {
    struct rate_batch_reading *reading = calloc(1, sizeof *reading);
    ASSERT(reading != NULL);
    *reading = (struct rate_batch_reading){{&rate_batch_stream_class, source}, false, -1};
    return &reading->base;
}

static void reading_close(struct stream_reading *reading) {
    free(reading);
}

static void put_offset(int64_t offset, int64_t time_ms, struct buffer *out) {
    buffer_printf(out, "{\"offset\":%lld,\"timestamp\":%lld}", (long long)offset, (long long)time_ms);
}

static bool parse_offset(struct bytes text, int64_t *offset, int64_t *time_ms, struct sql_error *error) {
    json_t *root = json_loadb((const char *)text.data, text.size, 0, NULL);
    json_t *rows = json_object_get(root, "offset"), *time = json_object_get(root, "timestamp");
    bool good = json_is_integer(rows) && json_is_integer(time);
    *offset = json_integer_value(rows);
    *time_ms = json_integer_value(time);
    json_decref(root);
    return good || raise__legacy_error_illegal_argument(error, "an offset of rate-micro-batch cannot be read");
}

static bool initial(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    put_offset(0, ((struct rate_batch_source *)base->source)->start_ms, offset);
    return true;
}

/* There is always a next batch: see `limit`. */
static bool latest(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    put_offset(INT64_MAX, 0, offset);
    return true;
}

static bool limit(struct stream_reading *base, struct bytes start, struct bytes latest_offset, int64_t now_ms,
    struct buffer *end, int64_t *wait_ms, struct sql_error *error) {
    struct rate_batch_reading *reading = (struct rate_batch_reading *)base;
    const struct rate_batch_source *source = (const struct rate_batch_source *)base->source;
    int64_t offset, time_ms;
    if (!parse_offset(start, &offset, &time_ms, error)) {
        return false;
    }
    if (reading->ends && reading->end >= 0 && offset >= reading->end) {
        buffer_append_bytes(end, start);
        return true;
    }
    reading->end = offset + source->rows_per_batch;
    put_offset(reading->end, time_ms + source->advance_ms, end);
    return true;
}

static struct source *make_batch(
    struct stream_reading *base, struct bytes start, struct bytes end, struct sql_error *error) {
    struct rate_batch_source *source = calloc(1, sizeof *source);
    int64_t end_ms;
    ASSERT(source != NULL);
    *source = *(struct rate_batch_source *)base->source;
    if (!parse_offset(start, &source->from, &source->batch_ms, error) ||
        !parse_offset(end, &source->to, &end_ms, error)) {
        free(source);
        return NULL;
    }
    return &source->base;
}

static void describe(struct stream_reading *base, struct buffer *out) {
    const struct rate_batch_source *source = (const struct rate_batch_source *)base->source;
    buffer_printf(out,
        "RatePerMicroBatchStream[rowsPerBatch=%lld, numPartitions=%lld, startTimestamp=%lld, advanceMsPerBatch=%lld]",
        (long long)source->rows_per_batch, (long long)source->partition_count, (long long)source->start_ms,
        (long long)source->advance_ms);
}

static void prepare(struct stream_reading *base, bool once) {
    ((struct rate_batch_reading *)base)->ends = true;
}

const struct stream_source_class rate_batch_stream_class = {.class = &rate_batch_source_class,
    .open = reading_open,
    .close = reading_close,
    .initial = initial,
    .latest = latest,
    .limit = limit,
    .batch = make_batch,
    .describe = describe,
    .prepare = prepare,
    .hides_latest = true,
    .equal_offsets_are_text = true,
    .poll_ms = 100};
