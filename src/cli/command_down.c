/* command_down.c: raudal down: asks the serving process to end (SIGTERM), waits for it, and with -v wipes the data
 * folder, after asking. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/options.h"

enum { STOP_TIMEOUT_MS = 30000, STEP_MS = 5 };

static bool stop(struct instance *instance) {
    if (kill(instance->pid, SIGTERM) != 0 && errno != ESRCH) {
        message_error(MESSAGE_DOWN_FAILED, (long)instance->pid, strerror(errno));
        return false;
    }
    for (int waited = 0; waited < STOP_TIMEOUT_MS; waited += STEP_MS) {
        struct instance now;
        instance_read(instance->data, &now);
        if (!now.running) {
            message_print(MESSAGE_DOWN_DONE, instance->data);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
    }
    message_error(MESSAGE_DOWN_FAILED, (long)instance->pid, strerror(ETIMEDOUT));
    return false;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place) {
    return place->level == 0 ? 0 : remove(path);
}

/* Only a folder that has the marks of one of ours. */
static bool wipe(const char *data) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/run/lock", data);
    if (access(path, F_OK) != 0) {
        message_error(MESSAGE_DOWN_NOT_OURS, data);
        return false;
    }
    if (nftw(data, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) {
        message_error(MESSAGE_DATA_UNREADABLE, data, strerror(errno));
        return false;
    }
    message_print(MESSAGE_DOWN_WIPED, data);
    return true;
}

/* What is wiped does not come back: asks on the terminal, and without one wants -y. */
static bool may_wipe(const char *data) {
    char answer[16] = "";
    if (!isatty(STDIN_FILENO)) {
        message_error(MESSAGE_DOWN_NEEDS_YES, data);
        return false;
    }
    message_print(MESSAGE_DOWN_QUESTION, data);
    if (fgets(answer, sizeof answer, stdin) != NULL && answer[0] != 0 && strchr("yYsS", answer[0]) != NULL)
        return true;
    message_error(MESSAGE_DOWN_KEPT);
    return false;
}

int command_down(int argc, char **argv) {
    const char *given = NULL;
    bool volumes = false, yes = false;
    struct error error;
    struct instance instance;
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &given},
        {"--volumes", "-v", OPTION_FLAG, &volumes},
        {"--yes", "-y", OPTION_FLAG, &yes},
    };
    char data[PATH_MAX];
    if (options_parse(argc, argv, rows, ARRAY_COUNT(rows), false) != 0)
        return 1;
    if (!instance_find_data(given, data, &error)) {
        message_error(MESSAGE_BAD_SETTING, error.message);
        return 1;
    }
    instance_read(data, &instance);
    if (!instance.running && !volumes) {
        message_error(MESSAGE_NOTHING_RUNS, data, data);
        return 1;
    }
    if (volumes && !yes && !may_wipe(data))
        return 1;
    if (instance.running && !stop(&instance))
        return 1;
    return volumes && !wipe(data) ? 1 : 0;
}
