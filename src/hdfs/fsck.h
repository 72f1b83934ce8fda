/* fsck.h: the check of the tree that `hdfs fsck` asks for over HTTP. */
#ifndef HDFS_FSCK_H
#define HDFS_FSCK_H

#include "hdfs/hdfs_internal.h"

/* GET /fsck?ugi=USER&path=PATH&files=1…; context: the struct hdfs. */
void fsck_handle(struct http_request *request, void *context);
/* Blocks of all files. Walks the tree: disk pool. */
int64_t fsck_count_blocks(struct hdfs *hdfs);

#endif
