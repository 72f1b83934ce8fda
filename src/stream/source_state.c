/* source_state.c: format("statestore"): the state of a query, as it was after a batch, or what batches changed in it.
 * Everything is read from the checkpoint's own files; the query need not run here, nor have run here. The columns are
 * Spark's: key and value (rows as the operator keeps them) and partition_id; a change feed begins with batch_id and
 * change_type. A partition of the scan is one of the state. */
#include <jansson.h>
#include <stdlib.h>

#include "base/assert.h"
#include "exec/row_image.h"
#include "stream/source.h"
#include "stream/state_operators.h"
#include "stream/state_options.h"
#include "stream/state_read.h"

enum { OFFSETS_SIZE_MAX = 256 << 20 };
enum state_column { COLUMN_BATCH, COLUMN_CHANGE, COLUMN_KEY, COLUMN_VALUE, COLUMN_PARTITION };

struct state_source {
    struct source base;
    struct arena arena;
    struct store *store;
    struct state_options options;
    const char *store_name;                     /* "default" has no folder of its own */
    const struct type *key, *value;             /* of the rows in the files */
    const struct type *key_shown, *value_shown; /* of a join's side the first fields of those */
    struct state_numbers partitions;
    enum state_column columns[COLUMN_PARTITION + 1]; /* of the schema */
};

/* ---- opening ---- */

static bool refuse(struct sql_error *error, const char *what, const char *advice) {
    return raise_unsupported_feature_not_in_this_program(error, what, advice);
}

static bool is_transform_with_state(const char *name) {
    return strcmp(name, "transformWithStateExec") == 0 || strcmp(name, "transformWithStateInPandasExec") == 0 ||
           strcmp(name, "transformWithStateInPySparkExec") == 0;
}

/* Options that have a meaning for transformWithState alone, and that operator itself. */
static bool check_operator(struct state_source *source, struct sql_error *error) {
    const struct state_options *options = &source->options;
    bool variables = options->state_variable != NULL || options->registered_timers;
    struct state_store_infos infos = {0};
    const char *name = NULL;
    bool known = false;
    state_operators_list(source->store, &source->arena, options->checkpoint, options->batch_id, &infos);
    for (size_t i = 0; i < infos.count; i++) {
        if (infos.items[i].operator_id == options->operator_id) {
            known = true;
            name = strcmp(infos.items[i].store_name, options->store_name) == 0 ? infos.items[i].operator_name : name;
        }
    }
    VECTOR_FREE(&infos);
    if (known && name == NULL && strcmp(options->store_name, "default") != 0) {
        return raise_stds_invalid_option_value_with_message(error, "storeName",
            arena_printf(error->arena, "The operator %lld has no store of this name: %s",
                (long long)options->operator_id, options->store_name));
    }
    if (name != NULL && is_transform_with_state(name)) {
        return variables ? refuse(error, "The state of transformWithState", "Read it with Spark.")
                         : raise_stds_required_option_unspecified(error, "stateVarName");
    }
    return !variables ||
           raise_stds_invalid_option_value_with_message(error, "stateVarName",
               arena_printf(error->arena,
                   "Providing state variable names is only supported with the transformWithState operator. Found "
                   "operator=%s. Please remove this option and re-run the query.",
                   name == NULL ? "none" : name));
}

static const char *store_folder(struct state_source *source, struct arena *arena, int64_t partition, const char *name) {
    bool standard = strcmp(name, "default") == 0;
    return arena_printf(arena, "%s/state/%lld/%lld%s%s", source->options.checkpoint,
        (long long)source->options.operator_id, (long long)partition, standard ? "" : "/", standard ? "" : name);
}

static bool read_schema(
    struct state_source *source, const char *name, const struct type **key, const struct type **value) {
    return state_schema_read(source->store, &source->arena,
        arena_printf(&source->arena, "%s/_metadata/schema", store_folder(source, &source->arena, 0, name)), key, value);
}

/* The first fields of a struct. */
static const struct type *first_fields(struct arena *arena, const struct type *type, size_t count) {
    return type_struct(arena, type->fields, count < type->field_count ? count : type->field_count);
}

