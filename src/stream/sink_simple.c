/* sink_simple.c: console, memory and noop. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/vector.h"
#include "exec/show.h"
#include "stream/sink.h"

static const struct sink_class *const classes[] = {&console_sink_class, &memory_sink_class, &kafka_sink_class,
    &noop_sink_class, &foreach_sink_class, &foreach_batch_sink_class};

const struct sink_class *sink_find(struct bytes format) {
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (bytes_equal_ignore_case(format, bytes_from_text(classes[i]->name))) {
            return classes[i];
        }
    }
    return format_find(format) != NULL ? &file_sink_class : NULL;
}

struct bytes sink_option(const struct sink_request *request, const char *name) {
    for (size_t i = 0; i < request->option_count; i++) {
        if (bytes_equal_ignore_case(request->options[i].key, bytes_from_text(name))) {
            return request->options[i].value;
        }
    }
    return BYTES_NULL;
}

/* ---- rows kept in order of partition ---- */

struct kept_partition {
    VECTOR(struct batch *) batches;
};
struct kept_rows {
    struct world_mutex mutex;
    VECTOR(struct kept_partition) partitions;
};

static void kept_clear(struct kept_rows *kept) {
    for (size_t i = 0; i < kept->partitions.count; i++) {
        struct kept_partition *partition = &kept->partitions.items[i];
        for (size_t j = 0; j < partition->batches.count; j++) {
            batch_release(partition->batches.items[j]);
        }
        VECTOR_FREE(&partition->batches);
    }
    kept->partitions.count = 0;
}

/* Takes over the reference. */
static void kept_add(struct kept_rows *kept, size_t partition, struct batch *batch) {
    world_mutex_lock(&kept->mutex);
    while (kept->partitions.count <= partition) {
        *VECTOR_ADD(&kept->partitions) = (struct kept_partition){0};
    }
    VECTOR_PUSH(&kept->partitions.items[partition].batches, batch);
    world_mutex_unlock(&kept->mutex);
}

/* All batches in order of partition; free the array. */
static struct batch **kept_list(const struct kept_rows *kept, size_t *count) {
    VECTOR(struct batch *) all = {0};
    for (size_t i = 0; i < kept->partitions.count; i++) {
        for (size_t j = 0; j < kept->partitions.items[i].batches.count; j++) {
            VECTOR_PUSH(&all, kept->partitions.items[i].batches.items[j]);
        }
    }
    *count = all.count;
    return all.items;
}

/* ---- console ---- */

struct console_sink {
    struct sink base;
    struct sink_request request;
    struct kept_rows kept;
    int64_t row_count_max, kept_rows;
    int truncate;
};

static struct sink *console_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    struct bytes rows = sink_option(request, "numRows"), truncate = sink_option(request, "truncate");
    int64_t row_count = 20, width = 20;
    if (rows.data != NULL && !bytes_to_int64(rows, &row_count)) {
        raise__legacy_error_illegal_argument(error, "option numRows of the console sink is a whole number");
        return NULL;
    }
    if (truncate.data != NULL && !bytes_to_int64(truncate, &width)) {
        width = bytes_equal_ignore_case(truncate, BYTES("false")) ? 0 : 20;
    }
    struct console_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    *sink = (struct console_sink){.base.class = class,
        .request = *request,
        .row_count_max = row_count < 0 ? 0 : row_count,
        .truncate = (int)width};
    world_mutex_init(&sink->kept.mutex);
    return &sink->base;
}

static void console_destroy(struct sink *base) {
    struct console_sink *sink = (struct console_sink *)base;
    kept_clear(&sink->kept);
    VECTOR_FREE(&sink->kept.partitions);
    world_mutex_destroy(&sink->kept.mutex);
    free(sink);
}

static bool console_begin(struct sink *base, int64_t batch_id, bool *done, struct sql_error *error) {
    struct console_sink *sink = (struct console_sink *)base;
    kept_clear(&sink->kept);
    base->rows = 0;
    return true;
}

