/* calls_admin.c: calls about the service itself, and those that are understood and refused. */
#include "hdfs/calls.h"
#include "hdfs/fsck.h"

bool call_get_server_defaults(struct call *call) {
    CALL_MESSAGES(GetServerDefaults);
    Hadoop__FsServerDefaults *defaults = ARENA_NEW(&operation->arena, Hadoop__FsServerDefaults);
    hadoop__fs_server_defaults__init(defaults);
    defaults->blocksize = (uint64_t)store_block_size(operation->store);
    defaults->bytesperchecksum = HDFS_CHUNK_SIZE;
    defaults->writepacketsize = 65536;
    defaults->replication = (uint32_t)store_replication(operation->store);
    defaults->filebuffersize = 4096;
    defaults->has_encryptdatatransfer = defaults->has_trashinterval = defaults->has_checksumtype =
        defaults->has_policyid = true;
    defaults->checksumtype = HADOOP__CHECKSUM_TYPE__CHECKSUM_CRC32C;
    defaults->keyprovideruri = arena_strdup(&operation->arena, "");
    response->serverdefaults = defaults;
    return true;
}

bool call_get_fs_stats(struct call *call) {
    struct operation *operation = &call->operation;
    Hadoop__GetFsStatsResponse *response = (Hadoop__GetFsStatsResponse *)call->response;
    int64_t total, used, free_size;
    struct error error = {0};
    if (!store_space(operation->store, &total, &used, &free_size, &error)) {
        return operation_error(operation, &error);
    }
    response->capacity = (uint64_t)total;
    response->used = (uint64_t)used;
    response->remaining = (uint64_t)free_size;
    response->has_missing_repl_one_blocks = response->has_blocks_in_future = response->has_pending_deletion_blocks =
        true;
    return true;
}

/* Plain files have one copy and none is missing: the zeros are the truth. */
bool call_get_replicated_block_stats(struct call *call) {
    CALL_MESSAGES(GetFsReplicatedBlockStats);
    response->has_highest_prio_low_redundancy_blocks = response->has_badly_distributed_blocks = true;
    return true;
}

bool call_get_ec_block_group_stats(struct call *call) {
    CALL_MESSAGES(GetFsECBlockGroupStats);
    response->has_highest_prio_low_redundancy_blocks = response->has_badly_distributed_blocks = true;
    return true;
}

/* Whether a report of this type holds the one DataNode. */
static bool holds_datanode(struct hdfs *hdfs, Hadoop__DatanodeReportType type) {
    return type == HADOOP__DATANODE_REPORT_TYPE__ALL ||
           type == (hdfs->is_suspended[HDFS_DATANODE] ? HADOOP__DATANODE_REPORT_TYPE__DEAD
                                                      : HADOOP__DATANODE_REPORT_TYPE__LIVE);
}

/* A DataNode that is only shown: it has the same disk and none of the blocks. */
static Hadoop__DatanodeInfo *shown_datanode(struct operation *operation, size_t index) {
    const struct hdfs_shown_datanode *shown = &operation->hdfs->options.shown_datanodes[index];
    Hadoop__DatanodeInfo *info = blocks_datanode(operation, true);
    info->id->ipaddr = arena_strdup(&operation->arena, shown->address);
    info->id->hostname = arena_strdup(&operation->arena, shown->host);
    info->id->datanodeuuid = arena_printf(&operation->arena, "%.28s%08zx", operation->hdfs->datanode_uuid, index + 1);
    info->dfsused = info->blockpoolused = 0;
    info->xceivercount = 1;
    return info;
}

bool call_get_datanode_report(struct call *call) {
    CALL_MESSAGES(GetDatanodeReport);
    if (!permission_superuser(operation, "datanodeReport")) {
        return false;
    }
    if (holds_datanode(operation->hdfs, request->type)) {
        size_t shown_count = operation->hdfs->options.shown_datanode_count;
        response->di = ARENA_ARRAY(&operation->arena, Hadoop__DatanodeInfo *, 1 + shown_count);
        Hadoop__DatanodeInfo *info = blocks_datanode(operation, true);
        info->has_numblocks = true;
        info->numblocks = (uint32_t)fsck_count_blocks(operation->hdfs);
        response->di[response->n_di++] = info;
        for (size_t i = 0; i < shown_count; i++)
            response->di[response->n_di++] = shown_datanode(operation, i);
    }
    return true;
}

bool call_get_datanode_storage_report(struct call *call) {
    CALL_MESSAGES(GetDatanodeStorageReport);
    struct arena *arena = &operation->arena;
    if (!permission_superuser(operation, "getDatanodeStorageReport")) {
        return false;
    }
    if (!holds_datanode(operation->hdfs, request->type)) {
        return true;
    }
    Hadoop__DatanodeStorageReport *report = ARENA_NEW(arena, Hadoop__DatanodeStorageReport);
    hadoop__datanode_storage_report__init(report);
    report->datanodeinfo = blocks_datanode(operation, true);
    Hadoop__StorageReport *storage = ARENA_NEW(arena, Hadoop__StorageReport);
    hadoop__storage_report__init(storage);
    storage->storageuuid = operation->hdfs->storage_id;
    storage->has_capacity = storage->has_dfsused = storage->has_remaining = storage->has_blockpoolused = true;
    storage->capacity = report->datanodeinfo->capacity;
    storage->dfsused = storage->blockpoolused = report->datanodeinfo->dfsused;
    storage->remaining = report->datanodeinfo->remaining;
    report->storagereports = ARENA_ARRAY(arena, Hadoop__StorageReport *, 1);
    report->storagereports[report->n_storagereports++] = storage;
    response->datanodestoragereports = ARENA_ARRAY(arena, Hadoop__DatanodeStorageReport *, 1);
    response->datanodestoragereports[response->n_datanodestoragereports++] = report;
    return true;
}

