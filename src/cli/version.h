/* version.h: the program's version, given by the build. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#ifndef RAUDAL_VERSION
#define RAUDAL_VERSION "0.1.0"
#endif

#endif
