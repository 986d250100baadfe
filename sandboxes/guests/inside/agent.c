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
#include "frames.h"
#include "beginning.h"
#include "commands.h"
#include "identity.h"

enum { REPORT = 8 << 10 };

static int consumed, arrived_used;
static char arrived[HEAD + MOST];

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
        say_number('c', NOBODY, consumed);
        consumed = 0;
    }
}

static void fail(const char *text)
{
    call3(WRITE, 2, text, length_of(text));
    call3(EXIT, 1, 0, 0);
}

static void open_port(void)
{
    struct termios raw;
    port = call3(OPEN, "/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
    if (port < 0 || call3(IOCTL, port, TCGETS, &raw))
        fail("agent: there is no second serial port\n");
    raw.iflag = raw.oflag = raw.lflag = 0;
    raw.cflag = 0x18b2; /* B115200, CS8, CREAD, CLOCAL: QEMU waits four character times before it tells of input */
    raw.cc[5] = 0, raw.cc[6] = 1; /* VTIME, VMIN */
    call3(IOCTL, port, TCSETS, &raw);
    call3(IOCTL, port, TCFLSH, 2);
    write_file("/sys/class/tty/ttyS1/rx_trig_bytes", "14", 0); /* an interrupt for 14 bytes of input, not for 8 */
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
    if (share_statics() < 0)
        fail("agent: there is no memory to share\n");
    write_file("/proc/self/oom_score_adj", "-1000", 0); /* short of memory, the kernel shall choose a command */
    call3(CHDIR, "/", 0, 0);
    call(SIGPROCMASK, SIG_BLOCK, (long)&blocked, 0, 8);
    child_signals = call(SIGNALFD4, -1, (long)&told, 8, O_CLOEXEC);
    random_numbers = call3(OPEN, "/dev/urandom", O_WRONLY | O_CLOEXEC, 0);
    open_port();
    prepare();
    say('R', NOBODY, "identify input stream user");
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
