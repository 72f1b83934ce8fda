/* namenode_data.h: the NameNode as JSON: what its pages and /jmx are made of. Disk pool. */
#ifndef CONSOLE_NAMENODE_DATA_H
#define CONSOLE_NAMENODE_DATA_H

#include "console/page.h"

/* The version that HDFS clients are told in tables of theirs. */
#define HADOOP_VERSION "3.5.0"

/* Fills page->data with what the NameNode is and has; "error" when it does not run. */
void namenode_gather_overview(struct page *page);
/* page->text: a path. {"path", "entries"} or {"path", "file"} or {"path", "error"} with page->status 404; "remaining":
 * entries that are not shown. For the plain HTML. */
void namenode_gather_folder(struct page *page);
/* The same with search, order and paging of page->rows; names of folders come first. */
void namenode_gather_rows(struct page *page);
void namenode_gather_jmx(struct page *page); /* page->text: the bean wanted, or NULL */

#endif
