/* calls_write.c: calls about contents: where blocks are, and the life of a file that a client writes. */
#include "hdfs/calls.h"

#include <inttypes.h>

#define CREATE_FLAG_CREATE 1u
#define CREATE_FLAG_OVERWRITE 2u
#define CREATE_FLAG_NEW_BLOCK 32u

/* There is one DataNode. A client that believes in more (dfs.replication is 3 where nothing is configured) would refuse
 * to append, because it looks for DataNodes to add; so new files get at most the server's own replication, and the
 * writer's view of the file says 1. */
#define DATANODE_COUNT 1

#define STATE_CHANGE "org.apache.hadoop.hdfs.StateChange"

bool call_get_block_locations(struct call *call) {
    CALL_MESSAGES(GetBlockLocations);
    struct store_stat stat;
    if (!file_open(operation, request->src, &stat)) {
        return false;
    }
    int64_t offset = request->offset > INT64_MAX ? INT64_MAX : (int64_t)request->offset;
    int64_t length = request->length > INT64_MAX ? INT64_MAX : (int64_t)request->length;
    response->locations = blocks_of_file(operation, request->src, &stat, offset, length);
    return true;
}

static int clamp_replication(struct operation *operation, uint32_t asked) {
    uint32_t most = (uint32_t)store_replication(operation->store);
    return (int)(asked < most ? asked : most);
}

bool call_create(struct call *call) {
    CALL_MESSAGES(Create);
    struct file_create create = {.holder = request->clientname,
        .mode = request->masked->perm & 0777,
        .overwrite = request->createflag & CREATE_FLAG_OVERWRITE,
        .create_parent = request->createparent,
        .replication = clamp_replication(operation, request->replication),
        .block_size = (int64_t)request->blocksize};
    if (!(request->createflag & CREATE_FLAG_CREATE) && !store_exists(operation->store, request->src)) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Can't overwrite non-existent %s for client %s",
            request->src, operation->peer);
    }
    struct store_stat stat;
    struct error error = {0};
    if (!file_create(operation, request->src, &create)) {
        return false;
    }
    if (!store_stat(operation->store, request->src, &stat, &error)) {
        return operation_error(operation, &error);
    }
    response->fs = blocks_file_status(operation, &stat, NULL);
    response->fs->block_replication = DATANODE_COUNT;
    return true;
}

bool call_append(struct call *call) {
    CALL_MESSAGES(Append);
    struct store_construction construction;
    struct store_stat stat;
    struct error error = {0};
    if (request->flag & CREATE_FLAG_NEW_BLOCK) {
        return operation_fail(operation, EXCEPTION_UNSUPPORTED_OPERATION,
            "append with CreateFlag.NEW_BLOCK is not supported: %s", request->src);
    }
    if (!file_append(operation, request->src, request->clientname, &construction)) {
        return false;
    }
    if (!store_stat(operation->store, request->src, &stat, &error)) {
        return operation_error(operation, &error);
    }
    response->stat = blocks_file_status(operation, &stat, NULL);
    response->stat->block_replication = DATANODE_COUNT;
    if (construction.has_block) {
        response->block = blocks_under_construction(operation, &construction, stat.size - construction.committed_size);
    }
    return true;
}

static bool is_excluded(const Hadoop__AddBlockRequest *request, const struct hdfs *hdfs) {
    for (size_t i = 0; i < request->n_excludenodes; i++) {
        if (strcmp(request->excludenodes[i]->id->datanodeuuid, hdfs->datanode_uuid) == 0) {
            return true;
        }
    }
    return false;
}

bool call_add_block(struct call *call) {
    CALL_MESSAGES(AddBlock);
    struct error error = {0};
    struct store_construction construction;
    if (!operation_path(operation, request->src)) {
        return false;
    }
    if (operation->hdfs->is_suspended[HDFS_DATANODE]) {
        return operation_fail(operation, EXCEPTION_IO,
            "File %s could only be written to 0 of the 1 minReplication nodes. There are 0 datanode(s) running and 0 "
            "node(s) are excluded in this operation.",
            request->src);
    }
    if (is_excluded(request, operation->hdfs)) {
        return operation_fail(operation, EXCEPTION_IO,
            "File %s could only be written to 0 of the 1 minReplication nodes. There are 1 datanode(s) running and 1 "
            "node(s) are excluded in this "
            "operation.\nThe client could not reach the DataNode at %s:%u; a firewall, or dfs.datanode.hostname names "
            "an address it does not have.",
            request->src, operation->hdfs->datanode_hostname ? operation->hdfs->datanode_hostname : operation->local,
            hdfs_datanode_port(operation->hdfs));
    }
    int64_t previous = request->previous ? (int64_t)store_block_index(request->previous->blockid) : -1;
    int64_t previous_size = request->previous ? (int64_t)request->previous->numbytes : 0;
    if (!store_lease_add_block(operation->store, &operation->arena, request->src, request->clientname, request->fileid,
            previous, previous_size, &construction, &error)) {
        return operation_error(operation, &error);
    }
    response->block = blocks_under_construction(operation, &construction, 0);
    service_log_write(operation->hdfs->options.namenode_log, LOG_INFO, STATE_CHANGE,
        "BLOCK* allocate blk_%" PRIu64 "_%" PRIu64 ", replicas=%s:%u for %s", response->block->b->blockid,
        response->block->b->generationstamp, operation->local, hdfs_datanode_port(operation->hdfs), request->src);
    return true;
}

