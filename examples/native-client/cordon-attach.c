/* cordon-attach CREDENTIALS SANDBOX EXEC
 *
 * Attaches this terminal, or these pipes, to an exec that runs in a sandbox, over a WebSocket as docs/STREAMS.md
 * has it. It shares no code with Cordon: libwebsockets, Jansson and OpenSSL do the work. When the connection breaks
 * it is made again and goes on where it was: nothing is lost and nothing comes twice. Ends as the command did.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    HEADER = 9,             /* of a binary message: channel, offset */
    PIECE = 64 * 1024,      /* of stdin in one message */
    BACKLOG = 1024 * 1024,  /* of stdin that isn't accepted yet */
    LONGEST_TEXT = 1024 * 1024,
    FAILED = 125,
    TIMED_OUT = 124,
};

static struct {
    struct lws_context *context;
    struct lws *connection;
    lws_sorted_usec_list_t again;
    char host[256], path[512], authorization[512];
    int port, flags;
    unsigned attempts;

    /* What has come. */
    uint64_t offset[3];
    unsigned char header[HEADER];
    size_t header_size;
    uint64_t cursor;
    char *text;
    size_t text_size;

    /* What goes: bytes from `base` on are kept until they are accepted. A thread reads stdin: `backlog`, `kept`
     * and `input_ended` are under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t room;
    unsigned char backlog[BACKLOG];
    size_t kept;
    uint64_t base, sent;
    bool started_once, input_ended, end_sent, input_closed;

    bool is_terminal, size_changed, has_result, is_done;
    int status;
    struct termios before;
    bool is_raw;
} state = {.status = FAILED, .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER};

static void restore(void) {
    if (state.is_raw) tcsetattr(0, TCSADRAIN, &state.before);
    state.is_raw = false;
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...) {
    restore();
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "cordon-attach: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(FAILED);
}

static void want_write(void) {
    if (state.connection) lws_callback_on_writable(state.connection);
}

/* ---- The terminal ---- */

static void on_resize(int signal) {
    (void)signal;
    state.size_changed = true;
    lws_cancel_service(state.context);
}

static void make_raw(void) {
    if (state.is_raw || !isatty(0) || tcgetattr(0, &state.before) < 0) return;
    struct termios raw = state.before;
    cfmakeraw(&raw);
    if (tcsetattr(0, TCSADRAIN, &raw) < 0) return;
    state.is_raw = true;
    state.size_changed = true;
    want_write();
}

static void write_out(int descriptor, const unsigned char *bytes, size_t count) {
    while (count > 0) {
        const ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {
            usleep(1000);
            continue;
        }
        if (written < 0) exit(128 + SIGPIPE);
        bytes += written;
        count -= (size_t)written;
    }
}

/* ---- What comes ---- */

/* Everything below `accepted` is kept no longer. */
static void accept_input(uint64_t accepted, bool is_closed) {
    pthread_mutex_lock(&state.lock);
    if (!state.started_once) {
        state.base = accepted;
    } else if (accepted >= state.base && accepted <= state.base + state.kept) {
        const size_t done = (size_t)(accepted - state.base);
        memmove(state.backlog, state.backlog + done, state.kept - done);
        state.kept -= done;
        state.base = accepted;
    } else if (!is_closed) {
        fail("stdin went wrong: %llu bytes were accepted, those from %llu on are kept", (unsigned long long)accepted,
             (unsigned long long)state.base);
    }
    state.input_closed = is_closed;
    pthread_cond_signal(&state.room);
    pthread_mutex_unlock(&state.lock);
}

/* Reads stdin as long as there is room for it. */
static void *read_input(void *nothing) {
    static unsigned char piece[PIECE];
    for (;;) {
        const ssize_t count = read(0, piece, sizeof piece);
        if (count < 0 && errno == EINTR) continue;
        pthread_mutex_lock(&state.lock);
        if (count <= 0) state.input_ended = true;
        for (ssize_t done = 0; done < count;) {
            while (state.kept == BACKLOG) pthread_cond_wait(&state.room, &state.lock);
            size_t part = BACKLOG - state.kept;
            if (part > (size_t)(count - done)) part = (size_t)(count - done);
            memcpy(state.backlog + state.kept, piece + done, part);
            state.kept += part;
            done += (ssize_t)part;
            lws_cancel_service(state.context);
        }
        pthread_mutex_unlock(&state.lock);
        lws_cancel_service(state.context);
        if (count <= 0) return nothing;
    }
}

static void take_result(json_t *result) {
    const char *reason = json_string_value(json_object_get(result, "reason"));
    const json_t *code = json_object_get(result, "exit_code"), *number = json_object_get(result, "signal");
    if (json_is_integer(code)) state.status = (int)json_integer_value(code);
    else if (json_is_integer(number)) state.status = 128 + (int)json_integer_value(number);
    else state.status = reason && !strcmp(reason, "timed_out") ? TIMED_OUT : FAILED;
    state.has_result = true;
}

static void hear(json_t *event) {
    const char *type = json_string_value(json_object_get(event, "type"));
    if (!type) fail("a message without a type");
    if (!strcmp(type, "started")) {
        json_t *input = json_object_get(event, "stdin");
        const uint64_t accepted = (uint64_t)json_integer_value(json_object_get(input, "accepted"));
        accept_input(accepted, json_is_true(json_object_get(input, "closed")));
        state.sent = accepted;
        state.end_sent = false;
        state.started_once = true;
        state.attempts = 0;
        state.is_terminal = json_is_object(json_object_get(json_object_get(event, "exec"), "pty"));
        if (state.is_terminal) make_raw();
        want_write();
    } else if (!strcmp(type, "stdin")) {
        accept_input((uint64_t)json_integer_value(json_object_get(event, "accepted")),
                     json_is_true(json_object_get(event, "closed")));
        want_write();
    } else if (!strcmp(type, "gap")) {
        const char *stream = json_string_value(json_object_get(event, "stream"));
        state.offset[stream && !strcmp(stream, "stderr") ? 2 : 1] = (uint64_t)json_integer_value(json_object_get(event, "to"));
        fprintf(stderr, "cordon-attach: %lld bytes of %s are gone\r\n",
                (long long)json_integer_value(json_object_get(event, "dropped")), stream ? stream : "output");
    } else if (!strcmp(type, "exit")) {
        take_result(json_object_get(event, "result"));
    } else if (!strcmp(type, "error")) {
        const char *detail = json_string_value(json_object_get(json_object_get(event, "problem"), "detail"));
        if (!state.has_result && !state.input_closed) fprintf(stderr, "cordon-attach: %s\r\n", detail ? detail : "an error");
    }
}

static void take_text(struct lws *wsi, const char *bytes, size_t count) {
    if (state.text_size + count > LONGEST_TEXT) fail("a text message is too long");
    state.text = realloc(state.text, state.text_size + count + 1);
    if (!state.text) fail("out of memory");
    memcpy(state.text + state.text_size, bytes, count);
    state.text_size += count;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi)) return;
    json_error_t error;
    json_t *event = json_loadb(state.text, state.text_size, 0, &error);
    state.text_size = 0;
    if (!event) fail("not JSON: %s", error.text);
    hear(event);
    json_decref(event);
}

