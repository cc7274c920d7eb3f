/*
 * libipset as Swift sees it: sessions, their data, types and error codes. ipset_parse_line() is left out, since it ends
 * the process when the kernel refuses something.
 */
#ifndef SVCCTL_CIPSET_SHIM_H
#define SVCCTL_CIPSET_SHIM_H

#include <stddef.h>
#include <string.h>

#include <libipset/data.h>
#include <libipset/errcode.h>
#include <libipset/linux_ip_set.h>
#include <libipset/linux_ip_set_bitmap.h>
#include <libipset/linux_ip_set_hash.h>
#include <libipset/session.h>
#include <libipset/types.h>

/* Takes what a session would print. Swift cannot make functions with a variable number of arguments. */
static int cipset_print_nothing(struct ipset_session *session, void *context, const char *format, ...) {
    (void)session;
    (void)context;
    (void)format;
    return 0;
}

static inline struct ipset_session *cipset_open(void) { return ipset_session_init(cipset_print_nothing, NULL); }

/* The newest description of a type, whatever revision the kernel has; null if the library does not know it. */
static inline const struct ipset_type *cipset_type(const char *name) {
    const struct ipset_type *type = ipset_types();
    while (type != NULL && strcmp(type->name, name) != 0) type = type->next;
    return type;
}

#endif
