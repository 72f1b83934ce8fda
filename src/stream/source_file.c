/* source_file.c: parquet, json, csv and text files as sources of the engine. A partition of a scan is a file, or a
 * piece of a large one. Columns of key=value directories come behind those of the files. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "column/builder.h"
#include "column/text.h"
#include "format/csv.h"
#include "format/json.h"
#include "stream/files.h"
#include "stream/source.h"

enum { PIECE_SIZE = 64 << 20, INFER_FILES_MAX = 1000 };

struct file_source {
    struct source base;
    struct arena arena;
    struct store *store;
    const struct format_class *format;
    struct format_options options;
    const struct timezone *zone;
    char **paths;
    size_t path_count;
    struct data_files files;
    const struct type *file_schema; /* without the partition columns */
    const int *places; /* of each column: among those of the files, or -1 - among those of the directories */
    struct world_mutex mutex;
    struct format_report report;
};

/* Options of reading that any file source takes. */
static const char *const unserved[] = {
    "modifiedBefore", "modifiedAfter", "ignoreCorruptFiles", "ignoreMissingFiles", "basePath"};

static bool check_options(const struct file_source *source, struct sql_error *error) {
    for (size_t i = 0; i < source->options.count; i++) {
        struct bytes name = source->options.items[i].name;
        for (size_t j = 0; j < ARRAY_COUNT(unserved); j++) {
            if (bytes_equal_ignore_case(name, bytes_from_text(unserved[j])) &&
                !bytes_equal_ignore_case(source->options.items[i].value, BYTES("false"))) {
                return raise_unsupported_feature_not_in_this_program(
                    error, arena_printf(error->arena, "Option %s of file sources", unserved[j]), "");
            }
        }
    }
    return true;
}

static void file_close(struct source *base) {
    struct file_source *source = (struct file_source *)base;
    world_mutex_destroy(&source->mutex);
    arena_destroy(&source->arena);
    free(source);
}

static void copy_request(struct file_source *source, const struct source_request *request) {
    struct format_option *items = ARENA_ARRAY(&source->arena, struct format_option, request->option_count + 1);
    for (size_t i = 0; i < request->option_count; i++) {
        items[i] = (struct format_option){
            arena_copy(&source->arena, request->options[i].key), arena_copy(&source->arena, request->options[i].value)};
    }
    source->options = (struct format_options){items, request->option_count};
    source->zone =
        request->settings != NULL && request->settings->zone != NULL ? request->settings->zone : timezone_utc();
}

static bool resolve_paths(struct file_source *source, const struct source_request *request, struct sql_error *error) {
    struct bytes option = format_option_get(&source->options, "path");
    size_t count = request->path_count + (option.data != NULL);
    struct error problem = {0};
    if (count == 0) {
        return raise__legacy_error_illegal_argument(error, "'path' is not specified");
    }
    source->paths = ARENA_ARRAY(&source->arena, char *, count);
    for (size_t i = 0; i < count; i++) {
        struct bytes text = i < request->path_count ? request->paths[i] : option;
        source->paths[i] = store_resolve(source->store, &source->arena, arena_text(&source->arena, text),
            request->user.size > 0 ? arena_text(&source->arena, request->user) : NULL, &problem);
        if (source->paths[i] == NULL) {
            return sql_error_from(error, &problem);
        }
    }
    source->path_count = count;
    return true;
}

static bool failed_file(struct sql_error *error, const char *path, const struct error *problem) {
    return raise_failed_read_file_no_hint(error, path, problem->message);
}

/* Schema of the files: Parquet's from the first, the others' from all. */
static bool infer(struct file_source *source, struct sql_error *error) {
    const struct type *schema = NULL;
    bool first_only = source->format == &format_parquet || source->format == &format_text;
    for (size_t i = 0; i < source->files.count && i < INFER_FILES_MAX && !(first_only && schema != NULL); i++) {
        struct format_source file;
        struct error problem = {0};
        if (source->files.items[i].size == 0 && source->format != &format_text) {
            continue;
        }
        if (!data_file_open(source->store, source->files.items[i].path, source->files.items[i].size, &file, &problem)) {
            return failed_file(error, source->files.items[i].path, &problem);
        }
        bool good = source->format->infer(&source->arena, &file, &source->options, source->zone, &schema, &problem);
        file.release(file.owner);
        if (!good) {
            return failed_file(error, source->files.items[i].path, &problem);
        }
    }
    if (schema == NULL) {
        return raise_unable_to_infer_schema(
            error, strcmp(source->format->name, "parquet") == 0 ? "Parquet" : source->format->name);
    }
    source->file_schema = schema;
    return true;
}

