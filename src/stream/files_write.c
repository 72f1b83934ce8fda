/* files_write.c: part files. A partition of the engine writes one file, or one per combination of partition column
 * values; each is written where nobody sees it and appears whole when the set is committed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "column/text.h"
#include "format/compress.h"
#include "stream/files.h"

enum { OPEN_FILES_MAX = 4096 };

struct part_file {
    char *path;
    struct store_writer *store_writer;
    struct format_writer *writer; /* NULL: ended */
    struct buffer text;           /* of a text format that is compressed as a whole */
    bool compress;
    int64_t rows, size;
    struct part_file *next;
};

struct part {
    size_t index;
    struct part_file *files;
    struct map by_directory; /* "k=v/l=w" to struct part_file */
    struct part *next;
};

struct part_set {
    struct part_options options;
    struct arena arena;
    enum format_codec codec;
    char *suffix;
    const struct type *file_schema; /* without partition columns */
    size_t *file_columns;
    struct world_mutex mutex; /* guards parts and file_count */
    struct part *parts;
    size_t file_count;
    int64_t rows;
};

void written_files_free(struct written_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    VECTOR_FREE(files);
}

void file_uri(const char *path, const char *authority, struct buffer *out) {
    bool machine = strncmp(path, "file:", 5) == 0;
    if (machine) {
        buffer_append_text(out, "file://");
    } else {
        buffer_printf(out, "hdfs://%s", authority);
    }
    for (const char *at = machine ? path + 5 : path; *at != 0; at++) {
        uint8_t c = (uint8_t)*at;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("/-_.~!$&'()*+,;=:@", c) != NULL;
        if (plain) {
            buffer_append_byte(out, c);
        } else {
            buffer_printf(out, "%%%02X", c);
        }
    }
}

static bool is_partition_column(const struct part_options *options, size_t column) {
    for (size_t i = 0; i < options->partition_column_count; i++) {
        if (options->partition_columns[i] == column) {
            return true;
        }
    }
    return false;
}

struct part_set *part_set_create(const struct part_options *options, struct error *error) {
    struct part_set *set = calloc(1, sizeof *set);
    ASSERT(set != NULL);
    struct buffer suffix = {0};
    set->options = *options;
    set->options.directory = arena_strdup(&set->arena, options->directory);
    world_mutex_init(&set->mutex);
    struct type_field *fields = ARENA_ARRAY(&set->arena, struct type_field, options->schema->field_count + 1);
    set->file_columns = ARENA_ARRAY(&set->arena, size_t, options->schema->field_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < options->schema->field_count; i++) {
        if (!is_partition_column(options, i)) {
            set->file_columns[count] = i;
            fields[count++] = options->schema->fields[i];
        }
    }
    set->file_schema = type_struct(&set->arena, fields, count);
    if (count == 0) {
        error_set(error, ERROR_INVALID, "Cannot use all columns for partition columns.");
    }
    if (count == 0 || !format_codec_get(options->format, &options->options, &set->codec, error)) {
        part_set_abort(set);
        return NULL;
    }
    format_file_suffix(options->format, set->codec, &suffix);
    set->suffix = arena_text(&set->arena, buffer_view(&suffix));
    /* What the format refuses is told before anything runs. */
    buffer_clear(&suffix);
    struct format_writer *probe = options->format->create(
        set->file_schema, &options->options, options->zone, format_output_buffer(&suffix), error);
    buffer_free(&suffix);
    if (probe == NULL) {
        part_set_abort(set);
        return NULL;
    }
    options->format->abort(probe);
    return set;
}

static struct part *find_part(struct part_set *set, size_t index) {
    world_mutex_lock(&set->mutex);
    struct part *part = set->parts;
    while (part != NULL && part->index != index) {
        part = part->next;
    }
    if (part == NULL) {
        part = calloc(1, sizeof *part);
        ASSERT(part != NULL);
        part->index = index;
        part->next = set->parts;
        set->parts = part;
    }
    world_mutex_unlock(&set->mutex);
    return part;
}

