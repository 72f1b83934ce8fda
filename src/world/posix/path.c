/* path.c: names in the file system. */
#include "world/posix/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static enum world_file_kind kind_of_mode(mode_t mode) {
    return S_ISREG(mode)   ? WORLD_FILE_REGULAR
           : S_ISDIR(mode) ? WORLD_FILE_DIRECTORY
           : S_ISLNK(mode) ? WORLD_FILE_SYMLINK
                           : WORLD_FILE_OTHER;
}

static int64_t milliseconds(struct timespec time) {
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void fill_stat(const struct stat *from, struct world_stat *out) {
    *out = (struct world_stat){
        .kind = kind_of_mode(from->st_mode),
        .size = from->st_size,
        .modified_ms = milliseconds(from->st_mtim),
        .accessed_ms = milliseconds(from->st_atim),
        .changed_ms = milliseconds(from->st_ctim),
        .mode = from->st_mode & 07777,
        .uid = from->st_uid,
        .gid = from->st_gid,
        .inode = from->st_ino,
        .disk_size = (int64_t)from->st_blocks * 512,
    };
}

static bool stat_path(struct world *world, const char *path, struct world_stat *out, struct error *error) {
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) != 0)
        return error_system(error, errno, "%s", path);
    fill_stat(&stat_buffer, out);
    return true;
}

static bool stat_link(struct world *world, const char *path, struct world_stat *out, struct error *error) {
    struct stat stat_buffer;
    if (lstat(path, &stat_buffer) != 0)
        return error_system(error, errno, "%s", path);
    fill_stat(&stat_buffer, out);
    return true;
}

/* For file systems without RENAME_NOREPLACE: files by a hard link, which is atomic and refuses an existing name;
 * directories after a look, where rename itself refuses a target that is not an empty directory. */
static int rename_without_replacing(const char *from, const char *to) {
    struct stat from_stat, to_stat;
    if (lstat(from, &from_stat) != 0)
        return -1;
    if (!S_ISDIR(from_stat.st_mode)) {
        if (link(from, to) != 0)
            return -1;
        return unlink(from);
    }
    if (lstat(to, &to_stat) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static bool rename_path(struct world *world, const char *from, const char *to, bool replace, struct error *error) {
    int result = replace ? rename(from, to) : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (!replace && result != 0 && (errno == EINVAL || errno == ENOSYS))
        result = rename_without_replacing(from, to);
    return result == 0 || error_system(error, errno, "cannot rename %s to %s", from, to);
}

static bool unlink_path(struct world *world, const char *path, struct error *error) {
    return unlink(path) == 0 || error_system(error, errno, "cannot remove %s", path);
}

static bool make_directory(struct world *world, const char *path, uint32_t mode, struct error *error) {
    return mkdir(path, (mode_t)mode) == 0 || error_system(error, errno, "cannot create directory %s", path);
}

static bool remove_directory(struct world *world, const char *path, struct error *error) {
    return rmdir(path) == 0 || error_system(error, errno, "cannot remove directory %s", path);
}

static enum world_file_kind kind_of_entry(DIR *directory, const struct dirent *entry) {
    switch (entry->d_type) {
    case DT_REG:
        return WORLD_FILE_REGULAR;
    case DT_DIR:
        return WORLD_FILE_DIRECTORY;
    case DT_LNK:
        return WORLD_FILE_SYMLINK;
    case DT_UNKNOWN: {
        struct stat stat_buffer;
        if (fstatat(dirfd(directory), entry->d_name, &stat_buffer, AT_SYMLINK_NOFOLLOW) == 0)
            return kind_of_mode(stat_buffer.st_mode);
        return WORLD_FILE_OTHER;
    }
    default:
        return WORLD_FILE_OTHER;
    }
}

static bool list_path(struct world *world, const char *path, struct world_names *names, struct error *error) {
    DIR *directory = opendir(path);
    if (directory == NULL)
        return error_system(error, errno, "cannot list %s", path);
    int failure = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            failure = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct world_name name = {.name = strdup(entry->d_name), .kind = kind_of_entry(directory, entry)};
        ASSERT(name.name != NULL);
        VECTOR_PUSH(names, name);
    }
    closedir(directory);
    return failure == 0 || error_system(error, failure, "cannot list %s", path);
}

static bool sync_directory(struct world *world, const char *path, struct error *error) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return error_system(error, errno, "cannot sync directory %s", path);
    int result = fsync(descriptor), failure = errno;
    close(descriptor);
    return result == 0 || error_system(error, failure, "cannot sync directory %s", path);
}

