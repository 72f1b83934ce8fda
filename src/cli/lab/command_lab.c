/* command_lab.c: raudal lab: JupyterLab with kernels and terminals like `raudal shell`, in the foreground. `up --lab`
 * starts the same command as a child of the serving process (--serving). This process is the program that JupyterLab
 * runs in (cli/program.h), starts it, starts it again when it dies, and ends it with itself. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/lab/lab.h"
#include "cli/lab/python.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/program.h"

enum {
    RESTART_COUNT_MAX = 5, /* within RESTART_WINDOW_S: then it is not a crash but a fault that stays */
    RESTART_WINDOW_S = 60,
    STOP_TIMEOUT_MS = 10000,
    LOG_SIZE_MAX = 16 << 20,
};

struct lab_options {
    const char *data, *port;
    bool serving;
};

struct supervisor {
    struct lab lab;
    char root[PATH_MAX];
    int log, signals;
    pid_t child;
    int64_t starts_s[RESTART_COUNT_MAX]; /* a ring */
    size_t start_count;
    bool serving;
};

static int64_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int open_log(const char *data) {
    char path[PATH_MAX + 32], older[PATH_MAX + 40];
    struct stat found;
    snprintf(path, sizeof path, "%s/logs/jupyter.log", data);
    snprintf(older, sizeof older, "%s.1", path);
    if (stat(path, &found) == 0 && found.st_size > LOG_SIZE_MAX)
        rename(path, older);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600); /* Jupyter writes its URL there */
}

static _Noreturn void exec_jupyter(const struct supervisor *supervisor) {
    sigset_t none;
    char *words[] = {(char *)supervisor->lab.interpreter, (char *)"-m", (char *)"jupyterlab", NULL};
    sigemptyset(&none);
    setsid(); /* Ctrl-C is for us; we end it in our own way */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(supervisor->log, STDOUT_FILENO);
    dup2(supervisor->log, STDERR_FILENO);
    if (chdir(supervisor->root) == 0)
        execv(words[0], words);
    dprintf(STDERR_FILENO, "raudal: %s cannot be started: %s\n", words[0], strerror(errno));
    _exit(127);
}

static bool start_jupyter(struct supervisor *supervisor) {
    supervisor->starts_s[supervisor->start_count++ % RESTART_COUNT_MAX] = now_s();
    supervisor->child = fork();
    if (supervisor->child == 0)
        exec_jupyter(supervisor);
    return supervisor->child > 0;
}

/* Whether it died too often lately. */
static bool is_hopeless(const struct supervisor *supervisor) {
    size_t count = supervisor->start_count;
    return count >= RESTART_COUNT_MAX && now_s() - supervisor->starts_s[count % RESTART_COUNT_MAX] < RESTART_WINDOW_S;
}

static void note_end(const struct supervisor *supervisor, int status, bool again) {
    char what[64];
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "signal %d", WTERMSIG(status));
    else
        snprintf(what, sizeof what, "exit %d", WEXITSTATUS(status));
    dprintf(
        supervisor->log, "raudal: JupyterLab ended (%s); %s\n", what, again ? "it is started again" : "it stays so");
    if (!supervisor->serving)
        message_error(again ? MESSAGE_LAB_RESTARTED : MESSAGE_LAB_GAVE_UP, what, supervisor->lab.instance->data);
}

