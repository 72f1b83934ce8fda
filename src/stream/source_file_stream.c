/* source_file_stream.c: readStream from files. New files are taken in the order of their modification (the newest first
 * with latestFirst), at most maxFilesPerTrigger or maxBytesPerTrigger at a time, and noted before they are read, as
 * Spark notes them: sources/<i>/<n> holds "v1" and one JSON {"path","timestamp","batchId"} per file, every tenth,
 * <n>.compact, all files so far. The offset is the number of the newest note: {"logOffset":n}. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/vector.h"
#include "sql/sql.h"
#include "stream/files.h"
#include "stream/source.h"

enum { COMPACT_INTERVAL = 10, POLL_MS = 200, LOG_FILE_MAX = 256 << 20 };

struct noted_file {
    char *path; /* canonical */
    int64_t modified_ms, number;
};

struct file_reading {
    struct stream_reading base;
    struct store *store;
    char *log;       /* canonical path of sources/<i> */
    int64_t number;  /* of the newest note; -1: none */
    struct map seen; /* paths */
    VECTOR(struct noted_file) noted;
    int64_t files_max, bytes_max, age_max_ms, newest_ms;
    char *archive;   /* cleanSource=archive: canonical path of sourceArchiveDir */
    int64_t cleaned; /* notes up to this one are cleared away */
    bool name_only, cleans, latest_first, once, available_now, listed;
    struct arena arena;
    struct data_files waiting; /* availableNow: what there was at the beginning, not taken yet */
};

/* ---- options ---- */

static bool whole_option(const struct file_view *view, const char *name, int64_t *value, struct sql_error *error) {
    struct bytes text = format_option_get(view->options, name);
    return text.data == NULL || (bytes_to_int64(text, value) && *value > 0) ||
           raise__legacy_error_illegal_argument(
               error, arena_printf(error->arena, "Invalid value '%.*s' for option '%s', must be a positive integer",
                          BYTES_ARGS(text), name));
}

static bool read_options(struct file_reading *reading, const struct file_view *view, struct sql_error *error) {
    struct bytes age = format_option_get(view->options, "maxFileAge");
    int64_t months, microseconds;
    reading->files_max = reading->bytes_max = INT64_MAX;
    reading->age_max_ms = INT64_C(7) * 86400000;
    if (!whole_option(view, "maxFilesPerTrigger", &reading->files_max, error) ||
        !whole_option(view, "maxBytesPerTrigger", &reading->bytes_max, error)) {
        return false;
    }
    if (reading->files_max != INT64_MAX && reading->bytes_max != INT64_MAX) {
        return raise__legacy_error_illegal_argument(
            error, "Options 'maxFilesPerTrigger' and 'maxBytesPerTrigger' can't be both set at the same time");
    }
    int64_t ignored;
    if (!whole_option(view, "maxCachedFiles", &ignored, error)) {
        return false;
    }
    reading->name_only = bytes_equal_ignore_case(format_option_get(view->options, "fileNameOnly"), BYTES("true"));
    if (age.data != NULL && (!sql_parse_interval(age, &months, &microseconds) || months != 0)) {
        return raise_cannot_parse_interval(error, quote_text(error->arena, age));
    }
    reading->age_max_ms = age.data == NULL ? reading->age_max_ms : microseconds / 1000;
    reading->latest_first = bytes_equal_ignore_case(format_option_get(view->options, "latestFirst"), BYTES("true"));
    if (reading->latest_first && (reading->files_max != INT64_MAX || reading->bytes_max != INT64_MAX)) {
        reading->age_max_ms = INT64_MAX; /* old files come last, not never */
    }
    return true;
}

