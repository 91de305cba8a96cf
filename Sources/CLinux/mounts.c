#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int cordon_open_tree(int directory, const char *path, bool clone, bool recursive) {
    unsigned flags = OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    if (clone) flags |= OPEN_TREE_CLONE;
    if (recursive) flags |= AT_RECURSIVE;
    return (int)syscall(SYS_open_tree, directory, path, flags);
}

int cordon_move_mount(int mount, int target_directory, const char *target) {
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH;
    if (target[0] == 0) flags |= MOVE_MOUNT_T_EMPTY_PATH;
    return (int)syscall(SYS_move_mount, mount, "", target_directory, target, flags);
}

int cordon_mount_set(int directory, const char *path, uint64_t set, int user_namespace, bool recursive) {
    struct mount_attr attributes = {.attr_set = set};
    if (user_namespace >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = (uint64_t)user_namespace;
    }
    const unsigned flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0);
    return (int)syscall(SYS_mount_setattr, directory, path, flags, &attributes, sizeof attributes);
}

int cordon_mount_propagation(bool slave) {
    struct mount_attr attributes = {.propagation = slave ? MS_SLAVE : MS_PRIVATE};
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes);
}

int cordon_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }
int cordon_fsconfig_string(int context, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0);
}
int cordon_fsconfig_flag(int context, const char *key) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key, NULL, 0);
}
int cordon_fsconfig_fd(int context, const char *key, int fd) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_FD, key, NULL, fd);
}
int cordon_fsconfig_create(int context) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}
int cordon_fsmount(int context, uint64_t attributes) {
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, (unsigned)attributes);
}
ssize_t cordon_fs_message(int context, char *buffer, size_t size) {
    const ssize_t count = read(context, buffer, size);
    return count < 0 ? 0 : count;
}

int cordon_pivot_root_here(void) {
    // Stack the old root on the new one and detach it (pivot_root(2), "pivot_root(".", ".")").
    if (syscall(SYS_pivot_root, ".", ".") < 0) return -1;
    if (umount2(".", MNT_DETACH) < 0) return -1;
    return chdir("/");
}
int cordon_detach(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); }

uint64_t cordon_mount_id(int directory, const char *name) {
    struct statx status;
    const int flags = AT_SYMLINK_NOFOLLOW | (name[0] == 0 ? AT_EMPTY_PATH : 0);
    if (statx(directory, name, flags, STATX_MNT_ID, &status) < 0 || !(status.stx_mask & STATX_MNT_ID)) return 0;
    return status.stx_attributes & STATX_ATTR_MOUNT_ROOT ? status.stx_mnt_id : 0;
}

int cordon_unmount_here(const char *name) { return umount2(name, UMOUNT_NOFOLLOW); }

int cordon_classic_overlay(const char *target, const char *options) {
    return mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options);
}
int cordon_open_handle(int directory, const char *path) {
    return openat(directory, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

const int cordon_o_path = O_PATH;

int cordon_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int cordon_make_device(int directory, const char *name, unsigned major, unsigned minor) {
    if (mknodat(directory, name, S_IFCHR | 0666, makedev(major, minor)) < 0) return -1;
    return fchmodat(directory, name, 0666, 0);
}

int cordon_open(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}
