/// Netlink as the kernel's headers define it, and sockets in network namespaces.
#ifndef CLINUX_NETLINK_H
#define CLINUX_NETLINK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>

/// A netlink socket of the current network namespace, close-on-exec, that gives errors in words too.
int cordon_netlink_open(int protocol);
/// Joins a multicast group.
int cordon_netlink_join(int socket, unsigned group);
/// The number of the socket's own address.
uint32_t cordon_netlink_port(int socket);
/// Receives one datagram without waiting when `wait` is false; -1 with ENOMSG when it isn't the kernel's.
ssize_t cordon_netlink_receive(int socket, void *buffer, size_t size, bool wait);

extern const int cordon_clone_newnet;
/// Whether the descriptor is a network namespace (ioctl_ns(2)).
bool cordon_is_network_namespace(int fd);

/// A socket bound to an address and port, non-blocking, close-on-exec; listening when it is a stream's.
/// `address` has 4 or 16 bytes. Port sharing (SO_REUSEPORT) lets a successor be bound beside it.
int cordon_bound_socket(int type, const uint8_t *address, unsigned length, uint16_t port, bool sharing);
/// Shared lock of a file (flock(2)), without waiting.
int cordon_lock_shared(int fd);
uint32_t cordon_interface_index(const char *name);

#endif
