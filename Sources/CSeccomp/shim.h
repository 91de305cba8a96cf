#ifndef CORDON_CSECCOMP_SHIM_H
#define CORDON_CSECCOMP_SHIM_H

#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

/// An anonymous file for seccomp_export_bpf(3) to write to; the caller owns the descriptor. -1 and errno on failure.
/// The Glibc module lacks memfd_create(2), and seccomp_export_bpf_mem(3) only came with libseccomp 2.6.
static inline int cordon_seccomp_memfd(void) {
    return (int)syscall(SYS_memfd_create, "seccomp", 1u /* MFD_CLOEXEC */);
}

#endif
