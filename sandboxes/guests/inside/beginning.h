/* Between a request to run something and its execve(): words, variables, and what the child does before. */

enum { VARIABLES = 1000, NOT_FOUND = 127, NOT_RUN = 126 };

static char *words[MOST / 4 + 2], *variables[VARIABLES + 8];
static char *defaults[] = {"PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/root", "TERM=linux", "SHELL=/bin/sh", 0};
static byte child_stack[16384] __attribute__((aligned(16)));

/* What a child about to begin reads, and leaves for its parent to read. */
static struct { char **argv, *folder, *user; int in, out, err; volatile int failed; } next;

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

static const char *reason(int error)
{
    return error == ENOENT ? ": not found\n" : error == EACCES ? ": permission denied\n" : error == ENOEXEC ? ": no program\n"
        : error == E2BIG ? ": too many words\n" : error == ENOTDIR ? ": its folder cannot be entered\n" : error == ENOMEM ? ": no memory\n" : ": cannot be run\n";
}
