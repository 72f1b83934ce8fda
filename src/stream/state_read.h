/* state_read.h: files of Spark's HDFS-backed state store, read (state_files.h says what is in them). Inside stream/
 * only. All functions may wait for the disk. */
#ifndef STREAM_STATE_READ_H
#define STREAM_STATE_READ_H

#include "exec/state.h"
#include "store/store.h"

enum state_file { STATE_FILE_WHOLE, STATE_FILE_MISSING, STATE_FILE_BROKEN };

/* Why a table could not be read. */
struct state_fault {
    enum state_file file;
    const char *path;   /* in the arena that was given */
    const char *reason; /* "cannot be read: …" */
};

/* Calls visit for each record of a file, some at a time; the views hold during the call. values[i].data is NULL for a
 * key that was removed. */
typedef void state_records_visit(void *context, const struct bytes *keys, const struct bytes *values, size_t count);
bool state_records_read(struct store *store, struct arena *arena, const char *path, state_records_visit *visit,
    void *context, struct state_fault *fault);
/* Applies a file's records to a table, without noting them as changes. */
bool state_records_apply(
    struct store *store, struct arena *arena, const char *path, struct state_table *table, struct state_fault *fault);
/* The newest whole snapshot of a folder at or before a version; 0 without one. */
int64_t state_folder_snapshot(struct store *store, struct arena *arena, const char *folder, int64_t version);
/* Reads a version of a folder into an empty table: the snapshot of version `from` (0: none) and the deltas behind it.
 */
bool state_folder_load(struct store *store, struct arena *arena, const char *folder, int64_t from, int64_t version,
    struct state_table *table, struct state_fault *fault);
/* The schemas of keys and values in a file `_metadata/schema`, in arena. false when it cannot be read. */
bool state_schema_read(
    struct store *store, struct arena *arena, const char *path, const struct type **key, const struct type **value);

#endif
