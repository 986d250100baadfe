/* Runs commands for the host, over the second serial port. Both ways go frames: a head of 27 bytes, then data.

       \1 KIND ID LENGTH \n    KIND one letter, ID 16 hexadecimal digits, LENGTH 8; no blanks between them

   from the host                                            from here
   r WORDS    run: options, folder, user:group, number      R ABILITIES  started: words, what this agent can do
              of variables, the variables, the command      p PID        the command runs
   i DATA     input of a command; none: its end             o DATA, e DATA   what it wrote
   m NUMBER   so much more output may come                  g NUMBER     so much input was passed on
   s NUMBER   this signal to the command                    x STATUS     it has ended, and this was all
   K          SIGKILL to its whole session                  c NUMBER     so many bytes were read from the port
   n LINES    identity: name, machine id, nanoseconds since 1970, seed; answered by e and x

   WORDS are quoted as $'…'. What is no frame is passed over, byte by byte, until one begins again.
   A command has a session of its own and ends when its process does: what is in its pipes then still counts, and what
   a child that lives on writes later is read and dropped, so that the child notices nothing. */

#include "linux.h"

enum { HEAD = 27, MOST = 512 << 10, CHUNK = 4096, COMMANDS = 100, INPUT = 16 << 10, WINDOW = 256 << 10, REPORT = 8 << 10,
       VARIABLES = 1000, NOT_FOUND = 127, NOT_RUN = 126 };

struct command {
    char id[16];
    int pid, used, ended, status, told;
    int in, pipes[2];           /* -1 when closed; pipes are its stdout and stderr */
    int left[2];                /* once it has ended: bytes that were in the pipe then */
    long window;
    int input_at, input_used, input_over;
};

static struct command commands[COMMANDS];
static char inputs[COMMANDS][INPUT];
static int port, child_signals, consumed;
static char arrived[HEAD + MOST], leaving[HEAD + CHUNK], *words[MOST / 4 + 2], *variables[VARIABLES + 8];
static int arrived_used;
static byte child_stack[16384] __attribute__((aligned(16)));
static char *defaults[] = {"PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/root", "TERM=linux", "SHELL=/bin/sh", 0};

/* What a child about to begin reads, and leaves for its parent to read. */
static struct { char **argv, *folder, *user; int in, out, err; volatile int failed; } next;

static void open_failed(const char *text) { call3(WRITE, 2, text, length_of(text)); call3(EXIT, 1, 0, 0); }

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

static void close_end(int *fd)
{
    if (*fd >= 0)
        call3(CLOSE, *fd, 0, 0);
    *fd = -1;
}

static struct command *found(const char *id)
{
    struct command *at;
    for (at = commands; at < commands + COMMANDS; at++)
        if (at->used && !at->told && same(at->id, id, 16))
            return at;
    return 0;
}

static int write_file(const char *path, const char *text, int flags)
{
    int size = length_of(text), fd = call3(OPEN, path, O_WRONLY | O_CLOEXEC | flags, 0444);
    long done = fd < 0 ? fd : call3(WRITE, fd, text, size);
    if (fd >= 0)
        call3(CLOSE, fd, 0, 0);
    return done == size ? 0 : done < 0 ? done : -1;
}

/* ---- a command begins ---- */

static char *variable(const char *name)
{
    char **at;
    for (at = variables; *at; at++)
        if (same(*at, name, length_of(name)))
            return *at + length_of(name);
    return "";
}

/* Comes back only when nothing could be executed, with the error number: of all places, what is not ENOENT counts. */
static long search(void)
{
    static char path[4096 + 256];
    char *word = next.argv[0], *folders = variable("PATH=");
    int size, word_size = length_of(word);
    long error, worst = ENOENT;
    for (size = 0; word[size]; size++)
        if (word[size] == '/')
            return -call3(EXECVE, word, next.argv, variables);
    while (*folders) {
        for (size = 0; folders[size] && folders[size] != ':'; size++)
            ;
        if (size + word_size + 2 < (int)sizeof path) {
            memcpy(path, folders, size);
            path[size] = '/';
            memcpy(path + size + 1, word, word_size + 1);
            error = -call3(EXECVE, path, next.argv, variables);
            worst = error == ENOENT ? worst : error;
        }
        folders += size + (folders[size] == ':');
    }
    return worst;
}

