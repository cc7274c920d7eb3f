/*
 * libmnl and libnftnl as Swift sees them.
 *
 * <linux/netfilter.h> and <linux/in.h> stay out: they clash with the C library's <netinet/in.h> in one module.
 */
#ifndef SVCCTL_CNETFILTER_SHIM_H
#define SVCCTL_CNETFILTER_SHIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

/* glibc has these (the first two since 2.32), but shows them only under _GNU_SOURCE. */
extern const char *strerrorname_np(int error);
extern const char *strerrordesc_np(int error);
extern int pthread_setname_np(pthread_t thread, const char *name);

#endif
