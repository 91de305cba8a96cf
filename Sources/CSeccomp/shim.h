#ifndef CORDON_CSECCOMP_SHIM_H
#define CORDON_CSECCOMP_SHIM_H

#include <seccomp.h>

#endif
