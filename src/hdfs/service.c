/* service.c: starting, stopping, describing. The ids that clients see (block pool, cluster, DataNode) are made once and
 * kept in
 * /.raudal/identity of the store. */
#include "hdfs/hdfs_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define LEASE_CHECK_MS 30000

/* ---- identity ---- */

static void random_uuid(struct world *world, char out[UUID_TEXT_SIZE]) {
    uint8_t random[16];
    world_random(world, random, sizeof random);
    uuid_format(uuid_from_random(random), out);
}

static bool identity_parse(struct hdfs *hdfs, struct bytes text) {
    char *const fields[] = {hdfs->block_pool, hdfs->cluster_id, hdfs->datanode_uuid, hdfs->storage_id};
    const size_t sizes[] = {
        sizeof hdfs->block_pool, sizeof hdfs->cluster_id, sizeof hdfs->datanode_uuid, sizeof hdfs->storage_id};
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        size_t end = bytes_find(text, '\n', 0);
        if (end == SIZE_MAX || end == 0 || end >= sizes[i]) {
            return false;
        }
        memcpy(fields[i], text.data, end);
        fields[i][end] = 0;
        text = bytes_slice(text, end + 1, text.size - end - 1);
    }
    return true;
}

static bool identity_load(struct hdfs *hdfs, struct error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    char *path = arena_printf(&arena, "%s/.raudal/identity", store_machine_path(hdfs->store, &arena, "/"));
    bool ok = world_read_file(hdfs->world, path, 4096, &text, NULL) && identity_parse(hdfs, buffer_view(&text));
    if (!ok) {
        char uuids[3][UUID_TEXT_SIZE];
        for (size_t i = 0; i < ARRAY_COUNT(uuids); i++) {
            random_uuid(hdfs->world, uuids[i]);
        }
        buffer_clear(&text);
        buffer_printf(&text, "BP-%u-%s-%" PRId64 "\nCID-%s\n%s\nDS-%s\n",
            (unsigned)(world_random_u64(hdfs->world) % 2147483647u),
            hdfs->options.address_count > 0 ? hdfs->options.addresses[0] : "127.0.0.1", world_wall_ms(hdfs->world),
            uuids[0], uuids[1], uuids[2]);
        ok = world_write_file(hdfs->world, path, buffer_view(&text), false, error) &&
             identity_parse(hdfs, buffer_view(&text));
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return ok;
}

/* ---- leases that run out ---- */

static void lease_work(void *argument) {
    struct hdfs *hdfs = argument;
    store_lease_expire(hdfs->store);
    hdfs->task_count--;
}

static void lease_tick(void *argument) {
    struct hdfs *hdfs = argument;
    if (hdfs->is_suspended[HDFS_NAMENODE]) {
        return;
    }
    hdfs->task_count++;
    world_pool_submit(hdfs->options.disk_pool, lease_work, hdfs);
}

static void timer_open(void *argument) {
    struct hdfs *hdfs = argument;
    hdfs->lease_timer = world_timer_create(hdfs->loop, lease_tick, hdfs);
    world_timer_start(hdfs->lease_timer, LEASE_CHECK_MS, LEASE_CHECK_MS);
}

static void timer_close(void *argument) {
    struct hdfs *hdfs = argument;
    world_timer_destroy(hdfs->lease_timer);
    net_server_each(hdfs->datanode, transfer_announce_restart, NULL);
}

/* ---- life ---- */

/* Lets the loop take what was posted to it. */
static void turn(void *unused) {
}

static struct net_server *start_server(struct hdfs *hdfs, uint16_t port, const struct net_protocol *protocol,
    struct service_log *log, size_t input_size_max, struct error *error) {
    bool is_datanode = protocol == &hdfs_transfer_protocol && hdfs->options.datanode_addresses != NULL;
    return net_server_start(
        &(struct net_server_options){.loop = hdfs->loop,
            .addresses = is_datanode ? hdfs->options.datanode_addresses : hdfs->options.addresses,
            .address_count = is_datanode ? hdfs->options.datanode_address_count : hdfs->options.address_count,
            .port = port,
            .protocol = protocol,
            .context = hdfs,
            .limits = {.input_size_max = input_size_max, .output_pause_size = (size_t)2 << 20},
            .peer_rule = hdfs->options.peer_rule,
            .log = log,
            .metrics = hdfs->options.metrics},
        error);
}

static void log_namenode_start(struct hdfs *hdfs) {
    struct service_log *namenode = hdfs->options.namenode_log;
    unsigned port = hdfs_namenode_port(hdfs);
    const char *address = hdfs->options.address_count > 0 ? hdfs->options.addresses[0] : "";
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.hdfs.server.namenode.NameNode",
        "fs.defaultFS is hdfs://%s", store_authority(hdfs->options.store));
    service_log_write(
        namenode, LOG_INFO, "org.apache.hadoop.ipc.Server", "Starting Socket Reader #1 for port %u", port);
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.hdfs.server.namenode.FSNamesystem",
        "Starting services required for active state");
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.ipc.Server", "IPC Server Responder: starting");
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.ipc.Server", "IPC Server listener on %u: starting", port);
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.hdfs.server.namenode.NameNode",
        "NameNode RPC up at: %s/%s:%u.", address, address, port);
}

