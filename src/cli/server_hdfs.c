/* server_hdfs.c: the store, and its NameNode and DataNode ports on their own loop. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/default_fs.h"
#include "cli/server_internal.h"
#include "hdfs/hdfs.h"
#include "store/store.h"

static void add_own_names(struct server *server) {
    const struct stack *stack = server->options.stack;
    for (size_t i = 0; stack != NULL && i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        if (service->kind != STACK_NAMENODE)
            continue;
        store_add_own_name(server->store, service->address);
        for (size_t k = 0; k < service->names.count; k++)
            store_add_own_name(server->store, service->names.items[k]);
    }
}

struct store *server_open_store(struct server *server, struct error *error) {
    char folder[PATH_MAX + 16], authority[DEFAULT_FS_SIZE_MAX];
    if (server->store != NULL)
        return server->store;
    snprintf(folder, sizeof folder, "%s/store", server->options.data);
    struct store_volume volumes[VOLUME_COUNT_MAX];
    char *texts;
    default_fs_authority(server->settings, authority);
    const char *own_names[] = {server->options.address};
    struct store_options options = {
        .world = server->world,
        .directory = folder,
        .log = service_logs_get(server->logs, LOG_OF_NAMENODE),
        .user = server->instance.user,
        .own_names = own_names,
        .own_name_count = 1,
        .authority = authority,
        .volumes = volumes,
        .volume_count = volumes_parse(server->instance.volumes, volumes, &texts),
        .block_size = settings_integer(server->settings, "dfs.blocksize"),
        .replication = (int)settings_integer(server->settings, "dfs.replication"),
    };
    server->store = store_open(&options, error);
    free(texts);
    if (server->store != NULL)
        add_own_names(server);
    return server->store;
}

void server_close_store(struct server *server) {
    if (server->store != NULL)
        store_close(server->store);
    server->store = NULL;
}

bool server_start_hdfs(struct server *server, struct server_failure *failure) {
    const char *hostname = settings_text(server->settings, "dfs.datanode.hostname");
    if (!server_wants_plane(server, "hdfs"))
        return true;
    failure->service = "namenode";
    if (server_loop(server, SERVER_LOOP_STORE, &failure->error) == NULL ||
        server_disk_pool(server, &failure->error) == NULL || server_open_store(server, &failure->error) == NULL)
        return false;
    failure->port = server_port(server, SERVICE_NAMENODE);
    struct hdfs_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_STORE],
        .disk_pool = server->disk_pool,
        .store = server->store,
        .addresses = server->addresses[SERVICE_NAMENODE].items,
        .address_count = server->addresses[SERVICE_NAMENODE].count,
        .datanode_addresses = server->addresses[SERVICE_DATANODE].items,
        .datanode_address_count = server->addresses[SERVICE_DATANODE].count,
        .shown_datanodes = server->shown_datanodes.items,
        .shown_datanode_count = server->shown_datanodes.count,
        .namenode_port = server_port(server, SERVICE_NAMENODE),
        .datanode_port = server_port(server, SERVICE_DATANODE),
        .web_port = server_port(server, SERVICE_NAMENODE_UI),
        .peer_rule = server_peer_rule(server),
        .namenode_log = service_logs_get(server->logs, LOG_OF_NAMENODE),
        .datanode_log = service_logs_get(server->logs, LOG_OF_DATANODE),
        .metrics = server->metrics,
        .permissions_disabled = !settings_boolean(server->settings, "dfs.permissions.enabled"),
        .datanode_hostname = hostname[0] != 0 ? hostname : NULL,
    };
    server->hdfs = hdfs_start(&options, &failure->error);
    if (server->hdfs == NULL) {
        server_destroy_loop(server, SERVER_LOOP_STORE);
        return false;
    }
    server->is_serving[SERVICE_NAMENODE] = server->options.services[SERVICE_NAMENODE];
    server->is_serving[SERVICE_DATANODE] = server->options.services[SERVICE_DATANODE];
    failure->port = 0;
    return true;
}

void server_stop_hdfs(struct server *server) {
    if (server->hdfs == NULL)
        return;
    hdfs_stop(server->hdfs);
    server->hdfs = NULL;
    server_destroy_loop(server, SERVER_LOOP_STORE);
}
