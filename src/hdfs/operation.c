/* operation.c: one request of one user, and how failures become Hadoop's exceptions. */
#include "hdfs/hdfs_internal.h"

#include <stdlib.h>

static const char *const exception_classes[EXCEPTION_COUNT] = {
    [EXCEPTION_NONE] = "",
    [EXCEPTION_IO] = "java.io.IOException",
    [EXCEPTION_FILE_NOT_FOUND] = "java.io.FileNotFoundException",
    [EXCEPTION_FILE_ALREADY_EXISTS] = "org.apache.hadoop.fs.FileAlreadyExistsException",
    [EXCEPTION_ACCESS_CONTROL] = "org.apache.hadoop.security.AccessControlException",
    [EXCEPTION_SAFE_MODE] = "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
    [EXCEPTION_PATH_NOT_EMPTY] = "org.apache.hadoop.fs.PathIsNotEmptyDirectoryException",
    [EXCEPTION_PARENT_NOT_DIRECTORY] = "org.apache.hadoop.fs.ParentNotDirectoryException",
    [EXCEPTION_ALREADY_BEING_CREATED] = "org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException",
    [EXCEPTION_LEASE_EXPIRED] = "org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException",
    [EXCEPTION_INVALID_PATH] = "org.apache.hadoop.fs.InvalidPathException",
    [EXCEPTION_PATH_COMPONENT_TOO_LONG] =
        "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException",
    [EXCEPTION_QUOTA] = "org.apache.hadoop.hdfs.protocol.NSQuotaExceededException",
    [EXCEPTION_SNAPSHOT] = "org.apache.hadoop.hdfs.protocol.SnapshotException",
    [EXCEPTION_ACL] = "org.apache.hadoop.hdfs.protocol.AclException",
    [EXCEPTION_UNSUPPORTED_OPERATION] = "java.lang.UnsupportedOperationException",
    [EXCEPTION_ILLEGAL_ARGUMENT] = "java.lang.IllegalArgumentException",
    [EXCEPTION_NO_SUCH_METHOD] = "org.apache.hadoop.ipc.RpcNoSuchMethodException",
    [EXCEPTION_NO_SUCH_PROTOCOL] = "org.apache.hadoop.ipc.RpcNoSuchProtocolException",
    [EXCEPTION_RPC_SERVER] = "org.apache.hadoop.ipc.RpcServerException",
    [EXCEPTION_INVALID_TOKEN] = "org.apache.hadoop.security.token.SecretManager$InvalidToken",
    [EXCEPTION_HADOOP_ILLEGAL_ARGUMENT] = "org.apache.hadoop.HadoopIllegalArgumentException",
};

const char *hadoop_exception_class(enum hadoop_exception exception) {
    ASSERT(exception < EXCEPTION_COUNT);
    return exception_classes[exception];
}

/* "bea", "bea@REALM", "bea/host@REALM" are all bea. */
static struct bytes short_name(struct bytes user) {
    size_t at = bytes_find(user, '@', 0), slash = bytes_find(user, '/', 0);
    size_t end = at < slash ? at : slash;
    return end == SIZE_MAX ? user : bytes_slice(user, 0, end);
}

void operation_init(
    struct operation *operation, struct hdfs *hdfs, struct bytes user, const char *peer, const char *local) {
    *operation = (struct operation){.hdfs = hdfs, .store = hdfs->store};
    user = short_name(user);
    if (user.size == 0) {
        user = bytes_from_text(store_user(hdfs->store));
    }
    size_t size = user.size < sizeof operation->user - 1 ? user.size : sizeof operation->user - 1;
    memcpy(operation->user, user.data, size);
    operation->user[size] = 0;
    operation->is_superuser =
        strcmp(operation->user, store_user(hdfs->store)) == 0 || strcmp(operation->user, "root") == 0;
    snprintf(operation->peer, sizeof operation->peer, "%s", peer);
    snprintf(operation->local, sizeof operation->local, "%s", local);
}

void operation_destroy(struct operation *operation) {
    arena_destroy(&operation->arena);
}

bool operation_fail(struct operation *operation, enum hadoop_exception exception, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    operation->message = arena_vprintf(&operation->arena, format, arguments);
    va_end(arguments);
    operation->exception = exception;
    return false;
}

bool operation_error(struct operation *operation, const struct error *error) {
    enum hadoop_exception exception = EXCEPTION_IO;
    switch (error->code) {
    case ERROR_NOT_FOUND:
        exception = EXCEPTION_FILE_NOT_FOUND;
        break;
    case ERROR_IS_DIRECTORY:
        exception = EXCEPTION_FILE_NOT_FOUND;
        break;
    case ERROR_EXISTS:
        exception = EXCEPTION_FILE_ALREADY_EXISTS;
        break;
    case ERROR_NOT_EMPTY:
        exception = EXCEPTION_PATH_NOT_EMPTY;
        break;
    case ERROR_NOT_DIRECTORY:
        exception = EXCEPTION_PARENT_NOT_DIRECTORY;
        break;
    case ERROR_DENIED:
        exception = EXCEPTION_ACCESS_CONTROL;
        break;
    case ERROR_BUSY:
        exception = EXCEPTION_ALREADY_BEING_CREATED;
        break;
    case ERROR_CLOSED:
        exception = EXCEPTION_LEASE_EXPIRED;
        break;
    case ERROR_LIMIT:
        exception = EXCEPTION_PATH_COMPONENT_TOO_LONG;
        break;
    case ERROR_UNSUPPORTED:
        exception = EXCEPTION_UNSUPPORTED_OPERATION;
        break;
    case ERROR_INVALID:
        exception = EXCEPTION_IO;
        break;
    default:
        break;
    }
    return operation_fail(operation, exception, "%s", error->message);
}

/* A user's home is made when something is first done there (pain of every beginner: -put to a home that does not
 * exist). */
static void make_home(struct operation *operation, const char *path) {
    struct bytes user = bytes_from_text(operation->user);
    if (strncmp(path, "/user/", 6) != 0 || strncmp(path + 6, operation->user, user.size) != 0 ||
        (path[6 + user.size] != 0 && path[6 + user.size] != '/')) {
        return;
    }
    char home[80];
    snprintf(home, sizeof home, "/user/%s", operation->user);
    if (!store_path_check(home, NULL) || store_exists(operation->store, home)) {
        return;
    }
    if (store_mkdirs(operation->store, "/user", NULL, NULL)) {
        store_mkdirs(operation->store, home, &(struct store_owner){operation->user, NULL, 0}, NULL);
    }
}

bool operation_path(struct operation *operation, const char *path) {
    struct error error = {0};
    if (!store_path_check(path, &error)) {
        return operation_fail(operation,
            error.code == ERROR_LIMIT ? EXCEPTION_PATH_COMPONENT_TOO_LONG : EXCEPTION_INVALID_PATH, "%s",
            error.message);
    }
    if (!operation->hdfs->is_in_safe_mode) {
        make_home(operation, path);
    }
    return true;
}

bool operation_may_write(struct operation *operation, const char *format, ...) {
    if (!operation->hdfs->is_in_safe_mode) {
        return true;
    }
    va_list arguments;
    va_start(arguments, format);
    char *what = arena_vprintf(&operation->arena, format, arguments);
    va_end(arguments);
    return operation_fail(operation, EXCEPTION_SAFE_MODE,
        "Cannot %s. Name node is in safe mode.\nIt was turned on manually. Use \"hdfs dfsadmin -safemode leave\" to "
        "turn safe mode off.",
        what);
}
