#ifndef CORDON_CZLIB_SHIM_H
#define CORDON_CZLIB_SHIM_H

#include <zlib.h>

/// Macros that Swift doesn't see. Sixteen more than the largest window means gzip's format alone.
static inline int cordon_inflate_init(z_stream *stream) { return inflateInit2(stream, 16 + MAX_WBITS); }
static inline int cordon_deflate_init(z_stream *stream) {
    return deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
}

#endif
