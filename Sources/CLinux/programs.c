#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

const uint64_t cordon_program_namespaces =
    CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

int cordon_attach_address_filter(int group, bool v6, const uint64_t *instructions, unsigned count) {
    // A program is loaded for the one place that it is attached at: connect(2), and sends without it.
    const unsigned hooks[2][2] = {
        {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_UDP4_SENDMSG}, {BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP6_SENDMSG}};
    for (int i = 0; i < 2; i++) {
        union bpf_attr load = {
            .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
            .insn_cnt = count,
            .insns = (uint64_t)(uintptr_t)instructions,
            .license = (uint64_t)(uintptr_t) "Apache-2.0",
            .expected_attach_type = hooks[v6][i],
        };
        const int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
        if (program < 0) return -1;
        union bpf_attr attach = {
            .target_fd = (unsigned)group, .attach_bpf_fd = (unsigned)program, .attach_type = hooks[v6][i]};
        const int result = (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
        const int error = errno;
        close(program);
        errno = error;
        if (result < 0) return -1;
    }
    return 0;
}

// What a program that serves a file system over the network has no use for, and from where the kernel was attacked.
static const unsigned short refused[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_bpf, SYS_perf_event_open,
    SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_setup, SYS_keyctl,
    SYS_add_key, SYS_request_key, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount,
    SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_setns, SYS_unshare,
    SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_init_module, SYS_finit_module, SYS_delete_module,
    SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_acct, SYS_settimeofday, SYS_clock_settime,
    SYS_adjtimex, SYS_personality, SYS_vhangup, SYS_syslog, SYS_fanotify_init, SYS_lookup_dcookie, SYS_mbind,
    SYS_migrate_pages, SYS_move_pages, SYS_vmsplice, SYS_listen, SYS_accept, SYS_accept4,
};

static int load_filter(void) {
    enum { count = sizeof refused / sizeof *refused };
    struct sock_filter program[count + 40];
    unsigned n = 0;
#define LOAD(field) program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value)
#define EQUAL(value, skipped) program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skipped, 0)
#define UNLESS(value, skipped) program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped)
    LOAD(arch);
#if defined(__x86_64__)
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
#else
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 1, 0);
#endif
    RETURN(SECCOMP_RET_KILL_PROCESS);
    LOAD(nr);
#if defined(__x86_64__)
    // x32 calls have numbers of their own.
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    RETURN(SECCOMP_RET_ERRNO | ENOSYS);
#endif
    // Its flags can't be seen: the C library and Go's take clone then.
    UNLESS(SYS_clone3, 1);
    RETURN(SECCOMP_RET_ERRNO | ENOSYS);
    // No namespace of its own, which would give it capabilities.
    UNLESS(SYS_clone, 4);
    LOAD(args[0]);
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1);
    RETURN(SECCOMP_RET_ERRNO | EPERM);
    RETURN(SECCOMP_RET_ALLOW);
    // TCP and UDP alone: what reaches other programs of the host, or its kernel, stays shut, and so do protocols whose
    // connections the kernel doesn't judge by address.
    UNLESS(SYS_socket, 14);
    LOAD(args[0]);
    EQUAL(AF_INET, 2);
    EQUAL(AF_INET6, 1);
    RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    LOAD(args[1]);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf);
    EQUAL(SOCK_STREAM, 2);
    EQUAL(SOCK_DGRAM, 1);
    RETURN(SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
    LOAD(args[2]);
    EQUAL(0, 3);
    EQUAL(IPPROTO_TCP, 2);
    EQUAL(IPPROTO_UDP, 1);
    RETURN(SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
    LOAD(nr);
    for (unsigned i = 0; i < count; i++)
        program[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, refused[i], (unsigned char)(count - i), 0);
    RETURN(SECCOMP_RET_ALLOW);
    RETURN(SECCOMP_RET_ERRNO | EPERM);
#undef LOAD
#undef RETURN
#undef UNLESS
#undef EQUAL
    const struct sock_fprog filter = {.len = (unsigned short)n, .filter = program};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

int cordon_exec_confined(
    const char *path, char *const argv[], char *const environment[], uid_t user, int errors, int device) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int signal = 1; signal < 32; signal++) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int second = fcntl(errors, F_DUPFD_CLOEXEC, cordon_device_number + 1);
    const int first = fcntl(device < 0 ? null : device, F_DUPFD_CLOEXEC, cordon_device_number + 1);
    if (null < 0 || first < 0 || second < 0) return -1;
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(second, 2) < 0) return -1;
    if (device >= 0 && dup2(first, cordon_device_number) < 0) return -1;
    cordon_close_range(3, cordon_device_number - (device < 0 ? 0 : 1));
    cordon_close_range(cordon_device_number + 1, ~0u);
    static const struct {
        __rlimit_resource_t resource;
        rlim_t limit;
    } limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, 4096}, {RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct rlimit limit = {limits[i].limit, limits[i].limit};
        if (setrlimit(limits[i].resource, &limit) < 0) return -1;
    }
    if (cordon_join_fresh_session_keyring() < 0 || cordon_become(user, user) < 0 || load_filter() < 0) return -1;
    return execve(path, argv, environment);
}
