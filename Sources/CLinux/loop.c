#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same call: nothing that is still dirty is written.
#define SHUT_DOWN _IOR('X', 125, uint32_t)
#define WITHOUT_FLUSH 2

static int configure(int loop, int file, const char *label, unsigned flags) {
    struct loop_config config = {.fd = (unsigned)file};
    config.info.lo_flags = flags;
    snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, "%s", label);
    return ioctl(loop, LOOP_CONFIGURE, &config);
}

int cordon_loop_open(int number) {
    char path[32];
    snprintf(path, sizeof path, "/dev/loop%d", number);
    return open(path, O_RDWR | O_CLOEXEC);
}

int cordon_loop_attach(int file, const char *label, int *number) {
    const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return -1;
    int loop = -1;
    // Whoever asks at the same time is told of the same free device.
    for (int attempt = 0; attempt < 64 && loop < 0; attempt++) {
        *number = ioctl(control, LOOP_CTL_GET_FREE);
        if (*number < 0) break;
        loop = cordon_loop_open(*number);
        if (loop < 0) break;
        // Direct: what a sandbox writes is in memory once. Not every file system can.
        int done = configure(loop, file, label, LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO);
        if (done < 0 && errno == EINVAL) done = configure(loop, file, label, LO_FLAGS_AUTOCLEAR);
        if (done == 0) break;
        const int number_of_error = errno;
        close(loop);
        errno = number_of_error;
        loop = -1;
        if (errno != EBUSY) break;
    }
    const int number_of_error = errno;
    close(control);
    errno = number_of_error;
    return loop;
}

bool cordon_loop_shows(int loop, int file) {
    struct loop_info64 info;
    struct stat status;
    if (ioctl(loop, LOOP_GET_STATUS64, &info) < 0 || fstat(file, &status) < 0) return false;
    return info.lo_device == status.st_dev && info.lo_inode == status.st_ino;
}

int cordon_shut_file_system_down(int directory) {
    uint32_t how = WITHOUT_FLUSH;
    return ioctl(directory, SHUT_DOWN, &how);
}