static bool write_out(void *context, const void *data, size_t size, struct error *error) {
    struct part_file *file = context;
    if (file->compress) {
        buffer_append(&file->text, data, size);
        return true;
    }
    return store_writer_write(file->store_writer, data, size, error);
}

static struct part_file *open_file(
    struct part_set *set, struct part *part, struct bytes directory, struct error *error) {
    struct part_file *file = map_get(&part->by_directory, directory);
    if (file != NULL) {
        return file;
    }
    world_mutex_lock(&set->mutex);
    bool full = ++set->file_count > OPEN_FILES_MAX;
    world_mutex_unlock(&set->mutex);
    if (full) {
        error_set(error, ERROR_LIMIT,
            "more than %d files would be open at once: partitionBy has too many different values", OPEN_FILES_MAX);
        return NULL;
    }
    file = calloc(1, sizeof *file);
    ASSERT(file != NULL);
    struct buffer path = {0};
    buffer_printf(&path, "%s%s%.*s%spart-%05zu-%s%s%s", set->options.directory,
        strcmp(set->options.directory, "/") == 0 ? "" : "/", BYTES_ARGS(directory), directory.size > 0 ? "/" : "",
        part->index, set->options.uuid, directory.size > 0 ? ".c000" : "-c000", set->suffix);
    file->path = strdup(buffer_text(&path));
    buffer_free(&path);
    file->compress = set->codec != FORMAT_CODEC_NONE && set->options.format != &format_parquet;
    file->store_writer = store_writer_open(set->options.store, file->path, STORE_WRITE_REPLACE, error);
    struct format_output output = {write_out, file};
    file->writer = file->store_writer == NULL ? NULL
                                              : set->options.format->create(set->file_schema, &set->options.options,
                                                    set->options.zone, output, error);
    file->next = part->files;
    part->files = file;
    map_set(&part->by_directory, directory, file);
    return file->writer != NULL ? file : NULL;
}

static bool write_rows(struct part_set *set, struct part_file *file, struct batch *batch, struct error *error) {
    struct batch view = {.references = 1,
        .schema = set->file_schema,
        .row_count = batch->row_count,
        .column_count = set->file_schema->field_count};
    struct column *columns[256], **list = columns;
    struct arena arena = {0};
    if (view.column_count > ARRAY_COUNT(columns)) {
        list = ARENA_ARRAY(&arena, struct column *, view.column_count);
    }
    for (size_t i = 0; i < view.column_count; i++) {
        list[i] = batch->columns[set->file_columns[i]];
    }
    view.columns = list;
    file->rows += (int64_t)batch->row_count;
    bool good = set->options.format->write(file->writer, &view, error);
    arena_destroy(&arena);
    return good;
}

/* Spark's (Hive's) escaping of names in paths. */
static void append_escaped(struct bytes text, struct buffer *out) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == 0x7f || strchr("\"#%'*/:=?\\{[]^", c) != NULL) {
            buffer_printf(out, "%%%02X", c);
        } else {
            buffer_append_byte(out, c);
        }
    }
}

static void directory_of(
    const struct part_set *set, const struct batch *batch, size_t row, struct buffer *scratch, struct buffer *out) {
    buffer_clear(out);
    for (size_t i = 0; i < set->options.partition_column_count; i++) {
        size_t index = set->options.partition_columns[i];
        const struct column *column = batch->columns[index];
        if (i > 0) {
            buffer_append_byte(out, '/');
        }
        append_escaped(set->options.schema->fields[index].name, out);
        buffer_append_byte(out, '=');
        buffer_clear(scratch);
        if (!column_is_null(column, row)) {
            value_format(column, column->constant ? 0 : row, set->options.zone, scratch);
        }
        if (scratch->size == 0) {
            buffer_append_text(out, "__HIVE_DEFAULT_PARTITION__");
        } else {
            append_escaped(buffer_view(scratch), out);
        }
    }
}

struct group {
    VECTOR(uint32_t) rows;
};

