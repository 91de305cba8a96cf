#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// In no header before glibc 2.38.
enum { CORDON_MFD_EXEC = 0x10, CORDON_SEAL_EXEC = 0x20 };

const uint32_t cordon_epoll_in = EPOLLIN;
const uint32_t cordon_epoll_out = EPOLLOUT;
const uint32_t cordon_epoll_hup = EPOLLHUP | EPOLLRDHUP;
const uint32_t cordon_epoll_err = EPOLLERR;

int cordon_loopback_up(void) {
    const int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return -1;
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    strcpy(request.ifr_name, "lo");
    const int result = ioctl(socket_, SIOCSIFFLAGS, &request);
    const int error = errno;
    close(socket_);
    errno = error;
    return result;
}

int cordon_tcp_socket_in(int network_namespace, int home, int family) {
    if (setns(network_namespace, CLONE_NEWNET) < 0) return -1;
    const int result = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int error = errno;
    if (setns(home, CLONE_NEWNET) < 0) abort();
    errno = error;
    return result;
}

bool cordon_pidfd_is_dead(int pidfd) {
    struct pollfd state = {.fd = pidfd, .events = POLLIN};
    return poll(&state, 1, 0) != 0;
}

int cordon_connect_loopback(int socket, int family, uint16_t port) {
    if (family == AF_INET6) {
        const struct sockaddr_in6 name = {
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        return connect(socket, (const struct sockaddr *)&name, sizeof name);
    }
    const struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    return connect(socket, (const struct sockaddr *)&name, sizeof name);
}

int cordon_tcp_listen(const uint8_t *address, int length, uint16_t port, int backlog) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (length == 16)
        memcpy(&six.sin6_addr, address, 16);
    else
        memcpy(&four.sin_addr, address, 4);
    const struct sockaddr *name = length == 16 ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
    const int listener = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -1;
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (length == 16) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(listener, name, length == 16 ? sizeof six : sizeof four) < 0 || listen(listener, backlog) < 0) {
        const int error = errno;
        close(listener);
        errno = error;
        return -1;
    }
    return listener;
}

int cordon_tcp_accept(int listener, uint8_t *address, int *length) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    const int client = accept4(listener, (struct sockaddr *)&name, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) return -1;
    *length = name.ss_family == AF_INET6 ? 16 : 4;
    if (name.ss_family == AF_INET6)
        memcpy(address, &((struct sockaddr_in6 *)&name)->sin6_addr, 16);
    else
        memcpy(address, &((struct sockaddr_in *)&name)->sin_addr, 4);
    return client;
}

int cordon_tcp_prepare(int socket) {
    const int on = 1, idle = 120, interval = 30, count = 4;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    return setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void cordon_tcp_reset_on_close(int socket, bool resets) {
    const struct linger none = {.l_onoff = resets, .l_linger = 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

int cordon_shut_sending(int socket) { return shutdown(socket, SHUT_WR); }
int cordon_pipe_nonblocking(int pipe[2]) { return pipe2(pipe, O_CLOEXEC | O_NONBLOCK); }
ssize_t cordon_splice(int from, int to, size_t count) {
    ssize_t moved;
    do moved = splice(from, NULL, to, NULL, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (moved < 0 && errno == EINTR);
    return moved;
}

int cordon_socket_error(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

int cordon_name_thread(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int cordon_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }
int cordon_socketpair(int type, int pair[2]) { return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair); }

static int address(const char *path, struct sockaddr_un *name) {
    if (strlen(path) >= sizeof name->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    name->sun_family = AF_UNIX;
    strcpy(name->sun_path, path);
    return 0;
}

int cordon_listen_unix(const char *path) {
    struct sockaddr_un name = {0};
    if (address(path, &name) < 0) return -1;
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -1;
    if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 64) < 0) {
        const int error = errno;
        close(listener);
        errno = error;
        return -1;
    }
    return listener;
}

int cordon_connect_unix(const char *path) {
    struct sockaddr_un name = {0};
    if (address(path, &name) < 0) return -1;
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0) return -1;
    if (connect(client, (struct sockaddr *)&name, sizeof name) < 0) {
        const int error = errno;
        close(client);
        errno = error;
        return -1;
    }
    return client;
}

int cordon_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

ssize_t cordon_send(int socket, const void *bytes, size_t count, const int *fds, int fd_count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    if (fd_count > 16) {
        errno = EINVAL;
        return -1;
    }
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t cordon_receive(int socket, void *bytes, size_t size, int *fds, int *fd_count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    const int capacity = fd_count ? *fd_count : 0;
    if (fd_count) *fd_count = 0;
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        int got[16];
        memcpy(got, CMSG_DATA(header), (size_t)count * sizeof(int));
        for (int i = 0; i < count; i++) {
            if (fd_count && *fd_count < capacity)
                fds[(*fd_count)++] = got[i];
            else
                close(got[i]);
        }
    }
    return received;
}

int cordon_peer(int socket, pid_t *pid, uid_t *uid) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -1;
    *pid = peer.pid;
    *uid = peer.uid;
    return 0;
}

int cordon_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
int cordon_epoll_set(int epoll, int operation, int fd, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return epoll_ctl(epoll, operation, fd, &event);
}

int cordon_boottime_timer(void) { return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK); }
int cordon_timer_at(int timer, uint64_t nanoseconds) {
    struct itimerspec when = {.it_value = {
                                  .tv_sec = (time_t)(nanoseconds / 1000000000),
                                  .tv_nsec = (long)(nanoseconds % 1000000000),
                              }};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}