/* The two stores of a join's side: how many rows a key has, and the rows by key and index. Rows of format 2 end with a
 * mark that is not shown. */
static bool read_join_schema(struct state_source *source) {
    bool left = source->options.side == STATE_JOIN_LEFT;
    const struct type *ignored;
    source->store_name = left ? "left-keyWithIndexToValue" : "right-keyWithIndexToValue";
    if (!read_schema(source, left ? "left-keyToNumValues" : "right-keyToNumValues", &source->key_shown, &ignored) ||
        !read_schema(source, source->store_name, &source->key, &source->value) ||
        source->key->field_count < source->key_shown->field_count) {
        return false;
    }
    size_t count = source->value->field_count;
    bool marked = count > 0 && source->value->fields[count - 1].type->kind == TYPE_BOOLEAN &&
                  bytes_equal_text(source->value->fields[count - 1].name, "matched");
    source->value_shown = marked ? first_fields(&source->arena, source->value, count - 1) : source->value;
    return true;
}

static bool make_schema(struct state_source *source, struct sql_error *error) {
    source->store_name = source->options.store_name;
    bool good = source->options.side != STATE_JOIN_NONE
                    ? read_join_schema(source)
                    : read_schema(source, source->store_name, &source->key, &source->value);
    if (!good) {
        return raise_stds_failed_to_read_state_schema(error, state_options_text(error->arena, &source->options));
    }
    source->key_shown = source->key_shown == NULL ? source->key : source->key_shown;
    source->value_shown = source->value_shown == NULL ? source->value : source->value_shown;
    const struct type_field all[] = {{BYTES("batch_id"), type_simple(TYPE_LONG), true, BYTES_NULL},
        {BYTES("change_type"), type_simple(TYPE_STRING), true, BYTES_NULL},
        {BYTES("key"), source->key_shown, true, BYTES_NULL}, {BYTES("value"), source->value_shown, true, BYTES_NULL},
        {BYTES("partition_id"), type_simple(TYPE_INTEGER), true, BYTES_NULL}};
    size_t first = source->options.change_feed ? COLUMN_BATCH : COLUMN_KEY;
    struct type_field *fields = ARENA_ARRAY(&source->arena, struct type_field, ARRAY_COUNT(all));
    for (size_t i = first; i < ARRAY_COUNT(all); i++) {
        fields[i - first] = all[i];
        source->columns[i - first] = (enum state_column)i;
    }
    source->base.schema = type_struct(&source->arena, fields, ARRAY_COUNT(all) - first);
    return true;
}

/* The settings that offsets/<batch> froze with the query. *settings NULL: there is no such file, or it has none. */
static void read_settings(struct state_source *source, bool *there, json_t **settings) {
    struct buffer text = {0};
    struct error ignored;
    const char *path = arena_printf(
        &source->arena, "%s/offsets/%lld", source->options.checkpoint, (long long)source->options.batch_id);
    *there = store_exists(source->store, path) &&
             store_read_file(source->store, path, OFFSETS_SIZE_MAX, &text, &ignored) && text.size > 0;
    *settings = NULL;
    size_t start = *there ? bytes_find(buffer_view(&text), '\n', 0) : SIZE_MAX;
    if (start != SIZE_MAX) {
        size_t end = bytes_find(buffer_view(&text), '\n', start + 1);
        end = end == SIZE_MAX ? text.size : end;
        *settings = json_loadb((const char *)text.data + start + 1, end - start - 1, 0, NULL);
    }
    buffer_free(&text);
}

/* Forms of the state that are not read here. */
static bool check_form(json_t *settings, struct sql_error *error) {
    static const struct {
        const char *name, *value, *what;
    } expected[] = {
        {"spark.sql.streaming.stateStore.providerClass",
            "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider", "State in RocksDB"},
        {"spark.sql.streaming.stateStore.compression.codec", "lz4", "State that is not compressed with lz4"},
        {"spark.sql.streaming.stateStore.encodingFormat", "unsaferow", "State that is not kept as UnsafeRow"},
        {"spark.sql.streaming.stateStore.rowChecksum.enabled", "false", "State with checksums in its rows"},
    };
    json_t *conf = json_object_get(settings, "conf");
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        const char *value = json_string_value(json_object_get(conf, expected[i].name));
        if (value != NULL && strcmp(value, expected[i].value) != 0) {
            return refuse(error, expected[i].what, "Read it with Spark.");
        }
    }
    return true;
}

