/* blocks.c: see blocks.h. A closed file of n bytes has n / block size blocks, all full but the last; each is a range of
 * the plain file. */
#include "hdfs/blocks.h"

#define CLOSED_STAMP 1001 /* generation stamp of blocks nobody writes */
#define BLOCK_COUNT_MAX 100000

static ProtobufCBinaryData binary(struct operation *operation, const char *text) {
    struct bytes copy = arena_copy(&operation->arena, bytes_from_text(text));
    return (ProtobufCBinaryData){copy.size, (uint8_t *)copy.data};
}

Hadoop__HdfsFileStatus *blocks_file_status(
    struct operation *operation, const struct store_stat *stat, const char *name) {
    struct arena *arena = &operation->arena;
    Hadoop__HdfsFileStatus *status = ARENA_NEW(arena, Hadoop__HdfsFileStatus);
    hadoop__hdfs_file_status__init(status);
    status->filetype =
        stat->is_directory ? HADOOP__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR : HADOOP__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE;
    status->path = binary(operation, name ? name : "");
    status->length = (uint64_t)stat->size;
    status->permission = ARENA_NEW(arena, Hadoop__FsPermission);
    hadoop__fs_permission__init(status->permission);
    status->permission->perm = stat->mode;
    status->owner = arena_strdup(arena, stat->owner);
    status->group = arena_strdup(arena, stat->group);
    status->modification_time = (uint64_t)stat->modified_ms;
    status->access_time = (uint64_t)stat->accessed_ms;
    status->has_block_replication = status->has_blocksize = status->has_fileid = true;
    status->block_replication = (uint32_t)stat->replication;
    status->blocksize = (uint64_t)stat->block_size;
    status->fileid = stat->inode;
    return status;
}

Hadoop__DatanodeInfo *blocks_datanode(struct operation *operation, bool full) {
    struct hdfs *hdfs = operation->hdfs;
    struct arena *arena = &operation->arena;
    Hadoop__DatanodeInfo *info = ARENA_NEW(arena, Hadoop__DatanodeInfo);
    hadoop__datanode_info__init(info);
    info->id = ARENA_NEW(arena, Hadoop__DatanodeID);
    hadoop__datanode_id__init(info->id);
    info->id->ipaddr = operation->local;
    info->id->hostname = hdfs->datanode_hostname ? hdfs->datanode_hostname : operation->local;
    info->id->datanodeuuid = hdfs->datanode_uuid;
    info->id->xferport = hdfs_datanode_port(hdfs);
    info->id->infoport = hdfs->options.web_port;
    info->id->ipcport = 0;
    info->location = arena_strdup(arena, "/default-rack");
    info->has_lastupdate = true;
    info->lastupdate =
        (uint64_t)(hdfs->is_suspended[HDFS_DATANODE] ? hdfs->datanode_seen_ms : world_wall_ms(hdfs->world));
    int64_t total = 0, used = 0, free_size = 0;
    if (full && store_space(hdfs->store, &total, &used, &free_size, NULL)) {
        info->has_capacity = info->has_dfsused = info->has_remaining = info->has_nondfsused = info->has_blockpoolused =
            true;
        info->capacity = (uint64_t)total;
        info->dfsused = info->blockpoolused = (uint64_t)used;
        info->remaining = (uint64_t)free_size;
        info->nondfsused = (uint64_t)(total - used - free_size > 0 ? total - used - free_size : 0);
        info->has_xceivercount = true;
        info->xceivercount = (uint32_t)net_server_connection_count(hdfs->datanode) + 1;
        info->has_lastblockreporttime = true;
        info->lastblockreporttime = (uint64_t)hdfs->started_ms;
    }
    return info;
}

