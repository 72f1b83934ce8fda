/* store_internal.h: what the files of this folder share. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <stdio.h>
#include "base/map.h"
#include "base/vector.h"
#include "store/lease.h"
#include "store/store.h"

#define STORE_PATH_SIZE_MAX 3500
#define STORE_NAME_SIZE_MAX 255
#define STORE_RESERVED ".raudal" /* folder in the root that the tree does not show */
#define STORE_ATTRIBUTES "user.raudal.attributes"
#define STORE_XATTR_PREFIX "user.raudal.x." /* before the full HDFS name of a client's own attribute */
#define STORE_DIRECTORY_MODE 0755
#define STORE_FILE_MODE 0644

struct store_name {
    struct store_name *next;
    char text[];
};

struct store {
    struct world *world;
    struct service_log *log;
    char *root; /* without a slash at the end */
    char *temporary;
    char *leases_directory;
    char user[64], group[64], authority[300];
    int64_t block_size;
    int replication;
    bool has_xattrs;
    _Atomic bool namenode_is_stopped, datanode_is_stopped;
    struct store_name *own_names;
    struct store_volume *volumes;
    size_t volume_count;
    _Atomic uint64_t next_temporary;
    uint64_t life; /* random, part of temporary names */

    struct world_mutex space_mutex; /* used_size, counted at used_ms */
    int64_t used_size, used_ms;

    struct world_mutex lease_mutex; /* everything below */
    struct map open_files;          /* inode (8 bytes) → struct store_open_file */
    struct map inode_paths;         /* inode (8 bytes) → char *, what block ids were handed out for */
    uint64_t generation_stamp;
};

/* Where a canonical path lies on the machine. */
struct store_place {
    bool on_machine; /* a "file:" path */
    bool is_root;
    const char *path; /* as given */
    char machine[STORE_PATH_SIZE_MAX + 600];
};

/* Checks the path and that no link lies on the way to it (the last component included). Does not need the file to
 * exist. */
bool store_locate(struct store *store, const char *path, struct store_place *place, struct error *error);
/* ERROR_NOT_FOUND with the hint that it exists on the machine. */
bool store_not_found(struct store *store, const char *path, struct error *error);
/* Refuses to change the root. */
bool store_locate_entry(struct store *store, const char *path, struct store_place *place, struct error *error);
/* A fresh path in /.raudal/tmp, or beside `place` for the machine. */
void store_temporary_path(struct store *store, const struct store_place *place, char *out, size_t size);

struct store_attributes {
    char owner[64], group[64]; /* empty: default */
    int mode;                  /* -1: default */
    int replication;           /* 0: default */
    int64_t block_size;        /* 0: default */
};
void store_attributes_read(struct store *store, const char *machine_path, struct store_attributes *attributes);
bool store_attributes_write(
    struct store *store, const char *machine_path, const struct store_attributes *attributes, struct error *error);
/* Attributes of something new below `parent_machine`: group of the parent, owner and mode as asked. */
void store_attributes_inherit(struct store *store, const char *parent_machine, const struct store_owner *owner,
    bool is_directory, struct store_attributes *attributes);
/* Whether all are the default, so that nothing needs to be written. */
bool store_attributes_empty(const struct store_attributes *attributes);

bool store_mkdirs_machine(struct store *store, const char *path, const struct store_owner *owner, struct error *error);

/* Leases: the tree tells what happened to names. */
bool store_lease_start(struct store *store, struct error *error); /* loads what an earlier life left open */
void store_lease_stop(struct store *store);
bool store_lease_is_open(struct store *store, uint64_t inode);
void store_lease_renamed(struct store *store, const char *from, const char *to);
void store_lease_deleted(struct store *store, const char *path);

#endif
