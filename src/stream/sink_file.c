/* sink_file.c: parquet, json, csv and text files. A streaming query's batch appears in its directory file by file under
 * names made from query, batch and partition, so that a batch that is run again replaces its own files; the log
 * _spark_metadata then names them. A batch write takes a new name for each job and leaves _SUCCESS. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "stream/sink.h"
#include "stream/sink_log.h"

struct file_sink {
    struct sink base;
    struct arena arena;
    struct sink_request request;
    const struct format_class *format;
    struct format_options options;
    char *directory, *described;
    const char *authority;
    size_t *partition_columns;
    struct part_set *set; /* of the batch at hand */
    VECTOR(char *) paths; /* written and not synced */
};

static void copy_options(struct file_sink *sink) {
    struct format_option *items = ARENA_ARRAY(&sink->arena, struct format_option, sink->request.option_count + 1);
    for (size_t i = 0; i < sink->request.option_count; i++) {
        items[i] = (struct format_option){sink->request.options[i].key, sink->request.options[i].value};
    }
    sink->options = (struct format_options){items, sink->request.option_count};
}

static bool find_partition_columns(struct file_sink *sink, struct sql_error *error) {
    const struct sink_request *request = &sink->request;
    sink->partition_columns = ARENA_ARRAY(&sink->arena, size_t, request->partition_column_count + 1);
    for (size_t i = 0; i < request->partition_column_count; i++) {
        int index = type_field_index(request->schema, request->partition_columns[i]);
        if (index < 0) {
            struct buffer text = {0};
            type_format_simple(request->schema, &text);
            char *message = arena_printf(error->arena, "Partition column `%.*s` not found in schema %.*s",
                BYTES_ARGS(request->partition_columns[i]), BYTES_ARGS(buffer_view(&text)));
            buffer_free(&text);
            return raise__legacy_error_illegal_argument(error, message);
        }
        sink->partition_columns[i] = (size_t)index;
    }
    return true;
}

/* "namenode:9000" of hdfs://namenode:9000/p as it was written; fs.defaultFS's where nothing is. */
static const char *authority_of(struct arena *arena, const struct store *store, struct bytes path) {
    if (!bytes_starts_with(path, "hdfs://") && !bytes_starts_with(path, "webhdfs://")) {
        return store_authority(store);
    }
    size_t start = bytes_find(path, '/', 0) + 2, end = bytes_find(path, '/', start);
    struct bytes authority = bytes_slice(path, start, (end == SIZE_MAX ? path.size : end) - start);
    return authority.size > 0 ? arena_text(arena, authority) : store_authority(store);
}

static bool check_partition_mode(const struct sink_request *request, struct sql_error *error) {
    static const struct {
        const char *name, *advice;
    } refused[] = {{"retention", "Old files are not taken out of _spark_metadata."},
        {"maxRecordsPerFile", "A partition writes one file."}};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        if (sink_option(request, refused[i].name).data != NULL) {
            return raise_unsupported_feature_not_in_this_program(
                error, arena_printf(error->arena, "Option %s of file sinks", refused[i].name), refused[i].advice);
        }
    }
    return true;
}

static bool resolve_directory(struct file_sink *sink, struct sql_error *error) {
    struct bytes path = sink->request.path.data != NULL ? sink->request.path : sink_option(&sink->request, "path");
    struct error problem = {0};
    if (path.size == 0) {
        return raise__legacy_error_illegal_argument(error, "'path' is not specified");
    }
    sink->directory = store_resolve(sink->request.context->store, &sink->arena, arena_text(&sink->arena, path),
        sink->request.user.data != NULL ? arena_text(&sink->arena, sink->request.user) : NULL, &problem);
    sink->authority = authority_of(&sink->arena, sink->request.context->store, path);
    struct buffer described = {0};
    if (sink->directory != NULL) {
        file_uri(sink->directory, sink->authority, &described);
    }
    sink->described = arena_text(&sink->arena, buffer_view(&described));
    buffer_free(&described);
    return sink->directory != NULL || sql_error_from(error, &problem);
}

static void file_abort(struct sink *base) {
    struct file_sink *sink = (struct file_sink *)base;
    part_set_abort(sink->set);
    sink->set = NULL;
}

static void file_destroy(struct sink *base) {
    struct file_sink *sink = (struct file_sink *)base;
    file_abort(base);
    for (size_t i = 0; i < sink->paths.count; i++) {
        free(sink->paths.items[i]);
    }
    VECTOR_FREE(&sink->paths);
    arena_destroy(&sink->arena);
    free(sink);
}

