/* sort_rows.h: the order of rows by their keys. */
#ifndef EXEC_SORT_ROWS_H
#define EXEC_SORT_ROWS_H

#include "exec/keys.h"

/* Fills indexes (row_count long) with the rows in the order of their keys; equal ones keep their order. */
void sort_rows(const struct keys *keys, uint32_t *indexes);

#endif
