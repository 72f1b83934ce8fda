/* file.c: open files. Reads and writes are positional, so one file serves many threads. */
#include "world/posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct world_file *open_file(
    struct world *world, const char *path, int flags, uint32_t mode, struct error *error) {
    int system_flags = O_CLOEXEC;
    bool reads = (flags & WORLD_OPEN_READ) != 0, writes = (flags & WORLD_OPEN_WRITE) != 0;
    system_flags |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
    system_flags |= (flags & WORLD_OPEN_CREATE ? O_CREAT : 0) | (flags & WORLD_OPEN_EXCLUSIVE ? O_EXCL : 0) |
                    (flags & WORLD_OPEN_TRUNCATE ? O_TRUNC : 0);
    int descriptor;
    do {
        descriptor = open(path, system_flags, (mode_t)mode);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) {
        error_system(error, errno, "%s", path);
        return NULL;
    }
    size_t path_size = strlen(path) + 1;
    struct posix_file *file = world_allocate(sizeof *file + path_size);
    file->base.world = world;
    file->descriptor = descriptor;
    memcpy(file->path, path, path_size);
    return &file->base;
}

static void close_file(struct world_file *base) {
    struct posix_file *file = posix_file_of(base);
    close(file->descriptor);
    free(file);
}

static ssize_t read_file(struct world_file *base, void *out, size_t size, int64_t offset, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->descriptor, (uint8_t *)out + done, size - done, offset + (int64_t)done);
        if (count == 0)
            break;
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            error_system(error, errno, "cannot read %zu bytes at %lld of %s", size, (long long)offset, file->path);
            return -1;
        }
        done += (size_t)count;
    }
    return (ssize_t)done;
}

static bool write_file(struct world_file *base, const void *data, size_t size, int64_t offset, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    size_t done = 0;
    while (done < size) {
        ssize_t count = pwrite(file->descriptor, (const uint8_t *)data + done, size - done, offset + (int64_t)done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_system(
                error, errno, "cannot write %zu bytes at %lld of %s", size, (long long)offset, file->path);
        done += (size_t)count;
    }
    return true;
}

static bool sync_file(struct world_file *base, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    int result;
    do {
        result = fdatasync(file->descriptor);
    } while (result < 0 && errno == EINTR);
    return result == 0 || error_system(error, errno, "cannot sync %s", file->path);
}

static bool truncate_file(struct world_file *base, int64_t size, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    int result;
    do {
        result = ftruncate(file->descriptor, size);
    } while (result < 0 && errno == EINTR);
    return result == 0 || error_system(error, errno, "cannot set %s to %lld bytes", file->path, (long long)size);
}

static int64_t file_size(struct world_file *base, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    struct stat stat;
    if (fstat(file->descriptor, &stat) == 0)
        return stat.st_size;
    error_system(error, errno, "%s", file->path);
    return -1;
}

static int file_descriptor(struct world_file *base, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    int descriptor = fcntl(file->descriptor, F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0)
        error_system(error, errno, "%s", file->path);
    return descriptor;
}

/* An open-file-description lock: it lives as long as this open file, and it excludes programs that use fcntl record
 * locks, as Java's FileChannel.tryLock does (a real Kafka on the same log directory). */
static bool lock_file(struct world_file *base, struct error *error) {
    struct posix_file *file = posix_file_of(base);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file->descriptor, F_OFD_SETLK, &lock) == 0)
        return true;
    if (errno == EAGAIN || errno == EACCES)
        return error_set(error, ERROR_BUSY, "%s is locked by another process", file->path);
    return error_system(error, errno, "cannot lock %s", file->path);
}

void posix_file_operations(struct world_operations *operations) {
    operations->file_open = open_file;
    operations->file_close = close_file;
    operations->file_read = read_file;
    operations->file_write = write_file;
    operations->file_sync = sync_file;
    operations->file_truncate = truncate_file;
    operations->file_size = file_size;
    operations->file_descriptor = file_descriptor;
    operations->file_lock = lock_file;
}