Hadoop__ExtendedBlock *blocks_extended(
    struct operation *operation, uint64_t inode, uint32_t index, uint64_t stamp, int64_t size) {
    Hadoop__ExtendedBlock *block = ARENA_NEW(&operation->arena, Hadoop__ExtendedBlock);
    hadoop__extended_block__init(block);
    block->poolid = operation->hdfs->block_pool;
    block->blockid = store_block_id(inode, index);
    block->generationstamp = stamp;
    block->has_numbytes = true;
    block->numbytes = (uint64_t)size;
    return block;
}

Hadoop__LocatedBlock *blocks_located(struct operation *operation, Hadoop__ExtendedBlock *block, int64_t offset) {
    struct arena *arena = &operation->arena;
    Hadoop__LocatedBlock *located = ARENA_NEW(arena, Hadoop__LocatedBlock);
    hadoop__located_block__init(located);
    located->b = block;
    located->offset = (uint64_t)offset;
    located->n_locs = 1;
    located->locs = ARENA_ARRAY(arena, Hadoop__DatanodeInfo *, 1);
    located->locs[0] = blocks_datanode(operation, false);
    located->blocktoken = ARENA_NEW(arena, Hadoop__Token);
    hadoop__token__init(located->blocktoken);
    located->blocktoken->kind = located->blocktoken->service = arena_strdup(arena, "");
    located->blocktoken->identifier = located->blocktoken->password = (ProtobufCBinaryData){0, NULL};
    located->n_iscached = 1;
    located->iscached = ARENA_ARRAY(arena, protobuf_c_boolean, 1);
    located->n_storagetypes = 1;
    located->storagetypes = ARENA_ARRAY(arena, Hadoop__StorageType, 1);
    located->storagetypes[0] = HADOOP__STORAGE_TYPE__DISK;
    located->n_storageids = 1;
    located->storageids = ARENA_ARRAY(arena, char *, 1);
    located->storageids[0] = operation->hdfs->storage_id;
    return located;
}

Hadoop__LocatedBlock *blocks_under_construction(
    struct operation *operation, const struct store_construction *construction, int64_t size) {
    Hadoop__ExtendedBlock *block = blocks_extended(
        operation, construction->inode, construction->block_index, construction->generation_stamp, size);
    return blocks_located(operation, block, construction->committed_size);
}

static Hadoop__LocatedBlock *block_at(struct operation *operation, const struct store_stat *stat, int64_t index) {
    int64_t start = index * stat->block_size;
    int64_t size = stat->size - start < stat->block_size ? stat->size - start : stat->block_size;
    return blocks_located(
        operation, blocks_extended(operation, stat->inode, (uint32_t)index, CLOSED_STAMP, size), start);
}

Hadoop__LocatedBlocks *blocks_of_file(
    struct operation *operation, const char *path, const struct store_stat *stat, int64_t offset, int64_t length) {
    struct arena *arena = &operation->arena;
    Hadoop__LocatedBlocks *blocks = ARENA_NEW(arena, Hadoop__LocatedBlocks);
    hadoop__located_blocks__init(blocks);
    blocks->filelength = (uint64_t)stat->size;
    blocks->underconstruction = stat->is_open;
    /* What a writer has sent is acknowledged and in the file, so readers need not ask the DataNode how far the last
     * block goes. */
    blocks->islastblockcomplete = true;
    store_block_remember(operation->store, stat->inode, path);
    if (stat->size == 0) {
        return blocks;
    }
    int64_t last = (stat->size - 1) / stat->block_size;
    blocks->lastblock = block_at(operation, stat, last);
    if (offset < 0 || length <= 0 || offset >= stat->size) {
        return blocks;
    }
    int64_t first = offset / stat->block_size;
    int64_t end = length > stat->size - offset ? stat->size : offset + length;
    int64_t count = (end - 1) / stat->block_size - first + 1;
    count = count < BLOCK_COUNT_MAX ? count : BLOCK_COUNT_MAX;
    blocks->blocks = ARENA_ARRAY(arena, Hadoop__LocatedBlock *, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        blocks->blocks[blocks->n_blocks++] = block_at(operation, stat, first + i);
    }
    return blocks;
}
