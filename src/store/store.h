/* store.h: the file tree that Raudal serves as HDFS and that the engine writes to. The tree is a plain directory
 * (DIR/store): a file is a file, a folder a folder. The machine's own file system is reached through the same calls
 * with "file:" paths.
 *
 * Paths. Every function except store_resolve takes a canonical path: "/a/b" in the store or "file:/a/b" on the machine,
 * as store_resolve makes them. Components follow HDFS: no "." or "..", no ':', at most 255 bytes each and 3,500 in all.
 * A symbolic link inside the store is never followed: it is an error that names it. "/.raudal" is reserved (unfinished
 * files, leases) and cannot be seen.
 *
 * Attributes. Owner, group, mode, replication and block size that differ from the default are in the extended attribute
 * `user.raudal.attributes` of the file; absent means the default (owner: who runs Raudal; group: supergroup; 755 and
 * 644). Where the file system has no extended attributes, setting one is ERROR_UNSUPPORTED and store_open writes one
 * line to the log. For "file:" paths mode and times are the machine's own; the rest is not available.
 *
 * Threads. All functions may be called from any thread and may wait for the disk: from loops use the disk pool. A
 * store_writer and a store_file have one user at a time, except that store_file_read and store_file_map may be called
 * from many.
 *
 * Messages name the path. ERROR_NOT_FOUND for a store path that exists on the machine says so with the "file:" form to
 * use. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "world/world.h"

struct store;
struct store_file;
struct store_writer;

/* A folder inside a compose file's container and the folder of the machine that it means. */
struct store_volume {
    const char *container_path; /* "/home/jovyan/datasets" */
    const char *machine_path;
};

struct store_options {
    struct world *world;
    const char *directory;        /* root of the tree; made when absent */
    struct service_log *log;      /* or NULL */
    const char *user;             /* who runs Raudal: default owner and superuser */
    const char *group;            /* default group; NULL: "supergroup" */
    const char *const *own_names; /* authorities of hdfs:// URIs that mean this store (our addresses, a compose file's
                                     names), besides */
    size_t own_name_count;        /* those of store_usual_names; without port (any port is accepted) */
    const char *authority;        /* HOST:PORT of fs.defaultFS, in URIs and messages; NULL: namenode:9000 */
    const struct store_volume *volumes;
    size_t volume_count;
    int64_t block_size; /* dfs.blocksize; 0: 134217728 */
    int replication;    /* dfs.replication; 0: 1 */
};

/* Strings are copied. Removes what unfinished writers of an earlier life left in /.raudal. */
struct store *store_open(const struct store_options *options, struct error *error);
/* All files and writers must be closed. */
void store_close(struct store *store);
const char *store_user(const struct store *store);
const char *store_group(const struct store *store);
int64_t store_block_size(const struct store *store);
int store_replication(const struct store *store);
/* HOST:PORT of fs.defaultFS. */
const char *store_authority(const struct store *store);
struct world *store_world(const struct store *store);
/* A stopped NameNode: every store path is ERROR_CLOSED until it is started; a stopped DataNode: the contents of store
 * files are. "file:" paths go on. */
void store_set_stopped(struct store *store, bool namenode, bool datanode);
/* Makes `name` (a host name or numeric address, without port) one of the own authorities. */
void store_add_own_name(struct store *store, const char *name);
/* The host names that mean the store without being given: namenode, datanode, localhost, hadoop, hdfs, spark-master. */
bool store_is_usual_name(struct bytes host);
/* The same as a list for messages. Static. */
const char *store_usual_names(void);

/* ---- paths ---- */

/* Turns what a program wrote into a canonical path in `arena`: hdfs://AUTHORITY/p (own authorities only; another one is
 * ERROR_INVALID naming it and the own ones), file:/p and file:///p, webhdfs:// like hdfs://, absolute /p (a path below
 * a volume's container side means the machine's folder), relative p: below /user/NAME of `user` (NULL: who runs
 * Raudal). Other schemes are ERROR_UNSUPPORTED. NULL on error. */
char *store_resolve(struct store *store, struct arena *arena, const char *uri, const char *user, struct error *error);
/* Whether `path` is a canonical store path ("/…"): what HDFS clients may send. */
bool store_path_check(const char *path, struct error *error);
/* parent of "/a/b" is "/a", of "/a" is "/", of "/" is NULL. The same below "file:". */
char *store_path_parent(struct arena *arena, const char *path);
/* Joins with exactly one slash; child is one or more components. */
char *store_path_join(struct arena *arena, const char *path, const char *child);
/* Last component, a pointer into path ("" for the root). */
const char *store_path_name(const char *path);
/* The path on the machine of a canonical path, in `arena` (for libraries that open files themselves, and for pages). */
char *store_machine_path(struct store *store, struct arena *arena, const char *path);

/* ---- looking ---- */

struct store_stat {
    bool is_directory;
    bool is_open; /* an HDFS client is writing it */
    int64_t size; /* bytes; of an open file what is acknowledged; 0 for directories */
    int64_t modified_ms, accessed_ms;
    uint32_t mode; /* permission bits */
    int replication;
    int64_t block_size;
    uint64_t inode;
    char owner[64], group[64];
};

bool store_stat(struct store *store, const char *path, struct store_stat *stat, struct error *error);
/* false also when it cannot be told. */
bool store_exists(struct store *store, const char *path);

struct store_entry {
    char *name;
    struct store_stat stat;
};
struct store_entries { /* in the arena given */
    struct store_entry *items;
    size_t count;
    size_t remaining; /* entries behind the last one */
};
/* Children in byte order after the name `after` (NULL or "": from the start), at most `limit` (0: all).
 * ERROR_NOT_DIRECTORY for a file. */