/* In the names of a batch's files: the same for every run of this batch of this query. */
static void batch_uuid(const struct sink_request *request, int64_t batch_id, char *text) {
    uint8_t from[24], seed[16];
    memcpy(from, request->query_id.bytes, 16);
    memcpy(from + 16, &batch_id, 8);
    uint64_t halves[2] = {hash_bytes(bytes_make(from, sizeof from), 1), hash_bytes(bytes_make(from, sizeof from), 2)};
    memcpy(seed, halves, 16);
    uuid_format(uuid_from_random(seed), text);
}

static bool make_set(struct file_sink *sink, int64_t batch_id, struct error *error) {
    const struct sink_request *request = &sink->request;
    struct part_options options = {.store = request->context->store,
        .directory = sink->directory,
        .format = sink->format,
        .options = sink->options,
        .zone = request->settings->zone,
        .schema = request->schema,
        .partition_columns = sink->partition_columns,
        .partition_column_count = request->partition_column_count};
    if (request->streaming) {
        batch_uuid(request, batch_id, options.uuid);
    } else {
        uint8_t seed[16];
        world_random(request->context->world, seed, sizeof seed);
        uuid_format(uuid_from_random(seed), options.uuid);
    }
    sink->set = part_set_create(&options, error);
    return sink->set != NULL;
}

static struct sink *file_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    struct file_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    struct error problem = {0};
    sink->base.class = class;
    sink->request = *request;
    sink->format = format_find(request->format);
    copy_options(sink);
    bool good =
        check_partition_mode(request, error) && resolve_directory(sink, error) && find_partition_columns(sink, error);
    if (good && !make_set(sink, 0, &problem)) { /* tells what the format refuses before anything runs */
        good = problem.code == ERROR_INVALID ? raise__legacy_error_illegal_argument(error, problem.message)
                                             : sql_error_from(error, &problem);
    }
    file_abort(&sink->base);
    if (!good) {
        file_destroy(&sink->base);
        return NULL;
    }
    return &sink->base;
}

static bool file_latest(struct sink *base, int64_t *batch_id, struct sql_error *error) {
    struct file_sink *sink = (struct file_sink *)base;
    struct error problem = {0};
    return sink_log_latest(sink->request.context->store, sink->directory, batch_id, &problem) ||
           sql_error_from(error, &problem);
}

/* Files whose names hold one of the batches' identifiers, `depth` folders of partition columns down. */
static bool remove_files(struct file_sink *sink, struct arena *arena, const char *folder, size_t depth,
    const struct map *uuids, struct error *error) {
    struct store *store = sink->request.context->store;
    struct store_entries entries = {0};
    bool good = !store_exists(store, folder) || store_list(store, arena, folder, NULL, 0, &entries, error);
    for (size_t i = 0; i < entries.count && good; i++) {
        const char *name = entries.items[i].name, *path = store_path_join(arena, folder, name);
        bool ours = strncmp(name, "part-", 5) == 0 && strlen(name) > 11 + UUID_TEXT_SIZE - 1 && /* part-00000-<uuid> */
                    map_get(uuids, bytes_make(name + 11, UUID_TEXT_SIZE - 1)) != NULL;
        if (entries.items[i].stat.is_directory) {
            good = depth == 0 || remove_files(sink, arena, path, depth - 1, uuids, error);
        } else if (ours) {
            good = store_delete(store, path, false, error) || error->code == ERROR_NOT_FOUND;
        }
    }
    return good;
}

static bool file_take_back(struct sink *base, int64_t whole_until, int64_t written_until, struct sql_error *error) {
    struct file_sink *sink = (struct file_sink *)base;
    struct error problem = {0};
    struct arena arena = {0};
    struct map uuids = {0};
    for (int64_t batch_id = whole_until + 1; batch_id <= written_until + 1; batch_id++) {
        char text[UUID_TEXT_SIZE];
        batch_uuid(&sink->request, batch_id, text);
        map_set_text(&uuids, text, sink);
    }
    bool good = remove_files(sink, &arena, sink->directory, sink->request.partition_column_count, &uuids, &problem) &&
                sink_log_take_back(sink->request.context->store, sink->directory, whole_until, &problem);
    map_free(&uuids);
    arena_destroy(&arena);
    return good || sql_error_from(error, &problem);
}

/* Batch writes: what is there already. */
static bool prepare_directory(struct file_sink *sink, bool *done, struct sql_error *error) {
    struct store *store = sink->request.context->store;
    struct bytes mode = sink->request.mode;
    bool exists = store_exists(store, sink->directory);
    if (!exists || bytes_equal_ignore_case(mode, BYTES("append"))) {
        return true;
    }
    if (bytes_equal_ignore_case(mode, BYTES("ignore"))) {
        *done = true;
        return true;
    }
    if (!bytes_equal_ignore_case(mode, BYTES("overwrite"))) {
        return raise_path_already_exists(error, sink->described);
    }
    return true; /* overwrite: the old files go when the new ones are whole */
}

