/* spark_tools.h: what Spark's tools and `raudal run` share (command_shell.c). */
#ifndef CLI_SPARK_SPARK_TOOLS_H
#define CLI_SPARK_SPARK_TOOLS_H

#include <stdbool.h>

struct shell_options {
    const char *data;
    bool no_names;
};

/* Runs the words as a program of the instance; its exit status, or 1 after a message. */
int program_run_in_instance(const struct shell_options *options, char **words);
/* The same, or, already inside one, becomes it. */
int program_become_or_run(const struct shell_options *options, char **line);
/* A Python program with its arguments, with the interpreter that fits. */
int program_run_python(const struct shell_options *options, int count, char **words);

#endif