static void take_bytes(const unsigned char *bytes, size_t count) {
    while (state.header_size < HEADER && count > 0) {
        state.header[state.header_size++] = *bytes++;
        count--;
        if (state.header_size < HEADER) continue;
        state.cursor = 0;
        for (int i = 1; i < HEADER; i++) state.cursor = state.cursor << 8 | state.header[i];
    }
    if (count == 0) return;
    const int channel = state.header[0];
    if (channel != 1 && channel != 2) fail("bytes for channel %d", channel);
    if (state.cursor > state.offset[channel]) fail("a gap that nobody told of");
    /* What was shown before isn't shown again. */
    const uint64_t known = state.offset[channel] - state.cursor;
    state.cursor += count;
    if (known >= count) return;
    write_out(channel, bytes + known, count - (size_t)known);
    state.offset[channel] = state.cursor;
}

/* ---- What goes ---- */

static int send_text(struct lws *wsi, const char *text) {
    unsigned char buffer[LWS_PRE + 256];
    const size_t count = strlen(text);
    memcpy(buffer + LWS_PRE, text, count);
    return lws_write(wsi, buffer + LWS_PRE, count, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static int send_size(struct lws *wsi) {
    struct winsize size;
    state.size_changed = false;
    if (ioctl(0, TIOCGWINSZ, &size) < 0 || size.ws_row == 0) return 0;
    char text[96];
    snprintf(text, sizeof text, "{\"type\":\"resize\",\"rows\":%u,\"cols\":%u}", size.ws_row, size.ws_col);
    return send_text(wsi, text);
}

static int send_next(struct lws *wsi) {
    static unsigned char buffer[LWS_PRE + HEADER + PIECE];
    if (!state.started_once) return 0;
    if (state.size_changed && state.is_raw) {
        want_write();
        return send_size(wsi);
    }
    if (state.input_closed) return 0;
    pthread_mutex_lock(&state.lock);
    const size_t from = (size_t)(state.sent - state.base);
    size_t count = state.kept - from;
    if (count > PIECE) count = PIECE;
    memcpy(buffer + LWS_PRE + HEADER, state.backlog + from, count);
    const bool is_end = count == 0 && state.input_ended && !state.end_sent;
    pthread_mutex_unlock(&state.lock);
    if (count > 0) {
        unsigned char *message = buffer + LWS_PRE;
        message[0] = 0;
        for (int i = 0; i < 8; i++) message[1 + i] = (unsigned char)(state.sent >> (56 - 8 * i));
        state.sent += count;
        want_write();
        return lws_write(wsi, message, HEADER + count, LWS_WRITE_BINARY) < 0 ? -1 : 0;
    }
    if (is_end) {
        char text[96];
        state.end_sent = true;
        snprintf(text, sizeof text, "{\"type\":\"eof\",\"offset\":%llu}", (unsigned long long)state.sent);
        return send_text(wsi, text);
    }
    return 0;
}

/* ---- The connection ---- */

static void connect_now(lws_sorted_usec_list_t *timer) {
    (void)timer;
    char path[640];
    snprintf(path, sizeof path, "%s?stdout_offset=%llu&stderr_offset=%llu", state.path,
             (unsigned long long)state.offset[1], (unsigned long long)state.offset[2]);
    struct lws_client_connect_info info = {
        .context = state.context,
        .address = state.host,
        .port = state.port,
        .path = path,
        .host = state.host,
        .ssl_connection = state.flags,
        .protocol = "cordon.v1",
        .local_protocol_name = "cordon.v1",
        .pwsi = &state.connection,
    };
    state.header_size = 0;
    state.text_size = 0;
    lws_client_connect_via_info(&info);
}

/* Tries again, for half a minute. */
static void connect_again(void) {
    state.connection = NULL;
    if (state.attempts++ > 150) fail("the service doesn't come back");
    lws_sul_schedule(state.context, 0, &state.again, connect_now, 200 * LWS_US_PER_MS);
}

static int on_connection(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t count) {
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
        unsigned char **position = in, *end = *position + count;
        return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)state.authorization,
                                            (int)strlen(state.authorization), position, end);
    }
    case LWS_CALLBACK_CLIENT_ESTABLISHED: want_write(); return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (!lws_frame_is_binary(wsi)) {
            take_text(wsi, in, count);
            return 0;
        }
        if (lws_is_first_fragment(wsi)) state.header_size = 0;
        take_bytes(in, count);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE: return send_next(wsi);
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED: want_write(); return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (count >= 2 && ((unsigned char *)in)[0] == 1000 >> 8 && ((unsigned char *)in)[1] == (1000 & 0xff))
            state.is_done = state.has_result;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: {
        const unsigned status = lws_http_client_http_response(wsi);
        if (status >= 400 && status < 500 && status != 429) fail("refused with status %u", status);
        connect_again();
        return 0;
    }
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (!state.is_done) connect_again();
        return 0;
    default: return 0;
    }
}