bool call_abandon_block(struct call *call) {
    CALL_MESSAGES(AbandonBlock);
    struct error error = {0};
    return store_lease_abandon_block(operation->store, request->src, request->holder, request->fileid,
               store_block_index(request->b->blockid), &error)
               ? true
               : operation_error(operation, &error);
}

bool call_complete(struct call *call) {
    CALL_MESSAGES(Complete);
    struct error error = {0};
    bool done;
    int64_t last_size = request->last ? (int64_t)request->last->numbytes : -1;
    if (!store_lease_complete(
            operation->store, request->src, request->clientname, request->fileid, last_size, &done, &error)) {
        return operation_error(operation, &error);
    }
    response->result = done;
    if (done) {
        service_log_write(operation->hdfs->options.namenode_log, LOG_INFO, STATE_CHANGE,
            "DIR* completeFile: %s is closed by %s", request->src, request->clientname);
    }
    return true;
}

bool call_fsync(struct call *call) {
    CALL_MESSAGES(Fsync);
    struct error error = {0};
    struct store_construction construction;
    return store_lease_get(operation->store, &operation->arena, request->src, request->client, request->fileid,
               &construction, &error)
               ? true
               : operation_error(operation, &error);
}

/* As in HDFS the answer is false when the new end lies inside a block: a client that asked to wait then looks until the
 * file is closed. Here it is closed already. */
bool call_truncate(struct call *call) {
    CALL_MESSAGES(Truncate);
    struct store_stat stat;
    int64_t size = request->newlength > INT64_MAX ? -1 : (int64_t)request->newlength;
    if (!file_truncate(operation, request->src, size, request->clientname)) {
        return false;
    }
    response->result = store_stat(operation->store, request->src, &stat, NULL) && size % stat.block_size == 0;
    return true;
}

bool call_concat(struct call *call) {
    CALL_MESSAGES(Concat);
    for (size_t i = 0; i < request->n_srcs; i++) {
        if (!operation_path(operation, request->srcs[i])) {
            return false;
        }
    }
    return file_concat(operation, request->trg, (const char *const *)request->srcs, request->n_srcs);
}

/* ---- pipeline recovery ---- */

/* The file that a block of `client` belongs to. */
static bool find_block(struct operation *operation, const Hadoop__ExtendedBlock *block, uint64_t *inode) {
    struct store_stat stat;
    char *path = store_block_path(operation->store, &operation->arena, block->blockid);
    if (!path || !store_stat(operation->store, path, &stat, NULL) ||
        store_block_id(stat.inode, 0) != store_block_id(block->blockid >> 20, 0)) {
        return operation_fail(operation, EXCEPTION_IO,
            "%s:blk_%" PRIu64 "_%" PRIu64 " does not exist or is not under Construction", block->poolid, block->blockid,
            block->generationstamp);
    }
    *inode = stat.inode;
    return true;
}

bool call_update_block_for_pipeline(struct call *call) {
    CALL_MESSAGES(UpdateBlockForPipeline);
    struct error error = {0};
    struct store_construction construction;
    uint64_t inode;
    if (!find_block(operation, request->block, &inode)) {
        return false;
    }
    if (!store_lease_stamp(operation->store, &operation->arena, inode, request->clientname, &construction, &error)) {
        return operation_error(operation, &error);
    }
    Hadoop__ExtendedBlock *block = blocks_extended(operation, inode, store_block_index(request->block->blockid),
        construction.generation_stamp, (int64_t)request->block->numbytes);
    response->block = blocks_located(operation, block, 0);
    response->block->n_locs = response->block->n_iscached = response->block->n_storagetypes =
        response->block->n_storageids = 0;
    return true;
}

bool call_update_pipeline(struct call *call) {
    CALL_MESSAGES(UpdatePipeline);
    struct error error = {0};
    struct store_construction construction;
    uint64_t inode;
    if (!find_block(operation, request->newblock, &inode)) {
        return false;
    }
    return store_lease_get_inode(operation->store, &operation->arena, inode, request->clientname, &construction, &error)
               ? true
               : operation_error(operation, &error);
}

bool call_get_additional_datanode(struct call *call) {
    CALL_MESSAGES(GetAdditionalDatanode);
    response->block = blocks_located(operation, request->blk, 0);
    response->block->n_locs = response->block->n_iscached = response->block->n_storagetypes =
        response->block->n_storageids = 0;
    return true;
}

/* ---- leases ---- */

bool call_renew_lease(struct call *call) {
    CALL_MESSAGES(RenewLease);
    store_lease_renew(operation->store, request->clientname);
    return true;
}

bool call_recover_lease(struct call *call) {
    CALL_MESSAGES(RecoverLease);
    struct store_stat stat;
    struct error error = {0};
    if (!file_open(operation, request->src, &stat) ||
        !operation_may_write(operation, "recover the lease of %s", request->src) ||
        !permission_check(operation, request->src, (struct access_wanted){.target = ACCESS_WRITE})) {
        return false;
    }
    response->result = store_lease_recover(operation->store, request->src, &error);
    return response->result ? true : operation_error(operation, &error);
}

bool call_is_file_closed(struct call *call) {
    CALL_MESSAGES(IsFileClosed);
    struct store_stat stat;
    bool exists;
    if (!file_stat(operation, request->src, &stat, &exists)) {
        return false;
    }
    if (!exists || stat.is_directory) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "File does not exist: %s", request->src);
    }
    response->result = !stat.is_open;
    return true;
}
