/* command_shell.c: raudal shell and raudal run: programs that see kafka, zookeeper, namenode and
 * spark-master as this Raudal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/lab/python.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/spark/spark_tools.h"

static int read_options(int argc, char **argv, struct shell_options *options) {
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &options->data},
        {"--no-names", NULL, OPTION_FLAG, &options->no_names},
    };
    return options_parse(argc, argv, rows, ARRAY_COUNT(rows), true);
}

int program_run_in_instance(const struct shell_options *options, char **words) {
    static struct instance instance;
    struct program program;
    struct error error;
    if (!instance_require(options->data, &instance))
        return 1;
    if (!child_program_create(&program, &instance, &error)) {
        message_error(MESSAGE_SHELL_CANNOT_START, words[0], error.message);
        return 1;
    }
    program.with_names = !options->no_names;
    int status = child_program_run(&program, words);
    child_program_remove(&program);
    return status;
}

int command_shell(int argc, char **argv) {
    struct shell_options options = {0};
    const char *shell = getenv("SHELL");
    char *interactive[] = {(char *)(shell != NULL && shell[0] != 0 ? shell : "/bin/sh"), NULL};
    int count = read_options(argc, argv, &options);
    if (count < 0)
        return 1;
    return program_run_in_instance(&options, count == 0 ? interactive : argv);
}

int program_run_python(const struct shell_options *options, int count, char **words) {
    char python[PATH_MAX];
    if (access(words[0], R_OK) != 0) {
        message_error(MESSAGE_RUN_NO_FILE, words[0], strerror(errno));
        return 1;
    }
    if (!python_for_program(words[0], python))
        return 1;
    char **line = calloc((size_t)count + 2, sizeof *line);
    ASSERT(line != NULL);
    line[0] = python;
    memcpy(line + 1, words, (size_t)count * sizeof *line);
    int status = program_become_or_run(options, line);
    free(line);
    return status;
}

int program_become_or_run(const struct shell_options *options, char **line) {
    /* Already inside: become the program. What a notebook starts is a program of its own, so that it can be killed
     * alone. */
    if (getenv("RAUDAL_PROGRAM") != NULL && getenv("RAUDAL_KERNEL") == NULL) {
        execvp(line[0], line);
        message_error(MESSAGE_SHELL_CANNOT_START, line[0], strerror(errno));
        return 127;
    }
    return program_run_in_instance(options, line);
}

int command_run(int argc, char **argv) {
    struct shell_options options = {0};
    int count = read_options(argc, argv, &options);
    if (count < 0)
        return 1;
    if (count == 0) {
        message_error(MESSAGE_COMMAND_NEEDS, "run", "PROGRAM.py");
        return 1;
    }
    return program_run_python(&options, count, argv);
}