bool store_list(struct store *store, struct arena *arena, const char *path, const char *after, size_t limit,
    struct store_entries *entries, struct error *error);

struct store_summary {
    int64_t size, file_count, directory_count; /* the directory itself counts */
    int64_t disk_size;                         /* size × replication */
    int64_t block_count;
};
bool store_summarize(struct store *store, const char *path, struct store_summary *summary, struct error *error);
/* Bytes of the file system below the store; used_size: the tree's own files. */
bool store_space(struct store *store, int64_t *total_size, int64_t *used_size, int64_t *free_size, struct error *error);

/* ---- changing the tree ---- */

/* Owner of what a call makes; NULL members (or a NULL pointer): the default owner, the parent's group. mode 0: the
 * default. */
struct store_owner {
    const char *user, *group;
    uint32_t mode;
};
/* Makes the directory and its parents; existing is fine; ERROR_NOT_DIRECTORY when a file is in the way. */
bool store_mkdirs(struct store *store, const char *path, const struct store_owner *owner, struct error *error);
/* ERROR_NOT_EMPTY for a directory with children unless recursive; ERROR_NOT_FOUND when absent. Ends leases below. */
bool store_delete(struct store *store, const char *path, bool recursive, struct error *error);
/* Moves a file or directory onto the name `to` exactly. ERROR_EXISTS when `to` exists, unless overwrite (then a file,
 * or an empty directory, is replaced by one of its kind). The parent of `to` must exist. Atomic within the store. */
bool store_rename(struct store *store, const char *from, const char *to, bool overwrite, struct error *error);
/* Publishes a finished file under its final name, never over another one: of several callers one wins, the others get
 * ERROR_EXISTS. */
bool store_commit(struct store *store, const char *temporary, const char *final, struct error *error);
/* Cuts (or, with zeros, grows) a file. */
bool store_truncate(struct store *store, const char *path, int64_t size, struct error *error);

/* "rwxr-xr-x" of permission bits; the sticky bit is t (T without x for others), as ls writes it. */
#define STORE_MODE_TEXT_SIZE 10
void store_mode_text(uint32_t mode, char out[STORE_MODE_TEXT_SIZE]);
bool store_set_mode(struct store *store, const char *path, uint32_t mode, struct error *error);
/* NULL keeps. */
bool store_set_owner(struct store *store, const char *path, const char *owner, const char *group, struct error *error);
bool store_set_replication(struct store *store, const char *path, int replication, struct error *error);
/* -1 keeps. */
bool store_set_times(
    struct store *store, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error);
/* HDFS extended attributes by full name ("user.k"); value in `arena`. */
bool store_xattr_get(struct store *store, struct arena *arena, const char *path, const char *name, struct bytes *value,
    struct error *error);
bool store_xattr_set(struct store *store, const char *path, const char *name, struct bytes value, struct error *error);
bool store_xattr_remove(struct store *store, const char *path, const char *name, struct error *error);
/* Names in `arena`. */
bool store_xattr_list(
    struct store *store, struct arena *arena, const char *path, char ***names, size_t *count, struct error *error);

/* ---- reading ---- */

struct store_file *store_file_open(struct store *store, const char *path, struct error *error);
void store_file_close(struct store_file *file);
/* Bytes at offset: the count (short only at the end), or -1. Many threads. */
ssize_t store_file_read(struct store_file *file, void *out, size_t size, int64_t offset, struct error *error);
int64_t store_file_size(struct store_file *file, struct error *error); /* -1 on error */
/* A read-only map of [offset, offset + size); offset is a multiple of 4096; the map outlives the file. Close with
 * world_map_close. */
struct world_map *store_file_map(struct store_file *file, int64_t offset, size_t size, struct error *error);
/* A whole file of at most size_max bytes, appended to `out`. */
bool store_read_file(struct store *store, const char *path, size_t size_max, struct buffer *out, struct error *error);

/* ---- writing (the engine) ----
 * The file is written in /.raudal (for "file:" paths beside its final name as ".NAME.ID.tmp") and appears under its
 * name, whole, at commit. A crash leaves nothing under the name. */

enum store_write_flags {
    STORE_WRITE_REPLACE = 1, /* commit replaces an existing file; without it commit fails with ERROR_EXISTS */
    STORE_WRITE_SYNC = 2,    /* data and name reach the disk before commit returns */
};
/* Makes missing parents at commit. */
struct store_writer *store_writer_open(struct store *store, const char *path, int flags, struct error *error);
/* Appends; buffered (up to 1 MiB). */
bool store_writer_write(struct store_writer *writer, const void *data, size_t size, struct error *error);
int64_t store_writer_size(const struct store_writer *writer); /* bytes so far */
/* Publishes and frees the writer, also on error (then nothing is left under the name). */
bool store_writer_commit(struct store_writer *writer, struct error *error);
/* Drops what was written and frees the writer. NULL is fine. */
void store_writer_abort(struct store_writer *writer);
/* A whole small file in one call. */
bool store_write_file(struct store *store, const char *path, struct bytes data, int flags, struct error *error);

/* Durability: data of the files, then the directories that name them, reach the disk, in the order given: a path is
 * synced only after all before it are. The background writer of a query calls it with outputs, then state, then offsets
 * or commits. A path that is gone is skipped. */
bool store_sync_files(struct store *store, const char *const *paths, size_t count, struct error *error);
/* Everything that was written so far to the file system that holds a directory; one that is absent is skipped. */
bool store_sync_everything(struct store *store, const char *directory, struct error *error);

#endif