static bool file_begin(struct sink *base, int64_t batch_id, bool *done, struct sql_error *error) {
    struct file_sink *sink = (struct file_sink *)base;
    struct error problem = {0};
    base->rows = 0;
    if (!sink->request.streaming && !prepare_directory(sink, done, error)) {
        return false;
    }
    return *done || make_set(sink, batch_id, &problem) || sql_error_from(error, &problem);
}

static bool file_write(struct sink *base, struct batch *batch, size_t partition, struct error *error) {
    struct file_sink *sink = (struct file_sink *)base;
    __atomic_fetch_add(&base->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    return part_set_write(sink->set, partition, batch, error);
}

static bool file_end_partition(struct sink *base, size_t partition, struct error *error) {
    return part_set_end(((struct file_sink *)base)->set, partition, error);
}

/* Overwrite: what was there before and is not one of the new files. */
static bool remove_old(struct file_sink *sink, const struct store_entries *old, struct error *error) {
    struct store *store = sink->request.context->store;
    bool good = true;
    for (size_t i = 0; i < old->count && good; i++) {
        good = store_delete(store, store_path_join(&sink->arena, sink->directory, old->items[i].name), true, error) ||
               error->code == ERROR_NOT_FOUND;
    }
    return good;
}

static bool commit_files(struct file_sink *sink, int64_t batch_id, struct error *error) {
    struct store *store = sink->request.context->store;
    struct written_files files = {0};
    struct store_entries old = {0};
    bool overwrite = !sink->request.streaming && bytes_equal_ignore_case(sink->request.mode, BYTES("overwrite"));
    struct part_set *set = sink->set;
    sink->set = NULL;
    if (overwrite && store_exists(store, sink->directory)) {
        (void)store_list(store, &sink->arena, sink->directory, NULL, 0, &old, error);
        if (!remove_old(sink, &old, error)) {
            part_set_abort(set);
            return false;
        }
    }
    bool good = part_set_commit(set, &files, error) && store_mkdirs(store, sink->directory, NULL, error);
    if (good && sink->request.streaming) {
        good = sink_log_write(store, sink->directory, sink->authority, batch_id, &files, error);
        for (size_t i = 0; i < files.count && sink->paths.count < 10000; i++) {
            VECTOR_PUSH(&sink->paths, strdup(files.items[i].path));
        }
        bool compact = (batch_id + 1) % 10 == 0;
        VECTOR_PUSH(&sink->paths, strdup(arena_printf(&sink->arena, "%s/_spark_metadata/%lld%s",
                                      strcmp(sink->directory, "/") == 0 ? "" : sink->directory, (long long)batch_id,
                                      compact ? ".compact" : "")));
    } else if (good) {
        good = store_write_file(store, store_path_join(&sink->arena, sink->directory, "_SUCCESS"), bytes_make("", 0),
            STORE_WRITE_REPLACE, error);
    }
    written_files_free(&files);
    return good;
}

static void file_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct error problem = {0};
    bool good = commit_files((struct file_sink *)base, batch_id, &problem);
    done(argument, good ? NULL : &problem);
}

static void file_describe(struct sink *base, struct buffer *out) {
    const char *uri = ((struct file_sink *)base)->described;
    bool local = strncmp(uri, "file:///", 8) == 0; /* as Hadoop prints a path */
    buffer_printf(out, "FileSink[%s%s]", local ? "file:" : "", local ? uri + 7 : uri);
}

size_t file_sink_take_paths(struct sink *base, char ***paths) {
    struct file_sink *sink = (struct file_sink *)base;
    if (base->class != &file_sink_class) {
        *paths = NULL;
        return 0;
    }
    size_t count = sink->paths.count;
    *paths = sink->paths.items;
    sink->paths.items = NULL;
    sink->paths.count = sink->paths.capacity = 0;
    return count;
}

const struct sink_class file_sink_class = {.name = "file",
    .class_name = "FileSink",
    .needs_location = true,
    .recovers = true,
    .append = true,
    .create = file_create,
    .destroy = file_destroy,
    .latest = file_latest,
    .take_back = file_take_back,
    .begin = file_begin,
    .write = file_write,
    .end_partition = file_end_partition,
    .commit = file_commit,
    .abort = file_abort,
    .describe = file_describe};
