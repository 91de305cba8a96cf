#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const int cordon_clone_newnet = CLONE_NEWNET;

static int fail(int fd) {
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int cordon_netlink_open(int protocol) {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) return -1;
    struct sockaddr_nl name = {.nl_family = AF_NETLINK};
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) return fail(fd);
    const int on = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return fd;
}

int cordon_netlink_join(int socket, unsigned group) {
    return setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
}

uint32_t cordon_netlink_port(int socket) {
    struct sockaddr_nl name = {0};
    socklen_t size = sizeof name;
    return getsockname(socket, (struct sockaddr *)&name, &size) < 0 ? 0 : name.nl_pid;
}

ssize_t cordon_netlink_receive(int socket, void *buffer, size_t size, bool wait) {
    struct sockaddr_nl from = {0};
    struct iovec vector = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
    const ssize_t count = recvmsg(socket, &message, wait ? 0 : MSG_DONTWAIT);
    if (count < 0) return -1;
    if (message.msg_flags & MSG_TRUNC) {
        errno = EMSGSIZE;
        return -1;
    }
    // Another process may send to us; the kernel alone has port 0.
    if (from.nl_pid != 0) {
        errno = ENOMSG;
        return -1;
    }
    return count;
}

bool cordon_is_network_namespace(int fd) { return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET; }

int cordon_bound_socket(int type, const uint8_t *address, unsigned length, uint16_t port, bool sharing) {
    const int family = length == 16 ? AF_INET6 : AF_INET;
    const int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return fail(fd);
    if (sharing && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) return fail(fd);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int bound;
    if (family == AF_INET) {
        memcpy(&v4.sin_addr, address, 4);
        bound = bind(fd, (struct sockaddr *)&v4, sizeof v4);
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        memcpy(&v6.sin6_addr, address, 16);
        bound = bind(fd, (struct sockaddr *)&v6, sizeof v6);
    }
    if (bound < 0) return fail(fd);
    if (type == SOCK_STREAM && listen(fd, 1024) < 0) return fail(fd);
    return fd;
}

int cordon_lock_shared(int fd) { return flock(fd, LOCK_SH | LOCK_NB); }
uint32_t cordon_interface_index(const char *name) { return if_nametoindex(name); }
