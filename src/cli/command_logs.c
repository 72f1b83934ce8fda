/* command_logs.c: raudal logs SERVICE [-f] [--tail N]: the service's file, whether anything runs or not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/options.h"

static off_t copy_from(int descriptor, off_t at) {
    char text[65536];
    ssize_t size;
    while ((size = pread(descriptor, text, sizeof text, at)) > 0) {
        if (fwrite(text, 1, (size_t)size, stdout) != (size_t)size)
            exit(0); /* the reader (head, less) has gone */
        at += size;
    }
    fflush(stdout);
    return at;
}

/* Where the last `lines` lines begin. */
static off_t tail_position(int descriptor, int64_t lines) {
    off_t at = lseek(descriptor, 0, SEEK_END);
    char text[4096];
    while (at > 0) {
        size_t size = at < (off_t)sizeof text ? (size_t)at : sizeof text;
        if (pread(descriptor, text, size, at - (off_t)size) != (ssize_t)size)
            return 0;
        for (size_t i = size; i > 0; i--)
            if (text[i - 1] == '\n' && lines-- == 0)
                return at - (off_t)size + (off_t)i;
        at -= (off_t)size;
    }
    return 0;
}

static void follow(const char *path, int descriptor, off_t at) {
    int watcher = inotify_init1(IN_CLOEXEC);
    inotify_add_watch(watcher, path, IN_MODIFY | IN_MOVE_SELF);
    char events[4096];
    for (;;) {
        at = copy_from(descriptor, at);
        if (read(watcher, events, sizeof events) <= 0)
            continue;
        struct stat now, opened;
        at = copy_from(descriptor, at);
        if (stat(path, &now) == 0 && fstat(descriptor, &opened) == 0 &&
            now.st_ino != opened.st_ino) { /* put aside: go on with the new file */
            close(descriptor);
            descriptor = open(path, O_RDONLY | O_CLOEXEC);
            inotify_add_watch(watcher, path, IN_MODIFY | IN_MOVE_SELF);
            at = 0;
        }
    }
}

int command_logs(int argc, char **argv) {
    const char *given = NULL, *tail = NULL;
    bool following = false;
    struct error error;
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &given},
        {"--follow", "-f", OPTION_FLAG, &following},
        {"--tail", "-n", OPTION_TEXT, &tail},
    };
    int count = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (count < 0)
        return 1;
    const char *name = count == 1 ? services_log(argv[0]) : NULL;
    if (name == NULL) {
        message_error(
            MESSAGE_UNKNOWN_SERVICE, count == 1 ? argv[0] : "", "kafka zookeeper spark namenode datanode raudal");
        return 1;
    }
    char data[PATH_MAX], path[PATH_MAX + 64];
    if (!instance_find_data(given, data, &error)) {
        message_error(MESSAGE_BAD_SETTING, error.message);
        return 1;
    }
    snprintf(path, sizeof path, "%s/logs/%s.log", data, name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        message_error(MESSAGE_NO_LOG, name, data);
        return 1;
    }
    int64_t lines;
    off_t at = 0;
    if (tail != NULL && bytes_to_int64(bytes_from_text(tail), &lines) && lines >= 0)
        at = tail_position(descriptor, lines);
    at = copy_from(descriptor, at);
    if (following)
        follow(path, descriptor, at);
    close(descriptor);
    return 0;
}
