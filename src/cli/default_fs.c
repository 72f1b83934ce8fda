#include "cli/default_fs.h"

#include <stdio.h>

#include "store/store.h"

static const char setting[] = "fs.defaultFS", port_setting[] = "dfs.namenode.rpc-address";

/* Hadoop's port where an hdfs: URI has none. */
enum { HDFS_PORT = 8020 };

/* Host and port of hdfs://HOST[:PORT][/]. */
static bool split(struct bytes uri, struct bytes *host, int64_t *port) {
    if (!bytes_starts_with(uri, "hdfs://"))
        return false;
    struct bytes authority = bytes_slice(uri, 7, uri.size - 7);
    while (authority.size > 0 && authority.data[authority.size - 1] == '/')
        authority.size--;
    size_t colon = bytes_find(authority, ':', 0);
    *host = bytes_slice(authority, 0, colon == SIZE_MAX ? authority.size : colon);
    *port = HDFS_PORT;
    return host->size > 0 && host->size < DEFAULT_FS_SIZE_MAX - 8 && bytes_find(authority, '/', 0) == SIZE_MAX &&
           (colon == SIZE_MAX || (bytes_to_int64(bytes_slice(authority, colon + 1, authority.size - colon - 1), port) &&
                                     *port > 0 && *port < 65536));
}

static bool names_service(const struct stack *stack, struct bytes host) {
    for (size_t i = 0; i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        for (size_t k = 0; service->kind == STACK_NAMENODE && k < service->names.count; k++)
            if (stack->source != NULL && bytes_equal_ignore_case(host, bytes_from_text(service->names.items[k])))
                return true;
    }
    return false;
}

bool default_fs_apply(struct settings *settings, const char *address, const struct stack *stack, struct error *error) {
    struct bytes uri = bytes_from_text(settings_text(settings, setting)), host;
    int64_t port;
    char assignment[64];
    if (bytes_starts_with(uri, "file:"))
        return error_set(error, ERROR_INVALID,
            "%s=%.*s: a path without a scheme is always in Raudal's own store; write file:/PATH for a file of this "
            "machine",
            setting, BYTES_ARGS(uri));
    if (!split(uri, &host, &port))
        return error_set(error, ERROR_INVALID, "%s=%.*s: hdfs://HOST:PORT is needed", setting, BYTES_ARGS(uri));
    if (names_service(stack, host))
        return true;
    if (!store_is_usual_name(host) && !bytes_equal_text(host, address))
        return error_set(error, ERROR_INVALID,
            "%s=%.*s names another HDFS, and this version serves only its own, which is called %s or %s; leave the "
            "setting out, or move the data with hdfs dfs -get there and -put here",
            setting, BYTES_ARGS(uri), store_usual_names(), address);
    if (!settings_is_given(settings, port_setting)) {
        snprintf(assignment, sizeof assignment, "%s=%d", port_setting, (int)port);
        return settings_set(settings, bytes_from_text(assignment), error);
    }
    if (settings_port(settings, port_setting) != port)
        return error_set(error, ERROR_INVALID, "%s=%.*s means port %d, and %s=%s says another one; make them agree",
            setting, BYTES_ARGS(uri), (int)port, port_setting, settings_text(settings, port_setting));
    return true;
}

void default_fs_authority(const struct settings *settings, char authority[DEFAULT_FS_SIZE_MAX]) {
    struct bytes host = BYTES("namenode");
    int64_t port = HDFS_PORT; /* where default_fs_apply let it pass, it is the NameNode's */
    split(bytes_from_text(settings_text(settings, setting)), &host, &port);
    snprintf(authority, DEFAULT_FS_SIZE_MAX, "%.*s:%d", BYTES_ARGS(host), (int)port);
}
