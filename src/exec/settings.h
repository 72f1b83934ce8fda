/* settings.h: what the results of a query depend on besides its plan and its input; fixed when the query is made. */
#ifndef EXEC_SETTINGS_H
#define EXEC_SETTINGS_H

#include "base/bytes.h"
#include "column/timezone.h"

struct exec_externals; /* exec/external.h */
struct format_reports; /* format/format.h */

struct exec_settings {
    bool ansi;                   /* spark.sql.ansi.enabled: overflow and bad casts are errors */
    const struct timezone *zone; /* spark.sql.session.timeZone */
    int64_t now_us;              /* current_timestamp() of the whole query, since the epoch, UTC */
    int shuffle_partitions;      /* spark.sql.shuffle.partitions: at most that many partitions leave an exchange */
    uint64_t random_seed;        /* what rand(), uuid() and shuffle() without a seed start from */
    int64_t json_depth_max;      /* nesting limit of JSON text */
    int64_t collection_size_max; /* rows of sequence(), array_repeat()…: beyond it is an error (Integer.MAX - 15) */
    struct bytes user;           /* current_user() */
    struct bytes catalog, database; /* current_catalog(), current_database() */
    struct bytes version;           /* version() */
    bool map_key_last_wins;         /* spark.sql.mapKeyDedupPolicy is LAST_WIN */
    bool legacy_size_of_null;       /* spark.sql.legacy.sizeOfNull: size(NULL) is -1 */
    /* spark.sql.binaryOutputStyle: how show() prints binaries; hexadecimal discrete by default */
    bool binary_as_hex;
    const struct exec_externals *externals; /* exec/external.h: who evaluates Python functions; may be NULL */
    struct format_reports *reports; /* where from_json says what was wrong with its records; may be NULL */
};

/* Spark's defaults: ANSI, UTC, 200 partitions. */
void exec_settings_default(struct exec_settings *settings);

#endif
