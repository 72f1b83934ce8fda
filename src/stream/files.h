/* files.h: data files in directories: finding them (partition directories, globs, hidden names, _spark_metadata) and
 * writing part files that appear whole and only at commit. Inside stream/ only. All functions may wait for the disk. */
#ifndef STREAM_FILES_H
#define STREAM_FILES_H

#include "exec/source.h"
#include "format/format.h"
#include "store/store.h"

/* ---- finding ---- */

struct data_file {
    char *path; /* canonical */
    int64_t size, modified_ms;
    struct bytes *partition_values; /* texts, one per partition column; data NULL: null */
};
struct data_files { /* in the arena */
    struct data_file *items;
    size_t count, capacity;
    struct bytes *partition_names; /* from directories key=value, in order of depth */
    size_t partition_count;
    const struct type **partition_types; /* INT, BIGINT, DOUBLE, DATE, TIMESTAMP or STRING: what all values are */
    bool from_metadata;                  /* a _spark_metadata log says which files there are */
};
/* The files below the canonical paths (files, directories, globs with * ? [] {}). ERROR_NOT_FOUND for a path that does
 * not exist. */
bool data_files_find(struct store *store, struct arena *arena, char *const *paths, size_t path_count,
    const struct format_options *options, struct data_files *files, struct error *error);

/* The values of a file's key=value directories below one of the paths; false with an error when their keys are not
 * these names. */
bool data_file_take_partitions(struct arena *arena, char *const *paths, size_t path_count, const struct bytes *names,
    size_t name_count, struct data_file *file, struct error *error);

/* What a source of files reads from, and the same source over given files (closed by its class). */
struct file_view {
    struct store *store;
    char *const *paths;
    size_t path_count;
    const struct format_options *options;
    const struct bytes *partition_names; /* columns from key=value directories */
    size_t partition_count;
};
void file_source_view(struct source *source, struct file_view *view);
struct source *file_source_of(struct source *source, const struct data_files *files);

/* ---- reading one ---- */

/* The file's bytes as a source (a map, or decompressed by its name's ending); release with
 * source->release(source->owner). */
bool data_file_open(
    struct store *store, const char *path, int64_t size, struct format_source *source, struct error *error);

/* ---- writing ---- */

struct part_options {
    struct store *store;
    const char *directory; /* canonical */
    const struct format_class *format;
    struct format_options options;
    const struct timezone *zone;
    const struct type *schema;       /* of the rows, partition columns included */
    const size_t *partition_columns; /* indexes in schema */
    size_t partition_column_count;
    char uuid[40]; /* in the names of the files */
};
struct written_file {
    char *path; /* canonical */
    int64_t size, rows;
};
struct written_files { /* written_files_free */
    struct written_file *items;
    size_t count, capacity;
};
void written_files_free(struct written_files *files);

struct part_set;
/* NULL with an error for types or options that the format refuses. Texts in options outlive the set. */
struct part_set *part_set_create(const struct part_options *options, struct error *error);
/* Any thread; a partition has one user at a time. */
bool part_set_write(struct part_set *set, size_t partition, struct batch *batch, struct error *error);
/* Ends the files of a partition (footers); they do not appear yet. */
bool part_set_end(struct part_set *set, size_t partition, struct error *error);
/* Makes all files appear, replacing files of the same names, and lists them in `files`. Frees the set, also on error.
 */
bool part_set_commit(struct part_set *set, struct written_files *files, struct error *error);
/* Nothing appears. Frees; NULL is fine. */
void part_set_abort(struct part_set *set);
int64_t part_set_rows(const struct part_set *set);

/* The store's URI of a canonical path as Spark writes it: hdfs://namenode:9000/p or file:///p. authority:
 * "namenode:9000". */
void file_uri(const char *path, const char *authority, struct buffer *out);

#endif