bool call_get_slow_datanode_report(struct call *call) {
    CALL_MESSAGES(GetSlowDatanodeReport);
    return permission_superuser(operation, "slowDataNodesReport");
}

bool call_set_safe_mode(struct call *call) {
    CALL_MESSAGES(SetSafeMode);
    static const char *const names[] = {"", "safemode_leave", "safemode_enter", "safemode_get", "safemode_force_exit"};
    struct hdfs *hdfs = operation->hdfs;
    if (request->action != HADOOP__SAFE_MODE_ACTION__SAFEMODE_GET) {
        unsigned action = (unsigned)request->action;
        if (!permission_superuser(operation, action < ARRAY_COUNT(names) ? names[action] : "setSafeMode")) {
            return false;
        }
        hdfs->is_in_safe_mode = request->action == HADOOP__SAFE_MODE_ACTION__SAFEMODE_ENTER;
        service_log_write(hdfs->options.namenode_log, LOG_INFO, "org.apache.hadoop.hdfs.StateChange",
            "STATE* Safe mode is %s", hdfs->is_in_safe_mode ? "ON. It was turned on manually." : "OFF");
    }
    response->result = hdfs->is_in_safe_mode;
    return true;
}

/* There is one policy, HOT: disk. */
static Hadoop__BlockStoragePolicy *hot_policy(struct operation *operation) {
    struct arena *arena = &operation->arena;
    Hadoop__BlockStoragePolicy *policy = ARENA_NEW(arena, Hadoop__BlockStoragePolicy);
    hadoop__block_storage_policy__init(policy);
    policy->policyid = 7;
    policy->name = arena_strdup(arena, "HOT");
    policy->creationpolicy = ARENA_NEW(arena, Hadoop__StorageTypes);
    hadoop__storage_types__init(policy->creationpolicy);
    policy->creationpolicy->storagetypes = ARENA_ARRAY(arena, Hadoop__StorageType, 1);
    policy->creationpolicy->storagetypes[policy->creationpolicy->n_storagetypes++] = HADOOP__STORAGE_TYPE__DISK;
    return policy;
}

bool call_get_storage_policies(struct call *call) {
    CALL_MESSAGES(GetStoragePolicies);
    response->policies = ARENA_ARRAY(&operation->arena, Hadoop__BlockStoragePolicy *, 1);
    response->policies[response->n_policies++] = hot_policy(operation);
    return true;
}

bool call_get_storage_policy(struct call *call) {
    CALL_MESSAGES(GetStoragePolicy);
    struct store_stat stat;
    bool exists;
    if (!file_stat(operation, request->path, &stat, &exists)) {
        return false;
    }
    response->storagepolicy = hot_policy(operation);
    return exists ? true
                  : operation_fail(
                        operation, EXCEPTION_FILE_NOT_FOUND, "File/Directory does not exist: %s", request->path);
}

bool call_list_corrupt_file_blocks(struct call *call) {
    CALL_MESSAGES(ListCorruptFileBlocks);
    response->corrupt = ARENA_NEW(&operation->arena, Hadoop__CorruptFileBlocks);
    hadoop__corrupt_file_blocks__init(response->corrupt);
    response->corrupt->cookie = arena_strdup(&operation->arena, "");
    return true;
}

bool call_get_ha_service_state(struct call *call) {
    ((Hadoop__HAServiceStateResponse *)call->response)->state = 1; /* ACTIVE */
    return true;
}

bool call_list_encryption_zones(struct call *call) {
    CALL_MESSAGES(ListEncryptionZones);
    response->hasmore = false;
    return true;
}

static bool exists_or_fail(struct operation *operation, const char *path) {
    struct store_stat stat;
    bool exists;
    if (!file_stat(operation, path, &stat, &exists)) {
        return false;
    }
    return exists ? true : operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Path not found: %s", path);
}

bool call_get_ez_for_path(struct call *call) {
    CALL_MESSAGES(GetEZForPath);
    return operation_path(operation, request->src); /* in no zone */
}

bool call_get_erasure_coding_policy(struct call *call) {
    CALL_MESSAGES(GetErasureCodingPolicy);
    return exists_or_fail(operation, request->src); /* replicated */
}

/* Calls whose empty answer is the truth: no tokens, keys, policies; nothing to catch up with. */
bool call_nothing(struct call *call) {
    return true;
}

bool call_refuse(struct call *call) {
    return operation_fail(
        &call->operation, EXCEPTION_UNSUPPORTED_OPERATION, "%s is not supported by Raudal's HDFS", call->method->name);
}

bool call_refuse_acl(struct call *call) {
    return operation_fail(&call->operation, EXCEPTION_ACL,
        "The ACL operation has been rejected. Support for ACLs has been disabled by setting dfs.namenode.acls.enabled "
        "to false.");
}

bool call_refuse_snapshot(struct call *call) {
    return operation_fail(&call->operation, EXCEPTION_SNAPSHOT,
        "Raudal's HDFS keeps no snapshots; copy the directory instead (hdfs dfs -cp)");
}
