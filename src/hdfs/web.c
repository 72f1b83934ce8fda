#include "hdfs/hdfs_internal.h"
void hdfs_web_init(struct hdfs *hdfs) {
}
