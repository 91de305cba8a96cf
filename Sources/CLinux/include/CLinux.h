/// The kernel as Cordon needs it and Swift's Glibc module lacks it.
///
/// Unless it says otherwise a function returns -1 with errno set on failure. Nothing here keeps
/// state, allocates memory or takes a lock, so all of it may be called between fork and exec.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <linux/mount.h>

#include "netlink.h"
#include "sandbox_init.h"

// MARK: Processes and namespaces

/// clone(2) without a new stack, like fork: 0 in the child. `cgroup` is a v2 group's directory
/// for the child, or -1. `flags` are the CLONE_NEW* bits (clone3 takes CLONE_NEWTIME too).
pid_t cordon_clone(uint64_t flags, int cgroup);
/// As fork, but the child is one of this process's own parent, which reaps it.
pid_t cordon_fork_sibling(void);
int cordon_unshare(int flags);
int cordon_setns(int fd, int type);
int cordon_pidfd_open(pid_t pid);
int cordon_pidfd_kill(int pidfd, int signal);
/// The raw wait status in `*status` once the child is dead; 0 while it lives, its pid after.
pid_t cordon_reap(pid_t pid, int *status);
int cordon_close_range(unsigned first, unsigned last);
int cordon_join_fresh_session_keyring(void);
int cordon_set_parent_death_signal(int signal);
int cordon_set_dumpable(bool dumpable);
int cordon_set_child_subreaper(void);
/// Names the calling thread, as /proc shows it; 15 bytes.
int cordon_name_thread(const char *name);
/// SECBIT_NO_SETUID_FIXUP: a change of user ids leaves capabilities alone.
int cordon_keep_capabilities_across_setuid(void);
/// Overwrites the command line and name that /proc shows of this process.
void cordon_wipe_command_line(char **argv, int argc, const char *name);
void cordon_set_fs_ids(uid_t uid, gid_t gid);
/// Drops CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER from the effective set, or raises
/// what is permitted of them again.
int cordon_set_file_override(bool enabled);
/// Makes `user` the real user id alone: what the kernel counts by user, it counts there.
int cordon_account_to(uid_t user);
/// Gives up every capability but those of `set`, for good.
int cordon_keep_only_capabilities(uint64_t set);
/// fork + exec of `path`: descriptor i of `fds` becomes 3 + i; all others are closed. The child has
/// a session of its own, no signal blocked, and an empty environment but for `environment`.
pid_t cordon_spawn(const char *path, char *const argv[], char *const environment[], const int *fds, int count);
/// As `cordon_spawn`, but nobody's child: the program's parent is init, its input empty, its output
/// and errors in `log`.
pid_t cordon_spawn_daemon(const char *path, char *const argv[], char *const environment[], int log);
/// Becomes a user without any right of root's, for good, in every thread.
int cordon_become(uid_t user, gid_t group);
/// A user namespace with ids 0..<count mapped to base..<base+count, owned by `base`. Its descriptor.
int cordon_user_namespace(uid_t base, unsigned count);

#define CORDON_NEWTIME 0x00000080
extern const uint64_t cordon_sandbox_namespaces;
extern const int cordon_clone_newns, cordon_clone_newuts, cordon_clone_newcgroup;

/// Allows this process as many open files as it may have without asking for more rights; how many that is.
int cordon_raise_descriptor_limit(void);
/// Lowers this process's limits to what a sandbox's processes may have; never raises one.
int cordon_lower_limits(void);
int cordon_set_hostname(const char *name);

// MARK: Programs that serve sandboxes from outside

/// New pid, mount, ipc, uts and cgroup namespaces.
extern const uint64_t cordon_program_namespaces;
/// The number by which such a program's children have the device that it serves; high, since programs place
/// descriptors of their own from 3 on.
enum { cordon_device_number = 200 };
/// Has a program of the kernel's judge where sockets of processes in a v2 group, by its directory, may connect and send
/// to (bpf(2), BPF_PROG_TYPE_CGROUP_SOCK_ADDR), for IPv4 or IPv6.
int cordon_attach_address_filter(int group, bool v6, const uint64_t *instructions, unsigned count);
/// Becomes a program without any right: another user, no capability, `no_new_privs`, a filter without namespaces, mounts,
/// tracing and sockets but TCP's and UDP's. It has `/dev/null` as 0 and 1, `errors` as 2, `device` as
/// `cordon_device_number` unless that is negative, and no other descriptor. Returns only where that fails.
int cordon_exec_confined(
    const char *path, char *const argv[], char *const environment[], uid_t user, int errors, int device);

// MARK: Mounts

