#include "cli/resolver/preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/embedded_resolver.h"

static bool is_there(const char *path) {
    struct stat found;
    if (stat(path, &found) != 0 || found.st_size != (off_t)embedded_resolver_size || found.st_uid != geteuid())
        return false;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct buffer text = {0};
    ssize_t size =
        descriptor < 0 ? -1 : read(descriptor, buffer_reserve(&text, embedded_resolver_size), embedded_resolver_size);
    bool same = size == (ssize_t)embedded_resolver_size && memcmp(text.data, embedded_resolver, (size_t)size) == 0;
    buffer_free(&text);
    if (descriptor >= 0)
        close(descriptor);
    return same;
}

static bool write_library(const char *path, struct error *error) {
    char temporary[PATH_MAX + 96];
    if (is_there(path))
        return true;
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool written = descriptor >= 0 &&
                   write(descriptor, embedded_resolver, embedded_resolver_size) == (ssize_t)embedded_resolver_size;
    int reason = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (written && rename(temporary, path) == 0)
        return true;
    return error_system(error, written ? errno : reason, "%s", path);
}

/* LD_PRELOAD's list has blanks and colons between its members: a folder with one of them in its name cannot be in it,
 * and one of our own below /tmp takes its place. */
static bool choose_folder(const char *data, char folder[PATH_MAX + 16], struct error *error) {
    struct stat found;
    if (strpbrk(data, " :") == NULL) {
        snprintf(folder, PATH_MAX + 16, "%s/run", data);
        return true;
    }
    snprintf(folder, PATH_MAX + 16, "/tmp/raudal-%ld", (long)geteuid());
    mkdir(folder, 0700);
    if (lstat(folder, &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != geteuid() ||
        (found.st_mode & 077) != 0)
        return error_set(error, ERROR_DENIED, "%s is not a folder of our own", folder);
    return true;
}

bool preload_set(const char *data, const char *hosts_path, struct error *error) {
    char folder[PATH_MAX + 16], path[PATH_MAX + 64];
    const char *before = getenv("LD_PRELOAD");
    if (!choose_folder(data, folder, error))
        return false;
    snprintf(path, sizeof path, "%s/libraudal-names.so", folder);
    if (!write_library(path, error))
        return false;
    struct buffer list = {0};
    buffer_append_text(&list, path);
    if (before != NULL && before[0] != 0 && strstr(before, path) == NULL)
        buffer_printf(&list, ":%s", before);
    setenv("LD_PRELOAD", buffer_text(&list), 1);
    setenv("RAUDAL_HOSTS", hosts_path, 1);
    setenv("GRPC_DNS_RESOLVER", "native", 1); /* gRPC's own resolver reads /etc/hosts by itself */
    buffer_free(&list);
    return true;
}

static int open_on_path(const char *program) {
    char path[PATH_MAX];
    const char *folder = getenv("PATH");
    if (strchr(program, '/') != NULL)
        return open(program, O_RDONLY | O_CLOEXEC);
    while (folder != NULL && *folder != 0) {
        size_t size = strcspn(folder, ":");
        if (snprintf(path, sizeof path, "%.*s/%s", (int)size, folder, program) < (int)sizeof path &&
            access(path, X_OK) == 0)
            return open(path, O_RDONLY | O_CLOEXEC);
        folder += size + (folder[size] == ':');
    }
    return -1;
}

bool preload_is_static(const char *program) {
    Elf64_Ehdr header;
    Elf64_Phdr part;
    int descriptor = open_on_path(program);
    if (descriptor < 0)
        return false;
    bool is_elf = pread(descriptor, &header, sizeof header, 0) == sizeof header &&
                  memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64;
    bool has_loader = false;
    for (size_t i = 0; is_elf && i < header.e_phnum && !has_loader; i++)
        has_loader = pread(descriptor, &part, sizeof part, (off_t)(header.e_phoff + i * sizeof part)) == sizeof part &&
                     part.p_type == PT_INTERP;
    close(descriptor);
    return is_elf && !has_loader;
}
