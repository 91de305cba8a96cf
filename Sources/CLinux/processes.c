#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const uint64_t cordon_sandbox_namespaces =
    CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CORDON_NEWTIME;
const int cordon_clone_newns = CLONE_NEWNS;
const int cordon_clone_newuts = CLONE_NEWUTS;
const int cordon_clone_newcgroup = CLONE_NEWCGROUP;

pid_t cordon_clone(uint64_t flags, int cgroup) {
    struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

pid_t cordon_fork_sibling(void) {
    // With CLONE_PARENT there is no exit signal to choose: it is this process's own (clone(2)).
    struct clone_args arguments = {.flags = CLONE_PARENT};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

int cordon_unshare(int flags) { return unshare(flags); }
int cordon_setns(int fd, int type) { return setns(fd, type); }
int cordon_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int cordon_pidfd_kill(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
pid_t cordon_reap(pid_t pid, int *status) { return waitpid(pid, status, WNOHANG); }
int cordon_close_range(unsigned first, unsigned last) { return (int)syscall(SYS_close_range, first, last, 0); }
int cordon_join_fresh_session_keyring(void) {
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ? -1 : 0;
}
int cordon_set_parent_death_signal(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }
int cordon_set_dumpable(bool dumpable) { return prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0); }
int cordon_set_child_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }
int cordon_keep_capabilities_across_setuid(void) { return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); }

void cordon_wipe_command_line(char **argv, int argc, const char *name) {
    for (int i = 0; i < argc; i++)
        if (argv[i]) memset(argv[i], 0, strlen(argv[i]));
    prctl(PR_SET_NAME, name);
}

void cordon_set_fs_ids(uid_t uid, gid_t gid) {
    setfsgid(gid);
    setfsuid(uid);
}

int cordon_set_file_override(bool enabled) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    const uint32_t mask = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER;
    if (enabled)
        data[0].effective |= data[0].permitted & mask;
    else
        data[0].effective &= ~mask;
    return (int)syscall(SYS_capset, &header, data);
}

int cordon_account_to(uid_t user) { return setresuid(user, 0, 0); }

int cordon_keep_only_capabilities(uint64_t set) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (!(set >> capability & 1) && prctl(PR_CAPBSET_DROP, capability) < 0) return -1;
    for (int word = 0; word < 2; word++) {
        data[word].permitted &= (uint32_t)(set >> (32 * word));
        data[word].effective &= (uint32_t)(set >> (32 * word));
        data[word].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

pid_t cordon_spawn(const char *path, char *const argv[], char *const environment[], const int *fds, int count) {
    sigset_t none;
    sigemptyset(&none);
    const pid_t child = fork();
    if (child != 0) return child;
    setsid();
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int signal = 1; signal < 32; signal++) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    // Lift every descriptor above the range that they land in, so that no dup2 overwrites one.
    int lifted[32];
    if (count > 32) _exit(127);
    for (int i = 0; i < count; i++) {
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
        if (lifted[i] < 0) _exit(127);
    }
    for (int i = 0; i < count; i++)
        if (dup2(lifted[i], 3 + i) < 0) _exit(127);
    cordon_close_range(3 + (unsigned)count, ~0u);
    execve(path, argv, environment);
    _exit(127);
}

pid_t cordon_spawn_daemon(const char *path, char *const argv[], char *const environment[], int log) {
    const pid_t child = fork();
    if (child != 0) {
        if (child > 0) waitpid(child, NULL, 0);
        return child;
    }
    setsid();
    if (fork() != 0) _exit(0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int signal = 1; signal < 32; signal++) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    const int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(127);
    cordon_close_range(3, ~0u);
    execve(path, argv, environment);
    _exit(127);
}

int cordon_become(uid_t user, gid_t group) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) < 0) return -1;
    // Without an id of root's left, the capabilities in effect go too.
    if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0) return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int cordon_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    return limit.rlim_max > INT_MAX ? INT_MAX : (int)limit.rlim_max;
}

int cordon_lower_limits(void) {
    static const struct {
        __rlimit_resource_t resource;
        rlim_t soft, hard;
    } limits[] = {
        {RLIMIT_CORE, 0, 0},
        {RLIMIT_NOFILE, 16384, 1048576},
        {RLIMIT_MEMLOCK, 8 << 20, 8 << 20},
        {RLIMIT_MSGQUEUE, 819200, 819200},
        {RLIMIT_SIGPENDING, 8192, 8192},
        {RLIMIT_NICE, 0, 0},
        {RLIMIT_RTPRIO, 0, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        if (getrlimit(limits[i].resource, &limit) < 0) return -1;
        if (limit.rlim_max > limits[i].hard) limit.rlim_max = limits[i].hard;
        if (limit.rlim_cur > limits[i].soft) limit.rlim_cur = limits[i].soft;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        if (setrlimit(limits[i].resource, &limit) < 0) return -1;
    }
    return 0;
}

int cordon_set_hostname(const char *name) { return sethostname(name, strlen(name)); }

static int write_file(const char *path, const char *text, size_t length) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    const ssize_t written = write(file, text, length);
    const int error = errno;
    close(file);
    errno = error;
    return written == (ssize_t)length ? 0 : -1;
}

int cordon_user_namespace(uid_t base, unsigned count) {
    int up[2], down[2];
    if (pipe2(up, O_CLOEXEC) < 0) return -1;
    if (pipe2(down, O_CLOEXEC) < 0) {
        close(up[0]);
        close(up[1]);
        return -1;
    }
    const pid_t child = fork();
    if (child == 0) {
        close(up[0]);
        close(down[1]);
        char byte = 0;
        // The namespace's limits are counted against its owner: be the sandbox's own base id.
        if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 || setresgid(base, base, base) < 0 ||
            setresuid(base, base, base) < 0 || unshare(CLONE_NEWUSER) < 0)
            byte = 1;
        prctl(PR_SET_DUMPABLE, 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (write(up[1], &byte, 1) != 1 || read(down[0], &byte, 1) != 1) _exit(1);
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    int namespace = -1;
    int error = errno;
    if (child > 0) {
        char byte = 1, path[64], map[64];
        errno = EPERM;
        if (read(up[0], &byte, 1) == 1 && byte == 0) {
            const int length = snprintf(map, sizeof map, "0 %u %u", base, count);
            snprintf(path, sizeof path, "/proc/%d/uid_map", child);
            int mapped = write_file(path, map, (size_t)length);
            snprintf(path, sizeof path, "/proc/%d/gid_map", child);
            if (mapped == 0) mapped = write_file(path, map, (size_t)length);
            snprintf(path, sizeof path, "/proc/%d/ns/user", child);
            if (mapped == 0) namespace = open(path, O_RDONLY | O_CLOEXEC);
        }
        error = errno;
        if (write(down[1], &byte, 1) < 0) { /* the child is gone: reaped below */ }
        close(down[1]);
        close(up[0]);
        waitpid(child, NULL, 0);
    } else {
        close(down[1]);
        close(up[0]);
    }
    errno = error;
    return namespace;
}
