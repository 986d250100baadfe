/* A command from its beginning to its end. */

enum { COMMANDS = 100, INPUT = 16 << 10, WINDOW = 256 << 10 };

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
static int child_signals;

static struct command *found(const char *id)
{
    struct command *at;
    for (at = commands; at < commands + COMMANDS; at++)
        if (at->used && !at->told && same(at->id, id, 16))
            return at;
    return 0;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        call3(CLOSE, *fd, 0, 0);
    *fd = -1;
}

static void run(const char *id, char *text, int size)
{
    struct command *new = commands;
    int count, skip, which;
    long pid;
    memcpy(asked.text, text, size);
    count = unquoted(asked.text, size);
    while (new->used && ++new < commands + COMMANDS)
        ;
    skip = count < 5 ? 0 : 4 + number(asked.words[3]);
    if (count < 5 || skip < 4 || skip >= count || set_variables(asked.words + 4, skip - 4)) {
        refuse(id, NOT_RUN, "agent", ": these are no words of a command\n");
        return;
    }
    if (new == commands + COMMANDS) {
        refuse(id, NOT_RUN, "agent", ": 100 commands run already, or what they left running\n");
        return;
    }
    asked.argv = asked.words + skip, asked.folder = asked.words[1], asked.user = asked.words[2];
    asked.with_input = asked.words[0][0] == 'i';
    pid = begun();
    new->in = waiting.ends[IN], new->pipes[0] = waiting.ends[OUT], new->pipes[1] = waiting.ends[ERR];
    if (pid < 0 || asked.failed) {
        if (pid > 0)
            close_end(&new->in), close_end(new->pipes), close_end(new->pipes + 1);
        refuse(id, asked.failed == ENOENT ? NOT_FOUND : NOT_RUN, asked.argv[0], reason(pid < 0 ? -pid : asked.failed));
        return;
    }
    if (!asked.with_input)
        close_end(&new->in);
    memcpy(new->id, id, 16);
    new->pid = pid, new->used = 1, new->ended = new->told = new->status = 0, new->window = WINDOW;
    new->input_at = new->input_used = new->input_over = 0;
    for (which = 0; which < 2; which++)
        call3(FCNTL, new->pipes[which], F_SETFL, O_NONBLOCK);
    if (new->in >= 0)
        call3(FCNTL, new->in, F_SETFL, O_NONBLOCK);
    say_number('p', id, new->pid);
}

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
        if (waiting.pid <= 0)
            prepare(); /* its host has the answer, and time until the next request */
    }
}

static void reap(void)
{
    char ignored[128];
    int pid, status, which;
    struct command *its;
    call3(READ, child_signals, ignored, sizeof ignored);
    while ((pid = call(WAIT4, -1, (long)&status, WNOHANG, 0)) > 0) {
        if (pid == waiting.pid)
            forget_waiting();
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