/* cleanSource: off, delete, or archive into sourceArchiveDir. */
static bool read_clean_options(struct file_reading *reading, const struct file_view *view, struct sql_error *error) {
    struct bytes mode = format_option_get(view->options, "cleanSource");
    struct bytes folder = format_option_get(view->options, "sourceArchiveDir");
    struct error problem = {0};
    bool archives = bytes_equal_ignore_case(mode, BYTES("archive"));
    reading->cleans = archives || bytes_equal_ignore_case(mode, BYTES("delete"));
    if (mode.data != NULL && !reading->cleans && !bytes_equal_ignore_case(mode, BYTES("off"))) {
        return raise__legacy_error_illegal_argument(error,
            arena_printf(error->arena, "Invalid mode for clean source option %.*s. Must be one of archive,delete,off",
                BYTES_ARGS(mode)));
    }
    if (archives && folder.data == NULL) {
        return raise__legacy_error_illegal_argument(error, "Archive mode must be used with 'sourceArchiveDir' option.");
    }
    if (!archives) {
        return true;
    }
    reading->archive =
        store_resolve(reading->store, &reading->arena, arena_text(&reading->arena, folder), NULL, &problem);
    if (reading->archive == NULL) {
        return sql_error_from(error, &problem);
    }
    for (size_t i = 0; i < view->path_count; i++) {
        bool machine = strncmp(view->paths[i], "file:", 5) == 0,
             to_machine = strncmp(reading->archive, "file:", 5) == 0;
        size_t size = strcspn(view->paths[i], "*?[{");
        while (size > 1 && (view->paths[i][size] != '/' && view->paths[i][size] != 0)) {
            size--;
        }
        size -= size > 1 && view->paths[i][size - 1] == '/';
        if (machine != to_machine) {
            return raise__legacy_error_illegal_argument(error,
                arena_printf(error->arena,
                    "Base archive path is located on a different file system than the source files. source path: %s / "
                    "base archive path: %s",
                    view->paths[i], reading->archive));
        }
        if (strncmp(reading->archive, view->paths[i], size) == 0 &&
            (reading->archive[size] == '/' || reading->archive[size] == 0)) {
            return raise__legacy_error_illegal_argument(error,
                arena_printf(error->arena,
                    "Base archive path cannot be set to the path where archived path can possibly match with source "
                    "pattern. Ensure the base archive path doesn't match with source pattern in depth, where the depth "
                    "is minimum of depth on both paths. source path: %s / base archive path: %s",
                    view->paths[i], reading->archive));
        }
    }
    return true;
}

/* ---- the notes ---- */

/* What makes a file another one: its path, or with fileNameOnly its name. */
static const char *key_of(const struct file_reading *reading, const char *path) {
    return reading->name_only ? store_path_name(path) : path;
}

static void note(struct file_reading *reading, const char *path, int64_t modified_ms, int64_t number) {
    VECTOR_PUSH(&reading->noted, ((struct noted_file){strdup(path), modified_ms, number}));
    map_set_text(&reading->seen, key_of(reading, path), reading);
    reading->newest_ms = modified_ms > reading->newest_ms ? modified_ms : reading->newest_ms;
}

static bool read_line(struct file_reading *reading, struct bytes line, struct sql_error *error) {
    struct arena arena = {0};
    struct error problem = {0};
    json_t *root = json_loadb((const char *)line.data, line.size, 0, NULL);
    const char *uri = json_string_value(json_object_get(root, "path"));
    char *path = uri == NULL ? NULL : store_resolve(reading->store, &arena, uri, NULL, &problem);
    if (path != NULL) {
        note(reading, path, json_integer_value(json_object_get(root, "timestamp")),
            json_integer_value(json_object_get(root, "batchId")));
    }
    bool good = path != NULL || raise_streaming_checkpoint_invalid(error, reading->log,
                                    arena_printf(error->arena, "a note of a file cannot be read: %.*s",
                                        (int)(line.size < 200 ? line.size : 200), (const char *)line.data));
    json_decref(root);
    arena_destroy(&arena);
    return good;
}

