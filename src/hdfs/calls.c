/* calls.c: the table of ClientProtocol's methods. A method that is not here is answered with RpcNoSuchMethodException;
 * one that is understood and not done stands here with a handler that says so. */
#include "hdfs/calls.h"

#include <stdlib.h>

#define METHOD(name, kind, handler)                                                                                    \
    { name, &hadoop__##kind##_request__descriptor, &hadoop__##kind##_response__descriptor, handler }
#define REFUSED(name, handler)                                                                                         \
    { name, &hadoop__anything__descriptor, &hadoop__anything__descriptor, handler }

/* Sorted by name. */
static const struct call_method methods[] = {
    METHOD("abandonBlock", abandon_block, call_abandon_block),
    METHOD("addBlock", add_block, call_add_block),
    REFUSED("addErasureCodingPolicies", call_refuse),
    REFUSED("allowSnapshot", call_refuse_snapshot),
    METHOD("append", append, call_append),
    METHOD("checkAccess", check_access, call_check_access),
    METHOD("complete", complete, call_complete),
    METHOD("concat", concat, call_concat),
    METHOD("create", create, call_create),
    REFUSED("createEncryptionZone", call_refuse),
    REFUSED("createSnapshot", call_refuse_snapshot),
    REFUSED("createSymlink", call_refuse),
    METHOD("delete", delete, call_delete),
    REFUSED("deleteSnapshot", call_refuse_snapshot),
    REFUSED("disallowSnapshot", call_refuse_snapshot),
    METHOD("fsync", fsync, call_fsync),
    METHOD("getAclStatus", get_acl_status, call_get_acl_status),
    METHOD("getAdditionalDatanode", get_additional_datanode, call_get_additional_datanode),
    METHOD("getBlockLocations", get_block_locations, call_get_block_locations),
    METHOD("getContentSummary", get_content_summary, call_get_content_summary),
    METHOD("getDataEncryptionKey", get_data_encryption_key, call_nothing),
    METHOD("getDatanodeReport", get_datanode_report, call_get_datanode_report),
    METHOD("getDatanodeStorageReport", get_datanode_storage_report, call_get_datanode_storage_report),
    METHOD("getDelegationToken", get_delegation_token, call_nothing),
    METHOD("getEZForPath", get_ezfor_path, call_get_ez_for_path),
    METHOD("getEnclosingRoot", get_enclosing_root, call_get_enclosing_root),
    METHOD("getErasureCodingPolicies", get_erasure_coding_policies, call_nothing),
    METHOD("getErasureCodingPolicy", get_erasure_coding_policy, call_get_erasure_coding_policy),
    METHOD("getFileInfo", get_file_info, call_get_file_info),
    METHOD("getFileLinkInfo", get_file_link_info, call_get_file_link_info),
    METHOD("getFsECBlockGroupStats", get_fs_ecblock_group_stats, call_get_ec_block_group_stats),
    METHOD("getFsReplicatedBlockStats", get_fs_replicated_block_stats, call_get_replicated_block_stats),
    {"getFsStats", &hadoop__get_fs_status_request__descriptor, &hadoop__get_fs_stats_response__descriptor,
        call_get_fs_stats},
    {"getHAServiceState", &hadoop__haservice_state_request__descriptor, &hadoop__haservice_state_response__descriptor,
        call_get_ha_service_state},
    METHOD("getListing", get_listing, call_get_listing),
    METHOD("getLocatedFileInfo", get_located_file_info, call_get_located_file_info),
    METHOD("getPreferredBlockSize", get_preferred_block_size, call_get_preferred_block_size),
    METHOD("getQuotaUsage", get_quota_usage, call_get_quota_usage),
    METHOD("getServerDefaults", get_server_defaults, call_get_server_defaults),
    METHOD("getSlowDatanodeReport", get_slow_datanode_report, call_get_slow_datanode_report),
    METHOD("getStoragePolicies", get_storage_policies, call_get_storage_policies),
    METHOD("getStoragePolicy", get_storage_policy, call_get_storage_policy),
    METHOD("getXAttrs", get_xattrs, call_get_xattrs),
    METHOD("isFileClosed", is_file_closed, call_is_file_closed),
    METHOD("listCorruptFileBlocks", list_corrupt_file_blocks, call_list_corrupt_file_blocks),
    METHOD("listEncryptionZones", list_encryption_zones, call_list_encryption_zones),
    METHOD("listXAttrs", list_xattrs, call_list_xattrs),
    REFUSED("metaSave", call_refuse),
    METHOD("mkdirs", mkdirs, call_mkdirs),
    REFUSED("modifyAclEntries", call_refuse_acl),
    METHOD("msync", msync, call_nothing),
    METHOD("recoverLease", recover_lease, call_recover_lease),
    REFUSED("removeAcl", call_refuse_acl),
    REFUSED("removeAclEntries", call_refuse_acl),
    REFUSED("removeDefaultAcl", call_refuse_acl),
    METHOD("removeXAttr", remove_xattr, call_remove_xattr),
    METHOD("rename", rename, call_rename),
    METHOD("rename2", rename2, call_rename2),
    REFUSED("renameSnapshot", call_refuse_snapshot),
    METHOD("renewLease", renew_lease, call_renew_lease),
    REFUSED("saveNamespace", call_refuse),
    REFUSED("setAcl", call_refuse_acl),
    REFUSED("setErasureCodingPolicy", call_refuse),
    METHOD("setOwner", set_owner, call_set_owner),
    METHOD("setPermission", set_permission, call_set_permission),
    REFUSED("setQuota", call_refuse),
    METHOD("setReplication", set_replication, call_set_replication),
    METHOD("setSafeMode", set_safe_mode, call_set_safe_mode),
    REFUSED("setStoragePolicy", call_refuse),
    METHOD("setTimes", set_times, call_set_times),
    METHOD("setXAttr", set_xattr, call_set_xattr),
    METHOD("truncate", truncate, call_truncate),
    METHOD("updateBlockForPipeline", update_block_for_pipeline, call_update_block_for_pipeline),
    METHOD("updatePipeline", update_pipeline, call_update_pipeline),
};

static int compare(const void *name, const void *method) {
    return strcmp(name, ((const struct call_method *)method)->name);
}

const struct call_method *call_method_find(const char *name) {
    return bsearch(name, methods, ARRAY_COUNT(methods), sizeof methods[0], compare);
}
