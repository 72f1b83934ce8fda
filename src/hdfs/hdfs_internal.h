/* hdfs_internal.h: what the files of this folder share.
 *
 *   rpc.c           connections, frames, answers             calls*.c      the methods of ClientProtocol, one table
 *   operation.c     one user's request on the store:         permission.c  who may
 *                   identity, failures as Hadoop exceptions
 *   transfer*.c     data transfer: blocks in packets         web*.c        WebHDFS
 *   message.c       protocol buffers in an arena (message.h) */
#ifndef HDFS_HDFS_INTERNAL_H
#define HDFS_HDFS_INTERNAL_H

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include "base/arena.h"
#include "base/assert.h"
#include "base/uuid.h"
#include "hdfs/hdfs.h"
#include "wire/protobuf.h"
#include "store/lease.h"

#define HDFS_CHUNK_SIZE 512         /* bytes per checksum */
#define HDFS_LISTING_COUNT_MAX 1000 /* dfs.ls.limit */

struct hdfs {
    struct hdfs_options options;
    struct store *store;
    struct world *world;
    struct world_loop *loop;
    struct net_server *namenode, *datanode;
    struct world_timer *lease_timer;
    char block_pool[96], cluster_id[64], datanode_uuid[40], storage_id[48];
    char *datanode_hostname; /* or NULL */
    int64_t started_ms;
    _Atomic bool is_in_safe_mode;
    _Atomic bool is_suspended[2];     /* by enum hdfs_part */
    _Atomic int64_t datanode_seen_ms; /* when the DataNode was suspended */
    _Atomic uint64_t call_count, received_size, sent_size;
    _Atomic size_t task_count; /* pool tasks whose end the loop has not seen; stop waits for them */
    struct http_route routes[9];
    bool is_stopping; /* loop thread */
};

/* ---- one request of one user ---- */

/* Hadoop's exception classes; the names are in operation.c. */
enum hadoop_exception {
    EXCEPTION_NONE,
    EXCEPTION_IO,
    EXCEPTION_FILE_NOT_FOUND,
    EXCEPTION_FILE_ALREADY_EXISTS,
    EXCEPTION_ACCESS_CONTROL,
    EXCEPTION_SAFE_MODE,
    EXCEPTION_PATH_NOT_EMPTY,
    EXCEPTION_PARENT_NOT_DIRECTORY,
    EXCEPTION_ALREADY_BEING_CREATED,
    EXCEPTION_LEASE_EXPIRED,
    EXCEPTION_INVALID_PATH,
    EXCEPTION_PATH_COMPONENT_TOO_LONG,
    EXCEPTION_QUOTA,
    EXCEPTION_SNAPSHOT,
    EXCEPTION_ACL,
    EXCEPTION_UNSUPPORTED_OPERATION,
    EXCEPTION_ILLEGAL_ARGUMENT,
    EXCEPTION_NO_SUCH_METHOD,
    EXCEPTION_NO_SUCH_PROTOCOL,
    EXCEPTION_RPC_SERVER,
    EXCEPTION_INVALID_TOKEN,
    EXCEPTION_HADOOP_ILLEGAL_ARGUMENT,
    EXCEPTION_COUNT
};
const char *hadoop_exception_class(enum hadoop_exception exception);

struct operation {
    struct hdfs *hdfs;
    struct store *store;
    struct arena arena;
    char user[64];
    bool is_superuser;
    char peer[64];                   /* the client's address */
    char local[64];                  /* the address it used to reach us */
    enum hadoop_exception exception; /* of a failure */
    char *message;
};

void operation_init(
    struct operation *operation, struct hdfs *hdfs, struct bytes user, const char *peer, const char *local);