static struct bytes partition_name(const struct file_source *source, size_t index) {
    return source->files.partition_names[index];
}

/* What a stream wrote keeps the order of the schema that it is read with, as in Spark; else the columns of directories
 * are last. */
static void order_columns(
    struct file_source *source, const struct type *user_schema, const struct type_field *fields, size_t count) {
    size_t file_count = source->file_schema->field_count, used = 0;
    struct type_field *ordered = ARENA_ARRAY(&source->arena, struct type_field, count + 1);
    int *places = ARENA_ARRAY(&source->arena, int, count + 1);
    bool *taken = ARENA_ARRAY(&source->arena, bool, count + 1);
    size_t given = user_schema != NULL && source->files.from_metadata ? user_schema->field_count : 0;
    for (size_t pass = 0; pass < given + count; pass++) {
        for (size_t i = 0; i < count; i++) {
            bool next = pass < given ? bytes_equal_ignore_case(fields[i].name, user_schema->fields[pass].name)
                                     : i == pass - given;
            if (next && !taken[i]) {
                taken[i] = true;
                places[used] = i < file_count ? (int)i : -1 - (int)(i - file_count);
                ordered[used++] = fields[i];
            }
        }
    }
    source->places = places;
    source->base.schema = type_struct(&source->arena, ordered, count);
}

/* Columns of the files, then those of the directories that the files do not have. */
static void make_schema(struct file_source *source, const struct type *user_schema) {
    const struct type *of_files = source->file_schema;
    struct type_field *fields =
        ARENA_ARRAY(&source->arena, struct type_field, of_files->field_count + source->files.partition_count + 1);
    struct type_field *all =
        ARENA_ARRAY(&source->arena, struct type_field, of_files->field_count + source->files.partition_count + 1);
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < of_files->field_count; i++) {
        bool in_directories = false;
        for (size_t j = 0; j < source->files.partition_count; j++) {
            in_directories |= bytes_equal_ignore_case(of_files->fields[i].name, partition_name(source, j));
        }
        if (!in_directories) {
            fields[count] = all[kept] = of_files->fields[i];
            fields[count].nullable = all[kept].nullable = true;
            count++;
            kept++;
        }
    }
    for (size_t j = 0; j < source->files.partition_count; j++) {
        int given = user_schema == NULL ? -1 : type_field_index(user_schema, partition_name(source, j));
        if (given >= 0) {
            source->files.partition_types[j] = user_schema->fields[given].type;
        }
        all[kept++] =
            (struct type_field){partition_name(source, j), source->files.partition_types[j], true, BYTES_NULL};
    }
    source->file_schema = type_struct(&source->arena, fields, count);
    order_columns(source, user_schema, all, kept);
}

/* PATH_NOT_FOUND names the path as Spark does; always false. */
static bool not_found(const struct file_source *source, const struct source_request *request, struct sql_error *error) {
    for (size_t i = 0; i < source->path_count; i++) {
        if (strpbrk(source->paths[i], "*?[{") == NULL && !store_exists(source->store, source->paths[i])) {
            struct buffer uri = {0};
            file_uri(source->paths[i], store_authority(source->store), &uri);
            if (source->paths[i][0] == '/' && world_exists(store_world(source->store), source->paths[i])) {
                buffer_printf(&uri, " (it exists on this machine: write file:%s)", source->paths[i]);
            }
            raise_path_not_found(error, arena_text(error->arena, buffer_view(&uri)));
            buffer_free(&uri);
        }
    }
    return false;
}

static struct source *file_open(
    const struct source_class *class, const struct source_request *request, struct sql_error *error) {
    const struct stream_context *context = exec_source_context(request->engine, class);
    struct file_source *source = calloc(1, sizeof *source);
    ASSERT(source != NULL);
    struct error problem = {0};
    source->base.class = class;
    source->store = context->store;
    source->format = format_find(bytes_from_text(class->name));
    world_mutex_init(&source->mutex);
    copy_request(source, request);
    bool good = check_options(source, error) && resolve_paths(source, request, error);
    if (good && !data_files_find(source->store, &source->arena, source->paths, source->path_count, &source->options,
                    &source->files, &problem)) {
        good = not_found(source, request, error) || sql_error_from(error, &problem);
    }
    if (good && request->user_schema != NULL) {
        source->file_schema = type_copy(&source->arena, request->user_schema);
    } else if (good && request->streaming && source->format != &format_text) {
        good = raise__legacy_error_illegal_argument(error,
            "Schema must be specified when creating a streaming source DataFrame. If some files already exist in the "
            "directory, then depending on the file format you may be able to create a static DataFrame on that "
            "directory with 'spark.read.load(directory)' and infer "
            "schema from it.");
    } else if (good) {
        good = infer(source, error);
    }
    if (!good) {
        file_close(&source->base);
        return NULL;
    }
    make_schema(source, request->user_schema);
    return &source->base;
}