static bool open_checkpoint(
    struct state_source *source, const struct source_request *request, struct sql_error *error) {
    struct state_options *options = &source->options;
    bool there;
    json_t *settings;
    if (!state_options_read(source->store, &source->arena, request, options, error)) {
        return false;
    }
    read_settings(source, &there, &settings);
    bool good = check_operator(source, error) && check_form(settings, error) && make_schema(source, error);
    if (good && !there) {
        good = raise_stds_offset_log_unavailable(
            error, arena_printf(error->arena, "%lld", (long long)options->batch_id), options->shown);
    } else if (good && settings == NULL) {
        good = raise_stds_offset_metadata_log_unavailable(
            error, arena_printf(error->arena, "%lld", (long long)options->batch_id), options->shown);
    }
    json_decref(settings);
    return good;
}

static bool find_partitions(struct state_source *source, struct sql_error *error) {
    const struct state_options *options = &source->options;
    bool found = options->snapshot_partition < 0;
    state_numbers_list(source->store, &source->arena,
        arena_printf(&source->arena, "%s/state/%lld", options->checkpoint, (long long)options->operator_id), true,
        &source->partitions);
    if (source->partitions.count == 0) {
        return raise_stds_no_partition_discovered_in_state_store(error, state_options_text(error->arena, options));
    }
    for (size_t i = 0; i < source->partitions.count && !found; i++) {
        if (source->partitions.items[i] == options->snapshot_partition) {
            source->partitions.items[0] = options->snapshot_partition;
            source->partitions.count = 1;
            found = true;
        }
    }
    return found || raise_cannot_load_state_store_snapshot_partition_id_not_found(error,
                        arena_printf(error->arena, "%lld", (long long)options->snapshot_partition),
                        arena_printf(error->arena, "%lld", (long long)options->operator_id),
                        arena_printf(error->arena, "%s/state", options->shown));
}

static void state_close(struct source *base) {
    struct state_source *source = (struct state_source *)base;
    VECTOR_FREE(&source->partitions);
    arena_destroy(&source->arena);
    free(source);
}

static struct source *state_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    const struct stream_context *context = exec_source_context(request->engine, class);
    if (request->user_schema != NULL) {
        raise__legacy_error_temp_2242(error, class->name);
        return NULL;
    }
    struct state_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    source->base.class = class;
    source->store = context->store;
    if (!open_checkpoint(source, request, error) || !find_partitions(source, error)) {
        state_close(&source->base);
        return NULL;
    }
    return &source->base;
}

/* ---- reading ---- */

struct state_scan {
    struct source_scan base;
    const struct source_projection *projection;
};

struct change { /* a row of a delta: places in `bytes` */
    size_t key, key_size, value, value_size;
    bool removed;
};

struct state_partition {
    struct source_partition base;
    struct arena arena;
    int64_t number;
    bool loaded;
    struct state_table table;
    size_t next;      /* entry, or change */
    int64_t batch_id; /* of a change feed: whose changes these are */
    struct buffer bytes;
    VECTOR(struct change) changes;
    struct bytes *keys, *values; /* of the rows to be put out; BATCH_ROWS_TARGET */
};

static struct source_scan *scan_begin(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    struct state_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    *scan = (struct state_scan){{source, ((struct state_source *)source)->partitions.count, 0}, projection};
    return &scan->base;
}

static void scan_end(struct source_scan *scan) {
    free(scan);
}

static struct source_partition *partition_open(struct source_scan *scan, size_t index, struct sql_error *error) {
    const struct state_source *source = (const struct state_source *)scan->source;
    struct state_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    partition->base.scan = scan;
    partition->number = source->partitions.items[index];
    partition->batch_id = source->options.change_start - 1;
    partition->keys = ARENA_ARRAY(&partition->arena, struct bytes, BATCH_ROWS_TARGET);
    partition->values = ARENA_ARRAY(&partition->arena, struct bytes, BATCH_ROWS_TARGET);
    state_table_init(&partition->table);
    return &partition->base;
}

