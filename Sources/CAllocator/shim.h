/* The settings of glibc's allocator, which Swift's Glibc module leaves out. */
#ifndef SVCCTL_CALLOCATOR_SHIM_H
#define SVCCTL_CALLOCATOR_SHIM_H

#include <malloc.h>

#endif
