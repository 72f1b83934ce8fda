/* command_kernel.c: raudal kernel install writes a kernel for a Jupyter or VS Code that Raudal does not start; raudal
 * kernel start is what that kernel's kernel.json (and JupyterLab's own) runs: it becomes a Python kernel that is a
 * program of this Raudal: its names, tools, SPARK_REMOTE and console. Its lock is inherited, so that the queries end
 * with the kernel, however that ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/lab/lab.h"
#include "cli/lab/python.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/program.h"

/* ---- install ---- */

static bool kernels_folder(char folder[PATH_MAX]) {
    const char *named = getenv("JUPYTER_DATA_DIR"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (named != NULL && named[0] != 0)
        return snprintf(folder, PATH_MAX, "%s/kernels", named) < PATH_MAX;
    if (data != NULL && data[0] == '/')
        return snprintf(folder, PATH_MAX, "%s/jupyter/kernels", data) < PATH_MAX;
    return home != NULL && snprintf(folder, PATH_MAX, "%s/.local/share/jupyter/kernels", home) < PATH_MAX;
}

static int install(const char *given, const char *name) {
    char data[PATH_MAX], kernels[PATH_MAX], folder[PATH_MAX + 160], raudal[PATH_MAX], interpreter[PATH_MAX];
    char display_name[160];
    struct error error;
    if (strlen(name) > 100 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
                                  strlen(name)) { /* what Jupyter takes */
        message_error(MESSAGE_KERNEL_BAD_NAME, name);
        return 1;
    }
    if (!instance_find_data(given, data, &error) || !lab_own_path(raudal, &error)) {
        message_error(MESSAGE_KERNEL_NOT_INSTALLED, error.message);
        return 1;
    }
    if (!kernels_folder(kernels)) {
        message_error(MESSAGE_KERNEL_NOT_INSTALLED, "HOME");
        return 1;
    }
    if (!python_for_lab(true, interpreter))
        return 1;
    bool plain = strcmp(name, "raudal") == 0;
    snprintf(display_name, sizeof display_name, plain ? "Python 3 (Raudal)" : "Python 3 (%s)", name);
    snprintf(folder, sizeof folder, "%s/%s", kernels, name);
    if (!lab_write_kernel(folder, raudal, data, interpreter, display_name, &error)) {
        message_error(MESSAGE_KERNEL_NOT_INSTALLED, error.message);
        return 1;
    }
    message_print(MESSAGE_KERNEL_INSTALLED, display_name, folder, data);
    return 0;
}

/* ---- start ---- */

/* Nothing runs: the kernel starts all the same and says so in each cell. */
static bool prepare_without(const char *data, struct error *error) {
    char note[2 * PATH_MAX + 256], folder[] = "/tmp/raudal-kernel-XXXXXX";
    snprintf(note, sizeof note, message_text(MESSAGE_NOTHING_RUNS), data, data);
    note[strcspn(note, "\n")] = 0;
    setenv("RAUDAL_KERNEL_NOTE", note, 1);
    setenv("RAUDAL_KERNEL_NOTE_READY", message_text(MESSAGE_KERNEL_RESTART), 1);
    setenv("RAUDAL_DATA", data, 1);
    if (mkdtemp(folder) == NULL)
        return error_system(error, errno, "%s", folder);
    setenv("RAUDAL_KERNEL_MODULES", folder, 1); /* the module removes it once it is loaded */
    setenv("PYTHONPATH", folder, 1);
    return child_program_write_modules(folder, error);
}

static bool prepare(const char *given, struct error *error) {
    static struct instance instance;
    static struct program program; /* its lock stays open in what we become */
    char data[PATH_MAX], number[16];
    if (!instance_find_data(given, data, error))
        return false;
    instance_read(data, &instance);
    if (!instance.running || !instance.ready)
        return prepare_without(data, error);
    if (!child_program_create(&program, &instance, error))
        return false;
    if (!child_program_enter(&program)) { /* said why; the kernel is of use without the names too */
        program.with_names = false;
        child_program_enter(&program);
    }
    fcntl(program.lock, F_SETFD, 0);
    snprintf(number, sizeof number, "%d", program.lock);
    setenv("RAUDAL_LOCK", number, 1);
    setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 0); /* else each !command beside a query has a line of gRPC in its output */
    setenv("SPARK_CONNECT_PROGRESS_BAR_ENABLED", "1", 0); /* off in PySpark unless told */
    return true;
}

static int start(const char *given, const char *python, const char *connection) {
    char interpreter[PATH_MAX];
    struct error error;
    if (python != NULL && access(python, X_OK) == 0)
        snprintf(interpreter, sizeof interpreter, "%s", python);
    else if (!python_for_lab(false, interpreter))
        return 1;
    lab_activate(interpreter);
    if (!prepare(given, &error)) {
        message_error(MESSAGE_SHELL_CANNOT_START, "the kernel", error.message);
        return 1;
    }
    setenv("RAUDAL_KERNEL", "1", 1);
    char *words[] = {interpreter, (char *)"-m", (char *)"ipykernel_launcher", (char *)"-f", (char *)connection,
        (char *)"--ext", (char *)"raudal_kernel", NULL};
    execv(interpreter, words);
    message_error(MESSAGE_SHELL_CANNOT_START, interpreter, strerror(errno));
    return 127;
}

int command_kernel(int argc, char **argv) {
    const char *data = NULL, *python = NULL, *name = "raudal";
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &data},
        {"--name", NULL, OPTION_TEXT, &name},
        {"--python", NULL, OPTION_TEXT, &python},
    };
    int count = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (count < 0)
        return 1;
    if (count == 1 && strcmp(argv[0], "install") == 0)
        return install(data, name);
    if (count == 2 && strcmp(argv[0], "start") == 0)
        return start(data, python, argv[1]);
    message_error(MESSAGE_COMMAND_NEEDS, "kernel", "install [--name NAME]");
    return 1;
}