static bool sync_everything(struct world *world, const char *path, struct error *error) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = descriptor < 0 ? -1 : syncfs(descriptor), failure = errno;
    if (descriptor >= 0)
        close(descriptor);
    return result == 0 || error_system(error, failure, "cannot sync the file system of %s", path);
}

static struct timespec time_or_keep(int64_t ms) {
    if (ms < 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
}

static bool set_times(
    struct world *world, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error) {
    struct timespec times[2] = {time_or_keep(accessed_ms), time_or_keep(modified_ms)};
    return utimensat(AT_FDCWD, path, times, 0) == 0 || error_system(error, errno, "cannot set the times of %s", path);
}

static bool set_mode(struct world *world, const char *path, uint32_t mode, struct error *error) {
    return chmod(path, (mode_t)mode) == 0 || error_system(error, errno, "cannot set the mode of %s", path);
}

static bool xattr_failed(struct error *error, int system, const char *path, const char *name) {
    if (system == ENODATA)
        return error_set(error, ERROR_NOT_FOUND, "%s has no attribute %s", path, name);
    return error_system(error, system, "attribute %s of %s", name, path);
}

static ssize_t xattr_get(
    struct world *world, const char *path, const char *name, void *out, size_t size, struct error *error) {
    ssize_t count = getxattr(path, name, out, size);
    if (count < 0)
        xattr_failed(error, errno, path, name);
    return count;
}

static bool xattr_set(
    struct world *world, const char *path, const char *name, struct bytes value, struct error *error) {
    return setxattr(path, name, value.data, value.size, 0) == 0 || xattr_failed(error, errno, path, name);
}

static bool xattr_remove(struct world *world, const char *path, const char *name, struct error *error) {
    return removexattr(path, name) == 0 || errno == ENODATA || xattr_failed(error, errno, path, name);
}

static bool xattr_list(struct world *world, const char *path, struct world_names *names, struct error *error) {
    struct buffer text = {0};
    ssize_t size;
    /* The list may grow between the two calls. */
    do {
        size = listxattr(path, NULL, 0);
        if (size > 0)
            size = listxattr(path, (char *)buffer_reserve(&text, (size_t)size), (size_t)size);
    } while (size < 0 && errno == ERANGE);
    int failure = errno;
    for (ssize_t at = 0; at < size;) {
        struct world_name name = {.name = strdup((char *)text.data + at), .kind = WORLD_FILE_OTHER};
        ASSERT(name.name != NULL);
        VECTOR_PUSH(names, name);
        at += (ssize_t)strlen(name.name) + 1;
    }
    buffer_free(&text);
    return size >= 0 || error_system(error, failure, "cannot list the attributes of %s", path);
}

static bool disk_space(
    struct world *world, const char *path, int64_t *total_size, int64_t *free_size, struct error *error) {
    struct statvfs space;
    if (statvfs(path, &space) != 0)
        return error_system(error, errno, "%s", path);
    *total_size = (int64_t)space.f_blocks * (int64_t)space.f_frsize;
    *free_size = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    return true;
}

void posix_path_operations(struct world_operations *operations) {
    operations->stat = stat_path;
    operations->stat_link = stat_link;
    operations->rename = rename_path;
    operations->unlink = unlink_path;
    operations->mkdir = make_directory;
    operations->rmdir = remove_directory;
    operations->list = list_path;
    operations->sync_directory = sync_directory;
    operations->sync_everything = sync_everything;
    operations->set_times = set_times;
    operations->set_mode = set_mode;
    operations->xattr_get = xattr_get;
    operations->xattr_set = xattr_set;
    operations->xattr_remove = xattr_remove;
    operations->xattr_list = xattr_list;
    operations->disk_space = disk_space;
}