static bool read_note(struct file_reading *reading, const char *name, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error problem = {0};
    bool good = store_read_file(
                    reading->store, arena_printf(&arena, "%s/%s", reading->log, name), LOG_FILE_MAX, &text, &problem) ||
                sql_error_from(error, &problem);
    struct bytes rest = buffer_view(&text);
    for (bool first = true; good && rest.size > 0; first = false) {
        size_t end = bytes_find(rest, '\n', 0);
        struct bytes line = end == SIZE_MAX ? rest : bytes_slice(rest, 0, end);
        rest = end == SIZE_MAX ? BYTES_NULL : bytes_slice(rest, end + 1, rest.size - end - 1);
        if (first) {
            good = bytes_equal(line, BYTES("v1")) ||
                   raise_streaming_checkpoint_invalid(error, reading->log, "a note of files has not version v1");
        } else if (line.size > 0) {
            good = read_line(reading, line, error);
        }
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

/* Everything from the newest compact note on. */
static bool read_notes(struct file_reading *reading, struct sql_error *error) {
    struct arena arena = {0};
    struct store_entries entries = {0};
    struct error problem = {0};
    int64_t number, compact = -1;
    bool good = !store_exists(reading->store, reading->log) ||
                store_list(reading->store, &arena, reading->log, NULL, 0, &entries, &problem) ||
                sql_error_from(error, &problem);
    for (size_t i = 0; i < entries.count; i++) {
        struct bytes name = bytes_from_text(entries.items[i].name);
        bool is_compact = bytes_ends_with(name, ".compact");
        name.size -= is_compact ? 8 : 0;
        if (entries.items[i].stat.size > 0 && bytes_to_int64(name, &number)) {
            compact = is_compact && number > compact ? number : compact;
            reading->number = number > reading->number ? number : reading->number;
        }
    }
    for (int64_t n = compact < 0 ? 0 : compact; n <= reading->number && good; n++) {
        good = read_note(reading, arena_printf(&arena, "%lld%s", (long long)n, n == compact ? ".compact" : ""), error);
    }
    arena_destroy(&arena);
    return good;
}

static void delete_notes(struct file_reading *reading, int64_t before) {
    struct arena arena = {0};
    struct error ignored;
    for (int64_t n = before - COMPACT_INTERVAL; n < before && n >= 0; n++) {
        const char *name = (n + 1) % COMPACT_INTERVAL == 0 ? ".compact" : "";
        (void)store_delete(
            reading->store, arena_printf(&arena, "%s/%lld%s", reading->log, (long long)n, name), false, &ignored);
    }
    arena_destroy(&arena);
}

static bool write_note(struct file_reading *reading, int64_t number, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0}, uri = {0};
    struct error problem = {0};
    bool compact = (number + 1) % COMPACT_INTERVAL == 0;
    const char *path = arena_printf(&arena, "%s/%lld%s", reading->log, (long long)number, compact ? ".compact" : "");
    struct store_stat stat;
    buffer_append_text(&text, "v1");
    for (size_t i = 0; i < reading->noted.count; i++) {
        const struct noted_file *file = &reading->noted.items[i];
        if (compact || file->number == number) {
            buffer_clear(&uri);
            file_uri(file->path, "namenode:9000", &uri);
            buffer_append_text(&text, "\n{\"path\":");
            buffer_append_json_string(&text, buffer_view(&uri));
            buffer_printf(
                &text, ",\"timestamp\":%lld,\"batchId\":%lld}", (long long)file->modified_ms, (long long)file->number);
        }
    }
    bool empty = store_stat(reading->store, path, &stat, NULL) && stat.size == 0;
    bool good = store_write_file(reading->store, path, buffer_view(&text), empty ? STORE_WRITE_REPLACE : 0, &problem);
    if (!good && problem.code == ERROR_EXISTS) {
        raise_concurrent_stream_log_update(error, arena_printf(error->arena, "%lld", (long long)number));
    } else if (!good) {
        sql_error_from(error, &problem);
    } else if (compact) {
        delete_notes(reading, number - COMPACT_INTERVAL);
    }
    buffer_free(&text);
    buffer_free(&uri);
    arena_destroy(&arena);
    return good;
}

/* ---- new files ---- */

static int compare_files(const void *left, const void *right) {
    const struct data_file *a = left, *b = right;
    return a->modified_ms != b->modified_ms ? (a->modified_ms > b->modified_ms) - (a->modified_ms < b->modified_ms)
                                            : strcmp(a->path, b->path);
}

static bool list_files(
    struct file_reading *reading, struct arena *arena, struct data_files *files, struct sql_error *error) {
    struct file_view view;
    struct error problem = {0};
    file_source_view(reading->base.source, &view);
    if (!data_files_find(reading->store, arena, view.paths, view.path_count, view.options, files, &problem)) {
        return sql_error_from(error, &problem);
    }
    if (files->count > 0) {
        qsort(files->items, files->count, sizeof *files->items, compare_files);
    }
    return true;
}

/* Takes the next files of a list that were not seen yet; false when there is none. */
static bool take_files(struct file_reading *reading, const struct data_files *files, int64_t number) {
    int64_t taken = 0, bytes = 0;
    int64_t oldest = reading->newest_ms == INT64_MIN || reading->age_max_ms == INT64_MAX
                         ? INT64_MIN
                         : reading->newest_ms - reading->age_max_ms;
    for (size_t i = 0; i < files->count && taken < reading->files_max; i++) {
        const struct data_file *file = &files->items[reading->latest_first ? files->count - 1 - i : i];
        if (map_get_text(&reading->seen, key_of(reading, file->path)) != NULL || file->modified_ms < oldest) {
            continue;
        }
        if (taken > 0 && bytes + file->size > reading->bytes_max) {
            break;
        }
        note(reading, file->path, file->modified_ms, number);
        taken++;
        bytes += file->size;
    }
    return taken > 0;
}

static bool file_latest(struct stream_reading *base, struct buffer *offset, struct sql_error *error) {
    struct file_reading *reading = (struct file_reading *)base;
    struct arena arena = {0};
    struct data_files files = {0}, *from = reading->available_now ? &reading->waiting : &files;
    bool good = true;
    if (!reading->available_now || !reading->listed) {
        good = list_files(reading, reading->available_now ? &reading->arena : &arena, from, error);
        reading->listed = true;
    }
    if (good && take_files(reading, from, reading->number + 1)) {
        good = write_note(reading, reading->number + 1, error);
        reading->number += good;
    }
    arena_destroy(&arena);
    if (good && reading->number < 0) {
        buffer_append_text(offset, "{}");
    } else if (good) {
        buffer_printf(offset, "{\"logOffset\":%lld}", (long long)reading->number);
    }
    return good;
}

/* ---- a batch ---- */

/* {"logOffset":n}, or n alone as Spark 2.0 wrote it; "{}" is before the first. */
static bool parse_offset(struct bytes text, int64_t *number) {
    json_t *root = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL);
    json_t *value = json_is_object(root) ? json_object_get(root, "logOffset") : root;
    bool good = root != NULL;
    *number = json_is_integer(value) ? json_integer_value(value) : -1;
    json_decref(root);
    return good;
}