static void file_statistics(struct source *base, struct source_statistics *statistics) {
    struct file_source *source = (struct file_source *)base;
    *statistics = (struct source_statistics){-1, 0};
    for (size_t i = 0; i < source->files.count; i++) {
        statistics->size += source->files.items[i].size;
    }
}

static void file_explain(struct source *base, struct buffer *out) {
    struct file_source *source = (struct file_source *)base;
    buffer_printf(out, "%s Location: [", source->format->name);
    for (size_t i = 0; i < source->path_count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? ", " : "", source->paths[i]);
    }
    buffer_append_byte(out, ']');
}

/* ---- scans ---- */

struct piece {
    const struct data_file *file;
    int64_t start, end; /* 0, 0: the whole file */
};

struct file_scan {
    struct source_scan base;
    struct arena arena;
    const struct source_projection *projection;
    struct piece *pieces;
    const struct type *wanted;       /* of the files */
    int *from_file, *from_directory; /* per projected column; -1 */
    struct format_filter *filters;
    size_t filter_count;
};

struct file_partition {
    struct source_partition base;
    const struct piece *piece;
    struct format_source source;
    bool opened;
    struct format_reader *reader;
    struct format_report report;
    int64_t rows;
};

static void add_pieces(struct file_scan *scan, const struct file_source *source) {
    size_t capacity = source->files.count + 1;
    for (size_t i = 0; i < source->files.count; i++) {
        capacity += (size_t)(source->files.items[i].size / PIECE_SIZE);
    }
    scan->pieces = ARENA_ARRAY(&scan->arena, struct piece, capacity);
    bool multi_line = bytes_equal_ignore_case(format_option_get(&source->options, "multiLine"), BYTES("true"));
    for (size_t i = 0; i < source->files.count; i++) {
        const struct data_file *file = &source->files.items[i];
        struct bytes path = bytes_from_text(file->path);
        bool whole = !source->format->splittable || multi_line || bytes_ends_with(path, ".gz") ||
                     bytes_ends_with(path, ".zst") ||
                     bytes_equal_ignore_case(format_option_get(&source->options, "wholetext"), BYTES("true"));
        if (whole || file->size <= PIECE_SIZE) {
            scan->pieces[scan->base.partition_count++] = (struct piece){file, 0, 0};
            continue;
        }
        for (int64_t start = 0; start < file->size; start += PIECE_SIZE) {
            scan->pieces[scan->base.partition_count++] =
                (struct piece){file, start, start + PIECE_SIZE < file->size ? start + PIECE_SIZE : file->size};
        }
    }
}

static void choose_columns(struct file_scan *scan, const struct file_source *source) {
    size_t count = scan->projection->column_count, wanted = 0;
    struct type_field *fields =
        ARENA_ARRAY(&scan->arena, struct type_field, count + source->file_schema->field_count + 1);
    scan->from_file = ARENA_ARRAY(&scan->arena, int, count + 1);
    scan->from_directory = ARENA_ARRAY(&scan->arena, int, count + 1);
    /* CSV values have a place in the line: all columns are read. Corrupt-record columns are filled from all, too. */
    bool all = source->format == &format_csv;
    for (size_t i = 0; all && i < source->file_schema->field_count; i++) {
        fields[wanted++] = source->file_schema->fields[i];
    }
    for (size_t i = 0; i < count; i++) {
        size_t column = scan->projection->columns[i];
        scan->from_file[i] = scan->from_directory[i] = -1;
        int place = source->places[column];
        if (place < 0) {
            scan->from_directory[i] = -1 - place;
        } else if (all) {
            scan->from_file[i] = place;
        } else {
            scan->from_file[i] = (int)wanted;
            fields[wanted++] = source->file_schema->fields[place];
        }
    }
    scan->wanted = type_struct(&scan->arena, fields, wanted);
}

