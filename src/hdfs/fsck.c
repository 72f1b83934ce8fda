/* fsck.c: GET /fsck on the web port, which `hdfs fsck` asks for: the tree below a path as the NameNode's check prints
 * it. Files are plain files with one copy, so what is found is whole, unless the DataNode is stopped. */
#include "hdfs/fsck.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "hdfs/blocks.h"

enum { OUTPUT_SIZE_MAX = 256 << 20, FILES_PER_DOT = 100 };

struct fsck {
    struct operation operation;
    struct hdfs *hdfs;
    struct http_request *http;
    struct world_loop *loop;
    char *path;
    bool files, blocks, locations, racks, openforwrite, list_corrupt;
    struct buffer out;
    /* what was found */
    int64_t directory_count, file_count, open_count, block_count, size, missing_count, missing_size, corrupt_files;
    int64_t replica_count;
};

struct fsck_paths {
    char **items;
    size_t count, capacity;
};

/* ---- numbers as Java prints them ---- */

static void format_date(int64_t wall_ms, char out[40]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(out, 40, "%a %b %d %H:%M:%S UTC %Y", &parts);
}

/* A Java double divided from whole numbers, of which users see mostly 1.0 and 100.0. */
static void format_ratio(double value, char out[32]) {
    snprintf(out, 32, value == (double)(int64_t)value ? "%.1f" : "%.8g", value);
}

/* ---- the walk ---- */

static void print_blocks(struct fsck *fsck, const char *path, const struct store_stat *stat) {
    struct operation *operation = &fsck->operation;
    struct Hadoop__LocatedBlocks *located = blocks_of_file(operation, path, stat, 0, stat->size);
    for (size_t i = 0; i < located->n_blocks; i++) {
        const Hadoop__ExtendedBlock *block = located->blocks[i]->b;
        buffer_printf(&fsck->out, "%zu. %s:blk_%" PRId64 "_%" PRIu64 " len=%" PRIu64, i, block->poolid,
            (int64_t)block->blockid, block->generationstamp, block->numbytes);
        if (fsck->hdfs->is_suspended[HDFS_DATANODE]) {
            buffer_append_text(&fsck->out, " MISSING!\n");
            continue;
        }
        buffer_append_text(&fsck->out, " Live_repl=1");
        if (fsck->racks) {
            buffer_printf(&fsck->out, "  [/default-rack/%s:%u]", operation->local, hdfs_datanode_port(fsck->hdfs));
        } else if (fsck->locations) {
            buffer_printf(&fsck->out, "  [DatanodeInfoWithStorage[%s:%u,%s,DISK]]", operation->local,
                hdfs_datanode_port(fsck->hdfs), fsck->hdfs->storage_id);
        }
        buffer_append_byte(&fsck->out, '\n');
    }
}

static void take_file(struct fsck *fsck, const char *path, const struct store_stat *stat) {
    int64_t blocks = stat->size == 0 ? 0 : (stat->size - 1) / stat->block_size + 1;
    bool is_missing = blocks > 0 && fsck->hdfs->is_suspended[HDFS_DATANODE];
    if (stat->is_open) { /* counted apart, as there, unless asked for */
        fsck->open_count++;
        if (!fsck->openforwrite) {
            return;
        }
    }
    fsck->file_count++;
    fsck->block_count += blocks;
    fsck->size += stat->size;
    if (is_missing) {
        fsck->corrupt_files++;
        fsck->missing_count += blocks;
        fsck->missing_size += stat->size;
    }
    if (fsck->files) {
        buffer_printf(&fsck->out, "%s %" PRId64 " bytes, replicated: replication=%d, %" PRId64 " block(s): %s", path,
            stat->size, stat->replication, blocks, stat->is_open ? " OPENFORWRITE: " : "");
    } else if (fsck->openforwrite && stat->is_open) {
        buffer_printf(&fsck->out,
            "%s %" PRId64 " bytes, replicated: replication=%d, %" PRId64 " block(s), OPENFORWRITE: ", path, stat->size,
            stat->replication, blocks);
    } else if (fsck->file_count % FILES_PER_DOT == 0) {
        buffer_append_byte(&fsck->out, '.');
    }
    if (is_missing) {
        buffer_printf(&fsck->out, "%s%s: MISSING %" PRId64 " blocks of total size %" PRId64 " B.%s",
            fsck->files ? "\n" : "\n", path, blocks, stat->size, fsck->files ? "\n" : "");
    } else if (fsck->files) {
        buffer_append_text(&fsck->out, " OK\n");
    }
    if (fsck->files) {
        if (fsck->blocks) {
            print_blocks(fsck, path, stat);
            buffer_append_byte(&fsck->out, '\n');
        }
    }
}

