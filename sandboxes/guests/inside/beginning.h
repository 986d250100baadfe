/* Between a request to run something and its execve(). The child that becomes the next command is there before anybody
   asks: it has its streams and waits, so that a request finds little to do. */

enum { VARIABLES = 1000, NOT_FOUND = 127, NOT_RUN = 126 };
enum { GO, IN, TOLD, OUT, ERR, PIPES }; /* the child reads the first two and writes the others */
enum { APART = 500 };                   /* its own numbers of them: more than this agent ever has open */

static char *defaults[] = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", "TERM=linux", "SHELL=/bin/sh", 0};

/* What is to be run, which the child reads, and why it could not be, which it leaves, beside what it writes on the way. */
static struct {
    char **argv, *folder, *user;
    int with_input;
    volatile int failed;
    char path[4096 - 64], *variables[VARIABLES + 8], *words[MOST / 4 + 2], text[MOST];
} asked __attribute__((aligned(PAGE)));

/* The child that waits, and our ends of its pipes. No pid: there is none; below zero: why there is none. */
static struct { int pid, ends[PIPES]; } waiting;

static char *variable(const char *name)
{
    char **at;
    for (at = asked.variables; *at; at++)
        if (same(*at, name, length_of(name)))
            return *at + length_of(name);
    return "";
}

/* Comes back only when nothing could be executed, with the error number: of all places, what is not ENOENT counts. */
static long search(void)
{
    char *word = asked.argv[0], *folders = variable("PATH=");
    int size, word_size = length_of(word);
    long error, worst = ENOENT;
    for (size = 0; word[size]; size++)
        if (word[size] == '/')
            return -call3(EXECVE, word, asked.argv, asked.variables);
    while (*folders) {
        for (size = 0; folders[size] && folders[size] != ':'; size++)
            ;
        if (size + word_size + 2 < (int)sizeof asked.path) {
            memcpy(asked.path, folders, size);
            asked.path[size] = '/';
            memcpy(asked.path + size + 1, word, word_size + 1);
            error = -call3(EXECVE, asked.path, asked.argv, asked.variables);
            worst = error == ENOENT ? worst : error;
        }
        folders += size + (folders[size] == ':');
    }
    return worst;
}

static void begin(void)
{
    long error = 0;
    char *group;
    if (asked.with_input)
        call3(DUP2, APART + IN, 0, 0);
    if (*asked.folder && call3(CHDIR, asked.folder, 0, 0))
        error = -ENOTDIR;
    if (*asked.user && !error) {
        for (group = asked.user; *group && *group != ':'; group++)
            ;
        error = call3(SETGROUPS, 0, 0, 0);
        error = error ? error : call3(SETGID, number(group + 1), 0, 0);
        error = error ? error : call3(SETUID, number(asked.user), 0, 0);
    }
    asked.failed = error ? -error : search();
}

/* In the child: all is done that can be done before it is known what for. An agent that is gone ends the waiting. */
static void wait_to_begin(int ends[PIPES][2])
{
    long none = 0, done;
    int which;
    char ignored;
    call3(SETSID, 0, 0, 0);
    write_file("/proc/self/oom_score_adj", "0", 0);
    for (which = 0; which < PIPES; which++)
        call3(DUP3, ends[which][which >= TOLD], APART + which, O_CLOEXEC);
    call3(CLOSE_RANGE, 3, APART - 1, 0);
    call3(DUP2, call3(OPEN, "/dev/null", O_RDONLY | O_CLOEXEC, 0), 0, 0);
    call3(DUP2, APART + OUT, 1, 0);
    call3(DUP2, APART + ERR, 2, 0);
    call(SIGPROCMASK, SIG_SETMASK, (long)&none, 0, 8);
    asked.path[0] = !asked.variables[0] + !asked.words[0] + !asked.text[0]; /* these pages are here from now on */
    while ((done = call3(READ, APART + GO, &ignored, 1)) == -EINTR)
        ;
    if (done == 1)
        begin();
    call3(EXIT, NOT_FOUND, 0, 0);
}

/* A child waits, unless its pid is below zero: then nothing is left of the attempt. */
static void prepare(void)
{
    int ends[PIPES][2], made = 0, which;
    long pid = 0;
    while (made < PIPES && !(pid = call3(PIPE2, ends[made], O_CLOEXEC, 0)))
        made++;
    if (!pid && !(pid = call3(FORK, 0, 0, 0)))
        wait_to_begin(ends);
    for (which = 0; which < made; which++) {
        call3(CLOSE, ends[which][which >= TOLD], 0, 0);
        waiting.ends[which] = ends[which][which < TOLD];
        if (pid < 0)
            call3(CLOSE, waiting.ends[which], 0, 0);
    }
    waiting.pid = pid;
}

/* The child that waited was ended by somebody. */
static void forget_waiting(void)
{
    int which;
    for (which = 0; which < PIPES; which++)
        call3(CLOSE, waiting.ends[which], 0, 0);
    waiting.pid = 0;
}

/* Its pid once it has executed what was asked for, or has ended; an error number below zero when there is no child. */
static long begun(void)
{
    char ignored;
    int pid;
    asked.failed = 0;
    do {
        if (waiting.pid <= 0)
            prepare();
        if (waiting.pid < 0)
            return waiting.pid;
        if (call3(WRITE, waiting.ends[GO], "", 1) == 1)
            break;
        forget_waiting();
    } while (1);
    while (call3(READ, waiting.ends[TOLD], &ignored, 1) == -EINTR)
        ;
    pid = waiting.pid;
    waiting.pid = 0;
    call3(CLOSE, waiting.ends[GO], 0, 0);
    call3(CLOSE, waiting.ends[TOLD], 0, 0);
    return pid;
}

/* Words quoted as $'…', one blank between them, become texts that end in NUL. How many; -1 when they are not that. */
static int unquoted(char *text, int size)
{
    char *end = text + size, *to = text;
    int count = 0;
    while (text < end) {
        if (end - text < 3 || text[0] != '$' || text[1] != '\'')
            return -1;
        asked.words[count++] = to;
        for (text += 2; text < end && *text != '\''; text++) {
            if (*text == '\\' && ++text < end)
                *to++ = *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text;
            else
                *to++ = *text;
        }
        *to++ = 0;
        text += 2;
    }
    asked.words[count] = 0;
    return count;
}

static int set_variables(char **given, int count)
{
    int used = 0;
    char **at;
    if (count > VARIABLES)
        return -1;
    for (; used < count; used++)
        asked.variables[used] = given[used];
    asked.variables[used] = 0;
    for (at = defaults; *at; at++) {
        char name[16];
        int size = 0;
        do
            name[size] = (*at)[size];
        while (name[size++] != '=');
        name[size] = 0;
        if (!*variable(name)) {
            asked.variables[used++] = *at;
            asked.variables[used] = 0;
        }
    }
    return 0;
}

static const char *reason(int error)
{
    return error == ENOENT ? ": not found\n" : error == EACCES ? ": permission denied\n" : error == ENOEXEC ? ": no program\n"
        : error == E2BIG ? ": too many words\n" : error == ENOTDIR ? ": its folder cannot be entered\n" : error == ENOMEM ? ": no memory\n" : ": cannot be run\n";
}
