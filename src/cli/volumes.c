#include "cli/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { COVERED_ENTRY_COUNT_MAX = 4096 };

/* ---- the setting ---- */

static const char home[] = "/home/jovyan";
static const char *const standard_names[] = {"sessions", "datasets"};

/* The folder that relative ones start in: beside a project's .raudal, else the data folder itself. */
static struct bytes base_folder(const char *data) {
    size_t size = strlen(data);
    bool beside = size > 8 && strcmp(data + size - 8, "/.raudal") == 0;
    return bytes_make(data, beside ? size - 8 : size);
}

static bool append_volume(struct buffer *out, struct bytes entry, struct bytes base, struct error *error) {
    size_t equals = bytes_find(entry, '=', 0);
    if (equals == SIZE_MAX || equals == 0 || entry.data[0] != '/' || equals + 1 == entry.size)
        return error_set(error, ERROR_INVALID,
            "raudal.volumes=%.*s: /CONTAINER/FOLDER=/FOLDER, separated by commas, is needed", BYTES_ARGS(entry));
    struct bytes container = bytes_trim(bytes_slice(entry, 0, equals));
    struct bytes folder = bytes_trim(bytes_slice(entry, equals + 1, entry.size - equals - 1));
    while (container.size > 1 && container.data[container.size - 1] == '/')
        container.size--;
    if (bytes_starts_with(folder, "./"))
        folder = bytes_slice(folder, 2, folder.size - 2);
    if (bytes_starts_with(folder, "/"))
        buffer_printf(out, "%.*s=%.*s\n", BYTES_ARGS(container), BYTES_ARGS(folder));
    else
        buffer_printf(out, "%.*s=%.*s/%.*s\n", BYTES_ARGS(container), BYTES_ARGS(base), BYTES_ARGS(folder));
    return true;
}

bool volumes_home_is_free(void) {
    return access(home, F_OK) != 0;
}

bool volumes_from_setting(
    const char *value, const char *data, bool with_home, char text[VOLUMES_TEXT_SIZE], struct error *error) {
    struct buffer out = {0};
    struct bytes base = base_folder(data), rest = bytes_trim(bytes_from_text(value));
    size_t count = 0;
    bool good = true;
    for (size_t i = 0; rest.size == 0 && i < ARRAY_COUNT(standard_names); i++)
        buffer_printf(&out, "%s/%s=%.*s/%s\n", home, standard_names[i], BYTES_ARGS(base), standard_names[i]);
    while (good && rest.size > 0) {
        size_t comma = bytes_find(rest, ',', 0);
        size_t size = comma == SIZE_MAX ? rest.size : comma;
        good = append_volume(&out, bytes_trim(bytes_slice(rest, 0, size)), base, error);
        rest = comma == SIZE_MAX ? BYTES_NULL : bytes_slice(rest, comma + 1, rest.size - comma - 1);
        if (good && (++count > VOLUME_COUNT_MAX - 1 || out.size >= VOLUMES_TEXT_SIZE))
            good =
                error_set(error, ERROR_LIMIT, "raudal.volumes: at most %d volumes are possible", VOLUME_COUNT_MAX - 1);
    }
    char found[PATH_MAX];
    if (good && with_home && !volumes_find(buffer_text(&out), home, found, sizeof found))
        buffer_printf(&out, "%s=%s/home\n", home, data);
    snprintf(text, VOLUMES_TEXT_SIZE, "%s", good ? buffer_text(&out) : "");
    buffer_free(&out);
    return good;
}

size_t volumes_parse(const char *text, struct store_volume volumes[VOLUME_COUNT_MAX], char **copy) {
    size_t count = 0;
    *copy = strdup(text);
    ASSERT(*copy != NULL);
    for (char *line = *copy; *line != 0 && count < VOLUME_COUNT_MAX;) {
        char *end = strchrnul(line, '\n'), *equals = strchr(line, '=');
        char *next = *end == 0 ? end : end + 1;
        *end = 0;
        if (equals != NULL && equals < end) {
            *equals = 0;
            volumes[count++] = (struct store_volume){line, equals + 1};
        }
        line = next;
    }
    return count;
}

bool volumes_find(const char *text, const char *container_path, char *folder, size_t size) {
    struct store_volume volumes[VOLUME_COUNT_MAX];
    char *copy;
    size_t count = volumes_parse(text, volumes, &copy);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        if (strcmp(volumes[i].container_path, container_path) == 0)
            found = snprintf(folder, size, "%s", volumes[i].machine_path) < (int)size;
    free(copy);
    return found;
}

/* ---- mounting ---- */

