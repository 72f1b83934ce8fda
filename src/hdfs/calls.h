/* calls.h: the handlers of ClientProtocol's methods, by the file they are in. Each takes the unpacked request and fills
 * the response. */
#ifndef HDFS_CALLS_H
#define HDFS_CALLS_H

#include "hdfs/blocks.h"
#include "hdfs/hdfs_internal.h"
#include "namenode.pb-c.h"

/* Names `request` and `response` with their types inside a handler. */
#define CALL_MESSAGES(kind)                                                                                            \
    const Hadoop__##kind##Request *request = (const Hadoop__##kind##Request *)call->request;                           \
    Hadoop__##kind##Response *response = (Hadoop__##kind##Response *)call->response;                                   \
    struct operation *operation = &call->operation;                                                                    \
    (void)request, (void)response, (void)operation

typedef bool call_handler(struct call *call);

/* calls_tree.c */
call_handler call_get_file_info, call_get_file_link_info, call_get_located_file_info, call_get_listing, call_mkdirs,
    call_delete, call_rename, call_rename2, call_set_permission, call_set_owner, call_set_replication, call_set_times,
    call_get_content_summary, call_get_quota_usage, call_check_access, call_get_acl_status, call_set_xattr,
    call_get_xattrs, call_list_xattrs, call_remove_xattr, call_get_enclosing_root, call_get_preferred_block_size;
/* calls_write.c */
call_handler call_get_block_locations, call_create, call_append, call_add_block, call_abandon_block, call_complete,
    call_fsync, call_truncate, call_concat, call_update_block_for_pipeline, call_update_pipeline,
    call_get_additional_datanode, call_renew_lease, call_recover_lease, call_is_file_closed;
/* calls_admin.c */
call_handler call_get_server_defaults, call_get_fs_stats, call_get_replicated_block_stats,
    call_get_ec_block_group_stats, call_get_datanode_report, call_get_datanode_storage_report,
    call_get_slow_datanode_report, call_set_safe_mode, call_get_storage_policies, call_get_storage_policy,
    call_list_corrupt_file_blocks, call_get_ha_service_state, call_list_encryption_zones, call_nothing, call_refuse,
    call_refuse_acl, call_refuse_snapshot, call_get_ez_for_path, call_get_erasure_coding_policy;

#endif
