/* Who this guest is: random(4), clock_settime(2), sethostname(2), machine-id(5). */

static int random_numbers; /* open all the time */

static void identify(const char *id, char *text)
{
    static struct { int entropy_bits, size; byte data[256]; } pool;
    struct timespec now;
    char *lines[4], *seed;
    int line;
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
    if (call3(IOCTL, random_numbers, RNDADDENTROPY, &pool) || call3(IOCTL, random_numbers, RNDRESEEDCRNG, 0))
        refuse(id, 1, "random numbers", ": cannot be seeded\n");
    else if (call3(CLOCK_SETTIME, 0, &now, 0))
        refuse(id, 1, "clock", ": cannot be set\n");
    else if (call3(SETHOSTNAME, lines[0], length_of(lines[0]), 0))
        refuse(id, 1, "name", ": cannot be set\n");
    else if (write_file("/etc/machine-id", lines[1], O_CREAT)) /* all are of one length, the first is shorter */
        refuse(id, 1, "/etc/machine-id", ": cannot be written\n");
    else
        say_number('x', id, 0);
}
