/* python.h: which Python interpreter runs a program or JupyterLab: the user's own where it fits, else the pinned
 * environment that `raudal env` makes in the cache folder ($RAUDAL_CACHE, else $XDG_CACHE_HOME/raudal, else
 * ~/.cache/raudal). Its packages are the table [lab] of tools/environments.toml, embedded; a changed table makes a
 * new folder. A folder counts only when its file .complete is there, so an interrupted run is simply made again. */
#ifndef CLI_LAB_PYTHON_H
#define CLI_LAB_PYTHON_H

#include <limits.h>
#include <stdbool.h>

/* The interpreter that PySpark's users name, else python3 of PATH (a virtual environment's when one is active). */
const char *python_of_user(void);
/* An interpreter and the packages that matter here; versions are "" where a package is absent. */
struct python_found {
    char interpreter[PATH_MAX]; /* sys.executable */
    char python[32], pyspark[32], kafka_python[32];
    char kafka[32];    /* the package named kafka, which is an old one with kafka-python's module */
    char missing[256]; /* of the modules asked for, those that are absent, separated by spaces */
};
/* What an interpreter has, for Spark Connect; false when there is none of that name. */
bool python_ask(const char *python, struct python_found *found);
/* Whether a version of pyspark can use Spark Connect (3.5 or later); *known is false for "". */
bool python_pyspark_fits(const char *version, bool *known);
/* The interpreter of the pinned environment; false when it is not there or not whole. */
bool python_environment_find(char interpreter[PATH_MAX]);
/* Makes it when it is missing, showing progress on standard error; prints what went wrong and what to do. */
bool python_environment_make(char interpreter[PATH_MAX]);
/* For `file`, a program: the user's interpreter unless the program uses pyspark and that interpreter cannot run it;
 * then the pinned environment's, said in one sentence; else false after one sentence with the remedy. */
bool python_for_program(const char *file, char interpreter[PATH_MAX]);
/* For JupyterLab and its kernels: the user's when it has everything, else the pinned environment's, made when needed
 * unless `make` is false. False after a message. */
bool python_for_lab(bool make, char interpreter[PATH_MAX]);

#endif