static bool console_write(struct sink *base, struct batch *batch, size_t partition, struct error *error) {
    struct console_sink *sink = (struct console_sink *)base;
    int64_t before = __atomic_fetch_add(&base->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    /* A partition shows at most row_count_max rows and one more that says there are more. */
    bool wanted = partition < 1024 && before <= sink->row_count_max * 64 + 1;
    if (wanted) {
        size_t rows =
            batch->row_count <= (size_t)sink->row_count_max + 1 ? batch->row_count : (size_t)sink->row_count_max + 1;
        struct batch *slice = batch_slice(batch, 0, rows);
        kept_add(&sink->kept, partition, batch_copy(slice, sink->request.schema));
        batch_release(slice);
    }
    return true;
}

static void console_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct console_sink *sink = (struct console_sink *)base;
    struct buffer text = {0};
    size_t count;
    struct batch **batches = kept_list(&sink->kept, &count);
    if (sink->request.streaming) {
        static const char line[] = "-------------------------------------------\n";
        buffer_printf(&text, "%sBatch: %lld\n%s", line, (long long)batch_id, line);
    }
    int64_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept += (int64_t)batches[i]->row_count;
    }
    show_string(sink->request.schema, batches, count, (size_t)sink->row_count_max, base->rows > kept, sink->truncate,
        false, sink->request.settings->zone, &text);
    buffer_append_byte(&text, '\n');
    if (sink->request.service_log != NULL) {
        service_log_raw(sink->request.service_log, (const char *)text.data, text.size);
    }
    if (sink->request.console != NULL) {
        sink->request.console(sink->request.callback_argument, buffer_view(&text));
    }
    buffer_free(&text);
    free(batches);
    kept_clear(&sink->kept);
    done(argument, NULL);
}

static void console_describe(struct sink *sink, struct buffer *out) {
    buffer_printf(out, "org.apache.spark.sql.execution.streaming.ConsoleTable$@%08x",
        (unsigned)((uintptr_t)sink >> 4 & 0x7fffffff));
}

const struct sink_class console_sink_class = {.name = "console",
    .class_name = "org.apache.spark.sql.execution.streaming.ConsoleTable$",
    .recovers = true,
    .append = true,
    .complete = true,
    .update = true,
    .create = console_create,
    .destroy = console_destroy,
    .begin = console_begin,
    .write = console_write,
    .commit = console_commit,
    .describe = console_describe,
    .counts_rows = true};

/* ---- memory ---- */

struct memory_sink;

struct memory_table {
    struct source base;
    struct memory_sink *sink;
};

struct memory_sink {
    struct sink base;
    struct arena arena;
    const struct type *schema;
    bool complete;
    struct kept_rows next; /* of the batch at hand */
    struct world_mutex mutex;
    VECTOR(struct batch *) rows;
    struct memory_table table;
};

struct memory_scan {
    struct source_scan base;
    const struct source_projection *projection;
    struct batch **batches;
    size_t count;
};

struct memory_partition {
    struct source_partition base;
    size_t next;
};

static void table_close(struct source *source) {
}

static struct source_scan *table_scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct memory_sink *sink = ((struct memory_table *)source)->sink;
    struct memory_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    scan->base = (struct source_scan){source, 1, 0};
    scan->projection = projection;
    world_mutex_lock(&sink->mutex);
    scan->batches = calloc(sink->rows.count + 1, sizeof *scan->batches);
    ASSERT(scan->batches != NULL);
    for (size_t i = 0; i < sink->rows.count; i++) {
        scan->batches[scan->count++] = batch_retain(sink->rows.items[i]);
    }
    world_mutex_unlock(&sink->mutex);
    return &scan->base;
}

static void table_scan_end(struct source_scan *base) {
    struct memory_scan *scan = (struct memory_scan *)base;
    for (size_t i = 0; i < scan->count; i++) {
        batch_release(scan->batches[i]);
    }
    free(scan->batches);
    free(scan);
}

static struct source_partition *table_partition_open(
    struct source_scan *scan, size_t partition, struct sql_error *error) {
    struct memory_partition *opened = calloc(1, sizeof *opened);
    ASSERT(opened != NULL);
    opened->base.scan = scan;
    return &opened->base;
}

static enum source_result table_partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct memory_partition *partition = (struct memory_partition *)base;
    struct memory_scan *scan = (struct memory_scan *)base->scan;
    if (partition->next == scan->count) {
        return SOURCE_END;
    }
    struct batch *from = scan->batches[partition->next++], *chosen = batch_create(scan->projection->schema);
    chosen->row_count = from->row_count;
    for (size_t i = 0; i < scan->projection->column_count; i++) {
        chosen->columns[i] = from->columns[scan->projection->columns[i]];
    }
    batch_keep(chosen, from);
    *batch = chosen;
    return SOURCE_BATCH;
}

