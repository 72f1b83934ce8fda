/* default_fs.h: fs.defaultFS, what a path without a scheme means. It must name this Raudal's own NameNode; as in Hadoop
 * its port is the NameNode's where dfs.namenode.rpc-address does not say one. */
#ifndef CLI_DEFAULT_FS_H
#define CLI_DEFAULT_FS_H

#include "cli/settings.h"
#include "cli/stack.h"

enum { DEFAULT_FS_SIZE_MAX = 300 };

/* Checks the setting once all are loaded, and sets dfs.namenode.rpc-address by it, unless it names a NameNode of the
 * stack, which has a port of its own at its own address. ERROR_INVALID names another cluster and our own names. */
bool default_fs_apply(struct settings *settings, const char *address, const struct stack *stack, struct error *error);
/* "namenode:9000" of a setting that was applied. */
void default_fs_authority(const struct settings *settings, char authority[DEFAULT_FS_SIZE_MAX]);

#endif