/* SIGTERM asks JupyterLab to end its kernels first; then everything that is left of its session is ended. */
static void stop_jupyter(struct supervisor *supervisor) {
    kill(supervisor->child, SIGTERM);
    for (int waited = 0; waited < STOP_TIMEOUT_MS; waited += 10) {
        if (waitpid(supervisor->child, NULL, WNOHANG) == supervisor->child)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(-supervisor->child, SIGKILL);
    waitpid(supervisor->child, NULL, 0);
}

static void say_where(const struct supervisor *supervisor) {
    struct instance shown = *supervisor->lab.instance;
    struct buffer url = {0};
    shown.ports[SERVICE_JUPYTER] = supervisor->lab.port;
    instance_append_url(&shown, SERVICE_JUPYTER, &url);
    message_print(MESSAGE_LAB_READY, buffer_text(&url));
    fflush(stdout);
    buffer_free(&url);
}

/* Waits for signals; until the port answers, looks whether it does. */
static int attend(struct supervisor *supervisor) {
    bool said = supervisor->serving;
    struct pollfd source = {supervisor->signals, POLLIN, 0};
    for (;;) {
        struct signalfd_siginfo info;
        int status;
        if (!said && !instance_port_is_free(supervisor->lab.instance->address, supervisor->lab.port)) {
            say_where(supervisor);
            said = true;
        }
        if (poll(&source, 1, said ? -1 : 50) <= 0 || read(supervisor->signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo != SIGCHLD) {
            stop_jupyter(supervisor);
            return 0;
        }
        if (waitpid(supervisor->child, &status, WNOHANG) != supervisor->child)
            continue;
        bool again = !is_hopeless(supervisor);
        note_end(supervisor, status, again);
        if (!again || !start_jupyter(supervisor))
            return 1;
    }
}

static int supervise(struct supervisor *supervisor) {
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    sigprocmask(SIG_SETMASK, &handled, NULL);
    supervisor->signals = signalfd(-1, &handled, SFD_CLOEXEC);
    if (supervisor->signals < 0 || !start_jupyter(supervisor)) {
        message_error(MESSAGE_SHELL_CANNOT_START, "jupyterlab", strerror(errno));
        return 1;
    }
    return attend(supervisor);
}

static int run_lab(struct supervisor *supervisor) {
    const struct instance *instance = supervisor->lab.instance;
    struct program program;
    struct error error;
    supervisor->log = open_log(instance->data);
    if (supervisor->log < 0) {
        error_system(&error, errno, "%s/logs/jupyter.log", instance->data);
        message_error(MESSAGE_SHELL_CANNOT_START, "jupyterlab", error.message);
        return 1;
    }
    if (!lab_lay_out_folders(instance, &error) || !child_program_create(&program, instance, &error)) {
        message_error(MESSAGE_SHELL_CANNOT_START, "jupyterlab", error.message);
        return 1;
    }
    lab_set_environment(&supervisor->lab);
    int status = 1;
    if (child_program_enter(&program)) {
        if (lab_lay_out(&supervisor->lab, supervisor->root, &error)) {
            if (getenv("RAUDAL_HOSTS") != NULL) /* names by the preloaded resolver: no mount namespace, no folders */
                message_error(MESSAGE_SHELL_NO_VOLUMES, "mount namespace");
            status = supervise(supervisor);
        } else
            message_error(MESSAGE_SHELL_CANNOT_START, "jupyterlab", error.message);
    }
    child_program_remove(&program);
    return status;
}

static bool prepare_alone(struct supervisor *supervisor) {
    const struct instance *instance = supervisor->lab.instance;
    struct error error;
    if (!instance_port_is_free(instance->address, supervisor->lab.port)) {
        message_error(MESSAGE_LAB_PORT_IN_USE, instance->address, supervisor->lab.port);
        return false;
    }
    if (lab_set_token(instance->data, "", &error))
        return true;
    message_error(MESSAGE_SHELL_CANNOT_START, "jupyterlab", error.message);
    return false;
}

int command_lab(int argc, char **argv) {
    struct lab_options options = {0};
    static struct instance instance;
    static struct supervisor supervisor;
    int64_t port = service_table[SERVICE_JUPYTER].port;
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &options.data},
        {"--port", NULL, OPTION_TEXT, &options.port},
        {"--serving", NULL, OPTION_FLAG, &options.serving},
    };
    int count = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (count > 0)
        message_error(MESSAGE_UNKNOWN_OPTION, "lab", argv[0]);
    if (count != 0)
        return 1;
    if (options.port != NULL && (!bytes_to_int64(bytes_from_text(options.port), &port) || port < 1 || port > 65535)) {
        message_error(MESSAGE_UNKNOWN_OPTION, "lab", options.port);
        return 1;
    }
    if (!instance_require(options.data, &instance))
        return 1;
    supervisor.lab.instance = &instance;
    supervisor.lab.port = (uint16_t)port;
    supervisor.serving = options.serving;
    if (!options.serving && instance.ports[SERVICE_JUPYTER] != 0) {
        supervisor.lab.port = instance.ports[SERVICE_JUPYTER];
        say_where(&supervisor);
        return 0;
    }
    if (!options.serving && !prepare_alone(&supervisor))
        return 1;
    if (!python_for_lab(!options.serving, supervisor.lab.interpreter))
        return 1;
    return run_lab(&supervisor);
}