static struct source *file_batch(
    struct stream_reading *base, struct bytes start, struct bytes end, struct sql_error *error) {
    struct file_reading *reading = (struct file_reading *)base;
    struct arena arena = {0};
    struct data_files files = {0};
    int64_t from, to;
    if (!parse_offset(start, &from) || !parse_offset(end, &to)) {
        raise_streaming_checkpoint_invalid(error, reading->log, "an offset of files is not {\"logOffset\":n}");
        return NULL;
    }
    struct file_view view;
    file_source_view(base->source, &view);
    files.items = ARENA_ARRAY(&arena, struct data_file, reading->noted.count + 1);
    bool good = true;
    for (size_t i = 0; i < reading->noted.count && good; i++) {
        const struct noted_file *file = &reading->noted.items[i];
        struct store_stat stat;
        struct error problem = {0};
        if (file->number <= from || file->number > to) {
            continue;
        }
        good = store_stat(reading->store, file->path, &stat, &problem) ||
               raise_failed_read_file_no_hint(error, file->path, problem.message);
        struct data_file *taken = &files.items[files.count++];
        *taken = (struct data_file){.path = file->path, .size = stat.size, .modified_ms = file->modified_ms};
        good = good && (view.partition_count == 0 ||
                           data_file_take_partitions(&arena, view.paths, view.path_count, view.partition_names,
                               view.partition_count, taken, &problem) ||
                           sql_error_from(error, &problem));
    }
    struct source *source = good ? file_source_of(base->source, &files) : NULL;
    arena_destroy(&arena);
    return source;
}

/* Files that were read and whose outputs are safe go away, or into the archive below their own paths. What cannot be
 * moved stays, as in Spark. */
