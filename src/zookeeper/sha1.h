/* sha1.h: SHA-1 (FIPS 180-4), for the form of ZooKeeper's digest ids and for nothing else: it is not fit to protect
 * anything. */
#ifndef ZOOKEEPER_SHA1_H
#define ZOOKEEPER_SHA1_H

#include "base/bytes.h"

void zk_sha1(struct bytes message, uint8_t out[20]);

#endif
