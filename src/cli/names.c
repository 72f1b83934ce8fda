#include "cli/names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/messages.h"
#include "cli/services.h"
#include "cli/volumes.h"

static bool stack_has_name(const struct stack *stack, const char *name) {
    for (size_t i = 0; i < stack->services.count; i++)
        for (size_t k = 0; k < stack->services.items[i].names.count; k++)
            if (strcasecmp(stack->services.items[i].names.items[k], name) == 0)
                return true;
    return false;
}

/* Services that nothing answers for get no name: a container's name should not lead to something else. */
static void write_stack_names(FILE *out, const struct stack *stack) {
    for (size_t i = 0; i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        if (service->address[0] == 0 || service->kind == STACK_OTHER)
            continue;
        fprintf(out, "%s", service->address);
        for (size_t k = 0; k < service->names.count; k++)
            fprintf(out, " %s", service->names.items[k]);
        fputc('\n', out);
    }
}

bool names_write_hosts(const char *path, const char *address, const struct stack *stack, struct error *error) {
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return error_system(error, errno, "%s", path);
    write_stack_names(out, stack);
    for (size_t i = 0; i < own_host_name_count; i++)
        if (!stack_has_name(stack, own_host_names[i]))
            fprintf(out, "%s %s\n", address, own_host_names[i]);
    FILE *in = fopen("/etc/hosts", "re");
    char text[4096];
    size_t size;
    while (in != NULL && (size = fread(text, 1, sizeof text, in)) > 0)
        fwrite(text, 1, size, out);
    if (in != NULL)
        fclose(in);
    if (fclose(out) != 0)
        return error_system(error, errno, "%s", path);
    return true;
}

static bool write_proc(const char *path, const char *text, struct error *error) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool written = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    int reason = errno;
    if (descriptor >= 0)
        close(descriptor);
    return written || error_system(error, reason, "%s", path);
}

/* A user namespace in which `inside` stands for our `outside` user, and the same for the group. */
static bool enter_user_namespace(int flags, unsigned inside_uid, unsigned outside_uid, unsigned inside_gid,
    unsigned outside_gid, struct error *error) {
    char line[64];
    if (unshare(CLONE_NEWUSER | flags) != 0)
        return error_system(error, errno, "a user namespace");
    snprintf(line, sizeof line, "%u %u 1", inside_uid, outside_uid);
    if (!write_proc("/proc/self/uid_map", line, error))
        return false;
    (void)write_proc("/proc/self/setgroups", "deny", NULL); /* absent on old kernels */
    snprintf(line, sizeof line, "%u %u 1", inside_gid, outside_gid);
    return write_proc("/proc/self/gid_map", line, error);
}

/* Whether a mount that this process sees passes its changes on to others. */
static bool sees_shared_mounts(void) {
    char line[4096];
    bool shared = false;
    FILE *file = fopen("/proc/self/mountinfo", "r");
    if (file == NULL)
        return true;
    while (!shared && fgets(line, sizeof line, file) != NULL)
        shared = strstr(line, " shared:") != NULL;
    fclose(file);
    return shared;
}

static bool mount_hosts(const char *hosts_path, struct error *error) {
    /* In a chroot "/" is no mount of its own (EINVAL); there it is enough that nothing is shared. */
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && (errno != EINVAL || sees_shared_mounts()))
        return error_system(error, errno, "making mounts private");
    if (mount(hosts_path, "/etc/hosts", NULL, MS_BIND, NULL) != 0)
        return error_system(error, errno, "mounting over /etc/hosts");
    return true;
}

/* Without the folders a program still runs: its open() needs the folders' own names then. */
static void mount_volumes(const char *volumes) {
    struct error error;
    if (!volumes_mount(volumes, &error))
        message_error(MESSAGE_SHELL_NO_VOLUMES, error.message);
}

bool names_enter(const char *hosts_path, const char *volumes, struct error *error) {
    if (unshare(CLONE_NEWNS) == 0) {
        if (!mount_hosts(hosts_path, error))
            return false;
        mount_volumes(volumes);
        return true;
    }
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (!enter_user_namespace(CLONE_NEWNS, 0, uid, 0, gid, error) || !mount_hosts(hosts_path, error))
        return false;
    mount_volumes(volumes);
    return enter_user_namespace(0, uid, 0, gid, 0, error);
}

bool names_can_enter(const char *hosts_path, struct error *error) {
    int ends[2], status = 1;
    struct error found = {0};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_system(error, errno, "a pipe");
    pid_t child = fork();
    if (child == 0) {
        bool entered = unshare(CLONE_NEWNS) == 0
                           ? mount_hosts(hosts_path, &found)
                           : enter_user_namespace(CLONE_NEWNS, 0, geteuid(), 0, getegid(), &found) &&
                                 mount_hosts(hosts_path, &found);
        if (!entered)
            (void)!write(ends[1], &found, sizeof found);
        _exit(entered ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0)
        error_system(error, errno, "a child");
    else if (read(ends[0], &found, sizeof found) == sizeof found)
        *error = found;
    close(ends[0]);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool is_localhost_line(const char *line) {
    for (const char *at = line; (at = strstr(at, "localhost")) != NULL; at++)
        if (at > line && strchr(" \t", at[-1]) != NULL && strchr(" \t\n", at[9]) != NULL)
            return true;
    return false;
}

bool names_set_localhost(const char *path, const char *address, struct error *error) {
    char line[4096];
    struct buffer text = {0};
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    buffer_printf(&text, "%s localhost\n", address);
    while (fgets(line, sizeof line, file) != NULL)
        if (!is_localhost_line(line))
            buffer_append_text(&text, line);
    fclose(file);
    file = fopen(path, "we");
    bool written = file != NULL && fwrite(text.data, 1, text.size, file) == text.size;
    if (file != NULL && fclose(file) != 0)
        written = false;
    buffer_free(&text);
    return written || error_system(error, errno, "%s", path);
}