static void file_clean(struct stream_reading *base, struct bytes end) {
    struct file_reading *reading = (struct file_reading *)base;
    struct arena arena = {0};
    struct error ignored = {0};
    int64_t to;
    if (!reading->cleans || !parse_offset(end, &to) || to <= reading->cleaned) {
        return;
    }
    for (size_t i = 0; i < reading->noted.count; i++) {
        const struct noted_file *file = &reading->noted.items[i];
        if (file->number <= reading->cleaned || file->number > to) {
            continue;
        }
        if (reading->archive == NULL) {
            (void)store_delete(reading->store, file->path, false, &ignored);
            continue;
        }
        const char *path = strncmp(file->path, "file:", 5) == 0 ? file->path + 5 : file->path;
        char *target = arena_printf(&arena, "%s%s", reading->archive, path);
        char *parent = store_path_parent(&arena, target);
        if (store_exists(reading->store, file->path) &&
            (store_exists(reading->store, parent) || store_mkdirs(reading->store, parent, NULL, &ignored))) {
            (void)store_rename(reading->store, file->path, target, false, &ignored);
        }
    }
    reading->cleaned = to;
    arena_destroy(&arena);
}

/* ---- a reading ---- */

static void file_reading_close(struct stream_reading *base) {
    struct file_reading *reading = (struct file_reading *)base;
    for (size_t i = 0; i < reading->noted.count; i++) {
        free(reading->noted.items[i].path);
    }
    VECTOR_FREE(&reading->noted);
    map_free(&reading->seen);
    arena_destroy(&reading->arena);
    free(reading->log);
    free(reading);
}

static struct stream_reading *file_reading_open(
    struct source *source, const struct stream_context *context, const char *checkpoint, struct sql_error *error) {
    struct file_reading *reading = calloc(1, sizeof *reading);
    struct file_view view;
    ASSERT(reading != NULL);
    file_source_view(source, &view);
    reading->base = (struct stream_reading){&file_stream_class, source};
    reading->store = context->store;
    reading->log = strdup(checkpoint);
    reading->number = reading->cleaned = -1;
    reading->newest_ms = INT64_MIN;
    if (!read_options(reading, &view, error) || !read_clean_options(reading, &view, error) ||
        !read_notes(reading, error)) {
        file_reading_close(&reading->base);
        return NULL;
    }
    return &reading->base;
}

static bool file_initial(struct stream_reading *reading, struct buffer *offset, struct sql_error *error) {
    buffer_append_text(offset, "{}");
    return true;
}

static void file_prepare(struct stream_reading *base, bool once) {
    struct file_reading *reading = (struct file_reading *)base;
    reading->available_now = !once;
    if (once) {
        reading->files_max = reading->bytes_max = INT64_MAX;
    }
}

/* As Hadoop prints a path: file:/p, hdfs://namenode:9000/p. */
static void file_describe(struct stream_reading *base, struct buffer *out) {
    struct file_view view;
    file_source_view(base->source, &view);
    buffer_append_text(out, "FileStreamSource[");
    for (size_t i = 0; i < view.path_count; i++) {
        bool local = strncmp(view.paths[i], "file:", 5) == 0;
        buffer_printf(out, "%s%s%s", i > 0 ? "," : "", local ? "" : "hdfs://namenode:9000", view.paths[i]);
    }
    buffer_append_byte(out, ']');
}

static void file_reasons(struct stream_reading *base, struct bytes start, const char *read_before, bool read_now,
    int64_t wait_ms, struct stream_reasons *reasons) {
    struct file_view view;
    file_source_view(base->source, &view);
    if (reasons->count < ARRAY_COUNT(reasons->items) && view.path_count > 0) {
        reasons->items[reasons->count++] =
            (struct stream_reason){STREAM_REASON_NO_FILES, arena_strdup(reasons->arena, view.paths[0]), "", "", 0};
    }
}

const struct stream_source_class file_stream_class = {.open = file_reading_open,
    .close = file_reading_close,
    .initial = file_initial,
    .latest = file_latest,
    .batch = file_batch,
    .describe = file_describe,
    .prepare = file_prepare,
    .reasons = file_reasons,
    .clean = file_clean,
    .hides_latest = true,
    .equal_offsets_are_text = true,
    .poll_ms = POLL_MS};
