/* source_state_metadata.c: format("state-metadata"): the stateful operators of a checkpoint and their stores, one row
 * per store. */
#include <stdlib.h>

#include "base/assert.h"
#include "stream/source.h"
#include "stream/state_operators.h"
#include "stream/state_options.h"

enum metadata_column {
    OPERATOR_ID,
    OPERATOR_NAME,
    STORE_NAME,
    PARTITION_COUNT,
    BATCH_MIN,
    BATCH_MAX,
    PROPERTIES,
    COLUMNS
};

struct metadata_source {
    struct source base;
    struct arena arena;
    struct state_store_infos infos;
    int64_t batch_min, batch_max; /* committed ones, -1: none */
};

static const struct type *metadata_type(void) {
    static const struct {
        const char *name;
        enum type_kind kind;
    } columns[COLUMNS] = {{"operatorId", TYPE_LONG}, {"operatorName", TYPE_STRING}, {"stateStoreName", TYPE_STRING},
        {"numPartitions", TYPE_INTEGER}, {"minBatchId", TYPE_LONG}, {"maxBatchId", TYPE_LONG},
        {"operatorProperties", TYPE_STRING}};
    static struct type_field fields[COLUMNS];
    static struct type type = {.kind = TYPE_STRUCT, .fields = fields, .field_count = COLUMNS};
    for (size_t i = 0; i < COLUMNS; i++) {
        fields[i] =
            (struct type_field){bytes_from_text(columns[i].name), type_simple(columns[i].kind), true, BYTES_NULL};
    }
    return &type;
}

static void metadata_close(struct source *base) {
    struct metadata_source *source = (struct metadata_source *)base;
    VECTOR_FREE(&source->infos);
    arena_destroy(&source->arena);
    free(source);
}

static struct source *metadata_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    const struct stream_context *context = exec_source_context(request->engine, class);
    struct bytes text = source_option_get(request, "batchId");
    struct state_options options = {0};
    struct state_numbers batches = {0};
    int64_t batch_id = 0;
    if (request->user_schema != NULL) {
        raise__legacy_error_temp_2242(error, class->name);
        return NULL;
    }
    struct metadata_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    source->base = (struct source){class, metadata_type()};
    bool good = state_options_checkpoint(context->store, &source->arena, request, &options, error);
    if (good && text.data != NULL && !bytes_to_int64(text, &batch_id)) {
        good = raise_stds_invalid_option_value_with_message(
            error, "batchId", arena_printf(error->arena, "'%.*s' is no whole number", BYTES_ARGS(text)));
    }
    if (!good) {
        metadata_close(&source->base);
        return NULL;
    }
    state_numbers_list(context->store, &source->arena, arena_printf(&source->arena, "%s/commits", options.checkpoint),
        false, &batches);
    source->batch_min = batches.count == 0 ? -1 : batches.items[0];
    source->batch_max = batches.count == 0 ? -1 : batches.items[batches.count - 1];
    batch_id = text.data != NULL || source->batch_max < 0 ? batch_id : source->batch_max;
    state_operators_list(context->store, &source->arena, options.checkpoint, batch_id, &source->infos);
    VECTOR_FREE(&batches);
    return &source->base;
}

/* ---- reading: one partition with one batch ---- */

struct metadata_scan {
    struct source_scan base;
    const struct source_projection *projection;
};
struct metadata_partition {
    struct source_partition base;
    bool done;
};

static struct source_scan *scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct metadata_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    *scan = (struct metadata_scan){{source, 1, 0}, projection};
    return &scan->base;
}

static void scan_end(struct source_scan *scan) {
    free(scan);
}

static struct source_partition *partition_open(struct source_scan *scan, size_t index, struct sql_error *error) {
    struct metadata_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    partition->base.scan = scan;
    return &partition->base;
}

static void partition_close(struct source_partition *partition) {
    free(partition);
}

static void set_text(struct column *column, struct arena *arena, size_t row, const char *text) {
    if (text == NULL) {
        bit_clear(column->validity == NULL ? column_make_nullable(arena, column) : (uint8_t *)column->validity, row);
        return;
    }
    struct bytes copy = arena_copy(arena, bytes_from_text(text));
    COLUMN_VALUES(column, struct string_view)[row] = (struct string_view){copy.data, (uint32_t)copy.size, 0};
}

static struct column *make_column(
    const struct metadata_source *source, struct arena *arena, enum metadata_column which, const struct type *type) {
    struct column *column = column_create(arena, type, source->infos.count);
    for (size_t i = 0; i < source->infos.count; i++) {
        const struct state_store_info *info = &source->infos.items[i];
        const char *text = which == OPERATOR_NAME ? info->operator_name
                           : which == STORE_NAME  ? info->store_name
                                                  : info->properties;
        int64_t number = which == OPERATOR_ID ? info->operator_id
                         : which == BATCH_MIN ? source->batch_min
                                              : source->batch_max;
        if (type->kind == TYPE_STRING) {
            set_text(column, arena, i, text);
        } else if (which == PARTITION_COUNT) {
            COLUMN_VALUES(column, int32_t)[i] = (int32_t)info->partition_count;
        } else {
            COLUMN_VALUES(column, int64_t)[i] = number;
        }
    }
    return column;
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct metadata_partition *partition = (struct metadata_partition *)base;
    const struct metadata_source *source = (const struct metadata_source *)base->scan->source;
    const struct source_projection *projection = ((struct metadata_scan *)base->scan)->projection;
    if (partition->done || source->infos.count == 0) {
        return SOURCE_END;
    }
    partition->done = true;
    *batch = batch_create(projection->schema);
    (*batch)->row_count = source->infos.count;
    for (size_t i = 0; i < projection->column_count; i++) {
        (*batch)->columns[i] = make_column(
            source, &(*batch)->arena, (enum metadata_column)projection->columns[i], projection->schema->fields[i].type);
    }
    return SOURCE_BATCH;
}

const struct source_class state_metadata_source_class = {.name = "state-metadata",
    .batch = true,
    .open = metadata_open,
    .close = metadata_close,
    .scan_begin = scan_begin,
    .scan_end = scan_end,
    .partition_open = partition_open,
    .partition_next = partition_next,
    .partition_close = partition_close};