static void choose_filters(struct file_scan *scan, const struct file_source *source) {
    static const enum format_compare compares[] = {FORMAT_EQUAL, FORMAT_LESS, FORMAT_LESS_EQUAL, FORMAT_GREATER,
        FORMAT_GREATER_EQUAL, FORMAT_NOT_NULL, FORMAT_NOT_NULL};
    scan->filters = ARENA_ARRAY(&scan->arena, struct format_filter, scan->projection->filter_count + 1);
    for (size_t i = 0; i < scan->projection->filter_count; i++) {
        const struct source_filter *filter = &scan->projection->filters[i];
        int place = source->places[filter->column];
        if (place >= 0 && filter->comparison != SOURCE_IS_NULL) {
            scan->filters[scan->filter_count++] = (struct format_filter){
                source->file_schema->fields[place].name, compares[filter->comparison], filter->value};
        }
    }
}

static struct source_scan *scan_begin(
    struct source *base, const struct source_projection *projection, struct sql_error *error) {
    struct file_source *source = (struct file_source *)base;
    struct file_scan *scan = calloc(1, sizeof *scan);
    ASSERT(scan != NULL);
    scan->base.source = base;
    scan->projection = projection;
    add_pieces(scan, source);
    choose_columns(scan, source);
    choose_filters(scan, source);
    return &scan->base;
}

static void scan_end(struct source_scan *base) {
    struct file_scan *scan = (struct file_scan *)base;
    arena_destroy(&scan->arena);
    free(scan);
}

static struct source_partition *partition_open(struct source_scan *base, size_t index, struct sql_error *error) {
    struct file_scan *scan = (struct file_scan *)base;
    struct file_source *source = (struct file_source *)base->source;
    struct file_partition *partition = calloc(1, sizeof *partition);
    ASSERT(partition != NULL);
    struct error problem = {0};
    partition->base.scan = base;
    partition->piece = &scan->pieces[index];
    const struct data_file *file = partition->piece->file;
    if (!data_file_open(source->store, file->path, file->size, &partition->source, &problem)) {
        failed_file(error, file->path, &problem);
        free(partition);
        return NULL;
    }
    struct format_read_request request = {.schema = scan->wanted,
        .options = &source->options,
        .zone = source->zone,
        .filters = scan->filters,
        .filter_count = scan->filter_count,
        .range_start = partition->piece->start,
        .range_end = partition->piece->end,
        .report = &partition->report};
    /* An empty file has no rows, also in formats where it is not a file of them. */
    bool empty = partition->source.data.size == 0 && source->format != &format_text;
    partition->reader = empty ? NULL : source->format->open(&partition->source, &request, &problem);
    partition->opened = true;
    if (partition->reader == NULL && !empty) {
        failed_file(error, file->path, &problem);
        base->source->class->partition_close(&partition->base);
        return NULL;
    }
    __atomic_fetch_add(&base->bytes_read,
        partition->piece->end > 0 ? partition->piece->end - partition->piece->start : file->size, __ATOMIC_RELAXED);
    return &partition->base;
}

/* The value of a key=value directory as a constant column. */
static struct column *directory_column(
    const struct file_source *source, const struct data_file *file, size_t index, struct arena *arena) {
    const struct type *type = source->files.partition_types[index];
    struct bytes text = file->partition_values[index];
    struct column *column = column_create(arena, type, 1);
    int64_t wide = 0;
    int32_t narrow = 0;
    double real = 0;
    bool good = text.data != NULL;
    switch (good ? type->kind : TYPE_NULL) {
    case TYPE_INTEGER:
        good = bytes_to_int64(text, &wide) && wide >= INT32_MIN && wide <= INT32_MAX;
        COLUMN_VALUES(column, int32_t)[0] = (int32_t)wide;
        break;
    case TYPE_LONG:
        good = bytes_to_int64(text, &COLUMN_VALUES(column, int64_t)[0]);
        break;
    case TYPE_DOUBLE:
        good = value_parse_double(text, &real);
        COLUMN_VALUES(column, double)[0] = real;
        break;
    case TYPE_DATE:
        good = value_parse_date(text, &narrow);
        COLUMN_VALUES(column, int32_t)[0] = narrow;
        break;
    case TYPE_TIMESTAMP:
        good = value_parse_timestamp(text, source->zone, &wide);
        COLUMN_VALUES(column, int64_t)[0] = wide;
        break;
    case TYPE_STRING:
        COLUMN_VALUES(column, struct string_view)[0] = (struct string_view){text.data, (uint32_t)text.size, 0};
        break;
    default:
        good = false;
    }
    if (!good) {
        column = column_create_nulls(arena, type, 1);
    }
    column->constant = true;
    return column;
}