static void log_datanode_start(struct hdfs *hdfs) {
    struct service_log *namenode = hdfs->options.namenode_log, *datanode = hdfs->options.datanode_log;
    const char *address = hdfs->options.address_count > 0 ? hdfs->options.addresses[0] : "";
    unsigned port = hdfs_namenode_port(hdfs), transfer_port = hdfs_datanode_port(hdfs);
    service_log_write(datanode, LOG_INFO, "org.apache.hadoop.hdfs.server.datanode.DataNode",
        "Opened streaming server at /%s:%u", address, transfer_port);
    service_log_write(datanode, LOG_INFO, "org.apache.hadoop.hdfs.server.datanode.DataNode",
        "Block pool %s (Datanode Uuid %s) service to %s:%u successfully registered with NN", hdfs->block_pool,
        hdfs->datanode_uuid, address, port);
    service_log_write(namenode, LOG_INFO, "org.apache.hadoop.hdfs.StateChange",
        "BLOCK* registerDatanode: from DatanodeRegistration(%s:%u, datanodeUuid=%s)", address, transfer_port,
        hdfs->datanode_uuid);
}

static void log_namenode_stop(struct hdfs *hdfs) {
    service_log_write(hdfs->options.namenode_log, LOG_INFO, "org.apache.hadoop.hdfs.server.namenode.NameNode",
        "SHUTDOWN_MSG: Shutting down NameNode");
}

static void log_datanode_stop(struct hdfs *hdfs) {
    service_log_write(hdfs->options.datanode_log, LOG_INFO, "org.apache.hadoop.hdfs.server.datanode.DataNode",
        "SHUTDOWN_MSG: Shutting down DataNode");
}

static void hdfs_free(struct hdfs *hdfs) {
    free(hdfs->datanode_hostname);
    free(hdfs);
}

struct hdfs *hdfs_start(const struct hdfs_options *options, struct error *error) {
    struct hdfs *hdfs = calloc(1, sizeof *hdfs);
    ASSERT(hdfs);
    hdfs->options = *options;
    hdfs->store = options->store;
    hdfs->world = options->world;
    hdfs->loop = options->loop;
    hdfs->started_ms = world_wall_ms(options->world);
    if (options->datanode_hostname) {
        hdfs->datanode_hostname = strdup(options->datanode_hostname);
        ASSERT(hdfs->datanode_hostname);
    }
    if (!identity_load(hdfs, error)) {
        hdfs_free(hdfs);
        return NULL;
    }
    /* The DataNode first: whoever reaches the NameNode must be able to read and write. */
    hdfs->datanode = start_server(
        hdfs, options->datanode_port, &hdfs_transfer_protocol, options->datanode_log, (size_t)17 << 20, error);
    if (hdfs->datanode) {
        hdfs->namenode = start_server(
            hdfs, options->namenode_port, &hdfs_rpc_protocol, options->namenode_log, (size_t)9 << 20, error);
    }
    if (!hdfs->namenode) {
        if (hdfs->datanode) {
            net_server_stop(hdfs->datanode);
        }
        hdfs_free(hdfs);
        return NULL;
    }
    hdfs_web_init(hdfs);
    world_loop_call(hdfs->loop, timer_open, hdfs);
    log_namenode_start(hdfs);
    log_datanode_start(hdfs);
    return hdfs;
}

