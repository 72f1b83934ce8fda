/* tree.h: the znodes. Changes are transactions: each is checked, applied, encoded for the log, and can be undone as
 * long as it is the newest (for multi). Watches are told by the caller from the list of events. */
#ifndef ZOOKEEPER_TREE_H
#define ZOOKEEPER_TREE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vector.h"
#include "zookeeper/jute.h"

/* Error codes of the protocol. */
enum zk_error {
    ZK_OK = 0,
    ZK_RUNTIME_INCONSISTENCY = -2,
    ZK_MARSHALLING_ERROR = -5,
    ZK_UNIMPLEMENTED = -6,
    ZK_BAD_ARGUMENTS = -8,
    ZK_NO_NODE = -101,
    ZK_NO_AUTH = -102,
    ZK_BAD_VERSION = -103,
    ZK_NO_CHILDREN_FOR_EPHEMERALS = -108,
    ZK_NODE_EXISTS = -110,
    ZK_NOT_EMPTY = -111,
    ZK_SESSION_EXPIRED = -112,
    ZK_INVALID_ACL = -114,
    ZK_AUTH_FAILED = -115,
    ZK_NO_WATCHER = -121,
    ZK_RECONFIG_DISABLED = -123,
};

enum zk_operation {
    ZK_ERROR = -1,
    ZK_CREATE = 1,
    ZK_DELETE = 2,
    ZK_EXISTS = 3,
    ZK_GET_DATA = 4,
    ZK_SET_DATA = 5,
    ZK_GET_ACL = 6,
    ZK_SET_ACL = 7,
    ZK_GET_CHILDREN = 8,
    ZK_SYNC = 9,
    ZK_PING = 11,
    ZK_GET_CHILDREN2 = 12,
    ZK_CHECK = 13,
    ZK_MULTI = 14,
    ZK_CREATE2 = 15,
    ZK_RECONFIG = 16,
    ZK_CHECK_WATCHES = 17,
    ZK_REMOVE_WATCHES = 18,
    ZK_CREATE_CONTAINER = 19,
    ZK_DELETE_CONTAINER = 20,
    ZK_CREATE_TTL = 21,
    ZK_MULTI_READ = 22,
    ZK_AUTH = 100,
    ZK_SET_WATCHES = 101,
    ZK_SASL = 102,
    ZK_GET_EPHEMERALS = 103,
    ZK_GET_ALL_CHILDREN_NUMBER = 104,
    ZK_SET_WATCHES2 = 105,
    ZK_ADD_WATCH = 106,
    ZK_WHO_AM_I = 107,
    ZK_CREATE_SESSION = -10,
    ZK_CLOSE_SESSION = -11,
};

enum zk_permission { ZK_READ = 1, ZK_WRITE = 2, ZK_MAKE = 4, ZK_REMOVE = 8, ZK_ADMIN = 16 };

/* ephemeralOwner of container and TTL nodes. */
#define ZK_CONTAINER_OWNER INT64_MIN
#define ZK_TTL_MASK ((int64_t)0xff00000000000000)
#define ZK_TTL_MAX_MS ((int64_t)0x000000ffffffffff)

struct zk_stat {
    int64_t czxid, mzxid, ctime, mtime;
    int32_t version, cversion, aversion; /* cversion: creations of children so far */
    int64_t ephemeral_owner, pzxid;
};

struct zk_node {
    struct zk_node *parent;
    struct bytes path; /* NUL follows */
    struct buffer data;
    bool has_data; /* false: null */
    int64_t acl;   /* index in the tree's ACLs, -1 the open one */
    struct zk_stat stat;
    struct map children; /* name -> struct zk_node * */
};

struct zk_acl { /* one list, as its jute bytes */
    struct bytes encoded;
    int64_t index;
    int64_t use_count;
};

enum zk_event_type { ZK_NODE_CREATED = 1, ZK_NODE_DELETED = 2, ZK_NODE_DATA_CHANGED = 3, ZK_NODE_CHILDREN_CHANGED = 4 };

struct zk_event {
    enum zk_event_type type;
    struct bytes path;
};

struct zk_undo;

