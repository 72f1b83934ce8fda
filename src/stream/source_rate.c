/* source_rate.c: rate (a number of rows for each second since the query began) and noop. The offset is the number of
 * whole seconds; the instant that they count from is kept in sources/<i>/0, as Spark keeps it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "stream/source.h"

enum { ROWS_PER_BATCH = 8192 };

struct rate_source {
    struct source base;
    struct world *world;
    int64_t rows_per_second, partition_count;
    int64_t start_ms; /* of a micro-batch: the instant of second 0 */
    int64_t from, to; /* seconds */
};

static const struct type *rate_type(void) {
    static struct type_field fields[2];
    static struct type type = {.kind = TYPE_STRUCT, .fields = fields, .field_count = 2};
    fields[0] = (struct type_field){BYTES("timestamp"), type_simple(TYPE_TIMESTAMP), true, BYTES_NULL};
    fields[1] = (struct type_field){BYTES("value"), type_simple(TYPE_LONG), true, BYTES_NULL};
    return &type;
}

static void rate_close(struct source *source) {
    free(source);
}

static bool rate_options(const struct source_request *request, struct rate_source *source, struct sql_error *error) {
    struct bytes rows = source_option_get(request, "rowsPerSecond"),
                 partitions = source_option_get(request, "numPartitions");
    struct bytes ramp = source_option_get(request, "rampUpTime");
    source->rows_per_second = 1;
    source->partition_count = 1;
    if (rows.data != NULL && (!bytes_to_int64(rows, &source->rows_per_second) || source->rows_per_second <= 0 ||
                                 source->rows_per_second > 1000000000)) {
        return raise__legacy_error_illegal_argument(
            error, arena_printf(error->arena, "Invalid value '%.*s'. The option 'rowsPerSecond' must be positive",
                       BYTES_ARGS(rows)));
    }
    if (partitions.data != NULL && (!bytes_to_int64(partitions, &source->partition_count) ||
                                       source->partition_count <= 0 || source->partition_count > 10000)) {
        return raise__legacy_error_illegal_argument(
            error, arena_printf(error->arena, "Invalid value '%.*s'. The option 'numPartitions' must be positive",
                       BYTES_ARGS(partitions)));
    }
    if (ramp.data != NULL && !bytes_equal(ramp, BYTES("0s")) && !bytes_equal(ramp, BYTES("0"))) {
        return raise_unsupported_feature_not_in_this_program(
            error, "Option rampUpTime of the rate source", "Leave it out: rows come at full rate from the start.");
    }
    return true;
}

static struct source *rate_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    struct rate_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    source->base = (struct source){class, rate_type()};
    source->world = request->world;
    if (!rate_options(request, source, error)) {
        free(source);
        return NULL;
    }
    return &source->base;
}

struct rate_scan {
    struct source_scan base;
    const struct source_projection *projection;
};
struct rate_partition {
    struct source_partition base;
    int64_t next, step, end; /* values */
};

static struct source_scan *rate_scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct rate_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    *scan = (struct rate_scan){{source, (size_t)((struct rate_source *)source)->partition_count, 0}, projection};
    return &scan->base;
}
static void rate_scan_end(struct source_scan *scan) {
    free(scan);
}
static struct source_partition *rate_partition_open(struct source_scan *scan, size_t index, struct sql_error *error) {
    struct rate_source *source = (struct rate_source *)scan->source;
    struct rate_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    *partition = (struct rate_partition){{scan}, source->from * source->rows_per_second + (int64_t)index,
        source->partition_count, source->to * source->rows_per_second};
    return &partition->base;
}

static enum source_result rate_partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct rate_partition *partition = (struct rate_partition *)base;
    struct rate_source *source = (struct rate_source *)base->scan->source;
    const struct source_projection *projection = ((struct rate_scan *)base->scan)->projection;
    if (partition->next >= partition->end) {
        return SOURCE_END;
    }
    int64_t left = (partition->end - partition->next + partition->step - 1) / partition->step;
    size_t count = left < ROWS_PER_BATCH ? (size_t)left : ROWS_PER_BATCH;
    struct batch *made = batch_create(projection->schema);
    made->row_count = count;
    for (size_t i = 0; i < projection->column_count; i++) {
        struct column *column = column_create(&made->arena, projection->schema->fields[i].type, count);
        int64_t *values = column->values;
        for (size_t row = 0; row < count; row++) {
            int64_t value = partition->next + (int64_t)row * partition->step;
            /* Rows of a second are spread over it. */
            int64_t within = value % source->rows_per_second * 1000000 / source->rows_per_second;
            values[row] = projection->columns[i] == 1
                              ? value
                              : source->start_ms * 1000 + value / source->rows_per_second * 1000000 + within;
        }
        made->columns[i] = column;
    }
    partition->next += (int64_t)count * partition->step;
    *batch = made;
    return SOURCE_BATCH;
}