int cordon_open_tree(int directory, const char *path, bool clone, bool recursive);
int cordon_move_mount(int mount, int target_directory, const char *target);
int cordon_mount_set(int directory, const char *path, uint64_t set, int user_namespace, bool recursive);
/// Makes every mount of this namespace private, or a slave that still receives the host's.
int cordon_mount_propagation(bool slave);
int cordon_fsopen(const char *type);
int cordon_fsconfig_string(int context, const char *key, const char *value);
int cordon_fsconfig_flag(int context, const char *key);
int cordon_fsconfig_fd(int context, const char *key, int fd);
int cordon_fsconfig_create(int context);
int cordon_fsmount(int context, uint64_t attributes);
/// Reads the kernel's own words about the last failure on a context; 0 when there are none.
ssize_t cordon_fs_message(int context, char *buffer, size_t size);
int cordon_pivot_root_here(void);
int cordon_detach(const char *path);
/// The id of the mount whose root `name` below `directory` (itself for an empty one) is, without following a link
/// (statx(2)); 0 when it is no mount's root.
uint64_t cordon_mount_id(int directory, const char *name);
/// Unmounts what is mounted at a name of the working directory; -1 with EBUSY while it is used.
int cordon_unmount_here(const char *name);
/// mount(2) of an overlay, nosuid and nodev.
int cordon_classic_overlay(const char *target, const char *options);
/// A directory as a handle (O_PATH).
int cordon_open_handle(int directory, const char *path);

enum {
    CORDON_RESOLVE_IN_ROOT = 0x10,
    CORDON_RESOLVE_BENEATH = 0x08,
    CORDON_RESOLVE_NO_SYMLINKS = 0x04,
    CORDON_RESOLVE_NO_MAGICLINKS = 0x02,
    CORDON_RESOLVE_NO_XDEV = 0x01,
};
extern const int cordon_o_path;
int cordon_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int cordon_make_device(int directory, const char *name, unsigned major, unsigned minor);
int cordon_open(int directory, const char *path, int flags, mode_t mode);

// MARK: Loop devices (loop(4))

/// Shows a file as a block device, which goes by itself once nobody has it open and nothing of it is mounted.
/// Its descriptor; its number in `*number`. `label` is what it is known by, at most 63 bytes.
int cordon_loop_attach(int file, const char *label, int *number);
/// Opens the device of that number, whatever it shows.
int cordon_loop_open(int number);
/// Whether a device shows this very file.
bool cordon_loop_shows(int loop, int file);
/// Gives a file system up: from here on nothing is written to what it lies on. ext4 and xfs.
int cordon_shut_file_system_down(int directory);

// MARK: Walking trees

/// Leaves this process what reading one tree and writing another takes, for good: system calls by a list, a root
/// that is `empty_directory`, capabilities over files alone. It reaches what it has open; directories should be
/// clones of mounts, whose `..` leads nowhere.
int cordon_confine_walker(int empty_directory);
/// Whether a file lies on an overlay (statfs(2)).
bool cordon_is_overlay(int file);
/// Shares a file's blocks (FICLONE, ioctl_ficlone(2)); -1 where the file system can't.
int cordon_clone_file(int from, int to);
/// copy_file_range(2) at the same offset of both.
ssize_t cordon_copy_range(int from, off_t offset, int to, size_t count);
/// Where data goes on, or stops, from `offset` on (lseek(2), SEEK_DATA and SEEK_HOLE); -1 with ENXIO when none follows.
off_t cordon_next_data(int file, off_t offset);
off_t cordon_next_hole(int file, off_t offset);
ssize_t cordon_list_attributes(int file, char *buffer, size_t size);
ssize_t cordon_get_attribute(int file, const char *name, void *buffer, size_t size);
int cordon_set_attribute(int file, const char *name, const void *value, size_t size);
/// mknodat(2) of what has no device number: a FIFO, or overlayfs' whiteout (a character device 0/0).
int cordon_make_node(int directory, const char *name, mode_t mode);

// MARK: Network

/// Brings the loopback interface of this network namespace up.
int cordon_loopback_up(void);
/// A TCP socket that belongs to another network namespace, close-on-exec and non-blocking; the calling thread is back in
/// `home`, its own, when this returns. A thread that can't get back ends the process.
int cordon_tcp_socket_in(int network_namespace, int home, int family);
/// Whether a process has ended, by its pidfd.
bool cordon_pidfd_is_dead(int pidfd);
/// Begins to connect a non-blocking TCP socket of `family` (AF_INET, AF_INET6) to a port of its namespace's loopback
/// address: 0 when it is connected already, -1 with EINPROGRESS while it is under way.
int cordon_connect_loopback(int socket, int family, uint16_t port);
/// A TCP listener at an address of 4 or 16 bytes, non-blocking; an IPv6 one takes no IPv4 clients.
int cordon_tcp_listen(const uint8_t *address, int length, uint16_t port, int backlog);
/// Accepts a connection, non-blocking; the client's address goes into 16 bytes, its length into `*length`.
int cordon_tcp_accept(int listener, uint8_t *address, int *length);
/// Small pieces go at once, and a peer that is gone without a word is found out in some minutes.
int cordon_tcp_prepare(int socket);
/// Whether closing the socket, by whatever, tells its peer that something went wrong (RST).
void cordon_tcp_reset_on_close(int socket, bool resets);
/// Tells the peer that nothing more comes (FIN).
int cordon_shut_sending(int socket);
/// A pipe, close-on-exec and non-blocking at both ends.
int cordon_pipe_nonblocking(int pipe[2]);
/// splice(2) between a socket and a pipe, never blocking: 0 at the end of data, -1 with EAGAIN when there is none now, or no room.
ssize_t cordon_splice(int from, int to, size_t count);
/// What became of a connection under way: 0, or the errno that it failed with.
int cordon_socket_error(int socket);