static void begin(void)
{
    long none = 0, error = 0;
    char *group;
    call3(SETSID, 0, 0, 0);
    write_file("/proc/self/oom_score_adj", "0", 0);
    call3(DUP2, next.in, 0, 0);
    call3(DUP2, next.out, 1, 0);
    call3(DUP2, next.err, 2, 0);
    call(SIGPROCMASK, SIG_SETMASK, (long)&none, 0, 8);
    if (*next.folder && call3(CHDIR, next.folder, 0, 0))
        error = -ENOTDIR;
    if (*next.user && !error) {
        for (group = next.user; *group && *group != ':'; group++)
            ;
        error = call3(SETGROUPS, 0, 0, 0);
        error = error ? error : call3(SETGID, number(group + 1), 0, 0);
        error = error ? error : call3(SETUID, number(next.user), 0, 0);
    }
    next.failed = error ? -error : search();
    call3(EXIT, NOT_FOUND, 0, 0);
}

/* Words quoted as $'…', one blank between them, become texts that end in NUL. How many; -1 when they are not that. */
static int unquoted(char *text, int size)
{
    char *end = text + size, *to = text;
    int count = 0;
    while (text < end) {
        if (end - text < 3 || text[0] != '$' || text[1] != '\'')
            return -1;
        words[count++] = to;
        for (text += 2; text < end && *text != '\''; text++) {
            if (*text == '\\' && ++text < end)
                *to++ = *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text;
            else
                *to++ = *text;
        }
        *to++ = 0;
        text += 2;
    }
    words[count] = 0;
    return count;
}

