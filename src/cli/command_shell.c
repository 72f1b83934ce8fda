/* command_shell.c: raudal shell, raudal run and spark-submit: programs that see kafka, zookeeper, namenode and
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

struct shell_options {
    const char *data;
    bool no_names;
};

static int read_options(int argc, char **argv, struct shell_options *options) {
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &options->data},
        {"--no-names", NULL, OPTION_FLAG, &options->no_names},
    };
    return options_parse(argc, argv, rows, ARRAY_COUNT(rows), true);
}

static int run_in_instance(const struct shell_options *options, char **words) {
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
    return run_in_instance(&options, count == 0 ? interactive : argv);
}

static int run_python(const struct shell_options *options, int count, char **words) {
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
    int status;
    /* Already inside: become the program. What a notebook starts is a program of its own, so that it can be killed
     * alone. */
    if (getenv("RAUDAL_PROGRAM") != NULL && getenv("RAUDAL_KERNEL") == NULL) {
        execvp(line[0], line);
        message_error(MESSAGE_SHELL_CANNOT_START, line[0], strerror(errno));
        status = 127;
    } else {
        status = run_in_instance(options, line);
    }
    free(line);
    return status;
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
    return run_python(&options, count, argv);
}

/* ---- spark-submit ---- */

/* Options of Spark's own script. `conf` ones become session settings of the program (by way of the start-up module);
 * the rest say where and with what a cluster would run it, which is settled here. */
struct submit_row {
    const char *name;
    bool has_value;
    const char *setting; /* NULL: no effect, said once */
};

static const struct submit_row submit_rows[] = {
    {"--archives", true, NULL},
    {"--class", true, NULL},
    {"--conf", true, ""},
    {"-c", true, ""},
    {"--deploy-mode", true, NULL},
    {"--driver-class-path", true, NULL},
    {"--driver-cores", true, NULL},
    {"--driver-java-options", true, NULL},
    {"--driver-memory", true, NULL},
    {"--exclude-packages", true, NULL},
    {"--executor-cores", true, NULL},
    {"--executor-memory", true, NULL},
    {"--jars", true, NULL},
    {"--master", true, NULL},
    {"--name", true, "spark.app.name"},
    {"--num-executors", true, NULL},
    {"--packages", true, "spark.jars.packages"},
    {"--py-files", true, "python-path"},
    {"--remote", true, NULL},
    {"--repositories", true, NULL},
    {"--supervise", false, NULL},
    {"--total-executor-cores", true, NULL},
    {"--verbose", false, NULL},
    {"-v", false, NULL},
};

static const struct submit_row *find_submit_row(const char *word) {
    for (size_t i = 0; i < ARRAY_COUNT(submit_rows); i++)
        if (strcmp(word, submit_rows[i].name) == 0)
            return &submit_rows[i];
    return NULL;
}

static void add_setting(struct buffer *settings, const char *name, size_t name_size, const char *value) {
    buffer_append_text(settings, settings->size == 0 ? "{" : ", ");
    buffer_append_json_string(settings, bytes_make(name, name_size));
    buffer_append_text(settings, ": ");
    buffer_append_json_string(settings, bytes_from_text(value));
}

static bool take_submit_option(const struct submit_row *row, const char *value, struct buffer *settings) {
    if (row->setting == NULL) {
        fprintf(stderr, "spark-submit: %s has no effect here: the program runs on this Raudal\n", row->name);
    } else if (strcmp(row->setting, "python-path") == 0) {
        char *paths = strdup(value);
        for (char *at = paths; at != NULL && *at != 0; at++)
            if (*at == ',')
                *at = ':';
        setenv("PYTHONPATH", paths, 1);
        free(paths);
    } else if (row->setting[0] != 0) {
        add_setting(settings, row->setting, strlen(row->setting), value);
    } else {
        const char *equals = strchr(value, '=');
        if (equals == NULL) {
            fprintf(stderr, "Error: Unrecognized option: --conf %s (name=value is needed)\n", value);
            return false;
        }
        add_setting(settings, value, (size_t)(equals - value), equals + 1);
    }
    return true;
}

int tool_spark_submit_main(int argc, char **argv) {
    struct shell_options options = {0};
    struct buffer settings = {0};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const struct submit_row *row = find_submit_row(argv[i]);
        if (row == NULL || (row->has_value && i + 1 >= argc)) {
            fprintf(stderr, "Error: Unrecognized option: %s\n", argv[i]);
            return 1;
        }
        const char *value = row->has_value ? argv[++i] : NULL;
        if (!take_submit_option(row, value, &settings))
            return 1;
    }
    if (i >= argc) {
        fprintf(stderr,
            "Error: Missing application resource.\nUsage: spark-submit [options] <python file> [app arguments]\n");
        return 1;
    }
    if (settings.size > 0) {
        buffer_append_byte(&settings, '}');
        setenv("RAUDAL_SPARK_SETTINGS", buffer_text(&settings), 1);
    }
    buffer_free(&settings);
    return run_python(&options, argc - i, argv + i);
}