static bool push_children(struct fsck *fsck, const char *path, struct fsck_paths *paths) {
    struct arena arena = {0};
    struct store_entries entries;
    struct error error = {0};
    bool good = store_list(fsck->operation.store, &arena, path, NULL, 0, &entries, &error);
    for (size_t i = good ? entries.count : 0; i > 0; i--) { /* the first comes off first */
        VECTOR_PUSH(paths, strdup(store_path_join(&arena, path, entries.items[i - 1].name)));
    }
    arena_destroy(&arena);
    return good || error.code == ERROR_NOT_FOUND || operation_error(&fsck->operation, &error);
}

static bool take_path(struct fsck *fsck, const char *path, struct fsck_paths *paths) {
    struct store_stat stat;
    struct error error = {0};
    if (!store_stat(fsck->operation.store, path, &stat, &error)) {
        return error.code == ERROR_NOT_FOUND || operation_error(&fsck->operation, &error); /* gone meanwhile */
    }
    if (!stat.is_directory) {
        take_file(fsck, path, &stat);
        return true;
    }
    fsck->directory_count++;
    if (fsck->files) {
        buffer_printf(&fsck->out, "%s <dir>\n", path);
    }
    return push_children(fsck, path, paths);
}

static bool walk(struct fsck *fsck) {
    struct fsck_paths paths = {0};
    bool good = true;
    VECTOR_PUSH(&paths, strdup(fsck->path));
    while (paths.count > 0) {
        char *path = paths.items[--paths.count];
        good = good && take_path(fsck, path, &paths);
        if (good && fsck->out.size > OUTPUT_SIZE_MAX) {
            good = operation_fail(&fsck->operation, EXCEPTION_IO,
                "the listing is longer than %d MiB; check a smaller directory, or leave out -files",
                OUTPUT_SIZE_MAX >> 20);
        }
        free(path);
    }
    VECTOR_FREE(&paths);
    return good;
}

int64_t fsck_count_blocks(struct hdfs *hdfs) {
    struct fsck fsck = {.hdfs = hdfs, .path = (char *)"/", .openforwrite = true};
    operation_init(&fsck.operation, hdfs, BYTES(""), "", "");
    (void)walk(&fsck);
    buffer_free(&fsck.out);
    operation_destroy(&fsck.operation);
    return fsck.block_count;
}

/* ---- the summary ---- */

static void print_replicated(struct fsck *fsck) {
    struct buffer *out = &fsck->out;
    char average[32], whole[32], missing[32];
    int64_t live = fsck->block_count - fsck->missing_count;
    double share = fsck->block_count == 0 ? 0 : (double)live / (double)fsck->block_count;
    format_ratio(share, average);
    format_ratio(share * 100, whole);
    format_ratio(fsck->block_count == 0 ? 0 : 100 - share * 100, missing);
    buffer_printf(out, "Replicated Blocks:\n Total size:\t%" PRId64 " B", fsck->size);
    buffer_printf(out, "\n Total files:\t%" PRId64, fsck->file_count);
    if (fsck->open_count > 0 && !fsck->openforwrite) {
        buffer_printf(out, " (Files currently being written: %" PRId64 ")", fsck->open_count);
    }
    buffer_printf(out, "\n Total blocks (validated):\t%" PRId64, fsck->block_count);
    if (fsck->block_count > 0) {
        buffer_printf(out, " (avg. block size %" PRId64 " B)", fsck->size / fsck->block_count);
    }
    if (fsck->missing_count > 0) {
        buffer_printf(out,
            "\n  ********************************\n  UNDER MIN REPL'D BLOCKS:\t%" PRId64
            " (%s %%)\n  MINIMAL BLOCK REPLICATION:\t1\n  CORRUPT FILES:\t%" PRId64 "\n  MISSING BLOCKS:\t%" PRId64
            "\n  MISSING SIZE:\t\t%" PRId64 " B\n  ********************************",
            fsck->missing_count, missing, fsck->corrupt_files, fsck->missing_count, fsck->missing_size);
    }
    buffer_printf(out, "\n Minimally replicated blocks:\t%" PRId64, live);
    if (fsck->block_count > 0) {
        buffer_printf(out, " (%s %%)", whole);
    }
    static const char *const zeros[] = {
        "Over-replicated blocks:\t", "Under-replicated blocks:\t", "Mis-replicated blocks:\t\t"};
    for (size_t i = 0; i < ARRAY_COUNT(zeros); i++) {
        buffer_printf(out, "\n %s0%s", zeros[i], fsck->block_count > 0 ? " (0.0 %)" : "");
    }
    buffer_printf(out,
        "\n Default replication factor:\t%d\n Average block replication:\t%s\n Missing blocks:\t\t%" PRId64
        "\n Corrupt blocks:\t\t0\n Missing replicas:\t\t0%s\n Blocks queued for replication:\t0\n",
        store_replication(fsck->operation.store), average, fsck->missing_count,
        fsck->block_count > 0 ? " (0.0 %)" : "");
}

