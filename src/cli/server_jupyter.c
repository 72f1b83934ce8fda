/* server_jupyter.c: JupyterLab as a child of the serving process: `raudal lab --serving`, which watches over it
 * (cli/lab/command_lab.c). It starts last, when everything that its programs use answers, and ends first. The
 * interpreter was chosen, and made where needed, before the start (cli/lab/python.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/lab/lab.h"
#include "cli/server_internal.h"

enum { START_TIMEOUT_MS = 120000, STOP_TIMEOUT_MS = 15000, STEP_MS = 10 };

static void wait_a_step(void) {
    nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
}

/* Between fork and exec of a process with threads: nothing but system calls. */
static _Noreturn void exec_lab(const char *self, char *const *words, const char *log) {
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close_range(3, ~0U, 0);
    execv(self, words);
    _exit(127);
}

bool server_spawn_jupyter(struct server *server, struct error *error) {
    char self[PATH_MAX], log[PATH_MAX + 32], port[16];
    if (!lab_own_path(self, error))
        return false;
    snprintf(log, sizeof log, "%s/logs/jupyter.log", server->options.data);
    snprintf(port, sizeof port, "%u", server_port(server, SERVICE_JUPYTER));
    char *words[] = {(char *)"raudal", (char *)"lab", (char *)"--data", (char *)server->options.data,
        (char *)"--serving", (char *)"--port", port, NULL};
    server->jupyter = fork();
    if (server->jupyter == 0)
        exec_lab(self, words, log);
    return server->jupyter > 0 || error_system(error, errno, "starting raudal lab");
}

/* Until the port answers or the child has ended. */
static bool wait_for_port(struct server *server, struct error *error) {
    uint16_t port = server_port(server, SERVICE_JUPYTER);
    for (int waited = 0; waited < START_TIMEOUT_MS; waited += STEP_MS) {
        if (!instance_port_is_free(server->options.address, port))
            return true;
        if (waitpid(server->jupyter, NULL, WNOHANG) == server->jupyter) {
            server->jupyter = 0;
            return error_set(error, ERROR_IO, "it ended; %s/logs/jupyter.log says why", server->options.data);
        }
        wait_a_step();
    }
    return error_set(error, ERROR_TIMEOUT, "no answer in %d s; see %s/logs/jupyter.log", START_TIMEOUT_MS / 1000,
        server->options.data);
}

bool server_start_jupyter(struct server *server, struct server_failure *failure) {
    const char *address = server->options.address;
    uint16_t port = server_port(server, SERVICE_JUPYTER);
    if (!server->options.services[SERVICE_JUPYTER])
        return true;
    failure->service = "jupyter";
    failure->port = port;
    if (!instance_port_is_free(address, port))
        return error_set(&failure->error, ERROR_BUSY, "the port %u of %s is in use", port, address);
    if (!lab_set_token(server->options.data, settings_text(server->settings, "jupyter.token"), &failure->error) ||
        !server_publish(server, &failure->error)) /* what the child reads to find us */
        return false;
    failure->port = 0;
    if (!server_spawn_jupyter(server, &failure->error))
        return false;
    if (!wait_for_port(server, &failure->error)) {
        server_stop_jupyter(server);
        return false;
    }
    server->is_serving[SERVICE_JUPYTER] = true;
    service_log_write(server->log, LOG_INFO, "jupyter", "JupyterLab answers at %s:%u", address, port);
    return true;
}

void server_stop_jupyter(struct server *server) {
    if (server->jupyter <= 0)
        return;
    kill(server->jupyter, SIGTERM);
    for (int waited = 0; waited < STOP_TIMEOUT_MS; waited += STEP_MS) {
        if (waitpid(server->jupyter, NULL, WNOHANG) == server->jupyter) {
            server->jupyter = 0;
            return;
        }
        wait_a_step();
    }
    kill(server->jupyter, SIGKILL);
    waitpid(server->jupyter, NULL, 0);
    server->jupyter = 0;
}
