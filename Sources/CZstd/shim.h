#ifndef CORDON_CZSTD_SHIM_H
#define CORDON_CZSTD_SHIM_H

#include <zstd.h>

#endif
