#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

// What reading one tree and writing another takes, and what the runtime calls by itself. No process, socket, mount,
// namespace, signal to others, or path by another program.
static const unsigned short allowed[] = {
    SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_copy_file_range, SYS_ftruncate, SYS_fallocate,
    SYS_openat, SYS_openat2, SYS_close, SYS_fstat, SYS_fstatfs, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_readlinkat,
    SYS_mkdirat, SYS_mknodat, SYS_linkat, SYS_symlinkat, SYS_unlinkat, SYS_fchown, SYS_fchownat, SYS_fchmod,
    SYS_fchmodat, SYS_utimensat, SYS_fsetxattr, SYS_fgetxattr, SYS_flistxattr, SYS_ioctl, SYS_fcntl, SYS_dup,
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_getrandom, SYS_clock_gettime,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigaction, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group,
    SYS_sched_yield, SYS_restart_syscall,
};

static int load_filter(void) {
    enum { count = sizeof allowed / sizeof *allowed };
    struct sock_filter program[count + 6];
    unsigned n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
#if defined(__x86_64__)
    const unsigned architecture = AUDIT_ARCH_X86_64;
#else
    const unsigned architecture = AUDIT_ARCH_AARCH64;
#endif
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++)
        program[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (unsigned char)(count - i), 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog filter = {.len = (unsigned short)n, .filter = program};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

int cordon_confine_walker(int empty_directory) {
    if (fchdir(empty_directory) < 0 || chroot(".") < 0) return -1;
    static const struct {
        __rlimit_resource_t resource;
        rlim_t limit;
    } limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_AS, 2ul << 30}, {RLIMIT_NPROC, 0}, {RLIMIT_MEMLOCK, 0}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit = {limits[i].limit, limits[i].limit};
        if (setrlimit(limits[i].resource, &limit) < 0) return -1;
    }
    // Each level of a tree is some of the stack, which grows up to the limit of the moment (getrlimit(2)); what is
    // mapped when a program starts leaves it 128 MiB (mmap_base in arch/x86/mm/mmap.c).
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) < 0) return -1;
    const rlim_t wanted = 64ul << 20;
    stack.rlim_cur = stack.rlim_max < wanted ? stack.rlim_max : wanted;
    if (setrlimit(RLIMIT_STACK, &stack) < 0) return -1;
    // Owners, modes and extended attributes of whatever is there; SYS_ADMIN for overlayfs' own (trusted.*, xattr(7)).
    const uint64_t kept = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID |
                          1ull << CAP_SETFCAP | 1ull << CAP_SYS_ADMIN;
    if (cordon_keep_only_capabilities(kept) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    return load_filter();
}

bool cordon_is_overlay(int file) {
    struct statfs status;
    return fstatfs(file, &status) == 0 && status.f_type == OVERLAYFS_SUPER_MAGIC;
}

int cordon_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }

ssize_t cordon_copy_range(int from, off_t offset, int to, size_t count) {
    off_t in = offset, out = offset;
    return copy_file_range(from, &in, to, &out, count, 0);
}

off_t cordon_next_data(int file, off_t offset) { return lseek(file, offset, SEEK_DATA); }
off_t cordon_next_hole(int file, off_t offset) { return lseek(file, offset, SEEK_HOLE); }

ssize_t cordon_list_attributes(int file, char *buffer, size_t size) { return flistxattr(file, buffer, size); }
ssize_t cordon_get_attribute(int file, const char *name, void *buffer, size_t size) {
    return fgetxattr(file, name, buffer, size);
}
int cordon_set_attribute(int file, const char *name, const void *value, size_t size) {
    return fsetxattr(file, name, value, size, 0);
}

int cordon_make_node(int directory, const char *name, mode_t mode) { return mknodat(directory, name, mode, 0); }
