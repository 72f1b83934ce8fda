/* blocks.h: files and blocks as protocol messages; everything made here lies in the operation's arena. */
#ifndef HDFS_BLOCKS_H
#define HDFS_BLOCKS_H

#include "hdfs/hdfs_internal.h"
#include "types.pb-c.h"

/* status of a file or directory; name NULL: empty path. */
Hadoop__HdfsFileStatus *blocks_file_status(
    struct operation *operation, const struct store_stat *stat, const char *name);
/* The DataNode with the address that this client should use. full adds capacity and use (may walk the tree). */
Hadoop__DatanodeInfo *blocks_datanode(struct operation *operation, bool full);
Hadoop__ExtendedBlock *blocks_extended(
    struct operation *operation, uint64_t inode, uint32_t index, uint64_t stamp, int64_t size);
Hadoop__LocatedBlock *blocks_located(struct operation *operation, Hadoop__ExtendedBlock *block, int64_t offset);
/* The block that a client writes now. */
Hadoop__LocatedBlock *blocks_under_construction(
    struct operation *operation, const struct store_construction *construction, int64_t size);
/* Blocks of a file that overlap [offset, offset + length). */
Hadoop__LocatedBlocks *blocks_of_file(
    struct operation *operation, const char *path, const struct store_stat *stat, int64_t offset, int64_t length);

#endif
