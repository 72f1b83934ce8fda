#include "cli/lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/exercises.h"
#include "cli/volumes.h"

static const char home[] = "/home/jovyan";

/* ---- files ---- */

bool lab_make_folder(const char *path, struct error *error) {
    char part[PATH_MAX];
    for (const char *at = path; at != NULL && *at != 0;) {
        at = strchr(at + 1, '/');
        snprintf(part, sizeof part, "%.*s", at == NULL ? (int)strlen(path) : (int)(at - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return error_system(error, errno, "%s", part);
    }
    return true;
}

bool lab_own_path(char path[PATH_MAX], struct error *error) {
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = 0;
    return size > 0 || error_system(error, errno, "/proc/self/exe");
}

/* Whole or not at all. */
static bool write_file(const char *path, const void *data, size_t size, mode_t mode, struct error *error) {
    char temporary[PATH_MAX + 32];
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool written = descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size;
    int reason = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (written && rename(temporary, path) == 0)
        return true;
    reason = written ? errno : reason;
    unlink(temporary);
    return error_system(error, reason, "%s", path);
}

static bool write_json(const char *folder, const char *name, json_t *value, struct error *error) {
    char path[PATH_MAX + 64];
    char *text = json_dumps(value, JSON_INDENT(2));
    ASSERT(text != NULL);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bool written = lab_make_folder(folder, error) && write_file(path, text, strlen(text), 0644, error);
    free(text);
    json_decref(value);
    return written;
}

/* ---- token ---- */

bool lab_set_token(const char *data, const char *setting, struct error *error) {
    char path[PATH_MAX + 32], token[128];
    uint8_t random[24];
    snprintf(path, sizeof path, "%s/run/jupyter.token", data);
    if (strcmp(setting, "none") == 0)
        return write_file(path, "", 0, 0600, error);
    if (setting[0] != 0)
        return write_file(path, setting, strlen(setting), 0600, error);
    instance_lab_token(data, token);
    if (token[0] != 0)
        return true;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return error_system(error, errno, "a random token");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(token + 2 * i, 3, "%02x", random[i]);
    return write_file(path, token, strlen(token), 0600, error);
}

/* ---- sessions and datasets ---- */

/* Copies the files whose path starts with `part` to `folder`, unless `folder` is there already: what somebody deleted
 * does not come back. */
static bool seed(const char *part, const char *folder, struct error *error) {
    char path[PATH_MAX + 64];
    size_t size = strlen(part);
    if (access(folder, F_OK) == 0)
        return true;
    if (!lab_make_folder(folder, error))
        return false;
    for (size_t i = 0; i < embedded_exercises_count; i++) {
        const struct embedded_file *file = &embedded_exercises[i];
        if (strncmp(file->path, part, size) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, file->path + size);
        if (!write_file(path, file->data, file->size, 0644, error))
            return false;
    }
    return true;
}

bool lab_lay_out_folders(const struct instance *instance, struct error *error) {
    static const struct {
        const char *part, *volume, *below;
    } seeds[] = {
        {"es/", "/home/jovyan/sessions", "/ejercicios"},
        {"en/", "/home/jovyan/sessions", "/exercises"},
        {"datasets/", "/home/jovyan/datasets", "/sensores"},
    };
    struct store_volume volumes[VOLUME_COUNT_MAX];
    char *copy, folder[PATH_MAX], path[PATH_MAX + 32];
    size_t count = volumes_parse(instance->volumes, volumes, &copy);
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = access(volumes[i].machine_path, F_OK) == 0 || lab_make_folder(volumes[i].machine_path, error);
    free(copy);
    for (size_t i = 0; good && i < ARRAY_COUNT(seeds); i++) {
        if (!volumes_find(instance->volumes, seeds[i].volume, folder, sizeof folder))
            continue;
        snprintf(path, sizeof path, "%s%s", folder, seeds[i].below);
        good = seed(seeds[i].part, path, error);
    }
    return good;
}

/* ---- configuration ---- */

static bool same_folder(const char *a, const char *b) {
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

/* /home/jovyan where our folders are seen there, as in the course's container; else a folder of links to them. */
static bool choose_root(const struct lab *lab, char root[PATH_MAX], struct error *error) {
    struct store_volume volumes[VOLUME_COUNT_MAX];
    char *copy, link[PATH_MAX + 256];
    size_t count = volumes_parse(lab->instance->volumes, volumes, &copy);
    bool seen = false, good = true;
    for (size_t i = 0; i < count && !seen; i++)
        seen = strncmp(volumes[i].container_path, home, sizeof home - 1) == 0 &&
               same_folder(volumes[i].container_path, volumes[i].machine_path);
    if (seen)
        snprintf(root, PATH_MAX, "%s", home);
    else if (snprintf(root, PATH_MAX, "%s/run/jupyter/root", lab->instance->data) >= PATH_MAX)
        good = error_set(error, ERROR_LIMIT, "the path of the data folder is too long");
    good = good && (seen || lab_make_folder(root, error));
    for (size_t i = 0; good && !seen && i < count; i++) {
        const char *slash = strrchr(volumes[i].container_path, '/');
        if (strcmp(volumes[i].container_path, home) == 0)
            continue;
        snprintf(link, sizeof link, "%s/%.200s", root, slash == NULL ? volumes[i].container_path : slash + 1);
        unlink(link);
        if (symlink(volumes[i].machine_path, link) != 0)
            good = error_system(error, errno, "%s", link);
    }
    free(copy);
    return good;
}

/* Nothing asks whether it may fetch news from the Internet. */
static bool write_page_configuration(const char *folder, struct error *error) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/labconfig", folder);
    return write_json(path, "page_config.json",
        json_pack("{s:{s:b}}", "disabledExtensions", "@jupyterlab/apputils-extension:announcements", 1), error);
}

static bool write_configuration(const struct lab *lab, const char *root, struct error *error) {
    char folder[PATH_MAX + 32], raudal[PATH_MAX + 32], token[128];
    const char *data = lab->instance->data;
    snprintf(folder, sizeof folder, "%s/run/jupyter/config", data);
    snprintf(raudal, sizeof raudal, "%s/run/bin/raudal", data);
    instance_lab_token(data, token);
    json_t *server = json_pack("{s:s, s:i, s:i, s:b, s:b, s:b, s:s, s:[s,s], s:{s:[s,s,s,s]}}", "ip",
        lab->instance->address, "port", lab->port, "port_retries", 0, "open_browser", 0, "quit_button", 0, "allow_root",
        geteuid() == 0, "root_dir", root, "local_hostnames", "localhost", "jupyter", "terminado_settings",
        "shell_command", raudal, "shell", "--data", data);
    /* Nothing asks the Internet for news; what a course installs is the environment's matter. */
    json_t *lab_application = json_pack("{s:n, s:s, s:s}", "news_url", "check_for_updates_class",
        "jupyterlab.NeverCheckForUpdate", "extension_manager", "readonly");
    json_t *all = json_pack("{s:o, s:o}", "ServerApp", server, "LabApp", lab_application);
    if (token[0] == 0)
        json_object_set_new(all, "IdentityProvider", json_pack("{s:s}", "token", ""));
    return write_json(folder, "jupyter_server_config.json", all, error) && write_page_configuration(folder, error);
}

bool lab_write_kernel(const char *folder, const char *raudal, const char *data, const char *interpreter,
    const char *display_name, struct error *error) {
    json_t *kernel = json_pack("{s:[s,s,s,s,s,s,s,s], s:s, s:s, s:s, s:{s:b}}", "argv", raudal, "kernel", "start",
        "--data", data, "--python", interpreter, "{connection_file}", "display_name", display_name, "language",
        "python", "interrupt_mode", "signal", "metadata", "debugger", 1);
    return write_json(folder, "kernel.json", kernel, error);
}

bool lab_lay_out(const struct lab *lab, char root[PATH_MAX], struct error *error) {
    char kernel[PATH_MAX + 64], raudal[PATH_MAX + 32], runtime[PATH_MAX + 32];
    const char *data = lab->instance->data;
    snprintf(kernel, sizeof kernel, "%s/run/jupyter/share/kernels/python3", data);
    snprintf(raudal, sizeof raudal, "%s/run/bin/raudal", data);
    snprintf(runtime, sizeof runtime, "%s/run/jupyter/runtime", data);
    if (!choose_root(lab, root, error) || !write_configuration(lab, root, error) ||
        !lab_write_kernel(kernel, raudal, data, lab->interpreter, "Python 3 (Raudal)", error) ||
        !lab_make_folder(runtime, error))
        return false;
    return chmod(runtime, 0700) == 0 || error_system(error, errno, "%s", runtime);
}

/* ---- environment ---- */

static void put_first(const char *name, const char *value) {
    const char *old = getenv(name);
    struct buffer text = {0};
    buffer_printf(&text, "%s%s%s", value, old != NULL && old[0] != 0 ? ":" : "", old != NULL ? old : "");
    setenv(name, buffer_text(&text), 1);
    buffer_free(&text);
}

/* A virtual environment's own programs (python, pip, …) come first in notebooks and terminals, as when it is active. */
void lab_activate(const char *interpreter) {
    char folder[PATH_MAX], mark[PATH_MAX + 16];
    snprintf(folder, sizeof folder, "%s", interpreter);
    char *slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return;
    *slash = 0;
    char *bin = strrchr(folder, '/');
    snprintf(mark, sizeof mark, "%.*s/pyvenv.cfg", bin == NULL ? 0 : (int)(bin - folder), folder);
    if (bin == NULL || access(mark, F_OK) != 0)
        return;
    put_first("PATH", folder);
    *bin = 0;
    setenv("VIRTUAL_ENV", folder, 1);
}

void lab_set_environment(const struct lab *lab) {
    char path[PATH_MAX + 32], token[128];
    const char *data = lab->instance->data;
    lab_activate(lab->interpreter);
    snprintf(path, sizeof path, "%s/run/jupyter/config", data);
    put_first("JUPYTER_CONFIG_PATH", path);
    snprintf(path, sizeof path, "%s/run/jupyter/share", data);
    put_first("JUPYTER_PATH", path);
    snprintf(path, sizeof path, "%s/run/jupyter/runtime", data);
    setenv("JUPYTER_RUNTIME_DIR", path, 1);
    instance_lab_token(data, token);
    snprintf(path, sizeof path, "%s/run/jupyter.token", data);
    unsetenv("JUPYTER_TOKEN"); /* the variable would be seen by every kernel; the file's name may be */
    unsetenv("JUPYTER_TOKEN_FILE");
    if (token[0] != 0)
        setenv("JUPYTER_TOKEN_FILE", path, 1);
}