/* ---- Credentials ---- */

static const char *text_of(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (!text) fail("the credentials have no %s", name);
    return text;
}

static void read_address(const char *url) {
    const bool is_secure = !strncmp(url, "https://", 8);
    const char *authority = is_secure ? url + 8 : url + 7;
    if (!is_secure && strncmp(url, "http://", 7)) fail("not a URL: %s", url);
    const char *colon = strrchr(authority, ':'), *end = authority + strlen(authority);
    if (colon && strchr(colon, ']')) colon = NULL;
    state.port = colon ? atoi(colon + 1) : is_secure ? 443 : 80;
    if (authority[0] == '[') authority++;
    size_t length = (size_t)((colon ? colon : end) - authority);
    if (length > 0 && authority[length - 1] == ']') length--;
    if (length >= sizeof state.host) fail("the host is too long");
    memcpy(state.host, authority, length);
    state.flags = is_secure ? LCCSCF_USE_SSL : 0;
}

int main(int argc, char **argv) {
    if (argc != 4) fail("usage: %s CREDENTIALS SANDBOX EXEC", argv[0]);
    json_error_t error;
    json_t *credentials = json_load_file(argv[1], 0, &error);
    if (!credentials) fail("%s: %s", argv[1], error.text);
    read_address(text_of(credentials, "url"));
    snprintf(state.authorization, sizeof state.authorization, "Bearer %s.%s", text_of(credentials, "token_id"),
             text_of(credentials, "token_secret"));
    snprintf(state.path, sizeof state.path, "/v1/sandboxes/%s/execs/%s/attach", argv[2], argv[3]);

    static const struct lws_protocols protocols[] = {
        {.name = "cordon.v1", .callback = on_connection, .rx_buffer_size = 256 * 1024},
        {.name = NULL},
    };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
    };
    const char *authority = json_string_value(json_object_get(credentials, "ca_certificate"));
    if (authority) {
        info.client_ssl_ca_mem = authority;
        info.client_ssl_ca_mem_len = (unsigned)strlen(authority);
    }
    lws_set_log_level(LLL_ERR, NULL);
    lws_set_log_level(0, NULL);
    state.context = lws_create_context(&info);
    if (!state.context) fail("libwebsockets can't be set up");
    atexit(restore);
    struct sigaction resized = {.sa_handler = on_resize};
    sigaction(SIGWINCH, &resized, NULL);
    /* Whoever started us may have blocked it. */
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGWINCH);
    pthread_sigmask(SIG_UNBLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);

    pthread_t reader;
    if (pthread_create(&reader, NULL, read_input, NULL)) fail("there can be no further thread");
    connect_now(NULL);
    while (!state.is_done && lws_service(state.context, 0) >= 0) {
        if (state.size_changed || state.input_ended) want_write();
    }
    OPENSSL_cleanse(state.authorization, sizeof state.authorization);
    /* The reader may be in the middle of anything: nothing is taken apart. */
    return state.status;
}
