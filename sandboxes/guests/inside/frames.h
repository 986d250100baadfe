/* Frames from this agent to its host, as agent.c describes them; numbers and files, which nearly every one needs. */

enum { HEAD = 27, MOST = 512 << 10, CHUNK = 4096 };

static const char NOBODY[] = "0000000000000000";
static int port;
static char leaving[HEAD + CHUNK];

/* `leaving` holds `size` bytes of data after its head. */
static void send(char kind, const char *id, int size)
{
    char *at = leaving;
    int shift, sent = 0;
    *at++ = 1;
    *at++ = kind;
    memcpy(at, id, 16);
    for (at += 16, shift = 28; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[size >> shift & 15];
    *at = '\n';
    while (sent < HEAD + size) {
        long done = call3(WRITE, port, leaving + sent, HEAD + size - sent);
        if (done < 0 && done != -EINTR && done != -EAGAIN)
            call3(EXIT, 1, 0, 0);
        sent += done > 0 ? done : 0;
    }
}

static void say(char kind, const char *id, const char *text)
{
    int size = length_of(text);
    memcpy(leaving + HEAD, text, size = size < CHUNK ? size : CHUNK);
    send(kind, id, size);
}

static void say_number(char kind, const char *id, unsigned long number)
{
    char digits[24], *at = digits + 23;
    *at = 0;
    do
        *--at = '0' + number % 10;
    while (number /= 10);
    say(kind, id, at);
}

static void refuse(const char *id, int status, const char *what, const char *why)
{
    int size = length_of(what), more = length_of(why);
    size = size < 200 ? size : 200;
    memcpy(leaving + HEAD, what, size);
    memcpy(leaving + HEAD + size, why, more);
    send('e', id, size + more);
    say_number('x', id, status);
}

static unsigned long number(const char *text)
{
    unsigned long found = 0;
    while (*text >= '0' && *text <= '9')
        found = 10 * found + (*text++ - '0');
    return found;
}

/* Of a hexadecimal digit; -1 for what is none. */
static int digit(char letter)
{
    return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* The data's length when a frame begins here; -1 when none does. */
static int head(const char *at)
{
    unsigned long size = 0;
    int place;
    if (at[0] != 1 || at[HEAD - 1] != '\n')
        return -1;
    for (place = 2; place < HEAD - 1; place++) {
        if (digit(at[place]) < 0)
            return -1;
        if (place >= 18)
            size = 16 * size + digit(at[place]);
    }
    return size < MOST ? size : -1;
}

static int write_file(const char *path, const char *text, int flags)
{
    int size = length_of(text), fd = call3(OPEN, path, O_WRONLY | O_CLOEXEC | flags, 0444);
    long done = fd < 0 ? fd : call3(WRITE, fd, text, size);
    if (fd >= 0)
        call3(CLOSE, fd, 0, 0);
    return done == size ? 0 : done < 0 ? done : -1;
}