void hdfs_stop(struct hdfs *hdfs) {
    if (!hdfs) {
        return;
    }
    world_loop_call(hdfs->loop, timer_close, hdfs);
    net_server_stop(hdfs->namenode);
    net_server_stop(hdfs->datanode);
    while (hdfs->task_count > 0) {
        world_loop_call(hdfs->loop, turn, NULL);
    }
    log_namenode_stop(hdfs);
    log_datanode_stop(hdfs);
    hdfs_free(hdfs);
}

static void announce_restart(void *argument) {
    struct hdfs *hdfs = argument;
    net_server_each(hdfs->datanode, transfer_announce_restart, NULL);
}

static void tell_store(struct hdfs *hdfs) {
    store_set_stopped(hdfs->store, hdfs->is_suspended[HDFS_NAMENODE], hdfs->is_suspended[HDFS_DATANODE]);
}

void hdfs_suspend(struct hdfs *hdfs, enum hdfs_part part) {
    if (part == HDFS_DATANODE) {
        world_loop_call(hdfs->loop, announce_restart, hdfs);
        hdfs->datanode_seen_ms = world_wall_ms(hdfs->world);
        log_datanode_stop(hdfs);
    } else {
        log_namenode_stop(hdfs);
    }
    net_server_suspend(part == HDFS_DATANODE ? hdfs->datanode : hdfs->namenode);
    hdfs->is_suspended[part] = true;
    tell_store(hdfs);
}

bool hdfs_resume(struct hdfs *hdfs, enum hdfs_part part, struct error *error) {
    hdfs->is_suspended[part] = false;
    tell_store(hdfs); /* whoever finds the port open finds the files */
    if (!net_server_resume(part == HDFS_DATANODE ? hdfs->datanode : hdfs->namenode, error)) {
        hdfs->is_suspended[part] = true;
        tell_store(hdfs);
        return false;
    }
    if (part == HDFS_DATANODE) {
        log_datanode_start(hdfs);
    } else {
        log_namenode_start(hdfs);
    }
    return true;
}

uint16_t hdfs_namenode_port(const struct hdfs *hdfs) {
    return net_server_port(hdfs->namenode);
}

uint16_t hdfs_datanode_port(const struct hdfs *hdfs) {
    return net_server_port(hdfs->datanode);
}

bool hdfs_describe(struct hdfs *hdfs, struct hdfs_description *description, struct error *error) {
    struct store_summary summary;
    *description = (struct hdfs_description){.started_ms = hdfs->started_ms,
        .open_file_count = store_lease_count(hdfs->store),
        .namenode_connection_count = net_server_connection_count(hdfs->namenode),
        .datanode_connection_count = net_server_connection_count(hdfs->datanode),
        .call_count = hdfs->call_count,
        .received_size = hdfs->received_size,
        .sent_size = hdfs->sent_size,
        .is_in_safe_mode = hdfs->is_in_safe_mode};
    snprintf(description->block_pool, sizeof description->block_pool, "%s", hdfs->block_pool);
    snprintf(description->cluster_id, sizeof description->cluster_id, "%s", hdfs->cluster_id);
    snprintf(description->datanode_uuid, sizeof description->datanode_uuid, "%s", hdfs->datanode_uuid);
    if (!store_summarize(hdfs->store, "/", &summary, error) ||
        !store_space(
            hdfs->store, &description->capacity_size, &description->used_size, &description->free_size, error)) {
        return false;
    }
    description->file_count = summary.file_count;
    description->directory_count = summary.directory_count;
    description->block_count = summary.block_count;
    description->file_size = summary.size;
    return true;
}