struct zk_tree {
    struct map nodes;  /* path -> struct zk_node * */
    struct map owners; /* session id -> struct map * of path -> struct zk_node *: ephemeral nodes */
    struct map acls_by_bytes, acls_by_index;
    int64_t last_acl;
    struct zk_node *root;
    int64_t last_zxid;
    int64_t data_size; /* of paths and data */
};

/* A transaction being made. */
struct zk_change {
    struct zk_tree *tree;
    struct arena arena;
    int64_t zxid, time_ms, session_id;
    VECTOR(struct zk_event) events; /* in order; paths in the arena */
    VECTOR(struct zk_undo *) undos;
};

/* Who asks, for ACL checks. */
struct zk_identity {
    struct bytes scheme, id;
};
struct zk_caller {
    const struct zk_identity *identities;
    size_t identity_count;
    const char *address; /* numeric, for the scheme ip; NULL: our own calls, never checked */
};

/* ---- the tree ---- */

void zk_tree_start(struct zk_tree *tree); /* with / and /zookeeper */
void zk_tree_free(struct zk_tree *tree);
struct zk_node *zk_tree_find(const struct zk_tree *tree, struct bytes path);
/* Index of an ACL list given as jute bytes; a reference is taken. */
int64_t zk_tree_acl_index(struct zk_tree *tree, struct bytes encoded);
/* Jute bytes of a list. */
struct bytes zk_tree_acl(const struct zk_tree *tree, int64_t index);
/* The stat as clients see it. */
void zk_write_stat(struct buffer *out, const struct zk_node *node);
/* Well-formed: starts with /, no empty, "." or ".." names, no trailing slash, no control characters. */
bool zk_path_is_valid(struct bytes path);
bool zk_node_is_ephemeral(const struct zk_node *node); /* of a session */
/* path -> struct zk_node * of a session's ephemeral nodes, or NULL. */
struct map *zk_tree_owned(const struct zk_tree *tree, int64_t session_id);
/* Moves the reader behind an encoded ACL list and returns it. */
struct bytes zk_read_acl(struct jute_reader *reader);
struct bytes zk_path_parent(struct bytes path);
/* Whether the caller has one of the permissions (a set of bits). */
bool zk_allowed(
    const struct zk_tree *tree, const struct zk_node *node, int permissions, const struct zk_caller *caller);
/* Expands "auth" and checks the schemes of a list as a client sent it. */
enum zk_error zk_fix_acl(struct bytes encoded, const struct zk_caller *caller, struct buffer *out);

/* ---- changes ---- */

void zk_change_start(struct zk_change *change, struct zk_tree *tree, int64_t session_id, int64_t time_ms);
/* Takes everything back, newest first. */
void zk_change_undo(struct zk_change *change);
void zk_change_free(struct zk_change *change);

struct zk_create {
    enum zk_operation operation;  /* of the request and of the logged transaction */
    struct bytes path, data, acl; /* acl: fixed jute bytes */
    bool is_ephemeral, is_sequential;
    int64_t ttl_ms;
};
/* Each appends the transaction's record to `record`. */
enum zk_error zk_change_create(struct zk_change *change, const struct zk_create *create, const struct zk_caller *caller,
    struct buffer *record, struct zk_node **node);
enum zk_error zk_change_delete(struct zk_change *change, struct bytes path, int32_t version,
    const struct zk_caller *caller, struct buffer *record);
enum zk_error zk_change_set_data(struct zk_change *change, struct bytes path, struct bytes data, int32_t version,
    const struct zk_caller *caller, struct buffer *record, struct zk_node **node);
enum zk_error zk_change_set_acl(struct zk_change *change, struct bytes path, struct bytes acl, int32_t version,
    const struct zk_caller *caller, struct buffer *record, struct zk_node **node);
enum zk_error zk_check_version(struct zk_change *change, struct bytes path, int32_t version,
    const struct zk_caller *caller, struct buffer *record);
/* Applies a logged transaction's record (not multi, not sessions). What it finds done already is left. */
bool zk_tree_replay(struct zk_tree *tree, enum zk_operation operation, struct bytes record, int64_t session_id,
    int64_t zxid, int64_t time_ms);
/* For the snapshot's reader: puts a node. */
struct zk_node *zk_tree_put(
    struct zk_tree *tree, struct bytes path, struct bytes data, int64_t acl, const struct zk_stat *stat);

#endif