static enum source_result partition_next(
    struct source_partition *base, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    struct file_partition *partition = (struct file_partition *)base;
    struct file_scan *scan = (struct file_scan *)base->scan;
    struct file_source *source = (struct file_source *)base->scan->source;
    struct error problem = {0};
    struct batch *read;
    if (partition->reader == NULL ||
        (scan->projection->row_limit >= 0 && partition->rows >= scan->projection->row_limit)) {
        return SOURCE_END;
    }
    enum format_next next = source->format->next(partition->reader, &read, &problem);
    if (next != FORMAT_NEXT_BATCH) {
        return next == FORMAT_NEXT_END || !failed_file(error, partition->piece->file->path, &problem)
                   ? (next == FORMAT_NEXT_END ? SOURCE_END : SOURCE_FAILED)
                   : SOURCE_FAILED;
    }
    struct batch *chosen = batch_create(scan->projection->schema);
    chosen->row_count = read->row_count;
    for (size_t i = 0; i < scan->projection->column_count; i++) {
        chosen->columns[i] = scan->from_file[i] >= 0 ? read->columns[scan->from_file[i]]
                                                     : directory_column(source, partition->piece->file,
                                                           (size_t)scan->from_directory[i], &chosen->arena);
    }
    batch_keep(chosen, read);
    batch_release(read);
    partition->rows += (int64_t)chosen->row_count;
    *batch = chosen;
    return SOURCE_BATCH;
}

static void partition_close(struct source_partition *base) {
    struct file_partition *partition = (struct file_partition *)base;
    struct file_source *source = (struct file_source *)base->scan->source;
    source->format->close(partition->reader);
    if (partition->opened) {
        partition->source.release(partition->source.owner);
    }
    world_mutex_lock(&source->mutex);
    format_report_add(&source->report, &partition->report);
    world_mutex_unlock(&source->mutex);
    free(partition);
}

#define FILE_SOURCE_CLASS(variable, text)                                                                              \
    const struct source_class variable = {.name = text,                                                                \
        .streaming = true,                                                                                             \
        .batch = true,                                                                                                 \
        .open = file_open,                                                                                             \
        .close = file_close,                                                                                           \
        .statistics = file_statistics,                                                                                 \
        .explain = file_explain,                                                                                       \
        .scan_begin = scan_begin,                                                                                      \
        .scan_end = scan_end,                                                                                          \
        .partition_open = partition_open,                                                                              \
        .partition_next = partition_next,                                                                              \
        .partition_close = partition_close}
FILE_SOURCE_CLASS(parquet_source_class, "parquet");
FILE_SOURCE_CLASS(json_source_class, "json");
FILE_SOURCE_CLASS(csv_source_class, "csv");
FILE_SOURCE_CLASS(text_source_class, "text");

/* ---- for the streaming side ---- */

void file_source_view(struct source *base, struct file_view *view) {
    struct file_source *source = (struct file_source *)base;
    *view = (struct file_view){source->store, source->paths, source->path_count, &source->options,
        source->files.partition_names, source->files.partition_count};
}

struct source *file_source_of(struct source *base, const struct data_files *files) {
    struct file_source *source = (struct file_source *)base, *copy = calloc(1, sizeof *copy);
    ASSERT(copy != NULL);
    *copy = *source;
    copy->arena = (struct arena){0};
    copy->report = (struct format_report){0};
    world_mutex_init(&copy->mutex);
    copy->files.items = ARENA_ARRAY(&copy->arena, struct data_file, files->count + 1);
    copy->files.count = files->count;
    for (size_t i = 0; i < files->count; i++) {
        copy->files.items[i] = files->items[i];
        copy->files.items[i].path = arena_strdup(&copy->arena, files->items[i].path);
        copy->files.items[i].partition_values =
            ARENA_ARRAY(&copy->arena, struct bytes, source->files.partition_count + 1);
        for (size_t j = 0; j < source->files.partition_count && files->items[i].partition_values != NULL; j++) {
            copy->files.items[i].partition_values[j] =
                files->items[i].partition_values[j].data == NULL
                    ? BYTES_NULL
                    : arena_copy(&copy->arena, files->items[i].partition_values[j]);
        }
    }
    return &copy->base;
}