static void print_summary(struct fsck *fsck) {
    struct buffer *out = &fsck->out;
    unsigned nodes = fsck->hdfs->is_suspended[HDFS_DATANODE] ? 0 : 1;
    buffer_printf(out,
        "\nStatus: %s\n Number of data-nodes:\t%u\n Number of racks:\t\t%u\n Total dirs:\t\t\t%" PRId64
        "\n Total symlinks:\t\t0\n\n",
        fsck->missing_count > 0 ? "CORRUPT" : "HEALTHY", nodes, nodes, fsck->directory_count);
    print_replicated(fsck);
    buffer_append_text(out,
        "\nErasure Coded Block Groups:\n Total size:\t0 B\n Total files:\t0\n Total block groups (validated):\t0"
        "\n Minimally erasure-coded block groups:\t0\n Over-erasure-coded block groups:\t0"
        "\n Under-erasure-coded block groups:\t0\n Unsatisfactory placement block groups:\t0"
        "\n Average block group size:\t0.0\n Missing block groups:\t\t0\n Corrupt block groups:\t\t0"
        "\n Missing internal blocks:\t0\n Blocks queued for replication:\t0\n");
}

/* ---- the request ---- */

static void work(void *argument) {
    struct fsck *fsck = argument;
    struct store_stat stat;
    char date[40];
    int64_t started_ms = world_wall_ms(fsck->hdfs->world);
    format_date(started_ms, date);
    if (fsck->list_corrupt) {
        buffer_printf(&fsck->out, "The filesystem under path '%s' has 0 CORRUPT files\n", fsck->path);
        return;
    }
    buffer_printf(&fsck->out, "FSCK started by %s (auth:SIMPLE) from /%s for path %s at %s\n\n", fsck->operation.user,
        fsck->operation.peer, fsck->path, date);
    struct error error = {0};
    if (!store_stat(fsck->operation.store, fsck->path, &stat, &error)) {
        buffer_printf(&fsck->out, "\nPath '%s' %s\n", fsck->path,
            error.code == ERROR_NOT_FOUND ? "does not exist" : error.message);
        return;
    }
    if (!walk(fsck)) {
        buffer_printf(&fsck->out, "\nFsck on path '%s' FAILED: %s\n", fsck->path, fsck->operation.message);
        return;
    }
    print_summary(fsck);
    int64_t ended_ms = world_wall_ms(fsck->hdfs->world);
    format_date(ended_ms, date);
    buffer_printf(&fsck->out,
        "FSCK ended at %s in %" PRId64 " milliseconds\n\n\nThe filesystem under path '%s' is %s\n", date,
        ended_ms - started_ms, fsck->path, fsck->missing_count > 0 ? "CORRUPT" : "HEALTHY");
}

static void answer(void *argument) {
    struct fsck *fsck = argument;
    http_respond_buffer(fsck->http, 200, "text/plain;charset=utf-8", &fsck->out);
    fsck->hdfs->task_count--;
    buffer_free(&fsck->out);
    operation_destroy(&fsck->operation);
    free(fsck);
}

static bool flag(struct http_request *http, const char *name) {
    return http_query(http, name).data != NULL;
}

void fsck_handle(struct http_request *http, void *context) {
    struct hdfs *hdfs = context;
    static const char *const unsupported[] = {"move", "delete", "blockId", "storagepolicies", "includeSnapshots",
        "upgradedomains", "maintenance", "replicadetails"};
    for (size_t i = 0; i < ARRAY_COUNT(unsupported); i++) {
        if (flag(http, unsupported[i])) {
            http_respond_text(http, 400, "fsck: the option %s is not supported here\n", unsupported[i]);
            return;
        }
    }
    struct fsck *fsck = calloc(1, sizeof *fsck);
    ASSERT(fsck);
    struct bytes path = http_query(http, "path");
    operation_init(&fsck->operation, hdfs, http_query(http, "ugi"), http_peer(http)->text, http_local(http)->text);
    fsck->hdfs = hdfs;
    fsck->http = http;
    fsck->loop = http_loop(http);
    fsck->path = path.size > 0 ? arena_text(&fsck->operation.arena, path) : (char *)"/";
    fsck->files = flag(http, "files");
    fsck->blocks = flag(http, "blocks");
    fsck->locations = flag(http, "locations");
    fsck->racks = flag(http, "racks");
    fsck->openforwrite = flag(http, "openforwrite");
    fsck->list_corrupt = flag(http, "listcorruptfileblocks");
    hdfs->task_count++;
    world_pool_run(hdfs->options.disk_pool, fsck->loop, work, answer, fsck);
}