static bool write_grouped(struct part_set *set, struct part *part, struct batch *batch, struct error *error) {
    struct map groups = {0};
    struct buffer scratch = {0}, directory = {0};
    for (size_t row = 0; row < batch->row_count; row++) {
        directory_of(set, batch, row, &scratch, &directory);
        struct group *group = map_get(&groups, buffer_view(&directory));
        if (group == NULL) {
            group = calloc(1, sizeof *group);
            ASSERT(group != NULL);
            map_set(&groups, buffer_view(&directory), group);
        }
        VECTOR_PUSH(&group->rows, (uint32_t)row);
    }
    bool good = true;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups, &cursor)) != NULL;) {
        struct group *group = entry->value;
        struct part_file *file = good ? open_file(set, part, entry->key, error) : NULL;
        good = good && file != NULL;
        if (good) {
            struct batch *taken = batch_take(batch, group->rows.items, group->rows.count);
            good = write_rows(set, file, taken, error);
            batch_release(taken);
        }
        VECTOR_FREE(&group->rows);
        free(group);
    }
    map_free(&groups);
    buffer_free(&scratch);
    buffer_free(&directory);
    return good;
}

bool part_set_write(struct part_set *set, size_t partition, struct batch *batch, struct error *error) {
    if (batch->row_count == 0) {
        return true;
    }
    struct part *part = find_part(set, partition);
    __atomic_fetch_add(&set->rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    if (set->options.partition_column_count > 0) {
        return write_grouped(set, part, batch, error);
    }
    struct part_file *file = part->files != NULL ? part->files : open_file(set, part, bytes_make("", 0), error);
    return file != NULL && write_rows(set, file, batch, error);
}

static bool end_file(struct part_set *set, struct part_file *file, struct error *error) {
    if (file->writer == NULL) {
        return true;
    }
    bool good = set->options.format->finish(file->writer, error);
    file->writer = NULL;
    if (good && file->compress) {
        struct buffer packed = {0};
        good = format_compress(set->codec, buffer_view(&file->text), &packed, error) &&
               store_writer_write(file->store_writer, packed.data, packed.size, error);
        buffer_free(&packed);
        buffer_free(&file->text);
    }
    file->size = store_writer_size(file->store_writer);
    return good;
}

bool part_set_end(struct part_set *set, size_t partition, struct error *error) {
    struct part *part = find_part(set, partition);
    bool good = true;
    for (struct part_file *file = part->files; file != NULL && good; file = file->next) {
        good = end_file(set, file, error);
    }
    return good;
}

int64_t part_set_rows(const struct part_set *set) {
    return __atomic_load_n(&set->rows, __ATOMIC_RELAXED);
}

static int compare_written(const void *left, const void *right) {
    return strcmp(((const struct written_file *)left)->path, ((const struct written_file *)right)->path);
}

bool part_set_commit(struct part_set *set, struct written_files *files, struct error *error) {
    bool good = true;
    for (struct part *part = set->parts; part != NULL && good; part = part->next) {
        for (struct part_file *file = part->files; file != NULL && good; file = file->next) {
            good = end_file(set, file, error);
        }
    }
    for (struct part *part = set->parts; part != NULL && good; part = part->next) {
        for (struct part_file *file = part->files; file != NULL && good; file = file->next) {
            struct store_writer *writer = file->store_writer;
            file->store_writer = NULL; /* gone, whatever commit answers */
            good = store_writer_commit(writer, error);
            if (good) {
                VECTOR_PUSH(files, ((struct written_file){strdup(file->path), file->size, file->rows}));
            }
        }
    }
    if (files->count > 0) {
        qsort(files->items, files->count, sizeof *files->items, compare_written);
    }
    part_set_abort(set);
    return good;
}

void part_set_abort(struct part_set *set) {
    if (set == NULL) {
        return;
    }
    while (set->parts != NULL) {
        struct part *part = set->parts;
        set->parts = part->next;
        while (part->files != NULL) {
            struct part_file *file = part->files;
            part->files = file->next;
            if (file->writer != NULL) {
                set->options.format->abort(file->writer);
            }
            if (file->store_writer != NULL) {
                store_writer_abort(file->store_writer);
            }
            buffer_free(&file->text);
            free(file->path);
            free(file);
        }
        map_free(&part->by_directory);
        free(part);
    }
    world_mutex_destroy(&set->mutex);
    arena_destroy(&set->arena);
    free(set);
}