// MARK: Descriptors

/// A second descriptor of the same open file, close-on-exec.
int cordon_duplicate(int fd);
int cordon_socketpair(int type, int pair[2]);
int cordon_listen_unix(const char *path);
int cordon_connect_unix(const char *path);
int cordon_accept(int listener);
/// Sends bytes with descriptors (SCM_RIGHTS); the number of bytes sent.
ssize_t cordon_send(int socket, const void *bytes, size_t count, const int *fds, int fd_count);
/// Receives bytes with at most `*fd_count` descriptors, all close-on-exec; sets `*fd_count`.
ssize_t cordon_receive(int socket, void *bytes, size_t size, int *fds, int *fd_count);
/// The process at the other end of a unix socket when it connected.
int cordon_peer(int socket, pid_t *pid, uid_t *uid);
int cordon_epoll_create(void);
/// `tag` comes back with the descriptor's events: the loop knows stale ones by it.
int cordon_epoll_set(int epoll, int operation, int fd, uint32_t events, uint64_t tag);
int cordon_boottime_timer(void);
/// Arms the timer for an absolute CLOCK_BOOTTIME in nanoseconds; 0 disarms it.
int cordon_timer_at(int timer, uint64_t nanoseconds);
uint64_t cordon_boottime_ns(void);
int cordon_signal_descriptor(void);
/// A pipe, close-on-exec; the end that stays here is non-blocking.
int cordon_pipe(int pipe[2], bool keep_reader);
int cordon_set_pipe_size(int pipe, int bytes);
int cordon_memory_file(const char *name);
/// A copy of the program at `path` in a memory file that nobody can ever change, whoever opens it, and
/// that only root can read (so that who runs it can't be traced: ptrace(2), "dumpable"). Read-only.
int cordon_sealed_program(const char *path, const char *name);
/// splice(2) from a pipe to a file's offset without blocking on the pipe.
ssize_t cordon_splice_to_file(int pipe, int file, off_t offset, size_t count);
int cordon_set_nonblocking(int fd);
int cordon_set_blocking(int fd);
/// Blocking again, but sends give up after a second.
int cordon_set_blocking_with_timeout(int socket);
/// How many bytes a pipe holds; -1 when none and every writer has closed it.
int cordon_pipe_fill(int pipe);

/// Whether a directory is the root of a devpts instance.
bool cordon_is_devpts(int directory);
/// Opens a new terminal of the devpts instance whose root is `devpts`: its master, non-blocking, and its
/// slave, neither of which becomes anybody's controlling terminal. The slave's inode belongs to the file
/// system user id. -1 with errno: ENOSPC when the instance or the host has no more terminals.
int cordon_terminal_open(int devpts, uint16_t rows, uint16_t columns, int *slave);
/// Sets a terminal's size; its foreground process group gets SIGWINCH when it changes.
int cordon_terminal_resize(int master, uint16_t rows, uint16_t columns);
/// How many bytes of output a master has to read; -1 when none and nobody holds the slave.
int cordon_terminal_fill(int master);
/// How often `*character` must be typed now for a reader to see the end of input: behind an unfinished
/// line the first only ends the line (termios(3), VEOF). -1 when the terminal is gone.
int cordon_terminal_end_of_input(int master, bool amid_line, uint8_t *character);
/// Gives the blocks of a range of a file back (fallocate(2)).
int cordon_punch_hole(int file, off_t offset, off_t length);
int cordon_lock_exclusive(int fd, bool wait);
/// getdents64(2): the number of bytes of entries.
ssize_t cordon_directory_entries(int directory, void *buffer, size_t size);
/// Writes a whole file system's dirty pages to the disk (syncfs(2)).
int cordon_sync_file_system(int fd);
/// Tells the file system that the directories in this one have nothing to do with each other, and may lie apart
/// (chattr(1), T). Not every file system listens.
int cordon_spread_directories(int directory);
int cordon_rename_noreplace(int from, const char *old, int to, const char *name);
extern const uint32_t cordon_epoll_in, cordon_epoll_out, cordon_epoll_hup, cordon_epoll_err;

// MARK: Shared memory words

/// Loads and stores of words that another process reads: acquire and release order.
static inline uint64_t cordon_load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void cordon_store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

#endif