static bool is_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Binds one entry of a covered folder again; `old` is the covered folder. */
static bool bind_entry(int old, const char *folder, const char *name) {
    char from[64 + NAME_MAX], to[PATH_MAX], target[PATH_MAX];
    struct stat found;
    if (snprintf(to, sizeof to, "%s/%s", folder, name) >= (int)sizeof to)
        return false;
    if (fstatat(old, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    snprintf(from, sizeof from, "/proc/self/fd/%d/%s", old, name);
    if (S_ISLNK(found.st_mode)) {
        ssize_t size = readlinkat(old, name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        return size > 0 && symlink(target, to) == 0;
    }
    if (S_ISDIR(found.st_mode))
        return mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0;
    int made = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (made < 0)
        return false;
    close(made);
    return mount(from, to, NULL, MS_BIND, NULL) == 0;
}

static bool bind_entries(int old, const char *folder) {
    int descriptor = openat(old, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = descriptor < 0 ? NULL : fdopendir(descriptor);
    bool good = entries != NULL;
    int count = 0;
    for (struct dirent *entry; good && (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = ++count <= COVERED_ENTRY_COUNT_MAX && bind_entry(old, folder, entry->d_name);
    if (entries != NULL)
        closedir(entries);
    return good;
}

static bool cover(const char *folder, struct error *error) {
    int old = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0)
        return error_system(error, errno, "%s", folder);
    bool good = mount("raudal", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") == 0;
    if (!good) {
        error_system(error, errno, "covering %s", folder);
    } else if (!bind_entries(old, folder)) {
        good = error_system(error, errno, "binding what is in %s", folder);
        umount2(folder, MNT_DETACH);
    }
    close(old);
    return good;
}

struct mounting {
    struct store_volume volumes[VOLUME_COUNT_MAX];
    size_t count;
    dev_t covered; /* device of the file system that covers a parent, once there is one */
};

/* Whether a folder of this namespace is a volume's, or below it: there a place is made as it is in a container. */
static bool is_in_volume(const struct mounting *mounting, const char *folder) {
    for (size_t i = 0; i < mounting->count; i++) {
        size_t size = strlen(mounting->volumes[i].container_path);
        if (strncmp(folder, mounting->volumes[i].container_path, size) == 0 &&
            (folder[size] == 0 || folder[size] == '/') && is_folder(mounting->volumes[i].machine_path))
            return true;
    }
    return false;
}

/* Makes `path` a folder of this mount namespace. */
static bool make_place(struct mounting *mounting, const char *path, struct error *error) {
    struct stat found;
    char part[PATH_MAX];
    if (is_folder(path))
        return true;
    snprintf(part, sizeof part, "%s", path);
    do {
        char *slash = strrchr(part, '/');
        if (slash == NULL || slash == part)
            return error_set(error, ERROR_UNSUPPORTED, "%s: there is no folder for it below /", path);
        *slash = 0;
    } while (!is_folder(part));
    if (!is_in_volume(mounting, part) && (stat(part, &found) != 0 || found.st_dev != mounting->covered)) {
        if (!cover(part, error) || stat(part, &found) != 0)
            return false;
        mounting->covered = found.st_dev;
    }
    for (size_t at = strlen(part); path[at] != 0;) {
        at += 1 + strcspn(path + at + 1, "/");
        snprintf(part, sizeof part, "%.*s", (int)at, path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return error_system(error, errno, "%s", part);
    }
    return true;
}

static bool mount_volume(struct mounting *mounting, const struct store_volume *volume, struct error *error) {
    const char *from = volume->machine_path, *to = volume->container_path;
    if (!is_folder(from) || strcmp(from, to) == 0)
        return true;
    return make_place(mounting, to, error) && (mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 ||
                                                  error_system(error, errno, "mounting %s over %s", from, to));
}

/* Outer folders first. */
static int compare_volumes(const void *a, const void *b) {
    const struct store_volume *first = a, *second = b;
    return strcmp(first->container_path, second->container_path);
}

bool volumes_mount(const char *text, struct error *error) {
    struct mounting mounting = {.covered = 0};
    char *copy, folder[PATH_MAX];
    bool good = true, inside = getcwd(folder, sizeof folder) != NULL;
    mounting.count = volumes_parse(text, mounting.volumes, &copy);
    qsort(mounting.volumes, mounting.count, sizeof mounting.volumes[0], compare_volumes);
    for (size_t i = 0; good && i < mounting.count; i++)
        good = mount_volume(&mounting, &mounting.volumes[i], error);
    free(copy);
    if (inside && chdir(folder) != 0) /* by its name again: it may lie below what was covered */
        return error_system(error, errno, "%s", folder);
    return good;
}
