/* hdfs_serve.c: a store as HDFS and nothing else, for the tests of this folder: hdfs_serve DIRECTORY ADDRESS
 * [name=value…]. Prints "ready" when the ports are open; runs until its standard input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hdfs/hdfs.h"

static void log_write(void *context, const char *line, size_t size) {
    fwrite(line, 1, size, stderr);
}

static int64_t log_now(void *context) {
    return world_wall_ms(context);
}

struct parts {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct store *store;
    struct service_log *namenode_log, *datanode_log;
    struct hdfs *hdfs;
    struct http_server *web;
};

static bool start(
    struct parts *parts, const char *directory, const char *address, const char *user, struct error *error) {
    struct service_log_target target = {parts->world, log_write, log_now};
    parts->namenode_log = service_log_create("namenode", LOG_FORM_HADOOP, target);
    parts->datanode_log = service_log_create("datanode", LOG_FORM_HADOOP, target);
    parts->loop = world_loop_create(parts->world, "store", error);
    parts->pool = world_pool_create(parts->world, "disk", 4, WORLD_POOL_NORMAL, error);
    parts->store = store_open(&(struct store_options){.world = parts->world,
                                  .directory = directory,
                                  .user = user,
                                  .own_names = &address,
                                  .own_name_count = 1,
                                  .log = parts->namenode_log},
        error);
    if (!parts->loop || !parts->pool || !parts->store) {
        return false;
    }
    parts->hdfs = hdfs_start(&(struct hdfs_options){.world = parts->world,
                                 .loop = parts->loop,
                                 .disk_pool = parts->pool,
                                 .store = parts->store,
                                 .addresses = &address,
                                 .address_count = 1,
                                 .namenode_port = 9000,
                                 .datanode_port = 9866,
                                 .web_port = 9870,
                                 .peer_rule = NET_PEER_SAME_USER,
                                 .namenode_log = parts->namenode_log,
                                 .datanode_log = parts->datanode_log},
        error);
    if (!parts->hdfs) {
        return false;
    }
    size_t count;
    const struct http_route *routes = hdfs_web_routes(parts->hdfs, &count);
    parts->web = http_server_start(&(struct http_server_options){.loop = parts->loop,
                                       .addresses = &address,
                                       .address_count = 1,
                                       .port = 9870,
                                       .routes = routes,
                                       .route_count = count,
                                       .log = parts->namenode_log},
        error);
    return parts->web != NULL;
}

static void stop(struct parts *parts) {
    http_server_stop(parts->web);
    hdfs_stop(parts->hdfs);
    world_pool_destroy(parts->pool);
    world_loop_destroy(parts->loop);
    store_close(parts->store);
    service_log_destroy(parts->namenode_log);
    service_log_destroy(parts->datanode_log);
    world_destroy(parts->world);
}

int main(int argc, char **argv) {
    struct parts parts = {.world = world_posix_create()};
    struct error error = {0};
    if (argc < 3 || !start(&parts, argv[1], argv[2], argc > 3 ? argv[3] : "root", &error)) {
        fprintf(stderr, "hdfs_serve DIRECTORY ADDRESS [USER]: %s\n", error.message);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    stop(&parts);
    return 0;
}
