/*
 * Linux calls that the C library declares for _GNU_SOURCE only, which Swift's Glibc module does not define.
 * Each returns -1 and sets errno on failure. Used by tests only.
 */
#ifndef SVCCTL_CNAMESPACES_SHIM_H
#define SVCCTL_CNAMESPACES_SHIM_H

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/memfd.h>
#include <linux/sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Gives the calling thread a new network namespace: unshare(2). */
static inline int thread_unshare_network(void) { return (int)syscall(SYS_unshare, CLONE_NEWNET); }

/* Moves the calling thread into a network namespace: setns(2). */
static inline int thread_enter_network(int descriptor) { return (int)syscall(SYS_setns, descriptor, CLONE_NEWNET); }

/* Takes all capabilities from the calling thread, for good: capset(2). */
static inline int thread_drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return (int)syscall(SYS_capset, &header, none);
}

/* A file in memory, closed on exec: memfd_create(2). */
static inline int memory_file(const char *name) { return (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC); }

/* Accepts a connection; non-blocking, closed on exec: accept4(2). */
static inline int accept_nonblocking(int descriptor) {
    return (int)syscall(SYS_accept4, descriptor, (void *)0, (void *)0, O_NONBLOCK | O_CLOEXEC);
}

/* A counter that makes a poll(2) end, closed on exec: eventfd2(2). */
static inline int wake_up_counter(void) { return (int)syscall(SYS_eventfd2, 0, O_CLOEXEC | O_NONBLOCK); }

/* In the child, closes all descriptors from a number on: posix_spawn_file_actions_addclosefrom_np(3), glibc 2.34. */
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
static inline int spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

#endif