static void partition_close(struct source_partition *base) {
    struct state_partition *partition = (struct state_partition *)base;
    state_table_free(&partition->table);
    buffer_free(&partition->bytes);
    VECTOR_FREE(&partition->changes);
    arena_destroy(&partition->arena);
    free(partition);
}

static bool fail(const struct state_source *source, const struct state_fault *fault, struct sql_error *error) {
    bool snapshot = bytes_ends_with(bytes_from_text(fault->path), ".snapshot");
    if (fault->file == STATE_FILE_MISSING) {
        const char *store = "HDFSBackedStateStoreProvider";
        return snapshot ? raise_cannot_load_state_store_cannot_read_missing_snapshot_file(error, fault->path, store)
                        : raise_cannot_load_state_store_cannot_read_delta_file_not_exists(error, fault->path, store);
    }
    return raise_streaming_checkpoint_invalid(error, source->options.checkpoint,
        arena_printf(error->arena, "the state file %s %s", fault->path, fault->reason));
}

static bool load(struct state_partition *partition, struct sql_error *error) {
    struct state_source *source = (struct state_source *)partition->base.scan->source;
    const char *folder = store_folder(source, &partition->arena, partition->number, source->store_name);
    struct state_fault fault;
    int64_t version = source->options.batch_id + 1, snapshot = source->options.snapshot_batch_id + 1;
    if (snapshot == 0) {
        snapshot = state_folder_snapshot(source->store, &partition->arena, folder, version);
    }
    return state_folder_load(source->store, &partition->arena, folder, snapshot, version, &partition->table, &fault) ||
           fail(source, &fault, error);
}

/* The next rows of the table. */
static size_t take_rows(struct state_partition *partition) {
    const struct state_table *table = &partition->table;
    size_t count = 0;
    for (; partition->next < table->entry_count && count < BATCH_ROWS_TARGET; partition->next++) {
        const struct state_entry *entry = &table->entries[partition->next];
        if (entry->data != NULL && entry->present) {
            partition->keys[count] = state_entry_key(entry);
            partition->values[count++] = state_entry_value(entry);
        }
    }
    return count;
}

static void note_changes(void *context, const struct bytes *keys, const struct bytes *values, size_t count) {
    struct state_partition *partition = context;
    for (size_t i = 0; i < count; i++) {
        struct change change = {
            .key = partition->bytes.size, .key_size = keys[i].size, .removed = values[i].data == NULL};
        buffer_append_bytes(&partition->bytes, keys[i]);
        change.value = partition->bytes.size;
        change.value_size = values[i].size;
        buffer_append_bytes(&partition->bytes, values[i]);
        VECTOR_PUSH(&partition->changes, change);
    }
}

/* The next changes of a delta; of the next one when it is done. false with *error. */
static bool take_changes(struct state_partition *partition, size_t *count, struct sql_error *error) {
    struct state_source *source = (struct state_source *)partition->base.scan->source;
    *count = 0;
    while (partition->next == partition->changes.count && partition->batch_id < source->options.batch_id) {
        struct state_fault fault;
        partition->batch_id++;
        partition->next = partition->changes.count = 0;
        buffer_clear(&partition->bytes);
        const char *path = arena_printf(&partition->arena, "%s/%lld.delta",
            store_folder(source, &partition->arena, partition->number, source->store_name),
            (long long)partition->batch_id + 1);
        if (!state_records_read(source->store, &partition->arena, path, note_changes, partition, &fault)) {
            return fail(source, &fault, error);
        }
    }
    for (; partition->next < partition->changes.count && *count < BATCH_ROWS_TARGET; partition->next++) {
        struct change change = partition->changes.items[partition->next];
        partition->keys[*count] = bytes_make(partition->bytes.data + change.key, change.key_size);
        partition->values[(*count)++] =
            change.removed ? BYTES_NULL : bytes_make(partition->bytes.data + change.value, change.value_size);
    }
    return true;
}

