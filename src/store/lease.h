/* lease.h: files that HDFS clients are writing. Such a file is visible under its name at once and grows as data is
 * acknowledged; a lease says who may write it. A lease is renewed by its holder; after 60 s without renewal another
 * client may take the file over, after 20 minutes it is closed at its last acknowledged byte. Leases are in memory; who
 * writes which file is also noted in /.raudal/leases, so that a write in progress can go on after a restart.
 *
 * Blocks. A file is cut into blocks of its block size for clients; block ids are made of inode and index. Of a file
 * under construction the last block may start anywhere (clients may end blocks early); all earlier bytes are committed.
 *
 * All functions: any thread, may wait for the disk. Errors: ERROR_CLOSED when the caller does not hold the lease
 * (message in the words of HDFS's LeaseExpiredException), ERROR_BUSY when another holds it
 * (AlreadyBeingCreatedException). */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/store.h"

#define STORE_LEASE_SOFT_MS 60000
#define STORE_LEASE_HARD_MS (20 * 60000)

/* A file under construction, copied into the caller's arena. */
struct store_construction {
    uint64_t inode;
    const char *path, *holder, *machine;
    int64_t block_size;
    int64_t committed_size; /* where the last block starts */
    uint32_t block_index;   /* of the last block, or of the next one when has_block is false */
    bool has_block;
    uint64_t generation_stamp;
};

struct store_create {
    const char *holder;  /* client name */
    const char *machine; /* its address */
    struct store_owner owner;
    int replication;    /* 0: default */
    int64_t block_size; /* 0: default */
    bool overwrite;
    bool create_parent;
};

/* Makes the file, empty, and opens it for the holder. */
bool store_lease_create(struct store *store, const char *path, const struct store_create *create, struct error *error);
/* Opens an existing file for more data at its end. */
bool store_lease_append(struct store *store, struct arena *arena, const char *path, const char *holder,
    const char *machine, struct store_construction *construction, struct error *error);
/* The file that `holder` writes; inode 0: not compared. holder NULL: whoever. */
bool store_lease_get(struct store *store, struct arena *arena, const char *path, const char *holder, uint64_t inode,
    struct store_construction *construction, struct error *error);
/* The same by inode. */
bool store_lease_get_inode(struct store *store, struct arena *arena, uint64_t inode, const char *holder,
    struct store_construction *construction, struct error *error);
/* Commits the last block with `previous_size` bytes (previous_index -1: there is none) and starts the next. A repeated
 * call answers the same. */
bool store_lease_add_block(struct store *store, struct arena *arena, const char *path, const char *holder,
    uint64_t inode, int64_t previous_index, int64_t previous_size, struct store_construction *construction,
    struct error *error);
/* Drops the last block and its bytes. */
bool store_lease_abandon_block(
    struct store *store, const char *path, const char *holder, uint64_t inode, int64_t index, struct error *error);
/* A new generation stamp for the last block (pipeline recovery). */
bool store_lease_stamp(struct store *store, struct arena *arena, uint64_t inode, const char *holder,
    struct store_construction *construction, struct error *error);
/* Closes the file with `last_size` bytes in its last block (-1: as it is). *done false: bytes are missing, ask again.
 */
bool store_lease_complete(struct store *store, const char *path, const char *holder, uint64_t inode, int64_t last_size,
    bool *done, struct error *error);
/* Ends whatever lease there is at the last acknowledged byte (recoverLease). */
bool store_lease_recover(struct store *store, const char *path, struct error *error);
/* Renews all leases of the holder. */
void store_lease_renew(struct store *store, const char *holder);
/* Closes what is past the hard limit; returns how many. Call it every half minute or so. */
size_t store_lease_expire(struct store *store);
size_t store_lease_count(struct store *store);
bool store_path_is_open(struct store *store, const char *path);

/* ---- block ids ---- */

#define STORE_BLOCK_INDEX_BITS 20
static inline uint64_t store_block_id(uint64_t inode, uint32_t index) {
    return ((inode & ((1ull << 43) - 1)) << STORE_BLOCK_INDEX_BITS) | index;
}
static inline uint32_t store_block_index(uint64_t block_id) {
    return (uint32_t)(block_id & ((1u << STORE_BLOCK_INDEX_BITS) - 1));
}
/* Remembers that blocks of this inode were handed out as the file `path`. */
void store_block_remember(struct store *store, uint64_t inode, const char *path);
/* The file's path in `arena`, or NULL when the id is not (no longer) known. */
char *store_block_path(struct store *store, struct arena *arena, uint64_t block_id);

#endif