static void rate_partition_close(struct source_partition *partition) {
    free(partition);
}

const struct source_class rate_source_class = {.name = "rate",
    .streaming = true,
    .open = rate_open,
    .close = rate_close,
    .scan_begin = rate_scan_begin,
    .scan_end = rate_scan_end,
    .partition_open = rate_partition_open,
    .partition_next = rate_partition_next,
    .partition_close = rate_partition_close};

/* ---- streaming ---- */

struct rate_reading {
    struct stream_reading base;
    struct rate_source *source;
    struct store *store;
    char *checkpoint;
    int64_t start_ms; /* 0: not known yet */
};

static struct stream_reading *reading_open(
    struct source *source, const struct stream_context *context, const char *checkpoint, struct sql_error *error) {
    struct rate_reading *reading = calloc(1, sizeof *reading);
    ASSERT(reading != NULL);
    *reading = (struct rate_reading){
        {&rate_stream_class, source}, (struct rate_source *)source, context->store, strdup(checkpoint), 0};
    return &reading->base;
}

static void reading_close(struct stream_reading *base) {
    free(((struct rate_reading *)base)->checkpoint);
    free(base);
}

/* The instant of second 0: kept in a file, made with the first use. */
static bool find_start(struct rate_reading *reading, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error problem = {0};
    char *path = store_path_join(&arena, reading->checkpoint, "0");
    bool good = true;
    if (reading->start_ms > 0) {
        return true;
    }
    if (store_exists(reading->store, path) && store_read_file(reading->store, path, 4096, &text, &problem) &&
        text.size > 0) {
        size_t line = bytes_find(buffer_view(&text), '\n', 0);
        good = line != SIZE_MAX &&
               bytes_to_int64(bytes_slice(buffer_view(&text), line + 1, text.size - line - 1), &reading->start_ms);
        good = good ||
               raise_streaming_checkpoint_invalid(error, reading->checkpoint, "its file 0 does not hold an instant");
    } else {
        reading->start_ms = world_wall_ms(reading->source->world);
        buffer_printf(&text, "v1\n%lld", (long long)reading->start_ms);
        good = store_write_file(reading->store, path, buffer_view(&text), STORE_WRITE_REPLACE, &problem) ||
               sql_error_from(error, &problem);
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

static bool initial(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    buffer_append_text(offset, "0");
    return find_start((struct rate_reading *)base, error);
}

static bool latest(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    struct rate_reading *reading = (struct rate_reading *)base;
    if (!find_start(reading, error)) {
        return false;
    }
    int64_t seconds = (world_wall_ms(reading->source->world) - reading->start_ms) / 1000;
    buffer_printf(offset, "%lld", (long long)(seconds > 0 ? seconds : 0));
    return true;
}

static struct source *make_batch(
    struct stream_reading *base, struct bytes start, struct bytes end, struct sql_error *error) {
    struct rate_reading *reading = (struct rate_reading *)base;
    struct rate_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    *source = *reading->source;
    if (!find_start(reading, error) || !bytes_to_int64(start, &source->from) || !bytes_to_int64(end, &source->to)) {
        raise_streaming_checkpoint_invalid(error, reading->checkpoint, "an offset of the rate source is not a number");
        free(source);
        return NULL;
    }
    source->start_ms = reading->start_ms;
    return &source->base;
}

static void describe(struct stream_reading *base, struct buffer *out) {
    const struct rate_source *source = ((struct rate_reading *)base)->source;
    buffer_printf(out, "RateStreamV2[rowsPerSecond=%lld, rampUpTimeSeconds=0, numPartitions=%lld",
        (long long)source->rows_per_second, (long long)source->partition_count);
}

const struct stream_source_class rate_stream_class = {.class = &rate_source_class,
    .open = reading_open,
    .close = reading_close,
    .initial = initial,
    .latest = latest,
    .batch = make_batch,
    .describe = describe,
    .poll_ms = 100};

/* ---- noop: a name that only sinks have ---- */

static struct source *noop_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    raise__legacy_error_illegal_argument(error, "noop is a sink: it cannot be read");
    return NULL;
}
static void noop_close(struct source *source) {
}
const struct source_class noop_source_class = {.name = "noop", .batch = true, .open = noop_open, .close = noop_close};