/* A column of structs from images, null where there is none; its fields are the first of those in the images. */
static struct column *decode_rows(
    struct arena *arena, const struct type *type, const struct type *shown, const struct bytes *images, size_t count) {
    struct column **read = ARENA_ARRAY(arena, struct column *, type->field_count + 1);
    struct bytes *present = ARENA_ARRAY(arena, struct bytes, count + 1);
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, count + 1);
    size_t present_count = 0;
    for (size_t i = 0; i < count; i++) {
        rows[i] = images[i].data == NULL ? UINT32_MAX : (uint32_t)present_count;
        present[present_count] = images[i];
        present_count += images[i].data != NULL;
    }
    if (!row_images_decode(arena, type, present, present_count, read)) {
        return NULL;
    }
    struct column *column = column_create(arena, shown, count);
    uint8_t *validity = present_count < count ? column_make_nullable(arena, column) : NULL;
    for (size_t i = 0; i < count && validity != NULL; i++) {
        if (rows[i] == UINT32_MAX) {
            bit_clear(validity, i);
        }
    }
    for (size_t i = 0; i < shown->field_count; i++) {
        column->children[i] = validity == NULL ? read[i] : column_take(arena, read[i], rows, count);
    }
    return column;
}

static struct column *make_column(
    const struct state_partition *partition, struct arena *arena, enum state_column which, size_t count) {
    const struct state_source *source = (const struct state_source *)partition->base.scan->source;
    struct column *column;
    switch (which) {
    case COLUMN_KEY:
        return decode_rows(arena, source->key, source->key_shown, partition->keys, count);
    case COLUMN_VALUE:
        return decode_rows(arena, source->value, source->value_shown, partition->values, count);
    case COLUMN_BATCH:
        column = column_create(arena, type_simple(TYPE_LONG), count);
        for (size_t i = 0; i < count; i++) {
            COLUMN_VALUES(column, int64_t)[i] = partition->batch_id;
        }
        return column;
    case COLUMN_CHANGE:
        column = column_create(arena, type_simple(TYPE_STRING), count);
        for (size_t i = 0; i < count; i++) {
            const char *text = partition->values[i].data == NULL ? "delete" : "update";
            COLUMN_VALUES(column, struct string_view)[i] = (struct string_view){(const uint8_t *)text, 6, 0};
        }
        return column;
    case COLUMN_PARTITION:
        column = column_create(arena, type_simple(TYPE_INTEGER), count);
        for (size_t i = 0; i < count; i++) {
            COLUMN_VALUES(column, int32_t)[i] = (int32_t)partition->number;
        }
        return column;
    }
    return NULL;
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct state_partition *partition = (struct state_partition *)base;
    const struct state_source *source = (const struct state_source *)base->scan->source;
    const struct source_projection *projection = ((struct state_scan *)base->scan)->projection;
    size_t count;
    if (!source->options.change_feed && !partition->loaded) {
        partition->loaded = true;
        if (!load(partition, error)) {
            return SOURCE_FAILED;
        }
    }
    if (!source->options.change_feed) {
        count = take_rows(partition);
    } else if (!take_changes(partition, &count, error)) {
        return SOURCE_FAILED;
    }
    if (count == 0) {
        return SOURCE_END;
    }
    struct batch *made = batch_create(projection->schema);
    made->row_count = count;
    for (size_t i = 0; i < projection->column_count; i++) {
        made->columns[i] = make_column(partition, &made->arena, source->columns[projection->columns[i]], count);
        if (made->columns[i] == NULL) {
            batch_release(made);
            raise_streaming_checkpoint_invalid(error, source->options.checkpoint,
                arena_printf(error->arena, "rows of the state of operator %lld do not have the schema beside them",
                    (long long)source->options.operator_id));
            return SOURCE_FAILED;
        }
    }
    *batch = made;
    return SOURCE_BATCH;
}

const struct source_class state_store_source_class = {.name = "statestore",
    .batch = true,
    .open = state_open,
    .close = state_close,
    .scan_begin = scan_begin,
    .scan_end = scan_end,
    .partition_open = partition_open,
    .partition_next = partition_next,
    .partition_close = partition_close};