static void table_partition_close(struct source_partition *partition) {
    free(partition);
}

static const struct source_class memory_table_class = {.name = "memory",
    .batch = true,
    .close = table_close,
    .scan_begin = table_scan_begin,
    .scan_end = table_scan_end,
    .partition_open = table_partition_open,
    .partition_next = table_partition_next,
    .partition_close = table_partition_close};

struct source *memory_sink_table(struct sink *sink) {
    return &((struct memory_sink *)sink)->table.base;
}

static struct sink *memory_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    if (request->name.size == 0) {
        raise__legacy_error_illegal_argument(error, "queryName must be specified for memory sink");
        return NULL;
    }
    struct memory_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    sink->base.class = class;
    sink->schema = type_copy(&sink->arena, request->schema);
    sink->complete = request->complete;
    world_mutex_init(&sink->mutex);
    world_mutex_init(&sink->next.mutex);
    sink->table = (struct memory_table){{&memory_table_class, sink->schema}, sink};
    return &sink->base;
}

static void memory_destroy(struct sink *base) {
    struct memory_sink *sink = (struct memory_sink *)base;
    kept_clear(&sink->next);
    VECTOR_FREE(&sink->next.partitions);
    for (size_t i = 0; i < sink->rows.count; i++) {
        batch_release(sink->rows.items[i]);
    }
    VECTOR_FREE(&sink->rows);
    world_mutex_destroy(&sink->mutex);
    world_mutex_destroy(&sink->next.mutex);
    arena_destroy(&sink->arena);
    free(sink);
}

static bool memory_begin(struct sink *base, int64_t batch_id, bool *done, struct sql_error *error) {
    kept_clear(&((struct memory_sink *)base)->next);
    base->rows = 0;
    return true;
}

static bool memory_write(struct sink *base, struct batch *batch, size_t partition, struct error *error) {
    struct memory_sink *sink = (struct memory_sink *)base;
    __atomic_fetch_add(&base->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    if (batch->row_count > 0) {
        /* With types of our own: the rows outlive the query. */
        kept_add(&sink->next, partition, batch_copy(batch, sink->schema));
    }
    return true;
}

static void memory_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct memory_sink *sink = (struct memory_sink *)base;
    size_t count;
    struct batch **batches = kept_list(&sink->next, &count);
    world_mutex_lock(&sink->mutex);
    for (size_t i = 0; sink->complete && i < sink->rows.count; i++) {
        batch_release(sink->rows.items[i]);
    }
    sink->rows.count = sink->complete ? 0 : sink->rows.count;
    for (size_t i = 0; i < count; i++) {
        VECTOR_PUSH(&sink->rows, batch_retain(batches[i]));
    }
    world_mutex_unlock(&sink->mutex);
    free(batches);
    kept_clear(&sink->next);
    done(argument, NULL);
}

static void memory_describe(struct sink *sink, struct buffer *out) {
    buffer_append_text(out, "MemorySink");
}

const struct sink_class memory_sink_class = {.name = "memory",
    .class_name = "MemorySink",
    .append = true,
    .complete = true,
    .update = true,
    .create = memory_create,
    .destroy = memory_destroy,
    .begin = memory_begin,
    .write = memory_write,
    .commit = memory_commit,
    .describe = memory_describe,
    .counts_rows = true,
    .is_quick = true};

/* ---- noop ---- */

static struct sink *noop_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    struct sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    sink->class = class;
    return sink;
}
static void noop_destroy(struct sink *sink) {
    free(sink);
}
static bool noop_begin(struct sink *sink, int64_t batch_id, bool *done, struct sql_error *error) {
    sink->rows = 0;
    return true;
}
static bool noop_write(struct sink *sink, struct batch *batch, size_t partition, struct error *error) {
    __atomic_fetch_add(&sink->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    return true;
}
static void noop_commit(
    struct sink *sink, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    done(argument, NULL);
}
static void noop_describe(struct sink *sink, struct buffer *out) {
    buffer_append_text(out, "NoopTable");
}

const struct sink_class noop_sink_class = {.name = "noop",
    .class_name = "org.apache.spark.sql.execution.datasources.noop.NoopTable$",
    .recovers = true,
    .append = true,
    .complete = true,
    .update = true,
    .create = noop_create,
    .destroy = noop_destroy,
    .begin = noop_begin,
    .write = noop_write,
    .commit = noop_commit,
    .describe = noop_describe,
    .counts_rows = true,
    .is_quick = true};
