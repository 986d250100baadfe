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
    new->pid = in[0] < 0 || out[0] < 0 || err[0] < 0 ? -ENOMEM : spawn(child_stack + sizeof child_stack, begin);
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