uint64_t cordon_boottime_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int cordon_signal_descriptor(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cordon_pipe(int pipe[2], bool keep_reader) {
    if (pipe2(pipe, O_CLOEXEC) < 0) return -1;
    return fcntl(pipe[keep_reader ? 0 : 1], F_SETFL, O_NONBLOCK | (keep_reader ? O_RDONLY : O_WRONLY));
}
int cordon_set_pipe_size(int pipe, int bytes) { return fcntl(pipe, F_SETPIPE_SZ, bytes); }
int cordon_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

static int copy_sealed(int source, int memory) {
    static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    struct stat status;
    if (fstat(source, &status) < 0) return -1;
    for (off_t left = status.st_size; left > 0;) {
        const ssize_t count = sendfile(memory, source, NULL, (size_t)left);
        if (count <= 0) return -1;
        left -= count;
    }
    if (fchmod(memory, 0111) < 0) return -1;
    // The mode too, where the kernel can (6.3).
    fcntl(memory, F_ADD_SEALS, CORDON_SEAL_EXEC);
    if (fcntl(memory, F_ADD_SEALS, seals | F_SEAL_SEAL) < 0) return -1;
    // Only to be read and run: one that can be written can't be executed.
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int cordon_sealed_program(const char *path, const char *name) {
    const int source = open(path, O_RDONLY | O_CLOEXEC);
    if (source < 0) return -1;
    // Kernels before 6.3 don't know the flag, and need none.
    int memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | CORDON_MFD_EXEC);
    if (memory < 0) memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const int program = memory < 0 ? -1 : copy_sealed(source, memory);
    const int error = errno;
    close(source);
    if (memory >= 0) close(memory);
    errno = error;
    return program;
}
ssize_t cordon_splice_to_file(int pipe, int file, off_t offset, size_t count) {
    loff_t at = offset;
    return splice(pipe, NULL, file, &at, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}
int cordon_set_nonblocking(int fd) { return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }
int cordon_set_blocking(int fd) { return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); }
int cordon_set_blocking_with_timeout(int socket) {
    const struct timeval second = {.tv_sec = 1};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    return fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
}
int cordon_pipe_fill(int pipe) {
    int count = 0;
    if (ioctl(pipe, FIONREAD, &count) < 0) return -1;
    if (count > 0) return count;
    struct pollfd state = {.fd = pipe, .events = POLLIN};
    return poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) && !(state.revents & POLLIN) ? -1 : 0;
}
int cordon_punch_hole(int file, off_t offset, off_t length) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}
int cordon_lock_exclusive(int fd, bool wait) { return flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)); }
ssize_t cordon_directory_entries(int directory, void *buffer, size_t size) {
    return syscall(SYS_getdents64, directory, buffer, size);
}
int cordon_rename_noreplace(int from, const char *old, int to, const char *name) {
    return renameat2(from, old, to, name, RENAME_NOREPLACE);
}
int cordon_spread_directories(int directory) {
    int flags;
    if (ioctl(directory, FS_IOC_GETFLAGS, &flags) < 0) return -1;
    if (flags & FS_TOPDIR_FL) return 0;
    flags |= FS_TOPDIR_FL;
    return ioctl(directory, FS_IOC_SETFLAGS, &flags);
}
int cordon_sync_file_system(int fd) { return syncfs(fd); }