void operation_destroy(struct operation *operation);
/* Sets exception and message; always false. */
bool operation_fail(struct operation *operation, enum hadoop_exception exception, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same from a store's error, with the class that fits its code. */
bool operation_error(struct operation *operation, const struct error *error);
/* Checks a path of the client and makes its home directory when it lies there. */
bool operation_path(struct operation *operation, const char *path);
/* Fails with SafeModeException when the NameNode is in safe mode; what: "create directory /x". */
bool operation_may_write(struct operation *operation, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- permissions (permission.c) ---- */

enum access {
    ACCESS_NONE = 0,
    ACCESS_EXECUTE = 1,
    ACCESS_WRITE = 2,
    ACCESS_READ = 4,
    ACCESS_READ_EXECUTE = 5,
    ACCESS_ALL = 7
};
/* HDFS's rule: execute on all ancestors, then what is asked of the parent's nearest existing ancestor, the parent, and
 * the path itself. */
struct access_wanted {
    enum access ancestor, parent, target;
    bool owner;      /* must own the path */
    bool with_below; /* the target's check only if it is a directory with children */
};
bool permission_check(struct operation *operation, const char *path, struct access_wanted wanted);
bool permission_superuser(struct operation *operation, const char *what);

/* ---- what both RPC and WebHDFS do (files.c) ---- */

bool file_stat(struct operation *operation, const char *path, struct store_stat *stat, bool *exists);
bool file_list(struct operation *operation, const char *path, const char *after, size_t limit,
    struct store_entries *entries, bool *exists);
bool file_mkdirs(struct operation *operation, const char *path, uint32_t mode, bool create_parent);
bool file_delete(struct operation *operation, const char *path, bool recursive, bool *deleted);
bool file_rename(struct operation *operation, const char *from, const char *to,
    bool *renamed); /* the old form: false where it cannot */
bool file_rename2(struct operation *operation, const char *from, const char *to, bool overwrite);
bool file_set_mode(struct operation *operation, const char *path, uint32_t mode);
bool file_set_owner(struct operation *operation, const char *path, const char *owner, const char *group);
bool file_set_replication(struct operation *operation, const char *path, int replication, bool *done);
bool file_set_times(struct operation *operation, const char *path, int64_t modified_ms, int64_t accessed_ms);
bool file_truncate(struct operation *operation, const char *path, int64_t size, const char *holder);
bool file_concat(struct operation *operation, const char *target, const char *const *sources, size_t count);
bool file_summarize(struct operation *operation, const char *path, struct store_summary *summary);
bool file_check_access(struct operation *operation, const char *path, uint32_t mode);
struct file_create {
    const char *holder;
    uint32_t mode;
    bool overwrite, create_parent;
    int replication;
    int64_t block_size;
};
/* The checks of file_create without making it. */
bool file_may_create(struct operation *operation, const char *path, const struct file_create *create);
bool file_create(struct operation *operation, const char *path, const struct file_create *create);
bool file_append(
    struct operation *operation, const char *path, const char *holder, struct store_construction *construction);
/* Opens for reading, with the permission. */
bool file_open(struct operation *operation, const char *path, struct store_stat *stat);
bool file_xattr_name(struct operation *operation, const char *name, bool for_write);
bool file_set_xattr(
    struct operation *operation, const char *path, const char *name, struct bytes value, bool create, bool replace);
bool file_remove_xattr(struct operation *operation, const char *path, const char *name);
bool file_get_xattr(struct operation *operation, const char *path, const char *name, struct bytes *value);
bool file_list_xattrs(struct operation *operation, const char *path, char ***names, size_t *count);
/* MD5 of the MD5s of blocks' checksums, as Hadoop's FileChecksum; 28 bytes. */
bool file_checksum(struct operation *operation, const char *path, uint8_t out[28], char algorithm[64]);
/* MD5 of the CRC-32Cs of one range of a file. */
bool block_checksum(struct store_file *file, int64_t offset, int64_t size, uint8_t md5[16], struct error *error);

/* ---- servers ---- */

extern const struct net_protocol hdfs_rpc_protocol, hdfs_transfer_protocol;
/* Tells writers on this DataNode connection that it restarts. */
void transfer_announce_restart(void *unused, struct net_connection *connection);
void hdfs_web_init(struct hdfs *hdfs);

/* ---- calls ---- */

struct call {
    struct operation operation;
    const struct call_method *method;
    ProtobufCMessage *request, *response;
};
struct call_method {
    const char *name;
    const ProtobufCMessageDescriptor *request, *response;
    bool (*run)(struct call *call); /* disk pool; false after operation_fail */
};
/* NULL when ClientProtocol has no such method here. */
const struct call_method *call_method_find(const char *name);

#endif