static int set_variables(char **given, int count)
{
    int used = 0;
    char **at;
    if (count > VARIABLES)
        return -1;
    for (; used < count; used++)
        variables[used] = given[used];
    variables[used] = 0;
    for (at = defaults; *at; at++) {
        char name[16];
        int size = 0;
        do
            name[size] = (*at)[size];
        while (name[size++] != '=');
        name[size] = 0;
        if (!*variable(name)) {
            variables[used++] = *at;
            variables[used] = 0;
        }
    }
    return 0;
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

static const char *reason(int error)
{
    return error == ENOENT ? ": not found\n" : error == EACCES ? ": permission denied\n" : error == ENOEXEC ? ": no program\n"
        : error == E2BIG ? ": too many words\n" : error == ENOTDIR ? ": its folder cannot be entered\n" : error == ENOMEM ? ": no memory\n" : ": cannot be run\n";
}

static void run(const char *id, char *text, int size)
{
    struct command *new = commands;
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, count = unquoted(text, size), skip, which;
    while (new->used && ++new < commands + COMMANDS)
        ;
    skip = count < 5 ? 0 : 4 + number(words[3]);
    if (count < 5 || skip < 4 || skip >= count || set_variables(words + 4, skip - 4)) {
        refuse(id, NOT_RUN, "agent", ": these are no words of a command\n");
        return;
    }
    if (new == commands + COMMANDS) {
        refuse(id, NOT_RUN, "agent", ": 100 commands run already, or what they left running\n");
        return;
    }
    next.argv = words + skip, next.folder = words[1], next.user = words[2], next.failed = 0;
    if (words[0][0] == 'i')
        call3(PIPE2, in, O_CLOEXEC, 0);
    else
        in[0] = call3(OPEN, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    call3(PIPE2, out, O_CLOEXEC, 0);
    call3(PIPE2, err, O_CLOEXEC, 0);
    next.in = in[0], next.out = out[1], next.err = err[1];
    new->pid = spawn(child_stack + sizeof child_stack, begin);
    close_end(in), close_end(out + 1), close_end(err + 1);
    if (new->pid < 0 || next.failed) {
        close_end(in + 1), close_end(out), close_end(err);
        refuse(id, next.failed == ENOENT ? NOT_FOUND : NOT_RUN, next.argv[0],
               reason(new->pid < 0 ? -new->pid : next.failed));
        return;
    }
    memcpy(new->id, id, 16);
    new->used = 1, new->ended = new->told = new->status = 0, new->window = WINDOW;
    new->in = in[1], new->pipes[0] = out[0], new->pipes[1] = err[0];
    new->input_at = new->input_used = new->input_over = 0;
    for (which = 0; which < 2; which++)
        call3(FCNTL, new->pipes[which], F_SETFL, O_NONBLOCK);
    if (new->in >= 0)
        call3(FCNTL, new->in, F_SETFL, O_NONBLOCK);
    say_number('p', id, new->pid);
}

/* ---- a command runs ---- */

static void pass_input(struct command *its)
{
    long done;
    while (its->in >= 0 && its->input_used) {
        done = call3(WRITE, its->in, inputs[its - commands] + its->input_at, its->input_used);
        if (done == -EAGAIN)
            return;
        if (done < 0) { /* it reads no more: what still comes for it counts as passed on */
            close_end(&its->in);
            done = its->input_used;
        }
        its->input_at += done;
        its->input_used -= done;
        say_number('g', its->id, done);
    }
    its->input_at = 0;
    if (its->input_over)
        close_end(&its->in);
}

static void take_input(struct command *its, const char *data, int size)
{
    char *input = inputs[its - commands];
    its->input_over |= !size;
    if (its->in < 0 && size)
        say_number('g', its->id, size);
    else if (its->input_used + size <= INPUT) {
        memmove(input, input + its->input_at, its->input_used);
        memcpy(input + its->input_used, data, size);
        its->input_at = 0;
        its->input_used += size;
        pass_input(its);
    }
}

/* The next piece of what it wrote. */
static void pass_output(struct command *its, int which)
{
    long most = its->told ? CHUNK : its->window < CHUNK ? its->window : CHUNK, done;
    if (its->ended && !its->told && its->left[which] < most)
        most = its->left[which];
    done = most ? call3(READ, its->pipes[which], leaving + HEAD, most) : -EAGAIN;
    if (done > 0 && !its->told) {
        send("oe"[which], its->id, done);
        its->window -= done;
        its->left[which] -= done;
    } else if (done <= 0 && most) {
        its->left[which] = 0;
        if (done != -EAGAIN)
            close_end(its->pipes + which);
    }
}

static void finish(struct command *its)
{
    int which;
    for (which = 0; which < 2; which++)
        while (its->left[which] > 0 && its->window > 0 && its->pipes[which] >= 0)
            pass_output(its, which);
    if (its->window > 0 && !its->told) {
        its->told = 1;
        close_end(&its->in);
        say_number('x', its->id, its->status);
    }
}

static void reap(void)
{
    char ignored[128];
    int pid, status, which;
    struct command *its;
    call3(READ, child_signals, ignored, sizeof ignored);
    while ((pid = call(WAIT4, -1, (long)&status, WNOHANG, 0)) > 0)
        for (its = commands; its < commands + COMMANDS; its++)
            if (its->used && !its->ended && its->pid == pid) {
                its->ended = 1;
                its->status = status & 127 ? 128 + (status & 127) : status >> 8 & 255;
                for (which = 0; which < 2; which++) {
                    its->left[which] = 0;
                    call3(IOCTL, its->pipes[which], FIONREAD, its->left + which);
                }
            }
}

/* Also those who have left its process group, as jobs of a shell do. */
static void kill_session(int session)
{
    static char entries[4096] __attribute__((aligned(8)));
    int proc, size, at, rounds;
    call3(KILL, -session, SIGKILL, 0);
    for (rounds = 0; rounds < 3; rounds++) {
        proc = call3(OPEN, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        while ((size = call3(GETDENTS64, proc, entries, sizeof entries)) > 0)
            for (at = 0; at < size; at += ((struct entry *)(entries + at))->length) {
                int pid = number(((struct entry *)(entries + at))->name);
                if (pid > 1 && call3(GETSID, pid, 0, 0) == session)
                    call3(KILL, pid, SIGKILL, 0);
            }
        call3(CLOSE, proc, 0, 0);
    }
}

/* ---- who this guest is ---- */

static void identify(const char *id, char *text)
{
    static struct { int entropy_bits, size; byte data[256]; } pool;
    struct timespec now;
    char *lines[4], *seed;
    int line, random;
    unsigned long nanoseconds;
    for (line = 0; line < 4; line++) {
        for (lines[line] = text; *text && *text != '\n'; text++)
            ;
        if (*text)
            *text++ = 0;
    }
    nanoseconds = number(lines[2]);
    now.seconds = nanoseconds / 1000000000, now.nanoseconds = nanoseconds % 1000000000;
    for (seed = lines[3], pool.size = 0; seed[0] && seed[1] && pool.size < sizeof pool.data; seed += 2)
        pool.data[pool.size++] = digit(seed[0]) << 4 | digit(seed[1]);
    pool.entropy_bits = 8 * pool.size;
    random = call3(OPEN, "/dev/urandom", O_WRONLY | O_CLOEXEC, 0);
    if (call3(IOCTL, random, RNDADDENTROPY, &pool) || call3(IOCTL, random, RNDRESEEDCRNG, 0))
        refuse(id, 1, "random numbers", ": cannot be seeded\n");
    else if (call3(CLOCK_SETTIME, 0, &now, 0))
        refuse(id, 1, "clock", ": cannot be set\n");
    else if (call3(SETHOSTNAME, lines[0], length_of(lines[0]), 0))
        refuse(id, 1, "name", ": cannot be set\n");
    else if (write_file("/etc/.machine-id", lines[1], O_CREAT | O_TRUNC)
             || call3(RENAME, "/etc/.machine-id", "/etc/machine-id", 0))
        refuse(id, 1, "/etc/machine-id", ": cannot be written\n");
    else
        say_number('x', id, 0);
    call3(CLOSE, random, 0, 0);
}

/* ---- the port ---- */

static void obey(char *frame, int size)
{
    char kind = frame[1], *id = frame + 2, *data = frame + HEAD, after = data[size];
    struct command *its = found(id);
    data[size] = 0;
    if (kind == 'r')
        run(id, data, size);
    else if (kind == 'n')
        identify(id, data);
    else if (kind == 'i' && its)
        take_input(its, data, size);
    else if (kind == 'm' && its)
        its->window += number(data);
    else if (kind == 's' && its && !its->ended)
        call3(KILL, its->pid, number(data), 0);
    else if (kind == 'K' && its && !its->ended)
        kill_session(its->pid);
    data[size] = after;
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

static void listen(void)
{
    int at = 0, size, done = call3(READ, port, arrived + arrived_used, sizeof arrived - 1 - arrived_used);
    if (done <= 0 && done != -EAGAIN && done != -EINTR)
        call3(EXIT, 1, 0, 0);
    arrived_used += done > 0 ? done : 0;
    consumed += done > 0 ? done : 0;
    while (arrived_used - at >= HEAD) {
        size = head(arrived + at);
        if (size >= 0 && arrived_used - at < HEAD + size)
            break;
        if (size >= 0)
            obey(arrived + at, size);
        at += size < 0 ? 1 : HEAD + size;
    }
    if (at)
        memmove(arrived, arrived + at, arrived_used -= at);
    if (consumed >= REPORT) {
        say_number('c', "0000000000000000", consumed);
        consumed = 0;
    }
}

static void open_port(void)
{
    struct termios raw;
    port = call3(OPEN, "/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
    if (port < 0 || call3(IOCTL, port, TCGETS, &raw))
        open_failed("agent: there is no second serial port\n");
    raw.iflag = raw.oflag = raw.lflag = 0;
    raw.cflag = 0x18b2; /* B115200, CS8, CREAD, CLOCAL: QEMU waits four character times before it tells of input */
    raw.cc[5] = 0, raw.cc[6] = 1; /* VTIME, VMIN */
    call3(IOCTL, port, TCSETS, &raw);
    call3(IOCTL, port, TCFLSH, 2);
}

static int wanted(struct command *its, struct pollfd *polled, struct command **whose)
{
    int count = 0, which;
    for (which = 0; which < 2; which++)
        if (its->pipes[which] >= 0 && (its->told || (!its->ended && its->window > 0))) {
            polled[count].fd = its->pipes[which], polled[count].events = POLLIN;
            whose[count++] = its;
        }
    if (its->in >= 0 && its->input_used) {
        polled[count].fd = its->in, polled[count].events = POLLOUT;
        whose[count++] = its;
    }
    return count;
}

void serve(void)
{
    static struct pollfd polled[2 + 3 * COMMANDS];
    static struct command *whose[2 + 3 * COMMANDS], *its;
    long blocked = 1L << (SIGCHLD - 1) | 1L << (SIGPIPE - 1), told = 1L << (SIGCHLD - 1);
    int count, at;
    write_file("/proc/self/oom_score_adj", "-1000", 0); /* short of memory, the kernel shall choose a command */
    call3(CHDIR, "/", 0, 0);
    call(SIGPROCMASK, SIG_BLOCK, (long)&blocked, 0, 8);
    child_signals = call(SIGNALFD4, -1, (long)&told, 8, O_CLOEXEC);
    open_port();
    say('R', "0000000000000000", "identify input stream user");
    for (;;) {
        polled[0].fd = port, polled[1].fd = child_signals;
        polled[0].events = polled[1].events = POLLIN;
        for (count = 2, its = commands; its < commands + COMMANDS; its++)
            if (its->used)
                count += wanted(its, polled + count, whose + count);
        call3(POLL, polled, count, -1);
        if (polled[1].revents)
            reap();
        if (polled[0].revents)
            listen();
        for (at = 2; at < count; at++)
            if (polled[at].revents && polled[at].fd == whose[at]->in)
                pass_input(whose[at]);
            else if (polled[at].revents && (whose[at]->told || (!whose[at]->ended && whose[at]->window > 0)))
                pass_output(whose[at], polled[at].fd == whose[at]->pipes[1]);
        for (its = commands; its < commands + COMMANDS; its++) {
            if (its->used && its->ended && !its->told)
                finish(its);
            if (its->used && its->told && its->pipes[0] < 0 && its->pipes[1] < 0)
                its->used = 0;
        }
    }
}
