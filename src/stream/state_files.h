/* state_files.h: the state of a query's stateful operators on disk, as Spark's HDFS-backed state store keeps it. Inside
 * stream/ only. All functions may wait for the disk.
 *
 *   state/<operator>/_metadata/metadata              names of operator and stores, number of partitions
 *   state/<operator>/0[/<store>]/_metadata/schema    the schemas of key and value rows
 *   state/<operator>/<partition>[/<store>]/<version>.delta, <version>.snapshot
 *
 * Version N + 1 is the state after batch N. A delta holds what the batch changed, a snapshot everything: records of a
 * four-byte length and a key, a four-byte length and a value (length -1: removed), all big-endian; -1 ends the file.
 * All of it goes through lz4-java's block stream (state_blocks.h). */
#ifndef STREAM_STATE_FILES_H
#define STREAM_STATE_FILES_H

#include "exec/exec.h"
#include "store/store.h"

struct state_files {
    struct store *store;
    const char *checkpoint; /* canonical path */
    int64_t deltas_per_snapshot, versions_kept;
    int64_t snapshot_version; /* of the newest snapshot; 0: none. Atomic while partitions are read */
};

/* Whether the state of that version can be read: all its files are there, and whole as far as their size tells. */
bool state_files_are_there(const struct state_files *files, const struct exec_query *query, int64_t version);
/* Reads a version of a partition into the tables of an operator's stores. Different partitions on several threads. */
bool state_files_load_partition(struct state_files *files, struct exec_query *query, size_t operator, size_t partition,
    int64_t version, struct sql_error *error);
/* Writes what the batch changed in a partition, and the snapshot when it is time for one, before the others: its tables
 * will be freed, and state_files_save leaves it out. Different partitions on several threads. */
bool state_files_save_partition(struct state_files *files, struct exec_query *query, size_t operator, size_t partition,
    int64_t version, struct sql_error *error);
/* Applies one more delta to what is in memory. */
bool state_files_advance(struct state_files *files, struct exec_query *query, int64_t version, struct sql_error *error);
/* Writes what the batch changed as that version (and a snapshot when it is time), forgets the changes, and deletes
 * versions that nobody can need. Metadata and schemas are written with the first version; later they are compared.
 * Between begin and end any number of threads call `some` at once: each takes tables until none is left, so at most
 * `count` of them find work. begin: NULL with the error; end, after the last `some`: false with the error of begin. */
struct state_save *state_files_save_begin(
    struct state_files *files, struct exec_query *query, int64_t version, struct sql_error *error);
size_t state_files_save_count(const struct state_save *save);
void state_files_save_some(struct state_save *save);
bool state_files_save_end(struct state_save *save);
/* Refuses to go on with operators or schemas other than the checkpoint's. */
bool state_files_check(const struct state_files *files, struct exec_query *query, struct sql_error *error);
/* Paths of a version's files, for syncing: free each and the array. */
size_t state_files_paths(
    const struct state_files *files, const struct exec_query *query, int64_t version, char ***paths);

#endif
